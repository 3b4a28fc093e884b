"""A clerk opens a case, claims it, attaches papers, lets it go; and looks again at another's."""

from dataclasses import replace
from datetime import timedelta

from decision_service.casework import file_of
from decision_service.counter.determination import (
    COMES_TO,
    Result,
)
from decision_service.counter.docket import (
    BLIND,
    CLAIM,
    DOSSIER,
    MOST_PAPERS,
    Clerk,
    Docket,
    Paper,
    Standing,
)
from decision_service.counter.dossier import (
    Dossier,
    as_step,
    open_case,
    refuse_closed,
    refuse_foreign_papers,
    refuse_same_person,
    refuse_stale,
    refuse_unclaimed,
    step,
    written_or_stale,
)
from decision_service.errors import (
    NotAuthorizedError,
    NotFoundError,
    PreconditionError,
)
from decision_service.office import Office
from decision_service.record import DETERMINATION, OVERRIDE, Look, Taken

CLAIM_LASTS = timedelta(minutes=30)
"""How long a claim keeps others away; claiming again renews it."""


# ── opening ──────────────────────────────────────────────────────────────────────────────────────


async def dossier(case_id: str, *, blind: bool, clerk: Clerk, office: Office) -> Dossier:
    """Open a case. The look is an entry about whose case it is.

    Args:
        case_id: Its id, or its number as notices have it (办件编号).
        blind: Whether to leave out what persons have decided or proposed, for a second look.

    Raises:
        NotFoundError: There is no such case.
        PreconditionError: It was not handed in yet.
        NotAuthorizedError: It is the clerk's own.
        ErasedError: It was erased on the person's demand.
        NotRecordedError: The look could not be recorded.
    """
    case_id = await office.record.case_named(case_id)
    found = await open_case(case_id, clerk, office)
    docket = Docket(office.record)
    look = Look(
        caller=clerk.caller,
        role="clerk",
        flow="counter",
        method=BLIND if blind else DOSSIER,
        subject=found.subject,
        matter=found.case.matter,
        case_id=case_id,
    )
    await office.record.looked(look, now=clerk.now)
    papers = await docket.papers(case_id)
    if blind:
        return replace(found, papers=papers)
    proposal = found.standing.proposal
    return replace(
        found,
        papers=papers,
        whole=await file_of(found.case, office),
        proposal=None if proposal is None else await docket.proposal(proposal),
    )


async def paper(case_id: str, index: int, *, clerk: Clerk, office: Office) -> tuple[Paper, bytes]:
    """A paper of a case, with its bytes. The look is an entry.

    Raises:
        NotFoundError: The case has no such paper.
    """
    found = await open_case(case_id, clerk, office)
    await refuse_foreign_papers((index,), found, office, at="index")
    look = Look(
        caller=clerk.caller,
        role="clerk",
        flow="counter",
        method="GetPaper",
        subject=found.subject,
        matter=found.case.matter,
        case_id=case_id,
        index=index,
    )
    await office.record.looked(look, now=clerk.now)
    return await Docket(office.record).paper(index)


# ── claiming ─────────────────────────────────────────────────────────────────────────────────────


async def claim(case_id: str, tag: str, *, clerk: Clerk, office: Office) -> Standing:
    """Take a case, or keep it for longer; others are kept away until the claim runs out.

    Raises:
        StaleError: The case has moved on.
        PreconditionError: Another clerk works on it, or it is with nobody at the counter.
        NotAuthorizedError: It is the clerk's own, or waits for somebody else to confirm.
    """
    found = await open_case(case_id, clerk, office)
    refuse_stale(tag, found)
    refuse_closed(found)
    holder = found.standing.holder(clerk.now)
    if holder and holder != clerk.caller:
        raise PreconditionError(
            "another clerk works on this case",
            zh="该办件正由其他工作人员办理，请办理其他办件，或待其认领到期后再试。",
            reason="CASE_CLAIMED",
            hint="Take another case, or come back when the claim runs out.",
            until_time=found.standing.until.isoformat() if found.standing.until else "",
        )
    if found.standing.proposal is not None:
        proposal = await Docket(office.record).proposal(found.standing.proposal)
        refuse_same_person(proposal, clerk, office)
    since = found.standing.since if holder else None
    after = replace(
        found.standing,
        clerk=clerk.caller,
        since=since or clerk.now,
        until=clerk.now + CLAIM_LASTS,
    )
    return await step(found, after, clerk, office, type_=CLAIM, did="claimed")


