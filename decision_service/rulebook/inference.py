"""What the engine is to infer: conditions, tables and the verdict of a rule file as circuits.

Facts become integers: booleans 0 and 1, options codes, dates ordinals, numbers their smallest
steps. What has no integer (arithmetic, functions, one date against another, text) is an expression
that somebody else computes, and enters as 0 or 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from decision_service.model import (
    BooleanType,
    Concept,
    DateType,
    NumberType,
    OptionType,
)
from decision_service.rulebook.circuit import TRUE, Circuit, Proposition, alpha, negation
from decision_service.rulebook.tree import (
    All,
    Compare,
    Comparison,
    Consequence,
    Constant,
    Derived,
    Expression,
    HitPolicy,
    If,
    Interval,
    Name,
    Not,
    Position,
    Requirement,
    Rulebook,
    Some,
    Table,
    VerdictKind,
    Within,
    names,
    reads,
    steps,
)
from decision_service.rulebook.values import Type

# ── facts as integers ────────────────────────────────────────────────────────────────────────────

_HIGHEST = 2**53 - 1
"""The engine reads some numbers as doubles; whole numbers are exact up to here."""

_Code: TypeAlias = Callable[[object], int]


def _truth(value: object) -> int:
    return 1 if value is True else 0


def _coding(type_: Type) -> _Code | None:
    """How a value of the type becomes an integer, in the same order; None if it cannot."""
    match type_:
        case BooleanType():
            return _truth
        case DateType():
            return lambda value: value.toordinal() if isinstance(value, date) else 0
        case OptionType(options=options):
            codes = {option: code for code, option in enumerate(options)}
            return lambda value: codes[str(value)]
        case NumberType(scale=scale):
            return lambda value: _scaled(value, scale) if isinstance(value, Decimal) else 0
        case _:
            return None


def _scaled(number: Decimal, scale: int) -> int:
    """Twice the number in its smallest steps, and odd where it lies between two steps.

    So any number keeps its place among constants that are whole steps, whatever its digits; one
    beyond what the engine holds stays at the end, beyond every constant that is let in.
    """
    end = Decimal(_HIGHEST).scaleb(-scale) / 2
    if not -end < number < end:
        return _HIGHEST if number > 0 else -_HIGHEST
    over, under = number.as_integer_ratio()
    unit: int = 10**scale
    steps, rest = divmod(over * unit, under)
    return 2 * steps + (1 if rest else 0)


def _constant(value: object, type_: Type) -> int | None:
    """The constant as an integer, or None if the engine cannot hold it."""
    code = _coding(type_)
    if code is None or (isinstance(type_, OptionType) and str(value) not in type_.options):
        return None
    integer = code(value)
    if isinstance(type_, NumberType) and (integer % 2 or abs(integer) > _HIGHEST - 1):
        return None
    return integer


# ── from the tree to circuits ────────────────────────────────────────────────────────────────────

_MIRRORED: dict[Comparison, Comparison] = {
    "=": "=",
    "!=": "!=",
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """Requirements and tables that can be inferred once the stages before are.

    Attributes:
        derived: Values that are computed before, each after those that it reads.
    """

    derived: tuple[Derived, ...]
    requirements: tuple[Requirement, ...]
    tables: tuple[Table, ...]


def stages(book: Rulebook) -> tuple[Stage, ...]:
    """The first has all that rests on no table; each other rests on those before it."""
    after: dict[Concept, int] = {}

    def stage_of(read: frozenset[Concept]) -> int:
        return max((after[name] for name in read if name in after), default=0)

    derived: dict[int, list[Derived]] = {}
    requirements: dict[int, list[Requirement]] = {}
    tables: dict[int, list[Table]] = {}
    for step in steps(book.derived, book.tables):
        place = stage_of(reads(step))
        if isinstance(step, Derived):
            derived.setdefault(place, []).append(step)
            after[step.id] = place
        else:
            tables.setdefault(place, []).append(step)
            after |= {column.id: place + 1 for column in step.columns}
    for requirement in book.requirements:
        requirements.setdefault(stage_of(names(requirement.expression)), []).append(requirement)
    last = max((*derived, *requirements, *tables), default=0)
    return tuple(
        Stage(
            tuple(derived.get(place, ())),
            tuple(requirements.get(place, ())),
            tuple(tables.get(place, ())),
        )
        for place in range(last + 1)
    )


@dataclass(frozen=True, slots=True)
class Input:
    """A property of the first circuit, and where its integer comes from."""

    property: int
    expression: Expression
    code: _Code


class Conditions:
    """Requirements and table rows of a stage as propositions over integers.

    Attributes:
        requirements: Property of each requirement, in the order of the file.
        rows: Properties of the rows, by table.
        sizes: How many rules each requirement or row took, with its place.
    """

    def __init__(self, stage: Stage) -> None:
        self.circuit = Circuit()
        self.inputs: list[Input] = []
        self._names: dict[Concept, int] = {}
        self.sizes: list[tuple[Position, int]] = []
        self.requirements = [
            self._concluded(requirement.expression, requirement.at)
            for requirement in stage.requirements
        ]
        self.rows = [
            [self._concluded(row.condition, row.at) for row in table.rows] for table in stage.tables
        ]

    def _concluded(self, condition: Expression, at: Position) -> int:
        before = self.circuit.size
        concluded = self.circuit.conclude(self._proposition(condition))
        self.sizes.append((at, self.circuit.size - before))
        return concluded

    def _proposition(  # noqa: PLR0911  # one case for each kind of condition
        self, expression: Expression
    ) -> Proposition:
        match expression:
            case All(items=items):
                return self.circuit.all(self._proposition(item) for item in items)
            case Some(items=items):
                return self.circuit.some(self._proposition(item) for item in items)
            case Not(item=item):
                return negation(self._proposition(item))
            case If():
                return self._either(expression)
            case Constant(value=bool() as value):
                return TRUE if value else negation(TRUE)
            case Name():
                held = self._held(expression, "=", value=True)
            case Compare(op=op, left=Name() as name, right=Constant(value=value)):
                held = self._held(name, op, value)
            case Compare(op=op, left=Constant(value=value), right=Name() as name):
                held = self._held(name, _MIRRORED[op], value)
            case Within(item=Name() as name, tests=tests):
                return self.circuit.some(self._within(name, test, expression) for test in tests)
            case _:
                held = None
        return held or self._computed(expression)

    def _either(self, expression: If) -> Proposition:
        """Unknown if the condition is, whatever the branches: not what Kleene's formula gives."""
        condition, then, otherwise = (
            self.circuit.condensed(self._proposition(part))
            for part in (expression.condition, expression.then, expression.otherwise)
        )
        both = self.circuit.all
        return Proposition(
            met=both([condition, then]).met + both([negation(condition), otherwise]).met,
            unmet=both([condition, negation(then)]).met
            + both([negation(condition), negation(otherwise)]).met,
        )

    def _within(self, name: Name, test: Interval | Expression, whole: Within) -> Proposition:
        held: list[Proposition | None]
        match test:
            case Constant(value=value):
                held = [self._held(name, "=", value)]
            case Interval(low=Constant() | None as low, high=Constant() | None as high):
                above, below = test.low_included, test.high_included
                held = [self._held(name, ">=" if above else ">", low.value)] if low else []
                held += [self._held(name, "<=" if below else "<", high.value)] if high else []
            case _:
                held = []
        known = [proposition for proposition in held if proposition is not None]
        if known and len(known) == len(held):
            return self.circuit.all(known)
        return self._computed(replace(whole, tests=(test,)))

    def _held(self, name: Name, op: Comparison, value: object) -> Proposition | None:
        """A comparison with a constant, if the engine can hold it."""
        constant, code = _constant(value, name.type), _coding(name.type)
        if constant is None or code is None:
            return None
        if name.id not in self._names:
            self._names[name.id] = self._input(name, code)
        return alpha(self._names[name.id], op, constant)

    def _computed(self, expression: Expression) -> Proposition:
        """What the engine cannot hold: the interpreter says 1 or 0."""
        return alpha(self._input(expression, _truth), "=", 1)

    def _input(self, expression: Expression, code: _Code) -> int:
        self.inputs.append(Input(self.circuit.property(), expression, code))
        return self.inputs[-1].property


