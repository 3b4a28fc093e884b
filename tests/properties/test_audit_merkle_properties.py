"""The Merkle tree against the definition of RFC 6962, and every mutated proof rejected."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from audit.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_holds,
    consistency_proof,
    frontier_of,
    inclusion_holds,
    inclusion_proof,
    leaf_hash,
    root_of,
)

sizes = st.integers(min_value=1, max_value=70)


def naive(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive(leaves[:k]) + naive(leaves[k:])).digest()


def leaves_of(size: int) -> list[bytes]:
    return [b"%d" % i for i in range(size)]


def nodes(size: int):  # noqa: ANN201  # a closure of merkle.Nodes
    leaves = leaves_of(size)

    def node(level: int, index: int) -> bytes:
        covered = leaves[index << level : (index + 1) << level]
        assert len(covered) == 1 << level, "asked for a node outside the tree"
        return naive(covered)

    return node


def mutations(proof: tuple[bytes, ...], data: st.DataObject) -> list[list[bytes]]:
    """Proofs that differ in one place."""
    flipped = list(proof)
    at = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    flipped[at] = bytes(b ^ (1 << bit % 8 if i == bit // 8 else 0) for i, b in enumerate(proof[at]))
    return [flipped, list(proof[:-1]), list(proof[1:]), [*proof, proof[0]], [proof[0], *proof]]


@given(size=st.integers(0, 300))
def test_the_root_is_that_of_the_definition(size: int) -> None:
    """Frontier, row by row and from nodes: all three give the MTH of RFC 6962."""
    frontier = Frontier()
    for leaf in leaves_of(size):
        frontier.append(leaf_hash(leaf))

    assert frontier.root() == naive(leaves_of(size))
    assert root_of([leaf_hash(leaf) for leaf in leaves_of(size)]) == frontier.root()
    assert frontier_of(size, nodes(size)).hashes == frontier.hashes


@given(size=sizes, data=st.data())
def test_every_leaf_is_proven_and_no_mutated_proof_is_believed(
    size: int, data: st.DataObject
) -> None:
    """The proof holds for its leaf, index, size and root, and for nothing that differs in one."""
    index = data.draw(st.integers(0, size - 1))
    leaf, root = leaf_hash(b"%d" % index), naive(leaves_of(size))
    proof = inclusion_proof(index, size, nodes(size))

    assert inclusion_holds(index, size, leaf=leaf, root=root, proof=proof)
    assert not inclusion_holds(index, size, leaf=EMPTY_ROOT, root=root, proof=proof)
    assert not inclusion_holds(index, size, leaf=leaf, root=EMPTY_ROOT, proof=proof)
    for other in set(range(size + 1)) - {index}:
        assert not inclusion_holds(other, size, leaf=leaf, root=root, proof=proof)
    if proof:
        for mutated in mutations(proof, data):
            assert not inclusion_holds(index, size, leaf=leaf, root=root, proof=mutated)


@given(size=sizes, data=st.data())
def test_growth_is_proven_and_no_mutated_proof_is_believed(size: int, data: st.DataObject) -> None:
    """The proof holds between the two roots, and for nothing that differs in one place."""
    first = data.draw(st.integers(1, size))
    old, new = naive(leaves_of(first)), naive(leaves_of(size))
    proof = consistency_proof(first, size, nodes(size))

    assert consistency_holds(first, size, root1=old, root2=new, proof=proof)
    assert not consistency_holds(first, size, root1=EMPTY_ROOT, root2=new, proof=proof)
    assert not consistency_holds(first, size, root1=old, root2=EMPTY_ROOT, proof=proof)
    if proof:
        for mutated in mutations(proof, data):
            assert not consistency_holds(first, size, root1=old, root2=new, proof=mutated)
