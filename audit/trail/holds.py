"""Holds: while one is in force, nothing in its scope is erased, on demand or by its age.

A hold is placed for a review, a lawsuit or an investigation, by an entry, and lifted by another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, not_, or_, select

from audit.errors import HeldError
from audit.log.store import read_leaf
from audit.trail.canonical import Json
from audit.trail.entries import Leaf
from audit.trail.erasures import ERASURE_KEY, HOLD_TYPE
from audit.trail.projections import ENTRIES, chain

_SOME = 500
"""Indices a statement; SQLite takes only so many."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hold covers: exactly one of the three is not empty.

    Attributes:
        subject: Everything about somebody. Personal data, so sealed.
        case_id: Everything about a case.
        matter: Everything about a matter.
    """

    subject: str = ""
    case_id: str = ""
    matter: str = ""

    @property
    def permanent(self) -> dict[str, Json]:
        """What may be read of it for ever."""
        return {"case_id": self.case_id, "matter": self.matter, "person": bool(self.subject)}


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold that is in force.

    Attributes:
        index: Of the entry that placed it.
        case_id, matter, tag: What it covers; the tag is the subject's. One of them is not empty.
    """

    index: int
    time: datetime
    reason: str
    legal_basis: str
    caller: str
    case_id: str
    matter: str
    tag: str

    @property
    def covers(self) -> ColumnElement[bool]:
        """Which rows of ``entries`` it covers."""
        columns = {"case_id": self.case_id, "matter": self.matter, "subject_tag": self.tag}
        # That it is not empty is said so that SQLite sees that a partial index has all such rows.
        return or_(
            *(
                and_(ENTRIES.c[name] == value, ENTRIES.c[name] != "")
                for name, value in columns.items()
                if value
            )
        )


class Holds:
    """The holds that are in force; of the chain they follow from, no link is read twice."""

    def __init__(self) -> None:
        self._known = _NOTHING

    def read(self, connection: Connection) -> tuple[Hold, ...]:
        """The holds that are in force on that connection, the oldest first.

        Raises:
            ValueError: What should be one is none, so the store was tampered with.
        """
        known = self._known
        if read_leaf(connection, known.link) != known.leaf:
            known = _NOTHING  # an earlier state, or another, as of a standby that took over
        links = chain(connection, ERASURE_KEY, after=known.link)
        if not links:
            return (*known.holds.values(),)
        holds, placed = dict(known.holds), dict[int, Leaf]()
        for index, leaf in links:
            if leaf.type != HOLD_TYPE:
                continue
            match leaf.permanent:
                case {"act": "place"}:
                    placed[index] = leaf
                case {"act": "lift", "lifts": int(lifted)} if lifted in placed:
                    del placed[lifted]
                case {"act": "lift", "lifts": int(lifted)} if lifted in holds:
                    del holds[lifted]
                case _:
                    raise ValueError("neither places a hold nor lifts one that is in force")
        holds |= {index: _hold(connection, index, leaf) for index, leaf in placed.items()}
        newest = links[-1][0]
        self._known = _Known(newest, read_leaf(connection, newest), holds)
        return (*holds.values(),)


class _Known(NamedTuple):
    """The holds in force as of a link of the chain, and its exact bytes."""

    link: int
    leaf: bytes | None
    holds: Mapping[int, Hold]


_NOTHING = _Known(-1, None, {})


def read_holds(connection: Connection) -> tuple[Hold, ...]:
    """The holds that are in force, the oldest first.

    Raises:
        ValueError: What should be one is none, so the store was tampered with.
    """
    return Holds().read(connection)


def held(connection: Connection, holds: Sequence[Hold], indices: Sequence[int]) -> tuple[Hold, ...]:
    """Those of the holds that cover any of these entries."""
    return tuple(
        hold
        for hold in holds
        if any(
            connection.execute(
                select(ENTRIES.c.idx)
                .where(ENTRIES.c.idx.in_(indices[start : start + _SOME]), hold.covers)
                .limit(1)
            ).first()
            for start in range(0, len(indices), _SOME)
        )
    )


def not_held(holds: Sequence[Hold]) -> ColumnElement[bool]:
    """Which rows of ``entries`` none of the holds covers."""
    return and_(ENTRIES.c.idx >= 0, *(not_(hold.covers) for hold in holds))


def under_hold(holds: Sequence[Hold]) -> HeldError:
    """The refusal to erase what is held."""
    numbers = ", ".join(f"`{hold.index}`" for hold in holds[:5])
    return HeldError(
        f"it is under hold {numbers}",
        zh=f"该内容处于保全状态（第 {numbers} 条），不得删除；须先由有权者解除保全",
        reason="UNDER_HOLD",
        hint="A hold is lifted by whoever may place one, with a reason; then ask again.",
    )


def _hold(connection: Connection, index: int, leaf: Leaf) -> Hold:
    said = {name: str(leaf.permanent.get(name, "")) for name in _TEXTS}
    tag = ""
    if leaf.permanent.get("person") is True:
        at = select(ENTRIES.c.subject_tag).where(ENTRIES.c.idx == index)
        tag = str(connection.execute(at).scalar_one_or_none() or "")
    if [bool(one) for one in (said["case_id"], said["matter"], tag)].count(True) != 1:
        raise ValueError("a hold of no scope")
    return Hold(index=index, time=leaf.time, tag=tag, **said)


_TEXTS = ("reason", "legal_basis", "caller", "case_id", "matter")
