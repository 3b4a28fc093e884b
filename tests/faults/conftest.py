"""A disk that fails, or is the last thing that a process meets, at the step that is asked for."""

import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def failing_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("failing_disk") / "failing_disk.so"
    source = Path(__file__).with_name("failing_disk.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)  # noqa: S607  # the one in the path
    return library
