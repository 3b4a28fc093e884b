"""Checking a store, an export or a receipt without trusting its keeper. Offline; never writes.

Everything is derived again from the entries: hashes, tiles, head, keys, projections and cases; or
less of it, where that is asked for (`Depth`).
What only an outside checkpoint or a receipt can show (a tail cut off together with its anchor, or
a history rewritten with the stolen signing key) is not found here; compare the reported root with
one that was kept elsewhere.
"""

from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError, TamperedError
from audit.log import connections
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint, Verifier
from audit.log.connections import STORE_FILE
from audit.log.log import refuse_missing
from audit.log.standing import ANCHOR_FILE, CHECKPOINT_FILE, VERIFIER_KEY_FILE
from audit.trail.manifest import digest_of_file, manifest_digest
from audit.trail.receipts import ReceiptReport, verify_receipt
from audit.trail.recoveries import read_recoveries
from audit.trail.unsealing import MASTER_KEY_FILE
from audit.verify.derivation import derive_at
from audit.verify.exported import SHUT, is_export, verify_export
from audit.verify.report import Depth, Problem, Progress, Report, in_order
from audit.verify.single import EntryReport, verify_entry, verify_receipt_in

__all__ = [
    "SHUT",
    "Depth",
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
    depth: Depth = Depth.SEALED,
    processes: int = 1,
    progress: Progress = lambda _done, _all: None,
) -> Report:
    """Derive what is in the store again from its entries, and name what differs.

    Works on a copy, and beside the running service.

    Args:
        key: The log's public key as the authority publishes it; None trusts the folder's own.
        anchor: Where the anchor lies; by default in the folder.
        checkpoint: A signed note of this log that was kept elsewhere; with it even an insider
            who has the keys is found out.
        depth: How much is derived again; by default everything.
        processes: So many at most share it out.

    Raises:
        StoreRefusedError: There is no store, or it or its master key cannot be read.
        TamperedError: The given key is malformed, or did not sign the given checkpoint.
    """
    refuse_missing(folder)
    verifier = None if key is None else Verifier(key)
    # What testifies is read before the store: a running service moves it on only afterwards.
    testimonies, problems, unchecked = _testimonies(folder, anchor, verifier)
    if checkpoint is not None:
        testimonies[_GIVEN] = _given(folder, checkpoint, key)
    has_key = (folder / MASTER_KEY_FILE).exists()
    found = derive_at(
        folder,
        keys=folder if has_key and depth is Depth.SEALED else None,
        sizes=[told.size for told in testimonies.values()],
        depth=depth,
        progress=progress,
        processes=processes,
    )
    if depth is not Depth.SEALED:
        unchecked += (_LEFT_OUT[depth],)
    elif not has_key:
        unchecked += (_NO_MASTER_KEY,)
    for name, told in testimonies.items():
        if (told.origin, told.root) != (found.derived.origin, found.roots.get(told.size)):
            told_of = [r.index for r in found.recoveries if r.accounts_for(told.size)]
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
        found.derived,
        depth,
        _signed_size(testimonies, problems),
        in_order([*found.problems, *problems]),
        unchecked,
        found.recoveries,
    )


_SIGNED, _ANCHOR, _GIVEN = "the signed checkpoint", "the anchor", "the given checkpoint"
_NO_MASTER_KEY = (
    "密封部分能否打开：此处没有 `master.key` | whether sealed parts open: `master.key` is not here"
)
_LEFT_OUT = {
    Depth.TREE: "树以外的一切（`--depth tree`） | everything but the tree (`--depth tree`)",
    Depth.ROWS: "密封部分能否打开（`--depth rows`） | whether sealed parts open (`--depth rows`)",
}
_TORN = (
    (
        "one of the two places of the anchor is not whole: power was lost while it was written,"
        " which the next entry mends, or somebody has touched it"
    ),
    "锚的两处之一不完整：写入时断电（下一条记录会补好），或被人改动",
)
_ZH = {_SIGNED: "已签检查点", _ANCHOR: "锚", _GIVEN: "所给检查点"}


def _testimonies(
    folder: Path, anchor: Path | None, verifier: Verifier | None
) -> tuple[dict[str, Checkpoint], list[Problem], tuple[str, ...]]:
    """What anchor and signed checkpoint say that the log was, and what cannot be looked at."""
    told: dict[str, Checkpoint] = {}
    problems: list[Problem] = []
    unchecked: list[str] = []
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
        place = Anchor(anchor or folder / ANCHOR_FILE)
        try:
            told[_ANCHOR] = place.read()
            if place.is_torn():
                problems.append(Problem(None, *_TORN))
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
