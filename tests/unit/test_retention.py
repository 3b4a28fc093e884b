"""Terms as a city lays them down, and the day on which one is over."""

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision_service import retention
from decision_service.catalogue import Catalogue
from decision_service.errors import InvalidPublicationError
from decision_service.model import MatterId
from decision_service.retention import Terms, _before

ROOT = Path(__file__).parent.parent.parent
ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 24, 20, tzinfo=UTC)  # already the 25th in the city
NOTHING = MatterId("")


@pytest.mark.parametrize(
    ("term", "since"),
    [
        ("P1D", "2026-11-24"),
        ("P24M", "2024-11-25"),
        ("P1Y", "2025-11-25"),
        ("P10Y", "2016-11-25"),
    ],
)
def test_a_term_counts_in_days_of_the_city(term: str, since: str) -> None:
    kept = Terms({"access": term}).kept_since("access", NOTHING, (), NOW, ZONE)

    assert kept == datetime.fromisoformat(since).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("day", "term", "before"),
    [
        ("2028-02-29", "P1Y", "2027-02-28"),
        ("2026-03-31", "P1M", "2026-02-28"),
        ("2026-01-31", "P2M", "2025-11-30"),
        ("2026-12-31", "P1M", "2026-11-30"),
        ("2026-01-15", "P13M", "2024-12-15"),
    ],
)
def test_of_a_day_that_there_is_not_the_one_before_counts(day: str, term: str, before: str) -> None:
    assert _before(date.fromisoformat(day), term) == date.fromisoformat(before)


@given(
    day=st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    number=st.integers(1, 99),
    unit=st.sampled_from("YMD"),
)
def test_nothing_goes_before_its_term_is_over(day: date, number: int, unit: str) -> None:
    """What is as old as the day that is told has lasted for the term at least."""
    before = _before(day, f"P{number}{unit}")
    lasted = {
        "D": (day - before).days,
        "M": 12 * (day.year - before.year) + day.month - before.month,
        "Y": day.year - before.year,
    }
    assert lasted[unit] == number
    assert unit == "D" or before.day <= day.day


def test_a_decision_is_kept_for_the_longest_term_of_its_matter(published: Catalogue) -> None:
    def kept(kind: str, matter: str) -> datetime | None:
        return retention.load(ROOT).kept_since(
            kind, MatterId(matter), published.releases, NOW, ZONE
        )

    assert kept("decision", "old_age_allowance") == datetime(2016, 11, 25, tzinfo=ZONE)
    assert kept("withdrawal", "old_age_allowance") == datetime(2016, 11, 25, tzinfo=ZONE)
    assert kept("access", "old_age_allowance") == datetime(2021, 11, 25, tzinfo=ZONE)
    assert kept("prefill", "old_age_allowance") == datetime(2025, 11, 25, tzinfo=ZONE)
    assert kept("decision", "no_more_published") is None
    assert kept("hold", "") is None
    assert Terms({"access": "permanent"}).kept_since("access", NOTHING, (), NOW, ZONE) is None


def test_a_city_without_the_file_keeps_as_its_matters_say(tmp_path: Path) -> None:
    assert retention.load(tmp_path) == Terms()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[terms]\naccess = 5", "2:1 `terms.access` is a text: put it in quotes"),
        ("[terms]\naccess = 'P5W'", "`access` has no term like `P10Y`, `permanent` or `matter`"),
        ("[terms]\naccess = 'P0Y'", "`access` has no term like `P10Y`"),
        ("[terms]\nAccess = 'P5Y'", "`Access` has no term like `P10Y`"),
        (
            "[term]\naccess = 'P5Y'",
            "1:1 `term` means nothing here: correct its spelling, or delete it",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "matters").mkdir()
    (tmp_path / "matters" / "retention.toml").write_text(content, encoding="utf-8")

    with pytest.raises(InvalidPublicationError) as caught:
        retention.load(tmp_path)

    assert caught.value.reason == "RETENTION_INVALID"
    assert message in str(caught.value)
