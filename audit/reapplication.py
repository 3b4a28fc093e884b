"""Doing erasures again that a restored backup does not know of.

What was erased after a backup was made is back when the backup is restored, and the entries that
erased it are lost with the rest. They still stand in the store that was set aside, or in an export;
from there they are done again, where both logs have the very same entry.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError
from audit.log import connections, store
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint
from audit.log.files import replace
from audit.log.log import refuse_missing
from audit.log.merkle import Hash, leaf_hash
from audit.log.standing import ANCHOR_FILE, CHECKPOINT_FILE, sound
from audit.trail.destruction import kept_of, plan
from audit.trail.entries import Entry, Leaf
from audit.trail.erasures import (
    ERASURE_KEY,
    ERASURE_TYPE,
    Erasure,
    permanent_part,
    read_erasures,
)
from audit.trail.holds import held, read_holds, under_hold
from audit.trail.offline import append
from audit.trail.unsealing import read_keyring
from audit.verify import is_export, verify_export
from audit.verify.exported import entries_of_export

_AN_ENTRY = 2_000
"""Entries that one `erasure/1` erases at most."""


@dataclass(frozen=True, slots=True)
class Reapplied:
    """What was erased again.

    Attributes:
        index: Of the newest entry that records it; -1 if nothing was left to erase.
        erased: The entries.
    """

    index: int
    erased: tuple[int, ...]


def reapply(
    folder: Path, source: Path, *, operator: str, now: datetime, anchor: Path | None = None
) -> Reapplied:
    """Erase again what the log in ``source`` has erased, while no service holds the store.

    Args:
        source: Folder of the store that was set aside, or of an export.
        operator: The account that does it; readable for ever.
        anchor: Where the anchor lies; by default in the folder.

    Raises:
        StoreRefusedError: A process holds the store, it must not be opened as it is, the source
            cannot be read, is damaged or of another log, or the disk failed.
        HeldError: A hold forbids it; nothing was erased.
        TamperedError: The export is not signed by its key.
    """
    refuse_missing(folder)
    place = anchor or folder / ANCHOR_FILE
    try:
        with connections.at(folder).alone() as connection:
            known = _erased(source)
            with connection.begin():
                signer, anchored = sound(connection, folder, place)
                head, done = _reapply(connection, folder, known, operator, now)
            if done.erased:
                Anchor(place).advance(anchored, head)
                replace(folder / CHECKPOINT_FILE, signer.sign(head), durable=True)
    except (OSError, SQLAlchemyError) as error:
        raise _unfinished() from error
    return done


def _reapply(
    connection: Connection,
    folder: Path,
    known: Mapping[int, Hash],
    operator: str,
    now: datetime,
) -> tuple[Checkpoint, Reapplied]:
    head, keyring = store.read_head(connection), read_keyring(folder, connection)
    again = kept_of(connection, [*_same(connection, known)])
    stopped = held(connection, read_holds(connection), again)
    if stopped:
        raise under_hold(stopped)
    told = {"caller": operator, "ground": "reapplied"}
    for start in range(0, len(again), _AN_ENTRY):
        some = again[start : start + _AN_ENTRY]
        newest = store.latest(connection, [ERASURE_KEY]).get(ERASURE_KEY)
        permanent = {**told, **permanent_part("erased before, and restored", some, newest)}
        entry = Entry(ERASURE_TYPE, str(uuid4()), now, permanent, {})
        destroy = plan(connection, keyring, some)
        head = append(connection, head, keyring, entry, key=ERASURE_KEY, destroys=destroy)
    return head, Reapplied(head.size - 1 if again else -1, again)


def _erased(source: Path) -> Mapping[int, Hash]:
    """The entries that the log in that folder has erased, each with its hash."""
    if is_export(source):
        if verify_export(source).problems:
            raise _unsound()
        return _of_export(source)
    refuse_missing(source)
    try:
        return connections.at(source).look(_of_store)
    except (ValueError, TypeError, SQLAlchemyError):
        raise _unsound() from None


def _of_store(connection: Connection) -> Mapping[int, Hash]:
    erased = {index for one in read_erasures(connection) for index in one.erased}
    return {index: hashed for index, hashed in _hashes(connection) if index in erased}


def _of_export(source: Path) -> Mapping[int, Hash]:
    erased: set[int] = set()
    for index, content in entries_of_export(source):
        leaf = Leaf.decode(content)
        if leaf.type == ERASURE_TYPE:
            erased |= set(Erasure.read(index, leaf).erased)
    return {
        index: leaf_hash(content) for index, content in entries_of_export(source) if index in erased
    }


def _same(connection: Connection, known: Mapping[int, Hash]) -> Iterator[int]:
    """Those that this log has, too."""
    for index, hashed in _hashes(connection):
        if known.get(index) == hashed:
            yield index


def _hashes(connection: Connection) -> Iterator[tuple[int, Hash]]:
    entries = store.ENTRIES.c
    query = select(entries.idx, entries.hash).order_by(entries.idx)
    for index, hashed in connection.execute(query, execution_options={"yield_per": 1_000}):
        yield index, bytes(hashed)


def _unsound() -> StoreRefusedError:
    return StoreRefusedError(
        "what the erasures shall be taken from is damaged",
        zh="所指来源已损坏或被改动，不能据以重新删除；请用 `miaopi audit verify` 查明，"
        "或另用一份导出",
        reason="SOURCE_DAMAGED",
        hint="Run `miaopi audit verify` on it, or take an export.",
    )


def _unfinished() -> StoreRefusedError:
    return StoreRefusedError(
        "the disk failed before the erasures were done again",
        zh="磁盘出错，重新删除未完成；请检查磁盘后再次运行",
        reason="REAPPLICATION_UNFINISHED",
        hint="Look at the disk, then run it again; what was done already stays on record.",
    )
