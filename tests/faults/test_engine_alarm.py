"""An engine that breaks refers the applicant, and the operator hears of it once."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from decision_service.decide import decide
from decision_service.model import (
    Application,
    Decision,
    EvidenceType,
    MatterId,
    Referred,
    Waiting,
)
from decision_service.office import Office
from decision_service.release import Release
from decision_service.replay import NotReplayable, replay
from decision_service.rulebook.engine import Engine
from decision_service.vitals import Vitals
from decision_service.waiting import decide_again
from evidence_adapters.sandbox import City, Misconduct, Person, Running
from tests.seam import Fault, Seam, fails

ApplyFor = Callable[..., Application]

ALLOWANCE = MatterId("old_age_allowance")
LIBRARY = MatterId("library_card")
PATIENCE_S = 3.0


@pytest.fixture
def cast(people: City, clock: Any, office: Office) -> Any:
    return people.cast(office.today(clock()))


@pytest.fixture
def seams(
    office: Office, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[MatterId, Seam]]:
    """A place to break the engine of each matter's release in force."""
    found: dict[MatterId, Seam] = {}
    engines = []
    for matter in (ALLOWANCE, LIBRARY):
        release = office.catalogue.release_on(matter, office.today(clock()))
        found[matter] = Seam()
        engines.append(Engine(release.book, found[matter]))
        monkeypatch.setitem(vars(release), "engine", engines[-1])
    yield found
    for engine in engines:
        engine.close()


async def _decide(application: Application, office: Office, clock: Any) -> Decision:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    return await decide(application, office=office, now=clock(), deadline=deadline)


def _is_alarm(line: Any, decision: Decision, release: Release, person: Person) -> bool:
    """One line, which names the entry and nobody."""
    assert line == {
        "event": "engine.disagreed",
        "log_level": "error",
        "matter": release.matter.id,
        "release": release.digest,
        "index": decision.receipt.index,
    }
    assert person.id_number not in str(line)
    assert person.name not in str(line)
    return True


async def test_a_decision_that_the_engine_failed_is_referred_with_one_alarm(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, seams: dict[MatterId, Seam]
) -> None:
    person = cast["aged_75"]
    application = apply_for(person, ALLOWANCE)
    seams[ALLOWANCE].faults["assert_fact"] = fails

    with capture_logs() as logs:
        decision = await _decide(application, office, clock)
        again = await _decide(application, office, clock)

    assert decision == again
    assert isinstance(decision.outcome, Referred)
    assert [reason.code for reason in decision.outcome.reasons] == ["ENGINE_DISAGREES"]
    release = office.catalogue.release_on(ALLOWANCE, office.today(clock()))
    assert [_is_alarm(line, decision, release, person) for line in logs] == [True]
    assert await replay(decision.receipt.index, office=office) == NotReplayable("engine")


async def test_the_health_of_the_engine_is_that_of_the_newest_decision(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, seams: dict[MatterId, Seam]
) -> None:
    vitals = Vitals([], tuple)
    told = replace(office, decided=vitals.decided)
    seams[ALLOWANCE].faults["assert_fact"] = fails

    await _decide(apply_for(cast["aged_75"], ALLOWANCE), told, clock)
    assert vitals.dependencies() == {"store": True, "engine": False}

    await _decide(apply_for(cast["aged_95"], ALLOWANCE), told, clock)
    assert vitals.dependencies() == {"store": True, "engine": True}


async def test_a_second_decision_that_the_engine_failed_raises_the_alarm_too(
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    cast: Any,
    seams: dict[MatterId, Seam],
    running: Running,
) -> None:
    person = cast["aged_75"]
    running.misbehave(EvidenceType("death_register"), Misconduct.DOWN)
    waiting = await _decide(apply_for(person, ALLOWANCE), office, clock)
    assert isinstance(waiting.outcome, Waiting)
    running.reset()
    clock.advance(timedelta(hours=1))
    seams[ALLOWANCE].faults["assert_fact"] = fails

    with capture_logs() as logs:
        decision = await decide_again(waiting.case_id, office=office, now=clock())

    assert decision is not None
    assert isinstance(decision.outcome, Referred)
    release = office.catalogue.release_on(ALLOWANCE, office.today(clock()))
    assert [_is_alarm(line, decision, release, person) for line in logs] == [True]


async def test_an_engine_that_fails_only_where_a_refusal_is_proven_on_evidence_refuses_nobody(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, seams: dict[MatterId, Seam]
) -> None:
    person, seam = cast["library_holder"], seams[LIBRARY]

    def fails_next_time(real: Fault, *arguments: Any) -> Any:
        seam.faults["assert_fact"] = fails
        return real(*arguments)

    seam.faults["assert_fact"] = fails_next_time

    with capture_logs() as logs:
        decision = await _decide(apply_for(person, LIBRARY), office, clock)

    assert isinstance(decision.outcome, Referred)
    assert [reason.code for reason in decision.outcome.reasons] == ["ENGINE_DISAGREES"]
    release = office.catalogue.release_on(LIBRARY, office.today(clock()))
    assert [_is_alarm(line, decision, release, person) for line in logs] == [True]


async def test_where_both_ways_agree_nobody_is_alarmed(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, seams: dict[MatterId, Seam]
) -> None:
    with capture_logs() as logs:
        for role in ("aged_75", "outside_hukou", "library_holder"):
            for matter in seams:
                await _decide(apply_for(cast[role], matter), office, clock)

    assert logs == []
