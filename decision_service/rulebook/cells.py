"""Cells of a decision table: each is a condition, and a set of values that can be compared.

Whether two rows can both apply is decided over sets, not by trying values: numbers are whole at
their scale and dates whole days, so every set is a union of ranges of integers, and a column
falls into finitely many segments that no cell divides. A cell is then the bits of its segments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import TypeAlias

from decision_service.model import (
    BooleanType,
    DateType,
    NumberType,
    OptionType,
)
from decision_service.rulebook.comparisons import Test, Tests
from decision_service.rulebook.expression import read_tests
from decision_service.rulebook.figures import DECIMAL
from decision_service.rulebook.source import Piece, Report
from decision_service.rulebook.tokens import Scope
from decision_service.rulebook.tree import (
    All,
    Compare,
    Constant,
    Expression,
    Interval,
    Name,
    Not,
    Position,
    Within,
)

Bounds: TypeAlias = tuple[int | None, int | None]
"""Integers from the first to before the second; None is infinity."""

ANY = frozenset({"", "-", "－", "—"})
"""What is written in a cell that does not matter."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: the condition that it puts on its row, and the values that it lets pass.

    Attributes:
        condition: None if any value will do.
    """

    condition: Expression | None
    negated: bool = True
    bounds: tuple[Bounds, ...] = ()


class Column:
    """An input column of a decision table: a name, and all values that its cells speak of.

    Args:
        item: The concept or derived value.
        name: As the header of the table has it.
    """

    def __init__(self, item: Name, name: str) -> None:
        self.item = item
        self.name = name
        self._codes: dict[object, int] = {}
        match item.type:
            case OptionType(options=options):
                self._codes = {code: index for index, code in enumerate(options)}
            case BooleanType():
                self._codes = {False: 0, True: 1}
            case _:
                pass  # numbers and days are their own codes; texts get theirs as they come

    def read(
        self, piece: Piece, scope: Scope, report: Report, *, provable: bool = True
    ) -> Cell | None:
        """Read a cell; None if something is wrong with it, which is reported.

        Args:
            provable: Whether it is to be compared with other cells, and so must hold values only.
        """
        if piece.text in ANY:
            return Cell(None)
        found = read_tests(piece, self.item, scope, report)
        if found is None:
            return None
        if not provable:
            return Cell(_condition(self.item, found))
        ends = [end for test in found.tests for end in _ends(test)]
        if not all(isinstance(end, Constant) for end in ends):
            report.add("E050", piece.at)
            return None
        bounds = tuple(self._bounds(test) for test in found.tests)
        return Cell(_condition(self.item, found), found.negated, bounds)

    def masks(self, cells: Sequence[Cell]) -> tuple[tuple[Bounds, ...], tuple[int, ...]]:
        """The segments of the column, and for each cell those that it lets pass, as bits."""
        low, high = self._domain()
        cuts = {cut for cell in cells for pair in cell.bounds for cut in pair if cut is not None}
        inner = sorted(
            cut for cut in cuts if (low is None or cut > low) and (high is None or cut < high)
        )
        segments = tuple(pairwise([low, *inner, high]))
        starts: dict[int | None, int] = {first: index for index, (first, _) in enumerate(segments)}
        everything = (1 << len(segments)) - 1

        def mask(cell: Cell) -> int:
            passed = 0
            for first, end in cell.bounds:
                start = 0 if first is None else starts.get(first, len(segments))
                stop = len(segments) if end is None else starts.get(end, len(segments))
                passed |= ((1 << stop) - 1) & ~((1 << start) - 1)
            return everything & ~passed if cell.negated else passed

        return segments, tuple(mask(cell) for cell in cells)

    def example(self, segment: Bounds) -> str:
        """One value of a segment as the file would write it."""
        low, high = segment
        number = low if low is not None else (high - 1 if high is not None else 0)
        match self.item.type:
            case NumberType(scale=scale):
                return format(Decimal(number).scaleb(-scale, DECIMAL), "f")
            case DateType():
                return _day(number)
            case OptionType(options=options):
                return f'"{list(options.values())[number].zh}"'
            case BooleanType():
                return "是" if number else "否"
            case _:
                texts = {index: text for text, index in self._codes.items()}
                return f'"{texts.get(number, "…")}"'

    def _domain(self) -> Bounds:
        match self.item.type:
            case OptionType() | BooleanType():
                return 0, len(self._codes)
            case NumberType():
                return None, None
            case DateType():
                return date.min.toordinal(), date.max.toordinal() + 1
            case _:
                return 0, None

    def _bounds(self, test: Test) -> Bounds:
        """The integers that a test lets pass."""
        match test:
            case Interval(low=low, high=high):
                first = None if low is None else self._first(low, included=test.low_included)
                end = None if high is None else self._first(high, included=not test.high_included)
                return (first, end) if first is None or end is None else (first, max(first, end))
            case _:
                return self._first(test, included=True), self._first(test, included=False)

    def _first(self, end: Expression, *, included: bool) -> int:
        """The first integer at or above (``included``), or above, a constant."""
        match end:
            case Constant(value=Decimal() as number) if isinstance(self.item.type, NumberType):
                steps = number.scaleb(self.item.type.scale, DECIMAL)
                if included:
                    return int(steps.to_integral_value(ROUND_CEILING))
                return int(steps.to_integral_value(ROUND_FLOOR)) + 1
            case Constant(value=date() as day):
                return day.toordinal() + (not included)
            case Constant(value=value):
                return self._codes.setdefault(value, len(self._codes)) + (not included)
            case _:
                raise AssertionError("a cell holds constants only")


def conjunction(cells: Sequence[Cell], at: Position) -> Expression:
    """The condition of a row: all of its cells; a row of empty cells always applies."""
    conditions = tuple(cell.condition for cell in cells if cell.condition is not None)
    match conditions:
        case ():
            return Constant(value=True, type=BooleanType(), at=at)
        case (only,):
            return only
        case _:
            return All(conditions, BooleanType(), at)


def _ends(test: Test) -> tuple[Expression, ...]:
    if isinstance(test, Interval):
        return tuple(end for end in (test.low, test.high) if end is not None)
    return (test,)


def _condition(item: Name, found: Tests) -> Expression:
    """The simplest expression that says what a cell says."""
    match found.tests:
        case (Interval(low=None, high=Constant() as end, high_included=included),):
            inside: Expression = Compare(
                "<=" if included else "<", item, end, BooleanType(), end.at
            )
        case (Interval(low=Constant() as end, high=None, low_included=included),):
            inside = Compare(">=" if included else ">", item, end, BooleanType(), end.at)
        case (Constant() as value,):
            inside = Compare("=", item, value, BooleanType(), value.at)
        case tests:
            at = next((end.at for test in tests for end in _ends(test)), item.at)
            inside = Within(item, tests, BooleanType(), at)
    return Not(inside, BooleanType(), inside.at) if found.negated else inside


def _day(ordinal: int) -> str:
    return date.fromordinal(min(max(ordinal, 1), date.max.toordinal())).isoformat()
