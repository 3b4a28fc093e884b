"""How files beside the store are written, and how one process keeps others out."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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
    for path in paths:
        if path.exists():
            raise is_there(path)


def is_there(path: Path) -> StoreRefusedError:
    """The refusal to make a store where a part of one is."""
    return StoreRefusedError(
        f"`{path.name}` is there already, so this is a trail, or a part of one",
        zh=f"`{path.name}` 已存在，该目录已是（或曾是）决定记录；请打开它，或另选空目录，绝不覆盖",
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
            zh=f"记录库旁缺少 `{path.name}`；请从其单独备份放回，"
            "确已丢失则用 `miaopi audit recover --reason`",
            reason="KEY_MISSING",
            hint="Put the file back from its own backup; if it is lost for good, the way on is"
            " `miaopi audit recover --reason`.",
        ) from None
    except (OSError, UnicodeDecodeError):
        raise invalid_key(path) from None
    if mode & 0o077:
        raise StoreRefusedError(
            f"`{path.name}` can be read by others than its owner",
            zh=f"`{path.name}` 可被属主以外的人读取；请把权限设为 0600，并查明是否已被复制",
            reason="KEY_EXPOSED",
            hint="Set its mode to 0600, and consider whether someone has copied it.",
        )
    return content.removesuffix("\n")


def invalid_key(path: Path) -> StoreRefusedError:
    """The refusal of a key file that holds no key of this log."""
    return StoreRefusedError(
        f"`{path.name}` does not hold the key of this store",
        zh=f"`{path.name}` 不是本记录库的密钥；请从其单独备份放回，"
        "确已丢失则用 `miaopi audit recover --reason`",
        reason="KEY_INVALID",
        hint="Put the file back from its own backup; if it is lost for good, the way on is"
        " `miaopi audit recover --reason`.",
    )


@contextmanager
def alone_in(folder: Path) -> Iterator[int]:
    """Let no other process change, in this way, what lies in a folder; yields its descriptor."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def replace(path: Path, content: str, *, durable: bool) -> None:
    """Write a file whole or not at all; ``durable`` survives the loss of power, too.

    Where a link lies, what it leads to.
    """
    path = path.resolve()
    with alone_in(path.parent) as folder:
        put(path, content, folder if durable else None)


def put(path: Path, content: str, folder: int | None) -> None:
    """`replace`, by who is `alone_in` the folder.

    Args:
        folder: Its descriptor, where the file is to be durable.
    """
    draft = path.with_name(path.name + ".draft")
    with draft.open("w", encoding="utf-8") as file:
        file.write(content)
        if folder is not None:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
    if folder is not None:
        os.fsync(folder)


def refuse_exported(to: Path) -> None:
    """Refuse to write over what is there.

    Raises:
        StoreRefusedError: Something is (``EXPORT_EXISTS``).
    """
    if to.exists():
        raise StoreRefusedError(
            f"`{to.name}` is there already",
            zh=f"`{to.name}` 已存在；请另指一个尚不存在的目录，导出绝不覆盖",
            reason="EXPORT_EXISTS",
            hint="Name a folder that is not there yet; nothing is ever overwritten.",
        )


@contextmanager
def whole_folder(to: Path, *, private: bool = False) -> Iterator[Path]:
    """Fill the yielded folder; it gets its name at the end, and what is half made is taken away.

    Args:
        private: Whether it is for its owner only.

    Raises:
        StoreRefusedError: Another process is filling it (``COPY_UNDER_WAY``), or has just done.
    """
    draft = to.with_name(to.name + ".partial")
    draft.mkdir(mode=0o700 if private else 0o777, parents=True, exist_ok=True)
    descriptor = _taken(draft)
    try:
        refuse_exported(to)
        for left in draft.iterdir():  # by who died on the way
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        if private:
            os.fchmod(descriptor, 0o700)
        yield draft
        draft.rename(to)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        os.close(descriptor)


def _taken(draft: Path) -> int:
    """The descriptor of a folder that nobody else takes until it is closed."""
    # Somebody has it, or has just given it its name.
    with suppress(BlockingIOError, FileNotFoundError), ExitStack() as undo:
        descriptor = os.open(draft, os.O_RDONLY)
        undo.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), draft.stat()):
            undo.pop_all()
            return descriptor
    raise StoreRefusedError(
        f"another process is writing `{draft.name}`",
        zh=f"另一进程正在写 `{draft.name}`；请等它结束，或另指目录",
        reason="COPY_UNDER_WAY",
        hint="Wait until it has ended, or name another folder.",
    )


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

    Args:
        path: The lock's file; who holds it writes its process id there.

    Raises:
        StoreRefusedError: Another process, or another log in this one, holds it, or it cannot be
            made.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise unwritable(path.parent, error) from None
        try:
            _take(self._descriptor)
            os.truncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())
        except BlockingIOError:
            os.close(self._descriptor)
            raise _in_use(_process_in(path)) from None
        except OSError as error:
            os.close(self._descriptor)
            raise unwritable(path.parent, error) from None

    @staticmethod
    def holder(path: Path) -> str | None:
        """Process id of whoever holds it, empty if it is not told; None if nobody does.

        Writes nothing, and keeps nobody out: a process that starts meanwhile waits for the look.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _process_in(path)
        else:
            return None
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._descriptor)


_PATIENCE_S = 0.2
"""Longer than `Lock.holder` looks, and short for whoever starts a second service."""


def _take(descriptor: int) -> None:
    """Take the lock, alone.

    Raises:
        BlockingIOError: Somebody has it, and keeps it.
    """
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def _process_in(path: Path) -> str:
    content = path.read_bytes()[:20].strip()
    return content.decode() if content.isdigit() else ""


def _in_use(process: str) -> StoreRefusedError:
    return StoreRefusedError(
        "another process holds the store" + (f": process `{process}`" if process else ""),
        zh=f"另一进程（{process or '进程号不明'}）正占用记录库；请停掉它，或为本服务另设目录",
        reason="STORE_IN_USE",
        hint="Stop the other service process, or give this one its own folder.",
    )


def unwritable(folder: Path, error: OSError) -> StoreRefusedError:
    """The refusal of a folder in which nothing can be made."""
    return StoreRefusedError(
        f"the folder of the store cannot be written: {error.strerror}",
        zh=f"记录库所在目录不可写（{error.strerror}）；请查明目录、磁盘与属主",
        reason="FOLDER_UNWRITABLE",
        hint=f"Look at the folder `{folder.name}`, its disk, and who owns it.",
    )
