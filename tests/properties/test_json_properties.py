"""JSON of the contract: what is written is read again, and any other document is a clean no."""

import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from decision_service.errors import InvalidRequestError
from decision_service.server.json_messages import read_json, write_json
from tests.messages import CANARY, WORDS, messages
from tests.service import DECIDE, METHODS
from tests.words import ERRORS, JSON

REVIEWED = {
    field[1] for words in (*ERRORS.values(), *JSON.values()) for field in words.get("fields", ())
}
KINDS = [GetMessageClass(method.input_type) for method in METHODS.values()]
NAMES = sorted(
    {
        name
        for kind in KINDS
        for name in ("", *(field.json_name for field in kind.DESCRIPTOR.fields))
    }
    | {"role", "documents", "kind", "number", "text", "date", "consent", "time", "a.b", CANARY}
)

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.sampled_from(["\ud800", "1e3"])
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | WORDS, inner, max_size=6)
    ),
    max_leaves=25,
)


@given(kind=st.sampled_from(KINDS), data=st.data())
def test_what_is_written_is_read_again(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(messages(kind.DESCRIPTOR))
    try:
        written = write_json(message)
    except json_format.SerializeToJsonError:  # an instant of no year
        assume(False)  # noqa: FBT003 - its one argument

    assert read_json(written, kind) == message


@settings(max_examples=200)
@given(kind=st.sampled_from([*KINDS, GetMessageClass(METHODS[DECIDE].input_type)]), of=DOCUMENTS)
def test_any_document_is_a_message_or_wrong_in_words_that_are_reviewed(
    kind: type[Message], of: Any
) -> None:
    assert_is_clean(json.dumps(of).encode(), kind)


@given(kind=st.sampled_from(KINDS), raw=st.binary(max_size=64) | WORDS.map(str.encode))
def test_so_are_any_bytes(kind: type[Message], raw: bytes) -> None:
    assert_is_clean(raw, kind)


def assert_is_clean(raw: bytes, kind: type[Message]) -> None:
    told = outcome(raw, kind)
    if isinstance(told, InvalidRequestError):
        assert {field.reason for field in told.fields} <= REVIEWED
        assert CANARY not in f"{told} {told.zh} {told.fields}"
    else:
        assert told == json_format.Parse(raw.decode(), kind())


def outcome(raw: bytes, kind: type[Message]) -> Message | InvalidRequestError:
    try:
        return read_json(raw, kind)
    except InvalidRequestError as error:
        return error
