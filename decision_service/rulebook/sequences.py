"""Texts and lists a second time, for the reference: what `texts` and `lists` do, in another way.

Shares nothing with them, so that a mistake in either shows as a difference. ``None`` stands for
what is not known; an argument is always known, but an element of a list may not be.
"""

import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal, DecimalException
from functools import reduce
from itertools import chain, islice
from typing import Any, TypeAlias

from decision_service.rulebook import searches
from decision_service.rulebook.arithmetic import DECIMAL128

_Items: TypeAlias = tuple[Any, ...]


# ── equality ─────────────────────────────────────────────────────────────────────────────────────


def equal(one: Any, other: Any) -> bool | None:  # noqa: ANN401  # whatever an element can be
    """Whether two elements are equal; the first difference that is certain settles it."""
    if one is None or other is None:
        return None
    if isinstance(one, tuple) and isinstance(other, tuple):
        if len(one) != len(other):
            return False
        pairs: Iterable[tuple[Any, Any]] = zip(one, other, strict=True)
    elif isinstance(one, Mapping) and isinstance(other, Mapping):
        pairs = [(one.get(key), other.get(key)) for key in one.keys() | other.keys()]
    else:
        return type(one) is type(other) and bool(one == other)
    truths = {equal(*pair) for pair in pairs}
    return False if False in truths else None if None in truths else True


def member(items: _Items, element: Any) -> bool | None:  # noqa: ANN401  # of any kind
    """Whether an element is in a list."""
    truths = {equal(item, element) for item in items}
    return True if True in truths else None if None in truths else False


# ── over all elements ────────────────────────────────────────────────────────────────────────────


def _known(function: Callable[[_Items], Any]) -> Callable[[_Items], Any]:
    """The function, with None where an element is None, or where it has no answer."""

    def known(items: _Items) -> Any:  # noqa: ANN401  # what the function gives
        if None in items:
            return None
        try:
            return function(items)
        except (DecimalException, ValueError, TypeError):
            return None

    return known


def _sum(items: _Items) -> Decimal:
    return reduce(DECIMAL128.add, items, Decimal(0))


def _product(items: _Items) -> Decimal:
    first, *others = items
    return reduce(DECIMAL128.multiply, others, DECIMAL128.multiply(Decimal(1), first))


def _mean(items: _Items) -> Decimal:
    return DECIMAL128.divide(_sum(items), Decimal(len(items)))


def _median(items: _Items) -> Decimal:
    low, high = statistics.median_low(items), statistics.median_high(items)
    return low if low == high and len(items) % 2 else _mean((low, high))


