"""Numbers that name a person (GB 11643) or an organisation (GB 32100): form and check character.

Whether anybody has the number is for a register to say.
"""

import re
from datetime import date
from operator import mul
from typing import Final

_RESIDENT: Final = re.compile(r"[0-9]{17}[0-9X]")
_RESIDENT_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT_CHECKS: Final = "10X98765432"

_SYMBOLS: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""Of GB 32100: digits and capitals without I, O, S, V and Z, which are misread."""

_ORGANISATION: Final = re.compile(rf"[{_SYMBOLS}]{{2}}[0-9]{{6}}[{_SYMBOLS}]{{10}}")
_ORGANISATION_WEIGHTS: Final = tuple(pow(3, place, 31) for place in range(17))


def resident_id_is_valid(number: str) -> bool:
    """Whether the number is one that GB 11643-1999 could have given: form, day and check digit.

    A right check digit does not excuse an impossible day: ``990000192302290030`` is no number.
    The place code is not looked up: places are abolished, their people keep their numbers.
    """
    if not _RESIDENT.fullmatch(number) or number[-1] != resident_check(number[:17]):
        return False
    try:
        birth_date(number)
    except ValueError:
        return False
    return True


def birth_date(number: str) -> date:
    """The day in a resident's number.

    Raises:
        ValueError: There is no such day.
    """
    return date.fromisoformat(f"{number[6:10]}-{number[10:12]}-{number[12:14]}")


def resident_check(first_17: str) -> str:
    """The last character that belongs to seventeen digits (ISO 7064, MOD 11-2)."""
    return _RESIDENT_CHECKS[sum(map(mul, _RESIDENT_WEIGHTS, map(int, first_17))) % 11]


def organisation_code_is_valid(number: str) -> bool:
    """Whether GB 32100-2015 could have given the unified social credit code (统一社会信用代码).

    python-stdnum 2.2 wants digits in the first two places, so that it refuses the codes of rural
    collectives (``N…``); and it takes blanks and small letters.
    The organisation code within has a check character of its own, which this one makes needless.
    """
    fits = _ORGANISATION.fullmatch(number) is not None
    return fits and number[-1] == organisation_check(number[:17])


def organisation_check(first_17: str) -> str:
    """The last character that belongs to seventeen symbols (GB 32100-2015, MOD 31, powers of 3)."""
    weighed = zip(_ORGANISATION_WEIGHTS, first_17, strict=True)
    return _SYMBOLS[-sum(weight * _SYMBOLS.index(symbol) for weight, symbol in weighed) % 31]
