"""A disk that fails, where a test puts it in the place of a system call."""

import errno
import os


def fails(_descriptor: int) -> None:
    """A sync after which nobody knows what is on the disk."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))
