"""The doctor names everything that is wrong with a store, says what to do, and touches nothing."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from audit import recovery
from audit.doctor import Diagnosis, Level, diagnose
from audit.errors import StoreRefusedError
from audit.trail import Entry, Trail
from decision_service.__main__ import app as miaopi

ROOT = Path(__file__).parents[2]


def entry() -> Entry:
    return Entry("decision/1", str(uuid4()), datetime.now(UTC), {"matter": "m"}, {"x": "y"})


async def append(folder: Path, count: int) -> None:
    async with Trail.open(folder) as trail:
        for _ in range(count):
            await trail.append(entry(), expect={})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A trail of five entries, closed."""
    Trail.create(tmp_path / "s", origin="test.invalid/miaopi")
    asyncio.run(append(tmp_path / "s", 5))
    return tmp_path / "s"


def look(folder: Path) -> Diagnosis:
    return diagnose(folder, now=datetime.now(UTC))


def reasons(found: Diagnosis, *levels: Level) -> list[str]:
    return [one.reason for one in found.findings if one.level in (levels or tuple(Level))]


def test_a_sound_store_is_found_sound(folder: Path) -> None:
    found = look(folder)

    assert found.sound
    assert found.head is not None
    assert (found.head.size, found.anchored_size, found.signed_size) == (5, 5, 5)
    assert (found.holder, found.wal_bytes, found.inflight) == (None, 0, 0)
    assert found.checkpoint_age is not None
    assert timedelta(0) <= found.checkpoint_age < timedelta(minutes=5)
    assert reasons(found) == ["ANCHOR_ON_SAME_DISK"]


