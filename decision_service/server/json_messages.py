"""From JSON to a message of the contract, or to what is wrong with it, and back.

The JSON is proto3's canonical one, read strictly. What protobuf's own parser lets pass is refused:
names that the contract does not have, one name twice, ``null``, ``true`` for an enum, a list for a
message.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from decision_service.errors import FieldViolation, InvalidRequestError
from decision_service.server import shapes

LARGEST_BYTES: Final = 1 << 20
"""The same as gRPC takes."""

_MOST_VALUES: Final = 5_000
"""Objects, lists and what stands in them: reading as many takes some 30 ms, and nobody else is
served meanwhile. The largest application that the contract lets in has some 1,500."""

_DEEPEST: Final = 16
"""Levels; the contract has six."""

_M = TypeVar("_M", bound=Message)

_TEXT: Final = ("must be a text", "应为文本")
_WHOLE: Final = ("must be a whole number in the range of its type", "应为取值范围内的整数")
_NUMBER: Final = ("must be a number", "应为数字")
_MUST: Final[Mapping[int, tuple[str, str]]] = {
    FieldDescriptor.CPPTYPE_INT32: _WHOLE,
    FieldDescriptor.CPPTYPE_INT64: _WHOLE,
    FieldDescriptor.CPPTYPE_UINT32: _WHOLE,
    FieldDescriptor.CPPTYPE_UINT64: _WHOLE,
    FieldDescriptor.CPPTYPE_DOUBLE: _NUMBER,
    FieldDescriptor.CPPTYPE_FLOAT: _NUMBER,
    FieldDescriptor.CPPTYPE_BOOL: ("must be true or false", "应为 true 或 false"),
    FieldDescriptor.CPPTYPE_STRING: _TEXT,
}
"""What a value must be, in English and Chinese, by the type of its field."""

_WELL_KNOWN: Final[Mapping[str, tuple[str, str]]] = {
    "google.protobuf.Timestamp": (
        "must be an instant, e.g. `2026-01-02T03:04:05Z`",
        "应为时间，如 2026-01-02T03:04:05Z",
    ),
    "google.protobuf.Duration": ("must be a duration, e.g. `1.5s`", "应为时长，如 1.5s"),
}
"""The same for messages that are written as a text."""


def read_json(raw: bytes, kind: type[_M]) -> _M:
    """Read a request, all of it.

    Raises:
        InvalidRequestError: It is no JSON of such a message, or more than anybody needs; every
            field that is wrong.
    """
    document = _document(raw)
    descriptor = cast("Descriptor", kind.DESCRIPTOR)
    wrong = [*_misshapen(document, descriptor, "")]
    if not wrong:
        message = kind()
        if _fits(document, message):
            return message
        wrong = [*_misfits(document, descriptor, "")]
    raise InvalidRequestError(wrong or [_unreadable()])


def write_json(message: Message) -> bytes:
    """Write an answer, without a blank."""
    document = json_format.MessageToDict(message)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def too_large() -> InvalidRequestError:
    """Refuse a request by its bytes, before it is read."""
    return _refused(
        "TOO_LARGE", f"must have at most {LARGEST_BYTES} bytes", f"不得超过{LARGEST_BYTES}字节"
    )


# ── the document ─────────────────────────────────────────────────────────────────────────────────


def _document(raw: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse the text.

    Raises:
        InvalidRequestError: It is no JSON in UTF-8, has one name twice, or is too much.
    """
    if raw.count(b"{") + raw.count(b"[") > _MOST_VALUES:
        raise _too_many()
    try:
        document = json.loads(
            raw.decode(), object_pairs_hook=_without_twins, parse_constant=_no_constant
        )
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # also of bytes that are no UTF-8
        raise InvalidRequestError([_unreadable()]) from None
    _measure(document)
    return document


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _refused("DUPLICATE", "has one name twice in an object", "同一对象中有重复的名称")
    return found


def _no_constant(_: str) -> None:
    """``NaN`` and the infinities are no JSON, whatever Python says."""
    raise ValueError


def _measure(document: object) -> None:
    """Refuse more values, or deeper ones, than any request has."""
    values, level = 0, [document]
    for _ in range(_DEEPEST):
        values += len(level)
        if values > _MOST_VALUES:
            raise _too_many()
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise _too_deep()


# ── its shape ────────────────────────────────────────────────────────────────────────────────────


def _misshapen(value: object, descriptor: Descriptor, at: str) -> Iterator[FieldViolation]:
    """Every place where the document does not have the shape of the message."""
    if not isinstance(value, dict):
        yield _violation(at, "MALFORMED", *_object(descriptor))
        return
    known, chosen = _names(descriptor), set[str]()
    for name, held in value.items():
        field = known.get(name)
        if field is None:
            yield _unknown(at, name)
            continue
        one_of = field.containing_oneof
        choice = one_of.name if one_of else field.name
        if choice in chosen:
            yield _violation(
                f"{at}.{choice}" if at else choice,
                "DUPLICATE",
                "is given twice, or in two ways",
                "重复填写，或以两种方式填写",
            )
        chosen.add(choice)
        yield from _misshapen_field(held, field, f"{at}.{field.name}" if at else field.name)


