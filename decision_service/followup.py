"""What follows on a case beside its decisions: what the person asks for, and what answers it.

Each is an entry of its own, ``<kind>/1``. Nothing here decides anything or takes anything away.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from decision_service.model import (
    AssuranceLevel,
    Case,
    Concept,
    Document,
    EvidenceType,
    Frozen,
    Receipt,
)


class Person(Frozen):
    """The person who acts, as they have authenticated; nothing is believed of it yet."""

    documents: tuple[Document, ...] = Field(min_length=1)
    assurance_level: AssuranceLevel
    authentication_time: datetime


class Step(Frozen):
    """Base of what can follow.

    Attributes:
        permanent: Fields that are kept for ever, so tell nothing of who; the others are sealed.
    """

    permanent: ClassVar[frozenset[str]] = frozenset()


class Withdrawal(Step):
    """The applicant takes the application back before it is determined."""

    kind: Literal["withdrawal"] = "withdrawal"
    text: str


class ReviewRequest(Step):
    """The person wants a person to decide, or to look at what was decided (PIPL Article 24)."""

    kind: Literal["review_request"] = "review_request"
    text: str


class Objection(Step):
    """The person says that a register's value is wrong; the register is asked to check (异议).

    Until its ticket is resolved, the concept counts as unknown for whom it is about, in every
    application.

    Attributes:
        ticket: Number of the request to the register's owner to check the record (数据校核).
        claimed: What the person says it should be.
    """

    permanent: ClassVar[frozenset[str]] = frozenset({"ticket", "concept", "evidence_type"})

    kind: Literal["contest"] = "contest"
    ticket: str
    concept: Concept
    evidence_type: EvidenceType
    claimed: str
    text: str


class Resolution(Step):
    """The owner of the register has checked a record.

    Attributes:
        corrected: Whether it was wrong and is corrected there; otherwise it stands.
        text: What was found, for the person to read.
    """

    permanent: ClassVar[frozenset[str]] = frozenset({"ticket", "concept", "corrected"})

    kind: Literal["resolution"] = "resolution"
    ticket: str
    concept: Concept
    corrected: bool
    text: str


FollowUp: TypeAlias = Annotated[
    Withdrawal | ReviewRequest | Objection | Resolution, Field(discriminator="kind")
]


class Happened(Frozen):
    """Something that has followed, as it is recorded.

    Attributes:
        caller, role: Who told us.
    """

    step: FollowUp
    time: datetime
    caller: str
    role: str
    receipt: Receipt


class CaseFile(Case):
    """A case with everything that has followed, the newest last."""

    events: tuple[Happened, ...] = ()
