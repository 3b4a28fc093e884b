"""Putting a new master key in the place of the old one, so that no crash in between loses both.

The new key lies in a file of its own before the store is written under it, and takes the old
one's place only afterwards. Whichever of the two opens the store is the one that counts.
"""

import os
from pathlib import Path

from sqlalchemy import Connection, bindparam, select, update

from audit.errors import StoreRefusedError, TamperedError
from audit.log.checkpoint import from_base64, to_base64
from audit.log.files import create_private, read_private, sync_folder
from audit.trail.projections import SERVICE_KEYS, SUBJECT_KEYS
from audit.trail.seal import Keyring
from audit.trail.unsealing import MASTER_KEY_FILE, NEXT_MASTER_KEY_FILE


def prepare_next(folder: Path, master: bytes) -> None:
    """Write the new key beside the old one, durably."""
    create_private(folder / NEXT_MASTER_KEY_FILE, to_base64(master) + "\n")


def rewrap(connection: Connection, keyring: Keyring, master: bytes) -> Keyring:
    """Wrap every key of the store under the new master; returns the keyring from then on.

    A subject key that does not open, because the master that wrapped it was lost, stays.
    """
    wrapped = connection.execute(select(SUBJECT_KEYS.c.id, SUBJECT_KEYS.c.wrapped))
    renewed = []
    for key_id, old in wrapped:
        try:
            renewed.append({"of": key_id, "anew": keyring.rewrap(master, old, about=key_id)})
        except TamperedError:
            continue
    (tag_key,) = connection.execute(select(SERVICE_KEYS.c.wrapped)).scalars()
    tag_key = keyring.rewrap(master, tag_key, about="tag")
    if renewed:
        one = update(SUBJECT_KEYS).where(SUBJECT_KEYS.c.id == bindparam("of"))
        connection.execute(one.values(wrapped=bindparam("anew")), renewed)
    connection.execute(update(SERVICE_KEYS).values(wrapped=tag_key))
    return Keyring(master, tag_key)


def settle(folder: Path, keyring: Keyring) -> None:
    """Keep the one master key that opens the store, and destroy the other.

    The old key's bytes are overwritten in place first; what a disk keeps of them elsewhere is
    beyond a program.
    """
    path, following = folder / MASTER_KEY_FILE, folder / NEXT_MASTER_KEY_FILE
    if not following.exists():
        return
    if _holds_master_of(keyring, path):
        _overwrite(following)
        following.unlink()
    else:
        if path.exists():
            _overwrite(path)
        following.replace(path)
    sync_folder(folder)


def _holds_master_of(keyring: Keyring, path: Path) -> bool:
    try:
        return keyring.is_under(from_base64(read_private(path)))
    except (StoreRefusedError, ValueError):
        return False  # missing, or half overwritten


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
