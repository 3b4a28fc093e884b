"""The same methods as JSON over HTTP, for browsers and mini-programs: the Connect protocol.

A call is a plain ``POST /package.Service/Method``; a stream is one message after the other, each
with five bytes before it. Clients of the protocol may send protobuf's bytes in place of JSON. Every
check is the edge's, as for gRPC; here is translation only. See https://connectrpc.com/docs/protocol.
"""

import asyncio
import json
import math
import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, NoReturn, Protocol

from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from decision_service.errors import FieldViolation, InvalidRequestError
from decision_service.server.edge import LAST_WORDS_S, SERVICES, Arrival, Edge, name_request
from decision_service.server.json_messages import LARGEST_BYTES, read_json, too_large, write_json
from decision_service.server.messages import read_message

_UNARY: Final = "application/"
_STREAM: Final = "application/connect+"
_JSON: Final = "application/json"

_HTTP: Final[Mapping[int, int]] = {
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
"""The protocol's table of HTTP statuses."""

_END: Final = 0b10
"""Flag of the last message of a stream, which says how it ended."""

_HEAD_S: Final = 10.0
"""Within which a new connection has to have sent its first request's head, in seconds."""

_KEPT_S: Final = 75.0
"""How long a connection is kept without a request, in seconds; load balancers use 60."""

_PREFLIGHT_S: Final = 7_200
"""How long a browser may believe what it was told of its origin; none believes longer."""


class _Behaviour(Protocol):
    """A method of a servicer. Ours ask nothing of gRPC's context, so there is none."""

    def __call__(self, request: Message, context: None) -> Any: ...  # noqa: ANN401 - see its kind


@dataclass(frozen=True, slots=True)
class _Method:
    """One method of the contract.

    Attributes:
        streams: Whether it answers with a stream of messages.
        media: What its requests and answers call themselves, before the name of a codec.
    """

    behaviour: _Behaviour
    request: type[Message]
    streams: bool

    @property
    def media(self) -> str:
        return _STREAM if self.streams else _UNARY


@dataclass(frozen=True, slots=True)
class _Codec:
    """A way to write messages."""

    read: Callable[[bytes, type[Message]], Message]
    write: Callable[[Message], bytes]


_CODECS: Final[Mapping[str, _Codec]] = {
    "json": _Codec(read=read_json, write=write_json),
    "proto": _Codec(
        read=lambda raw, kind: read_message(raw, kind.FromString),
        write=lambda message: message.SerializeToString(),
    ),
}
"""By the name that the protocol has for it."""


class _ToldError(Exception):
    """The call has ended, not well, and its caller has been told."""


class Web:
    """Every method of the contract over HTTP, on one address.

    Args:
        servicers: By the name of their service, e.g. ``DecisionService``.
        origins: Web pages of which origins may call, e.g. ``https://portal.example``; a browser
            lets no other read an answer. Apps and mini-programs have no origin.
    """

    def __init__(
        self, edge: Edge, servicers: Mapping[str, object], *, origins: Collection[str] = ()
    ) -> None:
        self._edge = edge
        self._origins = frozenset(origins)
        self._methods = {
            f"/{service.full_name}/{method.name}": _Method(
                behaviour=getattr(servicers[service.name], method.name),
                request=GetMessageClass(method.input_type),
                streams=method.server_streaming,
            )
            for service in SERVICES
            for method in service.methods
        }
        self._silent: set[web.RequestHandler] = set()
        self._server = web.Server(
            self._answer,
            handler_cancellation=True,  # who hangs up is no longer worked for
            access_log=None,
            auto_decompress=False,  # nothing compressed is taken
            keepalive_timeout=_KEPT_S,
            lingering_time=LAST_WORDS_S,
        )
        self._socket: asyncio.Server | None = None

    async def listen(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        """Listen from now on; the port.

        Raises:
            OSError: The address cannot be had.
        """
        self._socket = await asyncio.get_running_loop().create_server(
            self._connection, host, port, ssl=context, reuse_port=False
        )
        return int(self._socket.sockets[0].getsockname()[1])

    async def stop(self, last_s: float) -> None:
        """Take no more connections and end those that are left.

        Args:
            last_s: For answers on their way out, in seconds.
        """
        if self._socket is not None:
            self._socket.close()
            await self._server.shutdown(last_s)
            await self._socket.wait_closed()

    def _connection(self) -> web.RequestHandler:
        """Expect a request of a new connection, but not for ever."""
        connection = self._server()
        self._silent.add(connection)

        def close_if_silent() -> None:
            if connection in self._silent:
                self._silent.discard(connection)
                connection.force_close()

        asyncio.get_running_loop().call_later(_HEAD_S, close_if_silent)
        return connection

    # ── one request ──────────────────────────────────────────────────────────────────────────────

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer whatever came; what is no call of the contract costs nothing."""
        self._silent.discard(request.protocol)
        if request.method == "OPTIONS":
            return self._preflight(request)
        method = self._methods.get(request.path)
        if method is None:
            return self._no_call(request, HTTPStatus.NOT_FOUND, "there is no such method")
        if request.method != "POST":
            refused = self._no_call(request, HTTPStatus.METHOD_NOT_ALLOWED, "send a POST")
            refused.headers["Allow"] = "POST, OPTIONS"
            return refused
        codec = _CODECS.get(request.content_type.removeprefix(method.media))
        if codec is None or request.charset not in {None, "utf-8"}:
            refused = self._no_call(
                request,
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"send `Content-Type: {method.media}json`",
            )
            refused.headers["Accept-Post"] = ", ".join(method.media + name for name in _CODECS)
            return refused
        if any(
            request.headers.get(name, "identity") != "identity"
            for name in ("Content-Encoding", "Connect-Content-Encoding")
        ):
            return self._no_call(
                request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body as it is, uncompressed"
            )
        return await (self._stream if method.streams else self._unary)(request, method, codec)

    async def _unary(
        self, request: web.BaseRequest, method: _Method, codec: _Codec
    ) -> web.StreamResponse:
        answer = web.Response(headers=self._headers(request), content_type=request.content_type)

        async def refuse(status: Status) -> NoReturn:
            if answer.prepared:  # the caller does not read what it is being sent
                request.protocol.force_close()
                raise _ToldError
            answer.set_status(_HTTP[status.code])
            answer.headers.update(_hints(status))
            answer.content_type, answer.body = _JSON, _json(_error(status))
            await _last(request, _send(request, answer))
            raise _ToldError

        with suppress(_ToldError):
            async with self._edge.handled(_arrival(request, refuse)):
                asked = await _read(request, method, codec)
                answer.body = codec.write(await method.behaviour(asked, None))
                await _send(request, answer)
        return answer

    async def _stream(
        self, request: web.BaseRequest, method: _Method, codec: _Codec
    ) -> web.StreamResponse:
        """Answer message by message; the last one says how it ended, and the status is 200."""
        answer = web.StreamResponse(headers=self._headers(request))
        answer.content_type = request.content_type

        async def end(how: Mapping[str, Any]) -> None:
            await _write(request, answer, _envelope(_json(how), flags=_END))
            await answer.write_eof()

        async def refuse(status: Status) -> NoReturn:
            await _last(request, end({"error": _error(status)}))
            raise _ToldError

        with suppress(_ToldError):
            async with self._edge.handled(_arrival(request, refuse)):
                asked = await _read(request, method, codec)
                messages: AsyncGenerator[Message, None] = method.behaviour(asked, None)
                async with aclosing(messages):
                    async for message in messages:
                        await _write(request, answer, _envelope(codec.write(message)))
                await end({})
        return answer

    # ── what is no call ──────────────────────────────────────────────────────────────────────────

    def _preflight(self, request: web.BaseRequest) -> web.Response:
        """Tell a browser whether a page of that origin may call (the CORS protocol)."""
        if request.headers.get("Origin") not in self._origins:
            return self._no_call(request, HTTPStatus.FORBIDDEN, "this origin may not call")
        return web.Response(
            status=HTTPStatus.NO_CONTENT,
            headers={
                **self._headers(request),
                "Access-Control-Allow-Methods": "POST",
                "Access-Control-Allow-Headers": (
                    "Authorization, Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms"
                ),
                "Access-Control-Max-Age": str(_PREFLIGHT_S),
            },
        )

    def _no_call(self, request: web.BaseRequest, status: HTTPStatus, message: str) -> web.Response:
        return web.Response(
            status=status,
            headers=self._headers(request),
            content_type=_JSON,
            body=_json({"code": "unimplemented", "message": message}),
        )

    def _headers(self, request: web.BaseRequest) -> dict[str, str]:
        """Headers of every answer: it is nobody's to keep, and for pages of known origins only."""
        headers = {
            "Cache-Control": "no-store",
            "Server": "miaopi",
            "X-Content-Type-Options": "nosniff",
        }
        if self._origins:
            headers["Vary"] = "Origin"
        origin = request.headers.get("Origin", "")
        if origin in self._origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = "Retry-After"
        return headers


# ── from the wire ────────────────────────────────────────────────────────────────────────────────


def _arrival(request: web.BaseRequest, refuse: Callable[[Status], Awaitable[NoReturn]]) -> Arrival:
    loop = asyncio.get_running_loop()
    told = request.headers.get("Connect-Timeout-Ms", "")
    until = loop.time() + int(told) / 1_000 if _is_timeout(told) else math.inf
    return Arrival(
        method=request.path,
        authorization=request.headers.getall("Authorization", []),
        remaining_s=lambda: until - loop.time(),
        refuse=refuse,
    )


def _is_timeout(told: str) -> bool:
    return told.isascii() and told.isdigit() and len(told) <= 10


async def _read(request: web.BaseRequest, method: _Method, codec: _Codec) -> Message:
    """Read a request's headers and its one message.

    Raises:
        InvalidRequestError: They are not as the protocol and the contract have it.
        asyncio.CancelledError: The caller hung up before all of it was here.
    """
    told = request.headers.get("Connect-Timeout-Ms")
    if told is not None and not _is_timeout(told):
        raise _wrong(
            "Connect-Timeout-Ms",
            "must be milliseconds in at most ten digits",
            "应为不超过10位的毫秒数",
        )
    if request.headers.get("Connect-Protocol-Version", "1") != "1":
        raise _wrong("Connect-Protocol-Version", "must be 1", "应为 1")
    body = await _body(request)
    asked = codec.read(_opened(body) if method.streams else body, method.request)
    name_request(asked)
    return asked


async def _body(request: web.BaseRequest) -> bytes:
    if (request.content_length or 0) > LARGEST_BYTES:
        raise too_large()
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large() from None
    except (web.RequestPayloadError, ConnectionError):
        raise asyncio.CancelledError from None


def _opened(body: bytes) -> bytes:
    """The one message of a request to a method that streams."""
    if len(body) < 5 or body[0] != 0 or int.from_bytes(body[1:5]) != len(body) - 5:
        raise _wrong(
            "request",
            "must be one message after a byte 0 and its length in four bytes",
            "应为一条消息，前置一个零字节和四字节长度",
        )
    return body[5:]


def _wrong(at: str, message: str, zh: str) -> InvalidRequestError:
    violation = FieldViolation(field=at, reason="MALFORMED", message=message, zh=f"{at} {zh}")
    return InvalidRequestError([violation])


# ── to the wire ──────────────────────────────────────────────────────────────────────────────────


async def _send(request: web.BaseRequest, answer: web.Response) -> None:
    """Send an answer while the call still holds its place."""
    try:
        await answer.prepare(request)
        await answer.write_eof()
    except ConnectionError:
        raise asyncio.CancelledError from None


async def _write(request: web.BaseRequest, answer: web.StreamResponse, part: bytes) -> None:
    """Write a part of a stream; who does not read holds up itself alone."""
    try:
        if not answer.prepared:
            await answer.prepare(request)
        await answer.write(part)
    except ConnectionError:
        raise asyncio.CancelledError from None


async def _last(request: web.BaseRequest, words: Awaitable[None]) -> None:
    """Tell how a call ended; whoever does not listen is not waited for."""
    try:
        async with asyncio.timeout(LAST_WORDS_S):
            await words
    except TimeoutError:
        request.protocol.force_close()


def _envelope(message: bytes, *, flags: int = 0) -> bytes:
    return bytes([flags]) + len(message).to_bytes(4) + message


def _error(status: Status) -> dict[str, Any]:
    """A status as the protocol has it; ``debug`` is the detail in JSON, for who has no protobuf."""
    details: list[dict[str, Any]] = []
    for packed in status.details:
        debug = json_format.MessageToDict(packed)
        kind = debug.pop("@type").rpartition("/")[2]
        value = b64encode(packed.value).rstrip(b"=").decode()
        details.append({"type": kind, "value": value, "debug": debug})
    return {"code": _code_name(status.code), "message": status.message, "details": details}


def _code_name(code: int) -> str:
    return "canceled" if code == Code.CANCELLED else Code.Name(code).lower()


def _hints(status: Status) -> dict[str, str]:
    """What HTTP itself has a header for."""
    if status.code == Code.UNAUTHENTICATED:
        return {"WWW-Authenticate": "Bearer"}
    for packed in status.details:
        retry = RetryInfo()
        if packed.Unpack(retry):
            return {"Retry-After": str(math.ceil(retry.retry_delay.ToTimedelta().total_seconds()))}
    return {}


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
