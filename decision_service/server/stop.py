"""StopService: the emergency stop of a matter, and what it has decided wrongly till then."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from copy import deepcopy
from typing import Any, Final, TypeAlias

import grpc

from decision_service import reopening, stops
from decision_service.followup import Happened, Lift, LiftProposal, Stop
from decision_service.model import MatterId, Text
from decision_service.office import Office
from decision_service.server.call import current
from decision_service.server.fields import Reader
from decision_service.server.writing import write_receipt, write_time
from decision_service.stops import Ask
from decision_service.v1 import stop_pb2 as pb
from decision_service.v1 import stop_pb2_grpc

_Context = grpc.aio.ServicerContext[Any, Any]
_Asking: TypeAlias = pb.StopMatterRequest | pb.ResumeMatterRequest | pb.ReopenDecisionsRequest

_LONGEST_REASON: Final = 500


class StopServicer(stop_pb2_grpc.StopServiceServicer):
    """Translates, records, translates."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def StopMatter(  # noqa: N802 - the contract's name
        self,
        request: pb.StopMatterRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.StopMatterResponse:
        """A matter is stopped."""
        ask = _ask(request, "StopMatter")
        stop = await stops.stop(ask, office=self._office)
        return pb.StopMatterResponse(stop=_stop(ask.matter, stop))

    async def ResumeMatter(  # noqa: N802 - the contract's name
        self,
        request: pb.ResumeMatterRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ResumeMatterResponse:
        """A stop is lifted, or that is proposed."""
        done = await stops.resume(_ask(request, "ResumeMatter"), office=self._office)
        return pb.ResumeMatterResponse(
            lifted=isinstance(done.step, Lift), receipt=write_receipt(done.receipt)
        )

    async def ListStops(  # noqa: N802 - the contract's name
        self,
        request: pb.ListStopsRequest,  # noqa: ARG002 - it asks nothing
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ListStopsResponse:
        """What is stopped."""
        found = await stops.in_force(self._office)
        return pb.ListStopsResponse(stops=[_stop(matter, one) for matter, one in found])

    async def ReopenDecisions(  # noqa: N802 - the contract's name
        self,
        request: pb.ReopenDecisionsRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> AsyncIterator[pb.ReopenDecisionsResponse]:
        """Decisions go back to persons, with how far it is."""
        async with aclosing(reopening.reopen(_reopen(request), office=self._office)) as told:
            async for one in told:
                yield pb.ReopenDecisionsResponse(
                    done=one.done,
                    total=one.total,
                    reopened=one.reopened,
                    passed_over={why.upper(): n for why, n in one.passed_over.items()},
                    last_index=one.last,
                )


def _ask(request: pb.StopMatterRequest | pb.ResumeMatterRequest, method: str) -> Ask:
    reader, call = Reader(), current.get()
    ask = Ask(
        caller=call.caller.subject,
        role=call.caller.role,
        person=call.caller.person,
        method=method,
        request_id=reader.request_id(request.request_id),
        content_digest=_digest(request),
        matter=MatterId(reader.id("matter", request.matter)),
        reason=reader.given("reason", request.reason, _LONGEST_REASON),
        now=call.now,
    )
    reader.finish()
    return ask


def _reopen(request: pb.ReopenDecisionsRequest) -> reopening.Ask:
    reader, call = Reader(), current.get()
    ask = reopening.Ask(
        caller=call.caller.subject,
        role=call.caller.role,
        person=call.caller.person,
        request_id=reader.request_id(request.request_id),
        content_digest=_digest(request),
        matter=MatterId(reader.id("matter", request.matter)),
        reason=Text(
            zh=reader.given("reason.zh", request.reason.zh, _LONGEST_REASON),
            en=reader.given("reason.en", request.reason.en, _LONGEST_REASON),
        ),
        filter=request.filter,
        archive=request.release,
        now=call.now,
        deadline=call.deadline,
    )
    reader.finish()
    return ask


def _digest(request: _Asking) -> str:
    """Of what is asked, however its id is spelt."""
    canonical = deepcopy(request)
    if isinstance(canonical, pb.ReopenDecisionsRequest):
        # Narrowed from call to call, while what is asked about each decision stays the same.
        canonical.filter = ""
    canonical.request_id = request.request_id.lower()
    return hashlib.sha256(canonical.SerializeToString(deterministic=True)).hexdigest()


def _stop(matter: MatterId, found: Happened) -> pb.Stop:
    step = found.step
    assert isinstance(step, Stop | LiftProposal), "it was asked for"  # noqa: S101
    return pb.Stop(
        matter=matter,
        time=write_time(found.time),
        reason=step.reason,
        caller=found.caller,
        lift_proposed=isinstance(step, LiftProposal),
        receipt=write_receipt(found.receipt),
    )
