"""Messages and bytes that nobody thought of, from the contract's descriptors alone.

A field that the contract gets tomorrow is filled, bent and left out without a word here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

CANARY: Final = "张三丰13912345678"
"""A person: whatever carries it must come back in no status and stand in no log."""

CLOSE: Final = [
    *("applicant", "resident_id", "990000194001010015", "portal", "2026-01", "library_register"),
    *("2b1d0c3e-7c52-4a3b-9d1e-0123456789ab", "0" * 32, "-0", "1e3", "NaN", "0.10", "a.b"),
    *("library_card", "organisation", "guardian", "household_member", "passport", "kiosk", "app"),
    *("population_register", "death_register", "payment_ledger", "shenzhen", "13800000000", "12"),
    *("applicant.mobile", "applicant.truthful", "applicant.birth_date", "applicant.hukou_city"),
    *("applicant.accepts_reading_rules", "applicant.card_account_own", "E1234567", ""),
    *("matter = library_card", "-type = access (outcome = waiting OR reasons:A)", "index < 3"),
    *("requirements.R1 != met AND time > 2026-01-01", "release = a@2020-01-01", "NOT (a"),
]
"""Words that are nearly or quite right in some field, so that reading goes on behind it."""

HOSTILE: Final = [
    *("\x00", "\u202e", "\ufeff", "\u200b", "\U000e0041", "１２", "ﬁ", "İ", "ß" * 65),
    *("9" * 35, "1e999", "-0.0", "Infinity", " ", "\n", "x" * 2001, "很" * 3_000),
    *("' OR 1=1 --", "../../etc/passwd", "{{7*7}}", "%s%n", "<script>", '{"a":' * 500),
    *(CANARY, f"{CANARY}\n", f"a.{CANARY}", CANARY * 20),
]

WORDS: Final = st.one_of(
    st.sampled_from(CLOSE),
    st.sampled_from(CLOSE),
    st.text(max_size=12),
    st.sampled_from(HOSTILE),
    st.uuids(version=4).map(str),
)

_EDGES_32: Final = [-(2**31), -1, 0, 1, 2**31 - 1]
_EDGES_64: Final = [-(2**63), *_EDGES_32, 2**63 - 1, 253_402_300_800]


def _integers(edges: list[int], low: int, high: int) -> st.SearchStrategy[int]:
    return (
        st.sampled_from(edges)
        | st.integers(-1, 32).filter(lambda number: low <= number <= high)
        | st.integers(low, high)
    )


_INT32: Final = _integers(_EDGES_32, -(2**31), 2**31 - 1)
_INT64: Final = _integers(_EDGES_64, -(2**63), 2**63 - 1)
_UINT32: Final = _integers([0, 1, 2**32 - 1], 0, 2**32 - 1)
_UINT64: Final = _integers([0, 1, 2**64 - 1], 0, 2**64 - 1)

SCALARS: Final[Mapping[int, st.SearchStrategy[Any]]] = {
    FieldDescriptor.TYPE_STRING: WORDS,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_ENUM: st.integers(0, 9) | st.sampled_from(_EDGES_32),
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
}


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor) -> Message:
    """Any message of the type: fields absent, present, repeated, and of any content."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if draw(st.integers(0, 9)) > 0:
            fill(draw, message, field)
    return message


def fill(draw: st.DrawFn, message: Message, field: FieldDescriptor) -> None:
    """Put anything into one field; into a repeated one or a map, up to three more."""
    entry = field.message_type
    if is_map(field):
        held = getattr(message, field.name)
        values = entry.fields_by_name["value"]
        for key in draw(st.lists(_one(entry.fields_by_name["key"]), max_size=3, unique=True)):
            if values.message_type is not None:
                held[key].CopyFrom(draw(messages(values.message_type)))
            else:
                held[key] = draw(SCALARS[values.type])
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(_one(field), max_size=3)))
    elif entry is not None:
        getattr(message, field.name).CopyFrom(draw(messages(entry)))
    else:
        setattr(message, field.name, draw(SCALARS[field.type]))


def _one(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    return SCALARS[field.type] if field.message_type is None else messages(field.message_type)


# ── right messages, bent ─────────────────────────────────────────────────────────────────────────


@st.composite
def bent(draw: st.DrawFn, right: Message) -> Message:
    """A message that was right until up to three things happened to it, anywhere in it."""
    message = type(right)()
    message.CopyFrom(right)
    for _ in range(draw(st.integers(0, 3))):
        bendable = [part for part in parts(message) if part.DESCRIPTOR.fields]
        if not bendable:  # a message without fields has nothing to bend
            break
        place = draw(st.sampled_from(bendable))
        field = draw(st.sampled_from([*place.DESCRIPTOR.fields]))
        draw(st.sampled_from(BENDS))(draw, place, field)
    return message


def parts(message: Message) -> list[Message]:
    """The message and every message in it."""
    found = [message]
    for field, value in message.ListFields():
        if is_map(field):
            if field.message_type.fields_by_name["value"].message_type is not None:
                found += [part for key in sorted(value) for part in parts(value[key])]
        elif field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                found += parts(one)
    return [part for part in found if part.DESCRIPTOR.fields]


def _clear(_: st.DrawFn, place: Message, field: FieldDescriptor) -> None:
    place.ClearField(field.name)


def _multiply(draw: st.DrawFn, place: Message, field: FieldDescriptor) -> None:
    """The same again and again, up to what no form has."""
    held = getattr(place, field.name)
    if not field.is_repeated or is_map(field) or not held:
        fill(draw, place, field)
    else:
        held.extend([held[0]] * draw(st.sampled_from([1, 9, 20, 201])))


def _unknown(draw: st.DrawFn, place: Message, _: FieldDescriptor) -> None:
    """A field of another version of the contract."""
    number = draw(st.sampled_from([99, 1_000, 536_870_911]))
    tag = _varint(number << 3 | 2)
    place.MergeFromString(tag + _varint(len(CANARY.encode())) + CANARY.encode())


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


Bend = Callable[[st.DrawFn, Message, FieldDescriptor], None]
BENDS: Final[list[Bend]] = [fill, fill, fill, _clear, _multiply, _unknown]


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def mangled(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes that were a message until something happened to them on the way."""
    place = draw(st.integers(0, len(whole)))
    match draw(st.sampled_from(["cut", "flip", "insert", "twice", "other"])):
        case "cut":
            return whole[:place]
        case "flip":
            return whole[:place] + draw(st.binary(min_size=1, max_size=1)) + whole[place + 1 :]
        case "insert":
            return whole[:place] + draw(st.binary(max_size=8)) + whole[place:]
        case "twice":
            return whole + whole
        case _:
            return draw(st.binary(max_size=64))


@st.composite
def requests(draw: st.DrawFn, right: Message) -> bytes:
    """What a caller may send in place of the right message."""
    message = draw(st.one_of(*[bent(right)] * 4, messages(right.DESCRIPTOR)))
    whole = message.SerializeToString()
    return draw(mangled(whole)) if draw(st.integers(0, 4)) == 0 else whole


def is_readable(raw: bytes, right: Message) -> bool:
    """Whether the bytes are a message of the type, and nothing besides."""
    try:
        message = type(right).FromString(raw)
    except DecodeError:
        return False
    size = message.ByteSize()
    message.DiscardUnknownFields()
    return message.ByteSize() == size
