"""What an entry of the trail is, and the bytes of it that are hashed for ever.

An entry has four parts. The *permanent* part is the leaf of the Merkle tree and tells nothing
about who. The *sealed* part is encrypted and erasable (`seal`). The *links* are the keyed tags by
which the entry is found; erasable, too. The *projections* are rows for queries (`projections`).
The leaf commits to the erasable parts without revealing them, so it verifies without them.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from time import time_ns
from typing import Final, TypeAlias

import msgspec

from audit.errors import NotRecordedError
from audit.log.merkle import Hash
from audit.trail.canonical import Json, decode, encode

LEAF_SCHEMA = "miaopi.entry/1"
LEAF_BYTES = 65_535
"""Largest leaf: its length must fit the two bytes of a C2SP entry bundle."""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """How far a case has come, as the entry that carries it leaves it. Permanent: not who.

    Attributes:
        case_number: What people call it by (办件编号).
        caller: Subject of the token of the system that opened it; never a natural person's.
        filing_date: Civil day as ISO text; empty until it is handed in.
        due_time: When somebody must look at it again; None if never.
    """

    case_id: str
    case_number: str
    caller: str
    matter: str
    state: str
    filing_date: str
    create_time: datetime
    due_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCase(CaseRow):
    """A case as it stands in the trail.

    Attributes:
        first_index: The entry that opened it.
        latest_index: The newest entry that changed it.
    """

    first_index: int
    latest_index: int


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened, to be recorded.

    Attributes:
        type: What happened, with its version, e.g. ``decision/1``.
        id: A new UUID4 as text.
        time: When, as the service claims; the order comes from the index.
        permanent: Kept for ever, so it never tells who. Of it ``matter``, ``release_digest``,
            ``outcome``, ``case_id`` and ``channel`` can be queried, where they are text.
        sealed: Everything that tells who, or how a person lives; encrypted, erasable.
        subject: Who it is about, e.g. ``resident_id:9900…``; empty if nobody. Sealed.
        notice: What the person was told; empty if nothing. Sealed.
        case: How the entry leaves its case; None if it does not change one.
    """

    type: str
    id: str
    time: datetime
    permanent: Mapping[str, Json]
    sealed: Mapping[str, Json]
    subject: str = ""
    notice: str = ""
    case: CaseRow | None = None


class Erased(Enum):
    """The one value `ERASED`: it was there, and was erased on a person's demand."""

    ERASED = "erased"


ERASED: Final = Erased.ERASED

SealedPart: TypeAlias = Mapping[str, Json] | Erased


class Leaf(msgspec.Struct, frozen=True):
    """The permanent part as it was hashed.

    Attributes:
        said_time: When, as it says so (`time_text`).
        said_case: The case as it says so (`case_json`); empty if it changes none.
        sealed_digest: SHA-256 of the sealed content, which is ciphertext.
        subject_commitment: HMAC-SHA256 of the subject; its key is in the sealed record's.
        notice_commitment: The same of the notice.
        links_commitment: HMAC-SHA256 of the links; its key lies beside them.
    """

    type: str
    id: str
    said_time: str
    permanent: Mapping[str, Json]
    said_case: Mapping[str, str]
    sealed_digest: str
    subject_commitment: str
    notice_commitment: str
    links_commitment: str

    @property
    def time(self) -> datetime:
        """When it happened, as the service claims."""
        return datetime.fromisoformat(self.said_time)

    @property
    def case(self) -> CaseRow | None:
        """How it leaves its case; None if it changes none."""
        return case_from_json(self.said_case) if self.said_case else None

    def encode(self) -> bytes:
        """The bytes that are hashed and stored.

        Raises:
            NotRecordedError: They are outside the profile of `canonical`, or too many.
        """
        value: dict[str, Json] = {
            "schema": LEAF_SCHEMA,
            "type": self.type,
            "id": self.id,
            "time": self.said_time,
            "permanent": dict(self.permanent),
            "sealed_digest": self.sealed_digest,
            "subject_commitment": self.subject_commitment,
            "notice_commitment": self.notice_commitment,
            "links_commitment": self.links_commitment,
        }
        if self.said_case:
            value["case"] = {**self.said_case}
        content = encode(value)
        if len(content) > LEAF_BYTES:
            raise NotRecordedError(
                f"the permanent part has {len(content)} bytes, more than {LEAF_BYTES}",
                zh=f"永久部分有 {len(content)} 字节，超过 {LEAF_BYTES}；"
                "不必永存的内容请放入密封部分",
                reason="ENTRY_TOO_LARGE",
                hint="Move what is not needed for ever into the sealed part.",
            )
        return content

    def is_text_of(self, content: bytes) -> bool:
        """Whether these bytes, which it was read from, are what `encode` writes.

        Any others (a member twice) are read, too, but somebody else could read them otherwise.
        """
        try:
            return self.encode() == content
        except NotRecordedError:
            return False

    @classmethod
    def decode(cls, content: bytes) -> "Leaf":
        """Read what `encode` wrote.

        Raises:
            ValueError: It is anything else.
        """
        value = decode(content)
        if value.pop("schema", None) != LEAF_SCHEMA:
            raise ValueError("not a leaf of a schema that is known")
        permanent, case = value.pop("permanent", None), value.pop("case", None)
        if not isinstance(permanent, dict):
            raise ValueError("not a leaf")  # noqa: TRY004  # the content is wrong, not its type
        texts = _texts(value)
        try:
            leaf = cls(
                said_time=texts.pop("time"),
                permanent=permanent,
                said_case={} if case is None else _texts(case),
                **texts,
            )
            _ = leaf.time, case is None or case_from_json(case)
        except (KeyError, TypeError):
            raise ValueError("not a leaf") from None
        return leaf


