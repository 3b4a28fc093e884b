"""The anchor's file: two places, one of which is always whole."""

import errno
import os
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.errors import NotRecordedError, StoreRefusedError
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint
from tests import disk

BLOCK = 4_096


def checkpoint(size: int) -> Checkpoint:
    return Checkpoint("test.invalid/anchor", size, sha256(str(size).encode()).digest())


def at(path: Path, *sizes: int) -> Anchor:
    """An anchor that has moved so."""
    anchor = Anchor(path)
    anchor.create(checkpoint(sizes[0]))
    for known, new in pairwise(sizes):
        anchor.advance(checkpoint(known), checkpoint(new))
    return anchor


@pytest.mark.parametrize("sizes", [(0,), (0, 1), (0, 1, 2), (3, 7, 8, 300, 301)])
def test_it_says_the_last_that_was_anchored(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    anchor = at(tmp_path / "anchor", *sizes)

    assert anchor.read() == Anchor(tmp_path / "anchor").read() == checkpoint(sizes[-1])
    assert not anchor.is_torn()
    assert (tmp_path / "anchor").stat().st_size == 2 * BLOCK
    assert (tmp_path / "anchor").stat().st_mode & 0o077 == 0


def test_it_moves_from_nothing_but_what_it_is_known_to_be(tmp_path: Path) -> None:
    anchor = at(tmp_path / "anchor", 0, 5)

    with pytest.raises(NotRecordedError) as caught:
        anchor.advance(checkpoint(4), checkpoint(6))

    assert caught.value.reason == "ANCHOR_MOVED"
    assert anchor.read() == checkpoint(5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    moves=st.integers(0, 3),
    reached=st.sets(st.integers(0, BLOCK // 512 - 1)),
    rest=st.sampled_from([None, b"\0", b"\xff"]),
)
def test_a_write_that_is_torn_leaves_what_was_there_or_what_was_to_be(
    tmp_path: Path, moves: int, reached: set[int], rest: bytes | None
) -> None:
    """Whichever sectors of a block reached the disk, and whatever the others became."""
    path = tmp_path / "anchor"
    path.unlink(missing_ok=True)
    anchor = at(path, *range(moves + 1))
    before = path.read_bytes()
    anchor.advance(checkpoint(moves), checkpoint(moves + 1))
    after = path.read_bytes()
    torn = bytearray(after)
    begins = 0 if before[:BLOCK] != after[:BLOCK] else BLOCK
    for sector in set(range(BLOCK // 512)) - reached:
        start = begins + 512 * sector
        torn[start : start + 512] = before[start : start + 512] if rest is None else rest * 512
    path.write_bytes(torn)

    found = anchor.read()

    assert found in {checkpoint(moves), checkpoint(moves + 1)}
    assert (found == checkpoint(moves + 1)) or bytes(torn) != after
    anchor.advance(found, checkpoint(moves + 2))
    assert anchor.read() == checkpoint(moves + 2)
    assert not anchor.is_torn(), "the next one mends it"


def flip_first(content: bytearray) -> None:
    content[30] ^= 1


def flip_second(content: bytearray) -> None:
    content[BLOCK + 30] ^= 1


def flip_a_blank(content: bytearray) -> None:
    content[BLOCK - 9] ^= 1


@pytest.mark.parametrize("flip", [flip_first, flip_second, flip_a_blank])
def test_a_place_that_is_not_whole_does_not_count(
    tmp_path: Path, flip: Callable[[bytearray], None]
) -> None:
    anchor = at(tmp_path / "anchor", 0, 5, 6)
    content = bytearray((tmp_path / "anchor").read_bytes())
    flip(content)
    (tmp_path / "anchor").write_bytes(content)

    assert anchor.read() in {checkpoint(5), checkpoint(6)}
    assert anchor.is_torn()


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 2 * BLOCK, b"x" * 2 * BLOCK, b"test.invalid\n0\n", b"\xff" * 100]
)
def test_what_says_nothing_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "anchor").write_bytes(content)

    with pytest.raises(StoreRefusedError) as caught:
        Anchor(tmp_path / "anchor").read()

    assert caught.value.reason == "ANCHOR_INVALID"


def test_a_checkpoint_alone_is_an_anchor_and_gets_its_places(tmp_path: Path) -> None:
    """Such were those of earlier stores; and such a one is soon put back by hand."""
    path = tmp_path / "anchor"
    path.write_text(checkpoint(5).text)
    anchor = Anchor(path)

    assert anchor.read() == checkpoint(5)
    assert not anchor.is_torn()
    anchor.advance(checkpoint(5), checkpoint(6))

    assert anchor.read() == checkpoint(6)
    assert path.stat().st_size == 2 * BLOCK


def test_behind_a_link_it_is_written_where_that_leads(tmp_path: Path) -> None:
    there, link = tmp_path / "disk" / "anchor", tmp_path / "anchor"
    there.parent.mkdir()
    link.symlink_to(there)

    anchor = at(link, 0, 5)
    anchor.restart(checkpoint(6))
    there.write_text(checkpoint(6).text)
    anchor.advance(checkpoint(6), checkpoint(7))

    assert link.is_symlink()
    assert Anchor(there).read() == checkpoint(7)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["anchor"]


def test_after_a_failed_write_the_whole_file_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel forgets what it could not write: to sync once more would tell nothing."""
    anchor = at(tmp_path / "anchor", 0, 5)
    inode = (tmp_path / "anchor").stat().st_ino
    monkeypatch.setattr(os, "fdatasync", disk.fails)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        anchor.advance(checkpoint(5), checkpoint(6))
    assert not anchor.is_sure

    anchor.advance(anchor.read(), checkpoint(6))

    assert anchor.is_sure
    assert anchor.read() == checkpoint(6)
    assert (tmp_path / "anchor").stat().st_ino != inode


def test_a_write_that_was_cut_short_is_a_failed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk: what was to be waited for is not all there."""
    anchor, whole = at(tmp_path / "anchor", 0, 5), os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, content, at: whole(file, content[:20], at))

    with pytest.raises(OSError, match="written in part"):
        anchor.advance(checkpoint(5), checkpoint(6))

    assert not anchor.is_sure
    assert anchor.read() == checkpoint(5)


def test_a_recovery_goes_on_from_less(tmp_path: Path) -> None:
    anchor = at(tmp_path / "anchor", 0, 5, 9)

    anchor.restart(checkpoint(3))
    assert anchor.read() == checkpoint(3)

    anchor.advance(checkpoint(3), checkpoint(4))
    assert anchor.read() == checkpoint(4)
