"""The language: what an expression means, in Chinese and in English, and where it ends."""

import json
import re
import subprocess
import sys
import time
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from decision_service.model import (
    BooleanType,
    Concept,
    DateType,
    Known,
    NumberType,
    OptionType,
    Text,
    TextType,
    Unknown,
    Why,
)
from decision_service.rulebook import document, expression, plain
from decision_service.rulebook.cells import Column, conjunction
from decision_service.rulebook.source import LONGEST_FILE, MOST_FINDINGS, Piece, Report
from decision_service.rulebook.tokens import Scope
from decision_service.rulebook.tree import (
    All,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Finding,
    If,
    Name,
    Negative,
    Not,
    Position,
    RuleFileError,
    Some,
    VerdictKind,
    Within,
)

SOUND = (Path(__file__).parent / "rule_mistakes" / "sound.rules.md").read_text(encoding="utf-8")
CITY = OptionType(
    options={"shenzhen": Text(zh="深圳市", en="Shenzhen"), "else": Text(zh="外市", en="elsewhere")}
)


@pytest.fixture
def scope() -> Scope:
    scope = Scope()
    scope.add(Concept("applicant.age"), NumberType(unit="岁"), "applicant.age", "年龄")
    scope.add(Concept("年龄上限"), NumberType(unit="岁"), "年龄上限")
    scope.add(Concept("收入"), NumberType(unit="元", scale=2), "收入")
    scope.add(Concept("人数"), NumberType(unit="人"), "人数")
    for name in ("宽", "深", "高"):
        scope.add(Concept(name), NumberType(unit="米", scale=1), name)
    scope.add(Concept("面积"), NumberType(unit="平方米", scale=2), "面积")
    scope.add(Concept("宽限"), NumberType(unit="天"), "宽限")
    scope.add(Concept("逾期"), NumberType(unit="日"), "逾期")
    scope.add(Concept("系数"), NumberType(scale=1), "系数")
    scope.add(Concept("户籍市"), CITY, "户籍市")
    scope.add(Concept("非本市户籍"), BooleanType(), "非本市户籍")
    scope.add(Concept("本市户籍"), BooleanType(), "本市户籍")
    scope.add(Concept("出生日期"), DateType(), "出生日期")
    scope.add(Concept("备注"), TextType(), "备注")
    return scope


def parse(text: str, scope: Scope) -> Any:
    """The tree without its places, so that two ways of writing can be compared."""
    report = Report()
    found = expression.read(Piece(text, 1, 1), scope, report)
    assert report.findings == []
    return without_places(found)


def without_places(node: Any) -> Any:
    if isinstance(node, tuple):
        return tuple(without_places(one) for one in node)
    if is_dataclass(node):
        parts = ((one.name, getattr(node, one.name)) for one in fields(node) if one.name != "at")
        return (type(node).__name__, *((name, without_places(part)) for name, part in parts))
    return node


def codes(text: str, scope: Scope) -> list[tuple[int, str]]:
    report = Report()
    assert expression.read(Piece(text, 1, 1), scope, report) is None or report.findings == []
    return [(finding.at.column, finding.code) for finding in report.findings]


