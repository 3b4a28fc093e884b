"""Whoever dies while a trail is made leaves nothing that stops the next; a lost store is told."""

import asyncio
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from audit import recovery
from audit.backup import backup, restore
from audit.doctor import diagnose
from audit.errors import StoreRefusedError
from audit.log.making import MARK
from audit.trail import Entry, Receipt, Trail
from audit.verify import verify_store

NOW = datetime(2030, 1, 2, tzinfo=UTC)

DIE = """
import os, sys
from pathlib import Path
from audit.trail import Trail

STEPS = {"open", "os.mkdir", "os.remove", "os.rename", "sqlite3.connect", "sqlite3.connect/handle"}

def make(folder, after):
    left = [after]
    def count(event, _arguments):
        if event in STEPS:
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)
    sys.addaudithook(count)
    Trail.create(folder, origin="test.invalid/miaopi")
    os._exit(0)

for after in range(1, 200):
    child = os.fork()
    if child == 0:
        make(Path(sys.argv[1]) / str(after), after)
    if os.waitpid(child, 0)[1] == 0:
        break
print(after)
"""


async def use(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        entry = Entry("decision/1", str(uuid4()), NOW, {}, {"text": "x"}, "resident_id:1")
        assert isinstance(await trail.append(entry, expect={}), Receipt)


def test_whoever_dies_at_any_step_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", DIE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    steps = int(ran.stdout)
    assert steps > 10, "it died before each of its steps"
    unfinished = 0
    for after in range(1, steps + 1):
        folder = tmp_path / str(after)
        unfinished += (folder / MARK).exists()
        if not Trail.is_in(folder):
            Trail.create(folder, origin="test.invalid/miaopi")
        assert not (folder / MARK).exists()
        asyncio.run(use(folder))
        assert verify_store(folder).problems == ()
    assert unfinished > 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Trail.create(tmp_path / "s", origin="test.invalid/miaopi")
    asyncio.run(use(tmp_path / "s"))
    return tmp_path / "s"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refused(folder: Path) -> StoreRefusedError:
    before = contents(folder)
    with pytest.raises(StoreRefusedError) as caught:
        Trail.create(folder, origin="test.invalid/miaopi")
    assert contents(folder) == before, "nothing is ever overwritten"
    return caught.value


def test_a_store_that_is_gone_beside_its_keys_is_told(folder: Path) -> None:
    (folder / "store.sqlite").unlink()

    error = refused(folder)

    assert error.reason == "STORE_LOST"
    assert "miaopi audit restore" in error.hint


def test_a_mark_does_not_bless_the_loss_of_a_store_that_was_used(folder: Path) -> None:
    (folder / MARK).touch()
    (folder / "store.sqlite").unlink()
    assert refused(folder).reason == "STORE_LOST"
    (folder / "checkpoint").unlink()
    assert refused(folder).reason == "STORE_LOST", "the anchor has seen an entry"


def test_keys_that_were_put_there_first_are_not_taken_for_a_half_made_trail(
    folder: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    for name in ("master.key", "signing.key"):
        shutil.copy(folder / name, new / name)

    assert refused(new).reason == "STORE_LOST"


def test_a_mark_beside_a_store_with_entries_is_only_taken_away(folder: Path) -> None:
    """As when a backup was put back where the making of another trail had broken off."""
    (folder / MARK).touch()
    (folder / "checkpoint").unlink()
    (folder / "anchor").rename(folder / "elsewhere")
    (folder / "master.key").rename(folder / "on its way")
    before = (folder / "store.sqlite").read_bytes()

    Trail.create(folder, origin="test.invalid/miaopi")

    assert (folder / "store.sqlite").read_bytes() == before
    assert not (folder / MARK).exists()
    assert not (folder / "master.key").exists()


def test_a_key_that_others_can_read_was_put_there_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    Trail.create(folder, origin="test.invalid/miaopi")
    (folder / MARK).touch()
    (folder / "master.key").chmod(0o644)

    assert refused(folder).reason == "KEY_EXPOSED"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        pytest.param({"anchor": "no/such/folder/anchor"}, "FOLDER_UNWRITABLE", id="no folder"),
        pytest.param({"database": "mysql://x/y"}, "DATABASE_INVALID", id="no database"),
    ],
)
def test_what_cannot_be_made_leaves_nothing(
    tmp_path: Path, wrong: dict[str, str], reason: str
) -> None:
    folder = tmp_path / "s"
    how: dict[str, Any] = {**wrong}
    if "anchor" in how:
        how["anchor"] = tmp_path / how["anchor"]

    with pytest.raises(StoreRefusedError) as caught:
        Trail.create(folder, origin="test.invalid/miaopi", **how)

    assert caught.value.reason == reason
    assert {path.name for path in folder.iterdir()} <= {"lock"}
    Trail.create(folder, origin="test.invalid/miaopi")
    asyncio.run(use(folder))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreRefusedError) as caught:
        Trail.create(tmp_path / "file" / "s", origin="test.invalid/miaopi")

    assert caught.value.reason == "FOLDER_UNWRITABLE"


def test_a_backup_is_put_back_where_a_trail_was_being_made(folder: Path, tmp_path: Path) -> None:
    backup(folder, tmp_path / "copy", now=NOW)
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    (new / MARK).touch()

    restore(tmp_path / "copy", new, now=NOW)

    assert not (new / MARK).exists()
    assert Trail.is_in(new)


def test_doctor_tells_of_what_was_not_made_to_its_end(folder: Path) -> None:
    (folder / MARK).touch()

    found = diagnose(folder, now=NOW)

    assert "MAKING_UNFINISHED" in [one.reason for one in found.findings]


MAKE = """
import sys
from pathlib import Path
from audit.errors import StoreRefusedError
from audit.trail import Trail

try:
    Trail.create(Path(sys.argv[1]), origin="test.invalid/miaopi")
except StoreRefusedError as refusal:
    print(refusal.reason)
else:
    print("made")
"""


def test_of_two_first_starts_one_makes_the_trail_and_spoils_nothing(tmp_path: Path) -> None:
    for round_ in range(5):
        folder = tmp_path / str(round_)
        started = [
            subprocess.Popen(
                [sys.executable, "-c", MAKE, str(folder)], stdout=subprocess.PIPE, text=True
            )
            for _ in range(3)
        ]
        told = [one.communicate()[0].strip() for one in started]

        assert told.count("made") == 1, told
        assert set(told) <= {"made", "STORE_IN_USE", "STORE_EXISTS"}
        asyncio.run(use(folder))


async def test_once_a_master_key_was_lost_not_all_tags_are_known(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        assert trail.opens_from == 0
    (folder / "master.key").unlink()
    await asyncio.to_thread(recovery.recover, folder, reason="lost", operator="o", now=NOW)

    async with Trail.open(folder) as trail:
        assert trail.opens_from > 0
