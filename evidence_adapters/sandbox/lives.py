"""How the people of the sandbox city live: where, insured, schooled; a pure function of who it is.

Nothing here contradicts what the city says of a person: the dead are insured nowhere, a degree
comes after school, and whoever is on the household register needs no residence registration.
Days are counted from the day of the question, so that a role means the same on any day.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final, Literal

from evidence_adapters.sandbox.city import City, Dice, Person

_YEAR: Final = 2025
"""In which the drawn people are as old as they are here."""

_FIRST_ON_RECORD: Final = 1980
"""Year of birth from which on a degree is of 2002 or later, and so on the register."""


@dataclass(frozen=True, slots=True)
class Residence:
    """A residence registration and the permit that rests on it.

    Attributes:
        months: Full months without a break up to now.
        gap_open: Whether a gap in them is yet to be checked.
        coded: Whether the address has a house code.
        endorsed_days: From the day of the question to the last day of the endorsement; before it
            if negative. None without a permit.
    """

    months: int = 30
    in_force: bool = True
    gap_open: bool = False
    coded: bool = True
    permit: Literal["none", "valid", "suspended", "cancelled"] = "none"
    endorsed_days: int | None = None


@dataclass(frozen=True, slots=True)
class Insurance:
    """Months of social insurance up to the last one settled, and whether it goes on."""

    unbroken: int = 36
    in_two_years: int = 24
    active: bool = True


@dataclass(frozen=True, slots=True)
class Education:
    """The highest degree on record, and present studies in this city."""

    degree: Literal["none", "bachelor", "master", "doctor"] = "none"
    full_time: bool = True
    studies_here: bool = False


@dataclass(frozen=True, slots=True)
class Talent:
    """A talent by decision of the city; `introduced` is None for one recognised only."""

    route: Literal["recognition", "on_the_job", "graduate", "returnee"] = "recognition"
    introduced: date | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """What the registers know of a person; None for a register that has nothing."""

    residence: Residence | None = None
    insurance: Insurance | None = None
    education: Education | None = None
    talent: Talent | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """What is special about the life of somebody of the cast, who is else as the sequence says.

    Attributes:
        sequence: 17 is on the city's household register, 27 on another's.
        born: None where the age does not matter.
    """

    life: Life
    sequence: int = 27
    born: date | None = None


_HERE, _PAID = Residence(), Insurance()
_SHORT = Insurance(unbroken=11, in_two_years=17)

ROLES: Final[Mapping[str, Role]] = {
    "resident": Role(Life(_HERE, _PAID)),
    "twelve_months_registered": Role(Life(Residence(months=12), _PAID)),
    "eleven_months_registered": Role(Life(Residence(months=11), _PAID)),
    "registration_ended": Role(Life(Residence(in_force=False), _PAID)),
    "registration_with_gap": Role(Life(Residence(gap_open=True), _PAID)),
    "address_without_code": Role(Life(Residence(coded=False), _PAID)),
    "not_registered": Role(Life(None, _PAID)),
    "insured_twelve_months": Role(Life(_HERE, Insurance(unbroken=12, in_two_years=12))),
    "insured_eighteen_of_two_years": Role(Life(_HERE, Insurance(unbroken=3, in_two_years=18))),
    "insured_too_short": Role(Life(_HERE, _SHORT, Education())),
    "insured_too_short_degree_abroad": Role(Life(_HERE, _SHORT)),
    "recognised_talent": Role(Life(_HERE, talent=Talent())),
    "full_time_student": Role(Life(_HERE, education=Education(studies_here=True))),
    "endorsement_due": Role(Life(Residence(permit="valid", endorsed_days=20), _PAID)),
    "endorsement_too_early": Role(Life(Residence(permit="valid", endorsed_days=40), _PAID)),
    "permit_suspended": Role(Life(Residence(permit="suspended", endorsed_days=-50), _PAID)),
    "permit_cancelled": Role(Life(Residence(permit="cancelled", endorsed_days=-400), _PAID)),
    "local_resident": Role(Life(None, _PAID), sequence=17),
    "introduced_bachelor": Role(
        Life(None, _PAID, Education("bachelor"), Talent("on_the_job", date(2021, 3, 1))),
        sequence=17,
        born=date(1991, 1, 2),
    ),
}
"""The cast. A role's place in the list gives its birth day: new ones go to the end."""


class Lives:
    """The life of everybody in a city."""

    def __init__(self, city: City) -> None:
        self._city = city

    def of(self, person: Person) -> Life:
        """How the person lives."""
        role = _BY_BIRTH.get((int(person.id_number[14:17]), person.birth_date))
        return self._drawn(person) if role is None else role.life

    def cast(self) -> Mapping[str, Person]:
        """People that tests and demonstrations need, by what is special about their lives."""
        return MappingProxyType(
            {
                name: self._city.cast_member(born, role.sequence)
                for name, (born, role) in _CAST.items()
            }
        )

    def _drawn(self, person: Person) -> Life:
        """Somebody's ordinary life; the dead have none."""
        digest = hashlib.sha512(f"{self._city.seed}/life/{person.id_number}".encode()).digest()
        dice, age = Dice(digest), _YEAR - person.birth_date.year
        local = person.hukou_place.startswith("4403")
        if person.death_date is not None or age < 0:
            return Life()
        education = _education(dice, age, person.birth_date.year)
        return Life(
            residence=None if local or dice(4) == 0 else _residence(dice, age),
            insurance=_insurance(dice, age),
            education=education,
            talent=_talent(dice, age, local=local)
            if education and education.degree != "none"
            else None,
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


_CAST: Final = {
    name: (role.born or date(1988, 1, 1) + timedelta(days=place), role)
    for place, (name, role) in enumerate(ROLES.items())
}
_BY_BIRTH: Final = {(role.sequence, born): role for born, role in _CAST.values()}
