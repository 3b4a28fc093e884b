"""A register that is away is not asked; now and then exactly one question tries whether it is back.

Times are instants of a monotonic clock, in seconds. One event loop, so nothing is locked.
"""

from collections import deque
from enum import Enum, auto

REMEMBERED = 20
"""Questions whose outcome counts."""

LEAST = 10
"""Outcomes before which nothing is concluded."""

PAUSE_S = 2.0
"""How long a register that is away is left alone at first; doubled after every trial in vain."""

LONGEST_PAUSE_S = 30.0
"""The longest pause: a register that is back is found out within half a minute."""


class Admission(Enum):
    """How a question was let through: like any other, or as the one that tries."""

    ORDINARY = auto()
    TRIAL = auto()


class Breaker:
    """Open while the register is away: when half of the last questions found nobody."""

    def __init__(self) -> None:
        self._found_nobody: deque[bool] = deque(maxlen=REMEMBERED)
        self._pause_s = PAUSE_S
        self._open_until: float | None = None
        self._trial_under_way = False

    @property
    def is_open(self) -> bool:
        """Whether the register is taken to be away."""
        return self._open_until is not None

    def admit(self, now: float) -> Admission | None:
        """Let a question through or not; whoever is let through says later how it went."""
        if self._open_until is None:
            return Admission.ORDINARY
        if self._trial_under_way or now < self._open_until:
            return None
        self._trial_under_way = True
        return Admission.TRIAL

    def settle(self, admission: Admission, *, away: bool | None, now: float) -> None:
        """Say how an admitted question went.

        Args:
            away: Whether it found nobody. None: nothing was learnt, since the caller hung up.
        """
        match admission:
            case Admission.TRIAL:
                self._trial_under_way = False
                if away is False:
                    self._found_nobody.clear()
                    self._pause_s, self._open_until = PAUSE_S, None
                elif away:
                    self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
                    self._open_until = now + self._pause_s
            case Admission.ORDINARY if away is not None and not self.is_open:
                self._found_nobody.append(away)
                seen = len(self._found_nobody)
                if seen >= LEAST and 2 * sum(self._found_nobody) >= seen:
                    self._open_until = now + self._pause_s
            case Admission.ORDINARY:
                pass
