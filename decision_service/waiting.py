"""Cases that wait for a source: decided again when it is back, referred when their time is over."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from uuid import uuid4

from decision_service.admission import Admission, unknown_here
from decision_service.decide import commit, judged
from decision_service.errors import ErasedError, NotRecordedError, PreconditionError
from decision_service.evidence import asked_about, gather, plan
from decision_service.model import CaseId, CaseState, Decision, Waiting
from decision_service.office import Office

FIRST_PAUSE_S = 2.0
"""From the first decision to the second try; each further pause is twice as long."""

LONGEST_PAUSE_S = 600.0
"""Until the case has waited for hours: then the pauses grow with the time it has waited."""

SHARE = 1 / 24
"""Of the time that a case has waited, how long the next pause may be: a source that takes weeks is
not asked six thousand times about a person (data minimisation, PIPL Article 6)."""

PATIENCE_S = 10.0
"""How long one try waits for its registers: nobody is holding a line open."""

_NO_FAULT = (NotRecordedError, PreconditionError, ErasedError)
"""What a try may meet without a fault of ours: a full disk, somebody who was faster, or that
nobody can decide the case any more."""

AT_ONCE = 16
"""Cases tried together: a register that is still silent holds up so many, and not the others."""


async def watch(
    office: Office,
    *,
    clock: Callable[[], datetime],
    failed: Callable[[CaseId, BaseException], None],
    look_every_s: float = 1.0,
) -> None:
    """Decide waiting cases again, until cancelled. A case that cannot be recorded is tried again.

    Args:
        clock: Read once a try.
        failed: Told of a case that cannot be decided for a reason of ours, e.g. a damaged entry;
            it is tried again with the others, and they with it.
        look_every_s: Seconds between two looks at the queue.
    """
    loop = asyncio.get_running_loop()
    next_try: dict[CaseId, tuple[float, float, float]] = {}

    def is_due(case_id: CaseId) -> bool:
        now = loop.time()
        since, at, pause = next_try.setdefault(case_id, (now, now + FIRST_PAUSE_S, FIRST_PAUSE_S))
        if now < at:
            return False
        longer = longer_pause(pause, now - since)
        next_try[case_id] = (since, now + longer, longer)
        return True

    while True:
        waiting = await office.record.waiting()
        next_try = {case: next_try[case] for case in waiting if case in next_try}
        due = [case_id for case_id in waiting if is_due(case_id)]
        for first in range(0, len(due), AT_ONCE):
            cases = due[first : first + AT_ONCE]
            tries = (decide_again(case_id, office=office, now=clock()) for case_id in cases)
            ends = await asyncio.gather(*tries, return_exceptions=True)
            for case_id, end in zip(cases, ends, strict=True):
                if isinstance(end, BaseException) and not isinstance(end, _NO_FAULT):
                    failed(case_id, end)
        await asyncio.sleep(look_every_s)


def longer_pause(pause_s: float, waited_s: float) -> float:
    """The pause after this one, in seconds, for a case that has waited so long."""
    return max(min(2 * pause_s, LONGEST_PAUSE_S), SHARE * waited_s)


async def decide_again(case_id: CaseId, *, office: Office, now: datetime) -> Decision | None:
    """Ask the registers of a waiting case again; decide if they allow it, or its time is over.

    The rules are those of its filing day. The access is recorded before anybody is asked.

    Returns:
        The new decision, or None if the case goes on waiting: also for the next try, if what the
        decision rests on has moved meanwhile.

    Raises:
        NotRecordedError: The access or the decision could not be recorded.
        PreconditionError: Somebody else decided the case meanwhile.
    """
    index = await office.record.latest(office.record.case_key(case_id))
    case = await office.record.case(case_id)
    if index is None or case is None or case.state is not CaseState.WAITING:
        return None
    digest = (await office.record.recorded(index)).permanent["release_digest"]
    release = await office.release(str(digest))
    before = await office.record.draft_at(index, release.matter)
    if not isinstance(before.outcome, Waiting):
        return None
    objected = unknown_here(
        before.application, release, await office.casebook.look(before.application)
    )
    asked = plan(
        before.application,
        release,
        release.form.read(before.application.answers),
        objected=objected,
        case_id=case_id,
        filing_date=before.filing_date,
        now=now,
        new_id=lambda: str(uuid4()),
    )
    await office.record.access(
        before.application,
        asked_about(before.application, asked),
        case=before.case,
        opens_case=False,
        release_digest=release.digest,
        now=now,
        flow="waiting",
    )
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    answers = gather(asked, office.sources, deadline=deadline, now=now)
    async with aclosing(answers):
        seen = [evidence async for evidence in answers]
    sight = await office.casebook.look(before.application)
    draft = judged(
        before.application,
        Admission(
            release=release,
            case=before.case,
            filing_date=before.filing_date,
            zone=before.zone,
            follows=index,
            objected=unknown_here(before.application, release, sight),
            is_stopped=sight.is_stopped,
        ),
        seen,
        now=now,
        wait_until=before.outcome.until if now < before.outcome.until else None,
    )
    if isinstance(draft.outcome, Waiting):
        return None
    written = await commit(draft, {}, sight, office)
    return written if isinstance(written, Decision) else None
