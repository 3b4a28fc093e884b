"""Start-up subsidies, end to end on the registers of the sandbox city and a real store."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from decision_service.decide import decide
from decision_service.model import Application, Approved, Decision, EvidenceType, Referred, Waiting
from decision_service.office import Office
from decision_service.replay import Reproduced, replay
from evidence_adapters.sandbox import City, Filing, Firms, Misconduct, Running

FileFor = Callable[..., Application]

STARTUP = "startup_subsidy"
PATIENCE_S = 20.0


@pytest.fixture
def cast(people: City, clock: Any, office: Office) -> Mapping[str, Filing]:
    return Firms(people).cast(office.today(clock()))


async def _decide(application: Application, office: Office, clock: Any) -> Decision:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    return await decide(application, office=office, now=clock(), deadline=deadline)


def _said(decision: Decision) -> str:
    """What is paid and for how many, or the outcome and the requirements that it rests on."""
    if isinstance(decision.outcome, Approved):
        return " ".join(str(one.value) for one in decision.outcome.grant)
    found = {one.requirement for one in decision.outcome.reasons if one.requirement}
    return " ".join((decision.outcome.kind, *sorted(found)))


STARTUPS = {
    "startup": "10000 1",
    "startup_too_old": "referred R3",
    "startup_too_young": "referred R4 R6",
    "startup_insured_five_months": "referred R6",
    "startup_insured_six_months": "10000 1",
    "startup_never_insured": "referred R6",
    "startup_insurance_ended": "referred R6",
    "startup_of_ten": "100000 10",
    "startup_of_twelve": "100000 12",
    "startup_of_many_kinds": "40000 4",
    "startup_with_one_being_checked": "referred R8",
    "startup_of_nobody_who_counts": "referred R8",
    "startup_paid_before": "referred R7",
    "startup_without_partners": "referred R8",
    "startup_listed_abnormal": "referred R5",
    "startup_filed_by_another": "referred R2 R5 R6 R7 R8",
    "suspended": "referred R1 R3 R6 R8",
    "disputed": "referred R1 R2 R3 R4 R5 R6 R7 R8",
}


async def test_every_startup_of_the_cast_is_paid_or_goes_to_a_person(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing]
) -> None:
    decisions = {
        role: await _decide(file_for(cast[role], STARTUP), office, clock) for role in STARTUPS
    }

    assert {role: _said(decision) for role, decision in decisions.items()} == STARTUPS
    for decision in decisions.values():
        assert await replay(decision.receipt.index, office=office) == Reproduced()


async def test_a_firm_is_paid_once(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing]
) -> None:
    first = await _decide(file_for(cast["startup"], STARTUP), office, clock)
    second = await _decide(file_for(cast["startup"], STARTUP), office, clock)

    assert isinstance(first.outcome, Approved)
    assert "发放金额：10000 元" in first.notice.zh
    assert "免交材料 4 份" in first.notice.zh
    assert isinstance(second.outcome, Referred)
    assert second.outcome.reasons[0].code == "ALREADY_GRANTED"


async def test_a_stranger_to_the_firm_learns_nothing_of_its_partners(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing], running: Running
) -> None:
    await _decide(file_for(cast["startup_filed_by_another"], STARTUP), office, clock)

    assert {one.register for one in running.accesses} == {"company_register", "death_register"}


@pytest.mark.parametrize(
    ("register", "requirements"),
    [
        ("company_register", "R1 R2 R3 R4 R5 R6 R7 R8"),
        ("death_register", "R2"),
        ("startup_register", "R7 R8"),
        ("firm_insurance_register", "R6"),
        ("credit_register", "R5"),
    ],
)
async def test_a_silent_source_makes_the_case_wait(
    office: Office,
    clock: Any,
    file_for: FileFor,
    cast: Mapping[str, Filing],
    running: Running,
    register: str,
    requirements: str,
) -> None:
    running.misbehave(EvidenceType(register), Misconduct.DOWN)

    decision = await _decide(file_for(cast["startup"], STARTUP), office, clock)

    assert isinstance(decision.outcome, Waiting)
    assert _said(decision) == f"waiting {requirements}"
