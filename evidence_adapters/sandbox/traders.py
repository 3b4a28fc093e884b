"""People of the sandbox city who set up shop: what stands against them, and the houses they let.

Days are counted from the day of the question, so that a role means the same on any day. The house
codes of the cast carry the last day of the lease, as those of firms do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

from evidence_adapters.sandbox.city import PLACE, City, Person
from evidence_adapters.sandbox.firms import DISTRICTS, House, house_code, unit_number

_FIRST: Final = 800_000
"""Number of the cast's first house; firms have none there."""

_DRAWN: Final = 100
"""Sequence from which on people are drawn; below it, nothing stands against whom no role says."""

_HOUSE: Final = re.compile(rf"{PLACE}([0-9]{{8}})([0-9]{{11}})")
_UNIT: Final = re.compile(rf"{PLACE}([0-9]{{6}})GB00001F([0-9]{{8}})")
_LONG: Final = 365
_THREE_YEARS: Final = 3 * 365
_FIVE_YEARS: Final = 5 * 365

Ground = Literal[
    "sentence", "deprivation", "bankruptcy", "revocation", "debt", "capacity", "food", "other"
]


@dataclass(frozen=True, slots=True)
class Bar:
    """One ground that bars from running a business.

    Attributes:
        days: From the day that its term runs from to the day of the question. None: no such day,
            as of a debt, or not yet, as of a sentence that is being served.
        settled: Whether the debt is paid; None of anything else.
    """

    ground: Ground
    days: int | None = None
    settled: bool | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands against a person: bars, and entries of grave dishonesty."""

    bars: tuple[Bar, ...] = ()
    credit_entries: int = 0
    credit_entries_disputed: int = 0


@dataclass(frozen=True, slots=True)
class Role:
    """What is special about somebody of the cast; all else is in good order.

    Attributes:
        sequence: Of the identity number; 19 is alive, local and known to all registers.
        lease_days: Last day of the lease, from the day of filing. None: no lease is filed.
    """

    standing: Standing = Standing()
    house: Mapping[str, Any] = field(default_factory=dict)
    lease_days: int | None = _LONG
    sequence: int = 19
    born: date | None = None
    house_exists: bool = True


@dataclass(frozen=True, slots=True)
class Opening:
    """Who opens a business, and in which house; the house code may be nobody's."""

    trader: Person
    house_code: str


def _barred(*bars: Bar) -> Role:
    return Role(Standing(bars))


ROLES: Final[Mapping[str, Role]] = {
    "leased_shop": Role(),
    "promised_shop": Role(lease_days=None),
    "shop_lease_ended_yesterday": Role(lease_days=-1),
    "shop_lease_ends_on_filing_day": Role(lease_days=0),
    "shop_code_unknown": Role(house_exists=False),
    "shop_in_a_home": Role(house={"use": "residential"}),
    "shop_in_an_illegal_building": Role(house={"illegal": True, "unit": ""}),
    "sentence_running": _barred(Bar("sentence", _FIVE_YEARS)),
    "sentence_run_out": _barred(Bar("sentence", _FIVE_YEARS + 3)),
    "sentence_being_served": _barred(Bar("sentence")),
    "deprivation_running": _barred(Bar("deprivation", _FIVE_YEARS)),
    "bankruptcy_running": _barred(Bar("bankruptcy", _THREE_YEARS)),
    "revocation_running": _barred(Bar("revocation", _THREE_YEARS)),
    "revocation_run_out": _barred(Bar("revocation", _THREE_YEARS + 2)),
    "debt_unpaid": _barred(Bar("debt", settled=False)),
    "debt_paid": _barred(Bar("debt", settled=True)),
    "two_bars_run_out": _barred(
        Bar("bankruptcy", _THREE_YEARS + 2), Bar("deprivation", _FIVE_YEARS + 3)
    ),
    "one_of_two_bars_running": _barred(
        Bar("revocation", _THREE_YEARS + 2), Bar("sentence", _FIVE_YEARS)
    ),
    "without_capacity": _barred(Bar("capacity")),
    "trader_credit_hit": Role(Standing(credit_entries=1)),
    "trader_credit_hit_disputed": Role(Standing(credit_entries=1, credit_entries_disputed=1)),
    "trader_credit_hit_without_lease": Role(Standing(credit_entries=2), lease_days=None),
    "trader_died": Role(sequence=32),
    "trader_minor": Role(born=date(2018, 6, 1)),
    "trader_disputed": Role(sequence=85),
    "food_ban_running": _barred(Bar("food", _FIVE_YEARS)),
    "food_ban_run_out": _barred(Bar("food", _FIVE_YEARS + 3)),
}
"""The cast. A role's place in the list gives birth day and house: new ones go to the end."""