def _deviation(items: _Items) -> Decimal:
    """From the sums of the numbers and of their squares, as whole numbers over one divisor."""
    ratios = [item.as_integer_ratio() for item in items]
    common = 1
    for _, under in ratios:
        common *= under
    whole = [over * (common // under) for over, under in ratios]
    count = len(whole)
    over = count * sum(number * number for number in whole) - sum(whole) ** 2
    under = count * (count - 1) * common * common
    return DECIMAL128.sqrt(_quotient(over, under))


def _quotient(over: int, under: int) -> Decimal:
    if not under:
        raise ValueError("a single number does not deviate")
    divisor = _greatest_common(over, under)
    return DECIMAL128.divide(Decimal(over // divisor), Decimal(under // divisor))


def _greatest_common(one: int, other: int) -> int:
    while other:
        one, other = other, one % other
    return one or 1


def _mode(items: _Items) -> _Items:
    counted = Counter(items)
    most = max(counted.values(), default=0)
    return tuple(sorted(item for item in counted if counted[item] == most))


def _all(items: _Items) -> bool | None:
    return False if False in items else None if None in items else True


def _any(items: _Items) -> bool | None:
    return True if True in items else None if None in items else False


# ── other lists ──────────────────────────────────────────────────────────────────────────────────


def _index(items: _Items, position: Decimal) -> int:
    """The index that Python gives a position.

    Raises:
        IndexError: There is no such element.
    """
    index = int(position)
    if not index or abs(index) > len(items):
        raise IndexError
    return index - 1 if index > 0 else len(items) + index


def _changed(change: Callable[..., object]) -> Callable[..., _Items | None]:
    """A function that changes a copy of the list at a position."""

    def changed(items: _Items, position: Decimal, *element: Any) -> _Items | None:  # noqa: ANN401  # of any kind
        copy = list(items)
        try:
            change(copy, _index(items, position), *element)
        except IndexError:
            return None
        return tuple(copy)

    return changed


def element_at(items: _Items, position: Decimal) -> Any:  # noqa: ANN401  # of any kind
    """The element at a position; None if there is none."""
    try:
        return items[_index(items, position)]
    except IndexError:
        return None


def column(records: _Items, key: str) -> _Items:
    """One cell of every record."""
    return tuple(None if record is None else record.get(key) for record in records)


def of_each(part: Callable[[Any], Any]) -> Callable[[_Items], _Items]:
    """A function that finds this part of every element."""
    return lambda items: tuple(None if item is None else part(item) for item in items)


def _sublist(items: _Items, start: Decimal, length: Decimal | None = None) -> _Items | None:
    try:
        begin = _index(items, start)
    except IndexError:
        return None
    if length is None:
        return tuple(islice(items, begin, None))
    most = min(int(length), len(items))  # more than a machine word cannot be counted
    return tuple(islice(items, begin, begin + most)) if most >= 0 else None


def _index_of(items: _Items, element: Any) -> _Items | None:  # noqa: ANN401  # of any kind
    found = [Decimal(n) for n in range(1, len(items) + 1) if equal(items[n - 1], element)]
    open_ = any(equal(item, element) is None for item in items)
    return None if open_ else tuple(found)


def _distinct(items: _Items) -> _Items | None:
    found: _Items = ()
    for item in items:
        there = member(found, item)
        if there is None or item is None:
            return None
        found = found if there else (*found, item)
    return found


def _flatten(items: _Items) -> _Items | None:
    if None in items:
        return None
    parts = [_flatten(item) if isinstance(item, tuple) else (item,) for item in items]
    return None if None in parts else tuple(chain.from_iterable(part or () for part in parts))


# ── texts ────────────────────────────────────────────────────────────────────────────────────────


def _substring(text: str, start: Decimal, length: Decimal | None = None) -> str | None:
    try:
        begin = _index(tuple(text), start) if int(start) <= len(text) else len(text)
    except IndexError:
        return None
    if length is None:
        return "".join(islice(text, begin, None))
    most = min(int(length), len(text))
    return "".join(islice(text, begin, begin + most)) if int(length) >= 1 else None


def _string(value: Any) -> str | None:  # noqa: ANN401  # of any kind
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            whole, _, rest = f"{value:f}".partition(".")
            rest = rest.rstrip("0")
            found = f"{whole}.{rest}" if rest else whole
            return found.removeprefix("-") if found == "-0" else found
        case date():
            return f"{value:%Y-%m-%d}".zfill(10)
        case tuple() | Mapping():
            return None
        case _:
            return f"{value}"


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)


def _number(text: str, grouping: str = "", point: str = ".") -> Decimal | None:
    if point not in {".", ","} or grouping not in {"", " ", ".", ","} or point == grouping:
        return None
    signs = {grouping: "", point: "."} | ({} if point == "." or grouping == "." else {".": "#"})
    plain = "".join(signs.get(character, character) for character in text)
    try:
        return DECIMAL128.create_decimal(plain) if _NUMBER.fullmatch(plain) else None
    except DecimalException:
        return None


def _join(items: _Items, delimiter: str = "") -> str | None:
    if None in items:
        return None
    return "".join(chain.from_iterable((delimiter, item) for item in items))[len(delimiter) :]


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **searches.FUNCTIONS,
    "substring": _substring,
    "string_length": lambda text: Decimal(sum(1 for _ in text)),
    "upper_case": lambda text: text.upper(),
    "lower_case": lambda text: text.lower(),
    "substring_before": lambda text, match: (
        text.partition(match)[0] if match in text and match else ""
    ),
    "substring_after": lambda text, match: text.partition(match)[2] if match else text,
    "contains": lambda text, match: text.count(match) > 0,
    "starts_with": lambda text, match: text[: len(match)] == match,
    "ends_with": lambda text, match: text[len(text) - len(match) :] == match or not match,
    "string": _string,
    "number": _number,
    "string_join": _join,
    "count": lambda items: Decimal(len(items)),
    "sum": _known(_sum),
    "mean": _known(_mean),
    "median": _known(_median),
    "product": _known(_product),
    "stddev": _known(_deviation),
    "mode": _known(_mode),
    "min": _known(min),
    "max": _known(max),
    "all": _all,
    "any": _any,
    "list_contains": member,
    "is": equal,
    "sublist": _sublist,
    "append": lambda items, *elements: items + elements,
    "concatenate": lambda *lists: tuple(chain.from_iterable(lists)),
    "union": lambda *lists: _distinct(tuple(chain.from_iterable(lists))),
    "insert_before": _changed(list.insert),
    "remove": _changed(list.pop),
    "list_replace": _changed(list.__setitem__),
    "reverse": lambda items: tuple(reversed(items)),
    "index_of": _index_of,
    "distinct_values": _distinct,
    "flatten": _flatten,
}
