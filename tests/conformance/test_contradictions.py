"""Two registers that disagree, on real sockets and a real store: nobody is decided by either."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from audit.trail.queries import Is
from decision_service.decide import decide
from decision_service.model import Application, Approved, Decision, Referred
from decision_service.office import Office
from decision_service.record import TICKET
from decision_service.replay import Reproduced, replay
from decision_service.server.writing import write_decision
from evidence_adapters.sandbox import City

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
