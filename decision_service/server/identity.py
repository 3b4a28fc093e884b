"""Who calls: JSON Web Tokens, verified with the issuer's public keys (RFC 7519, RFC 8725)."""

import hashlib
import json
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc import jwt
from joserfc.errors import (
    ClaimError,
    ExpiredTokenError,
    InvalidKeyIdError,
    JoseError,
    SecurityWarning,
)
from joserfc.jwk import KeySet, OctKey, OKPKey

from decision_service.errors import DecisionServiceError
from decision_service.model import EVERY_MATTER, MatterId
from decision_service.v1 import roles_pb2

ROLES: Final = {
    name.removeprefix("ROLE_").lower(): value
    for name, value in roles_pb2.Role.items()
    if value != roles_pb2.ROLE_UNSPECIFIED
}
"""The contract's value of every ``role`` claim, e.g. of ``portal``."""

CLERK: Final = "clerk"
"""The ``role`` claim of who works at the counter."""

_ALGORITHMS = ["Ed25519", "EdDSA", "ES256", "RS256"]
"""Signatures only. ``EdDSA`` is the name that RFC 9864 replaced and that most issuers write."""

_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}\Z")
"""A subject names a system or a staff account; it stands in logs and entries."""

_PERSON = re.compile(r"([0-9a-f]{64})?\Z")

_MATTER = re.compile(r"[a-z][a-z0-9_]{0,63}\Z|\*\Z")

_SHORTEST_RSA_BITS = 2048
"""Below it a key can be factored within what an attacker may spend (NIST SP 800-131A)."""

_REMEMBERED = 4096
"""Verified tokens kept at most: a city has some dozens of portals and some hundreds of clerks."""


class NotAuthenticatedError(DecisionServiceError):
    """The call carries no token that says who calls."""


class UnknownKeyError(NotAuthenticatedError):
    """The token names a key that is not believed; the issuer may have it since a moment ago."""


class KeysRefusedError(DecisionServiceError):
    """The key set cannot tell who calls; what was believed before is believed still."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a verified token names.

    Attributes:
        subject: ``sub`` claim, e.g. ``portal-luohu``.
        role: ``role`` claim, e.g. ``portal``; a key of `ROLES`.
        person: ``person`` claim of a clerk: which person that is, as a keyed tag in hexadecimal
            (`Office.person_tag`); empty without one.
        matters: ``matters`` claim of a clerk: whose cases of others they may work on, or
            `EVERY_MATTER`; none without one. Whoever else calls is limited by their role alone.
    """

    subject: str
    role: str
    person: str = ""
    matters: frozenset[MatterId] = frozenset()


