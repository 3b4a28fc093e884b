"""After the decision: notices are served, grants change, registers answer, approvals are checked.

Whatever takes something from somebody is done by a person of the authority, under an article of
the law, with a reason, after the person could speak. Nothing here is ever done by the service
itself, and nothing claims back what was paid (S19).
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from audit.trail import Recorded
from audit.trail.queries import All, Either, Found, Is
from decision_service.admission import no_such_case
from decision_service.casebook import By
from decision_service.casework import file_of
from decision_service.decide import refuse_reuse
from decision_service.errors import (
    FieldViolation,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
)
from decision_service.followup import (
    Act,
    CaseFile,
    Delivery,
    FollowUp,
    Resolution,
    StandingChange,
)
from decision_service.model import CaseId, Concept, Matter, MatterId, Text
from decision_service.office import Office
from decision_service.record import DECISION, DETERMINATION, OVERRIDE, Look, Taken
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
    """

    caller: str
    role: str
    method: str
    request_id: str
    content_digest: str
    now: datetime


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
        notices = {one.receipt.index: one.decide_time for one in case.decisions} | {
            one.receipt.index: one.time
            for one in case.events
            if isinstance(one.step, StandingChange)
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
) -> CaseFile:
    """Record what a person of the authority has done about a grant, with its notice.

    Raises:
        NotFoundError: There is no such case, or the grant is of another decision.
        PreconditionError: The table of `standing` does not allow the act now.
        InvalidRequestError: Something that the act needs is missing or does not fit.
        DecisionServiceError: As `_once`.
    """

    async def step(case_id: str) -> _Written:
        key = office.record.case_key(CaseId(case_id))
        newest = await office.record.latest(key)
        case = await _file(case_id, office)
        grant = grant_of(case.decisions, case.events)
        if grant.decision is None or grant.standing not in RULES[change.act].after:
            raise _not_now(change.act, grant)
        if change.decision != grant.decision:
            raise _no_such_notice()
        if wrong := unfit(change, grant, office.today(task.now)):
            raise InvalidRequestError(wrong)
        digest = str((await office.record.recorded(grant.decision)).permanent["release_digest"])
        matter = (await office.release(digest)).matter
        subject = await office.record.subject(case_id)
        return _Written(
            change,
            subject=subject,
            matter=matter.id,
            release_digest=digest,
            notice=write_notice(change, case, matter),
            claims={key: newest, **await _ended(change, matter, subject, office)},
        )

    await _once(task, case_id, step, office)
    return await _file(case_id, office)


async def resolve(task: Task, ticket: str, *, corrected: bool, text: str, office: Office) -> None:
    """Record what the owner of a register found; the mark of the objection is taken away.

    Raises:
        NotFoundError: There is no such ticket.
        PreconditionError: It is resolved already.
        DecisionServiceError: As `_once`.
    """
    casebook = office.casebook
    index = await office.record.latest(casebook.ticket_key(ticket))
    if index is None:
        raise NotFoundError(
            "there is no such ticket",
            zh="没有找到该数据校核单，请核对编号。",
            reason="TICKET_NOT_FOUND",
            hint="`ListTickets` tells which are open.",
        )
    opened = await office.record.recorded(index)
    permanent = opened.permanent

    async def step(_: str) -> _Written:
        if opened.type != "contest/1":
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
            claims={casebook.ticket_key(ticket): index},
        )

    await _once(task, str(permanent["case_id"]), step, office)


async def open_tickets(
    evidence_type: str, *, caller: str, role: str, now: datetime, office: Office
) -> tuple[Recorded, ...]:
    """The newest objections that wait for the owner of a register; of every one if it is empty.

    Raises:
        NotRecordedError: The look could not be recorded.
    """
    look = Look(caller=caller, role=role, method="ListTickets", filter=evidence_type)
    await office.record.looked(look, now=now)
    found = await office.casebook.open_tickets(MOST_TICKETS)
    return tuple(one for one in found if evidence_type in {"", one.permanent["evidence_type"]})


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


async def draw(
    wanted: Draw, *, caller: str, role: str, now: datetime, office: Office
) -> tuple[int, tuple[Found, ...]]:
    """Draw approvals by lot, for a person to check; and of how many they were drawn.

    An approval's lot is SHA-256 over the seed and its leaf hash, so that the same draw has the
    same result for everybody and depends on nothing that could favour or burden anybody.

    Raises:
        NotRecordedError: The draw could not be recorded.
    """
    look = Look(
        caller=caller,
        role=role,
        method="DrawAfterChecks",
        filter=f"{wanted.since}/{wanted.until} {wanted.size} {wanted.seed}",
        matter=wanted.matter,
    )
    until = await office.record.looked(look, now=now)
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
) -> None:
    """Record a step on a case as it stands; the same request is done once.

    Raises:
        RequestReusedError: The ``request_id`` came before, with another body.
        NotRecordedError: It could not be recorded, so nothing was done.
        ErasedError: The case was erased on the person's demand.
    """
    casebook = office.casebook
    key = casebook.request_key(task.caller, task.method, task.request_id)
    while True:
        if (earlier := await office.record.latest(key)) is not None:
            refuse_reuse(task.content_digest, await casebook.content_digest(earlier))
            return
        written = await step(case_id)
        recorded = await casebook.add(
            written.step,
            by=By(
                caller=task.caller,
                role=task.role,
                now=task.now,
                request=key,
                content_digest=task.content_digest,
            ),
            case_id=case_id,
            matter=written.matter,
            subject=written.subject,
            release_digest=written.release_digest,
            expect={key: None, **written.claims},
            notice=written.notice,
        )
        if not isinstance(recorded, Taken):
            return  # else the case has moved meanwhile: see how it stands now


async def _file(case_id: str, office: Office) -> CaseFile:
    summary = await office.record.case(case_id)
    if summary is None:
        raise no_such_case()
    return await file_of(summary, office)


async def _ended(
    change: StandingChange, matter: Matter, subject: str, office: Office
) -> Mapping[str, int | None]:
    """The once-only grant that an act ends, so that it can be granted again.

    Whether by a machine or by a person alone says `Casebook.free_at`.
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


def _not_now(act: Act, grant: Grant) -> PreconditionError:
    return PreconditionError(
        f"`{act}` does not follow on a grant that is `{grant.standing}`",
        zh="该办件目前的状态不允许此项处理，请先查询办件。",
        reason="STANDING_DOES_NOT_ALLOW",
        hint="Read the case; `standing` says how its grant stands.",
        act=act,
        standing=grant.standing,
    )
