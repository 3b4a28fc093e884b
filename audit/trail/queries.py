"""Questions to the trail, answered from projections by index; nothing here reads a permanent part.

A condition is a value: a caller builds it from its own language of filters, and here it becomes
SQL. What is found comes newest first, so that a page stays what it is while entries are added.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from math import prod
from typing import Any, Final, TypeAlias, assert_never

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    tuple_,
    union,
)

from audit.log import store
from audit.log.merkle import Hash
from audit.trail.entries import Leaf, RecordedCase, time_text
from audit.trail.projections import CASES, ENTRIES, MARKS, SEALED, recorded_case

NO_END: Final = 1 << 62
"""Above every index."""

_ALTERNATIVES: Final = 16
"""So many are looked for one by one; more are asked for as one."""

_RELATIONS: Final[Mapping[str, Callable[..., ColumnElement[bool]]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Is:
    """What stands in a column of ``entries``, compared with a value.

    Attributes:
        column: ``idx``, ``type``, ``time``, ``matter``, ``subject_tag``, …
        relation: ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
        value: A whole number for ``idx``, an instant for ``time``, a text for every other.
    """

    column: str
    relation: str
    value: str | int | datetime


@dataclass(frozen=True, slots=True)
class Marked:
    """Whether the entry has that mark (`projections.entry_marks`)."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class All:
    """Every condition holds; none is no condition."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one condition holds."""

    conditions: tuple["Condition", ...]


