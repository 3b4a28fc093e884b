"""The strict Markdown of a rule file: headings, keys with values, tables, and nothing else.

What the machine would not read is refused rather than skipped, so that no sentence of an author
is silently without effect. Remarks for people stand in block quotes (``>``).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from decision_service.rulebook.source import Piece, Report
from decision_service.rulebook.tree import Position

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

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
    for kind, first, end, detail in _plain_blocks(lines) or _parsed_blocks(markdown):
        current = open_sections[-1]
        match kind:
            case "heading":
                section = Section(lines[first].part(0).part(detail), detail)
                while open_sections[-1].level >= section.level:
                    open_sections.pop()
                open_sections[-1].sections.append(section)
                open_sections.append(section)
            case "item":
                current.items.extend(_item(lines[first:end], report))
            case "table":
                current.grids.append(_grid(lines[first:end], report))
            case "paragraph":
                current.lines.extend(line.part(0) for line in lines[first:end])
            case "quote":
                for line in lines[first:end]:
                    if line.part(0).text[:1] not in {">", ""}:
                        report.add("E003.continued", line.part(0).at)
            case _:
                report.add("E003.block", lines[first].part(0).at)
    return root


# ── blocks ───────────────────────────────────────────────────────────────────────────────────────


class _Block(NamedTuple):
    """Lines that belong together.

    Attributes:
        kind: ``heading``, ``item``, ``table``, ``paragraph``, ``quote``, or the parser's word for
            what has no place in a rule file.
        end: Index of the line after the last.
        detail: How many hashes a heading has.
    """

    kind: str
    first: int
    end: int
    detail: int = 0


_LINE = re.compile(
    r"(?P<heading>#{1,6}) +\S|(?P<item>- {1,4}\w)|(?P<table>\|)|(?P<quote>>)"
    r"|(?P<paragraph>[^\W\d_])|(?P<blank> *\Z)"
)
_HEADER = re.compile(r"\|.*\| *")
_SEPARATOR = re.compile(r"\|(?: *:?-+:? *\|)+ *")


def _plain_blocks(lines: Sequence[Piece]) -> list[_Block] | None:
    """The blocks of a page on which every line says by its first characters what it is.

    Markdown reads such a page no otherwise (a property test holds this against the parser), and
    sound files are such pages; None for any other.
    """
    blocks: list[_Block] = []
    before = "blank"
    for index, line in enumerate(lines):
        found = _LINE.match(line.text)
        kind = (found.lastgroup if found else None) or "other"
        if before not in {kind, *_BEGINS_AFTER.get(kind, {before})}:
            return None
        if kind == "heading" and found:
            blocks.append(_Block(kind, index, index + 1, found.end("heading")))
        elif kind == before and kind not in {"item", "blank"}:
            blocks[-1] = blocks[-1]._replace(end=index + 1)
        elif kind != "blank":
            blocks.append(_Block(kind, index, index + 1))
        before = kind
    tables = (lines[one.first : one.end] for one in blocks if one.kind == "table")
    return blocks if all(map(_is_plain_table, tables)) else None


_BEGINS_AFTER = {
    "item": {"blank", "heading"},
    "quote": {"blank", "heading"},
    "paragraph": {"blank", "heading"},
    "table": {"blank"},
    "other": set[str](),
}
"""What the line before may be, for a line that does not go on with that; the rest is Markdown's
to say: a line below an item goes on with it, and a heading with a bar in it may head a table."""


def _is_plain_table(lines: Sequence[Piece]) -> bool:
    """Whether these are a header, a line that separates, and rows of as many bars."""
    texts = [line.text for line in lines]
    bars = texts[0].count("|")
    return (
        len(texts) > 1
        and _HEADER.fullmatch(texts[0]) is not None
        and _SEPARATOR.fullmatch(texts[1]) is not None
        and all(text.count("|") == bars and "\\" not in text for text in texts)
    )


def _parsed_blocks(markdown: str) -> Iterator[_Block]:
    """The blocks of any page, as Markdown has them."""
    start, tokens = 0, _markdown().parse(markdown)
    for index, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            opened = tokens[start]
            first, end = opened.map or (0, 0)
            match opened.type:
                case "heading_open" if opened.markup.startswith("#"):
                    yield _Block("heading", first, end, len(opened.markup))
                case "bullet_list_open":
                    yield from _items(tokens[start + 1 : index])
                case "table_open" | "paragraph_open" as type_:
                    yield _Block(type_.removesuffix("_open"), first, end)
                case "blockquote_open":
                    yield _Block("quote", first, end)
                case other:
                    yield _Block(other, first, end)
            start = index + 1


def _items(inside: "Sequence[Token]") -> Iterator[_Block]:
    for token in inside:
        if token.level == 1 and token.nesting == 1 and token.map:
            yield _Block("item", *token.map)


@cache
def _markdown() -> "MarkdownIt":
    """The parser, once a page needs it: to import it takes longer than to read most files."""
    from markdown_it import MarkdownIt  # noqa: PLC0415

    return (
        MarkdownIt("commonmark", {"maxNesting": 20})
        .enable("table")
        .disable(["inline", "reference", "lheading"])
    )


# ── what is in a block ───────────────────────────────────────────────────────────────────────────


def _item(lines: Sequence[Piece], report: Report) -> Iterator[Item]:
    """The key and the value of an item, which is one line."""
    marker = re.match(r"\s*[-*+]", lines[0].text)
    body = lines[0].part(marker.end() if marker else 0)
    halves = body.halves("：:")
    if halves is None or not halves[0].text:
        report.add("E003.item", body.at)
        return
    yield Item(*halves)
    for more in lines[1:]:
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
