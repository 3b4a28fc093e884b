"""What every store of the trail does alike: a file of SQLite, and a database of PostgreSQL."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from audit import recovery, renewal
from audit.doctor import diagnose
from audit.errors import ErasedError, NotFoundError, NotRecordedError, StoreRefusedError
from audit.export import export
from audit.trail import ERASED, CaseRow, Conflict, Entry, Receipt, Trail, queries
from audit.trail.entries import time_text
from audit.trail.tallies import Tally, tally
from audit.verify import (
    Depth,
    derivation,
    verify_entry,
    verify_export,
    verify_receipt,
    verify_store,
)
from decision_service.cli import app
from decision_service.record import KINDS

NOW = datetime(2030, 1, 2, tzinfo=UTC)
GONE, STAYS = "resident_id:990000199001010007", "resident_id:990000199001020001"


def entry(subject: str = STAYS, **changes: Any) -> Entry:
    parts: dict[str, Any] = {
        "type": "decision/1",
        "id": str(uuid4()),
        "time": NOW,
        "permanent": {"matter": "m", "outcome": "approved", "reasons": ["MET"]},
        "sealed": {"text": "字" * 300, "nul": "\0"},
        "subject": subject,
        "notice": "告知",
    }
    return Entry(**{**parts, **changes})


def case(state: str, *, name: str = "c") -> CaseRow:
    return CaseRow(name, "2030-1", "portal", "m", state, "2030-01-02", NOW)


@pytest.fixture
def folder(tmp_path: Path, database: str) -> Path:
    Trail.create(tmp_path / "store", origin="test.invalid/miaopi", database=database)
    return tmp_path / "store"


@pytest.fixture
async def trail(folder: Path) -> AsyncIterator[Trail]:
    async with Trail.open(folder) as trail:
        yield trail


async def append(trail: Trail, count: int, **changes: Any) -> list[Receipt]:
    answers = await asyncio.gather(
        *(trail.append(entry(**changes), expect={}) for _ in range(count))
    )
    assert all(isinstance(answer, Receipt) for answer in answers)
    return [answer for answer in answers if isinstance(answer, Receipt)]


async def test_what_is_recorded_is_read_as_it_was(trail: Trail) -> None:
    recorded = entry(case=case("open"))

    receipt = await trail.append(recorded, expect={"k": None})

    assert isinstance(receipt, Receipt)
    read = await trail.read(receipt.index)
    assert (read.type, read.id, read.time) == (recorded.type, recorded.id, recorded.time)
    assert (read.permanent, read.sealed) == (recorded.permanent, recorded.sealed)
    assert (read.subject, read.notice, read.case) == (STAYS, "告知", recorded.case)
    assert read.leaf_hash == receipt.leaf_hash
    assert await trail.latest("k") == 0
    proven = verify_receipt(await trail.receipt(0), key=trail.verifier_key)
    assert (proven.subject, proven.notice, proven.index) == (STAYS, "告知", 0)
    with pytest.raises(NotFoundError):
        await trail.read(1)
    with pytest.raises(NotFoundError):
        await trail.receipt(1)


async def test_what_is_expected_is_checked_in_the_order_of_the_entries(trail: Trail) -> None:
    answers = [
        await trail.append(entry(), expect=expect)
        for expect in (
            {"a": None},
            {"a": None},
            {"a": 0, "b": None},
            {"a": 0},
            {"b": 1, "c": 0},
            {"a": 1, "b": 1},
        )
    ]

    assert [a.index if isinstance(a, Receipt) else a for a in answers] == [
        0,
        Conflict("a", 0),
        1,
        Conflict("a", 1),
        Conflict("c", None),
        2,
    ]
    assert [await trail.latest(key) for key in "abc"] == [2, 2, None]


async def test_of_many_at_once_one_is_first_and_no_index_is_missing(trail: Trail) -> None:
    answers = await asyncio.gather(
        *(trail.append(entry(), expect={f"grant-{i % 4}": None}) for i in range(128))
    )

    first = [answer for answer in answers if isinstance(answer, Receipt)]
    assert sorted(answer.index for answer in first) == [0, 1, 2, 3]
    told = {answer.index for answer in answers if isinstance(answer, Conflict)}
    assert told == {0, 1, 2, 3}, "whoever came later is told who was first"
    assert trail.size() == 4


async def test_a_case_stands_as_its_newest_entry_says(trail: Trail) -> None:
    """Also where several of its entries share a commit."""
    states = ("open", "waiting", "approved")
    await asyncio.gather(*(trail.append(entry(case=case(s)), expect={}) for s in states))
    await trail.append(entry(case=case("waiting", name="d")), expect={})

    stands = await trail.case("c")

    assert stands is not None
    assert (stands.first_index, stands.latest_index, stands.state) == (0, 2, "approved")
    assert await trail.case_entries("c") == (0, 1, 2)
    assert [one.case_id for one in await trail.cases("waiting")] == ["d"]


async def test_what_cannot_be_stored_is_refused_alone(trail: Trail) -> None:
    """By the same measure in every store, and before it can spoil a commit of others."""
    bad: tuple[dict[str, Any], ...] = (
        {"permanent": {"matter": "\0"}},
        {"permanent": {"reasons": ["x" * 600]}},
        {"case": case("\0")},
    )
    answers = await asyncio.gather(
        *(trail.append(entry(**changes), expect={}) for changes in (*bad, {}, {})),
        trail.append(entry(), expect={"a\0": None}),
        return_exceptions=True,
    )

    reasons = [answer.reason for answer in answers if isinstance(answer, NotRecordedError)]
    assert reasons == ["ENTRY_INVALID"] * 4
    assert trail.size() == 2


async def test_who_is_erased_is_gone_and_every_proof_holds(trail: Trail, folder: Path) -> None:
    for subject in (GONE, STAYS, GONE):
        await trail.append(entry(subject), expect={})
    receipts = [await trail.receipt(index) for index in range(3)]

    erasure = await trail.erase(GONE, reason="个人信息保护法 第四十七条", time=NOW)

    assert erasure is not None
    assert (erasure.index, erasure.erased) == (3, (0, 2))
    assert [(await trail.read(i)).sealed is ERASED for i in range(3)] == [True, False, True]
    with pytest.raises(ErasedError):
        await trail.receipt(0)
    assert {verify_receipt(text).index for text in receipts} == {0, 1, 2}
    await append(trail, 1, subject=GONE)
    assert (await trail.read(4)).subject == GONE, "who comes back has a new key"
    assert await trail.erase("resident_id:nobody", reason="r", time=NOW) is None
    assert (await asyncio.to_thread(verify_store, folder)).problems == ()


async def test_entries_that_come_while_somebody_is_erased_are_erased_or_stay(
    trail: Trail, folder: Path
) -> None:
    answers = await asyncio.gather(
        *(trail.append(entry(GONE), expect={}) for _ in range(40)),
        trail.erase(GONE, reason="r", time=NOW),
        *(trail.append(entry(GONE), expect={}) for _ in range(40)),
        trail.erase(GONE, reason="r", time=NOW),
    )

    assert sum(isinstance(answer, Receipt) for answer in answers) == 80
    assert (await asyncio.to_thread(verify_store, folder)).problems == ()


async def test_a_trail_goes_on_after_a_restart_across_tiles(folder: Path) -> None:
    tags = set()
    for _ in range(3):
        async with Trail.open(folder) as trail:
            await append(trail, 300)
            tags.add(trail.tag(STAYS))
    assert len(tags) == 1
    async with Trail.open(folder) as trail:
        assert trail.size() == 900
        assert verify_receipt(await trail.receipt(255)).index == 255

    report = verify_store(folder)

    assert (report.problems, report.derived.size, report.signed_size) == ((), 900, 900)
    assert verify_entry(folder, 899).checkpoint.size == 900


async def test_several_processes_find_what_one_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(derivation.STRETCH, Depth.SEALED, 256)
    async with Trail.open(folder) as trail:
        cases = [case("open", name=f"c{i % 9}") for i in range(300)]
        people = [GONE if i % 50 == 7 else STAYS for i in range(300)]
        await asyncio.gather(
            *(
                trail.append(entry(person, case=one), expect={})
                for person, one in zip(people, cases, strict=True)
            )
        )
        await trail.erase(GONE, reason="r", time=NOW)
        before = [*[None] * 9, *range(301, 592)]
        await asyncio.gather(
            *(
                trail.append(entry(case=one), expect={f"k{i % 9}": before[i]})
                for i, one in enumerate(cases)
            )
        )
    told: list[tuple[int, int]] = []

    sound = verify_store(folder, processes=2, progress=lambda *done: told.append(done))

    assert (sound.problems, sound.derived.size, sound.signed_size) == ((), 601, 601)
    assert told[-1] == (601, 601)
    assert sound == verify_store(folder)
    async with Trail.open(folder) as trail:
        for tamper, index in (
            ("UPDATE log_latest SET idx = idx - 9 WHERE key = 'k8'", 597),
            ("UPDATE cases SET first_index = 400 WHERE case_id = 'c3'", 3),
            ("DELETE FROM log_entries WHERE idx = 1", 1),
            ("DELETE FROM log_tiles", 0),
        ):
            await trail._log.write(lambda c, sql=tamper: c.exec_driver_sql(sql))
            found = await asyncio.to_thread(verify_store, folder, processes=2)
            assert found.first_bad_index == index, tamper
            assert found == await asyncio.to_thread(verify_store, folder)


async def test_several_processes_check_a_trail_that_grows_and_is_erased_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sees the store at another instant, and none takes what is lawful for a fault."""
    monkeypatch.setitem(derivation.STRETCH, Depth.SEALED, 256)
    async with Trail.open(folder) as trail:
        await append(trail, 1_024, case=case("open"))

        async def write() -> None:
            for _ in range(12):
                await append(trail, 20, subject=GONE, case=case("open"))
                await trail.erase(GONE, reason="r", time=NOW)
                await trail.erase(STAYS, reason="r", time=NOW)

        writing = asyncio.create_task(write())
        while not writing.done():
            report = await asyncio.to_thread(verify_store, folder, processes=2)
            assert report.problems == ()
            assert report.derived.size >= 1_024
        await writing


