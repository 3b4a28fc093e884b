"""The closed list of functions that a rule file may call: DMN 1.5 (10.3.4), and those of the law.

Left out of FEEL: contexts, times, ranges as values, sorting by a function, and whatever asks a
clock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from decision_service.model import NumberType
from decision_service.rulebook import days, figures, lists, matching, texts
from decision_service.rulebook.days import Conventions
from decision_service.rulebook.values import (
    ANY,
    BOOLEAN,
    DAY,
    PLAIN,
    TEXT,
    UNKNOWN,
    AnyType,
    Datum,
    DaysAndTime,
    Duration,
    ListOf,
    MonthsType,
    NotKnown,
    Type,
    YearsAndMonths,
)

Kind: TypeAlias = Literal[
    "number", "date", "text", "dated", "measure", "any", "element",
    "list", "numbers", "ordered", "truths", "texts",
]  # fmt: skip
"""What a parameter takes: a kind of value, or several (a day or a text that names one is dated, a
number or a duration is a measure), a list, or an ``element`` of the list before it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a function takes in one place.

    Attributes:
        name: As FEEL names it, e.g. ``start position``.
        unit: What a number must be in; None where any unit will do.
    """

    name: str
    kind: Kind
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the rule language.

    Attributes:
        name: English name, as in expressions; its underscores may be blanks there.
        zh: The other name in expressions.
        forms: What it takes, one way or the other, told apart by how many there are.
        repeats: Whether the last parameter may come several times.
        gathers: Whether several arguments are taken as the one list that it wants.
        result: Type of the value, from the types of the arguments, which fit one of the forms.
        apply: The value, from known arguments that fit one of the forms, and the conventions.
    """

    name: str
    zh: str
    forms: tuple[tuple[Parameter, ...], ...]
    result: Callable[[tuple[Type, ...]], Type]
    apply: Callable[[tuple[Any, ...], Conventions], Datum | NotKnown] = field(repr=False)
    repeats: bool = False
    gathers: bool = False

    def form(self, count: int) -> tuple[Parameter, ...] | None:
        """The parameters for so many arguments, the last repeated as needed."""
        for form in self.forms:
            if len(form) == count:
                return form
            if self.repeats and count > len(form):
                return (*form, *(form[-1:] * (count - len(form))))
        return None


# ── what fits a parameter ────────────────────────────────────────────────────────────────────────

_TYPES: Mapping[Kind, frozenset[str]] = {
    "dated": frozenset({"date", "text"}),
    "measure": frozenset({"number", "months", "days"}),
    "any": frozenset({"boolean", "number", "date", "text", "option", "months", "days"}),
}
_ITEMS: Mapping[Kind, frozenset[str]] = {
    "numbers": frozenset({"number"}),
    "ordered": frozenset({"number", "date", "months", "days", "text"}),
    "truths": frozenset({"boolean"}),
    "texts": frozenset({"text"}),
}
LISTS = frozenset({"list", *_ITEMS})


def takes(kind: Kind, type_: Type) -> bool:
    """Whether a parameter takes values of a type."""
    if isinstance(type_, AnyType) or kind == "element":
        return True
    if isinstance(type_, ListOf):
        items = _ITEMS.get(kind, frozenset())
        fits = type_.item.kind in items or isinstance(type_.item, AnyType)
        return kind == "list" or (kind in LISTS and fits)
    return type_.kind == kind or type_.kind in _TYPES.get(kind, frozenset())


_CLASSES: Mapping[Kind, tuple[type, ...]] = {
    "number": (Decimal,), "date": (date,), "text": (str,), "dated": (date, str),
    "measure": (Decimal, YearsAndMonths, DaysAndTime),
}  # fmt: skip


def conformed(value: Datum, kind: Kind) -> Datum | NotKnown:
    """The value as a parameter of the kind takes it, where no type said so before.

    As in FEEL (DMN 1.5, 10.3.2.9.4) a list of one is that one, and anything is a list of itself.
    """
    if kind in LISTS:
        return value if isinstance(value, tuple) else (value,)
    classes = _CLASSES.get(kind)
    if classes is None:
        return value
    if isinstance(value, tuple) and len(value) == 1 and not isinstance(value[0], NotKnown):
        value = value[0]
    return value if isinstance(value, classes) else UNKNOWN


# ── the list ─────────────────────────────────────────────────────────────────────────────────────


def _always(type_: Type) -> Callable[[tuple[Type, ...]], Type]:
    return lambda _types: type_


def _number_of(unit: str) -> Callable[[tuple[Type, ...]], Type]:
    return _always(NumberType(unit=unit))


def _like_the_first(types: tuple[Type, ...]) -> Type:
    return types[0]


def _item(types: tuple[Type, ...]) -> Type:
    return types[0].item if isinstance(types[0], ListOf) else ANY


def _list_of_item(types: tuple[Type, ...]) -> Type:
    return ListOf(_item(types))


