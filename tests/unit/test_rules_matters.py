"""The files beside the rule files: forms that cannot be tricked, matters that agree with them."""

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

ROOT = Path(__file__).parent.parent.parent
RELEASES = sorted(path.parent for path in (ROOT / "matters").glob("*/*/matter.toml"))
CONCEPTS: dict[str, Any] = tomllib.loads(
    (ROOT / "matters" / "concepts.toml").read_text(encoding="utf-8")
)

every_release = pytest.mark.parametrize(
    "folder", RELEASES, ids=lambda folder: f"{folder.parent.name}@{folder.name}"
)


def form(folder: Path) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((folder / "form.schema.json").read_text(encoding="utf-8"))
    return schema


def source(concept: str) -> str:
    role, _, word = concept.partition(".")
    found: str = (CONCEPTS[role][word] if word else CONCEPTS[role])["source"]
    return found


HOUSE = "9" * 25


def complete(schema: dict[str, Any]) -> dict[str, Any]:
    """What an applicant fills in who leaves nothing out."""
    known = {
        "applicant.mobile": "13800000000",
        "applicant.bank_account": "990000000000000001",
        "organisation.bank_account": "990000000000000001",
        "applicant.photo_receipt": "4403202600001234",
        "premises.house_code": HOUSE,
        "sign.drawing_digest": "0" * 64,
        **dict.fromkeys(("sign.width", "sign.height", "sign.front_width"), "1.50"),
    }

    def answer(key: str, field: dict[str, Any]) -> Any:
        if key in known:
            return known[key]
        if "enum" in field:
            return field["enum"][0]
        if field.get("format") == "date":
            return "2026-03-01"
        return "沙盒" if field.get("type") == "string" else True

    return {key: answer(key, schema["properties"][key]) for key in schema["required"]}


def test_the_city_has_these_matters_and_releases() -> None:
    assert [f"{folder.parent.name}@{folder.name}" for folder in RELEASES] == [
        "business_address_change@2024-01-01",
        "device_filing@2022-05-01",
        "disability_care_subsidy@2023-05-01",
        "library_card@2020-01-01",
        "old_age_allowance@2014-04-01",
        "old_age_allowance@2016-01-01",
        "old_age_allowance@2019-10-01",
        "prepacked_food_filing@2023-12-01",
        "residence_permit@2016-01-01",
        "ride_hailing_driver@2016-12-28",
        "shop_sign_filing@2021-01-01",
        "sole_trader_setup@2022-03-01",
        "startup_subsidy@2020-01-01",
        "talent_subsidy@2016-03-23",
        "talent_subsidy@2021-09-01",
        "unemployment_benefit@2022-06-01",
    ]


@every_release
def test_a_pattern_accepts_no_trailing_newline(folder: Path) -> None:
    """Python's ``$`` matches before a last line feed; what is stored must be what was checked."""
    schema = form(folder)
    answers = complete(schema)
    jsonschema.validate(answers, schema)

    wrong = {
        "applicant.mobile": ("13800000000\n", "138000000000", "23800000000", " 13800000000"),
        "premises.house_code": (f"{HOUSE}\n", f"{HOUSE}9", HOUSE[1:], f" {HOUSE[1:]}"),
    }
    for key in answers.keys() & wrong.keys():
        for value in wrong[key]:
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({**answers, key: value}, schema)


@every_release
def test_a_promise_not_made_is_not_an_application(folder: Path) -> None:
    schema = form(folder)
    promises = [key for key, field in schema["properties"].items() if field.get("const") is True]

    assert "applicant.truthful" in promises
    for promise in promises:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**complete(schema), promise: False}, schema)


@every_release
def test_a_form_asks_for_nothing_that_a_register_knows(folder: Path) -> None:
    schema = form(folder)

    for key, field in schema["properties"].items():
        assert "|" in field["title"]
        if "x-concept" in field and source(field["x-concept"]) != "declared":
            assert key not in schema["required"]
            assert not field.get("x-declaration")
    assert schema["additionalProperties"] is False


@every_release
def test_a_matter_asks_every_register_that_its_form_shows(folder: Path) -> None:
    matter = tomllib.loads((folder / "matter.toml").read_text(encoding="utf-8"))
    shown = {
        source(field["x-concept"])
        for field in form(folder)["properties"].values()
        if "x-concept" in field
    }

    assert matter["id"] == folder.parent.name
    assert shown - {"declared", "service"} <= {plan["type"] for plan in matter["evidence"]}
