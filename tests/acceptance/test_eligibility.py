"""Whether somebody could be granted something, without applying; asked over a real port."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from decision_service.catalogue import Catalogue
from decision_service.eligibility import Eligibility, check
from decision_service.errors import TooOftenError
from decision_service.model import PrefillRequest
from decision_service.office import Office
from decision_service.v1.decision_pb2 import CheckEligibilityResponse, DecideResponse
from evidence_adapters.sandbox import City, Person
from tests import service
from tests.acceptance.rights import soon
from tests.service import CHECK, DECIDE, Answer, Town
from tests.words import MOMENTS, in_words

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def at() -> Clock:
    return Clock()


@pytest.fixture
async def town(
    tmp_path: Path, published: Catalogue, people: City, at: Clock
) -> AsyncIterator[Town]:
    async with service.town(tmp_path, published, people, at) as town:
        yield town


@pytest.fixture
def cast(people: City) -> Any:
    return people.cast(NOW.date())


async def asked(town: Town, person: Person, at: Clock, **changes: Any) -> Answer:
    request = service.application(person, at(), **changes)
    return await town.wire.call(CHECK, service.message(CHECK, request))


def read(answer: Answer) -> CheckEligibilityResponse:
    assert answer.code == "OK", answer.words
    return CheckEligibilityResponse.FromString(answer.responses[0])


async def test_every_requirement_is_answered_with_its_facts_and_law_and_nothing_is_decided(
    town: Town, cast: Any, at: Clock
) -> None:
    before = town.trail.size()

    met = read(await asked(town, cast["aged_75"], at))
    missed = read(await asked(town, cast["outside_hukou"], at))
    unfinished = read(await asked(town, cast["aged_95"], at, answers={}))

    assert met.prospect == CheckEligibilityResponse.PROSPECT_MEETS_ALL
    assert {one.code for one in met.requirements} == {"REQUIREMENT_MET"}
    assert all(one.legal_basis and one.used and one.text.zh for one in met.requirements)
    assert missed.prospect == CheckEligibilityResponse.PROSPECT_MISSES_SOME
    assert [one.requirement for one in missed.requirements if one.code.endswith("NOT_MET")] == [
        "R2"
    ]
    assert {gap.field for gap in unfinished.gaps} == {"applicant.mobile", "applicant.truthful"}
    for found in (met, missed, unfinished):
        assert "不是行政决定" in found.disclaimer.zh
        assert "no decision" in found.disclaimer.en

    entries = [await town.trail.read(index) for index in range(before, town.trail.size())]
    assert [(one.type, one.permanent["flow"]) for one in entries] == [
        ("access/1", "eligibility")
    ] * 3
    assert all(one.case is None for one in entries), "no case"


async def test_a_check_takes_nothing_from_the_application_that_follows(
    town: Town, cast: Any, at: Clock
) -> None:
    await asked(town, cast["aged_75"], at)

    application = service.application(cast["aged_75"], at())
    answered = await town.wire.call(DECIDE, service.message(DECIDE, application))

    decision = DecideResponse.FromString(answered.responses[0]).decision
    assert decision.WhichOneof("outcome") == "approved"


async def test_who_checks_too_often_waits_and_others_do_not(
    town: Town, cast: Any, at: Clock
) -> None:
    for _ in range(20):
        read(await asked(town, cast["aged_75"], at))
        at.now += timedelta(minutes=1)
    questions = town.traces

    refused = await asked(town, cast["aged_75"], at)

    assert in_words(refused) == MOMENTS["the twenty-first check within an hour"]
    assert refused.details["RetryInfo"].retry_delay.seconds == 40 * 60
    assert town.traces == questions
    read(await asked(town, cast["aged_95"], at))
    at.now += timedelta(minutes=41)
    read(await asked(town, cast["aged_75"], at))


async def test_who_checks_all_at_once_gets_no_more_checks_than_one_by_one(
    office: Office, clock: Any, ask_for: Callable[..., PrefillRequest], people: City
) -> None:
    person = people.cast(office.today(clock()))["aged_75"]
    checks = (
        check(ask_for(person, "library_card"), office=office, now=clock(), deadline=soon())
        for _ in range(30)
    )

    ends = await asyncio.gather(*checks, return_exceptions=True)

    assert Counter(map(type, ends)) == {Eligibility: 20, TooOftenError: 10}
