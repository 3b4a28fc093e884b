"""The client's part for what comes after a decision, and for people's own data."""

from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from decision_service import model
from decision_service.client import Client, translated, write_person, write_value
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
        self._metadata = client.metadata
        self._timeout_s = client.timeout_s

    async def accesses(self, person: Person) -> AsyncIterator[OwnAccess]:
        """Who asked for a person's data, the newest first."""
        asked = ListOwnAccessesRequest(person=write_person(person))
        while True:
            with translated():
                page = await self._cases.ListOwnAccesses(
                    asked, metadata=self._metadata, timeout=self._timeout_s
                )
            for one in page.accesses:
                yield one
            asked.page_token = page.next_page_token
            if not asked.page_token:
                return

    async def export(self, person: Person) -> AsyncIterator[OwnEntry]:
        """A copy of everything that is recorded about a person, in as many calls as it takes."""
        asked = ExportOwnDataRequest(person=write_person(person))
        complete = False
        while not complete:
            call = self._cases.ExportOwnData(
                asked, metadata=self._metadata, timeout=self._timeout_s
            )
            try:
                with translated():
                    async for part in call:
                        complete = part.complete
                        for entry in part.entries:
                            asked.after_index = entry.index
                            yield entry
            finally:
                call.cancel()

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
        with translated():
            answer = await self._stub.RecordDelivery(
                asked, metadata=self._metadata, timeout=self._timeout_s
            )
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
            effective_date=_day(effective),
            heard_date=_day(heard) if heard else None,
            text=Text(zh=text.zh, en=text.en),
            values={output: write_value(value) for output, value in values.items()},
        )
        with translated():
            return await self._stub.ChangeStanding(
                asked, metadata=self._metadata, timeout=self._timeout_s
            )

    async def proposals(self) -> tuple[StandingProposal, ...]:
        """What waits for a second person."""
        with translated():
            answer = await self._stub.ListProposals(
                ListProposalsRequest(), metadata=self._metadata, timeout=self._timeout_s
            )
        return tuple(answer.proposals)

    async def answer(self, proposal: int, text: str, *, confirmed: bool, request_id: str) -> Case:
        """Confirm what another clerk has proposed, or return it."""
        asked = AnswerProposalRequest(
            proposal_index=proposal, request_id=request_id, confirmed=confirmed, text=text
        )
        with translated():
            answer = await self._stub.AnswerProposal(
                asked, metadata=self._metadata, timeout=self._timeout_s
            )
        return answer.case

    async def tickets(self, evidence_type: str = "") -> tuple[Ticket, ...]:
        """The objections that no register has answered yet."""
        with translated():
            answer = await self._stub.ListTickets(
                ListTicketsRequest(evidence_type=evidence_type),
                metadata=self._metadata,
                timeout=self._timeout_s,
            )
        return tuple(answer.tickets)

    async def resolve(self, ticket: str, text: str, *, corrected: bool, request_id: str) -> None:
        """The owner of a register has checked."""
        asked = ResolveTicketRequest(
            ticket=ticket, request_id=request_id, corrected=corrected, text=text
        )
        with translated():
            await self._stub.ResolveTicket(asked, metadata=self._metadata, timeout=self._timeout_s)

    async def poor_ratings(self) -> tuple[PoorRating, ...]:
        """The poor ratings that wait for an answer."""
        with translated():
            answer = await self._stub.ListPoorRatings(
                ListPoorRatingsRequest(), metadata=self._metadata, timeout=self._timeout_s
            )
        return tuple(answer.ratings)

    async def take_rating(self, rating: int) -> TakeRatingResponse:
        """Look into a poor rating."""
        with translated():
            return await self._stub.TakeRating(
                TakeRatingRequest(rating_index=rating),
                metadata=self._metadata,
                timeout=self._timeout_s,
            )

    async def answer_rating(
        self, rating: int, text: str, *, justified: bool, request_id: str
    ) -> None:
        """Say what was found of a poor rating."""
        asked = AnswerRatingRequest(
            rating_index=rating, request_id=request_id, justified=justified, text=text
        )
        with translated():
            await self._stub.AnswerRating(asked, metadata=self._metadata, timeout=self._timeout_s)

    async def draw(
        self, matter: str, since: date, until: date, seed: str, *, size: int = 0
    ) -> DrawAfterChecksResponse:
        """Draw approvals by lot, for a person to check."""
        asked = DrawAfterChecksRequest(
            matter=matter, since=_day(since), until=_day(until), seed=seed, page_size=size
        )
        with translated():
            return await self._stub.DrawAfterChecks(
                asked, metadata=self._metadata, timeout=self._timeout_s
            )


def _day(day: date) -> Date:
    return Date(year=day.year, month=day.month, day=day.day)
