"""The one gRPC client of the service: the command line uses it, and a portal in Python can.

Requests are made of our vocabulary; answers are the contract's messages, as they came.
"""

import json
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar, assert_never

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, LocalizedMessage, RequestInfo
from google.type.date_pb2 import Date
from grpc_status import rpc_status

from decision_service import model
from decision_service.errors import FieldViolation
from decision_service.followup import Person
from decision_service.v1 import (
    case_pb2_grpc,
    decision_pb2_grpc,
    matter_pb2_grpc,
    prefill_pb2_grpc,
    retention_pb2_grpc,
    trail_pb2_grpc,
)
from decision_service.v1 import vocabulary_pb2 as pb
from decision_service.v1.case_pb2 import (
    Case,
    CaseEvent,
    ContestFactRequest,
    GetCaseRequest,
    GetReceiptRequest,
    RateCaseRequest,
    Rating,
    RequestReviewRequest,
    WatchCaseRequest,
    WithdrawCaseRequest,
)
from decision_service.v1.case_pb2 import Person as WirePerson
from decision_service.v1.decision_pb2 import (
    CheckEligibilityRequest,
    CheckEligibilityResponse,
    Contest,
    DecideRequest,
)
from decision_service.v1.matter_pb2 import GetMatterRequest, ListMattersRequest, Matter
from decision_service.v1.prefill_pb2 import PrefilledField, PrefillRequest, PrefillResponse
from decision_service.v1.retention_pb2 import (
    ApplyRetentionRequest,
    ApplyRetentionResponse,
    ErasePersonRequest,
    ErasePersonResponse,
    Hold,
    Justification,
    LiftHoldRequest,
    ListHoldsRequest,
    PlaceHoldRequest,
    RecordDisclosureRequest,
    RenewMasterKeyRequest,
)
from decision_service.v1.trail_pb2 import (
    Access,
    Entry,
    GetCaseTimelineRequest,
    GetCaseTimelineResponse,
    GetEntryRequest,
    GetEntryResponse,
    GetStatsRequest,
    GetStatsResponse,
    ListAccessesRequest,
    ListEntriesRequest,
    OutcomeChange,
    ReleaseStats,
    Replay,
    ReplayDecisionRequest,
    ReplayDecisionsRequest,
    ReplayDecisionsResponse,
    SimulateReleaseRequest,
    SimulateReleaseResponse,
)
from decision_service.v1.vocabulary_pb2 import (
    Contradiction,
    Decision,
    Determination,
    EvidenceStatus,
    Freshness,
    Reason,
    ReplacedDocument,
    Text,
    Value,
)

__all__ = [
    "Access",
    "ApplyRetentionResponse",
    "Case",
    "CaseEvent",
    "CheckEligibilityResponse",
    "Client",
    "ClientError",
    "Contradiction",
    "Date",
    "Decision",
    "Determination",
    "Entry",
    "ErasePersonRequest",
    "ErasePersonResponse",
    "EvidenceStatus",
    "Freshness",
    "GetCaseTimelineResponse",
    "GetEntryResponse",
    "Hold",
    "Justification",
    "Matter",
    "OutcomeChange",
    "PrefillResponse",
    "PrefilledField",
    "Rating",
    "Reason",
    "ReleaseStats",
    "ReplacedDocument",
    "Replay",
    "ReplayDecisionsResponse",
    "SimulateReleaseResponse",
    "Text",
    "Value",
    "as_json",
]

_NOBODY: Final = ("See whether the service runs there.", "服务没有应答，请检查地址和网络。")
_UNANSWERED: Final = {
    grpc.StatusCode.DEADLINE_EXCEEDED: (
        "Repeat it with the same `request_id` and more time; what was decided is not lost.",
        "请求超时，请延长时限，用同一请求编号重试。",
    ),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        "Send less: a request has at most 1 MiB, and a token with all metadata at most 8 KiB.",
        "请求过大：请求不得超过 1 MiB，令牌和元数据不得超过 8 KiB。",
    ),
    grpc.StatusCode.UNIMPLEMENTED: (
        "See whether client and service are of the same version.",
        "服务没有此方法，请核对客户端与服务的版本。",
    ),
}
"""What to do, in English and Chinese, where gRPC itself said no and no service told why."""

