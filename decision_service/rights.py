"""What a person may do about a case: take it back, have a person, object to a value, follow it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias
from uuid import uuid4

from decision_service.acting import guardian_is_proven
from decision_service.admission import (
    has_acted,
    no_such_case,
    not_the_applicant,
    refuse_future,
    refuse_low_assurance,
    refuse_without_mandate,
    subject_of,
    unknown_here,
)
from decision_service.casebook import By
from decision_service.casework import Onlooker, file_of
from decision_service.casework import case as case_now
from decision_service.decide import refuse_reuse
from decision_service.errors import (
    FieldViolation,
    InvalidRequestError,
    NotAuthorizedError,
    PreconditionError,
)
from decision_service.evidence import RESERVED_S, asked_about, gather, plan
from decision_service.followup import (
    CaseFile,
    FollowUp,
    Objection,
    Person,
    ReviewRequest,
    Withdrawal,
)
from decision_service.model import (
    APPLICANT,
    Authority,
    Capacity,
    CaseId,
    CaseState,
    CaseSummary,
    Contest,
    Party,
    Request,
    StatutoryDuty,
)
from decision_service.objections import objection
from decision_service.office import Office
from decision_service.record import Taken, case_row
from decision_service.release import Release

LOOK_EVERY_S = 0.25
"""Seconds between two looks at a case that is followed."""

_RESERVED_S = 1.0
"""Left of a call's time for its last message."""

_CLOSED = frozenset({CaseState.APPROVED, CaseState.REFUSED, CaseState.WITHDRAWN})
"""States in which nothing more is to come unless somebody asks for it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody wants something done about a case.

    Attributes:
        caller, role: Of the token: the portal that acts for the person, or a clerk who serves
            them at the window.
        method: The contract's name for what is wanted; with ``request_id`` it names the request.
        content_digest: SHA-256 (hex) of the canonical request; tells a repeat from a reuse.
        person: Who wants it: the applicant, or who opened the case for them.
        deadline: Instant of the event loop's clock by which the caller wants the answer.
    """

    caller: str
    role: str
    method: str
    request_id: str
    content_digest: str
    case_id: str
    person: Person
    now: datetime
    deadline: float


@dataclass(frozen=True, slots=True)
class _Situation:
    """A case as it stands when something is to follow on it.

    Attributes:
        newest: Index of the newest entry that moved it; None if none has yet.
        is_determined: Whether a decision has ended it, which a person may be looking at again.
    """

    case: CaseSummary
    release: Release
    parties: tuple[Party, ...]
    subject: str
    newest: int | None
    is_determined: bool


async def withdraw(ask: Ask, text: str, *, office: Office) -> CaseFile:
    """Take the application back, any time before it is determined: nothing is lost by it.

    What can be granted once is not used up, and the same can be applied for again.

    Raises:
        PreconditionError: It is determined already.
        DecisionServiceError: As `_do`.
    """

    def step(at: _Situation) -> tuple[FollowUp, CaseState, str]:
        if at.case.state in _CLOSED or at.is_determined:
            raise _decided(at.case)
        return Withdrawal(text=text), CaseState.WITHDRAWN, at.subject

    return await _do(ask, step, office)


async def request_review(ask: Ask, text: str, *, office: Office) -> CaseFile:
    """Have a person decide, or look at what was decided, at no loss (PIPL Article 24; S10).

    What was granted stays granted until a person decides otherwise. A case that is not handed in
    yet is referred when it is.

    Raises:
        PreconditionError: The application was withdrawn.
        DecisionServiceError: As `_do`.
    """

    def step(at: _Situation) -> tuple[FollowUp, CaseState, str]:
        return ReviewRequest(text=text), _to_a_person(at.case), at.subject

    return await _do(ask, step, office)


