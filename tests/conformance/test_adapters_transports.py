"""The same question is the same envelope, whichever way a register comes.

The sandbox city's registers are asked over HTTP, as views of SQLite and of PostgreSQL, and as files
of the night; where an answer has a list, it is as many rows.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from decision_service.decide import decide
from decision_service.evidence import Sources
from decision_service.model import (
    Application,
    Approved,
    Concept,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    Outcome,
    Referred,
    Waiting,
)
from decision_service.office import Office
from decision_service.waiting import decide_again
from evidence_adapters import file_drop, gateway, http, intake, sandbox
from evidence_adapters.intake import Order
from evidence_adapters.register import Register
from evidence_adapters.sandbox import City, Misconduct, Person, front_end
from evidence_adapters.sandbox.front_end import Keys, as_rows
from evidence_adapters.sandbox.turn import Condition
from tests.conformance.test_adapters_registers import (
    CAST,
    CITY,
    FILINGS,
    NOW,
    PACKAGED,
    REGISTERS,
    VOUCHING,
    Expected,
    filing,
    question,
)
from tests.conformance.test_adapters_registers import clock as still
from tests.conftest import Clock
from tests.postgres import Postgres

EXPECTED = {one.register: one for one in REGISTERS}


def disputed(expected: Expected) -> Keys:
    """Of whom everything is disputed."""
    if set(expected.known) <= {"id_number", "guardian_id_number"}:
        return {**expected.known, "id_number": CAST["disputed"].id_number}
    return filing("disputed", *expected.known)


def pending(expected: Expected) -> Keys:
    """Of whom a person must look first."""
    if set(expected.known) <= {"id_number", "guardian_id_number"}:
        return {**expected.known, "id_number": CAST["newborn"].id_number}
    return filing("mixed_use_address", *expected.known)


def questions(expected: Expected) -> dict[str, Keys]:
    return {
        "known": expected.known,
        "unknown": expected.unknown,
        "disputed": disputed(expected),
        "pending": pending(expected),
    }


def held(expected: Expected) -> list[front_end.Row]:
    """What the owner's view or file has of them all."""
    register = PACKAGED[expected.register]
    asked_for = pending(expected)
    return front_end.rows(
        CITY,
        register,
        questions(expected).values(),
        at=NOW,
        bent=lambda keys: "pending" if keys == asked_for else None,
    )


@asynccontextmanager
async def over_http() -> AsyncIterator[Sources]:
    async with (
        sandbox.serve(CITY, clock=still) as running,
        http.connect(PACKAGED, running.addresses, clock=still) as sources,
    ):
        for key, expected in EXPECTED.items():
            about = next(iter(pending(expected).values()))
            running.misbehave(key, Misconduct.PENDING, about=about)
        yield sources


@asynccontextmanager
async def over_sql(address: str) -> AsyncIterator[Sources]:
    registers = {key: as_rows(PACKAGED[key], "sql") for key in EXPECTED}
    async with gateway.connect(registers, dict.fromkeys(registers, address), clock=still) as found:
        yield found


@asynccontextmanager
async def by_file(
    folder: Path, rows: Mapping[EvidenceType, list[front_end.Row]] | None = None
) -> AsyncIterator[Sources]:
    """Every register's file is read where a process of its own would; nothing comes after it."""
    rows = rows or {key: held(expected) for key, expected in EXPECTED.items()}
    registers = {key: as_rows(PACKAGED[key], "file") for key in rows}
    batches = folder / "batches"
    batches.mkdir()
    for key, register in registers.items():
        drop = folder / key
        drop.mkdir()
        front_end.drop(drop, PACKAGED[key], rows[key], at=NOW)
        report = intake.take(order(register, drop, batches))
        assert report.taken is not None, report.refused
    away = dict.fromkeys(registers, f"file://{folder / 'unmounted'}")
    async with file_drop.connect(registers, away, clock=still, batches=batches) as sources:
        yield sources


def order(register: Register, drop: Path, batches: Path) -> Order:
    """What the service has the reading process do."""
    target = batches / f"{register.key}.sqlite"
    return Order.of(register, drop=drop, target=target, now=NOW)


