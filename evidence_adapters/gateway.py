"""Every register by the transport that its file names, behind one port."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from decision_service.model import CaseId, EvidenceStatus, EvidenceType, MatterId, Query
from evidence_adapters import file_drop, http
from evidence_adapters.credentials import Credentials
from evidence_adapters.file_drop import Tell
from evidence_adapters.guard import Clock, GuardedSource
from evidence_adapters.register import Register
from evidence_adapters.tally import Tally

WITHIN_S: Final = 3.0
"""Seconds in which a register can be reached, or cannot."""

_NOBODY: Final = {EvidenceStatus.NO_RECORD_AUTHORITATIVE, EvidenceStatus.NO_RECORD_INCONCLUSIVE}


@asynccontextmanager
async def connect(
    registers: Mapping[EvidenceType, Register],
    addresses: Mapping[EvidenceType, str],
    *,
    clock: Clock,
    credentials: Mapping[EvidenceType, Credentials] | None = None,
    batches: Path | None = None,
    tell: Tell | None = None,
    tally: Tally | None = None,
    look_every_s: float | None = file_drop.LOOK_EVERY_S,
) -> AsyncIterator[Mapping[EvidenceType, GuardedSource]]:
    """Open the sources of every register that has an address, and close them at the end.

    Args:
        addresses: As the register's transport takes it; see each transport's `connect`.
        credentials: What each register is shown, and must show.
        batches: Where what came by file is kept. None: nowhere for longer than the sources.
        tell: Is told of every file that was taken or refused.
        look_every_s: Seconds between two looks for new files. None: nobody looks.

    Raises:
        InvalidPublicationError: An address names no register, or is wrong for its transport.
    """
    by_transport: dict[str, dict[EvidenceType, str]] = {"http": {}, "sql": {}, "file": {}}
    for key, address in addresses.items():
        by_transport[registers[key].transport if key in registers else "http"][key] = address
    sources: dict[EvidenceType, GuardedSource] = {}
    async with AsyncExitStack() as stack:
        sources |= await stack.enter_async_context(
            http.connect(
                registers, by_transport["http"], clock=clock, credentials=credentials, tally=tally
            )
        )
        if by_transport["sql"]:
            # Its libraries take a second to load, which a city without such registers is spared.
            from evidence_adapters import sql  # noqa: PLC0415

            sources |= await stack.enter_async_context(
                sql.connect(
                    registers,
                    by_transport["sql"],
                    clock=clock,
                    credentials=credentials,
                    tally=tally,
                )
            )
        if by_transport["file"]:
            kept = batches or Path(stack.enter_context(TemporaryDirectory(prefix="batches-")))
            sources |= await stack.enter_async_context(
                file_drop.connect(
                    registers,
                    by_transport["file"],
                    clock=clock,
                    batches=kept,
                    tell=tell,
                    tally=tally,
                    look_every_s=look_every_s,
                )
            )
        yield sources


async def reach(
    register: Register, address: str, shown: Credentials, *, clock: Clock, batches: Path
) -> str:
    """Why the register cannot be asked at the address; empty if it can. Nobody is asked about.

    A view is read for a key that nobody has, which tells whether it has the agreed columns.

    Raises:
        InvalidPublicationError: The address is wrong for the transport.
    """
    if register.transport == "file":
        return await asyncio.to_thread(file_drop.reach, register, address, batches)
    addresses, credentials = {register.key: address}, {register.key: shown}
    async with connect(
        {register.key: register}, addresses, clock=clock, credentials=credentials
    ) as sources:
        if register.transport == "http":
            return await http.reach(address, shown, within_s=WITHIN_S)
        query = Query(
            query_id="reach",
            evidence_type=register.key,
            about="nobody",
            keys=dict.fromkeys(register.keys, "-"),
            matter=MatterId("-"),
            case_id=CaseId("-"),
            purpose=register.purpose,
            legal_basis="-",
            filing_date=clock().date(),
        )
        deadline = asyncio.get_running_loop().time() + WITHIN_S
        found = await sources[register.key].fetch(query, deadline=deadline)
    return "" if found.status in _NOBODY else found.detail or found.status.value
