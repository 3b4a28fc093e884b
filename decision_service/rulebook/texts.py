"""Functions of the rule language on texts; a character is one of Unicode.

Every function is total: where it has no value the value is `UNKNOWN`. Arguments are always known.
"""

import re
from datetime import date
from decimal import Decimal, DecimalException

from decision_service.rulebook.figures import DECIMAL
from decision_service.rulebook.values import UNKNOWN, DaysAndTime, NotKnown, YearsAndMonths


def substring(text: str, start: Decimal, length: Decimal | None = None) -> str | NotKnown:
    """The characters from a place on, the first is 1, the last is -1."""
    first = int(start)
    if first == 0 or (length is not None and int(length) < 1):
        return UNKNOWN
    begin = first - 1 if first > 0 else len(text) + first
    if begin < 0:
        return UNKNOWN
    return text[begin:] if length is None else text[begin : begin + int(length)]


def string_length(text: str) -> Decimal:
    """How many characters it has."""
    return Decimal(len(text))


def substring_before(text: str, match: str) -> str:
    """What stands before the first match; empty without one."""
    index = text.find(match)
    return text[:index] if index >= 0 else ""


def substring_after(text: str, match: str) -> str:
    """What stands after the first match; empty without one."""
    index = text.find(match)
    return text[index + len(match) :] if index >= 0 else ""


def string(value: object) -> str | NotKnown:
    """A value as text: a number without needless digits, a day and a duration as in ISO 8601."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Decimal():
            return plain_number(value)
        case date():
            return value.isoformat()
        case YearsAndMonths() | DaysAndTime():
            return str(value)
        case _:
            return UNKNOWN


def plain_number(number: Decimal) -> str:
    """A number written out, without noughts that say nothing."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def number(text: str, grouping: str = "", point: str = ".") -> Decimal | NotKnown:
    """The number that a text names, its groups and its point being as said."""
    if grouping not in {"", " ", ",", "."} or point not in {",", "."} or grouping == point:
        return UNKNOWN
    plain = text.replace(grouping, "") if grouping else text
    if point == ",":
        plain = plain.replace(".", "?").replace(",", ".")
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", plain, re.ASCII):
        return UNKNOWN
    try:
        return DECIMAL.create_decimal(plain)
    except DecimalException:
        return UNKNOWN
