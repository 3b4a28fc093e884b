"""How registers write days, instants, identifiers and codes: the closed set of readings.

A register file names these and can name no others. Each takes every way of writing that is in use
and nothing besides; a line end, a full-width digit or a time after a day is refused.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from decision_service.identifiers import organisation_code_is_valid, resident_id_is_valid
from evidence_adapters.register import Coercion

CHINA: Final = timezone(timedelta(hours=8), "CST")
"""The zone of every register's clock that does not name another (GB/T 7408)."""

_DAY = re.compile(
    r"([0-9]{4})([-/]?)([0-9]{2})\2([0-9]{2})|([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日"
)
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?|[0-9]{14}"
)
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,10})?")
_FLAGS: Final = {"1": True, "是": True, "Y": True, "0": False, "否": False, "N": False}


def blank_is_null(value: object) -> object:
    """Null for a text of nothing but space, where the register may leave the field empty."""
    return None if isinstance(value, str) and not value.strip() else value


def _cn_date(value: object) -> date:
    """``19501201``, ``1950-12-01``, ``1950/12/01`` or ``1950年12月1日``; no time of day."""
    found = _DAY.fullmatch(_text(value))
    if found is None:
        raise ValueError("not a day")
    year, month, day = (found[1], found[3], found[4]) if found[1] else found.group(5, 6, 7)
    return date(int(year), int(month), int(day))


def _cn_datetime(value: object) -> datetime:
    """``2026-03-01 08:00:00``, ``20260301080000`` or ISO 8601; without a zone, China's.

    One that is in no year of UTC (a register's ``0001-01-01 00:00:00`` for "never") could be
    written to nobody.
    """
    text = _text(value)
    if _INSTANT.fullmatch(text) is None:
        raise ValueError("not an instant")
    if text.isdigit():
        text = f"{text[:8]}T{text[8:]}"
    instant = datetime.fromisoformat(text)
    instant = instant if instant.tzinfo else instant.replace(tzinfo=CHINA)
    try:
        instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("not an instant in UTC") from None
    return instant


def _resident_id(value: object) -> str:
    """A GB 11643 number; some registers write the check digit X small."""
    number = _text(value).upper()
    if not resident_id_is_valid(number):
        raise ValueError("not a resident identity number")
    return number


def _organisation_code(value: object) -> str:
    """A GB 32100 code; some registers write its letters small."""
    code = _text(value).upper()
    if not organisation_code_is_valid(code):
        raise ValueError("not a unified social credit code")
    return code


def _code(value: object) -> str:
    """A code that some registers send as a number, or as true and false."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            return _text(value)


def _flag(value: object) -> bool:
    """Yes or no, as ``1`` and ``0``, ``是`` and ``否``, ``Y`` and ``N``, or a truth value."""
    return value if isinstance(value, bool) else _FLAGS[_code(value)]


def _number(value: object) -> object:
    """A number, also one written as a text, as files of texts alone write all of them."""
    if not isinstance(value, str):
        return value
    if _NUMBER.fullmatch(value) is None:
        raise ValueError("not a number")
    return Decimal(value) if "." in value else int(value)


def _names(value: object) -> tuple[str, ...]:
    """A list of names, or one text with commas between them."""
    items = value if isinstance(value, list) else _text(value).split(",")
    return tuple(_text(item) for item in items)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


COERCIONS: Final[Mapping[Coercion, Callable[[object], object]]] = {
    "cn_date": _cn_date,
    "cn_datetime": _cn_datetime,
    "resident_id": _resident_id,
    "organisation_code": _organisation_code,
    "code": _code,
    "flag": _flag,
    "names": _names,
    "number": _number,
}
