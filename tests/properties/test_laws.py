"""The laws, over the published releases and generated facts."""

import json
import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision_service.catalogue import Catalogue
from decision_service.errors import EngineError
from decision_service.judge import judge
from decision_service.model import (
    DECLARED,
    Approved,
    BooleanType,
    Concept,
    ConceptType,
    DateType,
    Fact,
    Held,
    Known,
    ListType,
    Meaning,
    NeedsCorrection,
    NumberType,
    OptionType,
    Outcome,
    Referred,
    Refused,
    Scalar,
    ScalarType,
    TextType,
    Unknown,
    Waiting,
    Why,
)
from decision_service.release import Release
from decision_service.rulebook import interpret, scenarios
from decision_service.rulebook.document import read
from decision_service.rulebook.tree import RuleFileError, VerdictKind

UNTIL = datetime(2026, 3, 2, tzinfo=UTC)
DAY = date(2026, 3, 1)
OPEN = (Referred, NeedsCorrection, Waiting)
CASES = 20_000
"""Of all releases together, the same number of each."""

Facts = dict[Concept, Fact]


def _value(type_: ConceptType, dice: random.Random) -> Held:
    """A value of the type, most often one near a boundary of the law."""
    match type_:
        case ListType():
            return tuple(_record(type_, dice) for _ in range(dice.choice((0, 1, 1, 2, 3))))
        case _:
            return _single(type_, dice)


def _record(type_: ListType, dice: random.Random) -> dict[str, Scalar]:
    """A record of a list, of which now and then a cell is not known."""
    return {
        key: _single(column.type, dice)
        for key, column in type_.columns.items()
        if dice.random() < 0.9
    }


def _single(type_: ScalarType, dice: random.Random) -> Scalar:
    match type_:
        case BooleanType():
            return dice.random() < 0.5
        case OptionType(options=options):
            return dice.choice(sorted(options))
        case NumberType():
            return Decimal(dice.choice((0, 0, 1, 2, 4, 11, 12, 18, 9_999)))
        case TextType():
            return dice.choice(("a", "b"))
        case DateType():
            years = dice.choice((0, 18, 69, 70, 71, 79, 80, 81, 89, 90, 91, 99, 100, 101))
            birthday = date(DAY.year - years, DAY.month, DAY.day)
            return birthday + timedelta(days=dice.choice((-366, -1, 0, 1, 2, 365)))


def _facts(release: Release, dice: random.Random, unknown: float = 0.2) -> Facts:
    """A fact for every concept; the day of filing is always known."""

    def fact(meaning: Meaning) -> Fact:
        if meaning.source == "service":
            return Known(value=DAY, source="service")
        if dice.random() < unknown:
            return Unknown(why=dice.choice(sorted(Why)))
        return Known(value=_value(meaning.type, dice), source=meaning.source)

    return {concept: fact(meaning) for concept, meaning in release.meanings.items()}


def _judge(release: Release, facts: Mapping[Concept, Fact], *, waits: bool = True) -> Outcome:
    return judge(release, facts, wait_until=UNTIL if waits else None).outcome


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    why=st.sampled_from(sorted(Why)),
    waits=st.booleans(),
    likely=st.booleans(),
)
def test_law_1_not_knowing_never_decides(
    published: Catalogue, seed: int, why: Why, waits: Any, likely: Any
) -> None:
    """Forget any fact: decided outcomes stay as they were or open, open ones stay open.

    Half of the facts are those of a scenario, so that matters with many requirements are granted.
    """
    dice = random.Random(seed)  # noqa: S311 - generated facts
    release = dice.choice(published.releases)
    facts = _facts(release, dice, unknown=0.1)
    if likely:
        facts |= dice.choice(release.book.scenarios).facts
    before = _judge(release, facts, waits=waits)
    for concept in sorted(set(facts) - {Concept("filing_date")}):
        after = _judge(release, {**facts, concept: Unknown(why=why)}, waits=waits)
        match before, after:
            case Approved(grant=granted), Approved(grant=still):
                assert granted == still
            case Refused(), Refused():
                requirements = {reason.requirement for reason in before.reasons}
                assert {
                    reason.requirement
                    for reason in after.reasons
                    if reason.code == "REQUIREMENT_NOT_MET"
                } <= requirements
            case _:
                assert isinstance(after, OPEN)


