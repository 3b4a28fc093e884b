"""How the people of the sandbox city live: where, insured, schooled; a pure function of who it is.

Nothing here contradicts what the city says of a person: the dead are insured nowhere, a degree
comes after school, and whoever is on the household register needs no residence registration.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final, get_args

from evidence_adapters.sandbox.city import City, Dice, Person
from evidence_adapters.sandbox.life import (
    Category,
    Disability,
    Education,
    Household,
    Housing,
    Insurance,
    Life,
    Member,
    Relation,
    Residence,
    Service,
    Subsidies,
    Talent,
)
from evidence_adapters.sandbox.life_roles import ANY_AGE, CAST

_YEAR: Final = 2025
"""In which the drawn people are as old as they are here."""

_FIRST_ON_RECORD: Final = 1980
"""Year of birth from which on a degree is of 2002 or later, and so on the register."""


class Lives:
    """The life of everybody in a city."""

    def __init__(self, city: City) -> None:
        self._city = city

    def of(self, person: Person) -> Life:
        """How the person lives."""
        sequence = int(person.id_number[14:17])
        role = _BY_BIRTH.get((sequence, person.birth_date))
        if role is not None:
            return role.life
        return ANY_AGE[sequence] if sequence in ANY_AGE else self._drawn(person)

    def cast(self) -> Mapping[str, Person]:
        """People that tests and demonstrations need, by what is special about their lives."""
        return MappingProxyType(
            {
                name: self._city.cast_member(born, role.sequence)
                for name, (born, role) in CAST.items()
            }
        )

    def _drawn(self, person: Person) -> Life:
        """Somebody's ordinary life; the dead have none."""
        dice, age = self._city.dice("life", person.id_number), _YEAR - person.birth_date.year
        local = person.hukou_place.startswith("4403")
        if person.death_date is not None or age < 0:
            return Life()
        education = _education(dice, age, person.birth_date.year)
        graduated = education is not None and education.degree != "none"
        talent = _talent(dice, age, local=local) if graduated else None
        return Life(
            residence=None if local or dice(4) == 0 else _residence(dice, age),
            insurance=_insurance(dice, age),
            education=education,
            talent=talent,
            housing=_housing(dice) if local and age >= 18 else None,
            subsidies=_subsidies(dice, talent),
            disability=_disability(dice) if local and dice(12) == 0 else None,
            service=_service(dice) if local and age >= 20 and dice(80) == 0 else None,
            household=_household(dice, age) if local else None,
        )


def _residence(dice: Dice, age: int) -> Residence:
    months = dice(min(12 * age, 240) + 1)
    permit = "none" if months < 12 else ("none", "valid", "suspended")[dice(3)]  # fmt: skip
    days = {"valid": dice(365), "suspended": -1 - dice(900)}
    return Residence(
        months=months,
        in_force=dice(12) != 0,
        gap_open=dice(20) == 0,
        coded=dice(25) != 0,
        permit=permit,  # type: ignore[arg-type]  # one of the three above
        endorsed_days=days.get(permit),
    )


def _insurance(dice: Dice, age: int) -> Insurance | None:
    if not 18 <= age < 60 or dice(8) == 0:
        return None
    active = dice(8) != 0
    unbroken = dice(12 * (age - 18) + 1) if active else 0
    rest = max(24 - unbroken - 1, 0)
    return Insurance(
        unbroken=unbroken, in_two_years=min(unbroken, 24) + dice(rest + 1), active=active
    )


def _education(dice: Dice, age: int, born: int) -> Education | None:
    """Nothing is on record of those who had left school before 2002, and of some others."""
    if born < _FIRST_ON_RECORD or age < 18 or dice(10) == 0:
        return None
    degrees = ("none", "none", "bachelor", "master", "doctor")
    reached = degrees[dice(2 if age < 22 else 3 if age < 25 else 4 if age < 28 else 5)]
    return Education(
        degree=reached,  # type: ignore[arg-type]  # one of the five above
        full_time=dice(5) != 0,
        studies_here=age < 30 and dice(3) == 0,
    )


def _talent(dice: Dice, age: int, *, local: bool) -> Talent | None:
    """Introduced talents are on the household register; the recognised may be on another."""
    if dice(3):
        return None
    if not local:
        return Talent()
    introduced = date(_YEAR, 12, 31) - timedelta(days=dice(min(365 * (age - 21), 3_650)))
    routes = ("on_the_job", "graduate", "returnee")
    return Talent(route=routes[dice(3)], introduced=introduced)  # type: ignore[arg-type]  # as above


def _housing(dice: Dice) -> Housing | None:
    if dice(5):
        return None
    tenancies = ("renting", "rented", "never")
    return Housing(
        tenancy=tenancies[dice(3)],  # type: ignore[arg-type]  # one of the three above
        concession=dice(3) == 0,
        by_letter=dice(10) == 0,
    )


def _subsidies(dice: Dice, talent: Talent | None) -> Subsidies | None:
    """Of the two for introduced talents one is paid, and once."""
    if talent is None or talent.introduced is None or dice(3):
        return None
    which = dice(2) == 0
    return Subsidies(talent=which, rent=not which)


def _disability(dice: Dice) -> Disability:
    return Disability(
        category=get_args(Category)[dice(7)],
        grade=1 + dice(4),
        state=("frozen", "cancelled")[dice(2)] if dice(10) == 0 else "valid",
        days=dice(3_650) - 200,
    )


def _service(dice: Dice) -> Service:
    return Service(
        kind=("veteran", "police")[dice(2)],
        grade=1 + dice(10),
        in_force=dice(15) != 0,
    )


def _household(dice: Dice, age: int) -> Household:
    """Children are nobody's head; a book has a head, once."""
    relation: Relation = ("head", "spouse", "parent")[dice(3)] if age >= 18 else "child"
    others: tuple[Relation, ...] = ("spouse", "child", "child", "parent", "sibling")
    head = () if relation == "head" else (Member("head", certified=dice(15) == 0),)
    return Household(
        relation=relation,
        others=(
            *head,
            *(
                Member(
                    others[dice(len(others))],
                    certified=None if dice(30) == 0 else dice(15) == 0,
                )
                for _ in range(dice(4))
            ),
        ),
    )


_BY_BIRTH: Final = {(role.sequence, born): role for born, role in CAST.values()}
