"""What DuckDB computes from the figures, and the trail by itself, is what the entries say."""

import asyncio
import builtins
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from audit import figures
from audit.errors import StoreRefusedError
from audit.figures import write_figures
from audit.trail import Entry, Trail
from audit.trail.queries import All
from audit.trail.tallies import Tally, tally
from decision_service.cli import app as miaopi
from decision_service.record import KINDS

SQL = (Path(__file__).parent.parent.parent / "docs" / "figures.sql").read_text("utf-8")
ZONE = ZoneInfo("Asia/Shanghai")
BEGIN = datetime(2026, 10, 31, 15, 0, tzinfo=UTC)  # 23:00 in the city
PERSON = "resident_id:990000199001010007"

LIVED: Sequence[tuple[str, str, str, float, dict[str, Any]]] = (
    ("a", "decision/1", "approved", 0, {"offer": "o1"}),
    ("b", "decision/1", "referred", 0.5, {"reasons": ["X", "Y"], "statuses": [["R1", "unknown"]]}),
    ("b", "determination/1", "approved", 2, {}),
    ("c", "decision/1", "waiting", 2, {"reasons": ["AWAITED"]}),
    ("c", "decision/1", "refused", 26, {"statuses": [["R1", "met"], ["R2", "not_met"]]}),
    ("c", "override/1", "approved", 30, {}),
    ("d", "decision/1", "referred", 30, {"reasons": ["X"]}),
    ("d", "override/1", "refused", 31, {}),
    ("a", "standing/1", "", 32, {"decision": 0, "act": "suspend"}),
    ("a", "standing/1", "", 33, {"decision": 0, "act": "change"}),
    ("a", "standing/1", "", 34, {"decision": 0, "act": "revoke"}),
)
"""Case, type, outcome, hours since the beginning, and what else the entry says."""


OFFERED: Sequence[tuple[str, dict[str, Any]]] = (
    ("offer/1", {"case_id": "o1", "until_date": "2999-12-31"}),
    ("offer/1", {"case_id": "o2", "until_date": "2020-01-01"}),
    ("offer/1", {"case_id": "o3", "until_date": "2020-01-01"}),
    ("offer/1", {"case_id": "o4", "until_date": "2999-12-31"}),
    ("offer_declined/1", {"case_id": "o2"}),
    ("offer_declined/1", {"case_id": "o2"}),
)
"""What became of offers: the first is agreed to by the application of case a, two are silent."""


RATED: Sequence[tuple[str, dict[str, Any]]] = (
    ("rating/1", {"grade": "very_satisfied", "due_time": None}),
    ("rating/1", {"grade": "fairly_satisfied", "due_time": None}),
    ("rating/1", {"grade": "dissatisfied", "due_time": "2020-01-01T10:00:00Z"}),
    ("rating/1", {"grade": "very_dissatisfied", "due_time": "2999-01-01T10:00:00Z"}),
)
"""How people rated; the last is found to hold, and answered in time."""


