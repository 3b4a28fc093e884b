"""How the service's no looks on a terminal."""

import pytest

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
