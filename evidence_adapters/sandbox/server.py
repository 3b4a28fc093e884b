"""The registers of the sandbox city on a real socket, one path prefix each.

Below ``/control`` they take commands: ``POST /control/misbehave`` with ``{"register", "how",
"about"?, "times"?}`` and ``POST /control/reset``, from loopback only and with the token.
"""

import asyncio
import hmac
import ipaddress
import json
import secrets as random_tokens
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from urllib.parse import unquote

from aiohttp import web

from decision_service.model import EvidenceType
from evidence_adapters import registry
from evidence_adapters.guard import Clock
from evidence_adapters.http import QUERY_ID, SIGNATURE, SIGNED_HEADERS, signature
from evidence_adapters.register import FILING_DATE, Register
from evidence_adapters.sandbox.city import City
from evidence_adapters.sandbox.dialects import DIALECTS
from evidence_adapters.sandbox.misconduct import Misconduct, Orders
from evidence_adapters.sandbox.turn import Condition, Known, Turn, look_up, look_up_another

SLOW_S: Final = 0.8
"""How long a slow register thinks, in seconds."""

_LONG: Final = timedelta(days=400)
_SOON: Final = timedelta(days=1)
_ACCESSES_KEPT: Final = 10_000
_LOGIN_PAGE: Final = "<!DOCTYPE html><title>统一身份认证</title><form action=/login></form>"
_CONDITIONS: Final[Mapping[Misconduct, Condition]] = {
    Misconduct.DISPUTED: "disputed",
    Misconduct.AMBIGUOUS: "ambiguous",
    Misconduct.MISMATCH: "mismatch",
    Misconduct.PENDING: "pending",
    Misconduct.DENIED: "denied",
    Misconduct.UNAVAILABLE: "unavailable",
}


@dataclass(frozen=True, slots=True)
class Access:
    """One line of a register's own log: who asked what, about which case, on which ground."""

    time: datetime
    register: str
    url: str
    query_id: str
    case_id: str
    matter: str
    purpose: str
    legal_basis: str


