"""Rows of the files that registers come as; one library a format, loaded where it is needed."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from evidence_adapters.register import Batch

_LOOKED_AT: Final = 1 << 20
"""Bytes by which a text's encoding is told."""

_TELLING: Final = 100
"""Bytes beyond ASCII that could not be UTF-8 by chance; two of GB18030 could."""


class UnsoundError(Exception):
    """The file cannot be read as what it should be; the message quotes nothing of it."""


def rows(path: Path, batch: Batch, columns: Sequence[str]) -> Iterator[dict[str, object]]:
    """Every row of the file, by column; columns that nobody asked for are not read.

    Raises:
        UnsoundError: It is not of this format or encoding, broken, or lacks a column.
    """
    return _csv(path, batch, columns)


def _csv(path: Path, batch: Batch, columns: Sequence[str]) -> Iterator[dict[str, object]]:
    """An empty cell is null: CSV has no other way to say it."""
    if batch.encoding == "gb18030":
        _refuse_utf8(path)
    encoding = "utf-8-sig" if batch.encoding == "utf-8" else batch.encoding
    with path.open(encoding=encoding, errors="strict", newline="") as text:
        reader = csv.reader(text, delimiter=batch.separator, strict=True)
        try:
            head = next(reader, [])
            places = _places(head, columns)
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(head):
                    raise UnsoundError(
                        f"line {reader.line_num} has {len(cells)} cells, the head has {len(head)}"
                    )
                yield {column: cells[place] or None for column, place in places}
        except UnicodeDecodeError:
            raise UnsoundError(
                f"the text behind line {reader.line_num} is not {batch.encoding.upper()}"
            ) from None
        except csv.Error as error:
            raise UnsoundError(f"line {reader.line_num} is not CSV: {error}") from None


def _refuse_utf8(path: Path) -> None:
    """UTF-8 can often be read as GB18030, and then says something else."""
    with path.open("rb") as file:
        beginning = file.read(_LOOKED_AT)
    try:
        text = beginning.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(beginning) - 3:  # else: a character that the cut has halved
            return
        text = beginning[: error.start].decode("utf-8")
    if len(text.encode("utf-8")) - sum(map(str.isascii, text)) >= _TELLING:
        raise UnsoundError("the text is UTF-8, not GB18030")


def _places(head: Sequence[str], columns: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Where each column that is asked for stands."""
    missing = [column for column in columns if column not in head]
    twice = sorted({column for column in columns if head.count(column) > 1})
    if missing:
        raise UnsoundError(f"there is no column {_listed(missing)}")
    if twice:
        raise UnsoundError(f"there are two columns {_listed(twice)}")
    return tuple((column, head.index(column)) for column in columns)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
