"""What a backup says of itself, so that it can be told from a store and from another file."""

from datetime import datetime
from hashlib import file_digest
from pathlib import Path

from audit.log.checkpoint import Checkpoint
from audit.note import to_base64
from audit.trail.canonical import decode, encode
from audit.trail.entries import time_text

MANIFEST_FILE = "backup.json"
_SCHEMA = "miaopi.backup/1"


def write_manifest(head: Checkpoint, digest: str, now: datetime) -> str:
    """The text of the manifest.

    Args:
        digest: Of the store's file (`digest_of_file`).
    """
    return encode(
        {
            "schema": _SCHEMA,
            "time": time_text(now),
            "origin": head.origin,
            "size": head.size,
            "root": to_base64(head.root),
            "sha256": digest,
        }
    ).decode()


def manifest_digest(folder: Path) -> str | None:
    """The digest that a backup's store had when it was made; None if this is no backup."""
    try:
        manifest = decode((folder / MANIFEST_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    digest = manifest.get("sha256")
    return digest if manifest.get("schema") == _SCHEMA and isinstance(digest, str) else None


def digest_of_file(path: Path) -> str:
    """SHA-256 in hexadecimal. Never of a store in use: closing it would drop SQLite's locks."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
