"""A store in a file of SQLite, written by one process.

In WAL mode: the writer's connection is the only one that writes or checkpoints; readers open the
file read-only and so can do neither.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from audit.errors import StoreRefusedError
from audit.log.files import Lock
from audit.log.reader import Reader

LOCK_FILE = "lock"

_BUSY_S = 5
"""How long to wait for who else has the file locked, in seconds."""

_CACHE_KIB = 32_768
"""Of pages that the writer keeps at hand: of what is filed by keys, any may be the next."""

_PAGE_BYTES = 8_192
"""Of a store that is made: three entries of 3 KB share a page, where of 4 KiB each had its own."""

_ROWS_IN_WAL = 24_000
"""So many rows, some 9,000 pages, are moved from the WAL into the file while nobody waits."""

_PAGES_IN_WAL = 16_000
"""So many pages are moved in the midst of a commit: large entries, or no moment of rest."""

Found = TypeVar("Found")


class File:
    """The place of a store (`connections.Database`)."""

    def __init__(self, path: Path) -> None:
        self._given = path
        self._path = path.resolve()  # its WAL lies beside the file itself, not beside a link

    @property
    def name(self) -> str:
        """The file's own name."""
        return self._path.name

    def exists(self) -> bool:
        """Whether there is such a file."""
        return self._path.exists()

    def create(self, fill: Callable[[Connection], object]) -> None:
        """Make it for its owner only."""
        self._path.touch(0o600)
        connection = connect_writer(self._path)
        with connection, connection.begin():
            fill(connection)
        connection.engine.dispose()

    def look(self, question: Callable[[Connection], Found]) -> Found:
        """Ask a store that another process may be writing, and leave nothing behind.

        A store at rest is read as a file that does not change, because SQLite would make its WAL
        anew; if a service was started meanwhile, the question is asked once more, beside it.
        """
        at_rest, before = _is_at_rest(self._path), _stamp(self._path)
        if at_rest:
            try:
                found = _ask(self._path, question, "ro&immutable=1")
            except Exception:
                if _stamp(self._path) == before:
                    raise
            else:
                if _stamp(self._path) == before:
                    return found
        return _ask(self._path, question, "ro")

    def reader(self, connections: int) -> Reader:
        """Read-only connections, beside the process that writes the store."""
        return Reader(
            _engine(
                self._path,
                "ro",
                begin="BEGIN",
                poolclass=QueuePool,
                pool_size=connections,
                max_overflow=0,
            )
        )

    def turns(self) -> "Turns":
        """The one connection that writes and checkpoints; the lock keeps other processes out."""
        return Turns(self._path, self._lock())

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """The one connection that writes, without a service."""
        turns = self.turns()
        try:
            with turns.turn() as connection:
                yield connection
        finally:
            turns.close()

    def holder(self) -> str | None:
        """Process id of whoever holds the lock."""
        return Lock.holder(self._path.with_name(LOCK_FILE))

    def _lock(self) -> Lock:
        refuse_linked(self._given)
        return Lock(self._path.with_name(LOCK_FILE))


def refuse_linked(path: Path) -> None:
    """Make sure that a store to be written has one name.

    By another one, another process holds another lock and writes another WAL: what both
    acknowledge, one of them loses.

    Raises:
        StoreRefusedError: It is a link, or has a second name (``STORE_LINKED``).
    """
    if path.is_symlink() or path.stat().st_nlink > 1:
        raise StoreRefusedError(
            f"`{path.name}` is a link, or has another name on its disk",
            zh=f"`{path.name}` 是链接，或在磁盘上另有名称（硬链接），两个服务可能同写一库；"
            "请停服后将它复制为单独的文件放在原处",
            reason="STORE_LINKED",
            hint="While no service runs, put a copy of the file itself in its place; a folder may"
            " be a link.",
        )


class Turns:
    """Every turn is this process's, as nobody else holds the lock.

    Args:
        lock: Let go of by `close`.
    """

    def __init__(self, path: Path, lock: Lock) -> None:
        self._path = path
        self._lock = lock
        self._connection: Connection | None = None
        self._moved = 0

    @contextmanager
    def turn(self) -> Iterator[Connection]:
        """The connection; made for the first turn, since making it writes."""
        if self._connection is None:
            self._connection = connect_writer(self._path)
        yield self._connection

    def is_lost(self, _error: Exception) -> bool:
        """Never: what failed in a file did not commit."""
        return False

    def rest(self) -> None:
        """Write what has gathered in the WAL into the file, while callers prepare what is next."""
        if self._connection is None:
            return
        bare = driver(self._connection)
        if bare.total_changes - self._moved >= _ROWS_IN_WAL:
            self._moved = bare.total_changes
            with suppress(sqlite3.Error):  # as of the one in a commit: it is only put off
                bare.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def scrub(self) -> bool:
        """Write the WAL into the file and cut it off, now or not at all: appends wait behind it."""
        with suppress(sqlite3.Error), self.turn() as connection:
            bare = driver(connection)
            bare.execute("PRAGMA busy_timeout = 0")
            try:
                cut = bare.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                bare.execute(f"PRAGMA busy_timeout = {_BUSY_S * 1_000}")
            return bool(cut[0] == 0)
        return False

    def leads(self) -> bool:
        """Always: there is no other."""
        return True

    def is_alone_here(self) -> bool:
        """Always, likewise."""
        return True

    def close(self) -> None:
        """Close the connection, then let the next process in."""
        if self._connection is not None:
            self._connection.close()
            self._connection.engine.dispose()
        self._lock.release()


def connect_writer(path: Path) -> Connection:
    """The one connection that writes and checkpoints."""
    return _engine(path, "rw", begin="BEGIN IMMEDIATE", poolclass=NullPool).connect()


def copy(path: Path, to: Path, question: Callable[[Connection], Found]) -> Found:
    """Copy a store that another process may be writing, as it is at one instant, durably.

    Args:
        question: Asked first, of the same instant.
    """
    to.touch(0o600)

    def write(connection: Connection) -> Found:
        # From its first question on, a transaction sees one instant.
        connection.exec_driver_sql("SELECT 1 FROM sqlite_schema").all()
        found = question(connection)
        target = sqlite3.connect(to)
        with closing(target):
            driver(connection).backup(target)
        return found

    return File(path).look(write)


def driver(connection: Connection) -> sqlite3.Connection:
    """SQLite's own connection, for what SQLAlchemy does not know."""
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)  # noqa: S101  # see `_engine`
    return found


def read_any_text(connection: Connection) -> None:
    """Let text that is no UTF-8 be read as what no text of ours is equal to, not refused."""
    driver(connection).text_factory = partial(str, encoding="utf-8", errors="surrogateescape")


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
    return _is_at_rest(path), status.st_mtime_ns, status.st_size


def _engine(path: Path, mode: str, *, begin: str, **pool: Any) -> Engine:  # noqa: ANN401  # passed on
    """An engine whose transactions begin as ``begin`` says, and where SQLAlchemy says."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_S
        )
        if mode.startswith("ro"):
            connection.execute("PRAGMA query_only=ON")
            return connection
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_PAGES_IN_WAL}")
        return connection

    engine = create_engine("sqlite+pysqlite://", creator=connect, hide_parameters=True, **pool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _is_at_rest(path: Path) -> bool:
    """Whether all of a store is in its file: no WAL, no journal that is to be played back."""
    return not any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal"))
