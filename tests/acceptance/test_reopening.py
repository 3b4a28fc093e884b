"""What rules have decided wrongly goes back to persons, and whom it hit is told (S18)."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from audit.verify import verify_store
from decision_service import catalogue
from decision_service.aftercare import answer_proposal, change_standing, record_delivery
from decision_service.casework import case as case_now
from decision_service.catalogue import Catalogue
from decision_service.counter.desk import claim, dossier
from decision_service.counter.determination import Instruction
from decision_service.counter.ruling import determine
from decision_service.errors import (
    InvalidRequestError,
    NotAuthorizedError,
    NotPublishedError,
    RequestReusedError,
)
from decision_service.followup import Act, Channel, Delivery, Reopening
from decision_service.model import (
    Application,
    Approved,
    CaseState,
    Decision,
    Ground,
    MatterId,
    OverrideReason,
    Referred,
    Refused,
    Text,
)
from decision_service.office import Office
from decision_service.reopening import Ask, Reopened, reopen
from decision_service.replay import Reproduced, replay
from decision_service.rights import request_review
from decision_service.standing import Standing
from decision_service.stop_client import ReopenDecisionsResponse
from evidence_adapters import registry
from evidence_adapters.sandbox import City
from tests import service
from tests.acceptance.rights import ALLOWANCE, act, ask, decided, delivery, soon, task
from tests.conformance.test_cli_aftercare import miaopi
from tests.counter import AtCounter, apply, clerk_of_all, instruction
from tests.service import CASE, DETERMINE, REFERRALS, REOPEN, person_tag

ApplyFor = Callable[..., Application]
CARD = "library_card"
ROOT = Path(__file__).parents[2]
WHY = Text(zh="登记机关更正了一批生日", en="a register has corrected birthdays")


@pytest.fixture
def cast(people: City, clock: Any, office: Office) -> Any:
    return people.cast(office.today(clock()))


def wanted(clock: Any, **changes: Any) -> Ask:
    """Everything that rules have decided about the allowance, but for the changes."""
    parts: dict[str, Any] = {
        "caller": "approver-1",
        "role": "policy_approver",
        "person": person_tag("an approver"),
        "request_id": str(uuid4()),
        "content_digest": uuid4().hex,
        "matter": MatterId(ALLOWANCE),
        "reason": WHY,
        "filter": "",
        "archive": b"",
        "now": clock(),
        "deadline": soon() + 60,
    }
    return Ask(**{**parts, **changes})


async def reopened(office: Office, clock: Any, **changes: Any) -> Reopened:
    """How far it came in the end."""
    told = [one async for one in reopen(wanted(clock, **changes), office=office)]
    return told[-1]


async def steps(office: Office, decision: Decision) -> list[Any]:
    return [one.step for one in await office.casebook.happened(decision.case_id)]


@pytest.mark.parametrize(
    ("who", "matter", "outcome", "standing"),
    [
        ("aged_75", ALLOWANCE, Approved, Standing.IN_FORCE),
        ("library_holder", CARD, Refused, Standing.NONE),
    ],
)
async def test_s18_a_decided_case_goes_to_a_person_and_nothing_is_taken(
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    cast: Any,
    who: str,
    matter: str,
    outcome: type,
    standing: Standing,
) -> None:
    decision = await decided(apply_for(cast[who], matter), office, clock)
    assert isinstance(decision.outcome, outcome)

    told = await reopened(office, clock, matter=MatterId(matter))

    assert (told.done, told.total, told.reopened) == (1, 1, 1)
    assert told.last == decision.receipt.index
    case = await case_now(decision.case_id, caller="portal-test", office=office)
    assert case.state is CaseState.REFERRED
    assert case.standing is standing
    (event,) = case.events
    assert event.step == Reopening(
        decision=decision.receipt.index, reason=WHY, person=person_tag("an approver")
    )
    assert WHY.zh in event.notice.zh
    assert WHY.en in event.notice.en
    (due,) = await office.record.referred({MatterId(matter)}, after=("", ""), limit=2)
    assert due.due_time is not None
    assert str(office.today(due.due_time)) in event.notice.zh
    assert due.due_time > clock()
    assert isinstance(await replay(decision.receipt.index, office=office), Reproduced)


async def test_s18_the_same_request_reopens_once_and_another_finds_it_open(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    same = {"request_id": str(uuid4()), "content_digest": uuid4().hex}

    first = await reopened(office, clock, **same)
    again = await reopened(office, clock, **same)
    other = await reopened(office, clock)

    assert (first.reopened, again.reopened, other.reopened) == (1, 1, 0)
    assert other.passed_over == {"open": 1}
    assert len(await steps(office, decision)) == 1
    with pytest.raises(RequestReusedError):
        await reopened(office, clock, request_id=same["request_id"])


async def test_s18_what_is_not_decided_by_rules_alone_is_passed_over(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, people: City
) -> None:
    referred = await decided(apply_for(cast["outside_hukou"], ALLOWANCE), office, clock)
    assert isinstance(referred.outcome, Referred)
    asked = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    await request_review(
        ask(cast["aged_75"], asked.case_id, "RequestReview", clock), "看一看", office=office
    )

    told = await reopened(office, clock)

    assert (told.total, told.reopened) == (1, 0), "the referral is a person's already"
    assert told.passed_over == {"open": 1}
    assert not any(isinstance(one, Reopening) for one in await steps(office, asked))


async def test_s18_a_filter_tells_which(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    first = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    second = await decided(apply_for(cast["aged_95"], ALLOWANCE), office, clock)

    told = await reopened(office, clock, filter=f"index > {first.receipt.index}")

    assert (told.total, told.reopened) == (1, 1)
    assert not await steps(office, first)
    assert await steps(office, second)


@pytest.fixture
def corrected(tmp_path: Path) -> Callable[[str, str], bytes]:
    """The archive of the allowance with some words of its rule file changed."""
    registers = {key: one.meaning for key, one in registry.load().items()}

    def compose(old: str, new: str) -> bytes:
        for folder in ("rules/old_age_allowance", "matters/old_age_allowance"):
            shutil.copytree(ROOT / folder, tmp_path / folder)
        for path in (ROOT / "matters").glob("*.*"):
            shutil.copy(path, tmp_path / "matters" / path.name)
        path = tmp_path / "rules/old_age_allowance/2019-10-01.rules.md"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        releases = catalogue.compose_all(tmp_path, registers)
        return next(one.archive for one in releases if one.name == f"{ALLOWANCE}@2019-10-01")

    return compose


async def test_s18_only_what_the_corrected_rules_decide_otherwise(
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    cast: Any,
    corrected: Callable[[str, str], bytes],
) -> None:
    archive = corrected("| 3 | [90..100) | 500.00 |", "| 3 | [90..100) | 550.00 |")
    right = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    wrong = await decided(apply_for(cast["aged_95"], ALLOWANCE), office, clock)

    told = await reopened(office, clock, archive=archive)

    assert (told.total, told.reopened, told.passed_over) == (2, 1, {"same": 1})
    assert not await steps(office, right)
    assert len(await steps(office, wrong)) == 1


async def test_s18_a_release_of_another_matter_and_what_is_none_are_refused(
    office: Office, clock: Any, published: Catalogue
) -> None:
    card = next(one for one in published.releases if one.matter.id == CARD)

    for archive, reason in ((card.archive, "OTHER_MATTER"), (b"x", "NOT_A_RELEASE")):
        with pytest.raises(InvalidRequestError) as caught:
            await reopened(office, clock, archive=archive)
        assert [one.reason for one in caught.value.fields] == [reason]


async def test_s18_nobody_unknown_reopens_anything_and_nothing_unknown_is_reopened(
    office: Office, clock: Any
) -> None:
    with pytest.raises(NotAuthorizedError) as caught:
        await reopened(office, clock, person="")
    assert caught.value.reason == "CLERK_UNKNOWN"
    with pytest.raises(NotPublishedError):
        await reopened(office, clock, matter=MatterId("no_such"))


async def test_s18_what_time_did_not_allow_is_taken_up_by_the_same_request(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    same = {"request_id": str(uuid4()), "content_digest": uuid4().hex}

    late = await reopened(office, clock, deadline=asyncio.get_running_loop().time(), **same)

    assert (late.done, late.total, late.last) == (0, 1, -1)
    assert not await steps(office, decision)
    assert (await reopened(office, clock, **same)).reopened == 1


async def test_s18_two_who_reopen_the_same_at_once_do_it_once(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)

    both = await asyncio.gather(*(reopened(office, clock) for _ in range(8)))

    assert sum(one.reopened for one in both) == 1
    assert sum(one.passed_over["open"] for one in both) == 7
    assert len(await steps(office, decision)) == 1


async def test_s18_who_was_erased_is_left_in_peace(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    await decided(apply_for(person, ALLOWANCE), office, clock)
    subject = f"resident_id:{person.id_number}"
    await office.record.erase(subject, reason="demand", time=clock(), told={})

    told = await reopened(office, clock)

    assert (told.reopened, told.passed_over) == (0, {"erased": 1})


async def test_s18_the_same_request_passes_over_whom_it_reopened_and_who_was_erased_since(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person, other = cast["aged_75"], cast["aged_95"]
    await decided(apply_for(person, ALLOWANCE), office, clock)
    second = await decided(apply_for(other, ALLOWANCE), office, clock)
    same = {"request_id": str(uuid4()), "content_digest": uuid4().hex}
    await reopened(office, clock, filter=f"index < {second.receipt.index}", **same)
    await office.record.erase(
        f"resident_id:{person.id_number}", reason="demand", time=clock(), told={}
    )

    told = await reopened(office, clock, **same)

    assert (told.done, told.reopened, told.passed_over) == (2, 1, {"erased": 1})
    assert await steps(office, second)


@pytest.mark.parametrize("ended", [Act.REVOKE, Act.CANCEL])
async def test_s18_what_persons_have_ended_is_not_decided_again(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, ended: Act
) -> None:
    """Whoever approved it once more would grant anew what two persons have taken back."""
    decision = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    await changed(decision, ended, office, clock)

    told = await reopened(office, clock)

    assert (told.reopened, told.passed_over) == (0, {"superseded": 1})
    case = await case_now(decision.case_id, caller="portal-test", office=office)
    assert case.state is CaseState.APPROVED


async def test_s18_what_is_suspended_only_is_decided_again_and_stays_suspended(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    await changed(decision, Act.SUSPEND, office, clock)

    assert (await reopened(office, clock)).reopened == 1

    case = await case_now(decision.case_id, caller="portal-test", office=office)
    assert (case.state, case.standing) == (CaseState.REFERRED, Standing.SUSPENDED)


async def changed(decision: Decision, how: Act, office: Office, clock: Any) -> None:
    """A clerk does something about a grant, and a second one confirms it where two are needed."""
    change = act(how, decision.receipt.index, office.today(clock()))
    _, proposal = await change_standing(
        task("ChangeStanding", clock), decision.case_id, change, office=office
    )
    if proposal is not None:
        second = task("AnswerProposal", clock, caller="clerk-2", person=person_tag("another clerk"))
        await answer_proposal(second, proposal, confirmed=True, text="已核对", office=office)


async def test_s18_that_its_notice_has_reached_the_applicant_is_recorded(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    told = await reopened(office, clock)
    assert told.reopened == 1
    told_of = (await case_now(decision.case_id, caller="portal-test", office=office)).events[0]

    case = await record_delivery(
        task("RecordDelivery", clock, caller="portal-test", role="portal"),
        decision.case_id,
        delivery(told_of.receipt.index, Channel.SMS, clock),
        office=office,
    )

    assert isinstance(case.events[-1].step, Delivery)
    assert case.served == (), "no term runs from it"


async def test_s11_nobody_reopens_a_case_that_they_take_part_in(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    """A reason that colleagues read in the authority's name is nobody's for themselves (回避)."""
    own = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    other = await decided(apply_for(cast["aged_95"], ALLOWANCE), office, clock)

    told = await reopened(office, clock, person=person_tag(cast["aged_75"].id_number))

    assert (told.reopened, told.passed_over) == (1, {"own": 1})
    assert not await steps(office, own)
    assert await steps(office, other)


async def test_s18_it_is_on_record_who_reopened_what_and_why(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    decision = await decided(apply_for(person, ALLOWANCE), office, clock)
    await reopened(office, clock)

    entries = await office.record.entries(decision.case_id)

    permanent = entries[-1].permanent
    assert entries[-1].type == "reopening/1"
    assert permanent["decision"] == decision.receipt.index
    assert permanent["reason"] == {"zh": WHY.zh, "en": WHY.en}
    assert permanent["person"] == person_tag("an approver")
    assert person.id_number not in json.dumps(permanent)


async def test_s18_over_the_wire_a_clerk_decides_again_and_it_is_not_reopened_twice(
    tmp_path: Path, published: Catalogue, people: City
) -> None:
    now = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
    person = people.cast(now.date())["aged_75"]
    async with service.town(tmp_path, published, people, lambda: now) as town:
        li = AtCounter(town, "clerk-li")
        case_id = (await apply(town, person)).case_id
        bearer = town.wire.bearer("operator", subject="operator-1", person=person_tag("one"))

        async def sent(**how: Any) -> service.Answer:
            document = service.right(REOPEN, person, now, "")
            return await town.wire.call(REOPEN, service.message(REOPEN, document), **how)

        refused = [await sent(role=role) for role in ("portal", "clerk", "policy_author")]
        told = await sent(metadata=bearer)
        last = ReopenDecisionsResponse.FromString(told.responses[-1])
        listed = {one.case_id: one for one in (await li.ask(REFERRALS)).referrals}
        dossier = await li.open(case_id)
        etag = await li.claim(case_id)
        kept = await li.ask(DETERMINE, **instruction(case_id, etag, "approve"))
        again = ReopenDecisionsResponse.FromString((await sent(metadata=bearer)).responses[-1])
        shown = await town.wire.call(CASE, service.message(CASE, {"case_id": case_id}))

    assert {answer.code for answer in refused} == {"PERMISSION_DENIED"}
    assert (told.code, last.reopened, last.total) == ("OK", 1, 1)
    assert list(listed[case_id].reasons) == ["DECISION_REOPENED"]
    assert dossier.case.events[0].reopened.reason.en == "a register has corrected its data"
    why, *as_decided = dossier.reasons
    assert why.code == "DECISION_REOPENED"
    assert why.text.en.endswith("Why: a register has corrected its data")
    assert {one.code for one in as_decided} == {"REQUIREMENT_MET"}
    assert kept.decision.HasField("approved")
    assert (again.reopened, dict(again.passed_over)) == (0, {"SUPERSEDED": 1})
    assert b"a register has corrected its data" in shown.responses[0]
    assert not any(person.id_number.encode() in one for one in told.responses)
    assert (await asyncio.to_thread(verify_store, town.store)).problems == ()


async def test_s18_what_a_person_has_sent_back_for_correction_is_not_decided_by_rules(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    """Rules that have decided a case once do not decide it again, or take what they gave."""
    person = cast["library_holder"]
    refused = await decided(apply_for(person, CARD), office, clock)
    assert isinstance(refused.outcome, Refused)
    assert (await reopened(office, clock, matter=MatterId(CARD))).reopened == 1
    clerk = clerk_of_all("clerk-1", person_tag("a clerk"), clock())
    opened = await dossier(refused.case_id, blind=False, clerk=clerk, office=office)
    await claim(refused.case_id, opened.etag, clerk=clerk, office=office)
    opened = await dossier(refused.case_id, blind=False, clerk=clerk, office=office)
    correct = Instruction(
        result="correct",
        text=WHY,
        fields=("applicant.mobile",),
        ground=Ground(reason=OverrideReason.SYSTEM_FAULT),
    )
    await determine(refused.case_id, opened.etag, correct, clerk=clerk, office=office)

    again = await decided(apply_for(person, CARD, case_id=refused.case_id), office, clock)

    assert isinstance(again.outcome, Referred)
    assert again.outcome.reasons[0].code == "DECISION_REOPENED"
    assert isinstance(await replay(again.receipt.index, office=office), Reproduced)


async def test_s11_what_was_granted_is_taken_by_two_persons_also_after_a_correction(
    tmp_path: Path, published: Catalogue, people: City
) -> None:
    now = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
    person = people.cast(now.date())["aged_75"]
    fault = {"ground": {"reason": "system_fault"}}
    async with service.town(tmp_path, published, people, lambda: now) as town:
        li, wang = AtCounter(town, "clerk-li"), AtCounter(town, "clerk-wang")
        granted = await apply(town, person)
        assert granted.HasField("approved")
        bearer = town.wire.bearer("operator", subject="operator-1", person=person_tag("one"))
        asked = service.message(REOPEN, service.right(REOPEN, person, now, ""))
        assert (await town.wire.call(REOPEN, asked, metadata=bearer)).code == "OK"
        await li.determine(granted.case_id, "correct", fields=["applicant.mobile"], **fault)
        await wang.confirm(granted.case_id)
        again = await apply(town, person, case_id=granted.case_id)
        assert again.HasField("referred")

        refusing = await li.determine(granted.case_id, "refuse", **fault)

        assert not refusing.HasField("decision"), "a second person confirms it"
        assert (await wang.confirm(granted.case_id)).decision.HasField("refused")


async def test_s18_one_request_is_the_same_whichever_of_its_decisions_are_left(
    tmp_path: Path, published: Catalogue, people: City
) -> None:
    """A client goes on with `AND index > last_index`, and repeats the whole if that breaks off."""
    now = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
    cast = people.cast(now.date())
    async with service.town(tmp_path, published, people, lambda: now) as town:
        first = await apply(town, cast["aged_75"])
        await apply(town, cast["aged_95"])
        bearer = town.wire.bearer("operator", subject="operator-1", person=person_tag("one"))
        asked = service.right(REOPEN, cast["aged_75"], now, "")

        async def sent(**changes: Any) -> service.Answer:
            message = service.message(REOPEN, asked | changes)
            return await town.wire.call(REOPEN, message, metadata=bearer)

        rest = await sent(filter=f"index > {first.receipt.index}")
        whole = await sent()
        other = await sent(reason={"zh": "另一理由", "en": "another reason"})

    assert ReopenDecisionsResponse.FromString(rest.responses[-1]).reopened == 1
    assert whole.code == "OK", whole.words
    assert ReopenDecisionsResponse.FromString(whole.responses[-1]).reopened == 2
    assert other.code == "ALREADY_EXISTS"


async def test_s18_what_was_tampered_with_is_told_and_holds_up_nobody_else(
    tmp_path: Path, published: Catalogue, people: City
) -> None:
    now = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
    cast = people.cast(now.date())
    async with service.town(tmp_path, published, people, lambda: now) as town:
        decision = await apply(town, cast["aged_75"])
        bearer = town.wire.bearer("operator", subject="operator-1", person=person_tag("one"))
        asked = service.message(REOPEN, service.right(REOPEN, cast["aged_75"], now, ""))
        assert (await town.wire.call(REOPEN, asked, metadata=bearer)).code == "OK"
        reopening = town.trail.size() - 1
        assert (await apply(town, cast["aged_95"])).HasField("approved")

        found = []
        for broken in (reopening, decision.receipt.index):
            with sqlite3.connect(town.store / "store.sqlite") as store:
                store.execute("UPDATE sealed SET content = zeroblob(99) WHERE idx = ?", (broken,))
            store.close()
            answer = await town.wire.call(REOPEN, asked, metadata=bearer)
            found.append(ReopenDecisionsResponse.FromString(answer.responses[-1]))

    for told in found:
        assert (told.done, told.reopened, dict(told.passed_over)) == (2, 1, {"TAMPERED": 1})


@pytest.mark.slow
async def test_s18_decisions_are_reopened_by_hand(
    office: Office,
    apply_for: ApplyFor,
    cast: Any,
    corrected: Callable[[str, str], bytes],
    tmp_path: Path,
) -> None:
    def real() -> datetime:
        return datetime.now(UTC)

    corrected("| 3 | [90..100) | 500.00 |", "| 3 | [90..100) | 550.00 |")
    file = tmp_path / "rules/old_age_allowance/2019-10-01.rules.md"
    for who in ("aged_75", "aged_95"):
        await decided(apply_for(cast[who], ALLOWANCE), office, real)
    async with service.serve(office, real) as wire:
        bearer = wire.bearer("operator", subject="operator-1", person=person_tag("one"))

        async def typed(*arguments: str) -> str:
            why = ("--reason", WHY.zh, "--reason-en", WHY.en)
            return await miaopi(
                wire, "operator", "stops", "reopen", ALLOWANCE, *why, *arguments, bearer=bearer
            )

        by_rules = await typed("--by", str(file))
        rest = json.loads(await typed("--json"))

    assert "已交人工重审 1 件，共 2 件 | reopened 1 of 2" in by_rules
    assert "不重审 passed over 1: 按该版本结论相同" in by_rules
    assert rest["reopened"] == "1"
    assert rest["passed_over"] == {"OPEN": "1"}