def test_law_3_the_evaluators_agree_on_more_than_20_000_cases(published: Catalogue) -> None:
    """Engine, reference and interpreter say the same of every generated application."""
    dice, cases, kinds = random.Random(20191001), 0, set[VerdictKind]()  # noqa: S311 - the same
    for release in published.releases:
        for _ in range(CASES // len(published.releases) + 1):
            facts = _facts(release, dice, unknown=dice.choice((0.0, 0.05, 0.3)))
            expected = release.reference.verdict(facts)
            assert release.engine.verdict(facts) == expected
            assert interpret.verdict(release.book, facts) == expected
            kinds.add(expected.kind)
            cases += 1
    assert cases >= CASES
    assert kinds == set(VerdictKind)


def test_law_3_a_reference_that_fails_decides_nobody(
    allowance: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it fails on, the application goes to a person, and not back to the applicant."""

    def fails(_get: Any) -> Any:
        raise AttributeError("no such part")

    monkeypatch.setattr(allowance.reference, "_verdict", fails)
    outcome = _judge(allowance, _facts(allowance, random.Random(1)))  # noqa: S311 - generated

    assert isinstance(outcome, Referred)
    assert [reason.code for reason in outcome.reasons] == ["ENGINE_DISAGREES"]


@pytest.mark.parametrize("broken", ["disagrees", "raises"])
def test_law_3_an_engine_that_is_wrong_decides_nobody(
    allowance: Release, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """A mismatch, or an engine that breaks its contract, refers the application."""
    release = allowance
    right = release.engine.verdict
    dice = random.Random(1)  # noqa: S311 - generated facts

    def wrong(facts: Any) -> Any:
        if broken == "raises":
            raise EngineError("the canary is missing", zh="引擎错误", reason="CANARY", hint="-")
        found = right(facts)
        others = [kind for kind in VerdictKind if kind is not found.kind]
        return type(found)(others[0], found.statuses, found.outputs, found.rows)

    monkeypatch.setattr(release.engine, "verdict", wrong)
    for _ in range(200):
        outcome = _judge(release, _facts(release, dice))
        assert isinstance(outcome, Referred)
        assert [reason.code for reason in outcome.reasons] == ["ENGINE_DISAGREES"]


@given(seed=st.integers(0, 2**32))
def test_law_5_a_machine_refuses_only_on_evidence_and_where_the_matter_lets_it(
    published: Catalogue, seed: int
) -> None:
    """A refusal still stands when every declared fact is forgotten."""
    dice = random.Random(seed)  # noqa: S311 - generated facts
    for release in published.releases:
        facts = _facts(release, dice)
        if not isinstance(_judge(release, facts), Refused):
            continue
        assert release.matter.automatic_refusal
        on_evidence: Facts = {
            concept: Unknown(why=Why.NOT_ANSWERED)
            if isinstance(fact, Known) and fact.source == DECLARED
            else fact
            for concept, fact in facts.items()
        }
        assert isinstance(_judge(release, on_evidence), Refused)


def test_law_5_is_not_kept_by_never_refusing(published: Catalogue) -> None:
    """The property above is not empty: refusals do happen."""
    dice = random.Random(2)  # noqa: S311 - generated facts
    library = next(one for one in published.releases if one.matter.automatic_refusal)
    outcomes = {type(_judge(library, _facts(library, dice))) for _ in range(300)}
    assert outcomes >= {Refused, Approved, Referred, NeedsCorrection}


@pytest.mark.parametrize(
    ("law", "mutant"), [(">= 70", "> 70"), (">= 70", ">= 71"), ("[80..90)", "[80..90]")]
)
def test_a_boundary_moved_by_one_unit_is_noticed(allowance: Release, law: str, mutant: str) -> None:
    """The file's own scenarios, or the proof that rows exclude each other, tell."""
    rules = json.loads(allowance.archive)["rules"]
    assert law in rules
    changed = rules.replace(law, mutant)
    if mutant == "[80..90]":
        with pytest.raises(RuleFileError) as caught:
            read(changed, where="mutant")
        assert [finding.code for finding in caught.value.findings] == ["A201"]
        return
    book = read(changed, where="mutant")
    results = scenarios.run(book, lambda facts: interpret.verdict(book, facts))
    assert any(not result.passed for result in results)
