"""免申即享: what people are offered who have not applied, over a real port (S2, S4, S7, S20)."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from audit.verify import verify_store
from decision_service.catalogue import Catalogue
from decision_service.offerbook import Offerbook
from decision_service.record import Record
from decision_service.release import Release
from decision_service.v1.case_pb2 import ExportOwnDataResponse, ListOwnAccessesResponse
from decision_service.v1.decision_pb2 import DecideResponse
from decision_service.v1.matter_pb2 import GetMatterResponse
from decision_service.v1.offer_pb2 import (
    DeclineOfferResponse,
    ListOffersResponse,
    MakeOffersResponse,
    Offer,
)
from decision_service.v1.trail_pb2 import GetEntryResponse, Replay, ReplayDecisionResponse
from decision_service.v1.vocabulary_pb2 import Decision
from evidence_adapters.sandbox import City, Misconduct, Person
from tests import service
from tests.service import (
    CONTEST,
    DECIDE,
    DECLINE,
    ENTRY,
    ERASE,
    EXPORT,
    GET,
    MAKE,
    MATTER,
    OFFERED,
    OWN,
    PREFILL,
    REPLAY,
    WHY,
    WITHDRAW,
    Answer,
    Town,
)
from tests.words import OFFER, in_words

QUALIFY = ("aged_75", "aged_95", "check_digit_x", "centenarian")
OTHERS = (
    *("outside_hukou", "deceased", "already_in_payment", "account_of_another", "without_card"),
    *("disputed", "child", "young_adult"),
)
"""Of the cast, whatever the day: who could be granted the allowance, and who could not."""


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
def cast(people: City, at: Clock) -> Any:
    return people.cast(at().date())


async def sent(town: Town, method: str, document: dict[str, Any], **how: Any) -> Answer:
    return await town.wire.call(method, service.message(method, document), **how)


def run_of(people: Sequence[Person], **changes: Any) -> dict[str, Any]:
    """A request to make offers, as an operator's command writes it."""
    subjects = [{"kind": "resident_id", "number": one.id_number} for one in people]
    return {"matter": MATTER, "request_id": str(uuid4()), "subjects": subjects, **changes}


async def made(town: Town, asked: dict[str, Any]) -> MakeOffersResponse:
    answer = await sent(town, MAKE, asked, role="operator")
    assert answer.code == "OK", answer.words
    return MakeOffersResponse.FromString(answer.responses[0])


async def offered(town: Town, person: Person, at: Clock) -> list[Offer]:
    answer = await sent(town, OFFERED, service.right(OFFERED, person, at(), ""))
    assert answer.code == "OK", answer.words
    return list(ListOffersResponse.FromString(answer.responses[0]).offers)


async def decided(town: Town, person: Person, at: Clock, **changes: Any) -> Decision:
    answer = await sent(town, DECIDE, service.application(person, at(), **changes))
    assert answer.code == "OK", answer.words
    return DecideResponse.FromString(answer.responses[0]).decision


async def types(town: Town) -> list[str]:
    return [(await town.trail.read(index)).type for index in range(town.trail.size())]


@pytest.fixture
def group(cast: Any) -> list[Person]:
    return [cast[role] for role in (*QUALIFY, *OTHERS)]


