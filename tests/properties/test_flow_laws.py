"""Laws 2 and 4, on real registers and a real store, with whatever registers can do to us."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from audit.trail import Trail
from decision_service.decide import decide
from decision_service.errors import NotRecordedError
from decision_service.model import (
    Application,
    Approved,
    Concept,
    Contest,
    Decision,
    EvidenceType,
    PrefillCompleted,
    PrefillEvent,
    PrefillRequest,
)
from decision_service.office import Office
from decision_service.prefill import prefill
from decision_service.replay import Diverged, Reproduced, replay
from decision_service.rulebook.engine import Engine
from evidence_adapters.sandbox import City, Misconduct, Running

REGISTERS = ("population_register", "death_register", "payment_ledger", "library_register")
QUICK = (
    Misconduct.DOWN,
    Misconduct.GARBAGE,
    Misconduct.WRONG,
    Misconduct.ANOTHER_SUBJECT,
    Misconduct.STALE,
    Misconduct.FUTURE,
    Misconduct.DISPUTED,
    Misconduct.AMBIGUOUS,
    Misconduct.PENDING,
    Misconduct.DENIED,
    Misconduct.UNAVAILABLE,
)


def _soon() -> float:
    return asyncio.get_running_loop().time() + 10.0


async def _fill_the_disk(trail: Trail) -> None:
    """From now on the store has not one page left."""

    def fill(connection: Any) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    await trail._log.write(fill)


async def _make_room(trail: Trail) -> None:
    await trail._log.write(
        lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    )


async def _decide(application: Application, office: Office, clock: Any) -> Decision:
    return await decide(application, office=office, now=clock(), deadline=_soon())


async def _prefill_until_refused(
    shown: list[PrefillEvent],
    ask: Callable[[], PrefillRequest],
    office: Office,
    clock: Any,
    running: Running,
) -> None:
    """Small entries still fit on the last page, so until the access itself is refused.

    A last message that is refused was preceded by what its recorded access accounts for.
    """
    for _ in range(50):
        shown.clear()
        running.accesses.clear()
        try:
            async for event in prefill(ask(), office=office, now=clock(), deadline=_soon()):
                shown.append(event)  # noqa: PERF401 - what came before an error is kept
        except NotRecordedError:
            assert not any(isinstance(event, PrefillCompleted) for event in shown)
            if not shown:
                raise


async def test_law_2_no_record_no_answer(
    office: Office,
    trail: Trail,
    clock: Any,
    people: City,
    running: Running,
    apply_for: Callable[..., Application],
    ask_for: Callable[..., PrefillRequest],
) -> None:
    """With a full disk nothing is decided and nothing shown; with room the same request is."""
    person = people.cast(office.today(clock()))["aged_75"]
    applications = [apply_for(person, "old_age_allowance") for _ in range(8)]
    await _fill_the_disk(trail)
    tries = await asyncio.gather(
        *(_decide(application, office, clock) for application in applications),
        return_exceptions=True,
    )
    refused = [one for one in tries if isinstance(one, NotRecordedError)]
    decided = [one for one in tries if isinstance(one, Decision)]
    assert {error.reason for error in refused} == {"NOT_RECORDED"}
    assert len(refused) + len(decided) == len(tries)

    shown: list[PrefillEvent] = []
    with pytest.raises(NotRecordedError):
        await _prefill_until_refused(
            shown, lambda: ask_for(person, "old_age_allowance"), office, clock, running
        )
    assert not shown
    assert not running.accesses

    await _make_room(trail)
    for application in applications:
        decision = await _decide(application, office, clock)
        assert (await office.record.decision_at(decision.receipt.index))[1] == decision
    for decision in decided:
        assert (await office.record.decision_at(decision.receipt.index))[1] == decision


async def test_law_4_the_record_is_enough(
    office: Office,
    clock: Any,
    people: City,
    running: Running,
    apply_for: Callable[..., Application],
) -> None:
    """Whoever applies, and whatever the registers do: the entry decides again to the same bytes."""
    dice = random.Random(4)  # noqa: S311 - generated cases
    kinds = set[str]()
    for _ in range(150):
        running.reset()
        for register in REGISTERS:
            if dice.random() < 0.12:
                running.misbehave(EvidenceType(register), dice.choice(QUICK))
        matter = dice.choice(("old_age_allowance", "library_card"))
        changes: dict[str, Any] = {"person_requested": dice.random() < 0.05}
        if dice.random() < 0.1:
            changes["answers"] = {}
        if dice.random() < 0.1 and matter == "old_age_allowance":
            contest = Contest(concept=Concept("applicant.birth_date"), claimed="", text="")
            changes["contests"] = (contest,)
        application = apply_for(people.person(dice.randrange(len(people))), matter, **changes)
        decision = await decide(application, office=office, now=clock(), deadline=_soon())
        kinds.add(decision.outcome.kind)
        assert await replay(decision.receipt.index, office=office) == Reproduced()
    assert kinds == {"approved", "refused", "referred", "needs_correction", "waiting"}


async def test_many_replays_make_one_engine_a_release(
    office: Office,
    clock: Any,
    people: City,
    apply_for: Callable[..., Application],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Composing a release anew takes longer than all else of a replay."""
    decided = []
    for matter in ("old_age_allowance", "library_card"):
        application = apply_for(people.cast(office.today(clock()))["aged_75"], matter)
        decision = await decide(application, office=office, now=clock(), deadline=_soon())
        decided.append(decision.receipt.index)
    made, make = [], Engine.__init__

    def counted(engine: Engine, *arguments: Any) -> None:
        made.append(engine)
        make(engine, *arguments)

    monkeypatch.setattr(Engine, "__init__", counted)

    for _ in range(10):
        for index in decided:
            assert await replay(index, office=office) == Reproduced()

    assert len(made) <= len(decided)


async def test_replay_tells_a_decision_that_was_not_what_the_rules_say(
    office: Office,
    clock: Any,
    people: City,
    apply_for: Callable[..., Application],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A decision recorded with another amount than the release gives diverges at its outcome."""
    person = people.cast(office.today(clock()))["aged_75"]
    written = type(office.record).decided

    async def bribed(self: Any, draft: Any, **others: Any) -> Any:
        outcome = draft.outcome
        if isinstance(outcome, Approved):
            grant = (outcome.grant[0].model_copy(update={"value": outcome.grant[0].value * 2}),)
            outcome = outcome.model_copy(update={"grant": grant})
        return await written(self, draft.model_copy(update={"outcome": outcome}), **others)

    monkeypatch.setattr(type(office.record), "decided", bribed)
    decision = await decide(
        apply_for(person, "old_age_allowance"), office=office, now=clock(), deadline=_soon()
    )
    replayed = await replay(decision.receipt.index, office=office)
    assert replayed == Diverged("outcome.grant[0].value.number", '"400.00"', '"200.00"')
