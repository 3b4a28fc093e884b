"""How many entries a second the trail records durably, and what it costs to prove, find and verify.

*Append*: callers, each waiting for its receipt, append entries of about 3 KB from as many processes
as are asked for (one where the store is a file). Beside it, in the same run and in batches as large
as the callers can make, bare `sqlite3` inserts of as many bytes (WAL, synchronous=FULL): the floor
that disk and interpreter set. Medians of the rounds; memory after each.

*Large* (``--large N``, for a quiet machine; a million takes its time): a store of N entries is
filled without callers, and then proofs, filtered pages and verification at each depth are measured,
by one process and by one a core: entries a second of CPU, all processes together, and of the clock.

    python benchmarks/audit_log.py [--database postgresql] [--processes 4] [--large 1000000]

``--database postgresql`` starts a server of its own; an address uses that one.
"""

import argparse
import asyncio
import gc
import itertools
import json
import os
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import product
from pathlib import Path
from uuid import uuid4

import stand

from audit.log import connections, store
from audit.log.merkle import leaf_hash
from audit.trail import CaseRow, Entry, Receipt, Trail, projections
from audit.trail.entries import ordered_id
from audit.trail.preparation import prepare
from audit.trail.queries import All, Condition, Either, Is, Marked, find
from audit.trail.unsealing import read_keyring
from audit.verify import Depth, verify_store

ROOT = Path(__file__).parents[1]
CALLERS = 64
BATCH = 256
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
RELEASES = tuple(f"release {number}".encode() for number in range(30))
DIGESTS = tuple(sha256(release).hexdigest() for release in RELEASES)


def entry(number: int, case_id: str, time: datetime) -> Entry:
    """About 3 KB, as a decision with nine facts and its explanation has them."""
    fact = {"value": "x" * 160, "source": "population_register", "as_of": "2026-01-01T00:00:00Z"}
    case = CaseRow(case_id, str(number), "portal", "m", "approved", "2026-01-01", time)
    return Entry(
        type="decision/1",
        id=str(uuid4()),
        time=time,
        permanent={
            "matter": f"matter_{number % 12}",
            "release_digest": DIGESTS[number % len(RELEASES)],
            "outcome": "referred" if number % 10 == 0 else "approved",
            "channel": ("portal", "counter", "device")[number % 3],
            "caller": f"portal-{number % 5}",
            "reasons": [f"REASON_{number % 40}"],
            "statuses": [[f"r{i}", "unknown" if number % 997 == i else "met"] for i in range(8)],
        },
        sealed={"facts": {f"applicant.fact_{i}": fact for i in range(9)}},
        subject=f"resident_id:9900001990010{number % 9_973:05d}",
        notice="您的申请已批准。",
        case=case,
    )


def filed(number: int) -> Entry:
    """An entry of a large store, a second after the one before."""
    return entry(number, f"case-{number}", FIRST + timedelta(seconds=number))


# ── appending ────────────────────────────────────────────────────────────────────────────────────


async def append_round(trail: Trail, callers: int, made: list[Entry]) -> list[float]:
    """Each caller's waits in milliseconds."""
    waits: list[float] = []

    async def caller(number: int) -> None:
        for one in made[number::callers]:
            started = time.perf_counter()
            assert isinstance(await trail.append(one, expect={f"request:{one.id}": None}), Receipt)
            waits.append(1_000 * (time.perf_counter() - started))

    await asyncio.gather(*(caller(number) for number in range(callers)))
    return waits


async def worker(folder: Path, callers: int, entries: int) -> None:
    """One of several processes: a line in says begin, a line out says what came of it.

    What is appended is made before that: in a city, it is not the trail's work.
    """
    async with Trail.open(folder) as trail:
        for turn in itertools.count():
            numbers, now = range(turn * entries, (turn + 1) * entries), datetime.now(UTC)
            made = [entry(number, ordered_id(), now) for number in numbers]
            gc.freeze()  # so many at once are the benchmark's doing
            gc.set_threshold(20_000)  # as the service does
            print("ready", flush=True)
            if not await asyncio.to_thread(sys.stdin.readline):
                return
            used = time.process_time()
            waits = await append_round(trail, callers, made)
            told = {"waits": waits, "cpu_s": time.process_time() - used}
            print(json.dumps({**told, "mib": stand.resident_mib(os.getpid())}), flush=True)


