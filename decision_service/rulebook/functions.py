"""The closed list of functions that a rule file may call, and what each means in law.

Every function is total: where it has no value (a year past 9999, the age of somebody not yet
born, half a month) the value is `UNKNOWN`, never an exception. Arguments are always known.
"""

import calendar
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, date, timedelta
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    Underflow,
)
from types import MappingProxyType
from typing import Literal, TypeAlias

from decision_service.model import ConceptType, DateType, NumberType, Value
from decision_service.rulebook.tree import UNKNOWN, NotKnown, quantum

Kind: TypeAlias = Literal["boolean", "number", "date", "text", "option"]
"""Kind of a type, as `ConceptType` spells it."""

AgeConvention: TypeAlias = Literal["birthday", "day_after"]
"""Whether an age is reached on the birthday or on the day after it; the matter says which."""

DECIMAL = Context(
    prec=34,
    rounding=ROUND_HALF_EVEN,
    Emin=-6143,
    Emax=6144,
    traps=[InvalidOperation, DivisionByZero, Overflow, Underflow],
)
"""How numbers are computed: as decimal128 of IEEE 754, which FEEL prescribes, and unknown where
that would be infinite, not a number, or rounded to nothing."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the rule language.

    Attributes:
        name: English name, as in expressions.
        zh: The other name in expressions.
        parameters: Kind of each argument; if ``variadic``, the one kind repeats, at least once,
            and all arguments have one unit.
        units: Unit that each argument must have, None where any will do; empty: any will do.
        result: Type of the value, from the types of the arguments; they fit ``parameters``.
        apply: The value, from known arguments that fit ``parameters`` and the convention.
    """

    name: str
    zh: str
    parameters: tuple[Kind, ...]
    result: Callable[[tuple[ConceptType, ...]], ConceptType]
    apply: Callable[[tuple[Value, ...], AgeConvention], Value | NotKnown] = field(repr=False)
    units: tuple[str | None, ...] = ()
    variadic: bool = False


# ── dates ────────────────────────────────────────────────────────────────────────────────────────


def age(born: date, on: date, convention: AgeConvention) -> Decimal | NotKnown:
    """Full years of life (周岁) on a day; unknown for somebody not yet born.

    Under ``birthday`` a year is full on the birthday; under ``day_after`` on the day after it
    (法释〔2000〕19号 for criminal, and by reference many administrative, ages). Who was born on
    29 February has the birthday on 1 March in common years.
    """
    if on < born:
        return UNKNOWN
    years = on.year - born.year
    birthday = (born.month, born.day)  # in a common year (3, 1) is the first day not before it
    today = (on.month, on.day)
    reached = today >= birthday if convention == "birthday" else _is_after(today, birthday, on.year)
    return Decimal(max(years if reached else years - 1, 0))


def _is_after(today: tuple[int, int], birthday: tuple[int, int], year: int) -> bool:
    if birthday == (2, 29) and not calendar.isleap(year):
        birthday = (3, 1)
    return today > birthday


def months_between(start: date, end: date) -> Decimal:
    """Full months (满月) from one day to another; negative if the end is before the start.

    The largest number of months that `add_months` can add to the start without passing the end:
    a month that began on the 31st is full on the last day of a shorter one (民法典 Art. 202).
    """
    if end < start:
        return -months_between(end, start)
    months = (end.year - start.year) * 12 + end.month - start.month
    return Decimal(months if end.day >= min(start.day, _length(end)) else months - 1)


def years_between(start: date, end: date) -> Decimal:
    """Full years (满年) from one day to another: twelve full months each, towards zero."""
    return Decimal(int(months_between(start, end) / 12))


def days_between(start: date, end: date) -> Decimal:
    """Days from one day to another, the first not counted; negative if the end is earlier."""
    return Decimal((end - start).days)


def add_months(start: date, months: Decimal) -> date | NotKnown:
    """The same day so many months later, or the last of a month that is too short."""
    if months != months.to_integral_value() or abs(months) > MAXYEAR * 12:
        return UNKNOWN
    year, month = divmod(start.year * 12 + start.month - 1 + int(months), 12)
    if not MINYEAR <= year <= MAXYEAR:
        return UNKNOWN
    last = _length(date(year, month + 1, 1))
    return date(year, month + 1, min(start.day, last))


def add_years(start: date, years: Decimal) -> date | NotKnown:
    """The same day so many years later; 28 February for the 29th in a common year."""
    if years != years.to_integral_value() or abs(years) > MAXYEAR:
        return UNKNOWN
    return add_months(start, years * 12)


