"""A rule file in its usual dress says what it said before, and is left alone the second time."""

import shutil
import time
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from decision_service.cli.rules import app
from decision_service.release import read_meanings
from decision_service.rulebook import document
from decision_service.rulebook.formatting import formatted
from decision_service.rulebook.tree import RuleFileError

REPOSITORY = Path(__file__).parents[2]
SOUND = (Path(__file__).parent / "rule_mistakes" / "sound.rules.md").read_text(encoding="utf-8")
FULL_WIDTH = str.maketrans("()[],<>=+*/", "（）［］，＜＞＝＋＊／")
FILING = "| filing_date | 申请日 | day of filing | 日期 | | | 服务 service |"
CONCEPTS = """
[a.city]
zh = "户籍市"
en = "city"
type = "option"
options = { shenzhen = { zh = "深圳市", en = "Shenzhen"}, far_away = { zh = "外", en = "far away"} }
source = "population_register"

[a.area]
zh = "面积"
en = "area"
type = "number"
unit = "平方米"
scale = 2
range = [0, 500]
source = "declared"

[a.ok]
zh = "承诺"
en = "promise"
type = "boolean"
source = "declared"

[a.flats]
zh = "房产"
en = "flats"
type = "list"
source = "property_register"

[a.flats.columns.city]
zh = "城市"
en = "city"
type = "option"
options = { shenzhen = { zh = "深圳市", en = "Shenzhen"}, far_away = { zh = "外", en = "far away"} }

[a.flats.columns.area]
zh = "面积"
en = "floor area"
type = "number"
unit = "平方米"
scale = 2
"""


def without_places(node: Any) -> Any:
    if isinstance(node, tuple):
        return tuple(without_places(one) for one in node)
    if is_dataclass(node):
        parts = ((one.name, getattr(node, one.name)) for one in fields(node) if one.name != "at")
        return (type(node).__name__, *((name, without_places(part)) for name, part in parts))
    return node


def read(text: str) -> Any:
    return without_places(document.read(text, where="draft.rules.md"))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_a_file_says_does_not_change_and_twice_is_once(data: st.DataObject) -> None:
    """Whatever blanks and full-width signs its author used."""
    lines = []
    for written in SOUND.split("\n"):
        line = written
        pad = " " * data.draw(st.integers(0, 2))
        if written.startswith("|") and not written.startswith("|-"):
            line = "|" + line[1:].replace("|", f"{pad}|{pad}")
        elif line.startswith("- 条件") and data.draw(st.booleans()):
            head, _, condition = line.partition("：")
            colon = data.draw(st.sampled_from("：:"))
            line = f"{head}{colon}{condition.translate(FULL_WIDTH)}{pad}"
        lines.append(line)
    text = "\n".join(lines)

    dressed = formatted(text, where="draft.rules.md")

    assert read(dressed) == read(SOUND)
    assert formatted(dressed, where="draft.rules.md") == dressed
    assert dressed == formatted(SOUND, where="draft.rules.md")


TEXTS = st.text('""“”＂\\\\＼，,()（）[]|｜ ≥甲a　*', max_size=8)
PLACES = (
    ('居住区 != ""', "居住区 ≠ {}　并且 居住区！= “，”"),
    ("| 如果 人均租金 < 1000", "| 如果 居住区 = {} 或者 人均租金＜1000"),
    ("已工作 {{工作月数}}。", "已工作{}｜"),
    ("| 第三条 |", "| {} |"),
    ("### R2 无房且收入不高 |", "### R2 {}｜"),
)
"""Where a text in quotes may stand, or words that nobody puts in quotes."""


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), quotes=st.sampled_from(['""', "“”", "＂＂"]), inside=TEXTS)
def test_no_text_is_changed_whatever_stands_in_it(
    place: tuple[str, str], quotes: str, inside: str
) -> None:
    """Also one with quotes, bars and backslashes in it; what is no sound file need not stay."""
    found, put = (part.format(f"{quotes[0]}{inside}{quotes[1]}") for part in place)
    assert found in SOUND
    text = SOUND.replace(found, put, 1)
    try:
        said = read(text)
    except RuleFileError:
        return

    dressed = formatted(text, where="draft.rules.md")

    assert read(dressed) == said
    assert formatted(dressed, where="draft.rules.md") == dressed


