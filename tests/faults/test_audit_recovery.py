"""The lawful way back: on record for ever, never by itself, and never over damaged entries."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from audit import recovery
from audit.errors import ErasedError, StoreRefusedError, TamperedError
from audit.log.anchor import Anchor
from audit.trail import ERASED, Entry, Receipt, Trail
from audit.verify import verify_receipt, verify_receipt_in, verify_store

NOW = datetime(2030, 1, 2, tzinfo=UTC)
SUBJECT = "resident_id:990000199001010007"


def entry() -> Entry:
    return Entry(
        type="decision/1",
        id=str(uuid4()),
        time=datetime.now(UTC),
        permanent={"matter": "old_age_allowance"},
        sealed={"text": "x"},
        subject=SUBJECT,
        notice="您的申请已批准。",
    )


async def append(folder: Path, count: int) -> list[str]:
    """Append entries; returns the receipts of all."""
    async with Trail.open(folder) as trail:
        indices = []
        for _ in range(count):
            receipt = await trail.append(entry(), expect={})
            assert isinstance(receipt, Receipt)
            indices.append(receipt.index)
        return [await trail.receipt(index) for index in indices]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A trail of five entries, closed."""
    Trail.create(tmp_path / "s", origin="test.invalid/miaopi")
    asyncio.run(append(tmp_path / "s", 5))
    return tmp_path / "s"


def recover(folder: Path) -> recovery.Recovery:
    return recovery.recover(folder, reason="disk of host 7 failed", operator="ops-3", now=NOW)


def state(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != "lock"}


# ── a restored backup ────────────────────────────────────────────────────────────────────────────


async def test_a_restored_backup_is_refused_recovered_on_record_and_goes_on(folder: Path) -> None:
    backup = (folder / "store.sqlite").read_bytes()
    lost = await append(folder, 3)
    anchor, checkpoint = Anchor(folder / "anchor").read(), (folder / "checkpoint").read_text()
    (folder / "store.sqlite").write_bytes(backup)
    with pytest.raises(StoreRefusedError) as refused:
        Trail.open(folder)
    assert refused.value.reason == "STORE_BEHIND_ANCHOR"

    done = recover(folder)

    assert (done.index, list(done.lost), done.operator) == (5, [5, 6, 7], "ops-3")
    assert (done.anchor, done.checkpoint) == (anchor.text, checkpoint), "kept as evidence"
    assert [line.split(": ")[0] for line in done.found] == [
        "STORE_BEHIND_ANCHOR",
        "STORE_BEHIND_CHECKPOINT",
    ]
    kept = await append(folder, 4)
    report = verify_store(folder)
    assert (report.problems, report.derived.size) == ((), 10)
    assert report.recoveries == (done,), "seen for ever"
    for receipt in lost:
        assert verify_receipt(receipt).subject == SUBJECT, "genuine"
        with pytest.raises(TamperedError) as caught:
            verify_receipt_in(folder, receipt)
        assert caught.value.reason == "ENTRY_LOST"
        assert str(caught.value) == "the log held this entry and lost it before its recovery at `5`"
    for receipt in kept:
        assert verify_receipt_in(folder, receipt).origin == "test.invalid/miaopi"


async def test_a_checkpoint_kept_elsewhere_shows_the_loss(folder: Path) -> None:
    backup = (folder / "store.sqlite").read_bytes()
    await append(folder, 3)
    outside = (folder / "checkpoint").read_text()
    (folder / "store.sqlite").write_bytes(backup)
    recover(folder)
    await append(folder, 10)

    report = verify_store(folder, checkpoint=outside)

    assert [problem.what for problem in report.problems] == [
        "the given checkpoint of size 8 is not of these entries; the recovery at 5 tells of a loss"
    ]


async def test_an_old_store_with_its_old_anchor_is_refused_by_the_signed_checkpoint(
    folder: Path,
) -> None:
    old = {name: (folder / name).read_bytes() for name in ("store.sqlite", "anchor")}
    await append(folder, 3)
    for name, content in old.items():
        (folder / name).write_bytes(content)

    with pytest.raises(StoreRefusedError) as refused:
        Trail.open(folder)

    assert refused.value.reason == "STORE_BEHIND_CHECKPOINT"
    assert str(refused.value) == "the store has 5 entries, its signed checkpoint has seen 8"
    assert recover(folder).known_size == 8


async def test_a_fork_is_recovered_and_the_other_branch_stays_known(
    folder: Path, tmp_path: Path
) -> None:
    fork = tmp_path / "fork"
    shutil.copytree(folder, fork)
    (lost,) = await append(folder, 1)
    await append(fork, 2)
    shutil.copy(fork / "store.sqlite", folder / "store.sqlite")

    done = recover(folder)

    assert done.index == 7
    assert all(line.startswith("STORE_FORKED") for line in done.found)
    assert verify_store(folder).problems == ()
    with pytest.raises(TamperedError) as caught:
        verify_receipt_in(folder, lost)
    assert caught.value.reason == "ENTRY_LOST"


