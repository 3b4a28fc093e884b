"""What is held against what: tests, ranges and their digits, each as of the type of its item."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from decision_service.model import DateType, NumberType
from decision_service.rulebook.agreement import digits, fit, in_words, refuse_more_digits
from decision_service.rulebook.source import Report
from decision_service.rulebook.tokens import Scope
from decision_service.rulebook.tree import (
    Constant,
    Expression,
    Interval,
    Listed,
    Position,
    Spanned,
    ends,
)
from decision_service.rulebook.values import AnyType, DaysType, ListOf, MonthsType, NotKnown, Type

Test: TypeAlias = Interval | Expression
"""What a value can be held against: a range, or another value that it must equal."""


@dataclass(frozen=True, slots=True)
class Tests:
    """What a cell of a decision table demands: one of the tests, or none of them."""

    negated: bool
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Equality:
    """``= …`` or ``!= …`` among tests: the value itself, even where it is a list."""

    op: Literal["=", "!="]
    value: Expression
    at: Position


class Comparisons:
    """Fits tests to what they are held against, or reports why they do not."""

    def __init__(self, scope: Scope, report: Report) -> None:
        self._scope = scope
        self._report = report

    def fitted(self, item: Expression, tests: Sequence[Test | None]) -> tuple[Test, ...] | None:
        """The tests as ones of the item's type; None if one of them is not."""
        fitted = [self._test(item, test) for test in tests]
        return None if None in fitted else tuple(test for test in fitted if test is not None)

    def _test(self, item: Expression, test: Test | None) -> Test | None:
        match test:
            case None:
                return None
            case Interval() | Spanned():
                return self._interval(item, test.interval if isinstance(test, Spanned) else test)
            case Listed(items=tests) if not isinstance(item.type, ListOf | AnyType):
                fitted = [fit(one, item.type, self._report) for one in tests]
                items = tuple(one for one in fitted if one is not None)
                alike = ListOf(item.type)
                return None if None in fitted else replace(test, items=items, type=alike)
            case _ if isinstance(test.type, ListOf) and not isinstance(item.type, ListOf):
                return fit(test, ListOf(item.type), self._report)
            case _:
                return self._value(item, test)

    def _interval(self, item: Expression, interval: Interval) -> Interval | None:
        first = ends(interval)[0]
        if not self.is_ordered(item.type, "<", first.at):
            return None
        low, high = (
            None if end is None else self._value(item, end) for end in (interval.low, interval.high)
        )
        fitted = replace(interval, low=low, high=high)
        if len(ends(fitted)) < len(ends(interval)):
            return None
        if not self._scope.free and _holds_nothing(interval):
            self._report.add("A202.range", first.at)
        return fitted

    def _value(self, item: Expression, value: Expression) -> Expression | None:
        """A value, or an end of a range, as one of the item's type."""
        fitted = fit(value, item.type, self._report)
        if fitted is not None:
            self.refuse_digits(item, fitted)
        return fitted

    def is_ordered(self, type_: Type, op: str, at: Position) -> bool:
        """Whether values of a type can be compared so; if not, it is reported."""
        ordered = NumberType | DateType | MonthsType | DaysType | AnyType
        if op in {"=", "!="} or isinstance(type_, ordered):
            return True
        words = in_words(type_)
        self._report.add("E033.order", at, kind=words.zh, kind_en=words.en)
        return False

    def refuse_digits(self, item: Expression, constant: Expression) -> None:
        """Report a constant with more digits than what it is held against can have."""
        scale = digits(item)
        if (
            isinstance(item.type, NumberType)
            and not isinstance(item, Constant)
            and scale is not None
        ):
            refuse_more_digits(constant, scale, self._report)


def _holds_nothing(interval: Interval) -> bool:
    """Whether the ends of a range are the wrong way round, or meet where one is left out."""
    match interval:
        case Interval(low=Constant(value=low), high=Constant(value=high)):
            pass
        case _:
            return False
    if type(low) is not type(high) or isinstance(low, bool | str | NotKnown):
        return False
    both = interval.low_included and interval.high_included
    return low > high or (low == high and not both)  # type: ignore[operator]  # of one kind
