"""A shop that sells prepacked food and hangs a sign: two matters, the first parts of a bundle.

What a bundle's members have in common are the keys of their forms and the concepts behind them: a
field is asked for once, and says the same to each. Each member keeps the rest for itself: its
rules, its decision, its authority and remedies.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from decision_service.catalogue import Catalogue
from decision_service.decide import decide
from decision_service.model import (
    Application,
    Approved,
    Decision,
    EvidenceType,
    MatterId,
    Referred,
    Value,
    Waiting,
)
from decision_service.office import Office
from decision_service.release import Release
from decision_service.replay import Reproduced, replay
from evidence_adapters.sandbox import City, Filing, Firms, Misconduct, Running

FileFor = Callable[..., Application]

FOOD, SIGN = "prepacked_food_filing", "shop_sign_filing"
PATIENCE_S = 20.0


@pytest.fixture
def cast(people: City, clock: Any, office: Office) -> Mapping[str, Filing]:
    return Firms(people).cast(office.today(clock()))


async def _decide(application: Application, office: Office, clock: Any) -> Decision:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    return await decide(application, office=office, now=clock(), deadline=deadline)


def _said(decision: Decision) -> str:
    """The outcome and the requirements that it rests on, e.g. ``referred R1 R4``."""
    if isinstance(decision.outcome, Approved):
        return "approved"
    found = {one.requirement for one in decision.outcome.reasons if one.requirement}
    return " ".join((decision.outcome.kind, *sorted(found, key=lambda one: int(one[1:]))))


FOOD_CAST = {
    "food_shop": "approved",
    "food_shop_banned": "referred R8",
    "food_shop_once_banned": "approved",
    "food_shop_credit_hit": "referred R9",
    "food_shop_upstairs": "approved",
    "food_shop_in_heritage_street": "approved",
    "leased_office": "needs_correction R5",
    "house_code_unknown": "needs_correction R3 R4 R5",
    "illegal_building": "needs_correction R4 R5",
    "filer_is_another": "needs_correction R2 R5 R8 R9",
    "disputed": "referred R1 R2 R5 R8 R9",
}
SIGN_CAST = {
    "food_shop": "approved",
    "food_shop_banned": "approved",
    "food_shop_credit_hit": "approved",
    "food_shop_upstairs": "referred R5",
    "food_shop_below": "referred R5",
    "food_shop_in_heritage_street": "referred R6",
    "leased_office": "approved",
    "house_code_unknown": "needs_correction R3 R4 R5 R6",
    "illegal_building": "referred R4",
    "suspended": "referred R1",
    "representative_died": "referred R2",
    "filer_is_another": "referred R2",
}


@pytest.mark.parametrize(("matter", "expected"), [(FOOD, FOOD_CAST), (SIGN, SIGN_CAST)])
async def test_every_shop_of_the_cast_is_filed_or_told_why_not(
    office: Office,
    clock: Any,
    file_for: FileFor,
    cast: Mapping[str, Filing],
    matter: str,
    expected: Mapping[str, str],
) -> None:
    decisions = {
        role: await _decide(file_for(cast[role], matter), office, clock) for role in expected
    }

    assert {role: _said(decision) for role, decision in decisions.items()} == expected
    for decision in decisions.values():
        assert await replay(decision.receipt.index, office=office) == Reproduced()


async def test_a_sign_is_filed_with_its_size_and_drawing(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing]
) -> None:
    decision = await _decide(file_for(cast["food_shop"], SIGN), office, clock)

    assert isinstance(decision.outcome, Approved)
    granted = {one.id: one.display.zh for one in decision.outcome.grant}
    assert granted["sign_width"] == "3.25 米"
    assert granted["sign_drawing"] == "0123456789abcdef" * 4
    assert "免交材料 3 份" in decision.notice.zh


@pytest.mark.parametrize(
    ("days", "said"), [(30, "approved"), (31, "referred R8"), (-1, "needs_correction R7")]
)
async def test_a_sign_is_filed_within_thirty_days_of_being_put_up(
    office: Office,
    clock: Any,
    file_for: FileFor,
    cast: Mapping[str, Filing],
    days: int,
    said: str,
) -> None:
    application = file_for(cast["food_shop"], SIGN)
    set_on = office.today(clock()) - timedelta(days=days)
    answers = {**application.answers, "sign.set_date": set_on}

    decision = await _decide(application.model_copy(update={"answers": answers}), office, clock)

    assert _said(decision) == said


@pytest.mark.parametrize(
    ("products", "said"), [("bulk", "needs_correction R6"), ("special", "referred R7")]
)
async def test_food_that_a_filing_does_not_cover_is_told_apart(
    office: Office,
    clock: Any,
    file_for: FileFor,
    cast: Mapping[str, Filing],
    products: str,
    said: str,
) -> None:
    application = file_for(cast["food_shop"], FOOD)
    answers = {**application.answers, "food.products": products}

    decision = await _decide(application.model_copy(update={"answers": answers}), office, clock)

    assert _said(decision) == said


@pytest.mark.parametrize(
    ("register", "food", "sign"),
    [
        ("company_register", "R1 R2 R5 R8 R9", "R1 R2"),
        ("death_register", "R2", "R2"),
        ("address_register", "R3 R4", "R3 R4 R5 R6"),
        ("bar_register", "R8", ""),
        ("credit_register", "R9", ""),
    ],
)
async def test_a_silent_source_holds_up_the_members_that_ask_it_and_no_other(
    office: Office,
    clock: Any,
    file_for: FileFor,
    cast: Mapping[str, Filing],
    running: Running,
    register: str,
    food: str,
    sign: str,
) -> None:
    running.misbehave(EvidenceType(register), Misconduct.DOWN)
    for matter, requirements in ((FOOD, food), (SIGN, sign)):
        decision = await _decide(file_for(cast["food_shop"], matter), office, clock)
        if requirements:
            assert isinstance(decision.outcome, Waiting)
            assert _said(decision) == f"waiting {requirements}"
        else:
            assert isinstance(decision.outcome, Approved)


# ── what the members of the bundle share ─────────────────────────────────────────────────────────


@pytest.fixture
def members(published: Catalogue, office: Office, clock: Any) -> tuple[Release, Release]:
    day = office.today(clock())
    food, sign = (published.release_on(MatterId(matter), day) for matter in (FOOD, SIGN))
    return food, sign


def test_a_field_of_both_forms_is_one_field(members: tuple[Release, Release]) -> None:
    """Same key, same schema, same concept: filled in once, it is read alike by both."""
    food, sign = (release.form for release in members)
    shared = food.names.keys() & sign.names.keys()

    assert shared == {
        "organisation.registration_status",
        "premises.house_code",
        "applicant.mobile",
        "applicant.truthful",
    }
    assert {key: food._fields[key] for key in shared} == {key: sign._fields[key] for key in shared}


def test_a_concept_of_both_is_one_concept_of_one_source(members: tuple[Release, Release]) -> None:
    food, sign = members
    shared = food.meanings.keys() & sign.meanings.keys()

    assert {
        "filing_date",
        "premises.house_code",
        "premises.house_code_exists",
        "premises.illegal_building",
        "organisation.registration_status",
        "organisation.represented_by_applicant",
        "applicant.living_status",
    } <= shared
    assert all(food.meanings[one] == sign.meanings[one] for one in shared)
    assert all(
        food.registers[one] == sign.registers[one]
        for one in food.registers.keys() & sign.registers.keys()
    )


def test_nothing_that_they_grant_has_the_same_name(members: tuple[Release, Release]) -> None:
    """One notice can show what all of them grant."""
    food, sign = ({output.id for output in release.book.outputs} for release in members)

    assert not food & sign


async def test_one_set_of_answers_leads_to_a_decision_of_each_authority(
    office: Office,
    clock: Any,
    file_for: FileFor,
    cast: Mapping[str, Filing],
    members: tuple[Release, Release],
) -> None:
    """The second refers the shop upstairs to a person; the first has filed it all the same."""
    filing = cast["food_shop_upstairs"]
    union: dict[str, Value] = {}
    for matter in (FOOD, SIGN):
        union |= file_for(filing, matter).answers
    decisions = []
    for release in members:
        mine = {key: value for key, value in union.items() if key in release.form.declared}
        application = file_for(filing, release.matter.id, answers=mine)
        decisions.append(await _decide(application, office, clock))
    food, sign = decisions

    assert isinstance(food.outcome, Approved)
    assert isinstance(sign.outcome, Referred)
    assert food.case_id != sign.case_id
    assert food.release_digest != sign.release_digest
    assert "市场监督管理局" in food.notice.zh
    assert "城市管理和综合执法局" in sign.notice.zh
