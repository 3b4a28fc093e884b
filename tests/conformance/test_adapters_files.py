"""Registers that come as files: what is sound is answered from, what is not changes nothing.

Every file is read by the process that reads it in service, from a folder that its owner fills.
"""

import asyncio
import errno
import io
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from structlog.testing import capture_logs

from decision_service.errors import InvalidPublicationError
from decision_service.model import (
    CaseId,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    Freshness,
    MatterId,
    Query,
)
from decision_service.service import tell_of_batches
from evidence_adapters import file_drop, gateway, intake, registry, sheets
from evidence_adapters.guard import AT_ONCE
from evidence_adapters.intake import Order, Report
from tests.drops import REGISTERS, csv_of, drop, excel_of, parquet_of, person

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
RELIEF = EvidenceType("relief_register")
PERSON, ANOTHER, OBJECTOR, NOBODY = (person(number) for number in range(4))
HEAD = ("身份证号", "姓名", "救助类别", "保障起始日", "家庭人口", "月保障金", "异议")
ROWS = (
    (PERSON, "张伟", "低保", "2025-01-01", "3", "1280.50", "否"),
    (ANOTHER, "王芳", "特困", "20240601", "1", "", ""),
    (OBJECTOR, "李娜", "低保边缘", "2025年3月1日", "4", "0", "是"),
)
FILE = csv_of((HEAD, *ROWS))


def order(folder: Path, register: EvidenceType = RELIEF, **said: Any) -> Order:
    """What the service would have the reading process do."""
    found = registry.load(REGISTERS)[register]
    assert found.request.batch is not None
    (folder / "batches").mkdir(exist_ok=True)
    return Order(
        drop=folder / "drop",
        target=folder / "batches" / f"{register}.sqlite",
        fields=found.normalise,
        where=found.request.where,
        batch=found.request.batch.model_copy(update=said),
        contract=found.digest,
        now=NOW,
    )


class City:
    """A city that watches the drop of one register."""

    def __init__(self, folder: Path, register: EvidenceType = RELIEF) -> None:
        self.drop = folder / "drop"
        self.drop.mkdir(exist_ok=True)
        self.batches = folder / "batches"
        self.register = register
        self.reports: asyncio.Queue[Report] = asyncio.Queue()

    @asynccontextmanager
    async def watching(
        self, tell: file_drop.Tell | None = None
    ) -> AsyncIterator[Callable[[str], Any]]:
        async with file_drop.connect(
            registry.load(REGISTERS),
            {self.register: f"file://{self.drop}"},
            clock=lambda: NOW,
            batches=self.batches,
            tell=tell or (lambda _key, report: self.reports.put_nowait(report)),
            look_every_s=0.05,
        ) as sources:

            async def ask(id_number: str) -> Evidence:
                deadline = asyncio.get_running_loop().time() + 5
                found = await sources[self.register].fetch(
                    query(id_number, self.register), deadline=deadline
                )
                assert id_number not in found.detail
                return found

            yield ask

    async def told(self) -> Report:
        async with asyncio.timeout(20):
            return await self.reports.get()


def query(id_number: str, register: EvidenceType = RELIEF) -> Query:
    return Query(
        query_id="q-1",
        evidence_type=register,
        about="applicant",
        keys={"id_number": id_number},
        matter=MatterId("care_subsidy"),
        case_id=CaseId("c-1"),
        purpose="eligibility",
        legal_basis="consent 1",
        filing_date=date(2026, 3, 1),
    )


async def test_a_file_answers_like_every_register(tmp_path: Path) -> None:
    city = City(tmp_path)
    async with city.watching() as ask:
        before = await ask(PERSON)
        drop(city.drop, FILE, rows=3, batch="202602")
        report = await city.told()
        found, absent, disputed = [await ask(who) for who in (PERSON, NOBODY, OBJECTOR)]

    assert (before.status, before.detail) == (
        EvidenceStatus.UNAVAILABLE,
        "no batch has been taken yet",
    )
    assert report.taken is not None
    assert (report.taken.batch, report.taken.rows, report.refused) == ("202602", 3, ())
    assert found.values == {
        "applicant.relief_status": "subsistence",
        "applicant.relief_since": date(2025, 1, 1),
        "applicant.relief_household": Decimal(3),
        "applicant.relief_monthly_amount": Decimal("1280.50"),
    }
    assert (found.status, found.transport, found.freshness, found.reference) == (
        EvidenceStatus.MATCH,
        "file",
        Freshness.BATCH,
        "202602",
    )
    assert (found.as_of, found.retrieved_at) == (datetime(2026, 2, 27, 16, tzinfo=UTC), NOW)
    assert len(found.digest) == 64
    assert absent.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
    assert absent.values == {
        "applicant.relief_status": "none",
        "applicant.relief_household": Decimal(0),
    }
    assert (absent.as_of, absent.reference) == (found.as_of, "202602")
    assert (disputed.status, dict(disputed.values)) == (EvidenceStatus.DISPUTED, {})


