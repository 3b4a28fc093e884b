"""StopService: the emergency stop of a matter."""

import hashlib
from copy import deepcopy
from typing import Any, Final, TypeAlias

import grpc

from decision_service import stops
from decision_service.followup import Happened, Lift, LiftProposal, Stop
from decision_service.model import MatterId
from decision_service.office import Office
from decision_service.server.call import current
from decision_service.server.fields import Reader
from decision_service.server.writing import write_receipt, write_time
from decision_service.stops import Ask
from decision_service.v1 import stop_pb2 as pb
from decision_service.v1 import stop_pb2_grpc

_Context = grpc.aio.ServicerContext[Any, Any]
_Asking: TypeAlias = pb.StopMatterRequest | pb.ResumeMatterRequest

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


def _ask(request: _Asking, method: str) -> Ask:
    reader, call, canonical = Reader(), current.get(), deepcopy(request)
    canonical.request_id = request.request_id.lower()
    ask = Ask(
        caller=call.caller.subject,
        role=call.caller.role,
        person=call.caller.person,
        method=method,
        request_id=reader.request_id(request.request_id),
        content_digest=hashlib.sha256(canonical.SerializeToString(deterministic=True)).hexdigest(),
        matter=MatterId(reader.id("matter", request.matter)),
        reason=reader.given("reason", request.reason, _LONGEST_REASON),
        now=call.now,
    )
    reader.finish()
    return ask


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
