"""What an expression can be beyond what a concept can hold: durations, ranges, lists, records.

DMN 1.5 (10.3.2.3) names the two kinds of durations; they are never mixed, because no number of
days is a month.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import ClassVar, TypeAlias

from decision_service.model import (
    BooleanType,
    ConceptType,
    DateType,
    ListType,
    NumberType,
    ScalarType,
    TextType,
)


class NotKnown:
    """The one value `UNKNOWN`: Kleene's third truth value, and any value nobody knows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("unknown is neither true nor false")


UNKNOWN = NotKnown()


# ── durations and ranges ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, order=True)
class YearsAndMonths:
    """A duration of whole months; its text is that of ISO 8601, e.g. ``P1Y6M``."""

    months: int

    def __str__(self) -> str:
        years, months = divmod(abs(self.months), 12)
        parts = (f"{years}Y" if years else "") + (f"{months}M" if months else "")
        return ("-" if self.months < 0 else "") + f"P{parts or '0M'}"


@dataclass(frozen=True, slots=True, order=True)
class DaysAndTime:
    """A duration of seconds; its text is that of ISO 8601, e.g. ``P1DT12H``."""

    seconds: Decimal

    def __str__(self) -> str:
        minutes, seconds = divmod(self.seconds.copy_abs(), 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
        time += f"{_plain(seconds)}S" if seconds else ""
        parts = (f"{days}D" if days else "") + (f"T{time}" if time else "")
        return ("-" if self.seconds < 0 else "") + f"P{parts or 'T0S'}"


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


Duration: TypeAlias = YearsAndMonths | DaysAndTime

_MONTHS = re.compile(r"(-)?P(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?<!P)", re.ASCII)
_SECONDS = re.compile(
    r"(-)?P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{0,9})?)S)?(?<!T))?(?<!P)",
    re.ASCII,
)
_MONTHS_ZH = re.compile(r"(-)?(?:(\d{1,9})年)?(?:(\d{1,9})个?月)?(?<=[年月])", re.ASCII)
_DAYS_ZH = re.compile(r"(-)?(\d{1,9})[天日]", re.ASCII)


def duration(text: str) -> Duration | None:
    """Read a duration of ISO 8601, ``P1Y6M`` or ``P30D``, or as people say it, ``1年6个月``."""
    if found := _MONTHS.fullmatch(text) or _MONTHS_ZH.fullmatch(text):
        months = int(found[2] or 0) * 12 + int(found[3] or 0)
        return YearsAndMonths(-months if found[1] else months)
    if found := _SECONDS.fullmatch(text):
        days, hours, minutes = (int(part or 0) for part in found.group(2, 3, 4))
        seconds = Decimal(((days * 24 + hours) * 60 + minutes) * 60) + Decimal(found[5] or 0)
        return DaysAndTime(-seconds if found[1] else seconds)
    if found := _DAYS_ZH.fullmatch(text):
        days = int(found[2])
        return DaysAndTime(Decimal(-days if found[1] else days) * 86_400)
    return None


@dataclass(frozen=True, slots=True)
class Span:
    """A range as a value, e.g. what ``[1..10]`` is; an end that is None is open to infinity."""

    low: "Datum | None"
    high: "Datum | None"
    low_included: bool
    high_included: bool


Datum: TypeAlias = (
    bool | Decimal | date | str | Duration | Span
    | tuple["Datum | NotKnown", ...] | Mapping[str, "Datum | NotKnown"]
)  # fmt: skip
"""What an expression can come to. The elements of a list may be unknown, and so may the cells of
a record: one that is not there is unknown."""


# ── types ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class AnyType:
    """Nothing is said before the expression is evaluated; never in a rule file."""

    kind: ClassVar[str] = "any"


@dataclass(frozen=True, slots=True)
class MonthsType:
    """`YearsAndMonths`."""

    kind: ClassVar[str] = "months"


@dataclass(frozen=True, slots=True)
class DaysType:
    """`DaysAndTime`."""

    kind: ClassVar[str] = "days"


@dataclass(frozen=True, slots=True)
class RecordOf:
    """A flat record.

    Attributes:
        columns: Type of each cell by its id.
        names: Id of each column by its id and its Chinese name.
    """

    columns: Mapping[str, ScalarType]
    names: Mapping[str, str]
    kind: ClassVar[str] = "record"


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of such values."""

    item: "Type"
    kind: ClassVar[str] = "list"


Type: TypeAlias = ConceptType | AnyType | MonthsType | DaysType | RecordOf | ListOf


def in_expressions(type_: ConceptType) -> Type:
    """The type of a concept as expressions have it: a list has records."""
    if not isinstance(type_, ListType):
        return type_
    columns = {id_: column.type for id_, column in type_.columns.items()}
    spelt = {column.name.zh: id_ for id_, column in type_.columns.items()}
    return ListOf(RecordOf(columns, {**spelt, **{id_: id_ for id_ in columns}}))


ANY = AnyType()
BOOLEAN = BooleanType()
DAY = DateType()
TEXT = TextType()
PLAIN = NumberType()
"""A number without unit and without digits after the point."""
