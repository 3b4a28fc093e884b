"""Every scenario that policy staff wrote comes out as the file says, in all three evaluators."""

from pathlib import Path

import pytest

from decision_service.rulebook import interpret, scenarios
from decision_service.rulebook.document import read
from decision_service.rulebook.engine import Engine
from decision_service.rulebook.evaluate import Reference

ROOT = Path(__file__).parent.parent.parent
FILES = sorted((ROOT / "rules").glob("*/*.rules.md"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}@{file.name}")
def test_every_scenario_comes_out_as_the_file_says(file: Path) -> None:
    book = read(file.read_text(encoding="utf-8"), where=file.name)

    assert not book.warnings
    assert len(book.scenarios) >= 11
    for verdict in (
        Engine(book).verdict,
        Reference(book).verdict,
        lambda facts: interpret.verdict(book, facts),
    ):
        failed = [result for result in scenarios.run(book, verdict) if not result.passed]
        assert not failed
