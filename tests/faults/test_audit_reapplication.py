"""A restored backup brings back what was erased since; it is erased again from what is left."""

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from audit import recovery
from audit.backup import backup, restore
from audit.errors import HeldError, StoreRefusedError
from audit.export import export
from audit.reapplication import Reapplied, reapply
from audit.trail import ERASED, Entry, Trail
from audit.trail.holds import Scope
from audit.verify import verify_store
from decision_service.cli import app as miaopi

NOW = datetime(2030, 1, 2, tzinfo=UTC)
GONE, STAYS = "resident_id:990000199001010007", "resident_id:990000199001020001"


def entry(subject: str) -> Entry:
    return Entry("decision/1", str(uuid4()), NOW, {"matter": "m"}, {"text": "x" * 90}, subject)


async def before(folder: Path) -> None:
    Trail.create(folder, origin="test.invalid/miaopi")
    async with Trail.open(folder) as trail:
        for subject in (GONE, STAYS, STAYS, GONE, STAYS):
            await trail.append(entry(subject), expect={})


async def since(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        await trail.append(entry(GONE), expect={})
        await trail.erase(GONE, reason="r", time=NOW)
        await trail.erase_entries([1], reason="r", time=NOW, told={})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A trail whose backup was put back after two erasures, recovered; the old one in ``aside``."""
    folder = tmp_path / "s"
    asyncio.run(before(folder))
    backup(folder, tmp_path / "backup", now=NOW)
    asyncio.run(since(folder))
    export(folder, tmp_path / "export", now=NOW)
    aside = restore(tmp_path / "backup", folder, now=NOW)
    assert aside is not None
    shutil.copytree(aside, tmp_path / "aside")
    recovery.recover(folder, reason="restored", operator="o", now=NOW)
    return folder


async def opens(folder: Path) -> list[bool]:
    async with Trail.open(folder) as trail:
        return [(await trail.read(index)).sealed is not ERASED for index in range(5)]


@pytest.mark.parametrize("source", ["aside", "export"])
def test_what_was_erased_is_erased_again_and_nothing_else(
    folder: Path, tmp_path: Path, source: str
) -> None:
    assert asyncio.run(opens(folder)) == [True] * 5

    done = reapply(folder, tmp_path / source, operator="o", now=NOW)

    assert done == Reapplied(6, (0, 1, 3))
    assert asyncio.run(opens(folder)) == [False, False, True, False, True]
    assert verify_store(folder).problems == ()
    assert reapply(folder, tmp_path / source, operator="o", now=NOW) == Reapplied(-1, ())


def test_nothing_of_it_is_left_in_any_file(folder: Path, tmp_path: Path) -> None:
    async def tag() -> bytes:
        async with Trail.open(folder) as trail:
            return trail.tag(GONE).encode()

    trace = asyncio.run(tag())
    shutil.rmtree(next(folder.glob("replaced-*")))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(trace in path.read_bytes() for path in files)

    reapply(folder, tmp_path / "aside", operator="o", now=NOW)

    assert not any(trace in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_entries_of_another_log_are_not_erased(folder: Path, tmp_path: Path) -> None:
    asyncio.run(before(tmp_path / "other"))
    asyncio.run(since(tmp_path / "other"))

    assert reapply(folder, tmp_path / "other", operator="o", now=NOW) == Reapplied(-1, ())


def test_a_hold_and_a_running_service_forbid_it(folder: Path, tmp_path: Path) -> None:
    async def hold() -> None:
        async with Trail.open(folder) as trail:
            with pytest.raises(StoreRefusedError) as caught:
                await asyncio.to_thread(reapply, folder, tmp_path / "aside", operator="o", now=NOW)
            assert caught.value.reason == "STORE_IN_USE"
            await trail.place_hold(Scope(subject=GONE), reason="r", time=NOW, told={})

    asyncio.run(hold())
    with pytest.raises(HeldError):
        reapply(folder, tmp_path / "aside", operator="o", now=NOW)
    assert asyncio.run(opens(folder)) == [True] * 5


def test_a_source_that_was_changed_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "export" / "tile" / "0" / "000.p" / "8").write_bytes(b"")

    with pytest.raises(StoreRefusedError) as caught:
        reapply(folder, tmp_path / "export", operator="o", now=NOW)

    assert caught.value.reason == "SOURCE_DAMAGED"


def test_as_operators_type_it(folder: Path, tmp_path: Path) -> None:
    def again() -> str:
        done = CliRunner().invoke(
            miaopi,
            ["audit", "erase-again", "--store", str(folder), "--from", str(tmp_path / "export")],
        )
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    assert "erased again from 3 entries, on record as entry 6" in again()
    assert "there is nothing to erase again" in again()
