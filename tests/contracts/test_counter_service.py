"""The counter over a real port: opened, claimed, decided, and what is left of it."""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from audit.verify import verify_store
from decision_service.catalogue import Catalogue
from decision_service.v1 import case_pb2, prefill_pb2, trail_pb2
from evidence_adapters.sandbox import City, Misconduct, Person
from tests import service
from tests.counter import AtCounter, apply, instruction, read
from tests.service import (
    ATTACH,
    CASE,
    CLAIM,
    CONFIRM,
    DETERMINE,
    DOSSIER,
    OVERRIDE,
    PAPER,
    PDF,
    PREFILL,
    RECEIPT,
    REFERRALS,
    RELEASE,
    REPLAY,
    REVIEW,
    SECOND_LOOK,
    TIMELINE,
    WITHDRAW,
    Town,
)
from tests.words import COUNTER, in_words

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
HARDSHIP = {"reason": "hardship"}
module = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Moved:
    """A clock that stands still until it is moved."""

    now: datetime = field(default=NOW)

    def __call__(self) -> datetime:
        return self.now


AT = Moved()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    tmp_path_factory: pytest.TempPathFactory, published: Catalogue, people: City
) -> AsyncIterator[Town]:
    """A town whose trail is sound in the end, whatever its clerks did."""
    async with service.town(tmp_path_factory.mktemp("town"), published, people, AT) as town:
        yield town
    assert (await asyncio.to_thread(verify_store, town.store)).problems == ()


@pytest.fixture
def at() -> Moved:
    return AT


class Cast:
    """People whom no test has met before, by what is special about them."""

    born = itertools.count()

    def __init__(self, people: City) -> None:
        self._people = people

    def __getitem__(self, role: str) -> Person:
        first, sequence = {
            "aged_75": (date(1947, 1, 1), 1),
            "aged_95": (date(1930, 12, 1), 1),
            "outside_hukou": (date(1949, 5, 4), 20),
        }[role]
        return self._people.cast_member(first + timedelta(days=next(self.born)), sequence)


@pytest.fixture
def cast(people: City) -> Cast:
    return Cast(people)


@pytest.fixture
def li(town: Town) -> AtCounter:
    return AtCounter(town, "clerk-li")


@pytest.fixture
def wang(town: Town) -> AtCounter:
    return AtCounter(town, "clerk-wang")


async def case_of(town: Town, case_id: str) -> case_pb2.Case:
    """The case as the applicant's portal sees it."""
    answer = await town.wire.call(CASE, service.message(CASE, {"case_id": case_id}))
    case: case_pb2.Case = read(CASE, answer).case
    return case


