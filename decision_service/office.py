"""What every flow works with: the city's catalogue, registers and record, and its calendar."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from decision_service.catalogue import Catalogue
from decision_service.evidence import Sources
from decision_service.model import Decision
from decision_service.record import Record


@dataclass(frozen=True, slots=True)
class Office:
    """One running service. Made once, in ``__main__`` or a test, and handed to every flow.

    Attributes:
        zone: The city's; its midnight divides filing days.
        alarm: Called once with every decision that was referred because the two ways of applying
            the rules did not agree, as soon as it is recorded (law 3).
        running: Decisions being made in this process, by request key, with the digest of the
            request: a twin joins instead of deciding again. Each task is named after its caller.
    """

    catalogue: Catalogue
    sources: Sources
    record: Record
    zone: ZoneInfo
    alarm: Callable[[Decision], None]
    running: dict[str, tuple[str, "asyncio.Task[Decision]"]] = field(default_factory=dict)

    def today(self, now: datetime) -> date:
        """The civil day of an instant in the city."""
        return now.astimezone(self.zone).date()
