"""The office's days: which are worked on, and when a promised limit ends (民法典 201–203).

The day on which a limit begins is not counted. It ends on its last day when the office closes; a
last day on which the office is shut moves to the next on which it is open.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError

from decision_service.matter import read_toml, unfit
from decision_service.model import Frozen, Limit

FILE = "workdays.toml"

_SATURDAY = 5
_DAY = timedelta(days=1)


class _File(Frozen):
    """``matters/workdays.toml``, as the city keeps it by the State Council's yearly notice."""

    closes: time = time(18)
    holidays: list[date] = Field(default_factory=list)
    workdays: list[date] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Workdays:
    """When the office is open.

    Attributes:
        holidays: Days of the week on which it is shut all the same.
        workdays: Days of the weekend on which it works (调休).
        closes: Wall clock time of the city at which a day ends for the office.
    """

    holidays: AbstractSet[date] = field(default_factory=frozenset)
    workdays: AbstractSet[date] = field(default_factory=frozenset)
    closes: time = time(18)

    def is_open(self, day: date) -> bool:
        """Whether the office works on that day."""
        if day.weekday() >= _SATURDAY:
            return day in self.workdays
        return day not in self.holidays

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
    """The office's days as a city's folder has them; Monday to Friday where it says nothing.

    Raises:
        InvalidPublicationError: The file is wrong.
    """
    path = city / "matters" / FILE
    if not path.is_file():
        return Workdays()
    where = f"matters/{FILE}"
    try:
        read = _File.model_validate(read_toml(path.read_text(encoding="utf-8"), where))
    except (ValidationError, UnicodeDecodeError) as error:
        raise unfit("WORKDAYS_INVALID", where, [str(error).splitlines()[0]]) from None
    return Workdays(frozenset(read.holidays), frozenset(read.workdays), read.closes)
