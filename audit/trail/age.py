"""Encrypting to somebody outside: age (https://age-encryption.org/v1), X25519 alone."""

from pathlib import Path

from pyrage import IdentityError, RecipientError, x25519

from audit.errors import StoreRefusedError


def recipient_of(text: str) -> x25519.Recipient:
    """Who can read what is encrypted to that public key.

    Raises:
        StoreRefusedError: It is none (``RECIPIENT_INVALID``).
    """
    try:
        return x25519.Recipient.from_str(text)
    except RecipientError:
        raise StoreRefusedError(
            "this is no age public key",
            zh="这不是 age 公钥；请给出 `age-keygen` 打印的 `age1…` 公钥",
            reason="RECIPIENT_INVALID",
            hint="Give the line `age1…` that `age-keygen` prints; its identity stays elsewhere.",
        ) from None


def read_identity(file: Path) -> x25519.Identity:
    """The secret key in a file as `age-keygen` writes it.

    Raises:
        StoreRefusedError: There is none (``IDENTITY_INVALID``).
    """
    try:
        lines = file.read_text("utf-8").splitlines()
        (text,) = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
        return x25519.Identity.from_str(text)
    except (OSError, ValueError, IdentityError):
        raise StoreRefusedError(
            f"`{file.name}` holds no age identity",
            zh=f"`{file.name}` 中没有 age 私钥；请给出 `age-keygen` 写出的文件",
            reason="IDENTITY_INVALID",
            hint="Give the file that `age-keygen` has written, with one line `AGE-SECRET-KEY-1…`.",
        ) from None
