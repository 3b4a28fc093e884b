"""`miaopi registers`: what an operator is told, and that nothing personal leaves the terminal."""

import asyncio
import json
import os
import pty
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from decision_service.__main__ import app
from decision_service.cli.registers import _tame
from decision_service.errors import DecisionServiceError
from decision_service.model import EvidenceType
from decision_service.settings import read_settings
from evidence_adapters import registry, sandbox
from evidence_adapters.sandbox import City, Misconduct, Running
from tests.drops import REGISTERS

ROOT = Path(__file__).parents[2]
POPULATION, DEATHS = EvidenceType("population_register"), EvidenceType("death_register")
CITY = City(755)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with sandbox.serve(CITY, clock=lambda: datetime.now(UTC)) as city:
        yield city


def environment(running: Running | None = None, **more: str) -> dict[str, str]:
    addresses = running.addresses if running else {}
    said = {f"MIAOPI_REGISTER_{key.upper()}": url for key, url in addresses.items()}
    return {**said, **{f"MIAOPI_{name}": value for name, value in more.items()}}


async def miaopi(*typed: str, said: dict[str, str], city: Path = ROOT) -> Result:
    """Type it into a pipe, not at a terminal."""
    return await asyncio.to_thread(
        CliRunner().invoke,
        app,
        ["registers", *typed],
        obj=lambda: read_settings(said, city=city),
    )


async def test_the_list_says_who_is_asked_for_what(running: Running) -> None:
    result = await miaopi("list", "--json", said=environment(running))
    listed = {row["key"]: row for row in json.loads(result.stdout)}

    assert result.exit_code == 0
    assert listed.keys() == registry.load().keys()
    deaths = listed["death_register"]
    assert (deaths["owner_zh"], deaths["transport"]) == ("卫健、民政、公安", "http")
    assert "old_age_allowance" in deaths["matters"]
    assert deaths["fresh_for"] == ["1 天 d", "1 天 d"]
    assert listed["library_register"]["fresh_for"] == ["实时 live", "实时 live"]
    assert listed["company_register"]["fresh_for"] == ["60 分 min", "60 分 min"]
    assert deaths["has_address"]
    in_words = await miaopi("list", said=environment())
    assert "主管 owner: 卫健、民政、公安 | health, civil affairs, police" in in_words.stdout
    assert "未配置地址 no address" in in_words.stdout


async def test_a_check_tells_every_fault_and_who_does_not_answer(
    running: Running, tmp_path: Path
) -> None:
    good = await miaopi("check", "--json", said=environment(running))
    shutil.copytree(registry.PACKAGED, tmp_path / "registers")
    shutil.copy(REGISTERS / "relief_register.toml", tmp_path / "registers")
    for name, old, new in (
        ("custody_register", "complete = true", "complete = maybe"),
        ("housing_register", 'coerce = "flag"', 'coerce = "guess"'),
        ("library_register", 'transport = "http"', 'transport = "fax"'),
    ):
        file = tmp_path / "registers" / f"{name}.toml"
        file.write_text(file.read_text("utf-8").replace(old, new, 1), "utf-8")
    (tmp_path / "drop").mkdir()
    said = {
        "MIAOPI_STORE": str(tmp_path / "store"),
        "MIAOPI_REGISTER_DEATH_REGISTER": "http://127.0.0.1:1",
        "MIAOPI_REGISTER_POPULATION_REGISTER": running.address(POPULATION),
        "MIAOPI_REGISTER_POPULATION_REGISTER_CA_FILE": str(tmp_path / "ca.pem"),
        "MIAOPI_REGISTER_CREDIT_REGISTER": "ftp://somewhere",
        "MIAOPI_REGISTER_HOUSING_REGISTER": running.address(POPULATION),
        "MIAOPI_REGISTER_RELIEF_REGISTER": f"file://{tmp_path}/drop",
        "MIAOPI_REGISTER_LEASE_REGISTER": running.address(POPULATION),
    }
    bad = await miaopi("check", "--json", said=said, city=tmp_path)
    told = json.loads(bad.stdout)
    in_words = await miaopi("check", said=said, city=tmp_path)

    assert (good.exit_code, json.loads(good.stdout)["ok"]) == (0, True)
    assert set(json.loads(good.stdout)["reached"].values()) == {""}
    assert (bad.exit_code, in_words.exit_code) == (1, 1)
    assert [fault.split(":")[0].strip("`") for fault in told["faults"]] == [
        "custody_register.toml",
        "housing_register.toml",
        "library_register.toml",
    ]
    reached = told["reached"]
    assert reached["death_register"] == "ConnectionRefusedError"
    assert "ca.pem` cannot be read" in reached["population_register"]
    assert "the address of `credit_register` is not" in reached["credit_register"]
    assert "there is no register file of this name" in reached["housing_register"]
    assert reached["relief_register"] == "no batch has been taken yet"
    assert reached["lease_register"] == ""
    assert "✔ lease_register: 可达 can be asked" in in_words.stdout
    assert not running.accesses


