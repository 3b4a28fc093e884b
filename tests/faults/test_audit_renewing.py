"""The master key is renewed while everybody goes on; whenever it is cut short, nothing is lost."""

import asyncio
import ctypes
import errno
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pyrage import decrypt, x25519
from sqlalchemy import Connection, select

from audit import export as exports
from audit.backup import backup
from audit.disclosure import verify_disclosure
from audit.errors import NotRecordedError, StoreRefusedError
from audit.export import export
from audit.log import connections, sqlite
from audit.log.files import create_private
from audit.renewal import renew
from audit.trail import ERASED, Entry, Receipt, Trail, keeper, renewer
from audit.trail.disclosures import Disclosure
from audit.trail.master import look_at_some
from audit.trail.projections import SERVICE_KEYS, SUBJECT_KEYS
from audit.trail.unsealing import read_keyring
from audit.verify import verify_store

HERE = Path(__file__)
ROOT = HERE.parents[2]
NOW = datetime(2030, 1, 2, tzinfo=UTC)
SUBJECTS = tuple(f"resident_id:9900001990010{day:02}0001" for day in range(10, 19))
STEPS = 500
"""More than a renewal takes."""


def entry(subject: str) -> Entry:
    return Entry("decision/1", str(uuid4()), NOW, {"matter": "m"}, {"text": subject}, subject)


async def add(trail: Trail, subject: str) -> int:
    written = await trail.append(entry(subject), expect={})
    assert isinstance(written, Receipt)
    return written.index


async def fill(folder: Path, database: str = "") -> None:
    """Entries about everybody, of two lives of the service: so everybody has two keys."""
    Trail.create(folder, origin="test.invalid/miaopi", database=database)
    for _ in range(2):
        async with Trail.open(folder) as trail:
            for subject in SUBJECTS:
                await add(trail, subject)


@pytest.fixture
def folder(tmp_path: Path, database: str) -> Path:
    asyncio.run(fill(tmp_path / "s", database))
    return tmp_path / "s"


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewer, "_A_TURN", 4)
    monkeypatch.setattr(renewer, "_A_LOOK", 4)


async def step(trail: Trail, most: int = 1) -> int | None:
    return (await trail.renew_master_key(time=NOW, told={"caller": "o"}, most=most)).index


async def to_the_end(trail: Trail) -> int:
    for _ in range(1_000):
        if (index := await step(trail)) is not None:
            return index
    raise AssertionError("it never ended")


def wrapped(folder: Path) -> list[bytes]:
    """Every key as the store has it."""
    return connections.at(folder).look(
        lambda c: [
            key
            for table in (SUBJECT_KEYS, SERVICE_KEYS)
            for key in c.execute(select(table.c.wrapped)).scalars()
        ]
    )


