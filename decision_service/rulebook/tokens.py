"""The words of an expression: a longest-match lexer over the closed vocabulary of one file.

Names of the vocabulary come first and the longest wins, so that ``年龄介于80和89`` reads as
intended although Chinese sets no blanks. Full-width forms are read as what they stand for;
places always point into the text as written.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, TypeAlias

from decision_service.model import Concept, ConceptType, NumberType, Value
from decision_service.rulebook.functions import FUNCTIONS
from decision_service.rulebook.source import Piece, Report
from decision_service.rulebook.tree import Position

LONGEST_EXPRESSION = 4000
"""Characters that one expression may have."""

Kind: TypeAlias = Literal[
    "NAME", "FUNCTION", "NUMBER", "DATE", "STRING", "TRUE", "FALSE", "AND", "OR", "NOT", "IN",
    "BETWEEN", "HE", "IF", "THEN", "ELSE", "COMPARISON", "PLUS", "MINUS", "TIMES", "POWER", "DOTS",
    "COMMA", "OPEN", "CLOSE", "LEFT", "RIGHT",
]  # fmt: skip
"""Kinds of words, by their names in ``grammar.lark``."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of an expression.

    Attributes:
        text: As written.
        value: What it says: the number, the day, the text inside the quotes, the id of a name
            (None if there is no such name), the operator, the English name of a function.
    """

    kind: Kind
    text: str
    value: Value | None
    at: Position


class Scope:
    """The names that an expression may use, each with its type; none where values are due."""

    def __init__(self) -> None:
        self.types: dict[Concept, ConceptType] = {}
        self._ids: dict[str, Concept] = {}
        self._lengths: tuple[int, ...] = ()

    def add(self, id_: Concept, type_: ConceptType, *names: str) -> None:
        """Add a concept or derived value under each of its names."""
        self.types[id_] = type_
        self._ids.update(dict.fromkeys(names, id_))
        self._measure()

    def _measure(self) -> None:
        lengths = {len(name) for name in self._ids if not name.isascii()}
        self._lengths = tuple(sorted(lengths, reverse=True))

    def add_broken(self, *names: str) -> None:
        """Add names whose definition is wrong, so that using them is not reported again."""
        for name in names:
            self._ids.setdefault(name, Concept(name))
        self._measure()

    def find(self, name: str) -> Concept | None:
        """The id that goes by this name; None if none does."""
        return self._ids.get(name)

    def names(self) -> Iterable[str]:
        """Every name that is sound, for suggestions."""
        return (name for name, id_ in self._ids.items() if id_ in self.types)

    def longest_at(self, text: str, index: int) -> str:
        """The longest Chinese name that the text has at that place; empty if it has none."""
        parts = (text[index : index + length] for length in self._lengths)
        return next((part for part in parts if part in self._ids), "")


# ── the closed list ──────────────────────────────────────────────────────────────────────────────

KEYWORDS: Mapping[str, Kind] = {
    "并且": "AND", "或者": "OR", "非": "NOT", "属于": "IN", "介于": "BETWEEN", "和": "HE",
    "如果": "IF", "那么": "THEN", "否则": "ELSE", "是": "TRUE", "否": "FALSE",
    "and": "AND", "or": "OR", "not": "NOT", "in": "IN", "between": "BETWEEN",
    "if": "IF", "then": "THEN", "else": "ELSE", "true": "TRUE", "false": "FALSE",
}  # fmt: skip
"""Words that mean the same in every file; no name may be one of them."""

_SIGNS: Mapping[str, Kind] = {
    "**": "POWER", "..": "DOTS", "!=": "COMPARISON", "<=": "COMPARISON", ">=": "COMPARISON",
    "≤": "COMPARISON", "≥": "COMPARISON", "≠": "COMPARISON",
    "=": "COMPARISON", "<": "COMPARISON", ">": "COMPARISON",
    "+": "PLUS", "-": "MINUS", "*": "TIMES", "/": "TIMES", ",": "COMMA",
    "(": "OPEN", ")": "CLOSE", "[": "LEFT", "]": "RIGHT",
}  # fmt: skip
_SPELT = {"≤": "<=", "≥": ">=", "≠": "!="}

_MISTAKEN = {
    "==": "=", "=>": ">=", "=<": "<=", "<>": "!=", "&&": "并且 (and)", "||": "或者 (or)",
    "!": "非 (not)", "'": '"',
}  # fmt: skip
"""Signs of other languages, and what is written here."""

UNKNOWN_WORDS = frozenset({"未知", "unknown", "null", "UNKNOWN", "NULL"})
_TODAY = frozenset({"today", "now", "TODAY", "NOW", "今天", "今日", "现在", "当前日期", "当日"})
_LATER = frozenset(
    {
        "some", "every", "satisfies", "for", "return", "count", "sum", "list", "duration",
        "存在", "任一", "每个", "满足", "计数", "合计", "列表", "时长",
    }
)  # fmt: skip
"""Words of the language that this version does not read yet: lists and durations."""

_FUNCTIONS = {
    name: function.name for function in FUNCTIONS.values() for name in (function.name, function.zh)
}
RESERVED = frozenset(KEYWORDS) | frozenset(_FUNCTIONS) | UNKNOWN_WORDS | _TODAY | _LATER
"""What no name of a file can be."""

_STANDS_FOR = {0x3000: " ", **{0xFF01 + n: chr(0x21 + n) for n in range(94)}} | {
    ord(written): meant for written, meant in zip("“”、×÷－—", '"",*/--', strict=True)
}
"""Full-width forms and what they stand for, one character each, so that columns stay."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?![\d-])", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_EXPONENT = re.compile(r"\d+(?:\.\d+)?[eE][+-]?\d+", re.ASCII)
_LATIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
_RUN = re.compile(r"\w+")
_LONG_KEYWORD = re.compile("|".join(word for word in KEYWORDS if len(word) > 1 and word > "~"))


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


