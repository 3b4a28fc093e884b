"""OfferService: 免申即享."""

from typing import Any

import grpc

from decision_service import offers
from decision_service.office import Office
from decision_service.server.call import current
from decision_service.server.reading import read_decline, read_listed, read_offers
from decision_service.server.writing import write_offer
from decision_service.v1 import offer_pb2 as pb
from decision_service.v1 import offer_pb2_grpc

_Context = grpc.aio.ServicerContext[Any, Any]


class OfferServicer(offer_pb2_grpc.OfferServiceServicer):
    """Translates, offers or takes down an answer, translates."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def MakeOffers(  # noqa: N802 - the contract's name
        self,
        request: pb.MakeOffersRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.MakeOffersResponse:
        """A matter is offered to who certainly qualifies."""
        call = current.get()
        run = read_offers(request, call)
        made = await offers.make(run, office=self._office, deadline=call.deadline)
        return pb.MakeOffersResponse(asked=made.asked, offered=made.offered)

    async def ListOffers(  # noqa: N802 - the contract's name
        self,
        request: pb.ListOffersRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ListOffersResponse:
        """What somebody is offered."""
        who = read_listed(request, current.get())
        found = await offers.listed(who, office=self._office)
        return pb.ListOffersResponse(offers=[write_offer(one) for one in found])

    async def DeclineOffer(  # noqa: N802 - the contract's name
        self,
        request: pb.DeclineOfferRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.DeclineOfferResponse:
        """Somebody does not want it."""
        who, offer_id = read_decline(request, current.get())
        found = await offers.decline(
            who, offer_id, ask_again=request.ask_again, office=self._office
        )
        return pb.DeclineOfferResponse(offer=write_offer(found))
