"""Around every question to a register: deadline, places, tries, breaker, cache, envelope.

Whatever happens on the way becomes a status. The guard alone stamps `retrieved_at`.
"""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from decision_service.model import Evidence, EvidenceStatus, Freshness, Query
from evidence_adapters.breaker import Breaker
from evidence_adapters.hedge import Pace
from evidence_adapters.kept import Kept
from evidence_adapters.normalise import Reader, Reading
from evidence_adapters.register import Register
from evidence_adapters.tally import (
    ASKED,
    ASKED_TWICE,
    BREAKER_OPEN,
    CACHE_HIT,
    RETRIED,
    SHED,
    Tally,
)

MARGIN_S = 0.02
"""Seconds kept back from every deadline: for cancelling a call and building the envelope."""

CLOCK_SKEW = timedelta(seconds=5)
"""How far a register's clock may run ahead of ours before its answer comes from the future."""

PAUSES_S = (0.05, 0.25)
"""The longest pauses before a second and a third try; half of each is chance, so that callers do
not come back together. Every question is a read, so repeating it is safe."""

AT_ONCE = 32
"""Questions under way to one register; more would wait there instead of here."""

THREADS = 8
"""Of one register whose transport reads in threads: what it holds up waits there, and holds up
neither another register nor whatever else the service does in threads."""

PATIENCE_S = 0.4
"""A register that leaves a shorter question unanswered is not away: the caller was in haste."""

Clock: TypeAlias = Callable[[], datetime]
"""The present instant, with its zone."""

Ask: TypeAlias = Callable[[Query, float], Awaitable[bytes]]
"""A transport: put the question before an instant of the loop's clock, return the answer's bytes.

It raises `FaultError` when it did not get that far, and keeps no state that cancelling could harm.
"""


Describe: TypeAlias = Callable[[Query], Mapping[str, object]]
"""A transport: the question as it would be sent, for an operator's eyes."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One question with all that lies between it and its evidence; personal data.

    Attributes:
        sent: The question as it was sent.
        body: The answer's bytes; none if there was none.
        around, records: What the register said, under our names; empty where it is off contract.
        evidence: What becomes of it.
    """

    sent: Mapping[str, object]
    body: bytes
    around: Mapping[str, object]
    records: Sequence[Mapping[str, object]]
    evidence: Evidence


