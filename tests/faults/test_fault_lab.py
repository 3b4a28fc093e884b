"""The fault lab: whatever a register does, over every transport, on real sockets and databases.

Every case ends classified, inside its deadline, without a spike of memory, and decides nobody: the
outcome is as open as if the register had been silent.
"""
# ruff: noqa: S608 - the statements are made of this file's own constants

import asyncio
import json
import re
import sqlite3
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
import pytest_asyncio

from audit.trail import Trail
from decision_service.catalogue import Catalogue
from decision_service.decide import decide
from decision_service.evidence import EvidenceSource, Sources
from decision_service.model import (
    Application,
    AssuranceLevel,
    Authority,
    CaseId,
    Consent,
    Document,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    MatterId,
    NeedsCorrection,
    Outcome,
    Party,
    Query,
    Referred,
    Waiting,
)
from decision_service.office import Office
from evidence_adapters import credentials, file_drop, gateway, http, intake, registry, sandbox
from evidence_adapters.breaker import LEAST, PAUSE_S
from evidence_adapters.credentials import Credentials
from evidence_adapters.intake import Order
from evidence_adapters.sandbox import City, front_end
from evidence_adapters.sandbox.front_end import as_rows
from evidence_adapters.sandbox.turn import Condition
from tests.faults.test_adapters_tls import Authority as CertificateAuthority
from tests.laboratory import BYTES, Serve, laboratory, same, send, silence, with_
from tests.postgres import Postgres, with_tls
from tests.service import free_port, open_office

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
PEOPLE = City(755)
CAST = PEOPLE.cast(NOW.date())
PERSON, ANOTHER, DEAD = (CAST[role].id_number for role in ("aged_75", "aged_95", "deceased"))
DEATHS = EvidenceType("death_register")
OVER_HTTP = registry.load()[DEATHS]
MATTER = MatterId("old_age_allowance")

PATIENT_S = 5.0
"""For what ends by itself, however busy the machine is."""

SHORT_S = 0.5
"""For what never ends; it still pays to ask a second time."""

STALL_S = 1.5
"""What a busy machine may take from us after a deadline; closing in good order takes longer."""

MOST_BYTES = 6_000_000
"""Of memory for one answer: what reading the longest one of 256 KiB takes, the lab's own part
included; the floods below have 8 MB and more."""

OPEN = (Referred, NeedsCorrection, Waiting)

module = pytest.mark.asyncio(loop_scope="module")


def clock() -> datetime:
    return NOW


@dataclass(frozen=True)
class Bench:
    """Where a case is staged.

    Attributes:
        folder: Its own.
        database: Makes a new front-end database, with a script, and tells its address and a way
            to run more as its owner.
        far: A PostgreSQL that listens on a port, as one on another machine would.
    """

    folder: Path
    database: Callable[[str, str], "Database"]
    far: Callable[[], Postgres]


Stage: TypeAlias = Callable[[Bench], AbstractAsyncContextManager[EvidenceSource]]


@dataclass(frozen=True)
class Case:
    """What a register does, and what it is taken for.

    Attributes:
        id: The transport and the fault.
        never_ends: Whether it takes longer than anybody waits.
    """

    id: str
    stage: Stage
    status: str
    detail: str = ""
    never_ends: bool = False


# ── over HTTP, with and without TLS ──────────────────────────────────────────────────────────────


def absence(**changes: object) -> dict[str, object]:
    """What the register of deaths says of the living, as its file has it, but for the changes."""
    right = {"ztdm": "01", "sfzh": PERSON, "gxsj": "2026-03-01 10:00:00", "sj": None}
    return {**right, **changes}


def death(**changes: object) -> dict[str, object]:
    """What it says of the dead."""
    record = {"sfzh": PERSON, "swrq": "2025年01月02日", "yybz": "0"}
    return absence(ztdm="00", sj={**record, **changes})


@asynccontextmanager
async def asked_at(
    address: str, trust: ssl.SSLContext | None = None
) -> AsyncIterator[EvidenceSource]:
    async with http.connect(
        {DEATHS: OVER_HTTP},
        {DEATHS: address},
        clock=clock,
        credentials={DEATHS: Credentials(trust=trust)},
    ) as found:
        yield found[DEATHS]


def asked_over(
    serve: Serve, answer: Mapping[str, Any] | None = None, *, tls: bool = False
) -> Stage:
    """The register behind a laboratory."""

    @asynccontextmanager
    async def stage(bench: Bench) -> AsyncIterator[EvidenceSource]:
        theirs = ours = None
        if tls:
            city = CertificateAuthority(bench.folder, "city")
            theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            theirs.load_cert_chain(city.vouch("register"))
            ours = ssl.create_default_context(cafile=city.file)
        async with (
            laboratory(serve, answer or absence(), tls=theirs) as address,
            asked_at(address, ours) as source,
        ):
            yield source

    return stage


