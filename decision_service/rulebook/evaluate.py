"""The reference: a rule file compiled once to Python, to check the rule engine on every case.

It shares the typed tree with the interpreter and nothing else: functions, rounding and three-valued
logic are written a second time here, in another way, so that each finds the other's mistakes.

`compiling` writes the expressions; what it says of their code holds for all of it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeAlias, assert_never

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
    Record,
    Scalar,
    ScalarType,
    Status,
    TextType,
)
from decision_service.rulebook import sequences
from decision_service.rulebook.arithmetic import (
    rounding_to,
)
from decision_service.rulebook.compiling import Expressions, tuple_of, unless_unknown
from decision_service.rulebook.explanation import atoms_in, written
from decision_service.rulebook.tree import (
    Atom,
    Consequence,
    Derived,
    Expression,
    HitPolicy,
    Output,
    Rulebook,
    Table,
    Verdict,
    VerdictKind,
    mentions,
    steps,
)
from decision_service.rulebook.values import UNKNOWN, NotKnown

_Get: TypeAlias = Callable[[Concept], Fact | None]


class Reference:
    """A rule file, compiled."""

    def __init__(self, book: Rulebook) -> None:
        self._book = book
        source = _Source(book)
        program = source.program()
        self._names = tuple(source.variables)
        self._verdict: Callable[[_Get], Verdict] = program["verdict"]
        self._values: Callable[[_Get], tuple[Held | None, ...]] = program["values"]

    def verdict(self, facts: Facts) -> Verdict:
        """Say what the rule file says about these facts."""
        return self._verdict(facts.get)

    def values(self, facts: Facts) -> Mapping[Concept, Held | NotKnown]:
        """Every concept, derived value and table column, with its value."""
        values = self._values(facts.get)
        return {
            name: UNKNOWN if value is None else value
            for name, value in zip(self._names, values, strict=True)
        }

    def atoms(self, facts: Facts) -> Mapping[str, tuple[Atom, ...]]:
        """The explanation: each comparison or test of every requirement, and how it came out."""
        values = self.values(facts)
        texts, truths_of = self._explanation
        return {
            requirement: tuple(
                Atom(
                    text=text,
                    truth=UNKNOWN if truth is None else truth,
                    inputs=tuple((name, values[name]) for name in names),
                )
                for (text, names), truth in zip(atoms, truths, strict=True)
            )
            for (requirement, atoms), truths in zip(
                texts.items(), truths_of(facts.get), strict=True
            )
        }

    @cached_property
    def _explanation(
        self,
    ) -> tuple[
        Mapping[str, list[tuple[str, tuple[Concept, ...]]]],
        Callable[[_Get], tuple[tuple[bool | None, ...], ...]],
    ]:
        """Text and names of every atom, by requirement, and a function of their truths."""
        words: dict[str, str] = {term.id: term.name.zh for term in self._book.terms}
        atoms = {
            requirement.id: list(atoms_in(requirement.expression))
            for requirement in self._book.requirements
        }
        texts = {
            requirement: [
                (written(atom, words), tuple(dict.fromkeys(name.id for name in mentions(atom))))
                for atom in found
            ]
            for requirement, found in atoms.items()
        }
        return texts, _Source(self._book).explanation(atoms.values())


# ── the compiler ─────────────────────────────────────────────────────────────────────────────────


class _Source(Expressions):
    """Python source of a rule file, and the globals that it needs."""

    def __init__(self, book: Rulebook) -> None:
        super().__init__(book)
        self._book = book
        self._globals |= {
            "Known": Known,
            "Decimal": Decimal,
            "date": date,
            "Verdict": Verdict,
            "made": tuple.__new__,
            "UNKNOWN": UNKNOWN,
        }

    def program(self) -> dict[str, Any]:
        """Compile ``verdict`` and ``values``: functions of a getter of facts."""
        applies = self._names()
        common = self._taken()
        self._verdict(applies)
        verdict = self._taken()
        values = [f"return {tuple_of(self.variables.values())}"]
        return self._compiled(verdict=common + verdict, values=common + values)

    def explanation(self, atoms: Iterable[Iterable[Expression]]) -> Callable[[_Get], Any]:
        """Compile a function of a getter of facts that says how these came out."""
        self._names()
        truths = tuple_of(tuple_of(self._simple(atom) for atom in found) for found in atoms)
        explanation: Callable[[_Get], Any] = self._compiled(
            explanation=[*self._taken(), f"return {truths}"]
        )["explanation"]
        return explanation

    def _compiled(self, **functions: list[str]) -> dict[str, Any]:
        source = "".join(
            f"def {name}(get):\n" + "".join(f" {line}\n" for line in lines)
            for name, lines in functions.items()
        )
        exec(compile(source, "<rulebook>", "exec"), self._globals)  # noqa: S102  # see above
        return self._globals

    def _names(self) -> list[str]:
        """Give every name its value; return, by table, the variable of its (name, row number)."""
        for term in self._book.terms:
            self._fact(self._variable(term.id), term.id, term.type)
        applies: dict[str, str] = {}
        for step in steps(self._book.derived, self._book.tables):
            if isinstance(step, Derived):
                value = self._value(step.expression)
                self._lines.append(f"{self._variable(step.id)} = {value}")
            else:
                applies[step.name] = self._table(step)
        return [applies[table.name] for table in self._book.tables]

    def _fact(self, variable: str, concept: Concept, type_: ConceptType) -> None:
        if isinstance(type_, ListType):
            believed = f"{self._global(_believed_records(type_))}(v)"
            kept = f"{variable} = {believed}"
        else:
            kept = f"if {self._fits(type_)}: {variable} = v"
        self._lines += [
            f"{variable} = None",
            f"f = get({self._global(concept)})",
            "if type(f) is Known:",
            " v = f.value",
            f" {kept}",
        ]

    def _fits(self, type_: ScalarType) -> str:
        match type_:
            case BooleanType():
                return "v is True or v is False"
            case NumberType():
                return "type(v) is Decimal and v.is_finite()"
            case DateType():
                return "type(v) is date"
            case TextType():
                return "isinstance(v, str)"
            case OptionType(options=options):
                return f"isinstance(v, str) and v in {self._global(frozenset(options))}"
            case _ as never:
                assert_never(never)

    def _table(self, table: Table) -> str:
        """Lines that leave the row's values in ``r``; the variable of (name, row numbers)."""
        applies = self._temporary()
        none = self._global((table.name, ""))
        nothing = self._global(tuple(None for _ in table.columns))
        self._lines += [f"r = {nothing}", f"{applies} = {none}"]
        if table.policy.collects:
            self._collect(table, applies)
        elif table.policy is HitPolicy.FIRST:
            self._first(table, applies)
        else:
            self._unique(table, applies, none, nothing)
        for index, given in enumerate(table.columns):
            self._lines.append(f"{self._variable(given.id)} = r[{index}]")
        return applies

    def _unique(self, table: Table, applies: str, none: str, nothing: str) -> None:
        self._lines.append("n = 0")
        for row in table.rows:
            this = self._global((table.name, row.number))
            self._lines += [
                f"t = {self._value(row.condition)}",
                "if t is not False:",
                " n += 1",
                f" if t: r = {self._global(row.values)}; {applies} = {this}",
            ]
        self._lines.append(f"if n != 1: r = {nothing}; {applies} = {none}")

    def _first(self, table: Table, applies: str) -> None:
        """A loop that is gone through once, and left at the first row that is not false."""
        self._lines.append("while True:")
        before = self._taken()
        for row in table.rows:
            this = self._global((table.name, row.number))
            self._lines += [
                f"t = {self._value(row.condition)}",
                f"if t: r = {self._global(row.values)}; {applies} = {this}",
                "if t is not False: break",
            ]
        body = [*self._taken(), "break"]
        self._lines = before + [f" {line}" for line in body]

    def _collect(self, table: Table, applies: str) -> None:
        self._lines += ["u = False", "h = []"]
        for row in table.rows:
            this = self._global((row.number, row.values))
            self._lines += [
                f"t = {self._value(row.condition)}",
                f"if t: h.append({this})",
                "elif t is None: u = True",
            ]
        collected, name = self._global(_collecting(table)), self._global(table.name)
        self._lines += [
            "if not u:",
            f" r = {collected}([values for _, values in h])",
            f" {applies} = ({name}, ', '.join(number for number, _ in h))",
        ]

    def _verdict(self, applies: list[str]) -> None:
        statuses, outputs = [], []
        tests: dict[Consequence, list[str]] = {consequence: [] for consequence in Consequence}
        for requirement in self._book.requirements:
            truth = self._assigned(self._value(requirement.expression))
            met, not_met, unknown = (
                self._global((requirement.id, status))
                for status in (Status.MET, Status.NOT_MET, Status.UNKNOWN)
            )
            statuses.append(f"{met} if {truth} else {unknown} if {truth} is None else {not_met}")
            if requirement.if_not_met is requirement.if_unknown:
                tests[requirement.if_unknown].append(f"{truth} is not True")
            else:
                tests[requirement.if_not_met].append(f"{truth} is False")
                tests[requirement.if_unknown].append(f"{truth} is None")
        for output in self._book.outputs:
            value = self._rounded(output)
            tests[Consequence.REFER].append(f"{value} is None")
            known = f"UNKNOWN if {value} is None else {value}"
            outputs.append(f"({self._global(output.id)}, {known})")
        for word, consequence in zip(("if", "elif", "elif"), Consequence, strict=True):
            test = " or ".join(tests[consequence]) or "False"
            kind = self._global(VerdictKind(consequence.value))
            self._lines.append(f"{word} {test}: kind = {kind}")
        self._lines.append(f"else: kind = {self._global(VerdictKind.APPROVE)}")
        parts = f"(kind, {tuple_of(statuses)}, {tuple_of(outputs)}, {tuple_of(applies)})"
        self._lines.append(f"return made(Verdict, {parts})")

    def _rounded(self, output: Output) -> str:
        value = self._simple(output.expression)
        if not isinstance(output.type, NumberType):
            return value
        round_ = self._global(rounding_to(output.rounding, output.type.scale))
        return self._assigned(unless_unknown([value], f"{round_}({value})"))


