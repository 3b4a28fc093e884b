"""免申即享: the authority offers a matter to people who certainly qualify; only they can apply.

No offer decides. Who agrees applies (`decide`), and is decided on fresh evidence under the rules of
that day; nothing of the offer is believed. Whoever is silent has done nothing. A person about whom
anything is unknown, contradicted or under objection gets no offer, and nothing of that is recorded
but that registers were asked.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import uuid4

from audit.trail import ERASED
from decision_service.admission import refuse_mode, unknown_here
from decision_service.decide import refuse_reuse
from decision_service.errors import (
    DeadlineTooShortError,
    FieldViolation,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
    TooOftenError,
)
from decision_service.evidence import gather, plan
from decision_service.followup import Person
from decision_service.identifiers import resident_id_is_valid
from decision_service.judge import judge
from decision_service.model import (
    DECLARED,
    GUARDIANSHIP,
    Approved,
    CaseState,
    CaseSummary,
    Document,
    Evidence,
    Inquiry,
    Known,
    LegalDuty,
    MatterId,
    Offers,
    Party,
    StatutoryDuty,
)
from decision_service.notice import write_offer
from decision_service.offerbook import (
    Found,
    Offer,
    is_open,
    may_follow,
    offer_ended,
    read,
)
from decision_service.office import Office
from decision_service.owndata import refuse_unproven
from decision_service.record import DECLINED, OFFER, Look, Taken, new_case_id
from decision_service.release import Release
from decision_service.settle import settle

FEWEST, MOST = 10, 100
"""People in one request. A count of fewer would tell of somebody; more would take too long."""

FLOW = "offer"
"""Of the access entries."""

AT_ONCE = 8
"""People about whom registers are asked together."""

PATIENCE_S = 2.0
"""How long registers have for one person: who is not certain now can be so another day."""

_HAS_IT = frozenset(
    {CaseState.WAITING, CaseState.REFERRED, CaseState.NEEDS_CORRECTION, CaseState.APPROVED}
)
"""States of a case in which its person needs no offer."""


@dataclass(frozen=True, slots=True)
class Run:
    """An operator wants offers made.

    Attributes:
        caller, role: Of the token.
        content_digest: SHA-256 (hex) of the canonical request; tells a repeat from a reuse.
        subjects: About whom, at most `MOST`; each once.
    """

    caller: str
    role: str
    request_id: str
    content_digest: str
    matter: MatterId
    subjects: tuple[Document, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a request, in counts alone.

    Attributes:
        asked: About how many people registers were asked.
        offered: How many have an offer by this request.
    """

    asked: int
    offered: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Somebody asks for what they are offered, or declines it.

    Attributes:
        caller, role: Of the token: the portal that acts for the person, or a clerk.
    """

    caller: str
    role: str
    person: Person
    now: datetime
    request_id: str = ""
    content_digest: str = ""

    @property
    def subject(self) -> str:
        """Whose offers they are. Personal data."""
        return Party(role="applicant", documents=self.person.documents).subject


async def make(run: Run, *, office: Office, deadline: float) -> Made:
    """Ask about people, and offer the matter to those who certainly qualify; once a request.

    A request that broke off is done again but for those who have their offer.

    Args:
        deadline: Instant of the event loop's clock by which the caller wants the answer.

    Raises:
        NotPublishedError: The matter is not in force today.
        PreconditionError: It may not be offered, or what was granted is not known any more.
        InvalidRequestError: The people are too few, or no residents.
        DeadlineTooShortError: Too little time is left to ask about all of them.
        TooOftenError: Enough people were named today.
        RequestReusedError: The ``request_id`` came before, with another body.
        NotRecordedError: Something could not be recorded; repeat the request.
    """
    key = office.record.request_key("MakeOffers", run)
    if (earlier := await office.record.latest(key)) is not None:
        entry, sealed = await office.record.opened(earlier)
        refuse_reuse(run.content_digest, str(sealed["content_digest"]))
        return Made(*(int(str(entry.permanent[name])) for name in ("asked", "offered")))
    release = office.catalogue.release_on(run.matter, office.today(run.now))
    _refuse_not_offered(release, office)
    _refuse_unfit(run.subjects)
    _refuse_short_deadline(run, deadline)
    await _start(run, key, release, office)
    free = asyncio.Semaphore(AT_ONCE)

    async def one(document: Document) -> Made:
        async with free:
            return await _look_at(document, run, request=key, release=release, office=office)

    ends = await asyncio.gather(*map(one, run.subjects), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end  # now that no other is under way any more
    done = [end for end in ends if isinstance(end, Made)]
    made = Made(sum(one.asked for one in done), sum(one.offered for one in done))
    await office.offerbook.ran(
        release,
        {"asked": made.asked, "offered": made.offered},
        request=key,
        content_digest=run.content_digest,
        caller=run.caller,
        role=run.role,
        now=run.now,
    )
    return made


async def listed(who: Answer, *, office: Office) -> tuple[Offer, ...]:
    """What the person can agree to, and what they declined under the rules of today.

    Raises:
        NotAuthorizedError: As `refuse_unproven`.
        NotRecordedError: The question could not be recorded, so it is not answered.
    """
    refuse_unproven(who.person, who.now)
    look = Look(caller=who.caller, role=who.role, method="ListOffers", subject=who.subject)
    await office.record.looked(look, now=who.now)
    found = [
        await _standing(matter, who.subject, office, office.today(who.now))
        for matter in await office.offerbook.matters(who.subject)
    ]
    return tuple(one for one in found if one is not None)


async def decline(who: Answer, offer_id: str, *, ask_again: bool, office: Office) -> Offer:
    """Take down that the person does not want it; repeated, whether they may be asked again.

    Raises:
        NotAuthorizedError: As `refuse_unproven`.
        NotFoundError: They have no such offer.
        PreconditionError: It was agreed to, or a newer one has taken its place.
        RequestReusedError: The ``request_id`` came before, with another body.
        NotRecordedError: It could not be recorded, so the offer stands.
    """
    refuse_unproven(who.person, who.now)
    book, record = office.offerbook, office.record
    key = record.request_key("DeclineOffer", who)
    offer = await book.one(offer_id, who.subject)
    release = await office.release(str(offer.permanent["release_digest"]))
    while True:
        if (earlier := await record.latest(key)) is not None:
            answer, sealed = await record.opened(earlier)
            refuse_reuse(who.content_digest, str(sealed["content_digest"]))
            return read(offer, release, answer)
        newest = await book.newest(release.matter.id, who.subject)
        if newest is None or newest.permanent["case_id"] != offer_id:
            raise offer_ended()
        if newest.type not in {OFFER, DECLINED}:
            raise offer_ended()
        await book.decline(
            offer,
            ask_again=ask_again,
            follows=newest.index,
            request=key,
            content_digest=who.content_digest,
            caller=who.caller,
            role=who.role,
            now=who.now,
        )  # whether it was, or somebody was faster, is read above


async def _look_at(
    document: Document, run: Run, *, request: str, release: Release, office: Office
) -> Made:
    """What came of it for one person."""
    book, today = office.offerbook, office.today(run.now)
    party = Party(role="applicant", documents=(document,))
    newest = await book.newest(run.matter, party.subject)
    if newest is not None and newest.permanent["request"] == request:
        return Made(1, 1)  # by an earlier try of the same request
    inquiry = Inquiry(
        caller=run.caller,
        matter=run.matter,
        parties=(party,),
        authority=LegalDuty(basis=StatutoryDuty(article=_terms(release).legal_basis)),
        purpose=_terms(release).purpose,
    )
    sight = await office.casebook.look(inquiry)
    if (
        not may_follow(newest, release, today)
        or sight.is_granted
        or sight.is_stopped
        or sight.marks[party.subject]
        or unknown_here(inquiry, release, sight)
        or _HAS_IT & await book.states(run.matter, party.subject)
    ):
        return Made(0, 0)
    found = await _certain(inquiry, run, release, office)
    if found is None:
        return Made(1, 0)
    written = await book.add(
        found,
        inquiry,
        release,
        request=request,
        role=run.role,
        now=run.now,
        follows=None if newest is None else newest.index,
        given={**sight.given, office.record.grant_key(run.matter, party.subject): sight.free},
    )
    return Made(1, int(not isinstance(written, Taken)))


async def _certain(inquiry: Inquiry, run: Run, release: Release, office: Office) -> Found | None:
    """What the person would be granted; None unless everything is known and speaks for it."""
    today, offer_id = office.today(run.now), new_case_id()
    asked = plan(
        inquiry,
        release,
        (),
        objected=frozenset(),  # nothing is offered to who has objected
        case_id=offer_id,
        filing_date=today,
        now=run.now,
        new_id=lambda: str(uuid4()),
    )
    await office.record.access(
        inquiry,
        {inquiry.subject: asked.questions},
        case=CaseSummary(
            case_id=offer_id,
            case_number="",
            caller=run.caller,
            matter=run.matter,
            state=CaseState.OPEN,
            filing_date=None,
            create_time=run.now,
        ),
        opens_case=False,
        release_digest=release.digest,
        now=run.now,
        flow=FLOW,
        role=run.role,
    )
    until = asyncio.get_running_loop().time() + PATIENCE_S
    async with aclosing(gather(asked, office.sources, deadline=until, now=run.now)) as answers:
        seen = sorted([one async for one in answers], key=lambda one: one.evidence_type)
    outcome = qualifies(release, seen, today=today, now=run.now)
    if outcome is None:
        return None
    last = _last_day(release, today, office)
    notice = write_offer(
        release.matter,
        until=last,
        grant=outcome.grant,
        reasons=outcome.reasons,
        evidence=seen,
        asked=[release.form.names[key] for key in release.form.declared],
        zone=office.zone,
    )
    return Found(
        offer_id=offer_id,
        until_date=last,
        grant=outcome.grant,
        reasons=outcome.reasons,
        evidence=tuple(seen),
        notice=notice,
    )


def qualifies(
    release: Release, evidence: Sequence[Evidence], *, today: date, now: datetime
) -> Approved | None:
    """What an application would be granted on this evidence, if that is certain. Pure.

    Certain is more than approved: whatever registers could tell must be known, whether or not the
    rules would do without it; but not who could act for the person, because nobody does yet.
    """
    facts = settle(release, evidence, {}, frozenset(), filing_date=today, decide_time=now)
    told = (
        facts[concept]
        for concept, meaning in release.meanings.items()
        if meaning.source != DECLARED and concept not in GUARDIANSHIP
    )
    if not all(isinstance(fact, Known) for fact in told):
        return None
    outcome = judge(release, facts, wait_until=None).outcome
    return outcome if isinstance(outcome, Approved) else None


def _last_day(release: Release, today: date, office: Office) -> date:
    """Until when an offer of today can be agreed to; never longer than its rules are in force."""
    until = today + timedelta(days=_terms(release).valid_days)
    ends = (
        one.effective - timedelta(days=1)
        for one in office.catalogue.releases
        if one.matter.id == release.matter.id and one.effective > today
    )
    return min((until, *ends))


async def _standing(matter: MatterId, subject: str, office: Office, today: date) -> Offer | None:
    """What the person may see of the newest offer of a matter; None if it is over or agreed to."""
    book, release = office.offerbook, office.catalogue.release_on(matter, today)
    newest = await book.newest(matter, subject)
    if newest is None or newest.sealed is ERASED:
        return None
    if newest.type == OFFER:
        return read(newest, release) if is_open(newest, release, today) else None
    if newest.type != DECLINED or newest.permanent["release_digest"] != release.digest:
        return None
    try:
        return read(await book.one(str(newest.permanent["case_id"]), subject), release, newest)
    except NotFoundError:
        return None  # it was erased when its term was over


def _terms(release: Release) -> Offers:
    """How a matter that is offered may be."""
    assert release.matter.offers is not None, "`offer_faults` has seen to it"  # noqa: S101
    return release.matter.offers


def _refuse_not_offered(release: Release, office: Office) -> None:
    """A matter that may not be offered, or of which nobody knows who has it or has declined."""
    refuse_mode(release.matter, "proactive")
    if not office.record.knows_grants:
        raise PreconditionError(
            "what was granted and declined before is not known any more",
            zh="主密钥曾经丢失，无法确认以前的批准与答复，不能再主动告知；申请照常办理。",
            reason="GRANTS_UNKNOWN",
            hint="Make no offers from this store; applications are decided by persons as before.",
        )


def _refuse_unfit(subjects: Sequence[Document]) -> None:
    """People so few that a count tells of one of them, or no residents."""
    wrong = [
        FieldViolation(
            field=f"subjects[{place}]",
            reason="NOT_A_RESIDENT_ID",
            message="is no resident identity number (GB 11643); it may be mistyped",
            zh="公民身份号码有误，请核对",
        )
        for place, one in enumerate(subjects)
        if one.kind != "resident_id" or not resident_id_is_valid(one.number)
    ]
    if len(subjects) < FEWEST:
        wrong.append(
            FieldViolation(
                field="subjects",
                reason="TOO_FEW",
                message=f"must be at least {FEWEST} people, so that a count tells of nobody",
                zh=f"每次至少 {FEWEST} 人，以免从数量推知个人情况",
            )
        )
    if wrong:
        raise InvalidRequestError(wrong)


async def _start(run: Run, request: str, release: Release, office: Office) -> None:
    """Keep to how many people a day allows, whoever else names some.

    Registers are no place to look for people in.
    """
    book, today, most = office.offerbook, office.today(run.now), _terms(release).most_a_day
    while True:
        day = await book.day(run.matter, today)
        people = day.people + len(run.subjects)
        if people > most:
            break
        written = await book.start(
            release,
            today,
            people,
            follows=day.index,
            request=request,
            caller=run.caller,
            role=run.role,
            now=run.now,
        )
        if not isinstance(written, Taken):
            return  # somebody who was faster is counted above
    tomorrow = office.midnight(today + timedelta(days=1))
    raise TooOftenError(
        f"registers may be asked about {most} people a day for offers of this",
        zh=f"该事项每日最多为主动告知查询 {most} 人，今日已列入 {day.people} 人，请明日继续。",
        reason="OFFERS_USED_UP",
        hint="Go on tomorrow with the same requests; those that are done are not done again.",
        retry_after_s=(tomorrow - run.now).total_seconds(),
    )


def _refuse_short_deadline(run: Run, deadline: float) -> None:
    """Either there is time for all of them, or nobody is asked about."""
    needed_s = PATIENCE_S * (-(-len(run.subjects) // AT_ONCE))
    if deadline - asyncio.get_running_loop().time() < needed_s:
        raise DeadlineTooShortError(
            f"{len(run.subjects)} people need a deadline of {needed_s} s",
            zh=f"时限太短，{len(run.subjects)} 人至少需要 {needed_s} 秒；尚未查询任何数据。",
            reason="DEADLINE_TOO_SHORT",
            hint="Give the call more time, or name fewer people; nothing was asked or recorded.",
            minimum_deadline_s=str(needed_s),
        )
