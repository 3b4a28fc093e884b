"""The one table from our errors to canonical statuses (AIP-193)."""

import math
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    LocalizedMessage,
    RequestInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status

from decision_service import errors
from decision_service.server.identity import NotAuthenticatedError
from decision_service.server.load import TooManyCallsError

CHINESE: Final = "zh-CN"
"""Locale of every `LocalizedMessage`; English stands in the status and its ``hint``."""

_ROOM_BYTES = 4_500
"""For field violations. gRPC clients refuse trailers above 8 KiB (`grpc.max_metadata_size`), and
then the caller would learn nothing at all."""

_LONGEST = 400
"""Characters of a message or a hint at most; the same limit is behind it."""

_RETRY_AFTER_S = 1
"""When a caller may try again: a group commit and a failed fsync are both over by then."""


class OverdueError(errors.DecisionServiceError):
    """The call took longer than it may; what became of it can be asked by its request_id.

    Args:
        longest_call_s: The longest that any call may take, in seconds.
    """

    def __init__(self, longest_call_s: float) -> None:
        super().__init__(
            "the call did not end before its deadline",
            zh="本次请求未能按时完成，请用同一请求编号重试。",
            reason="DEADLINE_EXCEEDED",
            hint="Repeat it with the same `request_id`: what was decided meanwhile is not lost.",
            longest_call_s=str(longest_call_s),
        )


class StoppingError(errors.DecisionServiceError):
    """The service is being stopped; another process, or this one in a while, takes the call."""

    def __init__(self) -> None:
        super().__init__(
            "the service is being stopped",
            zh="系统正在重启，请稍后用同一请求编号重试。",
            reason="STOPPING",
            hint="Repeat the call with the same `request_id`; what was decided is not lost.",
        )


def to_status(error: Exception, *, city: str, request_id: str) -> Status:
    """Translate an error into what a caller may know of it.

    Args:
        error: What ended the call.
        city: Ends the error domain, ``decision-service.<city>``.
        request_id: Finds the call in the log.
    """
    code = _code(error)
    if code == Code.INTERNAL or not isinstance(error, errors.DecisionServiceError):
        error = _internal()
    metadata = {**error.metadata, "hint": _short(error.hint)}
    details: list[Message] = [
        ErrorInfo(reason=error.reason, domain=f"decision-service.{city}", metadata=metadata),
        LocalizedMessage(locale=CHINESE, message=_short(error.zh)),
        RequestInfo(request_id=request_id),
    ]
    if isinstance(error, errors.InvalidRequestError):
        details.append(_bad_request(error))
    if code in {Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE}:
        details.append(RetryInfo(retry_delay=_retry_delay(error)))
    status = Status(code=code, message=_short(str(error)))
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _code(error: Exception) -> int:  # noqa: C901, PLR0911 - a table
    """The canonical code of an error; what is not in the table is nobody's business outside."""
    match error:
        case errors.InvalidRequestError():
            return Code.INVALID_ARGUMENT
        case NotAuthenticatedError():
            return Code.UNAUTHENTICATED
        case errors.NotAuthorizedError():
            return Code.PERMISSION_DENIED
        case errors.NotPublishedError() | errors.NotFoundError():
            return Code.NOT_FOUND
        case errors.RequestReusedError():
            return Code.ALREADY_EXISTS
        case errors.PreconditionError() | errors.ErasedError():
            return Code.FAILED_PRECONDITION
        case errors.StaleError():
            return Code.ABORTED
        case errors.DeadlineTooShortError() | OverdueError():
            return Code.DEADLINE_EXCEEDED
        case errors.RecordDamagedError():
            return Code.DATA_LOSS
        case errors.OverloadedError():
            return Code.RESOURCE_EXHAUSTED
        case errors.NotRecordedError() | StoppingError():
            return Code.UNAVAILABLE
        case _:
            return Code.INTERNAL


def _retry_delay(error: errors.DecisionServiceError) -> Duration:
    """When a caller may try again."""
    delay = Duration()
    delay.FromMilliseconds(
        math.ceil(1_000 * error.retry_after_s)
        if isinstance(error, TooManyCallsError | errors.TooOftenError)
        else 1_000 * _RETRY_AFTER_S
    )
    return delay


def _internal() -> errors.DecisionServiceError:
    """What a caller learns of an error of ours: that there is one."""
    return errors.DecisionServiceError(
        "internal error",
        zh="系统内部错误，请稍后重试；如仍失败，请联系管理员并提供请求编号。",
        reason="INTERNAL",
        hint="Tell the operator the `request_id`; the log knows more.",
    )


def _bad_request(error: errors.InvalidRequestError) -> BadRequest:
    """Every wrong field, as far as a client can receive them."""
    found = BadRequest()
    for violation in error.fields:
        found.field_violations.add(
            field=violation.field,
            reason=violation.reason,
            description=violation.message,
            localized_message=LocalizedMessage(locale=CHINESE, message=violation.zh),
        )
        if found.ByteSize() > _ROOM_BYTES:
            del found.field_violations[-1]
            break
    return found


def _short(text: str) -> str:
    """At most as long as a trailer can carry; nobody reads further."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
