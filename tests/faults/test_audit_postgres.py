"""Several processes on one database, and everything that can end: they, the server, the way there.

Whatever happens, no acknowledged entry is lost, none stands twice, no index is missing, and one log
is published.
"""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from audit.errors import NotRecordedError, StoreRefusedError
from audit.log import connections
from audit.log.anchor import Anchor
from audit.log.connections import Turns
from audit.log.postgres import Server
from audit.renewal import renew
from audit.trail import CaseRow, Conflict, Entry, Receipt, Trail
from audit.verify import verify_receipt, verify_store
from decision_service.cli import app
from tests.postgres import Postgres
from tests.service import free_port

ROOT = Path(__file__).parents[2]
NOW = datetime(2030, 1, 2, tzinfo=UTC)
GONE = "resident_id:990000199001010007"


def entry(size: int = 100, subject: str = "") -> Entry:
    return Entry("decision/1", str(uuid4()), NOW, {"matter": "m"}, {"x": "y" * size}, subject)


@pytest.fixture
def folder(tmp_path: Path, postgres: Postgres) -> Path:
    Trail.create(tmp_path / "s", origin="test.invalid", database=postgres.new_database())
    return tmp_path / "s"


@pytest.fixture
async def two(folder: Path) -> AsyncIterator[tuple[Trail, Trail]]:
    """Two services; in one process they have as little in common as in two."""
    async with Trail.open(folder) as one, Trail.open(folder) as another:
        yield one, another


def sql(folder: Path, statement: str) -> str:
    """Do it as the owner of the store's database; what it says."""
    address = (folder / "database").read_text().strip()
    with psycopg.connect(address, autocommit=True) as connection:
        found = connection.execute(statement.encode())
        row = found.fetchone() if found.description else None
    return "" if row is None else str(row[0])


# ── several at once ──────────────────────────────────────────────────────────────────────────────


async def test_two_services_are_one_log(two: tuple[Trail, Trail], folder: Path) -> None:
    answers = await asyncio.gather(
        *(two[i % 2].append(entry(), expect={f"grant-{i % 7}": None}) for i in range(84)),
        *(two[i % 2].append(entry(), expect={}) for i in range(84)),
    )

    recorded = [answer for answer in answers if isinstance(answer, Receipt)]
    assert sorted(answer.index for answer in recorded) == list(range(91)), "no gap, none twice"
    assert sum(isinstance(answer, Conflict) for answer in answers) == 77
    for trail in two:
        for index in (0, 45, 90):
            assert verify_receipt(await trail.receipt(index)).index == index, "whoever wrote it"
    assert (await asyncio.to_thread(verify_store, folder)).problems == ()


async def test_one_service_looks_after_what_one_must_until_it_is_gone(folder: Path) -> None:
    async with Trail.open(folder) as follower:
        async with Trail.open(folder) as leader:
            assert await leader.leads()
            assert not await follower.leads()
            await leader.append(entry(), expect={})
            assert await leader.leads(), "for as long as it is there"
        assert await follower.leads()


async def test_a_key_that_one_service_destroyed_is_never_used_by_another(
    two: tuple[Trail, Trail], folder: Path
) -> None:
    one, another = two
    for trail in two:  # both have a key of theirs at hand now
        await trail.append(entry(subject=GONE), expect={})
    keys = sql(folder, "SELECT string_agg(id, ' ') FROM subject_keys WHERE subject_tag <> ''")

    erasure = await one.erase(GONE, reason="r", time=NOW)
    receipt = await another.append(entry(subject=GONE), expect={})

    assert erasure is not None
    assert erasure.erased == (0, 1)
    assert isinstance(receipt, Receipt)
    assert (await one.read(receipt.index)).subject == GONE
    left = sql(folder, "SELECT string_agg(id, ' ') FROM subject_keys WHERE subject_tag <> ''")
    assert len(keys.split()) == 2
    assert not set(keys.split()) & set(left.split())
    assert (await asyncio.to_thread(verify_store, folder)).problems == ()


