"""Rulebooks and facts for the tests: short constructors of the tree, and generated books.

Values come from tiny ranges, so that generated boundaries collide with generated facts.
"""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from decision_service.model import (
    DECLARED,
    BooleanType,
    Calendar,
    Concept,
    ConceptType,
    DateType,
    Fact,
    Held,
    Known,
    ListType,
    MatterId,
    NumberType,
    OptionType,
    Scalar,
    Status,
    Text,
    TextType,
    Unknown,
    Value,
    Why,
)
from decision_service.model import Column as ListColumn
from decision_service.rulebook.tree import (
    All,
    Arithmetic,
    Basis,
    Call,
    Column,
    Compare,
    Consequence,
    Constant,
    Derived,
    Each,
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
    Output,
    Path,
    Position,
    Quantified,
    Requirement,
    Row,
    Rulebook,
    Some,
    Table,
    Term,
    Variable,
    Within,
)
from decision_service.rulebook.values import (
    DaysAndTime,
    DaysType,
    ListOf,
    MonthsType,
    RecordOf,
    Type,
    YearsAndMonths,
    in_expressions,
)

AT = Position(1, 1)
CALENDAR = Calendar(
    holidays=frozenset({date(2000, 2, 28), date(2001, 1, 1), date(2001, 3, 1), date(2001, 5, 1)}),
    workdays=frozenset({date(2001, 3, 3), date(2001, 4, 28)}),
)
"""Of two years; of the others nothing is known."""


@dataclass(frozen=True)
class Conventions:
    """What a function takes from its book."""

    age_convention: Any = "birthday"
    calendar: Calendar = CALENDAR


WORDS = Text(zh="词", en="word")
BOOLEAN = BooleanType()
DAY = DateType()
TEXT = TextType()
WHOLE = NumberType(unit="岁")
MONEY = NumberType(unit="元", scale=2)
COLOUR = OptionType(
    options={
        "red": Text(zh="红", en="red"),
        "green": Text(zh="绿", en="green"),
        "blue": Text(zh="蓝", en="blue"),
    }
)

FLATS = ListType(
    columns={
        "city": ListColumn(name=WORDS, type=COLOUR),
        "area": ListColumn(name=Text(zh="面积", en="area"), type=MONEY),
        "since": ListColumn(name=Text(zh="登记日", en="since"), type=DAY),
        "sold": ListColumn(name=Text(zh="已售", en="sold"), type=BOOLEAN),
        "street": ListColumn(name=Text(zh="街道", en="street"), type=TEXT),
    }
)
RECORDS = in_expressions(FLATS)

TERMS: dict[str, ConceptType] = {
    "age": WHOLE,
    "children": WHOLE,
    "income": MONEY,
    "born": DAY,
    "filed": DAY,
    "colour": COLOUR,
    "shade": COLOUR,
    "resident": BOOLEAN,
    "alive": BOOLEAN,
    "street": TEXT,
    "flats": FLATS,
}
"""The vocabulary of every book here."""

POOLS: dict[ConceptType, tuple[Value, ...]] = {
    WHOLE: tuple(Decimal(number) for number in (0, 1, 2, 3)),
    MONEY: tuple(Decimal(number) for number in ("0.00", "0.99", "1.00", "1.01", "2.00", "1.005")),
    DAY: (
        date(2000, 2, 28),
        date(2000, 2, 29),
        date(2001, 2, 28),
        date(2001, 3, 1),
        date(2001, 3, 31),
        date(9999, 12, 31),
    ),
    BOOLEAN: (True, False),
    TEXT: ("a", "b", "ab", ""),
}

_CELLS: dict[str, tuple[Scalar, ...]] = {
    id_: tuple(COLOUR.options) if column.type == COLOUR else POOLS[column.type]  # type: ignore[misc]
    for id_, column in FLATS.columns.items()
}
_DICE = random.Random(11)  # noqa: S311  # dice, not secrets
LISTS: tuple[Held, ...] = (
    (),
    *(
        tuple(
            {id_: _DICE.choice(cells) for id_, cells in _CELLS.items() if _DICE.random() < known}
            for _ in range(count)
        )
        for count in (1, 2, 3)
        for known in (1.0, 0.8, 0.6)
    ),
)
"""Lists of none to three records, in some of which cells are not known."""


