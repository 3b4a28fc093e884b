"""Three evaluators of one tree, which share nothing else, must never differ."""

import operator
import random
from collections.abc import Callable
from datetime import date
from decimal import Decimal, DecimalException
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from decision_service.catalogue import Catalogue
from decision_service.errors import EngineError
from decision_service.model import Concept, Fact, MatterId, Status
from decision_service.rulebook import (
    circuit,
    compiling,
    days,
    engine,
    inference,
    interpret,
    plain,
    sequences,
)
from decision_service.rulebook.engine import Engine
from decision_service.rulebook.evaluate import Reference
from decision_service.rulebook.tree import HitPolicy, Rulebook, VerdictKind
from decision_service.rulebook.values import UNKNOWN
from tests import agreement
from tests.rulebooks import rulebooks, some_facts

BOOKS = 250
CASES = 100
"""Generated applications for each generated rule file."""

generously = settings(database=None, report_multiple_bugs=False)


def agree(book: Rulebook, seed: int, cases: int) -> set[VerdictKind]:
    """Ask all three; return the kinds of verdict that came out."""
    kinds = set()
    dice = random.Random(seed)  # noqa: S311  # dice, not secrets
    reference, inferred = Reference(book), Engine(book)
    try:
        for _ in range(cases):
            facts = some_facts(dice)
            plain = interpret.verdict(book, facts)
            kinds.add(plain.kind)
            assert reference.verdict(facts) == plain
            assert inferred.verdict(facts) == plain
            values = interpret.worked_out(book, facts)[0]
            assert reference.values(facts) == values
            assert all(one.is_finite() for one in values.values() if isinstance(one, Decimal))
    finally:
        inferred.close()
    return kinds


def test_engine_reference_and_interpreter_agree() -> None:
    """Law 3: durable-rules, the compiled reference and the plain interpreter say the same."""
    compared, kinds = 0, set[VerdictKind]()

    @settings(generously, max_examples=BOOKS, phases=(Phase.generate, Phase.shrink))
    @given(book=rulebooks(), seed=st.integers(0, 2**32))
    def every_book(book: Rulebook, seed: int) -> None:
        nonlocal compared
        kinds.update(agree(book, seed, CASES))
        compared += CASES

    every_book()

    assert compared >= 20_000
    assert kinds == set(VerdictKind)


def test_the_three_agree_on_generated_applications_to_every_matter(published: Catalogue) -> None:
    """A short run of `tests.agreement`; every requirement comes out in all three ways."""
    for release in published.releases:
        tally = agreement.compare(release.book, range(1), cases=300)

        assert set(tally.statuses) == {
            (requirement.id, status)
            for requirement in release.book.requirements
            for status in Status
        }


def test_the_long_run_catches_a_mutant(
    published: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(compiling._OPERATORS, ">=", ">")
    release = published.release_on(MatterId("old_age_allowance"), date(2026, 1, 1))

    with pytest.raises(AssertionError, match=r"reference: old_age_allowance@2019-10-01, batch 0"):
        agreement.compare(release.book, range(1))


@settings(generously, max_examples=60)
@given(book=rulebooks(), seed=st.integers(0, 2**32))
def test_knowing_less_never_decides(book: Rulebook, seed: int) -> None:
    """Law 1: what is decided without a fact was decided the same with it.

    So an open verdict stays open when a fact is forgotten, and no status turns into its opposite.
    """
    dice = random.Random(seed)  # noqa: S311  # dice, not secrets
    reference = Reference(book)
    for _ in range(50):
        facts = some_facts(dice)
        if not facts:
            continue
        forgotten = dice.choice(sorted(facts))
        less: dict[Concept, Fact] = {k: v for k, v in facts.items() if k != forgotten}

        before, after = reference.verdict(facts), reference.verdict(less)

        if after.kind in {VerdictKind.APPROVE, VerdictKind.REFUSE}:
            assert after.kind is before.kind
        if after.kind is VerdictKind.APPROVE:
            assert after.outputs == before.outputs
        for (_, with_it), (_, without) in zip(before.statuses, after.statuses, strict=True):
            assert without in {with_it, "unknown"}
        for (_, value), (_, kept) in zip(before.outputs, after.outputs, strict=True):
            assert kept in (value, UNKNOWN)


def _unknown_is_false(truths: Any) -> bool:
    return any(truth is True for truth in truths)


def _one_less(items: Any) -> Decimal:
    return Decimal(len(items) - 1)


def _sum_of_known(items: Any) -> Decimal:
    return sum((item for item in items if item is not None), Decimal(0))


def _none_is_empty(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else ()


def _count_possible(_policy: HitPolicy, statuses: Any) -> int:
    return sum(status != 0 for status in statuses)


def _endless(left: Decimal, op: str, right: Decimal) -> Any:
    try:
        return plain._ARITHMETIC[op](left, right)
    except DecimalException:
        return UNKNOWN


def _each_as_it_is(_part: Any) -> Callable[[Any], Any]:
    return lambda items: items


@pytest.mark.parametrize(
    ("holder", "key", "mutant"),
    [
        pytest.param(circuit._DUAL, ">=", "<=", id="a wrong dual in the circuits"),
        pytest.param(circuit._DUAL, "=", "<", id="a dual that forgets a half"),
        pytest.param(engine._OPERATORS, ">=", "$gt", id="the engine takes >= for >"),
        pytest.param(engine._OPERATORS, "<", "$lte", id="the engine takes < for <="),
        pytest.param(inference._MIRRORED, "<", "<", id="a comparison that is not turned round"),
        pytest.param(compiling._OPERATORS, ">=", ">", id="the reference takes >= for >"),
        pytest.param(plain._COMPARISONS, ">=", operator.gt, id="the interpreter takes >= for >"),
        pytest.param(plain, "_some", _unknown_is_false, id="an unknown that counts as false"),
        pytest.param(inference, "_scaled", lambda n, s: 2 * int(n * 10**s), id="lost digits"),
        pytest.param(sequences.FUNCTIONS, "count", _one_less, id="a list counted from nought"),
        pytest.param(sequences.FUNCTIONS, "sum", _sum_of_known, id="an unknown cell left out"),
        pytest.param(compiling, "equal", operator.eq, id="lists equal although a part is unknown"),
        pytest.param(plain, "_items", _none_is_empty, id="an unknown list taken for empty"),
        pytest.param(days, "back", lambda by: by, id="a duration added instead of taken away"),
        pytest.param(plain, "_calculated", _endless, id="an infinite number taken for one"),
        pytest.param(compiling, "of_each", _each_as_it_is, id="elements taken for their parts"),
        pytest.param(plain, "_not", lambda truth: truth is False, id="not unknown is false"),
        pytest.param(engine, "gate", _count_possible, id="every table taken for a UNIQUE one"),
    ],
)
def test_a_mutant_of_any_evaluator_is_caught(
    monkeypatch: pytest.MonkeyPatch, holder: Any, key: Any, mutant: Any
) -> None:
    replace: Callable[[Any, str, Any], None] = (
        monkeypatch.setitem if isinstance(holder, dict) else monkeypatch.setattr
    )
    replace(holder, key, mutant)

    @settings(generously, max_examples=1_000, phases=(Phase.generate,), derandomize=True)
    @given(book=rulebooks(), seed=st.integers(0, 2**32))
    def every_book(book: Rulebook, seed: int) -> None:
        agree(book, seed, 20)

    with pytest.raises((AssertionError, EngineError)):  # some trip a guard of the engine first
        every_book()
