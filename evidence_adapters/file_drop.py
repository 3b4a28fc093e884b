"""Registers that come as files: each question is answered out of the last sound batch.

The owner drops a file and then its manifest into a folder; `intake` says what is sound. A batch
that is not leaves the one before in use, whose age then tells whether it may still be used.
"""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from decision_service.model import EvidenceStatus, EvidenceType, Query
from evidence_adapters import intake, rows
from evidence_adapters.guard import THREADS, Clock, FaultError, GuardedSource
from evidence_adapters.intake import Held, Order, Refused, Report
from evidence_adapters.normalise import key_of
from evidence_adapters.register import Register, refuse_addresses
from evidence_adapters.tally import Tally

LOOK_EVERY_S: Final = 60.0
"""Seconds between two looks into a drop; its owner fills it once a night."""

LONGEST_S: Final = 3_600.0
"""Seconds that reading one batch may take."""

Tell: TypeAlias = Callable[[EvidenceType, Report], None]
"""Hears of every batch that was taken or refused."""

_Sight: TypeAlias = frozenset[tuple[str, int, int]] | str
"""What can be seen of a folder, or why nothing can."""


@asynccontextmanager
async def connect(
    registers: Mapping[EvidenceType, Register],
    addresses: Mapping[EvidenceType, str],
    *,
    clock: Clock,
    batches: Path,
    tell: Tell | None = None,
    tally: Tally | None = None,
    look_every_s: float | None = LOOK_EVERY_S,
) -> AsyncIterator[Mapping[EvidenceType, GuardedSource]]:
    """Open the sources of every register that has an address, and watch their drops meanwhile.

    A batch that was taken in an earlier run is in use at once. The first look begins at once and
    is not waited for.

    Args:
        addresses: ``file:///<absolute path>`` of the folder that the owner fills.
        batches: Folder for what was taken; personal data of everybody in the registers.
        tell: Is told what became of every batch.
        look_every_s: None: nobody looks; what was taken before is all there is.

    Raises:
        InvalidPublicationError: An address names no register or is no such address.
    """
    _refuse(registers, addresses)
    await asyncio.to_thread(batches.mkdir, mode=0o700, parents=True, exist_ok=True)
    drops = {
        key: _Drop(registers[key], _folder(address), batches, clock=clock, tell=tell)
        for key, address in addresses.items()
    }
    watching = [
        asyncio.create_task(drop.watch(look_every_s))
        for drop in drops.values()
        if look_every_s is not None
    ]
    try:
        yield {
            key: GuardedSource(
                registers[key], drop.ask, clock=clock, tally=tally, describe=drop.describe
            )
            for key, drop in drops.items()
        }
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        for drop in drops.values():
            drop.close()


def reach(register: Register, address: str, batches: Path) -> str:
    """Why nothing can be answered, or nothing new come; empty if both can.

    Raises:
        InvalidPublicationError: The address is no folder's.
    """
    _refuse({register.key: register}, {register.key: address})
    try:
        _sight(_folder(address))
    except OSError as error:
        return f"the drop: {type(error).__name__}"
    held = intake.held_in(_target(batches, register))
    if held is None:
        return "no batch has been taken yet"
    return "" if held.contract == register.digest else "no batch under this register file"


