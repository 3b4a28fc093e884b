"""The drivers of the sandbox city, and what is on record against them; a pure function of each.

The dead drive no more, nobody holds a licence before eighteen, and whoever needs a residence
permit to drive for hire is somebody whose permit `lives` knows. Boundaries are counted back from
the day of the question, so that a role means the same on any day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final, Literal

from evidence_adapters.sandbox.city import City, Dice, Person
from evidence_adapters.sandbox.lives import Lives

_LAST_DAY: Final = date(2025, 12, 31)
"""Nothing that is drawn happened later."""


@dataclass(frozen=True, slots=True)
class Ago:
    """So many years before the day of the question, and so many days after that."""

    years: int
    days: int = 0

    def on(self, today: date) -> date:
        """The day; of 29 February the 28th where the year had none."""
        last = today.replace(day=28) if (today.month, today.day) == (2, 29) else today
        return last.replace(year=last.year - self.years) + timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Licence:
    """A driving licence.

    Attributes:
        vehicle_class: As on the licence (准驾车型).
        state: One letter, as the traffic police write it; A is in order.
        first_issued: None where a reissue has lost it.
        highest_points: In one of the last three scoring cycles.
        disputed: Whether its holder objects to what is on record.
    """

    vehicle_class: str = "C1"
    state: str = "A"
    first_issued: date | Ago | None = Ago(10)
    highest_points: int = 3
    drink_driving: bool = False
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class Offences:
    """What is on record, type by type; `of_namesake` if only the name is the person's for sure."""

    accident_crime: bool = False
    dangerous_driving: bool = False
    drug_use: bool = False
    violent_crime: bool = False
    of_namesake: bool = False


@dataclass(frozen=True, slots=True)
class Taxi:
    """A file at the transport bureau."""

    exam: Literal["PASSED", "FAILED", "NOT_TAKEN"] = "PASSED"
    exam_city: str = "440300"
    exam_date: date | Ago = Ago(1)
    revoked: date | Ago | None = None


@dataclass(frozen=True, slots=True)
class Driver:
    """What three registers know of a person; None for one that has nothing."""

    licence: Licence | None = None
    offences: Offences | None = None
    taxi: Taxi | None = None


@dataclass(frozen=True, slots=True)
class _Role:
    """Somebody of the cast: on the city's household register, or else living as `life` says."""

    driver: Driver
    life: str = ""


def _driver(
    *,
    licence: Licence | None = Licence(),
    offences: Offences | None = None,
    taxi: Taxi | None = Taxi(),
    life: str = "",
) -> _Role:
    return _Role(Driver(licence, offences, taxi), life)


ROLES: Final[Mapping[str, _Role]] = {
    "driver": _driver(),
    "driver_with_permit": _driver(life="endorsement_due"),
    "driver_permit_suspended": _driver(life="permit_suspended"),
    "driver_without_permit": _driver(life="resident"),
    "licensed_three_years_today": _driver(licence=Licence(first_issued=Ago(3))),
    "licensed_one_day_short": _driver(licence=Licence(first_issued=Ago(3, 1))),
    "licence_reissued": _driver(licence=Licence(first_issued=None)),
    "motorcyclist": _driver(licence=Licence("D")),
    "automatic_only": _driver(licence=Licence("C2")),
    "licence_overdue": _driver(licence=Licence(state="R")),
    "fines_unpaid": _driver(licence=Licence(state="H")),
    "no_licence": _driver(licence=None),
    "eleven_points": _driver(licence=Licence(highest_points=11)),
    "twelve_points": _driver(licence=Licence(highest_points=12)),
    "drunk_driver": _driver(licence=Licence(drink_driving=True)),
    "accident_of_another": _driver(licence=Licence(highest_points=12, disputed=True)),
    "accident_crime": _driver(offences=Offences(accident_crime=True)),
    "dangerous_driver": _driver(offences=Offences(dangerous_driving=True)),
    "drug_user": _driver(offences=Offences(drug_use=True)),
    "violent_criminal": _driver(offences=Offences(violent_crime=True)),
    "same_name": _driver(offences=Offences(violent_crime=True, of_namesake=True)),
    "exam_three_years_ago": _driver(taxi=Taxi(exam_date=Ago(3))),
    "exam_expired_yesterday": _driver(taxi=Taxi(exam_date=Ago(3, -1))),
    "exam_elsewhere": _driver(taxi=Taxi(exam_city="440100")),
    "exam_failed": _driver(taxi=Taxi(exam="FAILED")),
    "no_exam": _driver(taxi=None),
    "revoked_three_years_ago": _driver(taxi=Taxi(revoked=Ago(3))),
    "revoked_before_that": _driver(taxi=Taxi(revoked=Ago(3, -1))),
}
"""The cast. A role's place in the list gives its birth day: new ones go to the end."""

