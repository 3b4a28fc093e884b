"""Registers that send what no honest one does, byte by byte, on real sockets."""

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from evidence_adapters.http import QUERY_ID

BOMB = gzip.compress(b" " * 30_000_000)

Serve: TypeAlias = Callable[[asyncio.StreamWriter, str, bytes], Awaitable[None]]
"""How the laboratory answers, given the connection, the question's id and the right body."""

_GONE = (ConnectionError, ssl.SSLError)

_ENDLESS = 3_000
"""Times that a part of an endless answer is sent; nobody should be there for the last."""


@asynccontextmanager
async def laboratory(
    serve: Serve, answer: Mapping[str, Any], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """An address where every question gets `serve`'s treatment."""
    body = json.dumps(answer, ensure_ascii=False).encode()
    tasks = set[asyncio.Task[Any]]()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(*_GONE, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            await reader.readexactly(int(headers.get("Content-Length", "0")))
            await serve(writer, headers[QUERY_ID], body)
        writer.close()
        with suppress(*_GONE, asyncio.CancelledError):
            await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def send(
    writer: asyncio.StreamWriter,
    query_id: str,
    body: bytes,
    *,
    status: str = "200 OK",
    kind: str = "application/json",
    headers: str = "",
    length: int | None = None,
) -> None:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{QUERY_ID}: {query_id}\r\n{headers}"
        f"Content-Length: {len(body) if length is None else length}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()


async def silence(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    await asyncio.sleep(60)


async def half_open(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    await send(writer, query_id, body[: len(body) // 2], length=len(body))
    await asyncio.sleep(60)


async def drip(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    await send(writer, query_id, b"", length=len(body))
    for byte in body:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def truncation(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    await send(writer, query_id, body[:-10], length=len(body))


async def reset(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    await send(writer, query_id, body[:5], length=len(body))
    writer.transport.abort()


async def flood(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    await send(writer, query_id, b"", length=26_000_000)
    for _ in range(26):
        writer.write(b" " * 1_000_000)
        await writer.drain()


async def not_http(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    writer.write(b"220 mail.example.invalid ESMTP\r\n\r\n")
    await writer.drain()


async def slow_head(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        writer.write(f"X-{number}: 1\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless_head(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(_ENDLESS):
        writer.write(b"X-Filler: " + b"x" * 1_000 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)  # over TLS nothing else would stop it, once nobody reads


async def endless_line(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Filler: ")
    for _ in range(_ENDLESS):
        writer.write(b"x" * 10_000)
        await writer.drain()
        await asyncio.sleep(0)  # over TLS nothing else would stop it, once nobody reads


async def endless_chunks(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{QUERY_ID}: {query_id}\r\n"
    writer.write(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(_ENDLESS):
        writer.write(b"2710\r\n" + b" " * 10_000 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)  # over TLS nothing else would stop it, once nobody reads


async def endless_continue(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    for _ in range(_ENDLESS):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def two_answers(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    """Who keeps such a connection would take the second for the answer to another question."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{QUERY_ID}: {query_id}\r\n"
    answer = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    writer.write(answer.replace(body, b"{" + b" " * (len(body) - 2) + b"}") + answer)
    await writer.drain()
    await asyncio.sleep(0.05)


def with_(change: Callable[[bytes], bytes], **how: str) -> Serve:
    async def serve(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
        await send(writer, query_id, change(body), **how)  # type: ignore[arg-type]  # texts alone

    return serve


def same(body: bytes) -> bytes:
    return body


def bomb(body: bytes) -> bytes:
    return BOMB


async def another_question(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    await send(writer, "q/2", body)


async def two_questions(writer: asyncio.StreamWriter, query_id: str, body: bytes) -> None:
    await send(writer, query_id, body, headers=f"{QUERY_ID}: q/2\r\n")


@dataclass(frozen=True)
class Bytes:
    """What a register sends, and what it is taken for.

    Attributes:
        detail: Part of what an operator reads.
        never_ends: Whether it takes longer than anybody waits.
    """

    serve: Serve
    status: str
    detail: str
    id: str
    never_ends: bool = False


BYTES: Sequence[Bytes] = (
    Bytes(silence, "UNAVAILABLE", "no answer within the deadline", id="silence", never_ends=True),
    Bytes(
        half_open, "UNAVAILABLE", "no answer within the deadline", id="half open", never_ends=True
    ),
    Bytes(drip, "UNAVAILABLE", "no answer within the deadline", id="drip", never_ends=True),
    Bytes(truncation, "UNAVAILABLE", "ClientPayloadError", id="truncation"),
    Bytes(reset, "UNAVAILABLE", "", id="reset"),
    Bytes(flood, "MALFORMED", "the answer is longer than the contract allows", id="26 MB"),
    Bytes(not_http, "MALFORMED", "the answer is not HTTP", id="a mail server"),
    Bytes(
        with_(bomb, headers="Content-Encoding: gzip\r\n"),
        "MALFORMED",
        "the answer is compressed, which was not asked for",
        id="gzip bomb",
    ),
    Bytes(
        with_(same, kind="text/html"),
        "MALFORMED",
        "the answer is not of type application/json",
        id="login page",
    ),
    Bytes(
        with_(same, kind="application/json; charset=GBK"),
        "MALFORMED",
        "the answer is not in UTF-8",
        id="another encoding, as it says itself",
    ),
    Bytes(
        with_(same, status="302 Found", headers="Location: http://example.invalid/\r\n"),
        "MALFORMED",
        "HTTP 302 is not in the contract",
        id="redirect",
    ),
    Bytes(
        with_(same, status="404 Not Found"),
        "MALFORMED",
        "HTTP 404 is not in the contract",
        id="404 is no absence",
    ),
    Bytes(with_(same, status="401 No"), "DENIED", "HTTP 401", id="401"),
    Bytes(with_(same, status="403 No"), "DENIED", "HTTP 403", id="403"),
    Bytes(with_(same, status="500 Oh"), "UNAVAILABLE", "HTTP 500", id="500"),
    Bytes(
        with_(same, status="503 Busy", headers="Retry-After: 120\r\n"),
        "UNAVAILABLE",
        "HTTP 503",
        id="503 until after the deadline",
    ),
    Bytes(
        another_question,
        "MALFORMED",
        "the answer does not repeat the question's id",
        id="another question's answer",
    ),
    Bytes(
        two_questions,
        "MALFORMED",
        "the answer does not repeat the question's id",
        id="two ids",
    ),
    Bytes(
        with_(lambda body: body[:-1] + b',"data":[],"data":[]}'),
        "MALFORMED",
        "a key stands twice in one object",
        id="a key twice",
    ),
    Bytes(
        with_(lambda body: body[:-1] + b',"x":NaN}'),
        "MALFORMED",
        "NaN is not a number",
        id="NaN",
    ),
    Bytes(
        with_(lambda body: body[:-1] + b',"x":' + b"[" * 99_000 + b"]" * 99_000 + b"}"),
        "MALFORMED",
        "the text is nested too deep",
        id="deep",
    ),
    Bytes(
        with_(lambda body: b"\xef\xbb\xbf" + body),
        "MALFORMED",
        "the text is not JSON",
        id="byte order mark",
    ),
    Bytes(
        with_(lambda body: body[:-1] + ',"地址":"深圳"}'.encode("gbk")),
        "MALFORMED",
        "the text is not UTF-8",
        id="GBK",
    ),
    Bytes(with_(lambda _: b"{}"), "MALFORMED", "off contract in", id="empty object"),
    Bytes(with_(lambda _: b"null"), "MALFORMED", "the answer is not an object", id="null"),
    Bytes(with_(lambda _: b""), "MALFORMED", "the text is not JSON", id="empty body"),
    Bytes(slow_head, "UNAVAILABLE", "", id="drip of headers", never_ends=True),
    Bytes(endless_head, "MALFORMED", "the answer is not HTTP", id="endless headers"),
    Bytes(endless_line, "MALFORMED", "the answer is not HTTP", id="endless header"),
    Bytes(
        endless_chunks,
        "MALFORMED",
        "the answer is longer than the contract allows",
        id="endless chunks",
    ),
    Bytes(endless_continue, "UNAVAILABLE", "", id="endless 100 Continue", never_ends=True),
    Bytes(two_answers, "MALFORMED", "off contract in", id="an answer before the answer"),
)
