"""Everything wrong that a caller can send, over a real port, and what the caller then reads.

``tests/golden/errors.toml`` has every answer word for word; it is read aloud before it is changed.
Whatever is refused here leaves no entry in the trail and asks no register.
"""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid1, uuid4

import pytest
import pytest_asyncio
from google.protobuf.message import Message
from structlog.testing import capture_logs

from decision_service.catalogue import Catalogue
from decision_service.server import issue, new_private_key, public_jwks
from decision_service.v1.decision_pb2 import DecideRequest, DecideResponse
from evidence_adapters.sandbox import City, Person
from tests import service
from tests.service import (
    ACCESSES,
    ANSWER,
    ATTACH,
    CASE,
    CHECK,
    CLAIM,
    CONFIRM,
    CONTEST,
    DECIDE,
    DELIVERY,
    DETERMINE,
    DISCLOSE,
    DOSSIER,
    DRAW,
    ENTRIES,
    ENTRY,
    ERASE,
    EXPORT,
    GET,
    GRANT,
    HOLD,
    LIFT,
    LIST,
    OVERRIDE,
    OVERRIDE_STATS,
    OVERRIDES,
    OWN,
    PAPER,
    PREFILL,
    RECEIPT,
    REFERRALS,
    RELEASE,
    REPLAY,
    REPLAYS,
    RESOLVE,
    RETAIN,
    RETURN,
    REVIEW,
    REVOKE,
    SAMPLE,
    SECOND_LOOK,
    SIMULATE,
    STANDING,
    STATS,
    TIMELINE,
    WATCH,
    WHY,
    WITHDRAW,
    Answer,
    Metadata,
    Town,
)
from tests.words import ERRORS, in_words

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)

# ── what is wrong ────────────────────────────────────────────────────────────────────────────────

Edit: TypeAlias = tuple[tuple[str | int, ...], Any]
"""A place in the JSON of a request, and what is put there; `GONE` takes it away."""

GONE: Final = object()


@dataclass(frozen=True)
class Bad:
    """A call that is refused.

    Attributes:
        edits: What is wrong with a request that is right otherwise.
        mangled: What happens to its bytes on the way.
        token: Makes the metadata; by default a portal's.
    """

    name: str
    method: str = DECIDE
    edits: tuple[Edit, ...] = ()
    mangled: Callable[[bytes], bytes] = bytes
    token: Callable[[Town], Metadata] = field(default=lambda town: town.wire.bearer())
    timeout_s: float = 10.0


def bad(name: str, *path: str | int, to: Any, method: str = DECIDE) -> Bad:
    """A request with one thing wrong."""
    return Bad(name, method, edits=((path, to),))


AGENT = {"role": "agent", "documents": [{"kind": "passport", "number": "E00000001"}]}
BY_AGENT: tuple[Edit, ...] = (
    (("parties", 1), AGENT),
    (("authority", "person"), AGENT),
    (("authority", "agent_for"), "applicant"),
)


def answer(name: str, to: Any, key: str = "applicant.mobile") -> Bad:
    """An application with one answer wrong."""
    return bad(name, "answers", key, to=to)


def document(kind: str, number: str) -> dict[str, str]:
    return {"kind": kind, "number": number}


def party(role: str, *documents: dict[str, str]) -> dict[str, Any]:
    return {"role": role, "documents": [*documents]}


def officer(town: Town) -> Metadata:
    return town.wire.bearer("data_protection_officer")


def auditor(town: Town) -> Metadata:
    return town.wire.bearer("auditor")


def clerk(town: Town) -> Metadata:
    return town.wire.bearer("clerk")


def at_counter(name: str, method: str, *edits: Edit) -> Bad:
    """A clerk's request with something wrong in it; without, its etag is old."""
    return Bad(name, method, edits, token=clerk)


def nobody(town: Town) -> Metadata:
    return town.wire.bearer("clerk", person="")


PASSPORT = document("passport", "E00000000")
FIRM = document("organisation_code", "91440300MA5D000002")
NUMBER = ("parties", 0, "documents", 0, "number")

TOMORROW = b"\xfa\x07\x01x"
"""Field 127, a text, which no message of the contract has."""


def in_a_party(raw: bytes, more: bytes) -> bytes:
    """The application with more bytes in its first party."""
    asked = DecideRequest.FromString(raw)
    asked.parties[0].MergeFromString(more)
    return asked.SerializeToString()