async def test_who_must_be_alone_and_services_keep_each_other_out(folder: Path) -> None:
    with connections.at(folder).alone(), pytest.raises(StoreRefusedError) as caught:
        Trail.open(folder)
    assert caught.value.reason == "STORE_IN_USE"

    async with Trail.open(folder):
        with pytest.raises(StoreRefusedError) as caught, connections.at(folder).alone():
            pass
        assert str(caught.value) == f"another process holds the store: process `{os.getpid()}`"


async def test_another_machine_has_an_anchor_of_its_own(folder: Path, tmp_path: Path) -> None:
    """It follows the log from what it saw last, and signs the same checkpoints."""
    there = tmp_path / "there"
    shutil.copytree(folder, there)
    async with Trail.open(folder) as here, Trail.open(there) as far:
        for trail in (here, far, far, here, here, far):
            assert isinstance(await trail.append(entry(), expect={}), Receipt)
    assert Anchor(folder / "anchor").read().size == 5
    assert Anchor(there / "anchor").read().size == 6

    for place in (folder, there):
        assert verify_store(place).problems == ()


async def test_a_database_that_went_back_is_refused_by_who_saw_more(
    folder: Path, tmp_path: Path
) -> None:
    """As a standby does that was behind when it took over; another log than was signed."""
    async with Trail.open(folder) as trail:
        for _ in range(3):
            await trail.append(entry(), expect={})
    shutil.copytree(folder, tmp_path / "ahead")
    async with Trail.open(folder) as trail:
        tables = ("log_entries", "sealed", "entries")
        before = sql(folder, "SELECT encode(root, 'hex') FROM log_head")
        frontier = sql(folder, "SELECT encode(frontier, 'hex') FROM log_head")
        await trail.append(entry(), expect={})
        for table in tables:
            sql(folder, f"DELETE FROM {table} WHERE idx = 3")  # noqa: S608  # our own names
        sql(
            folder,
            f"UPDATE log_head SET size = 3, root = decode('{before}', 'hex'),"  # noqa: S608
            f" frontier = decode('{frontier}', 'hex')",
        )

        with pytest.raises(NotRecordedError) as caught:
            await trail.append(entry(), expect={})

        assert caught.value.reason == "ANCHOR_MOVED"
    with pytest.raises(StoreRefusedError) as refused:
        Trail.open(folder)
    assert refused.value.reason == "STORE_BEHIND_ANCHOR"


# ── who may do what ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def roles(tmp_path: Path, postgres: Postgres) -> Path:
    """A trail whose tables belong to somebody else, with a folder for each who works with it."""
    database = postgres.new_database()
    name = database.split("/")[3].split("?")[0]
    typed = ["audit", "create", "--store", str(tmp_path / "owner"), "--origin", "test.invalid"]
    made = CliRunner().invoke(app, [*typed, "--database", database])
    assert made.exit_code == 0, made.output
    postgres.run((ROOT / "audit" / "log" / "roles.sql").read_text(), name)
    for role in ("appender", "keeper", "auditor"):
        login = f"miaopi_test_{role}"
        postgres.run(
            f"DO $$ BEGIN CREATE ROLE {login} LOGIN IN ROLE miaopi_{role};"
            " EXCEPTION WHEN duplicate_object THEN END $$",
        )
        shutil.copytree(tmp_path / "owner", tmp_path / role)
        Trail.point(tmp_path / role, postgres.address(name, login))
    return tmp_path


async def test_a_service_can_append_and_erase_and_a_keeper_renew(roles: Path) -> None:
    async with Trail.open(roles / "appender") as trail:
        for i in range(3):
            one = replace(entry(subject=GONE), case=CaseRow("c", "n", "p", "m", "o", "", NOW))
            assert isinstance(await trail.append(one, expect={"k": i - 1 if i else None}), Receipt)
        await trail.archive("d", b"content")
        assert await trail.erase_entries([1], reason="r", time=NOW, told={}) is not None
        assert await trail.erase(GONE, reason="r", time=NOW) is not None

    (roles / "keeper" / "anchor").write_text((roles / "appender" / "anchor").read_text())
    assert await renew(roles / "keeper", now=NOW) == 6
    shutil.copy(roles / "keeper" / "checkpoint", roles / "auditor")
    shutil.copy(roles / "keeper" / "anchor", roles / "auditor")
    (roles / "auditor" / "master.key").unlink()
    (roles / "auditor" / "signing.key").unlink()
    assert verify_store(roles / "auditor").problems == ()


