"""CounterService: what clerks do, and how they are checked."""

from typing import Any

import grpc

from decision_service.counter import desk, oversight, ruling
from decision_service.counter.determination import Instruction
from decision_service.counter.docket import Clerk, Standing
from decision_service.counter.dossier import etag
from decision_service.model import Decision
from decision_service.office import Office
from decision_service.server import counter_reading as read
from decision_service.server import counter_writing as write
from decision_service.server.call import current, viewer
from decision_service.server.writing import write_decision, write_time
from decision_service.v1 import counter_pb2 as pb
from decision_service.v1 import counter_pb2_grpc, vocabulary_pb2

_Context = grpc.aio.ServicerContext[Any, Any]


class CounterServicer(counter_pb2_grpc.CounterServiceServicer):
    """Translates, lets the clerk act, translates."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def ListReferrals(  # noqa: N802 - the contract's name
        self,
        request: pb.ListReferralsRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ListReferralsResponse:
        """The referrals, those due earliest first."""
        found, token = await oversight.queue(
            read.read_queue(request), clerk=_clerk(), office=self._office
        )
        return pb.ListReferralsResponse(
            referrals=[write.write_referral(one) for one in found], next_page_token=token
        )

    async def GetDossier(  # noqa: N802 - the contract's name
        self,
        request: pb.GetDossierRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.GetDossierResponse:
        """All that a clerk needs of a case."""
        case_id, blind = read.read_dossier(request)
        clerk = _clerk()
        found = await desk.dossier(case_id, blind=blind, clerk=clerk, office=self._office)
        return pb.GetDossierResponse(dossier=write.write_dossier(found, now=clerk.now))

    async def ClaimCase(  # noqa: N802 - the contract's name
        self,
        request: pb.ClaimCaseRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ClaimCaseResponse:
        """Take a case."""
        asked = read.read_step(request)
        standing = await desk.claim(asked.case_id, asked.etag, clerk=_clerk(), office=self._office)
        return pb.ClaimCaseResponse(
            etag=_next(asked, standing), claim_expire_time=write_time(standing.until)
        )

    async def ReleaseCase(  # noqa: N802 - the contract's name
        self,
        request: pb.ReleaseCaseRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ReleaseCaseResponse:
        """Give a case back."""
        asked = read.read_step(request)
        standing = await desk.let_go(asked.case_id, asked.etag, clerk=_clerk(), office=self._office)
        return pb.ReleaseCaseResponse(etag=_next(asked, standing))

    async def AttachPaper(  # noqa: N802 - the contract's name
        self,
        request: pb.AttachPaperRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.AttachPaperResponse:
        """Attach a paper."""
        asked, attached = read.read_attachment(request)
        paper, standing = await desk.attach(
            asked.case_id,
            asked.etag,
            name=attached.name,
            media_type=attached.media_type,
            content=attached.content,
            clerk=_clerk(),
            office=self._office,
        )
        return pb.AttachPaperResponse(etag=_next(asked, standing), paper=write.write_paper(paper))

    async def GetPaper(  # noqa: N802 - the contract's name
        self,
        request: pb.GetPaperRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.GetPaperResponse:
        """A paper with its bytes."""
        case_id, index = read.read_paper(request)
        paper, content = await desk.paper(case_id, index, clerk=_clerk(), office=self._office)
        return pb.GetPaperResponse(paper=write.write_paper(paper), content=content)

    async def DetermineCase(  # noqa: N802 - the contract's name
        self,
        request: pb.DetermineCaseRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.DetermineCaseResponse:
        """Decide a case that was referred."""
        decision, etag = await self._determined(*read.read_determination(request))
        return pb.DetermineCaseResponse(decision=decision, etag=etag)

    async def OverrideDecision(  # noqa: N802 - the contract's name
        self,
        request: pb.OverrideDecisionRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.OverrideDecisionResponse:
        """Decide otherwise than was decided."""
        decision, etag = await self._determined(*read.read_override(request))
        return pb.OverrideDecisionResponse(decision=decision, etag=etag)

    async def ConfirmProposal(  # noqa: N802 - the contract's name
        self,
        request: pb.ConfirmProposalRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ConfirmProposalResponse:
        """Confirm what another clerk wants decided."""
        asked, words = read.read_word(request)
        decision = await ruling.confirm(
            asked.case_id, asked.etag, words, clerk=_clerk(), office=self._office
        )
        return pb.ConfirmProposalResponse(decision=write_decision(decision), etag=_after(decision))

    async def ReturnProposal(  # noqa: N802 - the contract's name
        self,
        request: pb.ReturnProposalRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ReturnProposalResponse:
        """Do not confirm it."""
        asked, words = read.read_word(request)
        standing = await ruling.hand_back(
            asked.case_id, asked.etag, words, clerk=_clerk(), office=self._office
        )
        return pb.ReturnProposalResponse(etag=_next(asked, standing))

    async def ListOverrides(  # noqa: N802 - the contract's name
        self,
        request: pb.ListOverridesRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ListOverridesResponse:
        """Past overrides."""
        found, token = await oversight.overrides(
            read.read_overrides(request), viewer=viewer(), office=self._office
        )
        return pb.ListOverridesResponse(
            overrides=[write.write_override(one) for one in found], next_page_token=token
        )

    async def GetOverrideStats(  # noqa: N802 - the contract's name
        self,
        request: pb.GetOverrideStatsRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.GetOverrideStatsResponse:
        """Persons' decisions, counted."""
        counted = await oversight.override_stats(
            request.filter, viewer=viewer(), office=self._office
        )
        return pb.GetOverrideStatsResponse(stats=[write.write_counted(one) for one in counted])

    async def DrawSample(  # noqa: N802 - the contract's name
        self,
        request: pb.DrawSampleRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.DrawSampleResponse:
        """Decisions that are drawn for a second look."""
        month, share, matter = read.read_sample(request)
        drawn = await oversight.sample(month, share, matter, viewer=viewer(), office=self._office)
        return pb.DrawSampleResponse(drawn=[write.write_drawn(one) for one in drawn])

    async def RecordSecondLook(  # noqa: N802 - the contract's name
        self,
        request: pb.RecordSecondLookRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.RecordSecondLookResponse:
        """What a second clerk would have decided."""
        case_id, index, result, words = read.read_second_look(request)
        agrees = await desk.look_again(
            case_id, index, result, words, clerk=_clerk(), office=self._office
        )
        return pb.RecordSecondLookResponse(agrees=agrees)

    async def _determined(
        self, asked: read.Asked, instruction: Instruction
    ) -> tuple[vocabulary_pb2.Decision | None, str]:
        """The decision, none while a second person has to confirm it; and the case's etag."""
        done = await ruling.determine(
            asked.case_id, asked.etag, instruction, clerk=_clerk(), office=self._office
        )
        if isinstance(done, Decision):
            return write_decision(done), _after(done)
        return None, _next(asked, done)


def _clerk() -> Clerk:
    call = current.get()
    caller = call.caller
    return Clerk(caller.subject, caller.person, call.now, caller.matters)


def _next(asked: read.Asked, standing: Standing) -> str:
    """The etag after a step that decided nothing."""
    return etag(int(asked.etag.partition(".")[0]), standing)


def _after(decision: Decision) -> str:
    """The etag after a decision, which is a step, too."""
    return etag(decision.receipt.index, Standing(index=decision.receipt.index))
