"""The explanation's leaves: the atoms of a condition, what they read, and how they are written."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import assert_never

from decision_service.model import Concept, OptionType
from decision_service.rulebook.tree import (
    All,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Expression,
    If,
    Interval,
    Name,
    Negative,
    Not,
    Some,
    Within,
)


def atoms_in(expression: Expression) -> Iterator[Expression]:
    """What is left of a condition when 并且, 或者 and 非 are taken away."""
    match expression:
        case All(items=items) | Some(items=items):
            for item in items:
                yield from atoms_in(item)
        case Not(item=item):
            yield from atoms_in(item)
        case _:
            yield expression


def names_in(expression: Expression | Interval) -> Iterator[Concept]:
    """Every name that is read, in the order of reading, some more than once."""
    if isinstance(expression, Name):
        yield expression.id
    for part in _parts(expression):
        yield from names_in(part)


def _parts(  # noqa: PLR0911  # one case for each kind of node
    expression: Expression | Interval,
) -> tuple[Expression | Interval, ...]:
    match expression:
        case Constant() | Name():
            return ()
        case Compare(left=left, right=right) | Arithmetic(left=left, right=right):
            return (left, right)
        case Within(item=item, tests=tests):
            return (item, *tests)
        case Interval(low=low, high=high):
            return tuple(end for end in (low, high) if end is not None)
        case All(items=items) | Some(items=items) | Call(arguments=items):
            return items
        case Not(item=item) | Negative(item=item):
            return (item,)
        case If(condition=condition, then=then, otherwise=otherwise):
            return (condition, then, otherwise)
        case _ as never:
            assert_never(never)


def written(  # noqa: C901, PLR0911, PLR0912  # one case for each kind of node
    expression: Expression | Interval, words: Mapping[Concept, str]
) -> str:
    """An expression as a rule file writes it; brackets wherever they might matter."""
    parts = [written(part, words) for part in _parts(expression)]
    match expression:
        case Constant():
            return _constant(expression)
        case Name(id=id_):
            return words.get(id_, id_)
        case Compare(op=op) | Arithmetic(op=op):
            inside = f" {op} ".join(parts)
            return inside if isinstance(expression, Compare) else f"({inside})"
        case Within(tests=(Interval(low=None) | Interval(high=None),)):
            return " ".join(parts)
        case Within(tests=(Interval(),)):
            return " in ".join(parts)
        case Within():
            return f"{parts[0]} in ({', '.join(parts[1:])})"
        case Interval():
            return _interval(expression, parts)
        case All():
            return f"({' 并且 '.join(parts)})"
        case Some():
            return f"({' 或者 '.join(parts)})"
        case Not():
            return f"非 {parts[0]}"
        case Negative():
            return f"-{parts[0]}"
        case If():
            return "如果 {} 那么 {} 否则 {}".format(*parts)
        case Call(function=name):
            return f"{name}({', '.join(parts)})"
        case _ as never:
            assert_never(never)


def _constant(constant: Constant) -> str:
    match constant.value, constant.type:
        case bool() as truth, _:
            return "是" if truth else "否"
        case Decimal() as number, _:
            return format(number, "f")
        case date() as day, _:
            return day.isoformat()
        case code, OptionType(options=options) if code in options:
            return f'"{options[code].zh}"'
        case text, _:
            return f'"{text}"'


def _interval(interval: Interval, ends: list[str]) -> str:
    match interval.low, interval.high:
        case None, None:
            return "-"
        case None, _:
            return f"{'<=' if interval.high_included else '<'} {ends[0]}"
        case _, None:
            return f"{'>=' if interval.low_included else '>'} {ends[0]}"
        case _:
            low = "[" if interval.low_included else "("
            high = "]" if interval.high_included else ")"
            return f"{low}{'..'.join(ends)}{high}"
