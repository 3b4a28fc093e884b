"""Front-end database views (前置库): one SELECT of the agreed columns, read-only, in time.

PostgreSQL over TLS or on this machine, and SQLite files opened read-only. The statement is built
from the register's file alone; what a question says travels as parameters.
"""

import asyncio
import sqlite3
import ssl
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    RowMapping,
    Select,
    String,
    bindparam,
    case,
    cast,
    column,
    create_engine,
    event,
    false,
    func,
    literal,
    literal_column,
    select,
    table,
    true,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from decision_service.model import EvidenceStatus, EvidenceType, Query
from evidence_adapters import rows
from evidence_adapters.credentials import Credentials, distrust
from evidence_adapters.guard import THREADS, Clock, FaultError, GuardedSource
from evidence_adapters.register import Register, is_loopback, refuse_addresses
from evidence_adapters.tally import Tally

POOL: Final = 8
"""Connections to one PostgreSQL register; its owner counts them."""

_STEPS: Final = 10_000
"""Instructions of SQLite's machine between two looks at the clock; well under a millisecond."""

_Select: TypeAlias = Select[*tuple[Any, ...]]

_Lines: TypeAlias = Sequence[RowMapping]
_Read: TypeAlias = Callable[[_Select, Query, Mapping[str, str], float], Awaitable[_Lines]]
"""Runs the statement of a question with what it says, within so many seconds."""

_SET: Final = select(
    *(
        func.set_config(name, bindparam(name, type_=String), false())
        for name in (
            "statement_timeout",
            *(
                f"miaopi.{word}"
                for word in ("query_id", "case_id", "matter", "purpose", "legal_basis")
            ),
        )
    )
)
"""What a session says of the question that comes next."""

_AS_OF, _FOUND, _SIZE = "miaopi_as_of", "miaopi_found", "miaopi_size"


@asynccontextmanager
async def connect(
    registers: Mapping[EvidenceType, Register],
    addresses: Mapping[EvidenceType, str],
    *,
    clock: Clock,
    credentials: Mapping[EvidenceType, Credentials] | None = None,
    tally: Tally | None = None,
) -> AsyncIterator[Mapping[EvidenceType, GuardedSource]]:
    """Open the sources of every register that has an address, and close them at the end.

    No connection is made before the first question.

    Args:
        addresses: ``sqlite:///<absolute path>``, ``postgresql://user@host:port/database``, or with
            ``?host=<folder>`` the socket in that folder of this machine.
        credentials: Password, whom to believe over TLS, and as whom to appear, by register.

    Raises:
        InvalidPublicationError: An address names no register or is no such address.
    """
    refuse_addresses(
        registers,
        addresses,
        _fault_of,
        hint="Write `sqlite:///<absolute path>` or `postgresql://user@host:port/database`; "
        "passwords are secrets of their own.",
    )
    async with AsyncExitStack() as stack:
        sources = {}
        for key, address in addresses.items():
            register = registers[key]
            if address.startswith("sqlite:"):
                threads = ThreadPoolExecutor(THREADS, thread_name_prefix=key)
                stack.callback(threads.shutdown, wait=False, cancel_futures=True)
                path = Path(unquote(urlsplit(address).path))
                read = _from_file(path, register.max_bytes, threads)
            else:
                engine = _server(address, (credentials or {}).get(key, Credentials()))
                stack.push_async_callback(engine.dispose)
                read = _from_server(engine, register.max_bytes)
            view = _View(register, read, clock=clock)
            sources[key] = GuardedSource(
                register, view.ask, clock=clock, tally=tally, describe=view.describe
            )
        yield sources


class _View:
    """The way to one register's view."""

    def __init__(self, register: Register, read: _Read, *, clock: Clock) -> None:
        self._register = register
        self._read = read
        self._clock = clock
        self._statement = _statement(register)

    def describe(self, query: Query) -> Mapping[str, object]:
        """The statement and what it is given."""
        return {"statement": str(self._statement), "keys": dict(query.keys)}

    async def ask(self, query: Query, deadline: float) -> bytes:
        """Read the rows and return them as an answer's bytes; see `guard.Ask`."""
        left_s = max(deadline - asyncio.get_running_loop().time(), 0.001)
        said = {f"is_{key}": query.keys[key] for key in self._register.keys}
        said |= {f"{name}_small": key.lower() for name, key in said.items()}
        asked_at = self._clock()
        try:
            found = await self._read(self._statement, query, said, left_s)
        except DBAPIError as error:
            raise _fault(error) from None
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise _away(error) from None
        try:
            lines = [
                rows.line({name: row[name] for name in self._register.columns})
                for row in found
                if row[_FOUND] is not None
            ]
        except rows.InexactError as error:
            raise FaultError(EvidenceStatus.MALFORMED, str(error)) from None
        return rows.answer(
            self._register,
            query,
            lines,
            as_of=found[0][_AS_OF] if self._register.request.synced else asked_at,
        )


