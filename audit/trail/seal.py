"""The sealed part: who, what they said, what registers answered; AES-256-GCM, and erasable.

Keys: the *master* key wraps a random *subject* key, that wraps a random *record* key, and that
encrypts one record, once. Erasing a subject is destroying its subject keys; erasing one record of
a living subject is giving the others a new subject key, without encrypting their content again.

A subject can have several subject keys: one is made when none is at hand, so that nobody has to
ask the store before sealing, and processes need not agree. Erasure finds them by the subject's tag.

What the leaf keeps for ever is the digest of the *ciphertext* and commitments under keys that
only the record key gives (HKDF). A digest of the plaintext would let anyone who guesses the
content (an ID number has few unknown digits) confirm the guess after the erasure; a digest of
ciphertext whose key is gone tells nothing, and verifies with no key at all. Because AES-GCM alone
would let its owner prepare one ciphertext that opens differently under two keys, the content
begins with a commitment to its key.
"""

import hmac
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from os import urandom

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.errors import NotRecordedError, TamperedError
from audit.trail.canonical import Json, decode, encode
from audit.trail.entries import ordered_id

KEY_BYTES = 32
SEALED_BYTES = 1 << 20
"""Largest sealed part, in plain bytes."""

_BLOCK_BYTES = 64
_NONCE_BYTES = 12
_ONCE = bytes(_NONCE_BYTES)  # a record key encrypts one record, so its nonce need not differ
_SUBJECTS = 16_384


class SubjectKey(msgspec.Struct, frozen=True):
    """A key of a subject, open in memory and wrapped as it is stored.

    Attributes:
        id: Made by `ordered_id`.
        tag: Keyed tag of the subject; empty for entries about nobody.
    """

    id: str
    tag: str
    key: bytes
    wrapped: bytes


class Sealed(msgspec.Struct, frozen=True):
    """A sealed record as it is stored, and what its leaf says about it."""

    subject_key: SubjectKey
    wrapped_key: bytes
    content: bytes
    subject_commitment: str
    notice_commitment: str

    @property
    def digest(self) -> str:
        """What the leaf says of the content."""
        return digest_of(self.content)


class Unsealed(msgspec.Struct, frozen=True):
    """A sealed record, opened.

    Attributes:
        subject_proof_key: Checks the leaf's commitment to the subject; reveals nothing else.
        notice_proof_key: The same for the notice.
    """

    sealed: Mapping[str, Json]
    subject: str
    notice: str
    subject_proof_key: bytes
    notice_proof_key: bytes


