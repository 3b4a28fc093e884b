"""Everything in a store derived again from its entries, and compared with what is stored."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, RowMapping, Select, func, select

from audit.errors import TamperedError
from audit.log import store
from audit.log.checkpoint import Checkpoint
from audit.log.merkle import EMPTY_ROOT, Frontier, leaf_hash
from audit.log.tiles import HEIGHT, WIDTH, Tile, Tree, split_hashes
from audit.trail.entries import Leaf, Links, case_json
from audit.trail.erasures import ERASURE_TYPE, Erasure, read_erasures
from audit.trail.projections import (
    ARCHIVE,
    CASES,
    ENTRIES,
    MARKS,
    SEALED,
    SUBJECT_KEYS,
    archive_hash,
    entry_columns,
    entry_marks,
)
from audit.trail.recoveries import RECOVERY_TYPE, Recovery, opens_from, read_recoveries
from audit.trail.seal import Keyring, commitment, digest_of
from audit.trail.unsealing import MASTER_KEY_FILE, unseal

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many entries have been checked, of how many."""

PROBLEMS = 1_000
"""Where that much is wrong, the rest is not looked at."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the store that does not follow from its entries.

    Attributes:
        index: The entry that it concerns; None if it concerns no single one.
        what: One line, lower case, without personal data.
    """

    index: int | None
    what: str


