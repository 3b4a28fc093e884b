"""Programs of others accept exports and receipts as they are, and refuse changed ones.

Those that this machine lacks are skipped, with the reason: node with npm (and its registry), Go
with ``golang.org/x/mod`` (Debian: ``golang-go golang-golang-x-mod-dev``).
"""

import asyncio
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidSignature
from tlog_scales import signing
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint as ScalesCheckpoint
from tlog_scales.tlog import InclusionProofInvalid

from audit.export import export, write_tiles
from audit.log.checkpoint import Checkpoint, Signer
from audit.trail import Entry, Trail

HERE = Path(__file__).parent.parent / "foreign"
SCRIPT = Path(__file__).parent.parent.parent / "docs" / "verify_export.py"
NOW = datetime(2030, 1, 2, tzinfo=UTC)
SIZE = 300

Verify = Callable[[Path, Sequence[Path]], str]
"""Answers with what the program says; raises `AssertionError` if it refuses."""


async def fill(folder: Path) -> None:
    Trail.create(folder / "s", origin="test.invalid/miaopi")
    async with Trail.open(folder / "s") as trail:
        entries = [
            Entry(
                "decision/1",
                str(uuid4()),
                NOW,
                {"matter": "m", "note": "记" * (i % 50)},
                {},
                subject=f"resident_id:{i}",
                notice="准予",
            )
            for i in range(SIZE)
        ]
        await asyncio.gather(*(trail.append(one, expect={}) for one in entries))
        for index in (0, 255, 256, SIZE - 1):
            (folder / f"{index}.receipt").write_text(await trail.receipt(index))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    asyncio.run(fill(folder))
    export(folder / "s", folder / "export", now=NOW)
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of three levels of tiles, with entries as small as they can be."""
    folder = tmp_path_factory.mktemp("large") / "export"
    size = 256 * 256 + 256 * 3 + 5

    def bundles() -> Iterator[list[bytes]]:
        for start in range(0, size, 256):
            yield [b'{"permanent":{"n":%d}}' % i for i in range(start, min(start + 256, size))]

    root = write_tiles(folder, bundles()).frontier.root()
    signer = Signer(Signer.generate("test.invalid/large"))
    (folder / "checkpoint").write_text(signer.sign(Checkpoint("test.invalid/large", size, root)))
    (folder / "verifier.key").write_text(signer.verifier_key + "\n")
    return folder


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ── the programs ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def sigstore(tmp_path_factory: pytest.TempPathFactory) -> Verify:
    """`@sigstore/verify` of npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node or npm is not installed")
    folder = Path(shutil.copytree(HERE, tmp_path_factory.mktemp("npm") / "foreign"))
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"npm cannot fetch @sigstore/verify: {done.stderr.strip()[:200]}")

    def verify(export: Path, receipts: Sequence[Path]) -> str:
        return run(node, str(folder / "verify.cjs"), str(export), *map(str, receipts))

    return verify


