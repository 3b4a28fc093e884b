"""Which requests were in flight when a process died."""

import fcntl
import os
from hashlib import blake2b
from pathlib import Path

from audit.log.files import alone_in


class Inflight:
    """Marks that outlive the process, but not a loss of power: no mark is ever synced.

    A request that crashed the process would crash it again; whoever retries it learns so from
    `interrupted`, in whichever process of this machine. One file a request in flight, named by a
    hash of its key and locked by who works on it: a lock ends with its process, a file does not.
    It is empty until somebody takes it over from a process that is gone.

    Args:
        folder: Made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._begun: dict[str, int] = {}

    def begin(self, key: str) -> bool:
        """Mark the request; marking it again changes nothing.

        Returns:
            Whether it was `interrupted` before.
        """
        name = _name(key)
        if name in self._begun:
            return self.interrupted(key)
        path = self._folder / name
        with alone_in(self._folder):  # nobody looks at a mark between its making and its lock
            try:
                mark = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                _lock(mark)
            except FileExistsError:
                interrupted = self._is_interrupted(name)
                mark = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
                if _lock(mark):  # else another process works on a twin of it
                    os.write(mark, b"taken over\n")
            else:
                interrupted = False
        self._begun[name] = mark
        return interrupted

    def end(self, key: str) -> None:
        """Take the mark away: the request was answered, one way or the other."""
        name = _name(key)
        (self._folder / name).unlink(missing_ok=True)
        mark = self._begun.pop(name, None)
        if mark is not None:
            os.close(mark)

    def interrupted(self, key: str) -> bool:
        """Whether a process that is gone began the request and nobody has ended it since."""
        with alone_in(self._folder):
            return self._is_interrupted(_name(key))

    def _is_interrupted(self, name: str) -> bool:
        try:
            mark = os.open(self._folder / name, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return os.fstat(mark).st_size > 0 or (name not in self._begun and _lock(mark))
        finally:
            os.close(mark)


def _lock(mark: int) -> bool:
    """Lock the mark, if nobody has."""
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _name(key: str) -> str:
    return blake2b(key.encode(), digest_size=16).hexdigest()
