"""Appending one entry to a store that no service holds, in a transaction of the caller's."""

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection

from audit.log import store
from audit.log.checkpoint import Checkpoint
from audit.log.merkle import leaf_hash
from audit.trail import projections
from audit.trail.entries import Entry
from audit.trail.preparation import prepare
from audit.trail.seal import Keyring


def append(
    connection: Connection,
    head: Checkpoint,
    keyring: Keyring,
    entry: Entry,
    *,
    key: str,
    destroys: Callable[[Connection], object] = lambda _connection: None,
) -> Checkpoint:
    """Write the entry after the head, as the newest under the key; returns the head after it.

    Args:
        destroys: What the entry erases (`destruction.plan`).
    """
    leaf, row = prepare(keyring, entry, [key])
    tree, hashed = store.load_tree(connection, head), leaf_hash(leaf)
    tiles = list(tree.grow([hashed]))
    store.extend(connection, tree, [(hashed, leaf)], tiles, {key: head.size})
    projections.write(connection, [(head.size, msgspec.structs.replace(row, destroys=destroys))])
    return Checkpoint(head.origin, tree.size, tree.frontier.root())
