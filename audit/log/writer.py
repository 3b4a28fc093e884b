"""The one thread that writes: group commit, anchor, checkpoint, and only then the answers.

Whatever is queued goes into one transaction, so that many callers share one wait for the disk.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeAlias

from sqlalchemy import Connection

from audit.log import store
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint, Signer
from audit.log.connections import driver
from audit.log.files import replace
from audit.log.merkle import leaf_hash
from audit.log.queue import Answer, Append, Aside, Conflict, Queue, Receipt, Row, Work, deliver
from audit.log.tiles import Tree

Project: TypeAlias = Callable[[Connection, Sequence[tuple[int, Row]]], None]
"""Writes what the layer above keeps of new entries, by index, in the entries' own transaction."""


class Writer(Generic[Row]):
    """Owns the writing connection, the tree's edge, the anchor and the published checkpoint.

    Args:
        connection: `connections.connect_writer`; closed by `close`.
        anchored: What the anchor says; the store is that or has gone on from it.
        published: Where the newest signed checkpoint is kept for others to read.

    Attributes:
        queue: The way to have something written.
        published: The newest published checkpoint, and its signed note.
    """

    def __init__(
        self,
        connection: Connection,
        project: Project[Row],
        *,
        anchor: Anchor,
        anchored: Checkpoint,
        signer: Signer,
        published: Path,
    ) -> None:
        self._connection = connection
        self._project = project
        self._anchor = anchor
        self._signer = signer
        self._file = published
        self._tree: Tree | None = self._load()
        head = self._head(self._tree)
        if head != anchored:  # a crash between commit and anchor: sign forward
            anchor.advance(anchored, head)
        self._anchored = head
        self.published = (head, signer.sign(head))
        self.verifier_key = signer.verifier_key
        replace(published, self.published[1], durable=False)
        self.queue: Queue[Row] = Queue()
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what is queued, then close; whoever comes later is refused."""
        self.queue.close()
        self._thread.join()
        self._connection.close()
        self._connection.engine.dispose()

    def _run(self) -> None:
        while batch := self.queue.take():
            try:
                answers = self._record([waiting.work for waiting in batch])
            except Exception as error:  # noqa: BLE001  # whoever waits must be answered
                self._tree = None
                deliver(batch, error)
            else:
                deliver(batch, answers)

    def _record(self, batch: Sequence[Work[Row]]) -> list[Answer]:
        """Commit, then anchor, then sign, then publish; then what is to be done aside."""
        tree = self._tree or self._load()
        self._publish(self._head(tree))  # left over where only the last anchoring had failed
        self._tree = None  # until the commit is through, the store alone knows
        with self._connection.begin():
            answers = self._write(tree, batch)
        self._tree = tree
        self._publish(self._head(tree))
        for work in batch:
            if isinstance(work, Aside):
                work.work(driver(self._connection))
        return answers

    def _write(self, tree: Tree, batch: Sequence[Work[Row]]) -> list[Answer]:
        """Check every expectation, in order, and write what may be written."""
        appends = [work for work in batch if isinstance(work, Append)]
        known = store.latest(self._connection, {key for work in appends for key in work.expect})
        moved: dict[str, int] = {}
        accepted: list[Append[Row]] = []
        answers: list[Answer] = []
        for work in batch:
            if not isinstance(work, Append):
                if not isinstance(work, Aside):
                    work(self._connection)
                answers.append(None)
            elif conflict := _conflict(work.expect, known):
                answers.append(conflict)
            else:
                index = tree.size + len(accepted)
                keys = dict.fromkeys(work.expect, index)
                moved |= keys
                known |= keys
                accepted.append(work)
                answers.append(Receipt(index, leaf_hash(work.leaf), 0))
        return self._extend(tree, accepted, moved, answers)

    def _extend(
        self,
        tree: Tree,
        accepted: Sequence[Append[Row]],
        moved: Mapping[str, int],
        answers: Sequence[Answer],
    ) -> list[Answer]:
        if not accepted:
            return list(answers)
        first = tree.size
        receipts = [answer for answer in answers if isinstance(answer, Receipt)]
        tiles = list(tree.grow(receipt.leaf_hash for receipt in receipts))
        appended = [(r.leaf_hash, work.leaf) for r, work in zip(receipts, accepted, strict=True)]
        store.extend(self._connection, tree, appended, tiles, moved)
        self._project(self._connection, [(first + i, w.row) for i, w in enumerate(accepted)])
        return [
            Receipt(answer.index, answer.leaf_hash, tree.size)
            if isinstance(answer, Receipt)
            else answer
            for answer in answers
        ]

    def _publish(self, head: Checkpoint) -> None:
        if head != self._anchored:
            self._anchor.advance(self._anchored, head)
            self._anchored = head
        if head != self.published[0]:
            note = self._signer.sign(head)
            replace(self._file, note, durable=False)
            self.published = (head, note)

    def _load(self) -> Tree:
        with self._connection.begin():
            return store.load_tree(self._connection, store.read_head(self._connection))

    def _head(self, tree: Tree) -> Checkpoint:
        return Checkpoint(self._signer.origin, tree.size, tree.frontier.root())


def _conflict(expect: Mapping[str, int | None], known: Mapping[str, int]) -> Conflict | None:
    for key, index in expect.items():
        if known.get(key) != index:
            return Conflict(key, known.get(key))
    return None