REQUESTS = [
    # which request
    bad("request id missing", "request_id", to=""),
    bad("request id is a word", "request_id", to="1"),
    bad("request id of another version", "request_id", to=str(uuid1())),
    bad("request id in braces", "request_id", to=f"{{{uuid4()}}}"),
    bad("request id with a line end", "request_id", to=f"{uuid4()}\n"),
    # for what
    bad("matter missing", "matter", to=""),
    bad("matter unknown", "matter", to="flying_licence"),
    bad("matter is a path", "matter", to="../../etc/passwd"),
    bad("matter with a zero byte", "matter", to="old_age_allowance\x00"),
    bad("matter unknown to Prefill", "matter", to="flying_licence", method=PREFILL),
    bad("matter unknown to GetMatter", "matter", to="flying_licence", method=GET),
    bad("channel missing", "channel", to=""),
    bad("channel not offered", "channel", to="telegraph"),
    bad("case id malformed", "case_id", to="1 OR 1=1"),
    bad("case that is not there", "case_id", to="0" * 32),
    bad("case that is not there, to Prefill", "case_id", to="0" * 32, method=PREFILL),
    # who takes part
    bad("no party", "parties", to=[]),
    bad("twenty-one parties", "parties", to=[party("household_member", PASSPORT)] * 21),
    bad("two applicants", "parties", to=[party("applicant", PASSPORT)] * 2),
    bad("a role that is none", "parties", 0, "role", to="neighbour"),
    bad("a party in no role", "parties", 0, "role", to=""),
    bad("no applicant", "parties", 0, "role", to="guardian"),
    bad("a party without documents", "parties", 0, "documents", to=[]),
    bad("eleven documents", "parties", 0, "documents", to=[PASSPORT] * 11),
    bad("an organisation where people apply", "parties", 1, to=party("organisation", FIRM)),
    bad("an organisation without its code", "parties", 1, to=party("organisation", PASSPORT)),
    bad(
        "an organisation code with a wrong check character",
        *("parties", 0, "documents", 1),
        to=document("organisation_code", "91440300MA5D00000X"),
    ),
    bad("two documents of a kind", "parties", 0, "documents", to=[PASSPORT] * 2),
    bad("a document without a kind", "parties", 0, "documents", 0, "kind", to=""),
    bad("a document without a number", *NUMBER, to=""),
    bad("an identity number with a wrong check digit", *NUMBER, to="990000195012010015"),
    bad("an identity number with a small x", *NUMBER, to="99000019570101001x"),
    bad(
        "an identity number in full-width digits",
        *NUMBER,
        to="９９００００１９５０１２０１００１４",
    ),
    bad("a number with a blank", *NUMBER, to="990000 195012010014"),
    bad("a number with a zero byte", *NUMBER, to="99000019501201001\x00"),
    bad("a number that turns its direction", *NUMBER, to="E\u202e00000"),
    bad("a number with a blank that is not seen", *NUMBER, to="E000\u200b00000"),
    bad("a number of 65 characters", *NUMBER, to="9" * 65),
    # who stands behind it
    bad("no authority", "authority", to=GONE),
    bad("no person behind it", "authority", "person", to=GONE),
    bad("another person behind it", "authority", "person", to=party("applicant", PASSPORT)),
    bad("a guardian behind it", "authority", "agent_for", to="guardian"),
    bad("an agent for nobody known", "authority", "agent_for", to="neighbour"),
    bad("no assurance level", "authority", "assurance_level", to=GONE),
    bad("an assurance level of tomorrow", "authority", "assurance_level", to=99),
    bad("too low an assurance", "authority", "assurance_level", to="ASSURANCE_LEVEL_LOW"),
    bad("no time of authentication", "authority", "authentication_time", to=GONE),
    bad("authenticated tomorrow", "authority", "authentication_time", to="2026-11-25T00:00:00Z"),
    bad("authenticated before 1970", "authority", "authentication_time", to="1969-12-31T00:00:00Z"),
    bad("no basis", "authority", "consent", to=GONE),
    bad("consent to no notice", "authority", "consent", "notice_version", to=""),
    bad("consent to an old notice", "authority", "consent", "notice_version", to="2019-01"),
    bad("consent tomorrow", "authority", "consent", "time", to="2026-11-25T00:00:00Z"),
    bad("consent at no time", "authority", "consent", "time", to=GONE),
    bad("consent to one twice", "authority", "consent", "evidence_types", to=["a", "a"]),
    bad("consent to nonsense", "authority", "consent", "evidence_types", to=["SELECT *"]),
    bad(
        "consent to fifty-one",
        *("authority", "consent", "evidence_types"),
        to=[f"register_{number}" for number in range(51)],
    ),
    Bad(
        "a duty without an article",
        edits=(
            (("authority", "consent"), GONE),
            (("authority", "statutory_duty"), {"article": " "}),
        ),
    ),
    Bad(
        "a duty by a law of something else",
        edits=(
            (("authority", "consent"), GONE),
            (("authority", "statutory_duty"), {"article": "治安管理处罚法 第九条"}),
        ),
    ),
    # what the applicant says
    answer("an answer that a register gives", {"date": {"year": 1940}}, "applicant.birth_date"),
    answer(
        "an answer that a register gives, whole",
        {"date": {"year": 1940, "month": 1, "day": 1}},
        "applicant.birth_date",
    ),
    answer("an answer to no question", {"text": "x"}, "applicant.shoe_size"),
    answer("an answer under a key that no form has", {"text": "x"}, "'; DROP TABLE entries;--"),
    answer("an answer of another kind", {"boolean": True}),
    answer("an answer without a value", {}),
    answer("a text of 2,001 characters", {"text": "很" * 2001}),
    answer("a text with a zero byte", {"text": "1380000\x000000"}),
    answer("a text that turns its direction", {"text": "13800\u202e000000"}),
    *(
        answer(f"a number {name}", {"number": number})
        for name, number in {
            "that is none": "NaN",
            "that is infinite": "Infinity",
            "with an exponent": "1e999",
            "of 35 digits": "1" * 35,
            "below zero that is zero": "-0.00",
            "with a plus": "+1",
            "with a separator": "1,000",
            "with zeros before it": "007",
            "in full-width digits": "１２",
            "of two lines": "1\n",
            "that is empty": "",
        }.items()
    ),
    *(
        answer(f"a day {name}", {"date": day})
        for name, day in {
            "that February never has": {"year": 2026, "month": 2, "day": 30},
            "of the year 0": {"year": 0, "month": 1, "day": 1},
            "of the year 10000": {"year": 10000, "month": 1, "day": 1},
            "without a day": {"year": 2026, "month": 2},
            "below zero": {"year": -1, "month": -1, "day": -1},
        }.items()
    ),
    answer("an option with a blank", {"option": "shen zhen"}),
    bad(
        "201 answers",
        "answers",
        to={f"applicant.a{number}": {"boolean": True} for number in range(201)},
    ),
    bad("a contest of nothing known", "contests", to=[{"concept": "applicant.shoe_size"}]),
    bad("a contest twice", "contests", to=[{"concept": "applicant.birth_date"}] * 2),
    bad("a contest of nothing", "contests", to=[{}]),
    bad(
        "a claim of 201 characters",
        "contests",
        to=[{"concept": "applicant.birth_date", "claimed": "1" * 201}],
    ),
    bad(
        "a contest with control characters",
        "contests",
        to=[{"concept": "applicant.birth_date", "text": "\x1b[2J"}],
    ),
    bad(
        "51 contests",
        "contests",
        to=[{"concept": f"applicant.a{number}"} for number in range(51)],
    ),
    Bad(
        "many things at once",
        edits=(
            (("request_id",), "1"),
            (("matter",), "§"),
            (("channel",), ""),
            (("parties",), []),
            (("authority",), GONE),
            (("answers", "applicant.mobile"), {"number": "NaN"}),
            (("contests",), [{}]),
        ),
    ),
    # what can be asked of matters and cases
    bad("a page of less than nothing", "page_size", to=-1, method=LIST),
    bad("a page token that is not ours", "page_token", to="x", method=LIST),
    bad("a page token that is not even ASCII", "page_token", to="页", method=LIST),
    bad(
        "a page token of another day",
        *("page_token",),
        to=base64.urlsafe_b64encode(b"2026-01-01 asked a").decode(),
        method=LIST,
    ),
    bad(
        "matters on a day that is none",
        *("date",),
        to={"year": 2026, "month": 2, "day": 30},
        method=LIST,
    ),
    bad("a matter on a day of the year 0", "date", to={"month": 1, "day": 1}, method=GET),
    bad(
        "a matter before it was one",
        *("date",),
        to={"year": 1999, "month": 1, "day": 1},
        method=GET,
    ),
    bad("a case id that is empty", "case_id", to="", method=CASE),
    bad("a case id of another form", "case_id", to=str(UUID(int=0)), method=CASE),
    bad("a case of nobody", "case_id", to="f" * 32, method=CASE),
    bad("the receipt of a case of nobody", "case_id", to="f" * 32, method=RECEIPT),
    bad("a receipt below zero", "index", to=-1, method=RECEIPT),
    bad("a receipt that is not the case's", "index", to=10**12, method=RECEIPT),
    # what can be asked without applying
    bad("a check for a matter unknown", "matter", to="flying_licence", method=CHECK),
    bad(
        "a check with an answer that a register gives",
        *("answers", "applicant.birth_date"),
        to={"date": {"year": 1940, "month": 1, "day": 1}},
        method=CHECK,
    ),
    # what can be done about a case
    *(
        bad(f"a case of nobody, to {name}", "case_id", to="f" * 32, method=method)
        for name, method in {
            "WatchCase": WATCH,
            "WithdrawCase": WITHDRAW,
            "RequestReview": REVIEW,
            "ContestFact": CONTEST,
        }.items()
    ),
    bad("a withdrawal without a request id", "request_id", to="", method=WITHDRAW),
    bad("a withdrawal by nobody", "person", to=GONE, method=WITHDRAW),
    bad(
        "a withdrawal by somebody who authenticated tomorrow",
        *("person", "authentication_time"),
        to="2026-11-25T00:00:00Z",
        method=WITHDRAW,
    ),
    bad(
        "a withdrawal by somebody else",
        *("person", "documents", 0, "number"),
        to="990000193012010023",
        method=WITHDRAW,
    ),
    bad(
        "a withdrawal under a weak login",
        *("person", "assurance_level"),
        to="ASSURANCE_LEVEL_LOW",
        method=WITHDRAW,
    ),
    # who acts for whom
    bad("no mandate to take back", "agent", 0, "number", to="E00000009", method=REVOKE),
    bad("a mandate for a card", "mandate", "matters", to=["library_card"], method=GRANT),
    bad("a mandate for nothing", "mandate", "matters", to=[], method=GRANT),
    bad(
        "a mandate that is over",
        *("mandate", "until_date"),
        to={"year": 2020, "month": 1, "day": 1},
        method=GRANT,
    ),
    bad(
        "a mandate for a lifetime",
        *("mandate", "until_date"),
        to={"year": 2099, "month": 1, "day": 1},
        method=GRANT,
    ),
    bad("half a digest of a scan", "scan_digest", to="AAAA", method=GRANT),
    bad("a scan from a portal", "scan_digest", to="A" * 43 + "=", method=GRANT),
    Bad("an agent without a mandate", DECIDE, edits=BY_AGENT),
    Bad("an agent where nobody acts", DECIDE, edits=(*BY_AGENT, (("matter",), "library_card"))),
    bad("a withdrawal with control characters", "text", to="\x1b[2J", method=WITHDRAW),
    bad("a withdrawal of what is decided", "text", to="", method=WITHDRAW),
    bad("a review with a text of 2,001 characters", "text", to="很" * 2001, method=REVIEW),
    bad("an objection to nothing", "contest", to=GONE, method=CONTEST),
    bad(
        "an objection to what no register gives",
        *("contest", "concept"),
        to="applicant.mobile",
        method=CONTEST,
    ),
    # what people may see of their own data
    bad("own accesses of nobody", "person", to=GONE, method=OWN),
    bad(
        "own accesses under a weak login",
        *("person", "assurance_level"),
        to="ASSURANCE_LEVEL_LOW",
        method=OWN,
    ),
    bad(
        "a copy under a login of yesterday",
        *("person", "authentication_time"),
        to="2026-11-23T00:00:00Z",
        method=EXPORT,
    ),
    bad("own accesses on a page of nobody", "page_token", to="MSAyIDM=", method=OWN),
    bad("a copy from below zero", "after_index", to=-1, method=EXPORT),
    # what comes after a decision
    bad("a delivery of nothing", "delivered", to=GONE, method=DELIVERY),
    bad("a delivery by no channel", "delivered", "channel", to=99, method=DELIVERY),
    bad("a delivery of another notice", "delivered", "decision_index", to=10**6, method=DELIVERY),
    bad(
        "a delivery tomorrow",
        *("delivered", "delivered_time"),
        to="2026-11-25T00:00:00Z",
        method=DELIVERY,
    ),
    *(
        Bad(name, STANDING, edits, token=clerk)
        for name, edits in {
            "an act that is none": ((("act",), 0),),
            "an act without a law": ((("legal_basis",), " "),),
            "an act without a reason": ((("text",), GONE),),
            "an act that takes without a hearing": ((("heard_date",), GONE),),
            "an act on what is not granted": ((("decision_index",), 10**6),),
            "an act that does not follow": ((("act",), "ACT_RESUME"),),
            "an act with values that it does not set": (
                (("values",), {"monthly_allowance": {"number": "1.00"}}),
            ),
            "a correction to nothing": ((("act",), "ACT_CORRECT"),),
            "a correction of what was not granted": (
                (("act",), "ACT_CORRECT"),
                (("values",), {"pension": {"number": "1.00"}}),
            ),
            "a cancellation for deceit": (
                (("act",), "ACT_CANCEL"),
                (("by_fault_of_applicant",), True),
            ),
        }.items()
    ),
    Bad("an act by a portal", STANDING),
    Bad("an act by a clerk whom the token does not name", STANDING, token=nobody),
    Bad("an answer to no proposal", ANSWER, token=clerk),
    Bad("an answer beyond the trail", ANSWER, ((("proposal_index",), 10**12),), token=clerk),
    Bad("an answer in no words", ANSWER, ((("text",), " "),), token=clerk),
    Bad("a ticket that is not there", RESOLVE, token=clerk),
    Bad("a ticket resolved in no words", RESOLVE, ((("text",), ""),), token=clerk),
    *(
        Bad(
            name,
            DRAW,
            (((field,), dict(zip(("year", "month", "day"), day, strict=True))),),
            token=clerk,
        )
        for name, field, day in (
            ("a draw from the first day of all", "since", (1, 1, 1)),
            ("a draw until the last day of all", "until", (9999, 12, 31)),
        )
    ),
    Bad("a draw with a seed of a sentence", DRAW, ((("seed",), "any one"),), token=clerk),
    # what can be asked of the trail
    *(
        Bad(name, ENTRIES, edits=((("filter",), filter_),), token=auditor)
        for name, filter_ in {
            "a filter by a field that is misspelt": "mater = library_card",
            "a filter by a field that is none": "subject = 990000194001010015",
            "a filter without an operator": "matter",
            "a filter without a value": "matter =",
            "a filter with a bracket too few": "(matter = library_card",
            "a filter with a bracket too many": "matter = library_card)",
            "a filter in another language": "SELECT * FROM entries; --",
            "a filter for a person in place of a matter": "matter = 990000194001010015",
            "a filter for an outcome that is misspelt": "outcome = aproved",
            "a filter for a release that is misspelt": "release = old_age_allowance@2019-01-10",
            "a filter for a release of nobody": "release = flying_licence",
            "a filter that compares what has no order": "outcome > approved",
            "a filter for a reason that equals": "reasons = REQUIREMENT_UNKNOWN",
            "a filter for a reason in small letters": "reasons:unknown",
            "a filter for a requirement of another form": "requirements:9",
            "a filter for a status that is none": "requirements.R1 = yes",
            "a filter for a time without a zone": 'time > "2026-01-02T03:04:05"',
            "a filter for a day that February never has": "time > 2026-02-30",
            "a filter for an index below zero": "index = -1",
            "a filter for half a type": "type = decision/",
            "a filter for half a case": "case_id = 12",
            "a filter for a caller with a blank": 'caller = "a b"',
            "a filter of 2,001 characters": "x" * 2_001,
            "a filter seventeen brackets deep": "(" * 17,
            "a filter with fifty-one comparisons": "index = 1 " * 51,
        }.items()
    ),
    Bad("entries about nobody's document", ENTRIES, ((("subject",), {}),), token=auditor),
    Bad("entries by less than nothing", ENTRIES, ((("page_size",), -1),), token=auditor),
    Bad("entries on a page of nobody", ENTRIES, ((("page_token",), "MSAyIDM="),), token=auditor),
    Bad("accesses to nobody's data", ACCESSES, ((("subject",), GONE),), token=auditor),
    Bad("an entry below zero", ENTRY, ((("index",), -1),), token=auditor),
    Bad("an entry that is not there", ENTRY, ((("index",), 10**12),), token=auditor),
    Bad("a replay of an entry that is not there", REPLAY, ((("index",), 10**12),), token=auditor),
    Bad("the timeline of a case of nobody", TIMELINE, ((("case_id",), "f" * 32),), token=auditor),
    Bad("statistics by a filter that is none", STATS, ((("filter",), "?"),), token=auditor),
    Bad("replays by a filter that is none", REPLAYS, ((("filter",), "?"),), token=auditor),
    Bad("a simulation of nothing", SIMULATE, (), token=auditor),
    Bad("a simulation of no release", SIMULATE, ((("release",), "e30="),), token=auditor),
    Bad(
        "a disclosure to no key",
        DISCLOSE,
        ((("recipient",), "age1x"), (("justification",), WHY)),
        token=auditor,
    ),
    # what can be asked at the counter
    at_counter("referrals of a kind of tomorrow", REFERRALS, (("whose",), 9)),
    at_counter("referrals by less than nothing", REFERRALS, (("page_size",), -1)),
    at_counter("referrals on a page of nobody", REFERRALS, (("page_token",), "WzEsIDJd")),
    at_counter("referrals of a matter in capitals", REFERRALS, (("matter",), "CARD")),
    at_counter(
        "referrals due before 1970", REFERRALS, (("promised_before_time",), "1969-12-31T00:00:00Z")
    ),
    at_counter("the dossier of a case of nobody", DOSSIER, (("case_id",), "f" * 32)),
    at_counter("a claim without an etag", CLAIM, (("etag",), "")),
    at_counter("a claim with an etag in brackets", CLAIM, (("etag",), 'W/"1"')),
    at_counter("a claim with an old etag", CLAIM),
    at_counter("a release with an old etag", RELEASE),
    at_counter("a paper without a name", ATTACH, (("name",), " ")),
    at_counter("a paper of a kind that is not taken", ATTACH, (("media_type",), "text/html")),
    at_counter("a paper that is no such file", ATTACH, (("media_type",), "image/png")),
    at_counter(
        "a paper that is too large",
        ATTACH,
        (("content",), base64.b64encode(b"%PDF-" + bytes(512 * 1024)).decode()),
    ),
    at_counter("a paper that is not there", PAPER),
    at_counter(
        "a determination of nothing",
        DETERMINE,
        (("result",), GONE),
        (("reason",), GONE),
    ),
    at_counter("a determination of tomorrow", DETERMINE, (("result",), 9)),
    at_counter("a determination without words", DETERMINE, (("reason", "zh"), "")),
    at_counter("a ground of nobody", DETERMINE, (("ground", "reason"), "because")),
    at_counter("a ground without a reason", DETERMINE, (("ground", "reason"), "")),
    at_counter("a ticket with a blank", DETERMINE, (("ground", "ticket"), "No 1")),
    at_counter("a citation of 201 characters", DETERMINE, (("ground", "citation"), "条" * 201)),
    at_counter("a finding without a value", DETERMINE, (("findings", "applicant.a"), {})),
    at_counter("a finding under a key that is none", DETERMINE, (("findings", "§"), {"text": "x"})),
    at_counter("the same paper twice", DETERMINE, (("papers",), [1, 1])),
    at_counter("twenty-one papers", DETERMINE, (("papers",), [*range(21)])),
    at_counter("the same field twice", DETERMINE, (("fields",), ["a.b", "a.b"])),
    at_counter("a determination with an old etag", DETERMINE),
    at_counter("an override that asks for corrections", OVERRIDE, (("result",), "RESULT_CORRECT")),
    at_counter("an override without a ground", OVERRIDE, (("ground",), GONE)),
    at_counter("a confirmation without a reason", CONFIRM, (("reason",), "")),
    at_counter("a return that turns its direction", RETURN, (("reason",), "\u202ex")),
    at_counter("overrides by a filter that is none", OVERRIDES, (("filter",), "?")),
    at_counter("overrides on a page of nobody", OVERRIDES, (("page_token",), "e30=")),
    at_counter("override statistics by a filter that is none", OVERRIDE_STATS, (("filter",), "?")),
    at_counter("a sample of no month", SAMPLE, (("month",), GONE)),
    at_counter(
        "a sample of the last month of all",
        SAMPLE,
        (("month",), {"year": 9999, "month": 12, "day": 1}),
    ),
    at_counter("a sample of more than all", SAMPLE, (("share_percent",), 101)),
    at_counter("a second look at what is not there", SECOND_LOOK, (("index",), 10**12)),
    at_counter("a second look at what no person decided", SECOND_LOOK, (("index",), 0)),
    Bad("the counter by a portal", DOSSIER),
    Bad(
        "a dossier by a clerk whom the token does not name",
        DOSSIER,
        token=lambda town: town.wire.bearer("clerk", person=""),
    ),
    # what is kept
    Bad("an erasure of nobody", ERASE, token=officer),
    Bad("an erasure on no ground", ERASE, ((("ground",), GONE),), token=officer),
    Bad("a hold on nothing", HOLD, ((("matter",), GONE),), token=officer),
    Bad(
        "a hold on a case of nobody",
        HOLD,
        ((("matter",), GONE), (("case_id",), "f" * 32)),
        token=officer,
    ),
    Bad("a hold lifted that there is not", LIFT, token=officer),
    Bad(
        "retention without a law", RETAIN, ((("justification", "legal_basis"), " "),), token=officer
    ),
    Bad(
        "retention that names somebody",
        RETAIN,
        ((("justification", "reason"), "应当事人 13800000000 要求"),),
        token=officer,
    ),
    # bytes
    Bad("bytes that are no message", mangled=lambda _: b"\xff\xff\xff\xff"),
    Bad("a message that ends too early", mangled=lambda raw: raw[:-3]),
    Bad("half a character", mangled=lambda raw: raw.replace(b"portal", b"por\xe4\xb8l")),
    Bad("half of a pair", mangled=lambda raw: raw.replace(b"portal", b"\xed\xa0\x80tal")),
    Bad("a field of tomorrow", mangled=lambda raw: raw + TOMORROW),
    Bad("a field of tomorrow in a party", mangled=lambda raw: in_a_party(raw, TOMORROW)),
    Bad("a field of tomorrow for GetMatter", GET, mangled=lambda raw: raw + TOMORROW),
    Bad("a number in place of a text", method=GET, mangled=lambda _: b"\x08\x01"),
    # time
    Bad("a deadline below the matter's", timeout_s=0.25),
]


