"""Two services on one database decide as one: once a person, once a case, once a request."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from audit.trail import Trail
from audit.verify import verify_receipt, verify_store
from decision_service import stops, waiting
from decision_service.catalogue import Catalogue
from decision_service.decide import decide
from decision_service.model import (
    Application,
    Approved,
    Decision,
    EvidenceType,
    MatterId,
    Referred,
    Waiting,
)
from decision_service.office import Office
from evidence_adapters.sandbox import City, Misconduct, Running
from tests.postgres import Postgres
from tests.service import open_office, person_tag

ApplyFor = Callable[..., Application]
MATTER = "old_age_allowance"


@pytest.fixture
def folder(tmp_path: Path, postgres: Postgres) -> Path:
    Trail.create(tmp_path / "s", origin="test.invalid", database=postgres.new_database())
    return tmp_path / "s"


@pytest.fixture
async def offices(
    folder: Path, published: Catalogue, running: Running, clock: Any
) -> AsyncIterator[tuple[Office, Office]]:
    """Two of them; in one process they have as little in common as in two."""
    async with (
        Trail.open(folder) as one,
        Trail.open(folder) as another,
        open_office(published, running, one, clock) as here,
        open_office(published, running, another, clock) as there,
    ):
        yield here, there


@pytest.fixture
def aged(people: City, clock: Any, offices: tuple[Office, Office]) -> Any:
    return people.cast(offices[0].today(clock()))["aged_75"]


async def decided(application: Application, office: Office, clock: Any) -> Decision:
    deadline = asyncio.get_running_loop().time() + 60
    return await decide(application, office=office, now=clock(), deadline=deadline)


async def test_of_many_applications_of_one_person_one_is_granted(
    offices: tuple[Office, Office], folder: Path, clock: Any, apply_for: ApplyFor, aged: Any
) -> None:
    decisions = await asyncio.gather(
        *(decided(apply_for(aged, MATTER), offices[i % 2], clock) for i in range(16))
    )

    outcomes = Counter(type(decision.outcome) for decision in decisions)
    assert outcomes == {Approved: 1, Referred: 15}
    for office in offices:
        for decision in decisions[:2]:
            receipt = await office.record.receipt(decision.receipt.index)
            assert verify_receipt(receipt).index == decision.receipt.index, "whoever decided it"
    assert (await asyncio.to_thread(verify_store, folder)).problems == ()


async def test_one_request_at_both_gets_one_decision(
    offices: tuple[Office, Office], clock: Any, apply_for: ApplyFor, aged: Any
) -> None:
    application = apply_for(aged, MATTER)

    first, twin = await asyncio.gather(*(decided(application, one, clock) for one in offices))

    assert first == twin
    assert isinstance(first.outcome, Approved)
    assert await decided(application, offices[1], clock) == first


async def test_what_one_stops_the_other_does_not_decide_by_rules(
    offices: tuple[Office, Office], clock: Any, apply_for: ApplyFor, aged: Any
) -> None:
    here, there = offices
    asked_for = stops.Ask(
        caller="operator-1",
        role="operator",
        person=person_tag("an operator"),
        method="StopMatter",
        request_id=str(uuid4()),
        content_digest=uuid4().hex,
        matter=MatterId(MATTER),
        reason="wrong data",
        now=clock(),
    )
    assert isinstance(
        (await decided(apply_for(aged, "library_card"), there, clock)).outcome, Approved
    )

    await stops.stop(asked_for, office=here)

    decision = await decided(apply_for(aged, MATTER), there, clock)
    assert isinstance(decision.outcome, Referred)
    assert decision.outcome.reasons[0].code == "MATTER_STOPPED"


async def test_a_waiting_case_is_asked_for_and_decided_by_one_of_them(
    offices: tuple[Office, Office],
    running: Running,
    clock: Any,
    apply_for: ApplyFor,
    aged: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE_S", 0.01)
    running.misbehave(EvidenceType("death_register"), Misconduct.DOWN)
    case = await decided(apply_for(aged, MATTER), offices[0], clock)
    assert isinstance(case.outcome, Waiting)
    running.reset()
    running.accesses.clear()
    failed: list[BaseException] = []

    watching = [
        asyncio.create_task(
            waiting.watch(
                office, clock=clock, failed=lambda _, e: failed.append(e), look_every_s=0.02
            )
        )
        for office in offices
    ]
    async with asyncio.timeout(60):
        while len(await offices[0].record.decisions(case.case_id)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)

    assert not failed
    (_, second) = await offices[1].record.decisions(case.case_id)
    assert isinstance(second.outcome, Approved)
    asked = Counter(access.register for access in running.accesses)
    assert set(asked.values()) == {1}, "nobody is looked up twice because two are there"
