"""The matters of firms, end to end on the registers of the sandbox city and a real store."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from audit.verify import verify_receipt
from decision_service import casework
from decision_service.decide import decide
from decision_service.model import (
    Application,
    Approved,
    Concept,
    Contest,
    Decision,
    EvidenceArrived,
    EvidenceType,
    NeedsCorrection,
    PrefillCompleted,
    PrefillEvent,
    PrefillRequest,
    PrefillStarted,
    Referred,
    Waiting,
)
from decision_service.office import Office
from decision_service.prefill import prefill
from decision_service.replay import Reproduced, replay
from decision_service.waiting import decide_again
from evidence_adapters.sandbox import City, Filing, Firms, Misconduct, Running

FileFor = Callable[..., Application]

MOVE, DEVICES = "business_address_change", "device_filing"
COMPANY, ADDRESS = EvidenceType("company_register"), EvidenceType("address_register")
PROPERTY, LEASE = EvidenceType("property_register"), EvidenceType("lease_register")
CREDIT, DEATHS = EvidenceType("credit_register"), EvidenceType("death_register")
PATIENCE_S = 20.0
"""Nothing here waits for it; a busy machine may need it."""


@pytest.fixture
def cast(people: City, clock: Any, office: Office) -> Mapping[str, Filing]:
    return Firms(people).cast(office.today(clock()))


async def _decide(application: Application, office: Office, clock: Any) -> Decision:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    return await decide(application, office=office, now=clock(), deadline=deadline)


async def _prefill(application: Application, office: Office, clock: Any) -> list[PrefillEvent]:
    request = PrefillRequest(
        **{name: getattr(application, name) for name in PrefillRequest.model_fields}
    )
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    return [
        event async for event in prefill(request, office=office, now=clock(), deadline=deadline)
    ]


def _said(decision: Decision) -> str:
    """The outcome and the requirements that it rests on, e.g. ``referred R1 R4``."""
    if isinstance(decision.outcome, Approved):
        return "approved"
    found = sorted({one.requirement for one in decision.outcome.reasons if one.requirement})
    return " ".join((decision.outcome.kind, *sorted(found, key=lambda one: int(one[1:]))))


ADDRESS_CHANGE = {
    "leased_office": "approved",
    "owned_office": "approved",
    "residential_address": "referred R4",
    "mixed_use_address": "referred R4",
    "illegal_building": "referred R5",
    "crowded_address": "referred R9",
    "other_district": "referred R7",
    "other_city": "referred R7",
    "sealed_property": "referred R6",
    "lease_ended_yesterday": "referred R6",
    "lease_ends_on_filing_day": "approved",
    "lease_of_another": "referred R6",
    "equity_frozen": "referred R8",
    "suspended": "referred R1",
    "revoked": "referred R1",
    "cancelled": "referred R1",
    "abnormal_for_address": "approved",
    "abnormal_for_another_cause": "referred R11",
    "credit_hit": "referred R10",
    "credit_hit_disputed": "approved",
    "house_code_unknown": "needs_correction R3 R4 R5 R6 R7 R9",
    "device_dealer": "approved",
    "no_device_scope": "approved",
    "representative_died": "referred R2",
    "filer_is_another": "referred R2 R6 R10 R11",
    "house_without_deed": "approved",
    "disputed": "referred R1 R2 R6 R7 R8 R10 R11",
}


@pytest.mark.slow
async def test_every_firm_of_the_cast_moves_or_goes_to_a_person(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing]
) -> None:
    """Every edge case of the city to its outcome, each decided again from its record."""
    decisions = {
        name: await _decide(file_for(cast[name], MOVE), office, clock) for name in ADDRESS_CHANGE
    }

    assert {name: _said(decision) for name, decision in decisions.items()} == ADDRESS_CHANGE
    for decision in decisions.values():
        assert await replay(decision.receipt.index, office=office) == Reproduced()


async def test_a_move_is_granted_with_the_new_licence_and_four_papers_fewer(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing]
) -> None:
    filing = cast["leased_office"]
    decision = await _decide(file_for(filing, MOVE), office, clock)

    assert isinstance(decision.outcome, Approved)
    assert [(one.id, one.display.zh) for one in decision.outcome.grant] == [
        ("licence_house_code", filing.house_code),
        ("licence_district", "罗湖区"),
        ("licence_date", office.today(clock()).isoformat()),
    ]
    assert [paper.zh for paper in decision.replaced] == [
        "营业执照副本",
        "法定代表人身份证复印件",
        "房屋编码凭证（地址证明）",
        "房屋租赁合同",
    ]
    assert "免交材料 4 份：" in decision.notice.zh
    receipt = await casework.receipt(decision.case_id, None, caller="portal-test", office=office)
    assert verify_receipt(receipt).subject == f"organisation_code:{filing.firm.code}"


async def test_an_owner_shows_the_deed_and_no_lease(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing]
) -> None:
    decision = await _decide(file_for(cast["owned_office"], MOVE), office, clock)

    assert [paper.en for paper in decision.replaced][-1] == "copy of the deed"
    assert "lease" not in {paper.en for paper in decision.replaced}


@pytest.mark.parametrize(
    ("name", "silent"),
    [
        ("leased_office", COMPANY),
        ("leased_office", DEATHS),
        ("leased_office", ADDRESS),
        ("owned_office", PROPERTY),
        ("leased_office", LEASE),
        ("leased_office", CREDIT),
        ("house_without_deed", LEASE),
    ],
)
async def test_a_silent_register_keeps_the_firm_waiting_and_no_longer_than_it_is_silent(
    office: Office,
    clock: Any,
    file_for: FileFor,
    cast: Mapping[str, Filing],
    running: Running,
    name: str,
    silent: EvidenceType,
) -> None:
    running.misbehave(silent, Misconduct.DOWN)
    waiting = await _decide(file_for(cast[name], MOVE), office, clock)
    assert isinstance(waiting.outcome, Waiting), _said(waiting)
    assert waiting.outcome.waiting_for == (silent,)
    assert await replay(waiting.receipt.index, office=office) == Reproduced()

    running.reset()
    clock.advance(timedelta(minutes=30))
    decided = await decide_again(waiting.case_id, office=office, now=clock())

    assert decided is not None
    assert isinstance(decided.outcome, Approved), _said(decided)
    assert await replay(decided.receipt.index, office=office) == Reproduced()


async def test_what_the_lease_proves_needs_no_deed(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing], running: Running
) -> None:
    """One silent register of two that can prove the same is no reason to wait."""
    running.misbehave(PROPERTY, Misconduct.DOWN)

    decision = await _decide(file_for(cast["leased_office"], MOVE), office, clock)

    assert isinstance(decision.outcome, Approved)


async def test_a_stranger_learns_nothing_of_the_firm_that_is_not_public(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing], running: Running
) -> None:
    decision = await _decide(file_for(cast["filer_is_another"], MOVE), office, clock)

    assert isinstance(decision.outcome, Referred)
    assert {one.evidence_type for one in decision.evidence} == {COMPANY, DEATHS, ADDRESS}
    assert not {LEASE, CREDIT, PROPERTY} & {one.register for one in running.accesses}


async def test_the_deed_is_not_asked_for_without_a_unit(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing]
) -> None:
    decision = await _decide(file_for(cast["house_without_deed"], MOVE), office, clock)

    assert isinstance(decision.outcome, Approved)
    assert PROPERTY not in {one.evidence_type for one in decision.evidence}


@pytest.mark.parametrize(
    ("concept", "requirements"),
    [
        ("premises.lease_end_date", "referred R6"),
        ("organisation.credit_entries", "referred R10"),
        ("organisation.represented_by_applicant", "referred R2 R6 R10 R11"),
    ],
)
async def test_a_contested_value_is_looked_at_by_a_person(
    office: Office,
    clock: Any,
    file_for: FileFor,
    cast: Mapping[str, Filing],
    concept: str,
    requirements: str,
) -> None:
    contest = Contest(concept=Concept(concept), claimed="", text="登记有误")
    application = file_for(cast["leased_office"], MOVE, contests=(contest,))

    decision = await _decide(application, office, clock)

    assert _said(decision) == requirements
    assert await replay(decision.receipt.index, office=office) == Reproduced()


async def test_a_move_is_prefilled_in_two_steps(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing]
) -> None:
    """First what is known of the firm; then, with the house typed, what is known of the house."""
    filing = cast["owned_office"]
    started, *_, completed = await _prefill(file_for(filing, MOVE, answers={}), office, clock)
    assert isinstance(started, PrefillStarted)
    assert isinstance(completed, PrefillCompleted)
    shown = {field.key: field.display.zh for field in completed.fields}
    assert shown["organisation.registration_status"] == "存续（在营）"
    assert shown["premises.use"] == ""

    typed = {"premises.house_code": filing.house_code}
    again, *arrived, completed = await _prefill(
        file_for(filing, MOVE, answers=typed, case_id=started.case_id), office, clock
    )
    assert isinstance(again, PrefillStarted)
    assert isinstance(completed, PrefillCompleted)
    shown = {field.key: field.display.zh for field in completed.fields}
    assert shown["premises.use"] == "商业办公"
    assert shown["premises.owned_by_organisation"] == "是"
    assert {e.evidence.evidence_type for e in arrived if isinstance(e, EvidenceArrived)} == set(
        again.evidence_types
    )
    decision = await _decide(file_for(filing, MOVE, case_id=started.case_id), office, clock)
    assert isinstance(decision.outcome, Approved)
    assert decision.case_id == started.case_id


DEVICE_CAST = {
    "device_dealer": "approved",
    "no_device_scope": "needs_correction R3",
    "house_code_unknown": "needs_correction R3 R4 R5 R6",
    "illegal_building": "needs_correction R3 R5",
    "representative_died": "needs_correction R2 R3",
    "filer_is_another": "needs_correction R2 R3 R6",
    "cancelled": "needs_correction R1 R3",
    "disputed": "referred R1 R2 R3 R6",
}


async def test_what_keeps_a_device_filing_is_told_item_by_item_at_once(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing]
) -> None:
    decisions = {
        name: await _decide(file_for(cast[name], DEVICES), office, clock) for name in DEVICE_CAST
    }

    assert {name: _said(decision) for name, decision in decisions.items()} == DEVICE_CAST


async def test_complete_means_filed_and_the_site_check_is_told(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing]
) -> None:
    """Unmet items come back at once; corrected in the same case, it is filed."""
    dealer = cast["device_dealer"]
    wrong = file_for(dealer, DEVICES)
    answers = {**wrong.answers, "organisation.quality_manager_qualification": "neither"}
    first = await _decide(wrong.model_copy(update={"answers": answers}), office, clock)
    assert isinstance(first.outcome, NeedsCorrection)
    assert _said(first) == "needs_correction R8"

    second = await _decide(file_for(dealer, DEVICES, case_id=first.case_id), office, clock)

    assert isinstance(second.outcome, Approved)
    granted = {one.id: one for one in second.outcome.grant}
    assert list(granted) == ["filed_on", "business_mode", "premises_filed", "site_check_until"]
    assert granted["filed_on"].value == office.today(clock())
    assert f"可能开展现场核查的期限止：{granted['site_check_until'].value}" in second.notice.zh
    assert "免交材料 4 份" in second.notice.zh
    assert await replay(second.receipt.index, office=office) == Reproduced()


async def test_a_firm_files_once_however_often_and_whoever_files(
    office: Office, clock: Any, file_for: FileFor, cast: Mapping[str, Filing]
) -> None:
    applications = [file_for(cast["device_dealer"], DEVICES) for _ in range(64)]

    decisions = await asyncio.gather(*(_decide(one, office, clock) for one in applications))

    outcomes = [decision.outcome for decision in decisions]
    assert sum(isinstance(outcome, Approved) for outcome in outcomes) == 1
    assert all(
        isinstance(outcome, Approved) or outcome.reasons[0].code == "ALREADY_GRANTED"
        for outcome in outcomes
    )
