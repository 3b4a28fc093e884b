"""The typed tree of an expression, built from the parser's.

Whatever is wrong is reported and becomes None, and what is built upon None becomes None without
a further word, so that an author hears of every mistake once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal, TypeAlias, cast

from lark import Token, Tree

from decision_service.model import Concept, NumberType
from decision_service.rulebook.agreement import (
    agree,
    as_scaled,
    beside,
    fit,
    in_unit,
    in_words,
)
from decision_service.rulebook.calls import Calls
from decision_service.rulebook.comparisons import Comparisons, Equality, Test, Tests
from decision_service.rulebook.operations import PARTS_OF, other_result, scaled, unit_of
from decision_service.rulebook.source import Report
from decision_service.rulebook.tokens import PARTS, Scope, Word
from decision_service.rulebook.tree import (
    All,
    Arithmetic,
    Compare,
    Comparison,
    Constant,
    Each,
    Element,
    Expression,
    Filter,
    If,
    Interval,
    Listed,
    Name,
    Negative,
    Not,
    Operator,
    Path,
    Position,
    Quantified,
    Series,
    Some,
    Spanned,
    Variable,
    Within,
    ends,
    is_fixed,
    parts,
)
from decision_service.rulebook.values import (
    ANY,
    BOOLEAN,
    DAY,
    TEXT,
    AnyType,
    DaysAndTime,
    DaysType,
    ListOf,
    MonthsType,
    NotKnown,
    RecordOf,
    Type,
    YearsAndMonths,
)
from decision_service.rulebook.words import PARTIAL

_Child: TypeAlias = Any
"""A word (`Token`), or what a rule below it was turned into."""


class Builder:
    """Turns lark's tree into the typed one; a method a rule of the grammar.

    Args:
        item: What a cell of a decision table holds against its tests.
    """

    words: tuple[Word, ...] = ()

    def __init__(self, scope: Scope, report: Report, item: Name | None = None) -> None:
        self.scope = scope
        self.report = report
        self.item = item
        self._frames: list[dict[str, Variable]] = []
        self._bound = 0
        self._grouped: set[int] = set()
        self._calls = Calls(scope, report)
        self._comparisons = Comparisons(scope, report)

    def build(self, tree: Tree[Token]) -> Any:  # noqa: ANN401  # an expression, tests, or None
        """What a tree of the parser stands for; None if something in it is wrong."""
        match tree.data:
            case "filtered":
                return self.filtered(*tree.children)
            case "quantified":
                return self.quantified(tree.children)
            case "each":
                return self.each(tree.children)
            case rule:
                children = [
                    self.build(child) if isinstance(child, Tree) else child
                    for child in tree.children
                ]
                method: Callable[[list[_Child]], Any] = getattr(self, rule)
                return method(children)

    def whole(self, tree: Tree[Token]) -> Expression | Tests | None:
        """What the whole text stands for."""
        built = self.build(tree)
        found = built if isinstance(built, Tests) else self._expression(built, self.words[0].at)
        if found is None or self.scope.free:
            return found
        tests = found.tests if isinstance(found, Tests) else parts(found)
        of_what = [one for test in tests for one in _untyped(test)]
        for empty in of_what:
            self.report.add("E033.empty", empty.at)
        return None if of_what else found

    def _word(self, token: Token) -> Word:
        return self.words[token.start_pos or 0]

    # leaves

    def constant(self, children: list[_Child]) -> Expression:
        """A value written out."""
        word = self._word(children[0])
        value = word.value
        match value:
            case bool():
                type_: Type = BOOLEAN
            case Decimal():
                scale = min(max(-int(value.as_tuple().exponent), 0), 9)
                type_ = NumberType(unit=word.unit, scale=scale)
            case YearsAndMonths():
                type_ = MonthsType()
            case DaysAndTime():
                type_ = DaysType()
            case date():
                type_ = DAY
            case NotKnown():
                type_ = ANY
            case _:
                value, type_ = value or "", TEXT
        return Constant(value, self.scope.type_of(type_), word.at)

    def name(self, children: list[_Child]) -> Expression | None:
        """A variable, a column of the record at hand, a concept or a derived value."""
        word = self._word(children[0])
        for frame in reversed(self._frames):
            if (variable := frame.get(word.text)) is not None:
                return replace(variable, at=word.at)
            record = frame.get("")
            if record is not None and (cell := self._cell(record, word)) is not None:
                return cell
        if word.value is None and (word.text in self.scope.columns or word.text in self._all_bound):
            self.report.add_unknown("E030", word.at, word.text, self.scope.names())
            return None
        id_ = Concept(str(word.value))
        type_ = self.scope.types.get(id_)
        return None if type_ is None else Name(id_, type_, word.at)

    @property
    def _all_bound(self) -> set[str]:
        return {word.text for word in self.words if word.kind == "VARIABLE"} | {"item", "本项"}

    def _cell(self, record: Variable, word: Word) -> Path | None:
        """A column of the record that a filter goes through; None if it is not one."""
        match record.type:
            case RecordOf(columns=columns, names=ids) if word.text in ids:
                id_ = ids[word.text]
                return Path(record, id_, columns[id_], word.at)
            case AnyType() if word.text in self.scope.columns:
                return Path(record, word.text, ANY, word.at)
            case _:
                return None

    def group(self, children: list[_Child]) -> Test | None:
        """``( … )``."""
        if isinstance(children[1], Interval):
            return children[1]
        inside = self._expression(children[1], self._word(children[0]).at)
        self._grouped.add(id(inside))
        return inside

    def unary(self, children: list[_Child]) -> Test | Equality | None:
        """``(< 5)``."""
        return cast("Test | Equality | None", children[1])

    def listed(self, children: list[_Child]) -> Expression | None:
        """``[1, 2, 3]``."""
        at = self._word(children[0]).at
        items = self._expressions(children[1:-1], at)
        if items is None:
            return None
        if self.scope.free or not items:
            return Listed(items, ListOf(ANY) if not self.scope.free else ANY, at)
        alike = self._calls.alike(items)
        if alike is None:
            return None
        made = Listed(alike, ListOf(alike[0].type), at)
        return replace(made, type=as_scaled(made))

    def _expressions(
        self, children: Sequence[_Child], at: Position
    ) -> tuple[Expression, ...] | None:
        """The children that are no signs, each an expression; None if one is wrong."""
        found = [self._expression(c, at) for c in children if not isinstance(c, Token)]
        return None if None in found else tuple(one for one in found if one is not None)

    def _expression(self, child: Test | Equality | None, at: Position) -> Expression | None:
        """A child where an expression is due: a range stands for itself there."""
        match child:
            case Interval() if self.scope.free:
                return Spanned(child, ANY, at)
            case Interval():
                self.report.add("E033.range", ends(child)[0].at)
                return None
            case Equality():
                self.report.add("E101.operand", child.at, text=child.op)
                return None
            case _:
                return child

    # truth

    def disjunction(self, children: list[_Child]) -> Expression | None:
        """``… 或者 …``."""
        items = self._truths(children[::2])
        return None if items is None else Some(items, BOOLEAN, items[0].at)

    def conjunction(self, children: list[_Child]) -> Expression | None:
        """``… 并且 …``."""
        items = self._truths(children[::2])
        return None if items is None else All(items, BOOLEAN, items[0].at)

    def inverse(self, children: list[_Child]) -> Expression | None:
        """``非 …``."""
        items = self._truths(children[1:])
        return None if items is None else Not(items[0], BOOLEAN, self._word(children[0]).at)

    def _truths(self, items: Sequence[_Child]) -> tuple[Expression, ...] | None:
        """The items, each a truth; all are looked at before any is refused."""
        truths = [self._truth(item) for item in items]
        return None if None in truths else tuple(truth for truth in truths if truth is not None)

    def _truth(self, item: _Child) -> Expression | None:
        found = self._expression(item, Position(1, 1))
        return None if found is None else fit(found, BOOLEAN, self.report)

    # comparisons

    def compare(self, children: list[_Child]) -> Expression | None:
        """``… >= …``."""
        left, operator, right = children
        word = self._word(operator)
        left, right = self._expression(left, word.at), self._expression(right, word.at)
        if left is None or right is None:
            return None
        op = cast("Comparison", word.value)
        pair = agree(left, right, self.report)
        if pair is None or not self._comparisons.is_ordered(pair[0].type, op, word.at):
            return None
        self._comparisons.refuse_digits(*pair)
        self._comparisons.refuse_digits(*reversed(pair))
        return Compare(op, *pair, BOOLEAN, left.at)

    def between(self, children: list[_Child]) -> Expression | None:
        """``… 介于 … 和 …``, both included."""
        at = self._word(children[1]).at
        item, low, high = (self._expression(child, at) for child in children[::2])
        if low is None or high is None:
            return None
        interval = Interval(low, high, low_included=True, high_included=True)
        return self._within(item, [interval])

    def within(self, children: list[_Child]) -> Expression | None:
        """``… 属于 [… .. …]``, ``… 属于 (…, …)`` or ``… 属于`` a list."""
        item, sign, *tests = children
        item = self._expression(item, self._word(sign).at)
        tests = [test for test in tests if not isinstance(test, Token)]
        for test in tests:
            if isinstance(test, Path | Filter | Name) and isinstance(test.type, ListOf):
                item = self._as_element(item, test.type)
        others = [test for test in tests if not isinstance(test, Equality)]
        found = [self._within(item, others)] if others else []
        for test in tests:
            if isinstance(test, Equality) and item is not None:
                pair = agree(item, test.value, self.report)
                found.append(None if pair is None else Compare(test.op, *pair, BOOLEAN, item.at))
        known = tuple(one for one in found if one is not None)
        if item is None or len(known) < len(found):
            return None
        return known[0] if len(known) == 1 else Some(known, BOOLEAN, item.at)

    def _as_element(self, item: Expression | None, whole: ListOf) -> Expression | None:
        """An item that is written out, as of the type of the list that it may be in."""
        if item is None or not is_fixed(item) or isinstance(item.type, ListOf):
            return item
        return fit(item, whole.item, self.report)

    def _within(self, item: Expression | None, tests: Sequence[Test | None]) -> Expression | None:
        if item is None:
            return None
        fitted = self._comparisons.fitted(item, tests)
        return None if fitted is None else Within(item, fitted, BOOLEAN, item.at)

    def interval(self, children: list[_Child]) -> Interval | None:
        """``[70..80)``; a bracket that turns away, as in ``]70..80[``, leaves the end out."""
        left, low, dots, high, right = children
        at = self._word(dots).at
        low, high = self._expression(low, at), self._expression(high, at)
        if low is None or high is None:
            return None
        return Interval(low, high, left.type == "LEFT", right.type == "RIGHT")

    def bound(self, children: list[_Child]) -> Test | Equality | None:
        """``>= 100`` among tests."""
        operator, end = children
        word = self._word(operator)
        end = self._expression(end, word.at)
        if end is None:
            return None
        match word.value:
            case "<" | "<=" as op:
                return Interval(None, end, low_included=False, high_included=op == "<=")
            case ">" | ">=" as op:
                return Interval(end, None, low_included=op == ">=", high_included=False)
            case op:
                return Equality("=" if op == "=" else "!=", end, word.at)

    def cell(self, children: list[_Child]) -> Tests | None:
        """A cell of a decision table."""
        return self._tests(children, negated=False)

    def none_of(self, children: list[_Child]) -> Tests | None:
        """``非(…)`` as a cell."""
        return self._tests(children, negated=True)

    def _tests(self, children: list[_Child], *, negated: bool) -> Tests | None:
        if self.item is None:
            return None
        tests: list[Test | None] = []
        for child in children:
            match child:
                case Token():
                    pass
                case Equality(op="!="):
                    self.report.add("E050.unequal", child.at)
                    return None
                case Equality(value=value):
                    tests.append(value)
                case _:
                    tests.append(child)
        fitted = self._comparisons.fitted(self.item, tests)
        return None if fitted is None else Tests(negated, fitted)

    # numbers, days and durations

    def arithmetic(  # noqa: PLR0911  # each return is a mistake that is possible here
        self, children: list[_Child]
    ) -> Expression | None:
        """``+ - * / **``."""
        left, operator, right = children
        word = self._word(operator)
        op = cast("Operator", word.value)
        left, right = self._expression(left, word.at), self._expression(right, word.at)
        if left is None or right is None:
            return None
        if op == "**" and not self.scope.free and self._is_bare_minus(left):
            self.report.add("E101.power", word.at)
            return None
        left, right = beside(left, right.type), beside(right, left.type)
        other = other_result(op, left.type, right.type)
        if other is not None:
            return Arithmetic(op, left, right, other, left.at)
        left_unit, right_unit = self._unit(left), self._unit(right)
        if left_unit is None or right_unit is None:
            return None
        if op in {"+", "-"}:
            pair = agree(left, right, self.report)
            return None if pair is None else scaled(op, *pair, in_unit(pair[0]))
        unit = unit_of(op, left_unit, right_unit)
        if unit is None:
            units = {"left": left_unit or "1", "right": right_unit or "1"}
            self.report.add("E032.arithmetic", word.at, op=op, **units)
            return None
        return scaled(op, left, right, unit)

    def _is_bare_minus(self, left: Expression) -> bool:
        """Whether a minus without brackets stands before a power: schools differ on it."""
        negative = isinstance(left, Negative) or (
            isinstance(left, Constant) and isinstance(left.value, Decimal) and left.value < 0
        )
        return negative and id(left) not in self._grouped

    def negative(self, children: list[_Child]) -> Expression | None:
        """``-…``."""
        operator, item = children
        at = self._word(operator).at
        item = self._expression(item, at)
        if item is None:
            return None
        if isinstance(item.type, MonthsType | DaysType | AnyType):
            return Negative(item, item.type, at)
        if self._unit(item) is None:
            return None
        match item:
            case Constant(value=Decimal() as number):
                return Constant(number.copy_negate() if number else number, item.type, at)
            case _:
                return Negative(item, item.type, at)

    def _unit(self, item: Expression) -> str | None:
        """The unit of a number; None for anything else, which is reported."""
        if isinstance(item.type, NumberType):
            return item.type.unit
        words = in_words(item.type)
        self.report.add("E033.arithmetic", item.at, kind=words.zh, kind_en=words.en)
        return None

    # choices and calls

    def conditional(self, children: list[_Child]) -> Expression | None:
        """``如果 … 那么 … 否则 …``."""
        operator, condition, _, then, _, otherwise = children
        at = self._word(operator).at
        truth = self._truth(condition)
        then, otherwise = self._expression(then, at), self._expression(otherwise, at)
        if truth is None or then is None or otherwise is None:
            return None
        pair = agree(then, otherwise, self.report)
        if pair is None:
            return None
        made = If(truth, *pair, pair[0].type, at)
        return replace(made, type=as_scaled(made))

    def call(self, children: list[_Child]) -> Expression | None:
        """A function with its arguments."""
        word = self._word(children[0])
        arguments = [child for child in children[1:] if not isinstance(child, Token)]
        if any(value is None for _, value in arguments):
            return None
        return self._calls.made(word, arguments)

    def argument(self, children: list[_Child]) -> tuple[Word | None, Expression | None]:
        """An argument, and the parameter that it was given by name."""
        *parameter, value = children
        word = self._word(parameter[0]) if parameter else None
        return word, self._expression(value, word.at if word else Position(1, 1))

    # lists and records

    def path(self, children: list[_Child]) -> Expression | None:
        """``….城市``, ``….year``."""
        item, _, token = children
        word = self._word(token)
        item = self._expression(item, word.at)
        if item is None:
            return None
        one = item.type.item if isinstance(item.type, ListOf) else item.type
        known: Sequence[str] = sorted(PARTS)
        match one:
            case AnyType():
                return Path(item, str(word.value), ANY, item.at)
            case RecordOf(columns=columns, names=ids):
                if word.text in ids:
                    id_ = ids[word.text]
                    column: Type = columns[id_]
                    type_ = ListOf(column) if isinstance(item.type, ListOf) else column
                    return Path(item, id_, type_, item.at)
                known = sorted(ids)
            case _ if word.text in PARTS_OF.get(one.kind, {}):
                part = NumberType(unit=PARTS_OF[one.kind][word.text])
                every = ListOf(part) if isinstance(item.type, ListOf) else part
                made = Path(item, word.text, every, item.at)
                return replace(made, type=as_scaled(made))
            case _:
                known = sorted(PARTS_OF.get(one.kind, {}))
        words = in_words(one)
        self.report.add_unknown(
            "E033.part", word.at, word.text, known, kind=words.zh, kind_en=words.en
        )
        return None

    def filtered(self, item: _Child, left: _Child, inside: _Child, _right: _Child) -> Any:  # noqa: ANN401  # an expression, or None
        """``房产[城市 = "深圳市"]``, ``房产[1]``."""
        whole = self._expression(self.build(item), self._word(left).at)
        if whole is None:
            return None
        if not isinstance(whole.type, ListOf | AnyType):
            words = in_words(whole.type)
            self.report.add("E033.list", whole.at, kind=words.zh, kind_en=words.en)
            return None
        variable, condition = self._over(whole, "", lambda: self.build(inside))
        if condition is None:
            return None
        if isinstance(condition.type, NumberType) or _is_number(condition):
            of = whole.type.item if isinstance(whole.type, ListOf) else ANY
            return Element(whole, condition, of, whole.at)
        truth = fit(condition, BOOLEAN, self.report)
        return None if truth is None else Filter(whole, variable, truth, whole.type, whole.at)

    def quantified(self, children: Sequence[_Child]) -> Expression | None:
        """``存在 … 满足 …``, ``每个 … 满足 …``, ``some x in … satisfies …``."""
        word = self._word(children[0])
        bindings = [
            child for child in children[1:-1] if isinstance(child, Tree) and child.data == "binding"
        ]
        return self._quantified(word, bindings, children[-1])

    def _quantified(
        self, word: Word, bindings: Sequence[Tree[Token]], inside: _Child
    ) -> Expression | None:
        """One list after the other, the condition innermost."""
        first, *others = bindings
        *named, tree = [c for c in first.children if getattr(c, "type", "") != "IN"]
        whole = self._expression(self.build(cast("Tree[Token]", tree)), word.at)
        if whole is None:
            return None
        if not isinstance(whole.type, ListOf | AnyType):
            words = in_words(whole.type)
            self.report.add("E033.list", whole.at, kind=words.zh, kind_en=words.en)
            return None
        name = self._word(cast("Token", named[0])).text if named else ""
        variable, condition = self._over(
            whole,
            name,
            lambda: self._quantified(word, others, inside) if others else self.build(inside),
        )
        truth = None if condition is None else fit(condition, BOOLEAN, self.report)
        if truth is None or not self._is_clear(truth, variable):
            return None
        quantifier: Literal["some", "every"] = "some" if word.kind == "SOME" else "every"
        return Quantified(quantifier, variable, whole, truth, BOOLEAN, word.at)

    def each(self, children: Sequence[_Child]) -> Expression | None:
        """``逐个 … 得出 …``, ``for x in …, y in … return …``."""
        word = self._word(children[0])
        iterations = [c for c in children[1:-1] if isinstance(c, Tree) and c.data == "iteration"]
        self._bound += 1
        partial = Variable(f"x{self._bound}", ANY, word.at)
        before = len(self._frames)
        self._frames += [{PARTIAL: partial}] if self.scope.free else []
        bindings = [self._iteration(iteration, word.at) for iteration in iterations]
        result = None if None in bindings else self._expression(self.build(children[-1]), word.at)
        del self._frames[before:]
        if result is None:
            return None
        type_ = ANY if self.scope.free else ListOf(result.type)
        known = tuple(one for one in bindings if one is not None)
        name = partial.name if _speaks_of(result, partial.name) else ""
        made = Each(known, result, name, type_, word.at)
        return replace(made, type=as_scaled(made))

    def _iteration(self, tree: Tree[Token], at: Position) -> tuple[str, Expression] | None:
        """What one variable of a loop goes through; from here on its name stands for an element."""
        words = [c for c in tree.children if isinstance(c, Token) and c.type == "VARIABLE"]
        first, *last = [self.build(c) for c in tree.children if isinstance(c, Tree)]
        whole = self._expression(first, at)
        if last:
            end = self._expression(last[0], at)
            if not self.scope.free:
                self.report.add("E033.series", at)
                return None
            whole = None if whole is None or end is None else Series(whole, end, ANY, at)
        if whole is None:
            return None
        if not isinstance(whole.type, ListOf | AnyType):
            kind = in_words(whole.type)
            self.report.add("E033.list", whole.at, kind=kind.zh, kind_en=kind.en)
            return None
        self._bound += 1
        type_ = whole.type.item if isinstance(whole.type, ListOf) else ANY
        variable = Variable(f"x{self._bound}", type_, at)
        names = (self._word(words[0]).text,) if words else ("", "item", "本项")
        self._frames.append(dict.fromkeys(names, variable))
        return variable.name, whole

    def _is_clear(self, truth: Expression, variable: str) -> bool:
        """Whether a reader sees how far 满足 reaches: every part there speaks of the element."""
        if self.scope.free or not isinstance(truth, All | Some) or id(truth) in self._grouped:
            return True
        for item in truth.items:
            if not _speaks_of(item, variable):
                self.report.add("E101.reach", item.at)
                return False
        return True

    def _over(
        self, whole: Expression, name: str, inside: Callable[[], _Child]
    ) -> tuple[str, Expression | None]:
        """What is said of each element of a list, which goes by a name, or by its columns."""
        self._bound += 1
        type_ = whole.type.item if isinstance(whole.type, ListOf) else ANY
        variable = Variable(f"x{self._bound}", type_, whole.at)
        names = (name,) if name else ("", "item", "本项")
        self._frames.append(dict.fromkeys(names, variable))
        built = inside()
        self._frames.pop()
        return variable.name, self._expression(built, whole.at)


# ── what a reader would take it for ──────────────────────────────────────────────────────────────


def _is_number(condition: Expression) -> bool:
    """Whether something without a type is surely a position, and no condition."""
    match condition:
        case Constant(value=Decimal()) | Negative() | Arithmetic():
            return is_fixed(condition)
        case _:
            return False


def _untyped(found: Test) -> Iterator[Listed]:
    """The empty lists in it that took their type from nothing they stand with."""
    if isinstance(found, Listed) and not found.items and found.type == ListOf(ANY):
        yield found
    for part in ends(found) if isinstance(found, Interval) else parts(found):
        yield from _untyped(part)


def _speaks_of(expression: Expression, variable: str) -> bool:
    """Whether an expression reads a variable."""
    if isinstance(expression, Variable):
        return expression.name == variable
    return any(_speaks_of(part, variable) for part in parts(expression))