async def test_what_was_taken_is_there_at_once_when_the_service_comes_back(tmp_path: Path) -> None:
    city = City(tmp_path)
    drop(city.drop, FILE, rows=3)
    async with city.watching():
        await city.told()
    shutil.rmtree(city.drop)
    async with city.watching() as ask:
        found = await ask(PERSON)
        report = await city.told()

    assert found.status is EvidenceStatus.MATCH
    assert report.refused[0].faults == ("the drop: FileNotFoundError",)


async def test_a_bad_night_leaves_the_last_good_batch_and_is_told_once(tmp_path: Path) -> None:
    city = City(tmp_path)
    async with city.watching() as ask:
        drop(city.drop, FILE, rows=3, batch="1")
        await city.told()
        bad = drop(city.drop, FILE[:-20], rows=3, batch="2", as_of="2026-03-01")
        refused = await city.told()
        (city.drop / "unrelated").write_text("anything")
        still = await ask(PERSON)
        await asyncio.sleep(1)
        assert city.reports.empty()
        drop(
            city.drop, csv_of((HEAD, *ROWS[1:])), rows=2, batch="2", as_of="2026-03-01", shrunk=True
        )
        mended = await city.told()
        gone = await ask(PERSON)

    assert refused.taken is None
    assert [one.manifest for one in refused.refused] == [bad.name]
    assert (still.status, still.reference) == (EvidenceStatus.MATCH, "1")
    assert mended.taken is not None
    assert (gone.status, gone.reference) == (EvidenceStatus.NO_RECORD_AUTHORITATIVE, "2")


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        pytest.param("/bin/false", "the reading process ended with 1", id="it dies"),
        pytest.param("/bin/true", "reading failed with ValidationError", id="it says nothing"),
        pytest.param("/none", "reading failed with FileNotFoundError", id="it cannot be started"),
    ],
)
async def test_a_reader_that_fails_is_told_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, fault: str
) -> None:
    city = City(tmp_path)
    drop(city.drop, FILE, rows=3)
    real = file_drop.sys.executable
    monkeypatch.setattr(file_drop.sys, "executable", program)
    async with city.watching() as ask:
        died = await city.told()
        monkeypatch.setattr(file_drop.sys, "executable", real)
        while (report := await city.told()).taken is None:
            assert report == died
        found = await ask(PERSON)

    assert died.refused[0].faults == (fault,)
    assert found.status is EvidenceStatus.MATCH


async def test_a_look_that_cannot_be_told_of_is_not_the_last(tmp_path: Path) -> None:
    city = City(tmp_path)
    drop(city.drop, FILE, rows=3)
    failed = asyncio.Event()

    def tell(_key: EvidenceType, report: Report) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError("no space left on device")
        city.reports.put_nowait(report)

    async with city.watching(tell):
        async with asyncio.timeout(20):
            await failed.wait()
        drop(city.drop, FILE, rows=3, batch="2")
        report = await city.told()

    assert report.taken is not None


def changed(column: str, value: str, *, row: int = 0) -> Sequence[Sequence[str]]:
    lines = [list(line) for line in (HEAD, *ROWS)]
    lines[row + 1][HEAD.index(column)] = value
    return lines


