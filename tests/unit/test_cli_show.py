"""How the service's no looks on a terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from decision_service.cli import show
from decision_service.client import ClientError


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
