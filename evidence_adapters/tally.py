"""How often each register was asked and what became of it: counts alone, nothing of anybody."""

from collections import Counter
from collections.abc import Mapping

from decision_service.model import EvidenceType

ASKED = "asked"
"""Questions that reached the guard; each is then counted once by the status of its answer."""

RETRIED = "retried"
"""Second and third tries of a question."""

ASKED_TWICE = "asked_twice"
"""Questions of which the answer was late, so that they were put again beside it."""

SHED = "shed"
"""Questions that found no place before their deadline."""

BREAKER_OPEN = "breaker_open"
"""Questions that were not put because the register is away."""

CACHE_HIT = "cache_hit"
"""Questions answered by what was kept, or by the answer to a twin under way."""

RENEWED = "credentials_renewed"
"""Times that what the register is shown was replaced while the service runs."""

NOT_RENEWED = "credentials_refused"
"""Times that it could not be, so that what was shown before still is."""


class Tally:
    """The counts of all registers since they were last taken.

    Attributes:
        away: Registers that are taken to be away, until one question finds them back.
    """

    def __init__(self) -> None:
        self.away: set[EvidenceType] = set()
        self._counts: dict[EvidenceType, Counter[str]] = {}
        self._taken: dict[EvidenceType, Counter[str]] = {}

    def of(self, register: EvidenceType) -> Counter[str]:
        """Where the register's guard counts; the words above, and evidence statuses."""
        return self._counts.setdefault(register, Counter())

    def take(self) -> Mapping[EvidenceType, Mapping[str, int]]:
        """What was counted since the last time, of registers that were asked; begins anew."""
        taken = {key: dict(counts) for key, counts in sorted(self._counts.items()) if counts}
        for key, counts in self._counts.items():
            self._taken[key] = self._taken.get(key, Counter()) + counts
            counts.clear()
        return taken

    def totals(self) -> Mapping[EvidenceType, Mapping[str, int]]:
        """What was counted since the beginning, whatever was taken meanwhile."""
        return {
            key: self._taken.get(key, Counter()) + counts
            for key, counts in sorted(self._counts.items())
        }
