"""AftercareService: notices are served, grants change, registers answer, approvals are checked."""

import hashlib
from copy import deepcopy
from typing import Any, Final, TypeAlias

import grpc

from decision_service import aftercare, ratings
from decision_service.aftercare import Draw, Task
from decision_service.followup import (
    Act,
    Channel,
    Delivery,
    Happened,
    Rating,
    StandingChange,
    StandingProposal,
)
from decision_service.model import MatterId, Text
from decision_service.office import Office
from decision_service.server import shapes
from decision_service.server.call import current, viewer
from decision_service.server.fields import Reader
from decision_service.server.writing import write_case, write_standing_change, write_time
from decision_service.v1 import aftercare_pb2 as pb
from decision_service.v1 import aftercare_pb2_grpc, case_pb2

_Context = grpc.aio.ServicerContext[Any, Any]
_LONGEST_BASIS: Final = 200
_CHANNELS: Final = {
    int(case_pb2.Delivered.Channel.Value(f"CHANNEL_{one.name}")): one for one in Channel
}
_ACTS: Final = {int(case_pb2.StandingChanged.Act.Value(f"ACT_{one.name}")): one for one in Act}

_Named: TypeAlias = (
    pb.RecordDeliveryRequest
    | pb.ChangeStandingRequest
    | pb.AnswerProposalRequest
    | pb.ResolveTicketRequest
    | pb.AnswerRatingRequest
)