def everything(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def all_open(trail: Trail, before: int) -> None:
    """Everything opens that was not erased; `verify_store` says which may be."""
    for index in range(before):
        found = await trail.read(index)
        assert found.sealed in ({"text": found.subject}, {}, ERASED)


async def test_everybody_goes_on_meanwhile(folder: Path) -> None:
    old = [(folder / "master.key").read_bytes().strip(), *wrapped(folder)]
    async with Trail.open(folder) as trail:
        steps, erased = 0, SUBJECTS[0]
        while (index := await step(trail)) is None:
            steps += 1
            written = await asyncio.gather(*(add(trail, SUBJECTS[-i]) for i in (1, 2, 3)))
            assert [(await trail.read(one)).subject for one in written] == [*reversed(SUBJECTS)][:3]
            await all_open(trail, 18)
            if steps == 3:
                await trail.erase(erased, reason="r", time=NOW)
            assert verify_store(folder).problems == ()
        assert steps > 8
        told = [(await trail.read(i)) for i in range(index + 1)]
        assert [one.permanent for one in told if one.type == "key/1"] == [
            {"caller": "o", "renewing": "master.key"},
            {"caller": "o", "renewed": "master.key"},
        ]
        assert told[index].type == "key/1"
        if not (folder / "database").exists():
            present = everything(folder)
            assert not any(one in present for one in old), "neither in files nor in the WAL"
        assert not set(old) & set(wrapped(folder))
        assert not (folder / "master.key.next").exists()
        assert trail.tag("x") == trail._keyring.tag("x")
        await add(trail, erased)
    async with Trail.open(folder) as trail:
        assert {(await trail.read(i)).subject for i in range(index)} == {*SUBJECTS[1:], ""}
    assert verify_store(folder).problems == ()


async def test_it_goes_on_where_it_was_cut_short_however_often(folder: Path) -> None:
    """Closed after each step, so each goes on from what lies on the disk alone."""
    old = (folder / "master.key").read_bytes()
    for steps in range(1, 100):
        async with Trail.open(folder) as trail:
            index = None
            for _ in range(steps):
                index = index or await step(trail)
            await add(trail, SUBJECTS[0])
            await all_open(trail, 18)
        assert verify_store(folder).problems == ()
        if index is not None:
            break
    assert steps > 3
    assert (folder / "master.key").read_bytes() != old
    assert not (folder / "master.key.next").exists()


async def test_the_command_ends_what_a_service_has_begun(folder: Path) -> None:
    async with Trail.open(folder) as trail:
        for _ in range(3):
            await step(trail)
    following = (folder / "master.key.next").read_bytes()

    await renew(folder, now=NOW)

    assert (folder / "master.key").read_bytes() == following
    assert not (folder / "master.key.next").exists()
    assert verify_store(folder).problems == ()


async def test_what_reads_beside_it_reads_everything(folder: Path, tmp_path: Path) -> None:
    identity = x25519.Identity.generate()
    (tmp_path / "identity").write_text(f"{identity}\n")
    async with Trail.open(folder) as trail:
        for _ in range(4):
            await step(trail)
        await add(trail, SUBJECTS[0])
        given = Disclosure(str(identity.to_public()), "", 0, None).permanent
        said = {"flow": "disclosure", **given}
        put = await trail.append(Entry("access/1", str(uuid4()), NOW, said, {}), expect={})
        assert isinstance(put, Receipt)

        export(folder, tmp_path / "e", now=NOW, disclosure=put.index)
        assert verify_disclosure(tmp_path / "e", tmp_path / "identity").opened == put.index
        if not (folder / "database").exists():
            keys = backup(folder, tmp_path / "b", now=NOW, recipient=str(identity.to_public())).keys
            assert {*keys} == {"master.key.age", "master.key.next.age", "signing.key.age"}
    (folder / "master.key.next").rename(tmp_path / "next")
    with pytest.raises(StoreRefusedError) as caught:
        Trail.open(folder)
    assert (caught.value.reason, "master.key.next" in str(caught.value)) == ("KEY_MISSING", True)
    (tmp_path / "next").rename(folder / "master.key.next")
    async with Trail.open(folder) as trail:
        await to_the_end(trail)
        await all_open(trail, 18)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_it_has_ended_though_somebody_reads_an_older_state(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_SCRUBS", 1)
    async with Trail.open(folder) as trail:
        await add(trail, SUBJECTS[0])
        with closing(sqlite3.connect(folder / "store.sqlite", isolation_level=None)) as reading:
            reading.execute("BEGIN")
            reading.execute("SELECT * FROM log_head").fetchall()
            ended = await to_the_end(trail)
        assert ended == trail.size() - 1
        await trail.scrub()


async def test_it_may_end_while_somebody_copies(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = x25519.Identity.generate()
    (tmp_path / "identity").write_text(f"{identity}\n")
    reader, loop = str(identity.to_public()), asyncio.get_running_loop()
    written, copied = exports.write_tiles, sqlite.copy

    def renew_now() -> None:
        asyncio.run_coroutine_threadsafe(to_the_end(trail), loop).result()

    def write_tiles(*given: Any) -> Any:
        tree = written(*given)
        renew_now()
        return tree

    def copy(*given: Any) -> Any:
        renew_now()
        done = copied(*given)
        renew_now()
        return done

    monkeypatch.setattr(exports, "write_tiles", write_tiles)
    monkeypatch.setattr(sqlite, "copy", copy)
    async with Trail.open(folder) as trail:
        said = {"flow": "disclosure", **Disclosure(reader, "", 0, None).permanent}
        put = await trail.append(Entry("access/1", str(uuid4()), NOW, said, {}), expect={})
        assert isinstance(put, Receipt)

        to = tmp_path / "e"
        await asyncio.to_thread(export, folder, to, now=NOW, disclosure=put.index)
        assert verify_disclosure(to, tmp_path / "identity").opened == put.index
        if not (folder / "database").exists():
            await asyncio.to_thread(backup, folder, tmp_path / "b", now=NOW, recipient=reader)
            opened = tmp_path / "opened"
            opened.mkdir()
            shutil.copy(tmp_path / "b" / "store.sqlite", opened)
            key = decrypt((tmp_path / "b" / "master.key.age").read_bytes(), [identity])
            create_private(opened / "master.key", key.decode())
            connections.at(opened).look(lambda c: read_keyring(opened, c))


# ── several processes ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_every_process_learns_of_it_by_itself(folder: Path) -> None:
    """One renews; the others read, append and erase, and know nothing of it beforehand."""
    async with (
        Trail.open(folder) as renewing,
        Trail.open(folder) as reading,
        Trail.open(folder) as appending,
        Trail.open(folder) as erasing,
    ):
        last = 0
        for number in range(200):
            index = await step(renewing)
            await all_open(reading, 18)
            last = await add(appending, SUBJECTS[-1])
            if number in {2, 5}:
                gone = await erasing.erase(SUBJECTS[number], reason="r", time=NOW)
                assert gone is not None
                assert gone.erased == (number, number + 9)
            if index is not None:
                break
        assert (await reading.read(last)).subject == SUBJECTS[-1]
        for trail in (reading, appending, erasing):
            await add(trail, SUBJECTS[0])
    async with Trail.open(folder) as late:
        subjects = [(await late.read(i)).subject for i in range(18)]
    assert subjects == [s if i not in {2, 5} else "" for i, s in enumerate(SUBJECTS)] * 2
    assert verify_store(folder).problems == ()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_nothing_is_put_under_the_old_key_any_more(folder: Path) -> None:
    """Whoever hears of it last, when all keys have been wrapped, seals anew."""
    async with (
        Trail.open(folder) as renewing,
        Trail.open(folder) as late,
        Trail.open(folder) as erasing,
    ):
        while not renewing._renewer._course.checking:
            assert await step(renewing) is None
        between, tag = renewing._keyring, renewing.tag(SUBJECTS[0])

        def old(connection: Connection) -> int:
            return look_at_some(connection, between, after="", most=1_000).old

        def keys(connection: Connection) -> list[str]:
            of_subject = select(SUBJECT_KEYS.c.id).where(SUBJECT_KEYS.c.subject_tag == tag)
            return list(connection.execute(of_subject).scalars())

        assert connections.at(folder).look(old) == 0
        await add(late, "resident_id:990000199001200001")
        assert connections.at(folder).look(old) == 0
        assert len(connections.at(folder).look(keys)) == 2
        await erasing.erase_entries([0], reason="r", time=NOW, told={})
        assert len(connections.at(folder).look(keys)) == 1, "what stays has one new key, no other"
        assert connections.at(folder).look(old) == 0
        assert await to_the_end(renewing)
        await all_open(late, 18)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_several_that_renew_at_once_are_one_renewal(folder: Path) -> None:
    async with Trail.open(folder) as one, Trail.open(folder) as another:
        ends = await asyncio.gather(to_the_end(one), to_the_end(another))
        assert await asyncio.gather(add(one, SUBJECTS[0]), add(another, SUBJECTS[1]))
        for trail in (one, another):
            await all_open(trail, 18)
            assert (await trail.read(max(ends))).type == "key/1"
    assert not (folder / "master.key.next").exists()
    assert verify_store(folder).problems == ()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_services_of_another_folder_are_told_and_not_broken(
    folder: Path, tmp_path: Path
) -> None:
    """Where another machine's service did not get the new key, it refuses until it has it."""
    shutil.copytree(folder, tmp_path / "far")
    async with Trail.open(folder) as here, Trail.open(tmp_path / "far") as far:
        await step(here)
        with pytest.raises(NotRecordedError) as caught:
            await far.append(entry(SUBJECTS[0]), expect={})
        assert caught.value.reason == "KEY_MISSING"
        shutil.copy(folder / "master.key.next", tmp_path / "far")
        assert await add(far, SUBJECTS[0])
        await to_the_end(here)
        await all_open(far, 18)
    with connections.at(folder).alone(), pytest.raises(StoreRefusedError) as refused:
        await renew(folder, now=NOW)
    assert refused.value.reason == "STORE_IN_USE"


# ── at each step ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["fails", "last"])
def test_each_sync_and_each_rename_may_fail_or_be_the_last(
    tmp_path: Path, failing_disk: Path, kind: str
) -> None:
    asyncio.run(fill(tmp_path / "s"))
    done = subprocess.run(
        [sys.executable, HERE, tmp_path / "s", failing_disk, kind],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LD_PRELOAD": str(failing_disk)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20, "files of keys, anchors, and each commit"


def strike_each(folder: Path, library: Path, kind: str) -> int:
    """Every sync and rename of a renewal, once; returns how many were struck."""
    renewer._A_TURN = renewer._A_LOOK = 10
    disk, error = ctypes.CDLL(str(library)), {"fails": errno.EIO, "last": 0}[kind]
    old = (folder / "master.key").read_bytes().strip()
    for number in range(1, STEPS):
        copy = folder.with_name(f"{kind}-{number}")
        shutil.copytree(folder, copy)
        told = struck_process(copy, disk, number, error)
        asyncio.run(all_is_well(copy, [int(one) for one in told if one != b"end"], old))
        shutil.rmtree(copy)
        if b"end" in told:
            return number - 1
    raise AssertionError("the renewal never came to its end")


def struck_process(folder: Path, disk: ctypes.CDLL, number: int, error: int) -> list[bytes]:
    """What a process acknowledged; then ``end`` if the step came to nothing."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()

        async def go() -> None:
            async with Trail.open(folder) as trail:
                disk.fault_arm(number, error, True)  # noqa: FBT003  # of C
                index = None
                while index is None:
                    try:
                        index = await step(trail, most=10)
                        theirs.send(f"{await add(trail, SUBJECTS[1])}\n".encode())
                    except NotRecordedError as failed:
                        assert failed.reason in {"STORE_FAILED", "RENEWAL_UNFINISHED"}, failed  # noqa: PT017
                seen = disk.fault_disarm()
                theirs.send(b"end\n" if seen < number else b"")

        asyncio.run(go())
        os._exit(0)
    theirs.close()
    os.waitpid(child, 0)
    with ours:
        return b"".join(iter(lambda: ours.recv(65_536), b"")).split()


async def all_is_well(folder: Path, acknowledged: list[int], old: bytes) -> None:
    assert verify_store(folder).problems == ()
    async with Trail.open(folder) as trail:
        await all_open(trail, 18)
        for index in acknowledged:
            assert (await trail.read(index)).subject == SUBJECTS[1]
        await to_the_end(trail)
        await all_open(trail, trail.size())
        assert await add(trail, SUBJECTS[0])
    assert old not in everything(folder)
    assert not (folder / "master.key.next").exists()
    assert verify_store(folder).problems == ()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(strike_each(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
