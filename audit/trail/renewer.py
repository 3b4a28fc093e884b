"""Renewing the master key of a trail in use, in steps that nobody has to wait for.

1. The new key is made, and that is on record. Whoever sealed an entry under the old one meanwhile,
   in this process or another, is refused and seals it anew: from then on nothing new is under it.
2. Every key of the store is wrapped under the new one, some at a time, and then looked at again.
3. The old key no longer counts, that is on record, and it is destroyed.

Whenever it is cut short, it goes on from there when it is asked for again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import NotRecordedError, StoreRefusedError
from audit.log import Conflict, Log, Receipt
from audit.log.queue import Append
from audit.log.store import latest
from audit.trail.canonical import Json
from audit.trail.entries import Entry
from audit.trail.master import (
    KEY_KEY,
    KEY_TYPE,
    Seen,
    begin,
    finish,
    look_at_some,
    settle,
    wrap_some,
)
from audit.trail.preparation import prepare
from audit.trail.projections import Row
from audit.trail.seal import Keyring
from audit.trail.unsealing import MASTER_KEY_FILE, read_keyring

_A_TURN = 500
"""Keys that are wrapped while everybody else waits: a few milliseconds."""

_A_LOOK = 5_000

_TRIES = 3
"""A renewal may end between what the store says and a look at the files."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """How far a renewal has come.

    Attributes:
        index: Of the entry that tells of its end; None as long as there is more to do.
        keys: How many were gone through now.
    """

    index: int | None
    keys: int


@dataclass(frozen=True, slots=True)
class _Course:
    """Where to go on, in the renewal that an entry has begun."""

    begun: int | None
    checking: bool = False
    after: str = ""


class Renewer:
    """Knows under which master key the store is, and gives it a new one."""

    def __init__(
        self, log: Log[Row], folder: Path, keyring: Keyring, newest: int | None, *, alone: bool
    ) -> None:
        self._log = log
        self._folder = folder
        self._keyring = keyring
        self._newest = newest
        self._alone = alone
        self._course = _Course(newest)

    @property
    def given(self) -> Mapping[str, int | None]:
        """What whoever seals now expects of the log (`Log.append`)."""
        return {KEY_KEY: self._newest}

    @staticmethod
    def is_news(answer: Receipt | Conflict) -> bool:
        """Whether an entry was refused because the master key is another; then `learn`."""
        return isinstance(answer, Conflict) and answer.key == KEY_KEY

    def look(self, connection: Connection) -> bool:
        """See which master keys count; whether they are others than they were.

        Raises:
            StoreRefusedError: A master key is missing.
        """
        newest = latest(connection, [KEY_KEY]).get(KEY_KEY)
        if newest == self._newest:
            return False
        self._keyring.adopt(read_keyring(self._folder, connection))
        self._newest = newest  # only now: who sealed before is refused
        return True

    async def learn(self) -> bool:
        """The same, of the store as it is now.

        Raises:
            NotRecordedError: A master key is missing, or the store cannot be asked.
        """
        for left in reversed(range(_TRIES)):
            try:
                return await self._log.read(self.look)
            except StoreRefusedError as error:
                if not left:
                    raise NotRecordedError(
                        str(error), zh=error.zh, reason=error.reason, hint=error.hint
                    ) from error
            except SQLAlchemyError as error:
                if not left:
                    raise _unasked() from error
        return False

    async def renew(self, *, time: datetime, told: Mapping[str, Json], most: int) -> Renewed:
        """Go on with a renewal, or begin one.

        Args:
            told: What its entries say for ever: who did it.
            most: Keys that are gone through at most, each twice in all.

        Raises:
            NotRecordedError: The store or the disk failed; nothing is lost, and it goes on when
                it is asked for again. Or services of other machines or accounts hold it, which
                might not find the new key (``RENEWAL_ELSEWHERE``).
        """
        await self.learn()
        if not self._keyring.is_between:
            if not await self._log.is_alone_here():
                raise _elsewhere()
            await self._log.compose(lambda c: self._begin(c, time, told))
            await self.learn()
        if self._course.begun != self._newest:
            self._course = _Course(self._newest)
        keys = 0
        while keys < most:
            course, seen = self._course, await self._some()
            keys += seen.keys
            if course.checking and seen.old:
                self._course = _Course(course.begun)
            elif seen.last:
                self._course = _Course(course.begun, course.checking, seen.last)
            elif not course.checking:
                self._course = _Course(course.begun, checking=True)
            else:
                return Renewed(await self._end(time, told), keys)
        return Renewed(None, keys)

    async def _some(self) -> Seen:
        """Wrap some keys, or look at some."""
        course, keyring = self._course, self._keyring
        if course.checking:
            return await self._log.read(
                lambda c: look_at_some(c, keyring, after=course.after, most=_A_LOOK)
            )
        seen: list[Seen] = []
        await self._log.write(
            lambda c: seen.append(wrap_some(c, keyring, after=course.after, most=_A_TURN))
        )
        return seen[-1]

    def _begin(
        self, connection: Connection, time: datetime, told: Mapping[str, Json]
    ) -> Append[Row] | None:
        self.look(connection)
        if self._keyring.is_between:
            return None  # another process was first
        try:
            between = begin(connection, self._folder)
        except OSError as error:
            raise _unwritten() from error
        return self._said(between, time, {**told, "renewing": MASTER_KEY_FILE})

    async def _end(self, time: datetime, told: Mapping[str, Json]) -> int:
        def make(connection: Connection) -> Append[Row] | None:
            self.look(connection)
            if not self._keyring.is_between or self._newest != self._course.begun:
                return None  # another process was first
            finish(connection, self._keyring)
            renewed = read_keyring(self._folder, connection)
            return self._said(renewed, time, {**told, "renewed": MASTER_KEY_FILE})

        answer = await self._log.compose(make)
        await self.learn()
        try:
            settle(self._folder, self._keyring, alone=self._alone)
        except OSError as error:
            raise _unwritten() from error
        assert self._newest is not None  # noqa: S101  # it has begun
        return answer.index if isinstance(answer, Receipt) else self._newest

    def _said(self, keyring: Keyring, time: datetime, permanent: Mapping[str, Json]) -> Append[Row]:
        """The entry of a change of keys, in the writer's turn."""
        entry = Entry(KEY_TYPE, str(uuid4()), time, dict(permanent), {})
        leaf, row = prepare(keyring, entry, [KEY_KEY])
        return Append(leaf, row, expect={KEY_KEY: self._newest}, given={})


def _unasked() -> NotRecordedError:
    return NotRecordedError(
        "the store cannot be asked which master key counts",
        zh="无法查知现行主密钥；请用同一 `request_id` 重试，仍不行请检查记录库",
        reason="STORE_FAILED",
        hint="Repeat the call with the same `request_id`; if it stays, look at the store.",
    )


def _unwritten() -> NotRecordedError:
    return NotRecordedError(
        "the files of the master keys cannot be written",
        zh="主密钥文件写不了；请检查目录权限与磁盘后再次更换，记录与密钥均未丢失",
        reason="RENEWAL_UNFINISHED",
        hint="Look at the folder's permissions and the disk, then renew again; nothing is lost.",
    )


def _elsewhere() -> NotRecordedError:
    return NotRecordedError(
        "services of other machines or accounts hold the store, and might not find the new master"
        " key",
        zh="其他机器或其他账号的服务正在使用该记录库，可能取不到新的主密钥；请停掉全部服务后以"
        " `miaopi audit renew-key --store` 更换，再把 `master.key` 复制到各机",
        reason="RENEWAL_ELSEWHERE",
        hint="Stop all services, renew with `miaopi audit renew-key --store`, and copy"
        " `master.key` to every machine.",
    )
