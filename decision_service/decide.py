"""秒批: decide an application the moment it is handed in."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from decision_service.acting import guardian_is_proven
from decision_service.admission import (
    Admission,
    admit,
    refuse_without_mandate,
    unknown_here,
)
from decision_service.casebook import Sight
from decision_service.draft import Draft
from decision_service.errors import NotAuthorizedError, PreconditionError, RequestReusedError
from decision_service.evidence import RESERVED_S, Plan, asked_about, gather, plan
from decision_service.judge import (
    ALREADY_GRANTED,
    AUTHORITY_NOT_PROVEN,
    DECISION_REOPENED,
    ENGINE_DISAGREES,
    FACT_CONTESTED,
    GRANTS_UNKNOWN,
    INTERRUPTED,
    MATTER_STOPPED,
    PERSON_REQUESTED,
    Judgement,
    checked,
    contradictions,
    judge,
    refer,
)
from decision_service.model import (
    Application,
    Approved,
    Capacity,
    Check,
    Concept,
    Decision,
    Evidence,
    Facts,
    Reason,
    Referred,
    Refused,
)
from decision_service.objections import raise_objections
from decision_service.offerbook import offer_ended
from decision_service.office import Office
from decision_service.record import Taken
from decision_service.release import Gap, sound
from decision_service.settle import replaced, settle


async def decide(
    application: Application, *, office: Office, now: datetime, deadline: float
) -> Decision:
    """Decide the application and record the decision; the same request gets the same decision.

    Once begun it goes on when the caller hangs up, so that it ends as a decision that can be
    asked for again by its ``request_id``, or as none.

    Args:
        now: The one instant of this request. Nothing below reads a clock.
        deadline: Instant of the event loop's clock by which the caller wants the answer.

    Raises:
        RequestReusedError: The ``request_id`` came before, with another body.
        NotRecordedError: It could not be recorded, so there is no decision.
        DecisionServiceError: The request cannot be admitted; see `admit`, `Form.read` and
            `Offerbook.agreed`.
    """
    key = office.record.request_key("Decide", application)
    while (twin := office.running.get(key)) and twin[0] != application.content_digest:
        # Another body under the same id: what becomes of it tells whose the id is.
        await asyncio.wait([twin[1]])
        await asyncio.sleep(0)  # until it is no longer among the running
    if key not in office.running:
        task = asyncio.create_task(
            _decide(application, key, office, now, deadline), name=application.caller
        )
        office.running[key] = (application.content_digest, task)
        task.add_done_callback(lambda _: office.running.pop(key))
    return await asyncio.shield(office.running[key][1])


async def _decide(
    application: Application, key: str, office: Office, now: datetime, deadline: float
) -> Decision:
    """Earlier decision, or: admission, form, registers, facts and verdict, record."""
    sight = await office.casebook.look(application, key=key)
    if sight.earlier is not None:
        return await _earlier(application, sight.earlier, office)
    admission = admit(application, sight, mode="instant", office=office, now=now, deadline=deadline)
    gaps = admission.release.form.read(application.answers)  # refuse before anybody is asked
    agreed = await office.offerbook.agreed(application, admission.release, admission.filing_date)
    with office.record.in_flight(key) as interrupted:
        if application.contests:
            sight = await raise_objections(application, admission, sight, office=office, now=now)
        asked = _planned(
            application,
            admission,
            gaps,
            now=now,
            new_id=lambda: "unknown" if interrupted else str(uuid4()),
        )
        if interrupted:  # it may have asked, and no decision can account for what came of it
            await _tell_who_asked(application, admission, asked, office, now, flow="interrupted")
            seen = None
        else:
            seen = await _seen(application, admission, asked, office, now=now, deadline=deadline)
        try:
            return await _committed(
                application, admission, seen, sight, office, key=key, agreed=agreed, now=now
            )
        except (NotAuthorizedError, PreconditionError):  # nothing is decided that tells of it
            if seen is not None:
                await _tell_who_asked(application, admission, asked, office, now, flow="decide")
            raise


async def _committed(
    application: Application,
    admission: Admission,
    seen: Sequence[Evidence] | None,
    sight: Sight,
    office: Office,
    *,
    key: str,
    agreed: Mapping[str, int | None],
    now: datetime,
) -> Decision:
    """The decision, judged again by the same evidence as often as what it rests on has moved.

    Args:
        seen: None where the process died under the request before; then nothing is judged.
    """
    wait_until = now + admission.release.matter.retry_for
    while True:
        draft = (
            unjudged(application, admission, now=now)
            if seen is None
            else judged(
                application,
                admission,
                seen,
                now=now,
                wait_until=wait_until if wait_until > now else None,
            )
        )
        match await commit(draft, {key: None, **agreed}, sight, office):
            case Decision() as decision:
                return decision
            case Taken(key=taken, index=int(index)) if taken == key:
                return await _earlier(application, index, office)
            case Taken(key=taken) if taken in agreed:
                raise offer_ended()  # it was answered meanwhile
            case Taken():  # what it rests on has moved: see, and judge the same evidence again
                sight = await office.casebook.look(application)
                objected = unknown_here(application, admission.release, sight)
                admission = replace(admission, objected=objected, is_stopped=sight.is_stopped)
                if application.authority.capacity is Capacity.AGENT:
                    refuse_without_mandate(sight.mandate, application.matter, admission.filing_date)


async def _seen(
    application: Application,
    admission: Admission,
    asked: Plan,
    office: Office,
    *,
    now: datetime,
    deadline: float,
) -> list[Evidence]:
    """What the registers say.

    The decision's own entry tells its subject that they were asked. Whoever else is asked about
    has an entry before, so that they, too, can learn who asked for their data.
    """
    about = asked_about(application, asked)
    del about[application.subject]
    await office.record.access(
        application,
        about,
        case=admission.case,
        opens_case=False,
        release_digest=admission.release.digest,
        now=now,
        flow="decide",
    )
    answers = gather(asked, office.sources, deadline=deadline - RESERVED_S, now=now)
    async with aclosing(answers):
        return [evidence async for evidence in answers]


async def _tell_who_asked(
    application: Application,
    admission: Admission,
    asked: Plan,
    office: Office,
    now: datetime,
    *,
    flow: str,
) -> None:
    """Record for the subject that registers were asked, which no decision tells them."""
    await office.record.access(
        application,
        {application.subject: asked.questions},
        case=admission.case,
        opens_case=False,
        release_digest=admission.release.digest,
        now=now,
        flow=flow,
    )


def _planned(
    application: Application,
    admission: Admission,
    gaps: Sequence[Gap],
    *,
    now: datetime,
    new_id: Callable[[], str],
) -> Plan:
    return plan(
        application,
        admission.release,
        gaps,
        objected=admission.objected,
        case_id=admission.case.case_id,
        filing_date=admission.filing_date,
        now=now,
        new_id=new_id,
    )


def judged(
    application: Application,
    admission: Admission,
    evidence: Sequence[Evidence],
    *,
    now: datetime,
    wait_until: datetime | None,
) -> Draft:
    """What is decided on this evidence. Pure: replay calls it with what was recorded."""
    release, seen = admission.release, sorted(evidence, key=lambda item: item.evidence_type)
    gaps = release.form.read(application.answers)
    facts = settle(
        release,
        seen,
        sound(application.answers, gaps),
        admission.objected.union(contest.concept for contest in application.contests),
        filing_date=admission.filing_date,
        decide_time=now,
    )
    judgement = judge(release, facts, gaps=gaps, wait_until=wait_until)
    draft = _draft(
        application, admission, judgement, seen, facts=facts, now=now, wait_until=wait_until
    )
    if (admission.objected or application.contests) and isinstance(
        draft.outcome, Approved | Refused
    ):
        draft = referred(draft, FACT_CONTESTED)
    if application.authority.capacity is Capacity.GUARDIAN and not guardian_is_proven(
        facts, release.matter, admission.filing_date
    ):
        draft = referred(draft, AUTHORITY_NOT_PROVEN)
    if admission.is_stopped:
        return referred(draft, MATTER_STOPPED)
    if application.person_requested or admission.person_wanted:
        draft = referred(draft, PERSON_REQUESTED)
    elif admission.was_decided:  # rules would take what was granted, or be believed twice
        draft = referred(draft, DECISION_REOPENED)
    return draft


def unjudged(application: Application, admission: Admission, *, now: datetime) -> Draft:
    """A request under which the process died before: a person decides, no engine is asked."""
    judgement = Judgement(Referred(reasons=(INTERRUPTED,)), None)
    draft = _draft(application, admission, judgement, (), facts={}, now=now, wait_until=None)
    return draft.model_copy(update={"because": INTERRUPTED.code})


def with_checks(draft: Draft, checks: Mapping[Concept, Check]) -> Draft:
    """The same decision, telling what has become of asking owners to check what contradicts."""
    if not checks:
        return draft
    found = tuple(
        one.model_copy(update={"check": checks.get(one.concept)}) for one in draft.contradictions
    )
    return draft.model_copy(
        update={"contradictions": found, "outcome": checked(draft.outcome, found)}
    )


def referred(draft: Draft, because: Reason) -> Draft:
    """The same decision, handed to a person for a reason that is not in the rules."""
    return draft.model_copy(
        update={"outcome": refer(draft.outcome, because), "because": because.code}
    )


async def commit(
    draft: Draft,
    expect: dict[str, int | None],
    sight: Sight,
    office: Office,
    *,
    numbered: bool = True,
) -> Decision | Taken:
    """Record the draft, and grant what can be granted once to one of all who ask at once.

    What sources contradict each other about has its ticket before: a decision that says that a
    register's owner was asked to check never stands without it.

    Args:
        expect: Keys that the decision claims; those of the case and the grant are added here.
        sight: What was seen before; the decision stands only if no objection came since.
        numbered: Whether a case that is handed in can be found by its number from now on.

    Returns:
        The decision; or a key that another entry holds by now: one in ``expect``, the grant's, or
        that of the objections about somebody. Then nothing is decided.

    Raises:
        NotRecordedError: It could not be recorded, so there is no decision.
        PreconditionError: Another decision of the same case came first.
    """
    case = office.record.case_key(draft.case.case_id)
    claims = {**expect, case: draft.follows}
    number = office.record.number_key(draft.case.case_number)
    if numbered and draft.follows is None:
        claims[number] = None
    draft = with_checks(draft, await office.casebook.ticketed(draft))
    if isinstance(draft.outcome, Approved) and draft.matter.once_per_subject:
        if not office.record.knows_grants:
            return await commit(referred(draft, GRANTS_UNKNOWN), expect, sight, office)
        if sight.is_granted:
            return await commit(referred(draft, ALREADY_GRANTED), expect, sight, office)
        grant = office.record.grant_key(draft.matter.id, draft.application.subject)
        claims[grant] = sight.free
    due = office.promised_by(draft.matter.promised_limit, draft.filing_date)
    match await office.record.decided(draft, expect=claims, given=sight.given, promised_by=due):
        case Decision() as decision:
            office.decided(decision)
            if any(reason.code == ENGINE_DISAGREES.code for reason in decision.outcome.reasons):
                office.alarm(decision)
            return decision
        case Taken(key=key) if key == case:
            raise PreconditionError(
                "the case was decided by another request at the same time",
                zh="该办件已有新的决定，请刷新后查看。",
                reason="CASE_DECIDED",
                hint="Read the case.",
            )
        case Taken(key=key) if key == number:  # two of a day's 2^40 numbers were the same
            return await commit(draft, expect, sight, office, numbered=False)
        case Taken() as taken:
            return taken


async def _earlier(application: Application, index: int, office: Office) -> Decision:
    """The decision that the same request got before."""
    earlier, decision = await office.record.decision_at(index)
    refuse_reuse(application.content_digest, earlier.content_digest)
    return decision


def refuse_reuse(digest: str, earlier: str) -> None:
    """A ``request_id`` names one request for ever (AIP-155).

    Raises:
        RequestReusedError: The digests of the two requests differ.
    """
    if digest != earlier:
        raise RequestReusedError(
            "this `request_id` came before with another body",
            zh="同一请求编号已用于另一份申请，请使用新的请求编号。",
            reason="REQUEST_ID_REUSED",
            hint="Use a new UUID4 for every new request; repeat a request unchanged.",
        )


def _draft(
    application: Application,
    admission: Admission,
    judgement: Judgement,
    evidence: Sequence[Evidence],
    *,
    facts: Facts,
    now: datetime,
    wait_until: datetime | None,
) -> Draft:
    verdict = judgement.verdict
    return Draft(
        application=application,
        case=admission.case,
        matter=admission.release.matter,
        rules_effective_date=admission.release.effective,
        release_digest=admission.release.digest,
        filing_date=admission.filing_date,
        zone=admission.zone,
        decide_time=now,
        wait_until=wait_until,
        evidence=tuple(evidence),
        outcome=judgement.outcome,
        replaced=replaced(admission.release, evidence, now),
        statuses=tuple((id_, status.value) for id_, status in verdict.statuses) if verdict else (),
        rows=verdict.rows if verdict else (),
        contradictions=contradictions(admission.release, facts),
        follows=admission.follows,
        objected=tuple(sorted(admission.objected)),
    )