@pytest.mark.parametrize(
    ("chinese", "english"),
    [
        pytest.param("年龄介于80和89", "applicant.age between 80 and 89", id="between, no blanks"),
        pytest.param("年龄 属于 [80..90)", "年龄 in [80..90)", id="in a range"),
        pytest.param("年龄属于（80，90）", "年龄 in (80, 90)", id="full-width list"),
        pytest.param("年龄属于([80..90))", "年龄 in [80..90)", id="a range in brackets"),
        pytest.param("年龄属于(<80，>=90)", "年龄 in (< 80, >= 90)", id="two bounds"),
        pytest.param(
            "年龄≥80并且年龄≤89", "年龄 >= 80 and 年龄 <= 89", id="signs of one character"
        ),
        pytest.param("非本市户籍", "非本市户籍 ", id="the longest name wins"),
        pytest.param("非 本市户籍", "not 本市户籍", id="a blank makes it a negation"),
        pytest.param("户籍市＝“外市”", '户籍市 = "外市"', id="full-width quotes"),
        pytest.param("本市户籍=是 或者 否", "本市户籍 = true or false", id="truth values"),
        pytest.param(
            "如果本市户籍那么１００否则２００", "if 本市户籍 then 100 else 200", id="choice"
        ),
        pytest.param("年龄 >= 70周岁", "年龄 >= 70", id="a unit of the name"),
        pytest.param("年龄 介于 70 岁 和 79 岁", "年龄 between 70 and 79", id="blanks before it"),
        pytest.param("收入 属于 (3万元, 0.5元)", "收入 in (30000, 0.5)", id="ten thousands"),
        pytest.param("收入 > 1亿", "收入 > 100000000", id="a hundred million without a unit"),
        pytest.param("收入 * 5% > 1", "收入 * 0.05 > 1", id="percent"),
        pytest.param("宽限 > 3天 并且 逾期 > 3日", "宽限 > 3 and 逾期 > 3", id="two names of days"),
        pytest.param("加月(出生日期, 6个月)", "加月(出生日期, 6)", id="as an argument"),
        pytest.param(
            "出生日期 + 18年 > 2026年3月1日",
            '出生日期 + duration("P18Y") > 2026-03-01',
            id="years and a day",
        ),
        pytest.param(
            "2026-03-01 - 出生日期 属于 [30天..60天]",
            '2026-03-01 - 出生日期 in [duration("P30D")..duration("P60D")]',
            id="days as durations",
        ),
        pytest.param("收入×２÷２＞1", "收入 * 2 / 2 > 1", id="signs of arithmetic"),
        pytest.param("周岁(出生日期, 2026-03-01)", "age(出生日期, 2026-03-01)", id="functions"),
        pytest.param(
            "年龄上限 > 年龄", "年龄上限 > applicant.age", id="a name that begins another"
        ),
    ],
)
def test_chinese_and_english_say_the_same(chinese: str, english: str, scope: Scope) -> None:
    assert parse(chinese, scope) == parse(english, scope)


def test_or_binds_weaker_than_and_and_not_binds_tightest(scope: Scope) -> None:
    report = Report()
    text = Piece("非 本市户籍 并且 年龄 > 70 或者 收入 < 2 并且 是", 1, 1)

    found = expression.read(text, scope, report)

    assert isinstance(found, Some)
    first, second = found.items
    assert isinstance(first, All)
    assert isinstance(second, All)
    assert isinstance(first.items[0], Not)
    assert isinstance(first.items[1], Compare)


def test_arithmetic_binds_as_at_school(scope: Scope) -> None:
    assert parse("1 + 2 * 3 - 4 / 2", scope) == parse("(1 + (2 * 3)) - (4 / 2)", scope)
    assert parse("2 * 3 ** 2", scope) == parse("2 * (3 ** 2)", scope)
    assert parse("8 - 4 - 2", scope) == parse("(8 - 4) - 2", scope)


def test_every_node_knows_its_place_in_the_text_as_written(scope: Scope) -> None:
    report = Report()
    found = expression.read(
        Piece("如果 本市户籍 那么 -收入 否则 floor(收入)", 7, 20), scope, report
    )

    assert isinstance(found, If)
    assert found.at == Position(7, 20)
    assert found.condition.at == Position(7, 23)
    assert isinstance(found.then, Negative)
    assert found.then.at == Position(7, 31)
    assert isinstance(found.otherwise, Call)
    assert found.otherwise.at == Position(7, 38)


def test_a_number_takes_the_unit_and_an_option_the_code_of_what_it_is_held_against(
    scope: Scope,
) -> None:
    report = Report()
    age = expression.read(Piece("70 <= 年龄", 1, 1), scope, report)
    city = expression.read(Piece('户籍市 属于 ("外市", "深圳市")', 1, 1), scope, report)

    assert isinstance(age, Compare)
    assert age.left.type == NumberType(unit="岁")
    assert isinstance(city, Within)
    assert [one.value for one in city.tests if isinstance(one, Constant)] == ["else", "shenzhen"]


