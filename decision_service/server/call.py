"""What the edge knows of the call that is being handled."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from decision_service.record import Viewer
from decision_service.server.identity import Caller


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted call.

    Attributes:
        now: The one instant of this request. Nothing below the edge reads a clock.
        deadline: Instant of the running event loop's clock, in seconds.
    """

    caller: Caller
    now: datetime
    deadline: float


current: ContextVar[Call] = ContextVar("current")
"""The call that the running task handles; set by the edge before any servicer runs."""


def viewer() -> Viewer:
    """Who of the staff asks, in the call that the running task handles."""
    call = current.get()
    caller = call.caller
    return Viewer(caller.subject, caller.role, call.now, caller.matters)
