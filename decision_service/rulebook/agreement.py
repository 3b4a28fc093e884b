"""Which values may stand together: kinds, units, options, and how many digits a number has."""

from dataclasses import replace
from decimal import Decimal

from decision_service.model import DateType, NumberType, OptionType, Text, TextType
from decision_service.rulebook.source import Report
from decision_service.rulebook.tree import (
    Arithmetic,
    Call,
    Constant,
    Each,
    Expression,
    If,
    Listed,
    Negative,
    Path,
    Position,
    is_fixed,
)
from decision_service.rulebook.values import (
    AnyType,
    DaysAndTime,
    DaysType,
    ListOf,
    MonthsType,
    Type,
    YearsAndMonths,
)

MOST_DIGITS = 9
"""Digits after the point that a type can have."""

_KINDS = {
    "boolean": Text(zh="是否", en="yes or no"),
    "number": Text(zh="数", en="number"),
    "date": Text(zh="日期", en="date"),
    "text": Text(zh="文本", en="text"),
    "option": Text(zh="选项", en="option"),
    "months": Text(zh="年月时长", en="duration of years and months"),
    "days": Text(zh="天数时长", en="duration of days"),
    "range": Text(zh="范围", en="range"),
    "record": Text(zh="记录", en="record"),
    "list": Text(zh="列表", en="list"),
    "any": Text(zh="值", en="value"),
    "dated": Text(zh="日期", en="date"),
    "measure": Text(zh="数或时长", en="number or duration"),
    "element": Text(zh="列表中的一项", en="element of the list"),
    "numbers": Text(zh="数的列表", en="list of numbers"),
    "ordered": Text(zh="可比大小的值的列表", en="list of values with an order"),
    "truths": Text(zh="是否的列表", en="list of yes or no"),
    "texts": Text(zh="文本的列表", en="list of texts"),
}


def in_words(type_: Type) -> Text:
    """A type as messages name it: its kind, and the unit of a number."""
    kind = _KINDS[type_.kind]
    if isinstance(type_, NumberType):
        unit_zh, unit_en = type_.unit or "无单位", type_.unit or "no unit"
        return Text(zh=f"{kind.zh}（{unit_zh}）", en=f"{kind.en} ({unit_en})")
    return kind


def kind_in_words(kind: str) -> Text:
    """A kind of types as messages name it."""
    return _KINDS[kind]


_SPELT = {"日": "天", "个月": "月", "周岁": "岁"}
"""Units that have two names, by the rarer one."""


def same_unit(left: str, right: str) -> bool:
    """Whether two units are one, whatever a file calls it."""
    return _SPELT.get(left, left) == _SPELT.get(right, right)


def plain_unit(unit: str) -> str:
    """The name of a unit that is not the rarer one."""
    return _SPELT.get(unit, unit)


# ── how many digits a number has ─────────────────────────────────────────────────────────────────

_LIKE_ARGUMENTS = frozenset(
    {"min", "max", "abs", "sum", "modulo", "mode", "concatenate", "union", "append", "flatten"}
)
_LIKE_ELEMENT = frozenset({"insert_before", "list_replace"})
_TO_SCALE = frozenset(
    {"decimal", "floor", "ceiling"} | {"round_up", "round_down", "round_half_up", "round_half_down"}
)
_ENDLESS = frozenset({"mean", "median", "stddev", "product", "sqrt", "log", "exp", "number"})


def digits(  # noqa: C901, PLR0911, PLR0912  # one case for each kind of node
    expression: Expression,
) -> int | None:
    """The most digits after the point that its value can have; None where there is no bound."""
    match expression:
        case Constant(value=Decimal() as value):
            return _digits_of(value)
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
        case Listed(items=items):
            return _most(*(digits(item) for item in items))
        case Each(result=result):
            return digits(result)
        case Call(function=function, arguments=arguments) if function in _LIKE_ARGUMENTS:
            return _most(*(digits(argument) for argument in arguments))
        case Call(function=function, arguments=(items, _, element)) if function in _LIKE_ELEMENT:
            return _most(digits(items), digits(element))
        case Call(function=function, arguments=arguments) if function in _TO_SCALE:
            return _digits_to_scale(arguments)
        case Call(function=function) if function in _ENDLESS:
            return None
        case Path(item=item, part="seconds") if isinstance(_innermost(item.type), DaysType):
            return None
        case _:
            type_ = _innermost(expression.type)
            return type_.scale if isinstance(type_, NumberType) else 0


def _innermost(type_: Type) -> Type:
    return _innermost(type_.item) if isinstance(type_, ListOf) else type_


def _digits_to_scale(arguments: tuple[Expression, ...]) -> int | None:
    """Digits that are left when a number is rounded to a scale; without one to a whole number."""
    match arguments:
        case (_,):
            return 0
        case (_, Constant(value=Decimal() as number)):
            return max(int(number), 0)
        case _:
            return None


