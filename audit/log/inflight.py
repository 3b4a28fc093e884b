"""Which requests were in flight when the process died."""

from hashlib import blake2b
from pathlib import Path


class Inflight:
    """Marks that outlive the process, but not a loss of power: no mark is ever synced.

    A request that crashed the process would crash it again; whoever retries it learns so from
    `interrupted`. One empty file a request in flight, named by a hash of its key; about 30 µs a
    request. For one process at a time; whoever holds the store's lock.

    Args:
        folder: Made if it is not there. What lies in it now was left by earlier processes.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._interrupted = {path.name for path in folder.iterdir()}

    def begin(self, key: str) -> None:
        """Mark the request; marking it again changes nothing."""
        (self._folder / _name(key)).touch()

    def end(self, key: str) -> None:
        """Take the mark away: the request was answered, one way or the other."""
        name = _name(key)
        (self._folder / name).unlink(missing_ok=True)
        self._interrupted.discard(name)

    def interrupted(self, key: str) -> bool:
        """Whether an earlier process began the request and nobody has ended it since."""
        return _name(key) in self._interrupted


def _name(key: str) -> str:
    return blake2b(key.encode(), digest_size=16).hexdigest()
