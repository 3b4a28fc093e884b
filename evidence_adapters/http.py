"""JSON over HTTP: puts a question to a register's address and brings the answer's bytes home.

Nothing is followed, unpacked, kept or guessed: no redirect, no compression, no cookie, no proxy of
the environment, no longer answer than the register's file allows.
"""

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import quote, urlsplit

import aiohttp

from decision_service.model import EvidenceStatus, EvidenceType, Query
from evidence_adapters.credentials import Credentials, distrust
from evidence_adapters.guard import Clock, FaultError, GuardedSource
from evidence_adapters.register import FILING_DATE, Register, is_loopback, refuse_addresses
from evidence_adapters.tally import Tally

QUERY_ID: Final = "X-Road-Id"
"""The question's id; the register repeats it with its answer (X-Road REST protocol 1.0, 4.3)."""

SIGNED_HEADERS: Final = (
    QUERY_ID,
    "X-Road-Issue",
    "Miaopi-Matter",
    "Miaopi-Purpose",
    "Miaopi-Legal-Basis",
    "Miaopi-Time",
)
"""What every question says of itself: id, case, matter, purpose, legal basis, instant."""

SIGNATURE: Final = "Miaopi-Signature"

_BUSY: Final = {408, 425, 429, 500, 502, 503, 504}
_REFUSED: Final = {401, 403}

_SAYING_S: Final = 0.2
"""Seconds in which a register that does not believe us has said so."""


@asynccontextmanager
async def connect(
    registers: Mapping[EvidenceType, Register],
    addresses: Mapping[EvidenceType, str],
    *,
    clock: Clock,
    credentials: Mapping[EvidenceType, Credentials] | None = None,
    tally: Tally | None = None,
) -> AsyncIterator[Mapping[EvidenceType, GuardedSource]]:
    """Open the sources of every register that has an address, and close them at the end.

    Args:
        addresses: Base URL by register, without the path that the register's file gives.
        clock: Stamps envelopes and signs questions.
        credentials: Whom to believe over TLS, as whom to appear, and with what to sign, by
            register. With a secret, questions carry an HMAC (see `signature`); with a signer, a
            signature of RFC 9421.
        tally: Where the guards count.

    Raises:
        InvalidPublicationError: An address names no register, is no address, or is not secure.
    """
    refuse_addresses(
        registers,
        addresses,
        _fault_of,
        hint="Give each register an `https://` address; plain `http://` is for loopback only.",
    )
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        raise_for_status=False,
        trust_env=False,
    )
    ways = {
        key: _Transport(
            registers[key],
            address,
            session,
            clock=clock,
            shown=(credentials or {}).get(key, Credentials()),
        )
        for key, address in addresses.items()
    }
    async with session:
        yield {
            key: GuardedSource(
                registers[key], way.ask, clock=clock, tally=tally, describe=way.describe
            )
            for key, way in ways.items()
        }


async def reach(address: str, shown: Credentials, *, within_s: float) -> str:
    """Why nobody can be met at the address; empty if somebody can. No question is put."""
    parts = urlsplit(address)
    is_secure = parts.scheme == "https"
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(
                parts.hostname,
                parts.port or (443 if is_secure else 80),
                ssl=(shown.trust or ssl.create_default_context()) if is_secure else None,
            )
            try:
                # Since TLS 1.3, whoever does not believe us says so only after the handshake.
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), _SAYING_S)
            finally:
                writer.close()
    except TimeoutError:
        return "nobody answers in time"
    except OSError as error:
        return _unavailable(error).detail
    return ""