@pytest.mark.parametrize(
    ("content", "said", "fault"),
    [
        pytest.param(FILE[:-3], {}, "behind line 3 is not GB18030", id="cut off in a character"),
        pytest.param(FILE[:-30], {}, "cells, the head has 7", id="cut off in a row"),
        pytest.param(
            FILE, {"sha256": "0" * 64}, "its SHA-256 differs", id="not the file that is meant"
        ),
        pytest.param(FILE, {"rows": 4}, "there are 3 rows in place of 4", id="rows are missing"),
        pytest.param(FILE, {"rows": 2}, "more than the 2 rows", id="too many rows"),
        pytest.param(FILE, {"as_of": "2026-03-02"}, "`as_of` lies in the future", id="of tomorrow"),
        pytest.param(FILE, {"as_of": "昨天"}, "neither a day nor an instant", id="of no day"),
        *(
            pytest.param(FILE, {"as_of": day}, "`as_of` lies before the year 2000", id=day)
            for day in ("0001-01-01", "0001-01-02 00:00:00", "1970-01-01", "1999-12-31")
        ),
        pytest.param(FILE, {"as_of": "9999-12-31"}, "`as_of` lies in the future", id="never"),
        pytest.param(FILE, {"sheet": 1}, "off contract in sheet", id="a strange manifest"),
        pytest.param(
            csv_of((HEAD, ROWS[0])), {"rows": 1}, "1 rows are fewer than the 2", id="almost nothing"
        ),
        pytest.param(
            csv_of((HEAD, *ROWS), encoding="utf-8"),
            {},
            "the text is UTF-8, not GB18030",
            id="UTF-8 in place of GB18030",
        ),
        pytest.param(
            csv_of([line[:4] + line[5:] for line in (HEAD, *ROWS)]),
            {},
            "there is no column `家庭人口`",
            id="a column is missing",
        ),
        pytest.param(
            csv_of([(*line, line[2]) for line in (HEAD, *ROWS)]),
            {},
            "there are two columns `救助类别`",
            id="a column stands twice",
        ),
        pytest.param(
            csv_of(changed("救助类别", "其他", row=1)),
            {},
            "`救助类别` is off contract in 1 rows, the first of them row 2",
            id="a word that was not agreed",
        ),
        pytest.param(
            csv_of(changed("保障起始日", "2025-02-30")),
            {},
            "`保障起始日` is off contract",
            id="a day that is none",
        ),
        pytest.param(
            csv_of(changed("家庭人口", "３")), {}, "`家庭人口` is off contract", id="a wide digit"
        ),
        pytest.param(
            csv_of(changed("家庭人口", "")), {}, "`家庭人口` is off contract", id="nothing there"
        ),
        pytest.param(
            csv_of(changed("身份证号", "9.90000195E+17")),
            {},
            "whom a row is about must be known of every row",
            id="a number that a spreadsheet has spoilt",
        ),
        pytest.param(
            csv_of(changed("身份证号", ANOTHER.lower())),
            {},
            "2 rows share 1 keys",
            id="two rows of one person",
        ),
        pytest.param(b"", {}, "there is no column", id="nothing at all"),
        pytest.param(
            FILE.replace("王芳".encode("gb18030"), b"\xff\xff"), {}, "is not GB18030", id="no text"
        ),
        pytest.param(FILE.replace("王芳".encode("gb18030"), b'"'), {}, "is not CSV", id="no CSV"),
    ],
)
def test_a_file_that_is_not_whole_and_right_never_takes_the_place_of_a_good_one(
    tmp_path: Path, content: bytes, said: dict[str, Any], fault: str
) -> None:
    drop(tmp_path / "drop", FILE, rows=3, batch="1", as_of="2026-02-01")
    good = intake.take(order(tmp_path)).taken
    drop(tmp_path / "drop", content, **{"rows": 3, "batch": "2", **said})
    report = intake.take(order(tmp_path))
    drop(tmp_path / "first" / "drop", content, **{"rows": 3, "batch": "2", **said})
    alone = intake.take(order(tmp_path / "first"))

    assert good is not None
    assert report.taken is None
    assert report.refused
    assert fault in " ".join(alone.refused[0].faults)
    assert alone.taken is None
    assert intake.held_in(order(tmp_path).target) == good
    assert sorted(path.suffix for path in (tmp_path / "batches").iterdir()) == [".lock", ".sqlite"]
    for secret in (PERSON, ANOTHER, "张伟", "王芳"):
        assert secret not in report.model_dump_json()


