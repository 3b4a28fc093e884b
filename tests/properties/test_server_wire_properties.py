"""The translation at the edge, over messages and values that nobody thought of."""

# ruff: noqa: N802, ARG002 - handlers have the contract's names and gRPC's arguments

import math
import re
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decision_service import client, model
from decision_service.errors import InvalidRequestError
from decision_service.server import reading, writing
from decision_service.server.call import Call
from decision_service.server.identity import Caller
from decision_service.v1 import case_pb2, decision_pb2, decision_pb2_grpc, matter_pb2, prefill_pb2
from decision_service.v1 import vocabulary_pb2 as pb
from tests.messages import messages

# ── messages of any content ──────────────────────────────────────────────────────────────────────


@contextmanager
def wrong_only_in_fields_of(kind: type[Message]) -> Iterator[None]:
    try:
        yield
    except InvalidRequestError as error:
        heads = {re.split(r"[.\[]", violation.field)[0] for violation in error.fields}
        if not heads or heads - set(kind.DESCRIPTOR.fields_by_name):
            raise AssertionError(f"{heads} are not fields of the request") from error
        raise


CALL = Call(Caller("c", "portal"), datetime(2026, 11, 24, tzinfo=UTC), math.inf)

READERS: list[tuple[type[Message], Callable[[Any], object]]] = [
    (decision_pb2.DecideRequest, lambda asked: reading.read_application(asked, caller="c")),
    (prefill_pb2.PrefillRequest, lambda asked: reading.read_prefill(asked, caller="c")),
    (matter_pb2.GetMatterRequest, reading.read_matter),
    (matter_pb2.ListMattersRequest, reading.read_listing),
    (case_pb2.GetCaseRequest, lambda asked: reading.read_case(asked, CALL)),
    (case_pb2.GetReceiptRequest, lambda asked: reading.read_receipt(asked, CALL)),
]


@pytest.mark.parametrize(("kind", "read"), READERS, ids=lambda one: getattr(one, "__name__", ""))
@given(data=st.data())
def test_any_message_is_read_or_refused_by_its_fields_and_nothing_else_happens(
    kind: type[Message], read: Callable[[Any], object], data: st.DataObject
) -> None:
    """A request can only be right, or wrong in fields that it has: never crash, never echo."""
    message = data.draw(messages(kind.DESCRIPTOR))
    with suppress(InvalidRequestError), wrong_only_in_fields_of(kind):
        read(message)


# ── what our client sends is what the service reads ──────────────────────────────────────────────

ID = st.text(string.ascii_lowercase + "_", min_size=1, max_size=10).map(lambda word: f"a{word}")
SEEN = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="\x7f"),
    min_size=1,
    max_size=20,
)
TIMES = st.integers(0, 253_402_300_799_999_999).map(
    lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
)
DAYS = st.dates()
NUMBERS = st.tuples(st.integers(-(10**20), 10**20), st.integers(0, 9)).map(
    lambda parts: Decimal(parts[0]).scaleb(-parts[1])
)
VALUES: st.SearchStrategy[model.Value] = st.booleans() | NUMBERS | DAYS | SEEN
DOCUMENTS = st.lists(
    st.builds(model.Document, kind=ID, number=SEEN),
    min_size=1,
    max_size=3,
    unique_by=lambda document: document.kind,
).map(tuple)
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


class Postbox(decision_pb2_grpc.DecisionServiceServicer):
    """Keeps what arrives."""

    async def Decide(self, request: Any, context: Any) -> decision_pb2.DecideResponse:
        self.arrived = request
        return decision_pb2.DecideResponse()


Send = Callable[[dict[str, Any]], Awaitable[decision_pb2.DecideRequest]]


