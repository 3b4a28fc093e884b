"""Open objections are found at one look, whoever raised them and whenever (S6)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from audit.trail import Entry
from decision_service import aftercare, casebook, errors, rights
from decision_service.evidence import EvidenceSource
from decision_service.followup import Objection
from decision_service.model import (
    Application,
    Approved,
    Concept,
    Contest,
    Decision,
    Evidence,
    EvidenceType,
    Query,
    Referred,
    Why,
)
from decision_service.objections import objection
from decision_service.office import Office
from decision_service.release import Release
from decision_service.replay import Reproduced, replay
from evidence_adapters.sandbox import City
from tests.acceptance.rights import ALLOWANCE, ask, decided, task, viewer

ApplyFor = Callable[..., Application]

BIRTH, HUKOU = Concept("applicant.birth_date"), Concept("applicant.hukou_city")
REGISTER = EvidenceType("population_register")
WRONG_BIRTH = Contest(concept=BIRTH, claimed="1950-12-02", text="登记有误")
WRONG_HUKOU = Contest(concept=HUKOU, claimed="440300", text="登记有误")


@pytest.fixture
def cast(people: City, clock: Any, office: Office) -> Any:
    return people.cast(office.today(clock()))


@dataclass
class Meanwhile:
    """A register during whose first answer something else happens."""

    register: EvidenceSource
    happens: Callable[[], Awaitable[object]] | None

    async def fetch(self, query: Query, *, deadline: float) -> Evidence:
        happens, self.happens = self.happens, None
        if happens is not None:
            await happens()
        return await self.register.fetch(query, deadline=deadline)


def while_asked(office: Office, happens: Callable[[], Awaitable[object]]) -> Office:
    """The same office, in which that happens while a register is asked."""
    register = Meanwhile(office.sources[REGISTER], happens)
    return replace(office, sources={**office.sources, REGISTER: register})


def is_contested(decision: Decision) -> bool:
    """Whether the decision rests on a value under objection."""
    return isinstance(decision.outcome, Referred) and any(
        used.why is Why.CONTESTED for reason in decision.outcome.reasons for used in reason.used
    )


async def marks(application: Application, office: Office) -> set[Concept]:
    return {*(await office.casebook.look(application)).marks[application.subject]}


async def tickets(office: Office, clock: Any) -> list[str]:
    opened = await aftercare.open_tickets("", viewer(clock), office=office)
    return [str(one.permanent["ticket"]) for one in opened]


async def resolve(ticket: str, office: Office, clock: Any) -> None:
    told = task("ResolveTicket", clock)
    await aftercare.resolve(told, ticket, corrected=False, text="登记无误", office=office)


async def of_old(application: Application, release: Release, office: Office, clock: Any) -> None:
    """An objection as it was written before there was a key of a subject's objections."""
    step = objection(WRONG_BIRTH, release)
    body = step.model_dump(mode="json", exclude={"kind"})
    entry = Entry(
        type="contest/1",
        id=str(uuid4()),
        time=clock(),
        permanent={
            "request": "request:of-old",
            "matter": application.matter,
            "case_id": "case-of-old",
            "release_digest": release.digest,
            "caller": "portal-test",
            "role": "portal",
            **{name: body[name] for name in Objection.permanent},
        },
        sealed={
            "content_digest": "of-old",
            **{name: body[name] for name in body.keys() - Objection.permanent},
        },
        subject=application.subject,
    )
    await office.record.claim(entry, {office.casebook.ticket_key(step.ticket): None})


