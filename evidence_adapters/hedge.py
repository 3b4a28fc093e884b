"""A question that is late is put a second time, and whichever answer comes first is taken.

Most slow answers are slow by chance: a full queue, a lost packet, a collection of garbage there.
Asking twice then costs a few questions in a hundred and takes away the longest waits.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

LEAST: Final = 20
"""Answers before which nothing is taken to be late."""

LATE: Final = 0.05
"""The share of answers that are late."""

MOST: Final = 0.1
"""Second questions for each first one, in the long run: a register that is slow with everything is
not asked twice as much for it."""

BURST: Final = 5.0
"""Second questions that may come at once after a time without any."""

_STEP: Final = 0.2
"""By how much the bound gives way to an answer; a greater one follows faster and is less steady."""


class Pace:
    """How long a register takes for an answer, and who may be asked twice. One event loop."""

    def __init__(self) -> None:
        self._answers = 0
        self._late_s = 0.0
        self._allowed = 0.0

    async def first(
        self, ask: Callable[[], Coroutine[Any, Any, bytes]], *, may: Callable[[], bool]
    ) -> tuple[bytes, bool]:
        """The first answer, and whether the question was put twice.

        Args:
            ask: Puts the question.
            may: Whether there is a place for a second one now.

        Raises:
            Exception: What the last question met that was still under way.
        """
        time = asyncio.get_running_loop().time
        started = time()
        self._allowed = min(self._allowed + MOST, BURST)
        asked = {asyncio.create_task(ask())}
        try:
            known = self._answers >= LEAST
            _, waiting = await asyncio.wait(asked, timeout=self._late_s if known else None)
            if waiting and self._allowed >= 1 and may():
                self._allowed -= 1
                asked.add(asyncio.create_task(ask()))
            answer = await _whoever_answers(asked)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        self._learn(time() - started)
        return answer, len(asked) > 1

    def _learn(self, took_s: float) -> None:
        """Move the bound so that `LATE` of the answers are beyond it, remembering none of them."""
        self._answers += 1
        if self._answers == 1:
            self._late_s = took_s
        elif took_s > self._late_s:
            self._late_s *= 1 + _STEP * (1 - LATE)
        else:
            self._late_s *= 1 - _STEP * LATE


async def _whoever_answers(asked: set[asyncio.Task[bytes]]) -> bytes:
    """The first answer; a question that met something else leaves it to the other."""
    waiting = asked
    while True:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        answers = [task for task in done if task.exception() is None]
        if answers or not waiting:
            return (answers or [*done])[0].result()
