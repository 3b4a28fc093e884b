"""好差评: how people rate, who reads it, and what becomes of a poor rating (S24)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from decision_service import ratings
from decision_service.catalogue import Catalogue
from decision_service.errors import InvalidPublicationError
from decision_service.model import Limit
from decision_service.v1.case_pb2 import Case, ExportOwnDataResponse, GetCaseResponse, Rating
from decision_service.v1.prefill_pb2 import PrefillResponse
from decision_service.v1.trail_pb2 import GetEntryResponse
from evidence_adapters.sandbox import City, Person
from tests import service
from tests.counter import AtCounter, apply
from tests.service import (
    ANSWER_RATING,
    CASE,
    DOSSIER,
    ENTRY,
    ERASE,
    EXPORT,
    POOR,
    PREFILL,
    RATE,
    REVIEW,
    STANDING,
    TAKE,
    WHY,
    Answer,
    Town,
)
from tests.words import RATING, in_words

SAID = "窗口让我跑了三趟"


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)

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
def person(people: City, at: Clock) -> Person:
    return people.cast(at().date())["aged_75"]


@pytest.fixture
def li(town: Town) -> AtCounter:
    return AtCounter(town, "clerk-li")


@pytest.fixture
def wang(town: Town) -> AtCounter:
    return AtCounter(town, "clerk-wang")


async def sent(town: Town, method: str, document: dict[str, Any], **how: Any) -> Answer:
    return await town.wire.call(method, service.message(method, document), **how)


def of(town: Town, person: Person, case_id: str, grade: str, **changes: Any) -> dict[str, Any]:
    """What a person says who rates a case."""
    said = service.of_a_case(person, town.clock(), case_id)
    return said | {"grade": f"GRADE_{grade.upper()}", "text": SAID, **changes}


async def rated(town: Town, person: Person, grade: str) -> tuple[str, int]:
    """A case that is decided and rated: its id, and the rating's index."""
    case_id = (await apply(town, person)).case_id
    answer = await sent(town, RATE, of(town, person, case_id, grade))
    assert answer.code == "OK", answer.words
    return case_id, (await shown(town, case_id)).rating.receipt.index


async def shown(town: Town, case_id: str, **how: Any) -> Case:
    answer = await sent(town, CASE, {"case_id": case_id}, **how)
    return GetCaseResponse.FromString(answer.responses[0]).case


async def test_s24_a_case_is_rated_once_and_nobody_changes_it(
    town: Town, person: Person, at: Clock
) -> None:
    case_id = (await apply(town, person)).case_id
    first = of(town, person, case_id, "very_satisfied")

    for _ in range(2):
        assert (await sent(town, RATE, first)).code == "OK"
    size = town.trail.size()
    again = await sent(town, RATE, of(town, person, case_id, "dissatisfied"))
    reused = await sent(town, RATE, first | {"grade": "GRADE_SATISFIED"})

    assert in_words(again) == RATING["a case that is rated"]
    assert reused.reason == "REQUEST_ID_REUSED"
    assert town.trail.size() == size
    case = await shown(town, case_id)
    assert (case.rating.grade, case.rating.text) == (Rating.GRADE_VERY_SATISFIED, SAID)
    assert not case.rating.HasField("due_time"), "nobody has to answer it"
    assert case.state == Case.STATE_APPROVED
    assert list(case.events) == []


