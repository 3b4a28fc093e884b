"""Every register by the transport that its file names, behind one port."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from decision_service.evidence import EvidenceSource, Sources
from decision_service.model import EvidenceType
from evidence_adapters import http, sql
from evidence_adapters.guard import Clock
from evidence_adapters.register import Register
from evidence_adapters.tally import Tally

_TRANSPORTS = {"http": http.connect, "sql": sql.connect}


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
        sources: dict[EvidenceType, EvidenceSource] = {}
        for transport, opening in _TRANSPORTS.items():
            theirs = {
                key: address
                for key, address in addresses.items()
                if (registers[key].transport if key in registers else "http") == transport
            }
            opened = opening(registers, theirs, clock=clock, secrets=secrets, tally=tally)
            sources |= await stack.enter_async_context(opened)
        yield sources
