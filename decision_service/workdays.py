"""The office's days: which are worked on, and when a promised limit ends (民法典 201–203).

The day on which a limit begins is not counted. It ends on its last day when the office closes; a
last day on which the office is shut moves to the next on which it is open.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from decision_service.datafile import DataFile, WrongValueError
from decision_service.model import Calendar, Frozen, Limit, is_weekend

FILE = "workdays.toml"

_INVALID = "WORKDAYS_INVALID"

_DAY = timedelta(days=1)
_FIXED = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
"""Month and day of the holidays that no notice moves (全国年节及纪念日放假办法 Art. 2, of 2024)."""


class Year(Frozen):
    """The office's days of a year, by the State Council's notice.

    Attributes:
        holidays: Days of the week on which it is shut all the same.
        workdays: Days of the weekend on which it works (调休).
    """

    notice: str = Field(min_length=1)
    holidays: list[date]
    workdays: list[date]

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        for day in self.holidays:
            if is_weekend(day):
                raise WrongValueError(
                    zh=f"{day} 是周末，本来不上班，请从 holidays 中删去",
                    en=f"{day} is a holiday, but of a weekend, which is free already: delete it",
                )
        for day in self.workdays:
            if not is_weekend(day):
                raise WrongValueError(
                    zh=f"{day} 不是周末，本来就上班，请从 workdays 中删去",
                    en=f"{day} is worked, but is no day of a weekend: delete it",
                )
        return self


class _File(Frozen):
    """``matters/workdays.toml``, as the city keeps it."""

    closes: time = time(18)
    years: dict[str, Year] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_each_of_its_year(self) -> Self:
        for number, year in self.years.items():
            for day in [*year.holidays, *year.workdays]:
                if str(day.year) != number:
                    raise WrongValueError(
                        zh=f"{day} 写在了 {number} 年下，请移到 {day.year} 年",
                        en=f"{day} stands under {number}: put it under {day.year}",
                    )
        return self


@dataclass(frozen=True, slots=True)
class Workdays:
    """When the office is open.

    Attributes:
        closes: Wall clock time of the city at which a day ends for the office.
    """

    years: Mapping[str, Year] = field(default_factory=dict)
    closes: time = time(18)

    @property
    def calendar(self) -> Calendar:
        """What rules count working days by: the years that have a notice."""
        return Calendar(
            holidays=frozenset(day for year in self.years.values() for day in year.holidays),
            workdays=frozenset(day for year in self.years.values() for day in year.workdays),
        )

    def is_open(self, day: date) -> bool:
        """Whether the office works on that day; of a year without a notice as far as law says."""
        year = self.years.get(str(day.year))
        if year is None:
            return not is_weekend(day) and (day.month, day.day) not in _FIXED
        return day in year.workdays if is_weekend(day) else day not in year.holidays

    def missing(self, first: date, last: date) -> Iterator[int]:
        """The years between two days whose notice is not in the calendar."""
        return (n for n in range(first.year, last.year + 1) if str(n) not in self.years)

    def end_of(self, limit: Limit, begins: date, zone: ZoneInfo) -> datetime:
        """The instant at which a limit that begins on that day ends."""
        day = begins
        if limit.unit == "calendar":
            day += limit.days * _DAY
            while not self.is_open(day):
                day += _DAY
        else:
            for _ in range(limit.days):
                day += _DAY
                while not self.is_open(day):
                    day += _DAY
        return datetime.combine(day, self.closes, zone)


def load(city: Path) -> Workdays:
    """The office's days as a city's folder has them.

    Raises:
        InvalidPublicationError: The file is wrong.
    """
    path = city / "matters" / FILE
    if not path.is_file():
        return Workdays()
    where = f"matters/{FILE}"
    read = DataFile.open(path, where, _INVALID).read(_File, _INVALID)
    return Workdays(read.years, read.closes)
