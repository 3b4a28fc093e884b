"""What staff read of a data file that is wrong: where, what and what to do, in both languages."""

import inspect
import re
from datetime import date, time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from tomllib import _parser
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, field_validator

from decision_service import datafile
from decision_service.datafile import DataFile, UnfitFileError, WrongValueError
from decision_service.matter import read_matter
from decision_service.model import Frozen, OptionType
from decision_service.release import read_meanings

ROOT = Path(__file__).parents[2]
MATTER = (ROOT / "matters/old_age_allowance/2019-10-01/matter.toml").read_text("utf-8")
CONCEPTS = (ROOT / "matters/concepts.toml").read_text("utf-8")


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Leg(Frozen):
    length: int


class Animal(Frozen):
    """A shape with every kind of value that a file can have."""

    name: str = Field(min_length=2, max_length=5)
    tag: str = Field(default="", pattern=r"^[a-z]*$")
    wild: bool = False
    age: int = Field(default=1, ge=0, le=99)
    weight: float = Field(default=1, gt=0, lt=9)
    price: Decimal = Decimal(1)
    born: date = date(2020, 1, 1)
    fed: time = time(8)
    colour: Annotated[Colour, Field(strict=False)] = Colour.RED
    size: Literal["small", "large"] = "small"
    friends: list[str] = Field(default_factory=list, max_length=2)
    legs: list[Leg] = Field(default_factory=list)
    home: Leg | None = None
    kinds: OptionType | None = None
    either: bool | date = False
    even: int = 0

    @field_validator("even")
    @classmethod
    def _is_even(cls, even: int) -> int:
        if even % 2:
            raise WrongValueError(zh="应为偶数，请更正", en="is odd: write an even number")
        if even > 100:
            raise ValueError("what nobody has put into words")
        return even


def refusal(text: str) -> UnfitFileError:
    with pytest.raises(UnfitFileError) as caught:
        DataFile(text, "animals.toml").read(Animal, "ANIMAL_INVALID")
    assert "animals.toml" in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("text", "place", "zh", "en"),
    [
        ("", (1, 1), "缺少 `name`，请补上", "`name` is missing: add it"),
        (
            'name = "cat"\nnmae = 1',
            (2, 1),
            "没有 `nmae` 这一项，请改正拼写或删去",
            "`nmae` means nothing here: correct its spelling, or delete it",
        ),
        ("name = 1", (1, 1), "`name` 应为文字，要加引号", "`name` is a text: put it in quotes"),
        (
            'name = "c"',
            (1, 1),
            "`name` 至少 2 个字，请补写",
            "`name` is too short: write at least 2 character(s)",
        ),
        (
            'name = "elephant"',
            (1, 1),
            "`name` 至多 5 个字，请缩短",
            "`name` is too long: write at most 5 character(s)",
        ),
        (
            'name = "cat"\n  tag = "A"',
            (2, 3),
            "`tag` 的写法应符合 ^[a-z]*$，请更正",
            "`tag` is not written like `^[a-z]*$`: correct it",
        ),
        (
            'name = "cat"\nwild = "no"',
            (2, 1),
            "`wild` 应为 true 或 false，不加引号",
            "`wild` is `true` or `false`: write it without quotes",
        ),
        (
            'name = "cat"\nage = "3"',
            (2, 1),
            "`age` 应为整数，不加引号",
            "`age` is a whole number: write it without quotes",
        ),
        (
            'name = "cat"\nage = -1',
            (2, 1),
            "`age` 不得小于 0，请改大",
            "`age` is not below 0: write a greater number",
        ),
        (
            'name = "cat"\nage = 100',
            (2, 1),
            "`age` 不得大于 99，请改小",
            "`age` is not above 99: write a smaller number",
        ),
        (
            'name = "cat"\nweight = "1"',
            (2, 1),
            "`weight` 应为数，不加引号",
            "`weight` is a number: write it without quotes",
        ),
        (
            'name = "cat"\nweight = 0',
            (2, 1),
            "`weight` 须大于 0.0，请改大",
            "`weight` is above 0.0: write a greater number",
        ),
        (
            'name = "cat"\nweight = 9',
            (2, 1),
            "`weight` 须小于 9.0，请改小",
            "`weight` is below 9.0: write a smaller number",
        ),
        (
            'name = "cat"\nborn = "today"',
            (2, 1),
            "`born` 应为日期，写成 2026-03-01，不加引号",
            "`born` is a day: write it like `2026-03-01`, without quotes",
        ),
        (
            'name = "cat"\nfed = "noon"',
            (2, 1),
            "`fed` 应为时刻，写成 18:00:00，不加引号",
            "`fed` is a time of day: write it like `18:00:00`, without quotes",
        ),
        (
            'name = "cat"\ncolour = "green"',
            (2, 1),
            "`colour` 只能是 red、blue，请选用其一",
            "`colour` is one of `red`, `blue`: write one of them",
        ),
        (
            'name = "cat"\nsize = "tiny"',
            (2, 1),
            "`size` 只能是 small、large，请选用其一",
            "`size` is one of `small`, `large`: write one of them",
        ),
        (
            'name = "cat"\nfriends = "dog"',
            (2, 1),
            '`friends` 应为列表，写成 ["…", "…"]',
            '`friends` is a list: write it like `["…", "…"]`',
        ),
        (
            'name = "cat"\nfriends = [\n  "dog",\n  1,\n]',
            (2, 1),
            "`friends` 应为文字，要加引号",
            "`friends` is a text: put it in quotes",
        ),
        (
            'name = "cat"\nfriends = ["a", "b", "c"]',
            (2, 1),
            "`friends` 至多 2 项，请删减",
            "`friends` has too many items: write at most 2",
        ),
        (
            'name = "cat"\n[kinds.options]',
            (2, 1),
            "`kinds.options` 至少 1 项，请补写",
            "`kinds.options` has too few items: write at least 1",
        ),
        (
            'name = "cat"\nhome = 3',
            (2, 1),
            "`home` 应为表，写成 [home] 或 {键 = 值}",
            "`home` is a table: write `[home]` or `{key = value}`",
        ),
        (
            'name = "cat"\n[[legs]]\nlength = 1\n\n[[legs]]  # the other\nlenght = 2',
            (5, 1),
            "缺少 `legs.length`，请补上",
            "`legs.length` is missing: add it",
        ),
        (
            'name = "cat"\neither = "neither"',
            (2, 1),
            "`either` 不能是这个值，请对照同类文件更正",
            "`either` cannot have this value: compare it with a file of its kind",
        ),
        (
            'name = "cat"\neven = 3',
            (2, 1),
            "`even`：应为偶数，请更正",
            "`even`: is odd: write an even number",
        ),
        (
            'name = "cat"\neven = 102',
            (2, 1),
            "`even` 不能是这个值，请对照同类文件更正",
            "`even` cannot have this value: compare it with a file of its kind",
        ),
    ],
)
def test_a_value_that_is_wrong_is_told(text: str, place: tuple[int, int], zh: str, en: str) -> None:
    error = refusal(text)

    assert error.reason == "ANIMAL_INVALID"
    assert error.faults[0] == (zh, en, place)
    at = f"{place[0]}:{place[1]} "
    assert str(error).startswith(f"`animals.toml` cannot be published: {at}{en}")
    assert error.zh.startswith(f"“animals.toml”有误，不能发布，请更正：{at}{zh}")


