"""How a service reads its store, whichever that is."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

Found = TypeVar("Found")


class Reader:
    """Connections that read, and cannot write.

    Args:
        engine: One whose connections are so, and whose transactions see one instant.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that sees the store as it was at one instant."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close the connections that nobody uses; those in use close when they are done."""
        self._engine.dispose()


class Looks:
    """Short questions of one turn of an event loop, which are asked together and of one instant.

    A trip to a thread and back costs more than such a question.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._asked: list[tuple[Callable[[Connection], Any], asyncio.Future[Any]]] = []

    async def add(self, question: Callable[[Connection], Found]) -> Found:
        """Wait for the answer; what the question raises is raised here, and nowhere else."""
        future: asyncio.Future[Found] = self.loop.create_future()
        self._asked.append((question, future))
        return await future

    def ask(self, reader: Reader) -> None:
        """Ask all of them, off the event loop."""
        try:
            with reader.snapshot() as connection:
                answers = [_answer(question, connection) for question, _ in self._asked]
        except Exception as error:  # noqa: BLE001  # whoever waits must be answered
            answers = [error] * len(self._asked)
        with suppress(RuntimeError):  # that event loop is closed, so nobody waits there any more
            self.loop.call_soon_threadsafe(self._deliver, answers)

    def fail(self, error: Exception) -> None:
        """They cannot be asked."""
        self._deliver([error] * len(self._asked))

    def _deliver(self, answers: list[Any]) -> None:
        for (_, future), answer in zip(self._asked, answers, strict=True):
            if future.done():
                continue  # the caller gave up waiting
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)


def _answer(question: Callable[[Connection], Any], connection: Connection) -> Any:  # noqa: ANN401
    try:
        return question(connection)
    except Exception as error:  # noqa: BLE001  # it is its asker's, and not the others'
        return error
