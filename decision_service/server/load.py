"""How much at once: places that callers share fairly, a rate for each, a brake when time runs late.

A refusal costs no signature, no parsing and no log line: refusals are counted, and told to the log
once a second.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from decision_service.errors import OverloadedError

log = structlog.get_logger()

_BEAT_S: Final = 0.1
_BEATS: Final = 3
"""Beats in a row that come late before calls are refused: one hiccup is no queue (CoDel, RFC 8289,
looks at the smallest delay of an interval for the same reason)."""

_TELL_EVERY: Final = 10
"""Beats from one line about refusals to the next."""

_CALLERS: Final = 4096
"""Callers whose rate is remembered, before those who have been quiet are forgotten."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call, one caller, and all of them together may take.

    Attributes:
        longest_call_s: Deadline of a call that has none, and of one that has a longer one, in
            seconds. Ten times the answer in three seconds that is promised.
        calls_in_flight: Places for calls. No caller may hold more places than are free (dynamic
            thresholds, Choudhury and Hahne 1998): one alone gets half of them, two a third each,
            and the last place goes to a caller who holds none.
        calls_per_s: Calls a second of one caller, in the long run.
        burst: Calls of one caller that may come at once, after a while of quiet.
        longest_lag_s: How late the event loop may run, in seconds, before new calls are refused.
    """

    longest_call_s: float = 30.0
    calls_in_flight: int = 512
    calls_per_s: float = 500.0
    burst: int = 1_000
    longest_lag_s: float = 0.5


class TooManyCallsError(OverloadedError):
    """The call was not begun.

    Args:
        whose: Whose limit it was: the caller's name, or empty for the service's own.
        retry_after_s: When the call may find room, in seconds.
    """

    def __init__(
        self, message: str, *, zh: str, reason: str, whose: str = "", retry_after_s: float = 1.0
    ) -> None:
        super().__init__(
            message,
            zh=zh,
            reason=reason,
            hint="Wait as long as `retry_delay` says and repeat the call unchanged.",
        )
        self.whose = whose
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class _Share:
    """What one caller has taken.

    Attributes:
        calls: In flight.
        paid_until: Instant of the loop's clock at which its calls so far are worked off at
            ``calls_per_s`` (the virtual scheduling of the generic cell rate algorithm).
    """

    calls: int = 0
    paid_until: float = 0.0


class Load:
    """Counts what is in flight, and says no in time.

    Args:
        deciding: The caller of each decision that is being made. One whose caller hung up takes
            its place until it is recorded, so a store that stands still fills the places, not
            the memory, and whoever hangs up to call again takes from its own share.
    """

    def __init__(self, limits: Limits, *, deciding: Callable[[], Sequence[str]] = tuple) -> None:
        self._limits = limits
        self._deciding = deciding
        self._calls = 0
        self._shares: dict[str, _Share] = {}
        self._late: deque[float] = deque(maxlen=_BEATS)
        self._refused: Counter[tuple[str, str]] = Counter()

    @property
    def calls(self) -> int:
        """How many calls hold a place."""
        return self._calls

    @property
    def lag_s(self) -> float:
        """How late the event loop ran at best, in the last beats, in seconds."""
        return max(min(self._late, default=0.0), 0.0)

    def refuse_if_full(self) -> None:
        """Refuse a call of which nothing is known yet.

        Raises:
            TooManyCallsError: Every place is taken, or the event loop is behind.
        """
        if self._free() <= 0:
            raise TooManyCallsError(
                "the service has more calls than it can take",
                zh="系统繁忙，请稍后重试。",
                reason="TOO_MANY_CALLS",
            )
        if len(self._late) == _BEATS and min(self._late) > self._limits.longest_lag_s:
            raise TooManyCallsError(
                "the service is behind with its calls",
                zh="系统繁忙，请稍后重试。",
                reason="SERVICE_BEHIND",
            )

    @contextmanager
    def place(self, caller: str) -> Iterator[None]:
        """Hold one of the caller's places for as long as the block runs.

        Raises:
            TooManyCallsError: The caller holds as many as are free, or calls too fast.
        """
        share = self._share(caller)
        if max(share.calls, self._deciding().count(caller)) >= self._free():
            raise TooManyCallsError(
                "this caller has as many calls in flight as it may",
                zh="您的并发请求过多，请稍后重试。",
                reason="CALLER_TOO_MANY_CALLS",
                whose=caller,
            )
        self._pay(share, caller)
        share.calls += 1
        self._calls += 1
        try:
            yield
        finally:
            share.calls -= 1
            self._calls -= 1

    def count(self, refusal: TooManyCallsError) -> None:
        """Count a refusal; `watch` tells the log."""
        self._refused[refusal.reason, refusal.whose] += 1

    async def watch(self) -> None:
        """Feel how late the event loop runs, and tell the log what was refused, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            for _ in range(_TELL_EVERY):
                due = loop.time() + _BEAT_S
                await asyncio.sleep(_BEAT_S)
                self._late.append(loop.time() - due)
            self._tell()

    def _free(self) -> int:
        return self._limits.calls_in_flight - max(self._calls, len(self._deciding()))

    def _share(self, caller: str) -> _Share:
        if caller not in self._shares and len(self._shares) >= _CALLERS:
            now = asyncio.get_running_loop().time()
            self._shares = {
                name: share
                for name, share in self._shares.items()
                if share.calls or share.paid_until > now
            }
        return self._shares.setdefault(caller, _Share())

    def _pay(self, share: _Share, caller: str) -> None:
        """One call more, if the caller has not used up its burst."""
        now, each_s = asyncio.get_running_loop().time(), 1 / self._limits.calls_per_s
        paid_until = max(share.paid_until, now) + each_s
        too_early_s = paid_until - now - self._limits.burst * each_s
        if too_early_s > each_s / 1_000:  # what rounding leaves of nothing
            raise TooManyCallsError(
                "this caller calls more often than it may",
                zh="您的请求过于频繁，请稍后重试。",
                reason="CALLER_TOO_FAST",
                whose=caller,
                retry_after_s=too_early_s,
            )
        share.paid_until = paid_until

    def _tell(self) -> None:
        for (reason, caller), calls in self._refused.items():
            log.warning("calls.refused", reason=reason, caller=caller, calls=calls)
        self._refused.clear()
