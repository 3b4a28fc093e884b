"""The contract itself: documented, well formed, kept by the code and by what is generated."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.rpc.code_pb2 import Code

from decision_service.client import as_json
from decision_service.server.edge import allowed_roles
from decision_service.v1 import decision_pb2

ROOT = Path(__file__).parent.parent.parent
BUF = Path(sys.executable).parent / "buf"


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_generated_code_is_what_the_contract_generates() -> None:
    ran = _run(sys.executable, "proto/generate.py", "--check")

    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("lint",), id="named, and every part has a comment"),
        pytest.param(("format", "-d", "--exit-code", "proto"), id="formatted"),
    ],
)
def test_the_contract_is_well_formed(arguments: tuple[str, ...]) -> None:
    ran = _run(BUF, *arguments)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_reason_that_the_contract_promises_is_one_that_the_code_can_give() -> None:
    """A reason in a comment that nothing raises is a promise to nobody."""
    contract = "".join(path.read_text("utf-8") for path in (ROOT / "proto").rglob("*.proto"))
    code = "".join(
        path.read_text("utf-8")
        for folder in ("decision_service", "audit")
        for path in (ROOT / folder).rglob("*.py")
        if path.parent.name != "v1"
    )
    errors = re.findall(r"// Errors:(.*?)\n *(?://\n|[^/ ])", contract, re.DOTALL)
    promised = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", " ".join(errors)))

    assert len(promised) >= 20
    assert {reason for reason in promised - set(Code.keys()) if f'"{reason}"' not in code} == set()


def test_every_method_of_the_contract_names_who_may_call_it() -> None:
    assert {method for method, roles in allowed_roles().items() if not roles} == set()


def test_the_json_of_a_message_is_one_line_with_the_contracts_own_names() -> None:
    message = decision_pb2.DecideRequest(request_id="1", person_requested=True)

    assert json.loads(as_json(message)) == {"request_id": "1", "person_requested": True}
    assert "\n" not in as_json(message)