@pytest.mark.parametrize(
    ("encoding", "written", "is_taken"),
    [
        pytest.param("gb18030", "gb18030", True, id="GB18030"),
        pytest.param("gb18030", "gbk", True, id="GBK, a part of it"),
        pytest.param("utf-8", "utf-8", True, id="UTF-8"),
        pytest.param("utf-8", "utf-8-sig", True, id="UTF-8 as spreadsheets save it"),
        pytest.param("utf-8", "gb18030", False, id="GB18030 in place of UTF-8"),
        pytest.param("utf-8", "utf-16", False, id="UTF-16"),
    ],
)
def test_a_text_has_the_encoding_that_was_agreed(
    tmp_path: Path, encoding: str, written: str, *, is_taken: bool
) -> None:
    names = [(line[0], "䶮" if written == "gbk" else "𬱖", *line[2:]) for line in ROWS]
    try:
        content = csv_of((HEAD, *names), encoding=written)
    except UnicodeEncodeError:  # GBK has no such characters
        content = csv_of((HEAD, *ROWS), encoding=written)
    drop(tmp_path / "drop", content, rows=3)

    assert (intake.take(order(tmp_path, encoding=encoding)).taken is not None) is is_taken


def test_a_register_that_lost_its_people_over_night_is_not_believed_unless_its_owner_says_so(
    tmp_path: Path,
) -> None:
    many = [(person(number), "某", "低保", "2025-01-01", "3", "", "") for number in range(10)]
    drop(tmp_path / "drop", csv_of((HEAD, *many)), rows=10, batch="1", as_of="2026-02-01")
    first = intake.take(order(tmp_path)).taken
    drop(tmp_path / "drop", csv_of((HEAD, *many[:7])), rows=7, batch="2", as_of="2026-02-02")
    refused = intake.take(order(tmp_path))
    drop(tmp_path / "drop", csv_of((HEAD, *many[:8])), rows=8, batch="3", as_of="2026-02-03")
    fewer = intake.take(order(tmp_path)).taken
    drop(
        tmp_path / "drop",
        csv_of((HEAD, *many[:2])),
        rows=2,
        batch="4",
        as_of="2026-02-04",
        shrunk=True,
    )
    known = intake.take(order(tmp_path)).taken

    assert first is not None
    assert refused.taken is None
    assert refused.refused[0].faults == (
        "7 rows are fewer than 8: the batch before had 10, and may shrink by 20 %",
    )
    assert fewer is not None
    assert fewer.batch == "3"
    assert known is not None
    assert known.batch == "4"


def test_an_older_batch_or_the_same_again_is_left_alone(tmp_path: Path) -> None:
    drop(tmp_path / "drop", FILE, rows=3, batch="5", as_of="2026-02-28 18:00:00")
    first = intake.take(order(tmp_path))
    again = intake.take(order(tmp_path))
    drop(tmp_path / "drop", FILE, rows=3, batch="6", as_of="2026-02-28")
    older = intake.take(order(tmp_path))
    drop(tmp_path / "drop", FILE, rows=3, batch="7", as_of="2026-02-28 18:00:00")
    corrected = intake.take(order(tmp_path))

    assert first.taken is not None
    assert first.taken.as_of == datetime(2026, 2, 28, 10, tzinfo=UTC)
    assert again == older == Report()
    assert corrected.taken is not None
    assert corrected.taken.batch == "7"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("9", "10"),
        ("20260228-9", "20260228-10"),
        ("v1.9.9", "v1.10.0"),
        ("20260228", "20260228-2"),
        ("099", "100"),
        ("b9", "b09a"),
    ],
)
def test_of_two_batches_of_one_instant_the_greater_number_is_the_later(
    tmp_path: Path, earlier: str, later: str
) -> None:
    drop(tmp_path / "drop", FILE, rows=3, batch=earlier)
    first = intake.take(order(tmp_path)).taken
    drop(tmp_path / "drop", csv_of((HEAD, *ROWS[::-1])), rows=3, batch=later)
    second = intake.take(order(tmp_path)).taken
    after = intake.take(order(tmp_path))

    assert first is not None
    assert first.batch == earlier
    assert second is not None
    assert second.batch == later
    assert after == Report()


