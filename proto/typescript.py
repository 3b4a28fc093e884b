"""The contract's messages as TypeScript types, in the JSON that the service speaks.

What the contract requires of a request is required here; everything else may be absent, as proto3
leaves out whatever has its default.
"""
# ruff: noqa: INP001 - a script's other half, not a package

from collections.abc import Iterator

from google.api import field_behavior_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

_PACKAGE = "decision_service.v1"

_SCALARS = {
    FieldDescriptorProto.TYPE_BOOL: "boolean",
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BYTES: "Base64",
    FieldDescriptorProto.TYPE_INT32: "number",
    FieldDescriptorProto.TYPE_UINT32: "number",
    FieldDescriptorProto.TYPE_INT64: "Int64",
    FieldDescriptorProto.TYPE_UINT64: "Int64",
    FieldDescriptorProto.TYPE_DOUBLE: "number",
}

_HEAD = """\
// Generated from proto/ by `make proto`; do not edit.

/** An instant, e.g. `2026-01-02T03:04:05Z`. */
export type Timestamp = string;
/** Seconds, e.g. `1.5s`. */
export type Duration = string;
/** A whole number that may be larger than JavaScript counts to. */
export type Int64 = string;
/** Bytes. */
export type Base64 = string;
/** A civil day. */
export interface Day {
  year: number;
  month: number;
  day: number;
}
"""

_WELL_KNOWN = {
    ".google.protobuf.Timestamp": "Timestamp",
    ".google.protobuf.Duration": "Duration",
    ".google.type.Date": "Day",
}

_MESSAGE, _NESTED, _ENUM, _NESTED_ENUM, _FIELD = 4, 3, 5, 4, 2
"""Field numbers of a descriptor, of which the paths of its comments are made."""


def typescript(files: FileDescriptorSet) -> str:
    """Every message and enum of the contract, with its comment."""
    parts = [_HEAD]
    for file in files.file:
        if file.package == _PACKAGE:
            parts += _of_file(file)
    return "\n".join(parts)


def _of_file(file: FileDescriptorProto) -> Iterator[str]:
    comments = {
        tuple(location.path): location.leading_comments
        for location in file.source_code_info.location
    }
    for place, message in enumerate(file.message_type):
        yield from _message(message, message.name, (_MESSAGE, place), comments)
    for place, enum in enumerate(file.enum_type):
        yield _enum(enum, enum.name, comments[_ENUM, place])


def _message(
    message: DescriptorProto,
    name: str,
    path: tuple[int, ...],
    comments: dict[tuple[int, ...], str],
) -> Iterator[str]:
    """An interface, and before it whatever is declared inside the message."""
    maps = {
        f".{_PACKAGE}.{name}.{nested.name}": nested
        for nested in message.nested_type
        if nested.options.map_entry
    }
    for place, nested in enumerate(message.nested_type):
        if not nested.options.map_entry:
            inner = (*path, _NESTED, place)
            yield from _message(nested, f"{name}.{nested.name}", inner, comments)
    for place, enum in enumerate(message.enum_type):
        yield _enum(enum, f"{name}.{enum.name}", comments[*path, _NESTED_ENUM, place])
    lines = [_comment(comments[path], ""), f"export interface {_flat(name)} {{"]
    for place, field in enumerate(message.field):
        behaviour = field.options.Extensions[field_behavior_pb2.field_behavior]
        mark = "" if field_behavior_pb2.REQUIRED in behaviour else "?"
        lines += [
            _comment(comments[*path, _FIELD, place], "  "),
            f"  {field.json_name}{mark}: {_type(field, maps)};",
        ]
    yield "\n".join([*lines, "}", ""])


def _enum(enum: EnumDescriptorProto, name: str, comment: str) -> str:
    names = " | ".join(f'"{value.name}"' for value in enum.value if value.number)
    return f"{_comment(comment, '')}\nexport type {_flat(name)} = {names};\n"


def _type(field: FieldDescriptorProto, maps: dict[str, DescriptorProto]) -> str:
    if field.type_name in maps:
        return f"Record<string, {_type(maps[field.type_name].field[1], maps)}>"
    one = (
        _WELL_KNOWN.get(field.type_name) or _flat(field.type_name.removeprefix(f".{_PACKAGE}."))
        if field.type_name
        else _SCALARS[field.type]
    )
    return f"{one}[]" if field.label == FieldDescriptorProto.LABEL_REPEATED else one


def _flat(name: str) -> str:
    """A nested name as one word: `Case.State` is `CaseState`."""
    return name.replace(".", "")


def _comment(words: str, indent: str) -> str:
    lines = words.strip().split("\n")
    if len(lines) == 1:
        return f"{indent}/** {lines[0].strip()} */"
    told = [f"{indent} * {line.strip()}".rstrip() for line in lines]
    return "\n".join([f"{indent}/**", *told, f"{indent} */"])
