"""A rule file: from its text to a rulebook in which every name is resolved and proven sound.

RULES.md describes the sections; rules/README.md explains them to the people who write them.
"""

import re
from dataclasses import replace
from datetime import date
from typing import Literal

from decision_service.model import Calendar, Facts, MatterId, Text
from decision_service.rulebook import cases, checks, fields, page, sections, tables, vocabulary
from decision_service.rulebook.page import Section
from decision_service.rulebook.sections import Draft
from decision_service.rulebook.source import Piece, Report, TooManyFindingsError, lines
from decision_service.rulebook.tree import Finding, Position, Rulebook, RuleFileError, Scenario

AgeConvention = Literal["birthday", "day_after"]

HEAD = {
    "事项": "matter",
    "生效": "effective",
    "取代": "supersedes",
    "主管": "competent authority",
}
"""English word of each key of the head."""

_SECTIONS = {
    "依据": "Legal basis",
    "词汇": "Vocabulary",
    "推算": "Derived values",
    "条件": "Requirements",
    "标准": "Table: …",
    "结果": "Outputs",
    "情形": "Scenarios",
}
"""Every section in its order; 推算, 标准 and 结果 may be missing, 标准 may come more than once."""

_READING = ("依据", "词汇", "推算", "标准", "条件", "结果", "情形")
"""What is read before what: conditions can use what the tables below them give. What tables give is
known before 推算 is read."""

_NEEDED = ("依据", "词汇", "条件", "情形")
_TABLE_ZH = re.compile(r"标准\s+(?P<name>\S+)")
_TABLE_EN = re.compile(r"Table: \S.*")


def read(
    text: str,
    *,
    where: str,
    age_convention: AgeConvention = "birthday",
    calendar: Calendar | None = None,
) -> Rulebook:
    """Read a rule file and prove it sound.

    Args:
        text: The whole file.
        where: Its name, as the author knows it.
        age_convention: Whether an age is reached on the birthday or on the day after it.
        calendar: Which days are worked on; the book keeps what it counts by.

    Raises:
        RuleFileError: It cannot be used; with everything that is wrong in it.
    """
    report = Report()
    try:
        book = _read(text, where, age_convention, calendar or Calendar(), report)
    except TooManyFindingsError:
        book = None
    if book is None or report.refuses:
        raise RuleFileError(where, _without_echoes(report.findings))
    return book


def _without_echoes(findings: list[Finding]) -> tuple[Finding, ...]:
    """The findings, but on a line with a strange character those alone: the rest follows."""
    strange = {finding.at.line for finding in findings if finding.code == "E070"}
    return tuple(
        finding
        for finding in findings
        if finding.code in {"E070", "E005"} or finding.at.line not in strange
    )


def read_facts(text: str, book: Rulebook) -> Facts:
    """Read facts as a scenario gives them, e.g. ``出生日期 = 1956-03-01；户籍市 = 未知``.

    Raises:
        RuleFileError: They cannot be read; with everything that is wrong, on its only line.
    """
    report = Report()
    draft = Draft(report, terms=book.terms)
    for term in book.terms:
        draft.scope.add(term.id, term.type, term.id, term.name.zh)
    for derived in book.derived:
        draft.scope.add(derived.id, derived.type, derived.id)
    found = cases.facts(Piece(text, 1, 1), draft)
    if report.refuses:
        raise RuleFileError(book.where, tuple(report.findings))
    return found


def _read(
    text: str, where: str, age_convention: AgeConvention, calendar: Calendar, report: Report
) -> Rulebook | None:
    markdown, pieces = lines(text, report)
    root = page.read(markdown, pieces, report)
    fields.allow_only(root, report, "sections")
    tops = [part for part in root.sections if part.level == 1]
    if len(tops) != 1 or len(root.sections) != 1:
        report.add("E001.title", root.sections[-1].heading.at if tops else Position(1, 1))
        return None
    top = tops[0]
    draft = Draft(report)
    head = _head(top, report)
    found = _ordered(top, report)
    examples = _fill(draft, found)
    if report.refuses or head is None:
        return None
    matter, effective, supersedes, authority, title = head
    book = Rulebook(
        where=where,
        matter=matter,
        title=title,
        effective=effective,
        supersedes=supersedes,
        authority=authority,
        bases=draft.bases,
        terms=draft.terms,
        derived=draft.derived,
        requirements=draft.requirements,
        tables=tuple(draft.tables),
        outputs=draft.outputs,
        scenarios=examples,
        age_convention=age_convention,
    )
    if checks.counts_working_days(book):
        book = replace(book, calendar=calendar.of(effective.year - 1, effective.year))
    checks.warn(book, report)
    return replace(book, warnings=tuple(sorted(report.findings, key=lambda one: one.at)))