async def test_content_is_archived_once_under_its_digest(trail: Trail) -> None:
    await trail.archive("d", b"\0first")
    await trail.archive("d", b"second")

    assert (await trail.archived("d"), await trail.archived("e")) == (b"\0first", None)


async def test_the_master_key_is_renewed_while_no_service_holds_the_store(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        await append(trail, 3, subject=GONE)
        tag = trail.tag(GONE)
        with pytest.raises(StoreRefusedError) as caught:
            await renewal.renew(folder, now=NOW)
        assert caught.value.reason == "STORE_IN_USE"

    assert await renewal.renew(folder, now=NOW) == 4

    async with Trail.open(folder) as trail:
        assert ((await trail.read(0)).subject, trail.tag(GONE)) == (GONE, tag)
    assert verify_store(folder).problems == ()


async def test_looks_of_one_turn_are_of_one_instant_and_each_fails_alone(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        await trail.append(entry(), expect={"k": None})

        held = [
            asyncio.create_task(trail.look(lambda at: at.held(["k", "none"]))) for _ in range(9)
        ]
        missing = asyncio.create_task(trail.look(lambda at: at.read(99)))
        given_up = asyncio.create_task(trail.look(lambda at: at.held(["k"])))
        asyncio.get_running_loop().call_soon(given_up.cancel)
        answers = await asyncio.gather(*held, missing, given_up, return_exceptions=True)
        await trail.append(entry(), expect={"k": 0})
        later = await trail.look(lambda at: at.held(["k"]))

    assert answers[:9] == [{"k": 0}] * 9
    assert [type(one) for one in answers[9:]] == [NotFoundError, asyncio.CancelledError]
    assert later == {"k": 1}
    with pytest.raises(RuntimeError):
        await trail.look(lambda at: at.held(["k"]))


async def test_a_lost_anchor_is_put_on_record(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        await append(trail, 2)
    (folder / "anchor").unlink()
    with pytest.raises(StoreRefusedError) as caught:
        Trail.open(folder)
    assert caught.value.reason == "ANCHOR_MISSING"

    assert recovery.recover(folder, reason="测试", operator="op", now=NOW).index == 2

    async with Trail.open(folder) as trail:
        await append(trail, 1)
    assert verify_store(folder).problems == ()
    assert diagnose(folder, now=NOW).sound


@pytest.mark.parametrize(
    ("tamper", "index"),
    [
        ("UPDATE log_entries SET leaf = hash WHERE idx = 1", 1),
        ("UPDATE entries SET outcome = 'refused' WHERE idx = 2", 2),
        ("DELETE FROM mark_sets WHERE value = 'decision/1'", 0),
        ("DELETE FROM sealed WHERE idx = 2", 2),
        ("UPDATE cases SET state = 'refused'", 0),
        ("UPDATE log_latest SET idx = 0 WHERE key = 'k'", 1),
    ],
)
async def test_what_an_insider_changed_is_found(folder: Path, tamper: str, index: int) -> None:
    async with Trail.open(folder) as trail:
        await trail.append(entry(case=case("open")), expect={"k": None})
        await trail.append(entry(), expect={"k": 0})
        await trail.append(entry(), expect={})
        await trail._log.write(lambda connection: connection.exec_driver_sql(tamper))

    assert verify_store(folder).first_bad_index == index


async def test_an_export_verifies_without_the_store(folder: Path, tmp_path: Path) -> None:
    async with Trail.open(folder) as trail:
        await append(trail, 300)
        await asyncio.to_thread(export, folder, tmp_path / "export", now=NOW)

    assert verify_export(tmp_path / "export").problems == ()


async def test_the_command_line_verifies_and_shows(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        await append(trail, 2)

        def run(*typed: str) -> Any:
            done = CliRunner().invoke(app, ["audit", *typed, "--store", str(folder), "--json"])
            assert done.exit_code == 0, done.output
            return json.loads(done.stdout)

        verified, shown = await asyncio.to_thread(lambda: (run("verify"), run("show", "1")))

    assert (verified["ok"], verified["size"], shown["permanent"]["matter"]) == (True, 2, "m")


async def test_a_queue_is_in_the_order_of_what_is_due_and_goes_on_where_it_ended(
    trail: Trail,
) -> None:
    due = {"late": 3, "soon": 1, "later": 5, "also soon": 1}
    for name, days in due.items():
        row = replace(case("referred", name=name), due_time=NOW + timedelta(days=days))
        await append(trail, 1, case=row)
    await append(trail, 1, case=case("approved", name="done"))
    await append(trail, 1, case=replace(case("referred", name="other"), matter="n"))

    async def page(
        matters: Sequence[str] | None, after: tuple[str, str], limit: int
    ) -> list[tuple[str, str]]:
        found = await trail.ask(
            lambda c: queries.cases(c, "referred", matters, after=after, limit=limit)
        )
        return [(time_text(one.due_time) if one.due_time else "", one.case_id) for one in found]

    first = await page(["m"], ("", ""), 3)
    rest = await page(["m"], first[-1], 3)

    assert [name for _, name in (*first, *rest)] == ["also soon", "soon", "late", "later"]
    everything = [name for _, name in await page(None, ("", ""), 9)]
    assert everything == ["other", "also soon", "soon", "late", "later"]
    assert [name for _, name in await page(["m", "n"], ("", ""), 9)] == everything
    assert await page([], ("", ""), 9) == []


async def test_decisions_and_what_became_of_them_are_counted_by_release(trail: Trail) -> None:
    of = {"matter": "m", "release_digest": "d", "case_id": "c"}
    for minute, type_, said in (
        (0, "decision/1", {"outcome": "referred", "reasons": ["X"]}),
        (3, "determination/1", {"outcome": "refused"}),
        (4, "override/1", {"outcome": "approved"}),
        (5, "standing/1", {"act": "revoke", "decision": 2}),
    ):
        time = NOW + timedelta(minutes=minute)
        await trail.append(entry(type=type_, permanent={**of, **said}, time=time), expect={})

    (counted,) = await trail.ask(lambda c: tally(c, queries.All(()), kinds=KINDS))
    refusals = queries.Is("outcome", "=", "refused")
    (some,) = await trail.ask(lambda c: tally(c, refusals, kinds=KINDS))

    assert (counted.outcomes, counted.referrals) == ({"referred": 1}, {"X": 1})
    assert counted.by_persons == {"refused": 1, "approved": 1}
    assert (counted.overrides, counted.by_persons_s) == (1, [180.0])
    assert (counted.overturned, counted.overturns) == (2, {"override": 1, "revoke": 1})
    assert (some.by_persons, some.overturned) == ({"refused": 1}, 1)


@dataclass(frozen=True)
class Told:
    """An entry of a generated history, as it was written."""

    index: int
    type: str
    case_id: str
    time: datetime
    said: dict[str, Any]


def counted_by_hand(history: list[Told], asked: set[int]) -> dict[tuple[str, str], Tally]:
    """What `tally` says, from the words of its docstrings, one entry after the other."""
    found: dict[tuple[str, str], Tally] = {}
    ended = {"approved", "refused"}
    for one in history:
        if one.index not in asked or one.type not in KINDS.all:
            continue
        key, outcome = (one.said["matter"], one.said["release_digest"]), one.said["outcome"]
        counts = found.setdefault(key, Tally(*key))
        of_case = [other for other in history if other.case_id == one.case_id != ""] or [one]
        first = [other.time for other in of_case if other.type == KINDS.decision] or [one.time]
        took_s = (one.time - min(first)).total_seconds()
        before = [other for other in of_case if other.index < one.index and other.type in KINDS.all]
        if one.type == KINDS.decision:
            counts.outcomes[outcome] += 1
            if outcome == "referred":
                counts.referrals.update(one.said["reasons"])
            if outcome in {*ended, "referred"}:
                counts.at_once += not took_s
                counts.later_s += [took_s] if took_s else []
        else:
            counts.by_persons[outcome] += 1
            counts.overrides += one.type == KINDS.override
            if outcome in ended and not any(other.said["outcome"] in ended for other in before):
                counts.by_persons_s.append(took_s)
        after = [other for other in of_case if other.index > one.index]
        by = {
            other.said["act"]
            for other in after
            if other.type == KINDS.act
            and other.said["decision"] == one.index
            and other.said["act"] in KINDS.overturning
        }
        if any(
            other.type == KINDS.override and (outcome, other.said["outcome"]) != ("refused",) * 2
            for other in after
        ):
            by.add("override")
        if outcome in ended and by:
            counts.overturned += 1
            counts.overturns.update(by)
    for counts in found.values():
        counts.later_s.sort()
        counts.by_persons_s.sort()
    return found


async def test_the_figures_are_those_of_who_counts_by_hand(trail: Trail) -> None:
    """Also where a clock errs, and where a condition cuts cases in two."""
    chance, history = random.Random(16), list[Told]()  # noqa: S311
    types = [KINDS.decision] * 5 + [KINDS.determination, KINDS.override, KINDS.act, "access/1"]
    for number in range(400):
        said = {
            "matter": chance.choice("mn"),
            "release_digest": chance.choice("de"),
            "outcome": chance.choice(["approved", "refused", "referred", "waiting"]),
            "reasons": chance.sample(["A", "B", "C"], chance.randrange(3)),
            "act": chance.choice(["revoke", "correct", "uphold"]),
            "decision": chance.randrange(max(number - 60, 0), number + 1),
        }
        time = NOW + timedelta(minutes=number // 3 - 40 * (chance.random() < 0.1))
        case_id = chance.choice(["", *(f"c{number // 40}-{i}" for i in range(9))])
        case_ = None if not case_id else case("open", name=case_id)
        told = Told(number, chance.choice(types), case_id, time, said)
        history.append(told)
        await trail.append(entry(type=told.type, permanent=said, time=time, case=case_), expect={})
    conditions = {
        queries.All(()): history,
        queries.Is("matter", "=", "m"): [one for one in history if one.said["matter"] == "m"],
        queries.Is("idx", "<=", 250): history[:251],
        queries.Is("time", ">=", NOW + timedelta(hours=1)): [
            one for one in history if one.time >= NOW + timedelta(hours=1)
        ],
        queries.Marked("reason", "B"): [one for one in history if "B" in one.said["reasons"]],
    }
    for condition, asked in conditions.items():
        found = await trail.ask(lambda c, of=condition: tally(c, of, kinds=KINDS))

        by_hand = counted_by_hand(history, {one.index for one in asked})
        assert {(one.matter, one.release_digest): one for one in found} == by_hand
        assert sum(one.overturned for one in found) > 5, "else little was compared"
        assert sum(len(one.later_s) + len(one.by_persons_s) for one in found) > 20


async def test_the_newest_under_many_keys_and_counts_by_outcome(trail: Trail) -> None:
    written = {}
    for key, before in (("a", None), ("b", None), ("a", 0)):
        done = await trail.append(entry(permanent=PERSONS), expect={f"counter:{key}": before})
        assert isinstance(done, Receipt)
        written[key] = done.index

    found = await trail.ask(lambda c: queries.newest(c, ["counter:a", "counter:b", "counter:c"]))
    none = await trail.ask(lambda c: queries.newest(c, []))
    (counted,) = await trail.ask(lambda c: tally(c, queries.All(()), kinds=KINDS))

    assert {key: one.index for key, one in found.items()} == {
        "counter:a": written["a"],
        "counter:b": written["b"],
    }
    assert not none
    assert (counted.matter, counted.release_digest) == ("m", "d")
    assert counted.outcomes == {"refused": 3}


PERSONS = {"matter": "m", "release_digest": "d", "outcome": "refused"}
