"""The only place where our types become audit entries, and entries our types again."""

import asyncio
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from audit.errors import HeldError, TamperedError
from audit.errors import NotFoundError as AuditNotFoundError
from audit.errors import NotRecordedError as AuditNotRecordedError
from audit.trail import ERASED, CaseRow, Conflict, Entry, Moment, Recorded, Trail, kept, queries
from audit.trail import Receipt as AuditReceipt
from audit.trail.entries import ordered_id, time_text
from audit.trail.erasures import Erasure
from audit.trail.holds import Hold, Scope
from audit.trail.tallies import Kinds, Tally, tally
from decision_service.draft import Draft, due_time, in_json
from decision_service.errors import (
    ErasedError,
    NotFoundError,
    NotRecordedError,
    PreconditionError,
    RecordDamagedError,
)
from decision_service.followup import Rating, RatingAnswer, StandingChange
from decision_service.model import (
    EVERY_MATTER,
    Application,
    CaseId,
    CaseState,
    CaseSummary,
    Contradiction,
    Decision,
    Evidence,
    Frozen,
    Inquiry,
    Matter,
    MatterId,
    Party,
    PrefilledField,
    PrefillRequest,
    Question,
    Receipt,
    Request,
)
from decision_service.publication import Publication
from decision_service.standing import RULES

ENGINE = f"durable-rules {version('durable-rules')}"
"""What inferred the verdict; part of every decision's permanent record."""

SERVICE = version("miaopi")
"""What the engine was part of; likewise."""

ACCESS, PREFILL, DECISION, TICKET = "access/1", "prefill/1", "decision/1", "ticket/1"
DETERMINATION, OVERRIDE = "determination/1", "override/1"
OFFER, DECLINED = "offer/1", "offer_declined/1"
PUBLICATION = "publication/1"
"""Types of entries that are asked for. What persons decide has types of its own: within what the
rules say, or against it (or against an earlier decision)."""

KINDS = Kinds(
    decision=DECISION,
    determination=DETERMINATION,
    override=OVERRIDE,
    act=f"{StandingChange.model_fields['kind'].default}/1",
    overturning=frozenset(act.value for act, rule in RULES.items() if rule.overturns),
    granted=CaseState.APPROVED.value,
    refused=CaseState.REFUSED.value,
    referred=CaseState.REFERRED.value,
    offer=OFFER,
    declined=DECLINED,
    rating=f"{Rating.model_fields['kind'].default}/1",
    rating_answer=f"{RatingAnswer.model_fields['kind'].default}/1",
)
"""What entries say of decisions, offers and ratings, for whoever counts them."""

HAS_ENDED = queries.Either(tuple(queries.Is("outcome", "=", one) for one in KINDS.ended))
"""Of the entries of decisions by which a case was ended, for the person or against them."""

_PUBLICATIONS = 100_000
"""That are read; a city has dozens in a year."""

_DECISIONS = 1_000
"""Decisions of one case that are read; nobody corrects an application so often."""


_MAY_OPEN = frozenset({"auditor"})
"""Roles that may see what is sealed."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who of the staff asks, and when.

    Attributes:
        caller, role: Of the token.
        matters: Whose cases they may ask about, or `EVERY_MATTER`.
    """

    caller: str
    role: str
    now: datetime
    matters: frozenset[MatterId]

    @property
    def may_open(self) -> bool:
        """Whether sealed parts are shown, masked."""
        return self.role in _MAY_OPEN


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody of the staff looks at what is recorded.

    Attributes:
        caller, role: Who.
        flow: At the trail, at the counter, or for a disclosure.
        method: The question.
        filter: What it was narrowed to; sealed.
        subject: Whose data it is about; empty if nobody's in particular. Personal data.
        index: The one entry that is looked at; None if it is not one.
        told: What else its entry says for ever; nothing that tells who.
    """

    caller: str
    role: str
    method: str
    flow: str = "trail"
    filter: str = ""
    subject: str = ""
    matter: str = ""
    case_id: str = ""
    index: int | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opening:
    """How a case began.

    Attributes:
        subject: Whose case it is. Personal data.
        parties: Who takes part.
        is_determined: Whether a decision has ended it.
    """

    subject: str
    parties: tuple[Party, ...]
    release_digest: str
    is_determined: bool


@dataclass(frozen=True, slots=True)
class Due:
    """A case that a person decides.

    Attributes:
        decided: Index of the decision that referred it.
        due_time: Until when that is promised; None in entries of before there were promises.
        place: In the queue.
    """

    case: CaseSummary
    decided: int
    due_time: datetime | None
    place: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Taken:
    """The entry could not be written: a key that it claims, or rests on, is another's by now.

    Attributes:
        index: That entry's.
    """

    key: str
    index: int | None


class Named(Protocol):
    """What names a request for ever (AIP-155)."""

    @property
    def caller(self) -> str:
        """Subject of the caller's token."""

    @property
    def request_id(self) -> str:
        """UUID4 of the caller."""


