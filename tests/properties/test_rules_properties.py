"""The rule language for any text at all: it is read or refused, and what it proves is true."""

import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from decision_service.cli import explanation
from decision_service.model import (
    BooleanType,
    Concept,
    DateType,
    NumberType,
    OptionType,
    Text,
    TextType,
    Value,
)
from decision_service.rulebook import document, expression, page, plain, source
from decision_service.rulebook.cells import Cell, Column, conjunction
from decision_service.rulebook.checks import refuse_overlap
from decision_service.rulebook.formatting import formatted
from decision_service.rulebook.functions import FUNCTIONS
from decision_service.rulebook.source import Piece, Report
from decision_service.rulebook.tokens import Scope
from decision_service.rulebook.tree import Name, Position, Rulebook, RuleFileError
from tests.unit.test_rules_lists import LARGE, ROW, SMALL, status, text_of

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "tests" / "unit" / "rule_mistakes"
SOUND = (FOLDER / "sound.rules.md").read_text(encoding="utf-8")
BOOK = document.read(SOUND, where="draft.rules.md")
LINES = SOUND.split("\n")


def read_or_refused(text: str) -> Rulebook | None:
    """The book, or None after findings that all have their words; nothing else may happen."""
    try:
        return document.read(text, where="draft.rules.md")
    except RuleFileError as error:
        findings = error.findings
    assert findings
    lines = re.split("\r\n|\r|\n", text.removeprefix("\ufeff"))
    for finding in findings:
        assert 1 <= finding.at.line <= len(lines)
        assert 1 <= finding.at.column <= len(lines[finding.at.line - 1]) + 1
        assert finding.message.zh
        assert finding.hint.en
    return None


# ── any text ─────────────────────────────────────────────────────────────────────────────────────

words = st.sampled_from(
    [
        *"()[],、+-*/=<“是否非和", "**", "!=", ">=", "==", "..", "并且", "或者", "属于", "介于",
        "如果", "那么", "否则", "未知", "满月数", "年龄", "工作月数", "月收入", "有房", "学历",
        '"本科"', "70", "0.5", "2026-02-29",
    ]
)  # fmt: skip


