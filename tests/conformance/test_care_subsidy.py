"""The care subsidy for severe disabilities, with a household as a list, over real sockets."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from decision_service.catalogue import Catalogue
from decision_service.decide import decide as decide_now
from decision_service.model import (
    Application,
    Approved,
    Concept,
    Contest,
    EvidenceType,
    Referred,
)
from decision_service.office import Office
from decision_service.replay import Reproduced, replay
from evidence_adapters.sandbox import City, Lives, Misconduct
from tests import service
from tests.benefits import CARE, Ended, decide, referred, today

MEMBERS = Concept("applicant.other_household_members")
ANSWERS = {
    "applicant.mobile": "13800000000",
    "applicant.truthful": True,
    "applicant.bank_account": "990000000000000001",
    "applicant.lives_in_institution": False,
}


def granted(clock: Any) -> Ended:
    first = today(clock()).replace(day=1).isoformat()
    return "approved", {"monthly_subsidy": "452.00", "first_month": first}


async def test_care_subsidies(
    tmp_path: Path, published: Catalogue, people: City, clock: Any
) -> None:
    """Grade, category, service, age or household; a certificate that holds; nothing twice."""
    paid, nothing = granted(clock), referred(R3="NOT_MET", R4="NOT_MET")
    expected: Mapping[str, Ended] = {
        "severe_grade_2": paid,
        "physical_grade_3": referred(R4="NOT_MET"),
        "intellectual_grade_3": paid,
        "mental_grade_4": paid,
        "certificate_ends_today": paid,
        "certificate_ended_yesterday": nothing,
        "certificate_frozen": nothing,
        "veteran_grade_4": paid,
        "police_grade_5": referred(R4="NOT_MET"),
        "veteran_certificate_void": nothing,
        "spouse_disabled": paid,
        "brother_disabled": referred(R4="NOT_MET"),
        "ward_of_disabled_head": paid,
        "brother_of_disabled_head": referred(R4="NOT_MET"),
        "spouse_not_known": referred(R4="UNKNOWN"),
        "spouse_not_known_child_disabled": paid,
        "relation_not_known": referred(R4="UNKNOWN"),
        "alone_in_the_book": referred(R4="NOT_MET"),
        "not_disabled": nothing,
        "severe_elsewhere": referred(R1="NOT_MET"),
        "care_in_payment": referred(R5="NOT_MET"),
    }
    cast = Lives(people).cast()
    async with service.town(tmp_path, published, people, clock) as town:
        ended = {role: await decide(town, published, CARE, cast[role]) for role in expected}
    assert ended == expected


async def test_the_sixtieth_birthday(
    tmp_path: Path, published: Catalogue, people: City, clock: Any
) -> None:
    """With a certificate of grade 4: on the day, and a day before."""
    day = today(clock())
    sixty = date(day.year - 60, day.month, min(day.day, 28))
    later = date.fromordinal(day.toordinal() + 1)
    younger = date(later.year - 60, later.month, later.day)
    async with service.town(tmp_path, published, people, clock) as town:
        ended = [
            await decide(town, published, CARE, people.cast_member(born, 18))
            for born in (sixty, younger)
        ]
    assert ended == [granted(clock), referred(R4="NOT_MET")]


@pytest.mark.parametrize(
    ("register", "role", "unknown"),
    [
        ("population_register", "severe_grade_2", "R1"),
        ("death_register", "severe_grade_2", "R2"),
        ("disability_register", "severe_grade_2", "R3 R4"),
        ("disability_register", "veteran_grade_4", ""),
        ("veteran_register", "veteran_grade_4", "R3 R4"),
        ("veteran_register", "severe_grade_2", ""),
        ("household_register", "spouse_disabled", "R4"),
        ("household_register", "severe_grade_2", ""),
        ("subsidy_ledger", "severe_grade_2", "R5"),
    ],
)
async def test_a_silent_source_holds_up_only_those_whom_no_other_ground_carries(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    register: str,
    role: str,
    unknown: str,
) -> None:
    person = Lives(people).cast()[role]
    async with service.town(tmp_path, published, people, clock) as town:
        town.running.misbehave(EvidenceType(register), Misconduct.DOWN)
        ended = await decide(town, published, CARE, person)
    waits: Ended = ("waiting", dict.fromkeys(unknown.split(), "UNKNOWN"))
    assert ended == (waits if unknown else granted(clock))


async def test_those_in_institutions_go_to_a_person_and_who_does_not_say_is_asked(
    tmp_path: Path, published: Catalogue, people: City, clock: Any
) -> None:
    cast = Lives(people).cast()
    kept = {"applicant.lives_in_institution": {"boolean": True}}
    async with service.town(tmp_path, published, people, clock) as town:
        ended = await decide(town, published, CARE, cast["severe_grade_2"], **kept)
    assert ended == referred(R6="NOT_MET")


async def test_a_list_is_recorded_replayed_and_can_be_contested_as_a_whole(
    office: Office, people: City, clock: Any, apply_for: Callable[..., Application]
) -> None:
    """Cells that are not known stay so in the trail; a contested list is not known at all."""
    cast, soon = Lives(people).cast(), asyncio.get_running_loop().time() + 10
    carried = apply_for(cast["spouse_not_known_child_disabled"], CARE, answers=ANSWERS)
    decision = await decide_now(carried, office=office, now=clock(), deadline=soon)
    assert isinstance(decision.outcome, Approved)
    (book,) = (one for one in decision.evidence if one.evidence_type == "household_register")
    assert book.values[MEMBERS] == (
        {"relation": "spouse"},
        {"relation": "child", "certified": True},
    )
    assert await replay(decision.receipt.index, office=office) == Reproduced()

    contest = Contest(concept=MEMBERS, claimed="", text="我的兄弟已经迁出")
    contested = apply_for(cast["spouse_disabled"], CARE, answers=ANSWERS, contests=(contest,))
    decision = await decide_now(contested, office=office, now=clock(), deadline=soon)
    assert isinstance(decision.outcome, Referred)
    assert await replay(decision.receipt.index, office=office) == Reproduced()
