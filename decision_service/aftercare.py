"""After the decision: notices are served, grants change, registers answer, approvals are checked.

Whatever takes something from somebody is done by a person of the authority, under an article of
the law, with a reason, after the person could speak. Nothing here is ever done by the service
itself, and nothing claims back what was paid (S19).
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from audit.trail import ERASED, Recorded
from audit.trail.queries import All, Either, Found, Is
from decision_service.admission import (
    no_such_case,
    only_of,
    refuse_matter,
    refuse_own_case,
    refuse_who_saw_ratings,
)
from decision_service.casebook import OBJECTION, PROPOSAL, By, read
from decision_service.casework import file_of
from decision_service.decide import refuse_reuse
from decision_service.errors import (
    FieldViolation,
    InvalidRequestError,
    NotAuthorizedError,
    NotFoundError,
    PreconditionError,
)
from decision_service.followup import (
    Act,
    CaseFile,
    Delivery,
    FollowUp,
    Happened,
    Resolution,
    StandingChange,
    StandingProposal,
    StandingReturn,
)
from decision_service.model import CaseId, Concept, Matter, MatterId, Text
from decision_service.office import Office
from decision_service.record import DECISION, DETERMINATION, OVERRIDE, TICKET, Look, Taken, Viewer
from decision_service.standing import ENDED, RULES, Grant, grant_of, unfit, write_notice

MOST_TICKETS = 500
"""Open tickets that are listed at once."""

MOST_DRAWN_FROM = 100_000
"""Approvals of which are drawn; a narrower time draws from fewer."""

SKEW = timedelta(seconds=30)
"""How far the clock of a channel may run ahead of ours."""

_DECIDED = frozenset({DECISION, DETERMINATION, OVERRIDE})


@dataclass(frozen=True, slots=True)
class Task:
    """Somebody who serves the person tells what has become of a case.

    Attributes:
        caller, role: Of the token.
        method: The contract's name for it; with ``request_id`` it names the request.
        content_digest: SHA-256 (hex) of the canonical request; tells a repeat from a reuse.
        person: Which person a clerk is, as the issuer of tokens tags people.
        matters: Whose cases they may work on, or `EVERY_MATTER`.
    """

    caller: str
    role: str
    method: str
    request_id: str
    content_digest: str
    now: datetime
    matters: frozenset[MatterId]
    person: str = ""


async def record_delivery(
    task: Task, case_id: str, delivery: Delivery, *, office: Office
) -> CaseFile:
    """Record that a notice has reached the person; from then on terms may run.

    Raises:
        NotFoundError: There is no such case for the caller, or it has no such notice.
        InvalidRequestError: It arrived before it was written, or has not arrived yet.
        DecisionServiceError: As `_once`.
    """

    async def step(case_id: str) -> _Written:
        case = await _file(case_id, office)
        if task.role == "portal" and case.caller != task.caller:
            raise no_such_case()
        refuse_matter(task.matters, case.matter)
        notices = {one.receipt.index: one.decide_time for one in case.decisions} | {
            one.receipt.index: one.time for one in case.events if one.notice.zh
        }
        if delivery.decision not in notices:
            raise _no_such_notice()
        if not notices[delivery.decision] <= delivery.delivered_time <= task.now + SKEW:
            raise InvalidRequestError(
                [
                    FieldViolation(
                        field="delivered.delivered_time",
                        reason="NOT_BETWEEN",
                        message="must be after the notice was written and not in the future",
                        zh="送达时间应在通知作出之后，且不晚于当前时间",
                    )
                ]
            )
        entry = await office.record.recorded(delivery.decision)
        return _Written(
            delivery,
            subject=await office.record.subject(case_id),
            matter=case.matter,
            release_digest=str(entry.permanent["release_digest"]),
        )

    await _once(task, case_id, step, office)
    return await _file(case_id, office)


async def change_standing(
    task: Task, case_id: str, change: StandingChange, *, office: Office
) -> tuple[CaseFile, int | None]:
    """Record what a person of the authority has done about a grant, with its notice.

    What takes back or alters a grant is only proposed by this; a second person confirms it.

    Returns:
        The case, and the index of the proposal if it is one.

    Raises:
        NotFoundError: There is no such case, or the grant is of another decision.
        PreconditionError: The table of `standing` does not allow the act now.
        InvalidRequestError: Something that the act needs is missing or does not fit.
        NotAuthorizedError: The clerk takes part in the case.
        DecisionServiceError: As `_once`.
    """

    async def step(case_id: str) -> _Written:
        found = await _changeable(task, case_id, change, office)
        if not RULES[change.act].two_persons:
            return found
        proposal = StandingProposal(change=change, person=office.record.tag(task.person))
        return replace(found, step=proposal, notice=None, claims={})

    index = await _once(task, case_id, step, office)
    return await _file(case_id, office), index if RULES[change.act].two_persons else None


async def answer_proposal(
    task: Task, index: int, *, confirmed: bool, text: str, office: Office
) -> CaseFile:
    """A second person confirms what one has proposed about a grant, or returns it.

    Raises:
        NotFoundError: There is no such proposal.
        PreconditionError: It is answered already, or the table does not allow the act any more.
        NotAuthorizedError: It is the same person, or one who takes part in the case.
        DecisionServiceError: As `_once`.
    """
    try:
        entry = await office.record.recorded(index)
    except NotFoundError:
        raise _no_such_proposal() from None
    if entry.type != PROPOSAL or entry.sealed is ERASED:
        raise _no_such_proposal()
    proposal = read(entry).step
    assert isinstance(proposal, StandingProposal), "the type says so"  # noqa: S101
    case_id = str(entry.permanent["case_id"])
    key = office.casebook.proposal_key(index)

    async def step(case_id: str) -> _Written:
        if await office.record.latest(key) is not None:
            raise PreconditionError(
                "the proposal is answered already",
                zh="该提议已有答复，请查询办件。",
                reason="PROPOSAL_ANSWERED",
                hint="Read the case.",
            )
        if entry.permanent["caller"] == task.caller or (
            proposal.person == office.record.tag(task.person)
        ):
            raise NotAuthorizedError(
                "it was proposed by the same person",
                zh="该处理由您本人提出，须由另一名工作人员复核。",
                reason="SECOND_PERSON_REQUIRED",
                hint="Let another clerk confirm it or return it.",
            )
        change = proposal.change.model_copy(update={"proposal": index})
        found = await _changeable(task, case_id, change, office)
        if not confirmed:
            returned = StandingReturn(proposal=index, text=text)
            return replace(found, step=returned, notice=None, claims={key: None})
        return replace(found, claims={**found.claims, key: None})

    await _once(task, case_id, step, office)
    return await _file(case_id, office)


async def open_proposals(viewer: Viewer, *, office: Office) -> tuple[Happened, ...]:
    """What clerks have proposed and no second one has answered, the newest first.

    Raises:
        NotRecordedError: The look could not be recorded.
    """
    look = Look(caller=viewer.caller, role=viewer.role, method="ListProposals")
    await office.record.looked(look, now=viewer.now)
    of = only_of(viewer.matters)
    return tuple(read(one) for one in await office.casebook.open_proposals(of, MOST_TICKETS))


async def _changeable(
    task: Task, case_id: str, change: StandingChange, office: Office
) -> "_Written":
    """The act with its notice and claims, if it may be done now, by this clerk."""
    key = office.record.case_key(CaseId(case_id))
    newest = await office.record.latest(key)
    case = await _file(case_id, office)
    refuse_matter(task.matters, case.matter)
    opening = await office.record.opening(case_id)
    refuse_own_case(task.person, opening.parties, office)
    await refuse_who_saw_ratings(task.caller, task.person, opening.subject, office)
    grant = grant_of(case.decisions, case.events)
    if grant.decision is None or grant.standing not in RULES[change.act].after:
        raise _not_now(change.act, grant)
    if change.decision != grant.decision:
        raise _no_such_notice()
    if wrong := unfit(change, grant, office.today(task.now)):
        raise InvalidRequestError(wrong)
    digest = str((await office.record.recorded(grant.decision)).permanent["release_digest"])
    matter = (await office.release(digest)).matter
    return _Written(
        change,
        subject=opening.subject,
        matter=matter.id,
        release_digest=digest,
        notice=write_notice(change, case, matter),
        claims={key: newest, **await _ended(change, matter, opening.subject, office)},
    )


async def resolve(task: Task, ticket: str, *, corrected: bool, text: str, office: Office) -> None:
    """Record what the owner of a register found; the mark of an objection is taken away.

    Whoever comes upon the same contradiction of sources again is told that its owner has checked;
    if the record was corrected and it is there again, the owner is asked again.

    Raises:
        NotFoundError: There is no such ticket.
        PreconditionError: It is resolved already.
        DecisionServiceError: As `_once`.
    """
    key = office.casebook.ticket_key(ticket)
    held = await office.record.latest(key)
    if held is None:
        raise NotFoundError(
            "there is no such ticket",
            zh="没有找到该数据校核单，请核对编号。",
            reason="TICKET_NOT_FOUND",
            hint="`ListTickets` tells which are open.",
        )
    about = (await office.record.recorded(held)).permanent
    refuse_matter(task.matters, str(about["matter"]))
    case_id = str(about["case_id"])

    async def step(_: str) -> _Written:
        index = await office.record.latest(key)
        assert index is not None, "a ticket's key is never freed"  # noqa: S101
        opened = await office.record.recorded(index)
        permanent = opened.permanent
        if opened.type not in {OBJECTION, TICKET}:
            raise PreconditionError(
                "the ticket is resolved already",
                zh="该数据校核单已经办结。",
                reason="TICKET_RESOLVED",
                hint="A new objection opens a new ticket.",
            )
        concept = Concept(str(permanent["concept"]))
        found = Resolution(ticket=ticket, concept=concept, corrected=corrected, text=text)
        return _Written(
            found,
            subject=opened.subject,
            matter=str(permanent["matter"]),
            release_digest=str(permanent["release_digest"]),
            claims=await office.casebook.answering(opened),
        )

    await _once(task, case_id, step, office)


async def open_tickets(
    evidence_type: str, viewer: Viewer, *, office: Office
) -> tuple[Recorded, ...]:
    """The newest tickets that wait for the owner of a register; of every one if it is empty.

    Raises:
        NotRecordedError: The look could not be recorded.
    """
    look = Look(caller=viewer.caller, role=viewer.role, method="ListTickets", filter=evidence_type)
    await office.record.looked(look, now=viewer.now)
    of = only_of(viewer.matters)
    return await office.casebook.open_tickets(of, evidence_type, MOST_TICKETS)


def doubted_by(opened: Recorded) -> tuple[str, ...]:
    """The registers that say something else than the one whose owner a ticket asks."""
    registers = opened.permanent.get("registers")
    return tuple(map(str, registers[1:])) if isinstance(registers, list) else ()


@dataclass(frozen=True, slots=True)
class Draw:
    """Which approvals are drawn for an after-check (事后核查).

    Attributes:
        since, until: Civil days of the approvals, both included.
        size: How many.
        seed: Whoever has it can draw the same again, and nobody can choose whom it meets.
    """

    matter: MatterId
    since: date
    until: date
    size: int
    seed: str


async def draw(wanted: Draw, viewer: Viewer, *, office: Office) -> tuple[int, tuple[Found, ...]]:
    """Draw approvals by lot, for a person to check; and of how many they were drawn.

    An approval's lot is SHA-256 over the seed and its leaf hash, so that the same draw has the
    same result for everybody and depends on nothing that could favour or burden anybody.

    Raises:
        NotAuthorizedError: The matter is not the clerk's.
        NotRecordedError: The draw could not be recorded.
    """
    refuse_matter(viewer.matters, wanted.matter)
    look = Look(
        caller=viewer.caller,
        role=viewer.role,
        method="DrawAfterChecks",
        filter=f"{wanted.since}/{wanted.until} {wanted.size} {wanted.seed}",
        matter=wanted.matter,
    )
    until = await office.record.looked(look, now=viewer.now)
    kinds = Either(tuple(Is("type", "=", kind) for kind in sorted(_DECIDED)))
    approved = All(
        (
            Is("matter", "=", wanted.matter),
            Is("outcome", "=", "approved"),
            Is("time", ">=", office.midnight(wanted.since)),
            Is("time", "<", office.midnight(wanted.until + timedelta(days=1))),
            kinds,
        )
    )
    found = await office.record.find(approved, before=until, limit=MOST_DRAWN_FROM)

    def lot(one: Found) -> bytes:
        return hashlib.sha256(wanted.seed.encode() + b"\n" + one.leaf_hash).digest()

    return len(found), tuple(sorted(found, key=lot)[: wanted.size])


@dataclass(frozen=True, slots=True)
class _Written:
    """What is about to be recorded."""

    step: FollowUp
    subject: str
    matter: str
    release_digest: str
    claims: Mapping[str, int | None] = field(default_factory=dict)
    notice: Text | None = None


async def _once(
    task: Task, case_id: str, step: Callable[[str], Awaitable[_Written]], office: Office
) -> int:
    """Record a step on a case as it stands; the same request is done once.

    Returns:
        Index of its entry.

    Raises:
        RequestReusedError: The ``request_id`` came before, with another body.
        NotRecordedError: It could not be recorded, so nothing was done.
        ErasedError: The case was erased on the person's demand.
    """
    casebook = office.casebook
    key = office.record.request_key(task.method, task)
    while True:
        if (earlier := await office.record.latest(key)) is not None:
            refuse_reuse(task.content_digest, await casebook.content_digest(earlier))
            return earlier
        written = await step(case_id)
        recorded = await casebook.add(
            written.step,
            by=By.of(task, key),
            case_id=case_id,
            matter=written.matter,
            subject=written.subject,
            release_digest=written.release_digest,
            expect={key: None, **written.claims},
            notice=written.notice,
        )
        if not isinstance(recorded, Taken):
            return recorded.index  # else the case has moved meanwhile: see how it stands now


async def _file(case_id: str, office: Office) -> CaseFile:
    summary = await office.record.case(case_id)
    if summary is None:
        raise no_such_case()
    return await file_of(summary, office)


async def _ended(
    change: StandingChange, matter: Matter, subject: str, office: Office
) -> Mapping[str, int | None]:
    """The once-only grant that an act ends, so that it can be granted again.

    Whether by a machine or by a person alone says `Sight.free`.
    """
    if RULES[change.act].then not in ENDED:
        return {}
    key = office.record.grant_key(matter.id, subject)
    held = await office.record.latest(key)
    return {key: held} if held == change.decision else {}


def _no_such_notice() -> NotFoundError:
    return NotFoundError(
        "the case has no such decision",
        zh="该办件没有这一决定，请先查询办件，再用其中决定的 receipt.index。",
        reason="DECISION_NOT_FOUND",
        hint="Read the case; `receipt.index` of one of its decisions names it.",
    )


def _no_such_proposal() -> NotFoundError:
    return NotFoundError(
        "there is no such proposal",
        zh="没有找到该提议，请核对序号。",
        reason="PROPOSAL_NOT_FOUND",
        hint="`ListProposals` tells which are open.",
    )


def _not_now(act: Act, grant: Grant) -> PreconditionError:
    return PreconditionError(
        f"`{act}` does not follow on a grant that is `{grant.standing}`",
        zh="该办件目前的状态不允许此项处理，请先查询办件。",
        reason="STANDING_DOES_NOT_ALLOW",
        hint="Read the case; `standing` says how its grant stands.",
        act=act,
        standing=grant.standing,
    )
