"""The edge on a real port: every way a call can end is one status, one log line, no person."""

# ruff: noqa: N802, ARG002 - handlers have the contract's names and gRPC's arguments

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    LocalizedMessage,
    RequestInfo,
    RetryInfo,
)
from grpc_status import rpc_status
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from decision_service import errors
from decision_service.client import Client, ClientError
from decision_service.errors import FieldViolation, InvalidRequestError
from decision_service.model import EVERY_MATTER
from decision_service.office import Office
from decision_service.server import Server
from decision_service.server.call import Call, current
from decision_service.server.edge import SERVICES, Edge, allowed_roles
from decision_service.server.identity import (
    ROLES,
    Verifier,
    issue,
    new_private_key,
    public_jwks,
)
from decision_service.server.interceptor import Interceptor
from decision_service.server.load import Limits
from decision_service.v1 import (
    matter_pb2,
    matter_pb2_grpc,
    prefill_pb2,
    prefill_pb2_grpc,
    roles_pb2,
)

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
PRIVATE = new_private_key()
VERIFIER = Verifier(public_jwks(PRIVATE), audience="miaopi", issuer="city")
SECRET = "990000194001010015"

Line = dict[str, Any]


class Scripted(matter_pb2_grpc.MatterServiceServicer, prefill_pb2_grpc.PrefillServiceServicer):
    """Handlers that do what a test says; the edge around them is the real one."""

    def __init__(self) -> None:
        self.does: Callable[[], Awaitable[None]] = _nothing
        self.closed = asyncio.Event()

    async def GetMatter(self, request: Any, context: Any) -> matter_pb2.GetMatterResponse:
        await self.does()
        return matter_pb2.GetMatterResponse()

    async def ListMatters(self, request: Any, context: Any) -> matter_pb2.ListMattersResponse:
        return matter_pb2.ListMattersResponse()

    async def Prefill(
        self, request: Any, context: Any
    ) -> AsyncIterator[prefill_pb2.PrefillResponse]:
        try:
            yield prefill_pb2.PrefillResponse(started=prefill_pb2.PrefillStarted())
            await self.does()
        finally:
            self.closed.set()


async def _nothing() -> None:
    return


def raises(error: BaseException) -> Callable[[], Awaitable[None]]:
    async def raising() -> None:
        raise error

    return raising


class Wire:
    """A caller with a token, and what it called."""

    def __init__(self, script: Scripted, channel: grpc.aio.Channel, address: str) -> None:
        self.script = script
        self.address = address
        self._matters = matter_pb2_grpc.MatterServiceStub(channel)
        self._prefills = prefill_pb2_grpc.PrefillServiceStub(channel)

    async def call(
        self, *, metadata: Sequence[tuple[str, str]] | None = None, timeout_s: float | None = 5
    ) -> grpc.aio.AioRpcError | None:
        """Call a unary method; the error, if there was one."""
        try:
            await self._matters.GetMatter(
                matter_pb2.GetMatterRequest(matter=SECRET),
                metadata=bearer() if metadata is None else metadata,
                timeout=timeout_s,
            )
        except grpc.aio.AioRpcError as error:
            return error
        return None

    def stream(
        self, request_id: str = "", timeout_s: float | None = 5
    ) -> "grpc.aio.UnaryStreamCall[Any, prefill_pb2.PrefillResponse]":
        return self._prefills.Prefill(
            prefill_pb2.PrefillRequest(matter=SECRET, request_id=request_id),
            metadata=bearer(),
            timeout=timeout_s,
        )


def bearer(role: str = "portal", **changes: Any) -> tuple[tuple[str, str]]:
    parts = {
        "subject": "portal-luohu",
        "role": role,
        "audience": "miaopi",
        "issuer": "city",
        "lifetime": timedelta(hours=1),
        "now": NOW,
        "matters": [EVERY_MATTER] if role == "clerk" else [],
    }
    return (("authorization", f"Bearer {issue(PRIVATE, **{**parts, **changes})}"),)


