"""What registers know of how people live, as plain records.

Days are counted from the day of the question where a role is to mean the same on any day.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

Relation: TypeAlias = Literal[
    "head", "spouse", "child", "grandchild", "parent", "grandparent", "ward", "sibling"
]
"""To the head of a household."""

Category: TypeAlias = Literal[
    "vision", "hearing", "speech", "physical", "intellectual", "mental", "multiple"
]
"""Of a disability (GB/T 26341)."""


@dataclass(frozen=True, slots=True)
class Residence:
    """A residence registration and the permit that rests on it.

    Attributes:
        months: Full months without a break up to now.
        gap_open: Whether a gap in them is yet to be checked.
        coded: Whether the address has a house code.
        endorsed_days: From the day of the question to the last day of the endorsement; before it
            if negative. None without a permit.
    """

    months: int = 30
    in_force: bool = True
    gap_open: bool = False
    coded: bool = True
    permit: Literal["none", "valid", "suspended", "cancelled"] = "none"
    endorsed_days: int | None = None


@dataclass(frozen=True, slots=True)
class Insurance:
    """Months of social insurance up to the last one settled, and whether it goes on."""

    unbroken: int = 36
    in_two_years: int = 24
    active: bool = True


@dataclass(frozen=True, slots=True)
class Education:
    """The highest degree on record, and present studies in this city."""

    degree: Literal["none", "bachelor", "master", "doctor"] = "none"
    full_time: bool = True
    studies_here: bool = False


@dataclass(frozen=True, slots=True)
class Talent:
    """A talent by decision of the city; `introduced` is None for one recognised only."""

    route: Literal["recognition", "on_the_job", "graduate", "returnee"] = "recognition"
    introduced: date | None = None


@dataclass(frozen=True, slots=True)
class Housing:
    """What the city did for somebody's housing; `by_letter` if its bureau answers in weeks."""

    tenancy: Literal["renting", "rented", "never"] = "never"
    concession: bool = False
    by_letter: bool = False


@dataclass(frozen=True, slots=True)
class Subsidies:
    """What was paid of the subsidies that are paid once, and what is being paid."""

    talent: bool = False
    rent: bool = False
    care: bool = False


@dataclass(frozen=True, slots=True)
class Disability:
    """A disability certificate; `days` from the day of the question to its last one."""

    category: Category = "physical"
    grade: int = 4
    state: Literal["valid", "frozen", "cancelled"] = "valid"
    days: int = 1_000


@dataclass(frozen=True, slots=True)
class Service:
    """A certificate of disability in service."""

    kind: Literal["veteran", "police"] = "veteran"
    grade: int = 4
    in_force: bool = True


@dataclass(frozen=True, slots=True)
class Member:
    """Another member of a household; what is None is not on record."""

    relation: Relation | None
    certified: bool | None = False


@dataclass(frozen=True, slots=True)
class Household:
    """How somebody stands to the head of the household, and who else is in its book."""

    relation: Relation = "head"
    others: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Life:
    """What the registers know of a person; None for a register that has nothing."""

    residence: Residence | None = None
    insurance: Insurance | None = None
    education: Education | None = None
    talent: Talent | None = None
    housing: Housing | None = None
    subsidies: Subsidies | None = None
    disability: Disability | None = None
    service: Service | None = None
    household: Household | None = None
