"""Merkle trees as in RFC 6962 and RFC 9162 section 2.1: hashes, frontiers, proofs. Pure.

A *node* ``(level, index)`` is the root of the perfect subtree over the ``2**level`` leaves that
start at ``index << level``. Whoever can answer for nodes can prove everything (`Nodes`).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from hashlib import sha256
from typing import TypeAlias

Hash: TypeAlias = bytes
"""SHA-256: 32 bytes."""

Nodes: TypeAlias = Callable[[int, int], Hash]
"""The hash of a node, by level and index; asked only for perfect subtrees inside the tree."""

HASH_BYTES = 32

EMPTY_ROOT: Hash = sha256(b"").digest()
"""Root of the tree without leaves (RFC 9162 section 2.1.1)."""


def leaf_hash(leaf: bytes) -> Hash:
    """Hash of a leaf; the prefix 0x00 keeps it apart from every inner node."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """Hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree (a compact range): all that is needed to go on.

    Args:
        size: Number of leaves so far.
        hashes: Roots of the perfect subtrees that cover them, the largest first: one for each
            one-bit of ``size``.
    """

    def __init__(self, size: int = 0, hashes: Sequence[Hash] = ()) -> None:
        if len(hashes) != size.bit_count():
            raise ValueError(f"a frontier of {size} leaves has {size.bit_count()} hashes")
        self.size = size
        self.hashes = list(hashes)

    def append(self, leaf: Hash) -> None:
        """Add one leaf, by its hash."""
        size = self.size
        while size & 1:
            leaf = node_hash(self.hashes.pop(), leaf)
            size >>= 1
        self.hashes.append(leaf)
        self.size += 1

    def root(self) -> Hash:
        """Root of the tree as it is now."""
        if not self.hashes:
            return EMPTY_ROOT
        return reduce(lambda right, left: node_hash(left, right), reversed(self.hashes))


def root_of(hashes: Sequence[Hash]) -> Hash:
    """Root of the tree over these leaf hashes (or of nodes of one level)."""
    row = list(hashes)
    if not row:
        return EMPTY_ROOT
    while len(row) > 1:
        paired = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row = paired + row[len(row) & ~1 :]
    return row[0]


def frontier_of(size: int, nodes: Nodes) -> Frontier:
    """The frontier of the tree of that size."""
    return Frontier(size, [nodes(*node) for node in _cover(0, size)])


def inclusion_proof(index: int, size: int, nodes: Nodes) -> tuple[Hash, ...]:
    """Prove that the leaf at ``index`` is in the tree of that size (RFC 9162 section 2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    return tuple(_inclusion(index, 0, size, nodes))


def consistency_proof(size1: int, size2: int, nodes: Nodes) -> tuple[Hash, ...]:
    """Prove that the tree of ``size2`` only appends to that of ``size1`` (RFC 9162 2.1.4.1).

    ``size1`` is at least 1: that a tree grew from nothing needs no proof.
    """
    if not 0 < size1 <= size2:
        raise ValueError(f"there is no proof from size {size1} to size {size2}")
    return tuple(_consistency(size1, 0, size2, nodes, whole=True))


def root_from_inclusion(index: int, size: int, leaf: Hash, proof: Sequence[Hash]) -> Hash | None:
    """The root to which the proof leads (RFC 9162 section 2.1.3.2); None if it is malformed."""
    if not 0 <= index < size or not _are_hashes(leaf, *proof):
        return None
    first, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if first & 1 or first == last:
            root = node_hash(sibling, root)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        first, last = first >> 1, last >> 1
    return root if last == 0 else None


def inclusion_holds(
    index: int, size: int, *, leaf: Hash, root: Hash, proof: Sequence[Hash]
) -> bool:
    """Whether the proof shows the leaf at ``index`` of the tree of that size and root."""
    return root_from_inclusion(index, size, leaf, proof) == root


def consistency_holds(
    size1: int, size2: int, *, root1: Hash, root2: Hash, proof: Sequence[Hash]
) -> bool:
    """Whether the proof shows that the second tree only appends to the first (RFC 9162 2.1.4.2).

    A proof from size 0 shows nothing about the second tree, so it is never accepted.
    """
    if not 0 < size1 <= size2 or not _are_hashes(*proof):
        return False
    if size1 == size2:
        return not proof and root1 == root2
    path = [root1, *proof] if size1.bit_count() == 1 else list(proof)
    if not path:
        return False
    first, last = size1 - 1, size2 - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and old == root1 and new == root2


def _are_hashes(*hashes: bytes) -> bool:
    return all(len(item) == HASH_BYTES for item in hashes)


def _cover(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The nodes that cover leaves ``start`` to ``end``, largest first; ``start`` fits the first."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _range_root(start: int, end: int, nodes: Nodes) -> Hash:
    hashes = [nodes(*node) for node in _cover(start, end)]
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))


def _middle(start: int, end: int) -> int:
    """Where RFC 6962 splits: the largest power of two below the width."""
    return start + (1 << ((end - start - 1).bit_length() - 1))


def _inclusion(index: int, start: int, end: int, nodes: Nodes) -> Iterator[Hash]:
    if end - start == 1:
        return
    middle = _middle(start, end)
    if index < middle:
        yield from _inclusion(index, start, middle, nodes)
        yield _range_root(middle, end, nodes)
    else:
        yield from _inclusion(index, middle, end, nodes)
        yield _range_root(start, middle, nodes)


def _consistency(size1: int, start: int, end: int, nodes: Nodes, *, whole: bool) -> Iterator[Hash]:
    """``whole``: the subtree is all of the first tree, so its verifier knows that root."""
    if size1 == end:
        if not whole:
            yield _range_root(start, end, nodes)
        return
    middle = _middle(start, end)
    if size1 <= middle:
        yield from _consistency(size1, start, middle, nodes, whole=whole)
        yield _range_root(middle, end, nodes)
    else:
        yield from _consistency(size1, middle, end, nodes, whole=False)
        yield _range_root(start, middle, nodes)
