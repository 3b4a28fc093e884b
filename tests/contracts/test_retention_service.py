"""Erasing, holding and retaining over a real port, and what is then on the disk."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from audit.disclosure import open_disclosed, verify_disclosure
from audit.export import export
from audit.verify import verify_receipt, verify_store
from decision_service.catalogue import Catalogue
from decision_service.model import EvidenceType
from decision_service.v1 import decision_pb2, retention_pb2, trail_pb2
from decision_service.v1.case_pb2 import GetReceiptResponse
from evidence_adapters.sandbox import City, Misconduct
from tests import service
from tests.service import (
    DECIDE,
    DISCLOSE,
    ENTRIES,
    ERASE,
    HOLD,
    HOLDS,
    LIFT,
    PREFILL,
    RECEIPT,
    RENEW,
    RETAIN,
    STATS,
    WHY,
    Answer,
    Town,
)

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
OFFICER = "data_protection_officer"
AUDITOR = str(x25519.Identity.generate().to_public())


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Office:
    """A town, and the officer's calls to it."""

    town: Town
    clock: Clock
    people: dict[str, Any]

    async def call(self, method: str, role: str = OFFICER, **request: Any) -> Answer:
        asked = {"justification": WHY, **request} if method != HOLDS else request
        return await self.town.wire.call(method, service.message(method, asked), role=role)

    async def ask(self, method: str, kind: Any, **request: Any) -> Any:
        answer = await self.call(method, **request)
        assert answer.code == "OK", answer
        return kind.FromString(answer.responses[-1])

    async def erase(self, person: str, ground: str = "GROUND_UNLAWFUL") -> Answer:
        return await self.call(ERASE, subject=self.document(person), ground=ground)

    def document(self, person: str) -> dict[str, str]:
        return {"kind": "resident_id", "number": self.people[person].id_number}

    async def decide(self, person: str) -> Any:
        asked = service.application(self.people[person], self.clock())
        answer = await self.town.wire.call(DECIDE, service.message(DECIDE, asked))
        assert answer.code == "OK", answer
        return decision_pb2.DecideResponse.FromString(answer.responses[0]).decision

    async def found(self, filter_: str, person: str = "") -> list[Any]:
        about = {"subject": self.document(person)} if person else {}
        asked = service.message(ENTRIES, {"filter": filter_, "page_size": 500, **about})
        answer = await self.town.wire.call(ENTRIES, asked, role="auditor")
        return list(trail_pb2.ListEntriesResponse.FromString(answer.responses[0]).entries)


@pytest.fixture
async def office(tmp_path: Path, published: Catalogue, people: City) -> AsyncIterator[Office]:
    clock = Clock()
    async with service.town(tmp_path, published, people, clock) as town:
        yield Office(town, clock, people.cast(NOW.date()))
    assert (await asyncio.to_thread(verify_store, town.store)).problems == ()


