"""A clerk's commands, as people type them, against a real service."""

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

from decision_service.decide import decide
from decision_service.model import Application
from decision_service.office import Office
from evidence_adapters.sandbox import City
from tests import service
from tests.service import PDF, Wire, person_tag

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def etag(self) -> str:
        return self.out.rpartition("etag  ")[2].split()[0]


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """The real one: commands are processes of their own, and have no other."""
    return lambda: datetime.now(UTC)


async def miaopi(wire: Wire, clerk: str, *arguments: str) -> Ran:
    bearer = wire.bearer("clerk", subject=clerk, person=person_tag(clerk))
    token = bearer[0][1].removeprefix("Bearer ")
    where = {"MIAOPI_ADDRESS": f"127.0.0.1:{wire.port}", "MIAOPI_TOKEN": token}
    ran = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "decision_service", "counter", *arguments),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "220", "NO_COLOR": "1", **where},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        out, err = await ran.communicate()
    return Ran(ran.returncode or 0, out.decode(), err.decode())


@pytest.mark.slow
async def test_two_clerks_decide_a_case_and_are_checked_by_hand(
    office: Office,
    clock: Any,
    people: City,
    apply_for: Callable[..., Application],
    tmp_path: Path,
) -> None:
    made = await decide(
        apply_for(people.cast(office.today(clock()))["outside_hukou"], "old_age_allowance"),
        office=office,
        now=clock(),
        deadline=asyncio.get_running_loop().time() + 10,
    )
    case, paper = made.case_id, tmp_path / "certificate.pdf"
    paper.write_bytes(PDF)
    async with service.serve(office, clock) as wire:
        queued = await miaopi(wire, "li", "queue", "--json")
        shown = await miaopi(wire, "li", "show", case)
        claimed = await miaopi(wire, "li", "claim", case, "--etag", shown_etag(queued))
        attached = await miaopi(
            wire, "li", "attach", case, str(paper), "--etag", claimed.etag, "--name", "户口簿"
        )
        number = attached.out.partition("#")[2].split()[0]
        how = ("--ground", "paper_document", "--paper", number, "--reason", "已核原件")
        found = ("--finding", "applicant.hukou_city=shenzhen")
        wanted = ("determine", case, "approve", "--etag", attached.etag, *how)
        proposed = await miaopi(wire, "li", *wanted, *found)
        stale = await miaopi(wire, "li", *wanted)
        seen = await miaopi(wire, "wang", "show", case)
        theirs = await miaopi(wire, "wang", "claim", case, "--etag", proposed.etag)
        await miaopi(wire, "wang", "show", case)
        confirmed = await miaopi(
            wire, "wang", "confirm", case, "--etag", theirs.etag, "--reason", "同意"
        )
        listed, counted, drawn = await asyncio.gather(
            miaopi(wire, "wang", "overrides", "requirements.R2 = not_met"),
            miaopi(wire, "wang", "overrides", "--stats"),
            miaopi(wire, "wang", "sample", clock().strftime("%Y-%m"), "--share", "100"),
        )
        slip = await miaopi(wire, "li", "determine", case, "maybe", "--etag", "1", "--reason", "x")

    assert "R2 REQUIREMENT_NOT_MET" in shown.out
    assert "population_register" in shown.out
    assert "承诺" not in shown.err
    assert "须由另一名工作人员复核后生效 | waits for a second person" in proposed.out
    assert (stale.code, "ETAG_STALE" in stale.err) == (1, True)
    assert "待复核 to be confirmed" in seen.out
    assert "li: 准予 approve  [paper_document]" in seen.out
    assert "人工决定 Decided by a person (双人 two persons)  改判 override" in confirmed.out
    assert "已核原件" in listed.out
    assert "li + wang" in listed.out
    assert "referred → approved" in listed.out
    assert "0.0 %" in counted.out
    assert case in drawn.out
    assert (slip.code, "approve, refuse, correct" in slip.err) == (2, True)
    good = (queued, shown, claimed, attached, proposed, seen, theirs, confirmed)
    assert {ran.code for ran in (*good, listed, counted, drawn)} == {0}


def shown_etag(queued: Ran) -> str:
    (one,) = [json.loads(line) for line in queued.out.splitlines()]
    assert one["reasons"] == ["REQUIREMENT_NOT_MET"]
    etag: str = one["etag"]
    return etag
