"""Which registers are asked, and how: the plan, the port, and one deadline for all of them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from decision_service.model import Evidence, EvidenceType, Query


class EvidenceSource(Protocol):
    """One register, behind whatever protocol it speaks."""

    async def fetch(self, query: Query, *, deadline: float) -> Evidence:
        """Ask the question and come back before ``deadline`` with the answer about this person.

        It never raises for what a register can do to us: silence, refusal, nonsense and "no such
        person" all come back as an envelope with their own status. Cancelling it is safe.

        Args:
            query: The one question; its ``evidence_type`` is this register's.
            deadline: Instant of the running event loop's clock, in seconds.
        """


Sources: TypeAlias = Mapping[EvidenceType, EvidenceSource]
"""The port of every register that a published release names."""
