"""What each function means, on the days and numbers where laws are argued about."""

import time
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from decision_service.model import DateType, NumberType
from decision_service.rulebook import arithmetic, sequences
from decision_service.rulebook.functions import FUNCTIONS
from decision_service.rulebook.patterns import PatternError, read
from decision_service.rulebook.values import UNKNOWN, ListOf
from tests.rulebooks import CALENDAR, Conventions

LEAP = date(2000, 2, 29)


def both(name: str, *arguments: Any, convention: Any = "birthday") -> tuple[Any, Any]:
    """The value by either implementation."""
    known = tuple(Decimal(one) if isinstance(one, int | str) else one for one in arguments)
    if FUNCTIONS[name].gathers:
        known = (known,)
    by_convention = {
        "age": arithmetic.AGES[convention],
        **arithmetic.counting(CALENDAR),
    }
    second = {**arithmetic.FUNCTIONS, **sequences.FUNCTIONS, **by_convention}[name](*known)
    first = FUNCTIONS[name].apply(known, Conventions(convention))
    return first, UNKNOWN if second is None else second


@pytest.mark.parametrize(
    ("born", "on", "birthday", "day_after"),
    [
        pytest.param(date(1956, 3, 1), date(2026, 2, 28), 69, 69, id="the day before"),
        pytest.param(date(1956, 3, 1), date(2026, 3, 1), 70, 69, id="the birthday"),
        pytest.param(date(1956, 3, 1), date(2026, 3, 2), 70, 70, id="the day after"),
        pytest.param(LEAP, date(2001, 2, 28), 0, 0, id="29 February, last of a common February"),
        pytest.param(LEAP, date(2001, 3, 1), 1, 0, id="29 February, 1 March of a common year"),
        pytest.param(LEAP, date(2001, 3, 2), 1, 1, id="29 February, 2 March of a common year"),
        pytest.param(LEAP, date(2004, 2, 29), 4, 3, id="29 February of a leap year"),
        pytest.param(LEAP, date(2004, 3, 1), 4, 4, id="1 March of a leap year"),
        pytest.param(LEAP, date(1999, 3, 1), UNKNOWN, UNKNOWN, id="not yet born"),
        pytest.param(LEAP, LEAP, 0, 0, id="the day of birth"),
        pytest.param(date(1899, 12, 31), date(1900, 2, 28), 0, 0, id="no leap year in 1900"),
        pytest.param(date.min, date.min, 0, 0, id="the first day of all"),
    ],
)
def test_age_is_reached_as_the_convention_says(
    born: date, on: date, birthday: Any, day_after: Any
) -> None:
    assert both("age", born, on) == (birthday, birthday)
    assert both("age", born, on, convention="day_after") == (day_after, day_after)


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        pytest.param("add_months", (date(2023, 1, 31), 1), date(2023, 2, 28), id="to month end"),
        pytest.param("add_months", (date(2024, 1, 31), 1), LEAP.replace(2024), id="to a leap day"),
        pytest.param("add_months", (date(2024, 3, 31), -1), LEAP.replace(2024), id="backwards"),
        pytest.param("add_months", (date(2024, 11, 30), 3), date(2025, 2, 28), id="over new year"),
        pytest.param("add_months", (date(2024, 1, 31), "0.5"), UNKNOWN, id="half a month"),
        pytest.param("add_months", (date(9999, 12, 1), 1), UNKNOWN, id="past the last year"),
        pytest.param("add_months", (date(1, 1, 1), -1), UNKNOWN, id="before the first year"),
        pytest.param("add_months", (date(2024, 1, 1), "1e30"), UNKNOWN, id="a great many months"),
        pytest.param("add_years", (LEAP, 1), date(2001, 2, 28), id="a year from a leap day"),
        pytest.param("add_years", (LEAP, "0.5"), UNKNOWN, id="half a year"),
        pytest.param("add_years", (LEAP, 8000), UNKNOWN, id="too many years"),
        pytest.param("add_days", (LEAP, 366), date(2001, 3, 1), id="days"),
        pytest.param("add_days", (LEAP, "1.5"), UNKNOWN, id="a day and a half"),
        pytest.param("add_days", (date(9999, 12, 31), 1), UNKNOWN, id="past the last day"),
        pytest.param("add_days", (LEAP, "1e30"), UNKNOWN, id="a great many days"),
        pytest.param("months_between", (date(2023, 1, 31), date(2023, 2, 28)), 1, id="end to end"),
        pytest.param("months_between", (date(2023, 1, 15), date(2023, 2, 14)), 0, id="a day short"),
        pytest.param("months_between", (date(2023, 1, 15), date(2023, 2, 15)), 1, id="to the day"),
        pytest.param("months_between", (date(2023, 2, 15), date(2023, 1, 15)), -1, id="reversed"),
        pytest.param("years_between", (LEAP, date(2001, 2, 28)), 1, id="a period from a leap day"),
        pytest.param("years_between", (date(2000, 5, 2), date(2001, 5, 1)), 0, id="a day short of"),
        pytest.param(
            "years_between", (date(2002, 5, 1), date(2000, 5, 2)), -1, id="years reversed"
        ),
        pytest.param("days_between", (date(2024, 2, 28), date(2024, 3, 1)), 2, id="days counted"),
        pytest.param("days_between", (date(2024, 3, 1), date(2024, 2, 28)), -2, id="days reversed"),
        pytest.param("year", (LEAP,), 2000, id="the year"),
        pytest.param("month", (LEAP,), 2, id="the month"),
        pytest.param("day", (LEAP,), 29, id="the day of the month"),
        pytest.param("round_half_up", ("2.345", 2), Decimal("2.35"), id="a half up"),
        pytest.param("round_half_up", ("-2.345", 2), Decimal("-2.35"), id="a half away from zero"),
        pytest.param("round_half_up", ("2.3449", 2), Decimal("2.34"), id="less than a half"),
        pytest.param("round_half_up", ("1250", -2), Decimal(1300), id="to hundreds"),
        pytest.param("round_half_up", ("1.26", "1.5"), Decimal("1.3"), id="half a digit is none"),
        pytest.param("round_half_up", ("1", 10), 1, id="more digits than there are"),
        pytest.param("round_half_up", ("1e33", 1), Decimal("1e33"), id="nothing to round"),
        pytest.param("round_half_up", ("1", 6177), UNKNOWN, id="a scale that FEEL has not"),
        pytest.param("round_half_up", ("1", -6112), UNKNOWN, id="nor this one"),
        pytest.param("round_half_down", ("2.345", 2), Decimal("2.34"), id="a half down"),
        pytest.param("round_half_down", ("-2.3451", 2), Decimal("-2.35"), id="more than a half"),
        pytest.param("round_up", ("-2.341", 2), Decimal("-2.35"), id="away from zero"),
        pytest.param("round_down", ("-2.349", 2), Decimal("-2.34"), id="towards zero"),
        pytest.param("decimal", ("2.345", 2), Decimal("2.34"), id="a half to the even digit"),
        pytest.param("decimal", ("2.355", 2), Decimal("2.36"), id="and up where that is even"),
        pytest.param("floor", ("-1.56", 1), Decimal("-1.6"), id="floor to a digit"),
        pytest.param("ceiling", ("-1.56", 1), Decimal("-1.5"), id="ceiling to a digit"),
        pytest.param("modulo", ("-10.1", "4.5"), Decimal("3.4"), id="rest with the divisor's sign"),
        pytest.param("modulo", (10, 0), UNKNOWN, id="rest by nought"),
        pytest.param("sqrt", (-1,), UNKNOWN, id="root below zero"),
        pytest.param("log", (0,), UNKNOWN, id="logarithm of zero"),
        pytest.param("exp", (10**6,), UNKNOWN, id="beyond all numbers"),
        pytest.param("sum", (), 0, id="the sum of none"),
        pytest.param("product", (), UNKNOWN, id="the product of none"),
        pytest.param("mean", (1, 2), Decimal("1.5"), id="mean"),
        pytest.param("median", (8, 2, 5, 7), 6, id="median of an even number"),
        pytest.param(
            "stddev", (2, 4, 7, 5), Decimal("2.081665999466132735282297706979931"), id="sd"
        ),
        pytest.param("stddev", (47,), UNKNOWN, id="one alone does not deviate"),
        pytest.param("mode", (3, 6, 1, 9, 6, 1, 3), (1, 3, 6), id="most frequent"),
        pytest.param("min", (), UNKNOWN, id="the least of none"),
        pytest.param("floor", ("-0.5",), -1, id="floor"),
        pytest.param("ceiling", ("-0.5",), 0, id="ceiling"),
        pytest.param("abs", ("-0.5",), Decimal("0.5"), id="absolute"),
        pytest.param("min", (3, 1, 2), 1, id="least"),
        pytest.param("max", (3, 1, 2), 3, id="greatest"),
    ],
)
def test_functions_mean_what_the_law_means(name: str, arguments: Any, value: Any) -> None:
    assert both(name, *arguments) == (value, value)


