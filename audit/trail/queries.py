"""Questions to the trail, answered from projections by index; nothing here reads a permanent part.

A condition is a value: a caller builds it from its own language of filters, and here it becomes
SQL. What is found comes newest first, so that a page stays what it is while entries are added.

Most of what can be asked is told by an entry's set of marks alone (`projections.MARK_SETS`). Sets
are few, so they are asked first, and their entries are followed along one index.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from math import prod
from typing import Final, TypeAlias, assert_never

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    tuple_,
)

from audit.log import store
from audit.log.merkle import Hash
from audit.trail.entries import Leaf, RecordedCase, time_text
from audit.trail.projections import (
    CASES,
    ENTRIES,
    FILED,
    MARK_SETS,
    SEALED,
    SHARED,
    SPAN,
    SPANS,
    recorded_case,
)

NO_END: Final = 1 << 62
"""Above every index."""

_ALTERNATIVES: Final = 16
"""So many are looked for one by one; more are asked for as one."""

_NEAR: Final = 2_048
"""So many entries are gone through before any index: what is not rare is found among them."""

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
    """Whether the entry has that mark (`projections.mark_set`)."""

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


def of_kind(kind: str) -> Condition:
    """That an entry's type is of that kind, of whatever version."""
    return All((Is("type", ">=", f"{kind}/"), Is("type", "<", f"{kind}0")))


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
    page = _Page(connection, -1, before, limit, newest_first=True)
    return _found(connection, page.of(condition))


def newest(connection: Connection, keys: Sequence[str]) -> Mapping[str, Found]:
    """The newest entry under each opaque key; a key without one is left out."""
    indices = store.latest(connection, keys) if keys else {}
    by_index = {one.index: one for one in _found(connection, [*indices.values()])}
    return {key: by_index[index] for key, index in indices.items()}


def is_in_case(connection: Connection, case_id: str, type_: str) -> bool:
    """Whether a case has an entry of that type."""
    asked = {"case_id": case_id, "type": type_}
    return connection.execute(_OF_CASE, asked).first() is not None


def subject_tags(connection: Connection, type_: str) -> frozenset[str]:
    """Tags of all whom entries of that type are about, as far as they are not erased."""
    query = select(ENTRIES.c.subject_tag).where(clause(Is("type", "=", type_))).distinct()
    return frozenset(connection.execute(query).scalars()) - {""}


def cases(
    connection: Connection,
    state: str,
    matters: Sequence[str] | None,
    *,
    after: tuple[str, str],
    limit: int,
) -> tuple[RecordedCase, ...]:
    """The cases in a state, those due earliest first.

    Args:
        matters: Of those alone; None for every.
        after: Due time (as `time_text` writes it) and id of the case before the first; both
            empty to begin.
    """
    place = tuple_(CASES.c.due_time, CASES.c.case_id)
    where = and_(CASES.c.state == state, place > tuple_(*map(literal, after)))
    if matters is not None:
        where = and_(where, CASES.c.matter.in_(matters))
    query = select(CASES).where(where).order_by(CASES.c.due_time, CASES.c.case_id).limit(limit)
    return tuple(map(recorded_case, connection.execute(query).mappings()))


def following(
    connection: Connection, condition: Condition, *, after: int, limit: int
) -> tuple[int, ...]:
    """Indices of the oldest entries above an index for which the condition holds, oldest first."""
    return tuple(_Page(connection, after, NO_END, limit).of(condition))


def find_oldest(
    connection: Connection, condition: Condition, *, after: int, until: int, limit: int
) -> tuple[Found, ...]:
    """The oldest entries above an index, up to another, for which it holds, oldest first."""
    return _found(connection, _Page(connection, after, until + 1, limit).of(condition))


