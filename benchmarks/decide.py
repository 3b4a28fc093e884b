"""Decide over gRPC against an empty echo, each server in a process of its own; and what it costs.

The service is ``miaopi serve``: token, edge, translation, registers over HTTP, both evaluators, and
a durable record on disk. The echo has the same server settings and message sizes. This process
asks both in turn, with ready-made bytes over several channels; medians of the rounds count. The
profile is of a round of its own that no rate is taken from.

    python benchmarks/decide.py [--matter M] [--rounds N] [--calls N] [--decisions N]
"""

import argparse
import asyncio
import itertools
import pstats
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import grpc
import stand
import uvloop

from decision_service.service import SEED
from decision_service.v1.decision_pb2 import DecideRequest, DecideResponse
from decision_service.v1.vocabulary_pb2 import Document, Party, StatutoryDuty, Value
from evidence_adapters.sandbox import City

DECIDE = "/decision_service.v1.DecisionService/Decide"
CHANNELS, AT_ONCE, FEW = 4, 32, 2
LAWS = {"old_age_allowance": "深民规〔2019〕2号", "library_card": "中华人民共和国公共图书馆法"}

ANSWERS = {
    "old_age_allowance": {
        "applicant.mobile": Value(text="13800000000"),
        "applicant.truthful": Value(boolean=True),
    },
    "library_card": {
        "applicant.mobile": Value(text="13800000000"),
        "applicant.truthful": Value(boolean=True),
        "applicant.accepts_reading_rules": Value(boolean=True),
    },
}
WHAT_REMAINS = """\
An echo is gRPC alone. A decision is a call in, a call out to each register with its answer checked,
two evaluators, and a sealed, signed and synced record. Where cores are shared rates suffer first,
CPU less. What remains is thin and wide: asking the registers (aiohttp, retries, Cerberus) is the
largest part, then the record, translation, gRPC itself and the evaluators; see the profile."""

Call: TypeAlias = Callable[[bytes], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Round:
    """What one round found.

    Attributes:
        rate: Calls a second.
        waits_ms: Of every call.
        cpu_us: Of the server, a call; ``loop_us`` of it in the thread of the event loop.
    """

    rate: float
    waits_ms: Sequence[float]
    answers: Sequence[bytes]
    cpu_us: float
    loop_us: float


async def ask(
    server: stand.Process, call: Call, requests: Sequence[bytes], *, at_once: int
) -> Round:
    """Send the requests, so many at once."""
    left, waits_ms, answers = iter(requests), list[float](), list[bytes]()

    async def caller() -> None:
        for request in left:
            sent = time.perf_counter()
            answers.append(await call(request))
            waits_ms.append(1_000 * (time.perf_counter() - sent))

    cpu_s, loop_cpu_s, started = server.cpu_s, server.loop_cpu_s, time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    took_s, calls = time.perf_counter() - started, len(requests)
    return Round(
        rate=calls / took_s,
        waits_ms=waits_ms,
        answers=answers,
        cpu_us=1e6 * (server.cpu_s - cpu_s) / calls,
        loop_us=1e6 * (server.loop_cpu_s - loop_cpu_s) / calls,
    )


def applications(matter: str) -> Iterator[bytes]:
    """Applications for the matter without end, each of the city's next person."""
    people = City(SEED)
    for number in itertools.count():
        document = Document(
            kind="resident_id", number=people.person(number % len(people)).id_number
        )
        person = Party(role="applicant", documents=[document])
        request = DecideRequest(
            request_id=str(uuid4()),
            matter=matter,
            channel="portal",
            parties=[person],
            answers=ANSWERS[matter],
        )
        request.authority.person.CopyFrom(person)
        request.authority.assurance_level = "ASSURANCE_LEVEL_HIGH"
        request.authority.authentication_time.FromDatetime(stand.clock())
        request.authority.statutory_duty.CopyFrom(StatutoryDuty(article=LAWS[matter]))
        yield request.SerializeToString()


async def connected(stack: AsyncExitStack, port: int, method: str, token: str = "") -> Call:
    """A call of that method which takes the channels in turn; each is a connection of its own."""
    own = (("grpc.use_local_subchannel_pool", 1),)
    channels = [
        await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=own))
        for _ in range(CHANNELS)
    ]
    metadata = (("authorization", f"Bearer {token}"),)
    turns = itertools.cycle(channel.unary_unary(method) for channel in channels)

    async def call(request: bytes) -> bytes:
        """A call above the limit is repeated unchanged a second later, as the contract wants it."""
        while True:
            try:
                answer: bytes = await next(turns)(request, metadata=metadata, timeout=30)
            except grpc.aio.AioRpcError as refused:
                if refused.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                await asyncio.sleep(1)
            else:
                return answer

    return call


# ── what is printed ──────────────────────────────────────────────────────────────────────────────


