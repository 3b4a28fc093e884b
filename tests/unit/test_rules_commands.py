"""`miaopi rules`: what policy staff see on their terminal, and what machines get."""

import json
import re
import resource
import shutil
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from decision_service import catalogue
from decision_service.cli.rule_files import composed_city
from decision_service.cli.rules import app
from decision_service.model import Text
from decision_service.publication import read_signatories
from decision_service.rulebook import document
from evidence_adapters import registry

ROOT = Path(__file__).parent.parent.parent
SOUND = Path(__file__).parent / "rule_mistakes" / "sound.rules.md"
ALLOWANCE = ROOT / "rules" / "old_age_allowance" / "2019-10-01.rules.md"


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """A rule file that lies alone, with one mistake after Chinese characters."""
    path = tmp_path / "draft.rules.md"
    text = SOUND.read_text(encoding="utf-8").replace("工作月数 >= 6", "工作月数 == 6")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def city(tmp_path: Path) -> Path:
    for folder in ("rules", "matters"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_check_marks_the_place_below_wide_characters(draft: Path) -> None:
    result = run("check", draft)

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{draft}:43:20: E101 不能写 `==` | `==` cannot be read",
        "    - 条件 requires：工作月数 == 6",
        "    " + " " * 26 + "^",
        "    “等于”只写一个 =。 | “Equals” is written with one `=`.",
    ]


def test_check_says_the_same_to_machines(draft: Path) -> None:
    result = run("check", "--json", draft)

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "file": str(draft),
        "line": 43,
        "column": 20,
        "code": "E101",
        "message": {"zh": "不能写 `==`", "en": "`==` cannot be read"},
        "hint": {"zh": "“等于”只写一个 =。", "en": "“Equals” is written with one `=`."},
    }


def test_check_finds_every_rule_file_of_the_city_sound() -> None:
    result = run("check", ROOT / "rules")

    assert result.exit_code == 0
    assert result.stdout.count("✓") == len(list((ROOT / "rules").glob("*/*.rules.md")))


def test_check_holds_a_file_against_the_concepts_of_its_city(city: Path) -> None:
    spoil(city / "matters/concepts.toml", 'zh = "户籍市"', 'zh = "户籍地"')

    result = run("check", city / "rules/old_age_allowance/2019-10-01.rules.md")

    assert result.exit_code == 1
    assert "E012 `applicant.hukou_city` 的名称与本市信息项不一致" in result.stdout


def test_check_reports_the_file_beside_that_cannot_be_published(city: Path) -> None:
    spoil(city / "matters/old_age_allowance/2019-10-01/matter.toml", "PT24H", "tomorrow")

    result = run("check", city / "rules/old_age_allowance/2019-10-01.rules.md")

    assert result.exit_code == 1
    assert "不能发布" in result.stdout
    assert "retry_for" in result.stdout


@pytest.mark.parametrize("file", ["concepts.toml", "workdays.toml"])
def test_a_file_of_the_city_that_cannot_be_read_is_told(city: Path, file: str) -> None:
    path = city / "rules" / "library_card" / "2020-01-01.rules.md"
    (city / "matters" / file).write_text("[years", encoding="utf-8")

    for command in ("check", "fmt"):
        told = run(command, path)

        if (command, file) != ("fmt", "workdays.toml"):  # which aligns tables without a calendar
            assert told.exit_code in {1, 2}
            assert f"matters/{file}" in " ".join(told.output.replace("│", " ").split())
        assert told.exception is None or isinstance(told.exception, SystemExit)


def test_check_shows_a_warning_but_does_not_fail(draft: Path) -> None:
    spoil(draft, "工作月数 == 6", "工作月数 >= 6")
    spoil(draft, '并且 居住区 != ""', "")

    result = run("check", draft)

    assert result.exit_code == 0
    assert "W050 “居住区”没有用到 | `居住区` is used by nothing" in result.stdout


def test_a_file_that_is_no_text_is_refused_with_findings(tmp_path: Path) -> None:
    path = tmp_path / "picture.rules.md"
    path.write_bytes(bytes(range(256)))

    result = run("check", path)

    assert result.exit_code == 1
    assert "E070" in result.stdout


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    for command in ("check", "test", "fmt", "explain", "doc"):
        missing = run(command, tmp_path / "nothing.rules.md")

        assert missing.exit_code == 2
        assert "there is no file" in " ".join(missing.output.replace("│", " ").split())
    assert run("check", tmp_path).exit_code == 2


