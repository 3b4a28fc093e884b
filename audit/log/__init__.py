"""The log: opaque entries in, receipts and proofs out; RFC 6962 trees, C2SP checkpoints."""

from audit.log.log import Log
from audit.log.queue import Conflict, Receipt

__all__ = ["Conflict", "Log", "Receipt"]
