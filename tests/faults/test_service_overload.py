"""Ten times more calls than there are places: memory stays, the rest is told so, it recovers."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from audit.verify import verify_store
from decision_service.model import EvidenceType
from evidence_adapters.sandbox import City, Misconduct, Running, serve
from tests import process
from tests.service import Answer, GrpcWire, Wire, application, message, settings

DECIDE = "/decision_service.v1.DecisionService/Decide"
PLACES = 32
GREEDY = 10 * PLACES
"""Calls that the greedy portal keeps in the air."""


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def template() -> Iterator[process.Template]:
    with process.loaded() as template:
        yield template


@pytest.fixture
async def registers(people: City) -> AsyncIterator[Running]:
    async with serve(people, clock=now) as running:
        yield running


@pytest.fixture
def environment(registers: Running, tmp_path: Path) -> dict[str, str]:
    return {
        **settings(registers, tmp_path),
        "MIAOPI_CALLS_IN_FLIGHT": str(PLACES),
        "MIAOPI_CALLS_PER_S": "100000",
        "MIAOPI_CALLS_BURST": "100000",
    }


class Portal:
    """A portal with a name of its own, and what it was answered."""

    def __init__(self, wires: list[Wire], name: str, people: City) -> None:
        self.answers: list[Answer] = []
        self._wires, self._people = wires, people
        self._metadata = wires[0].bearer(subject=name)
        self._next = 0

    async def decide(self) -> Answer:
        self._next += 1
        request = message(DECIDE, application(self._people.person(self._next), now()))
        wire = self._wires[self._next % len(self._wires)]
        answer = await wire.call(DECIDE, request, metadata=self._metadata, timeout_s=30)
        self.answers.append(answer)
        return answer

    async def flood(self, calls: int) -> None:
        """So many calls in the air until the flood is over, refused or not."""

        async def one() -> None:
            for _ in range(calls // GREEDY):
                await self.decide()

        await asyncio.gather(*(one() for _ in range(GREEDY)))

    @property
    def met(self) -> Counter[tuple[str, str]]:
        return Counter((answer.code, answer.reason) for answer in self.answers)


@pytest.mark.slow
async def test_ten_times_too_much_is_refused_in_good_order_and_leaves_nothing_behind(
    template: process.Template, environment: dict[str, str], registers: Running, people: City
) -> None:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(process.serving(template, environment))
        port = await service.port()

        async def portal(name: str, connections: int) -> Portal:
            """Each on connections of its own; one takes 256 calls, the next wait at the client."""
            options = [("grpc.use_local_subchannel_pool", 1)]
            wires = []
            for _ in range(connections):
                channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)
                await stack.enter_async_context(channel)
                wires.append(GrpcWire(channel, now, port))
            return Portal(wires, name, people)

        greedy, modest = await portal("portal-greedy", 4), await portal("portal-modest", 1)
        assert (await modest.decide()).code == "OK"
        # A decision holds its place while a register thinks, however fast this machine is.
        registers.misbehave(EvidenceType("population_register"), Misconduct.SLOW)
        memory_mib = []
        for _ in range(3):
            flood = asyncio.create_task(greedy.flood(3 * GREEDY))
            while not flood.done():
                await modest.decide()
                await asyncio.sleep(0.02)
            await flood
            memory_mib.append(service.memory_mib())
        registers.reset()
        after = [await greedy.decide() for _ in range(PLACES)]
        lines = [line for line in service.lines() if line["event"] == "calls.refused"]
        await service.signalled(signal.SIGTERM)

    assert modest.met.keys() == {("OK", "")}, "one portal cannot starve another"
    assert greedy.met.keys() == {
        ("OK", ""),
        ("RESOURCE_EXHAUSTED", "CALLER_TOO_MANY_CALLS"),
    }
    refused = [answer for answer in greedy.answers if answer.code != "OK"]
    assert len(refused) > len(greedy.answers) // 2
    assert all(one.details["RetryInfo"].retry_delay.seconds == 1 for one in refused)
    assert {answer.code for answer in after} == {"OK"}, "it is over when it is over"
    assert memory_mib[2] - memory_mib[1] < 16, f"a flood costs nothing that stays: {memory_mib}"
    assert sum(line["calls"] for line in lines) == len(refused)
    assert verify_store(Path(environment["MIAOPI_STORE"])).problems == ()