def _head(top: Section, report: Report) -> tuple[MatterId, date, date | None, Text, Text] | None:
    """Matter, first day, day of the release before, authority and title; None if one is wrong."""
    fields.allow_only(top, report, "items", "sections")
    title = fields.bilingual(top.heading, report)
    found = fields.keyed(top, HEAD, report, needed=("事项", "生效", "主管"))
    matter = fields.identifier(found["事项"], report) if "事项" in found else None
    effective = fields.day(found["生效"], report) if "生效" in found else None
    authority = fields.bilingual(found["主管"], report) if "主管" in found else None
    supersedes = None
    if "取代" in found and " ".join(found["取代"].text.split()) not in {"无", "none", "无 | none"}:
        supersedes = fields.day(found["取代"], report)
        if supersedes and effective and supersedes >= effective:
            report.add("E004.supersedes", found["取代"].at, day=effective.isoformat())
    if matter is None or effective is None or authority is None or title is None:
        return None
    return MatterId(matter), effective, supersedes, authority, title


def _ordered(top: Section, report: Report) -> list[tuple[str, str, Section]]:
    """The sections in the order in which they are read: Chinese word, name of a table, section."""
    order = list(_SECTIONS)
    found: list[tuple[str, str, Section]] = []
    names = set[str]()
    for part in top.sections:
        word, name = _recognise(part.heading, report)
        if not word:
            continue
        if f"{word} {name}" in names:
            report.add("E011", part.heading.at, name=f"{word} {name}".strip())
            continue
        names.add(f"{word} {name}")
        if found and order.index(found[-1][0]) > order.index(word):
            report.add("E001.order", part.heading.at, name=word, order="、".join(order))
        found.append((word, name, part))
    for needed in _NEEDED:
        if f"{needed} " not in names:
            heading = f"## {needed} | {_SECTIONS[needed]}"
            report.add("E001.missing", top.heading.at, name=needed, heading=heading)
    return sorted(found, key=lambda one: _READING.index(one[0]))


def _recognise(heading: Piece, report: Report) -> tuple[str, str]:
    """The Chinese word of a section, and the name of a table; empty if it is no section."""
    halves = heading.halves("|｜")
    zh = halves[0].text if halves else heading.text
    en = halves[1].text if halves else ""
    table = _TABLE_ZH.fullmatch(zh)
    word = "标准" if table else zh
    if word == "标准" and not table:
        report.add("E001.table", heading.at)
        return "", ""
    if word not in _SECTIONS:
        meant = report.add_unknown("E001", heading.at, zh, _SECTIONS)
        return "" if meant == "标准" else meant, ""
    if not (_TABLE_EN.fullmatch(en) if table else en == _SECTIONS[word]):
        report.add("E001.english", heading.at, heading=f"## {zh} | {_SECTIONS[word]}")
    return word, table["name"] if table else ""


def _fill(draft: Draft, found: list[tuple[str, str, Section]]) -> tuple[Scenario, ...]:
    """Read every section, each with what stands above it, and return the scenarios."""
    examples: tuple[Scenario, ...] = ()
    announced = False
    for word, name, part in found:
        if not announced and _READING.index(word) >= _READING.index("推算"):
            announced = True
            _announce(found, draft)
        before = len(draft.report.findings)
        match word:
            case "依据":
                draft.bases = tuple(sections.bases(part, draft))
            case "词汇":
                draft.terms = vocabulary.terms(part, draft.scope, draft.report)
            case "推算":
                draft.derived = vocabulary.derived(part, draft.scope, draft.report)
            case "条件":
                draft.requirements = tuple(sections.requirements(part, draft))
            case "标准":
                read = tables.table(part, name, draft)
                draft.tables.extend([read] if read else [])
            case "结果":
                draft.outputs = tuple(tables.outputs(part, draft))
            case _:
                examples = tuple(cases.scenarios(part, draft))
        if len(draft.report.findings) == before and all(grid.complete for grid in part.grids):
            draft.complete.add(word)
    checks.refuse_circles(draft.derived, draft.tables, draft.report)
    return examples


def _announce(found: list[tuple[str, str, Section]], draft: Draft) -> None:
    """What the tables give, for 推算 to use."""
    taken = {
        cell.text
        for word, _, part in found
        for grid in part.grids
        for row in grid.rows
        for heading, cell in zip(grid.header, row, strict=False)
        if word == "推算" and heading.text.split()[:1] == ["名称"]
    }
    for word, name, part in found:
        if word == "标准":
            tables.announce(part, name, taken, draft)
