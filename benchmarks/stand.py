"""The bench: the service, its registers and an empty echo, each in a process of its own.

The benchmarks start ``python benchmarks/stand.py service|registers|echo`` and read what it costs.
"""

import asyncio
import cProfile
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import uvloop

from decision_service import __main__ as miaopi
from decision_service.model import EvidenceType
from decision_service.server import issue, listen, new_private_key, public_jwks
from decision_service.service import SEED
from evidence_adapters import registry
from evidence_adapters.sandbox import City, serve

ECHO = "/bench/Echo"
_PROFILE = "BENCH_PROFILE"
"""Environment variable: the file that the service's profile goes to."""
_PATIENCE_S = 60.0


def clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the bench, as Linux accounts for it.

    Attributes:
        port: Where it listens on the loopback.
    """

    pid: int
    port: int

    @property
    def cpu_s(self) -> float:
        """Processor seconds that it has used, in all its threads."""
        return _cpu_s(Path(f"/proc/{self.pid}/stat"))

    @property
    def loop_cpu_s(self) -> float:
        """Of these, what its first thread used, which runs the event loop."""
        return _cpu_s(Path(f"/proc/{self.pid}/task/{self.pid}/stat"))

    @property
    def resident_mib(self) -> float:
        """Memory that it has in use."""
        return resident_mib(self.pid)


@dataclass(frozen=True, slots=True)
class Service:
    """The service under test, and the registers that it asks.

    Attributes:
        token: Lets a portal in.
    """

    process: Process
    registers: Process
    token: str
    _profile: Path

    @contextmanager
    def profiled(self) -> Iterator[Path]:
        """Profile the event loop during the block; the file is there after it."""
        os.kill(self.process.pid, signal.SIGUSR1)
        yield self._profile
        os.kill(self.process.pid, signal.SIGUSR2)
        _wait(self._profile.exists, "a profile")


@contextmanager
def service() -> Iterator[Service]:
    """The service as ``miaopi serve`` starts it, on a new store on disk, until the block ends."""
    with tempfile.TemporaryDirectory() as name, _started("registers", Path(name)) as registers:
        folder, key = Path(name), new_private_key()
        (folder / "jwks.json").write_text(public_jwks(key), encoding="ascii")
        token = issue(
            key,
            subject="portal-bench",
            role="portal",
            audience="miaopi",
            issuer="miaopi-sandbox",
            lifetime=timedelta(days=1),
            now=clock(),
        )
        environment = {
            "MIAOPI_PORT": "0",
            "MIAOPI_STORE": name,
            "MIAOPI_JWKS": str(folder / "jwks.json"),
            _PROFILE: str(folder / "profile"),
            **{
                f"MIAOPI_REGISTER_{key.upper()}": f"http://127.0.0.1:{registers.port}/{key}"
                for key in registry.load()
            },
        }
        with _started("service", folder, environment) as process:
            yield Service(process, registers, token, folder / "profile")


@contextmanager
def registers() -> Iterator[Mapping[EvidenceType, str]]:
    """The sandbox city's registers in a process of their own: where each of them answers."""
    with tempfile.TemporaryDirectory() as name, _started("registers", Path(name)) as process:
        yield {key: f"http://127.0.0.1:{process.port}/{key}" for key in registry.load()}


@contextmanager
def echo(answer_bytes: int) -> Iterator[Process]:
    """A server of the service's settings that answers so many bytes to everything."""
    with tempfile.TemporaryDirectory() as name:
        environment = {"BENCH_ANSWER_BYTES": str(answer_bytes)}
        with _started("echo", Path(name), environment) as process:
            yield process


def resident_mib(pid: int) -> float:
    """Memory that a process has in use, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _cpu_s(stat: Path) -> float:
    user, system = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _started(
    role: str, folder: Path, environment: dict[str, str] | None = None
) -> Iterator[Process]:
    """A process of that role, listening, until the block ends; its log lies in the folder."""
    lines = folder / f"{role}.log"
    with lines.open("w", encoding="utf-8") as log:
        child = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, __file__, role],
            stderr=log,
            env={**os.environ, **(environment or {})},
        )
    try:
        _wait(lambda: _port(lines) or child.poll() is not None, role)
        if child.poll() is not None:
            sys.exit(lines.read_text(encoding="utf-8"))
        yield Process(child.pid, _port(lines))
        child.terminate()
        child.wait(_PATIENCE_S)
    finally:
        child.kill()
        child.wait()


def _port(lines: Path) -> int:
    """Where the log says that the process listens; 0 as long as it says nothing."""
    for line in lines.read_text(encoding="utf-8").splitlines():
        if line.startswith("{") and (port := json.loads(line).get("port")):
            return int(port)
    return 0


def _wait(until: Callable[[], bool], for_what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not until():
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain for {for_what}")
        time.sleep(0.05)


# ── the roles ────────────────────────────────────────────────────────────────────────────────────


def _run_service() -> None:
    """``miaopi serve``; SIGUSR1 starts a profile of its event loop, SIGUSR2 writes it."""
    profile = cProfile.Profile()

    def write(*_: object) -> None:
        profile.disable()
        target = Path(os.environ[_PROFILE])
        profile.dump_stats(target.with_suffix(".part"))
        target.with_suffix(".part").rename(target)

    signal.signal(signal.SIGUSR1, lambda *_: profile.enable())
    signal.signal(signal.SIGUSR2, write)
    sys.argv = ["miaopi", "serve"]
    miaopi.main()


async def _run_registers() -> None:
    async with serve(City(SEED), clock=clock) as running:
        _listening(int(running.control_address.rpartition(":")[2].partition("/")[0]))
        await asyncio.Event().wait()


async def _run_echo() -> None:
    answer = bytes(int(os.environ["BENCH_ANSWER_BYTES"]))

    async def behaviour(request: bytes, context: object) -> bytes:  # noqa: ARG001 - gRPC hands it over
        return answer

    server = grpc.aio.server(options=listen._OPTIONS)  # noqa: SLF001 - the same settings
    _, _, service_name = ECHO.rpartition("/")
    handler = grpc.unary_unary_rpc_method_handler(behaviour)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("bench", {service_name: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    _listening(port)
    await server.wait_for_termination()


def _listening(port: int) -> None:
    sys.stderr.write(json.dumps({"port": port}) + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    match sys.argv[1]:
        case "service":
            _run_service()
        case "registers":
            uvloop.run(_run_registers())
        case "echo":
            uvloop.run(_run_echo())
