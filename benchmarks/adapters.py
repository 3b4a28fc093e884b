"""What an answer costs; how far registers hold up a decision; what a dead one does to others.

Run: ``python benchmarks/adapters.py``, under a minute. Costs are the best of several rounds, of
the processor's time, since a busy machine takes the clock's for others; waits are the clock's.
"""

import asyncio
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import aiohttp
import stand
import uvloop

from audit.trail import Trail
from decision_service import catalogue, retention, workdays
from decision_service.catalogue import Catalogue
from decision_service.decide import decide
from decision_service.evidence import EvidenceSource
from decision_service.model import (
    Application,
    AssuranceLevel,
    Authority,
    CaseId,
    Consent,
    Decision,
    Document,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    MatterId,
    Party,
    Query,
    Value,
)
from decision_service.office import Office
from decision_service.record import Record
from decision_service.service import SEED, raise_alarm
from evidence_adapters import gateway, registry
from evidence_adapters.guard import GuardedSource
from evidence_adapters.http import QUERY_ID
from evidence_adapters.normalise import Reader
from evidence_adapters.register import Register
from evidence_adapters.sandbox import City

ROOT = Path(__file__).parent.parent
POPULATION, DEATHS = EvidenceType("population_register"), EvidenceType("death_register")
TODAY = date(2026, 3, 1)
ROUNDS = 9
TIMES = 200

WAIT_S = 0.02
"""What each register takes, beyond what the sandbox's does."""

DEADLINE_S = 2.0
"""Of a decision."""

TOGETHER_S = 6.0
"""How long two matters are applied for beside one another."""

ANSWERS: Mapping[str, Mapping[str, Value]] = {
    "residence_permit": {
        "applicant.mobile": "13800000000",
        "applicant.truthful": True,
        "applicant.photo_receipt": "4403202600001234",
        "applicant.lives_here": True,
    },
    "old_age_allowance": {"applicant.mobile": "13800000000", "applicant.truthful": True},
    "library_card": {
        "applicant.mobile": "13800000000",
        "applicant.truthful": True,
        "applicant.accepts_reading_rules": True,
    },
}


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


# ── what an answer costs ─────────────────────────────────────────────────────────────────────────


async def costs(registers: Mapping[EvidenceType, Register], address: str, city: City) -> None:
    register = registers[POPULATION]
    query = Query(
        query_id="q-1",
        evidence_type=POPULATION,
        about="applicant",
        keys={"id_number": city.cast(TODAY)["aged_75"].id_number},
        matter=MatterId("old_age_allowance"),
        case_id=CaseId("c-1"),
        purpose="eligibility",
        legal_basis="consent 1",
        filing_date=TODAY,
    )
    async with (
        gateway.connect({POPULATION: register}, {POPULATION: address}, clock=clock) as sources,
        aiohttp.ClientSession() as session,
    ):
        question = json.dumps({"gmsfhm": query.keys["id_number"]}).encode()

        async def bare() -> bytes:
            headers = {QUERY_ID: "q-1", "Content-Type": "application/json"}
            url = address + register.request.path
            async with session.post(url, data=question, headers=headers) as response:
                return await response.read()

        answer = await bare()
        reader = Reader(register)

        async def read() -> None:
            assert reader.read(query, answer).status is EvidenceStatus.MATCH

        async def fetch() -> None:
            deadline = asyncio.get_running_loop().time() + 1
            assert (await sources[POPULATION].fetch(query, deadline=deadline)).values

        print(f"reading one answer             {await best_us(read):8.0f} µs")
        print(f"guard alone                    {await guard_us(register, query, answer):8.0f} µs")
        print(f"bare aiohttp POST, same server {await best_us(bare):8.0f} µs")
        print(f"fetch over the socket          {await best_us(fetch):8.0f} µs")


async def guard_us(register: Register, query: Query, answer: bytes) -> float:
    """What the guard costs by itself: nothing is on the way, and its envelope is made already."""

    async def at_once(_query: Query, _deadline: float) -> bytes:
        return answer

    source = GuardedSource(register, at_once, clock=clock)
    reading = source._reader.read(query, answer)  # noqa: SLF001 - what is not the guard's is taken out
    made = source._envelope(query, reading, answer)  # noqa: SLF001
    source._reader.read = lambda *_: reading  # type: ignore[method-assign]  # noqa: SLF001
    source._envelope = lambda *_: made  # type: ignore[method-assign]  # noqa: SLF001

    async def guard() -> None:
        deadline = asyncio.get_running_loop().time() + 1
        assert (await source.fetch(query, deadline=deadline)).values

    return await best_us(guard)


# ── what registers do to decisions ───────────────────────────────────────────────────────────────


class Late:
    """A register that takes its time; it notes how long each question was under way."""

    def __init__(self, source: EvidenceSource, took_s: list[float]) -> None:
        self._source = source
        self._took_s = took_s

    async def fetch(self, query: Query, *, deadline: float) -> Evidence:
        """The register's answer, later."""
        started = time.perf_counter()
        await asyncio.sleep(WAIT_S)
        try:
            return await self._source.fetch(query, deadline=deadline)
        finally:
            self._took_s.append(time.perf_counter() - started)


