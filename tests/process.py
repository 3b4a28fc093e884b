"""`miaopi serve` as real processes that a test can kill: forked from one that has loaded it.

Run as a script, this is the loaded one: for every line, an environment in JSON, it forks a process
that serves in it, and says its number.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass
class Process:
    """One service process.

    Attributes:
        log: Where its lines go.
    """

    pid: int
    log: Path

    async def port(self) -> int:
        """Where it listens, as soon as it does."""
        async with asyncio.timeout(90):
            while True:
                for line in self.lines():
                    if line["event"] == "service.started":
                        return int(line["port"])
                assert self.is_alive(), self.log.read_text("utf-8")
                await asyncio.sleep(0.01)

    def lines(self) -> Iterator[dict[str, Any]]:
        """What it has logged."""
        for line in self.log.read_text("utf-8").splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                yield json.loads(line)

    def is_alive(self) -> bool:
        """Whether it still runs; a process that has ended is reaped by its parent at once."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    async def signalled(self, number: signal.Signals) -> None:
        """Send it a signal that ends it, and wait until it has ended."""
        os.kill(self.pid, number)
        async with asyncio.timeout(60):
            while self.is_alive():  # noqa: ASYNC110 - it is not our child
                await asyncio.sleep(0.005)

    def memory_mib(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)


class Template:
    """The loaded process, of which services are forked."""

    def __init__(self, loaded: "subprocess.Popen[str]", folder: Path) -> None:
        self._loaded = loaded
        self._folder = folder
        self._forked = 0

    def fork(self, environment: Mapping[str, str]) -> Process:
        """Start a service; it listens a little later."""
        assert self._loaded.stdin is not None
        assert self._loaded.stdout is not None
        self._forked += 1
        log = self._folder / f"{self._forked}.log"
        log.touch()
        self._loaded.stdin.write(json.dumps({"log": str(log), **environment}) + "\n")
        self._loaded.stdin.flush()
        return Process(int(self._loaded.stdout.readline()), log)


@contextmanager
def loaded() -> Iterator[Template]:
    """Load the service once; whatever was forked and still runs is killed at the end."""
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, __file__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Template(process, Path(folder))
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@asynccontextmanager
async def serving(template: Template, environment: Mapping[str, str]) -> AsyncIterator[Process]:
    """A service that listens, killed at the end if it still runs."""
    process = template.fork(environment)
    await process.port()
    try:
        yield process
    finally:
        if process.is_alive():
            await process.signalled(signal.SIGKILL)


def main() -> None:
    """Fork on command, until the commands end."""
    sys.path.insert(0, str(ROOT))
    from decision_service import catalogue, service  # noqa: PLC0415 - loading is what this is for
    from evidence_adapters import registry  # noqa: PLC0415

    registers = registry.load()
    published = catalogue.load(ROOT, {key: one.meaning for key, one in registers.items()})
    # The city's files stay as they are from kill to kill, so they are read once.
    registry.load = lambda *_: registers
    catalogue.load = lambda *_: published
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        environment = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(environment.pop("log"), os.O_WRONLY | os.O_APPEND), sys.stderr.fileno())
            try:
                service.serve(environment, city=ROOT)
            finally:
                sys.stderr.flush()
                os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
