"""Every field of a request that can be wrong, alone and all at once."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from decision_service.errors import InvalidRequestError
from decision_service.server import reading
from decision_service.server.call import Call
from decision_service.server.identity import Caller
from decision_service.v1 import case_pb2, decision_pb2, matter_pb2

CALL = Call(Caller("c", "portal"), datetime(2026, 11, 24, tzinfo=UTC), math.inf)

Change = Callable[[decision_pb2.DecideRequest], object]


def right() -> decision_pb2.DecideRequest:
    """A request in which nothing is wrong."""
    asked = decision_pb2.DecideRequest(
        matter="old_age_allowance",
        request_id="2b1d0c3e-7c52-4a3b-9d1e-0123456789ab",
        channel="portal",
    )
    party = asked.parties.add(role="applicant")
    party.documents.add(kind="resident_id", number="990000194001010015")
    asked.authority.person.CopyFrom(party)
    asked.authority.assurance_level = 2  # type: ignore[assignment]  # ASSURANCE_LEVEL_SUBSTANTIAL
    asked.authority.authentication_time.seconds = 1_790_000_000
    asked.authority.consent.notice_version = "2026-01"
    asked.authority.consent.time.seconds = 1_790_000_000
    asked.authority.consent.evidence_types.append("population_register")
    asked.answers["applicant.mobile"].text = "13800000000"
    asked.contests.add(concept="applicant.birth_date", claimed="1940-01-02", text="错了\n两处")
    return asked


def test_nothing_is_wrong_in_what_is_right() -> None:
    read = reading.read_application(right(), caller="portal-luohu")

    assert read.caller == "portal-luohu"
    assert read.subject == "resident_id:990000194001010015"
    assert read.contests[0].text == "错了\n两处"


def put(path: str, value: Any) -> Change:
    """Set a field of the request, e.g. ``authority.agent_for``."""

    def change(asked: decision_pb2.DecideRequest) -> None:
        *way, last = path.split(".")
        part: Any = asked
        for step in way:
            part = part[int(step)] if step.isdigit() else getattr(part, step)
        setattr(part, last, value)

    return change


def answer(kind: str, value: Any) -> Change:
    def change(asked: decision_pb2.DecideRequest) -> None:
        setattr(asked.answers["applicant.mobile"], kind, value)

    return change


def day(year: int, month: int, day: int) -> Change:
    def change(asked: decision_pb2.DecideRequest) -> None:
        found = asked.answers["applicant.mobile"].date
        found.year, found.month, found.day = year, month, day

    return change


def another(role: str, kind: str = "resident_id") -> Change:
    def change(asked: decision_pb2.DecideRequest) -> None:
        asked.parties.add(role=role).documents.add(kind=kind, number="1")

    return change


ANSWER = 'answers["applicant.mobile"]'
DOCUMENT = "parties[0].documents[0]"


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        (put("matter", ""), "matter", "REQUIRED"),
        (put("matter", "Old age"), "matter", "MALFORMED"),
        (put("matter", "m" * 65), "matter", "MALFORMED"),
        (put("matter", "matter\n"), "matter", "MALFORMED"),
        (put("channel", ""), "channel", "REQUIRED"),
        (put("request_id", ""), "request_id", "REQUIRED"),
        (put("request_id", "2b1d0c3e-7c52-1a3b-9d1e-0123456789ab"), "request_id", "MALFORMED"),
        (put("request_id", "{2b1d0c3e-7c52-4a3b-9d1e-0123456789ab}"), "request_id", "MALFORMED"),
        (put("case_id", "1"), "case_id", "MALFORMED"),
        (lambda asked: asked.ClearField("parties"), "parties", "REQUIRED"),
        (
            lambda asked: [another("household_member")(asked) for _ in range(20)],
            "parties",
            "TOO_MANY",
        ),
        (another("applicant"), "parties", "DUPLICATE"),
        (put("parties.0.role", "king"), "parties[0].role", "UNKNOWN_ROLE"),
        (
            lambda asked: asked.parties[0].ClearField("documents"),
            "parties[0].documents",
            "REQUIRED",
        ),
        (
            lambda asked: asked.parties[0].documents.add(kind="resident_id", number="2"),
            "parties[0].documents",
            "DUPLICATE",
        ),
        (
            lambda asked: [
                asked.parties[0].documents.add(kind=f"kind_{n}", number="2") for n in range(10)
            ],
            "parties[0].documents",
            "TOO_MANY",
        ),
        (put("parties.0.documents.0.kind", ""), f"{DOCUMENT}.kind", "REQUIRED"),
        (put("parties.0.documents.0.number", ""), f"{DOCUMENT}.number", "REQUIRED"),
        (put("parties.0.documents.0.number", "99 00"), f"{DOCUMENT}.number", "MALFORMED"),
        (put("parties.0.documents.0.number", "1" * 65), f"{DOCUMENT}.number", "MALFORMED"),
        (put("parties.0.documents.0.number", "1\x7f"), f"{DOCUMENT}.number", "MALFORMED"),
        (put("authority.assurance_level", 0), "authority.assurance_level", "REQUIRED"),
        (put("authority.assurance_level", 9), "authority.assurance_level", "UNKNOWN_VALUE"),
        (put("authority.agent_for", "king"), "authority.agent_for", "UNKNOWN_ROLE"),
        (put("authority.person.role", ""), "authority.person.role", "UNKNOWN_ROLE"),
        (
            lambda asked: asked.authority.ClearField("authentication_time"),
            "authority.authentication_time",
            "REQUIRED",
        ),
        (
            put("authority.authentication_time.nanos", -1),
            "authority.authentication_time",
            "NOT_A_TIME",
        ),
        (
            put("authority.authentication_time.seconds", 253_402_300_800),
            "authority.authentication_time",
            "NOT_A_TIME",
        ),
        (lambda asked: asked.authority.ClearField("consent"), "authority", "REQUIRED"),
        (
            put("authority.consent.notice_version", ""),
            "authority.consent.notice_version",
            "REQUIRED",
        ),
        (
            lambda asked: asked.authority.consent.ClearField("time"),
            "authority.consent.time",
            "REQUIRED",
        ),
        (
            lambda asked: asked.authority.consent.evidence_types.append("population_register"),
            "authority.consent.evidence_types",
            "DUPLICATE",
        ),
        (
            lambda asked: asked.authority.consent.evidence_types.append("*"),
            "authority.consent.evidence_types[1]",
            "MALFORMED",
        ),
        (
            put("authority.statutory_duty.article", " "),
            "authority.statutory_duty.article",
            "REQUIRED",
        ),
        (
            put("authority.statutory_duty.article", "条" * 201),
            "authority.statutory_duty.article",
            "TOO_LONG",
        ),
        (lambda asked: asked.answers["a b"].SetInParent(), "answers", "MALFORMED"),
        (lambda asked: asked.answers["a"].SetInParent(), 'answers["a"]', "REQUIRED"),
        (
            lambda asked: [answer_at(asked, f"a{n}") for n in range(200)],
            "answers",
            "TOO_MANY",
        ),
        *((answer("number", typed), ANSWER, "NOT_A_NUMBER") for typed in (
            "", "1e3", "NaN", "Infinity", "+1", "01", ".5", "5.", "1,000", "-0", "-0.00", "1\n",
            "１", "1" * 35, "0." + "1" * 34,
        )),
        (day(2026, 2, 29), ANSWER, "NOT_A_DATE"),
        (day(2026, 0, 0), ANSWER, "NOT_A_DATE"),
        (day(0, 1, 1), ANSWER, "NOT_A_DATE"),
        (day(10_000, 1, 1), ANSWER, "NOT_A_DATE"),
        (answer("option", ""), ANSWER, "REQUIRED"),
        (answer("option", "two words"), ANSWER, "MALFORMED"),
        (answer("text", "字" * 2001), ANSWER, "TOO_LONG"),
        (answer("text", "a\x00b"), ANSWER, "CONTROL_CHARACTER"),
        (answer("text", "a\u202eb"), ANSWER, "CONTROL_CHARACTER"),
        (put("contests.0.concept", ""), "contests[0].concept", "REQUIRED"),
        (put("contests.0.claimed", "字" * 201), "contests[0].claimed", "TOO_LONG"),
        (put("contests.0.text", "字" * 2001), "contests[0].text", "TOO_LONG"),
        (
            lambda asked: asked.contests.add(concept="applicant.birth_date"),
            "contests",
            "DUPLICATE",
        ),
        (
            lambda asked: [asked.contests.add(concept=f"c{n}") for n in range(50)],
            "contests",
            "TOO_MANY",
        ),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_its_reason_and_no_other_is(
    change: Change, field: str, reason: str
) -> None:
    asked = right()
    change(asked)

    with pytest.raises(InvalidRequestError) as caught:
        reading.read_application(asked, caller="c")

    assert [(one.field, one.reason) for one in caught.value.fields] == [(field, reason)]


def answer_at(asked: decision_pb2.DecideRequest, key: str) -> None:
    asked.answers[key].boolean = True


@pytest.mark.parametrize("typed", ["0", "0.00", "-1", "200.00", "9" * 34, "0." + "1" * 33])
def test_a_plain_decimal_keeps_every_digit_that_was_written(typed: str) -> None:
    asked = right()
    asked.answers["applicant.mobile"].number = typed

    read = reading.read_application(asked, caller="c")

    assert format(read.answers["applicant.mobile"], "f") == typed


def test_an_empty_request_is_told_everything_that_is_missing_at_once() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        reading.read_application(decision_pb2.DecideRequest(), caller="c")

    assert {one.field for one in caught.value.fields} == {
        "matter",
        "request_id",
        "channel",
        "parties",
        "authority",
        "authority.person.role",
        "authority.person.documents",
        "authority.assurance_level",
        "authority.authentication_time",
    }


def test_a_wrong_value_is_never_quoted_because_it_could_be_a_persons() -> None:
    asked = right()
    asked.parties[0].documents[0].number = "9900 0019 4001 0100 15"
    asked.answers["张三 990000"].text = "x"

    with pytest.raises(InvalidRequestError) as caught:
        reading.read_application(asked, caller="c")

    told = f"{caught.value} {caught.value.zh} {caught.value.fields}"
    assert "9900" not in told
    assert "张三" not in told


def test_the_words_for_a_wrong_field_are_these() -> None:
    asked = right()
    asked.answers["applicant.income"].number = "1,000"

    with pytest.raises(InvalidRequestError) as caught:
        reading.read_application(asked, caller="c")

    (violation,) = caught.value.fields
    assert violation.message == "must be a plain decimal of at most 34 digits, e.g. `200.00`"
    assert violation.zh == 'answers["applicant.income"] 应为不超过34位的十进制数，如 200.00'


@pytest.mark.parametrize(
    ("size", "expected"), [(0, 50), (1, 1), (200, 200), (201, 200), (2**31 - 1, 200)]
)
def test_a_page_is_as_long_as_asked_and_never_longer_than_allowed(size: int, expected: int) -> None:
    assert reading.read_listing(matter_pb2.ListMattersRequest(page_size=size))[0] == expected


def test_an_index_below_zero_and_a_negative_page_are_refused() -> None:
    with pytest.raises(InvalidRequestError) as page:
        reading.read_listing(matter_pb2.ListMattersRequest(page_size=-1))
    with pytest.raises(InvalidRequestError) as index:
        reading.read_receipt(case_pb2.GetReceiptRequest(case_id="0" * 32, index=-1), CALL)

    assert page.value.fields[0].field == "page_size"
    assert index.value.fields[0].field == "index"


def test_index_0_is_an_index_and_no_index_is_none() -> None:
    first = case_pb2.GetReceiptRequest(case_id="0" * 32, index=0)
    newest = case_pb2.GetReceiptRequest(case_id="0" * 32)

    assert reading.read_receipt(first, CALL)[:2] == ("0" * 32, 0)
    assert reading.read_receipt(newest, CALL)[:2] == ("0" * 32, None)
