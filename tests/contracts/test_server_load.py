"""More calls than the service can take: each caller its share, every refusal typed and cheap."""

# ruff: noqa: N802, ARG002, PT017 - handlers have the contract's names and gRPC's arguments, and a refusal is a value here

import asyncio
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from decision_service.office import Office
from decision_service.server import (
    Limits,
    Server,
    Verifier,
    issue,
    new_private_key,
    public_jwks,
)
from decision_service.server.edge import Edge
from decision_service.server.interceptor import Interceptor
from decision_service.server.load import Load, TooManyCallsError
from decision_service.v1 import matter_pb2, matter_pb2_grpc

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
PRIVATE = new_private_key()


def verifier() -> Verifier:
    return Verifier(public_jwks(PRIVATE), audience="miaopi", issuer="city")


def bearer(subject: str) -> tuple[tuple[str, str]]:
    token = issue(
        PRIVATE,
        subject=subject,
        role="portal",
        audience="miaopi",
        issuer="city",
        lifetime=timedelta(hours=1),
        now=NOW,
    )
    return (("authorization", f"Bearer {token}"),)


class Slow(matter_pb2_grpc.MatterServiceServicer):
    """A handler that holds its place until the test lets go."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()

    async def GetMatter(self, request: Any, context: Any) -> matter_pb2.GetMatterResponse:
        self.begun += 1
        await self.go_on.wait()
        return matter_pb2.GetMatterResponse()


class Wire:
    """Portals that call a slow service."""

    def __init__(self, slow: Slow, edge: Edge, channel: grpc.aio.Channel) -> None:
        self.slow, self.edge = slow, edge
        self._stub = matter_pb2_grpc.MatterServiceStub(channel)

    async def call(self, portal: str) -> tuple[str, float]:
        """Reason of the refusal and seconds until a retry; nothing of both if answered."""
        try:
            await self._stub.GetMatter(
                matter_pb2.GetMatterRequest(), metadata=bearer(portal), timeout=10
            )
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            return refusal(error)
        return "", 0.0

    async def hold(self, portal: str, calls: int) -> list["asyncio.Task[tuple[str, float]]"]:
        """So many calls, each in its handler or refused."""
        tasks = [asyncio.create_task(self.call(portal)) for _ in range(calls)]
        begun = self.slow.begun
        async with asyncio.timeout(10):
            while sum(task.done() for task in tasks) + self.slow.begun - begun < calls:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return tasks


def refusal(error: grpc.aio.AioRpcError) -> tuple[str, float]:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    info, retry = ErrorInfo(), RetryInfo()
    for packed in status.details:
        packed.Unpack(info)
        packed.Unpack(retry)
    assert info.metadata["hint"] == (
        "Wait as long as `retry_delay` says and repeat the call unchanged."
    )
    return info.reason, retry.retry_delay.ToTimedelta().total_seconds()


@asynccontextmanager
async def served(
    limits: Limits, deciding: Callable[[], Sequence[str]] = tuple
) -> AsyncIterator[Wire]:
    slow = Slow()
    edge = Edge(
        verifier=verifier(), clock=lambda: NOW, city="test", limits=limits, deciding=deciding
    )
    server = grpc.aio.server(interceptors=[Interceptor(edge)], options=[("grpc.so_reuseport", 0)])
    matter_pb2_grpc.add_MatterServiceServicer_to_server(slow, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Wire(slow, edge, channel)
    finally:
        slow.go_on.set()
        await server.stop(0.1)


# ── places ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_greedy_portal_gets_half_of_the_places_and_the_next_one_still_finds_some() -> None:
    async with served(Limits(calls_in_flight=16)) as wire:
        greedy = await wire.hold("portal-greedy", 40)
        modest = await wire.hold("portal-modest", 4)
        late = await wire.hold("portal-late", 2)
        wire.slow.go_on.set()
        met = {
            name: Counter([reason for reason, _ in await asyncio.gather(*tasks)])
            for name, tasks in (("greedy", greedy), ("modest", modest), ("late", late))
        }

        assert met["greedy"] == {"": 8, "CALLER_TOO_MANY_CALLS": 32}
        assert met["modest"] == {"": 4}
        assert met["late"] == {"": 2}
        assert await wire.call("portal-greedy") == ("", 0.0), "what is over is forgotten"


class Machine:
    """`Load` against what its promise says, over any order of calls coming and going."""

    def __init__(self, places: int) -> None:
        self.load = Load(Limits(calls_in_flight=places, burst=10_000))
        self.places = places
        self.held: dict[str, list[Any]] = {}

    def come(self, caller: str) -> bool:
        place = self.load.place(caller)
        try:
            self.load.refuse_if_full()
            place.__enter__()
        except TooManyCallsError:
            return False
        self.held.setdefault(caller, []).append(place)
        return True

    def go(self, caller: str) -> None:
        if self.held.get(caller):
            self.held[caller].pop().__exit__(None, None, None)

    def taken(self) -> int:
        return sum(map(len, self.held.values()))


@settings(deadline=None)
@given(
    places=st.integers(2, 40),
    steps=st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")), max_size=200),
)
def test_whatever_callers_do_the_limit_holds_and_the_last_place_is_for_a_newcomer(
    places: int, steps: list[tuple[bool, str]]
) -> None:
    async def play() -> None:
        machine = Machine(places)
        for comes, caller in steps:
            if not comes:
                machine.go(caller)
                continue
            mine, free = len(machine.held.get(caller, [])), places - machine.taken()
            let_in = machine.come(caller)
            assert let_in == (mine < free)
            assert machine.taken() <= places
            if let_in and machine.taken() == places:
                assert len(machine.held[caller]) == 1, "the last place is for who holds none"

    asyncio.run(play())


async def test_decisions_whose_callers_hung_up_take_places_until_they_are_recorded() -> None:
    """A store that stands still fills the places, not the memory."""
    deciding = ["portal-a"] * 8
    async with served(Limits(calls_in_flight=16), deciding=lambda: deciding) as wire:
        wire.slow.go_on.set()
        assert await wire.call("portal-a") == ("CALLER_TOO_MANY_CALLS", 1.0)
        assert await wire.call("portal-b") == ("", 0.0), "who hung up took from its own share"
        deciding += ["portal-b"] * 8
        assert await wire.call("portal-c") == ("TOO_MANY_CALLS", 1.0)


# ── rate ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_burst_passes_and_what_is_faster_is_told_when_to_come_again() -> None:
    async with served(Limits(calls_per_s=1, burst=10)) as wire:
        wire.slow.go_on.set()
        fast = [await wire.call("portal-fast") for _ in range(30)]
        other = [await wire.call("portal-other") for _ in range(10)]
        refused = [wait_s for reason, wait_s in fast if reason]
        await asyncio.sleep(refused[-1])

        assert 10 <= fast.count(("", 0.0)) < 20
        assert {reason for reason, _ in fast} == {"", "CALLER_TOO_FAST"}
        assert all(0 < wait_s <= 1 for wait_s in refused), "one call in a second"
        assert other == [("", 0.0)] * 10
        assert await wire.call("portal-fast") == ("", 0.0), "who waited as told is let in"


async def test_the_rate_of_callers_who_have_been_quiet_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("decision_service.server.load._CALLERS", 4)
    load = Load(Limits(calls_per_s=1e9))
    with load.place("busy"):
        for number in range(50):
            with load.place(f"portal-{number}"):
                pass
            await asyncio.sleep(0)
        assert len(load._shares) <= 5
        assert load._shares["busy"].calls == 1


# ── a loop that runs late ────────────────────────────────────────────────────────────────────────


async def test_a_standing_queue_is_shed_before_a_token_is_looked_at_and_one_hiccup_is_not() -> None:
    async with served(Limits(longest_lag_s=0.1)) as wire:
        wire.slow.go_on.set()
        watch = asyncio.create_task(wire.edge.load.watch())
        await asyncio.sleep(0.35)
        time.sleep(0.4)  # noqa: ASYNC251 - the hiccup
        assert await wire.call("portal-a") == ("", 0.0)

        async def late() -> None:
            while True:
                time.sleep(0.25)  # noqa: ASYNC251 - every turn of the loop is late
                await asyncio.sleep(0)

        busy = asyncio.create_task(late())
        await asyncio.sleep(1.5)
        reason, _ = await wire.call("portal-a")
        busy.cancel()
        async with asyncio.timeout(10):
            while (await wire.call("portal-a"))[0]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        watch.cancel()

        assert reason == "SERVICE_BEHIND"


# ── what the operator sees ───────────────────────────────────────────────────────────────────────


async def test_refusals_are_counted_by_caller_and_have_no_line_each() -> None:
    async with served(Limits(calls_in_flight=4)) as wire:
        with capture_logs() as lines:
            watch = asyncio.create_task(wire.edge.load.watch())
            tasks = await wire.hold("portal-greedy", 22)
            wire.slow.go_on.set()
            await asyncio.gather(*tasks)
            async with asyncio.timeout(10):
                while not any(line["event"] == "calls.refused" for line in lines):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            watch.cancel()

    assert sum(line["event"] == "request.handled" for line in lines) == 2
    refused = [line for line in lines if line["event"] == "calls.refused"]
    assert sum(line["calls"] for line in refused) == 20
    assert {(line["reason"], line["caller"], line["log_level"]) for line in refused} == {
        ("CALLER_TOO_MANY_CALLS", "portal-greedy", "warning")
    }


# ── the wire ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def server(office: Office) -> AsyncIterator[Server]:
    async with Server(
        office=office,
        verifier=verifier(),
        clock=lambda: NOW,
        city="test",
        address="127.0.0.1:0",
        limits=Limits(calls_in_flight=2),
        pause_s=0,
    ) as server:
        yield server


def large_message(channel: grpc.aio.Channel) -> Coroutine[Any, Any, Any]:
    method = channel.unary_unary("/decision_service.v1.DecisionService/Decide")
    return method(bytes(5_000_000), metadata=bearer("portal-a"), timeout=10)  # type: ignore[return-value]


def large_metadata(channel: grpc.aio.Channel) -> Coroutine[Any, Any, Any]:
    method = channel.unary_unary("/decision_service.v1.MatterService/ListMatters")
    return method(b"", metadata=(*bearer("portal-a"), ("x", "y" * 40_000)), timeout=10)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(large_message, "Received message larger than max", id="5 MB of message"),
        pytest.param(large_metadata, "metadata size exceeds", id="40 kB of metadata"),
    ],
)
async def test_what_is_too_large_is_refused_unread_in_clear_words(
    server: Server, call: Callable[[grpc.aio.Channel], Coroutine[Any, Any, Any]], words: str
) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel)

        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert words in (caught.value.details() or "")
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_answers_when_nobody_else_is_let_in(server: Server, office: Office) -> None:
    forever = asyncio.create_task(asyncio.Event().wait())
    for number in range(2):
        office.running[str(number)] = ("", forever)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await matter_pb2_grpc.MatterServiceStub(channel).ListMatters(
                matter_pb2.ListMattersRequest(), metadata=bearer("portal-a")
            )
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    office.running.clear()
    forever.cancel()

    assert refusal(caught.value) == ("TOO_MANY_CALLS", 1.0)
    assert health.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_client_that_pings_without_end_is_cut_off(server: Server) -> None:
    """HTTP/2 by hand: our own client library would not do it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    settings = struct.pack(">HBBBI", 0, 0, 0x4, 0, 0)
    ping = struct.pack(">HBBBI", 0, 8, 0x6, 0, 0) + bytes(8)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + ping * 20)
    async with asyncio.timeout(10):
        answer = await reader.read()  # until it hangs up
    writer.close()

    assert b"too_many_pings" in answer
