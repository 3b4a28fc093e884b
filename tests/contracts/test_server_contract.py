"""The contract itself: documented, well formed, kept by the code and by what is generated."""

import json
import re
import shutil
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


def _run(*command: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=60, check=False
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


BREAKING = {
    "a field under another number": ("bool person_requested = 9;", "bool person_requested = 10;"),
    "a field of another type": ("bool person_requested = 9;", "string person_requested = 9;"),
    "a field under another name": ("bool person_requested = 9;", "bool person_asked_for = 9;"),
    "a method that is gone": (
        "rpc Decide(DecideRequest) returns (DecideResponse) {",
        "rpc Judge(DecideRequest) returns (DecideResponse) {",
    ),
    "a stream in place of an answer": (
        "returns (DecideResponse)", "returns (stream DecideResponse)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", [None, *BREAKING])
def test_what_was_released_is_not_broken(change: str | None, tmp_path: Path) -> None:
    """And if it were, `make lint` would say so."""
    for part in ("proto", "third_party"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    file = tmp_path / "proto" / "decision_service" / "v1" / "decision.proto"
    if change:
        was, would_be = BREAKING[change]
        whole = file.read_text("utf-8")
        assert was in whole
        file.write_text(whole.replace(was, would_be), "utf-8")

    ran = _run(BUF, "breaking", "proto", "--against", "proto/released.binpb", folder=tmp_path)

    assert (ran.returncode != 0) == bool(change), ran.stdout + ran.stderr


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
