"""Applications of the sandbox's cast of people: handed in by the wire, and how they ended."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from decision_service.catalogue import Catalogue
from decision_service.model import MatterId
from decision_service.v1 import vocabulary_pb2 as pb
from decision_service.v1.decision_pb2 import DecideResponse
from evidence_adapters.sandbox import Person
from tests import service
from tests.service import Town

DECIDE = "/decision_service.v1.DecisionService/Decide"
RESIDENCE, TALENT = "residence_permit", "talent_subsidy"
DRIVER, TRADER = "ride_hailing_driver", "sole_trader_setup"
CARE, UNEMPLOYED = "disability_care_subsidy", "unemployment_benefit"

_ALWAYS: Mapping[str, Any] = {
    "applicant.mobile": {"text": "13800000000"},
    "applicant.truthful": {"boolean": True},
}
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    RESIDENCE: {
        **_ALWAYS,
        "applicant.photo_receipt": {"text": "4403202600001234"},
        "applicant.lives_here": {"boolean": True},
    },
    TALENT: {
        **_ALWAYS,
        "applicant.bank_account": {"text": "990000000000000001"},
        "applicant.declares_no_double_subsidy": {"boolean": True},
    },
    DRIVER: {
        **_ALWAYS,
        "applicant.photo_receipt": {"text": "4403202600001234"},
        "applicant.offence_check_agreed": {"boolean": True},
    },
    TRADER: {
        **_ALWAYS,
        "premises.right_promised": {"boolean": False},
        "trader.name": {"text": "罗湖区沙盒百货店"},
        "trader.composition": {"option": "personal"},
        "trader.main_business": {"option": "groceries"},
        "trader.second_business": {"option": "none"},
    },
    CARE: {
        **_ALWAYS,
        "applicant.bank_account": {"text": "990000000000000001"},
        "applicant.lives_in_institution": {"boolean": False},
    },
    UNEMPLOYED: {
        **_ALWAYS,
        "applicant.bank_account": {"text": "990000000000000001"},
        "applicant.seeks_work": {"boolean": True},
        "applicant.not_enlisted_or_emigrated": {"boolean": True},
    },
}
"""What an applicant fills in, by matter."""

Contest: TypeAlias = Mapping[str, str]
"""What the applicant says is wrong, as JSON has it."""

Ended: TypeAlias = tuple[str, Mapping[str, str]]
"""How it ended, and what is granted or what became of each requirement in the way."""


async def decide(
    town: Town,
    published: Catalogue,
    matter: str,
    person: Person,
    contests: Sequence[Contest] = (),
    **changes: Any,
) -> Ended:
    """Hand an application in, all consented, and read what came back."""
    decision = await decision_of(town, published, matter, person, contests, **changes)
    kind = str(decision.WhichOneof("outcome"))
    outcome = getattr(decision, kind)
    if kind == "approved":
        return kind, {one.id: _shown(one.value) for one in outcome.grant}
    return kind, {one.requirement: one.code.removeprefix("REQUIREMENT_") for one in outcome.reasons}


async def decision_of(
    town: Town,
    published: Catalogue,
    matter: str,
    person: Person,
    contests: Sequence[Contest] = (),
    **changes: Any,
) -> pb.Decision:
    """The whole decision."""
    now = town.clock()
    answers = {**ANSWERS[matter], **changes}
    document = service.application(
        person, now, matter=matter, answers=answers, contests=[*contests]
    )
    release = published.release_on(MatterId(matter), today(now))
    asked = [plan.type for plan in release.matter.evidence]
    document["authority"]["consent"]["evidence_types"] = asked
    answer = await town.wire.call(DECIDE, service.message(DECIDE, document))
    assert answer.code == "OK", answer.words
    return DecideResponse.FromString(answer.responses[0]).decision


def today(now: datetime) -> date:
    """The city's civil day."""
    return now.astimezone(ZoneInfo("Asia/Shanghai")).date()


def next_year(day: date) -> str:
    """A year later; on 29 February the last day of February."""
    later = day + timedelta(days=1)
    return (later.replace(year=later.year + 1) - timedelta(days=1)).isoformat()


def referred(**statuses: str) -> Ended:
    """A person decides because of these requirements."""
    return "referred", statuses


def _shown(value: pb.Value) -> str:
    """A granted value as a text."""
    if value.WhichOneof("kind") == "date":
        return date(value.date.year, value.date.month, value.date.day).isoformat()
    return str(getattr(value, str(value.WhichOneof("kind"))))