# ── who calls ────────────────────────────────────────────────────────────────────────────────────


def with_token(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


def b64(part: bytes | dict[str, Any]) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def resigned(town: Town, header: dict[str, Any], sign: Callable[[bytes], bytes]) -> Metadata:
    """The portal's token with another header, signed anew."""
    claims = town.wire.bearer()[0][1].split(".")[1]
    head = f"{b64(header)}.{claims}"
    return with_token(f"{head}.{b64(sign(head.encode()))}")


def confused(town: Town) -> Metadata:
    """HS256 keyed with our public key, which everybody has (RFC 8725 section 2.1)."""
    public = public_jwks(service.PRIVATE).encode()
    return resigned(town, {"alg": "HS256"}, lambda head: hmac.digest(public, head, hashlib.sha256))


def of_somebody_else(town: Town) -> Metadata:
    lifetime = timedelta(hours=1)
    parts = {"subject": "portal-test", "role": "portal", "audience": "miaopi", "issuer": "city"}
    return with_token(issue(new_private_key(), **parts, lifetime=lifetime, now=town.clock()))


HOUR = timedelta(hours=1)
TOKENS = [
    Bad("no token", token=lambda _: ()),
    Bad("another scheme", token=lambda _: (("authorization", "Basic dTpw"),)),
    Bad("an empty token", token=lambda _: (("authorization", "Bearer "),)),
    Bad("two tokens", token=lambda town: (*town.wire.bearer(), *town.wire.bearer())),
    Bad("a token that is none", token=lambda _: with_token("a.b.c")),
    Bad("a token of 7,000 characters", token=lambda _: with_token("x" * 7_000)),
    Bad(
        "a token that is unsigned",
        token=lambda town: resigned(town, {"alg": "none"}, lambda _: b""),
    ),
    Bad("a token signed with the public key", token=confused),
    Bad("a token signed by somebody else", token=of_somebody_else),
    Bad("a token for another service", token=lambda town: town.wire.bearer(audience="tax")),
    Bad("a token of another issuer", token=lambda town: town.wire.bearer(issuer="tax")),
    Bad("a token of a person", token=lambda town: town.wire.bearer(subject="张三")),
    Bad("a token in no role", token=lambda town: town.wire.bearer("root")),
    Bad("a token of yesterday", token=lambda town: town.wire.bearer(now=town.clock() - 24 * HOUR)),
    Bad("a token of tomorrow", token=lambda town: town.wire.bearer(now=town.clock() + 24 * HOUR)),
    Bad("an application by an auditor", token=lambda town: town.wire.bearer("auditor")),
    Bad("a token before the bytes", token=lambda _: (), mangled=lambda _: b"\xff"),
    Bad(
        "a token that names a person in clear",
        token=lambda town: town.wire.bearer("clerk", person="990000195012010014"),
    ),
    Bad("a case read by a clerk", CASE, token=lambda town: town.wire.bearer("clerk")),
]
CASES = {one.name: one for one in (*REQUESTS, *TOKENS)}


# ── what comes back ──────────────────────────────────────────────────────────────────────────────


class Standing:
    """A clock that stands still."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    tmp_path_factory: pytest.TempPathFactory, published: Catalogue, people: City
) -> AsyncIterator[Town]:
    clock = Standing(NOW)
    async with service.town(tmp_path_factory.mktemp("town"), published, people, clock) as town:
        yield town


@pytest.fixture(scope="module")
def person(people: City) -> Person:
    return people.cast(NOW.date())["aged_75"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def case_id(town: Town, people: City) -> str:
    """A case of the portal that has a decision."""
    asked = service.application(people.cast(NOW.date())["aged_75"], NOW)
    answered = await town.wire.call(DECIDE, service.message(DECIDE, asked))
    return DecideResponse.FromString(answered.responses[0]).decision.case_id


def edited(right: dict[str, Any], edits: tuple[Edit, ...]) -> dict[str, Any]:
    wrong = deepcopy(right)
    for path, to in edits:
        place: Any = wrong
        for step in path[:-1]:
            place = place[step]
        if to is GONE:
            del place[path[-1]]
        elif isinstance(place, list) and path[-1] == len(place):
            place.append(to)
        else:
            place[path[-1]] = to
    return wrong


async def put(
    one: Bad, town: Town, person: Person, case_id: str, *, as_json: bool = False
) -> Answer:
    """Make the call."""
    message: Message = service.message(
        one.method, edited(service.right(one.method, person, NOW, case_id), one.edits)
    )
    if as_json:
        return await town.json.call(
            one.method, message, metadata=one.token(town), timeout_s=one.timeout_s
        )
    return await town.wire.call(
        one.method,
        one.mangled(message.SerializeToString()),
        metadata=one.token(town),
        timeout_s=one.timeout_s,
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("name", "as_json"),
    [
        *((name, False) for name in CASES),
        *((name, True) for name, one in CASES.items() if one.mangled is bytes),
    ],
)
async def test_what_is_wrong_is_told_word_for_word_and_leaves_no_trace(
    name: str,
    as_json: bool,  # noqa: FBT001 - a case
    town: Town,
    person: Person,
    case_id: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By gRPC and as JSON over HTTP alike, but for bytes, which each has of its own."""
    before = town.traces

    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        answered = await put(CASES[name], town, person, case_id, as_json=as_json)

    assert in_words(answered) == ERRORS[name]
    assert answered.responses == ()
    assert answered.details["ErrorInfo"].domain == "decision-service.test"
    assert answered.details["LocalizedMessage"].locale == "zh-CN"
    assert town.traces == before
    for word in (person.id_number, "13800000000"):
        assert word not in answered.words
        assert word not in f"{logs} {caplog.text}"


def test_the_golden_file_has_no_word_that_nobody_reads() -> None:
    assert sorted(ERRORS) == sorted(CASES)
