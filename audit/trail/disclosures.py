"""Disclosures: that sealed parts are given to an auditor, by which law and why; nothing of them.

The entry comes first. What is written afterwards (`audit.disclosure`) takes recipient and scope
from the entry, so that nobody is given more, and nobody else is given anything.
"""

from dataclasses import dataclass

from audit.trail.age import recipient_of
from audit.trail.canonical import Json
from audit.trail.entries import Leaf

DISCLOSURE = "disclosure"
"""The flow by which its ``access/1`` is known."""

_ITSELF = -1


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Which sealed parts are given to whom.

    Attributes:
        recipient: The auditor's age public key (``age1…``).
        matter: Those of that matter alone; empty for all.
        first: The first entry.
        end: The first entry that is not given any more; None for all up to the disclosure itself.
    """

    recipient: str
    matter: str
    first: int
    end: int | None

    @property
    def permanent(self) -> dict[str, Json]:
        """What its entry says of it for ever."""
        end = _ITSELF if self.end is None else self.end
        return {
            "recipient": self.recipient,
            "matter": self.matter,
            "first": self.first,
            "end": end,
        }

    @classmethod
    def read(cls, index: int, leaf: Leaf) -> "Disclosure":
        """The disclosure that an entry puts on record.

        Raises:
            ValueError: The entry puts none on record.
        """
        match leaf.permanent:
            case {
                "flow": str(flow),
                "matter": str(matter),
                "recipient": str(recipient),
                "first": int(first),
                "end": int(end),
            } if flow == DISCLOSURE and first >= 0:
                return cls(recipient, matter, first, index if end < 0 else min(end, index))
            case _:
                raise ValueError("not a disclosure")

    def covers(self, index: int, leaf: Leaf) -> bool:
        """Whether the sealed part of that entry is given."""
        within = self.first <= index and (self.end is None or index < self.end)
        return within and self.matter in {"", leaf.permanent.get("matter")}

    def refuse_unreadable(self) -> None:
        """Make sure that somebody can read what is encrypted to the recipient.

        Raises:
            StoreRefusedError: It is no age public key (``RECIPIENT_INVALID``).
        """
        recipient_of(self.recipient)
