"""The typed tree of a rule file: all that the evaluators share.

`document` and `expression` build it, `checks` proves it sound; `interpret`, `evaluate` and
`engine` read it, each in its own way and none with the help of another.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias, assert_never

from decision_service.model import (
    Calendar,
    Concept,
    ConceptType,
    Fact,
    Held,
    MatterId,
    Range,
    Status,
    Text,
    Value,
)
from decision_service.rulebook.values import Duration, NotKnown, Type

# ── where, and what is wrong there ───────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the rule file; the first line and the first column are 1.

    A column counts characters, not bytes, so that an editor goes to the same place.
    """

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, or doubtful, in a rule file (RULES.md lists the codes).

    Attributes:
        code: ``E…`` refuses the file, ``W…`` warns, ``A…`` comes from analysis (also refuses).
        message: What is wrong: one line, lower case, no full stop, input in backticks.
        hint: What to do about it, as one sentence.
    """

    code: str
    at: Position
    message: Text
    hint: Text


class RuleFileError(Exception):
    """A rule file that cannot be used, with all its findings, in the order of the file.

    Args:
        where: Name of the file, as the author knows it.
        findings: At least one; sorted by position here.
    """

    def __init__(self, where: str, findings: tuple[Finding, ...]) -> None:
        self.where = where
        self.findings = tuple(sorted(findings, key=lambda f: (f.at, f.code)))
        first = self.findings[0]
        super().__init__(
            f"{where}:{first.at.line}:{first.at.column}: {first.code} {first.message.en}"
        )


# ── expressions ──────────────────────────────────────────────────────────────────────────────────

Comparison: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]

Operator: TypeAlias = Literal["+", "-", "*", "/", "**"]


@dataclass(frozen=True, slots=True)
class Constant:
    """A value written in the file; the type is that of what it is compared with, if options."""

    value: Value | Duration | NotKnown
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Name:
    """A concept of the vocabulary, or a derived value (whose id is its Chinese name)."""

    id: Concept
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Variable:
    """What a filter or a quantifier goes through, one element after the other.

    Attributes:
        name: Unique in its expression, e.g. ``x1``.
    """

    name: str
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Compare:
    """``left op right``; both of one type and unit. Options, text, booleans: ``=`` and ``!=``."""

    op: Comparison
    left: "Expression"
    right: "Expression"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of values; an end that is None is open to infinity."""

    low: "Expression | None"
    high: "Expression | None"
    low_included: bool
    high_included: bool