@given(text=st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    """A text that is no rule file is refused with findings; nothing crashes."""
    assert read_or_refused(text) is None


@settings(max_examples=150)
@given(data=st.data())
def test_any_spoilt_rule_file_is_read_or_refused(data: st.DataObject) -> None:
    """Lines lost, moved, doubled, or written over: never a crash."""
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["lose", "double", "move", "cut", "insert"])):
            case "lose":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "move":
                lines.insert(data.draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case "cut":
                lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
            case _:
                place = data.draw(st.integers(0, len(lines[at])))
                some = data.draw(st.text(max_size=5) | words)
                lines[at] = lines[at][:place] + some + lines[at][place:]
    read_or_refused("\n".join(lines))


@given(parts=st.lists(words, max_size=12))
def test_any_words_are_an_expression_or_refused_with_a_finding(parts: list[str]) -> None:
    """An expression is either typed and sound, or there is a finding; never both, never neither."""
    scope, report = Scope(), Report()
    for term in (*BOOK.terms, *BOOK.derived):
        scope.add(term.id, term.type, term.id, term.name.zh)

    found = expression.read(Piece(" ".join(parts), 1, 1), scope, report)

    refused = [finding for finding in report.findings if finding.code != "A202"]
    assert (found is None) == bool([f for f in refused if f.code != "E039"])


def _joined(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    """The parts with blanks in between."""
    each = [st.just(part) if isinstance(part, str) else part for part in parts]
    return st.tuples(*each).map(" ".join)


def _larger(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """What the grammar makes of smaller expressions and ranges, whatever their types."""
    compared = st.sampled_from(["=", "!=", "<", ">="])
    return st.one_of(
        _joined("(", part, ")"),
        _joined("[", part, ",", part, "]"),
        _joined(st.sampled_from("[(]"), part, "..", part, st.sampled_from("])[")),
        _joined("(", compared, part, ")"),
        _joined(part, compared | st.sampled_from([*"+-*/", "**", "并且", "或者"]), part),
        _joined(st.sampled_from(["非", "-"]), part),
        _joined(part, "介于", part, "和", part),
        _joined(part, "属于", part),
        _joined(part, "属于 (", part, ",", compared, part, ")"),
        _joined(part, "[", part, "]"),
        _joined(part, ".", st.sampled_from(["year", "start", "城市"])),
        _joined("如果", part, "那么", part, "否则", part),
        _joined("( 存在 x 属于", part, "满足", part, ")"),
        _joined("( 逐个 x 属于", part, "得出", part, ")"),
        _joined(st.sampled_from(["count", "min", "contains", "满月数"]), "(", part, ",", part, ")"),
    )


expressions = st.recursive(
    st.sampled_from(
        [
            "工作月数", "入职日", "有房", "学历", "居住区", "x", "item", "6", "0.5元", "6个月",
            "是", '"本科"', '""', "2026-01-01", "[]", "[1..2]", '时长("30天")',
        ]
    ),
    _larger,
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(text=expressions)
def test_any_expression_is_typed_or_refused_at_a_place_of_its_own(text: str) -> None:
    scope, report = Scope(), Report()
    for term in (*BOOK.terms, *BOOK.derived):
        scope.add(term.id, term.type, term.id, term.name.zh)

    found = expression.read(Piece(text, 1, 1), scope, report)

    refused = [one for one in report.findings if one.code not in {"A202", "E039"}]
    assert (found is None) == bool(refused)
    assert all(1 <= one.at.column <= len(text) + 1 for one in report.findings)


@settings(max_examples=200, deadline=None)
@given(cell=_joined(st.sampled_from(["", "=", ">=", "!="]), expressions) | _larger(expressions))
def test_any_cell_is_read_or_refused(cell: str) -> None:
    scope = Scope()
    for term in (*BOOK.terms, *BOOK.derived):
        scope.add(term.id, term.type, term.id, term.name.zh)
    for item, provable in product(INPUTS, [True, False]):
        report = Report()
        read = Column(item, item.id).read(Piece(cell, 1, 1), scope, report, provable=provable)
        assert read is not None or report.refuses


# ── the published files, spoilt ──────────────────────────────────────────────────────────────────

PUBLISHED = [
    re.findall(r'"[^"\n]*"|\w+|\s+|.', file.read_text(encoding="utf-8"), re.DOTALL)
    for file in sorted((ROOT / "rules").glob("*/*.rules.md"))
]
"""By their words, blanks and signs."""

strange = st.sampled_from(
    [
        *"\u200b\u202e\ufffd\t\r\0\u3000⽼а｜é𠀀\\\"'`#{}|：；", "//", "/*", "\n", "\n\n",
        "[]", "[1..2]", "    ", "(>= 3)", "存在", "逐个", ".year", "1e9", "9" * 40, "2026-02-30",
        "首个", "列表",
        "(" * 100, "[" * 3000, "非 " * 500, "如果 " * 80, "- " * 200, "> " * 200, "| " * 300,
    ]
)  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_a_spoilt_published_file_is_refused_or_can_be_dressed_and_explained(
    data: st.DataObject,
) -> None:
    """Words lost, doubled, exchanged, or strange ones put between them: never a crash."""
    parts = list(data.draw(st.sampled_from(PUBLISHED)))
    places = st.integers(0, len(parts) - 1)
    for _ in range(data.draw(st.integers(1, 3))):
        at, other = data.draw(places), data.draw(places)
        match data.draw(st.sampled_from(["lose", "double", "exchange", "put", "put"])):
            case "lose":
                parts[at] = ""
            case "double":
                parts[at] *= 2
            case "exchange":
                parts[at], parts[other] = parts[other], parts[at]
            case _:
                parts[at] = data.draw(strange) + parts[at]
    text = "".join(parts)

    book = read_or_refused(text)

    try:
        dressed = formatted(text, where="draft.rules.md")
    except RuleFileError:
        assert book is None
    else:
        assert formatted(dressed, where="draft.rules.md") == dressed
    if book is not None:
        assert without_places(document.read(dressed, where=book.where)) == without_places(book)
        explanation.shown(explanation.explain(book, book.scenarios[0].facts))


# ── the same file in another dress ───────────────────────────────────────────────────────────────


def without_places(node: Any) -> Any:
    if isinstance(node, tuple):
        return tuple(without_places(one) for one in node)
    if is_dataclass(node):
        parts = ((one.name, getattr(node, one.name)) for one in fields(node) if one.name != "at")
        return (type(node).__name__, *((name, without_places(part)) for name, part in parts))
    return node


@settings(max_examples=30)
@given(data=st.data())
def test_blank_lines_remarks_and_blanks_in_tables_make_no_difference(data: st.DataObject) -> None:
    """The book is the law that the file says, not how its author spaced it."""
    lines = []
    for line in LINES:
        if line.startswith("|"):
            pad = " " * data.draw(st.integers(0, 3))
            lines.append("|" + line[1:].replace("|", f"{pad}|{pad}"))
        elif line.startswith("#"):
            lines += [""] * data.draw(st.integers(0, 2))
            lines += [line, *data.draw(st.sampled_from([[], ["", "> 说明 remark", ""]]))]
        else:
            lines.append(line)

    book = read_or_refused("\n".join(lines))

    assert book is not None
    assert without_places(book) == without_places(BOOK)


def blocks(text: str) -> tuple[list[page._Block] | None, list[page._Block]]:
    """The blocks of a page by its lines alone, if they say, and by the Markdown parser."""
    markdown, lines = source.lines(text, Report())

    def without_blanks(block: page._Block) -> page._Block:
        last = max(n for n in range(block.first, block.end) if lines[n].text.strip())
        return block._replace(end=last + 1)

    return page._plain_blocks(lines), list(map(without_blanks, page._parsed_blocks(markdown)))


def test_sound_files_are_pages_whose_lines_say_what_they_are() -> None:
    for file in (ROOT / "rules").glob("*/*.rules.md"):
        by_lines, by_parser = blocks(file.read_text(encoding="utf-8"))

        assert by_lines == by_parser


plain_lines = st.sampled_from(
    ["", "", "  ", "# 甲 | A", "- 甲：乙 | L", "甲", "> 甲", "| a | b |", "|---|---|", "| a |"]
)
other_lines = st.sampled_from(
    [
        "###丙", "####### 丁", "# ", "- 依据", "-甲", "-     甲", "- - -", "---", "- ```", "* 甲",
        "|", "1. 甲", "  甲", "    甲", "甲 | 乙", "A", ">", ">> - 甲", "> ```", "| a | b | c |",
        "|--|", "||", "| :-: | - |", r"| a \| b |", "--|--", "```", "~~~", "<div>", "<!-- 甲",
        "[甲]: 乙", "===", "\t甲", "基准 baseline：甲 = 1", "_甲_", "\u3000甲", "| 甲 |\u3000",
    ]
)  # fmt: skip


def test_a_page_whose_lines_say_what_they_are_is_markdown_of_that_shape() -> None:
    """Reading line by line, which is quick, never differs from what Markdown says."""
    any_lines = plain_lines | plain_lines | other_lines
    said = 0

    @settings(max_examples=400, deadline=None)
    @given(st.lists(plain_lines, max_size=5) | st.lists(any_lines, max_size=5))
    def every_page(page_lines: list[str]) -> None:
        nonlocal said
        by_lines, by_parser = blocks("\n".join(page_lines))
        said += bool(by_lines)
        assert by_lines is None or by_lines == by_parser

    every_page()

    assert said >= 20


# ── the proof that rows exclude each other ───────────────────────────────────────────────────────

OPTION = OptionType(options={code: Text(zh=f"项{code}", en=code) for code in "abc"})
INPUTS = (
    Name(Concept("n"), NumberType(scale=1), Position(1, 1)),
    Name(Concept("d"), DateType(), Position(1, 1)),
    Name(Concept("o"), OPTION, Position(1, 1)),
    Name(Concept("b"), BooleanType(), Position(1, 1)),
    Name(Concept("t"), TextType(), Position(1, 1)),
)
DAYS = [date(2024, 2, day) for day in range(27, 30)] + [date(2024, 3, day) for day in range(1, 4)]
VALUES: dict[str, Sequence[Value]] = {
    "n": [Decimal(n).scaleb(-1) for n in range(-12, 13)],
    "d": DAYS,
    "o": list(OPTION.options),
    "b": [True, False],
    "t": ["甲", "乙", "丙"],
}


def constants(kind: str) -> st.SearchStrategy[str]:
    match kind:
        case "number":
            return st.integers(-10, 10).map(lambda n: format(Decimal(n).scaleb(-1), "f"))
        case "date":
            return st.sampled_from(DAYS[1:-1]).map(date.isoformat)
        case "option":
            return st.sampled_from(["“项a”", '"项b"', '"项c"'])
        case "boolean":
            return st.sampled_from(["是", "否", "true"])
        case _:
            return st.sampled_from(['"甲"', '"乙"'])


@st.composite
def cells(draw: st.DrawFn, kind: str) -> str:
    """A cell as policy staff could write it."""
    ordered = kind in {"number", "date"}
    value = constants(kind)

    def test() -> str:
        match draw(st.sampled_from(["value", "bound", "range"] if ordered else ["value"])):
            case "bound":
                return draw(st.sampled_from(["<", "<=", ">", ">=", "= "])) + draw(value)
            case "range":
                left, right = draw(st.sampled_from("[(")), draw(st.sampled_from("])"))
                return f"{left}{draw(value)}..{draw(value)}{right}"
            case _:
                return draw(value)

    match draw(st.sampled_from(["any", "one", "one", "several", "none of"])):
        case "any":
            return draw(st.sampled_from(["", "-"]))
        case "one":
            return test()
        case "several":
            return "，".join(test() for _ in range(draw(st.integers(2, 3))))
        case _:
            return f"非({', '.join(test() for _ in range(draw(st.integers(1, 2))))})"


def read_table(
    names: Sequence[Name], texts: Sequence[Sequence[str]]
) -> tuple[list[Column], list[tuple[Piece, list[Cell]]]]:
    columns = [Column(name, name.id) for name in names]
    report, rows = Report(), []
    for number, row in enumerate(texts, start=1):
        read = [
            column.read(Piece(text, number, 1), Scope(), report)
            for column, text in zip(columns, row, strict=True)
        ]
        assert all(cell is not None for cell in read), report.findings
        rows.append((Piece(str(number), number, 1), [cell for cell in read if cell is not None]))
    return columns, rows


@settings(max_examples=200)
@given(data=st.data())
def test_rows_are_proven_disjoint_if_and_only_if_no_value_satisfies_both(
    data: st.DataObject,
) -> None:
    """The proof over sets agrees with trying every value in the interpreter (UNIQUE)."""
    names = data.draw(
        st.lists(st.sampled_from(INPUTS), min_size=1, max_size=2, unique_by=lambda name: name.id)
    )
    texts = [
        [data.draw(cells(name.type.kind)) for name in names]
        for _ in range(data.draw(st.integers(2, 4)))
    ]
    columns, rows = read_table(names, texts)
    report = Report()

    refuse_overlap(columns, rows, report)

    assert {finding.at.line for finding in report.findings} == _overlapping_later_rows(names, rows)
    assert {finding.code for finding in report.findings} <= {"A201"}


def _overlapping_later_rows(
    names: Sequence[Name], rows: Sequence[tuple[Piece, Sequence[Cell]]]
) -> set[int]:
    """By force: every combination of values, every row."""
    combinations: list[dict[Concept, Value]] = [{}]
    for name in names:
        combinations = [
            {**known, name.id: value} for known in combinations for value in VALUES[name.id]
        ]
    conditions = [conjunction(cells, Position(1, 1)) for _, cells in rows]
    found = set[int]()
    for values in combinations:
        true = [
            index
            for index, condition in enumerate(conditions, start=1)
            if plain.evaluate(condition, values, BOOK) is True
        ]
        found.update(true[1:])
    return found


@settings(max_examples=100)
@given(data=st.data())
def test_the_example_of_an_overlap_satisfies_both_rows(data: st.DataObject) -> None:
    """The values shown to the author are ones where both rows apply, not near ones."""
    name = data.draw(st.sampled_from(INPUTS[:3]))
    texts = [[data.draw(cells(name.type.kind))] for _ in range(2)]
    columns, rows = read_table([name], texts)
    report = Report()

    refuse_overlap(columns, rows, report)

    for finding in report.findings:
        example = finding.message.en.partition(f"{name.id} = ")[2]
        value = expression.read_constant(Piece(example, 1, 1), name.type, Report())
        assert value is not None
        for _, row in rows:
            condition = conjunction(row, Position(1, 1))
            assert plain.evaluate(condition, {name.id: value}, BOOK) is True


# ── whatever condition is written ────────────────────────────────────────────────────────────────

_ATOMS = st.sampled_from(
    [
        "[]", "未知", "[[], [1]]", "[1..2]", "> 5", "0", "-1", "0.5", "10**30", "10**-40", "是",
        "月租金", "申请日", "居住区", "房产", "房产.面积", "房产.登记日", "房产.城市", "房产[1]",
        "房产[面积 > 1]", '"深圳市"', '时长("1天")', '时长("P1Y")', "2020-01-01", "[申请日]",
    ]
)  # fmt: skip
_CALLED = st.sampled_from(sorted({one.zh for one in FUNCTIONS.values()}))
_PARTS = st.sampled_from(["year", "days", "months", "weekday", "hours", "面积", "登记日"])


def _built(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner),
        st.builds("({})".format, inner),
        st.builds("-{}".format, inner),
        st.builds("{}.{}".format, inner, _PARTS),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("{}[本项 > {}]".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{}({})".format, _CALLED, st.lists(inner, min_size=1, max_size=3).map(", ".join)),
        st.builds("如果 {} > {} 那么 {} 否则 {}".format, inner, inner, inner, inner),
        st.builds("逐个 甲 属于 {} 得出 {}".format, inner, inner | st.just("甲.面积")),
    )


_VALUES = st.recursive(_ATOMS, _built, max_leaves=6)
_SIMPLE = st.one_of(
    st.builds("{} {} {}".format, _VALUES, st.sampled_from(["=", "!=", "<", ">="]), _VALUES),
    st.builds("{} 属于 [{} .. {}]".format, _VALUES, _VALUES, _VALUES),
    st.builds("{} 属于 ({}, > {})".format, _VALUES, _VALUES, _VALUES),
    st.builds("{} 介于 {} 和 {}".format, _VALUES, _VALUES, _VALUES),
    st.builds("{} 甲 属于 {} 满足 甲.面积 > 1".format, st.sampled_from(["存在", "每个"]), _VALUES),
)
_EITHER = st.builds("{} 或者 {}".format, _SIMPLE, _SIMPLE)
_CONDITIONS = _SIMPLE | _EITHER | st.builds("非({})".format, _SIMPLE)
_FLATS = st.sampled_from([f"[{SMALL}, {LARGE}]", "[]", "未知", f"[{SMALL}, ()]"])


@settings(max_examples=600, deadline=None)
@given(condition=_CONDITIONS, flats=_FLATS)
def test_whatever_condition_is_written_is_refused_or_means_the_same_to_all(
    condition: str, flats: str
) -> None:
    """Also what nobody would write on purpose."""
    read = read_or_refused(text_of(condition, flats, ROW))

    if read is not None:
        status(read)
