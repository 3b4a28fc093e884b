"""The table of all safeguards, held against the tests that there are; and what files must have."""

import ast
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from decision_service.datafile import DataFile
from decision_service.errors import InvalidPublicationError
from decision_service.matter import read_matter
from decision_service.model import CaseId, EvidenceType, MatterId, Query

ROOT = Path(__file__).parent.parent.parent
TABLE: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "safeguards.toml").read_text(encoding="utf-8")
)
ALLOWANCE = (ROOT / "matters/old_age_allowance/2019-10-01/matter.toml").read_text(encoding="utf-8")


def test_the_table_has_every_safeguard() -> None:
    assert [*TABLE] == [f"S{number}" for number in range(1, 25)]


@pytest.mark.parametrize("name", TABLE)
def test_what_holds_a_safeguard_is_a_test_that_there_is(name: str) -> None:
    """And what is open says where it belongs; nothing is left without either."""
    row = TABLE[name]
    assert row["answers"]
    assert row["safeguard"]
    assert row.get("held_by") or row.get("open")
    assert ("open" in row) == ("part" in row)
    if "part" in row:
        assert (ROOT / row["part"]).exists() or (ROOT / f"{row['part']}.py").exists(), row["part"]
    for place in row.get("held_by", ()):
        file, _, test = place.partition("::")
        assert test in names_in(file), place


@pytest.mark.parametrize(
    "file",
    [*(ROOT / "tests" / "acceptance").glob("test_*.py"), *(ROOT / "tests").glob("c*/test_*.py")],
    ids=lambda file: file.name,
)
def test_a_file_with_a_test_named_after_a_safeguard_stands_in_its_row(file: Path) -> None:
    where = file.relative_to(ROOT).as_posix()
    for name in names_in(where):
        for word in re.findall(r"_(s[0-9]{1,2})(?=_)", name):
            held_by = TABLE[word.upper()]["held_by"]
            assert any(place.startswith(f"{where}::") for place in held_by), f"{word} {name}"


def names_in(file: str) -> set[str]:
    """The names of the tests in a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


# ── of published files ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('link = "https://example.invalid/fuyi"\n', "", id="no link"),
        pytest.param("days = 60\n", "days = 30\n", id="fewer days than the law's"),
        pytest.param("months = 6", "months = 3", id="fewer months than the law's"),
        pytest.param("[remedies.litigation]", "[litigation]", id="no court"),
    ],
)
def test_s12_a_matter_without_remedies_or_below_the_terms_of_the_law_is_not_published(
    old: str, new: str
) -> None:
    assert old in ALLOWANCE
    with pytest.raises(InvalidPublicationError) as caught:
        read_matter(DataFile(ALLOWANCE.replace(old, new), "matters/x/matter.toml"))
    assert caught.value.reason == "MATTER_INVALID"
    assert "remedies" in str(caught.value)


def test_s21_a_matter_that_needs_a_device_is_not_published() -> None:
    channels = 'channels = ["portal", "app", "mini_program", "kiosk", "counter"]'
    assert channels in ALLOWANCE
    with pytest.raises(InvalidPublicationError) as caught:
        read_matter(
            DataFile(ALLOWANCE.replace(channels, 'channels = ["portal", "kiosk"]'), "matter.toml")
        )
    assert caught.value.reason == "CHANNELS_NEED_A_DEVICE"
    assert "counter（窗口）" in caught.value.zh
    for way in ("counter", "phone"):
        file = DataFile(ALLOWANCE.replace(channels, f'channels = ["app", "{way}"]'), "matter.toml")
        assert way in read_matter(file).channels


@pytest.mark.parametrize("missing", ["matter", "case_id", "purpose", "legal_basis", "keys"])
def test_s20_a_question_without_matter_case_purpose_or_basis_cannot_be_built(missing: str) -> None:
    parts: dict[str, Any] = {
        "query_id": "1",
        "evidence_type": EvidenceType("population_register"),
        "about": "applicant",
        "matter": MatterId("old_age_allowance"),
        "case_id": CaseId("0" * 32),
        "purpose": "eligibility",
        "legal_basis": "consent 2026-01",
        "filing_date": date(2026, 11, 24),
        "keys": {"id_number": "1"},
    }
    Query(**parts)
    for nothing in ({**parts, missing: {} if missing == "keys" else ""}, dict(parts)):
        if nothing.get(missing):
            del nothing[missing]
        with pytest.raises(ValidationError):
            Query(**nothing)