@pytest.fixture(scope="module")
def sumdb(tmp_path_factory: pytest.TempPathFactory) -> Verify:
    """`golang.org/x/mod/sumdb` of Go."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed")
    program = tmp_path_factory.mktemp("go") / "sumdb"
    environment = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    done = subprocess.run(
        [go, "build", "-o", str(program), str(HERE / "sumdb.go")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    if "cannot find package" in done.stderr:
        pytest.skip("golang.org/x/mod is not installed")
    assert done.returncode == 0, done.stderr
    return lambda export, _receipts: run(str(program), str(export))


@pytest.fixture(scope="module")
def script() -> Verify:
    """`docs/verify_export.py`, written from the specification alone."""

    def verify(export: Path, receipts: Sequence[Path]) -> str:
        said = run(sys.executable, "-I", str(SCRIPT), str(export))
        for receipt in receipts:
            said = run(sys.executable, "-I", str(SCRIPT), str(export), "--receipt", str(receipt))
        return said

    return verify


@pytest.fixture(scope="module")
def scales() -> Verify:
    """`tlog-scales` of PyPI."""

    def verify(export: Path, receipts: Sequence[Path]) -> str:
        reader = TilesReader(LocalBackend(export))
        checkpoint = reader.get_checkpoint()
        size, root = checkpoint.size, checkpoint.root_hash
        key = signing.Vkey.from_string((export / "verifier.key").read_text().strip())
        checkpoint.verify(key)
        assert reader.calculate_root_hash() == root
        for index in {0, 1, size // 2, size - 2, size - 1}:
            leaf = leaf_hash(reader.get_entry(index))
            reader.get_inclusion_proof(index, size).check(leaf, root)
        for older in (1, 2, 255, 256, size - 1, size):
            proof = reader.get_consistency_proof(older, size)
            proof.check(reader.mth(0, older), root)
        return f"accepted: {size} entries"

    return verify


PROGRAMS = {
    "sigstore": "TLOG_INCLUSION_PROOF_ERROR",
    "sumdb": "refused: ",
    "script": "WRONG: ",
    "scales": "",
}
"""What each says when it refuses; `tlog-scales` has no words for it."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_of_others_accepts_the_export_and_receipts(
    made: Path, request: pytest.FixtureRequest, program: str
) -> None:
    verify: Verify = request.getfixturevalue(program)

    said = verify(made / "export", sorted(made.glob("*.receipt")))

    assert f"{SIZE} entries" in said


@pytest.mark.parametrize("program", ["sumdb", "script", "scales"])
def test_a_log_of_three_levels_is_accepted(
    large: Path, request: pytest.FixtureRequest, program: str
) -> None:
    said = request.getfixturevalue(program)(large, [])

    assert "66309 entries" in said


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("checkpoint", "— test.invalid".encode(), "— east.invalid".encode()),
        ("checkpoint", b"test.invalid/miaopi\n300", b"east.invalid/miaopi\n300"),
        ("tile/entries/000", b'"matter":"m"', b'"matter":"n"'),
    ],
)
def test_a_program_of_others_refuses_what_was_changed(
    made: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    program: str,
    name: str,
    old: bytes,
    new: bytes,
) -> None:
    verify: Verify = request.getfixturevalue(program)
    spoilt = Path(shutil.copytree(made / "export", tmp_path / "e"))
    content = (spoilt / name).read_bytes()
    assert old in content
    (spoilt / name).write_bytes(content.replace(old, new, 1))

    with pytest.raises(
        (AssertionError, RuntimeError, InvalidSignature, InclusionProofInvalid)
    ) as it:
        verify(spoilt, [])

    assert PROGRAMS[program] in str(it.value)


def test_the_script_names_what_is_wrong(made: Path, tmp_path: Path) -> None:
    main = runpy.run_path(str(SCRIPT))
    receipt = (made / "256.receipt").read_text()
    key = (made / "export" / "verifier.key").read_text()
    main["verify_receipt"](made / "export", receipt, key)

    with pytest.raises(SystemExit, match="WRONG: the notice is not the entry's"):
        main["verify_receipt"](made / "export", receipt.replace("准予", "不予"), key)
    with pytest.raises(SystemExit, match="WRONG: the checkpoint is not signed by the key"):
        main["open_checkpoint"](
            (made / "export" / "checkpoint").read_text(),
            Signer(Signer.generate("test.invalid/miaopi")).verifier_key,
        )
    shutil.copytree(made / "export", tmp_path / "e")
    (tmp_path / "e" / "tile" / "0" / "001.p" / "44").write_bytes(bytes(32 * 44))
    with pytest.raises(SystemExit, match="WRONG: tile 0/1 is not of its entries"):
        main["verify_tiles"](tmp_path / "e", SIZE)


def test_others_read_our_keys_and_write_checkpoints_that_we_read(made: Path) -> None:
    """The signed note of another implementation is byte for byte ours."""
    key = signing.Vkey.from_string((made / "export" / "verifier.key").read_text().strip())
    ours = (made / "export" / "checkpoint").read_text()

    assert ScalesCheckpoint.from_text(ours).serialize() == ours
    assert key.serialize() == (made / "export" / "verifier.key").read_text().strip()
