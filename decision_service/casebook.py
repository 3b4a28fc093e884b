"""What has followed on cases, as entries of the trail, and the marks of open objections."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self
from uuid import uuid4

from pydantic import TypeAdapter

from audit.trail import ERASED, CaseRow, Entry, Moment, Recorded
from audit.trail.canonical import Json
from audit.trail.queries import All, Condition, Either, Found, Is, Marked
from decision_service.draft import Draft
from decision_service.followup import (
    Act,
    Delivery,
    FollowUp,
    Happened,
    Lift,
    LiftProposal,
    Mandate,
    MandateEnd,
    Objection,
    Rated,
    Rating,
    RatingAnswer,
    RatingTaken,
    Reopening,
    Resolution,
    ReviewRequest,
    StandingChange,
    StandingProposal,
    StandingReturn,
    Step,
    Stop,
    Withdrawal,
)
from decision_service.judge import PERSON_REQUESTED
from decision_service.model import (
    Authority,
    Capacity,
    CaseId,
    CaseState,
    CaseSummary,
    Check,
    Concept,
    Contradiction,
    Inquiry,
    MatterId,
    Party,
    Receipt,
    Request,
    Text,
)
from decision_service.record import HAS_ENDED, TICKET, Record, Taken, summary

_STEPS: TypeAdapter[FollowUp] = TypeAdapter(FollowUp)
_CLASSES: Mapping[str, type[Step]] = {
    one.model_fields["kind"].default: one
    for one in (
        *(Withdrawal, ReviewRequest, Objection, Resolution, Delivery, StandingChange),
        *(Reopening, Mandate, MandateEnd),
    )
}

TYPES = frozenset(f"{kind}/1" for kind in _CLASSES)
"""Of the entries of everything that can follow and that the person may know."""

_INSIDE: Mapping[str, type[Step]] = {
    one.model_fields["kind"].default: one
    for one in (
        *(StandingProposal, StandingReturn, Rating, RatingTaken, RatingAnswer),
        *(Stop, LiftProposal, Lift),
    )
}
PROPOSAL = "standing_proposal/1"
RATING, RATING_TAKEN, RATING_ANSWER = "rating/1", "rating_taken/1", "rating_answer/1"
"""Types of entries that no case tells whoever decides it."""

POOR = "POOR_RATING"
"""Among the reasons of a rating that is to be answered."""

MANDATE = "mandate/1"
STOPPED = frozenset({"stop/1", "lift_proposal/1"})
"""Of the last word on a matter, if it is stopped."""

OBJECTION, RESOLUTION, REVIEW = "contest/1", "resolution/1", "review_request/1"

_ASKED_FOR = Marked("reason", PERSON_REQUESTED.code)
"""Of a decision on an application that asked for a person."""

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that can be misread or misheard as a digit."""

_ALL = 1 << 62
"""Above every index."""

_MOST_RATINGS = 100_000
"""That are looked through for those that wait for an answer."""

_MOST_OBJECTIONS = 100_000
"""Of one person: none may be passed over, because that would decide on a contested value."""


_MOST_SCANNED = 100_000
"""Tickets or proposals that are looked through for those that wait for an answer."""

_PAGE = 500


class Asking(Protocol):
    """What somebody asks for, as far as the record is to know who and when."""

    @property
    def caller(self) -> str:
        """Subject of the token."""

    @property
    def role(self) -> str:
        """Of the token."""

    @property
    def now(self) -> datetime:
        """When they ask."""

    @property
    def content_digest(self) -> str:
        """SHA-256 (hex) of the canonical request."""


@dataclass(frozen=True, slots=True)
class By:
    """Who tells us of a step, when, and under which name for ever.

    Attributes:
        request: Opaque key of the request.
        content_digest: SHA-256 (hex) of the canonical request; tells a repeat from a reuse.
    """

    caller: str
    role: str
    now: datetime
    request: str
    content_digest: str

    @classmethod
    def of(cls, ask: Asking, request: str) -> Self:
        """Who asks, under that key."""
        return cls(ask.caller, ask.role, ask.now, request, ask.content_digest)