async def live(folder: Path) -> None:
    Trail.create(folder, origin="test.invalid")
    async with Trail.open(folder) as trail:
        for case, type_, outcome, hours, more in LIVED:
            said = {
                "matter": "m",
                "release_digest": "d" * 64,
                "rules_effective_date": "2026-01-01",
                "case_id": case,
                "outcome": outcome,
                **more,
            }
            time = BEGIN + timedelta(hours=hours)
            await trail.append(
                Entry(type_, str(uuid4()), time, said, {"name": "张试"}, PERSON), expect={}
            )
            await trail.append(Entry("access/1", str(uuid4()), time, said, {}, PERSON), expect={})
        for type_, more in OFFERED:
            said = {"matter": "m", "release_digest": "d" * 64, **more}
            await trail.append(Entry(type_, str(uuid4()), BEGIN, said, {}, PERSON), expect={})
        for type_, more in RATED:
            said = {"matter": "m", "release_digest": "d" * 64, **more}
            await trail.append(Entry(type_, str(uuid4()), BEGIN, said, {}, PERSON), expect={})
        found = {"matter": "m", "rating": trail.size() - 1, "justified": True}
        await trail.append(
            Entry("rating_answer/1", str(uuid4()), BEGIN, found, {}, PERSON), expect={}
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    asyncio.run(live(folder / "s"))
    assert write_figures(folder / "s", folder / "figures", kinds=KINDS, zone=ZONE) == {
        "2026-10": 2,
        "2026-11": 6,
    }
    return folder


@pytest.fixture
def ask(made: Path) -> Any:
    connection = duckdb.connect()
    connection.execute(SQL.replace("'figures/", f"'{made}/figures/"))
    return lambda query: connection.execute(query).fetchall()


def test_the_published_shares_follow_from_the_decisions(ask: Any) -> None:
    assert ask("SELECT month, by_machine, to_person, share FROM automatic_share") == [
        ("2026-10", 1, 1, 0.5),
        ("2026-11", 1, 1, 0.5),
    ]
    assert ask("SELECT month, reason, decisions FROM referral_reasons ORDER BY ALL") == [
        ("2026-10", "X", 1),
        ("2026-10", "Y", 1),
        ("2026-11", "X", 1),
    ]
    assert ask("SELECT * EXCLUDE (month, matter, rules_effective_date, release_digest)"
               " FROM overrides") == [(3, 2, 0.6667)]  # fmt: skip
    assert ask("SELECT month, decided_by, decided, overturned, by_override, by_revoke, by_change,"
               " overturn_rate FROM overturns") == [
        ("2026-10", "system", 1, 1, 0, 1, 1, 1.0),
        ("2026-11", "person", 3, 0, 0, 0, 0, 0.0),
        ("2026-11", "system", 1, 1, 1, 0, 0, 1.0),
    ]  # fmt: skip
    assert ask("SELECT month, ended, median_s, longest_s FROM time_to_decision") == [
        ("2026-10", 1, 0.0, 0.0),
        ("2026-11", 3, 5400.0, 86400.0),
    ]


def test_what_became_of_offers_is_counted_and_silence_is_no_answer(ask: Any) -> None:
    assert ask("SELECT * FROM offers_answered") == [("2026-10", "m", 4, 1, 1, 1, 1)]
    assert ask("SELECT count(*) FROM offers WHERE month = '2026-11'") == [(0,)]


def test_s24_the_five_grades_are_counted_and_what_became_of_poor_ones(ask: Any) -> None:
    assert ask("SELECT * FROM satisfaction") == [("2026-10", "m", 4, 1, 0, 1, 1, 1, 0.5, 1, 1, 1)]


def test_every_row_says_what_its_entry_does(ask: Any) -> None:
    rows = ask(
        "SELECT case_id, outcome, previous_outcome, decided_by, overrides, not_met, unknown"
        " FROM decisions ORDER BY index"
    )

    assert rows == [
        ("a", "approved", "", "system", False, [], []),
        ("b", "referred", "", "system", False, [], ["R1"]),
        ("b", "approved", "referred", "person", False, [], []),
        ("c", "waiting", "", "system", False, [], []),
        ("c", "refused", "waiting", "system", False, ["R2"], []),
        ("c", "approved", "refused", "person", True, [], []),
        ("d", "referred", "", "system", False, [], []),
        ("d", "refused", "referred", "person", True, [], []),
    ]
    assert ask("SELECT overturned_by, overturned_time FROM decisions WHERE case_id = 'a'") == [
        (["change", "revoke"], BEGIN + timedelta(hours=33))
    ]
    assert ask("SELECT min(decide_time) = TIMESTAMPTZ '2026-10-31 15:00:00+00' FROM decisions") == [
        (True,)
    ]


# ── whatever has happened ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Step:
    """Something that happens in a case; it need not be lawful, only counted right.

    Attributes:
        of: Which of the case's decisions so far an act names.
    """

    case: str
    type: str
    said: str
    release: str
    minutes: int
    of: int = 0

    @property
    def matter(self) -> str:
        return "n" if self.case == "c" else "m"


OUTCOMES = ("approved", "refused", "referred", "waiting", "needs_correction")
ACTS = ("suspend", "resume", "change", "correct", "revoke", "withdraw", "cancel", "expire")
OVERTURNING = {"change", "correct", "revoke", "withdraw"}
COMMON = {"case": st.sampled_from("aabc"), "release": st.sampled_from("de"),
          "minutes": st.integers(0, 3)}  # fmt: skip
DECIDES = st.builds(
    Step,
    type=st.sampled_from(("decision/1", "determination/1", "override/1")),
    said=st.sampled_from(OUTCOMES),
    **COMMON,
)
ACT = st.builds(Step, type=st.just("standing/1"), said=st.sampled_from(ACTS),
                of=st.integers(0, 3), **COMMON)  # fmt: skip


def minutes_at(steps: Sequence[Step], index: int) -> int:
    return sum(one.minutes for one in steps[: index + 1])


def decisions_of(steps: Sequence[Step], case: str, before: int) -> list[int]:
    return [i for i, one in enumerate(steps[:before]) if one.case == case and one.type in KINDS.all]


def overturned_by(steps: Sequence[Step], index: int) -> set[str]:
    """What has overturned a decision: told step by step, as a clerk would tell it."""
    said, by = steps[index].said, set()
    for i, one in enumerate(steps[index + 1 :], index + 1):
        if one.case != steps[index].case or said not in {"approved", "refused"}:
            continue
        upheld = said == one.said == "refused"
        if one.type == "override/1" and not upheld:
            by.add("override")
        if one.type == "standing/1" and one.said in OVERTURNING:
            earlier = decisions_of(steps, one.case, i)
            if earlier[one.of % len(earlier)] == index:
                by.add(one.said)
    return by


def counted(steps: Sequence[Step]) -> dict[tuple[str, str], Tally]:
    """The figures again, case by case in plain Python."""
    found: dict[tuple[str, str], Tally] = {}
    for i, one in enumerate(steps):
        if one.type not in KINDS.all:
            continue
        key = (one.matter, one.release * 64)
        here = found.setdefault(key, Tally(*key))
        same = decisions_of(steps, one.case, i + 1)
        rules = [j for j in same if steps[j].type == "decision/1"]
        rules = rules or [j for j, x in enumerate(steps) if x.case == one.case
                          and x.type == "decision/1"][:1]  # fmt: skip
        took = 60.0 * (minutes_at(steps, i) - minutes_at(steps, rules[0])) if rules else 0.0
        ended_before = any(steps[j].said in {"approved", "refused"} for j in same[:-1])
        if one.type == "decision/1":
            here.outcomes[one.said] += 1
            if one.said == "referred":
                here.referrals["X"] += 1
            if one.said in {"approved", "refused", "referred"}:
                here.at_once += took == 0
                here.later_s += [took] * (took != 0)
        else:
            here.by_persons[one.said] += 1
            here.overrides += one.type == "override/1"
            if one.said in {"approved", "refused"} and not ended_before:
                here.by_persons_s.append(took)
        by = overturned_by(steps, i)
        here.overturned += bool(by)
        here.overturns.update(by)
    for here in found.values():
        here.later_s.sort()
        here.by_persons_s.sort()
    return found


async def happen(folder: Path, steps: Sequence[Step]) -> tuple[Tally, ...]:
    Trail.create(folder, origin="test.invalid")
    async with Trail.open(folder) as trail:
        for i, one in enumerate(steps):
            said: dict[str, Any] = {"matter": one.matter, "release_digest": one.release * 64,
                                    "case_id": one.case, "reasons": ["X"]}  # fmt: skip
            if one.type == "standing/1":
                earlier = decisions_of(steps, one.case, i)
                said |= {"act": one.said, "decision": earlier[one.of % len(earlier)]}
            else:
                said["outcome"] = one.said
            time = BEGIN + timedelta(minutes=minutes_at(steps, i))
            await trail.append(Entry(one.type, str(uuid4()), time, said, {}), expect={})
        return await trail.ask(lambda c: tally(c, All(()), kinds=KINDS))


@settings(max_examples=60, deadline=None)
@given(drawn=st.lists(st.one_of(DECIDES, DECIDES, ACT), min_size=1, max_size=14))
def test_whatever_happens_is_counted_by_matter_and_release(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Step]
) -> None:
    steps: list[Step] = []
    for one in drawn:
        if one.type != "standing/1" or decisions_of(steps, one.case, len(steps)):
            steps.append(one)
    folder = tmp_path_factory.mktemp("happened")
    expected = counted(steps)

    assert asyncio.run(happen(folder / "s", steps)) == tuple(
        expected[key] for key in sorted(expected)
    )
    if write_figures(folder / "s", folder / "figures", kinds=KINDS, zone=ZONE):
        assert published(folder) == {key: in_figures(one) for key, one in expected.items()}


