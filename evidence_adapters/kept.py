"""Answers that may be given again: kept no longer than their owner and the question allow.

The key is the whole question: whom or what it is about, matter, purpose, legal basis, filing day.
Twins under way share one answer, and no caller who hangs up takes it from the others.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeAlias

from decision_service.model import Evidence, EvidenceStatus, Freshness, Query

MOST: Final = 4_096
"""Answers of one register that are kept; the oldest goes first."""

_VOUCHING: Final = {EvidenceStatus.MATCH, EvidenceStatus.NO_RECORD_AUTHORITATIVE}

_Key: TypeAlias = tuple[tuple[tuple[str, str], ...], str, str, str, date]


@dataclass(slots=True)
class _Flight:
    """A question under way, and how many wait for its answer."""

    task: asyncio.Task[Evidence]
    waiting: int = 0


class Kept:
    """The answers of one register.

    Args:
        keep_for: How long its owner lets an answer be kept.
        clock: The present instant; an answer's age is counted from the instant it vouches for.
    """

    def __init__(self, keep_for: timedelta, *, clock: Callable[[], datetime]) -> None:
        self._keep_for = keep_for
        self._clock = clock
        self._answers: OrderedDict[_Key, Evidence] = OrderedDict()
        self._flights: dict[_Key, _Flight] = {}

    def __len__(self) -> int:
        return len(self._answers)

    async def answer(
        self, query: Query, put: Callable[[], Coroutine[Any, Any, Evidence]], *, deadline: float
    ) -> tuple[Evidence, bool]:
        """A kept answer, a twin's, or the question's own; and whether it was given before.

        Args:
            put: Puts the question; comes back before its deadline and never raises.
            deadline: Instant of the loop's clock until which a twin's answer is waited for.
        """
        self._forget_old()
        key = _key(query)
        if (kept := self._find(key, query)) is not None:
            return kept, True
        flight = self._flights.get(key)
        if flight is None:
            flight = self._start(key, put)
            await self._wait(flight, until=None)
            return flight.task.result(), False
        await self._wait(flight, until=deadline)
        if (kept := self._find(key, query)) is not None:
            return kept, True
        return await put(), False

    def _find(self, key: _Key, query: Query) -> Evidence | None:
        """The kept answer as an answer to this question, unless it is too old for it."""
        kept = self._answers.get(key)
        if kept is None or kept.as_of is None:
            return None
        if self._clock() - kept.as_of > query.fresh_for:
            return None
        return kept.model_copy(
            update={
                "query_id": query.query_id,
                "about": query.about,
                "freshness": Freshness.CACHE,
                "detail": f"kept answer to question {kept.query_id}",
            }
        )

    def _start(self, key: _Key, put: Callable[[], Coroutine[Any, Any, Evidence]]) -> _Flight:
        flight = self._flights[key] = _Flight(asyncio.create_task(put()))

        def landed(task: asyncio.Task[Evidence]) -> None:
            del self._flights[key]
            if not task.cancelled():
                self._keep(key, task.result())

        flight.task.add_done_callback(landed)
        return flight

    async def _wait(self, flight: _Flight, *, until: float | None) -> None:
        """Wait for the answer; the last to give up ends the question."""
        left_s = None if until is None else max(until - asyncio.get_running_loop().time(), 0)
        flight.waiting += 1
        try:
            await asyncio.wait({flight.task}, timeout=left_s)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()

    def _keep(self, key: _Key, evidence: Evidence) -> None:
        """Keep what vouches, as the newest."""
        if evidence.status not in _VOUCHING:
            return
        self._answers.pop(key, None)
        self._answers[key] = evidence
        if len(self._answers) > MOST:
            self._answers.popitem(last=False)

    def _forget_old(self) -> None:
        """Let go of what nobody may use any more; the oldest stand first."""
        oldest = self._clock() - self._keep_for
        while self._answers and next(iter(self._answers.values())).retrieved_at < oldest:
            self._answers.popitem(last=False)


def _key(query: Query) -> _Key:
    """The whole question but for its id and its case."""
    keys = tuple(sorted(query.keys.items()))
    return keys, query.matter, query.purpose, query.legal_basis, query.filing_date