@dataclass(frozen=True, slots=True)
class Within:
    """``item in (test, …)``: true if one of the tests is.

    A test that is an expression means ``=``, or, if it comes to a list or a range and the item
    does not, that the item is in it.
    """

    item: "Expression"
    tests: "tuple[Interval | Expression, ...]"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class All:
    """Conjunction: false beats unknown beats true (strong Kleene)."""

    items: "tuple[Expression, ...]"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Some:
    """Disjunction: true beats unknown beats false (strong Kleene)."""

    items: "tuple[Expression, ...]"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Not:
    """Negation; unknown stays unknown."""

    item: "Expression"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Exact decimal arithmetic, 34 digits, ROUND_HALF_EVEN; dividing by zero is unknown.

    ``/`` and ``**`` are rounded at 34 digits; an output must say how it is rounded (E039).
    Durations are added to days and to each other, and multiplied and divided by numbers;
    ``+`` joins texts.
    """

    op: Operator
    left: "Expression"
    right: "Expression"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Negative:
    """``-item``."""

    item: "Expression"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class If:
    """``if condition then … else …``; an unknown condition is unknown, whatever the branches."""

    condition: "Expression"
    then: "Expression"
    otherwise: "Expression"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Call:
    """A function of `functions`; unknown if any argument is."""

    function: str
    arguments: "tuple[Expression, ...]"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Listed:
    """``[1, 2, 3]``: a list written out; its elements may be unknown."""

    items: "tuple[Expression, ...]"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Spanned:
    """``[1..10]`` where it stands for itself; unknown if one of its ends is."""

    interval: Interval
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Path:
    """``item.part``: a cell of a record, that column of a list, or a part of a day or duration."""

    item: "Expression"
    part: str
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Element:
    """``item[position]``, from 1, or from -1 backwards; unknown where there is no such element."""

    item: "Expression"
    position: "Expression"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Filter:
    """``item[condition]``: the elements for which it is true; unknown if it is for one of them."""

    item: "Expression"
    variable: str
    condition: "Expression"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Quantified:
    """``some``, ``every`` … ``satisfies``: a disjunction, a conjunction over a list (Kleene)."""

    quantifier: Literal["some", "every"]
    variable: str
    item: "Expression"
    condition: "Expression"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Series:
    """``2..4`` in a loop: whole numbers or days from one end to the other, up or down."""

    first: "Expression"
    last: "Expression"
    type: Type
    at: Position


@dataclass(frozen=True, slots=True)
class Each:
    """``for … return``: a value for each element, of several lists for each of their pairs.

    Unknown if a list is, or if there are more than `MOST_ELEMENTS`.

    Attributes:
        bindings: Name of each variable, and what it goes through; later ones may read earlier.
        partial: Name of the variable for what was found so far; empty if nothing reads it.
    """

    bindings: "tuple[tuple[str, Expression], ...]"
    result: "Expression"
    partial: str
    type: Type
    at: Position


MOST_ELEMENTS = 10_000
"""Elements that a loop goes through."""

MOST_PASSES = 100_000
"""The lengths of loops in each other, multiplied; what is within more of them is unknown."""


Expression: TypeAlias = (
    Constant | Name | Variable | Compare | Within | All | Some | Not | Arithmetic | Negative | If
    | Call | Listed | Spanned | Path | Element | Filter | Quantified | Series | Each
)  # fmt: skip


def parts(  # noqa: C901, PLR0912  # one case for each kind of node
    expression: Expression,
) -> Iterator[Expression]:
    """The expressions that it is directly made of, in the order of the text."""
    match expression:
        case Constant() | Name() | Variable():
            return
        case Compare(left=left, right=right) | Arithmetic(left=left, right=right):
            yield from (left, right)
        case Within(item=item, tests=tests):
            yield item
            for test in tests:
                yield from ends(test) if isinstance(test, Interval) else (test,)
        case Spanned(interval=interval):
            yield from ends(interval)
        case All(items=items) | Some(items=items) | Call(arguments=items) | Listed(items=items):
            yield from items
        case Not(item=item) | Negative(item=item) | Path(item=item):
            yield item
        case If(condition=condition, then=then, otherwise=otherwise):
            yield from (condition, then, otherwise)
        case Element(item=item, position=other):
            yield from (item, other)
        case Filter(item=item, condition=other) | Quantified(item=item, condition=other):
            yield from (item, other)
        case Series(first=first, last=last):
            yield from (first, last)
        case Each(bindings=bindings, result=result):
            yield from (item for _, item in bindings)
            yield result
        case _ as never:
            assert_never(never)


def ends(interval: Interval) -> tuple[Expression, ...]:
    """The ends that a range has."""
    return tuple(end for end in (interval.low, interval.high) if end is not None)


def mentions(expression: Expression) -> Iterator[Name]:
    """Every name that it reads, in the order of the text, some more than once."""
    if isinstance(expression, Name):
        yield expression
    for part in parts(expression):
        yield from mentions(part)


def calls(expression: Expression) -> Iterator[Call]:
    """Every function that it calls, in the order of the text."""
    if isinstance(expression, Call):
        yield expression
    for part in parts(expression):
        yield from calls(part)


def names(expression: Expression) -> frozenset[Concept]:
    """Every concept, derived value and table column that it reads."""
    return frozenset(name.id for name in mentions(expression))


def is_fixed(expression: Expression) -> bool:
    """Whether it reads no name and no variable: it is written out, and always comes to the same."""
    return not isinstance(expression, Name | Variable) and all(map(is_fixed, parts(expression)))


# ── the sections of a rule file ──────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Basis:
    """A row of 依据: where in the law a requirement or a table comes from."""

    number: str
    instrument: str
    article: str
    excerpt: Text
    at: Position


@dataclass(frozen=True, slots=True)
class Term:
    """A row of 词汇: a concept that the file uses, with all that is needed to read it alone."""

    id: Concept
    name: Text
    type: ConceptType
    range: Range | None
    source: str
    at: Position


@dataclass(frozen=True, slots=True)
class Derived:
    """A row of 推算: a value computed from others; its id is its Chinese name."""

    id: Concept
    name: Text
    type: ConceptType
    expression: Expression
    at: Position


class Consequence(StrEnum):
    """What a requirement does to the verdict when it is not met, or unknown."""

    REFUSE = "refuse"
    CORRECT = "correct"
    REFER = "refer"


@dataclass(frozen=True, slots=True)
class Requirement:
    """An ``R<n>`` of 条件 (CCCEV Requirement).

    Attributes:
        expression: Boolean.
        if_unknown: Never REFUSE (law 1); CORRECT only if every concept that can be unknown is
            declared.
        notices: What the applicant reads for each status, with ``{name}`` placeholders.
    """

    id: str
    name: Text
    basis: tuple[str, ...]
    expression: Expression
    if_not_met: Consequence
    if_unknown: Consequence
    notices: Mapping[Status, Text]
    at: Position


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a decision table: it applies when every condition is true.

    Attributes:
        number: As written in the file.
        condition: Conjunction of the row's cells; an empty cell is always true.
        values: One value for each of the table's outputs, in their order.
    """

    number: str
    condition: Expression
    values: tuple[Value, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Column:
    """An output column of a table."""

    id: Concept
    type: ConceptType


class HitPolicy(StrEnum):
    """Which rows of a decision table count (DMN 1.5, 8.2.8).

    Attributes:
        UNIQUE: The one row that is true while every other is false; the rows are proven disjoint.
        FIRST: The first row that is true while every row before it is false.
        SUM: COLLECT, as are the three below: every row that is true, if none is unknown. The
            values are added; of no row the sum is 0.
        MIN: The least value; of no row it is unknown.
        MAX: The greatest value; of no row it is unknown.
        COUNT: How many rows are true.
    """

    UNIQUE = "unique"
    FIRST = "first"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    COUNT = "count"

    @property
    def collects(self) -> bool:
        """Whether several rows can count."""
        return self not in {HitPolicy.UNIQUE, HitPolicy.FIRST}


@dataclass(frozen=True, slots=True)
class Table:
    """A decision table of 标准. What its policy leaves open is unknown, in every column."""

    name: str
    basis: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    at: Position
    policy: HitPolicy = HitPolicy.UNIQUE


Rounding: TypeAlias = Literal["exact", "half_up", "half_even", "up", "down"]


@dataclass(frozen=True, slots=True)
class Output:
    """A row of 结果: what an approval grants.

    Attributes:
        id: ASCII, the key on the wire, e.g. ``monthly_allowance``.
        expression: A name (a table's column, a derived value, a concept) or any expression.
        rounding: ``exact`` refuses a value with more digits than the scale: it is unknown then.
    """

    id: str
    name: Text
    type: ConceptType
    rounding: Rounding
    expression: Expression
    at: Position


@dataclass(frozen=True, slots=True)
class Scenario:
    """A row of 情形: an application to decide, and what must come out.

    Attributes:
        facts: The baseline with this row's differences; all of the vocabulary.
        verdict: Expected.
        outputs: Expected, by output id; those that the row leaves empty are not compared.
        reasons: Ids of the requirements that are not met or unknown, as a set.
    """

    id: str
    name: Text
    facts: Mapping[Concept, Fact]
    verdict: "VerdictKind"
    outputs: Mapping[str, Value]
    reasons: frozenset[str]
    at: Position


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A rule file, read and proven: every name resolved, every type and unit agreed.

    Attributes:
        derived: In the order of the file; each uses concepts, earlier ones, and what tables give.
        age_convention: Whether an age is reached on the birthday or the day after.
        calendar: Which days are worked on in the year in which the release begins and in the one
            before; empty in a file that counts no working days. A later year is a new release.
        warnings: ``W…`` findings that do not refuse the file.
    """

    where: str
    matter: MatterId
    title: Text
    effective: date
    supersedes: date | None
    authority: Text
    bases: tuple[Basis, ...]
    terms: tuple[Term, ...]
    derived: tuple[Derived, ...]
    requirements: tuple[Requirement, ...]
    tables: tuple[Table, ...]
    outputs: tuple[Output, ...]
    scenarios: tuple[Scenario, ...]
    age_convention: Literal["birthday", "day_after"]
    warnings: tuple[Finding, ...] = field(default=())
    calendar: Calendar = field(default=Calendar())


# ── what an evaluator says ───────────────────────────────────────────────────────────────────────


class VerdictKind(StrEnum):
    """What a rulebook says; the order is fixed: refuse > correct > refer > approve."""

    REFUSE = "refuse"
    CORRECT = "correct"
    REFER = "refer"
    APPROVE = "approve"


class Verdict(NamedTuple):
    """What an evaluator says about some facts. Two evaluators agree if these are equal.

    Attributes:
        statuses: Status of every requirement, in the order of the file.
        outputs: Value of every output, in the order of the file.
        rows: Number of the row that applies, by table; of several, with commas between; empty
            where none does, or where it is not known.
    """

    kind: VerdictKind
    statuses: tuple[tuple[str, Status], ...]
    outputs: tuple[tuple[str, Value | NotKnown], ...]
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Atom:
    """A comparison or test inside a requirement, as it came out: the explanation's leaf.

    Attributes:
        text: As written in the file.
        inputs: Concepts and derived values that it reads, with their values.
    """

    text: str
    truth: bool | NotKnown
    inputs: tuple[tuple[Concept, Held | NotKnown], ...]


Step: TypeAlias = Derived | Table
"""What gives names that are worked out: one value, or the columns of a table."""


class RestsOnItselfError(Exception):
    """A derived value or a table that cannot be worked out before itself."""

    def __init__(self, step: Step) -> None:
        self.step = step
        super().__init__(step.name if isinstance(step, Table) else step.id)


def steps(derived: Sequence[Derived], tables: Sequence[Table]) -> tuple[Step, ...]:
    """All of them, each after those that it reads, and else as the file has them.

    Raises:
        RestsOnItselfError: There is no such order.
    """
    giving: dict[Concept, Step] = {one.id: one for one in derived}
    giving |= {column.id: table for table in tables for column in table.columns}
    found: list[Step] = []
    begun: set[int] = set()
    done: set[int] = set()

    def take(step: Step) -> None:
        if id(step) in done:
            return
        if id(step) in begun:
            raise RestsOnItselfError(step)
        begun.add(id(step))
        for name in sorted(reads(step)):
            if name in giving:
                take(giving[name])
        done.add(id(step))
        found.append(step)

    for one in derived:
        take(one)
    for table in tables:
        take(table)
    return tuple(found)


def reads(step: Step) -> frozenset[Concept]:
    """Every name that a derived value or the rows of a table read."""
    if isinstance(step, Derived):
        return names(step.expression)
    return frozenset[Concept]().union(*(names(row.condition) for row in step.rows))


def quantum(scale: int) -> Decimal:
    """The smallest step of a number with that many digits, e.g. ``0.01`` for 2."""
    return Decimal(1).scaleb(-scale)


def rests_on(book: Rulebook, expression: Expression) -> frozenset[Concept]:
    """The concepts of the vocabulary that decide an expression, through everything between."""
    behind = {derived.id: reads(derived) for derived in book.derived}
    for table in book.tables:
        behind |= {column.id: reads(table) for column in table.columns}
    found: set[Concept] = set()
    open_ = list(names(expression))
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_.extend(behind.get(name, ()))
    return frozenset(found - behind.keys())
