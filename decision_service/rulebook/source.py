"""The text of a rule file with its places, and the findings about it in both languages."""

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import NamedTuple

from decision_service.model import Text
from decision_service.rulebook.tree import Finding, Position

LONGEST_FILE = 1024 * 1024
"""Bytes of UTF-8 that a rule file may have."""

MOST_LINES = 20_000
"""Lines that a rule file may have."""

NO_UTF8 = "\ufffd"
"""What stands for bytes that are no UTF-8; written out it means the same."""

MOST_FINDINGS = 100
"""A file with more is not read on: the first hundred keep an author busy."""


class Piece(NamedTuple):
    """A part of one line of the file that knows where it stands."""

    text: str
    line: int
    column: int

    @property
    def at(self) -> Position:
        """Where its first character is."""
        return Position(self.line, self.column)

    def part(self, start: int, end: int | None = None) -> "Piece":
        """The characters from ``start`` to before ``end``, without blanks around them."""
        text = self.text[start:end]
        begun = text.lstrip()
        return Piece(begun.rstrip(), self.line, self.column + start + len(text) - len(begun))

    def split(self, separators: str) -> "tuple[Piece, ...]":
        """The parts between any of the separating characters, outside quotes and brackets."""
        parts, start, depth, quoted = [], 0, 0, False
        for sign in _any_of(_QUOTES + _BRACKETS + separators, escaped=True).finditer(self.text):
            character = sign[0]
            if character[0] == "\\":
                continue
            if character in _QUOTES:
                quoted = not quoted
            elif quoted:
                continue
            elif character in separators and not depth:
                parts.append(self.part(start, sign.start()))
                start = sign.end()
            else:
                depth += (character in "([（［") - (character in ")]）］")
                depth = max(depth, 0)
        return (*parts, self.part(start))

    def halves(self, separators: str) -> "tuple[Piece, Piece] | None":
        """What stands before and after the first separating character; None without one."""
        found = _any_of(separators).search(self.text)
        return found and (self.part(0, found.start()), self.part(found.end()))


_QUOTES = '"“”＂'
_BRACKETS = "([（［)]）］"


@cache
def _any_of(characters: str, *, escaped: bool = False) -> re.Pattern[str]:
    """A pattern for any one of these characters, or else for one behind a backslash."""
    return re.compile((r"\\.|" if escaped else "") + f"[{re.escape(characters)}]")


class TooManyFindingsError(Exception):
    """The file has so many findings that the rest of it is not looked at."""


