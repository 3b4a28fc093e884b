"""An applicant and a clerk by hand, against a real service: `miaopi case`, `miaopi aftercare`."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from decision_service.model import Application
from decision_service.office import Office
from evidence_adapters.sandbox import City
from tests import service
from tests.acceptance.rights import ALLOWANCE, decided
from tests.service import Metadata, Wire, person_tag

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """The real one: commands are processes of their own, and have no other."""
    return lambda: datetime.now(UTC)


async def miaopi(
    wire: Wire, role: str, *arguments: str, code: int = 0, bearer: Metadata | None = None
) -> str:
    """Type a command; what it prints, or, where it fails as expected, what it complains about."""
    token = (bearer or wire.bearer(role))[0][1].removeprefix("Bearer ")
    where = {"MIAOPI_ADDRESS": f"127.0.0.1:{wire.port}", "MIAOPI_TOKEN": token}
    ran = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "decision_service", *arguments),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "220", "NO_COLOR": "1", **where},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        out, err = await ran.communicate()
    assert ran.returncode == code, err.decode()
    return (err if code else out).decode()


@pytest.mark.slow
async def test_an_applicant_and_a_clerk_go_through_a_case_by_hand(
    office: Office, clock: Any, people: City, apply_for: Callable[..., Application]
) -> None:
    person = people.cast(office.today(clock()))["aged_75"]
    number = ("--id", person.id_number)
    made = await decided(apply_for(person, ALLOWANCE), office, clock)
    dead = people.cast(office.today(clock()))["reported_dead"]
    met = await decided(apply_for(dead, ALLOWANCE), office, clock)
    case, decision = made.case_id, ("--decision", str(made.receipt.index))
    today = str(office.today(clock()))
    async with service.serve(office, clock) as wire:
        late = await miaopi(wire, "portal", "case", "withdraw", case, *number, code=1)
        contested = await miaopi(
            *(wire, "portal", "case", "contest", case, "applicant.birth_date=1950-12-02", *number)
        )
        ticket = re.search(r"ticket=(\S+)", contested)
        assert ticket, contested
        listed, contradicted, _ = await asyncio.gather(
            miaopi(wire, "clerk", "aftercare", "tickets", "population_register"),
            miaopi(wire, "clerk", "aftercare", "tickets", "death_register"),
            miaopi(wire, "portal", "case", "review", case, *number, "--text", "请看一看"),
        )
        resolved = await miaopi(
            *(wire, "clerk", "aftercare", "resolve", ticket[1], "--stands", "--text", "登记无误")
        )
        delivered = await miaopi(
            *(wire, "portal", "aftercare", "delivered", case, *decision),
            *("--channel", "sms", "--reference", "SMS-1"),
        )
        correction = await miaopi(
            *(wire, "clerk", "aftercare", "change", case, "correct", *decision),
            *("--law", "深民规〔2019〕2号", "--effective", today, "--reason", "金额有误"),
            *("--value", "monthly_allowance=250.00", "--json"),
        )
        second = wire.bearer("clerk", subject="clerk-2", person=person_tag("another clerk"))
        changed = await miaopi(
            *(wire, "clerk", "aftercare", "answer", json.loads(correction)["proposal_index"]),
            *("--confirm", "--reason", "属实", "--json"),
            bearer=second,
        )
        proposed = await miaopi(
            *(wire, "clerk", "aftercare", "change", case, "revoke", *decision),
            *("--law", "行政许可法 第六十九条", "--effective", today, "--heard", today),
            *("--reason", "不符合条件"),
        )
        waits = await miaopi(wire, "clerk", "aftercare", "proposals")
        index = re.search(r"#(\d+)", waits)
        assert index, waits
        alone = await miaopi(
            *(wire, "clerk", "aftercare", "answer", index[1], "--confirm", "--reason", "属实"),
            code=1,
        )
        shown, looked, copied, drawn = await asyncio.gather(
            miaopi(wire, "portal", "case", case),
            miaopi(wire, "portal", "case", "accesses", *number),
            miaopi(wire, "portal", "case", "export", *number),
            miaopi(
                *(wire, "auditor", "aftercare", "draw", ALLOWANCE, "--since", today),
                *("--until", today, "--seed", "2026-11"),
            ),
        )

    assert "CASE_DECIDED" in late
    assert "不能撤回申请" in late
    assert ticket[1] in listed
    assert "异议 objection" in listed
    assert met.contradictions[0].check
    assert met.contradictions[0].check.ticket in contradicted
    assert "与 payment_ledger 不一致" in contradicted
    assert "校核已办结" in resolved
    assert "行政复议至 reconsideration until" in delivered
    assert json.loads(correction)["case"]["grant"][0]["value"] == {"number": "200.00"}
    assert json.loads(changed)["grant"][0]["value"] == {"number": "250.00"}
    assert f"提议 #{index[1]}" in proposed
    assert "SECOND_PERSON_REQUIRED" in alone
    assert "REFERRED  IN_FORCE" in shown
    for event in ("提出异议", "要求人工", "核实结果", "送达 delivered", "correct"):
        assert event in shown
    assert "decide old_age_allowance" in looked
    assert len(copied.splitlines()) >= 6
    assert case in drawn


@pytest.mark.slow
async def test_a_poor_rating_is_made_looked_into_and_answered_by_hand(
    office: Office, clock: Any, people: City, apply_for: Callable[..., Application]
) -> None:
    person = people.cast(office.today(clock()))["aged_75"]
    number = ("--id", person.id_number)
    case = (await decided(apply_for(person, ALLOWANCE), office, clock)).case_id
    async with service.serve(office, clock) as wire:
        rated = await miaopi(
            *(wire, "portal", "case", "rate", case, "dissatisfied", *number),
            *("--text", "窗口让我跑了三趟"),
        )
        waits = await miaopi(wire, "clerk", "aftercare", "ratings")
        index = re.search(r"#(\d+)", waits)
        assert index, waits
        taken = await miaopi(wire, "clerk", "aftercare", "take", index[1])
        await miaopi(
            *(wire, "clerk", "aftercare", "answer-rating", index[1], "--justified"),
            *("--text", "已核实，已简化流程"),
        )
        shown, again = await asyncio.gather(
            miaopi(wire, "portal", "case", "show", case, "--json"),
            miaopi(wire, "portal", "case", "rate", case, "satisfied", *number, code=1),
        )

    assert "前核查答复" in rated
    assert case not in waits
    assert case in taken
    assert "窗口让我跑了三趟" in taken
    assert json.loads(shown)["rating"]["answer"]["text"] == "已核实，已简化流程"
    assert "ALREADY_RATED" in again
