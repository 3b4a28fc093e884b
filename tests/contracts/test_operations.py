"""What whoever runs the service can see: alive, ready, each thing it depends on, and numbers."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from audit.log.connections import Connection
from decision_service import vitals
from decision_service.model import EvidenceType
from decision_service.office import Office
from decision_service.server import public_jwks
from decision_service.service import service as compose
from decision_service.settings import Settings
from evidence_adapters import registry
from evidence_adapters.sandbox import City, Misconduct, Person, Running
from evidence_adapters.tally import Tally
from tests import service
from tests.messages import CANARY
from tests.service import DECIDE, GET, LIST, PREFILL, PRIVATE, GrpcWire

ROOT = Path(__file__).parent.parent.parent
DEATHS = "death_register"


@dataclass
class Watched:
    """A composed service, a caller, and whoever watches it."""

    wire: GrpcWire
    office: Office
    health: health_pb2_grpc.HealthStub
    session: aiohttp.ClientSession
    port: int

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(f"http://127.0.0.1:{self.port}{path}") as response:
            return response.status, await response.text()

    async def numbers(self) -> Mapping[str, float]:
        """Every sample by its name and labels, e.g. ``miaopi_decisions_total{…}``."""
        _, text = await self.get("/metrics")
        return {
            f"{one.name}{sorted(one.labels.values())}": one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }

    async def is_up(self, name: str) -> bool:
        asked = health_pb2.HealthCheckRequest(service=name)
        told = (await self.health.Check(asked)).status
        return bool(told == health_pb2.HealthCheckResponse.SERVING)


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def watched(running: Running, store: Path, **settings: Any) -> AsyncIterator[Watched]:
    store.mkdir()  # noqa: ASYNC240 - once, before anything runs
    told = Settings(
        city=ROOT, store=store, port=0, issuer="city", metrics_port=0,
        **{"pause_s": 0.0, "calls_per_s": 1e6, "calls_burst": 10**6, **settings},
    )  # fmt: skip
    composed = compose(
        told, registers=registry.load(), addresses=running.addresses, jwks=public_jwks(PRIVATE)
    )
    with capture_logs() as logs:
        server, office = await composed.__aenter__()
    (line,) = [line for line in logs if line["event"] == "metrics.served"]
    try:
        async with (
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
            aiohttp.ClientSession() as session,
        ):
            wire = GrpcWire(channel, now, server.port)
            health: Any = health_pb2_grpc.HealthStub(channel)
            yield Watched(wire, office, health, session, line["port"])
    finally:
        await composed.__aexit__(None, None, None)


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """Also the registers': a composed service has the real one."""
    return now


@pytest.fixture
def person(people: City) -> Person:
    return people.cast(now().date())["aged_75"]


async def until(done: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not await done():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.02)


async def test_calls_decisions_and_registers_are_counted_and_nobody_is_named(
    running: Running, person: Person, tmp_path: Path
) -> None:
    async with watched(running, tmp_path / "store") as it:
        asked = service.message(DECIDE, service.application(person, now()))
        for _ in range(2):
            assert (await it.wire.call(DECIDE, asked)).code == "OK"
        prefill = service.message(PREFILL, service.request_to_prefill(person, now()))
        assert (await it.wire.call(PREFILL, prefill)).code == "OK"
        assert (await it.wire.call(GET, service.message(GET, {"matter": CANARY}))).code != "OK"
        assert (await it.wire.call(LIST, b"", role="root")).code == "UNAUTHENTICATED"
        assert (await it.wire.call(f"/{CANARY}", b"")).code == "UNIMPLEMENTED"
        entries = it.office.record._trail.size()
        numbers = await it.numbers()
        _, text = await it.get("/metrics")

    def number(name: str, *labels: str) -> float | None:
        return numbers.get(f"{name}{sorted(labels)}")

    assert number("miaopi_calls_total", "DecisionService/Decide", "OK", "portal") == 2
    assert (
        number("miaopi_calls_total", "MatterService/GetMatter", "INVALID_ARGUMENT", "portal") == 1
    )
    assert number("miaopi_calls_total", "MatterService/ListMatters", "UNAUTHENTICATED", "") == 1
    assert number("miaopi_call_seconds_count", "PrefillService/Prefill") == 1
    matter = "old_age_allowance"
    assert number("miaopi_decisions_total", matter, f"{matter}@2019-10-01", "approved") == 1, text
    assert number("miaopi_evidence_total", "population_register", "MATCH") == 2
    assert number("miaopi_register_events_total", DEATHS, "asked") == 2
    assert number("miaopi_append_seconds_count") == entries
    assert number("miaopi_log_entries") == entries
    assert number("miaopi_not_recorded_total") == 0
    assert number("miaopi_waiting_cases") == 0
    assert number("miaopi_calls_in_flight") == 0
    for name in ("store", "engine", f"register.{DEATHS}"):
        assert number("miaopi_dependency_up", name) == 1
    for word in (CANARY, "张三", person.id_number, "13800000000", "portal-test", asked.request_id):  # type: ignore[attr-defined]
        assert word not in text


