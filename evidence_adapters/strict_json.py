"""JSON as the contract means it: one reading of every text, exact numbers, bounded in all ways.

Python's own reader takes the last of two equal keys, NaN, lone surrogates and numbers that need
gigabytes to be written out. Whoever signed or checked such a text may have read another one.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Final, NoReturn

MAX_DEPTH = 32
"""Objects and lists inside one another; no register's answer comes near it."""

_MAX_DIGITS = 30
"""Of a number, before and after the point; the largest sums of the state have fifteen."""


class NotStrictError(Exception):
    """The text has no single reading; the message says why, without quoting it."""


def parse(body: bytes) -> object:
    """Read UTF-8 JSON: whole numbers become int, others Decimal, nothing a float.

    Raises:
        NotStrictError: The bytes are not UTF-8 (a byte order mark is not either), not JSON, name
            a key twice, hold NaN, an endless number, half a character, or are nested too deep.
    """
    try:
        document: object = _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise NotStrictError("the text is not UTF-8") from None
    except json.JSONDecodeError:
        raise NotStrictError("the text is not JSON") from None
    except RecursionError:
        raise NotStrictError("the text is nested too deep") from None
    # UTF-8 has no half characters, escapes have; and what opens seldom is not nested deep.
    if b"\\u" in body or body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _refuse_depth_and_half_characters(document)
    return document


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object; a key that stands twice has no one value."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotStrictError("a key stands twice in one object")
    return result


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise NotStrictError("a number is too long")
    return int(digits)


def _fraction(text: str) -> Decimal:
    """A decimal that can be written out: ``1E+999999999`` would need a gigabyte."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise NotStrictError("a number is too long") from None
    if len(text) > _MAX_DIGITS or abs(number.adjusted()) > _MAX_DIGITS:
        raise NotStrictError("a number is too long")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrictError(f"{name} is not a number")


_DECODER: Final = json.JSONDecoder(
    parse_int=_whole,
    parse_float=_fraction,
    parse_constant=_refuse_constant,
    object_pairs_hook=_object,
)


def _refuse_depth_and_half_characters(document: object) -> None:
    """Walk level by level, so that no text is deep enough to exhaust the stack."""
    level, depth = [document], 0
    while level:
        inner: list[object] = []
        for item in level:
            match item:
                case dict() | list() if depth == MAX_DEPTH:
                    raise NotStrictError("the text is nested too deep")
                case dict():
                    inner.extend(item)
                    inner.extend(item.values())
                case list():
                    inner.extend(item)
                case str() if not item.isascii() and _has_half_character(item):
                    raise NotStrictError("a text holds half a character")
        level, depth = inner, depth + 1


def _has_half_character(text: str) -> bool:
    """Whether a surrogate stands alone; no UTF-8 can be made of it, so no record could hold it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
