"""标准 and 结果: what is granted, by a table whose rows exclude each other or by an expression."""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from decision_service.model import (
    BooleanType,
    Concept,
    ConceptType,
    DateType,
    NumberType,
    OptionType,
    Text,
    TextType,
    Value,
)
from decision_service.rulebook import expression, fields
from decision_service.rulebook.agreement import fit, in_words
from decision_service.rulebook.cells import Cell, Column, conjunction
from decision_service.rulebook.checks import refuse_loose_digits, refuse_overlap
from decision_service.rulebook.page import Grid, Section
from decision_service.rulebook.sections import Draft, cited
from decision_service.rulebook.source import Piece
from decision_service.rulebook.tree import Column as OutputColumn
from decision_service.rulebook.tree import Expression, HitPolicy, Name, Output, Rounding, Row, Table
from decision_service.rulebook.values import ListOf
from decision_service.rulebook.vocabulary import type_of

# ── 标准 ─────────────────────────────────────────────────────────────────────────────────────────

_TABLE = {"依据": "basis", "命中": "hit policy", "输出": "output"}
_NEEDED = ("命中", "输出")
_HIT_POLICIES = {
    ("唯一", "unique"): HitPolicy.UNIQUE,
    ("首个", "first"): HitPolicy.FIRST,
    ("收集 合计", "collect sum"): HitPolicy.SUM,
    ("收集 最小", "collect min"): HitPolicy.MIN,
    ("收集 最大", "collect max"): HitPolicy.MAX,
    ("收集 计数", "collect count"): HitPolicy.COUNT,
}
_OUTPUT_COLUMN = re.compile(r"(?P<name>\w+)\s*[（(](?P<kind>是否|日期|文本|选项)?(?P<rest>.*)[）)]")
_ROW, _ARROW = "行", "→"


def announce(section: Section, name: str, taken: AbstractSet[str], draft: Draft) -> None:
    """Read what a 标准 gives, so that everything else can use it before the table is read.

    Args:
        taken: Names that derived values have.
    """
    found = fields.keyed(section, _TABLE, draft.report, needed=_NEEDED)
    given = _output_columns(found["输出"], taken, draft) if "输出" in found else ()
    draft.columns[name] = dict(given)


def table(section: Section, name: str, draft: Draft) -> Table | None:
    """Read one 标准; the rows of a UNIQUE one are proven to exclude each other."""
    report = draft.report
    fields.allow_only(section, report, "items", "grids")
    found = fields.keyed(section, _TABLE, report, needed=_NEEDED)
    basis = cited(found, section.heading.at, draft)
    policy = fields.choose(found["命中"], _HIT_POLICIES, report) if "命中" in found else None
    outputs = draft.columns[name]
    if policy is None or not _can_collect(policy, found, outputs, draft):
        return None
    if not section.grids or not section.grids[0].rows:
        report.add("E003.no_rows", section.heading.at)
        return None
    rows = _rows(section.grids[0], outputs, draft, policy)
    columns = tuple(OutputColumn(id_, type_) for id_, type_ in outputs.items())
    if rows is None or not columns:
        return None
    return Table(name, basis, columns, rows, section.heading.at, policy)


def _can_collect(
    policy: HitPolicy,
    found: Mapping[str, Piece],
    outputs: Mapping[Concept, ConceptType],
    draft: Draft,
) -> bool:
    """Whether what a policy collects are values of which there is a sum, or a least one."""
    for id_, type_ in outputs.items():
        ordered = isinstance(type_, DateType) and policy in {HitPolicy.MIN, HitPolicy.MAX}
        if policy.collects and not (isinstance(type_, NumberType) or ordered):
            kind = in_words(type_)
            words = {"name": id_, "kind": kind.zh, "kind_en": kind.en}
            draft.report.add("E051", found["命中"].at, **words)
            return False
    return True


def _output_columns(
    piece: Piece, taken: AbstractSet[str], draft: Draft
) -> Iterator[tuple[Concept, ConceptType]]:
    """``月津贴（元，2 位小数）；首月（日期）``: each becomes a name for 结果."""
    for part in piece.split("；;"):
        found = _OUTPUT_COLUMN.fullmatch(part.text)
        if found is None:
            draft.report.add("E004.output", part.at, text=part.text)
            draft.scope.add_broken(part.text)
            continue
        rest = part.part(*found.span("rest"))
        if found["kind"]:
            type_ = type_of(part.part(*found.span("kind")), rest, draft.report)
        else:
            type_ = fields.number_type(rest, draft.report)
        name = fields.name(part.part(*found.span("name")), draft.report)
        if name and (name in taken or draft.scope.find(name) is not None):
            draft.report.add("E011", part.at, name=name)
        elif name and type_:
            draft.scope.add(Concept(name), type_, name)
            yield Concept(name), type_
        else:
            draft.scope.add_broken(found["name"])


