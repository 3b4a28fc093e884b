"""A decision that is not recorded yet, so is none yet; and all that replaying it needs."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic_core import to_jsonable_python

from decision_service.acting import acting_words
from decision_service.model import (
    Application,
    Approved,
    CaseState,
    CaseSummary,
    Concept,
    Contradiction,
    Determination,
    Evidence,
    Frozen,
    Matter,
    NeedsCorrection,
    Outcome,
    Referred,
    Refused,
    Replaced,
    Text,
    Waiting,
)
from decision_service.notice import write_notice

STATES: Mapping[type[Frozen], CaseState] = {
    Approved: CaseState.APPROVED,
    Refused: CaseState.REFUSED,
    Referred: CaseState.REFERRED,
    NeedsCorrection: CaseState.NEEDS_CORRECTION,
    Waiting: CaseState.WAITING,
}


class Draft(Frozen):
    """A decision that is not recorded yet, so is none yet; and all that replaying it needs.

    Attributes:
        wait_until: What `judge` was told; not the outcome's, which may be of another kind.
        zone: IANA name of the time zone of the filing date, in which the notice tells times.
        replaced: Papers that were not asked for, because evidence took their place.
        because: Code of the reason outside the rules that referred it; empty if none did.
        contradictions: What sources do not agree on.
        statuses, rows: What the verdict says of requirements and tables; empty without one.
        follows: Index of the decision that this one takes the place of, e.g. after waiting.
        objected: Concepts under an open objection that the application itself does not make.
        determination: Set if a person decided.
    """

    application: Application
    case: CaseSummary
    matter: Matter
    rules_effective_date: date
    release_digest: str
    filing_date: date
    zone: str
    decide_time: datetime
    wait_until: datetime | None
    evidence: tuple[Evidence, ...]
    outcome: Outcome
    replaced: tuple[Replaced, ...]
    because: str = ""
    statuses: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    follows: int | None = None
    objected: tuple[Concept, ...] = ()
    determination: Determination | None = None

    @property
    def state(self) -> CaseState:
        """The state that the outcome brings the case into."""
        return STATES[type(self.outcome)]

    @property
    def notice(self) -> Text:
        """What the applicant is told: outcome, reasons with their law, and remedies (S9, S12)."""
        return write_notice(
            self.matter,
            self.outcome,
            case_number=self.case.case_number,
            filing_date=self.filing_date,
            zone=ZoneInfo(self.zone),
            evidence=self.evidence,
            papers=self.replaced,
            acting=acting_words(self.application.authority, self.application.parties[0]),
            determination=self.determination,
        )

    def parts(self) -> dict[str, Any]:
        """Everything of the `Decision` but its receipt, by name, in the order of names."""
        return {
            "case_id": self.case.case_id,
            "case_number": self.case.case_number,
            "contradictions": self.contradictions,
            "decide_time": self.decide_time,
            "evidence": self.evidence,
            "filing_date": self.filing_date,
            "matter": self.matter.id,
            "notice": self.notice,
            "outcome": self.outcome,
            "release_digest": self.release_digest,
            "remedies": self.matter.remedies,
            "replaced": self.replaced,
            "rules_effective_date": self.rules_effective_date,
            **({"determination": self.determination} if self.determination else {}),
        }

    def body(self) -> dict[str, Any]:
        """The parts in JSON: what is recorded, and what replay must reproduce."""
        return in_json(self.parts())


def due_time(outcome: Outcome, promised_by: datetime) -> datetime | None:
    """When somebody must look at a case of that outcome again; None if never."""
    match outcome:
        case Waiting(until=until):
            return until
        case Referred():
            return promised_by
        case _:
            return None


def in_json(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Values of our types, by name, as the record has them."""
    written: dict[str, Any] = to_jsonable_python(parts)
    return written