async def test_who_rates_is_the_applicant_and_has_handed_in(
    town: Town, person: Person, people: City, at: Clock
) -> None:
    case_id = (await apply(town, person)).case_id
    other = people.cast(at().date())["aged_95"]
    another_portal = town.wire.bearer("portal", subject="portal-other")
    prefilled = await sent(town, PREFILL, service.request_to_prefill(other, at()))
    opened = PrefillResponse.FromString(prefilled.responses[0]).started.case_id

    stranger = await sent(town, RATE, of(town, other, case_id, "satisfied"))
    hidden = of(town, other, case_id, "satisfied")
    nowhere = await sent(town, RATE, hidden, metadata=another_portal)
    early = await sent(town, RATE, of(town, other, opened, "satisfied"))
    nothing = await sent(town, RATE, of(town, person, case_id, "unspecified"))
    clerk = await sent(town, RATE, of(town, person, case_id, "satisfied"), role="clerk")

    assert stranger.reason == "NO_AUTHORITY_FOR_PARTY"
    assert nowhere.reason == "CASE_NOT_FOUND"
    assert in_words(early) == RATING["a case that is not handed in"]
    assert in_words(nothing) == RATING["no grade"]
    assert clerk.reason == "ROLE_NOT_ALLOWED"
    mine = of(town, person, case_id, "satisfied")
    assert (await sent(town, RATE, mine, metadata=another_portal)).code == "OK", "at any portal"


async def test_s24_a_poor_rating_is_looked_into_and_answered_within_the_term(
    town: Town, person: Person, li: AtCounter, wang: AtCounter, at: Clock
) -> None:
    case_id, index = await rated(town, person, "dissatisfied")

    (poor,) = (await li.ask(POOR)).ratings
    assert (poor.rating_index, poor.matter, poor.clerk) == (index, "old_age_allowance", "")
    closes = datetime(2026, 12, 15, 10, tzinfo=UTC)
    assert poor.due_time.ToDatetime(tzinfo=UTC) == closes, "15 working days, at 18:00"
    assert SAID not in str(poor)
    assert case_id not in str(poor)

    taken = await li.ask(TAKE, rating_index=index)
    assert (taken.text, taken.case_id) == (SAID, case_id)
    assert (await li.ask(TAKE, rating_index=index)).text == SAID, "opened again"
    assert (await li.ask(POOR)).ratings[0].clerk == "clerk-li"
    reply = {"rating_index": index, "justified": True, "text": "已核实，已简化流程"}
    foreign = await wang.call(ANSWER_RATING, request_id=str(uuid4()), **reply)
    words = RATING["a rating that another clerk has"]
    assert in_words(foreign) == words
    assert in_words(await wang.call(TAKE, rating_index=index)) == words

    named = str(uuid4())
    for _ in range(2):
        await li.ask(ANSWER_RATING, request_id=named, **reply)
    assert (await li.call(ANSWER_RATING, request_id=str(uuid4()), **reply)).reason == (
        "RATING_NOT_YOURS"
    )
    assert list((await li.ask(POOR)).ratings) == []
    answer = (await shown(town, case_id)).rating.answer
    assert (answer.justified, answer.text) == (True, "已核实，已简化流程")


async def test_only_poor_ratings_are_looked_into(town: Town, person: Person, li: AtCounter) -> None:
    _, index = await rated(town, person, "fairly_satisfied")

    assert list((await li.ask(POOR)).ratings) == []
    for wrong in (index, 0, 1 << 40):
        refused = await li.call(TAKE, rating_index=wrong)
        assert in_words(refused) == RATING["a rating that nobody needs to answer"]