class Record:
    """The decision trail as the flows see it.

    Args:
        trail: The open trail.
        appended: Told of every entry in how many seconds it was recorded, or None if it was not.
    """

    def __init__(
        self, trail: Trail, *, appended: Callable[[float | None], None] = lambda _: None
    ) -> None:
        self._trail = trail
        self._appended = appended
        self._objected_before: frozenset[str] | None = None

    # ── keys: what can be claimed once ───────────────────────────────────────────────────────────

    def request_key(self, method: str, request: Named) -> str:
        """Names a request for ever: who asked, what, under which ``request_id``."""
        return "request:" + self._trail.tag(f"{request.caller}\n{method}\n{request.request_id}")

    def grant_key(self, matter: MatterId, subject: str) -> str:
        """Names what can be granted to one subject once, as `Request.subject` says who that is."""
        return "grant:" + self._trail.tag(f"{matter}\n{subject}")

    def objections_key(self, subject: str) -> str:
        """Points at the newest objection about a subject, or at what a register has answered."""
        return self.objections_key_of(self._trail.tag(subject))

    def objections_key_of(self, subject_tag: str) -> str:
        """The same by the subject's tag, which a key must not tell: it outlives an erasure."""
        return "objections:" + self._trail.tag(f"objections\n{subject_tag}")

    def contradiction_key(self, subject: str, found: Contradiction) -> str:
        """Points at the ticket of what sources contradict each other about, or at its answer."""
        said = found.model_dump(mode="json", exclude={"check"})
        about = f"{subject}\n{json.dumps(said, ensure_ascii=False, sort_keys=True)}"
        return "ticket:" + self._trail.tag(about)

    def check_key(self, subject: str) -> str:
        """Points at the newest check of whether something could be granted to somebody."""
        return "check:" + self._trail.tag(f"check\n{subject}")

    def offer_key(self, matter: MatterId, subject: str) -> str:
        """Points at the newest offer of a matter to somebody, or at how they answered it."""
        return "offer:" + self._trail.tag(f"offer\n{matter}\n{subject}")

    def offer_day_key(self, matter: MatterId, day: date) -> str:
        """Points at the newest request of a civil day to make offers of a matter."""
        return "offer_day:" + self._trail.tag(f"offer day\n{matter}\n{day}")

    @property
    def opens_from(self) -> int:
        """The first entry of which who it is about can be known; 0 unless a master key was lost."""
        return self._trail.opens_from

    @property
    def knows_grants(self) -> bool:
        """Whether what was granted once is known; not once a master key was lost."""
        return self.opens_from == 0

    @staticmethod
    def case_key(case_id: CaseId) -> str:
        """Points at the newest decision of a case; guards against two at once."""
        return f"case:{case_id}"

    def number_key(self, case_number: str) -> str:
        """Points at the first decision of the case of that number (办件编号)."""
        return "number:" + self._trail.tag(f"case_number\n{case_number}")

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    async def access(
        self,
        request: Request | Inquiry,
        about: Mapping[str, Sequence[Question]],
        *,
        case: CaseSummary,
        release_digest: str,
        now: datetime,
        flow: str,
        opens_case: bool,
        role: str = "",
        expect: Mapping[str, int | None] = MappingProxyType({}),
    ) -> Taken | None:
        """Record that registers are about to be asked: one entry for each whom it is about.

        A question that hangs on another's answer is among them, and may in the end not be put.

        Args:
            about: By subject, the questions. Only the request's own subject has the case.
            opens_case: Whether there is a case from now on. If not, it is there and stays as it
                stands, for it may have moved since it was seen; or there is none, and its id names
                the questions.
            role: Of the caller, where it is somebody of the staff; empty for a system.
            expect: What every key that the asking claims must point at.

        Returns:
            A key that another entry holds by now: then nothing is recorded. Without claims, None.

        Raises:
            NotRecordedError: It could not be; nothing may be asked.
        """
        for subject, questions in about.items():
            written = await self.claim(
                Entry(
                    type=ACCESS,
                    id=str(uuid4()),
                    time=now,
                    permanent={
                        "flow": flow,
                        "matter": request.matter,
                        "release_digest": release_digest,
                        "case_id": case.case_id,
                        "caller": request.caller,
                        **({"role": role} if role else {}),
                        "channel": request.channel,
                        **_capacity(request),
                        "queries": [
                            {
                                "query_id": question.query_id,
                                "evidence_type": question.evidence_type,
                                "purpose": question.purpose,
                                "legal_basis": question.legal_basis,
                            }
                            for question in questions
                        ],
                    },
                    sealed={
                        **_json(request, {"parties", "authority"}),
                        "keys": {one.query_id: {**one.keys} for one in questions},
                    },
                    subject=subject,
                    notice="",
                    case=(case_row(case) if opens_case and subject == request.subject else None),
                ),
                expect if subject == request.subject else {},
            )
            if isinstance(written, Taken):
                return written
        return None

    async def looked(self, look: Look, *, now: datetime) -> int:
        """Record that somebody of the staff is about to see what is recorded.

        Returns:
            Index of the entry: what is seen goes so far, and no further.

        Raises:
            NotRecordedError: It could not be; nothing may be shown.
        """
        written = await self._append(
            Entry(
                type=ACCESS,
                id=str(uuid4()),
                time=now,
                permanent={
                    "flow": look.flow,
                    "method": look.method,
                    "caller": look.caller,
                    "role": look.role,
                    "matter": look.matter,
                    "case_id": look.case_id,
                    **({} if look.index is None else {"index": look.index}),
                    **look.told,
                },
                sealed={"filter": look.filter},
                subject=look.subject,
                notice="",
            )
        )
        return written.index

    async def prefilled(
        self,
        request: PrefillRequest,
        fields: Sequence[PrefilledField],
        evidence: Sequence[Evidence],
        *,
        case: CaseSummary,
        release_digest: str,
        now: datetime,
    ) -> Receipt:
        """Record what the applicant is about to be shown.

        Raises:
            NotRecordedError: It could not be; the last message may not be sent.
        """
        return await self._append(
            Entry(
                type=PREFILL,
                id=str(uuid4()),
                time=now,
                permanent={
                    "matter": request.matter,
                    "release_digest": release_digest,
                    "case_id": case.case_id,
                    "caller": request.caller,
                    "channel": request.channel,
                    **_capacity(request),
                    "evidence": evidence_summary(evidence),
                },
                sealed={
                    **_json(request, {"parties", "answers"}),
                    "fields": [field.model_dump(mode="json") for field in fields],
                    "evidence": [item.model_dump(mode="json") for item in evidence],
                },
                subject=request.subject,
                notice="",
            )
        )

    async def decided(
        self,
        draft: Draft,
        *,
        expect: Mapping[str, int | None],
        given: Mapping[str, int | None],
        promised_by: datetime,
    ) -> Decision | Taken:
        """Record a decision; only now is it one.

        Args:
            promised_by: Until when a person decides, if it is one who does.
            expect: What every key that it claims must point at; None for a key that must be free.
            given: The same of keys that it rests on, and leaves where they are.

        Raises:
            NotRecordedError: It could not be recorded, so there is no decision.
        """
        parts, application = draft.parts(), draft.application
        body = in_json(parts)
        entry = Entry(
            type=DECISION,
            id=str(uuid4()),
            time=draft.decide_time,
            permanent={
                "request": self.request_key("Decide", application),
                "matter": application.matter,
                "release_digest": draft.release_digest,
                "rules_effective_date": draft.rules_effective_date.isoformat(),
                "engine": ENGINE,
                "service": SERVICE,
                "case_id": draft.case.case_id,
                "caller": application.caller,
                "channel": application.channel,
                "purpose": draft.matter.purpose,
                "legal_basis": application.authority.legal_basis,
                **_capacity(application),
                "outcome": draft.outcome.kind,
                "statuses": [list(pair) for pair in draft.statuses],
                "reasons": [*sorted({reason.code for reason in draft.outcome.reasons})],
                "evidence": evidence_summary(draft.evidence),
                "decided_by": "system",
                **({} if draft.follows is None else {"follows": draft.follows}),
                **({"offer": application.offer_id} if application.offer_id else {}),
            },
            sealed={
                "decision": body,
                "application": application.model_dump(mode="json"),
                "rows": [list(pair) for pair in draft.rows],
                "because": draft.because,
                "objected": list(draft.objected),
                "zone": draft.zone,
                "wait_until": draft.wait_until.isoformat() if draft.wait_until else "",
                "case": draft.case.model_dump(mode="json"),
            },
            subject=application.subject,
            notice=body["notice"]["zh"] + "\n\n" + body["notice"]["en"],
            case=case_row(
                draft.case.model_copy(
                    update={"state": draft.state, "filing_date": draft.filing_date}
                ),
                due_time=due_time(draft.outcome, promised_by),
            ),
        )
        written = await self.claim(entry, expect, given)
        if isinstance(written, Taken):
            return written
        return Decision(**parts, receipt=written)

    async def archive(self, digest: str, content: bytes) -> None:
        """Keep a release for as long as decisions made under it may be asked about."""
        await self._trail.archive(digest, content)

    async def published(self, publication: Publication, *, now: datetime) -> None:
        """Record by whom a release was published, once; its seal and their keys with it.

        Raises:
            NotRecordedError: It could not be recorded.
        """
        entry = Entry(
            type=PUBLICATION,
            id=str(uuid4()),
            time=now,
            permanent={
                "matter": publication.matter,
                "release": publication.release,
                "release_digest": publication.release_digest,
                "seal": publication.seal,
                "signed_by": [*publication.keys],
            },
            sealed={},
            subject="",
            notice="",
        )
        await self.claim(entry, {f"publication:{publication.digest}": None})

    async def publications(self) -> tuple[tuple[MatterId, str], ...]:
        """Matter and name of every release that was ever published."""
        found = await self.find(
            queries.Is("type", "=", PUBLICATION), before=queries.NO_END, limit=_PUBLICATIONS
        )
        said = (one.leaf.permanent for one in found)
        return tuple((MatterId(str(one["matter"])), str(one["release"])) for one in said)

    @contextmanager
    def in_flight(self, key: str) -> Iterator[bool]:
        """Mark a request for as long as it is handled, so that dying under it is known (law 3).

        Yields:
            Whether an earlier process died under this very request. The mark of such a death is
            wiped only by an outcome.
        """
        interrupted = self._trail.inflight.begin(key)
        try:
            yield interrupted
        except BaseException:
            if not interrupted:
                self._trail.inflight.end(key)
            raise
        self._trail.inflight.end(key)

    async def _append(self, entry: Entry) -> Receipt:
        """Append an entry that claims nothing."""
        written = await self.claim(entry, {})
        assert isinstance(written, Receipt), "nothing was claimed, so nothing can be taken"  # noqa: S101
        return written

    async def claim(
        self,
        entry: Entry,
        expect: Mapping[str, int | None],
        given: Mapping[str, int | None] = MappingProxyType({}),
    ) -> Receipt | Taken:
        """Append an entry, if every key that it claims, or rests on, points where it should.

        Raises:
            NotRecordedError: It could not be recorded.
        """
        time = asyncio.get_running_loop().time
        began = time()
        try:
            written = await self._trail.append(entry, expect=expect, given=given)
            self._appended(time() - began)
            match written:
                case AuditReceipt(index=index, leaf_hash=leaf_hash):
                    return Receipt(index=index, leaf_hash=leaf_hash.hex())
                case Conflict(key=key, index=index):
                    return Taken(key=key, index=index)
        except AuditNotRecordedError as error:
            self._appended(None)
            raise NotRecordedError(
                "it could not be recorded, so it did not happen",
                zh="系统未能记录本次请求，未作出任何决定，请稍后用同一请求编号重试。",
                reason="NOT_RECORDED",
                hint="Repeat the call with the same `request_id`.",
                cause=error.reason,
            ) from error

    # ── what is kept, and how long ───────────────────────────────────────────────────────────────

    async def erase(
        self, subject: str, *, reason: str, time: datetime, told: Mapping[str, str]
    ) -> Erasure | None:
        """Destroy what tells who, in all entries about a subject; None if there is none.

        Raises:
            PreconditionError: A hold forbids it.
            NotRecordedError: It was not recorded; or it was, and repeating it ends its traces.
        """
        with _kept():
            erased = await self._trail.erase(subject, reason=reason, time=time, told=told)
            if erased is None:
                await self._trail.scrub()  # an earlier try may have left traces
            return erased

    async def erase_entries(
        self, indices: Sequence[int], *, reason: str, time: datetime, told: Mapping[str, str]
    ) -> Erasure | None:
        """Destroy what tells who, in these entries alone; None if nothing is left of them.

        Raises:
            PreconditionError: A hold forbids it.
            NotRecordedError: It was not recorded; or it was, and repeating it ends its traces.
        """
        with _kept():
            return await self._trail.erase_entries(indices, reason=reason, time=time, told=told)

    async def renew_master_key(
        self, *, time: datetime, told: Mapping[str, str], most: int
    ) -> int | None:
        """Go on with a renewal of the master key; index of the entry of its end, None before.

        Raises:
            NotRecordedError: It could not go on; nothing is lost.
        """
        try:
            return (await self._trail.renew_master_key(time=time, told=told, most=most)).index
        except AuditNotRecordedError as error:
            raise NotRecordedError(
                f"the master key is not renewed yet: {error}",
                zh=f"主密钥尚未更换完毕：{error.zh}",
                reason="NOT_RECORDED",
                hint=f"Nothing is lost, and it goes on when it is called again. {error.hint}",
                cause=error.reason,
            ) from error

    async def place_hold(
        self, scope: Scope, *, reason: str, time: datetime, told: Mapping[str, str]
    ) -> int:
        """Let nothing in that scope be erased; returns the index of the entry.

        Raises:
            NotRecordedError: It could not be recorded.
        """
        with _kept():
            return await self._trail.place_hold(scope, reason=reason, time=time, told=told)

    async def lift_hold(
        self, index: int, *, reason: str, time: datetime, told: Mapping[str, str]
    ) -> int:
        """Lift the hold of that entry; returns the index of the new one.

        Raises:
            NotFoundError: No such hold is in force.
            NotRecordedError: It could not be recorded.
        """
        with _kept():
            return await self._trail.lift_hold(index, reason=reason, time=time, told=told)

    async def holds(self) -> tuple[Hold, ...]:
        """The holds that are in force, the oldest first."""
        return await self._trail.holds()

    async def kept_about(self, subject: str) -> tuple[kept.KeptEntry, ...]:
        """What is kept about a subject, the oldest first."""
        tag = self._trail.tag(subject)
        return await self._trail.ask(lambda c: kept.kept_about(c, tag))

    async def kinds_kept(self) -> tuple[tuple[str, str], ...]:
        """Every kind and matter of which something is kept."""
        return await self._trail.ask(kept.kinds_kept)

    async def overdue(
        self, kind: str, matter: str, *, before: datetime, limit: int
    ) -> tuple[int, ...]:
        """The oldest entries of a kind and matter that were last changed before, and none holds."""
        return await self._trail.ask(
            lambda c: kept.overdue(
                c, kind, matter, before=before, limit=limit, holds=self._trail.holds_at(c)
            )
        )

    async def count_overdue(self, kind: str, matter: str, *, before: datetime) -> int:
        """How many entries `overdue` would find without a limit."""
        return await self._trail.ask(
            lambda c: kept.count_overdue(
                c, kind, matter, before=before, holds=self._trail.holds_at(c)
            )
        )

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    async def latest(self, key: str) -> int | None:
        """Index of the entry that holds the key; None if none does."""
        return await self._trail.latest(key)

    async def case_named(self, name: str) -> str:
        """The id of the case that was handed in under that number (办件编号), or else the name."""
        index = await self.latest(self.number_key(name)) if "-" in name else None
        return name if index is None else str((await self.recorded(index)).permanent["case_id"])

    async def decision_at(self, index: int) -> tuple[Application, Decision]:
        """The decision of an entry, and the application that it answers.

        Raises:
            ErasedError: The sealed part was erased.
        """
        recorded, sealed = await self.opened(index)
        application = Application.model_validate_json(json.dumps(sealed["application"]))
        return application, recorded_decision(sealed["decision"], recorded)

    async def draft_at(self, index: int, matter: Matter) -> Draft:
        """The recorded decision as it was before it was recorded; replay judges it again.

        Raises:
            ErasedError: The sealed part was erased.
        """
        recorded, sealed = await self.opened(index)
        body = sealed["decision"]
        return Draft.model_validate_json(
            json.dumps(
                {
                    **{name: body[name] for name in Draft.model_fields if name in body},
                    "matter": matter.model_dump(mode="json"),
                    "application": sealed["application"],
                    "case": sealed["case"],
                    "wait_until": sealed["wait_until"] or None,
                    "because": sealed["because"],
                    "objected": sealed.get("objected", []),
                    "zone": sealed.get("zone", "UTC"),
                    "statuses": recorded.permanent["statuses"],
                    "rows": sealed["rows"],
                    "follows": recorded.permanent.get("follows"),
                }
            )
        )

    async def recorded(self, index: int) -> Recorded:
        """An entry as it stands in the trail.

        Raises:
            NotFoundError: There is no such entry.
            RecordDamagedError: Its sealed part is not what was recorded.
        """
        with _opening(index):
            return await self._trail.read(index)

    async def look(self, question: Callable[[Moment], Answer]) -> Answer:
        """Ask several things of the trail as it stands at one instant; one trip to the store.

        Raises:
            RecordDamagedError: An entry that was opened is not what was recorded.
        """
        with _opening():
            return await self._trail.look(question)

    async def find(
        self, condition: queries.Condition, *, before: int, limit: int
    ) -> tuple[queries.Found, ...]:
        """The newest entries below an index for which the condition holds, newest first."""
        return await self._trail.ask(
            lambda c: queries.find(c, condition, before=before, limit=limit)
        )

    async def find_oldest(
        self, condition: queries.Condition, *, after: int, until: int, limit: int
    ) -> tuple[queries.Found, ...]:
        """The oldest entries above an index, up to another, for which it holds, oldest first."""
        return await self._trail.ask(
            lambda c: queries.find_oldest(c, condition, after=after, until=until, limit=limit)
        )

    async def following(
        self, condition: queries.Condition, *, after: int, limit: int
    ) -> tuple[int, ...]:
        """The oldest entries above an index for which the condition holds, oldest first."""
        return await self._trail.ask(
            lambda c: queries.following(c, condition, after=after, limit=limit)
        )

    async def newest(self, keys: Sequence[str]) -> Mapping[str, queries.Found]:
        """The newest entry under each key; a key without one is left out."""
        return await self._trail.ask(lambda c: queries.newest(c, keys))

    async def referred(
        self, matters: Collection[MatterId], *, after: tuple[str, str], limit: int
    ) -> tuple[Due, ...]:
        """Cases with a person, those due earliest first.

        Args:
            matters: Of those alone, or `EVERY_MATTER`.
            after: The last one's `Due.place`; both empty to begin.
        """
        named = None if EVERY_MATTER in matters else sorted(matters)
        rows = await self._trail.ask(
            lambda c: queries.cases(c, CaseState.REFERRED.value, named, after=after, limit=limit)
        )
        return tuple(
            Due(
                case=summary(row),
                decided=row.latest_index,
                due_time=row.due_time,
                place=(time_text(row.due_time) if row.due_time else "", row.case_id),
            )
            for row in rows
        )

    async def count(self, condition: queries.Condition) -> int:
        """For how many entries the condition holds."""
        return await self._trail.ask(lambda c: queries.count(c, condition))

    async def tally(self, condition: queries.Condition) -> tuple[Tally, ...]:
        """The decisions for which the condition holds, counted by matter and release."""
        return await self._trail.ask(lambda c: tally(c, condition, kinds=KINDS))

    def objected_before_keys(self, at: Moment, objection: str) -> frozenset[str]:
        """Tags of whom objections are about that claimed no `objections_key`.

        Those of before there was such a key; no more come, so they are looked for once.

        Args:
            objection: The type of an objection.
        """
        if self._objected_before is None:
            tags = at.subject_tags(objection)
            self._objected_before = frozenset(
                tag for tag in tags if not at.held([self.objections_key_of(tag)])
            )
        return self._objected_before

    def about(self, subject: str) -> queries.Is:
        """That an entry is about somebody, as `Request.subject` says who that is."""
        return queries.Is("subject_tag", "=", self._trail.tag(subject))

    def tag(self, text: str) -> str:
        """What only this trail can make of a text: proves that we wrote it, tells nothing of it."""
        return self._trail.tag(text)

    async def case(self, case_id: str) -> CaseSummary | None:
        """Where a case stands; None if there is no such case."""
        row = await self._trail.case(case_id)
        return None if row is None else summary(row)

    async def subject(self, case_id: str) -> str:
        """Whose case it is, as `Request.subject` says it: as the entry has it that opened it.

        Raises:
            ErasedError: The sealed part was erased.
        """
        row = await self._trail.case(case_id)
        if row is None:
            return ""
        recorded, _ = await self.opened(row.first_index)
        return recorded.subject

    async def opening(self, case_id: str) -> Opening:
        """How a case began, and whether a decision has ended it.

        Raises:
            ErasedError: The sealed part was erased.
        """
        entries = await self.entries(case_id)
        entry, parties = next((entry, found) for entry in entries if (found := parties_of(entry)))
        return Opening(
            subject=await self.subject(case_id),
            parties=parties,
            release_digest=str(entry.permanent["release_digest"]),
            is_determined=any(entry.permanent.get("outcome") in KINDS.ended for entry in entries),
        )

    async def newest_entry(self, case_id: str) -> int | None:
        """Index of the newest entry about a case; None if there is none."""
        return max(await self._trail.case_entries(case_id), default=None)

    async def entries(self, case_id: str) -> tuple[Recorded, ...]:
        """Everything that is recorded of a case, the newest last."""
        indices = await self._trail.case_entries(case_id)
        return tuple([await self.recorded(index) for index in indices])

    async def decisions(self, case_id: str) -> tuple[Decision, ...]:
        """The decisions of a case, by rules and by persons, the newest last.

        Raises:
            ErasedError: A sealed part was erased.
        """
        kinds = (DECISION, DETERMINATION, OVERRIDE)
        decided = queries.Either(tuple(queries.Is("type", "=", kind) for kind in kinds))
        condition = queries.All((queries.Is("case_id", "=", case_id), decided))
        indices = await self.following(condition, after=-1, limit=_DECISIONS)
        opened = [await self.opened(index) for index in indices]
        return tuple(recorded_decision(sealed["decision"], recorded) for recorded, sealed in opened)

    async def waiting(self) -> tuple[CaseId, ...]:
        """Every case that waits for a source; none where another process looks after them."""
        if not await self._trail.leads():
            return ()
        return tuple(
            CaseId(row.case_id) for row in await self._trail.cases(CaseState.WAITING.value)
        )

    async def receipt(self, index: int) -> str:
        """The receipt file of an entry: proves it to whoever does not trust us."""
        return await self._trail.receipt(index)

    async def archived(self, digest: str) -> bytes | None:
        """The archive of a release; None if no decision was made under it.

        Raises:
            RecordDamagedError: It is not what was put there.
        """
        try:
            return await self._trail.archived(digest)
        except TamperedError as error:
            raise RecordDamagedError(
                str(error), zh=f"{error.zh}。", reason="ARCHIVE_DAMAGED", hint=error.hint
            ) from None

    async def opened(self, index: int) -> tuple[Recorded, Mapping[str, Any]]:
        """An entry, and what is sealed of it.

        Raises:
            NotFoundError: There is no such entry.
            ErasedError: The sealed part was erased.
            RecordDamagedError: It is not what was recorded.
        """
        recorded = await self.recorded(index)
        return recorded, _sealed_of(recorded)


