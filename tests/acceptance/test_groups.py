"""S14: how decisions come out by groups of applicants, where the law allows it; never who."""

import asyncio
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from audit.errors import StoreRefusedError
from audit.groups import _Cell, _shown, count_groups
from audit.trail.queries import All, Is
from decision_service import catalogue
from decision_service.cli.keeping import app
from decision_service.errors import InvalidPublicationError
from decision_service.grouping import UNKNOWN, Grouping, load
from decision_service.identifiers import resident_check
from decision_service.model import Application, Approved, Text
from decision_service.office import Office
from decision_service.record import KINDS
from tests.acceptance.rights import ALLOWANCE, decided

ROOT = Path(__file__).parents[2]
ApplyFor = Callable[..., Application]
MEANINGS = catalogue.meanings_of(ROOT)
OF_CITY = load(ROOT, MEANINGS).by_id
FOUR = ("aged_75", "eightieth_birthday_today", "aged_95", "outside_hukou")


@pytest.fixture
def cast(people: Any, clock: Any, office: Office) -> Any:
    return people.cast(office.today(clock()))


def sex_of(number: str) -> str:
    return "male" if int(number[16]) % 2 else "female"


async def test_s14_outcomes_are_counted_by_group_and_no_group_is_small(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, tmp_path: Path
) -> None:
    people = [
        cast[one] for one in ("aged_75", "eightieth_birthday_today", "aged_95", "outside_hukou")
    ]
    decisions = [await decided(apply_for(one, ALLOWANCE), office, clock) for one in people]
    approved = sum(isinstance(one.outcome, Approved) for one in decisions)
    await decided(apply_for(cast["library_holder"], "library_card"), office, clock)

    def count(id_: str, least: int) -> Any:
        within = Is("matter", "=", ALLOWANCE)
        of = OF_CITY[id_].group_of
        return count_groups(tmp_path / "store", within, of, kinds=KINDS, least=least)

    by_sex, by_age, by_hukou = [
        (await asyncio.to_thread(count, id_, 1)).shown for id_ in ("sex", "age", "hukou_city")
    ]
    together = (await asyncio.to_thread(count, "age", len(people))).shown

    sexes = [sex_of(one.id_number) for one in people]
    assert {one.names: one.persons for one in by_sex} == {
        (sex,): sexes.count(sex) for sex in {*sexes}
    }
    assert {one.names[0] for one in by_age} >= {"80–89", "90–"}
    assert {one.names[0]: dict(one.outcomes) for one in by_hukou} == {
        "shenzhen": {"approved": approved},
        "elsewhere": {"referred": 1},
    }
    (all_,) = together
    assert (all_.persons, sum(all_.outcomes.values())) == (4, 4)
    with pytest.raises(StoreRefusedError) as caught:
        await asyncio.to_thread(count, "age", len(people) + 1)
    assert caught.value.reason == "TOO_FEW_PERSONS"
    assert not any(one.id_number in str(by_sex) for one in people)


async def test_s14_who_was_erased_is_in_no_group(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, tmp_path: Path
) -> None:
    for who in ("aged_75", "eightieth_birthday_today"):
        await decided(apply_for(cast[who], ALLOWANCE), office, clock)
    subject = f"resident_id:{cast['aged_75'].id_number}"
    await office.record.erase(subject, reason="on demand", time=clock(), told={})

    found = await asyncio.to_thread(
        count_groups, tmp_path / "store", All(()), OF_CITY["sex"].group_of, kinds=KINDS, least=1
    )

    assert [one.persons for one in found.shown] == [1]
    assert found.erased == 1


@settings(max_examples=300)
@given(
    sizes=st.lists(st.integers(1, 40), max_size=8),
    least=st.integers(1, 30),
    shared=st.booleans(),
)
def test_s14_neither_a_group_nor_what_is_left_of_the_whole_is_small(
    sizes: list[int], least: int, *, shared: bool
) -> None:
    """Also where the same people are in several groups, as who grows older is."""
    cells = tuple(
        _Cell((f"g{n}",), {str(who if shared else (n, who)) for who in range(size)})
        for n, size in enumerate(sizes)
    )
    everybody = set[str]().union(*(cell.who for cell in cells))
    try:
        shown = _shown(cells, least)
    except StoreRefusedError:
        assert 0 < len(everybody) < least
        return
    assert all(group.persons >= least for group in shown)
    assert sorted(name for group in shown for name in group.names) == sorted(
        cell.names[0] for cell in cells
    )
    assert sum(len(group.names) > 1 for group in shown) <= 1


def sealed(number: str, day: date, **values: Any) -> dict[str, Any]:
    documents = [{"kind": "resident_id", "number": number}]
    evidence = [{"values": {name.replace("__", "."): value}} for name, value in values.items()]
    return {
        "application": {"parties": [{"documents": documents}]},
        "decision": {"filing_date": day.isoformat(), "evidence": evidence},
    }


BORN = "99000019500506001"
NUMBER = BORN + resident_check(BORN)


@pytest.mark.parametrize(
    ("day", "band"),
    [
        pytest.param(date(2020, 5, 5), "60–69", id="the day before the birthday"),
        pytest.param(date(2020, 5, 6), "70–79", id="the birthday"),
        pytest.param(date(2040, 5, 6), "90–", id="above every age"),
        pytest.param(date(1984, 1, 1), "0–34", id="below every age"),
    ],
)
def test_s14_an_age_is_that_of_the_day_of_filing(day: date, band: str) -> None:
    assert OF_CITY["age"].group_of(sealed(NUMBER, day)) == band


