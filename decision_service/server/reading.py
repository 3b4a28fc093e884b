"""From the wire: a request becomes our vocabulary in one pass, or every field that is wrong."""

import hashlib
from copy import deepcopy
from datetime import date
from typing import Final, TypeAlias

from decision_service.casework import Onlooker
from decision_service.followup import Grade, Person
from decision_service.inspection import Ask as Question
from decision_service.model import Application, Contest, MatterId, PrefillRequest
from decision_service.offers import MOST, Answer, Run
from decision_service.rights import Ask
from decision_service.server import shapes
from decision_service.server.call import Call
from decision_service.server.fields import Reader
from decision_service.v1 import (
    case_pb2,
    decision_pb2,
    matter_pb2,
    offer_pb2,
    prefill_pb2,
    trail_pb2,
)

_Shown: TypeAlias = case_pb2.GetCaseRequest | case_pb2.WatchCaseRequest | case_pb2.GetReceiptRequest
"""What shows a case."""

_Asking: TypeAlias = (
    case_pb2.WithdrawCaseRequest
    | case_pb2.RequestReviewRequest
    | case_pb2.ContestFactRequest
    | case_pb2.RateCaseRequest
)
"""What is done about a case."""

_Offering: TypeAlias = offer_pb2.MakeOffersRequest | offer_pb2.DeclineOfferRequest
"""What is done about offers."""


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
        offer_id=reader.offer_id(request.offer_id) if request.offer_id else "",
    )
    reader.finish()
    return read


def read_prefill(request: prefill_pb2.PrefillRequest, *, caller: str) -> PrefillRequest:
    """Read a request to prefill.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    case_id = reader.case_id(request.case_id) if request.case_id else ""
    read = _prefill(reader, request, caller=caller, case_id=case_id)
    reader.finish()
    return read


def read_check(request: decision_pb2.CheckEligibilityRequest, *, caller: str) -> PrefillRequest:
    """Read a request to check eligibility; it asks for what a request to prefill does.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    read = _prefill(reader, request, caller=caller, case_id="")
    reader.finish()
    return read


def _prefill(
    reader: Reader,
    request: prefill_pb2.PrefillRequest | decision_pb2.CheckEligibilityRequest,
    *,
    caller: str,
    case_id: str,
) -> PrefillRequest:
    return PrefillRequest(
        caller=caller,
        request_id=reader.request_id(request.request_id),
        matter=MatterId(reader.id("matter", request.matter)),
        case_id=case_id,
        channel=reader.id("channel", request.channel),
        parties=reader.parties(request.parties),
        authority=reader.authority(request.authority),
        answers=reader.answers(request.answers),
    )


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
    size = reader.page_size(request.page_size, default=50, most=200)
    day = reader.day("date", request.date) if request.HasField("date") else None
    reader.finish()
    return size, day


def read_case(
    request: case_pb2.GetCaseRequest | case_pb2.WatchCaseRequest, call: Call
) -> tuple[str, Onlooker]:
    """Read which case is asked for, and to whom it is shown.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises.
    """
    reader = Reader()
    case_id, onlooker = reader.case_id(request.case_id), _onlooker(reader, request, call)
    reader.finish()
    return case_id, onlooker


def read_receipt(
    request: case_pb2.GetReceiptRequest, call: Call
) -> tuple[str, int | None, Onlooker]:
    """Read of which case, and at which index, a receipt is asked for; None is the newest.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    case_id = reader.case_id(request.case_id)
    index = reader.index(request.index)
    onlooker = _onlooker(reader, request, call)
    reader.finish()
    return case_id, index if request.HasField("index") else None, onlooker


def _onlooker(reader: Reader, request: _Shown, call: Call) -> Onlooker:
    """To whom a case is shown; nobody, if the portal does not say."""
    found = request.shown_to
    documents = reader.documents("shown_to", found) if found else ()
    return Onlooker(documents=documents, now=call.now)


def read_withdrawal(request: case_pb2.WithdrawCaseRequest, call: Call) -> tuple[Ask, str]:
    """Read which case is withdrawn, by whom and why.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    read = _ask(reader, request, "WithdrawCase", call), reader.said("text", request.text)
    reader.finish()
    return read


def read_review(request: case_pb2.RequestReviewRequest, call: Call) -> tuple[Ask, str]:
    """Read for which case a person is asked for, by whom and why.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    read = _ask(reader, request, "RequestReview", call), reader.said("text", request.text)
    reader.finish()
    return read


def read_contest(request: case_pb2.ContestFactRequest, call: Call) -> tuple[Ask, Contest]:
    """Read to which value somebody objects, and in which case.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    read = _ask(reader, request, "ContestFact", call), reader.contest("contest", request.contest)
    reader.finish()
    return read


_GRADES: Final = {int(case_pb2.Rating.Grade.Value(f"GRADE_{one.name}")): one for one in Grade}


