"""How the service does: what it depends on, and whether that works. Plain facts, of nobody."""

import asyncio
from collections.abc import Callable, Collection, Mapping

from decision_service.model import Decision, EvidenceType

STORE = "store"
ENGINE = "engine"

_FAILED_S = 5.0
"""How long the store is taken to be failing after an entry could not be recorded, in seconds. Then
calls are let in again, and one of them finds out: nothing else writes."""


class Vitals:
    """What is known of the store, the engine and each register.

    Args:
        registers: Those that have an address.
        away: Which of them are taken to be away.
    """

    def __init__(
        self,
        registers: Collection[EvidenceType],
        away: Callable[[], Collection[EvidenceType]],
    ) -> None:
        self._registers = sorted(registers)
        self._away = away
        self._failed_at: float | None = None
        self._engine_agrees = True

    def appended(self, took_s: float | None) -> None:
        """An entry was recorded, or (None) could not be."""
        self._failed_at = asyncio.get_running_loop().time() if took_s is None else None

    def decided(self, decision: Decision) -> None:
        """A decision was recorded; the newest one says whether both ways of deciding agree."""
        self._engine_agrees = all(
            reason.code != "ENGINE_DISAGREES" for reason in decision.outcome.reasons
        )

    @property
    def is_ready(self) -> bool:
        """Whether a call that has to be recorded would be."""
        now = asyncio.get_running_loop().time()
        return self._failed_at is None or now - self._failed_at >= _FAILED_S

    def dependencies(self) -> Mapping[str, bool]:
        """Whether each thing that the service depends on works."""
        away = self._away()
        return {
            STORE: self.is_ready,
            ENGINE: self._engine_agrees,
            **{f"register.{key}": key not in away for key in self._registers},
        }
