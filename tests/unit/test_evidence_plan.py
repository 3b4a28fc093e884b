"""Questions that hang on other registers' answers: two waves under one deadline."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from decision_service.evidence import Plan, asked_about, gather, plan
from decision_service.judge import judge
from decision_service.model import (
    Application,
    Authority,
    CaseId,
    Concept,
    Contest,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    NeedsCorrection,
    Outcome,
    Referred,
    Waiting,
)
from decision_service.release import Release, sound
from decision_service.settle import replaced, settle
from tests import firms
from tests.firms import (
    ADDRESS,
    COMPANY,
    CREDIT,
    DAY,
    FIRM,
    LEGAL,
    NEVER_S,
    NOW,
    OWNED,
    PERSON,
    PROPERTY,
    REPRESENTED,
    UNIT,
    VALUES,
    Register,
    application,
)
from tests.timeless import timeless


@pytest.fixture(scope="module")
def release() -> Release:
    return firms.release()


@pytest.fixture
def city() -> dict[EvidenceType, Register]:
    return {key: Register(values) for key, values in VALUES.items()}


def planned(
    release: Release, asked: Application, objected: frozenset[Concept] = frozenset()
) -> Plan:
    ids = iter("abcdefgh")
    return plan(
        asked,
        release,
        release.form.read(asked.answers),
        objected=objected,
        case_id=CaseId("case"),
        filing_date=DAY,
        now=NOW,
        new_id=lambda: next(ids),
    )


async def gathered(
    release: Release,
    city: Mapping[EvidenceType, Register],
    asked: Application | None = None,
    *,
    within_s: float = 1.0,
    objected: frozenset[Concept] = frozenset(),
) -> list[Evidence]:
    answers = gather(
        planned(release, asked or application(), objected),
        city,
        deadline=asyncio.get_running_loop().time() + within_s,
        now=NOW,
    )
    async with aclosing(answers):
        return [evidence async for evidence in answers]


def judged(release: Release, seen: list[Evidence], asked: Application) -> Outcome:
    gaps = release.form.read(asked.answers)
    facts = settle(
        release,
        seen,
        sound(asked.answers, gaps),
        frozenset(contest.concept for contest in asked.contests),
        filing_date=DAY,
        decide_time=NOW,
    )
    return judge(release, facts, gaps=gaps, wait_until=NOW + timedelta(hours=1)).outcome


def without(*types: EvidenceType) -> Authority:
    """A consent that leaves these out."""
    authority = application().authority
    kept = tuple(one for one in VALUES if one not in types)
    return authority.model_copy(
        update={"basis": authority.basis.model_copy(update={"evidence_types": kept})}
    )


async def test_the_second_wave_is_asked_by_what_the_first_has_answered(
    release: Release, city: dict[EvidenceType, Register]
) -> None:
    seen = await gathered(release, city)

    assert {one.evidence_type for one in seen} == set(VALUES)
    assert city[COMPANY].keys == [
        {
            "organisation_code": FIRM.documents[0].number,
            "id_number": PERSON.documents[0].number,
        }
    ]
    assert city[ADDRESS].keys == [{"house_code": "0007"}]
    assert city[PROPERTY].keys == [
        {"organisation_code": FIRM.documents[0].number, "property_unit": "unit-7"}
    ]
    assert judged(release, seen, application()).kind == "approved"


@timeless
async def test_a_question_waits_for_its_own_predecessor_and_not_for_the_slowest(
    release: Release, city: dict[EvidenceType, Register]
) -> None:
    city[COMPANY].delay_s = 0.15

    seen = await gathered(release, city)

    assert [one.evidence_type for one in seen] == [ADDRESS, PROPERTY, COMPANY, CREDIT]


@timeless
async def test_a_first_wave_that_is_slow_leaves_the_second_its_half(
    release: Release, city: dict[EvidenceType, Register]
) -> None:
    city[ADDRESS].delay_s = NEVER_S
    city[COMPANY].delay_s = 0.1
    city[CREDIT].delay_s = 0.15
    started = asyncio.get_running_loop().time()

    seen = {one.evidence_type: one for one in await gathered(release, city, within_s=0.4)}

    assert asyncio.get_running_loop().time() - started == pytest.approx(0.25)
    assert seen[ADDRESS].status is EvidenceStatus.UNAVAILABLE
    assert seen[CREDIT].status is EvidenceStatus.MATCH
    assert PROPERTY not in seen


@timeless
async def test_nobody_waits_past_the_one_deadline(
    release: Release, city: dict[EvidenceType, Register]
) -> None:
    for register in (COMPANY, PROPERTY, CREDIT):
        city[register].delay_s = NEVER_S
    started = asyncio.get_running_loop().time()

    seen = {one.evidence_type: one.status for one in await gathered(release, city, within_s=0.2)}

    assert asyncio.get_running_loop().time() - started <= 0.2
    assert seen == {
        COMPANY: EvidenceStatus.UNAVAILABLE,
        ADDRESS: EvidenceStatus.MATCH,
        PROPERTY: EvidenceStatus.UNAVAILABLE,
    }


@pytest.mark.parametrize(
    ("changes", "never_asked"),
    [
        pytest.param({"status": EvidenceStatus.UNAVAILABLE}, {PROPERTY}, id="away"),
        pytest.param({"status": EvidenceStatus.DISPUTED}, {PROPERTY}, id="disputed"),
        pytest.param({"as_of": NOW - timedelta(days=2)}, {PROPERTY}, id="stale"),
        pytest.param({"values": {LEGAL: True}}, {PROPERTY}, id="without a unit"),
    ],
)
async def test_a_key_that_is_not_known_asks_nobody(
    release: Release,
    city: dict[EvidenceType, Register],
    changes: dict[str, Any],
    never_asked: set[EvidenceType],
) -> None:
    for name, value in changes.items():
        setattr(city[ADDRESS], name, value)

    seen = await gathered(release, city)

    assert {one.evidence_type for one in seen} == set(VALUES) - never_asked
    assert not city[PROPERTY].keys


async def test_what_is_not_public_is_not_asked_for_a_stranger(
    release: Release, city: dict[EvidenceType, Register]
) -> None:
    city[COMPANY].values = {REPRESENTED: False}

    seen = await gathered(release, city)

    assert not city[CREDIT].keys
    outcome = judged(release, seen, application())
    assert isinstance(outcome, Referred)
    assert {reason.requirement for reason in outcome.reasons} == {"R1", "R4"}


@pytest.mark.parametrize(
    ("concept", "silent"), [(UNIT, PROPERTY), (REPRESENTED, CREDIT)], ids=["a key", "a yes"]
)
async def test_what_the_applicant_contests_finds_nothing(
    release: Release, city: dict[EvidenceType, Register], concept: Concept, silent: EvidenceType
) -> None:
    contest = Contest(concept=concept, claimed="", text="")

    seen = await gathered(release, city, application(contests=(contest,)))

    assert silent not in {one.evidence_type for one in seen}


@pytest.mark.parametrize(
    ("concept", "silent"), [(UNIT, PROPERTY), (REPRESENTED, CREDIT)], ids=["a key", "a yes"]
)
async def test_what_is_under_an_open_objection_finds_nothing(
    release: Release, city: dict[EvidenceType, Register], concept: Concept, silent: EvidenceType
) -> None:
    seen = await gathered(release, city, objected=frozenset({concept}))

    assert {one.evidence_type for one in seen} == set(VALUES) - {silent}


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        pytest.param({"answers": {"agreed": True}}, {COMPANY, CREDIT}, id="not answered"),
        pytest.param({"answers": {"house_code": "x"}}, {COMPANY, CREDIT}, id="answered wrongly"),
        pytest.param({"authority": without(ADDRESS)}, {COMPANY, CREDIT}, id="narrower consent"),
        pytest.param({"parties": (PERSON,)}, {ADDRESS}, id="no firm"),
    ],
)
def test_what_cannot_come_to_be_known_is_not_planned(
    release: Release, changes: dict[str, Any], asked: set[EvidenceType]
) -> None:
    found = planned(release, application(**changes))

    assert {one.evidence_type for one in found.questions} == asked


async def test_who_stops_reading_leaves_no_register_being_asked(
    release: Release, city: dict[EvidenceType, Register]
) -> None:
    city[COMPANY].delay_s = city[PROPERTY].delay_s = NEVER_S
    deadline = asyncio.get_running_loop().time() + NEVER_S
    answers = gather(planned(release, application()), city, deadline=deadline, now=NOW)

    async with aclosing(answers):
        assert (await anext(answers)).evidence_type == ADDRESS

    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()


@pytest.mark.parametrize(
    ("away", "waits_for"),
    [
        pytest.param({COMPANY}, (COMPANY,), id="confirms the others"),
        pytest.param({ADDRESS}, (ADDRESS,), id="gives a key"),
        pytest.param({PROPERTY}, (PROPERTY,), id="second wave"),
        pytest.param({ADDRESS, CREDIT}, (ADDRESS, CREDIT), id="both waves"),
    ],
)
async def test_a_case_waits_for_the_source_that_an_unput_question_hung_on(
    release: Release,
    city: dict[EvidenceType, Register],
    away: set[EvidenceType],
    waits_for: tuple[EvidenceType, ...],
) -> None:
    for register in away:
        city[register].status = EvidenceStatus.UNAVAILABLE

    outcome = judged(release, await gathered(release, city), application())

    assert isinstance(outcome, Waiting)
    assert outcome.waiting_for == waits_for


@pytest.mark.parametrize(
    ("statuses", "consented"),
    [
        pytest.param({}, False, id="no consent"),
        pytest.param({ADDRESS: EvidenceStatus.DISPUTED}, True, id="the key is disputed"),
        pytest.param(
            {ADDRESS: EvidenceStatus.UNAVAILABLE, CREDIT: EvidenceStatus.DISPUTED},
            True,
            id="another is disputed",
        ),
    ],
)
async def test_no_case_waits_for_what_would_not_settle_it(
    release: Release,
    city: dict[EvidenceType, Register],
    statuses: Mapping[EvidenceType, EvidenceStatus],
    consented: Any,
) -> None:
    for register, status in statuses.items():
        city[register].status = status
    asked = application() if consented else application(authority=without(PROPERTY))

    assert isinstance(judged(release, await gathered(release, city, asked), asked), Referred)


async def test_a_machine_does_not_refuse_on_a_house_that_the_applicant_named(
    city: dict[EvidenceType, Register],
) -> None:
    """Law 5: with the declaration forgotten nothing is known of the house."""
    refusing = firms.release(refusing="驳回 | refuse")
    city[ADDRESS].values = {LEGAL: False, UNIT: "unit-7"}

    outcome = judged(refusing, await gathered(refusing, city), application())

    assert isinstance(outcome, NeedsCorrection)
    assert [reason.requirement for reason in outcome.reasons] == ["R2"]


def test_everybody_whose_number_is_sent_can_ask_who_asked(release: Release) -> None:
    about = asked_about(application(), planned(release, application()))

    asked = {subject: {one.evidence_type for one in found} for subject, found in about.items()}
    assert asked == {
        f"organisation_code:{FIRM.documents[0].number}": set(VALUES),
        f"resident_id:{PERSON.documents[0].number}": {COMPANY},
    }


async def test_a_paper_is_replaced_when_every_register_in_its_place_has_answered(
    release: Release, city: dict[EvidenceType, Register]
) -> None:
    assert [one.en for one in replaced(release, await gathered(release, city), NOW)] == [
        "copy of the licence",
        "deed",
    ]
    city[PROPERTY].values = {OWNED: False}
    assert [one.en for one in replaced(release, await gathered(release, city), NOW)] == [
        "copy of the licence"
    ], "a deed that there is not"
    city[PROPERTY].status = EvidenceStatus.UNAVAILABLE
    assert [one.en for one in replaced(release, await gathered(release, city), NOW)] == [
        "copy of the licence"
    ], "a register that did not answer"
    city[PROPERTY].status, city[PROPERTY].values = EvidenceStatus.MATCH, VALUES[PROPERTY]
    city[PROPERTY].as_of = NOW - timedelta(days=2)
    assert [one.en for one in replaced(release, await gathered(release, city), NOW)] == [
        "copy of the licence"
    ], "a register that vouches for no day that counts"
