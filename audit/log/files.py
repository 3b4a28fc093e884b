"""How files beside the store are written, and how one process keeps others out."""

import fcntl
import os
from pathlib import Path

from audit.errors import StoreRefusedError


def create_private(path: Path, content: str) -> None:
    """Write a new durable file that only its owner can read (0600).

    Raises:
        FileExistsError: It is there already; nothing is ever overwritten.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def refuse_existing(*paths: Path) -> None:
    """Make sure that nothing is there yet.

    Raises:
        StoreRefusedError: Something is.
    """
    there = [path.name for path in paths if path.exists()]
    if there:
        raise StoreRefusedError(
            f"`{there[0]}` is there already, so this is a trail, or a part of one",
            reason="STORE_EXISTS",
            hint="Open it, or choose an empty folder; nothing is ever overwritten.",
        )


def read_private(path: Path) -> str:
    """The content of a secret file, without the newline at its end.

    Raises:
        StoreRefusedError: It is missing, or others than its owner can read it.
    """
    try:
        mode, content = path.stat().st_mode, path.read_text("utf-8")
    except FileNotFoundError:
        raise StoreRefusedError(
            f"`{path.name}` is missing beside the store",
            reason="KEY_MISSING",
            hint="Put the file back from its own backup; if it is lost for good, the way on is"
            " `miaopi audit recover --reason`.",
        ) from None
    except (OSError, UnicodeDecodeError):
        raise invalid_key(path) from None
    if mode & 0o077:
        raise StoreRefusedError(
            f"`{path.name}` can be read by others than its owner",
            reason="KEY_EXPOSED",
            hint="Set its mode to 0600, and consider whether someone has copied it.",
        )
    return content.removesuffix("\n")


def invalid_key(path: Path) -> StoreRefusedError:
    """The refusal of a key file that holds no key of this log."""
    return StoreRefusedError(
        f"`{path.name}` does not hold the key of this store",
        reason="KEY_INVALID",
        hint="Put the file back from its own backup; if it is lost for good, the way on is"
        " `miaopi audit recover --reason`.",
    )


def replace(path: Path, content: str, *, durable: bool) -> None:
    """Write a file whole or not at all; ``durable`` survives the loss of power, too."""
    draft = path.with_name(path.name + ".draft")
    with draft.open("w", encoding="utf-8") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Lock:
    """Keeps a second process away from a folder; it ends with the process, however that ends.

    SQLite before 3.51.3 can corrupt a WAL that two connections write or checkpoint at once.

    Raises:
        StoreRefusedError: Another process, or another log in this one, holds it.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise StoreRefusedError(
                "another process holds the store",
                reason="STORE_IN_USE",
                hint="Stop the other service process, or give this one its own folder.",
            ) from None

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._descriptor)
