"""What somebody inside can do to the record, and who finds it: each cell, also the empty ones.

Inside, a service at its start and `audit verify` can only find what contradicts something that the
insider could not change. Whoever holds the signing key is found out by what lies outside alone: a
checkpoint that the auditor kept, or a receipt that an applicant took home.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.errors import AuditError, StoreRefusedError, TamperedError
from audit.log.checkpoint import Checkpoint, Signer
from audit.log.merkle import Frontier, leaf_hash
from audit.log.tiles import Tree
from audit.trail import CaseRow, Entry, Trail
from audit.trail.entries import Leaf, Links
from audit.trail.projections import Projected
from audit.verify import verify_receipt_in, verify_store

SIZE = 20
TOUCHED, OTHER, LAST = 7, 3, SIZE - 1
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Kept:
    """What lies outside.

    Attributes:
        checkpoint: The newest signed note, at an auditor's.
        receipts: Of every entry, at the applicants'.
    """

    checkpoint: str
    receipts: tuple[str, ...]


def entry(i: int, outcome: str) -> Entry:
    return Entry(
        type="decision/1",
        id=f"{i:036}",
        time=NOW + timedelta(seconds=i),
        permanent={"matter": "m", "outcome": outcome},
        sealed={"text": "x"},
        subject=f"resident_id:99000019900101{i:04d}",
        notice="告知",
    )


async def fill(folder: Path) -> Kept:
    async with Trail.open(folder) as trail:
        for i in range(SIZE):
            await trail.append(entry(i, "refused"), expect={})
        return Kept(trail.checkpoint(), tuple([await trail.receipt(i) for i in range(SIZE)]))


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Kept]:
    folder = tmp_path_factory.mktemp("insider") / "s"
    Trail.create(folder, origin="test.invalid/miaopi")
    return folder, asyncio.run(fill(folder))


# ── what an insider can do ───────────────────────────────────────────────────────────────────────


def edit(folder: Path) -> None:
    """Turn a refusal into an approval, in every table where it can be seen."""
    with changing(folder) as store:
        (leaf,) = store.execute("SELECT leaf FROM log_entries WHERE idx = ?", (TOUCHED,)).fetchone()
        leaf = leaf.replace(b'"outcome":"refused"', b'"outcome":"approved"')
        store.execute("UPDATE log_entries SET leaf = ? WHERE idx = ?", (leaf, TOUCHED))
        marks = Projected.of(Leaf.decode(leaf), Links("", ())).marks
        rows = [(marks.id, *mark) for mark in marks.marks]
        store.executemany("INSERT INTO mark_sets VALUES (?, ?, ?)", rows)
        now = "UPDATE entries SET outcome = 'approved', marks = ? WHERE idx = ?"
        store.execute(now, (marks.id, TOUCHED))


def cut(folder: Path) -> None:
    """Take the last five entries away, with everything that belongs to them."""
    with changing(folder) as store:
        for table in ("log_entries", "sealed", "entries"):
            store.execute(f"DELETE FROM {table} WHERE idx >= ?", (SIZE - 5,))  # noqa: S608  # ours
        store.execute("UPDATE spans SET latest = (SELECT max(time) FROM entries)")
        store.execute(
            "DELETE FROM subject_keys WHERE id NOT IN (SELECT subject_key_id FROM sealed)"
        )


def recompute(folder: Path) -> Checkpoint:
    """Make hashes and head agree with the entries as they are now."""
    tree = Tree(Frontier(), [])
    with changing(folder) as store:
        leaves = store.execute("SELECT idx, leaf FROM log_entries ORDER BY idx").fetchall()
        for index, leaf in leaves:
            store.execute("UPDATE log_entries SET hash = ? WHERE idx = ?", (leaf_hash(leaf), index))
        assert [*tree.grow(leaf_hash(leaf) for _, leaf in leaves)] == [], "no tile is full"
        root, frontier = tree.frontier.root(), b"".join(tree.frontier.hashes)
        store.execute(
            "UPDATE log_head SET size = ?, root = ?, frontier = ?", (len(leaves), root, frontier)
        )
    return Checkpoint("test.invalid/miaopi", tree.size, root)


def rewrite_anchor(folder: Path) -> None:
    (folder / "anchor").write_text(recompute(folder).text)


def rewrite_checkpoint(folder: Path) -> None:
    """With the stolen key."""
    signer = Signer((folder / "signing.key").read_text().strip())
    (folder / "checkpoint").write_text(signer.sign(recompute(folder)))


def sign_with_another_key(folder: Path) -> None:
    signer = Signer(Signer.generate("test.invalid/miaopi"))
    (folder / "checkpoint").write_text(signer.sign(recompute(folder)))


def drop_checkpoint(folder: Path) -> None:
    (folder / "checkpoint").unlink()


def let_the_service_sign(folder: Path) -> None:
    (folder / "checkpoint").unlink()

    async def start() -> None:
        async with Trail.open(folder):
            pass

    asyncio.run(start())


def record_what_is_false(folder: Path) -> None:
    """The clerk's, or the service's, own lie; it is a true record of what was submitted."""

    async def lie() -> None:
        async with Trail.open(folder) as trail:
            await trail.append(entry(SIZE, "approved"), expect={})

    asyncio.run(lie())


def record_nothing(folder: Path) -> None:
    """A decision that was told on the telephone."""


# ── who finds it ─────────────────────────────────────────────────────────────────────────────────


def refuses(what: Callable[[], object]) -> bool:
    try:
        what()
    except (StoreRefusedError, TamperedError):
        return True
    return False


def start(folder: Path) -> bool:
    return refuses(lambda: Trail.open(folder).close())


FINDERS: Mapping[str, Callable[[Path, Kept], bool]] = {
    "verify": lambda folder, _: bool(verify_store(folder).problems),
    "outside": lambda folder, kept: bool(verify_store(folder, checkpoint=kept.checkpoint).problems),
    "touched": lambda folder, kept: refuses(
        lambda: verify_receipt_in(folder, kept.receipts[TOUCHED])
    ),
    "last": lambda folder, kept: refuses(lambda: verify_receipt_in(folder, kept.receipts[LAST])),
    "other": lambda folder, kept: refuses(lambda: verify_receipt_in(folder, kept.receipts[OTHER])),
    "start": lambda folder, _: start(folder),  # the last: a service that starts signs anew
}


@pytest.mark.parametrize(
    ("acts", "found_by"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param([edit], "verify outside touched", id="edits a row"),
        pytest.param(
            [edit, recompute],
            "start verify outside touched",
            id="edits a row, and all hashes",
        ),
        pytest.param(
            [edit, rewrite_anchor],
            "start verify outside touched",
            id="edits a row, all hashes and the anchor, without the key",
        ),
        pytest.param(
            [edit, rewrite_anchor, sign_with_another_key],
            "verify outside touched",
            id="edits a row, all hashes, the anchor, and signs with another key",
        ),
        pytest.param(
            [edit, rewrite_anchor, drop_checkpoint],
            "verify outside touched",
            id="edits a row, all hashes, the anchor, and takes the checkpoint away",
        ),
        pytest.param(
            [edit, rewrite_anchor, let_the_service_sign],
            "outside touched",
            id="edits a row, all hashes, the anchor, and has the service sign it",
        ),
        pytest.param(
            [edit, rewrite_anchor, rewrite_checkpoint],
            "outside touched",
            id="edits a row and everything else, with the stolen key",
        ),
        pytest.param([cut], "start verify outside last", id="cuts the end off"),
        pytest.param([cut, recompute], "start verify outside last", id="cuts, and all hashes"),
        pytest.param(
            [cut, rewrite_anchor],
            "start verify outside last",
            id="cuts, all hashes and the anchor, without the key",
        ),
        pytest.param(
            [cut, rewrite_anchor, rewrite_checkpoint],
            "outside last",
            id="cuts and everything else, with the stolen key",
        ),
        pytest.param([record_what_is_false], "", id="records what is false"),
        pytest.param([record_nothing], "", id="decides without a record"),
    ],
)
def test_who_finds_what_an_insider_did(
    honest: tuple[Path, Kept],
    tmp_path: Path,
    acts: list[Callable[[Path], object]],
    found_by: str,
) -> None:
    folder = tmp_path / "s"
    shutil.copytree(honest[0], folder)
    for act in acts:
        act(folder)

    found = {name for name, finds in FINDERS.items() if finds(folder, honest[1])}

    assert found == set(found_by.split())


# ── every file ───────────────────────────────────────────────────────────────────────────────────


async def crash(folder: Path, to: Path) -> None:
    """A store that was killed: with cases, keys and an archive, part of it still in the WAL."""
    Trail.create(folder, origin="test.invalid/miaopi")
    for first in (0, 300):
        async with Trail.open(folder) as trail:
            for i in range(first, first + (300 if first == 0 else 10)):
                case = CaseRow(f"c{i}", "n", "portal", "m", "open", "", NOW)
                plain = entry(i, "refused")
                changed = Entry(plain.type, plain.id, plain.time, plain.permanent, {}, case=case)
                await trail.append(changed, expect={f"k{i}": None})
            await trail.archive("d", b"rules")
            if first:
                shutil.copytree(folder, to)


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The store, and its content as text."""
    place = tmp_path_factory.mktemp("flips")
    asyncio.run(crash(place / "s", place / "crashed"))
    return place / "crashed", dump(place / "s")