def pool(type_: ConceptType) -> tuple[Any, ...]:
    """Every value that facts and constants of the type may have."""
    if isinstance(type_, ListType):
        return LISTS
    return tuple(type_.options) if isinstance(type_, OptionType) else POOLS[type_]


# ── constructors ─────────────────────────────────────────────────────────────────────────────────


def name(id_: str, type_: Type | None = None) -> Name:
    return Name(Concept(id_), type_ or in_expressions(TERMS[id_]), AT)


def const(value: Value | int, type_: ConceptType = WHOLE) -> Constant:
    number = isinstance(value, int) and not isinstance(value, bool)
    return Constant(Decimal(value) if number else value, type_, AT)


def compare(left: Expression, op: Any, right: Expression) -> Compare:
    return Compare(op, left, right, BOOLEAN, AT)


def both(*items: Expression) -> All:
    return All(items, BOOLEAN, AT)


def either(*items: Expression) -> Some:
    return Some(items, BOOLEAN, AT)


def no(item: Expression) -> Not:
    return Not(item, BOOLEAN, AT)


def within(item: Expression, *tests: Interval | Expression) -> Within:
    return Within(item, tests, BOOLEAN, AT)


def compute(left: Expression, op: Any, right: Expression) -> Arithmetic:
    return Arithmetic(op, left, right, MONEY, AT)


def call(function: str, *arguments: Expression, type_: Type = WHOLE) -> Call:
    return Call(function, arguments, type_, AT)


def listed(*items: Expression) -> Listed:
    return Listed(items, ListOf(items[0].type), AT)


def path(item: Expression, part: str, type_: Type = WHOLE) -> Path:
    return Path(item, part, type_, AT)


def lasting(duration: YearsAndMonths | DaysAndTime) -> Constant:
    months = isinstance(duration, YearsAndMonths)
    return Constant(duration, MonthsType() if months else DaysType(), AT)


def when(condition: Expression, then: Expression, otherwise: Expression) -> If:
    return If(condition, then, otherwise, then.type, AT)


def requirement(
    id_: str,
    expression: Expression,
    if_not_met: Consequence = Consequence.REFUSE,
    if_unknown: Consequence = Consequence.REFER,
) -> Requirement:
    notices = dict.fromkeys(Status, WORDS)
    return Requirement(id_, WORDS, ("L1",), expression, if_not_met, if_unknown, notices, AT)


def row(number: str, condition: Expression, *values: Value) -> Row:
    return Row(number, condition, values, AT)


def table(
    id_: str,
    *rows: Row,
    columns: Sequence[str] = ("amount",),
    policy: HitPolicy = HitPolicy.UNIQUE,
) -> Table:
    given = tuple(Column(Concept(one), MONEY) for one in columns)
    return Table(id_, ("L1",), given, rows, AT, policy)


def output(
    id_: str, expression: Expression, rounding: Any = "exact", type_: ConceptType = MONEY
) -> Output:
    return Output(id_, WORDS, type_, rounding, expression, AT)


def derived(id_: str, expression: Expression) -> Derived:
    return Derived(Concept(id_), Text(zh=id_, en=id_), expression.type, expression, AT)


def book(
    *requirements: Requirement,
    derived: Sequence[Derived] = (),
    tables: Sequence[Table] = (),
    outputs: Sequence[Output] = (),
    age_convention: Any = "birthday",
    sources: Mapping[str, str] | None = None,
) -> Rulebook:
    """A book of the vocabulary above; a term that ``sources`` does not name is declared."""
    return Rulebook(
        where="generated",
        matter=MatterId("generated"),
        title=WORDS,
        effective=date(2020, 1, 1),
        supersedes=None,
        authority=WORDS,
        bases=(Basis("L1", "法", "1", WORDS, AT),),
        terms=tuple(
            Term(
                Concept(id_),
                Text(zh=id_, en=id_),
                type_,
                None,
                (sources or {}).get(id_, DECLARED),
                AT,
            )
            for id_, type_ in TERMS.items()
        ),
        derived=tuple(derived),
        requirements=requirements,
        tables=tuple(tables),
        outputs=tuple(outputs),
        scenarios=(),
        age_convention=age_convention,
        calendar=CALENDAR,
    )


def facts(**values: Value | int) -> dict[Concept, Fact]:
    """These are known; all else is absent."""
    return {
        Concept(id_): Known(value=const(value).value, source="declared")
        for id_, value in values.items()
    }


