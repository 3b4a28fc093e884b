"""Filters of the trail (AIP-160): from a text to a condition, or to where and why it is none.

A filter never says who: no value is taken that is not of the shape its field has, and what is
wrong is told by its place, never in the writer's own words.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Final, cast
from zoneinfo import ZoneInfo

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.exceptions import VisitError

from audit.trail.queries import All, Condition, Either, Is, Marked, Not, of_kind
from decision_service.errors import FieldViolation, InvalidRequestError
from decision_service.model import CaseState, Status

LONGEST = 2_000
"""Characters of a filter."""

_DEEPEST = 16
"""Brackets within brackets."""

_MOST = 50
"""Comparisons."""

OUTCOMES: Final = tuple(
    state.value for state in CaseState if state not in {CaseState.OPEN, CaseState.WITHDRAWN}
)
_TEXT: Final = ("=", "!=")
_ORDERED: Final = ("=", "!=", "<", "<=", ">", ">=")
_HAS: Final = (":",)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a filter may name beside its fields.

    Attributes:
        releases: Digest of every release by name, e.g. ``old_age_allowance@2019-10-01``.
        zone: The city's; a day begins at its midnight.
    """

    releases: Mapping[str, str]
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field is compared.

    Attributes:
        relations: The operators that it takes.
        read: Makes a condition of operator and value.
    """

    relations: tuple[str, ...]
    read: "Callable[[Scope, Token, Token], Condition]"


@dataclass(frozen=True, slots=True)
class _Wrong(Exception):  # noqa: N818 - told to nobody; it becomes a field violation
    """Why a filter is none.

    Attributes:
        at: Character, from 1.
    """

    at: int
    message: str
    zh: str


def read_filter(text: str, scope: Scope) -> Condition:
    """The condition that a filter says; of an empty one, one that always holds.

    Raises:
        InvalidRequestError: It cannot be read; ``filter`` says where, and what could stand there.
    """
    try:
        return _read(text, scope)
    except _Wrong as wrong:
        raise InvalidRequestError(
            [
                FieldViolation(
                    field="filter",
                    reason="FILTER_UNREADABLE",
                    message=f"at character {wrong.at}: {wrong.message}",
                    zh=f"filter 第 {wrong.at} 个字符处：{wrong.zh}",
                )
            ]
        ) from None


def _read(text: str, scope: Scope) -> Condition:
    if len(text) > LONGEST:
        raise _Wrong(
            LONGEST + 1,
            f"a filter has at most {LONGEST} characters",
            f"筛选式不得超过 {LONGEST} 字",
        )
    _refuse_deep(text)
    try:
        tree = _parser().parse(text)
        builder = _Builder(scope)
        condition: Condition = builder.transform(tree)
    except UnexpectedInput as error:
        raise _explained(error, text) from None
    except VisitError as error:
        raise error.orig_exc from None
    return condition


def _refuse_deep(text: str) -> None:
    depth = 0
    for at, character in enumerate(re.sub(r'"[^"]*"', lambda s: "_" * len(s[0]), text), 1):
        depth += (character == "(") - (character == ")")
        if depth > _DEEPEST:
            raise _Wrong(
                at,
                f"brackets stand more than {_DEEPEST} deep; write it flatter",
                f"括号超过 {_DEEPEST} 层，请改写",
            )


class _Builder(Transformer[Token, Condition]):
    """Turns lark's tree into a condition."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope
        self._comparisons = 0

    def start(self, parts: Sequence[Condition]) -> Condition:
        return parts[0] if parts else All(())

    def all(self, parts: Sequence[Condition]) -> Condition:
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def either(self, parts: Sequence[Condition]) -> Condition:
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def negation(self, parts: Sequence[Condition]) -> Condition:
        return Not(parts[0])

    def restriction(self, parts: Sequence[Token]) -> Condition:
        name, relation, value = parts
        self._comparisons += 1
        if self._comparisons > _MOST:
            raise _Wrong(
                _at(name), f"a filter compares at most {_MOST} times", f"比较不得超过 {_MOST} 次"
            )
        if value.type == "STRING":
            value = Token("WORD", value[1:-1], start_pos=_at(value))
        if name.startswith("requirements."):
            return _status(name, relation, value)
        field = _FIELDS.get(name)
        if field is None:
            raise _unknown_field(name)
        _refuse_relation(relation, field.relations)
        return field.read(self._scope, relation, value)


