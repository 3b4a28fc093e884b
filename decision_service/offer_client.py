"""The client's part for what people are offered before they have applied."""

from collections.abc import Sequence

from decision_service import model
from decision_service.client import Client, write_document, write_person
from decision_service.followup import Person
from decision_service.v1 import offer_pb2_grpc
from decision_service.v1.offer_pb2 import (
    DeclineOfferRequest,
    ListOffersRequest,
    MakeOffersRequest,
    MakeOffersResponse,
    Offer,
)

__all__ = ["MakeOffersResponse", "Offer", "OfferClient"]


class OfferClient:
    """The way to the service for offers.

    Args:
        client: Open, with an operator's token to make offers, else with a portal's or a clerk's.

    Every method raises `ClientError` if the service said no.
    """

    def __init__(self, client: Client) -> None:
        self._stub = offer_pb2_grpc.OfferServiceStub(client.channel)
        self._client = client

    async def make(
        self, matter: str, subjects: Sequence[model.Document], *, request_id: str
    ) -> MakeOffersResponse:
        """Offer a matter to those of these people who certainly qualify."""
        asked = MakeOffersRequest(
            matter=matter,
            request_id=request_id,
            subjects=[write_document(one) for one in subjects],
        )
        return await self._client.ask(self._stub.MakeOffers, asked)

    async def list(self, person: Person) -> tuple[Offer, ...]:
        """What a person is offered."""
        answer = await self._client.ask(
            self._stub.ListOffers, ListOffersRequest(person=write_person(person))
        )
        return tuple(answer.offers)

    async def decline(
        self, offer_id: str, person: Person, *, ask_again: bool, request_id: str
    ) -> Offer:
        """A person does not want it."""
        asked = DeclineOfferRequest(
            offer_id=offer_id,
            request_id=request_id,
            person=write_person(person),
            ask_again=ask_again,
        )
        answer = await self._client.ask(self._stub.DeclineOffer, asked)
        return answer.offer
