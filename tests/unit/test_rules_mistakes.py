"""What an author reads for every mistake, word for word, and that a sound file is left in peace."""

import random
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from decision_service.rulebook import document
from decision_service.rulebook.functions import FUNCTIONS
from decision_service.rulebook.source import wordings
from decision_service.rulebook.tree import Finding, RuleFileError
from decision_service.rulebook.words import KEYWORDS

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "tests" / "unit" / "rule_mistakes"
SOUND = (FOLDER / "sound.rules.md").read_text(encoding="utf-8")
MISTAKES: list[dict[str, Any]] = tomllib.loads(
    (FOLDER / "mistakes.toml").read_text(encoding="utf-8")
)["mistake"]


def findings(text: str) -> tuple[Finding, ...]:
    try:
        return document.read(text, where="draft.rules.md").warnings
    except RuleFileError as error:
        return error.findings


def with_edits(edits: list[tuple[str, str]]) -> str:
    text = SOUND
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def in_words(finding: Finding) -> dict[str, str]:
    return {
        "at": f"{finding.at.line}:{finding.at.column}",
        "code": finding.code,
        "zh": finding.message.zh,
        "en": finding.message.en,
        "hint_zh": finding.hint.zh,
        "hint_en": finding.hint.en,
    }


def test_a_sound_file_is_left_in_peace() -> None:
    assert findings(SOUND) == ()


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: str(mistake["name"]))
def test_a_mistake_is_found_where_it_is_in_words_that_help(mistake: dict[str, Any]) -> None:
    found = findings(with_edits(mistake["edits"]))

    assert [in_words(finding) for finding in found] == mistake["finding"]


def test_every_finding_points_into_the_text() -> None:
    for mistake in MISTAKES:
        text = with_edits(mistake["edits"])
        lines = text.split("\n")
        for finding in findings(text):
            assert 1 <= finding.at.line <= len(lines)
            assert 1 <= finding.at.column <= len(lines[finding.at.line - 1]) + 1


# ── slips of the pen in the published files ──────────────────────────────────────────────────────

PUBLISHED = {
    file: file.read_text(encoding="utf-8").split("\n")
    for file in sorted((ROOT / "rules").glob("*/*.rules.md"))
}
SLIPS: list[dict[str, str]] = tomllib.loads((FOLDER / "slips.toml").read_text(encoding="utf-8"))[
    "slip"
]
MOST_FILES = 5
"""In which one slip is made; the dice take others for every slip."""


def slipped(slip: dict[str, str], lines: list[str], at: int) -> tuple[str, int]:
    """The file with the slip on one of its lines, and the line on which it must be found."""
    changed = re.sub(slip["pattern"], slip["replacement"], lines[at], count=1)
    assert changed != lines[at]
    match slip.get("at"):
        case "heading":
            due = max(n for n in range(at) if lines[n].startswith("#"))
        case below:
            due = at + {"below": 1, "two below": 2, None: 0}[below]
    return "\n".join([*lines[:at], changed, *lines[at + 1 :]]), due + 1


def test_at_least_95_of_100_slips_in_published_files_are_found_on_their_line() -> None:
    missed, made = [], 0
    for slip in SLIPS:
        dice = random.Random(slip["name"])  # noqa: S311  # dice, not secrets
        fitting = {
            file: places
            for file, lines in PUBLISHED.items()
            if (places := [n for n, line in enumerate(lines) if re.search(slip["pattern"], line)])
        }
        assert fitting, slip["name"]
        for file in dice.sample(sorted(fitting), min(MOST_FILES, len(fitting))):
            text, due = slipped(slip, PUBLISHED[file], dice.choice(fitting[file]))
            made += 1
            if due not in {finding.at.line for finding in findings(text)}:
                missed.append((slip["name"], file.parent.name, due))

    assert len(SLIPS) >= 60
    assert len(missed) <= 0.05 * made, missed


def test_the_published_files_are_left_in_peace() -> None:
    for lines in PUBLISHED.values():
        assert findings("\n".join(lines)) == ()


def test_several_mistakes_are_found_at_once_in_the_order_of_the_file() -> None:
    found = findings(
        with_edits(
            [
                ("工作月数 >= 6", "工作月数 == 6"),
                ("生效 effective：2024-07-01", "生效 effective：今年"),
                ("月租金 = 1500", "月租金 = 一千"),
            ]
        )
    )

    assert [(finding.at.line, finding.code) for finding in found] == [
        (6, "E004"),
        (43, "E101"),
        (99, "E021"),
    ]


def test_warnings_do_not_refuse_a_file() -> None:
    book = document.read(with_edits([('并且 居住区 != ""', "")]), where="draft.rules.md")

    assert [warning.code for warning in book.warnings] == ["W050"]


def test_every_wording_is_there_for_a_mistake() -> None:
    """No wording without a mistake that brings it about.

    Limits, and what is of no file, have tests of their own.
    """
    seen = [finding["en"] + finding["hint_en"] for one in MISTAKES for finding in one["finding"]]

    def is_seen(wording: dict[str, str]) -> bool:
        template = re.escape((wording["en"] + wording["hint_en"]).replace("{{", "{"))
        pattern = re.compile(re.sub(r"\\\{\w+\\\}", ".*", template.replace("}}", "}")))
        return any(pattern.fullmatch(text) for text in seen)

    unseen = {key for key, wording in wordings().items() if not is_seen(dict(wording))}
    assert unseen == {
        "E005.size",
        "E005.rows",
        "E005.expression",
        "E005.depth",
        "E005.loops",
        "E005.findings",
        "E032.free",
    }


def test_every_wording_is_in_both_languages_and_says_what_to_do() -> None:
    for key, wording in wordings().items():
        assert set(wording) == {"zh", "en", "hint_zh", "hint_en"}, key
        assert re.search(r"[\u4e00-\u9fff]", wording["zh"] + wording["hint_zh"]), key
        assert not wording["en"].endswith("."), key
        assert not wording["zh"].endswith("。"), key
        assert wording["hint_en"].endswith((".", "?")), key
        assert wording["hint_zh"].endswith(("。", "？")), key


# ── the page for policy staff ────────────────────────────────────────────────────────────────────

PAGE = (ROOT / "rules" / "README.md").read_text(encoding="utf-8")


def test_the_page_has_an_entry_for_every_code() -> None:
    codes = {key.partition(".")[0] for key in wordings()} | {"E012", "E080"}
    entries = re.findall(r"^\| ([EWA]\d{3}) \|", PAGE, re.MULTILINE)

    assert entries == sorted(codes, key=lambda code: ("EWA".index(code[0]), code))


def test_the_page_lists_every_function_in_both_languages() -> None:
    for function in FUNCTIONS.values():
        assert f"`{function.zh}(" in PAGE
        assert f"`{function.name}`" in PAGE


def test_the_page_lists_every_keyword() -> None:
    for keyword in KEYWORDS:
        assert keyword in PAGE or keyword in {"true", "false"}