class Derivation:
    """One pass over a store; collects what is wrong and goes on.

    Args:
        keyring: Opens the sealed parts; None leaves them shut.
        sizes: Sizes at which the root is of interest.

    Attributes:
        tree: As it grew from the entries.
        roots: The root that the tree had at each of ``sizes`` that it came to.
        recoveries: Those of the log, by index.
    """

    def __init__(
        self, connection: Connection, keyring: Keyring | None, sizes: Iterable[int]
    ) -> None:
        self.problems: list[Problem] = []
        self.tree = Tree(Frontier(), [])
        self.roots = {0: EMPTY_ROOT}
        self._connection = connection
        self._keyring = keyring
        self._sizes = frozenset(sizes)
        self.recoveries: dict[int, Recovery] = {}
        erasures: tuple[Erasure, ...] = ()
        try:
            self.recoveries = {one.index: one for one in read_recoveries(connection)}
            erasures = read_erasures(connection)
        except ValueError:
            self._wrong(None, "the newest recovery or erasure, or what it leads to, is none")
        self._erasures = frozenset(one.index for one in erasures)
        self._erased = {index: one.index for one in erasures for index in one.erased}
        self._opens_from = opens_from([*self.recoveries.values()], MASTER_KEY_FILE)

    def run(self, head: Checkpoint, progress: Progress) -> None:
        """Check everything; gives up only where nearly everything is wrong."""
        newest = self._connection.execute(select(func.max(store.ENTRIES.c.idx))).scalar_one()
        size = 0 if newest is None else newest + 1
        if head.size > size:
            self._wrong(size, f"the head says {head.size} entries, but they end here")
        size = min(size, head.size)
        for start in range(0, size, WIDTH):
            end = min(start + WIDTH, size)
            rows = {row["idx"]: row for row in _rows(self._connection, start, end)}
            self._entries(rows, start, end)
            self._grow(rows, start, end)
            progress(end, size)
            if len(self.problems) >= PROBLEMS:
                return
        self._head(head)
        self._keys()
        self._cases()
        self._nothing_else(size)
        self._file()

    def _entries(self, rows: Mapping[int, RowMapping], start: int, end: int) -> None:
        """Entries from ``start`` to before ``end``: leaf, sealed part, links, columns, keys."""
        linked: dict[str, int] = {}
        marks = _marks(self._connection, start, end)
        for index in range(start, end):
            if index not in rows:
                self._wrong(index, "the entry is missing")
                continue
            try:
                leaf, links = Leaf.decode(rows[index]["leaf"]), _links(rows[index])
                self._entry(index, rows[index], leaf, links)
                if marks.get(index, ()) != entry_marks(leaf):
                    self._wrong(index, "`entry_marks` does not follow from the entry")
                linked |= dict.fromkeys(links.keys, index)
            except _UNREADABLE:
                self._wrong(index, "the permanent part, or what lies beside it, cannot be read")
        latest = store.latest(self._connection, linked)
        for link, index in linked.items():
            if latest.get(link, -1) < index:
                self._wrong(index, "a key does not point at this entry or a newer one")

    def _entry(self, index: int, row: RowMapping, leaf: Leaf, links: Links) -> None:
        self._in_chain(index, leaf)
        if leaf_hash(row["leaf"]) != row["hash"]:
            self._wrong(index, "the permanent part does not have the hash that is stored with it")
        if row["content"] is None and index not in self._erased:
            self._wrong(index, "the sealed part is missing, and no erasure accounts for it")
            return
        if row["content"] is not None and index in self._erased:
            self._wrong(index, f"the sealed part that entry {self._erased[index]} erased is here")
        if tuple(row[column] for column in _ENTRY_COLUMNS) != entry_columns(leaf, links):
            self._wrong(index, "the projection in `entries` does not follow from the entry")
        if row["content"] is not None:
            self._beside(index, row, leaf, links)

    def _in_chain(self, index: int, leaf: Leaf) -> None:
        for kind, known in ((RECOVERY_TYPE, self.recoveries), (ERASURE_TYPE, self._erasures)):
            if leaf.type == kind and index not in known:
                self._wrong(index, f"no later `{kind}` leads to this one")

    def _beside(self, index: int, row: RowMapping, leaf: Leaf, links: Links) -> None:
        """What can be erased of an entry, while it is there."""
        if digest_of(row["content"]) != leaf.sealed_digest:
            self._wrong(index, "the sealed part is not the one that the entry committed to")
        if commitment(row["links_salt"], row["links"].decode()) != leaf.links_commitment:
            self._wrong(index, "the links are not those that the entry committed to")
        if row["key_tag"] != links.subject_tag:
            self._wrong(index, "the subject key is missing, or filed under another subject")
        elif self._keyring is not None and index >= self._opens_from:
            self._sealed(index, row, leaf, self._keyring)

    def _sealed(self, index: int, row: RowMapping, leaf: Leaf, keyring: Keyring) -> None:
        try:
            opened = unseal(keyring, row["leaf"], row)
        except (TamperedError, ValueError):
            self._wrong(index, "the sealed part cannot be opened with the keys of this store")
            return
        said = (
            commitment(opened.subject_proof_key, opened.subject),
            commitment(opened.notice_proof_key, opened.notice),
            keyring.tag(opened.subject) if opened.subject else "",
        )
        if said != (leaf.subject_commitment, leaf.notice_commitment, row["key_tag"]):
            self._wrong(index, "subject or notice are not those that the entry committed to")

    def _grow(self, rows: Mapping[int, RowMapping], start: int, end: int) -> None:
        """Let the tree grow by these entries, and compare the tiles that become full."""
        for index in range(start, end):
            recovery = self.recoveries.get(index)
            if recovery is not None and recovery.root != self.tree.frontier.root():
                self._wrong(index, "the recovery was made on another log than this")
            hashed = leaf_hash(rows[index]["leaf"]) if index in rows else EMPTY_ROOT
            for tile in self.tree.grow([hashed]):
                self._tile(tile)
            if self.tree.size in self._sizes:
                self.roots[self.tree.size] = self.tree.frontier.root()

    def _tile(self, tile: Tile) -> None:
        """Name the first entry under the first hash of a tile that is wrong."""
        at = (store.TILES.c.level == tile.level) & (store.TILES.c.position == tile.position)
        stored = self._connection.execute(select(store.TILES).where(at)).one_or_none()
        if stored is not None and tuple(stored) == tuple(tile):
            return
        ours = split_hashes(tile.hashes)
        theirs = split_hashes(b"" if stored is None else stored.hashes)
        wrong = (i for i, hashed in enumerate(theirs[:WIDTH]) if hashed != ours[i])
        offset = next(wrong, 0)
        first = (tile.position * WIDTH + offset) << (HEIGHT * tile.level)
        self._wrong(first, f"tile {tile.level}/{tile.position} does not follow from the entries")

    def _head(self, head: Checkpoint) -> None:
        frontier = self._connection.execute(select(store.HEAD.c.frontier)).scalar_one()
        ours = self.tree.frontier
        if (head.root, frontier) != (ours.root(), b"".join(ours.hashes)):
            self._wrong(None, f"the head of size {head.size} does not follow from the entries")

    def _keys(self) -> None:
        """Every key points at an entry that has it; that none points too low was seen before."""
        query = select(store.LATEST.c.key, store.LATEST.c.idx, SEALED.c.links).join(
            SEALED, SEALED.c.idx == store.LATEST.c.idx, isouter=True
        )
        for key, index, links in _stream(self._connection, query):
            try:
                has_it = links is not None and key in Links.decode(links).keys
            except ValueError:
                has_it = False
            if not has_it and index not in self._erased:
                self._wrong(index, "a key points at this entry, which does not have it")

    def _cases(self) -> None:
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
        for index in self._connection.execute(unheard_of).scalars():
            self._wrong(index, "the case of this entry is missing")
        beside = CASES.join(span, span.c.case_id == CASES.c.case_id, isouter=True).join(
            store.ENTRIES, store.ENTRIES.c.idx == span.c.latest, isouter=True
        )
        query = select(span.c.first, span.c.latest, store.ENTRIES.c.leaf, CASES)
        for first, latest, leaf, *stored in _stream(self._connection, query.select_from(beside)):
            if _case_row(leaf, first, latest) != tuple(stored):
                at = stored[-1] if latest is None else latest
                self._wrong(at, "the case does not stand as its newest entry says")

    def _nothing_else(self, size: int) -> None:
        """Nothing lies in the store that belongs to no entry, and the archive is whole."""
        for table in (store.ENTRIES, ENTRIES, MARKS, SEALED):
            beyond = select(func.min(table.c.idx)).where((table.c.idx >= size) | (table.c.idx < 0))
            index = self._connection.execute(beyond).scalar_one()
            if index is not None:
                self._wrong(index, f"`{table.name}` has a row beyond the {size} entries")
        used = select(SEALED.c.subject_key_id)
        stray = select(func.count()).where(SUBJECT_KEYS.c.id.not_in(used))
        if self._connection.execute(stray).scalar_one():
            self._wrong(None, "there is a subject key that no entry uses")
        full = sum(size >> shift for shift in range(8, 64, 8))
        if (
            self._connection.execute(select(func.count()).select_from(store.TILES)).scalar_one()
            != full
        ):
            self._wrong(None, f"there are not the {full} tiles of {size} entries")
        for digest, stated, content in _stream(self._connection, select(ARCHIVE)):
            if archive_hash(digest, content) != stated:
                self._wrong(None, f"the archived content `{digest}` is not what was put there")

    def _file(self) -> None:
        """SQLite's own structures, among them the indexes that questions are answered with."""
        (found,) = self._connection.exec_driver_sql("PRAGMA integrity_check(1)").one()
        if found != "ok":
            self._wrong(None, "SQLite finds its file damaged (`PRAGMA integrity_check`)")

    def _wrong(self, index: int | None, what: str) -> None:
        self.problems.append(Problem(index, what))


