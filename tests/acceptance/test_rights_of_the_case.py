"""What a person may do about a case, on real registers and a real store (S2, S6, S10)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from decision_service import casework, errors, rights
from decision_service.followup import CaseFile, Objection, ReviewRequest, Withdrawal
from decision_service.model import (
    Application,
    Approved,
    AssuranceLevel,
    CaseState,
    Concept,
    Contest,
    EvidenceType,
    PrefillCompleted,
    PrefillRequest,
    PrefillStarted,
    Referred,
    Unknown,
    Waiting,
    Why,
)
from decision_service.office import Office
from decision_service.prefill import prefill
from decision_service.replay import Reproduced, replay
from decision_service.waiting import decide_again
from evidence_adapters.sandbox import City, Misconduct, Running
from tests.acceptance.rights import ALLOWANCE, ask, decided, soon

ApplyFor = Callable[..., Application]
AskFor = Callable[..., PrefillRequest]

BIRTH = Concept("applicant.birth_date")
WRONG_BIRTH = Contest(concept=BIRTH, claimed="1950-12-02", text="登记有误")


@pytest.fixture
def cast(people: City, clock: Any, office: Office) -> Any:
    return people.cast(office.today(clock()))


async def opened(request: PrefillRequest, office: Office, clock: Any) -> PrefillCompleted:
    events = [e async for e in prefill(request, office=office, now=clock(), deadline=soon())]
    assert isinstance(events[-1], PrefillCompleted)
    return events[-1]


async def case_now(case_id: str, office: Office) -> CaseFile:
    return await casework.case(case_id, caller="portal-test", office=office)


async def open_case(request: PrefillRequest, office: Office, clock: Any) -> str:
    """A case that is prefilled and not handed in."""
    events = [e async for e in prefill(request, office=office, now=clock(), deadline=soon())]
    assert isinstance(events[0], PrefillStarted)
    return events[0].case_id


# ── withdrawing ──────────────────────────────────────────────────────────────────────────────────


async def test_an_application_can_be_withdrawn_and_made_again_at_no_loss(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    """Once-only grants are not used up by what was withdrawn."""
    person = cast["aged_75"]
    referred = await decided(apply_for(person, ALLOWANCE, person_requested=True), office, clock)

    case = await rights.withdraw(
        ask(person, referred.case_id, "WithdrawCase", clock), "想好了再办", office=office
    )
    again = await decided(apply_for(person, ALLOWANCE), office, clock)

    assert case.state is CaseState.WITHDRAWN
    assert [event.step for event in case.events] == [Withdrawal(text="想好了再办")]
    assert case.decisions == (referred,), "nothing is lost"
    assert isinstance(again.outcome, Approved)


async def test_a_case_can_be_withdrawn_before_it_is_handed_in(
    office: Office, clock: Any, apply_for: ApplyFor, ask_for: AskFor, cast: Any
) -> None:
    person = cast["aged_75"]
    case_id = await open_case(ask_for(person, ALLOWANCE), office, clock)

    await rights.withdraw(ask(person, case_id, "WithdrawCase", clock), "", office=office)

    assert (await case_now(case_id, office)).state is CaseState.WITHDRAWN
    with pytest.raises(errors.PreconditionError) as caught:
        await decided(apply_for(person, ALLOWANCE, case_id=case_id), office, clock)
    assert caught.value.reason == "CASE_DECIDED"


async def test_a_waiting_case_that_is_withdrawn_is_not_decided_again(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    person = cast["aged_75"]
    running.misbehave(EvidenceType("death_register"), Misconduct.SILENT)
    waiting = await decided(apply_for(person, ALLOWANCE), office, clock)
    assert isinstance(waiting.outcome, Waiting)

    await rights.withdraw(ask(person, waiting.case_id, "WithdrawCase", clock), "", office=office)
    running.reset()

    assert await decide_again(waiting.case_id, office=office, now=clock()) is None
    assert (await case_now(waiting.case_id, office)).state is CaseState.WITHDRAWN


async def test_what_is_determined_is_not_withdrawn(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    approved = await decided(apply_for(person, ALLOWANCE), office, clock)
    of_it = ask(person, approved.case_id, "WithdrawCase", clock)

    with pytest.raises(errors.PreconditionError) as caught:
        await rights.withdraw(of_it, "", office=office)
    await rights.request_review(
        ask(person, approved.case_id, "RequestReview", clock), "", office=office
    )
    with pytest.raises(errors.PreconditionError) as while_reviewed:
        await rights.withdraw(of_it, "", office=office)

    assert caught.value.reason == while_reviewed.value.reason == "CASE_DECIDED"


async def test_of_a_decision_and_a_withdrawal_at_once_one_comes_first(
    office: Office, clock: Any, apply_for: ApplyFor, ask_for: AskFor, cast: Any
) -> None:
    """What was withdrawn is not decided afterwards, and what was granted is not withdrawn."""
    person = cast["aged_75"]
    for _ in range(5):
        case_id = await open_case(ask_for(person, "library_card"), office, clock)
        await asyncio.gather(
            decided(apply_for(person, "library_card", case_id=case_id), office, clock),
            rights.withdraw(ask(person, case_id, "WithdrawCase", clock), "", office=office),
            return_exceptions=True,
        )
        case = await case_now(case_id, office)
        withdrawn = [event.receipt.index for event in case.events]
        assert (case.state is CaseState.WITHDRAWN) == bool(withdrawn)
        assert all(one.receipt.index < index for one in case.decisions for index in withdrawn)
        assert not (withdrawn and any(isinstance(d.outcome, Approved) for d in case.decisions))


async def test_the_same_request_is_done_once(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    decision = await decided(apply_for(person, ALLOWANCE), office, clock)
    once = ask(person, decision.case_id, "RequestReview", clock)

    cases = await asyncio.gather(
        *(rights.request_review(once, "金额", office=office) for _ in range(8))
    )
    with pytest.raises(errors.RequestReusedError):
        await rights.request_review(
            ask(
                person,
                decision.case_id,
                "RequestReview",
                clock,
                request_id=once.request_id,
            ),
            "别的",
            office=office,
        )

    assert [case.events for case in cases] == [cases[0].events] * 8
    assert len(cases[0].events) == 1


async def test_only_the_applicant_acts_and_only_through_their_portal_or_at_the_window(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person, other = cast["aged_75"], cast["aged_95"]
    case_id = (
        await decided(apply_for(person, ALLOWANCE, person_requested=True), office, clock)
    ).case_id
    low = ask(person, case_id, "WithdrawCase", clock).person.model_copy(
        update={"assurance_level": AssuranceLevel.LOW}
    )
    for wrong, error in [
        (ask(other, case_id, "WithdrawCase", clock), errors.NotAuthorizedError),
        (ask(person, case_id, "WithdrawCase", clock, person=low), errors.NotAuthorizedError),
        (ask(person, case_id, "WithdrawCase", clock, caller="portal-other"), errors.NotFoundError),
        (ask(person, "f" * 32, "WithdrawCase", clock), errors.NotFoundError),
    ]:
        with pytest.raises(error):
            await rights.withdraw(wrong, "", office=office)

    case = await rights.withdraw(
        ask(person, case_id, "WithdrawCase", clock, caller="clerk-1", role="clerk"),
        "",
        office=office,
    )
    assert [(event.caller, event.role) for event in case.events] == [("clerk-1", "clerk")]


# ── a person ─────────────────────────────────────────────────────────────────────────────────────


async def test_s10_a_person_can_be_asked_for_before_the_application_is_handed_in(
    office: Office, clock: Any, apply_for: ApplyFor, ask_for: AskFor, cast: Any
) -> None:
    person = cast["aged_75"]
    case_id = await open_case(ask_for(person, ALLOWANCE), office, clock)
    await rights.request_review(ask(person, case_id, "RequestReview", clock), "", office=office)

    decision = await decided(apply_for(person, ALLOWANCE, case_id=case_id), office, clock)

    assert isinstance(decision.outcome, Referred)
    assert decision.outcome.reasons[0].code == "PERSON_REQUESTED"
    assert await replay(decision.receipt.index, office=office) == Reproduced()


@pytest.mark.parametrize(
    ("who", "matter", "silent", "before"),
    [
        ("aged_75", ALLOWANCE, False, "approved"),
        ("library_holder", "library_card", False, "refused"),
        ("outside_hukou", ALLOWANCE, False, "referred"),
        ("aged_75", ALLOWANCE, True, "waiting"),
    ],
)
async def test_s10_a_person_can_be_asked_for_after_every_outcome_at_no_loss(
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    cast: Any,
    running: Running,
    who: str,
    matter: str,
    silent: bool,  # noqa: FBT001 - a case of a table
    before: str,
) -> None:
    if silent:
        running.misbehave(EvidenceType("death_register"), Misconduct.SILENT)
    person = cast[who]
    decision = await decided(apply_for(person, matter), office, clock)
    assert decision.outcome.kind == before

    case = await rights.request_review(
        ask(person, decision.case_id, "RequestReview", clock), "请看一看", office=office
    )

    assert case.state is CaseState.REFERRED
    assert case.decisions == (decision,), "what was decided stands until a person decides"
    assert [event.step for event in case.events] == [ReviewRequest(text="请看一看")]
    running.reset()
    assert await decide_again(decision.case_id, office=office, now=clock()) is None


# ── what asks registers leaves the case where it is ──────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        pytest.param({}, CaseState.APPROVED, id="approved"),
        pytest.param({"person_requested": True}, CaseState.REFERRED, id="with a person"),
    ],
)
async def test_a_form_that_is_still_being_filled_takes_no_case_back_that_was_decided(
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    ask_for: AskFor,
    cast: Any,
    changes: dict[str, bool],
    state: CaseState,
) -> None:
    """Else a referral is in nobody's queue, and what was granted can be granted again."""
    person = cast["aged_75"]
    shown = prefill(ask_for(person, "library_card"), office=office, now=clock(), deadline=soon())
    started = await anext(shown)
    assert isinstance(started, PrefillStarted)
    decision = await decided(
        apply_for(person, "library_card", case_id=started.case_id, **changes), office, clock
    )
    async for _ in shown:
        pass

    case = await case_now(started.case_id, office)
    assert (case.state, case.filing_date) == (state, decision.filing_date)


