"""What the sandbox's registers do wrong on command, to all or about one subject, so many times."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Misconduct(StrEnum):
    """How a register can be away, slow, wrong, or of no help; all of it seen in the field."""

    SLOW = "slow"
    SILENT = "silent"
    DOWN = "down"
    RESET = "reset"
    GARBAGE = "garbage"
    WRONG = "wrong"
    ANOTHER_SUBJECT = "another_subject"
    STALE = "stale"
    FUTURE = "future"
    DISPUTED = "disputed"
    AMBIGUOUS = "ambiguous"
    MISMATCH = "mismatch"
    PENDING = "pending"
    DENIED = "denied"
    UNAVAILABLE = "unavailable"


@dataclass(slots=True)
class _Order:
    """One command; `times` counts down, None lasts until the reset."""

    how: Misconduct
    about: str | None
    times: int | None


@dataclass(slots=True)
class Orders:
    """The commands in force, by register; the newest that fits a question is followed."""

    _by_register: dict[str, list[_Order]] = field(default_factory=dict)

    def add(self, register: str, how: Misconduct, *, about: str | None, times: int | None) -> None:
        """Command a register; see `Running.misbehave`."""
        self._by_register.setdefault(register, []).append(_Order(how, about, times))

    def clear(self) -> None:
        """Let every register behave again."""
        self._by_register.clear()

    def next(self, register: str, keys: Collection[str]) -> Misconduct | None:
        """What to do wrong with this question, which counts as one time."""
        for order in self._fitting(register, keys):
            if order.times is not None:
                order.times -= 1
            return order.how
        return None

    def _fitting(self, register: str, keys: Collection[str]) -> Iterator[_Order]:
        for order in reversed(self._by_register.get(register, [])):
            if (order.about is None or order.about in keys) and order.times != 0:
                yield order