def test_fmt_leaves_alone_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "picture.rules.md"
    path.write_bytes(bytes(range(256)))

    result = run("fmt", path)

    assert result.exit_code == 1
    assert "E070" in result.stdout
    assert path.read_bytes() == bytes(range(256))


def test_test_runs_every_scenario_by_three_evaluators() -> None:
    result = run("test", "--json", ALLOWANCE)

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "file": str(ALLOWANCE),
        "scenarios": 19,
        "coverage": {"seen": 30, "possible": 30, "unseen": {}},
        "failed": [],
    }


def test_test_lists_the_truths_that_no_scenario_has_seen(draft: Path) -> None:
    spoil(draft, "工作月数 == 6", "工作月数 >= 6")

    short, listed = run("test", draft).stdout, run("test", "--coverage", draft).stdout.splitlines()

    assert short == f"✓ {draft}  6 个情形 scenarios  覆盖 coverage 23 / 39\n"
    assert listed[0] == short.rstrip()
    assert listed[1] == f"{draft}:50:5: R2  没有情形 no scenario: 未知 unknown"
    assert f"{draft}:52:24: R2 月收入 < 20000  没有情形 no scenario: 否 false" in listed
    assert f"{draft}:79:3: 补贴标准/4  没有情形 no scenario: 是 true、未知 unknown" in listed


def test_new_begins_a_file_that_is_sound_and_decides(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "matters", tmp_path / "matters")
    made = tmp_path / "rules" / "parking_permit" / "2027-01-01.rules.md"
    concepts = ["applicant.birth_date", "applicant.hukou_city", "applicant.accepts_reading_rules"]

    result = run("new", "parking_permit", "2027-01-01", *concepts, "--city", tmp_path)

    assert result.exit_code == 0
    assert run("check", made).exit_code == 0
    assert run("test", made).stdout == f"✓ {made}  4 个情形 scenarios  覆盖 coverage 6 / 9\n"
    assert run("fmt", "--check", made).exit_code == 0
    assert run("new", "parking_permit", "2027-01-01", "--city", tmp_path).exit_code == 2


def test_new_begins_a_file_that_is_sound_without_any_concept(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "matters", tmp_path / "matters")
    made = tmp_path / "rules" / "parking_permit" / "2027-01-01.rules.md"

    assert run("new", "parking_permit", "2027-01-01", "--city", tmp_path).exit_code == 0
    assert run("test", made).exit_code == run("check", made).exit_code == 0


@pytest.mark.parametrize(
    "concepts",
    [
        pytest.param([], id="nothing"),
        pytest.param(["applicant.birth_date", "applicant.living_status"], id="of a person"),
        pytest.param(["applicant.accepts_reading_rules"], id="of what the applicant declares"),
        pytest.param(["organisation.registration_status"], id="of a firm"),
        pytest.param(["premises.house_code", "premises.use"], id="of what the applicant names"),
        pytest.param(["applicant.library_items_outstanding"], id="of a number"),
    ],
)
def test_new_begins_all_files_of_a_release_that_its_city_can_publish(
    city: Path, concepts: list[str]
) -> None:
    title = ["--title", '“好”证 | "Good" permit', "--authority", "某局 | some bureau"]

    told = run("new", "good_permit", "2027-01-01", *concepts, *title, "--city", city)

    beside = city / "matters" / "good_permit" / "2027-01-01"
    assert told.stdout.splitlines()[:2] == [
        f"✓ {city}/rules/good_permit/2027-01-01.rules.md",
        f"✓ {beside}",
    ]
    (begun,) = (one for one in composed_city(city) if one.name == "good_permit@2027-01-01")
    assert begun.matter.name == Text(zh="“好”证", en='"Good" permit')
    assert begun.matter.competent_authority == Text(zh="某局", en="some bureau")
    assert {*concepts} <= {*begun.form.concepts.values()}
    assert "applicant.truthful" in begun.form.declared


def test_new_leaves_alone_what_service_design_has_begun(city: Path) -> None:
    beside = city / "matters" / "good_permit" / "2027-01-01"
    beside.mkdir(parents=True)
    (beside / "matter.toml").write_text("mine", encoding="utf-8")

    assert run("new", "good_permit", "2027-01-01", "--city", city).exit_code == 0
    assert [(one.name, one.read_text()) for one in beside.iterdir()] == [("matter.toml", "mine")]