async def test_whoever_starts_as_maintenance_ends_is_let_in(folder: Path) -> None:
    """The server may take a moment to see that a session has gone."""
    with ExitStack() as maintenance:
        maintenance.enter_context(connections.at(folder).alone())
        asyncio.get_running_loop().call_later(0.3, maintenance.pop_all().close)
    opened = await asyncio.to_thread(Trail.open, folder)
    opened.close()


def test_a_session_that_is_hidden_from_an_account_may_be_of_another_machine() -> None:
    """Who may not see from where a session comes has not seen that it comes from here."""
    port = free_port()
    with Postgres(port=port) as server:
        server.run("CREATE ROLE near LOGIN; CREATE ROLE far LOGIN")
        by_socket = f"postgresql://near@/postgres?host={server.home}&port={port}"
        by_network = f"postgresql://far@127.0.0.1:{port}/postgres"
        with closing(Server(by_socket).turns()) as near:
            assert near.is_alone_here()
            with closing(Server(by_socket).turns()):
                assert near.is_alone_here()
            with closing(Server(by_network).turns()):
                assert not near.is_alone_here()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        pytest.param(
            """CREATE FUNCTION keep() RETURNS trigger AS 'BEGIN RETURN NULL; END' LANGUAGE plpgsql;
               CREATE TRIGGER kept BEFORE DELETE ON sealed FOR EACH ROW EXECUTE FUNCTION keep()""",
            "the trigger `kept`",
            id="a trigger that lets nothing be erased",
        ),
        pytest.param(
            "CREATE RULE hide AS ON DELETE TO sealed DO INSTEAD NOTHING",
            "the rule `hide`",
            id="a rule that does the same",
        ),
        pytest.param(
            "CREATE POLICY hide ON entries FOR SELECT USING (idx != 4)",
            "the policy `hide`",
            id="a policy that hides an entry from services",
        ),
        pytest.param(
            "ALTER TABLE entries ENABLE ROW LEVEL SECURITY",
            "the table `entries`",
            id="security of rows, under which only the owner sees any",
        ),
        pytest.param(
            "ALTER TABLE mark_sets RENAME TO sets; CREATE VIEW mark_sets AS SELECT * FROM sets",
            "the table `mark_sets`",
            id="a view in the place of a table",
        ),
        pytest.param(
            "CREATE TABLE more () INHERITS (log_latest)",
            "the table `more`",
            id="a table whose rows count as those of another",
        ),
        pytest.param(
            "ALTER TABLE entries ALTER COLUMN outcome TYPE varchar COLLATE pg_catalog.default",
            "the column `entries.outcome`",
            id="a column that is sorted otherwise",
        ),
        pytest.param(
            "ALTER TABLE cases ALTER COLUMN state SET DEFAULT 'open'",
            "the column `cases.state`",
            id="a column with a value of its own",
        ),
    ],
)
async def test_whatever_the_owner_puts_into_the_way_of_rows_is_named(
    folder: Path, statement: str, named: str
) -> None:
    async with Trail.open(folder) as trail:
        await trail.append(entry(), expect={"k": None})
    sql(folder, statement)

    report = verify_store(folder)

    assert f"{named} is not as this program makes it" in [p.what for p in report.problems]


async def test_a_schema_of_an_accounts_own_name_takes_the_place_of_no_table(folder: Path) -> None:
    """Else a service could be shown other tables than whoever checks them."""
    sql(folder, "CREATE SCHEMA owner; CREATE TABLE owner.log_entries (LIKE public.log_entries)")
    async with Trail.open(folder) as trail:
        await trail.append(entry(), expect={})

    assert sql(folder, "SELECT count(*) FROM public.log_entries") == "1"
    assert verify_store(folder).problems == ()


