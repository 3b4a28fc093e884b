"""The decision trail: what happened, recorded before it counts, and provable ever after."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import ErasedError, NotRecordedError, StoreRefusedError, TamperedError
from audit.log import Conflict, Log, Receipt, connections
from audit.log import store as log_store
from audit.log.checkpoint import Checkpoint
from audit.log.connections import DATABASE_FILE, STORE_FILE
from audit.log.files import create_private
from audit.log.inflight import Inflight
from audit.log.log import no_entry
from audit.log.making import making
from audit.log.merkle import leaf_hash
from audit.log.standing import (
    ANCHOR_FILE,
    CHECKPOINT_FILE,
    SIGNING_KEY_FILE,
    VERIFIER_KEY_FILE,
)
from audit.note import to_base64
from audit.trail import projections
from audit.trail.canonical import Json
from audit.trail.entries import ERASED, Entry, Leaf, Recorded, RecordedCase
from audit.trail.erasures import ERASURE_KEY, Erasure
from audit.trail.holds import Hold, Scope
from audit.trail.keeper import Keeper
from audit.trail.master import KEY_KEY, settle
from audit.trail.moment import Moment
from audit.trail.preparation import prepare
from audit.trail.projections import Row
from audit.trail.receipts import write_receipt
from audit.trail.recoveries import opens_from, read_recoveries
from audit.trail.renewer import Renewed, Renewer
from audit.trail.seal import KEY_BYTES, Keyring, Unsealed
from audit.trail.unsealing import MASTER_KEY_FILE, TAG_KEY, read_keyring, sealed_row, unseal

INFLIGHT_FOLDER = "inflight"

Answer = TypeVar("Answer")


class Trail:
    """The one way to the record: append, read, prove.

    One process holds it at a time where it is a file, any number where it is in a database.

    Made by `create` once, held by `open` ever after; an ``async with`` closes it.

    Attributes:
        inflight: Which requests were in flight when an earlier process died.
    """

    def __init__(
        self,
        log: Log[Row],
        keyring: Keyring,
        inflight: Inflight,
        *,
        opens_from: int,
        newest_erasure: int | None,
        renewer: Renewer,
    ) -> None:
        self._log = log
        self._keyring = keyring
        self._opens_from = opens_from
        self.inflight = inflight
        self._renewer = renewer
        self._keeper = Keeper(log, keyring, newest_erasure, look=renewer.look)

    @staticmethod
    def create(
        folder: Path, *, origin: str, anchor: Path | None = None, database: str = ""
    ) -> None:
        """Make a new, empty trail in that folder, with its keys and anchor.

        What a process that died on the way left half made is made anew.

        Args:
            origin: Name of the log, unique for ever, e.g. ``audit.example.gov.cn/2026``.
            anchor: Where the anchor lies, best on another disk; by default in the folder.
            database: Address of the database that shall have the entries; empty puts them into
                the folder, too (`Log.create`).

        Raises:
            StoreRefusedError: There is a trail already (``STORE_EXISTS``), or what is left of one
                whose store is gone (``STORE_LOST``); or the database cannot be reached.
        """
        Checkpoint.empty(origin)
        place = (anchor or folder / ANCHOR_FILE).resolve()
        stores = [folder / name for name in (STORE_FILE, DATABASE_FILE)]
        beside = [folder / f"{STORE_FILE}{end}" for end in ("-wal", "-shm")]
        keys = [folder / one for one in (MASTER_KEY_FILE, SIGNING_KEY_FILE, VERIFIER_KEY_FILE)]
        with making(
            folder,
            [*stores, *beside, *keys, place],
            stores=stores,
            anchor=place,
            testimony=folder / CHECKPOINT_FILE,
            is_made=lambda: _is_whole(folder),
        ) as has_to_be_made:
            if has_to_be_made:
                master = secrets.token_bytes(KEY_BYTES)
                tag_key = (TAG_KEY, Keyring.new_tag_key(master))
                create_private(folder / MASTER_KEY_FILE, to_base64(master) + "\n")
                Log.create(
                    folder,
                    origin=origin,
                    tables=[projections.TABLES],
                    fill=lambda c: log_store.insert_rows(c, projections.SERVICE_KEYS, [tag_key]),
                    anchor=anchor,
                    database=database,
                )

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether that folder is a trail's; not whether it can be opened."""
        return connections.is_in(folder)

    @staticmethod
    def point(folder: Path, database: str) -> None:
        """Say at which address the database of that trail is now (`connections.point`)."""
        connections.point(folder, database)

    @classmethod
    def open(cls, folder: Path, *, anchor: Path | None = None) -> Self:
        """Take hold of the trail in that folder; what a crash left behind is signed forward.

        Raises:
            StoreRefusedError: It must not be opened as it is: a key or the anchor is missing,
                the store is an old backup or a fork, another process holds it, ….
        """
        log: Log[Row] = Log.open(folder, projections.write, anchor=anchor)
        try:
            keyring, recoveries, newest = connections.at(folder).look(
                lambda c: (
                    read_keyring(folder, c),
                    read_recoveries(c),
                    log_store.latest(c, [ERASURE_KEY, KEY_KEY]),
                )
            )
            # Whoever has a file alone: in a database somebody may be just beginning a renewal.
            alone = not (folder / DATABASE_FILE).exists()
            settle(folder, keyring, alone=alone)
            inflight = Inflight(folder / INFLIGHT_FOLDER)
        except ValueError:
            log.close()
            raise log_store.damaged() from None
        except BaseException:
            log.close()
            raise
        return cls(
            log,
            keyring,
            inflight,
            opens_from=opens_from(recoveries, MASTER_KEY_FILE),
            newest_erasure=newest.get(ERASURE_KEY),
            renewer=Renewer(log, folder, keyring, newest.get(KEY_KEY), alone=alone),
        )

    async def append(
        self,
        entry: Entry,
        *,
        expect: Mapping[str, int | None],
        given: Mapping[str, int | None] = MappingProxyType({}),
    ) -> Receipt | Conflict:
        """Record the entry; when this returns a receipt it is durable, anchored and signed.

        Args:
            expect: For each opaque key (made with `tag`) the index of the newest entry under it,
                or None if there must be none. If all hold, the new entry becomes the newest
                under every one of them.
            given: The same of keys that the new entry leaves where they are, and says nothing of.

        Returns:
            A `Conflict` if an expectation does not hold; then nothing was written.

        Raises:
            NotRecordedError: It was not recorded, or nobody can say that it was. Nothing else is
                ever raised. Cancelling the wait does not take the entry back.
        """
        while True:
            known = {**given, **self._keeper.given, **self._renewer.given}
            leaf, row = prepare(self._keyring, entry, expect)
            answer = await self._log.append(leaf, row, expect=expect, given=known)
            if self._renewer.is_news(answer):
                await self._renewer.learn()
            elif not self._keeper.is_news(answer):
                return answer

    async def erase(
        self, subject: str, *, reason: str, time: datetime, told: Mapping[str, Json] | None = None
    ) -> Erasure | None:
        """Destroy what tells who, in all entries about a subject (`Keeper.erase`)."""
        return await self._keeper.erase(subject, reason=reason, time=time, told=told or {})

    async def erase_entries(
        self, indices: Sequence[int], *, reason: str, time: datetime, told: Mapping[str, Json]
    ) -> Erasure | None:
        """Destroy what tells who, in these entries alone (`Keeper.erase_entries`)."""
        return await self._keeper.erase_entries(indices, reason=reason, time=time, told=told)

    async def place_hold(
        self, scope: Scope, *, reason: str, time: datetime, told: Mapping[str, Json]
    ) -> int:
        """Let nothing in that scope be erased (`Keeper.place_hold`)."""
        return await self._keeper.place_hold(scope, reason=reason, time=time, told=told)

    async def lift_hold(
        self, index: int, *, reason: str, time: datetime, told: Mapping[str, Json]
    ) -> int:
        """Lift the hold of that entry (`Keeper.lift_hold`)."""
        return await self._keeper.lift_hold(index, reason=reason, time=time, told=told)

    async def holds(self) -> tuple[Hold, ...]:
        """The holds that are in force, the oldest first."""
        return await self._keeper.holds()

    def holds_at(self, connection: Connection) -> tuple[Hold, ...]:
        """The same, for a question that wants them (`ask`)."""
        return self._keeper.holds_at(connection)

    async def renew_master_key(
        self, *, time: datetime, told: Mapping[str, Json], most: int
    ) -> Renewed:
        """Go on with a renewal of the master key, or begin one (`Renewer.renew`)."""
        done = await self._renewer.renew(time=time, told=told, most=most)
        if done.index is not None:
            with suppress(NotRecordedError):  # it is renewed: what is left goes with the next scrub
                await self._keeper.scrub()
        return done

    async def scrub(self) -> None:
        """Leave no trace of what was erased in the write-ahead log (`Keeper.scrub`)."""
        await self._keeper.scrub()

    async def leads(self) -> bool:
        """Whether it is this process, of all on the same trail, that does what one must do.

        Raises:
            NotRecordedError: The store cannot be asked.
        """
        return await self._log.leads()

    async def latest(self, key: str) -> int | None:
        """Index of the newest entry under that opaque key; None if there is none."""
        return await self._log.latest(key)

    async def read(self, index: int) -> Recorded:
        """The entry at that index, its sealed part opened unless it has been erased.

        Raises:
            NotFoundError: There is no such entry.
            TamperedError: The sealed part cannot be opened.
        """
        return await self._unsealing(lambda c: self._read(c, index))

    async def case(self, case_id: str) -> RecordedCase | None:
        """The case as it stands; None if there is none."""
        return await self._log.read(lambda c: projections.case(c, case_id))

    async def case_entries(self, case_id: str) -> tuple[int, ...]:
        """Indices of all entries about the case, the oldest first."""
        return await self._log.read(lambda c: projections.case_entries(c, case_id))

    async def cases(self, state: str, *, limit: int = 1_000) -> tuple[RecordedCase, ...]:
        """The cases in that state, those due earliest first, and no more than ``limit``."""
        return await self._log.read(lambda c: projections.cases_in(c, state, limit))

    async def ask(self, question: Callable[[Connection], Answer]) -> Answer:
        """Ask one of `queries` of the trail, as it stands in one instant."""
        return await self._log.read(question)

    async def look(self, question: Callable[[Moment], Answer]) -> Answer:
        """Ask several things that hang together, all of one instant, with one trip to the store."""
        return await self._unsealing(
            lambda c: question(Moment(c, lambda index: self._read(c, index)))
        )

    @property
    def opens_from(self) -> int:
        """The first entry whose sealed part and tags are known; 0 unless a master key was lost."""
        return self._opens_from

    def tag(self, text: str) -> str:
        """Keyed tag of a text: equal texts have equal tags, and nothing else can be told."""
        return self._keyring.tag(text)

    async def receipt(self, index: int) -> str:
        """The text of the receipt file of that entry. Personal: only for the applicant's side.

        Raises:
            NotFoundError: There is no such entry.
            ErasedError: Who it is about has been erased.
            TamperedError: The sealed part cannot be opened.
        """
        proof = await self._log.prove(index)
        leaf, unsealed = await self._unsealing(lambda c: self._open(c, index))
        if unsealed is None:
            raise ErasedError(
                f"entry `{index}` has been erased, so nobody can be named in a receipt",
                zh=f"第 {index} 条记录的个人部分已删除，不能再开具回执；"
                "旧回执及其在日志中的位置仍可查验",
                reason="ENTRY_ERASED",
                hint="An old receipt, and the entry's place in the log, still verify.",
            )
        return write_receipt(
            leaf,
            proof,
            subject=unsealed.subject,
            subject_key=unsealed.subject_proof_key,
            notice=unsealed.notice,
            notice_key=unsealed.notice_proof_key,
            verifier_key=self._log.verifier_key,
        )

    async def archive(self, digest: str, content: bytes) -> None:
        """Keep content, e.g. a release, under the digest by which entries name it.

        Args:
            digest: Made by the caller's own rule. Content that is there already stays.

        Raises:
            NotRecordedError: It was not kept.
        """
        await self._log.write(lambda c: projections.add_content(c, digest, content))

    async def archived(self, digest: str) -> bytes | None:
        """The content kept under that digest; None if there is none.

        Raises:
            TamperedError: It is not what was put there.
        """
        row = await self._log.read(lambda c: projections.content_of(c, digest))
        if row is None:
            return None
        content = bytes(row["content"])
        if projections.archive_hash(digest, content) != row["sha256"]:
            raise TamperedError(
                f"the archived content `{digest}` is not what was put there",
                zh=f"存档内容 `{digest}` 已非存入时的原样；请放回同日的备份，或重新发布",
                reason="ARCHIVE_DAMAGED",
                hint="Put the store back from a backup of the same day, or publish it again.",
            )
        return content

    def checkpoint(self) -> str:
        """The newest published checkpoint, a C2SP signed note."""
        return self._log.checkpoint

    def size(self) -> int:
        """Number of entries under the newest published checkpoint."""
        return self._log.size

    @property
    def verifier_key(self) -> str:
        """The log's public key, to be published by the authority: ``origin+id+base64``."""
        return self._log.verifier_key

    def close(self) -> None:
        """Finish what is queued and let go of the folder. Blocks for a commit or two."""
        self._log.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    def _read(self, connection: Connection, index: int) -> Recorded:
        """The entry at that index."""
        content, unsealed = self._open(connection, index)
        leaf = Leaf.decode(content)
        return Recorded(
            index=index,
            type=leaf.type,
            id=leaf.id,
            time=leaf.time,
            permanent=leaf.permanent,
            case=leaf.case,
            sealed=ERASED if unsealed is None else unsealed.sealed,
            subject="" if unsealed is None else unsealed.subject,
            notice="" if unsealed is None else unsealed.notice,
            leaf_hash=leaf_hash(content),
        )

    async def _unsealing(self, question: Callable[[Connection], Answer]) -> Answer:
        """Ask what opens sealed parts, though another process may have renewed the master key."""
        try:
            return await self._log.look(question)
        except TamperedError:
            if not await self._renewer.learn():
                raise
            return await self._log.look(question)

    def _open(self, connection: Connection, index: int) -> tuple[bytes, Unsealed | None]:
        """The permanent bytes and the sealed part; None if that is erased, or its key is lost."""
        leaf = log_store.read_leaf(connection, index)
        if leaf is None:
            raise no_entry(index)
        row = sealed_row(connection, index) if index >= self._opens_from else None
        return leaf, None if row is None else unseal(self._keyring, leaf, row)


def _is_whole(folder: Path) -> bool:
    """Whether a trail that was being made is there with everything that belongs to it.

    A store with entries counts as that whatever is beside it: it was put here.

    Raises:
        StoreRefusedError: Nobody can say, as its database cannot be read; or its store or its key
            was put here by somebody, as it is of another version or others can read it.
    """
    place, is_file = connections.at(folder), not (folder / DATABASE_FILE).exists()
    if not place.exists():
        return False
    try:
        if not place.look(lambda c: log_store.read_head(c).size):
            place.look(lambda c: read_keyring(folder, c))
    except StoreRefusedError as refusal:
        half_made = {"KEY_MISSING", "KEY_INVALID", "STORE_DAMAGED"}
        if refusal.reason in half_made or (is_file and refusal.reason == "STORE_UNREADABLE"):
            return False
        raise
    except (OSError, SQLAlchemyError):
        return False
    return True