@pytest.mark.parametrize("batch", ["9", "10"])
def test_what_comes_after_a_later_batch_of_its_instant_is_passed_over_and_told(
    tmp_path: Path, batch: str
) -> None:
    drop(tmp_path / "drop", FILE, rows=3, batch="10")
    intake.take(order(tmp_path))
    manifest = drop(tmp_path / "drop", csv_of((HEAD, *ROWS[::-1])), rows=3, batch=batch)
    report = intake.take(order(tmp_path))
    known = tuple(one.seen for one in report.refused)

    assert report.taken is None
    assert [(one.manifest, one.faults) for one in report.refused] == [
        (manifest.name, ("passed over: batch `10` of the same instant is in use",))
    ]
    assert intake.take(order(tmp_path).model_copy(update={"told": known})) == Report()


def test_of_several_nights_the_newest_sound_one_is_taken(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        drop(tmp_path / "drop", FILE, rows=3, batch=f"{day}", as_of=f"2026-02-0{day}")
    drop(tmp_path / "drop", FILE, rows=4, batch="4", as_of="2026-02-04")
    report = intake.take(order(tmp_path))

    assert report.taken is not None
    assert report.taken.batch == "3"
    assert [one.manifest for one in report.refused] == ["4.json"]


async def test_rows_that_are_tolerated_stay_unknown_and_the_others_are_known(
    tmp_path: Path,
) -> None:
    lines = [*changed("救助类别", "其他", row=1), ROWS[2]]
    drop(tmp_path / "drop", csv_of(lines), rows=4)
    taken = intake.take(order(tmp_path, wrong_rows=3)).taken
    city = City(tmp_path)
    async with city.watching() as ask:
        answers = [await ask(who) for who in (PERSON, ANOTHER, OBJECTOR)]

    assert taken is not None
    assert taken.wrong_rows == 3
    assert [answer.status for answer in answers] == [
        EvidenceStatus.MATCH,
        EvidenceStatus.MALFORMED,
        EvidenceStatus.AMBIGUOUS,
    ]


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "nothing", "elsewhere"])
def test_a_manifest_that_points_elsewhere_is_refused_and_does_not_hang(
    tmp_path: Path, kind: str
) -> None:
    manifest = drop(tmp_path / "drop", FILE, rows=3)
    data = tmp_path / "drop" / "data-1"
    data.rename(tmp_path / "secret")
    match kind:
        case "link":
            data.symlink_to(tmp_path / "secret")
        case "pipe":
            os.mkfifo(data)
        case "folder":
            data.mkdir()
        case "elsewhere":
            manifest.write_text(manifest.read_text("utf-8").replace("data-1", "../secret"), "utf-8")
    report = intake.take(order(tmp_path))

    assert report.taken is None
    assert report.refused[0].faults in {
        ("the file that the manifest names cannot be read",),
        ("the manifest is off contract in file",),
    }


def test_a_batch_read_by_another_register_file_is_read_again(tmp_path: Path) -> None:
    drop(tmp_path / "drop", FILE, rows=3)
    intake.take(order(tmp_path))
    other = order(tmp_path).model_copy(update={"contract": "0" * 64})

    assert intake.take(order(tmp_path)).taken is None
    assert intake.take(other).taken is not None


async def test_a_batch_that_cannot_be_opened_holds_up_no_other_register(tmp_path: Path) -> None:
    """As on a disk that does not answer: a pipe lets nobody in before somebody writes to it."""
    keys = (RELIEF, FUND)
    for key, content in ((RELIEF, FILE), (FUND, parquet_of(TABLE))):
        drop(tmp_path / "drop", content, rows=3 if key == RELIEF else 2)
        intake.take(order(tmp_path, key))
        shutil.rmtree(tmp_path / "drop")
    stuck = tmp_path / "batches" / f"{RELIEF}.sqlite"
    stuck.unlink()
    os.mkfifo(stuck)
    loop = asyncio.get_running_loop()
    async with file_drop.connect(
        registry.load(REGISTERS),
        dict.fromkeys(keys, f"file://{tmp_path}"),
        clock=lambda: NOW,
        batches=stuck.parent,
        look_every_s=None,
    ) as sources:
        try:
            waiting = [
                asyncio.create_task(sources[RELIEF].fetch(query(PERSON), deadline=loop.time() + 3))
                for _ in range(AT_ONCE)
            ]
            await asyncio.sleep(0.2)
            found = await sources[FUND].fetch(query(PERSON, FUND), deadline=loop.time() + 2.5)
            answers = await asyncio.gather(*waiting)
        finally:
            os.close(os.open(stuck, os.O_RDWR))

    assert found.status is EvidenceStatus.MATCH
    assert {answer.status for answer in answers} == {EvidenceStatus.UNAVAILABLE}