class Traders:
    """What stands against everybody in a city, and the houses of those who open a business."""

    def __init__(self, city: City) -> None:
        self._city = city

    def of(self, person: Person) -> Standing:
        """What stands against the person."""
        sequence = int(person.id_number[14:17])
        role = _BY_BIRTH.get((sequence, person.birth_date))
        if role is not None:
            return role.standing
        return _BY_SEQUENCE.get(sequence, Standing()) if sequence < _DRAWN else self._drawn(person)

    def cast(self, on: date) -> Mapping[str, Opening]:
        """Openings that tests and demonstrations need, by what is special about them.

        Args:
            on: The day of filing, which leases are counted from.
        """
        return MappingProxyType(
            {
                name: Opening(
                    trader=self._city.cast_member(born, role.sequence),
                    house_code=house_code(
                        _FIRST + place, f"{on + timedelta(days=role.lease_days or 0):%Y%m%d}"
                    ),
                )
                for place, (name, (born, role)) in enumerate(_CAST.items())
            }
        )

    def find_house(self, code: str) -> House | None:
        """The house of the house code; None if none of the cast asks for it."""
        found = _HOUSE.fullmatch(code)
        return None if found is None else self._house(int(found[2]), found[1])

    def find_unit(self, unit: str) -> House | None:
        """The house of the property unit number; None if no deed of the cast has it."""
        found = _UNIT.fullmatch(unit)
        house = None if found is None else self._house(int(found[1]), found[2])
        return house if house is not None and house.unit == unit else None

    def _house(self, number: int, day: str) -> House | None:
        place = number - _FIRST
        if not 0 <= place < len(_CAST):
            return None
        born, role = tuple(_CAST.values())[place]
        try:
            lease_end = date.fromisoformat(f"{day[:4]}-{day[4:6]}-{day[6:]}")
        except ValueError:
            return None
        if not role.house_exists:
            return None
        parts: dict[str, Any] = {"unit": unit_number(number, day), "district": DISTRICTS[0]}
        if role.lease_days is not None:
            tenant = self._city.cast_member(born, role.sequence).id_number
            parts |= {"tenant": tenant, "lease_end": lease_end}
        return House(code=house_code(number, day), **{**parts, **role.house})

    def _drawn(self, person: Person) -> Standing:
        """Nothing, of nearly everybody; nobody is barred before coming of age."""
        dice, grown = self._city.dice("standing", person.id_number), person.birth_date.year <= 2004
        entries = 1 + dice(3) if dice(30) == 0 else 0
        grounds: tuple[Ground, ...] = ("sentence", "bankruptcy", "revocation")
        bars = (Bar(grounds[dice(3)], dice(3_000)),) if dice(50) == 0 else ()
        return Standing(bars, entries, dice(entries + 1)) if grown else Standing()


_CAST: Final = {
    name: (role.born or date(1984, 1, 1) + timedelta(days=place), role)
    for place, (name, role) in enumerate(ROLES.items())
}
_BY_BIRTH: Final = {(role.sequence, born): role for born, role in _CAST.values()}
_BY_SEQUENCE: Final = {
    25: Standing((Bar("food", _FIVE_YEARS + 3),)),
    26: Standing((Bar("food", _FIVE_YEARS),)),
}
"""What stands against representatives of firms of the cast."""
