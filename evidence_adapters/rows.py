"""Rows as an answer: the same JSON that a register could have sent, for the same reading.

What stands around the rows is ours: whether there are any, as of when, and about whom.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

from decision_service.model import EvidenceStatus, Query
from evidence_adapters.guard import FaultError
from evidence_adapters.register import ROWS, Register

MOST_ROWS = 1_000
"""Rows of one answer; a view that has more about one subject is not the one that was agreed."""

_ENCODER = msgspec.json.Encoder(decimal_format="number", order="deterministic")


def answer(
    register: Register,
    query: Query,
    rows: Sequence[Mapping[str, object]],
    *,
    as_of: datetime | str | None,
) -> bytes:
    """The rows as UTF-8 JSON.

    Raises:
        FaultError: There are too many, or one holds what JSON cannot say exactly; MALFORMED.
    """
    if len(rows) > MOST_ROWS:
        raise FaultError(EvidenceStatus.MALFORMED, f"more than {MOST_ROWS} rows")
    wrong = sorted({name for row in rows for name in _inexact(row.items())})
    if wrong:
        fields = ", ".join(f"`{name}`" for name in wrong)
        raise FaultError(EvidenceStatus.MALFORMED, f"no exact value in {fields}")
    body = _ENCODER.encode(
        {
            "code": "MATCH" if rows else "NO_RECORD",
            "as_of": as_of,
            **{key: query.keys[key] for key in register.keys},
            ROWS: rows,
        }
    )
    if len(body) > register.max_bytes:
        raise FaultError(EvidenceStatus.MALFORMED, "the answer is longer than the contract allows")
    return body


def _inexact(row: Iterable[tuple[str, object]]) -> list[str]:
    """Columns that hold floating-point numbers, bytes or anything stranger."""
    exact = (str, int, Decimal, date, datetime, type(None))
    return [
        name
        for name, value in row
        if not isinstance(value, exact) or (isinstance(value, Decimal) and not value.is_finite())
    ]
