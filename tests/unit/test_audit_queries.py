"""What the trail answers from its projections, and that every question has an index."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, event, select

from audit.trail import CaseRow, Entry, Trail, kept, projections, queries
from audit.trail.queries import (
    All,
    Condition,
    Either,
    Found,
    Is,
    Marked,
    Not,
    clause,
    count,
    find,
    following,
)
from audit.verify import verify_store

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
SUBJECT, OTHER = "resident_id:990000199001010007", "resident_id:990000199001020001"
EVERY = All(())
NEWEST = 1 << 40


def decision(case: str, *, minutes: int = 0, subject: str = SUBJECT, **permanent: Any) -> Entry:
    parts = {"matter": "m", "release_digest": "aa", "channel": "portal", "caller": "p", **permanent}
    time = NOON + timedelta(minutes=minutes)
    return Entry(
        type="decision/1",
        id=str(uuid4()),
        time=time,
        permanent={**parts, "case_id": case},
        sealed={},
        subject=subject,
        case=CaseRow(case, case, "p", "m", "open", "", NOON),
    )


ENTRIES = (
    decision("a", outcome="approved", reasons=["MET"], statuses=[["R1", "met"], ["R2", "met"]]),
    decision("b", minutes=1, outcome="waiting", reasons=["AWAY"], statuses=[["R1", "unknown"]]),
    decision("b", minutes=5, outcome="approved", reasons=["MET"], statuses=[["R1", "met"]]),
    decision(
        "c",
        minutes=6,
        subject=OTHER,
        outcome="referred",
        release_digest="bb",
        reasons=["AWAY", "NOT_MET"],
        statuses=[["R1", "unknown"], ["R2", "not_met"]],
    ),
    Entry("access/1", str(uuid4()), NOON, {"channel": "counter", "caller": "q"}, {}, OTHER),
)


@pytest.fixture
async def trail(tmp_path: Path, database: str) -> AsyncIterator[Trail]:
    """A trail on either store."""
    Trail.create(tmp_path / "store", origin="test.invalid/miaopi", database=database)
    async with Trail.open(tmp_path / "store") as trail:
        yield trail


@pytest.fixture
async def filled(trail: Trail) -> Trail:
    for entry in ENTRIES:
        await trail.append(entry, expect={})
    return trail


async def indices(trail: Trail, condition: Condition, **page: int) -> list[int]:
    bounds = {"before": NEWEST, "limit": 100, **page}
    found: tuple[Found, ...] = await trail.ask(lambda c: find(c, condition, **bounds))
    return [one.index for one in found]


TABLE: dict[str, tuple[Condition, list[int]]] = {
    "everything": (EVERY, [4, 3, 2, 1, 0]),
    "index": (Is("idx", ">=", 3), [4, 3]),
    "type": (Is("type", "=", "access/1"), [4]),
    "time": (Is("time", ">", NOON + timedelta(minutes=1)), [3, 2]),
    "matter": (Is("matter", "=", "m"), [3, 2, 1, 0]),
    "release": (Is("release_digest", "=", "bb"), [3]),
    "outcome": (Is("outcome", "=", "approved"), [2, 0]),
    "channel": (Is("channel", "=", "counter"), [4]),
    "caller": (Is("caller", "=", "q"), [4]),
    "case": (Is("case_id", "=", "b"), [2, 1]),
    "reason": (Marked("reason", "AWAY"), [3, 1]),
    "requirement": (Marked("requirement", "R2"), [3, 0]),
    "status": (Marked("requirement", "R1=unknown"), [3, 1]),
    "none": (Marked("requirement", "R1=not_met"), []),
    "not": (Not(Marked("reason", "AWAY")), [4, 2, 0]),
    "other than": (Is("type", "!=", "decision/1"), [4]),
    "either": (Either((Is("case_id", "=", "a"), Is("type", "=", "access/1"))), [4, 0]),
    "either within all": (
        All((Is("matter", "=", "m"), Either((Is("idx", "=", 1), Marked("reason", "MET"))))),
        [2, 1, 0],
    ),
    "all within either": (
        Either((All((Is("case_id", "=", "b"), Marked("reason", "AWAY"))), Is("idx", ">", 3))),
        [4, 1],
    ),
    "alternatives that overlap": (Either((Is("matter", "=", "m"), EVERY)), [4, 3, 2, 1, 0]),
    "no alternative": (Either(()), []),
    "many alternatives": (
        All(tuple(Either((Is("idx", "=", i), Is("type", "=", "access/1"))) for i in range(5))),
        [4],
    ),
    "a span of time": (
        All((*(Is("time", r, NOON + timedelta(minutes=m)) for r, m in ((">=", 1), ("<", 6))),)),
        [2, 1],
    ),
    "a matter until a time": (
        All((Is("time", "<=", NOON + timedelta(minutes=1)), Is("matter", "=", "m"))),
        [1, 0],
    ),
    "a matter from a time on": (
        All((Is("time", ">", NOON + timedelta(minutes=1)), Is("matter", "=", "m"))),
        [3, 2],
    ),
    "a matter before there was any": (
        All((Is("time", "<", NOON), Is("matter", "=", "m"))),
        [],
    ),
    "a matter at other times": (
        All((Is("time", "!=", NOON), Is("matter", "=", "m"))),
        [3, 2, 1],
    ),
    "all": (All((Is("outcome", "=", "approved"), Is("case_id", "=", "b"))), [2]),
}


@pytest.mark.parametrize("case", TABLE)
async def test_a_condition_finds_what_it_says(filled: Trail, case: str) -> None:
    condition, expected = TABLE[case]

    assert await indices(filled, condition) == expected
    assert await filled.ask(lambda c: count(c, condition)) == len(expected)
    oldest_first = await filled.ask(lambda c: following(c, condition, after=-1, limit=9))
    assert oldest_first == tuple(reversed(expected))


async def test_whichever_way_is_taken_finds_the_same(
    filled: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Near and far, by entries' own indexes, by their sets, or one after the other."""
    monkeypatch.setattr(queries, "_NEAR", 1)
    for case, (condition, expected) in TABLE.items():
        for limit in (1, 2, 9):
            assert await indices(filled, condition, limit=limit) == expected[:limit], case
            asked = partial(following, condition=condition, after=-1, limit=limit)
            assert await filled.ask(asked) == tuple(expected[::-1][:limit]), case


