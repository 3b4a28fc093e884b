"""The frozen vocabulary of the service: what a fact, an application, evidence and an outcome are.

Every type is immutable, closed and strict. There is no float and no null that means "not known":
what is not known has a type and a reason (`Unknown`). Names follow CCCEV 2.1 and CPSV-AP 3.1.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, NewType, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

# ── words ────────────────────────────────────────────────────────────────────────────────────────

MatterId = NewType("MatterId", str)
"""What one can apply for, e.g. ``old_age_allowance``; the same in rules/ and matters/."""

EVERY_MATTER = MatterId("*")
"""Stands for all of them where somebody's matters are told."""

Concept = NewType("Concept", str)
"""An information concept (CCCEV) with its role, e.g. ``applicant.birth_date``."""

EvidenceType = NewType("EvidenceType", str)
"""A kind of proof and the key of the register that answers, e.g. ``population_register``."""

CaseId = NewType("CaseId", str)
"""One application of one person, minted by the server: 128 random bits in hexadecimal."""


Scalar: TypeAlias = bool | Decimal | date | str
"""A single value; an option is its code."""

Record: TypeAlias = Mapping[str, Scalar]
"""A flat record by the ids of its columns; a cell that is not there is not known."""


def _tagged(value: Scalar | tuple[Record, ...]) -> object:
    """A value in JSON such that it can be read back as what it was."""
    match value:
        case Decimal():
            return {"number": format(value, "f")}
        case date():
            return {"date": value.isoformat()}
        case tuple():
            rows = [{key: _tagged(cell) for key, cell in record.items()} for record in value]
            return {"list": rows}
        case _:
            return value


def _untagged(value: object) -> object:
    """The inverse of `_tagged`; anything else is left for pydantic to refuse."""
    match value:
        case {"number": str(number), **rest} if not rest:
            return Decimal(number)
        case {"date": str(day), **rest} if not rest:
            return date.fromisoformat(day)
        case {"list": list(rows), **rest} if not rest and all(isinstance(r, dict) for r in rows):
            return tuple({key: _untagged(cell) for key, cell in row.items()} for row in rows)
        case _:
            return value


Value: TypeAlias = Annotated[
    Scalar,
    BeforeValidator(_untagged),
    PlainSerializer(_tagged, when_used="json"),
]
"""One value; an option holds its code. There is no float here, and no null."""

Held: TypeAlias = Annotated[
    Scalar | tuple[Record, ...],
    BeforeValidator(_untagged),
    PlainSerializer(_tagged, when_used="json"),
]
"""What a concept can hold: one value, or the records of a list in the order of the register."""

DECLARED = "declared"
"""Source of a fact that the applicant vouches for."""

SERVICE = "service"
"""Source of a fact that the service itself knows: ``filing_date`` and nothing else."""

FILING_DATE = Concept("filing_date")
"""The civil day, in the city's zone, on which the application was handed in."""


