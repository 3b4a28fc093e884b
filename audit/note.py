"""Signed notes: a text, and who signed it (C2SP signed-note, Ed25519).

Signing is deterministic: the same key always signs the same text in the same way.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_NAME = re.compile(r"[!-*,-~]{1,255}")
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


class Signature(NamedTuple):
    """One line below a note's text.

    Attributes:
        name: Whose key it claims to be by.
        key_id: The first four bytes of a hash over name and key.
        content: What the key made of the text.
    """

    name: str
    key_id: bytes
    content: bytes


class Note(NamedTuple):
    """A text, whose every line ends, and its signatures in their order; nothing is checked yet."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def read(cls, written: str) -> "Note":
        """Take a note apart.

        Raises:
            ValueError: It is no signed note.
        """
        text, lines = written.rsplit("\n\n", 1)
        *signed, end = lines.split("\n")
        if end:
            raise ValueError("a note ends with a line")
        return cls(text + "\n", tuple(map(_signature, signed)))


class VerifierKey:
    """A public key that signs notes.

    Args:
        key: As C2SP writes it: ``<name>+<key id>+<base64>``.

    Raises:
        ValueError: It is not of that form, or its id is not that of the key.
    """

    def __init__(self, key: str) -> None:
        self.name, key_id, encoded = key.split("+", 2)
        typed = from_base64(encoded)
        if typed[:1] != _ED25519 or _key_id(self.name, typed).hex() != key_id:
            raise ValueError("not the key that its id names")
        self._key_id = bytes.fromhex(key_id)
        self._public = Ed25519PublicKey.from_public_bytes(typed[1:])

    def is_among(self, signatures: Iterable[Signature]) -> bool:
        """Whether one of these says that it is of this key."""
        return bool(self._ours(signatures))

    def has_signed(self, text: str, signatures: Iterable[Signature]) -> bool:
        """Whether there are signatures of this key among these, and all of them are of the text."""
        ours = self._ours(signatures)
        try:
            for one in ours:
                self._public.verify(one.content, text.encode())
        except InvalidSignature:
            return False
        return bool(ours)

    def _ours(self, signatures: Iterable[Signature]) -> list[Signature]:
        return [one for one in signatures if one[:2] == (self.name, self._key_id)]


class SigningKey:
    """A private key that signs notes.

    Args:
        key: What `generate` returned: ``PRIVATE+KEY+<name>+<key id>+<base64>``.

    Raises:
        ValueError: It is anything else.
    """

    def __init__(self, key: str) -> None:
        if not key.startswith(_SIGNING_KEY_PREFIX):
            raise ValueError("not a signing key")
        self.name, key_id, encoded = key.removeprefix(_SIGNING_KEY_PREFIX).split("+", 2)
        typed = from_base64(encoded)
        if typed[:1] != _ED25519:
            raise ValueError("not an Ed25519 key")
        self._private = Ed25519PrivateKey.from_private_bytes(typed[1:])
        public = _ED25519 + self._private.public_key().public_bytes_raw()
        self._key_id = _key_id(self.name, public)
        if self._key_id.hex() != key_id:
            raise ValueError("not the key that its id names")
        self.verifier_key = f"{self.name}+{key_id}+{to_base64(public)}"

    @staticmethod
    def generate(name: str) -> str:
        """A new signing key of that name.

        Raises:
            ValueError: It cannot be named so (`is_name`).
        """
        if not is_name(name):
            raise ValueError("not a name that a key can have")
        private = Ed25519PrivateKey.generate()
        key_id = _key_id(name, _ED25519 + private.public_key().public_bytes_raw())
        secret = to_base64(_ED25519 + private.private_bytes_raw())
        return f"{_SIGNING_KEY_PREFIX}{name}+{key_id.hex()}+{secret}"

    def sign(self, text: str) -> str:
        """The line that says that this key signed the text."""
        return f"— {self.name} {to_base64(self._key_id + self._private.sign(text.encode()))}\n"


def is_name(text: str) -> bool:
    """Whether a key can be named so: 1 to 255 visible ASCII characters without ``+``."""
    return _NAME.fullmatch(text) is not None


def _key_id(name: str, typed_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + typed_key).digest()[:4]


def _signature(line: str) -> Signature:
    dash, name, encoded = line.split(" ")
    if dash != "—" or not name:
        raise ValueError("not a signature line")
    content = from_base64(encoded)
    return Signature(name, content[:4], content[4:])