def _rows(connection: Connection, start: int, end: int) -> Iterable[RowMapping]:
    """The entries of that range with everything that is kept beside them."""
    log, keys = store.ENTRIES, SUBJECT_KEYS
    beside = (
        log.join(SEALED, SEALED.c.idx == log.c.idx, isouter=True)
        .join(keys, keys.c.id == SEALED.c.subject_key_id, isouter=True)
        .join(ENTRIES, ENTRIES.c.idx == log.c.idx, isouter=True)
    )
    query = select(
        log,
        *(column for column in SEALED.c if column.name != "idx"),
        keys.c.subject_tag.label("key_tag"),
        keys.c.wrapped.label("wrapped_subject_key"),
        *_ENTRY_COLUMNS,
    )
    within = (log.c.idx >= start) & (log.c.idx < end)
    return connection.execute(query.select_from(beside).where(within)).mappings()


def _marks(connection: Connection, start: int, end: int) -> dict[int, tuple[tuple[str, str], ...]]:
    """The marks of the entries of that range, in their order."""
    within = (MARKS.c.idx >= start) & (MARKS.c.idx < end)
    query = select(MARKS).where(within).order_by(MARKS.c.idx, MARKS.c.name, MARKS.c.value)
    found: dict[int, tuple[tuple[str, str], ...]] = {}
    for index, name, value in connection.execute(query):
        found[index] = (*found.get(index, ()), (name, value))
    return found


_ENTRY_COLUMNS = tuple(column for column in ENTRIES.c if column.name != "idx")


_UNREADABLE = (ValueError, TypeError, AttributeError)
"""What reading a value raises that is of another form, or (SQLite allows it) of another type."""


def _links(row: RowMapping) -> Links:
    return Links("", ()) if row["links"] is None else Links.decode(row["links"])


def _case_row(leaf: bytes | None, first: int, latest: int) -> tuple[str | int, ...] | None:
    """The row of ``cases`` that follows from the newest entry that changed the case."""
    try:
        case = None if leaf is None else Leaf.decode(leaf).case
    except ValueError:
        case = None
    return None if case is None else (*case_json(case).values(), first, latest)


def _stream(connection: Connection, query: Select[Any]) -> Iterable[Sequence[Any]]:
    """All rows, a few at a time."""
    return connection.execution_options(yield_per=1_000).execute(query)
