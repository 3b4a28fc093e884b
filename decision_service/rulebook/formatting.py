"""A rule file in its usual dress: tables aligned, punctuation as one writes it, rows filled in.

What the file says does not change: the same book is read from it before and after. A file whose
shape cannot be read is left alone.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from decision_service.model import (
    DECLARED,
    SERVICE,
    BooleanType,
    Concept,
    ConceptType,
    DateType,
    ListType,
    Meaning,
    NumberType,
    OptionType,
    Range,
    TextType,
)
from decision_service.rulebook import page
from decision_service.rulebook.page import Grid, Item, Section
from decision_service.rulebook.source import Report, TooManyFindingsError, lines
from decision_service.rulebook.texts import plain_number
from decision_service.rulebook.tree import RuleFileError
from decision_service.rulebook.words import SPELT, plain

Meanings = Mapping[Concept, Meaning]

_EXPRESSIONS = {"推算": {"算法"}, "结果": {"取自"}}
"""Columns of expressions, by section; in 标准 all but the first are."""

_CONDITION = re.compile(r"条件(?:\s+requires)?|requires")
_QUOTED = re.compile(r'("(?:[^"\\]|\\.?)*(?:"|$))')
"""A text, to the end of the line if nothing ends it: every character is looked at once."""

_SOURCES = {DECLARED: "申报 declared", SERVICE: "服务 service"}


def formatted(text: str, *, where: str, meanings: Meanings | None = None) -> str:
    """The rule file in its usual dress.

    Args:
        meanings: The city's concepts; rows of 词汇 that have nothing but an id are filled in.

    Raises:
        RuleFileError: Its shape cannot be read; with everything that is wrong with it.
    """
    report = Report()
    try:
        markdown, pieces = lines(text, report)
        root = page.read(markdown, pieces, report)
    except TooManyFindingsError:
        root = None
    if root is None or report.refuses:
        raise RuleFileError(where, tuple(report.findings))
    dressed = {line.number: line.text for line in _section(root, "", meanings or {})}
    kept = [dressed.get(piece.line, piece.text.rstrip()) for piece in pieces]
    return "\n".join(kept).rstrip("\n") + "\n"


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str


def _section(section: Section, word: str, meanings: Meanings) -> Iterator[_Line]:
    """The lines of a section that are written anew; ``word`` is the section of the second level."""
    if section.level:
        heading = _halves(section.heading.text)
        yield _Line(section.heading.line, f"{'#' * section.level} {heading}")
    if section.level == 2:
        word = section.heading.text.split()[0] if section.heading.text else ""
    for item in section.items:
        yield _Line(item.key.line, _item(item))
    for grid in section.grids:
        yield from _grid(grid, word, meanings)
    for part in section.sections:
        yield from _section(part, word, meanings)


def _item(item: Item) -> str:
    key, value = " ".join(item.key.text.split()), item.value.text
    value = _expression(value) if _CONDITION.fullmatch(key) else _halves(value)
    return f"- {key}：{value}"


def _halves(text: str) -> str:
    """``中文 | English`` with one blank on either side of its bar."""
    zh, *en = re.split("[|｜]", text, maxsplit=1)
    return " | ".join((zh.rstrip(), en[0].lstrip())) if en else text


def _expression(text: str) -> str:
    """Half-width signs outside quotes; what stands in quotes is left as it is."""
    half = plain(text)
    parts = _QUOTED.split(half)
    start, found = 0, []
    for index, part in enumerate(parts):
        end = start + len(part)
        if index % 2:
            found.append(part[0] + text[start + 1 : end - 1] + part[1:][-1:])
        else:
            for sign, spelt in SPELT.items():
                part = part.replace(sign, spelt)  # noqa: PLW2901  # each sign in turn
            found.append(part)
        start = end
    return "".join(found)


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def _grid(grid: Grid, word: str, meanings: Meanings) -> Iterator[_Line]:
    """The lines of a table, every column as wide as its widest cell."""
    header = [" ".join(cell.text.split()) for cell in grid.header]
    names = [name.split()[0] if name else "" for name in header]
    rows = [[cell.text for cell in row] for row in grid.rows]
    if word == "词汇":
        rows = [_filled(names, row, meanings) for row in rows]
    expressions = _EXPRESSIONS.get(word, set(names[1:]) if word == "标准" else set())
    rows = [
        [
            _expression(cell) if name in expressions else cell
            for name, cell in zip(names, row, strict=True)
        ]
        for row in rows
    ]
    widths = [max(3, *map(_width, column)) for column in zip(header, *rows, strict=True)]
    first = grid.header[0].line
    yield _Line(first, _row(header, widths))
    yield _Line(first + 1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    for cells, row in zip(grid.rows, rows, strict=True):
        yield _Line(cells[0].line, _row(row, widths))


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True)
    )
    return f"| {' | '.join(padded)} |"


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


# ── the vocabulary ───────────────────────────────────────────────────────────────────────────────


def _filled(names: Sequence[str], row: list[str], meanings: Meanings) -> list[str]:
    """A row of 词汇; one that has nothing but an id is filled in from the city's concepts."""
    given = dict(zip(names, row, strict=True))
    meaning = meanings.get(Concept(given.get("标识", "")))
    if meaning is None or any(cell for name, cell in given.items() if name != "标识"):
        return row
    kind, detail = _type(meaning.type)
    filled = {
        "标识": meaning.concept,
        "名称": meaning.name.zh,
        "English": meaning.name.en,
        "类型": kind,
        "单位或取值": detail,
        "范围": _range(meaning.range),
        "来源": _SOURCES.get(meaning.source, meaning.source),
    }
    return [filled.get(name, "") for name in names]


def _type(type_: ConceptType) -> tuple[str, str]:
    """The word for a type, and its unit or its values."""
    match type_:
        case BooleanType():
            return "是否", ""
        case NumberType(unit=unit, scale=scale):
            return "数", f"{unit}，{scale} 位小数" if unit else f"{scale} 位小数"
        case DateType():
            return "日期", ""
        case TextType():
            return "文本", ""
        case OptionType(options=options):
            return "选项", "，".join(
                f'"{label.zh}" {code}{_english(label.en, code)}' for code, label in options.items()
            )
        case ListType(columns=columns):
            return "列表", "；".join(
                f"{column.name.zh} {id_}{_english(column.name.en, id_)}（{_joined(column.type)}）"
                for id_, column in columns.items()
            )


def _joined(type_: ConceptType) -> str:
    return " ".join(part for part in _type(type_) if part)


def _english(words: str, id_: str) -> str:
    """The English label, where it is not the id with blanks."""
    return "" if words == id_.replace("_", " ") else f' "{words}"'


def _range(limits: Range | None) -> str:
    if limits is None:
        return ""
    low, high = (
        end.isoformat() if isinstance(end, date) else plain_number(end)
        for end in (limits.low, limits.high)
    )
    return f"[{low}..{high}]"
