r"""Patterns of text as XPath 3.1 (5.6) and XML Schema write them, read into a tree.

Two matchers read the tree, each in time that is bounded by the text and the pattern, so that no
word of an applicant can keep a decision waiting. What would need more is left out: references
back to what was found (``\1``), and patterns or texts beyond the limits below.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NoReturn, TypeAlias

MOST_STEPS = 200
"""Characters and branches of a pattern once everything that is repeated is written out."""

LONGEST_TEXT = 200
"""Characters of a text that is held against a pattern."""


class PatternError(ValueError):
    """A pattern, its flags or a replacement that cannot be read, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        self.zh = zh
        super().__init__(en)


@dataclass(frozen=True, slots=True)
class Characters:
    """Any one of some characters.

    Attributes:
        ranges: Pairs of a first and a last character.
        categories: General categories of Unicode, or the first letters of some.
        minus: Those that are taken away again.
        folded: Whether capital and small letters are the same.
    """

    ranges: tuple[tuple[str, str], ...] = ()
    parts: "tuple[Characters, ...]" = ()
    categories: tuple[str, ...] = ()
    negated: bool = False
    minus: "Characters | None" = None
    folded: bool = False

    def has(self, character: str) -> bool:
        """Whether it is one of them."""
        alike = _alike(character) if self.folded else (character,)
        found = (
            any(low <= one <= high for low, high in self.ranges for one in alike)
            or any(unicodedata.category(one).startswith(self.categories) for one in alike)
            or any(part.has(one) for part in self.parts for one in alike)
        )
        return found is not self.negated and not (self.minus and self.minus.has(character))


@dataclass(frozen=True, slots=True)
class Edge:
    """A place between characters: where the text, or one of its lines, begins or ends."""

    kind: Literal["begin", "end"]
    lines: bool

    def stands(self, text: str, at: int) -> bool:
        """Whether it is there."""
        if self.kind == "begin":
            return at == 0 or (self.lines and at < len(text) and text[at - 1] == "\n")
        return at == len(text) or (self.lines and text[at] == "\n")


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other; of none it is nothing at all."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """The first of these with which all else is found."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Group:
    """What is found is kept under a number, from 1."""

    number: int
    item: "Node"


@dataclass(frozen=True, slots=True)
class Star:
    """Any number of times: as often as can be, or as seldom."""

    item: "Node"
    greedy: bool


