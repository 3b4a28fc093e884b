"""Checking a store and a receipt without trusting whoever keeps them. Offline; never writes.

Everything is derived again from the entries: hashes, tiles, head, keys, projections and cases.
What only an outside checkpoint or a receipt can show (a tail cut off together with its anchor, or
a history rewritten with the stolen signing key) is not found here; compare the reported root with
one that was kept elsewhere.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError, TamperedError
from audit.log import store
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint, Verifier
from audit.log.log import ANCHOR_FILE, CHECKPOINT_FILE, STORE_FILE, VERIFIER_KEY_FILE, no_entry
from audit.log.merkle import Hash, inclusion_proof, leaf_hash
from audit.log.proof import Proof
from audit.log.tiles import TiledNodes
from audit.trail.entries import Leaf
from audit.trail.receipts import ReceiptReport, verify_receipt
from audit.trail.unsealing import MASTER_KEY_FILE, read_keyring
from audit.verify.derivation import Derivation, Problem, Progress

__all__ = [
    "EntryReport",
    "Problem",
    "Progress",
    "ReceiptReport",
    "Report",
    "verify_entry",
    "verify_receipt",
    "verify_store",
]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        derived: The checkpoint that follows from the entries.
        signed_size: Size of the newest checkpoint whose signature and root were right; 0 if none.
        problems: Those of an entry first, the lowest index first.
        unchecked: What could not be looked at, and why.
    """

    derived: Checkpoint
    signed_size: int
    problems: tuple[Problem, ...]
    unchecked: tuple[str, ...]

    @property
    def first_bad_index(self) -> int | None:
        """The first entry that something is wrong with; None if there is none."""
        return next((p.index for p in self.problems if p.index is not None), None)


def verify_store(
    folder: Path,
    *,
    key: str | None = None,
    anchor: Path | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Report:
    """Derive everything in the store again from its entries, and name what differs.

    Works on a copy, and beside the running service.

    Args:
        key: The log's public key as the authority publishes it; None trusts the folder's own.
        anchor: Where the anchor lies; by default in the folder.

    Raises:
        StoreRefusedError: There is no store, or it or its master key cannot be read.
        TamperedError: The given key is malformed.
    """
    if not (folder / STORE_FILE).exists():
        raise StoreRefusedError(
            "there is no store in this folder",
            reason="STORE_MISSING",
            hint="Name the folder that holds `store.sqlite`.",
        )
    verifier = None if key is None else Verifier(key)
    sealed_parts_open = (folder / MASTER_KEY_FILE).exists()
    # What testifies is read before the store: a running service moves it on only afterwards.
    testimonies, problems = _testimonies(folder, anchor or folder / ANCHOR_FILE, verifier)
    reader = store.Reader(folder / STORE_FILE, connections=1)
    try:
        keyring = read_keyring(folder) if sealed_parts_open else None
        with reader.snapshot() as connection:
            head = store.read_head(connection)
            sizes = [testimony.size for testimony in testimonies.values()]
            found = Derivation(connection, keyring, sizes)
            found.run(head, progress)
    except (SQLAlchemyError, TypeError):
        raise StoreRefusedError(
            "the store cannot be read to its end",
            reason="STORE_UNREADABLE",
            hint="Check the disk, and run `PRAGMA integrity_check` on a copy of the file.",
        ) from None
    finally:
        reader.close()
    for name, told in testimonies.items():
        if (told.origin, told.root) != (head.origin, found.roots.get(told.size)):
            problems.append(Problem(None, f"{name} of size {told.size} is not of these entries"))
    problems = sorted(found.problems + problems, key=lambda p: (p.index is None, p.index or 0))
    return Report(
        Checkpoint(head.origin, found.tree.size, found.tree.frontier.root()),
        _signed_size(testimonies, problems),
        tuple(problems),
        () if sealed_parts_open else ("whether sealed parts open: `master.key` is not here",),
    )


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

    Raises:
        StoreRefusedError: There is no store, or it or what is beside it cannot be read.
        NotFoundError: The signed checkpoint covers no such entry.
        TamperedError: The entry is not proven to be in the log.
    """
    try:
        verifier = Verifier(key or (folder / VERIFIER_KEY_FILE).read_text("utf-8").strip())
        note = (folder / CHECKPOINT_FILE).read_text("utf-8")
        checkpoint = verifier.open(note)
        reader = store.Reader(folder / STORE_FILE, connections=1)
        with closing(reader), reader.snapshot() as connection:
            content = store.read_leaf(connection, index)
            if content is None or index >= checkpoint.size:
                raise no_entry(index)
            nodes = TiledNodes(store.tile_reader(connection))
            proof = Proof(index, inclusion_proof(index, checkpoint.size, nodes), note)
            leaf = Leaf.decode(content)
    except (OSError, SQLAlchemyError):
        raise StoreRefusedError(
            "there is no store in this folder that can be read",
            reason="STORE_UNREADABLE",
            hint="Name the folder that holds `store.sqlite`, `checkpoint` and `verifier.key`.",
        ) from None
    except (LookupError, ValueError):
        raise TamperedError(
            f"entry `{index}`, or the tree above it, is damaged",
            reason="RECEIPT_UNPROVEN",
            hint="Run `miaopi audit verify` on this store.",
        ) from None
    return EntryReport(index, leaf, leaf_hash(content), proof.verify(leaf_hash(content), verifier))


_SIGNED = "the signed checkpoint"


def _testimonies(
    folder: Path, anchor: Path, verifier: Verifier | None
) -> tuple[dict[str, Checkpoint], list[Problem]]:
    """What the anchor and the signed checkpoint say that the log was."""
    told: dict[str, Checkpoint] = {}
    problems: list[Problem] = []
    try:
        told["the anchor"] = Anchor(anchor).read()
    except StoreRefusedError as error:
        problems.append(Problem(None, str(error)))
    try:
        if verifier is None:
            verifier = Verifier((folder / VERIFIER_KEY_FILE).read_text("utf-8").strip())
        told[_SIGNED] = verifier.open((folder / CHECKPOINT_FILE).read_text("utf-8"))
    except TamperedError as error:
        problems.append(Problem(None, str(error)))
    except (OSError, UnicodeDecodeError):
        problems.append(Problem(None, "the signed checkpoint or its public key cannot be read"))
    return told, problems


def _signed_size(testimonies: dict[str, Checkpoint], problems: list[Problem]) -> int:
    """How much of the log a good signature covers."""
    signed = testimonies.get(_SIGNED)
    refuted = any(problem.what.startswith(_SIGNED) for problem in problems)
    return 0 if signed is None or refuted else signed.size