@pytest.mark.parametrize(
    ("text", "unit", "scale"),
    [
        pytest.param("收入 + 1.005", "元", 3, id="a sum has the unit, and the finer scale"),
        pytest.param("收入 * 系数", "元", 3, id="a plain number times a unit"),
        pytest.param("收入 / 收入", "", 9, id="a unit by itself is a plain number"),
        pytest.param("收入 / 4", "元", 9, id="a quotient may need every digit"),
        pytest.param("floor(收入 / 4)", "元", 0, id="rounded down to whole ones"),
        pytest.param("round_half_up(收入 / 4, 2)", "元", 2, id="rounded to cents"),
        pytest.param("max(收入, 100)", "元", 2, id="the greater of two amounts"),
        pytest.param("如果 本市户籍 那么 收入 否则 100", "元", 2, id="one of two amounts"),
        pytest.param("如果 本市户籍 那么 100 否则 收入", "元", 2, id="the other of two amounts"),
        pytest.param("concatenate([1元], [收入])[2]", "元", 2, id="of one list after another"),
        pytest.param("合计(并集([1元], [收入 / 4]))", "元", 9, id="of two lists together"),
        pytest.param("append([1元], 收入)[-1]", "元", 2, id="of a list with one more"),
        pytest.param("插入([1元], 1, 收入)[1]", "元", 2, id="of a list with one more inside"),
        pytest.param("替换([1元], 1, 收入)[1]", "元", 2, id="of a list with another one"),
        pytest.param("展开([[1元], [收入]])[2]", "元", 2, id="of lists in a list"),
        pytest.param("[[1元], [收入]][2][1]", "元", 2, id="of a list in a list"),
        pytest.param("((出生日期 - 出生日期) * 0.1).seconds", "", 9, id="a part of a second"),
        pytest.param("((出生日期 - 出生日期) * 0.1).hours", "", 0, id="whole hours"),
        pytest.param("-收入", "元", 2, id="a negative"),
        pytest.param("宽 * 深", "平方米", 2, id="a width by a depth is an area"),
        pytest.param("宽 * 深 * 高", "立方米", 3, id="an area by a height is a volume"),
        pytest.param("高 * (宽 * 深)", "立方米", 3, id="a height by an area is one too"),
        pytest.param("面积 / 宽", "米", 9, id="an area by a width is a depth"),
        pytest.param("面积 - 宽 * 深", "平方米", 2, id="an area less another"),
        pytest.param("宽限 + 逾期", "天", 0, id="days by either name"),
        pytest.param("逾期 / 宽限", "", 9, id="days by days are a plain number"),
    ],
)
def test_units_and_digits_follow_from_the_parts(
    text: str, unit: str, scale: int, scope: Scope
) -> None:
    report = Report()
    found = expression.read(Piece(text, 1, 1), scope, report)

    assert report.findings == []
    assert found is not None
    assert found.type == NumberType(unit=unit, scale=scale)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("收入 > 年龄", [(6, "E032")], id="yuan with years"),
        pytest.param("收入 + 年龄 > 1", [(6, "E032")], id="yuan plus years"),
        pytest.param("收入 * 年龄 > 1", [(4, "E032")], id="yuan times years"),
        pytest.param("1 / 年龄 > 1", [(3, "E032")], id="one by years"),
        pytest.param("面积 * 面积 > 1", [(4, "E032")], id="an area by an area"),
        pytest.param("面积 > 宽", [(6, "E032")], id="an area with a width"),
        pytest.param("宽限 > 年龄", [(6, "E032")], id="days with years"),
        pytest.param("收入 ** 2 > 1", [(4, "E032")], id="yuan squared"),
        pytest.param("收入 > 100岁", [(6, "E032")], id="a number in another unit"),
        pytest.param("收入 > 100两", [(9, "E032")], id="a unit that no name has"),
        pytest.param("收入 > 元", [(6, "E032")], id="a unit without a number"),
        pytest.param("收入 > 100元 * 2元", [(11, "E032")], id="yuan times yuan"),
        pytest.param("出生日期 + 18周岁 > 出生日期", [(1, "E033")], id="an age added to a day"),
        pytest.param("出生日期 + 1.5个月 > 出生日期", [(1, "E033")], id="half a month"),
        pytest.param("年龄 > 6个月", [(6, "E032")], id="an age in months"),
        pytest.param("收入 > 3 年龄", [(8, "E101")], id="a name after a number"),
        pytest.param("出生日期 > 2026年2月30日", [(8, "E101")], id="no such day in Chinese"),
        pytest.param('户籍市 = "北京市"', [(7, "E034")], id="an option that is not there"),
        pytest.param("户籍市 = 备注", [(7, "E031")], id="an option with a text"),
        pytest.param('户籍市 > "外市"', [(5, "E033")], id="options in order"),
        pytest.param("本市户籍 < 是", [(6, "E033")], id="truths in order"),
        pytest.param("备注 = 未知", [(6, "E036")], id="unknown"),
        pytest.param("备注 != null", [(7, "E036")], id="null"),
        pytest.param("年龄 > now()", [(6, "E060")], id="now"),
        pytest.param("出生日期 < 今天", [(8, "E060")], id="today in Chinese"),
        pytest.param("每个 备注 满足 是", [(4, "E033")], id="a quantifier over no list"),
        pytest.param("for x in 备注 return x", [(10, "E033")], id="a loop over no list"),
        pytest.param("周年龄 >= 70", [(1, "E030")], id="an unknown name"),
        pytest.param("年令并且收人", [(1, "E030"), (5, "E030")], id="two unknown names"),
        pytest.param("年纪(出生日期, 出生日期)", [(1, "E037")], id="an unknown function"),
        pytest.param("年龄 并且 收入", [(1, "E031"), (7, "E031")], id="numbers as truths"),
        pytest.param("如果 年龄 那么 1 否则 2", [(4, "E031")], id="a number as a condition"),
        pytest.param("年龄 = 1e2", [(6, "E101")], id="an exponent"),
        pytest.param("年龄 = .5", [(6, "E101")], id="half without a nought"),
        pytest.param("年龄 = 70.", [(9, "E101")], id="a point without digits"),
        pytest.param("出生日期 = 2023-02-29", [(8, "E101")], id="no such day"),
        pytest.param("年龄 >= 70 是", [(10, "E101")], id="a word too many"),
        pytest.param("(年龄 >= 70", [(10, "E101")], id="a bracket too few"),
        pytest.param("年龄 属于 [80..70]", [(8, "A202")], id="a range the wrong way round"),
        pytest.param("年龄 属于 (70..70]", [(8, "A202")], id="a range that holds nothing"),
        pytest.param("年龄 介于 [1..2] 和 3", [(8, "E033")], id="a range as the first of two"),
        pytest.param("年龄 介于 1 和 [2..3]", [(12, "E033")], id="a range as the second of two"),
        pytest.param("[1..2] 介于 1 和 2", [(2, "E033")], id="a range between"),
        pytest.param("(>= 3) 介于 1 和 2", [(5, "E033")], id="a bound between"),
        pytest.param("年龄 属于 [1..[2..3]]", [(12, "E033")], id="a range as the end of a range"),
        pytest.param("年龄 属于 (>= [1..2])", [(12, "E033")], id="at least a range"),
        pytest.param("年龄 属于 (= [1..2], 3)", [(11, "E033")], id="equal to a range"),
        pytest.param("年龄 属于 (>= (= 3), 3)", [(12, "E101")], id="at least an equality"),
        pytest.param("本市户籍 并且 [1..2]", [(10, "E033")], id="a range as a truth"),
        pytest.param("sum([1..2]) > 1", [(6, "E033")], id="the sum of a range"),
        pytest.param("min([]) = 3", [(5, "E033")], id="the least of nothing"),
        pytest.param("[][1] > 3", [(1, "E033")], id="an element of nothing"),
        pytest.param("[].城市 = 3", [(1, "E033")], id="a column of nothing"),
        pytest.param("存在 x 属于 [] 满足 x = 3", [(9, "E033")], id="some of nothing"),
        pytest.param("[[]][1] = [3]", [(2, "E033")], id="an empty list in a list"),
        pytest.param("年龄 属于 [1..min([])]", [(15, "E033")], id="nothing as the end of a range"),
        pytest.param("年龄 > 3 // 并且 本市户籍", [(8, "E101")], id="a remark at the end"),
        pytest.param("年龄 > 3／／本市户籍", [(7, "E101")], id="a remark in full width"),
        pytest.param("收入 > 3 /* 万 */ 元", [(8, "E101")], id="a remark before a unit"),
        pytest.param("年龄 /* 4 > 3", [(4, "E101")], id="a remark without an end"),
        pytest.param("-2 ** 2 = 4", [(4, "E101")], id="a power that schools read differently"),
        pytest.param("abs(收入, 收入) > 1", [(1, "E035")], id="an argument too many"),
        pytest.param("max() > 1", [(1, "E035")], id="no argument at all"),
        pytest.param("max(收入, 年龄) > 1", [(9, "E032")], id="arguments of two units"),
        pytest.param("add_years(出生日期, 年龄) > 出生日期", [(17, "E032")], id="a wrong unit"),
    ],
)
def test_what_means_nothing_is_refused_at_its_place(
    text: str, expected: list[tuple[int, str]], scope: Scope
) -> None:
    report = Report()
    expression.read(Piece(text, 1, 1), scope, report)

    assert [(finding.at.column, finding.code) for finding in report.findings] == expected


