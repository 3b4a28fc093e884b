"""The firms and houses of the sandbox city; each a pure function of the city's seed and a number.

The house of a number is the one that the firm of that number asks to be registered at: it lets or
owns it, or somebody else does. Numbers below two thousand are drawn; those of the cast have roles,
and their house codes carry the last day of the lease, so that a test can choose it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final, Literal

from decision_service.identifiers import organisation_check, organisation_code_is_valid
from evidence_adapters.sandbox.city import PLACE, SHENZHEN, City, Dice, Person
from evidence_adapters.sandbox.roles import ROLES

DISTRICTS: Final = (*SHENZHEN, "440311")

_FIRMS: Final = 2_000
_FIRST_ROLE: Final = 900_000
_CAST: Final = tuple(ROLES.items())
_NO_DAY: Final = "00000000"
_CODE: Final = re.compile(rf"91{PLACE}MA([0-9]{{6}})[0-9X][0-9A-Z]")
_HOUSE: Final = re.compile(rf"{PLACE}([0-9]{{8}})([0-9]{{11}})")
_UNIT: Final = re.compile(rf"{PLACE}([0-9]{{6}})GB00001F([0-9]{{8}})")
_WORDS: Final = "云海星河松石明溪远山晨光青禾白鹭长风新月"
_TRADES: Final = ("科技", "贸易", "餐饮", "文化", "物流", "医疗器械", "设计", "咨询")


@dataclass(frozen=True, slots=True)
class Firm:
    """One that never traded, as all registers of the city know it.

    Attributes:
        code: Unified social credit code (GB 32100).
        representative: Identity number of the legal representative.
        district: Of the registered address (GB/T 2260).
        credit_entries: Entries of grave dishonesty, those under objection among them.
        founded: The day of its registration, or how long before the day of the question.
        listed: Why it is on the list of abnormal operations; "no" if it is not.
        disputed: Whether an objection to all its records is open in every register.
        role: Its name in the cast; empty of the drawn ones.
    """

    code: str
    name: str
    representative: str
    district: str
    status: Literal["in_business", "suspended", "revoked", "cancelled"] = "in_business"
    equity: Literal["free", "frozen", "pledged", "frozen_and_pledged"] = "free"
    class_ii_devices: bool = False
    food_sale: bool = False
    founded: date | timedelta = date(2020, 1, 1)
    credit_entries: int = 0
    credit_entries_disputed: int = 0
    listed: Literal["no", "address", "report"] = "no"
    disputed: bool = False
    role: str = ""


@dataclass(frozen=True, slots=True)
class House:
    """A house or a part of one.

    Attributes:
        code: House code (房屋编码).
        unit: Property unit number (不动产单元号); empty for a house without a deed.
        floor: 1 is at the level of the street; there is no 0.
        heritage: Whether its street is under heritage protection.
        firms: How many firms are registered at it.
        owner: Code of the firm that owns it; empty if no firm does.
        tenant: Code of the firm, or number of the person, that filed the newest lease; empty
            without one.
        lease_end: The last day of that lease.
    """

    code: str
    unit: str
    district: str
    use: Literal["business", "residential", "mixed", "industrial"] = "business"
    illegal: bool = False
    floor: int = 1
    heritage: bool = False
    firms: int = 1
    owner: str = ""
    restriction: Literal["none", "sealed", "objection"] = "none"
    tenant: str = ""
    lease_end: date | None = None


@dataclass(frozen=True, slots=True)
class Filing:
    """Who files for which firm, about which house; the house code may be nobody's."""

    firm: Firm
    filer: Person
    house_code: str


