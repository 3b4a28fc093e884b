"""Opening what a store has sealed: needs its master key, and never writes."""

from pathlib import Path

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError, TamperedError
from audit.log.checkpoint import from_base64
from audit.log.files import invalid_key, read_private
from audit.log.store import damaged
from audit.trail.entries import Leaf
from audit.trail.projections import SEALED, SERVICE_KEYS, SUBJECT_KEYS
from audit.trail.seal import Keyring, Unsealed

MASTER_KEY_FILE = "master.key"
NEXT_MASTER_KEY_FILE = "master.key.next"
"""There while the master key is being renewed (`master`)."""

TAG_KEY = "tag"


def read_keyring(folder: Path, connection: Connection) -> Keyring:
    """The keyring of the trail in that folder, even if the renewal of its master was cut short.

    Raises:
        StoreRefusedError: The master key is missing, or that of another trail, or the store
            has no key for tags.
    """
    try:
        return _keyring(folder / MASTER_KEY_FILE, connection)
    except StoreRefusedError:
        if not (folder / NEXT_MASTER_KEY_FILE).exists():
            raise
        return _keyring(folder / NEXT_MASTER_KEY_FILE, connection)


def _keyring(path: Path, connection: Connection) -> Keyring:
    tag_key = select(SERVICE_KEYS.c.wrapped).where(SERVICE_KEYS.c.name == TAG_KEY)
    try:
        return Keyring(from_base64(read_private(path)), connection.execute(tag_key).scalar_one())
    except (ValueError, TamperedError):
        raise invalid_key(path) from None
    except SQLAlchemyError:
        raise damaged() from None


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
