"""The parts of a request, read one by one; what is wrong is remembered until all are read."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from decision_service.errors import FieldViolation, InvalidRequestError
from decision_service.followup import Person
from decision_service.model import (
    AssuranceLevel,
    Authority,
    Concept,
    Consent,
    Contest,
    Document,
    EvidenceType,
    Party,
    StatutoryDuty,
    Value,
)
from decision_service.server import shapes
from decision_service.v1 import case_pb2, decision_pb2, vocabulary_pb2

# Limits of the contract: far above what any matter asks, far below what hurts.
_MOST_PARTIES: Final = 20
_MOST_DOCUMENTS: Final = 10
_MOST_ANSWERS: Final = 200
_MOST_CONTESTS: Final = 50
_MOST_EVIDENCE_TYPES: Final = 50
_LONGEST_TEXT: Final = 2_000
_LONGEST_CLAIM: Final = 200
_LONGEST_ARTICLE: Final = 200
_MOST_DIGITS: Final = 34
"""Significant digits of IEEE 754 decimal128, which are also those of a FEEL number."""

_ROLES: Final = ("applicant", "organisation", "agent", "guardian", "household_member")
_LEVELS: Final = {
    vocabulary_pb2.ASSURANCE_LEVEL_LOW: AssuranceLevel.LOW,
    vocabulary_pb2.ASSURANCE_LEVEL_SUBSTANTIAL: AssuranceLevel.SUBSTANTIAL,
    vocabulary_pb2.ASSURANCE_LEVEL_HIGH: AssuranceLevel.HIGH,
}

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?\Z")
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters but tab and line ends, and those that turn a text's direction: what a clerk
reads is what was sent."""

_NOTHING: Final = "-"
_NEVER: Final = date(1, 1, 1)
_NO_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)
"""What stands for a wrong part while the rest is read; nothing read from a wrong request leaves."""


Chosen = TypeVar("Chosen")


