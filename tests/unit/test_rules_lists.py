"""Lists, durations and the hit policies in a rule file, by all three evaluators."""

import json
import time
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from decision_service.cli.rules import app
from decision_service.model import Concept, Known, Unknown, Why
from decision_service.rulebook import document, engine, interpret, scenarios
from decision_service.rulebook.engine import Engine
from decision_service.rulebook.evaluate import Reference
from decision_service.rulebook.expression import MOST_LOOPS
from decision_service.rulebook.tree import Rulebook, RuleFileError

SOUND = (Path(__file__).parent / "rule_mistakes" / "sound.rules.md").read_text(encoding="utf-8")
DISTRICT = "| applicant.district | 居住区 | district | 文本 | | | 申报 declared |\n"
FLATS = (
    "| applicant.flats | 房产 | flats | 列表 | "
    "城市 city（选项 “深圳市” shenzhen，“外市” elsewhere）；"
    "面积 area “floor area”（数 平方米，2 位小数）；登记日 since（日期） | | property_register |\n"
)
SMALL = '(城市 = "外市"，面积 = 60.00，登记日 = 2020-02-29)'
LARGE = "（城市＝“深圳市”，面积＝120.00，登记日＝2024-03-01）"


def book(condition: str, flats: str, rows: str) -> Rulebook:
    return document.read(text_of(condition, flats, rows), where="draft.rules.md")


def text_of(condition: str, flats: str, rows: str) -> str:
    """The sound file with a list in its vocabulary, and one scenario with these flats."""
    start, end = SOUND.index("### R2"), SOUND.index("### R3")
    second = SOUND[start:end].replace(
        SOUND[SOUND.index("非 有房") : SOUND.index("\n- 不符合 if not met：转人工")], condition
    )
    text = SOUND[:start] + second + SOUND[end:]
    text = text.replace(DISTRICT, DISTRICT + FLATS)
    text = text.replace("有房 = 否；", f"有房 = 否；房产 = {flats}；")
    return text[: text.index("| S1 |")] + rows


def status(found: Rulebook) -> str:
    """What became of R2 at the baseline, by every evaluator alike."""
    facts = found.scenarios[0].facts
    with closing(Engine(found)) as inferred:
        plain = interpret.verdict(found, facts)
        assert inferred.verdict(facts) == plain == Reference(found).verdict(facts)
    return dict(plain.statuses)["R2"].value


LOST = Unknown(why=Why.UNAVAILABLE)
ROW = "| S1 | 基准 | baseline | | 批准 | | | | |\n"