def _statement(register: Register) -> _Select:
    """The one SELECT: the agreed columns of the rows asked for, and as of when the view is.

    Where the view is synced, the instant comes in the same statement, beside no row if need be.
    Every column says whose it is: SQLite takes another quoted name that it does not know for a
    text, which no row equals, and everybody would be absent. Letters may be written small, as
    `conversions` read them; a column within a function would not be found by its index.
    """
    request = register.request
    schema, _, called = request.view.rpartition(".")
    view = table(called, *map(column, register.columns), schema=schema or None)
    found: _Select = (
        select(*view.c, literal(1).label(_FOUND))
        .where(
            *(
                view.c[name].in_((bindparam(f"is_{key}"), bindparam(f"is_{key}_small")))
                for name, key in request.where.items()
            )
        )
        .limit(rows.MOST_ROWS + 1)
    )
    if not request.synced:
        return found
    called, _, instant = request.synced.partition(".")
    synced = table(called, column(instant))
    lines = found.subquery("found")
    stamp: _Select = select(func.max(synced.c[instant]).label(_AS_OF))
    stamped = stamp.subquery("stamp")
    return select(stamped, lines).select_from(stamped.outerjoin(lines, true()))


def _from_file(path: Path, most: int, threads: Executor) -> _Read:
    """SQLite, in a thread; should nobody wait any more, it gives up at the deadline by itself."""
    engine = _file(path)

    def read(statement: _Select, said: Mapping[str, str], until: float) -> _Lines:
        left_s = until - time.monotonic()
        with engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
            raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most)
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {max(int(left_s * 1_000), 1)}")
            _refuse_cut_off(connection, path)
            return _within(connection.execute(statement, said).mappings(), most)

    async def in_a_thread(
        statement: _Select, _query: Query, said: Mapping[str, str], left_s: float
    ) -> _Lines:
        until = time.monotonic() + left_s  # waiting for a thread takes of it, too
        return await asyncio.get_running_loop().run_in_executor(
            threads, read, statement, said, until
        )

    return in_a_thread


def _refuse_cut_off(connection: Connection, path: Path) -> None:
    """A file that broke off on its way reads like one without the rows that it has lost."""
    pages, page_bytes = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        for name in ("page_count", "page_size")
    )
    ahead = path.with_name(f"{path.name}-wal")
    if path.stat().st_size < pages * page_bytes and not (ahead.exists() and ahead.stat().st_size):
        raise FaultError(EvidenceStatus.UNAVAILABLE, "the file is cut off", again_after_s=0)


def _within(found: Iterable[RowMapping], most: int) -> _Lines:
    """The rows, read one by one and no further than the register's limit."""
    kept, size = [], 0
    for row in found:
        size += sum(len(cell) for cell in row.values() if isinstance(cell, str | bytes))
        if size > most:
            raise _too_long()
        kept.append(row)
    return kept


def _too_long() -> FaultError:
    return FaultError(EvidenceStatus.MALFORMED, "the answer is longer than the contract allows")


def _sized(statement: _Select, most: int) -> _Select:
    """The statement as PostgreSQL runs it: what is too long stays there, and only its size comes.

    Its driver would have all of it in memory before the first row could be looked at.
    """
    found = statement.subquery("found")
    bytes_ = func.octet_length(cast(literal_column("found"), String))
    sized = select(found, func.sum(bytes_).over().label(_SIZE)).subquery("sized")
    size = sized.c[_SIZE]
    kept = (case((size <= most, sized.c[name])).label(name) for name in found.c.keys())  # noqa: SIM118 - it is no dict
    return select(*kept, size)


def _from_server(engine: AsyncEngine, most: int) -> _Read:
    """PostgreSQL, which gives up at the deadline too, should cancelling not reach it.

    The session says of every question what it says over HTTP, as ``miaopi.purpose`` and so on:
    the owner's log has it, and a view can ask for it (``current_setting``).
    """
    sized = cache(partial(_sized, most=most))
    under_way: set[asyncio.Task[_Lines]] = set()

    async def read(
        statement: _Select, query: Query, said: Mapping[str, str], left_s: float
    ) -> _Lines:
        settings = {
            "statement_timeout": str(max(int(left_s * 1_000), 1)),
            "miaopi.query_id": query.query_id,
            "miaopi.case_id": query.case_id,
            "miaopi.matter": query.matter,
            "miaopi.purpose": query.purpose,
            "miaopi.legal_basis": query.legal_basis,
        }
        async with engine.connect() as connection:
            await connection.execute(_SET, settings)
            found = (await connection.execute(sized(statement), said)).mappings().all()
        if found and (found[0][_SIZE] or 0) > most:
            raise _too_long()
        return found

    async def in_a_task(
        statement: _Select, query: Query, said: Mapping[str, str], left_s: float
    ) -> _Lines:
        """The same; where it is cancelled, the connection is closed without anybody waiting.

        One that has fallen silent takes SQLAlchemy two seconds, which no deadline has.
        """
        task = asyncio.create_task(read(statement, query, said, left_s))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise

    return in_a_task


