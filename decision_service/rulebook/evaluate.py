"""The reference: a rule file compiled once to Python, to check the rule engine on every case.

It shares the typed tree with the interpreter and nothing else: functions, rounding and three-valued
logic are written a second time here, in another way, so that each finds the other's mistakes.

Inside the compiled code ``None`` stands for what is not known. The code is made of nothing but
names counted here (``v0``, ``k7``); constants enter through its globals, so that no word of a rule
file ever becomes code.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
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
from decision_service.rulebook.arithmetic import (
    AGES,
    ARITHMETIC,
    FUNCTIONS,
    NEGATIVE,
    rounding_to,
)
from decision_service.rulebook.explanation import atoms_in, names_in, written
from decision_service.rulebook.tree import (
    UNKNOWN,
    All,
    Arithmetic,
    Atom,
    Call,
    Compare,
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
    Rulebook,
    Some,
    Table,
    Verdict,
    VerdictKind,
    Within,
)

_Get: TypeAlias = Callable[[Concept], Fact | None]


class Reference:
    """A rule file, compiled."""

    def __init__(self, book: Rulebook) -> None:
        atoms = [tuple(atoms_in(requirement.expression)) for requirement in book.requirements]
        source = _Source(book)
        program = source.program(atoms)
        self._names = tuple(source.variables)
        self._verdict: Callable[[_Get], Verdict] = program["verdict"]
        self._values: Callable[[_Get], tuple[Value | None, ...]] = program["values"]
        self._truths: Callable[[_Get], tuple[tuple[bool | None, ...], ...]] = program["atoms"]

        words = {term.id: term.name.zh for term in book.terms}
        self._atoms = {
            requirement.id: tuple(
                (written(atom, words), tuple(dict.fromkeys(names_in(atom)))) for atom in found
            )
            for requirement, found in zip(book.requirements, atoms, strict=True)
        }

    def verdict(self, facts: Facts) -> Verdict:
        """Say what the rule file says about these facts."""
        return self._verdict(facts.get)

    def values(self, facts: Facts) -> Mapping[Concept, Value | NotKnown]:
        """Every concept, derived value and table column, with its value."""
        values = self._values(facts.get)
        return {
            name: UNKNOWN if value is None else value
            for name, value in zip(self._names, values, strict=True)
        }

    def atoms(self, facts: Facts) -> Mapping[str, tuple[Atom, ...]]:
        """The explanation: each comparison or test of every requirement, and how it came out."""
        values = self.values(facts)
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
                self._atoms.items(), self._truths(facts.get), strict=True
            )
        }


# ── the compiler ─────────────────────────────────────────────────────────────────────────────────

_OPERATORS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

_BRACKETS = 40
"""In one line of code, before what is in them gets a line of its own; Python reads at most 200."""


class _Source:
    """Python source of a rule file, and the globals that it needs.

    Attributes:
        variables: For every name of the file, its name in the code, in the order of the file.
    """

    def __init__(self, book: Rulebook) -> None:
        self._book = book
        self._functions = {**FUNCTIONS, "age": AGES[book.age_convention]}
        self._lines: list[str] = []
        self._temporaries = 0
        self._globals: dict[str, object] = {
            "Known": Known,
            "Decimal": Decimal,
            "date": date,
            "Verdict": Verdict,
            "UNKNOWN": UNKNOWN,
        }
        self.variables: dict[Concept, str] = {}

    def program(self, atoms: list[tuple[Expression, ...]]) -> dict[str, Any]:
        """Compile ``verdict``, ``values`` and ``atoms``: functions of a getter of facts."""
        applies = self._names()
        common = self._taken()
        self._verdict(applies)
        verdict = self._taken()
        truths = _tuple(_tuple(self._simple(atom) for atom in found) for found in atoms)
        explain = [*self._taken(), f"return {truths}"]
        values = [f"return {_tuple(self.variables.values())}"]
        source = "".join(
            f"def {name}(get):\n" + "".join(f" {line}\n" for line in common + own)
            for name, own in (("verdict", verdict), ("values", values), ("atoms", explain))
        )
        exec(compile(source, "<rulebook>", "exec"), self._globals)  # noqa: S102  # see above
        return self._globals

    def _taken(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines

    def _names(self) -> list[str]:
        """Give every name its value; return, by table, the variable of its (name, row number)."""
        for term in self._book.terms:
            self._fact(self._variable(term.id), term.id, term.type)
        for derived in self._book.derived:
            value = self._value(derived.expression)
            self._lines.append(f"{self._variable(derived.id)} = {value}")
        return [self._table(table) for table in self._book.tables]

    def _fact(self, variable: str, concept: Concept, type_: ConceptType) -> None:
        match type_:
            case BooleanType():
                fits = "v is True or v is False"
            case NumberType():
                fits = "type(v) is Decimal and v.is_finite()"
            case DateType():
                fits = "type(v) is date"
            case TextType():
                fits = "isinstance(v, str)"
            case OptionType(options=options):
                fits = f"isinstance(v, str) and v in {self._global(frozenset(options))}"
            case _ as never:
                assert_never(never)
        self._lines += [
            f"{variable} = None",
            f"f = get({self._global(concept)})",
            "if type(f) is Known:",
            " v = f.value",
            f" if {fits}: {variable} = v",
        ]

    def _table(self, table: Table) -> str:
        applies = self._temporary()
        none = self._global((table.name, ""))
        nothing = self._global(tuple(None for _ in table.columns))
        self._lines += ["n = 0", f"r = {nothing}", f"{applies} = {none}"]
        for row in table.rows:
            this = self._global((table.name, row.number))
            self._lines += [
                f"t = {self._value(row.condition)}",
                "if t is not False:",
                " n += 1",
                f" if t: r = {self._global(row.values)}; {applies} = {this}",
            ]
        self._lines.append(f"if n != 1: r = {nothing}; {applies} = {none}")
        for index, column in enumerate(table.columns):
            self._lines.append(f"{self._variable(column.id)} = r[{index}]")
        return applies

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
        parts = f"kind, {_tuple(statuses)}, {_tuple(outputs)}, {_tuple(applies)}"
        self._lines.append(f"return Verdict({parts})")

    def _rounded(self, output: Output) -> str:
        value = self._simple(output.expression)
        if not isinstance(output.type, NumberType):
            return value
        round_ = self._global(rounding_to(output.rounding, output.type.scale))
        return self._assigned(_unless_unknown([value], f"{round_}({value})"))

    # ── expressions ──

    def _value(self, expression: Expression) -> str:  # noqa: C901  # one case for each node
        """Python for an expression's value, or None; what must come before goes into the lines."""
        match expression:
            case Constant(value=value):
                text = self._global(value)
            case Name(id=id_):
                text = self.variables[id_]
            case Compare(op=op, left=left, right=right):
                sides = [self._simple(left), self._simple(right)]
                text = _unless_unknown(sides, f" {_OPERATORS[op]} ".join(sides))
            case Within(item=item, tests=tests):
                of = self._simple(item)
                text = self._settled("True", [self._test(of, test) for test in tests])
            case All(items=items):
                text = self._settled("False", [self._value(item) for item in items])
            case Some(items=items):
                text = self._settled("True", [self._value(item) for item in items])
            case Not(item=item):
                simple = self._simple(item)
                text = _unless_unknown([simple], f"not {simple}")
            case Arithmetic(op=op, left=left, right=right):
                text = self._called(ARITHMETIC[op], (left, right))
            case Negative(item=item):
                text = self._called(NEGATIVE, (item,))
            case If(condition=condition, then=then, otherwise=otherwise):
                test, yes, no = (self._simple(part) for part in (condition, then, otherwise))
                text = f"({yes} if {test} else None if {test} is None else {no})"
            case Call(function=name, arguments=arguments):
                text = self._called(self._functions[name], arguments)
            case _ as never:
                assert_never(never)
        return text if text.count("(") <= _BRACKETS else self._assigned(text)

    def _simple(self, expression: Expression) -> str:
        text = self._value(expression)
        return text if text.isidentifier() else self._assigned(text)

    def _called(self, function: object, arguments: tuple[Expression, ...]) -> str:
        simple = [self._simple(argument) for argument in arguments]
        return _unless_unknown(simple, f"{self._global(function)}({', '.join(simple)})")

    def _test(self, item: str, test: Interval | Expression) -> str:
        if not isinstance(test, Interval):
            simple = self._simple(test)
            return _unless_unknown([item, simple], f"{item} == {simple}")
        ends = []
        if test.low is not None:
            low = self._simple(test.low)
            op = "<=" if test.low_included else "<"
            ends.append(_unless_unknown([item, low], f"{low} {op} {item}"))
        if test.high is not None:
            high = self._simple(test.high)
            op = "<=" if test.high_included else "<"
            ends.append(_unless_unknown([item, high], f"{item} {op} {high}"))
        return self._settled("False", ends) if ends else _unless_unknown([item], "True")

    def _settled(self, by: str, texts: list[str]) -> str:
        """Strong Kleene: one ``by`` settles it; else it is unknown if one is; else the opposite."""
        opposite = "True" if by == "False" else "False"
        if not texts:
            return opposite
        if len(texts) == 1:
            return texts[0]
        names, tests = [], []
        for text in texts:
            name = text if text.isidentifier() else self._temporary()
            names.append(name)
            tests.append(f"{name} is {by}" if name == text else f"({name} := {text}) is {by}")
        unknown = " or ".join(f"{name} is None" for name in names)
        return f"({by} if {' or '.join(tests)} else None if {unknown} else {opposite})"

    # ── names of the code ──

    def _assigned(self, text: str) -> str:
        name = self._temporary()
        self._lines.append(f"{name} = {text}")
        return name

    def _variable(self, id_: Concept) -> str:
        return self.variables.setdefault(id_, f"v{len(self.variables)}")

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"t{self._temporaries}"

    def _global(self, value: object) -> str:
        name = f"k{len(self._globals)}"
        self._globals[name] = value
        return name


def _tuple(texts: Iterable[str]) -> str:
    return "(" + "".join(f"{text}, " for text in texts) + ")"


def _unless_unknown(names: list[str], text: str) -> str:
    unknown = " or ".join(f"{name} is None" for name in names if not name.startswith("k"))
    return f"(None if {unknown} else {text})" if unknown else f"({text})"
