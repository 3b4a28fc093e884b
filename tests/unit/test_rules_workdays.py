"""Rules that count working days: by the calendar that their release carries, and by no other."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from decision_service.model import Calendar, Concept, Known
from decision_service.release import Release, compose, restore
from decision_service.rulebook import Unknown, document, evaluate_expression, interpret
from decision_service.rulebook.engine import Engine
from decision_service.rulebook.evaluate import Reference
from tests import firms

SOUND = (Path(__file__).parent / "rule_mistakes" / "sound.rules.md").read_text(encoding="utf-8")
YEARS = Calendar(
    holidays=frozenset({date(2023, 1, 2), date(2024, 10, 1), date(2024, 10, 2), date(2025, 1, 1)}),
    workdays=frozenset({date(2024, 9, 29), date(2024, 10, 12)}),
)
SATURDAY = date(2024, 9, 28)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("工作日数(a, b)", Decimal(10), id="over holidays and a worked Saturday"),
        pytest.param("工作日数(b, a)", Decimal(-10), id="backwards"),
        pytest.param("工作日数(a, a)", Decimal(0), id="none"),
        pytest.param("加工作日(a, 3)", date(2024, 10, 3), id="over holidays"),
        pytest.param("加工作日(a, -1)", date(2024, 9, 27), id="the one before"),
        pytest.param("add_working_days(a, 0)", SATURDAY, id="none on"),
        pytest.param("加工作日(a, 0.5)", Unknown, id="half a day"),
        pytest.param("加工作日(a, 1000)", Unknown, id="beyond the calendar"),
        pytest.param("是工作日(b)", True, id="a worked Saturday"),
        pytest.param("is working day(a)", False, id="a Saturday"),
        pytest.param("工作日数(a, date(2026, 1, 5))", Unknown, id="into a year without a calendar"),
    ],
)
def test_working_days_are_those_of_the_calendar(text: str, value: object) -> None:
    context = {"a": SATURDAY, "b": date(2024, 10, 12)}

    assert evaluate_expression(text, context, calendar=YEARS) == value
    assert evaluate_expression("工作日数(a, b)", context) is Unknown


def test_a_book_keeps_the_calendar_of_its_year_and_the_one_before_if_it_counts_by_it() -> None:
    counting = document.read(
        SOUND.replace("承诺属实 并且", "承诺属实 并且 是工作日(申请日) 并且"),
        where="draft.rules.md",
        calendar=YEARS,
    )

    assert counting.calendar == YEARS.of(2023, 2024)
    assert counting.warnings == ()
    assert document.read(SOUND, where="draft.rules.md", calendar=YEARS).calendar == Calendar()


def test_the_three_evaluators_count_alike() -> None:
    book = document.read(
        SOUND.replace("工作月数 >= 6", "工作日数(入职日, 申请日) <= 10"),
        where="draft.rules.md",
        calendar=YEARS,
    )
    engine, reference = Engine(book), Reference(book)
    found = []
    for last in (date(2024, 10, 12), date(2024, 10, 14), date(2025, 1, 2)):
        facts = {
            Concept("applicant.hired_on"): Known(value=SATURDAY, source="social_insurance"),
            Concept("filing_date"): Known(value=last, source="service"),
        }
        verdict = interpret.verdict(book, facts)
        assert engine.verdict(facts) == reference.verdict(facts) == verdict
        found.append(verdict.statuses[0][1].value)
    engine.close()

    assert found == ["met", "not_met", "unknown"]


# ── releases ─────────────────────────────────────────────────────────────────────────────────────


def released(calendar: Calendar) -> Release:
    """A release that demands something of a working day of 2020."""
    asked = ("条件 requires：自有", "条件 requires：自有 并且 是工作日(2020-01-02)")
    parts = json.loads(firms.release(asked).archive)
    return compose(
        rules=parts["rules"],
        matter=parts["matter"],
        form=parts["form"],
        meanings=firms.meanings(),
        registers=firms.registers(),
        where=parts["where"],
        calendar=calendar,
    )


def test_a_release_is_frozen_with_its_calendar_and_a_later_year_does_not_change_it() -> None:
    of_2020 = Calendar(holidays=frozenset({date(2020, 1, 1)}))
    other = Calendar(holidays=frozenset({date(2020, 1, 2)}))
    later = Calendar(holidays=of_2020.holidays | {date(2021, 1, 1)})

    release = released(of_2020)

    assert released(other).digest != release.digest
    assert released(later).digest == release.digest
    assert restore(release.archive).book.calendar == of_2020
    assert restore(release.archive).digest == release.digest


def test_a_release_that_counts_no_working_days_hangs_on_no_calendar() -> None:
    assert "calendar" not in json.loads(firms.release().archive)
