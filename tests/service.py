"""The whole service on real ports, asked in bytes: all that a stranger can send it."""

import base64
import datetime as dt
import hmac
import io
import json
import secrets
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import aiohttp
import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    LocalizedMessage,
    RequestInfo,
    RetryInfo,
)
from grpc_status import rpc_status

from audit.trail import Trail
from decision_service import retention, workdays
from decision_service.catalogue import Catalogue
from decision_service.model import EVERY_MATTER
from decision_service.office import Office
from decision_service.record import Record
from decision_service.server import (
    Limits,
    Server,
    Tls,
    Verifier,
    issue,
    new_private_key,
    public_jwks,
)
from decision_service.server.edge import SERVICES
from decision_service.service import raise_alarm
from evidence_adapters import http, registry, sandbox
from evidence_adapters.sandbox import City, Person, Running

DECIDE = "/decision_service.v1.DecisionService/Decide"
PREFILL = "/decision_service.v1.PrefillService/Prefill"
CHECK = "/decision_service.v1.DecisionService/CheckEligibility"
LIST = "/decision_service.v1.MatterService/ListMatters"
GET = "/decision_service.v1.MatterService/GetMatter"
CASE = "/decision_service.v1.CaseService/GetCase"
RECEIPT = "/decision_service.v1.CaseService/GetReceipt"
CASES = "/decision_service.v1.CaseService"
WATCH, WITHDRAW = f"{CASES}/WatchCase", f"{CASES}/WithdrawCase"
STOPPING = "/decision_service.v1.StopService"
STOP, RESUME = f"{STOPPING}/StopMatter", f"{STOPPING}/ResumeMatter"
STOPS, REOPEN = f"{STOPPING}/ListStops", f"{STOPPING}/ReopenDecisions"
MANDATES = "/decision_service.v1.MandateService"
GRANT, REVOKE = f"{MANDATES}/GrantMandate", f"{MANDATES}/RevokeMandate"
GRANTED = f"{MANDATES}/ListMandates"
OWN, EXPORT = f"{CASES}/ListOwnAccesses", f"{CASES}/ExportOwnData"
REVIEW, CONTEST = f"{CASES}/RequestReview", f"{CASES}/ContestFact"
RATE = f"{CASES}/RateCase"
AFTERCARE = "/decision_service.v1.AftercareService"
DELIVERY, STANDING = f"{AFTERCARE}/RecordDelivery", f"{AFTERCARE}/ChangeStanding"
PROPOSALS, ANSWER = f"{AFTERCARE}/ListProposals", f"{AFTERCARE}/AnswerProposal"
POOR, TAKE = f"{AFTERCARE}/ListPoorRatings", f"{AFTERCARE}/TakeRating"
ANSWER_RATING = f"{AFTERCARE}/AnswerRating"
TICKETS, RESOLVE = f"{AFTERCARE}/ListTickets", f"{AFTERCARE}/ResolveTicket"
DRAW = f"{AFTERCARE}/DrawAfterChecks"
TRAIL = "/decision_service.v1.TrailService"
ENTRIES, ENTRY = f"{TRAIL}/ListEntries", f"{TRAIL}/GetEntry"
TIMELINE, ACCESSES = f"{TRAIL}/GetCaseTimeline", f"{TRAIL}/ListAccesses"
COUNTER = "/decision_service.v1.CounterService"
REFERRALS, DOSSIER = f"{COUNTER}/ListReferrals", f"{COUNTER}/GetDossier"
CLAIM, RELEASE = f"{COUNTER}/ClaimCase", f"{COUNTER}/ReleaseCase"
ATTACH, PAPER = f"{COUNTER}/AttachPaper", f"{COUNTER}/GetPaper"
DETERMINE, OVERRIDE = f"{COUNTER}/DetermineCase", f"{COUNTER}/OverrideDecision"
CONFIRM, RETURN = f"{COUNTER}/ConfirmProposal", f"{COUNTER}/ReturnProposal"
OVERRIDES, OVERRIDE_STATS = f"{COUNTER}/ListOverrides", f"{COUNTER}/GetOverrideStats"
SAMPLE, SECOND_LOOK = f"{COUNTER}/DrawSample", f"{COUNTER}/RecordSecondLook"
STATS, REPLAY, REPLAYS = f"{TRAIL}/GetStats", f"{TRAIL}/ReplayDecision", f"{TRAIL}/ReplayDecisions"
SIMULATE = f"{TRAIL}/SimulateRelease"

