"""What the scenarios of a rule file have seen: every requirement, row and test in every truth.

A truth that no scenario brings about is one that nobody has looked at before it decides somebody.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from decision_service.model import SERVICE, Text
from decision_service.rulebook import interpret, plain
from decision_service.rulebook.explanation import atoms_in, written
from decision_service.rulebook.tree import Expression, Position, Rulebook, rests_on
from decision_service.rulebook.values import Datum, NotKnown

TRUTHS = (Text(zh="是", en="true"), Text(zh="否", en="false"), Text(zh="未知", en="unknown"))


@dataclass(frozen=True, slots=True)
class Covered:
    """One thing that has a truth, and what the scenarios have not seen it to be.

    Attributes:
        what: ``R1``, ``标准/1``, or a test of a requirement as the file writes it.
        unseen: Of `TRUTHS`, in their order; without unknown where it can never be.
        possible: How many truths it can have.
    """

    what: str
    at: Position
    unseen: tuple[Text, ...]
    possible: int


def coverage(book: Rulebook) -> tuple[Covered, ...]:
    """Everything that has a truth, in the order of the file, with what was not seen of it."""
    cases = [interpret.worked_out(book, scenario.facts)[0] for scenario in book.scenarios]
    services = {term.id for term in book.terms if term.source == SERVICE}

    def covered(what: str, at: Position, condition: Expression) -> Covered:
        seen = {_place(plain.evaluate(condition, values, book)) for values in cases}
        never_unknown = rests_on(book, condition) <= services
        possible = TRUTHS[:2] if never_unknown else TRUTHS
        unseen = tuple(truth for place, truth in enumerate(possible) if place not in seen)
        return Covered(what, at, unseen, len(possible))

    return tuple(covered(*one) for one in _truths(book))


def share(found: tuple[Covered, ...]) -> tuple[int, int]:
    """How many truths were seen, of how many."""
    possible = sum(one.possible for one in found)
    return possible - sum(len(one.unseen) for one in found), possible


def _truths(book: Rulebook) -> Iterator[tuple[str, Position, Expression]]:
    """Everything that has a truth: its name, its place, and what says so."""
    words: dict[str, str] = {term.id: term.name.zh for term in book.terms}
    for requirement in book.requirements:
        yield requirement.id, requirement.at, requirement.expression
        atoms = tuple(atoms_in(requirement.expression))
        for atom in atoms if len(atoms) > 1 else ():
            yield f"{requirement.id} {written(atom, words)}", atom.at, atom
    for table in book.tables:
        for row in table.rows:
            yield f"{table.name}/{row.number}", row.at, row.condition


def _place(truth: Datum | NotKnown) -> int:
    return 2 if isinstance(truth, NotKnown) else 0 if truth is True else 1