@pytest.mark.parametrize(
    ("condition", "flats", "expected"),
    [
        pytest.param("存在 房产 满足 面积 > 90", f"[{SMALL}，{LARGE}]", "met", id="one of two"),
        pytest.param("每个房产满足面积>90", f"[{SMALL}，{LARGE}]", "not_met", id="not all"),
        pytest.param("每个 房产 满足 面积 > 90", "[]", "met", id="all of none"),
        pytest.param("存在 房产 满足 面积 > 90", "[]", "not_met", id="one of none"),
        pytest.param("存在 房产 满足 面积 > 90", "未知", "unknown", id="an unknown list"),
        pytest.param("count(房产) = 2", f"[{SMALL}，（面积 = 未知）]", "met", id="counted unknown"),
        pytest.param("存在 房产 满足 面积 > 90", f"[{LARGE}, (面积 = 未知)]", "met", id="settled"),
        pytest.param("存在 房产 满足 面积 > 90", f"[{SMALL}, ()]", "unknown", id="an open cell"),
        pytest.param("每个 房产 满足 面积 > 90", f"[{SMALL}, ()]", "not_met", id="settled by one"),
        pytest.param("count(房产[面积 > 90]) = 1", f"[{SMALL}, {LARGE}]", "met", id="a filter"),
        pytest.param("计数(房产[面积 > 90]) = 1", f"[{LARGE}, ()]", "unknown", id="an open filter"),
        pytest.param("合计(房产.面积) = 180", f"[{SMALL}, {LARGE}]", "met", id="a sum"),
        pytest.param("sum(房产.area) > 1", f"[{SMALL}, ()]", "unknown", id="an open sum"),
        pytest.param(
            "合计(逐个 房产 得出 面积 * 2) = 360平方米", f"[{SMALL}, {LARGE}]", "met", id="each"
        ),
        pytest.param(
            "合计(逐个 房产 得出 面积 * 2) = 240平方米", f"[{LARGE}, ()]", "unknown", id="one open"
        ),
        pytest.param(
            "count(for x in 房产, y in 房产 return x.area + y.area) = 4",
            f"[{SMALL}, ()]", "met", id="each pair",
        ),
        pytest.param("合计(逐个 房产 得出 面积) = 0", "[]", "met", id="each of none"),
        pytest.param("合计(逐个 房产 得出 面积) = 0", "未知", "unknown", id="each of the unknown"),
        pytest.param("房产[1].面积 = 60", f"[{SMALL}, {LARGE}]", "met", id="the first"),
        pytest.param("房产[-1].城市 = “深圳市”", f"[{SMALL}, {LARGE}]", "met", id="the last"),
        pytest.param("房产[3].面积 = 60", f"[{SMALL}]", "unknown", id="beyond the last"),
        pytest.param('"深圳市" 属于 房产.城市', f"[{SMALL}, {LARGE}]", "met", id="in a column"),
        pytest.param('"深圳市" 属于 房产.city', "[]", "not_met", id="in an empty column"),
        pytest.param(
            "some x in 房产, y in 房产 satisfies x.city != y.city and y.面积 > x.area",
            f"[{SMALL}, {LARGE}]", "met", id="two of them",
        ),
        pytest.param(
            '存在 甲 属于 房产 满足 甲.登记日 + 时长("4年") < 申请日',
            f"[{SMALL}]", "met", id="a duration",
        ),
        pytest.param(
            '每个 房产[城市 = "外市"] 满足 (申请日 - 登记日).days > 365',
            f"[{SMALL}]", "met", id="days",
        ),
        pytest.param("max(房产.登记日) = 2024-03-01", f"[{SMALL}, {LARGE}]", "met", id="latest"),
        pytest.param('申请日 - duration("P1Y") < 申请日', "[]", "met", id="a duration alone"),
        pytest.param("房产.登记日.year[1] = 2020", f"[{SMALL}, {LARGE}]", "met", id="of days"),
        pytest.param("max(房产.登记日.year) = 2024", f"[{SMALL}, {LARGE}]", "met", id="the latest"),
        pytest.param("max(房产.登记日.year) = 2020", f"[{SMALL}, ()]", "unknown", id="an open one"),
        pytest.param("申请日.year = 2025 并且 申请日.weekday = 6", "[]", "met", id="parts"),
        pytest.param("string length(居住区) = 2", "[]", "met", id="a text"),
        pytest.param('居住区 属于 ["南山", "福田"]', "[]", "met", id="a list written out"),
    ],
)  # fmt: skip
def test_lists_and_durations_mean_what_they_say(condition: str, flats: str, expected: str) -> None:
    assert status(book(condition, flats, ROW)) == expected


def test_a_column_is_found_by_either_name_and_before_an_outer_one() -> None:
    read = book("存在 房产 满足 城市 = “外市” 并且 city != “深圳市”", "[]", ROW)
    flat = {"city": "elsewhere", "area": Decimal(60), "since": date(2020, 2, 29)}

    found = document.read_facts(f"房产 = [{SMALL}]", read)

    assert found[Concept("applicant.flats")] == Known(value=(flat,), source="property_register")


@pytest.mark.parametrize(
    ("condition", "column", "en"),
    [
        pytest.param("房产 = 房产", 0, "", id="a list equals itself"),
        pytest.param("存在 房产 满足 面积 > 年", 29, "`年`", id="a name inside"),
        pytest.param("存在 房产 满足 面积 > 月租金", 29, "the units differ", id="units inside"),
        pytest.param("面积 > 90", 15, "`面积` is neither", id="a column outside"),
        pytest.param("房产.房号 = “1”", 18, "a record has no `房号`", id="no such column"),
        pytest.param("存在 房产 满足 面积", 24, "number (平方米)", id="no truth"),
        pytest.param("abs([]) > 1", 19, "wants a number or duration", id="a number of no list"),
        pytest.param("sum(房产) > 1", 19, "wants a list of numbers", id="a sum of records"),
        pytest.param("合计(房产.城市) > 1", 18, "wants a list of numbers", id="a sum of options"),
        pytest.param("[1, “a”][1] = 1", 19, "do not go together", id="a mixed list"),
        pytest.param("申请日 + 时长(“1天”) > 时长(“1天”)", 32, "do not go together", id="a day"),
        pytest.param("月租金 + 时长(“1天”) > 1", 21, "cannot be calculated", id="yuan and days"),
        pytest.param("合计(逐个 房产 得出 城市) > 1", 18, "list of numbers", id="no numbers"),
        pytest.param(
            "合计(逐个 房产 得出 面积) > 月租金", 33, "units differ", id="each in its unit"
        ),
        pytest.param("房产.登记日.year > 2020", 29, "and list", id="no number but many"),
        pytest.param("月租金[1] > 1", 15, "a list is wanted", id="an element of a number"),
    ],
)
def test_what_a_list_does_not_allow_is_found_at_its_place(
    condition: str, column: int, en: str
) -> None:
    if not en:
        assert status(book(condition, f"[{SMALL}]", ROW)) == "met"
        return
    with pytest.raises(RuleFileError) as caught:
        book(condition, "[]", ROW)

    first = caught.value.findings[0]
    assert (first.at.column, en in first.message.en) == (column, True), first


