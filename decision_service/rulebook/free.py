"""One expression on its own: a text and the values of its names in, its value out.

For whoever wants to try the language, and for programs: FEEL as DMN 1.5 writes it, with names and
words in Chinese too. Types are those of the values: what does not go together is unknown, where
FEEL says null; what cannot be read is an error with its place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from decision_service.model import Calendar, Concept
from decision_service.rulebook import expression, plain
from decision_service.rulebook.days import AgeConvention
from decision_service.rulebook.source import Piece, Report, TooManyFindingsError
from decision_service.rulebook.tokens import Scope
from decision_service.rulebook.tree import Expression, RuleFileError
from decision_service.rulebook.values import (
    ANY,
    UNKNOWN,
    Datum,
    DaysAndTime,
    NotKnown,
    Span,
    YearsAndMonths,
)

Given: TypeAlias = (
    bool | int | Decimal | date | str | YearsAndMonths | DaysAndTime | Span | NotKnown
    | Sequence["Given"] | Mapping[str, "Given"] | None
)  # fmt: skip
"""What a name can stand for: a truth, an exact number, a day, a text, a duration, a list of such,
a flat record of such, or `Unknown` (None is the same). There is no float: a number is an int or a
Decimal."""


class ExpressionError(RuleFileError):
    """An expression that cannot be read: where (line:column), why, and what to write instead.

    Attributes:
        findings: Every mistake, with its place, and in both languages its message and its hint.
    """

    def __str__(self) -> str:
        return "; ".join(
            f"{one.at.line}:{one.at.column}: {one.code} {one.message.en}. {one.hint.en}"
            for one in self.findings
        )


@dataclass(frozen=True, slots=True)
class _Conventions:
    age_convention: AgeConvention
    calendar: Calendar


def evaluate_expression(
    text: str,
    context: Mapping[str, Given] | None = None,
    *,
    age_convention: AgeConvention = "birthday",
    calendar: Calendar | None = None,
) -> Datum | NotKnown:
    """Work out an expression of the rule language.

    Args:
        text: E.g. ``年龄 >= 70 并且 户籍市 = "深圳市"`` or ``count(flats[area > 90]) = 0``.
        context: What each name stands for; a name may have blanks. `Unknown` is what nobody knows.
        age_convention: Whether ``周岁(…)`` counts a year from the birthday or from the day after.
        calendar: Which days ``工作日数(…)`` counts; without one it is unknown.

    Returns:
        A bool, Decimal, date, str, duration, range, tuple or mapping; `Unknown` where the context
        does not settle it.

    Raises:
        ExpressionError: The text cannot be read; it says where (line:column), why, and what to
            write instead.
        TypeError: The context holds something that no expression can be about.
    """
    values = {name: _taken(value) for name, value in (context or {}).items()}
    found = read(text, values)
    named = {Concept(name): value for name, value in values.items()}
    return plain.evaluate(found, named, _Conventions(age_convention, calendar or Calendar()))


def read(text: str, context: Mapping[str, Datum | NotKnown]) -> Expression:
    """Read an expression whose names have these values.

    Raises:
        ExpressionError: It cannot be read.
    """
    scope, report = Scope(free=True), Report()
    for name, value in context.items():
        scope.add(Concept(name), ANY, name)
        scope.add_columns(_keys(value))
    try:
        found = expression.read(Piece(text, 1, 1), scope, report)
    except TooManyFindingsError:
        found = None
    if found is None or report.refuses:
        raise ExpressionError("expression", tuple(report.findings))
    return found


def _taken(value: object) -> Datum | NotKnown:
    """A value as expressions have it."""
    match value:
        case None:
            return UNKNOWN
        case NotKnown() | bool() | Decimal() | str() | YearsAndMonths() | DaysAndTime() | Span():
            return value
        case int():
            return Decimal(value)
        case date() if type(value) is date:
            return value
        case Mapping():
            return {str(name): _taken(cell) for name, cell in value.items()}
        case Sequence():
            return tuple(_taken(item) for item in value)
        case _:
            raise TypeError(f"no expression can be about a {type(value).__name__}: {value!r}")


def _keys(value: Datum | NotKnown) -> Iterator[str]:
    """The names of cells anywhere in a value."""
    match value:
        case Mapping():
            yield from value
            for cell in value.values():
                yield from _keys(cell)
        case tuple():
            for item in value:
                yield from _keys(item)
        case _:
            pass


Unknown = UNKNOWN
"""What nobody knows, in a context and as a result."""
