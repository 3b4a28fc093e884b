"""Around every call: who it is, how long it may take, one status for every error, one log line."""

import asyncio
import math
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn
from uuid import UUID, uuid4

import structlog
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

from decision_service.errors import NotAuthorizedError
from decision_service.server.call import Call, current
from decision_service.server.identity import (
    ROLES,
    Caller,
    NotAuthenticatedError,
    UnknownKeyError,
    Verifier,
)
from decision_service.server.load import Limits, Load, TooManyCallsError
from decision_service.server.status import OverdueError, StoppingError, to_status
from decision_service.v1 import (
    aftercare_pb2,
    case_pb2,
    counter_pb2,
    decision_pb2,
    mandate_pb2,
    matter_pb2,
    offer_pb2,
    prefill_pb2,
    retention_pb2,
    roles_pb2,
    stop_pb2,
    trail_pb2,
)

log = structlog.get_logger()

SERVICES: Final = tuple(
    service
    for module in (
        matter_pb2,
        prefill_pb2,
        decision_pb2,
        case_pb2,
        mandate_pb2,
        counter_pb2,
        aftercare_pb2,
        stop_pb2,
        trail_pb2,
        retention_pb2,
        offer_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
)
"""Every service of the contract."""


def allowed_roles() -> dict[str, frozenset[str]]:
    """Who may call each method, as the contract declares it; by ``/package.Service/Method``."""
    names = {value: name for name, value in ROLES.items()}
    return {
        f"/{service.full_name}/{method.name}": frozenset(
            names[role] for role in method.GetOptions().Extensions[roles_pb2.allowed_roles]
        )
        for service in SERVICES
        for method in service.methods
    }


LAST_WORDS_S: Final = 1.0
"""For telling a caller that its call was broken off."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call as it comes in, by whatever protocol.

    Attributes:
        method: ``/package.Service/Method``.
        authorization: Every entry of that name that the call came with.
        remaining_s: Tells the seconds until the caller's deadline; infinite where there is none.
        refuse: Tells the caller how the call ended, if not well, and leaves by raising.
    """

    method: str
    authorization: Sequence[str]
    remaining_s: Callable[[], float]
    refuse: Callable[[Status], Awaitable[NoReturn]]


@dataclass(slots=True, eq=False)
class _Line:
    """What the log will say of a call, and until when it may go on."""

    code: str = "OK"
    reason: str = ""
    caller: str = ""
    role: str = ""
    until: asyncio.Timeout | None = None


class Edge:
    """The one chain of checks, whatever protocol a call comes by.

    Args:
        clock: Read once a call, and by nothing else in the service.
        city: Ends the error domain, ``decision-service.<city>``.
        renew: Looks for a key that a token names and nobody knows; whether to try the token again.
        deciding: See `Load`.
        observe: Told of every call that ended: its method, code, role and how many seconds it took.
    """

    def __init__(
        self,
        *,
        verifier: Verifier,
        clock: Callable[[], datetime],
        city: str,
        limits: Limits,
        renew: Callable[[], Awaitable[bool]] | None = None,
        deciding: Callable[[], Sequence[str]] = tuple,
        observe: Callable[[str, str, str, float], None] = lambda *_: None,
    ) -> None:
        self.load = Load(limits, deciding=deciding)
        self._verifier = verifier
        self._renew = renew
        self._observe = observe
        self._clock = clock
        self._city = city
        self._longest_s = limits.longest_call_s
        self._allowed = allowed_roles()
        self._open: set[_Line] = set()
        self._idle = asyncio.Event()
        self._stop_at = math.inf

    async def drain(self, until: float) -> None:
        """Refuse every new call, and wait until those in flight have ended, but not for ever.

        Args:
            until: Instant of the event loop's clock by which they end, to be repeated elsewhere.
        """
        self._stop_at = until
        for line in self._open:
            if line.until is not None and not line.until.expired():
                line.until.reschedule(min(until, line.until.when() or until))
        if self._open:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until + LAST_WORDS_S):
                    await self._idle.wait()

    @asynccontextmanager
    async def handled(self, arrival: Arrival) -> AsyncIterator[None]:
        """One call: every way it can end becomes one status and one line.

        Whoever is refused is refused before the block runs, so the request is read inside it.
        """
        started = time.monotonic()
        line = _Line()
        if self._stop_at == math.inf:  # nobody waits for the end of what is refused anyhow
            self._open.add(line)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=str(uuid4()))
        refused = False
        try:
            async with self._admitted(arrival, line):
                yield
        except Exception as error:  # noqa: BLE001 - the only one: what escaped becomes a status
            request_id = structlog.contextvars.get_contextvars()["request_id"]
            status = to_status(error, city=self._city, request_id=request_id)
            line.code, line.reason = Code.Name(status.code), _reason(error)
            if refused := isinstance(error, TooManyCallsError):
                self.load.count(error)
            if status.code == Code.INTERNAL:
                # Not `exception`: the message of the error could quote an applicant.
                log.error(  # noqa: TRY400
                    "request.crashed", method=arrival.method, trace=_trace(error)
                )
            await arrival.refuse(status)
        except asyncio.CancelledError:
            line.code = "CANCELLED" if arrival.remaining_s() > 0 else "DEADLINE_EXCEEDED"
            raise
        finally:
            self._close(line)
            took_s = time.monotonic() - started
            self._observe(arrival.method, line.code, line.role, took_s)
            if not refused:
                log.info(
                    "request.handled",
                    method=arrival.method,
                    code=line.code,
                    reason=line.reason,
                    duration_ms=round(1000 * took_s),
                    caller=line.caller,
                    role=line.role,
                )

    def _close(self, line: _Line) -> None:
        """The call has ended, whichever way."""
        self._open.discard(line)
        if not self._open and self._stop_at < math.inf:
            self._idle.set()

    @asynccontextmanager
    async def _admitted(self, arrival: Arrival, line: _Line) -> AsyncIterator[None]:
        """Let the call in under its caller's name, and end it at its deadline."""
        if self._stop_at < math.inf:
            raise StoppingError
        self.load.refuse_if_full()
        now = self._clock()
        caller = await self._caller(_token(arrival.authorization), now)
        line.caller, line.role = caller.subject, caller.role
        self._refuse_role(arrival.method, caller)
        with self.load.place(caller.subject):
            deadline = asyncio.get_running_loop().time() + min(
                arrival.remaining_s(), self._longest_s
            )
            current.set(Call(caller=caller, now=now, deadline=deadline))
            async with self._ended_in_time(deadline, line):
                yield

    async def _caller(self, token: str, now: datetime) -> Caller:
        try:
            return self._verifier.verify(token, now=now)
        except UnknownKeyError:
            if self._renew is None or not await self._renew():
                raise
            return self._verifier.verify(token, now=now)

    @asynccontextmanager
    async def _ended_in_time(self, deadline: float, line: _Line) -> AsyncIterator[None]:
        """End the call at its deadline, or when the service stops, whichever comes first."""
        line.until = limit = asyncio.timeout_at(deadline)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            if self._stop_at < deadline:
                raise StoppingError from None
            raise OverdueError(self._longest_s) from None
        finally:
            line.until = None

    def _refuse_role(self, method: str, caller: Caller) -> None:
        """Deny by default: a method that names no role can be called by nobody."""
        allowed = self._allowed.get(method, frozenset())
        if caller.role not in allowed:
            raise NotAuthorizedError(
                f"role `{caller.role}` may not call `{method}`",
                zh=f"当前身份（{caller.role}）无权进行此操作，请由有权限的账号办理。",
                reason="ROLE_NOT_ALLOWED",
                hint=f"It is for: {', '.join(sorted(allowed)) or 'nobody'}.",
                method=method,
                role=caller.role,
            )


def _token(found: Sequence[str]) -> str:
    """The one bearer token of the call (RFC 6750)."""
    scheme, _, token = found[0].partition(" ") if len(found) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticatedError(
            "the call does not have one bearer token",
            zh="请求未携带访问令牌，或令牌不止一个；请在 authorization 中提供一个 Bearer 令牌。",
            reason="TOKEN_MISSING",
            hint="Send one metadata entry `authorization: Bearer <token>`.",
        )
    return token


def name_request(request: Message) -> None:
    """Log the call under the request's own id from now on, if that is a UUID: never free text."""
    with suppress(ValueError):
        own = str(UUID(getattr(request, "request_id", "")))
        structlog.contextvars.bind_contextvars(request_id=own)


def _reason(error: Exception) -> str:
    """The reason of an error as the log has it, also where the caller is not told."""
    return getattr(error, "reason", type(error).__name__)


def _trace(error: BaseException) -> list[str]:
    """Where it happened, without the message: that could quote an applicant."""
    found: list[str] = []
    link: BaseException | None = error
    while link is not None:
        found.append(type(link).__qualname__)
        found += [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(link.__traceback__)
        ]
        link = link.__cause__ or link.__context__
    return found
