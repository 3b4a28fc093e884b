"""A register that is away: who is still let through to it, and what the guard makes of that."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from decision_service.model import CaseId, EvidenceStatus, EvidenceType, MatterId, Query
from decision_service.service import tell_counts
from evidence_adapters import registry
from evidence_adapters.breaker import (
    LEAST,
    LONGEST_PAUSE_S,
    PAUSE_S,
    REMEMBERED,
    Admission,
    Breaker,
)
from evidence_adapters.guard import MARGIN_S, PATIENCE_S, Ask, FaultError, GuardedSource
from evidence_adapters.tally import Tally
from tests.timeless import timeless

DEATHS = registry.load()[EvidenceType("death_register")]
PERSON = "990000195012010014"
NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
PATIENT_S = PATIENCE_S + MARGIN_S + 0.2


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(LEAST):
        breaker.settle(Admission.ORDINARY, away=True, now=now)
    return breaker


def query() -> Query:
    return Query(
        query_id="q-1",
        evidence_type=DEATHS.key,
        about="applicant",
        keys={"id_number": PERSON},
        matter=MatterId("old_age_allowance"),
        case_id=CaseId("c-1"),
        purpose="eligibility",
        legal_basis="consent 1",
        filing_date=NOW.date(),
    )


def guarded(ask: Ask) -> tuple[GuardedSource, Tally]:
    tally = Tally()
    return GuardedSource(DEATHS, ask, clock=lambda: NOW, tally=tally), tally


async def fetch(source: GuardedSource, within_s: float = PATIENT_S) -> str:
    deadline = asyncio.get_running_loop().time() + within_s
    evidence = await source.fetch(query(), deadline=deadline)
    return evidence.detail or evidence.status


@pytest.mark.parametrize(
    ("outcomes", "is_open"),
    [
        pytest.param([True] * (LEAST - 1), False, id="too few to conclude"),
        pytest.param([True] * LEAST, True, id="nobody at all"),
        pytest.param([True, False] * (LEAST // 2), True, id="half"),
        pytest.param([False] * LEAST + [True] * (LEAST - 1), False, id="less than half"),
        pytest.param([True] * 4 + [False] * REMEMBERED + [True] * 9, False, id="long forgotten"),
    ],
)
def test_it_opens_when_half_of_the_last_questions_found_nobody(
    outcomes: list[bool],
    is_open: bool,  # noqa: FBT001 - a column of the table
) -> None:
    breaker = Breaker()
    for away in outcomes:
        breaker.settle(Admission.ORDINARY, away=away, now=0.0)

    assert breaker.is_open is is_open


def test_after_the_pause_exactly_one_tries_however_many_come() -> None:
    breaker = opened()

    assert [breaker.admit(PAUSE_S - 0.01) for _ in range(10)] == [None] * 10
    assert [breaker.admit(PAUSE_S) for _ in range(10)] == [Admission.TRIAL] + [None] * 9


def test_a_trial_that_finds_the_register_back_lets_everybody_through() -> None:
    breaker = opened()
    assert breaker.admit(PAUSE_S) is Admission.TRIAL
    breaker.settle(Admission.TRIAL, away=False, now=PAUSE_S)

    assert {breaker.admit(PAUSE_S) for _ in range(10)} == {Admission.ORDINARY}


def test_every_trial_in_vain_doubles_the_pause_up_to_the_longest() -> None:
    breaker, now, pauses = opened(), 0.0, []
    for _ in range(6):
        since = now
        while breaker.admit(now) is None:
            now += 0.5
        pauses.append(now - since)
        breaker.settle(Admission.TRIAL, away=True, now=now)

    assert pauses == [2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_a_trial_whose_caller_hung_up_leaves_the_next_one_to_try() -> None:
    breaker = opened()
    assert breaker.admit(PAUSE_S) is Admission.TRIAL
    breaker.settle(Admission.TRIAL, away=None, now=PAUSE_S)

    assert breaker.admit(PAUSE_S) is Admission.TRIAL


def test_what_was_asked_before_it_opened_changes_nothing_afterwards() -> None:
    breaker = opened()
    for _ in range(REMEMBERED):
        breaker.settle(Admission.ORDINARY, away=False, now=1.0)

    assert breaker.is_open


@given(st.lists(st.sampled_from(["ask", "wait", "answered", "away", "hung up"]), max_size=200))
def test_never_are_two_trials_under_way(events: list[str]) -> None:
    """Whatever happens in whatever order, and the pause before a trial is never cut short."""
    breaker, now, under_way, opened_at = opened(), 0.0, 0, 0.0
    outcomes = {"answered": False, "away": True, "hung up": None}
    for event in events:
        match event:
            case "ask":
                if breaker.admit(now) is Admission.TRIAL:
                    under_way += 1
                    assert now - opened_at >= PAUSE_S
            case "wait":
                now += 1.5
            case outcome if under_way:
                breaker.settle(Admission.TRIAL, away=outcomes[outcome], now=now)
                under_way -= 1
                opened_at = now if outcome == "away" else opened_at
                if outcome == "answered":
                    breaker, opened_at = opened(now), now
            case _:
                pass
        assert under_way <= 1


async def test_a_register_that_is_away_is_left_alone() -> None:
    calls = 0

    async def gone(_query: Query, _deadline: float) -> bytes:
        nonlocal calls
        calls += 1
        raise FaultError(EvidenceStatus.UNAVAILABLE, "ClientConnectorError")

    source, tally = guarded(gone)
    told = [await fetch(source) for _ in range(LEAST + 5)]

    assert told == ["ClientConnectorError"] * LEAST + ["not asked: the register is away"] * 5
    assert calls == LEAST
    assert tally.take() == {
        DEATHS.key: {"asked": LEAST + 5, "UNAVAILABLE": LEAST + 5, "breaker_open": 5}
    }


async def test_its_own_word_that_it_is_busy_counts_as_away() -> None:
    async def busy(_query: Query, _deadline: float) -> bytes:
        return f'{{"ztdm":"99","sfzh":"{PERSON}","gxsj":"2026-03-01 10:00:00"}}'.encode()

    source, _ = guarded(busy)
    told = [await fetch(source) for _ in range(LEAST + 1)]

    assert told == ["the register says so"] * LEAST + ["not asked: the register is away"]


async def test_refusals_and_nonsense_come_from_a_register_that_is_there() -> None:
    async def refusing(_query: Query, _deadline: float) -> bytes:
        raise FaultError(EvidenceStatus.DENIED, "HTTP 403")

    source, _ = guarded(refusing)

    assert {await fetch(source) for _ in range(2 * LEAST)} == {"HTTP 403"}


@timeless
async def test_callers_in_haste_take_a_register_from_nobody() -> None:
    """Deadlines that no register could meet, as many as one likes, leave it open to others."""
    hasty = True

    async def patient(_query: Query, _deadline: float) -> bytes:
        await asyncio.sleep(60 if hasty else 0)
        return f'{{"ztdm":"01","sfzh":"{PERSON}","gxsj":"2026-03-01 10:00:00"}}'.encode()

    source, _ = guarded(patient)
    await asyncio.gather(*(fetch(source, MARGIN_S + 0.01) for _ in range(2 * LEAST)))
    hasty = False

    assert await fetch(source) == "NO_RECORD_AUTHORITATIVE"


async def test_counts_tell_of_tries_and_places_and_begin_anew() -> None:
    async def once_busy(_query: Query, _deadline: float) -> bytes:
        if not tally.of(DEATHS.key)["retried"]:
            raise FaultError(EvidenceStatus.UNAVAILABLE, "HTTP 503", again_after_s=0)
        return f'{{"ztdm":"01","sfzh":"{PERSON}","gxsj":"2026-03-01 10:00:00"}}'.encode()

    source, tally = guarded(once_busy)
    await fetch(source)

    assert tally.take() == {DEATHS.key: {"asked": 1, "retried": 1, "NO_RECORD_AUTHORITATIVE": 1}}
    assert tally.take() == {}


@timeless
async def test_the_service_tells_the_counts_every_so_often_and_at_the_end() -> None:
    tally = Tally()
    with capture_logs() as lines:
        telling = asyncio.create_task(tell_counts(tally, every_s=0.05))
        tally.of(DEATHS.key)["asked"] += 2
        await asyncio.sleep(0.1)
        tally.of(DEATHS.key)["MATCH"] += 1
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)

    told = {"event": "register.counted", "log_level": "info", "register": "death_register"}
    assert lines == [{**told, "asked": 2}, {**told, "MATCH": 1}]