class Reader:
    """Reads the parts of one request and remembers every field that is wrong."""

    def __init__(self) -> None:
        self._wrong: list[FieldViolation] = []

    def refuse(self, at: str, reason: str, message: str, zh: str) -> None:
        """Remember that a field is wrong."""
        self._wrong.append(
            FieldViolation(field=at, reason=reason, message=message, zh=f"{at} {zh}")
        )

    def finish(self) -> None:
        """Raise what was remembered, if anything was."""
        if self._wrong:
            raise InvalidRequestError(self._wrong)

    # ── words ────────────────────────────────────────────────────────────────────────────────────

    def word(self, at: str, found: str, shape: shapes.Shape) -> str:
        """A short word of a known shape; never empty."""
        if shape.pattern.match(found):
            return found
        if found:
            self.refuse(at, "MALFORMED", shape.must, shape.zh)
        else:
            self.refuse(at, "REQUIRED", "is missing", "为必填项")
        return _NOTHING

    def text(self, at: str, found: str, longest: int) -> str:
        """Words for people, which a clerk will read; may be empty."""
        if len(found) > longest:
            self.refuse(
                at, "TOO_LONG", f"must have at most {longest} characters", f"不得超过{longest}字"
            )
        elif _UNSEEN.search(found):
            self.refuse(
                at,
                "CONTROL_CHARACTER",
                "must have no control characters and no marks that turn its direction",
                "含有不可见的控制字符或改变文字方向的字符，请删除",
            )
        return found

    def request_id(self, found: str) -> str:
        """A UUID4 in any case; the same one in another case is the same request."""
        return self.word("request_id", found.lower(), shapes.UUID4)

    def id(self, at: str, found: str) -> str:
        """The id of a matter, a channel or an evidence type."""
        return self.word(at, found, shapes.ID)

    def case_id(self, found: str) -> str:
        """A case's id, as this service minted it."""
        return self.word("case_id", found, shapes.CASE)

    def offer_id(self, found: str) -> str:
        """An offer's id, as this service minted it."""
        return self.word("offer_id", found, shapes.OFFER)

    def unique(self, at: str, found: Sequence[str]) -> None:
        """Refuse what is there twice."""
        if len(set(found)) < len(found):
            self.refuse(at, "DUPLICATE", "has the same one twice", "有重复")

    def page_size(self, found: int, *, default: int, most: int) -> int:
        """How many a page has at most; too many are cut, and none means the default (AIP-158)."""
        if found < 0:
            self.refuse("page_size", "OUT_OF_RANGE", "must not be negative", "不能为负数")
        return min(found or default, most)

    def index(self, found: int, at: str = "index") -> int:
        """The place of an entry; whether there is one is for the trail to say."""
        if found < 0:
            self.refuse(at, "OUT_OF_RANGE", "must not be negative", "不能为负数")
        return max(found, 0)

    def few(self, at: str, found: int, most: int) -> None:
        """Refuse more than the contract lets in."""
        if found > most:
            self.refuse(at, "TOO_MANY", f"must have at most {most}", f"不得超过{most}项")

    # ── days and instants ────────────────────────────────────────────────────────────────────────

    def day(self, at: str, found: Date) -> date:
        """A civil day that is in the calendar."""
        try:
            return date(found.year, found.month, found.day)
        except ValueError:
            self.refuse(
                at,
                "NOT_A_DATE",
                "is not a day of the calendar; give year, month and day",
                "不是有效日期，年、月、日都要写明",
            )
            return _NEVER

    def recorded_day(self, at: str, found: Date) -> date:
        """A civil day on which something can have been recorded; there is a day after it."""
        if found.year and not 1970 <= found.year <= 9998:
            words = "must be of the years 1970 to 9998", "应在1970年至9998年之间"
            self.refuse(at, "OUT_OF_RANGE", *words)
            return _NEVER
        return self.day(at, found)

    def time(self, at: str, found: Timestamp, *, given: bool) -> datetime:
        """An instant between the years 1970 and 9999."""
        if not given:
            self.refuse(at, "REQUIRED", "is missing", "为必填项")
            return _NO_TIME
        if not (0 <= found.seconds < 253_402_300_800 and 0 <= found.nanos < 1_000_000_000):
            self.refuse(
                at, "NOT_A_TIME", "is not an instant since 1970", "不是1970年以来的有效时间"
            )
            return _NO_TIME
        return found.ToDatetime(tzinfo=UTC)

    # ── people ───────────────────────────────────────────────────────────────────────────────────

    def parties(self, found: Sequence[vocabulary_pb2.Party]) -> tuple[Party, ...]:
        """Who takes part. Only household members share a role."""
        if not found:
            self.refuse("parties", "REQUIRED", "must have at least one party", "为必填项")
        self.few("parties", len(found), _MOST_PARTIES)
        self.unique("parties", [one.role for one in found if one.role != "household_member"])
        read = tuple(
            self.party(f"parties[{place}]", one) for place, one in enumerate(found[:_MOST_PARTIES])
        )
        return read or (_nobody(),)

    def party(self, at: str, found: vocabulary_pb2.Party) -> Party:
        """Somebody in a role, with documents of different kinds."""
        if found.role not in _ROLES:
            self.refuse(
                f"{at}.role",
                "UNKNOWN_ROLE",
                f"must be one of {', '.join(_ROLES)}",
                f"应为 {'、'.join(_ROLES)} 之一",
            )
        return Party(role=found.role, documents=self.documents(f"{at}.documents", found.documents))

    def documents(self, at: str, found: Sequence[vocabulary_pb2.Document]) -> tuple[Document, ...]:
        """Somebody's documents, of different kinds."""
        if not found:
            self.refuse(at, "REQUIRED", "must have at least one document", "为必填项")
        self.few(at, len(found), _MOST_DOCUMENTS)
        self.unique(at, [one.kind for one in found])
        read = tuple(
            self.document(f"{at}[{place}]", one)
            for place, one in enumerate(found[:_MOST_DOCUMENTS])
        )
        return read or _nobody().documents

    def document(self, at: str, found: vocabulary_pb2.Document) -> Document:
        """An identity document; whether anybody has it is for a register to say."""
        return Document(
            kind=self.word(f"{at}.kind", found.kind, shapes.DOCUMENT_KIND),
            number=self.word(f"{at}.number", found.number, shapes.PRINTED),
        )

    def authority(self, found: vocabulary_pb2.Authority) -> Authority:
        """Who stands behind the request. An absent message reads as one without fields."""
        level = self.level("authority.assurance_level", found.assurance_level)
        if found.agent_for and found.agent_for not in _ROLES:
            self.refuse(
                "authority.agent_for",
                "UNKNOWN_ROLE",
                f"must be empty or one of {', '.join(_ROLES)}",
                f"应为空或 {'、'.join(_ROLES)} 之一",
            )
        return Authority(
            person=self.party("authority.person", found.person),
            assurance_level=level,
            authentication_time=self.time(
                "authority.authentication_time",
                found.authentication_time,
                given=found.HasField("authentication_time"),
            ),
            agent_for=found.agent_for,
            basis=self.basis(found),
        )

    def person(self, found: case_pb2.Person) -> Person:
        """The person who acts. An absent message reads as one without fields."""
        return Person(
            documents=self.documents("person.documents", found.documents),
            assurance_level=self.level("person.assurance_level", found.assurance_level),
            authentication_time=self.time(
                "person.authentication_time",
                found.authentication_time,
                given=found.HasField("authentication_time"),
            ),
        )

    def level(self, at: str, found: vocabulary_pb2.AssuranceLevel.ValueType) -> AssuranceLevel:
        """How surely somebody's identity was established."""
        level = _LEVELS.get(found)
        if level is None:
            self.refuse(
                at,
                "REQUIRED" if found == 0 else "UNKNOWN_VALUE",
                "must be LOW, SUBSTANTIAL or HIGH",
                "应为 LOW、SUBSTANTIAL 或 HIGH",
            )
        return level or AssuranceLevel.LOW

    def basis(self, found: vocabulary_pb2.Authority) -> Consent | StatutoryDuty:
        """What allows registers to be asked."""
        match found.WhichOneof("basis"):
            case "consent":
                return self.consent(found.consent)
            case "statutory_duty":
                at = "authority.statutory_duty.article"
                article = self.text(at, found.statutory_duty.article, _LONGEST_ARTICLE)
                if not article.strip():
                    self.refuse(at, "REQUIRED", "is missing", "为必填项")
                return StatutoryDuty(article=article or _NOTHING)
            case None:
                self.refuse(
                    "authority",
                    "REQUIRED",
                    "must have `consent` or `statutory_duty`",
                    "应写明本人同意（consent）或法定职责（statutory_duty）",
                )
                return StatutoryDuty(article=_NOTHING)

    def consent(self, found: vocabulary_pb2.Consent) -> Consent:
        """What the person agreed to."""
        at = "authority.consent"
        self.few(f"{at}.evidence_types", len(found.evidence_types), _MOST_EVIDENCE_TYPES)
        self.unique(f"{at}.evidence_types", found.evidence_types)
        return Consent(
            notice_version=self.word(f"{at}.notice_version", found.notice_version, shapes.CODE),
            time=self.time(f"{at}.time", found.time, given=found.HasField("time")),
            evidence_types=tuple(
                EvidenceType(self.id(f"{at}.evidence_types[{place}]", one))
                for place, one in enumerate(found.evidence_types[:_MOST_EVIDENCE_TYPES])
            ),
        )

    # ── what the applicant says ──────────────────────────────────────────────────────────────────

    def answers(
        self, found: Mapping[str, vocabulary_pb2.Value], at: str = "answers"
    ) -> dict[str, Value]:
        """The declared fields by key, in the order of the keys."""
        self.few(at, len(found), _MOST_ANSWERS)
        read: dict[str, Value] = {}
        for key in sorted(found)[:_MOST_ANSWERS]:
            if shapes.KEY.pattern.match(key):
                read[key] = self.value(f'{at}["{key}"]', found[key])
            else:
                self.refuse(at, "MALFORMED", "has a key that no form has", "含有表单没有的键")
        return read

    def value(self, at: str, found: vocabulary_pb2.Value) -> Value:
        """One answer."""
        match found.WhichOneof("kind"):
            case "boolean":
                return found.boolean
            case "number":
                return self.number(at, found.number)
            case "date":
                return self.day(at, found.date)
            case "option":
                return self.word(at, found.option, shapes.PRINTED)
            case "text":
                return self.text(at, found.text, _LONGEST_TEXT)
            case None:
                self.refuse(
                    at,
                    "REQUIRED",
                    "has no value; leave it out instead",
                    "没有取值；未填的项请不要提交",
                )
                return _NOTHING

    def number(self, at: str, found: str) -> Decimal:
        """A plain decimal; its scale is the form's to check."""
        if (
            _NUMBER.match(found)
            and sum(map(str.isdigit, found)) <= _MOST_DIGITS
            and not (found.startswith("-") and Decimal(found) == 0)
        ):
            return Decimal(found)
        self.refuse(
            at,
            "NOT_A_NUMBER",
            f"must be a plain decimal of at most {_MOST_DIGITS} digits, e.g. `200.00`",
            f"应为不超过{_MOST_DIGITS}位的十进制数，如 200.00",
        )
        return Decimal(0)

    def contests(self, found: Sequence[decision_pb2.Contest]) -> tuple[Contest, ...]:
        """The prefilled values that the applicant says are wrong, each once."""
        self.few("contests", len(found), _MOST_CONTESTS)
        self.unique("contests", [one.concept for one in found])
        return tuple(
            self.contest(f"contests[{place}]", one)
            for place, one in enumerate(found[:_MOST_CONTESTS])
        )

    def contest(self, at: str, found: decision_pb2.Contest) -> Contest:
        """A value that the applicant says is wrong."""
        return Contest(
            concept=Concept(self.word(f"{at}.concept", found.concept, shapes.KEY)),
            claimed=self.text(f"{at}.claimed", found.claimed, _LONGEST_CLAIM),
            text=self.said(f"{at}.text", found.text),
        )

    def given(self, at: str, found: str, longest: int = _LONGEST_TEXT) -> str:
        """Words that must be there."""
        if not found.strip():
            self.refuse(at, "REQUIRED", "is missing", "为必填项")
        return self.text(at, found, longest) or _NOTHING

    def choice(self, at: str, found: int, known: Mapping[int, Chosen]) -> Chosen:
        """One of a closed list of the contract."""
        if found not in known:
            self.refuse(
                at,
                "UNKNOWN_VALUE" if found else "REQUIRED",
                "must be one of the contract's values",
                "应为接口约定的取值之一",
            )
        return known.get(found, next(iter(known.values())))

    def said(self, at: str, found: str) -> str:
        """What somebody says, in as many words as they want."""
        return self.text(at, found, _LONGEST_TEXT)


def _nobody() -> Party:
    """What stands for a party that is missing; see `_NOTHING`."""
    return Party(role=_NOTHING, documents=(Document(kind=_NOTHING, number=_NOTHING),))
