"""Whoever dies while a trail is made leaves nothing that stops the next; a lost store is told."""

import asyncio
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from audit import recovery
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


async def test_once_a_master_key_was_lost_not_all_tags_are_known(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        assert trail.opens_from == 0
    (folder / "master.key").unlink()
    await asyncio.to_thread(recovery.recover, folder, reason="lost", operator="o", now=NOW)

    async with Trail.open(folder) as trail:
        assert trail.opens_from > 0