async def contest(ask: Ask, contested: Contest, *, office: Office) -> CaseFile:
    """Object to a register's value: a ticket asks its owner, and a person goes on with the case.

    Until the ticket is resolved the value counts as unknown in every application (S6).

    Raises:
        InvalidRequestError: No register gives this concept to the case's matter.
        PreconditionError: The application was withdrawn.
        DecisionServiceError: As `_do`.
    """

    def step(at: _Situation) -> tuple[FollowUp, CaseState, str]:
        subject = subject_of(contested.concept, at.release, at.parties)
        if not subject:
            raise InvalidRequestError(
                [
                    FieldViolation(
                        field="contest.concept",
                        reason="NO_REGISTER_GIVES_IT",
                        message="is no value that a register gave for this case",
                        zh="该办件没有使用登记机关提供的这一信息项，只能对此类数据提出异议",
                    )
                ]
            )
        return objection(contested, at.release), _to_a_person(at.case), subject

    return await _do(ask, step, office)


async def watch(
    case_id: str,
    *,
    caller: str,
    office: Office,
    deadline: float,
    onlooker: Onlooker | None = None,
) -> AsyncGenerator[CaseFile, None]:
    """The case now, and again whenever it has moved; ends when it is closed, or in time.

    Args:
        deadline: Instant of the event loop's clock by which the call ends.

    Raises:
        NotFoundError: The caller has no such case.
        ErasedError: Its content was erased on the person's demand.
    """
    seen: int | None = None
    told: CaseFile | None = None
    while True:
        newest = await office.record.newest_entry(case_id)
        if newest != seen or told is None:
            found = await case_now(case_id, caller=caller, office=office, onlooker=onlooker)
            if found != told:
                yield found
            seen, told = newest, found
        if told.state in _CLOSED:
            return
        if asyncio.get_running_loop().time() + LOOK_EVERY_S > deadline - _RESERVED_S:
            return
        await asyncio.sleep(LOOK_EVERY_S)


_Step: TypeAlias = Callable[[_Situation], tuple[FollowUp, CaseState, str]]
"""What follows, the state that it brings the case into, and whom it is about."""


async def _do(ask: Ask, step: _Step, office: Office) -> CaseFile:
    """Record what follows on a case as it stands; the same request is done once.

    Raises:
        NotFoundError: The caller has no such case.
        NotAuthorizedError: The person is not its applicant, or did not prove it surely enough.
        RequestReusedError: The ``request_id`` came before, with another body.
        NotRecordedError: It could not be recorded, so nothing was done.
        ErasedError: The case was erased on the person's demand.
    """
    casebook, record = office.casebook, office.record
    key = record.request_key(ask.method, ask)
    while True:
        if (earlier := await record.latest(key)) is not None:
            refuse_reuse(ask.content_digest, await casebook.content_digest(earlier))
            break
        at = await _situation(ask, office)
        follow, state, subject = step(at)
        ticket = {casebook.ticket_key(follow.ticket): None} if isinstance(follow, Objection) else {}
        written = await casebook.add(
            follow,
            by=By.of(ask, key),
            case_id=at.case.case_id,
            matter=at.case.matter,
            subject=subject,
            release_digest=at.release.digest,
            row=case_row(
                at.case.model_copy(update={"state": state}),
                due_time=(
                    office.promised_by(at.release.matter.promised_limit, office.today(ask.now))
                    if state is CaseState.REFERRED
                    else None
                ),
            ),
            expect={key: None, record.case_key(at.case.case_id): at.newest, **ticket},
        )
        if not isinstance(written, Taken):
            break  # else the case has moved meanwhile: see how it stands now
    return await file_of(await _own(ask, office), office)


async def _situation(ask: Ask, office: Office) -> _Situation:
    record = office.record
    newest = await record.latest(record.case_key(CaseId(ask.case_id)))
    case = await _own(ask, office)
    opening = await record.opening(case.case_id)
    release = await office.release(opening.release_digest)
    refuse_low_assurance(ask.person.assurance_level, release.matter)
    await _refuse_stranger(ask, case, opening.parties, release, office)
    refuse_future("person.authentication_time", ask.person.authentication_time, ask.now)
    return _Situation(
        case=case,
        release=release,
        parties=opening.parties,
        subject=opening.subject,
        newest=newest,
        is_determined=opening.is_determined,
    )


