"""A release: frozen, digested, and refused for what would be unlawful."""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from decision_service import catalogue
from decision_service.catalogue import Catalogue
from decision_service.datafile import DataFile
from decision_service.errors import InvalidPublicationError, InvalidRequestError, NotPublishedError
from decision_service.matter import read_matter
from decision_service.model import MatterId
from decision_service.release import Form, read_meanings, restore
from evidence_adapters import registry

ROOT = Path(__file__).parent.parent.parent
REGISTERS = {key: one.meaning for key, one in registry.load().items()}


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A copy of the sample city that a test may spoil."""
    for folder in ("rules", "matters"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def _spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_every_release_is_restored_from_its_archive_with_the_same_digest(
    published: Catalogue,
) -> None:
    for release in published.releases:
        again = restore(release.archive)
        assert again.digest == release.digest
        assert again.archive == release.archive
        assert again.book == release.book


def test_a_changed_rule_file_is_not_what_was_published(city: Path) -> None:
    _spoil(city / "rules/old_age_allowance/2019-10-01.rules.md", "| 300.00 |", "| 310.00 |")

    with pytest.raises(InvalidPublicationError) as caught:
        catalogue.load(city, REGISTERS)

    assert str(caught.value) == (
        "release `old_age_allowance@2019-10-01` was changed after it was signed"
    )
    assert caught.value.zh == (
        "版本 old_age_allowance@2019-10-01 签署后被改动：已生效的，请撤销改动，"
        "或以更晚的生效日另行发布；尚未生效的，也可由两人重新签署（miaopi rules seal、approve）"
    )
    assert caught.value.hint == (
        "Undo the change in `rules/old_age_allowance/2019-10-01.rules.md`, "
        "`matters/old_age_allowance/2019-10-01/`, `matters/concepts.toml`, "
        "`matters/workdays.toml` or a register that it asks, or publish it as a new release with "
        "a later first day. One that has not begun can also be signed again: `miaopi rules seal`, "
        "then `approve`."
    )
    assert caught.value.reason == "RELEASE_CHANGED"


def test_a_changed_meaning_changes_the_release_too(city: Path) -> None:
    _spoil(city / "matters/concepts.toml", 'fresh_for = "P1D"', 'fresh_for = "P9D"')

    with pytest.raises(InvalidPublicationError) as caught:
        catalogue.load(city, REGISTERS)
    assert caught.value.reason == "RELEASE_CHANGED"


def test_a_release_without_its_seal_is_a_draft(city: Path) -> None:
    (city / "rules/releases/library_card@2020-01-01.seal").unlink()

    with pytest.raises(InvalidPublicationError) as caught:
        catalogue.load(city, REGISTERS)
    assert caught.value.reason == "RELEASE_NOT_SEALED"
    assert "miaopi rules seal library_card@2020-01-01" in caught.value.hint


@pytest.mark.parametrize(
    "missing",
    [
        "rules/library_card/2020-01-01.rules.md",
        "matters/library_card/2020-01-01/matter.toml",
        "matters/library_card/2020-01-01/form.schema.json",
    ],
)
def test_the_three_files_of_a_release_come_together(city: Path, missing: str) -> None:
    (city / missing).unlink()

    with pytest.raises(InvalidPublicationError) as caught:
        catalogue.load(city, REGISTERS)
    assert str(caught.value) == f"`{missing}` is missing"
    assert caught.value.reason == "FILE_MISSING"


@pytest.mark.parametrize("kind", ["penalty", "coercion", "levy", "inspection"])
@pytest.mark.parametrize("mode", ["instant", "proactive"])
def test_no_machine_decides_what_takes_something_from_people(kind: str, mode: str) -> None:
    """Law 5; a traffic violation (交通违法处理) is looked up and objected to, and no more."""
    text = (ROOT / "matters/old_age_allowance/2019-10-01/matter.toml").read_text(encoding="utf-8")
    adverse = text.replace('kind = "grant"', f'kind = "{kind}"')
    modes = 'modes = ["prefill", "instant", "proactive"]'
    assert modes in adverse

    with pytest.raises(InvalidPublicationError) as caught:
        read_matter(
            DataFile(
                adverse.replace(modes, f'modes = ["prefill", "{mode}"]'), "matters/x/matter.toml"
            )
        )
    assert caught.value.reason == "ADVERSE_MATTER_INSTANT"
    assert str(caught.value) == (
        f"`matters/x/matter.toml` cannot be published: A271 a matter of kind `{kind}` takes "
        "something from people, and no machine decides it"
    )
    assert "A271" in caught.value.zh
    assert "不得由系统自动决定" in caught.value.zh
    assert 'modes = ["prefill"]' in caught.value.hint

    shown_only = read_matter(
        DataFile(adverse.replace(modes, 'modes = ["prefill"]'), "matters/x/matter.toml")
    )
    assert shown_only.kind == kind


OFFERABLE = (ROOT / "matters/old_age_allowance/2019-10-01/matter.toml").read_text(encoding="utf-8")
TERMS = OFFERABLE[OFFERABLE.index("[offers]") : OFFERABLE.index("[[evidence]]")]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        pytest.param(
            TERMS,
            "",
            "`proactive` among the modes and `[offers]`, with its basis, stand together or not",
            id="no basis",
        ),
        pytest.param(
            ', "proactive"]',
            "]",
            "`proactive` among the modes and `[offers]`, with its basis, stand together or not",
            id="not declared",
        ),
        pytest.param(
            '"instant", ',
            "",
            "it is offered, but not `instant`: who agrees to an offer applies, and is decided",
            id="nobody would decide",
        ),
        pytest.param(
            'applicants = ["person"]',
            'applicants = ["person", "organisation"]',
            "it is offered, but `applicants` are not people alone",
            id="firms",
        ),
        pytest.param(
            "once_per_subject = true",
            "once_per_subject = false",
            "it is offered, but not `once_per_subject`: nobody could tell who has it already",
            id="again and again",
        ),
        pytest.param(
            "telling people that they qualify for the old-age allowance",
            "eligibility for the old-age allowance",
            "the purpose of offers is that of applications: registers must tell them apart",
            id="no purpose of its own",
        ),
    ],
)
def test_a_matter_says_how_it_may_be_offered_or_is_not_offered(
    city: Path, old: str, new: str, fault: str
) -> None:
    path = city / "matters/old_age_allowance/2019-10-01/matter.toml"
    assert OFFERABLE.count(old) == 1
    path.write_text(OFFERABLE.replace(old, new), encoding="utf-8")

    with pytest.raises(InvalidPublicationError) as caught:
        catalogue.load(city, REGISTERS)
    assert caught.value.reason == "MATTER_INVALID"
    assert fault in str(caught.value)
    assert fault not in caught.value.zh


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        pytest.param(
            'zh = "高龄老人津贴"',
            'zh = "读者证"',
            "`读者证 | Old-age allowance` in matter.toml is `高龄老人津贴 | Old-age allowance`"
            " in the rule file",
            id="another matter's name",
        ),
        pytest.param(
            'en = "district civil affairs bureau"',
            'en = "public library"',
            "`区民政局 | public library` in matter.toml is "
            "`区民政局 | district civil affairs bureau` in the rule file",
            id="another authority",
        ),
    ],
)
def test_a_matter_is_called_and_decided_as_its_rule_file_says(
    city: Path, old: str, new: str, fault: str
) -> None:
    """Whoever copies matter.toml of another matter would send notices in its name."""
    _spoil(city / "matters/old_age_allowance/2019-10-01/matter.toml", old, new)

    with pytest.raises(InvalidPublicationError) as caught:
        catalogue.load(city, REGISTERS)
    assert caught.value.reason == "MATTER_INVALID"
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("matter", "fault"),
    [
        ("talent_subsidy/2021-09-01", "which only the applicant can tell"),
        ("business_address_change/2024-01-01", "which nobody has declared yet"),
    ],
)
def test_what_only_the_applicant_can_say_cannot_be_offered(
    city: Path, matter: str, fault: str
) -> None:
    """Nobody could be certain of it, and a declaration is made by nobody else (S7)."""
    path = city / "matters" / matter / "matter.toml"
    text = path.read_text(encoding="utf-8")
    modes = 'modes = ["prefill", "instant"]'
    assert modes in text
    offered = text.replace(modes, 'modes = ["prefill", "instant", "proactive"]')
    path.write_text(offered.replace("[[evidence]]", f"{TERMS}[[evidence]]", 1), encoding="utf-8")

    with pytest.raises(InvalidPublicationError) as caught:
        catalogue.load(city, REGISTERS)
    assert fault in str(caught.value)


def test_no_matter_may_decide_by_what_people_are(city: Path) -> None:
    path = city / "matters/concepts.toml"
    path.write_text(
        path.read_text(encoding="utf-8")
        + '\n[applicant.ethnicity]\nzh = "民族"\nen = "ethnicity"\ntype = "text"\n'
        'source = "population_register"\n',
        encoding="utf-8",
    )
    with pytest.raises(InvalidPublicationError) as caught:
        catalogue.load(city, REGISTERS)
    assert "no matter may decide by `applicant.ethnicity`: delete it" in str(caught.value)


def test_the_release_of_a_day_is_the_last_that_has_begun(published: Catalogue) -> None:
    allowance = MatterId("old_age_allowance")
    days = {"2015-12-31": "2014-04-01", "2016-01-01": "2016-01-01", "2019-09-30": "2016-01-01"}
    for day, effective in days.items():
        found = published.release_on(allowance, _day(day))
        assert found.effective == _day(effective)
    with pytest.raises(NotPublishedError) as caught:
        published.release_on(allowance, _day("2014-03-31"))
    assert caught.value.reason == "NO_RELEASE_IN_FORCE"
    assert caught.value.hint == "The first one begins on 2014-04-01."


def _day(text: str) -> date:
    return date.fromisoformat(text)


MEANINGS = read_meanings((ROOT / "matters/concepts.toml").read_text(encoding="utf-8"), where="c")


def _form(**changes: Any) -> str:
    return json.dumps(
        {
            "type": "object",
            "properties": {
                "applicant.birth_date": {
                    "title": "出生日期 | date of birth",
                    "type": "string",
                    "x-concept": "applicant.birth_date",
                },
                "mobile": {"title": "手机 | mobile", "type": "string", "pattern": "^1[0-9]{10}$"},
                "truthful": {"title": "承诺 | promise", "const": True, "x-declaration": True},
            },
            "required": ["mobile", "truthful"],
            "additionalProperties": False,
            **changes,
        }
    )


def test_a_form_tells_gaps_of_applicants_from_mistakes_of_portals() -> None:
    form = Form(_form(), MEANINGS, where="form")

    assert [(gap.field, gap.code) for gap in form.read({"mobile": "12", "truthful": False})] == [
        ("mobile", "ANSWER_INVALID"),
        ("truthful", "ANSWER_MISSING"),
    ]
    assert [gap.text.zh for gap in form.read({})] == [
        "请填写或确认“手机”。",
        "请填写或确认“承诺”。",
    ]
    with pytest.raises(InvalidRequestError) as caught:
        form.read({"mobile": True, "applicant.birth_date": "1950-01-01", "nonsense": "x"})
    assert {(one.field, one.reason) for one in caught.value.fields} == {
        ('answers["mobile"]', "WRONG_KIND"),
        ('answers["applicant.birth_date"]', "EVIDENCE_BACKED"),
        ('answers["nonsense"]', "UNKNOWN_FIELD"),
    }


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        pytest.param({"additionalProperties": True}, "additionalProperties", id="open form"),
        pytest.param(
            {"required": ["applicant.birth_date"]}, "a register fills it", id="asks what is known"
        ),
        pytest.param(
            {
                "properties": {
                    "x": {"x-concept": "applicant.birth_date", "x-declaration": True, "title": "x"}
                },
                "required": [],
            },
            "is a declaration and cannot be prefilled",
            id="puts words into a mouth",
        ),
        pytest.param(
            {"properties": {"x": {"x-concept": "applicant.shoe_size"}}, "required": []},
            "which no concept of the city is",
            id="unknown concept",
        ),
        pytest.param({"type": "thing"}, "`$.type` is not written as JSON Schema", id="no schema"),
        pytest.param({"type": "array"}, "`type` must be `object`", id="no object"),
        pytest.param({"required": ["shoe_size"]}, "required, and is no field", id="no field"),
        pytest.param({"minProperties": 1}, "`minProperties`", id="of the form as a whole"),
        pytest.param(
            {"properties": {"x": {"$ref": "https://forms.invalid/x.json"}}, "required": []},
            "`x` has `$ref`",
            id="lies elsewhere",
        ),
        pytest.param(
            {"properties": {"x": {"$ref": "#/properties/x"}}, "required": []},
            "`x` has `$ref`",
            id="goes round in a circle",
        ),
        pytest.param({"properties": {"x": True}, "required": []}, "`x` is no", id="anything"),
        pytest.param(
            {"properties": {"x": {"x-concept": ["x"]}}, "required": []},
            "`x-concept` of `x` is no concept's id",
            id="concept without id",
        ),
    ],
)
def test_a_form_that_could_trap_an_applicant_is_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidPublicationError) as caught:
        Form(_form(**changes), MEANINGS, where="form")
    assert caught.value.reason == "FORM_INVALID"
    assert word in str(caught.value)
    assert str(caught.value).partition(": ")[2] not in caught.value.zh
