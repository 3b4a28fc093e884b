"""One expression on its own: values in, value out, for people who never saw the tree."""

import json
import time
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from decision_service.cli.rules import app
from decision_service.rulebook import (
    DaysAndTime,
    ExpressionError,
    Span,
    Unknown,
    YearsAndMonths,
    evaluate_expression,
)

DAY = date(2026, 3, 1)
A_DAY = DaysAndTime(Decimal(86_400))
TO_TEN = Span(Decimal(1), Decimal(10), low_included=True, high_included=False)
FLATS = [{"面积": Decimal(60), "city": "深圳市"}, {"面积": Decimal(120), "city": None}]


@pytest.mark.parametrize(
    ("text", "context", "expected"),
    [
        pytest.param("年龄介于80和89", {"年龄": 83}, True, id="Chinese without blanks"),
        pytest.param("age between 80 and 89", {"age": 83}, True, id="English"),
        pytest.param("0.1 + 0.2 = 0.3", {}, True, id="exact decimals"),
        pytest.param("Monthly Income * 12", {"Monthly Income": 100}, Decimal(1200), id="blanks"),
        pytest.param("a and b", {"a": False, "b": Unknown}, False, id="false and unknown"),
        pytest.param("a and b", {"a": True, "b": None}, Unknown, id="None is unknown"),
        pytest.param("if a then 1 else 2", {"a": Unknown}, Unknown, id="an unknown condition"),
        pytest.param("a = null", {"a": 1}, Unknown, id="nothing equals null"),
        pytest.param("count(房产[面积 > 90])", {"房产": FLATS}, Decimal(1), id="a filter"),
        pytest.param("房产.city", {"房产": FLATS}, ("深圳市", Unknown), id="a column with a gap"),
        pytest.param("存在 x 属于 房产 满足 x.面积 > 90", {"房产": FLATS}, True, id="some"),
        pytest.param("每个 房产 满足 city = “深圳市”", {"房产": FLATS}, Unknown, id="every"),
        pytest.param("d + 时长(“1个月”)", {"d": date(2026, 1, 31)}, date(2026, 2, 28), id="a day"),
        pytest.param("duration(“P1Y”) * 1.5", {}, YearsAndMonths(18), id="months"),
        pytest.param("a - b", {"a": DAY, "b": date(2026, 2, 28)}, A_DAY, id="days"),
        pytest.param("[1..10)", {}, TO_TEN, id="a range"),
        pytest.param("5 in r", {"r": TO_TEN}, True, id="in a range that is given"),
        pytest.param('10 * "a"', {}, Unknown, id="what does not go together"),
        pytest.param("1 / 0", {}, Unknown, id="by nought"),
        pytest.param("周岁(b, d)", {"b": date(1956, 3, 1), "d": DAY}, Decimal(70), id="age"),
        pytest.param("for i in (1..3] return i", {}, (2, 3), id="through a range"),
        pytest.param("for i in [2..1] return i", {}, Unknown, id="a range the wrong way round"),
        pytest.param('for i in ["a".."c"] return i', {}, Unknown, id="a range of texts"),
        pytest.param("for i in 3..1 return i * 2", {}, (6, 4, 2), id="down"),
        pytest.param("for x in [[1], [2, 3]], y in x return y", {}, (1, 2, 3), id="lists in lists"),
        pytest.param("for i in 0..4 return if i = 0 then 1 else i * partial[-1]", {},
                     (1, 1, 2, 6, 24), id="what was found so far"),
        pytest.param("逐个 房产 得出 面积 * 2", {"房产": FLATS}, (120, 240), id="each"),
        pytest.param("count(for i in 1..10000 return i)", {}, Decimal(10_000), id="many"),
        pytest.param("for i in 1..100 return count(for j in [1..100] return j)",
                     {}, (Decimal(100),) * 100, id="as many within others"),
        pytest.param("for i in 1..101 return count(for j in 1..100 return j)",
                     {}, (Unknown,) * 101, id="too many within others"),
        pytest.param("for i in 1..10001 return i", {}, Unknown, id="too many"),
        pytest.param("for i in 1..999, j in 1..999 return i", {}, Unknown, id="pairs too many"),
        pytest.param("a +\n  b // a remark\n", {"a": 1, "b": 2}, Decimal(3), id="two lines"),
    ],
)  # fmt: skip
def test_an_expression_comes_to(text: str, context: Any, expected: Any) -> None:
    found = evaluate_expression(text, context)

    assert (type(found), found) == (type(expected), expected)