async def _refuse_stranger(
    ask: Ask, case: CaseSummary, parties: tuple[Party, ...], release: Release, office: Office
) -> None:
    """A case is its applicant's; an agent or a guardian has a say in those that they opened.

    The agent's mandate must hold today, and the register must vouch for the guardian anew.

    Raises:
        NotAuthorizedError: They are neither, or may act no more.
    """
    applicant, today = parties[0], office.today(ask.now)
    if applicant.named_by in ask.person.documents:
        return
    agent, guardian = (Party(role=one, documents=ask.person.documents) for one in Capacity)
    if has_acted(agent, parties):
        granted = await office.casebook.mandate(applicant.subject, agent.subject)
        refuse_without_mandate(granted.step if granted else None, case.matter, today)
    elif not has_acted(guardian, parties):
        raise not_the_applicant()
    elif not await _is_guardian((applicant, guardian), ask, case, release, office):
        raise NotAuthorizedError(
            "the register does not show that the guardian acts for the applicant today",
            zh="系统今天未能从登记信息确认监护关系，请稍后重试，或者持监护证明到窗口办理。",
            reason="GUARDIAN_NOT_PROVEN",
            hint="Repeat it later, or let a clerk see the papers; the applicant can do it, too.",
        )


async def _is_guardian(
    parties: tuple[Party, Party], ask: Ask, case: CaseSummary, release: Release, office: Office
) -> bool:
    """Whether the register vouches today for the second as the first one's guardian.

    Nothing else is asked, and who asked for it is recorded before.
    """
    request = Request(
        caller=ask.caller,
        request_id=ask.request_id,
        matter=case.matter,
        case_id=case.case_id,
        channel="",
        parties=parties,
        authority=Authority(
            person=parties[1],
            assurance_level=ask.person.assurance_level,
            authentication_time=ask.person.authentication_time,
            agent_for=APPLICANT,
            basis=StatutoryDuty(article=release.matter.represented_by[Capacity.GUARDIAN]),
        ),
    )
    today = office.today(ask.now)
    whole = plan(
        request,
        release,
        (),
        objected=unknown_here(request, release, await office.casebook.look(request)),
        case_id=case.case_id,
        filing_date=today,
        now=ask.now,
        new_id=lambda: str(uuid4()),
    )
    proof = replace(whole, questions=whole.questions[:1])
    await office.record.access(
        request,
        asked_about(request, proof),
        case=case,
        release_digest=release.digest,
        now=ask.now,
        flow="guardian",
        opens_case=False,
    )
    answers = gather(proof, office.sources, deadline=ask.deadline - RESERVED_S, now=ask.now)
    async with aclosing(answers):
        seen = [evidence async for evidence in answers]
    return guardian_is_proven(proof.facts(seen), release.matter, today)


async def _own(ask: Ask, office: Office) -> CaseSummary:
    """The caller's own case; a clerk serves whoever stands at the window."""
    case = await office.record.case(ask.case_id)
    if case is None or (ask.role != "clerk" and case.caller != ask.caller):
        raise no_such_case()
    return case


def _to_a_person(case: CaseSummary) -> CaseState:
    """The state of a case that a person is to look at; one not handed in yet stays open."""
    if case.state is CaseState.WITHDRAWN:
        raise PreconditionError(
            "the application was withdrawn",
            zh="该申请已撤回；如仍需办理，请重新提交申请，并可要求由工作人员办理。",
            reason="CASE_WITHDRAWN",
            hint="Hand in a new application; it can ask for a person with `person_requested`.",
        )
    return CaseState.OPEN if case.state is CaseState.OPEN else CaseState.REFERRED


def _decided(case: CaseSummary) -> PreconditionError:
    return PreconditionError(
        f"the case is {case.state}",
        zh="该办件已经办结，不能撤回申请；如有异议可申请人工复核。",
        reason="CASE_DECIDED",
        hint="Request a review if a person should look at the decision.",
        state=case.state,
    )
