"""How a service reads its store, whichever that is."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine


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