@pytest.mark.parametrize(
    "condition",
    [
        "月租金 介于 [1..2] 和 3",
        "月租金 介于 (> 5) 和 3",
        "[1..2] 介于 1 和 3",
        "月租金 属于 [(1..2)..3]",
        "月租金 属于 (> [1..2], 3)",
        "月租金 属于 (>= [], 3)",
        "月租金 属于 [[] .. 3]",
        "[].year > 1",
        "[][1].面积 > 1",
        "每个 甲 属于 [] 满足 甲.面积 > 1",
    ],
)
def test_a_range_or_an_empty_list_that_is_no_value_there_is_found(condition: str) -> None:
    with pytest.raises(RuleFileError) as caught:
        book(condition, "[]", ROW)

    assert caught.value.findings[0].at.line > 1


@pytest.mark.parametrize("cell", [">= []", "[[]..3]", "> [1..2]", "[(1..2)..3]"])
def test_a_cell_that_is_held_against_no_value_is_found(cell: str) -> None:
    with pytest.raises(RuleFileError):
        with_table("首个 | first", f"- | {cell} | 10.00 | 24 |")


def test_a_cell_of_an_empty_list_lets_nothing_pass() -> None:
    read = with_table("首个 | first", "- | [] | 10.00 | 24 |", ANYBODY.replace("10.00", "20.00"))

    assert value(read, read.scenarios[0].facts) == ("2", "20.00")


@pytest.mark.parametrize(
    ("condition", "length", "expected"),
    [
        pytest.param(
            "存在 甲 属于 房产, 乙 属于 房产 满足 甲.面积 > 乙.面积", 300, "met", id="pairs"
        ),
        pytest.param(
            "存在 甲 属于 房产, 乙 属于 房产, 丙 属于 房产 满足 甲.面积 = 乙.面积 + 丙.面积",
            47, "unknown", id="too many threes",
        ),
        pytest.param(
            "存在 甲 属于 房产, 乙 属于 房产, 丙 属于 房产 满足 甲.面积 = 乙.面积 + 丙.面积",
            46, "not_met", id="as many threes as there may be",
        ),
        pytest.param("计数(房产[计数(房产[面积 > 0]) > 0]) > 0", 320, "unknown", id="filters"),
        pytest.param(
            "合计(逐个 甲 属于 房产 得出 计数(房产[面积 > 甲.面积])) > 0", 320, "unknown", id="each"
        ),
        pytest.param("计数(房产[面积 > 0][面积 > 0]) > 0", 1_000, "met", id="one after the other"),
    ],
)  # fmt: skip
def test_loops_in_each_other_end_in_time_or_are_unknown(
    condition: str, length: int, expected: str
) -> None:
    flats = ", ".join(f"(面积 = {1 if n % 2 else 3}.00)" for n in range(length))
    began = time.process_time()

    assert status(book(condition, f"[{flats}]", ROW)) == expected
    assert time.process_time() - began < 20


def loops(count: int) -> str:
    """So many kinds of loops in each other."""
    inside = "面积 > 90"
    for index in range(count - 1):
        inside = (
            f"存在 房产 满足 ({inside})",
            f"count(房产[{inside}]) > 0",
            f"任一为是(逐个 甲{index} 属于 房产 得出 {inside})",
        )[index % 3]
    return f"some x in 房产 satisfies ({inside})"


def test_as_many_loops_in_each_other_as_allowed_are_worked_out() -> None:
    assert status(book(loops(MOST_LOOPS), f"[{LARGE}]", ROW)) == "met"


