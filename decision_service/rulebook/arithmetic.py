"""Numbers and dates a second time, for the reference: what `functions` does, in another way.

Shares nothing with `functions`, so that a mistake in either shows as a difference. ``None`` stands
for what is not known; arguments are always known.
"""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    Underflow,
)

from decision_service.model import Value
from decision_service.rulebook.tree import Rounding, quantum

_DECIMAL128 = Context(
    34, ROUND_HALF_EVEN, -6143, 6144, traps=[DivisionByZero, InvalidOperation, Overflow, Underflow]
)


def _total(function: Callable[..., Decimal]) -> Callable[..., Decimal | None]:
    """The function, with None where decimal arithmetic has no answer."""

    def total(*numbers: Decimal) -> Decimal | None:
        try:
            return function(*numbers)
        except DecimalException:
            return None

    return total


NEGATIVE = _total(_DECIMAL128.minus)

ARITHMETIC = {
    "+": _total(_DECIMAL128.add),
    "-": _total(_DECIMAL128.subtract),
    "*": _total(_DECIMAL128.multiply),
    "/": _total(_DECIMAL128.divide),
    "**": _total(_DECIMAL128.power),
}

_ROUNDINGS = {
    "half_up": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
    "up": ROUND_UP,
    "down": ROUND_DOWN,
    "exact": ROUND_HALF_EVEN,
}


def rounding_to(rounding: Rounding, scale: int) -> Callable[[Decimal], Decimal | None]:
    """How an output is rounded; ``exact`` traps any digit that would be lost."""
    context = _DECIMAL128.copy()
    context.rounding = _ROUNDINGS[rounding]
    context.traps[Inexact] = rounding == "exact"
    step = quantum(scale)
    zero = Decimal(0).quantize(step)
    quantize = _total(context.quantize)

    def round_(value: Decimal) -> Decimal | None:
        rounded = quantize(value, step)
        return zero if rounded == zero else rounded  # never "-0.00"

    return round_


def _age(born: date, on: date) -> Decimal | None:
    """The classical trick: days written as YYYYMMDD differ by ages times 10,000."""
    return None if on < born else Decimal((_digits(on) - _digits(born)) // 10_000)


def _age_day_after(born: date, on: date) -> Decimal | None:
    """The age on the day before, for who was already born then."""
    if on <= born:
        return Decimal(0) if on == born else None
    return _age(born, date.fromordinal(on.toordinal() - 1))


AGES = {"birthday": _age, "day_after": _age_day_after}


def _digits(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _add_months(start: date, months: Decimal) -> date | None:
    """From the first of the month, and then to the day, or as far as the month goes."""
    if not (-_FAR < months < _FAR and months == _whole(months)):
        return None
    month = start.year * 12 + start.month - 1 + _whole(months)
    if not 12 <= month < 120_000:
        return None
    first = date(month // 12, month % 12 + 1, 1)
    following = 31 if month == 119_999 else _first_after(first).toordinal() - first.toordinal()
    return date.fromordinal(first.toordinal() + min(start.day, following) - 1)


def _first_after(first: date) -> date:
    return date.fromordinal(first.toordinal() + 31).replace(day=1)


def _months_between(start: date, end: date) -> Decimal:
    """The last month that does not pass the end, found by trying."""
    if end < start:
        return Decimal(0) - _months_between(end, start)
    months = Decimal((end.year - start.year) * 12 + end.month - start.month)
    reached = _add_months(start, months)
    return months if reached is not None and reached <= end else months - 1


def _years_between(start: date, end: date) -> Decimal:
    if end < start:
        return _years_between(end, start).copy_negate()
    return Decimal(int(_months_between(start, end)) // 12)


def _add_days(start: date, days: Decimal) -> date | None:
    if not (-_FAR < days < _FAR and days == _whole(days)):
        return None
    ordinal = start.toordinal() + _whole(days)
    return date.fromordinal(ordinal) if 1 <= ordinal <= date.max.toordinal() else None


def _add_years(start: date, years: Decimal) -> date | None:
    return (
        _add_months(start, years * 12) if -_FAR < years < _FAR and years == _whole(years) else None
    )


_FAR = 10_000_000
"""More days, months or years than the calendar has."""


def _round_half_up(number: Decimal, digits: Decimal) -> Decimal | None:
    """In whole numbers: half a step is added to the amount, and what is left over is dropped."""
    if digits not in _DIGITS:
        return None
    over, under = number.copy_abs().as_integer_ratio()
    step_over, step_under = quantum(int(digits)).as_integer_ratio()
    steps = (2 * over * step_under + under * step_over) // (2 * under * step_over)
    if steps >= 10**34:
        return None
    rounded = _DECIMAL128.scaleb(Decimal(steps), -int(digits))
    return rounded.copy_negate() if steps and number < 0 else rounded


_DIGITS = frozenset(Decimal(digits) for digits in range(-9, 10))


def _floor(number: Decimal) -> Decimal:
    over, under = number.as_integer_ratio()
    return Decimal(over // under)


def _whole(number: Decimal) -> int:
    return int(_floor(number))


FUNCTIONS: Mapping[str, Callable[..., Value | None]] = {
    "years_between": _years_between,
    "months_between": _months_between,
    "days_between": lambda start, end: Decimal(end.toordinal() - start.toordinal()),
    "add_months": _add_months,
    "add_years": _add_years,
    "add_days": _add_days,
    "year": lambda day: Decimal(day.isoformat()[:4]),
    "month": lambda day: Decimal(day.isoformat()[5:7]),
    "day": lambda day: Decimal(day.isoformat()[8:]),
    "min": lambda *numbers: min(numbers),
    "max": lambda *numbers: max(numbers),
    "abs": lambda number: number if number >= 0 else number.copy_negate(),
    "floor": _floor,
    "ceiling": lambda number: _floor(number.copy_negate()).copy_negate(),
    "round_half_up": _round_half_up,
}
