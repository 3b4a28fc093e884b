"""The closed list of words and signs of the rule language, in Chinese and in English."""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from decision_service.rulebook.functions import FUNCTIONS

Kind: TypeAlias = Literal[
    "NAME", "VARIABLE", "PART", "FUNCTION", "PARAMETER", "NUMBER", "DATE", "STRING", "TRUE",
    "FALSE", "NULL", "AND", "OR", "NOT", "IN", "BETWEEN", "HE", "IF", "THEN", "ELSE", "SOME",
    "EVERY", "SATISFIES", "FOR", "RETURN", "COMPARISON", "PLUS", "MINUS", "TIMES", "POWER", "DOTS",
    "DOT", "COMMA", "OPEN", "CLOSE", "LEFT", "RIGHT", "FROM", "UPTO",
]  # fmt: skip
"""Kinds of words, by their names in ``grammar.lark``."""

KEYWORDS: Mapping[str, Kind] = {
    "并且": "AND", "或者": "OR", "非": "NOT", "属于": "IN", "介于": "BETWEEN", "和": "HE",
    "如果": "IF", "那么": "THEN", "否则": "ELSE", "是": "TRUE", "否": "FALSE",
    "存在": "SOME", "每个": "EVERY", "满足": "SATISFIES", "逐个": "FOR", "得出": "RETURN",
    "and": "AND", "or": "OR", "not": "NOT", "in": "IN", "between": "BETWEEN",
    "if": "IF", "then": "THEN", "else": "ELSE", "true": "TRUE", "false": "FALSE",
    "some": "SOME", "every": "EVERY", "satisfies": "SATISFIES",
    "for": "FOR", "return": "RETURN",
}  # fmt: skip
"""Words that mean the same in every file; no name may be one of them."""

SIGNS: Mapping[str, Kind] = {
    "**": "POWER", "..": "DOTS", "!=": "COMPARISON", "<=": "COMPARISON", ">=": "COMPARISON",
    "≤": "COMPARISON", "≥": "COMPARISON", "≠": "COMPARISON",
    "=": "COMPARISON", "<": "COMPARISON", ">": "COMPARISON",
    "+": "PLUS", "-": "MINUS", "*": "TIMES", "/": "TIMES", ",": "COMMA", ".": "DOT",
    "(": "OPEN", ")": "CLOSE", "[": "LEFT", "]": "RIGHT",
}  # fmt: skip
SPELT = {"≤": "<=", "≥": ">=", "≠": "!="}

MISTAKEN = {
    "==": "=", "=>": ">=", "=<": "<=", "<>": "!=", "&&": "并且 (and)", "||": "或者 (or)",
    "!": "非 (not)", "'": '"', "{": "(", "}": ")",
}  # fmt: skip
"""Signs of other languages, and what is written here."""

ITEM = frozenset({"item", "本项"})
"""The element itself, inside the brackets of a filter and after 满足."""

PARTIAL = "partial"
"""What a loop of FEEL has found so far, where no types are declared."""

UNKNOWN_WORDS = frozenset({"未知", "unknown", "null", "UNKNOWN", "NULL"})
TODAY = frozenset({"today", "now", "TODAY", "NOW", "今天", "今日", "现在", "当前日期", "当日"})
ABSENT = frozenset({"function", "instance", "external"})
"""Words of FEEL that this language leaves out: functions of one's own, types as values."""

FUNCTION_NAMES = {
    spelling: function.name
    for function in FUNCTIONS.values()
    for spelling in (function.name, function.zh)
}
RESERVED = frozenset(KEYWORDS) | frozenset(FUNCTION_NAMES) | ITEM | UNKNOWN_WORDS | TODAY | ABSENT
"""What no name of a file can be."""


def _one_of(spellings: list[str]) -> str:
    longest_first = sorted(spellings, key=len, reverse=True)
    return "|".join(re.escape(one).replace("_", r"(?:_|\s+)") for one in longest_first)


CALLED = re.compile(rf"(?:{_one_of([*FUNCTION_NAMES])})(?=\s*\()")
"""A function and its bracket; ``string length`` and ``string_length`` are one name."""

PARAMETER = re.compile(r"(?P<name>[^\W\d][\w ]*?)\s*:")
"""``start position:`` before an argument."""

KEYWORD = re.compile(
    "|".join(
        f"{word}(?![A-Za-z0-9_])" if word.isascii() else word
        for word in sorted(KEYWORDS, key=len, reverse=True)
    )
)
OPERATOR = re.compile(
    r"(?:and|or|then|else|in|between|satisfies|return)\b|并且|或者|属于|介于|和|那么|否则|满足|得出"
)
"""Keywords that come after a value."""

LONG_KEYWORD = re.compile("|".join(word for word in KEYWORDS if len(word) > 1 and word > "~"))

ENDS_VALUE: frozenset[Kind] = frozenset(
    {"NAME", "PART", "NUMBER", "DATE", "STRING", "TRUE", "FALSE", "NULL", "CLOSE", "RIGHT", "UPTO"}
)
"""Words after which an operator comes, and no value."""

_STANDS_FOR = {0x3000: " ", **{0xFF01 + n: chr(0x21 + n) for n in range(94)}} | {
    ord(written): meant for written, meant in zip("“”、×÷－—", '"",*/--', strict=True)
}
"""Full-width forms and what they stand for, one character each, so that columns stay."""


def plain(text: str) -> str:
    """The text with full-width forms as what they stand for, character by character."""
    return text.translate(_STANDS_FOR)
