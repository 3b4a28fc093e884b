"""Tests of waiting that do not wait: their time passes at once, and alike on every machine."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _AtOnce(selectors.DefaultSelector):
    """Instead of waiting until the next timer is due, it is due.

    Attributes:
        passed_s: How long would have been waited so far.
    """

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select()
        self.passed_s += max(timeout, 0.0)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._waits = _AtOnce()
        super().__init__(self._waits)

    def time(self) -> float:
        return self._waits.passed_s


def timeless(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test that waits for timers alone: for a socket or a thread it would not wait at all."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        with asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(test(*arguments, **named))

    return run