ANSWERS: Sequence[tuple[str, Mapping[str, Any], str, str]] = (
    (
        "its clock runs six seconds ahead",
        absence(gxsj="2026-03-01 10:00:06"),
        "MALFORMED",
        "future",
    ),
    ("its clock is a day ahead", absence(gxsj="2026-03-02 10:00:00"), "MALFORMED", "future"),
    ("it is of two days ago", absence(gxsj="2026-02-27 10:00:00"), "NO_RECORD_AUTHORITATIVE", ""),
    ("it is of no time", absence(gxsj=None), "MALFORMED", "off contract in `gxsj`"),
    ("it is of an hour that is none", absence(gxsj="2026-03-01 25:00:00"), "MALFORMED", "gxsj"),
    ("an error that is called a success", absence(ztdm="99"), "UNAVAILABLE", "says so"),
    ("a code that nobody agreed on", absence(ztdm="42"), "MALFORMED", "code"),
    ("a match without a record", absence(ztdm="00"), "MALFORMED", "without a record"),
    ("an absence with a record", {**death(), "ztdm": "01"}, "MALFORMED", "with a record"),
    ("the absence of another person", absence(sfzh=ANOTHER), "MALFORMED", "another `id_number`"),
    ("an absence of nobody in particular", absence(sfzh=None), "MALFORMED", "off contract"),
    ("the record of another person", death(sfzh=ANOTHER), "MALFORMED", "another `id_number`"),
    (
        "another person's answer with our record",
        {**death(), "sfzh": ANOTHER},
        "MALFORMED",
        "another `id_number`",
    ),
    ("two people", {**death(), "sj": [death()["sj"]] * 2}, "AMBIGUOUS", "several records"),
    ("an objection", death(yybz="1"), "DISPUTED", "objection"),
    ("a question for later", absence(ztdm="05"), "PENDING", "says so"),
    ("a refusal", absence(ztdm="04"), "DENIED", "says so"),
    ("a day that is none", death(swrq="2025年02月30日"), "MALFORMED", "off contract in `swrq`"),
    ("a number for a number of a person", death(sfzh=int(PERSON)), "MALFORMED", "`sfzh`"),
    ("a wide answer", absence(**{f"x{n}": n for n in range(9_000)}), "NO_RECORD_AUTHORITATIVE", ""),
)
"""What is said, in an answer that is whole; the second and the last are right but for their age
and their length, and the case of the last is the one in which a register may be believed."""

BELIEVED = {"a wide answer"}


def _over_http() -> Iterator[Case]:
    for name, tls in (("http", False), ("https", True)):
        for one in BYTES:
            stage = asked_over(one.serve, tls=tls)
            yield Case(f"{name}: {one.id}", stage, one.status, one.detail, one.never_ends)
    for fault, answer, status, detail in ANSWERS:
        if fault not in BELIEVED:
            yield Case(f"http: {fault}", asked_over(with_(same), answer), status, detail)


# ── TLS that proves nothing ──────────────────────────────────────────────────────────────────────


def over_tls(
    *,
    host: str = "127.0.0.1",
    until: timedelta = timedelta(days=1),
    trusted: bool = True,
    wants_ours: bool = False,
    at_most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> Stage:
    """A register that answers rightly, were it not for its certificate or its TLS."""

    @asynccontextmanager
    async def stage(bench: Bench) -> AsyncIterator[EvidenceSource]:
        city = CertificateAuthority(bench.folder, "city")
        theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        theirs.load_cert_chain(city.vouch("register", host=host, until=until))
        if wants_ours:
            theirs.verify_mode = ssl.CERT_REQUIRED
            theirs.load_verify_locations(city.file)
        if at_most < ssl.TLSVersion.TLSv1_2:
            theirs.set_ciphers("ALL:@SECLEVEL=0")
            with pytest.warns(DeprecationWarning, match="TLSv1"):
                theirs.minimum_version = theirs.maximum_version = at_most
        ours = ssl.create_default_context(cafile=city.file if trusted else None)
        async with (
            laboratory(with_(same), absence(), tls=theirs) as address,
            asked_at(address, ours) as source,
        ):
            yield source

    return stage


def instead_of_tls(serve: Serve) -> Stage:
    """A register that speaks plain HTTP behind an address that says https."""

    @asynccontextmanager
    async def stage(_bench: Bench) -> AsyncIterator[EvidenceSource]:
        async with (
            laboratory(serve, absence()) as plain,
            asked_at(plain.replace("http://", "https://")) as source,
        ):
            yield source

    return stage


@asynccontextmanager
async def no_handshake(_bench: Bench) -> AsyncIterator[EvidenceSource]:
    """A register that takes the call and says nothing."""
    over = asyncio.Event()

    async def mute(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    try:
        async with asked_at(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}") as source:
            yield source
    finally:
        over.set()
        server.close()
        await server.wait_closed()


def _over_tls() -> Iterator[Case]:
    away = "UNAVAILABLE"
    yield Case(
        "tls: a certificate of nobody we know", over_tls(trusted=False), away, "nobody we know"
    )
    yield Case(
        "tls: a certificate of another host", over_tls(host="192.0.2.1"), away, "another host"
    )
    expired = over_tls(until=-timedelta(hours=1))
    yield Case("tls: an expired certificate", expired, away, "expired")
    yield Case("tls: it wants our certificate", over_tls(wants_ours=True), away)
    yield Case("tls: of 1999", over_tls(at_most=ssl.TLSVersion.TLSv1), away)
    yield Case("tls: it speaks none", instead_of_tls(with_(same)), away, never_ends=True)
    yield Case("tls: no handshake", no_handshake, away, "deadline", never_ends=True)


# ── views of front-end databases ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Database:
    """A front-end database of either kind.

    Attributes:
        run: Runs statements as its owner.
        held: Opens a session that holds the view's table for itself.
    """

    kind: str
    address: str
    run: Callable[[str], None]
    held: Callable[[], AbstractAsyncContextManager[None]]


VIEW, TABLE = "v_death_register", "t_death_register"
COLUMNS = "sfzh, swrq, yybz, cx_zt, cn_sj"


def row(status: str | None = "1", person: str = PERSON, died: str = "2025年01月02日") -> str:
    word = "NULL" if status is None else f"'{status}'"
    return f"INSERT INTO {TABLE} VALUES ('{person}', '{died}', '0', {word}, NULL);"


def view(select: str) -> str:
    """The view, redefined."""
    return f"DROP VIEW {VIEW}; CREATE VIEW {VIEW} AS {select};"


def synced(value: str) -> str:
    """When the view was synced, redefined."""
    return f"DROP VIEW {VIEW}_tb; CREATE VIEW {VIEW}_tb AS {value};"


_MANY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most}) "
_LONG = {"sqlite": "hex(zeroblob(4000000))", "postgresql": "repeat('x', 8000000)"}
_SLOW = {
    "sqlite": f"SELECT t.* FROM {TABLE} t, ({_MANY.format(most=10**9)} SELECT max(i) FROM n)",
    "postgresql": f"SELECT t.* FROM {TABLE} t, (SELECT pg_sleep(60)) n",
}
_REAL = {"sqlite": "1.5", "postgresql": "1.5::float8"}
_BYTES = {"sqlite": "x'00ff'", "postgresql": "'\\x00ff'::bytea"}


