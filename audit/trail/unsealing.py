"""Opening what a store has sealed: needs its master key, and never writes."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError, TamperedError
from audit.log.files import invalid_key, read_private
from audit.log.store import damaged
from audit.note import from_base64
from audit.trail.entries import Leaf
from audit.trail.projections import SEALED, SERVICE_KEYS, SUBJECT_KEYS
from audit.trail.seal import Keyring, Unsealed

MASTER_KEY_FILE = "master.key"
NEXT_MASTER_KEY_FILE = "master.key.next"
"""There while the master key is being renewed (`master`)."""

TAG_KEY, FOLLOWING_TAG_KEY = "tag", "tag.following"
"""The one key for tags, wrapped under the master key, and, while that is being renewed, also under
the one that follows it."""

_TRIES = 3
"""One file may take the other's place between two looks at them."""


def read_keyring(folder: Path, connection: Connection) -> Keyring:
    """The keyring of the trail in that folder, also while its master is being renewed.

    Raises:
        StoreRefusedError: A master key is missing, or that of another trail, or the store has no
            key for tags.
    """
    try:
        keys = dict(connection.execute(select(SERVICE_KEYS.c.name, SERVICE_KEYS.c.wrapped)).all())
    except SQLAlchemyError:
        raise damaged() from None
    for _ in range(_TRIES):
        found = _masters(folder)
        if (keyring := _keyring(keys, found)) is not None:
            return keyring
    path = folder / MASTER_KEY_FILE
    read_private(path)
    if TAG_KEY not in keys:
        raise damaged()
    if FOLLOWING_TAG_KEY in keys:
        read_private(folder / NEXT_MASTER_KEY_FILE)
    raise invalid_key(path)


def _masters(folder: Path) -> tuple[bytes, ...]:
    """The keys that lie in the folder, as far as they can be read."""
    found = []
    for name in (MASTER_KEY_FILE, NEXT_MASTER_KEY_FILE):
        with suppress(StoreRefusedError, ValueError):
            found.append(from_base64(read_private(folder / name)))
    return tuple(found)


def _keyring(keys: Mapping[str, bytes], masters: Sequence[bytes]) -> Keyring | None:
    """The keyring, if what is needed for it is there."""
    following = None
    if (wrapped := keys.get(FOLLOWING_TAG_KEY)) is not None:
        following = next((one for one in masters if _opens(one, wrapped)), None)
        if following is None:
            return None
    for master in masters:
        with suppress(*_NO_KEY):
            keyring = Keyring(master, keys.get(TAG_KEY, b""))
            return keyring if following is None else keyring.followed_by(following)
    return None


def _opens(master: bytes, wrapped_tag_key: bytes) -> bool:
    try:
        Keyring(master, wrapped_tag_key)
    except _NO_KEY:
        return False
    return True


_NO_KEY = (TamperedError, ValueError, TypeError)
"""What opening a key raises that is none, or (SQLite allows it) is of another type."""


def sealed_row(connection: Connection, index: int) -> RowMapping | None:
    """The sealed part of an entry with its subject key, as stored; None if it is erased."""
    sealed, keys = SEALED, SUBJECT_KEYS
    query = (
        select(sealed, keys.c.wrapped.label("wrapped_subject_key"))
        .join(keys, keys.c.id == sealed.c.subject_key_id)
        .where(sealed.c.idx == index)
    )
    return connection.execute(query).mappings().one_or_none()


def unseal(keyring: Keyring, leaf: bytes, row: RowMapping) -> Unsealed:
    """Open what `sealed_row` found.

    Raises:
        TamperedError: It cannot be opened.
    """
    return keyring.unseal(
        Leaf.decode(leaf).id,
        subject_key_id=row["subject_key_id"],
        wrapped_subject_key=row["wrapped_subject_key"],
        wrapped_key=row["wrapped_key"],
        content=row["content"],
    )
