"""One address of the service: bound loudly, drained without a lost call."""

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from decision_service.errors import DecisionServiceError
from decision_service.office import Office
from decision_service.server.aftercare import AftercareServicer
from decision_service.server.case import CaseServicer
from decision_service.server.counter import CounterServicer
from decision_service.server.decision import DecisionServicer
from decision_service.server.edge import SERVICES, Edge
from decision_service.server.identity import Verifier
from decision_service.server.interceptor import Interceptor
from decision_service.server.load import Limits, Load
from decision_service.server.mandate import MandateServicer
from decision_service.server.matter import MatterServicer
from decision_service.server.offers import OfferServicer
from decision_service.server.prefill import PrefillServicer
from decision_service.server.retention import RetentionServicer
from decision_service.server.stop import StopServicer
from decision_service.server.trail import TrailServicer
from decision_service.v1 import (
    aftercare_pb2_grpc,
    case_pb2_grpc,
    counter_pb2_grpc,
    decision_pb2_grpc,
    mandate_pb2_grpc,
    matter_pb2_grpc,
    offer_pb2_grpc,
    prefill_pb2_grpc,
    retention_pb2_grpc,
    stop_pb2_grpc,
    trail_pb2_grpc,
)

if TYPE_CHECKING:
    from decision_service.server.web import Web

_LOOPBACK: Final = ("127.0.0.1:", "[::1]:", "localhost:")
"""Addresses that only this machine can reach; every other spelling needs a certificate."""

_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),  # a second server on the port is a mistake, not a reinforcement
    ("grpc.max_receive_message_length", 1 << 20),
    ("grpc.max_send_message_length", 4 << 20),
    ("grpc.max_metadata_size", 8 << 10),  # a token and a trace; above it a call may be refused
    ("grpc.absolute_max_metadata_size", 16 << 10),  # and above this it always is
    ("grpc.max_concurrent_streams", 256),  # a client above it waits in its own memory
    ("grpc.max_connection_idle_ms", 15 * 60_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    ("grpc.http2.max_ping_strikes", 2),  # who pings faster than that is cut off
)

_LOOK_EVERY_S: Final = 1.0
"""Between two looks at what is depended on, in seconds."""

_SERVING: Final = {
    True: health_pb2.HealthCheckResponse.SERVING,
    False: health_pb2.HealthCheckResponse.NOT_SERVING,
}

_LAST_S: Final = 3.0
"""For answers on their way out, when every call has ended, on a machine that is busy."""