FORBIDDEN = {
    "appender": (
        "UPDATE log_entries SET leaf = leaf",
        "UPDATE log_entries SET hash = hash",
        "DELETE FROM log_entries",
        "TRUNCATE log_entries",
        "DELETE FROM log_tiles",
        "UPDATE log_tiles SET hashes = hashes",
        "UPDATE log_head SET origin = origin",
        "DELETE FROM log_head",
        "DELETE FROM log_latest",
        "UPDATE sealed SET content = content",
        "UPDATE entries SET outcome = outcome",
        "DELETE FROM entries",
        "DELETE FROM mark_sets",
        "DELETE FROM cases",
        "UPDATE archive SET content = content",
        "UPDATE service_keys SET wrapped = wrapped",
        "UPDATE subject_keys SET wrapped = wrapped",
        "DELETE FROM spans",
        "UPDATE spans SET block = block",
        "DROP TABLE mark_sets",
        "CREATE TABLE public.more (x int)",
    ),
    "keeper": ("UPDATE log_entries SET leaf = leaf",),
    "auditor": (
        "INSERT INTO archive VALUES ('d', 's', '')",
        "DELETE FROM sealed",
    ),
}


def test_nobody_can_change_what_was_recorded(roles: Path) -> None:
    def is_refused(role: str, statement: str) -> bool:
        try:
            sql(roles / role, statement)
        except psycopg.errors.InsufficientPrivilege:
            return True
        return False

    done = {(r, one) for r, ones in FORBIDDEN.items() for one in ones if not is_refused(r, one)}
    assert done == set()


def test_an_account_that_may_only_read_cannot_serve(roles: Path) -> None:
    with pytest.raises(StoreRefusedError) as caught:
        Trail.open(roles / "auditor")

    assert caught.value.reason == "STORE_UNWRITABLE"


# ── the way to the server breaks ─────────────────────────────────────────────────────────────────


async def test_a_session_that_was_ended_is_made_anew_unseen(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        await trail.append(entry(), expect={"a": None})
        sql(
            folder,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name LIKE 'miaopi %' AND datname = current_database()",
        )
        assert isinstance(await trail.append(entry(), expect={"a": 0}), Receipt)
        assert (await trail.read(1)).index == 1
    assert verify_store(folder).problems == ()


@pytest.mark.parametrize("committed", [True, False])
async def test_a_commit_that_nobody_answered_is_resolved_by_reading(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    """The connection breaks as the commit is sent: before it arrives, or before its answer does."""
    async with Trail.open(folder) as trail:
        turns: Turns = trail._log._turns
        commits = psycopg.Connection.commit
        broken: list[bool] = []

        def commit(connection: "psycopg.Connection[Any]") -> None:
            if broken or connection.info.transaction_status.name != "INTRANS":
                return commits(connection)
            broken.append(True)
            if committed:
                commits(connection)
            connection.close()
            raise psycopg.OperationalError("the connection is lost")

        monkeypatch.setattr(psycopg.Connection, "commit", commit)
        answers = await asyncio.gather(
            *(trail.append(entry(), expect={f"k{i}": None}) for i in range(20))
        )
        assert broken == [True]
        assert turns is trail._log._turns
        assert sorted(a.index for a in answers if isinstance(a, Receipt)) == list(range(20))
        assert trail.size() == 20
    assert verify_store(folder).problems == ()


async def test_a_statement_that_takes_too_long_records_nothing_and_the_next_does(
    folder: Path,
) -> None:
    async with Trail.open(folder) as trail:
        await trail._log.write(lambda c: c.exec_driver_sql("SET statement_timeout = 200"))
        address = (folder / "database").read_text().strip()
        with psycopg.connect(address) as other:
            other.execute("LOCK TABLE log_entries IN SHARE MODE")
            with pytest.raises(NotRecordedError) as caught:
                await trail.append(entry(), expect={"k": None})
            assert caught.value.reason == "STORE_FAILED"
            assert "y" * 100 not in str(caught.value.__cause__)
        assert isinstance(await trail.append(entry(), expect={"k": None}), Receipt)
    assert verify_store(folder).problems == ()


async def test_an_account_that_may_only_read_records_nothing(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        await trail.append(entry(), expect={})
        readonly = "SET default_transaction_read_only = on"
        await trail._log.write(lambda c: c.exec_driver_sql(readonly))
        with pytest.raises(NotRecordedError) as caught:
            await trail.append(entry(), expect={"k": None})
        assert caught.value.reason == "STORE_FAILED"
        assert isinstance(await trail.append(entry(), expect={"k": None}), Receipt), "a new session"
    assert verify_store(folder).problems == ()


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://owner:secret@localhost/d",
        "postgresql://owner@db.example.gov.cn/d?sslmode=require",
        "postgresql://owner@localhost/d?hostaddr=192.0.2.1&sslmode=disable",
        "postgresql://owner@/d?host=/run/pg,db.example.gov.cn&sslmode=disable",
        "postgresql://owner@localhost/d?service=elsewhere",
        "postgresql://owner@/d?host=/run/pg&service=elsewhere",
        "postgresql://db.example.gov.cn/d",
        "mysql://owner@localhost/d",
        "postgresql://owner@localhost/d%ff",
        "nonsense",
    ],
)
def test_an_address_that_is_none_or_unsafe_is_refused_without_being_repeated(
    tmp_path: Path, address: str
) -> None:
    with pytest.raises(StoreRefusedError) as caught:
        Trail.create(tmp_path / "s", origin="test.invalid", database=address)

    assert caught.value.reason == "DATABASE_INVALID"
    assert "secret" not in f"{caught.value}{caught.value.hint}{caught.value.zh}"
    assert not (tmp_path / "s" / "signing.key").exists()


def test_a_file_that_names_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "database").write_bytes(b"\xff")

    for look in (Trail.open, verify_store):
        with pytest.raises(StoreRefusedError) as caught:
            look(tmp_path)
        assert caught.value.reason == "DATABASE_INVALID"


