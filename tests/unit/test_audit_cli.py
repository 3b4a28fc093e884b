"""`miaopi audit` and `miaopi receipt verify` as people type them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import LargeBinary, String, cast, func, update
from typer.testing import CliRunner, Result

from audit.export import export
from audit.log.sqlite import connect_writer
from audit.log.store import ENTRIES
from audit.trail import Entry, Trail
from decision_service.cli import app as miaopi
from decision_service.cli import receipts
from decision_service.cli.store import app

ID_NUMBER = "990000199001010007"
ERASE = ["erase", "--law", "x", "--reason", "x", "--ground", "order", "--yes"]
DISCLOSE = ["audit", "disclose", "--recipient", "age1x", "--law", "x", "--reason", "x"]


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A trail of three entries, closed, with the receipt of the second beside it."""
    folder = tmp_path / "s"
    Trail.create(folder, origin="test.invalid/miaopi")
    async with Trail.open(folder) as trail:
        for _ in range(3):
            entry = Entry(
                type="decision/1",
                id=str(uuid4()),
                time=datetime.now(UTC),
                permanent={"matter": "old_age_allowance"},
                sealed={},
                subject=f"resident_id:{ID_NUMBER}",
                notice="您的申请已批准。",
            )
            await trail.append(entry, expect={})
        (tmp_path / "receipt.json").write_text(await trail.receipt(1), encoding="utf-8")
    return folder


def audit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def receipt(*arguments: object) -> Result:
    return CliRunner().invoke(receipts.app, [str(argument) for argument in arguments])


def test_an_entry_is_shown_and_proven_without_personal_data(folder: Path) -> None:
    shown = audit("show", 1, "--store", folder)

    assert shown.exit_code == 0
    assert "old_age_allowance" in shown.output
    assert "✔ 已证明在日志中 | proven to be in the log" in shown.output
    assert ID_NUMBER not in shown.output
    assert json.loads(audit("show", 1, "--store", folder, "--json").stdout)["tree_size"] == 3


def test_an_entry_of_an_export_is_shown_and_proven(folder: Path, tmp_path: Path) -> None:
    export(folder, tmp_path / "export", now=datetime.now(UTC))

    shown = [
        audit("show", 1, "--store", where, "--json") for where in (folder, tmp_path / "export")
    ]

    assert shown[0].exit_code == 0
    assert shown[0].output == shown[1].output
    assert "ENTRY_NOT_FOUND" in audit("show", 3, "--store", tmp_path / "export").output


@pytest.mark.parametrize("spoilt", ["tile/entries/000.p/3", "tile/0/000.p/3"])
def test_an_entry_of_an_export_that_was_changed_is_not_shown_as_proven(
    folder: Path, tmp_path: Path, spoilt: str
) -> None:
    export(folder, tmp_path / "export", now=datetime.now(UTC))
    content = (tmp_path / "export" / spoilt).read_bytes()
    for changed in (content.swapcase(), content[:9], b""):
        (tmp_path / "export" / spoilt).write_bytes(changed)

        shown = audit("show", 1, "--store", tmp_path / "export")

        assert (shown.exit_code, "RECEIPT_UNPROVEN" in shown.output) == (1, True)


def test_an_entry_that_is_not_there_is_an_error(folder: Path) -> None:
    shown = audit("show", 3, "--store", folder)

    assert shown.exit_code == 1
    assert "the log has no entry `3` (ENTRY_NOT_FOUND)" in shown.output


def test_an_entry_that_was_changed_is_not_shown_as_proven(folder: Path) -> None:
    spoil(folder)

    shown = audit("show", 1, "--store", folder, "--json")

    assert shown.exit_code == 1
    assert json.loads(shown.stdout)["reason"] == "RECEIPT_UNPROVEN"