def test_what_is_wrong_below_is_not_said_again_above(scope: Scope) -> None:
    assert codes("非 (年令 > 70 并且 收入 * 年龄 > 1)", scope) == [(4, "E030"), (18, "E032")]


@pytest.mark.parametrize(
    ("cell", "passes"),
    [
        pytest.param("3", [3], id="a value"),
        pytest.param("= 3", [3], id="a value with its sign"),
        pytest.param("1, 3，5", [1, 3, 5], id="a list"),
        pytest.param("> 3", [4, 5], id="above"),
        pytest.param(">= 3", [3, 4, 5], id="at least"),
        pytest.param("< 3", [0, 1, 2], id="below"),
        pytest.param("≤ 3", [0, 1, 2, 3], id="at most"),
        pytest.param("[1..3]", [1, 2, 3], id="both ends"),
        pytest.param("[1..3)", [1, 2], id="without the last"),
        pytest.param("(1..3]", [2, 3], id="without the first"),
        pytest.param("]1..3[", [2], id="without either"),
        pytest.param("< 1, [3..4)", [0, 3], id="below or inside"),
        pytest.param("> 0, = 0", [0, 1, 2, 3, 4, 5], id="above or equal"),
        pytest.param("非(2, > 3)", [0, 1, 3], id="none of these"),
        pytest.param("[-2..0]", [0], id="from below nought"),
        pytest.param("-", [0, 1, 2, 3, 4, 5], id="any"),
        pytest.param("", [0, 1, 2, 3, 4, 5], id="empty"),
    ],
)
def test_a_cell_lets_pass_what_it_says(cell: str, passes: list[int], scope: Scope) -> None:
    age = Name(Concept("applicant.age"), NumberType(unit="岁"), Position(1, 1))
    report = Report()
    read = Column(age, "年龄").read(Piece(cell, 1, 1), scope, report)

    assert report.findings == []
    assert read is not None
    condition = conjunction([read], Position(1, 1))
    book = document.read(SOUND, where="draft.rules.md")
    assert passes == [
        value
        for value in range(6)
        if plain.evaluate(condition, {age.id: Decimal(value)}, book) is True
    ]


