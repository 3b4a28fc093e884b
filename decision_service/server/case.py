"""CaseService: what became of an application, and what the person can do about it."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Final

import grpc

from decision_service import casework, owndata, ratings, rights
from decision_service.inspection import Found
from decision_service.office import Office
from decision_service.server.call import current, viewer
from decision_service.server.load import TooManyCallsError
from decision_service.server.reading import (
    read_case,
    read_contest,
    read_export,
    read_own_accesses,
    read_rating,
    read_receipt,
    read_review,
    read_withdrawal,
)
from decision_service.server.trail_writing import write_access
from decision_service.server.writing import write_case, write_rating, write_time
from decision_service.v1 import case_pb2, case_pb2_grpc

MOST_WATCHES: Final = 64
"""Cases that one caller may follow at once."""


class CaseServicer(case_pb2_grpc.CaseServiceServicer):
    """Translates, reads the record, translates."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._watches: Counter[str] = Counter()

    async def GetCase(  # noqa: N802 - the contract's name
        self,
        request: case_pb2.GetCaseRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> case_pb2.GetCaseResponse:
        """A case of the caller."""
        call = current.get()
        case_id, onlooker = read_case(request, call)
        case = await casework.case(
            case_id, caller=call.caller.subject, office=self._office, onlooker=onlooker
        )
        return case_pb2.GetCaseResponse(case=write_case(case))

    async def WatchCase(  # noqa: N802 - the contract's name
        self,
        request: case_pb2.WatchCaseRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> AsyncIterator[case_pb2.WatchCaseResponse]:
        """A case of the caller, and again whenever it has moved."""
        call = current.get()
        case_id, onlooker = read_case(request, call)
        with self._one_of_few(call.caller.subject):
            found = rights.watch(
                case_id,
                caller=call.caller.subject,
                office=self._office,
                deadline=call.deadline,
                onlooker=onlooker,
            )
            async with aclosing(found):
                async for case in found:
                    yield case_pb2.WatchCaseResponse(case=write_case(case))

    async def WithdrawCase(  # noqa: N802 - the contract's name
        self,
        request: case_pb2.WithdrawCaseRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> case_pb2.WithdrawCaseResponse:
        """An application is taken back."""
        ask, text = read_withdrawal(request, current.get())
        case = await rights.withdraw(ask, text, office=self._office)
        return case_pb2.WithdrawCaseResponse(case=write_case(case))

    async def RequestReview(  # noqa: N802 - the contract's name
        self,
        request: case_pb2.RequestReviewRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> case_pb2.RequestReviewResponse:
        """A person is asked for."""
        ask, text = read_review(request, current.get())
        case = await rights.request_review(ask, text, office=self._office)
        return case_pb2.RequestReviewResponse(case=write_case(case))

    async def ContestFact(  # noqa: N802 - the contract's name
        self,
        request: case_pb2.ContestFactRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> case_pb2.ContestFactResponse:
        """A register's value is objected to."""
        ask, contest = read_contest(request, current.get())
        case = await rights.contest(ask, contest, office=self._office)
        return case_pb2.ContestFactResponse(case=write_case(case))

    async def RateCase(  # noqa: N802 - the contract's name
        self,
        request: case_pb2.RateCaseRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> case_pb2.RateCaseResponse:
        """A case is rated."""
        ask, grade, text = read_rating(request, current.get())
        rated = await ratings.rate(ask, grade, text, office=self._office)
        return case_pb2.RateCaseResponse(rating=write_rating(rated))

    async def ListOwnAccesses(  # noqa: N802 - the contract's name
        self,
        request: case_pb2.ListOwnAccessesRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> case_pb2.ListOwnAccessesResponse:
        """Who asked for the person's data."""
        person, ask = read_own_accesses(request)
        page, callers = await owndata.accesses(person, ask, viewer=viewer(), office=self._office)
        return case_pb2.ListOwnAccessesResponse(
            accesses=[_own_access(one, callers[one.index]) for one in page.entries],
            next_page_token=page.next_token,
        )

    async def ExportOwnData(  # noqa: N802 - the contract's name
        self,
        request: case_pb2.ExportOwnDataRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> AsyncIterator[case_pb2.ExportOwnDataResponse]:
        """A copy of everything that is recorded about the person."""
        person, after = read_export(request)
        copies = owndata.export(
            person, after, viewer=viewer(), office=self._office, deadline=current.get().deadline
        )
        async with aclosing(copies):
            async for some in copies:
                yield case_pb2.ExportOwnDataResponse(
                    entries=[
                        case_pb2.OwnEntry(
                            index=one.index,
                            type=one.type,
                            time=write_time(one.time),
                            content_json=one.content,
                        )
                        for one in some.entries
                    ],
                    complete=some.complete,
                )

    @contextmanager
    def _one_of_few(self, caller: str) -> Iterator[None]:
        """Following must not take the places of deciding.

        Raises:
            TooManyCallsError: The caller follows as many cases as it may.
        """
        if self._watches[caller] >= MOST_WATCHES:
            raise TooManyCallsError(
                f"caller follows {MOST_WATCHES} cases already",
                zh=f"同时跟踪的办件已达 {MOST_WATCHES} 个，请稍候，或改为定时查询。",
                reason="TOO_MANY_WATCHES",
                whose=caller,
            )
        self._watches[caller] += 1
        try:
            yield
        finally:
            self._watches[caller] -= 1
            if not self._watches[caller]:
                del self._watches[caller]

    async def GetReceipt(  # noqa: N802 - the contract's name
        self,
        request: case_pb2.GetReceiptRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> case_pb2.GetReceiptResponse:
        """The receipt file of a decision of the caller's case."""
        call = current.get()
        case_id, index, onlooker = read_receipt(request, call)
        return case_pb2.GetReceiptResponse(
            receipt_json=await casework.receipt(
                case_id,
                index,
                caller=call.caller.subject,
                office=self._office,
                onlooker=onlooker,
            )
        )


def _own_access(found: Found, caller: str) -> case_pb2.OwnAccess:
    """What a person learns of an access: as an auditor does, but for cases and names of others."""
    access = write_access(found)
    return case_pb2.OwnAccess(
        time=access.time,
        caller=caller,
        role=access.role,
        flow=access.flow,
        method=access.method,
        matter=access.matter,
        evidence_types=access.evidence_types,
        purposes=access.purposes,
    )