def test_every_fault_of_a_file_is_told_at_once_from_its_top_down() -> None:
    error = refusal('wild = 1\n\n[home]\nlength = "x"\ncolour = 2\n')

    assert [(one.place, one.en.split("`")[1]) for one in error.faults] == [
        ((1, 1), "name"),
        ((1, 1), "wild"),
        ((4, 1), "home.length"),
        ((5, 1), "home.colour"),
    ]


@pytest.mark.parametrize(
    ("text", "place", "zh", "en"),
    [
        ("name cat", (1, 6), "键的后面缺少 =，请写成“键 = 值”", "`=` is missing after the key"),
        ("!", (1, 1), "这一行应为“键 = 值”", "a line is `key = value`"),
        ("a = 1 2", (1, 7), "值的后面有多余的内容", "something stands after the value"),
        ("[a", (1, 3), "表名没有结束", "the name of the table does not end"),
        ("[[a]", (1, 4), "表名没有结束", "the name of the table does not end"),
        ("[ ]\n", (1, 3), "键只含英文字母", "a key has letters"),
        ("[a]\n[a]", (2, 3), "这张表写了两次", "the table stands here twice"),
        ("a = 1\na = 2", (2, 6), "同一个键写了两次", "the key stands here twice"),
        ("a = {b = 1, b = 2}", (1, 18), "同一个键写了两次", "the key stands here twice"),
        ("a = {}\na.b = 1", (2, 8), "这张表或列表已在别处写完", "is written out elsewhere"),
        ("a = [1 2]", (1, 8), "列表没有结束", "the list does not end"),
        ("a = {b = 1", (1, 11), "花括号没有结束", "the braces do not end"),
        ('a = "b\nc = 1', (1, 7), "引号没有在本行结束", "the quotes do not end on their line"),
        ('a = "b', (1, 7), "引号没有结束", "the quotes do not end"),
        ("a = 'b", (1, 7), "引号没有结束", "the quotes do not end"),
        ('a = "\\d"', (1, 8), "引号中的反斜杠要写两个", "a backslash in quotes is written twice"),
        ('a = "\\u12"', (1, 8), "\\u 的后面要写四位", "four hexadecimal digits"),
        ('a = "\\uD800"', (1, 12), "没有这个字符", "there is no such character"),
        ('a = "\x01"', (1, 6), "不可见的控制字符", "a control character"),
        ("# \x01", (1, 3), "不可见的控制字符", "a control character"),
        ("a = 2026-02-30", (1, 5), "没有这一天", "there is no such day"),
        ("a = yes", (1, 5), "不是值的写法", "not a value"),
        ("a = [\n", (2, 1), "不是值的写法", "not a value"),
        ("a = " + "9" * 5_000, (1, 5_005), "不是 TOML 的写法", "is not TOML"),
        ("a = " + "[" * 5_000, (1, 5_005), "不是 TOML 的写法", "is not TOML"),
    ],
)
def test_what_is_no_toml_is_told(text: str, place: tuple[int, int], zh: str, en: str) -> None:
    error = refusal(text)

    assert error.reason == "TOML_INVALID"
    (fault,) = error.faults
    assert fault.place == place
    assert zh in fault.zh
    assert en in fault.en


