"""Whether a store is sound, and what to do about each thing that is not. Offline; never writes.

It looks at what surrounds the entries, so it is quick; that everything follows from the entries is
for `audit.verify` to say. It works beside the running service.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection

from audit.errors import AuditError, StoreRefusedError
from audit.log import connections, sqlite, store
from audit.log.checkpoint import Checkpoint
from audit.log.connections import STORE_FILE
from audit.log.log import refuse_missing
from audit.log.making import MARK
from audit.log.standing import (
    ANCHOR_FILE,
    CHECKPOINT_FILE,
    Standing,
    examine,
)
from audit.trail.recoveries import Recovery, read_recoveries
from audit.trail.trail import INFLIGHT_FOLDER
from audit.trail.unsealing import read_keyring

FREE_BYTES = 1 << 30
"""Less than that free, and whoever runs the service should know."""

WAL_BYTES = 256 << 20
"""A WAL grows so large only if somebody keeps reading from the same instant."""


class Level(StrEnum):
    """How grave a finding is.

    Attributes:
        STOP: The service refuses, or would.
        WARN: It goes on, and somebody should do something.
        NOTE: Good to know.
    """

    STOP = "stop"
    WARN = "warn"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        reason: UPPER_SNAKE_CASE.
        message: What it is; ``zh`` says the same, and what to do, in Chinese.
        hint: What to do about it.
    """

    level: Level
    reason: str
    message: str
    zh: str
    hint: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How a store was found.

    Attributes:
        head: What the store says that its log is; None if it cannot be read.
        schema: Version of the tables that this program knows; another one is a finding.
        anchored_size, signed_size: What anchor and signed checkpoint cover; None if neither
            readable nor this log's.
        checkpoint_age: Since the newest checkpoint was published; None if there is none.
        holder: Process id of the service that runs; empty if not told, None if none runs.
        free_bytes: On the disk of the store.
        inflight: Requests that are in flight, or were when the process died.
        findings: The gravest first.
    """

    head: Checkpoint | None
    schema: int
    anchored_size: int | None
    signed_size: int | None
    checkpoint_age: timedelta | None
    holder: str | None
    free_bytes: int
    wal_bytes: int
    inflight: int
    recoveries: tuple[Recovery, ...]
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether the service would start, or goes on."""
        return all(finding.level is not Level.STOP for finding in self.findings)


def diagnose(folder: Path, *, now: datetime, anchor: Path | None = None) -> Diagnosis:
    """Look at a store and everything that lies beside it.

    Args:
        anchor: Where the anchor lies; by default in the folder.

    Raises:
        StoreRefusedError: There is no store in that folder.
    """
    refuse_missing(folder)
    place = anchor or folder / ANCHOR_FILE
    database = connections.at(folder)
    holder = database.holder()
    standing, refusals, recoveries = database.look(lambda c: _inside(c, folder, place))
    published = folder / CHECKPOINT_FILE
    wal = folder / f"{STORE_FILE}-wal"
    inflight = folder / INFLIGHT_FOLDER
    found = Diagnosis(
        head=standing.head,
        schema=store.SCHEMA,
        anchored_size=None if standing.anchored is None else standing.anchored.size,
        signed_size=None if standing.signed is None else standing.signed.size,
        checkpoint_age=now - _changed(published) if published.exists() else None,
        holder=holder,
        free_bytes=shutil.disk_usage(folder).free,
        wal_bytes=wal.stat().st_size if wal.exists() else 0,
        inflight=len([*inflight.iterdir()]) if inflight.is_dir() else 0,
        recoveries=recoveries,
        findings=(),
    )
    findings = [
        *(_refusal(one) for one in refusals),
        *_linked(folder / STORE_FILE),
        *_exposed(folder),
        *_space(found),
        *_unfinished(folder),
        *_beside(folder, place, standing),
        *_left_behind(found),
        *map(_recovered, recoveries),
    ]
    return replace(found, findings=tuple(sorted(findings, key=lambda one: _GRAVEST(one.level))))


_GRAVEST = list(Level).index


def _inside(
    connection: Connection, folder: Path, anchor: Path
) -> tuple[Standing, list[AuditError], tuple[Recovery, ...]]:
    """What is to be seen with the store open, and everything that speaks against opening it."""
    standing = examine(connection, folder, anchor)
    recoveries: tuple[Recovery, ...] = ()
    refusals: list[AuditError] = [*standing.against]
    if standing.head is not None:
        try:
            read_keyring(folder, connection)
        except StoreRefusedError as refusal:
            refusals.append(refusal)
        try:
            recoveries = read_recoveries(connection)
        except ValueError:
            refusals.append(store.damaged())
    return standing, refusals, recoveries


def _refusal(refusal: AuditError) -> Finding:
    return Finding(Level.STOP, refusal.reason, str(refusal), refusal.zh, refusal.hint)


def _linked(file: Path) -> Iterator[Finding]:
    try:
        if file.exists():
            sqlite.refuse_linked(file)
    except StoreRefusedError as refusal:
        yield _refusal(refusal)