SUMS = {
    "automatic_share": ("sum(by_machine)", "sum(to_person)"),
    "referral_reasons": ("sum(decisions)",),
    "overrides": ("sum(by_person)", "sum(overriding)"),
    "overturns": (
        "sum(decided)", "sum(overturned)", "sum(by_override)", "sum(by_revoke)",
        "sum(by_correct)", "sum(by_withdraw)", "sum(by_change)",
    ),
}  # fmt: skip


def published(folder: Path) -> dict[tuple[str, str], dict[str, tuple[int, ...]]]:
    """What the views say of each matter and release; without a row, nothing was counted."""
    connection = duckdb.connect()
    connection.execute(SQL.replace("'figures/", f"'{folder}/figures/"))
    by = "SELECT matter, release_digest, {} FROM {} GROUP BY ALL"
    found: dict[tuple[str, str], dict[str, tuple[int, ...]]] = {}
    for matter, release, _ in connection.execute(by.format("1", "decisions")).fetchall():
        found[matter, release] = {view: (0,) * len(sums) for view, sums in SUMS.items()}
    for view, sums in SUMS.items():
        for row in connection.execute(by.format(", ".join(sums), view)).fetchall():
            found[row[0], row[1]][view] = tuple(map(int, row[2:]))
    return found


def in_figures(one: Tally) -> dict[str, tuple[int, ...]]:
    ended = [one.outcomes[said] + one.by_persons[said] for said in ("approved", "refused")]
    by = [one.overturns[how] for how in ("override", "revoke", "correct", "withdraw", "change")]
    machine = one.outcomes["approved"] + one.outcomes["refused"]
    return {
        "automatic_share": (machine, one.outcomes["referred"]),
        "referral_reasons": (one.referrals["X"],),
        "overrides": (one.by_persons.total(), one.overrides),
        "overturns": (sum(ended), one.overturned, *by),
    }