RETENTION = "/decision_service.v1.RetentionService"
ERASE, RETAIN = f"{RETENTION}/ErasePerson", f"{RETENTION}/ApplyRetention"
DISCLOSE, RENEW = f"{RETENTION}/RecordDisclosure", f"{RETENTION}/RenewMasterKey"
HOLD, LIFT, HOLDS = f"{RETENTION}/PlaceHold", f"{RETENTION}/LiftHold", f"{RETENTION}/ListHolds"
OFFERS = "/decision_service.v1.OfferService"
MAKE, OFFERED, DECLINE = f"{OFFERS}/MakeOffers", f"{OFFERS}/ListOffers", f"{OFFERS}/DeclineOffer"
WHY = {"legal_basis": "个人信息保护法 第四十七条", "reason": "核查发现不应处理"}
"""By which law, and why, somebody is erased or held."""

ROOT = Path(__file__).parent.parent
PATIENT = Limits(longest_lag_s=60.0, calls_per_s=1e6, burst=10**6)
"""Of a service whose machine is busy with other tests."""

PRIVATE = new_private_key()
STAFF_KEY = b"of tests alone, 32 bytes or more, and no secret"
MATTER = "old_age_allowance"
PDF = b"%PDF-1.7\n%of a test\n"
METHODS = {
    f"/{service.full_name}/{method.name}": method
    for service in SERVICES
    for method in service.methods
}
"""Every method of the contract, as its descriptor."""

Metadata = Sequence[tuple[str, str]]

_KINDS = {
    kind.__name__: kind
    for kind in (ErrorInfo, BadRequest, LocalizedMessage, RetryInfo, RequestInfo)
}
"""Every kind of detail that a status of ours has."""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        responses: The messages, as bytes.
        message: Words of the status; empty if the call went well.
        details: Every detail of the status by the name of its type; each type is there once.
    """

    code: str
    message: str
    responses: tuple[bytes, ...]
    details: dict[str, Any]

    @property
    def reason(self) -> str:
        """Of the ``ErrorInfo``; empty without one."""
        return str(self.details["ErrorInfo"].reason) if "ErrorInfo" in self.details else ""

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Every wrong field, with its reason."""
        wrong = self.details["BadRequest"].field_violations if "BadRequest" in self.details else ()
        return tuple((one.field, one.reason) for one in wrong)

    @property
    def words(self) -> str:
        """Everything that a caller can read in the status."""
        return f"{self.message}\n" + "\n".join(
            json_format.MessageToJson(detail, ensure_ascii=False)
            for detail in self.details.values()
        )


class Wire(ABC):
    """A way to the service, for callers in every role."""

    def __init__(self, clock: Any, port: int) -> None:
        self.port = port
        self._clock = clock

    @abstractmethod
    async def call(
        self,
        method: str,
        request: Message | bytes,
        *,
        role: str = "portal",
        metadata: Metadata | None = None,
        timeout_s: float = 10.0,
    ) -> Answer:
        """Call a method with a message, or with any bytes in place of one."""

    def bearer(self, role: str = "portal", **changes: Any) -> Metadata:
        """The metadata of a caller in the role; one name for all, so that cases are shared."""
        parts = {
            "subject": "portal-test",
            "role": role,
            "audience": "miaopi",
            "issuer": "city",
            "lifetime": dt.timedelta(hours=1),
            "now": self._clock(),
            "person": person_tag("a clerk") if role == "clerk" else "",
            "matters": [EVERY_MATTER] if role == "clerk" else [],
        }
        return (("authorization", f"Bearer {issue(PRIVATE, **{**parts, **changes})}"),)


