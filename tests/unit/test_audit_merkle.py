"""Merkle proofs against other people's vectors, and tiles against the whole tree."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from audit.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_holds,
    inclusion_holds,
    leaf_hash,
    root_of,
)
from audit.log.tiles import TiledNodes, Tree, split_hashes

VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors" / "merkle"


def vectors(name: str) -> list[Any]:
    """The cases of transparency-dev/merkle, or one that says that they are not here."""
    path = VECTORS / name
    if not path.exists():
        why = f"{name} of transparency-dev/merkle is not beside the repository"
        return [pytest.param({}, marks=pytest.mark.skip(reason=why))]
    return [pytest.param(case, id=case["_file"]) for case in json.loads(path.read_text())]


def hashes(case: dict[str, Any]) -> list[bytes]:
    return [b64decode(item) for item in case["proof"] or []]


@pytest.mark.parametrize("case", vectors("inclusion.json"))
def test_inclusion_proofs_are_judged_as_others_judge_them(case: dict[str, Any]) -> None:
    holds = inclusion_holds(
        case["leafIdx"],
        case["treeSize"],
        leaf=b64decode(case["leafHash"]),
        root=b64decode(case["root"]),
        proof=hashes(case),
    )

    assert holds is not case["wantErr"]


@pytest.mark.parametrize("case", vectors("consistency.json"))
def test_consistency_proofs_are_judged_as_others_judge_them(case: dict[str, Any]) -> None:
    holds = consistency_holds(
        case["size1"],
        case["size2"],
        root1=b64decode(case["root1"]),
        root2=b64decode(case["root2"]),
        proof=hashes(case),
    )

    assert holds is not case["wantErr"]


def test_a_consistency_proof_from_nothing_is_never_accepted() -> None:
    assert not consistency_holds(0, 0, root1=EMPTY_ROOT, root2=EMPTY_ROOT, proof=[])
    assert not consistency_holds(0, 1, root1=EMPTY_ROOT, root2=leaf_hash(b""), proof=[])


def test_the_hashes_are_those_of_rfc_6962() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (
        leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    )


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 1000, 65_536 + 700])
def test_a_tree_reloaded_from_its_tiles_goes_on_as_if_it_had_never_stopped(size: int) -> None:
    leaves = [leaf_hash(str(i).encode()) for i in range(size)]
    tree = Tree(Frontier(), [])
    tiles = {(tile.level, tile.position): tile for tile in tree.grow(leaves)}

    def tile(level: int, position: int) -> list[bytes]:
        if (level, position) in tiles:
            return split_hashes(tiles[level, position].hashes)
        if level == 0:
            return leaves[256 * position : 256 * position + 256]
        below = [(level - 1, 256 * position + i) for i in range(256)]
        return [tiles[at].root for at in below if at in tiles]

    again = Tree.load(size, tile)
    more = [leaf_hash(b"more")] * 300

    assert again.frontier.root() == tree.frontier.root() == root_of(leaves)
    assert list(again.grow(more)) == list(tree.grow(more))
    assert again.frontier.root() == tree.frontier.root() == root_of(leaves + more)


def test_a_tile_that_lacks_hashes_is_noticed() -> None:
    with pytest.raises(LookupError):
        TiledNodes(lambda _level, _position: [])(0, 0)
    with pytest.raises(LookupError):
        Tree.load(3, lambda _level, _position: [leaf_hash(b"")])


def test_a_frontier_without_its_hashes_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="a frontier of 3 leaves has 2 hashes"):
        Frontier(3, [])