def _rows(
    grid: Grid, outputs: Mapping[Concept, ConceptType], draft: Draft, policy: HitPolicy
) -> tuple[Row, ...] | None:
    """The rows; None if a column or a cell is wrong."""
    header = _header(grid, outputs, draft)
    if header is None:
        return None
    inputs, places = header
    numbers = set[str]()
    rows: list[Row] = []
    proven: list[tuple[Piece, list[Cell]]] = []
    for cells in grid.rows:
        number = cells[0]
        if not number.text:
            draft.report.add("E003.cell", number.at, name=_ROW)
        unique = fields.refuse_twice(numbers, number, draft.report)
        read = [
            column.read(
                cells[index], draft.scope, draft.report, provable=policy is HitPolicy.UNIQUE
            )
            for index, column in inputs.items()
        ]
        values = [_value(cells[index], outputs[id_], draft) for id_, index in places.items()]
        conditions = [cell for cell in read if cell is not None]
        if not unique or len(conditions) < len(read) or None in values:
            continue
        proven.append((number, conditions))
        known = tuple(value for value in values if value is not None)
        rows.append(Row(number.text, conjunction(conditions, number.at), known, number.at))
    if policy is HitPolicy.UNIQUE:
        refuse_overlap(tuple(inputs.values()), proven, draft.report)
    return tuple(rows) if len(rows) == len(grid.rows) else None


def _header(
    grid: Grid, outputs: Mapping[Concept, ConceptType], draft: Draft
) -> tuple[dict[int, Column], dict[Concept, int]] | None:
    """The input columns by their place, and the place of each output column."""
    report = draft.report
    if grid.header[0].text != _ROW:
        report.add("E003.first_column", grid.header[0].at, name=_ROW)
        return None
    inputs: dict[int, Column] = {}
    places: dict[Concept, int] = {}
    sound = True
    for index, cell in enumerate(grid.header[1:], start=1):
        if cell.text.startswith(_ARROW):
            id_ = Concept(cell.part(1).text)
            if id_ not in outputs:
                sound = False
                if draft.scope.find(id_) is None:
                    id_ = Concept(report.add_unknown("E003.output", cell.at, id_, outputs))
            elif id_ in places:
                report.add("E011.column", cell.at, name=id_)
            places[id_] = index
        else:
            column = _input(cell, outputs, draft)
            sound &= column is not None
            if column is not None:
                inputs[index] = column
    for id_ in outputs:
        if id_ not in places:
            report.add("E003.no_column", grid.at, name=f"{_ARROW} {id_}")
            sound = False
    return (inputs, {id_: places[id_] for id_ in outputs}) if sound else None


def _input(cell: Piece, outputs: Mapping[Concept, ConceptType], draft: Draft) -> Column | None:
    """An input column: a concept, a derived value or what another table gives; no calculation."""
    item = expression.read(cell, draft.scope, draft.report)
    if isinstance(item, Name) and not isinstance(item.type, ListOf) and item.id not in outputs:
        return Column(item, cell.text)
    if item is not None:
        draft.report.add("E050.input", cell.at, text=cell.text)
    return None


def _value(piece: Piece, type_: ConceptType, draft: Draft) -> Value | None:
    if not piece.text:
        draft.report.add("E003.cell", piece.at, name=_ARROW)
        return None
    return expression.read_constant(piece, type_, draft.report)


# ── 结果 ─────────────────────────────────────────────────────────────────────────────────────────

_OUTPUT = {"标识": "id", "名称": "", "English": "", "单位": "", "小数与舍入": "", "取自": ""}
_ROUNDINGS: Mapping[tuple[str, str], Rounding] = {
    ("不舍入", "exact"): "exact",
    ("四舍五入", "half up"): "half_up",
    ("四舍六入五成双", "half even"): "half_even",
    ("进位", "up"): "up",
    ("舍去", "down"): "down",
}
_DIGITS = re.compile(r"(?P<scale>\d)\s*[，,]\s*(?P<rounding>.+)")


def outputs(section: Section, draft: Draft) -> Iterator[Output]:
    """Read 结果, a row an output."""
    fields.allow_only(section, draft.report, "grids")
    ids = set[str]()
    for row in fields.rows(section, _OUTPUT, draft.report):
        if not fields.filled(row, ("标识", "名称", "English", "取自"), draft.report):
            continue
        id_ = fields.identifier(row["标识"], draft.report)
        unique = fields.refuse_twice(ids, row["标识"], draft.report)
        unique &= fields.refuse_twice(draft.output_names, row["名称"], draft.report)
        source = row["取自"]
        from_table = re.match(r"标准\s+", source.text)
        value = expression.read(
            source.part(from_table.end() if from_table else 0), draft.scope, draft.report
        )
        name = Text(zh=row["名称"].text, en=row["English"].text)
        if value is not None and id_ and unique:
            read = _output(id_, name, value, row, draft)
            if read is not None:
                yield read


def _output(
    id_: str, name: Text, value: Expression, row: fields.Row, draft: Draft
) -> Output | None:
    at = row["标识"].at
    if not isinstance(value.type, NumberType):
        for column in ("单位", "小数与舍入"):
            if row[column].text:
                draft.report.add("E004.not_number", row[column].at)
        if not isinstance(value.type, BooleanType | DateType | TextType | OptionType):
            kind = in_words(value.type)
            draft.report.add("E039.kind", value.at, kind=kind.zh, kind_en=kind.en)
            return None
        return Output(id_, name, value.type, "exact", value, at)
    found = _DIGITS.fullmatch(row["小数与舍入"].text)
    if found is None:
        draft.report.add("E039", row["小数与舍入"].at if row["小数与舍入"].text else at)
        return None
    rounding = fields.choose(
        row["小数与舍入"].part(*found.span("rounding")), _ROUNDINGS, draft.report
    )
    type_ = NumberType(unit=row["单位"].text, scale=int(found["scale"]))
    fitted = fit(value, type_, draft.report)
    if rounding is None or fitted is None:
        return None
    read = Output(id_, name, type_, rounding, fitted, at)
    refuse_loose_digits(read, draft.report)
    return read
