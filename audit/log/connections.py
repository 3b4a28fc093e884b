"""Where a store lies, and the ways to it: a file of SQLite, or a database of PostgreSQL.

Whatever else lies in the log's folder (keys, anchor, signed checkpoint) lies there for both. A
folder whose entries are on a server has a file that says where; any other has the store itself.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from audit.errors import StoreRefusedError
from audit.log import sqlite
from audit.log.files import replace
from audit.log.making import MARK
from audit.log.reader import Reader

STORE_FILE = "store.sqlite"
DATABASE_FILE = "database"

Found = TypeVar("Found")


class Turns(Protocol):
    """A service's way to write: in turns, of which one happens at a time, whoever has it.

    Nobody else commits, or publishes what was committed, until the turn has ended.
    """

    def turn(self) -> AbstractContextManager[Connection]:
        """Wait for the turn, and have it."""

    def is_lost(self, error: Exception) -> bool:
        """Whether the way to the store broke: then nobody knows what the last commit came to."""

    def rest(self) -> None:
        """Do what can wait until everybody has been answered; between turns, and never fails."""

    def scrub(self) -> bool:
        """Leave nothing of what was deleted where it can be cut off; between transactions.

        Returns:
            Whether it was done; not while somebody reads an older state.
        """

    def leads(self) -> bool:
        """Whether it is this service, of all that hold the store, that does what one must do."""

    def is_alone_here(self) -> bool:
        """Whether every service that holds the store is of this machine, as far as can be seen."""

    def close(self) -> None:
        """Let go of the store."""


class Database(Protocol):
    """The place of one store."""

    @property
    def name(self) -> str:
        """What an operator calls it; no secret, and no path."""

    def exists(self) -> bool:
        """Whether there is a store."""

    def create(self, fill: Callable[[Connection], object]) -> None:
        """Make it, filled, or nothing.

        Raises:
            StoreRefusedError: There is one already, or it cannot be made.
        """

    def look(self, question: Callable[[Connection], Found]) -> Found:
        """Ask at one instant, also beside services that write; and leave nothing behind."""

    def reader(self, connections: int) -> Reader:
        """A service's connections that read, so many at most."""

    def turns(self) -> Turns:
        """Hold the store, as a service does.

        Raises:
            StoreRefusedError: Somebody else does who must be alone, or it cannot be reached.
        """

    def alone(self) -> AbstractContextManager[Connection]:
        """Hold the store, alone, with a connection that writes.

        Raises:
            StoreRefusedError: A service holds it (``STORE_IN_USE``), or it cannot be reached.
        """

    def holder(self) -> str | None:
        """Process id of the service that holds it, empty if it is not told; None if none does."""


def at(folder: Path) -> Database:
    """The place of the store of the log in that folder.

    Raises:
        StoreRefusedError: The folder names a database that cannot be one.
    """
    try:
        return place(folder, (folder / DATABASE_FILE).read_text("utf-8", "replace").strip())
    except FileNotFoundError:
        return place(folder)


def is_in(folder: Path) -> bool:
    """Whether that folder is a log's; not whether its store can be opened.

    One that was left half made is none yet (`making`).
    """
    stores = (STORE_FILE, DATABASE_FILE)
    return any((folder / name).exists() for name in stores) and not (folder / MARK).exists()


def point(folder: Path, database: str) -> None:
    """Say at which address the database of that log is now.

    That it is the same log is not asked here: anchor and keys tell when it is opened.

    Raises:
        StoreRefusedError: The entries are in a file of the folder, or the address is none.
    """
    if (folder / STORE_FILE).exists():
        raise StoreRefusedError(
            f"the entries of this trail are in `{STORE_FILE}`, not in a database",
            zh=f"本记录的条目在 `{STORE_FILE}` 中；请去掉 `MIAOPI_DATABASE`，或另设目录",
            reason="STORE_EXISTS",
            hint="Take `MIAOPI_DATABASE` away, or name another folder for a new trail.",
        )
    place(folder, database)
    if (folder / DATABASE_FILE).read_text("utf-8").strip() != database:
        replace(folder / DATABASE_FILE, f"{database}\n", durable=True)


def place(folder: Path, database: str = "") -> Database:
    """The place of a store: the database of that address, or without one a file in the folder.

    Raises:
        StoreRefusedError: The address is none (``DATABASE_INVALID``).
    """
    if not database:
        return sqlite.File(folder / STORE_FILE)
    from audit.log import postgres  # noqa: PLC0415  # its driver is for those who have a server

    return postgres.Server(database)
