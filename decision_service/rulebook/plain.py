"""An expression over some values, worked out step by step, as a lawyer would read it.

Truth is strong Kleene: what is not known never counts as true or as false. What is of another kind
than an operator or a function takes is not known either; a rule file never comes to that.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal, DecimalException
from typing import Any, TypeAlias, assert_never

from decision_service.model import Concept
from decision_service.rulebook import days, lists
from decision_service.rulebook.days import Conventions
from decision_service.rulebook.figures import DECIMAL
from decision_service.rulebook.functions import FUNCTIONS, conformed
from decision_service.rulebook.tree import (
    MOST_ELEMENTS,
    MOST_PASSES,
    All,
    Arithmetic,
    Call,
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
    Quantified,
    Series,
    Some,
    Spanned,
    Variable,
    Within,
)
from decision_service.rulebook.values import (
    UNKNOWN,
    Datum,
    DaysAndTime,
    NotKnown,
    Span,
    YearsAndMonths,
)

Values: TypeAlias = Mapping[Concept, Datum | NotKnown]
"""What every name stands for: concepts, derived values and the columns of tables."""

_COMPARISONS: Mapping[Comparison, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_ARITHMETIC: Mapping[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": DECIMAL.add,
    "-": DECIMAL.subtract,
    "*": DECIMAL.multiply,
    "/": DECIMAL.divide,
    "**": DECIMAL.power,
}


def evaluate(  # noqa: C901, PLR0911, PLR0912  # one case for each kind of node, and no more
    expression: Expression, values: Values, book: Conventions
) -> Datum | NotKnown:
    """The value of an expression; unknown where the facts do not settle it."""
    match expression:
        case Constant(value=value):
            return value
        case Name(id=id_):
            return values.get(id_, UNKNOWN)
        case Variable(name=name):
            return values.get(Concept(name), UNKNOWN)
        case Compare(op=op, left=left, right=right):
            return _compared(evaluate(left, values, book), op, evaluate(right, values, book))
        case Within():
            return _within(expression, values, book)
        case All(items=items):
            return _all(evaluate(item, values, book) for item in items)
        case Some(items=items):
            return _some(evaluate(item, values, book) for item in items)
        case Not(item=item):
            return _not(evaluate(item, values, book))
        case Arithmetic(op=op, left=left, right=right):
            return _computed(evaluate(left, values, book), op, evaluate(right, values, book))
        case Negative(item=item):
            return _negative(evaluate(item, values, book))
        case If(condition=condition, then=then, otherwise=otherwise):
            match evaluate(condition, values, book):
                case True:
                    return evaluate(then, values, book)
                case False:
                    return evaluate(otherwise, values, book)
                case _:
                    return UNKNOWN
        case Call(arguments=arguments):
            return _called(expression, [evaluate(one, values, book) for one in arguments], book)
        case Listed(items=items):
            return tuple(evaluate(item, values, book) for item in items)
        case Spanned(interval=interval):
            return _span(interval, values, book)
        case Path(item=item, part=part):
            return _part(evaluate(item, values, book), part)
        case Element(item=item, position=position):
            return _element(evaluate(item, values, book), evaluate(position, values, book))
        case Filter():
            return _filtered(expression, values, book)
        case Quantified():
            return _quantified(expression, values, book)
        case Series(first=first, last=last):
            ends = evaluate(first, values, book), evaluate(last, values, book)
            return lists.series(*ends, most=_elements_left(values))
        case Each():
            return _each(expression, values, book)
        case _ as never:
            assert_never(never)


def _all(truths: Iterable[Datum | NotKnown]) -> bool | NotKnown:
    """False if one is false; else true if all are true; else unknown."""
    known = list(truths)
    if any(truth is False for truth in known):
        return False
    return True if all(truth is True for truth in known) else UNKNOWN


def _some(truths: Iterable[Datum | NotKnown]) -> bool | NotKnown:
    """True if one is true; else false if all are false; else unknown."""
    known = list(truths)
    if any(truth is True for truth in known):
        return True
    return False if all(truth is False for truth in known) else UNKNOWN


def _not(truth: Datum | NotKnown) -> bool | NotKnown:
    return truth is False if isinstance(truth, bool) else UNKNOWN


# comparisons


def _within(expression: Within, values: Values, book: Conventions) -> bool | NotKnown:
    item = evaluate(expression.item, values, book)
    if isinstance(item, NotKnown):
        return UNKNOWN
    return _some(
        _between(item, test, values, book)
        if isinstance(test, Interval)
        else _matches(item, evaluate(test, values, book))
        for test in expression.tests
    )


def _matches(item: Datum, test: Datum | NotKnown) -> bool | NotKnown:
    """Whether an item equals a test, or is in it, or is one of it or in one of it."""
    match test:
        case Span():
            return _inside(item, test.low, test.high, test)
        case tuple() if isinstance(item, tuple):
            return _some([lists.equal(item, test), lists.contains(test, item)])
        case tuple():
            return _some(
                _matches(item, one) if isinstance(one, Span | tuple) else lists.equal(item, one)
                for one in test
            )
        case _:
            return _compared(item, "=", test)


def _between(item: Datum, interval: Interval, values: Values, book: Conventions) -> bool | NotKnown:
    """Whether an item is in a range; one end may settle it although the other is not known."""
    low, high = (
        None if end is None else evaluate(end, values, book)
        for end in (interval.low, interval.high)
    )
    return _inside(item, low, high, interval)


def _inside(
    item: Datum, low: Datum | NotKnown | None, high: Datum | NotKnown | None, of: Interval | Span
) -> bool | NotKnown:
    truths: list[bool | NotKnown] = []
    if low is not None:
        truths.append(_compared(item, ">=" if of.low_included else ">", low))
    if high is not None:
        truths.append(_compared(item, "<=" if of.high_included else "<", high))
    return _all(truths)


def _span(interval: Interval, values: Values, book: Conventions) -> Span | NotKnown:
    """A range as a value; unknown if an end that it has is."""
    low = None if interval.low is None else evaluate(interval.low, values, book)
    high = None if interval.high is None else evaluate(interval.high, values, book)
    if isinstance(low, NotKnown) or isinstance(high, NotKnown):
        return UNKNOWN
    return Span(low, high, interval.low_included, interval.high_included)


def _compared(left: Datum | NotKnown, op: Comparison, right: Datum | NotKnown) -> bool | NotKnown:
    match left, right:
        case (NotKnown(), _) | (_, NotKnown()):
            return UNKNOWN
        case (
            (Decimal(), Decimal()) | (date(), date()) | (YearsAndMonths(), YearsAndMonths())
            | (DaysAndTime(), DaysAndTime()) | (str(), str())
        ):  # fmt: skip
            return _COMPARISONS[op](left, right)
        case _ if op == "=":
            return lists.same(left, right)
        case _ if op == "!=":
            return _not(lists.same(left, right))
        case _:
            return UNKNOWN


# calculations


def _computed(  # noqa: C901, PLR0911, PLR0912  # one case for each pair of kinds
    left: Datum | NotKnown, op: Operator, right: Datum | NotKnown
) -> Datum | NotKnown:
    match left, op, right:
        case (Decimal(), _, Decimal()):
            return _calculated(left, op, right)
        case (str(), "+", str()):
            return left + right
        case (date(), "-", date()):
            return days.apart(right, left)
        case (date(), "+", YearsAndMonths() | DaysAndTime()):
            return days.moved(left, right)
        case (date(), "-", YearsAndMonths() | DaysAndTime()):
            return days.moved(left, days.back(right))
        case (YearsAndMonths() | DaysAndTime(), "+", date()):
            return days.moved(right, left)
        case (YearsAndMonths(), "+", YearsAndMonths()):
            return YearsAndMonths(left.months + right.months)
        case (YearsAndMonths(), "-", YearsAndMonths()):
            return YearsAndMonths(left.months - right.months)
        case (DaysAndTime(), "+" | "-", DaysAndTime()):
            seconds = _calculated(left.seconds, op, right.seconds)
            return UNKNOWN if isinstance(seconds, NotKnown) else DaysAndTime(seconds)
        case (YearsAndMonths() | DaysAndTime(), "*", Decimal()):
            return days.scaled(left, right)
        case (Decimal(), "*", YearsAndMonths() | DaysAndTime()):
            return days.scaled(right, left)
        case (YearsAndMonths() | DaysAndTime(), "/", Decimal()):
            return days.scaled(left, Decimal(1), right)
        case (YearsAndMonths(), "/", YearsAndMonths()):
            return _computed(Decimal(left.months), "/", Decimal(right.months))
        case (DaysAndTime(), "/", DaysAndTime()):
            return _computed(left.seconds, "/", right.seconds)
        case _:
            return UNKNOWN


def _calculated(left: Decimal, op: Operator, right: Decimal) -> Decimal | NotKnown:
    """A number; unknown where there is none, or it has no end, as zero to a negative power."""
    try:
        found = _ARITHMETIC[op](left, right)
    except DecimalException:
        return UNKNOWN
    return UNKNOWN if found.is_infinite() else found


def _negative(value: Datum | NotKnown) -> Datum | NotKnown:
    if isinstance(value, YearsAndMonths | DaysAndTime):
        return days.back(value)
    return _computed(Decimal(0), "-", value)


def _called(call: Call, arguments: list[Datum | NotKnown], book: Conventions) -> Datum | NotKnown:
    """The value of a function; unknown if an argument is, or does not fit."""
    function = FUNCTIONS[call.function]
    form = function.form(len(arguments)) or ()
    known: list[Datum] = []
    for value, parameter in zip(arguments, form, strict=True):
        fitting = value if isinstance(value, NotKnown) else conformed(value, parameter.kind)
        if isinstance(fitting, NotKnown):
            return UNKNOWN
        known.append(fitting)
    return function.apply(tuple(known), book)


# lists and records


def _part(of: Datum | NotKnown, part: str) -> Datum | NotKnown:
    """A cell of a record, a column of a list of records, a part of anything else."""
    match of:
        case tuple():
            return tuple(_part(one, part) for one in of)
        case Mapping():
            return of.get(part, UNKNOWN)
        case date():
            return days.part_of_day(of, part)
        case YearsAndMonths() | DaysAndTime():
            return days.part_of_duration(of, part)
        case Span():
            ends: dict[str, Datum | None] = {
                "start": of.low, "end": of.high,
                "start included": of.low_included, "end included": of.high_included,
            }  # fmt: skip
            found = ends.get(part)
            return UNKNOWN if found is None else found
        case _:
            return UNKNOWN


def _element(of: Datum | NotKnown, position: Datum | NotKnown) -> Datum | NotKnown:
    if isinstance(of, NotKnown) or not isinstance(position, Decimal):
        return UNKNOWN
    return lists.element(of if isinstance(of, tuple) else (of,), position)


def _filtered(expression: Filter, values: Values, book: Conventions) -> Datum | NotKnown:
    """The elements for which the condition is true, if it is known for every one.

    A condition that comes to a number, where no type said so before, is a position.
    """
    over = _over(expression, values, book)
    if over is None:
        return UNKNOWN
    items, truths = over
    if any(isinstance(truth, Decimal) for truth in truths):
        return lists.element(items, truths[0]) if isinstance(truths[0], Decimal) else UNKNOWN
    if not all(isinstance(truth, bool) for truth in truths):
        return UNKNOWN
    return tuple(item for item, truth in zip(items, truths, strict=True) if truth is True)


def _quantified(expression: Quantified, values: Values, book: Conventions) -> bool | NotKnown:
    over = _over(expression, values, book)
    if over is None:
        return UNKNOWN
    _, truths = over
    return _some(truths) if expression.quantifier == "some" else _all(truths)


def _over(
    expression: Filter | Quantified, values: Values, book: Conventions
) -> tuple[lists.Items, list[Datum | NotKnown]] | None:
    """The elements, and what the condition comes to for each.

    None if the list is not known, or that would take too long.
    """
    items = _items(evaluate(expression.item, values, book))
    within = None if items is None else _within_loop(values, items)
    if items is None or within is None:
        return None
    variable = Concept(expression.variable)
    return items, [
        evaluate(expression.condition, {**within, variable: item}, book) for item in items
    ]


_PASSES = Concept(" ")
"""How often what is here is worked out: the lengths of the loops around it, multiplied."""


def _within_loop(values: Values, items: lists.Items) -> dict[Concept, Datum | NotKnown] | None:
    """What stands for what within a loop over these; None if that is more than `MOST_PASSES`."""
    around = values.get(_PASSES)
    passes = (around if isinstance(around, Decimal) else 1) * Decimal(len(items))
    return {**values, _PASSES: passes} if passes <= MOST_PASSES else None


_LEFT = Concept("")
"""How many elements a series within a loop may have, so that all loops together are bounded."""


def _elements_left(values: Values) -> int:
    left = values.get(_LEFT)
    return int(left) if isinstance(left, Decimal) else MOST_ELEMENTS


def _each(expression: Each, values: Values, book: Conventions) -> Datum | NotKnown:
    """The results for every element, those of the last list one after the other."""
    scopes, left = [dict(values)], _elements_left(values)
    for variable, item in expression.bindings:
        wider: list[dict[Concept, Datum | NotKnown]] = []
        for scope in scopes:
            whole = evaluate(item, scope, book)
            items = _items(lists.through(whole, left) if isinstance(whole, Span) else whole)
            within = None if items is None else _within_loop(scope, items)
            if items is None or within is None or len(wider) + len(items) > MOST_ELEMENTS:
                return UNKNOWN
            wider += ({**within, Concept(variable): one} for one in items)
        scopes = wider
    found: list[Datum | NotKnown] = []
    for scope in scopes:
        scope[_LEFT] = Decimal(left // len(scopes))
        if expression.partial:
            scope[Concept(expression.partial)] = tuple(found)
        found.append(evaluate(expression.result, scope, book))
    return tuple(found)


def _items(value: Datum | NotKnown) -> tuple[Datum | NotKnown, ...] | None:
    """The elements of a list; anything else is a list of itself (DMN 1.5, 10.3.2.9.4)."""
    if isinstance(value, NotKnown):
        return None
    return value if isinstance(value, tuple) else (value,)