@pytest.mark.parametrize(
    ("address", "is_near"),
    [
        ("postgresql://owner@localhost/d", True),
        ("postgresql://owner@/d?host=/run/pg", True),
        ("postgresql://owner@localhost,127.0.0.2/d", True),
        ("postgresql://owner@db.example.gov.cn/d?hostaddr=127.0.0.1", False),
        ("postgresql://owner@localhost/d?hostaddr=192.0.2.1", False),
        ("postgresql://owner@/d?host=/run/pg,db.example.gov.cn", False),
    ],
)
def test_to_any_other_machine_it_is_spoken_over_tls_that_knows_it(
    address: str, *, is_near: bool
) -> None:
    assert (Server(address)._parts.get("sslmode") != "verify-full") == is_near


def test_what_is_spoken_to_another_machine_is_tls_whatever_the_environment_says() -> None:
    """What the address leaves out libpq takes of it; and with a ticket it would speak GSSAPI."""
    said = {"sslmode": "verify-full", "sslrootcert": "system", "gssencmode": "disable"}
    assert said.items() <= Server("postgresql://owner@db.example.gov.cn/d")._parts.items()


@pytest.mark.parametrize(
    "address", ["postgresql://o@localhost/d", "postgresql://o@/d?host=/run/pg"]
)
@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"PGHOSTADDR": "192.0.2.1"}, id="an address of its own"),
        pytest.param({"PGSERVICE": "elsewhere"}, id="a service"),
    ],
)
def test_a_near_address_that_the_environment_leads_elsewhere_is_refused(
    address: str,
    variables: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The driver's library would go there, and in the clear."""
    services = tmp_path / "services"
    services.write_text("[elsewhere]\nhostaddr=192.0.2.1\nsslmode=disable\n")
    for name, value in {"PGSERVICEFILE": str(services), **variables}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(StoreRefusedError) as caught:
        Server(address)

    assert str(caught.value) == "the environment leads to another place than the database's address"
    assert caught.value.hint == (
        "Take `PGHOSTADDR` away, and `hostaddr` out of the service that `PGSERVICE` names; the"
        " address of the database alone says where it is."
    )
    assert caught.value.zh == (
        "环境变量使数据库连接指向别处；请去掉 `PGHOSTADDR` 以及 `PGSERVICE` 所指服务中的 "
        "`hostaddr`，数据库在何处只由其地址说明"
    )
    assert caught.value.reason == "DATABASE_ELSEWHERE"


def test_a_server_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreRefusedError) as caught:
        Trail.create(
            tmp_path / "s", origin="test.invalid", database=f"postgresql://o@/d?host={tmp_path}"
        )

    assert caught.value.reason == "STORE_UNREACHABLE"


