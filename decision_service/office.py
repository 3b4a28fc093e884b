"""What every flow works with: the city's catalogue, registers and record, and its calendar."""

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from decision_service.casebook import Casebook
from decision_service.catalogue import Catalogue
from decision_service.errors import DecisionServiceError
from decision_service.evidence import Sources
from decision_service.model import Decision, Document, Limit
from decision_service.offerbook import Offerbook
from decision_service.record import Record
from decision_service.release import Release, restore
from decision_service.retention import Terms
from decision_service.workdays import Workdays

ANSWERED_WITHIN = Limit(days=15, unit="working")
"""A poor rating, where the city has not said."""


@dataclass(frozen=True, slots=True)
class Office:
    """One running service. Made once, in ``__main__`` or a test, and handed to every flow.

    Attributes:
        zone: The city's; its midnight divides filing days.
        alarm: Called once with every decision that was referred because the two ways of applying
            the rules did not agree, as soon as it is recorded (law 3).
        decided: Called once with every decision, as soon as it is recorded.
        running: Decisions being made in this process, by request key, with the digest of the
            request: a twin joins instead of deciding again. Each task is named after its caller.
        workdays: When the counter is open.
        terms: How long what tells who is kept.
        rating_limit: In which time a poor rating is answered.
        staff_key: Shared with who issues clerks' tokens, so that a clerk can be known for an
            applicant by a tag and nobody's number is told; empty if there is none.
    """

    catalogue: Catalogue
    sources: Sources
    record: Record
    zone: ZoneInfo
    alarm: Callable[[Decision], None]
    running: dict[str, tuple[str, "asyncio.Task[Decision]"]] = field(default_factory=dict)
    decided: Callable[[Decision], None] = lambda _: None
    workdays: Workdays = field(default_factory=Workdays)
    terms: Terms = field(default_factory=Terms)
    rating_limit: Limit = ANSWERED_WITHIN
    staff_key: bytes = b""

    @property
    def casebook(self) -> Casebook:
        """What follows on cases, in the same record."""
        return Casebook(self.record)

    @property
    def offerbook(self) -> Offerbook:
        """What people were offered, in the same record."""
        return Offerbook(self.record)

    def today(self, now: datetime) -> date:
        """The civil day of an instant in the city."""
        return now.astimezone(self.zone).date()

    def midnight(self, day: date) -> datetime:
        """The instant at which a civil day begins in the city."""
        return datetime.combine(day, time(), self.zone)

    def promised_by(self, limit: Limit, filing_date: date) -> datetime:
        """Until when a person's decision is promised (承诺办结时限)."""
        return self.workdays.end_of(limit, filing_date, self.zone)

    def person_tag(self, document: Document) -> str:
        """How a clerk's token names who has this document; nothing else can be told from it."""
        said = f"{document.kind}:{document.number}"
        return hmac.digest(self.staff_key, said.encode(), "sha256").hex()

    async def release(self, digest: str) -> Release:
        """The release that a decision was made under, published still or archived.

        Raises:
            DecisionServiceError: It is neither.
        """
        if (published := self.catalogue.by_digest(digest)) is not None:
            return published
        archived = await self.record.archived(digest)
        if archived is None:
            raise DecisionServiceError(
                f"release `{digest}` is neither published nor archived",
                zh="找不到作出该决定时所用的规则版本。",
                reason="RELEASE_LOST",
                hint="Restore the store from its backup; the archive is part of it.",
            )
        return restore(archived)
