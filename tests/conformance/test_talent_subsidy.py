"""The subsidy of newly introduced talents, before and after it closed, over real sockets."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from decision_service.catalogue import Catalogue
from decision_service.decide import decide as decide_now
from decision_service.model import Application, Approved, EvidenceType, Referred, Waiting
from decision_service.office import Office
from decision_service.replay import Reproduced, replay
from decision_service.waiting import decide_again
from evidence_adapters.sandbox import City, Lives, Misconduct, Running
from tests import service
from tests.benefits import TALENT, Ended, decide, decision_of, referred
from tests.conftest import Clock

IN_TIME = datetime(2021, 6, 1, 4, tzinfo=UTC)
CLOSED = datetime(2022, 8, 31, 4, tzinfo=UTC)
BACHELOR: Ended = ("approved", {"subsidy": "15000.00"})
MASTER: Ended = ("approved", {"subsidy": "25000.00"})
DOCTOR: Ended = ("approved", {"subsidy": "30000.00"})
ANSWERS = {
    "applicant.mobile": "13800000000",
    "applicant.truthful": True,
    "applicant.bank_account": "990000000000000001",
    "applicant.declares_no_double_subsidy": True,
}


@pytest.fixture
def clock() -> Clock:
    """A day on which the policy was in force."""
    return Clock(IN_TIME)


async def test_while_it_was_in_force(
    tmp_path: Path, published: Catalogue, people: City, clock: Clock
) -> None:
    """By degree; by age on 1 January; within a year; once, and nothing beside it."""
    expected: Mapping[str, Ended] = {
        "introduced_bachelor": BACHELOR,
        "bachelor_aged_30": referred(R4="NOT_MET"),
        "introduced_master": MASTER,
        "master_aged_35": referred(R4="NOT_MET"),
        "introduced_doctor": DOCTOR,
        "doctor_aged_40": referred(R4="NOT_MET"),
        "graduate_aged_40": MASTER,
        "returnee_part_time": MASTER,
        "returnee_degree_abroad": referred(R3="UNKNOWN"),
        "degree_part_time": referred(R3="NOT_MET"),
        "no_degree": referred(R3="NOT_MET", R4="NOT_MET"),
        "introduced_a_year_ago": MASTER,
        "introduced_over_a_year_ago": referred(R5="NOT_MET"),
        "hukou_elsewhere": referred(R2="NOT_MET"),
        "insurance_stopped": referred(R6="NOT_MET"),
        "renting_public_housing": referred(R7="NOT_MET"),
        "rented_public_housing": MASTER,
        "purchase_concession_used": referred(R7="NOT_MET"),
        "housing_by_letter": ("waiting", {"R7": "UNKNOWN"}),
        "rent_subsidy_received": referred(R8="NOT_MET"),
        "talent_subsidy_received": referred(R8="NOT_MET"),
        "local_resident": referred(R1="NOT_MET", R3="UNKNOWN", R4="UNKNOWN", R5="UNKNOWN"),
    }
    cast = Lives(people).cast()
    async with service.town(tmp_path, published, people, clock) as town:
        ended = {role: await decide(town, published, TALENT, cast[role]) for role in expected}
    assert ended == expected


async def test_after_it_closed_only_those_introduced_before_are_paid_and_others_are_told_why(
    tmp_path: Path, published: Catalogue, people: City, clock: Clock
) -> None:
    clock.now = CLOSED
    cast = Lives(people).cast()
    async with service.town(tmp_path, published, people, clock) as town:
        last = await decide(town, published, TALENT, cast["introduced_on_the_last_day"])
        late = await decision_of(town, published, TALENT, cast["introduced_after_closing"])
        over = await decide(town, published, TALENT, cast["introduced_bachelor"])

    assert last == MASTER
    assert over == referred(R5="NOT_MET")
    assert [reason.requirement for reason in late.referred.reasons] == ["R10"]
    assert "本政策已经截止：引进日 2021-09-01" in late.notice.zh
    assert "This policy is closed" in late.notice.en
    assert late.rules_effective_date.year == 2021


async def test_a_declaration_is_asked_for_even_where_another_source_is_awaited(
    tmp_path: Path, published: Catalogue, people: City, clock: Clock
) -> None:
    undeclared = {"applicant.declares_no_double_subsidy": {"boolean": False}}
    person = Lives(people).cast()["housing_by_letter"]
    async with service.town(tmp_path, published, people, clock) as town:
        ended = await decide(town, published, TALENT, person, **undeclared)
    assert ended == ("needs_correction", {"R7": "UNKNOWN", "R9": "NOT_MET"})


@pytest.mark.parametrize(
    ("register", "unknown"),
    [
        ("population_register", "R2 R4"),
        ("talent_register", "R1 R4 R5"),
        ("education_register", "R3 R4"),
        ("insurance_register", "R6"),
        ("housing_register", "R7"),
        ("subsidy_ledger", "R8"),
    ],
)
async def test_while_a_source_is_away_the_case_waits(
    tmp_path: Path, published: Catalogue, people: City, clock: Clock, register: str, unknown: str
) -> None:
    person = Lives(people).cast()["introduced_master"]
    async with service.town(tmp_path, published, people, clock) as town:
        town.running.misbehave(EvidenceType(register), Misconduct.DOWN)
        ended = await decide(town, published, TALENT, person)
    assert ended == ("waiting", dict.fromkeys(unknown.split(), "UNKNOWN"))


@pytest.mark.parametrize(
    ("after", "answers", "outcome"),
    [(35, True, Approved), (44, False, Waiting), (45, False, Referred)],
)
async def test_a_letter_is_waited_for_and_the_case_is_decided_under_its_filing_day(
    office: Office,
    people: City,
    running: Running,
    clock: Clock,
    apply_for: Callable[..., Application],
    after: int,
    answers: bool,  # noqa: FBT001 - a case of the table
    outcome: type,
) -> None:
    """25 working days and the longest holidays; then a person asks."""
    person = Lives(people).cast()["introduced_a_year_ago"]
    running.misbehave(EvidenceType("housing_register"), Misconduct.PENDING)
    application = apply_for(person, TALENT, answers=ANSWERS)
    soon = asyncio.get_running_loop().time() + 10
    waiting = await decide_now(application, office=office, now=clock(), deadline=soon)
    assert isinstance(waiting.outcome, Waiting)
    assert waiting.outcome.waiting_for == (EvidenceType("housing_register"),)
    assert waiting.outcome.until == IN_TIME + timedelta(days=45)

    clock.advance(timedelta(days=after))
    if answers:
        running.reset()
    decided = await decide_again(waiting.case_id, office=office, now=clock())

    if outcome is Waiting:
        assert decided is None
        return
    assert decided is not None
    assert isinstance(decided.outcome, outcome)
    assert decided.filing_date == waiting.filing_date
    assert await replay(decided.receipt.index, office=office) == Reproduced()