async def test_beside_a_running_service_it_tells_who_runs(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        trail.inflight.begin("r")
        await trail.append(entry(), expect={})
        writing = asyncio.create_task(write(trail))
        for _ in range(10):
            found = await asyncio.to_thread(look, folder)
            assert found.holder == str(os.getpid())
            assert found.wal_bytes > 0
            assert found.inflight == 1
            assert reasons(found, Level.STOP, Level.WARN) == []
        writing.cancel()


async def write(trail: Trail) -> None:
    while True:
        await trail.append(entry(), expect={})


def execute(statement: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        connection = sqlite3.connect(folder / "store.sqlite", isolation_level=None)
        connection.execute(statement)
        connection.close()

    return run


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def fill(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


def old_store(folder: Path) -> None:
    before = (folder / "store.sqlite").read_bytes()
    asyncio.run(append(folder, 3))
    (folder / "store.sqlite").write_bytes(before)


def old_store_and_anchor(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in ("store.sqlite", "anchor")}
    asyncio.run(append(folder, 3))
    for name, content in before.items():
        (folder / name).write_bytes(content)


def fork(folder: Path) -> None:
    other = folder.with_name("other")
    shutil.copytree(folder, other)
    asyncio.run(append(folder, 1))
    asyncio.run(append(other, 2))
    shutil.copy(other / "store.sqlite", folder)


def another_log(folder: Path) -> None:
    Trail.create(folder.with_name("other"), origin="another.invalid")
    shutil.copy(folder.with_name("other") / "anchor", folder)


def another_key(folder: Path) -> None:
    Trail.create(folder.with_name("other"), origin="test.invalid/miaopi")
    shutil.copy(folder.with_name("other") / "signing.key", folder)


def link(folder: Path) -> None:
    """So that a service of another folder holds another lock, and writes another WAL."""
    (folder / "other").hardlink_to(folder / "store.sqlite")


def symbolic_link(folder: Path) -> None:
    (folder / "store.sqlite").rename(folder / "elsewhere")
    (folder / "store.sqlite").symlink_to(folder / "elsewhere")


def journal(folder: Path) -> None:
    """As a program leaves it that wrote the file in another mode, and was killed."""
    pages = bytes.fromhex("d9d505f920a163d7") + bytes(504)
    (folder / "store.sqlite-journal").write_bytes(pages)


@pytest.mark.parametrize(
    ("spoil", "stops"),
    [
        pytest.param(link, ["STORE_LINKED"], id="another name"),
        pytest.param(symbolic_link, ["STORE_LINKED"], id="a link"),
        pytest.param(journal, ["STORE_UNREADABLE"], id="journal"),
        pytest.param(remove("anchor"), ["ANCHOR_MISSING"], id="anchor missing"),
        pytest.param(fill("anchor", "x"), ["ANCHOR_INVALID"], id="anchor unreadable"),
        pytest.param(remove("signing.key"), ["KEY_MISSING"], id="signing key missing"),
        pytest.param(remove("master.key"), ["KEY_MISSING"], id="master key missing"),
        pytest.param(fill("master.key", "A" * 43 + "="), ["KEY_INVALID"], id="master key wrong"),
        pytest.param(another_key, ["KEYS_DIFFER"], id="signing key wrong"),
        pytest.param(
            lambda folder: (folder / "master.key").chmod(0o640), ["KEY_EXPOSED"], id="key exposed"
        ),
        pytest.param(
            old_store, ["STORE_BEHIND_ANCHOR", "STORE_BEHIND_CHECKPOINT"], id="old backup"
        ),
        pytest.param(
            old_store_and_anchor, ["STORE_BEHIND_CHECKPOINT"], id="old backup and old anchor"
        ),
        pytest.param(fork, ["STORE_FORKED", "STORE_FORKED"], id="fork"),
        pytest.param(another_log, ["STORE_FOREIGN"], id="anchor of another log"),
        pytest.param(execute("UPDATE log_head SET schema = 7"), ["SCHEMA_UNKNOWN"], id="schema"),
        pytest.param(execute("UPDATE log_head SET size = 4"), ["STORE_DAMAGED"], id="head"),
        pytest.param(execute("UPDATE log_head SET size = 'x'"), ["STORE_DAMAGED"], id="size"),
        pytest.param(
            execute("UPDATE log_head SET size = 9223372036854775807"), ["STORE_DAMAGED"], id="huge"
        ),
        pytest.param(execute("UPDATE log_head SET root = 7"), ["STORE_DAMAGED"], id="root"),
        pytest.param(
            execute("DELETE FROM log_entries WHERE idx = 4"), ["STORE_DAMAGED"], id="last entry"
        ),
        pytest.param(execute("DELETE FROM service_keys"), ["STORE_DAMAGED"], id="no key for tags"),
        pytest.param(
            execute("UPDATE service_keys SET wrapped = 'x'"), ["KEY_INVALID"], id="key as text"
        ),
        pytest.param(execute("DROP TABLE log_tiles"), ["STORE_UNREADABLE"], id="table gone"),
        pytest.param(
            fill("store.sqlite", "nonsense" * 999), ["STORE_UNREADABLE"], id="no database"
        ),
    ],
)
def test_what_keeps_the_service_from_starting_is_named(
    folder: Path, spoil: Callable[[Path], object], stops: list[str]
) -> None:
    spoil(folder)
    before = state(folder)

    found = look(folder)

    assert reasons(found, Level.STOP) == stops
    assert not found.sound
    assert all(one.zh and one.hint for one in found.findings)
    assert state(folder) == before, "it never writes"
    with pytest.raises(StoreRefusedError) as refused:
        Trail.open(folder)
    assert refused.value.reason in stops, "and the service says the same"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: folder.chmod(0o750), "STORE_EXPOSED"),
        (lambda folder: (folder / "store.sqlite").chmod(0o644), "STORE_EXPOSED"),
        (remove("verifier.key"), "VERIFIER_KEY_MISSING"),
        (remove("checkpoint"), "CHECKPOINT_MISSING"),
        (fill("checkpoint", "nonsense"), "CHECKPOINT_MISSING"),
    ],
)
def test_what_somebody_should_do_something_about_is_a_warning(
    folder: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    spoil(folder)

    found = look(folder)

    assert found.sound
    assert reasons(found, Level.WARN) == [reason]
    asyncio.run(append(folder, 1))


def test_what_a_killed_process_leaves_is_told_and_is_no_loss(folder: Path) -> None:
    code = """
import asyncio, os, sys
from pathlib import Path
from audit.trail import Entry, Trail
from datetime import UTC, datetime
async def main():
    trail = Trail.open(Path(sys.argv[1]))
    trail.inflight.begin("r")
    await trail.append(Entry("decision/1", "0" * 36, datetime.now(UTC), {}, {}), expect={})
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    anchor = (folder / "anchor").read_bytes()
    killed = subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    (folder / "anchor").write_bytes(anchor)

    found = look(folder)

    assert found.sound
    assert (found.head and found.head.size, found.inflight) == (6, 1)
    assert reasons(found) == [
        "ANCHOR_ON_SAME_DISK",
        "INFLIGHT_LEFT",
        "WAL_LEFT",
        "NOT_YET_SIGNED",
    ]


def test_a_recovery_is_told_for_ever(folder: Path) -> None:
    (folder / "anchor").unlink()
    recovery.recover(folder, reason="r", operator="o", now=datetime.now(UTC))

    assert "RECOVERED" in reasons(look(folder), Level.NOTE)


def test_the_command_says_it_in_both_languages_and_exits_accordingly(folder: Path) -> None:
    sound = doctor(folder)
    assert sound.exit_code == 0, sound.output
    assert "✔ 可以启动" in sound.output

    (folder / "anchor").unlink()
    ill = doctor(folder)
    assert ill.exit_code == 1
    said = " ".join(ill.output.split())
    assert "✘ the anchor of this store is missing (ANCHOR_MISSING)" in said
    assert (
        "本记录库的锚缺少；请放回原处的文件，在他处的以 `MIAOPI_ANCHOR` 指明，"
        "确已丢失则用 `miaopi audit recover --reason`" in said
    )
    report = json.loads(doctor(folder, "--json").stdout)
    assert (report["ok"], report["size"], report["anchored_size"]) == (False, 5, None)
    assert report["findings"][0]["reason"] == "ANCHOR_MISSING"


def test_a_folder_without_a_store_is_an_error(tmp_path: Path) -> None:
    nothing = doctor(tmp_path)
    assert nothing.exit_code == 1
    assert "该目录下没有决定记录" in nothing.output


def doctor(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(miaopi, ["doctor", "--store", str(folder), *options])


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