FILES = (
    "anchor",
    "checkpoint",
    "verifier.key",
    "signing.key",
    "master.key",
    "store.sqlite",
    "store.sqlite-wal",
)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[*HealthCheck])
@given(data=st.data())
@pytest.mark.parametrize("name", FILES)
def test_no_flipped_bit_of_any_file_goes_unseen(
    crashed: tuple[Path, list[str]],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    data: st.DataObject,
) -> None:
    """It is reported or refused, or it is where nothing stands; never taken for the record."""
    folder = tmp_path_factory.mktemp("flip") / "s"
    shutil.copytree(crashed[0], folder)
    content = bytearray((folder / name).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (folder / name).write_bytes(content)

    try:
        seen = bool(verify_store(folder).problems)
    except AuditError:
        seen = True
    try:
        Trail.open(folder).close()
    except AuditError:
        seen = True

    if name.startswith("store"):
        assert seen or dump(folder) == crashed[1]
    else:
        unchanged = bytes(content).strip() == (crashed[0] / name).read_bytes().strip()
        assert seen or unchanged
    shutil.rmtree(folder.parent)


class changing:  # noqa: N801  # reads as a verb
    """The store, open as an insider opens it: with SQLite's own tools."""

    def __init__(self, folder: Path) -> None:
        self._store = sqlite3.connect(folder / "store.sqlite", isolation_level=None)

    def __enter__(self) -> sqlite3.Connection:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def dump(folder: Path) -> list[str]:
    """Everything that stands in the tables."""
    with changing(folder) as store:
        return [*store.iterdump()]
