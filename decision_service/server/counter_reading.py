"""From the wire: what clerks ask, and what they want decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from decision_service.counter.determination import Instruction, Result
from decision_service.counter.oversight import OverridesAsk, QueueAsk, Whose
from decision_service.model import Concept, Ground, OverrideReason, Text, Value
from decision_service.server import shapes
from decision_service.server.fields import Reader
from decision_service.v1 import counter_pb2 as pb
from decision_service.v1 import vocabulary_pb2

_LONGEST_REASON: Final = 2_000
_LONGEST_NAME: Final = 100
_LONGEST_CITATION: Final = 200
_MOST_VALUES: Final = 100
_MOST_FIELDS: Final = 200
_MOST_PAPERS: Final = 20

LARGEST_PAPER: Final = 512 * 1024
"""Bytes of a paper: with the rest of its entry it keeps within what can be sealed."""

_BEGINNINGS: Final[Mapping[str, bytes]] = {
    "application/pdf": b"%PDF-",
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
}
"""How a file of each kind that is taken begins."""

_RESULTS: Final[Mapping[int, Result]] = {
    pb.RESULT_APPROVE: "approve",
    pb.RESULT_REFUSE: "refuse",
    pb.RESULT_CORRECT: "correct",
}
_WHOSE: Final[Mapping[int, Whose]] = {
    pb.ListReferralsRequest.WHOSE_UNSPECIFIED: "",
    pb.ListReferralsRequest.WHOSE_FREE: "free",
    pb.ListReferralsRequest.WHOSE_MINE: "mine",
    pb.ListReferralsRequest.WHOSE_PROPOSED: "proposed",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which case a step at the counter is about.

    Attributes:
        etag: Of the case as the caller has seen it.
    """

    case_id: str
    etag: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A paper to be attached."""

    name: str
    media_type: str
    content: bytes


def read_queue(request: pb.ListReferralsRequest) -> QueueAsk:
    """Read which referrals are asked for.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    if request.whose not in _WHOSE:
        _refuse_unknown(reader, "whose")
    ask = QueueAsk(
        matter=reader.id("matter", request.matter) if request.matter else "",
        whose=_WHOSE.get(request.whose, ""),
        size=reader.page_size(request.page_size, default=50, most=200),
        token=request.page_token,
        promised_before=_before(
            reader,
            "promised_before_time",
            request.promised_before_time if request.HasField("promised_before_time") else None,
        ),
        referred_before=_before(
            reader,
            "referred_before_time",
            request.referred_before_time if request.HasField("referred_before_time") else None,
        ),
    )
    reader.finish()
    return ask


def read_dossier(request: pb.GetDossierRequest) -> tuple[str, bool]:
    """Read which case is opened, and whether blind.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises.
    """
    reader = Reader()
    case_id = reader.word("case_id", request.case_id, shapes.CASE_OR_NUMBER)
    reader.finish()
    return case_id, request.blind


def read_step(request: pb.ClaimCaseRequest | pb.ReleaseCaseRequest) -> Asked:
    """Read which case is claimed or let go.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    asked = _asked(reader, request.case_id, request.etag)
    reader.finish()
    return asked


def read_word(request: pb.ConfirmProposalRequest | pb.ReturnProposalRequest) -> tuple[Asked, str]:
    """Read what is confirmed or returned, and why.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    asked = _asked(reader, request.case_id, request.etag)
    words = _words(reader, "reason", request.reason, _LONGEST_REASON)
    reader.finish()
    return asked, words


def read_attachment(request: pb.AttachPaperRequest) -> tuple[Asked, Attached]:
    """Read a paper; of a kind that is taken, and no larger than is taken.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    asked = _asked(reader, request.case_id, request.etag)
    name = _words(reader, "name", request.name, _LONGEST_NAME)
    if request.media_type not in _BEGINNINGS:
        reader.refuse(
            "media_type",
            "UNKNOWN_VALUE",
            f"must be one of {', '.join(_BEGINNINGS)}",
            f"应为 {'、'.join(_BEGINNINGS)} 之一",
        )
    elif not request.content.startswith(_BEGINNINGS[request.media_type]):
        reader.refuse(
            "content",
            "NOT_OF_THAT_KIND",
            "does not begin like a file of its `media_type`",
            "内容与所称文件类型不符，请重新扫描或转换",
        )
    if len(request.content) > LARGEST_PAPER:
        reader.refuse(
            "content",
            "TOO_LARGE",
            f"must have at most {LARGEST_PAPER} bytes; scan it with fewer colours or dots",
            f"不得超过 {LARGEST_PAPER} 字节，请降低扫描分辨率",
        )
    reader.finish()
    return asked, Attached(name, request.media_type, request.content)


def read_paper(request: pb.GetPaperRequest) -> tuple[str, int]:
    """Read which paper of which case is asked for.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    case_id, index = reader.case_id(request.case_id), reader.index(request.index)
    reader.finish()
    return case_id, index


def read_determination(request: pb.DetermineCaseRequest) -> tuple[Asked, Instruction]:
    """Read what a clerk wants decided.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    asked = _asked(reader, request.case_id, request.etag)
    reader.few("fields", len(request.fields), _MOST_FIELDS)
    reader.unique("fields", request.fields)
    fields = tuple(
        reader.word(f"fields[{place}]", one, shapes.KEY)
        for place, one in enumerate(request.fields[:_MOST_FIELDS])
    )
    instruction = _instruction(reader, request, fields)
    reader.finish()
    return asked, instruction


def read_override(request: pb.OverrideDecisionRequest) -> tuple[Asked, Instruction]:
    """Read what a clerk wants decided otherwise.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    asked = _asked(reader, request.case_id, request.etag)
    if request.result == pb.RESULT_CORRECT:
        reader.refuse(
            "result",
            "UNKNOWN_VALUE",
            "must be RESULT_APPROVE or RESULT_REFUSE",
            "改判只能为准予或不予",
        )
    if not request.HasField("ground"):
        reader.refuse("ground", "REQUIRED", "is missing", "为必填项")
    instruction = _instruction(reader, request, ())
    reader.finish()
    return asked, instruction.model_copy(update={"overriding": True})


