"""Generates code and types from the contract; ``--check`` says whether they have drifted.

Run it from anywhere: ``python proto/generate.py``. It needs the development dependencies only.
"""
# ruff: noqa: INP001, T201 - a script, not a package; it talks to a terminal

import argparse
import importlib.resources
import re
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc
from typescript import typescript

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("decision_service/v1")
TYPES = Path("examples/portal/contract.ts")
"""Of the messages in JSON, for clients in TypeScript."""

_SERVICE = re.compile(r"^service ", re.MULTILINE)


def main() -> int:
    """Generate, or compare what is committed with what would be generated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if it drifted")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        new = contents(Path(folder))
    old = contents(ROOT)
    drifted = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if check:
        for name in drifted:
            print(f"{name} is not what the contract generates", file=sys.stderr)
        return 1 if drifted else 0
    for name in drifted:
        if name in new:
            (ROOT / name).write_bytes(new[name])
        else:
            (ROOT / name).unlink()
    return 0


def generate(folder: Path) -> None:
    """Generate messages of every file, stubs and servicers of those that have a service, types."""
    files = sorted((ROOT / "proto" / PACKAGE).glob("*.proto"))
    services = [file for file in files if _SERVICE.search(file.read_text("utf-8"))]
    _protoc(files, f"--python_out={folder}", f"--mypy_out=quiet:{folder}")
    _protoc(
        services,
        f"--grpc_python_out={folder}",
        f"--mypy_grpc_out=quiet,only_async:{folder}",
    )
    described = folder / "described.binpb"
    _protoc(files, f"--descriptor_set_out={described}", "--include_source_info")
    (folder / TYPES).parent.mkdir(parents=True)
    types = typescript(FileDescriptorSet.FromString(described.read_bytes()))
    (folder / TYPES).write_text(types, encoding="utf-8")


def contents(folder: Path) -> dict[str, bytes]:
    """Every generated file below a folder; ``__init__.py`` is written by hand."""
    files = [file for file in (folder / PACKAGE).glob("*_pb2*") if file.suffix in {".py", ".pyi"}]
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in (*files, *folder.glob(str(TYPES)))
    }


def _protoc(files: list[Path], *outputs: str) -> None:
    """Run the compiler; google's own types come from googleapis-common-protos at run time."""
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    beside = Path(sys.executable).parent
    arguments = [
        "protoc",
        f"--proto_path={ROOT / 'proto'}",
        f"--proto_path={ROOT / 'third_party'}",
        f"--proto_path={well_known}",
        f"--plugin=protoc-gen-mypy={beside / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={beside / 'protoc-gen-mypy_grpc'}",
        *outputs,
        *(str(file) for file in files),
    ]
    if protoc.main(arguments):
        raise SystemExit("the contract does not compile")


if __name__ == "__main__":
    raise SystemExit(main())