async def test_who_it_is_about_is_found_by_the_tag_and_not_after_an_erasure(filled: Trail) -> None:
    about = Is("subject_tag", "=", filled.tag(OTHER))
    assert await indices(filled, about) == [4, 3]

    await filled.erase(OTHER, reason="个人信息保护法 第四十七条", time=NOON)

    assert await indices(filled, about) == []
    found = await filled.ask(lambda c: find(c, EVERY, before=NEWEST, limit=9))
    assert [one.index for one in found if one.erased] == [4, 3]
    assert await indices(filled, Marked("reason", "NOT_MET")) == [3]


async def test_pages_go_on_where_the_one_before_ended(filled: Trail) -> None:
    first = await indices(filled, EVERY, limit=2)
    await filled.append(ENTRIES[4], expect={})

    assert (first, await indices(filled, EVERY, before=first[-1], limit=2)) == ([4, 3], [2, 1])


UNBOUNDED = {"everything", "not", "other than", "alternatives that overlap", "many alternatives"}
INDEXED = [case for case in TABLE if case not in {*UNBOUNDED, "no alternative"}]


def plan(connection: Connection, ask: Callable[[], object]) -> list[str]:
    """The steps in which SQLite answers everything that is asked."""
    asked: list[tuple[str, Any]] = []

    def listen(_c: Any, _k: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", listen)
    ask()
    event.remove(connection, "before_cursor_execute", listen)
    return [
        row[3]
        for statement, parameters in asked
        for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    ]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("near", [1, 2_048])
@pytest.mark.parametrize("case", INDEXED)
async def test_no_question_reads_entries_that_it_does_not_want(
    filled: Trail, monkeypatch: pytest.MonkeyPatch, near: int, case: str
) -> None:
    monkeypatch.setattr(queries, "_NEAR", near)

    steps = await filled.ask(
        lambda c: plan(c, lambda: find(c, TABLE[case][0], before=NEWEST, limit=5))
    )

    whole = {f"SCAN {table}" for table in ("entries", "mark_sets", "log_entries", "sealed")}
    assert not [step for step in steps if " ".join(step.split()[:2]) in whole]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_is_over_its_term_is_looked_for_among_what_is_old_enough(filled: Trail) -> None:
    def ask(connection: Connection) -> None:
        assert kept.kinds_kept(connection) == (("access", ""), ("decision", "m"))
        after = NOON + timedelta(minutes=6)
        assert kept.overdue(connection, "decision", "m", before=after, limit=9, holds=()) == (
            0,
            1,
            2,
        )
        assert kept.count_overdue(connection, "decision", "m", before=NOON, holds=()) == 0

    steps = await filled.ask(lambda c: plan(c, lambda: ask(c)))

    assert not [step for step in steps if step.startswith(("SCAN entries", "SCAN sealed"))]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_is_counted_of_a_span_of_time_is_looked_for_in_it_alone(filled: Trail) -> None:
    query = select(projections.ENTRIES.c.idx).where(clause(TABLE["a matter from a time on"][0]))

    steps = await filled.ask(lambda c: plan(c, lambda: c.execute(query).all()))

    assert "SEARCH entries USING INDEX entries_by_marks (marks=? AND rowid>? AND rowid<?)" in steps
    assert not [step for step in steps if step.startswith("SCAN")]


OF_3 = "WHERE id = (SELECT marks FROM entries WHERE idx = 3)"


@pytest.mark.parametrize(
    "tamper",
    [
        f"DELETE FROM mark_sets {OF_3}",  # noqa: S608  # ours
        f"DELETE FROM mark_sets {OF_3} AND value = 'AWAY'",  # noqa: S608  # ours
        f"UPDATE mark_sets SET value = 'R2=met' {OF_3} AND value = 'R2=not_met'",  # noqa: S608  # ours
        "INSERT INTO mark_sets SELECT marks, 'reason', 'MET' FROM entries WHERE idx = 3",
        "UPDATE entries SET marks = (SELECT marks FROM entries WHERE idx = 2) WHERE idx = 3",
        "UPDATE entries SET caller = 'another' WHERE idx = 3",
        "UPDATE entries SET time = '2031-01-02T12:00:00.000000Z' WHERE idx = 3",
    ],
)
async def test_verify_derives_every_projection_again(
    tmp_path: Path, trail: Trail, tamper: str
) -> None:
    for entry in ENTRIES:
        await trail.append(entry, expect={})
    await trail._log.write(lambda c: c.exec_driver_sql(tamper))

    report = await asyncio.to_thread(verify_store, tmp_path / "store")

    assert {problem.index for problem in report.problems} - {None} == {3}


OTHER_TIMES = "`spans` has other times than the entries 0 to 255"


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        ("DELETE FROM spans", OTHER_TIMES),
        ("UPDATE spans SET latest = earliest", OTHER_TIMES),
        ("UPDATE spans SET earliest = '2029-01-02T12:00:00.000000Z'", OTHER_TIMES),
        (
            "INSERT INTO spans SELECT 7, earliest, latest FROM spans",
            "there is a span of times that no entry has",
        ),
    ],
)
async def test_verify_derives_the_spans_of_times_again(
    tmp_path: Path, filled: Trail, tamper: str, told: str
) -> None:
    await filled._log.write(lambda c: c.exec_driver_sql(tamper))

    report = await asyncio.to_thread(verify_store, tmp_path / "store")

    assert [(problem.index, problem.what) for problem in report.problems] == [(None, told)]