class Verifier:
    """Tells who calls, by tokens of one issuer for one audience.

    Args:
        jwks: JSON Web Key Set (RFC 7517) of the issuer's public keys; see `believe`.
        audience: What ``aud`` must contain: this service.
        issuer: What ``iss`` must be.
        clock_skew: How far the issuer's clock and ours may differ.

    Raises:
        KeysRefusedError: The key set is none, or cannot tell who calls.
    """

    def __init__(
        self,
        jwks: str | bytes,
        *,
        audience: str,
        issuer: str,
        clock_skew: timedelta = timedelta(seconds=30),
    ) -> None:
        self._keys = _key_set(jwks)
        self._audience = audience
        self._issuer = issuer
        self._clock_skew = clock_skew
        self._verified: dict[bytes, tuple[Caller, datetime]] = {}

    def believe(self, jwks: str | bytes) -> None:
        """Believe these keys from now on, and no other: the issuer has changed its key set.

        Tokens of a key that stays are believed as before; those of a key that is gone are not,
        known or new. A token names its key (``kid``) where the set has several. An empty set is
        an answer too: then nobody is believed.

        Raises:
            KeysRefusedError: The key set is none, or cannot tell who calls; the old keys stay.
        """
        self._keys = _key_set(jwks)
        self._verified.clear()

    def verify(self, token: str, *, now: datetime) -> Caller:
        """Tell whom the token names; a token is verified once and then known until it expires.

        Raises:
            UnknownKeyError: It names a key that is not believed.
            NotAuthenticatedError: It was not issued by our issuer for this service, or is not
                valid at this time.
        """
        name = hashlib.sha256(token.encode()).digest()
        if name in self._verified:
            caller, expire_time = self._verified[name]
            if now < expire_time:
                return caller
            del self._verified[name]
            raise _expired()
        caller, expire_time = self._read(token, now)
        if len(self._verified) >= _REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[name] = caller, expire_time
        return caller

    def _read(self, token: str, now: datetime) -> tuple[Caller, datetime]:
        """Whom a token that was never seen names, and until when it is believed."""
        rules = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=int(self._clock_skew.total_seconds()),
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
            sub={"essential": True},
            role={"essential": True, "values": list(ROLES)},
        )
        try:
            claims = self._claims(token)
            rules.validate(claims)
            expire_time = datetime.fromtimestamp(claims["exp"], UTC) + self._clock_skew
        except ExpiredTokenError:
            raise _expired() from None
        except ClaimError as error:
            raise (_not_yet_valid() if error.claim in {"nbf", "iat"} else _invalid()) from None
        except InvalidKeyIdError:
            raise _invalid(UnknownKeyError) from None
        except (JoseError, ValueError, TypeError, OverflowError, OSError):
            raise _invalid() from None
        subject, role = claims["sub"], claims["role"]
        if not isinstance(role, str) or not _SUBJECT.match(subject):
            raise _invalid()
        person = claims.get("person", "")
        if not isinstance(person, str) or not _PERSON.match(person):
            raise _invalid()
        caller = Caller(subject=subject, role=role, person=person, matters=_matters(claims))
        return caller, expire_time

    def _claims(self, token: str) -> dict[str, Any]:
        """What a token says, if one of the issuer's keys signed it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of the old name EdDSA
            return jwt.decode(token, self._keys, algorithms=_ALGORITHMS).claims


def _matters(claims: Mapping[str, Any]) -> frozenset[MatterId]:
    """The matters that a token names; a limit that nobody would keep is no token of ours."""
    if claims["role"] != CLERK:
        if "matters" in claims:
            raise _invalid()
        return frozenset({EVERY_MATTER})
    named = claims.get("matters", [])
    if not isinstance(named, list):
        raise _invalid()
    if not all(isinstance(one, str) and _MATTER.match(one) for one in named):
        raise _invalid()
    return frozenset(map(MatterId, named))


def _key_set(jwks: str | bytes) -> KeySet:
    """The keys of a set, each tried once, so that none fails at the first caller.

    A key of a kind that we do not know is passed over (RFC 7517, 5); one that we know must be
    public and whole, and no two may share a name.
    """
    try:
        told = json.loads(jwks)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of short keys, refused below
            keys = KeySet.import_key_set(told) if told["keys"] else KeySet([])
        for key in keys:
            if isinstance(key, OctKey) or key.is_private:
                raise _keys_refused("has a secret key, and whoever knows it could forge tokens")
            public = key.get_op_key("verify")
            if isinstance(public, RSAPublicKey) and public.key_size < _SHORTEST_RSA_BITS:
                raise _keys_refused(f"has an RSA key of fewer than {_SHORTEST_RSA_BITS} bits")
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise _keys_refused("is not a JSON Web Key Set (RFC 7517)") from None
    if len({key.kid for key in keys}) != len(keys.keys):
        raise _keys_refused("has two keys of one `kid`")
    return keys


def _keys_refused(what: str) -> KeysRefusedError:
    return KeysRefusedError(
        f"the key set {what}",
        zh="调用方公钥集（JWKS）有误，无法识别调用方。",
        reason="JWKS_INVALID",
        hint="Give the public keys of your token issuer as it publishes them: `MIAOPI_JWKS`.",
    )


def new_private_key() -> str:
    """A new Ed25519 key as a JSON Web Key; it signs tokens and is kept secret."""
    return json.dumps(OKPKey.generate_key("Ed25519", auto_kid=True).as_dict(private=True))


def public_jwks(private_key: str) -> str:
    """The key set that verifies what the private key signs."""
    return json.dumps(KeySet([_okp(private_key)]).as_dict(private=False))


def issue(
    private_key: str,
    *,
    subject: str,
    role: str,
    audience: str,
    issuer: str,
    lifetime: timedelta,
    now: datetime,
    person: str = "",
    matters: Iterable[str] = (),
) -> str:
    """Sign a token, for a sandbox and for tests; a city has its own issuer.

    The key is one of `new_private_key`, the role one of `ROLES`; ``now`` is stamped as ``iat``,
    ``person`` says which person a clerk is, and ``matters`` what they may work on (`Caller`).
    """
    key = _okp(private_key)
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": subject,
        "role": role,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        **({"person": person} if person else {}),
        **({"matters": sorted(matters)} if matters else {}),
    }
    header = {"alg": "Ed25519", "kid": key.kid}
    return jwt.encode(header, claims, key, algorithms=["Ed25519"])


def _okp(private_key: str) -> OKPKey:
    return OKPKey.import_key(json.loads(private_key))


def _invalid(kind: type[NotAuthenticatedError] = NotAuthenticatedError) -> NotAuthenticatedError:
    return kind(
        "the token was not issued for this service by its issuer",
        zh="访问令牌无效，请向本市令牌签发机构重新获取。",
        reason="TOKEN_INVALID",
        hint="Get a token of the city's issuer for this service.",
    )


def _expired() -> NotAuthenticatedError:
    return NotAuthenticatedError(
        "the token has expired",
        zh="访问令牌已过期，请重新获取。",
        reason="TOKEN_EXPIRED",
        hint="Get a new token and repeat the call.",
    )


def _not_yet_valid() -> NotAuthenticatedError:
    return NotAuthenticatedError(
        "the token is not valid yet",
        zh="访问令牌尚未生效，请稍候，或请签发方校准时钟。",
        reason="TOKEN_NOT_YET_VALID",
        hint="Set the clock of the issuer, or wait until the token's `nbf`.",
    )