def as_view(
    kind: str, damage: str, *, held: bool = False, address: Callable[[str], str] = lambda a: a
) -> Stage:
    """The register as a view of a database that has been damaged."""

    @asynccontextmanager
    async def stage(bench: Bench) -> AsyncIterator[EvidenceSource]:
        found = front_end.rows(PEOPLE, OVER_HTTP, [{"id_number": DEAD}], at=NOW)
        database = bench.database(kind, front_end.script(OVER_HTTP, found, at=NOW) + damage)
        async with gateway.connect(
            {DEATHS: as_rows(OVER_HTTP, "sql")}, {DEATHS: address(database.address)}, clock=clock
        ) as sources:
            if held:
                async with database.held():
                    yield sources[DEATHS]
            else:
                yield sources[DEATHS]

    return stage


def _as_views() -> Iterator[Case]:
    for kind in ("sqlite", "postgresql"):
        faults: Sequence[tuple[str, str, str, str]] = (
            ("the view is gone", f"DROP VIEW {VIEW};", "MALFORMED", "the database says"),
            ("a column is gone", view(f"SELECT sfzh FROM {TABLE}"), "MALFORMED", "database says"),
            ("two rows", row() + row(), "AMBIGUOUS", "several records"),
            ("rows that differ in how far they are", row() + row("4"), "AMBIGUOUS", "status"),
            ("a status that nobody agreed on", row("42"), "MALFORMED", "code"),
            ("a row without a status", row(None), "MALFORMED", "off contract in `code`"),
            ("a day that is none", row(died="2025年02月30日"), "MALFORMED", "`swrq`"),
            ("an objection", row("2"), "DISPUTED", "says so"),
            ("a row for later", row("4"), "PENDING", "says so"),
            ("a refusal", row("5"), "DENIED", "says so"),
            ("out of service", row("6"), "UNAVAILABLE", "says so"),
            (
                "synced two days ago",
                synced("SELECT '2026-02-27 10:00:00' AS tb_sj"),
                "NO_RECORD_AUTHORITATIVE",
                "",
            ),
            (
                "synced in the future",
                synced("SELECT '2026-03-02 10:00:00' AS tb_sj"),
                "MALFORMED",
                "",
            ),
            (
                "never synced",
                synced(f"SELECT swrq AS tb_sj FROM {TABLE} WHERE sfzh = ''"),
                "NO_RECORD_AUTHORITATIVE",
                "",
            ),
            ("synced at no time", synced("SELECT 'x' AS tb_sj"), "MALFORMED", "`as_of`"),
            (
                "a real number",
                view(
                    f"SELECT '{PERSON}' AS sfzh, {_REAL[kind]} AS swrq, '0' AS yybz, "
                    "'1' AS cx_zt, NULL AS cn_sj"
                ),
                "MALFORMED",
                "no exact value in `swrq`",
            ),
            (
                "bytes",
                view(
                    f"SELECT '{PERSON}' AS sfzh, {_BYTES[kind]} AS swrq, '0' AS yybz, "
                    "'1' AS cx_zt, NULL AS cn_sj"
                ),
                "MALFORMED",
                "no exact value in `swrq`",
            ),
            (
                "8 MB in a cell",
                view(
                    f"SELECT '{PERSON}' AS sfzh, {_LONG[kind]} AS swrq, '0' AS yybz, "
                    "'1' AS cx_zt, NULL AS cn_sj"
                ),
                "MALFORMED",
                "longer than the contract allows",
            ),
            (
                "8 MB in a thousand rows",
                view(
                    _MANY.format(most=1_000)
                    + f"SELECT '{PERSON}' AS sfzh, "
                    + _LONG[kind].replace("000000", "000")
                    + " AS swrq, '0' AS yybz, '1' AS cx_zt, NULL AS cn_sj FROM n"
                ),
                "MALFORMED",
                "longer than the contract allows",
            ),
            (
                "two thousand rows",
                view(
                    _MANY.format(most=2_000)
                    + f"SELECT '{PERSON}' AS sfzh, '' AS swrq, '0' AS yybz, '1' AS cx_zt, "
                    "NULL AS cn_sj FROM n"
                ),
                "MALFORMED",
                "more than 1000 rows",
            ),
        )
        for fault, damage, status, detail in faults:
            yield Case(f"{kind}: {fault}", as_view(kind, damage), status, detail)
        slow = as_view(kind, view(_SLOW[kind]))
        yield Case(f"{kind}: slow", slow, "UNAVAILABLE", "deadline", never_ends=True)
        locked = as_view(kind, "", held=True)
        yield Case(f"{kind}: locked", locked, "UNAVAILABLE", "", never_ends=True)
    yield Case(
        "postgresql: nobody may read",
        as_view("postgresql", "", address=lambda one: one.replace("reader@", "stranger@")),
        "DENIED",
        "the database says 28000",
    )
    yield Case(
        "postgresql: nobody listens",
        as_view("postgresql", "", address=lambda _: "postgresql://reader@127.0.0.1:1/x"),
        "UNAVAILABLE",
    )
    for fault, spoil, status in SPOILT:
        yield Case(f"sqlite: {fault}", spoilt(spoil), status)


