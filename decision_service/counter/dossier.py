"""A case as a clerk opens it, and who may not, or not now, do anything with it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from decision_service.admission import (
    no_such_case,
    refuse_matter,
    refuse_own_case,
    refuse_who_saw_ratings,
    unknown_here,
)
from decision_service.counter.determination import Basis
from decision_service.counter.docket import (
    DOSSIER,
    Clerk,
    Docket,
    Paper,
    Proposal,
    Standing,
    Step,
    is_open,
)
from decision_service.draft import Draft
from decision_service.errors import (
    FieldViolation,
    InvalidRequestError,
    NotAuthorizedError,
    NotFoundError,
    PreconditionError,
    StaleError,
)
from decision_service.followup import CaseFile, FollowUp, Objection, Reopening, ReviewRequest
from decision_service.model import CaseState, CaseSummary, Reason, Receipt, Text
from decision_service.office import Office
from decision_service.record import Taken

ASKED_FOR = {
    "review_request/1": "REVIEW_REQUESTED",
    "contest/1": "FACT_CONTESTED",
    "reopening/1": "DECISION_REOPENED",
}
"""Types of entries by which a person is asked for after a decision, and the reason's code."""


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that a clerk needs of a case (案卷).

    Attributes:
        decided: Index of what moved it last: a decision, or what followed one.
        before: The newest decision by rules: what it rests on.
        stands: What the newest decision brought it to. A person may be asked for after that.
        granted: Whether something was granted that an open decision since has left as it is.
        whole: With its decisions and all that has followed; None for who must not know how it
            was decided.
        proposal: What waits for a second clerk; None if nothing does.
    """

    case: CaseSummary
    subject: str
    decided: int
    before: Draft
    basis: Basis
    stands: CaseState
    granted: bool
    standing: Standing
    whole: CaseFile | None = None
    papers: tuple[Paper, ...] = ()
    proposal: Proposal | None = None

    @property
    def etag(self) -> str:
        """Changes with every decision and every step at the counter."""
        return etag(self.decided, self.standing)

    @property
    def asked_for(self) -> tuple[Reason, ...]:
        """Why a person was asked for after it was last decided, the newest first."""
        if self.whole is None:
            return ()
        last = self.whole.decisions[-1].receipt.index
        since = (one.step for one in reversed(self.whole.events) if one.receipt.index > last)
        return tuple(reason for step in since if (reason := _asked_for(step)) is not None)


def _asked_for(step: FollowUp) -> Reason | None:
    match step:
        case ReviewRequest():
            zh, en = "申请人要求由工作人员复核。", "The applicant wants a person to look at it."
        case Objection(concept=concept):
            zh = f"申请人对数据“{concept}”提出异议。"
            en = f"The applicant objects to `{concept}`."
        case Reopening(reason=why):
            zh = f"原决定由系统作出，须由工作人员重新审查。理由：{why.zh}"
            en = f"Rules have decided it, and a person must decide it again. Why: {why.en}"
        case _:
            return None
    return Reason(code=ASKED_FOR[f"{step.kind}/1"], text=Text(zh=zh, en=en))


def etag(decided: int, standing: Standing) -> str:
    """Of a case as it stands (AIP-154)."""
    return f"{decided}.{'none' if standing.index is None else standing.index}"


async def open_case(case_id: str, clerk: Clerk, office: Office) -> Dossier:
    """The case as it stands, if it may be this clerk's business."""
    record = office.record
    case = await record.case(case_id)
    if case is None:
        raise no_such_case()
    refuse_matter(clerk.matters, case.matter)
    docket = Docket(record)
    found = await docket.decided(case_id)
    decided = await record.latest(record.case_key(case.case_id))
    if found is None or decided is None:
        raise PreconditionError(
            "the case was not handed in yet",
            zh="该办件尚未提交申请。",
            reason="CASE_NOT_HANDED_IN",
            hint="Wait until the applicant has handed it in.",
        )
    base, stands, granted = found
    digest = str((await record.recorded(base)).permanent["release_digest"])
    release = await office.release(digest)
    before = await record.draft_at(base, release.matter)
    refuse_own(before, clerk, office)
    await refuse_who_saw_ratings(clerk.caller, clerk.person, before.application.subject, office)
    sight = await office.casebook.look(before.application)
    return Dossier(
        case=case.model_copy(update={"filing_date": before.filing_date}),
        subject=before.application.subject,
        decided=decided,
        before=before,
        basis=Basis(
            release=release,
            application=before.application,
            evidence=before.evidence,
            filing_date=before.filing_date,
            decide_time=before.decide_time,
            because=before.because,
            objected=unknown_here(before.application, release, sight).union(before.objected),
        ),
        stands=stands,
        granted=granted,
        standing=await docket.standing(case_id),
    )


async def step(
    found: Dossier,
    after: Standing,
    clerk: Clerk,
    office: Office,
    *,
    type_: str,
    did: str,
    more: Mapping[str, object] | None = None,
) -> Standing:
    """Record a step that decides nothing.

    Raises:
        StaleError: Another step came first.
    """
    written = await Docket(office.record).stepped(
        as_step(found, after, clerk), type_=type_, did=did, more=more
    )
    return replace(after, index=written_or_stale(written).index)


