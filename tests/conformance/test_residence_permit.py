"""Residence permits, from the portal's call to the outcome, over real sockets.

Each case is somebody of the sandbox's cast: how they live, and what becomes of their application.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from decision_service.catalogue import Catalogue
from decision_service.model import EvidenceType
from evidence_adapters.sandbox import City, Lives, Misconduct
from tests import service
from tests.benefits import RESIDENCE, Ended, decide, next_year, referred, today


async def test_residence_permits(
    tmp_path: Path, published: Catalogue, people: City, clock: Any
) -> None:
    """Registered, without a gap, at a coded address; insured, a talent or a student; in time."""
    day = today(clock())
    issued = ("approved", {"action": "issue", "endorsed_until": next_year(day)})
    due = ("approved", {"action": "endorse", "endorsed_until": next_year(day + timedelta(days=20))})
    late = ("approved", {"action": "restore", "endorsed_until": next_year(day)})
    expected: Mapping[str, Ended] = {
        "resident": issued,
        "twelve_months_registered": issued,
        "eleven_months_registered": referred(R2="NOT_MET"),
        "registration_ended": referred(R2="NOT_MET"),
        "registration_with_gap": referred(R3="NOT_MET"),
        "address_without_code": referred(R4="NOT_MET"),
        "not_registered": referred(R2="NOT_MET", R4="NOT_MET"),
        "insured_twelve_months": issued,
        "insured_eighteen_of_two_years": issued,
        "insured_too_short": referred(R5="NOT_MET"),
        "insured_too_short_degree_abroad": referred(R5="UNKNOWN"),
        "recognised_talent": issued,
        "full_time_student": issued,
        "endorsement_due": due,
        "endorsement_too_early": referred(R6="NOT_MET"),
        "permit_suspended": late,
        "permit_cancelled": referred(R6="NOT_MET"),
        "local_resident": referred(R1="NOT_MET", R2="NOT_MET", R4="NOT_MET"),
    }
    cast = Lives(people).cast()
    async with service.town(tmp_path, published, people, clock) as town:
        ended = {role: await decide(town, published, RESIDENCE, cast[role]) for role in expected}
    assert ended == expected


@pytest.mark.parametrize(
    ("register", "role", "ended"),
    [
        ("population_register", "resident", "R1"),
        ("residence_register", "resident", "R2 R3 R4 R6"),
        ("insurance_register", "insured_too_short", "R5"),
        ("insurance_register", "full_time_student", ""),
        ("talent_register", "insured_too_short", "R5"),
        ("talent_register", "resident", ""),
        ("education_register", "insured_too_short", "R5"),
        ("education_register", "resident", ""),
    ],
)
async def test_a_silent_source_holds_up_only_those_whom_no_other_ground_carries(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    register: str,
    role: str,
    ended: str,
) -> None:
    person = Lives(people).cast()[role]
    async with service.town(tmp_path, published, people, clock) as town:
        town.running.misbehave(EvidenceType(register), Misconduct.DOWN)
        kind, what = await decide(town, published, RESIDENCE, person)
    if ended:
        assert (kind, what) == ("waiting", dict.fromkeys(ended.split(), "UNKNOWN"))
    else:
        assert kind == "approved"


async def test_insurance_settled_a_month_ago_counts_and_no_older_one(
    tmp_path: Path, published: Catalogue, people: City, clock: Any
) -> None:
    """Paid monthly: the newest month is settled in the next."""
    cast = Lives(people).cast()
    async with service.town(tmp_path, published, people, clock) as town:
        town.running.misbehave(EvidenceType("insurance_register"), Misconduct.STALE)
        ended = await decide(town, published, RESIDENCE, cast["insured_too_short"])
    assert ended == referred(R5="UNKNOWN")


async def test_a_declaration_not_made_is_asked_for(
    tmp_path: Path, published: Catalogue, people: City, clock: Any
) -> None:
    undeclared = {"applicant.lives_here": {"boolean": False}}
    async with service.town(tmp_path, published, people, clock) as town:
        kind, _ = await decide(
            town, published, RESIDENCE, Lives(people).cast()["resident"], **undeclared
        )
    assert kind == "needs_correction"