@pytest.mark.parametrize(
    ("of", "values", "group"),
    [
        ("sex", {}, "male"),
        ("applicant.hukou_city", {"applicant__hukou_city": "elsewhere"}, "elsewhere"),
        ("applicant.hukou_city", {}, UNKNOWN),
        ("applicant.card_account_own", {"applicant__card_account_own": True}, "yes"),
    ],
)
def test_s14_a_group_is_what_the_decision_holds(
    of: str, values: dict[str, Any], group: str
) -> None:
    grouping = Grouping(Text(zh="组", en="group"), of, "law")

    assert grouping.group_of(sealed(NUMBER, date(2020, 1, 1), **values)) == group
    assert grouping.name_of(group).zh


def test_s14_of_whom_no_number_is_told_no_sex_is_known() -> None:
    nobody = sealed("91440300MA5DA1X07X", date(2020, 1, 1))

    assert OF_CITY["sex"].group_of(nobody) == OF_CITY["age"].group_of(nobody) == ""


GOOD = '[groups.x]\nzh = "甲"\nen = "x"\nof = "{of}"\nlegal_basis = "{law}"\n{more}'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("least = 1\n" + GOOD.format(of="sex", law="l", more=""), "least", id="one"),
        pytest.param(GOOD.format(of="sex", law="l", more=""), "least", id="no least"),
        pytest.param(
            "least = 20\n" + GOOD.format(of="sex", law="", more=""), "legal_basis", id="no law"
        ),
        pytest.param(
            "least = 20\n" + GOOD.format(of="applicant.ethnicity", law="l", more=""),
            "neither `sex`, `age` nor a concept",
            id="what nobody is asked",
        ),
        pytest.param(
            "least = 20\n" + GOOD.format(of="applicant.birth_date", law="l", more=""),
            "neither `sex`, `age` nor a concept",
            id="a day",
        ),
        pytest.param(
            "least = 20\n" + GOOD.format(of="age", law="l", more=""), "from_ages", id="no bands"
        ),
        pytest.param(
            "least = 20\n" + GOOD.format(of="age", law="l", more="from_ages = [70, 60]"),
            "above the one before",
            id="bands backwards",
        ),
    ],
)
def test_s14_a_file_of_groups_that_is_wrong_is_refused(
    tmp_path: Path, text: str, fault: str
) -> None:
    (tmp_path / "matters").mkdir()
    (tmp_path / "matters" / "groups.toml").write_text(text, encoding="utf-8")

    with pytest.raises(InvalidPublicationError, match=r"groups\.toml") as caught:
        load(tmp_path, MEANINGS)

    assert caught.value.reason == "GROUPS_INVALID"
    assert fault in str(caught.value)


def test_s14_a_city_that_has_laid_down_nothing_counts_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, MEANINGS).by_id == {}


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("sex",), "TOO_FEW_PERSONS"),
        (("sx",), "it has: sex, age, hukou_city"),
        (("sex", "--from", "2026-13"), "does not match"),
    ],
)
async def test_s14_by_hand_it_says_why_nothing_is_counted(  # fixtures
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    cast: Any,
    tmp_path: Path,
    typed: tuple[str, ...],
    told: str,
) -> None:
    await decided(apply_for(cast["aged_75"], ALLOWANCE), office, clock)
    command = ["groups", ALLOWANCE, *typed, "--store", str(tmp_path / "store"), "--city", str(ROOT)]

    done = await asyncio.to_thread(CliRunner().invoke, app, command)

    assert done.exit_code != 0
    assert told in " ".join(done.output.replace("│", " ").split())


async def test_s14_by_hand_groups_are_shown_in_both_languages(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, tmp_path: Path
) -> None:
    for who in FOUR:
        await decided(apply_for(cast[who], ALLOWANCE), office, clock)
    (tmp_path / "city" / "matters").mkdir(parents=True)
    for name in ("concepts.toml", "groups.toml"):
        text = (ROOT / "matters" / name).read_text("utf-8").replace("least = 20", "least = 5")
        (tmp_path / "city" / "matters" / name).write_text(text, "utf-8")
    month = f"{clock():%Y-%m}"
    command = ["groups", ALLOWANCE, "hukou_city", "--from", month, "--to", month]
    command += ["--store", str(tmp_path / "store"), "--city", str(tmp_path / "city")]

    few = await asyncio.to_thread(CliRunner().invoke, app, command)
    await decided(apply_for(cast["centenarian"], ALLOWANCE), office, clock)
    enough = await asyncio.to_thread(CliRunner().invoke, app, command, env={"COLUMNS": "160"})

    assert "TOO_FEW_PERSONS" in few.output
    assert enough.exit_code == 0, enough.output
    assert "户籍 household register  依据 law: 个人信息保护法 24、55" in enough.output
    assert "外市 elsewhere；深圳市 Shenzhen" in enough.output


def test_s14_nothing_is_asked_of_anybody_for_it() -> None:
    """Whatever people are grouped by is told by the number or vouched for by a register."""
    for grouping in OF_CITY.values():
        assert grouping.of in {"sex", "age"} or MEANINGS[grouping.of].source != "declared"  # type: ignore[index]
        assert grouping.legal_basis