@asynccontextmanager
async def served(limits: Limits | None = None) -> AsyncIterator[Wire]:
    script = Scripted()
    edge = Edge(verifier=VERIFIER, clock=lambda: NOW, city="test", limits=limits or Limits())
    server = grpc.aio.server(interceptors=[Interceptor(edge)], options=[("grpc.so_reuseport", 0)])
    matter_pb2_grpc.add_MatterServiceServicer_to_server(script, server)
    prefill_pb2_grpc.add_PrefillServiceServicer_to_server(script, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        address = f"127.0.0.1:{port}"
        async with grpc.aio.insecure_channel(address) as channel:
            yield Wire(script, channel, address)
    finally:
        await server.stop(0.1)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with served() as wire:
        yield wire


def details(error: grpc.aio.AioRpcError | None) -> dict[str, Any]:
    """Every detail of a status by the name of its type; each type is there once."""
    assert error is not None
    status = rpc_status.from_call(error)
    assert status is not None
    found: dict[str, Any] = {}
    for kind in (ErrorInfo, BadRequest, LocalizedMessage, RetryInfo, RequestInfo):
        for packed in status.details:
            if packed.Is(kind.DESCRIPTOR):
                assert kind.__name__ not in found
                found[kind.__name__] = kind()
                packed.Unpack(found[kind.__name__])
    assert len(found) == len(status.details)
    return found


async def lines_of(calls: Callable[[], Awaitable[object]], count: int = 1) -> list[Line]:
    """What the calls left in the log; waits until every call has its line."""
    with capture_logs(processors=[merge_contextvars]) as logs:
        await calls()
        async with asyncio.timeout(5):
            # The line is written after the answer is sent; nothing tells when.
            while sum(line["event"] == "request.handled" for line in logs) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    return list(logs)


# ── who calls ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        pytest.param((), "TOKEN_MISSING", id="no token"),
        pytest.param((("authorization", "Basic dTpw"),), "TOKEN_MISSING", id="another scheme"),
        pytest.param((("authorization", "Bearer "),), "TOKEN_MISSING", id="an empty token"),
        pytest.param((*bearer(), *bearer()), "TOKEN_MISSING", id="two tokens"),
        pytest.param((("authorization", "Bearer a.b.c"),), "TOKEN_INVALID", id="nonsense"),
        pytest.param(bearer(audience="x"), "TOKEN_INVALID", id="for another service"),
        pytest.param(bearer(lifetime=timedelta(0), now=NOW - timedelta(hours=1)), "TOKEN_EXPIRED"),
        pytest.param(bearer(now=NOW + timedelta(hours=1)), "TOKEN_NOT_YET_VALID"),
    ],
)
async def test_a_call_that_does_not_say_who_calls_is_unauthenticated(
    wire: Wire, metadata: Sequence[tuple[str, str]], reason: str
) -> None:
    error = await wire.call(metadata=metadata)

    assert error is not None
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert details(error)["ErrorInfo"].reason == reason


async def test_a_caller_in_another_role_is_denied_before_the_handler_runs(wire: Wire) -> None:
    wire.script.does = raises(AssertionError("the handler ran"))
    call = wire._prefills.Prefill(prefill_pb2.PrefillRequest(), metadata=bearer("auditor"))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()

    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert caught.value.details() == (
        "role `auditor` may not call `/decision_service.v1.PrefillService/Prefill`"
    )
    info = details(caught.value)["ErrorInfo"]
    assert info.reason == "ROLE_NOT_ALLOWED"
    assert dict(info.metadata) == {
        "method": "/decision_service.v1.PrefillService/Prefill",
        "role": "auditor",
        "hint": "It is for: clerk, portal.",
    }


def test_every_method_of_the_contract_names_who_may_call_it() -> None:
    allowed = allowed_roles()

    assert len(allowed) == sum(len(service.methods) for service in SERVICES)
    assert all(roles and roles <= ROLES.keys() for roles in allowed.values())
    assert allowed["/decision_service.v1.DecisionService/Decide"] == {"portal", "clerk"}


METHODS = {
    f"/{service.full_name}/{method.name}": method
    for service in SERVICES
    for method in service.methods
}