class Frozen(BaseModel):
    """Base of every type here: immutable, closed, and never coercing."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Text(Frozen):
    """The same words in both languages of the city."""

    zh: str
    en: str


# ── what a concept can hold ──────────────────────────────────────────────────────────────────────


class BooleanType(Frozen):
    """是 or 否."""

    kind: Literal["boolean"] = "boolean"


class NumberType(Frozen):
    """An exact decimal.

    Attributes:
        unit: The unit in the law's own word, e.g. ``元``, ``岁``, ``月``; units never mix.
        scale: Digits after the point; every text form has exactly that many.
    """

    kind: Literal["number"] = "number"
    unit: str = ""
    scale: int = Field(default=0, ge=0, le=9)


class DateType(Frozen):
    """A civil day."""

    kind: Literal["date"] = "date"


class TextType(Frozen):
    """Free text; compared for equality only."""

    kind: Literal["text"] = "text"


class OptionType(Frozen):
    """One of a closed list; the value is the code, people read the label.

    Attributes:
        options: Label of each code, in the order of the file.
    """

    kind: Literal["option"] = "option"
    options: Mapping[str, Text] = Field(min_length=1)


ScalarType: TypeAlias = Annotated[
    BooleanType | NumberType | DateType | TextType | OptionType, Field(discriminator="kind")
]
"""Type of a single value."""


class Column(Frozen):
    """A column of a list: what the cell of every record there holds."""

    name: Text
    type: ScalarType


class ListType(Frozen):
    """Flat records, all of them or none: a list is known only if its register says complete.

    Attributes:
        columns: By id, in the order of the file.
    """

    kind: Literal["list"] = "list"
    columns: Mapping[str, Column] = Field(min_length=1)


MOST_RECORDS = 1_000
"""Records that a list may have; a longer one is not believed."""

ConceptType: TypeAlias = Annotated[
    BooleanType | NumberType | DateType | TextType | OptionType | ListType,
    Field(discriminator="kind"),
]
"""Type of what a concept holds."""


class Range(Frozen):
    """Lowest and highest value that a concept can have, both included."""

    low: Decimal | date
    high: Decimal | date


class Meaning(Frozen):
    """What a concept means in this city: its row of ``matters/concepts.toml`` (CCCEV).

    Attributes:
        source: The one evidence type that vouches for it (一数一源), `DECLARED` or `SERVICE`.
        range: Values outside are not believed. None where every value of the type is possible.
        fresh_for: Evidence older than this, at the time of deciding, is stale. None for
            concepts that no register gives.
    """

    concept: Concept
    name: Text
    type: ConceptType
    source: str
    range: Range | None = None
    fresh_for: timedelta | None = None
    confidentiality: Literal["public", "personal", "sensitive"] = "personal"

    def can_be(self, value: Held) -> bool:
        """Whether the concept can have the value."""
        return fits(value, self.type) and _inside(value, self.range)


def fits(value: Held, type_: ConceptType) -> bool:  # noqa: PLR0911  # one case for each type
    """Whether a value is of a type: its kind, its options, and no more digits than its scale."""
    match type_:
        case BooleanType():
            return isinstance(value, bool)
        case NumberType(scale=scale):
            if not isinstance(value, Decimal) or not value.is_finite():
                return False
            exponent = value.as_tuple().exponent
            return isinstance(exponent, int) and -exponent <= scale
        case DateType():
            return isinstance(value, date)
        case TextType():
            return isinstance(value, str)
        case OptionType(options=options):
            return isinstance(value, str) and value in options
        case ListType(columns=columns):
            return (
                isinstance(value, tuple)
                and len(value) <= MOST_RECORDS
                and all(
                    key in columns and fits(cell, columns[key].type)
                    for record in value
                    for key, cell in record.items()
                )
            )


def _inside(value: Held, limits: Range | None) -> bool:
    """Whether a value is within the lowest and the highest that the concept can have."""
    match limits, value:
        case None, _:
            return True
        case Range(low=Decimal() as low, high=Decimal() as high), Decimal():
            return low <= value <= high
        case Range(low=date() as low, high=date() as high), date():
            return low <= value <= high
        case _:
            return False


# ── facts ────────────────────────────────────────────────────────────────────────────────────────


class Why(StrEnum):
    """Why a fact is not known. The lower half are the statuses of evidence, by the same names."""

    NOT_ASKED = "NOT_ASKED"
    NOT_ANSWERED = "NOT_ANSWERED"
    CONTESTED = "CONTESTED"
    CONTRADICTED = "CONTRADICTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    MISMATCH = "MISMATCH"
    NO_RECORD_AUTHORITATIVE = "NO_RECORD_AUTHORITATIVE"
    NO_RECORD_INCONCLUSIVE = "NO_RECORD_INCONCLUSIVE"
    AMBIGUOUS = "AMBIGUOUS"
    STALE = "STALE"
    DISPUTED = "DISPUTED"
    UNAVAILABLE = "UNAVAILABLE"
    DENIED = "DENIED"
    MALFORMED = "MALFORMED"
    PENDING = "PENDING"


class Known(Frozen):
    """A concept's value, and who vouches for it (CCCEV SupportedValue)."""

    value: Held
    source: str


class Unknown(Frozen):
    """A concept that nobody vouches for, and why.

    Attributes:
        said: Where sources contradict each other, what each of them says, the authoritative one
            first. Empty for every other reason.
    """

    why: Why
    said: tuple[Known, ...] = ()


Fact: TypeAlias = Known | Unknown
Facts: TypeAlias = Mapping[Concept, Fact]
"""Every concept of the rule file's vocabulary; one that is absent is unknown, NOT_ASKED."""


# ── evidence ─────────────────────────────────────────────────────────────────────────────────────


class EvidenceStatus(StrEnum):
    """What a register answered. Only MATCH and NO_RECORD_AUTHORITATIVE carry values."""

    MATCH = "MATCH"
    MISMATCH = "MISMATCH"
    NO_RECORD_AUTHORITATIVE = "NO_RECORD_AUTHORITATIVE"
    NO_RECORD_INCONCLUSIVE = "NO_RECORD_INCONCLUSIVE"
    AMBIGUOUS = "AMBIGUOUS"
    STALE = "STALE"
    DISPUTED = "DISPUTED"
    UNAVAILABLE = "UNAVAILABLE"
    DENIED = "DENIED"
    MALFORMED = "MALFORMED"
    PENDING = "PENDING"


