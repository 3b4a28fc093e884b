"""The cast whose lives are told, and the names to ask for them by."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from evidence_adapters.sandbox.life import (
    Disability,
    Education,
    Household,
    Housing,
    Insurance,
    Life,
    Member,
    Relation,
    Residence,
    Service,
    Subsidies,
    Talent,
)


@dataclass(frozen=True, slots=True)
class Role:
    """What is special about the life of somebody of the cast, who is else as the sequence says.

    Attributes:
        sequence: 17 is on the city's household register, 27 on another's.
        born: None where the age does not matter.
    """

    life: Life
    sequence: int = 27
    born: date | None = None


_HERE, _PAID, _MASTER = Residence(), Insurance(), Education("master")
_MILD, _ALONE = Disability("physical", 4), Household()


def _introduced(
    education: Education | None = _MASTER,
    *,
    route: Literal["on_the_job", "graduate", "returnee"] = "on_the_job",
    introduced: date = date(2021, 3, 1),
    insurance: Insurance = _PAID,
    housing: Housing | None = None,
    subsidies: Subsidies | None = None,
    sequence: int = 17,
    born: date | None = None,
) -> Role:
    """A talent who is in good order for the subsidy of 2021 but for what is given."""
    life = Life(None, insurance, education, Talent(route, introduced), housing, subsidies)
    return Role(life, sequence, born)


def _disabled(
    disability: Disability | None = _MILD,
    *,
    service: Service | None = None,
    household: Household | None = _ALONE,
    subsidies: Subsidies | None = None,
    sequence: int = 17,
) -> Role:
    """Somebody of the city who may have a claim to the care subsidy."""
    life = Life(disability=disability, service=service, household=household, subsidies=subsidies)
    return Role(life, sequence)


def _household(*others: Member, relation: Relation = "head") -> Role:
    return _disabled(household=Household(relation, others))


_SHORT = Insurance(unbroken=11, in_two_years=17)

ROLES: Final[Mapping[str, Role]] = {
    "resident": Role(Life(_HERE, _PAID)),
    "twelve_months_registered": Role(Life(Residence(months=12), _PAID)),
    "eleven_months_registered": Role(Life(Residence(months=11), _PAID)),
    "registration_ended": Role(Life(Residence(in_force=False), _PAID)),
    "registration_with_gap": Role(Life(Residence(gap_open=True), _PAID)),
    "address_without_code": Role(Life(Residence(coded=False), _PAID)),
    "not_registered": Role(Life(None, _PAID)),
    "insured_twelve_months": Role(Life(_HERE, Insurance(unbroken=12, in_two_years=12))),
    "insured_eighteen_of_two_years": Role(Life(_HERE, Insurance(unbroken=3, in_two_years=18))),
    "insured_too_short": Role(Life(_HERE, _SHORT, Education())),
    "insured_too_short_degree_abroad": Role(Life(_HERE, _SHORT)),
    "recognised_talent": Role(Life(_HERE, talent=Talent())),
    "full_time_student": Role(Life(_HERE, education=Education(studies_here=True))),
    "endorsement_due": Role(Life(Residence(permit="valid", endorsed_days=20), _PAID)),
    "endorsement_too_early": Role(Life(Residence(permit="valid", endorsed_days=40), _PAID)),
    "permit_suspended": Role(Life(Residence(permit="suspended", endorsed_days=-50), _PAID)),
    "permit_cancelled": Role(Life(Residence(permit="cancelled", endorsed_days=-400), _PAID)),
    "local_resident": Role(Life(None, _PAID), sequence=17),
    "introduced_bachelor": _introduced(Education("bachelor"), born=date(1991, 1, 2)),
    "bachelor_aged_30": _introduced(Education("bachelor"), born=date(1991, 1, 1)),
    "introduced_master": _introduced(born=date(1986, 1, 2)),
    "master_aged_35": _introduced(born=date(1986, 1, 1)),
    "introduced_doctor": _introduced(Education("doctor"), born=date(1981, 1, 2)),
    "doctor_aged_40": _introduced(Education("doctor"), born=date(1981, 1, 1)),
    "graduate_aged_40": _introduced(route="graduate", born=date(1980, 5, 1)),
    "returnee_part_time": _introduced(Education("master", full_time=False), route="returnee"),
    "returnee_degree_abroad": _introduced(None, route="returnee"),
    "degree_part_time": _introduced(Education("master", full_time=False)),
    "no_degree": _introduced(Education()),
    "introduced_a_year_ago": _introduced(introduced=date(2020, 6, 1)),
    "introduced_over_a_year_ago": _introduced(introduced=date(2020, 5, 31)),
    "introduced_on_the_last_day": _introduced(introduced=date(2021, 8, 31)),
    "introduced_after_closing": _introduced(introduced=date(2021, 9, 1)),
    "hukou_elsewhere": _introduced(sequence=27),
    "insurance_stopped": _introduced(insurance=Insurance(0, 12, active=False)),
    "renting_public_housing": _introduced(housing=Housing("renting")),
    "rented_public_housing": _introduced(housing=Housing("rented")),
    "purchase_concession_used": _introduced(housing=Housing(concession=True)),
    "housing_by_letter": _introduced(housing=Housing(by_letter=True)),
    "rent_subsidy_received": _introduced(subsidies=Subsidies(rent=True)),
    "talent_subsidy_received": _introduced(subsidies=Subsidies(talent=True)),
    "severe_grade_2": _disabled(Disability("physical", 2)),
    "physical_grade_3": _disabled(Disability("physical", 3)),
    "intellectual_grade_3": _disabled(Disability("intellectual", 3)),
    "mental_grade_4": _disabled(Disability("mental", 4)),
    "certificate_ends_today": _disabled(Disability("physical", 1, days=0)),
    "certificate_ended_yesterday": _disabled(Disability("physical", 1, days=-1)),
    "certificate_frozen": _disabled(Disability("vision", 1, state="frozen")),
    "veteran_grade_4": _disabled(None, service=Service("veteran", 4)),
    "police_grade_5": _disabled(None, service=Service("police", 5)),
    "veteran_certificate_void": _disabled(None, service=Service("veteran", 1, in_force=False)),
    "spouse_disabled": _household(Member("spouse", certified=True), Member("child")),
    "brother_disabled": _household(Member("spouse"), Member("sibling", certified=True)),
    "ward_of_disabled_head": _household(Member("head", certified=True), relation="ward"),
    "brother_of_disabled_head": _household(Member("head", certified=True), relation="sibling"),
    "spouse_not_known": _household(Member("spouse", certified=None), Member("child")),
    "spouse_not_known_child_disabled": _household(
        Member("spouse", certified=None), Member("child", certified=True)
    ),
    "relation_not_known": _household(Member(None, certified=True)),
    "alone_in_the_book": _household(),
    "not_disabled": _disabled(None),
    "severe_elsewhere": _disabled(Disability("physical", 2), household=None, sequence=27),
    "care_in_payment": _disabled(Disability("physical", 2), subsidies=Subsidies(care=True)),
}
"""The cast. A role's place in the list gives its birth day: new ones go to the end."""


CAST: Final = {
    name: (role.born or date(1988, 1, 1) + timedelta(days=place), role)
    for place, (name, role) in enumerate(ROLES.items())
}
"""The birth day and the role of each."""

OUT_OF_WORK: Final = 19
"""Sequence of those of the cast who have lost their work, and the insurance that went with it."""

ANY_AGE: Final[Mapping[int, Life]] = {
    18: Life(disability=_MILD, household=_ALONE),
    OUT_OF_WORK: Life(insurance=Insurance(unbroken=0, in_two_years=20, active=False)),
}
"""The lives of cast members whose birth day a test chooses, by sequence."""
