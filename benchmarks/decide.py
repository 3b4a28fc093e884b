"""Decide over gRPC against an empty echo on the same server settings, and where its time goes.

Ratios within one run, median of five rounds; the sandbox city's registers answer over sockets in
the same process as the service. `--decisions N` sets how many decisions memory is watched over.
"""

import argparse
import asyncio
import cProfile
import pstats
import resource
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import grpc
import uvloop

from audit.trail import Trail
from decision_service import catalogue
from decision_service.decide import decide
from decision_service.model import (
    Application,
    AssuranceLevel,
    Authority,
    Document,
    MatterId,
    Party,
    StatutoryDuty,
)
from decision_service.office import Office
from decision_service.record import Record
from decision_service.server.listen import _OPTIONS
from decision_service.service import raise_alarm
from evidence_adapters import http, registry
from evidence_adapters.sandbox import City, serve

ROOT = Path(__file__).parent.parent
ROUNDS, CALLS, IN_FLIGHT = 5, 640, 32


def now() -> datetime:
    """The benchmark's clock."""
    return datetime.now(UTC)


def application(people: City, number: int) -> Application:
    """A library card for one of the city's people."""
    person = people.person(number % len(people))
    party = Party(
        role="applicant", documents=(Document(kind="resident_id", number=person.id_number),)
    )
    return Application(
        caller="bench",
        request_id=str(uuid4()),
        matter=MatterId("library_card"),
        channel="portal",
        parties=(party,),
        authority=Authority(
            person=party,
            assurance_level=AssuranceLevel.HIGH,
            authentication_time=now(),
            basis=StatutoryDuty(article="bench"),
        ),
        answers={
            "applicant.mobile": "13800000000",
            "applicant.truthful": True,
            "applicant.accepts_reading_rules": True,
        },
        content_digest=uuid4().hex,
    )


async def rate(call: Callable[[int], Awaitable[object]], first: int) -> float:
    """Calls a second, so many in flight."""
    numbers = iter(range(first, first + CALLS))

    async def worker() -> None:
        for number in numbers:
            await call(number)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return CALLS / (time.perf_counter() - started)


def _generic(method: str, behaviour: Callable[..., Awaitable[bytes]]) -> grpc.GenericRpcHandler:
    handler = grpc.unary_unary_rpc_method_handler(behaviour)
    return grpc.method_handlers_generic_handler("bench", {method: handler})


async def measure(office: Office, people: City, decisions: int) -> None:
    """Print every figure."""
    answer = bytes(3_000)

    async def echo(request: bytes, context: object) -> bytes:  # noqa: ARG001 - gRPC hands it over
        return answer

    async def decided(request: bytes, context: object) -> bytes:  # noqa: ARG001 - as above
        await decide(
            application(people, int.from_bytes(request[:4], "big")),
            office=office,
            now=now(),
            deadline=asyncio.get_running_loop().time() + 20,
        )
        return answer

    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((_generic("Echo", echo), _generic("Decide", decided)))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        empty, full = channel.unary_unary("/bench/Echo"), channel.unary_unary("/bench/Decide")
        rates: dict[str, list[float]] = {"echo": [], "decide": []}
        for turn in range(ROUNDS):
            for name, stub in (("echo", empty), ("decide", full)):
                rates[name].append(
                    await rate(
                        lambda n, stub=stub: stub(n.to_bytes(4, "big") + bytes(1_000)), turn * CALLS
                    )
                )
    await server.stop(None)
    ratio = statistics.median(e / d for e, d in zip(rates["echo"], rates["decide"], strict=True))
    print(f"empty echo     {statistics.median(rates['echo']):8.0f} calls/s")
    print(f"Decide         {statistics.median(rates['decide']):8.0f} calls/s")
    print(f"echo / Decide  {ratio:8.1f}")

    profile = cProfile.Profile()
    profile.enable()
    for number in range(200):
        await decide(
            application(people, number),
            office=office,
            now=now(),
            deadline=asyncio.get_running_loop().time() + 20,
        )
    profile.disable()
    spent: Counter[str] = Counter()
    for (file, _, _), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]  # typeshed leaves it out
        parts = Path(file).parts
        known = [p for p in parts if p in {"decision_service", "evidence_adapters", "audit"}]
        package = parts[parts.index("site-packages") + 1] if "site-packages" in parts else ""
        spent["/".join(parts[parts.index(known[0]) :][:3]) if known else package or "python"] += own
    print("where the event loop's time goes (200 decisions, one at a time):")
    for name, seconds in spent.most_common(12):
        print(f"  {1e6 * seconds / 200:7.0f} µs  {name}")

    print(f"memory over {decisions} decisions (peak RSS):")
    for part in range(5):
        share = decisions // 5
        for first in range(part * share, (part + 1) * share, CALLS):
            await rate(
                lambda n: decide(
                    application(people, n),
                    office=office,
                    now=now(),
                    deadline=asyncio.get_running_loop().time() + 20,
                ),
                first,
            )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  {(part + 1) * share:8d}  {peak:7.1f} MiB")


async def main(decisions: int) -> None:
    """Compose the service around a new store."""
    registers = registry.load()
    published = catalogue.load(ROOT, {key: one.meaning for key, one in registers.items()})
    people = City(755)
    with tempfile.TemporaryDirectory() as folder:
        Trail.create(Path(folder) / "store", origin="bench.invalid/miaopi")
        async with (
            serve(people, clock=now) as running,
            Trail.open(Path(folder) / "store") as trail,
            http.connect(registers, running.addresses, clock=now) as sources,
        ):
            office = Office(
                catalogue=published,
                sources=sources,
                record=Record(trail),
                zone=ZoneInfo("Asia/Shanghai"),
                alarm=raise_alarm,
            )
            await measure(office, people, decisions)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=6_400)
    uvloop.run(main(parser.parse_args().decisions))