@dataclass(frozen=True, slots=True)
class Sight:
    """What is recorded that a request rests on, all of one instant.

    Attributes:
        earlier: Index of the entry that the same request has led to; None if it has led to none.
        case: The case that it goes on with; None if it names none, or there is none.
        opened: The entry that opened that case.
        follows: Index of the newest entry that moved that case; None if none has.
        person_wanted: A person was asked for in the case before, by a request for a review or with
            an application that was sent back for correction.
        was_decided: The case was ended before, and a person has sent it back for correction.
        is_granted: What is granted once is granted, and no machine may grant it again.
        free: Else what the key of the grant must point at: None, or what freed it.
        marks: By subject, every concept under an open objection, and the number of its ticket.
        lost: Concepts under open objections of which nobody can tell any more who made them.
        objections: By key, the newest of what was objected and answered about each subject.
        mandate: What the applicant has granted the agent who acts, and not taken back; None if
            nothing, or if no agent acts.
        is_stopped: Nothing of the matter is decided by rules (S18).
        given: By key, all of this that an outcome rests on and does not itself move.
    """

    earlier: int | None
    case: CaseSummary | None
    opened: Recorded | None
    follows: int | None
    person_wanted: bool
    was_decided: bool
    is_granted: bool
    free: int | None
    marks: Mapping[str, Mapping[Concept, str]]
    lost: frozenset[Concept]
    objections: Mapping[str, int | None]
    mandate: Mandate | None
    is_stopped: bool
    given: Mapping[str, int | None]


