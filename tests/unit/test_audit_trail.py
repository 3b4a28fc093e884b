"""What the trail promises to those who write and read it."""

import asyncio
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from time import sleep
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from sqlalchemy import delete

from audit.errors import ErasedError, NotFoundError, NotRecordedError, TamperedError
from audit.log import sqlite
from audit.log.checkpoint import Verifier
from audit.log.merkle import leaf_hash
from audit.log.queue import QUEUE_ENTRIES
from audit.trail import ERASED, CaseRow, Conflict, Entry, Receipt, Trail
from audit.trail.entries import Leaf, ordered_id
from audit.trail.preparation import prepare
from audit.trail.projections import SEALED
from audit.trail.seal import Keyring, commitment, derive
from audit.verify import verify_receipt, verify_store

SUBJECT = "resident_id:990000199001010007"
NOTICE = "您的高龄津贴申请已批准。"
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=timezone(timedelta(hours=8)))


def entry(**changes: Any) -> Entry:
    """A decision about a synthetic person, but for the changes."""
    parts: dict[str, Any] = {
        "type": "decision/1",
        "id": str(uuid4()),
        "time": NOON,
        "permanent": {"matter": "old_age_allowance", "outcome": "approved"},
        "sealed": {"facts": {"applicant.name": "张试", "applicant.birth_date": "1990-01-01"}},
        "subject": SUBJECT,
        "notice": NOTICE,
    }
    return Entry(**{**parts, **changes})


def case_row(**changes: Any) -> CaseRow:
    parts: dict[str, Any] = {
        "case_id": "c1",
        "case_number": "20260102-0001",
        "caller": "portal",
        "matter": "old_age_allowance",
        "state": "open",
        "filing_date": "",
        "create_time": NOON,
        "due_time": None,
    }
    return CaseRow(**{**parts, **changes})


async def test_an_entry_is_read_as_it_was_written(trail: Trail) -> None:
    written = entry(case=case_row())
    receipt = await trail.append(written, expect={})
    assert isinstance(receipt, Receipt)

    read = await trail.read(receipt.index)

    assert (read.index, read.leaf_hash) == (receipt.index, receipt.leaf_hash)
    assert (read.type, read.id, read.time) == (written.type, written.id, NOON)
    assert (read.permanent, read.sealed) == (written.permanent, written.sealed)
    assert (read.subject, read.notice, read.case) == (SUBJECT, NOTICE, case_row())


async def test_indices_have_no_gap_and_the_checkpoint_covers_what_was_answered(
    trail: Trail,
) -> None:
    receipts = await asyncio.gather(*(trail.append(entry(), expect={}) for _ in range(64)))

    assert sorted(r.index for r in receipts if isinstance(r, Receipt)) == list(range(64))
    assert all(isinstance(r, Receipt) and r.index < r.tree_size <= 64 for r in receipts)
    assert trail.size() == Verifier(trail.verifier_key).open(trail.checkpoint()).size == 64


async def test_of_sixty_four_who_claim_the_same_key_one_gets_it(trail: Trail) -> None:
    answers = await asyncio.gather(
        *(trail.append(entry(), expect={"grant": None}) for _ in range(64))
    )

    won = [answer for answer in answers if isinstance(answer, Receipt)]
    lost = [answer for answer in answers if isinstance(answer, Conflict)]
    assert len(won) == 1
    assert lost == [Conflict("grant", won[0].index)] * 63
    assert trail.size() == 1
    assert await trail.latest("grant") == won[0].index


async def test_every_expected_key_points_at_the_new_entry(trail: Trail) -> None:
    await trail.append(entry(), expect={"case": None})
    await trail.append(entry(), expect={"case": 0, "request": None})

    assert await trail.latest("case") == await trail.latest("request") == 1
    assert await trail.latest("nobody's") is None
    assert await trail.append(entry(), expect={"case": 0}) == Conflict("case", 1)
    assert await trail.append(entry(), expect={"new": None, "gone": 3}) == Conflict("gone", None)
    assert trail.size() == 2


