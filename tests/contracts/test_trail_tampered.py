"""What was tampered with, erased or paid for is told from what was recorded as the rules say."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from audit.trail import ERASED, Entry, Receipt
from decision_service.catalogue import Catalogue
from decision_service.model import Approved
from decision_service.record import Record
from decision_service.v1 import decision_pb2, trail_pb2
from evidence_adapters.sandbox import City
from tests import service
from tests.service import ACCESSES, DECIDE, ENTRIES, ENTRY, REPLAY, REPLAYS, Town

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
RESULT = trail_pb2.Replay.Result
AMOUNT = "outcome.grant[0].value.number"


@pytest.fixture
async def town(tmp_path: Path, published: Catalogue, people: City) -> AsyncIterator[Town]:
    async with service.town(tmp_path, published, people, lambda: NOW) as town:
        yield town


@pytest.fixture
def person(people: City) -> Any:
    return people.cast(NOW.date())["aged_75"]


async def decide(town: Town, person: Any) -> int:
    asked = service.message(DECIDE, service.application(person, NOW))
    answer = await town.wire.call(DECIDE, asked)
    decision = decision_pb2.DecideResponse.FromString(answer.responses[0]).decision
    return int(decision.receipt.index)


async def replay(town: Town, index: int, role: str = "auditor") -> trail_pb2.Replay:
    asked = trail_pb2.ReplayDecisionRequest(index=index)
    answer = await town.wire.call(REPLAY, asked, role=role)
    return trail_pb2.ReplayDecisionResponse.FromString(answer.responses[0]).replay


async def who_asked(town: Town, person: Any) -> list[str]:
    """With which questions, the newest first; empty for an applicant's own."""
    subject = {"kind": "resident_id", "number": person.id_number}
    asked = trail_pb2.ListAccessesRequest(subject=subject)
    answer = await town.wire.call(ACCESSES, asked, role="auditor")
    told = trail_pb2.ListAccessesResponse.FromString(answer.responses[0])
    return [one.method for one in told.accesses]


async def test_a_decision_that_the_rules_do_not_make_diverges_and_tells_where(
    town: Town, person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Record.decided

    async def bribed(self: Any, draft: Any, **told: Any) -> Any:
        assert isinstance(draft.outcome, Approved)
        grant = draft.outcome.grant[0]
        grant = grant.model_copy(update={"value": grant.value * 2})
        outcome = draft.outcome.model_copy(update={"grant": (grant,)})
        return await written(self, draft.model_copy(update={"outcome": outcome}), **told)

    monkeypatch.setattr(Record, "decided", bribed)
    index = await decide(town, person)

    seen = await replay(town, index)
    assert (seen.result, seen.difference) == (
        RESULT.RESULT_DIVERGED,
        "outcome.grant[0].value.number",
    )
    assert (seen.recorded_json, seen.replayed_json) == ('"400.00"', '"200.00"')
    assert await who_asked(town, person) == ["ListAccesses", "ReplayDecision", ""]
    seen = await replay(town, index, role="operator")
    assert (seen.difference, seen.recorded_json) == (AMOUNT, "")
    answer = await town.wire.call(REPLAYS, b"", role="auditor")
    told = [trail_pb2.ReplayDecisionsResponse.FromString(one) for one in answer.responses]
    assert (told[-1].done, told[-1].reproduced) == (1, 0)
    assert [one.index for message in told for one in message.found] == [index]


async def test_an_entry_that_says_for_ever_what_was_not_decided_diverges(
    town: Town, person: Any
) -> None:
    honest = await town.trail.read(await decide(town, person))
    assert honest.sealed is not ERASED
    forged = Entry(
        type=honest.type,
        id=str(uuid4()),
        time=honest.time,
        permanent={**honest.permanent, "outcome": "refused"},
        sealed=honest.sealed,
        subject=honest.subject,
        notice=honest.notice,
    )
    receipt = await town.trail.append(forged, expect={})
    assert isinstance(receipt, Receipt)

    seen = await replay(town, receipt.index)

    assert (seen.result, seen.difference) == (RESULT.RESULT_DIVERGED, "permanent.outcome")
    assert (seen.recorded_json, seen.replayed_json) == ('"refused"', '"approved"')


async def test_a_sealed_part_that_was_changed_is_told(town: Town, person: Any) -> None:
    index = await decide(town, person)
    with sqlite3.connect(town.store / "store.sqlite") as store:
        store.execute("UPDATE sealed SET content = zeroblob(99) WHERE idx = ?", (index,))
    store.close()

    seen = await replay(town, index)
    assert (seen.result, seen.why) == (RESULT.RESULT_NOT_REPLAYABLE, "TAMPERED")
    asked = trail_pb2.GetEntryRequest(index=index)
    answer = await town.wire.call(ENTRY, asked, role="auditor")
    assert (answer.code, answer.reason) == ("DATA_LOSS", "SEAL_BROKEN")


async def test_an_archive_that_was_changed_is_told(town: Town, person: Any) -> None:
    index = await decide(town, person)
    with sqlite3.connect(town.store / "store.sqlite") as store:
        store.execute("UPDATE archive SET content = zeroblob(99)")
    store.close()

    seen = await replay(town, index)

    assert (seen.result, seen.why) == (RESULT.RESULT_NOT_REPLAYABLE, "TAMPERED")


async def test_who_was_erased_is_not_found_and_the_decision_is(town: Town, person: Any) -> None:
    index = await decide(town, person)
    await town.trail.erase(f"resident_id:{person.id_number}", reason="本人要求", time=NOW)

    asked = trail_pb2.ListEntriesRequest(filter="outcome = approved")
    found = trail_pb2.ListEntriesResponse.FromString(
        (await town.wire.call(ENTRIES, asked, role="auditor")).responses[0]
    )
    assert [(one.index, one.erased) for one in found.entries] == [(index, True)]
    asked.subject.kind, asked.subject.number = "resident_id", person.id_number
    found = trail_pb2.ListEntriesResponse.FromString(
        (await town.wire.call(ENTRIES, asked, role="auditor")).responses[0]
    )
    assert not found.entries
    answer = await town.wire.call(ENTRY, trail_pb2.GetEntryRequest(index=index), role="auditor")
    opened = trail_pb2.GetEntryResponse.FromString(answer.responses[0])
    assert opened.sealing == trail_pb2.GetEntryResponse.SEALING_ERASED
    seen = await replay(town, index)
    assert (seen.result, seen.why) == (RESULT.RESULT_NOT_REPLAYABLE, "ERASED")
