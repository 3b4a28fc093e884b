"""A value that a concept can never have is found when the register files are read, and where."""

import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from decision_service import catalogue
from decision_service.__main__ import app
from decision_service.errors import InvalidPublicationError
from decision_service.model import (
    BooleanType,
    Concept,
    DateType,
    Meaning,
    NumberType,
    Range,
    Text,
    TextType,
)
from decision_service.service import registers_of
from decision_service.settings import read_settings
from evidence_adapters import registry

ROOT = Path(__file__).parents[2]
MEANINGS = catalogue.meanings_of(ROOT)
NEST = Concept("applicant.nest")
ZH, EN = Text(zh="巢", en="nest"), "bird_register"

FILE = """
key = "{key}"
zh = "登记"
en = "register"
owner = {{ zh = "局", en = "bureau" }}
transport = "sql"
purpose = "eligibility"
narrowest_question = {{ zh = "？", en = "?" }}
complete = true
request = {{ view = "v", where = {{ sfzh = "id_number" }} }}

[normalise]
sfzh = {{ type = "string", coerce = "resident_id", rename = "id_number", required = true }}
{field}

[{table}."applicant.nest"]
{rule}
"""


def told(folder: Path, meaning: Meaning, first: str, second: str = "") -> list[str]:
    """What is wrong with a city of one concept, whose register has a second beside it."""
    folder.mkdir(exist_ok=True)
    field, _, rule = first.partition("|")
    said = {EN: FILE.format(key=EN, field=field, table="concepts", rule=rule)}
    if second:
        field, _, rule = second.partition("|")
        said["egg_register"] = FILE.format(
            key="egg_register", field=field, table="doubts", rule=rule
        )
    for key, text in said.items():
        (folder / f"{key}.toml").write_text(text.replace("\\n", "\n"), encoding="utf-8")
    return [*registry.read(folder, {NEST: meaning})[1]]


def meant(type_: object, range_: Range | None = None) -> Meaning:
    return Meaning.model_validate(
        {"concept": NEST, "name": ZH, "type": type_, "source": EN, "range": range_}
    )


NUMBER = meant(NumberType(unit="", scale=0), Range(low=Decimal(1), high=Decimal(9)))
OPTION = MEANINGS[Concept("applicant.living_status")].model_copy(
    update={"concept": NEST, "name": ZH, "source": EN}
)
STATE = 'x = { type = "string", required = true }|field = "x"\\n'
LIVING = STATE + 'values = { 1 = "living", 2 = "deceased" }'


def test_the_citys_own_registers_say_what_their_concepts_can_be() -> None:
    registers, faults = registry.read(None, MEANINGS)

    assert faults == []
    assert sum(concept in MEANINGS for one in registers.values() for concept in one.says) > 90


@pytest.mark.parametrize(
    ("meaning", "first", "fault"),
    [
        (
            OPTION,
            STATE + 'values = { 1 = "alive", 2 = "deceased" }',
            (
                '`bird_register.toml:18:1`: “巢”不可能是 "alive"，这样的值永远不会被采信 | '
                '`applicant.nest` can never be "alive": such a value is never believed'
            ),
        ),
        (OPTION, "|present = true", "can never be true"),
        (
            OPTION,
            LIVING + '\\nabsent = "unknown"',
            '`bird_register.toml:19:1`: “巢”不可能是 "unknown"',
        ),
        (OPTION, LIVING + '\\notherwise = "odd"', '`bird_register.toml:19:1`: “巢”不可能是 "odd"'),
        (
            OPTION,
            'x = { type = "string", allowed = ["L", "D"] }|field = "x"',
            "`bird_register.toml:17:1`: “巢”不可能是 `x`",
        ),
        (OPTION, 'x = { type = "string", regex = "[0-9]+" }|field = "x"', "can never be `x`"),
        (
            OPTION,
            'x = { type = "boolean" }|field = "x"',
            "`x` is of type boolean, `applicant.nest`",
        ),
        (NUMBER, 'x = { type = "integer", min = 10 }|field = "x"', "can never be `x`"),
        (NUMBER, 'x = { type = "number", max = 0 }|field = "x"', "can never be `x`"),
        (NUMBER, 'x = { type = "integer" }|field = "x"\\nabsent = 0', "can never be 0"),
        (NUMBER, 'x = { type = "date", coerce = "cn_date" }|field = "x"', "of type date"),
        (meant(DateType()), 'x = { type = "string" }|field = "x"', "of type string"),
        (meant(BooleanType()), 'x = { type = "integer" }|field = "x"', "of type integer"),
        (meant(BooleanType()), '|present = "yes"', 'can never be "yes"'),
    ],
)
def test_what_a_concept_can_never_be_is_told_with_its_line(
    tmp_path: Path, meaning: Meaning, first: str, fault: str
) -> None:
    (found,) = told(tmp_path, meaning, first)

    assert fault in found


LISTED = MEANINGS[Concept("applicant.bars")]


@pytest.mark.parametrize(
    ("old", "new", "fault", "line"),
    [
        ('12 = "deprivation"', '12 = "exile"', 'can never be "exile"', '12 = "exile" '),
        (
            'columns.since]\nfield = "since"',
            'columns.since]\nfield = "settled"',
            "of type boolean, `applicant.bars.since` of type date",
            'field = "settled" ',
        ),
        (
            ".columns.since]",
            ".columns.day]",
            "a record of `applicant.bars` has no `day`",
            '[concepts."applicant.bars".columns.day]',
        ),
    ],
)
def test_so_is_what_a_cell_of_a_list_can_never_be(
    tmp_path: Path, old: str, new: str, fault: str, line: str
) -> None:
    text = (registry.PACKAGED / "bar_register.toml").read_text("utf-8")
    assert text.count(old) == 1
    changed = text.replace(old, new)
    (tmp_path / "bar_register.toml").write_text(changed, "utf-8")

    (found,) = registry.read(tmp_path, {LISTED.concept: LISTED})[1]

    assert fault in found
    number = int(found.split("`")[1].split(":")[1])
    assert changed.splitlines()[number - 1].startswith(line)