class Report:
    """Collects what is wrong, or doubtful, in one rule file."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def add(self, key: str, at: Position, **words: str) -> None:
        """Add a finding in the words of ``findings.toml``.

        Args:
            key: Code and, where a code has several wordings, a dot and which of them.
            words: What stands in the placeholders of the wording.

        Raises:
            TooManyFindingsError: It is one too many.
        """
        if len(self.findings) == MOST_FINDINGS:
            self.findings.append(_finding("E005.findings", at, {"most": str(MOST_FINDINGS)}))
            raise TooManyFindingsError
        found = _finding(key, at, {name: _shown(word) for name, word in words.items()})
        if found not in self.findings:
            self.findings.append(found)

    def add_unknown(
        self, key: str, at: Position, name: str, known: Iterable[str], **words: str
    ) -> str:
        """Add a finding about a word that is not among the known, with the likeliest of them.

        The wording ``<key>`` has ``{name}``; ``<key>.like`` has ``{like}`` besides.

        Returns:
            The likeliest, so that reading can go on as if it were meant; empty if none is.
        """
        candidates = list(islice(known, 2000))
        like = difflib.get_close_matches(name[:40], candidates, n=1, cutoff=0.5)
        if like:
            self.add(f"{key}.like", at, name=name, like=like[0], **words)
        else:
            self.add(key, at, name=name, **words)
        return like[0] if like else ""

    @property
    def refuses(self) -> bool:
        """Whether anything found refuses the file."""
        return any(not finding.code.startswith("W") for finding in self.findings)


def _shown(word: str) -> str:
    """A word of the file as a message may show it: short, on one line."""
    return word if len(word) <= 60 else word[:57] + "…"


def _finding(key: str, at: Position, words: Mapping[str, str]) -> Finding:
    wording = wordings()[key]
    zh, en, hint_zh, hint_en = (
        wording[part].format(**words) for part in ("zh", "en", "hint_zh", "hint_en")
    )
    return Finding(key.partition(".")[0], at, Text(zh=zh, en=en), Text(zh=hint_zh, en=hint_en))


@cache
def wordings() -> Mapping[str, Mapping[str, str]]:
    """The wording of every finding, by its key."""
    text = files(__package__).joinpath("findings.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


# ── lines and characters ─────────────────────────────────────────────────────────────────────────

_INDENT = re.compile("^[ \u3000]*\u3000")


def lines(text: str, report: Report) -> tuple[str, tuple[Piece, ...]]:
    """The text as Markdown may have it, and its lines; every strange character is reported.

    A byte order mark, which some editors put first, is left out; full-width blanks at the
    beginning of a line, which Markdown takes for text, are plain ones.

    Raises:
        TooManyFindingsError: There is too much wrong, or the file is too large to look at, or is
            no UTF-8, so that the rest would be guesswork.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > LONGEST_FILE or len(text.encode(errors="surrogatepass")) > LONGEST_FILE:
        report.add("E005.size", Position(1, 1), most="1 MiB")
        raise TooManyFindingsError
    found = tuple(
        Piece(_INDENT.sub(lambda blanks: " " * len(blanks[0]), line), number, 1)
        for number, line in enumerate(re.split("\r\n|\r|\n", text), start=1)
    )
    if len(found) > MOST_LINES:
        report.add("E005.size", Position(MOST_LINES, 1), most=f"{MOST_LINES} lines")
        raise TooManyFindingsError
    for line in found:
        if (broken := line.text.find(NO_UTF8)) >= 0:
            report.add("E070.encoding", Position(line.line, broken + 1))
            raise TooManyFindingsError
    text = "\n".join(line.text for line in found)
    strange = {one for one in set(text) if one not in " \u3000\n" and not _is_plain(one)}
    for line in found if strange else ():
        if not strange.isdisjoint(line.text):
            _refuse_strange(line, strange, report)
    return text, found


def _refuse_strange(line: Piece, strange: set[str], report: Report) -> None:
    for index, character in enumerate(line.text):
        if character not in strange:
            continue
        twin = unicodedata.normalize("NFKC", character)
        words = {
            "code": f"U+{ord(character):04X}",
            "name": unicodedata.name(character, "without a name"),
        }
        at = Position(line.line, line.column + index)
        if not character.isprintable():
            report.add("E070.invisible", at, **words)
        elif twin != character and len(twin) == 1 and _is_plain(twin):
            report.add("E070.twin", at, twin=twin, **words)
        else:
            report.add("E070", at, **words)


@cache
def _is_plain(character: str) -> bool:
    """Whether a character is what it looks like: Chinese, Latin, or common punctuation.

    Letters of other scripts, radicals and compatibility forms look like something that they are
    not; they come from copied PDF files more often than from malice.
    """
    if character.isascii():
        return character.isprintable()
    kind = unicodedata.category(character)
    if kind[0] in "LNM":
        return unicodedata.name(character, "").startswith(_SCRIPTS) and kind != "Lm"
    return kind[0] in "PS" and not unicodedata.name(character, "").startswith(_DISGUISED)


_SCRIPTS = (
    "CJK UNIFIED IDEOGRAPH",
    "IDEOGRAPHIC NUMBER ZERO",
    "LATIN SMALL LETTER",
    "LATIN CAPITAL LETTER",
    "FULLWIDTH DIGIT",
    "FULLWIDTH LATIN",
    "CIRCLED DIGIT",
    "CIRCLED NUMBER",
)
_DISGUISED = ("KANGXI RADICAL", "CJK RADICAL", "BRAILLE")
"""Symbols by their category, but letters or blanks by their look."""
