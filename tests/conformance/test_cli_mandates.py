"""A person lets somebody act for them by hand, against a real service: `miaopi mandates`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from decision_service.office import Office
from evidence_adapters.sandbox import City
from tests import service
from tests.acceptance.rights import ALLOWANCE
from tests.conformance.test_cli_aftercare import miaopi


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """The real one: commands are processes of their own, and have no other."""
    return lambda: datetime.now(UTC)


@pytest.mark.slow
async def test_an_agent_acts_by_a_mandate_while_it_holds_and_a_guardian_by_the_register(
    office: Office, clock: Any, people: City, tmp_path: Path
) -> None:
    today = office.today(clock())
    cast = people.cast(today)
    person, agent = cast["aged_75"], cast["agent"]
    principal, by_agent = ("--id", person.id_number), ("--agent", agent.id_number)
    scope = ("--matter", ALLOWANCE, "--until", str(today + timedelta(days=30)))
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"a mandate on paper")
    answers = ("--answer", "applicant.mobile=13800000000", "--answer", "applicant.truthful=yes")
    apply = ("decide", ALLOWANCE, *principal, *answers)

    async with service.serve(office, clock) as wire:
        refused = await miaopi(wire, "portal", *apply, *by_agent, code=1)
        both = await miaopi(wire, "portal", *apply, *by_agent, "--guardian", "x", code=2)
        granted = await miaopi(
            wire, "portal", "mandates", "grant", *principal, *by_agent, *scope, "--json"
        )
        listed = await miaopi(wire, "portal", "mandates", "list", *principal)
        decided = await miaopi(wire, "portal", *apply, *by_agent, "--json")
        revoked = await miaopi(wire, "portal", "mandates", "revoke", *principal, *by_agent)
        after = await miaopi(wire, "portal", *apply, *by_agent, code=1)
        none = await miaopi(wire, "portal", "mandates", "list", *principal, "--json")
        seen = await miaopi(
            wire, "clerk", "mandates", "grant", *principal, *by_agent, *scope, "--scan", str(scan)
        )
        ward = await miaopi(
            *(wire, "portal", "prefill", "library_card", "--id", cast["child"].id_number),
            *("--guardian", cast["guardian"].id_number, "--json"),
        )

    assert "NO_MANDATE" in refused
    assert "not both" in both
    assert json.loads(granted)["matters"] == [ALLOWANCE]
    assert agent.id_number in listed
    assert "本人在线 online" in listed
    assert person.id_number[-4:] in decided
    assert "taken back" in revoked
    assert "NO_MANDATE" in after
    assert none == ""
    assert "窗口纸质 on paper" in seen
    assert "guardianship_register" in ward
