"""What callers, files and engines can do wrong: one tree, each class one answer to "whose fault".

What happens in the world (a silent register, a missing record) is a value, never an error.

    DecisionServiceError
    ├── InvalidRequestError      the request is not of the form that the contract promises
    ├── NotPublishedError        nothing is published for that matter, or for that day
    ├── NotAuthorizedError       the caller or the person may not do this
    ├── NotFoundError            there is no such case, or not for this caller
    ├── RequestReusedError       the same ``request_id`` came with another body
    ├── PreconditionError        the case or the matter is not in a state that allows this
    ├── StaleError               the case has moved on since the caller read it
    ├── ErasedError              what was asked for has been erased on the person's demand
    ├── DeadlineTooShortError    the caller's deadline leaves no time to ask the registers
    ├── RecordDamagedError       what was recorded is not what the store holds now
    ├── OverloadedError          the service has more work than it can take
    ├── NotRecordedError         it could not be recorded, so it did not happen
    ├── InvalidPublicationError  a rule file, matter, form, register or release cannot be loaded
    └── EngineError              the rule engine broke its contract
"""

from collections.abc import Sequence
from dataclasses import dataclass


class DecisionServiceError(Exception):
    """An error with a machine-readable reason and a hint for the person who meets it.

    Args:
        message: What is wrong, in one line: lower case, no full stop, input in backticks.
        zh: The same and what to do about it, in Chinese, for clerks and applicants.
        reason: UPPER_SNAKE_CASE identifier of the cause, unique in this service (AIP-193).
        hint: What the reader can do about it, as one sentence.
        metadata: Every changing part of ``message``, so that no client parses prose. Never
            personal data: it travels in error details and logs.
    """

    def __init__(self, message: str, *, zh: str, reason: str, hint: str, **metadata: str) -> None:
        super().__init__(message)
        self.zh = zh
        self.reason = reason
        self.hint = hint
        self.metadata = metadata


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that is wrong.

    Attributes:
        field: Path of the field in the request, e.g. ``answers["applicant.mobile"]``.
        reason: UPPER_SNAKE_CASE, e.g. ``EVIDENCE_BACKED``.
        message: What is wrong and what to do, in English.
        zh: The same in Chinese.
    """

    field: str
    reason: str
    message: str
    zh: str


class InvalidRequestError(DecisionServiceError):
    """The request is not of the form that the contract promises; every field at once."""

    def __init__(self, fields: Sequence[FieldViolation]) -> None:
        names = ", ".join(dict.fromkeys(f"`{violation.field}`" for violation in fields))
        super().__init__(
            f"the request is wrong in {names}",
            zh="请求有误：" + "；".join(violation.zh for violation in fields),
            reason="REQUEST_INVALID",
            hint="Correct every field listed in `field_violations` and send the request again.",
        )
        self.fields = tuple(fields)


class NotPublishedError(DecisionServiceError):
    """The caller named a matter, or a day, for which nothing is published."""


class NotAuthorizedError(DecisionServiceError):
    """The caller has no such role, or the person's authority does not reach this far."""


class NotFoundError(DecisionServiceError):
    """There is no such case for this caller; whether another caller has it is not told."""


class RequestReusedError(DecisionServiceError):
    """A ``request_id`` came again with another body; it names one request for ever."""


class PreconditionError(DecisionServiceError):
    """The case or the matter is not in a state that allows this; repeating does not help."""


class StaleError(DecisionServiceError):
    """The case has moved on since the caller read it; read it again (AIP-154)."""


class ErasedError(DecisionServiceError):
    """The record was erased on the person's demand; that it existed is all that is left."""


class RecordDamagedError(DecisionServiceError):
    """What the store holds is not what was recorded: it was changed behind the service's back."""


class DeadlineTooShortError(DecisionServiceError):
    """The caller's deadline is below the matter's ``minimum_deadline``; nothing was asked."""


class OverloadedError(DecisionServiceError):
    """More work is waiting than the service can take; nothing was done."""


class TooOftenError(OverloadedError):
    """The same was asked too often; nothing was done.

    Args:
        retry_after_s: When it may be asked again, in seconds.
    """

    def __init__(
        self, message: str, *, zh: str, reason: str, hint: str, retry_after_s: float
    ) -> None:
        super().__init__(message, zh=zh, reason=reason, hint=hint)
        self.retry_after_s = retry_after_s


class NotRecordedError(DecisionServiceError):
    """It could not be recorded, so it did not happen (law 2); repeat with the same request_id."""


class InvalidPublicationError(DecisionServiceError):
    """A rule file, matter, form, register or release cannot be loaded, so the service refuses."""


class EngineError(DecisionServiceError):
    """The rule engine broke its contract. It never reaches a caller: the case is referred."""
