"""A late answer: the question is put again where its owner lets us, never too often or in vain."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from decision_service.errors import InvalidPublicationError
from decision_service.model import Evidence, EvidenceStatus
from evidence_adapters import http, registry
from evidence_adapters.guard import FaultError, GuardedSource
from evidence_adapters.hedge import BURST, LEAST, MOST
from evidence_adapters.tally import ASKED_TWICE, Tally
from tests.faults.test_adapters_guard import DEATHS, NOW, absence, query
from tests.laboratory import laboratory, send
from tests.timeless import timeless

TWICE = DEATHS.model_copy(update={"may_repeat": True})
LATE_S = 0.4
"""Far longer than an answer takes, however busy the machine."""

Answer = Callable[[int], float]
"""How long the register takes for its n-th question, in seconds."""


class Registry:
    """A register that takes its time, and counts."""

    def __init__(self, takes: Answer, *, register: object = TWICE) -> None:
        self.takes = takes
        self.asked = self.under_way = 0
        self.tally = Tally()
        self.source = GuardedSource(
            register,  # type: ignore[arg-type]  # one of the two above
            self.answer,
            clock=lambda: NOW,
            tally=self.tally,
        )

    async def answer(self, _query: object, _deadline: float) -> bytes:
        self.asked += 1
        self.under_way += 1
        try:
            await asyncio.sleep(self.takes(self.asked))
        finally:
            self.under_way -= 1
        return absence()

    async def ask(self, times: int = 1, within_s: float = 5.0) -> list[Evidence]:
        loop = asyncio.get_running_loop()
        return [
            await self.source.fetch(query(), deadline=loop.time() + within_s) for _ in range(times)
        ]

    async def warm(self) -> None:
        """Let it be known how long it takes."""
        takes, self.takes = self.takes, lambda _: 0.001
        await self.ask(3 * LEAST)
        self.takes = takes

    @property
    def asked_twice(self) -> int:
        return self.tally.of(DEATHS.key)[ASKED_TWICE]


@pytest.mark.parametrize(("register", "most"), [(DEATHS, 6), (TWICE, 1)])
async def test_the_longest_waits_over_real_sockets_are_gone_where_the_owner_lets_us(
    register: object, most: int
) -> None:
    """Every thirtieth answer is stuck somewhere; asked again, the register answers at once."""
    asked = 0

    async def serve(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
        nonlocal asked
        asked += 1
        if asked % 30 == 0:
            await asyncio.sleep(LATE_S)
        await send(writer, query_id, body)

    loop = asyncio.get_running_loop()
    slow = 0
    async with (
        laboratory(serve, json.loads(absence())) as address,
        http.connect({DEATHS.key: register}, {DEATHS.key: address}, clock=lambda: NOW) as sources,  # type: ignore[dict-item]
    ):
        for _ in range(180):
            started = loop.time()
            evidence = await sources[DEATHS.key].fetch(query(), deadline=started + 5)
            assert evidence.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
            slow += loop.time() - started >= LATE_S

    assert slow <= most
    assert slow == most or register is TWICE
    assert asked <= 180 * (1 + MOST) + BURST


@timeless
async def test_nobody_is_asked_twice_whose_owner_does_not_let_us_or_before_a_pace_is_known() -> (
    None
):
    strict, new = Registry(lambda _: 0.01, register=DEATHS), Registry(lambda n: 0.05 * (n == 5))
    await strict.warm()
    await strict.ask(5)
    await new.ask(LEAST)

    assert (strict.asked, strict.asked_twice) == (3 * LEAST + 5, 0)
    assert (new.asked, new.asked_twice) == (LEAST, 0)


@timeless
async def test_a_register_that_is_slow_with_everything_is_not_asked_twice_as_much() -> None:
    slow = Registry(lambda _: 0.02)
    await slow.warm()
    asked, asked_twice = slow.asked, slow.asked_twice
    await slow.ask(50)

    again = slow.asked_twice - asked_twice
    assert 0 < again <= BURST + 50 * MOST
    assert slow.asked - asked == 50 + again


@timeless
async def test_a_full_register_gets_no_second_questions() -> None:
    slow = Registry(lambda _: LATE_S / 4)
    await slow.warm()
    before, loop = slow.asked, asyncio.get_running_loop()
    crowd = 32
    await asyncio.gather(
        *(slow.source.fetch(query(), deadline=loop.time() + 5) for _ in range(crowd))
    )

    assert slow.asked - before == crowd
    assert slow.under_way == 0


@timeless
async def test_whoever_hangs_up_ends_both_questions() -> None:
    slow = Registry(lambda _: 5.0)
    await slow.warm()
    loop = asyncio.get_running_loop()
    asking = asyncio.create_task(slow.source.fetch(query(), deadline=loop.time() + 9))
    async with asyncio.timeout(5):
        while slow.under_way < 2:  # noqa: ASYNC110 - a sleep has no event
            await asyncio.sleep(0.005)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    assert slow.under_way == 0


@timeless
async def test_the_deadline_ends_both_questions_too() -> None:
    slow = Registry(lambda _: 5.0)
    await slow.warm()
    (evidence,) = await slow.ask(within_s=0.3)

    assert evidence.detail == "no answer within the deadline"
    assert slow.under_way == 0


@timeless
@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        pytest.param("breaks", "answers", EvidenceStatus.NO_RECORD_AUTHORITATIVE, id="the first"),
        pytest.param("answers", "breaks", EvidenceStatus.NO_RECORD_AUTHORITATIVE, id="the second"),
        pytest.param("breaks", "breaks", EvidenceStatus.DENIED, id="both"),
    ],
)
async def test_a_question_that_breaks_leaves_it_to_the_other(
    first: str, second: str, status: EvidenceStatus
) -> None:
    does = iter((first, second))

    class Breaking(Registry):
        async def answer(self, query: object, deadline: float) -> bytes:
            if self.takes(0) == 0.001:
                return await super().answer(query, deadline)
            what = next(does)
            await asyncio.sleep(0.1)
            if what == "breaks":
                raise FaultError(EvidenceStatus.DENIED, "HTTP 403")
            return absence()

    breaking = Breaking(lambda _: 1.0)
    await breaking.warm()
    (evidence,) = await breaking.ask()

    assert evidence.status is status


@timeless
async def test_the_bound_follows_what_the_register_takes_now() -> None:
    """A register that has become slower is soon asked twice no more often than before."""
    slower = Registry(lambda _: 0.004)
    await slower.warm()
    await slower.ask(150)
    settled = slower.asked_twice
    await slower.ask(100)

    assert slower.asked_twice - settled <= 100 * MOST + 1


def test_a_file_is_not_asked_twice(tmp_path: Path) -> None:
    shutil.copy(Path("tests/registers/relief_register.toml"), tmp_path)
    file = tmp_path / "relief_register.toml"
    text = file.read_text("utf-8").replace("complete = true", "complete = true\nmay_repeat = true")
    file.write_text(text, "utf-8")

    with pytest.raises(InvalidPublicationError, match="`may_repeat`: a file is read here"):
        registry.load(tmp_path)
