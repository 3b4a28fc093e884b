"""Calls that are right and come at a bad moment, or are too much for the wire, over a real port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from decision_service.catalogue import Catalogue
from decision_service.client import Client, ClientError
from decision_service.v1.decision_pb2 import DecideResponse
from evidence_adapters.sandbox import City, Person
from tests import service
from tests.service import DECIDE, LIST, PREFILL, Answer, Town
from tests.words import MOMENTS, in_words

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
DEEP = '{"a":' * 390
"""What a reader of JSON would drown in; nothing here reads the texts of applicants."""


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def at() -> Clock:
    return Clock()


@pytest.fixture
async def town(
    tmp_path: Path, published: Catalogue, people: City, at: Clock
) -> AsyncIterator[Town]:
    async with service.town(tmp_path, published, people, at) as town:
        yield town


@pytest.fixture
def person(people: City) -> Person:
    return people.cast(NOW.date())["aged_75"]


async def decide(town: Town, application: dict[str, Any], **how: Any) -> Answer:
    return await town.wire.call(DECIDE, service.message(DECIDE, application), **how)


def case_of(answer: Answer) -> str:
    return DecideResponse.FromString(answer.responses[0]).decision.case_id


def outcome_of(answer: Answer) -> str | None:
    assert answer.code == "OK", answer.words
    return DecideResponse.FromString(answer.responses[0]).decision.WhichOneof("outcome")


# ── too early, too late, again ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", [DECIDE, PREFILL])
async def test_before_the_first_release_nobody_is_asked(
    method: str, town: Town, at: Clock, person: Person
) -> None:
    at.now = datetime(1999, 1, 1, tzinfo=UTC)
    before = town.traces

    asked = service.message(method, service.right(method, person, at(), ""))
    answered = await town.wire.call(method, asked)

    assert in_words(answered) == MOMENTS["a day before the first release"]
    assert town.traces == before


async def test_another_application_under_a_known_id_leaves_no_trace(
    town: Town, person: Person
) -> None:
    first = service.application(person, NOW)
    assert outcome_of(await decide(town, first)) == "approved"
    before = town.traces

    answered = await decide(town, first | {"channel": "app"})

    assert in_words(answered) == MOMENTS["another application under a known request id"]
    assert town.traces == before


async def test_a_case_that_is_decided_takes_no_application(town: Town, person: Person) -> None:
    case_id = case_of(await decide(town, service.application(person, NOW)))
    before = town.traces

    for method in (DECIDE, PREFILL):
        asked = service.right(method, person, NOW, "") | {"case_id": case_id}
        answered = await town.wire.call(method, service.message(method, asked))
        assert in_words(answered) == MOMENTS["a case that is decided"]
    assert town.traces == before


async def test_a_token_that_was_believed_expires(town: Town, at: Clock, person: Person) -> None:
    token = town.wire.bearer()
    assert outcome_of(await decide(town, service.application(person, NOW), metadata=token))
    at.now += timedelta(hours=2)

    answered = await decide(town, service.application(person, at()), metadata=token)

    assert in_words(answered) == MOMENTS["a token of two hours ago"]


async def test_a_deadline_that_is_over_at_once_asks_nobody(town: Town, person: Person) -> None:
    before = town.traces

    answered = await decide(town, service.application(person, NOW), timeout_s=0.001)

    assert answered.code == "DEADLINE_EXCEEDED"
    assert (await town.wire.call(LIST, b"")).code == "OK"
    assert town.traces == before


async def test_of_two_applications_that_race_under_one_id_one_is_decided(
    town: Town, person: Person
) -> None:
    first = service.application(person, NOW)
    other = first | {"channel": "app"}
    before = town.trail.size()

    answers = await asyncio.gather(*(decide(town, one) for one in [first, other] * 8))

    told = [(answer.code, answer.reason) for answer in answers]
    assert {*told} == {("OK", ""), ("ALREADY_EXISTS", "REQUEST_ID_REUSED")}
    assert len({*told[0::2]}) == len({*told[1::2]}) == 1, "one body wins, whole"
    assert len({answer.responses for answer in answers if answer.code == "OK"}) == 1
    assert town.trail.size() == before + 1


async def test_a_repeated_application_gets_its_decision_whatever_else_comes_under_its_id(
    town: Town, person: Person
) -> None:
    """While a reused id is being looked up, a lawful repeat is not taken for another reuse."""
    lawful = service.application(person, NOW)
    decided = await decide(town, lawful)

    answers = await asyncio.gather(
        *(decide(town, one) for one in [lawful | {"channel": "app"}, lawful] * 8)
    )

    assert {answer.reason for answer in answers[0::2]} == {"REQUEST_ID_REUSED"}
    assert {answer.responses for answer in answers[1::2]} == {decided.responses}


# ── no room ──────────────────────────────────────────────────────────────────────────────────────


async def limit_pages(town: Town, pages: str) -> None:
    """Let the store grow to so many pages."""
    await town.trail._log.write(
        lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    )


async def fill_the_disk(town: Town) -> None:
    """From now on the store has not one page left."""
    found: list[int] = []
    await town.trail._log.write(
        lambda connection: found.append(
            connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        )
    )
    await limit_pages(town, str(found[0]))


async def test_a_full_disk_decides_nothing_and_forgets_nothing(
    town: Town, people: City, person: Person
) -> None:
    """Small entries may still fit on the last page; the first that does not is told as it is."""
    await fill_the_disk(town)
    full: Answer | None = None
    for _ in range(50):
        application = service.application(person, NOW, request_id=str(uuid4()))
        answered = await decide(town, application)
        if answered.code != "OK":
            full = answered
            break
    assert full is not None
    assert in_words(full) == MOMENTS["a full disk"]
    assert full.details["RetryInfo"].retry_delay.seconds == 1
    assert full.responses == ()
    recorded = town.trail.size()
    assert (await town.wire.call(LIST, b"")).code == "OK"

    await limit_pages(town, "1000000")
    again = await decide(town, application)

    assert outcome_of(again) in {"approved", "referred"}
    assert town.trail.size() > recorded


async def test_on_a_full_disk_no_register_is_asked_for_a_prefill(
    town: Town, person: Person
) -> None:
    await fill_the_disk(town)
    for _ in range(50):
        before = len(town.running.accesses)
        asked = service.message(PREFILL, service.request_to_prefill(person, NOW))
        answered = await town.wire.call(PREFILL, asked)
        if not answered.responses:
            break

    assert in_words(answered) == MOMENTS["a full disk"]
    assert len(town.running.accesses) == before


# ── too much ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_request_of_five_megabytes_is_refused_unread(town: Town) -> None:
    before = town.traces

    answered = await town.wire.call(DECIDE, b"\x0a" + bytes(5_000_000))

    assert answered.code == "RESOURCE_EXHAUSTED"
    assert town.traces == before
    assert (await town.wire.call(LIST, b"")).code == "OK"


async def test_a_request_that_unpacks_to_fifty_megabytes_is_refused(town: Town) -> None:
    before = town.traces
    bomb = b"\x0a" + bytes(50_000_000)

    async with grpc.aio.insecure_channel(f"127.0.0.1:{town.wire.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(DECIDE)(
                bomb, metadata=town.wire.bearer(), compression=grpc.Compression.Gzip, timeout=20
            )

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert town.traces == before


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", id="HTTP/1.1"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 4_096, id="broken HTTP/2"),
        pytest.param(bytes(range(256)) * 64, id="noise"),
    ],
)
async def test_whoever_speaks_another_language_is_hung_up_on(noise: bytes, town: Town) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", town.wire.port)
    writer.write(noise)
    async with asyncio.timeout(20):
        with suppress(ConnectionError):
            await reader.read()
    writer.close()

    assert (await town.wire.call(LIST, b"")).code == "OK"


async def test_a_token_of_100_kilobytes_is_refused_unread(town: Town) -> None:
    before = town.traces

    answered = await town.wire.call(
        LIST, b"", metadata=(("authorization", f"Bearer {'x' * 100_000}"),)
    )

    assert answered.code == "RESOURCE_EXHAUSTED"
    assert town.traces == before
    assert (await town.wire.call(LIST, b"")).code == "OK"


async def test_where_grpc_itself_says_no_our_client_says_what_to_do(town: Town) -> None:
    async with Client(f"127.0.0.1:{town.wire.port}", "x" * 100_000) as client:
        with pytest.raises(ClientError) as caught:
            await client.matters()

    assert caught.value.code == "RESOURCE_EXHAUSTED"
    assert caught.value.hint == (
        "Send less: a request has at most 1 MiB, and a token with all metadata at most 8 KiB."
    )
    assert caught.value.zh == "请求过大：请求不得超过 1 MiB，令牌和元数据不得超过 8 KiB。"


async def test_a_method_of_tomorrow_is_not_there(town: Town) -> None:
    answered = await town.wire.call("/decision_service.v1.DecisionService/Undecide", b"")

    assert answered.code == "UNIMPLEMENTED"


# ── nothing special ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(DEEP, id="deep JSON"),
        pytest.param("'; DROP TABLE entry; --", id="SQL"),
        pytest.param("{{7*7}} ${7*7} %s %n", id="a template"),
        pytest.param("<script>alert(1)</script>", id="HTML"),
        pytest.param("𠮷野家 👨‍👩‍👧 ئۇيغۇر", id="rare and joined characters"),
        pytest.param("第一行\n第二行\t列", id="lines and columns"),
    ],
)
async def test_what_applicants_write_is_text_and_nothing_else(
    text: str, town: Town, person: Person
) -> None:
    """In an answer it is wrong for the form; in a contest a person will read it as it is."""
    wrong = service.application(person, NOW)
    wrong["answers"]["applicant.mobile"] = {"text": text}
    assert outcome_of(await decide(town, wrong)) == "needs_correction"

    contest = {"concept": "applicant.birth_date", "claimed": text[:200], "text": text}
    contested = await decide(town, service.application(person, NOW, contests=[contest]))

    assert outcome_of(contested) == "referred"


def test_the_golden_file_has_no_moment_that_nobody_meets() -> None:
    assert sorted(MOMENTS) == [
        "a case that is decided",
        "a day before the first release",
        "a full disk",
        "a token of two hours ago",
        "another application under a known request id",
        "the twenty-first check within an hour",
    ]
