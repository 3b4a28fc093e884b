"""The laws, over the published releases and generated facts."""

import json
import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision_service.awaited import worth_waiting_for
from decision_service.catalogue import Catalogue
from decision_service.errors import EngineError
from decision_service.judge import _fill, display, judge, used_facts
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


@pytest.mark.parametrize("evaluator", ["engine", "reference"])
def test_law_3_an_evaluator_that_fails_decides_nobody_and_a_person_sees_the_facts(
    allowance: Release, monkeypatch: pytest.MonkeyPatch, evaluator: str
) -> None:
    """Whatever is raised, on any of the values that are tried, is no crash and no approval."""
    release, dice = allowance, random.Random(1)  # noqa: S311 - generated facts

    def fails(_facts: Facts) -> NoReturn:
        raise AttributeError("'datetime.date' object has no attribute 'get'")

    for name in ("verdict", "values"):
        if hasattr(broken := getattr(release, evaluator), name):
            monkeypatch.setattr(broken, name, fails)
    for _ in range(50):
        facts = _facts(release, dice)
        outcome = _judge(release, facts)
        shown = {one.concept: one.value.zh for one in used_facts(release, facts)}

        assert isinstance(outcome, Referred)
        assert [reason.code for reason in outcome.reasons] == ["ENGINE_DISAGREES"]
        for term in release.book.terms:
            assert bool(shown[term.id]) is isinstance(facts[term.id], Known)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("-0", "0.000000000 元"),
        ("-0.0000000004", "0.000000000 元"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789 元"),
        ("1E+6144", f"1{'0' * 6144}.000000000 元"),
    ],
)
def test_every_number_that_rules_can_find_is_shown(number: str, shown: str) -> None:
    assert display(Decimal(number), NumberType(unit="元", scale=9)).zh == shown


def test_an_imagined_answer_on_which_the_reference_fails_is_not_waited_for(
    allowance: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = allowance.book.scenarios[0].facts
    open_: Facts = {concept: Unknown(why=Why.AMBIGUOUS) for concept in known}
    open_[Concept("applicant.hukou_city")] = Unknown(why=Why.UNAVAILABLE)
    verdict = allowance.reference.verdict(open_)

    def fails(_facts: Facts) -> NoReturn:
        raise AttributeError("'datetime.date' object has no attribute 'get'")

    monkeypatch.setattr(allowance.reference, "verdict", fails)

    assert worth_waiting_for(allowance, open_, verdict) == ()


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


def test_what_an_applicant_writes_is_told_as_it_was_written() -> None:
    """Also where it looks like a place in the notice that is to be filled in."""
    shown = {"姓名": "{出生日期}", "出生日期": "1950-05-06"}

    assert _fill("{姓名}，{出生日期}，{别的}。", shown) == "{出生日期}，1950-05-06，{别的}。"
