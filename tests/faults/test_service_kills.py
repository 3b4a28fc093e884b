"""kill -9 of the whole service under load: no decision is lost, none is made twice."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from audit.trail import Trail
from audit.verify import verify_store
from decision_service.record import Record
from decision_service.v1.decision_pb2 import DecideRequest, DecideResponse
from decision_service.v1.vocabulary_pb2 import Decision
from evidence_adapters.sandbox import City, serve
from tests import process
from tests.service import GrpcWire, Wire, application, message, settings

DECIDE = "/decision_service.v1.DecisionService/Decide"
PORTALS = 24
APPLICANTS = 150
"""Few people who apply often: a grant that can be had once is asked for at many instants."""


def now() -> datetime:
    return datetime.now(UTC)


class Crowd:
    """Portals that never give up: a request is repeated, unchanged, until it is answered.

    Attributes:
        answered: The decision that each request got first.
        unanswered: Requests that nobody has answered yet.
        repeated: How often an answered request was asked again and got the same bytes.
    """

    def __init__(self, people: City, dice: random.Random) -> None:
        self.answered: dict[str, Decision] = {}
        self.unanswered: list[Any] = []
        self.repeated = 0
        self._requests: dict[str, Any] = {}
        self._dice = dice
        cast = people.cast(now().date())
        aged = [cast["aged_75"], *(people.person(number) for number in range(len(people)))]
        self._people = [one for one in aged if one.birth_date.year < 1945][:APPLICANTS]

    async def call(self, wire: Wire, *, new: bool = True) -> None:
        """Ask until the service is gone; without new requests, until every one is answered."""
        while new or self.unanswered:
            request = self.unanswered.pop() if self.unanswered else self._next()
            answer = await wire.call(DECIDE, request, timeout_s=20)
            if answer.code != "OK":
                assert answer.code == "UNAVAILABLE", answer
                self.unanswered.append(request)
                return
            decision = DecideResponse.FromString(answer.responses[0]).decision
            if request.request_id in self.answered:
                assert decision == self.answered[request.request_id]
                self.repeated += 1
            self.answered[request.request_id] = decision

    async def answers(self, count: int, *, within_s: float) -> None:
        """Wait for so many answers, in any case not longer."""
        enough, loop = len(self.answered) + count, asyncio.get_running_loop()
        until = loop.time() + within_s
        while len(self.answered) < enough and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(self._dice.uniform(0.001, 0.02))

    def _next(self) -> Any:
        """Mostly a new application; now and then one that has been answered."""
        if self.answered and self._dice.random() < 0.1:
            return self._requests[self._dice.choice(list(self._requests.keys() & self.answered))]
        request = message(DECIDE, application(self._dice.choice(self._people), now()))
        assert isinstance(request, DecideRequest)
        self._requests[request.request_id] = request
        return request


@pytest.fixture(scope="module")
def template() -> Iterator[process.Template]:
    with process.loaded() as template:
        yield template


@pytest.fixture
async def environment(people: City, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Of a service in a sandbox city, whose registers live on when the service dies."""
    async with serve(people, clock=now) as running:
        yield settings(running, tmp_path)


async def storm(
    template: process.Template,
    environment: dict[str, str],
    people: City,
    kills: int,
) -> Crowd:
    """Kill the service under load so many times, then let it answer what is open."""
    dice = random.Random(kills)  # noqa: S311 - any instant will do
    crowd, turn, last = Crowd(people, dice), 0, False
    while not last:
        last = turn == kills
        service = template.fork(environment)
        if turn and not last and dice.random() < 0.1:  # while it starts, with its store there
            await asyncio.sleep(dice.uniform(0.0, 0.2))
            await service.signalled(signal.SIGKILL)
            turn += 1
            continue
        port = await service.port()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            wire = GrpcWire(channel, now, port)
            calling = [asyncio.create_task(crowd.call(wire, new=not last)) for _ in range(PORTALS)]
            if not last:
                await crowd.answers(dice.randint(0, 40), within_s=0.4)
                await service.signalled(signal.SIGKILL)
                turn += 1
            await asyncio.gather(*calling)
            if last:
                await service.signalled(signal.SIGTERM)
    assert not crowd.unanswered
    return crowd


async def each_is_there_once(store: Path, crowd: Crowd) -> None:
    """Every answer stands in the record where its receipt says, once; every grant is one."""
    entries: Counter[str] = Counter()
    granted: Counter[str] = Counter()
    async with Trail.open(store) as trail:
        record = Record(trail)
        for request_id, decision in crowd.answered.items():
            key = "request:" + trail.tag(f"portal-test\nDecide\n{request_id}")
            assert await record.latest(key) == decision.receipt.index
            recorded = await trail.read(decision.receipt.index)
            assert recorded.leaf_hash == decision.receipt.leaf_hash
        for index in range(trail.size()):
            recorded = await trail.read(index)
            if recorded.type == "decision/1":
                entries[str(recorded.permanent["request"])] += 1
                granted[recorded.subject] += recorded.permanent["outcome"] == "approved"
    assert set(entries.values()) == {1}
    assert max(granted.values()) == 1
    assert len(entries) == len(crowd.answered), "what was recorded was told at last"
    approved = [one for one in crowd.answered.values() if one.WhichOneof("outcome") == "approved"]
    assert len(approved) == granted.total()
    assert verify_store(store).problems == ()


def reasons(crowd: Crowd) -> Counter[str]:
    """Why applications were referred."""
    return Counter(
        reason.code for decision in crowd.answered.values() for reason in decision.referred.reasons
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_killed_service_loses_and_doubles_nothing(
    template: process.Template, environment: dict[str, str], people: City
) -> None:
    """Two hundred kills, at any instant of a start or under load."""
    crowd = await storm(template, environment, people, kills=200)

    await each_is_there_once(Path(environment["MIAOPI_STORE"]), crowd)
    found = reasons(crowd)
    assert crowd.repeated
    assert found["INTERRUPTED"], "whoever was in flight and not recorded sees a person"
    assert found["ALREADY_GRANTED"], "the same grant was asked for again and again"