Node: TypeAlias = Characters | Edge | Sequence | Choice | Group | Star


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, read.

    Attributes:
        groups: How many pairs of brackets keep what they find.
    """

    node: Node
    groups: int


@lru_cache(maxsize=512)
def read(text: str, flags: str = "") -> Pattern:
    """Read a pattern.

    Args:
        flags: Any of ``s`` (a point is every character), ``m`` (``^`` and ``$`` are of lines),
            ``i`` (capitals and small letters are the same) and ``x`` (blanks do not count).

    Raises:
        PatternError: It is none, or takes more than `MOST_STEPS`.
    """
    if not set(flags) <= set("smix"):
        raise PatternError("标志只有 s、m、i、x", "flags are s, m, i and x")
    reader = _Reader(_without_blanks(text) if "x" in flags else text, flags)
    node = reader.choice()
    if not reader.is_done():
        reader.refuse()
    if _steps_left(node, MOST_STEPS) < 0:
        raise PatternError(
            f"展开后超过 {MOST_STEPS} 步", f"written out it takes more than {MOST_STEPS} steps"
        )
    return Pattern(node, reader.groups)


def replacement(text: str, groups: int) -> tuple[str | int, ...]:
    r"""What stands in place of what was found: texts, and numbers of groups for ``$1``.

    Raises:
        PatternError: A ``$`` without a number, or a ``\`` before another sign than ``$`` and ``\``.
    """
    found: list[str | int] = []
    at = 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 2] in {"\\", "$"}:
            found.append(text[at + 1])
            at += 2
        elif text[at] == "$" and text[at + 1 : at + 2] in _DIGITS:
            number, at = int(text[at + 1]), at + 2
            while text[at : at + 1] in _DIGITS and 10 * number + int(text[at]) <= groups:
                number, at = 10 * number + int(text[at]), at + 1
            found.append(number if number <= groups else "")
        elif text[at] in "\\$":
            raise PatternError(
                "新文字中 $ 后须是数字", "in the new text a $ stands before a number"
            )
        else:
            found.append(text[at])
            at += 1
    return tuple(found)


def _steps_left(node: Node, left: int) -> int:
    """What a part leaves of so many steps; counted no further than to below zero.

    A part that is repeated is there once and counted as often as it is written out: repetitions in
    each other would be counted for ages.
    """
    left -= 1
    match node:
        case Characters() | Edge():
            return left
        case Sequence(items=items) | Choice(items=items):
            for item in items:
                if left < 0:
                    break
                left = _steps_left(item, left)
            return left
        case Group(item=item) | Star(item=item):
            return _steps_left(item, left)


def _alike(character: str) -> tuple[str, ...]:
    return (character, character.lower(), character.upper())


def _without_blanks(text: str) -> str:
    kept, depth, escaped = "", 0, False
    for character in text:
        if character in " \t\n\r" and not depth:
            continue
        if not escaped:
            depth += (character == "[") - (character == "]" and depth > 0)
        escaped = character == "\\" and not escaped
        kept += character
    return kept


_DIGITS = frozenset("0123456789")
_POINT = Characters(ranges=(("\n", "\n"), ("\r", "\r")), negated=True)
_EVERY = Characters(negated=True)
_BLANKS = ((" ", " "), ("\t", "\t"), ("\n", "\n"), ("\r", "\r"))
_BEGINS_NAME = Characters(ranges=(("_", "_"), (":", ":")), categories=("L",))
_SIGNS = {"n": "\n", "r": "\r", "t": "\t"} | {one: one for one in "\\|.-^?*+{}()[]$"}
_KINDS = {
    "s": Characters(ranges=_BLANKS),
    "d": Characters(categories=("Nd",)),
    "w": Characters(categories=("P", "Z", "C"), negated=True),
    "i": _BEGINS_NAME,
    "c": Characters(
        ranges=(("-", "."), ("_", "_"), (":", ":"), ("·", "·")), categories=("L", "Nd", "M")
    ),
}
_BLOCKS = {
    "IsBasicLatin": ("\0", "\x7f"),
    "IsLatin-1Supplement": ("\x80", "\xff"),
    "IsGreek": ("\u0370", "\u03ff"),
    "IsCyrillic": ("\u0400", "\u04ff"),
    "IsCJKUnifiedIdeographs": ("\u4e00", "\u9fff"),
}
_CATEGORIES = frozenset(
    [
        "L",
        "Lu",
        "Ll",
        "Lt",
        "Lm",
        "Lo",
        "M",
        "Mn",
        "Mc",
        "Me",
        "N",
        "Nd",
        "Nl",
        "No",
        "P",
        "Pc",
        "Pd",
        "Ps",
        "Pe",
        "Pi",
        "Pf",
        "Po",
        "Z",
        "Zs",
        "Zl",
        "Zp",
        "S",
        "Sm",
        "Sc",
        "Sk",
        "So",
        "C",
        "Cc",
        "Cf",
        "Co",
        "Cn",
    ]
)


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, text: str, flags: str) -> None:
        self.text = text
        self.at = 0
        self.groups = 0
        self.depth = 0
        self._lines = "m" in flags
        self._folded = "i" in flags
        self._point = _EVERY if "s" in flags else _POINT

    def is_done(self) -> bool:
        return self.at == len(self.text)

    def refuse(self) -> NoReturn:
        raise PatternError(f"第 {self.at + 1} 个字符", f"its character {self.at + 1}")

    def choice(self) -> Node:
        self._deeper()
        items = [self._sequence()]
        while self._take("|"):
            items.append(self._sequence())
        self.depth -= 1
        return items[0] if len(items) == 1 else Choice(tuple(items))

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MOST_STEPS // 4:
            self.refuse()

    def _sequence(self) -> Node:
        items: list[Node] = []
        while not self.is_done() and self._next() not in "|)":
            items.append(self._repeated(self._atom()))
        return Sequence(tuple(items))

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self, sign: str) -> bool:
        taken = self.text.startswith(sign, self.at)
        self.at += len(sign) if taken else 0
        return taken

    def _any(self) -> str:
        if self.is_done():
            self.refuse()
        self.at += 1
        return self.text[self.at - 1]

    def _atom(self) -> Node:  # noqa: PLR0911  # one case for each kind of sign
        match self._any():
            case "^":
                return Edge("begin", self._lines)
            case "$":
                return Edge("end", self._lines)
            case ".":
                return self._point
            case "(":
                return self._group()
            case "[":
                return self._class()
            case "\\":
                return self._characters(self._escaped())
            case "*" | "+" | "?" | "{" | "}" | "]":
                self.at -= 1
                return self.refuse()
            case plain:
                return self._characters(plain)

    def _group(self) -> Node:
        kept = not self._take("?:")
        if kept:
            self.groups += 1
        number = self.groups
        inside = self.choice()
        if not self._take(")"):
            self.refuse()
        return Group(number, inside) if kept else inside

    def _characters(self, one: "str | Characters") -> Characters:
        if isinstance(one, Characters):
            return one
        return Characters(ranges=((one, one),), folded=self._folded)

    def _escaped(self) -> "str | Characters":
        sign = self._any()
        if sign in _SIGNS:
            return _SIGNS[sign]
        if sign.lower() in _KINDS:
            kind = _KINDS[sign.lower()]
            return kind if sign.islower() else Characters(parts=(kind,), negated=True)
        if sign in "pP" and self._take("{") and "}" in self.text[self.at :]:
            name, _, _ = self.text[self.at :].partition("}")
            self.at += len(name) + 1
            negated = sign == "P"
            if name in _BLOCKS:
                return Characters(ranges=(_BLOCKS[name],), negated=negated)
            if name in _CATEGORIES:
                return Characters(categories=(name,), negated=negated)
        return self.refuse()

    def _class(self) -> Characters:
        """After ``[``; a class may end with another that is taken away from it."""
        self._deeper()
        negated = self._take("^")
        ranges: list[tuple[str, str]] = []
        parts: list[Characters] = []
        minus = None
        first = True
        while first or not self._take("]"):
            if not first and self._take("-["):
                minus = self._class()
                if not self._take("]"):
                    self.refuse()
                break
            low = self._in_class(first=first)
            first = False
            if isinstance(low, Characters):
                parts.append(low)
                continue
            high = low
            if self._next() == "-" and self.text[self.at + 1 : self.at + 2] not in {"[", "]", ""}:
                self.at += 1
                end = self._in_class(first=False)
                if isinstance(end, Characters) or end < low:
                    self.refuse()
                high = end
            ranges.append((low, high))
        self.depth -= 1
        return Characters(tuple(ranges), tuple(parts), (), negated, minus, self._folded)

    def _in_class(self, *, first: bool) -> "str | Characters":
        sign = self._any()
        if sign == "\\":
            return self._escaped()
        if sign == "[" or (sign == "]" and first):
            self.refuse()
        return sign

    def _repeated(self, item: Node) -> Node:
        least, most = self._times()
        if (least, most) == (1, 1):
            return item
        if isinstance(item, Edge):
            self.refuse()
        greedy = not self._take("?")
        if most is None:
            return Sequence((*((item,) * least), Star(item, greedy)))
        rest: Node = Sequence(())
        for _ in range(most - least):
            more = Sequence((item, rest))
            rest = Choice((more, Sequence(())) if greedy else (Sequence(()), more))
        return Sequence((*((item,) * least), rest))

    def _times(self) -> tuple[int, int | None]:
        if self._take("*"):
            return 0, None
        if self._take("+"):
            return 1, None
        if self._take("?"):
            return 0, 1
        if not self._take("{"):
            return 1, 1
        least, comma, most = self._braces().partition(",")
        if not re.fullmatch(r"[0-9]{1,6}(,[0-9]{0,6})?", f"{least}{comma}{most}"):
            self.refuse()
        low = int(least)
        high = low if not comma else int(most) if most else None
        if low > MOST_STEPS or (high is not None and not low <= high <= MOST_STEPS):
            self.refuse()
        return low, high

    def _braces(self) -> str:
        inside, closing, _ = self.text[self.at :].partition("}")
        if not closing:
            self.refuse()
        self.at += len(inside) + 1
        return inside
