"""The port for whoever runs the service: is it alive, is it ready, how does it do.

Plain HTTP, for a scraper and an orchestrator on the same machine or in the same network; nothing of
anybody is here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, Self

from aiohttp import web

from decision_service.server.listen import unavailable

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Operations:
    """``/metrics``, ``/livez`` and ``/readyz`` on one address, for as long as the block runs.

    Args:
        metrics: Prometheus' text.
        works: Whether each thing that the service depends on works.
        is_ready: Whether calls should be sent here.

    Attributes:
        port: Where it listens.

    Raises:
        NotListeningError: On entering, if the address cannot be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        metrics: Callable[[], Awaitable[bytes]],
        works: Callable[[], Mapping[str, bool]],
        is_ready: Callable[[], bool],
    ) -> None:
        self.port = port
        self._host = host
        self._metrics = metrics
        self._works = works
        self._is_ready = is_ready
        self._server = web.Server(self._answer, access_log=None, auto_decompress=False)
        self._socket: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        try:
            self._socket = await asyncio.get_running_loop().create_server(
                self._server, self._host, self.port
            )
        except OSError:
            raise unavailable(f"{self._host}:{self.port}") from None
        self.port = int(self._socket.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()
            await self._server.shutdown(0.1)
            await self._socket.wait_closed()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET"})
        match request.path:
            case "/metrics":
                return web.Response(body=await self._metrics(), headers={"Content-Type": _TEXT})
            case "/livez":
                return web.Response(text="alive\n")
            case "/readyz":
                is_ready = self._is_ready()
                told = [f"ready: {_word(works=is_ready)}"]
                told += [f"{name}: {_word(works=works)}" for name, works in self._works().items()]
                return web.Response(
                    status=HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
                    text="\n".join([*told, ""]),
                )
            case _:
                return web.Response(status=HTTPStatus.NOT_FOUND)


def _word(*, works: bool) -> str:
    return "yes" if works else "no"
