"""Erasing from a trail in use, and the holds that stop it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection

from audit.errors import NotFoundError, NotRecordedError
from audit.log import Conflict, Log
from audit.log.store import latest
from audit.trail.canonical import Json
from audit.trail.destruction import kept_of, plan, tags_of
from audit.trail.entries import Entry
from audit.trail.erasures import ERASURE_KEY, ERASURE_TYPE, HOLD_TYPE, Erasure, permanent_part
from audit.trail.holds import Hold, Scope, held, read_holds, under_hold
from audit.trail.preparation import prepare
from audit.trail.projections import Row, entries_of
from audit.trail.seal import Keyring

_SCRUBS = 20
"""Attempts, a tenth of a second apart; the service's own readers are done long before."""


_AN_ENTRY = 2_000
"""Entries that one `erasure/1` erases at most: their indices must fit into its leaf."""


class Keeper:
    """One erasure at a time; who appends an entry about the same subject meanwhile waits.

    Erasures and holds are one chain under one key, so that none can overtake another.
    """

    def __init__(self, log: Log[Row], keyring: Keyring) -> None:
        self._log = log
        self._keyring = keyring
        self._one_at_a_time = asyncio.Lock()
        self._erasing: dict[str, asyncio.Event] = {}

    async def wait(self, subject: str) -> None:
        """Wait while that subject is being erased: what is sealed then must get a new key."""
        while self._erasing and (being := self._erasing.get(self._keyring.tag(subject))):
            await being.wait()

    async def erase(
        self, subject: str, *, reason: str, time: datetime, told: Mapping[str, Json]
    ) -> Erasure | None:
        """Destroy everything that tells who or how they live, in all entries about the subject.

        The log and receipts given out before still verify. Whoever appends an entry about the
        same subject meanwhile waits; it gets a new key, and stays.

        Args:
            subject: As entries name it, e.g. ``resident_id:9900…``.
            reason: Why, for ever to be read; so without telling who.
            told: What else the entry says for ever: the law, who did it, ….

        Returns:
            What is on record now, under the newest of its entries if it took several; None if
            there is no entry about the subject.

        Raises:
            HeldError: A hold stops it; nothing was erased.
            NotRecordedError: It was not recorded, so nothing was erased; or nobody can say. Or it
                was, and traces are left in the write-ahead log because somebody keeps reading an
                older state (``TRACES_LEFT``): `scrub` again.
        """
        tag = self._keyring.tag(subject)
        async with self._alone([tag]):
            erasure = await self._erase(lambda c: entries_of(c, tag), reason, time, told)
        if erasure is not None:
            await self.scrub()
        return erasure

    async def erase_entries(
        self, indices: Sequence[int], *, reason: str, time: datetime, told: Mapping[str, Json]
    ) -> Erasure | None:
        """Destroy what tells who in these entries; others about the same subjects stay.

        What stays of a subject gets a new key, and the old one is destroyed: else who kept an old
        copy of the store could still open what was erased. Otherwise as `erase`.

        Returns:
            What is on record now; None if all of them have been erased before.
        """
        tags = await self._log.read(lambda c: tags_of(c, indices))
        async with self._alone(tags):
            erasure = await self._erase(lambda c: kept_of(c, indices), reason, time, told)
        if erasure is not None:
            await self.scrub()
        return erasure

    async def place_hold(
        self, scope: Scope, *, reason: str, time: datetime, told: Mapping[str, Json]
    ) -> int:
        """Let nothing in that scope be erased until the hold is lifted; returns its index.

        Raises:
            NotRecordedError: It was not recorded, so it does not hold.
        """
        said = {**told, "act": "place", "reason": reason, **scope.permanent}
        return await self._chain(HOLD_TYPE, lambda _c: (said, scope.subject), time)

    async def lift_hold(
        self, index: int, *, reason: str, time: datetime, told: Mapping[str, Json]
    ) -> int:
        """Lift the hold that was placed by that entry; returns the index of the new one.

        Raises:
            NotFoundError: No hold of that index is in force (``HOLD_NOT_FOUND``).
            NotRecordedError: It was not recorded, so the hold stays.
        """

        def lift(connection: Connection) -> tuple[dict[str, Json], str]:
            if index not in {hold.index for hold in read_holds(connection)}:
                raise _no_hold(index)
            return {**told, "act": "lift", "reason": reason, "lifts": index}, ""

        return await self._chain(HOLD_TYPE, lift, time)

    async def holds(self) -> tuple[Hold, ...]:
        """The holds that are in force, the oldest first."""
        return await self._log.read(read_holds)

    async def scrub(self) -> None:
        """Leave no trace of what was erased in the write-ahead log.

        Raises:
            NotRecordedError: Somebody keeps reading an older state (``TRACES_LEFT``).
        """
        for _ in range(_SCRUBS):
            if await self._log.scrub():
                return
            await asyncio.sleep(0.1)
        raise NotRecordedError(
            "it is erased, but traces are left in the write-ahead log while somebody reads it",
            zh="已删除，但有读取者未放手，预写日志中尚有痕迹；请结束读取者后再清理，或重启服务",
            reason="TRACES_LEFT",
            hint="End whoever keeps reading the store, then scrub again, or restart the service.",
        )

    @asynccontextmanager
    async def _alone(self, tags: Sequence[str]) -> AsyncIterator[None]:
        """Nobody else erases, and nothing about these subjects is sealed, until the block ends."""
        async with self._one_at_a_time:
            done = asyncio.Event()
            self._erasing |= dict.fromkeys(tags, done)
            try:
                for tag in tags:
                    self._keyring.forget(tag)
                await self._log.write(_nothing)  # now all that was sealed before is in the store
                yield
            finally:
                for tag in tags:
                    del self._erasing[tag]
                done.set()

    async def _erase(
        self,
        choose: Callable[[Connection], tuple[int, ...]],
        reason: str,
        time: datetime,
        told: Mapping[str, Json],
    ) -> Erasure | None:
        gone: tuple[int, ...] = ()
        index = -1
        while True:
            erased, newest, destroy = await self._log.read(lambda c: self._plan(c, choose(c)))
            if not erased:
                return Erasure(index, time, reason, gone) if gone else None
            permanent = {**told, **permanent_part(reason, erased, newest)}
            entry = Entry(ERASURE_TYPE, str(uuid4()), time, permanent, {})
            leaf, row = prepare(self._keyring, entry, [ERASURE_KEY])
            answer = await self._log.append(
                leaf, replace(row, destroys=destroy), expect={ERASURE_KEY: newest}
            )
            if not isinstance(answer, Conflict):  # else a hold came in between
                index, gone = answer.index, (*gone, *erased)

    def _plan(
        self, connection: Connection, chosen: tuple[int, ...]
    ) -> tuple[tuple[int, ...], int | None, Callable[[Connection], None]]:
        """What one entry can erase of what is chosen, after which entry, and how."""
        stopped = held(connection, chosen)
        if stopped:
            raise under_hold(stopped)
        erased = chosen[:_AN_ENTRY]
        newest = latest(connection, [ERASURE_KEY]).get(ERASURE_KEY)
        return erased, newest, plan(connection, self._keyring, erased)

    async def _chain(
        self,
        type_: str,
        say: Callable[[Connection], tuple[Mapping[str, Json], str]],
        time: datetime,
    ) -> int:
        """Append an entry to the chain of erasures and holds; returns its index.

        Args:
            say: What the entry says for ever, and whom it is about.
        """
        async with self._one_at_a_time:
            while True:
                (said, subject), newest = await self._log.read(
                    lambda c: (say(c), latest(c, [ERASURE_KEY]).get(ERASURE_KEY))
                )
                permanent = {**said, "previous": -1 if newest is None else newest}
                entry = Entry(type_, str(uuid4()), time, permanent, {}, subject=subject)
                leaf, row = prepare(self._keyring, entry, [ERASURE_KEY])
                answer = await self._log.append(leaf, row, expect={ERASURE_KEY: newest})
                if not isinstance(answer, Conflict):  # else another process came in between
                    return answer.index


def _nothing(_connection: Connection) -> None:
    """Written when everything queued before is."""


def _no_hold(index: int) -> NotFoundError:
    return NotFoundError(
        f"no hold `{index}` is in force",
        zh=f"没有编号为 {index} 的有效保全；请查看现有保全",
        reason="HOLD_NOT_FOUND",
        hint="List the holds that are in force; each is named by the index of its entry.",
    )
