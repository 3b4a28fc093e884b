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
"""Where we are, innermost key last, empty in a list; a chain, so that to go down costs nothing."""

_KEY = re.compile(r"[a-z0-9_.-]+")
_LIMIT = 1 << 53
_DEPTH = 32
_PLAIN_KEYS = 4_096
_PARTS = 1 << 19  # of two bytes each, more than an entry has; what holds itself has no end
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
    _refuse_foreign(plain)
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


def _refuse_foreign(value: Json) -> None:
    """Go through a value, level by level, and past the texts, which are most of it.

    Without a call for each of its parts: this is done three times for every entry.
    """
    todo: list[tuple[Json, _Path]] = [(value, None)]
    for one, path in todo:
        if type(one) is dict:
            if not (_PLAIN.issuperset(one) and _TEXT.issuperset(map(type, one))):
                _refuse_foreign_keys(one, path)
            for key, item in one.items():
                if type(item) is not str:
                    todo.append((item, (path, key)))
        elif type(one) is list or type(one) is tuple:
            todo += [(item, (path, "")) for item in one if type(item) is not str]
        else:
            _refuse_foreign_atom(one, path)
        if len(todo) > _PARTS:
            raise _invalid(f"more than {_PARTS} parts", None)
    _refuse_deep(todo[-1][1])


def _refuse_foreign_keys(members: Mapping[str, Json], path: _Path) -> None:
    """See that keys are plain, and remember them: they come again, and to look is quickest."""
    for key in members:
        if type(key) is not str or _KEY.fullmatch(key) is None:
            raise _invalid("a key with other characters than `[a-z0-9_.-]`", path)
        if len(_PLAIN) < _PLAIN_KEYS:
            _PLAIN.add(key)


_PLAIN: set[str] = set()
_TEXT = {str}


def _refuse_foreign_atom(value: Json, path: _Path) -> None:
    if type(value) is int:
        if not -_LIMIT < value < _LIMIT:
            raise _invalid("a whole number of 2**53 or more", path)
    elif type(value) is not bool and value is not None:
        raise _invalid(f"a value of type `{type(value).__name__}`", path)


def _refuse_deep(path: _Path) -> None:
    """See that what lies deepest, at that path, is not too deep."""
    levels: list[_Path] = []
    while path:
        levels.append(path)
        path = path[0]
    if len(levels) > _DEPTH:
        raise _invalid(f"more than {_DEPTH} levels", levels[-_DEPTH])


def _invalid(what: str, path: _Path) -> NotRecordedError:
    keys: list[str] = []
    while path:
        path, key = path
        if key:
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