async def test_what_was_taken_is_for_our_account_alone(tmp_path: Path) -> None:
    city = City(tmp_path)
    drop(city.drop, FILE, rows=3)
    async with city.watching():
        await city.told()

    assert city.batches.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in city.batches.iterdir()} == {0o600}


def test_columns_that_nobody_asks_for_are_not_kept(tmp_path: Path) -> None:
    drop(tmp_path / "drop", FILE, rows=3)
    intake.take(order(tmp_path))
    kept = order(tmp_path).target.read_bytes()

    assert PERSON.encode() in kept
    assert "张伟".encode() not in kept


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("where = ", "# where = ", "`request`: a register of transport file needs `where`"),
        ("batch = ", "# batch = ", "`request`: a register of transport file needs `batch`"),
        (
            'format = "csv"',
            'format = "excel"',
            "`encoding` means nothing to a file of format excel",
        ),
        (
            "[request]",
            '[request]\nview = "v"',
            "`view` means nothing to a register of transport file",
        ),
        (
            "complete = true",
            "complete = false",
            "absence from an incomplete register means nothing",
        ),
    ],
)
def test_a_register_file_that_fits_no_batch_is_refused(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    text = (REGISTERS / "relief_register.toml").read_text("utf-8")
    assert old in text
    (tmp_path / "relief_register.toml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(InvalidPublicationError) as caught:
        registry.load(tmp_path)

    assert fault in str(caught.value)


@pytest.mark.parametrize(
    "address", ["/srv/drop", "file://host/drop", "file:drop", "file:///drop?x=1", "https://h/drop"]
)
async def test_an_address_that_is_no_folder_of_this_machine_is_refused(address: str) -> None:
    with pytest.raises(InvalidPublicationError, match="is not of the form file:///folder"):
        async with gateway.connect(registry.load(REGISTERS), {RELIEF: address}, clock=lambda: NOW):
            raise AssertionError("it was opened")


FUND, CHECKS = EvidenceType("housing_fund_register"), EvidenceType("medical_check_register")
SHEET_HEAD = ("证件号码", "姓名", "体检日期", "结论", "视力", "次数")
SHEET = (
    (PERSON, "张伟", date(2026, 1, 15), "合格", 5.1, 2),
    (ANOTHER, "王芳", "2025年12月1日", "不合格", None, 1),
)
TABLE: dict[str, list[Any]] = {
    "zjhm": [PERSON, ANOTHER],
    "dwmc": ["某公司", "某公司"],
    "zhzt": ["01", "99"],
    "lxyf": [37, 0],
    "yjce": [Decimal("2480.50"), None],
    "khrq": [date(2020, 5, 6), date(2019, 1, 1)],
    "dqsj": [datetime(2026, 2, 28, 22, 0)] * 2,  # noqa: DTZ001 - as databases export them
}


def workbook(*rows: Sequence[object], **more: Sequence[Sequence[object]]) -> bytes:
    return excel_of({"说明": [("每晚更新",)], "合格名单": [SHEET_HEAD, *rows], **more})


async def test_a_workbook_answers_with_what_its_cells_hold(tmp_path: Path) -> None:
    city = City(tmp_path, CHECKS)
    drop(city.drop, workbook(*SHEET), rows=2)
    async with city.watching() as ask:
        report = await city.told()
        found, failed, absent = [await ask(who) for who in (PERSON, ANOTHER, NOBODY)]

    assert report.taken is not None, report
    assert found.values == {
        "applicant.medical_check_passed": True,
        "applicant.medical_check_date": date(2026, 1, 15),
        "applicant.medical_check_sight": Decimal("5.1"),
        "applicant.medical_check_times": Decimal(2),
    }
    assert failed.values == {
        "applicant.medical_check_passed": False,
        "applicant.medical_check_date": date(2025, 12, 1),
        "applicant.medical_check_times": Decimal(1),
    }
    assert (absent.status, absent.values) == (EvidenceStatus.NO_RECORD_INCONCLUSIVE, {})


async def test_a_parquet_file_answers_with_what_its_columns_hold(tmp_path: Path) -> None:
    city = City(tmp_path, FUND)
    drop(city.drop, parquet_of(TABLE), rows=2)
    async with city.watching() as ask:
        report = await city.told()
        found, absent = [await ask(who) for who in (PERSON, NOBODY)]

    assert report.taken is not None, report
    assert found.values == {
        "applicant.housing_fund_account": "active",
        "applicant.housing_fund_months": Decimal(37),
        "applicant.housing_fund_monthly_payment": Decimal("2480.50"),
        "applicant.housing_fund_opened": date(2020, 5, 6),
    }
    assert found.as_of == datetime(2026, 2, 28, 14, tzinfo=UTC)  # what the row says of itself
    assert absent.values["applicant.housing_fund_account"] == "none"


@pytest.mark.parametrize(
    ("register", "content", "fault"),
    [
        pytest.param(
            CHECKS,
            workbook((int(PERSON[:17] + "0"), *SHEET[0][1:]), SHEET[1]),
            "whom a row is about must be known of every row",
            id="an identity number as a number",
        ),
        pytest.param(
            CHECKS,
            workbook((*SHEET[0][:5], 1.5), SHEET[1]),
            "`次数` is off contract in 1 rows, the first of them row 1",
            id="half a time",
        ),
        pytest.param(
            CHECKS,
            workbook((*SHEET[0][:5], 1e20), SHEET[1]),
            "row 1: no exact value in `次数`",
            id="a number that no cell keeps exactly",
        ),
        pytest.param(
            CHECKS,
            workbook((*SHEET[0][:2], datetime(2026, 1, 15, 8, 30), *SHEET[0][3:]), SHEET[1]),  # noqa: DTZ001
            "`体检日期` is off contract",
            id="an instant for a day",
        ),
        pytest.param(
            CHECKS,
            excel_of({"Sheet1": [SHEET_HEAD, *SHEET]}),
            "cannot be read as Excel (WorksheetNotFound)",
            id="another sheet",
        ),
        pytest.param(CHECKS, b"PK\x03\x04", "cannot be read as Excel", id="no workbook"),
        pytest.param(CHECKS, FILE, "cannot be read as Excel", id="CSV for a workbook"),
        pytest.param(
            CHECKS,
            b"PK\x05\x06" + b"\xff" * 16 + b"\0\0",
            "cannot be read as Excel (BadZipFile)",
            id="a packed file without anything in it",
        ),
        pytest.param(
            FUND,
            parquet_of({**TABLE, "zhzt": [["01"], ["99"]]}),
            "reading it failed with TypeError",
            id="lists for codes",
        ),
        pytest.param(
            FUND,
            parquet_of({**TABLE, "yjce": [2480.5, None]}),
            "row 1: no exact value in `yjce`",
            id="a floating-point number",
        ),
        pytest.param(
            FUND,
            parquet_of({name: cells for name, cells in TABLE.items() if name != "lxyf"}),
            "there is no column `lxyf`",
            id="a column is missing",
        ),
        pytest.param(
            FUND, parquet_of(TABLE)[:-20], "cannot be read as Parquet", id="a table cut off"
        ),
        pytest.param(FUND, FILE, "cannot be read as Parquet", id="CSV for a table"),
        pytest.param(
            FUND,
            parquet_of({**TABLE, "zjhm": [PERSON, PERSON]}),
            "2 rows share 1 keys",
            id="two rows of one person",
        ),
    ],
)
def test_a_workbook_or_table_that_is_not_as_agreed_is_refused(
    tmp_path: Path, register: EvidenceType, content: bytes, fault: str
) -> None:
    drop(tmp_path / "drop", content, rows=2)
    report = intake.take(order(tmp_path, register))

    assert report.taken is None
    assert fault in " ".join(report.refused[0].faults)


def test_a_table_that_breaks_its_reader_leaves_the_older_sound_one_to_be_taken(
    tmp_path: Path,
) -> None:
    drop(tmp_path / "drop", parquet_of(TABLE), rows=2, batch="1", as_of="2026-02-01")
    broken = parquet_of({**TABLE, "zhzt": [["01"], ["99"]]})
    drop(tmp_path / "drop", broken, rows=2, batch="2", as_of="2026-02-02")
    report = intake.take(order(tmp_path, FUND))

    assert [one.manifest for one in report.refused] == ["2.json"]
    assert report.taken is not None
    assert report.taken.batch == "1"


async def test_a_workbook_that_ends_its_reader_is_told_once_and_the_older_one_is_taken(
    tmp_path: Path,
) -> None:
    """One cell far from the others: libraries make room for all between, here for ten gigabytes."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "合格名单"
    sheet.append(SHEET_HEAD)
    sheet.cell(row=1 << 20, column=300, value="x")
    written = io.BytesIO()
    book.save(written)
    city = City(tmp_path, CHECKS)
    drop(city.drop, workbook(*SHEET), rows=2, batch="1", as_of="2026-02-01")
    drop(city.drop, written.getvalue(), rows=2, batch="2", as_of="2026-02-02")
    async with city.watching() as ask:
        ended, report = await city.told(), await city.told()
        found = await ask(PERSON)
        await asyncio.sleep(0.5)

    assert [(one.manifest, one.faults) for one in ended.refused] == [
        ("2.json", (f"the reading process ended with -{signal.SIGABRT}",))
    ]
    assert report.taken is not None
    assert (report.taken.batch, report.refused) == ("1", ())
    assert found.status is EvidenceStatus.MATCH
    assert city.reports.empty()


async def test_a_batch_that_takes_for_ever_is_left_and_the_older_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 1_000_000
    city = City(tmp_path)
    drop(city.drop, FILE, rows=3, batch="1", as_of="2026-02-01")
    long = csv_of([HEAD]) + csv_of([ROWS[0]]) * rows
    drop(city.drop, long, rows=rows, batch="2", as_of="2026-02-02")
    monkeypatch.setattr(file_drop, "LONGEST_S", 1.5)
    async with city.watching():
        while not (late := await city.told()).refused[0].manifest:
            """It was not even begun in time."""
        monkeypatch.setattr(file_drop, "LONGEST_S", 60.0)
        while (report := await city.told()).taken is None:
            assert report == late

    assert [(one.manifest, one.faults) for one in late.refused] == [
        ("2.json", ("reading took longer than 2 s",))
    ]
    assert report.taken.batch == "1"


async def test_a_manifest_whose_name_is_no_utf8_is_read_like_any_other(tmp_path: Path) -> None:
    city = City(tmp_path)
    manifest = drop(city.drop, FILE, rows=3)
    manifest.rename(city.drop / os.fsdecode("名单.json".encode("gbk")))
    async with city.watching():
        taken = await city.told()
        (city.drop / os.fsdecode("晚.json".encode("gbk"))).write_text("{}")
        refused = await city.told()

    assert taken.taken is not None
    assert refused.refused[0].manifest.endswith(".json")


def test_a_disk_that_is_full_is_no_fault_of_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_part: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    drop(tmp_path / "drop", FILE, rows=3)
    with monkeypatch.context() as patch:
        patch.setattr(intake, "_put", full)
        with pytest.raises(OSError, match="no space left"):
            intake.take(order(tmp_path))

    assert intake.take(order(tmp_path)).taken is not None


def test_a_workbook_that_unpacks_without_end_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "_UNPACKED", 1_000)
    drop(tmp_path / "drop", workbook(*SHEET), rows=2)
    report = intake.take(order(tmp_path, CHECKS))

    assert "GiB unpacked" in report.refused[0].faults[0]


def test_the_log_tells_of_batches_without_a_word_of_anybody(tmp_path: Path) -> None:
    drop(tmp_path / "drop", csv_of(changed("救助类别", "其他")), rows=3, batch="1")
    refused = intake.take(order(tmp_path))
    drop(tmp_path / "drop", FILE, rows=3, batch="2")
    taken = intake.take(order(tmp_path))
    with capture_logs() as lines:
        tell_of_batches(RELIEF, refused)
        tell_of_batches(RELIEF, taken)

    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("error", "register.batch_refused"),
        ("info", "register.batch_taken"),
    ]
    assert (lines[-1]["batch"], lines[-1]["rows"]) == ("2", 3)
    assert not any(secret in str(lines) for secret in (PERSON, ANOTHER, "张伟", "其他"))