def some_facts(dice: random.Random) -> dict[Concept, Fact]:
    """A fact for most concepts: known, unknown, or (rarely) of a type it should not have."""
    known = dice.choice((1.0, 0.9, 0.7))
    found: dict[Concept, Fact] = {}
    for id_, type_ in TERMS.items():
        chance = dice.random()
        if chance < known - 0.02:
            found[Concept(id_)] = Known(value=dice.choice(pool(type_)), source="declared")
        elif chance < known:
            odd: tuple[Held, ...] = (
                "purple", True, Decimal(1), date(2001, 3, 1), (), ({"area": "x", "cities": "red"},),
            )  # fmt: skip
            found[Concept(id_)] = Known(value=dice.choice(odd), source="declared")
        elif chance < known + 0.15:
            found[Concept(id_)] = Unknown(why=dice.choice(tuple(Why)))
    return found


# ── generated books ──────────────────────────────────────────────────────────────────────────────

_ORDERS = st.sampled_from(("=", "!=", "<", "<=", ">", ">="))
_EQUALS = st.sampled_from(("=", "!="))
_DEPTHS = st.integers(0, 3)
_COUNTS = st.integers(1, 3)

Draw = Callable[[st.SearchStrategy[Any]], Any]


class _Author:
    """Writes expressions of every kind, from the names that are known so far."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.names = {id_: name(id_) for id_ in TERMS}
        self.records: list[Variable] = []
        self.bound = 0

    def pick(self, *writers: Callable[[], Any]) -> Any:
        return writers[self.draw(st.integers(0, len(writers) - 1))]()

    def named(self, kind: type) -> Name:
        fitting = [one for one in self.names.values() if isinstance(one.type, kind)]
        return fitting[self.draw(st.integers(0, len(fitting) - 1))]

    def constant(self, type_: ConceptType) -> Constant:
        return Constant(self.draw(st.sampled_from(pool(type_))), type_, AT)

    def number(self, depth: int) -> Expression:  # noqa: C901  # a writer for each kind of node
        def fixed() -> Expression:
            return self.constant(self.draw(st.sampled_from((WHOLE, MONEY))))

        def computed() -> Expression:
            op = self.draw(st.sampled_from(("+", "-", "*", "/", "**")))
            return compute(self.number(depth - 1), op, self.number(depth - 1))

        def raised() -> Expression:
            """To a power that not every number has, nought least of all."""
            power = self.draw(st.sampled_from((Decimal(-1), Decimal("-0.5"), Decimal("0.5"))))
            return compute(self.number(0), "**", const(power))

        def rounded() -> Expression:
            return call("round_half_up", self.number(depth - 1), self.number(0), type_=MONEY)

        def counted() -> Expression:
            function = self.draw(
                st.sampled_from(
                    (
                        "age",
                        "years_between",
                        "months_between",
                        "days_between",
                        "working_days_between",
                    )
                )
            )
            return call(function, self.day(depth - 1), self.day(depth - 1))

        def called() -> Expression:
            function = self.draw(
                st.sampled_from(
                    ("min", "max", "sum", "mean", "median", "stddev", "abs", "floor", "ceiling")
                )
            )
            if function in {"min", "max", "sum", "mean", "median", "stddev"}:
                return call(function, self.numbers(depth - 1), type_=MONEY)
            return call(function, self.number(depth - 1), type_=MONEY)

        def part_of_day() -> Expression:
            return call(self.draw(st.sampled_from(("year", "month", "day"))), self.day(depth - 1))

        def measured() -> Expression:
            part = self.draw(st.sampled_from(("days", "hours", "seconds")))
            return self.pick(
                lambda: path(self.days_lasting(), part),
                lambda: path(
                    self.months_lasting(), self.draw(st.sampled_from(("years", "months")))
                ),
                lambda: compute(self.days_lasting(), "/", self.days_lasting()),
                lambda: path(self.day(depth - 1), "weekday"),
                lambda: call("string_length", self.text(depth - 1)),
                lambda: call("modulo", self.number(depth - 1), self.number(depth - 1)),
            )

        def of_list() -> Expression:
            return self.pick(
                lambda: call("count", self.list_of_flats(depth - 1)),
                lambda: call(
                    self.draw(st.sampled_from(("sum", "min", "max"))),
                    path(self.list_of_flats(0), "area", ListOf(MONEY)),
                    type_=MONEY,
                ),
                lambda: Element(self.numbers(depth - 1), self.number(0), MONEY, AT),
            )

        simple = (lambda: self.named(NumberType), fixed)
        if self.records:
            simple = (*simple, lambda: self.cell("area"))
        if depth <= 0:
            return self.pick(*simple)
        return self.pick(
            *simple,
            measured,
            of_list,
            computed,
            raised,
            rounded,
            counted,
            called,
            part_of_day,
            lambda: Negative(self.number(depth - 1), MONEY, AT),
            lambda: when(self.truth(depth - 1), self.number(depth - 1), self.number(depth - 1)),
        )

    def day(self, depth: int) -> Expression:
        def shifted() -> Expression:
            function = self.draw(
                st.sampled_from(("add_days", "add_months", "add_years", "add_working_days"))
            )
            return call(function, self.day(depth - 1), self.number(depth - 1), type_=DAY)

        def moved() -> Expression:
            by = self.pick(self.days_lasting, self.months_lasting)
            op = self.draw(st.sampled_from(("+", "-")))
            return Arithmetic(op, self.day(depth - 1), by, DAY, AT)

        simple = (lambda: self.named(DateType), lambda: self.constant(DAY))
        if self.records:
            simple = (*simple, lambda: self.cell("since"))
        return self.pick(*simple) if depth <= 0 else self.pick(*simple, shifted, moved)

    def days_lasting(self) -> Expression:
        amount = Decimal(self.draw(st.sampled_from((-86400, 0, 1, 86400, 31 * 86400))))
        return self.pick(
            lambda: lasting(DaysAndTime(amount)),
            lambda: Arithmetic("-", self.day(0), self.day(0), DaysType(), AT),
            lambda: Negative(lasting(DaysAndTime(amount)), DaysType(), AT),
            lambda: Arithmetic(  # mostly with more digits than Python has by default
                self.draw(st.sampled_from(("*", "/"))),
                lasting(DaysAndTime(amount)), self.number(1), DaysType(), AT,
            ),
        )  # fmt: skip

    def months_lasting(self) -> Expression:
        months = lasting(YearsAndMonths(self.draw(st.sampled_from((-13, 0, 1, 12, 18)))))
        return self.pick(
            lambda: months,
            lambda: Arithmetic("*", months, self.number(0), MonthsType(), AT),
            lambda: call("years_and_months_duration", self.day(0), self.day(0), type_=MonthsType()),
        )

    def text(self, depth: int) -> Expression:
        simple = (lambda: self.named(TextType), lambda: self.constant(TEXT))
        if self.records:
            simple = (*simple, lambda: self.cell("street"))
        if depth <= 0:
            return self.pick(*simple)
        return self.pick(
            *simple,
            lambda: Arithmetic("+", self.text(depth - 1), self.text(depth - 1), TEXT, AT),
            lambda: call("substring", self.text(depth - 1), self.number(0), type_=TEXT),
            lambda: call("string", self.number(depth - 1), type_=TEXT),
            lambda: call("upper_case", self.text(depth - 1), type_=TEXT),
        )

    # lists and records

    def cell(self, column: str) -> Expression:
        return path(self.records[-1], column, FLATS.columns[column].type)

    def over(self, write: Callable[[], Expression]) -> tuple[str, Expression]:
        """What is said of each flat, and the variable that stands for it."""
        self.bound += 1
        record = RECORDS.item if isinstance(RECORDS, ListOf) else RECORDS
        assert isinstance(record, RecordOf)
        self.records.append(Variable(f"x{self.bound}", record, AT))
        said = write()
        return self.records.pop().name, said

    def list_of_flats(self, depth: int) -> Expression:
        def filtered() -> Expression:
            whole = self.list_of_flats(depth - 1)
            variable, said = self.over(lambda: self.truth(depth - 1))
            return Filter(whole, variable, said, RECORDS, AT)

        def reversed_() -> Expression:
            return call("reverse", self.list_of_flats(depth - 1), type_=RECORDS)

        simple = name("flats")
        return simple if depth <= 0 else self.pick(lambda: simple, filtered, reversed_)

    def numbers(self, depth: int) -> Expression:
        return self.pick(
            lambda: path(self.list_of_flats(depth), "area", ListOf(MONEY)),
            lambda: listed(*(self.number(depth - 1) for _ in range(self.draw(_COUNTS)))),
            lambda: self.each(depth),
            lambda: path(
                path(self.list_of_flats(depth), "since", ListOf(DAY)),
                self.draw(st.sampled_from(("year", "month", "day", "weekday"))),
                ListOf(WHOLE),
            ),
        )

    def each(self, depth: int) -> Expression:
        """A number for each flat, or for each pair of flats."""
        first = self.list_of_flats(depth - 1)

        def paired() -> Expression:
            second = self.list_of_flats(depth - 1)
            inner, said = self.over(lambda: self.number(depth - 1))
            pairs.append((inner, second))
            return said

        pairs: list[tuple[str, Expression]] = []
        variable, said = self.over(
            self.pick(lambda: paired, lambda: lambda: self.number(depth - 1))
        )
        return Each(((variable, first), *pairs), said, "", ListOf(MONEY), AT)

    def quantified(self, depth: int) -> Expression:
        whole = self.list_of_flats(depth - 1)
        variable, said = self.over(lambda: self.truth(depth - 1))
        return Quantified(
            self.draw(st.sampled_from(("some", "every"))), variable, whole, said, BOOLEAN, AT
        )

    def truth(self, depth: int) -> Expression:
        def compared() -> Expression:
            item, other, op = self.pick(
                lambda: (self.named(NumberType), self.constant(MONEY), _ORDERS),
                lambda: (self.named(NumberType), self.constant(WHOLE), _ORDERS),
                lambda: (self.named(DateType), self.constant(DAY), _ORDERS),
                lambda: (self.named(OptionType), self.constant(COLOUR), _EQUALS),
                lambda: (self.named(BooleanType), self.constant(BOOLEAN), _EQUALS),
                lambda: (self.named(TextType), self.constant(TEXT), _EQUALS),
                lambda: (self.number(depth), self.number(depth), _ORDERS),
                lambda: (self.day(depth), self.day(depth), _ORDERS),
                lambda: (self.named(OptionType), self.named(OptionType), _EQUALS),
                lambda: (self.days_lasting(), self.days_lasting(), _ORDERS),
                lambda: (self.months_lasting(), self.months_lasting(), _ORDERS),
                lambda: (self.text(depth), self.text(depth), _EQUALS),
                lambda: (self.numbers(depth), self.numbers(depth), _EQUALS),
                *(
                    [lambda: (self.cell("city"), self.constant(COLOUR), _EQUALS)]
                    if self.records
                    else []
                ),
            )
            sides = (item, other) if self.draw(st.booleans()) else (other, item)
            return compare(sides[0], self.draw(op), sides[1])

        def chosen() -> Expression:
            kind, type_ = self.draw(st.sampled_from(((OptionType, COLOUR), (TextType, TEXT))))
            return within(
                self.named(kind), *(self.constant(type_) for _ in range(self.draw(_COUNTS)))
            )

        def ranged() -> Expression:
            item, end = self.pick(
                lambda: (self.number(depth - 1), lambda: self.number(depth - 1)),
                lambda: (self.named(NumberType), lambda: self.constant(MONEY)),
                lambda: (self.day(depth - 1), lambda: self.day(depth - 1)),
                lambda: (self.named(DateType), lambda: self.constant(DAY)),
            )
            return within(item, *(self.range_or(end) for _ in range(self.draw(_COUNTS))))

        def many() -> tuple[Expression, ...]:
            return tuple(self.truth(depth - 1) for _ in range(self.draw(_COUNTS)))

        def member() -> Expression:
            return self.pick(
                lambda: within(self.number(0), self.numbers(depth)),
                lambda: call("list_contains", self.numbers(depth), self.number(0), type_=BOOLEAN),
                lambda: call(
                    self.draw(st.sampled_from(("all", "any"))),
                    path(self.list_of_flats(depth), "sold", ListOf(BOOLEAN)),
                    type_=BOOLEAN,
                ),
                lambda: call("contains", self.text(0), self.text(0), type_=BOOLEAN),
                lambda: call("matches", self.text(0), const("^a.*|b$", TEXT), type_=BOOLEAN),
                lambda: call("is", self.text(0), self.text(0), type_=BOOLEAN),
                lambda: call("is_working_day", self.day(depth), type_=BOOLEAN),
            )

        simple = (
            (lambda: self.cell("sold")) if self.records else (lambda: self.named(BooleanType)),
            compared,
            compared,
            chosen,
            ranged,
            member,
            lambda: self.constant(BOOLEAN),
        )
        if depth <= 0:
            return self.pick(*simple)
        return self.pick(
            *simple,
            lambda: both(*many()),
            lambda: either(*many()),
            lambda: no(self.truth(depth - 1)),
            lambda: self.quantified(depth),
            lambda: when(self.truth(depth - 1), self.truth(depth - 1), self.truth(depth - 1)),
        )

    def range_or(self, end: Callable[[], Expression]) -> Interval | Expression:
        """An interval with one end or two, or a single value."""
        shape = self.draw(st.integers(0, 3))
        if shape == 0:
            return end()
        low, high = (end() if shape != 1 else None), (end() if shape != 2 else None)
        return Interval(low, high, self.draw(st.booleans()), self.draw(st.booleans()))

    def rows(self) -> list[Expression]:
        """Conditions no two of which can be true at once."""

        def cut() -> list[Expression]:
            kind, type_ = self.draw(st.sampled_from(((NumberType, MONEY), (DateType, DAY))))
            item = self.named(kind)
            cuts = sorted(self.draw(st.sets(st.sampled_from(pool(type_)), min_size=1, max_size=4)))
            ends = [None, *(Constant(one, type_, AT) for one in cuts), None]
            low_included = self.draw(st.booleans())
            return [
                within(item, Interval(low, high, low_included, not low_included))
                for low, high in itertools.pairwise(ends)
            ]

        def split() -> list[Expression]:
            condition = self.truth(1)
            return [condition, no(condition)]

        def chosen() -> list[Expression]:
            item = self.named(OptionType)
            return [compare(item, "=", const(one, COLOUR)) for one in COLOUR.options]

        parts = self.pick(cut, split, chosen)
        return [both(one, self.truth(1)) if self.draw(st.booleans()) else one for one in parts]


@st.composite
def rulebooks(draw: Draw, sources: st.SearchStrategy[str] | None = None) -> Rulebook:
    """A sound book that uses every kind of node, with tables that are disjoint by construction.

    Args:
        sources: Who vouches for each term; by default the applicant for all.
    """
    author = _Author(draw)
    made = []
    for index in range(draw(st.integers(0, 3))):
        expression = author.pick(
            lambda: author.number(2),
            lambda: author.day(2),
            lambda: author.truth(2),
            lambda: author.text(2),
        )
        made.append(derived(f"derived {index}", expression))
        author.names[f"derived {index}"] = name(f"derived {index}", expression.type)
    tables = []
    for index in range(draw(st.integers(0, 3))):
        if tables and draw(st.booleans()):
            number = len(made)
            made.append(derived(f"derived {number}", author.number(1)))
            author.names[f"derived {number}"] = name(f"derived {number}", made[-1].expression.type)
        policy = draw(st.sampled_from((HitPolicy.UNIQUE, *HitPolicy)))
        conditions = (
            author.rows()
            if policy is HitPolicy.UNIQUE
            else [author.truth(1) for _ in range(draw(st.integers(1, 4)))]
        )
        rows = [row(str(n), one, Decimal(n)) for n, one in enumerate(conditions)]
        tables.append(table(f"table {index}", *rows, columns=(f"column {index}",), policy=policy))
        author.names[f"column {index}"] = name(f"column {index}", MONEY)
    consequences = st.sampled_from(tuple(Consequence))
    unknown = st.sampled_from((Consequence.CORRECT, Consequence.REFER))
    requirements = [
        requirement(f"R{index}", author.truth(draw(_DEPTHS)), draw(consequences), draw(unknown))
        for index in range(draw(st.integers(1, 4)))
    ]
    granted: list[Expression] = [name(f"column {index}", MONEY) for index in range(len(tables))]
    granted += [author.number(1) for _ in range(draw(st.integers(0, 1)))]
    roundings = st.sampled_from(("exact", "half_up", "half_even", "up", "down"))
    return book(
        *requirements,
        derived=made,
        tables=tables,
        outputs=[output(f"o{index}", one, draw(roundings)) for index, one in enumerate(granted)],
        age_convention=draw(st.sampled_from(("birthday", "day_after"))),
        sources={id_: draw(sources) for id_ in TERMS} if sources is not None else None,
    )


def days() -> st.SearchStrategy[date]:
    """Days of two centuries, with more of those on which months and years differ."""
    lasts = st.sampled_from(
        [date(year, 3, 1) - timedelta(days=back) for year in range(1900, 2101) for back in (0, 1)]
    )
    return st.one_of(st.dates(date(1900, 1, 1), date(2100, 12, 31)), lasts)
