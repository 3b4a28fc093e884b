"""What is kept of whom, and of when: where erasure and retention look."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from audit.trail.entries import time_text
from audit.trail.holds import Hold, not_held
from audit.trail.projections import CASES, ENTRIES, MARK_SETS, SEALED
from audit.trail.queries import All, Is, clause, of_kind


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """An entry whose sealed part is still there.

    Attributes:
        kind: What happened, without version.
        case_state: How its case stands; empty if it belongs to none.
        newest_time: When its case was last changed; its own where that is later, or it has none.
    """

    index: int
    kind: str
    matter: str
    case_id: str
    case_state: str
    newest_time: datetime


def kept_about(connection: Connection, tag: str) -> tuple[KeptEntry, ...]:
    """What is kept about the subject of that tag, the oldest first."""
    about = and_(ENTRIES.c.subject_tag == tag, ENTRIES.c.subject_tag != "")
    return tuple(
        KeptEntry(
            row.idx,
            row.type.partition("/")[0],
            row.matter,
            row.case_id,
            row.state or "",
            datetime.fromisoformat(row.newest),
        )
        for row in connection.execute(_KEPT.where(about).order_by(ENTRIES.c.idx))
    )


def kinds_kept(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Every kind and matter of which something is kept."""
    kept = select(ENTRIES.c.idx).join(SEALED, _BESIDE).where(ENTRIES.c.marks == _TYPE.c.id)
    query = (
        select(_TYPE.c.value, _MATTER.c.value)
        .join(_MATTER, (_MATTER.c.id == _TYPE.c.id) & (_MATTER.c.name == "matter"))
        .where(_TYPE.c.name == "type", kept.exists())
    )
    kinds = {(type_.partition("/")[0], matter) for type_, matter in connection.execute(query)}
    return tuple(sorted(kinds))


def overdue(
    connection: Connection,
    kind: str,
    matter: str,
    *,
    before: datetime,
    limit: int,
    holds: Sequence[Hold],
) -> tuple[int, ...]:
    """The oldest entries of a kind and matter that were last changed before, and none holds."""
    query = _KEPT.where(_is_overdue(kind, matter, before, holds))
    return tuple(connection.execute(query.order_by(ENTRIES.c.idx).limit(limit)).scalars())


def count_overdue(
    connection: Connection, kind: str, matter: str, *, before: datetime, holds: Sequence[Hold]
) -> int:
    """How many entries `overdue` would find without a limit."""
    found = _KEPT.where(_is_overdue(kind, matter, before, holds)).subquery()
    return int(connection.execute(select(func.count()).select_from(found)).scalar_one())


def _is_overdue(
    kind: str, matter: str, before: datetime, holds: Sequence[Hold]
) -> ColumnElement[bool]:
    own = Is("time", "<", before)  # its case's newest is no earlier than itself
    return and_(
        clause(All((of_kind(kind), Is("matter", "=", matter), own))),
        time_text(before) > _NEWEST_TIME,
        not_held(holds),
    )


_TYPE, _MATTER = MARK_SETS.alias("type"), MARK_SETS.alias("matter")
_BESIDE = SEALED.c.idx == ENTRIES.c.idx
_LAST = ENTRIES.alias("last")
_NEWEST_TIME = case((_LAST.c.time > ENTRIES.c.time, _LAST.c.time), else_=ENTRIES.c.time)
_KEPT = (
    select(
        ENTRIES.c.idx,
        ENTRIES.c.type,
        ENTRIES.c.matter,
        ENTRIES.c.case_id,
        CASES.c.state,
        _NEWEST_TIME.label("newest"),
    )
    .join(SEALED, _BESIDE)
    .join(CASES, (CASES.c.case_id == ENTRIES.c.case_id) & (CASES.c.case_id != ""), isouter=True)
    .join(_LAST, _LAST.c.idx == CASES.c.latest_index, isouter=True)
)
