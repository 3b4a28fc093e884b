"""Giving a trail a new master key, while no service holds it.

What was erased can still be opened with an older backup and the master key of its day. So the
master key is renewed, best daily and after every erasure: every living key is wrapped anew, and the
old master key is destroyed.
"""

import secrets
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError
from audit.log import connections
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint
from audit.log.files import replace
from audit.log.log import refuse_missing
from audit.log.standing import ANCHOR_FILE, CHECKPOINT_FILE, sound
from audit.log.store import read_head
from audit.trail.entries import Entry
from audit.trail.master import prepare_next, rewrap, settle
from audit.trail.offline import append
from audit.trail.seal import KEY_BYTES, Keyring
from audit.trail.unsealing import MASTER_KEY_FILE, read_keyring

KEY_TYPE = "key/1"
KEY_KEY = "key"
"""The opaque key whose newest entry is the newest change of a key."""


def renew(folder: Path, *, now: datetime, anchor: Path | None = None) -> int:
    """Renew the master key; on record as ``key/1``.

    Args:
        anchor: Where the anchor lies; by default in the folder.

    Returns:
        Index of its entry.

    Raises:
        StoreRefusedError: A process holds the store, it must not be opened as it is, or the
            disk failed; then the store is as it was, or finishes by itself when it is opened.
    """
    refuse_missing(folder)
    place = anchor or folder / ANCHOR_FILE
    try:
        with connections.at(folder).alone() as connection:
            with connection.begin():
                signer, anchored = sound(connection, folder, place)
                settle(folder, read_keyring(folder, connection))
                head, keyring = _renew(connection, folder, now)
            settle(folder, keyring)
            Anchor(place).advance(anchored, head)
            replace(folder / CHECKPOINT_FILE, signer.sign(head), durable=True)
    except (OSError, SQLAlchemyError) as error:
        raise _unfinished() from error
    return head.size - 1


def _renew(connection: Connection, folder: Path, now: datetime) -> tuple[Checkpoint, Keyring]:
    """Wrap every key anew and append the entry of it, in the caller's transaction."""
    master = secrets.token_bytes(KEY_BYTES)
    prepare_next(folder, master)
    keyring = rewrap(connection, read_keyring(folder, connection), master)
    entry = Entry(KEY_TYPE, str(uuid4()), now, {"renewed": MASTER_KEY_FILE}, {})
    return append(connection, read_head(connection), keyring, entry, key=KEY_KEY), keyring


def _unfinished() -> StoreRefusedError:
    return StoreRefusedError(
        "the disk failed before the master key was renewed",
        zh="磁盘出错，主密钥未更换完毕；请检查磁盘后启动服务或再次运行，记录与密钥均未丢失",
        reason="RENEWAL_UNFINISHED",
        hint="Look at the disk, then start the service or run it again; nothing is lost.",
    )
