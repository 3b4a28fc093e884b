"""CaseService: what became of an application."""

from typing import Any

import grpc

from decision_service import casework
from decision_service.office import Office
from decision_service.server.call import current
from decision_service.server.reading import read_case, read_receipt
from decision_service.server.writing import write_case
from decision_service.v1 import case_pb2, case_pb2_grpc


class CaseServicer(case_pb2_grpc.CaseServiceServicer):
    """Translates, reads the record, translates."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def GetCase(  # noqa: N802 - the contract's name
        self,
        request: case_pb2.GetCaseRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> case_pb2.GetCaseResponse:
        """A case of the caller."""
        caller = current.get().caller.subject
        case = await casework.case(read_case(request), caller=caller, office=self._office)
        return case_pb2.GetCaseResponse(case=write_case(case))

    async def GetReceipt(  # noqa: N802 - the contract's name
        self,
        request: case_pb2.GetReceiptRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> case_pb2.GetReceiptResponse:
        """The receipt file of a decision of the caller's case."""
        case_id, index = read_receipt(request)
        caller = current.get().caller.subject
        return case_pb2.GetReceiptResponse(
            receipt_json=await casework.receipt(case_id, index, caller=caller, office=self._office)
        )