DAYS = ("2019-10-01", "2027-01-01")


def test_new_follows_the_release_before(tmp_path: Path) -> None:
    for folder in ("rules", "matters"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    made = tmp_path / "rules" / "old_age_allowance" / "2027-01-01.rules.md"

    told = run("new", "old_age_allowance", "2027-01-01", "--city", tmp_path)

    assert told.exit_code == 0
    assert "next: miaopi rules seal old_age_allowance@2027-01-01 --key FILE" in told.stdout
    for name in ("matter.toml", "form.schema.json"):
        files = (tmp_path / "matters/old_age_allowance" / day / name for day in DAYS)
        before, after = (file.read_bytes() for file in files)
        assert before == after
    head = made.read_text(encoding="utf-8").splitlines()[:8]
    assert "- 生效 effective：2027-01-01" in head
    assert "- 取代 supersedes：2019-10-01" in head
    assert run("test", made).exit_code == 0


@pytest.mark.parametrize(
    ("head", "follows"),
    [
        pytest.param("* effective: 2019-10-01\n* supersedes: 2009-07-01", "*", id="in English"),
        pytest.param("+ 生效：2019-10-01\n+ 取代：无", "+", id="in Chinese"),
        pytest.param("- 生效  effective ： 2019-10-01", "-", id="with blanks"),
    ],
)
def test_new_follows_the_release_before_however_its_head_is_written(
    city: Path, head: str, follows: str
) -> None:
    folder = city / "rules" / "old_age_allowance"
    before, made = folder / "2019-10-01.rules.md", folder / "2027-01-01.rules.md"
    lines = before.read_text(encoding="utf-8").splitlines()
    (at,) = (n for n, line in enumerate(lines) if line.startswith("- 生效"))
    others = [line.replace("-", follows, 1) for line in lines[at - 1 : at + 3]]
    others = [line for line in others if "生效" not in line and "取代" not in line]
    text = "\n".join([*lines[: at - 1], head, *others, *lines[at + 3 :]])
    before.write_text(text, encoding="utf-8")

    assert run("new", "old_age_allowance", "2027-01-01", "--city", city).exit_code == 0
    book = document.read(made.read_text(encoding="utf-8"), where=made.name)
    assert book.effective == date(2027, 1, 1)
    assert book.supersedes == date(2019, 10, 1)


def test_new_follows_no_file_whose_name_is_no_day(city: Path) -> None:
    folder = city / "rules" / "old_age_allowance"
    for odd in ("0000", "2019-13-01", "20200101", "2021-01-01 副本", "旧"):
        (folder / f"{odd}.rules.md").write_text("?", encoding="utf-8")

    assert run("new", "old_age_allowance", "2027-01-01", "--city", city).exit_code == 0
    made = (folder / "2027-01-01.rules.md").read_text(encoding="utf-8")
    assert "- 取代 supersedes：2019-10-01" in made.splitlines()


def test_new_does_not_follow_what_cannot_be_read(city: Path) -> None:
    before = city / "rules" / "old_age_allowance" / "2019-10-01.rules.md"
    before.write_bytes(before.read_text(encoding="utf-8").encode("gb18030"))

    result = run("new", "old_age_allowance", "2027-01-01", "--city", city)

    assert result.exit_code == 1
    assert result.stdout.startswith(f"{before}:1:3: E070 ")
    assert not (before.parent / "2027-01-01.rules.md").exists()


def test_new_says_that_its_folder_cannot_be_made(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "matters", tmp_path / "matters")
    (tmp_path / "rules").write_text("a file", encoding="utf-8")

    result = run("new", "p", "2027-01-01", "--city", tmp_path)

    assert result.exit_code == 2
    assert "cannot be written" in " ".join(result.output.replace("│", " ").split())


def test_a_file_that_the_system_keeps_from_us_is_named(tmp_path: Path) -> None:
    """The memory of a process has nothing at its first address, whoever asks for it."""
    kept = tmp_path / "kept.rules.md"
    kept.symlink_to("/proc/self/mem")

    result = run("check", kept)

    assert result.exit_code == 2
    assert "cannot be read" in " ".join(result.output.replace("│", " ").split())


def test_new_says_what_is_wrong_with_a_title(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "matters", tmp_path / "matters")

    result = run("new", "p", "2027-01-01", "--title", "⽼年 | aged", "--city", tmp_path)

    assert result.exit_code == 1
    assert ":1:3: E070 " in result.stdout
    assert not list(tmp_path.rglob("*.rules.md"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(("parking_permit", "2027-13-01"), "is no day", id="no such day"),
        pytest.param(("parking_permit", "20270101"), "is no day", id="a day without hyphens"),
        pytest.param(("parking_permit", "2027-W01-1"), "is no day", id="a day of a week"),
        pytest.param(("../up", "2027-01-01"), "is no id", id="a matter outside the folder"),
        pytest.param(("p", "2027-01-01", "a.b"), "has no concept", id="no such concept"),
        pytest.param(
            ("p", "2027-01-01", "applicant.birthdate"),
            "Did you mean `applicant.birth_date`",
            id="a concept misspelt",
        ),
    ],
)
def test_new_says_what_is_wrong_and_writes_nothing(
    arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "matters", tmp_path / "matters")

    result = run("new", *arguments, "--city", tmp_path)

    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())
    assert not list(tmp_path.rglob("*.rules.md"))


