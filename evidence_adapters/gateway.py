"""Every register by the transport that its file names, behind one port."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from decision_service.evidence import EvidenceSource, Sources
from decision_service.model import EvidenceType
from evidence_adapters import file_drop, http
from evidence_adapters.credentials import Credentials
from evidence_adapters.file_drop import Tell
from evidence_adapters.guard import Clock
from evidence_adapters.register import Register
from evidence_adapters.tally import Tally


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
) -> AsyncIterator[Sources]:
    """Open the sources of every register that has an address, and close them at the end.

    Args:
        addresses: As the register's transport takes it; see each transport's `connect`.
        credentials: What each register is shown, and must show.
        batches: Where what came by file is kept. None: nowhere for longer than the sources.
        tell: Is told of every file that was taken or refused.

    Raises:
        InvalidPublicationError: An address names no register, or is wrong for its transport.
    """
    by_transport: dict[str, dict[EvidenceType, str]] = {"http": {}, "sql": {}, "file": {}}
    for key, address in addresses.items():
        by_transport[registers[key].transport if key in registers else "http"][key] = address
    sources: dict[EvidenceType, EvidenceSource] = {}
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
                )
            )
        yield sources
