"""A new master key opens everything that lives, and no old backup; no crash loses both keys."""

import asyncio
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Connection, select
from typer.testing import CliRunner

from audit import recovery
from audit.backup import backup, restore
from audit.errors import StoreRefusedError
from audit.log import connections
from audit.log.anchor import Anchor
from audit.renewal import renew
from audit.trail import Entry, Trail
from audit.trail.projections import SERVICE_KEYS, SUBJECT_KEYS
from audit.verify import verify_store
from decision_service.cli import app as miaopi
from tests import disk

NOW = datetime(2030, 1, 2, tzinfo=UTC)
SUBJECTS = ("resident_id:990000199001010007", "resident_id:990000199001020001", "")


async def append(folder: Path) -> str:
    """One entry about each subject; returns the tag of the first."""
    async with Trail.open(folder) as trail:
        for subject in SUBJECTS:
            entry = Entry("decision/1", str(uuid4()), NOW, {}, {"text": "x"}, subject=subject)
            await trail.append(entry, expect={})
        return trail.tag(SUBJECTS[0])


async def subjects(folder: Path) -> list[str]:
    async with Trail.open(folder) as trail:
        return [(await trail.read(index)).subject for index in range(trail.size())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Trail.create(tmp_path / "s", origin="test.invalid/miaopi")
    asyncio.run(append(tmp_path / "s"))
    return tmp_path / "s"


def wrapped_keys(connection: Connection) -> list[bytes]:
    return [
        key
        for table in (SUBJECT_KEYS, SERVICE_KEYS)
        for key in connection.execute(select(table.c.wrapped)).scalars()
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def everything(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_everything_opens_as_before_and_nothing_of_the_old_is_left(folder: Path) -> None:
    old = [(folder / "master.key").read_bytes(), *connections.at(folder).look(wrapped_keys)]
    tag = await append(folder)
    assert len(old) == 5

    assert await renew(folder, now=NOW) == 7

    assert not any(one.strip() in everything(folder) for one in old)
    assert (folder / "master.key").stat().st_mode & 0o077 == 0
    assert not (folder / "master.key.next").exists()
    assert await append(folder) == tag, "the same person is still found"
    assert await subjects(folder) == [*SUBJECTS, *SUBJECTS, "", "", *SUBJECTS]
    assert verify_store(folder).problems == ()


async def test_an_old_backup_opens_only_with_the_key_of_its_day(
    folder: Path, tmp_path: Path
) -> None:
    old = (folder / "master.key").read_bytes()
    backup(folder, tmp_path / "backup", now=NOW)
    async with Trail.open(folder) as trail:
        assert await trail.erase(SUBJECTS[0], reason="r", time=NOW) is not None
    await renew(folder, now=NOW)
    restore(tmp_path / "backup", folder, now=NOW)

    damage = recovery.survey(folder)

    assert damage.lost_keys == ("master.key",)
    (folder / "master.key").write_bytes(old)
    assert recovery.survey(folder).lost_keys == ()


@pytest.mark.parametrize("committed", [True, False])
async def test_a_renewal_cut_short_loses_neither_key_nor_entry(
    folder: Path, tmp_path: Path, *, committed: bool
) -> None:
    """Killed after the new key was written, or after the store was."""
    shutil.copytree(folder, tmp_path / "before")
    await renew(folder, now=NOW)
    cut = folder if committed else tmp_path / "before"
    new, anchor = (folder / "master.key").read_bytes(), Anchor(folder / "anchor").read()
    (cut / "master.key.next").write_bytes(new)
    (cut / "master.key.next").chmod(0o600)
    if committed:
        shutil.copy(tmp_path / "before" / "master.key", cut / "master.key")
        shutil.copy(tmp_path / "before" / "anchor", cut / "anchor")
        assert verify_store(cut).problems == ()

    assert await subjects(cut) == [*SUBJECTS, "", ""][: 5 if committed else 3]

    assert not (cut / "master.key.next").exists()
    assert ((cut / "master.key").read_bytes() == new) is committed
    assert (Anchor(cut / "anchor").read() == anchor) is committed
    assert await renew(cut, now=NOW) == (6 if committed else 4)
    assert verify_store(cut).problems == ()


async def test_an_old_key_that_was_being_overwritten_does_no_harm(folder: Path) -> None:
    """Killed while the old key's file was half zeros."""
    await renew(folder, now=NOW)
    (folder / "master.key").rename(folder / "master.key.next")
    (folder / "master.key").write_bytes(bytes(20))
    (folder / "master.key").chmod(0o600)

    assert await subjects(folder) == [*SUBJECTS, "", ""]
    assert not (folder / "master.key.next").exists()


async def test_while_the_service_runs_no_key_is_renewed(folder: Path) -> None:
    before = (folder / "master.key").read_bytes()
    async with Trail.open(folder):
        with pytest.raises(StoreRefusedError) as caught:
            await renew(folder, now=NOW)
    assert caught.value.reason == "STORE_IN_USE"
    assert (folder / "master.key").read_bytes() == before


async def test_a_store_that_is_not_sound_is_not_touched(folder: Path) -> None:
    (folder / "anchor").unlink()
    (folder / "lock").unlink()
    before = files(folder)

    with pytest.raises(StoreRefusedError) as caught:
        await renew(folder, now=NOW)

    assert caught.value.reason == "ANCHOR_MISSING"
    (folder / "lock").unlink()
    assert before.items() <= files(folder).items()


async def test_the_disk_may_fail_after_the_store_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fdatasync", disk.fails)
    with pytest.raises(StoreRefusedError) as caught:
        await renew(folder, now=NOW)
    assert caught.value.reason == "RENEWAL_UNFINISHED"
    monkeypatch.undo()

    assert await subjects(folder) == [*SUBJECTS, ""]
    assert verify_store(folder).problems == ()
    assert await renew(folder, now=NOW) == 4
    assert verify_store(folder).problems == ()


async def test_what_a_lost_master_had_wrapped_stays_as_it_is(folder: Path) -> None:
    (folder / "master.key").unlink()
    recovery.recover(folder, reason="r", operator="o", now=NOW)
    await append(folder)

    await renew(folder, now=NOW)

    assert await subjects(folder) == ["", "", "", "", *SUBJECTS, "", ""]
    assert verify_store(folder).problems == ()


def test_the_command_says_that_the_key_needs_a_new_backup(folder: Path) -> None:
    done = CliRunner().invoke(miaopi, ["audit", "renew-key", "--store", str(folder)])

    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "主密钥已更换，记入第 4 条" in said
    assert "on record as entry 4: back it up" in said