def test_a_whole_store_is_verified(folder: Path) -> None:
    verified = audit("verify", "--store", folder)

    assert verified.exit_code == 0
    assert "✔ 全部一致 | everything follows from the entries" in verified.output
    report = json.loads(audit("verify", "--store", folder, "--json").stdout)
    assert (report["ok"], report["size"], report["signed_size"]) == (True, 3, 3)


def test_a_store_is_verified_as_deep_as_is_asked(folder: Path) -> None:
    verified = audit("verify", "--store", folder, "--depth", "tree", "--processes", 2)

    assert verified.exit_code == 0
    assert "✔ 所查各项一致 | all that was checked follows from the entries" in verified.output
    assert "未查验 | not checked: 树以外的一切" in verified.output
    report = json.loads(audit("verify", "--store", folder, "--depth", "rows", "--json").stdout)
    assert (report["ok"], report["depth"], len(report["unchecked"])) == (True, "rows", 1)


def test_a_changed_store_is_an_error_that_names_the_entry(folder: Path) -> None:
    spoil(folder)

    verified = audit("verify", "--store", folder)
    report = audit("verify", "--store", folder, "--json")

    assert verified.exit_code == report.exit_code == 1
    assert "first bad index: 1" in verified.output
    assert "永久部分与所存哈希不符" in verified.output
    assert json.loads(report.stdout)["first_bad_index"] == 1


def test_a_folder_without_a_store_is_an_error(tmp_path: Path) -> None:
    for command in (("verify",), ("show", 0)):
        refused = audit(*command, "--store", tmp_path)
        assert refused.exit_code == 1
        assert "there is no store in this folder" in refused.output


def test_a_receipt_is_verified_offline(folder: Path, tmp_path: Path) -> None:
    key = (folder / "verifier.key").read_text().strip()

    trusting = receipt("verify", tmp_path / "receipt.json")
    knowing = receipt("verify", tmp_path / "receipt.json", "--key", key)

    assert trusting.exit_code == knowing.exit_code == 0
    assert ID_NUMBER in knowing.output
    assert "您的申请已批准。" in knowing.output
    assert "✔ 回执有效 | the receipt holds" in knowing.output
    assert "--key" in trusting.output
    assert "--key" not in knowing.output


def test_a_changed_receipt_is_an_error(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(file.read_text("utf-8").replace("批准", "拒绝"), "utf-8")

    verified = receipt("verify", file, "--json")

    assert verified.exit_code == 1
    assert json.loads(verified.stdout)["reason"] == "RECEIPT_UNPROVEN"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}"])
def test_a_file_that_is_no_receipt_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)

    assert receipt("verify", tmp_path / "f").exit_code == 1
    assert receipt("verify", tmp_path / "missing").exit_code == 2


def test_a_recovery_is_told_beforehand_asked_for_and_shown_ever_after(folder: Path) -> None:
    (folder / "anchor").unlink()
    (folder / "master.key").unlink()
    command = ["audit", "recover", "--store", str(folder), "--reason", "磁盘损坏 disk failed"]

    refused = CliRunner().invoke(miaopi, command, input="n\n")
    assert refused.exit_code == 1
    for said in (
        "the anchor of this store is missing (ANCHOR_MISSING)",
        "本记录库的锚缺少",
        "no sealed part so far will ever open again",
        "此前的密封内容再也打不开",
        "将从 3 条记录继续 | the log will go on from 3 entries",
    ):
        assert said in " ".join(refused.output.split()), said
    assert not (folder / "anchor").exists()

    done = CliRunner().invoke(miaopi, [*command, "--operator", "ops-3"], input="y\n")
    assert done.exit_code == 0, done.output
    assert "✔ 已记入第 3 条 | on record as entry 3" in done.output
    verified = audit("verify", "--store", folder)
    assert verified.exit_code == 0
    assert "! 恢复 | recovery: #3, " in verified.output
    assert "ops-3: 丢失 lost master.key; 磁盘损坏 disk failed" in " ".join(verified.output.split())
    (one,) = json.loads(audit("verify", "--store", folder, "--json").stdout)["recoveries"]
    assert (one["index"], one["operator"], one["lost_keys"]) == (3, "ops-3", ["master.key"])

    again = CliRunner().invoke(miaopi, [*command, "--yes", "--json"])
    assert again.exit_code == 1
    assert json.loads(again.stdout)["reason"] == "NOTHING_TO_RECOVER"


