"""The log: opaque entries in, receipts and proofs out. It knows nothing of decisions."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar

from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import AuditError, NotFoundError, StoreRefusedError
from audit.log import connections, store
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint, Signer
from audit.log.connections import DATABASE_FILE, STORE_FILE, Turns
from audit.log.files import create_private, refuse_existing
from audit.log.merkle import inclusion_proof
from audit.log.proof import Proof
from audit.log.queue import Append, Aside, Compose, Conflict, Job, Receipt, Row
from audit.log.reader import Looks, Reader
from audit.log.standing import (
    ANCHOR_FILE,
    CHECKPOINT_FILE,
    SIGNING_KEY_FILE,
    VERIFIER_KEY_FILE,
    sound,
)
from audit.log.tiles import TiledNodes
from audit.log.writer import Project, Writer

_READERS = 4

Found = TypeVar("Found")


class Log(Generic[Row]):
    """A store with its anchor and signing key, held by this process.

    Alone, where the store is a file; together with others, where it is a database.

    Use `create` once and `open` ever after.
    """

    def __init__(self, turns: Turns, reader: Reader, writer: Writer[Row]) -> None:
        self._turns = turns
        self._reader = reader
        self._writer = writer
        self._looks: Looks | None = None
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="audit-reader")

    @staticmethod
    def create(
        folder: Path,
        *,
        origin: str,
        tables: Sequence[MetaData],
        fill: Job,
        anchor: Path | None = None,
        database: str = "",
    ) -> None:
        """Make an empty log: its signing key, anchor and, last, its store.

        Args:
            folder: Made if it is not there.
            origin: Name of the log, unique for ever.
            tables: What the layers above keep beside the entries.
            fill: Writes what those tables begin with.
            anchor: Where the anchor lies, best on another disk; by default in the folder.
            database: Address of the database of the store (`postgres.Server`); empty puts the
                store into the folder.

        Raises:
            StoreRefusedError: There is a log already, or a part of one; or the database cannot
                be reached.
        """
        empty = Checkpoint.empty(origin)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        anchor = anchor or folder / ANCHOR_FILE
        refuse_existing(
            *(folder / name for name in (STORE_FILE, DATABASE_FILE)),
            *(folder / name for name in (SIGNING_KEY_FILE, VERIFIER_KEY_FILE)),
            anchor,
        )
        place = connections.place(folder, database)
        if place.exists():
            raise store_exists(place.name)
        signing_key = Signer.generate(origin)
        create_private(folder / SIGNING_KEY_FILE, signing_key + "\n")
        create_private(folder / VERIFIER_KEY_FILE, Signer(signing_key).verifier_key + "\n")
        Anchor(anchor).create(empty)
        if database:
            create_private(folder / DATABASE_FILE, database + "\n")

        def make(connection: Connection) -> None:
            store.make_tables(connection, origin, tables)
            fill(connection)

        place.create(make)

    @classmethod
    def open(cls, folder: Path, project: Project[Row], *, anchor: Path | None = None) -> "Log[Row]":
        """Take hold of the log in that folder.

        A store that is ahead of its anchor (the process died in between) is verified from there
        and signed forward; one that is behind, or differs, is refused.

        Args:
            project: Writes what the layers above keep, in the entries' own transaction.

        Raises:
            StoreRefusedError: It must not be opened as it is.
        """
        refuse_missing(folder)
        place, database = anchor or folder / ANCHOR_FILE, connections.at(folder)
        with ExitStack() as undo:
            turns = database.turns()
            undo.callback(turns.close)
            reader = database.reader(_READERS)
            undo.callback(reader.close)
            with reader.snapshot() as connection:
                signer, _ = sound(connection, folder, place)
            try:
                writer = Writer(
                    turns,
                    project,
                    anchor=Anchor(place),
                    signer=signer,
                    published=folder / CHECKPOINT_FILE,
                )
            except SQLAlchemyError as error:
                raise _unwritable(database.name) from error
            undo.pop_all()
        return cls(turns, reader, writer)

    async def append(
        self,
        leaf: bytes,
        row: Row,
        *,
        expect: Mapping[str, int | None],
        given: Mapping[str, int | None] = MappingProxyType({}),
    ) -> Receipt | Conflict:
        """Append one entry and wait until it is durable, anchored and under a checkpoint.

        Args:
            leaf: The bytes that are hashed; kept exactly as they are.
            row: What `Project` writes for it.
            expect: For each opaque key the index of the newest entry under it, None if there
                must be none. If all hold, the new entry becomes the newest under every key.
            given: The same of keys that the new entry leaves where they are.

        Returns:
            A `Conflict` if an expectation does not hold; then nothing was written.

        Raises:
            NotRecordedError: It was not recorded, or nobody can say that it was.
        """
        answer = await self._writer.queue.submit(Append(leaf, row, expect, given))
        assert answer is not None  # noqa: S101  # only jobs are answered with nothing
        return answer

    async def compose(
        self, make: Callable[[Connection], Append[Row] | None]
    ) -> Receipt | Conflict | None:
        """Append an entry that says what the store holds; nobody else writes meanwhile.

        Args:
            make: Asks the store, and makes the entry, or none; or refuses with an error of ours,
                which is raised here. Done again if the connection broke.

        Raises:
            NotRecordedError: It was not recorded, or nobody can say that it was.
        """
        refusals: list[AuditError] = []

        def try_to(connection: Connection) -> Append[Row] | None:
            refusals.clear()
            try:
                return make(connection)
            except AuditError as refusal:
                refusals.append(refusal)
                return None

        answer = await self._writer.queue.submit(Compose(try_to))
        if refusals:
            raise refusals[0]
        return answer

    async def write(self, job: Job) -> None:
        """Do something else in a transaction of the one writing connection.

        Raises:
            NotRecordedError: It was not done, or nobody can say that it was.
        """
        await self._writer.queue.submit(job)

    async def scrub(self) -> bool:
        """Write the WAL into the store and cut it off, so that nothing deleted stands in it.

        Returns:
            Whether it was done; not while somebody reads an older state.

        Raises:
            NotRecordedError: The log is closed, or the store failed.
        """
        return await self._aside(self._turns.scrub)

    async def leads(self) -> bool:
        """Whether it is this process, of all that hold the store, that does what one must do.

        Raises:
            NotRecordedError: The log is closed, or the store failed.
        """
        return await self._aside(self._turns.leads)

    async def is_alone_here(self) -> bool:
        """Whether every process that holds the store is of this machine, as far as can be seen.

        Raises:
            NotRecordedError: The log is closed, or the store failed.
        """
        return await self._aside(self._turns.is_alone_here)

    async def read(self, question: Callable[[Connection], Found]) -> Found:
        """Ask the store, on a read-only connection and off the event loop."""

        def ask() -> Found:
            with self._reader.snapshot() as connection:
                return question(connection)

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    async def look(self, question: Callable[[Connection], Found]) -> Found:
        """`read`, for short questions: those of one turn of the event loop share one trip."""
        loop = asyncio.get_running_loop()
        if self._looks is None or self._looks.loop is not loop:
            self._looks = Looks(loop)
            loop.call_soon(self._set_out, self._looks)
        return await self._looks.add(question)

    async def latest(self, key: str) -> int | None:
        """Index of the newest entry under that key; None if there is none."""
        return (await self.look(lambda connection: store.latest(connection, [key]))).get(key)

    async def prove(self, index: int) -> Proof:
        """That the entry is in the log, under the newest checkpoint.

        Raises:
            NotFoundError: The checkpoint covers no such entry.
        """
        if index >= self.size:
            await self.write(_nothing)  # see, and sign, what other processes appended
        checkpoint, note = self._writer.published
        if not 0 <= index < checkpoint.size:
            raise no_entry(index)

        def hashes(connection: Connection) -> tuple[bytes, ...]:
            nodes = TiledNodes(store.tile_reader(connection))
            return inclusion_proof(index, checkpoint.size, nodes)

        return Proof(index, await self.read(hashes), note)

    @property
    def checkpoint(self) -> str:
        """The newest published checkpoint, a signed note."""
        return self._writer.published[1]

    @property
    def size(self) -> int:
        """Number of entries under the newest published checkpoint."""
        return self._writer.published[0].size

    @property
    def verifier_key(self) -> str:
        """The log's public key as C2SP writes it."""
        return self._writer.verifier_key

    def close(self) -> None:
        """Finish what is queued and let go of the folder. Blocks for one commit at most."""
        self._threads.shutdown()
        self._reader.close()
        self._writer.close()  # the last to go checkpoints the WAL, which no reader can

    def _set_out(self, looks: Looks) -> None:
        if self._looks is looks:
            self._looks = None
        try:
            self._threads.submit(looks.ask, self._reader)
        except RuntimeError as closed:
            looks.fail(closed)

    async def _aside(self, look: Callable[[], bool]) -> bool:
        found: list[bool] = []
        await self._writer.queue.submit(Aside(lambda: found.append(look())))
        return found == [True]


