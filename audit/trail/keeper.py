"""Erasing from a trail in use, and the holds that stop it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

import msgspec
from sqlalchemy import Connection

from audit.errors import NotFoundError, NotRecordedError
from audit.log import Conflict, Log, Receipt
from audit.log.queue import Append
from audit.log.store import latest
from audit.trail.canonical import Json
from audit.trail.destruction import kept_of, plan
from audit.trail.entries import Entry
from audit.trail.erasures import ERASURE_KEY, ERASURE_TYPE, HOLD_TYPE, Erasure, permanent_part
from audit.trail.holds import Hold, Holds, Scope, held, under_hold
from audit.trail.preparation import prepare
from audit.trail.projections import Row, entries_of
from audit.trail.seal import Keyring

_SCRUBS = 20
"""Attempts, a tenth of a second apart; the service's own readers are done long before."""


_AN_ENTRY = 2_000
"""Entries that one `erasure/1` erases at most: their indices must fit into its leaf."""


class Keeper:
    """Erases, and sees to it that no key that was destroyed is ever used again.

    Erasures and holds are one chain under one key, and each is made while nobody else writes, so
    that none can overtake another. Whoever seals an entry says how far the chain was known; if it
    has moved since, in this process or in another, the entry is refused, and sealed anew under
    keys that are new.

    Args:
        look: Sees which master keys count.
    """

    def __init__(
        self,
        log: Log[Row],
        keyring: Keyring,
        newest: int | None,
        *,
        look: Callable[[Connection], object],
    ) -> None:
        self._log = log
        self._keyring = keyring
        self._newest = newest
        self._look = look
        self._holds = Holds()

    def holds_at(self, connection: Connection) -> tuple[Hold, ...]:
        """The holds that are in force on that connection, the oldest first."""
        return self._holds.read(connection)

    @property
    def given(self) -> Mapping[str, int | None]:
        """What whoever seals now expects of the log (`Log.append`)."""
        return {ERASURE_KEY: self._newest}

    def is_news(self, answer: Receipt | Conflict) -> bool:
        """Whether an entry was refused because the chain has moved; then all keys are forgotten."""
        if isinstance(answer, Receipt) or answer.key != ERASURE_KEY:
            return False
        self._learn(answer.index)
        return True

    async def erase(
        self, subject: str, *, reason: str, time: datetime, told: Mapping[str, Json]
    ) -> Erasure | None:
        """Destroy everything that tells who or how they live, in all entries about the subject.

        The log and receipts given out before still verify. An entry about the same subject that
        somebody appends meanwhile is erased, too, or gets a new key and stays.

        Args:
            subject: As entries name it, e.g. ``resident_id:9900…``.
            reason: Why, for ever to be read; so without telling who.
            told: What else the entry says for ever: the law, who did it, ….

        Returns:
            What is on record now, under the newest of its entries if it took several, all but
            what a hold stops that was placed meanwhile; None if there is no entry about the
            subject.

        Raises:
            HeldError: A hold stops it; nothing was erased.
            NotRecordedError: It was not recorded, so nothing was erased; or nobody can say. Or it
                was, and traces are left in the write-ahead log because somebody keeps reading an
                older state (``TRACES_LEFT``): `scrub` again.
        """
        tag = self._keyring.tag(subject)
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
        return await self._hold(lambda _c: _Said(said, scope.subject), time)

    async def lift_hold(
        self, index: int, *, reason: str, time: datetime, told: Mapping[str, Json]
    ) -> int:
        """Lift the hold that was placed by that entry; returns the index of the new one.

        Raises:
            NotFoundError: No hold of that index is in force (``HOLD_NOT_FOUND``).
            NotRecordedError: It was not recorded, so the hold stays.
        """

        def lift(connection: Connection) -> _Said:
            if index not in {hold.index for hold in self.holds_at(connection)}:
                raise _no_hold(index)
            return _Said({**told, "act": "lift", "reason": reason, "lifts": index})

        return await self._hold(lift, time)

    async def holds(self) -> tuple[Hold, ...]:
        """The holds that are in force, the oldest first."""
        return await self._log.read(self.holds_at)

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

    async def _hold(self, say: Callable[[Connection], "_Said"], time: datetime) -> int:
        def next_(connection: Connection, newest: int | None) -> _Said:
            said = say(connection)
            before = -1 if newest is None else newest
            return said._replace(permanent={**said.permanent, "previous": before})

        index = await self._chain(HOLD_TYPE, next_, time)
        assert index is not None  # noqa: S101  # something is always said
        return index

    async def _erase(
        self,
        choose: Callable[[Connection], tuple[int, ...]],
        reason: str,
        time: datetime,
        told: Mapping[str, Json],
    ) -> Erasure | None:
        erased: tuple[int, ...] = ()
        gone: tuple[int, ...] = ()
        index = -1

        def say(connection: Connection, newest: int | None) -> _Said | None:
            nonlocal erased
            chosen = choose(connection)
            if chosen and (stopped := held(connection, self.holds_at(connection), chosen)):
                if gone:
                    return None  # it was placed meanwhile: what is on record is told
                raise under_hold(stopped)
            erased = chosen[:_AN_ENTRY]
            permanent = {**told, **permanent_part(reason, erased, newest)}
            destroy = plan(connection, self._keyring, erased)
            return _Said(permanent, destroys=destroy) if erased else None

        while (answer := await self._chain(ERASURE_TYPE, say, time)) is not None:
            index, gone = answer, (*gone, *erased)
        return Erasure(index, time, reason, gone) if gone else None

    async def _chain(
        self, type_: str, say: Callable[[Connection, int | None], "_Said | None"], time: datetime
    ) -> int | None:
        """Append an entry to the chain of erasures and holds; returns its index.

        Args:
            say: Told the newest of the chain; says what comes next, or None if nothing does.
        """

        def make(connection: Connection) -> Append[Row] | None:
            self._look(connection)  # what cannot be opened is not erased
            newest = latest(connection, [ERASURE_KEY]).get(ERASURE_KEY)
            self._learn(newest)
            said = say(connection, newest)
            if said is None:
                return None
            entry = Entry(type_, str(uuid4()), time, said.permanent, {}, subject=said.subject)
            leaf, row = prepare(self._keyring, entry, [ERASURE_KEY])
            row = msgspec.structs.replace(row, destroys=said.destroys)
            return Append(leaf, row, expect={ERASURE_KEY: newest}, given={})

        answer = await self._log.compose(make)
        if answer is None:
            return None
        self._learn(answer.index)
        return answer.index

    def _learn(self, newest: int | None) -> None:
        if newest != self._newest:
            self._keyring.forget()  # before it is told: who seals between is refused
            self._newest = newest


class _Said(NamedTuple):
    """What an entry of the chain says for ever, whom it is about, and what it destroys."""

    permanent: Mapping[str, Json]
    subject: str = ""
    destroys: Callable[[Connection], object] = lambda _connection: None


def _no_hold(index: int) -> NotFoundError:
    return NotFoundError(
        f"no hold `{index}` is in force",
        zh=f"没有编号为 {index} 的有效保全；请查看现有保全",
        reason="HOLD_NOT_FOUND",
        hint="List the holds that are in force; each is named by the index of its entry.",
    )
