"""From the wire: a request becomes our vocabulary in one pass, or every field that is wrong."""

import hashlib
from datetime import date

from decision_service.model import Application, MatterId, PrefillRequest
from decision_service.server.fields import Reader
from decision_service.v1 import case_pb2, decision_pb2, matter_pb2, prefill_pb2


def read_application(request: decision_pb2.DecideRequest, *, caller: str) -> Application:
    """Read a request to decide.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    read = Application(
        caller=caller,
        request_id=reader.request_id(request.request_id),
        content_digest=_digest(request),
        matter=MatterId(reader.id("matter", request.matter)),
        case_id=reader.case_id(request.case_id) if request.case_id else "",
        channel=reader.id("channel", request.channel),
        parties=reader.parties(request.parties),
        authority=reader.authority(request.authority),
        answers=reader.answers(request.answers),
        contests=reader.contests(request.contests),
        person_requested=request.person_requested,
    )
    reader.finish()
    return read


def read_prefill(request: prefill_pb2.PrefillRequest, *, caller: str) -> PrefillRequest:
    """Read a request to prefill.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    read = PrefillRequest(
        caller=caller,
        request_id=reader.request_id(request.request_id),
        matter=MatterId(reader.id("matter", request.matter)),
        case_id=reader.case_id(request.case_id) if request.case_id else "",
        channel=reader.id("channel", request.channel),
        parties=reader.parties(request.parties),
        authority=reader.authority(request.authority),
        answers=reader.answers(request.answers),
    )
    reader.finish()
    return read


def read_matter(request: matter_pb2.GetMatterRequest) -> tuple[MatterId, date | None]:
    """Read which matter is asked for, and on which day; None is today.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    matter = MatterId(reader.id("matter", request.matter))
    day = reader.day("date", request.date) if request.HasField("date") else None
    reader.finish()
    return matter, day


def read_listing(request: matter_pb2.ListMattersRequest) -> tuple[int, date | None]:
    """Read how many matters at most are asked for, and on which day; None is today.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    if request.page_size < 0:
        reader.refuse("page_size", "OUT_OF_RANGE", "must not be negative", "不能为负数")
    day = reader.day("date", request.date) if request.HasField("date") else None
    reader.finish()
    return min(request.page_size or 50, 200), day


def read_case(request: case_pb2.GetCaseRequest) -> str:
    """Read which case is asked for.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises.
    """
    reader = Reader()
    case_id = reader.case_id(request.case_id)
    reader.finish()
    return case_id


def read_receipt(request: case_pb2.GetReceiptRequest) -> tuple[str, int | None]:
    """Read of which case, and at which index, a receipt is asked for; None is the newest.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    case_id = reader.case_id(request.case_id)
    if request.index < 0:
        reader.refuse("index", "OUT_OF_RANGE", "must not be negative", "不能为负数")
    reader.finish()
    return case_id, request.index if request.HasField("index") else None


def _digest(request: decision_pb2.DecideRequest) -> str:
    """SHA-256 of the request as parsed: the order of fields and keys on the wire is no matter."""
    canonical = decision_pb2.DecideRequest()
    canonical.CopyFrom(request)
    canonical.request_id = request.request_id.lower()
    return hashlib.sha256(canonical.SerializeToString(deterministic=True)).hexdigest()
