"""Answers that are given again: to the same question alone, while they are fresh, and no longer."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest

from decision_service.model import (
    CaseId,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    Freshness,
    MatterId,
    Query,
)
from evidence_adapters import kept, registry
from evidence_adapters.guard import FaultError, GuardedSource
from evidence_adapters.tally import Tally

ADDRESSES = registry.load()[EvidenceType("address_register")]
KEEP_FOR = timedelta(seconds=ADDRESSES.keep_for_s)
HOUSE = "990000" + "1" * 19
NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


class Lab:
    """An address register that knows no house, and says so when the gate is open."""

    def __init__(self, *, fault: FaultError | None = None) -> None:
        self.now = NOW
        self.as_of = NOW
        self.fault = fault
        self.calls: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.tally = Tally()
        self.source = GuardedSource(ADDRESSES, self._ask, clock=lambda: self.now, tally=self.tally)

    async def _ask(self, query: Query, _deadline: float) -> bytes:
        self.calls.append(query.query_id)
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        as_of = (self.as_of + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")
        house = query.keys["house_code"]
        return f'{{"errcode":40400,"houseCode":"{house}","dataTime":"{as_of}"}}'.encode()

    async def fetch(self, query_id: str, *, within_s: float = 2.0, **changes: object) -> Evidence:
        query = Query(
            query_id=query_id,
            evidence_type=ADDRESSES.key,
            about="premises",
            keys={"house_code": HOUSE},
            matter=MatterId("device_filing"),
            case_id=CaseId("c-1"),
            purpose="eligibility",
            legal_basis="consent 1",
            filing_date=date(2026, 3, 1),
            fresh_for=timedelta(days=7),
        ).model_copy(update=changes)
        deadline = asyncio.get_running_loop().time() + within_s
        return await self.source.fetch(query, deadline=deadline)


async def test_a_kept_answer_keeps_its_instants_and_says_what_it_is() -> None:
    lab = Lab()
    first = await lab.fetch("q-1")
    lab.now += timedelta(minutes=5)
    again = await lab.fetch("q-2", case_id=CaseId("c-2"), about="branch")

    assert lab.calls == ["q-1"]
    assert (first.freshness, again.freshness) == (Freshness.LIVE, Freshness.CACHE)
    assert (again.query_id, again.about) == ("q-2", "branch")
    assert again.detail == "kept answer to question q-1"
    assert (again.as_of, again.retrieved_at) == (NOW, NOW)
    assert (again.values, again.digest) == (first.values, first.digest)
    assert first.values
    assert lab.tally.take() == {
        ADDRESSES.key: {"asked": 2, "NO_RECORD_AUTHORITATIVE": 2, "cache_hit": 1}
    }


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"keys": {"house_code": "990000" + "2" * 19}}, id="another house"),
        pytest.param({"matter": MatterId("other")}, id="another matter"),
        pytest.param({"purpose": "inspection"}, id="another purpose"),
        pytest.param({"legal_basis": "consent 2"}, id="another legal basis"),
        pytest.param({"filing_date": date(2026, 3, 2)}, id="another filing day"),
        pytest.param({"fresh_for": timedelta(0)}, id="wanted live"),
    ],
)
async def test_only_the_same_question_gets_the_same_answer(changes: Mapping[str, object]) -> None:
    lab = Lab()
    await lab.fetch("q-1")
    again = await lab.fetch("q-2", **changes)

    assert lab.calls == ["q-1", "q-2"]
    assert again.freshness is Freshness.LIVE


@pytest.mark.parametrize(
    ("later", "aged", "fresh_for", "is_asked_again"),
    [
        pytest.param(KEEP_FOR, timedelta(0), timedelta(days=7), False, id="as long as allowed"),
        pytest.param(
            KEEP_FOR + timedelta(seconds=1), timedelta(0), timedelta(days=7), True, id="too long"
        ),
        pytest.param(
            timedelta(minutes=1), timedelta(0), timedelta(minutes=1), False, id="still fresh"
        ),
        pytest.param(
            timedelta(seconds=61), timedelta(0), timedelta(minutes=1), True, id="not fresh"
        ),
        pytest.param(
            timedelta(minutes=1),
            timedelta(days=7),
            timedelta(days=7),
            True,
            id="old when it came",
        ),
    ],
)
async def test_it_is_kept_no_longer_than_owner_and_question_allow(
    later: timedelta,
    aged: timedelta,
    fresh_for: timedelta,
    is_asked_again: bool,  # noqa: FBT001 - a column of the table
) -> None:
    lab = Lab()
    lab.as_of = NOW - aged
    await lab.fetch("q-1", fresh_for=fresh_for)
    lab.now += later
    await lab.fetch("q-2", fresh_for=fresh_for)

    assert (len(lab.calls) == 2) is is_asked_again


async def test_what_vouches_for_nothing_is_not_kept() -> None:
    lab = Lab(fault=FaultError(EvidenceStatus.DENIED, "HTTP 403"))
    await lab.fetch("q-1")
    lab.fault = None

    assert (await lab.fetch("q-2")).freshness is Freshness.LIVE
    assert lab.calls == ["q-1", "q-2"]


async def test_twins_share_one_question() -> None:
    lab = Lab()
    lab.gate.clear()
    twins = [asyncio.create_task(lab.fetch(f"q-{number}")) for number in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    lab.gate.set()
    answers = await asyncio.gather(*twins)

    assert lab.calls == ["q-0"]
    assert [answer.query_id for answer in answers] == [f"q-{number}" for number in range(20)]
    assert [answer.freshness for answer in answers].count(Freshness.CACHE) == 19


async def test_a_leader_who_hangs_up_takes_the_answer_from_nobody() -> None:
    lab = Lab()
    lab.gate.clear()
    leader, *followers = [asyncio.create_task(lab.fetch(f"q-{number}")) for number in range(5)]
    await asyncio.sleep(0.01)
    leader.cancel()
    await asyncio.sleep(0.01)
    lab.gate.set()
    answers = await asyncio.gather(*followers)

    assert leader.cancelled()
    assert lab.calls == ["q-0"]
    assert all(answer.values for answer in answers)


async def test_when_all_hang_up_the_question_ends_and_the_next_asks_anew() -> None:
    lab = Lab()
    lab.gate.clear()
    twins = [asyncio.create_task(lab.fetch(f"q-{number}")) for number in range(3)]
    await asyncio.sleep(0.01)
    for twin in twins:
        twin.cancel()
    await asyncio.gather(*twins, return_exceptions=True)
    lab.gate.set()

    assert (await lab.fetch("q-9")).values
    assert lab.calls == ["q-0", "q-9"]


async def test_a_follower_with_more_time_than_its_leader_asks_itself() -> None:
    lab = Lab()
    lab.gate.clear()
    leader = asyncio.create_task(lab.fetch("q-1", within_s=0.1))
    follower = asyncio.create_task(lab.fetch("q-2"))

    assert (await leader).status is EvidenceStatus.UNAVAILABLE
    lab.gate.set()
    assert (await follower).values
    assert lab.calls == ["q-1", "q-2"]


async def test_a_follower_with_less_time_than_its_leader_comes_back_in_time() -> None:
    lab = Lab()
    lab.gate.clear()
    leader = asyncio.create_task(lab.fetch("q-1"))
    await asyncio.sleep(0)

    assert (await lab.fetch("q-2", within_s=0.1)).status is EvidenceStatus.UNAVAILABLE
    lab.gate.set()
    assert (await leader).values


async def test_the_oldest_goes_when_there_are_too_many_and_all_go_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept, "MOST", 3)
    lab = Lab()
    for number in range(4):
        await lab.fetch(f"q-{number}", keys={"house_code": f"{number:025d}"})
    await lab.fetch("q-4", keys={"house_code": f"{3:025d}"})
    await lab.fetch("q-5", keys={"house_code": f"{0:025d}"})

    assert lab.calls == ["q-0", "q-1", "q-2", "q-3", "q-5"]
    answers = lab.source._kept
    assert answers is not None
    assert len(answers) == 3
    lab.now += KEEP_FOR + timedelta(seconds=1)
    await lab.fetch("q-6")
    assert len(answers) == 1
