"""The two ways to a store: one connection that writes, and many that read.

SQLite in WAL mode: the writer's connection is the only one that writes or checkpoints; readers
open the file read-only and so can do neither.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

Found = TypeVar("Found")


def connect_new(path: Path) -> Connection:
    """The connection that makes a new store, for its owner only."""
    path.touch(0o600)
    return connect_writer(path)


def connect_writer(path: Path) -> Connection:
    """The one connection that writes and checkpoints."""
    return _engine(path, "rw", begin="BEGIN IMMEDIATE", poolclass=NullPool).connect()


class Reader:
    """Read-only connections to a store, which may be in use by the process that writes it.

    Args:
        connections: How many at most.
    """

    def __init__(self, path: Path, *, connections: int) -> None:
        self._engine = _engine(
            path, "ro", begin="BEGIN", poolclass=QueuePool, pool_size=connections, max_overflow=0
        )

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that sees the store as it was at one instant."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close the connections that nobody uses; those in use close when they are done."""
        self._engine.dispose()


def look(path: Path, question: Callable[[Connection], Found]) -> Found:
    """Ask a store that another process may be writing, and leave nothing behind.

    A store at rest is read as a file that does not change, because SQLite would make its WAL
    anew; if a service was started meanwhile, the question is asked once more, beside it.
    """
    at_rest, before = not _has_wal(path), _stamp(path)
    if at_rest:
        try:
            found = _ask(path, question, "ro&immutable=1")
        except Exception:
            if _stamp(path) == before:
                raise
        else:
            if _stamp(path) == before:
                return found
    return _ask(path, question, "ro")


def copy(path: Path, to: Path) -> None:
    """Copy a store that another process may be writing, as it is at one instant, durably."""
    to.touch(0o600)

    def write(connection: Connection) -> None:
        # From its first question on, a transaction sees one instant.
        connection.exec_driver_sql("SELECT 1 FROM sqlite_schema").all()
        target = sqlite3.connect(to)
        with closing(target):
            driver(connection).backup(target)

    look(path, write)


def driver(connection: Connection) -> sqlite3.Connection:
    """SQLite's own connection, for what SQLAlchemy does not know."""
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)  # noqa: S101  # see `_engine`
    return found


def _ask(path: Path, question: Callable[[Connection], Found], mode: str) -> Found:
    engine = _engine(path, mode, begin="BEGIN", poolclass=NullPool)
    try:
        with engine.connect() as connection, connection.begin():
            return question(connection)
    finally:
        engine.dispose()


def _stamp(path: Path) -> tuple[bool, int, int]:
    """Changes when somebody begins to write the store, or has written it."""
    status = path.stat()
    return _has_wal(path), status.st_mtime_ns, status.st_size


def _engine(path: Path, mode: str, *, begin: str, **pool: Any) -> Engine:  # noqa: ANN401  # passed on
    """An engine whose transactions begin as ``begin`` says, and where SQLAlchemy says."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5
        )
        if mode.startswith("ro"):
            connection.execute("PRAGMA query_only=ON")
            return connection
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        return connection

    engine = create_engine("sqlite+pysqlite://", creator=connect, hide_parameters=True, **pool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _has_wal(path: Path) -> bool:
    return path.with_name(path.name + "-wal").exists()
