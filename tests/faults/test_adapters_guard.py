"""The guard: its deadline, second try, places and clock. A transport here is a function."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from decision_service.model import (
    CaseId,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    MatterId,
    Query,
)
from evidence_adapters import registry
from evidence_adapters.guard import AT_ONCE, PAUSES_S, Ask, FaultError, GuardedSource
from tests.timeless import timeless

DEATHS = registry.load()[EvidenceType("death_register")]
PERSON = "990000195012010014"
NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


def absence(as_of: str = "2026-03-01 10:00:00") -> bytes:
    return f'{{"ztdm":"01","sfzh":"{PERSON}","gxsj":"{as_of}","sj":null}}'.encode()


def query(**changes: object) -> Query:
    plain = Query(
        query_id="q-1",
        evidence_type=DEATHS.key,
        about="applicant",
        keys={"id_number": PERSON},
        matter=MatterId("old_age_allowance"),
        case_id=CaseId("c-1"),
        purpose="eligibility",
        legal_basis="consent 1",
        filing_date=date(2026, 3, 1),
    )
    return plain.model_copy(update=changes)


async def fetch(ask: Ask, *, within_s: float = 0.3, question: Query | None = None) -> Evidence:
    source = GuardedSource(DEATHS, ask, clock=lambda: NOW)
    deadline = asyncio.get_running_loop().time() + within_s
    return await source.fetch(question or query(), deadline=deadline)


def failing(times: int, *faults: FaultError) -> tuple[Ask, list[str]]:
    """A transport that meets the faults in turn and then answers; the list counts the calls."""
    calls: list[str] = []

    async def ask(question: Query, _deadline: float) -> bytes:
        calls.append(question.query_id)
        if len(calls) <= times:
            raise faults[(len(calls) - 1) % len(faults)]
        return absence()

    return ask, calls


def busy(again_after_s: float | None = 0) -> FaultError:
    return FaultError(EvidenceStatus.UNAVAILABLE, "HTTP 503", again_after_s=again_after_s)


@timeless
async def test_a_second_try_helps_where_the_first_met_a_passing_fault() -> None:
    ask, calls = failing(len(PAUSES_S), busy())

    evidence = await fetch(ask, within_s=2)

    assert evidence.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
    assert calls == ["q-1"] * (1 + len(PAUSES_S))


@timeless
async def test_tries_are_counted() -> None:
    ask, calls = failing(100, busy())

    evidence = await fetch(ask, within_s=2)

    assert (evidence.status, evidence.detail) == (EvidenceStatus.UNAVAILABLE, "HTTP 503")
    assert len(calls) == 1 + len(PAUSES_S)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(FaultError(EvidenceStatus.DENIED, "HTTP 403"), id="a refusal"),
        pytest.param(FaultError(EvidenceStatus.MALFORMED, "not JSON"), id="nonsense"),
        pytest.param(busy(None), id="a fault that does not pass"),
        pytest.param(busy(30), id="a register that asks for longer than there is"),
    ],
)
async def test_no_second_try_where_it_cannot_help(fault: FaultError) -> None:
    ask, calls = failing(1, fault)

    evidence = await fetch(ask)

    assert (evidence.status, evidence.detail) == (fault.status, fault.detail)
    assert calls == ["q-1"]


@timeless
async def test_a_register_that_says_when_is_asked_then() -> None:
    ask, calls = failing(1, busy(0.15))
    time = asyncio.get_running_loop().time
    started = time()

    evidence = await fetch(ask, within_s=1)

    assert evidence.values
    assert len(calls) == 2
    assert time() - started >= 0.15


@timeless
async def test_the_last_fault_is_told_when_the_time_is_over() -> None:
    calls = 0

    async def ask(_question: Query, _deadline: float) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise busy()
        await asyncio.sleep(60)
        raise AssertionError

    evidence = await fetch(ask)

    assert (evidence.status, evidence.detail) == (EvidenceStatus.UNAVAILABLE, "HTTP 503")


@timeless
@pytest.mark.parametrize("within_s", [0.3, 0.03, 0.0, -5.0])
async def test_silence_never_outlasts_the_deadline(within_s: float) -> None:
    async def silent(_question: Query, _deadline: float) -> bytes:
        await asyncio.sleep(60)
        raise AssertionError

    time = asyncio.get_running_loop().time
    started = time()
    evidence = await fetch(silent, within_s=within_s)

    assert time() - started <= max(within_s, 0)
    assert evidence.status is EvidenceStatus.UNAVAILABLE
    assert evidence.detail == "no answer within the deadline"


@timeless
async def test_waiting_for_a_place_counts_towards_the_deadline() -> None:
    under_way = 0
    most = 0

    async def slow(_question: Query, _deadline: float) -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            await asyncio.sleep(60)
        finally:
            under_way -= 1
        raise AssertionError

    source = GuardedSource(DEATHS, slow, clock=lambda: NOW)
    time = asyncio.get_running_loop().time
    deadline = time() + 0.3
    answers = await asyncio.gather(
        *(source.fetch(query(), deadline=deadline) for _ in range(3 * AT_ONCE))
    )

    assert time() <= deadline
    assert most == AT_ONCE
    assert under_way == 0
    assert {answer.status for answer in answers} == {EvidenceStatus.UNAVAILABLE}


async def test_cancelling_one_question_harms_no_other() -> None:
    gate = asyncio.Event()

    async def gated(_question: Query, _deadline: float) -> bytes:
        await gate.wait()
        return absence()

    source = GuardedSource(DEATHS, gated, clock=lambda: NOW)
    deadline = asyncio.get_running_loop().time() + 2
    tasks = [
        asyncio.create_task(source.fetch(query(), deadline=deadline)) for _ in range(2 * AT_ONCE)
    ]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
    assert all(isinstance(answer, Evidence) and answer.values for answer in answers[1::2])


@pytest.mark.parametrize("error", [ZeroDivisionError(PERSON), OSError(PERSON), KeyError(PERSON)])
async def test_a_broken_transport_is_a_status_and_quotes_nothing(error: Exception) -> None:
    async def broken(_question: Query, _deadline: float) -> bytes:
        raise error

    evidence = await fetch(broken)

    assert evidence.status is EvidenceStatus.UNAVAILABLE
    assert evidence.detail == f"the transport failed with {type(error).__name__}"


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        pytest.param({"keys": {"name": "x"}}, "not asked: no `id_number` is given", id="no key"),
        pytest.param({"keys": {"id_number": ""}}, "not asked: no `id_number` is given", id="blank"),
        pytest.param(
            {"evidence_type": EvidenceType("payment_ledger")},
            "not asked: the question is another register's",
            id="another register",
        ),
    ],
)
async def test_a_question_that_cannot_be_asked_never_leaves(
    changes: dict[str, object], detail: str
) -> None:
    ask, calls = failing(0, busy())

    evidence = await fetch(ask, question=query(**changes))

    assert (evidence.status, evidence.detail) == (EvidenceStatus.DENIED, detail)
    assert calls == []


@pytest.mark.parametrize(
    ("ahead_s", "status"),
    [
        (0, EvidenceStatus.NO_RECORD_AUTHORITATIVE),
        (5, EvidenceStatus.NO_RECORD_AUTHORITATIVE),
        (6, EvidenceStatus.MALFORMED),
    ],
)
async def test_an_answer_from_the_future_is_malformed(ahead_s: int, status: EvidenceStatus) -> None:
    as_of = (NOW + timedelta(hours=8, seconds=ahead_s)).strftime("%Y-%m-%d %H:%M:%S")

    async def ask(_question: Query, _deadline: float) -> bytes:
        return absence(as_of)

    evidence = await fetch(ask)

    assert evidence.status is status
    assert bool(evidence.values) == (status is not EvidenceStatus.MALFORMED)


async def test_the_envelope_is_stamped_when_the_answer_is_complete() -> None:
    instants = iter([NOW])
    done: list[str] = []

    async def ask(_question: Query, _deadline: float) -> bytes:
        await asyncio.sleep(0.01)
        done.append("answer")
        return absence()

    def clock() -> datetime:
        done.append("clock")
        return next(instants)

    source = GuardedSource(DEATHS, ask, clock=clock)
    evidence = await source.fetch(query(), deadline=asyncio.get_running_loop().time() + 1)

    assert done == ["answer", "clock"]
    assert evidence.retrieved_at == NOW