async def outcome(address: str, method: str, metadata: Any) -> tuple[str, str]:
    """Code and reason of a call with an empty message, whatever the method takes and gives."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_stream(method)(b"", metadata=metadata, timeout=5)
        try:
            async for _ in call:
                pass
        except grpc.aio.AioRpcError as error:
            return error.code().name, details(error)["ErrorInfo"].reason
    return "OK", ""


@pytest.mark.parametrize("method", METHODS)
async def test_each_method_lets_in_the_roles_that_it_declares_and_no_other(
    office: Office, clock: Any, method: str
) -> None:
    """Every role at every method of the contract, on the whole service over a real port."""
    server = Server(
        office=office,
        verifier=VERIFIER,
        clock=lambda: NOW,
        city="test",
        address="127.0.0.1:0",
        pause_s=0,
    )
    async with server:
        let_in = set()
        for role in (*ROLES, "nobody", ""):
            code, reason = await outcome(f"127.0.0.1:{server.port}", method, bearer(role))
            if reason == "ROLE_NOT_ALLOWED":
                assert code == "PERMISSION_DENIED"
            elif role in ROLES:
                assert code in {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}, "the handler answered"
                let_in.add(role)
            else:
                assert (code, reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")

    declared = METHODS[method].GetOptions().Extensions[roles_pb2.allowed_roles]
    assert let_in == {name for name, value in ROLES.items() if value in declared}
    assert let_in


async def test_a_method_that_declares_no_role_can_be_called_by_nobody() -> None:
    """Somebody adds a method and forgets its roles: it is there, and closed to all."""

    async def leak(request: bytes, context: Any) -> bytes:
        raise AssertionError("the handler ran")

    edge = Edge(verifier=VERIFIER, clock=lambda: NOW, city="test", limits=Limits())
    server = grpc.aio.server(interceptors=[Interceptor(edge)], options=[("grpc.so_reuseport", 0)])
    handler = grpc.unary_unary_rpc_method_handler(leak)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("decision_service.v1.Forgotten", {"Leak": handler})]
    )
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()

    method = "/decision_service.v1.Forgotten/Leak"
    met = {role: await outcome(address, method, bearer(role)) for role in ROLES}
    await server.stop(0)

    assert set(met.values()) == {("PERMISSION_DENIED", "ROLE_NOT_ALLOWED")}


async def test_bytes_that_are_no_message_are_an_invalid_argument(wire: Wire) -> None:
    method = "/decision_service.v1.MatterService/GetMatter"
    async with grpc.aio.insecure_channel(wire.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(method)(b"\xff\xff", metadata=bearer(), timeout=5)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    (violation,) = details(caught.value)["BadRequest"].field_violations
    assert violation.description == (
        "is no message of the type that this method takes, with texts in UTF-8"
    )


# ── one table of errors ──────────────────────────────────────────────────────────────────────────


def of(kind: type[errors.DecisionServiceError]) -> errors.DecisionServiceError:
    return kind("what is wrong", zh="哪里错了", reason="SOME_REASON", hint="Do this.", key="value")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.NotPublishedError, "NOT_FOUND"),
        (errors.NotAuthorizedError, "PERMISSION_DENIED"),
        (errors.NotFoundError, "NOT_FOUND"),
        (errors.RequestReusedError, "ALREADY_EXISTS"),
        (errors.PreconditionError, "FAILED_PRECONDITION"),
        (errors.ErasedError, "FAILED_PRECONDITION"),
        (errors.DeadlineTooShortError, "DEADLINE_EXCEEDED"),
        (errors.OverloadedError, "RESOURCE_EXHAUSTED"),
        (errors.NotRecordedError, "UNAVAILABLE"),
    ],
)
async def test_an_error_of_ours_tells_its_message_reason_hint_and_metadata(
    wire: Wire, kind: type[errors.DecisionServiceError], code: str
) -> None:
    wire.script.does = raises(of(kind))

    error = await wire.call()

    assert error is not None
    assert (error.code().name, error.details()) == (code, "what is wrong")
    found = details(error)
    assert found["ErrorInfo"] == ErrorInfo(
        reason="SOME_REASON",
        domain="decision-service.test",
        metadata={"key": "value", "hint": "Do this."},
    )
    assert found["LocalizedMessage"] == LocalizedMessage(locale="zh-CN", message="哪里错了")
    repeatable = code in {"RESOURCE_EXHAUSTED", "UNAVAILABLE"}
    assert ("RetryInfo" in found) is repeatable
    if repeatable:
        assert found["RetryInfo"].retry_delay.seconds == 1


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ZeroDivisionError(SECRET), id="a bug"),
        pytest.param(of(errors.EngineError), id="the engine"),
        pytest.param(of(errors.InvalidPublicationError), id="a file"),
        pytest.param(TimeoutError(SECRET), id="a time-out of somebody else"),
    ],
)
async def test_an_error_that_is_nobodys_business_tells_the_caller_nothing(
    wire: Wire, error: Exception
) -> None:
    wire.script.does = raises(error)

    met = await wire.call()

    assert met is not None
    assert (met.code(), met.details()) == (grpc.StatusCode.INTERNAL, "internal error")
    found = details(met)
    assert found["ErrorInfo"].reason == "INTERNAL"
    assert dict(found["ErrorInfo"].metadata) == {
        "hint": "Tell the operator the `request_id`; the log knows more."
    }
    assert SECRET not in str(found)


def violation(number: int) -> FieldViolation:
    return FieldViolation(
        field=f"parties[{number}].documents[0].number",
        reason="MALFORMED",
        message="is not of the form that is promised",
        zh=f"parties[{number}].documents[0].number 格式有误",
    )


async def test_a_wrong_request_tells_every_field(wire: Wire) -> None:
    wrong = [violation(number) for number in range(20)]
    wire.script.does = raises(InvalidRequestError(wrong))

    error = await wire.call()

    assert error is not None
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    found = details(error)
    assert found["ErrorInfo"].reason == "REQUEST_INVALID"
    assert [
        (one.field, one.reason, one.description, one.localized_message.message)
        for one in found["BadRequest"].field_violations
    ] == [(one.field, one.reason, one.message, one.zh) for one in wrong]
    assert {one.localized_message.locale for one in found["BadRequest"].field_violations} == {
        "zh-CN"
    }


async def test_more_wrong_fields_than_a_trailer_carries_still_reach_the_caller(wire: Wire) -> None:
    """A client refuses trailers above 8 KiB, and would then learn nothing at all."""
    wordy = [
        FieldViolation(
            field=f'answers["{"k" * 80}{number}"]', reason="WRONG", message="m" * 80, zh="错" * 80
        )
        for number in range(500)
    ]
    wire.script.does = raises(InvalidRequestError(wordy))

    error = await wire.call()

    assert error is not None
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    told = details(error)["BadRequest"].field_violations
    assert [one.field for one in told] == [one.field for one in wordy[: len(told)]]
    assert len(told) >= 8


# ── time ─────────────────────────────────────────────────────────────────────────────────────────


async def _seen(wire: Wire, timeout_s: float | None) -> tuple[Call, float]:
    """What a handler knows of its call, and the seconds that it has left."""
    found: list[tuple[Call, float]] = []

    async def look() -> None:
        call = current.get()
        found.append((call, call.deadline - asyncio.get_running_loop().time()))

    wire.script.does = look
    assert await wire.call(timeout_s=timeout_s) is None
    return found[0]


async def test_a_deadline_reaches_the_handler_as_what_is_left_of_it(wire: Wire) -> None:
    _, left_s = await _seen(wire, timeout_s=20)

    assert 15 < left_s < 20.1


@pytest.mark.parametrize("timeout_s", [None, 3600])
async def test_no_deadline_and_a_late_one_become_the_longest_that_is_allowed(
    wire: Wire, timeout_s: float | None
) -> None:
    _, left_s = await _seen(wire, timeout_s=timeout_s)

    assert 29 < left_s <= 30


async def test_the_handler_knows_its_caller_and_the_one_instant_of_the_request(wire: Wire) -> None:
    call, _ = await _seen(wire, timeout_s=3)

    assert (call.caller.subject, call.caller.role, call.now) == ("portal-luohu", "portal", NOW)


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_call_without_a_deadline_ends_at_ours() -> None:
    async with served(Limits(longest_call_s=0.05)) as wire:
        wire.script.does = _for_ever
        error = await wire.call(timeout_s=None)

    assert error is not None
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    info = details(error)["ErrorInfo"]
    assert info.reason == "DEADLINE_EXCEEDED"
    assert info.metadata["longest_call_s"] == "0.05"


async def test_a_stream_ends_at_its_deadline_and_its_handler_is_closed() -> None:
    async with served(Limits(longest_call_s=1.0)) as wire:
        wire.script.does = _for_ever
        call = wire.stream(timeout_s=None)
        assert (await call.read()).WhichOneof("event") == "started"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(10):
            await wire.script.closed.wait()


async def test_a_caller_who_hangs_up_closes_the_handler(wire: Wire) -> None:
    async def hang_up() -> None:
        wire.script.does = _for_ever
        call = wire.stream()
        await call.read()
        call.cancel()
        async with asyncio.timeout(10):
            await wire.script.closed.wait()

    (line,) = await lines_of(hang_up)

    assert line["code"] == "CANCELLED"


# ── repeating ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "times"), [(errors.NotRecordedError, 3), (errors.OverloadedError, 1)]
)
async def test_our_client_repeats_what_was_not_recorded_and_nothing_else(
    wire: Wire, kind: type[errors.DecisionServiceError], times: int
) -> None:
    called = 0

    async def fail_twice() -> None:
        nonlocal called
        called += 1
        if called < 3:
            raise of(kind)

    wire.script.does = fail_twice
    token = bearer()[0][1].removeprefix("Bearer ")
    async with Client(wire.address, token) as client:
        if times == 1:
            with pytest.raises(ClientError, match="what is wrong"):
                await client.matter("m")
        else:
            await client.matter("m")

    assert called == times


# ── the log ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_leaves_one_line(wire: Wire) -> None:
    (line,) = await lines_of(wire.call)

    duration = line.pop("duration_ms")
    assert isinstance(duration, int)
    assert len(line.pop("request_id")) == 36
    assert line == {
        "event": "request.handled",
        "log_level": "info",
        "method": "/decision_service.v1.MatterService/GetMatter",
        "code": "OK",
        "reason": "",
        "caller": "portal-luohu",
        "role": "portal",
    }


async def test_the_line_of_a_refused_call_says_why(wire: Wire) -> None:
    (line,) = await lines_of(lambda: wire.call(metadata=()))

    assert (line["code"], line["reason"], line["caller"]) == (
        "UNAUTHENTICATED",
        "TOKEN_MISSING",
        "",
    )


async def test_a_crash_tells_the_log_where_and_not_what(wire: Wire) -> None:
    async def crash() -> None:
        try:
            int(SECRET + "x")
        except ValueError as cause:
            raise ZeroDivisionError(SECRET) from cause

    wire.script.does = crash
    crashed, handled = await lines_of(wire.call)

    assert (crashed["event"], handled["event"]) == ("request.crashed", "request.handled")
    assert (handled["code"], handled["reason"]) == ("INTERNAL", "ZeroDivisionError")
    assert crashed["request_id"] == handled["request_id"]
    assert crashed["trace"][0] == "ZeroDivisionError"
    assert "ValueError" in crashed["trace"]
    assert any(place.endswith(" crash") for place in crashed["trace"])
    assert SECRET not in str(crashed)


async def test_a_callers_own_request_id_stands_in_the_line_and_in_the_status(wire: Wire) -> None:
    wire.script.does = raises(of(errors.NotRecordedError))
    request_id = str(uuid4())
    caught: list[grpc.aio.AioRpcError] = []

    async def call() -> None:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            async for _ in wire.stream(request_id):
                pass
        caught.append(error.value)

    (line,) = await lines_of(call)

    assert line["request_id"] == request_id
    assert details(caught[0])["RequestInfo"].request_id == request_id


async def test_what_is_no_uuid_never_reaches_the_log(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """A portal that puts a person's number into `request_id` does not put it into our log."""

    async def call() -> None:
        async for _ in wire.stream(SECRET):
            pass

    with caplog.at_level(logging.DEBUG):
        lines = await lines_of(call)

    assert SECRET not in str(lines)
    assert SECRET not in caplog.text
