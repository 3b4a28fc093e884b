"""Prefill, decide and wait, on real registers and a real store."""

import asyncio
import os
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any
from typing import cast as cast_to

import pytest

from audit.verify import verify_receipt
from decision_service import casework, errors
from decision_service.decide import decide
from decision_service.model import (
    Application,
    Approved,
    AssuranceLevel,
    CaseState,
    Concept,
    Consent,
    Contest,
    Decision,
    EvidenceArrived,
    EvidenceType,
    Known,
    NeedsCorrection,
    PrefillCompleted,
    PrefillEvent,
    PrefillRequest,
    PrefillStarted,
    Referred,
    Refused,
    Waiting,
)
from decision_service.office import Office
from decision_service.prefill import prefill
from decision_service.replay import Reproduced, replay
from decision_service.waiting import decide_again
from evidence_adapters.sandbox import City, Misconduct, Running

ApplyFor = Callable[..., Application]
AskFor = Callable[..., PrefillRequest]

DEATHS = EvidenceType("death_register")
LIBRARY = EvidenceType("library_register")
PATIENCE_S = 3.0


@pytest.fixture
def cast(people: City, clock: Any, office: Office) -> Any:
    return people.cast(office.today(clock()))


async def _decide(
    application: Application, office: Office, clock: Any, patience_s: float = PATIENCE_S
) -> Decision:
    deadline = asyncio.get_running_loop().time() + patience_s
    return await decide(application, office=office, now=clock(), deadline=deadline)


async def _prefill(request: PrefillRequest, office: Office, clock: Any) -> list[PrefillEvent]:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    return [
        event async for event in prefill(request, office=office, now=clock(), deadline=deadline)
    ]


def _codes(decision: Decision) -> set[str]:
    return {reason.code for reason in decision.outcome.reasons}


async def test_prefill_shows_each_answer_as_it_comes_and_then_the_whole_form(
    office: Office, clock: Any, ask_for: AskFor, cast: Any
) -> None:
    events = await _prefill(ask_for(cast["aged_75"], "old_age_allowance"), office, clock)

    started, *arrived, completed = events
    assert isinstance(started, PrefillStarted)
    assert all(isinstance(event, EvidenceArrived) for event in arrived)
    assert isinstance(completed, PrefillCompleted)
    assert {event.evidence.evidence_type for event in arrived} == set(started.evidence_types)
    by_key = {field.key: field for field in completed.fields}
    fact = by_key["applicant.birth_date"].fact
    assert isinstance(fact, Known)
    assert fact.value == cast["aged_75"].birth_date
    assert fact.source == "population_register"
    assert "applicant.truthful" in completed.declared_fields


async def test_declarations_are_never_prefilled(
    office: Office, clock: Any, ask_for: AskFor, cast: Any
) -> None:
    for matter in ("old_age_allowance", "library_card"):
        completed = (await _prefill(ask_for(cast["aged_75"], matter), office, clock))[-1]
        assert isinstance(completed, PrefillCompleted)
        assert not {field.key for field in completed.fields} & set(completed.declared_fields)
        assert "applicant.truthful" in completed.declared_fields


