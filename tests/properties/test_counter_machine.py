"""Several clerks at one queue, whatever they do, one after another or all at once.

No case is determined twice, none by whom it is about or by whom nobody claimed it, none by one
person where two are needed, and none is lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from audit.trail import Trail
from audit.verify import verify_store
from decision_service.catalogue import Catalogue
from decision_service.counter import desk, oversight, ruling
from decision_service.counter.desk import CLAIM_LASTS
from decision_service.counter.determination import Instruction
from decision_service.counter.docket import Clerk, Docket
from decision_service.counter.dossier import etag
from decision_service.counter.oversight import QueueAsk
from decision_service.decide import decide
from decision_service.errors import (
    DecisionServiceError,
    NotAuthorizedError,
    PreconditionError,
    StaleError,
)
from decision_service.model import (
    Application,
    AssuranceLevel,
    Authority,
    CaseId,
    CaseState,
    Consent,
    Decision,
    Document,
    EvidenceType,
    Ground,
    MatterId,
    OverrideReason,
    Party,
    Text,
)
from decision_service.office import Office
from evidence_adapters.sandbox import City, Person, serve
from tests.counter import clerk_of_all
from tests.service import open_office, person_tag

START = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
MATTER = MatterId("old_age_allowance")
ACCOUNTS = {"li": "1", "li-again": "1", "wang": "2", "zhao": "applicant"}
"""Whose each account is; Li has two, and Zhao has applied for herself."""

NO = (NotAuthorizedError, PreconditionError, StaleError)


@dataclass
class Place:
    """A service of its own, for all the runs of the machine."""

    runner: asyncio.Runner
    office: Office
    catalogue: Catalogue
    people: City
    now: datetime = START
    applicants: int = 0

    def run(self, what: Awaitable[Any]) -> Any:
        async def awaited() -> Any:
            return await what

        return self.runner.run(awaited())


@dataclass(frozen=True)
class Known:
    """What the test knows of a case.

    Attributes:
        unmet: Whether a requirement is not met, so that an approval takes two.
        opened: Accounts that have opened it since it moved last.
    """

    applicant: Person
    unmet: bool
    holder: str = ""
    until: datetime = START
    proposed_by: str = ""
    determined: bool = False
    opened: frozenset[str] = frozenset()


class Counter(RuleBasedStateMachine):
    """Clerks at work."""

    place: Place
    cases = Bundle("cases")

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Known] = {}
        self.etags: dict[str, str] = {}

    # ── who, and when ────────────────────────────────────────────────────────────────────────────

    def clerk(self, account: str, case: str) -> Clerk:
        whose = ACCOUNTS[account]
        number = self.known[case].applicant.id_number if whose == "applicant" else whose
        return clerk_of_all(account, person_tag(number), self.place.now)

    def holds(self, account: str, case: str) -> bool:
        known = self.known[case]
        return known.holder == account and self.place.now < known.until

    def is_held_by_another(self, account: str, case: str) -> bool:
        known = self.known[case]
        return known.holder not in {"", account} and self.place.now < known.until

    def etag_of(self, case: str) -> str:
        record = self.place.office.record
        decided = self.place.run(record.latest(record.case_key(CaseId(case))))
        return etag(decided, self.place.run(Docket(record).standing(case)))

    def tried(self, act: Callable[[], Awaitable[Any]]) -> Any:
        """What it came to; an error where it may not be done."""
        try:
            return self.place.run(act())
        except NO as error:
            return error

    # ── what happens ─────────────────────────────────────────────────────────────────────────────

    @precondition(lambda self: len(self.known) < 2)  # few, so that clerks meet
    @rule(target=cases, unmet=st.booleans())
    def refer(self, unmet: bool) -> str:  # noqa: FBT001 - hypothesis calls it by name
        place = self.place
        place.applicants += 1
        born = START.date().replace(year=1945) + timedelta(days=place.applicants)
        person = place.people.cast_member(born, 20 if unmet else 1)
        decision: Decision = place.run(_referred(place, person))
        assert decision.outcome.kind == "referred"
        self.known[decision.case_id] = Known(applicant=person, unmet=unmet)
        return decision.case_id

    @rule(minutes=st.sampled_from([1, 10, 31]))
    def wait(self, minutes: int) -> None:
        self.place.now += timedelta(minutes=minutes)

    @rule(case=cases, account=st.sampled_from([*ACCOUNTS]))
    def open(self, case: str, account: str) -> None:
        clerk = self.clerk(account, case)
        done = self.tried(
            lambda: desk.dossier(case, blind=False, clerk=clerk, office=self.place.office)
        )
        assert isinstance(done, DecisionServiceError) == (account == "zhao")
        if account != "zhao":
            known = self.known[case]
            self.known[case] = replace(known, opened=known.opened | {account})

    @rule(case=cases, account=st.sampled_from([*ACCOUNTS]), stale=st.booleans())
    def claim(self, case: str, account: str, stale: bool) -> None:  # noqa: FBT001 - as above
        known, clerk = self.known[case], self.clerk(account, case)
        tag = "0.0" if stale else self.etag_of(case)
        done = self.tried(lambda: desk.claim(case, tag, clerk=clerk, office=self.place.office))
        author = known.proposed_by and ACCOUNTS[known.proposed_by] == ACCOUNTS[account]
        may = not (stale or account == "zhao" or self.is_held_by_another(account, case) or author)
        assert isinstance(done, DecisionServiceError) != may, done
        if may:
            self.known[case] = replace(known, holder=account, until=self.place.now + CLAIM_LASTS)

    @rule(case=cases, account=st.sampled_from([*ACCOUNTS]))
    def let_go(self, case: str, account: str) -> None:
        clerk, tag = self.clerk(account, case), self.etag_of(case)
        done = self.tried(lambda: desk.let_go(case, tag, clerk=clerk, office=self.place.office))
        may = self.holds(account, case) and account != "zhao"
        assert isinstance(done, DecisionServiceError) != may, done
        if may:
            self.known[case] = replace(self.known[case], holder="")

    @rule(
        case=cases,
        account=st.sampled_from([*ACCOUNTS]),
        result=st.sampled_from(["approve", "refuse"]),
    )
    def determine(self, case: str, account: str, result: str) -> None:
        known, clerk, tag = self.known[case], self.clerk(account, case), self.etag_of(case)
        wanted = _wanted(result, known)
        done = self.tried(
            lambda: ruling.determine(case, tag, wanted, clerk=clerk, office=self.place.office)
        )
        may = (
            self.holds(account, case)
            and account != "zhao"
            and account in known.opened
            and not (known.proposed_by or known.determined)
        )
        assert isinstance(done, DecisionServiceError) != may, done
        two = result == "approve" and known.unmet
        assert isinstance(done, Decision) == (may and not two)
        if may and two:
            self.known[case] = replace(known, holder="", proposed_by=account, opened=frozenset())
        elif may:
            self.known[case] = replace(known, holder="", determined=True, opened=frozenset())

    @rule(case=cases, account=st.sampled_from(["li", "wang"]))
    def work_through(self, case: str, account: str) -> None:
        """All that it takes to approve, and then another account of the same person."""
        self.open(case, account)
        self.claim(case, account, stale=False)
        self.determine(case, account, "approve")
        self.claim(case, "li-again", stale=False)

    @rule(case=cases, account=st.sampled_from([*ACCOUNTS]), agrees=st.booleans())
    def answer(self, case: str, account: str, agrees: bool) -> None:  # noqa: FBT001 - as above
        known, clerk, tag = self.known[case], self.clerk(account, case), self.etag_of(case)
        act = ruling.confirm if agrees else ruling.hand_back
        done = self.tried(lambda: act(case, tag, "已复核", clerk=clerk, office=self.place.office))
        may = (
            bool(known.proposed_by)
            and ACCOUNTS[account] != ACCOUNTS.get(known.proposed_by)
            and self.holds(account, case)
            and account in known.opened
        )
        assert isinstance(done, DecisionServiceError) != may, done
        if may:
            self.known[case] = replace(
                known,
                holder="",
                proposed_by="",
                determined=agrees,
                # A returned case has not moved: who has opened it since it did may go on.
                opened=frozenset() if agrees else frozenset(ACCOUNTS) - {"zhao"},
            )
            if not agrees:
                self.reopen(case)

    def reopen(self, case: str) -> None:
        """Everybody looks again, so that what each has seen is known."""
        for account in ("li", "li-again", "wang"):
            self.open(case, account)

    @precondition(lambda self: self.known)
    @rule(case=cases, result=st.sampled_from(["approve", "refuse"]))
    def storm(self, case: str, result: str) -> None:
        """All three claim at once with the same etag, and then all decide at once."""
        known = self.known[case]
        if known.proposed_by or known.determined:
            return
        office, accounts = self.place.office, ("li", "li-again", "wang")
        clerks = [self.clerk(account, case) for account in accounts]
        self.reopen(case)
        tag = self.etag_of(case)

        async def all_at_once(
            act: Callable[[Clerk], Awaitable[Any]],
        ) -> list[Any]:
            return await asyncio.gather(*map(act, clerks), return_exceptions=True)

        claims = self.place.run(
            all_at_once(lambda clerk: desk.claim(case, tag, clerk=clerk, office=office))
        )
        assert sum(not isinstance(one, BaseException) for one in claims) <= 1
        tag, wanted = self.etag_of(case), _wanted(result, known)
        decided = self.place.run(
            all_at_once(
                lambda clerk: ruling.determine(case, tag, wanted, clerk=clerk, office=office)
            )
        )
        won = [who for who, one in zip(accounts, decided, strict=True) if not _is_no(one)]
        assert len(won) <= 1
        two = result == "approve" and known.unmet
        won_claim = [who for who, one in zip(accounts, claims, strict=True) if not _is_no(one)]
        self.known[case] = replace(
            self.known[case],
            **(
                {
                    "holder": "",
                    "opened": frozenset(),
                    "proposed_by": won[0] if two else "",
                    "determined": not two,
                }
                if won
                else {"holder": won_claim[0], "until": self.place.now + CLAIM_LASTS}
                if won_claim
                else {}
            ),
        )

    # ── what must hold ───────────────────────────────────────────────────────────────────────────

    @invariant()
    def no_case_is_lost(self) -> None:
        """What is not determined stands in the queue."""
        for case, known in self.known.items():
            found = self.place.run(self.place.office.record.case(case))
            assert (found.state is CaseState.REFERRED) == (not known.determined)

    def teardown(self) -> None:
        """The queue is what it is known to be, and every case was determined once at most."""
        self.place.run(self._settled())

    async def _settled(self) -> None:
        office, now = self.place.office, self.place.now
        waiting: set[str] = set()
        token = ""
        while True:
            ask = QueueAsk(matter="", whose="", size=200, token=token)
            found, token = await oversight.queue(
                ask, clerk=clerk_of_all("wang", person_tag("2"), now), office=office
            )
            waiting |= {one.case.case_id for one in found}
            if not token:
                break
        for case, known in self.known.items():
            assert (case in waiting) == (not known.determined)
            entries = await office.record.entries(case)
            made = [one for one in entries if one.type in {"determination/1", "override/1"}]
            assert len(made) == known.determined
            for one in made:
                assert one.permanent["caller"] != "zhao"
                second = str(one.permanent.get("second", ""))
                assert not second or ACCOUNTS[second] != ACCOUNTS[str(one.permanent["caller"])]
                if known.unmet and one.permanent["outcome"] == "approved":
                    assert second


def _is_no(done: object) -> bool:
    if isinstance(done, BaseException) and not isinstance(done, NO):
        raise done
    return isinstance(done, BaseException)


def _wanted(result: str, known: Known) -> Instruction:
    against = known.unmet == (result == "approve")
    return Instruction(
        result="approve" if result == "approve" else "refuse",
        text=Text(zh="核对无误", en="checked"),
        ground=Ground(reason=OverrideReason.HARDSHIP) if against else None,
    )


async def _referred(place: Place, person: Person) -> Decision:
    release = place.catalogue.release_on(MATTER, START.date())
    document = Document(kind="resident_id", number=person.id_number)
    applicant = Party(role="applicant", documents=(document,))
    application = Application(
        caller="portal-test",
        request_id=str(uuid4()),
        matter=MATTER,
        channel="portal",
        parties=(applicant,),
        authority=Authority(
            person=applicant,
            assurance_level=AssuranceLevel.HIGH,
            authentication_time=place.now,
            basis=Consent(
                notice_version=release.matter.consent_notice_version,
                time=place.now,
                evidence_types=tuple(EvidenceType(one.type) for one in release.matter.evidence),
            ),
        ),
        answers={"applicant.mobile": "13800000000", "applicant.truthful": True},
        person_requested=True,
        content_digest=uuid4().hex,
    )
    deadline = asyncio.get_running_loop().time() + 10
    return await decide(application, office=place.office, now=place.now, deadline=deadline)


@pytest.fixture
def place(tmp_path: Path, published: Catalogue, people: City) -> Iterator[Place]:
    """One service, whose trail is sound after all of it."""
    store = tmp_path / "store"
    Trail.create(store, origin="test.invalid/miaopi")
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        found = Place(runner, None, published, people)  # type: ignore[arg-type]  # in a moment

        async def enter() -> Office:
            def clock() -> datetime:
                return found.now

            trail = await stack.enter_async_context(Trail.open(store))
            running = await stack.enter_async_context(serve(people, clock=clock))
            return await stack.enter_async_context(open_office(published, running, trail, clock))

        found.office = runner.run(enter())
        yield found
        runner.run(stack.aclose())
    assert verify_store(store).problems == ()


def test_whatever_clerks_do_each_case_is_determined_once_and_by_whom_it_may_be(
    place: Place,
) -> None:
    machine = type("AtThisPlace", (Counter,), {"place": place})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