class FaultError(Exception):
    """What a transport met in place of an answer.

    Args:
        detail: Why, for operators; never a value of the question or of the answer.
        again_after_s: Seconds after which to ask again; 0 leaves it to the guard, None is never.
    """

    def __init__(
        self, status: EvidenceStatus, detail: str, *, again_after_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.again_after_s = again_after_s


class GuardedSource:
    """A register behind its guard: the `EvidenceSource` that the flows ask.

    Args:
        tally: Where every question and every answer is counted. None: nobody wants to know.
        describe: Of the transport that asks. None: it cannot tell how it does.
    """

    def __init__(
        self,
        register: Register,
        ask: Ask,
        *,
        clock: Clock,
        tally: Tally | None = None,
        describe: Describe | None = None,
    ) -> None:
        self._register = register
        self._reader = Reader(register)
        self._ask = ask
        self._describe = describe
        self._clock = clock
        self._places = asyncio.Semaphore(AT_ONCE)
        self._pace = Pace() if register.may_repeat else None
        self._breaker = Breaker()
        self._tally = tally or Tally()
        self._counts = self._tally.of(register.key)
        keep_for = timedelta(seconds=register.keep_for_s)
        self._kept = Kept(keep_for, clock=clock) if keep_for else None

    async def fetch(self, query: Query, *, deadline: float) -> Evidence:
        """Put the question; see `EvidenceSource.fetch`. Raises nothing but `CancelledError`."""
        self._counts[ASKED] += 1
        if (why_not := self._unaskable(query)) is not None:
            evidence = self._without_answer(query, EvidenceStatus.DENIED, why_not)
        elif self._kept is None or not query.fresh_for:
            evidence = await self._put(query, deadline)
        else:
            evidence, was_kept = await self._kept.answer(
                query, lambda: self._put(query, deadline), deadline=deadline - MARGIN_S
            )
            self._counts[CACHE_HIT] += was_kept
        self._counts[evidence.status] += 1
        return evidence

    async def show(self, query: Query, *, deadline: float) -> Shown:
        """Put the question once, past cache and breaker, and tell every step."""
        body = b""
        if (why_not := self._unaskable(query)) is not None:
            evidence = self._without_answer(query, EvidenceStatus.DENIED, why_not)
            return Shown(sent={}, body=body, around={}, records=(), evidence=evidence)
        try:
            async with asyncio.timeout_at(deadline):
                body = await self._ask(query, deadline)
            evidence = self._envelope(query, self._reader.read(query, body), body)
        except FaultError as fault:
            evidence = self._without_answer(query, fault.status, fault.detail)
        except TimeoutError:
            evidence = self._without_answer(
                query, EvidenceStatus.UNAVAILABLE, "no answer within the deadline"
            )
        around, records = self._reader.normalised(body)
        sent = self._describe(query) if self._describe else {}
        return Shown(sent=sent, body=body, around=around, records=records, evidence=evidence)

    def _unaskable(self, query: Query) -> str | None:
        """Why a question that is not this register's, or lacks its key, never leaves the house."""
        if query.evidence_type != self._register.key:
            return "not asked: the question is another register's"
        missing = [key for key in self._register.keys if not query.keys.get(key)]
        return f"not asked: no `{'`, `'.join(sorted(missing))}` is given" if missing else None

    async def _put(self, query: Query, deadline: float) -> Evidence:
        """The register's answer, unless it is known to be away."""
        time, until = asyncio.get_running_loop().time, deadline - MARGIN_S
        now = time()
        if until - now < PATIENCE_S and not self._breaker.is_open:
            return await self._answer(query, until)
        admission = self._breaker.admit(now) if until - now >= PATIENCE_S else None
        if admission is None:
            self._counts[BREAKER_OPEN] += 1
            return self._without_answer(
                query, EvidenceStatus.UNAVAILABLE, "not asked: the register is away"
            )
        away = None
        try:
            evidence = await self._answer(query, until)
            away = evidence.status is EvidenceStatus.UNAVAILABLE
            return evidence
        finally:
            self._breaker.settle(admission, away=away, now=time())
            (self._tally.away.add if self._breaker.is_open else self._tally.away.discard)(
                self._register.key
            )

    async def _answer(self, query: Query, until: float) -> Evidence:
        """What the register says; what it does to us in place of that is a status as well."""
        try:
            body = await self._tries(query, until)
        except FaultError as fault:
            return self._without_answer(query, fault.status, fault.detail)
        except Exception as error:  # noqa: BLE001 - the port's promise: a broken transport is a status
            return self._without_answer(
                query,
                EvidenceStatus.UNAVAILABLE,
                f"the transport failed with {type(error).__name__}",
            )
        return self._envelope(query, self._reader.read(query, body), body)

    async def _tries(self, query: Query, until: float) -> bytes:
        """The bytes of the answer, asked for once more where that can help.

        Raises:
            FaultError: The last that was met, or that the time is over.
        """
        last = FaultError(EvidenceStatus.UNAVAILABLE, "no answer within the deadline")
        try:
            async with asyncio.timeout_at(until):
                for pause_s in PAUSES_S:
                    try:
                        return await self._try(query, until)
                    except FaultError as fault:
                        last = fault
                    await asyncio.sleep(_pause_s(last, pause_s, until))
                    self._counts[RETRIED] += 1
                return await self._try(query, until)
        except TimeoutError:
            raise last from None

    async def _try(self, query: Query, until: float) -> bytes:
        """One try; where it is late and its owner lets us, a second beside it."""
        if self._pace is None:
            return await self._placed(query, until)
        answer, twice = await self._pace.first(
            lambda: self._placed(query, until), may=lambda: not self._places.locked()
        )
        self._counts[ASKED_TWICE] += twice
        return answer

    async def _placed(self, query: Query, until: float) -> bytes:
        """Put the question, when there is a place for it."""
        try:
            await self._places.acquire()
        except asyncio.CancelledError:
            self._counts[SHED] += 1
            raise
        try:
            return await self._ask(query, until)
        finally:
            self._places.release()

    def _without_answer(self, query: Query, status: EvidenceStatus, detail: str) -> Evidence:
        return self._envelope(query, Reading(status=status, detail=detail))

    def _envelope(self, query: Query, reading: Reading, body: bytes = b"") -> Evidence:
        """The answer as it was seen, stamped with the present instant."""
        now = self._clock()
        if reading.as_of is not None and reading.as_of > now + CLOCK_SKEW:
            reading = Reading(status=EvidenceStatus.MALFORMED, detail="`as_of` lies in the future")
        return Evidence(
            query_id=query.query_id,
            evidence_type=query.evidence_type,
            about=query.about,
            provider=self._register.owner,
            status=reading.status,
            retrieved_at=now,
            as_of=reading.as_of,
            reference=reading.reference,
            transport=self._register.transport,
            freshness=Freshness.BATCH if self._register.transport == "file" else Freshness.LIVE,
            digest=hashlib.sha256(body).hexdigest() if body else "",
            pending_until=reading.pending_until,
            mismatched=reading.mismatched,
            detail=reading.detail,
            values=reading.values,
        )


def _pause_s(fault: FaultError, at_most_s: float, until: float) -> float:
    """Seconds to wait after a fault; raises it where asking again cannot help in time."""
    again_after_s = fault.again_after_s
    if again_after_s is None or asyncio.get_running_loop().time() + again_after_s >= until:
        raise fault
    return again_after_s or random.uniform(at_most_s / 2, at_most_s)  # noqa: S311 - no secret
