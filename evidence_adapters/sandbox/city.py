"""The people of the sandbox city; each a pure function of the city's seed and a number.

All of a person follows from the identity number and the seed, so that every register says the same
of everybody. The three digits of sequence tell who it is: below 100 a cast member, whose role they
name, on whatever birth day; from 100 on, one of the ten thousand.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final, Literal

from decision_service.identifiers import birth_date, resident_check, resident_id_is_valid

PLACE: Final = "990000"
"""A place code that GB/T 2260 cannot give."""

SHENZHEN: Final = ("440303", "440304", "440305", "440306", "440307", "440308", "440309", "440310")
ELSEWHERE: Final = ("440106", "441900", "430102", "510104", "110105", "420106")

_FIRST_DAY: Final = date(1920, 1, 1)
_LAST_DAY: Final = date(2025, 12, 31)
_PEOPLE: Final = 10_000
_SEQUENCES: Final = 900
_STRATA: Final = -(-_PEOPLE // _SEQUENCES)
"""People who share a sequence are of different strata, and strata never share a birth day."""

_SURNAMES: Final = "王李张刘陈杨黄赵周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹"
_GIVEN: Final = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀英霞平刚桂兰玉梅建华文国红春海燕志飞鹏辉宁欣雨晨"
)


@dataclass(frozen=True, slots=True)
class Person:
    """One who never lived, as all registers of the city know them.

    Attributes:
        hukou_place: District of the household register (GB/T 2260).
        account: Whose account the allowance card is linked to; "none" without a card, and
            without an allowance the person is then not in the payment ledger at all.
        in_payment: Whether the old-age allowance is being paid.
        library_card: Number of the reader's card; empty without one.
        items_outstanding: Library items not returned.
        reported_dead: Whether the payer has ended the allowance on a report of death that no
            register of deaths confirms.
        disputed: Whether an objection to the person's records is open in every register.
    """

    id_number: str
    name: str
    birth_date: date
    hukou_place: str
    death_date: date | None = None
    account: Literal["own", "another", "none"] = "own"
    in_payment: bool = False
    library_card: str = ""
    items_outstanding: int = 0
    reported_dead: bool = False
    disputed: bool = False


_ROLES: Final[Mapping[range, Mapping[str, object]]] = {
    range(20): {},
    range(20, 30): {"hukou_place": ELSEWHERE[0]},
    range(30, 40): {"death_date": timedelta(days=365)},
    range(40, 50): {"in_payment": True},
    range(50, 55): {"account": "another"},
    range(55, 60): {"account": "none"},
    range(60, 70): {"library_card": "SZL0000060"},
    range(70, 80): {"library_card": "SZL0000070", "items_outstanding": 3},
    range(80, 88): {"disputed": True},
    range(88, 90): {"reported_dead": True},
}
"""What is special about a cast member, by sequence; all else is in good order: local, alive, not
in payment, with a card on an account of their own, no reader. From 90 to 99: on no register."""


class City:
    """Ten thousand people and a cast."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __len__(self) -> int:
        return _PEOPLE

    def __iter__(self) -> Iterator[Person]:
        return (self.person(number) for number in range(_PEOPLE))

    def person(self, number: int) -> Person:
        """The person of this number, from 0 up to the number of people."""
        if not 0 <= number < _PEOPLE:
            raise IndexError(number)
        dice = self.dice(number)
        stratum, position = divmod(number, _SEQUENCES)
        days = (_LAST_DAY - _FIRST_DAY).days // _STRATA
        born = _FIRST_DAY + timedelta(days=dice(days) * _STRATA + stratum)
        local = dice(10) < 7
        alive_for = timedelta(days=(30 + dice(60)) * 365)
        died = born + alive_for if dice(12) == 0 and born + alive_for <= _LAST_DAY else None
        old = _LAST_DAY.year - born.year >= 70
        grown = _LAST_DAY.year - born.year >= 14
        reader = grown and dice(5) == 0
        return Person(
            id_number=_id_number(born, 100 + position),
            name=self._name(dice(1 << 30)),
            birth_date=born,
            hukou_place=SHENZHEN[dice(8)] if local else ELSEWHERE[dice(6)],
            death_date=died,
            account="none" if not old else ("own", "own", "own", "another", "none")[dice(5)],
            in_payment=old and local and died is None and dice(3) == 0,
            library_card=f"SZL{number:07d}" if reader else "",
            items_outstanding=dice(4) if reader and dice(6) == 0 else 0,
            disputed=dice(200) == 0,
        )

    def find(self, id_number: str) -> Person | None:
        """Whom the number names; None if it is no number, or nobody's."""
        if not resident_id_is_valid(id_number) or not id_number.startswith(PLACE):
            return None
        if int(id_number[14:17]) < 100:
            return self._cast_member(id_number)
        # A person's number follows back from the sequence and the stratum of the birth day.
        stratum = (birth_date(id_number) - _FIRST_DAY).days % _STRATA
        number = stratum * _SEQUENCES + int(id_number[14:17]) - 100
        if number >= _PEOPLE:
            return None
        person = self.person(number)
        return person if person.id_number == id_number else None

    def cast_member(self, born: date, sequence: int) -> Person:
        """The cast member of any birth day whose sequence (below 90) names the role."""
        member = self._cast_member(_id_number(born, sequence))
        if member is None:
            raise IndexError(sequence)
        return member

    def cast(self, on: date) -> Mapping[str, Person]:
        """People that tests and demonstrations need, by what is special about them.

        Args:
            on: The day that birthdays are counted from.
        """
        eve = timedelta(days=1)
        born = {
            "aged_75": (date(1950, 12, 1), 1),
            "aged_95": (date(1930, 12, 1), 2),
            "leap_day_born": (date(1920, 2, 29), 3),
            "young_adult": (date(2000, 10, 15), 4),
            "check_digit_x": (date(1955, 10, 1), 5),
            "seventieth_birthday_today": (_years_before(on, 70), 6),
            "one_day_short_of_seventy": (_years_before(on + eve, 70), 7),
            "eightieth_birthday_today": (_years_before(on, 80), 8),
            "last_day_of_79": (_years_before(on + eve, 80), 9),
            "ninetieth_birthday_today": (_years_before(on, 90), 10),
            "hundredth_birthday_today": (_years_before(on, 100), 11),
            "centenarian": (_years_before(on, 103), 12),
            "child": (_years_before(on, 8), 13),
            "newborn": (on, 14),
            "just_of_age": (_years_before(on, 18), 13),
            "one_day_short_of_age": (_years_before(on + eve, 18), 13),
            "guardian": (date(1975, 5, 20), 15),
            "ward": (date(1950, 2, 3), 16),
            "agent": (date(1980, 7, 7), 0),
            "outside_hukou": (date(1949, 5, 4), 20),
            "deceased": (date(1940, 3, 3), 30),
            "already_in_payment": (date(1945, 6, 7), 40),
            "account_of_another": (date(1948, 8, 8), 50),
            "without_card": (date(1951, 1, 11), 55),
            "library_holder": (date(1990, 9, 9), 60),
            "library_outstanding": (date(1985, 4, 12), 70),
            "disputed": (date(1947, 7, 17), 80),
            "reported_dead": (date(1946, 6, 16), 88),
        }
        return MappingProxyType(
            {role: self.cast_member(day, sequence) for role, (day, sequence) in born.items()}
        )

    def _cast_member(self, id_number: str) -> Person | None:
        """Whose sequence names a role; the birth day is free, so that a test can choose it."""
        sequence = int(id_number[14:17])
        born = birth_date(id_number)
        role = next((traits for held, traits in _ROLES.items() if sequence in held), None)
        if role is None:
            return None
        plain = Person(
            id_number=id_number,
            name=self._name(int(id_number[6:17])),
            birth_date=born,
            hukou_place=SHENZHEN[0],
        )
        match role:
            case {"death_date": timedelta() as before_end}:
                return replace(plain, death_date=_LAST_DAY - before_end)
            case _:
                return replace(plain, **role)  # type: ignore[arg-type]  # the table above has Person's fields

    def dice(self, *about: str | int) -> "Dice":
        """Dice of what it is about: the same in every run of a city of this seed."""
        return Dice(hashlib.sha512("/".join(map(str, (self.seed, *about))).encode()).digest())

    def _name(self, draw: int) -> str:
        """A surname and one or two characters, from lists of the commonest."""
        draw, surname = divmod(draw, len(_SURNAMES))
        draw, first = divmod(draw, len(_GIVEN))
        second = draw % (2 * len(_GIVEN))
        return _SURNAMES[surname] + _GIVEN[first] + _GIVEN[second : second + 1]


class Dice:
    """Throws that follow from a digest alone, the same on every machine and for ever."""

    def __init__(self, digest: bytes) -> None:
        self._left = int.from_bytes(digest, "big")

    def __call__(self, sides: int) -> int:
        """One throw, from 0 up to the number of sides."""
        self._left, thrown = divmod(self._left, sides)
        return thrown


def _id_number(born: date, sequence: int) -> str:
    first_17 = f"{PLACE}{born:%Y%m%d}{sequence:03d}"
    return first_17 + resident_check(first_17)


def _years_before(day: date, years: int) -> date:
    """The birth day of those who reach that many years on the day.

    On 29 February, where the year of birth had none: 28 February; a day earlier is old enough.
    """
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
