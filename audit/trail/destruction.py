"""What an erasure destroys in the store, worked out before it is written in its transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, not_, select, update

from audit.errors import TamperedError
from audit.log import store
from audit.log.store import insert_rows
from audit.trail.entries import Leaf
from audit.trail.projections import ENTRIES, SEALED, SUBJECT_KEYS
from audit.trail.seal import Keyring, SubjectKey

Item = TypeVar("Item")

_SOME = 500
"""Indices a statement; SQLite takes only so many."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """An entry that stays, under its subject's new key."""

    index: int
    subject_key_id: str
    wrapped_key: bytes


def plan(
    connection: Connection, keyring: Keyring, erased: Sequence[int]
) -> Callable[[Connection], None]:
    """What is to be done so that nothing opens these entries any more, and all others still do.

    Deletes their ciphertexts, links and tags, and every key of their subjects; what else there is
    of a subject is wrapped under a new key, without encrypting its content again. The store
    overwrites what it deletes. Entries about nobody share a key that stays.

    Returns:
        Does it, in a transaction in which nothing about these subjects was added since.
    """
    old_keys: list[str] = []
    new_keys: list[SubjectKey] = []
    kept: list[_Kept] = []
    for tag in tags_of(connection, erased):
        keys = _keys_of(connection, tag)
        fresh = keyring.new_subject_key(tag)
        moved, stuck = _move(connection, keyring, keys, frozenset(erased), fresh)
        kept += moved
        new_keys += [fresh] if moved else []
        old_keys += [key for key in keys if key not in stuck]

    def destroy(connection: Connection) -> None:
        rows = [(key.id, key.tag, key.wrapped) for key in new_keys]
        insert_rows(connection, SUBJECT_KEYS, rows)
        if kept:
            connection.execute(
                update(SEALED)
                .where(SEALED.c.idx == bindparam("at"))
                .values(subject_key_id=bindparam("key"), wrapped_key=bindparam("wrapped")),
                [{"at": k.index, "key": k.subject_key_id, "wrapped": k.wrapped_key} for k in kept],
            )
        for some in _parts(erased):
            connection.execute(delete(SEALED).where(SEALED.c.idx.in_(some)))
            connection.execute(
                update(ENTRIES).where(ENTRIES.c.idx.in_(some)).values(subject_tag="")
            )
        for names in _parts(old_keys):
            connection.execute(delete(SUBJECT_KEYS).where(SUBJECT_KEYS.c.id.in_(names)))
        of_nobody = SUBJECT_KEYS.c.subject_tag == ""
        connection.execute(delete(SUBJECT_KEYS).where(of_nobody, not_(is_used())))

    return destroy


def is_used() -> ColumnElement[bool]:
    """Whether something is sealed under a row of ``subject_keys``."""
    return exists().where(SEALED.c.subject_key_id == SUBJECT_KEYS.c.id)


def _keys_of(connection: Connection, tag: str) -> dict[str, bytes]:
    """Every key of the subject of that tag, as it is stored, by its id."""
    about = (ENTRIES.c.subject_tag == tag) & (ENTRIES.c.subject_tag != "")
    used = select(SEALED.c.subject_key_id).join(ENTRIES, ENTRIES.c.idx == SEALED.c.idx).where(about)
    query = select(SUBJECT_KEYS.c.id, SUBJECT_KEYS.c.wrapped).where(SUBJECT_KEYS.c.id.in_(used))
    return {key_id: wrapped for key_id, wrapped in connection.execute(query)}  # noqa: C416  # rows are no pairs for mypy


def tags_of(connection: Connection, indices: Sequence[int]) -> tuple[str, ...]:
    """Tags of the subjects whom these entries are about."""
    found: set[str] = set()
    for some in _parts(indices):
        query = select(ENTRIES.c.subject_tag).where(ENTRIES.c.idx.in_(some))
        found |= set(connection.execute(query).scalars())
    return tuple(sorted(found - {""}))


def kept_of(connection: Connection, indices: Sequence[int]) -> tuple[int, ...]:
    """Those of these entries whose sealed part has not been erased, ascending."""
    found: list[int] = []
    for some in _parts(indices):
        query = select(SEALED.c.idx).where(SEALED.c.idx.in_(some))
        found += connection.execute(query).scalars()
    return tuple(sorted(found))


def _move(
    connection: Connection,
    keyring: Keyring,
    keys: dict[str, bytes],
    erased: frozenset[int],
    fresh: SubjectKey,
) -> tuple[list[_Kept], set[str]]:
    """What stays of a subject, under the fresh key; and the keys that must stay all the same.

    A key stays where a lost master key had wrapped it: nobody can open it, or wrap it anew.
    """
    moved: list[_Kept] = []
    stuck: set[str] = set()
    columns = (SEALED.c.idx, SEALED.c.subject_key_id, SEALED.c.wrapped_key, store.ENTRIES.c.leaf)
    for some in _parts([*keys]):
        query = (
            select(*columns)
            .join(store.ENTRIES, store.ENTRIES.c.idx == SEALED.c.idx)
            .where(SEALED.c.subject_key_id.in_(some))
        )
        for index, key_id, wrapped, leaf in connection.execute(query):
            if index in erased:
                continue
            try:
                wrapped_key = keyring.move(
                    wrapped, Leaf.decode(leaf).id, keys[key_id], key_id, fresh
                )
            except TamperedError:
                stuck.add(key_id)
            else:
                moved.append(_Kept(index, fresh.id, wrapped_key))
    return moved, stuck


def _parts(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + _SOME] for start in range(0, len(items), _SOME)]
