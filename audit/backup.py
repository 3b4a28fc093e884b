"""Copying a store while its service runs, and putting a copy back in its place.

A backup is the store, its signed checkpoint and public key, and a manifest. Two things are left
out. The *anchor*: put back with an old store it would hide that the store is old. The *keys*: with
them a backup would still open what has been erased since; so they are kept apart, or go along
encrypted to somebody else.
"""

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pyrage import encrypt, x25519
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError
from audit.log import sqlite
from audit.log.checkpoint import Checkpoint
from audit.log.connections import DATABASE_FILE, STORE_FILE
from audit.log.files import Lock, create_private, read_private, sync_folder, whole_folder
from audit.log.log import refuse_missing
from audit.log.making import MARK
from audit.log.standing import (
    CHECKPOINT_FILE,
    SIGNING_KEY_FILE,
    VERIFIER_KEY_FILE,
)
from audit.trail.age import recipient_of
from audit.trail.manifest import (
    MANIFEST_FILE,
    digest_of_file,
    manifest_digest,
    write_manifest,
)
from audit.trail.seal import Keyring
from audit.trail.unsealing import MASTER_KEY_FILE, NEXT_MASTER_KEY_FILE, read_keyring
from audit.verify.derivation import derive_at
from audit.verify.report import Problem


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was verified.

    Attributes:
        head: The log that it holds.
        digest: SHA-256 of its store's file, in hexadecimal.
        keys: Files with encrypted keys that went along.
    """

    head: Checkpoint
    digest: str
    keys: tuple[str, ...]


def backup(folder: Path, to: Path, *, now: datetime, recipient: str | None = None) -> Backup:
    """Copy the store as it is at one instant, verify the copy, and only then give it its name.

    The source is read on a read-only connection, which neither writes nor checkpoints.

    Args:
        to: A folder that is not there yet.
        recipient: An age public key (``age1…``) that the secret keys are encrypted to; None
            leaves them out.

    Raises:
        StoreRefusedError: There is no store, or something where the backup shall go; it, its
            keys or the disk fail; or the copy does not follow from its entries; or the store is
            on a server, which has tools of its own (``COPY_ELSEWHERE``).
    """
    _refuse_server(folder)
    refuse_missing(folder)
    if to.exists():
        raise _exists(to)
    reader = None if recipient is None else recipient_of(recipient)

    def keys_of(connection: Connection) -> tuple[Keyring | None, dict[str, str]]:
        """What opens the store now: a renewal may end while it is copied."""
        keyring = read_keyring(folder, connection) if (folder / MASTER_KEY_FILE).exists() else None
        return keyring, {} if reader is None else _encrypted_keys(folder, reader)

    try:
        with whole_folder(to, private=True) as draft:
            # What testifies is read before the store: a running service moves it on only
            # afterwards.
            for name in (VERIFIER_KEY_FILE, CHECKPOINT_FILE):
                create_private(draft / name, (folder / name).read_text("utf-8"))
            keyring, keys = sqlite.copy(folder / STORE_FILE, draft / STORE_FILE, keys_of)
            head = _verified(draft, keyring)
            digest = digest_of_file(draft / STORE_FILE)
            create_private(draft / MANIFEST_FILE, write_manifest(head, digest, now))
            for name, content in keys.items():
                create_private(draft / name, content)
            sync_folder(draft)
        sync_folder(to.parent)
    except (OSError, SQLAlchemyError, UnicodeDecodeError) as error:
        raise _failed() from error
    return Backup(head, digest, tuple(keys))


def restore(source: Path, folder: Path, *, now: datetime) -> Path | None:
    """Put the store of a backup in place; the one that lies there is set aside with its WAL.

    Keys, anchor and signed checkpoint stay as they are. Where they have seen more than the
    backup holds, the service goes on refusing until the loss is put on record (`recovery`).

    Returns:
        Where the replaced store lies now; None if there was none.

    Raises:
        StoreRefusedError: There is no backup, it is not what its manifest says, a process
            holds the folder, or the disk fails.
    """
    _refuse_server(folder)
    refuse_missing(source)
    if digest_of_file(source / STORE_FILE) != manifest_digest(source):
        raise _changed()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(folder / sqlite.LOCK_FILE)
    draft = folder / f"{STORE_FILE}.draft"
    try:
        draft.unlink(missing_ok=True)
        draft.touch(0o600)
        shutil.copyfile(source / STORE_FILE, draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        aside = _set_aside(folder, now)
        draft.rename(folder / STORE_FILE)
        (folder / MARK).unlink(missing_ok=True)  # no trail is being made here any more
        sync_folder(folder)
    except OSError as error:
        raise _failed() from error
    finally:
        draft.unlink(missing_ok=True)
        lock.release()
    return aside


def _verified(draft: Path, keyring: Keyring | None) -> Checkpoint:
    """The head of the copy, once everything in it was derived again from its entries."""
    found = derive_at(draft, keys=keyring)
    if found.problems:
        raise _unsound(found.problems[0])
    return found.derived


def _encrypted_keys(folder: Path, reader: x25519.Recipient) -> dict[str, str]:
    names = [MASTER_KEY_FILE, SIGNING_KEY_FILE]
    if (folder / NEXT_MASTER_KEY_FILE).exists():  # while it is being renewed, both open the store
        names.append(NEXT_MASTER_KEY_FILE)
    plain = {name: read_private(folder / name) for name in names}
    return {
        f"{name}.age": encrypt(f"{key}\n".encode(), [reader], armored=True).decode()
        for name, key in plain.items()
    }


def _set_aside(folder: Path, now: datetime) -> Path | None:
    """Move the store away together with its WAL, which would spoil the other."""
    found = [folder / f"{STORE_FILE}{suffix}" for suffix in ("", "-wal", "-shm")]
    found = [path for path in found if path.exists()]
    if not found:
        return None
    aside = folder / f"replaced-{now:%Y%m%dT%H%M%S}"
    aside.mkdir(mode=0o700)
    for path in found:
        path.rename(aside / path.name)
    return aside


def _refuse_server(folder: Path) -> None:
    if (folder / DATABASE_FILE).exists():
        raise StoreRefusedError(
            "the entries are in a database, which its server's own tools copy and put back",
            zh="记录在数据库中：请用 `pg_basebackup`（连同归档日志）或 `pg_dump` 备份与恢复；"
            "恢复后若少于锚所见，服务会拒绝启动，再用 `miaopi audit recover --reason`",
            reason="COPY_ELSEWHERE",
            hint="Use `pg_basebackup` with archived WAL, or `pg_dump`; should less be restored than"
            " the anchor has seen, the service refuses until `miaopi audit recover --reason`.",
        )


def _exists(to: Path) -> StoreRefusedError:
    return StoreRefusedError(
        f"`{to.name}` is there already",
        zh=f"`{to.name}` 已存在；请另指一个尚不存在的目录，备份绝不覆盖",
        reason="BACKUP_EXISTS",
        hint="Name a folder that is not there yet; nothing is ever overwritten.",
    )


def _failed() -> StoreRefusedError:
    return StoreRefusedError(
        "the disk, or the store, failed while it was copied",
        zh="复制时磁盘或记录库出错，未留下半份；请检查磁盘空间与权限后重试",
        reason="COPY_FAILED",
        hint="Look at the disk's space and permissions, then try again; no half copy is left.",
    )


def _unsound(first: Problem) -> StoreRefusedError:
    return StoreRefusedError(
        f"the copy does not follow from its entries: {first.line}",
        zh=f"副本与其记录不符（{first.zh_line}），未留下；请先对原库运行 `miaopi audit verify`",
        reason="STORE_DAMAGED",
        hint="Run `miaopi audit verify` on the store itself; the copy was not kept.",
    )


def _changed() -> StoreRefusedError:
    return StoreRefusedError(
        "the backup is not what its manifest says, or there is no manifest",
        zh="备份与其清单不符，或没有清单；请另用一份备份",
        reason="BACKUP_CHANGED",
        hint="Use another backup: this one was changed, or is none.",
    )
