"""Whoever changes the store, or a receipt, is found out, and the entry is named."""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from audit.errors import StoreRefusedError, TamperedError
from audit.log.checkpoint import Signer
from audit.trail import CaseRow, Entry, Trail
from audit.trail.projections import archive_hash
from audit.verify import Depth, derivation, verify_receipt, verify_store

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SIZE = 300
"""More than a tile, so that there are hashes in tiles and hashes beside them."""


def entry(i: int) -> Entry:
    case = CaseRow(f"c{i % 7}", f"2026-{i % 7}", "portal", "m", f"s{i}", "2026-01-02", NOW)
    return Entry(
        type="decision/1",
        id=str(UUID(int=i)),
        time=NOW + timedelta(seconds=i),
        permanent={
            "matter": "m",
            "outcome": "approved",
            "release_digest": "d",
            "channel": "web",
            "reasons": ["MET"] if i % 2 else [],
        },
        sealed={"text": "x"},
        subject=f"resident_id:99000019900101{i % 9:04d}",
        notice="准予" * (i % 3),
        case=case if i % 3 else None,
    )


async def fill(folder: Path) -> dict[str, str]:
    """A store of `SIZE` entries, and two receipts."""
    Trail.create(folder, origin="test.invalid/miaopi")
    async with Trail.open(folder) as trail:
        for i in range(SIZE):
            keys = {f"k{i}": None, f"case{i % 7}": i - 7 if i >= 7 else None}
            await trail.append(entry(i), expect=keys)
        await trail.archive("d", b"rules")
        return {"first": await trail.receipt(1), "last": await trail.receipt(SIZE - 1)}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("tampering") / "s"
    return folder, asyncio.run(fill(folder))


@pytest.fixture(scope="module")
def copy(filled: tuple[Path, dict[str, str]]) -> Path:
    """A copy to spoil; every example puts back what it spoiled."""
    folder = filled[0].with_name("copy")
    shutil.copytree(filled[0], folder)
    return folder


@pytest.fixture(scope="module")
def cells(copy: Path) -> dict[str, list[tuple[str, str]]]:
    """Table → its columns with their keys; all tables that the store has."""
    with sqlite3.connect(copy / "store.sqlite") as store:
        tables = [
            name for (name,) in store.execute("SELECT name FROM sqlite_schema WHERE type='table'")
        ]
        found = {
            table: [(c[1], c[2]) for c in store.execute(f"PRAGMA table_info({table})")]
            for table in tables
        }
    store.close()
    return found


KEYS = {
    "log_entries": "idx",
    "log_tiles": "level",
    "log_head": "id",
    "log_latest": "key",
    "sealed": "idx",
    "subject_keys": "id",
    "entries": "idx",
    "mark_sets": "rowid",
    "spans": "block",
    "cases": "case_id",
    "archive": "digest",
    "service_keys": "name",
}
UNTOUCHED = {("log_head", "id"), ("log_head", "schema"), ("log_head", "origin")}
"""A wrong id, schema or origin is refused, not reported; that has its own test."""


def test_every_table_of_the_store_is_tampered_with(
    cells: dict[str, list[tuple[str, str]]],
) -> None:
    assert set(cells) == set(KEYS)


def test_an_honest_store_is_found_honest(copy: Path) -> None:
    seen: list[tuple[int, int]] = []

    report = verify_store(copy, progress=lambda done, total: seen.append((done, total)))

    assert (report.problems, report.unchecked) == ((), ())
    assert (report.derived.size, report.signed_size) == (SIZE, SIZE)
    assert seen == [(256, SIZE), (SIZE, SIZE)]


@settings(max_examples=120)
@given(data=st.data())
def test_no_changed_cell_goes_unseen(
    copy: Path, cells: dict[str, list[tuple[str, str]]], data: st.DataObject
) -> None:
    """Change any byte or number anywhere: verification says so, and names the entry if it can."""
    table = data.draw(st.sampled_from(sorted(set(cells) - {"service_keys"})))
    choices = [name for name, _ in cells[table] if (table, name) not in UNTOUCHED]
    column = data.draw(st.sampled_from(choices))
    key = KEYS[table]
    read = f"SELECT {key}, {column} FROM {table}"  # noqa: S608  # names of our own tables
    write = f"UPDATE {table} SET {column} = ? WHERE {key} = ?"  # noqa: S608  # the same
    store = sqlite3.connect(copy / "store.sqlite", isolation_level=None)
    with closing(store):
        rows = store.execute(read).fetchall()
        at, old = data.draw(st.sampled_from(rows))
        new = changed(old, data)
        if table == "log_tiles" or column == key:
            assume(all(value != new for _, value in rows))
        store.execute(write, (new, at))
        try:
            report = verify_store(copy)
        finally:
            back = new if column == key else at
            store.execute(write, (old, back))
    assert report.problems, f"{table}.{column} of {at}: {old!r} became {new!r}"
    if table in {"entries", "cases"} and column != key:
        named = f"column `{column}` of `{table}`"
        assert any(problem.what.startswith(named) for problem in report.problems)
    if table in {"log_entries", "sealed", "entries"} and column != key:
        assert report.first_bad_index == at
    elif table in {"log_entries", "sealed", "entries", "mark_sets", "log_tiles"}:
        assert report.first_bad_index is not None