class Keyring:
    """Seals and unseals under one master key, or two while the master is being renewed.

    Args:
        master: 32 random bytes.
        wrapped_tag_key: What `new_tag_key` returned for this master. The tag key is not derived
            from the master, so that the master can be renewed and tags still be found.

    Raises:
        TamperedError: The master is not the one that wrapped the tag key.
    """

    def __init__(self, master: bytes, wrapped_tag_key: bytes) -> None:
        self._masters: tuple[bytes, ...] = (master,)
        self._tag_key = _unwrap(master, wrapped_tag_key, b"tag")
        self._tags = hmac.new(self._tag_key, digestmod="sha256")
        self._subjects: OrderedDict[str, SubjectKey] = OrderedDict()
        self._door = threading.Lock()

    def followed_by(self, master: bytes) -> "Keyring":
        """While that master takes the place of this one's: wraps under it, and opens both's."""
        between = Keyring(master, _wrap(master, self._tag_key, b"tag"))
        between._masters = (master, *self._masters)
        return between

    @staticmethod
    def new_tag_key(master: bytes) -> bytes:
        """A new random key for tags, wrapped under the master."""
        return _wrap(master, urandom(KEY_BYTES), b"tag")

    @property
    def is_between(self) -> bool:
        """Whether its master key is being renewed."""
        return len(self._masters) > 1

    def is_under(self, master: bytes) -> bool:
        """Whether that is the master key under which it wraps."""
        return hmac.compare_digest(self._masters[0], master)

    def adopt(self, other: "Keyring") -> None:
        """Use another keyring's masters from now on, and no key that was wrapped before."""
        with self._door:
            self._masters = other._masters  # noqa: SLF001  # of its own class
            self._subjects.clear()

    def renewed(self, wrapped: bytes, *, about: str) -> bytes | None:
        """A key of the store, wrapped under the following master; None if it is so already.

        Args:
            about: Id of the subject key.

        Raises:
            TamperedError: It is wrapped under neither.
        """
        following, *others = self._masters
        if _opens(following, wrapped, about.encode()):
            return None
        return _wrap(following, _unwrap_any(others, wrapped, about.encode()), about.encode())

    def wrapped_tag_key(self) -> bytes:
        """The key for tags, wrapped under the newest master."""
        return _wrap(self._masters[0], self._tag_key, b"tag")

    def new_subject_key(self, tag: str) -> SubjectKey:
        """A new random key of the subject of that tag."""
        key_id = ordered_id()
        key = urandom(KEY_BYTES)
        return SubjectKey(key_id, tag, key, _wrap(self._masters[0], key, key_id.encode()))

    def move(
        self, wrapped_key: bytes, record_id: str, old: bytes, old_id: str, new: SubjectKey
    ) -> bytes:
        """A record key, wrapped under another subject key.

        Args:
            wrapped_key: As it is stored.
            old: The subject key that wraps it, as it is stored.

        Raises:
            TamperedError: It cannot be opened.
        """
        about = record_id.encode()
        opened = _unwrap(_unwrap_any(self._masters, old, old_id.encode()), wrapped_key, about)
        return _wrap(new.key, opened, about)

    def forget(self) -> None:
        """Let go of all subjects' keys; what is sealed from now on gets new ones."""
        with self._door:
            self._subjects.clear()

    def tag(self, text: str) -> str:
        """Keyed tag of a text, in hexadecimal: equal texts have equal tags, and no more is told."""
        tagged = self._tags.copy()
        tagged.update(text.encode())
        return tagged.hexdigest()

    def seal(
        self, record_id: str, *, sealed: Mapping[str, Json], subject: str, notice: str
    ) -> Sealed:
        """Encrypt a record.

        Raises:
            NotRecordedError: The content is outside the profile of `canonical`, or too large.
        """
        plain = encode({"sealed": dict(sealed), "subject": subject, "notice": notice})
        if len(plain) > SEALED_BYTES:
            raise NotRecordedError(
                f"the sealed part has more than {SEALED_BYTES} bytes",
                zh=f"密封部分超过 {SEALED_BYTES} 字节；请少记，或分成几条",
                reason="ENTRY_TOO_LARGE",
                hint="Record less, or in several entries.",
            )
        about = record_id.encode()
        subject_key = self._subject_key(self.tag(subject) if subject else "")
        key = urandom(KEY_BYTES)
        return Sealed(
            subject_key=subject_key,
            wrapped_key=_wrap(subject_key.key, key, about),
            content=derive(key, "key commitment") + AESGCM(key).encrypt(_ONCE, plain, about),
            subject_commitment=commitment(derive(key, "subject"), subject),
            notice_commitment=commitment(derive(key, "notice"), notice),
        )

    def unseal(
        self,
        record_id: str,
        *,
        subject_key_id: str,
        wrapped_subject_key: bytes,
        wrapped_key: bytes,
        content: bytes,
    ) -> Unsealed:
        """Decrypt a record.

        Raises:
            TamperedError: A key or the content is not what was stored (``SEAL_BROKEN``).
        """
        key = self.record_key(
            record_id,
            subject_key_id=subject_key_id,
            wrapped_subject_key=wrapped_subject_key,
            wrapped_key=wrapped_key,
        )
        return unseal_with(key, record_id, content)

    def record_key(
        self, record_id: str, *, subject_key_id: str, wrapped_subject_key: bytes, wrapped_key: bytes
    ) -> bytes:
        """The one key that opens a record, and no other.

        Raises:
            TamperedError: A key is not what was stored.
        """
        subject_key = _unwrap_any(self._masters, wrapped_subject_key, subject_key_id.encode())
        return _unwrap(subject_key, wrapped_key, record_id.encode())

    def _subject_key(self, tag: str) -> SubjectKey:
        """The subject's key that is at hand, or a new one."""
        with self._door:  # a key that an old master has wrapped must not be put back by `adopt`
            known = self._subjects.get(tag)
            if known is None:
                known = self._subjects[tag] = self.new_subject_key(tag)
                if len(self._subjects) > _SUBJECTS:
                    self._subjects.popitem(last=False)
            return known


