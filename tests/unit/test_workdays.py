"""When a promised limit ends (民法典 201–203), by the sample city's calendar."""

from datetime import date, datetime, time
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pytest

from decision_service import workdays
from decision_service.errors import InvalidPublicationError
from decision_service.model import Limit
from tests.conftest import ROOT

ZONE = ZoneInfo("Asia/Shanghai")


def year(holidays: str = "", workdays: str = "") -> str:
    return f"[years.2026]\nnotice = 'x'\nholidays = [{holidays}]\nworkdays = [{workdays}]"


@pytest.mark.parametrize(
    ("begins", "days", "unit", "ends"),
    [
        pytest.param(date(2026, 11, 24), 5, "working", date(2026, 12, 1), id="over a weekend"),
        pytest.param(date(2026, 11, 28), 1, "working", date(2026, 11, 30), id="from a Saturday"),
        pytest.param(date(2026, 9, 30), 1, "working", date(2026, 10, 8), id="over National Day"),
        pytest.param(date(2026, 9, 18), 1, "working", date(2026, 9, 20), id="to a worked Sunday"),
        pytest.param(date(2026, 2, 13), 2, "working", date(2026, 2, 24), id="over Spring Festival"),
        pytest.param(date(2026, 11, 24), 20, "calendar", date(2026, 12, 14), id="whole days"),
        pytest.param(date(2026, 11, 24), 5, "calendar", date(2026, 11, 30), id="ends on a Sunday"),
        pytest.param(date(2026, 9, 25), 10, "calendar", date(2026, 10, 8), id="ends on a holiday"),
    ],
)
def test_a_limit_ends_when_the_office_closes_on_its_last_day(
    begins: date, days: int, unit: Literal["working", "calendar"], ends: date
) -> None:
    office = workdays.load(ROOT)

    ended = office.end_of(Limit(days=days, unit=unit), begins, ZONE)

    assert ended == datetime.combine(ends, time(18), ZONE)


def test_a_year_without_a_notice_has_the_holidays_of_the_law(tmp_path: Path) -> None:
    office = workdays.load(tmp_path)

    assert [office.is_open(date(2027, 10, day)) for day in range(4, 11)] == [True] * 5 + [False] * 2
    assert not any(office.is_open(date(2027, *day)) for day in ((1, 1), (10, 1)))
    assert [*workdays.load(ROOT).missing(date(2026, 11, 24), date(2027, 5, 24))] == [2027]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("years.2026 = {notice = '', holidays = [], workdays = []}", "years.2026.notice"),
        ("years.2026.notice = 'x'", "years.2026.workdays"),
        (year(holidays="2026-10-03"), "2026-10-03 is a holiday, but of a weekend"),
        (year(workdays="2026-10-09"), "2026-10-09 is worked, but is no day of a weekend"),
        (year(holidays="2025-10-01"), "2025-10-01 stands under 2026"),
        ("holidays = [2026-10-01]", "holidays"),
    ],
)
def test_a_calendar_that_is_wrong_is_refused_by_place(
    tmp_path: Path, content: str, told: str
) -> None:
    (tmp_path / "matters").mkdir()
    (tmp_path / "matters" / "workdays.toml").write_text(content)

    with pytest.raises(InvalidPublicationError) as caught:
        workdays.load(tmp_path)

    assert caught.value.reason == "WORKDAYS_INVALID"
    assert "matters/workdays.toml" in str(caught.value)
    assert told in str(caught.value)
