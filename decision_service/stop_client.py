"""The client's part for the emergency stop of a matter."""

from decision_service.client import Client, translated
from decision_service.v1 import stop_pb2_grpc
from decision_service.v1.stop_pb2 import (
    ListStopsRequest,
    ResumeMatterRequest,
    ResumeMatterResponse,
    Stop,
    StopMatterRequest,
)

__all__ = ["ResumeMatterResponse", "Stop", "StopClient"]


class StopClient:
    """The way to the service for who stops a matter, or lets it go on.

    Args:
        client: Open, with an operator's or a policy maker's token that has the claim `person`.

    Every method raises `ClientError` if the service said no.
    """

    def __init__(self, client: Client) -> None:
        self._stub = stop_pb2_grpc.StopServiceStub(client.channel)
        self._metadata = client.metadata
        self._timeout_s = client.timeout_s

    async def stop(self, matter: str, reason: str, *, request_id: str) -> Stop:
        """Refer every application to the matter to a person from now on."""
        asked = StopMatterRequest(matter=matter, reason=reason, request_id=request_id)
        with translated():
            answer = await self._stub.StopMatter(
                asked, metadata=self._metadata, timeout=self._timeout_s
            )
        return answer.stop

    async def resume(self, matter: str, reason: str, *, request_id: str) -> ResumeMatterResponse:
        """Propose to lift a stop, or lift it if another person has proposed it."""
        asked = ResumeMatterRequest(matter=matter, reason=reason, request_id=request_id)
        with translated():
            return await self._stub.ResumeMatter(
                asked, metadata=self._metadata, timeout=self._timeout_s
            )

    async def stops(self) -> tuple[Stop, ...]:
        """What is stopped."""
        with translated():
            answer = await self._stub.ListStops(
                ListStopsRequest(), metadata=self._metadata, timeout=self._timeout_s
            )
        return tuple(answer.stops)