class Running:
    """The sandbox while it serves."""

    def __init__(
        self,
        city: City,
        *,
        clock: Clock,
        token: str,
        secrets: Mapping[EvidenceType, str],
        registers: Mapping[EvidenceType, Register],
    ) -> None:
        self.token = token
        self.accesses: deque[Access] = deque(maxlen=_ACCESSES_KEPT)
        self._city = city
        self._clock = clock
        self._secrets = secrets
        self._registers = registers
        self._orders = Orders()
        self._serial = 0
        self._base = ""

    def address(self, evidence_type: EvidenceType) -> str:
        """The base URL of a register, as `http.connect` takes it."""
        return f"{self._base}/{evidence_type}"

    @property
    def addresses(self) -> Mapping[EvidenceType, str]:
        """The base URL of every register of the city."""
        return {key: self.address(key) for key in self._registers}

    @property
    def control_address(self) -> str:
        """Where commands go, with the token as bearer."""
        return f"{self._base}/control"

    def misbehave(
        self,
        register: EvidenceType,
        how: Misconduct,
        *,
        about: str | None = None,
        times: int | None = None,
    ) -> None:
        """Command a register.

        Args:
            about: A key of the questions it concerns, e.g. the identity number of one person or
                the code of one firm. None: all questions.
            times: For so many questions. None: until `reset`.

        Raises:
            KeyError: There is no such register, or it has no word for that.
        """
        meant = self._registers[register]
        if how is Misconduct.MISMATCH and "MISMATCH" not in meant.statuses.values():
            raise KeyError(how)
        self._orders.add(meant.key, how, about=about, times=times)

    def reset(self) -> None:
        """Let every register behave again."""
        self._orders.clear()

    async def listen(self, host: str, port: int) -> web.AppRunner:
        """Open the socket; the caller cleans the runner up."""
        app = web.Application(client_max_size=65_536)
        app.router.add_post("/control/misbehave", self._command)
        app.router.add_post("/control/reset", self._command)
        for key, register in self._registers.items():
            app.router.add_route(
                register.request.method, f"/{key}{register.request.path}", self._answer
            )
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0][1]
        self._base = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
        return runner

    async def _command(self, request: web.Request) -> web.Response:
        """One command over the wire; `Misconduct` says what there is to command."""
        told = request.headers.get("Authorization", "")
        if not ipaddress.ip_address(request.remote or "0.0.0.0").is_loopback:  # noqa: S104 - no peer, no right
            raise web.HTTPForbidden
        if not hmac.compare_digest(told.encode(), f"Bearer {self.token}".encode()):
            raise web.HTTPUnauthorized
        if request.path.endswith("/reset"):
            self.reset()
            return web.Response(status=204)
        try:
            order = json.loads(await request.read())
            times, about = order.get("times"), order.get("about")
            self.misbehave(
                EvidenceType(order["register"]),
                Misconduct(order["how"]),
                about=None if about is None else str(about),
                times=None if times is None else int(times),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise web.HTTPBadRequest(text="a command names a register and how") from None
        return web.Response(status=204)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """One question: note it, then behave as commanded."""
        register = self._registers[EvidenceType(request.path.split("/")[1])]
        self._note(register, request)
        body = await request.read()
        if not self._is_signed(register, request, body):
            raise web.HTTPUnauthorized
        keys, day = _asked(register, request, body)
        how = self._orders.next(register.key, keys.values())
        match how:
            case Misconduct.SILENT:
                await asyncio.Event().wait()
            case Misconduct.SLOW:
                await asyncio.sleep(SLOW_S)
            case Misconduct.DOWN:
                raise web.HTTPServiceUnavailable
            case Misconduct.RESET:
                _hang_up(request)
            case Misconduct.GARBAGE:
                return web.Response(text=_LOGIN_PAGE, content_type="text/html")
            case Misconduct.WRONG:
                return self._reply(request, {"status": "ok", "result": {"id": 1}})
            case _:
                pass
        return self._reply(request, DIALECTS[register.key](self._turn(keys, day, how)))

    def _turn(self, keys: Mapping[str, str], day: date, how: Misconduct | None) -> Turn:
        """What there is to say of whom the keys name, bent as commanded."""
        about = look_up(self._city, keys)
        others: tuple[Known, ...] = ()
        condition: Condition = "disputed" if about.is_disputed else "found"
        if how is Misconduct.ANOTHER_SUBJECT:
            about, condition = look_up_another(self._city, keys), "found"
        if how is Misconduct.AMBIGUOUS:
            others = (look_up_another(self._city, keys),)
        self._serial += 1
        shift = {Misconduct.STALE: -_LONG, Misconduct.FUTURE: _SOON}
        return Turn(
            about=about,
            others=others,
            condition=condition if how is None else _CONDITIONS.get(how, condition),
            filing_date=day,
            serial=f"SB{self._serial:010d}",
            as_of=self._clock() + (shift.get(how, timedelta()) if how else timedelta()),
        )

    def _reply(self, request: web.Request, answer: Mapping[str, object]) -> web.Response:
        return web.json_response(
            answer,
            headers={QUERY_ID: request.headers.get(QUERY_ID, "")},
            dumps=lambda document: json.dumps(document, ensure_ascii=False),
        )

    def _note(self, register: Register, request: web.Request) -> None:
        told = [unquote(request.headers.get(name, "")) for name in SIGNED_HEADERS[:5]]
        query_id, case_id, matter, purpose, legal_basis = told
        self.accesses.append(
            Access(
                time=self._clock(),
                register=register.key,
                url=str(request.url),
                query_id=query_id,
                case_id=case_id,
                matter=matter,
                purpose=purpose,
                legal_basis=legal_basis,
            )
        )

    def _is_signed(self, register: Register, request: web.Request, body: bytes) -> bool:
        """Whether the question is the caller's own; a register without a key asks for none."""
        secret = self._secrets.get(register.key)
        if secret is None:
            return True
        names = (*SIGNED_HEADERS, *register.request.headers)
        right = signature(
            secret,
            method=request.method,
            path=register.request.path,
            headers={name: request.headers.get(name, "") for name in names},
            body=body,
        )
        return hmac.compare_digest(right, request.headers.get(SIGNATURE, ""))


@asynccontextmanager
async def serve(
    city: City,
    *,
    clock: Clock,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    secrets: Mapping[EvidenceType, str] | None = None,
    registers: Mapping[EvidenceType, Register] | None = None,
) -> AsyncIterator[Running]:
    """Serve the city's registers until the context ends.

    Args:
        clock: What the registers vouch for is as of its instant.
        port: 0 takes a free one; `Running.address` tells it.
        token: Of the control endpoint. None: a new random one.
        secrets: Key by register; a register that has one refuses questions without a signature.
        registers: Those to serve, as `registry.load` read them. None: read here.
    """
    running = Running(
        city,
        clock=clock,
        token=token or random_tokens.token_urlsafe(24),
        secrets=secrets or {},
        registers=registers or registry.load(),
    )
    runner = await running.listen(host, port)
    try:
        yield running
    finally:
        await runner.cleanup()


def _asked(register: Register, request: web.Request, body: bytes) -> tuple[Mapping[str, str], date]:
    """The keys and the day of a question; a register answers 400 to anything else."""
    try:
        document = json.loads(body) if body else {}
        said = {key: document[name] for name, key in register.request.body.items()}
        said |= {
            key: unquote(request.headers[name]) for name, key in register.request.headers.items()
        }
        day = date.fromisoformat(said.get(FILING_DATE, "9999-12-31"))
        return {key: str(said[key]).upper() for key in register.keys}, day
    except (ValueError, KeyError, TypeError):
        raise web.HTTPBadRequest from None


def _hang_up(request: web.Request) -> None:
    """Cut the connection in the middle of the question."""
    if request.transport is not None:
        request.transport.abort()
