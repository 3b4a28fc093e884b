"""How many entries a second the trail records durably, and whether its memory stays flat.

64 callers, each waiting for its receipt, append entries of about 3 KB; beside it, in the same run
and in batches as large as 64 callers can make, bare `sqlite3` inserts of as many bytes (WAL,
synchronous=FULL): the floor that disk and interpreter set. Medians of the rounds.

    python benchmarks/audit_log.py [entries a round] [rounds]
"""

import asyncio
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import stand

from audit.trail import Entry, Receipt, Trail
from audit.verify import verify_store

CALLERS = 64


def entry(caller: int) -> Entry:
    """About 3 KB, as a decision with nine facts and its explanation has them."""
    fact = {"value": "x" * 160, "source": "population_register", "as_of": "2026-01-01T00:00:00Z"}
    return Entry(
        type="decision/1",
        id=str(uuid4()),
        time=datetime.now(UTC),
        permanent={
            "matter": "old_age_allowance",
            "release_digest": "0" * 64,
            "outcome": "approved",
            "channel": "portal",
            "statuses": {f"r{i}": "met" for i in range(8)},
        },
        sealed={"facts": {f"applicant.fact_{i}": fact for i in range(9)}},
        subject=f"resident_id:99000019900101{caller:04d}",
        notice="您的申请已批准。",
    )


async def trail_round(trail: Trail, entries: int, turn: int) -> tuple[float, list[float]]:
    """Entries a second of one round, and each caller's waits in milliseconds."""
    waits: list[float] = []

    async def caller(number: int) -> None:
        for i in range(entries // CALLERS):
            started = time.perf_counter()
            keys = {f"request:{turn}-{number}-{i}": None}
            assert isinstance(await trail.append(entry(number), expect=keys), Receipt)
            waits.append(1_000 * (time.perf_counter() - started))

    started = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    return len(waits) / (time.perf_counter() - started), waits


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


async def main(entries: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Trail.create(Path(folder) / "store", origin="benchmark.invalid")
        print(f"{'round':>5} {'trail/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'bare/s':>9} {'MiB':>7}")
        recorded, bare = [], []
        async with Trail.open(Path(folder) / "store") as trail:
            for turn in range(rounds):
                rate, waits = await trail_round(trail, entries, turn)
                recorded.append(rate)
                bare.append(bare_round(Path(folder) / "bare.sqlite", entries, 4_000))
                cuts = statistics.quantiles(waits, n=100)
                print(
                    f"{turn:>5} {rate:>9.0f} {cuts[49]:>8.1f} {cuts[98]:>8.1f} {bare[-1]:>9.0f}"
                    f" {stand.resident_mib(os.getpid()):>7.1f}"
                )
        print(
            f"median {statistics.median(recorded):>8.0f} {'':>17} {statistics.median(bare):>9.0f}"
        )
        ratios = [floor / rate for floor, rate in zip(bare, recorded, strict=True)]
        print(f"bare / trail {statistics.median(ratios):.1f}")
        started = time.perf_counter()
        report = verify_store(Path(folder) / "store")
        rate = report.derived.size / (time.perf_counter() - started)
        print(f"verify {rate:>8.0f} entries/s, {len(report.problems)} problems")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*given, *[6_400, 5][len(given) :]))
