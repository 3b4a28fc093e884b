"""A service that is told to stop, and callers who hang up: nothing is lost, nothing goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from audit.trail import Trail
from decision_service.model import EvidenceType
from decision_service.office import Office
from decision_service.server import Server, Verifier, public_jwks
from decision_service.v1.decision_pb2 import DecideResponse
from decision_service.v1.prefill_pb2 import PrefillResponse
from evidence_adapters.sandbox import Misconduct, Running
from tests.service import PRIVATE, Answer, GrpcWire, application, message, request_to_prefill

DECIDE = "/decision_service.v1.DecisionService/Decide"
PREFILL = "/decision_service.v1.PrefillService/Prefill"
LIST = "/decision_service.v1.MatterService/ListMatters"
POPULATION = EvidenceType("population_register")


class Line(GrpcWire):
    """A wire, and the service at its end."""

    def __init__(self, channel: grpc.aio.Channel, clock: Any, server: Server) -> None:
        super().__init__(channel, clock, server.port)
        self.server = server


@asynccontextmanager
async def served(office: Office, clock: Any, **more: Any) -> AsyncIterator[Line]:
    """A service that stops when the block ends, and callers who stay on the line."""
    server = Server(
        office=office,
        verifier=Verifier(public_jwks(PRIVATE), audience="miaopi", issuer="city"),
        clock=clock,
        city="test",
        address="127.0.0.1:0",
        **{"pause_s": 0.0, "drain_s": 5.0, **more},
    )
    await server.__aenter__()
    try:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
        yield Line(channel, clock, server)
    finally:
        await server.__aexit__(None, None, None)


@pytest.fixture(autouse=True)
def _longer_than_a_busy_machine_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evidence_adapters.sandbox.server.SLOW_S", 2.0)


@pytest.fixture
def person(people: Any, clock: Any, office: Office) -> Any:
    return people.cast(office.today(clock()))["aged_75"]


@pytest.fixture
def asked(person: Any, clock: Any) -> Any:
    """An application on the wire."""
    return message(DECIDE, application(person, clock()))


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.005)


def outcome(answer: Answer) -> str | None:
    assert answer.code == "OK", answer
    return DecideResponse.FromString(answer.responses[0]).decision.WhichOneof("outcome")


def says_stopping(answer: Answer) -> bool:
    """Whether it says in both languages to repeat the call, and when."""
    return (
        (answer.code, answer.reason, answer.message)
        == ("UNAVAILABLE", "STOPPING", "the service is being stopped")
        and answer.details["LocalizedMessage"].message == "系统正在重启，请稍后用同一请求编号重试。"
        and answer.details["RetryInfo"].retry_delay.seconds == 1
    )


# ── told to stop ─────────────────────────────────────────────────────────────────────────────────


async def test_what_is_in_flight_is_answered_and_what_comes_later_is_sent_elsewhere(
    office: Office, clock: Any, running: Running, asked: Any
) -> None:
    running.misbehave(POPULATION, Misconduct.SLOW)
    async with served(office, clock, pause_s=0.7) as wire:
        watch = health_pb2_grpc.HealthStub(wire._channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        deciding = asyncio.create_task(wire.call(DECIDE, asked))
        await until(lambda: running.accesses)

        async def come() -> list[Answer]:
            """Call on and on, from when health says NOT_SERVING until nobody listens."""
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            found = []
            while not found or found[-1].code == "OK" or found[-1].reason:
                found.append(await wire.call(LIST, b""))
            return found

        coming = asyncio.create_task(come())
    found, decided = await coming, await deciding

    assert found[0].code == "OK", "who has not heard of it yet is served"
    assert {"OK" if one.code == "OK" else says_stopping(one) for one in found[:-1]} == {"OK", True}
    assert found[-1].code in {"UNAVAILABLE", "CANCELLED"}, "the latter is gRPC's own: grpc#41785"
    assert outcome(decided) == "approved"
    assert await watch.read() is grpc.aio.EOF


async def test_what_cannot_end_in_time_was_never_made_and_is_made_when_it_is_repeated(
    office: Office, clock: Any, running: Running, trail: Trail, asked: Any
) -> None:
    size = trail.size()
    running.misbehave(POPULATION, Misconduct.SILENT)
    async with served(office, clock, drain_s=0.2) as wire:
        deciding = asyncio.create_task(wire.call(DECIDE, asked))
        await until(lambda: running.accesses)
    broken_off = await deciding
    assert says_stopping(broken_off), broken_off
    assert (trail.size(), office.running) == (size, {})

    running.reset()
    async with served(office, clock) as wire:
        assert outcome(await wire.call(DECIDE, asked)) == "approved", "and not as interrupted"


async def test_a_prefill_ends_whole_or_says_to_ask_again(
    office: Office, clock: Any, running: Running, person: Any
) -> None:
    running.misbehave(POPULATION, Misconduct.SLOW, times=1)
    asked = [message(PREFILL, request_to_prefill(person, clock())) for _ in range(2)]
    async with served(office, clock) as wire:
        whole = asyncio.create_task(wire.call(PREFILL, asked[0]))
        await until(lambda: running.accesses)
    running.accesses.clear()
    running.misbehave(POPULATION, Misconduct.SILENT)
    async with served(office, clock, drain_s=0.2) as wire:
        cut = asyncio.create_task(wire.call(PREFILL, asked[1]))
        await until(lambda: running.accesses)

    completed = PrefillResponse.FromString((await whole).responses[-1])
    assert completed.WhichOneof("event") == "completed"
    assert PrefillResponse.FromString((await cut).responses[0]).WhichOneof("event") == "started"
    assert says_stopping(await cut)


async def test_a_decision_whose_caller_hung_up_is_recorded_before_the_service_ends(
    office: Office, clock: Any, running: Running, trail: Trail, asked: Any
) -> None:
    size = trail.size()
    running.misbehave(POPULATION, Misconduct.SLOW)
    async with served(office, clock) as wire:
        deciding = asyncio.create_task(wire.call(DECIDE, asked))
        await until(lambda: running.accesses)
        deciding.cancel()
        await until(lambda: not wire.server._edge._open)
        assert office.running
    assert (trail.size(), office.running) == (size + 1, {})

    async with served(office, clock) as wire:
        assert outcome(await wire.call(DECIDE, asked)) == "approved"
    assert trail.size() == size + 1


# ── hanging up ───────────────────────────────────────────────────────────────────────────────────


async def test_who_hangs_up_frees_what_the_registers_were_still_asked(
    office: Office, clock: Any, running: Running, trail: Trail, person: Any
) -> None:
    """A prefill shows; nobody looks any more, so nobody is asked any more."""
    running.misbehave(POPULATION, Misconduct.SILENT)
    async with served(office, clock) as wire:
        source: Any = office.sources[POPULATION]
        free = source._places._value
        asking = asyncio.create_task(
            wire.call(PREFILL, message(PREFILL, request_to_prefill(person, clock())))
        )
        await until(lambda: source._places._value < free)
        size = trail.size()
        asking.cancel()
        await until(lambda: source._places._value == free)

    assert trail.size() == size, "what was never shown is not recorded as shown"


@pytest.mark.parametrize("method", [DECIDE, PREFILL])
@pytest.mark.parametrize("timeout_s", [0.001, 0.05])
async def test_a_deadline_that_leaves_no_time_asks_nobody_and_records_nothing(
    method: str,
    timeout_s: float,
    office: Office,
    clock: Any,
    running: Running,
    trail: Trail,
    person: Any,
) -> None:
    size = trail.size()
    build = application if method == DECIDE else request_to_prefill
    async with served(office, clock) as wire:
        answer = await wire.call(
            method, message(method, build(person, clock())), timeout_s=timeout_s
        )

    assert answer.code == "DEADLINE_EXCEEDED"
    assert answer.responses == ()
    assert (trail.size(), len(running.accesses), office.running) == (size, 0, {})


async def test_a_flood_of_new_calls_does_not_hold_up_the_end(office: Office, clock: Any) -> None:
    loop = asyncio.get_running_loop()
    async with served(office, clock, drain_s=30.0) as wire:
        assert (await wire.call(LIST, b"")).code == "OK"

        async def come() -> None:
            while (await wire.call(LIST, b"")).reason or not stopped.is_set():
                pass

        stopped = asyncio.Event()
        flood = [asyncio.create_task(come()) for _ in range(32)]
        await asyncio.sleep(0.1)
        began = loop.time()
    stopped.set()
    assert loop.time() - began < 15
    await asyncio.gather(*flood)