@pytest.mark.parametrize(
    ("cell", "at", "code"),
    [
        pytest.param(">= []", 4, "E031", id="at least a list"),
        pytest.param(">= [1..2]", 5, "E033", id="at least a range"),
        pytest.param("非(>= [1..2])", 7, "E033", id="not at least a range"),
        pytest.param("[1..[2..3]]", 6, "E033", id="a range as the end of a range"),
        pytest.param(">= (= 3)", 5, "E101", id="at least an equality"),
        pytest.param("= (!= 3)", 4, "E101", id="equal to an inequality"),
    ],
)
def test_a_cell_that_means_nothing_is_refused_at_its_place(
    cell: str, at: int, code: str, scope: Scope
) -> None:
    age = Name(Concept("applicant.age"), NumberType(unit="岁"), Position(1, 1))
    report = Report()

    assert Column(age, "年龄").read(Piece(cell, 1, 1), scope, report) is None
    assert [(finding.at.column, finding.code) for finding in report.findings] == [(at, code)]


# ── the file ─────────────────────────────────────────────────────────────────────────────────────


def refused(text: str) -> tuple[Finding, ...]:
    with pytest.raises(RuleFileError) as caught:
        document.read(text, where="draft.rules.md")
    return caught.value.findings


def test_a_scenario_begins_with_the_baseline_and_has_every_concept() -> None:
    book = document.read(SOUND, where="draft.rules.md")
    silent = next(one for one in book.scenarios if one.id == "S5")
    promise = next(one for one in book.scenarios if one.id == "S6")

    assert set(silent.facts) == {term.id for term in book.terms}
    assert silent.verdict is VerdictKind.REFER
    assert silent.facts[Concept("applicant.hired_on")] == Unknown(why=Why.UNAVAILABLE)
    assert silent.facts[Concept("applicant.education")] == Known(
        value="master", source="education_register"
    )
    assert silent.facts[Concept("applicant.rent")] == Known(value=Decimal(3000), source="declared")
    assert promise.facts[Concept("applicant.promises")] == Unknown(why=Why.NOT_ANSWERED)
    assert promise.reasons == frozenset({"R2", "R3"})


