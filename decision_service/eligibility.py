"""Whether somebody could be granted something, without applying for it. This is no decision."""

from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import uuid4

from audit.trail.queries import All, Is
from decision_service.admission import Admission, admit
from decision_service.errors import TooOftenError
from decision_service.evidence import RESERVED_S, Plan, asked_about, gather, plan
from decision_service.judge import explain, judge
from decision_service.model import Evidence, MatterId, PrefillRequest, Reason, Text
from decision_service.office import Office
from decision_service.record import ACCESS
from decision_service.release import sound
from decision_service.settle import settle

NO_DECISION = Text(
    zh="本结果仅供参考，不是行政决定，不产生任何权利义务；是否批准以正式申请后的决定为准。",
    en="This is information and no decision; it gives and takes no right. What counts is the "
    "decision on an application.",
)


class Prospect(StrEnum):
    """What an application would meet, as far as it is known today."""

    MEETS_ALL = "meets_all"
    MISSES_SOME = "misses_some"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Eligibility:
    """What a check found.

    Attributes:
        requirements: What became of each, in the order of the rule file; none if the two ways of
            applying the rules did not agree, or if the matter is stopped.
        gaps: Every field of the form that an application would still have to fill in or correct.
    """

    matter: MatterId
    rules_effective_date: date
    prospect: Prospect
    requirements: tuple[Reason, ...]
    gaps: tuple[Reason, ...]
    evidence: tuple[Evidence, ...]


FLOW = "eligibility"
"""Of the access entries; nothing else is recorded."""

MOST_AN_HOUR = 20
"""Checks about one person; far above what anybody needs, far below what trying out takes."""

_HOUR = timedelta(hours=1)


async def check(
    request: PrefillRequest, *, office: Office, now: datetime, deadline: float
) -> Eligibility:
    """Ask the registers as for an application, and judge by the same rules.

    There is no case and no grant, and nothing is recorded but that the registers were asked.

    Args:
        now: The one instant of this request.
        deadline: Instant of the event loop's clock by which the caller wants the answer.

    Raises:
        TooOftenError: It was checked too often for this person within the hour.
        NotRecordedError: The access could not be recorded.
        DecisionServiceError: The request cannot be admitted; see `admit` and `Form.read`.
    """
    sight = await office.casebook.look(request)
    admission = admit(request, sight, mode="instant", office=office, now=now, deadline=deadline)
    release = admission.release
    gaps = release.form.read(request.answers)
    asked = plan(
        request,
        release,
        gaps,
        objected=admission.objected,
        case_id=admission.case.case_id,
        filing_date=admission.filing_date,
        now=now,
        new_id=lambda: str(uuid4()),
    )
    await _count(request, asked, admission, office=office, now=now)
    answers = gather(asked, office.sources, deadline=deadline - RESERVED_S, now=now)
    async with aclosing(answers):
        seen = [evidence async for evidence in answers]
    facts = settle(
        release,
        seen,
        sound(request.answers, gaps),
        admission.objected,
        filing_date=admission.filing_date,
        decide_time=now,
    )
    judgement = judge(release, facts, gaps=gaps, wait_until=None)
    verdict = None if admission.is_stopped else judgement.verdict
    requirements = explain(release, facts, verdict) if verdict else ()
    return Eligibility(
        matter=release.matter.id,
        rules_effective_date=release.effective,
        prospect=_prospect(requirements),
        requirements=requirements,
        gaps=tuple(Reason(code=gap.code, field=gap.field, text=gap.text) for gap in gaps),
        evidence=tuple(sorted(seen, key=lambda one: one.evidence_type)),
    )


def _prospect(requirements: tuple[Reason, ...]) -> Prospect:
    codes = {reason.code for reason in requirements}
    if "REQUIREMENT_NOT_MET" in codes:
        return Prospect.MISSES_SOME
    return Prospect.MEETS_ALL if codes == {"REQUIREMENT_MET"} else Prospect.OPEN


async def _count(
    request: PrefillRequest, asked: Plan, admission: Admission, *, office: Office, now: datetime
) -> None:
    """Record that registers are about to be asked; of checks at once each counts the others."""
    record = office.record
    key = record.check_key(request.subject)
    while True:
        newest = await record.latest(key)
        await _refuse_too_often(request, office, now)
        taken = await record.access(
            request,
            asked_about(request, asked),
            case=admission.case,
            opens_case=False,
            release_digest=admission.release.digest,
            now=now,
            flow=FLOW,
            expect={key: newest},
        )
        if taken is None:
            return


async def _refuse_too_often(request: PrefillRequest, office: Office, now: datetime) -> None:
    """Nobody finds out about a person, or about the rules, by trying again and again."""
    lately = All(
        (
            office.record.about(request.subject),
            Is("type", "=", ACCESS),
            Is("time", ">", now - _HOUR),
        )
    )
    found = await office.record.find(lately, before=1 << 62, limit=1_000)
    checks = [one.leaf.time for one in found if one.leaf.permanent.get("flow") == FLOW]
    if len(checks) >= MOST_AN_HOUR:
        raise TooOftenError(
            f"this person's eligibility was checked {MOST_AN_HOUR} times within an hour",
            zh=f"一小时内已查询 {MOST_AN_HOUR} 次，请稍后再查；如需办理可直接提交申请。",
            reason="CHECKED_TOO_OFTEN",
            hint="Wait as long as `retry_delay` says, or hand in the application.",
            retry_after_s=(checks[MOST_AN_HOUR - 1] + _HOUR - now).total_seconds(),
        )