@pytest.fixture(params=["sqlite", "postgresql"])
def front_end_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The city's front-end database, filled; the address by which a reader reaches it."""
    scripts = [
        front_end.script(PACKAGED[key], held(expected), at=NOW)
        for key, expected in EXPECTED.items()
    ]
    if request.param == "sqlite":
        front_end.fill(tmp_path / "city.sqlite", scripts)
        return f"sqlite://{tmp_path / 'city.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    address = server.new_database()
    database = address.partition("@/")[2].partition("?")[0]
    for script in scripts:
        server.run(script, database)
    server.run(
        "DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;",
        database,
    )
    return address.replace("owner@", "reader@")


async def envelopes(sources: Sources) -> Mapping[tuple[EvidenceType, str], Evidence]:
    deadline = asyncio.get_running_loop().time() + 30
    return {
        (key, name): await sources[key].fetch(question(expected, keys), deadline=deadline)
        for key, expected in EXPECTED.items()
        for name, keys in questions(expected).items()
    }


def differences(
    here: Mapping[tuple[EvidenceType, str], Evidence],
    there: Mapping[tuple[EvidenceType, str], Evidence],
) -> Iterator[str]:
    """Where two ways of asking do not say the same; an absence that proves nothing has no time."""
    for asked, one in here.items():
        other = there[asked]
        for name in ("status", "values", "pending_until", "provider", "about", "evidence_type"):
            if getattr(one, name) != getattr(other, name):
                yield f"{asked}: {name} {getattr(one, name)} and {getattr(other, name)}"
        if one.status in VOUCHING and one.as_of != other.as_of:
            yield f"{asked}: as of {one.as_of} and {other.as_of}"


async def test_views_say_what_the_registers_say(front_end_database: str) -> None:
    async with over_http() as sources:
        expected = await envelopes(sources)
    async with over_sql(front_end_database) as sources:
        found = await envelopes(sources)

    assert [*differences(expected, found)] == []
    assert {one.transport for one in found.values()} == {"sql"}
    statuses = {
        name: {found[key, name].status for key in EXPECTED} for name in ("known", "pending")
    }
    assert statuses["known"] == {EvidenceStatus.MATCH}
    assert statuses["pending"] == {EvidenceStatus.PENDING}


async def test_files_say_what_the_registers_say(tmp_path: Path) -> None:
    async with over_http() as sources:
        expected = await envelopes(sources)
    async with by_file(tmp_path) as sources:
        found = await envelopes(sources)

    assert [*differences(expected, found)] == []
    assert {(one.transport, one.freshness) for one in found.values()} == {("file", "batch")}


def test_all_of_the_citys_registers_come_in_every_way() -> None:
    assert PACKAGED.keys() == EXPECTED.keys()
    assert LISTS.keys() == {key for key in PACKAGED if as_rows(PACKAGED[key], "sql").listed}
    assert FILINGS["disputed"].firm.disputed


# ── answers that are lists ───────────────────────────────────────────────────────────────────────

LISTS: Mapping[EvidenceType, Concept] = {
    EvidenceType("bar_register"): Concept("applicant.bars"),
    EvidenceType("household_register"): Concept("applicant.other_household_members"),
    EvidenceType("startup_register"): Concept("organisation.partners"),
}
MANY = 120
"""Of whom each is asked about; more people hardly add a new kind of list."""


@pytest.mark.parametrize("transport", ["sqlite", "file"])
async def test_a_list_of_any_length_is_the_same_list_as_rows(
    tmp_path: Path, transport: str
) -> None:
    """Nobody in it, one, several, and no record at all are four things in every way."""
    asked = {
        key: [*islice(front_end.everybody(CITY, PACKAGED[key]), MANY), EXPECTED[key].unknown]
        for key in LISTS
    }
    held = {key: front_end.rows(CITY, PACKAGED[key], keys, at=NOW) for key, keys in asked.items()}
    if transport == "sqlite":
        scripts = [front_end.script(PACKAGED[key], rows, at=NOW) for key, rows in held.items()]
        front_end.fill(tmp_path / "city.sqlite", scripts)
        way = over_sql(f"sqlite://{tmp_path / 'city.sqlite'}")
    else:
        way = by_file(tmp_path, held)

    async def all_of(sources: Sources) -> dict[tuple[EvidenceType, str], Evidence]:
        deadline = asyncio.get_running_loop().time() + 30
        return {
            (key, str(place)): await sources[key].fetch(
                question(EXPECTED[key], keys), deadline=deadline
            )
            for key in LISTS
            for place, keys in enumerate(asked[key])
        }

    async with over_http() as sources:
        expected = await all_of(sources)
    async with way as sources:
        found = await all_of(sources)

    assert [*differences(expected, found)] == []
    lengths = {
        key: {
            len(held)
            for (asked_of, _), one in found.items()
            if asked_of == key and isinstance(held := one.values.get(concept), tuple)
        }
        for key, concept in LISTS.items()
    }
    assert all({0, 1} <= some for some in lengths.values()), lengths
    assert sum(max(some) > 1 for some in lengths.values()) > 1, lengths
    statuses = {one.status for one in found.values()}
    assert statuses >= {EvidenceStatus.MATCH, EvidenceStatus.NO_RECORD_AUTHORITATIVE}