class Casebook:
    """What follows on cases, written to the record and read from it."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._objected_before_loss: tuple[Found, ...] | None = None

    @staticmethod
    def ticket_key(ticket: str) -> str:
        """Points at what opened the ticket until it is resolved, then at the resolution."""
        return f"ticket:{ticket}"

    async def ticketed(self, draft: Draft) -> Mapping[Concept, Check]:
        """Ask the owner of each register that a second one contradicts to check (数据校核).

        The same contradiction about the same subject has one ticket, whoever comes upon it. It has
        another once its owner has corrected the record, and yet it is there again; and none once
        the owner has said that the record stands.

        Raises:
            NotRecordedError: A ticket could not be recorded.
        """
        return {found.concept: await self._check(found, draft) for found in draft.contradictions}

    async def _check(self, found: Contradiction, draft: Draft) -> Check:
        """The newest ticket of a contradiction and its answer, or a new one."""
        key = self._record.contradiction_key(draft.application.subject, found)
        while True:
            index = await self._record.latest(key)
            newest = None if index is None else await self._record.recorded(index)
            if newest is not None and (known := _known(newest)) is not None:
                return known
            ticket = new_ticket()
            opened = _contradicted(found, ticket, draft)
            expect = {key: index, self.ticket_key(ticket): None}
            if not isinstance(await self._record.claim(opened, expect), Taken):
                return Check(ticket=ticket)  # else somebody has met it at the same moment

    async def answering(self, opened: Recorded) -> Mapping[str, int | None]:
        """What an answer to the ticket that an entry has opened must claim."""
        keys = [self.ticket_key(str(opened.permanent["ticket"]))]
        if opened.type == TICKET and opened.sealed is not ERASED:
            found = Contradiction.model_validate_json(json.dumps(opened.sealed["contradiction"]))
            keys.append(self._record.contradiction_key(opened.subject, found))
        return dict.fromkeys(keys, opened.index)

    async def add(
        self,
        step: FollowUp,
        *,
        by: By,
        case_id: str,
        matter: str,
        subject: str,
        release_digest: str,
        expect: Mapping[str, int | None],
        row: CaseRow | None = None,
        notice: Text | None = None,
    ) -> Receipt | Taken:
        """Record that something followed.

        Args:
            subject: Whom it is about. Personal data.
            expect: What every key that it claims must point at. An objection, and what a register
                answers, also move the key of their subject's objections, from wherever it is.
            row: How it leaves the case; None leaves the case as it is.
            notice: What the person is told by it.

        Raises:
            NotRecordedError: It could not be recorded, so it did not happen.
        """
        body = step.model_dump(mode="json", exclude={"kind"})
        if isinstance(step, Objection | Resolution) and subject:
            key = self._record.objections_key(subject)
            expect = {key: await self._record.latest(key), **expect}
        return await self._record.claim(
            Entry(
                type=f"{step.kind}/1",
                id=str(uuid4()),
                time=by.now,
                permanent={
                    "request": by.request,
                    "matter": matter,
                    "case_id": case_id,
                    "release_digest": release_digest,
                    "caller": by.caller,
                    "role": by.role,
                    **{name: body[name] for name in step.permanent},
                },
                sealed={
                    "content_digest": by.content_digest,
                    **{name: body[name] for name in sorted(body.keys() - step.permanent)},
                },
                subject=subject,
                notice=f"{notice.zh}\n\n{notice.en}" if notice else "",
                case=row,
            ),
            expect,
        )

    async def happened(self, case_id: str) -> tuple[Happened, ...]:
        """Everything that followed on a case, the newest last; what was erased is left out."""
        return tuple(read(one) for one in await self._record.entries(case_id) if is_step(one))

    async def content_digest(self, index: int) -> str:
        """Digest of the request that an entry was made by; empty if it was erased."""
        sealed = (await self._record.recorded(index)).sealed
        return "" if sealed is ERASED else str(sealed["content_digest"])

    async def look(self, request: Request | Inquiry, *, key: str = "") -> Sight:
        """Everything recorded that a request rests on, with one trip to the store.

        Args:
            key: Under which the request's own entry is found; empty if it is not asked for.

        Raises:
            RecordDamagedError: The entry that opened the case is not what was recorded.
        """
        record = self._record
        grant = record.grant_key(request.matter, request.subject)
        case = record.case_key(CaseId(request.case_id)) if request.case_id else ""
        about = {party.subject: record.objections_key(party.subject) for party in request.parties}
        authority, mandate = request.authority, ""
        if isinstance(authority, Authority) and authority.capacity is Capacity.AGENT:
            mandate = self.mandate_key(request.parties[0].subject, authority.person.subject)

        stop = self.stop_key(request.matter)

        def see(at: Moment) -> Sight:
            keys = (key, grant, case, mandate, stop, *about.values())
            held = at.held([one for one in keys if one])
            objections = {one: held.get(one) for one in about.values()}
            said = at.read(held[mandate]) if mandate in held else None
            row = at.case(request.case_id) if request.case_id else None
            granted = held.get(grant)
            is_free = granted is None or _frees(at.permanent(granted))
            is_sent_back = row is not None and row.state == CaseState.NEEDS_CORRECTION.value

            def is_there(condition: Condition) -> bool:
                of_case = Is("case_id", "=", request.case_id)
                return bool(at.find(All((of_case, condition)), limit=1))

            return Sight(
                earlier=held.get(key),
                case=None if row is None else summary(row),
                opened=None if row is None else at.read(row.first_index),
                follows=held.get(case),
                person_wanted=row is not None
                and (at.is_in_case(row.case_id, REVIEW) or (is_sent_back and is_there(_ASKED_FOR))),
                was_decided=is_sent_back and is_there(HAS_ENDED),
                is_granted=not is_free,
                free=granted if is_free else None,
                marks={
                    one: self._marks(at, one, is_keyed=key in held) for one, key in about.items()
                },
                lost=self._lost(at),
                objections=objections,
                mandate=None if said is None else _mandate(said),
                is_stopped=stop in held and at.read(held[stop]).type in STOPPED,
                given=objections | {one: held.get(one) for one in (mandate, stop) if one},
            )

        return await record.look(see)

    @staticmethod
    def rating_key(case_id: str) -> str:
        """Points at the one rating of a case."""
        return f"rating:{case_id}"

    @staticmethod
    def rating_answer_key(index: int) -> str:
        """Points at who looks into a rating, and then at the answer to it."""
        return f"rating_answer:{index}"

    async def rated(self, case_id: str) -> Rated | None:
        """How the person rated a case, for themselves; None if they did not, or it was erased."""
        index = await self._record.latest(self.rating_key(case_id))
        entry = None if index is None else await self._record.recorded(index)
        if entry is None or entry.sealed is ERASED:
            return None
        newest = await self._record.latest(self.rating_answer_key(entry.index))
        answer = None if newest is None else await self._record.recorded(newest)
        is_answer = answer is not None and answer.type == RATING_ANSWER
        return Rated(
            rating=read(entry),
            answer=read(answer) if answer is not None and is_answer else None,
        )

    async def poor_ratings(
        self, of: Condition, limit: int
    ) -> tuple[tuple[Happened, Happened | None], ...]:
        """The poor ratings that nobody has answered, the oldest first, and who looks into each.

        Args:
            of: Those alone.
        """
        poor = All((Marked("reason", POOR), of))
        found = await self._record.find(poor, before=_ALL, limit=_MOST_RATINGS)
        waiting: list[tuple[Happened, Happened | None]] = []
        for one in reversed(found):
            if one.erased:
                continue
            newest = await self._record.latest(self.rating_answer_key(one.index))
            taken = None if newest is None else read(await self._record.recorded(newest))
            if taken is None or isinstance(taken.step, RatingTaken):
                waiting.append((read(await self._record.recorded(one.index)), taken))
            if len(waiting) == limit:
                break
        return tuple(waiting)

    async def has_seen_ratings(self, subject: str, *, caller: str, person: str) -> bool:
        """Whether that clerk has ever looked into how somebody rated a case."""
        about = All((self._record.about(subject), Is("type", "=", RATING_TAKEN)))
        tag = self._record.tag(person)
        return any(
            caller == one.leaf.permanent["caller"] or tag == one.leaf.permanent["person"]
            for one in await self._record.find(about, before=_ALL, limit=_MOST_RATINGS)
        )

    @staticmethod
    def proposal_key(index: int) -> str:
        """Points at the answer to a proposal, once there is one."""
        return f"standing_proposal:{index}"

    def mandate_key(self, principal: str, agent: str) -> str:
        """Points at what the one has last said about the other as an agent: yes, or no more."""
        return "mandate:" + self._record.tag(f"{principal}\n{agent}")

    async def mandate(self, principal: str, agent: str) -> Happened | None:
        """What the one has granted the other and not taken back; None if nothing, or erased."""
        index = await self._record.latest(self.mandate_key(principal, agent))
        return None if index is None else await self.mandate_at(index)

    async def mandates(self, principal: str, limit: int) -> tuple[Happened, ...]:
        """Everything that somebody has granted agents and not taken back, the newest first."""
        granted = All((self._record.about(principal), Is("type", "=", MANDATE)))
        found = await self._record.find(granted, before=_ALL, limit=limit)
        told = [await self.mandate_at(one.index) for one in found]
        return tuple(
            [
                one
                for one in told
                if one is not None
                and await self._record.latest(self.mandate_key(principal, _agent(one)))
                == one.receipt.index
            ]
        )

    async def mandate_at(self, index: int) -> Happened | None:
        """A mandate as it was granted; None if the entry is none, or erased."""
        entry = await self._record.recorded(index)
        return None if _mandate(entry) is None else read(entry)

    @staticmethod
    def stop_key(matter: str) -> str:
        """Points at the last word on whether a matter is stopped."""
        return f"stop:{matter}"

    async def stop(self, matter: str) -> Happened | None:
        """The last word on whether a matter is stopped; None if there never was one."""
        index = await self._record.latest(self.stop_key(matter))
        return None if index is None else await self.happened_at(index)

    async def stopped(self, matters: Sequence[MatterId]) -> frozenset[MatterId]:
        """Which of these matters are stopped."""
        keys = {self.stop_key(one): one for one in matters}

        def see(at: Moment) -> frozenset[MatterId]:
            held = at.held([*keys])
            return frozenset(
                keys[key] for key, index in held.items() if at.read(index).type in STOPPED
            )

        return await self._record.look(see)

    async def happened_at(self, index: int) -> Happened:
        """What an entry says that a step was recorded in; of nobody, or not erased."""
        return read(await self._record.recorded(index))

    async def open_proposals(self, of: Condition, limit: int) -> tuple[Recorded, ...]:
        """What clerks have proposed and no second one has answered, the newest first.

        Args:
            of: Those alone.
        """

        def key(one: Found) -> str:
            return "" if one.erased else self.proposal_key(one.index)

        def is_open(_: Found, answer: Found | None) -> bool:
            return answer is None

        return await self._waiting(All((Is("type", "=", PROPOSAL), of)), key, is_open, limit)

    async def open_tickets(
        self, of: Condition, evidence_type: str, limit: int
    ) -> tuple[Recorded, ...]:
        """The objections and contradictions that no register has answered, the newest first.

        Args:
            of: Those alone.
            evidence_type: Of that register alone; empty for every.
        """

        def key(one: Found) -> str:
            said = one.leaf.permanent
            if "ticket" not in said or evidence_type not in {"", said["evidence_type"]}:
                return ""  # those of contradictions once had no number
            return self.ticket_key(str(said["ticket"]))

        def is_open(one: Found, newest: Found | None) -> bool:
            return newest is not None and newest.index == one.index

        kinds = Either((Is("type", "=", OBJECTION), Is("type", "=", TICKET)))
        return await self._waiting(All((kinds, of)), key, is_open, limit)

    async def _waiting(
        self,
        condition: Condition,
        key: Callable[[Found], str],
        is_open: Callable[[Found, Found | None], bool],
        limit: int,
    ) -> tuple[Recorded, ...]:
        """The newest entries that wait for an answer; many may have one.

        Args:
            key: Points at the answer to an entry; empty for one that is not asked for.
            is_open: Whether an entry waits, by what its key points at.
        """
        found: list[int] = []
        before, scanned = _ALL, 0
        while len(found) < limit and scanned < _MOST_SCANNED:
            page = await self._record.find(condition, before=before, limit=_PAGE)
            keys = [(one, name) for one in page if (name := key(one))]
            newest = await self._record.newest([name for _, name in keys])
            found += [one.index for one, name in keys if is_open(one, newest.get(name))]
            if len(page) < _PAGE:
                break
            before, scanned = page[-1].index, scanned + _PAGE
        return tuple([await self._record.recorded(index) for index in found[:limit]])

    def _lost(self, at: Moment) -> frozenset[Concept]:
        """The concepts of open objections from before a master key was lost; nearly always none.

        Whoever made them is somebody, so until their tickets are answered these are doubtful of
        everybody.
        """
        if self._objected_before_loss is None:
            until = self._record.opens_from
            raised = Is("type", "=", OBJECTION)
            found = at.find(raised, before=until, limit=until) if until else ()
            self._objected_before_loss = tuple(one for one in found if not one.erased)
        if not self._objected_before_loss:
            return frozenset()
        tickets = {
            self.ticket_key(str(one.leaf.permanent["ticket"])): one
            for one in self._objected_before_loss
        }
        held = at.held([*tickets])
        return frozenset(
            Concept(str(one.leaf.permanent["concept"]))
            for key, one in tickets.items()
            if held.get(key) == one.index
        )

    def _marks(self, at: Moment, subject: str, *, is_keyed: bool) -> Mapping[Concept, str]:
        """The open objections about a subject: nearly always none, which one key tells."""
        about = self._record.about(subject)
        if not is_keyed and about.value not in self._record.objected_before_keys(at, OBJECTION):
            return {}
        types = Either((Is("type", "=", OBJECTION), Is("type", "=", RESOLUTION)))
        open_: dict[str, Concept] = {}
        for one in reversed(at.find(All((about, types)), limit=_MOST_OBJECTIONS)):
            permanent: Mapping[str, Any] = one.leaf.permanent
            if one.leaf.type == OBJECTION:
                open_[permanent["ticket"]] = Concept(permanent["concept"])
            else:
                open_.pop(permanent["ticket"], None)
        return {concept: ticket for ticket, concept in open_.items()}


def new_ticket() -> str:
    """A ticket's number; it tells nothing."""
    letters = "".join(secrets.choice(_DIGITS) for _ in range(10))
    return f"{letters[:5]}-{letters[5:]}"


