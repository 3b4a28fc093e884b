"""The receipt that an applicant takes home: checkable for ever, without us and without a network.

It proves that *this* person got *this* notice, and that the log holds the entry. The file is JSON
with one form only, so that not a single byte of it can be changed unnoticed.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime

import msgspec

from audit.errors import TamperedError
from audit.log.checkpoint import Verifier
from audit.log.merkle import Hash, leaf_hash
from audit.log.proof import Proof
from audit.note import from_base64, to_base64
from audit.trail.canonical import Json, encode
from audit.trail.entries import Leaf
from audit.trail.seal import KEY_BYTES, commitment

RECEIPT_SCHEMA = "miaopi.receipt/1"
RECEIPT_CHARACTERS = 4 << 20
"""More than any receipt can have; longer files are not read."""


class _File(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The members of the file.

    Attributes:
        entry: The permanent bytes as they were hashed, base64.
        proof: C2SP tlog-proof.
        subject_key: Key of the commitment to the subject, base64; likewise ``notice_key``.
        verifier_key: The log's public key. Compare it with the one that the authority publishes.
    """

    schema: str
    entry: str
    proof: str
    subject: str
    subject_key: str
    notice: str
    notice_key: str
    verifier_key: str


@dataclass(frozen=True, slots=True)
class ReceiptReport:
    """What a receipt proves.

    Attributes:
        origin: The log that holds the entry.
        tree_size: Size of the log at the signed checkpoint.
        key_is_given: Whether the log's key came from elsewhere than the receipt itself. If not,
            the receipt agrees with itself, and whose log it is remains to be compared.
        subject: Who it is proven to be about.
        notice: What that person is proven to have been told.
    """

    origin: str
    tree_size: int
    index: int
    leaf_hash: Hash
    key_is_given: bool
    verifier_key: str
    type: str
    time: datetime
    permanent: dict[str, Json]
    subject: str
    notice: str


def write_receipt(
    leaf: bytes,
    proof: Proof,
    *,
    subject: str,
    subject_key: bytes,
    notice: str,
    notice_key: bytes,
    verifier_key: str,
) -> str:
    """The text of a receipt file."""
    return _text(
        _File(
            schema=RECEIPT_SCHEMA,
            entry=to_base64(leaf),
            proof=proof.text,
            subject=subject,
            subject_key=to_base64(subject_key),
            notice=notice,
            notice_key=to_base64(notice_key),
            verifier_key=verifier_key,
        )
    )


def verify_receipt(text: str, *, key: str | None = None) -> ReceiptReport:
    """Check everything that a receipt claims; needs nothing but the text.

    Args:
        key: The log's public key as the authority publishes it; None trusts the receipt's own.

    Raises:
        TamperedError: It does not prove what it claims.
    """
    file = _read(text)
    verifier = Verifier(file.verifier_key if key is None else key)
    if verifier.key != file.verifier_key:
        raise _unproven(
            "the receipt is from another log than the given key",
            zh="回执出自另一个日志，与所给公钥不符",
        )
    try:
        content = from_base64(file.entry)
        leaf = Leaf.decode(content)
        keys = from_base64(file.subject_key), from_base64(file.notice_key)
    except ValueError:
        raise _malformed() from None
    proof = Proof.parse(file.proof)
    checkpoint = proof.verify(leaf_hash(content), verifier)
    if any(len(item) != KEY_BYTES for item in keys):
        raise _malformed()
    if not hmac.compare_digest(commitment(keys[0], file.subject), leaf.subject_commitment):
        raise _unproven(
            "the receipt is not about the person that it names", zh="回执并非关于所写之人"
        )
    if not hmac.compare_digest(commitment(keys[1], file.notice), leaf.notice_commitment):
        raise _unproven("the notice is not the one that was given", zh="告知内容与当时发出的不符")
    return ReceiptReport(
        origin=checkpoint.origin,
        tree_size=checkpoint.size,
        index=proof.index,
        leaf_hash=leaf_hash(content),
        key_is_given=key is not None,
        verifier_key=verifier.key,
        type=leaf.type,
        time=leaf.time,
        permanent=dict(leaf.permanent),
        subject=file.subject,
        notice=file.notice,
    )


def _read(text: str) -> _File:
    if len(text) > RECEIPT_CHARACTERS:
        raise _malformed()
    try:
        file = msgspec.json.decode(text.encode(), type=_File)
    except (msgspec.MsgspecError, UnicodeError):
        raise _malformed() from None
    if file.schema != RECEIPT_SCHEMA or _text(file) != text:
        raise _malformed()
    return file


def _text(file: _File) -> str:
    members: dict[str, Json] = msgspec.structs.asdict(file)
    return msgspec.json.format(encode(members), indent=2).decode() + "\n"


def _malformed() -> TamperedError:
    return TamperedError(
        "this is not a receipt, or not as it was given out",
        zh="这不是回执，或已非发出时的原样；请原样使用收到的文件，改动过的请重新索取",
        reason="RECEIPT_MALFORMED",
        hint="Use the file exactly as it was received; ask for a new one if it was edited.",
    )


def _unproven(what: str, *, zh: str) -> TamperedError:
    return TamperedError(
        what,
        zh=f"{zh}；请勿采信，并向主管部门重新索取同一记录的回执",
        reason="RECEIPT_UNPROVEN",
        hint="Do not trust it; ask the authority for a new receipt of the same entry.",
    )
