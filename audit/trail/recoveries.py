"""Recoveries: where keys, anchor and store did not agree, and who went on all the same.

A recovery is an entry like any other, so it can be neither made unseen nor taken back. It keeps
what spoke against the store (the anchor's text, the signed checkpoint), so that whoever holds a
receipt or checkpoint of lost entries can see for ever what became of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from audit.log.checkpoint import Checkpoint
from audit.log.merkle import Hash
from audit.note import from_base64, to_base64
from audit.trail.canonical import Json
from audit.trail.entries import Leaf
from audit.trail.projections import chain

RECOVERY_TYPE = "recovery/1"
RECOVERY_KEY = "recovery"
"""The opaque key whose newest entry is the newest recovery; each names the one before it."""

_FIRST = -1


@dataclass(frozen=True, slots=True)
class Recovery:
    """One recovery. The entries before it are what was found; it is the first after them.

    Attributes:
        index: Of its entry, which is also the size of the log that was found.
        root: Root of the log that was found.
        reason: Why, in the operator's words.
        operator: The account that did it.
        found: What spoke against opening the store, one line each, the reason's name first.
        anchor: Text of the anchor that lay there; empty if there was none.
        checkpoint: The signed note that lay there; empty if there was none.
        old_verifier_key: Public key until then; empty if it was lost, too.
        verifier_key: Public key from then on.
        lost_keys: Files of keys that were lost.
        previous: Index of the recovery before; None if it is the first.
    """

    index: int
    time: datetime
    root: Hash
    reason: str
    operator: str
    found: tuple[str, ...]
    anchor: str
    checkpoint: str
    old_verifier_key: str
    verifier_key: str
    lost_keys: tuple[str, ...]
    previous: int | None

    @property
    def known_size(self) -> int:
        """How many entries the log is known to have had, by anchor and checkpoint."""
        texts = (self.anchor, self.checkpoint.rpartition("\n\n")[0] + "\n")
        return max([self.index, *(seen.size for text in texts if (seen := _seen(text)))])

    @property
    def lost(self) -> range:
        """Indices of the entries that are known to be lost; others stand there now."""
        return range(self.index, self.known_size)

    def accounts_for(self, size: int) -> bool:
        """Whether it tells why a checkpoint of that size is not of this log."""
        forked = any(line.startswith("STORE_FORKED") for line in self.found)
        return size <= self.known_size and (forked or size > self.index)

    @property
    def permanent(self) -> dict[str, Json]:
        """The permanent part of its entry."""
        return {
            "root": to_base64(self.root),
            "reason": self.reason,
            "operator": self.operator,
            "found": list(self.found),
            "anchor": self.anchor,
            "checkpoint": self.checkpoint,
            "old_verifier_key": self.old_verifier_key,
            "verifier_key": self.verifier_key,
            "lost_keys": list(self.lost_keys),
            "previous": _FIRST if self.previous is None else self.previous,
        }

    @classmethod
    def read(cls, index: int, leaf: Leaf) -> "Recovery":
        """The recovery that an entry tells of.

        Raises:
            ValueError: The entry tells of none.
        """
        match leaf.permanent:
            case {
                "root": str(root),
                "found": list(found),
                "lost_keys": list(lost_keys),
                "previous": int(previous),
                **texts,
            } if leaf.type == RECOVERY_TYPE:
                return cls(
                    index=index,
                    time=leaf.time,
                    root=from_base64(root),
                    found=tuple(map(str, found)),
                    lost_keys=tuple(map(str, lost_keys)),
                    previous=None if previous == _FIRST else previous,
                    **{name: str(texts.get(name, "")) for name in _TEXTS},
                )
            case _:
                raise ValueError("not a recovery")


_TEXTS = ("reason", "operator", "anchor", "checkpoint", "old_verifier_key", "verifier_key")


def read_recoveries(connection: Connection) -> tuple[Recovery, ...]:
    """All recoveries of a log, the oldest first.

    Raises:
        ValueError: What should be one is none, so the store was tampered with.
    """
    return tuple(Recovery.read(index, leaf) for index, leaf in chain(connection, RECOVERY_KEY))


def opens_from(recoveries: Sequence[Recovery], key_file: str) -> int:
    """The first entry whose sealed part the present master key can open."""
    return max((one.index for one in recoveries if key_file in one.lost_keys), default=0)


def _seen(text: str) -> Checkpoint | None:
    try:
        return Checkpoint.parse(text)
    except ValueError:
        return None