def everything(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_who_is_erased_is_gone_and_old_receipts_still_verify(office: Office) -> None:
    mine, other = await office.decide("aged_75"), await office.decide("aged_95")
    asked = service.message(RECEIPT, {"case_id": mine.case_id})
    receipt = (await office.town.wire.call(RECEIPT, asked)).responses[0]
    tag = office.town.trail.tag("resident_id:" + office.people["aged_75"].id_number)
    assert tag.encode() in everything(office.town.store)

    answer = await office.erase("aged_75")

    erased = retention_pb2.ErasePersonResponse.FromString(answer.responses[0])
    assert (answer.code, erased.erased_entries) == ("OK", 1)
    assert tag.encode() not in everything(office.town.store)
    again = await office.erase("aged_75")
    assert (again.code, again.reason) == ("NOT_FOUND", "PERSON_NOT_FOUND")
    assert await office.found("type = decision", "aged_75") == []
    (left,) = await office.found(f"case_id = {mine.case_id}")
    assert (left.erased, left.outcome, left.requirements["R1"]) == (True, "approved", "met")
    (kept,) = await office.found("type = decision", "aged_95")
    assert (kept.case_id, kept.erased) == (other.case_id, False)
    (told,) = await office.found("type = erasure")
    assert (told.index, told.caller) == (erased.index, "portal-test")
    assert all(word in told.permanent_json for word in (*WHY.values(), "unlawful", OFFICER))
    assert office.people["aged_75"].id_number not in told.permanent_json
    gone = await office.town.wire.call(RECEIPT, asked)
    assert gone.code == "FAILED_PRECONDITION"
    verify_receipt(GetReceiptResponse.FromString(receipt).receipt_json)


async def test_what_was_granted_once_is_not_granted_to_who_was_erased(office: Office) -> None:
    await office.decide("aged_75")
    assert (await office.erase("aged_75")).code == "OK"

    decision = await office.decide("aged_75")

    assert decision.referred.reasons[0].code == "ALREADY_GRANTED"


@pytest.mark.parametrize("ground", ["GROUND_PURPOSE_ENDED", "GROUND_CONSENT_WITHDRAWN"])
async def test_before_its_term_is_over_only_stronger_grounds_erase(
    office: Office, ground: str
) -> None:
    await office.decide("aged_75")

    answer = await office.erase("aged_75", ground)

    assert (answer.code, answer.reason) == ("FAILED_PRECONDITION", "TERM_NOT_OVER")
    assert "第四十七条第二款" in answer.words
    office.clock.now += timedelta(days=3654)
    assert (await office.erase("aged_75", ground)).code == "OK"


async def test_while_a_case_is_under_way_only_an_order_erases(office: Office) -> None:
    office.town.running.misbehave(EvidenceType("death_register"), Misconduct.DOWN)
    waiting = await office.decide("aged_95")

    answer = await office.erase("aged_95")

    assert (answer.code, answer.reason) == ("FAILED_PRECONDITION", "CASE_UNDER_WAY")
    assert dict(answer.details["ErrorInfo"].metadata)["case_id"] == waiting.case_id
    assert (await office.erase("aged_95", "GROUND_ORDER")).code == "OK"


@pytest.mark.parametrize("scope", ["subject", "case_id", "matter"])
async def test_a_hold_stops_erasure_and_retention_until_it_is_lifted(
    office: Office, scope: str
) -> None:
    mine = await office.decide("aged_75")
    held = {
        "subject": office.document("aged_75"),
        "case_id": mine.case_id,
        "matter": "old_age_allowance",
    }
    placed = await office.ask(HOLD, retention_pb2.PlaceHoldResponse, **{scope: held[scope]})

    answer = await office.erase("aged_75", "GROUND_ORDER")

    assert (answer.code, answer.reason) == ("FAILED_PRECONDITION", "UNDER_HOLD")
    office.clock.now += timedelta(days=365 * 11)
    over = await office.ask(RETAIN, retention_pb2.ApplyRetentionResponse)
    assert {one.kind for one in over.overdue} <= {"access"}
    (hold,) = (await office.ask(HOLDS, retention_pb2.ListHoldsResponse)).holds
    assert (hold.index, hold.justification.reason) == (placed.index, WHY["reason"])
    assert (hold.person, hold.case_id, hold.matter) == (
        scope == "subject",
        mine.case_id if scope == "case_id" else "",
        "old_age_allowance" if scope == "matter" else "",
    )
    wrong = await office.call(LIFT, index=0)
    assert (wrong.code, wrong.reason) == ("NOT_FOUND", "HOLD_NOT_FOUND")
    await office.ask(LIFT, retention_pb2.LiftHoldResponse, index=placed.index)
    assert not (await office.ask(HOLDS, retention_pb2.ListHoldsResponse)).holds
    over = await office.ask(RETAIN, retention_pb2.ApplyRetentionResponse)
    assert ("decision", 1) in {(one.kind, one.entries) for one in over.overdue}


async def test_each_kind_goes_when_its_own_term_is_over_and_counting_changes_nothing(
    office: Office,
) -> None:
    asked = service.request_to_prefill(office.people["aged_75"], NOW)
    await office.town.wire.call(PREFILL, service.message(PREFILL, asked))
    decision = await office.decide("aged_75")

    async def retain(days: int, **request: Any) -> dict[tuple[str, str], int]:
        office.clock.now = NOW + timedelta(days=days)
        answer = await office.ask(RETAIN, retention_pb2.ApplyRetentionResponse, **request)
        assert not answer.more
        return {(one.kind, one.matter): one.entries for one in answer.overdue}

    allowance = "old_age_allowance"
    assert await retain(364) == {}
    assert await retain(367, validate_only=True) == {("prefill", allowance): 1}
    assert await retain(367) == {("prefill", allowance): 1}
    assert await retain(367) == {}
    after_five_years = await retain(5 * 366)
    assert after_five_years[("access", allowance)] == 1
    assert ("decision", allowance) not in after_five_years
    ten = await retain(10 * 366)
    assert ten[("decision", allowance)] == 1
    (left,) = await office.found(f"type = decision AND case_id = {decision.case_id}")
    assert (left.erased, left.outcome) == (True, "approved")
    erasures = await office.found("type = erasure")
    assert all("term_over" in one.permanent_json for one in erasures)
    counted = await office.town.wire.call(STATS, service.message(STATS, {}), role="auditor")
    stats = trail_pb2.GetStatsResponse.FromString(counted.responses[0])
    assert stats.releases[0].outcomes == {"approved": 1}, "figures outlive persons"


async def test_two_that_retain_at_once_erase_each_entry_once_and_end(office: Office) -> None:
    for person in ("aged_75", "aged_95"):
        await office.decide(person)
    office.clock.now += timedelta(days=365 * 11)

    async with asyncio.timeout(60):
        both = await asyncio.gather(
            *(office.ask(RETAIN, retention_pb2.ApplyRetentionResponse) for _ in range(3))
        )

    counted = [o.entries for one in both for o in one.overdue if o.kind == "decision"]
    assert sum(counted) == 2


async def test_sealed_parts_are_given_to_an_auditor_once_that_is_on_record(
    office: Office, tmp_path: Path
) -> None:
    decision = await office.decide("aged_75")
    identity = x25519.Identity.generate()
    (tmp_path / "identity").write_text(f"{identity}\n")
    recipient = str(identity.to_public())
    for role in (OFFICER, "operator", "clerk", "portal", "policy_author"):
        refused = await office.call(DISCLOSE, role, recipient=recipient)
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "ROLE_NOT_ALLOWED")

    answer = await office.call(DISCLOSE, "auditor", recipient=recipient, matter="old_age_allowance")

    index = retention_pb2.RecordDisclosureResponse.FromString(answer.responses[0]).index
    (told,) = [one for one in await office.found("type = access") if one.index == index]
    said = json.loads(told.permanent_json)
    assert (said["recipient"], said["matter"]) == (recipient, "old_age_allowance")
    assert (said["legal_basis"], said["reason"]) == (WHY["legal_basis"], WHY["reason"])
    assert (said["method"], said["role"], told.caller) == (
        "RecordDisclosure",
        "auditor",
        said["caller"],
    )
    done = await asyncio.to_thread(
        export, office.town.store, tmp_path / "e", now=NOW, disclosure=index
    )
    found = await asyncio.to_thread(verify_disclosure, tmp_path / "e", tmp_path / "identity")
    assert found == done.disclosed
    assert (found.opened, found.problems) == (1, [])
    opened = open_disclosed(tmp_path / "e", tmp_path / "identity", decision.receipt.index)
    assert opened.subject.endswith(office.people["aged_75"].id_number)


