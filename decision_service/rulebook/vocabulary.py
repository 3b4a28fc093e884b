"""词汇 and 推算: the names that a rule file uses, each with its type."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from decision_service.model import (
    DECLARED,
    SERVICE,
    BooleanType,
    Column,
    Concept,
    ConceptType,
    DateType,
    ListType,
    NumberType,
    OptionType,
    Range,
    Text,
    TextType,
    Value,
)
from decision_service.rulebook import expression, fields
from decision_service.rulebook.agreement import digits, fit
from decision_service.rulebook.page import Section
from decision_service.rulebook.source import Piece, Report
from decision_service.rulebook.tokens import Scope
from decision_service.rulebook.tree import Derived, Expression, Term

_TERM = {
    "标识": "id", "名称": "", "English": "", "类型": "", "单位或取值": "", "范围": "",
    "来源": "source",
}  # fmt: skip
_DERIVED = {"名称": "", "English": "", "类型": "", "单位": "", "算法": ""}
_CONCEPT = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*", re.ASCII)
_SOURCES = {"申报": DECLARED, "申报 declared": DECLARED, "服务": SERVICE, "服务 service": SERVICE}
_KINDS = ("是否", "数", "日期", "选项", "文本", "列表")
_COLUMN = re.compile(
    r"(?P<zh>\w+)\s+(?P<id>[a-z][a-z0-9_]*)\s*(?:[\"“](?P<en>[^\"“”]+)[\"”]\s*)?"
    r"[（(](?P<kind>是否|数|日期|选项|文本)\s*(?P<detail>.*)[）)]"
)
_RANGE = re.compile(r"\[(?P<low>[^\[\].]+(?:\.\d+)?)\.\.(?P<high>[^\[\]]+)\]")
_OPTION = re.compile(
    r'["“](?P<zh>[^"“”＂]+)["”]\s*(?P<code>[a-z][a-z0-9_]*)\s*(?:["“](?P<en>[^"“”＂]+)["”])?',
    re.ASCII,
)

_BACKSLASHES = frozenset("\\＼")
"""Where a label is used, one of them says what the sign after it means."""


def terms(section: Section, scope: Scope, report: Report) -> tuple[Term, ...]:
    """Read 词汇 and add its names to the scope."""
    fields.allow_only(section, report, "grids")
    found = []
    ids, names = set[str](), set[str]()
    for row in fields.rows(section, _TERM, report):
        if not fields.filled(row, ("标识", "名称", "English", "类型", "来源"), report):
            scope.add_broken(row["标识"].text, row["名称"].text)
            continue
        id_ = fields.identifier(row["标识"], report, _CONCEPT)
        name = fields.name(row["名称"], report)
        type_ = type_of(row["类型"], row["单位或取值"], report)
        source = _source(row["来源"], report)
        unique = fields.refuse_twice(ids, row["标识"], report)
        unique &= fields.refuse_twice(names, row["名称"], report)
        if not (id_ and name and type_ and source and unique):
            scope.add_broken(row["标识"].text, row["名称"].text)
            continue
        scope.add(Concept(id_), type_, id_, name)
        text = Text(zh=name, en=row["English"].text)
        limits = _range(row["范围"], type_, report)
        found.append(Term(Concept(id_), text, type_, limits, source, row["标识"].at))
    return tuple(found)


def derived(section: Section, scope: Scope, report: Report) -> tuple[Derived, ...]:
    """Read 推算 and add its names to the scope, each for the rows below it."""
    fields.allow_only(section, report, "grids")
    found = []
    names = set[str]()
    for row in fields.rows(section, _DERIVED, report):
        if not fields.filled(row, ("名称", "English", "类型", "算法"), report):
            scope.add_broken(row["名称"].text)
            continue
        name = fields.name(row["名称"], report)
        type_ = None
        if row["类型"].text == "列表":
            report.add("E010.derived", row["类型"].at)
        else:
            type_ = type_of(row["类型"], row["单位"], report)
        value = expression.read(row["算法"], scope, report)
        unique = fields.refuse_twice(names, row["名称"], report)
        if unique and scope.find(row["名称"].text) is not None:
            report.add("E011", row["名称"].at, name=row["名称"].text)
            unique = False
        if not (name and type_ and unique):
            scope.add_broken(row["名称"].text)
            continue
        fitted = None if value is None else _fitted(value, type_, report)
        scope.add(Concept(name), type_, name)
        if fitted is not None:
            text = Text(zh=name, en=row["English"].text)
            found.append(Derived(Concept(name), text, type_, fitted, row["名称"].at))
    return tuple(found)


def type_of(kind: Piece, detail: Piece, report: Report) -> ConceptType | None:
    """The type that a row names, with what its unit or its values are."""
    match kind.text:
        case "数":
            return fields.number_type(detail, report)
        case "选项":
            return _options(detail, report)
        case "是否" | "日期" | "文本":
            if detail.text:
                report.add("E004.detail", detail.at, kind=kind.text)
            simple: dict[str, ConceptType] = {
                "是否": BooleanType(),
                "日期": DateType(),
                "文本": TextType(),
            }
            return simple[kind.text]
        case "列表":
            return _list(detail, report)
        case other:
            report.add_unknown("E010", kind.at, other, _KINDS)
    return None


def _fitted(value: Expression, type_: ConceptType, report: Report) -> Expression | None:
    """The expression as one of the declared type, with no more digits than that has."""
    fitted = fit(value, type_, report)
    if fitted is not None and isinstance(type_, NumberType):
        most = digits(fitted)
        if most is None or most > type_.scale:
            report.add("E039.derived", fitted.at, scale=str(type_.scale))
            return None
    return fitted


def _options(piece: Piece, report: Report) -> OptionType | None:
    """``"深圳市" shenzhen, "外市" elsewhere "elsewhere"``: label, code, and an English label.

    Without an English label the code is it, with blanks for its underscores.
    """
    options: dict[str, Text] = {}
    for part in piece.split("，,、"):
        if not _BACKSLASHES.isdisjoint(part.text):
            report.add("E004.label", part.at, text=part.text)
            return None
        found = _OPTION.fullmatch(part.text)
        if found is None:
            report.add("E004.option", part.at, text=part.text)
            return None
        labels = {label.zh for label in options.values()}
        if found["code"] in options or found["zh"] in labels:
            report.add("E011", part.at, name=part.text)
            return None
        english = found["en"] or found["code"].replace("_", " ")
        options[found["code"]] = Text(zh=found["zh"], en=english)
    return OptionType(options=options)


def _list(piece: Piece, report: Report) -> ListType | None:
    """``面积 area "floor area"（数 平方米，2 位小数）；城市 city（选项 "深圳市" shenzhen）``."""
    columns: dict[str, Column] = {}
    for part in piece.split("；;"):
        found = _COLUMN.fullmatch(part.text)
        if found is None:
            report.add("E004.column", part.at, text=part.text)
            return None
        name = fields.name(part.part(*found.span("zh")), report)
        type_ = type_of(part.part(*found.span("kind")), part.part(*found.span("detail")), report)
        if name in {column.name.zh for column in columns.values()} or found["id"] in columns:
            report.add("E011", part.at, name=found["zh"])
            return None
        if name is None or type_ is None or isinstance(type_, ListType):
            return None
        english = found["en"] or found["id"].replace("_", " ")
        columns[found["id"]] = Column(name=Text(zh=name, en=english), type=type_)
    return ListType(columns=columns)


def _range(piece: Piece, type_: ConceptType, report: Report) -> Range | None:
    """``[0..120]``, both ends included; None where nothing is said, or what is said is wrong."""
    if not piece.text:
        return None
    ends = list(_ends(piece, type_, report))
    match ends:
        case [Decimal() as low, Decimal() as high] if low <= high:
            return Range(low=low, high=high)
        case [date() as low, date() as high] if low <= high:
            return Range(low=low, high=high)
        case [_, _]:
            report.add("A202.range", piece.at)
        case _:
            pass
    return None


def _ends(piece: Piece, type_: ConceptType, report: Report) -> Iterator[Value]:
    found = _RANGE.fullmatch(piece.text)
    if found is None or not isinstance(type_, NumberType | DateType):
        report.add("E004.range", piece.at, text=piece.text)
        return
    for start, end in (found.span("low"), found.span("high")):
        value = expression.read_constant(piece.part(start, end), type_, report)
        if value is not None:
            yield value


def _source(piece: Piece, report: Report) -> str | None:
    """Who vouches for a concept: an evidence type, the applicant, or the service."""
    written = " ".join(piece.text.split())
    return _SOURCES.get(written) or fields.identifier(piece, report)