class Links(msgspec.Struct, frozen=True):
    """By what an entry is found: erasable, and committed to by the leaf.

    Attributes:
        subject_tag: Keyed tag of the subject; empty if it is about nobody.
        keys: The opaque keys under which the entry became the newest, sorted.
    """

    subject_tag: str
    keys: Sequence[str]

    def encode(self) -> bytes:
        """The bytes that are committed to.

        Raises:
            NotRecordedError: A key is no text that can be written.
        """
        return encode({"subject_tag": self.subject_tag, "keys": list(self.keys)})

    @classmethod
    def decode(cls, content: bytes) -> "Links":
        """Read what `encode` wrote.

        Raises:
            ValueError: It is anything else.
        """
        match decode(content):
            case {"subject_tag": str(tag), "keys": list(keys)}:
                return cls(tag, [str(key) for key in keys])
            case _:
                raise ValueError("not links")


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as it stands in the trail.

    Attributes:
        sealed: The sealed part, or `ERASED`.
        subject: Empty if about nobody, or erased. Personal data.
        notice: Empty if nobody was told anything, or erased. Personal data.
        leaf_hash: RFC 6962 hash of the permanent bytes.
    """

    index: int
    type: str
    id: str
    time: datetime
    permanent: Mapping[str, Json]
    case: CaseRow | None
    sealed: SealedPart
    subject: str
    notice: str
    leaf_hash: Hash


def ordered_id() -> str:
    """A new identifier, in 32 hexadecimal digits: 80 random bits after when it was made.

    So what is filed by it is filed in order, into the few pages that a store has at hand anyway.
    """
    return f"{time_ns() >> 20:012x}{secrets.token_hex(10)}"


def time_text(instant: datetime) -> str:
    """An instant in UTC with microseconds: one width, so texts sort as instants do.

    Raises:
        NotRecordedError: It has no zone.
    """
    if instant.tzinfo is UTC:
        return instant.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"
    if instant.utcoffset() is None:
        raise NotRecordedError(
            "the entry has a time without a zone",
            zh="记录的时间没有时区；请给每个时刻注明时区，最好用 UTC",
            reason="ENTRY_INVALID",
            hint="Give every instant its zone, best UTC.",
        )
    # Half the time of `strftime`; a decision writes four instants.
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def case_json(case: CaseRow) -> dict[str, str]:
    """The case as the leaf and the projection write it."""
    return {
        "case_id": case.case_id,
        "case_number": case.case_number,
        "caller": case.caller,
        "matter": case.matter,
        "state": case.state,
        "filing_date": case.filing_date,
        "create_time": time_text(case.create_time),
        "due_time": "" if case.due_time is None else time_text(case.due_time),
    }


def case_from_json(value: object) -> CaseRow:
    """The inverse of `case_json`.

    Raises:
        ValueError: It is anything else.
        TypeError: It has other members.
    """
    texts = _texts(value)
    due, created = texts.pop("due_time", ""), texts.pop("create_time", "")
    return CaseRow(
        **texts,
        create_time=datetime.fromisoformat(created),
        due_time=datetime.fromisoformat(due) if due else None,
    )


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ValueError("not an object of texts")
    return dict(value)