async def let_go(case_id: str, tag: str, *, clerk: Clerk, office: Office) -> Standing:
    """Give a claimed case back to the queue.

    Raises:
        StaleError: The case has moved on.
        PreconditionError: The clerk has not claimed it.
    """
    found = await open_case(case_id, clerk, office)
    refuse_stale(tag, found)
    refuse_unclaimed(found, clerk)
    return await step(found, found.standing.unclaimed, clerk, office, type_=CLAIM, did="released")


async def attach(
    case_id: str,
    tag: str,
    *,
    name: str,
    media_type: str,
    content: bytes,
    clerk: Clerk,
    office: Office,
) -> tuple[Paper, Standing]:
    """Attach a paper that the clerk has seen; it is sealed with the case.

    Raises:
        StaleError: The case has moved on.
        PreconditionError: The clerk has not claimed it, or it has too many papers.
    """
    found = await open_case(case_id, clerk, office)
    refuse_stale(tag, found)
    refuse_closed(found)
    refuse_unclaimed(found, clerk)
    docket = Docket(office.record)
    if len(await docket.papers(case_id)) >= MOST_PAPERS:
        raise PreconditionError(
            f"the case has {MOST_PAPERS} papers, and no more are taken",
            zh=f"该办件材料已达 {MOST_PAPERS} 份上限，请合并后上传。",
            reason="TOO_MANY_PAPERS",
            hint="Put several pages into one file.",
        )
    step = as_step(found, found.standing, clerk)
    written = await docket.attached(step, name=name, media_type=media_type, content=content)
    index = written_or_stale(written).index
    return (await docket.paper(index))[0], replace(found.standing, index=index)


async def look_again(
    case_id: str, target: int, result: Result, text: str, *, clerk: Clerk, office: Office
) -> bool:
    """Say what a second clerk would have decided, not knowing what was.

    Args:
        target: Index of the person's decision that was drawn.

    Returns:
        Whether the result is the same.

    Raises:
        NotFoundError: No person decided that in this case.
        NotAuthorizedError: The case is the clerk's own, or the decision is.
        PreconditionError: The clerk has not opened the case blind, or has seen what was decided;
            or somebody else was first.
        NotRecordedError: It could not be recorded.
    """
    found, docket = await open_case(case_id, clerk, office), Docket(office.record)
    recorded = await office.record.recorded(target)
    permanent = recorded.permanent
    if recorded.type not in _BY_PERSONS or permanent["case_id"] != case_id:
        raise NotFoundError(
            "that entry is no person's decision of this case",
            zh="该记录不是工作人员对该办件作出的决定，请先抽取样本。",
            reason="DETERMINATION_NOT_FOUND",
            hint="`DrawSample` tells which are to be looked at.",
        )
    by_same = docket.person(clerk) in {permanent["person"], permanent.get("author", "")}
    if by_same or clerk.caller in {permanent["caller"], permanent.get("second", "")}:
        raise NotAuthorizedError(
            "the clerk took part in this decision",
            zh="您参与了该决定，须由另一名工作人员复看。",
            reason="SECOND_PERSON_REQUIRED",
            hint="Let another clerk look at it.",
        )
    if await docket.opened(case_id, clerk, since=target) != {BLIND}:
        raise PreconditionError(
            "the clerk has not opened this case blind, or has seen what was decided",
            zh="复看前应以“不看原决定”的方式查阅案卷；已看过原决定的，请由他人复看。",
            reason="NOT_BLIND",
            hint="Open it with `GetDossier` and `blind`; who has seen the decision lets another "
            "look.",
        )
    agrees = permanent["outcome"] == COMES_TO[result].value
    step = as_step(found, found.standing, clerk)
    written = await docket.looked_again(
        step, target=target, result=result, agrees=agrees, text=text
    )
    if isinstance(written, Taken):
        raise PreconditionError(
            "somebody has looked at it already",
            zh="该决定已有人复看。",
            reason="LOOKED_ALREADY",
            hint="Take another one of the sample.",
        )
    return agrees


_BY_PERSONS = {DETERMINATION, OVERRIDE}
