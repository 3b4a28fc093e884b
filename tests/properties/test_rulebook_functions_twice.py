"""Both implementations of every function agree, and keep the promises of the law."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from decision_service.rulebook import arithmetic, plain, sequences
from decision_service.rulebook.days import add_months, age, months_between
from decision_service.rulebook.functions import FUNCTIONS
from decision_service.rulebook.values import UNKNOWN, DaysAndTime, NotKnown, YearsAndMonths
from tests.rulebooks import CALENDAR, Conventions, days

SMALL = st.decimals(-2500, 2500, places=0) | st.decimals(-40, 40, places=1)
NUMBERS = (
    SMALL
    | st.decimals(-(10**15), 10**15, places=9)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value="-1e40", max_value="1e40")
)
DIGITS = st.decimals(-11, 11, places=0) | st.sampled_from(
    [Decimal(one) for one in ("0.5", "-2.7", "6176", "6177", "-6111", "-6112")]
)
ROUNDINGS = (
    "decimal", "floor", "ceiling", "round_up", "round_down", "round_half_up", "round_half_down",
)  # fmt: skip
CONVENTIONS = ("birthday", "day_after")


def first(name: str, *arguments: Any, convention: Any = "birthday") -> Any:
    return FUNCTIONS[name].apply(arguments, Conventions(convention))


def second(name: str, *arguments: Any, convention: str = "birthday") -> Any:
    by_convention = {
        "age": arithmetic.AGES[convention],
        **arithmetic.counting(CALENDAR),
    }
    functions = {**arithmetic.FUNCTIONS, **sequences.FUNCTIONS, **by_convention}
    value = functions[name](*arguments)
    return UNKNOWN if value is None else value


def test_every_function_is_there_twice() -> None:
    assert {*FUNCTIONS} == {
        *arithmetic.FUNCTIONS,
        *sequences.FUNCTIONS,
        *arithmetic.counting(CALENDAR),
        "age",
    }


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


NEAR = st.dates(date(1999, 12, 1), date(2002, 1, 31))


@settings(max_examples=600, deadline=None)
@given(start=NEAR | st.dates(), end=NEAR, count=st.decimals(-600, 600, places=0) | SMALL | NUMBERS)
def test_working_days_are_counted_alike(start: date, end: date, count: Decimal) -> None:
    """Step by step, and by one list of all; what the calendar does not know neither knows."""
    assert first("is_working_day", start) == second("is_working_day", start)
    assert first("working_days_between", start, end) == second("working_days_between", start, end)
    reached = first("add_working_days", start, count)
    assert reached == second("add_working_days", start, count)
    if not isinstance(reached, NotKnown) and count >= 0:
        assert first("working_days_between", start, reached) == count


@settings(max_examples=600, deadline=None)
@given(number=NUMBERS, digits=DIGITS, others=st.lists(NUMBERS, max_size=3))
def test_numbers_are_rounded_alike(number: Decimal, digits: Decimal, others: list[Decimal]) -> None:
    """Every way of rounding, to every scale; a number that needs no rounding stays as it is."""
    for name in ROUNDINGS:
        assert first(name, number, digits) == second(name, number, digits)
    for name in ("floor", "ceiling", "abs", "odd", "even", "sqrt", "log", "exp"):
        assert first(name, number) == second(name, number)
    for other in others:
        assert first("modulo", number, other) == second("modulo", number, other)


EXTREME = st.sampled_from(
    [
        Decimal(one)
        for one in (
            "0", "-0", "0.00", "0E-6176", "0E+6144", "1", "-1", "0.5", "-0.5", "2", "-3", "10",
            "1E+6144", "-1E+6144", "9.999999999999999999999999999999999E+6144", "1E-6143",
            "1E-6176", "-1E-6176", "1E+3072", "1E-3089", "1E+20", "-1E+20",
        )
    ]
)  # fmt: skip
"""Numbers at the ends of decimal128, and those on which powers and quotients turn."""


@settings(max_examples=3_000, deadline=None)
@given(
    op=st.sampled_from(["+", "-", "*", "/", "**"]), left=EXTREME | NUMBERS, right=EXTREME | NUMBERS
)
def test_numbers_are_calculated_alike_and_stay_finite(
    op: Any, left: Decimal, right: Decimal
) -> None:
    """What has no end is unknown: an infinite number would pass every test of ``at least``."""
    found = plain._computed(left, op, right)
    again = arithmetic.ARITHMETIC[op](left, right)

    assert found == (UNKNOWN if again is None else again)
    assert isinstance(found, NotKnown) or (isinstance(found, Decimal) and found.is_finite())


@settings(max_examples=800, deadline=None)
@given(
    numbers=st.lists(EXTREME | SMALL, min_size=1, max_size=3).map(tuple),
    at=EXTREME | SMALL,
    length=EXTREME | SMALL,
    day=days(),
)
def test_numbers_at_the_ends_of_what_there_is_are_worked_out_alike(
    numbers: tuple[Decimal, ...], at: Decimal, length: Decimal, day: date
) -> None:
    """Also where a number only says how many or which."""
    one, *_ = numbers
    calls: list[tuple[str, tuple[Any, ...]]] = [
        *((name, (one,)) for name in ("floor", "ceiling", "abs", "odd", "even", "sqrt", "log")),
        *((name, (one, at)) for name in (*ROUNDINGS, "modulo")),
        *((name, (numbers,)) for name in ("sum", "mean", "median", "product", "stddev", "mode")),
        *((name, (numbers,)) for name in ("min", "max", "distinct_values")),
        *((name, (numbers, at, length)) for name in ("sublist", "insert_before", "list_replace")),
        *((name, (numbers, at)) for name in ("sublist", "remove", "index_of", "list_contains")),
        *((name, (day, one)) for name in ("add_days", "add_months", "add_years")),
        ("add_working_days", (day, one)),
        ("substring", ("abc", at)),
        ("substring", ("abc", at, length)),
        ("date", (one, at, length)),
        ("exp", (one,)),
        ("string", (one,)),
    ]
    for name, arguments in calls:
        assert first(name, *arguments) == second(name, *arguments), name


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


# ── durations, texts and lists ───────────────────────────────────────────────────────────────────

MONTHS = st.integers(-30, 30).map(YearsAndMonths)
SECONDS = (
    st.decimals(-200_000, 200_000, places=1)
    | st.decimals(-(10**15), 10**15, places=18)
    | st.builds(  # next to a whole number of days, beyond the digits that Python has by default
        lambda days, least: Context(34).add(Decimal(86_400 * days), Decimal(least).scaleb(-29)),
        st.integers(-3, 3),
        st.integers(-2, 2),
    )
).map(DaysAndTime)
VALUES = {
    "number": SMALL,
    "date": days(),
    "months": MONTHS,
    "days": SECONDS,
    "text": st.text("ab你🐎", max_size=3),
}
PAIRS = (
    "text+text", "date-date", "date+months", "date-months", "date+days", "date-days", "months+date",
    "days+date", "months+months", "months-months", "days+days", "days-days", "months*number",
    "days*number", "number*months", "number*days", "months/number", "days/number", "months/months",
    "days/days",
)  # fmt: skip


@settings(max_examples=1_000, deadline=None)
@given(pair=st.sampled_from(PAIRS), data=st.data())
def test_days_and_durations_are_calculated_alike(pair: str, data: st.DataObject) -> None:
    op = next(sign for sign in "+-*/" if sign in pair)
    kinds = pair.split(op)
    left, right = (data.draw(VALUES[kind]) for kind in kinds)

    again = arithmetic.other_arithmetic(kinds[0], op, kinds[1])(left, right)

    assert plain._computed(left, op, right) == (UNKNOWN if again is None else again)


@settings(max_examples=600, deadline=None)
@given(day=days(), months=MONTHS, seconds=SECONDS)
def test_parts_and_opposites_are_found_alike(
    day: date, months: YearsAndMonths, seconds: DaysAndTime
) -> None:
    by_kind = {"date": day, "months": months, "days": seconds}
    for (kind, part), again in arithmetic.PARTS.items():
        assert plain._part(by_kind[kind], part) == again(by_kind[kind])
    for of in (months, seconds):
        assert plain._negative(of) == arithmetic.negated(of)
        assert first("abs", of) == second("abs", of)
    for name in ("day_of_year", "day_of_week", "month_of_year", "week_of_year"):
        assert first(name, day) == second(name, day)
    assert first("years_and_months_duration", day, date(2020, 2, 29)) == second(
        "years_and_months_duration", day, date(2020, 2, 29)
    )


@settings(max_examples=600, deadline=None)
@given(
    parts=st.lists(SMALL, min_size=3, max_size=3), day=days(), text=st.text("0123-", max_size=10)
)
def test_days_are_read_alike(parts: list[Decimal], day: date, text: str) -> None:
    for arguments in (parts, [day], [day.isoformat()], [text], [f"2026-{text}"]):
        assert first("date", *arguments) == second("date", *arguments)


@settings(max_examples=600, deadline=None)
@given(
    text=st.text("abc你🐎", max_size=6),
    match=st.text("abc你🐎", max_size=3),
    at=SMALL,
    length=SMALL,
)
def test_texts_are_cut_alike(text: str, match: str, at: Decimal, length: Decimal) -> None:
    for name in ("substring_before", "substring_after", "contains", "starts_with", "ends_with"):
        assert first(name, text, match) == second(name, text, match), name
    for name in ("string_length", "upper_case", "lower_case", "string"):
        assert first(name, text) == second(name, text), name
    assert first("substring", text, at) == second("substring", text, at)
    assert first("substring", text, at, length) == second("substring", text, at, length)


PARTS = st.recursive(
    st.sampled_from(["a", "b", "ab", "[ab]", "[^a]", ".", "^", "$", r"\w", "(?:)", "[a-c-[b]]"]),
    lambda inner: (
        st.lists(inner, max_size=3).map("".join)
        | st.lists(inner, min_size=2, max_size=3).map(lambda ways: f"({'|'.join(ways)})")
        | st.tuples(
            inner, st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,3}?"])
        ).map(lambda pair: f"({pair[0]}){pair[1]}")
    ),
    max_leaves=5,
)


@settings(max_examples=500, deadline=None)
@given(
    pattern=PARTS | st.text("ab(|)*+?{1}[^-]$.\\d", max_size=6),
    text=st.text("abA\n", max_size=7),
    flags=st.sampled_from(["", "i", "m", "s", "mi", "x", "z"]),
    by=st.sampled_from(["", "<$1>", "$0$0", "$2-$1", "\\$", "$", "$10"]),
)
def test_patterns_are_found_alike_and_as_elsewhere(
    pattern: str, text: str, flags: str, by: str
) -> None:
    """All ways at once, and one after the other; Python's own finds what is there, too."""
    found = first("matches", text, pattern, flags)
    assert found == second("matches", text, pattern, flags)
    assert first("replace", text, pattern, by, flags) == second("replace", text, pattern, by, flags)
    assert first("split", text, pattern) == second("split", text, pattern)
    if not isinstance(found, NotKnown) and flags in {"", "i", "s"} and "[a-c-" not in pattern:
        options = {"": re.NOFLAG, "i": re.IGNORECASE, "s": re.DOTALL}[flags]
        elsewhere = re.compile(pattern.replace("$", r"\Z"), options | re.ASCII)
        assert found is (elsewhere.search(text) is not None)