def _known(newest: Recorded) -> Check | None:
    """What the newest entry under a contradiction's key says; None if there must be a new one.

    What was erased is not known any more, and nothing new may be linked to it.
    """
    permanent = newest.permanent
    was_corrected = permanent.get("corrected") is True
    if "ticket" not in permanent or was_corrected or newest.sealed is ERASED:
        return None
    ticket = str(permanent["ticket"])
    if newest.type == TICKET:
        return Check(ticket=ticket)
    return Check(ticket=ticket, time=newest.time, text=str(newest.sealed["text"]))


def _contradicted(found: Contradiction, ticket: str, draft: Draft) -> Entry:
    """The entry that asks a register's owner to check what a second one contradicts."""
    application, registers = draft.application, [one.evidence_type for one in found.claims]
    return Entry(
        type=TICKET,
        id=str(uuid4()),
        time=draft.decide_time,
        permanent={
            "matter": application.matter,
            "release_digest": draft.release_digest,
            "case_id": draft.case.case_id,
            "caller": application.caller,
            "channel": application.channel,
            "reasons": ["SOURCES_CONTRADICT"],
            "ticket": ticket,
            "concept": found.concept,
            "evidence_type": registers[0],
            "owner": {"zh": found.owner.zh, "en": found.owner.en},
            "registers": [*registers],
        },
        sealed={
            "contradiction": found.model_dump(mode="json", exclude={"check"}),
            "query_ids": {one.evidence_type: one.query_id for one in draft.evidence},
        },
        subject=application.subject,
    )


