"""The auditor's service over a real port: what it finds, what it hides, and what it leaves."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from audit.verify import verify_store
from decision_service.catalogue import Catalogue
from decision_service.model import EvidenceType
from decision_service.v1 import decision_pb2, trail_pb2
from evidence_adapters.sandbox import City, Misconduct
from tests import service
from tests.service import (
    ACCESSES,
    DECIDE,
    ENTRIES,
    ENTRY,
    PREFILL,
    REPLAY,
    REPLAYS,
    STATS,
    TIMELINE,
    Answer,
    Town,
)

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
RELEASE = "old_age_allowance@2019-10-01"
RESULT = trail_pb2.Replay.Result
ANSWERS = {
    ENTRIES: trail_pb2.ListEntriesResponse,
    ENTRY: trail_pb2.GetEntryResponse,
    TIMELINE: trail_pb2.GetCaseTimelineResponse,
    ACCESSES: trail_pb2.ListAccessesResponse,
    STATS: trail_pb2.GetStatsResponse,
    REPLAY: trail_pb2.ReplayDecisionResponse,
    REPLAYS: trail_pb2.ReplayDecisionsResponse,
}


@dataclass(frozen=True)
class Lived:
    """A town in which something has happened.

    Attributes:
        decisions: By what became of them.
    """

    town: Town
    people: dict[str, Any]
    decisions: dict[str, Any]

    async def ask(self, method: str, /, role: str = "auditor", **request: Any) -> Any:
        """The one answer to a right question."""
        answer = await self.call(method, role=role, **request)
        assert answer.code == "OK", answer
        return ANSWERS[method].FromString(answer.responses[-1])

    async def call(self, method: str, /, role: str = "auditor", **request: Any) -> Answer:
        return await self.town.wire.call(method, service.message(method, request), role=role)

    async def indices(self, filter_: str, **request: Any) -> list[int]:
        answered = await self.ask(ENTRIES, filter=filter_, page_size=500, **request)
        return [one.index for one in answered.entries]

    def document(self, role: str) -> dict[str, str]:
        return {"kind": "resident_id", "number": self.people[role].id_number}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lived(
    tmp_path_factory: pytest.TempPathFactory, published: Catalogue, people: City
) -> AsyncIterator[Lived]:
    """Three have applied: one is approved, one referred, and of one a register was away."""
    cast = people.cast(NOW.date())
    folder = tmp_path_factory.mktemp("lived")
    async with service.town(folder, published, people, lambda: NOW) as town:
        asked = service.request_to_prefill(cast["aged_75"], NOW)
        await town.wire.call(PREFILL, service.message(PREFILL, asked))
        decisions = {
            "approved": await _decide(town, cast["aged_75"]),
            "referred": await _decide(town, cast["outside_hukou"]),
        }
        town.running.misbehave(EvidenceType("death_register"), Misconduct.DOWN)
        decisions["waiting"] = await _decide(town, cast["aged_95"])
        town.running.reset()
        assert {name: one.WhichOneof("outcome") for name, one in decisions.items()} == {
            name: name for name in decisions
        }
        yield Lived(town, cast, decisions)
    assert (await asyncio.to_thread(verify_store, town.store)).problems == ()


async def _decide(town: Town, person: Any, **changes: Any) -> Any:
    asked = service.message(DECIDE, service.application(person, NOW, **changes))
    answer = await town.wire.call(DECIDE, asked)
    assert answer.code == "OK", answer
    return decision_pb2.DecideResponse.FromString(answer.responses[0]).decision


module = pytest.mark.asyncio(loop_scope="module")

FILTERS = {
    "matter = old_age_allowance AND type = decision": {"approved", "referred", "waiting"},
    "matter = library_card": set(),
    f'release = "{RELEASE}" type = "decision/1"': {"approved", "referred", "waiting"},
    "outcome = approved": {"approved"},
    "type = decision AND outcome != approved": {"referred", "waiting"},
    "requirements:R1 AND outcome = referred": {"referred"},
    "requirements.R1 = met AND NOT outcome = referred": {"approved", "waiting"},
    "requirements.R2 != met": {"referred"},
    "reasons:REQUIREMENT_UNKNOWN": {"waiting"},
    "type = decision AND -reasons:REQUIREMENT_UNKNOWN": {"approved", "referred"},
    "channel = portal AND type = decision": {"approved", "referred", "waiting"},
    "channel = counter": set(),
    "caller = portal-test AND type = decision": {"approved", "referred", "waiting"},
    "caller = somebody": set(),
    'time >= "2026-11-24T09:02:03+08:00" AND type = decision': {"approved", "referred", "waiting"},
    "time >= 2026-11-25": set(),
    "outcome = waiting OR outcome = referred": {"referred", "waiting"},
    "type = decision AND outcome = waiting OR outcome = approved": {"waiting", "approved"},
    "type = erasure": set(),
}


@module
@pytest.mark.parametrize("filter_", FILTERS)
async def test_every_field_of_a_filter_finds_what_it_says(lived: Lived, filter_: str) -> None:
    expected = {lived.decisions[name].receipt.index for name in FILTERS[filter_]}

    assert set(await lived.indices(filter_)) == expected


@module
async def test_an_entry_is_found_by_its_place_and_its_case(lived: Lived) -> None:
    decision = lived.decisions["approved"]

    found = await lived.ask(ENTRIES, filter=f"index = {decision.receipt.index}")
    cased = await lived.indices(f"case_id = {decision.case_id} AND type = decision")

    (one,) = found.entries
    assert (one.index, one.leaf_hash) == (decision.receipt.index, decision.receipt.leaf_hash)
    assert (one.type, one.outcome, one.release) == ("decision/1", "approved", RELEASE)
    assert (one.matter, one.channel, one.caller) == ("old_age_allowance", "portal", "portal-test")
    assert one.release_digest == decision.release_digest
    assert one.requirements["R1"] == "met"
    assert set(one.reasons) == {reason.code for reason in decision.approved.reasons}
    assert json.loads(one.permanent_json)["decided_by"] == "system"
    assert one.case_id == decision.case_id
    assert cased == [decision.receipt.index]


@module
async def test_a_person_is_found_by_the_document_and_nobody_else(lived: Lived) -> None:
    about = await lived.indices("type = decision", subject=lived.document("outside_hukou"))

    assert about == [lived.decisions["referred"].receipt.index]


@module
async def test_pages_stay_what_they_are_while_entries_are_added(lived: Lived) -> None:
    whole = await lived.indices("type != erasure")
    request: dict[str, Any] = {"filter": "type != erasure", "page_size": 3}
    seen: list[int] = []
    first = page = await lived.ask(ENTRIES, **request)
    while True:
        seen += [one.index for one in page.entries]
        if not page.next_page_token:
            break
        await lived.indices("index = 0")  # each question is an entry
        page = await lived.ask(ENTRIES, **request, page_token=page.next_page_token)

    assert seen == [whole[0] + 1, *whole]
    assert len(first.entries) == 3


@module
async def test_a_question_leaves_one_entry_and_its_pages_none(lived: Lived) -> None:
    size = lived.town.trail.size()
    page = await lived.ask(ENTRIES, page_size=1)
    assert lived.town.trail.size() == size + 1
    await lived.ask(ENTRIES, page_size=2, page_token=page.next_page_token)
    await lived.ask(ENTRIES, page_size=-0, page_token=page.next_page_token)

    assert lived.town.trail.size() == size + 1
    assert page.entries[0].index == size
    assert json.loads(page.entries[0].permanent_json) == {
        "flow": "trail",
        "method": "ListEntries",
        "caller": "portal-test",
        "role": "auditor",
        "matter": "",
        "case_id": "",
    }


@module
@pytest.mark.parametrize("page_size", [501, 2**31 - 1])
async def test_too_large_a_page_is_cut(lived: Lived, page_size: int) -> None:
    assert (await lived.call(ENTRIES, page_size=page_size)).code == "OK"


@module
async def test_a_page_token_is_good_for_its_own_question_alone(lived: Lived) -> None:
    mine = {"filter": "type = access", "subject": lived.document("aged_75"), "page_size": 1}
    token = (await lived.ask(ENTRIES, **mine)).next_page_token
    size = lived.town.trail.size()
    refused = [
        await lived.call(ENTRIES, **{**mine, "page_token": token, **other})
        for other in (
            {"filter": ""},
            {"subject": lived.document("aged_95")},
            {"page_token": token[:-4]},
            {"page_token": token.swapcase()},
            {"page_token": "1"},
        )
    ]
    refused.append(await lived.call(ACCESSES, subject=mine["subject"], page_token=token))
    asked = service.message(ENTRIES, {**mine, "page_token": token})
    stolen = lived.town.wire.bearer("auditor", subject="another-auditor")
    refused.append(await lived.town.wire.call(ENTRIES, asked, metadata=stolen))

    assert {answer.fields for answer in refused} == {(("page_token", "MALFORMED"),)}
    assert lived.people["aged_75"].id_number not in token
    assert lived.town.trail.size() == size
    assert (await lived.call(ENTRIES, **mine, page_token=token)).code == "OK"


@module
@pytest.mark.parametrize("method", ANSWERS)
@pytest.mark.parametrize("role", ["portal", "clerk", "policy_author", "operator"])
async def test_only_those_may_ask_whom_it_concerns(lived: Lived, method: str, role: str) -> None:
    size = lived.town.trail.size()
    answer = await lived.call(method, role=role)

    if role == "operator" and method in {ENTRY, STATS, REPLAY, REPLAYS}:
        assert answer.code == "OK"
    else:
        assert (answer.code, answer.reason) == ("PERMISSION_DENIED", "ROLE_NOT_ALLOWED")
        assert lived.town.trail.size() == size


@module
async def test_an_auditor_sees_what_decided_and_not_who(lived: Lived) -> None:
    number = lived.people["aged_75"].id_number
    name = lived.people["aged_75"].name

    opened = await lived.ask(ENTRY, index=lived.decisions["approved"].receipt.index)

    assert opened.sealing == trail_pb2.GetEntryResponse.SEALING_MASKED
    assert opened.subject == f"resident_id:{number[:3]}{'*' * 11}{number[-4:]}"
    sealed = json.loads(opened.sealed_json)
    assert sealed["decision"]["outcome"]["kind"] == "approved"
    assert sealed["application"]["answers"]["applicant.mobile"] == "138****0000"
    values = {
        concept: value
        for one in sealed["decision"]["evidence"]
        for concept, value in one["values"].items()
    }
    born = lived.people["aged_75"].birth_date.isoformat()
    assert values["applicant.birth_date"] == {"date": born}
    for told in (number, "13800000000", name):
        assert told not in opened.sealed_json


@module
async def test_an_access_is_opened_without_what_registers_were_asked_by(lived: Lived) -> None:
    number = lived.people["aged_75"].id_number
    index = min(await lived.indices("type = access", subject=lived.document("aged_75")))

    opened = await lived.ask(ENTRY, index=index)

    assert number not in opened.sealed_json
    assert json.loads(opened.entry.permanent_json)["flow"] == "prefill"


@module
async def test_an_operator_sees_nothing_that_is_sealed(lived: Lived) -> None:
    index = lived.decisions["approved"].receipt.index

    opened = await lived.ask(ENTRY, role="operator", index=index)

    assert opened.sealing == trail_pb2.GetEntryResponse.SEALING_WITHHELD
    assert (opened.sealed_json, opened.subject) == ("", "")
    assert opened.entry.outcome == "approved"


@module
async def test_a_case_is_told_from_its_beginning_to_this_look(lived: Lived) -> None:
    decision = lived.decisions["referred"]

    told = await lived.ask(TIMELINE, case_id=decision.case_id)

    assert (told.case.case_number, told.case.matter) == (decision.case_number, decision.matter)
    assert [one.type for one in told.entries][:2] == ["decision/1", "access/1"]
    assert json.loads(told.entries[-1].permanent_json)["method"] == "GetCaseTimeline"
    assert [one.index for one in told.entries] == sorted(one.index for one in told.entries)


@module
async def test_a_case_is_found_by_the_number_on_its_notice(lived: Lived) -> None:
    decision = lived.decisions["referred"]

    told = await lived.ask(TIMELINE, case_id=decision.case_number, page_size=2)
    more = await lived.ask(
        TIMELINE, case_id=decision.case_id, page_size=2, page_token=told.next_page_token
    )

    assert told.case.case_id == decision.case_id
    assert more.entries[0].index > told.entries[-1].index
    failure = await lived.call(TIMELINE, case_id="20260101-0000-0000")
    assert (failure.code, "CASE_NOT_FOUND" in str(failure.details)) == ("NOT_FOUND", True)


@module
async def test_a_case_is_told_in_pages_that_end_with_the_first_look(lived: Lived) -> None:
    case_id = lived.decisions["referred"].case_id
    whole = await lived.ask(TIMELINE, case_id=case_id)

    pages = [await lived.ask(TIMELINE, case_id=case_id, page_size=2)]
    await lived.ask(TIMELINE, case_id=case_id)
    while token := pages[-1].next_page_token:
        pages.append(await lived.ask(TIMELINE, case_id=case_id, page_size=2, page_token=token))

    told = [one.index for page in pages for one in page.entries]
    before = [one.index for one in whole.entries]
    assert told[:-1] == before, "what came after the first page was asked for is not told"
    assert {len(page.entries) for page in pages[:-1]} == {2}
    for wrong in (
        {"case_id": lived.decisions["approved"].case_id, "page_token": pages[0].next_page_token},
        {"case_id": case_id, "page_token": "x"},
        {"case_id": case_id, "page_size": -1},
    ):
        answer = await lived.call(TIMELINE, **wrong)
        assert (answer.code, answer.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")


@module
async def test_who_asked_for_a_persons_data_is_told_and_so_is_this_question(lived: Lived) -> None:
    person = lived.document("aged_75")
    await lived.ask(ENTRY, index=lived.decisions["approved"].receipt.index)

    told = (await lived.ask(ACCESSES, subject=person)).accesses

    assert (told[0].method, told[0].role, told[0].flow) == ("ListAccesses", "auditor", "trail")
    assert told[1].method == "GetEntry"
    assert [one.flow for one in told][-2:] == ["decide", "prefill"]
    assert {"population_register", "death_register"} <= set(told[-1].evidence_types)
    assert told[-1].purposes[0]
    assert told[-2].purposes == told[-1].purposes, "a decision says for what it asked, too"
    other = (await lived.ask(ACCESSES, subject=lived.document("outside_hukou"))).accesses
    assert not {one.index for one in told} & {one.index for one in other}


@module
async def test_decisions_are_counted_by_release(lived: Lived) -> None:
    (one,) = (await lived.ask(STATS, filter=f'release = "{RELEASE}"')).releases

    assert (one.matter, one.release, one.decisions) == ("old_age_allowance", RELEASE, 3)
    assert dict(one.outcomes) == {"approved": 1, "referred": 1, "waiting": 1}
    assert one.automatic == 1
    assert one.referral_reasons["REQUIREMENT_NOT_MET"] == 1
    assert one.longest_duration.ToTimedelta() == timedelta(0)


@module
async def test_every_decision_is_reproduced(lived: Lived) -> None:
    for decision in lived.decisions.values():
        replayed = (await lived.ask(REPLAY, index=decision.receipt.index)).replay
        assert (replayed.index, replayed.result) == (
            decision.receipt.index,
            RESULT.RESULT_REPRODUCED,
        )
    answer = await lived.call(REPLAYS, filter="matter = old_age_allowance", role="operator")
    told = [ANSWERS[REPLAYS].FromString(one) for one in answer.responses]

    assert (told[0].done, told[0].total, told[0].last_index) == (0, 3, -1)
    assert (told[-1].done, told[-1].total, told[-1].reproduced) == (3, 3, 3)
    assert told[-1].last_index == lived.decisions["waiting"].receipt.index
    assert not [found for one in told for found in one.found]


@module
async def test_what_is_no_decision_cannot_be_replayed(lived: Lived) -> None:
    replayed = (await lived.ask(REPLAY, index=0)).replay

    assert (replayed.result, replayed.why) == (RESULT.RESULT_NOT_REPLAYABLE, "TYPE")


@module
@pytest.mark.parametrize("method", [ENTRY, REPLAY])
async def test_an_entry_that_is_not_there(lived: Lived, method: str) -> None:
    answer = await lived.call(method, index=10**12)

    assert (answer.code, answer.reason) == ("NOT_FOUND", "ENTRY_NOT_FOUND")
