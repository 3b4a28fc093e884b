"""The emergency stop of a matter (S18): one person stops it, nobody is refused, two lift it."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from decision_service import stops
from decision_service.catalogue import Catalogue
from decision_service.eligibility import Prospect, check
from decision_service.errors import (
    NotAuthorizedError,
    NotPublishedError,
    PreconditionError,
    RequestReusedError,
)
from decision_service.followup import Lift, LiftProposal, Stop
from decision_service.model import (
    Application,
    Approved,
    Decision,
    EvidenceType,
    MatterId,
    PrefillRequest,
    Referred,
    Refused,
    Waiting,
)
from decision_service.office import Office
from decision_service.prefill import prefill
from decision_service.replay import Reproduced, replay
from decision_service.v1.matter_pb2 import GetMatterResponse, ListMattersResponse
from decision_service.v1.stop_pb2 import (
    ListStopsResponse,
    ResumeMatterResponse,
    StopMatterResponse,
)
from decision_service.waiting import decide_again
from evidence_adapters.sandbox import City, Misconduct, Running
from tests import service
from tests.acceptance.rights import ALLOWANCE, decided, soon
from tests.conformance.test_cli_aftercare import miaopi
from tests.service import DECIDE, GET, LIST, RESUME, STOP, STOPS, Answer, person_tag

ApplyFor = Callable[..., Application]
CARD = "library_card"


@pytest.fixture
def cast(people: City, clock: Any, office: Office) -> Any:
    return people.cast(office.today(clock()))


def said(method: str, clock: Any, who: str = "one", **changes: Any) -> stops.Ask:
    """What a person of the staff wants, about the allowance but for the changes."""
    parts: dict[str, Any] = {
        "caller": f"operator-{who}",
        "role": "operator",
        "person": person_tag(who),
        "method": method,
        "request_id": str(uuid4()),
        "content_digest": uuid4().hex,
        "matter": MatterId(ALLOWANCE),
        "reason": "the register gives wrong birthdays",
        "now": clock(),
    }
    return stops.Ask(**{**parts, **changes})


async def stopped(office: Office, clock: Any, matter: str = ALLOWANCE) -> None:
    await stops.stop(said("StopMatter", clock, matter=MatterId(matter)), office=office)


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.outcome.reasons]


@pytest.mark.parametrize(
    ("who", "matter", "else_", "changes"),
    [
        pytest.param("aged_75", ALLOWANCE, Approved, {}, id="what would be approved"),
        pytest.param("library_holder", CARD, Refused, {}, id="what would be refused"),
        pytest.param("outside_hukou", ALLOWANCE, Referred, {}, id="what would be referred"),
        pytest.param(
            "aged_75", ALLOWANCE, Referred, {"person_requested": True}, id="what a person is to do"
        ),
    ],
)
async def test_s18_whatever_is_applied_for_is_referred_once_its_matter_is_stopped(
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    cast: Any,
    who: str,
    matter: str,
    else_: type,
    changes: dict[str, Any],
) -> None:
    before = await decided(apply_for(cast[who], matter, **changes), office, clock)
    assert isinstance(before.outcome, else_)
    await stopped(office, clock, matter)

    decision = await decided(apply_for(cast[who], matter, **changes), office, clock)

    assert isinstance(decision.outcome, Referred)
    assert codes(decision)[0] == "MATTER_STOPPED"
    assert "暂停自动办理" in decision.notice.zh
    assert "you lose nothing" in decision.notice.en
    for one in (before, decision):
        assert isinstance(await replay(one.receipt.index, office=office), Reproduced)


async def test_s18_one_can_prefill_and_apply_to_it_and_to_everything_else(
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    ask_for: Callable[..., PrefillRequest],
    cast: Any,
) -> None:
    person = cast["aged_75"]
    await stopped(office, clock)

    request = ask_for(person, ALLOWANCE)
    shown = [event async for event in prefill(request, office=office, now=clock(), deadline=soon())]
    told = await check(ask_for(person, ALLOWANCE), office=office, now=clock(), deadline=soon())
    other = await decided(apply_for(person, CARD), office, clock)

    assert shown
    assert (told.prospect, told.requirements) == (Prospect.OPEN, ())
    assert "MATTER_STOPPED" not in codes(other)


async def test_s18_what_is_stopped_while_registers_are_asked_is_not_decided_by_rules(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    running.misbehave(EvidenceType("death_register"), Misconduct.SLOW)
    running.accesses.clear()
    deciding = asyncio.create_task(decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock))
    while not running.accesses:  # noqa: ASYNC110
        await asyncio.sleep(0.01)

    await stopped(office, clock)

    assert "MATTER_STOPPED" in codes(await deciding)


async def test_s18_a_case_that_waits_goes_to_a_person_at_its_next_try(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Running
) -> None:
    running.misbehave(EvidenceType("death_register"), Misconduct.DOWN)
    waiting = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    assert isinstance(waiting.outcome, Waiting)
    running.reset()
    await stopped(office, clock)

    again = await decide_again(waiting.case_id, office=office, now=clock())

    assert again is not None
    assert codes(again)[0] == "MATTER_STOPPED"


async def test_s18_one_person_stops_it_and_two_persons_lift_it(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    first = said("StopMatter", clock)
    done = await stops.stop(first, office=office)
    assert isinstance(done.step, Stop)
    assert await stops.stop(first, office=office) == done, "the same request stops it once"
    with pytest.raises(RequestReusedError):
        await stops.stop(
            said("StopMatter", clock, request_id=first.request_id, caller=first.caller),
            office=office,
        )

    proposed = await stops.resume(said("ResumeMatter", clock), office=office)
    assert isinstance(proposed.step, LiftProposal)
    other_account = said("ResumeMatter", clock, caller="approver-9", role="policy_approver")
    with pytest.raises(NotAuthorizedError) as caught:
        await stops.resume(other_account, office=office)
    assert caught.value.reason == "SECOND_PERSON_REQUIRED"
    held = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    assert "MATTER_STOPPED" in codes(held)

    await stopped(office, clock)  # who stops it anew makes the proposal void
    again = await stops.resume(said("ResumeMatter", clock, "another"), office=office)
    assert isinstance(again.step, LiftProposal)
    lifted = await stops.resume(said("ResumeMatter", clock, "a third"), office=office)
    assert isinstance(lifted.step, Lift)
    assert await stops.in_force(office) == ()
    decision = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    assert isinstance(decision.outcome, Approved)
    with pytest.raises(PreconditionError) as not_stopped:
        await stops.resume(said("ResumeMatter", clock), office=office)
    assert not_stopped.value.reason == "MATTER_NOT_STOPPED"
    entry = await office.record.recorded(done.receipt.index)
    assert first.reason in json.dumps(entry.permanent)


async def test_s18_nobody_unknown_stops_anything_and_nothing_unknown_is_stopped(
    office: Office, clock: Any
) -> None:
    with pytest.raises(NotAuthorizedError) as caught:
        await stops.stop(said("StopMatter", clock, person=""), office=office)
    assert caught.value.reason == "CLERK_UNKNOWN"
    with pytest.raises(NotPublishedError):
        await stops.stop(said("StopMatter", clock, matter=MatterId("no_such")), office=office)


async def test_s18_over_the_wire_it_is_shown_wherever_the_matter_is(
    tmp_path: Path, published: Catalogue, people: City
) -> None:
    now = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
    person = people.cast(now.date())["aged_75"]
    async with service.town(tmp_path, published, people, lambda: now) as town:
        tokens = {
            who: town.wire.bearer(
                "policy_approver", subject=f"approver-{who}", person=person_tag(who)
            )
            for who in ("one", "two")
        }

        async def sent(method: str, document: dict[str, Any], **how: Any) -> Answer:
            answer = await town.wire.call(method, service.message(method, document), **how)
            assert answer.code == "OK", answer.words
            return answer

        async def is_stopped() -> tuple[bool, bool]:
            got = await sent(GET, {"matter": ALLOWANCE})
            listed = await sent(LIST, {})
            matters = ListMattersResponse.FromString(listed.responses[0]).matters
            return (
                GetMatterResponse.FromString(got.responses[0]).matter.stopped,
                [one.id for one in matters if one.stopped] == [ALLOWANCE],
            )

        asked = service.right(STOP, person, now, "")
        portal = await town.wire.call(STOP, service.message(STOP, asked))
        assert portal.code == "PERMISSION_DENIED"
        assert await is_stopped() == (False, False)
        done = await sent(STOP, asked, metadata=tokens["one"])
        made = StopMatterResponse.FromString(done.responses[0]).stop
        assert (made.caller, made.lift_proposed) == ("approver-one", False)
        assert await is_stopped() == (True, True)
        listed = await sent(STOPS, {}, role="auditor")
        assert [*ListStopsResponse.FromString(listed.responses[0]).stops] == [made]
        await sent(DECIDE, service.application(person, now))
        for who, lifted in (("one", False), ("two", True)):
            resumed = await sent(
                RESUME, service.right(RESUME, person, now, ""), metadata=tokens[who]
            )
            assert ResumeMatterResponse.FromString(resumed.responses[0]).lifted is lifted
        assert await is_stopped() == (False, False)


@pytest.mark.slow
async def test_s18_a_matter_is_stopped_and_goes_on_by_hand(
    office: Office, apply_for: ApplyFor, cast: Any
) -> None:
    def real() -> datetime:
        return datetime.now(UTC)

    async with service.serve(office, real) as wire:

        async def typed(who: str, *arguments: str, code: int = 0) -> str:
            bearer = wire.bearer("operator", subject=f"operator-{who}", person=person_tag(who))
            return await miaopi(wire, "operator", "stops", *arguments, code=code, bearer=bearer)

        stopped = await typed("one", "stop", ALLOWANCE, "--reason", "数据核查")
        listed = await typed("two", "list", "--json")
        decision = await decided(apply_for(cast["aged_75"], ALLOWANCE), office, real)
        proposed = await typed("one", "resume", ALLOWANCE, "--reason", "已经核实")
        alone = await typed("one", "resume", ALLOWANCE, "--reason", "已经核实", code=1)
        lifted = await typed("two", "resume", ALLOWANCE, "--reason", "已经核实")
        empty = await typed("two", "list")

    assert "数据核查" in stopped
    assert json.loads(listed)["matter"] == ALLOWANCE
    assert "MATTER_STOPPED" in codes(decision)
    assert "待另一人确认" in proposed
    assert "SECOND_PERSON_REQUIRED" in alone
    assert "已恢复" in lifted
    assert "nothing is stopped" in empty