class Freshness(StrEnum):
    """How an answer came to us; how old it may be for a concept is judged by its ``as_of``."""

    LIVE = "live"
    CACHE = "cache"
    BATCH = "batch"


class _Asked(Frozen):
    """What is known of a question before anybody has answered.

    Attributes:
        query_id: Random, new for every question (X-Road ``X-Road-Id``).
        about: Role of the party that the question is about, e.g. ``applicant``.
        legal_basis: The consent or the article that allows the question.
        filing_date: The day that the question refers to.
        fresh_for: How old an answer may be that all concepts asked for can do with; 0: live.
    """

    query_id: str = Field(min_length=1)
    evidence_type: EvidenceType
    about: str = Field(min_length=1)
    matter: MatterId = Field(min_length=1)
    case_id: CaseId = Field(min_length=1)
    purpose: str = Field(min_length=1)
    legal_basis: str = Field(min_length=1)
    filing_date: date
    fresh_for: timedelta = timedelta(0)


class Query(_Asked):
    """One question to one register. Without matter, case, purpose and basis it cannot be built.

    Attributes:
        keys: What the register finds the record by, e.g. ``{"id_number": "99000019…"}``.
    """

    keys: Mapping[str, str] = Field(min_length=1)


class Question(_Asked):
    """A question that may hang on other registers' answers; complete, it is a `Query`.

    Attributes:
        keys: What is known already of what the register finds the record by.
        awaited: For every other key the concept whose value it is.
        only_if: A concept without whose 是 nobody is asked. None: asked in any case.
        after: The registers whose answers are waited for; none for a question of the first wave.
    """

    keys: Mapping[str, str]
    awaited: Mapping[str, Concept]
    only_if: Concept | None
    after: tuple[EvidenceType, ...]

    def complete(self, facts: Facts) -> Query | None:
        """The question as it is put; None if what it hangs on is not known, or is not so."""
        known = {concept: fact.value for concept, fact in facts.items() if isinstance(fact, Known)}
        given = {
            key: value
            for key, concept in self.awaited.items()
            if isinstance(value := known.get(concept), str)
        }
        confirmed = self.only_if is None or known.get(self.only_if) is True
        if not confirmed or len(given) < len(self.awaited):
            return None
        asked = self.model_dump(include=set(_Asked.model_fields))
        return Query(**asked, keys={**self.keys, **given})


class Evidence(Frozen):
    """The envelope around what a register answered, as it was seen (CCCEV Evidence; X-Road).

    Attributes:
        query_id: The question that it answers.
        provider: Who answered, in both languages; from the register file.
        reference: The register's own number of the record or answer; empty if it gave none.
        as_of: The instant for which the register vouches. None where it did not say; then the
            values are not fresh for any concept.
        retrieved_at: When the answer was complete here. The guard stamps it, nobody else.
        freshness: Asked for this question, kept from an earlier one, or out of a file that the
            register sends every so often; `reference` is then the file's batch.
        digest: SHA-256 (hex) of the bytes as received; empty if there were none.
        pending_until: When a PENDING source has promised to answer. None otherwise.
        mismatched: Keys that the register found different, for MISMATCH.
        detail: For operators: why the status is what it is, without personal data.
        values: What it vouches for, or says as a second source. Empty unless MATCH or
            NO_RECORD_AUTHORITATIVE.
    """

    query_id: str
    evidence_type: EvidenceType
    about: str
    provider: Text
    status: EvidenceStatus
    retrieved_at: datetime
    as_of: datetime | None = None
    reference: str = ""
    transport: str = ""
    freshness: Freshness = Freshness.LIVE
    digest: str = ""
    pending_until: datetime | None = None
    mismatched: tuple[str, ...] = ()
    detail: str = ""
    values: Mapping[Concept, Held] = Field(default_factory=dict)


class RegisterMeaning(Frozen):
    """What a register's answers mean: the part of its file that a release freezes.

    Attributes:
        complete: Whether "no record" proves that there is none.
        absent: The value that an authoritative absence means, by concept.
        keys: What it finds a record by, e.g. ``id_number``, in alphabetical order.
        concepts: What it vouches for.
        doubts: What it knows as a second source: it can put in doubt what the authoritative one
            says, and never makes it surer (S8).
        digest: SHA-256 (hex) of the register file.
    """

    key: EvidenceType
    name: Text
    owner: Text
    keys: tuple[str, ...]
    concepts: tuple[Concept, ...]
    doubts: tuple[Concept, ...] = ()
    complete: bool
    absent: Mapping[Concept, Held]
    digest: str


