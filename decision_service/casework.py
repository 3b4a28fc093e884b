"""What became of an application: cases and receipts, for the caller who opened them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from decision_service.admission import has_acted, no_such_case
from decision_service.errors import NotFoundError
from decision_service.followup import (
    CaseFile,
    Delivery,
    Happened,
    Mandate,
    Served,
    StandingChange,
)
from decision_service.model import Approved, Capacity, CaseSummary, Decision, Document, Party
from decision_service.office import Office
from decision_service.serving import served
from decision_service.standing import RULES, grant_of


@dataclass(frozen=True, slots=True)
class Onlooker:
    """To whom a case is shown, as far as the portal says so.

    Attributes:
        documents: Empty if it does not say; then it answers for who it is.
    """

    documents: tuple[Document, ...]
    now: datetime


async def case(
    case_id: str, *, caller: str, office: Office, onlooker: Onlooker | None = None
) -> CaseFile:
    """The case with its decisions and everything that has followed, for its applicant.

    Raises:
        NotFoundError: The caller, or whom it is shown to, has no such case.
        ErasedError: Its content was erased on the person's demand.
    """
    found = await file_of(await own(case_id, caller, office, onlooker), office)
    return found.model_copy(update={"rated": await office.casebook.rated(case_id)})


async def file_of(summary: CaseSummary, office: Office) -> CaseFile:
    """A case, opened.

    Raises:
        ErasedError: Its content was erased on the person's demand.
    """
    decisions = await office.record.decisions(summary.case_id)
    events = await office.casebook.happened(summary.case_id)
    grant = grant_of(decisions, events)
    return CaseFile(
        **summary.model_dump(),
        decisions=decisions,
        events=events,
        standing=grant.standing,
        grant=grant.outputs,
        served=tuple(_served(decisions, events, office)),
    )


def _served(
    decisions: Sequence[Decision], events: Sequence[Happened], office: Office
) -> Iterator[Served]:
    """Of every notice that counts as served, when that was and what terms run from it."""
    deliveries = [one.step for one in events if isinstance(one.step, Delivery)]
    notices = [
        *((one.receipt.index, isinstance(one.outcome, Approved)) for one in decisions),
        *(
            (one.receipt.index, not RULES[one.step.act].takes)
            for one in events
            if isinstance(one.step, StandingChange)
        ),
    ]
    for index, favours in notices:
        found = served(
            index,
            deliveries,
            favours=favours,
            remedies=decisions[-1].remedies,
            zone=office.zone,
            workdays=office.workdays,
        )
        if found is not None:
            yield found


async def receipt(
    case_id: str,
    index: int | None,
    *,
    caller: str,
    office: Office,
    onlooker: Onlooker | None = None,
) -> str:
    """The receipt file of a decision of the case, by default of its newest.

    Raises:
        NotFoundError: The caller has no such case, or the case no such decision.
        ErasedError: Its keys were destroyed on the person's demand.
    """
    summary = await own(case_id, caller, office, onlooker)
    decisions = await office.record.decisions(summary.case_id)
    wanted = [
        decision.receipt.index
        for decision in decisions
        if index is None or decision.receipt.index == index
    ]
    if not wanted:
        raise NotFoundError(
            "the case has no such decision",
            zh="该办件没有这一决定，请先查询办件，再用其中决定的 receipt.index。",
            reason="DECISION_NOT_FOUND",
            hint="Read the case; `receipt.index` of one of its decisions names it.",
        )
    return await office.record.receipt(wanted[-1])


async def own(
    case_id: str, caller: str, office: Office, onlooker: Onlooker | None = None
) -> CaseSummary:
    """The caller's own case; anybody else's is not there (AIP-211)."""
    summary = await office.record.case(case_id)
    if summary is None or summary.caller != caller:
        raise no_such_case()
    if onlooker and onlooker.documents and not await _may_see(summary, onlooker, office):
        raise no_such_case()
    return summary


async def _may_see(summary: CaseSummary, onlooker: Onlooker, office: Office) -> bool:
    """Whether it is the applicant, or who opened it for them; an agent while the mandate holds."""
    parties = (await office.record.opening(summary.case_id)).parties
    if parties[0].named_by in onlooker.documents:
        return True
    agent, guardian = (Party(role=one, documents=onlooker.documents) for one in Capacity)
    if not has_acted(agent, parties):
        return has_acted(guardian, parties)
    granted = await office.casebook.mandate(parties[0].subject, agent.subject)
    step = granted.step if granted else None
    day = office.today(onlooker.now)
    return isinstance(step, Mandate) and step.covers(summary.matter, day)