def _found(connection: Connection, indices: Sequence[int]) -> tuple[Found, ...]:
    """The entries at these indices, in that order."""
    rows = {
        row.idx: row
        for start in range(0, len(indices), _NEAR)
        for row in connection.execute(
            _ENTRIES.where(ENTRIES.c.idx.in_(indices[start : start + _NEAR]))
        )
    }
    return tuple(
        Found(row.idx, Leaf.decode(row.leaf), row.hash, row.sealed_idx is None)
        for row in map(rows.__getitem__, indices)
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


@dataclass(frozen=True, slots=True)
class _Page:
    """The first entries between two others for which a condition holds, in order."""

    connection: Connection
    above: int
    below: int
    limit: int
    newest_first: bool = False

    def of(self, condition: Condition) -> list[int]:
        """Their indices, no more than the limit.

        Each alternative is followed along an index of its own, for as long as the page is not
        full; asked as one, a database would gather all that any of them finds, and sort it.
        """
        terms = _alternatives(condition)
        return self._first({index for term in terms for index in self._of_one(term)})

    def _of_one(self, term: Condition) -> list[int]:
        near, far = self.within(term).cut()
        found = near.walk(term)
        if len(found) == self.limit or far.above + 1 >= far.below:
            return found
        return found + replace(far, limit=self.limit - len(found)).by_shortest_way(term)

    def by_shortest_way(self, term: Condition) -> list[int]:
        """By the index of a case or a person, by sets of marks, or one entry after the other."""
        shared, own = _split(term)
        if _is_filed(own):
            return self._gather(term)
        return self.walk(term) if shared == _ALL else self.along_sets(shared, own)

    def within(self, term: Condition) -> "_Page":
        """The page, but for entries that have not the indices or the times that are asked for."""
        above, below = self.above, self.below
        for relation, index in _indices(term):
            if relation in {"=", ">", ">="}:
                above = max(above, index - (relation != ">"))
            if relation in {"=", "<", "<="}:
                below = min(below, index + (relation != "<"))
        if _times(term):
            blocks = select(_block(term, _FIRST), _block(term, _LAST))
            first, last = self.connection.execute(blocks).one()
            if first is None:
                return replace(self, below=self.above + 1)
            above, below = max(above, SPAN * first - 1), min(below, SPAN * (last + 1))
        return replace(self, above=above, below=below)

    def cut(self) -> tuple["_Page", "_Page"]:
        """The page, where it begins, and all beyond."""
        if not self.newest_first:
            at = min(self.above + _NEAR, self.below - 1)
            return replace(self, below=at + 1), replace(self, above=at)
        newest = self.connection.execute(select(func.max(ENTRIES.c.idx))).scalar_one()
        below = min(self.below, (-1 if newest is None else newest) + 1)
        at = max(self.above, below - 1 - _NEAR)
        return replace(self, above=at), replace(self, below=at + 1)

    def walk(self, term: Condition) -> list[int]:
        """One entry after the other, until the page is full."""
        return [*self.connection.execute(self._in_order(_rows(term))).scalars()]

    def _gather(self, term: Condition) -> list[int]:
        """All there are, by whichever index the database has, and then in order."""
        index = ENTRIES.c.idx + 0  # else it would rather walk
        found = select(ENTRIES.c.idx).where(index > self.above, index < self.below, _rows(term))
        order = index.desc() if self.newest_first else index.asc()
        return [*self.connection.execute(found.order_by(order).limit(self.limit)).scalars()]

    def along_sets(self, shared: Condition, own: Condition) -> list[int]:
        """Follow each set from its first entry on, as long as that is within the page."""
        end = func.max if self.newest_first else func.min
        first = select(end(ENTRIES.c.idx)).where(ENTRIES.c.marks == MARK_SETS.c.id, self._between())
        begins = self.connection.execute(_sets(shared).add_columns(first.scalar_subquery()))
        in_order = sorted(
            ((index, set_id) for set_id, index in begins if index is not None),
            reverse=self.newest_first,
        )
        of_set = self._in_order(and_(ENTRIES.c.marks == bindparam("marks"), _rows(own)))
        found: list[int] = []
        for index, set_id in in_order:
            if len(found) == self.limit and self._first([found[-1], index])[0] == found[-1]:
                break
            more = self.connection.execute(of_set, {"marks": set_id}).scalars()
            found = self._first([*found, *more])
        return found

    def _in_order(self, clause: ColumnElement[bool]) -> Select[tuple[int]]:
        index = ENTRIES.c.idx.desc() if self.newest_first else ENTRIES.c.idx.asc()
        found = select(ENTRIES.c.idx).where(self._between(), clause)
        return found.order_by(index).limit(self.limit)

    def _between(self) -> ColumnElement[bool]:
        return and_(ENTRIES.c.idx > self.above, ENTRIES.c.idx < self.below)

    def _first(self, indices: Iterable[int]) -> list[int]:
        return sorted(indices, reverse=self.newest_first)[: self.limit]


def _alternatives(condition: Condition) -> tuple[Condition, ...]:
    """Conditions one of which holds where this one does, each to be looked for on its own."""
    match condition:
        case _ if _is_shared(condition):
            found = []
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


def _split(condition: Condition) -> tuple[All, All]:
    """What of it an entry's set of marks tells, and what only the entry does."""
    parts = list(_parts(condition))
    shared = tuple(one for one in parts if _is_shared(one))
    return All(shared), All(tuple(one for one in parts if not _is_shared(one)))


def _parts(condition: Condition) -> Iterator[Condition]:
    """Conditions that hold together where this one does."""
    if isinstance(condition, All):
        for one in condition.conditions:
            yield from _parts(one)
    else:
        yield condition


def _is_shared(condition: Condition) -> bool:
    """Whether it is told by an entry's set of marks alone."""
    match condition:
        case Is(column):
            return column in SHARED
        case Marked():
            return True
        case Not(inner):
            return _is_shared(inner)
        case All(conditions) | Either(conditions):
            return bool(conditions) and all(map(_is_shared, conditions))
        case _ as never:
            assert_never(never)


def clause(condition: Condition, of: FromClause = ENTRIES) -> ColumnElement[bool]:
    """That a condition holds for a row of ``entries``, asked for so that an index is of use.

    Args:
        of: Another name of ``entries``, where all of the condition is told by marks.
    """
    shared, own = _split(condition)
    parts = [_rows(own)]
    if _times(own):
        first, last = _block(own, _FIRST), _block(own, _LAST)
        parts += [of.c.idx >= SPAN * first, of.c.idx < SPAN * (last + 1)]
    return and_(*parts) if shared == _ALL else and_(_in_sets(shared, of), *parts)


def _indices(condition: Condition) -> list[tuple[str, int]]:
    """The indices for which it holds, if it says any."""
    return [
        (one.relation, one.value)
        for one in _parts(condition)
        if isinstance(one, Is) and isinstance(one.value, int)
    ]


def _times(condition: Condition) -> list[Is]:
    """Between which times it holds, if at all."""
    return [
        one
        for one in _parts(condition)
        if isinstance(one, Is) and one.column == "time" and one.relation != "!="
    ]


def _block(condition: Condition, end: ColumnElement[int]) -> ScalarSelect[int]:
    """The first or the last block that may have an entry of the times that are asked for."""

    def can_be(one: Is) -> ColumnElement[bool]:
        stored = _stored(one.value)
        if one.relation == "=":
            return and_(stored >= SPANS.c.earliest, stored <= SPANS.c.latest)
        end = SPANS.c.earliest if one.relation in {"<", "<="} else SPANS.c.latest
        return _RELATIONS[one.relation](end, stored)

    return select(end).where(*map(can_be, _times(condition))).scalar_subquery()


def _is_filed(condition: Condition) -> bool:
    """Whether the entries for which it holds are filed together: those of a case, or a person."""
    match condition:
        case Is(column, relation, value):
            return column in FILED and relation == "=" and value != ""
        case All(conditions):
            return any(map(_is_filed, conditions))
        case Either(conditions):
            return all(map(_is_filed, conditions))
        case _:
            return False


def _in_sets(shared: Condition, of: FromClause = ENTRIES) -> ColumnElement[bool]:
    return of.c.marks.in_(_sets(shared))


def _sets(shared: Condition) -> Select[tuple[bytes]]:
    """The sets of marks that tell of it."""

    def told(atom: Is | Marked) -> ColumnElement[bool]:
        match atom:
            case Marked(name, value):
                mark = (_OTHER.c.name == name) & (_OTHER.c.value == value)
            case Is(column, relation, value):
                mark = (_OTHER.c.name == column) & _RELATIONS[relation](_OTHER.c.value, value)
        return MARK_SETS.c.id.in_(select(_OTHER.c.id).where(mark))

    each_once = MARK_SETS.c.name == SHARED[0]
    return select(MARK_SETS.c.id).where(each_once, _clause(shared, told))


def _rows(condition: Condition) -> ColumnElement[bool]:
    """That a condition holds for a row of ``entries``, looked at for itself."""

    def told(atom: Is | Marked) -> ColumnElement[bool]:
        match atom:
            case Marked(name, value):
                mark = and_(MARK_SETS.c.name == name, MARK_SETS.c.value == value)
                return exists().where(MARK_SETS.c.id == ENTRIES.c.marks, mark)
            case Is(column, relation, value):
                compared = _RELATIONS[relation](ENTRIES.c[column], _stored(value))
                # Said, so that SQLite sees that a partial index has all such rows.
                return and_(compared, ENTRIES.c[column] != "") if _is_filed(atom) else compared

    return _clause(condition, told)


def _stored(value: str | int | datetime) -> str | int:
    return time_text(value) if isinstance(value, datetime) else value


def _clause(
    condition: Condition, told: Callable[[Is | Marked], ColumnElement[bool]]
) -> ColumnElement[bool]:
    match condition:
        case Is() | Marked():
            return told(condition)
        case Not(inner):
            return not_(_clause(inner, told))
        case All(conditions):
            return and_(true(), *(_clause(one, told) for one in conditions))
        case Either(conditions):
            return or_(false(), *(_clause(one, told) for one in conditions))
        case _ as never:
            assert_never(never)


_FIRST, _LAST = func.min(SPANS.c.block), func.max(SPANS.c.block)
_ALL: Final = All(())
_OTHER: Final = MARK_SETS.alias("other")
