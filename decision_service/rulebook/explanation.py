"""The explanation's leaves: the atoms of a condition, what they read, and how they are written."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import assert_never

from decision_service.model import OptionType
from decision_service.rulebook.tree import (
    All,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Each,
    Element,
    Expression,
    Filter,
    If,
    Interval,
    Listed,
    Name,
    Negative,
    Not,
    Path,
    Quantified,
    Series,
    Some,
    Spanned,
    Variable,
    Within,
    ends,
)
from decision_service.rulebook.values import DaysAndTime, YearsAndMonths


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


def written(  # noqa: C901, PLR0911, PLR0912  # one case for each kind of node
    expression: Expression | Interval, words: Mapping[str, str]
) -> str:
    """An expression as a rule file writes it; brackets wherever they might matter.

    Args:
        words: What a concept, a variable or a column is called there.
    """

    def say(one: Expression | Interval) -> str:
        return written(one, words)

    match expression:
        case Constant():
            return _constant(expression)
        case Name(id=name) | Variable(name=name):
            return words.get(name, name)
        case Compare(op=op, left=left, right=right):
            return f"{say(left)} {op} {say(right)}"
        case Arithmetic(op=op, left=left, right=right):
            return f"({say(left)} {op} {say(right)})"
        case Within(item=item, tests=(Interval(low=None) | Interval(high=None) as test,)):
            return f"{say(item)} {say(test)}"
        case Within(item=item, tests=(Interval() as test,)):
            return f"{say(item)} in {say(test)}"
        case Within(item=item, tests=tests):
            return f"{say(item)} in ({', '.join(map(say, tests))})"
        case Interval():
            return _interval(expression, [say(end) for end in ends(expression)])
        case Spanned(interval=interval):
            return say(interval)
        case All(items=items):
            return f"({' 并且 '.join(map(say, items))})"
        case Some(items=items):
            return f"({' 或者 '.join(map(say, items))})"
        case Not(item=item):
            return f"非 {say(item)}"
        case Negative(item=item):
            return f"-{say(item)}"
        case If(condition=condition, then=then, otherwise=otherwise):
            return f"如果 {say(condition)} 那么 {say(then)} 否则 {say(otherwise)}"
        case Call(function=name, arguments=arguments):
            return f"{name}({', '.join(map(say, arguments))})"
        case Listed(items=items):
            return f"[{', '.join(map(say, items))}]"
        case Path(item=item, part=part):
            return f"{say(item)}.{part}"
        case Element(item=item, position=position):
            return f"{say(item)}[{say(position)}]"
        case Filter(item=item, variable=variable, condition=condition):
            return f"{say(item)}[{written(condition, {**words, variable: 'item'})}]"
        case Quantified(quantifier=quantifier, variable=variable, item=item, condition=condition):
            return f"{quantifier} {variable} in {say(item)} satisfies {say(condition)}"
        case Series(first=first, last=last):
            return f"{say(first)}..{say(last)}"
        case Each(bindings=bindings, result=result):
            through = ", ".join(f"{variable} in {say(item)}" for variable, item in bindings)
            return f"for {through} return {say(result)}"
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
        case (YearsAndMonths() | DaysAndTime()) as lasting, _:
            return f'duration("{lasting}")'
        case str() as code, OptionType(options=options) if code in options:
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