@contextmanager
def workers(
    folder: Path, processes: int, entries: int
) -> Iterator[Callable[[], tuple[float, list[dict]]]]:
    """So many processes; what is yielded makes one round of all of them, and tells its seconds."""
    typed = [sys.executable, __file__, "--worker", str(folder), str(CALLERS // processes)]
    started = [
        subprocess.Popen(  # noqa: S603  # this very file
            [*typed, str(entries // processes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]

    def round_() -> tuple[float, list[dict]]:
        for one in started:
            assert one.stdout.readline() == "ready\n"
        began = time.perf_counter()
        for one in started:
            one.stdin.write("\n")
            one.stdin.flush()
        told = [json.loads(one.stdout.readline()) for one in started]
        return time.perf_counter() - began, told

    try:
        yield round_
    finally:
        for one in started:
            one.stdin.close()
            one.wait()


def bare_round(path: Path, entries: int, size: int) -> float:
    """Rows a second of bare inserts in batches of `CALLERS`."""
    content = os.urandom(size)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS bare (id INTEGER PRIMARY KEY, content BLOB)")
    started = time.perf_counter()
    for _ in range(entries // CALLERS):
        connection.execute("BEGIN IMMEDIATE")
        rows = [(content,)] * CALLERS
        connection.executemany("INSERT INTO bare (content) VALUES (?)", rows)
        connection.execute("COMMIT")
    elapsed = time.perf_counter() - started
    connection.close()
    return entries / elapsed


def measure_appending(folder: Path, typed: argparse.Namespace) -> None:
    head = (
        f"{'round':>5} {'trail/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>8} {'bare/s':>9} MiB"
    )
    print(head)
    rates, floors = [], []
    with workers(folder, typed.processes, typed.entries) as round_:
        for turn in range(typed.rounds):
            seconds, told = round_()
            waits = [wait for one in told for wait in one["waits"]]
            rates.append(len(waits) / seconds)
            floors.append(bare_round(folder / "bare", typed.entries, 4_000))
            cuts = statistics.quantiles(waits, n=100)
            used = sum(one["cpu_s"] for one in told) / len(waits)
            print(
                f"{turn:>5} {rates[-1]:>9.0f} {cuts[49]:>8.1f} {cuts[98]:>8.1f} {1e6 * used:>8.0f}"
                f" {floors[-1]:>9.0f} {max(one['mib'] for one in told):.1f}"
            )
    ratio = statistics.median(f / r for f, r in zip(floors, rates, strict=True))
    print(f"median {statistics.median(rates):>8.0f}; bare / trail {ratio:.1f}")


# ── a large store ────────────────────────────────────────────────────────────────────────────────

PAGES: dict[str, Condition] = {
    "everything": All(()),
    "a matter": Is("matter", "=", "matter_7"),
    "a matter's referrals": All((Is("matter", "=", "matter_7"), Is("outcome", "=", "referred"))),
    "a reason": Marked("reason", "REASON_39"),
    "a rare status": Marked("requirement", "r3=unknown"),
    "a matter's rare status": All(
        (Is("matter", "=", "matter_7"), Marked("requirement", "r3=unknown"))
    ),
    "an early day": All(
        (
            Is("time", ">=", FIRST + timedelta(minutes=20)),
            Is("time", "<", FIRST + timedelta(minutes=40)),
        )
    ),
    "a type on an early day": All(
        (
            Is("type", "=", "decision/1"),
            Is("time", ">=", FIRST + timedelta(days=1)),
            Is("time", "<", FIRST + timedelta(days=3)),
        )
    ),
    "a caller's rare status": All(
        (Is("caller", "=", "portal-4"), Marked("requirement", "r3=unknown"))
    ),
    "what there is none of": All((Is("caller", "=", "portal-1"), Is("outcome", "=", "referred"))),
    "one of two": Either((Is("channel", "=", "counter"), Marked("reason", "REASON_1"))),
    "a case": Is("case_id", "=", "case-1234"),
}


def fill(folder: Path, entries: int) -> None:
    """Entries as the service writes them, without callers, anchor or a wait for the disk each."""
    with connections.at(folder).alone() as connection:
        with connection.begin():
            keyring = read_keyring(folder, connection)
            for digest, release in zip(DIGESTS, RELEASES, strict=True):
                projections.add_content(connection, digest, release)
        for first in range(0, entries, BATCH):
            with connection.begin():
                head = store.read_head(connection)
                tree = store.load_tree(connection, head)
                numbers = range(first, min(first + BATCH, entries))
                made = [prepare(keyring, filed(i), [f"request:{i}"]) for i in numbers]
                appended = [(leaf_hash(leaf), leaf) for leaf, _ in made]
                tiles = list(tree.grow(hashed for hashed, _ in appended))
                keys = {f"request:{i}": i for i in numbers}
                store.extend(connection, tree, appended, tiles, keys, new=keys.keys())
                rows = [(first + i, row) for i, (_, row) in enumerate(made)]
                projections.write(connection, rows)


async def measure_large(folder: Path, entries: int) -> None:
    started = time.perf_counter()
    fill(folder, entries)
    print(f"filled with {entries} in {time.perf_counter() - started:.0f} s")
    gc.freeze()  # as the service does with what stays
    chance = random.Random(755)  # noqa: S311
    async with Trail.open(folder) as trail:
        waits = []
        for _ in range(500):
            began = time.perf_counter()
            await trail._log.prove(chance.randrange(entries))  # noqa: SLF001
            waits.append(1_000 * (time.perf_counter() - began))
        tell("proof", waits)
        for name, condition in PAGES.items():
            waits = []
            for _ in range(40):
                began = time.perf_counter()
                await trail.ask(lambda c, w=condition: find(c, w, before=1 << 40, limit=100))
                waits.append(1_000 * (time.perf_counter() - began))
            tell(f"page of {name}", waits)
    for depth, processes in product(Depth, sorted({1, os.cpu_count() or 1})):
        measure_verification(folder, depth, processes)


def measure_verification(folder: Path, depth: Depth, processes: int) -> None:
    began = os.times()
    report = verify_store(folder, depth=depth, processes=processes)
    ended = os.times()
    # Who has ended and was waited for counts among the children.
    used = sum(ended[:4]) - sum(began[:4])
    size, clock = report.derived.size, ended.elapsed - began.elapsed
    print(
        f"verify {depth:>6} by {processes}: {size / used:>7.0f} entries/CPU s,"
        f" {size / clock:>7.0f} entries/s, {len(report.problems)} problems,"
        f" at most {peak_mib():.0f} MiB a process"
    )


def peak_mib() -> float:
    """The most memory that this process, or one that it waited for, has had."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in whose) / 1_024


def tell(what: str, waits: list[float]) -> None:
    cuts = statistics.quantiles(waits, n=100)
    print(f"{what:>30}: p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms")


@contextmanager
def database(typed: str) -> Iterator[str]:
    """The address; of a server of our own where none is named."""
    if typed != "postgresql":
        yield typed
        return
    sys.path.insert(0, str(ROOT))
    from tests.postgres import Postgres  # noqa: PLC0415

    with Postgres() as server:
        yield server.address()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--entries", type=int, default=6_400, help="a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--database", default="")
    parser.add_argument("--large", type=int, default=0)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    typed = parser.parse_args()
    if typed.worker:
        folder, callers, entries = typed.worker
        asyncio.run(worker(Path(folder), int(callers), int(entries)))
        return
    with tempfile.TemporaryDirectory() as temporary, database(typed.database) as address:
        folder = Path(temporary) / "store"
        Trail.create(folder, origin="benchmark.invalid", database=address)
        if typed.large:
            asyncio.run(measure_large(folder, typed.large))
        else:
            measure_appending(folder, typed)


if __name__ == "__main__":
    main()
