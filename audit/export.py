"""A copy of the log that anybody can verify without this program: C2SP tlog-tiles, and releases.

The folder holds what is kept for ever and tells nothing about who: no sealed part (but for an
auditor, `disclosure`), no link, no projection, no secret key. ``docs/export.md`` specifies it.

Every tile is computed from the entries
as they are written, so what is exported has been verified.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from audit.disclosure import Disclosed, disclose
from audit.errors import StoreRefusedError
from audit.log import connections, store
from audit.log.checkpoint import Checkpoint, Verifier
from audit.log.files import refuse_exported, whole_folder
from audit.log.log import refuse_missing
from audit.log.merkle import HASH_BYTES, Frontier, leaf_hash
from audit.log.standing import CHECKPOINT_FILE, VERIFIER_KEY_FILE
from audit.log.tiles import WIDTH, Tree, bundle_entries, tile_path
from audit.note import to_base64
from audit.trail.canonical import encode
from audit.trail.entries import time_text
from audit.trail.layout import (
    EARLIER_KEYS_FILE,
    EXPORT_FILE,
    EXPORT_SCHEMA,
    READ_ME,
    READ_ME_FILE,
    RELEASE_DIGEST,
    RELEASES_FOLDER,
)
from audit.trail.projections import ARCHIVE, content_of
from audit.trail.recoveries import read_recoveries
from audit.trail.unsealing import read_keyring


@dataclass(frozen=True, slots=True)
class Export:
    """What was written.

    Attributes:
        head: What the signed checkpoint says: so far the export goes.
        releases: How many archived releases went along.
        unsigned: Entries of the store beyond the checkpoint, which were left out.
        disclosed: The sealed parts that went along; None if none had to.
    """

    head: Checkpoint
    releases: int
    unsigned: int
    disclosed: Disclosed | None


def export(folder: Path, to: Path, *, now: datetime, disclosure: int | None = None) -> Export:
    """Write everything that is kept for ever, up to the newest signed checkpoint.

    Works beside the running service, on one read-only snapshot, a tile at a time; the folder gets
    its name only when it is whole.

    Args:
        to: A folder that is not there yet.
        disclosure: Index of the entry that puts on record which sealed parts go along, and to
            whom; None leaves all out.

    Raises:
        StoreRefusedError: There is no store, or something where the export shall go; the store or
            the disk fails; the signed checkpoint does not follow from the entries; or as
            `disclosure.disclose`.
        TamperedError: The checkpoint is not signed by the key that lies beside it, or a sealed
            part is not what was recorded.
    """
    refuse_missing(folder)
    refuse_exported(to)
    try:
        with whole_folder(to) as draft:
            # What testifies is read before the store: a running service moves it on only
            # afterwards.
            key = (folder / VERIFIER_KEY_FILE).read_text("utf-8").strip()
            note = (folder / CHECKPOINT_FILE).read_text("utf-8")
            signed = Verifier(key).open(note)
            done = connections.at(folder).look(
                lambda c: _export(c, draft, signed, folder=folder, disclosure=disclosure)
            )
            _write(draft / CHECKPOINT_FILE, note.encode())
            _write(draft / VERIFIER_KEY_FILE, f"{key}\n".encode())
            _write(draft / READ_ME_FILE, READ_ME.encode())
            _write(draft / EXPORT_FILE, _manifest(done, now))
            os.sync()
    except (OSError, SQLAlchemyError, UnicodeDecodeError) as error:
        raise _failed() from error
    return done


def write_tiles(folder: Path, bundles: Iterable[Sequence[bytes]]) -> Tree:
    """Write entries, and the tiles that follow from them; returns the edge of their tree.

    Args:
        bundles: The entries, `WIDTH` at a time; only the last may be fewer.
    """
    tree = Tree(Frontier(), [])
    for position, leaves in enumerate(bundles):
        _write(folder / tile_path("entries", position, len(leaves)), bundle_entries(leaves))
        for tile in tree.grow(map(leaf_hash, leaves)):
            _write(folder / tile_path(tile.level, tile.position), tile.hashes)
    for level, position, hashes in tree.unfinished():
        _write(folder / tile_path(level, position, len(hashes) // HASH_BYTES), hashes)
    return tree


def _export(
    connection: Connection, draft: Path, signed: Checkpoint, *, folder: Path, disclosure: int | None
) -> Export:
    head = store.read_head(connection)
    # What opens the store now: a renewal may end while it is exported.
    keyring = None if disclosure is None else read_keyring(folder, connection)
    tree = write_tiles(draft, _bundles(connection, signed.size))
    if (head.origin, tree.size, tree.frontier.root()) != (signed.origin, signed.size, signed.root):
        raise store.damaged()
    _earlier_keys(connection, draft)
    disclosed = None
    if disclosure is not None and keyring is not None:
        disclosed = disclose(connection, keyring, draft, disclosure, signed_size=signed.size)
    return Export(signed, _releases(connection, draft), head.size - signed.size, disclosed)


def _bundles(connection: Connection, size: int) -> Iterator[list[bytes]]:
    """The permanent bytes of the first ``size`` entries, as many at a time as a tile has hashes."""
    entries = store.ENTRIES.c
    for start in range(0, size, WIDTH):
        within = (entries.idx >= start) & (entries.idx < min(start + WIDTH, size))
        query = select(entries.leaf).where(within).order_by(entries.idx)
        yield [bytes(leaf) for leaf in connection.execute(query).scalars()]


def _releases(connection: Connection, draft: Path) -> int:
    """Write the archived releases under their digests; returns how many there are."""
    written = 0
    for digest in connection.execute(select(ARCHIVE.c.digest)).scalars().all():
        row = content_of(connection, digest)
        if row is None or not re.fullmatch(RELEASE_DIGEST, digest):
            continue  # archived under another kind of name: no release
        if sha256(row["content"]).hexdigest() != digest:
            raise _changed(digest)
        _write(draft / RELEASES_FOLDER / f"{digest}.json", row["content"])
        written += 1
    return written


def _earlier_keys(connection: Connection, draft: Path) -> None:
    """Write the public keys from before recoveries: old receipts verify with those."""
    try:
        keys = [one.old_verifier_key for one in read_recoveries(connection) if one.old_verifier_key]
    except ValueError:
        raise store.damaged() from None
    if keys:
        lines = "".join(f"{key}\n" for key in dict.fromkeys(keys))
        _write(draft / EARLIER_KEYS_FILE, lines.encode())


def _manifest(done: Export, now: datetime) -> bytes:
    return encode(
        {
            "schema": EXPORT_SCHEMA,
            "time": time_text(now),
            "origin": done.head.origin,
            "size": done.head.size,
            "root": to_base64(done.head.root),
            "releases": done.releases,
        }
    )


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _failed() -> StoreRefusedError:
    return StoreRefusedError(
        "the disk, or the store, failed while it was exported",
        zh="导出时磁盘或记录库出错，未留下半份；请检查磁盘空间与权限，以及库旁的 `checkpoint` 和"
        " `verifier.key`，然后重试",
        reason="COPY_FAILED",
        hint="Look at the disk's space and permissions, and at `checkpoint` and `verifier.key`"
        " beside the store, then try again; no half export is left.",
    )


def _changed(digest: str) -> StoreRefusedError:
    return StoreRefusedError(
        f"the archived release `{digest}` is not what was put there",
        zh=f"存档的发布 `{digest}` 已非存入时的原样，未导出；请先用 `miaopi audit verify` 查明",
        reason="STORE_DAMAGED",
        hint="Run `miaopi audit verify` on the store itself; nothing was exported.",
    )