def test_test_says_what_should_have_come_out(draft: Path) -> None:
    spoil(draft, "工作月数 == 6", "工作月数 >= 6")
    spoil(draft, "| 批准 | 800 | 24 | 2025-04-01 | |", "| 转人工 | 700 | 24 | 2025-04-01 | R2 |")

    result = run("test", draft)

    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == f"✗ {draft}  6 个情形 scenarios  覆盖 coverage 23 / 39"
    assert lines[1:7] == [
        f"{draft}:96:3: S1 硕士 | master (engine)",
        "    结论应为转人工，实为批准 | verdict: refer expected, approve found",
        f"{draft}:96:3: S1 硕士 | master (engine)",
        "    月补贴应为“700”，实为“800” | monthly subsidy: `700` expected, `800` found",
        f"{draft}:96:3: S1 硕士 | master (engine)",
        "    理由应为R2，实为无 | reasons: R2 expected, none found",
    ]
    assert "(reference)" in result.stdout
    assert "(interpreter)" in result.stdout


@pytest.mark.parametrize(
    ("encoding", "place"), [("gb18030", "1:3"), ("utf-16", "1:1"), ("latin-1", "5:12")]
)
def test_a_file_that_is_not_utf_8_is_refused_and_left_alone(
    tmp_path: Path, encoding: str, place: str
) -> None:
    path = tmp_path / "draft.rules.md"
    text = "\n\n\n\n- matter: née\n" if encoding == "latin-1" else SOUND.read_text("utf-8")
    path.write_bytes(text.encode(encoding))
    before = path.read_bytes()

    for command in ("check", "fmt"):
        result = run(command, path)

        assert result.exit_code == 1
        assert result.stdout.startswith(f"{path}:{place}: E070 "), result.stdout
        assert result.stdout.count(" E070 ") == 1
        assert "另存为 UTF-8" in result.stdout
        assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["2027-01-01.rules.md", "2020-01-01 副本.rules.md"])
def test_check_says_that_a_file_is_named_after_another_day(city: Path, name: str) -> None:
    folder = city / "rules" / "library_card"
    shutil.copy(folder / "2020-01-01.rules.md", folder / name)

    result = run("check", folder / name)

    assert result.exit_code == 1
    assert f"`rules/library_card/{name}` says it is `library_card@2020-01-01`" in result.stdout


def test_test_does_not_run_a_file_that_is_wrong(draft: Path) -> None:
    result = run("test", draft)

    assert result.exit_code == 1
    assert "E101" in result.stdout


def test_explain_shows_the_way_from_facts_to_verdict() -> None:
    result = run("explain", ALLOWANCE, "出生日期=1950-02-03", "申请日=2026-03-01", "户籍市=外市")

    assert result.exit_code == 0
    shown = result.stdout
    assert "结论 verdict: 转人工 | refer" in shown
    assert "R1 年满七十周岁 | Aged 70 or over: 符合 | met" in shown
    assert "年龄 = 76 岁" in shown
    assert "R2 本市户籍 | On this city's household register: 不符合 | not met" in shown
    assert "户籍市 = 外市 | elsewhere" in shown
    assert "R4 账户为本人 | Account in the applicant's name: 无法确认 | unknown" in shown
    assert "标准 table 津贴标准: 第 1 行 row 1" in shown
    assert "200.00 元" in shown


