"""What a second source can do: raise a doubt about a known fact, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from decision_service.judge import contradictions, judge
from decision_service.model import (
    Approved,
    Concept,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    Facts,
    Held,
    Known,
    NeedsCorrection,
    Referred,
    Text,
    Unknown,
    Why,
)
from decision_service.release import Gap, Release, restore
from decision_service.settle import settle
from tests import firms
from tests.firms import ADDRESS, COMPANY, DAY, LEGAL, NOW, OWNED, PROPERTY, REPRESENTED, UNIT

WATERWORKS = Text(zh="水务", en="waterworks")
WATER = EvidenceType("water_register")
AWAY = Unknown(why=Why.UNAVAILABLE)


@pytest.fixture(scope="module")
def release() -> Release:
    """The matter of the small city, where the waterworks know of houses, too."""
    plain = firms.release()
    company = plain.registers[COMPANY]
    water = company.model_copy(
        update={
            "key": WATER,
            "name": WATERWORKS,
            "owner": WATERWORKS,
            "concepts": (),
            "doubts": (LEGAL, UNIT),
        }
    )
    return replace(plain, registers={**plain.registers, WATER: water})


def said(key: EvidenceType, values: Mapping[Concept, Held], **changes: Any) -> Evidence:
    return Evidence(
        **{
            "query_id": "q",
            "evidence_type": key,
            "about": "organisation",
            "provider": Text(zh="登记", en="register"),
            "status": EvidenceStatus.MATCH,
            "retrieved_at": NOW,
            "as_of": NOW,
            "values": values,
            **changes,
        }
    )


def settled(release: Release, *evidence: Evidence, contested: frozenset[Concept]) -> Facts:
    others = [said(key, firms.VALUES[key]) for key in firms.VALUES if key is not ADDRESS]
    return settle(
        release,
        [*others, *evidence],
        {"agreed": True},
        contested,
        filing_date=DAY,
        decide_time=NOW,
    )


IN_DOUBT = Unknown(
    why=Why.CONTRADICTED,
    said=(Known(value=True, source=ADDRESS), Known(value=False, source=WATER)),
)
HOUSE: Mapping[Concept, Held] = {LEGAL: True, UNIT: "unit-7"}


@pytest.mark.parametrize(
    ("house", "water", "fact"),
    [
        pytest.param({}, {"values": {LEGAL: False}}, IN_DOUBT, id="it says something else"),
        pytest.param({}, {"values": {LEGAL: True}}, Known(value=True, source=ADDRESS), id="agrees"),
        pytest.param({}, {"values": {}}, Known(value=True, source=ADDRESS), id="says nothing"),
        pytest.param(
            {},
            {"values": {LEGAL: False}, "as_of": NOW - timedelta(days=2)},
            Known(value=True, source=ADDRESS),
            id="it is older than the concept allows",
        ),
        pytest.param(
            {},
            {"values": {LEGAL: False}, "as_of": None},
            Known(value=True, source=ADDRESS),
            id="it is of no time",
        ),
        pytest.param(
            {},
            {"values": {LEGAL: "no"}},
            Known(value=True, source=ADDRESS),
            id="it says what the concept cannot be",
        ),
        pytest.param(
            {},
            {"status": EvidenceStatus.UNAVAILABLE, "values": {}},
            Known(value=True, source=ADDRESS),
            id="it is away",
        ),
        pytest.param(
            {},
            {"status": EvidenceStatus.NO_RECORD_AUTHORITATIVE, "values": {LEGAL: False}},
            IN_DOUBT,
            id="its authoritative absence says something else",
        ),
        pytest.param(
            {"status": EvidenceStatus.UNAVAILABLE, "values": {}},
            {"values": {LEGAL: True}},
            AWAY,
            id="the authoritative one is away: it is not replaced",
        ),
        pytest.param(
            {"values": {UNIT: "unit-7"}},
            {"values": {LEGAL: True}},
            Unknown(why=Why.NO_RECORD_INCONCLUSIVE),
            id="the authoritative one says nothing: it is not replaced",
        ),
    ],
)
def test_a_second_source_raises_a_doubt_and_does_nothing_else(
    release: Release, house: dict[str, Any], water: dict[str, Any], fact: Known | Unknown
) -> None:
    evidence = said(ADDRESS, **{"values": HOUSE, **house}), said(WATER, **water)
    facts = settled(release, *evidence, contested=frozenset())

    assert facts[LEGAL] == fact


def test_what_is_contested_is_told_as_contested(release: Release) -> None:
    evidence = said(ADDRESS, HOUSE), said(WATER, {LEGAL: False})

    facts = settled(release, *evidence, contested=frozenset({LEGAL}))

    assert facts[LEGAL] == Unknown(why=Why.CONTESTED)


def test_what_was_found_by_a_key_in_doubt_is_in_doubt_itself(release: Release) -> None:
    """The deed of the house that one register names and another does not."""
    evidence = said(ADDRESS, HOUSE), said(WATER, {UNIT: "unit-8"})
    facts = settled(release, *evidence, contested=frozenset())

    assert facts[OWNED] == Unknown(why=Why.CONTRADICTED)
    assert isinstance(facts[REPRESENTED], Known)
    assert [one.concept for one in contradictions(release, facts)] == [UNIT]


def test_a_person_decides_and_reads_both_values(release: Release) -> None:
    evidence = said(ADDRESS, HOUSE), said(WATER, {LEGAL: False})
    without = judge(
        release, settled(release, evidence[0], contested=frozenset()), wait_until=None
    ).outcome
    facts = settled(release, *evidence, contested=frozenset())
    outcome = judge(release, facts, wait_until=NOW + timedelta(days=1)).outcome

    assert isinstance(without, Approved)
    assert isinstance(outcome, Referred)
    reason = outcome.reasons[0]
    assert reason.code == "SOURCES_CONTRADICT"
    assert reason.text.zh == (
        "“合法”在各登记机关的记载不一致（address_register：是；水务：否），"
        "已请address_register核实，并转人工办理，不影响您的权益。"
    )
    assert [(one.source, one.value.en) for one in reason.used] == [(ADDRESS, "yes"), (WATER, "no")]


def test_the_applicant_still_corrects_what_is_theirs(release: Release) -> None:
    gap = Gap(field="house_code", code="ANSWER_MISSING", text=Text(zh="请填", en="fill in"))
    facts = settled(
        release, said(ADDRESS, HOUSE), said(WATER, {LEGAL: False}), contested=frozenset()
    )
    outcome = judge(release, facts, gaps=(gap,), wait_until=None).outcome

    assert isinstance(outcome, NeedsCorrection)
    assert [one.code for one in outcome.reasons][-1] == "SOURCES_CONTRADICT"


def test_several_second_sources_are_all_told(release: Release) -> None:
    gas = EvidenceType("gas_register")
    more = release.registers[WATER].model_copy(update={"key": gas})
    with_gas = replace(release, registers={**release.registers, gas: more})
    evidence = said(ADDRESS, HOUSE), said(WATER, {LEGAL: False}), said(gas, {LEGAL: False})
    facts = settled(with_gas, *evidence, contested=frozenset())

    (found,) = contradictions(with_gas, facts)
    assert [one.evidence_type for one in found.claims] == [ADDRESS, WATER, gas]


def test_a_release_keeps_what_doubts_in_its_archive_and_others_keep_their_digest() -> None:
    plain = firms.release()

    assert b"doubts" not in plain.archive
    assert restore(plain.archive).digest == plain.digest
    assert PROPERTY in plain.registers
