"""One entry, and one receipt, held against the store, or export, that should have them."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError, TamperedError
from audit.log import connections, store
from audit.log.checkpoint import Checkpoint, Verifier
from audit.log.log import no_entry, refuse_missing
from audit.log.merkle import Hash, inclusion_proof, leaf_hash
from audit.log.proof import Proof
from audit.log.standing import CHECKPOINT_FILE, VERIFIER_KEY_FILE
from audit.log.tiles import TiledNodes, TileReader
from audit.trail.entries import Leaf
from audit.trail.receipts import ReceiptReport, verify_receipt
from audit.trail.recoveries import Recovery, read_recoveries
from audit.verify.exported import entry_of_export, is_export


@dataclass(frozen=True, slots=True)
class EntryReport:
    """An entry's permanent part, and that it is in the log.

    Attributes:
        checkpoint: The signed one under which it was proven.
    """

    index: int
    leaf: Leaf
    leaf_hash: Hash
    checkpoint: Checkpoint


def verify_entry(folder: Path, index: int, *, key: str | None = None) -> EntryReport:
    """Read one entry's permanent part, and prove it under the newest signed checkpoint.

    Args:
        folder: Of a store, or an export.

    Raises:
        StoreRefusedError: There is no store, or it or what is beside it cannot be read.
        NotFoundError: The signed checkpoint covers no such entry.
        TamperedError: The entry is not proven to be in the log.
    """
    try:
        if key is None:
            key = (folder / VERIFIER_KEY_FILE).read_text("utf-8").strip()
        verifier = Verifier(key)
        note = (folder / CHECKPOINT_FILE).read_text("utf-8")
        size = verifier.open(note).size

        def prove(content: bytes | None, tiles: TileReader) -> tuple[bytes, Proof]:
            if content is None or index >= size:
                raise no_entry(index)
            return content, Proof(index, inclusion_proof(index, size, TiledNodes(tiles)), note)

        if is_export(folder):
            content, proof = prove(*entry_of_export(folder, index, size))
        else:
            content, proof = connections.at(folder).look(
                lambda c: prove(store.read_leaf(c, index), store.tile_reader(c))
            )
        leaf = Leaf.decode(content)
    except (OSError, SQLAlchemyError):
        raise _unreadable() from None
    except (LookupError, ValueError):
        raise TamperedError(
            f"entry `{index}`, or the tree above it, is damaged",
            zh=f"第 {index} 条记录或其上的哈希树已损坏；请对该库运行 `miaopi audit verify`",
            reason="RECEIPT_UNPROVEN",
            hint="Run `miaopi audit verify` on this store.",
        ) from None
    return EntryReport(index, leaf, leaf_hash(content), proof.verify(leaf_hash(content), verifier))


def verify_receipt_in(folder: Path, text: str, *, key: str | None = None) -> ReceiptReport:
    """Check a receipt, and that the log still holds its entry.

    Args:
        key: As `verify_receipt`; None trusts the keys that this log has had.

    Raises:
        StoreRefusedError: There is no store, or it cannot be read.
        TamperedError: The receipt does not hold, or it does and the log no longer holds its
            entry: lost before a recovery (``ENTRY_LOST``), or cut off or rewritten in secret
            (``ENTRY_NOT_IN_LOG``).
    """
    report = verify_receipt(text, key=key)
    refuse_missing(folder)

    def ask(connection: Connection) -> tuple[bytes | None, tuple[Recovery, ...]]:
        return store.read_leaf(connection, report.index), read_recoveries(connection)

    try:
        leaf, recoveries = connections.at(folder).look(ask)
        present = (folder / VERIFIER_KEY_FILE).read_text("utf-8").strip()
    except (OSError, SQLAlchemyError, ValueError):
        raise _unreadable() from None
    if key is None and report.verifier_key not in {
        present,
        *(one.old_verifier_key for one in recoveries),
    }:
        raise TamperedError(
            "the receipt is from another log than this store",
            zh="回执出自另一个日志，与该记录库不符；请核对主管部门公布的公钥",
            reason="RECEIPT_UNPROVEN",
            hint="Compare its public key with those that the authority has published.",
        )
    if leaf is None or leaf_hash(leaf) != report.leaf_hash:
        raise _not_held(report, recoveries)
    return report


def _not_held(report: ReceiptReport, recoveries: tuple[Recovery, ...]) -> TamperedError:
    for recovery in recoveries:
        if report.time <= recovery.time and recovery.accounts_for(report.tree_size):
            return TamperedError(
                f"the log held this entry and lost it before its recovery at `{recovery.index}`",
                zh=f"回执为真，但日志已不再含有该记录：它在第 {recovery.index} "
                "条所记的恢复之前丢失；"
                "决定以回执为准，请主管部门补录",
                reason="ENTRY_LOST",
                hint="The receipt is genuine and is now the evidence: have the authority record"
                " the decision again.",
            )
    return TamperedError(
        f"the log does not hold this entry at index `{report.index}`, and no recovery says why",
        zh=f"回执为真，但日志第 {report.index} 条不是该记录，也没有恢复记录说明缘由："
        "日志被截断或改写过",
        reason="ENTRY_NOT_IN_LOG",
        hint="The receipt is genuine, so the log was cut or rewritten: keep both as evidence.",
    )


def _unreadable() -> StoreRefusedError:
    return StoreRefusedError(
        "there is no store in this folder that can be read",
        zh="该目录下没有可读的决定记录；请指定含 `store.sqlite`、`checkpoint`、`verifier.key` "
        "的目录",
        reason="STORE_UNREADABLE",
        hint="Name the folder that holds `store.sqlite`, `checkpoint` and `verifier.key`.",
    )
