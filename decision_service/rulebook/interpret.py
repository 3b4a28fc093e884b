"""What a rule file says about some facts, worked out step by step, as a lawyer would read it.

Plain, obvious and slow on purpose. It is the yardstick of the tests, and it computes for the rule
engine what the engine cannot hold (arithmetic, functions, one date against another, text).

Truth is strong Kleene: what is not known never counts as true or as false. A fact that is absent,
or of another type than its term, is not known.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal, DecimalException
from typing import Any, TypeAlias, assert_never

from decision_service.model import (
    BooleanType,
    Concept,
    ConceptType,
    DateType,
    Fact,
    Facts,
    Known,
    NumberType,
    OptionType,
    Status,
    TextType,
    Value,
)
from decision_service.rulebook.functions import DECIMAL, FUNCTIONS
from decision_service.rulebook.tree import (
    UNKNOWN,
    All,
    Arithmetic,
    Call,
    Compare,
    Comparison,
    Consequence,
    Constant,
    Expression,
    If,
    Interval,
    Name,
    Negative,
    Not,
    NotKnown,
    Output,
    Requirement,
    Row,
    Rulebook,
    Some,
    Table,
    Verdict,
    VerdictKind,
    Within,
    quantum,
)

Values: TypeAlias = Mapping[Concept, Value | NotKnown]
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

_ROUNDINGS = {
    "half_up": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
    "up": ROUND_UP,
    "down": ROUND_DOWN,
    "exact": ROUND_HALF_EVEN,
}
"""``up`` is away from zero and ``down`` towards it; ``exact`` is checked afterwards."""


# ── the rule file ────────────────────────────────────────────────────────────────────────────────


def verdict(book: Rulebook, facts: Facts) -> Verdict:
    """Say what the rule file says about these facts: refuse, correct, refer or approve."""
    values = dict(values_of(book, facts))
    rows: list[tuple[str, str]] = []
    for table in book.tables:
        row = row_that_applies(table, values, book)
        rows.append((table.name, row.number if row else ""))
        values |= columns(table, row)
    statuses = tuple((r.id, status(r, values, book)) for r in book.requirements)
    outputs = tuple((output.id, granted(output, values, book)) for output in book.outputs)
    return Verdict(
        kind=_kind(book.requirements, statuses, outputs),
        statuses=statuses,
        outputs=outputs,
        rows=tuple(rows),
    )


def values_of(book: Rulebook, facts: Facts) -> Values:
    """What is known of the concepts, and the derived values that follow from them."""
    values = {term.id: _believed(facts.get(term.id), term.type) for term in book.terms}
    for derived in book.derived:
        values[derived.id] = evaluate(derived.expression, values, book)
    return values


def row_that_applies(table: Table, values: Values, book: Rulebook) -> Row | None:
    """The one row that is true while every other is false; None if there is no such row."""
    truths = [(row, evaluate(row.condition, values, book)) for row in table.rows]
    possible = [(row, truth) for row, truth in truths if truth is not False]
    match possible:
        case [(row, True)]:
            return row
        case _:
            return None


def columns(table: Table, row: Row | None) -> Values:
    """Value of every column of a table whose row applies; unknown if none does."""
    if row is None:
        return {column.id: UNKNOWN for column in table.columns}
    return {column.id: value for column, value in zip(table.columns, row.values, strict=True)}


def status(requirement: Requirement, values: Values, book: Rulebook) -> Status:
    """Whether a requirement is met."""
    truth = evaluate(requirement.expression, values, book)
    if isinstance(truth, NotKnown):
        return Status.UNKNOWN
    return Status.MET if truth is True else Status.NOT_MET


def granted(output: Output, values: Values, book: Rulebook) -> Value | NotKnown:
    """The value of an output, a number with exactly the digits of its scale."""
    value = evaluate(output.expression, values, book)
    if not isinstance(value, Decimal) or not isinstance(output.type, NumberType):
        return value
    try:
        rounded = value.quantize(quantum(output.type.scale), _ROUNDINGS[output.rounding], DECIMAL)
    except DecimalException:
        return UNKNOWN
    if output.rounding == "exact" and rounded != value:
        return UNKNOWN
    return rounded.copy_abs() if rounded.is_zero() else rounded


def _kind(
    requirements: tuple[Requirement, ...],
    statuses: tuple[tuple[str, Status], ...],
    outputs: tuple[tuple[str, Value | NotKnown], ...],
) -> VerdictKind:
    """Refuse before correct, correct before refer; approve only if nothing is left open."""
    consequences = set()
    for requirement, (_, became) in zip(requirements, statuses, strict=True):
        if became is Status.NOT_MET:
            consequences.add(requirement.if_not_met)
        elif became is Status.UNKNOWN:
            consequences.add(requirement.if_unknown)
    if Consequence.REFUSE in consequences:
        return VerdictKind.REFUSE
    if Consequence.CORRECT in consequences:
        return VerdictKind.CORRECT
    if Consequence.REFER in consequences:
        return VerdictKind.REFER
    if any(isinstance(value, NotKnown) for _, value in outputs):
        return VerdictKind.REFER
    return VerdictKind.APPROVE


def _believed(fact: Fact | None, type_: ConceptType) -> Value | NotKnown:
    if not isinstance(fact, Known):
        return UNKNOWN
    value = fact.value
    match type_:
        case BooleanType():
            fits = type(value) is bool
        case NumberType():
            fits = isinstance(value, Decimal) and value.is_finite()
        case DateType():
            fits = type(value) is date
        case TextType():
            fits = isinstance(value, str)
        case OptionType(options=options):
            fits = isinstance(value, str) and value in options
        case _ as never:
            assert_never(never)
    return value if fits else UNKNOWN


# ── expressions ──────────────────────────────────────────────────────────────────────────────────


def evaluate(  # noqa: C901, PLR0911, PLR0912  # one case for each kind of node, and no more
    expression: Expression, values: Values, book: Rulebook
) -> Value | NotKnown:
    """The value of an expression; unknown where the facts do not settle it."""
    match expression:
        case Constant(value=value):
            return value
        case Name(id=id_):
            return values.get(id_, UNKNOWN)
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
            return _computed(Decimal(0), "-", evaluate(item, values, book))
        case If(condition=condition, then=then, otherwise=otherwise):
            match evaluate(condition, values, book):
                case True:
                    return evaluate(then, values, book)
                case False:
                    return evaluate(otherwise, values, book)
                case _:
                    return UNKNOWN
        case Call(function=name, arguments=arguments):
            known = _known(evaluate(argument, values, book) for argument in arguments)
            if known is None:
                return UNKNOWN
            return FUNCTIONS[name].apply(known, book.age_convention)
        case _ as never:
            assert_never(never)


def _all(truths: Iterable[Value | NotKnown]) -> bool | NotKnown:
    """False if one is false; else unknown if one is unknown; else true."""
    known = list(truths)
    if any(truth is False for truth in known):
        return False
    return UNKNOWN if UNKNOWN in known else True


def _some(truths: Iterable[Value | NotKnown]) -> bool | NotKnown:
    """True if one is true; else unknown if one is unknown; else false."""
    known = list(truths)
    if any(truth is True for truth in known):
        return True
    return UNKNOWN if UNKNOWN in known else False


def _not(truth: Value | NotKnown) -> bool | NotKnown:
    return UNKNOWN if isinstance(truth, NotKnown) else truth is False


def _within(expression: Within, values: Values, book: Rulebook) -> bool | NotKnown:
    item = evaluate(expression.item, values, book)
    if isinstance(item, NotKnown):
        return UNKNOWN
    return _some(
        _inside(item, test, values, book)
        if isinstance(test, Interval)
        else _compared(item, "=", evaluate(test, values, book))
        for test in expression.tests
    )


def _inside(item: Value, interval: Interval, values: Values, book: Rulebook) -> bool | NotKnown:
    truths: list[bool | NotKnown] = []
    if interval.low is not None:
        low = evaluate(interval.low, values, book)
        truths.append(_compared(item, ">=" if interval.low_included else ">", low))
    if interval.high is not None:
        high = evaluate(interval.high, values, book)
        truths.append(_compared(item, "<=" if interval.high_included else "<", high))
    return _all(truths)


def _compared(left: Value | NotKnown, op: Comparison, right: Value | NotKnown) -> bool | NotKnown:
    match left, right:
        case (NotKnown(), _) | (_, NotKnown()):
            return UNKNOWN
        case (Decimal(), Decimal()) | (date(), date()):
            return _COMPARISONS[op](left, right)
        case (str(), str()) | (bool(), bool()) if op in {"=", "!="}:
            return _COMPARISONS[op](left, right)
        case _:
            return UNKNOWN


def _computed(left: Value | NotKnown, op: str, right: Value | NotKnown) -> Decimal | NotKnown:
    if not isinstance(left, Decimal) or not isinstance(right, Decimal):
        return UNKNOWN
    try:
        return _ARITHMETIC[op](left, right)
    except DecimalException:
        return UNKNOWN


def _known(values: Iterable[Value | NotKnown]) -> tuple[Value, ...] | None:
    """All the values, or None if one is unknown."""
    known: list[Value] = []
    for value in values:
        if isinstance(value, NotKnown):
            return None
        known.append(value)
    return tuple(known)
