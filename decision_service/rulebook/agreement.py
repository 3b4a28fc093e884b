"""Which values may stand together: kinds, units, options, and how many digits a number has."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import assert_never

from decision_service.model import (
    BooleanType,
    ConceptType,
    DateType,
    NumberType,
    OptionType,
    Text,
    TextType,
)
from decision_service.rulebook.source import Report
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
    Position,
    Some,
    Within,
)

MOST_DIGITS = 9
"""Digits after the point that a type can have."""

_KINDS = {
    "boolean": Text(zh="是否", en="yes or no"),
    "number": Text(zh="数", en="number"),
    "date": Text(zh="日期", en="date"),
    "text": Text(zh="文本", en="text"),
    "option": Text(zh="选项", en="option"),
}


def in_words(type_: ConceptType) -> Text:
    """A type as messages name it: its kind, and the unit of a number."""
    kind = _KINDS[type_.kind]
    if isinstance(type_, NumberType):
        unit_zh, unit_en = type_.unit or "无单位", type_.unit or "no unit"
        return Text(zh=f"{kind.zh}（{unit_zh}）", en=f"{kind.en} ({unit_en})")
    return kind


def kind_in_words(kind: str) -> Text:
    """A kind of types as messages name it."""
    return _KINDS[kind]


# ── what an expression reads ─────────────────────────────────────────────────────────────────────


def parts(expression: Expression) -> Iterator[Expression]:
    """The expressions that it is directly made of."""
    match expression:
        case Constant() | Name():
            return
        case Compare(left=left, right=right) | Arithmetic(left=left, right=right):
            yield from (left, right)
        case Within(item=item, tests=tests):
            yield item
            for test in tests:
                if isinstance(test, Interval):
                    yield from (end for end in (test.low, test.high) if end is not None)
                else:
                    yield test
        case All(items=items) | Some(items=items) | Call(arguments=items):
            yield from items
        case Not(item=item) | Negative(item=item):
            yield item
        case If(condition=condition, then=then, otherwise=otherwise):
            yield from (condition, then, otherwise)
        case _ as never:
            assert_never(never)


def names(expression: Expression) -> Iterator[Name]:
    """Every name that it reads, in the order of the text."""
    if isinstance(expression, Name):
        yield expression
    for part in parts(expression):
        yield from names(part)


def digits(  # noqa: C901, PLR0911  # one case for each kind of node
    expression: Expression,
) -> int | None:
    """The most digits after the point that its value can have; None where there is no bound."""
    match expression:
        case Constant(value=Decimal() as value):
            return _digits_of(value)
        case Name(type=NumberType(scale=scale)):
            return scale
        case Negative(item=item):
            return digits(item)
        case Arithmetic(op="+" | "-", left=left, right=right):
            return _most(digits(left), digits(right))
        case Arithmetic(op="*", left=left, right=right):
            both = (digits(left), digits(right))
            return None if None in both else sum(number or 0 for number in both)
        case Arithmetic(op="/" | "**"):
            return None
        case If(then=then, otherwise=otherwise):
            return _most(digits(then), digits(otherwise))
        case Call(function="min" | "max" | "abs", arguments=arguments):
            return _most(*(digits(argument) for argument in arguments))
        case Call(function="round_half_up", arguments=(_, Constant(value=Decimal() as number))):
            return max(int(number), 0)
        case Call(function="round_half_up"):
            return None
        case _:
            return 0


def as_scaled(expression: Expression) -> ConceptType:
    """Its type with the scale that its value needs; `MOST_DIGITS` where there is no bound."""
    if not isinstance(expression.type, NumberType):
        return expression.type
    most = digits(expression)
    scale = MOST_DIGITS if most is None else min(most, MOST_DIGITS)
    return NumberType(unit=expression.type.unit, scale=scale)


def in_unit(expression: Expression) -> str:
    """The unit of a number; empty for one without, and for anything else."""
    return expression.type.unit if isinstance(expression.type, NumberType) else ""


def _digits_of(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _most(*numbers: int | None) -> int | None:
    known = [number for number in numbers if number is not None]
    return max(known) if len(known) == len(numbers) else None


# ── agreement ────────────────────────────────────────────────────────────────────────────────────


def fit(expression: Expression, type_: ConceptType, report: Report) -> Expression | None:
    """Return the expression as one of that type, or report why it is not and return None.

    A number that reads no name takes the unit it stands with, and a text in quotes is looked up
    as the label of an option.
    """
    found = expression.type
    match found, type_:
        case NumberType(), NumberType(unit=unit):
            if found.unit == unit:
                return expression
            if not found.unit and next(names(expression), None) is None:
                return replace(expression, type=NumberType(unit=unit, scale=found.scale))
            _disagree("E032", expression.at, found, type_, report)
        case TextType(), OptionType() if isinstance(expression, Constant):
            return _labelled(expression, type_, report)
        case OptionType(), OptionType():
            if found == type_:
                return expression
            report.add("E031.options", expression.at)
        case (BooleanType(), BooleanType()) | (DateType(), DateType()) | (TextType(), TextType()):
            return expression
        case _:
            _disagree("E031", expression.at, found, type_, report)
    return None


def agree(
    left: Expression, right: Expression, report: Report
) -> tuple[Expression, Expression] | None:
    """Return both as of one type, or report why they are not; literals follow the other side."""
    if next(names(left), None) is None and next(names(right), None) is not None:
        fitted = fit(left, right.type, report)
        return None if fitted is None else (fitted, right)
    fitted = fit(right, left.type, report)
    return None if fitted is None else (left, fitted)


def refuse_more_digits(expression: Expression, scale: int, report: Report) -> None:
    """Report a constant that has more digits than what it is held against can ever have."""
    match expression:
        case Constant(value=Decimal() as value) if _digits_of(value) > scale:
            text = format(value, "f")
            report.add("E039.constant", expression.at, text=text, scale=str(scale))
        case _:
            pass


def _labelled(constant: Constant, type_: OptionType, report: Report) -> Constant | None:
    for code, label in type_.options.items():
        if label.zh == constant.value:
            return replace(constant, value=code, type=type_)
    labels = [label.zh for label in type_.options.values()]
    report.add_unknown(
        "E034",
        constant.at,
        str(constant.value),
        labels,
        labels="、".join(f"“{label}”" for label in labels),
    )
    return None


def _disagree(
    key: str, at: Position, found: ConceptType, wanted: ConceptType, report: Report
) -> None:
    found_words, wanted_words = in_words(found), in_words(wanted)
    report.add(
        key,
        at,
        found=found_words.zh,
        wanted=wanted_words.zh,
        found_en=found_words.en,
        wanted_en=wanted_words.en,
    )
