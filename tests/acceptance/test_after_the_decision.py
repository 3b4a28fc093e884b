"""What comes after a decision, on real registers and a real store (S6, S9, S12, S13, S19, S23)."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from audit.trail.queries import Is
from decision_service import aftercare, errors, rights
from decision_service.aftercare import Draw
from decision_service.followup import Act, CaseFile, Channel, Delivery, Standing
from decision_service.model import (
    Application,
    Approved,
    Concept,
    Contest,
    Litigation,
    MatterId,
    Reconsideration,
    Referred,
    Remedies,
    Text,
)
from decision_service.office import Office
from decision_service.server.edge import SERVICES, allowed_roles
from decision_service.serving import served
from decision_service.standing import RULES
from decision_service.waiting import watch
from decision_service.workdays import Workdays, Year
from evidence_adapters.sandbox import City
from tests.acceptance.rights import ALLOWANCE, act, ask, decided, delivery, task, viewer
from tests.service import person_tag

ApplyFor = Callable[..., Application]
SHANGHAI = ZoneInfo("Asia/Shanghai")
AMOUNT = "monthly_allowance"


@pytest.fixture
def cast(people: City, clock: Any, office: Office) -> Any:
    return people.cast(office.today(clock()))


async def approved(who: str, office: Office, clock: Any, apply_for: ApplyFor, cast: Any) -> Any:
    decision = await decided(apply_for(cast[who], ALLOWANCE), office, clock)
    assert isinstance(decision.outcome, Approved)
    return decision


async def done(decision: Any, kind: Act, office: Office, clock: Any, **changes: Any) -> CaseFile:
    """What one clerk does, and a second one confirms where two are needed."""
    day = office.today(clock())
    change = act(kind, decision.receipt.index, day, **changes)
    case, proposed = await aftercare.change_standing(
        task("ChangeStanding", clock), decision.case_id, change, office=office
    )
    return case if proposed is None else await answered(proposed, office, clock)


async def answered(
    proposal: int, office: Office, clock: Any, *, confirmed: bool = True, **changes: Any
) -> CaseFile:
    second = {"caller": "clerk-2", "person": person_tag("another clerk"), **changes}
    return await aftercare.answer_proposal(
        task("AnswerProposal", clock, **second),
        proposal,
        confirmed=confirmed,
        text="已核对",
        office=office,
    )


# ── grants ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_grant_goes_the_ways_of_the_table_and_no_other(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    """Every act is tried in every standing that a grant can come into."""
    decision = await approved("aged_75", office, clock, apply_for, cast)
    new = {AMOUNT: Decimal("250.00")}
    case = await done(decision, Act.CORRECT, office, clock, values=new)
    assert case.standing is Standing.IN_FORCE
    assert [str(one.value) for one in case.grant] == ["250.00"]
    assert "250.00" in case.grant[0].display.zh

    for kind, then in [
        (Act.SUSPEND, Standing.SUSPENDED),
        (Act.RESUME, Standing.IN_FORCE),
        (Act.SUSPEND, Standing.SUSPENDED),
        (Act.WITHDRAW, Standing.WITHDRAWN_BY_AUTHORITY),
    ]:
        for other in Act:
            if case.standing not in RULES[other].after:
                values = new if RULES[other].sets_values else {}
                with pytest.raises(errors.PreconditionError) as caught:
                    await done(decision, other, office, clock, values=values)
                assert caught.value.reason == "STANDING_DOES_NOT_ALLOW"
        case = await done(decision, kind, office, clock)
        assert case.standing is then

    assert case.grant == ()
    for other in Act:
        assert Standing.WITHDRAWN_BY_AUTHORITY not in RULES[other].after, "what has ended stays so"
    assert [str(one.value) for one in case.decisions[0].outcome.grant] == [  # type: ignore[union-attr]
        "200.00"
    ], "what was decided stands in the trail as it was decided"


async def test_s9_every_act_has_a_notice_with_reason_law_hearing_and_remedies(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await approved("aged_75", office, clock, apply_for, cast)
    case = await done(decision, Act.REVOKE, office, clock)
    notice = case.events[-1].notice

    for word in (
        "撤销",
        "经核实",
        "第六十九条",
        "听取您的陈述",
        "60日",
        "6个月",
        "行政复议",
        "行政诉讼",
    ):
        assert word in notice.zh
    for word in ("revoked", "On checking", "60 days", "6 months", "reconsider", "sue"):
        assert word in notice.en


async def test_what_was_altered_is_counted_among_what_no_longer_stands(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await approved("aged_75", office, clock, apply_for, cast)

    async def overturned() -> tuple[int, dict[str, int]]:
        (counted,) = await office.record.tally(Is("matter", "=", ALLOWANCE))
        assert counted.outcomes == {"approved": 1}
        return counted.overturned, dict(counted.overturns)

    for kind in (Act.SUSPEND, Act.RESUME):
        await done(decision, kind, office, clock)
    assert await overturned() == (0, {}), "for a while is not for good"
    for _ in range(2):
        await done(decision, Act.CORRECT, office, clock, values={AMOUNT: Decimal("250.00")})
    await done(decision, Act.REVOKE, office, clock)
    assert await overturned() == (1, {"correct": 1, "revoke": 1})
    assert {kind for kind in Act if RULES[kind].overturns} == {
        Act.CHANGE, Act.CORRECT, Act.REVOKE, Act.WITHDRAW,
    }  # fmt: skip


async def test_what_an_act_lacks_is_told_at_once(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await approved("aged_75", office, clock, apply_for, cast)
    tomorrow = office.today(clock()) + timedelta(days=1)
    for kind, changes, wrong in [
        (Act.REVOKE, {"heard_date": None}, {"heard_date"}),
        (Act.SUSPEND, {"heard_date": tomorrow}, {"heard_date"}),
        (Act.CHANGE, {"heard_date": None}, {"heard_date", "values"}),
        (Act.CORRECT, {"values": {"x": "1"}}, {'values["x"]'}),
        (Act.CORRECT, {"values": {AMOUNT: Decimal("1.001")}}, {f'values["{AMOUNT}"]'}),
        (Act.CANCEL, {"values": {AMOUNT: Decimal(1)}}, {"values"}),
        (Act.CANCEL, {"by_fault_of_applicant": True}, {"by_fault_of_applicant"}),
        (Act.EXPIRE, {"effective_date": tomorrow}, {"effective_date"}),
    ]:
        with pytest.raises(errors.InvalidRequestError) as caught:
            await done(decision, kind, office, clock, **changes)
        assert {one.field for one in caught.value.fields} == wrong, kind


@pytest.mark.parametrize(
    ("kind", "deceit", "free"),
    [
        (Act.REVOKE, False, True),
        (Act.REVOKE, True, False),
        (Act.WITHDRAW, False, False),
        (Act.CANCEL, False, False),
    ],
)
async def test_a_once_only_grant_is_free_again_where_the_law_says_so(
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    cast: Any,
    kind: Act,
    deceit: bool,  # noqa: FBT001 - a case of a table
    free: bool,  # noqa: FBT001 - likewise
) -> None:
    """Wrong at birth by no fault of theirs: never had. Else a person looks; nobody is refused."""
    decision = await approved("aged_75", office, clock, apply_for, cast)
    await done(decision, kind, office, clock, by_fault_of_applicant=deceit)

    again = [await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock) for _ in range(2)]

    assert [isinstance(one.outcome, Approved) for one in again] == [free, False]
    assert isinstance(again[1].outcome, Referred)
    assert again[1].outcome.reasons[0].code == "ALREADY_GRANTED"


async def test_of_two_acts_at_once_one_comes_first(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await approved("aged_75", office, clock, apply_for, cast)

    ends = await asyncio.gather(
        *(done(decision, Act.SUSPEND, office, clock) for _ in range(4)), return_exceptions=True
    )

    assert sum(isinstance(one, CaseFile) for one in ends) == 1
    assert {one.reason for one in ends if isinstance(one, errors.PreconditionError)} == {
        "STANDING_DOES_NOT_ALLOW"
    }


async def test_s19_nothing_takes_by_itself_and_nothing_claims_money_back(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    """A revocation is written by a clerk alone, leaves one entry, and starts nothing else."""
    takes = {"ACT_SUSPEND", "ACT_CHANGE", "ACT_REVOKE", "ACT_WITHDRAW"}
    assert {f"ACT_{kind.name}" for kind in Act if RULES[kind].takes} == takes
    assert allowed_roles()["/decision_service.v1.AftercareService/ChangeStanding"] == {"clerk"}
    words = ("clawback", "recover", "repay", "recoup", "reclaim", "refund", "debt", "offset_")
    for service in SERVICES:
        for method in service.methods:
            fields = [field.name for field in method.input_type.fields]
            said = " ".join([method.name, *fields]).lower()
            assert not [word for word in words if word in said], method.full_name

    decision = await approved("aged_75", office, clock, apply_for, cast)
    await done(decision, Act.REVOKE, office, clock, by_fault_of_applicant=True)
    size = office.record._trail.size()
    asked = len(office.running)
    watching = asyncio.create_task(
        watch(office, clock=clock, failed=lambda *_: None, look_every_s=0.01)
    )
    await asyncio.sleep(0.3)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert (office.record._trail.size(), len(office.running)) == (size, asked)


async def test_s11_what_is_taken_back_takes_two_persons_and_nobody_of_the_case(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    decision = await approved("aged_75", office, clock, apply_for, cast)
    change = act(Act.REVOKE, decision.receipt.index, office.today(clock()))

    async def proposes(**changes: Any) -> tuple[CaseFile, int | None]:
        by = task("ChangeStanding", clock, **changes)
        return await aftercare.change_standing(by, decision.case_id, change, office=office)

    def reason(caught: Any) -> str:
        return str(caught.value.reason)

    two = {kind for kind in Act if RULES[kind].two_persons}
    assert two == {Act.CHANGE, Act.CORRECT, Act.REVOKE, Act.WITHDRAW}
    for own in (person_tag(person.id_number), ""):
        with pytest.raises(errors.NotAuthorizedError) as caught:
            await proposes(person=own)
        assert reason(caught) == ("OWN_CASE" if own else "CLERK_UNKNOWN")

    case, first = await proposes()
    _, second = await proposes()
    assert first is not None
    assert second is not None
    assert case.standing is Standing.IN_FORCE, "nothing is done yet"
    assert case.events == (), "and nobody is told yet"
    second_clerk = viewer(clock, "clerk-2")
    waiting = await aftercare.open_proposals(second_clerk, office=office)
    assert [one.receipt.index for one in waiting] == [second, first]

    for same in ({"caller": "clerk-1"}, {"person": person_tag("a clerk")}):
        with pytest.raises(errors.NotAuthorizedError) as caught:
            await answered(first, office, clock, **same)
        assert reason(caught) == "SECOND_PERSON_REQUIRED"
    with pytest.raises(errors.NotAuthorizedError) as caught:
        await answered(first, office, clock, person=person_tag(person.id_number))
    assert reason(caught) == "OWN_CASE"

    returned = await answered(first, office, clock, confirmed=False)
    assert (returned.standing, returned.events) == (Standing.IN_FORCE, ())
    with pytest.raises(errors.PreconditionError) as again:
        await answered(first, office, clock)
    assert reason(again) == "PROPOSAL_ANSWERED"
    done_ = await answered(second, office, clock)
    assert done_.standing is Standing.REVOKED
    assert "两名工作人员" in done_.events[-1].notice.zh
    assert await aftercare.open_proposals(second_clerk, office=office) == ()
    with pytest.raises(errors.NotFoundError):
        await answered(decision.receipt.index, office, clock)


# ── notices ──────────────────────────────────────────────────────────────────────────────────────

REMEDIES = Remedies(
    reconsideration=Reconsideration(organ=Text(zh="", en=""), days=60, link=""),
    litigation=Litigation(court=Text(zh="", en=""), months=6),
)


YEAR = Year(notice="通知", holidays=[], workdays=[])


def shut_on(day: date) -> Year:
    return YEAR.model_copy(update={"holidays": [day]})


def terms(*came: tuple[Channel, datetime], favours: bool, holiday: date | None = None) -> Any:
    deliveries = [
        Delivery(decision=7, channel=channel, delivered_time=time, reference="1")
        for channel, time in came
    ]
    found = served(
        7,
        deliveries,
        favours=favours,
        remedies=REMEDIES,
        zone=SHANGHAI,
        workdays=Workdays(
            {"2025": YEAR, "2026": YEAR}
            | ({str(holiday.year): shut_on(holiday)} if holiday else {})
        ),
    )
    return found and (found.served_date, found.reconsideration_until, found.litigation_until)


def at(*day: int, hour: int = 4) -> datetime:
    return datetime(*day, hour, tzinfo=UTC)  # type: ignore[arg-type]


def test_s13_a_notice_that_refuses_or_takes_needs_two_channels_or_a_signature() -> None:
    sms, portal = (Channel.SMS, at(2026, 3, 2)), (Channel.PORTAL, at(2026, 3, 4))
    assert terms(favours=True) is None, "no receipt, not served"
    assert terms(portal, favours=True)[0] == date(2026, 3, 4)
    assert terms(portal, favours=False) is None
    assert terms(portal, portal, favours=False) is None, "twice the same is one channel"
    assert terms(sms, portal, favours=False)[0] == date(2026, 3, 4), "the later one"
    assert terms((Channel.IN_PERSON, at(2026, 3, 3)), favours=False)[0] == date(2026, 3, 3)


@pytest.mark.parametrize(
    ("came", "reconsideration", "litigation"),
    [
        pytest.param(at(2026, 3, 2), date(2026, 5, 1), date(2026, 9, 2), id="the first day is not"),
        pytest.param(at(2026, 3, 31), date(2026, 6, 1), date(2026, 9, 30), id="no 31 September"),
        pytest.param(at(2025, 8, 31), date(2025, 10, 30), date(2026, 3, 2), id="no 31 February"),
        pytest.param(
            at(2026, 3, 1, hour=17), date(2026, 5, 1), date(2026, 9, 2), id="the city's day counts"
        ),
    ],
)
def test_s12_terms_are_counted_from_the_day_after_the_served_day(
    came: datetime, reconsideration: date, litigation: date
) -> None:
    found = terms((Channel.SMS, came), favours=True)
    assert found[1:] == (reconsideration, litigation)
    shut = terms((Channel.SMS, came), favours=True, holiday=reconsideration)
    assert shut[1] > reconsideration, "a last day on which offices are shut moves on"


async def test_s13_the_case_tells_when_its_notice_was_served_and_until_when_one_can_act(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await decided(apply_for(cast["library_holder"], "library_card"), office, clock)
    assert decision.outcome.kind == "refused"
    index = decision.receipt.index

    async def delivers(channel: Channel, **changes: Any) -> CaseFile:
        return await aftercare.record_delivery(
            task("RecordDelivery", clock, caller="portal-test", role="portal", **changes),
            decision.case_id,
            delivery(index, channel, clock),
            office=office,
        )

    once = await delivers(Channel.PORTAL)
    twice = await delivers(Channel.SMS)
    with pytest.raises(errors.NotFoundError):
        await aftercare.record_delivery(
            task("RecordDelivery", clock, caller="portal-other", role="portal"),
            decision.case_id,
            delivery(index, Channel.SMS, clock),
            office=office,
        )
    clock.advance(-timedelta(days=1))
    with pytest.raises(errors.InvalidRequestError):
        await delivers(Channel.POST)

    assert once.served == ()
    assert [(one.decision, one.served_date) for one in twice.served] == [
        (index, office.today(clock() + timedelta(days=1)))
    ]


# ── registers answer ─────────────────────────────────────────────────────────────────────────────


async def test_s6_when_the_register_has_answered_the_value_is_believed_again(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    wrong = Contest(concept=Concept("applicant.birth_date"), claimed="1950-12-02", text="")
    contested = await decided(apply_for(person, ALLOWANCE, contests=(wrong,)), office, clock)
    await rights.withdraw(ask(person, contested.case_id, "WithdrawCase", clock), "", office=office)
    (ticket,) = await aftercare.open_tickets("population_register", viewer(clock), office=office)
    number = str(ticket.permanent["ticket"])
    once = task("ResolveTicket", clock)

    for _ in range(2):
        await aftercare.resolve(once, number, corrected=False, text="登记无误", office=office)
    with pytest.raises(errors.PreconditionError) as twice:
        await aftercare.resolve(
            task("ResolveTicket", clock), number, corrected=True, text="", office=office
        )
    with pytest.raises(errors.NotFoundError):
        await aftercare.resolve(once, "NO-SUCH", corrected=True, text="", office=office)
    again = await decided(apply_for(person, ALLOWANCE), office, clock)

    assert twice.value.reason == "TICKET_RESOLVED"
    assert isinstance(again.outcome, Approved)
    assert await aftercare.open_tickets("", viewer(clock), office=office) == ()


# ── after-checks ─────────────────────────────────────────────────────────────────────────────────


async def test_s23_the_same_draw_has_the_same_result_and_another_seed_another(
    office: Office, clock: Any, apply_for: ApplyFor, people: City
) -> None:
    day = office.today(clock())
    eligible = [
        one
        for one in islice(people, 60)
        if not (one.library_card or one.death_date or one.disputed)
    ][:8]
    for person in eligible:
        await decided(apply_for(person, "library_card"), office, clock)

    async def drawn(**changes: Any) -> tuple[int, list[int]]:
        parts = {"matter": MatterId("library_card"), "since": day, "until": day, "size": 3}
        total, found = await aftercare.draw(
            Draw(**{**parts, "seed": "2026-11", **changes}),
            viewer(clock),
            office=office,
        )
        return total, [one.index for one in found]

    first = await drawn()
    everything = (await drawn(size=500))[1]
    assert await drawn() == first
    assert first[0] == len(everything) >= 4
    assert first[1] == everything[:3]
    assert {tuple((await drawn(seed=f"s{number}"))[1]) for number in range(6)} != {tuple(first[1])}
    assert (await drawn(until=day - timedelta(days=1), since=day - timedelta(days=9)))[1] == []
    assert (await drawn(matter=MatterId("residence_permit")))[0] == 0
