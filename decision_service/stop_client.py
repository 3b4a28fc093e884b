"""The client's part for the emergency stop of a matter."""

from decision_service.client import Client
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
        self._client = client

    async def stop(self, matter: str, reason: str, *, request_id: str) -> Stop:
        """Refer every application to the matter to a person from now on."""
        asked = StopMatterRequest(matter=matter, reason=reason, request_id=request_id)
        answer = await self._client.ask(self._stub.StopMatter, asked)
        return answer.stop

    async def resume(self, matter: str, reason: str, *, request_id: str) -> ResumeMatterResponse:
        """Propose to lift a stop, or lift it if another person has proposed it."""
        asked = ResumeMatterRequest(matter=matter, reason=reason, request_id=request_id)
        return await self._client.ask(self._stub.ResumeMatter, asked)

    async def stops(self) -> tuple[Stop, ...]:
        """What is stopped."""
        answer = await self._client.ask(self._stub.ListStops, ListStopsRequest())
        return tuple(answer.stops)