async def test_entries_whose_clock_erred_are_found_at_the_times_they_state(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over many blocks, in which now and then an entry is hours early or late."""
    monkeypatch.setattr(projections, "SPAN", 4)
    monkeypatch.setattr(queries, "SPAN", 4)
    monkeypatch.setattr(queries, "_NEAR", 2)
    stated = [i + (0, 0, 0, 40, 0, -40, 0)[i % 7] for i in range(100)]
    for i, minutes in enumerate(stated):
        await trail.append(decision(f"c{i}", minutes=minutes, outcome=f"o{i % 3}"), expect={})

    for first, last in ((0, 5), (50, 52), (30, 90), (98, 200), (200, 300)):
        span = (
            Is("time", ">=", NOON + timedelta(minutes=first)),
            Is("time", "<", NOON + timedelta(minutes=last)),
        )
        for more, rest in (((), {0, 1, 2}), ((Is("outcome", "=", "o1"),), {1})):
            expected = [i for i, at in enumerate(stated) if first <= at < last and i % 3 in rest]
            condition = All((*span, *more))
            assert await indices(trail, condition) == expected[::-1]
            assert await indices(trail, condition, limit=3) == expected[::-1][:3]
            asked = partial(following, condition=condition, after=-1, limit=3)
            assert await trail.ask(asked) == tuple(expected[:3])
            assert await trail.ask(partial(count, condition=condition)) == len(expected)
