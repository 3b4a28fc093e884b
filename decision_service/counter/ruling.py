"""A clerk decides: alone, or with a second one where two are needed."""

from collections.abc import Mapping

from decision_service.counter.determination import (
    Drawn,
    Instruction,
    determination,
    draw,
)
from decision_service.counter.docket import (
    RETURN,
    Clerk,
    Docket,
    Proposal,
    Standing,
)
from decision_service.counter.dossier import (
    Dossier,
    as_step,
    granted_already,
    open_case,
    refuse_closed,
    refuse_foreign_papers,
    refuse_other_state,
    refuse_same_person,
    refuse_stale,
    refuse_unclaimed,
    refuse_unopened,
    seconds_since_claim,
    stale,
    step,
    written_or_stale,
)
from decision_service.errors import (
    PreconditionError,
)
from decision_service.model import (
    Approved,
    Decision,
    Granted,
)
from decision_service.office import Office
from decision_service.record import Taken
from decision_service.standing import grant_of


async def determine(
    case_id: str,
    tag: str,
    instruction: Instruction,
    *,
    clerk: Clerk,
    office: Office,
) -> Decision | Standing:
    """Decide a case that was referred, or otherwise than it was decided.

    Returns:
        The decision; or where the case stands now that a second clerk must confirm it.

    Raises:
        StaleError: The case has moved on.
        NotAuthorizedError: It is the clerk's own.
        PreconditionError: It is not the clerk's to decide now, or was not opened.
        InvalidRequestError: It cannot be decided like this.
        NotRecordedError: It could not be recorded, so nothing is decided.
    """
    found = await open_case(case_id, clerk, office)
    refuse_stale(tag, found)
    refuse_other_state(found, overriding=instruction.overriding)
    refuse_unclaimed(found, clerk)
    if found.standing.proposal is not None:
        raise PreconditionError(
            "another decision of this case waits for a second clerk",
            zh="该办件已有待复核的决定，请先确认或退回。",
            reason="PROPOSAL_PENDING",
            hint="Confirm it or return it.",
        )
    await refuse_unopened(found, clerk, office, since=found.decided)
    await refuse_foreign_papers(instruction.papers, found, office, at="papers")
    held = await _held(found, office)
    drawn = draw(instruction, found.basis, stands=found.stands, held=held)
    handling_s = seconds_since_claim(found, clerk)
    if not drawn.two_persons:
        return await _decide(
            found, instruction, drawn, clerk, office, by=clerk, handling_s=handling_s
        )
    await _grant_claim(found, drawn, office)  # no proposal that could never be confirmed
    step = as_step(found, found.standing.unclaimed, clerk)
    written = await Docket(office.record).proposed(step, instruction, drawn, handling_s=handling_s)
    index = written_or_stale(written).index
    return Standing(index=index, proposal=index)


async def confirm(case_id: str, tag: str, text: str, *, clerk: Clerk, office: Office) -> Decision:
    """Confirm as the second person what a first one wants decided; only now it is.

    Raises:
        StaleError: The case has moved on.
        NotAuthorizedError: The case is the clerk's own, or the proposal is.
        PreconditionError: Nothing waits, or the clerk has not claimed or not opened the case.
        NotRecordedError: It could not be recorded, so nothing is decided.
    """
    found, proposal = await _proposed(case_id, tag, clerk, office)
    held = await _held(found, office)
    drawn = draw(proposal.instruction, found.basis, stands=found.stands, held=held)
    return await _decide(
        found,
        proposal.instruction,
        drawn,
        clerk,
        office,
        by=proposal,
        handling_s=proposal.handling_s,
        confirmation=text,
    )


async def hand_back(case_id: str, tag: str, text: str, *, clerk: Clerk, office: Office) -> Standing:
    """Do not confirm: the case goes back to the queue, with the reason.

    Raises:
        As `confirm`.
    """
    found, proposal = await _proposed(case_id, tag, clerk, office)
    return await step(
        found,
        Standing(),
        clerk,
        office,
        type_=RETURN,
        did="returned",
        more={"text": text, "proposal": proposal.index},
    )


async def _held(found: Dossier, office: Office) -> tuple[Granted, ...] | None:
    """What is granted in the case, as it is now, and would be taken; None if nothing is."""
    if not found.granted:
        return None
    decisions = await office.record.decisions(found.case.case_id)
    return grant_of(decisions, await office.casebook.happened(found.case.case_id)).outputs


async def _proposed(
    case_id: str, tag: str, clerk: Clerk, office: Office
) -> tuple[Dossier, Proposal]:
    found = await open_case(case_id, clerk, office)
    refuse_stale(tag, found)
    refuse_closed(found)
    if found.standing.proposal is None:
        raise PreconditionError(
            "no decision of this case waits for a second clerk",
            zh="该办件没有待复核的决定。",
            reason="NOTHING_PROPOSED",
            hint="Read the case again.",
        )
    proposal = await Docket(office.record).proposal(found.standing.proposal)
    refuse_same_person(proposal, clerk, office)
    refuse_unclaimed(found, clerk)
    await refuse_unopened(found, clerk, office, since=proposal.index)
    return found, proposal


async def _decide(
    found: Dossier,
    instruction: Instruction,
    drawn: Drawn,
    clerk: Clerk,
    office: Office,
    *,
    by: Clerk | Proposal,
    handling_s: int,
    confirmation: str = "",
) -> Decision:
    """Record the decision; the case, the desk and the grant move with it, or nothing does."""
    record = office.record
    expect = {
        record.case_key(found.case.case_id): found.decided,
        **await _grant_claim(found, drawn, office),
    }
    draft = found.before.model_copy(
        update={
            "outcome": drawn.outcome,
            "decide_time": clerk.now,
            "follows": found.decided,
            "determination": determination(instruction, drawn, confirmed=isinstance(by, Proposal)),
        }
    )
    written = await Docket(record).determined(
        as_step(found, Standing(), clerk),
        draft,
        instruction,
        drawn,
        decided_by=by,
        handling_s=handling_s,
        confirmation=confirmation,
        expect=expect,
    )
    match written:
        case Taken(key=key) if key.startswith("grant:"):
            raise granted_already()
        case Taken():
            raise stale()
        case Decision():
            return written


async def _grant_claim(found: Dossier, drawn: Drawn, office: Office) -> Mapping[str, int | None]:
    """The key of what can be granted once; a grant that was taken back leaves it free."""
    matter, record = found.before.matter, office.record
    if not matter.once_per_subject:
        return {}
    approves = isinstance(drawn.outcome, Approved)
    key = record.grant_key(matter.id, found.subject)
    holder = await record.latest(key)
    if holder is None:
        return {key: None} if approves else {}
    held = (await record.recorded(holder)).permanent
    own = held["case_id"] == found.case.case_id
    if approves and not own and held.get("outcome") == "approved":
        raise granted_already()
    return {key: holder} if approves or own else {}