@settings(max_examples=150, deadline=None)
@given(
    quotes=st.sampled_from(['""', "“”"]),
    label=st.text('甲a1 　，,、；|｜\\n＼u(（{}"“＂', min_size=1, max_size=5),
)
def test_every_label_that_is_accepted_is_that_of_its_option(quotes: str, label: str) -> None:
    """Wherever it is used, also after formatting; one that could not be used is refused at once."""
    defined = SOUND.replace('"博士" doctor', f"{quotes[0]}{label}{quotes[1]} doctor")
    text = defined.replace('"博士"', f'"{label}"')
    at = defined[: defined.index(" doctor")].count("\n") + 1
    refused_at: set[int] = set()
    try:
        said = read(text)
    except RuleFileError as refusal:
        refused_at = {one.at.line for one in refusal.findings}
    if refused_at:
        assert at in refused_at, "only where it is used"
        return

    dressed = formatted(text, where="draft.rules.md")
    assert read(dressed) == said
    assert formatted(dressed, where="draft.rules.md") == dressed


@pytest.mark.parametrize(
    ("found", "put"),
    [
        pytest.param("已工作 {", "已工作" + " " * 200_000 + "{", id="blanks in a notice"),
        pytest.param("租房补贴 |", "租房" + " " * 200_000 + "补贴 |", id="blanks in the title"),
        pytest.param("工作月数 >= 6", '"' + '\\"' * 100_000, id="a text that does not end"),
        pytest.param("[6..24)", '"' * 200_001, id="quotes in a cell"),
    ],
)
def test_a_hostile_file_is_dressed_in_bounded_time(found: str, put: str) -> None:
    begun = time.process_time()

    formatted(SOUND.replace(found, put, 1), where="draft.rules.md")

    assert time.process_time() - begun < 5


def test_tables_are_aligned_by_what_a_terminal_shows_and_signs_are_half_width() -> None:
    text = SOUND.replace("工作月数 >= 6", "工作月数　≥６")
    text = text.replace("居住区 != ", "居住区≠“，”并且居住区 != ")

    dressed = formatted(text, where="draft.rules.md")

    assert "- 条件 requires：工作月数 >=6\n" in dressed
    assert '居住区!="，"并且居住区 != ""' in dressed
    assert "\n".join(dressed.split("\n")[32:37]) == (
        "| 名称     | English             | 类型 | 单位         | 算法                    |\n"
        "|----------|---------------------|------|--------------|-------------------------|\n"
        "| 工作月数 | full months at work | 数   | 月，0 位小数 | 满月数(入职日, 申请日)  |\n"
        "| 人均租金 | rent a head         | 数   | 元，2 位小数 | 四舍五入(月租金 / 2, 2) |\n"
        "| 首月     | first month         | 日期 |              | 加月(申请日, 1)         |"
    )


def test_a_row_that_has_nothing_but_an_id_is_filled_in() -> None:
    meanings = read_meanings(CONCEPTS, where="concepts.toml")
    rows = "".join(f"| {id_} | | | | | | |\n" for id_ in (*meanings, "a.unknown"))
    text = SOUND.replace("| filing_date |", f"{rows}| filing_date |")

    dressed = formatted(text, where="draft.rules.md", meanings=meanings).split("\n")

    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in dressed]
    by_id = {row[0]: row[1:] for row in cells if len(row) == 7}
    options = '"深圳市" shenzhen "Shenzhen"，"外" far_away'
    columns = f'城市 city（选项 {options}）；面积 area "floor area"（数 平方米，2 位小数）'
    assert by_id["a.city"] == ["户籍市", "city", "选项", options, "", "population_register"]
    assert by_id["a.area"] == [
        "面积",
        "area",
        "数",
        "平方米，2 位小数",
        "[0..500]",
        "申报 declared",
    ]
    assert by_id["a.flats"] == ["房产", "flats", "列表", columns, "", "property_register"]
    assert by_id["a.ok"] == ["承诺", "promise", "是否", "", "", "申报 declared"]
    assert by_id["a.unknown"] == [""] * 6


def test_a_file_whose_shape_cannot_be_read_is_left_alone() -> None:
    with pytest.raises(RuleFileError) as caught:
        formatted(SOUND.replace("| L1 | ", "| L1 "), where="draft.rules.md")

    assert caught.value.findings[0].code == "E003"


def test_the_command_writes_checks_and_leaves_what_is_published(tmp_path: Path) -> None:
    for folder in ("rules", "matters"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    published = tmp_path / "rules" / "library_card" / "2020-01-01.rules.md"
    draft = tmp_path / "rules" / "library_card" / "2027-01-01.rules.md"
    before = published.read_text(encoding="utf-8")
    assert FILING in before
    draft.write_text(before.replace(FILING, "| filing_date | | | | | | |"), encoding="utf-8")
    run = CliRunner().invoke

    assert run(app, ["fmt", "--check", str(draft)]).exit_code == 1
    assert run(app, ["fmt", str(tmp_path / "rules" / "library_card")]).exit_code == 0
    assert run(app, ["fmt", "--check", str(draft)]).exit_code == 0
    assert published.read_text(encoding="utf-8") == before
    terms = document.read(draft.read_text(encoding="utf-8"), where="draft.rules.md").terms
    assert terms[0].name.zh == "申请日"