def test_no_rounding_leaves_a_negative_zero_for_people_to_read() -> None:
    assert str(both("round_half_up", "-0.4", 0)[0]) == "0"
    assert str(both("ceiling", "-0.4")[0]) == "0"


@pytest.mark.parametrize(
    ("name", "types", "result"),
    [
        ("age", (DateType(), DateType()), NumberType(unit="岁")),
        ("months_between", (DateType(), DateType()), NumberType(unit="月")),
        ("add_days", (DateType(), NumberType(unit="天")), DateType()),
        ("abs", (NumberType(unit="元", scale=2),), NumberType(unit="元", scale=2)),
        (
            "max",
            (ListOf(NumberType(unit="元", scale=2)),),
            NumberType(unit="元", scale=2),
        ),
    ],
)
def test_a_function_knows_the_type_of_its_value(name: str, types: Any, result: Any) -> None:
    assert FUNCTIONS[name].result(types) == result


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        pytest.param("matches", ("JY1234", "^JY[0-9]{4}$"), True, id="a number of a licence"),
        pytest.param("matches", ("JY123", "^JY[0-9]{4}$"), False, id="a digit too few"),
        pytest.param("matches", ("福田区", r"\p{IsCJKUnifiedIdeographs}区$"), True, id="a block"),
        pytest.param("matches", ("x", "[A-Z-[OI]]", "i"), True, id="a class without some"),
        pytest.param("matches", ("aa", r"(a)\1"), UNKNOWN, id="a reference back"),
        pytest.param("matches", ("a", "a{201}"), UNKNOWN, id="too many steps"),
        pytest.param("matches", ("a" * 201, "a"), UNKNOWN, id="a text too long"),
        pytest.param("replace", ("darted", "^(.*?)d(.*)$", "$1c$2"), "carted", id="groups"),
        pytest.param("replace", ("abc", "x*", "-"), UNKNOWN, id="what is found in nothing"),
        pytest.param("replace", ("a.b", "[.]", "$"), UNKNOWN, id="a sign alone"),
        pytest.param("replace", ("a.b", "[.]", "$①"), UNKNOWN, id="a sign before no digit"),
        pytest.param("replace", ("a.b", "[.]", "$" + "0" * 5_000), "a.b", id="many noughts"),
        pytest.param("split", ("南山；福田;", "[;；]"), ("南山", "福田", ""), id="districts"),
    ],
)
def test_patterns_find_what_xpath_says(name: str, arguments: Any, value: Any) -> None:
    assert found_by_both(name, *arguments) == (value, value)