async def test_a_caller_who_stops_waiting_harms_nobody(trail: Trail) -> None:
    tasks = [asyncio.create_task(trail.append(entry(), expect={f"k{i}": None})) for i in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()

    answers = await asyncio.gather(*tasks, return_exceptions=True)

    kept = [answer.index for answer in answers if isinstance(answer, Receipt)]
    assert len(kept) == 25
    assert isinstance(await trail.append(entry(), expect={"after": None}), Receipt)
    assert trail.size() >= 26


async def test_when_too_many_wait_the_next_is_refused_and_the_rest_recorded(trail: Trail) -> None:
    answers = await asyncio.gather(
        *(trail.append(entry(sealed={}), expect={}) for _ in range(QUEUE_ENTRIES + 5)),
        return_exceptions=True,
    )

    refused = [answer for answer in answers if isinstance(answer, NotRecordedError)]
    assert refused
    assert {error.reason for error in refused} == {"QUEUE_FULL"}
    assert str(refused[0]) == "too many entries are waiting to be recorded"
    assert trail.size() == len(answers) - len(refused)


async def test_what_gathers_in_the_wal_is_moved_into_the_file_before_it_is_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_ROWS_IN_WAL", 4_000)
    Trail.create(tmp_path / "s", origin="test.invalid")
    store = tmp_path / "s" / "store.sqlite"
    async with Trail.open(tmp_path / "s") as trail:
        empty = store.stat().st_size
        for _ in range(16):
            await asyncio.gather(*(trail.append(entry(), expect={}) for _ in range(128)))
        await trail.append(entry(), expect={})  # the writer has rested since those

        assert store.stat().st_size > empty
        assert store.with_name("store.sqlite-wal").stat().st_size < 4_000 * 8_192, "too few for it"


def test_ordered_ids_sort_by_when_they_were_made_and_nobody_can_guess_them() -> None:
    early = {ordered_id() for _ in range(1_000)}
    sleep(0.003)
    late = {ordered_id() for _ in range(1_000)}

    assert len(early | late) == 2_000
    assert max(early) < min(late)
    assert {len(one) for one in early} == {32}
    assert len({one[12:] for one in early}) == 1_000


async def test_a_closed_trail_records_nothing(tmp_path: Path) -> None:
    Trail.create(tmp_path / "s", origin="test.invalid")
    async with Trail.open(tmp_path / "s") as trail:
        pass

    with pytest.raises(NotRecordedError) as caught:
        await trail.append(entry(), expect={})

    assert caught.value.reason == "LOG_CLOSED"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"permanent": {"ratio": 0.5}}, "ENTRY_INVALID", id="a fraction"),
        pytest.param({"sealed": {"x": object()}}, "ENTRY_INVALID", id="not JSON"),
        pytest.param({"subject": "\ud800"}, "ENTRY_INVALID", id="half a character"),
        pytest.param({"time": NOON.replace(tzinfo=None)}, "ENTRY_INVALID", id="no zone"),
        pytest.param({"permanent": {"x": "y" * 65_536}}, "ENTRY_TOO_LARGE", id="large leaf"),
        pytest.param({"sealed": {"x": "y" * (1 << 20)}}, "ENTRY_TOO_LARGE", id="large seal"),
    ],
)
async def test_an_entry_that_cannot_be_written_is_refused(
    trail: Trail, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(NotRecordedError) as caught:
        await trail.append(entry(**changes), expect={"k": None})

    assert caught.value.reason == reason
    assert SUBJECT not in str(caught.value)
    assert trail.size() == 0


@pytest.mark.parametrize("expect", [{"k" * 256: None}, {f"k{i}": None for i in range(65)}])
async def test_keys_without_measure_are_refused(trail: Trail, expect: dict[str, None]) -> None:
    with pytest.raises(NotRecordedError) as caught:
        await trail.append(entry(), expect=expect)

    assert caught.value.reason == "ENTRY_TOO_LARGE"


@pytest.mark.parametrize("index", [-1, 1, 2**63, 10**30])
async def test_what_is_not_in_the_log_is_not_found(trail: Trail, index: int) -> None:
    await trail.append(entry(), expect={})

    with pytest.raises(NotFoundError) as caught:
        await trail.read(index)
    assert str(caught.value) == f"the log has no entry `{index}`"
    with pytest.raises(NotFoundError):
        await trail.receipt(index)


async def test_a_case_stands_as_its_newest_entry_says(trail: Trail) -> None:
    due = NOON + timedelta(hours=24)
    waiting = case_row(state="waiting", filing_date="2026-01-02", due_time=due)
    await trail.append(entry(case=case_row()), expect={})
    await trail.append(entry(), expect={})
    await trail.append(entry(permanent={"case_id": "c1"}), expect={})
    await trail.append(entry(case=waiting), expect={})

    found = await trail.case("c1")

    assert found is not None
    assert (found.first_index, found.latest_index) == (0, 3)
    assert (found.state, found.due_time, found.case_number) == ("waiting", due, "20260102-0001")
    assert await trail.case_entries("c1") == (0, 2, 3)
    assert await trail.cases("waiting") == (found,)
    assert await trail.cases("open") == ()
    assert await trail.case("nobody's") is None
    await trail.append(entry(case=replace(found, state="approved")), expect={})
    again = await trail.case("c1")
    assert again is not None
    assert (again.state, again.latest_index) == ("approved", 4)


async def test_cases_that_are_due_first_come_first(trail: Trail) -> None:
    for hours in (3, 1, 2):
        row = case_row(case_id=f"c{hours}", state="waiting", due_time=NOON + timedelta(hours=hours))
        await trail.append(entry(case=row), expect={})

    assert [row.case_id for row in await trail.cases("waiting")] == ["c1", "c2", "c3"]
    assert [row.case_id for row in await trail.cases("waiting", limit=2)] == ["c1", "c2"]


async def test_a_release_is_kept_under_its_digest(trail: Trail) -> None:
    await trail.archive("d1", b"rules")
    await trail.archive("d1", b"other rules")

    assert await trail.archived("d1") == b"rules"
    assert await trail.archived("d2") is None


async def test_a_receipt_proves_who_was_told_what(trail: Trail) -> None:
    for _ in range(300):
        await trail.append(entry(sealed={}), expect={})
    for index in (0, 255, 256, 299):
        report = verify_receipt(await trail.receipt(index), key=trail.verifier_key)

        assert (report.index, report.tree_size, report.origin) == (
            index,
            300,
            "test.invalid/miaopi",
        )
        assert (report.subject, report.notice, report.key_is_given) == (SUBJECT, NOTICE, True)
        assert report.leaf_hash == (await trail.read(index)).leaf_hash


async def test_an_entry_about_nobody_has_a_receipt_too(trail: Trail) -> None:
    await trail.append(entry(subject="", notice="", sealed={}), expect={})

    report = verify_receipt(await trail.receipt(0))

    assert (report.subject, report.notice, report.key_is_given) == ("", "", False)


async def test_what_has_been_erased_is_told_to_be_erased(trail: Trail) -> None:
    await trail.append(entry(), expect={})
    await trail._log.write(lambda connection: connection.execute(delete(SEALED)))

    read = await trail.read(0)

    assert (read.sealed, read.subject, read.notice) == (ERASED, "", "")
    assert read.permanent == entry().permanent
    with pytest.raises(ErasedError) as caught:
        await trail.receipt(0)
    assert caught.value.reason == "ENTRY_ERASED"


async def test_nothing_personal_lies_in_the_clear(tmp_path: Path) -> None:
    """Neither in the permanent bytes, nor in any file beside the store, nor in the WAL."""
    folder = tmp_path / "s"
    Trail.create(folder, origin="test.invalid")
    async with Trail.open(folder) as trail:
        trail.inflight.begin(SUBJECT)
        key = trail.tag(f"old_age_allowance\n{SUBJECT}")
        for _ in range(20):
            await trail.append(entry(), expect={key: await trail.latest(key)})
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {"store.sqlite", "store.sqlite-wal"} <= {path.name for path in files}
        everything = b"".join(path.read_bytes() for path in files)

    assert b"old_age_allowance" in everything, "what is permanent can be seen"
    for personal in ("990000199001010007", "张试", "1990-01-01", "高龄津贴申请已批准"):
        assert personal.encode() not in everything


async def test_the_same_person_has_one_tag_and_it_survives_a_restart(tmp_path: Path) -> None:
    Trail.create(tmp_path / "s", origin="test.invalid")
    async with Trail.open(tmp_path / "s") as trail:
        tag = trail.tag(SUBJECT)
        await trail.append(entry(), expect={})
    async with Trail.open(tmp_path / "s") as trail:
        assert trail.tag(SUBJECT) == tag != trail.tag(SUBJECT + "1")
        assert (await trail.read(0)).subject == SUBJECT
        await trail.append(entry(), expect={})

    assert verify_store(tmp_path / "s").problems == ()


def test_keys_are_derived_as_rfc_5869_says() -> None:
    key = bytes(range(32))

    expanded = HKDFExpand(hashes.SHA256(), length=32, info=b"subject").derive(key)

    assert derive(key, "subject") == expanded


@pytest.mark.parametrize("key", [bytes(32), bytes(range(32)), b"\xff" * 32])
@pytest.mark.parametrize("text", ["", "告知", "x" * 5_000])
def test_commitments_are_hmacs(key: bytes, text: str) -> None:
    assert commitment(key, text) == hmac.new(key, text.encode(), "sha256").hexdigest()


@pytest.mark.parametrize("length", [0, 31, 33, 65])
def test_a_key_of_another_length_is_none_of_ours(length: int) -> None:
    with pytest.raises(ValueError, match="not a key of ours"):
        commitment(bytes(length), "x")


def test_a_sealed_part_opens_only_for_its_own_record_and_unchanged() -> None:
    master = bytes(32)
    keyring = Keyring(master, Keyring.new_tag_key(master))
    sealed = keyring.seal("r1", sealed={"a": 1}, subject=SUBJECT, notice=NOTICE)

    def unseal(record_id: str = "r1", **changes: Any) -> object:
        parts: dict[str, Any] = {
            "subject_key_id": sealed.subject_key.id,
            "wrapped_subject_key": sealed.subject_key.wrapped,
            "wrapped_key": sealed.wrapped_key,
            "content": sealed.content,
        }
        return keyring.unseal(record_id, **{**parts, **changes})

    opened = keyring.unseal(
        "r1",
        subject_key_id=sealed.subject_key.id,
        wrapped_subject_key=sealed.subject_key.wrapped,
        wrapped_key=sealed.wrapped_key,
        content=sealed.content,
    )
    assert (opened.sealed, opened.subject, opened.notice) == ({"a": 1}, SUBJECT, NOTICE)
    for changes in (
        {"record_id": "r2"},
        {"subject_key_id": "other"},
        {"wrapped_subject_key": flipped(sealed.subject_key.wrapped)},
        {"wrapped_key": flipped(sealed.wrapped_key)},
        {"content": flipped(sealed.content)},
        {"content": flipped(sealed.content, at=40)},
        {"content": b""},
    ):
        with pytest.raises(TamperedError) as caught:
            unseal(**changes)
        assert caught.value.reason == "SEAL_BROKEN"
    with pytest.raises(TamperedError):
        Keyring(bytes(31) + b"1", Keyring.new_tag_key(master))


def flipped(content: bytes, at: int = 0) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


async def test_two_records_of_one_person_look_unrelated(trail: Trail) -> None:
    """Same person, same content: nothing in the two permanent parts is equal that could tell."""
    one, two = entry(id="1" * 36, time=datetime.now(UTC)), entry(id="2" * 36)
    leaves = [Leaf.decode(prepare(trail._keyring, each, ())[0]) for each in (one, two)]

    for name in ("sealed_digest", "subject_commitment", "notice_commitment", "links_commitment"):
        assert getattr(leaves[0], name) != getattr(leaves[1], name), name


async def test_the_leaf_hash_is_over_the_stored_bytes(trail: Trail) -> None:
    leaf, _ = prepare(trail._keyring, entry(id="1" * 36), ())

    assert leaf.startswith(b'{"id":"1111')
    assert leaf_hash(leaf) != leaf_hash(leaf + b" ")
