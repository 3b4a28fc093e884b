"""Which registers are asked, and how: the plan, the port, and one deadline for all of them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol, TypeAlias

from decision_service.model import (
    CaseId,
    Consent,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    Matter,
    Query,
    Request,
    StatutoryDuty,
    Text,
)

RESERVED_S = 0.1
"""What a flow keeps of a caller's deadline for judging and recording, in seconds."""


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


def plan(
    request: Request,
    matter: Matter,
    *,
    case_id: CaseId,
    filing_date: date,
    new_id: Callable[[], str],
) -> tuple[Query, ...]:
    """Which questions the matter asks for the request, as far as its authority reaches.

    An evidence type that the consent leaves out is not asked; so is one whose key nobody gave.

    Args:
        new_id: Makes the id of a query; the only randomness.
    """
    match request.authority.basis:
        case Consent(evidence_types=allowed, notice_version=version):
            basis = f"consent {version}"
        case StatutoryDuty(article=article):
            allowed, basis = tuple(item.type for item in matter.evidence), article
    documents = {
        f"{party.role}.{_KEY_OF[document.kind]}": document.number
        for party in request.parties
        for document in party.documents
        if document.kind in _KEY_OF
    }
    return tuple(
        Query(
            query_id=new_id(),
            evidence_type=item.type,
            about=item.about,
            keys={key: documents[source] for key, source in item.key.items()},
            matter=matter.id,
            case_id=case_id,
            purpose=matter.purpose,
            legal_basis=basis,
            filing_date=filing_date,
        )
        for item in matter.evidence
        if item.type in allowed and all(source in documents for source in item.key.values())
    )


_KEY_OF = {"resident_id": "id_number", "organisation_code": "organisation_code"}
"""Which key of a register a document's number is."""


async def gather(
    queries: Sequence[Query], sources: Sources, *, deadline: float, now: datetime
) -> AsyncGenerator[Evidence, None]:
    """Ask every register at once and yield each answer as it comes; none is waited for longer.

    Closing it ends every question that is still open; iterate under `contextlib.aclosing`.

    Args:
        deadline: Instant of the event loop's clock at which the last answer is yielded.
        now: Stamped on the envelope of a source that broke its promise to come back in time.
    """
    tasks = [
        asyncio.ensure_future(_ask(query, sources, deadline=deadline, now=now)) for query in queries
    ]
    try:
        for task in asyncio.as_completed(tasks):
            yield await task
    finally:
        for unfinished in tasks:
            unfinished.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask(query: Query, sources: Sources, *, deadline: float, now: datetime) -> Evidence:
    """One question. A source that overstays, or is not connected, is unavailable."""

    def unavailable(detail: str) -> Evidence:
        return Evidence(
            query_id=query.query_id,
            evidence_type=query.evidence_type,
            about=query.about,
            provider=Text(zh=query.evidence_type, en=query.evidence_type),
            status=EvidenceStatus.UNAVAILABLE,
            retrieved_at=now,
            detail=detail,
        )

    source = sources.get(query.evidence_type)
    if source is None:
        return unavailable("no address is set for this register")
    try:
        async with asyncio.timeout_at(deadline):
            return await source.fetch(query, deadline=deadline)
    except TimeoutError:
        return unavailable("no answer within the deadline")
