"""FEEL as the DMN Technology Compatibility Kit tests it, but for what safe unknowns forbid.

The cases are read from ``../shared/vectors`` where that folder exists, which has a part of the kit.
``feel.toml`` names every case of the whole that comes out otherwise, with its reason; one that it
does not name must pass, and one that it names must not.
"""

import json
import sys
import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from decision_service.rulebook import ExpressionError, Unknown, evaluate_expression
from decision_service.rulebook.values import duration

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "dmn-tck" / "feel.jsonl"
NAMED = tomllib.loads(Path(__file__).with_name("feel.toml").read_text(encoding="utf-8"))
PRECISION = 8
"""Digits after the point from which the kit writes down a number shorter than it is."""


def cases() -> list[dict[str, Any]]:
    if not VECTORS.exists():
        pytest.skip(f"the vectors are not at {VECTORS}")
    return [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]


def called(case: dict[str, Any]) -> str:
    """The kit's own name of a case; a decision may differ only in the type of its result."""
    return f"{case['folder']}/{case['case']}/{case['decision']}"


def value(written: Any) -> Any:  # noqa: PLR0911  # one case for each kind
    """A value as the kit writes it."""
    match written:
        case None:
            return Unknown
        case ["boolean", text]:
            return text == "true"
        case ["decimal", text]:
            return Decimal(text)
        case ["date", text]:
            return date.fromisoformat(text)
        case ["duration", text]:
            return duration(text)
        case ["list", items]:
            return tuple(value(item) for item in items)
        case [_, text]:
            return text


def is_same(found: Any, wanted: Any) -> bool:
    if isinstance(found, Decimal) and isinstance(wanted, Decimal):
        digits = -cast("int", wanted.as_tuple().exponent)
        step = Decimal(1).scaleb(-digits)
        return found == wanted or (digits >= PRECISION and abs(found - wanted) < step)
    return type(found) is type(wanted) and found == wanted


def passes(case: dict[str, Any]) -> bool:
    """Whether the expression comes to what the kit wants; null may be unknown or an error."""
    wanted = value(case["expected"])
    try:
        found = evaluate_expression(
            case["text"], {name: value(given) for name, given in case["inputs"].items()}
        )
    except ExpressionError:
        return wanted is Unknown
    return is_same(found, wanted)


def test_every_case_passes_or_is_named_with_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kit = cases()
    failed = {called(case) for case in kit if not passes(case)}
    names = {called(case) for case in kit}
    departures, unsupported = names & {*NAMED["departures"]}, names & {*NAMED["unsupported"]}
    with capsys.disabled():
        sys.stdout.write(
            f"\nFEEL: {len(kit) - len(failed)} of {len(kit)} cases of the DMN TCK pass, "
            f"{len(departures)} depart for safe unknowns, {len(unsupported)} are not supported\n"
        )

    assert failed == departures | unsupported
    assert not departures & unsupported


def test_every_reason_is_one_of_those_that_are_given() -> None:
    for names in (NAMED["departures"], NAMED["unsupported"]):
        assert set(names.values()) <= set(NAMED["reasons"])
    assert set(NAMED["reasons"]) == {*NAMED["departures"].values(), *NAMED["unsupported"].values()}