async def test_the_master_key_is_renewed_while_decisions_are_made(office: Office) -> None:
    keys = office.town.store / "master.key"
    before, first = keys.read_bytes(), await office.decide("aged_75")
    refused = await office.town.wire.call(RENEW, service.message(RENEW, {}), role="auditor")
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "ROLE_NOT_ALLOWED")

    answers = await asyncio.gather(
        office.town.wire.call(RENEW, service.message(RENEW, {}), role="operator"),
        *(office.decide(who) for who in ("aged_95", "outside_hukou")),
    )

    done = retention_pb2.RenewMasterKeyResponse.FromString(answers[0].responses[0])
    assert not done.more
    assert keys.read_bytes() != before
    assert before.strip() not in everything(office.town.store)
    told = await office.found("type = key")
    assert [json.loads(one.permanent_json)["role"] for one in told] == ["operator", "operator"]
    assert told[0].index == done.index
    for one in (first, *answers[1:]):
        asked = service.message(RECEIPT, {"case_id": one.case_id})
        receipt = (await office.town.wire.call(RECEIPT, asked)).responses[0]
        text = GetReceiptResponse.FromString(receipt).receipt_json
        assert verify_receipt(text).index == one.receipt.index


@pytest.mark.parametrize(
    ("method", "request_", "field", "reason"),
    [
        (ERASE, {"ground": "GROUND_ORDER"}, "subject", "REQUIRED"),
        (ERASE, {}, "ground", "REQUIRED"),
        (HOLD, {}, "scope", "REQUIRED"),
        (HOLD, {"case_id": "x"}, "case_id", "MALFORMED"),
        (LIFT, {"index": -1}, "index", "OUT_OF_RANGE"),
        (RETAIN, {"justification": {"legal_basis": " ", "reason": "r"}},
         "justification.legal_basis", "REQUIRED"),
        (RETAIN, {"justification": {"legal_basis": "x", "reason": "r" * 501}},
         "justification.reason", "TOO_LONG"),
        (RETAIN, {"justification": {"legal_basis": "x", "reason": "张三 13800000000"}},
         "justification.reason", "PERSONAL"),
        (HOLD, {"matter": "m", "justification": {"legal_basis": "x", "reason": ""}},
         "justification.reason", "REQUIRED"),
        (DISCLOSE, {}, "recipient", "REQUIRED"),
        (DISCLOSE, {"recipient": "age1x"}, "recipient", "RECIPIENT_INVALID"),
        (DISCLOSE, {"recipient": AUDITOR, "matter": "?"}, "matter", "MALFORMED"),
        (DISCLOSE, {"recipient": AUDITOR, "first_index": 3, "end_index": 3},
         "end_index", "OUT_OF_RANGE"),
        (DISCLOSE, {"recipient": AUDITOR, "justification": {"legal_basis": "x", "reason":
         "张三 13800000000"}}, "justification.reason", "PERSONAL"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_by_its_field(
    office: Office, method: str, request_: dict[str, Any], field: str, reason: str
) -> None:
    role = "auditor" if method == DISCLOSE else OFFICER
    answer = await office.call(method, role, **request_)

    assert answer.code == "INVALID_ARGUMENT"
    assert any(at.startswith(field) and why == reason for at, why in answer.fields), answer.fields


async def test_a_hold_on_a_case_that_is_not_there_is_refused(office: Office) -> None:
    answer = await office.call(HOLD, case_id="0" * 32)

    assert (answer.code, answer.reason) == ("NOT_FOUND", "CASE_NOT_FOUND")
