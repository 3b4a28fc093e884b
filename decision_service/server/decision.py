"""DecisionService: 秒批."""

from typing import Any

import grpc

from decision_service.decide import decide
from decision_service.eligibility import check
from decision_service.office import Office
from decision_service.server.call import current
from decision_service.server.reading import read_application, read_check
from decision_service.server.writing import write_decision, write_eligibility
from decision_service.v1 import decision_pb2, decision_pb2_grpc


class DecisionServicer(decision_pb2_grpc.DecisionServiceServicer):
    """Translates, decides, translates."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def Decide(  # noqa: N802 - the contract's name
        self,
        request: decision_pb2.DecideRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> decision_pb2.DecideResponse:
        """Decide one application."""
        call = current.get()
        application = read_application(request, caller=call.caller.subject)
        decision = await decide(
            application, office=self._office, now=call.now, deadline=call.deadline
        )
        return decision_pb2.DecideResponse(decision=write_decision(decision))

    async def CheckEligibility(  # noqa: N802 - the contract's name
        self,
        request: decision_pb2.CheckEligibilityRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> decision_pb2.CheckEligibilityResponse:
        """Tell what an application would meet."""
        call = current.get()
        found = await check(
            read_check(request, caller=call.caller.subject),
            office=self._office,
            now=call.now,
            deadline=call.deadline,
        )
        return write_eligibility(found)