def unseal_with(key: bytes, record_id: str, content: bytes) -> Unsealed:
    """Decrypt a record with its own key.

    Raises:
        TamperedError: The content is not what was stored under that key (``SEAL_BROKEN``).
    """
    try:
        if not hmac.compare_digest(content[:KEY_BYTES], derive(key, "key commitment")):
            raise _broken()
        plain = AESGCM(key).decrypt(_ONCE, content[KEY_BYTES:], record_id.encode())
    except InvalidTag:
        raise _broken() from None
    match decode(plain):
        case {"sealed": dict(sealed), "subject": str(subject), "notice": str(notice)}:
            return Unsealed(sealed, subject, notice, derive(key, "subject"), derive(key, "notice"))
        case _:
            raise _broken()


def digest_of(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return sha256(content).hexdigest()


def derive(key: bytes, purpose: str) -> bytes:
    """A key for one purpose from a random key: HKDF-Expand (RFC 5869 section 2.3), 32 bytes."""
    return _hmac(key, purpose.encode() + b"\x01")


def commitment(key: bytes, text: str) -> str:
    """HMAC-SHA256 of a text, in hexadecimal: binds to it, and hides it from who lacks the key."""
    return _hmac(key, text.encode()).hex()


_INNER, _OUTER = (bytes(one ^ pad for one in range(256)) for pad in (0x36, 0x5C))
_INNER_REST, _OUTER_REST = (bytes([pad]) * (_BLOCK_BYTES - KEY_BYTES) for pad in (0x36, 0x5C))


def _hmac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) under a key of 32 bytes, which leave half of a block empty.

    An entry has seven, nearly all under keys of their own: `hmac.new` spends more on setting one up
    than on hashing, and `hmac.digest` lets go of the interpreter lock for it.

    Raises:
        ValueError: The key is longer, or shorter.
    """
    if len(key) != KEY_BYTES:
        raise ValueError("not a key of ours")
    inner = sha256(key.translate(_INNER) + _INNER_REST + message).digest()
    return sha256(key.translate(_OUTER) + _OUTER_REST + inner).digest()


def _wrap(outer: bytes, inner: bytes, about: bytes) -> bytes:
    nonce = urandom(_NONCE_BYTES)
    return nonce + AESGCM(outer).encrypt(nonce, inner, about)


def _unwrap(outer: bytes, wrapped: bytes, about: bytes) -> bytes:
    try:
        return AESGCM(outer).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], about)
    except (InvalidTag, ValueError):
        raise _broken() from None


def _opens(outer: bytes, wrapped: bytes, about: bytes) -> bool:
    try:
        _unwrap(outer, wrapped, about)
    except TamperedError:
        return False
    return True


def _unwrap_any(outers: Sequence[bytes], wrapped: bytes, about: bytes) -> bytes:
    """Unwrap under whichever of these keys has wrapped it."""
    *first, last = outers
    for outer in first:
        with suppress(TamperedError):
            return _unwrap(outer, wrapped, about)
    return _unwrap(last, wrapped, about)


def _broken() -> TamperedError:
    return TamperedError(
        "a sealed part cannot be opened with the keys of this store",
        zh="密封部分用本库的密钥打不开；请运行 `miaopi audit verify`，并核对 `master.key` "
        "是否属于本库",
        reason="SEAL_BROKEN",
        hint="Run `miaopi audit verify`, and check that `master.key` belongs to this store.",
    )
