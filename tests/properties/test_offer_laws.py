"""免申即享: no offer is made on anything that is not known, and silence is no application."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from decision_service import offers
from decision_service.catalogue import Catalogue
from decision_service.judge import judge
from decision_service.model import (
    Approved,
    Concept,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    Text,
)
from decision_service.offers import qualifies
from decision_service.release import Release
from decision_service.settle import settle
from decision_service.v1.offer_pb2 import ListOffersResponse, MakeOffersResponse, Offer
from evidence_adapters.sandbox import City, Person
from tests import firms, service
from tests.service import DECLINE, MAKE, MATTER, OFFERED, Town

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
TODAY = date(2026, 11, 24)
SAID: Mapping[str, Mapping[str, Any]] = {
    "population_register": {
        "applicant.birth_date": st.dates(date(1915, 1, 1), date(1965, 1, 1)),
        "applicant.hukou_city": st.sampled_from(["shenzhen"] * 4 + ["elsewhere"]),
    },
    "death_register": {"applicant.living_status": st.sampled_from(["living"] * 4 + ["deceased"])},
    "payment_ledger": {
        "applicant.allowance_in_payment": st.sampled_from([False] * 4 + [True]),
        "applicant.card_account_own": st.sampled_from([True] * 4 + [False]),
    },
}


@st.composite
def answers(draw: st.DrawFn) -> list[Evidence]:
    """What the registers of the allowance say, at its latest a minute ago; some say nothing."""
    return [
        Evidence(
            query_id=key,
            evidence_type=EvidenceType(key),
            about="applicant",
            provider=Text(zh=key, en=key),
            status=draw(
                st.sampled_from([EvidenceStatus.MATCH] * 40 + list(EvidenceStatus)), label=key
            ),
            retrieved_at=NOW,
            as_of=NOW - timedelta(seconds=draw(st.sampled_from([0, 60]))),
            values={
                Concept(concept): draw(values)
                for concept, values in concepts.items()
                if draw(st.integers(0, 19))
            },
        )
        for key, concepts in SAID.items()
    ]


CERTAIN = [
    Evidence(
        query_id=key,
        evidence_type=EvidenceType(key),
        about="applicant",
        provider=Text(zh=key, en=key),
        status=EvidenceStatus.MATCH,
        retrieved_at=NOW,
        as_of=NOW,
        values={Concept(concept): value for concept, value in values.items()},
    )
    for key, values in {
        "population_register": {
            "applicant.birth_date": date(1956, 11, 24),
            "applicant.hukou_city": "shenzhen",
        },
        "death_register": {"applicant.living_status": "living"},
        "payment_ledger": {
            "applicant.allowance_in_payment": False,
            "applicant.card_account_own": True,
        },
    }.items()
]
"""Of somebody who is seventy today."""


def test_who_certainly_qualifies_is_found(allowance: Release) -> None:
    assert qualifies(allowance, CERTAIN, today=TODAY, now=NOW) is not None
    yesterday = TODAY - timedelta(days=1)
    assert qualifies(allowance, CERTAIN, today=yesterday, now=NOW) is None


def test_what_the_rules_could_do_without_must_be_known_all_the_same() -> None:
    """An application would be approved; nobody has made one, so nobody is told anything."""
    release = firms.release(
        ("- 条件 requires：自有", "- 条件 requires：自有 或者 合法"),
        ("- 条件 requires：同意", "- 条件 requires：代表"),
    )
    known = {
        firms.COMPANY: {firms.REPRESENTED: True},
        firms.ADDRESS: {firms.LEGAL: True, firms.UNIT: "1"},
        firms.PROPERTY: {firms.OWNED: False},
        firms.CREDIT: {firms.TRUSTED: True},
    }
    whole = [
        CERTAIN[0].model_copy(update={"evidence_type": key, "values": values})
        for key, values in known.items()
    ]

    assert qualifies(release, whole, today=TODAY, now=NOW) is not None
    less = [one for one in whole if one.evidence_type != firms.PROPERTY]
    facts = settle(release, less, {}, frozenset(), filing_date=TODAY, decide_time=NOW)
    assert isinstance(judge(release, facts, wait_until=None).outcome, Approved)
    assert qualifies(release, less, today=TODAY, now=NOW) is None


@given(evidence=answers())
@example(evidence=CERTAIN)
def test_what_is_offered_is_known_whole_and_forgetting_any_of_it_offers_nothing(
    allowance: Release, evidence: list[Evidence]
) -> None:
    """Law 1 for offers, and stricter: what the rules could do without must be known, too."""
    found = qualifies(allowance, evidence, today=TODAY, now=NOW)

    if found is None:
        return
    assert isinstance(found, Approved)
    known = {concept: value for one in evidence for concept, value in one.values.items()}
    born = known[Concept("applicant.birth_date")]
    assert isinstance(born, date)
    assert born <= date(1956, 11, 24)
    assert known == {
        "applicant.birth_date": born,
        "applicant.hukou_city": "shenzhen",
        "applicant.living_status": "living",
        "applicant.allowance_in_payment": False,
        "applicant.card_account_own": True,
    }
    for one in evidence:
        rest = [other for other in evidence if other is not one]
        assert qualifies(allowance, rest, today=TODAY, now=NOW) is None
        for concept in one.values:
            values = {name: value for name, value in one.values.items() if name != concept}
            less = one.model_copy(update={"values": values})
            assert qualifies(allowance, [*rest, less], today=TODAY, now=NOW) is None


QUALIFY = ("aged_75", "aged_95", "check_digit_x", "centenarian")
OTHERS = (
    *("outside_hukou", "deceased", "already_in_payment", "account_of_another", "without_card"),
    *("disputed", "child", "young_adult"),
)
WITHOUT_EFFECT = {"access/1", "offer/1", "offer_declined/1", "offer_start/1", "offer_run/1"}
"""Types of entries that decide nothing, open no case, and say nothing against anybody."""

Step: TypeAlias = tuple[str, int, bool]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.sampled_from(["make", "look", "decline", "wait", "wait"]),
        st.integers(0, len(QUALIFY) - 1),
        st.booleans(),
    ),
    min_size=2,
    max_size=6,
)


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


class Model:
    """What each person may be offered, as the law has it."""

    def __init__(self) -> None:
        self.open_until: dict[str, date] = {}
        self.closed: set[str] = set()

    def is_open(self, role: str, today: date) -> bool:
        return today <= self.open_until.get(role, date.min)

    def made(self, today: date) -> int:
        new = [
            role for role in QUALIFY if not self.is_open(role, today) and role not in self.closed
        ]
        self.open_until |= dict.fromkeys(new, today + timedelta(days=60))
        return len(new)

    def declined(self, role: str, *, ask_again: bool) -> None:
        self.open_until.pop(role, None)
        (self.closed.discard if ask_again else self.closed.add)(role)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    tmp_path_factory: pytest.TempPathFactory, published: Catalogue, people: City, clock: Clock
) -> AsyncIterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    with pytest.MonkeyPatch.context() as patch:
        # An offer is made of what registers tell in time, and a busy machine takes more of it.
        patch.setattr(offers, "PATIENCE_S", 10.0)
        async with service.town(folder, published, people, clock) as town:
            yield town


@pytest.fixture(scope="module")
def model() -> Model:
    """Of the one town that all examples live in, one after the other."""
    return Model()


@pytest.mark.asyncio(loop_scope="module")
@settings(
    max_examples=12,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
async def test_silence_is_no_application_and_no_refusal(
    town: Town, people: City, clock: Clock, model: Model, steps: list[Step]
) -> None:
    """Whatever is offered, looked at, declined or left until it is over: nobody has applied.

    Nothing but offers and refusals is recorded; an offer that ends by itself leaves nothing; and
    only a refusal keeps the next offer away.
    """
    cast = people.cast(TODAY)
    for kind, who, ask_again in steps:
        role = QUALIFY[who]
        today = (clock() + timedelta(hours=8)).date()
        match kind:
            case "make":
                size = town.trail.size()
                assert await _make(town, [cast[one] for one in (*QUALIFY, *OTHERS)]) == (
                    model.made(today)
                )
                assert town.trail.size() > size
            case "look":
                found = await _listed(town, cast[role], clock)
                assert (Offer.STATE_OPEN in {one.state for one in found}) == (
                    model.is_open(role, today)
                )
            case "decline":
                for offer in await _listed(town, cast[role], clock):
                    await _decline(town, cast[role], clock, offer, ask_again=ask_again)
                    model.declined(role, ask_again=ask_again)
            case _:
                size = town.trail.size()
                clock.now += timedelta(days=61 if ask_again else 20)
                assert town.trail.size() == size, "time alone records nothing"
    for role in OTHERS:
        assert await _listed(town, cast[role], clock) == []
    entries = [await town.trail.read(index) for index in range(town.trail.size())]
    assert {one.type for one in entries} <= WITHOUT_EFFECT
    assert not [one for one in entries if one.case or "outcome" in one.permanent]


async def _make(town: Town, group: list[Person]) -> int:
    asked = {
        "matter": MATTER,
        "request_id": str(uuid4()),
        "subjects": [{"kind": "resident_id", "number": one.id_number} for one in group],
    }
    asking = service.message(MAKE, asked)
    answer = await town.wire.call(MAKE, asking, role="operator", timeout_s=25.0)
    assert answer.code == "OK", answer.words
    return MakeOffersResponse.FromString(answer.responses[0]).offered


async def _listed(town: Town, person: Person, clock: Clock) -> list[Offer]:
    asked = service.message(OFFERED, service.right(OFFERED, person, clock(), ""))
    answer = await town.wire.call(OFFERED, asked)
    assert answer.code == "OK", answer.words
    return list(ListOffersResponse.FromString(answer.responses[0]).offers)


async def _decline(
    town: Town, person: Person, clock: Clock, offer: Offer, *, ask_again: bool
) -> None:
    said = service.of_an_offer(person, clock(), offer.offer_id) | {"ask_again": ask_again}
    answer = await town.wire.call(DECLINE, service.message(DECLINE, said))
    assert answer.code == "OK", answer.words