async def test_who_certainly_qualifies_is_offered_it_and_applies_by_agreeing(
    town: Town, cast: Any, group: list[Person], at: Clock
) -> None:
    """Offer → consent → case; the decision is an ordinary one, on evidence of its own."""
    counts = await made(town, run_of(group))

    assert (counts.asked, counts.offered) == (len(group), len(QUALIFY))
    person = cast["aged_75"]
    (offer,) = await offered(town, person, at)
    assert (offer.matter, offer.state) == (MATTER, Offer.STATE_OPEN)
    assert [one.display.zh for one in offer.grant] == ["200.00 元"]
    assert {one.code for one in offer.reasons} == {"REQUIREMENT_MET"}
    assert all(one.legal_basis and one.used for one in offer.reasons)
    assert set(offer.declared_fields) == {"applicant.mobile", "applicant.truthful"}
    assert (offer.until_date.year, offer.until_date.month, offer.until_date.day) == (2027, 1, 23)
    for words in (
        "不是行政决定",
        "2027-01-23",
        "不答复不视为申请",
        "手机号码",
        "深民规〔2019〕2号",
    ):
        assert words in offer.notice.zh
    for words in ("no decision", "2027-01-23", "no application and no refusal", "mobile number"):
        assert words in offer.notice.en

    at.now += timedelta(days=30)  # aged 76 by then
    questions = len(town.running.accesses)
    decision = await decided(town, person, at, offer_id=offer.offer_id)

    assert decision.WhichOneof("outcome") == "approved"
    assert len(town.running.accesses) == questions + 3, "fresh evidence"
    assert "76" in decision.notice.zh, "and the rules of that day, not what was offered"
    recorded = await town.trail.read(decision.receipt.index)
    assert recorded.permanent["offer"] == offer.offer_id
    assert await offered(town, person, at) == [], "it is answered"
    again = await made(town, run_of(group))
    assert (again.asked, again.offered) == (len(group) - len(QUALIFY), 0), "nobody is asked twice"
    replay = await sent(town, REPLAY, {"index": decision.receipt.index}, role="auditor")
    result = ReplayDecisionResponse.FromString(replay.responses[0]).replay.result
    assert result == Replay.RESULT_REPRODUCED
    assert verify_store(town.store).problems == ()


async def test_what_is_offered_is_not_believed_when_somebody_agrees(
    town: Town, cast: Any, group: list[Person], at: Clock
) -> None:
    """No offer decides: what registers say on the day does, or that they say nothing."""
    await made(town, run_of(group))
    person = cast["aged_95"]
    (offer,) = await offered(town, person, at)
    town.running.misbehave("payment_ledger", Misconduct.DENIED)

    decision = await decided(town, person, at, offer_id=offer.offer_id)

    assert decision.WhichOneof("outcome") == "referred"


async def test_s2_whoever_is_not_certain_gets_no_offer_and_nobody_learns_of_it(
    town: Town, cast: Any, group: list[Person], at: Clock
) -> None:
    """Unknown, disputed, contested, silent: no offer, no entry but that registers were asked."""
    objecting, silent = cast["aged_75"], cast["aged_95"]
    case_id = (await decided(town, objecting, at, person_requested=True)).case_id
    await sent(town, CONTEST, service.right(CONTEST, objecting, at(), case_id))
    await sent(town, WITHDRAW, service.right(WITHDRAW, objecting, at(), case_id))
    town.running.misbehave("death_register", Misconduct.UNAVAILABLE, about=silent.id_number)
    before = town.trail.size()

    counts = await made(town, run_of(group))

    assert counts.offered == len(QUALIFY) - 2
    assert counts.asked == len(group) - 1, "about who objects nobody is asked"
    for person in (objecting, silent, *(cast[role] for role in OTHERS)):
        assert await offered(town, person, at) == []
    entries = [await town.trail.read(index) for index in range(before, town.trail.size())]
    about = {
        person.id_number: {one.type for one in entries if one.subject.endswith(person.id_number)}
        for person in group
    }
    assert about[objecting.id_number] == {"access/1"}, "the look of the test's own"
    assert all(about[cast[role].id_number] == {"access/1"} for role in OTHERS)
    (run,) = [one for one in entries if one.type == "offer_run/1"]
    assert set(run.permanent) == {
        *("request", "matter", "release_digest", "caller", "role", "asked", "offered")
    }