def test_explain_takes_facts_of_a_file_over_those_of_a_scenario(tmp_path: Path) -> None:
    facts = tmp_path / "facts.json"
    facts.write_text(
        json.dumps({"applicant.hukou_city": "elsewhere", "出生日期": None}), encoding="utf-8"
    )

    result = run("explain", ALLOWANCE, "--scenario", "S9", "--facts", facts, "--json")

    assert result.exit_code == 0
    explained = json.loads(result.stdout)
    assert explained["verdict"] == "refer"
    statuses = {one["id"]: one["status"] for one in explained["requirements"]}
    assert statuses == {"R1": "unknown", "R2": "not_met", "R3": "met", "R4": "met"}
    assert explained["rows"] == {"津贴标准": ""}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["出生日其=1950-01-01"], "出生日期", id="a misspelt name"),
        pytest.param(["户籍市=北京"], "外市", id="an option that is not there"),
        pytest.param(["出生日期"], "name=value", id="no value"),
        pytest.param(["--scenario", "S99"], "S99", id="no such scenario"),
    ],
)
def test_explain_says_what_is_wrong_with_the_facts(arguments: list[str], told: str) -> None:
    result = run("explain", ALLOWANCE, *arguments)

    assert result.exit_code == 2
    assert told in result.output


def test_explain_shows_what_a_table_gives_where_a_requirement_reads_it(tmp_path: Path) -> None:
    rules = tmp_path / "draft.rules.md"
    rules.write_text(SOUND.read_text(encoding="utf-8"), encoding="utf-8")
    spoil(rules, "工作月数 >= 6", "工作月数 >= 6 并且 工作月数 <= 上限月数")

    result = run("explain", rules, "--scenario", "S1")

    assert result.exit_code == 0
    assert "上限月数 = 24 月" in result.stdout


@pytest.mark.parametrize("text", ['a"b', "“引", r"a\b", "\\", "a；b", "（", '，"、', "＂＼", "\n"])
def test_explain_takes_a_text_of_a_file_as_it_is(tmp_path: Path, text: str) -> None:
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps({"居住区": text, "月租金": 15e2}), encoding="utf-8")

    result = run("explain", SOUND, "--scenario", "S1", "--facts", facts, "--json")

    assert result.exit_code == 0, result.output
    (promise,) = (one for one in json.loads(result.stdout)["requirements"] if one["id"] == "R3")
    assert {"居住区": text} in [test["inputs"] for test in promise["tests"]]


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        pytest.param('{"户籍市": ' + "[" * 60_000 + "]" * 60_000 + "}", "too deep", id="deep"),
        pytest.param('{"户籍市": "外市", "户籍市": "深圳市"}', "twice", id="a key twice"),
        pytest.param('{"户籍市": "\\ud800"}', "half a character", id="half a character"),
        pytest.param('{"户籍市": NaN}', "not a number", id="not a number"),
        pytest.param('["户籍市"]', "not an object", id="no object"),
        pytest.param('{"户籍市": ["外市"]}', "`[外市]` is not a value", id="a list"),
        pytest.param('{"户籍市": {"市": 1}}', "`(市 = 1)` is not a value", id="an object"),
    ],
)
def test_explain_refuses_a_file_of_facts_that_has_no_single_reading(
    tmp_path: Path, facts: str, told: str
) -> None:
    file = tmp_path / "facts.json"
    file.write_text(facts, encoding="utf-8")

    result = run("explain", ALLOWANCE, "--facts", file)

    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())


LIBRARY = "library_card@2020-01-01"


@pytest.fixture
def people(city: Path, tmp_path: Path) -> Path:
    """The keys of an author and an approver, whom the city knows, and of a stranger."""
    keys = tmp_path / "keys"
    keys.mkdir()
    entries = []
    for name, duty in (("author", "write"), ("approver", "approve")):
        made = run("key", name, "--to", keys / name)
        assert made.exit_code == 0
        assert (keys / name).stat().st_mode & 0o777 == 0o600
        entries.append(made.stdout.replace('["write", "approve"]', f'["{duty}"]'))
    run("key", "stranger", "--to", keys / "stranger")
    (city / "rules/signers.toml").write_text("\n".join(entries), encoding="utf-8")
    return keys


def sign(command: str, city: Path, key: Path, *others: str) -> Result:
    return run(command, LIBRARY, "--city", city, "--key", key, *others)