# ── sources that a person must look first at ─────────────────────────────────────────────────────

DEATHS = EvidenceType("death_register")


class Deaths:
    """The register of deaths, as a view or a file; one person's record is looked at."""

    def __init__(self, folder: Path, transport: str, people: City, person: Person) -> None:
        self.folder = folder
        self.register = as_rows(PACKAGED[DEATHS], "sql" if transport == "sql" else "file")
        self._people, self._keys = people, {"id_number": person.id_number}
        self._others = [{"id_number": one.id_number} for one in islice(people, 800)]

    def say(self, condition: Condition, *, at: datetime) -> None:
        """What the owner's rows say of the person from now on."""
        plain = PACKAGED[DEATHS]
        asked_for = self._keys
        found = front_end.rows(
            self._people,
            plain,
            [asked_for, *self._others],
            at=at,
            bent=lambda keys: condition if keys == asked_for else None,
        )
        if self.register.transport == "sql":
            (self.folder / "deaths.sqlite").unlink(missing_ok=True)
            script = front_end.script(plain, found, at=at)
            front_end.fill(self.folder / "deaths.sqlite", [script])
            return
        for name in ("drop", "batches"):
            (self.folder / name).mkdir(exist_ok=True)
        front_end.drop(self.folder / "drop", plain, found, at=at)
        taking = order(self.register, self.folder / "drop", self.folder / "batches")
        report = intake.take(taking.model_copy(update={"now": at}))
        assert report.taken is not None, report.refused

    def connect(self, clock: Callable[[], datetime]) -> AbstractAsyncContextManager[Sources]:
        registers = {DEATHS: self.register}
        if self.register.transport == "sql":
            address = f"sqlite://{self.folder / 'deaths.sqlite'}"
            return gateway.connect(registers, {DEATHS: address}, clock=clock)
        return file_drop.connect(
            registers,
            {DEATHS: f"file://{self.folder / 'unmounted'}"},
            clock=clock,
            batches=self.folder / "batches",
        )


@pytest.mark.parametrize("transport", ["sql", "file"])
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param("found", Approved, id="and found in order"),
        pytest.param("disputed", Referred, id="and disputed"),
        pytest.param("pending", None, id="and not answered yet"),
    ],
)
async def test_a_row_that_a_person_looks_at_is_waited_for_and_decided_once_it_is_answered(
    office: Office,
    people: City,
    clock: Clock,
    tmp_path: Path,
    apply_for: Callable[..., Application],
    transport: str,
    answer: Condition,
    outcome: type[Outcome] | None,
) -> None:
    person = people.cast(office.today(clock()))["aged_75"]
    deaths = Deaths(tmp_path, transport, people, person)
    deaths.say("pending", at=clock())
    async with deaths.connect(clock) as found:
        here = replace(office, sources={**office.sources, **found})
        deadline = asyncio.get_running_loop().time() + 10
        first = await decide(
            apply_for(person, "old_age_allowance"), office=here, now=clock(), deadline=deadline
        )
        clock.advance(timedelta(hours=1))
        deaths.say(answer, at=clock())
        second = await decide_again(first.case_id, office=here, now=clock())

    assert isinstance(first.outcome, Waiting)
    assert first.outcome.waiting_for == (DEATHS,)
    pending = next(one for one in first.evidence if one.evidence_type == DEATHS)
    assert pending.status is EvidenceStatus.PENDING
    assert pending.pending_until is not None
    assert pending.pending_until > first.decide_time
    assert (second and type(second.outcome)) is outcome