async def test_s20_registers_are_told_what_for_and_people_see_who_asked(
    town: Town, cast: Any, group: list[Person], at: Clock, allowance: Release
) -> None:
    """A question for an offer has its own purpose and basis, never those of an application."""
    terms = allowance.matter.offers
    assert terms is not None
    assert terms.purpose != allowance.matter.purpose
    bearer = town.wire.bearer("operator", subject="operator-zhao")
    assert (await sent(town, MAKE, run_of(group), metadata=bearer)).code == "OK"

    for person in (cast["aged_75"], cast["child"]):
        answer = await sent(town, OWN, service.right(OWN, person, at(), ""))
        found = ListOwnAccessesResponse.FromString(answer.responses[0]).accesses
        (asked,) = [one for one in found if one.flow == "offer"]
        assert asked.caller == "o" + "*" * 12
        assert asked.role == "operator"
        assert asked.matter == MATTER
        assert set(asked.evidence_types) == {
            *("population_register", "death_register", "payment_ledger")
        }
        assert set(asked.purposes) == {f"{terms.purpose} ({terms.legal_basis})"}
    answer = await sent(town, EXPORT, service.right(EXPORT, cast["aged_75"], at(), ""))
    copies = ExportOwnDataResponse.FromString(answer.responses[0]).entries
    (access,) = [json.loads(one.content_json) for one in copies if one.type == "access/1"][:1]
    assert access["sealed"]["authority"] == {
        "basis": {"article": terms.legal_basis, "kind": "statutory_duty"}
    }, "nobody is said to have authenticated"
    (offer,) = [json.loads(one.content_json) for one in copies if one.type == "offer/1"]
    assert offer["sealed"]["grant"]
    assert offer["permanent"]["caller"] == "o" + "*" * 12


async def test_an_auditor_sees_an_offer_and_not_to_whom(
    town: Town, cast: Any, group: list[Person]
) -> None:
    await made(town, run_of(group))
    index = (await types(town)).index("offer/1")
    subject = (await town.trail.read(index)).subject

    answer = await sent(town, ENTRY, {"index": index}, role="auditor")

    opened = GetEntryResponse.FromString(answer.responses[0])
    assert "monthly_allowance" in opened.sealed_json
    told = opened.sealed_json + opened.subject + opened.entry.permanent_json
    assert subject.partition(":")[2] not in told


async def test_who_declines_is_not_asked_again_unless_they_say_so(
    town: Town, cast: Any, group: list[Person], at: Clock
) -> None:
    await made(town, run_of(group))
    person = cast["aged_75"]
    (offer,) = await offered(town, person, at)
    no = service.of_an_offer(person, at(), offer.offer_id)

    answers = [await sent(town, DECLINE, no) for _ in range(2)]

    for answer in answers:
        declined = DeclineOfferResponse.FromString(answer.responses[0]).offer
        assert (declined.state, declined.ask_again) == (Offer.STATE_DECLINED, False)
    assert (await types(town)).count("offer_declined/1") == 1, "the same request is done once"
    assert (await sent(town, DECLINE, no | {"ask_again": True})).reason == "REQUEST_ID_REUSED"
    at.now += timedelta(days=90)
    assert (await made(town, run_of(group))).offered == len(QUALIFY) - 1
    (shown,) = await offered(town, person, at)
    assert shown.state == Offer.STATE_DECLINED

    again = service.of_an_offer(person, at(), offer.offer_id) | {"ask_again": True}
    assert (await sent(town, DECLINE, again)).code == "OK"
    assert (await made(town, run_of(group))).offered == 1
    (new,) = await offered(town, person, at)
    assert (new.state, new.offer_id != offer.offer_id) == (Offer.STATE_OPEN, True)
    old = service.of_an_offer(person, at(), offer.offer_id)
    assert (await sent(town, DECLINE, old)).reason == "OFFER_ENDED", "a newer one took its place"


async def test_whoever_declined_or_was_silent_applies_like_everybody_else(
    town: Town, cast: Any, group: list[Person], at: Clock
) -> None:
    await made(town, run_of(group))
    one, other = cast["aged_75"], cast["aged_95"]
    (declined,), (silent,) = await offered(town, one, at), await offered(town, other, at)
    await sent(town, DECLINE, service.of_an_offer(one, at(), declined.offer_id))
    at.now += timedelta(days=61)
    size = town.trail.size()

    for person, offer in ((one, declined), (other, silent)):
        late = service.application(person, at(), offer_id=offer.offer_id)
        words = OFFER["an offer that was answered, or whose time is over"]
        assert in_words(await sent(town, DECIDE, late)) == words
        assert town.trail.size() == size, "nothing is left of it"
    for person in (one, other):
        assert (await decided(town, person, at)).WhichOneof("outcome") == "approved"
        size = town.trail.size()