def _exposed(folder: Path) -> Iterator[Finding]:
    """What others than the owner can get at; the keys are looked at where they are read."""
    paths = [folder, *(folder / f"{STORE_FILE}{end}" for end in ("", "-wal", "-shm"))]
    for path in paths:
        if path.exists() and path.stat().st_mode & 0o077:
            mode = "0700" if path is folder else "0600"
            yield Finding(
                Level.WARN,
                "STORE_EXPOSED",
                f"`{path.name}` can be read or changed by others than its owner",
                f"`{path.name}` 可被属主以外的人读取或改动；请把权限设为 {mode}",
                f"Set its mode to {mode}.",
            )


def _unfinished(folder: Path) -> Iterator[Finding]:
    if (folder / MARK).exists():
        yield Finding(
            Level.WARN,
            "MAKING_UNFINISHED",
            f"`{MARK}` says that this trail was being made, and that it broke off",
            f"`{MARK}` 表明新建记录时中断；服务下次启动时，库中没有记录则重新建立，已有记录则保留",
            "Start the service: without entries the trail is made anew, with entries it is kept.",
        )


def _space(found: Diagnosis) -> Iterator[Finding]:
    if found.free_bytes < FREE_BYTES:
        yield Finding(
            Level.WARN,
            "DISK_NEARLY_FULL",
            f"only {found.free_bytes >> 20} MiB are free on the disk of the store",
            f"记录库所在磁盘只剩 {found.free_bytes >> 20} MiB；写满后一律不予记录，也就不作决定",
            "Make room: on a full disk nothing is recorded, so nothing is decided.",
        )
    if found.wal_bytes > WAL_BYTES:
        yield Finding(
            Level.WARN,
            "WAL_LARGE",
            f"the WAL has grown to {found.wal_bytes >> 20} MiB",
            f"WAL 已达 {found.wal_bytes >> 20} MiB，多半有读取者长时间不放；请结束它，切勿删除 WAL",
            "End whatever has been reading the store for long; never delete the WAL.",
        )


def _beside(folder: Path, anchor: Path, standing: Standing) -> Iterator[Finding]:
    """What lies beside the store, and what should."""
    if not standing.verifier_key:
        yield Finding(
            Level.WARN,
            "VERIFIER_KEY_MISSING",
            "`verifier.key` is missing, so nobody can check the signed checkpoint",
            "缺少公钥文件 `verifier.key`，无法查验已签检查点；请放回已公布的公钥",
            "Put the published public key back; every receipt has it, too.",
        )
    elif standing.signed is None:
        yield Finding(
            Level.WARN,
            "CHECKPOINT_MISSING",
            "there is no checkpoint that the key of this log signed",
            "没有本日志密钥所签的检查点；服务启动时会重新签发，请查明它为何不在",
            "The service signs it anew when it starts; find out what became of it.",
        )
    store_file = folder / STORE_FILE
    if anchor.exists() and store_file.exists() and _disk(anchor) == _disk(store_file):
        yield Finding(
            Level.NOTE,
            "ANCHOR_ON_SAME_DISK",
            "the anchor lies on the disk of the store",
            "锚与记录库在同一磁盘，一同丢失或一同回退时不能自证；"
            "最好放在另一磁盘，以 `MIAOPI_ANCHOR` 指明",
            "Keep it on another disk, named by `MIAOPI_ANCHOR`, so that both are not lost or put"
            " back together.",
        )
    for aside in sorted(folder.glob("replaced-*")):
        yield Finding(
            Level.NOTE,
            "REPLACED_STORE_KEPT",
            f"`{aside.name}` holds a store that a backup replaced",
            f"`{aside.name}` 中是被备份替换下来的记录库；此后的删除不及于它，用毕请销毁",
            "Destroy it when it is not needed any more: erasures do not reach it.",
        )


def _left_behind(found: Diagnosis) -> Iterator[Finding]:
    """What a process leaves that did not end by itself; none of it is a loss."""
    if found.holder is not None:
        return
    if found.inflight:
        yield Finding(
            Level.NOTE,
            "INFLIGHT_LEFT",
            f"{found.inflight} requests were in flight when the process died",
            f"进程中断时有 {found.inflight} 个请求在办；重试时将转人工，无须处理",
            "Nothing to do: whoever repeats one is referred to a person.",
        )
    if found.wal_bytes:
        yield Finding(
            Level.NOTE,
            "WAL_LEFT",
            "the last process did not close the store",
            "上一进程未正常关闭记录库；启动服务即可，切勿删除 `store.sqlite-wal`",
            "Start the service; never delete `store.sqlite-wal`, it holds entries.",
        )
    size = 0 if found.head is None else found.head.size
    covered = [one for one in (found.anchored_size, found.signed_size) if one is not None]
    if covered and min(covered) < size:
        yield Finding(
            Level.NOTE,
            "NOT_YET_SIGNED",
            f"the last {size - min(covered)} entries are not yet anchored or signed",
            f"末 {size - min(covered)} 条尚未入锚或签发；服务启动时会补上",
            "Start the service: it verifies them and signs forward.",
        )


def _recovered(one: Recovery) -> Finding:
    lost = f", {len(one.lost)} entries lost" if one.lost else ""
    lost_zh = f"，丢失 {len(one.lost)} 条" if one.lost else ""
    return Finding(
        Level.NOTE,
        "RECOVERED",
        f"entry `{one.index}` is a recovery{lost}",
        f"第 {one.index} 条是一次恢复{lost_zh}；详见 `miaopi audit verify`",
        "`miaopi audit verify` shows who did it and why.",
    )


def _disk(path: Path) -> int:
    return path.stat().st_dev


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
