"""What the trail's entries say, what of it is sealed, and how it is found again."""

from audit.log import Conflict, Receipt
from audit.trail.entries import ERASED, CaseRow, Entry, Erased, Recorded, RecordedCase
from audit.trail.moment import Moment
from audit.trail.trail import Trail

__all__ = [
    "ERASED",
    "CaseRow",
    "Conflict",
    "Entry",
    "Erased",
    "Moment",
    "Receipt",
    "Recorded",
    "RecordedCase",
    "Trail",
]
