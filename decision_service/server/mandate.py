"""MandateService: a person lets an agent act for them, and takes it back."""

import hashlib
from copy import deepcopy
from typing import Any, Final, TypeAlias

import grpc

from decision_service import mandates
from decision_service.followup import Happened, Mandate
from decision_service.mandates import Ask
from decision_service.model import MatterId
from decision_service.office import Office
from decision_service.server.call import current
from decision_service.server.fields import Reader
from decision_service.server.writing import (
    write_day,
    write_document,
    write_receipt,
    write_time,
)
from decision_service.v1 import mandate_pb2 as pb
from decision_service.v1 import mandate_pb2_grpc

_Context = grpc.aio.ServicerContext[Any, Any]
_Asking: TypeAlias = pb.GrantMandateRequest | pb.RevokeMandateRequest

MOST_MATTERS: Final = 50
_DIGEST_BYTES: Final = 32


class MandateServicer(mandate_pb2_grpc.MandateServiceServicer):
    """Translates, records, translates."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def GrantMandate(  # noqa: N802 - the contract's name
        self,
        request: pb.GrantMandateRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.GrantMandateResponse:
        """An agent may act."""
        reader, wanted = Reader(), request.mandate
        ask = _ask(reader, request, "GrantMandate")
        reader.few("mandate.matters", len(wanted.matters), MOST_MATTERS)
        reader.unique("mandate.matters", wanted.matters)
        if not wanted.matters:
            reader.refuse("mandate.matters", "REQUIRED", "must name at least one", "为必填项")
        if request.scan_digest and len(request.scan_digest) != _DIGEST_BYTES:
            reader.refuse(
                "scan_digest", "MALFORMED", "must have 32 bytes, or none", "应为32字节，或者为空"
            )
        agent = reader.documents("mandate.agent", wanted.agent)
        matters = [
            MatterId(reader.id(f"mandate.matters[{place}]", one))
            for place, one in enumerate(wanted.matters[:MOST_MATTERS])
        ]
        until = reader.day("mandate.until_date", wanted.until_date)
        reader.finish()
        mandate = Mandate(
            agent=agent,
            matters=tuple(matters),
            until=until,
            on_paper=bool(request.scan_digest),
            scan=request.scan_digest.hex(),
        )
        found = await mandates.grant(ask, mandate, office=self._office)
        return pb.GrantMandateResponse(mandate=_mandate(found))

    async def RevokeMandate(  # noqa: N802 - the contract's name
        self,
        request: pb.RevokeMandateRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.RevokeMandateResponse:
        """An agent may act no more."""
        reader = Reader()
        ask = _ask(reader, request, "RevokeMandate")
        agent = reader.documents("agent", request.agent)
        reader.finish()
        receipt = await mandates.revoke(ask, agent, office=self._office)
        return pb.RevokeMandateResponse(receipt=write_receipt(receipt))

    async def ListMandates(  # noqa: N802 - the contract's name
        self,
        request: pb.ListMandatesRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ListMandatesResponse:
        """Whom somebody has let act for them."""
        reader, call = Reader(), current.get()
        person = reader.person(request.person)
        reader.finish()
        found = await mandates.granted_by(
            person,
            caller=call.caller.subject,
            role=call.caller.role,
            now=call.now,
            office=self._office,
        )
        return pb.ListMandatesResponse(mandates=[_mandate(one) for one in found])


def _ask(reader: Reader, request: _Asking, method: str) -> Ask:
    """What everything that is recorded of mandates has in common."""
    call, canonical = current.get(), deepcopy(request)
    canonical.request_id = request.request_id.lower()
    return Ask(
        caller=call.caller.subject,
        role=call.caller.role,
        clerk=call.caller.person,
        method=method,
        request_id=reader.request_id(request.request_id),
        content_digest=hashlib.sha256(canonical.SerializeToString(deterministic=True)).hexdigest(),
        person=reader.person(request.person),
        now=call.now,
    )


def _mandate(found: Happened) -> pb.Mandate:
    step = found.step
    assert isinstance(step, Mandate), "it was asked for"  # noqa: S101
    return pb.Mandate(
        agent=[write_document(one) for one in step.agent],
        matters=step.matters,
        until_date=write_day(step.until),
        grant_time=write_time(found.time),
        on_paper=step.on_paper,
        receipt=write_receipt(found.receipt),
    )
