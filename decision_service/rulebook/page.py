"""The strict Markdown of a rule file: headings, keys with values, tables, and nothing else.

What the machine would not read is refused rather than skipped, so that no sentence of an author
is silently without effect. Remarks for people stand in block quotes (``>``).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from decision_service.rulebook.source import Piece, Report
from decision_service.rulebook.tree import Position

MOST_ROWS = 1000
"""Rows that one table may have; the proof that rows exclude each other compares all pairs."""


@dataclass(frozen=True, slots=True)
class Item:
    """A line ``- key：value``."""

    key: Piece
    value: Piece


@dataclass(frozen=True, slots=True)
class Grid:
    """A Markdown table; every row has as many cells as the header.

    Attributes:
        complete: Whether no row had to be left out.
    """

    header: tuple[Piece, ...]
    rows: tuple[tuple[Piece, ...], ...]
    at: Position
    complete: bool


@dataclass(slots=True)
class Section:
    """A heading and what stands below it, up to the next heading of its level.

    Attributes:
        lines: Lines of plain text.
    """

    heading: Piece
    level: int
    items: list[Item] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    lines: list[Piece] = field(default_factory=list)
    sections: "list[Section]" = field(default_factory=list)


def read(markdown: str, lines: Sequence[Piece], report: Report) -> Section:
    """Return the page as a tree of sections; the root has the level 0 and no heading.

    Args:
        markdown: The whole text, its lines ended by a line feed.
        lines: The same, line by line.
    """
    root = Section(Piece("", 1, 1), 0)
    open_sections = [root]
    for token, inside in _blocks(_MARKDOWN.parse(markdown)):
        first, end = token.map or (0, 0)
        current = open_sections[-1]
        match token.type:
            case "heading_open" if token.markup.startswith("#"):
                section = Section(lines[first].part(len(token.markup)), len(token.markup))
                while open_sections[-1].level >= section.level:
                    open_sections.pop()
                open_sections[-1].sections.append(section)
                open_sections.append(section)
            case "bullet_list_open":
                current.items.extend(_items(inside, lines, report))
            case "table_open":
                current.grids.append(_grid(lines[first:end], report))
            case "paragraph_open":
                current.lines.extend(line.part(0) for line in lines[first:end])
            case "blockquote_open":
                for line in lines[first:end]:
                    if line.part(0).text[:1] not in {">", ""}:
                        report.add("E003.continued", line.part(0).at)
            case _:
                report.add("E003.block", lines[first].part(0).at)
    return root


_MARKDOWN = (
    MarkdownIt("commonmark", {"maxNesting": 20})
    .enable("table")
    .disable(["inline", "reference", "lheading"])
)


def _blocks(tokens: Sequence[Token]) -> Iterator[tuple[Token, Sequence[Token]]]:
    """Each block of the outermost level, and the tokens inside it."""
    start = 0
    for index, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            yield tokens[start], tokens[start + 1 : index]
            start = index + 1


def _items(inside: Sequence[Token], lines: Sequence[Piece], report: Report) -> Iterator[Item]:
    """The keys and values of a list; an item is one line."""
    for token in inside:
        if token.level == 1 and token.nesting == 1 and token.map:
            first, end = token.map
            line = lines[first]
            marker = re.match(r"\s*[-*+]", line.text)
            body = line.part(marker.end() if marker else 0)
            halves = body.halves("：:")
            if halves is None or not halves[0].text:
                report.add("E003.item", body.at)
                continue
            yield Item(*halves)
            for more in lines[first + 1 : end]:
                if more.text.strip():
                    report.add("E003.continued", more.part(0).at)


def _grid(lines: Sequence[Piece], report: Report) -> Grid:
    """A table; its second line only separates."""
    header = _cells(lines[0])
    rows = []
    for line in lines[2:]:
        cells = _cells(line)
        if len(cells) == len(header):
            rows.append(cells)
        else:
            found, wanted = str(len(cells)), str(len(header))
            report.add("E003.cells", line.part(0).at, found=found, wanted=wanted)
    if len(rows) > MOST_ROWS:
        report.add("E005.rows", lines[0].part(0).at, found=str(len(rows)), most=str(MOST_ROWS))
    complete = len(rows) == len(lines) - 2
    return Grid(header, tuple(rows[:MOST_ROWS]), lines[0].part(0).at, complete)


def _cells(line: Piece) -> tuple[Piece, ...]:
    """The cells of a row, as Markdown splits them: at every bar without a backslash before it."""
    body = line.part(0)
    bars = [match.start() for match in re.finditer(r"(?<!\\)\|", body.text)]
    ends = [index for index in bars if 0 < index < len(body.text) - 1]
    starts = [1 if bars and bars[0] == 0 else 0, *(index + 1 for index in ends)]
    last = len(body.text) - 1 if bars and bars[-1] == len(body.text) - 1 else len(body.text)
    return tuple(body.part(start, end) for start, end in zip(starts, [*ends, last], strict=True))
