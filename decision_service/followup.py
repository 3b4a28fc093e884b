"""What follows on a case beside its decisions: what the person asks for, and what answers it.

Each is an entry of its own, ``<kind>/1``. Nothing here decides anything or takes anything away.
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from decision_service.model import (
    AssuranceLevel,
    Case,
    Concept,
    Document,
    EvidenceType,
    Frozen,
    Granted,
    MatterId,
    Receipt,
    Text,
    Value,
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


class Reopening(Step):
    """The authority has persons decide again what rules have decided (S18).

    Attributes:
        decision: Index of the decision's entry.
        reason: Why; of nobody.
        person: Who of the staff has said so, as the issuer of tokens tags people.
    """

    permanent: ClassVar[frozenset[str]] = frozenset({"decision", "reason", "person"})

    kind: Literal["reopening"] = "reopening"
    decision: int = Field(ge=0)
    reason: Text
    person: str = Field(min_length=1)


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


class Channel(StrEnum):
    """By which way a notice reached somebody."""

    PORTAL = "portal"
    SMS = "sms"
    EMAIL = "email"
    POST = "post"
    IN_PERSON = "in_person"


class Delivery(Step):
    """A notice has reached the person, by one channel, which gave a receipt for it (送达回证).

    Attributes:
        decision: Index of the entry whose notice it is.
        delivered_time: When it arrived, as the channel says.
        reference: The channel's own number of its receipt.
    """

    permanent: ClassVar[frozenset[str]] = frozenset({"decision", "channel", "delivered_time"})

    kind: Literal["delivery"] = "delivery"
    decision: int = Field(ge=0)
    channel: Channel
    delivered_time: datetime
    reference: str = Field(min_length=1)


class Act(StrEnum):
    """What can become of a grant; the law keeps these apart, and so do we."""

    SUSPEND = "suspend"
    RESUME = "resume"
    CHANGE = "change"
    CORRECT = "correct"
    REVOKE = "revoke"
    WITHDRAW = "withdraw"
    CANCEL = "cancel"
    EXPIRE = "expire"


class StandingChange(Step):
    """A person of the authority has done something about what was granted.

    Attributes:
        decision: Index of the entry that granted it.
        by_fault_of_applicant: For a revocation: it was got by deceit (行政许可法 69 ¶2). Then the
            once-only grant is not free again, and a person looks at a new application.
        legal_basis: The article that allows it.
        effective_date: From which civil day on.
        heard_date: When the person was told and could speak (陈述、申辩); None where nothing is
            taken.
        text: The reason, for the person to read.
        values: New values of what was granted, by output; for a change and a correction alone.
        proposal: Index of the entry by which another clerk proposed it; None where one suffices.
    """

    permanent: ClassVar[frozenset[str]] = frozenset(
        {"decision", "act", "by_fault_of_applicant", "effective_date", "legal_basis", "proposal"}
    )

    kind: Literal["standing"] = "standing"
    decision: int = Field(ge=0)
    act: Act
    by_fault_of_applicant: bool = False
    legal_basis: str = Field(min_length=1)
    effective_date: date
    heard_date: date | None = None
    text: Text
    values: Mapping[str, Value] = Field(default_factory=dict)
    proposal: int | None = None


class StandingProposal(Step):
    """A clerk proposes an act that takes two; nothing is done yet, and nobody is told.

    Attributes:
        person: Who the clerk is, as the issuer of tokens tags people.
    """

    permanent: ClassVar[frozenset[str]] = frozenset({"person"})

    kind: Literal["standing_proposal"] = "standing_proposal"
    change: StandingChange
    person: str


class StandingReturn(Step):
    """The second clerk does not confirm what was proposed; nothing is done."""

    permanent: ClassVar[frozenset[str]] = frozenset({"proposal"})

    kind: Literal["standing_return"] = "standing_return"
    proposal: int = Field(ge=0)
    text: str


class Mandate(Step):
    """A person lets an agent act for them (委托): for some matters, until a day.

    Attributes:
        agent: The agent's documents; how surely the agent is known is seen when they act.
        until: The last civil day on which it holds.
        on_paper: Whether a clerk has seen it on paper, rather than heard it of the person.
        scan: SHA-256 (hex) of the scan of the paper; empty without one.
    """

    permanent: ClassVar[frozenset[str]] = frozenset({"matters", "until", "on_paper"})

    kind: Literal["mandate"] = "mandate"
    agent: tuple[Document, ...] = Field(min_length=1)
    matters: tuple[MatterId, ...] = Field(min_length=1)
    until: date
    on_paper: bool = False
    scan: str = ""

    def covers(self, matter: MatterId, day: date) -> bool:
        """Whether it holds for the matter on that day."""
        return matter in self.matters and day <= self.until


class MandateEnd(Step):
    """The person has taken a mandate back; it holds from then on no more.

    Attributes:
        mandate: Index of the entry that granted it.
    """

    permanent: ClassVar[frozenset[str]] = frozenset({"mandate"})

    kind: Literal["mandate_end"] = "mandate_end"
    mandate: int = Field(ge=0)
    agent: tuple[Document, ...] = Field(min_length=1)


class Grade(StrEnum):
    """How a person rates how their case was handled (政务服务“好差评”, 国办发〔2019〕51号)."""

    VERY_SATISFIED = "very_satisfied"
    SATISFIED = "satisfied"
    FAIRLY_SATISFIED = "fairly_satisfied"
    DISSATISFIED = "dissatisfied"
    VERY_DISSATISFIED = "very_dissatisfied"

    @property
    def is_poor(self) -> bool:
        """Whether somebody looks into it (差评)."""
        return self in {Grade.DISSATISFIED, Grade.VERY_DISSATISFIED}


class Rating(Step):
    """The person rates how the case was handled; once, and nobody changes it.

    Attributes:
        due_time: Until when a poor one is to be answered; None for the others.
        reasons: ``POOR_RATING`` of a poor one, by which those are found; none of the others.
        text: What they say to it.
    """

    permanent: ClassVar[frozenset[str]] = frozenset({"grade", "due_time", "reasons"})

    kind: Literal["rating"] = "rating"
    grade: Grade
    due_time: datetime | None = None
    reasons: tuple[str, ...] = ()
    text: str


class RatingTaken(Step):
    """A clerk looks into a poor rating, and from then on decides nothing about this person.

    Attributes:
        rating: Index of its entry.
        person: Who the clerk is, as the issuer of tokens tags people.
    """

    permanent: ClassVar[frozenset[str]] = frozenset({"rating", "person"})

    kind: Literal["rating_taken"] = "rating_taken"
    rating: int = Field(ge=0)
    person: str


class RatingAnswer(Step):
    """What was found of a poor rating, for the person to read.

    Attributes:
        rating: Index of its entry.
        justified: Whether it holds (核实属实).
    """

    permanent: ClassVar[frozenset[str]] = frozenset({"rating", "justified"})

    kind: Literal["rating_answer"] = "rating_answer"
    rating: int = Field(ge=0)
    justified: bool
    text: str


class _StopWord(Step):
    """Base of the words on whether a matter is stopped; of no person, so all of it is kept."""

    permanent: ClassVar[frozenset[str]] = frozenset({"reason", "person"})

    reason: str = Field(min_length=1)
    person: str = Field(min_length=1)


class Stop(_StopWord):
    """Somebody has stopped a matter: no machine decides it any more (S18).

    Attributes:
        person: Who, as the issuer of tokens tags people.
    """

    kind: Literal["stop"] = "stop"


class LiftProposal(_StopWord):
    """Somebody proposes to lift the stop; it holds until a second person does."""

    kind: Literal["lift_proposal"] = "lift_proposal"


class Lift(_StopWord):
    """A second person has lifted the stop."""

    kind: Literal["lift"] = "lift"


FollowUp: TypeAlias = Annotated[
    Withdrawal
    | ReviewRequest
    | Reopening
    | Objection
    | Resolution
    | Delivery
    | StandingChange
    | StandingProposal
    | StandingReturn
    | Mandate
    | MandateEnd
    | Rating
    | RatingTaken
    | RatingAnswer
    | Stop
    | LiftProposal
    | Lift,
    Field(discriminator="kind"),
]


class Happened(Frozen):
    """Something that has followed, as it is recorded.

    Attributes:
        caller, role: Who told us.
        notice: What the person is told by it; empty if nothing.
    """

    step: FollowUp
    case_id: str
    time: datetime
    caller: str
    role: str
    receipt: Receipt
    notice: Text = Text(zh="", en="")


class Standing(StrEnum):
    """How what was granted stands."""

    NONE = "none"
    IN_FORCE = "in_force"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    WITHDRAWN_BY_AUTHORITY = "withdrawn_by_authority"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Served(Frozen):
    """That a notice counts as served, and until when something can be done against it.

    Attributes:
        decision: Index of the entry whose notice it is.
        served_date: The civil day; terms are counted from the day after.
        reconsideration_until, litigation_until: The last civil day for each remedy.
    """

    decision: int
    served_date: date
    reconsideration_until: date
    litigation_until: date


class Rated(Frozen):
    """A rating with what became of it; for the person who rated alone.

    Attributes:
        answer: None where nobody has answered, or need not.
    """

    rating: Happened
    answer: Happened | None = None


class CaseFile(Case):
    """A case with everything that has followed.

    Attributes:
        events: The newest last.
        standing: How what was granted stands.
        grant: What is granted as it is now; empty unless something is in force or suspended.
        served: Of every notice that counts as served.
        rated: How the person rated it; None if they did not, and for everybody else.
    """

    events: tuple[Happened, ...] = ()
    standing: Standing = Standing.NONE
    grant: tuple[Granted, ...] = ()
    served: tuple[Served, ...] = ()
    rated: Rated | None = None
