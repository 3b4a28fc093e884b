"""The words of an expression: a longest-match lexer over the closed vocabulary of one file.

Names of the vocabulary come first and the longest wins, so that ``年龄介于80和89`` reads as
intended although Chinese sets no blanks. Full-width forms are read as what they stand for;
places always point into the text as written.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from decision_service.model import Concept, ConceptType, NumberType, Value
from decision_service.rulebook.functions import PARAMETERS
from decision_service.rulebook.source import Piece, Report
from decision_service.rulebook.tree import Position
from decision_service.rulebook.values import (
    ANY,
    UNKNOWN,
    AnyType,
    Duration,
    ListOf,
    NotKnown,
    RecordOf,
    Type,
    duration,
    in_expressions,
)
from decision_service.rulebook.words import (
    ABSENT,
    CALLED,
    ENDS_VALUE,
    FUNCTION_NAMES,
    ITEM,
    KEYWORD,
    KEYWORDS,
    LONG_KEYWORD,
    MISTAKEN,
    OPERATOR,
    PARAMETER,
    PARTIAL,
    SIGNS,
    SPELT,
    TODAY,
    UNKNOWN_WORDS,
    Kind,
    plain,
)

LONGEST_EXPRESSION = 4000
"""Characters that one expression may have."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of an expression.

    Attributes:
        text: As written.
        value: What it says: the number, the day, the text inside the quotes, the id of a name
            (None if there is no such name), the operator, the English name of a function.
        unit: What is written after a number: 元 in ``3000元``.
    """

    kind: Kind
    text: str
    value: Value | Duration | NotKnown | None
    at: Position
    unit: str = ""


class Scope:
    """The names that an expression may use, each with its type; none where values are due.

    Args:
        free: Whether types are those of the values at evaluation (FEEL), and not declared.
        units: What may be written after a number, besides the units of the names and of time.
    """

    def __init__(self, *, free: bool = False, units: Iterable[str] = ()) -> None:
        self.types: dict[Concept, Type] = {}
        self.free = free
        self.units = {*TIME_UNITS, *units}
        self.columns: set[str] = set()
        self._ids: dict[str, Concept] = {}
        self._lengths = set[int]()

    def add(self, id_: Concept, declared: ConceptType | AnyType, *names: str) -> None:
        """Add a concept or derived value under each of its names."""
        type_ = declared if isinstance(declared, AnyType) else in_expressions(declared)
        self.types[id_] = type_
        self.units.update(_units_of(type_))
        self._ids.update(dict.fromkeys(names, id_))
        self._lengths.update(map(len, names))
        if isinstance(type_, ListOf) and isinstance(type_.item, RecordOf):
            self.add_columns(type_.item.names)

    def add_columns(self, names: Iterable[str]) -> None:
        """Add names that records have, where no type says so."""
        self.columns.update(names)
        self._lengths.update(map(len, self.columns))

    def add_broken(self, *names: str) -> None:
        """Add names whose definition is wrong, so that using them is not reported again."""
        for name in names:
            self._ids.setdefault(name, Concept(name))
        self._lengths.update(map(len, names))

    def type_of(self, type_: Type) -> Type:
        """The type of something written out, or worked out."""
        return ANY if self.free else type_

    def find(self, name: str) -> Concept | None:
        """The id that goes by this name; None if none does."""
        return self._ids.get(name)

    def names(self) -> Iterable[str]:
        """Every name that is sound, for suggestions."""
        return (name for name, id_ in self._ids.items() if id_ in self.types)

    def longest_at(self, text: str, index: int, besides: Iterable[str] = ()) -> str:
        """The longest name that the text has at that place; empty if it has none."""
        lengths = self._lengths.union(map(len, besides))
        for length in sorted(lengths, reverse=True):
            part = text[index : index + length]
            if (part in self._ids or part in self.columns or part in besides) and not (
                _LATIN_END.fullmatch(part[-1:]) and _LATIN_END.match(text, index + length)
            ):
                return part
        return ""


TIME_UNITS = frozenset({"年", "月", "个月", "天", "日", "工作日", "岁", "周岁"})
"""Units that every file knows: what the functions of days count in."""

_POWERS = {"万": 4, "亿": 8}


def _units_of(type_: Type) -> Iterator[str]:
    """The units that a name, or the columns of a list, are in."""
    match type_:
        case NumberType(unit=unit) if unit:
            yield unit
        case ListOf(item=RecordOf(columns=columns)):
            for column in columns.values():
                yield from _units_of(column)
        case _:
            pass


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?![\d-])", re.ASCII)
_DATE_ZH = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_EXPONENT = re.compile(r"\d+(?:\.\d+)?[eE][+-]?\d+", re.ASCII)
_FREE_NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,4})?(?![\d])", re.ASCII)
_STRING = re.compile(r'"(?P<inside>(?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{6})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\"}
_BLANK = re.compile(r"\s+")
_FREE_BLANK = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_REMARKS = ("//", "/*")
"""What begins a remark of FEEL. In a rule file the rest of a condition would be lost in silence."""
_LATIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
_LATIN_END = re.compile(r"[A-Za-z0-9_]", re.ASCII)
_BOUND = re.compile(r"\s*(?P<name>[^\W\d]\w*?)\s*(?:\bin\b|属于)")
_PART = re.compile(r"[^\W\d]\w*")
_RUN = re.compile(r"\w+")

PARTS = frozenset(
    {"year", "month", "day", "weekday", "years", "months", "days", "hours", "minutes", "seconds"}
    | {"start", "end", "start included", "end included"}
)
"""Parts of days, durations and ranges."""


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


class UnreadableError(Exception):
    """A word cannot be read, so that the rest of the expression would be guesswork."""


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
    """Reads the words of one piece of text.

    Attributes:
        bound: Names of variables that were bound so far.
        binding: How many quantifiers wait for their 满足, and loops for their 得出.
        last: Kind of the word before.
    """

    def __init__(self, piece: Piece, scope: Scope, report: Report) -> None:
        self.piece = piece
        self.text = plain(piece.text)
        self.scope = scope
        self.report = report
        self.bound: set[str] = set(ITEM)
        self.binding = 0
        self.last: Kind | None = None
        self._blank = _FREE_BLANK if scope.free else _BLANK

    def words(self) -> Iterator[Word]:
        index = 0
        while index < len(self.text):
            if blank := self._blank.match(self.text, index):
                index = blank.end()
                continue
            word = (
                self._in_place(index)
                or self._literal(index)
                or self._named(index)
                or self._sign(index)
            )
            yield word
            self.binding += word.kind in {"SOME", "EVERY", "FOR"}
            self.binding -= word.kind in {"SATISFIES", "RETURN"}
            if word.kind == "FOR" and self.scope.free:
                self.bound.add(PARTIAL)
            self.last = word.kind
            index += len(word.text)

    def _word(
        self, kind: Kind, index: int, length: int, value: Value | Duration | NotKnown | None
    ) -> Word:
        written = self.piece.text[index : index + length]
        return Word(kind, written, value, self._at(index))

    def _at(self, index: int) -> Position:
        """The place of a character; only an expression on its own has several lines."""
        line = self.text.count("\n", 0, index)
        if line:
            return Position(self.piece.line + line, index - self.text.rfind("\n", 0, index))
        return Position(self.piece.line, self.piece.column + index)

    def _refuse(self, key: str, index: int, **words: str) -> UnreadableError:
        self.report.add(key, self._at(index), **words)
        return UnreadableError()

    # words that their place makes what they are

    def _in_place(self, index: int) -> Word | None:
        """A part after a point, a parameter in a call, or the variable of a quantifier."""
        if self.last == "DOT":
            name = self.scope.longest_at(self.text, index, PARTS)
            found = _PART.match(self.text, index)
            if name in self.scope.columns or name in PARTS:
                return self._word("PART", index, len(name), name)
            return self._word("PART", index, len(found[0]), found[0]) if found else None
        if self.last in {"OPEN", "COMMA"} and (parameter := PARAMETER.match(self.text, index)):
            known = " ".join(parameter["name"].split())
            if known not in PARAMETERS:
                self.report.add_unknown("E035.parameter", self._at(index), known, PARAMETERS)
                raise UnreadableError
            return self._word("PARAMETER", index, len(parameter[0]), known)
        begins = self.last in {"SOME", "EVERY", "FOR"} or (self.last == "COMMA" and self.binding)
        if begins and (bound := _BOUND.match(self.text, index)):
            name = bound["name"]
            if (
                "满足" not in name
                and "得出" not in name
                and not self.scope.longest_at(self.text, index)
            ):
                self.bound.add(name)
                return self._word("VARIABLE", index, bound.end("name") - index, name)
        return None

    # values written out

    def _literal(self, index: int) -> Word | None:
        if self.text[index] in '"@':
            return self._string(index)
        if found := _DATE.match(self.text, index):
            return self._word("DATE", index, len(found[0]), self._day(found[0], index))
        if found := _DATE_ZH.match(self.text, index):
            day = "-".join(part.zfill(2) for part in found.groups())
            return self._word("DATE", index, len(found[0]), self._day(day, index))
        if self.scope.free:
            found = _FREE_NUMBER.match(self.text, index)
            return self._free_number(found[0], index) if found else None
        if found := _EXPONENT.match(self.text, index):
            raise self._refuse("E101.exponent", index, text=found[0])
        if found := _NUMBER.match(self.text, index):
            return self._number(found[0], index)
        return None

    def _string(self, index: int) -> Word:
        """``"text"``, or ``@"2026-03-01"`` and ``@"P18Y"``."""
        typed = self.text[index] == "@"
        found = _STRING.match(self.text, index + typed)
        if found is None:
            raise self._refuse("E101.quote", index)
        inside = self._unescaped(self.piece.text[slice(*found.span("inside"))], index)
        if not typed:
            return self._word("STRING", index, found.end() - index, inside)
        length = found.end() - index
        lasting = duration(inside)
        if lasting is not None:
            return self._word("DATE", index, length, lasting)
        return self._word("DATE", index, length, self._day(inside, index))

    def _unescaped(self, text: str, index: int) -> str:
        r"""What ``\n``, ``\"`` and ``\u4E2D`` stand for; any other is refused in a rule file.

        In FEEL it stays, as patterns need it.
        """
        if "\\" not in text:
            return text

        def meant(found: re.Match[str]) -> str:
            if code := found[1] or found[2]:
                return chr(int(code, 16)) if int(code, 16) < 0x110000 else "\ud800"
            kept = found[0] if self.scope.free and found[3] not in "uU" else "\ud800"
            return _ESCAPED.get(found[3], kept)

        try:
            return _ESCAPE.sub(meant, text).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self._refuse("E101.escape", index) from None

    def _day(self, text: str, index: int) -> date:
        try:
            if _DATE.fullmatch(text):
                return date.fromisoformat(text)
        except ValueError:
            pass
        raise self._refuse("E101.day", index, text=text)

    def _number(self, text: str, index: int) -> Word:
        number = Decimal(text)
        if len(number.as_tuple().digits) > 34 or len(text.partition(".")[2]) > 9:
            raise self._refuse("E101.digits", index, text=text)
        end = index + len(text)
        if power := _POWERS.get(self.text[end : end + 1]):
            number, end = number.scaleb(power), end + 1
        unit, end = self._unit(end)
        if unit == "%" and unit not in self.scope.units:
            number, unit = number.scaleb(-2), ""
        word = self._word("NUMBER", index, end - index, number)
        return replace(word, unit=unit)

    def _free_number(self, text: str, index: int) -> Word:
        """A number of FEEL, which knows no units; ``50%`` is a half there too."""
        number, end = Decimal(text), index + len(text)
        if self.text[end : end + 1] == "%":
            return self._word("NUMBER", index, len(text) + 1, number.scaleb(-2))
        keyword = OPERATOR.match(self.text, end) or LONG_KEYWORD.match(self.text, end)
        if (run := _RUN.match(self.text, end)) and not run[0].isascii() and not keyword:
            raise self._refuse("E032.free", end, name=self._run(end))
        return self._word("NUMBER", index, len(text), number)

    def _unit(self, index: int) -> tuple[str, int]:
        """The unit that stands after a number, and where it ends; empty if there is none."""
        blank = self._blank.match(self.text, index)
        start = blank.end() if blank else index
        unit = max(
            (one for one in (*self.scope.units, "%") if self.text.startswith(one, start)),
            key=len,
            default="",
        )
        end = start + len(unit)
        if unit and len(self.scope.longest_at(self.text, start)) <= len(unit):
            latin = _LATIN_END.fullmatch(unit[-1]) and _LATIN_END.match(self.text, end)
            return ("", index) if latin else (unit, end)
        run = _RUN.match(self.text, index)
        if run and not (OPERATOR.match(self.text, index) or LONG_KEYWORD.match(self.text, index)):
            name = self._run(index)
            self.report.add_unknown("E032.unit", self._at(index), name, sorted(self.scope.units))
            raise UnreadableError
        return "", index

    # names and words

    def _named(self, index: int) -> Word | None:
        """A name, a function or a keyword: whichever is longest, a name first."""
        name = self.scope.longest_at(self.text, index, self.bound)
        called, keyword = CALLED.match(self.text, index), KEYWORD.match(self.text, index)
        longest = max(len(called[0]) if called else 0, len(keyword[0]) if keyword else 0)
        if name and len(name) >= longest:
            return self._word("NAME", index, len(name), self.scope.find(name))
        if called and len(called[0]) == longest:
            spelt = re.sub(r"\s+", "_", called[0])
            return self._word("FUNCTION", index, longest, FUNCTION_NAMES[spelt])
        if keyword:
            kind = KEYWORDS[keyword[0]]
            return self._word(kind, index, longest, kind == "TRUE")
        if not re.match(r"\w", self.text[index]):
            return None
        latin = _LATIN.match(self.text, index)
        return self._unknown(latin[0] if latin else self._run(index), index)

    def _is_called(self, end: int) -> bool:
        return self.text[end:].lstrip()[:1] == "("

    def _run(self, index: int) -> str:
        """The whole of an unknown Chinese word, up to a keyword that surely is one."""
        found = _RUN.match(self.text, index)
        run = found[0] if found else self.text[index]
        keyword = LONG_KEYWORD.search(run, 1)
        return run[: keyword.start()] if keyword else run

    def _unknown(self, name: str, index: int) -> Word:
        """Report a word that is in no list, in the words that fit it best."""
        if name in UNKNOWN_WORDS and self.scope.free:
            return self._word("NULL", index, len(name), UNKNOWN)
        if name in UNKNOWN_WORDS:
            raise self._refuse("E036", index, name=name)
        if name in TODAY:
            raise self._refuse("E060", index, name=name)
        if name in ABSENT:
            raise self._refuse("E061", index, name=name)
        if not (self.scope.types or self.scope.free):
            raise self._refuse("E021.constant", index, text=self.piece.text)
        if name in self.scope.units:
            raise self._refuse("E032.word", index, name=name)
        if self._is_called(index + len(name)):
            self.report.add_unknown("E037", self._at(index), name, FUNCTION_NAMES)
            raise UnreadableError
        known = (*self.scope.names(), *self.scope.columns)
        self.report.add_unknown("E030", self._at(index), name, known)
        return self._word("NAME", index, len(name), None)

    # signs

    def _sign(self, index: int) -> Word:
        if self.text.startswith(_REMARKS, index) and not self.scope.free:
            raise self._refuse("E101.remark", index, sign=self.text[index : index + 2])
        for sign, meant in MISTAKEN.items():
            if self.text.startswith(sign, index) and not self.text.startswith("!=", index):
                key = "E101.equals" if sign == "==" else "E101.sign"
                raise self._refuse(key, index, sign=sign, meant=meant)
        for sign, kind in SIGNS.items():
            if self.text.startswith(sign, index):
                turned = self._turned(kind, index)
                return self._word(turned, index, len(sign), SPELT.get(sign, sign))
        raise self._refuse("E101", index, text=self.piece.text[index])

    def _turned(self, kind: Kind, index: int) -> Kind:
        """The kind of a bracket: one that turns away, as in ``]70..80[``, leaves an end out."""
        after_value = self.last in ENDS_VALUE
        if kind == "RIGHT" and not after_value and self.last != "LEFT":
            return "FROM"
        if kind == "LEFT" and after_value:
            rest = self.text[index + 1 :].lstrip()
            if rest[:1] in {*",)]=<>!", ""} or OPERATOR.match(rest):
                return "UPTO"
        return kind