# ── the matter ───────────────────────────────────────────────────────────────────────────────────


class AssuranceLevel(StrEnum):
    """How surely the person's identity was established (GB/T 36633; eIDAS Article 8)."""

    LOW = "low"
    SUBSTANTIAL = "substantial"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Place in the order of sureness, 0 is the lowest."""
        return list(AssuranceLevel).index(self)


FORM = "form."
"""Before the key of a declared field, where a register's key comes from the form."""


class EvidencePlan(Frozen):
    """One ``[[evidence]]`` of matter.toml: which register is asked, about whom, by which keys.

    Attributes:
        key: For each key of the register, where its value comes from: ``<role>.id_number`` and
            ``<role>.organisation_code`` are the number of that party's document,
            ``form.<field>`` is what the applicant declared, and anything else is a concept that
            a register of ``after`` vouches for.
        after: The registers that must have answered before; they wait for none themselves.
        only_if: A yes-or-no concept that a register of ``after`` vouches for: nobody is asked
            without its 是. It keeps what is not public from a stranger to the firm.
    """

    type: EvidenceType
    about: str
    key: Mapping[str, str] = Field(min_length=1)
    after: tuple[EvidenceType, ...] = ()
    only_if: Concept | None = None

    @property
    def awaited(self) -> Mapping[str, Concept]:
        """The concept that gives each key that comes from another register's answer."""
        return {
            key: Concept(source)
            for key, source in self.key.items()
            if not source.startswith(FORM) and source.partition(".")[2] not in KEY_OF.values()
        }

    @property
    def hangs_on(self) -> frozenset[Concept]:
        """Every concept that must be known before the question can be put."""
        return frozenset(self.awaited.values()) | ({self.only_if} if self.only_if else set())


class Reconsideration(Frozen):
    """行政复议: where and until when a decision can be reconsidered (行政复议法 Art. 20)."""

    organ: Text
    days: int = Field(ge=60)
    link: str


class Litigation(Frozen):
    """行政诉讼: which court, and until when (行政诉讼法 Art. 46)."""

    court: Text
    months: int = Field(ge=6)


class Remedies(Frozen):
    """What an applicant can do against a decision; part of every notice (S12)."""

    reconsideration: Reconsideration
    litigation: Litigation


class Replaced(Frozen):
    """A paper that the applicant no longer brings, because evidence takes its place.

    Attributes:
        by: The evidence types that take its place; all of them must have answered.
        shows: The yes-or-no concept that it would have proven: a lease that no register knows of
            is not replaced. None: any answer will do.
    """

    zh: str
    en: str
    by: tuple[EvidenceType, ...] = Field(min_length=1)
    shows: Concept | None = None


class Limit(Frozen):
    """The time that the authority has promised a person's decision in (承诺办结时限)."""

    days: int = Field(gt=0)
    unit: Literal["working", "calendar"]


class Calendar(Frozen):
    """Which days are worked on, by the State Council's notices (节假日安排); rules count by it.

    Of a year without a notice nothing is known.

    Attributes:
        holidays: Days of the week that are not worked on.
        workdays: Days of the weekend that are (调休).
    """

    holidays: frozenset[date] = frozenset()
    workdays: frozenset[date] = frozenset()

    @property
    def years(self) -> frozenset[int]:
        """The years of which it says something."""
        return frozenset(day.year for day in self.holidays | self.workdays)

    def of(self, *years: int) -> "Calendar":
        """What it says of these years alone."""
        return Calendar(
            holidays=frozenset(day for day in self.holidays if day.year in years),
            workdays=frozenset(day for day in self.workdays if day.year in years),
        )

    def is_worked(self, day: date) -> bool:
        """Whether that day is worked on, in a year that it knows."""
        return day in self.workdays if is_weekend(day) else day not in self.holidays


def is_weekend(day: date) -> bool:
    """Whether that is a Saturday or a Sunday."""
    return day.weekday() >= _SATURDAY


_SATURDAY = 5


ADVERSE: frozenset[str] = frozenset({"penalty", "coercion", "levy", "inspection"})
"""Kinds of matter that take something from people (GB/T 39046 A.1: 02, 03, 04, 06)."""


