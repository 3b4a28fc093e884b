"""What DuckDB computes from the figures is what the entries say."""

import asyncio
import builtins
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import duckdb
import pytest
from typer.testing import CliRunner

from audit import figures
from audit.errors import StoreRefusedError
from audit.figures import Kinds, write_figures
from audit.trail import Entry, Trail
from decision_service.cli import app as miaopi

SQL = (Path(__file__).parent.parent.parent / "docs" / "figures.sql").read_text("utf-8")
KINDS = Kinds("decision/1", "determination/1", "override/1")
ZONE = ZoneInfo("Asia/Shanghai")
BEGIN = datetime(2026, 10, 31, 15, 0, tzinfo=UTC)  # 23:00 in the city
PERSON = "resident_id:990000199001010007"

LIVED: Sequence[tuple[str, str, str, float, dict[str, Any]]] = (
    ("a", "decision/1", "approved", 0, {}),
    ("b", "decision/1", "referred", 0.5, {"reasons": ["X", "Y"], "statuses": [["R1", "unknown"]]}),
    ("b", "determination/1", "approved", 2, {}),
    ("c", "decision/1", "waiting", 2, {"reasons": ["AWAITED"]}),
    ("c", "decision/1", "refused", 26, {"statuses": [["R1", "met"], ["R2", "not_met"]]}),
    ("c", "override/1", "approved", 30, {}),
    ("d", "decision/1", "referred", 30, {"reasons": ["X"]}),
    ("d", "override/1", "refused", 31, {}),
)
"""Case, type, outcome, hours since the beginning, and what else the entry says."""


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
    assert ask("SELECT * EXCLUDE (month, matter) FROM overrides") == [(3, 2, 1, 0.6667, 0.3333)]
    assert ask("SELECT month, ended, median_s, longest_s FROM time_to_decision") == [
        ("2026-10", 1, 0.0, 0.0),
        ("2026-11", 4, 5400.0, 100800.0),
    ]


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
    assert ask("SELECT min(decide_time) = TIMESTAMPTZ '2026-10-31 15:00:00+00' FROM decisions") == [
        (True,)
    ]


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
    assert duckdb.read_parquet(f"{tmp_path}/f/*/*.parquet").shape[0] == 8


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
