"""Canonical JSON: RFC 8785 on a profile so narrow that two readers cannot differ.

No floats, whole numbers below 2**53, keys of ``[a-z0-9_.-]`` only, no lone surrogates. Money is a
whole number or a decimal string. What does not fit is refused before anything is written.
"""

import re
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from audit.errors import NotRecordedError

Json: TypeAlias = "str | int | bool | list[Json] | tuple[Json, ...] | dict[str, Json] | None"
"""What an entry can say; exactly these types, none derived from them."""

_Path: TypeAlias = "tuple[_Path, str] | None"
"""Where we are, innermost key last; a chain, so that walking down costs nothing."""

_KEY = re.compile(r"[a-z0-9_.-]+")
_LIMIT = 1 << 53
_DEPTH = 32
_PLAIN_KEYS = 4_096
# All keys are ASCII, so sorting them by bytes is RFC 8785's order of UTF-16 units.
_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder()


def encode(value: Mapping[str, Json]) -> bytes:
    """The one text of the value, in UTF-8.

    Raises:
        NotRecordedError: It is outside the profile (``ENTRY_INVALID``). The message names the
            place by its keys, never what stands there.
    """
    plain = dict(value)
    _refuse_foreign(plain, None, 0)
    try:
        return _ENCODER.encode(plain)
    except UnicodeEncodeError:
        raise _invalid("a text has a lone surrogate", None) from None


def decode(content: bytes) -> dict[str, Json]:
    """The value of stored bytes. They are never encoded again: their hash is over what they are.

    Raises:
        ValueError: They are no JSON object.
    """
    try:
        value: object = _DECODER.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # the content is wrong, not its type
    return value


def _refuse_foreign(value: object, path: _Path, depth: int) -> None:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if depth > _DEPTH:
        raise _invalid(f"more than {_DEPTH} levels", path)
    if isinstance(value, dict) and kind is dict:
        _refuse_members(value, path, depth)
    elif isinstance(value, (list, tuple)) and kind in (list, tuple):
        for item in value:
            if type(item) is not str:  # most are, and a call for each is most of the cost
                _refuse_foreign(item, path, depth + 1)
    elif isinstance(value, int) and kind is int:
        if not -_LIMIT < value < _LIMIT:
            raise _invalid("a whole number of 2**53 or more", path)
    else:
        raise _invalid(f"a value of type `{kind.__name__}`", path)


def _refuse_members(members: dict[object, object], path: _Path, depth: int) -> None:
    for key, item in members.items():
        if type(key) is not str or not (key in _PLAIN or _is_plain(key)):
            raise _invalid("a key with other characters than `[a-z0-9_.-]`", path)
        if type(item) is not str:
            _refuse_foreign(item, (path, key), depth + 1)


_PLAIN: set[str] = set()
"""Keys that were found plain: they come again, and to look them up is quickest."""


def _is_plain(key: str) -> bool:
    if _KEY.fullmatch(key) is None:
        return False
    if len(_PLAIN) < _PLAIN_KEYS:
        _PLAIN.add(key)
    return True


def _invalid(what: str, path: _Path) -> NotRecordedError:
    keys: list[str] = []
    while path:
        path, key = path
        keys.insert(0, key)
    return NotRecordedError(
        f"the entry has {what}" + (f" at `{'.'.join(keys)}`" if keys else ""),
        zh=f"记录中有不能记录的内容：{'.'.join(keys) or '顶层'}；只可用文字、整数、真假、"
        "列表与键名简单的对象，"
        "金额用十进制字符串",
        reason="ENTRY_INVALID",
        hint="Write text, whole numbers, booleans, lists and objects with plain keys; money as a"
        " decimal string.",
    )
