"""Three-valued logic, verdicts and outputs, by all three evaluators alike."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from decision_service.model import Concept, Fact, Known, NumberType, Status
from decision_service.rulebook import interpret
from decision_service.rulebook.engine import Engine
from decision_service.rulebook.evaluate import Reference
from decision_service.rulebook.tree import (
    Atom,
    Consequence,
    Expression,
    HitPolicy,
    Interval,
    Negative,
    Rulebook,
    Verdict,
    VerdictKind,
)
from decision_service.rulebook.values import UNKNOWN, NotKnown
from tests import rulebooks as rb

T, F, U = Status.MET, Status.NOT_MET, Status.UNKNOWN
A, B = rb.name("resident"), rb.name("alive")
AGE, INCOME, STREET = rb.name("age"), rb.name("income"), rb.name("street")


def all_three(book: Rulebook, facts: Mapping[Concept, Fact]) -> Verdict:
    """The verdict, when all evaluators give the same."""
    plain = interpret.verdict(book, facts)
    engine = Engine(book)
    try:
        assert engine.verdict(facts) == plain
    finally:
        engine.close()
    assert Reference(book).verdict(facts) == plain
    return plain


def status(condition: Expression, **facts: Any) -> Status:
    verdict = all_three(rb.book(rb.requirement("R1", condition)), rb.facts(**facts))
    return verdict.statuses[0][1]


def granted(expression: Expression, rounding: str, type_: Any = rb.MONEY, **facts: Any) -> Any:
    book = rb.book(outputs=[rb.output("o", expression, rounding, type_)])
    return all_three(book, rb.facts(**facts)).outputs[0][1]


def _known(**facts: Status) -> dict[str, bool]:
    return {name: value is T for name, value in facts.items() if value is not U}


@pytest.mark.parametrize(
    ("facts", "rows", "expected"),
    [
        pytest.param({"age": 3, "resident": True}, ("1", "1"), T, id="by the first rows"),
        pytest.param({"age": 1, "resident": True}, ("2", "2"), F, id="by the second rows"),
        pytest.param({"resident": True}, ("", ""), U, id="open through both"),
    ],
)
def test_what_a_table_gives_can_be_read_by_tables_below_and_by_requirements(
    facts: dict[str, Any], rows: tuple[str, str], expected: Status
) -> None:
    amount, rate = rb.name("amount", rb.MONEY), rb.name("rate", rb.MONEY)
    first = rb.table(
        "first",
        rb.row("1", rb.compare(AGE, ">=", rb.const(2)), Decimal(200)),
        rb.row("2", rb.compare(AGE, "<", rb.const(2)), Decimal(100)),
    )
    second = rb.table(
        "second",
        rb.row("1", rb.compare(amount, ">", rb.const(150, rb.MONEY)), Decimal(1)),
        rb.row("2", A, Decimal(2)),
        columns=("rate",),
        policy=HitPolicy.FIRST,
    )
    book = rb.book(
        rb.requirement("R1", rb.compare(rate, "=", rb.const(1, rb.MONEY))),
        rb.requirement("R2", A),
        tables=[first, second],
    )

    verdict = all_three(book, rb.facts(**facts))

    assert verdict.statuses == (("R1", expected), ("R2", T))
    assert verdict.rows == (("first", rows[0]), ("second", rows[1]))


@pytest.mark.parametrize(
    ("left", "right", "conjunction", "disjunction"),
    [
        (T, T, T, T),
        (T, U, U, T),
        (T, F, F, T),
        (U, T, U, T),
        (U, U, U, U),
        (U, F, F, U),
        (F, T, F, T),
        (F, U, F, U),
        (F, F, F, F),
    ],
)
def test_logic_is_strong_kleene(
    left: Status, right: Status, conjunction: Status, disjunction: Status
) -> None:
    facts = _known(resident=left, alive=right)

    assert status(rb.both(A, B), **facts) is conjunction
    assert status(rb.either(A, B), **facts) is disjunction
    assert status(rb.no(A), **facts) is {T: F, F: T, U: U}[left]


@pytest.mark.parametrize(
    ("condition", "facts", "expected"),
    [
        pytest.param(rb.both(), {}, T, id="nothing asked is met"),
        pytest.param(rb.either(), {}, F, id="none of nothing"),
        pytest.param(rb.const(value=True, type_=rb.BOOLEAN), {}, T, id="always"),
        pytest.param(rb.const(value=False, type_=rb.BOOLEAN), {}, F, id="never"),
        pytest.param(rb.compare(AGE, "=", AGE), {}, U, id="unknown equals not even itself"),
        pytest.param(rb.compare(AGE, "!=", rb.const(1)), {}, U, id="unknown differs from nothing"),
        pytest.param(rb.when(A, B, B), {"alive": True}, U, id="if unknown, whatever the branches"),
        pytest.param(rb.when(A, B, rb.no(B)), {"resident": True, "alive": True}, T, id="then"),
        pytest.param(rb.when(A, B, rb.no(B)), {"resident": False, "alive": True}, F, id="else"),
        pytest.param(
            rb.within(AGE, rb.const(1), INCOME), {"age": 1}, T, id="one of a list is enough"
        ),
        pytest.param(rb.within(AGE, rb.const(2), INCOME), {"age": 1}, U, id="unless it is unknown"),
        pytest.param(
            rb.within(AGE, Interval(INCOME, rb.const(2), True, False)),  # noqa: FBT003
            {"age": 2},
            F,
            id="outside one end, the other unknown",
        ),
        pytest.param(
            rb.within(AGE, Interval(None, None, True, True)),  # noqa: FBT003
            {},
            U,
            id="unknown is nowhere, not even anywhere",
        ),
        pytest.param(
            rb.compare(rb.compute(AGE, "/", rb.const(0)), "=", rb.const(0)),
            {"age": 1},
            U,
            id="dividing by zero",
        ),
        pytest.param(
            rb.compare(rb.compute(rb.const(0), "**", AGE), "=", rb.const(0)),
            {"age": 0},
            U,
            id="zero to the zeroth",
        ),
        pytest.param(
            rb.compare(rb.call("age", rb.name("born"), rb.name("filed")), ">=", rb.const(0)),
            {"born": date(2000, 1, 2), "filed": date(2000, 1, 1)},
            U,
            id="not yet born",
        ),
        pytest.param(
            rb.compare(INCOME, "<", rb.const(Decimal("1.00"), rb.MONEY)),
            {"income": Decimal("0.9999999")},
            T,
            id="more digits than the scale",
        ),
        pytest.param(
            rb.compare(INCOME, ">", rb.const(Decimal("1.00"), rb.MONEY)),
            {"income": Decimal("1e300")},
            T,
            id="a number beyond what the engine holds",
        ),
        pytest.param(
            rb.compare(INCOME, ">", rb.const(Decimal("1e300"), rb.MONEY)),
            {"income": Decimal("1e299")},
            F,
            id="a constant beyond what the engine holds",
        ),
        pytest.param(
            rb.compare(rb.const(1), "<", AGE), {"age": 2}, T, id="the constant stands first"
        ),
        pytest.param(
            rb.compare(STREET, "=", rb.const('"', rb.TEXT)), {"street": '"'}, T, id="a quote"
        ),
    ],
)
def test_conditions_are_met_only_by_what_is_known(
    condition: Expression, facts: Any, expected: Status
) -> None:
    assert status(condition, **facts) is expected


@pytest.mark.parametrize(
    ("concept", "value"),
    [
        pytest.param("age", True, id="a boolean is not a number"),
        pytest.param("age", "70", id="a text is not a number"),
        pytest.param("resident", Decimal(1), id="a number is not a boolean"),
        pytest.param("filed", "2000-01-01", id="a text is not a day"),
        pytest.param("colour", "purple", id="an option that there is not"),
        pytest.param("street", Decimal(1), id="a number is not a text"),
    ],
)
def test_a_fact_of_another_type_is_not_known(concept: str, value: Any) -> None:
    name = rb.name(concept)
    book = rb.book(rb.requirement("R1", rb.compare(name, "=", name)))
    facts = {Concept(concept): Known(value=value, source="declared")}

    assert all_three(book, facts).statuses == (("R1", U),)
    assert Reference(book).values(facts)[Concept(concept)] is UNKNOWN


def test_a_number_that_is_none_is_not_known() -> None:
    book = rb.book(rb.requirement("R1", rb.compare(AGE, "=", AGE)))
    for value in ("NaN", "Infinity"):
        fact = Known.model_construct(value=Decimal(value), source="declared")
        assert all_three(book, {Concept("age"): fact}).statuses == (("R1", U),)


@pytest.mark.parametrize(
    ("rounding", "value", "expected"),
    [
        ("exact", "1.5", "1.50"),
        ("exact", "1.005", UNKNOWN),
        ("half_up", "1.005", "1.01"),
        ("half_up", "-1.005", "-1.01"),
        ("half_even", "1.005", "1.00"),
        ("half_even", "1.015", "1.02"),
        ("up", "1.001", "1.01"),
        ("up", "-1.001", "-1.01"),
        ("down", "1.009", "1.00"),
        ("down", "-0.001", "0.00"),
        ("exact", "1e33", UNKNOWN),
    ],
)
def test_an_output_has_exactly_its_digits(rounding: str, value: str, expected: Any) -> None:
    value_ = granted(INCOME, rounding, income=Decimal(value))

    assert value_ is UNKNOWN if isinstance(expected, NotKnown) else str(value_) == expected


def test_an_output_may_be_anything_but_a_number() -> None:
    assert granted(rb.name("filed"), "exact", rb.DAY, filed=date(2000, 2, 29)) == date(2000, 2, 29)
    assert granted(rb.name("colour"), "exact", rb.COLOUR, colour="red") == "red"
    assert granted(A, "exact", rb.BOOLEAN, resident=False) is False


def test_numbers_are_exact_to_34_digits_and_then_half_even() -> None:
    third = rb.compute(rb.const(1), "/", rb.const(3))
    nine = NumberType(unit="元", scale=9)

    assert str(granted(third, "half_up", nine)) == "0.333333333"
    assert granted(rb.compute(third, "*", rb.const(3)), "exact") is UNKNOWN
    assert status(rb.compare(rb.compute(third, "*", rb.const(3)), "<", rb.const(1))) is T


def _table(*conditions: Expression) -> Rulebook:
    rows = [rb.row(str(n), one, Decimal(n)) for n, one in enumerate(conditions, start=1)]
    amount = rb.output("amount", rb.name("amount", rb.MONEY))
    return rb.book(tables=[rb.table("amounts", *rows)], outputs=[amount])


@pytest.mark.parametrize(
    ("facts", "number", "kind"),
    [
        pytest.param({"resident": True, "alive": False}, "1", VerdictKind.APPROVE, id="one"),
        pytest.param({"resident": False, "alive": False}, "", VerdictKind.REFER, id="none"),
        pytest.param({"resident": True, "alive": True}, "", VerdictKind.REFER, id="two"),
        pytest.param({"resident": True}, "", VerdictKind.REFER, id="one, and perhaps another"),
        pytest.param({"resident": False}, "", VerdictKind.REFER, id="perhaps one"),
        pytest.param({}, "", VerdictKind.REFER, id="nobody knows"),
    ],
)
def test_a_row_applies_only_if_every_other_is_false(
    facts: Any, number: str, kind: VerdictKind
) -> None:
    verdict = all_three(_table(A, B), rb.facts(**facts))

    assert verdict.rows == (("amounts", number),)
    assert verdict.outputs == (("amount", Decimal(number) if number else UNKNOWN),)
    assert verdict.kind is kind


def _verdict(*became: tuple[Status, Consequence, Consequence]) -> VerdictKind:
    names = ("resident", "alive", "colour")
    conditions = (A, B, rb.compare(rb.name("colour"), "=", rb.const("red", rb.COLOUR)))
    values = {"resident": (True, False), "alive": (True, False), "colour": ("red", "blue")}
    facts = {
        name: values[name][0 if status_ is T else 1]
        for name, (status_, _, _) in zip(names, became, strict=False)
        if status_ is not U
    }
    requirements = [
        rb.requirement(f"R{index}", condition, if_not_met, if_unknown)
        for index, (condition, (_, if_not_met, if_unknown)) in enumerate(
            zip(conditions, became, strict=False)
        )
    ]
    return all_three(rb.book(*requirements), rb.facts(**facts)).kind


def test_the_order_of_verdicts_is_refuse_correct_refer_approve() -> None:
    refuse, correct, refer = Consequence

    assert _verdict((T, refuse, refer), (T, correct, refer)) is VerdictKind.APPROVE
    assert _verdict((T, refuse, refer), (U, correct, refer)) is VerdictKind.REFER
    assert _verdict((U, refuse, correct), (U, correct, refer)) is VerdictKind.CORRECT
    assert _verdict((F, refuse, correct), (U, correct, correct)) is VerdictKind.REFUSE
    assert _verdict((F, correct, refer), (F, refer, refer), (T, refer, refer)) is (
        VerdictKind.CORRECT
    )
    assert _verdict((F, refer, refer), (U, refer, correct), (F, refuse, refer)) is (
        VerdictKind.REFUSE
    )


def test_a_rule_file_that_asks_nothing_approves() -> None:
    assert all_three(rb.book(), {}).kind is VerdictKind.APPROVE


def test_the_reference_explains_each_atom_as_it_is_written() -> None:
    age = rb.derived("年龄", rb.call("age", rb.name("born"), rb.name("filed")))
    years = rb.name("年龄", rb.WHOLE)
    condition = rb.both(
        rb.either(
            rb.within(years, Interval(rb.const(70), rb.const(80), True, False)),  # noqa: FBT003
            rb.compare(years, "=", rb.const(100)),
            rb.within(years, Interval(rb.const(100), None, True, False)),  # noqa: FBT003
        ),
        rb.no(A),
        rb.within(rb.name("colour"), rb.const("red", rb.COLOUR), rb.const("blue", rb.COLOUR)),
        rb.compare(Negative(rb.compute(AGE, "+", INCOME), rb.MONEY, rb.AT), "<", rb.const(0)),
        rb.when(A, rb.compare(AGE, "=", rb.const(1)), A),
    )
    book = rb.book(rb.requirement("R1", condition), derived=[age])
    facts = rb.facts(born=date(1950, 1, 1), filed=date(2026, 1, 1), resident=True, age=1)
    seventy_six = (Concept("年龄"), Decimal(76))
    one, resident = (Concept("age"), Decimal(1)), (Concept("resident"), True)

    assert Reference(book).atoms(facts) == {
        "R1": (
            Atom("年龄 in [70..80)", truth=True, inputs=(seventy_six,)),
            Atom("年龄 = 100", truth=False, inputs=(seventy_six,)),
            Atom("年龄 >= 100", truth=False, inputs=(seventy_six,)),
            Atom("resident", truth=True, inputs=(resident,)),
            Atom('colour in ("红", "蓝")', UNKNOWN, ((Concept("colour"), UNKNOWN),)),
            Atom("-(age + income) < 0", UNKNOWN, (one, (Concept("income"), UNKNOWN))),
            Atom("如果 resident 那么 age = 1 否则 resident", truth=True, inputs=(resident, one)),
        )
    }
    assert Reference(book).values(facts)[Concept("年龄")] == 76


def test_no_word_of_a_rule_file_becomes_code() -> None:
    hostile = "') or exec('raise SystemExit') #\n"
    book = rb.book(
        rb.requirement(hostile, rb.compare(STREET, "=", rb.const(hostile, rb.TEXT))),
        derived=[rb.derived(hostile, A)],
        tables=[rb.table(hostile, rb.row(hostile, A, Decimal(1)), columns=(hostile,))],
        outputs=[rb.output(hostile, rb.name(hostile, rb.MONEY))],
    )

    verdict = all_three(book, rb.facts(street=hostile, resident=True))

    assert verdict.statuses == ((hostile, T),)
    assert verdict.rows == ((hostile, hostile),)


def test_a_condition_nested_deeper_than_python_reads_is_compiled() -> None:
    condition: Expression = A
    for _ in range(60):
        condition = rb.no(rb.both(rb.either(condition, B), A))

    assert status(condition, resident=True, alive=False) is T
