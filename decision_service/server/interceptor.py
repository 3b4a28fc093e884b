"""The edge around every handler of the gRPC server."""

import math
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import grpc
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from decision_service.server.edge import Arrival, Edge, name_request
from decision_service.server.messages import read_message

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
if TYPE_CHECKING:
    Handler: TypeAlias = grpc.RpcMethodHandler[Any, Any]
else:
    Handler = grpc.RpcMethodHandler
Behaviour: TypeAlias = Callable[..., Any]
Parse: TypeAlias = Callable[[bytes], Any] | None

OPEN: Final = ("/grpc.health.v1.Health/", "/grpc.reflection.v1alpha.ServerReflection/")
"""What anybody may call: a load balancer has no token, and neither tells of a person."""


class Interceptor(grpc.aio.ServerInterceptor):
    """The one interceptor."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Put the edge around a handler; a method that the contract does not have gets none.

        The handler gets the bytes as they came: whoever is refused is refused unread.
        """
        method = handler_call_details.method
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith(OPEN):
            return handler
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(method, handler.unary_unary, handler.request_deserializer),
                None,
                handler.response_serializer,
            )
        if handler.unary_stream is None:
            return None  # no method of the contract takes a stream
        return grpc.unary_stream_rpc_method_handler(
            self._stream(method, handler.unary_stream, handler.request_deserializer),
            None,
            handler.response_serializer,
        )

    def _unary(self, method: str, behaviour: Behaviour, parse: Parse) -> Behaviour:
        async def around(raw: bytes, context: Context) -> object:
            async with self._edge.handled(_arrival(method, context)):
                return await behaviour(_read(raw, parse), context)

        return around

    def _stream(self, method: str, behaviour: Behaviour, parse: Parse) -> Behaviour:
        async def around(raw: bytes, context: Context) -> None:
            async with (
                self._edge.handled(_arrival(method, context)),
                aclosing(behaviour(_read(raw, parse), context)) as responses,
            ):
                async for response in responses:
                    await context.write(response)

        return around


def _arrival(method: str, context: Context) -> Arrival:
    def remaining_s() -> float:
        remaining_s: Any = context.time_remaining()  # None without a deadline, against the stubs
        return math.inf if remaining_s is None else remaining_s

    async def refuse(status: Status) -> NoReturn:
        await context.abort_with_status(rpc_status.to_status(status))

    return Arrival(
        method=method,
        authorization=[
            str(value)
            for key, value in context.invocation_metadata() or ()
            if key == "authorization"
        ],
        remaining_s=remaining_s,
        refuse=refuse,
    )


def _read(raw: bytes, parse: Parse) -> object:
    """Parse the request.

    Raises:
        InvalidRequestError: The bytes are no message of the contract; see `read_message`.
    """
    if parse is None:
        return raw
    request = read_message(raw, parse)
    name_request(request)
    return request