_EXAMPLES: Final = 10

_CLOSED: Final = (Case.STATE_APPROVED, Case.STATE_REFUSED, Case.STATE_WITHDRAWN)

_LOOPBACK: Final = ("127.0.0.1:", "[::1]:", "localhost:")

_RETRY: Final = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
"""gRPC repeats the same bytes, so with the same ``request_id``, and within the deadline."""


@dataclass(eq=False)
class ClientError(Exception):
    """The service said no, or nothing.

    Attributes:
        code: Canonical code, e.g. ``NOT_FOUND``.
        reason: UPPER_SNAKE_CASE; empty if no service answered.
        hint: What to do about it, in English.
        zh: What is wrong and what to do, in Chinese.
        request_id: Finds the call in the service's log.
        fields: Every field of the request that is wrong.
    """

    code: str
    reason: str
    message: str
    hint: str
    zh: str
    request_id: str = ""
    fields: tuple[FieldViolation, ...] = ()

    def __str__(self) -> str:
        return self.message


_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


class _Paged(Protocol):
    page_token: str


class _WithNext(Protocol):
    next_page_token: str


class _Filtered(Protocol):
    filter: str


class _WithProgress(Protocol):
    done: int
    total: int
    last_index: int


_Many = TypeVar("_Many", bound=_Filtered)
_Far = TypeVar("_Far", bound=_WithProgress)
_PageAsked = TypeVar("_PageAsked", bound=_Paged)
_Page = TypeVar("_Page", bound=_WithNext)