def _nothing(_connection: Connection) -> None:
    """Nothing to write; the turn is what matters."""


def no_entry(index: int) -> NotFoundError:
    """The answer to an index that the log does not have."""
    return NotFoundError(
        f"the log has no entry `{index}`",
        zh=f"日志中没有第 {index} 条记录；序号从 0 起，小于日志总数",
        reason="ENTRY_NOT_FOUND",
        hint="The first entry is 0, the last one less than the size of the log.",
    )


def _unwritable(name: str) -> StoreRefusedError:
    return StoreRefusedError(
        f"the store `{name}` cannot be written",
        zh=f"记录库 `{name}` 不可写；请查账号权限（audit/log/roles.sql）、磁盘、是否只读副本",
        reason="STORE_UNWRITABLE",
        hint="Look at the account's roles (audit/log/roles.sql), the disk, and whether this is a"
        " standby.",
    )


def store_exists(name: str) -> StoreRefusedError:
    """The refusal to make a store where one is."""
    return StoreRefusedError(
        f"the database `{name}` has a trail already",
        zh=f"数据库 `{name}` 中已有决定记录；请打开它，或另用空库，绝不覆盖",
        reason="STORE_EXISTS",
        hint="Open it, or name an empty database; nothing is ever overwritten.",
    )


def refuse_missing(folder: Path) -> None:
    """Make sure that there is a store.

    Raises:
        StoreRefusedError: There is none.
    """
    if not connections.at(folder).exists():
        raise StoreRefusedError(
            "there is no store in this folder",
            zh="该目录下没有决定记录；请指定含 `store.sqlite`（或 `database`）的目录",
            reason="STORE_MISSING",
            hint="Name the folder that holds `store.sqlite`, or `database` and what it names.",
        )
