"""What people may see of what is recorded about them, over a real port (S16, S20)."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from decision_service.catalogue import Catalogue
from decision_service.v1.case_pb2 import ExportOwnDataResponse, ListOwnAccessesResponse
from evidence_adapters.sandbox import City, Person
from tests import service
from tests.service import DECIDE, ENTRY, EXPORT, OWN, REVIEW, Answer, Town

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)

module = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def cast(people: City) -> Any:
    return people.cast(NOW.date())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    tmp_path_factory: pytest.TempPathFactory, published: Catalogue, people: City, cast: Any
) -> AsyncIterator[Town]:
    """Two people with a case each; the first asks for a person, and an auditor looks at it."""
    folder = tmp_path_factory.mktemp("town")
    async with service.town(folder, published, people, lambda: NOW) as town:
        first, other = cast["aged_75"], cast["aged_95"]
        for person in (first, other):
            await sent(town, DECIDE, service.application(person, NOW))
        case_id = str((await town.trail.read(0)).permanent["case_id"])
        await sent(town, REVIEW, service.right(REVIEW, first, NOW, case_id))
        bearer = town.wire.bearer("auditor", subject="auditor-wang")
        await sent(town, ENTRY, {"index": 0}, metadata=bearer)
        yield town


async def sent(town: Town, method: str, document: dict[str, Any], **how: Any) -> Answer:
    answer = await town.wire.call(method, service.message(method, document), **how)
    assert answer.code == "OK", answer.words
    return answer


async def copies(town: Town, person: Person, **more: Any) -> list[ExportOwnDataResponse]:
    asked = service.right(EXPORT, person, NOW, "") | more
    answer = await sent(town, EXPORT, asked)
    return [ExportOwnDataResponse.FromString(raw) for raw in answer.responses]


@module
async def test_s20_people_see_who_asked_for_their_data_and_why_and_no_name_of_the_staff(
    town: Town, cast: Any
) -> None:
    answer = await sent(town, OWN, service.right(OWN, cast["aged_75"], NOW, ""))
    told = ListOwnAccessesResponse.FromString(answer.responses[0]).accesses

    assert [(one.flow, one.method, one.role) for one in told] == [
        ("trail", "ListOwnAccesses", "portal"),
        ("trail", "GetEntry", "auditor"),
        ("decide", "", ""),
    ]
    assert told[1].caller == "a***********"
    assert told[2].caller == "portal-test"
    assert {*told[2].evidence_types} == {"population_register", "death_register", "payment_ledger"}
    assert told[2].purposes


@module
async def test_s16_a_copy_has_everything_about_the_person_and_nothing_about_others(
    town: Town, cast: Any
) -> None:
    first, other = cast["aged_75"], cast["aged_95"]
    (copy,) = await copies(town, first)
    entries = {entry.type: json.loads(entry.content_json) for entry in copy.entries}
    whole = "".join(entry.content_json for entry in copy.entries)

    assert copy.complete
    assert [entry.type for entry in copy.entries][:3] == [
        "decision/1",
        "review_request/1",
        "access/1",
    ]
    decision = entries["decision/1"]
    assert decision["sealed"]["application"]["parties"][0]["documents"][0]["number"] == (
        first.id_number
    )
    assert "行政复议" in decision["notice"]
    assert decision["sealed"]["decision"]["evidence"]
    assert entries["review_request/1"]["sealed"]["text"] == "请工作人员看一看"
    assert other.id_number not in whole
    assert "auditor-wang" not in whole
    last = copy.entries[-1].index
    (rest,) = await copies(town, first, after_index=last)
    assert [json.loads(one.content_json)["permanent"]["method"] for one in rest.entries] == [
        "ExportOwnData"
    ], "that a copy was made is about them, too"


@module
async def test_a_copy_of_much_comes_in_parts_that_make_the_whole(town: Town, cast: Any) -> None:
    for _ in range(101):
        await sent(town, OWN, service.right(OWN, cast["aged_95"], NOW, "") | {"page_size": 1})

    parts = await copies(town, cast["aged_95"])

    indices = [entry.index for part in parts for entry in part.entries]
    assert [len(part.entries) for part in parts] == [100, 2]
    assert indices == sorted(set(indices))
    assert [part.complete for part in parts] == [False, True]
