"""SIGTERM to the real process under load: every call is answered or told to come again."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from audit.trail import Trail
from audit.verify import verify_store
from decision_service.model import EvidenceType
from decision_service.server import new_private_key, public_jwks
from decision_service.v1.decision_pb2 import DecideResponse
from evidence_adapters.sandbox import City, Misconduct, Running, serve
from tests.process import ROOT, Process
from tests.service import Answer, GrpcWire, Wire, application, message, request_to_prefill, settings

DECIDE = "/decision_service.v1.DecisionService/Decide"
PREFILL = "/decision_service.v1.PrefillService/Prefill"
LIST = "/decision_service.v1.MatterService/ListMatters"
PORTALS = 16


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def running(people: City) -> AsyncIterator[Running]:
    async with serve(people, clock=now) as running:
        yield running


@pytest.fixture
def environment(running: Running, tmp_path: Path) -> dict[str, str]:
    return {**os.environ, **settings(running, tmp_path), "MIAOPI_PAUSE_S": "0.3"}


@asynccontextmanager
async def miaopi(environment: dict[str, str], log: Path) -> AsyncIterator[tuple[Wire, Any]]:
    """`miaopi serve`, told to stop when the block ends; callers may stay on the line."""
    with log.open("wb") as lines:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "decision_service", "serve"),
            cwd=ROOT,
            env=environment,
            stderr=lines,
        )
    try:
        port = await Process(process.pid, log).port()
        yield GrpcWire(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), now, port), process
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.slow
async def test_a_service_told_to_stop_under_load_loses_no_call(
    environment: dict[str, str], people: City, running: Running, tmp_path: Path
) -> None:
    cast = people.cast(now().date())
    running.misbehave(EvidenceType("population_register"), Misconduct.SLOW, times=3)
    answers: list[tuple[Any, Answer]] = []

    async def portal(wire: Wire) -> None:
        while not answers or answers[-1][1].code == "OK":
            request = message(DECIDE, application(cast["aged_75"], now()))
            answers.append((request, await wire.call(DECIDE, request, timeout_s=20)))

    async with miaopi(environment, tmp_path / "first.log") as (wire, _):
        health = health_pb2_grpc.HealthStub(wire._channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        watched = [(await watch.read()).status]
        shown = request_to_prefill(cast["aged_75"], now())
        prefilling = asyncio.create_task(wire.call(PREFILL, message(PREFILL, shown)))
        calling = [asyncio.create_task(portal(wire)) for _ in range(PORTALS)]
        async with asyncio.timeout(30):
            while len(answers) < 3 * PORTALS:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    await asyncio.gather(*calling)
    watched.append((await watch.read()).status)
    assert await watch.read() is grpc.aio.EOF
    assert watched == [
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.NOT_SERVING,
    ]
    assert (await prefilling).code == "OK"
    # What comes as the server stops, before anybody has seen it, gRPC itself ends: grpc#41785.
    refused = [answer for _, answer in answers if answer.code != "OK"]
    assert {answer.code for answer in refused} <= {"UNAVAILABLE", "CANCELLED"}
    assert 0 < len(refused) <= PORTALS

    async with miaopi(environment, tmp_path / "second.log") as (wire, _):
        for request, answer in answers:
            again = await wire.call(DECIDE, request)
            assert again.code == "OK"
            decision = DecideResponse.FromString(again.responses[0]).decision
            codes = [reason.code for reason in decision.referred.reasons]
            assert "INTERRUPTED" not in codes, "nothing was broken off"
            if answer.code == "OK":
                assert again.responses == answer.responses
    store = Path(environment["MIAOPI_STORE"])
    async with Trail.open(store) as trail:
        types = [(await trail.read(index)).type for index in range(trail.size())]
    assert types.count("decision/1") == len(answers)
    assert verify_store(store).problems == ()


@pytest.mark.slow
async def test_the_key_file_of_a_running_service_can_be_replaced(
    environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "service.log"
    async with miaopi(environment, log) as (wire, process):
        assert (await wire.call(LIST, b"")).code == "OK"
        draft = tmp_path / "draft"
        draft.write_text(public_jwks(new_private_key()))
        draft.replace(environment["MIAOPI_JWKS"])
        async with asyncio.timeout(20):
            while (await wire.call(LIST, b"")).code == "OK":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert (await wire.call(LIST, b"")).reason == "TOKEN_INVALID"
        lines = list(Process(process.pid, log).lines())
    assert [line["files"] for line in lines if line["event"] == "file.replaced"] == [["jwks.json"]]
