"""Who is whose guardian in the sandbox city; a pure function of the two people and the seed."""

from datetime import timedelta
from typing import Final, Literal, TypeAlias

from evidence_adapters.sandbox.city import City, Person

Relation: TypeAlias = Literal["parent", "appointed"]

GUARDIAN: Final = 15
"""Sequence of the cast's guardian, on whatever birth day."""

WARD: Final = 16
"""Sequence of the cast's adult under guardianship."""

CHILDREN: Final = frozenset({13, 14})
"""Sequences of the cast's children; they stay children of their parent when they are grown up."""

_DRAWN: Final = 100
"""Sequence from which on people are drawn, and no cast."""

_FIRST_ON_RECORD: Final = 1996
"""Year from which on births are on the register (出生医学证明)."""

_AT_BIRTH: Final = (20, 45)
"""Years of drawn parents at the birth of a child."""

_YOUNGEST: Final = timedelta(days=16 * 365)
"""Years of the cast's parent at the birth of a child."""

_TRIES: Final = 400


class Guardians:
    """Parents and appointed guardians."""

    def __init__(self, city: City) -> None:
        self._city = city

    def relation(self, guardian: Person, ward: Person) -> Relation | None:
        """How the one is the other's guardian; None if not at all, or not on record."""
        if _sequence(guardian) != GUARDIAN:
            return "parent" if guardian == self.parent_of(ward) else None
        if _sequence(ward) == WARD:
            return "appointed"
        old_enough = guardian.birth_date + _YOUNGEST <= ward.birth_date
        return "parent" if _sequence(ward) in CHILDREN and old_enough else None

    def parent_of(self, child: Person) -> Person | None:
        """One of the ten thousand who could be; None for the cast, and where no birth is told."""
        if _sequence(child) < _DRAWN or child.birth_date.year < _FIRST_ON_RECORD:
            return None
        dice = self._city.dice("parent", child.id_number)
        for _ in range(_TRIES):
            parent = self._city.person(dice(len(self._city)))
            years = (child.birth_date - parent.birth_date).days / 365
            if _AT_BIRTH[0] < years < _AT_BIRTH[1] and parent.death_date is None:
                return parent
        return None


def _sequence(person: Person) -> int:
    return int(person.id_number[14:17])
