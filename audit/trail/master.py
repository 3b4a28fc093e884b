"""Putting a new master key in the place of the old one, so that no crash in between loses either.

The new key lies in a file of its own before anything is wrapped under it. From `begin` to `finish`
the store says that both are needed; before, the old one alone counts, and after, the new one,
whichever file it lies in. `settle` then destroys the other.
"""

import fcntl
import os
import secrets
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, select, update

from audit.errors import StoreRefusedError, TamperedError
from audit.log.files import create_private, read_private, sync_folder
from audit.log.store import insert_rows
from audit.note import from_base64, to_base64
from audit.trail.projections import SERVICE_KEYS, SUBJECT_KEYS
from audit.trail.seal import KEY_BYTES, Keyring
from audit.trail.unsealing import (
    FOLLOWING_TAG_KEY,
    MASTER_KEY_FILE,
    NEXT_MASTER_KEY_FILE,
    TAG_KEY,
    read_keyring,
)

KEY_TYPE = "key/1"
KEY_KEY = "key"
"""The opaque key whose newest entry is the newest change of a key."""


class Seen(NamedTuple):
    """How far the keys of a store were gone through.

    Attributes:
        last: Id of the last one; empty if that was all.
        keys: How many were looked at.
        old: How many of them were wrapped under the old master.
    """

    last: str
    keys: int
    old: int


def begin(connection: Connection, folder: Path) -> Keyring:
    """Make a master key that follows; returns a keyring of both, for once this is committed.

    Nobody else begins meanwhile: it is done in the writer's turn.
    """
    keyring = read_keyring(folder, connection)
    settle(folder, keyring, alone=True)
    master = secrets.token_bytes(KEY_BYTES)
    create_private(folder / NEXT_MASTER_KEY_FILE, to_base64(master) + "\n")
    between = keyring.followed_by(master)
    insert_rows(connection, SERVICE_KEYS, [(FOLLOWING_TAG_KEY, between.wrapped_tag_key())])
    return between


def wrap_some(connection: Connection, keyring: Keyring, *, after: str, most: int) -> Seen:
    """Wrap the next keys of the store under the master that follows.

    A key that opens under neither, because the master that wrapped it was lost, stays.
    """
    seen, renewed = _look(connection, keyring, after, most)
    if renewed:
        one = update(SUBJECT_KEYS).where(SUBJECT_KEYS.c.id == bindparam("of"))
        connection.execute(one.values(wrapped=bindparam("anew")), renewed)
    return seen


def look_at_some(connection: Connection, keyring: Keyring, *, after: str, most: int) -> Seen:
    """Count which of the next keys the old master has still wrapped."""
    return _look(connection, keyring, after, most)[0]


def finish(connection: Connection, keyring: Keyring) -> None:
    """Let the master that follows be the only one; nothing is under the old one any more."""
    tag_key = update(SERVICE_KEYS).where(SERVICE_KEYS.c.name == TAG_KEY)
    connection.execute(tag_key.values(wrapped=keyring.wrapped_tag_key()))
    forget_following(connection)


def forget_following(connection: Connection) -> None:
    """Let no renewal be under way."""
    connection.execute(delete(SERVICE_KEYS).where(SERVICE_KEYS.c.name == FOLLOWING_TAG_KEY))


def settle(folder: Path, keyring: Keyring, *, alone: bool) -> None:
    """Keep the one master key that opens the store, and destroy the other; not between two.

    The old key's bytes are overwritten in place first; what a disk keeps of them elsewhere is
    beyond a program.

    Args:
        alone: Whether nobody else can be about to begin. Else a key that nothing is under stays:
            it may be the one that somebody is just beginning with.
    """
    path, following = folder / MASTER_KEY_FILE, folder / NEXT_MASTER_KEY_FILE
    if keyring.is_between or not following.exists():
        return
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)  # of processes of one machine, one settles
        if not following.exists():
            return
        if _holds_master_of(keyring, following):
            if path.exists():
                _overwrite(path)
            following.replace(path)
        elif alone and _holds_master_of(keyring, path):
            _overwrite(following)
            following.unlink()
        sync_folder(folder)
    finally:
        os.close(place)


def _look(
    connection: Connection, keyring: Keyring, after: str, most: int
) -> tuple[Seen, list[dict[str, object]]]:
    query = select(SUBJECT_KEYS.c.id, SUBJECT_KEYS.c.wrapped).where(SUBJECT_KEYS.c.id > after)
    found = connection.execute(query.order_by(SUBJECT_KEYS.c.id).limit(most)).all()
    renewed: list[dict[str, object]] = []
    for key_id, wrapped in found:
        try:
            anew = keyring.renewed(wrapped, about=key_id)
        except TamperedError:
            continue
        if anew is not None:
            renewed.append({"of": key_id, "anew": anew})
    last = found[-1][0] if len(found) == most else ""
    return Seen(last, len(found), len(renewed)), renewed


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