class OverrideReason(StrEnum):
    """Why a person may decide otherwise than the rules, or than was decided before."""

    DATA_WRONG_AT_SOURCE = "data_wrong_at_source"
    NOT_THE_SAME_PERSON = "not_the_same_person"
    NEWER_EVIDENCE = "newer_evidence"
    PAPER_DOCUMENT = "paper_document"
    LAW_EXCEPTION = "law_exception"
    HARDSHIP = "hardship"
    FRAUD_SUSPICION = "fraud_suspicion"
    SYSTEM_FAULT = "system_fault"
    COURT_ORDER = "court_order"


class Offers(Frozen):
    """``[offers]`` of matter.toml: people who certainly qualify may be offered it (免申即享).

    Attributes:
        legal_basis: The article by which registers are asked before anybody has applied. They are
            told of it, and so is who asks who asked for their data.
        purpose: What for, likewise; never the one of applications.
        valid_days: For how many civil days after that of the offer it can be agreed to.
        most_a_day: How many people may be named in a civil day, that registers are asked about.
    """

    legal_basis: str = Field(min_length=1, max_length=200)
    purpose: str = Field(min_length=1, max_length=200)
    valid_days: int = Field(ge=15, le=366)
    most_a_day: int = Field(gt=0, le=100_000)


TwoPersons: TypeAlias = Literal["approve", "approve_against_not_met", "refuse", "override"]
"""What a matter lets no clerk do alone. Two are needed anyhow to approve against a requirement
that is not met, and to take back or change what was granted."""


class Capacity(StrEnum):
    """In which capacity somebody acts for the applicant; the role of that party, too."""

    AGENT = "agent"
    GUARDIAN = "guardian"


APPLICANT = "applicant"
"""Role of the person whose application it is, or who files for a firm."""

GUARDIAN_RELATION = Concept("guardian.relation")
"""How who says to be the guardian stands to the applicant: ``parent``, ``appointed`` or ``none``.
The register that vouches for it is asked before every other where a guardian acts."""

WARD_BIRTH_DATE = Concept("guardian.ward_birth_date")
"""When the applicant was born, as the same register has it."""

GUARDIANSHIP = frozenset({GUARDIAN_RELATION, WARD_BIRTH_DATE})
"""What a guardian's authority rests on."""


class Matter(Frozen):
    """matter.toml: everything about a matter on and after a day that is not its rules or form.

    Attributes:
        kind: GB/T 39046 A.1. What is `ADVERSE` is decided by people: it has no mode but prefill.
        automatic_refusal: Whether the machine may refuse at all; default no (S3, law 5).
        applicants: Who applies. An organisation does so through a person, who files for it.
        represented_by: Who may act for the person who applies, and by which law; nobody else may.
        in_person: The law that wants the person to appear; empty if none does.
        once_per_subject: Whether one person, or one organisation, can be granted it once only.
        minimum_deadline: A caller's deadline below this is refused before any question.
        retry_for: How long a case waits for a source that is away; zero refers at once.
        consent_notice_version: Version of the notice that a consent must name.
        two_persons_for: What a second clerk must confirm.
        override_reasons: The reasons for which clerks may decide otherwise than the rules.
        offers: How it may be offered; None unless ``proactive`` is among its modes.
    """

    id: MatterId
    name: Text
    kind: Literal[
        "licence",
        "penalty",
        "coercion",
        "levy",
        "grant",
        "inspection",
        "confirmation",
        "reward",
        "filing",
        "public_service",
        "other",
    ]
    competent_authority: Text
    legal_resources: tuple[str, ...] = Field(min_length=1)
    applicants: tuple[Literal["person", "organisation"], ...] = Field(min_length=1)
    represented_by: Mapping[Capacity, str] = Field(default_factory=dict)
    in_person: str = ""
    channels: tuple[str, ...] = Field(min_length=1)
    modes: tuple[Literal["prefill", "instant", "proactive"], ...]
    assurance_level: AssuranceLevel
    automatic_refusal: bool = False
    applies_by: Literal["filing_date"] = "filing_date"
    age_convention: Literal["birthday", "day_after"] = "birthday"
    once_per_subject: bool
    minimum_deadline: timedelta
    retry_for: timedelta
    promised_limit: Limit
    retention: str
    purpose: str = Field(min_length=1)
    consent_notice_version: str = Field(min_length=1)
    two_persons_for: tuple[TwoPersons, ...] = ()
    override_reasons: tuple[OverrideReason, ...] = Field(min_length=1)
    evidence: tuple[EvidencePlan, ...]
    replaces: tuple[Replaced, ...] = ()
    remedies: Remedies
    offers: Offers | None = None

    @property
    def form_keys(self) -> frozenset[str]:
        """The declared fields by which registers find."""
        return frozenset(
            source.removeprefix(FORM)
            for item in self.evidence
            for source in item.key.values()
            if source.startswith(FORM)
        )


