"""`miaopi` as people type it, against a real service: what it prints and how it exits."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from decision_service.office import Office
from decision_service.server import Server, Verifier, issue, new_private_key, public_jwks
from evidence_adapters.sandbox import Firms

ROOT = Path(__file__).parent.parent.parent
MATTER = "old_age_allowance"
ANSWERS = ("--answer", "applicant.mobile=13800000000", "--answer", "applicant.truthful=是")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Type = Callable[..., Awaitable[Ran]]


async def _miaopi(*arguments: str, **variables: str) -> Ran:
    ran = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "decision_service", *arguments),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await ran.communicate()
    return Ran(code=ran.returncode or 0, out=out.decode(), err=err.decode())


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """The real one: commands are processes of their own, and have no other."""
    return lambda: datetime.now(UTC)


@pytest.fixture
async def miaopi(office: Office, clock: Any) -> AsyncIterator[Type]:
    """Type a command of a portal that has its address and token in the environment."""
    private_key = new_private_key()
    token = issue(
        private_key,
        subject="portal-test",
        role="portal",
        audience="miaopi",
        issuer="city",
        lifetime=timedelta(hours=1),
        now=clock(),
    )
    server = Server(
        office=office,
        verifier=Verifier(public_jwks(private_key), audience="miaopi", issuer="city"),
        clock=clock,
        city="test",
        address="127.0.0.1:0",
        pause_s=0,
    )
    async with server:

        async def typed(*arguments: str) -> Ran:
            return await _miaopi(
                *arguments, MIAOPI_ADDRESS=f"127.0.0.1:{server.port}", MIAOPI_TOKEN=token
            )

        yield typed


@pytest.fixture
def number(people: Any, clock: Any, office: Office) -> str:
    found: str = people.cast(office.today(clock()))["aged_75"].id_number
    return found


@pytest.mark.slow
async def test_a_person_goes_from_the_list_to_the_receipt_by_hand(
    miaopi: Type, number: str, tmp_path: Path
) -> None:
    listed, shown = await asyncio.gather(miaopi("matters"), miaopi("matters", MATTER))
    prefilled = await miaopi("prefill", MATTER, "--id", number)
    case_id = re.search(r"[0-9a-f]{32}", prefilled.out)
    assert case_id, prefilled
    decided = await miaopi("decide", MATTER, "--id", number, "--case", case_id[0], *ANSWERS)
    looked = await miaopi("case", case_id[0])
    receipt = tmp_path / "receipt.json"
    fetched = await miaopi("receipt", "get", case_id[0], "--out", str(receipt))

    assert [ran.code for ran in (listed, shown, prefilled, decided, looked, fetched)] == [0] * 6
    assert "高龄老人津贴 Old-age allowance" in listed.out
    assert "告知书 Notice" in shown.out
    assert "population_register" in prefilled.out
    assert prefilled.out.endswith("\n")
    assert "请填写 to be filled in" in prefilled.out
    assert "准予 approved" in decided.out
    assert "APPROVED" in looked.out
    assert json.loads(receipt.read_text("utf-8"))


async def test_json_is_one_line_a_message(miaopi: Type, number: str) -> None:
    prefilled = await miaopi("prefill", MATTER, "--id", number, "--json")
    decided = await miaopi("decide", MATTER, "--id", number, *ANSWERS, "--json")

    events = [json.loads(line) for line in prefilled.out.splitlines()]
    assert "started" in events[0]
    assert "completed" in events[-1]
    assert json.loads(decided.out)["approved"]["grant"]


async def test_when_the_service_says_no_both_languages_say_what_to_do(
    miaopi: Type, number: str
) -> None:
    request_id = str(uuid4())
    ran = await miaopi(
        *("decide", MATTER, "--id", number, "--channel", "fax", "--request-id", request_id)
    )

    assert (ran.code, ran.out) == (1, "")
    assert "error: the request is wrong in `channel` (INVALID_ARGUMENT REQUEST_INVALID)" in ran.err
    assert "错误 请求有误：" in ran.err
    assert "hint: Correct every field listed in" in ran.err
    assert f"request_id: {request_id}" in ran.err


async def test_a_slip_of_the_keyboard_is_a_usage_error(miaopi: Type, number: str) -> None:
    slips = await asyncio.gather(
        miaopi("decide", MATTER, "--id", number, "--answer", "applicant.age=3"),
        miaopi("decide", MATTER, "--id", number, "--contest", "applicant.birth_date"),
        miaopi("decide", MATTER),
    )

    assert [ran.code for ran in slips] == [2, 2, 2]
    assert "applicant.age" in slips[0].err
    assert "concept=claim" in slips[1].err
    assert "--id" in slips[2].err


async def test_where_nobody_answers_the_request_can_still_be_repeated(number: str) -> None:
    ran = await _miaopi("decide", MATTER, "--id", number, "--address", "127.0.0.1:1")

    assert ran.code == 1
    assert "服务没有应答" in ran.err
    assert "(UNAVAILABLE)" in ran.err
    assert re.search(r"request_id: [0-9a-f-]{36}", ran.err)


@pytest.mark.slow
async def test_a_firm_moves_by_hand(miaopi: Type, people: Any, clock: Any, office: Office) -> None:
    filing = Firms(people).cast(office.today(clock()))["leased_office"]
    who = ("--id", filing.filer.id_number, "--organisation", filing.firm.code)
    house = ("--answer", f"premises.house_code={filing.house_code}")

    prefilled = await miaopi("prefill", "business_address_change", *who, *house)
    decided = await miaopi(
        "decide",
        "business_address_change",
        *who,
        *house,
        *("--answer", "organisation.change_reason=expansion"),
        *("--answer", f"organisation.resolution_date={office.today(clock())}"),
        *("--answer", "organisation.resolved=yes"),
        *("--answer", "applicant.mobile=13800000000"),
        *("--answer", "applicant.truthful=yes"),
    )

    assert "商业办公" in prefilled.out, prefilled
    assert "免交材料 4 份" in prefilled.out
    assert "准予 approved" in decided.out, decided
    assert "免交材料 4 份" in decided.out