@pytest.mark.parametrize("text", [r"南\"山", r"\"；山", r"a\\\"b，(", r"\"(\"", "\\\\"])
def test_a_quote_within_a_text_does_not_end_it_in_a_scenario(text: str) -> None:
    given = SOUND.replace('；居住区 = "南山"', "")
    given = given.replace("月租金 = 3000；", f'居住区 = "{text}"；月租金 = 3000；')

    facts = document.read(given, where="draft.rules.md").scenarios[0].facts

    assert facts[Concept("applicant.district")] == Known(
        value=json.loads(f'"{text}"'), source="declared"
    )
    assert facts[Concept("applicant.rent")] == Known(value=Decimal(3000), source="declared")


def test_options_have_codes_and_labels_in_both_languages() -> None:
    book = document.read(SOUND, where="draft.rules.md")
    education = next(term for term in book.terms if term.id == "applicant.education")

    assert education.type == OptionType(
        options={
            "bachelor": Text(zh="本科", en="bachelor"),
            "master": Text(zh="硕士", en="master's"),
            "doctor": Text(zh="博士", en="doctor"),
        }
    )


def test_line_ends_and_a_byte_order_mark_of_other_editors_make_no_difference() -> None:
    book = document.read(SOUND, where="draft.rules.md")

    for text in ("\ufeff" + SOUND, SOUND.replace("\n", "\r\n"), SOUND.replace("\n", "\r")):
        assert document.read(text, where="draft.rules.md") == book


@pytest.mark.parametrize("blank", ["", "  ", "　", "　　　　", " 　"])
@pytest.mark.parametrize("before", ["- 事项", "## 词汇", "## 条件", "\n基准"])
def test_a_line_of_blanks_is_empty_whatever_blanks_they_are(blank: str, before: str) -> None:
    book = document.read(SOUND.replace(before, f"\n{before}", 1), where="draft.rules.md")

    text = SOUND.replace(before, f"{blank}\n{before}", 1)

    assert document.read(text, where="draft.rules.md") == book


def test_lines_may_be_indented_by_a_full_width_blank() -> None:
    text = re.sub(r"(?m)^(?=[#|>基])|^(?=- )", "　", SOUND)

    book = document.read(text, where="draft.rules.md")

    assert without_places(book) == without_places(document.read(SOUND, where="draft.rules.md"))


def test_the_age_convention_of_the_matter_is_kept_in_the_book() -> None:
    book = document.read(SOUND, where="draft.rules.md", age_convention="day_after")

    assert book.age_convention == "day_after"


def test_an_error_says_where_to_look_first() -> None:
    with pytest.raises(RuleFileError) as caught:
        document.read(SOUND.replace("工作月数 >= 6", "工作月数 == 6"), where="draft.rules.md")

    assert str(caught.value) == "draft.rules.md:43:20: E101 `==` cannot be read"


# ── limits ───────────────────────────────────────────────────────────────────────────────────────

ROW = '| 1 | "本科" | [6..24) | 500.00 | 12 |\n'


def requiring(condition: str) -> str:
    return SOUND.replace("工作月数 >= 6", condition)


