"""What a check found, of a store or of an export."""

from dataclasses import dataclass

from audit.log.checkpoint import Checkpoint
from audit.trail.recoveries import Recovery
from audit.verify.derivation import Problem


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        derived: The checkpoint that follows from the entries.
        signed_size: Size of the newest checkpoint whose signature and root were right; 0 if none.
        problems: Those of an entry first, the lowest index first.
        unchecked: What could not be looked at, and why, in both languages.
        recoveries: Where the log went on after a loss, for ever to be seen; the oldest first.
    """

    derived: Checkpoint
    signed_size: int
    problems: tuple[Problem, ...]
    unchecked: tuple[str, ...]
    recoveries: tuple[Recovery, ...]

    @property
    def first_bad_index(self) -> int | None:
        """The first entry that something is wrong with; None if there is none."""
        return next((p.index for p in self.problems if p.index is not None), None)


def in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """Those of an entry first, the lowest index first."""
    return tuple(sorted(problems, key=lambda p: (p.index is None, p.index or 0)))
