"""The client's part for the emergency stop of a matter, and for what it decided wrongly before."""

from collections import Counter
from collections.abc import AsyncIterator

from decision_service.client import Client, Text
from decision_service.v1 import stop_pb2_grpc
from decision_service.v1.stop_pb2 import (
    ListStopsRequest,
    ReopenDecisionsRequest,
    ReopenDecisionsResponse,
    ResumeMatterRequest,
    ResumeMatterResponse,
    Stop,
    StopMatterRequest,
)

__all__ = ["ReopenDecisionsResponse", "ResumeMatterResponse", "Stop", "StopClient"]


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

    async def reopen(
        self,
        matter: str,
        reason: Text,
        *,
        filter_: str = "",
        release: bytes = b"",
        request_id: str,
    ) -> AsyncIterator[ReopenDecisionsResponse]:
        """Have persons decide again what rules have decided, in as many calls as that takes.

        Args:
            reason: Why, for the applicants.
            filter_: Which decisions.
            release: As `release.Release.archive` has it: only those that it would have made
                otherwise.

        Yields:
            How far it is, over all calls.
        """
        asked = ReopenDecisionsRequest(
            matter=matter, reason=reason, filter=filter_, release=release, request_id=request_id
        )
        nothing = ReopenDecisionsResponse(last_index=-1)
        far = self._client.to_the_end(self._stub.ReopenDecisions, asked, nothing, _added)
        async for told in far:
            yield told

    async def stops(self) -> tuple[Stop, ...]:
        """What is stopped."""
        answer = await self._client.ask(self._stub.ListStops, ListStopsRequest())
        return tuple(answer.stops)


def _added(
    before: ReopenDecisionsResponse, more: ReopenDecisionsResponse
) -> ReopenDecisionsResponse:
    """What earlier calls and this one have reopened."""
    return ReopenDecisionsResponse(
        done=before.done + more.done,
        total=before.done + more.total,
        reopened=before.reopened + more.reopened,
        passed_over=Counter(before.passed_over) + Counter(more.passed_over),
        last_index=max(before.last_index, more.last_index),
    )