def signature(
    secret: str, *, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> str:
    """HMAC-SHA-256 (hex) over the method, the path, every header named, and the body's digest."""
    lines = [method, path, *(f"{name.lower()}:{headers[name]}" for name in sorted(headers))]
    signed = "\n".join([*lines, hashlib.sha256(body).hexdigest()])
    return hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()


class _Transport:
    """The way to one register."""

    def __init__(
        self,
        register: Register,
        address: str,
        session: aiohttp.ClientSession,
        *,
        clock: Clock,
        shown: Credentials,
    ) -> None:
        self._register = register
        self._url = address.rstrip("/") + register.request.path
        self._session = session
        self._clock = clock
        self._shown = shown

    def describe(self, query: Query) -> Mapping[str, object]:
        """The request; a signature and its instant are new with every one."""
        headers, body = self._question(query)
        line = f"{self._register.request.method} {self._url}"
        return {"request": line, "headers": headers, "body": body.decode()}

    async def ask(self, query: Query, deadline: float) -> bytes:
        """Put the question and return the answer's bytes; see `guard.Ask`."""
        headers, body = self._question(query)
        left_s = max(deadline - asyncio.get_running_loop().time(), 0.001)
        try:
            async with self._session.request(
                self._register.request.method,
                self._url,
                headers=headers,
                data=body or None,
                allow_redirects=False,
                ssl=self._shown.trust or True,
                timeout=aiohttp.ClientTimeout(total=left_s),
            ) as response:
                self._refuse(response, headers[QUERY_ID])
                return await self._body(response)
        except aiohttp.ClientResponseError:
            raise _malformed("the answer is not HTTP") from None
        except TimeoutError:
            raise FaultError(EvidenceStatus.UNAVAILABLE, "no answer within the deadline") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _unavailable(error) from None

    def _question(self, query: Query) -> tuple[dict[str, str], bytes]:
        """Headers and body. Chinese words travel percent-encoded: headers are ASCII (RFC 9110)."""
        said = {**query.keys, FILING_DATE: query.filing_date.isoformat()}
        template = self._register.request
        about = (
            query.query_id,
            query.case_id,
            query.matter,
            query.purpose,
            query.legal_basis,
            self._clock().isoformat(timespec="seconds"),
        )
        headers = {
            **dict(zip(SIGNED_HEADERS, (quote(word, safe="") for word in about), strict=True)),
            **{name: quote(said[key], safe="") for name, key in template.headers.items()},
        }
        body = json.dumps({name: said[key] for name, key in template.body.items()}).encode()
        body = body if template.body else b""
        if self._shown.secret:
            headers[SIGNATURE] = signature(
                self._shown.secret,
                method=template.method,
                path=template.path,
                headers=headers,
                body=body,
            )
        if self._shown.signer:
            headers |= self._shown.signer.headers(
                template.method, self._url, headers, body, now=self._clock()
            )
        kind = {"Content-Type": "application/json"} if body else {}
        accept = {"Accept": "application/json", "Accept-Encoding": "identity"}
        return {**headers, **kind, **accept}, body

    def _refuse(self, response: aiohttp.ClientResponse, query_id: str) -> None:
        """Whatever is not one whole, plain JSON answer to this very question."""
        if response.status in _BUSY:
            raise FaultError(
                EvidenceStatus.UNAVAILABLE,
                f"HTTP {response.status}",
                again_after_s=_retry_after_s(response),
            )
        if response.status in _REFUSED:
            raise FaultError(EvidenceStatus.DENIED, f"HTTP {response.status}")
        if response.status != 200:
            raise _malformed(f"HTTP {response.status} is not in the contract")
        if response.content_type != "application/json":
            raise _malformed("the answer is not of type application/json")
        if (response.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
            raise _malformed("the answer is not in UTF-8")  # bytes of GBK can also be UTF-8's
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise _malformed("the answer is compressed, which was not asked for")
        if response.headers.getall(QUERY_ID, []) != [query_id]:
            raise _malformed("the answer does not repeat the question's id")

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """The body, read no further than the register's limit."""
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._register.max_bytes:
                raise _malformed("the answer is longer than the contract allows")
        return bytes(body)


def _unavailable(error: Exception) -> FaultError:
    """The error's kind alone: its words can hold addresses, which are the operator's secret.

    Asking again helps where a connection broke, and not where one side did not believe the other.
    """
    if why := distrust(error):
        return FaultError(EvidenceStatus.UNAVAILABLE, why)
    return FaultError(EvidenceStatus.UNAVAILABLE, type(error).__name__, again_after_s=0)


def _malformed(detail: str) -> FaultError:
    return FaultError(EvidenceStatus.MALFORMED, detail)


def _retry_after_s(response: aiohttp.ClientResponse) -> float:
    """Seconds that the register asks us to wait; 0 where it says nothing that we understand."""
    told = response.headers.get("Retry-After", "")
    return float(told) if told.isascii() and told.isdigit() and len(told) < 6 else 0


def _fault_of(address: str) -> str:
    try:
        parts = urlsplit(address)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host = None
    if not host or "@" in parts.netloc or parts.query or parts.fragment:
        return "is not of the form scheme://host:port/path"
    is_secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    return "" if is_secure else "is not secure"
