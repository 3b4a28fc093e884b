"""An export holds what is kept for ever and nothing else; whatever is changed in it is found."""

import asyncio
import json
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from audit import recovery
from audit.errors import StoreRefusedError, TamperedError
from audit.export import export
from audit.log.checkpoint import Signer
from audit.log.tiles import bundle_entries, split_bundle
from audit.trail import Entry, Trail
from audit.trail.projections import archive_hash
from audit.verify import Depth, verify_export, verify_store
from decision_service.cli import app as miaopi

NOW = datetime(2030, 1, 2, tzinfo=UTC)
PERSON, ERASED = "resident_id:990000199001010007", "resident_id:990000199001020001"
RULES = b'{"rules":"R1"}'
DIGEST = sha256(RULES).hexdigest()
SIZE = 301


def entry(i: int) -> Entry:
    return Entry(
        type="decision/1",
        id=str(uuid4()),
        time=NOW,
        permanent={"matter": "m", "release_digest": DIGEST if i else ""},
        sealed={"text": f"hardship {i}"},
        subject=(PERSON, ERASED)[i % 2],
        notice="告知",
    )


async def fill(folder: Path) -> None:
    Trail.create(folder, origin="test.invalid/miaopi")
    async with Trail.open(folder) as trail:
        await trail.archive(DIGEST, RULES)
        await asyncio.gather(*(trail.append(entry(i), expect={}) for i in range(SIZE - 1)))
        await trail.erase(ERASED, reason="r", time=NOW)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed trail of a tile and a part of one, in ``s``, and its export, in ``export``."""
    folder = tmp_path_factory.mktemp("export")
    asyncio.run(fill(folder / "s"))
    export(folder / "s", folder / "export", now=NOW)
    return folder


@pytest.fixture(scope="module")
def spoilt(made: Path) -> Path:
    """A copy of the export to spoil; every example puts back what it spoiled."""
    return Path(shutil.copytree(made / "export", made / "spoilt"))


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_it_is_a_directory_of_tiles_with_keys_and_releases(made: Path) -> None:
    assert files(made / "export") == {
        "README.md",
        "checkpoint",
        "export.json",
        "verifier.key",
        f"releases/{DIGEST}.json",
        "tile/0/000",
        "tile/0/001.p/45",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/45",
    }
    assert (made / "export" / "releases" / f"{DIGEST}.json").read_bytes() == RULES
    assert json.loads((made / "export" / "export.json").read_text())["size"] == SIZE
    assert verify_export(made / "export").problems == ()


def test_nothing_secret_or_personal_goes_along(made: Path) -> None:
    store = sqlite3.connect(made / "s" / "store.sqlite")
    secrets = [
        value.encode() if isinstance(value, str) else value
        for query in (
            "SELECT subject_tag FROM entries WHERE subject_tag != ''",
            "SELECT content FROM sealed",
            "SELECT links_salt FROM sealed",
            "SELECT wrapped FROM subject_keys",
            "SELECT id FROM subject_keys",
        )
        for (value,) in store.execute(query)
    ]
    store.close()
    secrets += [(made / "s" / name).read_bytes()[:40] for name in ("master.key", "signing.key")]
    secrets += [PERSON[-18:].encode(), b"hardship", "告知".encode()]
    exported = b"\n".join((made / "export" / name).read_bytes() for name in files(made / "export"))

    assert len(secrets) > 300
    assert not any(secret in exported for secret in secrets)


def test_nothing_is_overwritten_and_no_half_export_is_left(made: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreRefusedError) as caught:
        export(made / "s", made / "export", now=NOW)
    assert caught.value.reason == "EXPORT_EXISTS"

    (tmp_path / "e.partial" / "tile").mkdir(parents=True)
    (tmp_path / "e.partial" / "tile" / "old").touch()
    export(made / "s", tmp_path / "e", now=NOW)
    assert files(tmp_path / "e") == files(made / "export")
    assert not (tmp_path / "e.partial").exists()


def test_of_two_that_export_at_once_under_one_name_neither_spoils_the_other(
    made: Path, tmp_path: Path
) -> None:
    def one() -> str:
        try:
            export(made / "s", tmp_path / "e", now=NOW)
        except StoreRefusedError as refusal:
            return refusal.reason
        return "done"

    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            answers = [one.result() for one in [threads.submit(one) for _ in range(4)]]
            assert answers.count("done") == 1
            assert {*answers} <= {"done", "COPY_UNDER_WAY", "EXPORT_EXISTS"}
            assert files(tmp_path / "e") == files(made / "export")
            assert [path.name for path in tmp_path.iterdir()] == ["e"]
            shutil.rmtree(tmp_path / "e")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_entries SET leaf = CAST(REPLACE(leaf, '\"m\"', '\"n\"') AS BLOB) WHERE idx = 7",
        "DELETE FROM log_entries WHERE idx = 300",
        "UPDATE archive SET content = x'7b7d'",
        "UPDATE log_head SET origin = 'other.invalid'",
    ],
)
def test_what_was_tampered_with_is_not_exported(made: Path, tmp_path: Path, statement: str) -> None:
    shutil.copytree(made / "s", tmp_path / "s")
    store = sqlite3.connect(tmp_path / "s" / "store.sqlite", isolation_level=None)
    store.execute(statement)
    store.close()

    with pytest.raises(StoreRefusedError) as caught:
        export(tmp_path / "s", tmp_path / "e", now=NOW)

    assert caught.value.reason == "STORE_DAMAGED"
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        pytest.param("DELETE FROM archive", (), id="gone"),
        pytest.param(
            "UPDATE archive SET content = ?, sha256 = ?",
            (b"{}", archive_hash(DIGEST, b"{}")),
            id="another in its place",
        ),
    ],
)
def test_whoever_verifies_misses_a_release_that_entries_name(
    made: Path, tmp_path: Path, statement: str, values: tuple[object, ...]
) -> None:
    shutil.copytree(made / "s", tmp_path / "s")
    store = sqlite3.connect(tmp_path / "s" / "store.sqlite", isolation_level=None)
    store.execute(statement, values)
    store.close()

    problems = verify_store(tmp_path / "s").problems

    assert problems[0].index == 1, "the first that names it"
    assert all(DIGEST in problem.what for problem in problems)


def test_an_entry_that_readers_could_read_differently_is_named(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "export", tmp_path / "e")
    bundle = tmp_path / "e" / "tile" / "entries" / "000"
    leaves = [*split_bundle(bundle.read_bytes())]
    leaves[7] = leaves[7].replace(b'"permanent":{', b'"permanent":{"outcome":"refused",', 1)
    bundle.write_bytes(bundle_entries(leaves))

    problems = verify_export(tmp_path / "e").problems

    said = "the permanent part is not its one canonical text, so readers could differ"
    assert said in [problem.what for problem in problems if problem.index == 7]


def test_without_checkpoint_or_with_a_foreign_one_there_is_nothing_to_export(
    made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made / "s", tmp_path / "s")
    note = (tmp_path / "s" / "checkpoint").read_text()
    (tmp_path / "s" / "checkpoint").write_text(note.replace("test.invalid", "east.invalid"))
    with pytest.raises(TamperedError):
        export(tmp_path / "s", tmp_path / "e", now=NOW)
    (tmp_path / "s" / "checkpoint").unlink()
    with pytest.raises(StoreRefusedError) as caught:
        export(tmp_path / "s", tmp_path / "e", now=NOW)
    assert caught.value.reason == "COPY_FAILED"


async def test_it_is_written_beside_the_service_and_each_is_one_instant(tmp_path: Path) -> None:
    Trail.create(tmp_path / "s", origin="test.invalid/miaopi")
    async with Trail.open(tmp_path / "s") as trail:
        await trail.archive(DIGEST, RULES)

        async def write() -> None:
            for i in range(30):
                await asyncio.gather(*(trail.append(entry(i), expect={}) for _ in range(5)))

        writing, sizes = asyncio.create_task(write()), []
        while not writing.done():
            to = tmp_path / f"e{len(sizes)}"
            done = await asyncio.to_thread(export, tmp_path / "s", to, now=NOW)
            assert verify_export(to).problems == ()
            sizes.append(done.head.size)
        await writing
    assert sizes == sorted(sizes)
    last = verify_export(tmp_path / f"e{len(sizes) - 1}", checkpoint=note_of(tmp_path / "e0"))
    assert last.problems == (), "the last has grown from the first"


def note_of(folder: Path) -> str:
    return (folder / "checkpoint").read_text()


@settings(max_examples=60)
@given(data=st.data())
def test_no_changed_byte_goes_unseen(spoilt: Path, data: st.DataObject) -> None:
    """Change, drop or add a byte of anything that is evidence."""
    evidence = sorted(files(spoilt) - {"README.md", "export.json"})
    path = spoilt / data.draw(st.sampled_from(evidence))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    other = bytes([content[at] ^ (1 << data.draw(st.integers(0, 7)))])
    changed = data.draw(st.sampled_from([other, b"", content[at : at + 1] + other]))
    path.write_bytes(content[:at] + changed + content[at + 1 :])
    try:
        seen = bool(verify_export(spoilt).problems)
    except (StoreRefusedError, TamperedError):
        seen = True
    finally:
        path.write_bytes(content)
    assert seen or path.read_bytes().strip() == (content[:at] + changed + content[at + 1 :]).strip()


@pytest.mark.parametrize(
    ("name", "content", "index", "what"),
    [
        ("tile/0/000", None, 0, "`tile/0/000` does not follow from the entries"),
        ("tile/0/001.p/45", b"", 256, "`tile/0/001.p/45` does not follow from the entries"),
        ("tile/1/000.p/1", None, 0, "`tile/1/000.p/1` does not follow from the entries"),
        ("tile/entries/001.p/45", None, 256, "the bundle of entries 1 does not hold its 45"),
        (f"releases/{DIGEST}.json", b"{}", 1, f"the release `{DIGEST}` that this entry names"),
    ],
)
def test_the_first_that_is_wrong_is_named(
    made: Path, tmp_path: Path, name: str, content: bytes | None, index: int, what: str
) -> None:
    shutil.copytree(made / "export", tmp_path / "e")
    (tmp_path / "e" / name).unlink()
    if content is not None:
        (tmp_path / "e" / name).write_bytes(content)

    report = verify_export(tmp_path / "e")

    assert report.first_bad_index == index
    assert report.problems[0].what.startswith(what)
    tree = verify_export(tmp_path / "e", depth=Depth.TREE)
    assert tree.first_bad_index == (None if name.startswith("releases") else index)
    assert len(tree.unchecked) == len(report.unchecked) + 1


def test_a_history_that_was_rewritten_with_the_key_is_found_by_an_older_checkpoint(
    made: Path, tmp_path: Path
) -> None:
    asyncio.run(fill(tmp_path / "s"))
    for name in ("signing.key", "verifier.key"):
        shutil.copy(made / "s" / name, tmp_path / "s" / name)
    (tmp_path / "s" / "checkpoint").unlink()
    asyncio.run(start(tmp_path / "s"))
    export(tmp_path / "s", tmp_path / "e", now=NOW)
    assert verify_export(tmp_path / "e").problems == ()

    (problem,) = verify_export(tmp_path / "e", checkpoint=note_of(made / "export")).problems

    assert problem.what == f"the given checkpoint of size {SIZE} is not of these entries"


async def start(folder: Path) -> None:
    async with Trail.open(folder):
        pass


def test_the_published_key_counts_and_not_the_one_beside_it(made: Path) -> None:
    other = Signer(Signer.generate("test.invalid/miaopi")).verifier_key

    with pytest.raises(TamperedError) as caught:
        verify_export(made / "export", key=other)

    assert caught.value.reason == "CHECKPOINT_UNSIGNED"


def test_keys_from_before_a_recovery_go_along(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "s", tmp_path / "s")
    (tmp_path / "s" / "signing.key").unlink()
    before = (tmp_path / "s" / "verifier.key").read_text()
    recovery.recover(tmp_path / "s", reason="lost", operator="o", now=NOW)

    export(tmp_path / "s", tmp_path / "e", now=NOW)

    assert (tmp_path / "e" / "earlier-verifier-keys").read_text() == before
    report = verify_export(tmp_path / "e", checkpoint=note_of(made / "export"))
    assert report.problems == ()
    assert [one.reason for one in report.recoveries] == ["lost"]


@pytest.mark.parametrize("recovered", [True, False])
def test_an_earlier_key_of_which_no_recovery_tells_is_named(
    made: Path, tmp_path: Path, *, recovered: bool
) -> None:
    shutil.copytree(made / "s", tmp_path / "s")
    if recovered:
        (tmp_path / "s" / "signing.key").unlink()
        recovery.recover(tmp_path / "s", reason="lost", operator="o", now=NOW)
    export(tmp_path / "s", tmp_path / "e", now=NOW)
    with (tmp_path / "e" / "earlier-verifier-keys").open("a") as file:
        file.write(Signer(Signer.generate("test.invalid/miaopi")).verifier_key + "\n")

    assert [problem.what for problem in verify_export(tmp_path / "e").problems] == [
        "`earlier-verifier-keys` has other keys than the recoveries on record tell of"
    ]


def test_as_people_type_it(made: Path, tmp_path: Path) -> None:
    def audit(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(miaopi, ["audit", *map(str, arguments)])
        return done.exit_code, " ".join(done.output.split())

    code, said = audit("export", "--store", made / "s", "--to", tmp_path / "e")
    assert (code, "301 entries and 1 releases exported, nothing about who" in said) == (0, True)
    code, said = audit("export", "--store", made / "s", "--to", tmp_path / "e")
    assert (code, "`e` is there already (EXPORT_EXISTS)" in said) == (1, True)
    code, said = audit("verify", "--store", tmp_path / "e")
    assert (code, "everything follows from the entries" in said) == (0, True)
    assert "projections: an export has none" in said
    (tmp_path / "e" / "tile" / "0" / "000").write_bytes(b"")
    code, said = audit("verify", "--store", tmp_path / "e")
    assert (code, "first bad index: 0" in said) == (1, True)
