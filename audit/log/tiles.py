"""The tree cut into tiles of 256 hashes (C2SP tlog-tiles): small to store, quick to prove from.

Hash ``i`` of tile level ``L`` is the node ``(8 * L, i)``; a tile ``(L, position)`` holds those from
``256 * position``. Only full tiles are stored: of the rightmost ones everything is known from the
leaves and from the roots of the full tiles below.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple, TypeAlias

from audit.log.merkle import HASH_BYTES, Frontier, Hash, frontier_of, root_of

HEIGHT = 8
WIDTH = 1 << HEIGHT

TileReader: TypeAlias = Callable[[int, int], Sequence[Hash]]
"""The hashes of a tile, by level and position: all 256, or as many as there are yet."""


class Tile(NamedTuple):
    """A full tile and the root over it, which is a hash of the level above."""

    level: int
    position: int
    root: Hash
    hashes: bytes


class TiledNodes:
    """The nodes of a tree that lies in tiles (`merkle.Nodes`); reads each tile once.

    Raises:
        LookupError: A tile has not the hashes that a tree of that size needs.
    """

    def __init__(self, tile: TileReader) -> None:
        self._tile = cache(tile)

    def __call__(self, level: int, index: int) -> Hash:
        """The hash of the node."""
        tile_level, within = divmod(level, HEIGHT)
        position, start = divmod(index << within, WIDTH)
        hashes = self._tile(tile_level, position)[start : start + (1 << within)]
        if len(hashes) != 1 << within:
            raise LookupError(f"tile {tile_level}/{position} is incomplete")
        return root_of(hashes)


class Tree:
    """The right edge of the growing tree: its frontier and the tiles that are not full yet.

    Args:
        pending: For each level the hashes of its last, unfinished tile.
    """

    def __init__(self, frontier: Frontier, pending: list[list[Hash]]) -> None:
        self.frontier = frontier
        self._pending = pending

    @classmethod
    def load(cls, size: int, tile: TileReader) -> "Tree":
        """The edge of the tree of that size, from what is stored.

        Raises:
            LookupError: Hashes are missing.
        """
        pending = []
        for level in range((size.bit_length() + HEIGHT - 1) // HEIGHT):
            count = size >> HEIGHT * level
            hashes = tile(level, count >> HEIGHT)[: count % WIDTH]
            if len(hashes) != count % WIDTH:
                raise LookupError(f"tile {level}/{count >> HEIGHT} is incomplete")
            pending.append(list(hashes))
        return cls(frontier_of(size, TiledNodes(tile)), pending)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self.frontier.size

    def grow(self, leaves: Iterable[Hash]) -> Iterator[Tile]:
        """Append leaves and yield the tiles that become full, lower levels first."""
        hashes = self._pending_of(0)
        for leaf in leaves:
            self.frontier.append(leaf)
            hashes.append(leaf)
            if len(hashes) == WIDTH:
                yield from self._fill(0)

    def unfinished(self) -> Iterator[tuple[int, int, bytes]]:
        """Level, position and hashes of each tile that has begun and is not full, lowest first."""
        for level, hashes in enumerate(self._pending):
            if hashes:
                yield level, self.size >> HEIGHT * (level + 1), b"".join(hashes)

    def _pending_of(self, level: int) -> list[Hash]:
        if level == len(self._pending):
            self._pending.append([])
        return self._pending[level]

    def _fill(self, level: int) -> Iterator[Tile]:
        """The tile that has become full, and those above that become full with it."""
        hashes = self._pending[level]
        root = root_of(hashes)
        yield Tile(level, (self.size >> HEIGHT * (level + 1)) - 1, root, b"".join(hashes))
        hashes.clear()
        above = self._pending_of(level + 1)
        above.append(root)
        if len(above) == WIDTH:
            yield from self._fill(level + 1)


def tile_path(level: int | str, position: int, count: int = WIDTH) -> str:
    """Where a tile lies in a folder, as C2SP names it: ``tile/0/x001/x234/067.p/5``.

    Args:
        level: Of the tile; ``entries`` for a bundle of entries.
        count: How many it holds.
    """
    *groups, last = f"{position:,}".split(",")
    name = "/".join([*(f"x{int(group):03}" for group in groups), f"{int(last):03}"])
    return f"tile/{level}/{name}" + ("" if count == WIDTH else f".p/{count}")


def bundle_entries(leaves: Sequence[bytes]) -> bytes:
    """The bytes of a bundle: each entry after its length, as two bytes, the higher first."""
    return b"".join(len(leaf).to_bytes(2) + leaf for leaf in leaves)


def split_bundle(content: bytes) -> Iterator[bytes]:
    """The entries of a bundle, as far as they are whole."""
    at = 0
    while at < len(content):
        end = at + 2 + int.from_bytes(content[at : at + 2])
        if end > len(content) or at + 2 > len(content):
            return
        yield content[at + 2 : end]
        at = end


def split_hashes(content: bytes) -> list[Hash]:
    """The hashes that lie one after the other in stored bytes."""
    return [content[i : i + HASH_BYTES] for i in range(0, len(content), HASH_BYTES)]