@pytest.fixture
async def send() -> AsyncIterator[Send]:
    """Send an application with the client, over a socket, and see the message that arrives."""
    postbox, server = Postbox(), grpc.aio.server()
    decision_pb2_grpc.add_DecisionServiceServicer_to_server(postbox, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with client.Client(f"127.0.0.1:{port}", token="") as caller:

        async def sent(asked: dict[str, Any]) -> decision_pb2.DecideRequest:
            await caller.decide(**asked)
            return postbox.arrived

        yield sent
    await server.stop(0.1)


one_server_for_all = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def read(arrived: decision_pb2.DecideRequest) -> model.Application:
    return reading.read_application(arrived, caller="c")


@one_server_for_all
@given(asked=APPLICATIONS)
async def test_what_the_client_sends_is_what_the_service_reads(
    send: Send, asked: dict[str, Any]
) -> None:
    """Vocabulary → message → bytes → message → vocabulary changes nothing."""
    arrived = read(await send(asked))

    rest = {"caller": "c", "content_digest": arrived.content_digest}
    assert arrived == model.Application(**rest, **asked)
    # 1.0 and 1.00 are equal numbers but not the same answer.
    assert {key: str(value) for key, value in arrived.answers.items()} == {
        key: str(value) for key, value in asked["answers"].items()
    }


@one_server_for_all
@given(asked=APPLICATIONS, shuffle=st.randoms())
async def test_the_digest_names_what_was_asked_and_not_how_it_was_written(
    send: Send, asked: dict[str, Any], shuffle: Any
) -> None:
    """The order of keys, and the case of the request's id, are not what an applicant asks for."""
    pairs = list(asked["answers"].items())
    shuffle.shuffle(pairs)
    again = asked | {"answers": dict(pairs), "request_id": asked["request_id"].upper()}

    assert read(await send(asked)) == read(await send(again))


@one_server_for_all
@given(asked=APPLICATIONS, other=APPLICATIONS, data=st.data())
async def test_another_request_has_another_digest(
    send: Send, asked: dict[str, Any], other: dict[str, Any], data: st.DataObject
) -> None:
    """Else a reused ``request_id`` would return the decision of another application."""
    part = data.draw(st.sampled_from(sorted(asked)))

    first, second = read(await send(asked)), read(await send(asked | {part: other[part]}))

    same = repr(getattr(first, part)) == repr(getattr(second, part))
    assert (first.content_digest == second.content_digest) is same


# ── what the service decided is what the caller sees ─────────────────────────────────────────────

TEXTS = st.builds(model.Text, zh=SEEN, en=SEEN)
INSTANTS = TIMES.map(lambda instant: instant.replace(microsecond=0))
OPTION = model.OptionType(options={"a": model.Text(zh="甲", en="a")})
REASONS = st.lists(
    st.builds(
        model.Reason,
        code=SEEN,
        text=TEXTS,
        requirement=SEEN,
        title=st.none() | TEXTS,
        field=SEEN,
        legal_basis=st.lists(
            st.builds(model.LegalBasis, number=SEEN, instrument=SEEN, article=SEEN), max_size=2
        ).map(tuple),
        used=st.lists(
            st.builds(
                model.Used,
                concept=ID,
                name=TEXTS,
                value=TEXTS,
                source=SEEN,
                why=st.none() | st.sampled_from(model.Why),
            ),
            max_size=2,
        ).map(tuple),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
GRANTS = st.one_of(
    st.tuples(st.booleans(), st.just(model.BooleanType())),
    st.tuples(NUMBERS, st.builds(model.NumberType, unit=SEEN, scale=st.integers(0, 9))),
    st.tuples(DAYS, st.just(model.DateType())),
    st.tuples(SEEN, st.just(model.TextType())),
    st.tuples(st.just("a"), st.just(OPTION)),
).flatmap(
    lambda pair: st.builds(
        model.Granted,
        id=ID,
        name=TEXTS,
        value=st.just(pair[0]),
        type=st.just(pair[1]),
        display=TEXTS,
    )
)
OUTCOMES: st.SearchStrategy[model.Outcome] = st.one_of(
    st.builds(model.Approved, grant=st.lists(GRANTS, max_size=3).map(tuple), reasons=REASONS),
    st.builds(model.Refused, reasons=REASONS),
    st.builds(model.Referred, reasons=REASONS),
    st.builds(model.NeedsCorrection, reasons=REASONS),
    st.builds(
        model.Waiting,
        until=INSTANTS,
        waiting_for=st.lists(ID, min_size=1, max_size=3).map(tuple),
        reasons=REASONS,
    ),
)
EVIDENCE = st.builds(
    model.Evidence,
    query_id=SEEN,
    evidence_type=ID,
    about=ID,
    provider=TEXTS,
    status=st.sampled_from(model.EvidenceStatus),
    retrieved_at=INSTANTS,
    as_of=st.none() | INSTANTS,
)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
DECISIONS = st.builds(
    model.Decision,
    outcome=OUTCOMES,
    case_id=SEEN,
    case_number=SEEN,
    matter=ID,
    rules_effective_date=DAYS,
    release_digest=DIGESTS,
    filing_date=DAYS,
    decide_time=INSTANTS,
    evidence=st.lists(EVIDENCE, max_size=3).map(tuple),
    notice=TEXTS,
    remedies=st.builds(
        model.Remedies,
        reconsideration=st.builds(
            model.Reconsideration, organ=TEXTS, days=st.integers(60, 90), link=SEEN
        ),
        litigation=st.builds(model.Litigation, court=TEXTS, months=st.integers(6, 12)),
    ),
    receipt=st.builds(model.Receipt, index=st.integers(0, 2**62), leaf_hash=DIGESTS),
)


def text_of(text: pb.Text) -> model.Text:
    return model.Text(zh=text.zh, en=text.en)


def day_of(day: Any) -> date:
    return date(day.year, day.month, day.day)


def reasons_of(reasons: Iterable[pb.Reason]) -> tuple[model.Reason, ...]:
    return tuple(
        model.Reason(
            code=one.code,
            text=text_of(one.text),
            requirement=one.requirement,
            title=text_of(one.title) if one.HasField("title") else None,
            field=one.field,
            legal_basis=tuple(
                model.LegalBasis(number=law.number, instrument=law.instrument, article=law.article)
                for law in one.legal_basis
            ),
            used=tuple(
                model.Used(
                    concept=model.Concept(used.concept),
                    name=text_of(used.name),
                    value=text_of(used.value),
                    source=used.source,
                    why=model.Why(used.why) if used.why else None,
                )
                for used in one.used
            ),
        )
        for one in reasons
    )


def value_of(value: pb.Value) -> tuple[str, str]:
    """Kind and text of a value: 1.0 and 1.00 differ, and so do an option and a text."""
    kind = value.WhichOneof("kind") or ""
    found = getattr(value, kind)
    return kind, str(day_of(found) if kind == "date" else found)


def written(value: model.Value) -> str:
    """The one text form of a value."""
    return format(value, "f") if isinstance(value, Decimal) else str(value)


KINDS = {
    model.BooleanType: "boolean",
    model.NumberType: "number",
    model.DateType: "date",
    model.TextType: "text",
    model.OptionType: "option",
}


@given(decision=DECISIONS)
def test_an_outcome_reaches_the_caller_as_it_was_decided(decision: model.Decision) -> None:
    """Vocabulary → message → bytes → message → vocabulary loses no kind, reason or instant."""
    wire = pb.Decision.FromString(writing.write_decision(decision).SerializeToString())

    outcome, kind = decision.outcome, wire.WhichOneof("outcome")
    assert kind == outcome.kind
    assert reasons_of(getattr(wire, kind).reasons) == outcome.reasons
    if isinstance(outcome, model.Waiting):
        assert wire.waiting.until_time.ToDatetime(UTC) == outcome.until
        assert tuple(wire.waiting.evidence_types) == outcome.waiting_for
    if isinstance(outcome, model.Approved):
        assert [
            (one.id, text_of(one.name), value_of(one.value), one.unit)
            for one in wire.approved.grant
        ] == [
            (
                one.id,
                one.name,
                (KINDS[type(one.type)], written(one.value)),
                getattr(one.type, "unit", ""),
            )
            for one in outcome.grant
        ]


@given(decision=DECISIONS)
def test_a_decision_reaches_the_caller_with_all_that_makes_it_one(
    decision: model.Decision,
) -> None:
    """Which rules, which day, which registers, which remedies, and where in the trail."""
    wire = pb.Decision.FromString(writing.write_decision(decision).SerializeToString())

    assert (wire.case_id, wire.case_number, wire.matter) == (
        decision.case_id,
        decision.case_number,
        decision.matter,
    )
    assert day_of(wire.rules_effective_date) == decision.rules_effective_date
    assert day_of(wire.filing_date) == decision.filing_date
    assert wire.release_digest.hex() == decision.release_digest
    assert wire.decide_time.ToDatetime(UTC) == decision.decide_time
    assert text_of(wire.notice) == decision.notice
    assert (wire.receipt.index, wire.receipt.leaf_hash.hex()) == (
        decision.receipt.index,
        decision.receipt.leaf_hash,
    )
    assert [
        (
            one.query_id,
            pb.EvidenceStatus.Name(one.status).removeprefix("EVIDENCE_STATUS_"),
            one.retrieve_time.ToDatetime(UTC),
            one.as_of_time.ToDatetime(UTC) if one.HasField("as_of_time") else None,
        )
        for one in wire.evidence
    ] == [(one.query_id, one.status, one.retrieved_at, one.as_of) for one in decision.evidence]
    assert wire.remedies.reconsideration_days == decision.remedies.reconsideration.days
    assert wire.remedies.litigation_months == decision.remedies.litigation.months


@given(case_state=st.sampled_from(model.CaseState), decisions=st.lists(DECISIONS, max_size=2))
def test_a_case_reaches_the_caller_with_its_state_and_decisions(
    case_state: model.CaseState, decisions: list[model.Decision]
) -> None:
    """No state of a case is without a name in the contract."""
    case = model.Case(
        case_id=model.CaseId("c"),
        case_number="n",
        caller="portal",
        matter=model.MatterId("m"),
        state=case_state,
        filing_date=decisions[0].filing_date if decisions else None,
        create_time=datetime(2026, 1, 1, tzinfo=UTC),
        decisions=tuple(decisions),
    )

    wire = writing.write_case(case)

    assert case_pb2.Case.State.Name(wire.state) == f"STATE_{case_state.value.upper()}"
    assert wire.HasField("filing_date") is bool(decisions)
    assert [one.receipt.index for one in wire.decisions] == [one.receipt.index for one in decisions]