async def test_s24_who_decides_about_a_person_never_sees_how_they_rated(
    town: Town, person: Person, people: City, li: AtCounter, wang: AtCounter, at: Clock
) -> None:
    """Neither in the dossier nor anywhere else; and who has looked into it decides no more."""
    case_id, index = await rated(town, person, "very_dissatisfied")
    await sent(town, REVIEW, service.right(REVIEW, person, at(), case_id))
    dossier = await wang.open(case_id)
    assert SAID not in str(dossier)
    assert "rating" not in str(dossier).lower()
    answer = await sent(town, EXPORT, service.right(EXPORT, person, at(), ""), role="clerk")
    (copies,) = (ExportOwnDataResponse.FromString(raw) for raw in answer.responses)
    assert not [one for one in copies.entries if one.type.startswith("rating")]
    assert SAID not in str(copies)
    for served in (service.right(REVIEW, person, at(), case_id),):
        told = await sent(town, REVIEW, served, role="clerk")
        assert SAID.encode() not in told.responses[0]

    await li.ask(TAKE, rating_index=index)

    later = (await apply(town, person, person_requested=True)).case_id
    for known in (case_id, later):
        refused = await li.call(DOSSIER, case_id=known)
        assert in_words(refused) == RATING["a case of who was looked into"]
        assert (await wang.open(known)).case.case_id == known
    act = service.right(STANDING, person, at(), case_id) | {
        "decision_index": (await shown(town, case_id)).decisions[0].receipt.index
    }
    assert (await li.call(STANDING, **act)).reason == "SAW_A_RATING"
    same_person = AtCounter(town, "clerk-li-2", number="clerk-li")
    assert (await same_person.call(DOSSIER, case_id=later)).reason == "SAW_A_RATING"
    other = people.cast(at().date())["aged_95"]
    elsewhere = (await apply(town, other, person_requested=True)).case_id
    assert (await li.open(elsewhere)).case.case_id == elsewhere, "of everybody else they do"


async def test_who_has_decided_a_case_or_takes_part_does_not_look_into_its_rating(
    town: Town, person: Person, li: AtCounter, at: Clock
) -> None:
    case_id = (await apply(town, person, person_requested=True)).case_id
    await li.determine(case_id, "approve", outputs={"monthly_allowance": {"number": "200.00"}})
    await sent(town, RATE, of(town, person, case_id, "dissatisfied"))
    index = (await shown(town, case_id)).rating.receipt.index
    own = AtCounter(town, "clerk-sun", number=person.id_number)

    refused = await li.call(TAKE, rating_index=index)

    assert in_words(refused) == RATING["the clerk who has decided"]
    assert (await own.call(TAKE, rating_index=index)).reason == "OWN_CASE"


async def test_an_auditor_reads_the_grade_and_not_the_words_and_erasure_takes_them(
    town: Town, person: Person, at: Clock
) -> None:
    _, index = await rated(town, person, "dissatisfied")
    answer = await sent(town, ENTRY, {"index": index}, role="auditor")
    opened = GetEntryResponse.FromString(answer.responses[0])
    assert '"grade": "dissatisfied"' in opened.entry.permanent_json
    assert SAID not in str(opened)
    own = await sent(town, EXPORT, service.right(EXPORT, person, at(), ""))
    (copies,) = (ExportOwnDataResponse.FromString(raw) for raw in own.responses)
    assert [SAID in one.content_json for one in copies.entries if one.type == "rating/1"] == [True]

    erasure = {
        "subject": {"kind": "resident_id", "number": person.id_number},
        "ground": "GROUND_UNLAWFUL",
        "justification": WHY,
    }
    assert (await sent(town, ERASE, erasure, role="data_protection_officer")).code == "OK"
    refused = await sent(town, TAKE, {"rating_index": index}, role="clerk")
    assert refused.reason == "RATING_NOT_FOUND"


def test_a_city_says_within_which_time_it_answers(tmp_path: Path) -> None:
    assert ratings.load(service.ROOT) == Limit(days=15, unit="working")
    assert ratings.load(tmp_path) == Limit(days=15, unit="working"), "where it does not say"
    (tmp_path / "matters").mkdir()
    for content, found in (
        ('answered_within = { days = 5, unit = "working" }', Limit(days=5, unit="working")),
        ('answered_within = { days = 0, unit = "working" }', None),
        ("", None),
    ):
        (tmp_path / "matters" / "ratings.toml").write_text(content, encoding="utf-8")
        if found is not None:
            assert ratings.load(tmp_path) == found
            continue
        with pytest.raises(InvalidPublicationError) as caught:
            ratings.load(tmp_path)
        assert caught.value.reason == "RATINGS_INVALID"


def test_the_golden_file_has_no_word_of_ratings_that_nobody_reads() -> None:
    read = Path(__file__).read_text(encoding="utf-8")

    assert [name for name in RATING if f'"{name}"' not in read] == []
