"""Law 3 at length: engine, reference and interpreter on generated applications to every matter.

An application is a scenario of the rule file with some facts changed: to values on, just below and
just above every boundary that the file knows, to unknown, or to something of a wrong type; or all
of it is drawn anew. Applications come in batches of a thousand, each with dice of its own, so that
a run can be taken up again where another one ended (``--from``), and any difference be repeated.

    make agree                                       100,000 applications a matter
    make agree AGREE="--matter library_card --from 100000"
"""
# ruff: noqa: T201 - it talks to a terminal

import argparse
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

from decision_service import catalogue
from decision_service.catalogue import Catalogue
from decision_service.model import (
    BooleanType,
    Concept,
    DateType,
    Fact,
    Held,
    Known,
    ListType,
    NumberType,
    OptionType,
    Record,
    ScalarType,
    Status,
    Unknown,
    Why,
)
from decision_service.rulebook import interpret
from decision_service.rulebook.engine import Engine
from decision_service.rulebook.evaluate import Reference
from decision_service.rulebook.tree import (
    Constant,
    Expression,
    Rulebook,
    Term,
    VerdictKind,
    parts,
    quantum,
)
from evidence_adapters import registry

ROOT = Path(__file__).parent.parent
BATCH = 1_000
"""Applications that one throw of dice makes."""

_ODD: tuple[Held, ...] = (
    "purple", True, Decimal(1), date(2001, 3, 1), (), ({"area": "x"},),
)  # fmt: skip
"""Values of which most are of another type than they should be."""


class Applications:
    """Writes applications to one matter."""

    def __init__(self, book: Rulebook) -> None:
        self._book = book
        fixed = {constant.value for one in _expressions(book) for constant in _constants(one)}
        fixed |= {value for table in book.tables for row in table.rows for value in row.values}
        self._numbers = sorted(v for v in fixed if isinstance(v, Decimal))
        self._days = sorted(v for v in fixed if isinstance(v, date))
        self._texts = sorted(v for v in fixed if isinstance(v, str))
        self._seen: dict[Concept, list[Held]] = {
            term.id: [
                fact.value
                for scenario in book.scenarios
                if isinstance(fact := scenario.facts[term.id], Known)
            ]
            for term in book.terms
        }
        self._filed = [day for day in self._seen[Concept("filing_date")] if isinstance(day, date)]

    def batch(self, number: int) -> Iterator[dict[Concept, Fact]]:
        """A thousand of them, always the same for the same number."""
        dice = random.Random(f"{self._book.matter}@{self._book.effective}/{number}")  # noqa: S311
        for _ in range(BATCH):
            yield self._one(dice)

    def _one(self, dice: random.Random) -> dict[Concept, Fact]:
        facts = dict(dice.choice(self._book.scenarios).facts)
        changed = dice.choice((0, 1, 1, 2, 2, 3, 5, len(self._book.terms)))
        for term in dice.sample(self._book.terms, min(changed, len(self._book.terms))):
            facts[term.id] = self._fact(term, dice)
        return facts

    def _fact(self, term: Term, dice: random.Random) -> Fact:
        chance = dice.random()
        if chance < 0.15:
            return Unknown(why=dice.choice(tuple(Why)))
        value = dice.choice(_ODD) if chance < 0.18 else self._value(term, dice)
        return Known(value=value, source=term.source)

    def _value(self, term: Term, dice: random.Random) -> Held:
        if isinstance(term.type, ListType):
            return self._records(term, term.type, dice)
        if self._seen[term.id] and dice.random() < 0.3:
            return dice.choice(self._seen[term.id])
        return self._scalar(term.type, dice)

    def _records(self, term: Term, type_: ListType, dice: random.Random) -> tuple[Record, ...]:
        """Records as scenarios have them, cells changed or forgotten, and new ones."""
        seen = [one for held in self._seen[term.id] if isinstance(held, tuple) for one in held]
        records = []
        for _ in range(dice.choice((0, 1, 1, 2, 3))):
            record = dict(dice.choice(seen)) if seen and dice.random() < 0.7 else {}
            for id_, column in type_.columns.items():
                if id_ not in record or dice.random() < 0.3:
                    record[id_] = self._scalar(column.type, dice)
                if dice.random() < 0.05:
                    del record[id_]
            records.append(record)
        return tuple(records)

    def _scalar(self, type_: ScalarType, dice: random.Random) -> bool | Decimal | date | str:
        match type_:
            case BooleanType():
                return dice.random() < 0.5
            case NumberType(scale=scale):
                near = dice.choice(self._numbers or [Decimal(dice.randrange(1000))])
                step = quantum(scale)
                number = near.quantize(step) + step * dice.choice((-1, 0, 0, 1, 2, 100))
                return number.quantize(step)
            case DateType():
                return self._day(dice)
            case OptionType(options=options):
                return dice.choice(tuple(options))
            case _:
                return dice.choice([*self._texts, "", "甲", "x" * 40])

    def _day(self, dice: random.Random) -> date:
        """A day of the file, or one from which a filing day is so many years, months or days."""
        if self._days and dice.random() < 0.4:
            return dice.choice(self._days) + timedelta(days=dice.choice((-1, 0, 1)))
        start = dice.choice(self._filed)
        count = int(dice.choice([n for n in self._numbers if 0 <= n < 150] or [Decimal(1)]))
        months = dice.choice((12 * count, count, 0))
        year, month = divmod(start.year * 12 + start.month - 1 - months, 12)
        day = date(max(year, 1), month + 1, min(start.day, 28))
        return day + timedelta(days=dice.choice((-count, -1, 0, 0, 1, count)))


