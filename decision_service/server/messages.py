"""From bytes to a message of the contract, or to what is wrong with the bytes."""

from collections.abc import Callable, Iterator
from typing import Final

from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from decision_service.errors import FieldViolation, InvalidRequestError

_UNREADABLE: Final = FieldViolation(
    field="request",
    reason="MALFORMED",
    message="is no message of the type that this method takes, with texts in UTF-8",
    zh="请求内容无法解析，请核对接口版本，文本须为 UTF-8 编码",
)


def read_message(raw: bytes, parse: Callable[[bytes], Message]) -> Message:
    """Parse a request, all of it.

    A field that this version of the contract does not have is refused, and not passed over as
    protobuf would have it: it could be what the application hangs on.

    Raises:
        InvalidRequestError: The bytes are no such message, or say more than we understand.
    """
    try:
        message = parse(raw)
    except DecodeError:
        raise InvalidRequestError([_UNREADABLE]) from None
    size = message.ByteSize()
    message.DiscardUnknownFields()
    if message.ByteSize() != size:
        raise InvalidRequestError([*_unknown_fields(parse(raw), "")])
    return message


def _unknown_fields(message: Message, at: str) -> Iterator[FieldViolation]:
    """Every field that the contract does not have, by the place where it stands."""
    unknown = UnknownFieldSet(message)
    numbers = sorted({unknown[place].field_number for place in range(len(unknown))})
    if numbers:
        told = ", ".join(map(str, numbers))
        yield FieldViolation(
            field=at or "request",
            reason="UNKNOWN_FIELD",
            message=f"has fields that this version of the service does not know: {told}",
            zh=f"{at or 'request'} 含有本版本不支持的字段（编号 {told}）",
        )
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        here = f"{at}.{field.name}" if at else field.name
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key in sorted(value):  # keys are the caller's words, and are not repeated
                    yield from _unknown_fields(value[key], here)
        elif field.is_repeated:
            for place, part in enumerate(value):
                yield from _unknown_fields(part, f"{here}[{place}]")
        else:
            yield from _unknown_fields(value, here)