def as_step(found: Dossier, after: Standing, clerk: Clerk) -> Step:
    """A step from where the case stood when it was opened."""
    return Step(
        case=found.case,
        subject=found.subject,
        release_digest=found.before.release_digest,
        clerk=clerk,
        stands=found.stands,
        before=found.standing,
        after=after,
    )


def written_or_stale(written: Receipt | Taken) -> Receipt:
    """Where it stands in the record; or that another step came first."""
    if isinstance(written, Taken):
        raise stale()
    return written


def seconds_since_claim(found: Dossier, clerk: Clerk) -> int:
    """Whole seconds from the claim."""
    since = found.standing.since or clerk.now
    return max(int((clerk.now - since).total_seconds()), 0)


def refuse_own(before: Draft, clerk: Clerk, office: Office) -> None:
    """Nobody decides about themselves, or about what they filed for another (回避)."""
    application = before.application
    parties = (*application.parties, application.authority.person)
    refuse_own_case(clerk.person, parties, office)


def refuse_same_person(proposal: Proposal, clerk: Clerk, office: Office) -> None:
    """Four eyes are two persons, not two accounts of one."""
    if clerk.caller == proposal.clerk or Docket(office.record).person(clerk) == proposal.person:
        raise NotAuthorizedError(
            "the decision was proposed by the same person",
            zh="该决定由您本人提出，须由另一名工作人员复核。",
            reason="SECOND_PERSON_REQUIRED",
            hint="Let another clerk claim the case, and confirm it or return it.",
        )


def refuse_stale(tag: str, found: Dossier) -> None:
    """The caller must have seen the case as it stands."""
    if tag != found.etag:
        raise stale()


def refuse_closed(found: Dossier) -> None:
    """What waits for a register or for the applicant is not the counter's."""
    if not is_open(found.case.state):
        raise PreconditionError(
            f"the case is {found.case.state}: nobody at the counter decides it now",
            zh="该办件目前不在窗口办理（等待数据或申请人补正）。",
            reason="CASE_NOT_AT_COUNTER",
            hint="Wait until it is referred or decided.",
            state=found.case.state,
        )


def refuse_other_state(found: Dossier, *, overriding: bool) -> None:
    """To decide and to decide otherwise are two things to say."""
    refuse_closed(found)
    if overriding and found.case.state is CaseState.REFERRED:
        raise PreconditionError(
            "the case waits for a person's decision",
            zh="该办件正在等待人工决定，无须改判，请直接作出决定。",
            reason="CASE_NOT_DECIDED",
            hint="Use `DetermineCase`.",
        )
    if not overriding and found.case.state is not CaseState.REFERRED:
        raise PreconditionError(
            f"the case is {found.case.state}",
            zh="该办件已有决定；如需改变，请使用改判并写明理由代码。",
            reason="CASE_DECIDED_BEFORE",
            hint="Use `OverrideDecision`, with a ground.",
            state=found.case.state,
        )


def refuse_unclaimed(found: Dossier, clerk: Clerk) -> None:
    """Nobody decides a case that is another's, or nobody's."""
    if found.standing.holder(clerk.now) != clerk.caller:
        raise PreconditionError(
            "the clerk has not claimed this case, or the claim has run out",
            zh="您尚未认领该办件，或认领已到期，请重新认领。",
            reason="NOT_CLAIMED",
            hint="Claim it (again), and read it before deciding.",
        )


async def refuse_unopened(found: Dossier, clerk: Clerk, office: Office, *, since: int) -> None:
    """No stamp without a look (S11)."""
    if DOSSIER not in await Docket(office.record).opened(found.case.case_id, clerk, since=since):
        raise PreconditionError(
            "the clerk has not opened this case",
            zh="您尚未查阅案卷，请查阅全部证据后再作决定。",
            reason="CASE_NOT_OPENED",
            hint="Open it with `GetDossier` and look at the evidence first.",
        )


async def refuse_foreign_papers(
    indices: tuple[int, ...], found: Dossier, office: Office, *, at: str
) -> None:
    """A paper is the case's own."""
    own = {one.index for one in await Docket(office.record).papers(found.case.case_id)}
    if set(indices) <= own:
        return
    if at == "index":
        raise NotFoundError(
            "the case has no such paper",
            zh="该办件没有这份材料，请先查阅案卷。",
            reason="PAPER_NOT_FOUND",
            hint="`GetDossier` lists the papers of the case.",
        )
    raise InvalidRequestError(
        [
            FieldViolation(
                field=at,
                reason="PAPER_NOT_FOUND",
                message="names a paper that the case does not have; `GetDossier` lists them",
                zh=f"{at} 中有该办件没有的材料，请先查阅案卷",
            )
        ]
    )


def stale() -> StaleError:
    """Another decision or step came in between."""
    return StaleError(
        "the case has moved on since it was read",
        zh="该办件已有新的变化，请重新查阅后再试。",
        reason="ETAG_STALE",
        hint="Open it again, and repeat with the new etag if that is still right.",
    )


def granted_already() -> PreconditionError:
    """Nobody is granted twice what can be granted once, by persons neither."""
    return PreconditionError(
        "this can be granted once only, and the records show another grant",
        zh="本事项每个申请人只能批准一次，记录显示已有批准；如该批准有误，请先改判该办件。",
        reason="ALREADY_GRANTED",
        hint="Refuse it, or override the other grant first if that one is wrong.",
    )