class NotListeningError(DecisionServiceError):
    """The address cannot be served as it was asked for."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What the service proves itself with.

    Attributes:
        private_key: PEM.
        certificate_chain: PEM, the service's own certificate first.

    Raises:
        NotListeningError: They are no key and no certificate, or not of one another.
    """

    private_key: bytes
    certificate_chain: bytes

    def __post_init__(self) -> None:
        try:
            certificate = x509.load_pem_x509_certificates(self.certificate_chain)[0]
            key = serialization.load_pem_private_key(self.private_key, password=None)
            matches = certificate.public_key() == key.public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm):
            matches = False
        if not matches:
            raise NotListeningError(
                "the certificate and the private key are not a pair",
                zh="TLS 证书与私钥不匹配或无法读取。",
                reason="CERTIFICATE_INVALID",
                hint="Give PEM files: the chain with the service's own certificate first, its key.",
            )

    def pair(self) -> grpc.ServerCertificateConfiguration:
        """The same as gRPC takes it."""
        return grpc.ssl_server_certificate_configuration(
            [(self.private_key, self.certificate_chain)]
        )

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let whoever connects from now on be shown this."""
        with tempfile.TemporaryFile() as nameless:  # Python takes files only
            nameless.write(self.certificate_chain + b"\n" + self.private_key)
            nameless.flush()
            context.load_cert_chain(f"/dev/fd/{nameless.fileno()}")


class Server:
    """The service on one address, from ``async with`` until its block ends.

    Args:
        office: What the flows work with.
        verifier: Tells who calls.
        clock: The only clock; instants of UTC.
        city: Ends the error domain, ``decision-service.<city>``.
        address: ``host:port`` for gRPC; port 0 takes a free one.
        web_address: The same for JSON over HTTP; empty leaves that out.
        origins: See `Web`.
        renew, observe: See `Edge`.
        works: Whether each thing that the service depends on works; health tells it of each as
            ``miaopi.<name>``. What the service itself says of its own services is no part of it.
        tls: None serves plain text, which only the loopback may hear.
        drain_s: How long calls in flight may go on after the pause, in seconds.
        pause_s: How long new calls are still taken after the block has ended and health has said
            NOT_SERVING, so that load balancers hear of it first, in seconds.

    Attributes:
        port: Where it listens.
        web_port: The same for JSON over HTTP.

    Raises:
        NotListeningError: On entering, if the address cannot be served.
    """

    def __init__(
        self,
        *,
        office: Office,
        verifier: Verifier,
        clock: Callable[[], datetime],
        city: str,
        address: str,
        web_address: str = "",
        origins: Collection[str] = (),
        renew: Callable[[], Awaitable[bool]] | None = None,
        observe: Callable[[str, str, str, float], None] = lambda *_: None,
        works: Callable[[], Mapping[str, bool]] = dict,
        tls: Tls | None = None,
        limits: Limits | None = None,
        drain_s: float = 10.0,
        pause_s: float = 1.0,
    ) -> None:
        self.port = self.web_port = 0
        self._address = address
        self._web_address = web_address
        self._origins = origins
        self._tls = tls
        self._drain_s = drain_s
        self._pause_s = pause_s
        self._health = _Health()
        self._office = office
        self._verifier = verifier
        self._edge = Edge(
            verifier=verifier,
            clock=clock,
            city=city,
            limits=limits or Limits(),
            renew=renew,
            observe=observe,
            deciding=lambda: [task.get_name() for _, task in office.running.values()],
        )
        self._server: grpc.aio.Server | None = None
        self._web: Web | None = None
        self._web_context: ssl.SSLContext | None = None
        self._works = works
        self._is_stopping = False
        self._watches: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        server = grpc.aio.server(interceptors=[Interceptor(self._edge)], options=_OPTIONS)
        matters, trail = MatterServicer(self._office), TrailServicer(self._office)
        prefills, decisions = PrefillServicer(self._office), DecisionServicer(self._office)
        cases, retention = CaseServicer(self._office), RetentionServicer(self._office)
        counter, mandates = CounterServicer(self._office), MandateServicer(self._office)
        stops = StopServicer(self._office)
        aftercare, offers = AftercareServicer(self._office), OfferServicer(self._office)
        matter_pb2_grpc.add_MatterServiceServicer_to_server(matters, server)
        prefill_pb2_grpc.add_PrefillServiceServicer_to_server(prefills, server)
        decision_pb2_grpc.add_DecisionServiceServicer_to_server(decisions, server)
        case_pb2_grpc.add_CaseServiceServicer_to_server(cases, server)
        stop_pb2_grpc.add_StopServiceServicer_to_server(stops, server)
        mandate_pb2_grpc.add_MandateServiceServicer_to_server(mandates, server)
        counter_pb2_grpc.add_CounterServiceServicer_to_server(counter, server)
        trail_pb2_grpc.add_TrailServiceServicer_to_server(trail, server)
        aftercare_pb2_grpc.add_AftercareServiceServicer_to_server(aftercare, server)
        retention_pb2_grpc.add_RetentionServiceServicer_to_server(retention, server)
        offer_pb2_grpc.add_OfferServiceServicer_to_server(offers, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._address.startswith(_LOOPBACK):
            names = [service.full_name for service in SERVICES]
            reflection.enable_server_reflection(
                [*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server
            )
        self.port = self._bind(server)
        if self._web_address:
            # Whoever does without it does not load it.
            from decision_service.server.web import Web  # noqa: PLC0415

            servicers = {
                "MatterService": matters,
                "PrefillService": prefills,
                "DecisionService": decisions,
                "AftercareService": aftercare,
                "CaseService": cases,
                "MandateService": mandates,
                "StopService": stops,
                "CounterService": counter,
                "TrailService": trail,
                "RetentionService": retention,
                "OfferService": offers,
            }
            self._web = Web(self._edge, servicers, origins=self._origins)
            self.web_port = await self._listen(self._web)
        await server.start()
        for service in SERVICES:
            await self._health.set(service.full_name, health_pb2.HealthCheckResponse.SERVING)
        self._server = server
        self._watches = [
            asyncio.create_task(self._edge.load.watch()),
            asyncio.create_task(self._tell_health()),
        ]
        return self

    @property
    def is_serving(self) -> bool:
        """Whether calls should be sent here: from when it listens until it is told to stop."""
        return self._server is not None and not self._is_stopping

    @property
    def load(self) -> Load:
        """What is in flight."""
        return self._edge.load

    async def _tell_health(self) -> None:
        """Say of each thing that the service depends on whether it works, until cancelled."""
        told: dict[str, bool] = {}
        while True:
            for name, works in self._works().items():
                if told.get(name) is not works:
                    told[name] = works
                    await self._health.set(f"miaopi.{name}", _SERVING[works])
            await asyncio.sleep(_LOOK_EVERY_S)

    def believe(self, jwks: str | bytes) -> None:
        """Believe these callers' keys from now on; see `Verifier.believe`.

        Raises:
            KeysRefusedError: The key set cannot tell who calls; the old keys stay.
        """
        self._verifier.believe(jwks)

    def present(self, tls: Tls) -> None:
        """Prove the service with this to whoever connects from now on."""
        self._tls = tls
        if self._web_context is not None:
            tls.load_into(self._web_context)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say NOT_SERVING and let it be heard; refuse new calls; let those in flight end."""
        if self._server is None:
            return
        self._is_stopping = True
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._pause_s)
        until = asyncio.get_running_loop().time() + self._drain_s
        await self._edge.drain(until)
        await self._finish_decisions(until)
        self._health.end_watches()
        if self._web is not None:
            await self._web.stop(_LAST_S)
        await self._server.stop(_LAST_S)
        for watch in self._watches:
            watch.cancel()
        await asyncio.wait(self._watches)

    async def _finish_decisions(self, until: float) -> None:
        """Let the decisions end whose callers hung up: each is recorded, or was never made."""
        tasks = [task for _, task in self._office.running.values()]
        if tasks:
            left_s = max(until - asyncio.get_running_loop().time(), 0.0)
            _, late = await asyncio.wait(tasks, timeout=left_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _bind(self, server: grpc.aio.Server) -> int:
        """Take the address, in plain text only where nobody else can listen."""
        self._refuse_plain(self._address)
        try:
            tls = self._tls
            if tls is None:
                return server.add_insecure_port(self._address)

            def current() -> grpc.ServerCertificateConfiguration:
                """Asked by gRPC, from a thread of its own, at every new connection."""
                return (self._tls or tls).pair()

            credentials = grpc.dynamic_ssl_server_credentials(tls.pair(), current)
            return server.add_secure_port(self._address, credentials)
        except RuntimeError:
            raise unavailable(self._address) from None

    async def _listen(self, face: "Web") -> int:
        """The same for JSON over HTTP."""
        self._refuse_plain(self._web_address)
        if self._tls is not None:
            self._web_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._web_context.set_alpn_protocols(["http/1.1"])
            self._tls.load_into(self._web_context)
        host, _, port = self._web_address.rpartition(":")
        try:
            return await face.listen(host.strip("[]"), int(port), self._web_context)
        except OSError:
            raise unavailable(self._web_address) from None

    def _refuse_plain(self, address: str) -> None:
        """Refuse plain text where others can listen."""
        if self._tls is None and not address.startswith(_LOOPBACK):
            raise NotListeningError(
                f"`{address}` is not loopback and there is no certificate",
                zh=f"地址 {address} 对外可见，必须配置 TLS 证书。",
                reason="TLS_REQUIRED",
                hint="Give the service a certificate and its key, or listen on 127.0.0.1.",
                address=address,
            )


def unavailable(address: str) -> NotListeningError:
    """Say that an address cannot be had."""
    return NotListeningError(
        f"`{address}` cannot be listened on",
        zh=f"无法监听地址 {address}，可能已被占用；请查看占用者（`ss -ltnp`），或用 MIAOPI_PORT、"
        "MIAOPI_HTTP_PORT、MIAOPI_METRICS_PORT 另设端口。",
        reason="ADDRESS_UNAVAILABLE",
        hint="See whether another process has it (`ss -ltnp`), or choose another port by "
        "`MIAOPI_PORT`, `MIAOPI_HTTP_PORT` or `MIAOPI_METRICS_PORT`.",
        address=address,
    )


class _Health(health.aio.HealthServicer):
    """Health of each service, with watches that end when the service does."""

    def __init__(self) -> None:
        super().__init__()
        self._watches: set[asyncio.Task[None]] = set()

    async def Watch(  # noqa: N802 - the protocol's name
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.aio.ServicerContext[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ],
    ) -> None:
        """Stream every change of a service's health."""
        watch = asyncio.create_task(super().Watch(request, context))
        self._watches.add(watch)
        try:
            await asyncio.wait([watch])
            if not watch.cancelled():
                watch.result()
        finally:
            watch.cancel()
            self._watches.discard(watch)

    def end_watches(self) -> None:
        """End every open watch with OK; else draining would wait for them in vain."""
        for watch in self._watches:
            watch.cancel()
