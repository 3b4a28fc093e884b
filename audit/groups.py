"""How decisions came out by groups of people: counts, and none of a group that is too small.

For whoever has the keys, beside the running service or without it. What the groups are is for the
caller to say; who is in which is forgotten with the count.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError
from audit.log import connections, store
from audit.log.log import refuse_missing
from audit.trail.canonical import Json
from audit.trail.entries import Leaf
from audit.trail.queries import All, Condition, Either, Is, following
from audit.trail.tallies import Kinds, overturns
from audit.trail.unsealing import read_keyring, sealed_row, unseal

GroupOf: TypeAlias = Callable[[Mapping[str, Json]], str]
"""The group of whom a decision is about, from its sealed part."""

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Group:
    """How the decisions about some people came out.

    Attributes:
        names: Of the groups that are put together here; one, if it is shown by itself.
        persons: How many people.
        outcomes: How many decisions, by outcome.
        overturned: How many of them no longer stand as they were made.
    """

    names: tuple[str, ...]
    persons: int
    outcomes: Mapping[str, int]
    overturned: int


@dataclass(frozen=True, slots=True)
class Groups:
    """What was counted.

    Attributes:
        shown: The groups; what would be too small is put together in the last of them.
        erased: Decisions of which nobody knows any more about whom they were.
    """

    shown: tuple[Group, ...]
    erased: int


def count_groups(
    folder: Path,
    within: Condition,
    group_of: GroupOf,
    *,
    kinds: Kinds,
    least: int,
) -> Groups:
    """Count the decisions by rules that ended a case, or left it to a person, by group.

    Args:
        within: Which decisions.
        least: A group of fewer persons is put together with others, so that it cannot be told
            from the whole either.

    Raises:
        StoreRefusedError: There is no store, or it or its keys cannot be read; or all together
            are too few (``TOO_FEW_PERSONS``).
        TamperedError: A sealed part is not what was recorded.
    """
    refuse_missing(folder)
    try:
        cells, erased = connections.at(folder).look(
            lambda c: _count(c, folder, within, group_of, kinds)
        )
    except (OSError, SQLAlchemyError, ValueError) as error:
        raise store.unreadable() from error
    return Groups(_shown(cells, least), erased)


@dataclass(slots=True)
class _Cell:
    """A group that is being counted, with those who belong to it."""

    names: tuple[str, ...] = ()
    who: set[str] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)
    overturned: int = 0

    def take(self, other: "_Cell") -> None:
        """Put another one with it."""
        self.names += other.names
        self.who |= other.who
        self.outcomes += other.outcomes
        self.overturned += other.overturned

    def group(self) -> Group:
        """What may be told of it."""
        return Group(self.names, len(self.who), self.outcomes, self.overturned)


def _count(
    connection: Connection,
    folder: Path,
    within: Condition,
    group_of: GroupOf,
    kinds: Kinds,
) -> tuple[tuple[_Cell, ...], int]:
    keyring = read_keyring(folder, connection)
    outcomes = (kinds.granted, kinds.refused, kinds.referred)
    ended = Either(tuple(Is("outcome", "=", one) for one in outcomes))
    condition = All((Is("type", "=", kinds.decision), ended, within))
    overturned = overturns(connection, condition, kinds=kinds)
    erased, last = 0, -1
    cells: dict[str, _Cell] = {}
    while indices := following(connection, condition, after=last, limit=_AT_ONCE):
        for last in indices:
            content, row = store.read_leaf(connection, last), sealed_row(connection, last)
            if content is None or row is None:
                erased += 1
                continue
            opened = unseal(keyring, content, row)
            name = group_of(opened.sealed)
            cell = cells.setdefault(name, _Cell((name,)))
            cell.who.add(opened.subject)
            cell.outcomes[str(Leaf.decode(content).permanent["outcome"])] += 1
            cell.overturned += last in overturned
    return tuple(cells.values()), erased


def _shown(cells: tuple[_Cell, ...], least: int) -> tuple[Group, ...]:
    """The groups that are large enough, and all others as one that is, too."""
    by_size = sorted(cells, key=lambda cell: len(cell.who))
    others = _Cell()
    while by_size and (len(by_size[0].who) < least or 0 < len(others.who) < least):
        others.take(by_size.pop(0))
    if 0 < len(others.who) < least:
        raise StoreRefusedError(
            f"these are decisions about fewer than {least} persons",
            zh=f"所选决定涉及不足 {least} 人，不作分组统计；请选更长的期间",
            reason="TOO_FEW_PERSONS",
            hint="Name a longer time: of so few nobody's groups are counted.",
        )
    shown = sorted(by_size, key=lambda cell: cell.names)
    return tuple(cell.group() for cell in (*shown, *([others] if others.who else [])))
