"""A store on a PostgreSQL server, written by as many processes as there are, in turns.

A turn is an advisory lock of the session, so that it ends with the process or its connection,
however these end. It is held from before the head is read until what was committed has been
anchored and signed: two can neither give out one index nor publish two logs. Should the lock fail
(a pool of connections between us and the server would break it), the row of the head is locked as
well, and whoever finds another head than the entries lead to refuses.

The password is in none of our settings: libpq's own `PGPASSFILE` or `PGPASSWORD` have it.
"""

import ipaddress
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from audit.errors import StoreRefusedError
from audit.log.reader import Reader

Found = TypeVar("Found")

_CLASS = 0x6D61  # "ma": advisory locks of a database have two numbers, and others may take some
_TURN, _IN_USE, _LEAD = 1, 2, 3

_PATIENCE_S = 5.0
"""How long a connection that was lost is tried for: a server that was killed is back by then."""

_WAIT_S = 10
"""Longest wait for a turn, and for the server in any one statement of a turn."""

_QUESTION_S = 20
"""Longest answer to one question of a service."""

_FAREWELL_S = 2.0
"""The server may take a moment to see that a service has gone."""

_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Server:
    """The place of a store (`connections.Database`).

    Args:
        address: ``postgresql://user@host:port/database``; with ``?host=/folder`` by the socket in
            that folder. Without a password.

    Raises:
        StoreRefusedError: It is no such address (``DATABASE_INVALID``).
    """

    def __init__(self, address: str) -> None:
        self._parts = _read(address)

    @property
    def name(self) -> str:
        """The database's name on its server."""
        return str(self._parts["dbname"])

    def exists(self) -> bool:
        """Whether the database has the tables of a log, which this account may see."""
        return self.look(_has_log)

    def create(self, fill: Callable[[Connection], object]) -> None:
        """Make the tables, in one transaction."""
        with self._connected(begin="BEGIN") as connection, connection.begin():
            fill(connection)

    def look(self, question: Callable[[Connection], Found]) -> Found:
        """Ask at one instant, beside whoever writes."""
        with self._connected(begin=_SNAPSHOT) as connection, connection.begin():
            return question(connection)

    def reader(self, connections: int) -> Reader:
        """Connections that read at one instant each."""
        return Reader(
            self._engine(
                begin=_SNAPSHOT,
                statement_s=_QUESTION_S,
                poolclass=QueuePool,
                pool_size=connections,
                max_overflow=0,
                pool_pre_ping=True,
            )
        )

    def turns(self) -> "Turns":
        """Hold the store together with other services."""
        engine = self._engine(begin="BEGIN", statement_s=_WAIT_S, poolclass=NullPool)
        # A commit that waits for its standby must not be cut short: it would count as one.
        event.listen(engine, "commit", lambda c: c.exec_driver_sql("SET LOCAL statement_timeout=0"))
        return Turns(engine, self.name)

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """Hold the store while no service does; whoever starts meanwhile is refused."""
        with self._connected(begin="BEGIN") as connection:
            raw = driver(connection)
            if not _taken(raw, f"SELECT pg_try_advisory_lock({_CLASS}, {_IN_USE})"):
                raise _in_use(_holders(raw))
            raw.execute(f"SELECT pg_advisory_lock({_CLASS}, {_TURN})")
            yield connection

    def holder(self) -> str | None:
        """Process ids of the services that hold it, if the account may see them."""
        return self.look(lambda connection: _holders(driver(connection)))

    @contextmanager
    def _connected(self, *, begin: str) -> Iterator[Connection]:
        engine = self._engine(begin=begin, poolclass=NullPool)
        try:
            connection = engine.connect()
        except SQLAlchemyError as error:
            raise _unreachable(self.name) from error
        try:
            with connection:
                yield connection
        finally:
            engine.dispose()

    def _engine(self, *, begin: str, statement_s: int = 0, **pool: Any) -> Engine:  # noqa: ANN401  # passed on
        """An engine whose transactions begin as ``begin`` says, and where SQLAlchemy says."""
        settings = {
            "statement_timeout": statement_s * 1_000,
            "lock_timeout": _WAIT_S * 1_000,
            "idle_in_transaction_session_timeout": statement_s * 1_000,
            "search_path": "public",  # a schema of the account's own name would come before it
        }
        conninfo = make_conninfo(
            **{
                "connect_timeout": "5",
                "keepalives_idle": "5",
                "keepalives_interval": "2",
                "keepalives_count": "3",
                "tcp_user_timeout": str(_WAIT_S * 1_000),
                **self._parts,
                "application_name": f"miaopi {os.getpid()}",
                "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            }
        )

        def connect() -> "psycopg.Connection[Any]":
            return psycopg.connect(conninfo, autocommit=True)

        engine = create_engine(
            "postgresql+psycopg://",
            creator=connect,
            hide_parameters=True,
            use_native_hstore=False,
            **pool,
        )
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine


class Turns:
    """A session that writes when it is its turn; made anew when it broke.

    Raises:
        StoreRefusedError: The server cannot be reached (``STORE_UNREACHABLE``), does not keep
            what it commits (``STORE_UNSAFE``), or somebody must be alone with the store.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._connection: Connection | None = self._connect()
        self._leads = False

    @contextmanager
    def turn(self) -> Iterator[Connection]:
        """Wait for the turn, and have it; whatever fails in it ends the session, and so the turn.

        Raises:
            StoreRefusedError: The session broke, and there is no other to be had.
        """
        if self._connection is None:
            self._connection = self._connect_again()
        raw = driver(self._connection)
        try:
            raw.execute(f"SELECT pg_advisory_lock({_CLASS}, {_TURN})")
            yield self._connection
            raw.execute(f"SELECT pg_advisory_unlock({_CLASS}, {_TURN})")
        except BaseException:
            self._end()
            raise

    def is_lost(self, error: Exception) -> bool:
        """Whether the connection broke, or the server stopped it."""
        if isinstance(error, DBAPIError):
            error = error.orig if isinstance(error.orig, Exception) else error
        if not isinstance(error, psycopg.OperationalError):
            return False
        return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))

    def rest(self) -> None:
        """Nothing: the server sees to itself."""

    def scrub(self) -> bool:
        """Nothing can be cut off here: what was deleted stands in the heap and the server's WAL.

        So there the renewal of the master key is what an erasure is completed by.
        """
        return True

    def leads(self) -> bool:
        """Whether this session was first to ask, of those that are there."""
        if not self._leads and self._connection is not None:
            self._leads = _tell(
                driver(self._connection), f"SELECT pg_try_advisory_lock({_CLASS}, {_LEAD})"
            )
        return self._leads

    def is_alone_here(self) -> bool:
        """Whether every session that holds the store is from where this one is."""
        if self._connection is None:
            return False
        return bool(_tell(driver(self._connection), _ALL_FROM_HERE))

    def close(self) -> None:
        """End the session; everything that it held is free."""
        self._end()
        self._engine.dispose()

    def _end(self) -> None:
        connection, self._connection, self._leads = self._connection, None, False
        if connection is not None:
            with suppress(SQLAlchemyError, psycopg.Error):
                connection.invalidate()
            with suppress(SQLAlchemyError, psycopg.Error):
                connection.close()

    def _connect_again(self) -> Connection:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self._connect()
            except StoreRefusedError as refusal:
                if refusal.reason != "STORE_UNREACHABLE" or time.monotonic() > until:
                    raise
            time.sleep(0.05)

    def _connect(self) -> Connection:
        try:
            connection = self._engine.connect()
            raw = driver(connection)
            unsafe = _unsafe(raw)
            is_free = _taken(raw, f"SELECT pg_try_advisory_lock_shared({_CLASS}, {_IN_USE})")
        except (SQLAlchemyError, psycopg.Error) as error:
            raise _unreachable(self._name) from error
        if unsafe or not is_free:
            connection.invalidate()
            connection.close()
            raise unsafe or _in_use("")
        return connection


def driver(connection: Connection) -> "psycopg.Connection[Any]":
    """The driver's own connection, for what SQLAlchemy does not know."""
    found = connection.connection.driver_connection
    assert isinstance(found, psycopg.Connection)  # noqa: S101  # see `Server._engine`
    return found


def _tell(raw: "psycopg.Connection[Any]", question: str) -> Any:  # noqa: ANN401  # one value
    row = raw.execute(question.encode()).fetchone()
    return None if row is None else row[0]


def _taken(raw: "psycopg.Connection[Any]", attempt: str) -> bool:
    """Whether a lock was taken, though who had it may only just have gone."""
    until = time.monotonic() + _FAREWELL_S
    while not _tell(raw, attempt):
        if time.monotonic() > until:
            return False
        time.sleep(_FAREWELL_S / 100)
    return True


def _has_log(connection: Connection) -> bool:
    return bool(_tell(driver(connection), "SELECT to_regclass('log_head') IS NOT NULL"))


_HOLDERS = (
    " FROM pg_locks JOIN pg_stat_activity USING (pid)"  # noqa: S608  # our own numbers
    f" WHERE locktype = 'advisory' AND classid = {_CLASS} AND objid = {_IN_USE}"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND mode = 'ShareLock' AND granted"
)
_ALL_FROM_HERE = (
    "SELECT count(*) FILTER (WHERE client_addr IS DISTINCT FROM inet_client_addr()"  # noqa: S608
    " OR client_port IS NULL) = 0" + _HOLDERS
)
"""A session whose port is not told is hidden from this account: it may be from anywhere."""


def _holders(raw: "psycopg.Connection[Any]") -> str | None:
    """Process ids of the services that hold the store, as their sessions tell them."""
    found: str | None = _tell(
        raw,
        "SELECT string_agg(substring(application_name from 8), ', ' ORDER BY application_name)"  # noqa: S608
        + _HOLDERS,
    )
    return found


def _unsafe(raw: "psycopg.Connection[Any]") -> StoreRefusedError | None:
    """Why a commit of this server cannot be relied upon; what a session can mend is mended."""
    if _tell(raw, "SHOW synchronous_commit") in {"off", "local"}:
        raw.execute("SET synchronous_commit = on")
    if _tell(raw, "SHOW fsync") == "on":
        return None
    return StoreRefusedError(
        "the server does not write to disk what it commits (`fsync` is off)",
        zh="该数据库服务器关闭了 `fsync`，提交后仍可能丢失；请打开 `fsync` 再启动服务",
        reason="STORE_UNSAFE",
        hint="Switch `fsync` on in the server's configuration.",
    )


def _read(address: str) -> dict[str, Any]:
    """The parts of an address; to another machine it is spoken over TLS that knows it.

    What decides whether it is near is what libpq will connect to: `hostaddr` before `host`, and a
    service or a variable wherever the address itself has none.
    """
    try:
        parts = conninfo_to_dict(address)
    except (psycopg.Error, UnicodeError):
        parts = {}
    if "hostaddr" not in parts and _libpq_has("hostaddr"):
        raise _led_elsewhere()
    # Of several libpq takes the first that answers, and it goes where `hostaddr` says.
    places = ",".join(str(parts[name]) for name in ("host", "hostaddr") if name in parts)
    near = all(place.startswith("/") or _is_loopback(place) for place in places.split(","))
    tls = parts.get("sslmode", "verify-full")
    if (
        not address.startswith("postgresql://")
        or not {"user", "host", "dbname"} <= parts.keys()
        or parts.keys() & {"password", "service"}
        or (not near and tls != "verify-full")
    ):
        raise StoreRefusedError(
            "this is no address of a database for the trail",
            zh="数据库地址有误；应为 `postgresql://用户@主机:端口/库名`，不含口令（口令放 "
            "`PGPASSFILE` 或 `PGPASSWORD`），连接他机须 `sslmode=verify-full`",
            reason="DATABASE_INVALID",
            hint="Write `postgresql://user@host:port/database` without a password, which belongs in"
            " `PGPASSFILE` or `PGPASSWORD`; to another machine TLS is `verify-full`.",
        )
    return parts if near else {"sslrootcert": "system", **parts, **_TLS}


_TLS = {"sslmode": "verify-full", "gssencmode": "disable"}
"""GSSAPI would be taken before TLS wherever there is a ticket of Kerberos."""


def _libpq_has(name: str) -> bool:
    """Whether libpq takes that part of an address from its variables, or from a service's file."""
    return any(option.val for option in Conninfo.get_defaults() if option.keyword == name.encode())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _led_elsewhere() -> StoreRefusedError:
    return StoreRefusedError(
        "the environment leads to another place than the database's address",
        zh="环境变量使数据库连接指向别处；请去掉 `PGHOSTADDR` 以及 `PGSERVICE` 所指服务中的 "
        "`hostaddr`，数据库在何处只由其地址说明",
        reason="DATABASE_ELSEWHERE",
        hint="Take `PGHOSTADDR` away, and `hostaddr` out of the service that `PGSERVICE` names; the"
        " address of the database alone says where it is.",
    )


def _unreachable(name: str) -> StoreRefusedError:
    return StoreRefusedError(
        f"the database `{name}` cannot be reached",
        zh="连不上数据库；请查明服务器、网络、账号与口令（`PGPASSFILE`）",
        reason="STORE_UNREACHABLE",
        hint="Look at the server, the network, the account and its password (`PGPASSFILE`).",
    )


def _in_use(holders: str | None) -> StoreRefusedError:
    told = f": process `{holders}`" if holders else ""
    return StoreRefusedError(
        f"another process holds the store{told}",
        zh=f"另有进程（{holders or '进程号不明'}）正占用记录库；请先停掉全部服务进程，或等维护结束",
        reason="STORE_IN_USE",
        hint="Stop every service process first; or wait until the maintenance has ended.",
    )