def as_scaled(expression: Expression) -> Type:
    """Its type with the scale that its value needs; `MOST_DIGITS` where there is no bound."""
    most = digits(expression)
    return _of_scale(expression.type, MOST_DIGITS if most is None else min(most, MOST_DIGITS))


def _of_scale(type_: Type, scale: int) -> Type:
    match type_:
        case NumberType(unit=unit):
            return NumberType(unit=unit, scale=scale)
        case ListOf(item=item):
            return ListOf(_of_scale(item, scale))
        case other:
            return other


def in_unit(expression: Expression) -> str:
    """The unit of a number; empty for one without, and for anything else."""
    return expression.type.unit if isinstance(expression.type, NumberType) else ""


def _digits_of(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _most(*numbers: int | None) -> int | None:
    known = [number for number in numbers if number is not None]
    return max(known, default=0) if len(known) == len(numbers) else None


# ── agreement ────────────────────────────────────────────────────────────────────────────────────


def fit(  # noqa: C901, PLR0911  # one case for each pair of kinds
    expression: Expression, type_: Type, report: Report
) -> Expression | None:
    """Return the expression as one of that type, or report why it is not and return None.

    A number that reads no name takes the unit it stands with, and a text in quotes is looked up
    as the label of an option.
    """
    match expression.type, type_:
        case (AnyType(), _) | (_, AnyType()):
            return expression
        case NumberType() as found, NumberType(unit=unit):
            if found.unit == unit or (same_unit(found.unit, unit) and not is_fixed(expression)):
                return expression
            if is_fixed(expression) and (not found.unit or same_unit(found.unit, unit)):
                return replace(expression, type=NumberType(unit=unit, scale=found.scale))
            _disagree("E032", expression.at, found, type_, report)
        case NumberType(), MonthsType() | DaysType() if _lasting(expression, type_):
            return _lasting(expression, type_)
        case TextType(), OptionType() if isinstance(expression, Constant):
            return _labelled(expression, type_, report)
        case OptionType() as found, OptionType():
            if found == type_:
                return expression
            report.add("E031.options", expression.at)
        case ListOf() as found, ListOf(item=item):
            return _fit_list(expression, found, item, report)
        case (found, _) if type(found) is type(type_):
            return expression
        case found, _:
            _disagree("E031", expression.at, found, type_, report)
    return None


def beside(expression: Expression, other: Type) -> Expression:
    """What is calculated with days and durations: there ``6个月`` is a duration, and no number."""
    if not isinstance(other, DateType | MonthsType | DaysType):
        return expression
    kinds = (MonthsType(), DaysType()) if isinstance(other, DateType) else (other,)
    return next((found for kind in kinds if (found := _lasting(expression, kind))), expression)


def _lasting(expression: Expression, type_: Type) -> Constant | None:
    """A number with a unit of time as the duration that it says; None if it says none."""
    match expression:
        case Constant(value=Decimal() as number, type=NumberType(unit=unit)) if number == int(
            number
        ):
            count = int(number)
        case _:
            return None
    match plain_unit(unit), type_:
        case "年", MonthsType():
            return replace(expression, value=YearsAndMonths(12 * count), type=type_)
        case "月", MonthsType():
            return replace(expression, value=YearsAndMonths(count), type=type_)
        case "天", DaysType():
            return replace(expression, value=DaysAndTime(Decimal(86_400 * count)), type=type_)
        case _:
            return None


def _fit_list(
    expression: Expression, found: ListOf, item: Type, report: Report
) -> Expression | None:
    """A list as one of such items; one that is written out, item by item."""
    if isinstance(expression, Listed):
        fitted = [fit(one, item, report) for one in expression.items]
        if None in fitted:
            return None
        items = tuple(one for one in fitted if one is not None)
        return replace(expression, items=items, type=ListOf(item))
    match found.item, item:
        case NumberType(unit=unit), NumberType(unit=wanted) if not same_unit(unit, wanted):
            _disagree("E032", expression.at, found.item, item, report)
        case OptionType(), OptionType() if found.item != item:
            report.add("E031.options", expression.at)
        case (one, other) if type(one) is type(other) or isinstance(one, AnyType):
            return expression
        case one, other:
            _disagree("E031", expression.at, one, other, report)
    return None


def agree(
    left: Expression, right: Expression, report: Report
) -> tuple[Expression, Expression] | None:
    """Return both as of one type, or report why they are not; literals follow the other side."""
    if is_fixed(left) and not is_fixed(right):
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


def _disagree(key: str, at: Position, found: Type, wanted: Type, report: Report) -> None:
    found_words, wanted_words = in_words(found), in_words(wanted)
    report.add(
        key,
        at,
        found=found_words.zh,
        wanted=wanted_words.zh,
        found_en=found_words.en,
        wanted_en=wanted_words.en,
    )
