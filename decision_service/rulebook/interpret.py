"""What a rule file says about some facts, worked out step by step, as a lawyer would read it.

Plain, obvious and slow on purpose: the yardstick of the tests. Its expressions are those of
`plain`, which also computes for the rule engine what that cannot hold (arithmetic, functions, one
date against another, text). A fact that is absent, or of another type than its term, is not known.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal, DecimalException
from typing import assert_never

from decision_service.model import (
    BooleanType,
    Concept,
    ConceptType,
    DateType,
    Fact,
    Facts,
    Held,
    Known,
    ListType,
    NumberType,
    OptionType,
    ScalarType,
    Status,
    TextType,
    Value,
)
from decision_service.rulebook import lists
from decision_service.rulebook.figures import DECIMAL
from decision_service.rulebook.plain import Values, evaluate
from decision_service.rulebook.tree import (
    Consequence,
    Derived,
    HitPolicy,
    Output,
    Requirement,
    Row,
    Rulebook,
    Table,
    Verdict,
    VerdictKind,
    quantum,
    steps,
)
from decision_service.rulebook.values import (
    UNKNOWN,
    Datum,
    NotKnown,
)

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
    values, rows = worked_out(book, facts)
    statuses = tuple((r.id, status(r, values, book)) for r in book.requirements)
    outputs = tuple((output.id, granted(output, values, book)) for output in book.outputs)
    return Verdict(
        kind=_kind(book.requirements, statuses, outputs),
        statuses=statuses,
        outputs=outputs,
        rows=rows,
    )


def given(book: Rulebook, facts: Facts) -> Mapping[Concept, Held | NotKnown]:
    """What is known of the concepts."""
    return {term.id: _believed(facts.get(term.id), term.type) for term in book.terms}


def worked_out(book: Rulebook, facts: Facts) -> tuple[Values, tuple[tuple[str, str], ...]]:
    """What every name stands for, and by table the numbers of its rows that apply."""
    values: dict[Concept, Datum | NotKnown] = dict(given(book, facts))
    rows: dict[str, str] = {}
    for step in steps(book.derived, book.tables):
        if isinstance(step, Derived):
            values[step.id] = evaluate(step.expression, values, book)
        else:
            truths = [evaluate(row.condition, values, book) for row in step.rows]
            applying = rows_that_apply(step, truths)
            rows[step.name] = numbers(applying)
            values |= columns(step, applying)
    return values, tuple((table.name, rows[table.name]) for table in book.tables)


def rows_that_apply(table: Table, truths: Sequence[Datum | NotKnown]) -> tuple[Row, ...] | None:
    """The rows that count under the table's policy; None if that is not known, or none does."""
    rows = list(zip(table.rows, truths, strict=True))
    possible = [(row, truth) for row, truth in rows if truth is not False]
    if table.policy.collects:
        known = all(truth is True for _, truth in possible)
        return tuple(row for row, _ in possible) if known else None
    if table.policy is HitPolicy.FIRST:
        possible = possible[:1]
    match possible:
        case [(row, True)]:
            return (row,)
        case _:
            return None


def numbers(rows: tuple[Row, ...] | None) -> str:
    """The numbers of the rows that apply."""
    return ", ".join(row.number for row in rows or ())


def columns(table: Table, rows: tuple[Row, ...] | None) -> Values:
    """Value of every column of a table, from the rows that apply."""
    if rows is None:
        return {column.id: UNKNOWN for column in table.columns}
    by_column = [tuple(row.values[place] for row in rows) for place in range(len(table.columns))]
    return {
        column.id: _collected(table.policy, values)
        for column, values in zip(table.columns, by_column, strict=True)
    }


def _collected(policy: HitPolicy, values: tuple[Value, ...]) -> Datum | NotKnown:
    match policy:
        case HitPolicy.UNIQUE | HitPolicy.FIRST:
            return values[0]
        case HitPolicy.SUM:
            return lists.total(values)
        case HitPolicy.MIN:
            return lists.least(values)
        case HitPolicy.MAX:
            return lists.greatest(values)
        case HitPolicy.COUNT:
            return lists.count(values)
        case _ as never:
            assert_never(never)


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
        return value if isinstance(value, bool | Decimal | date | str) else UNKNOWN
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


def _believed(fact: Fact | None, type_: ConceptType) -> Held | NotKnown:
    if not isinstance(fact, Known):
        return UNKNOWN
    value = fact.value
    if not isinstance(type_, ListType):
        return value if _fits(value, type_) else UNKNOWN
    if not isinstance(value, tuple) or not all(isinstance(record, Mapping) for record in value):
        return UNKNOWN
    return tuple(
        {
            id_: record[id_]
            for id_, column in type_.columns.items()
            if id_ in record and _fits(record[id_], column.type)
        }
        for record in value
    )


def _fits(value: object, type_: ScalarType) -> bool:
    """Whether a single value is of its type."""
    match type_:
        case BooleanType():
            return type(value) is bool
        case NumberType():
            return isinstance(value, Decimal) and value.is_finite()
        case DateType():
            return type(value) is date
        case TextType():
            return isinstance(value, str)
        case OptionType(options=options):
            return isinstance(value, str) and value in options
        case _ as never:
            assert_never(never)