async def test_a_check_reads_a_view_for_a_key_that_nobody_has(tmp_path: Path) -> None:
    (tmp_path / "registers").mkdir()
    text = (REGISTERS / "housing_fund_register.toml").read_text("utf-8")
    text = text.replace('transport = "file"', 'transport = "sql"').replace(
        'batch = { format = "parquet", may_shrink_by = 2 }', 'view = "v_fund"'
    )
    (tmp_path / "registers" / "housing_fund_register.toml").write_text(text, "utf-8")
    said = environment(REGISTER_HOUSING_FUND_REGISTER=f"sqlite://{tmp_path}/fund.sqlite")

    async def reached(schema: str) -> str:
        with sqlite3.connect(tmp_path / "fund.sqlite") as database:
            database.executescript(schema)
        result = await miaopi("check", "--json", said=said, city=tmp_path)
        told: str = json.loads(result.stdout)["reached"]["housing_fund_register"]
        return told

    assert await reached("CREATE TABLE v_fund (zjhm, zhzt, lxyf, khrq, dqsj);") == (
        "the database says SQLITE_ERROR"
    )
    assert await reached("ALTER TABLE v_fund ADD COLUMN yjce;") == ""


async def test_a_try_shows_every_step_and_masks_what_is_personal_outside_a_terminal(
    running: Running,
) -> None:
    person = CITY.cast(datetime.now(UTC).date())["aged_75"]
    said = environment(running)
    result = await miaopi("try", "population_register", "--id", person.id_number, said=said)
    as_json = await miaopi(
        "try",
        "population_register",
        "--id",
        person.id_number,
        "--matter",
        "old_age_allowance",
        "--basis",
        "联调测试",
        "--json",
        said=said,
    )
    steps = json.loads(as_json.stdout)

    assert (result.exit_code, as_json.exit_code) == (0, 0)
    for shown in (result.output, as_json.output):
        assert person.id_number not in shown
        assert person.name not in shown
        assert person.birth_date.isoformat() not in shown
    assert steps["question"]["matter"] == "old_age_allowance"
    assert steps["sent"]["request"].startswith("POST http://127.0.0.1")
    assert "•••" in steps["sent"]["body"]
    assert steps["answer"]["bytes"] > 100
    assert steps["normalised"]["records"] == [
        dict.fromkeys(steps["normalised"]["records"][0], "•••")
    ]
    assert steps["evidence"]["status"] == "MATCH"
    assert steps["facts"]["applicant.birth_date"] == {"known": "•••"}
    assert [access.legal_basis for access in running.accesses] == ["connection test", "联调测试"]
    for step in ("① 问题", "② 发出", "③ 应答", "④ 规范化", "⑤ 证据", "⑥ 事实"):
        assert step in result.output


async def test_a_try_that_finds_nothing_out_says_why(running: Running) -> None:
    person = CITY.cast(datetime.now(UTC).date())["aged_75"]
    running.misbehave(POPULATION, Misconduct.STALE)
    stale = await miaopi(
        "try", "population_register", "--id", person.id_number, "--json", said=environment(running)
    )
    running.misbehave(DEATHS, Misconduct.GARBAGE)
    garbage = await miaopi(
        "try", "death_register", "--id", person.id_number, "--json", said=environment(running)
    )

    facts = json.loads(stale.stdout)["facts"]
    assert {fact.get("unknown") for fact in facts.values()} == {"STALE"}
    told = json.loads(garbage.stdout)
    assert garbage.exit_code == 1
    assert told["evidence"]["status"] == "MALFORMED"
    assert told["normalised"] == {"around": {}, "records": []}
    assert told["facts"] == {"applicant.living_status": {"unknown": "MALFORMED"}}


async def test_a_terminal_is_shown_the_question_and_the_answer(running: Running) -> None:
    person = CITY.cast(datetime.now(UTC).date())["aged_75"]
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "decision_service", "registers", "try", "population_register"),
        *("--id", person.id_number),
        cwd=ROOT,
        env={**os.environ, **environment(running), "COLUMNS": "200", "NO_COLOR": "1"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = bytearray()

    def read() -> None:
        try:
            while chunk := os.read(ours, 65_536):
                seen.extend(chunk)
        except OSError:  # the other end is closed
            return

    async with asyncio.timeout(60):
        await asyncio.to_thread(read)
        code = await process.wait()
    os.close(ours)
    shown = seen.decode()

    assert code == 0, shown
    assert f"keys.id_number = {person.id_number}" in shown
    assert person.birth_date.isoformat() in shown
    assert "applicant.birth_date.known" in shown
    assert "此次查询不入决定记录" in shown


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (["try", "tax_register", "--id", "1"], "REGISTER_NOT_FOUND"),
        (["try", "death_register", "--id", "1"], "REGISTER_NOT_FOUND"),
        (["try", "population_register"], "KEY_MISSING"),
    ],
)
async def test_a_try_that_cannot_be_put_says_what_is_missing(typed: list[str], reason: str) -> None:
    said = environment(REGISTER_POPULATION_REGISTER="http://127.0.0.1:1")
    result = await miaopi(*typed, said=said)

    assert isinstance(result.exception, DecisionServiceError)
    assert result.exception.reason == reason


def test_a_register_cannot_write_to_the_terminal() -> None:
    said: Any = "张\x1b[2J\x9b31m\r\u202e三\n"

    assert _tame(said) == "张\\u001b[2J\\u009b31m\\u000d\\u202e三\\u000a"
