"""Whatever is sent to whichever method, by whomever: a right answer, or a clean no.

The strategies follow the contract's descriptors: what is added to the contract is in here.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from audit.verify import verify_store
from decision_service.catalogue import Catalogue
from decision_service.server.edge import allowed_roles
from decision_service.server.identity import ROLES
from decision_service.v1.decision_pb2 import DecideResponse
from evidence_adapters.sandbox import City, Person
from tests import service
from tests.messages import CANARY, is_readable, requests
from tests.service import CONTEST, DECIDE, LIST, METHODS, REVIEW, WITHDRAW, Answer, Town
from tests.words import COUNTER, ERRORS, JSON, MOMENTS, OFFER, RATING

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
PERSONAL = (CANARY, "13912345678", "9900001", "13800000000")
"""The canary, its number, the beginning of every sandbox person's number, and the right mobile."""

CODES = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "ABORTED",
}
"""How a call by a known caller with time enough can end; the last where one may ask so often."""

ALLOWED = allowed_roles()
MOVING = {WITHDRAW, REVIEW, CONTEST}
"""Methods that move a case on."""

REVIEWED = {
    reason
    for kind in (ERRORS, JSON, MOMENTS, COUNTER, OFFER, RATING)
    for words in kind.values()
    for reason in (
        words.get("reason", "REQUEST_INVALID"),
        *(one[1] for one in words.get("fields", ())),
    )
}
"""Every reason that somebody has read aloud; see ``tests/golden/errors.toml``."""

once_and_for_all = settings(database=None)
the_same = settings(once_and_for_all, derandomize=True, max_examples=60)
new_ones = settings(once_and_for_all, max_examples=8)
many = settings(once_and_for_all, max_examples=100)


class _Lines(logging.Handler):
    """Everything that any library logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.told: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record)


@pytest.fixture
def lines() -> Iterator[_Lines]:
    handler = _Lines()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    tmp_path_factory: pytest.TempPathFactory, published: Catalogue, people: City
) -> AsyncIterator[Town]:
    """One service for all; after all of it, it answers, and its trail is sound."""
    folder = tmp_path_factory.mktemp("town")
    async with service.town(folder, published, people, lambda: NOW) as town:
        yield town
        assert (await town.wire.call(LIST, b"")).code == "OK"
        assert town.trail.size() > 0
    assert verify_store(town.store).problems == ()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def right(town: Town, people: City) -> dict[str, Message]:
    """A right request of every method; cases are moved that nobody follows meanwhile."""

    async def decided(person: Person) -> tuple[Person, str]:
        asked = service.message(DECIDE, service.application(person, NOW))
        answered = await town.wire.call(DECIDE, asked)
        return person, DecideResponse.FromString(answered.responses[0]).decision.case_id

    cast = people.cast(NOW.date())
    still, moved = await decided(cast["aged_75"]), await decided(cast["aged_95"])
    return {
        method: service.message(method, service.right(method, person, NOW, case_id))
        for method in METHODS
        for person, case_id in [moved if method in MOVING else still]
    }


async def throw(town: Town, method: str, raw: bytes, lines: _Lines, *, readable: bool) -> None:
    """Send the bytes in every role at once, and look at everything that comes of it."""
    lines.told.clear()
    with capture_logs(processors=[merge_contextvars]) as logs:
        answers = await asyncio.gather(*(town.wire.call(method, raw, role=role) for role in ROLES))
    for role, answer in zip(ROLES, answers, strict=True):
        if role not in ALLOWED[method]:
            assert (answer.code, answer.reason) == ("PERMISSION_DENIED", "ROLE_NOT_ALLOWED"), role
        else:
            assert answer.code in CODES, answer
            assert answer.reason != "ROLE_NOT_ALLOWED"
            assert readable or answer.reason == "REQUEST_INVALID"
        assert_is_clean(answer)
    told = f"{logs} {[record.getMessage() for record in lines.told]}"
    assert not [word for word in PERSONAL if word in told]
    assert not [line for line in logs if line["log_level"] == "error"]
    assert not [record for record in lines.told if record.levelno >= logging.ERROR]


def assert_is_clean(answer: Answer) -> None:
    """An error says which and why, in both languages, and nothing of a person."""
    if answer.code == "OK":
        return
    info = answer.details["ErrorInfo"]
    assert info.reason
    assert info.metadata["hint"]
    assert answer.details["LocalizedMessage"].message
    assert answer.message
    if answer.code == "INVALID_ARGUMENT":
        assert answer.fields
    assert {info.reason, *(reason for _, reason in answer.fields)} <= REVIEWED
    assert not [word for word in PERSONAL if word in answer.words], answer.words


def _test(profile: settings) -> Any:
    """The one property, over so many examples."""

    @pytest.mark.asyncio(loop_scope="module")
    @pytest.mark.parametrize("method", METHODS, ids=lambda method: method.rpartition("/")[2])
    @settings(profile, suppress_health_check=[*profile.suppress_health_check, *_FIXTURES])
    @given(data=st.data())
    async def test(
        town: Town, right: dict[str, Message], lines: _Lines, method: str, data: st.DataObject
    ) -> None:
        raw = data.draw(requests(right[method]))
        await throw(town, method, raw, lines, readable=is_readable(raw, right[method]))

    return test


_FIXTURES = [HealthCheck.function_scoped_fixture]

test_whatever_is_sent_gets_a_right_answer_or_a_clean_no = _test(the_same)
test_what_was_never_sent_before_gets_a_right_answer_or_a_clean_no = _test(new_ones)
test_very_much_of_it_gets_right_answers_or_clean_nos = pytest.mark.slow(_test(many))