def report(name: str, rounds: Sequence[Round]) -> None:
    """One line of medians."""
    cuts = [statistics.quantiles(one.waits_ms, n=100) for one in rounds]
    print(
        f"{name:14} {statistics.median(one.rate for one in rounds):8.0f}"
        f" {statistics.median(cut[49] for cut in cuts):8.1f}"
        f" {statistics.median(cut[98] for cut in cuts):8.1f}"
        f" {statistics.median(one.cpu_us for one in rounds):10.0f}"
        f" {statistics.median(one.loop_us for one in rounds):10.0f}"
    )


def outcomes(rounds: Sequence[Round]) -> str:
    """How often each outcome came."""
    counted = Counter(
        DecideResponse.FromString(answer).decision.WhichOneof("outcome")
        for one in rounds
        for answer in one.answers
    )
    return ", ".join(f"{count} {outcome}" for outcome, count in counted.most_common())


def report_profile(path: Path, calls: int) -> None:
    """Where the event loop's time goes: its own time by package, and the longest functions."""
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, object]]
    stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]  # typeshed leaves it out
    packages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for (file, _, function), (_, _, own_s, all_s, _) in stats.items():
        packages[_package(file)] += 1e6 * own_s / calls
        functions[f"{_package(file)} {function}"] += 1e6 * own_s / calls
        if _package(file).startswith(("decision_service", "evidence_adapters", "audit")):
            whole[f"{_package(file)} {function}"] += 1e6 * all_s / calls
    for title, found, most in (
        ("own time by package", packages, 14),
        ("own time by function", functions, 14),
        ("with what they call, of ours", whole, 24),
    ):
        print(f"\nµs a decision under the profiler, event loop only: {title}")
        for name, spent in found.most_common(most):
            print(f"{spent:8.0f}  {name}")


def _package(file: str) -> str:
    """Module of ours, or package of somebody else's."""
    parts = Path(file).with_suffix("").parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    for ours in ("decision_service", "evidence_adapters", "audit"):
        if ours in parts:
            return "/".join(parts[parts.index(ours) :])
    return "built in" if file == "~" else "python"


# ── the run ──────────────────────────────────────────────────────────────────────────────────────


async def compare(service: stand.Service, arguments: argparse.Namespace) -> None:
    """The rates and waits, in turn; then memory and profile of the service alone."""
    source = applications(arguments.matter)

    def some(calls: int) -> list[bytes]:
        return list(itertools.islice(source, calls))

    async with AsyncExitStack() as stack:
        decide = await connected(stack, service.process.port, DECIDE, service.token)
        warm = await ask(service.process, decide, some(AT_ONCE), at_once=FEW)
        answer_bytes = round(statistics.mean(map(len, warm.answers)))
        empty = stack.enter_context(stand.echo(answer_bytes))
        echo = await connected(stack, empty.port, stand.ECHO)
        echoed: list[Round] = []
        decided: list[Round] = []
        quiet: list[Round] = []
        registers_s, decisions = service.registers.cpu_s, 0
        for _ in range(arguments.rounds):
            requests = some(arguments.calls)
            echoed.append(await ask(empty, echo, requests, at_once=AT_ONCE))
            decided.append(await ask(service.process, decide, requests, at_once=AT_ONCE))
            quiet.append(await ask(service.process, decide, some(100), at_once=1))
            decisions += arguments.calls + 100
        registers_us = 1e6 * (service.registers.cpu_s - registers_s) / decisions
        sizes = f"{len(requests[0])} → {answer_bytes} bytes"
        print(f"{arguments.matter}, {sizes}, {AT_ONCE} calls at once over {CHANNELS} channels")
        print(f"{'':14} {'calls/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>10} {'loop µs':>10}")
        report("empty echo", echoed)
        report("Decide", decided)
        report("Decide, alone", quiet)
        pairs = list(zip(echoed, decided, strict=True))
        by_rate = statistics.median(e.rate / d.rate for e, d in pairs)
        by_cpu = statistics.median(d.cpu_us / e.cpu_us for e, d in pairs)
        print(f"echo / Decide  {by_rate:8.1f} by rate, {by_cpu:.1f} by the server's CPU")
        print(f"the registers' own CPU: {registers_us:.0f} µs a decision, on the same cores")
        print(f"outcomes: {outcomes(decided)}")
        print(WHAT_REMAINS)
        await watch_memory(service, decide, some, arguments.decisions)
        with service.profiled() as profile:
            await ask(service.process, decide, some(200), at_once=FEW)
        report_profile(profile, 200)


async def watch_memory(
    service: stand.Service, decide: Call, some: Callable[[int], list[bytes]], decisions: int
) -> None:
    """The service's memory in ten steps."""
    print(f"\nmemory of the service over {decisions} decisions, MiB")
    done = 0
    for step in range(11):
        while done < decisions * step // 10:
            requests = some(min(500, decisions * step // 10 - done))
            await ask(service.process, decide, requests, at_once=AT_ONCE)
            done += len(requests)
        print(f"{done:8}  {service.process.resident_mib:7.1f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matter", choices=ANSWERS, default="old_age_allowance")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--decisions", type=int, default=2_000)
    with stand.service() as running:
        uvloop.run(compare(running, parser.parse_args()))
