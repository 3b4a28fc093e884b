"""How long what tells who is kept, by what happened and in which matter (个人信息保护法 19)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from decision_service.datafile import DataFile, WrongValueError
from decision_service.model import Frozen, MatterId
from decision_service.release import Release

FILE = "retention.toml"

_INVALID = "RETENTION_INVALID"

PERMANENT, OF_MATTER = "permanent", "matter"

_TERM = re.compile(r"P([1-9][0-9]{0,2})([YMD])\Z")
_KIND = re.compile(r"[a-z][a-z_]{0,39}\Z")


class _File(Frozen):
    """``matters/retention.toml``, as the city's archive rules have it."""

    terms: dict[str, str] = Field(default_factory=dict)

    @field_validator("terms")
    @classmethod
    def _are_terms(cls, terms: dict[str, str]) -> dict[str, str]:
        for kind, term in terms.items():
            if not _KIND.match(kind) or not (term == OF_MATTER or is_term(term)):
                raise WrongValueError(
                    zh=f"{kind} 的期限应写成 P10Y、permanent 或 matter 的样子",
                    en=f"`{kind}` has no term like `P10Y`, `permanent` or `matter`: write one",
                )
        return terms


@dataclass(frozen=True, slots=True)
class Terms:
    """What a city has laid down.

    Attributes:
        by_kind: Term of each kind of entry, e.g. of ``access``; others have their matter's.
    """

    by_kind: Mapping[str, str] = field(default_factory=dict)

    def kept_since(
        self,
        kind: str,
        matter: MatterId,
        releases: Iterable[Release],
        now: datetime,
        zone: ZoneInfo,
    ) -> datetime | None:
        """Of when the oldest is that is still kept; None if everything is.

        Args:
            kind: What happened, without version.
            matter: The matter that it is about; empty if none.
            releases: All that are published: the longest term of a matter counts.
            now: On which day, in the city's zone.
        """
        term = self.by_kind.get(kind, OF_MATTER)
        terms = [term]
        if term == OF_MATTER:
            terms = [one.matter.retention for one in releases if one.matter.id == matter]
        if not terms or not all(map(is_term, terms)) or PERMANENT in terms:
            return None
        today = now.astimezone(zone).date()
        return datetime.combine(min(_before(today, one) for one in terms), time(), zone)


def is_term(text: str) -> bool:
    """Whether that is a term that something can be kept for."""
    return text == PERMANENT or _TERM.match(text) is not None


def load(city: Path) -> Terms:
    """The terms as a city's folder has them; those of the matters where it says nothing.

    Raises:
        InvalidPublicationError: The file is wrong.
    """
    path = city / "matters" / FILE
    if not path.is_file():
        return Terms()
    where = f"matters/{FILE}"
    read = DataFile.open(path, where, _INVALID).read(_File, _INVALID)
    return Terms(read.terms)


def _before(day: date, term: str) -> date:
    """The day that lies a term before; of a day that there is not, the one before it."""
    found = _TERM.match(term)
    assert found is not None, term  # noqa: S101  # it was held against `is_term`
    number, unit = int(found[1]), found[2]
    if unit == "D":
        return day - timedelta(days=number)
    months = day.year * 12 + day.month - 1 - (number * 12 if unit == "Y" else number)
    year, month = divmod(months, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))