def _innermost(types: tuple[Type, ...]) -> Type:
    item = _item(types)
    while isinstance(item, ListOf):
        item = item.item
    return ListOf(item)


def _of(function: Callable[..., Datum | NotKnown]) -> Callable[..., Datum | NotKnown]:
    by = _BY_CONVENTION.get(function)
    if by is None:
        return lambda arguments, _conventions: function(*arguments)
    return lambda arguments, conventions: function(*arguments, by(conventions))


_BY_CONVENTION: Mapping[Callable[..., Any], Callable[[Conventions], Any]] = {
    days.age: lambda conventions: conventions.age_convention,
    days.is_working_day: lambda conventions: conventions.calendar,
    days.working_days_between: lambda conventions: conventions.calendar,
    days.add_working_days: lambda conventions: conventions.calendar,
}
"""What a function takes besides its arguments."""


def _parameters(text: str) -> tuple[Parameter, ...]:
    """``n number, days number:天, scale number:``: names, kinds, and what a number must be in."""
    found = []
    for part in text.split(", ") if text else ():
        name, _, kind = part.rpartition(" ")
        kind, unitary, unit = kind.partition(":")
        found.append(Parameter(name, kind, unit if unitary else None))  # type: ignore[arg-type]
    return tuple(found)


def _function(
    names: str,
    forms: str,
    result: Any,  # noqa: ANN401  # a type, or what gives one
    apply: Callable[..., Any],
    **more: bool,
) -> Function:
    """A function whose forms are written as `_parameters` reads them, with ``;`` between."""
    name, zh = names.split()
    return Function(
        name,
        zh,
        tuple(_parameters(form) for form in forms.split("; ")),
        result if callable(result) else _always(result),
        _of(apply),
        **more,
    )


def _date(*parts: Any) -> Datum | NotKnown:  # noqa: ANN401  # a text, a day, or three numbers
    if len(parts) == 3:
        return days.day_of(*parts)
    return days.read_day(parts[0]) if isinstance(parts[0], str) else parts[0]


def _abs(measure: Decimal | Duration) -> Decimal | Duration:
    if isinstance(measure, Decimal):
        return measure.copy_abs()
    return max(measure, days.back(measure))


_SPAN, _SCALE = "from date, to date", "n number, scale number:"
_NUMBERS, _MATCH = "list numbers", "string text, match text"
_AT = "list list, position number:"