def by_applicant(person: Person, case_id: str, at: Moved, text: str) -> dict[str, Any]:
    """What the applicant asks for about a case, as JSON."""
    return {
        "case_id": case_id,
        "request_id": str(uuid4()),
        "text": text,
        "person": {
            "documents": [{"kind": "resident_id", "number": person.id_number}],
            "assurance_level": "ASSURANCE_LEVEL_HIGH",
            "authentication_time": at.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }


async def timeline(town: Town, case_id: str) -> list[trail_pb2.Entry]:
    asked = service.message(TIMELINE, {"case_id": case_id})
    return list(read(TIMELINE, await town.wire.call(TIMELINE, asked, role="auditor")).entries)


# ── queue and dossier ────────────────────────────────────────────────────────────────────────────


@module
async def test_the_queue_has_referrals_alone_those_due_first_before_the_others(
    town: Town, at: Moved, cast: Cast, li: AtCounter
) -> None:
    at.now = NOW
    approved = await apply(town, cast["aged_75"])
    first = await apply(town, cast["outside_hukou"])
    at.now += timedelta(days=1)
    second = await apply(town, cast["aged_95"], person_requested=True)
    ours = {approved.case_id, first.case_id, second.case_id}

    found = [one for one in (await li.ask(REFERRALS)).referrals if one.case_id in ours]

    assert [one.case_id for one in found] == [first.case_id, second.case_id]
    assert (found[0].matter, list(found[0].reasons)) == (
        "old_age_allowance",
        ["REQUIREMENT_NOT_MET"],
    )
    assert found[0].promised_time.ToDatetime(tzinfo=UTC) == datetime(2026, 12, 1, 10, tzinfo=UTC)
    assert found[1].promised_time.ToDatetime(tzinfo=UTC) == datetime(2026, 12, 2, 10, tzinfo=UTC)
    assert not (await li.ask(REFERRALS, matter="library_card")).referrals
    for limits, expected in (
        ({"promised_before_time": "2026-12-01T10:00:00Z"}, []),
        ({"promised_before_time": "2026-12-01T10:00:01Z"}, [first.case_id]),
        ({"referred_before_time": "2026-11-25T01:02:03Z"}, [first.case_id]),
        ({"referred_before_time": "2026-11-25T01:02:04Z"}, [first.case_id, second.case_id]),
    ):
        narrowed = (await li.ask(REFERRALS, **limits)).referrals
        assert [one.case_id for one in narrowed if one.case_id in ours] == expected, limits
    paged: list[str] = []
    page = await li.ask(REFERRALS, page_size=1)
    while True:
        paged += [one.case_id for one in page.referrals]
        if not page.next_page_token:
            break
        page = await li.ask(REFERRALS, page_size=1, page_token=page.next_page_token)
    assert paged == [one.case_id for one in (await li.ask(REFERRALS)).referrals]


@module
async def test_who_works_on_a_case_is_seen_and_asked_for(
    town: Town, cast: Cast, li: AtCounter, wang: AtCounter
) -> None:
    mine = await apply(town, cast["outside_hukou"])
    free = await apply(town, cast["aged_95"], person_requested=True)
    await li.claim(mine.case_id)

    async def ids(clerk: AtCounter, whose: str) -> list[str]:
        found = await clerk.ask(REFERRALS, whose=f"WHOSE_{whose}")
        ours = {mine.case_id, free.case_id}
        return [one.case_id for one in found.referrals if one.case_id in ours]

    assert await ids(wang, "FREE") == [free.case_id]
    assert await ids(li, "MINE") == [mine.case_id]
    assert await ids(wang, "MINE") == []
    everybodys = (await wang.ask(REFERRALS)).referrals
    clerks = {one.case_id: one.clerk for one in everybodys}
    assert (clerks[mine.case_id], clerks[free.case_id]) == ("clerk-li", "")


@module
async def test_a_dossier_has_all_that_a_clerk_needs(town: Town, cast: Cast, li: AtCounter) -> None:
    person = cast["outside_hukou"]
    contests = [{"concept": "applicant.hukou_city", "claimed": "深圳市", "text": "已迁入"}]
    decision = await apply(town, person, contests=contests)

    dossier = await li.open(decision.case_id)

    facts = {one.used.concept: one for one in dossier.facts}
    born = facts["applicant.birth_date"]
    assert born.used.value.zh == person.birth_date.isoformat()
    assert (born.used.source, born.HasField("as_of_time")) == ("population_register", True)
    assert facts["applicant.hukou_city"].used.why == "CONTESTED"
    requirements = {one.requirement: one for one in dossier.requirements}
    assert requirements["R2"].code == "REQUIREMENT_UNKNOWN"
    assert requirements["R1"].code == "REQUIREMENT_MET"
    assert all(one.legal_basis for one in dossier.requirements)
    assert dossier.parties[0].documents[0].number == person.id_number
    assert dossier.answers["applicant.mobile"].text == "13800000000"
    assert dossier.contests[0].text == "已迁入"
    assert dossier.outputs[0].id == dossier.output_fields[0].id == "monthly_allowance"
    assert "hardship" in {one.reason for one in dossier.grounds}
    assert dossier.reasons
    assert dossier.evidence
    assert dossier.replaced


@module
async def test_a_clerk_finds_a_case_by_the_number_on_its_notice(
    town: Town, cast: Cast, li: AtCounter
) -> None:
    first, second = [await apply(town, cast[one]) for one in ("aged_75", "outside_hukou")]

    for decision in (first, second):
        assert (await li.open(decision.case_number)).case.case_id == decision.case_id
    nobody = await li.call(DOSSIER, case_id="20261124-0000-0000")
    small = await li.call(DOSSIER, case_id=first.case_number.lower())

    assert (nobody.code, nobody.reason) == ("NOT_FOUND", "CASE_NOT_FOUND")
    assert small.reason == "REQUEST_INVALID"


@module
async def test_a_look_at_the_counter_is_an_entry_about_the_person(
    town: Town, cast: Cast, li: AtCounter
) -> None:
    decision = await apply(town, cast["outside_hukou"])
    await li.open(decision.case_id)

    looked = [one for one in await timeline(town, decision.case_id) if one.type == "access/1"]

    said = json.loads(looked[0].permanent_json)
    assert (said["flow"], said["method"], said["caller"]) == ("counter", "GetDossier", "clerk-li")


@module
async def test_who_is_erased_is_in_no_queue_and_no_clerk_opens_what_is_left(
    town: Town, at: Moved, cast: Cast, li: AtCounter
) -> None:
    person = cast["outside_hukou"]
    case_id = (await apply(town, person)).case_id
    before = {one.case_id for one in (await li.ask(REFERRALS)).referrals}
    await town.trail.erase(f"resident_id:{person.id_number}", reason="demand", time=at.now)

    after = {one.case_id for one in (await li.ask(REFERRALS)).referrals}
    opened = await li.call(DOSSIER, case_id=case_id)

    assert before - after == {case_id}
    assert (opened.code, opened.reason) == ("FAILED_PRECONDITION", "ERASED")


# ── claims ───────────────────────────────────────────────────────────────────────────────────────


@module
async def test_a_claimed_case_is_nobody_elses_until_the_claim_runs_out(
    town: Town, at: Moved, cast: Cast, li: AtCounter, wang: AtCounter
) -> None:
    case_id = (await apply(town, cast["outside_hukou"])).case_id
    etag = await li.claim(case_id)

    taken = await wang.call(CLAIM, case_id=case_id, etag=etag)
    decided = await wang.call(DETERMINE, **instruction(case_id, etag, "refuse"))
    at.now += timedelta(minutes=31)
    late = await li.call(DETERMINE, **instruction(case_id, etag, "refuse"))
    theirs = (await wang.ask(CLAIM, case_id=case_id, etag=etag)).etag

    assert (taken.code, taken.reason) == ("FAILED_PRECONDITION", "CASE_CLAIMED")
    assert (decided.code, decided.reason) == ("FAILED_PRECONDITION", "NOT_CLAIMED")
    assert late.reason == "NOT_CLAIMED"
    again = await li.call(DETERMINE, **instruction(case_id, etag, "refuse"))
    assert (again.code, again.reason) == ("ABORTED", "ETAG_STALE")
    released = (await wang.ask(RELEASE, case_id=case_id, etag=theirs)).etag
    assert (await li.ask(CLAIM, case_id=case_id, etag=released)).etag


@module
async def test_of_many_clerks_at_once_one_gets_the_case(town: Town, cast: Cast) -> None:
    case_id = (await apply(town, cast["outside_hukou"])).case_id
    clerks = [AtCounter(town, f"clerk-{number}") for number in range(16)]
    etag = (await clerks[0].open(case_id)).etag

    answers = await asyncio.gather(
        *(clerk.call(CLAIM, case_id=case_id, etag=etag) for clerk in clerks)
    )

    assert sorted(answer.code for answer in answers) == ["ABORTED"] * 15 + ["OK"]


@module
async def test_what_is_not_at_the_counter_is_not_claimed(
    town: Town, cast: Cast, li: AtCounter
) -> None:
    case_id = (await apply(town, cast["aged_75"], answers={})).case_id
    dossier = await li.open(case_id)

    answer = await li.call(CLAIM, case_id=case_id, etag=dossier.etag)

    assert (answer.code, answer.reason) == ("FAILED_PRECONDITION", "CASE_NOT_AT_COUNTER")


# ── determinations ───────────────────────────────────────────────────────────────────────────────


@module
async def test_a_referral_is_approved_as_the_rules_say_and_told_apart_from_theirs(
    town: Town, cast: Cast, li: AtCounter
) -> None:
    referred = await apply(town, cast["aged_75"], person_requested=True)

    decided = (await li.determine(referred.case_id, "approve")).decision

    case = await case_of(town, referred.case_id)
    assert case.state == case_pb2.Case.STATE_APPROVED
    assert [one.WhichOneof("outcome") for one in case.decisions] == ["referred", "approved"]
    assert not case.decisions[0].HasField("determination")
    said = case.decisions[1]
    assert said == decided
    assert (said.determination.overrides, said.determination.two_persons) == (False, False)
    assert said.approved.grant[0].value.number == "200.00"
    assert said.approved.reasons[0].code == "DETERMINED_BY_PERSON"
    assert "核对了全部材料" in said.notice.zh
    assert "all papers were checked" in said.notice.en
    assert "由工作人员审查决定" in said.notice.zh
    assert "行政复议" in said.notice.zh
    assert "reconsider within 60 days" in said.notice.en
    entry = (await timeline(town, referred.case_id))[-2]
    permanent = json.loads(entry.permanent_json)
    assert (entry.type, entry.outcome, entry.caller) == ("determination/1", "approved", "clerk-li")
    assert (permanent["decided_by"], permanent["from"]) == ("person", "referred")
    receipt = await town.wire.call(RECEIPT, service.message(RECEIPT, {"case_id": case.case_id}))
    assert receipt.code == "OK"
    first = service.message(REPLAY, {"index": referred.receipt.index})
    replayed = read(REPLAY, await town.wire.call(REPLAY, first, role="auditor")).replay
    assert replayed.result == trail_pb2.Replay.RESULT_REPRODUCED


@module
async def test_what_a_clerk_finds_joins_the_facts_and_the_rules_are_applied_again(
    town: Town, cast: Cast, li: AtCounter
) -> None:
    """The contested city of household register was the only thing not known."""
    contests = [{"concept": "applicant.hukou_city", "claimed": "深圳市", "text": "刚迁入"}]
    case_id = (await apply(town, cast["aged_75"], contests=contests)).case_id
    findings = {"applicant.hukou_city": {"option": "shenzhen"}}

    decision = (await li.determine(case_id, "approve", findings=findings)).decision

    assert decision.approved.grant[0].value.number == "200.00"
    (city,) = {
        (used.source, used.value.zh)
        for reason in decision.approved.reasons
        for used in reason.used
        if used.concept == "applicant.hukou_city"
    }
    assert city == ("counter", "深圳市")
    assert not decision.determination.overrides


@module
async def test_s11_a_confirmed_refusal_needs_a_reason_and_an_open_dossier(
    town: Town, cast: Cast, li: AtCounter
) -> None:
    case_id = (await apply(town, cast["outside_hukou"])).case_id
    listed = {one.case_id: one.etag for one in (await li.ask(REFERRALS)).referrals}
    etag = (await li.ask(CLAIM, case_id=case_id, etag=listed[case_id])).etag

    unopened = await li.call(DETERMINE, **instruction(case_id, etag, "refuse"))
    await li.open(case_id)
    mute = await li.call(DETERMINE, **instruction(case_id, etag, "refuse", reason={"zh": "  "}))
    decision = (await li.ask(DETERMINE, **instruction(case_id, etag, "refuse"))).decision

    assert (unopened.code, unopened.reason) == ("FAILED_PRECONDITION", "CASE_NOT_OPENED")
    assert mute.fields == (("reason.zh", "REQUIRED"),)
    assert decision.refused.reasons[0].code == "DETERMINED_BY_PERSON"
    assert "REQUIREMENT_NOT_MET" in {one.code for one in decision.refused.reasons}


@module
async def test_corrections_send_the_case_back_and_the_applicant_goes_on_with_it(
    town: Town, cast: Cast, li: AtCounter
) -> None:
    person = cast["aged_75"]
    town.running.misbehave("death_register", Misconduct.GARBAGE)
    referred = await apply(town, person)
    town.running.reset()

    decision = (
        await li.determine(referred.case_id, "correct", fields=["applicant.mobile"])
    ).decision
    corrected = await apply(town, person, case_id=referred.case_id)

    assert [one.field for one in decision.needs_correction.reasons] == ["", "applicant.mobile"]
    assert corrected.WhichOneof("outcome") == "approved"
    case = await case_of(town, referred.case_id)
    assert [one.WhichOneof("outcome") for one in case.decisions] == [
        *("referred", "needs_correction", "approved")
    ]


@module
async def test_s10_who_has_asked_for_a_person_has_one_also_after_a_correction(
    town: Town, cast: Cast, li: AtCounter
) -> None:
    """Else a machine decides, and may refuse, what it was forbidden to."""
    person = cast["aged_75"]
    referred = await apply(town, person, person_requested=True)
    await li.determine(referred.case_id, "correct", fields=["applicant.mobile"])

    corrected = await apply(town, person, case_id=referred.case_id)

    assert corrected.referred.reasons[0].code == "PERSON_REQUESTED"


@module
async def test_against_the_rules_nobody_decides_without_a_ground_of_the_matter(
    town: Town, cast: Cast, li: AtCounter
) -> None:
    case_id = (await apply(town, cast["outside_hukou"])).case_id
    etag = await li.claim(case_id)

    async def fields(**more: Any) -> set[tuple[str, str]]:
        wanted = instruction(case_id, etag, **{"result": "approve", **more})
        return set((await li.call(DETERMINE, **wanted)).fields)

    assert await fields() == {("ground", "GROUND_REQUIRED")}
    assert await fields(ground={"reason": "fraud_suspicion"}) == {
        ("ground.reason", "GROUND_NOT_OFFERED")
    }
    assert await fields(ground={"reason": "because"}) == {("ground.reason", "UNKNOWN_VALUE")}
    assert await fields(ground={"reason": "law_exception"}) == {("ground.citation", "REQUIRED")}
    assert await fields(ground={"reason": "data_wrong_at_source"}) == {
        ("ground.ticket", "REQUIRED")
    }
    assert await fields(ground={"reason": "paper_document"}) == {("papers", "REQUIRED")}
    assert await fields(result="refuse", ground=HARDSHIP) == {("ground", "GROUND_NEEDLESS")}
    assert await fields(
        ground=HARDSHIP,
        findings={"applicant.shoe_size": {"number": "42"}, "applicant.birth_date": {"text": "x"}},
    ) == {
        ('findings["applicant.shoe_size"]', "UNKNOWN_CONCEPT"),
        ('findings["applicant.birth_date"]', "WRONG_KIND"),
    }
    assert await fields(
        ground=HARDSHIP, outputs={"monthly_allowance": {"number": "9.00"}, "x": {"number": "1"}}
    ) == {('outputs["monthly_allowance"]', "KNOWN_BY_RULES"), ('outputs["x"]', "UNKNOWN_FIELD")}
    assert await fields(ground=HARDSHIP, papers=[0]) == {("papers", "PAPER_NOT_FOUND")}


@module
async def test_what_the_rules_cannot_tell_a_clerk_says_and_answers_for(
    town: Town, cast: Cast, li: AtCounter
) -> None:
    contests = [{"concept": "applicant.birth_date", "claimed": "1930-12-01", "text": "登记有误"}]
    case_id = (await apply(town, cast["aged_75"], contests=contests)).case_id
    etag = await li.claim(case_id)
    silent = await li.call(DETERMINE, **instruction(case_id, etag, "approve", ground=HARDSHIP))

    more: Any = {"ground": HARDSHIP, "outputs": {"monthly_allowance": {"number": "300"}}}
    decision = (await li.ask(DETERMINE, **instruction(case_id, etag, "approve", **more))).decision

    assert silent.fields == (('outputs["monthly_allowance"]', "REQUIRED"),)
    assert decision.determination.overrides
    assert decision.determination.ground == "hardship"
    assert decision.approved.grant[0].value.number == "300.00"
    assert decision.approved.reasons[0].code == "HARDSHIP"
    assert "（确有特殊困难）：核对了全部材料" in decision.notice.zh
    assert "A clerk has found (hardship): all papers were checked" in decision.notice.en


# ── two persons ──────────────────────────────────────────────────────────────────────────────────


@module
async def test_an_approval_against_a_requirement_waits_for_a_second_person(
    town: Town, cast: Cast, li: AtCounter, wang: AtCounter
) -> None:
    case_id = (await apply(town, cast["outside_hukou"])).case_id

    proposed = await li.determine(case_id, "approve", ground=HARDSHIP)
    waits = await case_of(town, case_id)
    alone = await li.call(CLAIM, case_id=case_id, etag=proposed.etag)
    twin = AtCounter(town, "clerk-li-2", number="clerk-li")
    same = await twin.call(CLAIM, case_id=case_id, etag=proposed.etag)
    seen = await wang.open(case_id)
    decision = (await wang.confirm(case_id)).decision

    assert not proposed.HasField("decision")
    assert waits.state == case_pb2.Case.STATE_REFERRED
    assert {alone.reason, same.reason} == {"SECOND_PERSON_REQUIRED"}
    assert {alone.code, same.code} == {"PERMISSION_DENIED"}
    assert (seen.proposal.clerk, seen.proposal.ground.reason) == ("clerk-li", "hardship")
    assert (decision.determination.overrides, decision.determination.two_persons) == (True, True)
    assert "两名工作人员" in decision.notice.zh
    entries = await timeline(town, case_id)
    types = [one.type for one in entries if one.type != "access/1"]
    assert types == ["decision/1", "claim/1", "proposal/1", "claim/1", "override/1"]
    permanent = json.loads(entries[-2].permanent_json)
    assert (permanent["caller"], permanent["second"]) == ("clerk-li", "clerk-wang")
    assert permanent["statuses"] == permanent["found"]
    assert ["R2", "not_met"] in permanent["statuses"]


@module
async def test_a_proposal_that_is_returned_decides_nothing(
    town: Town, cast: Cast, li: AtCounter, wang: AtCounter
) -> None:
    case_id = (await apply(town, cast["outside_hukou"])).case_id
    await li.determine(case_id, "approve", ground=HARDSHIP)
    listed = await wang.ask(REFERRALS, whose="WHOSE_PROPOSED")

    await wang.hand_back(case_id)

    assert case_id in {one.case_id for one in listed.referrals}
    assert (await case_of(town, case_id)).state == case_pb2.Case.STATE_REFERRED
    nothing = await wang.open(case_id)
    assert not nothing.HasField("proposal")
    late = await wang.call(CONFIRM, case_id=case_id, etag=nothing.etag, reason="同意")
    assert (late.code, late.reason) == ("FAILED_PRECONDITION", "NOTHING_PROPOSED")
    assert (await li.determine(case_id, "refuse")).decision.HasField("refused")


@module
async def test_a_second_person_confirms_nothing_unseen(
    town: Town, cast: Cast, li: AtCounter, wang: AtCounter
) -> None:
    case_id = (await apply(town, cast["outside_hukou"])).case_id
    await wang.open(case_id)
    proposed = await li.determine(case_id, "approve", ground=HARDSHIP)
    etag = (await wang.ask(CLAIM, case_id=case_id, etag=proposed.etag)).etag

    unseen = await wang.call(CONFIRM, case_id=case_id, etag=etag, reason="同意")
    pending = await wang.call(DETERMINE, **instruction(case_id, etag, "refuse"))

    assert (unseen.code, unseen.reason) == ("FAILED_PRECONDITION", "CASE_NOT_OPENED")
    assert pending.reason == "PROPOSAL_PENDING"


@module
async def test_what_the_applicant_took_back_is_confirmed_by_nobody(
    town: Town, at: Moved, cast: Cast, li: AtCounter, wang: AtCounter
) -> None:
    person = cast["outside_hukou"]
    case_id = (await apply(town, person)).case_id
    await li.determine(case_id, "approve", ground=HARDSHIP)
    etag = await wang.claim(case_id)
    withdrawn = service.message(WITHDRAW, by_applicant(person, case_id, at, "不办了"))
    assert (await town.wire.call(WITHDRAW, withdrawn)).code == "OK"

    stale = await wang.call(CONFIRM, case_id=case_id, etag=etag, reason="同意")
    etag = (await wang.open(case_id)).etag
    late = await wang.call(CONFIRM, case_id=case_id, etag=etag, reason="同意")

    assert (stale.code, stale.reason) == ("ABORTED", "ETAG_STALE")
    assert (late.code, late.reason) == ("FAILED_PRECONDITION", "CASE_NOT_AT_COUNTER")
    assert (await case_of(town, case_id)).state == case_pb2.Case.STATE_WITHDRAWN


@module
async def test_no_clerk_decides_an_own_case(town: Town, cast: Cast, li: AtCounter) -> None:
    person = cast["outside_hukou"]
    decision = await apply(town, person)
    own = AtCounter(town, "clerk-zhao", number=person.id_number)
    etag = (await li.open(decision.case_id)).etag

    for method, more in (
        (DOSSIER, {}),
        (CLAIM, {"etag": etag}),
        (DETERMINE, instruction("", etag, "approve", ground=HARDSHIP)),
    ):
        answer = await own.call(method, **{**more, "case_id": decision.case_id})
        assert (answer.code, answer.reason) == ("PERMISSION_DENIED", "OWN_CASE")
        assert person.id_number not in answer.words


@module
async def test_a_clerk_whom_the_token_does_not_name_does_nothing(town: Town, cast: Cast) -> None:
    decision = await apply(town, cast["outside_hukou"])
    bearer = town.wire.bearer("clerk", person="")

    asked = service.message(DOSSIER, {"case_id": decision.case_id})
    answer = await town.wire.call(DOSSIER, asked, metadata=bearer)

    assert (answer.code, answer.reason) == ("PERMISSION_DENIED", "CLERK_UNKNOWN")


# ── overrides of decisions ───────────────────────────────────────────────────────────────────────


@module
async def test_an_approval_is_taken_back_by_two_and_then_free_to_be_granted_again(
    town: Town, cast: Cast, li: AtCounter, wang: AtCounter
) -> None:
    person = cast["aged_75"]
    approved = await apply(town, person)
    etag = await li.claim(approved.case_id)
    order = {"reason": "court_order", "citation": "〔2026〕深罗行复1号"}
    missing = await li.call(DETERMINE, **instruction(approved.case_id, etag, "refuse"))
    wanted = instruction(approved.case_id, etag, "refuse", ground=order)
    proposed = await li.ask(OVERRIDE, **wanted)
    taken = (await wang.confirm(approved.case_id)).decision
    again = await apply(town, person)

    assert missing.reason == "CASE_DECIDED_BEFORE"
    assert not proposed.HasField("decision")
    assert taken.refused.reasons[0].legal_basis[0].instrument == "〔2026〕深罗行复1号"
    assert (await case_of(town, approved.case_id)).state == case_pb2.Case.STATE_REFUSED
    assert again.referred.reasons[0].code == "ALREADY_GRANTED"
    granted = (await li.determine(again.case_id, "approve")).decision
    assert granted.HasField("approved")
    third = await apply(town, person)
    etag = await li.claim(third.case_id)
    twice = await li.call(DETERMINE, **instruction(third.case_id, etag, "approve"))
    assert (twice.code, twice.reason) == ("FAILED_PRECONDITION", "ALREADY_GRANTED")
    assert (await li.ask(DETERMINE, **instruction(third.case_id, etag, "refuse"))).decision


@module
async def test_s10_a_person_who_is_asked_for_afterwards_takes_nothing_alone(
    town: Town, at: Moved, cast: Cast, li: AtCounter, wang: AtCounter
) -> None:
    person = cast["aged_75"]
    case_id = (await apply(town, person)).case_id
    asked = service.message(REVIEW, by_applicant(person, case_id, at, "金额不对"))
    answer = await town.wire.call(REVIEW, asked)
    assert answer.code == "OK", answer.words
    listed = {one.case_id: one for one in (await li.ask(REFERRALS)).referrals}
    dossier = await li.open(case_id)

    etag = await li.claim(case_id)
    alone = await li.call(DETERMINE, **instruction(case_id, etag, "refuse"))
    refused = instruction(case_id, etag, "refuse", ground={"reason": "system_fault"})
    proposed = await li.ask(DETERMINE, **refused)
    await wang.hand_back(case_id)
    kept = (await wang.determine(case_id, "approve")).decision

    assert list(listed[case_id].reasons) == ["REVIEW_REQUESTED"]
    assert dossier.case.events[0].review_requested.text == "金额不对"
    assert alone.fields == (("ground", "GROUND_REQUIRED"),)
    assert not proposed.HasField("decision")
    assert not kept.determination.overrides
    assert kept.approved.grant[0].value.number == "200.00"
    permanent = json.loads((await timeline(town, case_id))[-2].permanent_json)
    assert (permanent["from"], permanent["outcome"]) == ("approved", "approved")


@module
async def test_s10_no_clerk_alone_grants_less_than_was_granted(
    town: Town, at: Moved, cast: Cast, li: AtCounter, wang: AtCounter
) -> None:
    """Who asks for a person after an approval must not lose by it what one clerk takes."""
    person = cast["aged_95"]
    case_id = (await apply(town, person)).case_id
    asked = service.message(REVIEW, by_applicant(person, case_id, at, "金额不对"))
    await town.wire.call(REVIEW, asked)
    etag = await li.claim(case_id)
    younger = instruction(
        case_id,
        etag,
        "approve",
        ground={"reason": "data_wrong_at_source", "ticket": "JHDD-1"},
        findings={"applicant.birth_date": {"date": {"year": 1950, "month": 12, "day": 1}}},
    )

    proposed = await li.ask(DETERMINE, **younger)
    before = await case_of(town, case_id)
    lowered = (await wang.confirm(case_id)).decision

    assert not proposed.HasField("decision")
    assert [one.value.number for one in before.grant] == ["500.00"]
    assert [one.value.number for one in lowered.approved.grant] == ["200.00"]


@module
async def test_a_refusal_is_overridden_within_what_the_ground_bears(
    town: Town, cast: Cast, li: AtCounter, wang: AtCounter
) -> None:
    case_id = (await apply(town, cast["outside_hukou"])).case_id
    etag = await li.claim(case_id)
    early = await li.call(OVERRIDE, **instruction(case_id, etag, "approve", ground=HARDSHIP))
    await li.ask(DETERMINE, **instruction(case_id, etag, "refuse"))
    etag = await wang.claim(case_id)
    paper = {"name": "户口迁移证", "media_type": "application/pdf"}
    content = base64.b64encode(PDF).decode()
    attached = await wang.ask(ATTACH, case_id=case_id, etag=etag, content=content, **paper)
    ground = {"reason": "paper_document"}
    wanted = instruction(
        case_id,
        attached.etag,
        "approve",
        ground=ground,
        papers=[attached.paper.index],
        findings={"applicant.hukou_city": {"option": "shenzhen"}},
    )
    proposed = await wang.ask(OVERRIDE, **wanted)
    decision = (await li.confirm(case_id)).decision

    assert early.reason == "CASE_NOT_DECIDED"
    assert not proposed.HasField("decision")
    assert decision.approved.grant
    assert "依据纸质或境外材料" in decision.notice.zh
    got = await li.ask(PAPER, case_id=case_id, index=attached.paper.index)
    assert (got.content, got.paper.name, got.paper.size) == (PDF, "户口迁移证", len(PDF))
    permanent = json.loads((await timeline(town, case_id))[-3].permanent_json)
    assert permanent["papers"] == [attached.paper.index]
    assert ["R2", "not_met"] in permanent["statuses"]
    assert ["R2", "met"] in permanent["found"]


@module
@pytest.mark.parametrize(
    ("content", "media_type", "field"),
    [
        pytest.param(b"MZ\x90", "application/pdf", "content", id="another kind of file"),
        pytest.param(PDF, "text/html", "media_type", id="a kind that is not taken"),
        pytest.param(b"%PDF-" + bytes(512 * 1024), "application/pdf", "content", id="too large"),
        pytest.param(b"", "image/png", "content", id="nothing"),
    ],
)
async def test_a_paper_is_a_document_of_bearable_size(
    town: Town, li: AtCounter, content: bytes, media_type: str, field: str
) -> None:
    answer = await li.call(
        ATTACH,
        case_id="0" * 32,
        etag="1.none",
        name="x",
        media_type=media_type,
        content=base64.b64encode(content).decode(),
    )

    assert [name for name, _ in answer.fields] == [field]


# ── in words ─────────────────────────────────────────────────────────────────────────────────────


class Refusals:
    """What clerks read, by when."""

    def __init__(self) -> None:
        self.read: dict[str, dict[str, Any]] = {}

    async def __call__(self, when: str, clerk: AtCounter, method: str, /, **request: Any) -> None:
        self.read[when] = in_words(await clerk.call(method, **request))


NO = Refusals()


@module
async def test_what_a_clerk_reads_is_told_word_for_word(
    town: Town, at: Moved, cast: Cast, li: AtCounter, wang: AtCounter
) -> None:
    """``tests/golden/errors.toml`` has every answer; it is read aloud before it is changed."""
    no = Refusals()
    person = cast["outside_hukou"]
    case_id = (await apply(town, person)).case_id
    await no("one's own case", AtCounter(town, "own", person.id_number), DOSSIER, case_id=case_id)
    other = AtCounter(town, "clerk-sun", matters=("library_card",))
    await no("a case of a matter that is another's", other, DOSSIER, case_id=case_id)
    etag = (await li.open(case_id)).etag
    refuse = instruction(case_id, etag, "refuse")
    await no("a case that nobody claimed", li, DETERMINE, **refuse)
    etag = (await li.ask(CLAIM, case_id=case_id, etag=etag)).etag
    await no("a case that moved on", li, DETERMINE, **refuse)
    refuse["etag"] = etag
    await no("an override of what is not decided", li, OVERRIDE, **refuse, ground=HARDSHIP)
    claimed = await wang.call(CLAIM, case_id=case_id, etag=etag)
    no.read["a case that another clerk claimed"] = in_words(claimed)
    until = no.read["a case that another clerk claimed"].pop("metadata")["until_time"]
    assert datetime.fromisoformat(until) == at.now + timedelta(minutes=30)
    for when, more in {
        "no ground": {},
        "a ground that the matter does not offer": {"ground": {"reason": "fraud_suspicion"}},
        "an exception without its article": {"ground": {"reason": "law_exception"}},
        "wrong data without a ticket": {"ground": {"reason": "data_wrong_at_source"}},
        "a paper that is not attached": {"ground": {"reason": "newer_evidence"}},
        "a paper of another case": {"ground": HARDSHIP, "papers": [0]},
        "a finding of nothing known": {"findings": {"applicant.size": {"number": "1"}}},
        "a finding of another kind": {"findings": {"applicant.birth_date": {"text": "x"}}},
        "a grant that the rules tell otherwise": {
            "ground": HARDSHIP,
            "outputs": {"monthly_allowance": {"number": "1.00"}},
        },
        "a grant of nothing known": {"ground": HARDSHIP, "outputs": {"x": {"number": "1"}}},
        "a correction in an approval": {"fields": ["applicant.mobile"]},
    }.items():
        await no(when, li, DETERMINE, **instruction(case_id, etag, "approve", **more))
    await no("a needless ground", li, DETERMINE, **refuse, ground=HARDSHIP)
    await no("nothing to confirm", li, CONFIRM, case_id=case_id, etag=etag, reason="同意")
    paper = {"name": "x", "media_type": "application/pdf", "content": base64.b64encode(PDF)}
    for _ in range(20):
        attached = await li.ask(ATTACH, case_id=case_id, etag=etag, **decoded(paper))
        etag = attached.etag
    await no("a paper too many", li, ATTACH, case_id=case_id, etag=etag, **decoded(paper))
    proposed = await li.ask(DETERMINE, **instruction(case_id, etag, "approve", ground=HARDSHIP))
    await no("one's own proposal", li, CLAIM, case_id=case_id, etag=proposed.etag)
    etag = (await wang.ask(CLAIM, case_id=case_id, etag=proposed.etag)).etag
    refuse["etag"] = etag
    await no("a case with a proposal", wang, DETERMINE, **refuse)
    unseen = {"case_id": case_id, "etag": etag, "reason": "同意"}
    await no("a case that was not opened", wang, CONFIRM, **unseen)

    assert no.read == {when: COUNTER[when] for when in no.read}
    NO.read |= no.read


@module
async def test_what_a_clerk_reads_of_other_cases_is_told_word_for_word(
    town: Town, at: Moved, cast: Cast, li: AtCounter, wang: AtCounter
) -> None:
    no = Refusals()
    case_id = (await apply(town, cast["outside_hukou"])).case_id
    await li.determine(case_id, "approve", ground=HARDSHIP)
    decision = (await wang.confirm(case_id)).decision
    etag = await wang.claim(case_id)
    await no("a decided case", wang, DETERMINE, **instruction(case_id, etag, "refuse"))
    corrected = (await apply(town, cast["aged_75"], answers={})).case_id
    seen = (await li.open(corrected)).etag
    await no("a case with its applicant", li, CLAIM, case_id=corrected, etag=seen)
    prefilled = service.request_to_prefill(cast["aged_75"], at.now)
    started = await town.wire.call(PREFILL, service.message(PREFILL, prefilled))
    unfiled = prefill_pb2.PrefillResponse.FromString(started.responses[0]).started.case_id
    await no("a case that was not handed in", li, DOSSIER, case_id=unfiled)
    person = cast["aged_75"]
    await apply(town, person)
    twice = (await apply(town, person)).case_id
    etag = await li.claim(twice)
    await no("a second grant", li, DETERMINE, **instruction(twice, etag, "approve"))
    second = {"case_id": case_id, "index": decision.receipt.index, "result": "RESULT_REFUSE"}
    await no("a second look at one's own", li, SECOND_LOOK, **second, reason="不符合")
    zhao = AtCounter(town, "clerk-zhao")
    await no("a second look unseen", zhao, SECOND_LOOK, **second, reason="不符合")
    await zhao.open(case_id, blind=True)
    await zhao.ask(SECOND_LOOK, **second, reason="不符合")
    await no("a third look", zhao, SECOND_LOOK, **second, reason="不符合")

    assert no.read == {when: COUNTER[when] for when in no.read}
    assert sorted(COUNTER) == sorted(NO.read | no.read)


def decoded(paper: dict[str, Any]) -> dict[str, Any]:
    return {**paper, "content": paper["content"].decode()}