def test_filters_of_filters_are_worked_out_once_each() -> None:
    begun = time.process_time()

    found = evaluate_expression("count(房产" + "[面积 > 90]" * 50 + ")", {"房产": FLATS})

    assert found == 1
    assert time.process_time() - begun < 5


def test_the_age_convention_can_be_chosen() -> None:
    context = {"b": date(1956, 3, 1), "d": date(2026, 3, 1)}

    assert evaluate_expression("age(b, d)", context, age_convention="day_after") == 69


@pytest.mark.parametrize(
    ("text", "at", "en", "hint"),
    [
        pytest.param("1 +", (1, 4), "the expression ends too early", "Add the name", id="end"),
        pytest.param("年令 > 70", (1, 1), "`年令` is neither", "`年龄`?", id="a misspelt name"),
        pytest.param("年龄 >\n 70 并且 (年令 > 1", (2, 9), "`年令` is", "`年龄`?", id="line 2"),
        pytest.param("strin_length(“a”)", (1, 1), "no function", "`string_length`?", id="function"),
        pytest.param("today()", (1, 1), "`today` is not allowed", "filing date", id="a clock"),
        pytest.param("max() > 1", (1, 1), "wants 1 values", "commas", id="no argument"),
        pytest.param("1 == 1", (1, 3), "`==` cannot be read", "one `=`", id="two signs"),
        pytest.param("年龄 > 70周岁", (1, 8), "has no units", "the number alone", id="a unit"),
        pytest.param("", (1, 1), "nothing stands here", "Write an expression", id="nothing"),
        pytest.param("(" * 70 + "1" + ")" * 70, (1, 1), "nested too deep", "推算", id="deep"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(
    text: str, at: tuple[int, int], en: str, hint: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate_expression(text, {"年龄": 80})

    first = caught.value.findings[0]
    assert (first.at.line, first.at.column) == at
    assert en in first.message.en
    assert hint in first.hint.en
    assert str(caught.value).startswith(f"{at[0]}:{at[1]}: {first.code} {first.message.en}. ")


@pytest.mark.parametrize("value", [1.5, datetime(2026, 3, 1), object(), {1}])  # noqa: DTZ001
def test_no_expression_is_about_a_float_or_an_instant(value: Any) -> None:
    with pytest.raises(TypeError, match="no expression can be about"):
        evaluate_expression("a", {"a": value})


# ── on the command line ──────────────────────────────────────────────────────────────────────────


def answers(*asked: Any) -> tuple[list[Any], int]:
    lines = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in asked)
    done = CliRunner().invoke(app, ["eval", "--jsonl"], input=lines + "\n\n")
    return [json.loads(line, parse_float=str) for line in done.output.splitlines()], done.exit_code


def test_lines_of_json_come_out_as_lines_of_json() -> None:
    found, status = answers(
        {"expression": "count(房产[面积 > 90]) = 0", "context": {"房产": [{"面积": 60}]}},
        {"expression": "a + 0.10", "context": {"a": {"number": "1.20"}}},
        {"expression": "d + m", "context": {"d": {"date": "2026-01-31"}, "m": {"duration": "P1M"}}},
        {"expression": "d - d", "context": {"d": {"date": "2026-01-31"}}},
        {"expression": "[a, [1..2]]", "context": {"a": None}},
        {"expression": '"你" + "好"'},
    )

    assert status == 0
    assert [one["value"] for one in found] == [
        True, "1.30", {"date": "2026-02-28"}, {"duration": "PT0S"},
        [None, {"range": "[1..2]"}], "你好",
    ]  # fmt: skip


def test_a_line_that_is_wrong_says_so_and_the_rest_goes_on() -> None:
    found, status = answers(
        {"expression": "年令 > 70", "context": {"年龄": 80}}, "nonsense", "[1]",
        {"expression": "d", "context": {"d": {"duration": "soon"}}},
        {"expression": "d", "context": {"d": {"date": "2026-02-30"}}},
        {"expression": "1 + 1"},
    )  # fmt: skip

    assert status == 1
    assert found[0]["error"].startswith("1:1: E030 `年令` is neither in the vocabulary")
    assert found[0]["findings"][0]["hint"] == {
        "zh": "您是否要写“年龄”？",
        "en": "Did you mean `年龄`?",
    }
    assert all(one["error"] and one["findings"] == [] for one in found[1:5])
    assert found[5] == {"value": 2}


def test_one_expression_is_worked_out_where_it_stands() -> None:
    run = CliRunner().invoke

    assert run(app, ["eval", "2 ** 10"]).output == '{"value": 1024}\n'
    assert run(app, ["eval"]).exit_code == 2
    assert run(app, ["eval", "1", "--jsonl"]).exit_code == 2