async def test_a_case_that_waits_keeps_its_day_when_registers_are_asked_again(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    running.misbehave(EvidenceType("death_register"), Misconduct.SILENT)
    waiting = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)

    assert await decide_again(waiting.case_id, office=office, now=clock()) is None

    case = await case_now(waiting.case_id, office)
    assert (case.state, case.filing_date) == (CaseState.WAITING, waiting.filing_date)


# ── objections ───────────────────────────────────────────────────────────────────────────────────


async def test_s6_a_contested_value_leaves_instant_mode_and_opens_a_ticket(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    decision = await decided(apply_for(person, ALLOWANCE, contests=(WRONG_BIRTH,)), office, clock)
    (event,) = (await case_now(decision.case_id, office)).events

    assert isinstance(decision.outcome, Referred)
    assert isinstance(event.step, Objection)
    assert (event.step.concept, event.step.evidence_type) == (BIRTH, "population_register")
    assert event.step.claimed == "1950-12-02"
    assert await replay(decision.receipt.index, office=office) == Reproduced()


async def test_s6_the_mark_of_an_objection_is_respected_everywhere(
    office: Office, clock: Any, apply_for: ApplyFor, ask_for: AskFor, cast: Any
) -> None:
    """In another case and at another portal; and what does not rest on it goes on as ever."""
    person = cast["aged_75"]
    case_id = await open_case(ask_for(person, ALLOWANCE), office, clock)
    case = await rights.contest(
        ask(person, case_id, "ContestFact", clock), WRONG_BIRTH, office=office
    )

    other = await decided(apply_for(person, ALLOWANCE, caller="portal-other"), office, clock)
    shown = await opened(ask_for(person, ALLOWANCE), office, clock)
    card = await decided(apply_for(person, "library_card"), office, clock)
    neighbour = await decided(apply_for(cast["aged_95"], ALLOWANCE), office, clock)

    assert case.state is CaseState.OPEN
    assert isinstance(other.outcome, Referred)
    assert any(u.why is Why.CONTESTED for r in other.outcome.reasons for u in r.used)
    assert isinstance(card.outcome, Approved)
    assert {f.concept: f.fact for f in shown.fields}[BIRTH] == Unknown(why=Why.CONTESTED)
    assert isinstance(neighbour.outcome, Approved)
    assert await replay(other.receipt.index, office=office) == Reproduced()


async def test_a_value_contested_twice_has_one_ticket(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    for _ in range(2):
        decision = await decided(
            apply_for(person, ALLOWANCE, contests=(WRONG_BIRTH,)), office, clock
        )

    marks = (await office.casebook.look(apply_for(person, ALLOWANCE))).marks
    assert [marked.keys() for marked in marks.values()] == [{BIRTH}]
    assert (await case_now(decision.case_id, office)).events == ()


async def test_only_what_a_register_gives_can_be_contested(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    case_id = (await decided(apply_for(person, ALLOWANCE), office, clock)).case_id
    for concept in ("applicant.mobile", "filing_date", "applicant.shoe_size"):
        with pytest.raises(errors.InvalidRequestError):
            await rights.contest(
                ask(person, case_id, "ContestFact", clock),
                Contest(concept=Concept(concept), claimed="", text=""),
                office=office,
            )


# ── following ────────────────────────────────────────────────────────────────────────────────────


async def test_a_case_is_followed_until_it_is_closed(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    case_id = (
        await decided(apply_for(person, ALLOWANCE, person_requested=True), office, clock)
    ).case_id
    seen: list[CaseState] = []
    first = asyncio.Event()

    async def follow() -> None:
        cases = rights.watch(case_id, caller="portal-test", office=office, deadline=soon() + 5)
        async for case in cases:
            seen.append(case.state)
            first.set()

    following = asyncio.create_task(follow())
    await first.wait()
    await rights.withdraw(ask(person, case_id, "WithdrawCase", clock), "", office=office)
    await following

    assert seen == [CaseState.REFERRED, CaseState.WITHDRAWN]


async def test_following_ends_in_time(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    case_id = (
        await decided(apply_for(person, ALLOWANCE, person_requested=True), office, clock)
    ).case_id
    deadline = asyncio.get_running_loop().time() + 1.6

    cases = [
        case
        async for case in rights.watch(
            case_id, caller="portal-test", office=office, deadline=deadline
        )
    ]

    assert [case.state for case in cases] == [CaseState.REFERRED]
    assert asyncio.get_running_loop().time() < deadline
