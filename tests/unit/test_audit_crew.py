"""Work that is shared out between processes."""

import os
from functools import partial

import pytest

from audit.errors import AuditError, StoreRefusedError
from audit.verify.crew import Told, share_out


def double(number: int, told: Told) -> int:
    told(number)
    return 2 * number


def refuse(_told: Told) -> int:
    raise StoreRefusedError("`it` is not", zh="没有", reason="STORE_MISSING", hint="Make it.")


def die(_told: Told) -> int:
    os._exit(9)


def test_results_come_in_the_order_of_the_tasks_and_all_progress_is_told() -> None:
    told: list[int] = []

    results = share_out([partial(double, n) for n in range(7)], 3, told.append)

    assert results == [0, 2, 4, 6, 8, 10, 12]
    assert sorted(told) == [0, 1, 2, 3, 4, 5, 6]


def test_what_a_task_refuses_is_refused_as_it_said() -> None:
    with pytest.raises(StoreRefusedError) as caught:
        share_out([partial(double, 1), refuse], 2, print)

    error = caught.value
    assert (str(error), error.zh, error.reason, error.hint) == (
        "`it` is not",
        "没有",
        "STORE_MISSING",
        "Make it.",
    )


def test_a_process_that_dies_is_no_check() -> None:
    with pytest.raises(AuditError) as caught:
        share_out([die, partial(double, 1)], 2, print)

    assert caught.value.reason == "CHECK_CUT_SHORT"
    assert "`--processes 1`" in caught.value.hint
