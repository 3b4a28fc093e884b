"""The disk fails, or the process dies, at each single step: nothing acknowledged is lost."""

import asyncio
import ctypes
import errno
import os
import resource
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from audit.errors import NotRecordedError
from audit.log import sqlite
from audit.trail import Conflict, Entry, Receipt, Trail
from audit.verify import verify_store

HERE = Path(__file__)
ROOT = HERE.parents[2]
STEPS = 500
"""More than two appends take."""


def entry(size: int = 100) -> Entry:
    return Entry(
        "decision/1", str(uuid4()), datetime.now(UTC), {"matter": "m"}, {"text": "x" * size}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Trail.create(tmp_path / "s", origin="test.invalid/miaopi")
    return tmp_path / "s"


def run(task: str, folder: Path, *arguments: object, **environment: str) -> str:
    """Run a function of this file in a process of its own; returns what it printed."""
    done = subprocess.run(
        [sys.executable, HERE, task, folder, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ── at each step ─────────────────────────────────────────────────────────────────────────────────


def test_each_sync_and_each_rename_may_fail_or_be_the_last(
    folder: Path, failing_disk: Path
) -> None:
    struck = run("strike_each", folder, failing_disk, "syncs", LD_PRELOAD=str(failing_disk))

    assert int(struck) >= 2 * 2 * 4, "two kinds of fault, two appends, four steps at least"


def test_each_step_may_fail_or_be_the_last_also_while_the_store_is_at_rest(
    folder: Path, failing_disk: Path
) -> None:
    struck = run("strike_each", folder, failing_disk, "rests", LD_PRELOAD=str(failing_disk))

    # Without checkpoints there are four; on a busy machine a turn may end before its checkpoint.
    assert int(struck) > 2 * 2 * 5, "a checkpoint of the WAL syncs it and the file"


@pytest.mark.slow
def test_each_step_towards_the_disk_may_fail_or_be_the_last(
    folder: Path, failing_disk: Path
) -> None:
    struck = run("strike_each", folder, failing_disk, "writes", LD_PRELOAD=str(failing_disk))

    assert int(struck) > 100


def strike_each(folder: Path, library: Path, steps: str) -> int:
    """Every step of two appends, once with each kind of fault; returns how many were struck.

    Args:
        steps: ``syncs`` and renames alone; the same with a checkpoint of the WAL after every turn
            (``rests``); or ``writes``, too, with a checkpoint at every commit.
    """
    disk, struck = ctypes.CDLL(str(library)), 0
    errors = {"syncs": (errno.EIO, 0), "rests": (errno.EIO, 0), "writes": (errno.ENOSPC, 0)}[steps]
    for error in errors:
        for step in range(1, STEPS):
            copy = folder.with_name(f"{error}-{step}")
            shutil.copytree(folder, copy)
            acknowledged = struck_process(copy, disk, step, error, steps)
            asyncio.run(all_are_there(copy, acknowledged))
            shutil.rmtree(copy)
            if b"end" in acknowledged:
                break
            struck += 1
        else:
            raise AssertionError("the appends never came to their end")
    return struck


def struck_process(
    folder: Path, disk: ctypes.CDLL, step: int, error: int, steps: str
) -> list[bytes]:
    """What a process acknowledged; then ``end`` if the step came to nothing."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()

        async def append() -> None:
            async with Trail.open(folder) as trail:
                if steps == "writes":
                    await trail._log.write(
                        lambda c: c.exec_driver_sql("PRAGMA wal_autocheckpoint = 1").all()
                    )
                if steps == "rests":
                    sqlite._ROWS_IN_WAL = 1
                disk.fault_arm(step, error, steps != "writes")
                for key in ("a", "b"):
                    await one(trail, key, theirs)
                seen = disk.fault_disarm()
                for key in ("a", "b", "c"):
                    await one(trail, key, theirs)
                theirs.send(b"end\n" if seen < step else b"")

        asyncio.run(append())
        os._exit(0)
    theirs.close()
    os.waitpid(child, 0)
    with ours:
        return b"".join(iter(lambda: ours.recv(65_536), b"")).split()


async def one(trail: Trail, key: str, told: socket.socket) -> None:
    """Append under a key that must be free; acknowledge it if a receipt came."""
    try:
        answer = await trail.append(entry(), expect={key: None})
    except NotRecordedError as error:
        assert error.reason == "STORE_FAILED"  # noqa: PT017  # in a process of its own
        return
    if isinstance(answer, Receipt):
        told.send(f"{key}={answer.index}={answer.leaf_hash.hex()}\n".encode())
    else:
        assert answer == Conflict(key, answer.index)


async def all_are_there(folder: Path, acknowledged: list[bytes]) -> None:
    async with Trail.open(folder) as trail:
        for line in acknowledged:
            if line != b"end":
                key, index, leaf_hash = line.decode().split("=")
                assert await trail.latest(key) == int(index)
                assert (await trail.read(int(index))).leaf_hash.hex() == leaf_hash
        keys = [line.split(b"=")[0] for line in acknowledged]
        assert len(set(keys)) == len(keys), "none is acknowledged twice"
        assert trail.size() <= 3, "none stands twice"
        assert isinstance(await trail.append(entry(), expect={"after": None}), Receipt)
    report = verify_store(folder)
    assert report.problems == ()


# ── a full disk ──────────────────────────────────────────────────────────────────────────────────


def test_where_no_file_may_grow_any_more_nothing_is_recorded_until_there_is_room(
    folder: Path,
) -> None:
    recorded, refused = run("fill_up", folder).split()

    assert int(recorded) > 5
    assert int(refused) > 0
    assert verify_store(folder).problems == ()


async def fill_up(folder: Path) -> str:
    """Append until the files have come to their limit, then raise it; what was the tally."""
    async with Trail.open(folder) as trail:
        limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, most))
        recorded, refused = [], 0
        while refused < 3:
            try:
                receipt = await trail.append(entry(20_000), expect={f"k{len(recorded)}": None})
                assert isinstance(receipt, Receipt)
                recorded.append(receipt)
            except NotRecordedError as error:
                assert error.reason == "STORE_FAILED"  # noqa: PT017  # in a process of its own
                refused += 1
        assert trail.size() == len(recorded)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
        for _ in range(3):
            answer = await trail.append(entry(), expect={f"k{len(recorded)}": None})
            assert isinstance(answer, Receipt)
            recorded.append(answer)
        assert [one.index for one in recorded] == list(range(len(recorded)))
    return f"{len(recorded)} {refused}"


if __name__ == "__main__":
    place = Path(sys.argv[2])
    if sys.argv[1] == "fill_up":
        sys.stdout.write(asyncio.run(fill_up(place)))
    else:
        sys.stdout.write(str(strike_each(place, Path(sys.argv[3]), sys.argv[4])))
