"""Rows of the files that registers come as; one library a format, loaded where it is needed."""

import csv
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

from evidence_adapters.register import Batch

_LOOKED_AT: Final = 1 << 20
"""Bytes by which a text's encoding is told."""

_TELLING: Final = 100
"""Bytes beyond ASCII that could not be UTF-8 by chance; two of GB18030 could."""

_UNPACKED: Final = 2 << 30
"""Bytes that a packed file, or what has to be unpacked of it at once, may have unpacked."""

_EXACT: Final = 1e15
"""Up to here a spreadsheet keeps every digit of a whole number (IEEE 754, 15 digits)."""


class UnsoundError(Exception):
    """The file cannot be read as what it should be; the message quotes nothing of it."""


def rows(path: Path, batch: Batch, columns: Sequence[str]) -> Iterator[dict[str, object]]:
    """Every row of the file, by column, as JSON has values; null where a cell is empty.

    Columns that nobody asked for are not read.

    Raises:
        UnsoundError: It is not of this format or encoding, broken, or lacks a column.
    """
    read: Mapping[str, Callable[[Path, Batch, Sequence[str]], Iterator[dict[str, object]]]] = {
        "csv": _csv,
        "excel": _excel,
        "parquet": _parquet,
    }
    return read[batch.format](path, batch, columns)


def _csv(path: Path, batch: Batch, columns: Sequence[str]) -> Iterator[dict[str, object]]:
    """Every value is a text."""
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


def _excel(path: Path, batch: Batch, columns: Sequence[str]) -> Iterator[dict[str, object]]:
    """Also of Excel 97 and of OpenDocument. A cell that holds an error counts as empty."""
    import python_calamine as calamine  # noqa: PLC0415 - only who reads such files needs it

    try:
        _refuse_bomb(path)
        with calamine.CalamineWorkbook.from_path(path) as book:
            if not batch.sheet and len(book.sheet_names) != 1:
                raise UnsoundError(f"it has {len(book.sheet_names)} sheets, and none is agreed")
            sheet = book.get_sheet_by_name(batch.sheet or book.sheet_names[0])
            found = sheet.iter_rows()
            head = [str(cell) for cell in next(found, [])]
            places = _places(head, columns)
            for cells in found:
                if any(cell != "" for cell in cells):
                    yield {column: _plain(_decimal(cells[place])) for column, place in places}
    except (calamine.CalamineError, zipfile.BadZipFile, OSError, ValueError) as error:
        raise UnsoundError(f"it cannot be read as Excel ({type(error).__name__})") from None


def _parquet(path: Path, _batch: Batch, columns: Sequence[str]) -> Iterator[dict[str, object]]:
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise UnsoundError("Parquet cannot be read here: install `miaopi[parquet]`") from None
    try:
        with parquet.ParquetFile(path) as file:
            groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
            if max((group.total_byte_size for group in groups), default=0) > _UNPACKED:
                raise UnsoundError(f"a row group is longer than {_UNPACKED >> 30} GiB")
            _places(file.schema_arrow.names, columns)
            # Threads of its own would each reserve memory, of which we have a limit.
            for some in file.iter_batches(batch_size=4_096, columns=[*columns], use_threads=False):
                for row in some.to_pylist():
                    yield {column: _plain(row[column]) for column in columns}
    except (ArrowException, OSError, ValueError) as error:
        raise UnsoundError(f"it cannot be read as Parquet ({type(error).__name__})") from None


def _refuse_bomb(path: Path) -> None:
    """A packed file that would be far longer unpacked is not unpacked."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as packed:
        if sum(one.file_size for one in packed.infolist()) > _UNPACKED:
            raise UnsoundError(f"it is longer than {_UNPACKED >> 30} GiB unpacked")


def _plain(cell: object) -> object:
    """What JSON would have: days as texts, whole numbers as such."""
    match cell:
        case "":
            return None
        case date():
            return cell.isoformat()
        case Decimal() if cell.is_finite() and cell.as_tuple().exponent == 0:
            return int(cell)
        case _:
            return cell


def _decimal(cell: object) -> object:
    """Spreadsheets know no other numbers than floats, and show of them what was typed."""
    if not isinstance(cell, float) or abs(cell) >= _EXACT:
        return cell
    return Decimal(int(cell)) if cell.is_integer() else Decimal(f"{cell:.15g}")


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
