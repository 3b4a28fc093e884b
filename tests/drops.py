"""What owners of registers that come by file do: write a file, then its manifest."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from decision_service.identifiers import resident_check

REGISTERS = Path(__file__).parent / "registers"
"""Registers that a city gets by file: one of each format."""


def person(number: int) -> str:
    """A resident number of a place that does not exist."""
    first = (
        f"990000{1950 + number // 28 // 12 % 50}{number // 28 % 12 + 1:02}{number % 28 + 1:02}001"
    )
    return first + resident_check(first)


def csv_of(rows: Iterable[Sequence[str]], *, encoding: str = "gb18030") -> bytes:
    """Rows as a CSV file, the head among them."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(encoding)


def drop(folder: Path, content: bytes, *, rows: int, **said: Any) -> Path:
    """Put a file and its manifest there, as its owner does; ``said`` is what the manifest says."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "file": "data",
        "batch": "1",
        "as_of": "2026-02-28",
        "rows": rows,
        "sha256": hashlib.sha256(content).hexdigest(),
        **said,
    }
    manifest["file"] = f"{manifest['file']}-{manifest['batch']}"
    (folder / manifest["file"]).write_bytes(content)
    path = folder / f"{manifest['batch']}.json"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return path


def excel_of(sheets: Mapping[str, Iterable[Sequence[object]]]) -> bytes:
    """Sheets as an Excel workbook; a value is a cell of its own kind."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append([*row])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def parquet_of(columns: Mapping[str, Sequence[object]]) -> bytes:
    """Columns as a Parquet file; a value's kind is the column's."""
    written = io.BytesIO()
    pq.write_table(pa.table({**columns}), written)
    return written.getvalue()