@asynccontextmanager
async def office_of(
    published: Catalogue, sources: Mapping[EvidenceType, EvidenceSource]
) -> AsyncIterator[Office]:
    """All that decides, on a new store on disk."""
    with tempfile.TemporaryDirectory() as name:
        Trail.create(Path(name) / "store", origin="bench.invalid/miaopi")
        async with Trail.open(Path(name) / "store") as trail:
            yield Office(
                catalogue=published,
                sources=sources,
                record=Record(trail),
                zone=ZoneInfo("Asia/Shanghai"),
                alarm=raise_alarm,
                terms=retention.load(ROOT),
                workdays=workdays.load(ROOT),
            )


class Portal:
    """Files an application of the city's next person."""

    def __init__(self, office: Office, city: City) -> None:
        self._office = office
        self._people = (city.person(number % len(city)) for number in itertools.count())

    async def file(self, matter: str) -> tuple[Decision, float]:
        """The decision, and how many seconds it took."""
        now, person = clock(), next(self._people)
        release = self._office.catalogue.release_on(MatterId(matter), self._office.today(now))
        number = Document(kind="resident_id", number=person.id_number)
        applicant = Party(role="applicant", documents=(number,))
        application = Application(
            caller="portal-bench",
            request_id=str(uuid4()),
            matter=MatterId(matter),
            channel="portal",
            parties=(applicant,),
            authority=Authority(
                person=applicant,
                assurance_level=AssuranceLevel.HIGH,
                authentication_time=now,
                basis=Consent(
                    notice_version=release.matter.consent_notice_version,
                    time=now,
                    evidence_types=tuple(one.type for one in release.matter.evidence),
                ),
            ),
            answers=ANSWERS[matter],
            content_digest=uuid4().hex,
        )
        started = asyncio.get_running_loop().time()
        decision = await decide(
            application, office=self._office, now=now, deadline=started + DEADLINE_S
        )
        return decision, asyncio.get_running_loop().time() - started


async def late(
    published: Catalogue, sources: Mapping[EvidenceType, EvidenceSource], city: City
) -> None:
    """One decision after another, with five registers at once that take 20 ms each."""
    took_s: list[float] = []
    slow = {key: Late(source, took_s) for key, source in sources.items()}
    async with office_of(published, slow) as office:
        portal = Portal(office, city)
        whole, waves = [], []
        for number in range(60):
            took_s.clear()
            _, wait_s = await portal.file("residence_permit")
            if number >= 10:
                whole.append(1_000 * wait_s)
                waves.append(1_000 * max(took_s))
            assert len(took_s) == 5
    ratios = sorted(one / wave for one, wave in zip(whole, waves, strict=True))
    p50, p10 = statistics.median(ratios), ratios[len(ratios) // 10]
    print(f"decision, 5 registers of 20 ms {statistics.median(whole):8.1f} ms")
    print(f"  its slowest register         {statistics.median(waves):8.1f} ms")
    print(f"  the first by the second, p50 {p50:8.2f}, p10 {p10:.2f}")


@asynccontextmanager
async def silence() -> AsyncIterator[str]:
    """Where somebody takes every question and answers none."""
    open_ended = asyncio.Event()

    async def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await open_ended.wait()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        open_ended.set()


async def dead(
    published: Catalogue,
    well: Mapping[EvidenceType, EvidenceSource],
    one_away: Mapping[EvidenceType, EvidenceSource],
    city: City,
) -> None:
    """A matter that asks nobody dead, beside one that does ten times a second."""
    async with office_of(published, well) as lively, office_of(published, one_away) as hurt:
        (before, _), (after, waits) = await together(lively, city), await together(hurt, city)
    waits.sort()
    too_late = sum(one > DEADLINE_S for one in waits)
    print(f"library cards, all well        {before:8.1f} a second")
    print(f"library cards, one is dead     {after:8.1f} a second ({after / before:.2f})")
    print(f"the matter that asks it, p50   {1_000 * waits[len(waits) // 2]:8.0f} ms")
    print(f"  p99                          {1_000 * waits[int(len(waits) * 0.99)]:8.0f} ms")
    print(f"  after its deadline           {too_late:8d} of {len(waits)}")


async def together(office: Office, city: City) -> tuple[float, list[float]]:
    """Library cards a second of four callers, and how long each allowance beside them took."""
    portal, until, done = Portal(office, city), time.perf_counter() + TOGETHER_S, 0

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await portal.file("library_card")
            done += 1

    async def allowances() -> list[float]:
        started = []
        while time.perf_counter() < until:
            started.append(asyncio.create_task(portal.file("old_age_allowance")))
            await asyncio.sleep(0.1)
        return [wait_s for _, wait_s in await asyncio.gather(*started)]

    _, waits = await asyncio.gather(asyncio.gather(*(caller() for _ in range(4))), allowances())
    return done / TOGETHER_S, waits


async def main() -> None:
    city, registers = City(SEED), registry.load()
    published = catalogue.load(ROOT, {key: one.meaning for key, one in registers.items()})
    with stand.registers() as addresses:
        async with (
            silence() as nobody,
            gateway.connect(registers, addresses, clock=clock) as sources,
            gateway.connect(registers, {**addresses, DEATHS: nobody}, clock=clock) as one_away,
        ):
            await costs(registers, addresses[POPULATION], city)
            await late(published, sources, city)
            await dead(published, sources, one_away, city)


if __name__ == "__main__":
    uvloop.run(main())
