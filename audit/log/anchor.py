"""The anchor: what the log last was, kept apart from it.

A store that is behind its anchor, or differs from it, is an old backup or a fork. So the anchor
only ever moves from what it is known to be (compare-and-swap), and never comes into being by
itself.
"""

from pathlib import Path

from audit.errors import NotRecordedError, StoreRefusedError
from audit.log.checkpoint import Checkpoint
from audit.log.files import create_private, replace


class Anchor:
    """One small file; best on another disk than the store."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self, checkpoint: Checkpoint) -> None:
        """Begin with that checkpoint.

        Raises:
            FileExistsError: There is an anchor already.
        """
        create_private(self._path, checkpoint.text)

    def read(self) -> Checkpoint:
        """The last checkpoint that was anchored.

        Raises:
            StoreRefusedError: The anchor is missing or unreadable.
        """
        try:
            return Checkpoint.parse(self._path.read_text("utf-8"))
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
            zh=f"本记录库的锚{zh}；请放回原处的文件，确已丢失则用 `miaopi audit recover --reason`",
            reason=reason,
            hint="Put the file back from where it was; if it is lost for good, the way on is"
            " `miaopi audit recover --reason`.",
        )

    def advance(self, known: Checkpoint, new: Checkpoint) -> None:
        """Move from what it is known to be to the new checkpoint, durably.

        Raises:
            NotRecordedError: It is no longer what it was (``ANCHOR_MOVED``): another process
                publishes this log, or the file was touched.
            OSError: It could not be written.
        """

        def is_known() -> bool:
            try:
                found = self.read()
            except StoreRefusedError:
                raise moved() from None
            if found not in {known, new}:
                raise moved()
            return found == known  # else an earlier attempt moved it and failed only afterwards

        replace(self._path, new.text, durable=True, if_it=is_known)

    def restart(self, new: Checkpoint) -> None:
        """Go on from that checkpoint, whatever it said; only for a recovery that is on record."""
        replace(self._path, new.text, durable=True)


def moved() -> NotRecordedError:
    """The refusal to record where the anchor is not what the log has been."""
    return NotRecordedError(
        "the anchor is not where this process left it",
        zh="锚已不在本进程留下之处；请查明谁改动或移走了锚，再重启服务",
        reason="ANCHOR_MOVED",
        hint="Find out who changed or removed the anchor, then restart the service.",
    )
