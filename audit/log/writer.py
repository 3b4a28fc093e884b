"""The one thread that writes: group commit, anchor, checkpoint, and only then the answers.

Whatever is queued goes into one transaction, so that many callers share one wait for the disk. All
of it happens in turns (`connections.Turns`), so that several processes on one store are like one.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeAlias

from sqlalchemy import Connection

from audit.errors import StoreRefusedError
from audit.log import store
from audit.log.anchor import Anchor, moved
from audit.log.checkpoint import Checkpoint, Signer
from audit.log.connections import Turns
from audit.log.files import replace
from audit.log.merkle import Hash, frontier_of, leaf_hash
from audit.log.queue import (
    Answer,
    Append,
    Aside,
    Compose,
    Conflict,
    Queue,
    Receipt,
    Row,
    Work,
    deliver,
    parts,
)
from audit.log.tiles import TiledNodes, Tree

Project: TypeAlias = Callable[[Connection, Sequence[tuple[int, Row]]], None]
"""Writes what the layer above keeps of new entries, by index, in the entries' own transaction."""

_NEAR = 4_096
"""So many entries of other processes are followed one by one; more are loaded from tiles."""


class _Tried(NamedTuple):
    """A batch whose commit may have been the last thing that a broken connection did."""

    first: int
    hash: Hash
    answers: list[Answer]

    def stands(self, connection: Connection) -> bool:
        """Whether it was committed: no other entry ever has its hash."""
        return store.leaf_hashes(connection, self.first, self.first + 1) == [self.hash]


class Writer(Generic[Row]):
    """Owns the turns, the tree's edge, the anchor and the published checkpoint.

    Args:
        turns: Closed by `close`.
        published: Where the newest signed checkpoint is kept for others to read.

    Attributes:
        queue: The way to have something written.
        published: The newest checkpoint that this process published, and its signed note.
    """

    def __init__(
        self,
        turns: Turns,
        project: Project[Row],
        *,
        anchor: Anchor,
        signer: Signer,
        published: Path,
    ) -> None:
        self._turns = turns
        self._project = project
        self._anchor = anchor
        self._signer = signer
        self._file = published
        self._tree: Tree | None = None
        self._tried: _Tried | None = None
        self.published = (Checkpoint.empty(signer.origin), "")
        self.verifier_key = signer.verifier_key
        self._turn([], None)  # what a crash left between commit and anchor is signed forward
        self.queue: Queue[Row] = Queue()
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what is queued, then close; whoever comes later is refused."""
        self.queue.close()
        self._thread.join()
        self._turns.close()

    def _run(self) -> None:
        while batch := self.queue.take():
            for part in parts(batch):
                try:
                    answers = self._record([waiting.work for waiting in part])
                except Exception as error:  # noqa: BLE001  # whoever waits must be answered
                    deliver(part, error)
                else:
                    deliver(part, answers)
            self._turns.rest()

    def _record(self, batch: Sequence[Work[Row]]) -> list[Answer]:
        """Have the batch written; where the connection broke, once more, but never twice."""
        self._tried = None
        try:
            return self._turn(batch, None)
        except Exception as error:
            if not self._turns.is_lost(error):
                raise
        return self._turn(batch, self._tried)

    def _turn(self, batch: Sequence[Work[Row]], tried: _Tried | None) -> list[Answer]:
        """Commit, then anchor, then sign, then publish; then what is to be done aside."""
        with self._turns.turn() as connection:
            with connection.begin():
                tree, anchored = self._edge(connection)
                if tried is not None and tried.stands(connection):
                    answers = tried.answers
                else:
                    answers = self._write(connection, tree, batch)
            self._publish(anchored, self._head(tree))
            self._tree = tree
            for work in batch:
                if isinstance(work, Aside):
                    work.work()
        return answers

    def _edge(self, connection: Connection) -> tuple[Tree, Checkpoint]:
        """The tree's edge, followed from here over what is anchored to what the store has.

        What is committed and not anchored, because somebody died in between, is published first.

        Returns:
            The edge, and the checkpoint that is its anchor.

        Raises:
            NotRecordedError: They do not follow from one another (``ANCHOR_MOVED``).
        """
        tree, self._tree = self._tree, None  # until the turn is through, the store alone knows
        head = store.read_head(connection, lock=True)
        try:
            anchored = self._anchor.read()
        except StoreRefusedError:
            raise moved() from None
        if anchored.origin != head.origin or anchored.size > head.size:
            raise moved()
        if tree is None or head.size - tree.size > _NEAR:
            tree = store.load_tree(connection, head)
            nodes = TiledNodes(store.tile_reader(connection))
            if frontier_of(anchored.size, nodes).root() != anchored.root:
                raise moved()
        else:
            for seen in (anchored, head):
                _follow(tree, seen, connection)
        self._publish(anchored, head)
        return tree, head

    def _write(
        self, connection: Connection, tree: Tree, batch: Sequence[Work[Row]]
    ) -> list[Answer]:
        """Check every expectation, in order, and write what may be written."""
        works = [w.make(connection) if isinstance(w, Compose) else w for w in batch]
        asked = {key for w in works if isinstance(w, Append) for key in (*w.expect, *w.given)}
        before = store.latest(connection, asked)
        known: dict[str, int | None] = {**dict.fromkeys(asked), **before}
        first, moved_keys = tree.size, dict[str, int]()
        accepted: list[Append[Row]] = []
        decided: list[Conflict | int | None] = []
        for work in works:
            if not isinstance(work, Append):
                if work is not None and not isinstance(work, Aside):
                    work(connection)
                decided.append(None)
            elif conflict := _conflict(work, known):
                decided.append(conflict)
            else:
                decided.append(len(accepted))
                for key in work.expect:
                    known[key] = moved_keys[key] = first + len(accepted)
                accepted.append(work)
        hashes, size = [leaf_hash(work.leaf) for work in accepted], first + len(accepted)
        answers: list[Answer] = [
            Receipt(first + one, hashes[one], size) if isinstance(one, int) else one
            for one in decided
        ]
        if accepted:
            self._tried = _Tried(first, hashes[0], answers)
            tiles = list(tree.grow(hashes))
            appended = [(one, work.leaf) for one, work in zip(hashes, accepted, strict=True)]
            new = moved_keys.keys() - before.keys()
            store.extend(connection, tree, appended, tiles, moved_keys, new=new)
            self._project(connection, [(first + i, w.row) for i, w in enumerate(accepted)])
        return answers

    def _publish(self, anchored: Checkpoint, head: Checkpoint) -> None:
        if head != anchored or not self._anchor.is_sure:
            self._anchor.advance(anchored, head)
        if head != self.published[0] or not self.published[1]:
            note = self._signer.sign(head)
            replace(self._file, note, durable=False)
            self.published = (head, note)

    def _head(self, tree: Tree) -> Checkpoint:
        return Checkpoint(self._signer.origin, tree.size, tree.frontier.root())


def _follow(tree: Tree, seen: Checkpoint, connection: Connection) -> None:
    """Let the tree grow to what was seen of it.

    Raises:
        NotRecordedError: It is another tree.
    """
    if seen.size > tree.size:
        for _ in tree.grow(store.leaf_hashes(connection, tree.size, seen.size)):
            pass  # whoever appended them has stored their tiles
    if (tree.size, tree.frontier.root()) != (seen.size, seen.root):
        raise moved()


def _conflict(work: Append[Row], known: Mapping[str, int | None]) -> Conflict | None:
    """The first expectation that does not hold of what is known of every key."""
    for expected in (work.expect, work.given):
        for key, index in expected.items():
            if known[key] != index:
                return Conflict(key, known[key])
    return None
