"""RetentionService: what is kept of people, and for how long."""

from typing import Any, Final

import grpc

from decision_service import keeping
from decision_service.keeping import Ground, Hold, Overdue, Scope, Why
from decision_service.office import Office
from decision_service.server.call import current
from decision_service.server.fields import Reader
from decision_service.server.writing import write_time
from decision_service.v1 import retention_pb2 as pb
from decision_service.v1 import retention_pb2_grpc

_Context = grpc.aio.ServicerContext[Any, Any]

_AT_ONCE: Final = 10_000
"""Entries that one call erases: a few seconds."""

_KEYS_AT_ONCE: Final = 50_000
"""Keys that one call goes through: a few seconds."""

_LONGEST_BASIS: Final = 200
_LONGEST_REASON: Final = 500
_LONGEST_RECIPIENT: Final = 100

_GROUNDS: Final = {
    pb.ErasePersonRequest.GROUND_PURPOSE_ENDED: Ground.PURPOSE_ENDED,
    pb.ErasePersonRequest.GROUND_CONSENT_WITHDRAWN: Ground.CONSENT_WITHDRAWN,
    pb.ErasePersonRequest.GROUND_UNLAWFUL: Ground.UNLAWFUL,
    pb.ErasePersonRequest.GROUND_ORDER: Ground.ORDER,
}


class RetentionServicer(retention_pb2_grpc.RetentionServiceServicer):
    """Translates, keeps or erases, translates."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def ErasePerson(  # noqa: N802 - the contract's name
        self,
        request: pb.ErasePersonRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ErasePersonResponse:
        """Everything that tells who somebody is."""
        reader = Reader()
        person = reader.document("subject", request.subject)
        if request.ground not in _GROUNDS:
            reader.refuse("ground", "REQUIRED", "must be one of the grounds", "须为所列依据之一")
        why = _why(reader, request.justification)
        erased = await keeping.erase_person(
            person, _GROUNDS[request.ground], why=why, office=self._office
        )
        return pb.ErasePersonResponse(index=erased.index, erased_entries=erased.entries)

    async def PlaceHold(  # noqa: N802 - the contract's name
        self,
        request: pb.PlaceHoldRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.PlaceHoldResponse:
        """A hold from now on."""
        reader = Reader()
        scope = _scope(reader, request)
        why = _why(reader, request.justification)
        return pb.PlaceHoldResponse(
            index=await keeping.place_hold(scope, why=why, office=self._office)
        )

    async def LiftHold(  # noqa: N802 - the contract's name
        self,
        request: pb.LiftHoldRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.LiftHoldResponse:
        """A hold no longer."""
        reader = Reader()
        index = reader.index(request.index)
        why = _why(reader, request.justification)
        return pb.LiftHoldResponse(
            index=await keeping.lift_hold(index, why=why, office=self._office)
        )

    async def ListHolds(  # noqa: N802 - the contract's name
        self,
        request: pb.ListHoldsRequest,  # noqa: ARG002 - it asks for all
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ListHoldsResponse:
        """The holds that are in force."""
        found = await keeping.holds(why=_asker("", ""), office=self._office)
        return pb.ListHoldsResponse(holds=[_write_hold(one) for one in found])

    async def ApplyRetention(  # noqa: N802 - the contract's name
        self,
        request: pb.ApplyRetentionRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.ApplyRetentionResponse:
        """What is over its term, erased or counted."""
        why = _why(Reader(), request.justification)
        found, more = await keeping.retain(
            why=why, office=self._office, most=_AT_ONCE, only_count=request.validate_only
        )
        return pb.ApplyRetentionResponse(overdue=[_write_overdue(one) for one in found], more=more)

    async def RecordDisclosure(  # noqa: N802 - the contract's name
        self,
        request: pb.RecordDisclosureRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.RecordDisclosureResponse:
        """That sealed parts are given to an auditor."""
        reader = Reader()
        asked = keeping.Disclosure(
            recipient=reader.given("recipient", request.recipient, _LONGEST_RECIPIENT),
            matter=reader.id("matter", request.matter) if request.matter else "",
            first=reader.index(request.first_index, "first_index"),
            end=reader.index(request.end_index, "end_index") or None,
        )
        if asked.end is not None and asked.end <= asked.first:
            reader.refuse(
                "end_index", "OUT_OF_RANGE", "must be above `first_index`", "须大于 first_index"
            )
        why = _why(reader, request.justification)
        return pb.RecordDisclosureResponse(
            index=await keeping.record_disclosure(asked, why=why, office=self._office)
        )

    async def RenewMasterKey(  # noqa: N802 - the contract's name
        self,
        request: pb.RenewMasterKeyRequest,  # noqa: ARG002 - there is one master key
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.RenewMasterKeyResponse:
        """Some of a renewal."""
        index = await keeping.renew_master_key(
            why=_asker("", ""), office=self._office, most=_KEYS_AT_ONCE
        )
        return pb.RenewMasterKeyResponse(index=index or 0, more=index is None)


def _why(reader: Reader, found: pb.Justification) -> Why:
    """Who asks and why; the last part of a request, after which what is wrong is told."""
    texts = {"legal_basis": _LONGEST_BASIS, "reason": _LONGEST_REASON}
    for name, longest in texts.items():
        at, text = f"justification.{name}", getattr(found, name)
        if not text.strip():
            reader.refuse(at, "REQUIRED", "is missing", "为必填项")
        reader.text(at, text, longest)
    reader.finish()
    return _asker(found.legal_basis, found.reason)


def _asker(legal_basis: str, reason: str) -> Why:
    call = current.get()
    return Why(call.caller.subject, call.caller.role, legal_basis, reason, call.now)


def _scope(reader: Reader, request: pb.PlaceHoldRequest) -> Scope:
    match request.WhichOneof("scope"):
        case "subject":
            person = reader.document("subject", request.subject)
            return Scope(subject=f"{person.kind}:{person.number}")
        case "case_id":
            return Scope(case_id=reader.case_id(request.case_id))
        case "matter":
            return Scope(matter=reader.id("matter", request.matter))
        case _:
            reader.refuse("scope", "REQUIRED", "is missing", "为必填项")
            return Scope()


def _write_hold(hold: Hold) -> pb.Hold:
    return pb.Hold(
        index=hold.index,
        time=write_time(hold.time),
        caller=hold.caller,
        justification=pb.Justification(legal_basis=hold.legal_basis, reason=hold.reason),
        case_id=hold.case_id,
        matter=hold.matter,
        person=bool(hold.tag),
    )


def _write_overdue(found: Overdue) -> pb.ApplyRetentionResponse.Overdue:
    return pb.ApplyRetentionResponse.Overdue(
        kind=found.kind,
        matter=found.matter,
        kept_since_time=write_time(found.kept_since),
        entries=found.entries,
    )