def _frees(permanent: Mapping[str, Json]) -> bool:
    """Whether what ended a grant lets a machine grant it again.

    Wrong at birth and no fault of theirs: whoever was granted it has never had it. Everything else
    that ended a grant is for a person to weigh.
    """
    return permanent.get("act") == Act.REVOKE and permanent["by_fault_of_applicant"] is False


def _mandate(entry: Recorded) -> Mandate | None:
    """The mandate that an entry grants; None if it ends one, or was erased."""
    if entry.type != MANDATE or entry.sealed is ERASED:
        return None
    step = read(entry).step
    return step if isinstance(step, Mandate) else None


def _agent(granted: Happened) -> str:
    assert isinstance(granted.step, Mandate), "it was asked for"  # noqa: S101
    return Party(role=Capacity.AGENT, documents=granted.step.agent).subject


def is_step(entry: Recorded) -> bool:
    """Whether an entry is something that followed, and can still be read."""
    return entry.type in TYPES and entry.sealed is not ERASED


def read(entry: Recorded) -> Happened:
    """An entry as what followed; `is_step` says whether it is one."""
    kind, _, _ = entry.type.partition("/")
    known = {**entry.permanent, **({} if entry.sealed is ERASED else entry.sealed), "kind": kind}
    zh, _, en = entry.notice.partition("\n\n")
    fields = {name: known[name] for name in {**_CLASSES, **_INSIDE}[kind].model_fields}
    return Happened(
        step=_STEPS.validate_json(json.dumps(fields)),
        case_id=str(entry.permanent["case_id"]),
        time=entry.time,
        caller=str(entry.permanent["caller"]),
        role=str(entry.permanent["role"]),
        receipt=Receipt(index=entry.index, leaf_hash=entry.leaf_hash.hex()),
        notice=Text(zh=zh, en=en),
    )