# ── kill -9 ──────────────────────────────────────────────────────────────────────────────────────

WORKER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from audit.errors import NotRecordedError
from audit.trail import Entry, Receipt, Trail

async def caller(trail, name):
    for i in range(10**9):
        one = Entry("decision/1", str(uuid4()), datetime.now(UTC), {"matter": "m"}, {"x": "y" * 99})
        key = f"{sys.argv[2]}-{name}-{i}"
        try:
            answer = await trail.append(one, expect={key: None})
        except NotRecordedError:
            continue
        print(answer.index, key, answer.leaf_hash.hex(), flush=True)

async def main():
    async with Trail.open(Path(sys.argv[1])) as trail:
        await asyncio.gather(*(caller(trail, i) for i in range(8)))

asyncio.run(main())
"""


class Storm:
    """Service processes that append for all they can."""

    def __init__(self, folder: Path, out: Path) -> None:
        self._folder = folder
        self._out = out
        self._number = 0

    def start(self) -> "subprocess.Popen[bytes]":
        self._number += 1
        with (self._out / f"{self._number}.out").open("wb") as said:
            return subprocess.Popen(
                [sys.executable, "-c", WORKER, self._folder, str(self._number)],
                cwd=ROOT,
                stdout=said,
                stderr=subprocess.DEVNULL,
            )

    def acknowledged(self) -> Iterator[tuple[int, str, str]]:
        """Index, key and hash of everything that any of them was told is recorded."""
        for file in self._out.glob("*.out"):
            for line in file.read_text().splitlines(keepends=True):
                if line.endswith("\n"):
                    index, key, leaf_hash = line.split()
                    yield int(index), key, leaf_hash


def all_are_there(folder: Path, storm: Storm) -> int:
    """Everything acknowledged stands where it was said to, once; returns how many."""
    report = verify_store(folder)
    assert report.problems == ()
    told = sorted(storm.acknowledged())
    address = (folder / "database").read_text().strip()
    with psycopg.connect(address) as connection:
        stored = dict(connection.execute("SELECT idx, encode(hash, 'hex') FROM log_entries"))
        latest = dict(connection.execute("SELECT key, idx FROM log_latest"))
    assert sorted(stored) == list(range(report.derived.size))
    assert [(index, key) for index, key, h in told if stored.get(index) != h] == []
    assert [key for index, key, _ in told if latest.get(key) != index] == []
    assert len({index for index, _, _ in told}) == len(told), "none stands twice"
    return len(told)


def test_no_acknowledged_entry_is_lost_when_services_are_killed(
    folder: Path, tmp_path: Path
) -> None:
    storm = Storm(folder, tmp_path)
    kill_services(storm, kills=4)

    assert all_are_there(folder, storm) > 10


@pytest.mark.slow
def test_no_acknowledged_entry_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    """And the services go on by themselves when it is back."""
    with Postgres() as server:
        folder, out = tmp_path / "s", tmp_path / "out"
        out.mkdir()
        Trail.create(folder, origin="test.invalid", database=server.address())
        storm = Storm(folder, out)
        workers = [storm.start(), storm.start()]
        try:
            for _ in range(4):
                wait_for_more(storm)
                server.kill()
                time.sleep(0.2)
                server.start()
            wait_for_more(storm)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()

        assert all_are_there(folder, storm) > 10


def kill_services(storm: Storm, *, kills: int) -> None:
    """Kill one of three again and again, at any instant, and start another."""
    chance = random.Random(755)  # noqa: S311  # no secret
    workers = [storm.start() for _ in range(3)]
    try:
        for _ in range(kills):
            wait_for_more(storm)
            time.sleep(chance.random() / 5)
            victim = workers.pop(chance.randrange(3))
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            workers.append(storm.start())
        wait_for_more(storm)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def wait_for_more(storm: Storm) -> None:
    """Until something more has been acknowledged."""
    before, until = len([*storm.acknowledged()]), time.monotonic() + 60
    while len([*storm.acknowledged()]) <= before + 8:
        assert time.monotonic() < until, "nobody gets an answer any more"
        time.sleep(0.02)
