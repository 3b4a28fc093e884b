"""By which groups of applicants a city counts how its decisions came out (S14).

No more is known for it than the decisions hold; each grouping names the law that allows it.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from decision_service.datafile import DataFile, Fault, UnfitFileError, WrongValueError
from decision_service.identifiers import resident_id_is_valid
from decision_service.model import BooleanType, Concept, Frozen, Meaning, OptionType, Text

FILE = "groups.toml"

_INVALID = "GROUPS_INVALID"

UNKNOWN = ""
"""The group of those of whom it is not known."""

_NAMES = {
    UNKNOWN: Text(zh="未知", en="not known"),
    "female": Text(zh="女", en="female"),
    "male": Text(zh="男", en="male"),
    "yes": Text(zh="是", en="yes"),
    "no": Text(zh="否", en="no"),
}


class _Grouping(Frozen):
    """A table of the file."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)
    of: str
    legal_basis: str = Field(min_length=1)
    from_ages: tuple[int, ...] = ()

    @field_validator("from_ages", mode="before")
    @classmethod
    def _are_ages(cls, ages: object) -> object:
        if not isinstance(ages, list):
            return ages
        if not all(isinstance(age, int) and 0 < age < 150 for age in ages):
            raise WrongValueError(
                zh="年龄应为 1 至 149 的整数，请更正",
                en="ages are whole numbers from 1 to 149: write such",
            )
        if any(one >= next_ for one, next_ in pairwise(ages)):
            raise WrongValueError(
                zh="年龄应由小到大，请重排", en="each age is above the one before: order them"
            )
        return tuple(ages)


class _File(Frozen):
    """``matters/groups.toml``."""

    least: int = Field(ge=5, le=1_000)
    groups: dict[str, _Grouping]


@dataclass(frozen=True, slots=True)
class Grouping:
    """One way to tell people apart.

    Attributes:
        of: ``sex``, ``age`` or a concept.
        type: Of the concept; None for the others.
        from_ages: First age of each band but the first, in full years on the day of filing.
    """

    name: Text
    of: str
    legal_basis: str
    type: BooleanType | OptionType | None = None
    from_ages: tuple[int, ...] = ()

    def group_of(self, sealed: Mapping[str, Any]) -> str:
        """The group of whom a decision is about, from its sealed part; `UNKNOWN` if it is not."""
        if self.of == "sex":
            number = _number(sealed)
            return UNKNOWN if not number else "male" if int(number[16]) % 2 else "female"
        if self.of == "age":
            number = _number(sealed)
            return self._band(number, sealed["decision"]["filing_date"]) if number else UNKNOWN
        items = sealed["decision"]["evidence"]
        told = dict.fromkeys(one["values"][self.of] for one in items if self.of in one["values"])
        match [*told]:
            case [bool(value)]:
                return "yes" if value else "no"
            case [str(value)]:
                return value
            case _:
                return UNKNOWN

    def name_of(self, group: str) -> Text:
        """What people call a group."""
        if isinstance(self.type, OptionType) and group in self.type.options:
            return self.type.options[group]
        if group in _NAMES:
            return _NAMES[group]
        first, _, last = group.partition("–")
        if not last:
            return Text(zh=f"{first} 岁及以上", en=f"{first} years and over")
        return Text(zh=f"{group} 岁", en=f"{group} years")

    def _band(self, number: str, filing_date: str) -> str:
        """``0–34``, ``35–59``, …, ``90–``."""
        day = date.fromisoformat(filing_date)
        age = day.year - int(number[6:10]) - (f"{day:%m%d}" < number[10:14])
        place = bisect_right(self.from_ages, age)
        first = self.from_ages[place - 1] if place else 0
        last = str(self.from_ages[place] - 1) if place < len(self.from_ages) else ""
        return f"{first}–{last}"


@dataclass(frozen=True, slots=True)
class Groupings:
    """What a city has laid down.

    Attributes:
        least: Groups of fewer persons are not shown by themselves.
        by_id: None of them where it has said nothing: then nothing is counted by groups.
    """

    least: int = 1_000
    by_id: Mapping[str, Grouping] = field(default_factory=dict)


def load(city: Path, meanings: Mapping[Concept, Meaning]) -> Groupings:
    """The groupings of a city's folder.

    Raises:
        InvalidPublicationError: The file is wrong, or names a concept by which nobody can be
            grouped.
    """
    path, where = city / "matters" / FILE, f"matters/{FILE}"
    if not path.is_file():
        return Groupings()
    file = DataFile.open(path, where, _INVALID)
    read = file.read(_File, _INVALID)
    if wrong := [*_wrong(file, read.groups, meanings)]:
        raise UnfitFileError(_INVALID, where, wrong)
    return Groupings(
        read.least,
        {
            id_: Grouping(
                name=Text(zh=one.zh, en=one.en),
                of=one.of,
                legal_basis=one.legal_basis,
                type=_type(one.of, meanings),
                from_ages=one.from_ages,
            )
            for id_, one in read.groups.items()
        },
    )


def _wrong(
    file: DataFile, groups: Mapping[str, _Grouping], meanings: Mapping[Concept, Meaning]
) -> Iterator[Fault]:
    for id_, one in groups.items():
        if one.of not in {"sex", "age"} and _type(one.of, meanings) is None:
            yield file.fault(
                ("groups", id_, "of"),
                f"`{one.of}` 不是 sex、age，也不是有选项的信息项，不能用来分组，请更换",
                f"`{one.of}` is neither `sex`, `age` nor a concept with options: name another",
            )
        if bool(one.from_ages) is not (one.of == "age"):
            yield file.fault(
                ("groups", id_, "from_ages"),
                'from_ages 只与 of = "age" 同用，请补上或删去',
                '`from_ages` goes with `of = "age"`, and with nothing else: add or delete it',
            )


def _type(of: str, meanings: Mapping[Concept, Meaning]) -> BooleanType | OptionType | None:
    meaning = meanings.get(Concept(of))
    type_ = None if meaning is None else meaning.type
    return type_ if isinstance(type_, BooleanType | OptionType) else None


def _number(sealed: Mapping[str, Any]) -> str:
    """The resident number of the applicant; empty if it is not a person with one."""
    documents = sealed["application"]["parties"][0]["documents"]
    numbers = [one["number"] for one in documents if one["kind"] == "resident_id"]
    return numbers[0] if numbers and resident_id_is_valid(numbers[0]) else ""
