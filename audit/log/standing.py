"""How a log stands: its store, and what key, anchor and signed checkpoint say of it.

Whatever speaks against opening it is found at once, so that a service can refuse, a recovery can
put it on record, and a look from outside can tell it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError, TamperedError
from audit.log import store
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint, Signer, Verifier
from audit.log.files import invalid_key, read_private
from audit.log.merkle import frontier_of
from audit.log.tiles import TiledNodes

SIGNING_KEY_FILE = "signing.key"
VERIFIER_KEY_FILE = "verifier.key"
ANCHOR_FILE = "anchor"
CHECKPOINT_FILE = "checkpoint"

Seen = TypeVar("Seen")


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
        against: Everything that forbids to open it.
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
    # What testifies is read before the store: a running service moves it on only afterwards.
    note, verifier_key = (_text(folder / name) for name in (CHECKPOINT_FILE, VERIFIER_KEY_FILE))
    verifier_key = verifier_key.removesuffix("\n")
    anchored = _try(Anchor(anchor).read, against)
    head = _try(lambda: store.read_head(connection), against)
    tree = None if head is None else _try(lambda: store.load_tree(connection, head), against)
    origin = None if head is None else head.origin
    signer = _try(lambda: read_signer(folder / SIGNING_KEY_FILE, origin), against)
    if signer is not None and verifier_key not in {"", signer.verifier_key}:
        against.append(_two_keys())
    signed = _signed(note, verifier_key or ("" if signer is None else signer.verifier_key))
    if head is not None and tree is not None:
        told = {"anchor": anchored, "signed checkpoint": signed}
        against += _try(lambda: _contradictions(connection, head, told), against) or []
    return Standing(head, signer, anchored, signed, note, verifier_key, tuple(against))


def sound(connection: Connection, folder: Path, anchor: Path) -> tuple[Signer, Checkpoint]:
    """The signing key and the anchored checkpoint of a log that nothing speaks against.

    Raises:
        StoreRefusedError: Something does; the first of it.
    """
    standing = examine(connection, folder, anchor)
    if standing.against:
        raise standing.against[0]
    assert standing.signer is not None  # noqa: S101  # else something spoke against it
    assert standing.anchored is not None  # noqa: S101  # likewise
    return standing.signer, standing.anchored


def _try(look: Callable[[], Seen], against: list[StoreRefusedError]) -> Seen | None:
    """What is to be seen; or None, and one thing more that speaks against it."""
    try:
        return look()
    except StoreRefusedError as refusal:
        against.append(refusal)
    except SQLAlchemyError:
        against.append(store.unreadable())
    except (LookupError, TypeError, ValueError, AttributeError):
        against.append(store.damaged())
    return None


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
