"""Keys, rows and single values of a page: what may stand in a place, and nothing else."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import TypeVar

from decision_service.model import NumberType, Text
from decision_service.rulebook import words
from decision_service.rulebook.page import Section
from decision_service.rulebook.source import Piece, Report

Choice = TypeVar("Choice")
Row = Mapping[str, Piece]
"""The cells of a row by the Chinese word of their column."""

LONGEST_NAME = 40
"""Characters that a name may have."""

IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", re.ASCII)
"""An id on the wire, e.g. ``monthly_allowance``."""


# ── keys and rows ────────────────────────────────────────────────────────────────────────────────


def allow_only(section: Section, report: Report, *parts: str) -> None:
    """Report every part of a section that is not of the allowed kinds.

    Args:
        parts: Of ``items``, ``grids``, ``lines``, ``sections``.
    """
    places = {
        "items": [item.key.at for item in section.items],
        "grids": [grid.at for grid in section.grids],
        "lines": [line.at for line in section.lines],
        "sections": [part.heading.at for part in section.sections],
    }
    for kind, found in places.items():
        for at in () if kind in parts else found[:1]:
            report.add("E003.text" if kind == "lines" else "E003.block", at)
    for grid in section.grids[1:] if "grids" in parts else ():
        report.add("E003.second_table", grid.at)


def keyed(
    section: Section, keys: Mapping[str, str], report: Report, needed: Collection[str] = ()
) -> dict[str, Piece]:
    """The values of a section's items by the Chinese word of their key.

    Args:
        keys: English word of each key; a file may write either, or both.
        needed: Keys that must be there.
    """
    spelt = _spellings(keys)
    found: dict[str, Piece] = {}
    seen = set[str]()
    for item in section.items:
        written = _words(item.key.text)
        key = spelt.get(written) or spelt.get(
            report.add_unknown("E003.key", item.key.at, written, spelt)
        )
        if key is None:
            continue
        if key in seen:
            report.add("E011.key", item.key.at, name=key)
        elif not item.value.text:
            report.add("E003.empty", item.key.at, name=key)
        else:
            found[key] = item.value
        seen.add(key)
    for key in needed:
        if key not in seen:
            report.add("E003.missing", section.heading.at, name=key)
    return found


def rows(
    section: Section,
    columns: Mapping[str, str],
    report: Report,
    optional: Collection[str] = (),
) -> Iterator[Row]:
    """The rows of a section's only table.

    Args:
        columns: English word of each column that the table has, in any order; empty if the
            column has none.
        optional: Those of them that may be left out.
    """
    if not section.grids:
        report.add("E003.no_table", section.heading.at, columns=" | ".join(columns))
        return
    grid = section.grids[0]
    spelt = _spellings(columns)
    header = []
    for cell in grid.header:
        column = spelt.get(_words(cell.text)) or spelt.get(
            report.add_unknown("E003.column", cell.at, cell.text, columns), ""
        )
        if column and column in header:
            report.add("E011.column", cell.at, name=column)
        header.append(column)
    missing = [column for column in columns if column not in {*header, *optional}]
    for column in missing:
        report.add("E003.no_column", grid.at, name=column)
    if not missing:
        yield from (dict(zip(header, row, strict=True)) for row in grid.rows)


def filled(row: Row, columns: Sequence[str], report: Report) -> bool:
    """Whether a row has something in each of these columns; what is empty is reported."""
    empty = [column for column in columns if not row[column].text]
    for column in empty:
        report.add("E003.cell", row[column].at, name=column)
    return not empty


def refuse_twice(seen: set[str], piece: Piece, report: Report) -> bool:
    """Whether a word was not there before; otherwise it is reported."""
    if piece.text in seen:
        report.add("E011", piece.at, name=piece.text)
        return False
    seen.add(piece.text)
    return True


def _spellings(keys: Mapping[str, str]) -> dict[str, str]:
    """Every way to write a key: Chinese, English, or both."""
    return {
        spelling: zh
        for zh, en in keys.items()
        for spelling in (zh, *((en, f"{zh} {en}") if en else ()))
    }


def _words(text: str) -> str:
    return " ".join(text.split())


# ── single values ────────────────────────────────────────────────────────────────────────────────


def choose(
    piece: Piece, choices: Mapping[tuple[str, str], Choice], report: Report
) -> Choice | None:
    """One of a closed list, written in Chinese, in English, or as ``中文 | English``."""
    written = [_words(part) for part in piece.text.split("|")]
    for (zh, en), choice in choices.items():
        if written in ([zh], [en], [zh, en]):
            return choice
    report.add("E002", piece.at, text=piece.text, choices="、".join(zh for zh, _ in choices))
    return None


def bilingual(piece: Piece, report: Report) -> Text | None:
    """``中文 | English``, both of them."""
    halves = piece.halves("|｜")
    if halves is None or not halves[0].text or not halves[1].text:
        report.add("E001.bilingual", piece.at)
        return None
    return Text(zh=halves[0].text, en=halves[1].text)


def day(piece: Piece, report: Report) -> date | None:
    """A day as ``2019-10-01``."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", piece.text, re.ASCII):
            return date.fromisoformat(piece.text)
    except ValueError:
        pass
    report.add("E004.day", piece.at, text=piece.text)
    return None


def identifier(piece: Piece, report: Report, pattern: re.Pattern[str] = IDENTIFIER) -> str | None:
    """An ASCII id, e.g. ``monthly_allowance``."""
    if pattern.fullmatch(piece.text) and len(piece.text) <= 2 * LONGEST_NAME:
        return piece.text
    report.add("E004.id", piece.at, text=piece.text)
    return None


def name(piece: Piece, report: Report) -> str | None:
    """A Chinese name that expressions can use: no blank, no sign, and no word of the language."""
    text = piece.text
    if text in words.RESERVED:
        report.add("E013.reserved", piece.at, name=text)
    elif (
        not re.fullmatch(r"\w+", text)
        or text[0].isascii()
        or words.plain(text) != text
        or len(text) > LONGEST_NAME
    ):
        report.add("E013", piece.at, name=text)
    else:
        return text
    return None


_NUMBER = re.compile(r"(?:(?P<unit>[^\W\d]+|%)\s*[，,]\s*)?(?P<scale>\d)\s*位小数")


def number_type(piece: Piece, report: Report) -> NumberType | None:
    """A unit and a scale, e.g. ``元，2 位小数``; a number without unit is ``2 位小数``."""
    if found := _NUMBER.fullmatch(piece.text):
        return NumberType(unit=found["unit"] or "", scale=int(found["scale"]))
    report.add("E004.number", piece.at, text=piece.text)
    return None