# ── PostgreSQL as it is reached on another machine ───────────────────────────────────────────────

PASSWORD = "hush-hush"


@dataclass(frozen=True)
class Far:
    """How a PostgreSQL and we meet over TLS; as it stands, both are right.

    Attributes:
        host, until: Of the server's certificate.
        trusted: Whether we believe who vouches for it.
        speaks: Whether it speaks TLS at all.
        wants_ours: Whether it wants our certificate.
        ours: The name in ours, of whomever; empty if we have none.
        ours_by_a_stranger: Whether it is by an authority that the server does not know.
        password: What we say it is.
        shown: What it is shown.
    """

    host: str = "127.0.0.1"
    until: timedelta = timedelta(days=1)
    trusted: bool = True
    speaks: bool = True
    wants_ours: bool = False
    ours: str = ""
    ours_by_a_stranger: bool = False
    password: str = PASSWORD
    shown: Credentials = field(default_factory=Credentials)

    @asynccontextmanager
    async def __call__(self, bench: Bench) -> AsyncIterator[EvidenceSource]:
        """Stage it."""
        city = CertificateAuthority(bench.folder, "city")
        stranger = CertificateAuthority(bench.folder, "stranger")
        server = bench.far()
        theirs = server.given(city.vouch("register", host=self.host, until=self.until))
        tls = (
            "ssl=on",
            f"ssl_cert_file={theirs}",
            f"ssl_key_file={theirs}",
            f"ssl_ca_file={server.given(city.file)}",
        )
        wanted = " clientcert=verify-full" if self.wants_ours else ""
        await asyncio.to_thread(
            server.start_again,
            *(tls if self.speaks else ()),
            rules=f"hostssl all reader 127.0.0.1/32 scram-sha-256{wanted}\n",
        )
        database = "far" + uuid4().hex
        found = front_end.rows(PEOPLE, OVER_HTTP, [{"id_number": DEAD}], at=NOW)
        server.run(f"CREATE DATABASE {database} TEMPLATE template0")
        server.run(
            front_end.script(OVER_HTTP, found, at=NOW)
            + "DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;"
            f"ALTER ROLE reader PASSWORD '{PASSWORD}';"
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;",
            database,
        )
        vouching = stranger if self.ours_by_a_stranger else city
        self.shown.renew(
            credentials.read(
                secret=self.password,
                ca_file=city.file if self.trusted else stranger.file,
                certificate_file=vouching.vouch(self.ours) if self.ours else None,
            )
        )
        async with gateway.connect(
            {DEATHS: as_rows(OVER_HTTP, "sql")},
            {DEATHS: f"postgresql://reader@127.0.0.1:{server.port}/{database}"},
            clock=clock,
            credentials={DEATHS: self.shown},
        ) as sources:
            yield sources[DEATHS]


FAR: Sequence[tuple[str, Far, str, str]] = (
    (
        "of an authority that we do not know",
        Far(trusted=False),
        "UNAVAILABLE",
        "TLS: the register's certificate is vouched for by nobody we know",
    ),
    (
        "with the certificate of another host",
        Far(host="127.0.0.2"),
        "UNAVAILABLE",
        "TLS: the register's certificate is another host's",
    ),
    (
        "with a certificate that has expired",
        Far(until=timedelta(hours=-1)),
        "UNAVAILABLE",
        "TLS: the register's certificate has expired",
    ),
    ("without TLS", Far(speaks=False), "UNAVAILABLE", "TLS: the register offers none"),
    ("that wants our certificate", Far(wants_ours=True), "DENIED", "the database says 28000"),
    (
        "that wants another's certificate",
        Far(wants_ours=True, ours="clerk"),
        "DENIED",
        "the database says 28P01",
    ),
    (
        "that does not know who vouches for us",
        Far(wants_ours=True, ours="reader", ours_by_a_stranger=True),
        "UNAVAILABLE",
        "",  # it may break off before it has said why
    ),
    ("of another password", Far(password="hush"), "DENIED", "the database says 28P01"),
)