def read_rating(request: case_pb2.RateCaseRequest, call: Call) -> tuple[Ask, Grade, str]:
    """Read how which case is rated, and by whom.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    read = (
        _ask(reader, request, "RateCase", call),
        reader.choice("grade", request.grade, _GRADES),
        reader.said("text", request.text),
    )
    reader.finish()
    return read


def read_own_accesses(request: case_pb2.ListOwnAccessesRequest) -> tuple[Person, Question]:
    """Read who asks about themselves.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    ask = Question(
        method="ListOwnAccesses",
        filter="",
        subject=None,
        size=reader.page_size(request.page_size, default=50, most=500),
        token=request.page_token,
    )
    person = reader.person(request.person)
    reader.finish()
    return person, ask


def read_export(request: case_pb2.ExportOwnDataRequest) -> tuple[Person, int]:
    """Read who wants a copy, and after which entry it begins; -1 is all.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    after = reader.index(request.after_index, "after_index")
    person = reader.person(request.person)
    reader.finish()
    return person, after if request.HasField("after_index") else -1


def _ask(
    reader: Reader,
    request: _Asking,
    method: str,
    call: Call,
) -> Ask:
    """What everything that is done about a case has in common."""
    return Ask(
        caller=call.caller.subject,
        role=call.caller.role,
        method=method,
        request_id=reader.request_id(request.request_id),
        content_digest=_digest(request),
        case_id=reader.case_id(request.case_id),
        person=reader.person(request.person),
        now=call.now,
        deadline=call.deadline,
    )


def read_timeline(request: trail_pb2.GetCaseTimelineRequest) -> tuple[str, int, str]:
    """Read of which case everything is asked for, how much at once, and from where.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    case_id = reader.word("case_id", request.case_id, shapes.CASE_OR_NUMBER)
    size = reader.page_size(request.page_size, default=100, most=500)
    reader.finish()
    return case_id, size, request.page_token


def read_entries(request: trail_pb2.ListEntriesRequest) -> Question:
    """Read which entries are asked for; the filter is read where it is understood.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    ask = Question(
        method="ListEntries",
        filter=request.filter,
        subject=(
            reader.document("subject", request.subject) if request.HasField("subject") else None
        ),
        size=reader.page_size(request.page_size, default=50, most=500),
        token=request.page_token,
    )
    reader.finish()
    return ask


def read_accesses(request: trail_pb2.ListAccessesRequest) -> Question:
    """Read whose accesses are asked for.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    ask = Question(
        method="ListAccesses",
        filter="",
        subject=reader.document("subject", request.subject),
        size=reader.page_size(request.page_size, default=50, most=500),
        token=request.page_token,
    )
    reader.finish()
    return ask


def read_index(request: trail_pb2.GetEntryRequest | trail_pb2.ReplayDecisionRequest) -> int:
    """Read which entry is asked for.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises.
    """
    reader = Reader()
    index = reader.index(request.index)
    reader.finish()
    return index


def read_archive(request: trail_pb2.SimulateReleaseRequest) -> bytes:
    """Read which release is asked about; whether it is one is told when it is composed.

    Raises:
        InvalidRequestError: There is none.
    """
    reader = Reader()
    if not request.release:
        reader.refuse("release", "REQUIRED", "is missing", "为必填项")
    reader.finish()
    return request.release


def read_offers(request: offer_pb2.MakeOffersRequest, call: Call) -> Run:
    """Read to whom a matter is to be offered, if they qualify.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    reader.unique("subjects", [f"{one.kind}:{one.number}" for one in request.subjects])
    reader.few("subjects", len(request.subjects), MOST)
    run = Run(
        caller=call.caller.subject,
        role=call.caller.role,
        request_id=reader.request_id(request.request_id),
        content_digest=_digest(request),
        matter=MatterId(reader.id("matter", request.matter)),
        subjects=tuple(
            reader.document(f"subjects[{place}]", one)
            for place, one in enumerate(request.subjects[:MOST])
        ),
        now=call.now,
    )
    reader.finish()
    return run


def read_listed(request: offer_pb2.ListOffersRequest, call: Call) -> Answer:
    """Read who asks what they are offered.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    who = Answer(
        caller=call.caller.subject,
        role=call.caller.role,
        person=reader.person(request.person),
        now=call.now,
    )
    reader.finish()
    return who


def read_decline(request: offer_pb2.DeclineOfferRequest, call: Call) -> tuple[Answer, str]:
    """Read who declines which offer.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    offer_id = reader.offer_id(request.offer_id)
    who = Answer(
        caller=call.caller.subject,
        role=call.caller.role,
        person=reader.person(request.person),
        now=call.now,
        request_id=reader.request_id(request.request_id),
        content_digest=_digest(request),
    )
    reader.finish()
    return who, offer_id


def _digest(request: decision_pb2.DecideRequest | _Asking | _Offering) -> str:
    """SHA-256 of the request as parsed: the order of fields and keys on the wire is no matter."""
    canonical = deepcopy(request)
    canonical.request_id = request.request_id.lower()
    return hashlib.sha256(canonical.SerializeToString(deterministic=True)).hexdigest()