@pytest.mark.parametrize(
    ("condition", "column"),
    [
        pytest.param(loops(MOST_LOOPS + 1), 0, id="of all kinds"),
        pytest.param(
            f"some {', '.join(f'x{n} in 房产' for n in range(30))} satisfies x1.面积 > 90",
            15, id="in one",
        ),
    ],
)  # fmt: skip
def test_more_loops_in_each_other_are_refused_at_their_place(condition: str, column: int) -> None:
    """Python has no more than 20 blocks in each other."""
    with pytest.raises(RuleFileError) as caught:
        book(condition, "[]", ROW)

    first = caught.value.findings[0]
    assert first.code == "E005"
    assert f"the most is {MOST_LOOPS}" in first.message.en
    assert (first.at.line, first.at.column) == (
        53,
        column or 15 + condition.index("存在 房产 满足 (面积"),
    )


# ── hit policies ─────────────────────────────────────────────────────────────────────────────────

TABLE = SOUND[SOUND.index("- 命中 hit policy") : SOUND.index("\n## 结果")]


def with_table(policy: str, *rows: str) -> Rulebook:
    header = (
        f"- 命中 hit policy：{policy}\n"
        "- 输出 output：基数（元，2 位小数）；上限月数（月，0 位小数）\n\n"
        "| 行 | 学历 | 工作月数 | → 基数 | → 上限月数 |\n|--|--|--|--|--|\n"
    )
    body = "".join(f"| {number} | {row}\n" for number, row in enumerate(rows, start=1))
    text = SOUND.replace(TABLE, header + body)
    text = text[: text.index("| S1 |")] + ROW
    return document.read(text, where="draft.rules.md")


MASTER = '"硕士" | >= 6 | 100.00 | 12 |'
ANYBODY = "- | - | 10.00 | 24 |"
NOBODY = '"博士" | - | 1.00 | 36 |'
EARLY = "- | < 6 | 1000.00 | 48 |"


@pytest.mark.parametrize(
    ("policy", "rows", "known", "unknown"),
    [
        pytest.param("首个", (NOBODY, MASTER, ANYBODY), ("2", "100.00"), ("", "未知"), id="F"),
        pytest.param("首个", (ANYBODY, MASTER), ("1", "10.00"), ("1", "10.00"), id="F before it"),
        pytest.param("first", (NOBODY, EARLY), ("", "未知"), ("", "未知"), id="F of none"),
        pytest.param(
            "收集 合计 | collect sum",
            (MASTER, ANYBODY, EARLY), ("1, 2", "110.00"), ("", "未知"), id="C+",
        ),
        pytest.param("收集 合计", (NOBODY,), ("", "0"), ("", "0"), id="C+ of none"),
        pytest.param("收集 最小", (MASTER, ANYBODY), ("1, 2", "10.00"), ("", "未知"), id="C<"),
        pytest.param("collect max", (MASTER, ANYBODY), ("1, 2", "100.00"), ("", "未知"), id="C>"),
        pytest.param("收集 最大", (NOBODY,), ("", "未知"), ("", "未知"), id="C> of none"),
        pytest.param("收集 计数", (MASTER, ANYBODY, NOBODY), ("1, 2", "2"), ("", "未知"), id="C#"),
        pytest.param("唯一", (MASTER, NOBODY), ("1", "100.00"), ("", "未知"), id="U"),
    ],
)  # fmt: skip
def test_rows_count_as_the_policy_says(
    policy: str, rows: tuple[str, ...], known: tuple[str, str], unknown: tuple[str, str]
) -> None:
    """Known: a master with 13 months; unknown: nobody says since when."""
    read = with_table(policy, *rows)
    facts = dict(read.scenarios[0].facts)
    without = {key: fact for key, fact in facts.items() if key != Concept("applicant.hired_on")}

    assert value(read, facts) == known
    assert value(read, without) == unknown


def value(read: Rulebook, facts: Any) -> tuple[str, str]:
    """The rows that apply and the first column, by all evaluators."""
    reference = Reference(read)
    plain = interpret.verdict(read, facts)
    with closing(Engine(read)) as inferred:
        assert inferred.verdict(facts) == plain == reference.verdict(facts)
    first = reference.values(facts)[Concept("基数")]
    return plain.rows[0][1], scenarios.written(first)


def test_cells_of_a_table_that_is_not_unique_may_hold_names() -> None:
    read = with_table(
        "首个 | first", "- | >= 上限 | 1.00 | 1 |".replace("上限", "工作月数"), ANYBODY
    )

    assert value(read, read.scenarios[0].facts) == ("1", "1.00")