def no_database(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any], *, tls: bool
) -> Stage:
    """Something that is no PostgreSQL, where one should be."""

    @asynccontextmanager
    async def stage(bench: Bench) -> AsyncIterator[EvidenceSource]:
        city = CertificateAuthority(bench.folder, "city")
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        shown = credentials.read(ca_file=city.file) if tls else Credentials()
        async with (
            server,
            gateway.connect(
                {DEATHS: as_rows(OVER_HTTP, "sql")},
                {DEATHS: f"postgresql://reader@127.0.0.1:{port}/x"},
                clock=clock,
                credentials={DEATHS: shown},
            ) as sources,
        ):
            yield sources[DEATHS]

    return stage


async def _says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(999):
        pass
    writer.close()


async def _says_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.invalid ESMTP\r\n" * 9)
    await reader.read(99)
    writer.close()


async def _breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(99)
    writer.transport.abort()


async def _promises_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(99)
    writer.write(b"S" + b"not TLS at all\r\n" * 9)
    writer.close()


async def _asks_for_gigabytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A message of PostgreSQL's protocol that says that it is two gigabytes long."""
    await reader.read(999)
    writer.write(b"D\x7f\xff\xff\xff" + b"x" * 1_000_000)
    await reader.read(999)
    writer.close()


def _as_far_databases() -> Iterator[Case]:
    for fault, far, status, detail in FAR:
        yield Case(f"postgresql over TLS: {fault}", far, status, detail)
    for tls in (False, True):
        name = "postgresql over TLS" if tls else "postgresql"
        for fault, serve in (("a mail server", _says_hello), ("breaks off", _breaks_off)):
            yield Case(f"{name}: {fault}", no_database(serve, tls=tls), "UNAVAILABLE")
        silent = no_database(_says_nothing, tls=tls)
        yield Case(f"{name}: silence", silent, "UNAVAILABLE", "deadline", never_ends=True)
    promised = no_database(_promises_tls, tls=True)
    yield Case("postgresql over TLS: what comes is none", promised, "UNAVAILABLE", "TLS: ")
    endless = no_database(_asks_for_gigabytes, tls=False)
    yield Case("postgresql: two gigabytes", endless, "UNAVAILABLE", "deadline", never_ends=True)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5_000])


def _scramble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1_000:] = bytes(reversed(content[1_000:]))
    path.write_bytes(content)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


SPOILT: Sequence[tuple[str, Callable[[Path], object], str]] = (
    ("no file", Path.unlink, "UNAVAILABLE"),
    ("a folder for a file", _folder, "UNAVAILABLE"),
    ("a file that is cut off", _cut, "UNAVAILABLE"),
    ("a file that is scrambled", _scramble, "UNAVAILABLE"),
    ("an archive for a database", lambda p: p.write_bytes(b"PK\x03\x04" * 999), "MALFORMED"),
    ("nothing in the file", lambda path: path.write_bytes(b""), "MALFORMED"),
)


def spoilt(spoil: Callable[[Path], object]) -> Stage:
    """The register as a view of an SQLite file that has been spoilt."""

    @asynccontextmanager
    async def stage(bench: Bench) -> AsyncIterator[EvidenceSource]:
        async with as_view("sqlite", "")(bench) as source:
            spoil(bench.folder / "register.sqlite")
            yield source

    return stage


# ── files of the night ───────────────────────────────────────────────────────────────────────────


def as_file(
    spoil: Callable[[Path], None] = lambda _drop: None,
    *,
    at: datetime = NOW,
    bent: Condition | None = None,
    afterwards: Callable[[Path], object] = lambda _batch: None,
) -> Stage:
    """The register as a file of the night, which its owner or the way here has spoilt."""

    @asynccontextmanager
    async def stage(bench: Bench) -> AsyncIterator[EvidenceSource]:
        register = as_rows(OVER_HTTP, "file")
        drop, batches = bench.folder / "drop", bench.folder / "batches"
        drop.mkdir()
        batches.mkdir()
        keys = [{"id_number": number} for number in (DEAD, PERSON)]
        found = front_end.rows(
            PEOPLE,
            OVER_HTTP,
            keys,
            at=at,
            bent=lambda one: bent if one["id_number"] == PERSON else None,
        )
        front_end.drop(drop, OVER_HTTP, found, at=at)
        spoil(drop)
        order = Order.of(register, drop=drop, target=batches / f"{DEATHS}.sqlite", now=NOW)
        report = await asyncio.to_thread(intake.take, order)
        assert PERSON not in str(report)
        afterwards(order.target)
        address = f"file://{bench.folder / 'unmounted'}"
        async with file_drop.connect(
            {DEATHS: register}, {DEATHS: address}, clock=clock, batches=batches
        ) as sources:
            yield sources[DEATHS]

    return stage


