"""依据 and 条件: where it stands in the law, and what the law demands."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from decision_service.model import BooleanType, Concept, ConceptType, Status, Text
from decision_service.rulebook import expression, fields
from decision_service.rulebook.checks import placeholders, refuse_uncurable
from decision_service.rulebook.page import Section
from decision_service.rulebook.source import Piece, Report
from decision_service.rulebook.tokens import Scope
from decision_service.rulebook.tree import (
    Basis,
    Consequence,
    Derived,
    Expression,
    Output,
    Position,
    Requirement,
    Table,
    Term,
)


@dataclass(slots=True)
class Draft:
    """A rule file as far as it is read; each section adds to it and uses what stands above it.

    Attributes:
        columns: What each table gives, by its name; known before any table is read.
        requirement_ids: Of every row that is there, sound or not, as are the two below; what is
            wrong is reported where it stands and not where it is used.
        complete: Sections that were read without a finding: what is missing there is not there.
    """

    report: Report
    scope: Scope = field(default_factory=Scope)
    bases: tuple[Basis, ...] = ()
    terms: tuple[Term, ...] = ()
    derived: tuple[Derived, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    tables: list[Table] = field(default_factory=list)
    columns: dict[str, dict[Concept, ConceptType]] = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    requirement_ids: set[str] = field(default_factory=set)
    basis_numbers: set[str] = field(default_factory=set)
    output_names: set[str] = field(default_factory=set)
    complete: set[str] = field(default_factory=set)


# ── 依据 ─────────────────────────────────────────────────────────────────────────────────────────

_BASIS = {"编号": "", "文件": "", "条款": "", "原文摘录": "", "Excerpt": ""}


def bases(section: Section, draft: Draft) -> Iterator[Basis]:
    """Read 依据, a row an article."""
    fields.allow_only(section, draft.report, "grids")
    for row in fields.rows(section, _BASIS, draft.report):
        if not fields.filled(row, tuple(_BASIS), draft.report):
            continue
        number, instrument, article, zh, en = (row[column] for column in _BASIS)
        if fields.refuse_twice(draft.basis_numbers, number, draft.report):
            excerpt = Text(zh=zh.text, en=en.text)
            yield Basis(number.text, instrument.text, article.text, excerpt, number.at)


def cited(found: Mapping[str, Piece], at: Position, draft: Draft) -> tuple[str, ...]:
    """The numbers of 依据 that a requirement or a table cites; at least one."""
    if "依据" not in found:
        draft.report.add("E041", at)
        return ()
    cited = found["依据"].split("，,、")
    for number in cited:
        if number.text not in draft.basis_numbers and "依据" in draft.complete:
            numbers = sorted(draft.basis_numbers)
            draft.report.add_unknown("E040", number.at, number.text, numbers)
    return tuple(number.text for number in cited)


# ── 条件 ─────────────────────────────────────────────────────────────────────────────────────────

_REQUIREMENT = {
    "依据": "basis",
    "条件": "requires",
    "不符合": "if not met",
    "无法确认": "if unknown",
    "符合时说明": "notice when met",
    "不符合时说明": "notice when not met",
    "无法确认时说明": "notice when unknown",
}
_NOTICES = {
    Status.MET: "符合时说明",
    Status.NOT_MET: "不符合时说明",
    Status.UNKNOWN: "无法确认时说明",
}
_CONSEQUENCES = {
    ("驳回", "refuse"): Consequence.REFUSE,
    ("请补正", "correct"): Consequence.CORRECT,
    ("转人工", "refer"): Consequence.REFER,
}
_HEADING = re.compile(r"(?P<id>R[1-9][0-9]{0,2})\s+(?=\S)", re.ASCII)


def requirements(section: Section, draft: Draft) -> Iterator[Requirement]:
    """Read 条件, a heading a requirement."""
    fields.allow_only(section, draft.report, "sections")
    if not section.sections:
        draft.report.add("E003.no_requirement", section.heading.at)
    for part in section.sections:
        fields.allow_only(part, draft.report, "items")
        found = fields.keyed(part, _REQUIREMENT, draft.report, needed=("条件", *_NOTICES.values()))
        heading = _HEADING.match(part.heading.text)
        if heading is None:
            draft.report.add("E001.requirement", part.heading.at, text=part.heading.text)
            continue
        id_ = part.heading.part(0, heading.end("id"))
        unique = fields.refuse_twice(draft.requirement_ids, id_, draft.report)
        name = fields.bilingual(part.heading.part(heading.end()), draft.report)
        read = _requirement(id_, name or Text(zh="", en=""), found, draft)
        if read is not None and unique:
            yield read


def _requirement(
    id_: Piece, name: Text, found: Mapping[str, Piece], draft: Draft
) -> Requirement | None:
    report = draft.report
    basis = cited(found, id_.at, draft)
    truth = _truth(found["条件"], draft) if "条件" in found else None
    if_not_met = _consequence("不符合", found, id_, report)
    if_unknown = _consequence("无法确认", found, id_, report)
    if if_unknown is Consequence.REFUSE:
        report.add("E043", found["无法确认"].at)
    notices = {
        status: notice
        for status, key in _NOTICES.items()
        if key in found and (notice := _notice(found[key], draft)) is not None
    }
    if truth is None or if_not_met is None or if_unknown is None:
        return None
    read = Requirement(id_.text, name, basis, truth, if_not_met, if_unknown, notices, id_.at)
    at = found["无法确认"].at
    refuse_uncurable(read, at, draft.terms, (draft.derived, draft.tables), report)
    return read


def _truth(piece: Piece, draft: Draft) -> Expression | None:
    """A condition: an expression that is 是 or 否."""
    found = expression.read(piece, draft.scope, draft.report)
    if found is not None and not isinstance(found.type, BooleanType):
        draft.report.add("E038", found.at)
        return None
    return found


def _consequence(
    key: str, found: Mapping[str, Piece], id_: Piece, report: Report
) -> Consequence | None:
    if key not in found:
        report.add("E042", id_.at, name=key)
        return None
    return fields.choose(found[key], _CONSEQUENCES, report)


def _notice(piece: Piece, draft: Draft) -> Text | None:
    """A notice in both languages; what stands in braces is a name as people read it, no id."""
    notice = fields.bilingual(piece, draft.report)
    if notice is None:
        return None
    if re.search(r"[{}]", re.sub(r"\{[^{}]+\}", "", piece.text)):
        draft.report.add("E004.braces", piece.at)
        return None
    given = {id_ for columns in draft.columns.values() for id_ in columns}
    names_of = {term.id: term.name.zh for term in draft.terms}
    for name in placeholders(notice):
        at = piece.part(piece.text.find(f"{{{name}}}") + 1).at
        if draft.scope.find(name) is None or name in given:
            known = (one for one in draft.scope.names() if one not in given | {*names_of})
            draft.report.add_unknown("E030", at, name, known)
        elif like := names_of.get(Concept(name)):
            draft.report.add("E030.notice", at, name=name, like=like)
    return notice
