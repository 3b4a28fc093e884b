"""Numbers that name a person: GB 11643 resident identity numbers, their form and check digit."""

import re
from datetime import date

_FORM = re.compile(r"[0-9]{17}[0-9X]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"


def resident_id_is_valid(number: str) -> bool:
    """Whether the number is one that GB 11643-1999 could have given: form, day and check digit.

    A right check digit does not excuse an impossible day: ``990000192302290030`` is no number.
    The place code is not looked up: places are abolished, their people keep their numbers.
    """
    if not _FORM.fullmatch(number) or number[-1] != check_digit(number[:17]):
        return False
    try:
        date.fromisoformat(f"{number[6:10]}-{number[10:12]}-{number[12:14]}")
    except ValueError:
        return False
    return True


def check_digit(first_17: str) -> str:
    """The last character that belongs to seventeen digits (ISO 7064, MOD 11-2)."""
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, first_17, strict=True))
    return _CHECK_DIGITS[total % 11]
