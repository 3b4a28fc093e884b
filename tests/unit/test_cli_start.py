"""What a command does not need is not imported: whoever types one waits for it."""

import subprocess
import sys

import pytest

_STARTED = """
import sys
from decision_service.__main__ import app
from typer.testing import CliRunner
result = CliRunner().invoke(app, sys.argv[1:])
assert result.exit_code == 0, result.output
print(*(name for name in sys.modules if "." not in name))
"""


@pytest.mark.parametrize(
    ("typed", "spared"),
    [
        pytest.param(
            ["--help"],
            {"sqlalchemy", "aiohttp", "faker", "structlog", "durable_rules_engine", "lark"},
            id="help",
        ),
        pytest.param(
            ["matters", "--help"],
            {"sqlalchemy", "aiohttp", "faker", "structlog", "durable_rules_engine", "lark"},
            id="a command that asks the service",
        ),
        pytest.param(
            ["rules", "check", "--help"],
            {"sqlalchemy", "faker", "structlog", "joserfc"},
            id="a command on rule files",
        ),
        pytest.param(
            ["receipt", "verify", "--help"],
            {"aiohttp", "faker", "structlog", "durable_rules_engine", "lark"},
            id="a proof",
        ),
    ],
)
def test_a_command_imports_what_it_needs(typed: list[str], spared: set[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _STARTED, *typed], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stderr
    assert not spared & set(ran.stdout.split())