class Client:
    """A caller of the service, from ``async with`` until its block ends.

    Args:
        address: ``host:port``; plain text on the loopback, TLS everywhere else.
        token: JSON Web Token that says who calls.
        authority_certificate: PEM of who signed the service's certificate; None trusts whom
            the machine trusts.
        timeout_s: Deadline of every call, in seconds.

    Attributes:
        channel: Over which every call is made.

    Every method raises `ClientError` if the service said no.
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        authority_certificate: bytes | None = None,
        timeout_s: float = 15.0,
    ) -> None:
        options = (("grpc.service_config", json.dumps(_RETRY)),)
        if address.startswith(_LOOPBACK) and authority_certificate is None:
            self.channel = grpc.aio.insecure_channel(address, options=options)
        else:
            credentials = grpc.ssl_channel_credentials(authority_certificate)
            self.channel = grpc.aio.secure_channel(address, credentials, options=options)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._timeout_s = timeout_s
        self._matters = matter_pb2_grpc.MatterServiceStub(self.channel)
        self._prefills = prefill_pb2_grpc.PrefillServiceStub(self.channel)
        self._decisions = decision_pb2_grpc.DecisionServiceStub(self.channel)
        self._cases = case_pb2_grpc.CaseServiceStub(self.channel)
        self._trail = trail_pb2_grpc.TrailServiceStub(self.channel)
        self._retention = retention_pb2_grpc.RetentionServiceStub(self.channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.channel.close()

    # ── how a call is made, here and by the clients of the other services ────────────────────────

    async def ask(
        self, method: "grpc.aio.UnaryUnaryMultiCallable[_Asked, _Answer]", asked: _Asked
    ) -> _Answer:
        """Make a call that has one answer."""
        with _translated():
            return await method(asked, metadata=self._metadata, timeout=self._timeout_s)

    async def pages(
        self, method: "grpc.aio.UnaryUnaryMultiCallable[_PageAsked, _Page]", asked: _PageAsked
    ) -> AsyncIterator[_Page]:
        """All pages of a list, each fetched when it is wanted."""
        while True:
            page = await self.ask(method, asked)
            yield page
            asked.page_token = page.next_page_token
            if not asked.page_token:
                return

    @contextmanager
    def streamed(
        self, method: "grpc.aio.UnaryStreamMultiCallable[_Asked, _Answer]", asked: _Asked
    ) -> Iterator[AsyncIterable[_Answer]]:
        """Make a call that has many answers; it ends with the block, wherever it is."""
        call = method(asked, metadata=self._metadata, timeout=self._timeout_s)
        try:
            with _translated():
                yield call
        finally:
            call.cancel()

    # ── applications ─────────────────────────────────────────────────────────────────────────────

    async def matters(self, day: date | None = None) -> tuple[Matter, ...]:
        """Every matter in force on a day; None is today."""
        asked = ListMattersRequest(date=None if day is None else write_day(day))
        pages = self.pages(self._matters.ListMatters, asked)
        return tuple([matter async for page in pages for matter in page.matters])

    async def matter(self, matter: str, day: date | None = None) -> Matter:
        """One matter on a day; None is today."""
        asked = GetMatterRequest(matter=matter, date=None if day is None else write_day(day))
        answer = await self.ask(self._matters.GetMatter, asked)
        return answer.matter

    async def prefill(
        self,
        *,
        matter: str,
        request_id: str,
        channel: str,
        parties: Sequence[model.Party],
        authority: model.Authority,
        answers: Mapping[str, model.Value] | None = None,
        case_id: str = "",
    ) -> AsyncIterator[PrefillResponse]:
        """What each register knows, as it answers, then the whole form.

        Args:
            answers: What the applicant has declared so far; some registers find by it.
        """
        asked = PrefillRequest(
            matter=matter,
            request_id=request_id,
            case_id=case_id,
            channel=channel,
            parties=[_party(party) for party in parties],
            authority=_authority(authority),
            answers={key: write_value(value) for key, value in (answers or {}).items()},
        )
        with self.streamed(self._prefills.Prefill, asked) as events:
            async for event in events:
                yield event

    async def decide(
        self,
        *,
        matter: str,
        request_id: str,
        channel: str,
        parties: Sequence[model.Party],
        authority: model.Authority,
        answers: Mapping[str, model.Value],
        contests: Sequence[model.Contest] = (),
        case_id: str = "",
        person_requested: bool = False,
        offer_id: str = "",
    ) -> Decision:
        """Hand an application in; the same ``request_id`` gets the same decision."""
        asked = DecideRequest(
            matter=matter,
            request_id=request_id,
            case_id=case_id,
            channel=channel,
            parties=[_party(party) for party in parties],
            authority=_authority(authority),
            answers={key: write_value(value) for key, value in answers.items()},
            contests=[_contest(one) for one in contests],
            person_requested=person_requested,
            offer_id=offer_id,
        )
        answer = await self.ask(self._decisions.Decide, asked)
        return answer.decision

    async def check(
        self,
        *,
        matter: str,
        request_id: str,
        channel: str,
        parties: Sequence[model.Party],
        authority: model.Authority,
        answers: Mapping[str, model.Value],
    ) -> CheckEligibilityResponse:
        """What an application would meet; this is no decision."""
        asked = CheckEligibilityRequest(
            matter=matter,
            request_id=request_id,
            channel=channel,
            parties=[_party(party) for party in parties],
            authority=_authority(authority),
            answers={key: write_value(value) for key, value in answers.items()},
        )
        return await self.ask(self._decisions.CheckEligibility, asked)

    async def case(self, case_id: str) -> Case:
        """A case of ours, with its decisions."""
        answer = await self.ask(self._cases.GetCase, GetCaseRequest(case_id=case_id))
        return answer.case

    async def receipt(self, case_id: str, index: int | None = None) -> str:
        """The receipt file of a decision, by default of the newest; JSON, kept as it is."""
        answer = await self.ask(
            self._cases.GetReceipt, GetReceiptRequest(case_id=case_id, index=index)
        )
        return answer.receipt_json

    # ── what a person may do about a case ────────────────────────────────────────────────────────

    async def watch(self, case_id: str) -> AsyncIterator[Case]:
        """A case of ours, and again whenever it has moved, until it is closed."""
        told, asked = Case(), WatchCaseRequest(case_id=case_id)
        while told.state not in _CLOSED:
            with self.streamed(self._cases.WatchCase, asked) as events:
                async for event in events:
                    if event.case != told:  # the first of a call may be the last of the one before
                        told = event.case
                        yield told

    async def withdraw(
        self, case_id: str, person: Person, *, request_id: str, text: str = ""
    ) -> Case:
        """Take an application back, before it is determined."""
        asked = WithdrawCaseRequest(
            case_id=case_id, request_id=request_id, person=write_person(person), text=text
        )
        answer = await self.ask(self._cases.WithdrawCase, asked)
        return answer.case

    async def request_review(
        self, case_id: str, person: Person, *, request_id: str, text: str = ""
    ) -> Case:
        """Have a person decide, or look at what was decided."""
        asked = RequestReviewRequest(
            case_id=case_id, request_id=request_id, person=write_person(person), text=text
        )
        answer = await self.ask(self._cases.RequestReview, asked)
        return answer.case

    async def rate(
        self, case_id: str, person: Person, grade: str, *, request_id: str, text: str = ""
    ) -> Rating:
        """Rate how a case was handled, with one of the five `Grade`; once."""
        asked = RateCaseRequest(
            case_id=case_id,
            request_id=request_id,
            person=write_person(person),
            grade=Rating.Grade.Value(f"GRADE_{grade.upper()}"),
            text=text,
        )
        answer = await self.ask(self._cases.RateCase, asked)
        return answer.rating

    async def contest(
        self, case_id: str, person: Person, contest: model.Contest, *, request_id: str
    ) -> Case:
        """Object to a register's value; the case's newest event has the ticket."""
        asked = ContestFactRequest(
            case_id=case_id,
            request_id=request_id,
            person=write_person(person),
            contest=_contest(contest),
        )
        answer = await self.ask(self._cases.ContestFact, asked)
        return answer.case

    # ── the trail, for auditors ──────────────────────────────────────────────────────────────────

    async def entries(
        self, filter_: str = "", subject: model.Document | None = None, *, page_size: int = 0
    ) -> AsyncIterator[Entry]:
        """Entries of the trail that match, the newest first; pages are fetched as they are read."""
        asked = ListEntriesRequest(filter=filter_, page_size=page_size)
        if subject is not None:
            asked.subject.CopyFrom(write_document(subject))
        async for page in self.pages(self._trail.ListEntries, asked):
            for one in page.entries:
                yield one

    async def entry(self, index: int) -> GetEntryResponse:
        """One entry, opened as far as our role may see it."""
        return await self.ask(self._trail.GetEntry, GetEntryRequest(index=index))

    async def timeline(self, case_id: str) -> GetCaseTimelineResponse:
        """Everything that happened with a case, of all pages."""
        asked, whole = GetCaseTimelineRequest(case_id=case_id), GetCaseTimelineResponse()
        async for page in self.pages(self._trail.GetCaseTimeline, asked):
            whole.case.CopyFrom(page.case)
            whole.entries.extend(page.entries)
        return whole

    async def accesses(
        self, subject: model.Document, *, page_size: int = 0
    ) -> AsyncIterator[Access]:
        """Who asked for somebody's data, the newest first."""
        asked = ListAccessesRequest(subject=write_document(subject), page_size=page_size)
        async for page in self.pages(self._trail.ListAccesses, asked):
            for one in page.accesses:
                yield one

    async def stats(self, filter_: str = "") -> GetStatsResponse:
        """Decisions that match, counted by release and by matter."""
        return await self.ask(self._trail.GetStats, GetStatsRequest(filter=filter_))

    async def replay(self, index: int) -> Replay:
        """Have one decision decided again."""
        answer = await self.ask(self._trail.ReplayDecision, ReplayDecisionRequest(index=index))
        return answer.replay

    async def replays(self, filter_: str = "") -> AsyncIterator[ReplayDecisionsResponse]:
        """Have all decisions that match decided again, in as many calls as that takes.

        Yields:
            How far it is, over all calls; each with what it found since the one before.
        """

        def add(
            before: ReplayDecisionsResponse, more: ReplayDecisionsResponse
        ) -> ReplayDecisionsResponse:
            more.total += before.done
            more.done += before.done
            more.reproduced += before.reproduced
            return more

        asked = ReplayDecisionsRequest(filter=filter_)
        far = self.to_the_end(self._trail.ReplayDecisions, asked, ReplayDecisionsResponse(), add)
        async for told in far:
            yield told

    async def simulation(
        self, release: bytes, filter_: str = ""
    ) -> AsyncIterator[SimulateReleaseResponse]:
        """Have recorded decisions decided by a release, in as many calls as that takes.

        Args:
            release: As `release.Release.archive` has it.

        Yields:
            How far it is, and what it found, over all calls.
        """
        asked = SimulateReleaseRequest(release=release, filter=filter_)
        nothing = SimulateReleaseResponse(last_index=-1)
        async for told in self.to_the_end(self._trail.SimulateRelease, asked, nothing, _added):
            yield told

    async def to_the_end(
        self,
        method: "grpc.aio.UnaryStreamMultiCallable[_Many, _Far]",
        asked: _Many,
        nothing: _Far,
        add: Callable[[_Far, _Far], _Far],
    ) -> AsyncIterator[_Far]:
        """Go through all that match, where a call ends in time for its deadline and not at the end.

        Args:
            nothing: How far it is before the first call.
            add: What earlier calls and one more message come to.
        """
        filter_, before = asked.filter, nothing
        while True:
            told = before
            with self.streamed(method, asked) as parts:
                async for one in parts:
                    told = add(before, one)
                    yield told
            if told.done >= told.total or told.done == before.done:
                return
            before = told
            rest = f"index > {told.last_index}"
            asked.filter = f"({filter_}) AND {rest}" if filter_.strip() else rest

    # ── what is kept of people ───────────────────────────────────────────────────────────────────

    async def erase_person(
        self,
        subject: model.Document,
        ground: ErasePersonRequest.Ground.ValueType,
        why: Justification,
    ) -> ErasePersonResponse:
        """Erase everything that tells who somebody is."""
        asked = ErasePersonRequest(
            subject=write_document(subject), ground=ground, justification=why
        )
        return await self.ask(self._retention.ErasePerson, asked)

    async def renew_master_key(self) -> int:
        """Have the trail's master key renewed, to the end; returns the index of its entry.

        Raises:
            ClientError: The service said no; called again, it goes on from there.
        """
        while True:
            answer = await self.ask(self._retention.RenewMasterKey, RenewMasterKeyRequest())
            if not answer.more:
                return answer.index

    async def record_disclosure(
        self, why: Justification, *, recipient: str, matter: str = "", first: int = 0, end: int = 0
    ) -> int:
        """Put on record that sealed parts are given to an auditor; returns the entry's index."""
        asked = RecordDisclosureRequest(
            recipient=recipient,
            matter=matter,
            first_index=first,
            end_index=end,
            justification=why,
        )
        answer = await self.ask(self._retention.RecordDisclosure, asked)
        return answer.index

    async def place_hold(
        self,
        why: Justification,
        *,
        subject: model.Document | None = None,
        case_id: str = "",
        matter: str = "",
    ) -> int:
        """Let nothing in a scope be erased; exactly one is given. Returns the hold's index."""
        asked = PlaceHoldRequest(justification=why)
        if subject is not None:
            asked.subject.CopyFrom(write_document(subject))
        elif case_id:
            asked.case_id = case_id
        else:
            asked.matter = matter
        answer = await self.ask(self._retention.PlaceHold, asked)
        return answer.index

    async def lift_hold(self, index: int, why: Justification) -> int:
        """Lift a hold; returns the index of the entry that records it."""
        answer = await self.ask(
            self._retention.LiftHold, LiftHoldRequest(index=index, justification=why)
        )
        return answer.index

    async def holds(self) -> tuple[Hold, ...]:
        """The holds that are in force, the oldest first."""
        answer = await self.ask(self._retention.ListHolds, ListHoldsRequest())
        return tuple(answer.holds)

    async def retain(
        self, why: Justification, *, validate_only: bool = False
    ) -> AsyncIterator[ApplyRetentionResponse]:
        """Erase what is over its term, in as many calls as that takes."""
        asked = ApplyRetentionRequest(justification=why, validate_only=validate_only)
        while True:
            answer = await self.ask(self._retention.ApplyRetention, asked)
            yield answer
            if not answer.more:
                return


