"""Between event loops and the writer's thread: a bounded queue of work, and the way back."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import Connection

from audit.errors import AuditError, NotRecordedError
from audit.log.merkle import Hash

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
    """An entry to append.

    Attributes:
        leaf: The bytes that are hashed.
        row: What `Project` writes.
        expect: What is expected of keys, which move to the entry.
        given: What is expected of other keys, which stay where they are.
    """

    leaf: bytes
    row: Row
    expect: Mapping[str, int | None]
    given: Mapping[str, int | None]


class Compose(NamedTuple, Generic[Row]):
    """An entry that says what the store holds, so is made while nobody writes; or none."""

    make: Callable[[Connection], Append[Row] | None]


Job: TypeAlias = Callable[[Connection], object]
"""Something else to write in the writer's transaction, e.g. an archived file.

It is done again where nobody can say that it was done.
"""


class Aside(NamedTuple):
    """Something to do in the writer's turn, between transactions; it must not raise."""

    work: Callable[[], object]


Work: TypeAlias = Append[Row] | Compose[Row] | Job | Aside

Answer: TypeAlias = Receipt | Conflict | None
"""Of an append; None is that of what appended nothing."""


class Waiting(NamedTuple, Generic[Row]):
    """Work, and who waits for its answer."""

    work: Work[Row]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Answer]"


class Queue(Generic[Row]):
    """Work that waits for the writer. What one turn of an event loop submits stays together."""

    def __init__(self) -> None:
        self._gathered: list[Waiting[Row]] = []
        self._queue: SimpleQueue[Waiting[Row] | None] = SimpleQueue()
        self._door = threading.Lock()
        self._open = True

    async def submit(self, work: Work[Row]) -> Answer:
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
                    zh="等待记录的条目过多；请稍后用同一 `request_id` 重试",
                    reason="QUEUE_FULL",
                    hint="Repeat the call with the same `request_id` after a short while.",
                )
            if not self._gathered or self._gathered[-1].loop is not loop:
                loop.call_soon(self._flush)
            self._gathered.append(Waiting(work, loop, future))
        return await future

    def close(self) -> None:
        """Let nobody in any more; what is queued will still be taken."""
        with self._door:
            if self._open:
                self._open = False
                self._hand_over()
                self._queue.put(None)

    def take(self) -> list[Waiting[Row]]:
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

    def _flush(self) -> None:
        """Queue what one turn of the event loop gathered, so that it shares a commit."""
        with self._door:
            self._hand_over()

    def _hand_over(self) -> None:
        for waiting in self._gathered:
            self._queue.put(waiting)
        self._gathered.clear()


def parts(batch: Sequence[Waiting[Row]]) -> Iterator[Sequence[Waiting[Row]]]:
    """The batch in its order, cut so that what is composed sees everything before it written."""
    for composed, part in groupby(batch, lambda waiting: isinstance(waiting.work, Compose)):
        if composed:
            yield from ([waiting] for waiting in part)
        else:
            yield [*part]


def _closed() -> NotRecordedError:
    return NotRecordedError(
        "the log is closed",
        zh="日志已关闭；请在服务恢复后重试",
        reason="LOG_CLOSED",
        hint="Repeat the call when the service is back.",
    )


def _not_recorded(error: Exception) -> NotRecordedError:
    """What a caller is told; the cause stays attached for the operator's log."""
    if isinstance(error, AuditError):
        refusal = NotRecordedError(str(error), zh=error.zh, reason=error.reason, hint=error.hint)
    else:
        refusal = NotRecordedError(
            "the store, the anchor or their disk failed",
            zh="记录库、锚或其磁盘出错，未予记录；请用同一 `request_id` 重试，仍不行请检查磁盘",
            reason="STORE_FAILED",
            hint="Repeat the call with the same `request_id`; if it stays, look at the disk.",
        )
    refusal.__cause__ = error
    return refusal


def deliver(batch: Sequence[Waiting[Row]], answers: Sequence[Answer] | Exception) -> None:
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
