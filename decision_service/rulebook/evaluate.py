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
from decision_service.rulebook import arithmetic, sequences
from decision_service.rulebook.arithmetic import (
    AGES,
    ARITHMETIC,
    NEGATIVE,
    PARTS,
    negated,
    other_arithmetic,
    rounding_to,
)
from decision_service.rulebook.explanation import atoms_in, written
from decision_service.rulebook.sequences import column, element_at, equal, member
from decision_service.rulebook.tree import (
    All,
    Arithmetic,
    Atom,
    Call,
    Compare,
    Consequence,
    Constant,
    Element,
    Expression,
    Filter,
    HitPolicy,
    If,
    Interval,
    Listed,
    Name,
    Negative,
    Not,
    Operator,
    Output,
    Path,
    Quantified,
    Rulebook,
    Some,
    Spanned,
    Table,
    Variable,
    Verdict,
    VerdictKind,
    Within,
    mentions,
)
from decision_service.rulebook.values import UNKNOWN, ListOf, NotKnown, RecordOf, Type

_Get: TypeAlias = Callable[[Concept], Fact | None]


class Reference:
    """A rule file, compiled."""

    def __init__(self, book: Rulebook) -> None:
        atoms = [tuple(atoms_in(requirement.expression)) for requirement in book.requirements]
        source = _Source(book)
        program = source.program(atoms)
        self._names = tuple(source.variables)
        self._verdict: Callable[[_Get], Verdict] = program["verdict"]
        self._values: Callable[[_Get], tuple[Held | None, ...]] = program["values"]
        self._truths: Callable[[_Get], tuple[tuple[bool | None, ...], ...]] = program["atoms"]

        words: dict[str, str] = {term.id: term.name.zh for term in book.terms}
        self._atoms = {
            requirement.id: tuple(
                (written(atom, words), tuple(dict.fromkeys(name.id for name in mentions(atom))))
                for atom in found
            )
            for requirement, found in zip(book.requirements, atoms, strict=True)
        }

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
        ages = {"age": AGES[book.age_convention]}
        self._functions = {**arithmetic.FUNCTIONS, **sequences.FUNCTIONS, **ages}
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

    def _value(self, expression: Expression) -> str:  # noqa: C901, PLR0912  # one case a node
        """Python for an expression's value, or None; what must come before goes into the lines."""
        match expression:
            case Constant(value=value):
                text = self._global(value)
            case Name(id=id_):
                text = self.variables[id_]
            case Variable(name=name):
                text = name
            case Compare():
                text = self._compared(expression)
            case Within(item=item, tests=tests):
                of = self._simple(item)
                text = self._settled("True", [self._test(of, item.type, test) for test in tests])
            case All(items=items):
                text = self._settled("False", [self._value(item) for item in items])
            case Some(items=items):
                text = self._settled("True", [self._value(item) for item in items])
            case Not(item=item):
                simple = self._simple(item)
                text = _unless_unknown([simple], f"not {simple}")
            case Arithmetic(op=op, left=left, right=right):
                text = self._called(_arithmetic(left.type, op, right.type), (left, right))
            case Negative(item=item):
                function = NEGATIVE if isinstance(item.type, NumberType) else negated
                text = self._called(function, (item,))
            case If(condition=condition, then=then, otherwise=otherwise):
                test, yes, no = (self._simple(part) for part in (condition, then, otherwise))
                text = f"({yes} if {test} else None if {test} is None else {no})"
            case Call(function=name, arguments=arguments):
                text = self._called(self._functions[name], arguments)
            case Listed(items=items):
                text = _tuple([self._simple(item) for item in items])
            case Spanned():
                raise AssertionError("a range stands for itself only where types are not declared")
            case Path(item=item, part=part):
                text = self._part(item, part)
            case Element(item=item, position=position):
                text = self._called(element_at, (item, position))
            case Filter():
                text = self._filtered(expression)
            case Quantified():
                text = self._quantified(expression)
            case _ as never:
                assert_never(never)
        return text if text.count("(") <= _BRACKETS else self._assigned(text)

    def _simple(self, expression: Expression) -> str:
        text = self._value(expression)
        return text if text.isidentifier() else self._assigned(text)

    def _called(self, function: object, arguments: tuple[Expression, ...]) -> str:
        simple = [self._simple(argument) for argument in arguments]
        return _unless_unknown(simple, f"{self._global(function)}({', '.join(simple)})")

    def _compared(self, compare: Compare) -> str:
        sides = [self._simple(compare.left), self._simple(compare.right)]
        if not isinstance(compare.left.type, ListOf | RecordOf):
            return _unless_unknown(sides, f" {_OPERATORS[compare.op]} ".join(sides))
        same = f"{self._global(equal)}({', '.join(sides)})"
        if compare.op == "=":
            return same
        name = self._assigned(same)
        return _unless_unknown([name], f"not {name}")

    def _test(self, item: str, type_: Type, test: Interval | Expression) -> str:
        if not isinstance(test, Interval):
            simple = self._simple(test)
            if isinstance(test.type, ListOf):
                found = f"{self._global(member)}({simple}, {item})"
                if isinstance(type_, ListOf | RecordOf):
                    found = self._settled(
                        "True", [found, f"{self._global(equal)}({simple}, {item})"]
                    )
                return _unless_unknown([item, simple], found)
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

    def _part(self, item: Expression, part: str) -> str:
        match item.type:
            case ListOf():
                simple, key = self._simple(item), self._global(part)
                return _unless_unknown([simple], f"{self._global(column)}({simple}, {key})")
            case RecordOf():
                simple = self._simple(item)
                return _unless_unknown([simple], f"{simple}.get({self._global(part)})")
            case type_:
                return self._called(PARTS[type_.kind, part], (item,))

    def _filtered(self, filter_: Filter) -> str:
        """A loop that gathers, and gives up where the condition is unknown."""
        items, body, truth = self._loop(filter_)
        found = self._temporary()
        self._lines += [
            f"{found} = None if {items} is None else []",
            f"for {filter_.variable} in {items} or ():",
            *body,
            f" if {truth} is None: {found} = None; break",
            f" if {truth}: {found}.append({filter_.variable})",
        ]
        return self._assigned(f"None if {found} is None else tuple({found})")

    def _quantified(self, quantified: Quantified) -> str:
        """A loop that ends with the first element that settles it."""
        items, body, truth = self._loop(quantified)
        found = self._temporary()
        settles = "True" if quantified.quantifier == "some" else "False"
        begins = "False" if quantified.quantifier == "some" else "True"
        self._lines += [
            f"{found} = None if {items} is None else {begins}",
            f"for {quantified.variable} in {items} or ():",
            *body,
            f" if {truth} is {settles}: {found} = {settles}; break",
            f" if {truth} is None: {found} = None",
        ]
        return found

    def _loop(self, over: Filter | Quantified) -> tuple[str, list[str], str]:
        """The list, the lines that work out the condition for an element, and its variable."""
        items = self._simple(over.item)
        before = self._taken()
        truth = self._simple(over.condition)
        body = [f" {line}" for line in self._taken()]
        self._lines = before
        return items, body, truth

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


def _collecting(table: Table) -> Callable[[list[tuple[Scalar, ...]]], tuple[Scalar | None, ...]]:
    """How the values of all rows that apply become one row."""
    name, width = table.policy.value, len(table.columns)

    def collected(rows: list[tuple[Scalar, ...]]) -> tuple[Scalar | None, ...]:
        columns = zip(*rows, strict=True) if rows else [()] * width
        return tuple(sequences.FUNCTIONS[name](column) for column in columns)

    return collected


def _arithmetic(left: Type, op: Operator, right: Type) -> object:
    if isinstance(left, NumberType) and isinstance(right, NumberType):
        return ARITHMETIC[op]
    return other_arithmetic(left.kind, op, right.kind)


def _tuple(texts: Iterable[str]) -> str:
    return "(" + "".join(f"{text}, " for text in texts) + ")"


def _unless_unknown(names: list[str], text: str) -> str:
    unknown = " or ".join(f"{name} is None" for name in names if not name.startswith("k"))
    return f"(None if {unknown} else {text})" if unknown else f"({text})"
