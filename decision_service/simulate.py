"""Decide recorded cases by a release that is not in force: what it would have changed (S17).

The shadow run before a release. It is `replay` with other rules: the same facts, on the day on
which each case was decided. Where that cannot be said, it says why and counts nothing.
"""

from dataclasses import dataclass
from typing import TypeAlias

from decision_service.admission import Admission
from decision_service.decide import judged
from decision_service.draft import Draft
from decision_service.errors import ErasedError, InvalidRequestError, RecordDamagedError
from decision_service.judge import ENGINE_DISAGREES
from decision_service.model import Approved, Outcome
from decision_service.office import Office
from decision_service.release import Release
from decision_service.replay import restored


@dataclass(frozen=True, slots=True)
class Simulated:
    """How a case came out, and how it would have.

    Attributes:
        grant_differs: Whether something else would have been granted, or nothing.
    """

    outcome: str
    simulated: str
    grant_differs: bool

    @property
    def is_same(self) -> bool:
        """Whether the release would have changed nothing."""
        return self.outcome == self.simulated and not self.grant_differs


@dataclass(frozen=True, slots=True)
class LeftOut:
    """It cannot be told.

    Attributes:
        why: ``person`` (something else than the rules referred it), ``evidence`` (the release asks
            registers that were not asked), ``answers`` (its form has not the fields that were
            answered), ``erased``, ``rules`` (the release that it was made under is not archived)
            or ``tampered`` (the sealed part is not what was recorded).
    """

    why: str


Simulation: TypeAlias = Simulated | LeftOut


async def simulate(index: int, release: Release, *, office: Office) -> Simulation:
    """Decide the entry's case, which is of the release's matter, by that release.

    Raises:
        NotFoundError: There is no such entry.
    """
    before = await _before(index, release, office)
    if isinstance(before, LeftOut):
        return before
    admission = Admission(
        release=release,
        case=before.case,
        filing_date=before.filing_date,
        zone=before.zone,
        follows=before.follows,
        objected=frozenset(before.objected),
    )
    try:
        again = judged(
            before.application,
            admission,
            before.evidence,
            now=before.decide_time,
            wait_until=before.wait_until,
        )
    except InvalidRequestError:
        return LeftOut("answers")
    differs = _granted(before.outcome) != _granted(again.outcome)
    return Simulated(before.outcome.kind, again.outcome.kind, differs)


async def _before(index: int, release: Release, office: Office) -> Draft | LeftOut:
    """The decision as it was made, if another release can be held against it."""
    try:
        recorded = await office.record.recorded(index)
    except RecordDamagedError:
        return LeftOut("tampered")
    archived = await office.record.archived(str(recorded.permanent["release_digest"]))
    if archived is None:
        return LeftOut("rules")
    then = restored(archived)
    try:
        before = await office.record.draft_at(index, then.matter)
    except ErasedError:
        return LeftOut("erased")
    if before.because or ENGINE_DISAGREES in before.outcome.reasons:
        return LeftOut("person")
    asked = {item.type for item in then.matter.evidence}
    if not asked.issuperset(item.type for item in release.matter.evidence):
        return LeftOut("evidence")
    return before


def _granted(outcome: Outcome) -> dict[str, object]:
    """What is granted, by the id of each output; not in which words."""
    return {one.id: one.value for one in outcome.grant} if isinstance(outcome, Approved) else {}