class Tables:
    """Which rows apply: a row that is true, where its table's gate stands as its policy wants.

    Attributes:
        tables: For each table its gate, a property (see `gate`), and for each row its status (0
            false, 1 true, 2 unknown) and the conclusion that it applies.
    """

    def __init__(self, stage: Stage) -> None:
        self.circuit = Circuit()
        self.tables = [self._table(table) for table in stage.tables]

    def _table(self, table: Table) -> tuple[int, list[tuple[int, int]]]:
        gate_ = self.circuit.property()
        applies = []
        for index in range(len(table.rows)):
            row = self.circuit.property()
            match table.policy:
                case HitPolicy.UNIQUE:
                    wanted = 1
                case HitPolicy.FIRST:
                    wanted = index
                case _:
                    wanted = 0
            counts = self.circuit.all([alpha(row, "=", 1), alpha(gate_, "=", wanted)])
            applies.append((row, self.circuit.conclude(counts)))
        return gate_, applies


def gate(policy: HitPolicy, statuses: Sequence[int]) -> int:
    """How many rows are not false, which of them is first, or how many are unknown."""
    match policy:
        case HitPolicy.UNIQUE:
            return sum(status != 0 for status in statuses)
        case HitPolicy.FIRST:
            return next((index for index, status in enumerate(statuses) if status), len(statuses))
        case _:
            return sum(status == 2 for status in statuses)


class Verdicts:
    """The verdict from statuses (0 not met, 1 met, 2 unknown) and outputs (1 known, 0 not)."""

    def __init__(self, book: Rulebook) -> None:
        circuit = self.circuit = Circuit()
        self.requirements = [circuit.property() for _ in book.requirements]
        self.outputs = [circuit.property() for _ in book.outputs]
        found: dict[Consequence, list[Proposition]] = {one: [] for one in Consequence}
        for property_, requirement in zip(self.requirements, book.requirements, strict=True):
            found[requirement.if_not_met].append(alpha(property_, "=", 0))
            found[requirement.if_unknown].append(alpha(property_, "=", 2))
        found[Consequence.REFER] += [alpha(output, "=", 0) for output in self.outputs]
        refuse, correct, refer = (
            alpha(circuit.conclude(circuit.some(found[one])), "=", 1) for one in Consequence
        )
        before_refer = [negation(refuse), negation(correct)]
        self.kinds = {
            circuit.conclude(circuit.all(conditions)): kind
            for kind, conditions in (
                (VerdictKind.REFUSE, [refuse]),
                (VerdictKind.CORRECT, [negation(refuse), correct]),
                (VerdictKind.REFER, [*before_refer, refer]),
                (VerdictKind.APPROVE, [*before_refer, negation(refer)]),
            )
        }
