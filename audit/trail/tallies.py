"""Decisions counted by matter and release, from projections; never who.

A decision is *overturned* if it no longer stands as it was made: a person has decided its case
otherwise since, or an act that names it has altered what it granted. That is said of the decision,
whenever it was overturned, so of all decisions of a month or a release no more than all can be.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    ScalarSelect,
    and_,
    func,
    not_,
    select,
)

from audit.log import store
from audit.log.store import rows_among
from audit.trail.entries import Leaf
from audit.trail.projections import ENTRIES, MARK_SETS, REASON, SHARED
from audit.trail.queries import All, Condition, Either, Is, clause

OVERRIDDEN = "override"
"""How a decision is called overturned that a person has decided otherwise; else it is the act."""

_SETS = 5_000
"""So many are read at once."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """What entries say of decisions, what people are offered, and how they rate.

    Attributes:
        decision: Type of those by rules.
        determination: By a person, within what the rules say.
        override: By a person, against the rules or an earlier decision.
        act: Type of entries by which something is done about a grant; they have the index of the
            ``decision`` that granted it, and an ``act``.
        overturning: The acts after which it no longer stands as it was made.
        granted, refused: The outcomes that end a case.
        referred: The outcome that leaves it to a person.
        offer, declined: Types of offers and of their refusals; a decision on an application that
            agrees to an offer names it as its ``offer``.
        rating, rating_answer: Types of how people rated their cases, and of what was found of it.
    """

    decision: str
    determination: str
    override: str
    act: str
    overturning: frozenset[str]
    granted: str
    refused: str
    referred: str
    offer: str
    declined: str
    rating: str
    rating_answer: str

    @property
    def all(self) -> tuple[str, str, str]:
        """Types of everything that decides."""
        return self.decision, self.determination, self.override

    @property
    def ended(self) -> tuple[str, str]:
        """The outcomes that end a case."""
        return self.granted, self.refused


@dataclass(slots=True)
class Tally:
    """Decisions of one matter, under one release or all.

    Attributes:
        release_digest: Empty for all.
        outcomes: How many by rules came out which way.
        referrals: How many of those were referred for which reason; one can have several.
        at_once: How many of those that end a case, or refer it, came with its first decision.
        later_s: For the others, seconds since the case's first decision, ascending.
        by_persons: How many by persons came out which way.
        overrides: How many of those went against the rules, or against an earlier decision.
        by_persons_s: For those that were the first to end their case, seconds since the case's
            first decision, ascending.
        overturned: How many, by rules or persons, no longer stand as they were made.
        overturns: How many of those were overturned by what; one can be by several.
    """

    matter: str
    release_digest: str
    outcomes: Counter[str] = field(default_factory=Counter)
    referrals: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    later_s: list[float] = field(default_factory=list)
    by_persons: Counter[str] = field(default_factory=Counter)
    overrides: int = 0
    by_persons_s: list[float] = field(default_factory=list)
    overturned: int = 0
    overturns: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of_matter(cls, tallies: Iterable[Self]) -> Self:
        """All releases of one matter together."""
        whole = cls("", "")
        for one in tallies:
            whole.matter = one.matter
            whole.outcomes += one.outcomes
            whole.referrals += one.referrals
            whole.at_once += one.at_once
            whole.later_s += one.later_s
            whole.by_persons += one.by_persons
            whole.overrides += one.overrides
            whole.by_persons_s += one.by_persons_s
            whole.overturned += one.overturned
            whole.overturns += one.overturns
        whole.later_s.sort()
        whole.by_persons_s.sort()
        return whole


def tally(connection: Connection, condition: Condition, *, kinds: Kinds) -> tuple[Tally, ...]:
    """Count the decisions for which a condition holds, by matter and release, in that order."""
    found: dict[tuple[str, str], Tally] = {}
    for said, reasons, number in _counted(connection, All((_any("type", kinds.all), condition))):
        key = said["matter"], said["release_digest"]
        one, outcome = found.setdefault(key, Tally(*key)), said["outcome"]
        if said["type"] != kinds.decision:
            one.by_persons[outcome] += number
            one.overrides += number * (said["type"] == kinds.override)
            continue
        one.outcomes[outcome] += number
        if outcome == kinds.referred:
            one.referrals.update(dict.fromkeys(reasons, number))
        if outcome in {*kinds.ended, kinds.referred}:
            one.at_once += number
    for key, took_s in _later(connection, condition, kinds):
        found[key].later_s.append(took_s)
        found[key].at_once -= 1
    for key, took_s in _by_persons(connection, condition, kinds):
        found[key].by_persons_s.append(took_s)
    for gone in overturns(connection, condition, kinds=kinds).values():
        one = found[gone.matter, gone.release_digest]
        one.overturned += 1
        one.overturns.update(gone.by.keys())
    for one in found.values():
        one.later_s.sort()
        one.by_persons_s.sort()
    return tuple(found[key] for key in sorted(found))


def _counted(
    connection: Connection, condition: Condition
) -> Iterator[tuple[Mapping[str, str], Sequence[str], int]]:
    """What entries for which a condition holds say, their reasons, and how many say just that.

    Entries are counted by their sets of marks, and those are few.
    """
    sets = select(ENTRIES.c.marks, func.count()).where(clause(condition)).group_by(ENTRIES.c.marks)
    numbers = {set_id: number for set_id, number in connection.execute(sets)}  # noqa: C416  # rows
    ids = [*numbers]
    for start in range(0, len(ids), _SETS):
        marks: dict[bytes, dict[str, list[str]]] = {}
        found = rows_among(connection, MARK_SETS.c.id, ids[start : start + _SETS])
        for set_id, name, value in found:
            marks.setdefault(set_id, {}).setdefault(name, []).append(value)
        for set_id, said in marks.items():
            yield {one: said[one][0] for one in SHARED}, said.get(REASON, []), numbers[set_id]


def _later(
    connection: Connection, condition: Condition, kinds: Kinds
) -> Iterator[tuple[tuple[str, str], float]]:
    """By matter and release, how long after its case's first decision one ended or referred it.

    Of those by rules that did not come with the first; nearly all did.
    """
    first = ENTRIES.alias("first")
    before = _same_case(first) & (first.c.type == kinds.decision) & (first.c.time < ENTRIES.c.time)
    by_rules = Is("type", "=", kinds.decision), _any("outcome", (*kinds.ended, kinds.referred))
    of = clause(All((*by_rules, condition)))
    return _took(connection, and_(of, select(first.c.idx).where(before).exists()), kinds)


def _by_persons(
    connection: Connection, condition: Condition, kinds: Kinds
) -> Iterator[tuple[tuple[str, str], float]]:
    """The same of decisions by persons that were the first to end their case."""
    persons = _any("type", (kinds.determination, kinds.override)), _any("outcome", kinds.ended)
    of = clause(All((*persons, condition)))
    return _took(connection, and_(of, not_(_ended_before(kinds))), kinds)


def _took(
    connection: Connection, of: ColumnElement[bool], kinds: Kinds
) -> Iterator[tuple[tuple[str, str], float]]:
    columns = (ENTRIES.c.matter, ENTRIES.c.release_digest, ENTRIES.c.time)
    query = select(*columns, first_time((kinds.decision,))).where(of)
    for matter, digest, ended, begun in connection.execute(query):
        yield (matter, digest), _seconds(begun or ended, ended)


@dataclass(frozen=True, slots=True)
class Overturned:
    """A decision that no longer stands as it was made.

    Attributes:
        by: When it was overturned first by what: `OVERRIDDEN`, or an act.
    """

    matter: str
    release_digest: str
    by: Mapping[str, datetime]


def overturns(
    connection: Connection, condition: Condition, *, kinds: Kinds
) -> Mapping[int, Overturned]:
    """Those of the decisions for which a condition holds that were overturned, by index.

    Nothing but an approval or a refusal can be. A refusal that a person has upheld, for whatever
    reason, stands.
    """
    later = ENTRIES.alias("later")
    follows = _same_case(later) & (later.c.idx > ENTRIES.c.idx)
    ended = All((_any("type", kinds.all), _any("outcome", kinds.ended)))
    of = clause(All((ended, condition)))
    stays = (ENTRIES.c.outcome == kinds.refused) & (later.c.outcome == kinds.refused)
    columns = (ENTRIES.c.idx, ENTRIES.c.matter, ENTRIES.c.release_digest, later.c.time)
    found: dict[int, tuple[str, str, dict[str, datetime]]] = {}

    def add(index: int, matter: str, digest: str, time: str, by: str) -> None:
        _, _, said = found.setdefault(index, (matter, digest, {}))
        said.setdefault(by, datetime.fromisoformat(time))

    overrides = select(*columns).join(later, follows).where(of, not_(stays))
    overrides = overrides.where(clause(Is("type", "=", kinds.override), later))
    for row in connection.execute(overrides.order_by(later.c.idx)):
        add(*row, OVERRIDDEN)
    acts = select(*columns, store.ENTRIES.c.leaf).join(later, follows)
    acts = acts.join(store.ENTRIES, store.ENTRIES.c.idx == later.c.idx)
    acts = acts.where(of, clause(Is("type", "=", kinds.act), later))
    for index, matter, digest, time, leaf in connection.execute(acts.order_by(later.c.idx)):
        said = Leaf.decode(leaf).permanent
        act = said.get("act")
        if said.get("decision") == index and isinstance(act, str) and act in kinds.overturning:
            add(index, matter, digest, time, act)
    return {index: Overturned(*one) for index, one in found.items()}


def _any(column: str, values: Iterable[str]) -> Condition:
    return Either(tuple(Is(column, "=", one) for one in values))


def first_time(types: Sequence[str]) -> ScalarSelect[str]:
    """When the case of a row of ``entries`` got its first entry of these types."""
    first = ENTRIES.alias("first")
    query = select(func.min(first.c.time)).where(_same_case(first), first.c.type.in_(types))
    return query.scalar_subquery()


def previous_outcome(types: Sequence[str]) -> ScalarSelect[str]:
    """How the newest entry of these types before a row of ``entries``, in its case, came out."""
    before = ENTRIES.alias("before")
    query = select(before.c.outcome).where(_earlier(before), before.c.type.in_(types))
    return query.order_by(before.c.idx.desc()).limit(1).scalar_subquery()


def _ended_before(kinds: Kinds) -> ColumnElement[bool]:
    """Whether the case of a row of ``entries`` had been decided before."""
    before = ENTRIES.alias("before")
    ended = before.c.type.in_(kinds.all) & before.c.outcome.in_(kinds.ended)
    return select(before.c.idx).where(_earlier(before), ended).exists()


def _earlier(before: FromClause) -> ColumnElement[bool]:
    return and_(_same_case(before), before.c.idx < ENTRIES.c.idx)


def _same_case(other: FromClause) -> ColumnElement[bool]:
    return and_(other.c.case_id == ENTRIES.c.case_id, other.c.case_id != "")


def _seconds(begun: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()
