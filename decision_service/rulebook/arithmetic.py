"""Numbers and dates a second time, for the reference: what `functions` does, in another way.

Shares nothing with `functions`, so that a mistake in either shows as a difference. ``None`` stands
for what is not known; arguments are always known.
"""

from bisect import bisect_left, bisect_right
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
from typing import Any

from decision_service.model import Calendar
from decision_service.rulebook.tree import Rounding, quantum
from decision_service.rulebook.values import DaysAndTime, Duration, YearsAndMonths, duration

DECIMAL128 = Context(
    34, ROUND_HALF_EVEN, -6143, 6144, traps=[DivisionByZero, InvalidOperation, Overflow, Underflow]
)
"""Numbers as decimal128 of IEEE 754 has them."""

_EXACT = Context(20_000, ROUND_HALF_EVEN, -99_999, 99_999, traps=[InvalidOperation])
_FINER = Context(
    60, ROUND_HALF_EVEN, -99_999, 99_999, traps=[InvalidOperation, Overflow, Underflow]
)


def _total(function: Callable[..., Decimal]) -> Callable[..., Decimal | None]:
    """The function, with None where decimal arithmetic has no answer, or an infinite one."""

    def total(*numbers: Decimal) -> Decimal | None:
        try:
            found = function(*numbers)
        except DecimalException:
            return None
        return found if found.is_finite() else None  # zero to a negative power traps nothing

    return total


NEGATIVE = _total(DECIMAL128.minus)

