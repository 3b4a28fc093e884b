"""Decide recorded cases by a release that is not in force: what it would have changed (S17).

The shadow run before a release. It is `replay` with other rules: the same facts, on the day on
which each case was decided. Where that cannot be said, it says why and counts nothing.
"""

from dataclasses import dataclass
from typing import TypeAlias

from decision_service.errors import InvalidRequestError
from decision_service.judge import ENGINE_DISAGREES
from decision_service.model import Approved, Outcome
from decision_service.office import Office
from decision_service.release import Release
from decision_service.replay import NotReplayable, again, made_at


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
    made = await made_at(index, office=office)
    if isinstance(made, NotReplayable):
        return LeftOut(made.why)
    before = made.draft
    if before.because or ENGINE_DISAGREES in before.outcome.reasons:
        return LeftOut("person")
    asked = {item.type for item in made.release.matter.evidence}
    if not asked.issuperset(item.type for item in release.matter.evidence):
        return LeftOut("evidence")
    try:
        simulated = again(before, release)
    except InvalidRequestError:
        return LeftOut("answers")
    differs = _granted(before.outcome) != _granted(simulated.outcome)
    return Simulated(before.outcome.kind, simulated.outcome.kind, differs)


def _granted(outcome: Outcome) -> dict[str, object]:
    """What is granted, by the id of each output; not in which words."""
    return {one.id: one.value for one in outcome.grant} if isinstance(outcome, Approved) else {}
