"""How a log stands: its store, and what key, anchor and signed checkpoint say of it.

Whatever speaks against opening it is found at once, so that a service can refuse, a recovery can
put it on record, and a look from outside can tell it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from audit.errors import StoreRefusedError, TamperedError
from audit.log import store
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint, Signer, Verifier
from audit.log.files import invalid_key, read_private
from audit.log.merkle import frontier_of
from audit.log.tiles import TiledNodes

STORE_FILE = "store.sqlite"
SIGNING_KEY_FILE = "signing.key"
VERIFIER_KEY_FILE = "verifier.key"
ANCHOR_FILE = "anchor"
CHECKPOINT_FILE = "checkpoint"
LOCK_FILE = "lock"


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found.

    Attributes:
        head: What the store says that its log is; None if it cannot be read.
        signer: None if the signing key is missing, unusable or another log's.
        anchored: What the anchor says; None if it is missing or unreadable.
        signed: The newest checkpoint of this log that its key signed; None if there is none.
        note: The text of ``signed``; else of whatever lies there.
        verifier_key: The public key that lies in the folder; empty if none does.
        against: Everything that forbids to open it, the gravest first.
    """

    head: Checkpoint | None
    signer: Signer | None
    anchored: Checkpoint | None
    signed: Checkpoint | None
    note: str
    verifier_key: str
    against: tuple[StoreRefusedError, ...]


def examine(connection: Connection, folder: Path, anchor: Path) -> Standing:
    """Look at everything that a log is opened with; writes nothing."""
    against: list[StoreRefusedError] = []
    head, signer, anchored, sound = None, None, None, False
    try:
        head = store.read_head(connection)
        store.load_tree(connection, head)
        sound = True
    except StoreRefusedError as refusal:
        against.append(refusal)
    try:
        signer = read_signer(folder / SIGNING_KEY_FILE, None if head is None else head.origin)
    except StoreRefusedError as refusal:
        against.append(refusal)
    try:
        anchored = Anchor(anchor).read()
    except StoreRefusedError as refusal:
        against.append(refusal)
    verifier_key, note = (_text(folder / name) for name in (VERIFIER_KEY_FILE, CHECKPOINT_FILE))
    verifier_key = verifier_key.removesuffix("\n")
    if signer is not None and verifier_key not in {"", signer.verifier_key}:
        against.append(_two_keys())
    signed = _signed(note, verifier_key or ("" if signer is None else signer.verifier_key))
    if head is not None and sound:
        told = {"anchor": anchored, "signed checkpoint": signed}
        against += _contradictions(connection, head, told)
    return Standing(head, signer, anchored, signed, note, verifier_key, tuple(against))


def read_signer(path: Path, origin: str | None) -> Signer:
    """The signing key of the log of that name; None takes that of any.

    Raises:
        StoreRefusedError: It is missing, exposed, or not that log's.
    """
    try:
        signer = Signer(read_private(path))
    except ValueError:
        raise invalid_key(path) from None
    if origin not in {None, signer.origin}:
        raise invalid_key(path)
    return signer


def _contradictions(
    connection: Connection, head: Checkpoint, told: Mapping[str, Checkpoint | None]
) -> list[StoreRefusedError]:
    """Who saw the log otherwise than the store says it was."""
    found = []
    nodes = TiledNodes(store.tile_reader(connection))
    for name, seen in told.items():
        if seen is None:
            continue
        if seen.origin != head.origin:
            found.append(_foreign(head, seen))
        elif head.size < seen.size:
            found.append(_behind(head, name, seen))
        elif frontier_of(seen.size, nodes).root() != seen.root:
            found.append(_forked(name, seen))
    return found


def _signed(note: str, verifier_key: str) -> Checkpoint | None:
    """What the signed checkpoint says; nothing if it is not this log's (it is never synced)."""
    try:
        return Verifier(verifier_key).open(note)
    except TamperedError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


_ZH = {"anchor": "锚", "signed checkpoint": "已签检查点"}


def _behind(head: Checkpoint, name: str, seen: Checkpoint) -> StoreRefusedError:
    return StoreRefusedError(
        f"the store has {head.size} entries, its {name} has seen {seen.size}",
        zh=f"记录库只有 {head.size} 条，而{_ZH[name]}已见过 {seen.size} 条：这是旧备份，"
        "或末尾已丢失；"
        "请放回最新的记录库，或用 `miaopi audit recover --reason` 依规申明损失",
        reason="STORE_BEHIND_ANCHOR" if name == "anchor" else "STORE_BEHIND_CHECKPOINT",
        hint="This is an old backup, or its end is lost: put the newest store back, or declare"
        " the loss with `miaopi audit recover --reason`.",
    )


def _forked(name: str, seen: Checkpoint) -> StoreRefusedError:
    return StoreRefusedError(
        f"the first {seen.size} entries of the store are not those its {name} has seen",
        zh=f"记录库前 {seen.size} 条与{_ZH[name]}所见不符：这是另一分叉，或已被改写；"
        "请放回正确的记录库，或用 `miaopi audit recover --reason` 依规申明损失",
        reason="STORE_FORKED",
        hint="This is another store, or one that was rewritten: put the right one back, or"
        " declare the loss with `miaopi audit recover --reason`.",
    )


def _foreign(head: Checkpoint, seen: Checkpoint) -> StoreRefusedError:
    return StoreRefusedError(
        f"the store is that of `{head.origin}`, what lies beside it is that of `{seen.origin}`",
        zh=f"记录库属于 `{head.origin}`，旁边的文件属于 `{seen.origin}`；请把各自的文件放回原处",
        reason="STORE_FOREIGN",
        hint="Put the files of one log together again; nothing can be recovered from a mixture.",
    )


def _two_keys() -> StoreRefusedError:
    return StoreRefusedError(
        "`verifier.key` is not the public half of `signing.key`",
        zh="`verifier.key` 与 `signing.key` 不是一对；请放回各自的备份，"
        "私钥确已丢失则移走它再用 `miaopi audit recover --reason`",
        reason="KEYS_DIFFER",
        hint="Put both back from their backup; if the signing key is lost for good, take the wrong"
        " one away and run `miaopi audit recover --reason`.",
    )