_ALL = (
    # of the law
    _function("age 周岁", _SPAN, _number_of("岁"), days.age),
    _function("years_between 满年数", _SPAN, _number_of("年"), days.years_between),
    _function("months_between 满月数", _SPAN, _number_of("月"), days.months_between),
    _function("days_between 天数", _SPAN, _number_of("天"), days.days_between),
    _function("add_months 加月", "date date, months number:月", DAY, days.add_months),
    _function("add_years 加年", "date date, years number:年", DAY, days.add_years),
    _function("add_days 加天", "date date, days number:天", DAY, days.add_days),
    _function("year 年份", "date date", _number_of("年"), lambda day: Decimal(day.year)),
    _function("month 月份", "date date", _number_of("月"), lambda day: Decimal(day.month)),
    _function("day 日号", "date date", _number_of("日"), lambda day: Decimal(day.day)),
    _function("is_working_day 是工作日", "date date", BOOLEAN, days.is_working_day),
    _function(
        "working_days_between 工作日数", _SPAN, _number_of("工作日"), days.working_days_between
    ),
    _function(
        "add_working_days 加工作日", "date date, days number:工作日", DAY, days.add_working_days
    ),
    # days and durations
    _function("date 日期", "from dated; year number, month number, day number", DAY, _date),
    _function("duration 时长", "from text", ANY, days.read_duration),
    _function("years_and_months_duration 相隔年月", _SPAN, MonthsType(), days.months_apart),
    _function("day_of_year 年内第几天", "date date", PLAIN, days.day_of_year),
    _function("day_of_week 星期", "date date", TEXT, days.day_of_week),
    _function("month_of_year 英文月名", "date date", TEXT, days.month_of_year),
    _function("week_of_year 年内第几周", "date date", PLAIN, days.week_of_year),
    # numbers
    _function("abs 绝对值", "n measure", _like_the_first, _abs),
    _function("decimal 四舍六入", _SCALE, _like_the_first, figures.decimal),
    _function("floor 向下取整", f"n number; {_SCALE}", _like_the_first, figures.floor),
    _function("ceiling 向上取整", f"n number; {_SCALE}", _like_the_first, figures.ceiling),
    _function("round_up 进位", _SCALE, _like_the_first, figures.round_up),
    _function("round_down 舍去", _SCALE, _like_the_first, figures.round_down),
    _function("round_half_up 四舍五入", _SCALE, _like_the_first, figures.round_half_up),
    _function("round_half_down 五舍六入", _SCALE, _like_the_first, figures.round_half_down),
    _function("modulo 余数", "dividend number, divisor number", _like_the_first, figures.modulo),
    _function("sqrt 平方根", "number number:", PLAIN, figures.square_root),
    _function("log 自然对数", "number number:", PLAIN, figures.logarithm),
    _function("exp 自然指数", "number number:", PLAIN, figures.exponential),
    _function("odd 是奇数", "number number", BOOLEAN, figures.odd),
    _function("even 是偶数", "number number", BOOLEAN, figures.even),
    # texts
    _function(
        "substring 截取",
        "string text, start position number:; string text, start position number:, length number:",
        TEXT,
        texts.substring,
    ),
    _function("string_length 字数", "string text", PLAIN, texts.string_length),
    _function("upper_case 大写", "string text", TEXT, str.upper),
    _function("lower_case 小写", "string text", TEXT, str.lower),
    _function("substring_before 之前的文字", _MATCH, TEXT, texts.substring_before),
    _function("substring_after 之后的文字", _MATCH, TEXT, texts.substring_after),
    _function("contains 包含", _MATCH, BOOLEAN, str.__contains__),
    _function("starts_with 开头是", _MATCH, BOOLEAN, str.startswith),
    _function("ends_with 结尾是", _MATCH, BOOLEAN, str.endswith),
    _function("string 转为文本", "from any", TEXT, texts.string),
    _function(
        "number 转为数",
        "from text; from text, grouping separator text, decimal separator text",
        PLAIN,
        texts.number,
    ),
    _function("string_join 连接", "list texts; list texts, delimiter text", TEXT, lists.join),
    _function(
        "matches 匹配",
        "input text, pattern text; input text, pattern text, flags text",
        BOOLEAN,
        matching.matches,
    ),
    _function(
        "replace 文字替换",
        "input text, pattern text, replacement text; "
        "input text, pattern text, replacement text, flags text",
        TEXT,
        matching.replace,
    ),
    _function("split 拆分", "string text, delimiter text", ListOf(TEXT), matching.split),
    _function("is 相同", "value1 any, value2 any", BOOLEAN, lists.equal),
    # lists
    _function("count 计数", "list list", PLAIN, lists.count),
    _function("sum 合计", _NUMBERS, _item, lists.total, gathers=True),
    _function("mean 平均", _NUMBERS, _item, lists.mean, gathers=True),
    _function("median 中位数", _NUMBERS, _item, lists.median, gathers=True),
    _function("product 乘积", "list numbers:", PLAIN, lists.product, gathers=True),
    _function("stddev 标准差", _NUMBERS, _item, lists.deviation, gathers=True),
    _function("mode 众数", _NUMBERS, _list_of_item, lists.most_frequent, gathers=True),
    _function("min 最小", "list ordered", _item, lists.least, gathers=True),
    _function("max 最大", "list ordered", _item, lists.greatest, gathers=True),
    _function("all 全部为是", "list truths", BOOLEAN, lists.all_of, gathers=True),
    _function("any 任一为是", "list truths", BOOLEAN, lists.any_of, gathers=True),
    _function("list_contains 列表包含", "list list, element element", BOOLEAN, lists.contains),
    _function(
        "sublist 子列表",
        "list list, start position number:; list list, start position number:, length number:",
        _like_the_first,
        lists.sublist,
    ),
    _function(
        "append 追加", "list list, item element", _like_the_first, lists.append, repeats=True
    ),
    _function("concatenate 合并", "list list", _like_the_first, lists.concatenate, repeats=True),
    _function("union 并集", "list list", _like_the_first, lists.union, repeats=True),
    _function(
        "insert_before 插入",
        "list list, position number:, newItem element",
        _like_the_first,
        lists.insert_before,
    ),
    _function("remove 去掉", _AT, _like_the_first, lists.remove),
    _function("list_replace 替换", f"{_AT}, newItem element", _like_the_first, lists.replace),
    _function("reverse 倒序", "list list", _like_the_first, lists.reverse),
    _function("index_of 位置", "list list, match element", ListOf(PLAIN), lists.index_of),
    _function("distinct_values 去重", "list list", _like_the_first, lists.distinct),
    _function("flatten 展开", "list list", _innermost, lists.flatten),
)

FUNCTIONS: Mapping[str, Function] = MappingProxyType({one.name: one for one in _ALL})
"""Every function by its English name; a derived value may have neither name of any of them."""

BY_CALENDAR = frozenset({"is_working_day", "working_days_between", "add_working_days"})
"""Functions that are unknown in a year of which the calendar says nothing."""

PATTERNED = frozenset({"matches", "replace", "split"})
"""Functions whose second argument is a pattern; all but the first are written out in a file."""

PARAMETERS = frozenset(parameter.name for one in _ALL for form in one.forms for parameter in form)
"""The names of all parameters."""
