"""What can go wrong with the decision trail; each error has message, Chinese, reason and hint.

    AuditError
    ├── NotRecordedError    it could not be recorded, so it did not happen
    ├── StoreRefusedError   this store must not be opened as it is
    ├── NotFoundError       the log has no such entry, or the release archive no such content
    ├── ErasedError         what was asked for has been erased
    ├── HeldError           what should be erased is under a hold
    └── TamperedError       something does not prove what it claims

No message, hint or reason carries personal data: they travel in logs and error details.
"""

from functools import partial
from typing import Self


class AuditError(Exception):
    """An error of the trail.

    Args:
        message: What is wrong, in one line: lower case, no full stop, input in backticks.
        zh: The same and what to do about it, in Chinese.
        reason: UPPER_SNAKE_CASE identifier of the cause.
        hint: What the reader can do about it, as one sentence.
    """

    def __init__(self, message: str, *, zh: str, reason: str, hint: str) -> None:
        super().__init__(message)
        self.zh = zh
        self.reason = reason
        self.hint = hint

    def __reduce__(self) -> tuple[partial[Self], tuple[()]]:
        """How it goes from one process to another."""
        told = {"zh": self.zh, "reason": self.reason, "hint": self.hint}
        return partial(type(self), str(self), **told), ()


class NotRecordedError(AuditError):
    """It could not be recorded, so it did not happen. The only error that ``append`` raises.

    Repeating is safe: whether an entry did become durable is told by its expected keys.
    Reasons: ``ENTRY_INVALID``, ``ENTRY_TOO_LARGE``, ``QUEUE_FULL``, ``LOG_CLOSED``,
    ``STORE_FAILED``, ``ANCHOR_MOVED``; and ``TRACES_LEFT``, of an erasure that is recorded.
    """


class StoreRefusedError(AuditError):
    """The store must not be opened as it is.

    Reasons: ``STORE_MISSING``, ``STORE_EXISTS``, ``STORE_LOST``, ``STORE_UNREADABLE``,
    ``STORE_IN_USE``, ``STORE_LINKED``,
    ``FOLDER_UNWRITABLE``, ``SCHEMA_OLD``, ``SCHEMA_UNKNOWN``, ``ORIGIN_INVALID``, ``KEY_MISSING``,
    ``KEY_INVALID``, ``KEY_EXPOSED``, ``KEYS_DIFFER``, ``ANCHOR_MISSING``, ``ANCHOR_INVALID``,
    ``STORE_BEHIND_ANCHOR``, ``STORE_BEHIND_CHECKPOINT``, ``STORE_FORKED``, ``STORE_FOREIGN``,
    ``STORE_DAMAGED``; of a check ``CHECK_CUT_SHORT``; of a database ``DATABASE_INVALID``,
    ``STORE_UNREACHABLE``, ``STORE_UNSAFE``, ``STORE_UNWRITABLE``; of a recovery
    ``NOTHING_TO_RECOVER``, ``RECOVERY_UNFINISHED``, ``REASON_INVALID``; of a backup or an export
    ``BACKUP_EXISTS``, ``EXPORT_EXISTS``, ``BACKUP_CHANGED``, ``EXPORT_CHANGED``, ``COPY_FAILED``,
    ``COPY_ELSEWHERE``, ``COPY_UNDER_WAY``, ``PARQUET_MISSING``, ``RECIPIENT_INVALID``; of a count
    ``TOO_FEW_PERSONS``; of a renewal ``RENEWAL_UNFINISHED``;
    of a migration ``NOTHING_TO_MIGRATE``, ``MIGRATION_UNFINISHED``, ``MIGRATION_UNSIGNED``;
    of erasures done again ``SOURCE_DAMAGED``, ``REAPPLICATION_UNFINISHED``.
    """


class NotFoundError(AuditError):
    """The log has no such entry (``ENTRY_NOT_FOUND``), or no such hold (``HOLD_NOT_FOUND``)."""


class ErasedError(AuditError):
    """What was asked for has been erased (``ENTRY_ERASED``); that it was there is what is left."""


class HeldError(AuditError):
    """What should be erased is under a hold (``UNDER_HOLD``); nothing was erased."""


class TamperedError(AuditError):
    """Something does not prove what it claims.

    Reasons: ``RECEIPT_MALFORMED``, ``RECEIPT_UNPROVEN``, ``CHECKPOINT_MALFORMED``,
    ``CHECKPOINT_UNSIGNED``, ``KEY_MALFORMED``, ``PROOF_MALFORMED``, ``SEAL_BROKEN``,
    ``ARCHIVE_DAMAGED``.
    """