class _Drop:
    """The batches of one register."""

    def __init__(
        self, register: Register, folder: Path, batches: Path, *, clock: Clock, tell: Tell | None
    ) -> None:
        self._register = register
        self._folder = folder
        self._target = _target(batches, register)
        self._clock = clock
        self._tell = tell or (lambda _key, _report: None)
        self._told: tuple[str, ...] = ()
        self._seen: _Sight | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=register.key)

    def close(self) -> None:
        """Begin nothing more; what is under way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def describe(self, query: Query) -> Mapping[str, object]:
        """The file that is read, and by what."""
        return {"file": str(self._target), "keys": dict(query.keys)}

    async def ask(self, query: Query, _deadline: float) -> bytes:
        """Read the rows and return them as an answer's bytes; see `guard.Ask`."""
        request = self._register.request
        key = key_of(query.keys[asked] for asked in request.where.values())
        loop = asyncio.get_running_loop()
        held, lines = await loop.run_in_executor(self._threads, self._find, key)
        return rows.answer(self._register, query, lines, as_of=held.as_of, reference=held.batch)

    def _find(self, key: str) -> tuple[Held, list[bytes]]:
        """The rows of the key and the batch that they are of, both out of one file."""
        try:
            with closing(intake.open_batch(self._target)) as connection:
                held, lines = intake.held_by(connection), intake.lines_of(connection, key)
        except sqlite3.Error:
            raise _unavailable("no batch has been taken yet") from None
        if held.contract != self._register.digest:
            raise _unavailable("no batch has been taken under this register file")
        return held, lines

    async def watch(self, every_s: float) -> None:
        """Look into the drop for ever; whatever befalls one look, the next one comes."""
        while True:
            with suppress(Exception):  # of telling: nobody is left whom it could be told
                await self._look()
            await asyncio.sleep(every_s)

    async def _look(self) -> None:
        """Read what is new, if anything in the folder has changed; tell what became of it."""
        seen: _Sight
        try:
            loop = asyncio.get_running_loop()
            seen = await loop.run_in_executor(self._threads, _sight, self._folder)
        except OSError as error:
            seen = type(error).__name__
            report = Report(refused=(Refused(manifest="", faults=(f"the drop: {seen}",)),))
        else:
            if seen == self._seen:
                return
            report = await self._take()
        if seen != self._seen and (report.taken or report.refused):
            self._tell(self._register.key, report)
        self._seen = seen if report.whole else None
        self._told = (*self._told, *(one.seen for one in report.refused))[-_REMEMBERED:]

    async def _take(self) -> Report:
        """Have it read; that this fails is something to tell of like any other."""
        try:
            return await self._read()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look comes
            return _failed(f"reading failed with {type(error).__name__}")

    async def _read(self) -> Report:
        """Have it read by a process of its own, and end that process with us."""
        order = Order.of(
            self._register,
            drop=self._folder,
            target=self._target,
            now=self._clock(),
            told=self._told,
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            intake.__name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a traceback can quote a row
        )
        talk = asyncio.create_task(process.communicate(order.model_dump_json().encode()))
        try:
            await asyncio.wait({talk}, timeout=LONGEST_S)
        finally:
            if is_late := not talk.done():
                with suppress(ProcessLookupError):
                    process.kill()
                await asyncio.shield(talk)
        *_, last = b"", *talk.result()[0].splitlines()
        if is_late:
            fault = f"reading took longer than {LONGEST_S:.0f} s"
        elif process.returncode:
            fault = f"the reading process ended with {process.returncode}"
        else:
            return Report.model_validate_json(last)
        if not last or process.returncode == 1:
            return _failed(fault)
        # It was killed over this batch, and not by an error of ours: the next look is without it.
        begun = Refused.model_validate_json(last)
        return Report(refused=(begun.model_copy(update={"faults": (fault,)}),), whole=False)


_REMEMBERED: Final = 1_000
"""Refusals of one drop that are not told again."""


def _sight(folder: Path) -> _Sight:
    """What can be seen of a folder without opening a file of it."""
    with os.scandir(folder) as entries:
        about = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    return frozenset((name, one.st_size, one.st_mtime_ns) for name, one in about)


def _folder(address: str) -> Path:
    return Path(unquote(urlsplit(address).path))


def _target(batches: Path, register: Register) -> Path:
    return batches / f"{register.key}.sqlite"


def _failed(fault: str) -> Report:
    return Report(refused=(Refused(manifest="", faults=(fault,)),), whole=False)


def _unavailable(detail: str) -> FaultError:
    return FaultError(EvidenceStatus.UNAVAILABLE, detail)


def _refuse(
    registers: Mapping[EvidenceType, Register], addresses: Mapping[EvidenceType, str]
) -> None:
    hint = "Write `file:///<absolute path>` of the folder that the owner fills."
    refuse_addresses(registers, addresses, _fault_of, hint=hint)


def _fault_of(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    is_one = (
        parts.scheme == "file"
        and not parts.netloc
        and not parts.query
        and not parts.fragment
        and Path(unquote(parts.path)).is_absolute()
    )
    return "" if is_one else "is not of the form file:///folder"