def _added(
    before: SimulateReleaseResponse, more: SimulateReleaseResponse
) -> SimulateReleaseResponse:
    """What a simulation found in earlier calls and in this one."""
    whole = SimulateReleaseResponse(
        done=before.done + more.done,
        total=before.done + more.total,
        unchanged=before.unchanged + more.unchanged,
        last_index=max(before.last_index, more.last_index),
        left_out=Counter(before.left_out) + Counter(more.left_out),
    )
    changes: dict[tuple[str, str, bool], OutcomeChange] = {}
    for one in (*before.changes, *more.changes):
        kind = one.outcome, one.simulated_outcome, one.grant_differs
        if kind not in changes:
            changes[kind] = whole.changes.add(
                outcome=one.outcome,
                simulated_outcome=one.simulated_outcome,
                grant_differs=one.grant_differs,
            )
        changes[kind].decisions += one.decisions
        room = _EXAMPLES - len(changes[kind].examples)
        changes[kind].examples.extend(one.examples[:room])
    return whole


def as_json(message: Message) -> str:
    """A message as JSON on one line, with the contract's own field names."""
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, ensure_ascii=False, indent=None
    )


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what gRPC raises into what the service meant."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise _client_error(error) from None


def _client_error(error: grpc.aio.AioRpcError) -> ClientError:
    """Read the details that the service packed (AIP-193)."""
    info, words, request, wrong = ErrorInfo(), LocalizedMessage(), RequestInfo(), BadRequest()
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # it reads what every call has
    for packed in status.details if status else ():
        for detail in (info, words, request, wrong):
            packed.Unpack(detail)
    answered = bool(info.reason)
    unanswered = _UNANSWERED.get(error.code(), _NOBODY)
    return ClientError(
        code=error.code().name,
        reason=info.reason,
        message=error.details() or "no answer",
        hint=info.metadata["hint"] if answered else unanswered[0],
        zh=words.message if answered else unanswered[1],
        request_id=request.request_id,
        fields=tuple(
            FieldViolation(
                field=one.field,
                reason=one.reason,
                message=one.description,
                zh=one.localized_message.message,
            )
            for one in wrong.field_violations
        ),
    )