def add_days(start: date, days: Decimal) -> date | NotKnown:
    """So many days later."""
    if days != days.to_integral_value():
        return UNKNOWN
    try:
        return start + timedelta(days=int(days))
    except OverflowError:
        return UNKNOWN


def _length(month: date) -> int:
    return calendar.monthrange(month.year, month.month)[1]


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def floor(number: Decimal) -> Decimal:
    """The greatest whole number not above (向下取整)."""
    return number.to_integral_value(ROUND_FLOOR)


def ceiling(number: Decimal) -> Decimal:
    """The least whole number not below (向上取整)."""
    return _without_sign_of_zero(number.to_integral_value(ROUND_CEILING))


def round_half_up(number: Decimal, digits: Decimal) -> Decimal | NotKnown:
    """Rounded to so many digits after the point, a half away from zero (四舍五入).

    From 9 digits after the point to 9 before it (``-9``); unknown for any other number of
    digits, and where the result would need more than 34.
    """
    if digits != digits.to_integral_value() or abs(digits) > 9:
        return UNKNOWN
    try:
        rounded = number.quantize(quantum(int(digits)), ROUND_HALF_UP, DECIMAL)
    except InvalidOperation:
        return UNKNOWN
    return _without_sign_of_zero(rounded)


def _without_sign_of_zero(number: Decimal) -> Decimal:
    return number or Decimal(0)


# ── the list ─────────────────────────────────────────────────────────────────────────────────────

_Result: TypeAlias = Callable[[tuple[ConceptType, ...]], ConceptType]
_Apply: TypeAlias = Callable[[tuple[Value, ...], AgeConvention], Value | NotKnown]


def _number_of(unit: str) -> _Result:
    return lambda _types: NumberType(unit=unit)


def _day(_types: tuple[ConceptType, ...]) -> ConceptType:
    return DateType()


def _like_the_first(types: tuple[ConceptType, ...]) -> ConceptType:
    return types[0]


def _like_the_finest(types: tuple[ConceptType, ...]) -> ConceptType:
    return max(types, key=lambda type_: type_.scale if isinstance(type_, NumberType) else 0)


def _whole(types: tuple[ConceptType, ...]) -> ConceptType:
    return NumberType(unit=types[0].unit if isinstance(types[0], NumberType) else "")


def _of(function: Callable[..., Value | NotKnown]) -> _Apply:
    return lambda arguments, _convention: function(*arguments)


def _age(arguments: tuple[Value, ...], convention: AgeConvention) -> Value | NotKnown:
    match arguments:
        case (date() as born, date() as on):
            return age(born, on, convention)
        case _:
            return UNKNOWN


_DATES: tuple[Kind, ...] = ("date", "date")
_SHIFT: tuple[Kind, ...] = ("date", "number")

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        function.name: function
        for function in (
            Function("age", "周岁", _DATES, _number_of("岁"), _age),
            Function("years_between", "满年数", _DATES, _number_of("年"), _of(years_between)),
            Function("months_between", "满月数", _DATES, _number_of("月"), _of(months_between)),
            Function("days_between", "天数", _DATES, _number_of("天"), _of(days_between)),
            Function("add_months", "加月", _SHIFT, _day, _of(add_months), (None, "月")),
            Function("add_years", "加年", _SHIFT, _day, _of(add_years), (None, "年")),
            Function("add_days", "加天", _SHIFT, _day, _of(add_days), (None, "天")),
            Function("year", "年份", ("date",), _number_of("年"), _of(lambda d: Decimal(d.year))),
            Function("month", "月份", ("date",), _number_of("月"), _of(lambda d: Decimal(d.month))),
            Function("day", "日号", ("date",), _number_of("日"), _of(lambda d: Decimal(d.day))),
            Function(
                "min",
                "最小",
                ("number",),
                _like_the_finest,
                _of(lambda *numbers: min(numbers)),
                variadic=True,
            ),
            Function(
                "max",
                "最大",
                ("number",),
                _like_the_finest,
                _of(lambda *numbers: max(numbers)),
                variadic=True,
            ),
            Function("abs", "绝对值", ("number",), _like_the_first, _of(Decimal.copy_abs)),
            Function("floor", "向下取整", ("number",), _whole, _of(floor)),
            Function("ceiling", "向上取整", ("number",), _whole, _of(ceiling)),
            Function(
                "round_half_up",
                "四舍五入",
                ("number", "number"),
                _like_the_first,
                _of(round_half_up),
                (None, ""),
            ),
        )
    }
)
"""Every function by its English name; a derived value may have neither name of any of them."""
