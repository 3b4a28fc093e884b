"""Checking a store, an export or a receipt without trusting its keeper. Offline; never writes.

Everything is derived again from the entries: hashes, tiles, head, keys, projections and cases.
What only an outside checkpoint or a receipt can show (a tail cut off together with its anchor, or
a history rewritten with the stolen signing key) is not found here; compare the reported root with
one that was kept elsewhere.
"""

from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError, TamperedError
from audit.log import connections, store
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint, Verifier
from audit.log.connections import STORE_FILE
from audit.log.log import refuse_missing
from audit.log.standing import ANCHOR_FILE, CHECKPOINT_FILE, VERIFIER_KEY_FILE
from audit.trail.manifest import digest_of_file, manifest_digest
from audit.trail.receipts import ReceiptReport, verify_receipt
from audit.trail.recoveries import read_recoveries
from audit.trail.unsealing import MASTER_KEY_FILE, read_keyring
from audit.verify.derivation import Derivation, Problem, Progress
from audit.verify.exported import is_export, verify_export
from audit.verify.report import Report, in_order
from audit.verify.single import EntryReport, verify_entry, verify_receipt_in

__all__ = [
    "EntryReport",
    "Problem",
    "Progress",
    "ReceiptReport",
    "Report",
    "is_export",
    "verify_entry",
    "verify_export",
    "verify_receipt",
    "verify_receipt_in",
    "verify_store",
]


def verify_store(
    folder: Path,
    *,
    key: str | None = None,
    anchor: Path | None = None,
    checkpoint: str | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Report:
    """Derive everything in the store again from its entries, and name what differs.

    Works on a copy, and beside the running service.

    Args:
        key: The log's public key as the authority publishes it; None trusts the folder's own.
        anchor: Where the anchor lies; by default in the folder.
        checkpoint: A signed note of this log that was kept elsewhere; with it even an insider
            who has the keys is found out.

    Raises:
        StoreRefusedError: There is no store, or it or its master key cannot be read.
        TamperedError: The given key is malformed, or did not sign the given checkpoint.
    """
    refuse_missing(folder)
    verifier = None if key is None else Verifier(key)
    sealed_parts_open = (folder / MASTER_KEY_FILE).exists()
    # What testifies is read before the store: a running service moves it on only afterwards.
    testimonies, problems, unchecked = _testimonies(folder, anchor, verifier)
    if checkpoint is not None:
        testimonies[_GIVEN] = _given(folder, checkpoint, key)

    def derive(connection: Connection) -> tuple[Checkpoint, Derivation]:
        keyring = read_keyring(folder, connection) if sealed_parts_open else None
        head = store.read_head(connection)
        derivation = Derivation(connection, keyring, [told.size for told in testimonies.values()])
        derivation.run(head, progress)
        return head, derivation

    try:
        head, found = connections.at(folder).look(derive)
    except (SQLAlchemyError, TypeError, AttributeError):
        raise StoreRefusedError(
            "the store cannot be read to its end",
            zh="记录库读不到末尾；请检查磁盘，并在副本上运行 `PRAGMA integrity_check`",
            reason="STORE_UNREADABLE",
            hint="Check the disk, and run `PRAGMA integrity_check` on a copy of the file.",
        ) from None
    for name, told in testimonies.items():
        if (told.origin, told.root) != (head.origin, found.roots.get(told.size)):
            told_of = [r.index for r in found.recoveries.values() if r.accounts_for(told.size)]
            why, why_zh = "", ""
            if told_of:
                why = f"; the recovery at {told_of[-1]} tells of a loss"
                why_zh = f"；第 {told_of[-1]} 条恢复记录申明了损失"
            problems.append(
                Problem(
                    None,
                    f"{name} of size {told.size} is not of these entries{why}",
                    f"大小为 {told.size} 的{_ZH[name]}与这些记录不符{why_zh}",
                )
            )
    return Report(
        Checkpoint(head.origin, found.tree.size, found.tree.frontier.root()),
        _signed_size(testimonies, problems),
        in_order(found.problems + problems),
        unchecked,
        tuple(found.recoveries.values()),
    )


_SIGNED, _ANCHOR, _GIVEN = "the signed checkpoint", "the anchor", "the given checkpoint"
_ZH = {_SIGNED: "已签检查点", _ANCHOR: "锚", _GIVEN: "所给检查点"}


def _testimonies(
    folder: Path, anchor: Path | None, verifier: Verifier | None
) -> tuple[dict[str, Checkpoint], list[Problem], tuple[str, ...]]:
    """What anchor and signed checkpoint say that the log was, and what cannot be looked at."""
    told: dict[str, Checkpoint] = {}
    problems: list[Problem] = []
    unchecked: list[str] = []
    if not (folder / MASTER_KEY_FILE).exists():
        unchecked.append(
            "密封部分能否打开：此处没有 `master.key` | whether sealed parts open: `master.key` "
            "is not here"
        )
    digest = manifest_digest(folder)
    if digest is not None and digest != digest_of_file(folder / STORE_FILE):
        problems.append(
            Problem(
                None, "the store is not the file that was backed up", "记录库已非当时备份的文件"
            )
        )
    if anchor is None and digest is not None:
        unchecked.append(
            "是否还有更新的记录：备份没有锚 | whether anything is newer: a backup has no anchor"
        )
    else:
        try:
            told[_ANCHOR] = Anchor(anchor or folder / ANCHOR_FILE).read()
        except StoreRefusedError as error:
            problems.append(Problem(None, str(error), error.zh))
    try:
        if verifier is None:
            verifier = Verifier((folder / VERIFIER_KEY_FILE).read_text("utf-8").strip())
        told[_SIGNED] = verifier.open((folder / CHECKPOINT_FILE).read_text("utf-8"))
    except TamperedError as error:
        problems.append(Problem(None, str(error), error.zh))
    except (OSError, UnicodeDecodeError):
        problems.append(
            Problem(
                None,
                "the signed checkpoint or its public key cannot be read",
                "读不到已签检查点或其公钥",
            )
        )
    return told, problems, tuple(unchecked)


def _given(folder: Path, note: str, key: str | None) -> Checkpoint:
    """A checkpoint from elsewhere, under the given key or one that this log has had."""
    keys = [] if key is None else [key]
    if key is None:
        try:
            keys = [(folder / VERIFIER_KEY_FILE).read_text("utf-8").strip()]
            recoveries = connections.at(folder).look(read_recoveries)
            keys += [one.old_verifier_key for one in recoveries if one.old_verifier_key]
        except (OSError, ValueError, SQLAlchemyError):
            keys = keys[:1]
    for candidate in keys[:-1]:
        try:
            return Verifier(candidate).open(note)
        except TamperedError:
            continue
    return Verifier("".join(keys[-1:])).open(note)


def _signed_size(testimonies: dict[str, Checkpoint], problems: list[Problem]) -> int:
    """How much of the log a good signature covers."""
    signed = testimonies.get(_SIGNED)
    refuted = any(problem.what.startswith(_SIGNED) for problem in problems)
    return 0 if signed is None or refuted else signed.size