def _file(drop: Path) -> Path:
    (path,) = drop.glob("*.csv")
    return path


def _said(**changes: object) -> Callable[[Path], None]:
    """The manifest, with something else in it."""

    def spoil(drop: Path) -> None:
        (path,) = drop.glob("*.json")
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}), encoding="utf-8")

    return spoil


def _rewritten(change: Callable[[str], str]) -> Callable[[Path], None]:
    """The file as somebody has saved it again, with a manifest that fits."""

    def spoil(drop: Path) -> None:
        path = _file(drop)
        content = change(path.read_bytes().decode("gb18030")).encode("gb18030", "replace")
        path.write_bytes(content)
        rows = content.count(b"\n") - 1
        _said(sha256=intake.hashlib.sha256(content).hexdigest(), rows=rows)(drop)

    return spoil


def _half(drop: Path) -> None:
    path = _file(drop)
    path.write_bytes(path.read_bytes()[:-20])


def _without_manifest(drop: Path) -> None:
    next(drop.glob("*.json")).unlink()


def _nonsense_for_manifest(drop: Path) -> None:
    next(drop.glob("*.json")).write_bytes(b"[" * 9_000)


def _huge_manifest(drop: Path) -> None:
    next(drop.glob("*.json")).write_bytes(b" " * 26_000_000)


def _in_utf16(drop: Path) -> None:
    _file(drop).write_bytes(_file(drop).read_bytes().decode("gb18030").encode("utf-16"))


def _as_files() -> Iterator[Case]:
    refused = "no batch has been taken yet"
    spoils: Mapping[str, Callable[[Path], None]] = {
        "half a file": _half,
        "a file without a manifest": _without_manifest,
        "a manifest that is none": _nonsense_for_manifest,
        "a manifest of 26 MB": _huge_manifest,
        "a manifest of the future": _said(as_of="2026-03-02 10:00:00"),
        "a manifest of no time": _said(as_of="yesterday"),
        "a manifest with another count": _said(rows=7),
        "a manifest that names a path": _said(file="../../etc/passwd"),
        "another encoding": _in_utf16,
        "a column is gone": _rewritten(lambda text: text.replace("cx_zt", "zt")),
        "numbers that a spreadsheet rounded": _rewritten(
            lambda text: re.sub(r"(?m)^\d{15}\d*[\dX]", "9.90000E+17", text)
        ),
        "a person twice": _rewritten(lambda text: text + text.splitlines(keepends=True)[-1]),
        "8 MB in a cell": _rewritten(lambda text: text.replace("2024", "2" * 8_000_000)),
        "a quote that never ends": _rewritten(lambda text: text.replace("swrq", '"swrq')),
    }
    for fault, spoil in spoils.items():
        yield Case(f"file: {fault}", as_file(spoil), "UNAVAILABLE", refused)
    yield Case("file: of two days ago", as_file(at=NOW - timedelta(days=2)), ABSENT)
    words: Mapping[Condition, str] = {
        "disputed": "DISPUTED",
        "pending": "PENDING",
        "denied": "DENIED",
        "unavailable": "UNAVAILABLE",
    }
    for word, status in words.items():
        yield Case(f"file: {word}", as_file(bent=word), status, "says so")
    yield Case("file: the batch is cut off", as_file(afterwards=_cut), "UNAVAILABLE")
    yield Case("file: the batch is scrambled", as_file(afterwards=_scramble), "UNAVAILABLE")
    yield Case("file: the batch is gone", as_file(afterwards=Path.unlink), "UNAVAILABLE", refused)


ABSENT = "NO_RECORD_AUTHORITATIVE"
CASES = (*_over_http(), *_over_tls(), *_as_views(), *_as_far_databases(), *_as_files())


# ── the lab ──────────────────────────────────────────────────────────────────────────────────────


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    tmp_path_factory: pytest.TempPathFactory, published: Catalogue
) -> AsyncIterator[Office]:
    """The sample city, all of whose registers are right."""
    folder = tmp_path_factory.mktemp("town") / "store"
    Trail.create(folder, origin="test.invalid/lab")
    async with (
        Trail.open(folder) as trail,
        sandbox.serve(PEOPLE, clock=clock) as running,
        open_office(published, running, trail, clock) as office,
    ):
        yield office


@pytest.fixture(scope="module")
def postgres_on_a_port() -> Iterator[Postgres]:
    binaries = with_tls()
    if binaries is None:
        pytest.skip("no PostgreSQL of this machine speaks TLS")
    with Postgres("fsync=off", port=free_port(), binaries=binaries) as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench(
        tmp_path,
        lambda kind, script: _database(kind, script, tmp_path, request),
        lambda: request.getfixturevalue("postgres_on_a_port"),
    )


