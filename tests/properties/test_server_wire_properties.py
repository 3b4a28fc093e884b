"""The translation at the edge, over messages and values that nobody thought of."""

import string
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from decision_service import client, model
from decision_service.errors import InvalidRequestError
from decision_service.server import reading, writing
from decision_service.v1 import (
    case_pb2,
    decision_pb2,
    matter_pb2,
    prefill_pb2,
    vocabulary_pb2,
)

# ── messages of any content ──────────────────────────────────────────────────────────────────────

WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "applicant", "resident_id", "990000194001010015", "portal", "2026-01", "population_register",
            "-0", "1e3", "NaN", "1" * 35, "0.10", "a.b", "\u202e", "\x00", "x" * 2001,
        ]
    ),
)  # fmt: skip
SCALARS: Mapping[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: WORDS,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1) | st.integers(-1, 32),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 32),
    FieldDescriptor.TYPE_ENUM: st.integers(0, 9),
}


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor) -> Message:
    """Any message of the type: fields absent, present, repeated, and of any content."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            values = messages(entry.fields_by_name["value"].message_type)
            for key, value in draw(st.dictionaries(WORDS, values, max_size=3)).items():
                getattr(message, field.name)[key].CopyFrom(value)
        elif field.is_repeated:
            element = messages(entry) if entry is not None else SCALARS[field.type]
            getattr(message, field.name).extend(draw(st.lists(element, max_size=3)))
        elif draw(st.integers(0, 9)) > 0:
            if entry is not None:
                getattr(message, field.name).CopyFrom(draw(messages(entry)))
            else:
                setattr(message, field.name, draw(SCALARS[field.type]))
    return message


READERS: list[tuple[type[Message], Callable[[Any], object]]] = [
    (decision_pb2.DecideRequest, lambda asked: reading.read_application(asked, caller="c")),
    (prefill_pb2.PrefillRequest, lambda asked: reading.read_prefill(asked, caller="c")),
    (matter_pb2.GetMatterRequest, reading.read_matter),
    (matter_pb2.ListMattersRequest, reading.read_listing),
    (case_pb2.GetCaseRequest, reading.read_case),
    (case_pb2.GetReceiptRequest, reading.read_receipt),
]


@pytest.mark.parametrize(("kind", "read"), READERS, ids=lambda one: getattr(one, "__name__", ""))
@given(data=st.data())
def test_any_message_is_read_or_refused_by_its_fields_and_nothing_else_happens(
    kind: type[Message], read: Callable[[Any], object], data: st.DataObject
) -> None:
    """A request can only be right, or wrong in fields that it has: never crash, never echo."""
    message = data.draw(messages(kind.DESCRIPTOR))
    try:
        read(message)
    except InvalidRequestError as error:
        assert error.fields
        for violation in error.fields:
            head = violation.field.split(".")[0].split("[")[0]
            assert head in kind.DESCRIPTOR.fields_by_name
            assert violation.reason.isupper()
            assert violation.zh.startswith(violation.field)


# ── what our client sends is what the service reads ──────────────────────────────────────────────

ID = st.text(string.ascii_lowercase + "_", min_size=1, max_size=10).map(lambda word: f"a{word}")
SEEN = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="\x7f"),
    min_size=1,
    max_size=20,
)
TIMES = st.datetimes(
    datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)  # noqa: DTZ001
)
DAYS = st.dates()
NUMBERS = st.builds(
    lambda whole, scale: Decimal(whole).scaleb(-scale), st.integers(-(10**20), 10**20), st.integers(0, 9)
)  # fmt: skip
VALUES: st.SearchStrategy[model.Value] = st.booleans() | NUMBERS | DAYS | SEEN
DOCUMENTS = st.lists(
    st.builds(model.Document, kind=ID, number=SEEN), min_size=1, max_size=3, unique_by=lambda d: d.kind
).map(tuple)  # fmt: skip
PARTIES = st.lists(
    st.builds(
        model.Party,
        role=st.sampled_from(["applicant", "organisation", "agent", "guardian"]),
        documents=DOCUMENTS,
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda party: party.role,
).map(tuple)
AUTHORITY = st.builds(
    model.Authority,
    person=PARTIES.map(lambda parties: parties[0]),
    assurance_level=st.sampled_from(model.AssuranceLevel),
    authentication_time=TIMES,
    agent_for=st.sampled_from(["", "guardian"]),
    basis=st.builds(
        model.Consent,
        notice_version=ID,
        time=TIMES,
        evidence_types=st.lists(ID, unique=True, max_size=4).map(tuple),
    )
    | st.builds(model.StatutoryDuty, article=SEEN),
)
APPLICATIONS = st.fixed_dictionaries(
    {
        "matter": ID,
        "request_id": st.uuids(version=4).map(str),
        "channel": ID,
        "parties": PARTIES,
        "authority": AUTHORITY,
        "answers": st.dictionaries(ID, VALUES, max_size=5),
        "contests": st.lists(
            st.builds(model.Contest, concept=ID, claimed=SEEN, text=SEEN),
            max_size=3,
            unique_by=lambda contest: contest.concept,
        ).map(tuple),
        "case_id": st.just("") | st.binary(min_size=16, max_size=16).map(bytes.hex),
        "person_requested": st.booleans(),
    }
)


def sent(asked: dict[str, Any]) -> decision_pb2.DecideRequest:
    """The message that the client makes of an application."""
    return client.decide_request(**asked)


@given(asked=APPLICATIONS)
def test_what_the_client_sends_is_what_the_service_reads(asked: dict[str, Any]) -> None:
    """Vocabulary → message → bytes → message → vocabulary changes nothing."""
    wire = sent(asked).SerializeToString()

    read = reading.read_application(decision_pb2.DecideRequest.FromString(wire), caller="c")

    assert read.model_dump(exclude={"caller", "content_digest"}) == (
        model.Application(caller="c", content_digest="", **asked).model_dump(
            exclude={"caller", "content_digest"}
        )
    )
    assert {key: str(value) for key, value in read.answers.items()} == {
        key: str(value) for key, value in asked["answers"].items()
    }, "1.0 and 1.00 are equal numbers but not the same answer"


@given(asked=APPLICATIONS, shuffled=st.randoms())
def test_the_digest_names_what_was_asked_and_not_how_it_was_written(
    asked: dict[str, Any], shuffled: Any
) -> None:
    """The order of keys, and the case of the request's id, are not what an applicant asks for."""
    pairs = list(asked["answers"].items())
    shuffled.shuffle(pairs)
    again = asked | {"answers": dict(pairs), "request_id": asked["request_id"].upper()}

    first, second = (reading.read_application(sent(one), caller="c") for one in (asked, again))

    assert first == second


@given(asked=APPLICATIONS, data=st.data())
def test_another_request_has_another_digest(asked: dict[str, Any], data: st.DataObject) -> None:
    """Else a reused ``request_id`` would return the decision of another application."""
    part = data.draw(st.sampled_from(sorted(asked)))
    other = asked | {part: data.draw(APPLICATIONS)[part]}

    first, second = (reading.read_application(sent(one), caller="c") for one in (asked, other))

    assert (first.content_digest == second.content_digest) == (
        sent(asked).SerializeToString(deterministic=True)
        == sent(other).SerializeToString(deterministic=True)
    )
    if first != second:
        assert first.content_digest != second.content_digest
