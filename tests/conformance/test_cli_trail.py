"""An auditor's commands, as people type them, against a real service."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from decision_service.decide import decide
from decision_service.model import Application
from decision_service.office import Office
from evidence_adapters.sandbox import City
from tests import service
from tests.service import Wire

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """The real one: commands are processes of their own, and have no other."""
    return lambda: datetime.now(UTC)


async def miaopi(wire: Wire, *arguments: str, role: str = "auditor") -> Ran:
    token = wire.bearer(role, subject=f"{role}-test")[0][1].removeprefix("Bearer ")
    where = {"MIAOPI_ADDRESS": f"127.0.0.1:{wire.port}", "MIAOPI_TOKEN": token}
    ran = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "decision_service", "audit", *arguments),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **where},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        out, err = await ran.communicate()
    return Ran(ran.returncode or 0, out.decode(), err.decode())


@pytest.mark.slow
async def test_an_auditor_queries_opens_counts_and_replays_by_hand(
    office: Office, clock: Any, people: City, apply_for: Callable[..., Application]
) -> None:
    cast = people.cast(office.today(clock()))
    made = [
        await decide(
            apply_for(cast[role], "old_age_allowance"),
            office=office,
            now=clock(),
            deadline=asyncio.get_running_loop().time() + 10,
        )
        for role in ("aged_75", "outside_hukou")
    ]
    number = cast["aged_75"].id_number
    async with service.serve(office, clock) as wire:
        listed = await miaopi(wire, "query", "outcome = referred")
        as_json = await miaopi(wire, "query", "type = decision", "--id", number, "--json")
        opened = await miaopi(wire, "entry", str(made[0].receipt.index))
        told, counted, replayed, all_of_them, wrong, nobody = await asyncio.gather(
            miaopi(wire, "timeline", made[0].case_id),
            miaopi(wire, "stats"),
            miaopi(wire, "replay", str(made[1].receipt.index)),
            miaopi(wire, "replay", "--filter", "matter = old_age_allowance"),
            miaopi(wire, "query", "mater = x"),
            miaopi(wire, "accesses"),
        )
        asked = await miaopi(wire, "accesses", "--id", number)

    assert "REQUIREMENT_NOT_MET" in listed.out
    assert made[1].case_id in listed.out
    assert made[0].case_id not in listed.out
    assert json.loads(as_json.out)["case_id"] == made[0].case_id
    assert "已打开并遮蔽 opened and masked" in opened.out
    assert number not in opened.out
    assert "GetEntry" in told.out
    assert "50.0 %" in counted.out
    assert "重现一致 reproduced" in replayed.out
    assert "2 / 2 重现一致 reproduced" in all_of_them.out
    assert (wrong.code, nobody.code) == (1, 2)
    assert "没有这一字段，是否指 `matter`" in wrong.err
    assert "give --id or --organisation" in nobody.err
    assert "auditor-test auditor" in asked.out
    assert "ListAccesses" in asked.out
    assert {ran.code for ran in (listed, as_json, opened, told, counted, replayed, asked)} == {0}


@pytest.mark.slow
async def test_an_officer_erases_holds_and_retains_by_hand(
    office: Office, clock: Any, people: City, apply_for: Callable[..., Application]
) -> None:
    person = people.cast(office.today(clock()))["aged_75"]
    application = apply_for(person, "old_age_allowance")
    deadline = asyncio.get_running_loop().time() + 10
    await decide(application, office=office, now=clock(), deadline=deadline)
    why = ("--law", "个人信息保护法 第四十七条", "--reason", "核查")
    who = ("--id", person.id_number)

    async with service.serve(office, clock) as wire:

        async def officer(*arguments: str) -> Ran:
            return await miaopi(wire, *arguments, role="data_protection_officer")

        held = await officer("hold", *who, *why, "--json")
        number = json.loads(held.out)["index"]
        stopped = await officer("erase", *who, *why, "--ground", "order", "--yes")
        listed, counted, both = await asyncio.gather(
            officer("holds"),
            officer("retain", *why, "--dry-run"),
            officer("hold", *who, "--case", "x", *why),
        )
        lifted = await officer("lift", number, *why)
        erased = await officer("erase", *who, *why, "--ground", "unlawful", "--yes")
        renewed = await miaopi(wire, "renew-key", role="operator")
        not_his = await miaopi(wire, "erase", *who, *why, "--ground", "order", "--yes")

    assert (stopped.code, f"it is under hold `{number}`" in stopped.err) == (1, True)
    assert "某人 a person" in listed.out
    assert "data_protection_officer-test" in listed.out
    assert "nothing is over its term" in counted.out
    assert (both.code, "give one of --id" in both.err) == (2, True)
    assert "✔ 已解除" in lifted.out
    assert "erased from 2 entries" in erased.out, "the decision, and the hold's own entry"
    assert "renew the master key" in " ".join(erased.out.split())
    assert (renewed.code, "the master key is renewed" in " ".join(renewed.out.split())) == (0, True)
    assert (not_his.code, "ROLE_NOT_ALLOWED" in not_his.err) == (1, True)
    assert person.id_number not in erased.out + listed.out + held.out


@pytest.mark.slow
async def test_an_auditor_is_given_sealed_parts_by_hand(
    office: Office, clock: Any, people: City, apply_for: Callable[..., Application], tmp_path: Path
) -> None:
    person = people.cast(office.today(clock()))["aged_75"]
    deadline = asyncio.get_running_loop().time() + 10
    made = await decide(
        apply_for(person, "old_age_allowance"), office=office, now=clock(), deadline=deadline
    )
    identity = x25519.Identity.generate()
    (tmp_path / "identity").write_text(f"{identity}\n")
    why = ("--law", "审计法 第三十四条", "--reason", "年度审计")
    store, to = ("--store", str(tmp_path / "store")), str(tmp_path / "export")
    mine = ("--store", to, "--identity", str(tmp_path / "identity"))

    async with service.serve(office, clock) as wire:
        put = await miaopi(
            wire, "disclose", "--recipient", str(identity.to_public()), *why, "--json"
        )
        index = json.loads(put.out)["index"]
        written = await miaopi(wire, "export", *store, "--to", to, "--disclosure", index)
        checked = await miaopi(wire, "verify", *mine)
        opened = await miaopi(wire, "open", str(made.receipt.index), *mine)

    assert "sealed parts: 1" in written.out
    assert "sealed parts: 1" in checked.out
    assert json.loads(opened.out)["subject"].endswith(person.id_number)
    assert person.id_number not in put.out + written.out + checked.out
    assert {ran.code for ran in (put, written, checked, opened)} == {0}
