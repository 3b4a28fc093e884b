"""代办: who acts for the applicant, in which capacity, and whether that is proven. Pure.

A guardian's authority is evidence: a register vouches for it, and before it has done so nothing
else is asked about the ward, so that a stranger learns nothing. An agent's authority is a mandate
of the applicant, which the record holds. Neither ever has more than the applicant would.
"""

from collections.abc import Iterator
from datetime import date

from decision_service.errors import FieldViolation
from decision_service.model import (
    APPLICANT,
    GUARDIAN_RELATION,
    WARD_BIRTH_DATE,
    Authority,
    Capacity,
    Facts,
    Known,
    Matter,
    Party,
    Request,
    Text,
)
from decision_service.rulebook.days import age
from decision_service.rulebook.values import NotKnown

MAJORITY = 18
"""Full years of life from which on nobody's parents act for them any more (民法典 Article 17)."""

NAMES = {
    Capacity.AGENT: Text(zh="代理人", en="agent"),
    Capacity.GUARDIAN: Text(zh="监护人", en="guardian"),
}


def guardian_is_proven(facts: Facts, matter: Matter, filing_date: date) -> bool:
    """Whether the register vouches that the guardian acts for the applicant on that day.

    A parent does until the child is of age; who was appointed does as long as the register says
    so (民法典 Articles 23, 27, 28, 34).
    """
    match facts.get(GUARDIAN_RELATION), facts.get(WARD_BIRTH_DATE):
        case Known(value="appointed"), _:
            return True
        case Known(value="parent"), Known(value=date() as born):
            years = age(born, filing_date, matter.age_convention)
            return not isinstance(years, NotKnown) and years < MAJORITY
        case _:
            return False


def unfit_representation(request: Request) -> Iterator[FieldViolation]:
    """What does not hold together in who acts for whom."""
    authority, applicant = request.authority, request.parties[0]
    acting = [party for party in request.parties[1:] if party.role in set(Capacity)]
    if not authority.agent_for:
        for party in acting:
            yield _wrong(
                "parties",
                "NOBODY_ACTS",
                f"names the {party.role}, but nobody acts for anybody: set `authority.agent_for`",
                "列有代办人，但未写明为谁代办；请填写 authority.agent_for",
            )
        return
    if authority.agent_for != APPLICANT:
        yield _wrong(
            "authority.agent_for",
            "NOT_REPRESENTED",
            f"must be empty or `{APPLICANT}`: a firm acts through who stands for it",
            "应为空或 applicant；单位由其法定代表人办理",
        )
    if same_person(applicant, authority.person):
        yield _wrong(
            "authority.agent_for",
            "SAME_PERSON",
            "must be empty: nobody is their own agent or guardian",
            "应为空：不能为自己代办",
        )
    if authority.person.role not in set(Capacity):
        yield _wrong(
            "authority.person.role",
            "NO_CAPACITY",
            "must be `agent` or `guardian`, for whoever acts for another",
            "代办的，应为 agent（代理人）或 guardian（监护人）",
        )
    elif [one.role for one in acting] != [authority.person.role] or not same_person(
        acting[0], authority.person
    ):
        yield _wrong(
            "parties",
            "NOT_A_PARTY",
            "must name who acts, and nobody else, in the role of `authority.person`",
            "应列明代办人本人，其角色与 authority.person 一致，且只有一人",
        )


def same_person(one: Party, other: Party) -> bool:
    """Whether two parties are one person."""
    return one.named_by in other.documents or other.named_by in one.documents


def acting_words(authority: Authority, applicant: Party) -> Text | None:
    """The line of a notice that says who has acted for whom; None for the applicant's own act."""
    capacity = authority.capacity
    if capacity is None:
        return None
    name, who, for_whom = NAMES[capacity], _tail(authority.person), _tail(applicant)
    return Text(
        zh=f"申请人（证件尾号 {for_whom}）由{name.zh}（证件尾号 {who}）代为办理。"
        "如非您本意，可随时撤回、提出异议或者要求由工作人员办理。",
        en=f"For the applicant (document ending in {for_whom}) the {name.en} (document ending in "
        f"{who}) has acted. If that was not wanted, you can withdraw it, object, or ask for a "
        "person at any time.",
    )


def _tail(party: Party) -> str:
    return party.named_by.number[-4:]


def _wrong(at: str, reason: str, message: str, zh: str) -> FieldViolation:
    return FieldViolation(field=at, reason=reason, message=message, zh=zh)
