"""What types operators and parts give; None where the law knows no such thing."""

from dataclasses import replace

from decision_service.model import DateType, NumberType, TextType
from decision_service.rulebook.agreement import as_scaled, plain_unit
from decision_service.rulebook.tree import Arithmetic, Expression, Operator
from decision_service.rulebook.values import ANY, DAY, TEXT, AnyType, DaysType, MonthsType, Type

PARTS_OF = {
    "date": {"year": "年", "month": "月", "day": "日", "weekday": ""},
    "months": {"years": "年", "months": "月"},
    "days": {"days": "天", "hours": "", "minutes": "", "seconds": ""},
}
"""Units of the parts of days and durations, by the kind of what they are a part of."""


def scaled(op: Operator, left: Expression, right: Expression, unit: str) -> Arithmetic:
    """Arithmetic on two numbers, with as many digits as its value needs."""
    made = Arithmetic(op, left, right, NumberType(unit=unit), left.at)
    return replace(made, type=as_scaled(made))


_PRODUCTS = {("米", "米"): "平方米", ("平方米", "米"): "立方米", ("米", "平方米"): "立方米"}
"""Units that are made of others."""

_QUOTIENTS = {(product, one): other for (one, other), product in _PRODUCTS.items()}


def unit_of(op: Operator, left: str, right: str) -> str | None:
    """The unit of a product, quotient or power; None where the law knows no such unit."""
    pair = plain_unit(left), plain_unit(right)
    if op == "*":
        return _PRODUCTS.get(pair) if left and right else left or right
    if op == "/" and right:
        return "" if pair[0] == pair[1] else _QUOTIENTS.get(pair)
    if op == "/":
        return left
    return "" if not (left or right) else None


def other_result(  # noqa: PLR0911  # one case for each pair of kinds
    op: Operator, left: Type, right: Type
) -> Type | None:
    """The type of arithmetic that is not on two numbers; None if there is none."""
    match left, op, right:
        case (AnyType(), _, _) | (_, _, AnyType()):
            return ANY
        case (TextType(), "+", TextType()):
            return TEXT
        case (DateType(), "-", DateType()):
            return DaysType()
        case (DateType(), "+" | "-", MonthsType() | DaysType()):
            return DAY
        case (MonthsType() | DaysType(), "+", DateType()):
            return DAY
        case (MonthsType(), "+" | "-", MonthsType()) | (DaysType(), "+" | "-", DaysType()):
            return left
        case (MonthsType(), "/", MonthsType()) | (DaysType(), "/", DaysType()):
            return NumberType(scale=9)
        case (MonthsType() | DaysType(), "*" | "/", NumberType(unit="")):
            return left
        case (NumberType(unit=""), "*", MonthsType() | DaysType()):
            return right
        case _:
            return None
