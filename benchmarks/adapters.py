"""What an answer costs: reading it, guarding the question, and the way over the socket.

Run: ``python benchmarks/adapters.py``. One core, one process; every figure is the best of seven,
of the processor's time, since a busy machine takes the clock's for others.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime

import aiohttp

from decision_service.model import CaseId, EvidenceStatus, EvidenceType, MatterId, Query
from evidence_adapters import http, registry, sandbox
from evidence_adapters.guard import GuardedSource
from evidence_adapters.http import QUERY_ID
from evidence_adapters.normalise import Reader
from evidence_adapters.sandbox import City

POPULATION = EvidenceType("population_register")
TODAY = date(2026, 3, 1)
ROUNDS = 7
TIMES = 500


def clock() -> datetime:
    return datetime.now(UTC)


async def best_us(work: Callable[[], Awaitable[object]]) -> float:
    """Microseconds of one piece of work, in the best round."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(TIMES):
            await work()
        rounds.append((time.process_time() - started) / TIMES)
    return min(rounds) * 1e6


async def main() -> None:
    city = City(1)
    person = city.cast(TODAY)["aged_75"]
    register = registry.load()[POPULATION]
    query = Query(
        query_id="q-1",
        evidence_type=POPULATION,
        about="applicant",
        keys={"id_number": person.id_number},
        matter=MatterId("old_age_allowance"),
        case_id=CaseId("c-1"),
        purpose="eligibility",
        legal_basis="consent 1",
        filing_date=TODAY,
    )
    async with (
        sandbox.serve(city, clock=clock) as running,
        http.connect(
            {POPULATION: register}, {POPULATION: running.address(POPULATION)}, clock=clock
        ) as sources,
        aiohttp.ClientSession() as session,
    ):
        url = running.address(POPULATION) + register.request.path
        question = json.dumps({"gmsfhm": person.id_number}).encode()

        async def bare() -> bytes:
            headers = {QUERY_ID: "q-1", "Content-Type": "application/json"}
            async with session.post(url, data=question, headers=headers) as response:
                return await response.read()

        answer = await bare()
        reader = Reader(register)

        async def read() -> None:
            assert reader.read(query, answer).status is EvidenceStatus.MATCH

        async def canned(_query: Query, _deadline: float) -> bytes:
            return answer

        guarded = GuardedSource(register, canned, clock=clock)

        async def guard() -> None:
            deadline = asyncio.get_running_loop().time() + 1
            assert (await guarded.fetch(query, deadline=deadline)).values

        async def envelope() -> None:
            assert guarded._envelope(query, reader.read(query, answer), answer).values  # noqa: SLF001 - the part that is no guard

        async def fetch() -> None:
            deadline = asyncio.get_running_loop().time() + 1
            assert (await sources[POPULATION].fetch(query, deadline=deadline)).values

        reading, wrapping = await best_us(read), await best_us(envelope)
        guarding = await best_us(guard)
        plain, whole = await best_us(bare), await best_us(fetch)
    print(f"reading one answer             {reading:8.0f} µs")
    print(f"its envelope                   {wrapping - reading:8.0f} µs")
    print(f"guard, above both              {guarding - wrapping:8.0f} µs")
    print(f"bare aiohttp POST, same server {plain:8.0f} µs")
    print(f"fetch over the socket          {whole:8.0f} µs")
    print(f"fetch, above the bare POST     {whole - plain:8.0f} µs")


if __name__ == "__main__":
    asyncio.run(main())
