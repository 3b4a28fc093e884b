"""The lawful way back when store, keys, anchor and signed checkpoint do not agree.

It appends a `recovery/1` entry and then makes what is beside the store agree with it. The order
matters: entry, keys, anchor, checkpoint. Wherever it is cut short, either the service still
refuses, or the entry is there; so nothing is ever made anew unseen.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection, update
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError
from audit.log import connections
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint, Signer
from audit.log.files import create_private, replace
from audit.log.log import refuse_missing
from audit.log.standing import (
    ANCHOR_FILE,
    CHECKPOINT_FILE,
    SIGNING_KEY_FILE,
    VERIFIER_KEY_FILE,
    Standing,
    examine,
)
from audit.note import to_base64
from audit.trail import Entry, projections
from audit.trail.master import forget_following
from audit.trail.offline import append
from audit.trail.recoveries import RECOVERY_KEY, RECOVERY_TYPE, Recovery, read_recoveries
from audit.trail.seal import KEY_BYTES, Keyring
from audit.trail.unsealing import MASTER_KEY_FILE, TAG_KEY, read_keyring
from audit.verify.derivation import derive

RECOVERABLE = frozenset(
    {
        "KEY_MISSING",
        "KEY_INVALID",
        "ANCHOR_MISSING",
        "ANCHOR_INVALID",
        "STORE_BEHIND_ANCHOR",
        "STORE_BEHIND_CHECKPOINT",
        "STORE_FORKED",
    }
)
"""Reasons to refuse a store that a recovery can put on record and go on from."""

_REASON_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Damage:
    """What a recovery would put on record.

    Attributes:
        head: The log that the store holds: what will be left.
        keyring: None if the master key is lost: no sealed part will ever open again.
        against: Everything that speaks against opening the store.
    """

    head: Checkpoint
    standing: Standing
    keyring: Keyring | None
    against: tuple[StoreRefusedError, ...]

    @property
    def lost_keys(self) -> tuple[str, ...]:
        """Files of keys that will be made anew."""
        lost = {SIGNING_KEY_FILE: self.standing.signer, MASTER_KEY_FILE: self.keyring}
        return tuple(name for name, key in lost.items() if key is None)


def survey(folder: Path, *, anchor: Path | None = None) -> Damage:
    """What is wrong, if it is something that can be recovered from; writes nothing.

    Raises:
        StoreRefusedError: Nothing is wrong (``NOTHING_TO_RECOVER``), or something that no
            recovery mends: the store is missing, unreadable, damaged or another log's.
    """
    refuse_missing(folder)
    place = anchor or folder / ANCHOR_FILE
    return connections.at(folder).look(lambda c: _survey(c, folder, place))


def recover(
    folder: Path, *, reason: str, operator: str, now: datetime, anchor: Path | None = None
) -> Recovery:
    """Put the disagreement on record for ever, and let the service go on from what is left.

    Args:
        reason: Why, for everyone to read for ever; so without personal data.
        operator: The account that does it; as public as the reason.
        anchor: Where the anchor lies; by default in the folder.

    Raises:
        StoreRefusedError: As `survey`; or a process holds the store, entries of it are damaged
            (``STORE_DAMAGED``), or there is no reason (``REASON_INVALID``).
    """
    if not (reason.strip() and len(reason) <= _REASON_CHARACTERS and reason.isprintable()):
        raise _no_reason()
    refuse_missing(folder)
    place = anchor or folder / ANCHOR_FILE
    try:
        with connections.at(folder).alone() as connection:
            with connection.begin():
                damage = _survey(connection, folder, place)
                _refuse_damaged(connection, damage)
                keys = _NewKeys.for_(damage)
                earlier = read_recoveries(connection)
                recovery = _recovery(damage, keys, earlier, (now, reason, operator))
                head = _append(connection, damage, keys, recovery)
            keys.write(folder, recovery)
            Anchor(place).restart(head)
            replace(folder / CHECKPOINT_FILE, keys.signer.sign(head), durable=True)
    except (OSError, SQLAlchemyError) as error:
        raise _unfinished() from error
    return recovery


@dataclass(frozen=True, slots=True)
class _NewKeys:
    """The keys from now on; those with a text are new.

    Attributes:
        tag_key: Wrapped, as the store keeps it; None if the master key is the old one.
    """

    keyring: Keyring
    master: str | None
    tag_key: bytes | None
    signer: Signer
    signing_key: str | None

    @classmethod
    def for_(cls, damage: Damage) -> "_NewKeys":
        signer, signing_key = damage.standing.signer, None
        if signer is None:
            signing_key = Signer.generate(damage.head.origin)
            signer = Signer(signing_key)
        if damage.keyring is not None:
            return cls(damage.keyring, None, None, signer, signing_key)
        master = secrets.token_bytes(KEY_BYTES)
        tag_key = Keyring.new_tag_key(master)
        return cls(Keyring(master, tag_key), to_base64(master), tag_key, signer, signing_key)

    def write(self, folder: Path, recovery: Recovery) -> None:
        """Put new keys in place; what lies there unusable is set aside, never overwritten."""
        if self.signing_key is not None:
            replace(folder / VERIFIER_KEY_FILE, self.signer.verifier_key + "\n", durable=True)
        for name, key in ((SIGNING_KEY_FILE, self.signing_key), (MASTER_KEY_FILE, self.master)):
            if key is None:
                continue
            if (folder / name).exists():
                (folder / name).rename(folder / f"{name}.before-recovery-{recovery.index}")
            create_private(folder / name, key + "\n")


def _survey(connection: Connection, folder: Path, anchor: Path) -> Damage:
    standing = examine(connection, folder, anchor)
    against, keyring = list(standing.against), None
    if standing.head is not None:
        try:
            keyring = read_keyring(folder, connection)
        except StoreRefusedError as refusal:
            against.append(refusal)
    beyond = [refusal for refusal in against if refusal.reason not in RECOVERABLE]
    if beyond:
        raise beyond[0]
    if not against or standing.head is None:
        raise StoreRefusedError(
            "nothing is wrong with this store, so there is nothing to recover",
            zh="该记录库并无异常，无须恢复；直接启动服务即可",
            reason="NOTHING_TO_RECOVER",
            hint="Start the service.",
        )
    return Damage(standing.head, standing, keyring, tuple(against))


def _refuse_damaged(connection: Connection, damage: Damage) -> None:
    """Go on only from entries that are whole: a recovery is no way to bless what was changed."""
    problems = derive(connection, damage.keyring).problems
    if problems:
        raise StoreRefusedError(
            f"the store itself is damaged: {problems[0].line}",
            zh=f"记录库本身已损坏（{problems[0].zh_line}）；请先放回完好的备份，再行恢复",
            reason="STORE_DAMAGED",
            hint="Put a sound backup in its place first; a recovery goes on from whole entries"
            " only.",
        )


def _recovery(
    damage: Damage, keys: _NewKeys, earlier: Sequence[Recovery], told: tuple[datetime, str, str]
) -> Recovery:
    """What the entry will say; ``told`` are its time, reason and operator."""
    standing, (time, reason, operator) = damage.standing, told
    return Recovery(
        index=damage.head.size,
        time=time,
        root=damage.head.root,
        reason=reason,
        operator=operator,
        found=tuple(f"{refusal.reason}: {refusal}" for refusal in damage.against),
        anchor="" if standing.anchored is None else standing.anchored.text,
        checkpoint=standing.note if standing.signed is not None else "",
        old_verifier_key=standing.verifier_key,
        verifier_key=keys.signer.verifier_key,
        lost_keys=damage.lost_keys,
        previous=earlier[-1].index if earlier else None,
    )


def _append(
    connection: Connection, damage: Damage, keys: _NewKeys, recovery: Recovery
) -> Checkpoint:
    """Write the entry, and the new tag key if there is one; returns the head after it."""
    if keys.tag_key is not None:
        table = projections.SERVICE_KEYS
        connection.execute(
            update(table).where(table.c.name == TAG_KEY).values(wrapped=keys.tag_key)
        )
        forget_following(connection)
    entry = Entry(RECOVERY_TYPE, str(uuid4()), recovery.time, recovery.permanent, {})
    return append(connection, damage.head, keys.keyring, entry, key=RECOVERY_KEY)


def _unfinished() -> StoreRefusedError:
    return StoreRefusedError(
        "the disk failed before the recovery was done",
        zh="磁盘出错，恢复未完成；请检查磁盘后再次运行，已写入的部分会如实留在记录中",
        reason="RECOVERY_UNFINISHED",
        hint="Look at the disk, then run it again; what was done already stays on record.",
    )


def _no_reason() -> StoreRefusedError:
    return StoreRefusedError(
        f"a recovery needs a reason of 1 to {_REASON_CHARACTERS} characters on one line",
        zh=f"恢复须写明原因：一行，1 至 {_REASON_CHARACTERS} 字；原因永久公开，不得含个人信息",
        reason="REASON_INVALID",
        hint="Say what happened; it stays readable for ever, so name no applicant.",
    )
