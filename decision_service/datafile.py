"""A data file that staff write in TOML: what it says, or everything that is wrong in it.

Each fault says where it stands, what is wrong and what to do, in both languages. What the parser
and pydantic say of a file is for programmers, and in one of them.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from decision_service.errors import InvalidPublicationError

Keys: TypeAlias = tuple[str | int, ...]
"""What leads to a value: the keys of tables, and the places in lists from 0."""

Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""

Shape = TypeVar("Shape", bound=BaseModel)


class Fault(NamedTuple):
    """Something that is wrong in a file, and what to do about it.

    Attributes:
        place: Where; None if it is not there, or of the file as a whole.
    """

    zh: str
    en: str
    place: Place | None = None

    @property
    def told_zh(self) -> str:
        """With its place, in Chinese."""
        return self._at(self.zh)

    @property
    def told_en(self) -> str:
        """With its place, in English."""
        return self._at(self.en)

    def _at(self, words: str) -> str:
        return f"{self.place[0]}:{self.place[1]} {words}" if self.place else words


class UnfitFileError(InvalidPublicationError):
    """A file that cannot be published, with everything that is wrong in it, from its top down."""

    def __init__(self, reason: str, where: str, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda one: one.place or (0, 0)))
        super().__init__(
            f"`{where}` cannot be published: {'; '.join(one.told_en for one in self.faults)}",
            zh=f"“{where}”有误，不能发布，请更正：{'；'.join(one.told_zh for one in self.faults)}",
            reason=reason,
            hint="Correct the file; nothing of it is in force.",
            where=where,
        )


class WrongValueError(ValueError):
    """What a validator of ours finds wrong, in both languages."""

    def __init__(self, *, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh


class DataFile:
    """The content of a data file.

    Args:
        where: Its name, for messages.

    Attributes:
        table: What it says.

    Raises:
        UnfitFileError: It is no TOML (``TOML_INVALID``).
    """

    def __init__(self, text: str, where: str) -> None:
        self.where = where
        self._text = text.removeprefix("\ufeff")  # some editors put it first
        try:
            self.table = tomllib.loads(self._text)
        except (ValueError, RecursionError) as error:
            raise UnfitFileError("TOML_INVALID", where, [_no_toml(str(error), text)]) from None

    @classmethod
    def open(cls, path: Path, where: str, reason: str) -> Self:
        """That of a file.

        Raises:
            UnfitFileError: It is no TOML, or no UTF-8 (``reason``).
        """
        content = path.read_bytes()
        try:
            return cls(content.decode(), where)
        except UnicodeDecodeError as error:
            raise UnfitFileError(reason, where, [no_utf8(error)]) from None

    def read(self, shape: type[Shape], reason: str, said: Mapping[str, Any] | None = None) -> Shape:
        """What it says, in that shape.

        Args:
            said: What it says and more, where a part of the shape is not from the file.

        Raises:
            UnfitFileError: It does not have it; every fault.
        """
        try:
            return shape.model_validate(self.table if said is None else said)
        except ValidationError as error:
            raise UnfitFileError(reason, self.where, self.faults(error)) from None

    def faults(self, error: ValidationError, within: Keys = ()) -> list[Fault]:
        """Everything that does not have its shape.

        Args:
            within: The keys of the table that was given it; empty: the whole file.
        """
        found = [(self._written(within, one["type"], one["loc"]), one) for one in error.errors()]
        found = [pair for pair in found if not _follows(*pair, found)]
        faults = []
        for keys, of_one in groupby(found, key=lambda pair: pair[0]):
            wrong, *others = (dict(one) for _, one in of_one)
            # Of a value that may be of several kinds, pydantic tells why it is none of each.
            faults.append(self.fault(keys, *worded({} if others else wrong, _named(keys))))
        return faults

    def fault(self, keys: Keys, zh: str, en: str) -> Fault:
        """Something that is wrong with the value that these keys lead to."""
        return Fault(zh, en, self.place(keys))

    def place(self, keys: Keys) -> Place:
        """Where a value stands, or else the table that it is missing in."""
        places = self._places
        return next(places[keys[:end]] for end in range(len(keys), -1, -1) if keys[:end] in places)

    def _written(self, within: Keys, kind: str, loc: Keys) -> Keys:
        """The keys of the file that lead there: a shape has parts that the file does not name."""
        here: Any = self.table
        for key in within:
            here = here[key]
        around = keys = within
        for number, part in enumerate(loc, 1):
            inner = _inside(here, part)
            if isinstance(inner, dict | list):
                here, around = inner, (*around, part)
                keys = around
            elif inner is not None or (kind in _MISSING and number == len(loc)):
                keys = (*around, part)
        return keys

    @cached_property
    def _places(self) -> Mapping[Keys, Place]:
        places: dict[Keys, Place] = {(): (1, 1)}
        counts: dict[Keys, int] = {}
        table: Keys = ()
        for place, written, said in _statements(self._text):
            if not written.lstrip().startswith("["):
                for keys in _paths(said):
                    places.setdefault((*table, *keys), place)
                continue
            *_, names = _paths(said)
            table = ()
            for number, name in enumerate(names, 1):
                table = (*table, name)
                if number == len(names) and written.lstrip().startswith("[["):
                    counts[table] = counts.get(table, -1) + 1
                places.setdefault(table, place)
                if table in counts:
                    table = (*table, counts[table])
            places.setdefault(table, place)
        return places


def _follows(keys: Keys, error: Mapping[str, Any], found: Iterable[tuple[Keys, object]]) -> bool:
    """Whether it is no fault of its own: a list is short of the items that are wrong themselves."""
    return error["type"] == "too_short" and any(
        other[: len(keys)] == keys != other for other, _ in found
    )


def _inside(table: object, key: str | int) -> object:
    """What stands under a key of a table, or at a place of a list; None if nothing does."""
    match table, key:
        case dict(), str():
            return table.get(key)
        case list(), int() if key < len(table):
            return table[key]
        case _:
            return None


def _named(keys: Keys) -> str:
    """The keys as a file writes them; which one of a list it is, its place tells."""
    return ".".join(key for key in keys if isinstance(key, str))


_BEGINS = re.compile(r"\s*([\[#]|$|[^=]+=)")
"""What can stand behind a statement: a long list is not read anew for every line of it."""


def _statements(text: str) -> Iterator[tuple[Place, str, Mapping[str, Any]]]:
    """Every table and every key with its value, where it begins, and what it says alone."""
    begun, written = 1, ""
    lines = text.split("\n")
    for number, (line, following) in enumerate(zip(lines, [*lines[1:], ""], strict=True), 1):
        begun = begun if written else number
        written += f"{line}\n"
        if not _BEGINS.match(following):
            continue
        try:
            said = tomllib.loads(written)
        except tomllib.TOMLDecodeError:
            continue  # it goes on in the next line
        if said:
            yield (begun, len(written) - len(written.lstrip()) + 1), written, said
        written = ""


def _paths(table: Mapping[str, Any]) -> Iterator[Keys]:
    for key, inner in table.items():
        yield (key,)
        if isinstance(inner, dict):
            yield from ((key, *keys) for keys in _paths(inner))


# ── words ────────────────────────────────────────────────────────────────────────────────────────


def no_utf8(error: UnicodeDecodeError) -> Fault:
    """That the content of a file is in another encoding."""
    line = error.object.count(b"\n", 0, error.start) + 1
    return Fault(
        f"第{line}行不是 UTF-8 编码，请另存为 UTF-8",
        f"line {line} is not UTF-8: save the file again with that encoding",
    )


def _no_toml(error: str, text: str) -> Fault:
    """What the parser has met, and where."""
    found = _AT.search(error)
    lines = text.split("\n")
    place = (int(found[1]), int(found[2])) if found else (len(lines), len(lines[-1]) + 1)
    for met, (zh, en) in _SYNTAX.items():
        if error.startswith(met):
            return Fault(zh, en, place)
    return Fault(
        "不是 TOML 的写法，请对照同类文件更正",
        "is not TOML: compare it with a file of its kind",
        place,
    )


_AT = re.compile(r"\(at line ([0-9]+), column ([0-9]+)\)$")

_SYNTAX: Mapping[str, tuple[str, str]] = {
    "Invalid statement": (
        "这一行应为“键 = 值”、“[表]”或以 # 开头的注释",
        "a line is `key = value`, `[table]`, or a remark that begins with `#`",
    ),
    "Expected newline": (
        "值的后面有多余的内容；一行只写一个“键 = 值”，文字要加引号",
        "something stands after the value: write one `key = value` a line, and texts in quotes",
    ),
    "Expected '=' after a key": (
        "键的后面缺少 =，请写成“键 = 值”",
        "`=` is missing after the key: write `key = value`",
    ),
    "Expected ']": (
        "表名没有结束，请补上 ] 或 ]]",
        "the name of the table does not end: add `]` or `]]`",
    ),
    "Invalid initial character for a key": (
        "键只含英文字母、数字、_ 和 -，其他文字要加引号",
        "a key has letters, digits, `_` and `-`; put any other in quotes",
    ),
    "Cannot declare": (
        "这张表写了两次，请合并",
        "the table stands here twice: put both together",
    ),
    "Cannot overwrite a value": (
        "同一个键写了两次，请删去一个",
        "the key stands here twice: delete one of them",
    ),
    "Duplicate inline table key": (
        "同一个键写了两次，请删去一个",
        "the key stands here twice: delete one of them",
    ),
    "Cannot mutate": (
        "这张表或列表已在别处写完，请都写在那里",
        "the table or list is written out elsewhere: put everything of it there",
    ),
    "Cannot redefine": (
        "这张表或列表已在别处写完，请都写在那里",
        "the table or list is written out elsewhere: put everything of it there",
    ),
    "Unclosed array": (
        "列表没有结束：各项之间用逗号，最后补上 ]",
        "the list does not end: put commas between its items, and `]` behind them",
    ),
    "Unclosed inline table": (
        "花括号没有结束：各项之间用逗号，写在同一行，最后补上 }",
        "the braces do not end: put commas between what is in them, on one line, and `}` behind it",
    ),
    "Illegal character '\\n'": (
        "引号没有在本行结束，请补上引号",
        "the quotes do not end on their line: close them",
    ),
    "Unterminated string": ("引号没有结束，请补上引号", "the quotes do not end: close them"),
    "Expected": ("引号没有结束，请补上引号", "the quotes do not end: close them"),
    "Unescaped": (
        "引号中的反斜杠要写两个",
        "a backslash in quotes is written twice",
    ),
    "Invalid hex value": (
        "\\u 的后面要写四位十六进制数；反斜杠本身要写两个",
        "four hexadecimal digits come after `\\u`; a backslash itself is written twice",
    ),
    "Escaped character": (
        "没有这个字符，请直接写出要用的字",
        "there is no such character: write the one that is meant itself",
    ),
    "Illegal character": (
        "这里有不可见的控制字符，请删去",
        "a control character stands here: delete it",
    ),
    "Found invalid": (
        "这里有不可见的控制字符，请删去",
        "a control character stands here: delete it",
    ),
    "Invalid date or datetime": (
        "没有这一天或这一时刻，请写成 2026-03-01",
        "there is no such day or time: write it like `2026-03-01`",
    ),
    "Invalid value": (
        "不是值的写法：文字要加引号，是否写 true 或 false，日期写成 2026-03-01",
        "not a value: write texts in quotes, `true` or `false`, and days like `2026-03-01`",
    ),
}
"""What is wrong and what to do, by how the parser begins to tell it; the first that fits."""


def worded(error: Mapping[str, Any], at: str) -> tuple[str, str]:
    """What pydantic has found wrong with the value that is named so, in both languages.

    Args:
        error: One of `ValidationError.errors`; of none that is known, that the value is none.
    """
    kind, said = error.get("type", ""), {"at": at, **error.get("ctx", {})}
    if isinstance(own := said.get("error"), WrongValueError):
        return (f"`{at}`：{own.zh}", f"`{at}`: {own}") if at else (own.zh, str(own))
    choices = _CHOICE.findall(str(said.get("expected", said.get("expected_tags", ""))))
    said |= {"zh": "、".join(choices), "en": ", ".join(f"`{one}`" for one in choices)}
    zh, en = _WORDS.get(kind, _OF_ANOTHER_KIND)
    return zh.format(**said), en.format(**said)


_MISSING = frozenset({"missing", "union_tag_not_found"})

_CHOICE = re.compile(r"'([^']*)'")

_OF_ANOTHER_KIND = (
    "`{at}` 不能是这个值，请对照同类文件更正",
    "`{at}` cannot have this value: compare it with a file of its kind",
)
_TEXT = ("`{at}` 应为文字，要加引号", "`{at}` is a text: put it in quotes")
_WHOLE = ("`{at}` 应为整数，不加引号", "`{at}` is a whole number: write it without quotes")
_NUMBER = ("`{at}` 应为数，不加引号", "`{at}` is a number: write it without quotes")
_TRUTH = (
    "`{at}` 应为 true 或 false，不加引号",
    "`{at}` is `true` or `false`: write it without quotes",
)
_DAY = (
    "`{at}` 应为日期，写成 2026-03-01，不加引号",
    "`{at}` is a day: write it like `2026-03-01`, without quotes",
)
_TIME = (
    "`{at}` 应为时刻，写成 18:00:00，不加引号",
    "`{at}` is a time of day: write it like `18:00:00`, without quotes",
)
_LIST = (
    '`{at}` 应为列表，写成 ["…", "…"]',
    '`{at}` is a list: write it like `["…", "…"]`',
)
_TABLE = (
    "`{at}` 应为表，写成 [{at}] 或 {{键 = 值}}",
    "`{at}` is a table: write `[{at}]` or `{{key = value}}`",
)
_CHOICES = ("`{at}` 只能是 {zh}，请选用其一", "`{at}` is one of {en}: write one of them")
_LACKS = ("缺少 `{at}`，请补上", "`{at}` is missing: add it")

_WORDS: Mapping[str, tuple[str, str]] = {
    "missing": _LACKS,
    "union_tag_not_found": _LACKS,
    "extra_forbidden": (
        "没有 `{at}` 这一项，请改正拼写或删去",
        "`{at}` means nothing here: correct its spelling, or delete it",
    ),
    "string_type": _TEXT,
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
    "time_type": _TIME,
    "time_parsing": _TIME,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _TABLE,
    "mapping_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
    "literal_error": _CHOICES,
    "enum": _CHOICES,
    "union_tag_invalid": _CHOICES,
    "string_too_short": (
        "`{at}` 至少 {min_length} 个字，请补写",
        "`{at}` is too short: write at least {min_length} character(s)",
    ),
    "string_too_long": (
        "`{at}` 至多 {max_length} 个字，请缩短",
        "`{at}` is too long: write at most {max_length} character(s)",
    ),
    "string_pattern_mismatch": (
        "`{at}` 的写法应符合 {pattern}，请更正",
        "`{at}` is not written like `{pattern}`: correct it",
    ),
    "too_short": (
        "`{at}` 至少 {min_length} 项，请补写",
        "`{at}` has too few items: write at least {min_length}",
    ),
    "too_long": (
        "`{at}` 至多 {max_length} 项，请删减",
        "`{at}` has too many items: write at most {max_length}",
    ),
    "greater_than_equal": (
        "`{at}` 不得小于 {ge}，请改大",
        "`{at}` is not below {ge}: write a greater number",
    ),
    "greater_than": (
        "`{at}` 须大于 {gt}，请改大",
        "`{at}` is above {gt}: write a greater number",
    ),
    "less_than_equal": (
        "`{at}` 不得大于 {le}，请改小",
        "`{at}` is not above {le}: write a smaller number",
    ),
    "less_than": (
        "`{at}` 须小于 {lt}，请改小",
        "`{at}` is below {lt}: write a smaller number",
    ),
}
"""What is wrong and what to do, by pydantic's name of it."""