def found_by_both(name: str, *texts: str) -> tuple[Any, Any]:
    again = sequences.FUNCTIONS[name](*texts)
    return FUNCTIONS[name].apply(texts, Conventions()), UNKNOWN if again is None else again


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("(" * 12 + "a" + "{200})" * 12, id="so often, and that so often"),
        pytest.param("(" * 40 + "a" + "?)" * 40 + "{200}", id="maybe, and that maybe"),
        pytest.param("(" * 30 + "a" + "{1,2})" * 30, id="once or twice, and that once or twice"),
        pytest.param("(" * 30 + ")+" * 30, id="nothing, again and again"),
        pytest.param("[a-" * 5_000 + "]" * 5_000, id="a class without a class"),
        pytest.param("(" * 5_000 + ")" * 5_000, id="groups in groups"),
    ],
)
def test_no_pattern_is_read_for_ages(pattern: str) -> None:
    began = time.process_time()

    with pytest.raises(PatternError):
        read(pattern)

    assert time.process_time() - began < 1


def test_no_pattern_holds_a_decision_up() -> None:
    """What runs for ages elsewhere: nested repetitions over a text that almost fits."""
    text = "a" * 199 + "!"
    began = time.process_time()

    for pattern in ("(a+)+$", "(a|a)*b", "(a*)*c", "(a?){20}b", "(.*)(.*)(.*)e"):
        assert found_by_both("matches", text, pattern) == (False, False)

    assert time.process_time() - began < 10