async def test_a_ticket_waits_however_many_newer_ones_were_answered(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list is bounded by what waits; bounded by what was ever asked, an old one drops out."""
    monkeypatch.setattr(aftercare, "MOST_TICKETS", 1)
    monkeypatch.setattr(casebook, "_PAGE", 2)
    for who in ("aged_75", "aged_95", "check_digit_x", "centenarian"):
        await decided(apply_for(cast[who], ALLOWANCE, contests=(WRONG_BIRTH,)), office, clock)
        (newest,) = await tickets(office, clock)
        if who == "aged_75":
            oldest = newest
        else:
            await resolve(newest, office, clock)

    assert await tickets(office, clock) == [oldest]


async def test_an_objection_while_registers_are_asked_is_not_overtaken(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    """It came after the look and before the commit: the same evidence is judged again."""
    person = cast["aged_75"]
    other = await decided(apply_for(person, ALLOWANCE, person_requested=True), office, clock)

    async def object_to_it() -> None:
        asked = ask(person, other.case_id, "ContestFact", clock)
        await rights.contest(asked, WRONG_BIRTH, office=office)

    decision = await decided(apply_for(person, ALLOWANCE), while_asked(office, object_to_it), clock)

    assert is_contested(decision)
    assert await replay(decision.receipt.index, office=office) == Reproduced()


async def test_an_answer_while_registers_are_asked_is_not_overtaken(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    await decided(apply_for(person, ALLOWANCE, contests=(WRONG_BIRTH,)), office, clock)
    (ticket,) = await tickets(office, clock)

    decision = await decided(
        apply_for(person, ALLOWANCE),
        while_asked(office, lambda: resolve(ticket, office, clock)),
        clock,
    )

    assert isinstance(decision.outcome, Approved)
    assert await replay(decision.receipt.index, office=office) == Reproduced()


async def test_of_objections_at_once_none_is_lost_and_none_is_doubled(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    contests = [(WRONG_BIRTH,), (WRONG_HUKOU,), (WRONG_BIRTH, WRONG_HUKOU), (WRONG_HUKOU,)]

    made = await asyncio.gather(
        *(decided(apply_for(person, ALLOWANCE, contests=one), office, clock) for one in contests)
    )

    assert all(isinstance(one.outcome, Referred) for one in made)
    assert await marks(apply_for(person, ALLOWANCE), office) == {BIRTH, HUKOU}
    assert len(await tickets(office, clock)) == 2
    for one in made:
        assert await replay(one.receipt.index, office=office) == Reproduced()


async def test_an_objection_of_before_there_was_a_key_is_found_answered_and_erased(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, allowance: Release
) -> None:
    first, second = (apply_for(cast[who], ALLOWANCE) for who in ("aged_75", "aged_95"))
    for application in (first, second):
        await of_old(application, allowance, office, clock)

    before = await decided(first, office, clock)
    erased = await office.record.erase(second.subject, reason="S12", time=clock(), told={})
    *_, ticket = await tickets(office, clock)
    await resolve(ticket, office, clock)
    after = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)

    assert is_contested(before)
    assert erased is not None
    assert await marks(second, office) == set()
    assert isinstance(after.outcome, Approved)


async def test_erasing_a_person_erases_the_mark_and_leaves_a_place_for_another(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    application = apply_for(person, ALLOWANCE, contests=(WRONG_BIRTH,))
    await decided(application, office, clock)

    await office.record.erase(application.subject, reason="S12", time=clock(), told={})

    assert await marks(application, office) == set()
    again = await decided(apply_for(person, ALLOWANCE, contests=(WRONG_HUKOU,)), office, clock)
    assert isinstance(again.outcome, Referred)
    assert await marks(application, office) == {HUKOU}


async def test_two_who_answer_a_ticket_at_once_answer_it_once(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    await decided(apply_for(cast["aged_75"], ALLOWANCE, contests=(WRONG_BIRTH,)), office, clock)
    (ticket,) = await tickets(office, clock)

    async with asyncio.timeout(10):
        ends = await asyncio.gather(
            *(resolve(ticket, office, clock) for _ in range(2)), return_exceptions=True
        )

    refused = [one for one in ends if one is not None]
    assert [type(one) for one in refused] == [errors.PreconditionError]