def words(refused: Result) -> str:
    """What is in the box of an error, in one line."""
    return " ".join(refused.stderr.replace("│", "").split())


def test_a_release_is_published_by_its_author_and_then_by_another(city: Path, people: Path) -> None:
    place = city / f"rules/releases/{LIBRARY}.seal"
    assert sign("seal", city, people / "author").exit_code == 0
    registers = {key: one.meaning for key, one in registry.load().items()}
    (release,) = (one for one in catalogue.compose_all(city, registers) if one.name == LIBRARY)

    told = json.loads(sign("approve", city, people / "approver", "--json").stdout)

    assert told == {
        "release": LIBRARY,
        "digest": release.digest,
        "file": str(place),
        "published": True,
    }
    seal = catalogue.seal_of(city, release)
    assert seal
    signed = seal.publication(read_signatories(city)).keys
    assert [key.split("+")[0] for key in signed] == ["author", "approver"]


def test_by_default_only_what_is_not_published_is_signed(city: Path, people: Path) -> None:
    folder = city / "rules/releases"
    for command, who in (("seal", "author"), ("approve", "approver")):
        assert run(command, "--city", city, "--key", people / who).exit_code == 0
    spoil(city / "rules/library_card/2020-01-01.rules.md", "## 情形", "> 新\n\n## 情形")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    sealed = run("seal", "--city", city, "--key", people / "author", "--json")
    run("approve", "--city", city, "--key", people / "approver")
    nothing = run("approve", "--city", city, "--key", people / "approver")

    assert [json.loads(line)["release"] for line in sealed.stdout.splitlines()] == [LIBRARY]
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {f"{LIBRARY}.seal"}
    assert "every release is published" in nothing.stderr


def test_to_sign_once_more_changes_nothing(city: Path, people: Path) -> None:
    (city / f"rules/releases/{LIBRARY}.seal").unlink()
    for _ in range(2):
        assert sign("seal", city, people / "author").exit_code == 0
        assert sign("approve", city, people / "approver").exit_code == 0

    assert (city / f"rules/releases/{LIBRARY}.seal").read_text("utf-8").count("—") == 2


@pytest.mark.parametrize(
    ("command", "who", "told"),
    [
        ("seal", "approver", "does not let"),
        ("seal", "stranger", "does not let"),
        ("approve", "author", "does not let"),
        ("approve", "approver", "nobody else has sealed"),
    ],
)
def test_nobody_signs_for_another_or_before_the_author(
    city: Path, people: Path, command: str, who: str, told: str
) -> None:
    place = city / f"rules/releases/{LIBRARY}.seal"
    place.unlink()

    result = sign(command, city, people / who)

    assert result.exit_code == 2
    assert told in words(result)
    assert not place.exists()


def test_what_changed_after_its_author_signed_is_sealed_again_before_it_is_approved(
    city: Path, people: Path
) -> None:
    place = city / f"rules/releases/{LIBRARY}.seal"
    sign("seal", city, people / "author")
    sign("approve", city, people / "approver")
    spoil(city / "rules/library_card/2020-01-01.rules.md", "## 情形", "> 新\n\n## 情形")

    result = sign("approve", city, people / "approver")

    assert result.exit_code == 1
    assert "was changed after it was signed" in result.stderr
    sign("seal", city, people / "author")
    assert place.read_text("utf-8").count("—") == 1, "who approved it before has not approved this"


def test_whoever_signs_is_told_whether_it_counts_or_what_is_missing(
    city: Path, people: Path
) -> None:
    (city / f"rules/releases/{LIBRARY}.seal").unlink()

    sealed = sign("seal", city, people / "author")
    approved = sign("approve", city, people / "approver")
    again = sign("seal", city, people / "author")

    assert f"miaopi rules approve {LIBRARY} --key FILE" in sealed.stdout
    assert "it is published" not in sealed.stdout
    for told in (approved.stdout, again.stdout):
        assert "it is published" in told
        assert "rules approve" not in told