def _party(party: model.Party) -> pb.Party:
    return pb.Party(role=party.role, documents=[write_document(one) for one in party.documents])


def write_document(document: model.Document) -> pb.Document:
    """A document as it is asked for."""
    return pb.Document(kind=document.kind, number=document.number)


def _contest(contest: model.Contest) -> Contest:
    return Contest(concept=contest.concept, claimed=contest.claimed, text=contest.text)


def write_person(person: Person) -> WirePerson:
    """Who acts, as they have authenticated."""
    return WirePerson(
        documents=[write_document(one) for one in person.documents],
        assurance_level=pb.AssuranceLevel.Value(f"ASSURANCE_LEVEL_{person.assurance_level.name}"),
        authentication_time=_time(person.authentication_time),
    )


def _authority(authority: model.Authority) -> pb.Authority:
    written = pb.Authority(
        person=_party(authority.person),
        assurance_level=pb.AssuranceLevel.Value(
            f"ASSURANCE_LEVEL_{authority.assurance_level.name}"
        ),
        authentication_time=_time(authority.authentication_time),
        agent_for=authority.agent_for,
    )
    match authority.basis:
        case model.Consent(notice_version=version, time=time, evidence_types=types):
            written.consent.CopyFrom(
                pb.Consent(notice_version=version, time=_time(time), evidence_types=types)
            )
        case model.StatutoryDuty(article=article):
            written.statutory_duty.CopyFrom(pb.StatutoryDuty(article=article))
        case _ as never:
            assert_never(never)
    return written


def write_value(value: model.Value) -> pb.Value:
    """An answer. The service takes an option's code as a text, and knows from the form which."""
    match value:
        case bool():
            return pb.Value(boolean=value)
        case Decimal():
            return pb.Value(number=format(value, "f"))
        case date():
            return pb.Value(date=write_day(value))
        case str():
            return pb.Value(text=value)
        case _ as never:
            assert_never(never)


def write_day(day: date) -> Date:
    """A civil day."""
    return Date(year=day.year, month=day.month, day=day.day)


def _time(instant: datetime) -> Timestamp:
    written = Timestamp()
    written.FromDatetime(instant)
    return written
