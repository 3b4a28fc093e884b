"""How the service's no looks on a terminal."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType
from typer.main import get_command
from typer.testing import CliRunner

from decision_service.__main__ import app
from decision_service.cli import show
from decision_service.cli.trail import release_stats
from decision_service.client import CaseEvent, ClientError, PrefillResponse, ReleaseStats


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        pytest.param("CASE_DECIDED", "error: it is (ABORTED CASE_DECIDED)", id="a reason"),
        pytest.param("ABORTED", "error: it is (ABORTED)", id="a reason that is the code's name"),
        pytest.param("", "error: it is (ABORTED)", id="no service answered"),
    ],
)
def test_an_error_names_its_code_and_its_reason_once(reason: str, told: str) -> None:
    error = ClientError("ABORTED", reason, message="it is", hint="Do this.", zh="如此。")

    lines = str(show.error(error, "")).splitlines()

    assert lines == ["错误 如此。", told, "hint: Do this."]


def test_prose_is_broken_where_its_language_is() -> None:
    told = "· 未列入经营异常名录（截至 2026-11-26 15:22），可以变更。\nNothing stands against it."
    with show.out.capture() as caught:
        show.out.print(show.Prose(told), width=24)

    assert caught.get().splitlines() == [
        "· 未列入经营异常名录（截",
        "至 2026-11-26 15:22），",
        "可以变更。",
        "Nothing stands against",
        "it.",
    ]


@given(st.text(st.sampled_from("未，。（） ab12\n"), max_size=200), st.integers(4, 40))
def test_prose_loses_nothing_but_blanks_and_keeps_its_width(told: str, width: int) -> None:
    with show.out.capture() as caught:
        show.out.print(show.Prose(told), width=width)

    lines = caught.get().splitlines()
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", told)
    assert all(cell_len(line) <= width for line in lines)


def printed(shown: RenderableType, width: int) -> str:
    console = Console(markup=False, highlight=False, emoji=False, width=width)
    with console.capture() as caught:
        console.print(shown)
    return caught.get()


def test_what_the_applicant_was_told_of_a_case_that_is_looked_at_again_is_shown() -> None:
    event = CaseEvent()
    event.reopened.decision_index = 3
    event.reopened.reason.en = "a register has corrected its data"
    event.reopened.notice.en = "A new decision is promised by 2026-12-01."

    shown = printed(show.events([event]), 120)

    assert "重新审查 looked at again" in shown
    assert "A new decision is promised by 2026-12-01." in shown


def test_what_is_left_to_the_applicant_is_shown_by_its_name() -> None:
    schema = {"properties": {"applicant.mobile": {"title": "手机号码 | mobile number"}}}
    message = PrefillResponse()
    message.completed.declared_fields.append("applicant.mobile")

    shown = printed(show.Prefilled(json.dumps(schema)).feed(message), 120)

    assert "手机号码 mobile number" in shown


@pytest.mark.parametrize("width", range(60, 100))
def test_help_loses_no_letter_of_what_it_says(width: int) -> None:
    told = CliRunner().invoke(app, ["rules", "--help"], env={"COLUMNS": str(width)}).stdout

    assert "检查" in told
    assert "…" not in told


def typed(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that can be typed, with the words that lead to it."""
    yield path
    with command.make_context("miaopi", [], resilient_parsing=True) as context:
        for name in command.list_commands(context) if hasattr(command, "commands") else ():
            yield from typed(command.get_command(context, name), (*path, name))


@pytest.mark.parametrize(
    "words", [pytest.param(one, id=" ".join(one)) for one in typed(get_command(app))]
)
def test_no_help_loses_chinese_words_where_the_terminal_is_narrow(words: tuple[str, ...]) -> None:
    def chinese(width: int) -> Counter[str]:
        told = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": str(width)}).stdout
        return Counter(re.findall(r"[\u3001-\u9fff\uff01-\uff5e]", told))

    wide = chinese(400)

    assert wide
    assert chinese(80) == chinese(60) == wide


@pytest.mark.parametrize("width", [80, 60, 50])
def test_a_table_too_wide_for_its_terminal_is_shown_row_by_row(width: int) -> None:
    table = show.grid("办件 Case", *(f"栏 Column {n}" for n in range(8)))
    for case in ("018ebcb27777757bb0f6c6936e000817", "118ebcb27777757bb0f6c6936e000817"):
        table.add_row(case, *(f"值 value {n}" if n % 2 else "" for n in range(8)))

    wide, narrow = printed(table, 160).splitlines(), printed(table, width)

    assert len(wide) == 6, "a header, a line and two rows, with what is around them"
    assert "办件 Case  018ebcb27777757bb0f6c6936e000817" in narrow
    assert narrow.count("栏 Column 7  值 value 7") == 2
    assert "Column 0" not in narrow, "of what is empty nothing is said"


def test_of_what_no_person_decided_no_figure_is_shown() -> None:
    one = ReleaseStats(release="library_card@2020-01-01", decisions=1, automatic=1)
    one.outcomes["approved"] = 1
    one.longest_duration.FromMilliseconds(20)

    shown = " ".join(printed(release_stats([one]), 60).split())

    assert "人工决定 By persons" not in shown
    assert "人工用时 Took: 50% / 90% / max —" in shown
    assert "用时 Took: 50% / 90% / max 0:00:00 / 0:00:00 / 0:00:01" in shown
    assert dict(one.determinations) == {}, "to look changes nothing"
    one.ClearField("longest_duration")
    at_once = " ".join(printed(release_stats([one]), 60).split())
    assert "用时 Took: 50% / 90% / max 0:00:00 / 0:00:00 / 0:00:00" in at_once


@pytest.mark.parametrize("case", ["018ebda909cabd8fb7388602681e9fa9", "20261127-KQHE-WZ4A"])
def test_a_case_is_asked_for_as_a_notice_or_the_service_names_it(case: str) -> None:
    """What is no command to the command line may be a case to the service, which says so."""
    told = CliRunner().invoke(app, ["case", case, "--address", "127.0.0.1:1"])

    assert "服务没有应答" in told.stderr