Condition: TypeAlias = Is | Marked | Not | All | Either


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that was found: what of it is permanent.

    Attributes:
        erased: Whether its sealed part is gone.
    """

    index: int
    leaf: Leaf
    leaf_hash: Hash
    erased: bool


def find(
    connection: Connection, condition: Condition, *, before: int, limit: int
) -> tuple[Found, ...]:
    """The newest entries below an index for which the condition holds, newest first."""
    chosen = _first(condition, -1, before, limit, newest_first=True)
    query = _ENTRIES.where(ENTRIES.c.idx.in_(chosen)).order_by(ENTRIES.c.idx.desc())
    return _found(connection, query)


def newest(connection: Connection, keys: Sequence[str]) -> Mapping[str, Found]:
    """The newest entry under each opaque key; a key without one is left out."""
    indices = store.latest(connection, keys) if keys else {}
    query = _ENTRIES.where(ENTRIES.c.idx.in_(indices.values()))
    by_index = {one.index: one for one in _found(connection, query)}
    return {key: by_index[index] for key, index in indices.items()}


def is_in_case(connection: Connection, case_id: str, type_: str) -> bool:
    """Whether a case has an entry of that type."""
    asked = {"case_id": case_id, "type": type_}
    return connection.execute(_OF_CASE, asked).first() is not None


def subject_tags(connection: Connection, type_: str) -> frozenset[str]:
    """Tags of all whom entries of that type are about, as far as they are not erased."""
    query = select(ENTRIES.c.subject_tag).where(ENTRIES.c.type == type_).distinct()
    return frozenset(connection.execute(query).scalars()) - {""}


def cases(
    connection: Connection, state: str, matter: str, *, after: tuple[str, str], limit: int
) -> tuple[RecordedCase, ...]:
    """The cases in a state, those due earliest first.

    Args:
        matter: Of that matter alone; empty for every.
        after: Due time (as `time_text` writes it) and id of the case before the first; both
            empty to begin.
    """
    place = tuple_(CASES.c.due_time, CASES.c.case_id)
    where = and_(CASES.c.state == state, place > tuple_(*map(literal, after)))
    if matter:
        where = and_(where, CASES.c.matter == matter)
    query = select(CASES).where(where).order_by(CASES.c.due_time, CASES.c.case_id).limit(limit)
    return tuple(map(recorded_case, connection.execute(query).mappings()))


def following(
    connection: Connection, condition: Condition, *, after: int, limit: int
) -> tuple[int, ...]:
    """Indices of the oldest entries above an index for which the condition holds, oldest first."""
    chosen = _first(condition, after, NO_END, limit)
    return tuple(sorted(connection.execute(chosen).scalars()))


def find_oldest(
    connection: Connection, condition: Condition, *, after: int, until: int, limit: int
) -> tuple[Found, ...]:
    """The oldest entries above an index, up to another, for which it holds, oldest first."""
    chosen = _first(condition, after, until + 1, limit)
    query = _ENTRIES.where(ENTRIES.c.idx.in_(chosen)).order_by(ENTRIES.c.idx)
    return _found(connection, query)


def _found(connection: Connection, query: Select[Any]) -> tuple[Found, ...]:
    return tuple(
        Found(row.idx, Leaf.decode(row.leaf), row.hash, row.sealed_idx is None)
        for row in connection.execute(query)
    )


def count(connection: Connection, condition: Condition) -> int:
    """For how many entries the condition holds."""
    query = select(func.count()).select_from(ENTRIES).where(clause(condition))
    return int(connection.execute(query).scalar_one())


_ENTRIES = (
    select(
        ENTRIES.c.idx, store.ENTRIES.c.leaf, store.ENTRIES.c.hash, SEALED.c.idx.label("sealed_idx")
    )
    .join(store.ENTRIES, store.ENTRIES.c.idx == ENTRIES.c.idx)
    .join(SEALED, SEALED.c.idx == ENTRIES.c.idx, isouter=True)
)

_OF_CASE = (
    select(ENTRIES.c.idx)
    .where(
        ENTRIES.c.case_id == bindparam("case_id"),
        ENTRIES.c.case_id != "",  # so that SQLite sees that the partial index has all such rows
        ENTRIES.c.type == bindparam("type"),
    )
    .limit(1)
)


def _first(
    condition: Condition, above: int, below: int, limit: int, *, newest_first: bool = False
) -> Select[int]:
    """The first indices between two others for which the condition holds.

    Each alternative is followed along an index of its own, for as long as the page is not full;
    asked as one, a database would gather all that any of them finds, and sort it.
    """

    def first(among: Select[int]) -> Select[int]:
        (index,) = among.selected_columns
        return among.order_by(index.desc() if newest_first else index.asc()).limit(limit)

    def page(term: Condition) -> Select[int]:
        match term:
            case Marked(name, value):  # nothing else is asked, so the marks alone can tell
                marked = (MARKS.c.name == name, MARKS.c.value == value)
                return first(select(MARKS.c.idx).where(*marked, between(MARKS.c.idx)))
            case _:
                return first(select(ENTRIES.c.idx).where(between(ENTRIES.c.idx), clause(term)))

    def between(index: ColumnElement[int]) -> ColumnElement[bool]:
        return and_(index > above, index < below)

    pages = [page(term) for term in _alternatives(condition)]
    if len(pages) == 1:
        return pages[0]
    found = union(*(select(one.subquery().c.idx) for one in pages)).subquery()
    return first(select(found.c.idx))


def _alternatives(condition: Condition) -> tuple[Condition, ...]:
    """Conditions one of which holds where this one does, each to be looked for on its own."""
    match condition:
        case Either(conditions) if conditions:
            found = [term for one in conditions for term in _alternatives(one)]
        case All(conditions):
            parts = [_alternatives(one) for one in conditions]
            few = prod(map(len, parts)) <= _ALTERNATIVES
            found = (
                [one[0] if len(one) == 1 else All(one) for one in product(*parts)] if few else []
            )
        case _:
            found = []
    return tuple(found) if 0 < len(found) <= _ALTERNATIVES else (condition,)


def clause(condition: Condition) -> ColumnElement[bool]:
    """That a condition holds for a row of ``entries``."""
    match condition:
        case Is(column, relation, value):
            stored = time_text(value) if isinstance(value, datetime) else value
            compared = _RELATIONS[relation](ENTRIES.c[column], stored)
            # Said, so that SQLite sees that a partial index has all such rows.
            partial = column in {"case_id", "subject_tag"} and relation == "=" and stored != ""
            return and_(compared, ENTRIES.c[column] != "") if partial else compared
        case Marked(name, value):
            marked = select(MARKS.c.idx).where(MARKS.c.name == name, MARKS.c.value == value)
            return ENTRIES.c.idx.in_(marked)
        case Not(inner):
            return not_(clause(inner))
        case All(conditions):
            return and_(true(), *map(clause, conditions))
        case Either(conditions):
            return or_(false(), *map(clause, conditions))
        case _ as never:
            assert_never(never)