class GrpcWire(Wire):
    """One channel of gRPC."""

    def __init__(self, channel: grpc.aio.Channel, clock: Any, port: int) -> None:
        super().__init__(clock, port)
        self._channel = channel

    async def call(
        self,
        method: str,
        request: Message | bytes,
        *,
        role: str = "portal",
        metadata: Metadata | None = None,
        timeout_s: float = 10.0,
    ) -> Answer:
        body = request if isinstance(request, bytes) else request.SerializeToString()
        responses: list[bytes] = []
        calling = self._channel.unary_stream(method)(
            body,
            metadata=self.bearer(role) if metadata is None else metadata,
            timeout=timeout_s,
        )
        try:
            async for response in calling:
                responses.append(response)  # noqa: PERF401 - what came before an error is kept
        except grpc.aio.AioRpcError as error:
            return Answer(
                error.code().name, error.details() or "", tuple(responses), _details(error)
            )
        finally:
            calling.cancel()  # a task that is cancelled as the call begins leaves it open else
        return Answer("OK", "", tuple(responses), {})


class JsonWire(Wire):
    """JSON over HTTP, by the Connect protocol; what comes back is told in protobuf's bytes."""

    def __init__(self, session: aiohttp.ClientSession, clock: Any, port: int) -> None:
        super().__init__(clock, port)
        self.session = session

    async def call(
        self,
        method: str,
        request: Message | bytes,
        *,
        role: str = "portal",
        metadata: Metadata | None = None,
        timeout_s: float = 10.0,
    ) -> Answer:
        kind = METHODS[method]
        body = (
            request if isinstance(request, bytes) else json_format.MessageToJson(request).encode()
        )
        media = "application/connect+json" if kind.server_streaming else "application/json"
        headers: list[tuple[str, str]] = [
            *(self.bearer(role) if metadata is None else metadata),
            ("content-type", media),
            ("connect-protocol-version", "1"),
            ("connect-timeout-ms", str(round(timeout_s * 1_000))),
        ]
        address = f"http://127.0.0.1:{self.port}{method}"
        data = b"\0" + len(body).to_bytes(4) + body if kind.server_streaming else body
        async with self.session.post(address, data=io.BytesIO(data), headers=headers) as response:
            assert response.content_type == media
            raw = await response.read()
        if kind.server_streaming:
            assert response.status == 200
            *messages, end = opened(raw)
            return told(method, messages, json.loads(end).get("error"))
        if response.status != 200:
            return told(method, [], json.loads(raw))
        return told(method, [raw], None)


def opened(stream: bytes) -> list[bytes]:
    """The messages of a stream; the last one, and no other, has the flag of the last one."""
    found, flags = [], []
    while stream:
        flags.append(stream[0])
        size = int.from_bytes(stream[1:5])
        found.append(stream[5 : 5 + size])
        assert len(found[-1]) == size
        stream = stream[5 + size :]
    assert flags == [0] * (len(found) - 1) + [2]
    return found


def told(method: str, messages: Sequence[bytes], error: Any) -> Answer:
    """What came back as JSON, in the terms of gRPC."""
    kind = GetMessageClass(METHODS[method].output_type)
    responses = tuple(
        json_format.Parse(one.decode(), kind()).SerializeToString() for one in messages
    )
    if error is None:
        return Answer("OK", "", responses, {})
    found: dict[str, Any] = {}
    for detail in error["details"]:
        name = detail["type"].rpartition(".")[2]
        assert name not in found
        padded = detail["value"] + "=" * (-len(detail["value"]) % 4)
        packed = any_pb2.Any(
            type_url=f"type.googleapis.com/{detail['type']}", value=base64.b64decode(padded)
        )
        shown = json_format.MessageToDict(packed)
        assert {"@type": packed.type_url, **detail["debug"]} == shown
        found[name] = _KINDS[name].FromString(packed.value)
    code = {"canceled": "CANCELLED"}.get(error["code"], error["code"].upper())
    assert Code.Value(code)
    return Answer(code, error["message"], responses, found)


@asynccontextmanager
async def open_office(
    published: Catalogue, running: Running, trail: Trail, clock: Any
) -> AsyncIterator[Office]:
    """Everything a flow works with, as `__main__` composes it."""
    async with http.connect(registry.load(), running.addresses, clock=clock) as sources:
        office = Office(
            catalogue=published,
            sources=sources,
            record=Record(trail),
            zone=ZoneInfo("Asia/Shanghai"),
            alarm=raise_alarm,
            terms=retention.load(ROOT),
            workdays=workdays.load(ROOT),
            staff_key=STAFF_KEY,
        )
        for release in published.releases:
            await office.record.archive(release.digest, release.archive)
        yield office


