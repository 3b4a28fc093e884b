"""Work and its loss in the sandbox city; a pure function of who it is.

Nothing here contradicts what the city and `lives` say of a person: whoever is insured as working
is not out of work, the representative of a firm in business holds a business, and the dead have
neither. Days are counted from the day of the question, so that a role means the same on any day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

from evidence_adapters.sandbox.city import City, Dice, Person
from evidence_adapters.sandbox.firms import Firms
from evidence_adapters.sandbox.life_roles import OUT_OF_WORK
from evidence_adapters.sandbox.lives import Lives

Ground = Literal["01", "02", "03", "04", "05", "06", "11", "12", "99"]
"""Why the last job ended, as the employment office numbers it; 01 to 06 are lawful grounds."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of unemployment insurance.

    Attributes:
        contributed: Months paid and not yet counted for a benefit.
        unused: Months granted before and not drawn.
        gathering: Whether other places' months are still being gathered.
    """

    contributed: int = 60
    unused: int = 0
    in_payment: bool = False
    pension: bool = False
    gathering: bool = False


@dataclass(frozen=True, slots=True)
class Registration:
    """An entry at the employment office.

    Attributes:
        days_ago: From the registration to the day of the question.
        claim_days: From the day of the question to the last on which a claim is in time.
        disputed: Whether employer and worker differ on why the job ended.
    """

    registered: bool = True
    days_ago: int = 5
    claim_days: int = 4
    ground: Ground = "01"
    reemployed: bool = False
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """What is known of a person's work; None for a register that has nothing.

    Attributes:
        stall: Whether the person has a business that is not one of the city's firms.
    """

    account: Account | None = None
    registration: Registration | None = None
    custody: Literal["", "服刑", "强制隔离戒毒"] = ""
    stall: bool = False


def _out_of_work(
    account: Account | None = Account(),
    registration: Registration | None = Registration(),
    custody: Literal["", "服刑", "强制隔离戒毒"] = "",
    *,
    stall: bool = False,
) -> Work:
    return Work(account, registration, custody, stall)


ROLES: Final[Mapping[str, Work]] = {
    "job_seeker": _out_of_work(),
    "insured_eleven_months": _out_of_work(Account(11)),
    "insured_one_year": _out_of_work(Account(12)),
    "eleven_months_and_unused": _out_of_work(Account(11, unused=2)),
    "insured_four_years": _out_of_work(Account(48)),
    "insured_53_months": _out_of_work(Account(53)),
    "insured_54_months": _out_of_work(Account(54)),
    "insured_thirty_years": _out_of_work(Account(360)),
    "capped_by_unused": _out_of_work(Account(150, unused=9)),
    "never_insured": _out_of_work(None),
    "months_elsewhere": _out_of_work(Account(gathering=True)),
    "claims_on_the_last_day": _out_of_work(registration=Registration(days_ago=9, claim_days=0)),
    "claims_a_day_late": _out_of_work(registration=Registration(days_ago=10, claim_days=-1)),
    "dismissed": _out_of_work(registration=Registration(ground="02")),
    "resigned": _out_of_work(registration=Registration(ground="11")),
    "no_reason_stated": _out_of_work(registration=Registration(ground="99")),
    "reason_disputed": _out_of_work(registration=Registration(ground="11", disputed=True)),
    "not_registered_as_unemployed": _out_of_work(registration=None),
    "found_work": _out_of_work(registration=Registration(registered=False, reemployed=True)),
    "pensioner": _out_of_work(Account(pension=True)),
    "benefit_in_payment": _out_of_work(Account(in_payment=True)),
    "prisoner": _out_of_work(custody="服刑"),
    "in_drug_treatment": _out_of_work(custody="强制隔离戒毒"),
    "stall_owner": _out_of_work(stall=True),
    "deceased_job_seeker": _out_of_work(),
}
"""The cast. A role's place in the list gives its birth day: new ones go to the end."""

_DECEASED: Final = 32
"""Sequence of somebody of the cast who has died."""


class Jobs:
    """The work of everybody in a city."""

    def __init__(self, city: City) -> None:
        self._city = city

    def of(self, person: Person) -> Work:
        """The person's work, or the loss of it."""
        role = _BY_NUMBER.get(person.id_number)
        return self._drawn(person) if role is None else role

    def holds_business(self, person: Person) -> bool:
        """Whether the person has a business, one of the city's firms or another."""
        return self.of(person).stall or person.id_number in _representatives(self._city.seed)

    def cast(self) -> Mapping[str, Person]:
        """People that tests and demonstrations need, by what is special about their work."""
        return MappingProxyType(
            {
                name: self._city.cast_member(
                    date(1983, 7, 1) + timedelta(days=place),
                    _DECEASED if name.startswith("deceased") else OUT_OF_WORK,
                )
                for place, name in enumerate(ROLES)
            }
        )

    def _drawn(self, person: Person) -> Work:
        """Somebody's ordinary work; who is not insured has none to lose."""
        dice, insured = (
            self._city.dice("work", person.id_number),
            Lives(self._city).of(person).insurance,
        )
        if insured is None:
            return Work(stall=person.death_date is None and dice(60) == 0)
        out_of_work = not insured.active
        most = 12 * (2025 - person.birth_date.year - 18)
        held = ("服刑", "强制隔离戒毒")[dice(2)] if out_of_work and dice(12) == 0 else ""
        return Work(
            account=_account(dice, min(most, 480), out_of_work=out_of_work),
            registration=_registration(dice, out_of_work=out_of_work),
            custody=held,  # type: ignore[arg-type]  # one of the three above
            stall=dice(25) == 0,
        )


def _account(dice: Dice, most: int, *, out_of_work: bool) -> Account:
    return Account(
        contributed=dice(most + 1),
        unused=dice(12) if dice(6) == 0 else 0,
        in_payment=out_of_work and dice(5) == 0,
        gathering=dice(30) == 0,
    )


def _registration(dice: Dice, *, out_of_work: bool) -> Registration | None:
    """Those out of work have registered or not; some who work again had."""
    if dice(2 if out_of_work else 12):
        return None
    since = 1 + dice(60)
    grounds: tuple[Ground, ...] = ("01", "01", "02", "02", "03", "04", "05", "06", "11", "12", "99")
    return Registration(
        registered=out_of_work,
        days_ago=since,
        claim_days=9 - since,
        ground=grounds[dice(len(grounds))],
        reemployed=not out_of_work,
        disputed=dice(20) == 0,
    )


@lru_cache(maxsize=8)
def _representatives(seed: int) -> frozenset[str]:
    """Who stands for a firm that is in business, by the seed of the city."""
    return frozenset(
        firm.representative for firm in Firms(City(seed)) if firm.status == "in_business"
    )


_BY_NUMBER: Final = {person.id_number: ROLES[name] for name, person in Jobs(City(0)).cast().items()}
"""Cast members are the same in every city."""
