"""The client's part for what comes after a decision, and for people's own data."""

from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from decision_service import model
from decision_service.client import Client, write_day, write_person, write_value
from decision_service.followup import Person
from decision_service.v1 import aftercare_pb2_grpc, case_pb2_grpc
from decision_service.v1.aftercare_pb2 import (
    AnswerProposalRequest,
    AnswerRatingRequest,
    ChangeStandingRequest,
    ChangeStandingResponse,
    DrawAfterChecksRequest,
    DrawAfterChecksResponse,
    ListPoorRatingsRequest,
    ListProposalsRequest,
    ListTicketsRequest,
    PoorRating,
    RecordDeliveryRequest,
    ResolveTicketRequest,
    StandingProposal,
    TakeRatingRequest,
    TakeRatingResponse,
    Ticket,
)
from decision_service.v1.case_pb2 import (
    Case,
    Delivered,
    ExportOwnDataRequest,
    ListOwnAccessesRequest,
    OwnAccess,
    OwnEntry,
    StandingChanged,
)
from decision_service.v1.vocabulary_pb2 import Text

__all__ = [
    "ACTS",
    "CHANNELS",
    "AftercareClient",
    "DrawAfterChecksResponse",
    "OwnAccess",
    "OwnEntry",
    "StandingProposal",
    "Ticket",
]

ACTS = ("suspend", "resume", "change", "correct", "revoke", "withdraw", "cancel", "expire")
CHANNELS = ("portal", "sms", "email", "post", "in_person")


class AftercareClient:
    """The way to the service for who serves people after a decision.

    Args:
        client: Open, with a portal's token for people's own data, else with a clerk's.

    Every method raises `ClientError` if the service said no.
    """

    def __init__(self, client: Client) -> None:
        self._cases = case_pb2_grpc.CaseServiceStub(client.channel)
        self._stub = aftercare_pb2_grpc.AftercareServiceStub(client.channel)
        self._client = client

    async def accesses(self, person: Person) -> AsyncIterator[OwnAccess]:
        """Who asked for a person's data, the newest first."""
        asked = ListOwnAccessesRequest(person=write_person(person))
        async for page in self._client.pages(self._cases.ListOwnAccesses, asked):
            for one in page.accesses:
                yield one

    async def export(self, person: Person) -> AsyncIterator[OwnEntry]:
        """A copy of everything that is recorded about a person, in as many calls as it takes."""
        asked = ExportOwnDataRequest(person=write_person(person))
        complete = False
        while not complete:
            with self._client.streamed(self._cases.ExportOwnData, asked) as parts:
                async for part in parts:
                    complete = part.complete
                    for entry in part.entries:
                        asked.after_index = entry.index
                        yield entry

    async def delivered(
        self,
        case_id: str,
        index: int,
        *,
        channel: str,
        time: datetime,
        reference: str,
        request_id: str,
    ) -> Case:
        """A notice has reached the person by one of `CHANNELS`."""
        instant = Timestamp()
        instant.FromDatetime(time)
        asked = RecordDeliveryRequest(
            case_id=case_id,
            request_id=request_id,
            delivered=Delivered(
                decision_index=index,
                channel=Delivered.Channel.Value(f"CHANNEL_{channel.upper()}"),
                delivered_time=instant,
                reference=reference,
            ),
        )
        answer = await self._client.ask(self._stub.RecordDelivery, asked)
        return answer.case

    async def change(
        self,
        case_id: str,
        index: int,
        *,
        act: str,
        legal_basis: str,
        effective: date,
        heard: date | None,
        text: model.Text,
        values: Mapping[str, model.Value],
        by_fault_of_applicant: bool,
        request_id: str,
    ) -> ChangeStandingResponse:
        """One of `ACTS` is done about a grant, or proposed where it takes two persons."""
        asked = ChangeStandingRequest(
            case_id=case_id,
            request_id=request_id,
            decision_index=index,
            act=StandingChanged.Act.Value(f"ACT_{act.upper()}"),
            by_fault_of_applicant=by_fault_of_applicant,
            legal_basis=legal_basis,
            effective_date=write_day(effective),
            heard_date=write_day(heard) if heard else None,
            text=Text(zh=text.zh, en=text.en),
            values={output: write_value(value) for output, value in values.items()},
        )
        return await self._client.ask(self._stub.ChangeStanding, asked)

    async def proposals(self) -> tuple[StandingProposal, ...]:
        """What waits for a second person."""
        answer = await self._client.ask(self._stub.ListProposals, ListProposalsRequest())
        return tuple(answer.proposals)

    async def answer(self, proposal: int, text: str, *, confirmed: bool, request_id: str) -> Case:
        """Confirm what another clerk has proposed, or return it."""
        asked = AnswerProposalRequest(
            proposal_index=proposal, request_id=request_id, confirmed=confirmed, text=text
        )
        answer = await self._client.ask(self._stub.AnswerProposal, asked)
        return answer.case

    async def tickets(self, evidence_type: str = "") -> tuple[Ticket, ...]:
        """The objections that no register has answered yet."""
        answer = await self._client.ask(
            self._stub.ListTickets, ListTicketsRequest(evidence_type=evidence_type)
        )
        return tuple(answer.tickets)

    async def resolve(self, ticket: str, text: str, *, corrected: bool, request_id: str) -> None:
        """The owner of a register has checked."""
        asked = ResolveTicketRequest(
            ticket=ticket, request_id=request_id, corrected=corrected, text=text
        )
        await self._client.ask(self._stub.ResolveTicket, asked)

    async def poor_ratings(self) -> tuple[PoorRating, ...]:
        """The poor ratings that wait for an answer."""
        answer = await self._client.ask(self._stub.ListPoorRatings, ListPoorRatingsRequest())
        return tuple(answer.ratings)

    async def take_rating(self, rating: int) -> TakeRatingResponse:
        """Look into a poor rating."""
        return await self._client.ask(self._stub.TakeRating, TakeRatingRequest(rating_index=rating))

    async def answer_rating(
        self, rating: int, text: str, *, justified: bool, request_id: str
    ) -> None:
        """Say what was found of a poor rating."""
        asked = AnswerRatingRequest(
            rating_index=rating, request_id=request_id, justified=justified, text=text
        )
        await self._client.ask(self._stub.AnswerRating, asked)

    async def draw(
        self, matter: str, since: date, until: date, seed: str, *, size: int = 0
    ) -> DrawAfterChecksResponse:
        """Draw approvals by lot, for a person to check."""
        asked = DrawAfterChecksRequest(
            matter=matter, since=write_day(since), until=write_day(until), seed=seed, page_size=size
        )
        return await self._client.ask(self._stub.DrawAfterChecks, asked)