@dataclass(frozen=True)
class Town:
    """A service with its sandbox's registers and its trail, and two ways to it."""

    wire: Wire
    json: JsonWire
    running: Running
    trail: Trail
    store: Path
    clock: Any

    @property
    def traces(self) -> tuple[int, int]:
        """How many entries the trail has, and how many questions the registers got."""
        return self.trail.size(), len(self.running.accesses)


@asynccontextmanager
async def town(folder: Path, published: Catalogue, people: City, clock: Any) -> AsyncIterator[Town]:
    """A whole service on a new store, for as many calls as a test has."""
    store = folder / "store"
    Trail.create(store, origin="test.invalid/miaopi")
    async with (
        Trail.open(store) as trail,
        sandbox.serve(people, clock=clock) as running,
        open_office(published, running, trail, clock) as office,
        serve_both(office, clock) as (wire, over_http),
    ):
        yield Town(wire, over_http, running, trail, store, clock)


@asynccontextmanager
async def serve(office: Office, clock: Any, **more: Any) -> AsyncIterator[Wire]:
    """The service around an office, on a free port of the loopback."""
    async with (
        server(office, clock, **more) as listening,
        grpc.aio.insecure_channel(f"127.0.0.1:{listening.port}") as channel,
    ):
        yield GrpcWire(channel, clock, listening.port)


@asynccontextmanager
async def serve_both(
    office: Office, clock: Any, **more: Any
) -> AsyncIterator[tuple[Wire, JsonWire]]:
    """The same, also as JSON over HTTP."""
    async with (
        server(office, clock, web_address="127.0.0.1:0", **more) as listening,
        grpc.aio.insecure_channel(f"127.0.0.1:{listening.port}") as channel,
        aiohttp.ClientSession() as session,
    ):
        yield (
            GrpcWire(channel, clock, listening.port),
            JsonWire(session, clock, listening.web_port),
        )


def server(office: Office, clock: Any, **more: Any) -> Server:
    """The service around an office, to be entered."""
    return Server(
        office=office,
        clock=clock,
        city="test",
        address="127.0.0.1:0",
        **{
            "verifier": Verifier(public_jwks(PRIVATE), audience="miaopi", issuer="city"),
            "pause_s": 0.0,
            "drain_s": 5.0,
            "limits": PATIENT,
            **more,
        },
    )


def free_port() -> int:
    """A port of this machine for a server that cannot be given one by the system.

    It lies below those that the system gives to whoever asks for any, so nobody takes it meanwhile.
    """
    while True:
        at = ("127.0.0.1", 10_000 + secrets.randbelow(20_000))
        with suppress(OSError), socket.create_server(at):
            return at[1]


def person_tag(number: str) -> str:
    """What a clerk's token says of who has this identity number."""
    return hmac.digest(STAFF_KEY, f"resident_id:{number}".encode(), "sha256").hex()


def application(person: Person, now: dt.datetime, **changes: Any) -> dict[str, Any]:
    """An application as a portal writes it in JSON, complete and consented, but for the changes."""
    return {
        **request_to_prefill(person, now),
        "answers": {
            "applicant.mobile": {"text": "13800000000"},
            "applicant.truthful": {"boolean": True},
        },
        **changes,
    }


def request_to_prefill(person: Person, now: dt.datetime, **changes: Any) -> dict[str, Any]:
    """A request to prefill as a portal writes it in JSON, but for the changes."""
    instant = now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "matter": MATTER,
        "request_id": str(uuid4()),
        "channel": "portal",
        "parties": [_applicant(person)],
        "authority": {
            "person": _applicant(person),
            "assurance_level": "ASSURANCE_LEVEL_HIGH",
            "authentication_time": instant,
            "consent": {
                "notice_version": "2026-01",
                "time": instant,
                "evidence_types": ["population_register", "death_register", "payment_ledger"],
            },
        },
        **changes,
    }


