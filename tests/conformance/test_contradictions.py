"""Two registers that disagree, on real sockets and a real store: nobody is decided by either."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any
from uuid import uuid4

import pytest

from audit.trail import Entry, Recorded
from audit.trail.queries import Is
from decision_service import aftercare
from decision_service.casework import file_of
from decision_service.decide import decide
from decision_service.errors import PreconditionError
from decision_service.model import (
    Application,
    Approved,
    Check,
    Concept,
    Contest,
    Decision,
    Referred,
)
from decision_service.office import Office
from decision_service.record import TICKET
from decision_service.replay import Reproduced, replay
from decision_service.server.writing import write_decision
from evidence_adapters.sandbox import City
from tests.acceptance.rights import task, viewer

ApplyFor = Callable[..., Application]


async def _decide(application: Application, office: Office, clock: Any) -> Decision:
    deadline = asyncio.get_running_loop().time() + 5.0
    return await decide(application, office=office, now=clock(), deadline=deadline)


async def _tickets(office: Office) -> tuple[Any, ...]:
    return await office.record.find(Is("type", "=", TICKET), before=1_000, limit=100)


async def test_two_registers_disagree_and_a_person_decides(
    office: Office, people: City, clock: Any, apply_for: ApplyFor
) -> None:
    """The payer heard of a death that no register of deaths knows of: both are kept and told."""
    person = people.cast(office.today(clock()))["reported_dead"]
    decision = await _decide(apply_for(person, "old_age_allowance"), office, clock)

    assert isinstance(decision.outcome, Referred)
    assert decision.outcome.reasons[0].code == "SOURCES_CONTRADICT"
    (found,) = decision.contradictions
    assert found.concept == "applicant.living_status"
    assert [(one.evidence_type, one.value) for one in found.claims] == [
        ("death_register", "living"),
        ("payment_ledger", "deceased"),
    ]
    assert "健在" in decision.notice.zh
    assert "deceased" in decision.notice.en
    assert await replay(decision.receipt.index, office=office) == Reproduced()
    _, kept = await office.record.decision_at(decision.receipt.index)
    assert kept == decision
    values = {one.evidence_type: dict(one.values) for one in kept.evidence}
    assert values["death_register"]["applicant.living_status"] == "living"  # type: ignore[index]
    assert values["payment_ledger"]["applicant.living_status"] == "deceased"  # type: ignore[index]


async def test_the_owner_of_the_authoritative_register_has_one_ticket_however_often_it_is_seen(
    office: Office, people: City, clock: Any, apply_for: ApplyFor
) -> None:
    cast = people.cast(office.today(clock()))
    first = await _decide(apply_for(cast["reported_dead"], "old_age_allowance"), office, clock)
    again = await _decide(apply_for(cast["reported_dead"], "old_age_allowance"), office, clock)
    fine = await _decide(apply_for(cast["aged_75"], "old_age_allowance"), office, clock)

    assert isinstance(again.outcome, Referred)
    assert isinstance(fine.outcome, Approved)
    (ticket,) = await _tickets(office)
    assert ticket.index < first.receipt.index
    permanent = ticket.leaf.permanent
    assert permanent["case_id"] == first.case_id
    assert permanent["concept"] == "applicant.living_status"
    assert permanent["owner"] == {"zh": "卫健、民政、公安", "en": "health, civil affairs, police"}
    assert permanent["registers"] == ["death_register", "payment_ledger"]
    assert permanent["reasons"] == ["SOURCES_CONTRADICT"]
    told = json.dumps(permanent, ensure_ascii=False)
    assert not any(word in told for word in ('living"', "deceased", "健在", "死亡", "99000019"))
    opened = await office.record.recorded(ticket.index)
    assert opened.subject == f"resident_id:{cast['reported_dead'].id_number}"
    assert isinstance(opened.sealed, dict)
    queries = {one.evidence_type: one.query_id for one in first.evidence}
    assert opened.sealed["query_ids"] == queries


async def test_the_wire_has_both_values_and_how_each_answer_came(
    office: Office, people: City, clock: Any, apply_for: ApplyFor
) -> None:
    person = people.cast(office.today(clock()))["reported_dead"]
    decision = await _decide(apply_for(person, "old_age_allowance"), office, clock)
    written = write_decision(decision)

    (found,) = written.contradictions
    assert [(one.evidence_type, one.name.en, one.display.zh) for one in found.claims] == [
        ("death_register", "deaths, burials, closed household entries", "健在"),
        ("payment_ledger", "ledger of old-age allowances in payment", "死亡"),
    ]
    assert found.owner.zh == "卫健、民政、公安"
    assert {one.freshness for one in written.evidence} == {1}


# ── the owner has checked ────────────────────────────────────────────────────────────────────────


async def _open(office: Office, clock: Any, register: str = "") -> tuple[Recorded, ...]:
    return await aftercare.open_tickets(register, viewer(clock), office=office)


async def _resolve(ticket: str, office: Office, clock: Any, *, corrected: bool) -> None:
    done = task("ResolveTicket", clock)
    await aftercare.resolve(done, ticket, corrected=corrected, text="人口系统在册", office=office)


def _check(decision: Decision) -> Check:
    (found,) = decision.contradictions
    assert found.check is not None
    return found.check


async def test_a_ticket_of_a_contradiction_is_listed_beside_objections_and_answered_once(
    office: Office, people: City, clock: Any, apply_for: ApplyFor
) -> None:
    cast = people.cast(office.today(clock()))
    wrong = Contest(concept=Concept("applicant.birth_date"), claimed="1950-12-02", text="")
    objected = await _decide(
        apply_for(cast["aged_75"], "old_age_allowance", contests=(wrong,)), office, clock
    )
    met = await _decide(apply_for(cast["reported_dead"], "old_age_allowance"), office, clock)
    newest, oldest = await _open(office, clock)
    of_deaths = await _open(office, clock, "death_register")
    number = _check(met).ticket
    await _resolve(number, office, clock, corrected=False)
    with pytest.raises(PreconditionError) as twice:
        await _resolve(number, office, clock, corrected=True)
    left = await _open(office, clock)
    case = await office.record.case(met.case_id)
    assert case is not None
    events = (await file_of(case, office)).events

    assert (oldest.permanent["case_id"], newest.permanent["case_id"]) == (
        objected.case_id,
        met.case_id,
    )
    assert [one.permanent["ticket"] for one in of_deaths] == [number]
    assert aftercare.doubted_by(newest) == ("payment_ledger",)
    assert aftercare.doubted_by(oldest) == ()
    assert twice.value.reason == "TICKET_RESOLVED"
    assert [one.index for one in left] == [oldest.index]
    assert [one.step.model_dump(exclude={"kind"}) for one in events] == [
        {
            "ticket": number,
            "concept": "applicant.living_status",
            "corrected": False,
            "text": "人口系统在册",
        }
    ]


async def test_what_the_owner_has_checked_is_told_as_checked_and_a_person_still_decides(
    office: Office, people: City, clock: Any, apply_for: ApplyFor
) -> None:
    person = people.cast(office.today(clock()))["reported_dead"]
    first = await _decide(apply_for(person, "old_age_allowance"), office, clock)
    await _resolve(_check(first).ticket, office, clock, corrected=False)
    checked_time = clock()
    clock.advance(timedelta(days=1))
    second = await _decide(apply_for(person, "old_age_allowance"), office, clock)

    assert _check(first) == Check(ticket=_check(first).ticket)
    assert _check(second) == Check(
        ticket=_check(first).ticket, time=checked_time, text="人口系统在册"
    )
    assert isinstance(second.outcome, Referred), "the second register still says otherwise"
    assert "已请卫健、民政、公安核实" in first.notice.zh
    told = f"卫健、民政、公安此前已核实，其记载无误（校核单 {_check(first).ticket}）"
    assert told in second.notice.zh
    assert "checked before, and its record stands" in second.notice.en
    assert "asked to check" not in second.notice.en
    assert await _open(office, clock) == ()
    for one in (first, second):
        assert await replay(one.receipt.index, office=office) == Reproduced()
    (wire,) = write_decision(second).contradictions
    assert (wire.check.ticket, wire.check.text) == (_check(first).ticket, "人口系统在册")
    assert wire.check.answer_time.ToDatetime(tzinfo=UTC) == checked_time


async def test_a_contradiction_that_is_there_again_after_a_correction_is_asked_about_again(
    office: Office, people: City, clock: Any, apply_for: ApplyFor
) -> None:
    person = people.cast(office.today(clock()))["reported_dead"]
    first = await _decide(apply_for(person, "old_age_allowance"), office, clock)
    await _resolve(_check(first).ticket, office, clock, corrected=True)
    second = await _decide(apply_for(person, "old_age_allowance"), office, clock)
    third = await _decide(apply_for(person, "old_age_allowance"), office, clock)

    assert _check(second).ticket != _check(first).ticket
    assert _check(second) == _check(third)
    assert _check(third).time is None
    assert [one.permanent["ticket"] for one in await _open(office, clock)] == [_check(third).ticket]


async def test_many_who_meet_a_contradiction_at_once_open_one_ticket(
    office: Office, people: City, clock: Any, apply_for: ApplyFor
) -> None:
    person = people.cast(office.today(clock()))["reported_dead"]
    decisions = await asyncio.gather(
        *(_decide(apply_for(person, "old_age_allowance"), office, clock) for _ in range(8))
    )

    assert len({_check(one).ticket for one in decisions}) == 1
    assert len(await _open(office, clock)) == 1


async def test_a_ticket_of_before_they_had_numbers_is_opened_again_under_one(
    office: Office, people: City, clock: Any, apply_for: ApplyFor
) -> None:
    """Nobody can name it, so nobody could answer it."""
    person = people.cast(office.today(clock()))["reported_dead"]
    first = await _decide(apply_for(person, "old_age_allowance"), office, clock)
    (opened,) = await _open(office, clock)
    old = {name: opened.permanent[name] for name in opened.permanent if name != "ticket"}
    assert isinstance(opened.sealed, dict)
    key = office.record.contradiction_key(opened.subject, first.contradictions[0])
    entry = Entry(
        type=TICKET,
        id=str(uuid4()),
        time=clock(),
        permanent=old,
        sealed=opened.sealed,
        subject=opened.subject,
    )
    await office.record.claim(entry, {key: opened.index})
    again = await _decide(apply_for(person, "old_age_allowance"), office, clock)

    assert _check(again).ticket != _check(first).ticket


async def test_a_ticket_about_somebody_who_was_erased_can_still_be_answered(
    office: Office, people: City, clock: Any, apply_for: ApplyFor
) -> None:
    """Its owner works through a list of numbers, and the person may come back."""
    person = people.cast(office.today(clock()))["reported_dead"]
    first = await _decide(apply_for(person, "old_age_allowance"), office, clock)
    subject = f"resident_id:{person.id_number}"
    await office.record.erase(subject, reason="个人信息保护法 第四十七条", time=clock(), told={})
    listed = await _open(office, clock)
    await _resolve(_check(first).ticket, office, clock, corrected=False)
    left = await _open(office, clock)
    again = await _decide(apply_for(person, "old_age_allowance"), office, clock)

    assert [one.permanent["ticket"] for one in listed] == [_check(first).ticket]
    assert left == ()
    assert isinstance(again.outcome, Referred)
    assert _check(again).ticket != _check(first).ticket, "what was erased is known no more"
    assert _check(again).time is None
