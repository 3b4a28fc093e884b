"""Every register away at once, clocks that jump: calls end in time, nothing is decided wrongly."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.trail import Trail
from audit.verify import verify_store
from decision_service import waiting
from decision_service.catalogue import Catalogue
from decision_service.model import CaseState, EvidenceType
from decision_service.office import Office
from decision_service.server import Limits
from decision_service.v1.decision_pb2 import DecideResponse
from decision_service.v1.vocabulary_pb2 import Decision
from evidence_adapters import sandbox
from evidence_adapters.guard import AT_ONCE
from evidence_adapters.sandbox import City, Misconduct, Running
from tests.service import ERASE, Wire, application, message, open_office, right, serve

DECIDE = "/decision_service.v1.DecisionService/Decide"
REGISTERS = [EvidenceType(f"{name}") for name in ("population_register", "death_register")]
APPLICANTS = 80


@pytest.fixture
async def trail(tmp_path: Path) -> AsyncIterator[Trail]:
    """Whatever the weather was, what it leaves verifies."""
    Trail.create(tmp_path / "store", origin="test.invalid/miaopi")
    async with Trail.open(tmp_path / "store") as trail:
        yield trail
    assert verify_store(tmp_path / "store").problems == ()


async def decided(wire: Wire, request: Any, *, timeout_s: float = 20) -> Decision:
    """Ask, and repeat unchanged, until there is an answer."""
    while True:
        answer = await wire.call(DECIDE, request, timeout_s=timeout_s)
        if answer.code == "OK":
            return DecideResponse.FromString(answer.responses[0]).decision
        assert answer.code in {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}, answer
        await asyncio.sleep(0.1)


def outcomes(decisions: list[Decision]) -> Counter[str | None]:
    return Counter(decision.WhichOneof("outcome") for decision in decisions)


def ours(tasks: set["asyncio.Task[Any]"]) -> list[str]:
    """The tasks that run code of the service or its adapters."""
    files = [str(task.get_coro().cr_code.co_filename) for task in tasks]  # type: ignore[union-attr]
    return [file for file in files if "decision_service" in file or "/http.py" in file]


# ── registers ────────────────────────────────────────────────────────────────────────────────────


def silent(running: Running, dice: random.Random) -> None:
    for register in REGISTERS:
        running.misbehave(register, Misconduct.SILENT)


def slow(running: Running, dice: random.Random) -> None:
    for register in REGISTERS:
        running.misbehave(register, Misconduct.SLOW)


def flapping(running: Running, dice: random.Random) -> None:
    """Away and back from one question to the next."""
    for register in REGISTERS:
        for _ in range(60):
            how = dice.choice([Misconduct.DOWN, Misconduct.RESET, Misconduct.GARBAGE])
            running.misbehave(register, how, times=1)


@pytest.mark.slow
@pytest.mark.parametrize("weather", [silent, slow, flapping])
async def test_a_storm_over_all_registers_passes_and_everybody_is_decided(
    weather: Callable[[Running, random.Random], None],
    office: Office,
    clock: Any,
    running: Running,
    people: City,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(waiting, "PATIENCE_S", 2.0)
    aged = (people.person(number) for number in range(len(people)))
    eligible = [one for one in aged if one.birth_date.year < 1950][:APPLICANTS]
    requests = [message(DECIDE, application(one, clock())) for one in eligible]
    loop = asyncio.get_running_loop()
    async with serve(office, clock) as wire:
        calm = await decided(wire, message(DECIDE, application(eligible[0], clock())))
        weather(running, random.Random(7))  # noqa: S311 - weather
        began = loop.time()
        stormy = await asyncio.gather(*(decided(wire, one, timeout_s=3) for one in requests))
        took_s = loop.time() - began

        assert took_s < 60, "no call waits for a register beyond its deadline"
        assert not office.running
        for register in REGISTERS:
            source: Any = office.sources[register]
            assert source._places._value == AT_ONCE, "every place is free again"
        assert "refused" not in outcomes(stormy)
        if weather is silent:
            assert outcomes(stormy).keys() <= {"waiting", "referred"}, "nothing was known"

        running.reset()
        failed: list[BaseException] = []
        watching = asyncio.create_task(
            waiting.watch(
                office,
                clock=clock,
                failed=lambda _, error: failed.append(error),
                look_every_s=0.05,
            )
        )
        async with asyncio.timeout(60):
            while await office.record.waiting():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

        cases = [await office.record.case(one.case_id) for one in [calm, *stormy]]
        again = [await decided(wire, one) for one in requests]
    assert all(one is not None and one.state is not CaseState.WAITING for one in cases)
    assert not failed
    assert again == stormy, "a repeated request gets the first answer, whatever came later"
    assert not ours(asyncio.all_tasks()), "nothing goes on that nobody waits for"


# ── clocks ───────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Jumping:
    """The service's clock: off by as much as the test says, while the city's is right."""

    off: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.off


@asynccontextmanager
async def jumpy(
    published: Catalogue, people: City, trail: Trail
) -> AsyncIterator[tuple[Wire, Jumping, Running, Office]]:
    clock = Jumping()
    async with (
        sandbox.serve(people, clock=lambda: datetime.now(UTC)) as running,
        open_office(published, running, trail, clock) as office,
        serve(office, clock) as wire,
    ):
        yield wire, clock, running, office


JUMPS_H = (0, -3, 5, -9, 26, -30, 50, 1, -1, 0)


async def test_a_clock_that_jumps_never_approves_on_what_is_not_fresh_and_keeps_the_order(
    published: Catalogue, people: City, trail: Trail
) -> None:
    cast = people.cast(datetime.now(UTC).date())
    barred = ["young_adult", "deceased", "outside_hukou", "child"]
    aged = (people.person(number) for number in range(len(people)))
    eligible = iter([one for one in aged if one.birth_date.year < 1945])
    indices: list[int] = []
    met: dict[int, Counter[str | None]] = {}
    async with jumpy(published, people, trail) as (wire, clock, _, _):
        for jump_h in JUMPS_H:
            clock.off = timedelta(hours=jump_h)
            asked = [next(eligible) for _ in range(3)] + [cast[role] for role in barred]
            decisions = [
                await decided(wire, message(DECIDE, application(one, clock()))) for one in asked
            ]
            indices += [decision.receipt.index for decision in decisions]
            met[jump_h] = outcomes(decisions[:3])
            assert "approved" not in outcomes(decisions[3:])

    for jump_h, found in met.items():
        assert ("approved" in found) == (jump_h == 0), "the ledger's answer must be live"
        assert "refused" not in found
    assert indices == sorted(set(indices)), "the order is that of the log, not of the clock"


@pytest.mark.parametrize("jump_h", [-30, 30])
async def test_a_clock_that_jumps_grants_nothing_twice_and_lets_no_waiting_case_through(
    published: Catalogue, people: City, trail: Trail, jump_h: int
) -> None:
    cast = people.cast(datetime.now(UTC).date())
    async with jumpy(published, people, trail) as (wire, clock, running, office):
        first = await decided(wire, message(DECIDE, application(cast["aged_75"], clock())))
        running.misbehave(EvidenceType("population_register"), Misconduct.DOWN)
        open_case = await decided(wire, message(DECIDE, application(cast["aged_95"], clock())))
        clock.off = timedelta(hours=jump_h)
        late = await waiting.decide_again(open_case.case_id, office=office, now=clock())
        running.reset()
        clock.off = timedelta(0)
        again = await decided(wire, message(DECIDE, application(cast["aged_75"], clock())))

    assert outcomes([first, open_case, again]) == {"approved": 1, "waiting": 1, "referred": 1}
    assert "ALREADY_GRANTED" in [reason.code for reason in again.referred.reasons]
    assert late is not None
    assert late.outcome.kind == "referred", "its time is over, or its answers are of tomorrow"


# ── one bad case, and a store that stands still ──────────────────────────────────────────────────


async def test_a_waiting_case_that_cannot_be_read_does_not_hold_up_the_others(
    published: Catalogue, people: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry was damaged on disk; the operator is told, and those behind it are decided."""
    monkeypatch.setattr(waiting, "FIRST_PAUSE_S", 0.05)
    cast = people.cast(datetime.now(UTC).date())
    Trail.create(tmp_path / "damaged", origin="test.invalid/miaopi")
    failed: list[tuple[str, str]] = []
    async with (
        Trail.open(tmp_path / "damaged") as trail,
        jumpy(published, people, trail) as (wire, clock, running, office),
    ):
        running.misbehave(EvidenceType("population_register"), Misconduct.DOWN)
        cases = [
            await decided(wire, message(DECIDE, application(cast[role], clock())))
            for role in ("aged_75", "aged_95", "centenarian")
        ]
        damaged = cases[0].receipt.index
        await trail._log.write(
            lambda connection: connection.exec_driver_sql(
                "UPDATE sealed SET content = zeroblob(64) WHERE idx = ?", (damaged,)
            )
        )
        running.reset()
        watching = asyncio.create_task(
            waiting.watch(
                office,
                clock=clock,
                failed=lambda case_id, error: failed.append((case_id, type(error).__name__)),
                look_every_s=0.02,
            )
        )
        async with asyncio.timeout(20):
            while await office.record.waiting() != (cases[0].case_id,) or not failed:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    assert outcomes(cases) == {"waiting": 3}
    assert set(failed) == {(cases[0].case_id, "RecordDamagedError")}