@pytest.mark.parametrize("value", [7, "x", b"x", 0.5])
def test_a_value_of_another_type_is_seen_wherever_it_stands(
    copy: Path, cells: dict[str, list[tuple[str, str]]], value: object
) -> None:
    """SQLite keeps any type in any column; whoever reads must not stumble over it."""
    for table in sorted(set(cells) - {"service_keys"}):
        for column, _ in cells[table]:
            key = KEYS[table]
            if column == key or (table, column) in UNTOUCHED:
                continue
            read = f"SELECT {key}, {column} FROM {table} ORDER BY {key} LIMIT 1"  # noqa: S608  # ours
            write = f"UPDATE {table} SET {column} = ? WHERE {key} = ?"  # noqa: S608  # ours
            store = sqlite3.connect(copy / "store.sqlite", isolation_level=None)
            with closing(store):
                at, old = store.execute(read).fetchone()
                store.execute(write, (value, at))
                if store.execute(read).fetchone()[1] != old:
                    assert is_seen(copy), f"{table}.{column} = {value!r}"
                store.execute(write, (old, at))
    assert verify_store(copy).problems == ()


def is_seen(folder: Path) -> bool:
    try:
        return bool(verify_store(folder).problems)
    except StoreRefusedError:
        return True


def changed(old: Any, data: st.DataObject) -> Any:
    """The value, with one bit, character or digit different."""
    if isinstance(old, int):
        return old + data.draw(st.sampled_from([-1, 1, 1000]))
    if not old:
        return "x" if isinstance(old, str) else b"x"
    at = data.draw(st.integers(0, len(old) - 1))
    if isinstance(old, str):
        return old[:at] + ("a" if old[at] != "a" else "b") + old[at + 1 :]
    bit = 1 << data.draw(st.integers(0, 7))
    return old[:at] + bytes([old[at] ^ bit]) + old[at + 1 :]