def read_overrides(request: pb.ListOverridesRequest) -> OverridesAsk:
    """Read which overrides are asked for; the filter is read where it is understood.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises.
    """
    reader = Reader()
    size = reader.page_size(request.page_size, default=50, most=200)
    reader.finish()
    return OverridesAsk(filter=request.filter, size=size, token=request.page_token)


def read_sample(request: pb.DrawSampleRequest) -> tuple[date, int, str]:
    """Read of which month, how many of a hundred, and of which matter a sample is drawn.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    day = _month(reader, request.month)
    if not 0 <= request.share_percent <= 100:
        reader.refuse(
            "share_percent", "OUT_OF_RANGE", "must be 1 to 100, or 0 for 10", "应为 1 至 100"
        )
    matter = reader.id("matter", request.matter) if request.matter else ""
    reader.finish()
    return day, request.share_percent or 10, matter


def read_second_look(request: pb.RecordSecondLookRequest) -> tuple[str, int, Result, str]:
    """Read what a second clerk would have decided in which case.

    Raises:
        InvalidRequestError: It is not of the form that the contract promises; every field.
    """
    reader = Reader()
    case_id, index = reader.case_id(request.case_id), reader.index(request.index)
    result = _result(reader, request.result)
    words = _words(reader, "reason", request.reason, _LONGEST_REASON)
    reader.finish()
    return case_id, index, result, words


# ── parts ────────────────────────────────────────────────────────────────────────────────────────


def _asked(reader: Reader, case_id: str, etag: str) -> Asked:
    return Asked(reader.case_id(case_id), reader.word("etag", etag, shapes.CODE))


def _instruction(
    reader: Reader,
    request: pb.DetermineCaseRequest | pb.OverrideDecisionRequest,
    fields: tuple[str, ...],
) -> Instruction:
    zh = _words(reader, "reason.zh", request.reason.zh, _LONGEST_REASON)
    en = reader.text("reason.en", request.reason.en, _LONGEST_REASON)
    reader.few("papers", len(request.papers), _MOST_PAPERS)
    reader.unique("papers", [str(one) for one in request.papers])
    findings = _values(reader, "findings", request.findings)
    return Instruction(
        result=_result(reader, request.result),
        text=Text(zh=zh, en=(en.strip() and en) or zh),
        findings={Concept(key): value for key, value in findings.items()},
        outputs=_values(reader, "outputs", request.outputs),
        fields=fields,
        ground=_ground(reader, request.ground) if request.HasField("ground") else None,
        papers=tuple(request.papers[:_MOST_PAPERS]),
    )


def _values(reader: Reader, at: str, found: Mapping[str, vocabulary_pb2.Value]) -> dict[str, Value]:
    reader.few(at, len(found), _MOST_VALUES)
    read: dict[str, Value] = {}
    for key in sorted(found)[:_MOST_VALUES]:
        if shapes.KEY.pattern.match(key):
            read[key] = reader.value(f'{at}["{key}"]', found[key])
        else:
            reader.refuse(at, "MALFORMED", "has a key that no matter has", "含有事项没有的键")
    return read


def _result(reader: Reader, found: int) -> Result:
    if found not in _RESULTS:
        reader.refuse(
            "result",
            "REQUIRED" if found == pb.RESULT_UNSPECIFIED else "UNKNOWN_VALUE",
            "must be RESULT_APPROVE, RESULT_REFUSE or RESULT_CORRECT",
            "应为 RESULT_APPROVE、RESULT_REFUSE 或 RESULT_CORRECT",
        )
    return _RESULTS.get(found, "refuse")


def _ground(reader: Reader, found: pb.Ground) -> Ground:
    citation = reader.text("ground.citation", found.citation, _LONGEST_CITATION)
    ticket = reader.word("ground.ticket", found.ticket, shapes.CODE) if found.ticket else ""
    try:
        reason = OverrideReason(found.reason)
    except ValueError:
        reader.refuse(
            "ground.reason",
            "UNKNOWN_VALUE" if found.reason else "REQUIRED",
            f"must be one of {', '.join(OverrideReason)}",
            f"应为 {'、'.join(OverrideReason)} 之一",
        )
        reason = OverrideReason.SYSTEM_FAULT
    return Ground(reason=reason, citation=citation, ticket=ticket)


def _words(reader: Reader, at: str, found: str, longest: int) -> str:
    """Words that must be there: nobody is decided about without a reason (S11)."""
    if not found.strip():
        reader.refuse(at, "REQUIRED", "is missing", "为必填项")
    return reader.text(at, found, longest)


def _before(reader: Reader, at: str, found: Timestamp | None) -> datetime | None:
    return None if found is None else reader.time(at, found, given=True)


def _month(reader: Reader, found: Date) -> date:
    return reader.recorded_day("month", found).replace(day=1)


def _refuse_unknown(reader: Reader, at: str) -> None:
    reader.refuse(
        at, "UNKNOWN_VALUE", "is no value of this version of the contract", "不是本版本契约的取值"
    )