def _database(kind: str, script: str, folder: Path, request: pytest.FixtureRequest) -> Database:
    if kind == "sqlite":
        path = folder / "register.sqlite"
        front_end.fill(path, [script])

        def run(more: str) -> None:
            front_end.fill(path, [more])

        @asynccontextmanager
        async def held() -> AsyncIterator[None]:
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("BEGIN EXCLUSIVE")
                yield

        return Database(kind, f"sqlite://{path}", run, held)
    server: Postgres = request.getfixturevalue("postgres")
    owner = server.new_database()
    name = owner.partition("@/")[2].partition("?")[0]
    may_read = (
        "DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;"
    )
    server.run(script + may_read, name)

    @asynccontextmanager
    async def held_there() -> AsyncIterator[None]:
        connection = await asyncpg.connect(host=str(server.home), user="owner", database=name)
        try:
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
                yield
        finally:
            await connection.close()

    return Database(
        kind,
        owner.replace("owner@", "reader@"),
        lambda more: server.run(more, name) and None,
        held_there,
    )


def query(number: str = PERSON) -> Query:
    return Query(
        query_id="q-1",
        evidence_type=DEATHS,
        about="applicant",
        keys={"id_number": number},
        matter=MATTER,
        case_id=CaseId("c-1"),
        purpose="eligibility",
        legal_basis="consent 1",
        filing_date=NOW.date(),
    )


async def ask(source: EvidenceSource, *, within_s: float, number: str = PERSON) -> Evidence:
    """One question; whatever happens, it is over by the deadline and has taken little memory."""
    loop = asyncio.get_running_loop()
    tracemalloc.start()
    try:
        started = loop.time()
        evidence = await source.fetch(query(number), deadline=started + within_s)
        took, (_, peak) = loop.time() - started, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert took < within_s + STALL_S
    assert peak < MOST_BYTES
    return evidence


def application(published: Catalogue, number: str) -> Application:
    matter = published.release_on(MATTER, NOW.date()).matter
    applicant = Party(role="applicant", documents=(Document(kind="resident_id", number=number),))
    consent = Consent(
        notice_version=matter.consent_notice_version,
        time=NOW,
        evidence_types=tuple(item.type for item in matter.evidence),
    )
    return Application(
        caller="portal-test",
        request_id=str(uuid4()),
        matter=MATTER,
        channel="portal",
        parties=(applicant,),
        authority=Authority(
            person=applicant,
            assurance_level=AssuranceLevel.HIGH,
            authentication_time=NOW,
            basis=consent,
        ),
        answers={"applicant.mobile": "13800000000", "applicant.truthful": True},
        content_digest=uuid4().hex,
    )


async def decided(
    office: Office, published: Catalogue, source: EvidenceSource, *, within_s: float, number: str
) -> Outcome:
    """What becomes of an application while the register does that, and all others are right."""
    sources: Sources = {**office.sources, DEATHS: source}
    loop = asyncio.get_running_loop()
    decision = await decide(
        application(published, number),
        office=replace(office, sources=sources),
        now=NOW,
        deadline=loop.time() + within_s,
    )
    return decision.outcome


@module
@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
async def test_whatever_a_register_does_is_classified_in_time_and_decides_nobody(
    case: Case, bench: Bench, town: Office, published: Catalogue
) -> None:
    within_s = SHORT_S if case.never_ends else PATIENT_S
    async with case.stage(bench) as source:
        evidence = await ask(source, within_s=within_s)
        outcome = await decided(town, published, source, within_s=within_s, number=PERSON)

    assert evidence.status == case.status, evidence.detail
    assert case.detail in evidence.detail
    assert not any(number in evidence.detail for number in (PERSON, ANOTHER, DEAD))
    assert evidence.status in {EvidenceStatus.MATCH, ABSENT} or not evidence.values
    assert isinstance(outcome, OPEN), outcome.kind


@module
@pytest.mark.parametrize(
    "stage",
    [
        pytest.param(asked_over(with_(same)), id="http"),
        pytest.param(asked_over(with_(same), tls=True), id="https"),
        pytest.param(asked_over(with_(same), dict(ANSWERS[-1][1])), id="a wide answer"),
        pytest.param(as_view("sqlite", ""), id="sqlite"),
        pytest.param(as_view("postgresql", ""), id="postgresql"),
        pytest.param(Far(), id="postgresql over TLS"),
        pytest.param(Far(wants_ours=True, ours="reader"), id="postgresql over TLS both ways"),
        pytest.param(as_file(), id="file"),
    ],
)
async def test_the_lab_itself_serves_rightly(
    stage: Stage, bench: Bench, town: Office, published: Catalogue, request: Any
) -> None:
    """Without this, a lab that is broken itself would pass every case above."""
    async with stage(bench) as source:
        evidence = await ask(source, within_s=PATIENT_S)

    assert (evidence.status, evidence.detail) == (ABSENT, "")
    assert evidence.values == {"applicant.living_status": "living"}
    assert evidence.as_of == NOW


BELIEVED_DEAD = CAST["reported_dead"].id_number