@pytest.mark.parametrize(
    ("statements", "index"),
    [
        pytest.param(["DELETE FROM log_entries WHERE idx = 17"], 17, id="an entry is gone"),
        pytest.param(["DELETE FROM sealed WHERE idx = 299"], 299, id="a sealed part is gone"),
        pytest.param(["DELETE FROM entries WHERE idx = 5"], 5, id="a projection is gone"),
        pytest.param(["DELETE FROM log_latest WHERE key = 'k9'"], 9, id="a key is gone"),
        pytest.param(["DELETE FROM cases WHERE case_id = 'c1'"], 295, id="a case is gone"),
        pytest.param(["DELETE FROM log_tiles"], 0, id="a tile is gone"),
        pytest.param(["INSERT INTO log_latest VALUES ('free', 3)"], 3, id="a key is made up"),
        pytest.param(
            ["INSERT INTO log_entries SELECT 300, hash, leaf FROM log_entries WHERE idx = 1"],
            300,
            id="an entry is slipped in at the end",
        ),
        pytest.param(
            [
                "UPDATE log_entries SET idx = 1000 WHERE idx = 20",
                "UPDATE log_entries SET idx = 20 WHERE idx = 21",
                "UPDATE log_entries SET idx = 21 WHERE idx = 1000",
            ],
            20,
            id="two entries change places",
        ),
        pytest.param(
            [
                "CREATE TEMP TABLE four AS SELECT hash, leaf FROM log_entries WHERE idx = 4",
                "UPDATE log_entries SET (hash, leaf) = (SELECT * FROM four) WHERE idx = 280",
            ],
            280,
            id="an entry stands twice",
        ),
        pytest.param(
            ["DELETE FROM log_entries WHERE idx >= 290", "UPDATE log_head SET size = 290"],
            290,
            id="the end is cut off",
        ),
    ],
)
def test_what_is_missing_repeated_or_reordered_is_named(
    filled: tuple[Path, dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    statements: list[str],
    index: int,
) -> None:
    """By one process as by several, which have a tile each."""
    shutil.copytree(filled[0], tmp_path / "s")
    store = sqlite3.connect(tmp_path / "s" / "store.sqlite")
    with store:
        for statement in statements:
            store.execute(statement)
    store.close()

    report = verify_store(tmp_path / "s")

    assert report.first_bad_index == index
    monkeypatch.setitem(derivation.STRETCH, Depth.SEALED, 256)
    assert verify_store(tmp_path / "s", processes=2) == report


MISNAMED = f"INSERT INTO archive VALUES ('{'0' * 64}', '{archive_hash('0' * 64, b'x')}', x'78')"  # noqa: S608  # ours
NAMED = [
    pytest.param(
        ["UPDATE mark_sets SET value = x'6a9a6ba2f79d' WHERE value = 'approved'"],
        (0, "`mark_sets` has other marks for this entry than follow from it"),
        id="a mark as bytes whose base64 is the mark",
    ),
    pytest.param(
        ["UPDATE entries SET matter = CAST(x'ff' AS TEXT) WHERE idx = 7"],
        (7, "column `matter` of `entries` does not follow from the entry"),
        id="a column that is no UTF-8",
    ),
    pytest.param(
        ["UPDATE mark_sets SET value = CAST(x'ff' AS TEXT) WHERE value = 'approved'"],
        (0, "`mark_sets` has other marks for this entry than follow from it"),
        id="a mark that is no UTF-8",
    ),
    pytest.param(
        ["UPDATE log_latest SET key = CAST(x'ff' AS TEXT) WHERE key = 'k9'"],
        (9, "a key points at this entry, which does not have it"),
        id="a key that is no UTF-8",
    ),
    pytest.param(
        ["UPDATE cases SET case_number = CAST(x'ff' AS TEXT) WHERE case_id = 'c1'"],
        (295, "column `case_number` of `cases` is not as the newest entry of the case says"),
        id="a case that is no UTF-8",
    ),
    pytest.param(
        ["UPDATE sealed SET subject_key_id = CAST(x'ff' AS TEXT) WHERE idx = 4"],
        (4, "the subject key is missing, or filed under another subject"),
        id="the name of a key that is no UTF-8",
    ),
    pytest.param(
        ["UPDATE log_entries SET leaf = CAST(x'ff' AS TEXT) WHERE idx = 7"],
        (7, "the permanent part does not have the hash that is stored with it"),
        id="an entry that is no UTF-8",
    ),
    pytest.param(
        [
            """UPDATE log_entries SET leaf = CAST(replace(CAST(leaf AS TEXT),
               '"outcome":', '"outcome":"refused","outcome":') AS BLOB) WHERE idx = 7"""
        ],
        (7, "the permanent part is not its one canonical text, so readers could differ"),
        id="an entry that says one thing to who reads the first and another to who reads the last",
    ),
    pytest.param(
        ["UPDATE log_tiles SET hashes = hashes || x'00'"],
        (0, "tile 0/0 does not follow from the entries"),
        id="a tile with a byte too many",
    ),
    pytest.param(
        ["UPDATE archive SET content = 'rules'"],
        (None, "the archived content `d` is not what was put there"),
        id="an archived content as text",
    ),
    pytest.param(
        ["UPDATE archive SET digest = CAST(digest AS BLOB)"],
        (None, "the archived content `b'd'` is not what was put there"),
        id="the digest of an archived content as bytes",
    ),
    pytest.param(
        ["UPDATE archive SET digest = CAST(x'ff' AS TEXT)"],
        (None, "the archived content `\\udcff` is not what was put there"),
        id="the digest of an archived content that is no UTF-8",
    ),
    pytest.param(
        [MISNAMED],
        (None, f"the archived content `{'0' * 64}` is not what was put there"),
        id="an archived release that is not of its digest",
    ),
    pytest.param(
        ["INSERT INTO service_keys VALUES ('kept', x'00')"],
        (None, "there is a key of the service that it does not know"),
        id="a key that is kept among those of the service",
    ),
    pytest.param(
        ["UPDATE log_head SET size = -5"],
        (None, "the head of size -5 does not follow from the entries"),
        id="a head of fewer than no entries",
    ),
]
"""What another hand than the service's can write, and no table refuses."""


@pytest.mark.parametrize(("statements", "named"), NAMED)
def test_what_a_store_can_hold_and_no_service_writes_is_named(
    filled: tuple[Path, dict[str, str]],
    tmp_path: Path,
    statements: list[str],
    named: tuple[int | None, str],
) -> None:
    shutil.copytree(filled[0], tmp_path / "s")
    store = sqlite3.connect(tmp_path / "s" / "store.sqlite")
    with store:
        for statement in statements:
            store.execute(statement)
    store.close()

    report = verify_store(tmp_path / "s")

    assert named in [(problem.index, problem.what) for problem in report.problems]
    assert all(problem.zh.encode() and problem.what.encode() for problem in report.problems)


@pytest.mark.parametrize(
    ("script", "named"),
    [
        pytest.param(
            """CREATE TRIGGER keep AFTER DELETE ON sealed
               BEGIN INSERT INTO archive VALUES (old.idx, '', old.content); END""",
            "the trigger `keep`",
            id="a trigger that keeps what is erased",
        ),
        pytest.param("CREATE TABLE kept (content)", "the table `kept`", id="another table"),
        pytest.param(
            """ALTER TABLE mark_sets RENAME TO sets;
               CREATE VIEW mark_sets AS SELECT * FROM sets
               WHERE name != 'outcome' OR strftime('%H', 'now') < '25'""",
            "the view `mark_sets`",
            id="a view that can tell by day what it hides by night",
        ),
        pytest.param(
            """PRAGMA writable_schema = ON;
               UPDATE sqlite_schema SET sql = replace(
                   sql, 'case_id VARCHAR', 'case_id VARCHAR COLLATE NOCASE') WHERE name = 'entries';
               PRAGMA writable_schema = RESET;
               REINDEX""",
            "the table `entries`",
            id="a column with another collation",
        ),
        pytest.param(
            """DROP INDEX cases_by_state;
               CREATE UNIQUE INDEX cases_by_state ON cases (state, due_time, case_id)""",
            "the index `cases_by_state`",
            id="an index that refuses what is new",
        ),
        pytest.param(
            "DROP INDEX entries_by_marks", "the index `entries_by_marks`", id="an index is gone"
        ),
    ],
)
def test_tables_are_as_they_were_made_and_nothing_else_is_there(
    filled: tuple[Path, dict[str, str]], tmp_path: Path, script: str, named: str
) -> None:
    shutil.copytree(filled[0], tmp_path / "s")
    store = sqlite3.connect(tmp_path / "s" / "store.sqlite")
    store.executescript(script)
    store.close()

    report = verify_store(tmp_path / "s")

    assert f"{named} is not as this program makes it" in [p.what for p in report.problems]
    assert report.first_bad_index is None


def test_a_store_that_cannot_be_read_for_its_tables_is_refused_by_their_name(
    filled: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    shutil.copytree(filled[0], tmp_path / "s")
    with closing(sqlite3.connect(tmp_path / "s" / "store.sqlite")) as store:
        store.executescript("ALTER TABLE spans RENAME TO times")

    with pytest.raises(StoreRefusedError) as caught:
        verify_store(tmp_path / "s")

    assert str(caught.value) == (
        "the store cannot be read to its end: the table `spans` is not as this program makes it"
    )
    assert caught.value.zh.startswith("表 `spans` 并非本程序所建的样子；")


def test_what_sqlite_itself_has_counted_is_no_table_of_somebody_else(
    filled: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    shutil.copytree(filled[0], tmp_path / "s")
    with closing(sqlite3.connect(tmp_path / "s" / "store.sqlite")) as store:
        store.executescript("ANALYZE; VACUUM")

    assert verify_store(tmp_path / "s").problems == ()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE log_tiles SET root = zeroblob(32)", "tree rows sealed"),
        ("UPDATE log_entries SET hash = zeroblob(32) WHERE idx = 299", "tree rows sealed"),
        ("UPDATE log_head SET frontier = zeroblob(32)", "tree rows sealed"),
        ("INSERT INTO log_entries VALUES (300, x'', x'')", "tree rows sealed"),
        ("UPDATE entries SET outcome = 'refused' WHERE idx = 4", "rows sealed"),
        ("UPDATE sealed SET content = x'00' WHERE idx = 4", "rows sealed"),
        ("UPDATE log_latest SET idx = 300 WHERE key = 'k9'", "rows sealed"),
        ("UPDATE cases SET state = 'open' WHERE case_id = 'c1'", "rows sealed"),
        ("INSERT INTO subject_keys VALUES ('stray', '', x'')", "rows sealed"),
        ("UPDATE sealed SET wrapped_key = zeroblob(60) WHERE idx = 4", "sealed"),
    ],
)
def test_each_depth_finds_what_it_says_it_checks(
    filled: tuple[Path, dict[str, str]], tmp_path: Path, statement: str, found: str
) -> None:
    shutil.copytree(filled[0], tmp_path / "s")
    store = sqlite3.connect(tmp_path / "s" / "store.sqlite")
    with store:
        store.execute(statement)
    store.close()

    reports = {depth: verify_store(tmp_path / "s", depth=depth) for depth in Depth}

    assert {depth.value for depth, report in reports.items() if report.problems} == {*found.split()}


def test_what_a_depth_leaves_out_is_said(filled: tuple[Path, dict[str, str]]) -> None:
    reports = {depth: verify_store(filled[0], depth=depth) for depth in Depth}

    assert all(report.problems == () for report in reports.values())
    assert {depth: report.depth for depth, report in reports.items()} == {d: d for d in Depth}
    assert [*reports[Depth.TREE].unchecked, *reports[Depth.ROWS].unchecked] == [
        "树以外的一切（`--depth tree`） | everything but the tree (`--depth tree`)",
        "密封部分能否打开（`--depth rows`） | whether sealed parts open (`--depth rows`)",
    ]
    assert reports[Depth.SEALED].unchecked == ()


def test_who_rewrites_everything_without_the_key_is_found_by_the_checkpoint(
    filled: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    """A store that is consistent in itself, under the name of the other."""
    folder = tmp_path / "s"
    asyncio.run(fill(folder))
    for name in ("checkpoint", "verifier.key"):
        shutil.copy(filled[0] / name, folder / name)

    report = verify_store(folder)

    assert [p.what for p in report.problems] == [
        f"the signed checkpoint of size {SIZE} is not of these entries"
    ]
    assert report.signed_size == 0


def test_without_the_master_key_everything_else_is_checked(
    filled: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    shutil.copytree(filled[0], tmp_path / "s")
    (tmp_path / "s" / "master.key").unlink()

    report = verify_store(tmp_path / "s")

    assert report.problems == ()
    (unchecked,) = report.unchecked
    assert "密封部分能否打开：此处没有 `master.key`" in unchecked
    assert "whether sealed parts open: `master.key` is not here" in unchecked


async def test_a_store_is_verified_beside_the_service_that_writes_it(tmp_path: Path) -> None:
    Trail.create(tmp_path / "s", origin="test.invalid")
    async with Trail.open(tmp_path / "s") as trail:

        async def write() -> None:
            for i in range(200):
                await trail.append(entry(i), expect={})

        writing = asyncio.create_task(write())
        reports = []
        while not writing.done():
            reports.append(await asyncio.to_thread(verify_store, tmp_path / "s"))
        await writing

    assert reports
    assert all(report.problems == () for report in reports)


# ── receipts ─────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_changed_character_of_a_receipt_goes_unseen(
    filled: tuple[Path, dict[str, str]], data: st.DataObject
) -> None:
    """Change, drop or add one character anywhere: the receipt is refused."""
    text = filled[1][data.draw(st.sampled_from(["first", "last"]))]
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(list('aB3+/= \n"\\人')).filter(lambda c: c != text[at]))
    way = data.draw(st.sampled_from(["change", "drop", "add"]))
    mutated = (
        text[:at] + {"change": other, "drop": "", "add": other + text[at]}[way] + text[at + 1 :]
    )

    with pytest.raises(TamperedError):
        verify_receipt(mutated)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subject": "resident_id:990000199001019999"}, "the receipt is not about the person"),
        ({"notice": "不予"}, "the notice is not the one that was given"),
    ],
)
def test_a_receipt_made_out_to_another_is_refused(
    filled: tuple[Path, dict[str, str]], changes: dict[str, str], message: str
) -> None:
    receipt = {**json.loads(filled[1]["last"]), **changes}
    text = json.dumps(receipt, ensure_ascii=False, indent=2) + "\n"

    with pytest.raises(TamperedError) as caught:
        verify_receipt(text)

    assert str(caught.value).startswith(message)
    assert caught.value.reason == "RECEIPT_UNPROVEN"


def test_a_receipt_of_another_log_is_refused_under_the_published_key(
    filled: tuple[Path, dict[str, str]],
) -> None:
    other = Signer(Signer.generate("test.invalid/miaopi")).verifier_key

    with pytest.raises(TamperedError) as caught:
        verify_receipt(filled[1]["last"], key=other)

    assert str(caught.value) == "the receipt is from another log than the given key"


@pytest.mark.parametrize("text", ["", "{}", "[]", "\ud800", "x" * 5_000_000, '{"schema": 1}'])
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(TamperedError) as caught:
        verify_receipt(text)

    assert caught.value.reason == "RECEIPT_MALFORMED"