class UnreadableError(Exception):
    """A word cannot be read, so that the rest of the expression would be guesswork."""


def plain(text: str) -> str:
    """The text with full-width forms as what they stand for, character by character."""
    return text.translate(_STANDS_FOR)


def read(piece: Piece, scope: Scope, report: Report) -> tuple[Word, ...]:
    """Return the words of an expression; an unknown name is reported and read on.

    Raises:
        UnreadableError: Something else cannot be read; it is reported.
    """
    if len(piece.text) > LONGEST_EXPRESSION:
        report.add("E005.expression", piece.at, most=str(LONGEST_EXPRESSION))
        raise UnreadableError
    return tuple(_Reader(piece, scope, report).words())


class _Reader:
    """Reads the words of one piece of text."""

    def __init__(self, piece: Piece, scope: Scope, report: Report) -> None:
        self.piece = piece
        self.text = plain(piece.text)
        self.scope = scope
        self.report = report

    def words(self) -> Iterator[Word]:
        index = 0
        while index < len(self.text):
            if self.text[index] == " ":
                index += 1
                continue
            word = self._literal(index) or self._named(index) or self._sign(index)
            yield word
            index += len(word.text)

    def _word(self, kind: Kind, index: int, length: int, value: Value | None) -> Word:
        written = self.piece.text[index : index + length]
        return Word(kind, written, value, self._at(index))

    def _at(self, index: int) -> Position:
        return Position(self.piece.line, self.piece.column + index)

    def _refuse(self, key: str, index: int, **words: str) -> UnreadableError:
        self.report.add(key, self._at(index), **words)
        return UnreadableError()

    def _literal(self, index: int) -> Word | None:
        if self.text[index] == '"':
            end = self.text.find('"', index + 1)
            if end < 0:
                raise self._refuse("E101.quote", index)
            inside = self.piece.text[index + 1 : end]
            return self._word("STRING", index, end + 1 - index, inside)
        if found := _DATE.match(self.text, index):
            try:
                day = date.fromisoformat(found[0])
            except ValueError:
                raise self._refuse("E101.day", index, text=found[0]) from None
            return self._word("DATE", index, len(found[0]), day)
        if found := _EXPONENT.match(self.text, index):
            raise self._refuse("E101.exponent", index, text=found[0])
        if found := _NUMBER.match(self.text, index):
            return self._number(found[0], index)
        return None

    def _number(self, text: str, index: int) -> Word:
        number = Decimal(text)
        if len(number.as_tuple().digits) > 34 or len(text.partition(".")[2]) > 9:
            raise self._refuse("E101.digits", index, text=text)
        return self._word("NUMBER", index, len(text), number)

    def _named(self, index: int) -> Word | None:
        """A name, a function or a keyword: whichever is longest, a name first."""
        if latin := _LATIN.match(self.text, index):
            candidates = [latin[0]]
            name = latin[0] if self.scope.find(latin[0]) else ""
        else:
            candidates = [
                self.text[index : index + length] for length in range(_LONGEST_WORD, 0, -1)
            ]
            name = self.scope.longest_at(self.text, index)
        word = next((text for text in candidates if self._is_word(text, index)), "")
        if name and len(name) >= len(word):
            return self._word("NAME", index, len(name), self.scope.find(name))
        if word in _FUNCTIONS:
            return self._word("FUNCTION", index, len(word), _FUNCTIONS[word])
        if word in KEYWORDS:
            kind = KEYWORDS[word]
            return self._word(kind, index, len(word), kind == "TRUE")
        if not re.match(r"\w", self.text[index]):
            return None
        return self._unknown(latin[0] if latin else self._run(index), index)

    def _is_word(self, text: str, index: int) -> bool:
        return text in KEYWORDS or (text in _FUNCTIONS and self._is_called(index + len(text)))

    def _is_called(self, end: int) -> bool:
        return self.text[end:].lstrip()[:1] == "("

    def _run(self, index: int) -> str:
        """The whole of an unknown Chinese word, up to a keyword that surely is one."""
        found = _RUN.match(self.text, index)
        run = found[0] if found else self.text[index]
        keyword = _LONG_KEYWORD.search(run, 1)
        return run[: keyword.start()] if keyword else run

    def _unknown(self, name: str, index: int) -> Word:
        """Report a word that is in no list, in the words that fit it best."""
        if name in UNKNOWN_WORDS:
            raise self._refuse("E036", index, name=name)
        if name in _TODAY:
            raise self._refuse("E060", index, name=name)
        if name in _LATER:
            raise self._refuse("E061", index, name=name)
        if not self.scope.types:
            raise self._refuse("E021.constant", index, text=self.piece.text)
        if name in self._units():
            raise self._refuse("E032.word", index, name=name)
        if self._is_called(index + len(name)):
            self.report.add_unknown("E037", self._at(index), name, _FUNCTIONS)
            raise UnreadableError
        self.report.add_unknown("E030", self._at(index), name, self.scope.names())
        return self._word("NAME", index, len(name), None)

    def _units(self) -> set[str]:
        types = self.scope.types.values()
        return {one.unit for one in types if isinstance(one, NumberType)} - {""}

    def _sign(self, index: int) -> Word:
        for sign, meant in _MISTAKEN.items():
            if self.text.startswith(sign, index) and not self.text.startswith("!=", index):
                key = "E101.equals" if sign == "==" else "E101.sign"
                raise self._refuse(key, index, sign=sign, meant=meant)
        for sign, kind in _SIGNS.items():
            if self.text.startswith(sign, index):
                return self._word(kind, index, len(sign), _SPELT.get(sign, sign))
        raise self._refuse("E101", index, text=self.piece.text[index])


_LONGEST_WORD = max(map(len, RESERVED))
