"""One question to a register of the sandbox city, and what there is to say to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Final, Literal, TypeAlias

from evidence_adapters.sandbox.city import City, Person
from evidence_adapters.sandbox.drivers import Driver, Drivers
from evidence_adapters.sandbox.firms import Firm, Firms, House
from evidence_adapters.sandbox.guardians import Guardians, Relation
from evidence_adapters.sandbox.jobs import Jobs, Work
from evidence_adapters.sandbox.life import Life
from evidence_adapters.sandbox.lives import Lives
from evidence_adapters.sandbox.startups import Startup, Startups
from evidence_adapters.sandbox.traders import Standing, Traders

Condition: TypeAlias = Literal[
    "found", "not_found", "ambiguous", "mismatch", "disputed", "denied", "pending", "unavailable"
]
"""What the register has to say; which code says it is the dialect's business."""

Answer: TypeAlias = Mapping[str, object]

CHINA: Final = timezone(timedelta(hours=8))

_PROMISED: Final = timedelta(days=3)
"""After which a question that a person must answer is answered."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the city knows by the keys of a question: whom, which firm, which house.

    How the person lives, drives and works is looked up by the register that is asked for it.
    """

    city: City
    keys: Mapping[str, str]
    person: Person | None
    firm: Firm | None
    house: House | None

    @property
    def life(self) -> Life | None:
        """How the person lives."""
        return None if self.person is None else Lives(self.city).of(self.person)

    @property
    def driver(self) -> Driver | None:
        """What is known of the person as a driver."""
        return None if self.person is None else Drivers(self.city).of(self.person)

    @property
    def standing(self) -> Standing | None:
        """How the person stands who wants to trade."""
        return None if self.person is None else Traders(self.city).of(self.person)

    @property
    def work(self) -> Work | None:
        """The person's work, or the loss of it."""
        return None if self.person is None else Jobs(self.city).of(self.person)

    @property
    def holds_business(self) -> bool:
        """Whether the person holds a firm or a stall in business."""
        return self.person is not None and Jobs(self.city).holds_business(self.person)

    @property
    def guardianship(self) -> Relation | None:
        """How the second person of the question is the first one's guardian."""
        guardian = self.city.find(self.keys.get("guardian_id_number", ""))
        if self.person is None or guardian is None:
            return None
        return Guardians(self.city).relation(guardian, self.person)

    @property
    def startup(self) -> Startup | None:
        """What is known of the firm as one that starts up."""
        return None if self.firm is None else Startups(self.city).of(self.firm)

    @property
    def is_disputed(self) -> bool:
        """Whether an objection to all records of the firm, or else of the person, is open."""
        subject = self.firm or self.person
        return subject is not None and subject.disputed


def look_up(city: City, keys: Mapping[str, str]) -> Known:
    """Whom and what the keys name."""
    firms, traders = Firms(city), Traders(city)
    unit = keys.get("property_unit")
    return Known(
        city=city,
        keys=keys,
        person=city.find(keys.get("id_number", "")),
        firm=firms.find_firm(keys.get("organisation_code", "")),
        house=firms.find_house(code := keys.get("house_code", "")) or traders.find_house(code)
        if unit is None
        else firms.find_unit(unit) or traders.find_unit(unit),
    )


def look_up_another(city: City, keys: Mapping[str, str]) -> Known:
    """What is known by the same keys of somebody else: none of the values is the same."""
    firms = Firms(city)
    for number in range(len(firms)):
        house = firms.house(number)
        others = {
            "id_number": city.person(number).id_number,
            "guardian_id_number": city.person(number + 1).id_number,
            "organisation_code": firms.firm(number).code,
            "house_code": house.code,
            "property_unit": house.unit,
        }
        if all(others[key] and others[key] != told for key, told in keys.items()):
            return look_up(city, {key: others[key] for key in keys})
    raise LookupError(*keys)


@dataclass(frozen=True, slots=True)
class Turn:
    """One question, and what there is to say to it.

    Attributes:
        about: Whom or what the answer is about; its keys are those that the answer repeats.
        others: Further subjects of the same keys, for an ambiguous answer.
        serial: The register's own number of the answer.
        as_of: For which instant the register vouches.
    """

    about: Known
    others: tuple[Known, ...]
    condition: Condition
    filing_date: date
    serial: str
    as_of: datetime

    @property
    def found(self) -> tuple[Known, ...]:
        """Everything that can have a record in the answer."""
        if self.condition not in {"found", "disputed", "ambiguous"}:
            return ()
        return (self.about, *self.others)

    @property
    def lives(self) -> tuple[tuple[Person, Life], ...]:
        """Everybody who can have a record in the answer, and how they live."""
        return tuple(
            (known.person, life)
            for known in self.found
            if known.person is not None and (life := known.life) is not None
        )

    def word(self, records: Sequence[object]) -> Condition:
        """What the register has to say, with so many records."""
        if self.condition in {"found", "disputed"} and not records:
            return "not_found"
        return self.condition

    @property
    def is_disputed(self) -> bool:
        """Whether an objection to the record is open."""
        return self.condition == "disputed"

    @property
    def today(self) -> date:
        """The civil day of that instant in China."""
        return self.as_of.astimezone(CHINA).date()

    @property
    def stamp(self) -> str:
        """The instant in China's clock, to the second."""
        return self.as_of.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")

    @property
    def digits(self) -> str:
        """The same in fourteen digits."""
        return self.as_of.astimezone(CHINA).strftime("%Y%m%d%H%M%S")

    @property
    def promised(self) -> str:
        """When a person will have answered."""
        return (self.as_of + _PROMISED).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