def of_a_case(person: Person, now: dt.datetime, case_id: str) -> dict[str, Any]:
    """What everything that a person does about a case says, as JSON."""
    return {
        "case_id": case_id,
        "request_id": str(uuid4()),
        "person": {
            "documents": _applicant(person)["documents"],
            "assurance_level": "ASSURANCE_LEVEL_HIGH",
            "authentication_time": now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }


def of_an_offer(person: Person, now: dt.datetime, offer_id: str) -> dict[str, Any]:
    """What somebody who declines an offer says, as JSON."""
    said = of_a_case(person, now, "")
    return {"offer_id": offer_id, "request_id": said["request_id"], "person": said["person"]}


def right(method: str, person: Person, now: dt.datetime, case_id: str) -> dict[str, Any]:
    """A request that is right, as JSON; of a method that is not known here, one without fields."""
    return {
        DECIDE: lambda: application(person, now),
        PREFILL: lambda: request_to_prefill(person, now),
        CHECK: lambda: application(person, now),
        GET: lambda: {"matter": MATTER},
        CASE: lambda: {"case_id": case_id},
        RECEIPT: lambda: {"case_id": case_id},
        WATCH: lambda: {"case_id": case_id},
        OWN: lambda: {"person": of_a_case(person, now, case_id)["person"]},
        EXPORT: lambda: {"person": of_a_case(person, now, case_id)["person"]},
        STOP: lambda: {"matter": MATTER, "request_id": str(uuid4()), "reason": "数据核查"},
        RESUME: lambda: {"matter": MATTER, "request_id": str(uuid4()), "reason": "已经核实"},
        REOPEN: lambda: {
            "matter": MATTER,
            "request_id": str(uuid4()),
            "reason": {"zh": "登记机关更正了数据", "en": "a register has corrected its data"},
        },
        GRANTED: lambda: {"person": of_a_case(person, now, case_id)["person"]},
        GRANT: lambda: {
            "request_id": str(uuid4()),
            "person": of_a_case(person, now, case_id)["person"],
            "mandate": {
                "agent": [{"kind": "passport", "number": "E00000001"}],
                "matters": [MATTER],
                "until_date": {"year": now.year + 1, "month": 1, "day": 31},
            },
        },
        REVOKE: lambda: {
            "request_id": str(uuid4()),
            "person": of_a_case(person, now, case_id)["person"],
            "agent": [{"kind": "passport", "number": "E00000001"}],
        },
        DELIVERY: lambda: {
            "case_id": case_id,
            "request_id": str(uuid4()),
            "delivered": {
                "channel": "CHANNEL_SMS",
                "delivered_time": now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "reference": "SMS-1",
            },
        },
        STANDING: lambda: {
            "case_id": case_id,
            "request_id": str(uuid4()),
            "act": "ACT_SUSPEND",
            "legal_basis": "深民规〔2019〕2号 第七条",
            "effective_date": {"year": 2026, "month": 11, "day": 24},
            "heard_date": {"year": 2026, "month": 11, "day": 23},
            "text": {"zh": "资格待核实", "en": "to be verified"},
        },
        ANSWER: lambda: {"request_id": str(uuid4()), "confirmed": True, "text": "已核对"},
        RATE: lambda: of_a_case(person, now, case_id) | {"grade": "GRADE_SATISFIED"},
        TAKE: lambda: {"rating_index": 1},
        ANSWER_RATING: lambda: {"rating_index": 1, "request_id": str(uuid4()), "text": "已核实"},
        RESOLVE: lambda: {"ticket": "00000-00000", "request_id": str(uuid4()), "text": "无误"},
        DRAW: lambda: {
            "matter": MATTER,
            "since": {"year": 2026, "month": 11, "day": 1},
            "until": {"year": 2026, "month": 11, "day": 30},
            "seed": "2026-11",
        },
        WITHDRAW: lambda: of_a_case(person, now, case_id),
        REVIEW: lambda: of_a_case(person, now, case_id) | {"text": "请工作人员看一看"},
        CONTEST: lambda: (
            of_a_case(person, now, case_id)
            | {"contest": {"concept": "applicant.birth_date", "claimed": "1950-12-02"}}
        ),
        ENTRIES: lambda: {
            "filter": f"matter = {MATTER} AND (outcome = approved OR reasons:REQUIREMENT_UNKNOWN)",
            "subject": {"kind": "resident_id", "number": person.id_number},
        },
        REFERRALS: lambda: {"matter": MATTER, "whose": "WHOSE_FREE"},
        DOSSIER: lambda: {"case_id": case_id},
        CLAIM: lambda: {"case_id": case_id, "etag": "1.none"},
        RELEASE: lambda: {"case_id": case_id, "etag": "1.none"},
        ATTACH: lambda: {
            "case_id": case_id,
            "etag": "1.none",
            "name": "出生医学证明",
            "media_type": "application/pdf",
            "content": base64.b64encode(PDF).decode(),
        },
        PAPER: lambda: {"case_id": case_id, "index": 1},
        DETERMINE: lambda: {
            "case_id": case_id,
            "etag": "1.none",
            "result": "RESULT_APPROVE",
            "reason": {"zh": "材料齐全，符合条件", "en": "all is there"},
            "papers": [1],
            "findings": {"applicant.hukou_city": {"option": "shenzhen"}},
            "outputs": {"monthly_allowance": {"number": "200.00"}},
            "ground": {"reason": "law_exception", "citation": "第八条"},
        },
        OVERRIDE: lambda: {
            "case_id": case_id,
            "etag": "1.none",
            "result": "RESULT_REFUSE",
            "reason": {"zh": "复议决定撤销"},
            "ground": {"reason": "court_order", "citation": "〔2026〕1号"},
        },
        CONFIRM: lambda: {"case_id": case_id, "etag": "1.none", "reason": "同意"},
        RETURN: lambda: {"case_id": case_id, "etag": "1.none", "reason": "请补充材料"},
        OVERRIDES: lambda: {"filter": f"matter = {MATTER} AND reasons:PAPER_DOCUMENT"},
        OVERRIDE_STATS: lambda: {"filter": "time >= 2026-01-01"},
        SAMPLE: lambda: {"month": {"year": now.year, "month": now.month, "day": 1}},
        SECOND_LOOK: lambda: {
            "case_id": case_id,
            "index": 1,
            "result": "RESULT_REFUSE",
            "reason": "不符合",
        },
        TIMELINE: lambda: {"case_id": case_id},
        ACCESSES: lambda: {"subject": {"kind": "resident_id", "number": person.id_number}},
        STATS: lambda: {"filter": "time >= 2026-01-01"},
        REPLAYS: lambda: {"filter": "index < 2"},
        # Of somebody of whom nothing is kept, so that nobody whom a test needs is gone.
        ERASE: lambda: {
            "subject": {"kind": "passport", "number": "E00000000"},
            "ground": "GROUND_ORDER",
            "justification": WHY,
        },
        HOLD: lambda: {"matter": "library_card", "justification": WHY},
        LIFT: lambda: {"index": 0, "justification": WHY},
        RETAIN: lambda: {"justification": WHY},
        OFFERED: lambda: {"person": of_a_case(person, now, case_id)["person"]},
        # Of a matter that is not offered, so that nobody is asked about each time.
        MAKE: lambda: {
            "matter": "library_card",
            "request_id": str(uuid4()),
            "subjects": [{"kind": "resident_id", "number": person.id_number}],
        },
        DECLINE: lambda: of_an_offer(person, now, "0" * 32),
    }.get(method, dict)()


def message(method: str, document: dict[str, Any]) -> Message:
    """The request of a method, from its JSON."""
    return json_format.ParseDict(document, GetMessageClass(METHODS[method].input_type)())


def _applicant(person: Person) -> dict[str, Any]:
    document = {"kind": "resident_id", "number": person.id_number}
    return {"role": "applicant", "documents": [document]}


def _details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # it reads what every call has
    found: dict[str, Any] = {}
    for packed in status.details if status else ():
        for kind in _KINDS.values():
            if packed.Is(kind.DESCRIPTOR):
                assert kind.__name__ not in found
                found[kind.__name__] = kind()
                packed.Unpack(found[kind.__name__])
    assert len(found) == (len(status.details) if status else 0)
    return found


def self_signed() -> Tls:
    """A certificate for localhost, made for this test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return Tls(
        private_key=key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        certificate_chain=certificate.public_bytes(pem),
    )


def settings(running: Running, folder: Path) -> dict[str, str]:
    """What `miaopi serve` reads from its environment, in a sandbox city that runs already."""
    (folder / "jwks.json").write_text(public_jwks(PRIVATE))
    return {
        "MIAOPI_STORE": str(folder / "store"),
        "MIAOPI_JWKS": str(folder / "jwks.json"),
        "MIAOPI_ISSUER": "city",
        "MIAOPI_PORT": "0",
        "MIAOPI_PAUSE_S": "0",
        **{f"MIAOPI_REGISTER_{key.upper()}": url for key, url in running.addresses.items()},
    }