def test_derived_values_and_tables_use_each_other_in_any_order_that_has_a_beginning() -> None:
    """A table reads a derived value that reads the table below it, which reads another one."""
    derived = "| 首月 | first month | 日期 | | 加月(申请日, 1) |\n"
    table = (
        "## 标准 加发 | Table: extra\n\n- 依据 basis：L2\n- 命中 hit policy：首个 | first\n"
        "- 输出 output：加发额（元，2 位小数）\n\n"
        "| 行 | 全年 | → 加发额 |\n|--|--|--|\n| 1 | >= 9600元 | 100元 |\n| 2 | - | 0 |\n\n"
    )
    text = SOUND.replace(derived, derived + "| 全年 | a year | 数 | 元，2 位小数 | 基数 * 12 |\n")
    text = text.replace("## 标准 补贴标准", table + "## 标准 补贴标准")
    text = text.replace("工作月数 >= 6\n", "工作月数 >= 6个月 并且 加发额 <= 全年\n")
    read = document.read(text, where="draft.rules.md")
    facts = dict(read.scenarios[0].facts)
    reference = Reference(read)

    with closing(Engine(read)) as inferred:
        for known in (facts, {**facts, Concept("applicant.education"): LOST}):
            plain = interpret.verdict(read, known)
            assert inferred.verdict(known) == plain == reference.verdict(known)
        assert [one.passed for one in scenarios.run(read, inferred.verdict)] == [True] * 6

    values = reference.values(facts)
    assert [values[Concept(name)] for name in ("基数", "全年", "加发额")] == [800, 9600, 100]
    assert dict(plain.statuses)["R1"].value == "unknown"
    assert plain.rows == (("加发", ""), ("补贴标准", ""))


# ── large files ──────────────────────────────────────────────────────────────────────────────────


def test_a_hundred_requirements_and_a_hundred_rows_fit_the_engine() -> None:
    """They are split over shards and strata without the author's doing; all three agree."""
    start, end = SOUND.index("### R3"), SOUND.index("## 标准")
    third = SOUND[start:end]
    many = "".join(
        third.replace("### R3", f"### R{n}").replace("居住区 != ", f"月租金 != {n} 并且 居住区 != ")
        for n in range(3, 101)
    )
    rows = [f'"硕士" | [{n}..{n + 1}) | {n}.00 | {n} |' for n in range(100)]
    for policy in ("唯一", "首个", "收集 合计"):
        text = SOUND[:start] + many + with_rows(policy, rows)
        read = document.read(text, where="draft.rules.md")

        assert engine.limits(read) == ()
        assert len(read.requirements) == 100
        assert value(read, read.scenarios[0].facts) == ("14", "13.00")


def with_rows(policy: str, rows: list[str]) -> str:
    read = SOUND[SOUND.index("## 标准") :]
    header = TABLE[: TABLE.index("| 1 |")].replace("唯一 | unique", policy)
    body = "".join(f"| {number} | {row}\n" for number, row in enumerate(rows, start=1))
    read = read.replace(TABLE, header + body)
    return read[: read.index("| S1 |")] + ROW


def test_what_takes_too_many_engine_rules_is_refused() -> None:
    rows = [f'"硕士" | [{n}..{n + 1}) | {n}.00 | {n} |' for n in range(1000)]
    wide = [row.replace('"硕士"', '非("硕士", "本科", "博士")') for row in rows]
    read = document.read(SOUND[: SOUND.index("## 标准")] + with_rows("首个", wide), where="draft")

    (found,) = engine.limits(read)

    assert found.code == "E080"
    assert found.message.en == "file is too large: it takes 6012 engine rules of at most 4000"
    assert found.hint.en == "Have fewer rows or columns in its tables, or split it into matters."


def test_explain_takes_a_list_from_json_and_says_how_long_it_is(tmp_path: Path) -> None:
    rules, facts = tmp_path / "draft.rules.md", tmp_path / "facts.json"
    rules.write_text(text_of("count(房产[面积 > 90]) = 1", "[]", ROW), encoding="utf-8")
    flats = [{"城市": "shenzhen", "area": 120}, {"面积": "60.00", "登记日": None}]
    facts.write_text(json.dumps({"房产": flats}), encoding="utf-8")

    arguments = ["explain", str(rules), "--scenario", "S1", "--facts", str(facts)]
    shown = CliRunner().invoke(app, arguments).output

    assert "R2 无房且收入不高 | No home, and no high income: 符合 | met" in shown
    assert "房产 = 2 项 | 2 entries" in shown
