"""As whom we appear to a register, and whom we believe to be it; out of an operator's files."""

import base64
import hashlib
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from decision_service.errors import InvalidPublicationError

LABEL: Final = "miaopi"
"""Of our signature among those of a message (RFC 9421, 4.2)."""


@dataclass(slots=True)
class Credentials:
    """What one register is shown, and must show; transports look at each question what it is now.

    Attributes:
        secret: Key of the HMAC over each question, or password of the database.
        trust: Whom to believe over TLS, and as whom to appear. None: the machine's authorities.
        signer: Signs each question over HTTP (RFC 9421). None: nobody does.
    """

    secret: str | None = field(default=None, repr=False)
    trust: ssl.SSLContext | None = None
    signer: "Signer | None" = None

    def renew(self, other: "Credentials") -> None:
        """Be the other from the next question, or over TLS the next connection, on."""
        self.secret, self.trust, self.signer = other.secret, other.trust, other.signer


_DISTRUST: Final = {
    9: "is not valid yet",
    10: "has expired",
    18: "is vouched for by nobody we know",
    19: "is vouched for by nobody we know",
    20: "is vouched for by nobody we know",
    21: "is vouched for by nobody we know",
    62: "is another host's",
    64: "is another host's",
}
"""What OpenSSL says of a certificate (X509_V_ERR_…), in words."""


def distrust(error: BaseException) -> str:
    """Why one side did not believe the other over TLS; empty where that is not what happened."""
    found: ssl.SSLError | None = None
    inside: BaseException | None = error
    for _ in range(4):
        if inside is None:
            break
        if isinstance(inside, ssl.SSLError):
            found = inside  # the innermost says most: libraries wrap it in errors of their own
        within = (getattr(inside, name, None) for name in ("certificate_error", "os_error"))
        inside = next(filter(None, within), inside.__cause__ or inside.__context__)
    if found is None:
        return ""
    if isinstance(found, ssl.SSLCertVerificationError):
        code = found.verify_code
        why = _DISTRUST.get(code, f"is not to be believed (OpenSSL {code})")
        return f"TLS: the register's certificate {why}"
    if "ALERT" in (found.reason or ""):
        return f"TLS: the register does not believe us ({found.reason})"
    return f"TLS: {found.reason or type(found).__name__}"


class Signer:
    """Signs questions with a private key (HTTP Message Signatures, RFC 9421).

    Covered are method, authority, path, every header that is given, and the body by its digest
    (RFC 9530). A nonce and the instant let the register refuse a question that comes twice.
    """

    def __init__(self, pem: bytes, key_id: str) -> None:
        """Take an Ed25519 key, or one of the curve P-256.

        Raises:
            ValueError: It is neither, or is encrypted.
        """
        try:
            key = load_pem_private_key(pem, password=None)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError("not a private key that can be read") from error
        self._key_id = key_id
        self._sign: Callable[[bytes], bytes]
        if isinstance(key, ed25519.Ed25519PrivateKey):
            self._algorithm, self._sign = "ed25519", key.sign
        elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            self._algorithm, self._sign = "ecdsa-p256-sha256", _p256(key)
        else:
            raise ValueError("neither Ed25519 nor P-256")  # noqa: TRY004 - it is what it says

    def headers(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> dict[str, str]:
        """The headers that a question gets besides its own."""
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        added = {"Content-Digest": f"sha-256=:{digest}:"}
        parts = urlsplit(url)
        usual = {"https": 443, "http": 80}[parts.scheme]
        host = parts.hostname or ""
        authority = (f"[{host}]" if ":" in host else host) + (
            f":{parts.port}" if parts.port not in {None, usual} else ""
        )
        covered = {"@method": method, "@authority": authority, "@path": parts.path} | {
            name.lower(): value for name, value in {**headers, **added}.items()
        }
        said = " ".join(f'"{name}"' for name in covered)
        how = (
            f"({said});created={int(now.timestamp())};"
            f'keyid="{self._key_id}";alg="{self._algorithm}";nonce="{secrets.token_urlsafe(16)}"'
        )
        lines = [f'"{name}": {value}' for name, value in covered.items()]
        base = "\n".join([*lines, f'"@signature-params": {how}'])
        signature = base64.b64encode(self._sign(base.encode("ascii"))).decode()
        return {
            **added,
            "Signature-Input": f"{LABEL}={how}",
            "Signature": f"{LABEL}=:{signature}:",
        }


def _p256(key: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    """Its signature as two numbers of 32 bytes (RFC 9421, 3.3.4)."""

    def sign(message: bytes) -> bytes:
        both = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return b"".join(number.to_bytes(32, "big") for number in both)

    return sign


def read(
    *,
    secret: str | None = None,
    secret_file: Path | None = None,
    ca_file: Path | None = None,
    certificate_file: Path | None = None,
    private_key_file: Path | None = None,
    signing_key_file: Path | None = None,
    signing_key_id: str = "",
) -> Credentials:
    """Read what an operator has named for one register.

    Args:
        ca_file: Authorities that alone are believed (PEM). None: those of the machine.
        certificate_file, private_key_file: As whom we appear (PEM); one file may hold both.
        signing_key_file, signing_key_id: With what questions are signed, and its name there.

    Raises:
        InvalidPublicationError: A file cannot be read, or is not what it should be.
    """
    if secret_file is not None:
        secret = _secret(secret_file)
    signer = None
    if signing_key_file is not None:
        try:
            signer = Signer(_content(signing_key_file), signing_key_id)
        except ValueError:
            raise _refusal(
                signing_key_file,
                "is no unencrypted private key for Ed25519 or P-256",
                "不是未加密的 Ed25519 或 P-256 私钥",
            ) from None
    trust = None
    if ca_file is not None or certificate_file is not None:
        trust = _trust(ca_file)
        if certificate_file is not None:
            _present(trust, certificate_file, private_key_file)
    return Credentials(secret=secret, trust=trust, signer=signer)


def _secret(file: Path) -> str:
    """The one line of the file."""
    try:
        secret = _content(file).decode("utf-8").strip()
    except UnicodeDecodeError:
        raise _refusal(file, "is not UTF-8", "不是 UTF-8 文本") from None
    if not secret:
        raise _refusal(file, "is empty", "是空的")
    if not secret.isprintable():
        raise _refusal(file, "holds more than one line of text", "不是一行文本")
    return secret


def _present(trust: ssl.SSLContext, certificate_file: Path, private_key_file: Path | None) -> None:
    """Appear with this certificate."""
    for file in (certificate_file, private_key_file):
        if file is not None:
            _content(file)
    try:
        # An encrypted key would ask for its password at the terminal.
        trust.load_cert_chain(certificate_file, private_key_file, password=lambda: "")
    except (ssl.SSLError, ValueError):
        raise _refusal(
            certificate_file,
            "is no certificate with its unencrypted private key",
            "不是证书，或与未加密的私钥不匹配",
        ) from None


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return ssl.create_default_context()
    _content(ca_file)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise _refusal(ca_file, "holds no certificate", "不含证书") from None


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _refusal(file, f"cannot be read: {error.strerror}", "无法读取") from None


def _refusal(file: Path, why: str, zh: str) -> InvalidPublicationError:
    return InvalidPublicationError(
        f"`{file}` {why}",
        zh=f"文件 {file} {zh}",
        reason="REGISTER_CREDENTIALS_INVALID",
        hint="Correct the file that the register's setting names.",
        file=str(file),
    )
