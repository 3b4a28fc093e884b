"""Rows as an answer: the same JSON that a register could have sent, for the same reading.

What stands around the rows is ours: whether there are any, as of when, and about whom.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal

import msgspec

from decision_service.model import EvidenceStatus, Query
from evidence_adapters.conversions import COERCIONS, blank_is_null
from evidence_adapters.guard import FaultError
from evidence_adapters.register import MATCH, NO_ROW, ROWS, Register

MOST_ROWS = 1_000
"""Rows of one answer; a view that has more about one subject is not the one that was agreed."""

_ENCODER = msgspec.json.Encoder(decimal_format="number", order="deterministic")

_CELLS = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""Reads a line again without reading its values, so that every number stays what it was."""


class InexactError(Exception):
    """A row holds what JSON cannot say exactly; the message names the columns alone."""


def line(row: Mapping[str, object]) -> bytes:
    """One row as a JSON object.

    Raises:
        InexactError: A column holds a floating-point number, bytes or anything stranger.
    """
    if wrong := sorted(_inexact(row.items())):
        raise InexactError(f"no exact value in {', '.join(f'`{name}`' for name in wrong)}")
    return _ENCODER.encode(row)


def answer(
    register: Register,
    query: Query,
    lines: Sequence[bytes],
    *,
    as_of: datetime | str | None,
    reference: str | None = None,
) -> bytes:
    """The rows, each as `line` writes it, as one UTF-8 JSON answer.

    Of rows that are no match only what their status says is passed on.

    Raises:
        FaultError: There are too many, they are too long, or of a list one is missing; MALFORMED.
            They do not say the same of how far they are, or hold several records; AMBIGUOUS.
    """
    if len(lines) > MOST_ROWS:
        raise FaultError(EvidenceStatus.MALFORMED, f"more than {MOST_ROWS} rows")
    said = _status(register, lines)
    if register.statuses.get(str(said["code"])) != "MATCH":
        lines = ()
    elif register.request.list:
        lines = (_with_its_list(register, lines),)
    around = {} if reference is None else {"reference": reference}
    body = _ENCODER.encode(
        {
            **said,
            "as_of": as_of,
            **around,
            **{key: query.keys[key] for key in register.keys},
            ROWS: [msgspec.Raw(line) for line in lines],
        }
    )
    if len(body) > register.max_bytes:
        raise FaultError(EvidenceStatus.MALFORMED, "the answer is longer than the contract allows")
    return body


def _status(register: Register, lines: Sequence[bytes]) -> dict[str, object]:
    """The code of an answer of these rows, and until when it is promised."""
    request = register.request
    if not lines or not request.status:
        return {"code": MATCH if lines else NO_ROW}
    rows = [msgspec.json.decode(line) for line in lines]
    if len({row[request.status] for row in rows}) > 1:
        raise FaultError(EvidenceStatus.AMBIGUOUS, "rows of more than one status")
    promised = rows[0][request.promised] if request.promised else None
    return {"code": rows[0][request.status], "pending_until": promised}


def _with_its_list(register: Register, lines: Sequence[bytes]) -> bytes:
    """The one record of which every row holds one of the list."""
    request = register.request
    records, entries = set[bytes](), dict[int, bytes]()
    for line in lines:
        cells = _CELLS.decode(line)
        number = place(msgspec.json.decode(cells.pop(request.numbered)))
        entry = {column: cells.pop(column) for column in register.listed}
        if number == 0 and not all(_is_blank(cell) for cell in entry.values()):
            number = None
        if number is None:
            raise FaultError(
                EvidenceStatus.MALFORMED, f"`{request.numbered}` is not the number of a row"
            )
        records.add(_ENCODER.encode(cells))
        entries[number] = _ENCODER.encode(entry)
    if len(records) > 1 or len(entries) < len(lines):
        raise FaultError(EvidenceStatus.AMBIGUOUS, "rows of more than one record")
    if sorted(entries) not in ([0], [*range(1, len(lines) + 1)]):
        raise FaultError(EvidenceStatus.MALFORMED, "a row of the list is missing")
    listed = [msgspec.Raw(entries[number]) for number in sorted(entries) if number]
    return _ENCODER.encode({**_CELLS.decode(*records), request.list: listed})


def _is_blank(cell: msgspec.Raw) -> bool:
    return blank_is_null(msgspec.json.decode(cell)) is None


def place(told: object) -> int | None:
    """The place of a row in its list, from 1, 0 for none; None if it says neither."""
    told = blank_is_null(told)
    if told is None:
        return 0
    with suppress(ValueError):
        told = COERCIONS["number"](told)
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None


def _inexact(row: Iterable[tuple[str, object]]) -> list[str]:
    """Columns that hold floating-point numbers, bytes or anything stranger."""
    exact = (str, int, Decimal, date, datetime, type(None))
    return [
        name
        for name, value in row
        if not isinstance(value, exact) or (isinstance(value, Decimal) and not value.is_finite())
    ]