def test_all_releases_of_a_matter_together_are_the_sum_of_each() -> None:
    few = Tally("m", "d", Counter(approved=2), Counter(X=1), 1, [3.0, 9.0], Counter(refused=1))
    more = Tally(
        "m", "e", Counter(approved=1, waiting=4), Counter(), 2, [5.0], Counter(refused=2), 1,
        [7.0], 3, Counter(override=2, revoke=1),
    )  # fmt: skip

    assert Tally.of_matter([few, more]) == Tally(
        "m", "", Counter(approved=3, waiting=4), Counter(X=1), 3, [3.0, 5.0, 9.0],
        Counter(refused=3), 1, [7.0], 3, Counter(override=2, revoke=1),
    )  # fmt: skip
    assert few.later_s == [3.0, 9.0], "what it was made of stays"


def test_nothing_in_it_tells_who(made: Path) -> None:
    content = b"".join(path.read_bytes() for path in (made / "figures").rglob("*.parquet"))

    assert PERSON[-18:].encode() not in content
    assert "张试".encode() not in content


def test_many_rows_are_written_a_few_at_a_time(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_ROWS", 3)

    written = write_figures(made / "s", tmp_path / "f", kinds=KINDS, zone=ZoneInfo("UTC"))

    assert written == {"2026-10": 4, "2026-11": 4}
    assert duckdb.read_parquet(f"{tmp_path}/f/*/decisions.parquet").shape[0] == 8


def test_nothing_is_overwritten_and_without_parquet_it_says_so(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreRefusedError) as caught:
        write_figures(made / "s", made / "figures", kinds=KINDS, zone=ZONE)
    assert caught.value.reason == "EXPORT_EXISTS"
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(StoreRefusedError) as caught:
        write_figures(made / "s", tmp_path / "f", kinds=KINDS, zone=ZONE)
    assert caught.value.reason == "PARQUET_MISSING"
    assert [*tmp_path.iterdir()] == []


def test_as_people_type_it(made: Path, tmp_path: Path) -> None:
    def type_(*more: str) -> tuple[int, str]:
        to = str(tmp_path / "f")
        done = CliRunner().invoke(
            miaopi, ["audit", "figures", "--store", str(made / "s"), "--to", to, *more]
        )
        return done.exit_code, " ".join(done.output.split())

    code, said = type_()
    assert (code, "8 rows of 2 months" in said) == (0, True)
    assert "pyarrow" in sys.modules
    assert type_("--zone", "Mars/Base")[0] == 2
    assert type_()[0] == 1
