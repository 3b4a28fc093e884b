"""A clerk works on cases of the matters that their token names, and learns of no other (S20)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from google.protobuf.message import Message

from decision_service.catalogue import Catalogue
from decision_service.v1 import roles_pb2
from evidence_adapters.sandbox import City, Person
from tests import service
from tests.counter import AtCounter, apply
from tests.service import (
    ANSWER,
    ANSWER_RATING,
    ATTACH,
    CLAIM,
    CONTEST,
    DELIVERY,
    DRAW,
    MATTER,
    METHODS,
    OVERRIDE_STATS,
    OVERRIDES,
    PAPER,
    POOR,
    PROPOSALS,
    RATE,
    REFERRALS,
    RESOLVE,
    SAMPLE,
    SECOND_LOOK,
    STANDING,
    TAKE,
    TICKETS,
    Town,
)
from tests.words import COUNTER, in_words

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
module = pytest.mark.asyncio(loop_scope="module")

AT_THE_COUNTER = {
    name: method
    for name, method in METHODS.items()
    if method.containing_service.name in {"CounterService", "AftercareService"}
    and roles_pb2.ROLE_CLERK in method.GetOptions().Extensions[roles_pb2.allowed_roles]
}
"""What clerks do about cases of others. For somebody who stands before them, they do what a portal
does, and that needs the person's proof and no matter of theirs."""

LISTS = (REFERRALS, OVERRIDES, OVERRIDE_STATS, SAMPLE, POOR, TICKETS, PROPOSALS)
"""Of these, what may be asked about all matters."""


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Story:
    """A case of the matter with everything that clerks do about one.

    Attributes:
        more: What a request needs beside what `service.right` says, by method.
    """

    town: Town
    person: Person
    case_id: str
    more: dict[str, dict[str, Any]]

    def request(self, method: str) -> dict[str, Any]:
        asked = service.right(method, self.person, NOW, self.case_id)
        return asked | self.more.get(method, {})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(
    tmp_path_factory: pytest.TempPathFactory, published: Catalogue, people: City
) -> AsyncIterator[Story]:
    at = Clock()
    folder = tmp_path_factory.mktemp("town")
    async with service.town(folder, published, people, at) as town:
        cast = people.cast(NOW.date())
        li, wang = (AtCounter(town, f"clerk-{name}", matters=(MATTER,)) for name in ("li", "wang"))
        await apply(town, cast["outside_hukou"])
        person = cast["aged_75"]
        taken_back = (await apply(town, cast["aged_95"])).case_id
        await li.override(taken_back, "refuse", ground={"reason": "court_order", "citation": "1"})
        decided = (await wang.confirm(taken_back)).decision.receipt.index
        decision = await apply(town, person)
        case_id, index = decision.case_id, decision.receipt.index
        etag = await li.claim(case_id)
        paper = await li.ask(ATTACH, **service.right(ATTACH, person, NOW, case_id) | {"etag": etag})
        rated = service.right(RATE, person, NOW, case_id) | {"grade": "GRADE_DISSATISFIED"}
        await sent(town, RATE, rated)
        rating = town.trail.size() - 1
        await sent(town, CONTEST, service.right(CONTEST, person, NOW, case_id))
        (ticket,) = (await li.ask(TICKETS)).tickets
        change = service.right(STANDING, person, NOW, case_id) | {
            "act": "ACT_REVOKE",
            "by_fault_of_applicant": True,
            "decision_index": index,
        }
        proposal = (await li.ask(STANDING, **change)).proposal_index
        delivered = service.right(DELIVERY, person, NOW, case_id)["delivered"]
        yield Story(
            town=town,
            person=person,
            case_id=case_id,
            more={
                STANDING: change | {"request_id": str(uuid4())},
                DELIVERY: {"delivered": delivered | {"decision_index": index}},
                ANSWER: {"proposal_index": proposal},
                PAPER: {"index": paper.paper.index},
                SECOND_LOOK: {"case_id": taken_back, "index": decided},
                TAKE: {"rating_index": rating},
                ANSWER_RATING: {"rating_index": rating},
                RESOLVE: {"ticket": ticket.ticket},
                REFERRALS: {"matter": "", "whose": "WHOSE_UNSPECIFIED"},
                OVERRIDES: {"filter": ""},
                SAMPLE: {"share_percent": 100},
            },
        )


async def sent(town: Town, method: str, document: dict[str, Any]) -> None:
    answer = await town.wire.call(method, service.message(method, document))
    assert answer.code == "OK", answer.words


def told(method: str, answer: Message) -> list[Any]:
    """What a list tells of; counts of nothing are nothing."""
    items: list[Any] = [one for field, all_ in answer.ListFields() for one in [*all_]]
    return [one for one in items if method != OVERRIDE_STATS or one.determinations]


@module
@pytest.mark.parametrize("method", [one for one in AT_THE_COUNTER if one not in LISTS])
@pytest.mark.parametrize("matters", [("library_card", "residence_permit"), ()])
async def test_s20_a_case_of_another_matter_is_refused_whatever_is_asked(
    story: Story, method: str, matters: tuple[str, ...]
) -> None:
    clerk = AtCounter(story.town, "clerk-zhao", matters=matters)
    before = story.town.trail.size()

    answer = await clerk.call(method, **story.request(method))

    assert in_words(answer) == COUNTER["a case of a matter that is another's"]
    assert story.town.trail.size() == before


@module
@pytest.mark.parametrize("method", LISTS)
async def test_s20_a_list_tells_of_the_clerks_own_matters_alone(story: Story, method: str) -> None:
    everything = AtCounter(story.town, "clerk-qian")
    own = replace(everything, name="clerk-sun", matters=("library_card", MATTER))
    other = replace(everything, name="clerk-zhao", matters=("library_card", "residence_permit"))
    none = replace(everything, name="clerk-wu", matters=())

    answers = [
        told(method, await clerk.ask(method, **story.request(method)))
        for clerk in (everything, own, other, none)
    ]

    assert answers[0], "there is something to be told"
    assert answers == [answers[0], answers[0], [], []]


@module
@pytest.mark.parametrize("method", [REFERRALS, SAMPLE, DRAW])
async def test_who_names_a_matter_of_another_is_told_so(story: Story, method: str) -> None:
    clerk = AtCounter(story.town, "clerk-zhao", matters=("library_card",))
    auditor = AtCounter(story.town, "auditor-chen")
    asked = story.request(method) | {"matter": MATTER}

    assert (
        in_words(await clerk.call(method, **asked))
        == (COUNTER["a case of a matter that is another's"])
    )
    if method != REFERRALS:
        assert (await auditor.call(method, role="auditor", **asked)).code == "OK"


@module
async def test_whoever_has_the_matter_works_on_its_cases(story: Story) -> None:
    clerk = AtCounter(story.town, "clerk-sun", matters=("library_card", MATTER))

    dossier = await clerk.open(story.case_id)

    assert dossier.case.matter == MATTER
    wrong = await clerk.call(CLAIM, **story.request(CLAIM))
    assert wrong.reason == "ETAG_STALE", "and is told what else is wrong"
