"""Stores that earlier versions wrote, on either store: refused with what to do, then migrated."""

import asyncio
import errno
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection
from typer.testing import CliRunner

from audit.errors import StoreRefusedError
from audit.log import connections
from audit.migration import STEPS, migrate
from audit.trail import ERASED, CaseRow, Entry, Trail
from audit.trail.projections import ENTRIES
from audit.trail.queries import All, Is, Marked, find
from audit.verify import verify_store
from decision_service.cli import app

NOW = datetime(2030, 1, 2, tzinfo=UTC)
GONE, STAYS = "resident_id:990000199001010007", "resident_id:990000199001020001"

SCHEMA_3 = (
    "DROP TABLE spans",
    "DROP INDEX sealed_by_key",
    "CREATE INDEX entries_by_caller ON entries (caller)",
    "CREATE INDEX entries_by_time ON entries (time)",
    "DELETE FROM mark_sets WHERE name = 'caller'",
    "UPDATE log_head SET schema = 3",
)
"""The tables of schema 3 in the place of those of schema 4, nearly as its program made them."""

SCHEMA_2 = (
    *SCHEMA_3,
    "DROP TABLE mark_sets",
    """CREATE TABLE entry_marks (
        idx INTEGER NOT NULL, name VARCHAR NOT NULL, value VARCHAR NOT NULL,
        PRIMARY KEY (idx, name, value))""",
    "CREATE INDEX entry_marks_by_value ON entry_marks (name, value, idx)",
    "DROP TABLE entries",
    """CREATE TABLE entries (
        idx INTEGER NOT NULL PRIMARY KEY, type VARCHAR NOT NULL, time VARCHAR NOT NULL,
        matter VARCHAR NOT NULL, release_digest VARCHAR NOT NULL, outcome VARCHAR NOT NULL,
        case_id VARCHAR NOT NULL, channel VARCHAR NOT NULL, caller VARCHAR NOT NULL,
        case_state VARCHAR NOT NULL, subject_tag VARCHAR NOT NULL)""",
    "CREATE INDEX entries_by_case ON entries (case_id) WHERE case_id != ''",
    "CREATE INDEX entries_by_subject ON entries (subject_tag) WHERE subject_tag != ''",
    "CREATE INDEX entries_by_matter ON entries (matter)",
    "DROP INDEX subject_keys_of_nobody",
    "CREATE INDEX ix_subject_keys_subject_tag ON subject_keys (subject_tag)",
    "UPDATE log_head SET schema = 2",
)
"""The tables of schema 2 in the place of those of schema 3, as its program made them."""

SCHEMA_1 = (
    *SCHEMA_2,
    "DROP TABLE entry_marks",
    "DROP TABLE entries",
    """CREATE TABLE entries (
        idx INTEGER NOT NULL PRIMARY KEY, type VARCHAR NOT NULL, time VARCHAR NOT NULL,
        matter VARCHAR NOT NULL, release_digest VARCHAR NOT NULL, outcome VARCHAR NOT NULL,
        case_id VARCHAR NOT NULL, channel VARCHAR NOT NULL, case_state VARCHAR NOT NULL,
        subject_tag VARCHAR NOT NULL)""",
    "CREATE INDEX entries_by_case ON entries (case_id) WHERE case_id != ''",
    "CREATE INDEX entries_by_subject ON entries (subject_tag) WHERE subject_tag != ''",
    "UPDATE log_head SET schema = 1",
)
"""The same of schema 1."""

OLDER = {1: SCHEMA_1, 2: SCHEMA_2, 3: SCHEMA_3}


def entry(i: int) -> Entry:
    said = {"matter": "m", "caller": f"p{i % 3}", "reasons": [f"R{i % 4}"], "outcome": "approved"}
    case = CaseRow(f"c{i % 50}", "n", "p", "m", "approved" if i >= 250 else "open", "", NOW)
    subject = GONE if i % 7 == 0 else STAYS
    return Entry("decision/1", str(uuid4()), NOW, said, {"i": i}, subject, "告知", case)


