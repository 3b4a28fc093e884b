"""Every import contract is seen to break; one that nobody has seen broken guards nothing."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("decision_service", "evidence_adapters", "audit")
LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"

SEEDED = {
    "The service in its layers: who may import whom": (
        "decision_service/judge.py",
        "import decision_service.record",
    ),
    "The rulebook: a file is read, proven, and evaluated in three ways that share the tree only": (
        "decision_service/rulebook/cells.py",
        "import decision_service.rulebook.document",
    ),
    "The reference shares nothing with the engine and the interpreter but the tree": (
        "decision_service/rulebook/evaluate.py",
        "import decision_service.rulebook.functions",
    ),
    "The counter: what is decided is pure; above it the record's steps, the case, the flows": (
        "decision_service/counter/determination.py",
        "import decision_service.counter.docket",
    ),
    "Adapters in their layers": (
        "evidence_adapters/normalise.py",
        "import evidence_adapters.guard",
    ),
    "The sandbox in its layers: people, firms, how their registers speak, the socket": (
        "evidence_adapters/sandbox/city.py",
        "import evidence_adapters.sandbox.firms",
    ),
    "What speaks for a register shares nothing with the file that reads it": (
        "evidence_adapters/sandbox/dialects.py",
        "import evidence_adapters.conversions",
    ),
    "Adapters know the port and the vocabulary, and nothing else of the service": (
        "evidence_adapters/guard.py",
        "import decision_service.release",
    ),
    "The audit trail knows neither the service nor its registers": (
        "audit/errors.py",
        "import decision_service.errors",
    ),
    "The log is below the trail and knows nothing of decisions": (
        "audit/log/merkle.py",
        "import audit.trail.entries",
    ),
    "Neither the edge nor the rules write the record": (
        "decision_service/server/decision.py",
        "import audit.trail",
    ),
    "The contract's generated code stays at the edge": (
        "decision_service/settle.py",
        "import decision_service.v1",
    ),
}
"""For each contract a module, and an import that no other contract forbids it."""


def contracts() -> set[str]:
    """The names in pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return {one["name"] for one in tomllib.loads(text)["tool"]["importlinter"]["contracts"]}


def broken(house: Path) -> set[str]:
    """The contracts that do not hold in a copy of the packages."""
    ran = subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=house,
        env={**os.environ, "COLUMNS": "300", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = dict(
        line.rsplit(" ", 1)
        for line in ran.stdout.splitlines()
        if line.endswith((" KEPT", " BROKEN"))
    )
    assert said.keys() == contracts(), ran.stdout + ran.stderr
    return {name for name, state in said.items() if state == "BROKEN"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages and the contracts, to be spoilt."""
    folder = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_every_contract_has_a_violation_here_and_every_violation_its_contract() -> None:
    assert SEEDED.keys() == contracts()


@pytest.mark.slow
def test_as_it_stands_every_contract_holds(house: Path) -> None:
    assert broken(house) == set()


@pytest.mark.slow
@pytest.mark.parametrize("contract", sorted(SEEDED))
def test_one_forbidden_import_breaks_exactly_its_contract(contract: str, house: Path) -> None:
    where, forbidden = SEEDED[contract]
    module = house / where
    text = module.read_text(encoding="utf-8")
    module.write_text(f"{text}\n{forbidden}\n", encoding="utf-8")
    try:
        assert broken(house) == {contract}
    finally:
        module.write_text(text, encoding="utf-8")
