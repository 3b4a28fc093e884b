"""Everything in a store derived again from its entries, and compared with what is stored."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Connection, RowMapping, func, select

from audit.errors import TamperedError
from audit.log import store
from audit.log.checkpoint import Checkpoint
from audit.log.merkle import EMPTY_ROOT, Frontier, leaf_hash
from audit.log.tiles import HEIGHT, WIDTH, Tile, Tree, split_hashes
from audit.trail.entries import Leaf, Links
from audit.trail.erasures import ERASURE_KEY, ERASURE_TYPE, HOLD_TYPE, Erasure, read_erasures
from audit.trail.projections import (
    ENTRIES,
    MARKS,
    SEALED,
    SUBJECT_KEYS,
    chain,
    entry_columns,
    entry_marks,
)
from audit.trail.recoveries import RECOVERY_TYPE, Recovery, opens_from, read_recoveries
from audit.trail.seal import Keyring, commitment, digest_of
from audit.trail.unsealing import MASTER_KEY_FILE, unseal
from audit.verify.whole import check_whole

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
        zh: The same in Chinese.
    """

    index: int | None
    what: str
    zh: str


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
        self._kept: Collection[int] = ()
        try:
            self.recoveries = {one.index: one for one in read_recoveries(connection)}
            erasures = read_erasures(connection)
            self._kept = frozenset(index for index, _ in chain(connection, ERASURE_KEY))
        except ValueError:
            self._wrong(
                None,
                "the newest recovery or erasure, or what it leads to, is none",
                "最新的恢复或删除记录，或其所指的前一条，并非此类记录",
            )
        self._erased = {index: one.index for one in erasures for index in one.erased}
        self._opens_from = opens_from([*self.recoveries.values()], MASTER_KEY_FILE)

    def run(self, head: Checkpoint, progress: Progress) -> None:
        """Check everything; gives up only where nearly everything is wrong."""
        newest = self._connection.execute(select(func.max(store.ENTRIES.c.idx))).scalar_one()
        size = 0 if newest is None else newest + 1
        if head.size > size:
            self._wrong(
                size,
                f"the head says {head.size} entries, but they end here",
                f"库头称有 {head.size} 条，记录却到此为止",
            )
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
        check_whole(self._connection, size, erased=self._erased, wrong=self._wrong)

    def _entries(self, rows: Mapping[int, RowMapping], start: int, end: int) -> None:
        """Entries from ``start`` to before ``end``: leaf, sealed part, links, columns, keys."""
        linked: dict[str, int] = {}
        marks = _marks(self._connection, start, end)
        for index in range(start, end):
            if index not in rows:
                self._wrong(index, "the entry is missing", "该记录缺失")
                continue
            try:
                leaf, links = Leaf.decode(rows[index]["leaf"]), _links(rows[index])
                self._entry(index, rows[index], leaf, links)
                if marks.get(index, ()) != entry_marks(leaf):
                    self._wrong(
                        index,
                        "`entry_marks` does not follow from the entry",
                        "`entry_marks` 中的标记与记录不符",
                    )
                linked |= dict.fromkeys(links.keys, index)
            except _UNREADABLE:
                self._wrong(
                    index,
                    "the permanent part, or what lies beside it, cannot be read",
                    "永久部分或其旁的内容读不出来",
                )
        latest = store.latest(self._connection, linked)
        for link, index in linked.items():
            if latest.get(link, -1) < index:
                self._wrong(
                    index,
                    "a key does not point at this entry or a newer one",
                    "有键未指向本条或更新的记录",
                )

    def _entry(self, index: int, row: RowMapping, leaf: Leaf, links: Links) -> None:
        self._in_chain(index, leaf)
        if leaf_hash(row["leaf"]) != row["hash"]:
            self._wrong(
                index,
                "the permanent part does not have the hash that is stored with it",
                "永久部分与所存哈希不符",
            )
        if row["content"] is None and index not in self._erased:
            self._wrong(
                index,
                "the sealed part is missing, and no erasure accounts for it",
                "密封部分缺失，且无删除记录说明缘由",
            )
            return
        if row["content"] is not None and index in self._erased:
            self._wrong(
                index,
                f"the sealed part that entry {self._erased[index]} erased is here",
                f"第 {self._erased[index]} 条已删除的密封部分又出现了",
            )
        stored, ours = tuple(row[column] for column in _ENTRY_COLUMNS), entry_columns(leaf, links)
        if stored != ours:
            name = next(
                c.name for c, a, b in zip(_ENTRY_COLUMNS, stored, ours, strict=True) if a != b
            )
            self._wrong(
                index,
                f"column `{name}` of `entries` does not follow from the entry",
                f"`entries` 的 `{name}` 列与记录不符",
            )
        if row["content"] is not None:
            self._beside(index, row, leaf, links)

    def _in_chain(self, index: int, leaf: Leaf) -> None:
        chains = {RECOVERY_TYPE: self.recoveries, ERASURE_TYPE: self._kept, HOLD_TYPE: self._kept}
        if leaf.type in chains and index not in chains[leaf.type]:
            self._wrong(
                index,
                f"no later `{leaf.type}` leads to this one",
                f"没有更晚的 `{leaf.type}` 指向本条",
            )

    def _beside(self, index: int, row: RowMapping, leaf: Leaf, links: Links) -> None:
        """What can be erased of an entry, while it is there."""
        if digest_of(row["content"]) != leaf.sealed_digest:
            self._wrong(
                index,
                "the sealed part is not the one that the entry committed to",
                "密封部分不是记录所承诺的那一份",
            )
        if commitment(row["links_salt"], row["links"].decode()) != leaf.links_commitment:
            self._wrong(
                index,
                "the links are not those that the entry committed to",
                "关联信息不是记录所承诺的",
            )
        if row["key_tag"] != links.subject_tag:
            self._wrong(
                index,
                "the subject key is missing, or filed under another subject",
                "对象密钥缺失，或归在他人名下",
            )
        elif self._keyring is not None and index >= self._opens_from:
            self._sealed(index, row, leaf, self._keyring)

    def _sealed(self, index: int, row: RowMapping, leaf: Leaf, keyring: Keyring) -> None:
        try:
            opened = unseal(keyring, row["leaf"], row)
        except (TamperedError, ValueError):
            self._wrong(
                index,
                "the sealed part cannot be opened with the keys of this store",
                "密封部分用本库的密钥打不开",
            )
            return
        said = (
            commitment(opened.subject_proof_key, opened.subject),
            commitment(opened.notice_proof_key, opened.notice),
            keyring.tag(opened.subject) if opened.subject else "",
        )
        if said != (leaf.subject_commitment, leaf.notice_commitment, row["key_tag"]):
            self._wrong(
                index,
                "subject or notice are not those that the entry committed to",
                "对象或告知内容不是记录所承诺的",
            )

    def _grow(self, rows: Mapping[int, RowMapping], start: int, end: int) -> None:
        """Let the tree grow by these entries, and compare the tiles that become full."""
        for index in range(start, end):
            recovery = self.recoveries.get(index)
            if recovery is not None and recovery.root != self.tree.frontier.root():
                self._wrong(
                    index,
                    "the recovery was made on another log than this",
                    "该恢复记录所述的日志不是本日志",
                )
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
        self._wrong(
            first,
            f"tile {tile.level}/{tile.position} does not follow from the entries",
            f"哈希块 {tile.level}/{tile.position} 与记录不符",
        )

    def _head(self, head: Checkpoint) -> None:
        frontier = self._connection.execute(select(store.HEAD.c.frontier)).scalar_one()
        ours = self.tree.frontier
        if (head.root, frontier) != (ours.root(), b"".join(ours.hashes)):
            self._wrong(
                None,
                f"the head of size {head.size} does not follow from the entries",
                f"大小为 {head.size} 的库头与记录不符",
            )

    def _wrong(self, index: int | None, what: str, zh: str) -> None:
        self.problems.append(Problem(index, what, zh))


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
