"""Functions of the rule language on lists, whose elements may be unknown.

What an unknown element leaves open is unknown, and nothing else: `all_of` is false if one element
is false, whatever the others are. Every function is total; a list itself is always known here.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal, DecimalException
from fractions import Fraction
from typing import TypeAlias

from decision_service.rulebook.figures import DECIMAL
from decision_service.rulebook.values import UNKNOWN, Datum, NotKnown, Span

Items: TypeAlias = tuple[Datum | NotKnown, ...]


# ── equality ─────────────────────────────────────────────────────────────────────────────────────


def same(left: Datum | NotKnown, right: Datum | NotKnown) -> bool | NotKnown:
    """Whether two values are equal; unknown where one is, and between values of two kinds."""
    return equal(left, right) if _kind(left) is _kind(right) else UNKNOWN


def equal(left: Datum | NotKnown, right: Datum | NotKnown) -> bool | NotKnown:
    """Whether two elements are equal: not if they are of two kinds; unknown where one is."""
    match left, right:
        case (NotKnown(), _) | (_, NotKnown()):
            return UNKNOWN
        case (tuple(), tuple()):
            if len(left) != len(right):
                return False
            return every(equal(one, other) for one, other in zip(left, right, strict=True))
        case (Mapping(), Mapping()):
            keys = sorted({*left, *right})
            return every(equal(left.get(key, UNKNOWN), right.get(key, UNKNOWN)) for key in keys)
        case _:
            return _kind(left) is _kind(right) and left == right


def _kind(value: Datum | NotKnown) -> type:
    return Mapping if isinstance(value, Mapping) else type(value)


def every(truths: Iterator[bool | NotKnown]) -> bool | NotKnown:
    """False if one is false; else unknown if one is unknown; else true."""
    found: bool | NotKnown = True
    for truth in truths:
        if truth is False:
            return False
        found = found if truth is True else UNKNOWN
    return found


def some(truths: Iterator[bool | NotKnown]) -> bool | NotKnown:
    """True if one is true; else unknown if one is unknown; else false."""
    found: bool | NotKnown = False
    for truth in truths:
        if truth is True:
            return True
        found = found if truth is False else UNKNOWN
    return found


def truth_of(value: Datum | NotKnown) -> bool | NotKnown:
    """A truth; anything else is unknown where a truth is due."""
    return value if isinstance(value, bool) else UNKNOWN


# ── over all elements ────────────────────────────────────────────────────────────────────────────


def count(items: Items) -> Decimal:
    """How many there are, known or not."""
    return Decimal(len(items))


def all_of(items: Items) -> bool | NotKnown:
    """Whether all are true."""
    return every(truth_of(item) for item in items)


def any_of(items: Items) -> bool | NotKnown:
    """Whether one is true."""
    return some(truth_of(item) for item in items)


def contains(items: Items, element: Datum) -> bool | NotKnown:
    """Whether one equals the element."""
    return some(equal(item, element) for item in items)


def total(items: Items) -> Datum | NotKnown:
    """The sum, added one after the other; of none it is 0."""
    return _folded(items, DECIMAL.add, Decimal(0))


def product(items: Items) -> Datum | NotKnown:
    """The product; of none it is unknown."""
    return _folded(items, DECIMAL.multiply, Decimal(1)) if items else UNKNOWN


def mean(items: Items) -> Datum | NotKnown:
    """The sum by the count; of none it is unknown."""
    found = total(items)
    if not items or not isinstance(found, Decimal):
        return UNKNOWN
    try:
        return DECIMAL.divide(found, Decimal(len(items)))
    except DecimalException:
        return UNKNOWN


def least(items: Items) -> Datum | NotKnown:
    """The least of values of one kind; of none it is unknown."""
    ordered = in_order(items)
    return ordered[0] if ordered else UNKNOWN


def greatest(items: Items) -> Datum | NotKnown:
    """The greatest of values of one kind; of none it is unknown."""
    ordered = in_order(items)
    return ordered[-1] if ordered else UNKNOWN


def median(items: Items) -> Datum | NotKnown:
    """The middle one, or the mean of the two in the middle."""
    numbers = numbers_of(items)
    if not numbers:
        return UNKNOWN
    half, odd = divmod(len(numbers), 2)
    numbers.sort()
    return numbers[half] if odd else mean((numbers[half - 1], numbers[half]))


def deviation(items: Items) -> Datum | NotKnown:
    """The standard deviation of a sample; unknown for fewer than two."""
    numbers = numbers_of(items)
    if numbers is None or len(numbers) < 2:
        return UNKNOWN
    exact = [Fraction(number) for number in numbers]
    middle = sum(exact, Fraction()) / len(exact)
    squares = [(number - middle) * (number - middle) for number in exact]
    variance = sum(squares, Fraction()) / (len(exact) - 1)
    try:
        over, under = Decimal(variance.numerator), Decimal(variance.denominator)
        return DECIMAL.sqrt(DECIMAL.divide(over, under))
    except DecimalException:
        return UNKNOWN


def most_frequent(items: Items) -> Datum | NotKnown:
    """The numbers that are there most often, in order."""
    numbers = numbers_of(items)
    if numbers is None:
        return UNKNOWN
    often = max((numbers.count(number) for number in numbers), default=0)
    return tuple(sorted({number for number in numbers if numbers.count(number) == often}))


def join(items: Items, delimiter: str = "") -> Datum | NotKnown:
    """The texts one after the other, the delimiter in between."""
    texts = [item for item in items if isinstance(item, str)]
    return delimiter.join(texts) if len(texts) == len(items) else UNKNOWN


def numbers_of(items: Items) -> list[Decimal] | None:
    """The elements, if all are known numbers."""
    numbers = [item for item in items if isinstance(item, Decimal)]
    return numbers if len(numbers) == len(items) else None


def in_order(items: Items) -> list[Datum]:
    """The elements from the least to the greatest; none if one is unknown or of another kind."""
    known = [item for item in items if not isinstance(item, NotKnown | bool | tuple | Mapping)]
    if len(known) < len(items) or len({type(item) for item in known}) > 1:
        return []
    try:
        return [*sorted(known)]  # type: ignore[type-var]  # of one kind, all of them ordered
    except TypeError:
        return []


def _folded(
    items: Items, function: Callable[[Decimal, Decimal], Decimal], start: Decimal
) -> Datum | NotKnown:
    numbers = numbers_of(items)
    if numbers is None:
        return UNKNOWN
    try:
        for number in numbers:
            start = function(start, number)
    except DecimalException:
        return UNKNOWN
    return start


def series(first: Datum | NotKnown, last: Datum | NotKnown, *, most: int) -> Datum | NotKnown:
    """Whole numbers or days from one to the other, up or down; unknown if they are too many."""
    match first, last:
        case (Decimal(), Decimal()):
            ends = [int(one) for one in (first, last) if one == one.to_integral_value()]
        case (date(), date()):
            ends = [first.toordinal(), last.toordinal()]
        case _:
            ends = []
    if len(ends) < 2 or abs(ends[1] - ends[0]) >= most:
        return UNKNOWN
    step = 1 if ends[0] <= ends[1] else -1
    make = date.fromordinal if isinstance(first, date) else Decimal
    return tuple(make(one) for one in range(ends[0], ends[1] + step, step))


def through(span: Span, most: int) -> Datum | NotKnown:
    """Whole numbers or days of a range, from its low end up; unknown of anything else."""
    if span.low is None or span.high is None:
        return UNKNOWN
    found = series(span.low, span.high, most=most)
    if not isinstance(found, tuple) or span.low > span.high:  # type: ignore[operator]  # of one kind
        return UNKNOWN
    return found[not span.low_included : len(found) - (not span.high_included)]


# ── other lists ──────────────────────────────────────────────────────────────────────────────────


def element(items: Items, position: Decimal) -> Datum | NotKnown:
    """The element at a position, from 1, or from -1 backwards."""
    index = place(items, position)
    return UNKNOWN if index is None else items[index]


def place(items: Items, position: Decimal) -> int | None:
    """The index of a position, from 1, or from -1 backwards; None if there is no such element."""
    whole = int(position)
    index = whole - 1 if whole > 0 else len(items) + whole
    return index if whole and 0 <= index < len(items) else None


def sublist(items: Items, start: Decimal, length: Decimal | None = None) -> Datum | NotKnown:
    """The elements from a position on."""
    index = place(items, start)
    if index is None or (length is not None and int(length) < 0):
        return UNKNOWN
    return items[index:] if length is None else items[index : index + int(length)]


def append(items: Items, *elements: Datum) -> Datum:
    """The list with more elements at its end."""
    return (*items, *elements)


def concatenate(*lists: Items) -> Datum:
    """The elements of all lists, one list after the other."""
    return tuple(item for items in lists for item in items)


def insert_before(items: Items, position: Decimal, element_: Datum) -> Datum | NotKnown:
    """The list with one more element, before the one at a position."""
    index = place(items, position)
    return UNKNOWN if index is None else (*items[:index], element_, *items[index:])


def remove(items: Items, position: Decimal) -> Datum | NotKnown:
    """The list without the element at a position."""
    index = place(items, position)
    return UNKNOWN if index is None else (*items[:index], *items[index + 1 :])


def replace(items: Items, position: Decimal, element_: Datum) -> Datum | NotKnown:
    """The list with another element at a position."""
    index = place(items, position)
    return UNKNOWN if index is None else (*items[:index], element_, *items[index + 1 :])


def reverse(items: Items) -> Datum:
    """The last element first."""
    return items[::-1]


def index_of(items: Items, element_: Datum) -> Datum | NotKnown:
    """The positions of all that equal the element."""
    truths = [equal(item, element_) for item in items]
    if UNKNOWN in truths:
        return UNKNOWN
    return tuple(Decimal(place_) for place_, truth in enumerate(truths, start=1) if truth is True)


def distinct(items: Items) -> Datum | NotKnown:
    """Every element once, where it is first."""
    found: list[Datum | NotKnown] = []
    for item in items:
        there = some(equal(item, other) for other in found)
        if isinstance(there, NotKnown) or isinstance(item, NotKnown):
            return UNKNOWN
        if there is False:
            found.append(item)
    return tuple(found)


def union(*lists: Items) -> Datum | NotKnown:
    """Every element of all lists once."""
    return distinct(tuple(item for items in lists for item in items))


def flatten(items: Items) -> Datum | NotKnown:
    """The elements of all lists within; unknown if what an element is, is not known."""
    found: list[Datum | NotKnown] = []
    for item in items:
        inner = flatten(item) if isinstance(item, tuple) else (item,)
        if isinstance(inner, NotKnown) or isinstance(item, NotKnown):
            return UNKNOWN
        found.extend(inner if isinstance(inner, tuple) else ())
    return tuple(found)
