"""The typed tree of an expression, built from the parser's, from the leaves up.

Whatever is wrong is reported and becomes None, and what is built upon None becomes None without
a further word, so that an author hears of every mistake once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal, TypeAlias, cast

from lark import Token, Transformer

from decision_service.model import (
    BooleanType,
    Concept,
    ConceptType,
    DateType,
    NumberType,
    TextType,
)
from decision_service.rulebook.agreement import (
    agree,
    as_scaled,
    digits,
    fit,
    in_unit,
    in_words,
    kind_in_words,
    names,
    refuse_more_digits,
)
from decision_service.rulebook.functions import FUNCTIONS, Function
from decision_service.rulebook.source import Report
from decision_service.rulebook.tokens import Scope, Word
from decision_service.rulebook.tree import (
    All,
    Arithmetic,
    Call,
    Compare,
    Comparison,
    Constant,
    Expression,
    If,
    Interval,
    Name,
    Negative,
    Not,
    Position,
    Some,
    Within,
)

Operator: TypeAlias = Literal["+", "-", "*", "/", "**"]

Test: TypeAlias = Interval | Expression
"""What a value can be held against: a range, or another value that it must equal."""


@dataclass(frozen=True, slots=True)
class Tests:
    """What a cell of a decision table demands: one of the tests, or none of them."""

    negated: bool
    tests: tuple[Test, ...]


_Child: TypeAlias = Any
"""A word (`Token`), or what a rule below it was turned into."""


class Builder(Transformer[Token, object]):
    """Turns lark's tree into the typed one, from the leaves up; a method a rule of the grammar."""

    words: tuple[Word, ...] = ()

    def __init__(self, scope: Scope, report: Report, item: Name | None = None) -> None:
        super().__init__(visit_tokens=False)
        self.scope = scope
        self.report = report
        self.item = item

    def _word(self, token: Token) -> Word:
        return self.words[token.start_pos or 0]

    # leaves

    def constant(self, children: list[_Child]) -> Expression:
        """A value written out."""
        word = self._word(children[0])
        match word.value:
            case bool() as truth:
                return Constant(truth, BooleanType(), word.at)
            case Decimal() as number:
                scale = max(-int(number.as_tuple().exponent), 0)
                return Constant(number, NumberType(scale=scale), word.at)
            case str() | None as text:
                return Constant(text or "", TextType(), word.at)
            case day:
                return Constant(day, DateType(), word.at)

    def name(self, children: list[_Child]) -> Expression | None:
        """A concept or derived value; `tokens` reported one that is not there."""
        word = self._word(children[0])
        id_ = Concept(str(word.value))
        type_ = self.scope.types.get(id_)
        return None if type_ is None else Name(id_, type_, word.at)

    def group(self, children: list[_Child]) -> Expression | None:
        """``( … )``."""
        return cast("Expression | None", children[1])

    # truth

    def disjunction(self, children: list[_Child]) -> Expression | None:
        """``… 或者 …``."""
        items = self._truths(children[::2])
        return None if items is None else Some(items, BooleanType(), items[0].at)

    def conjunction(self, children: list[_Child]) -> Expression | None:
        """``… 并且 …``."""
        items = self._truths(children[::2])
        return None if items is None else All(items, BooleanType(), items[0].at)

    def inverse(self, children: list[_Child]) -> Expression | None:
        """``非 …``."""
        items = self._truths(children[1:])
        return None if items is None else Not(items[0], BooleanType(), self._word(children[0]).at)

    def _truths(self, items: Iterable[Expression | None]) -> tuple[Expression, ...] | None:
        """The items, each a truth; all are looked at before any is refused."""
        truths = [None if item is None else fit(item, BooleanType(), self.report) for item in items]
        return None if None in truths else tuple(truth for truth in truths if truth is not None)

    # comparisons

    def compare(self, children: list[_Child]) -> Expression | None:
        """``… >= …``."""
        left, operator, right = children
        if left is None or right is None:
            return None
        op = cast("Comparison", self._word(operator).value)
        pair = agree(left, right, self.report)
        if pair is None or not self._is_ordered(pair[0].type, op, self._word(operator).at):
            return None
        self._refuse_digits(*pair)
        self._refuse_digits(*reversed(pair))
        return Compare(op, *pair, BooleanType(), left.at)

    def between(self, children: list[_Child]) -> Expression | None:
        """``… 介于 … 和 …``, both included."""
        item, _, low, _, high = children
        if low is None or high is None:
            return None
        interval = Interval(low, high, low_included=True, high_included=True)
        return self._within(item, [interval])

    def within(self, children: list[_Child]) -> Expression | None:
        """``… 属于 [… .. …]`` or ``… 属于 (…, …)``."""
        return self._within(children[0], [c for c in children[2:] if not isinstance(c, Token)])

    def _within(self, item: Expression | None, tests: Sequence[Test | None]) -> Expression | None:
        if item is None:
            return None
        fitted = self._fitted(item, tests)
        return None if fitted is None else Within(item, fitted, BooleanType(), item.at)

    def interval(self, children: list[_Child]) -> Interval | None:
        """``[70..80)``; a bracket that turns away, as in ``]70..80[``, leaves the end out."""
        left, low, _, high, right = children
        if low is None or high is None:
            return None
        return Interval(low, high, left.type == "LEFT", right.type == "RIGHT")

    def bound(self, children: list[_Child]) -> Test | None:
        """``>= 100`` among tests; ``!=`` has no place there."""
        operator, end = children
        if end is None:
            return None
        match self._word(operator).value:
            case "<" | "<=" as op:
                return Interval(None, end, low_included=False, high_included=op == "<=")
            case ">" | ">=" as op:
                return Interval(end, None, low_included=op == ">=", high_included=False)
            case "=":
                return cast("Expression", end)
            case _:
                self.report.add("E050.unequal", self._word(operator).at)
                return None

    def cell(self, children: list[_Child]) -> Tests | None:
        """A cell of a decision table."""
        return self._tests(children, negated=False)

    def none_of(self, children: list[_Child]) -> Tests | None:
        """``非(…)`` as a cell."""
        return self._tests(children, negated=True)

    def _tests(self, children: list[_Child], *, negated: bool) -> Tests | None:
        if self.item is None:
            return None
        fitted = self._fitted(self.item, [c for c in children if not isinstance(c, Token)])
        return None if fitted is None else Tests(negated, fitted)

    def _fitted(self, item: Expression, tests: Sequence[Test | None]) -> tuple[Test, ...] | None:
        """The tests as ones of the item's type; None if one of them is not."""
        fitted = [self._fitted_test(item, test) for test in tests]
        return None if None in fitted else tuple(test for test in fitted if test is not None)

    def _fitted_test(self, item: Expression, test: Test | None) -> Test | None:
        match test:
            case None:
                return None
            case Interval(low=low, high=high):
                ends = [end for end in (low, high) if end is not None]
                if not self._is_ordered(item.type, "<", ends[0].at):
                    return None
                fitted = [self._fitted_test(item, end) for end in ends]
                if None in fitted:
                    return None
                if _holds_nothing(test):
                    self.report.add("A202.range", ends[0].at)
                new_low, new_high = (
                    None if end is None else fit(end, item.type, self.report) for end in (low, high)
                )
                return Interval(new_low, new_high, test.low_included, test.high_included)
            case _:
                value = fit(test, item.type, self.report)
                if value is not None:
                    self._refuse_digits(item, value)
                return value

    def _is_ordered(self, type_: ConceptType, op: str, at: Position) -> bool:
        if op in {"=", "!="} or isinstance(type_, NumberType | DateType):
            return True
        words = in_words(type_)
        self.report.add("E033.order", at, kind=words.zh, kind_en=words.en)
        return False

    def _refuse_digits(self, item: Expression, constant: Expression) -> None:
        scale = digits(item)
        if (
            isinstance(item.type, NumberType)
            and not isinstance(item, Constant)
            and scale is not None
        ):
            refuse_more_digits(constant, scale, self.report)

    # numbers

    def arithmetic(self, children: list[_Child]) -> Expression | None:
        """``+ - * / **``."""
        left, operator, right = children
        word = self._word(operator)
        op = cast("Operator", word.value)
        left_unit, right_unit = self._unit(left), self._unit(right)
        if left_unit is None or right_unit is None:
            return None
        if op in {"+", "-"}:
            pair = agree(left, right, self.report)
            return None if pair is None else _scaled(op, *pair, in_unit(pair[0]))
        unit = _unit_of(op, left_unit, right_unit)
        if unit is None:
            units = {"left": left_unit or "1", "right": right_unit or "1"}
            self.report.add("E032.arithmetic", word.at, op=op, **units)
            return None
        return _scaled(op, left, right, unit)

    def negative(self, children: list[_Child]) -> Expression | None:
        """``-…``."""
        operator, item = children
        if self._unit(item) is None:
            return None
        at = self._word(operator).at
        match item:
            case Constant(value=Decimal() as number):
                return Constant(number.copy_negate() if number else number, item.type, at)
            case _:
                return Negative(item, item.type, at)

    def _unit(self, item: Expression | None) -> str | None:
        """The unit of a number; None for anything else, which is reported."""
        if item is None:
            return None
        if isinstance(item.type, NumberType):
            return item.type.unit
        words = in_words(item.type)
        self.report.add("E033.arithmetic", item.at, kind=words.zh, kind_en=words.en)
        return None

    # choices and calls

    def conditional(self, children: list[_Child]) -> Expression | None:
        """``如果 … 那么 … 否则 …``."""
        operator, condition, _, then, _, otherwise = children
        truth = None if condition is None else fit(condition, BooleanType(), self.report)
        if truth is None or then is None or otherwise is None:
            return None
        pair = agree(then, otherwise, self.report)
        if pair is None:
            return None
        made = If(truth, *pair, pair[0].type, self._word(operator).at)
        return replace(made, type=as_scaled(made))

    def call(self, children: list[_Child]) -> Expression | None:
        """A function with its arguments."""
        word = self._word(children[0])
        function = FUNCTIONS[str(word.value)]
        arguments = [child for child in children[1:] if not isinstance(child, Token)]
        if None in arguments:
            return None
        wanted = len(function.parameters)
        if not (arguments if function.variadic else len(arguments) == wanted):
            self.report.add(
                "E035.count", word.at, name=word.text, found=str(len(arguments)), wanted=str(wanted)
            )
            return None
        fitted = self._arguments(function, word, arguments)
        if fitted is None:
            return None
        type_ = function.result(tuple(argument.type for argument in fitted))
        made = Call(function.name, fitted, type_, word.at)
        return replace(made, type=as_scaled(made))

    def _arguments(
        self, function: Function, word: Word, arguments: Sequence[Expression]
    ) -> tuple[Expression, ...] | None:
        """The arguments, each of its kind and unit; None if one is not, which is reported."""
        kinds = function.parameters * (len(arguments) if function.variadic else 1)
        units = function.units or (None,) * len(kinds)
        fitted: list[Expression | None] = []
        for argument, kind, unit in zip(arguments, kinds, units, strict=True):
            if argument.type.kind != kind:
                found, wanted = in_words(argument.type), kind_in_words(kind)
                self.report.add(
                    "E035", argument.at, name=word.text,
                    found=found.zh, wanted=wanted.zh, found_en=found.en, wanted_en=wanted.en,
                )  # fmt: skip
                fitted.append(None)
            elif unit is not None:
                fitted.append(fit(argument, NumberType(unit=unit), self.report))
            else:
                fitted.append(argument)
        if function.variadic and None not in fitted:
            fitted = list(self._alike(fitted))
        return None if None in fitted else tuple(one for one in fitted if one is not None)

    def _alike(self, arguments: Sequence[Expression | None]) -> Iterator[Expression | None]:
        """The arguments in the unit of the first that has one."""
        present = [argument for argument in arguments if argument is not None]
        first = next((a for a in present if next(names(a), None) is not None), present[0])
        for argument in present:
            yield fit(argument, first.type, self.report)


def _holds_nothing(interval: Interval) -> bool:
    """Whether the ends of a range are the wrong way round, or meet where one is left out."""
    match interval:
        case Interval(low=Constant(value=low), high=Constant(value=high)):
            ends = (low, high)
        case _:
            return False
    match ends:
        case (Decimal(), Decimal()) | (date(), date()):
            both = interval.low_included and interval.high_included
            return low > high or (low == high and not both)  # type: ignore[operator]  # of one kind
        case _:
            return False


def _scaled(op: Operator, left: Expression, right: Expression, unit: str) -> Arithmetic:
    made = Arithmetic(op, left, right, NumberType(unit=unit), left.at)
    return replace(made, type=as_scaled(made))


def _unit_of(op: Operator, left: str, right: str) -> str | None:
    """The unit of a product, quotient or power; None where the law knows no such unit."""
    if op == "*" and not (left and right):
        return left or right
    if op == "/" and not (right and left != right):
        return "" if left == right else left
    return "" if op == "**" and not (left or right) else None