def test_a_release_under_a_false_signature_is_sealed_anew(city: Path, people: Path) -> None:
    place = city / f"rules/releases/{LIBRARY}.seal"
    sign("seal", city, people / "author")
    sign("approve", city, people / "approver")
    *kept, last = place.read_text("utf-8").splitlines(keepends=True)
    dash, name, signed = last.split(" ")
    false = signed[:20] + ("A" if signed[20] != "A" else "B") + signed[21:]
    place.write_text("".join([*kept, f"{dash} {name} {false}"]), encoding="utf-8")

    refused = sign("approve", city, people / "approver")
    sealed = sign("seal", city, people / "author")
    approved = sign("approve", city, people / "approver")

    assert refused.exit_code == 1
    assert "sealed anew" in sealed.stdout
    assert "it is published" in approved.stdout
    assert place.read_text("utf-8").count("—") == 2


@pytest.mark.parametrize(("command", "who"), [("seal", "author"), ("approve", "approver")])
def test_a_release_whose_scenarios_fail_is_not_signed(
    city: Path, people: Path, command: str, who: str
) -> None:
    place = city / f"rules/releases/{LIBRARY}.seal"
    before = place.read_text("utf-8")
    spoil(city / "rules/library_card/2020-01-01.rules.md", "| 批准 |", "| 转人工 |")

    result = sign(command, city, people / who)

    assert result.exit_code == 1
    assert "✗" in result.stdout
    assert place.read_text("utf-8") == before


def test_a_signing_key_that_others_can_read_is_refused(city: Path, people: Path) -> None:
    (people / "author").chmod(0o640)

    result = sign("seal", city, people / "author")

    assert result.exit_code == 2
    assert "0600" in result.stderr


def test_a_file_that_holds_no_signing_key_is_refused(city: Path, people: Path) -> None:
    (people / "author").write_text("PRIVATE+KEY+author+00000000+AQ==\n", encoding="utf-8")

    result = sign("seal", city, people / "author")

    assert result.exit_code == 2
    assert "holds no signing key" in words(result)


def test_a_key_is_never_written_over(people: Path) -> None:
    before = (people / "author").read_bytes()

    assert run("key", "author", "--to", people / "author").exit_code == 2
    assert (people / "author").read_bytes() == before


def test_a_key_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    result = run("key", "author", "--to", tmp_path / "nowhere" / "key")

    assert result.exit_code == 2
    assert "cannot be written" in words(result)


def test_a_key_has_a_name_that_a_note_can_have(people: Path) -> None:
    assert run("key", "li wei", "--to", people / "new").exit_code == 2
    assert not (people / "new").exists()


@pytest.mark.parametrize("planted", [f"{LIBRARY}.seal", f"{LIBRARY}.seal.draft"])
def test_what_is_signed_is_never_written_through_a_link(
    city: Path, people: Path, planted: str
) -> None:
    """Whoever may put files beside the seals must not have a signer write over another file."""
    seal, other = city / f"rules/releases/{LIBRARY}.seal", people / "stranger"
    before = other.read_bytes()
    seal.unlink()
    seal.with_name(planted).symlink_to(other)

    result = sign("seal", city, people / "author")

    assert result.exit_code == 0
    assert other.read_bytes() == before
    assert not seal.is_symlink()
    assert seal.read_text("utf-8").count("—") == 1


def test_nobody_signs_a_draft_of_which_something_is_left_to_be_written(
    city: Path, people: Path
) -> None:
    """Else a notice tells an applicant that （法院） hears who goes to law."""
    name = "good_permit@2027-01-01"
    begun = run("new", *name.split("@"), "applicant.birth_date", "--city", city)
    assert begun.exit_code == 0
    rules = city / "rules/good_permit/2027-01-01.rules.md"
    matter = city / "matters/good_permit/2027-01-01/matter.toml"

    result = run("seal", name, "--city", city, "--key", people / "author")

    told = "".join(words(result).split())
    left = {*re.findall("（[^（）]*）", told)}
    drafts = rules.read_text("utf-8") + matter.read_text("utf-8")
    assert result.exit_code == 2
    assert {"（文件名称）", "（主管）", "（用途）", "（法院）"} <= left
    assert left == {*re.findall("（[^（）]*）", drafts)} - {"（单位）"}
    assert "rules/good_permit/2027-01-01.rules.md:16:10（文件名称）" in told
    for path in (rules, matter):
        said = path.read_text("utf-8")
        path.write_text(re.sub("（(?!单位）)([^（）]*)）", r"\1", said), encoding="utf-8")
    assert run("seal", name, "--city", city, "--key", people / "author").exit_code == 0


