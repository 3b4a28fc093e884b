"""Who acts for somebody else: guardians by evidence, agents by mandate, nobody by their word."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from decision_service.errors import InvalidRequestError, NotAuthorizedError
from decision_service.model import (
    Application,
    Approved,
    Decision,
    Document,
    EvidenceType,
    Party,
    PrefillCompleted,
    PrefillRequest,
    Referred,
    Request,
)
from decision_service.office import Office
from decision_service.prefill import prefill
from decision_service.replay import Reproduced, replay
from evidence_adapters.sandbox import City, Misconduct, Person, Running
from tests.acceptance.rights import ALLOWANCE, decided, soon

Requested = TypeVar("Requested", bound=Request)
ApplyFor = Callable[..., Application]
GUARDIANS = EvidenceType("guardianship_register")
CARD = "library_card"


@pytest.fixture
def cast(people: City, clock: Any, office: Office) -> Any:
    return people.cast(office.today(clock()))


def party(role: str, person: Person) -> Party:
    return Party(role=role, documents=(Document(kind="resident_id", number=person.id_number),))


def by(request: Requested, role: str, person: Person) -> Requested:
    """The same request, as somebody else makes it for the applicant."""
    acting = party(role, person)
    changes = {"person": acting, "agent_for": "applicant"}
    return request.model_copy(
        update={
            "parties": (*request.parties, acting),
            "authority": request.authority.model_copy(update=changes),
        }
    )


def codes(decision: Decision) -> set[str]:
    return {reason.code for reason in decision.outcome.reasons}


def asked(running: Running) -> set[str]:
    return {access.register for access in running.accesses}


@pytest.mark.parametrize(
    ("applicant", "matter"),
    [
        pytest.param("child", CARD, id="a parent, for a child"),
        pytest.param("one_day_short_of_age", CARD, id="a parent, on the last day"),
        pytest.param("ward", ALLOWANCE, id="an appointed guardian, for an adult"),
    ],
)
async def test_a_guardian_on_the_register_is_served_as_the_ward_would_be(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, applicant: str, matter: str
) -> None:
    application = by(apply_for(cast[applicant], matter), "guardian", cast["guardian"])

    decision = await decided(application, office, clock)

    assert isinstance(decision.outcome, Approved)
    assert GUARDIANS in {one.evidence_type for one in decision.evidence}
    assert isinstance(await replay(decision.receipt.index, office=office), Reproduced)
    own = await decided(apply_for(cast[applicant], matter), office, clock)
    assert codes(own) >= {"ALREADY_GRANTED"}, "the grant is the ward's, whoever asks for it"


@pytest.mark.parametrize(
    ("applicant", "guardian"),
    [
        pytest.param("just_of_age", "guardian", id="a parent, of who is of age today"),
        pytest.param("child", "agent", id="a stranger"),
        pytest.param("aged_75", "guardian", id="the guardian of somebody else"),
    ],
)
async def test_whoever_the_register_does_not_show_learns_nothing_and_a_person_decides(
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    ask_for: Callable[..., PrefillRequest],
    running: Running,
    cast: Any,
    applicant: str,
    guardian: str,
) -> None:
    ward, who = cast[applicant], cast[guardian]
    running.accesses.clear()
    request = by(ask_for(ward, CARD), "guardian", who)
    shown = prefill(request, office=office, now=clock(), deadline=soon())
    completed = [event async for event in shown][-1]
    decision = await decided(by(apply_for(ward, CARD), "guardian", who), office, clock)

    assert isinstance(completed, PrefillCompleted)
    assert all(field.display.zh == "" for field in completed.fields)
    assert asked(running) == {GUARDIANS}
    assert isinstance(decision.outcome, Referred)
    assert decision.outcome.reasons[0].code == "AUTHORITY_NOT_PROVEN"
    assert isinstance(await replay(decision.receipt.index, office=office), Reproduced)


@pytest.mark.parametrize(
    "how",
    [
        Misconduct.DOWN,
        Misconduct.GARBAGE,
        Misconduct.DISPUTED,
        Misconduct.AMBIGUOUS,
        Misconduct.PENDING,
        Misconduct.STALE,
        Misconduct.ANOTHER_SUBJECT,
    ],
)
async def test_a_register_of_guardians_that_cannot_tell_refuses_nobody(
    office: Office, clock: Any, apply_for: ApplyFor, running: Running, cast: Any, how: Misconduct
) -> None:
    running.misbehave(GUARDIANS, how)
    running.accesses.clear()

    decision = await decided(
        by(apply_for(cast["child"], CARD), "guardian", cast["guardian"]), office, clock
    )

    assert isinstance(decision.outcome, Referred)
    assert "AUTHORITY_NOT_PROVEN" in codes(decision)
    assert asked(running) == {GUARDIANS}


async def test_without_consent_to_ask_for_the_guardian_nothing_is_asked_at_all(
    office: Office, clock: Any, apply_for: ApplyFor, running: Running, cast: Any
) -> None:
    application = by(apply_for(cast["child"], CARD), "guardian", cast["guardian"])
    basis = application.authority.basis
    rest = tuple(one for one in basis.evidence_types if one != GUARDIANS)  # type: ignore[union-attr]  # a consent
    narrower = application.authority.model_copy(
        update={"basis": basis.model_copy(update={"evidence_types": rest})}
    )
    running.accesses.clear()

    decision = await decided(application.model_copy(update={"authority": narrower}), office, clock)

    assert isinstance(decision.outcome, Referred)
    assert not running.accesses


async def test_who_acts_for_whom_is_told_to_the_applicant_and_sealed_but_for_the_capacity(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    child, guardian = cast["child"], cast["guardian"]
    decision = await decided(by(apply_for(child, CARD), "guardian", guardian), office, clock)

    for language in (decision.notice.zh, decision.notice.en):
        assert child.id_number[-4:] in language
        assert guardian.id_number[-4:] in language
        assert guardian.id_number not in language
    entries = await office.record.entries(decision.case_id)
    assert entries
    for entry in entries:
        permanent = json.dumps(entry.permanent)
        assert entry.permanent["capacity"] == "guardian"
        assert child.id_number not in permanent
        assert guardian.id_number not in permanent
        assert guardian.id_number in json.dumps(entry.sealed)
    (about,) = await office.record.kept_about(f"resident_id:{guardian.id_number}")
    told = await office.record.recorded(about.index)
    assert [one["evidence_type"] for one in told.permanent["queries"]] == [GUARDIANS]


async def test_nobody_acts_where_the_matter_does_not_say_so(
    office: Office, clock: Any, apply_for: ApplyFor, running: Running, cast: Any
) -> None:
    running.accesses.clear()
    for role, matter, law in (
        ("agent", CARD, ""),
        ("guardian", "unemployment_benefit", ""),
        ("agent", "sole_trader_setup", "第十五条"),
    ):
        application = by(apply_for(cast["aged_75"], matter), role, cast["guardian"])
        with pytest.raises(NotAuthorizedError) as caught:
            await decided(application, office, clock)
        assert caught.value.reason == "NOT_REPRESENTED"
        assert law in caught.value.zh
        assert law in caught.value.hint
    assert not running.accesses


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        pytest.param({"agent_for": ""}, {"NOBODY_ACTS"}, id="a guardian beside, for nobody"),
        pytest.param({"agent_for": "organisation"}, {"NOT_REPRESENTED"}, id="for a firm"),
        pytest.param({"person": "applicant"}, {"NO_CAPACITY", "SAME_PERSON"}, id="for oneself"),
        pytest.param({"person": "agent"}, {"NOT_A_PARTY"}, id="in a role that no party has"),
    ],
)
async def test_who_acts_for_whom_must_hold_together(
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    cast: Any,
    changes: dict[str, str],
    reasons: set[str],
) -> None:
    application = by(apply_for(cast["child"], CARD), "guardian", cast["guardian"])
    people = {
        "applicant": application.parties[0],
        "agent": party("agent", cast["guardian"]),
    }
    changed: dict[str, Any] = dict(changes)
    if "person" in changes:
        changed["person"] = people[changes["person"]]
    authority = application.authority.model_copy(update=changed)

    with pytest.raises(InvalidRequestError) as caught:
        await decided(application.model_copy(update={"authority": authority}), office, clock)

    assert {field.reason for field in caught.value.fields} == reasons
