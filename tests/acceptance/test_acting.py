"""Who acts for somebody else: guardians by evidence, agents by mandate, nobody by their word."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from typing import cast as cast_to
from uuid import uuid4

import pytest

from decision_service import mandates
from decision_service.aftercare import change_standing
from decision_service.catalogue import Catalogue
from decision_service.counter.dossier import open_case
from decision_service.eligibility import check
from decision_service.errors import (
    InvalidRequestError,
    NotAuthorizedError,
    NotFoundError,
    RequestReusedError,
)
from decision_service.followup import Act, Happened, Mandate
from decision_service.model import (
    GUARDIAN_RELATION,
    Application,
    Approved,
    AssuranceLevel,
    CaseState,
    Contest,
    Decision,
    Document,
    EvidenceType,
    MatterId,
    Party,
    PrefillCompleted,
    PrefillRequest,
    Referred,
    Request,
    Waiting,
)
from decision_service.office import Office
from decision_service.prefill import prefill
from decision_service.replay import Reproduced, replay
from decision_service.rights import contest, request_review, withdraw
from decision_service.v1.case_pb2 import ExportOwnDataResponse
from decision_service.v1.decision_pb2 import DecideResponse
from decision_service.v1.mandate_pb2 import GrantMandateResponse, ListMandatesResponse
from decision_service.v1.matter_pb2 import ListMattersResponse
from decision_service.waiting import decide_again
from evidence_adapters.sandbox import City, Misconduct, Person, Running
from tests import service
from tests.acceptance.rights import ALLOWANCE, act, ask, decided, soon, task
from tests.acceptance.test_stops import stopped
from tests.counter import clerk_of_all
from tests.service import (
    CASE,
    DECIDE,
    EXPORT,
    GRANT,
    GRANTED,
    LIST,
    RECEIPT,
    REVOKE,
    WATCH,
    Answer,
    Wire,
    person_tag,
)

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
async def test_s21_a_guardian_on_the_register_is_served_as_the_ward_would_be(
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


def mandate(agent: Person, office: Office, clock: Any, /, **changes: Any) -> Mandate:
    """For the allowance, for a month, but for the changes."""
    parts: dict[str, Any] = {
        "agent": party("agent", agent).documents,
        "matters": (MatterId(ALLOWANCE),),
        "until": office.today(clock()) + timedelta(days=30),
    }
    return Mandate(**{**parts, **changes})


def wanted(principal: Person, method: str, clock: Any, **changes: Any) -> mandates.Ask:
    """What a person wants done about their mandates, at a portal but for the changes."""
    asked_for = ask(principal, "", method, clock)
    parts: dict[str, Any] = {
        "caller": asked_for.caller,
        "role": asked_for.role,
        "clerk": "",
        "method": method,
        "request_id": asked_for.request_id,
        "content_digest": asked_for.content_digest,
        "person": asked_for.person,
        "now": asked_for.now,
    }
    return mandates.Ask(**{**parts, **changes})


async def granted(principal: Person, agent: Person, office: Office, clock: Any) -> Happened:
    return await mandates.grant(
        wanted(principal, "GrantMandate", clock), mandate(agent, office, clock), office=office
    )


async def refused_to(application: Application, office: Office, clock: Any) -> str:
    with pytest.raises(NotAuthorizedError) as caught:
        await decided(application, office, clock)
    return caught.value.reason


async def test_s21_an_agent_acts_by_a_mandate_and_everything_counts_for_the_principal(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    principal, agent = cast["aged_75"], cast["agent"]
    application = by(apply_for(principal, ALLOWANCE), "agent", agent)
    running.accesses.clear()
    assert await refused_to(application, office, clock) == "NO_MANDATE"
    assert not running.accesses

    told = await granted(principal, agent, office, clock)
    decision = await decided(application, office, clock)

    assert isinstance(decision.outcome, Approved)
    assert isinstance(await replay(decision.receipt.index, office=office), Reproduced)
    for words in (told.notice, decision.notice):
        for language in (words.zh, words.en):
            assert principal.id_number[-4:] in language
            assert agent.id_number[-4:] in language
    entry = await office.record.recorded(decision.receipt.index)
    assert entry.subject == f"resident_id:{principal.id_number}"
    assert entry.permanent["capacity"] == "agent"
    assert not await office.record.kept_about(f"resident_id:{agent.id_number}")
    again = await decided(apply_for(principal, ALLOWANCE), office, clock)
    assert "ALREADY_GRANTED" in codes(again)
    own = await decided(apply_for(agent, ALLOWANCE), office, clock)
    assert "ALREADY_GRANTED" not in codes(own)


async def test_a_mandate_is_for_its_matters_its_agent_and_its_time_and_ends_when_taken_back(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    principal, agent = cast["aged_75"], cast["agent"]
    told = await granted(principal, agent, office, clock)
    application = by(apply_for(principal, ALLOWANCE), "agent", agent)
    others = [
        by(apply_for(principal, "disability_care_subsidy"), "agent", agent),
        by(apply_for(principal, ALLOWANCE), "agent", cast["young_adult"]),
        by(apply_for(cast["aged_95"], ALLOWANCE), "agent", agent),
    ]
    for other in others:
        assert await refused_to(other, office, clock) == "NO_MANDATE"

    clock.advance(timedelta(days=31))
    assert await refused_to(fresh(application, clock), office, clock) == "NO_MANDATE"
    clock.advance(-timedelta(days=31))

    agent_documents = party("agent", agent).documents
    revoked = await mandates.revoke(
        wanted(principal, "RevokeMandate", clock), agent_documents, office=office
    )
    assert revoked.index > told.receipt.index
    assert await refused_to(fresh(application, clock), office, clock) == "NO_MANDATE"
    with pytest.raises(NotFoundError) as caught:
        await mandates.revoke(
            wanted(principal, "RevokeMandate", clock), agent_documents, office=office
        )
    assert caught.value.reason == "MANDATE_NOT_FOUND"

    await granted(principal, agent, office, clock)
    assert isinstance((await decided(fresh(application, clock), office, clock)).outcome, Approved)


def fresh(application: Application, clock: Any) -> Application:
    """The same, asked anew: authenticated and consented just now."""
    basis = application.authority.basis.model_copy(update={"time": clock()})
    authority = application.authority.model_copy(
        update={"authentication_time": clock(), "basis": basis}
    )
    return application.model_copy(update={"authority": authority, "request_id": str(uuid4())})


async def test_the_same_grant_or_revocation_is_done_once_and_a_newer_grant_takes_its_place(
    office: Office, clock: Any, cast: Any
) -> None:
    principal, agent = cast["aged_75"], cast["agent"]
    first = wanted(principal, "GrantMandate", clock)
    one = await mandates.grant(first, mandate(agent, office, clock), office=office)
    same = await mandates.grant(first, mandate(agent, office, clock), office=office)
    assert same == one
    other = replace(first, content_digest="0" * 64)
    with pytest.raises(RequestReusedError):
        await mandates.grant(other, mandate(agent, office, clock), office=office)

    await granted(principal, cast["young_adult"], office, clock)
    newer = await granted(principal, agent, office, clock)
    person = first.person
    listed = await mandates.granted_by(
        person, caller="portal-test", role="portal", now=clock(), office=office
    )
    assert listed[0] == newer
    assert one not in listed
    assert len(listed) == 2

    end = wanted(principal, "RevokeMandate", clock)
    documents = party("agent", agent).documents
    assert await mandates.revoke(end, documents, office=office) == await mandates.revoke(
        end, documents, office=office
    )


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        pytest.param(
            {"matters": (MatterId(ALLOWANCE), MatterId(CARD))},
            *("mandate.matters[1]", "NOT_REPRESENTED"),
            id="a matter in which no agent acts",
        ),
        pytest.param(
            {"until": date(2020, 1, 1)}, "mandate.until_date", "IN_THE_PAST", id="over already"
        ),
        pytest.param(
            {"until": date(2099, 1, 1)}, "mandate.until_date", "TOO_FAR", id="for a lifetime"
        ),
        pytest.param({"on_paper": True}, "scan_digest", "NOT_EXPECTED", id="paper at a portal"),
        pytest.param({"agent": "self"}, "mandate.agent", "SAME_PERSON", id="oneself"),
    ],
)
async def test_what_is_no_mandate_is_told_by_field(
    office: Office, clock: Any, cast: Any, changes: dict[str, Any], field: str, reason: str
) -> None:
    principal = cast["aged_75"]
    if changes.get("agent") == "self":
        changes = {"agent": party("agent", principal).documents}
    wrong = mandate(cast["agent"], office, clock, **changes)

    with pytest.raises(InvalidRequestError) as caught:
        await mandates.grant(wanted(principal, "GrantMandate", clock), wrong, office=office)

    assert [(one.field, one.reason) for one in caught.value.fields] == [(field, reason)]


async def test_a_mandate_is_granted_as_surely_as_its_matters_ask(
    office: Office, clock: Any, cast: Any
) -> None:
    asked_for = wanted(cast["aged_75"], "GrantMandate", clock)
    unsure = asked_for.person.model_copy(update={"assurance_level": AssuranceLevel.LOW})
    with pytest.raises(NotAuthorizedError) as caught:
        await mandates.grant(
            replace(asked_for, person=unsure), mandate(cast["agent"], office, clock), office=office
        )
    assert caught.value.reason == "ASSURANCE_TOO_LOW"


async def test_s21_a_clerk_sees_a_mandate_on_paper_but_never_one_of_their_own(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    principal, agent = cast["aged_75"], cast["agent"]
    scan = hashlib.sha256(b"a scan").hexdigest()
    paper = mandate(agent, office, clock, on_paper=True, scan=scan)
    at_window = wanted(principal, "GrantMandate", clock, caller="clerk-1", role="clerk")
    for person in (principal, agent):
        tag = office.person_tag(party("agent", person).named_by)
        with pytest.raises(NotAuthorizedError) as caught:
            await mandates.grant(replace(at_window, clerk=tag), paper, office=office)
        assert caught.value.reason == "OWN_CASE"

    told = await mandates.grant(
        replace(at_window, clerk=person_tag("a clerk")), paper, office=office
    )

    entry = await office.record.recorded(told.receipt.index)
    assert (entry.permanent["caller"], entry.permanent["role"]) == ("clerk-1", "clerk")
    assert entry.permanent["on_paper"] is True
    assert scan not in json.dumps(entry.permanent)
    assert scan in json.dumps(entry.sealed)
    assert "纸质委托书" in told.notice.zh
    application = by(apply_for(principal, ALLOWANCE), "agent", agent)
    assert isinstance((await decided(application, office, clock)).outcome, Approved)


async def test_the_agent_has_a_say_in_the_cases_they_made_as_long_as_the_mandate_holds(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    principal, agent = cast["aged_75"], cast["agent"]
    await granted(principal, agent, office, clock)
    own = await decided(apply_for(principal, ALLOWANCE), office, clock)
    made = await decided(by(apply_for(principal, ALLOWANCE), "agent", agent), office, clock)

    with pytest.raises(NotAuthorizedError) as caught:
        await request_review(ask(agent, own.case_id, "RequestReview", clock), "", office=office)
    assert caught.value.reason == "NO_AUTHORITY_FOR_PARTY"
    await request_review(ask(agent, made.case_id, "RequestReview", clock), "", office=office)
    await mandates.revoke(
        wanted(principal, "RevokeMandate", clock),
        party("agent", agent).documents,
        office=office,
    )
    with pytest.raises(NotAuthorizedError) as caught:
        await withdraw(ask(agent, made.case_id, "WithdrawCase", clock), "", office=office)
    assert caught.value.reason == "NO_MANDATE"
    closed = await withdraw(
        ask(principal, made.case_id, "WithdrawCase", clock), "not my will", office=office
    )
    assert closed.state is CaseState.WITHDRAWN, "what an agent did, the principal takes back"


async def test_a_guardian_has_a_say_as_long_as_the_register_says_so(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    child, guardian = cast["one_day_short_of_age"], cast["guardian"]
    made = await decided(by(apply_for(child, CARD), "guardian", guardian), office, clock)
    running.accesses.clear()
    await request_review(ask(guardian, made.case_id, "RequestReview", clock), "", office=office)
    assert asked(running) == {GUARDIANS}

    clock.advance(timedelta(days=1))
    with pytest.raises(NotAuthorizedError) as caught:
        await withdraw(ask(guardian, made.case_id, "WithdrawCase", clock), "", office=office)
    assert caught.value.reason == "GUARDIAN_NOT_PROVEN"


async def objected_to(case_id: str, ward: Person, office: Office, clock: Any) -> None:
    """The ward says that nobody is their guardian."""
    no = Contest(concept=GUARDIAN_RELATION, claimed="none", text="已变更监护人")
    await contest(ask(ward, case_id, "ContestFact", clock), no, office=office)


async def test_whose_guardianship_is_objected_to_learns_nothing_more(
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    ask_for: Callable[..., PrefillRequest],
    running: Running,
    cast: Any,
) -> None:
    """In the form, in a check, in an application, and about what they have handed in."""
    child, guardian = cast["child"], cast["guardian"]
    made = await decided(by(apply_for(child, CARD), "guardian", guardian), office, clock)
    await objected_to(made.case_id, child, office, clock)
    request = by(ask_for(child, CARD), "guardian", guardian)
    running.accesses.clear()

    shown = prefill(request, office=office, now=clock(), deadline=soon())
    completed = [event async for event in shown][-1]
    found = await check(request, office=office, now=clock(), deadline=soon())
    decision = await decided(by(apply_for(child, CARD), "guardian", guardian), office, clock)
    with pytest.raises(NotAuthorizedError) as caught:
        await request_review(ask(guardian, made.case_id, "RequestReview", clock), "", office=office)

    assert asked(running) == {GUARDIANS}
    assert isinstance(completed, PrefillCompleted)
    assert all(field.display.zh == "" for field in completed.fields)
    assert {one.evidence_type for one in found.evidence} == {GUARDIANS}
    assert isinstance(decision.outcome, Referred)
    assert "AUTHORITY_NOT_PROVEN" in codes(decision)
    assert isinstance(await replay(decision.receipt.index, office=office), Reproduced)
    assert caught.value.reason == "GUARDIAN_NOT_PROVEN"


async def test_a_guardianship_that_is_objected_to_while_a_case_waits_asks_nothing_more(
    office: Office, clock: Any, apply_for: ApplyFor, running: Running, cast: Any
) -> None:
    ward, guardian = cast["ward"], cast["guardian"]
    running.misbehave(EvidenceType("death_register"), Misconduct.DOWN)
    waiting = await decided(by(apply_for(ward, ALLOWANCE), "guardian", guardian), office, clock)
    assert isinstance(waiting.outcome, Waiting)
    own = await decided(apply_for(ward, ALLOWANCE, person_requested=True), office, clock)
    await objected_to(own.case_id, ward, office, clock)
    running.reset()
    running.accesses.clear()

    decision = await decide_again(waiting.case_id, office=office, now=clock())

    assert asked(running) == {GUARDIANS}
    assert decision is not None
    assert "AUTHORITY_NOT_PROVEN" in codes(decision)
    assert isinstance(await replay(decision.receipt.index, office=office), Reproduced)


async def test_a_clerk_is_told_of_an_unproven_guardian_also_while_the_matter_is_stopped(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    await stopped(office, clock, CARD)

    decision = await decided(
        by(apply_for(cast["child"], CARD), "guardian", cast["agent"]), office, clock
    )

    assert {"MATTER_STOPPED", "AUTHORITY_NOT_PROVEN"} <= codes(decision)
    assert decision.outcome.reasons[0].code == "MATTER_STOPPED"
    assert isinstance(await replay(decision.receipt.index, office=office), Reproduced)


@pytest.mark.parametrize(
    "name", ["aged_75", "outside_hukou", "deceased", "already_in_payment", "disputed"]
)
async def test_nobody_gets_more_through_an_agent_than_by_themselves(
    office: Office,
    clock: Any,
    ask_for: Callable[..., PrefillRequest],
    cast: Any,
    name: str,
) -> None:
    principal, agent = cast[name], cast["agent"]
    await granted(principal, agent, office, clock)
    requests = [ask_for(principal, ALLOWANCE), by(ask_for(principal, ALLOWANCE), "agent", agent)]

    own, through = [
        await check(request, office=office, now=clock(), deadline=soon()) for request in requests
    ]

    assert through.prospect == own.prospect
    assert through.requirements == own.requirements


async def test_what_is_taken_back_while_registers_are_asked_decides_nothing(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    principal, agent = cast["aged_75"], cast["agent"]
    await granted(principal, agent, office, clock)
    application = by(apply_for(principal, ALLOWANCE), "agent", agent)
    running.misbehave(EvidenceType("death_register"), Misconduct.SLOW)
    running.accesses.clear()
    deciding = asyncio.create_task(decided(application, office, clock))
    while not running.accesses:  # noqa: ASYNC110
        await asyncio.sleep(0.01)

    await mandates.revoke(
        wanted(principal, "RevokeMandate", clock), party("agent", agent).documents, office=office
    )

    with pytest.raises(NotAuthorizedError) as caught:
        await deciding
    assert caught.value.reason == "NO_MANDATE"
    key = office.record.request_key("Decide", application)
    assert await office.record.latest(key) is None
    about = await office.record.kept_about(application.subject)
    told = (await office.record.recorded(about[-1].index)).permanent
    assert told["flow"] == "decide", "registers were asked, whatever has come of it"
    queries = cast_to(list[dict[str, str]], told["queries"])
    assert {one["evidence_type"] for one in queries} >= asked(running)
    assert {one.query_id for one in running.accesses} <= {one["query_id"] for one in queries}


async def test_over_the_wire_a_mandate_is_granted_used_listed_exported_and_taken_back(
    tmp_path: Path, published: Catalogue, people: City
) -> None:
    now = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
    person = people.cast(now.date())["aged_75"]
    agent: dict[str, Any] = {
        "role": "agent",
        "documents": [{"kind": "passport", "number": "E00000001"}],
    }
    async with service.town(tmp_path, published, people, lambda: now) as town:

        async def sent(
            method: str, document: dict[str, Any], wire: Wire | None = None, **how: Any
        ) -> Answer:
            return await (wire or town.wire).call(method, service.message(method, document), **how)

        def through_the_agent() -> dict[str, Any]:
            asked_for = service.application(person, now)
            asked_for["parties"].append(agent)
            asked_for["authority"] |= {"person": agent, "agent_for": "applicant"}
            return asked_for

        assert (await sent(DECIDE, through_the_agent())).reason == "NO_MANDATE"
        grant = service.right(GRANT, person, now, "")
        denied = await sent(GRANT, grant, role="auditor")
        assert denied.code == "PERMISSION_DENIED"
        for wire in (town.wire, town.json):
            told = await sent(GRANT, grant, wire)
            assert told.code == "OK", told.words
        made = GrantMandateResponse.FromString(told.responses[0]).mandate
        decision = await sent(DECIDE, through_the_agent())
        assert decision.code == "OK", decision.words
        listed = await sent(GRANTED, service.right(GRANTED, person, now, ""))
        assert ListMandatesResponse.FromString(listed.responses[0]).mandates == [made]
        case_id = DecideResponse.FromString(decision.responses[0]).decision.case_id
        own = service.application(person, now)["parties"][0]["documents"]
        stranger = [{"kind": "passport", "number": "E00000002"}]

        async def codes_for(documents: list[dict[str, str]]) -> set[str]:
            shown = {"case_id": case_id, "shown_to": documents}
            return {(await sent(method, shown)).code for method in (CASE, WATCH, RECEIPT)}

        assert await codes_for(own) == {"OK"}
        assert await codes_for(agent["documents"]) == {"OK"}
        assert await codes_for(stranger) == {"NOT_FOUND"}
        ended = await sent(REVOKE, service.right(REVOKE, person, now, ""))
        assert ended.code == "OK", ended.words
        assert (await sent(DECIDE, through_the_agent())).reason == "NO_MANDATE"
        assert await codes_for(own) == {"OK"}
        assert await codes_for(agent["documents"]) == {"NOT_FOUND"}
        again = await sent(REVOKE, service.right(REVOKE, person, now, ""))
        assert (again.code, again.reason) == ("NOT_FOUND", "MANDATE_NOT_FOUND")

        copies = await sent(EXPORT, service.right(EXPORT, person, now, ""))
        entries = [
            one for raw in copies.responses for one in ExportOwnDataResponse.FromString(raw).entries
        ]
        assert {"mandate/1", "decision/1", "mandate_end/1"} <= {one.type for one in entries}
        (made_by_agent,) = (one for one in entries if one.type == "decision/1")
        assert json.loads(made_by_agent.content_json)["permanent"]["capacity"] == "agent"
        matters = ListMattersResponse.FromString((await sent(LIST, {})).responses[0]).matters
        acting = {one.id: [who.capacity for who in one.represented_by] for one in matters}
        assert acting["old_age_allowance"] == ["agent", "guardian"]
        assert acting["sole_trader_setup"] == []


@pytest.mark.parametrize(
    ("role", "name", "acting"),
    [
        pytest.param("guardian", "ward", "guardian", id="who is the guardian"),
        pytest.param("agent", "aged_75", "agent", id="who is the agent"),
    ],
)
async def test_no_clerk_decides_what_they_have_filed_for_somebody(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, role: str, name: str, acting: str
) -> None:
    applicant, other = cast[name], cast[acting]
    if role == "agent":
        await granted(applicant, other, office, clock)
    made = await decided(by(apply_for(applicant, ALLOWANCE), role, other), office, clock)
    own = person_tag(other.id_number)

    with pytest.raises(NotAuthorizedError) as caught:
        await open_case(made.case_id, clerk_of_all("clerk-1", own, clock()), office)
    assert caught.value.reason == "OWN_CASE"
    change = act(Act.SUSPEND, made.receipt.index, office.today(clock()))
    with pytest.raises(NotAuthorizedError) as caught:
        await change_standing(
            task("ChangeStanding", clock, person=own), made.case_id, change, office=office
        )
    assert caught.value.reason == "OWN_CASE"
    opened = await open_case(
        made.case_id, clerk_of_all("clerk-2", person_tag("another"), clock()), office
    )
    assert opened.subject == f"resident_id:{applicant.id_number}"