# ── fields ───────────────────────────────────────────────────────────────────────────────────────


def _word(column: str, pattern: str, must: str, zh: str) -> _Field:
    """A field that holds words of a shape."""
    shape = re.compile(pattern)

    def read(_scope: Scope, relation: Token, value: Token) -> Condition:
        if not shape.fullmatch(value):
            raise _Wrong(_at(value), must, zh)
        return Is(column, str(relation), str(value))

    return _Field(_TEXT, read)


def _index(_scope: Scope, relation: Token, value: Token) -> Condition:
    if not re.fullmatch(r"[0-9]{1,15}", value):
        raise _Wrong(_at(value), "an index is a whole number from 0", "序号应为从 0 起的整数")
    return Is("idx", str(relation), int(value))


def _time(scope: Scope, relation: Token, value: Token) -> Condition:
    wrong = _Wrong(
        _at(value),
        'a time is an instant with its zone, e.g. "2026-01-02T03:04:05Z", or a day',
        '时间应为带时区的时刻，如 "2026-01-02T03:04:05+08:00"，或日期',
    )
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            instant = datetime.combine(date.fromisoformat(value), time(), scope.zone)
        else:
            instant = datetime.fromisoformat(value)
        if instant.utcoffset() is None or not 1970 <= instant.year < 9999:
            raise wrong
    except ValueError:
        raise wrong from None
    return Is("time", str(relation), instant)


def _type(_scope: Scope, relation: Token, value: Token) -> Condition:
    """With its version, or of any version."""
    if not re.fullmatch(r"[a-z_]{1,40}(/[0-9]{1,4})?", value):
        raise _Wrong(
            _at(value), "a type is e.g. `decision` or `decision/1`", "类型如 decision 或 decision/1"
        )
    if "/" in value:
        return Is("type", str(relation), str(value))
    return of_kind(value) if relation == "=" else Not(of_kind(value))


def _release(scope: Scope, relation: Token, value: Token) -> Condition:
    if re.fullmatch(r"[0-9a-f]{64}", value):
        return Is("release_digest", str(relation), str(value))
    if value not in scope.releases:
        raise _Wrong(
            _at(value),
            "no release of that name is published; give its digest in hexadecimal, if it was"
            + _meant(value, scope.releases),
            "没有已发布的这一版本；已下线的版本请用其十六进制摘要"
            + _meant(value, scope.releases, "；是否指"),
        )
    return Is("release_digest", str(relation), scope.releases[value])


def _outcome(_scope: Scope, relation: Token, value: Token) -> Condition:
    _refuse_other(value, OUTCOMES)
    return Is("outcome", str(relation), str(value))


def _reason(_scope: Scope, _relation: Token, value: Token) -> Condition:
    if not re.fullmatch(r"[A-Z][A-Z_]{0,63}", value):
        raise _Wrong(
            _at(value),
            "a reason is a code such as `REQUIREMENT_UNKNOWN`",
            "原因应为代码，如 REQUIREMENT_UNKNOWN",
        )
    return Marked("reason", str(value))


def _requirement(_scope: Scope, _relation: Token, value: Token) -> Condition:
    if not _REQUIREMENT.fullmatch(value):
        raise _no_requirement(value)
    return Marked("requirement", str(value))


def _status(name: Token, relation: Token, value: Token) -> Condition:
    """``requirements.R1 = not_met``; another status only of an entry that has the requirement."""
    requirement = name.removeprefix("requirements.")
    if not _REQUIREMENT.fullmatch(requirement):
        raise _no_requirement(name)
    _refuse_relation(relation, _TEXT)
    _refuse_other(value, [status.value for status in Status])
    has = Marked("requirement", f"{requirement}={value}")
    return has if relation == "=" else All((Marked("requirement", requirement), Not(has)))


