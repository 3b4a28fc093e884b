"""Rows as an answer: the same JSON that a register could have sent, for the same reading.

What stands around the rows is ours: whether there are any, as of when, and about whom.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

from decision_service.model import EvidenceStatus, Query
from evidence_adapters.guard import FaultError
from evidence_adapters.register import MATCH, NO_ROW, ROWS, Register

MOST_ROWS = 1_000
"""Rows of one answer; a view that has more about one subject is not the one that was agreed."""

_ENCODER = msgspec.json.Encoder(decimal_format="number", order="deterministic")


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
        FaultError: There are too many, or they are too long; MALFORMED. They do not say the same
            of how far they are; AMBIGUOUS.
    """
    if len(lines) > MOST_ROWS:
        raise FaultError(EvidenceStatus.MALFORMED, f"more than {MOST_ROWS} rows")
    said = _status(register, lines)
    matches = register.statuses.get(str(said["code"])) == "MATCH"
    around = {} if reference is None else {"reference": reference}
    body = _ENCODER.encode(
        {
            **said,
            "as_of": as_of,
            **around,
            **{key: query.keys[key] for key in register.keys},
            ROWS: [msgspec.Raw(line) for line in lines] if matches else [],
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


def _inexact(row: Iterable[tuple[str, object]]) -> list[str]:
    """Columns that hold floating-point numbers, bytes or anything stranger."""
    exact = (str, int, Decimal, date, datetime, type(None))
    return [
        name
        for name, value in row
        if not isinstance(value, exact) or (isinstance(value, Decimal) and not value.is_finite())
    ]