def new_case_id() -> CaseId:
    """The id of a case that is opened, in the order in which cases are."""
    return CaseId(ordered_id())


def parties_of(recorded: Recorded) -> tuple[Party, ...]:
    """Who takes part, if the entry says so.

    Raises:
        ErasedError: Its sealed part was erased.
    """
    sealed = _sealed_of(recorded)
    found = sealed.get("parties", sealed.get("application", {}).get("parties", ()))
    return tuple(Party.model_validate_json(json.dumps(one)) for one in found)


def readable(recorded: Recorded) -> Recorded:
    """The entry, if it still tells who.

    Raises:
        ErasedError: Its sealed part was erased.
    """
    _sealed_of(recorded)
    return recorded


def _sealed_of(recorded: Recorded) -> Mapping[str, Any]:
    if recorded.sealed is ERASED:
        raise ErasedError(
            "the record was erased on the person's demand",
            zh="该记录已应当事人要求删除。",
            reason="ERASED",
            hint="Its place in the trail can still be verified; its content is gone.",
        )
    return recorded.sealed


def summary(row: CaseRow) -> CaseSummary:
    """A case as the trail projects it, in our words."""
    return CaseSummary(
        case_id=CaseId(row.case_id),
        case_number=row.case_number,
        caller=row.caller,
        matter=MatterId(row.matter),
        state=CaseState(row.state),
        filing_date=date.fromisoformat(row.filing_date) if row.filing_date else None,
        create_time=row.create_time,
    )


