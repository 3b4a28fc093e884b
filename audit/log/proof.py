"""The text that proves offline that an entry is in a log (C2SP tlog-proof)."""

from dataclasses import dataclass

from audit.errors import TamperedError
from audit.log.checkpoint import Checkpoint, Verifier, number_in
from audit.log.merkle import Hash, inclusion_holds
from audit.note import from_base64, to_base64

_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Proof:
    """An inclusion proof with the signed checkpoint that it leads to.

    Attributes:
        index: Place of the entry in the log; the first is 0.
        checkpoint: The signed note.
    """

    index: int
    hashes: tuple[Hash, ...]
    checkpoint: str

    @property
    def text(self) -> str:
        """As C2SP writes it, without extra data."""
        hashes = "".join(f"{to_base64(item)}\n" for item in self.hashes)
        return f"{_HEADER}\nindex {self.index}\n{hashes}\n{self.checkpoint}"

    @classmethod
    def parse(cls, text: str) -> "Proof":
        """Read what `text` writes.

        Raises:
            TamperedError: It is anything else.
        """
        try:
            head, checkpoint = text.split("\n\n", 1)
            _, index, *hashes = head.split("\n")
            proof = cls(
                number_in(index.removeprefix("index ")),
                tuple(from_base64(item) for item in hashes),
                checkpoint,
            )
        except ValueError:
            proof = None
        if proof is None or proof.text != text or any(len(item) != 32 for item in proof.hashes):
            raise TamperedError(
                "the proof is malformed",
                zh="证明格式有误，可能在传递中被改动；请重新获取",
                reason="PROOF_MALFORMED",
                hint="Fetch it again; something on the way has changed it.",
            )
        return proof

    def verify(self, leaf: Hash, verifier: Verifier) -> Checkpoint:
        """The checkpoint under which the leaf is proven to be in the verifier's log.

        Raises:
            TamperedError: It is not proven.
        """
        checkpoint = verifier.open(self.checkpoint)
        if not inclusion_holds(
            self.index, checkpoint.size, leaf=leaf, root=checkpoint.root, proof=self.hashes
        ):
            raise TamperedError(
                f"the proof does not show this entry at index {self.index}",
                zh=f"证明不能说明日志第 {self.index} 条是这条记录；请勿采信，"
                "并向主管部门重新索取回执",
                reason="RECEIPT_UNPROVEN",
                hint="Do not trust it; ask the authority for a new receipt of the same entry.",
            )
        return checkpoint
