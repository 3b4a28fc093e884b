"""What is known: nothing is guessed."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from decision_service.catalogue import Catalogue
from decision_service.model import (
    BooleanType,
    Concept,
    DateType,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    Fact,
    Known,
    MatterId,
    NumberType,
    OptionType,
    Text,
    TextType,
    Unknown,
    Value,
    Why,
    fits,
)
from decision_service.release import Release
from decision_service.settle import settle

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
BIRTH = Concept("applicant.birth_date")
HUKOU = Concept("applicant.hukou_city")
POPULATION = EvidenceType("population_register")
VALUES: Mapping[Concept, Value] = {BIRTH: date(1950, 5, 6), HUKOU: "shenzhen"}


@pytest.fixture
def release(published: Catalogue) -> Release:
    return published.release_on(MatterId("old_age_allowance"), NOW.date())


def _evidence(**changes: Any) -> Evidence:
    return Evidence(
        **{
            "query_id": "q-1",
            "evidence_type": POPULATION,
            "about": "applicant",
            "provider": Text(zh="公安", en="police"),
            "status": EvidenceStatus.MATCH,
            "retrieved_at": NOW,
            "as_of": NOW,
            "values": VALUES,
            **changes,
        }
    )


def _birth_date(release: Release, *evidence: Evidence, contested: bool = False) -> Fact:
    return settle(
        release,
        evidence,
        {},
        frozenset({BIRTH}) if contested else frozenset(),
        filing_date=NOW.date(),
        decide_time=NOW,
    )[BIRTH]


def test_a_fresh_match_is_known_and_names_its_source(release: Release) -> None:
    assert _birth_date(release, _evidence()) == Known(
        value=date(1950, 5, 6), source="population_register"
    )


@pytest.mark.parametrize("status", sorted(set(EvidenceStatus) - {EvidenceStatus.MATCH}))
def test_every_other_status_is_unknown_by_its_own_name(
    release: Release, status: EvidenceStatus
) -> None:
    assert _birth_date(release, _evidence(status=status, values={})) == Unknown(why=Why(status))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"as_of": NOW - timedelta(days=1, minutes=1)}, Why.STALE, id="a day old"),
        pytest.param({"as_of": None}, Why.STALE, id="of no time"),
        pytest.param({"values": {}}, Why.NO_RECORD_INCONCLUSIVE, id="without the value"),
        pytest.param({"values": {BIRTH: date(1850, 1, 1)}}, Why.OUT_OF_RANGE, id="too old to live"),
        pytest.param({"values": {BIRTH: "1950-05-06"}}, Why.OUT_OF_RANGE, id="text for a day"),
        pytest.param(
            {"evidence_type": EvidenceType("death_register")}, Why.NOT_ASKED, id="another register"
        ),
    ],
)
def test_what_cannot_be_believed_is_unknown(
    release: Release, changes: dict[str, Any], why: Why
) -> None:
    assert _birth_date(release, _evidence(**changes)) == Unknown(why=why)


def test_evidence_as_old_as_its_freshness_allows_is_known(release: Release) -> None:
    assert isinstance(_birth_date(release, _evidence(as_of=NOW - timedelta(days=1))), Known)


def test_what_is_contested_is_unknown_whatever_the_register_says(release: Release) -> None:
    assert _birth_date(release, _evidence(), contested=True) == Unknown(why=Why.CONTESTED)


def test_every_concept_of_the_release_has_a_fact(release: Release) -> None:
    facts = settle(release, (), {}, frozenset(), filing_date=NOW.date(), decide_time=NOW)

    assert set(facts) == set(release.meanings)
    assert facts[Concept("filing_date")] == Known(value=NOW.date(), source="service")


OPTIONS = OptionType(options={"a": Text(zh="甲", en="A")})


@pytest.mark.parametrize(
    ("value", "type_", "is_one"),
    [
        (True, BooleanType(), True),
        (Decimal(1), BooleanType(), False),
        (True, NumberType(), False),
        (Decimal("1.5"), NumberType(scale=1), True),
        (Decimal("1.50"), NumberType(scale=1), False),
        (Decimal("NaN"), NumberType(scale=1), False),
        (date(2020, 1, 1), DateType(), True),
        ("2020-01-01", DateType(), False),
        ("a", OPTIONS, True),
        ("甲", OPTIONS, False),
        ("anything", TextType(), True),
    ],
)
def test_a_value_is_of_one_type_only(value: Any, type_: Any, is_one: bool) -> None:  # noqa: FBT001 - a column of the table
    assert fits(value, type_) is is_one