class AftercareServicer(aftercare_pb2_grpc.AftercareServiceServicer):
    """Translates, records, translates."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def RecordDelivery(  # noqa: N802 - the contract's name
        self,
        request: pb.RecordDeliveryRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.RecordDeliveryResponse:
        """A notice has reached the person."""
        reader = Reader()
        found = request.delivered
        task, case_id = _task(reader, request, "RecordDelivery"), reader.case_id(request.case_id)
        delivery = Delivery(
            decision=reader.index(found.decision_index, "delivered.decision_index"),
            channel=reader.choice("delivered.channel", found.channel, _CHANNELS),
            delivered_time=reader.time(
                "delivered.delivered_time",
                found.delivered_time,
                given=found.HasField("delivered_time"),
            ),
            reference=reader.word("delivered.reference", found.reference, shapes.PRINTED),
        )
        reader.finish()
        case = await aftercare.record_delivery(task, case_id, delivery, office=self._office)
        return pb.RecordDeliveryResponse(case=write_case(case))

    async def ChangeStanding(  # noqa: N802 - the contract's name
        self,
        request: pb.ChangeStandingRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ChangeStandingResponse:
        """Something is done about a grant."""
        reader = Reader()
        task, case_id = _task(reader, request, "ChangeStanding"), reader.case_id(request.case_id)
        heard = request.HasField("heard_date")
        change = StandingChange(
            decision=reader.index(request.decision_index, "decision_index"),
            act=reader.choice("act", request.act, _ACTS),
            by_fault_of_applicant=request.by_fault_of_applicant,
            legal_basis=reader.given("legal_basis", request.legal_basis, _LONGEST_BASIS),
            effective_date=reader.day("effective_date", request.effective_date),
            heard_date=reader.day("heard_date", request.heard_date) if heard else None,
            text=Text(
                zh=reader.given("text.zh", request.text.zh),
                en=reader.given("text.en", request.text.en),
            ),
            values=reader.answers(request.values, "values"),
        )
        reader.finish()
        case, proposed = await aftercare.change_standing(task, case_id, change, office=self._office)
        return pb.ChangeStandingResponse(case=write_case(case), proposal_index=proposed)

    async def ListProposals(  # noqa: N802 - the contract's name
        self,
        request: pb.ListProposalsRequest,  # noqa: ARG002 - it asks nothing
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ListProposalsResponse:
        """What waits for a second person."""
        found = await aftercare.open_proposals(viewer(), office=self._office)
        return pb.ListProposalsResponse(proposals=[_proposal(one) for one in found])

    async def AnswerProposal(  # noqa: N802 - the contract's name
        self,
        request: pb.AnswerProposalRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.AnswerProposalResponse:
        """A second person confirms or returns."""
        reader = Reader()
        task = _task(reader, request, "AnswerProposal")
        index = reader.index(request.proposal_index, "proposal_index")
        text = reader.given("text", request.text)
        reader.finish()
        case = await aftercare.answer_proposal(
            task, index, confirmed=request.confirmed, text=text, office=self._office
        )
        return pb.AnswerProposalResponse(case=write_case(case))

    async def ListTickets(  # noqa: N802 - the contract's name
        self,
        request: pb.ListTicketsRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ListTicketsResponse:
        """The tickets that no register's owner has answered yet."""
        reader = Reader()
        evidence_type = request.evidence_type and reader.id("evidence_type", request.evidence_type)
        reader.finish()
        found = await aftercare.open_tickets(evidence_type, viewer(), office=self._office)
        names = ("ticket", "evidence_type", "concept", "case_id")
        return pb.ListTicketsResponse(
            tickets=[
                pb.Ticket(
                    time=write_time(one.time),
                    doubted_by=aftercare.doubted_by(one),
                    **{name: str(one.permanent[name]) for name in names},
                )
                for one in found
            ]
        )

    async def ResolveTicket(  # noqa: N802 - the contract's name
        self,
        request: pb.ResolveTicketRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ResolveTicketResponse:
        """The owner of a register has checked a record."""
        reader = Reader()
        task = _task(reader, request, "ResolveTicket")
        ticket = reader.word("ticket", request.ticket, shapes.CODE)
        text = reader.given("text", request.text)
        reader.finish()
        await aftercare.resolve(
            task, ticket, corrected=request.corrected, text=text, office=self._office
        )
        return pb.ResolveTicketResponse()

    async def DrawAfterChecks(  # noqa: N802 - the contract's name
        self,
        request: pb.DrawAfterChecksRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.DrawAfterChecksResponse:
        """Approvals are drawn by lot."""
        reader = Reader()
        wanted = Draw(
            matter=MatterId(reader.id("matter", request.matter)),
            since=reader.recorded_day("since", request.since),
            until=reader.recorded_day("until", request.until),
            size=reader.page_size(request.page_size, default=20, most=500),
            seed=reader.word("seed", request.seed, shapes.CODE),
        )
        reader.finish()
        drawn_from, drawn = await aftercare.draw(wanted, viewer(), office=self._office)
        return pb.DrawAfterChecksResponse(
            drawn_from=drawn_from,
            cases=[
                pb.DrawnCase(
                    case_id=str(one.leaf.permanent["case_id"]),
                    decision_index=one.index,
                    time=write_time(one.leaf.time),
                )
                for one in drawn
            ],
        )

    async def ListPoorRatings(  # noqa: N802 - the contract's name
        self,
        request: pb.ListPoorRatingsRequest,  # noqa: ARG002 - it asks nothing
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ListPoorRatingsResponse:
        """What waits for an answer."""
        found = await ratings.poor(viewer(), office=self._office)
        return pb.ListPoorRatingsResponse(ratings=[_poor(one) for one in found])

    async def TakeRating(  # noqa: N802 - the contract's name
        self,
        request: pb.TakeRatingRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.TakeRatingResponse:
        """A clerk looks into a poor rating."""
        reader, call = Reader(), current.get()
        index = reader.index(request.rating_index, "rating_index")
        reader.finish()
        task = Task(
            caller=call.caller.subject,
            role=call.caller.role,
            method="TakeRating",
            request_id="",
            content_digest="",
            now=call.now,
            matters=call.caller.matters,
            person=call.caller.person,
        )
        opened = await ratings.take(task, index, office=self._office)
        rating = opened.poor.rating
        assert isinstance(rating.step, Rating), "it was asked for"  # noqa: S101
        return pb.TakeRatingResponse(
            rating=_poor(opened.poor),
            text=rating.step.text,
            case_id=rating.case_id,
            case_number=opened.case_number,
        )

    async def AnswerRating(  # noqa: N802 - the contract's name
        self,
        request: pb.AnswerRatingRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.AnswerRatingResponse:
        """What was found of a poor rating."""
        reader = Reader()
        task = _task(reader, request, "AnswerRating")
        index = reader.index(request.rating_index, "rating_index")
        text = reader.given("text", request.text)
        reader.finish()
        await ratings.answer(
            task, index, justified=request.justified, text=text, office=self._office
        )
        return pb.AnswerRatingResponse()


def _poor(poor: ratings.Poor) -> pb.PoorRating:
    step = poor.rating.step
    assert isinstance(step, Rating), "it was asked for"  # noqa: S101
    return pb.PoorRating(
        rating_index=poor.rating.receipt.index,
        matter=poor.matter,
        grade=case_pb2.Rating.Grade.Value(f"GRADE_{step.grade.name}"),
        time=write_time(poor.rating.time),
        due_time=write_time(step.due_time),
        clerk=poor.clerk,
    )


def _task(reader: Reader, request: _Named, method: str) -> Task:
    """What everything that is recorded after a decision has in common."""
    call, canonical = current.get(), deepcopy(request)
    canonical.request_id = request.request_id.lower()
    return Task(
        caller=call.caller.subject,
        role=call.caller.role,
        method=method,
        request_id=reader.request_id(request.request_id),
        content_digest=hashlib.sha256(canonical.SerializeToString(deterministic=True)).hexdigest(),
        now=call.now,
        matters=call.caller.matters,
        person=call.caller.person,
    )


def _proposal(happened: Happened) -> pb.StandingProposal:
    step = happened.step
    assert isinstance(step, StandingProposal), "it was asked for"  # noqa: S101
    return pb.StandingProposal(
        proposal_index=happened.receipt.index,
        case_id=happened.case_id,
        change=write_standing_change(step.change),
        clerk=happened.caller,
        time=write_time(happened.time),
    )
