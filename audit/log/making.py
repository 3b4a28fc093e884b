"""Making a trail so that a process that dies on the way leaves nothing that stops the next one.

A mark is the first file that is written and the last that goes. While it is there nothing was ever
recorded, so what lies half made is made anew. Without it nothing is ever overwritten; and whoever
makes is alone in the folder.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from audit.errors import StoreRefusedError
from audit.log.anchor import Anchor
from audit.log.files import Lock, create_private, is_there, sync_folder, unwritable
from audit.log.sqlite import LOCK_FILE

MARK = "unfinished"


@contextmanager
def making(
    folder: Path,
    files: Sequence[Path],
    *,
    stores: Sequence[Path],
    anchor: Path,
    testimony: Path,
    is_made: Callable[[], bool],
) -> Iterator[bool]:
    """Around the making of everything; yields whether it has to be made.

    Where that fails, nothing of it is left.

    Args:
        files: All that is made, but what is in a database.
        stores: Those of them that are, or name, the store.
        anchor: The one of them that tells how far the log had come.
        testimony: A file that is there once something was signed.
        is_made: Whether all of it is whole, or somebody has put a store with entries here, so that
            only the mark was left.

    Raises:
        StoreRefusedError: Something is there, and it was not left half made (``STORE_EXISTS``),
            or it is what remains of a trail whose store is gone (``STORE_LOST``); somebody else
            is making it (``STORE_IN_USE``); or a folder cannot be written.
    """
    mark = folder / MARK

    def left() -> list[Path]:
        there = [path for path in (*files, testimony) if path.exists()]
        if there and not mark.exists():
            raise is_there(there[0]) if any(path.exists() for path in stores) else _lost(there[0])
        return there

    left()  # else who is refused would leave a lock here
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder.parent, error) from None
    lock = Lock(folder / LOCK_FILE)
    try:
        there = left()
        has_to_be_made = not mark.exists() or not is_made()
        if has_to_be_made:
            if there and (testimony.exists() or _has_grown(anchor)):
                raise _lost(there[0])
            _unlink(there)
            if not mark.exists():
                create_private(mark, "")
        try:
            yield has_to_be_made
        except Exception:
            with suppress(StoreRefusedError):  # nobody can say whether a server has made it
                if has_to_be_made and not is_made():
                    _unlink([*files, mark])
            raise
        mark.unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as error:
        place = Path(error.filename).parent if error.filename else folder
        raise unwritable(place, error) from error
    finally:
        lock.release()


def _unlink(files: Sequence[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)


def _has_grown(anchor: Path) -> bool:
    try:
        return Anchor(anchor).read().size > 0
    except StoreRefusedError:
        return False  # it is not there yet, or half written


def _lost(path: Path) -> StoreRefusedError:
    return StoreRefusedError(
        f"the store is gone, and `{path.name}` of its trail is still here",
        zh=f"记录库不见了，而同一记录的 `{path.name}` 还在；请用 `miaopi audit restore` 放回备份，"
        "或另选空目录，绝不覆盖",
        reason="STORE_LOST",
        hint="Put a backup in its place with `miaopi audit restore`; for a new trail choose an"
        " empty folder. Nothing is ever overwritten.",
    )