def _fault(error: DBAPIError) -> FaultError:
    """What the database met, by the class of its code; the text could quote the question."""
    if why := distrust(error):
        return FaultError(EvidenceStatus.UNAVAILABLE, why)
    code = str(getattr(error.orig, "sqlstate", None) or "")
    name = str(getattr(error.orig, "sqlite_errorname", None) or "")
    told = f"the database says {code or name or type(error).__name__}"
    if code == "57014" or name == "SQLITE_INTERRUPT":
        return FaultError(EvidenceStatus.UNAVAILABLE, "no answer within the deadline")
    if name == "SQLITE_TOOBIG":
        return _too_long()
    if code == "42501" or code.startswith("28") or name in {"SQLITE_AUTH", "SQLITE_PERM"}:
        return FaultError(EvidenceStatus.DENIED, told)
    if code.startswith(("22", "3F", "42")) or name in {"SQLITE_ERROR", "SQLITE_NOTADB"}:
        return FaultError(EvidenceStatus.MALFORMED, told)
    return FaultError(EvidenceStatus.UNAVAILABLE, told, again_after_s=0)


def _away(error: Exception) -> FaultError:
    """Nobody was met; asking again does not help where one side did not believe the other."""
    why = distrust(error)
    if _NO_TLS in str(error):
        why = "TLS: the register offers none"
    if why:
        return FaultError(EvidenceStatus.UNAVAILABLE, why)
    return FaultError(EvidenceStatus.UNAVAILABLE, type(error).__name__, again_after_s=0)


_NO_TLS: Final = "rejected SSL upgrade"
"""How the driver says that a server speaks in the clear alone; it has no code for it."""


def _file(path: Path) -> Engine:
    """A file opened read-only, anew for every question."""
    url = URL.create("sqlite", database=f"file:{quote(str(path))}?mode=ro", query={"uri": "true"})
    return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def _server(address: str, shown: Credentials) -> AsyncEngine:
    """Read-only sessions; over TLS unless the server is on this machine.

    Whom to believe and the password are looked up for every connection, since they are renewed.
    """
    parts = urlsplit(address)
    folder = _folder(parts)
    is_near = bool(folder) or is_loopback(parts.hostname or "")
    arguments: dict[str, Any] = {
        "host": folder or parts.hostname,
        "server_settings": {"default_transaction_read_only": "on"},
        "statement_cache_size": 0,
    }
    url = URL.create(
        "postgresql+asyncpg",
        username=unquote(parts.username or ""),
        port=parts.port,
        database=parts.path.lstrip("/"),
    )
    engine = create_async_engine(
        url, isolation_level="AUTOCOMMIT", pool_size=POOL, max_overflow=0, connect_args=arguments
    )
    authorities = False if is_near else ssl.create_default_context()

    def as_we_are_now(
        _dialect: object, _record: object, _arguments: object, said: dict[str, Any]
    ) -> None:
        # A password that is not ours to give is none: the driver would look for one on its own.
        said |= {"ssl": shown.trust or authorities, "password": shown.secret or ""}

    event.listen(engine.sync_engine, "do_connect", as_we_are_now)
    return engine


def _fault_of(address: str) -> str:
    try:
        parts = urlsplit(address)
        _ = parts.port, parts.hostname
    except ValueError:
        parts = urlsplit("")
    if parts.password is not None:
        return "holds a password"
    if parts.scheme == "sqlite":
        if parts.netloc or parts.query or not Path(unquote(parts.path)).is_absolute():
            return "is not of the form sqlite:///path"
    elif (
        parts.scheme != "postgresql"
        or not parts.username
        or not parts.path.lstrip("/")
        or parts.fragment
        or not (_folder(parts) if parts.query else parts.hostname)
    ):
        return "is not of the form postgresql://user@host:port/database"
    return ""


def _folder(parts: SplitResult) -> str:
    """The folder of this machine with the server's socket; empty unless it alone says where.

    What is near is spoken to in the clear, so that nothing that could be a host's name counts.
    """
    match parse_qsl(parts.query, keep_blank_values=True):
        case [("host", folder)] if folder.startswith("/") and not parts.hostname:
            return folder
        case _:
            return ""