# ── lost keys and anchors ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "spoil", [lambda path: path.unlink(), lambda path: path.write_text("nonsense")]
)
async def test_a_lost_anchor_is_begun_again_on_record(
    folder: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(folder / "anchor")

    done = recover(folder)

    assert done.found[0].startswith(("ANCHOR_MISSING", "ANCHOR_INVALID"))
    assert done.anchor == ""
    assert Anchor(folder / "anchor").read().size == 6
    await append(folder, 1)
    assert verify_store(folder).problems == ()


async def test_a_lost_signing_key_is_replaced_on_record_and_old_receipts_hold(
    folder: Path,
) -> None:
    (old,) = await append(folder, 1)
    old_key = (folder / "verifier.key").read_text().strip()
    (folder / "signing.key").unlink()

    done = recover(folder)

    (new,) = await append(folder, 1)
    new_key = (folder / "verifier.key").read_text().strip()
    assert (done.old_verifier_key, done.verifier_key) == (old_key, new_key)
    assert done.lost_keys == ("signing.key",)
    assert (folder / "signing.key").stat().st_mode & 0o077 == 0
    assert verify_store(folder).problems == ()
    for receipt, key in ((old, old_key), (new, new_key)):
        assert verify_receipt(receipt, key=key).key_is_given
        assert verify_receipt_in(folder, receipt).verifier_key == key


async def test_a_lost_master_key_loses_sealed_parts_and_says_so(folder: Path) -> None:
    (folder / "master.key").write_text("nonsense")

    done = recover(folder)

    assert done.lost_keys == ("master.key",)
    assert (folder / "master.key.before-recovery-5").read_text() == "nonsense"
    await append(folder, 1)
    async with Trail.open(folder) as trail:
        lost = await trail.read(4)
        assert (lost.sealed, lost.subject) == (ERASED, "")
        assert lost.permanent == {"matter": "old_age_allowance"}
        assert (await trail.read(6)).subject == SUBJECT
        with pytest.raises(ErasedError):
            await trail.receipt(4)
        await trail.receipt(6)
    report = verify_store(folder)
    assert report.problems == ()
    assert report.recoveries == (done,)


def test_everything_at_once_is_one_recovery(folder: Path) -> None:
    for name in ("anchor", "signing.key", "master.key", "verifier.key", "checkpoint"):
        (folder / name).unlink()

    done = recover(folder)

    assert [line.split(": ")[0] for line in done.found] == [
        "ANCHOR_MISSING",
        "KEY_MISSING",
        "KEY_MISSING",
    ]
    assert verify_store(folder).problems == ()


def test_recoveries_follow_one_another(folder: Path) -> None:
    dones = []
    for _ in range(3):
        (folder / "anchor").unlink()
        dones.append(recover(folder))

    assert [done.previous for done in dones] == [None, 5, 6]
    assert verify_store(folder).recoveries == tuple(dones)


# ── when it must not be ──────────────────────────────────────────────────────────────────────────


def test_where_nothing_is_wrong_nothing_is_done(folder: Path) -> None:
    before = state(folder)

    with pytest.raises(StoreRefusedError) as caught:
        recover(folder)

    assert caught.value.reason == "NOTHING_TO_RECOVER"
    assert state(folder) == before


async def test_while_the_service_runs_nothing_is_done(folder: Path) -> None:
    async with Trail.open(folder):
        (folder / "anchor").unlink()
        with pytest.raises(StoreRefusedError) as caught:
            recover(folder)
    assert caught.value.reason == "STORE_IN_USE"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "two\nlines"])
def test_a_reason_is_needed(folder: Path, reason: str) -> None:
    (folder / "anchor").unlink()
    with pytest.raises(StoreRefusedError) as caught:
        recovery.recover(folder, reason=reason, operator="o", now=NOW)
    assert caught.value.reason == "REASON_INVALID"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE log_entries SET leaf = x'7b7d' WHERE idx = 2", "STORE_DAMAGED"),
        ("UPDATE sealed SET content = zeroblob(99) WHERE idx = 2", "STORE_DAMAGED"),
        ("UPDATE log_head SET size = 4", "STORE_DAMAGED"),
        ("UPDATE log_head SET schema = 5", "SCHEMA_UNKNOWN"),
        ("UPDATE log_head SET origin = 'another.invalid'", "STORE_FOREIGN"),
        ("DROP TABLE log_head", "STORE_UNREADABLE"),
    ],
)
def test_a_store_that_is_itself_damaged_is_not_blessed(
    folder: Path, statement: str, reason: str
) -> None:
    connection = sqlite3.connect(folder / "store.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()
    (folder / "master.key").unlink()
    before = state(folder)

    with pytest.raises(StoreRefusedError) as caught:
        recover(folder)

    assert caught.value.reason == reason
    assert {**state(folder), "store.sqlite": b""} == {**before, "store.sqlite": b""}


def test_a_public_key_that_is_not_the_signing_keys_is_refused(folder: Path, tmp_path: Path) -> None:
    Trail.create(tmp_path / "other", origin="test.invalid/miaopi")
    shutil.copy(tmp_path / "other" / "verifier.key", folder / "verifier.key")

    for attempt in (lambda: Trail.open(folder), lambda: recover(folder)):
        with pytest.raises(StoreRefusedError) as caught:
            attempt()
        assert caught.value.reason == "KEYS_DIFFER"


async def test_a_recovery_cut_short_is_gone_on_with_and_both_are_on_record(folder: Path) -> None:
    """The disk fails after the entry is written and before the anchor is."""
    backup = (folder / "store.sqlite").read_bytes()
    await append(folder, 3)
    (folder / "store.sqlite").write_bytes(backup)
    blocked = folder / "anchor.draft"
    blocked.mkdir()

    with pytest.raises(StoreRefusedError) as caught:
        recover(folder)
    assert caught.value.reason == "RECOVERY_UNFINISHED"
    with pytest.raises(StoreRefusedError):
        Trail.open(folder)
    blocked.rmdir()
    recover(folder)

    await append(folder, 1)
    report = verify_store(folder)
    assert report.problems == ()
    assert [one.index for one in report.recoveries] == [5, 6]
