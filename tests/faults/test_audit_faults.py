"""Whatever happens to process, disk and files: no acknowledged entry is lost, none stands twice."""

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from audit.errors import NotRecordedError, StoreRefusedError
from audit.log.anchor import Anchor
from audit.log.files import Lock
from audit.trail import Conflict, Entry, Receipt, Trail
from audit.verify import verify_store
from tests import disk

ROOT = Path(__file__).parents[2]


def entry(size: int = 100) -> Entry:
    return Entry(
        type="decision/1",
        id=str(uuid4()),
        time=datetime.now(UTC),
        permanent={"matter": "old_age_allowance"},
        sealed={"text": "x" * size},
        subject="resident_id:990000199001010007",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A trail of five entries, closed."""
    Trail.create(tmp_path / "s", origin="test.invalid/miaopi")
    asyncio.run(append(tmp_path / "s", 5))
    return tmp_path / "s"


async def append(folder: Path, count: int) -> None:
    async with Trail.open(folder) as trail:
        for _ in range(count):
            assert isinstance(await trail.append(entry(), expect={}), Receipt)


def refusal(folder: Path, **options: Any) -> StoreRefusedError:
    """Why the trail in that folder is not opened; it must not be."""
    with pytest.raises(StoreRefusedError) as caught:
        Trail.open(folder, **options)
    return caught.value


# ── who may open it ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "reason", "message"),
    [
        ("store.sqlite", "STORE_MISSING", "there is no store in this folder"),
        ("master.key", "KEY_MISSING", "`master.key` is missing beside the store"),
        ("signing.key", "KEY_MISSING", "`signing.key` is missing beside the store"),
        ("anchor", "ANCHOR_MISSING", "the anchor of this store is missing"),
    ],
)
def test_a_trail_with_a_part_missing_is_refused_and_nothing_is_made_anew(
    folder: Path, name: str, reason: str, message: str
) -> None:
    (folder / name).unlink()

    refused = refusal(folder)

    assert (refused.reason, str(refused)) == (reason, message)
    assert reason == "STORE_MISSING" or "`miaopi audit recover --reason`" in refused.hint
    assert not (folder / name).exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("anchor", "nonsense", "ANCHOR_INVALID"),
        ("signing.key", "nonsense", "KEY_INVALID"),
        ("master.key", "nonsense", "KEY_INVALID"),
        ("master.key", "A" * 43 + "=", "KEY_INVALID"),
        ("store.sqlite", "nonsense" * 1000, "STORE_UNREADABLE"),
    ],
)
def test_a_trail_with_a_part_spoiled_is_refused(
    folder: Path, name: str, content: str, reason: str
) -> None:
    (folder / name).write_text(content)

    assert refusal(folder).reason == reason


def test_a_key_that_others_can_read_is_refused(folder: Path) -> None:
    (folder / "master.key").chmod(0o640)

    refused = refusal(folder)

    assert refused.reason == "KEY_EXPOSED"
    assert str(refused) == "`master.key` can be read by others than its owner"


def test_secrets_are_for_their_owner_only(folder: Path) -> None:
    for name in ("master.key", "signing.key", "store.sqlite"):
        assert (folder / name).stat().st_mode & 0o077 == 0, name


def test_a_trail_is_never_made_over_another(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    with pytest.raises(StoreRefusedError) as caught:
        Trail.create(folder, origin="test.invalid/miaopi")

    assert caught.value.reason == "STORE_EXISTS"
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    (folder / "master.key").unlink()
    with pytest.raises(StoreRefusedError):
        Trail.create(folder, origin="test.invalid/miaopi")
    assert not (folder / "master.key").exists()


async def test_a_second_holder_is_refused_in_this_process_and_in_another(folder: Path) -> None:
    async with Trail.open(folder):
        assert refusal(folder).reason == "STORE_IN_USE"
        other = run("Trail.open(Path(sys.argv[1]))", folder)
        assert (
            f"StoreRefusedError: another process holds the store: process `{os.getpid()}`"
            in other.stderr
        )

    await append(folder, 1)


async def test_who_is_killed_holds_nothing_any_more(folder: Path) -> None:
    holder = start("Trail.open(Path(sys.argv[1])); print(flush=True); signal.pause()", folder)
    assert holder.stdout is not None
    holder.stdout.readline()
    assert Lock.holder(folder / "lock") == str(holder.pid)
    refused = refusal(folder)
    assert refused.reason == "STORE_IN_USE"
    assert str(refused) == f"another process holds the store: process `{holder.pid}`"
    assert refused.zh == f"另一进程（{holder.pid}）正占用记录库；请停掉它，或为本服务另设目录"

    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()

    assert Lock.holder(folder / "lock") is None
    await append(folder, 1)
    assert verify_store(folder).problems == ()


async def test_a_look_at_who_holds_a_trail_keeps_nobody_out(folder: Path) -> None:
    looking = True

    def look() -> None:
        while looking:
            Lock.holder(folder / "lock")

    watcher = asyncio.create_task(asyncio.to_thread(look))
    for _ in range(5):
        await append(folder, 1)
    looking = False
    await watcher


def test_the_service_itself_says_in_both_languages_that_it_is_the_second(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "jwks").write_text("{}")
    lock = Lock(folder / "lock")
    second = subprocess.run(
        [sys.executable, "-m", "decision_service", "serve"],
        cwd=ROOT,
        env={**os.environ, "MIAOPI_STORE": str(folder), "MIAOPI_JWKS": str(tmp_path / "jwks")},
        capture_output=True,
        text=True,
        check=False,
    )
    lock.release()

    assert second.returncode == 1
    assert second.stderr.splitlines()[-3:] == [
        f"error: another process holds the store: process `{os.getpid()}`",
        f"  错误：另一进程（{os.getpid()}）正占用记录库；请停掉它，或为本服务另设目录",
        "  Stop the other service process, or give this one its own folder.",
    ]


@pytest.mark.parametrize("running", [True, False])
async def test_who_verifies_leaves_no_trace(folder: Path, *, running: bool) -> None:
    async with AsyncExitStack() as held:
        if running:
            trail = await held.enter_async_context(Trail.open(folder))
            await trail.append(entry(), expect={})
        before = bytes_of(folder)
        report = await asyncio.to_thread(verify_store, folder)
        assert (report.problems, report.derived.size) == ((), 6 if running else 5)
        assert bytes_of(folder) == before


def test_a_schema_of_tomorrow_is_refused(folder: Path) -> None:
    execute(folder, "UPDATE log_head SET schema = 5")

    refused = refusal(folder)

    assert refused.reason == "SCHEMA_UNKNOWN"
    assert str(refused) == "the store has schema 5, this program knows 4"


# ── backups, forks and torn files ────────────────────────────────────────────────────────────────


async def test_an_old_backup_is_refused(folder: Path) -> None:
    backup = (folder / "store.sqlite").read_bytes()
    await append(folder, 3)
    (folder / "store.sqlite").write_bytes(backup)

    refused = refusal(folder)

    assert refused.reason == "STORE_BEHIND_ANCHOR"
    assert str(refused) == "the store has 5 entries, its anchor has seen 8"
    assert "`miaopi audit recover --reason`" in refused.hint


async def test_a_fork_is_refused_even_when_it_is_longer(folder: Path, tmp_path: Path) -> None:
    fork = tmp_path / "fork"
    shutil.copytree(folder, fork)
    await append(folder, 1)
    await append(fork, 2)
    shutil.copy(fork / "store.sqlite", folder / "store.sqlite")

    refused = refusal(folder)

    assert refused.reason == "STORE_FORKED"
    assert str(refused) == "the first 6 entries of the store are not those its anchor has seen"


def test_a_closed_trail_is_one_file_that_can_be_copied(folder: Path) -> None:
    assert not (folder / "store.sqlite-wal").exists()


@pytest.mark.parametrize("cut", [100, 5_000, None])
async def test_a_torn_wal_is_found_by_the_anchor(
    folder: Path, tmp_path: Path, cut: int | None
) -> None:
    """SQLite itself silently forgets the last transactions of a WAL that was cut."""
    async with Trail.open(folder) as trail:
        for _ in range(5):
            await trail.append(entry(), expect={})
        shutil.copytree(folder, tmp_path / "torn")
    wal = tmp_path / "torn" / "store.sqlite-wal"
    if cut is None:
        wal.unlink()
    else:
        os.truncate(wal, wal.stat().st_size - cut)
    (tmp_path / "torn" / "store.sqlite-shm").unlink()

    assert refusal(tmp_path / "torn").reason == "STORE_BEHIND_ANCHOR"


async def test_what_a_crash_left_between_commit_and_anchor_is_signed_forward(folder: Path) -> None:
    anchor = (folder / "anchor").read_bytes()
    await append(folder, 300)
    (folder / "anchor").write_bytes(anchor)
    (folder / "checkpoint").unlink()

    async with Trail.open(folder) as trail:
        assert trail.size() == 305
        assert isinstance(await trail.append(entry(), expect={}), Receipt)

    assert Anchor(folder / "anchor").read().size == 306
    assert verify_store(folder).problems == ()


def test_a_damaged_end_of_the_log_is_refused(folder: Path) -> None:
    execute(folder, "UPDATE log_head SET frontier = zeroblob(64)")
    assert refusal(folder).reason == "STORE_DAMAGED"


async def test_the_anchor_may_lie_elsewhere(tmp_path: Path) -> None:
    anchor = tmp_path / "other disk" / "anchor"
    anchor.parent.mkdir()
    Trail.create(tmp_path / "s", origin="test.invalid", anchor=anchor)

    assert refusal(tmp_path / "s").reason == "ANCHOR_MISSING"
    async with Trail.open(tmp_path / "s", anchor=anchor) as trail:
        await trail.append(entry(), expect={})
    assert Anchor(anchor).read().size == 1
    assert verify_store(tmp_path / "s", anchor=anchor).problems == ()


# ── while it runs ────────────────────────────────────────────────────────────────────────────────


async def test_a_full_disk_refuses_and_the_log_goes_on_when_there_is_space(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        size = trail.size()
        await pragma(trail, "max_page_count = 1")  # SQLite makes of it: not one page more
        answers = await asyncio.gather(
            *(trail.append(entry(20_000), expect={f"k{i}": None}) for i in range(64)),
            return_exceptions=True,
        )
        assert {type(answer) for answer in answers} == {NotRecordedError}
        assert {answer.reason for answer in answers if isinstance(answer, NotRecordedError)} == {
            "STORE_FAILED"
        }
        assert trail.size() == size

        await pragma(trail, "max_page_count = 1000000")
        for i in range(64):
            assert isinstance(await trail.append(entry(), expect={f"k{i}": None}), Receipt)
        assert trail.size() == size + 64

    assert verify_store(folder).problems == ()


async def test_an_anchor_that_cannot_be_written_refuses_and_is_caught_up_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Trail.open(folder) as trail:
        monkeypatch.setattr(os, "fdatasync", disk.fails)
        monkeypatch.setattr(os, "fsync", disk.fails)
        with pytest.raises(NotRecordedError) as caught:
            await trail.append(entry(), expect={"k": None})
        assert caught.value.reason == "STORE_FAILED"
        with pytest.raises(NotRecordedError):
            await trail.append(entry(), expect={"k2": None})
        assert trail.size() == 5, "nothing is published that is not anchored"

        monkeypatch.undo()
        assert await trail.append(entry(), expect={"k": None}) == Conflict("k", 5)
        assert trail.size() == 6, "what had become durable is there once"

    assert verify_store(folder).problems == ()


async def test_two_publishers_of_one_log_are_found_out(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        (folder / "anchor").write_text("test.invalid/miaopi\n9\n" + "A" * 43 + "=\n")
        for _ in range(2):
            with pytest.raises(NotRecordedError) as caught:
                await trail.append(entry(), expect={})
            assert caught.value.reason == "ANCHOR_MOVED"
            assert str(caught.value) == "the anchor is not where this process left it"
        assert trail.size() == 5


async def test_two_services_with_one_anchor_find_each_other_out(
    folder: Path, tmp_path: Path
) -> None:
    """A copy of the store elsewhere has a lock of its own; the anchor is what both share."""
    shutil.copytree(folder, tmp_path / "twin")
    anchor = folder / "anchor"
    async with Trail.open(folder) as trail, Trail.open(tmp_path / "twin", anchor=anchor) as twin:
        assert isinstance(await trail.append(entry(), expect={}), Receipt)
        for _ in range(2):
            with pytest.raises(NotRecordedError) as caught:
                await twin.append(entry(), expect={})
            assert caught.value.reason == "ANCHOR_MOVED"
        assert isinstance(await trail.append(entry(), expect={}), Receipt)

    assert verify_store(folder).problems == ()
    assert refusal(tmp_path / "twin", anchor=anchor).reason in {
        "STORE_FORKED",
        "STORE_BEHIND_ANCHOR",
    }


async def test_an_error_does_not_carry_what_was_to_be_written(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        await pragma(trail, "max_page_count = 1")
        tag = trail.tag("resident_id:990000199001010007")
        with pytest.raises(NotRecordedError) as caught:
            await trail.append(entry(500_000), expect={tag: None})

    assert caught.value.__cause__ is not None
    assert tag not in str(caught.value.__cause__)


# ── kill -9 ──────────────────────────────────────────────────────────────────────────────────────

WORKER = """
async def caller(trail, name):
    for i in range(100_000):
        key = f"{name}-{i}"
        receipt = await trail.append(entry(), expect={key: None})
        os.write(1, f"{key} {receipt.index} {receipt.leaf_hash.hex()}\\n".encode())

async def main():
    async with Trail.open(Path(sys.argv[1])) as trail:
        await asyncio.gather(*(caller(trail, f"{sys.argv[2]}-{n}") for n in range(32)))

asyncio.run(main())
"""


def storm(folder: Path, kills: int) -> int:
    """Kill the process under load again and again; returns how many entries it acknowledged."""
    acknowledged: dict[str, tuple[int, str]] = {}
    for turn in range(kills):
        worker = start(WORKER, folder, str(turn))
        assert worker.stdout is not None
        first = worker.stdout.readline()
        time.sleep(random.uniform(0.0, 0.3))  # noqa: S311  # any instant will do
        worker.send_signal(signal.SIGKILL)
        output = first + worker.stdout.read()
        worker.stdout.close()
        worker.wait()
        for line in output.splitlines(keepends=True):
            if line.endswith("\n"):
                key, index, leaf_hash = line.split()
                acknowledged[key] = (int(index), leaf_hash)
    asyncio.run(all_are_there(folder, acknowledged))
    return len(acknowledged)


async def all_are_there(folder: Path, acknowledged: dict[str, tuple[int, str]]) -> None:
    async with Trail.open(folder) as trail:
        for key, (index, leaf_hash) in acknowledged.items():
            assert await trail.latest(key) == index, "at its index, and nowhere else"
            assert (await trail.read(index)).leaf_hash.hex() == leaf_hash
    assert verify_store(folder).problems == ()
    indices = [index for index, _ in acknowledged.values()]
    assert len(set(indices)) == len(indices)


def test_no_acknowledged_entry_is_lost_when_the_process_is_killed(folder: Path) -> None:
    assert storm(folder, kills=3) > 3


@pytest.mark.slow
def test_no_acknowledged_entry_is_lost_in_a_storm_of_kills(folder: Path) -> None:
    assert storm(folder, kills=40) > 40


async def test_a_request_in_flight_when_the_process_was_killed_is_known(folder: Path) -> None:
    run("Trail.open(Path(sys.argv[1])).inflight.begin('r'); os.kill(os.getpid(), 9)", folder)

    async with Trail.open(folder) as trail:
        assert trail.inflight.interrupted("r")


# ── tools ────────────────────────────────────────────────────────────────────────────────────────

PREAMBLE = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from audit.trail import Entry, Trail

def entry():
    return Entry("decision/1", str(uuid4()), datetime.now(UTC), {"matter": "m"}, {"x": "y" * 99})
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file with its content; of SQLite's index of its WAL only that it is there."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {p.name: b"" if p.name.endswith("-shm") else p.read_bytes() for p in files}


async def pragma(trail: Trail, setting: str) -> None:
    await trail._log.write(lambda connection: connection.exec_driver_sql(f"PRAGMA {setting}"))


def execute(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "store.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()
