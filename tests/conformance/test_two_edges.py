"""By gRPC and as JSON over HTTP: the same request gets the same answer, and is the same request."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from decision_service.catalogue import Catalogue
from decision_service.server.edge import allowed_roles
from decision_service.server.identity import ROLES
from decision_service.v1.decision_pb2 import DecideResponse
from decision_service.v1.prefill_pb2 import PrefillResponse
from evidence_adapters.sandbox import City, Person
from tests import service
from tests.service import (
    ACCESSES,
    CASE,
    CHECK,
    CLAIM,
    DECIDE,
    ENTRIES,
    ENTRY,
    ERASE,
    EXPORT,
    GET,
    HOLD,
    HOLDS,
    LIFT,
    LIST,
    METHODS,
    OFFERED,
    OWN,
    PREFILL,
    RECEIPT,
    RENEW,
    REPLAY,
    REPLAYS,
    RETAIN,
    STATS,
    TIMELINE,
    WITHDRAW,
    Town,
)

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
ALLOWED = allowed_roles()
OTHER_TWICE = {
    PREFILL,
    CHECK,
    ACCESSES,
    TIMELINE,
    OWN,
    EXPORT,
    WITHDRAW,
    CLAIM,
    ERASE,
    HOLD,
    LIFT,
    RENEW,
}
"""A prefill and a check ask again, a look at a person makes an entry, what is decided is not
withdrawn, what is claimed not claimed with the same etag; nobody is there to be erased, each hold
is one of its own, none is there to lift, and each renewal makes another key."""

SAME_TWICE = [method for method in METHODS if method not in OTHER_TWICE]

KNOWN = {
    *{DECIDE, LIST, GET, CASE, RECEIPT, ENTRIES, ENTRY, STATS, REPLAY, REPLAYS},
    *{RETAIN, HOLDS, OFFERED},
}
"""Methods of which `service.right` has a right request."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def case_id(town: Town, person: Person) -> str:
    asked = service.message(DECIDE, service.application(person, NOW))
    answered = await town.json.call(DECIDE, asked)
    return DecideResponse.FromString(answered.responses[0]).decision.case_id


@pytest.mark.parametrize("method", SAME_TWICE)
async def test_both_give_the_same_answer(
    method: str, town: Town, person: Person, case_id: str
) -> None:
    """Or the same refusal, where a test does not know what to ask."""
    roles = ALLOWED[method]
    role = next(one for one in ("portal", "auditor", *sorted(roles)) if one in roles)
    asked = service.message(method, service.right(method, person, NOW, case_id))

    one = await town.wire.call(method, asked, role=role)
    other = await town.json.call(method, asked, role=role)

    assert (one.code, one.message, one.fields) == (other.code, other.message, other.fields)
    assert one.code == "OK" or method not in KNOWN
    messages, others = (_read(method, each.responses) for each in (one, other))
    assert messages[-1:] == others[-1:]
    assert METHODS[method].server_streaming or messages == others


def _read(method: str, responses: tuple[bytes, ...]) -> list[Message]:
    """The messages: their bytes may have the entries of a map in any order."""
    kind = GetMessageClass(METHODS[method].output_type)
    return [kind.FromString(raw) for raw in responses]


@pytest.mark.parametrize("method", [ACCESSES, TIMELINE])
async def test_a_look_at_a_person_is_an_entry_whichever_way_it_comes(
    method: str, town: Town, person: Person, case_id: str
) -> None:
    asked = service.message(method, service.right(method, person, NOW, case_id))
    size = town.trail.size()

    for wire in (town.wire, town.json):
        assert (await wire.call(method, asked, role="auditor")).code == "OK"

    assert town.trail.size() == size + 2


@pytest.mark.parametrize("method", METHODS)
async def test_both_refuse_whom_the_other_refuses(method: str, town: Town) -> None:
    for role in ROLES:
        one = await town.wire.call(method, b"", role=role)
        other = await town.json.call(method, b"{}", role=role)

        assert (one.code, one.message) == (other.code, other.message)
        assert one.reason == other.reason
        assert (one.reason == "ROLE_NOT_ALLOWED") == (role not in ALLOWED[method])


async def test_a_decision_is_made_once_whichever_way_it_is_asked_for(
    town: Town, people: City
) -> None:
    asked = service.message(DECIDE, service.application(people.cast(NOW.date())["aged_95"], NOW))
    size = town.trail.size()

    first = await town.json.call(DECIDE, asked)
    entries = town.trail.size() - size
    again = await town.wire.call(DECIDE, asked)
    other = service.message(DECIDE, service.application(people.cast(NOW.date())["aged_75"], NOW))
    other.request_id = asked.request_id  # type: ignore[attr-defined]
    reused = [await wire.call(DECIDE, other) for wire in (town.wire, town.json)]

    assert (
        DecideResponse.FromString(first.responses[0]).decision.WhichOneof("outcome") == "approved"
    )
    assert again == first
    assert town.trail.size() == size + entries
    assert {one.reason for one in reused} == {"REQUEST_ID_REUSED"}


async def test_a_prefill_streams_the_same_messages(town: Town, person: Person) -> None:
    asked = service.message(PREFILL, service.request_to_prefill(person, NOW))

    one, other = [await wire.call(PREFILL, asked) for wire in (town.wire, town.json)]

    assert _events(one.responses) == _events(other.responses)
    assert [kind for kind, _ in _events(other.responses)] == [
        "started",
        *["evidence"] * 3,
        "completed",
    ]


def _events(responses: tuple[bytes, ...]) -> list[tuple[str | None, Message]]:
    """The messages without what is new every time; registers answer in any order."""
    found = []
    for raw in responses:
        response: Any = PrefillResponse.FromString(raw)
        response.started.ClearField("case_id")
        response.started.ClearField("case_number")
        response.evidence.evidence.ClearField("query_id")
        response.completed.ClearField("receipt")
        found.append((PrefillResponse.FromString(raw).WhichOneof("event"), response))
    return sorted(found, key=lambda one: (one[0] != "started", one[0] == "completed", str(one[1])))


async def test_a_request_counts_by_what_it_says_and_not_by_how_it_is_written(
    town: Town, people: City
) -> None:
    """Order, blanks and either name of a field are no other body."""
    asked = service.application(people.cast(NOW.date())["leap_day_born"], NOW)
    asked["request_id"] = str(uuid4())

    first = await town.wire.call(DECIDE, service.message(DECIDE, asked))
    backwards = dict(reversed(asked.items()))
    backwards["requestId"] = backwards.pop("request_id").upper()
    again = await town.json.call(DECIDE, json.dumps(backwards, indent=8).encode())

    assert first.code == "OK"
    assert again == first