def test_the_parser_says_nothing_that_is_not_put_into_words() -> None:
    """A later Python may; what it says is then told in the general words until this is mended."""
    source = inspect.getsource(_parser)
    said = re.findall(r'suffixed_err\(\s*src, \w+, f?"((?:[^"\\]|\\.)*)"', source)
    assert len(said) > 20
    assert [one for one in said if not one.startswith(tuple(datafile._SYNTAX))] == []


def test_a_byte_order_mark_is_no_fault() -> None:
    assert DataFile("\ufeffname = 'cat'", "animals.toml").read(Animal, "X").name == "cat"


def test_a_file_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "animals.toml"
    path.write_bytes('name = "cat"\n# 猫狗'.encode("gb18030"))

    with pytest.raises(UnfitFileError) as caught:
        DataFile.open(path, "animals.toml", "ANIMAL_INVALID")

    assert caught.value.reason == "ANIMAL_INVALID"
    assert caught.value.zh.endswith("第2行不是 UTF-8 编码，请另存为 UTF-8")
    assert str(caught.value).endswith("line 2 is not UTF-8: save the file again with that encoding")


PLACES = '''zero = "#"
[a]
b = {c = 1}
list = [
  "=",
  "[x]",
]
text = """
[t]
x = 1
"""
[[t]]
x = 1
[[t]]
x = {y = 1}
[[t.u]]
z = 1
[[t.u]]
z = 2
[t.inner]
"deep.er" = 1
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("a",), 2),
        (("a", "b"), 3),
        (("a", "b", "c"), 3),
        (("a", "list", 1), 4),
        (("a", "text"), 8),
        (("t",), 12),
        (("t", 0), 12),
        (("t", 1, "x"), 15),
        (("t", 1, "u", 0), 16),
        (("t", 1, "u", 1, "z"), 19),
        (("t", 1, "inner", "deep.er"), 21),
        (("nowhere",), 1),
    ],
)
def test_a_value_is_found_where_it_stands(keys: datafile.Keys, line: int) -> None:
    assert DataFile(PLACES, "x.toml").place(keys)[0] == line


NONSENSE = [
    "1",
    '"x"',
    "[]",
    "{}",
    "true",
    "2026-01-01",
    "07:32:00",
    "1.5",
    "nan",
    "[[1], {a = 2}]",
]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize(
    ("whole", "read"),
    [
        pytest.param(MATTER, lambda text: read_matter(DataFile(text, "m.toml")), id="a matter"),
        pytest.param(
            CONCEPTS[:4_000].rpartition("\n\n")[0],
            lambda text: read_meanings(text, where="c.toml"),
            id="concepts",
        ),
    ],
)
def test_whatever_stands_in_a_file_is_told_in_words_of_ours(
    whole: str, read: Any, data: st.DataObject
) -> None:
    """No word of the parser or of pydantic, and no error that is for programmers."""
    lines = whole.split("\n")
    at = data.draw(st.sampled_from([n for n, line in enumerate(lines) if line.strip()]))
    key = lines[at].partition("=")[0]
    lines[at] = data.draw(
        st.sampled_from([f"{key}= {one}" for one in NONSENSE])
        | st.sampled_from(["", "odd = 1", lines[at][:-1], f"[{key.strip()}]", f"x{lines[at]}"])
    )
    said = ""
    try:
        read("\n".join(lines))
    except datafile.InvalidPublicationError as error:
        said = f"{error.zh} {error}"
    assert not re.search(r"[Ii]nput|[Ee]xpected|Invalid|Error|should|\(at ", said), said