@pytest.fixture(params=OLDER)
def schema(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
async def old(tmp_path: Path, database: str, schema: int) -> Path:
    """A store of an older schema, from which somebody was erased."""
    folder = tmp_path / "store"
    Trail.create(folder, origin="test.invalid", database=database)
    async with Trail.open(folder) as trail:
        await asyncio.gather(*(trail.append(entry(i), expect={f"k{i}": None}) for i in range(300)))
        await trail.erase(GONE, reason="r", time=NOW)
    change(folder, OLDER[schema])
    return folder


def change(folder: Path, statements: Sequence[str]) -> None:
    with connections.at(folder).alone() as connection, connection.begin():
        for statement in statements:
            connection.exec_driver_sql(statement)


def content(folder: Path) -> list[tuple[Any, ...]]:
    """Every row of the tables that a migration makes anew."""

    def rows(connection: Connection) -> list[tuple[Any, ...]]:
        return [
            tuple(row)
            for table in ("entries", "cases", "log_head")
            for row in connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1")  # noqa: S608
        ]

    return connections.at(folder).look(rows)


async def test_an_older_store_is_refused_until_it_is_migrated_and_says_so_for_ever(
    old: Path, schema: int
) -> None:
    with pytest.raises(StoreRefusedError) as caught:
        Trail.open(old)
    assert caught.value.reason == "SCHEMA_OLD"
    assert str(caught.value) == f"the store has schema {schema}, this program knows 4"
    assert "`miaopi audit migrate`" in caught.value.hint

    command = ["audit", "migrate", "--store", str(old), "--operator", "op", "--json"]
    done = CliRunner().invoke(app, command)

    assert json.loads(done.stdout) == {"ok": True, "from": schema, "index": 301}
    async with Trail.open(old) as trail:
        told = await trail.read(301)
        assert (told.type, told.permanent) == (
            "migration/1",
            {"from": schema, "to": 4, "operator": "op"},
        )
        asked = All((Marked("reason", "R1"), Is("caller", "=", "p2")))
        found = await trail.ask(lambda c: find(c, asked, before=300, limit=3))
        assert [one.index for one in found] == [293, 281, 269]
        assert (await trail.read(7)).sealed is ERASED
        case = await trail.case("c1")
        assert case is not None
        assert (case.first_index, case.latest_index, case.state) == (1, 251, "approved")
        await trail.append(entry(1), expect={"k1": 1})
        assert await trail.erase(STAYS, reason="r", time=NOW) is not None
    assert verify_store(old).problems == ()


def test_a_store_that_is_not_older_is_left_alone(old: Path) -> None:
    migrate(old, operator="op", now=NOW)
    with pytest.raises(StoreRefusedError) as caught:
        migrate(old, operator="op", now=NOW)
    assert caught.value.reason == "NOTHING_TO_MIGRATE"

    change(old, ["UPDATE log_head SET schema = 5"])
    before = content(old)
    with pytest.raises(StoreRefusedError) as caught:
        migrate(old, operator="op", now=NOW)
    assert caught.value.reason == "SCHEMA_UNKNOWN"
    assert content(old) == before


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("UPDATE log_entries SET leaf = hash WHERE idx = 9", "MIGRATION_UNFINISHED"),
        ("DELETE FROM sealed WHERE idx = 9", "STORE_DAMAGED"),
        ("UPDATE log_head SET frontier = root", "STORE_DAMAGED"),
    ],
)
def test_what_is_damaged_is_not_migrated_and_not_changed(
    old: Path, damage: str, reason: str
) -> None:
    change(old, [damage])
    before = content(old)

    with pytest.raises(StoreRefusedError) as caught:
        migrate(old, operator="op", now=NOW)

    assert caught.value.reason == reason
    assert "None" not in f"{caught.value}{caught.value.zh}"
    assert content(old) == before


def test_a_migration_that_is_cut_short_changes_nothing(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(old)

    def die(_done: int, _all: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(old, operator="op", now=NOW, progress=die)
    assert content(old) == before

    migrate(old, operator="op", now=NOW)
    assert verify_store(old).problems == ()


def test_an_anchor_that_cannot_be_written_is_told_and_caught_up_by_the_service(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk fails")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fdatasync", fail)
        with pytest.raises(StoreRefusedError) as caught:
            migrate(old, operator="op", now=NOW)

    assert caught.value.reason == "MIGRATION_UNSIGNED"
    Trail.open(old).close()
    report = verify_store(old)
    assert (report.problems, report.signed_size) == ((), 302)


def test_there_is_a_step_from_every_version_that_there_was() -> None:
    assert sorted(STEPS) == [1, 2, 3]
    assert len(ENTRIES.c) == 12, "whoever changes the tables writes a step and raises the version"
