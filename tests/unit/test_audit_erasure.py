"""Who has been erased is gone from every file, and the log and old receipts still verify."""

import asyncio
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from audit.backup import backup
from audit.errors import ErasedError, NotRecordedError
from audit.log import connections
from audit.trail import ERASED, CaseRow, Conflict, Entry, Receipt, Trail
from audit.trail.erasures import Erasure, permanent_part, read_erasures
from audit.verify import verify_receipt, verify_receipt_in, verify_store

NOW = datetime(2030, 1, 2, tzinfo=UTC)
GONE, STAYS = "resident_id:990000199001010007", "resident_id:990000199001020001"


def entry(subject: str = GONE, **changes: Any) -> Entry:
    parts: dict[str, Any] = {
        "type": "decision/1",
        "id": str(uuid4()),
        "time": NOW,
        "permanent": {"matter": "m"},
        "sealed": {"text": "x" * 300},
        "subject": subject,
        "notice": "告知",
        "case": CaseRow("c", "n", "portal", "m", "open", "", NOW),
    }
    return Entry(**{**parts, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


async def fill(trail: Trail) -> None:
    """Six entries, every second about the one who will be gone; the first grants once."""
    for i in range(6):
        keys = {f"grant-{i}": None} if i < 2 else {}
        answer = await trail.append(entry((GONE, STAYS)[i % 2]), expect=keys)
        assert isinstance(answer, Receipt)


async def erase(trail: Trail, subject: str = GONE) -> Erasure:
    erasure = await trail.erase(subject, reason="个人信息保护法 第四十七条", time=NOW)
    assert erasure is not None
    return erasure


async def test_who_is_erased_is_gone_and_the_rest_stays(trail: Trail, folder: Path) -> None:
    await fill(trail)
    receipts = [await trail.receipt(i) for i in range(6)]

    erasure = await erase(trail)

    assert (erasure.index, erasure.erased) == (6, (0, 2, 4))
    for i in erasure.erased:
        read = await trail.read(i)
        assert (read.sealed, read.subject, read.notice) == (ERASED, "", "")
        assert read.permanent == {"matter": "m"}
        with pytest.raises(ErasedError):
            await trail.receipt(i)
    assert (await trail.read(5)).subject == STAYS
    assert await trail.case_entries("c") == (0, 1, 2, 3, 4, 5)
    for text in receipts:
        assert verify_receipt(text).subject in {GONE, STAYS}
        await asyncio.to_thread(verify_receipt_in, folder, text)
    assert (await asyncio.to_thread(verify_store, folder)).problems == ()


async def test_what_is_erased_is_in_no_file_while_the_service_runs(
    trail: Trail, folder: Path
) -> None:
    await fill(trail)
    traces = {subject: traces_of(folder, trail.tag(subject)) for subject in (GONE, STAYS)}
    assert all(len(found) == 3 * 3 + 3 for found in traces.values())
    assert all(trace in everything(folder) for found in traces.values() for trace in found)

    await erase(trail)

    after = everything(folder)
    for trace in traces[GONE]:
        assert trace not in after
    assert all(trace in after for trace in traces[STAYS])
    await asyncio.to_thread(backup, folder, folder.with_name("backup"), now=NOW)
    copied = everything(folder.with_name("backup"))
    assert not any(trace in copied for trace in traces[GONE])


async def test_a_grant_that_is_given_once_is_not_given_again(trail: Trail) -> None:
    await fill(trail)
    await erase(trail)

    assert await trail.append(entry(), expect={"grant-0": None}) == Conflict("grant-0", 0)


async def test_who_comes_back_gets_a_new_key_and_can_be_erased_again(
    trail: Trail, folder: Path
) -> None:
    await fill(trail)
    await erase(trail)
    await trail.append(entry(), expect={})
    assert (await trail.read(7)).subject == GONE

    again = await erase(trail)

    assert (again.index, again.erased) == (8, (7,))
    assert await trail._log.read(read_erasures) == (
        Erasure(6, NOW, again.reason, (0, 2, 4)),
        again,
    )
    assert (await asyncio.to_thread(verify_store, folder)).problems == ()


async def test_what_is_appended_meanwhile_is_whole(trail: Trail, folder: Path) -> None:
    """Before, during and after: every entry is erased, or opens."""
    await fill(trail)

    async def append(delay: int) -> int:
        for _ in range(delay):
            await asyncio.sleep(0)
        receipt = await trail.append(entry(), expect={})
        assert isinstance(receipt, Receipt)
        return receipt.index

    erasing = asyncio.create_task(erase(trail))
    indices = await asyncio.gather(*(append(delay) for delay in range(60)))
    erasure = await erasing
    indices.append(await append(0))

    for index in indices:
        read = await trail.read(index)
        assert read.subject == ("" if index in erasure.erased else GONE)
        assert (read.sealed is ERASED) == (index in erasure.erased)
    assert not set(indices) <= set(erasure.erased)
    assert (await asyncio.to_thread(verify_store, folder)).problems == ()


async def test_who_was_never_there_leaves_no_entry(trail: Trail) -> None:
    await fill(trail)

    assert await trail.erase("resident_id:nobody", reason="r", time=NOW) is None
    assert await trail.erase("", reason="r", time=NOW) is None
    assert trail.size() == 6


async def test_an_erasure_survives_a_restart(folder: Path) -> None:
    Trail.create(folder, origin="test.invalid")
    async with Trail.open(folder) as trail:
        await fill(trail)
        await erase(trail)
    async with Trail.open(folder) as trail:
        assert (await trail.read(0)).sealed is ERASED
        await trail.append(entry(), expect={})
        assert (await trail.read(7)).subject == GONE

    assert verify_store(folder).problems == ()


async def test_traces_that_a_reader_holds_are_told_and_go_with_it(
    trail: Trail, folder: Path
) -> None:
    await fill(trail)
    trace = traces_of(folder, trail.tag(GONE))[0]
    reader = connections.at(folder).reader(1)
    with reader.snapshot() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM sealed").all()
        async with asyncio.timeout(20):  # the log waits for no reader, and nobody for the log
            with pytest.raises(NotRecordedError) as caught:
                await trail.erase(GONE, reason="r", time=NOW)
        assert caught.value.reason == "TRACES_LEFT"
        assert (await trail.read(0)).sealed is ERASED, "on record all the same"
        assert isinstance(await trail.append(entry(STAYS), expect={}), Receipt)
    reader.close()

    await trail.scrub()

    assert trace not in everything(folder)


@pytest.mark.parametrize(
    ("statement", "index", "what"),
    [
        (
            """INSERT INTO sealed VALUES (2, '', x'', x'', x'',
            CAST('{"keys":[],"subject_tag":""}' AS BLOB))""",
            2,
            "the sealed part that entry 6 erased is here",
        ),
        (
            """INSERT INTO sealed VALUES (2, '', x'', x'', x'', x'7b7d')""",
            2,
            "the permanent part, or what lies beside it, cannot be read",
        ),
        (
            "DELETE FROM sealed WHERE idx = 1",
            1,
            "the sealed part is missing, and no erasure accounts for it",
        ),
        (
            "UPDATE entries SET subject_tag = 'x' WHERE idx = 2",
            2,
            "column `subject_tag` of `entries` does not follow from the entry",
        ),
        (
            "DELETE FROM log_latest WHERE key = 'erasure'",
            6,
            "no later `erasure/1` leads to this one",
        ),
    ],
)
async def test_an_erasure_excuses_nothing_else(
    folder: Path, statement: str, index: int, what: str
) -> None:
    Trail.create(folder, origin="test.invalid")
    async with Trail.open(folder) as trail:
        await fill(trail)
        await erase(trail)
    store = sqlite3.connect(folder / "store.sqlite", isolation_level=None)
    store.execute(statement)
    store.close()

    problems = verify_store(folder).problems

    assert (index, what) in {(problem.index, problem.what) for problem in problems}


@pytest.mark.parametrize(
    ("erased", "ranges"),
    [
        ((), []),
        ((0,), [[0, 0]]),
        ((0, 1, 2), [[0, 2]]),
        ((0, 2, 3, 7), [[0, 0], [2, 3], [7, 7]]),
    ],
)
def test_entries_are_named_by_ranges(erased: tuple[int, ...], ranges: list[list[int]]) -> None:
    assert permanent_part("r", erased, None)["erased"] == ranges


def traces_of(folder: Path, tag: str) -> list[bytes]:
    """Every secret that the store keeps of a subject, as it stands in its file."""
    store = sqlite3.connect(f"file:{folder / 'store.sqlite'}?mode=ro", uri=True)
    keys = store.execute("SELECT id, wrapped FROM subject_keys WHERE subject_tag = ?", (tag,))
    ids = [*keys]
    rows: list[tuple[bytes, ...]] = []
    for key_id, _ in ids:
        query = "SELECT wrapped_key, content, links_salt FROM sealed WHERE subject_key_id = ?"
        rows += store.execute(query, (key_id,))
    store.close()
    traces = [trace for row in rows for trace in row]
    return [*traces, *(wrapped for _, wrapped in ids), *(i.encode() for i, _ in ids), tag.encode()]


def everything(folder: Path) -> bytes:
    files: Iterable[Path] = (path for path in folder.rglob("*") if path.is_file())
    return b"\n".join(path.read_bytes() for path in files)
