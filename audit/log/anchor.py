"""The anchor: what the log last was, kept apart from it.

A store that is behind its anchor, or differs from it, is an old backup or a fork. So the anchor
only ever moves from what it is known to be (compare-and-swap), and never comes into being by
itself.

The file has two places of a block each, and the one that is older is written next. So it moves with
one wait for the disk, and whatever becomes of a write, what was there before it can still be read.
"""

import errno
import os
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from audit.errors import NotRecordedError, StoreRefusedError
from audit.log.checkpoint import Checkpoint
from audit.log.files import alone_in, create_private, put, replace
from audit.note import to_base64

_PLACE_BYTES = 4_096
"""What a disk writes at once, at most: a write that is torn cannot reach the other place."""


class _Read(NamedTuple):
    """What an anchor says.

    Attributes:
        place: Which of the two; None where there are none, but a checkpoint alone is the file.
        is_torn: Whether the other place is not whole.
    """

    checkpoint: Checkpoint
    place: int | None
    is_torn: bool = False


class Anchor:
    """One small file; best on another disk than the store.

    Attributes:
        is_sure: Whether nothing that was written here failed: else nobody knows what a disk kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()  # what a link leads to is replaced, and never the link
        self.is_sure = True

    def create(self, checkpoint: Checkpoint) -> None:
        """Begin with that checkpoint.

        Raises:
            FileExistsError: There is an anchor already.
        """
        create_private(self._path, _written(checkpoint) * 2)

    def read(self) -> Checkpoint:
        """The last checkpoint that was anchored.

        Raises:
            StoreRefusedError: The anchor is missing or unreadable.
        """
        return self._read().checkpoint

    def is_torn(self) -> bool:
        """Whether a place of the two is not whole, while none is written; the next entry mends it.

        Raises:
            StoreRefusedError: The anchor is missing or unreadable.
        """
        with alone_in(self._path.parent):
            return self._read().is_torn

    def advance(self, known: Checkpoint, new: Checkpoint) -> None:
        """Move from what it is known to be to the new checkpoint, durably.

        Raises:
            NotRecordedError: It is no longer what it was (``ANCHOR_MOVED``): another process
                publishes this log, or the file was touched.
            OSError: It could not be written.
        """
        with alone_in(self._path.parent) as folder:
            try:
                found, place, _ = self._read()
            except StoreRefusedError:
                raise moved() from None
            if found not in {known, new}:  # the new one if an earlier attempt failed afterwards
                raise moved()
            if place is None or not self.is_sure:
                put(self._path, _written(new) * 2, folder)
            else:
                self.is_sure = False
                self._write(new, place if found == new else 1 - place)
            self.is_sure = True

    def restart(self, new: Checkpoint) -> None:
        """Go on from that checkpoint, whatever it said; only for a recovery that is on record."""
        replace(self._path, _written(new) * 2, durable=True)

    def _read(self) -> _Read:
        try:
            return _parse(self._path.read_bytes())
        except FileNotFoundError:
            reason, message, zh = "ANCHOR_MISSING", "the anchor of this store is missing", "缺少"
        except (OSError, ValueError):
            reason, message, zh = (
                "ANCHOR_INVALID",
                "the anchor of this store cannot be read",
                "无法读取",
            )
        raise StoreRefusedError(
            message,
            zh=f"本记录库的锚{zh}；请放回原处的文件，在他处的以 `MIAOPI_ANCHOR` 指明，"
            "确已丢失则用 `miaopi audit recover --reason`",
            reason=reason,
            hint="Put the file back from where it was, or name it by `MIAOPI_ANCHOR`; if it is lost"
            " for good, the way on is `miaopi audit recover --reason`.",
        )

    def _write(self, checkpoint: Checkpoint, place: int) -> None:
        descriptor = os.open(self._path, os.O_WRONLY)
        try:
            content = _written(checkpoint).encode()
            if os.pwrite(descriptor, content, place * _PLACE_BYTES) < len(content):
                raise OSError(errno.EIO, "the anchor was written in part")
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)


def _written(checkpoint: Checkpoint) -> str:
    """A place: the checkpoint, its SHA-256, by which one sees that it is whole, and blanks."""
    check = to_base64(sha256(checkpoint.text.encode()).digest())
    return f"{checkpoint.text}{check}\n".ljust(_PLACE_BYTES - 1) + "\n"


def _parse(content: bytes) -> _Read:
    """The newer of two places; or all of a file that has none.

    Raises:
        ValueError: It does not tell, or neither place is whole.
    """
    if len(content) != 2 * _PLACE_BYTES:
        return _Read(Checkpoint.parse(content.decode()), None)
    first, second = _whole(content[:_PLACE_BYTES]), _whole(content[_PLACE_BYTES:])
    is_torn = first is None or second is None
    if first is not None and (second is None or first.size >= second.size):
        return _Read(first, 0, is_torn)
    if second is None:
        raise ValueError("no place is whole")
    return _Read(second, 1, is_torn)


@lru_cache(maxsize=4)  # of the two places, one is as it was
def _whole(place: bytes) -> Checkpoint | None:
    """The checkpoint of a place; None if the place is torn."""
    try:
        lines = place.decode().split("\n", 3)
        checkpoint = Checkpoint.parse("\n".join([*lines[:3], ""]))
    except ValueError:
        return None
    return checkpoint if place == _written(checkpoint).encode() else None


def moved() -> NotRecordedError:
    """The refusal to record where the anchor is not what the log has been."""
    return NotRecordedError(
        "the anchor is not where this process left it",
        zh="锚已不在本进程留下之处；请查明谁改动或移走了锚，再重启服务",
        reason="ANCHOR_MOVED",
        hint="Find out who changed or removed the anchor, then restart the service.",
    )
