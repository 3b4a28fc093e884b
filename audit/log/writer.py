"""The one thread that writes: group commit, anchor, checkpoint, and only then the answers.

Whatever is queued goes into one transaction, so that many callers share one wait for the disk.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import Connection

from audit.errors import AuditError, NotRecordedError
from audit.log import store
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint, Signer
from audit.log.files import replace
from audit.log.merkle import Hash, leaf_hash
from audit.log.tiles import Tree

BATCH_ENTRIES = 256
QUEUE_ENTRIES = 4_096
"""More than that many wait only if the disk stands still; then it is better to say no."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an entry stands.

    Attributes:
        index: Place in the log; the first is 0, and there is no gap.
        leaf_hash: RFC 6962 hash of the entry's permanent bytes.
        tree_size: Size of the first published checkpoint that covers it.
    """

    index: int
    leaf_hash: Hash
    tree_size: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """An expectation did not hold, so nothing was written.

    Attributes:
        index: The entry that the key points at now; None if there is none.
    """

    key: str
    index: int | None


class Append(NamedTuple, Generic[Row]):
    """An entry to append: the bytes that are hashed, what `Project` writes, the expectations."""

    leaf: bytes
    row: Row
    expect: Mapping[str, int | None]


Job: TypeAlias = Callable[[Connection], object]
"""Something else to write in the writer's transaction, e.g. an archived file."""

Project: TypeAlias = Callable[[Connection, Sequence[tuple[int, Row]]], None]
"""Writes what the layer above keeps of new entries, by index, in the entries' own transaction."""

Answer: TypeAlias = Receipt | Conflict | None
"""Of an append; None is that of a job that was done."""


class _Waiting(NamedTuple, Generic[Row]):
    work: Append[Row] | Job
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Answer]"


class Writer(Generic[Row]):
    """Owns the writing connection, the tree's edge, the anchor and the published checkpoint.

    Args:
        connection: `store.connect_writer`; closed by `close`.
        anchored: What the anchor says; the store is that or has gone on from it.
        published: Where the newest signed checkpoint is kept for others to read.
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
        self._queue: SimpleQueue[_Waiting[Row] | None] = SimpleQueue()
        self._gathered: list[_Waiting[Row]] = []
        self._door = threading.Lock()
        self._open = True
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Append[Row] | Job) -> Answer:
        """Queue the work and wait until it is durable and published.

        Cancelling the wait does not take the work back.

        Raises:
            NotRecordedError: It was not done, or nobody can say that it was.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        with self._door:
            if not self._open:
                raise _closed()
            if self._queue.qsize() + len(self._gathered) >= QUEUE_ENTRIES:
                raise NotRecordedError(
                    "too many entries are waiting to be recorded",
                    reason="QUEUE_FULL",
                    hint="Repeat the call with the same `request_id` after a short while.",
                )
            if not self._gathered:
                loop.call_soon(self._flush)
            self._gathered.append(_Waiting(work, loop, future))
        return await future

    def close(self) -> None:
        """Finish what is queued, then close; whoever comes later is refused."""
        with self._door:
            if self._open:
                self._open = False
                self._hand_over()
                self._queue.put(None)
        self._thread.join()
        self._connection.close()
        self._connection.engine.dispose()

    def _flush(self) -> None:
        """Queue what one turn of the event loop gathered, so that it shares a commit."""
        with self._door:
            self._hand_over()

    def _hand_over(self) -> None:
        for waiting in self._gathered:
            self._queue.put(waiting)
        self._gathered.clear()

    def _run(self) -> None:
        while batch := self._take():
            try:
                answers = self._record([waiting.work for waiting in batch])
            except Exception as error:  # noqa: BLE001  # whoever waits must be answered
                self._tree = None
                _deliver(batch, error)
            else:
                _deliver(batch, answers)

    def _take(self) -> list[_Waiting[Row]]:
        """Wait for work, then take all that is there; nothing once the log is closed."""
        first = self._queue.get()
        batch = [] if first is None else [first]
        while batch and len(batch) < BATCH_ENTRIES:
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                break
            if waiting is None:
                self._queue.put(None)
                break
            batch.append(waiting)
        return batch

    def _record(self, batch: Sequence[Append[Row] | Job]) -> list[Answer]:
        """Commit, then anchor, then sign, then publish."""
        tree = self._tree or self._load()
        self._publish(self._head(tree))  # left over where only the last anchoring had failed
        self._tree = None  # until the commit is through, the store alone knows
        with self._connection.begin():
            answers = self._write(tree, batch)
        self._tree = tree
        self._publish(self._head(tree))
        return answers

    def _write(self, tree: Tree, batch: Sequence[Append[Row] | Job]) -> list[Answer]:
        """Check every expectation, in order, and write what may be written."""
        appends = [work for work in batch if isinstance(work, Append)]
        known = store.latest(self._connection, {key for work in appends for key in work.expect})
        moved: dict[str, int] = {}
        accepted: list[Append[Row]] = []
        answers: list[Answer] = []
        for work in batch:
            if not isinstance(work, Append):
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
        store.extend(self._connection, tree, [work.leaf for work in accepted], tiles, moved)
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


def _closed() -> NotRecordedError:
    return NotRecordedError(
        "the log is closed", reason="LOG_CLOSED", hint="Repeat the call when the service is back."
    )


def _not_recorded(error: Exception) -> NotRecordedError:
    """What a caller is told; the cause stays attached for the operator's log."""
    if isinstance(error, AuditError):
        refusal = NotRecordedError(str(error), reason=error.reason, hint=error.hint)
    else:
        refusal = NotRecordedError(
            "the store, the anchor or their disk failed",
            reason="STORE_FAILED",
            hint="Repeat the call with the same `request_id`; if it stays, look at the disk.",
        )
    refusal.__cause__ = error
    return refusal


def _deliver(batch: Sequence[_Waiting[Row]], answers: Sequence[Answer] | Exception) -> None:
    """Wake every waiting caller, with one call into each event loop."""
    for loop in {waiting.loop for waiting in batch}:
        mine = [
            (waiting.future, answers if isinstance(answers, Exception) else answers[i])
            for i, waiting in enumerate(batch)
            if waiting.loop is loop
        ]
        try:
            loop.call_soon_threadsafe(_answer, mine)
        except RuntimeError:
            continue  # that event loop is closed, so nobody waits there any more


def _answer(mine: "Sequence[tuple[asyncio.Future[Answer], Answer | Exception]]") -> None:
    for future, answer in mine:
        if future.done():
            continue  # the caller gave up waiting
        if isinstance(answer, Exception):
            future.set_exception(_not_recorded(answer))
        else:
            future.set_result(answer)