def test_a_receipt_is_held_against_the_store(folder: Path, tmp_path: Path) -> None:
    held = receipt("verify", tmp_path / "receipt.json", "--store", folder)
    assert held.exit_code == 0

    Trail.create(tmp_path / "other", origin="test.invalid/miaopi")
    refused = receipt("verify", tmp_path / "receipt.json", "--store", tmp_path / "other")
    assert refused.exit_code == 1
    assert "the receipt is from another log than this store" in refused.output


def test_a_checkpoint_that_was_kept_elsewhere_is_held_against_the_store(
    folder: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes((folder / "checkpoint").read_bytes())
    assert audit("verify", "--store", folder, "--checkpoint", kept).exit_code == 0

    kept.write_text(kept.read_text("utf-8").replace("\n3\n", "\n4\n"), "utf-8")
    refused = audit("verify", "--store", folder, "--checkpoint", kept, "--json")
    assert json.loads(refused.stdout)["reason"] == "CHECKPOINT_UNSIGNED"


def spoil(folder: Path) -> None:
    """Change one byte of the second entry."""
    connection = connect_writer(folder / "store.sqlite")
    with connection, connection.begin():
        changed = func.replace(cast(ENTRIES.c.leaf, String), "old_age", "odd_age")
        connection.execute(
            update(ENTRIES).where(ENTRIES.c.idx == 1).values(leaf=cast(changed, LargeBinary))
        )
    connection.engine.dispose()


@pytest.mark.parametrize(
    "typed",
    [
        ["audit", "query", "--limit", str(1 << 31)],
        ["audit", "accesses", "--id", ID_NUMBER, "--limit", str(1 << 31)],
        ["audit", "entry", str(1 << 63)],
        ["audit", "replay", str(1 << 63)],
        ["audit", "lift", str(1 << 63), "--law", "x", "--reason", "x"],
        [*DISCLOSE, "--first", str(1 << 63)],
        [*DISCLOSE, "--end", str(1 << 63)],
        ["counter", "queue", "--limit", str(1 << 31)],
        ["counter", "overrides", "--limit", str(1 << 31)],
        ["receipt", "get", "c", "--index", str(1 << 63)],
    ],
)
def test_a_number_that_the_contract_cannot_write_is_a_slip(typed: list[str]) -> None:
    done = CliRunner().invoke(miaopi, typed)

    assert (done.exit_code, "should be less than or equal to" in done.output) == (2, True), (
        done.output
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            ["query", "--id", ID_NUMBER, "--organisation", "9199"],
            "give one of --id and --organisation",
        ),
        (
            [*ERASE, "--id", ID_NUMBER, "--organisation", "9199"],
            "give one of --id and --organisation",
        ),
        (["replay", "3", "--filter", "outcome = approved"], "give an index or --filter"),
    ],
)
def test_of_two_that_exclude_each_other_none_is_passed_over(typed: list[str], said: str) -> None:
    done = CliRunner().invoke(miaopi, ["audit", *typed, "--address", "127.0.0.1:1"])

    assert (done.exit_code, said in " ".join(done.output.replace("│", "").split())) == (2, True), (
        done.output
    )


@pytest.mark.parametrize("typed", [["verify"], ["show", 1]])
def test_an_empty_key_is_none_and_not_the_key_of_the_folder(
    folder: Path, tmp_path: Path, typed: list[object]
) -> None:
    export(folder, tmp_path / "export", now=datetime.now(UTC))

    for store in (folder, tmp_path / "export"):
        told = audit(*typed, "--store", store, "--key", "")
        assert told.exit_code == 1
        assert "KEY_MALFORMED" in told.output
