"""Every register by the transport that its file names, behind one port."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from decision_service.evidence import EvidenceSource, Sources
from decision_service.model import EvidenceType
from evidence_adapters import http
from evidence_adapters.guard import Clock
from evidence_adapters.register import Register
from evidence_adapters.tally import Tally


@asynccontextmanager
async def connect(
    registers: Mapping[EvidenceType, Register],
    addresses: Mapping[EvidenceType, str],
    *,
    clock: Clock,
    secrets: Mapping[EvidenceType, str] | None = None,
    tally: Tally | None = None,
) -> AsyncIterator[Sources]:
    """Open the sources of every register that has an address, and close them at the end.

    Args:
        addresses: As the register's transport takes it; see `http.connect` and `sql.connect`.
        secrets: Key or password by register.

    Raises:
        InvalidPublicationError: An address names no register, or is wrong for its transport.
    """
    async with AsyncExitStack() as stack:
        by_sql = {
            key: address
            for key, address in addresses.items()
            if key in registers and registers[key].transport == "sql"
        }
        others = {key: address for key, address in addresses.items() if key not in by_sql}
        sources: dict[EvidenceType, EvidenceSource] = dict(
            await stack.enter_async_context(
                http.connect(registers, others, clock=clock, secrets=secrets, tally=tally)
            )
        )
        if by_sql:
            # Its libraries take a second to load, which a city without such registers is spared.
            from evidence_adapters import sql  # noqa: PLC0415

            sources |= await stack.enter_async_context(
                sql.connect(registers, by_sql, clock=clock, secrets=secrets, tally=tally)
            )
        yield sources
