"""The public keys of an OpenID Connect issuer: fetched, kept through its outages, and renewed.

Discovery is OpenID Connect Discovery 1.0, section 4; a key set is RFC 7517. What the issuer says is
believed only from its own address, over TLS, and within limits.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import structlog

from decision_service.errors import DecisionServiceError

log = structlog.get_logger()

_WELL_KNOWN: Final = "/.well-known/openid-configuration"

_FETCH_S: Final = 5.0
"""For the whole of one fetch, in seconds."""

_LARGEST_BYTES: Final = 256 << 10
"""Of a document: a hundred times what issuers publish."""

_EVERY_S: Final = 300.0
"""Between two fetches, in seconds: within this time a key that the issuer took away is gone."""

_AFTER_FAILURE_S: Final = 30.0
"""Between two fetches while the issuer does not answer, in seconds."""

_AT_MOST_EVERY_S: Final = 10.0
"""Between two fetches for tokens of keys that are not known, in seconds: anybody can send one."""

_MOST_WAITING: Final = 64
"""Calls that wait for one fetch; the others are refused at once."""

_KEPT_S: Final = 24 * 3_600.0
"""How long keys are believed without having been confirmed, in seconds. Tokens live for hours, so
that by then none is left; and a key that the issuer has meanwhile revoked is not believed for ever.
"""

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class IssuerError(DecisionServiceError):
    """The issuer did not give its keys."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Where an issuer's keys are.

    Attributes:
        name: What ``iss`` of its tokens is: for OpenID Connect its address.
        jwks_url: Of its key set; empty to ask its discovery document.
    """

    name: str
    jwks_url: str = ""


class Keys:
    """Keeps the keys of one issuer.

    Args:
        believe: Takes every key set that was fetched; raises `DecisionServiceError` to refuse it.
    """

    def __init__(self, issuer: Issuer, believe: Callable[[bytes], None]) -> None:
        self._issuer = issuer
        self._believe = believe
        self._fetching: asyncio.Task[bool] | None = None
        self._waiting = 0
        self._tried_at = self._fetched_at = asyncio.get_running_loop().time()
        self._failed = False

    async def follow(self) -> None:
        """Fetch the keys again and again, until cancelled; an operator is told of every change."""
        try:
            while True:
                await asyncio.sleep(_AFTER_FAILURE_S if self._failed else _EVERY_S)
                await asyncio.shield(self._begun())
        finally:
            if self._fetching is not None:
                self._fetching.cancel()

    async def renew(self) -> bool:
        """Fetch the keys because a token names one that is not known; whether they were fetched.

        Never more often than every `_AT_MOST_EVERY_S`, however many such tokens come.
        """
        loop = asyncio.get_running_loop()
        if self._fetching is None and loop.time() - self._tried_at < _AT_MOST_EVERY_S:
            return False
        if self._waiting >= _MOST_WAITING:
            return False
        self._waiting += 1
        try:
            return await asyncio.shield(self._begun())
        finally:
            self._waiting -= 1

    def _begun(self) -> "asyncio.Task[bool]":
        """The fetch that is under way, else a new one."""
        if self._fetching is None:
            self._tried_at = asyncio.get_running_loop().time()
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._ended)
        return self._fetching

    def _ended(self, _: "asyncio.Task[bool]") -> None:
        self._fetching = None

    async def _fetch(self) -> bool:
        try:
            self._believe(await fetch(self._issuer))
        except DecisionServiceError as error:
            if not self._failed:
                log.error("issuer.failed", reason=error.reason, **error.metadata)  # noqa: TRY400
            self._failed = True
            if asyncio.get_running_loop().time() - self._fetched_at > _KEPT_S:
                self._believe(b'{"keys": []}')
            return False
        if self._failed:
            log.info("issuer.recovered")
        self._failed, self._fetched_at = False, asyncio.get_running_loop().time()
        return True


async def fetch(issuer: Issuer) -> bytes:
    """Fetch an issuer's key set; whether it can tell who calls is for the `Verifier` to say.

    Raises:
        IssuerError: The issuer did not answer in time, with what it should.
    """
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=_FETCH_S), auto_decompress=False
    ) as session:
        jwks_url = issuer.jwks_url or await _discover(session, issuer.name)
        return await _get(session, jwks_url)


async def _discover(session: aiohttp.ClientSession, name: str) -> str:
    """The address of the key set, as the issuer's discovery document tells it."""
    url = f"{name.rstrip('/')}{_WELL_KNOWN}"
    try:
        told: Any = json.loads(await _get(session, url))
        found, jwks_url = told["issuer"], told["jwks_uri"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _failed("ISSUER_UNREADABLE", "gives no discovery document", url) from None
    if found != name:
        raise _failed("ISSUER_MISMATCH", "says that it is another issuer", url)
    if not isinstance(jwks_url, str):
        raise _failed("ISSUER_UNREADABLE", "gives no discovery document", url)
    return jwks_url


async def _get(session: aiohttp.ClientSession, url: str) -> bytes:
    """A document of the issuer, whole."""
    if not _is_trustworthy(url):
        raise _failed("ISSUER_INSECURE", "has its keys at an address without TLS", url)
    try:
        async with session.get(
            url,
            allow_redirects=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        ) as response:
            if response.status != 200:
                raise _failed("ISSUER_REFUSED", f"answers {response.status}", url)
            raw = await response.content.read(_LARGEST_BYTES + 1)
            while len(raw) <= _LARGEST_BYTES and (more := await response.content.read(64 << 10)):
                raw += more
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise _failed(
            "ISSUER_UNREACHABLE", f"cannot be asked: {type(error).__name__}", url
        ) from None
    if len(raw) > _LARGEST_BYTES:
        raise _failed("ISSUER_UNREADABLE", "gives more than any key set is", url)
    return raw


def _is_trustworthy(url: str) -> bool:
    """Whether nobody between us and the address can change what comes from there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )


def _failed(reason: str, what: str, url: str) -> IssuerError:
    """Say what came of asking there; of the address no more than a host and a path."""
    try:
        parts = urlsplit(url)
        where = parts.netloc.rpartition("@")[2] + parts.path
    except ValueError:
        where = "an address that is none"
    return IssuerError(
        f"the token issuer {what}: `{where}`",
        zh=f"令牌签发机构的公钥无法取得（{where}），无法识别调用方。",
        reason=reason,
        hint="See that the address is right and that this machine reaches it and trusts its CA.",
        address=where,
    )
