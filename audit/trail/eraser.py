"""Erasing a subject from a trail in use."""

import asyncio
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection

from audit.errors import NotRecordedError
from audit.log import Log, Receipt
from audit.log.store import latest
from audit.trail.entries import Entry
from audit.trail.erasures import ERASURE_KEY, ERASURE_TYPE, Erasure, permanent_part
from audit.trail.preparation import prepare
from audit.trail.projections import Row, entries_of
from audit.trail.seal import Keyring

_SCRUBS = 20
"""Attempts, a tenth of a second apart; the service's own readers are done long before."""


class Eraser:
    """One erasure at a time; who appends an entry about the same subject meanwhile waits."""

    def __init__(self, log: Log[Row], keyring: Keyring) -> None:
        self._log = log
        self._keyring = keyring
        self._one_at_a_time = asyncio.Lock()
        self._erasing: dict[str, asyncio.Event] = {}

    async def wait(self, subject: str) -> None:
        """Wait while that subject is being erased: what is sealed then must get a new key."""
        while being_erased := self._erasing.get(subject):
            await being_erased.wait()

    async def erase(self, subject: str, *, reason: str, time: datetime) -> Erasure | None:
        """Destroy everything that tells who or how they live, in all entries about the subject.

        The log and receipts given out before still verify. Whoever appends an entry about the
        same subject meanwhile waits; it gets a new key, and stays.

        Args:
            subject: As entries name it, e.g. ``resident_id:9900…``.
            reason: Why, for ever to be read; so without telling who.

        Returns:
            What is on record now; None if there is no entry about the subject.

        Raises:
            NotRecordedError: It was not recorded, so nothing was erased; or nobody can say. Or it
                was, and traces are left in the write-ahead log because somebody keeps reading an
                older state (``TRACES_LEFT``): `scrub` again.
        """
        tag = self._keyring.tag(subject)
        async with self._one_at_a_time:
            self._erasing[subject] = done = asyncio.Event()
            try:
                self._keyring.forget(tag)
                await self._log.write(_nothing)  # now all that was sealed before is in the store
                erasure = await self._erase(tag, reason, time)
            finally:
                del self._erasing[subject]
                done.set()
        if erasure is not None:
            await self.scrub()
        return erasure

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

    async def _erase(self, tag: str, reason: str, time: datetime) -> Erasure | None:
        erased, previous = await self._log.read(
            lambda c: (entries_of(c, tag), latest(c, [ERASURE_KEY]))
        )
        if not erased:
            return None
        last = previous.get(ERASURE_KEY)
        permanent = permanent_part(reason, erased, last)
        entry = Entry(ERASURE_TYPE, str(uuid4()), time, permanent, {})
        leaf, row = prepare(self._keyring, entry, [ERASURE_KEY])
        answer = await self._log.append(
            leaf, replace(row, erases=(tag, erased)), expect={ERASURE_KEY: last}
        )
        assert isinstance(answer, Receipt)  # noqa: S101  # one erasure at a time
        return Erasure(answer.index, time, reason, erased)


def _nothing(_connection: Connection) -> None:
    """Written when everything queued before is."""
