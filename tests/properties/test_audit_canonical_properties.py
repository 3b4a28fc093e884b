"""Canonical JSON against the reference implementation of RFC 8785."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import NotRecordedError
from audit.trail.canonical import decode, encode

keys = st.text("abz019_.-", min_size=1, max_size=6)
texts = st.text(st.characters(exclude_categories=("Cs",)))
values = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(value=st.dictionaries(keys, values))
def test_the_bytes_are_those_of_rfc_8785(value: dict[str, Any]) -> None:
    """Whatever the profile allows is written as the reference implementation writes it."""
    content = encode(value)

    assert content == rfc8785.dumps(value)
    assert decode(content) == value == json.loads(content)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        pytest.param(1.5, "a value of type `float` at `a.b`", id="a fraction"),
        pytest.param(float("nan"), "a value of type `float` at `a.b`", id="not a number"),
        pytest.param(2**53, "a whole number of 2**53 or more at `a.b`", id="too large"),
        pytest.param(-(2**53), "a whole number of 2**53 or more at `a.b`", id="too small"),
        pytest.param(b"x", "a value of type `bytes` at `a.b`", id="bytes"),
        pytest.param({1}, "a value of type `set` at `a.b`", id="a set has no order"),
        pytest.param("\ud800", "a text has a lone surrogate", id="half a character"),
        pytest.param(
            {"姓名": 1}, "a key with other characters than `[a-z0-9_.-]` at `a.b`", id="key"
        ),
        pytest.param(
            {1: 1}, "a key with other characters than `[a-z0-9_.-]` at `a.b`", id="no text"
        ),
        pytest.param(
            {"": 1}, "a key with other characters than `[a-z0-9_.-]` at `a.b`", id="empty"
        ),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(value: Any, what: str) -> None:
    with pytest.raises(NotRecordedError) as caught:
        encode({"a": {"b": value}})

    assert str(caught.value) == "the entry has " + what
    assert caught.value.reason == "ENTRY_INVALID"
    assert caught.value.hint == (
        "Write text, whole numbers, booleans, lists and objects with plain keys; money as a"
        " decimal string."
    )


class Derived(str):
    """A text, but not of the type that a text has here."""

    __slots__ = ()


def test_a_key_of_a_derived_type_is_refused_also_where_its_text_is_known() -> None:
    encode({"known": 1})

    with pytest.raises(NotRecordedError, match="a key with other characters"):
        encode({Derived("known"): 1})


def nested(levels: int, inner: Any, *, lists: bool) -> dict[str, Any]:
    """An object, with so many values each within the other under it."""
    for _ in range(levels):
        inner = [inner] if lists else {"b": inner}
    return {"a": inner}


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("inner", [{}, [], 1, None])
def test_so_many_levels_and_no_more(inner: Any, *, lists: bool) -> None:
    assert decode(encode(nested(31, inner, lists=lists))) == nested(31, inner, lists=lists)

    where = "a" if lists else "a" + 31 * ".b"
    with pytest.raises(NotRecordedError, match=f"more than 32 levels at `{where}`"):
        encode(nested(32, inner, lists=lists))


def test_what_is_nested_without_end_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["a"] = endless
    list_of_itself: list[Any] = []
    list_of_itself += [list_of_itself, list_of_itself]

    for value in (endless, {"a": list_of_itself}):
        with pytest.raises(NotRecordedError, match="more than 524288 parts"):
            encode(value)


def test_the_place_of_what_is_foreign_is_named_also_within_lists() -> None:
    with pytest.raises(NotRecordedError, match=r"of type `float` at `a\.c`"):
        encode({"a": {"b": 1, "c": ["x", (True, 1.5)]}})


@pytest.mark.parametrize(
    "parts", [[], [0], ["x"], [None] * 70_000, {"k" + "x" * i: i for i in range(5_000)}]
)
def test_many_parts_and_many_keys_are_written(parts: Any) -> None:
    assert decode(encode({"a": parts})) == {"a": parts}


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"a":', b"[" * 100_000])
def test_bytes_that_are_no_object_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        decode(content)
