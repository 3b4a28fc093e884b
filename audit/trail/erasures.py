"""Erasures: whose sealed parts are gone, and by which entry; not who it was.

Erasing destroys the keys of a subject, every ciphertext under them, and the tag by which the
subject was found (`destruction`). What is left (leaves, proofs, cases) tells nothing who.
The keys under which entries became the newest stay: they are keyed hashes, and without them a
grant that is given once could be given twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from audit.trail.canonical import Json
from audit.trail.entries import Leaf
from audit.trail.projections import chain

ERASURE_TYPE = "erasure/1"
HOLD_TYPE = "hold/1"
ERASURE_KEY = "erasure"
"""The opaque key whose newest entry is the newest erasure or hold; each names the one before it."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure.

    Attributes:
        index: Of its entry.
        reason: Why, without telling who.
        erased: The entries whose sealed parts it destroyed, ascending.
    """

    index: int
    time: datetime
    reason: str
    erased: tuple[int, ...]

    @classmethod
    def read(cls, index: int, leaf: Leaf) -> "Erasure":
        """The erasure that an entry tells of.

        Raises:
            ValueError: The entry tells of none.
        """
        match leaf.permanent:
            case {"reason": str(reason), "erased": list(ranges)} if leaf.type == ERASURE_TYPE:
                return cls(index, leaf.time, reason, tuple(_expanded(ranges, below=index)))
            case _:
                raise ValueError("not an erasure")


def permanent_part(reason: str, erased: Iterable[int], previous: int | None) -> dict[str, Json]:
    """What the entry of an erasure says for ever; consecutive indices are written as a range."""
    ranges: list[Json] = []
    first = last = -1
    for index in [*erased, -1]:
        if index != last + 1 or first < 0:
            if first >= 0:
                ranges.append([first, last])
            first = index
        last = index
    return {"reason": reason, "erased": ranges, "previous": -1 if previous is None else previous}


def read_erasures(connection: Connection) -> tuple[Erasure, ...]:
    """All erasures of a log, the oldest first.

    Raises:
        ValueError: What should be one is none, so the store was tampered with.
    """
    return erasures_among(chain(connection, ERASURE_KEY))


def erasures_among(links: Iterable[tuple[int, Leaf]]) -> tuple[Erasure, ...]:
    """Those of the links that are no holds.

    Raises:
        ValueError: What should be one is none, so the store was tampered with.
    """
    return tuple(Erasure.read(index, leaf) for index, leaf in links if leaf.type != HOLD_TYPE)


def _expanded(ranges: Sequence[Json], *, below: int) -> Iterable[int]:
    at = -1
    for pair in ranges:
        match pair:
            case [int(first), int(last)] if at < first <= last < below:
                yield from range(first, last + 1)
                at = last
            case _:
                raise ValueError("not ranges of entries before this one")
