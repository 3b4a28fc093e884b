"""Checkpoints: what a log was at a size, signed (C2SP tlog-checkpoint, signed-note, Ed25519).

Signing is deterministic: the same checkpoint always gives the same note.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.errors import StoreRefusedError, TamperedError
from audit.log.merkle import EMPTY_ROOT, Hash

_ORIGIN = re.compile(r"[!-*,-~]{1,255}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_ED25519 = b"\x01"
_SIGNING_KEY_PREFIX = "PRIVATE+KEY+"


def to_base64(content: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(content).decode()


def from_base64(text: str) -> bytes:
    """The inverse of `to_base64`; only the one text that it gives is read.

    Raises:
        ValueError: It is any other text.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64") from error
    if to_base64(content) != text:
        raise ValueError("not canonical base64")
    return content


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
        if not _ORIGIN.fullmatch(origin):
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
        if end or not _ORIGIN.fullmatch(origin) or len(checkpoint.root) != 32:
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
            self.origin, self._key_id, public = _public_key(key)
            self._public = Ed25519PublicKey.from_public_bytes(public)
        except ValueError as error:
            raise TamperedError(
                "this is not a log's public key",
                zh="这不是日志的公钥；请重新复制 `verifier.key` 的那一行，形如 `origin+id+key`",
                reason="KEY_MALFORMED",
                hint="Copy the one line of `verifier.key` again; it has the form `origin+id+key`.",
            ) from error
        self.key = key

    def open(self, note: str) -> Checkpoint:
        """The checkpoint of a signed note; signatures of others (witnesses) are passed over.

        Raises:
            TamperedError: It is malformed, or this key did not sign it.
        """
        try:
            text, lines = note.rsplit("\n\n", 1)
            checkpoint = Checkpoint.parse(text + "\n")
            *signed, end = lines.split("\n")
            signatures = [_signature(line) for line in signed]
        except ValueError as error:
            raise TamperedError(
                "the checkpoint is malformed",
                zh="检查点格式有误，可能在传递中被改动；请重新获取",
                reason="CHECKPOINT_MALFORMED",
                hint="Fetch it again; something on the way has changed it.",
            ) from error
        ours = [s[4:] for name, s in signatures if (name, s[:4]) == (self.origin, self._key_id)]
        try:
            for signature in ours:
                self._public.verify(signature, checkpoint.text.encode())
        except InvalidSignature:
            ours = []
        if end or not ours or checkpoint.origin != self.origin:
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
        key: What `generate` returned: ``PRIVATE+KEY+<origin>+<key id>+<base64>``.

    Raises:
        ValueError: It is anything else.
    """

    def __init__(self, key: str) -> None:
        if not key.startswith(_SIGNING_KEY_PREFIX):
            raise ValueError("not a signing key")
        self.origin, key_id, encoded = key.removeprefix(_SIGNING_KEY_PREFIX).split("+", 2)
        typed = from_base64(encoded)
        if typed[:1] != _ED25519:
            raise ValueError("not an Ed25519 key")
        self._private = Ed25519PrivateKey.from_private_bytes(typed[1:])
        public = _ED25519 + self._private.public_key().public_bytes_raw()
        self._key_id = _key_id(self.origin, public)
        if self._key_id.hex() != key_id:
            raise ValueError("not the key that its id names")
        self.verifier_key = f"{self.origin}+{key_id}+{to_base64(public)}"

    @staticmethod
    def generate(origin: str) -> str:
        """A new signing key for the log of that name."""
        private = Ed25519PrivateKey.generate()
        key_id = _key_id(origin, _ED25519 + private.public_key().public_bytes_raw())
        secret = to_base64(_ED25519 + private.private_bytes_raw())
        return f"{_SIGNING_KEY_PREFIX}{origin}+{key_id.hex()}+{secret}"

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note."""
        signature = self._key_id + self._private.sign(checkpoint.text.encode())
        return f"{checkpoint.text}\n— {self.origin} {to_base64(signature)}\n"


def _public_key(text: str) -> tuple[str, bytes, bytes]:
    """Origin, key id and raw key of a verifier key."""
    origin, key_id, encoded = text.split("+", 2)
    typed = from_base64(encoded)
    if typed[:1] != _ED25519 or _key_id(origin, typed).hex() != key_id:
        raise ValueError("not the key that its id names")
    return origin, bytes.fromhex(key_id), typed[1:]


def _key_id(origin: str, typed_key: bytes) -> bytes:
    return sha256(origin.encode() + b"\n" + typed_key).digest()[:4]


def _signature(line: str) -> tuple[str, bytes]:
    """Name and key id with signature of one line of a note."""
    dash, name, encoded = line.split(" ")
    if dash != "—" or not name:
        raise ValueError("not a signature line")
    return name, from_base64(encoded)
