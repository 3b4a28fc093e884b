"""What is the firm's and what is the person's: parties, cases, grants and the trail of a firm."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from audit.trail import Trail
from audit.verify import verify_receipt
from decision_service import casework, errors
from decision_service.catalogue import Catalogue
from decision_service.decide import decide
from decision_service.model import (
    Application,
    Approved,
    Decision,
    Document,
    EvidenceArrived,
    EvidenceStatus,
    EvidenceType,
    PrefillCompleted,
    PrefillEvent,
    PrefillRequest,
    PrefillStarted,
    Referred,
    Waiting,
)
from decision_service.office import Office
from decision_service.prefill import prefill
from decision_service.record import Record
from decision_service.replay import Reproduced, replay
from decision_service.waiting import decide_again
from tests import firms
from tests.firms import ADDRESS, COMPANY, CREDIT, FIRM, PERSON, PROPERTY, VALUES, Register

Apply = Callable[..., Application]


@pytest.fixture
def city(clock: Any) -> dict[EvidenceType, Register]:
    return {key: Register(values, as_of=clock()) for key, values in VALUES.items()}


@pytest.fixture
async def office(trail: Trail, city: dict[EvidenceType, Register]) -> Office:
    """An office that has the small matter of firms and nothing else."""
    catalogue = Catalogue([firms.release()])
    record = Record(trail)
    for release in catalogue.releases:
        await record.archive(release.digest, release.archive)
    return Office(
        catalogue=catalogue,
        sources=city,
        record=record,
        zone=ZoneInfo("Asia/Shanghai"),
        alarm=lambda decision: pytest.fail(str(decision)),
    )


@pytest.fixture
def apply(clock: Any) -> Apply:
    def made(*parties: Any, **changes: Any) -> Application:
        return firms.application(*parties, now=clock(), **changes)

    return made


def _soon() -> float:
    return asyncio.get_running_loop().time() + 10.0


async def _decide(application: Application, office: Office, clock: Any) -> Decision:
    return await decide(application, office=office, now=clock(), deadline=_soon())


async def _prefill(application: Application, office: Office, clock: Any) -> list[PrefillEvent]:
    parts = {name: getattr(application, name) for name in PrefillRequest.model_fields}
    events = prefill(PrefillRequest(**parts), office=office, now=clock(), deadline=_soon())
    return [event async for event in events]


async def _refused(application: Application, office: Office, clock: Any) -> set[tuple[str, str]]:
    with pytest.raises(errors.InvalidRequestError) as caught:
        await _decide(application, office, clock)
    return {(one.field, one.reason) for one in caught.value.fields}


async def _entries(office: Office, type_: str) -> list[Any]:
    """Every entry of a type, in the order of the trail."""
    found = [await office.record.recorded(at) for at in range(office.record._trail.size())]
    return [one for one in found if one.type == type_]


async def test_the_firm_is_the_subject_and_the_receipt_is_the_firms(
    office: Office, clock: Any, apply: Apply
) -> None:
    decision = await _decide(apply(), office, clock)

    assert isinstance(decision.outcome, Approved)
    report = verify_receipt(
        await casework.receipt(decision.case_id, None, caller="portal-test", office=office)
    )
    assert report.subject == FIRM.subject
    assert "免交材料 2 份：营业执照副本、房产证" in decision.notice.zh
    assert "did not have to bring: 2 (copy of the licence; deed)" in decision.notice.en
    assert await replay(decision.receipt.index, office=office) == Reproduced()


async def test_firm_and_person_can_each_learn_who_asked_for_their_data(
    office: Office, clock: Any, apply: Apply
) -> None:
    """The person's number goes to one register, the firm's to three."""
    await _prefill(apply(), office, clock)
    await _decide(apply(), office, clock)

    asked = {
        (entry.permanent["flow"], entry.subject): [
            query["evidence_type"] for query in entry.permanent["queries"]
        ]
        for entry in await _entries(office, "access/1")
    }
    everything = [COMPANY, ADDRESS, PROPERTY, CREDIT]
    assert asked == {
        ("prefill", FIRM.subject): everything,
        ("prefill", PERSON.subject): [COMPANY],
        ("decide", PERSON.subject): [COMPANY],
    }
    assert [entry.subject for entry in await _entries(office, "decision/1")] == [FIRM.subject]


async def test_a_firm_is_granted_once_whoever_files_for_it(
    office: Office, clock: Any, apply: Apply
) -> None:
    applications = [apply(firms.person(number)) for number in range(64)]

    decisions = await asyncio.gather(*(_decide(one, office, clock) for one in applications))

    outcomes = [type(decision.outcome) for decision in decisions]
    assert outcomes.count(Approved) == 1
    assert outcomes.count(Referred) == 63
    other = await _decide(apply(firms.person(0), firms.firm(2)), office, clock)
    assert isinstance(other.outcome, Approved), "the same person files for another firm"


async def test_the_case_is_the_firms_and_no_other_firms(
    office: Office, clock: Any, apply: Apply
) -> None:
    """A new representative goes on with it; the same person for another firm does not."""
    first = await _decide(apply(answers={}), office, clock)

    with pytest.raises(errors.NotFoundError) as caught:
        await _decide(apply(PERSON, firms.firm(2), case_id=first.case_id), office, clock)
    assert caught.value.reason == "CASE_NOT_FOUND"

    second = await _decide(apply(firms.person(2), FIRM, case_id=first.case_id), office, clock)
    assert isinstance(second.outcome, Approved)
    assert second.case_id == first.case_id


async def test_a_firm_that_is_missing_or_cannot_be_is_told_field_by_field(
    office: Office, clock: Any, apply: Apply
) -> None:
    assert await _refused(apply(parties=(PERSON,)), office, clock) == {
        ("parties", "NO_ORGANISATION")
    }
    codeless = FIRM.model_copy(update={"documents": PERSON.documents})
    assert await _refused(apply(PERSON, codeless), office, clock) == {
        ("parties[1].documents", "NO_ORGANISATION_CODE")
    }
    wrong = FIRM.documents[0].model_copy(update={"number": "919900000000000000"})
    misspelt = FIRM.model_copy(update={"documents": (wrong,)})
    assert await _refused(apply(PERSON, misspelt, channel="fax"), office, clock) == {
        ("channel", "CHANNEL_NOT_OFFERED"),
        ("parties[1].documents[0].number", "NOT_AN_ORGANISATION_CODE"),
    }


async def test_a_document_that_nobody_authenticated_with_speaks_for_nobody(
    office: Office, clock: Any, apply: Apply
) -> None:
    """Registers are asked by the identity number, so that is what must have been proven."""
    passport = Document(kind="passport", number="E00000000")
    stranger = PERSON.model_copy(update={"documents": (passport,)})
    claimed = PERSON.model_copy(update={"documents": (passport, *PERSON.documents)})
    authority = apply().authority.model_copy(update={"person": stranger})

    with pytest.raises(errors.NotAuthorizedError) as caught:
        await _decide(apply(parties=(claimed, FIRM), authority=authority), office, clock)
    assert caught.value.reason == "NO_AUTHORITY_FOR_PARTY"


async def test_prefill_asks_more_once_the_house_is_typed(
    office: Office, clock: Any, apply: Apply, city: dict[EvidenceType, Register]
) -> None:
    started, *arrived, completed = await _prefill(apply(answers={}), office, clock)

    assert isinstance(started, PrefillStarted)
    assert isinstance(completed, PrefillCompleted)
    assert started.evidence_types == (COMPANY, CREDIT)
    assert len(arrived) == 2
    assert not city[ADDRESS].keys
    assert [one.en for one in completed.replaced] == ["copy of the licence"]

    typed = apply(answers={"house_code": "0007"}, case_id=started.case_id)
    again, *arrived, completed = await _prefill(typed, office, clock)

    assert isinstance(again, PrefillStarted)
    assert isinstance(completed, PrefillCompleted)
    assert again.case_id == started.case_id
    assert {
        event.evidence.evidence_type for event in arrived if isinstance(event, EvidenceArrived)
    } == {COMPANY, ADDRESS, PROPERTY, CREDIT}
    assert [one.en for one in completed.replaced] == ["copy of the licence", "deed"]


async def test_prefill_takes_no_answer_that_the_form_has_not(
    office: Office, clock: Any, apply: Apply
) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        await _prefill(apply(answers={"shoe_size": "43"}), office, clock)
    assert caught.value.fields[0].reason == "UNKNOWN_FIELD"


@pytest.mark.parametrize("away", [COMPANY, ADDRESS, PROPERTY, CREDIT])
async def test_a_case_waits_in_both_waves_and_is_decided_when_the_source_is_back(
    office: Office, clock: Any, apply: Apply, city: dict[EvidenceType, Register], away: EvidenceType
) -> None:
    city[away].status = EvidenceStatus.UNAVAILABLE
    waiting = await _decide(apply(), office, clock)
    assert isinstance(waiting.outcome, Waiting)
    assert waiting.outcome.waiting_for == (away,)
    assert await replay(waiting.receipt.index, office=office) == Reproduced()
    assert await decide_again(waiting.case_id, office=office, now=clock()) is None

    city[away].status = EvidenceStatus.MATCH
    clock.advance(timedelta(hours=1))
    decided = await decide_again(waiting.case_id, office=office, now=clock())

    assert decided is not None
    assert isinstance(decided.outcome, Approved)
    assert await replay(decided.receipt.index, office=office) == Reproduced()
