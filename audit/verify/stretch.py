"""One stretch of entries derived again, and compared with all that is stored of them.

A stretch is read at one instant, and each may be at its own: what was added, superseded or erased
since the log had the size that is checked is accounted for by what is read at the same instant.
So the stretches of a log can be read side by side, also while a service writes it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, bindparam, select

from audit.errors import TamperedError
from audit.log import store
from audit.log.merkle import EMPTY_ROOT, Frontier, Hash, leaf_hash, root_of
from audit.log.tiles import HEIGHT, WIDTH, Tile, split_hashes
from audit.trail.entries import Leaf, Links
from audit.trail.erasures import ERASURE_KEY, ERASURE_TYPE, HOLD_TYPE, erasures_among
from audit.trail.projections import ENTRIES, SEALED, SUBJECT_KEYS, Projected, chain
from audit.trail.recoveries import RECOVERY_TYPE, opens_from, read_recoveries
from audit.trail.seal import Keyring, commitment, digest_of
from audit.trail.unsealing import MASTER_KEY_FILE
from audit.verify.pointers import Pointers
from audit.verify.report import AMBIGUOUS, PROBLEMS, Depth, Problem, Wrong

CHAIN_BROKEN = Problem(
    None,
    "the newest recovery or erasure, or what it leads to, is none",
    "最新的恢复或删除记录，或其所指的前一条，并非此类记录",
)

Tell: TypeAlias = Callable[[int], None]
"""Told how many more entries have been checked."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is to be checked of a log; it begins where a tile does.

    Attributes:
        sizes: At these sizes of the log its root is of interest.
    """

    start: int
    end: int
    depth: Depth
    sizes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Derived:
    """What follows from a stretch.

    Attributes:
        given_up: Whether nearly everything was wrong, so that the rest was not looked at.
        roots: Of the tiles that its entries fill, in order.
        edges: For each size of interest that lies within a tile of the stretch, the frontier of
            what the tile had then.
    """

    given_up: bool
    problems: tuple[Problem, ...]
    roots: tuple[Hash, ...]
    edges: Mapping[int, tuple[Hash, ...]]


def derive_stretch(
    connection: Connection, stretch: Stretch, keyring: Keyring | None, tell: Tell
) -> Derived:
    """Check a stretch; collects what is wrong and goes on.

    Args:
        keyring: Opens the sealed parts; None leaves them shut.
    """
    problems: list[Problem] = []

    def wrong(index: int | None, what: str, zh: str) -> None:
        problems.append(Problem(index, what, zh))

    leaves, beside, query = _Leaves(connection, wrong, stretch.sizes), None, _LEAVES
    end = stretch.start
    with ExitStack() as opened:
        if stretch.depth is not Depth.TREE:
            pointers = opened.enter_context(
                closing(Pointers(connection, stretch.start, stretch.end, wrong))
            )
            beside, query = _Beside(connection, wrong, stretch, keyring, pointers), _ROWS
        while end < stretch.end and len(problems) < PROBLEMS:
            start, end = end, min(end + WIDTH, stretch.end)
            rows = connection.execute(query, {"start": start, "end": end}).all()
            leaves.check(rows, start, end)
            if beside is not None:
                beside.check(rows, end)
            tell(end - start)
    return Derived(end < stretch.end, tuple(problems), tuple(leaves.roots), leaves.edges)


def check_tile(connection: Connection, tile: Tile, wrong: Wrong) -> None:
    """Name the first entry under the first hash of a tile that is wrong."""
    at = {"level": tile.level, "position": tile.position}
    stored = connection.execute(_TILE, at).one_or_none()
    if stored is not None and tuple(stored) == (tile.root, tile.hashes):
        return
    ours, theirs = split_hashes(tile.hashes), []
    if stored is not None and isinstance(stored[1], bytes):
        theirs = split_hashes(stored[1])[:WIDTH]
    offset = next((i for i, hashed in enumerate(theirs) if hashed != ours[i]), 0)
    wrong(
        (tile.position * WIDTH + offset) << (HEIGHT * tile.level),
        f"tile {tile.level}/{tile.position} does not follow from the entries",
        f"哈希块 {tile.level}/{tile.position} 与记录不符",
    )


class _Leaves:
    """The leaves of a stretch and the tiles that they fill."""

    def __init__(self, connection: Connection, wrong: Wrong, sizes: Iterable[int]) -> None:
        self.roots: list[Hash] = []
        self.edges: dict[int, tuple[Hash, ...]] = {}
        self._connection = connection
        self._wrong = wrong
        self._sizes: dict[int, list[int]] = {}
        for size in sizes:
            self._sizes.setdefault(size // WIDTH, []).append(size)

    def check(self, rows: Sequence[Sequence[Any]], start: int, end: int) -> None:
        """Check the leaves of a tile, and the tile if it is full."""
        hashes = self._hashes(rows, start, end)
        for size in self._sizes.get(start // WIDTH, ()):
            if start < size <= end:
                edge = Frontier()
                for hashed in hashes[: size - start]:
                    edge.append(hashed)
                self.edges[size] = tuple(edge.hashes)
        if end - start == WIDTH:
            tile = Tile(0, start // WIDTH, root_of(hashes), b"".join(hashes))
            check_tile(self._connection, tile, self._wrong)
            self.roots.append(tile.root)

    def _hashes(self, rows: Sequence[Sequence[Any]], start: int, end: int) -> list[Hash]:
        if len(rows) == end - start:
            with suppress(TypeError):
                hashes = [leaf_hash(row[_LEAF]) for row in rows]
                if hashes == [row[_HASH] for row in rows]:
                    return hashes
        found = {row[_INDEX]: row for row in rows}
        return [self._hash(index, found.get(index)) for index in range(start, end)]

    def _hash(self, index: int, row: Sequence[Any] | None) -> Hash:
        """The hash of one entry of a tile in which something is wrong."""
        if row is None:
            self._wrong(index, "the entry is missing", "该记录缺失")
            return EMPTY_ROOT
        hashed = leaf_hash(row[_LEAF]) if isinstance(row[_LEAF], bytes) else EMPTY_ROOT
        if hashed != row[_HASH]:
            self._wrong(
                index,
                "the permanent part does not have the hash that is stored with it",
                "永久部分与所存哈希不符",
            )
        return hashed


class _Beside:
    """What lies beside the leaves of a stretch."""

    def __init__(
        self,
        connection: Connection,
        wrong: Wrong,
        stretch: Stretch,
        keyring: Keyring | None,
        pointers: Pointers,
    ) -> None:
        self._wrong = wrong
        self._keyring = keyring
        self._pointers = pointers
        self._chains: dict[str, Collection[int]] = {}
        self._erased: dict[int, int] = {}
        self._opens_from = 0
        try:
            recoveries = read_recoveries(connection)
            links = chain(connection, ERASURE_KEY)
            erasures, kept = erasures_among(links), {index for index, _ in links}
        except ValueError:
            wrong(CHAIN_BROKEN.index, CHAIN_BROKEN.what, CHAIN_BROKEN.zh)
            recoveries, kept, erasures = (), set(), ()
        recovered = {one.index for one in recoveries}
        self._chains = {RECOVERY_TYPE: recovered, ERASURE_TYPE: kept, HOLD_TYPE: kept}
        self._opens_from = opens_from(recoveries, MASTER_KEY_FILE)
        for erasure in erasures:
            for index in erasure.erased:
                if stretch.start <= index < stretch.end:
                    self._erased[index] = erasure.index

    def check(self, rows: Sequence[Sequence[Any]], end: int) -> None:
        """Check the entries of a tile: sealed part, links, columns, keys, cases."""
        read: dict[int, tuple[Leaf, Links]] = {}
        for row in rows:
            index, linked = row[_INDEX], row[_LINKS]
            try:
                leaf = Leaf.decode(row[_LEAF])
                links = Links("", ()) if linked is None else Links.decode(linked)
                self._entry(row, leaf, links)
                read[index] = leaf, links
            except _UNREADABLE:
                self._wrong(
                    index,
                    "the permanent part, or what lies beside it, cannot be read",
                    "永久部分或其旁的内容读不出来",
                )
        self._pointers.check(read, end, self._erased)

    def _entry(self, row: Sequence[Any], leaf: Leaf, links: Links) -> None:
        index, content = row[_INDEX], row[_CONTENT]
        if not leaf.is_text_of(row[_LEAF]):
            self._wrong(index, *AMBIGUOUS)
        if leaf.type in self._chains and index not in self._chains[leaf.type]:
            self._wrong(
                index,
                f"no later `{leaf.type}` leads to this one",
                f"没有更晚的 `{leaf.type}` 指向本条",
            )
        if content is None and index not in self._erased:
            self._wrong(
                index,
                "the sealed part is missing, and no erasure accounts for it",
                "密封部分缺失，且无删除记录说明缘由",
            )
            return
        if content is not None and index in self._erased:
            self._wrong(
                index,
                f"the sealed part that entry {self._erased[index]} erased is here",
                f"第 {self._erased[index]} 条已删除的密封部分又出现了",
            )
        stored, ours = tuple(row[_COLUMNS:]), Projected.of(leaf, links).columns
        if stored != ours:
            names = zip(_ENTRY_COLUMNS, stored, ours, strict=True)
            name = next(column.name for column, a, b in names if a != b)
            self._wrong(
                index,
                f"column `{name}` of `entries` does not follow from the entry",
                f"`entries` 的 `{name}` 列与记录不符",
            )
        if content is not None:
            self._kept(row, leaf, links)

    def _kept(self, row: Sequence[Any], leaf: Leaf, links: Links) -> None:
        """What can be erased of an entry, while it is there."""
        index = row[_INDEX]
        if digest_of(row[_CONTENT]) != leaf.sealed_digest:
            self._wrong(
                index,
                "the sealed part is not the one that the entry committed to",
                "密封部分不是记录所承诺的那一份",
            )
        if commitment(row[_LINKS_SALT], row[_LINKS].decode()) != leaf.links_commitment:
            self._wrong(
                index,
                "the links are not those that the entry committed to",
                "关联信息不是记录所承诺的",
            )
        if row[_KEY_TAG] != links.subject_tag:
            self._wrong(
                index,
                "the subject key is missing, or filed under another subject",
                "对象密钥缺失，或归在他人名下",
            )
        elif self._keyring is not None and index >= self._opens_from:
            self._sealed(row, leaf, self._keyring)

    def _sealed(self, row: Sequence[Any], leaf: Leaf, keyring: Keyring) -> None:
        try:
            opened = keyring.unseal(
                leaf.id,
                subject_key_id=row[_KEY_ID],
                wrapped_subject_key=row[_WRAPPED_SUBJECT_KEY],
                wrapped_key=row[_WRAPPED_KEY],
                content=row[_CONTENT],
            )
        except (TamperedError, ValueError):
            self._wrong(
                row[_INDEX],
                "the sealed part cannot be opened with the keys of this store",
                "密封部分用本库的密钥打不开",
            )
            return
        said = (
            commitment(opened.subject_proof_key, opened.subject),
            commitment(opened.notice_proof_key, opened.notice),
            keyring.tag(opened.subject) if opened.subject else "",
        )
        if said != (leaf.subject_commitment, leaf.notice_commitment, row[_KEY_TAG]):
            self._wrong(
                row[_INDEX],
                "subject or notice are not those that the entry committed to",
                "对象或告知内容不是记录所承诺的",
            )


_UNREADABLE = (ValueError, TypeError, AttributeError)
"""What reading a value raises that is of another form, or (SQLite allows it) of another type."""

_ENTRY_COLUMNS = tuple(column for column in ENTRIES.c if column.name != "idx")

_INDEX, _HASH, _LEAF = range(3)
_KEY_ID, _WRAPPED_KEY, _CONTENT, _LINKS_SALT, _LINKS = range(3, 8)
_KEY_TAG, _WRAPPED_SUBJECT_KEY, _COLUMNS = range(8, 11)
"""Where what stands in a row of `_ROWS`; `_LEAVES` has the first three, and names cost time."""

_LOG = store.ENTRIES
_WITHIN = (_LOG.c.idx >= bindparam("start")) & (_LOG.c.idx < bindparam("end"))
_LEAVES = select(_LOG.c.idx, _LOG.c.hash, _LOG.c.leaf).where(_WITHIN).order_by(_LOG.c.idx)
_ROWS = (
    select(
        *_LEAVES.selected_columns,
        SEALED.c.subject_key_id,
        SEALED.c.wrapped_key,
        SEALED.c.content,
        SEALED.c.links_salt,
        SEALED.c.links,
        SUBJECT_KEYS.c.subject_tag,
        SUBJECT_KEYS.c.wrapped,
        *_ENTRY_COLUMNS,
    )
    .select_from(
        _LOG.join(SEALED, SEALED.c.idx == _LOG.c.idx, isouter=True)
        .join(SUBJECT_KEYS, SUBJECT_KEYS.c.id == SEALED.c.subject_key_id, isouter=True)
        .join(ENTRIES, ENTRIES.c.idx == _LOG.c.idx, isouter=True)
    )
    .where(_WITHIN)
    .order_by(_LOG.c.idx)
)
_TILE = select(store.TILES.c.root, store.TILES.c.hashes).where(
    store.TILES.c.level == bindparam("level"), store.TILES.c.position == bindparam("position")
)