async def test_who_agreed_and_took_it_back_is_not_asked_again(
    town: Town, cast: Any, group: list[Person], at: Clock
) -> None:
    await made(town, run_of(group))
    person = cast["aged_75"]
    (offer,) = await offered(town, person, at)
    case = await decided(town, person, at, offer_id=offer.offer_id, person_requested=True)
    back = service.right(WITHDRAW, person, at(), case.case_id)
    assert (await sent(town, WITHDRAW, back)).code == "OK"

    at.now += timedelta(days=90)
    await made(town, run_of(group))

    assert await offered(town, person, at) == []


async def test_a_matter_tells_how_it_may_be_offered(town: Town) -> None:
    answer = await sent(town, GET, {"matter": MATTER})
    matter = GetMatterResponse.FromString(answer.responses[0]).matter
    assert "proactive" in matter.modes
    assert (matter.offers.valid_days, bool(matter.offers.legal_basis)) == (60, True)
    other = await sent(town, GET, {"matter": "library_card"})
    assert not GetMatterResponse.FromString(other.responses[0]).matter.HasField("offers")


async def test_nobody_agrees_to_or_declines_what_somebody_else_is_offered(
    town: Town, cast: Any, group: list[Person], at: Clock
) -> None:
    await made(town, run_of(group))
    (offer,) = await offered(town, cast["aged_75"], at)

    stranger = cast["aged_95"]
    asked = service.application(stranger, at(), offer_id=offer.offer_id)
    declined = service.of_an_offer(stranger, at(), offer.offer_id)

    for answer in (await sent(town, DECIDE, asked), await sent(town, DECLINE, declined)):
        assert in_words(answer) == OFFER["an offer to somebody else"]
    unnamed = await sent(town, DECLINE, declined | {"offer_id": "1"})
    assert in_words(unnamed) == OFFER["an offer without a name"]
    weak = declined["person"] | {"assurance_level": "ASSURANCE_LEVEL_LOW"}
    assert (await sent(town, OFFERED, {"person": weak})).reason == "ASSURANCE_TOO_LOW"


async def test_s7_who_agrees_with_a_gap_corrects_it_and_is_decided(
    town: Town, cast: Any, group: list[Person], at: Clock
) -> None:
    """S7: declarations are asked when they agree, and nobody has made them for them."""
    await made(town, run_of(group))
    person = cast["aged_75"]
    (offer,) = await offered(town, person, at)

    first = await decided(town, person, at, offer_id=offer.offer_id, answers={})
    second = await decided(town, person, at, offer_id=offer.offer_id, case_id=first.case_id)

    assert first.WhichOneof("outcome") == "needs_correction"
    gaps = {one.field for one in first.needs_correction.reasons} - {""}
    assert gaps == set(offer.declared_fields)
    assert second.WhichOneof("outcome") == "approved"


async def test_a_request_is_done_once_and_one_that_broke_off_is_gone_on_with(
    town: Town, cast: Any, group: list[Person], at: Clock
) -> None:
    asked = run_of(group)
    first = await made(town, asked)
    traces = town.traces

    assert await made(town, asked) == first
    assert town.traces == traces, "neither asked nor recorded again"
    other = asked | {"matter": "library_card"}
    assert (await sent(town, MAKE, other, role="operator")).reason == "REQUEST_ID_REUSED"
    person = cast["aged_75"]
    await decided(town, person, at)
    assert (await made(town, run_of(group))).offered == 0


