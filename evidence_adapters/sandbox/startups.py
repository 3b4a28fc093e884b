"""Firms of the sandbox that start up: their partners, and for how long the founder is insured.

Days are counted from the day of the question, so that a role means the same on any day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from evidence_adapters.sandbox.city import City
from evidence_adapters.sandbox.firms import Firm

Ground = Literal[
    "graduate", "returnee", "student", "unemployed", "veteran", "dependant", "disabled", "none"
]

_YEAR: Final = 365


@dataclass(frozen=True, slots=True)
class Partner:
    """Somebody who started the firm.

    Attributes:
        ground: None while it is being checked.
        days: From graduation or return to the day of the question; None of the other grounds.
        granted: Whether the person was counted for a subsidy before.
    """

    ground: Ground | None = "graduate"
    days: int | None = None
    local: bool = True
    granted: bool = False


@dataclass(frozen=True, slots=True)
class Startup:
    """What is known of a firm that starts up.

    Attributes:
        months: For which the founder is insured by it without a break; None if never.
        active: Whether the founder still is.
    """

    partners: tuple[Partner, ...] = ()
    paid: bool = False
    months: int | None = 12
    active: bool = True


_GRADUATE = Partner("graduate", 2 * _YEAR)

ROLES: Final[Mapping[str, Startup]] = {
    "startup": Startup((_GRADUATE,)),
    "startup_too_old": Startup((_GRADUATE,)),
    "startup_too_young": Startup((_GRADUATE,), months=3),
    "startup_insured_five_months": Startup((_GRADUATE,), months=5),
    "startup_insured_six_months": Startup((_GRADUATE,), months=6),
    "startup_never_insured": Startup((_GRADUATE,), months=None),
    "startup_insurance_ended": Startup((_GRADUATE,), active=False),
    "startup_of_ten": Startup((_GRADUATE,) * 10),
    "startup_of_twelve": Startup((_GRADUATE,) * 12),
    "startup_of_many_kinds": Startup(
        (
            _GRADUATE,
            Partner("graduate", 6 * _YEAR),
            Partner("returnee", 4 * _YEAR, local=False),
            Partner("student", local=False),
            Partner("disabled", local=False),
            Partner("veteran"),
            Partner("graduate", _YEAR, granted=True),
            Partner("none"),
        )
    ),
    "startup_with_one_being_checked": Startup((_GRADUATE, Partner(None))),
    "startup_of_nobody_who_counts": Startup((Partner("none"), Partner("unemployed", local=False))),
    "startup_paid_before": Startup((_GRADUATE,), paid=True),
    "startup_without_partners": Startup(),
    "startup_listed_abnormal": Startup((_GRADUATE,)),
}
"""What is special about the firms of the cast with these names; of the others nothing is known."""


class Startups:
    """What is known of every firm of a city that starts up."""

    def __init__(self, city: City) -> None:
        self._city = city

    def of(self, firm: Firm) -> Startup | None:
        """What is known of the firm; None if it never asked to be recognised."""
        return ROLES.get(firm.role) if firm.role else self._drawn(firm)

    def _drawn(self, firm: Firm) -> Startup | None:
        """A few firms have a partner or two; the founder of every other one is insured there."""
        dice = self._city.dice("startup", firm.code)
        grounds: tuple[Ground, ...] = ("graduate", "returnee", "student", "veteran", "none")
        partners = tuple(
            Partner(
                ground=(ground := grounds[dice(len(grounds))]),
                days=dice(4_000) if ground in {"graduate", "returnee"} else None,
                local=dice(2) == 0,
            )
            for _ in range(dice(3) if dice(4) == 0 else 0)
        )
        months = dice(120) if dice(2) else None
        return Startup(partners, months=months, active=dice(6) != 0)
