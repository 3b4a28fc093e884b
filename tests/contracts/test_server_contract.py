"""The contract itself: documented, well formed, and what the generated code says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

from decision_service.client import as_json
from decision_service.server.edge import SERVICES, allowed_roles
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
    "arguments", [("lint",), ("format", "-d", "--exit-code", "proto")], ids=["lint", "format"]
)
def test_the_contract_is_well_formed(arguments: tuple[str, ...]) -> None:
    ran = _run(BUF, *arguments)

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    """Our files with their comments, which generated code leaves out."""
    target = tmp_path_factory.mktemp("contract") / "contract.binpb"
    well_known = Path(protoc.__file__).parent / "_proto"
    sources = sorted((ROOT / "proto/decision_service/v1").glob("*.proto"))
    failed = protoc.main(
        [
            "protoc",
            f"--proto_path={ROOT / 'proto'}",
            f"--proto_path={ROOT / 'third_party'}",
            f"--proto_path={well_known}",
            "--include_source_info",
            f"--descriptor_set_out={target}",
            *map(str, sources),
        ]
    )
    assert not failed
    return list(FileDescriptorSet.FromString(target.read_bytes()).file)


def _undocumented(file: FileDescriptorProto) -> Iterator[str]:
    """Everything with a name and without a comment: path ends are field numbers of descriptors."""
    said = {
        tuple(place.path)
        for place in file.source_code_info.location
        if place.leading_comments.strip()
    }
    named = {4: "message", 5: "enum", 6: "service", 7: "extension", 2: "field, method or value"}
    for place in file.source_code_info.location:
        path = tuple(place.path)
        is_thing = len(path) % 2 == 0 and path and path[-2] in {2, 3, 4, 5, 6, 7, 8}
        is_name = all(step in {2, 3, 4, 5, 6, 7, 8} for step in path[::2])
        is_import_or_package = len(path) == 2 and path[0] in {3, 8}
        is_type_reference = len(path) > 2 and path[-2] not in {2, 3, 4, 8}
        is_left_out = is_import_or_package or is_type_reference or path in said
        if is_thing and is_name and not is_left_out:
            yield f"{file.name} {named.get(path[-2], 'part')} {path}"


def test_everything_in_the_contract_has_a_comment(files: list[FileDescriptorProto]) -> None:
    """Services, methods, messages, fields, oneofs, enums and their values (AIP-192)."""
    assert len(files) == 6
    assert [bare for file in files for bare in _undocumented(file)] == []


def test_every_reason_that_a_comment_promises_is_one_the_service_can_give(
    files: list[FileDescriptorProto],
) -> None:
    """A reason in the contract that no code raises is a promise to nobody."""
    code = "".join(
        path.read_text("utf-8")
        for folder in ("decision_service", "audit")
        for path in (ROOT / folder).rglob("*.py")
        if path.parent.name != "v1"
    )
    promised = {
        word.strip("`.,;:")
        for file in files
        for place in file.source_code_info.location
        if "Errors:" in place.leading_comments
        for sentence in [place.leading_comments.split("Errors:")[1]]
        for word in sentence.split()
        if word.startswith("`") and "_" in word and word.strip("`.,;:").isupper()
    }
    canonical = {
        "NOT_FOUND",
        "INVALID_ARGUMENT",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "FAILED_PRECONDITION",
        "DEADLINE_EXCEEDED",
    }

    assert promised > canonical
    assert {reason for reason in promised - canonical if f'"{reason}"' not in code} == set()


def test_every_method_has_its_role_and_no_role_is_without_a_method() -> None:
    allowed = allowed_roles()

    assert {method for method, roles in allowed.items() if not roles} == set()
    assert "/decision_service.v1.CaseService/GetReceipt" in allowed
    assert len(SERVICES) == 4


def test_the_json_of_a_message_has_the_contracts_own_names() -> None:
    message = decision_pb2.DecideRequest(request_id="1", person_requested=True)

    assert json.loads(as_json(message)) == {"request_id": "1", "person_requested": True}
    assert "\n" not in as_json(message)
