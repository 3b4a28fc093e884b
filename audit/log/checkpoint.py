"""Checkpoints: what a log was at a size, signed (C2SP tlog-checkpoint; see `note`)."""

import re
from dataclasses import dataclass

from audit.errors import StoreRefusedError, TamperedError
from audit.log.merkle import EMPTY_ROOT, Hash
from audit.note import Note, SigningKey, VerifierKey, from_base64, is_name, to_base64

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


def number_in(text: str) -> int:
    """A decimal number without leading zeros.

    Raises:
        ValueError: It is any other text.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a plain decimal number")
    return int(text)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log was when it had ``size`` entries.

    Attributes:
        origin: Name of the log, unique for ever, e.g. ``audit.example.gov.cn/2026``.
    """

    origin: str
    size: int
    root: Hash

    @classmethod
    def empty(cls, origin: str) -> "Checkpoint":
        """The beginning of the log of that name.

        Raises:
            StoreRefusedError: The name cannot stand in a signed note.
        """
        if not is_name(origin):
            raise StoreRefusedError(
                "the log cannot have this origin",
                zh="日志不能用这个名称；请用 1 至 255 个可见 ASCII 字符，不含 `+` 和空格",
                reason="ORIGIN_INVALID",
                hint="Use 1 to 255 visible ASCII characters without `+` or spaces.",
            )
        return cls(origin, 0, EMPTY_ROOT)

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read the three lines that `text` writes.

        Raises:
            ValueError: They are anything else.
        """
        origin, size, root, end = text.split("\n")
        checkpoint = cls(origin, number_in(size), from_base64(root))
        if end or not is_name(origin) or len(checkpoint.root) != 32:
            raise ValueError("not a checkpoint")
        return checkpoint

    @property
    def text(self) -> str:
        """Origin, size and root, a line each."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"


class Verifier:
    """Checks that checkpoints are this log's.

    Args:
        key: The log's public key as C2SP writes it: ``<origin>+<key id>+<base64>``.

    Raises:
        TamperedError: The key is not of that form, or its id is not that of the key.
    """

    def __init__(self, key: str) -> None:
        try:
            self._verifier = VerifierKey(key)
        except ValueError as error:
            raise TamperedError(
                "this is not a log's public key",
                zh="这不是日志的公钥；请重新复制 `verifier.key` 的那一行，形如 `origin+id+key`",
                reason="KEY_MALFORMED",
                hint="Copy the one line of `verifier.key` again; it has the form `origin+id+key`.",
            ) from error
        self.key = key
        self.origin = self._verifier.name

    def open(self, note: str) -> Checkpoint:
        """The checkpoint of a signed note; signatures of others (witnesses) are passed over.

        Raises:
            TamperedError: It is malformed, or this key did not sign it.
        """
        try:
            text, signatures = Note.read(note)
            checkpoint = Checkpoint.parse(text)
        except ValueError as error:
            raise TamperedError(
                "the checkpoint is malformed",
                zh="检查点格式有误，可能在传递中被改动；请重新获取",
                reason="CHECKPOINT_MALFORMED",
                hint="Fetch it again; something on the way has changed it.",
            ) from error
        if checkpoint.origin != self.origin or not self._verifier.has_signed(text, signatures):
            raise TamperedError(
                f"the checkpoint is not signed by the key of `{self.origin}`",
                zh=f"检查点不是 `{self.origin}` 的密钥所签；请勿采信，并向主管部门核对公钥",
                reason="CHECKPOINT_UNSIGNED",
                hint="Do not trust it; ask the authority for the log's public key and compare.",
            )
        return checkpoint


class Signer:
    """Signs this log's checkpoints.

    Args:
        key: What `generate` returned.

    Raises:
        ValueError: It is anything else.
    """

    def __init__(self, key: str) -> None:
        self._key = SigningKey(key)
        self.origin, self.verifier_key = self._key.name, self._key.verifier_key

    @staticmethod
    def generate(origin: str) -> str:
        """A new signing key for the log of that name."""
        return SigningKey.generate(origin)

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note."""
        return f"{checkpoint.text}\n{self._key.sign(checkpoint.text)}"
