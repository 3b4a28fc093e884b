"""Have persons decide again what rules have decided wrongly, and tell whom it hit (S18).

Nothing is taken back here: what was granted stays granted until a person has decided otherwise.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from audit.trail import Recorded
from audit.trail.queries import All, Either, Is
from decision_service.admission import takes_part
from decision_service.casebook import By
from decision_service.decide import refuse_reuse
from decision_service.errors import (
    ErasedError,
    FieldViolation,
    InvalidRequestError,
    RecordDamagedError,
)
from decision_service.followup import Act, Reopening
from decision_service.inspection import condition_of, draft_of, visit
from decision_service.model import CaseId, CaseState, CaseSummary, MatterId, Text
from decision_service.notice import write_reopening
from decision_service.office import Office
from decision_service.record import (
    DECISION,
    DETERMINATION,
    HAS_ENDED,
    KINDS,
    OVERRIDE,
    Look,
    Taken,
    case_row,
)
from decision_service.release import Release
from decision_service.simulate import Simulated, simulate
from decision_service.standing import ENDED, RULES
from decision_service.stops import refuse_unknown

_METHOD = "ReopenDecisions"

_LAST_WORDS = Either(tuple(Is("type", "=", one) for one in (DECISION, DETERMINATION, OVERRIDE)))

_ALL = 1 << 62
"""Above every index."""

_ACTS = 1_000
"""What is done about one grant, and gone through."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody of the staff wants decisions of rules to be made again by persons.

    Attributes:
        caller, role: Of the token.
        person: Who that is, as the issuer of tokens tags people.
        content_digest: SHA-256 (hex) of the canonical request; tells a repeat from a reuse.
        reason: Why, for the applicants; nothing about anybody.
        filter: Which decisions of the matter, in the language of `filtering`.
        archive: Only those that this release, as `Release.archive` has it, would have made
            otherwise; empty for all.
        deadline: Instant of the event loop's clock by which the call ends.
    """

    caller: str
    role: str
    person: str
    request_id: str
    content_digest: str
    matter: MatterId
    reason: Text
    filter: str
    archive: bytes
    now: datetime
    deadline: float


@dataclass(slots=True)
class Reopened:
    """How far it is.

    Attributes:
        reopened: How many persons decide again, by this request.
        last: Index of the last one; -1 before the first.
        passed_over: How many not, by why: ``same``, ``open``, ``superseded``, ``own``, ``erased``
            or ``tampered``.
    """

    total: int
    done: int = 0
    reopened: int = 0
    last: int = -1
    passed_over: Counter[str] = field(default_factory=Counter)

    def add(self, index: int, why_not: str) -> None:
        """Count one more, and why it is passed over; empty if it is not."""
        self.done, self.last = self.done + 1, index
        if why_not:
            self.passed_over[why_not] += 1
        else:
            self.reopened += 1


async def reopen(ask: Ask, *, office: Office) -> AsyncGenerator[Reopened, None]:
    """Send decided cases to the counter, the oldest first, as far as time allows.

    Raises:
        NotPublishedError: There is no such matter.
        NotAuthorizedError: Nobody can say who the caller is.
        InvalidRequestError: The filter or the release cannot be read, or it is another matter's.
        RequestReusedError: The ``request_id`` came before, with another body.
        NotRecordedError: It could not be recorded; what was reopened before stays so.
    """
    refuse_unknown(ask.matter, ask.person, office)
    matching = condition_of(ask.filter, office)
    release = await asyncio.to_thread(_corrected, ask) if ask.archive else None
    told_of = {"simulated_digest": release.digest} if release else {}
    look = Look(
        caller=ask.caller,
        role=ask.role,
        method=_METHOD,
        filter=ask.filter,
        matter=ask.matter,
        told=told_of,
    )
    until = await office.record.looked(look, now=ask.now)
    of_matter = Is("type", "=", DECISION), Is("matter", "=", ask.matter), Is("idx", "<=", until)
    condition = All((*of_matter, HAS_ENDED, matching))
    progress = Reopened(await office.record.count(condition))

    async def look_at(index: int) -> None:
        try:
            why_not = await _reopen(index, ask, release, office)
        except ErasedError:
            why_not = "erased"
        except RecordDamagedError:
            why_not = "tampered"
        progress.add(index, why_not)

    async with aclosing(visit(condition, look_at, office=office, deadline=ask.deadline)) as moments:
        async for _ in moments:
            yield progress


def _corrected(ask: Ask) -> Release:
    release = draft_of(ask.archive)
    if release.matter.id != ask.matter:
        raise InvalidRequestError(
            [
                FieldViolation(
                    field="release",
                    reason="OTHER_MATTER",
                    message=f"is a release of `{release.matter.id}`",
                    zh=f"是“{release.matter.id}”的版本，与所选事项不符",
                )
            ]
        )
    return release


async def _reopen(index: int, ask: Ask, release: Release | None, office: Office) -> str:
    """Send one decided case to the counter; why not, if it is passed over."""
    record, casebook = office.record, office.casebook
    decided = await record.recorded(index)
    application, decision = await record.decision_at(index)
    if takes_part(ask.person, (*application.parties, application.authority.person), office):
        return "own"
    case_id = decision.case_id
    # One request is many entries, one a case.
    key = record.request_key(f"{_METHOD} {case_id}", ask)
    while True:
        if (earlier := await record.latest(key)) is not None:
            refuse_reuse(ask.content_digest, await casebook.content_digest(earlier))
            return ""
        newest = await record.latest(record.case_key(case_id))
        case = await record.case(case_id)
        assert case is not None, "it was decided"  # noqa: S101
        if why := await _passed_over(index, case, release, office):
            return why
        if not isinstance(await _send(decided, case, newest, key, ask, office), Taken):
            return ""  # else the case has moved meanwhile: see how it stands now


async def _passed_over(
    index: int, case: CaseSummary, release: Release | None, office: Office
) -> str:
    """Why no person has to look at the decision again; empty if one has to."""
    if case.state not in {CaseState.APPROVED, CaseState.REFUSED}:
        return "open"
    words = All((Is("case_id", "=", case.case_id), _LAST_WORDS))
    (last,) = await office.record.find(words, before=_ALL, limit=1)
    if last.index != index or await _was_changed(case.case_id, office):
        return "superseded"
    if release is not None:
        found = await simulate(index, release, office=office)
        if isinstance(found, Simulated) and found.is_same:
            return "same"
    return ""


async def _was_changed(case_id: CaseId, office: Office) -> bool:
    """Whether what was granted is so no longer, or otherwise than it was granted."""
    acts = All((Is("case_id", "=", case_id), Is("type", "=", KINDS.act)))
    done = await office.record.find(acts, before=_ALL, limit=_ACTS)
    rules = [RULES[Act(str(one.leaf.permanent["act"]))] for one in done]
    return any(rule.overturns or rule.then in ENDED for rule in rules)


async def _send(  # noqa: PLR0917  # what one entry is made of
    decided: Recorded,
    case: CaseSummary,
    newest: int | None,
    key: str,
    ask: Ask,
    office: Office,
) -> object:
    digest = str(decided.permanent["release_digest"])
    under = await office.release(digest)
    due = office.promised_by(under.matter.promised_limit, office.today(ask.now))
    return await office.casebook.add(
        Reopening(decision=decided.index, reason=ask.reason, person=ask.person),
        by=By.of(ask, key),
        case_id=case.case_id,
        matter=case.matter,
        subject=decided.subject,
        release_digest=digest,
        row=case_row(case.model_copy(update={"state": CaseState.REFERRED}), due_time=due),
        expect={key: None, office.record.case_key(case.case_id): newest},
        notice=write_reopening(
            under.matter,
            case_number=case.case_number,
            reason=ask.reason,
            until=office.today(due),
        ),
    )
