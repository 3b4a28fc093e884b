"""Ride-hailing drivers, from the portal's call to the outcome, over real sockets.

Each case is somebody of the sandbox's cast: what is on record of them, and how it ends.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from decision_service.catalogue import Catalogue
from decision_service.model import EvidenceType
from evidence_adapters.sandbox import City, Drivers, Misconduct, Person
from tests import service
from tests.benefits import DRIVER, Ended, decide, referred
from tests.conftest import Clock


@pytest.fixture
def clock() -> Clock:
    """A day that is the same day of the month three years before."""
    return Clock(datetime(2026, 3, 1, 4, 0, tzinfo=UTC))


@pytest.fixture
def cast(people: City) -> Mapping[str, Person]:
    return Drivers(people).cast()


async def test_every_driver_of_the_cast_is_licensed_or_goes_to_a_person(
    tmp_path: Path, published: Catalogue, people: City, clock: Any, cast: Mapping[str, Person]
) -> None:
    day = "2026-03-01"
    licensed = ("approved", {"licence_date": day, "may_drive": "any_gearbox"})
    of_namesake = referred(R4="UNKNOWN", R5="UNKNOWN", R7="UNKNOWN")
    expected: Mapping[str, Ended] = {
        "driver": licensed,
        "driver_with_permit": licensed,
        "driver_permit_suspended": referred(R8="NOT_MET"),
        "driver_without_permit": referred(R8="NOT_MET"),
        "licensed_three_years_today": licensed,
        "licensed_one_day_short": referred(R2="NOT_MET"),
        "licence_reissued": referred(R2="UNKNOWN"),
        "motorcyclist": referred(R1="NOT_MET"),
        "automatic_only": ("approved", {"licence_date": day, "may_drive": "automatic"}),
        "licence_overdue": referred(R1="NOT_MET"),
        "fines_unpaid": referred(R1="NOT_MET"),
        "no_licence": referred(R1="NOT_MET", R2="UNKNOWN", R3="UNKNOWN", R6="UNKNOWN"),
        "eleven_points": licensed,
        "twelve_points": referred(R3="NOT_MET"),
        "drunk_driver": referred(R6="NOT_MET"),
        "accident_of_another": referred(R1="UNKNOWN", R2="UNKNOWN", R3="UNKNOWN", R6="UNKNOWN"),
        "accident_crime": referred(R4="NOT_MET"),
        "dangerous_driver": referred(R4="NOT_MET"),
        "drug_user": referred(R5="NOT_MET"),
        "violent_criminal": referred(R7="NOT_MET"),
        "same_name": of_namesake,
        "exam_three_years_ago": licensed,
        "exam_expired_yesterday": referred(R10="NOT_MET"),
        "exam_elsewhere": referred(R10="NOT_MET"),
        "exam_failed": referred(R10="NOT_MET"),
        "no_exam": referred(R10="NOT_MET"),
        "revoked_three_years_ago": referred(R9="NOT_MET"),
        "revoked_before_that": licensed,
    }
    async with service.town(tmp_path, published, people, clock) as town:
        ended = {
            role: await decide(town, published, DRIVER, person) for role, person in cast.items()
        }

    assert ended == expected


@pytest.mark.parametrize(
    ("register", "role", "unknown"),
    [
        ("traffic_register", "driver", "R1 R2 R3 R6"),
        ("offence_register", "driver", "R4 R5 R7"),
        ("transport_register", "driver", "R9 R10"),
        ("population_register", "driver_without_permit", "R8"),
        ("population_register", "driver_with_permit", ""),
        ("residence_register", "driver_with_permit", "R8"),
        ("residence_register", "driver", ""),
    ],
)
@pytest.mark.parametrize("how", [Misconduct.DOWN, Misconduct.PENDING])
async def test_a_source_that_is_away_or_still_looking_keeps_the_case_waiting_where_it_matters(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    cast: Mapping[str, Person],
    register: str,
    role: str,
    unknown: str,
    how: Misconduct,
) -> None:
    async with service.town(tmp_path, published, people, clock) as town:
        town.running.misbehave(EvidenceType(register), how)
        kind, what = await decide(town, published, DRIVER, cast[role])

    if unknown:
        assert (kind, what) == ("waiting", dict.fromkeys(unknown.split(), "UNKNOWN"))
    else:
        assert kind == "approved"


@pytest.mark.parametrize(
    ("register", "how", "unknown"),
    [
        ("traffic_register", Misconduct.DISPUTED, "R1 R2 R3 R6"),
        ("offence_register", Misconduct.DISPUTED, "R4 R5 R7"),
        ("offence_register", Misconduct.AMBIGUOUS, "R4 R5 R7"),
        ("offence_register", Misconduct.STALE, "R4 R5 R7"),
        ("transport_register", Misconduct.DISPUTED, "R9 R10"),
    ],
)
async def test_a_disputed_or_doubtful_record_goes_to_a_person_and_never_against_the_driver(
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
        ended = await decide(town, published, DRIVER, cast["driver"])

    assert ended == referred(**dict.fromkeys(unknown.split(), "UNKNOWN"))


async def test_what_the_driver_contests_is_looked_at_by_a_person(
    tmp_path: Path, published: Catalogue, people: City, clock: Any, cast: Mapping[str, Person]
) -> None:
    contest = {"concept": "applicant.highest_cycle_points", "claimed": "0", "text": "不是我的车"}
    async with service.town(tmp_path, published, people, clock) as town:
        ended = await decide(town, published, DRIVER, cast["twelve_points"], contests=[contest])

    assert ended == referred(R3="UNKNOWN")


async def test_without_agreement_to_the_check_of_offences_the_form_is_not_complete(
    tmp_path: Path, published: Catalogue, people: City, clock: Any, cast: Mapping[str, Person]
) -> None:
    refused = {"applicant.offence_check_agreed": {"boolean": False}}
    async with service.town(tmp_path, published, people, clock) as town:
        kind, _ = await decide(town, published, DRIVER, cast["driver"], **refused)

    assert kind == "needs_correction"


async def test_who_holds_a_licence_is_not_given_another(
    tmp_path: Path, published: Catalogue, people: City, clock: Any, cast: Mapping[str, Person]
) -> None:
    async with service.town(tmp_path, published, people, clock) as town:
        first = await decide(town, published, DRIVER, cast["driver"])
        second = await decide(town, published, DRIVER, cast["driver"])

    assert (first[0], second[0]) == ("approved", "referred")
