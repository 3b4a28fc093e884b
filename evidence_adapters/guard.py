"""Around every question to a register: one deadline, few at once, a second try, one envelope.

Whatever happens on the way becomes a status. The guard alone stamps `retrieved_at`.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeAlias

import stamina

from decision_service.model import Evidence, EvidenceStatus, Query
from evidence_adapters.normalise import Reader, Reading
from evidence_adapters.register import Register

MARGIN_S = 0.02
"""Seconds kept back from every deadline: for cancelling a call and building the envelope."""

CLOCK_SKEW = timedelta(seconds=5)
"""How far a register's clock may run ahead of ours before its answer comes from the future."""

ATTEMPTS = 3
"""Of one question: the first and two more. Every question is a read, so repeating it is safe."""

AT_ONCE = 32
"""Questions under way to one register; more would wait there instead of here."""

Clock: TypeAlias = Callable[[], datetime]
"""The present instant, with its zone."""

Ask: TypeAlias = Callable[[Query, float], Awaitable[bytes]]
"""A transport: put the question before an instant of the loop's clock, return the answer's bytes.

It raises `FaultError` when it did not get that far, and keeps no state that cancelling could harm.
"""


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
    """A register behind its guard: the `EvidenceSource` that the flows ask."""

    def __init__(self, register: Register, ask: Ask, *, clock: Clock) -> None:
        self._register = register
        self._reader = Reader(register)
        self._ask = ask
        self._clock = clock
        self._places = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, query: Query, *, deadline: float) -> Evidence:
        """Put the question; see `EvidenceSource.fetch`. Raises nothing but `CancelledError`."""
        try:
            body = await self._answer(query, deadline)
        except FaultError as fault:
            return self._envelope(query, Reading(status=fault.status, detail=fault.detail))
        except Exception as error:  # noqa: BLE001 - the port's promise: a broken transport is a status
            broken = Reading(
                status=EvidenceStatus.UNAVAILABLE,
                detail=f"the transport failed with {type(error).__name__}",
            )
            return self._envelope(query, broken)
        return self._envelope(query, self._reader.read(query, body), body)

    async def _answer(self, query: Query, deadline: float) -> bytes:
        """The bytes of the answer, asked for once more where that can help."""
        self._refuse_unaskable(query)
        last = FaultError(EvidenceStatus.UNAVAILABLE, "no answer within the deadline")
        until = deadline - MARGIN_S

        def wait(error: Exception) -> bool | float:
            if not isinstance(error, FaultError) or error.again_after_s is None:
                return False
            in_time = asyncio.get_running_loop().time() + error.again_after_s < until
            return error.again_after_s or True if in_time else False

        try:
            async with asyncio.timeout_at(until):
                async for attempt in stamina.retry_context(
                    on=wait,
                    attempts=ATTEMPTS,
                    timeout=None,
                    wait_initial=0.03,
                    wait_max=0.5,
                    wait_jitter=0.03,
                ):
                    with attempt:
                        try:
                            async with self._places:
                                return await self._ask(query, until)
                        except FaultError as fault:
                            last = fault
                            raise
        except TimeoutError:
            raise last from None
        raise last

    def _refuse_unaskable(self, query: Query) -> None:
        """A question that is not this register's, or lacks its key, never leaves the house."""
        if query.evidence_type != self._register.key:
            raise FaultError(EvidenceStatus.DENIED, "not asked: the question is another register's")
        missing = sorted(key for key in self._register.keys if not query.keys.get(key))
        if missing:
            raise FaultError(
                EvidenceStatus.DENIED, f"not asked: no `{'`, `'.join(missing)}` is given"
            )

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
            digest=hashlib.sha256(body).hexdigest() if body else "",
            pending_until=reading.pending_until,
            mismatched=reading.mismatched,
            detail=reading.detail,
            values=reading.values,
        )
