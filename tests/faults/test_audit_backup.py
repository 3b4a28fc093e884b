"""A backup is one instant, verified, without what would undo the anchor or an erasure."""

import asyncio
import json
import resource
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from pyrage import decrypt, x25519
from typer.testing import CliRunner

from audit import recovery
from audit.backup import Backup, backup, restore
from audit.errors import StoreRefusedError, TamperedError
from audit.trail import Entry, Receipt, Trail
from audit.verify import verify_receipt_in, verify_store
from decision_service.cli import app as miaopi

NOW = datetime(2030, 1, 2, tzinfo=UTC)


def entry() -> Entry:
    return Entry(
        type="decision/1",
        id=str(uuid4()),
        time=datetime.now(UTC),
        permanent={"matter": "m"},
        sealed={"text": "x" * 200},
        subject="resident_id:990000199001010007",
    )


async def append(folder: Path, count: int) -> str:
    """Append entries; returns the receipt of the last."""
    async with Trail.open(folder) as trail:
        for _ in range(count):
            receipt = await trail.append(entry(), expect={})
            assert isinstance(receipt, Receipt)
        return await trail.receipt(receipt.index)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A trail of five entries, closed."""
    Trail.create(tmp_path / "s", origin="test.invalid/miaopi")
    asyncio.run(append(tmp_path / "s", 5))
    return tmp_path / "s"


def back_up(folder: Path, name: str = "backup") -> Backup:
    return backup(folder, folder.with_name(name), now=NOW)


def refused(folder: Path) -> str:
    """Why the trail in that folder is not opened; it must not be."""
    with pytest.raises(StoreRefusedError) as caught:
        Trail.open(folder)
    return caught.value.reason


async def test_behind_a_link_a_store_is_read_with_what_its_service_wrote_last(
    folder: Path, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    async with Trail.open(folder) as trail:
        await trail.append(entry(), expect={})
        shutil.copytree(folder, linked, ignore=shutil.ignore_patterns("store.sqlite*"))
        (linked / "store.sqlite").symlink_to(folder / "store.sqlite")

        taken = await asyncio.to_thread(back_up, linked)
        found = await asyncio.to_thread(verify_store, linked)

    assert (taken.head.size, found.problems) == (6, ())


async def test_a_backup_is_taken_while_the_service_writes_and_each_is_one_instant(
    folder: Path,
) -> None:
    async with Trail.open(folder) as trail:

        async def write() -> None:
            for _ in range(20):
                await asyncio.gather(*(trail.append(entry(), expect={}) for _ in range(20)))

        writing, taken = asyncio.create_task(write()), []
        while not writing.done():
            taken.append(await asyncio.to_thread(back_up, folder, f"b{len(taken)}"))
        await writing
        assert trail.size() == 405

    assert len(taken) > 1
    for i, one in enumerate(taken):
        copied = folder.with_name(f"b{i}")
        report = verify_store(copied)
        assert (report.problems, report.derived) == ((), one.head)
        assert 0 < report.signed_size <= one.head.size
        assert {p.name for p in copied.iterdir()} == {
            "store.sqlite",
            "verifier.key",
            "checkpoint",
            "backup.json",
        }, "neither keys nor anchor, and no WAL"
        assert all(p.stat().st_mode & 0o077 == 0 for p in [copied, *copied.iterdir()])
    assert verify_store(folder).problems == ()


def test_a_backup_of_a_store_at_rest_changes_nothing_in_it(folder: Path) -> None:
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.glob("*.*")}

    back_up(folder)

    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.glob("*.*")} == before


async def test_an_old_backup_is_refused_recovered_lawfully_and_goes_on(folder: Path) -> None:
    back_up(folder)
    lost = await append(folder, 3)

    aside = restore(folder.with_name("backup"), folder, now=NOW)

    assert aside is not None
    assert refused(folder) == "STORE_BEHIND_ANCHOR"
    recovery.recover(folder, reason="disk failed", operator="ops-3", now=NOW)
    kept = await append(folder, 2)
    report = verify_store(folder)
    assert (report.problems, report.derived.size) == ((), 8)
    assert list(report.recoveries[0].lost) == [5, 6, 7]
    verify_receipt_in(folder, kept)
    with pytest.raises(TamperedError) as caught:
        verify_receipt_in(folder, lost)
    assert caught.value.reason == "ENTRY_LOST"
    assert (aside / "store.sqlite").exists(), "what was replaced is kept"


async def test_the_newest_backup_needs_no_recovery(folder: Path) -> None:
    back_up(folder)
    (folder / "store.sqlite").unlink()

    assert restore(folder.with_name("backup"), folder, now=NOW) is None
    await append(folder, 1)
    assert verify_store(folder).problems == ()


async def test_a_wal_of_the_replaced_store_does_not_get_into_the_restored_one(
    folder: Path, tmp_path: Path
) -> None:
    back_up(folder)
    async with Trail.open(folder) as trail:
        await trail.append(entry(), expect={})
        wal = (folder / "store.sqlite-wal").read_bytes()
    (folder / "store.sqlite-wal").write_bytes(wal)

    aside = restore(folder.with_name("backup"), folder, now=NOW)

    assert aside is not None
    assert (aside / "store.sqlite-wal").read_bytes() == wal
    assert not (folder / "store.sqlite-wal").exists()
    assert refused(folder) == "STORE_BEHIND_ANCHOR"


def test_keys_go_along_only_encrypted_to_somebody_else(folder: Path) -> None:
    identity = x25519.Identity.generate()

    done = backup(folder, folder.with_name("backup"), now=NOW, recipient=str(identity.to_public()))

    assert done.keys == ("master.key.age", "signing.key.age")
    for name in ("master.key", "signing.key"):
        key = (folder / name).read_bytes()
        encrypted = folder.with_name("backup") / f"{name}.age"
        assert decrypt(encrypted.read_bytes(), [identity]) == key
        assert encrypted.stat().st_mode & 0o077 == 0
        everything = b"".join(p.read_bytes() for p in folder.with_name("backup").iterdir())
        assert key.strip() not in everything


def test_who_is_no_age_key_gets_no_keys(folder: Path) -> None:
    with pytest.raises(StoreRefusedError) as caught:
        backup(folder, folder.with_name("backup"), now=NOW, recipient="age1nobody")

    assert caught.value.reason == "RECIPIENT_INVALID"
    assert not folder.with_name("backup").exists()


def test_a_copy_that_does_not_verify_is_not_kept(folder: Path) -> None:
    execute(folder, "UPDATE sealed SET content = zeroblob(99) WHERE idx = 2")

    with pytest.raises(StoreRefusedError) as caught:
        back_up(folder)

    assert caught.value.reason == "STORE_DAMAGED"
    assert str(caught.value).startswith("the copy does not follow from its entries: entry `2`")
    assert [p.name for p in folder.parent.iterdir()] == ["s"]


def test_a_backup_is_never_made_over_another(folder: Path) -> None:
    back_up(folder)
    with pytest.raises(StoreRefusedError) as caught:
        back_up(folder)
    assert caught.value.reason == "BACKUP_EXISTS"


def test_a_backup_that_was_changed_is_told_and_not_put_back(folder: Path) -> None:
    back_up(folder)
    copied = folder.with_name("backup")
    execute(copied, "UPDATE log_head SET id = 0")  # the same content in another file
    execute(copied, "VACUUM")

    report = verify_store(copied)
    assert [p.what for p in report.problems] == ["the store is not the file that was backed up"]
    with pytest.raises(StoreRefusedError) as caught:
        restore(copied, folder, now=NOW)
    assert caught.value.reason == "BACKUP_CHANGED"
    assert verify_store(folder).problems == ()


def test_a_disk_that_fills_up_leaves_no_half_store(folder: Path) -> None:
    back_up(folder)
    before = {path.name for path in folder.iterdir()}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limit[1]))
    try:
        with pytest.raises(StoreRefusedError) as caught:
            restore(folder.with_name("backup"), folder, now=NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    assert caught.value.reason == "COPY_FAILED"
    assert {path.name for path in folder.iterdir()} == before
    assert restore(folder.with_name("backup"), folder, now=NOW) is not None
    assert (folder / "store.sqlite").stat().st_mode & 0o077 == 0


async def test_nothing_is_put_back_under_a_running_service(folder: Path) -> None:
    back_up(folder)
    async with Trail.open(folder):
        with pytest.raises(StoreRefusedError) as caught:
            restore(folder.with_name("backup"), folder, now=NOW)
    assert caught.value.reason == "STORE_IN_USE"


def test_a_backup_cannot_be_served(folder: Path) -> None:
    back_up(folder)
    assert refused(folder.with_name("backup")) == "ANCHOR_MISSING"


def test_the_commands_say_what_is_left_out_and_what_comes_next(folder: Path) -> None:
    to = folder.with_name("backup")

    done = miaopi_says("audit", "backup", "--store", folder, "--to", to)
    manifest = json.loads((to / "backup.json").read_text())
    assert "✔ 已备份并查验 5 条 | 5 entries copied and verified" in done
    assert f"sha256 {manifest['sha256']}" in done
    assert "! 不含密钥" in done
    assert "without the anchor: put back with an old store it would hide" in done
    put_back = miaopi_says("audit", "restore", "--store", folder, "--from", to)
    assert "✔ 备份已放回" in put_back
    assert "`miaopi audit recover --reason`" in put_back
    verified = miaopi_says("audit", "verify", "--store", to)
    assert "whether anything is newer: a backup has no anchor" in verified


def miaopi_says(*arguments: object) -> str:
    result = CliRunner().invoke(miaopi, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def execute(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "store.sqlite", isolation_level=None)
    connection.execute(statement)
    connection.close()