async def test_what_would_look_for_people_is_refused_before_anybody_is_asked(
    town: Town, cast: Any, group: list[Person], people: City
) -> None:
    nobody = run_of(group)
    nobody["subjects"][2]["number"] = "990000199001010000"
    wrong = {
        "nine people": run_of(group[:9]),
        "somebody twice": run_of([*group, group[0]]),
        "a hundred and one people": run_of([*islice(people, 101)]),
        "nobody's number": nobody,
        "a matter that is not offered": run_of(group, matter="library_card"),
        "too little time for so many": run_of(group),
    }
    traces = town.traces

    answers = {
        name: await sent(
            town, MAKE, asked, role="operator", timeout_s=2.0 if "time" in name else 10.0
        )
        for name, asked in wrong.items()
    }

    assert {name: in_words(answer) for name, answer in answers.items()} == {
        name: OFFER[name] for name in wrong
    }
    assert town.traces == traces
    for role in ("portal", "clerk", "auditor"):
        assert (await sent(town, MAKE, run_of(group), role=role)).reason == "ROLE_NOT_ALLOWED"


async def named_today(town: Town, release: Release, at: Clock, people: int) -> None:
    """As if other requests of the day had named so many."""
    book = Offerbook(Record(town.trail))
    day = at().astimezone(ZoneInfo("Asia/Shanghai")).date()
    who = {"request": "request:other", "caller": "other", "role": "operator", "now": at()}
    await book.start(release, day, people, follows=(await book.day(MATTER, day)).index, **who)


async def test_registers_are_asked_about_so_many_people_a_day_and_the_rest_tomorrow(
    town: Town, group: list[Person], at: Clock, allowance: Release
) -> None:
    await made(town, run_of(group))
    await named_today(town, allowance, at, 1995)
    traces, request = town.traces, run_of(group)

    answer = await sent(town, MAKE, request, role="operator")

    words = OFFER["more people than registers may be asked about in a day"]
    assert in_words(answer) == words
    assert town.traces == traces
    until = answer.details["RetryInfo"].retry_delay.seconds
    at.now += timedelta(seconds=until)
    assert at().astimezone(ZoneInfo("Asia/Shanghai")).hour == 0
    assert (await made(town, request)).asked > 0


async def test_requests_at_once_keep_to_what_a_day_allows_together(
    town: Town, group: list[Person], at: Clock, allowance: Release
) -> None:
    await named_today(town, allowance, at, 2000 - len(group))

    answers = await asyncio.gather(
        *(sent(town, MAKE, run_of(group), role="operator") for _ in range(4))
    )

    assert sorted(one.reason for one in answers) == ["", *["OFFERS_USED_UP"] * 3]
    assert len(town.running.accesses) <= 3 * len(group), "about nobody twice"


def test_the_golden_file_has_no_word_of_offers_that_nobody_reads() -> None:
    read = (Path(__file__)).read_text(encoding="utf-8")

    assert [name for name in OFFER if f'"{name}"' not in read] == []


async def test_who_is_erased_is_offered_nothing_any_more(
    town: Town, cast: Any, group: list[Person], at: Clock
) -> None:
    await made(town, run_of(group))
    person = cast["aged_75"]
    (offer,) = await offered(town, person, at)
    erasure = {
        "subject": {"kind": "resident_id", "number": person.id_number},
        "ground": "GROUND_UNLAWFUL",
        "justification": WHY,
    }
    assert (await sent(town, ERASE, erasure, role="data_protection_officer")).code == "OK"

    assert await offered(town, person, at) == []
    late = service.application(person, at(), offer_id=offer.offer_id)
    assert (await sent(town, DECIDE, late)).reason == "OFFER_NOT_FOUND"


async def test_who_prefills_and_then_agrees_goes_on_with_that_case(
    town: Town, cast: Any, group: list[Person], at: Clock
) -> None:
    await made(town, run_of(group))
    person = cast["aged_75"]
    (offer,) = await offered(town, person, at)
    await sent(town, PREFILL, service.request_to_prefill(person, at()))
    case_id = str((await town.trail.read(town.trail.size() - 1)).permanent["case_id"])

    decision = await decided(town, person, at, case_id=case_id, offer_id=offer.offer_id)

    assert (decision.case_id, decision.WhichOneof("outcome")) == (case_id, "approved")