def _collecting(table: Table) -> Callable[[list[tuple[Scalar, ...]]], tuple[Scalar | None, ...]]:
    """How the values of all rows that apply become one row."""
    name, width = table.policy.value, len(table.columns)

    def collected(rows: list[tuple[Scalar, ...]]) -> tuple[Scalar | None, ...]:
        columns = zip(*rows, strict=True) if rows else [()] * width
        return tuple(sequences.FUNCTIONS[name](column) for column in columns)

    return collected


_CLASSES = {"boolean": bool, "number": Decimal, "date": date, "text": str, "option": str}


def _believed_records(type_: ListType) -> Callable[[object], tuple[Record, ...] | None]:
    """What is believed of a list: the cells that are as their columns say; None if it is none."""
    classes = {id_: _CLASSES[column.type.kind] for id_, column in type_.columns.items()}
    options = {
        id_: frozenset(column.type.options)
        for id_, column in type_.columns.items()
        if isinstance(column.type, OptionType)
    }

    def is_sound(id_: str, cell: object) -> bool:
        if type(cell) is not classes.get(id_):
            return False
        if id_ in options:
            return cell in options[id_]
        return not isinstance(cell, Decimal) or cell.is_finite()

    def believed(value: object) -> tuple[Record, ...] | None:
        if type(value) is not tuple or not all(isinstance(one, Mapping) for one in value):
            return None
        return tuple(
            record
            if all(is_sound(id_, cell) for id_, cell in record.items())
            else {id_: cell for id_, cell in record.items() if is_sound(id_, cell)}
            for record in value
        )

    return believed