# ── the application ──────────────────────────────────────────────────────────────────────────────


class Document(Frozen):
    """An identity document; a person or firm is a set of them.

    Attributes:
        kind: ``resident_id`` (GB 11643), ``organisation_code`` (GB 32100), ``travel_permit`` …
    """

    kind: str = Field(min_length=1, max_length=40)
    number: str = Field(min_length=1, max_length=64)


KEY_OF: Mapping[str, str] = {"resident_id": "id_number", "organisation_code": "organisation_code"}
"""By which key a register finds somebody, for the kinds of document that registers know."""

ORGANISATION = "organisation"
"""Role of the firm or other body that an application is of."""


class Party(Frozen):
    """Somebody who takes part in an application, in a role, e.g. ``applicant``."""

    role: str
    documents: tuple[Document, ...] = Field(min_length=1)

    @property
    def named_by(self) -> Document:
        """The document that registers know them by; the first where they have no such one."""
        kind = "organisation_code" if self.role == ORGANISATION else "resident_id"
        return next((one for one in self.documents if one.kind == kind), self.documents[0])

    @property
    def subject(self) -> str:
        """Kind and number of that document. Personal data."""
        return f"{self.named_by.kind}:{self.named_by.number}"


class Consent(Frozen):
    """The person allowed these evidence types to be asked (PIPL Articles 13–14).

    Attributes:
        notice_version: The version of the notice that the person was shown.
        evidence_types: What may be asked; a type of the plan that is missing is not asked.
    """

    kind: Literal["consent"] = "consent"
    notice_version: str
    time: datetime
    evidence_types: tuple[EvidenceType, ...]


class StatutoryDuty(Frozen):
    """The law itself allows the questions (PIPL Article 13(1)(3)); the article is named."""

    kind: Literal["statutory_duty"] = "statutory_duty"
    article: str = Field(min_length=1)


class Authority(Frozen):
    """Who stands behind the request, how surely, and what allows us to ask registers.

    Attributes:
        person: The one who authenticated: the applicant, or who acts for the applicant.
        agent_for: Role that the person acts for; empty if the person is the applicant.

    Whoever acts for another is a party of their own, and ``person`` has that party's role.
    """

    person: Party
    assurance_level: AssuranceLevel
    authentication_time: datetime
    agent_for: str = ""
    basis: Annotated[Consent | StatutoryDuty, Field(discriminator="kind")]

    @property
    def capacity(self) -> Capacity | None:
        """In which capacity the person acts for the applicant; None for the applicant's own act."""
        acts = self.agent_for and self.person.role in set(Capacity)
        return Capacity(self.person.role) if acts else None

    @property
    def legal_basis(self) -> str:
        """What allows the questions, in the words that registers are told."""
        match self.basis:
            case Consent(notice_version=version):
                return f"consent {version}"
            case StatutoryDuty(article=article):
                return article


class Contest(Frozen):
    """The applicant says that a value shown to them is wrong."""

    concept: Concept
    claimed: str
    text: str


class Request(Frozen):
    """What every request about a person says, as parsed from the wire; nothing is believed yet.

    Attributes:
        caller: Subject of the caller's token, e.g. ``portal-luohu``.
        request_id: UUID4 of the caller; names this request for ever (AIP-155).
        case_id: An existing case to go on with, or empty for a new one.
        parties: The first is the person who files, in the role ``applicant``.
        answers: Declared fields of the form only; all of them to decide, those so far to prefill.
    """

    caller: str
    request_id: str
    matter: MatterId
    case_id: str = ""
    channel: str
    parties: tuple[Party, ...] = Field(min_length=1)
    authority: Authority
    answers: Mapping[str, Value] = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        """Whose application it is: the organisation's if one takes part, else the applicant's.

        Grants, cases, receipts and erasure go by it. Personal data.
        """
        of = {party.role: party for party in self.parties}
        return of.get(ORGANISATION, self.parties[0]).subject


class PrefillRequest(Request):
    """A request to fill the form from what the city knows."""


class Application(Request):
    """A request to decide.

    Attributes:
        person_requested: The applicant wants a person to decide (PIPL 24; law 5).
        content_digest: SHA-256 (hex) of the canonical request; tells a repeat from a reuse.
        offer_id: The offer that it agrees to; empty without one. Nothing of it is believed.
    """

    contests: tuple[Contest, ...] = ()
    person_requested: bool = False
    content_digest: str
    offer_id: str = ""


