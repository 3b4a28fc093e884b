"""How often the registers of a waiting case are asked."""

from itertools import pairwise

import pytest

from decision_service.waiting import FIRST_PAUSE_S, LONGEST_PAUSE_S, SHARE, longer_pause

DAY_S = 86_400.0


def tries(wait_s: float) -> list[float]:
    """When a case that waits so long is tried, in seconds from its first decision."""
    at, pause, found = 0.0, FIRST_PAUSE_S, list[float]()
    while at + pause < wait_s:
        at += pause
        found.append(at)
        pause = longer_pause(pause, at)
    return found


@pytest.mark.parametrize(
    ("days", "most"),
    [
        pytest.param(1, 80, id="a register that is down for a day"),
        pytest.param(45, 180, id="a letter of 25 working days"),
    ],
)
def test_nobody_is_looked_up_thousands_of_times(days: int, most: int) -> None:
    assert len(tries(days * DAY_S)) <= most


def test_a_source_that_is_back_is_noticed_soon_for_the_time_it_was_away() -> None:
    found = tries(45 * DAY_S)
    pauses = [after - before for before, after in pairwise(found)]

    assert found[:4] == [2.0, 6.0, 14.0, 30.0]
    assert all(
        pause <= max(LONGEST_PAUSE_S, SHARE * before) * (1 + 1e-9)
        for before, pause in zip(found, pauses, strict=False)
    )
