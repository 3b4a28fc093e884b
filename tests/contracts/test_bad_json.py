"""JSON over HTTP: everything wrong that only JSON can be, and what the caller then reads.

What is wrong in any protocol is in `test_bad_input.py`, which says it in JSON too.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from decision_service.catalogue import Catalogue
from evidence_adapters.sandbox import City, Person
from tests import service
from tests.service import DECIDE, PREFILL, Town
from tests.words import JSON, in_words

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)

DEEP = '{"answers":' + '{"a":' * 900 + "1" + "}" * 901
ONE_TOO_DEEP = '{"answers":' + '{"a":' * 15 + "1" + "}" * 16

DOCUMENTS: dict[str, str | bytes] = {
    "nothing": "",
    "no JSON": "{matter: 1}",
    "a comma too many": '{"matter": "a",}',
    "two documents": "{} {}",
    "a byte order mark": "\ufeff{}",
    "another encoding": '{"matter": "事项"}'.encode("gb18030"),
    "a number that is none": '{"answers": {"a": {"number": NaN}}}',
    "a number without end": '{"page_size": ' + "9" * 5_000 + "}",
    "a list in place of an object": "[]",
    "a word in place of an object": '"张三"',
    "one name twice": '{"matter": "a", "matter": "b"}',
    "one field by both of its names": '{"caseId": "a", "case_id": "b"}',
    "two values for one answer": '{"answers": {"a": {"text": "x", "number": "1"}}}',
    "a field that is none": '{"mattr": "a"}',
    "a field that is none, in a party": '{"parties": [{"rôle": "a"}, {"nam": "a"}]}',
    "a person in place of a field": '{"张三 990000194001010015": 1}',
    "null for a field": '{"case_id": null}',
    "null for an answer": '{"answers": {"applicant.mobile": null}}',
    "null for a party": '{"parties": [null]}',
    "null for a value": '{"answers": {"applicant.mobile": {"text": null}}}',
    "an object in place of a list": '{"parties": {}}',
    "a list in place of a map": '{"answers": []}',
    "a list in place of a message": '{"authority": []}',
    "a text in place of an answer": '{"answers": {"applicant.mobile": "13800000000"}}',
    "a number in place of a text": '{"channel": 5}',
    "a number in a list of texts": (
        '{"authority": {"consent": {"evidence_types": ["population_register", 5]}}}'
    ),
    "a text in place of a truth value": '{"answers": {"a": {"boolean": "true"}}}',
    "half a character": '{"channel": "\\ud800"}',
    "half a day": '{"answers": {"a": {"date": {"year": 2026.5}}}}',
    "a year above all": '{"answers": {"a": {"date": {"year": 1e400}}}}',
    "a truth value for a level": '{"authority": {"assurance_level": true}}',
    "a level that is none": '{"authority": {"assurance_level": "GREAT"}}',
    "a time that is none": '{"authority": {"authentication_time": "yesterday"}}',
    "a time without a zone": '{"authority": {"authentication_time": "2026-11-24T01:02:03"}}',
    "many things at once in JSON": (
        '{"x": 1, "parties": {}, "answers": {"a": null}, "authority": {"assurance_level": true}}'
    ),
    "nine hundred levels": DEEP,
    "seventeen levels": ONE_TOO_DEEP,
    "5,001 objects": '{"parties": [' + ",".join(["{}"] * 5_000) + "]}",
    "5,001 texts": json.dumps({"authority": {"consent": {"evidence_types": ["a"] * 5_000}}}),
    "more than a mebibyte": b'{"matter": "' + b"x" * (1 << 20) + b'"}',
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    tmp_path_factory: pytest.TempPathFactory, published: Catalogue, people: City
) -> AsyncIterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    async with service.town(folder, published, people, lambda: NOW) as town:
        yield town


@pytest.fixture(scope="module")
def person(people: City) -> Person:
    return people.cast(NOW.date())["aged_75"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", [DECIDE, PREFILL])
@pytest.mark.parametrize("name", DOCUMENTS)
async def test_what_is_no_json_of_the_contract_is_told_word_for_word_and_leaves_no_trace(
    name: str, method: str, town: Town
) -> None:
    document = DOCUMENTS[name]
    before = town.traces

    answered = await town.json.call(
        method, document if isinstance(document, bytes) else document.encode()
    )

    assert in_words(answered) == JSON[name]
    assert answered.responses == ()
    assert town.traces == before
    assert "张三" not in answered.words


HEADERS: dict[str, dict[str, str]] = {
    "a deadline that is none": {"connect-timeout-ms": "soon"},
    "a deadline below zero": {"connect-timeout-ms": "-1"},
    "a deadline in a hundred years": {"connect-timeout-ms": "99999999999"},
    "a protocol of tomorrow": {"connect-protocol-version": "2"},
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", HEADERS)
async def test_what_is_wrong_in_the_headers_is_told_word_for_word(name: str, town: Town) -> None:
    headers = {**dict(town.json.bearer()), **HEADERS[name], "content-type": "application/json"}
    address = f"http://127.0.0.1:{town.json.port}{DECIDE}"
    async with town.json.session.post(address, data=b"{}", headers=headers) as response:
        assert response.status == 400
        answered = service.told(DECIDE, [], await response.json())

    assert in_words(answered) == JSON[name]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0\0\0\0", id="half of what stands before"),
        pytest.param(b"\0\0\0\0\3{}", id="longer than it is"),
        pytest.param(b"\0\0\0\0\1{}", id="shorter than it is"),
        pytest.param(b"\1\0\0\0\2{}", id="compressed"),
        pytest.param(b"\2\0\0\0\2{}", id="an end"),
        pytest.param(b"{}", id="plain JSON"),
        pytest.param(b"\0\0\0\0\2{}" * 2, id="two messages"),
    ],
)
async def test_a_request_for_a_stream_that_is_not_one_message_is_refused(
    body: bytes, town: Town
) -> None:
    headers = {**dict(town.json.bearer()), "content-type": "application/connect+json"}
    address = f"http://127.0.0.1:{town.json.port}{PREFILL}"
    async with town.json.session.post(address, data=body, headers=headers) as response:
        (end,) = service.opened(await response.read())

    answered = service.told(PREFILL, [], json.loads(end)["error"])
    assert in_words(answered) == JSON["not one message"]


def test_the_golden_file_has_no_json_that_nobody_sends() -> None:
    assert sorted(JSON) == sorted([*DOCUMENTS, *HEADERS, "not one message"])


@pytest.mark.asyncio(loop_scope="module")
async def test_a_field_may_go_by_either_of_its_names(town: Town, person: Person) -> None:
    """As the contract writes it, or in camel case: proto3's JSON takes both."""
    asked: dict[str, Any] = service.application(person, NOW)
    asked["personRequested"] = True

    answered = await town.json.call(DECIDE, json.dumps(asked).encode())

    assert answered.code == "OK"