_REQUIREMENT = re.compile(r"R[0-9]{1,3}")
_ID: Final = (
    r"[a-z][a-z0-9_]{0,63}",
    "an id is lower-case letters, digits and `_`",
    "标识由小写字母、数字和下划线组成",
)

_FIELDS: Final[Mapping[str, _Field]] = {
    "index": _Field(_ORDERED, _index),
    "time": _Field(_ORDERED, _time),
    "type": _Field(_TEXT, _type),
    "matter": _word("matter", *_ID),
    "release": _Field(_TEXT, _release),
    "outcome": _Field(_TEXT, _outcome),
    "channel": _word("channel", *_ID),
    "caller": _word(
        "caller",
        r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}",
        "a caller is a token's subject, e.g. `portal-luohu`",
        "调用方为令牌的 sub，如 portal-luohu",
    ),
    "case_id": _word(
        "case_id",
        r"[0-9a-f]{32}",
        "a case is the 32 hexadecimal digits that this service gave it",
        "办件为本系统给出的32位十六进制标识",
    ),
    "reasons": _Field(_HAS, _reason),
    "requirements": _Field(_HAS, _requirement),
}


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────


def _refuse_relation(found: Token, allowed: Sequence[str]) -> None:
    if found not in allowed:
        usable = " ".join(f"`{one}`" for one in allowed)
        raise _Wrong(_at(found), f"this field is compared with {usable}", f"该字段可用 {usable}")


def _refuse_other(value: Token, allowed: Sequence[str]) -> None:
    if value not in allowed:
        usable = ", ".join(allowed)
        raise _Wrong(_at(value), f"must be one of {usable}", f"应为 {usable} 之一")


def _unknown_field(name: Token) -> _Wrong:
    usable = ", ".join(_FIELDS)
    return _Wrong(
        _at(name),
        f"there is no such field{_meant(name, _FIELDS)}; there are {usable}",
        f"没有这一字段{_meant(name, _FIELDS, '，是否指')}；可用：{usable}",
    )


def _no_requirement(at: Token) -> _Wrong:
    return _Wrong(_at(at), "a requirement is e.g. `R1`", "条件编号如 R1")


def _meant(found: str, known: Iterable[str], before: str = "; did you mean") -> str:
    close = get_close_matches(found, list(known), n=1)
    return f"{before} `{close[0]}`" if close else ""


def _explained(error: UnexpectedInput, text: str) -> _Wrong:
    """Where the text stops making sense, and what could stand there."""
    at, expected = len(text) + 1, set[str]()
    if isinstance(error, UnexpectedToken):
        expected = {*error.expected}
        if error.token.type != "$END":
            at = _at(error.token)
    elif isinstance(error, UnexpectedCharacters):
        at, expected = cast("int", error.pos_in_stream) + 1, {*error.allowed}
    if "RELATION" in expected:
        usable = "=, !=, <, <=, >, >= or :"
        return _Wrong(at, f"an operator must stand here: {usable}", f"此处应为运算符：{usable}")
    if {"STRING", "WORD"} & set(expected):
        return _Wrong(
            at,
            'a value must stand here; put it in " " if it has blanks or brackets',
            "此处应为取值；含空格或括号的请加双引号",
        )
    if "_CLOSE" in expected and at > len(text):
        return _Wrong(at, "a bracket is not closed", "括号没有闭合")
    return _Wrong(
        at,
        "must be FIELD OPERATOR VALUE, joined by AND, OR, NOT and brackets, e.g."
        " `matter = library_card AND outcome = referred`",
        "应写成“字段 运算符 取值”，以 AND、OR、NOT 和括号连接，如"
        " matter = library_card AND outcome = referred",
    )


def _at(token: Token) -> int:
    return (token.start_pos or 0) + 1


@cache
def _parser() -> Lark:
    """Built at the first filter: a start need not wait for it."""
    grammar = files("decision_service").joinpath("filter.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr")
