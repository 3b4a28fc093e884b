"""What is proven of a rule file before anybody may be decided by it."""

from collections.abc import Iterator, Sequence
from datetime import date

from decision_service.model import DECLARED, SERVICE, Concept, NumberType, Range, Text
from decision_service.rulebook.agreement import digits
from decision_service.rulebook.cells import Cell, Column
from decision_service.rulebook.functions import BY_CALENDAR
from decision_service.rulebook.source import Piece, Report
from decision_service.rulebook.tree import (
    Call,
    Consequence,
    Derived,
    Expression,
    Output,
    Position,
    Requirement,
    RestsOnItselfError,
    Rulebook,
    Table,
    Term,
    calls,
    mentions,
    steps,
)


def refuse_overlap(
    columns: Sequence[Column],
    rows: Sequence[tuple[Piece, Sequence[Cell]]],
    report: Report,
) -> None:
    """Report rows of a UNIQUE table that could both apply, each with values where they do.

    A row that overlaps several is reported once, against the first of them.

    Args:
        rows: Number of each row, and its cells in the order of the columns.
    """
    segments, masks = [], []
    for index, column in enumerate(columns):
        falls_into, passed = column.masks([cells[index] for _, cells in rows])
        segments.append(falls_into)
        masks.append(passed)
    by_row = list(zip(*masks, strict=True)) if columns else [()] * len(rows)
    for later, (number, _) in enumerate(rows):
        for earlier in range(later):
            both = [one & other for one, other in zip(by_row[earlier], by_row[later], strict=True)]
            if all(both):
                example = [
                    f"{column.name} = {column.example(parts[(bits & -bits).bit_length() - 1])}"
                    for column, parts, bits in zip(columns, segments, both, strict=True)
                ]
                report.add(
                    "A201",
                    number.at,
                    first=rows[earlier][0].text,
                    second=number.text,
                    example="；".join(example) or "—",
                )
                break


def refuse_loose_digits(output: Output, report: Report) -> None:
    """Report an output that is not to be rounded, but can have more digits than it may show."""
    if output.rounding == "exact" and isinstance(output.type, NumberType):
        most = digits(output.expression)
        if most is None or most > output.type.scale:
            report.add("E039.rounding", output.expression.at, scale=str(output.type.scale))


def refuse_circles(derived: Sequence[Derived], tables: Sequence[Table], report: Report) -> None:
    """Report a derived value or a table that rests on itself, through whatever is between."""
    try:
        steps(derived, tables)
    except RestsOnItselfError as error:
        report.add(
            "E052",
            error.step.at,
            name=str(error),
        )


def refuse_uncurable(
    requirement: Requirement,
    at: Position,
    terms: Sequence[Term],
    between: tuple[Sequence[Derived], Sequence[Table]],
    report: Report,
) -> None:
    """Report 请补正 for an unknown that the applicant cannot cure: one that a register owes.

    Args:
        between: What the requirement may rest on that rests on terms itself.
    """
    if requirement.if_unknown is not Consequence.CORRECT:
        return
    by_id = {term.id: term for term in terms}
    for concept in sorted(_concepts(requirement.expression, *between)):
        term = by_id.get(concept)
        if term is not None and term.source not in {DECLARED, SERVICE}:
            report.add("E044", at, name=term.name.zh, source=term.source)


def counts_working_days(book: Rulebook) -> bool:
    """Whether anything in a file hangs on which days are worked on."""
    return any(True for _ in _by_calendar(book))


def _by_calendar(book: Rulebook) -> Iterator[Call]:
    for expression in _expressions(book):
        yield from (call for call in calls(expression) if call.function in BY_CALENDAR)


def warn(book: Rulebook, report: Report) -> None:
    """Report what is doubtful: names that nothing uses, ranges and calendars that end too early."""
    used = {name.id for expression in _expressions(book) for name in mentions(expression)}
    quoted = {
        part
        for requirement in book.requirements
        for notice in requirement.notices.values()
        for part in placeholders(notice)
    }
    named: tuple[Term | Derived, ...] = (*book.terms, *book.derived)
    for one in named:
        if one.id not in used and one.name.zh not in quoted:
            report.add("W050", one.at, name=one.name.zh)
    year = book.effective.year
    for call in _by_calendar(book):
        if year not in book.calendar.years:
            report.add("W053", call.at, year=str(year))
    for term in book.terms:
        match term.range:
            case Range(high=date() as last) if last < book.effective:
                report.add("W052", term.at, name=term.name.zh, day=last.isoformat())
            case _:
                pass


def placeholders(notice: Text) -> Iterator[str]:
    """The names in braces of a notice, in both languages."""
    for text in (notice.zh, notice.en):
        for part in text.split("{")[1:]:
            yield part.partition("}")[0]


def _concepts(
    expression: Expression, derived: Sequence[Derived], tables: Sequence[Table]
) -> set[Concept]:
    """What an expression rests on in the end, through all derived values and tables."""
    within: dict[Concept, list[Expression]] = {one.id: [one.expression] for one in derived}
    for table in tables:
        conditions = [row.condition for row in table.rows]
        within |= {column.id: conditions for column in table.columns}
    found, open_ = set[Concept](), [expression]
    while open_:
        for name in mentions(open_.pop()):
            if name.id not in found:
                found.add(name.id)
                open_ += within.get(name.id, [])
    return found - set(within)


def _expressions(book: Rulebook) -> Iterator[Expression]:
    yield from (derived.expression for derived in book.derived)
    yield from (requirement.expression for requirement in book.requirements)
    yield from (row.condition for table in book.tables for row in table.rows)
    yield from (output.expression for output in book.outputs)
