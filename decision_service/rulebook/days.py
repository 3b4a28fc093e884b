"""Functions of the rule language on days and durations, and what each means in law.

Every function is total: where it has no value (a year past 9999, the age of somebody not yet
born, half a month) the value is `UNKNOWN`, never an exception. Arguments are always known.
"""

import calendar
import re
from datetime import MAXYEAR, MINYEAR, date, timedelta
from decimal import Decimal, DecimalException
from typing import Literal, Protocol, TypeAlias

from decision_service.model import Calendar
from decision_service.rulebook.figures import DECIMAL
from decision_service.rulebook.values import (
    UNKNOWN,
    DaysAndTime,
    Duration,
    NotKnown,
    YearsAndMonths,
    duration,
)

AgeConvention: TypeAlias = Literal["birthday", "day_after"]
"""Whether an age is reached on the birthday or on the day after it; the matter says which."""

SECONDS_A_DAY = 86_400


class Conventions(Protocol):
    """What a release decides about all of its expressions; a rulebook has it."""

    @property
    def age_convention(self) -> AgeConvention:
        """Whether an age is reached on the birthday or on the day after it."""

    @property
    def calendar(self) -> Calendar:
        """Which days are worked on."""


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


# ── working days ─────────────────────────────────────────────────────────────────────────────────


def is_working_day(day: date, calendar: Calendar) -> bool | NotKnown:
    """Whether a day is worked on (工作日); unknown in a year of which the calendar says nothing."""
    return calendar.is_worked(day) if day.year in calendar.years else UNKNOWN


def working_days_between(start: date, end: date, calendar: Calendar) -> Decimal | NotKnown:
    """Working days from one day to another, the first not counted (民法典 Art. 201).

    Negative if the end is earlier; unknown where a day between is of a year of which the calendar
    says nothing.
    """
    if end < start:
        back = working_days_between(end, start, calendar)
        return back if isinstance(back, NotKnown) or not back else -back
    if end == start:
        return Decimal(0)
    first = start + timedelta(days=1)
    if not calendar.years.issuperset(range(first.year, end.year + 1)):
        return UNKNOWN
    passed = (first + timedelta(days=n) for n in range((end - first).days + 1))
    return Decimal(sum(map(calendar.is_worked, passed)))


def add_working_days(start: date, count: Decimal, calendar: Calendar) -> date | NotKnown:
    """The last of so many working days after a day, or before it; of none, the day itself."""
    if count != count.to_integral_value():
        return UNKNOWN
    left, day = abs(count), start
    years = calendar.years
    while left:
        try:
            day += timedelta(days=1 if count > 0 else -1)
        except OverflowError:
            return UNKNOWN
        if day.year not in years:
            return UNKNOWN
        left -= calendar.is_worked(day)
    return day


def _length(month: date) -> int:
    return calendar.monthrange(month.year, month.month)[1]


# ── durations ────────────────────────────────────────────────────────────────────────────────────


def moved(start: date, by: Duration) -> date | NotKnown:
    """A day moved by a duration; of hours only whole days are left, counted from midnight."""
    if isinstance(by, YearsAndMonths):
        return add_months(start, Decimal(by.months))
    whole = DECIMAL.divide_int(by.seconds, SECONDS_A_DAY)
    return add_days(start, whole if by.seconds >= whole * SECONDS_A_DAY else whole - 1)


def back(by: Duration) -> Duration:
    """The same duration the other way."""
    match by:
        case YearsAndMonths(months=months):
            return YearsAndMonths(-months)
        case DaysAndTime(seconds=seconds):
            return DaysAndTime(seconds.copy_negate() if seconds else seconds)


def apart(start: date, end: date) -> DaysAndTime:
    """The duration from one day to another."""
    return DaysAndTime(days_between(start, end) * SECONDS_A_DAY)


def months_apart(start: date, end: date) -> YearsAndMonths:
    """The duration in full months from one day to another."""
    return YearsAndMonths(int(months_between(start, end)))


def read_duration(text: str) -> Duration | NotKnown:
    """The duration that a text names; unknown if it names none."""
    found = duration(text)
    return UNKNOWN if found is None else found


# ── days from and as something else ──────────────────────────────────────────────────────────────


def read_day(text: str) -> date | NotKnown:
    """The day that ``2026-03-01`` names; unknown if it names none."""
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else UNKNOWN
    except ValueError:
        return UNKNOWN


def day_of(year: Decimal, month: Decimal, day: Decimal) -> date | NotKnown:
    """The day with these numbers; unknown if there is none."""
    whole = [int(part) for part in (year, month, day) if part == part.to_integral_value()]
    try:
        return date(*whole) if len(whole) == 3 else UNKNOWN
    except (ValueError, OverflowError):
        return UNKNOWN


def day_of_year(day: date) -> Decimal:
    """1 on 1 January."""
    return Decimal((day - date(day.year, 1, 1)).days + 1)


def day_of_week(day: date) -> str:
    """Monday to Sunday."""
    return calendar.day_name[day.weekday()]


def month_of_year(day: date) -> str:
    """January to December."""
    return calendar.month_name[day.month]


def week_of_year(day: date) -> Decimal:
    """Number of the week by ISO 8601."""
    return Decimal(day.isocalendar().week)


def part_of_day(day: date, part: str) -> Decimal | NotKnown:
    """``.year``, ``.month``, ``.day`` and ``.weekday`` (1 is Monday)."""
    match part:
        case "year" | "month" | "day":
            return Decimal(getattr(day, part))
        case "weekday":
            return Decimal(day.isoweekday())
        case _:
            return UNKNOWN


def part_of_duration(of: Duration, part: str) -> Decimal | NotKnown:
    """``.years`` and ``.months``, or ``.days``, ``.hours``, ``.minutes`` and ``.seconds``."""
    parts: dict[str, Decimal]
    match of:
        case YearsAndMonths(months=months):
            years = abs(months) // 12
            parts = {"years": Decimal(years), "months": Decimal(abs(months) % 12)}
            negative = months < 0
        case DaysAndTime(seconds=seconds):
            whole = seconds.copy_abs()
            parts = {
                "days": DECIMAL.divide_int(whole, SECONDS_A_DAY),
                "hours": DECIMAL.divide_int(whole, 3_600) % 24,
                "minutes": DECIMAL.divide_int(whole, 60) % 60,
                "seconds": DECIMAL.remainder(whole, 60),
            }
            negative = seconds < 0
    found = parts.get(part)
    if found is None:
        return UNKNOWN
    return found.copy_negate() if negative and found else found


def scaled(of: Duration, factor: Decimal, divisor: Decimal = Decimal(1)) -> Duration | NotKnown:
    """A duration times a number, or by one; of months only whole ones are left."""
    amount = Decimal(of.months) if isinstance(of, YearsAndMonths) else of.seconds
    try:
        product = DECIMAL.divide(DECIMAL.multiply(amount, factor), divisor)
        if abs(product) >= _FAR:
            return UNKNOWN
    except DecimalException:
        return UNKNOWN
    return YearsAndMonths(int(product)) if isinstance(of, YearsAndMonths) else DaysAndTime(product)


_FAR = Decimal(10) ** 15
"""Seconds or months beyond which no calendar reaches."""
