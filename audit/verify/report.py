"""How deep a check goes, and what it found, of a store or of an export."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from audit.log.checkpoint import Checkpoint
from audit.trail.recoveries import Recovery

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many entries have been checked, of how many."""

Wrong: TypeAlias = Callable[[int | None, str, str], None]
"""Told what is wrong: at which entry, in English, in Chinese."""

AMBIGUOUS = (
    "the permanent part is not its one canonical text, so readers could differ",
    "永久部分不是唯一的规范写法，不同的人可能读出不同内容",
)
"""What is wrong with a leaf that is read, and that no service writes."""

PROBLEMS = 1_000
"""Where that much is wrong, the rest is not looked at."""


class Depth(StrEnum):
    """How much is derived again; each takes in the one before it."""

    TREE = "tree"
    """Every leaf's bytes, every tile, head, anchor, checkpoint and signature."""

    ROWS = "rows"
    """And whatever lies beside the leaves: projections, keys, cases, sealed parts as they lie."""

    SEALED = "sealed"
    """And what the sealed parts say, opened with the master key. This is everything."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the store that does not follow from its entries.

    Attributes:
        index: The entry that it concerns; None if it concerns no single one.
        what: One line, lower case, without personal data.
        zh: The same in Chinese.
    """

    index: int | None
    what: str
    zh: str

    @property
    def line(self) -> str:
        """Which entry, if any, and what."""
        return self.what if self.index is None else f"entry `{self.index}`: {self.what}"

    @property
    def zh_line(self) -> str:
        """The same in Chinese."""
        return self.zh if self.index is None else f"第 {self.index} 条：{self.zh}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        derived: The checkpoint that follows from the entries.
        depth: How much was derived again.
        signed_size: Size of the newest checkpoint whose signature and root were right; 0 if none.
        problems: Those of an entry first, the lowest index first.
        unchecked: What was not looked at, and why, in both languages.
        recoveries: Where the log went on after a loss, for ever to be seen; the oldest first.
    """

    derived: Checkpoint
    depth: Depth
    signed_size: int
    problems: tuple[Problem, ...]
    unchecked: tuple[str, ...]
    recoveries: tuple[Recovery, ...]

    @property
    def first_bad_index(self) -> int | None:
        """The first entry that something is wrong with; None if there is none."""
        return next((p.index for p in self.problems if p.index is not None), None)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each once: those of an entry first, the lowest index first."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.index is None, p.index or 0)))
