"""Verifies an export of a decision trail, by `export.md` alone; nothing of Miaopi is used.

python verify_export.py FOLDER [--key ORIGIN+ID+KEY] [--receipt FILE]

Needs Python 3.11 and `cryptography`. Exits with 1 and the first thing that is wrong.
"""

import argparse
import base64
import hashlib
import hmac
import json
import re
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha256(*parts: bytes) -> bytes:
    """SHA-256 of all parts together."""
    return hashlib.sha256(b"".join(parts)).digest()


def demand(holds: bool, what: str) -> None:
    """Go on if it holds; else say what is wrong, and end."""
    if not holds:
        sys.exit(f"WRONG: {what}")


# ── section 2: the checkpoint ────────────────────────────────────────────────────────────────────


def open_checkpoint(note: str, key: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a signed note, if that key signed it."""
    name, key_id, encoded = key.strip().split("+", 2)
    typed = base64.b64decode(encoded, validate=True)
    demand(typed[0] == 1, "the public key is not Ed25519")
    demand(sha256(name.encode(), b"\n", typed)[:4].hex() == key_id, "the key's id is not its own")
    text, signatures = note.split("\n\n", 1)
    text += "\n"
    for line in signatures.splitlines():
        dash, who, signature = line.split(" ")
        signed = base64.b64decode(signature, validate=True)
        if (dash, who, signed[:4].hex()) == ("\u2014", name, key_id):
            try:
                Ed25519PublicKey.from_public_bytes(typed[1:]).verify(signed[4:], text.encode())
            except InvalidSignature:
                continue
            origin, size, root = text.splitlines()
            demand(origin == name, "the checkpoint is of another log")
            return origin, int(size), base64.b64decode(root, validate=True)
    sys.exit("WRONG: the checkpoint is not signed by the key")


# ── section 3: entries and tiles ─────────────────────────────────────────────────────────────────


def path(level: object, position: int, count: int) -> str:
    """Where a tile or bundle of so many lies."""
    digits = f"{position:,}".split(",")
    groups = [f"x{int(group):03}" for group in digits[:-1]] + [f"{int(digits[-1]):03}"]
    return f"tile/{level}/{'/'.join(groups)}" + (f".p/{count}" if count < 256 else "")


def bundle(folder: Path, position: int, count: int) -> list[bytes]:
    """The entries of a bundle."""
    content = (folder / path("entries", position, count)).read_bytes()
    entries = []
    while content:
        length = int.from_bytes(content[:2], "big")
        entries.append(content[2 : 2 + length])
        content = content[2 + length :]
    demand(len(entries) == count, f"bundle {position} has not {count} entries")
    return entries


def root_of(hashes: list[bytes]) -> bytes:
    """The Merkle tree hash of RFC 6962 section 2.1, over hashes of leaves or of full subtrees."""
    if not hashes:
        return sha256()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01", root_of(hashes[:split]), root_of(hashes[split:]))


def verify_tiles(folder: Path, size: int) -> tuple[bytes, set[str]]:
    """The root that follows from the entries, and the releases that they name."""
    named, level, row = set(), 0, []
    for position in range(-(-size // 256)):
        entries = bundle(folder, position, min(256, size - 256 * position))
        named |= {json.loads(one)["permanent"].get("release_digest", "") for one in entries}
        hashes = [sha256(b"\x00", one) for one in entries]
        stored = (folder / path(0, position, len(hashes))).read_bytes()
        demand(stored == b"".join(hashes), f"tile 0/{position} is not of its entries")
        row.append(root_of(hashes))
    rest = row.pop() if size % 256 else None
    while row:  # ``row`` holds the roots of full subtrees, ``rest`` that of what is right of them
        level += 1
        tiles = [row[i : i + 256] for i in range(0, len(row), 256)]
        for position, hashes in enumerate(tiles):
            stored = (folder / path(level, position, len(hashes))).read_bytes()
            demand(stored == b"".join(hashes), f"tile {level}/{position} is not of those below")
        if len(tiles[-1]) < 256:
            part = tiles.pop()
            rest = joined(part, rest)
        row = [root_of(hashes) for hashes in tiles]
    return sha256() if rest is None else rest, named - {""}


def joined(full: list[bytes], rest: bytes | None) -> bytes:
    """The root over full subtrees of one size and what is right of them, which is smaller."""
    return root_of(full) if rest is None else root_of([*full, rest])


# ── section 4: releases; section 5: receipts ─────────────────────────────────────────────────────


def verify_release(folder: Path, digest: str) -> None:
    """Hold a release against its name."""
    demand(re.fullmatch("[0-9a-f]{64}", digest) is not None, "a release has no digest for a name")
    content = (folder / "releases" / f"{digest}.json").read_bytes()
    demand(sha256(content).hex() == digest, f"release {digest} is not what its name says")


def verify_receipt(folder: Path, text: str, key: str) -> None:
    """Hold a receipt against its proof, what it opens, and the export."""
    receipt = json.loads(text)
    leaf = base64.b64decode(receipt["entry"], validate=True)
    head, note = receipt["proof"].split("\n\n", 1)
    version, index, *hashes = head.splitlines()
    demand(version == "c2sp.org/tlog-proof@v1", "the proof is of another version")
    _, size, root = open_checkpoint(note, key)
    at, last, found = int(index.removeprefix("index ")), size - 1, sha256(b"\x00", leaf)
    demand(at <= last, "the proof is of an entry beyond its checkpoint")
    place = at
    for sibling in (base64.b64decode(one, validate=True) for one in hashes):
        demand(last > 0, "the proof is too long")
        if at % 2 or at == last:
            found = sha256(b"\x01", sibling, found)
            while at % 2 == 0 and at:
                at, last = at // 2, last // 2
        else:
            found = sha256(b"\x01", found, sibling)
        at, last = at // 2, last // 2
    demand(last == 0 and found == root, "the proof does not lead to the checkpoint")
    for name in ("subject", "notice"):
        own = base64.b64decode(receipt[f"{name}_key"], validate=True)
        mac = hmac.digest(own, receipt[name].encode(), "sha256").hex()
        demand(mac == json.loads(leaf)[f"{name}_commitment"], f"the {name} is not the entry's")
    position, offset = divmod(place, 256)
    _, exported, _ = open_checkpoint((folder / "checkpoint").read_text(), key)
    if place < exported:
        held = bundle(folder, position, min(256, exported - 256 * position))[offset]
        demand(held == leaf, f"the export holds another entry at {place} than the receipt")


def main() -> None:
    """Check a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key", help="the log's public key as the authority publishes it")
    parser.add_argument("--receipt", type=Path, help="a receipt to hold against the export")
    given = parser.parse_args()
    key = given.key or (given.folder / "verifier.key").read_text()
    origin, size, root = open_checkpoint((given.folder / "checkpoint").read_text(), key)
    computed, named = verify_tiles(given.folder, size)
    demand(computed == root, "the entries are not those of the checkpoint")
    for digest in named:
        verify_release(given.folder, digest)
    if given.receipt:
        verify_receipt(given.folder, given.receipt.read_text(), key)
    print(f"OK: {origin}, {size} entries, {len(named)} releases, root {root.hex()}")


if __name__ == "__main__":
    main()