class Firms:
    """Two thousand firms of a city, a house for each, and a cast."""

    def __init__(self, city: City) -> None:
        self._city = city

    def __len__(self) -> int:
        return _FIRMS

    def __iter__(self) -> Iterator[Firm]:
        return (self.firm(number) for number in range(_FIRMS))

    def firm(self, number: int) -> Firm:
        """The firm of this number, from 0 up to the number of firms."""
        _refuse_outside(number)
        dice = self._city.dice("firm", number)
        entries = 1 + dice(3) if dice(25) == 0 else 0
        return Firm(
            code=_code(number),
            name=_name(dice),
            representative=self._representative(dice),
            district=DISTRICTS[dice(len(DISTRICTS))],
            status=("suspended", "revoked", "cancelled")[dice(3)]
            if dice(12) == 0
            else "in_business",
            equity=("frozen", "pledged", "frozen_and_pledged")[dice(3)]
            if dice(20) == 0
            else "free",
            class_ii_devices=dice(6) == 0,
            credit_entries=entries,
            credit_entries_disputed=dice(entries + 1),
            listed=("address", "report")[dice(2)] if dice(20) == 0 else "no",
            disputed=dice(200) == 0,
            food_sale=dice(5) == 0,
            founded=date(2005, 1, 1) + timedelta(days=dice(7_600)),
        )

    def house(self, number: int) -> House:
        """The house that the firm of this number asks to be registered at."""
        district = self.firm(number).district
        dice = self._city.dice("house", number)
        right = ("lease", "lease", "lease", "ownership", "none")[dice(5)]
        lease_end = date(2024, 1, 1) + timedelta(days=dice(2_000))
        return House(
            code=house_code(number, _NO_DAY),
            unit=unit_number(number, _NO_DAY) if dice(15) else "",
            district=district if dice(4) else DISTRICTS[dice(len(DISTRICTS))],
            use=("residential", "mixed", "industrial")[dice(3)] if dice(4) == 0 else "business",
            illegal=dice(25) == 0,
            firms=dice(80) if dice(20) == 0 else dice(5),
            owner=_code(number) if right == "ownership" else "",
            restriction=("sealed", "objection")[dice(2)] if dice(30) == 0 else "none",
            tenant=_code(number) if right == "lease" else "",
            lease_end=lease_end if right == "lease" else None,
            floor=1 + dice(30) if dice(3) else 1,
            heritage=dice(30) == 0,
        )

    def find_firm(self, code: str) -> Firm | None:
        """Whom the code names; None if it is no code, or nobody's."""
        found = _CODE.fullmatch(code)
        if found is None or not organisation_code_is_valid(code):
            return None
        number = int(found[1])
        firm = self.firm(number) if number < _FIRMS else self._cast_firm(number - _FIRST_ROLE)
        return firm if firm is not None and firm.code == code else None

    def find_house(self, code: str) -> House | None:
        """The house of the house code; None if there is none."""
        found = _HOUSE.fullmatch(code)
        return None if found is None else self._house_of(int(found[2]), found[1])

    def find_unit(self, unit: str) -> House | None:
        """The house of the property unit number; None if no deed has it."""
        found = _UNIT.fullmatch(unit)
        house = None if found is None else self._house_of(int(found[1]), found[2])
        return house if house is not None and house.unit == unit else None

    def cast(self, on: date) -> Mapping[str, Filing]:
        """Filings that tests and demonstrations need, by what is special about them.

        Args:
            on: The day of filing, which leases are counted from.
        """
        return MappingProxyType(
            {
                name: Filing(
                    firm=firm,
                    filer=self._cast_filer(place),
                    house_code=house_code(
                        _FIRST_ROLE + place, f"{on + timedelta(days=role.lease_days):%Y%m%d}"
                    ),
                )
                for place, (name, role) in enumerate(_CAST)
                if (firm := self._cast_firm(place)) is not None
            }
        )

    def _cast_firm(self, place: int) -> Firm | None:
        if not 0 <= place < len(_CAST):
            return None
        name, role = _CAST[place]
        plain = Firm(
            code=_code(_FIRST_ROLE + place),
            name=_name(self._city.dice("firm", _FIRST_ROLE + place)),
            representative=self._cast_filer(place, of_right=True).id_number,
            district=DISTRICTS[0],
            role=name,
        )
        return replace(plain, **role.firm)

    def _cast_filer(self, place: int, *, of_right: bool = False) -> Person:
        """Who files for the firm of this place in the cast, or who ought to."""
        _, role = _CAST[place]
        born = date(1980, 1, 1) + timedelta(days=place)
        kinds = {"representative": 15, "another": 16, "deceased representative": 31}
        kinds |= {"banned representative": 26, "once banned representative": 25}
        sequence = kinds["representative" if role.filer == "another" and of_right else role.filer]
        return self._city.cast_member(born, sequence)

    def _house_of(self, number: int, day: str) -> House | None:
        """The house of a number; the day is of the lease, and told by houses of the cast alone."""
        if number < _FIRMS:
            return self.house(number) if day == _NO_DAY else None
        place = number - _FIRST_ROLE
        if not 0 <= place < len(_CAST) or not _CAST[place][1].house_exists:
            return None
        try:
            lease_end = date.fromisoformat(f"{day[:4]}-{day[4:6]}-{day[6:]}")
        except ValueError:
            return None
        role, code = _CAST[place][1], _code(number)
        plain = House(
            code=house_code(number, day), unit=unit_number(number, day), district=DISTRICTS[0]
        )
        match role.right:
            case "ownership":
                plain = replace(plain, owner=code)
            case "lease":
                plain = replace(plain, tenant=code, lease_end=lease_end)
            case "none":
                plain = replace(plain, tenant=_code(0), lease_end=lease_end)
        return replace(plain, **role.house)

    def _representative(self, dice: Dice) -> str:
        """One of the city's people who is grown and alive."""
        first = dice(len(self._city))
        asked = (self._city.person((first + n) % len(self._city)) for n in range(len(self._city)))
        return next(
            person.id_number
            for person in asked
            if person.death_date is None and person.birth_date.year <= 2004
        )


def _refuse_outside(number: int) -> None:
    if not 0 <= number < _FIRMS:
        raise IndexError(number)


def _code(number: int) -> str:
    """A code of GB 32100, whose organisation code follows GB 11714."""
    body = f"MA{number:06d}"
    weighed = zip((3, 7, 9, 10, 5, 8, 4, 2), body, strict=True)
    check = "0X987654321"[sum(weight * int(symbol, 36) for weight, symbol in weighed) % 11]
    first_17 = f"91{PLACE}{body}{check}"
    return first_17 + organisation_check(first_17)


def house_code(number: int, day: str) -> str:
    """The code of the house of this number; the day (eight digits) is its lease's last."""
    return f"{PLACE}{day}{number:011d}"


def unit_number(number: int, day: str) -> str:
    """The number of the deed of the same house."""
    return f"{PLACE}{number:06d}GB00001F{day}"


def _name(dice: Dice) -> str:
    """Of a place that does not exist."""
    first, second = _WORDS[dice(len(_WORDS))], _WORDS[dice(len(_WORDS))]
    return f"沙盒市{first}{second}{_TRADES[dice(len(_TRADES))]}有限公司"