def test_a_seal_that_cannot_be_written_is_told(city: Path, people: Path) -> None:
    seal = city / f"rules/releases/{LIBRARY}.seal"
    seal.unlink()
    seal.mkdir()

    result = sign("seal", city, people / "author")

    assert result.exit_code == 2
    assert "cannot be written" in words(result)


def test_seal_does_not_know_a_release_that_is_not_there(city: Path, people: Path) -> None:
    named = "library_card@1999-01-01"
    assert run("seal", named, "--city", city, "--key", people / "author").exit_code == 2


def test_seal_refuses_a_file_that_is_wrong(city: Path, people: Path) -> None:
    spoil(city / "rules/library_card/2020-01-01.rules.md", "未归还册数 <= 0", "未归还册数 == 0")

    result = run("seal", "--city", city, "--key", people / "author")

    assert result.exit_code == 1
    assert "`==` cannot be read" in result.stdout


def test_review_shows_what_a_release_changes_and_who_has_signed_it(
    city: Path, people: Path
) -> None:
    name = "old_age_allowance@2019-10-01"
    run("seal", name, "--city", city, "--key", people / "author")

    result = run("review", name, "--city", city)

    assert result.exit_code == 0
    assert "What differs from old_age_allowance@2016-01-01" in result.stdout
    assert "-| 1 | [70..80) | 100.00 |" in result.stdout
    assert "19 个情形 scenarios" in result.stdout
    assert "✓ author" in result.stdout
    assert "✓ approver" not in result.stdout


def test_review_shows_what_a_terminal_would_obey_or_nobody_would_see(city: Path) -> None:
    """Whoever approves it signs every character, so none hides another."""
    matter = city / "matters/old_age_allowance/2019-10-01/matter.toml"
    spoil(matter, 'kind = "grant"', 'kind = "grant"  # \u202eone\x9b2Jtwo\u2028-three\u200b')

    shown = run("review", "old_age_allowance@2019-10-01", "--city", city).stdout

    assert '+kind = "grant"  # \\u202eone\\x9b2Jtwo\\u2028-three\\u200b\n' in shown


def test_review_of_the_first_release_has_nothing_before_it(city: Path) -> None:
    result = run("review", LIBRARY, "--city", city)

    assert result.exit_code == 0
    assert "The first release" in result.stdout
    assert result.stdout.count("✓") == 3, "its scenarios, and two who have signed"


def test_review_tells_that_nobody_has_signed(city: Path) -> None:
    (city / f"rules/releases/{LIBRARY}.seal").unlink()

    assert "Nobody has signed it" in run("review", LIBRARY, "--city", city).stdout


def test_review_tells_of_who_has_signed_and_is_not_known(city: Path, people: Path) -> None:
    (city / f"rules/releases/{LIBRARY}.seal").unlink()
    sign("seal", city, people / "author")
    file = city / "rules/signers.toml"
    _, approver = file.read_text("utf-8").split("\n\n")
    file.write_text(approver, encoding="utf-8")

    told = run("review", LIBRARY, "--city", city).stdout

    assert "author  不在签署人名单" in told
    assert "✓ author" not in told


def test_review_of_a_release_whose_scenarios_fail_fails(city: Path) -> None:
    spoil(city / "rules/library_card/2020-01-01.rules.md", "| 批准 |", "| 转人工 |")

    result = run("review", LIBRARY, "--city", city)

    assert result.exit_code == 1
    assert "✗" in result.stdout


def test_review_is_read_by_machines(city: Path, people: Path) -> None:
    name = "old_age_allowance@2019-10-01"
    run("seal", name, "--city", city, "--key", people / "author")

    told = json.loads(run("review", name, "--city", city, "--json").stdout)

    assert told["before"] == "old_age_allowance@2016-01-01"
    assert "-| 1 | [70..80) | 100.00 |" in told["changes"]
    assert (told["scenarios"], told["failed"], told["published"]) == (19, [], False)
    assert told["signed"] == [{"name": "author", "may": ["write"]}]
    assert told["unknown"] == ["author@sample.invalid", "approver@sample.invalid"]


def test_fmt_on_a_full_disk_loses_nothing(draft: Path) -> None:
    spoil(draft, "## 情形", "##   情形")
    before = draft.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limit[1]))
    try:
        result = run("fmt", draft)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    assert result.exit_code == 2
    assert "cannot be written" in " ".join(result.output.replace("│", " ").split())
    assert draft.read_bytes() == before
    assert [path.name for path in draft.parent.iterdir()] == [draft.name]