@settings(max_examples=600, deadline=None)
@given(
    text=st.text("0123456789.,+- eE", max_size=8) | NUMBERS.map(str),
    grouping=st.sampled_from(["", ",", ".", " ", ";"]),
    point=st.sampled_from([".", ",", ";"]),
    value=NUMBERS | days() | st.booleans() | MONTHS | SECONDS,
)
def test_numbers_are_read_and_written_alike(
    text: str, grouping: str, point: str, value: Any
) -> None:
    assert first("number", text) == second("number", text)
    assert first("number", text, grouping, point) == second("number", text, grouping, point)
    assert first("string", value) == second("string", value)


def marked(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """A list with an unknown element as the interpreter has it."""
    return tuple(
        UNKNOWN if item is None else marked(item) if isinstance(item, tuple) else item
        for item in items
    )


def unmarked(value: Any) -> Any:
    """The same as the reference has it."""
    if isinstance(value, tuple):
        return tuple(unmarked(item) for item in value)
    return None if isinstance(value, NotKnown) else value


FEW = st.decimals(-2, 2, places=1)
NUMBERS_AND_GAPS = st.lists(FEW | st.none(), max_size=5).map(tuple)


@settings(max_examples=1_000, deadline=None)
@given(items=NUMBERS_AND_GAPS, others=NUMBERS_AND_GAPS, at=st.decimals(-6, 6, places=1), one=FEW)
def test_lists_are_worked_out_alike(
    items: tuple[Any, ...], others: tuple[Any, ...], at: Decimal, one: Decimal
) -> None:
    """With unknown elements anywhere."""
    calls: list[tuple[str, tuple[Any, ...]]] = [
        *((name, (items,)) for name in ("count", "sum", "mean", "median", "stddev", "mode")),
        *((name, (items,)) for name in ("min", "max", "product", "reverse", "distinct_values")),
        *((name, (items, others)) for name in ("concatenate", "union")),
        *((name, (items, one)) for name in ("append", "list_contains", "index_of")),
        *((name, (items, at, one)) for name in ("insert_before", "list_replace")),
        *((name, (items, at)) for name in ("remove", "sublist")),
        ("sublist", (items, at, one)),
        ("flatten", ((items, one, others),)),
    ]
    for name, arguments in calls:
        told = tuple(marked(a) if isinstance(a, tuple) else a for a in arguments)
        assert unmarked(first(name, *told)) == unmarked(second(name, *arguments)), name


@settings(max_examples=300, deadline=None)
@given(
    truths=st.lists(st.booleans() | st.none(), max_size=4).map(tuple),
    words=st.lists(st.text("ab", max_size=2) | st.none(), max_size=4).map(tuple),
)
def test_truths_and_words_are_joined_alike(truths: tuple[Any, ...], words: tuple[Any, ...]) -> None:
    for name in ("all", "any"):
        assert unmarked(first(name, marked(truths))) == unmarked(second(name, truths))
    assert unmarked(first("string_join", marked(words))) == unmarked(second("string_join", words))
    assert unmarked(first("string_join", marked(words), "-")) == unmarked(
        second("string_join", words, "-")
    )


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda function: function.name)
def test_names_collide_neither_with_each_other_nor_with_units(function: Any) -> None:
    others: list[Callable[..., Any]] = [one for one in FUNCTIONS.values() if one is not function]

    assert function.zh not in {"元", "岁", "年", "月", "日", "天", "个月"}
    assert {function.name, function.zh}.isdisjoint({one.zh for one in others})