def test_counts_go_on_when_the_log_has_been_told() -> None:
    tally, register = Tally(), EvidenceType(DEATHS)
    tally.of(register)["asked"] += 2
    tally.take()
    tally.of(register)["asked"] += 1

    assert tally.totals() == {register: {"asked": 3}}
    assert tally.take() == {register: {"asked": 1}}
    assert tally.totals() == {register: {"asked": 3}}


async def test_a_register_that_is_away_is_told_and_the_service_goes_on(
    running: Running, person: Person, tmp_path: Path
) -> None:
    async with watched(running, tmp_path / "store") as it:
        name = f"miaopi.register.{DEATHS}"
        await until(lambda: it.is_up(name))
        running.misbehave(EvidenceType(DEATHS), Misconduct.DOWN)
        for _ in range(12):
            asked = service.message(PREFILL, service.request_to_prefill(person, now()))
            assert (await it.wire.call(PREFILL, asked)).code == "OK"

        async def is_told() -> bool:
            return not await it.is_up(name)

        await until(is_told)
        assert (await it.numbers())[f"miaopi_dependency_up['register.{DEATHS}']"] == 0
        status, text = await it.get("/readyz")
        assert status == 200
        assert f"register.{DEATHS}: no" in text
        for other in ("", "decision_service.v1.PrefillService", "miaopi.store", "miaopi.engine"):
            assert await it.is_up(other), other


async def test_a_store_that_cannot_write_makes_the_service_unready_but_not_dead(
    running: Running, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vitals, "_FAILED_S", 3.0)
    async with watched(running, tmp_path / "store") as it:
        assert (await it.get("/readyz"))[0] == 200
        log = it.office.record._trail._log

        def full(connection: Connection) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        await log.write(full)
        for _ in range(60):
            asked = service.message(DECIDE, service.application(person, now()))
            if (await it.wire.call(DECIDE, asked)).reason == "NOT_RECORDED":
                break

        status, text = await it.get("/readyz")
        assert (status, "store: no" in text) == (503, True)
        assert (await it.get("/livez"))[0] == 200
        assert (await it.numbers())["miaopi_not_recorded_total[]"] >= 1
        assert await it.is_up("")

        async def is_ready() -> bool:
            return (await it.get("/readyz"))[0] == 200

        await until(is_ready)  # so that a call can find out whether it works again


async def test_a_service_that_is_being_stopped_is_alive_and_not_ready(
    running: Running, tmp_path: Path
) -> None:
    async def look(it: Watched) -> list[int]:
        await asyncio.sleep(0.4)
        return [(await it.get(path))[0] for path in ("/livez", "/readyz", "/metrics")]

    async with aiohttp.ClientSession() as session:
        async with watched(running, tmp_path / "store", pause_s=1.5) as it:
            looking = asyncio.create_task(look(replace(it, session=session)))
        assert await looking == [200, 503, 200]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/metrics/", 404), ("POST", "/metrics", 405), ("PUT", "/x", 405)],
)
async def test_there_is_nothing_else(
    method: str, path: str, status: int, running: Running, tmp_path: Path
) -> None:
    async with (
        watched(running, tmp_path / "store") as it,
        it.session.request(method, f"http://127.0.0.1:{it.port}{path}") as response,
    ):
        assert response.status == status


def test_whoever_does_without_numbers_does_not_load_their_library() -> None:
    script = (
        "import sys, decision_service.service as _;"
        "print([name for name in ('prometheus_client', 'decision_service.server.web')"
        " if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert ran.stdout == "[]\n"