ARITHMETIC = {
    "+": _total(DECIMAL128.add),
    "-": _total(DECIMAL128.subtract),
    "*": _total(DECIMAL128.multiply),
    "/": _total(DECIMAL128.divide),
    "**": _total(DECIMAL128.power),
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
    context = DECIMAL128.copy()
    context.rounding = _ROUNDINGS[rounding]
    context.traps[Inexact] = rounding == "exact"
    step = quantum(scale)
    zero = Decimal(0).quantize(step)
    quantize = context.quantize

    def round_(value: Decimal) -> Decimal | None:
        try:
            return quantize(value, step) or zero  # never "-0.00"
        except DecimalException:
            return None

    return round_


def _age(born: date, on: date) -> Decimal | None:
    """The classical trick: days written as YYYYMMDD differ by ages times 10,000."""
    return None if on < born else _YEARS[(_digits(on) - _digits(born)) // 10_000]


def _age_day_after(born: date, on: date) -> Decimal | None:
    """The age on the day before, for who was already born then."""
    if on <= born:
        return Decimal(0) if on == born else None
    return _age(born, date.fromordinal(on.toordinal() - 1))


AGES = {"birthday": _age, "day_after": _age_day_after}


_YEARS = tuple(map(Decimal, range(date.max.year)))


def _digits(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _add_months(start: date, months: Decimal) -> date | None:
    if not -_FAR < months < _FAR or months != int(months):
        return None
    return _moved(start, int(months))


def _moved(start: date, months: int) -> date | None:
    """The same day of another month; where there is none, the day before the following first."""
    year, place = divmod(start.year * 12 + start.month - 1 + months, 12)
    if not 1 <= year <= date.max.year:
        return None
    try:
        return start.replace(year, place + 1)
    except ValueError:  # never in December, which has all days
        return date.fromordinal(date(year, place + 2, 1).toordinal() - 1)


def _months_between(start: date, end: date) -> Decimal:
    """The last month that does not pass the end, found by trying."""
    if end < start:
        return Decimal(0) - _months_between(end, start)
    months = (end.year - start.year) * 12 + end.month - start.month
    reached = _moved(start, months)
    return Decimal(months if reached is not None and reached <= end else months - 1)


def _years_between(start: date, end: date) -> Decimal:
    if end < start:
        return _years_between(end, start).copy_negate()
    return Decimal(int(_months_between(start, end)) // 12)


def _add_days(start: date, days: Decimal) -> date | None:
    if not -_FAR < days < _FAR or days != int(days):
        return None
    ordinal = start.toordinal() + int(days)
    return date.fromordinal(ordinal) if 1 <= ordinal <= date.max.toordinal() else None


def _add_years(start: date, years: Decimal) -> date | None:
    if not -_FAR < years < _FAR or years != int(years):
        return None
    return _moved(start, 12 * int(years))


_FAR = 10_000_000
"""More days, months or years than the calendar has."""


def _to_scale(up: Callable[[int, int, int, bool], bool]) -> Callable[..., Decimal | None]:
    """How a number is rounded to a scale, in whole numbers.

    Args:
        up: Whether the amount goes up by a step: from twice what is left over, the step itself,
            the steps so far, and whether the number is negative.
    """

    def rounded(number: Decimal, scale: Decimal = Decimal(0)) -> Decimal | None:
        digits = int(scale)
        if digits < -6111 or digits > 6176:
            return None
        over, under = number.copy_abs().as_integer_ratio()
        if digits >= 0 and 10**digits % under == 0:
            return number
        over, under = (over * 10**digits, under) if digits >= 0 else (over, under * 10**-digits)
        steps, rest = divmod(over, under)
        if rest and up(2 * rest, under, steps, number < 0):
            steps += 1
        return _scaled_back(Decimal(steps if number > 0 else -steps), -digits)

    return rounded


_scaled_back = _total(lambda steps, by: DECIMAL128.plus(steps.scaleb(int(by), _EXACT)))


def _modulo(dividend: Decimal, divisor: Decimal) -> Decimal | None:
    """In whole numbers of the finer step of the two."""
    if not divisor:
        return None
    step = min(_exponent(dividend), _exponent(divisor), 0)
    whole = int(dividend.scaleb(-step, _EXACT)) % int(divisor.scaleb(-step, _EXACT))
    return DECIMAL128.scaleb(Decimal(whole), step)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _parity(number: Decimal, rest: int) -> bool:
    over, under = number.as_integer_ratio()
    return under == 1 and over % 2 == rest


def _logarithm(number: Decimal) -> Decimal:
    if number <= 0:
        raise InvalidOperation
    return DECIMAL128.plus(_FINER.ln(number))


def _date(*parts: Any) -> date | None:  # noqa: ANN401  # a text, a day, or three numbers
    try:
        if len(parts) == 3:
            year, month, day = (int(part) for part in parts)
            return date(year, month, day) if [year, month, day] == list(parts) else None
        (text,) = parts
        if isinstance(text, date):
            return text
        year_, month_, day_ = (text[:4], text[5:7], text[8:])
        sound = len(text) == 10 and text[4] == text[7] == "-"
        digits = (year_ + month_ + day_).isascii() and (year_ + month_ + day_).isdigit()
        return date(int(year_), int(month_), int(day_)) if sound and digits else None
    except (ValueError, OverflowError, TypeError):
        return None


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "years_between": _years_between,
    "months_between": _months_between,
    "days_between": lambda start, end: Decimal(end.toordinal() - start.toordinal()),
    "add_months": _add_months,
    "add_years": _add_years,
    "add_days": _add_days,
    "year": lambda day: Decimal(day.isoformat()[:4]),
    "month": lambda day: Decimal(day.isoformat()[5:7]),
    "day": lambda day: Decimal(day.isoformat()[8:]),
    "date": _date,
    "duration": duration,
    "years_and_months_duration": lambda start, end: YearsAndMonths(
        int(_months_between(start, end))
    ),
    "day_of_year": lambda day: Decimal(f"{day:%j}"),
    "day_of_week": lambda day: _DAYS[(day.toordinal() - 1) % 7],
    "month_of_year": lambda day: _MONTHS[day.month - 1],
    "week_of_year": lambda day: Decimal(f"{day:%V}"),
    "abs": lambda one: one.copy_abs() if isinstance(one, Decimal) else max(one, negated(one)),
    "decimal": _to_scale(
        lambda twice, step, steps, _: twice > step or (twice == step and steps % 2 == 1)
    ),
    "floor": _to_scale(lambda _twice, _step, _steps, negative: negative),
    "ceiling": _to_scale(lambda _twice, _step, _steps, negative: not negative),
    "round_up": _to_scale(lambda *_: True),
    "round_down": _to_scale(lambda *_: False),
    "round_half_up": _to_scale(lambda twice, step, *_: twice >= step),
    "round_half_down": _to_scale(lambda twice, step, *_: twice > step),
    "modulo": _modulo,
    "sqrt": _total(DECIMAL128.sqrt),
    "log": _total(_logarithm),
    "exp": _total(lambda number: DECIMAL128.plus(_FINER.exp(number))),
    "odd": lambda number: _parity(number, 1),
    "even": lambda number: _parity(number, 0),
}


# ── working days ─────────────────────────────────────────────────────────────────────────────────


def counting(calendar: Calendar) -> Mapping[str, Callable[..., Any]]:
    """Functions of working days, from one list of all that a calendar knows."""
    years = calendar.years
    worked = sorted(
        ordinal
        for year in years
        for ordinal in range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1)
        if (ordinal - 1) % 7 < 5
    )
    worked = sorted(
        ({*worked} - {day.toordinal() for day in calendar.holidays})
        | {day.toordinal() for day in calendar.workdays if day.weekday() in {5, 6}}
    )

    def known(first: int, last: int) -> bool:
        """Whether the calendar speaks of every day from one to the other."""
        return all(
            year in years
            for year in range(date.fromordinal(first).year, date.fromordinal(last).year + 1)
        )

    def is_working_day(day: date) -> bool | None:
        place = bisect_left(worked, day.toordinal())
        found = worked[place : place + 1] == [day.toordinal()]
        return found if day.year in years else None

    def between(start: date, end: date) -> Decimal | None:
        low, high = sorted((start.toordinal(), end.toordinal()))
        if low < high and not known(low + 1, high):
            return None
        passed = bisect_right(worked, high) - bisect_right(worked, low)
        return Decimal(passed if start <= end else -passed)

    def add(start: date, count: Decimal) -> date | None:
        if count != count.to_integral_value() or abs(count) > len(worked):
            return None
        day, steps = start.toordinal(), int(count)
        if not steps:
            return start
        place = (
            bisect_right(worked, day) + steps - 1 if steps > 0 else bisect_left(worked, day) + steps
        )
        if not 0 <= place < len(worked):
            return None
        low, high = sorted((worked[place], day + (1 if steps > 0 else -1)))
        return date.fromordinal(worked[place]) if known(low, high) else None

    return {
        "is_working_day": is_working_day,
        "working_days_between": between,
        "add_working_days": add,
    }


# ── days and durations ───────────────────────────────────────────────────────────────────────────

_DAY = 86_400


def _shifted(start: date, by: Duration, sign: int) -> date | None:
    if isinstance(by, YearsAndMonths):
        return _add_months(start, Decimal(sign * by.months))
    over, under = by.seconds.as_integer_ratio()
    return _add_days(start, Decimal(sign * over // (under * _DAY)))


def _apart(end: date, start: date) -> DaysAndTime:
    return DaysAndTime(Decimal(_DAY * (end.toordinal() - start.toordinal())))


def _times(of: Duration, factor: Decimal, divisor: Decimal = Decimal(1)) -> Duration | None:
    """The seconds, or the whole months towards zero."""
    amount = of.seconds if isinstance(of, DaysAndTime) else Decimal(of.months)
    found = _total(lambda one, other: DECIMAL128.divide(DECIMAL128.multiply(amount, one), other))(
        factor, divisor
    )
    if found is None or abs(found) >= 10**15:
        return None
    return YearsAndMonths(int(found)) if isinstance(of, YearsAndMonths) else DaysAndTime(found)


def _joined(left: Duration, right: Duration, sign: int) -> Duration | None:
    if isinstance(left, YearsAndMonths) and isinstance(right, YearsAndMonths):
        return YearsAndMonths(left.months + sign * right.months)
    if isinstance(left, DaysAndTime) and isinstance(right, DaysAndTime):
        seconds = ARITHMETIC["+" if sign > 0 else "-"](left.seconds, right.seconds)
        return None if seconds is None else DaysAndTime(seconds)
    raise TypeError("months and days do not add")


def _ratio(left: Duration, right: Duration) -> Decimal | None:
    amounts = [
        one.seconds if isinstance(one, DaysAndTime) else Decimal(one.months)
        for one in (left, right)
    ]
    return ARITHMETIC["/"](*amounts)


def other_arithmetic(  # noqa: C901, PLR0911  # one case for each pair of kinds
    left: str, op: str, right: str
) -> Callable[..., Any]:
    """Arithmetic on two kinds of values that are not both numbers."""
    match left, op, right:
        case "text", "+", "text":
            return lambda one, other: f"{one}{other}"
        case "date", "-", "date":
            return _apart
        case "date", "+", _:
            return lambda start, by: _shifted(start, by, 1)
        case "date", "-", _:
            return lambda start, by: _shifted(start, by, -1)
        case _, "+", "date":
            return lambda by, start: _shifted(start, by, 1)
        case _, "+", _:
            return lambda one, other: _joined(one, other, 1)
        case _, "-", _:
            return lambda one, other: _joined(one, other, -1)
        case _, "*", "number":
            return _times
        case "number", "*", _:
            return lambda factor, of: _times(of, factor)
        case _, "/", "number":
            return lambda of, divisor: _times(of, Decimal(1), divisor)
        case _:
            return _ratio


def negated(of: Duration) -> Duration:
    """A duration the other way."""
    if isinstance(of, YearsAndMonths):
        return YearsAndMonths(0 - of.months)
    return DaysAndTime(DECIMAL128.minus(of.seconds))


def _clock(of: DaysAndTime, unit: int, most: int) -> Decimal:
    over, under = of.seconds.copy_abs().as_integer_ratio()
    whole = over // (under * unit)
    amount = Decimal(whole % most if most else whole)
    return amount.copy_negate() if amount and of.seconds < 0 else amount


def _seconds(of: DaysAndTime) -> Decimal:
    """What is left beside whole minutes; it alone has digits after the point."""
    over, under = of.seconds.copy_abs().as_integer_ratio()
    rest = DECIMAL128.divide(Decimal(over % (60 * under)), Decimal(under))
    return rest.copy_negate() if rest and of.seconds < 0 else rest


PARTS: Mapping[tuple[str, str], Callable[[Any], Decimal]] = {
    ("date", "year"): FUNCTIONS["year"],
    ("date", "month"): FUNCTIONS["month"],
    ("date", "day"): FUNCTIONS["day"],
    ("date", "weekday"): lambda day: Decimal((day.toordinal() - 1) % 7 + 1),
    ("months", "years"): lambda of: Decimal(int(Decimal(of.months) / 12)),
    ("months", "months"): lambda of: Decimal(of.months - int(Decimal(of.months) / 12) * 12),
    ("days", "days"): lambda of: _clock(of, 86_400, 0),
    ("days", "hours"): lambda of: _clock(of, 3_600, 24),
    ("days", "minutes"): lambda of: _clock(of, 60, 60),
    ("days", "seconds"): _seconds,
}
"""Parts of days and durations by the kind of what they are a part of."""