@pytest.mark.parametrize(
    ("meaning", "first", "second"),
    [
        (OPTION, LIVING, "|present = true"),
        (OPTION, LIVING, STATE + 'values = { 1 = "dead" }'),
        (NUMBER, 'x = { type = "integer" }|field = "x"', 'y = { type = "string" }|field = "y"'),
        (
            NUMBER,
            'x = { type = "integer" }|field = "x"',
            'y = { type = "number", min = 10 }|field = "y"',
        ),
    ],
)
def test_a_second_source_of_what_cannot_be_is_told(
    tmp_path: Path, meaning: Meaning, first: str, second: str
) -> None:
    (fault,) = told(tmp_path, meaning, first, second)

    assert fault.startswith("`egg_register.toml:1")


@pytest.mark.parametrize(
    ("meaning", "first", "second"),
    [
        (OPTION, '|present = "living"', '|present = "deceased"'),
        (OPTION, '|present = "deceased"', '|present = "living"'),
        (
            NUMBER,
            'x = { type = "integer", max = 4 }|field = "x"',
            'y = { type = "integer", min = 5 }|field = "y"',
        ),
        (NUMBER, 'x = { type = "integer", max = 4 }|field = "x"', "|present = 5"),
        (NUMBER, "|present = 5", 'x = { type = "integer", max = 4 }|field = "x"'),
    ],
)
def test_a_second_source_that_could_never_agree_with_the_first_is_told(
    tmp_path: Path, meaning: Meaning, first: str, second: str
) -> None:
    """Both are possible; but everybody whom both know would be in doubt."""
    assert told(tmp_path, meaning, first, second) == [
        (
            "`egg_register.toml:16:1`: `egg_register` 与 `bird_register` 的“巢”没有相同的取值，"
            "永远不一致 | `egg_register` and `bird_register` have no value of `applicant.nest` in "
            "common: they could never agree"
        )
    ]


@pytest.mark.parametrize(
    ("meaning", "first", "second"),
    [
        (OPTION, LIVING, '|present = "deceased"'),
        (OPTION, '|present = "deceased"\\nabsent = "living"', STATE + 'values = { 7 = "living" }'),
        (OPTION, 'x = { type = "string" }|field = "x"', STATE + 'values = { 7 = "living" }'),
        (NUMBER, 'x = { type = "integer" }|field = "x"', 'y = { type = "number" }|field = "y"'),
        (
            NUMBER,
            'x = { type = "integer", max = 4 }|field = "x"',
            'y = { type = "integer", min = 4 }|field = "y"',
        ),
        (NUMBER, "|present = 1\\nabsent = 9", 'y = { type = "integer", min = 9 }|field = "y"'),
        (meant(TextType()), 'x = { type = "string" }|field = "x"', '|present = "any"'),
        (meant(BooleanType()), "|present = true\\nabsent = false", "|present = false"),
    ],
)
def test_a_second_source_that_can_agree_is_left_alone(
    tmp_path: Path, meaning: Meaning, first: str, second: str
) -> None:
    assert told(tmp_path, meaning, first, second) == []


def test_nothing_is_doubted_of_which_another_is_the_source(tmp_path: Path) -> None:
    declared = OPTION.model_copy(update={"source": "declared"})
    (fault,) = told(tmp_path, declared, LIVING, LIVING)

    assert "the source of `applicant.nest` is `declared`, no register" in fault


BOUNDS = st.none() | st.integers(-5, 15)


@given(low=BOUNDS, high=BOUNDS, least=st.integers(-3, 12), span=st.integers(0, 9))
def test_a_number_is_told_exactly_if_no_number_of_its_field_is_possible(
    tmp_path_factory: pytest.TempPathFactory,
    low: int | None,
    high: int | None,
    least: int,
    span: int,
) -> None:
    limits = Range(low=Decimal(least), high=Decimal(least + span))
    meaning = meant(NumberType(), limits)
    ends = {"min": low, "max": high}
    rules = "".join(f", {name} = {end}" for name, end in ends.items() if end is not None)
    field = f'x = {{ type = "integer"{rules} }}|field = "x"'
    possible = [
        number
        for number in range(-9, 31)
        if (low is None or low <= number)
        and (high is None or number <= high)
        and meaning.can_be(Decimal(number))
    ]

    faults = told(tmp_path_factory.getbasetemp() / "numbers", meaning, field)

    assert bool(faults) == (not possible), faults


def test_a_service_does_not_start_and_a_check_fails(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "matters", tmp_path / "matters")
    shutil.copytree(registry.PACKAGED, tmp_path / "registers")
    ledger = tmp_path / "registers" / "payment_ledger.toml"
    text = ledger.read_text("utf-8")
    assert 'values = { 1 = "deceased" }' in text
    ledger.write_text(
        text.replace('values = { 1 = "deceased" }', 'values = { 1 = "dead" }'), "utf-8"
    )
    line = text[: text.index('values = { 1 = "deceased" }')].count("\n") + 1

    settings = read_settings({}, city=tmp_path)
    with pytest.raises(InvalidPublicationError) as caught:
        registers_of(settings)
    checked = CliRunner().invoke(app, ["registers", "check", "--json"], obj=lambda: settings)

    place = f"`payment_ledger.toml:{line}:1`"
    assert place in str(caught.value)
    assert "“生存状态”不可能是" in caught.value.zh
    assert checked.exit_code == 1
    assert place in checked.stdout
