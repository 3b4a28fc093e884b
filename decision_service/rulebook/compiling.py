"""An expression turned into Python source, for the reference.

Inside the code ``None`` stands for what is not known. It is made of nothing but names counted here
(``v0``, ``k7``); constants enter through its globals, so that no word of a rule file becomes code.
"""

from collections.abc import Iterable
from typing import assert_never

from decision_service.model import Concept, NumberType, OptionType, TextType
from decision_service.rulebook import arithmetic, sequences
from decision_service.rulebook.arithmetic import (
    AGES,
    ARITHMETIC,
    NEGATIVE,
    PARTS,
    counting,
    negated,
    other_arithmetic,
)
from decision_service.rulebook.sequences import column, element_at, equal, member, of_each
from decision_service.rulebook.tree import (
    MOST_ELEMENTS,
    MOST_PASSES,
    All,
    Arithmetic,
    Call,
    Compare,
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
    Rulebook,
    Series,
    Some,
    Spanned,
    Variable,
    Within,
)
from decision_service.rulebook.values import ListOf, RecordOf, Type

_OPERATORS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

_BRACKETS = 40
"""In one line of code, before what is in them gets a line of its own; Python reads at most 200."""


class Expressions:
    """Writes expressions as Python, with the lines that come before and the globals they need.

    Attributes:
        variables: For every name of the file, its name in the code, in the order of the file.
    """

    def __init__(self, book: Rulebook) -> None:
        by_convention = {"age": AGES[book.age_convention], **counting(book.calendar)}
        self._functions = {**arithmetic.FUNCTIONS, **sequences.FUNCTIONS, **by_convention}
        self._lines: list[str] = []
        self._temporaries = 0
        self._passes = "1"
        self._globals: dict[str, object] = {}
        self.variables: dict[Concept, str] = {}

    def _taken(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines

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
                text = self._one_of(of, item.type, tests)
            case All(items=items):
                text = self._settled("False", [self._value(item) for item in items])
            case Some(items=items):
                text = self._settled("True", [self._value(item) for item in items])
            case Not(item=item):
                simple = self._simple(item)
                text = unless_unknown([simple], f"not {simple}")
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
                text = tuple_of([self._simple(item) for item in items])
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
            case Each():
                text = self._each(expression)
            case Series():
                raise AssertionError("a series is gone through only where types are not declared")
            case _ as never:
                assert_never(never)
        return text if text.count("(") <= _BRACKETS else self._assigned(text)

    def _simple(self, expression: Expression) -> str:
        text = self._value(expression)
        return text if text.isidentifier() else self._assigned(text)

    def _called(self, function: object, arguments: tuple[Expression, ...]) -> str:
        simple = [self._simple(argument) for argument in arguments]
        return unless_unknown(simple, f"{self._global(function)}({', '.join(simple)})")

    def _compared(self, compare: Compare) -> str:
        sides = [self._simple(compare.left), self._simple(compare.right)]
        if not isinstance(compare.left.type, ListOf | RecordOf):
            return unless_unknown(sides, f" {_OPERATORS[compare.op]} ".join(sides))
        same = f"{self._global(equal)}({', '.join(sides)})"
        if compare.op == "=":
            return same
        name = self._assigned(same)
        return unless_unknown([name], f"not {name}")

    def _one_of(self, item: str, type_: Type, tests: tuple[Interval | Expression, ...]) -> str:
        words = [test.value for test in tests if isinstance(test, Constant)]
        if isinstance(type_, OptionType | TextType) and len(words) == len(tests):
            return unless_unknown([item], f"{item} in {self._global(frozenset(words))}")
        return self._settled("True", [self._test(item, type_, test) for test in tests])

    def _test(self, item: str, type_: Type, test: Interval | Expression) -> str:
        if not isinstance(test, Interval):
            simple = self._simple(test)
            if isinstance(test.type, ListOf):
                found = f"{self._global(member)}({simple}, {item})"
                if isinstance(type_, ListOf | RecordOf):
                    found = self._settled(
                        "True", [found, f"{self._global(equal)}({simple}, {item})"]
                    )
                return unless_unknown([item, simple], found)
            return unless_unknown([item, simple], f"{item} == {simple}")
        above = "<=" if test.low_included else "<"
        below = "<=" if test.high_included else "<"
        match test:
            case Interval(low=Constant() as low, high=Constant() as high):
                ends = f"{self._simple(low)} {above} {item} {below} {self._simple(high)}"
                return unless_unknown([item], ends)
            case _:
                return self._between(item, above, below, test)

    def _between(self, item: str, above: str, below: str, test: Interval) -> str:
        """A range of which an end may be unknown, and the other decide alone."""
        ends = []
        if test.low is not None:
            low = self._simple(test.low)
            ends.append(unless_unknown([item, low], f"{low} {above} {item}"))
        if test.high is not None:
            high = self._simple(test.high)
            ends.append(unless_unknown([item, high], f"{item} {below} {high}"))
        return self._settled("False", ends) if ends else unless_unknown([item], "True")

    def _part(self, item: Expression, part: str) -> str:
        match item.type:
            case ListOf(item=one) if not isinstance(one, RecordOf):
                return self._called(of_each(PARTS[one.kind, part]), (item,))
            case ListOf():
                simple, key = self._simple(item), self._global(part)
                return unless_unknown([simple], f"{self._global(column)}({simple}, {key})")
            case RecordOf():
                simple = self._simple(item)
                return unless_unknown([simple], f"{simple}.get({self._global(part)})")
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

    def _each(self, each: Each) -> str:
        """Loops in each other; the innermost gathers, and an unknown list ends them all."""
        found, before = self._temporary(), self._taken()
        counters: list[str] = []
        body = self._through(each, 0, found, counters)
        self._lines = before
        self._lines += [f"{found} = []", *(f"{one} = 0" for one in counters), *body]
        return self._assigned(f"None if {found} is None else tuple({found})")

    def _through(self, each: Each, depth: int, found: str, counters: list[str]) -> list[str]:
        """The lines of a loop and of those within."""
        if depth == len(each.bindings):
            value = self._simple(each.result)
            return [*self._taken(), f"{found}.append({value})"]
        variable, item = each.bindings[depth]
        items, passes = self._bounded(self._simple(item))
        count = self._temporary()
        counters.append(count)
        lines = self._taken()
        around, self._passes = self._passes, passes
        within = self._through(each, depth + 1, found, counters)
        self._passes = around
        return [
            *lines,
            f"{count} += len({items} or ())",
            f"if {items} is None or {count} > {MOST_ELEMENTS}: {found} = None",
            f"for {variable} in () if {found} is None else {items}:",
            *(f" {line}" for line in within),
            f" if {found} is None: break",
        ]

    def _loop(self, over: Filter | Quantified) -> tuple[str, list[str], str]:
        """The list, the lines that work out the condition for an element, and its variable."""
        items, passes = self._bounded(self._simple(over.item))
        before = self._taken()
        around, self._passes = self._passes, passes
        truth = self._simple(over.condition)
        self._passes = around
        body = [f" {line}" for line in self._taken()]
        self._lines = before
        return items, body, truth

    def _bounded(self, items: str) -> tuple[str, str]:
        """The list, unknown where going through it would take too long; and how often that is."""
        passes, bounded = self._temporary(), self._temporary()
        self._lines += [
            f"{passes} = {self._passes} * len({items} or ())",
            f"{bounded} = {items} if {passes} <= {MOST_PASSES} else None",
        ]
        return bounded, passes

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


def _arithmetic(left: Type, op: Operator, right: Type) -> object:
    if isinstance(left, NumberType) and isinstance(right, NumberType):
        return ARITHMETIC[op]
    return other_arithmetic(left.kind, op, right.kind)


def tuple_of(texts: Iterable[str]) -> str:
    """Python for a tuple of these."""
    return "(" + "".join(f"{text}, " for text in texts) + ")"


def unless_unknown(names: list[str], text: str) -> str:
    """Python for a value that is None if one of these names is."""
    unknown = " or ".join(f"{name} is None" for name in names if not name.startswith("k"))
    return f"(None if {unknown} else {text})" if unknown else f"({text})"
