"""Checking an export: that its entries, tiles and releases are what its checkpoint commits to."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from audit.errors import StoreRefusedError, TamperedError
from audit.log.checkpoint import Checkpoint, Verifier
from audit.log.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, Hash, leaf_hash
from audit.log.standing import CHECKPOINT_FILE, VERIFIER_KEY_FILE
from audit.log.tiles import (
    HEIGHT,
    WIDTH,
    TileReader,
    Tree,
    split_bundle,
    split_hashes,
    tile_path,
)
from audit.trail.entries import Leaf
from audit.trail.layout import (
    EARLIER_KEYS_FILE,
    EXPORT_FILE,
    RELEASE_DIGEST,
    RELEASES_FOLDER,
)
from audit.trail.recoveries import RECOVERY_TYPE, Recovery
from audit.verify.report import AMBIGUOUS, PROBLEMS, Depth, Problem, Progress, Report, in_order

_BUNDLE_BYTES = WIDTH * (2 + 0xFFFF)
SHUT = (
    "密封部分：给审计人员的才有，以 `--identity` 查验"
    " | sealed parts: only those given to an auditor are here, and checked with `--identity`"
)
"""What a check of an export leaves shut; `audit.disclosure.verify_disclosure` opens it."""

_UNCHECKED: tuple[str, ...] = (
    SHUT,
    "查询用的投影：导出中没有 | projections: an export has none",
    "是否还有更新的记录：看另处的检查点 | whether anything is newer: ask another checkpoint",
)
_UNREAD = (
    "各条的内容与其所据的发布（`--depth tree`） | what the entries say, and the releases that they"
    " name (`--depth tree`)"
)


def is_export(folder: Path) -> bool:
    """Whether that folder is an export, not a store."""
    return (folder / EXPORT_FILE).exists()


def verify_export(
    folder: Path,
    *,
    key: str | None = None,
    checkpoint: str | None = None,
    depth: Depth = Depth.SEALED,
    progress: Progress = lambda _done, _all: None,
) -> Report:
    """Derive tiles and root again from the entries, hold them against the signed checkpoint.

    Args:
        key: The log's public key as the authority publishes it; None trusts the folder's own.
        checkpoint: A signed note of this log that was kept elsewhere.
        depth: At ``tree`` nothing that the entries say is read. What is sealed is never there.

    Raises:
        StoreRefusedError: The export has no checkpoint or key that can be read.
        TamperedError: A key is malformed, or did not sign what it should have.
    """
    try:
        if key is None:
            key = (folder / VERIFIER_KEY_FILE).read_text("utf-8").strip()
        verifier = Verifier(key)
        signed = verifier.open((folder / CHECKPOINT_FILE).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise _unreadable() from None
    told = {"the signed checkpoint": signed}
    if checkpoint is not None:
        told["the given checkpoint"] = _given(folder, checkpoint, verifier)
    check = _Check(folder, signed.size, depth, [one.size for one in told.values()])
    check.run(progress)
    problems = [
        *check.problems,
        *(
            Problem(
                None,
                f"{name} of size {one.size} is not of these entries",
                f"大小为 {one.size} 的检查点与这些记录不符",
            )
            for name, one in told.items()
            if check.roots.get(one.size) != one.root
        ),
    ]
    derived = Checkpoint(signed.origin, check.tree.size, check.tree.frontier.root())
    covered = signed.size if derived == signed else 0
    looked, unchecked = Depth.ROWS, _UNCHECKED
    if depth is Depth.TREE:
        looked, unchecked = depth, (*_UNCHECKED, _UNREAD)
    return Report(derived, looked, covered, in_order(problems), unchecked, tuple(check.recoveries))


def entries_of_export(folder: Path) -> Iterator[tuple[int, bytes]]:
    """The entries of an export that was verified, with their indices."""
    note = (folder / CHECKPOINT_FILE).read_text("utf-8")
    size = Checkpoint.parse(note.partition("\n\n")[0] + "\n").size
    for start in range(0, size, WIDTH):
        path = tile_path("entries", start // WIDTH, min(WIDTH, size - start))
        yield from enumerate(split_bundle((folder / path).read_bytes()), start)


def entry_of_export(folder: Path, index: int, size: int) -> tuple[bytes | None, TileReader]:
    """One entry of an export of that size, and the tiles that prove it; neither is verified.

    Raises:
        LookupError: Its bundle does not hold it.
    """

    def tile(level: int, position: int) -> list[Hash]:
        count = min(WIDTH, (size >> HEIGHT * level) - WIDTH * position)
        path = folder / tile_path(level, position, count)
        return split_hashes(_read(path, HASH_BYTES * count))

    if not 0 <= index < size:
        return None, tile
    position, within = divmod(index, WIDTH)
    path = folder / tile_path("entries", position, min(WIDTH, size - WIDTH * position))
    return [*split_bundle(_read(path, _BUNDLE_BYTES))][within], tile


class _Check:
    """One pass over an export, a bundle at a time; collects what is wrong and goes on."""

    def __init__(self, folder: Path, size: int, depth: Depth, sizes: Sequence[int]) -> None:
        self.problems: list[Problem] = []
        self.recoveries: list[Recovery] = []
        self.tree = Tree(Frontier(), [])
        self.roots = {0: EMPTY_ROOT}
        self._folder = folder
        self._size = size
        self._depth = depth
        self._sizes = frozenset(sizes)
        self._named: dict[str, int] = {}

    def run(self, progress: Progress) -> None:
        """Check entries, tiles and releases."""
        for position in range(-(-self._size // WIDTH)):
            start = position * WIDTH
            count = min(WIDTH, self._size - start)
            leaves = self._bundle(position, count)
            if self._depth is not Depth.TREE:
                for index, leaf in enumerate(leaves, start):
                    self._entry(index, leaf)
            self._grow([leaf_hash(leaf) for leaf in leaves])
            progress(start + count, self._size)
            if len(leaves) < count or len(self.problems) >= PROBLEMS:
                return
        for level, position, hashes in self.tree.unfinished():
            self._tile(level, position, hashes)
        for digest, index in self._named.items():
            self._release(digest, index)
        told = {one.old_verifier_key for one in self.recoveries if one.old_verifier_key}
        if self._depth is not Depth.TREE and told != {*_earlier_keys(self._folder)}:
            self._wrong(
                None,
                f"`{EARLIER_KEYS_FILE}` has other keys than the recoveries on record tell of",
                f"`{EARLIER_KEYS_FILE}` 中的公钥与恢复记录所载不符",
            )

    def _grow(self, hashes: Sequence[Hash]) -> None:
        """Let the tree grow, and stop at each size of interest to see its root."""
        start, end = self.tree.size, self.tree.size + len(hashes)
        stops = [size for size in self._sizes if start < size < end]
        for stop in (*sorted(stops), end):
            for tile in self.tree.grow(hashes[self.tree.size - start : stop - start]):
                self._tile(tile.level, tile.position, tile.hashes)
            if stop in self._sizes:
                self.roots[stop] = self.tree.frontier.root()

    def _bundle(self, position: int, count: int) -> Sequence[bytes]:
        """The entries of a bundle, as many as can be read."""
        content = _read(self._folder / tile_path("entries", position, count), _BUNDLE_BYTES)
        leaves = [*split_bundle(content)][:count]
        if len(leaves) < count or len(content) != sum(2 + len(leaf) for leaf in leaves):
            self._wrong(
                position * WIDTH + len(leaves),
                f"the bundle of entries {position} does not hold its {count} entries, no more",
                f"第 {position} 组记录并非恰有应有的 {count} 条",
            )
        return leaves

    def _entry(self, index: int, content: bytes) -> None:
        try:
            leaf = Leaf.decode(content)
            if leaf.type == RECOVERY_TYPE:
                self.recoveries.append(Recovery.read(index, leaf))
        except (ValueError, TypeError, AttributeError):
            self._wrong(index, "the permanent part cannot be read", "永久部分读不出来")
            return
        if not leaf.is_text_of(content):
            self._wrong(index, *AMBIGUOUS)
        digest = leaf.permanent.get("release_digest")
        if isinstance(digest, str) and digest:
            self._named.setdefault(digest, index)

    def _tile(self, level: int, position: int, ours: bytes) -> None:
        """Name the first entry under the first hash of a tile that is wrong."""
        path = tile_path(level, position, len(ours) // HASH_BYTES)
        content = _read(self._folder / path, len(ours))
        if content == ours:
            return
        pairs = zip(split_hashes(ours), split_hashes(content), strict=False)
        offset = next((i for i, (one, other) in enumerate(pairs) if one != other), 0)
        self._wrong(
            (position * WIDTH + offset) << (HEIGHT * level),
            f"`{path}` does not follow from the entries",
            f"哈希块 `{path}` 与记录不符",
        )

    def _release(self, digest: str, index: int) -> None:
        content = b""
        if re.fullmatch(RELEASE_DIGEST, digest):
            with suppress(OSError):
                content = (self._folder / RELEASES_FOLDER / f"{digest}.json").read_bytes()
        if sha256(content).hexdigest() != digest:
            self._wrong(
                index,
                f"the release `{digest[:64]}` that this entry names is not here as it was",
                f"本条所依据的发布 `{digest[:64]}` 不在导出中，或已非原样",
            )

    def _wrong(self, index: int | None, what: str, zh: str) -> None:
        self.problems.append(Problem(index, what, zh))


def _read(path: Path, limit: int) -> bytes:
    """A file, one byte beyond the limit at most; nothing if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError:
        return b""


def _given(folder: Path, note: str, verifier: Verifier) -> Checkpoint:
    """A checkpoint from elsewhere, under the log's key or one that it had before a recovery."""
    for key in _earlier_keys(folder):
        with suppress(TamperedError):
            return Verifier(key).open(note)
    return verifier.open(note)


def _earlier_keys(folder: Path) -> Iterator[str]:
    with suppress(OSError, UnicodeDecodeError):
        yield from (folder / EARLIER_KEYS_FILE).read_text("utf-8").splitlines()


def _unreadable() -> StoreRefusedError:
    return StoreRefusedError(
        "the export has no signed checkpoint, or no public key, that can be read",
        zh="导出中没有可读的已签检查点或公钥；请向导出方重新索取整个目录",
        reason="EXPORT_CHANGED",
        hint="Ask whoever exported it for the whole folder again.",
    )