_SEQUENCE: Final = 17
"""Of the cast that lives of its own: on the city's household register."""


class Drivers:
    """What is known of everybody in a city as a driver."""

    def __init__(self, city: City) -> None:
        self._city = city

    def of(self, person: Person) -> Driver:
        """The person as a driver."""
        role = _BY_NUMBER.get((int(person.id_number[14:17]), person.birth_date))
        return self._drawn(person) if role is None else role.driver

    def cast(self) -> Mapping[str, Person]:
        """People that tests and demonstrations need, by what is special about their driving."""
        lives = Lives(self._city).cast()
        return MappingProxyType(
            {
                name: lives[role.life]
                if role.life
                else self._city.cast_member(_born(place), _SEQUENCE)
                for place, (name, role) in enumerate(ROLES.items())
            }
        )

    def _drawn(self, person: Person) -> Driver:
        """Most people have nothing against them; the dead and the young are on no register."""
        dice = self._city.dice("driver", person.id_number)
        grown_for = (_LAST_DAY - person.birth_date).days - 18 * 366
        if person.death_date is not None or grown_for <= 0:
            return Driver()
        licence = _licence(dice, grown_for) if dice(3) else None
        return Driver(
            licence=licence,
            offences=_offences(dice) if dice(25) == 0 else None,
            taxi=_taxi(dice)
            if licence is not None and grown_for > 5_000 and dice(6) == 0
            else None,
        )


def _licence(dice: Dice, grown_for: int) -> Licence:
    held_for = dice(min(grown_for, 12_000))
    return Licence(
        vehicle_class=("C1", "C1", "C1", "C2", "C2", "B2", "A1", "D")[dice(8)],
        state="EFGRHJBDK"[dice(9)] if dice(15) == 0 else "A",
        first_issued=None if dice(40) == 0 else _LAST_DAY - timedelta(days=held_for),
        highest_points=dice(12) + (12 if dice(12) == 0 else 0),
        drink_driving=dice(40) == 0,
    )


def _offences(dice: Dice) -> Offences:
    kind = ("accident_crime", "dangerous_driving", "drug_use", "violent_crime")[dice(4)]
    return Offences(**{kind: True}, of_namesake=dice(8) == 0)


def _taxi(dice: Dice) -> Taxi:
    return Taxi(
        exam=("PASSED", "PASSED", "PASSED", "FAILED")[dice(4)],
        exam_city=("440300", "440300", "440300", "441900")[dice(4)],
        exam_date=_LAST_DAY - timedelta(days=dice(1_800)),
        revoked=_LAST_DAY - timedelta(days=dice(2_500)) if dice(15) == 0 else None,
    )


def _born(place: int) -> date:
    return date(1988, 7, 1) + timedelta(days=place)


_BY_NUMBER: Final = {
    (int(person.id_number[14:17]), person.birth_date): ROLES[name]
    for name, person in Drivers(City(0)).cast().items()
}
"""Cast members are the same in every city."""