def _expressions(book: Rulebook) -> Iterator[Expression]:
    yield from (one.expression for one in (*book.derived, *book.requirements, *book.outputs))
    yield from (row.condition for table in book.tables for row in table.rows)


def _constants(expression: Expression) -> Iterator[Constant]:
    if isinstance(expression, Constant):
        yield expression
    for part in parts(expression):
        yield from _constants(part)


# ── comparing ────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Tally:
    """What was compared, and how it came out."""

    cases: int = 0
    kinds: Counter[VerdictKind] = field(default_factory=Counter)
    statuses: Counter[tuple[str, Status]] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        self.cases += other.cases
        self.kinds += other.kinds
        self.statuses += other.statuses


def compare(book: Rulebook, batches: range, cases: int = BATCH) -> Tally:
    """Ask all three about the first so many applications of each batch.

    Raises:
        AssertionError: They differ; it says about what.
    """
    tally = Tally()
    applications, reference, engine = Applications(book), Reference(book), Engine(book)
    try:
        for number in batches:
            for index, facts in zip(range(cases), applications.batch(number), strict=False):
                said = interpret.verdict(book, facts)
                place = f"{book.matter}@{book.effective}, batch {number}, application {index}"
                assert reference.verdict(facts) == said, f"reference: {place}: {facts}"
                assert engine.verdict(facts) == said, f"engine: {place}: {facts}"
                tally.cases += 1
                tally.kinds[said.kind] += 1
                tally.statuses.update(said.statuses)
    finally:
        engine.close()
    return tally


# ── the long run ─────────────────────────────────────────────────────────────────────────────────


@cache
def _published() -> Catalogue:
    registers = {key: one.meaning for key, one in registry.load().items()}
    return catalogue.load(ROOT, registers)


def _compared(name: str, batches: range) -> tuple[str, Tally, float]:
    """Some batches of one release, in a process of its own, and its seconds of CPU."""
    started = time.process_time()
    book = next(one.book for one in _published().releases if one.name == name)
    return name, compare(book, batches), time.process_time() - started


def main(matter: str, cases: int, first: int) -> None:
    """Compare every release of the city, some batches at a time, and print a line for each."""
    names = [one.name for one in _published().releases if matter in one.name]
    batches = range(first // BATCH, -(-(first + cases) // BATCH))
    parts = [batches[start : start + 5] for start in range(0, len(batches), 5)]
    tallies, seconds = {name: Tally() for name in names}, Counter[str]()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        asked = [pool.submit(_compared, name, part) for part in parts for name in names]
        for done in as_completed(asked):
            name, tally, cost = done.result()
            tallies[name].add(tally)
            seconds[name] += cost
            print(_line(name, tallies[name], seconds[name]), flush=True)
    print(f"{sum(one.cases for one in tallies.values()):,} applications, no difference")


def _line(name: str, tally: Tally, seconds: float) -> str:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(tally.kinds.items()))
    return f"{name:36} {tally.cases:>9,} agree, {1e6 * seconds / tally.cases:5.0f} µs each: {kinds}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--matter", default="", help="only releases with this in their name")
    parser.add_argument("--cases", type=int, default=100_000, help="applications a release")
    parser.add_argument("--from", dest="first", type=int, default=0, help="how many to pass over")
    arguments = parser.parse_args()
    main(arguments.matter, arguments.cases, arguments.first)