async def test_who_meets_every_requirement_is_approved_with_the_amount_of_the_law(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await _decide(apply_for(cast["aged_75"], "old_age_allowance"), office, clock)

    assert isinstance(decision.outcome, Approved)
    assert [(g.id, str(g.value)) for g in decision.outcome.grant] == [
        ("monthly_allowance", "200.00")
    ]
    assert _codes(decision) == {"REQUIREMENT_MET"}
    assert all(reason.legal_basis for reason in decision.outcome.reasons)
    assert "行政复议" in decision.notice.zh


async def test_the_receipt_proves_the_decision_without_trusting_us(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    decision = await _decide(apply_for(person, "old_age_allowance"), office, clock)

    receipt = await casework.receipt(decision.case_id, None, caller="portal-test", office=office)
    report = verify_receipt(receipt)

    assert report.index == decision.receipt.index
    assert person.id_number in report.subject


async def test_what_is_not_met_goes_to_a_person_with_the_unmet_items(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await _decide(apply_for(cast["outside_hukou"], "old_age_allowance"), office, clock)

    assert isinstance(decision.outcome, Referred)
    assert [r.requirement for r in decision.outcome.reasons] == ["R2"]
    assert decision.outcome.reasons[0].used[0].value.zh == "外市"


async def test_a_machine_refuses_only_where_the_matter_lets_it_and_on_evidence(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await _decide(apply_for(cast["library_holder"], "library_card"), office, clock)

    assert isinstance(decision.outcome, Refused)
    assert _codes(decision) == {"REQUIREMENT_NOT_MET"}


async def test_a_silent_register_refers_where_the_matter_does_not_wait(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    running.misbehave(LIBRARY, Misconduct.SILENT)

    decision = await _decide(apply_for(cast["young_adult"], "library_card"), office, clock)

    assert isinstance(decision.outcome, Referred)
    assert _codes(decision) == {"REQUIREMENT_UNKNOWN"}
    assert any(u.why == "UNAVAILABLE" for r in decision.outcome.reasons for u in r.used)


async def test_every_gap_is_told_at_once_and_the_corrected_case_goes_on(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["young_adult"]
    first = await _decide(apply_for(person, "library_card", answers={}), office, clock)

    assert isinstance(first.outcome, NeedsCorrection)
    assert {reason.field for reason in first.outcome.reasons if reason.field} == {
        "applicant.mobile",
        "applicant.accepts_reading_rules",
        "applicant.truthful",
    }

    corrected = apply_for(person, "library_card", case_id=first.case_id)
    second = await _decide(corrected, office, clock)

    assert isinstance(second.outcome, Approved)
    assert second.case_id == first.case_id
    case = await casework.case(first.case_id, caller="portal-test", office=office)
    assert case.state is CaseState.APPROVED
    assert [d.outcome.kind for d in case.decisions] == ["needs_correction", "approved"]


async def test_a_case_waits_for_a_source_and_is_decided_when_it_is_back(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    running.misbehave(DEATHS, Misconduct.DOWN)
    waiting = await _decide(apply_for(cast["aged_75"], "old_age_allowance"), office, clock)
    assert isinstance(waiting.outcome, Waiting)
    assert waiting.outcome.waiting_for == ("death_register",)
    assert await decide_again(waiting.case_id, office=office, now=clock()) is None

    running.reset()
    clock.advance(timedelta(hours=1))
    decided = await decide_again(waiting.case_id, office=office, now=clock())

    assert decided is not None
    assert isinstance(decided.outcome, Approved)
    assert decided.filing_date == waiting.filing_date
    case = await casework.case(waiting.case_id, caller="portal-test", office=office)
    assert case.state is CaseState.APPROVED


async def test_a_case_that_waited_long_enough_goes_to_a_person(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    running.misbehave(DEATHS, Misconduct.DOWN)
    waiting = await _decide(apply_for(cast["aged_75"], "old_age_allowance"), office, clock)
    assert isinstance(waiting.outcome, Waiting)

    clock.advance(timedelta(hours=24, seconds=1))
    decided = await decide_again(waiting.case_id, office=office, now=clock())

    assert decided is not None
    assert isinstance(decided.outcome, Referred)


async def test_the_same_request_gets_the_same_decision_and_another_body_an_error(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    application = apply_for(cast["aged_75"], "old_age_allowance")
    first, twin = await asyncio.gather(
        _decide(application, office, clock), _decide(application, office, clock)
    )
    again = await _decide(application, office, clock)

    assert first == twin == again

    other = application.model_copy(update={"content_digest": "another"})
    with pytest.raises(errors.RequestReusedError) as caught:
        await _decide(other, office, clock)
    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_64_concurrent_applications_of_one_person_grant_once(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    applications = [apply_for(cast["aged_75"], "old_age_allowance") for _ in range(64)]

    decisions = await asyncio.gather(
        *(_decide(one, office, clock, patience_s=60) for one in applications)
    )

    approved = [d for d in decisions if isinstance(d.outcome, Approved)]
    referred = [d for d in decisions if isinstance(d.outcome, Referred)]
    assert len(approved) == 1
    assert len(referred) == 63
    assert all("ALREADY_GRANTED" in _codes(decision) for decision in referred)
    for decision in decisions:
        assert await replay(decision.receipt.index, office=office) == Reproduced()


async def test_an_applicant_can_always_have_a_person(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    for role in ("aged_75", "outside_hukou", "library_holder"):
        for matter in ("old_age_allowance", "library_card"):
            application = apply_for(cast[role], matter, person_requested=True)
            decision = await _decide(application, office, clock)
            assert isinstance(decision.outcome, Referred)
            assert "PERSON_REQUESTED" in _codes(decision)


async def test_a_contested_value_is_not_known_and_a_person_looks(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    contest = Contest(
        concept=Concept("applicant.birth_date"), claimed="1940-01-01", text="户口簿登记有误"
    )
    application = apply_for(cast["aged_75"], "old_age_allowance", contests=(contest,))

    decision = await _decide(application, office, clock)

    assert isinstance(decision.outcome, Referred)
    assert any(u.why == "CONTESTED" for r in decision.outcome.reasons for u in r.used)


async def test_a_narrower_consent_asks_less_and_what_is_not_asked_is_not_known(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    application = apply_for(cast["aged_75"], "old_age_allowance")
    basis = application.authority.basis
    assert isinstance(basis, Consent)
    narrower = basis.model_copy(update={"evidence_types": (EvidenceType("population_register"),)})
    authority = application.authority.model_copy(update={"basis": narrower})
    running.accesses.clear()

    decision = await _decide(application.model_copy(update={"authority": authority}), office, clock)

    assert isinstance(decision.outcome, Referred)
    assert {access.register for access in running.accesses} == {"population_register"}
    assert any(u.why == "NOT_ASKED" for r in decision.outcome.reasons for u in r.used)


async def test_a_request_that_the_process_died_under_is_referred_without_the_engine(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    application = apply_for(cast["aged_75"], "old_age_allowance")
    key = office.record.request_key("Decide", application)
    trail = office.record._trail
    trail.inflight.begin(key)
    for mark in trail.inflight._begun.values():
        os.close(mark)  # as the end of a process does
    trail.inflight._begun.clear()
    running.accesses.clear()

    decision = await _decide(application, office, clock)

    assert isinstance(decision.outcome, Referred)
    assert _codes(decision) == {"INTERRUPTED"}
    assert not running.accesses
    assert await replay(decision.receipt.index, office=office) == Reproduced()
    assert not trail.inflight.interrupted(key)
    told = (await office.record.recorded(decision.receipt.index - 1)).permanent
    assert told["flow"] == "interrupted", "the process that died may have asked"
    queries = cast_to(list[dict[str, str]], told["queries"])
    assert {one["query_id"] for one in queries} == {"unknown"}
    assert {one["evidence_type"] for one in queries} >= {"population_register", "death_register"}


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        pytest.param(
            {"matter": "flying_licence"}, errors.NotPublishedError, "MATTER_NOT_FOUND", id="matter"
        ),
        pytest.param({"channel": "fax"}, errors.InvalidRequestError, "REQUEST_INVALID", id="way"),
        pytest.param(
            {"answers": {"applicant.birth_date": "1950-01-01"}},
            errors.InvalidRequestError,
            "REQUEST_INVALID",
            id="a value that a register gives",
        ),
        pytest.param(
            {"case_id": "0" * 32}, errors.NotFoundError, "CASE_NOT_FOUND", id="no such case"
        ),
    ],
)
async def test_a_request_that_cannot_be_admitted_leaves_no_trace(
    changes: dict[str, Any],
    error: type[errors.DecisionServiceError],
    reason: str,
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    cast: Any,
    running: Running,
) -> None:
    application = apply_for(cast["aged_75"], "old_age_allowance").model_copy(update=changes)
    running.accesses.clear()

    with pytest.raises(error) as caught:
        await _decide(application, office, clock)

    assert caught.value.reason == reason
    assert not running.accesses
    assert await office.record.latest(office.record.request_key("Decide", application)) is None


async def test_too_low_an_assurance_and_somebody_else_are_turned_away(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    application = apply_for(cast["aged_75"], "old_age_allowance")
    low = application.authority.model_copy(update={"assurance_level": AssuranceLevel.LOW})
    other = apply_for(cast["aged_95"], "old_age_allowance").authority

    for authority, reason in ((low, "ASSURANCE_TOO_LOW"), (other, "NO_AUTHORITY_FOR_PARTY")):
        with pytest.raises(errors.NotAuthorizedError) as caught:
            await _decide(application.model_copy(update={"authority": authority}), office, clock)
        assert caught.value.reason == reason


async def test_a_deadline_that_is_too_short_asks_nobody(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    running.accesses.clear()
    with pytest.raises(errors.DeadlineTooShortError) as caught:
        await decide(
            apply_for(cast["aged_75"], "old_age_allowance"),
            office=office,
            now=clock(),
            deadline=asyncio.get_running_loop().time() + 0.001,
        )
    assert caught.value.reason == "DEADLINE_TOO_SHORT"
    assert not running.accesses


async def test_a_case_of_another_caller_or_another_person_is_not_there(
    office: Office, clock: Any, apply_for: ApplyFor, ask_for: AskFor, cast: Any
) -> None:
    started = (await _prefill(ask_for(cast["aged_75"], "old_age_allowance"), office, clock))[0]
    assert isinstance(started, PrefillStarted)

    for application in (
        apply_for(
            cast["aged_75"], "old_age_allowance", case_id=started.case_id, caller="portal-other"
        ),
        apply_for(cast["aged_95"], "old_age_allowance", case_id=started.case_id),
    ):
        with pytest.raises(errors.NotFoundError) as caught:
            await _decide(application, office, clock)
        assert caught.value.reason == "CASE_NOT_FOUND"
    with pytest.raises(errors.NotFoundError):
        await casework.case(started.case_id, caller="portal-other", office=office)


async def test_a_decided_case_takes_no_further_application(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    first = await _decide(apply_for(cast["aged_75"], "old_age_allowance"), office, clock)

    with pytest.raises(errors.PreconditionError) as caught:
        await _decide(
            apply_for(cast["aged_75"], "old_age_allowance", case_id=first.case_id), office, clock
        )
    assert caught.value.reason == "CASE_DECIDED"


async def test_a_caller_who_hangs_up_leaves_a_decision_that_can_be_asked_for(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    application = apply_for(cast["aged_75"], "old_age_allowance")
    call = asyncio.create_task(_decide(application, office, clock))
    await asyncio.sleep(0.002)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    decision = await _decide(application, office, clock)

    assert isinstance(decision.outcome, Approved)
    assert len(await office.record.decisions(decision.case_id)) == 1


async def test_a_reader_who_fails_midway_leaves_no_register_being_asked(
    office: Office, clock: Any, ask_for: AskFor, cast: Any, running: Running
) -> None:
    running.misbehave(DEATHS, Misconduct.SILENT)
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    request = ask_for(cast["aged_75"], "old_age_allowance")

    async def read() -> None:
        events = prefill(request, office=office, now=clock(), deadline=deadline)
        async with aclosing(events):
            assert isinstance(await anext(events), PrefillStarted)
            assert isinstance(await anext(events), EvidenceArrived)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await read()

    still_running = {getattr(task.get_coro(), "__name__", "") for task in asyncio.all_tasks()}
    assert "_ask_in_turn" not in still_running