class LegalDuty(Frozen):
    """What allows registers to be asked though nobody has applied: the law, and no person."""

    basis: StatutoryDuty

    @property
    def legal_basis(self) -> str:
        """The article, in the words that registers are told."""
        return self.basis.article

    @property
    def capacity(self) -> None:
        """Nobody acts for anybody."""
        return None


OFFER_CHANNEL = "offer"
"""Of an inquiry, which comes in by no channel of the matter."""


class Inquiry(Frozen):
    """The authority asks about somebody of its own accord, to see what it can offer them.

    Attributes:
        caller: Subject of the operator's token.
        purpose: Of its own; registers are told it instead of the matter's.
    """

    caller: str
    matter: MatterId
    case_id: str = Field(default="", max_length=0)
    channel: str = OFFER_CHANNEL
    parties: tuple[Party, ...] = Field(min_length=1, max_length=1)
    authority: LegalDuty
    purpose: str = Field(min_length=1)
    answers: Mapping[str, Value] = Field(default_factory=dict, max_length=0)

    @property
    def subject(self) -> str:
        """Whom it is about. Personal data."""
        return self.parties[0].subject


# ── the outcome ──────────────────────────────────────────────────────────────────────────────────


class Status(StrEnum):
    """What became of a requirement (CCCEV; strong Kleene)."""

    MET = "met"
    NOT_MET = "not_met"
    UNKNOWN = "unknown"


class Used(Frozen):
    """A fact that a requirement rests on, as the applicant may see it (S9).

    Attributes:
        value: Text form of the value with its unit; empty if it is not known.
        why: Why it is not known; None if it is known.
    """

    concept: Concept
    name: Text
    value: Text
    source: str
    why: Why | None = None


class LegalBasis(Frozen):
    """A row of the rule file's 依据."""

    number: str
    instrument: str
    article: str


class Reason(Frozen):
    """Why the outcome is what it is: condition → value → source → law → result (S9).

    Attributes:
        code: ``REQUIREMENT_MET``, ``REQUIREMENT_NOT_MET``, ``REQUIREMENT_UNKNOWN``,
            ``OUTPUT_UNKNOWN``, ``SOURCES_CONTRADICT``, ``ANSWER_MISSING``, ``ANSWER_INVALID``,
            ``SOURCE_AWAY``, ``ENGINE_DISAGREES``, ``INTERRUPTED``, ``ALREADY_GRANTED``,
            ``GRANTS_UNKNOWN``, ``FACT_CONTESTED``, ``AUTHORITY_NOT_PROVEN``,
            ``MATTER_STOPPED``, ``DECISION_REOPENED`` or ``PERSON_REQUESTED``.
        requirement: ``R1``, or empty where no requirement is meant.
        field: Key in the form to correct, or empty.
        text: What the applicant reads.
    """

    code: str
    text: Text
    requirement: str = ""
    title: Text | None = None
    field: str = ""
    legal_basis: tuple[LegalBasis, ...] = ()
    used: tuple[Used, ...] = ()


Reasons: TypeAlias = Annotated[tuple[Reason, ...], Field(min_length=1)]


class Claim(Frozen):
    """What one source says of a concept.

    Attributes:
        name: The register's name.
        display: The value in words, with its unit or its option's name.
    """

    concept: Concept
    evidence_type: EvidenceType
    name: Text
    value: Held
    display: Text


class Check(Frozen):
    """That the owner of a register was asked to check a record (数据校核), and what came of it.

    Attributes:
        ticket: Number of the request.
        time: When the owner said that the record stands. None: they have not answered yet.
        text: What they found; empty until then.
    """

    ticket: str
    time: datetime | None = None
    text: str = ""


class Contradiction(Frozen):
    """Sources that say different things of one concept, so that it is not known (S8).

    Attributes:
        owner: Who keeps the authoritative register, and is asked to check it.
        claims: What each says; the authoritative one's is the first.
        check: That they were asked, once that is recorded.
    """

    concept: Concept
    name: Text
    owner: Text
    claims: tuple[Claim, ...] = Field(min_length=2)
    check: Check | None = None


class Granted(Frozen):
    """One output of an approval, e.g. the monthly allowance.

    Attributes:
        display: The value in words, with its unit or its option's name.
    """

    id: str
    name: Text
    value: Value
    type: ConceptType
    display: Text


class Approved(Frozen):
    """Every requirement is proven met and every output has exactly one known value."""

    kind: Literal["approved"] = "approved"
    grant: tuple[Granted, ...]
    reasons: Reasons


class Refused(Frozen):
    """At least one requirement is proven not met, and the matter lets a machine say so."""

    kind: Literal["refused"] = "refused"
    reasons: Reasons


