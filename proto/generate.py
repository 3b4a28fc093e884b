"""Generates decision_service/v1 from the contract; ``--check`` says whether it has drifted.

Run it from anywhere: ``python proto/generate.py``. It needs the development dependencies only.
"""
# ruff: noqa: INP001, T201 - a script, not a package; it talks to a terminal

import argparse
import importlib.resources
import re
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("decision_service/v1")

_SERVICE = re.compile(r"^service ", re.MULTILINE)


def main() -> int:
    """Generate, or compare what is committed with what would be generated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if it drifted")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        new = contents(Path(folder) / PACKAGE)
    old = contents(ROOT / PACKAGE)
    drifted = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if check:
        for name in drifted:
            print(f"{PACKAGE / name} is not what the contract generates", file=sys.stderr)
        return 1 if drifted else 0
    for name in drifted:
        if name in new:
            (ROOT / PACKAGE / name).write_bytes(new[name])
        else:
            (ROOT / PACKAGE / name).unlink()
    return 0


def generate(folder: Path) -> None:
    """Generate messages of every file, and stubs and servicers of those that have a service."""
    files = sorted((ROOT / "proto" / PACKAGE).glob("*.proto"))
    services = [file for file in files if _SERVICE.search(file.read_text("utf-8"))]
    _protoc(files, f"--python_out={folder}", f"--mypy_out=quiet:{folder}")
    _protoc(
        services,
        f"--grpc_python_out={folder}",
        f"--mypy_grpc_out=quiet,only_async:{folder}",
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every generated file of a folder; ``__init__.py`` is written by hand."""
    return {
        file.name: file.read_bytes()
        for file in folder.glob("*_pb2*")
        if file.suffix in {".py", ".pyi"}
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
