"""The trail as it stands at one instant, for whoever has several questions that hang together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from audit.log import store
from audit.log.log import no_entry
from audit.trail import projections, queries
from audit.trail.canonical import Json
from audit.trail.entries import Leaf, Recorded, RecordedCase


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant; valid while the question is asked.

    Attributes:
        read: The entry at an index, as `Trail.read` does it.
    """

    _connection: Connection
    read: Callable[[int], Recorded]

    def held(self, keys: Sequence[str]) -> dict[str, int]:
        """Index of the newest entry under each opaque key; a key without one is left out."""
        return store.latest(self._connection, keys)

    def permanent(self, index: int) -> Mapping[str, Json]:
        """The permanent part of the entry at an index that `held` told."""
        content = store.read_leaf(self._connection, index)
        if content is None:
            raise no_entry(index)
        return Leaf.decode(content).permanent

    def case(self, case_id: str) -> RecordedCase | None:
        """The case as it stands; None if there is none."""
        return projections.case(self._connection, case_id)

    def is_in_case(self, case_id: str, type_: str) -> bool:
        """Whether the case has an entry of that type."""
        return queries.is_in_case(self._connection, case_id, type_)

    def subject_tags(self, type_: str) -> frozenset[str]:
        """Tags of all whom entries of that type are about, as far as they are not erased."""
        return queries.subject_tags(self._connection, type_)

    def find(
        self, condition: queries.Condition, *, limit: int, before: int = queries.NO_END
    ) -> tuple[queries.Found, ...]:
        """The newest entries below an index for which the condition holds, newest first."""
        return queries.find(self._connection, condition, before=before, limit=limit)