@module
@pytest.mark.parametrize(
    ("stage", "contradicts"),
    [
        pytest.param(asked_over(with_(same), absence(sfzh=BELIEVED_DEAD)), True, id="http"),
        pytest.param(as_view("sqlite", ""), True, id="sqlite"),
        pytest.param(as_view("postgresql", ""), True, id="postgresql"),
        pytest.param(as_file(), True, id="file"),
        pytest.param(as_file(at=NOW - timedelta(days=2)), False, id="a file of two days ago"),
        pytest.param(asked_over(with_(same), absence()), False, id="about another person"),
    ],
)
async def test_two_registers_that_contradict_each_other_decide_nobody(
    stage: Stage, *, contradicts: bool, bench: Bench, town: Office, published: Catalogue
) -> None:
    """The payer has heard of a death. What cannot be believed contradicts nobody, and is open."""
    async with stage(bench) as source:
        outcome = await decided(town, published, source, within_s=PATIENT_S, number=BELIEVED_DEAD)

    assert isinstance(outcome, OPEN), outcome.kind
    codes = {reason.code for reason in outcome.reasons}
    assert ("SOURCES_CONTRADICT" in codes) == contradicts


# ── what takes more than one question to see ─────────────────────────────────────────────────────


async def test_a_register_that_mixes_up_two_people_is_believed_about_neither(
    bench: Bench,
) -> None:
    """Asked about both at once, it gives each the other's answer, under the right question's id."""

    async def crossed(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
        about = ANOTHER if query_id == "q-1" else PERSON
        await send(writer, query_id, json.dumps(absence(sfzh=about)).encode())

    async with asked_over(crossed)(bench) as source:
        deadline = asyncio.get_running_loop().time() + PATIENT_S
        found = await asyncio.gather(
            source.fetch(query(PERSON), deadline=deadline),
            source.fetch(query(ANOTHER).model_copy(update={"query_id": "q-2"}), deadline=deadline),
        )

    assert [(one.status, one.detail) for one in found] == [
        (EvidenceStatus.MALFORMED, "the answer is about another `id_number`")
    ] * 2


async def test_a_register_that_flaps_is_right_or_away_and_nothing_else(bench: Bench) -> None:
    """It breaks off every other answer, somewhere else each time; most are had by asking again."""
    asked = 0

    async def flapping(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
        nonlocal asked
        asked += 1
        if asked % 2:
            await send(writer, query_id, body[: asked % len(body)], length=len(body))
            writer.transport.abort()
        else:
            await send(writer, query_id, body)

    async with asked_over(flapping)(bench) as source:
        loop = asyncio.get_running_loop()
        found = [
            await source.fetch(query(), deadline=loop.time() + PATIENT_S) for _ in range(2 * LEAST)
        ]

    assert {one.status for one in found} == {EvidenceStatus.NO_RECORD_AUTHORITATIVE}
    assert asked == 2 * len(found)


async def test_a_register_that_comes_back_slowly_is_found_out_by_one_question_at_a_time(
    bench: Bench,
) -> None:
    """Down, then too slow, then well: nobody waits for it meanwhile, and nobody storms it."""
    state, at_once, most = "down", 0, 0

    async def recovering(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            if state == "down":
                writer.transport.abort()
            elif state == "slow":
                await silence(writer, query_id, body)
            else:
                await send(writer, query_id, body)
        finally:
            at_once -= 1

    async with asked_over(recovering)(bench) as source:
        loop = asyncio.get_running_loop()

        async def crowd(within_s: float = SHORT_S) -> list[str]:
            deadline = loop.time() + within_s
            found = await asyncio.gather(
                *(source.fetch(query(), deadline=deadline) for _ in range(8))
            )
            return [one.detail or one.status for one in found]

        for _ in range(LEAST):
            await source.fetch(query(), deadline=loop.time() + SHORT_S)
        state, most = "slow", 0
        assert set(await crowd()) == {"not asked: the register is away"}
        assert most == 0
        await asyncio.sleep(PAUSE_S)
        tried = await crowd()
        assert tried.count("not asked: the register is away") == 7
        assert most == 1
        state, at_once, most = "well", 0, 0  # the silent one still waits there
        started = loop.time()
        while "NO_RECORD_AUTHORITATIVE" not in await crowd():
            assert loop.time() - started < 3 * PAUSE_S
            await asyncio.sleep(0.1)
        assert most == 1
        assert set(await crowd(PATIENT_S)) == {"NO_RECORD_AUTHORITATIVE"}


@module
async def test_a_password_is_renewed_from_the_next_connection_on(bench: Bench) -> None:
    """The owner changes it and ends our sessions; until we have the new one, we are denied."""
    far = Far()
    async with far(bench) as source:
        before = await ask(source, within_s=PATIENT_S)
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'"
        bench.far().run(f"ALTER ROLE reader PASSWORD 'new'; {end}")
        denied = await ask(source, within_s=PATIENT_S)
        far.shown.renew(Credentials("new", far.shown.trust))
        after = await ask(source, within_s=PATIENT_S)

    assert (denied.status, denied.detail) == (EvidenceStatus.DENIED, "the database says 28P01")
    assert {before.status, after.status} == {EvidenceStatus.NO_RECORD_AUTHORITATIVE}


async def test_a_clock_that_runs_a_little_off_harms_nobody(bench: Bench) -> None:
    """Five seconds ahead or behind: its answers are as good as ours."""
    for stamp in ("2026-03-01 10:00:05", "2026-03-01 09:59:55"):
        async with asked_over(with_(same), absence(gxsj=stamp))(bench) as source:
            evidence = await ask(source, within_s=PATIENT_S)
        assert evidence.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