class Referred(Frozen):
    """A person decides; these are the reasons why the machine did not."""

    kind: Literal["referred"] = "referred"
    reasons: Reasons


class NeedsCorrection(Frozen):
    """The applicant can cure it; every gap at once (一次性告知补正)."""

    kind: Literal["needs_correction"] = "needs_correction"
    reasons: Reasons


class Waiting(Frozen):
    """A source is away or pending; the case is decided again, or referred at ``until``."""

    kind: Literal["waiting"] = "waiting"
    until: datetime
    waiting_for: tuple[EvidenceType, ...] = Field(min_length=1)
    reasons: Reasons


Outcome: TypeAlias = Annotated[
    Approved | Refused | Referred | NeedsCorrection | Waiting, Field(discriminator="kind")
]


# ── the decision ─────────────────────────────────────────────────────────────────────────────────


class Receipt(Frozen):
    """Where an entry stands in the decision trail.

    Attributes:
        leaf_hash: RFC 6962 leaf hash in hexadecimal.
    """

    index: int = Field(ge=0)
    leaf_hash: str = Field(pattern=r"^[0-9a-f]{64}$")


class Ground(Frozen):
    """Why a person decides otherwise than the rules, or than was decided before.

    Attributes:
        citation: The article, or the number of the order; for an exception of the law and a
            court's order.
        ticket: Number of the request to correct the record (数据校核), for data that are wrong
            at their source.
    """

    reason: OverrideReason
    citation: str = ""
    ticket: str = ""


class Determination(Frozen):
    """That a person decided, and how that stands to what the rules said.

    Attributes:
        overrides: Whether it goes against the rules, or against an earlier decision.
        text: The person's own words.
        ground: None where it goes against nothing.
        two_persons: Whether a second one confirmed it.
    """

    overrides: bool
    text: Text
    ground: Ground | None = None
    two_persons: bool = False


class Decision(Frozen):
    """An outcome and all that makes it a decision; it exists only with its receipt (law 2).

    Attributes:
        replaced: Papers that were not asked for, because evidence took their place.
        contradictions: What sources do not agree on; each has a ticket at the register's owner.
        determination: Set if a person decided; None if the rules did.
    """

    outcome: Outcome
    case_id: CaseId
    case_number: str
    matter: MatterId
    rules_effective_date: date
    release_digest: str
    filing_date: date
    decide_time: datetime
    evidence: tuple[Evidence, ...]
    replaced: tuple[Replaced, ...]
    contradictions: tuple[Contradiction, ...] = ()
    notice: Text
    remedies: Remedies
    receipt: Receipt
    determination: Determination | None = None


class CaseState(StrEnum):
    """How far a case has come."""

    OPEN = "open"
    WAITING = "waiting"
    REFERRED = "referred"
    NEEDS_CORRECTION = "needs_correction"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class CaseSummary(Frozen):
    """Where one application of one person stands.

    Attributes:
        filing_date: None until it is handed in.
    """

    case_id: CaseId
    case_number: str
    caller: str
    matter: MatterId
    state: CaseState
    filing_date: date | None
    create_time: datetime


class Case(CaseSummary):
    """A case with its decisions, the newest last."""

    decisions: tuple[Decision, ...]


# ── prefilling ───────────────────────────────────────────────────────────────────────────────────


class PrefilledField(Frozen):
    """One field of the form that a register fills, or would have filled.

    Attributes:
        fact: The value, or why there is none.
        display: The value in words; empty if it is not known.
        as_of: The instant for which the register vouches; None if it is not known.
        contradiction: What sources say that do not agree; None unless that is why.
    """

    key: str
    concept: Concept
    name: Text
    type: ConceptType
    fact: Fact
    display: Text
    evidence_type: EvidenceType
    as_of: datetime | None
    contradiction: Contradiction | None = None


class PrefillStarted(Frozen):
    """The access is recorded; these registers are being asked."""

    case_id: CaseId
    case_number: str
    rules_effective_date: date
    evidence_types: tuple[EvidenceType, ...]


class EvidenceArrived(Frozen):
    """One register has answered, or its time is over."""

    evidence: Evidence
    fields: tuple[PrefilledField, ...]


class PrefillCompleted(Frozen):
    """The whole form, recorded.

    Attributes:
        replaced: Papers that evidence has taken the place of already.
    """

    fields: tuple[PrefilledField, ...]
    declared_fields: tuple[str, ...]
    replaced: tuple[Replaced, ...]
    receipt: Receipt


PrefillEvent: TypeAlias = PrefillStarted | EvidenceArrived | PrefillCompleted