def case_row(case: CaseSummary, *, due_time: datetime | None = None) -> CaseRow:
    """A case as the trail projects it."""
    return CaseRow(
        case_id=case.case_id,
        case_number=case.case_number,
        caller=case.caller,
        matter=case.matter,
        state=case.state.value,
        filing_date=case.filing_date.isoformat() if case.filing_date else "",
        create_time=case.create_time,
        due_time=due_time,
    )


@contextmanager
def _opening(index: int | None = None) -> Iterator[None]:
    """What the trail says to a look at its entries, in our words."""
    try:
        yield
    except AuditNotFoundError:
        raise NotFoundError(
            "the trail has no such entry",
            zh="决定记录中没有这一条；序号从 0 起。",
            reason="ENTRY_NOT_FOUND",
            hint="The first entry is 0; `ListEntries` tells which there are.",
        ) from None
    except TamperedError:
        raise RecordDamagedError(
            "the sealed part of the entry is not what was recorded",
            zh="该条记录的密封部分已非当初所记；请运行 `miaopi audit verify`，并保全证据。",
            reason="SEAL_BROKEN",
            hint="Run `miaopi audit verify` on the store, and keep it as evidence.",
            **({} if index is None else {"index": str(index)}),
        ) from None


@contextmanager
def _kept() -> Iterator[None]:
    """What the trail says to an erasure or a hold, in our words."""
    try:
        yield
    except HeldError as error:
        raise PreconditionError(
            str(error), zh=f"{error.zh}。", reason="UNDER_HOLD", hint=error.hint
        ) from None
    except AuditNotFoundError as error:
        raise NotFoundError(
            str(error), zh=f"{error.zh}。", reason="HOLD_NOT_FOUND", hint=error.hint
        ) from None
    except AuditNotRecordedError as error:
        raise NotRecordedError(
            "it is not recorded, or traces of what was erased are still in the write-ahead log",
            zh="未能记录，或预写日志中尚有已删除内容的痕迹；请稍后重试，直至答复已无可删除内容。",
            reason="NOT_RECORDED",
            hint="Repeat the call until it finds nothing left to erase.",
            cause=error.reason,
        ) from error


def recorded_decision(body: Mapping[str, Any], recorded: Recorded) -> Decision:
    """A recorded decision, with its receipt."""
    receipt = Receipt(index=recorded.index, leaf_hash=recorded.leaf_hash.hex())
    return Decision.model_validate_json(
        json.dumps({**body, "receipt": receipt.model_dump(mode="json")})
    )


def _capacity(request: Request | Inquiry) -> dict[str, str]:
    """In which capacity somebody acts for the applicant; who and for whom is in the sealed part."""
    capacity = request.authority.capacity
    return {"capacity": capacity.value} if capacity else {}


def evidence_summary(evidence: Sequence[Evidence]) -> list[Any]:
    """What was asked and what became of it, in an order that does not depend on who was fast."""
    return [
        {
            "evidence_type": item.evidence_type,
            "status": item.status.value,
            "query_id": item.query_id,
            "as_of": item.as_of.isoformat() if item.as_of else "",
        }
        for item in sorted(evidence, key=lambda one: one.evidence_type)
    ]


def _json(model: Frozen, include: set[str]) -> dict[str, Any]:
    return model.model_dump(mode="json", include=include)