def _misshapen_field(held: object, field: FieldDescriptor, at: str) -> Iterator[FieldViolation]:
    """The same of one field, be it a map, a list or neither."""
    if _is_map(field):
        if not isinstance(held, dict):
            yield _violation(at, "MALFORMED", "must be an object", "应为 JSON 对象")
            return
        values = _inner(field).fields_by_name["value"]
        for key, one in held.items():
            yield from _misshapen_value(one, values, _key(at, key))
    elif field.is_repeated:
        if not isinstance(held, list):
            yield _violation(at, "MALFORMED", "must be a list", "应为 JSON 数组")
            return
        for place, one in enumerate(held):
            yield from _misshapen_value(one, field, f"{at}[{place}]")
    else:
        yield from _misshapen_value(held, field, at)


def _misshapen_value(value: object, field: FieldDescriptor, at: str) -> Iterator[FieldViolation]:
    if value is None:
        yield _violation(
            at, "MALFORMED", "is null; leave it out instead", "不得为 null，请省略该项"
        )
    elif _is_leaf(field):
        if field.enum_type is not None and isinstance(value, bool):
            yield _violation(at, "MALFORMED", *_must(field))
    else:
        yield from _misshapen(value, _inner(field), at)


# ── its values ───────────────────────────────────────────────────────────────────────────────────


def _fits(document: dict[str, Any], message: Message) -> bool:
    """Parse the document into the message; whether that went well."""
    try:
        json_format.ParseDict(document, message)
    except (json_format.ParseError, ValueError, TypeError, OverflowError):
        return False
    return True


def _misfits(document: Mapping[str, Any], of: Descriptor, at: str) -> Iterator[FieldViolation]:
    """Every value of a well-shaped document that its field cannot hold, found one by one."""
    known = _names(of)
    for name, held in document.items():
        field = known[name]
        here = f"{at}.{field.name}" if at else field.name
        places: list[tuple[str, Any, Any]] = [(here, held, held)]
        if _is_map(field):
            places = [(_key(here, key), one, {key: one}) for key, one in held.items()]
            field = _inner(field).fields_by_name["value"]
        elif field.is_repeated:
            places = [(f"{here}[{place}]", one, [one]) for place, one in enumerate(held)]
        for place, one, alone in places:
            if not _is_leaf(field):
                yield from _misfits(one, _inner(field), place)
            elif not _fits({name: alone}, GetMessageClass(of)()):
                yield _violation(place, "MALFORMED", *_must(field))


def _must(field: FieldDescriptor) -> tuple[str, str]:
    """What a value of the field must be, in English and Chinese."""
    if field.enum_type is not None:
        names = [value.name for value in field.enum_type.values if value.number]
        return f"must be one of {', '.join(names)}", f"应为 {'、'.join(names)} 之一"
    if field.message_type is not None:
        return _WELL_KNOWN.get(field.message_type.full_name, _TEXT)
    return _MUST[field.cpp_type]


# ── words and places ─────────────────────────────────────────────────────────────────────────────


@cache
def _names(descriptor: Descriptor) -> Mapping[str, FieldDescriptor]:
    """Every field by each of its two names."""
    return {name: field for field in descriptor.fields for name in (field.name, field.json_name)}


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _inner(field: FieldDescriptor) -> Descriptor:
    """Of a field that holds messages, their type."""
    return cast("Descriptor", field.message_type)


def _is_leaf(field: FieldDescriptor) -> bool:
    """Whether a value of the field is written as a text, a number or a truth value."""
    return field.message_type is None or field.message_type.full_name.startswith("google.protobuf.")


def _key(at: str, key: str) -> str:
    return f'{at}["{key}"]' if shapes.KEY.pattern.match(key) else at


def _object(descriptor: Descriptor) -> tuple[str, str]:
    """What a message must be, in English and Chinese."""
    for choice in descriptor.oneofs:
        if len(choice.fields) == len(descriptor.fields):
            names = [field.name for field in choice.fields]
            return (
                f"must be an object with one of {', '.join(names)}",
                f"应为 JSON 对象，含 {'、'.join(names)} 之一",
            )
    return "must be an object", "应为 JSON 对象"


def _unknown(at: str, name: str) -> FieldViolation:
    """A name that no field has; it is repeated only where it cannot be a person's."""
    if shapes.KEY.pattern.match(name):
        return _violation(
            f"{at}.{name}" if at else name,
            "UNKNOWN_FIELD",
            "is no field that this version of the service knows",
            "不是本版本支持的字段",
        )
    return _violation(
        at,
        "UNKNOWN_FIELD",
        "has a field that this version of the service does not know",
        "含有本版本不支持的字段",
    )


def _violation(at: str, reason: str, message: str, zh: str) -> FieldViolation:
    place = at or "request"
    return FieldViolation(field=place, reason=reason, message=message, zh=f"{place} {zh}")


def _unreadable() -> FieldViolation:
    return FieldViolation(
        field="request",
        reason="MALFORMED",
        message="is no JSON in UTF-8",
        zh="请求内容不是 UTF-8 编码的 JSON",
    )


def _refused(reason: str, message: str, zh: str) -> InvalidRequestError:
    return InvalidRequestError([_violation("", reason, message, zh)])


def _too_many() -> InvalidRequestError:
    return _refused(
        "TOO_MANY", f"must have at most {_MOST_VALUES} values", f"取值不得超过{_MOST_VALUES}个"
    )


def _too_deep() -> InvalidRequestError:
    return _refused("TOO_DEEP", f"must have at most {_DEEPEST} levels", f"嵌套不得超过{_DEEPEST}层")
