"""S8 over the published releases: a second source only ever makes an outcome less sure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision_service.catalogue import Catalogue
from decision_service.judge import contradictions, judge
from decision_service.model import (
    DECLARED,
    FILING_DATE,
    SERVICE,
    Approved,
    BooleanType,
    Concept,
    ConceptType,
    DateType,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    Facts,
    Held,
    Known,
    ListType,
    NeedsCorrection,
    NumberType,
    OptionType,
    Outcome,
    Referred,
    Refused,
    RegisterMeaning,
    Text,
    TextType,
    Unknown,
    Value,
    Why,
)
from decision_service.release import Release
from decision_service.settle import settle

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
SECOND = EvidenceType("second_register")
VOUCHING = (EvidenceStatus.MATCH, EvidenceStatus.NO_RECORD_AUTHORITATIVE)


@pytest.fixture(scope="module")
def doubted(published: Catalogue) -> Sequence[Release]:
    """Every published release, where a register that nobody asked before knows everything too."""
    return tuple(_with_second_source(release) for release in published.releases)


def _with_second_source(release: Release) -> Release:
    second = RegisterMeaning(
        key=SECOND,
        name=Text(zh="另一登记", en="second register"),
        owner=Text(zh="另一机关", en="another office"),
        keys=("id_number",),
        concepts=(),
        doubts=tuple(
            meaning.concept
            for meaning in release.meanings.values()
            if meaning.source not in {DECLARED, SERVICE} and not isinstance(meaning.type, ListType)
        ),
        complete=True,
        absent={},
        digest="0" * 64,
    )
    return replace(release, registers={**release.registers, SECOND: second})


def _value(type_: ConceptType, dice: random.Random) -> Held:
    match type_:
        case BooleanType():
            return dice.random() < 0.5
        case OptionType(options=options):
            return dice.choice(sorted(options))
        case NumberType():
            return Decimal(dice.choice((0, 1, 12, 9_999)))
        case TextType():
            return dice.choice(("a", "b"))
        case DateType():
            return NOW.date() - timedelta(days=dice.choice((0, 1, 365, 30_000)))
        case ListType():
            return ()


def _evidence(
    key: EvidenceType, values: Mapping[Concept, Held], dice: random.Random, *, well: float
) -> Evidence:
    """An answer; so often one that vouches, and is fresh."""
    status = EvidenceStatus.MATCH if dice.random() < well else dice.choice([*EvidenceStatus])
    as_of = NOW if dice.random() < well else dice.choice((None, NOW - timedelta(days=400)))
    return Evidence(
        query_id="q",
        evidence_type=key,
        about="applicant",
        provider=Text(zh="某机关", en="some office"),
        status=status,
        retrieved_at=NOW,
        as_of=as_of,
        values=values if status in VOUCHING else {},
    )


@dataclass(frozen=True)
class Scene:
    """What registers and applicant say of somebody who is like one in a scenario of the rules."""

    evidence: tuple[Evidence, ...]
    answers: Mapping[str, Value]
    filing_date: date

    def facts(self, release: Release, *more: Evidence) -> Facts:
        return settle(
            release,
            (*self.evidence, *more),
            self.answers,
            frozenset(),
            filing_date=self.filing_date,
            decide_time=NOW,
        )


def _scene(release: Release, dice: random.Random) -> Scene:
    told = dice.choice(release.book.scenarios).facts
    fields = {concept: key for key, concept in release.form.concepts.items()}
    said: dict[EvidenceType, dict[Concept, Held]] = {}
    answers: dict[str, Value] = {}
    filing_date = told.get(FILING_DATE)
    for meaning in release.meanings.values():
        fact = told.get(meaning.concept)
        value = fact.value if isinstance(fact, Known) else _value(meaning.type, dice)
        if meaning.source == DECLARED and not isinstance(value, tuple):
            answers[fields[meaning.concept]] = value
        elif meaning.source not in {DECLARED, SERVICE} and dice.random() < 0.99:
            said.setdefault(EvidenceType(meaning.source), {})[meaning.concept] = value
    return Scene(
        tuple(_evidence(key, values, dice, well=0.99) for key, values in said.items()),
        answers,
        filing_date.value
        if isinstance(filing_date, Known) and isinstance(filing_date.value, date)
        else NOW.date(),
    )


def _second(release: Release, facts: Facts, dice: random.Random) -> Evidence:
    """What the second register says: the same, something else, nothing, or nonsense."""
    doubts = release.registers[SECOND].doubts
    values = {
        concept: fact.value
        if isinstance(fact := facts[concept], Known) and dice.random() < 0.9
        else _value(release.meanings[concept].type, dice)
        for concept in doubts
        if dice.random() < 0.6
    }
    return _evidence(SECOND, values, dice, well=0.8)


def _is_no_surer(after: Outcome, before: Outcome) -> bool:
    """Whether it grants or refuses nothing that was not granted or refused just so."""
    match after, before:
        case Approved(grant=grant), Approved(grant=granted):
            return grant == granted
        case Refused(), Refused():
            return True
        case _:
            return not isinstance(after, Approved | Refused)


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_no_outcome_is_surer_with_a_second_source(doubted: Sequence[Release], seed: int) -> None:
    """Every fact and the outcome: the same as without it, or in doubt."""
    dice = random.Random(seed)  # noqa: S311 - generated cases
    release = dice.choice(doubted)
    scene = _scene(release, dice)
    without = scene.facts(release)
    second = _second(release, without, dice)
    facts = scene.facts(release, second)

    for concept, fact in facts.items():
        assert fact == without[concept] or (
            isinstance(fact, Unknown)
            and fact.why is Why.CONTRADICTED
            and isinstance(without[concept], Known)
        )
        if isinstance(fact, Unknown) and fact.said:
            assert fact.said == (
                without[concept],
                Known(value=second.values[concept], source=SECOND),
            )
    before = judge(release, without, wait_until=None).outcome
    after = judge(release, facts, wait_until=None).outcome
    found = contradictions(release, facts)
    assert _is_no_surer(after, before)
    assert found or after == before
    if found:
        assert isinstance(after, Referred | NeedsCorrection)
        told = [one.text.zh for one in after.reasons if one.code == "SOURCES_CONTRADICT"]
        assert len(told) == len(found)
        assert all(
            claim.display.zh in text
            for text, one in zip(told, found, strict=True)
            for claim in one.claims
        )


def test_the_property_above_is_not_empty(doubted: Sequence[Release]) -> None:
    """Grants and refusals do fall to a second source, and others stand beside one."""
    dice = random.Random(8)  # noqa: S311 - the same in every run
    fell, stood = set[str](), set[str]()
    refusing = [release for release in doubted if release.matter.automatic_refusal]
    for number in range(300):
        release = dice.choice(refusing if number % 2 else doubted)
        scene = _scene(release, dice)
        without = scene.facts(release)
        facts = scene.facts(release, _second(release, without, dice))
        before = judge(release, without, wait_until=None).outcome
        after = judge(release, facts, wait_until=None).outcome
        (stood if after == before else fell).add(before.kind)
    assert fell >= {"approved", "refused"}
    assert stood >= {"approved", "refused", "referred", "needs_correction"}