async def test_a_waiting_case_that_a_court_has_had_erased_is_no_alarm(
    published: Catalogue, people: City, trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can decide it any more, and nothing is wrong: it was tried with the one behind it."""
    monkeypatch.setattr(waiting, "FIRST_PAUSE_S", 0.05)
    cast = people.cast(datetime.now(UTC).date())
    failed: list[BaseException] = []
    async with jumpy(published, people, trail) as (wire, clock, running, office):
        running.misbehave(EvidenceType("population_register"), Misconduct.DOWN)
        erased, other = [
            await decided(wire, message(DECIDE, application(cast[role], clock())))
            for role in ("aged_75", "aged_95")
        ]
        order = right(ERASE, cast["aged_75"], clock(), "") | {
            "subject": {"kind": "resident_id", "number": cast["aged_75"].id_number}
        }
        answer = await wire.call(ERASE, message(ERASE, order), role="data_protection_officer")
        assert answer.code == "OK", answer.words
        running.reset()
        watching = asyncio.create_task(
            waiting.watch(
                office,
                clock=clock,
                failed=lambda _, error: failed.append(error),
                look_every_s=0.02,
            )
        )
        async with asyncio.timeout(20):
            while other.case_id in await office.record.waiting():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert erased.case_id in await office.record.waiting()

    assert failed == []


async def test_a_store_that_stands_still_fills_the_places_and_nothing_more(
    published: Catalogue, people: City, trail: Trail
) -> None:
    """Callers give up, their decisions wait; when the disk is back each is there to be fetched."""
    places, disk = 8, threading.Event()
    clock = Jumping()
    aged = (people.person(number) for number in range(len(people)))
    eligible = [one for one in aged if one.birth_date.year < 1945]
    requests = [message(DECIDE, application(one, clock())) for one in eligible[:12]]
    async with (
        sandbox.serve(people, clock=clock) as running,
        open_office(published, running, trail, clock) as office,
        serve(office, clock, limits=Limits(calls_in_flight=places)) as wire,
    ):
        stuck = asyncio.create_task(trail._log.write(lambda _: disk.wait()))
        await asyncio.sleep(0.1)
        codes = [(await wire.call(DECIDE, one, timeout_s=1.5)).code for one in requests]
        in_flight = len(office.running)
        disk.set()
        await stuck
        fetched = [await decided(wire, one) for one in requests]

    assert codes == ["DEADLINE_EXCEEDED"] * (places // 2) + ["RESOURCE_EXHAUSTED"] * 8
    assert in_flight == places // 2
    assert len({one.receipt.index for one in fetched}) == 12
