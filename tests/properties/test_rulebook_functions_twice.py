"""Both implementations of every function agree, and keep the promises of the law."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from decision_service.rulebook import arithmetic
from decision_service.rulebook.functions import FUNCTIONS, add_months, age, months_between
from decision_service.rulebook.tree import UNKNOWN, NotKnown
from tests.rulebooks import days

SMALL = st.decimals(-2500, 2500, places=0) | st.decimals(-40, 40, places=1)
NUMBERS = (
    SMALL
    | st.decimals(-(10**15), 10**15, places=9)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value="-1e40", max_value="1e40")
)
DIGITS = st.decimals(-11, 11, places=0) | st.just(Decimal("0.5"))
CONVENTIONS = ("birthday", "day_after")


def first(name: str, *arguments: Any, convention: Any = "birthday") -> Any:
    return FUNCTIONS[name].apply(arguments, convention)


def second(name: str, *arguments: Any, convention: str = "birthday") -> Any:
    functions = {**arithmetic.FUNCTIONS, "age": arithmetic.AGES[convention]}
    value = functions[name](*arguments)
    return UNKNOWN if value is None else value


def test_every_function_is_there_twice() -> None:
    assert {*FUNCTIONS} == {*arithmetic.FUNCTIONS, "age"}


@settings(max_examples=600, deadline=None)
@given(born=days(), on=days())
def test_dates_are_counted_alike(born: date, on: date) -> None:
    """Two implementations, two centuries, both conventions."""
    for name in ("years_between", "months_between", "days_between"):
        assert first(name, born, on) == second(name, born, on)
    for convention in CONVENTIONS:
        expected = first("age", born, on, convention=convention)
        assert second("age", born, on, convention=convention) == expected
    for name in ("year", "month", "day"):
        assert first(name, born) == second(name, born)


@settings(max_examples=600, deadline=None)
@given(start=days() | st.dates(), by=SMALL | st.decimals(-200_000, 200_000, places=0) | NUMBERS)
def test_days_are_moved_alike(start: date, by: Decimal) -> None:
    """Beyond the calendar, and by half a month, both say unknown."""
    for name in ("add_days", "add_months", "add_years"):
        assert first(name, start, by) == second(name, start, by)


@settings(max_examples=600, deadline=None)
@given(number=NUMBERS, digits=DIGITS, others=st.lists(NUMBERS, max_size=3))
def test_numbers_are_rounded_alike(number: Decimal, digits: Decimal, others: list[Decimal]) -> None:
    """A half goes away from zero, and what needs more than 34 digits is unknown."""
    assert first("round_half_up", number, digits) == second("round_half_up", number, digits)
    for name in ("floor", "ceiling", "abs"):
        assert first(name, number) == second(name, number)
    for name in ("min", "max"):
        assert first(name, number, *others) == second(name, number, *others)


@settings(max_examples=300, deadline=None)
@given(start=days(), end=days())
def test_full_months_are_the_most_that_can_be_added(start: date, end: date) -> None:
    """`months_between` and `add_months` are one law (民法典 Art. 202), read from either side."""
    assume(start <= end)
    months = months_between(start, end)
    reached, beyond = add_months(start, months), add_months(start, months + 1)

    assert not isinstance(reached, NotKnown)
    assert reached <= end
    assert isinstance(beyond, NotKnown) or beyond > end


@settings(max_examples=300, deadline=None)
@given(born=days(), on=days())
def test_an_age_grows_by_one_a_year_and_the_later_convention_a_day_later(
    born: date, on: date
) -> None:
    """Nobody grows younger; under ``day_after`` one has today the age of yesterday."""
    assume(born < on)
    today = age(born, on, "birthday")
    tomorrow = age(born, on + timedelta(days=1), "birthday")

    assert not isinstance(today, NotKnown)
    assert not isinstance(tomorrow, NotKnown)
    assert tomorrow - today in {0, 1}
    assert age(born, on + timedelta(days=1), "day_after") == today


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda function: function.name)
def test_names_collide_neither_with_each_other_nor_with_units(function: Any) -> None:
    others: list[Callable[..., Any]] = [one for one in FUNCTIONS.values() if one is not function]

    assert function.zh not in {"元", "岁", "年", "月", "日", "天", "个月"}
    assert {function.name, function.zh}.isdisjoint({one.zh for one in others})
