"""情形: applications to decide, and what must come out of each."""

from collections.abc import Iterator, Mapping

from decision_service.model import (
    DECLARED,
    SERVICE,
    Concept,
    Fact,
    Known,
    ListType,
    Range,
    Record,
    Scalar,
    Text,
    Unknown,
    Value,
    Why,
)
from decision_service.rulebook import expression, fields
from decision_service.rulebook.page import Section
from decision_service.rulebook.sections import Draft
from decision_service.rulebook.source import Piece
from decision_service.rulebook.tree import Scenario, Term, VerdictKind
from decision_service.rulebook.words import UNKNOWN_WORDS

_SCENARIO = {
    "编号": "", "情形": "", "Scenario": "", "与基准不同": "", "结论": "", "理由": "",
}  # fmt: skip
_VERDICTS = {
    ("批准", "approve"): VerdictKind.APPROVE,
    ("驳回", "refuse"): VerdictKind.REFUSE,
    ("请补正", "correct"): VerdictKind.CORRECT,
    ("转人工", "refer"): VerdictKind.REFER,
}
_BASELINE = ("基准 baseline", "基准", "baseline")


def scenarios(section: Section, draft: Draft) -> Iterator[Scenario]:
    """Read 情形, a row a scenario."""
    fields.allow_only(section, draft.report, "lines", "grids")
    baseline = _baseline(section, draft)
    names = {output.name.zh: output for output in draft.outputs}
    seen = set[str]()
    columns = {**_SCENARIO, **dict.fromkeys(sorted(draft.output_names), "")}
    required = ("编号", "情形", "Scenario", "结论")
    for row in fields.rows(section, columns, draft.report, optional=draft.output_names):
        if not fields.filled(row, required, draft.report):
            continue
        unique = fields.refuse_twice(seen, row["编号"], draft.report)
        verdict = fields.choose(row["结论"], _VERDICTS, draft.report)
        differences = facts(row["与基准不同"], draft)
        outputs = {
            output.id: value
            for name, output in names.items()
            if name in row and row[name].text
            if (value := _expected(row[name], name, draft)) is not None
        }
        reasons = frozenset(_reasons(row["理由"], draft))
        if verdict is not None and unique:
            yield Scenario(
                id=row["编号"].text,
                name=Text(zh=row["情形"].text, en=row["Scenario"].text),
                facts={**baseline, **differences},
                verdict=verdict,
                outputs=outputs,
                reasons=reasons,
                at=row["编号"].at,
            )


def _baseline(section: Section, draft: Draft) -> Mapping[Concept, Fact]:
    """The facts that every scenario begins with: all of the vocabulary."""
    if not section.lines:
        draft.report.add("E022", section.heading.at)
        return {}
    first = section.lines[0]
    halves = first.halves("：:")
    if halves is None or " ".join(halves[0].text.split()) not in _BASELINE:
        draft.report.add("E022", first.at)
        return {}
    found: dict[Concept, Fact] = {}
    for line in (halves[1], *section.lines[1:]):
        found |= facts(line, draft)
    for term in draft.terms:
        if term.id not in found:
            draft.report.add("E022.missing", first.at, name=term.name.zh)
    return found


def facts(piece: Piece, draft: Draft) -> dict[Concept, Fact]:
    """``出生日期 = 1956-03-01；户籍市 = 未知``: the facts that it names."""
    found: dict[Concept, Fact] = {}
    terms = {term.id: term for term in draft.terms}
    for part in piece.split("；;"):
        if not part.text:
            continue
        halves = part.halves("=＝")
        if halves is None:
            draft.report.add("E020.form", part.at, text=part.text)
            continue
        name, written = halves
        id_ = draft.scope.find(name.text)
        if id_ is None:
            known = [term.name.zh for term in draft.terms]
            draft.report.add_unknown("E020", name.at, name.text, known)
        elif id_ in found:
            draft.report.add("E011", name.at, name=name.text)
        elif id_ in terms:
            found[id_] = _fact(written, terms[id_], draft)
        elif id_ in draft.scope.types:
            draft.report.add("E020.derived", name.at, name=name.text)
    return found


def _fact(piece: Piece, term: Term, draft: Draft) -> Fact:
    """One fact of a scenario; 未知 is what a silent applicant or register leaves."""
    silent = Unknown(why=Why.NOT_ANSWERED if term.source == DECLARED else Why.UNAVAILABLE)
    if piece.text in UNKNOWN_WORDS:
        if term.source == SERVICE:
            draft.report.add("E021.service", piece.at, name=term.name.zh)
        return silent
    if isinstance(term.type, ListType):
        records = _records(piece, term.type, draft)
        return silent if records is None else Known(value=records, source=term.source)
    value = expression.read_constant(piece, term.type, draft.report)
    if value is None:
        return silent
    if not _inside(value, term.range):
        draft.report.add("E021", piece.at, text=piece.text, name=term.name.zh)
    return Known(value=value, source=term.source)


def _records(piece: Piece, type_: ListType, draft: Draft) -> tuple[Record, ...] | None:
    """``[(城市 = "深圳市"，面积 = 90.00)，(城市 = "外市")]``; ``[]`` is no record at all."""
    if piece.text[:1] not in _LEFT or piece.text[-1:] not in _RIGHT:
        draft.report.add("E021.list", piece.at, text=piece.text)
        return None
    inside = piece.part(1, len(piece.text) - 1)
    records = [_record(part, type_, draft) for part in inside.split("，,、") if part.text]
    return None if None in records else tuple(one for one in records if one is not None)


_LEFT, _RIGHT = {"[", "［"}, {"]", "］"}


def _record(piece: Piece, type_: ListType, draft: Draft) -> Record | None:
    """The cells of one record; one that is not named, or 未知, is not known."""
    if piece.text[0] not in "(（" or piece.text[-1] not in ")）":
        draft.report.add("E021.list", piece.at, text=piece.text)
        return None
    ids = {column.name.zh: id_ for id_, column in type_.columns.items()}
    ids |= {id_: id_ for id_ in type_.columns}
    record: dict[str, Scalar] = {}
    for part in piece.part(1, len(piece.text) - 1).split("，,、"):
        if not part.text:
            continue
        halves = part.halves("=＝")
        if halves is None:
            draft.report.add("E020.form", part.at, text=part.text)
            return None
        name, written = halves
        id_ = ids.get(name.text)
        if id_ is None:
            draft.report.add_unknown("E020", name.at, name.text, ids)
            return None
        if written.text in UNKNOWN_WORDS:
            continue
        value = expression.read_constant(written, type_.columns[id_].type, draft.report)
        if value is None:
            return None
        record[id_] = value
    return record


def _inside(value: Value, limits: Range | None) -> bool:
    return limits is None or limits.low <= value <= limits.high  # type: ignore[operator]  # of one kind


def _expected(piece: Piece, name: str, draft: Draft) -> Value | None:
    type_ = next(output.type for output in draft.outputs if output.name.zh == name)
    return expression.read_constant(piece, type_, draft.report)


def _reasons(piece: Piece, draft: Draft) -> Iterator[str]:
    """``R1, R2``: requirements that are not met or unknown."""
    for part in piece.split("，,、"):
        if not part.text:
            continue
        if part.text not in draft.requirement_ids and "条件" in draft.complete:
            ids = sorted(draft.requirement_ids)
            draft.report.add_unknown("E020.reason", part.at, part.text, ids)
        else:
            yield part.text