@pytest.mark.parametrize(
    ("text", "code", "en"),
    [
        pytest.param(
            "字" * (LONGEST_FILE // 3 + 1), "E005", "the file is too large", id="too many bytes"
        ),
        pytest.param("\n" * 20_000, "E005", "the file is too large", id="too many lines"),
        pytest.param(
            SOUND.replace(ROW, ROW * 1001), "E005", "the table has 1004 rows", id="too many rows"
        ),
        pytest.param(
            requiring("是" + " 并且 是" * 1000), "E005", "the expression is too long", id="too long"
        ),
        pytest.param(
            requiring("(" * 65 + "是" + ")" * 65), "E005", "nested too deep", id="65 brackets"
        ),
        pytest.param(
            requiring("非 " * 1000 + "是"), "E005", "nested too deep", id="1000 times not"
        ),
        pytest.param(
            requiring("1" + " + 1" * 900 + " > 0"), "E005", "nested too deep", id="a long sum"
        ),
        pytest.param(
            requiring("如果 是 那么 是 否则 " * 200 + "是"), "E005", "nested too deep", id="choices"
        ),
        pytest.param("- " * 200_000, "E001", "must have one title", id="nested lists"),
        pytest.param("> " * 200_000, "E001", "must have one title", id="nested quotes"),
        pytest.param("|a|b|\n|-|-|\n" + "|x|y|\n" * 19_000, "E001", "one title", id="a long table"),
        pytest.param("# a | b\n" + "- x\n" * 19_000, "E003", "there is no", id="many items"),
        pytest.param("\u200b" * 300_000, "E005", "more than 100 findings", id="invisible ones"),
    ],
)
def test_a_hostile_file_is_refused_in_bounded_time(text: str, code: str, en: str) -> None:
    begun = time.process_time()
    found = refused(text)

    assert time.process_time() - begun < 10
    assert len(found) <= MOST_FINDINGS + 1
    assert any(one.code == code and en in one.message.en for one in found)


def test_hostile_files_take_no_memory_worth_mentioning() -> None:
    """Ten megabytes, and what is nested, endless or invisible; in a process of its own."""
    reading = """
import resource, sys
from decision_service.rulebook import document
from decision_service.rulebook.tree import RuleFileError

def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

sound = sys.stdin.read()
texts = [
    "(" * 10_000_000, "字" * 3_400_000, "- " * 500_000, "> " * 500_000, "\u202e\\n" * 15_000,
    "|a|b|\\n|-|-|\\n" + "|x|y|\\n" * 19_000, "# a | b\\n" + "#### x\\n" * 19_000,
    sound.replace("工作月数 >= 6", "[" * 900_000), sound.replace("= 1500", "= " + "[" * 900_000),
    sound.replace("月租金 = 1500", "；".join(["月租金 = 1"] * 60_000)),
]
begun = peak_mib()
for text in texts:
    try:
        document.read(text, where="hostile")
    except RuleFileError:
        pass
    else:
        sys.exit("read")
print(peak_mib() - begun)
"""
    run = [sys.executable, "-c", reading]
    done = subprocess.run(run, input=SOUND, capture_output=True, text=True, check=True, timeout=120)

    assert int(done.stdout) < 100


def test_what_is_nested_as_deep_as_allowed_is_read() -> None:
    book = document.read(requiring("(" * 60 + "是" + ")" * 60), where="draft.rules.md")

    assert isinstance(book.requirements[0].expression, Constant)


def test_a_wide_table_of_many_segments_is_proven_in_bounded_time() -> None:
    """A thousand rows of ranges that all differ: half a million pairs are compared."""
    rows = "".join(
        f'| {n} | "本科" | [{n * 2}..{n * 2 + 1}), [{n * 2 + 5000}..{n * 2 + 5001}) | 1.00 | 1 |\n'
        for n in range(1000)
    )
    start, end = SOUND.index(ROW), SOUND.index("\n## 结果")
    begun = time.process_time()

    book = document.read(SOUND[:start] + rows + SOUND[end:], where="draft.rules.md")

    assert len(book.tables[0].rows) == 1000
    assert time.process_time() - begun < 20


def test_the_names_that_an_expression_reads_are_found(scope: Scope) -> None:
    report = Report()
    found = expression.read(Piece("收入 / 2 属于 [1..收入]", 1, 1), scope, report)

    assert isinstance(found, Within)
    assert isinstance(found.item, Arithmetic)
    assert isinstance(found.item.left, Name)
