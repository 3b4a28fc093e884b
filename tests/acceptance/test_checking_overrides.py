"""S11 and S24: what persons decided can be searched, counted and looked at again by others."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from audit.verify import verify_store
from decision_service.catalogue import Catalogue
from decision_service.v1 import counter_pb2
from evidence_adapters.sandbox import City, Person
from tests import service
from tests.counter import AtCounter, apply, instruction, read
from tests.service import (
    CLAIM,
    DETERMINE,
    ENTRY,
    OVERRIDE_STATS,
    OVERRIDES,
    REPLAYS,
    SAMPLE,
    SECOND_LOOK,
    STATS,
    TIMELINE,
    Answer,
    Town,
)

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
NOVEMBER = {"year": 2026, "month": 11, "day": 30}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Moved:
    """A clock that stands still until it is moved."""

    now: datetime = field(default=NOW)

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Lived:
    """A town whose clerks have decided.

    Attributes:
        cases: By what was decided.
    """

    town: Town
    clerks: dict[str, AtCounter]
    cases: dict[str, str]

    async def audit(self, method: str, **request: Any) -> Any:
        answer = await self.town.wire.call(method, service.message(method, request), role="auditor")
        assert answer.code == "OK", answer.words
        return read(method, answer)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lived(
    tmp_path_factory: pytest.TempPathFactory, published: Catalogue, people: City
) -> AsyncIterator[Lived]:
    """Li refuses by the rules, grants out of hardship (Wang confirms), and grants on a finding.

    Wang takes an approval back after a system fault (Li confirms).
    """
    at = Moved()

    def somebody(day: int, sequence: int) -> Person:
        return people.cast_member(date(1948, 3, day), sequence)

    folder = tmp_path_factory.mktemp("lived")
    async with service.town(folder, published, people, at) as town:
        li, wang = AtCounter(town, "clerk-li"), AtCounter(town, "clerk-wang")
        zhao = AtCounter(town, "clerk-zhao")
        cases: dict[str, str] = {}

        async def refer(name: str, person: Person, **more: Any) -> str:
            cases[name] = (await apply(town, person, **more)).case_id
            return cases[name]

        async def slowly(clerk: AtCounter, case_id: str, result: str, **more: Any) -> None:
            etag = await clerk.claim(case_id)
            at.now += timedelta(minutes=4)
            await clerk.ask(DETERMINE, **instruction(case_id, etag, result, **more))

        await slowly(li, await refer("refused", somebody(1, 20)), "refuse")
        hardship = await refer("hardship", somebody(2, 20))
        await slowly(li, hardship, "approve", ground={"reason": "hardship"})
        await wang.confirm(hardship)
        contests = [{"concept": "applicant.birth_date", "claimed": "1940", "text": "有误"}]
        contested = await refer("contested", somebody(3, 1), contests=contests)
        findings = {"applicant.birth_date": {"date": {"year": 1940, "month": 1, "day": 1}}}
        await slowly(li, contested, "approve", findings=findings)
        taken = await refer("taken back", somebody(4, 1))
        await wang.override(taken, "refuse", ground={"reason": "system_fault"})
        await li.confirm(taken)
        clerks = {"li": li, "wang": wang, "zhao": zhao}
        yield Lived(town, clerks, cases)
    assert (await asyncio.to_thread(verify_store, town.store)).problems == ()


FILTERS = {
    "": {"hardship", "taken back"},
    "matter = old_age_allowance": {"hardship", "taken back"},
    "matter = library_card": set(),
    "requirements.R2 = not_met": {"hardship"},
    "reasons:HARDSHIP": {"hardship"},
    "reasons:SYSTEM_FAULT AND outcome = refused": {"taken back"},
    "caller = clerk-li": {"hardship"},
    "caller = clerk-wang": {"taken back"},
    "time < 2026-11-01": set(),
    "time >= 2026-11-24": {"hardship", "taken back"},
}


@pytest.mark.parametrize("filter_", FILTERS)
async def test_s11_overrides_are_found_by_matter_requirement_reason_clerk_and_time(
    lived: Lived, filter_: str
) -> None:
    found = (await lived.audit(OVERRIDES, filter=filter_)).overrides

    expected = {lived.cases[name] for name in FILTERS[filter_]}
    assert {one.case_id for one in found} == expected


async def test_s11_an_override_is_read_with_its_reason_in_the_clerks_own_words(
    lived: Lived,
) -> None:
    (one,) = (await lived.clerks["zhao"].ask(OVERRIDES, filter="reasons:HARDSHIP")).overrides

    assert (getattr(one, "from"), one.to) == ("referred", "approved")
    assert (one.clerk, one.second_clerk) == ("clerk-li", "clerk-wang")
    assert (one.ground.reason, one.reason.zh) == ("hardship", "核对了全部材料")
    assert (one.requirements["R2"], one.found["R2"]) == ("not_met", "not_met")
    assert one.handling_duration.ToTimedelta() == timedelta(minutes=4)


async def test_s11_s24_agreement_grounds_and_time_per_case_are_counted(lived: Lived) -> None:
    stats = (await lived.audit(OVERRIDE_STATS)).stats
    by = {(one.dimension, one.value): one for one in stats}

    everything = by["all", ""]
    assert (everything.determinations, everything.overrides) == (4, 2)
    assert (everything.overturned, everything.two_persons) == (1, 2)
    assert by["clerk", "clerk-li"].determinations == 3
    assert by["clerk", "clerk-li"].overrides == 1
    assert by["clerk", "clerk-li"].median_handling_duration.ToTimedelta() == timedelta(minutes=4)
    assert by["reason", "hardship"].determinations == 1
    assert by["requirement", "old_age_allowance R2"].determinations == 2
    assert by["requirement", "old_age_allowance R2"].overrides == 1
    assert by["month", "2026-11"].determinations == 4
    only = (await lived.audit(OVERRIDE_STATS, filter="caller = clerk-wang")).stats
    assert {one.value for one in only if one.dimension == "clerk"} == {"clerk-wang"}


async def test_s24_the_automatic_share_counts_no_person_and_overrides_are_told_beside_it(
    lived: Lived,
) -> None:
    answer = await lived.audit(STATS)
    (one,) = answer.releases

    assert dict(one.outcomes) == {"approved": 1, "referred": 3}
    assert one.automatic == 1
    assert dict(one.determinations) == {"approved": 2, "refused": 2}
    assert one.overrides == 2
    assert (one.overturned, dict(one.overturns)) == (1, {"override": 1})
    assert one.longest_determination_duration.ToTimedelta() == timedelta(minutes=4)
    (whole,) = answer.matters
    assert (whole.matter, whole.release, whole.release_digest) == (one.matter, "", b"")
    assert (whole.outcomes, whole.overturned) == (one.outcomes, 1)
    only = (await lived.audit(STATS, filter="type = override")).releases
    assert [(one.decisions, one.overrides) for one in only] == [(0, 2)], "no machine's among them"


async def test_s16_what_the_rules_decided_is_replayed_whatever_persons_decided(
    lived: Lived,
) -> None:
    told = await lived.audit(REPLAYS)

    assert (told.done, told.reproduced) == (4, 4)


async def test_s16_a_persons_decision_is_opened_by_an_auditor_masked(lived: Lived) -> None:
    entries = (await lived.audit(TIMELINE, case_id=lived.cases["contested"])).entries
    decided = next(one for one in entries if one.type == "determination/1")

    opened = await lived.audit(ENTRY, index=decided.index)

    sealed = json.loads(opened.sealed_json)
    assert sealed["instruction"]["result"] == "approve"
    assert sealed["instruction"]["findings"]["applicant.birth_date"]
    assert "9900001948" not in opened.sealed_json


async def test_s11_a_sample_is_the_same_for_everybody_and_tells_not_how_it_was_decided(
    lived: Lived,
) -> None:
    drawn = {
        share: [
            one.index
            for one in (await lived.audit(SAMPLE, month=NOVEMBER, share_percent=share)).drawn
        ]
        for share in (1, 25, 50, 75, 100)
    }
    again = await lived.clerks["zhao"].ask(SAMPLE, month=NOVEMBER, share_percent=50)

    assert [one.index for one in again.drawn] == drawn[50]
    assert len(drawn[100]) == 4
    shares = [set(drawn[share]) for share in sorted(drawn)]
    assert all(less <= more for less, more in itertools.pairwise(shares))
    assert not (await lived.audit(SAMPLE, month={"year": 2026, "month": 10, "day": 1})).drawn
    fields = {one.name for one in counter_pb2.Drawn.DESCRIPTOR.fields}
    assert fields == {"index", "case_id", "matter", "time", "looked_again"}


async def test_s11_a_second_clerk_looks_blind_and_agrees_or_not(lived: Lived) -> None:
    zhao = lived.clerks["zhao"]
    drawn = (await zhao.ask(SAMPLE, month=NOVEMBER, share_percent=100)).drawn
    index = {one.case_id: one.index for one in drawn}

    async def look(clerk: AtCounter, name: str, result: str) -> Answer:
        case_id = lived.cases[name]
        asked = {"case_id": case_id, "index": index[case_id], "reason": "独立判断"}
        return await clerk.call(SECOND_LOOK, **asked, result=f"RESULT_{result}")

    blind = await zhao.open(lived.cases["refused"], blind=True)
    same = await look(zhao, "refused", "REFUSE")
    await zhao.open(lived.cases["hardship"], blind=True)
    other = await look(zhao, "hardship", "REFUSE")
    await zhao.open(lived.cases["contested"])
    await zhao.open(lived.cases["contested"], blind=True)
    knowing = await look(zhao, "contested", "APPROVE")
    own = await look(lived.clerks["wang"], "hardship", "APPROVE")

    assert not blind.case.decisions
    assert blind.case.state == 0
    assert blind.requirements
    assert read(SECOND_LOOK, same).agrees
    assert not read(SECOND_LOOK, other).agrees
    assert (knowing.reason, own.reason) == ("NOT_BLIND", "SECOND_PERSON_REQUIRED")
    stats = {(one.dimension, one.value): one for one in (await lived.audit(OVERRIDE_STATS)).stats}
    everything = stats["all", ""]
    assert (everything.second_looks, everything.second_looks_agreed) == (2, 1)
    after = (await zhao.ask(SAMPLE, month=NOVEMBER, share_percent=100)).drawn
    assert sum(one.looked_again for one in after) == 2


async def test_s11_nothing_of_it_is_unseen(lived: Lived) -> None:
    """Every step of a case is in its timeline, and every look, in order."""
    entries = (await lived.audit(TIMELINE, case_id=lived.cases["hardship"])).entries

    types = [one.type for one in entries if one.type != "access/1"]
    assert types[:5] == ["decision/1", "claim/1", "proposal/1", "claim/1", "override/1"]
    looks = [json.loads(one.permanent_json) for one in entries if one.type == "access/1"]
    assert {(one["caller"], one["method"]) for one in looks} >= {
        ("clerk-li", "GetDossier"),
        ("clerk-wang", "GetDossier"),
    }


async def test_s11_who_has_not_looked_since_the_case_moved_cannot_claim_with_what_was_seen(
    lived: Lived,
) -> None:
    answer = await lived.clerks["li"].call(CLAIM, case_id=lived.cases["hardship"], etag="0.none")

    assert (answer.code, answer.reason) == ("ABORTED", "ETAG_STALE")
