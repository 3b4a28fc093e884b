"""What is derived of a store as a whole: keys, cases, and that nothing else lies in it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Select, func, select

from audit.log import store
from audit.trail.entries import Leaf, Links, case_json
from audit.trail.projections import (
    ARCHIVE,
    CASES,
    ENTRIES,
    MARKS,
    SEALED,
    SUBJECT_KEYS,
    archive_hash,
)

Wrong: TypeAlias = Callable[[int | None, str, str], None]
"""Told what is wrong: at which entry, in English, in Chinese."""


def check_whole(
    connection: Connection, size: int, *, erased: Collection[int], wrong: Wrong
) -> None:
    """Check what no single entry shows.

    Args:
        size: How many entries there are.
        erased: Those whose links are gone, lawfully.
    """
    _keys(connection, erased, wrong)
    _cases(connection, wrong)
    _nothing_else(connection, size, wrong)
    _file(connection, wrong)


def _keys(connection: Connection, erased: Collection[int], wrong: Wrong) -> None:
    """Every key points at an entry that has it; that none points too low was seen before."""
    query = select(store.LATEST.c.key, store.LATEST.c.idx, SEALED.c.links).join(
        SEALED, SEALED.c.idx == store.LATEST.c.idx, isouter=True
    )
    for key, index, links in _stream(connection, query):
        try:
            has_it = links is not None and key in Links.decode(links).keys
        except ValueError:
            has_it = False
        if not has_it and index not in erased:
            wrong(
                index,
                "a key points at this entry, which does not have it",
                "有键指向本条，而本条并无此键",
            )


def _cases(connection: Connection, wrong: Wrong) -> None:
    """Every case stands as the newest entry that changed it says."""
    span = (
        select(
            ENTRIES.c.case_id,
            func.min(ENTRIES.c.idx).label("first"),
            func.max(ENTRIES.c.idx).label("latest"),
        )
        .where(ENTRIES.c.case_id != "", ENTRIES.c.case_state != "")
        .group_by(ENTRIES.c.case_id)
        .subquery()
    )
    unheard_of = select(span.c.latest).where(span.c.case_id.not_in(select(CASES.c.case_id)))
    for index in connection.execute(unheard_of).scalars():
        wrong(index, "the case of this entry is missing", "本条所属的办件缺失")
    beside = CASES.join(span, span.c.case_id == CASES.c.case_id, isouter=True).join(
        store.ENTRIES, store.ENTRIES.c.idx == span.c.latest, isouter=True
    )
    query = select(span.c.first, span.c.latest, store.ENTRIES.c.leaf, CASES)
    for first, latest, leaf, *stored in _stream(connection, query.select_from(beside)):
        ours = _case_row(leaf, first, latest)
        if ours != tuple(stored):
            differs = zip(CASES.c.keys(), ours or (), stored, strict=False)
            name = next((column for column, a, b in differs if a != b), "case_id")
            wrong(
                stored[-1] if latest is None else latest,
                f"column `{name}` of `cases` is not as the newest entry of the case says",
                f"`cases` 的 `{name}` 列与该办件的最新记录不符",
            )


def _nothing_else(connection: Connection, size: int, wrong: Wrong) -> None:
    """Nothing lies in the store that belongs to no entry, and the archive is whole."""
    for table in (store.ENTRIES, ENTRIES, MARKS, SEALED):
        beyond = select(func.min(table.c.idx)).where((table.c.idx >= size) | (table.c.idx < 0))
        index = connection.execute(beyond).scalar_one()
        if index is not None:
            wrong(
                index,
                f"`{table.name}` has a row beyond the {size} entries",
                f"`{table.name}` 有超出 {size} 条记录的行",
            )
    used = select(SEALED.c.subject_key_id)
    stray = select(func.count()).where(SUBJECT_KEYS.c.id.not_in(used))
    if connection.execute(stray).scalar_one():
        wrong(None, "there is a subject key that no entry uses", "有对象密钥不属于任何记录")
    full = sum(size >> shift for shift in range(8, 64, 8))
    if connection.execute(select(func.count()).select_from(store.TILES)).scalar_one() != full:
        wrong(
            None,
            f"there are not the {full} tiles of {size} entries",
            f"{size} 条记录应有的 {full} 个哈希块不齐",
        )
    for digest, stated, content in _stream(connection, select(ARCHIVE)):
        if archive_hash(digest, content) != stated:
            wrong(
                None,
                f"the archived content `{digest}` is not what was put there",
                f"存档内容 `{digest}` 已非存入时的原样",
            )


def _file(connection: Connection, wrong: Wrong) -> None:
    """SQLite's own structures, among them the indexes that questions are answered with."""
    if connection.dialect.name != "sqlite":
        return  # a server looks after its own, with `pg_amcheck`
    (found,) = connection.exec_driver_sql("PRAGMA integrity_check(1)").one()
    if found != "ok":
        wrong(
            None,
            "SQLite finds its file damaged (`PRAGMA integrity_check`)",
            "SQLite 查出文件损坏（`PRAGMA integrity_check`）",
        )


def _case_row(leaf: bytes | None, first: int, latest: int) -> tuple[str | int, ...] | None:
    """The row of ``cases`` that follows from the newest entry that changed the case."""
    try:
        case = None if leaf is None else Leaf.decode(leaf).case
    except ValueError:
        case = None
    return None if case is None else (*case_json(case).values(), first, latest)


def _stream(connection: Connection, query: Select[Any]) -> Iterable[Sequence[Any]]:
    """All rows, a few at a time."""
    return connection.execute(query, execution_options={"yield_per": 1_000})
