"""Unemployment benefit, from the portal's call to the outcome, over real sockets.

Each case is somebody of the sandbox's cast: how the work was lost, and what is granted for it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from decision_service.catalogue import Catalogue
from decision_service.model import EvidenceType
from evidence_adapters.sandbox import City, Jobs, Misconduct, Person
from tests import service
from tests.benefits import UNEMPLOYED, Ended, decide, decision_of, referred
from tests.conftest import Clock

INSURANCE, EMPLOYMENT = "unemployment_insurance_register", "employment_register"


@pytest.fixture
def clock() -> Clock:
    """A day between two changes of the minimum wage."""
    return Clock(datetime(2026, 3, 1, 4, 0, tzinfo=UTC))


@pytest.fixture
def cast(people: City) -> Mapping[str, Person]:
    return Jobs(people).cast()


def granted(months: int, starts_on: str = "2026-02-24") -> Ended:
    """Ninety per cent of the minimum wage for so many months."""
    return "approved", {
        "monthly_benefit": "2268.00",
        "months": str(months),
        "starts_on": starts_on,
    }


async def test_everybody_of_the_cast_gets_the_months_of_the_law_or_goes_to_a_person(
    tmp_path: Path, published: Catalogue, people: City, clock: Any, cast: Mapping[str, Person]
) -> None:
    expected: Mapping[str, Ended] = {
        "job_seeker": granted(6),
        "insured_eleven_months": referred(R1="NOT_MET"),
        "insured_one_year": granted(1),
        "eleven_months_and_unused": granted(2),
        "insured_four_years": granted(4),
        "insured_53_months": granted(4),
        "insured_54_months": granted(5),
        "insured_thirty_years": granted(24),
        "capped_by_unused": granted(24),
        "never_insured": referred(R1="NOT_MET", R5="UNKNOWN"),
        "months_elsewhere": ("waiting", {"R1": "UNKNOWN", "R5": "UNKNOWN", "R9": "UNKNOWN"}),
        "claims_on_the_last_day": granted(6, "2026-02-20"),
        "claims_a_day_late": granted(6, "2026-03-01"),
        "dismissed": granted(6),
        "resigned": referred(R2="NOT_MET"),
        "no_reason_stated": referred(R2="NOT_MET"),
        "reason_disputed": referred(R2="UNKNOWN", R3="UNKNOWN", R5="UNKNOWN"),
        "not_registered_as_unemployed": referred(R2="UNKNOWN", R3="NOT_MET", R5="UNKNOWN"),
        "found_work": referred(R3="NOT_MET", R5="NOT_MET"),
        "pensioner": referred(R5="NOT_MET"),
        "benefit_in_payment": referred(R9="NOT_MET"),
        "prisoner": referred(R7="NOT_MET"),
        "in_drug_treatment": referred(R7="NOT_MET"),
        "stall_owner": referred(R8="NOT_MET"),
        "deceased_job_seeker": referred(R5="NOT_MET"),
    }
    async with service.town(tmp_path, published, people, clock) as town:
        ended = {
            role: await decide(town, published, UNEMPLOYED, person) for role, person in cast.items()
        }

    assert ended == expected


@pytest.mark.parametrize(
    ("register", "unknown"),
    [
        (INSURANCE, "R1 R5 R9"),
        (EMPLOYMENT, "R2 R3 R5"),
        ("death_register", "R5"),
        ("custody_register", "R7"),
        ("business_holder_register", "R8"),
    ],
)
async def test_a_source_that_is_away_keeps_the_claim_waiting(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    cast: Mapping[str, Person],
    register: str,
    unknown: str,
) -> None:
    async with service.town(tmp_path, published, people, clock) as town:
        town.running.misbehave(EvidenceType(register), Misconduct.DOWN)
        ended = await decide(town, published, UNEMPLOYED, cast["job_seeker"])

    assert ended == ("waiting", dict.fromkeys(unknown.split(), "UNKNOWN"))


@pytest.mark.parametrize(
    ("register", "how", "unknown"),
    [
        (INSURANCE, Misconduct.DISPUTED, "R1 R5 R9"),
        (INSURANCE, Misconduct.AMBIGUOUS, "R1 R5 R9"),
        (EMPLOYMENT, Misconduct.DISPUTED, "R2 R3 R5"),
        ("custody_register", Misconduct.AMBIGUOUS, "R7"),
        ("business_holder_register", Misconduct.DISPUTED, "R8"),
    ],
)
async def test_a_disputed_or_doubtful_record_goes_to_a_person(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    cast: Mapping[str, Person],
    register: str,
    how: Misconduct,
    unknown: str,
) -> None:
    async with service.town(tmp_path, published, people, clock) as town:
        town.running.misbehave(EvidenceType(register), how)
        ended = await decide(town, published, UNEMPLOYED, cast["job_seeker"])

    assert ended == referred(**dict.fromkeys(unknown.split(), "UNKNOWN"))


async def test_a_reason_that_the_worker_contests_is_looked_into(
    tmp_path: Path, published: Catalogue, people: City, clock: Any, cast: Mapping[str, Person]
) -> None:
    contest = {"concept": "applicant.leaving_ground", "claimed": "forced_to_leave", "text": "欠薪"}
    async with service.town(tmp_path, published, people, clock) as town:
        ended = await decide(town, published, UNEMPLOYED, cast["resigned"], [contest])

    assert ended == referred(R2="UNKNOWN")


async def test_who_does_not_look_for_work_is_told_what_to_declare(
    tmp_path: Path, published: Catalogue, people: City, clock: Any, cast: Mapping[str, Person]
) -> None:
    undeclared = {"applicant.seeks_work": {"boolean": False}}
    async with service.town(tmp_path, published, people, clock) as town:
        ended = await decide(town, published, UNEMPLOYED, cast["job_seeker"], **undeclared)

    assert ended == ("needs_correction", {"R4": "NOT_MET"})


async def test_the_notice_says_what_interrupts_and_which_papers_nobody_brings(
    tmp_path: Path, published: Catalogue, people: City, clock: Any, cast: Mapping[str, Person]
) -> None:
    async with service.town(tmp_path, published, people, clock) as town:
        held = await decision_of(town, published, UNEMPLOYED, cast["prisoner"])
        paid = await decision_of(town, published, UNEMPLOYED, cast["job_seeker"])

    assert "服刑期间中止领取，期满后可以继续领取余下的月数" in held.notice.zh
    assert "免交材料 3 份" in paid.notice.zh
    assert "6 months" in paid.notice.en
