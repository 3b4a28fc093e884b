"""Functions of the rule language on numbers, as decimal128 of IEEE 754 has them.

Every function is total: where it has no value the value is `UNKNOWN`. Arguments are always known.
"""

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    Underflow,
)

from decision_service.rulebook.values import UNKNOWN, NotKnown

DECIMAL = Context(
    prec=34,
    rounding=ROUND_HALF_EVEN,
    Emin=-6143,
    Emax=6144,
    traps=[InvalidOperation, DivisionByZero, Overflow, Underflow],
)
"""How numbers are computed: as decimal128 of IEEE 754, which FEEL prescribes, and unknown where
that would be infinite, not a number, or rounded to nothing."""

_LEAST_SCALE, _GREATEST_SCALE = -6111, 6176
"""What FEEL allows as a scale (DMN 1.5, 10.3.4.5)."""


def _rounding(how: str) -> Callable[..., Decimal | NotKnown]:
    """A function that rounds a number to so many digits after the point, or before it."""

    def rounded(number: Decimal, scale: Decimal = Decimal(0)) -> Decimal | NotKnown:
        digits = int(scale)
        if not _LEAST_SCALE <= digits <= _GREATEST_SCALE:
            return UNKNOWN
        exponent = number.as_tuple().exponent
        if isinstance(exponent, int) and -exponent <= digits:
            return number
        try:
            found = number.quantize(Decimal(1).scaleb(-digits, _WIDE), how, _WIDE)
            return without_sign_of_zero(DECIMAL.plus(found))
        except DecimalException:
            return UNKNOWN

    return rounded


_WIDE = Context(prec=20_000, Emin=-99_999, Emax=99_999, traps=[InvalidOperation, DivisionByZero])
"""Room for every digit that rounding can ask for."""

decimal = _rounding(ROUND_HALF_EVEN)
floor = _rounding(ROUND_FLOOR)
ceiling = _rounding(ROUND_CEILING)
round_up = _rounding(ROUND_UP)
round_down = _rounding(ROUND_DOWN)
round_half_up = _rounding(ROUND_HALF_UP)
round_half_down = _rounding(ROUND_HALF_DOWN)


def modulo(dividend: Decimal, divisor: Decimal) -> Decimal | NotKnown:
    """``dividend - divisor * floor(dividend / divisor)``: it has the sign of the divisor."""
    try:
        rest = _WIDE.remainder(dividend, divisor)
        return DECIMAL.add(rest, divisor if rest and (rest < 0) != (divisor < 0) else Decimal(0))
    except DecimalException:
        return UNKNOWN


def square_root(number: Decimal) -> Decimal | NotKnown:
    """The root that is not negative; unknown below zero."""
    return _total(DECIMAL.sqrt, number)


def logarithm(number: Decimal) -> Decimal | NotKnown:
    """The natural logarithm; unknown for what is not above zero."""
    return _total(DECIMAL.ln, number) if number > 0 else UNKNOWN


def exponential(number: Decimal) -> Decimal | NotKnown:
    """Euler's number to that power."""
    return _total(DECIMAL.exp, number)


def odd(number: Decimal) -> bool:
    """Whether a whole number cannot be halved."""
    return _total(_WIDE.remainder, number.copy_abs(), Decimal(2)) == 1


def even(number: Decimal) -> bool:
    """Whether a whole number can be halved."""
    return _total(_WIDE.remainder, number.copy_abs(), Decimal(2)) == 0


def without_sign_of_zero(number: Decimal) -> Decimal:
    """The number; for ``-0.00`` the zero that people know."""
    return number or number.copy_abs()


def _total(function: Callable[..., Decimal], *numbers: Decimal) -> Decimal | NotKnown:
    try:
        return function(*numbers)
    except DecimalException:
        return UNKNOWN
