"""What a person may see of what is recorded about them: who looked, and a copy of it all.

个人信息保护法 44, 45, 48. What is about other people is masked, and so is who of the staff it was:
the person learns what they are and why they looked.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from audit.trail import ERASED, Recorded
from audit.trail.queries import All, Either, Found, Is
from decision_service import inspection
from decision_service.admission import refuse_future
from decision_service.casebook import RATING, RATING_ANSWER, TYPES
from decision_service.errors import NotAuthorizedError
from decision_service.followup import Person
from decision_service.inspection import Ask, Page
from decision_service.masking import mask_account, mask_others
from decision_service.model import AssuranceLevel, Document, Party
from decision_service.office import Office
from decision_service.record import (
    ACCESS,
    DECISION,
    DECLINED,
    DETERMINATION,
    OFFER,
    OVERRIDE,
    PREFILL,
    Look,
    Viewer,
)

FRESH_FOR = timedelta(hours=1)
"""How long ago the person may have authenticated: this opens everything at once."""

_SYSTEMS = frozenset({"portal", ""})
"""Roles of callers that are systems; every other is somebody of the staff."""

_EXPORTED = frozenset({ACCESS, PREFILL, DECISION, DETERMINATION, OVERRIDE, OFFER, DECLINED}) | TYPES
"""What is about the person. How clerks work on a case among themselves is not."""

_FOR_NO_CLERK = frozenset({RATING, RATING_ANSWER})
"""How the person has rated, which no clerk learns who may decide about them."""

_BY_PERSONS = frozenset({DETERMINATION, OVERRIDE})
_AT_ONCE = 100
_RESERVED_S = 1.0
"""Left of a call's time for its last message."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One entry, as the person may have it.

    Attributes:
        content: JSON: what is kept for ever, what is sealed, and what they were told by it.
    """

    index: int
    type: str
    time: datetime
    content: str


@dataclass(frozen=True, slots=True)
class Copies:
    """Some of the person's entries, the oldest first.

    Attributes:
        complete: Whether there are no more; if not, ask again after the last one.
    """

    entries: tuple[Copy, ...]
    complete: bool


def refuse_unproven(person: Person, now: datetime) -> None:
    """Only who has just proven who they are sees everything at once.

    Raises:
        NotAuthorizedError: They have proven it too weakly, or too long ago.
        InvalidRequestError: They have authenticated tomorrow.
    """
    refuse_future("person.authentication_time", person.authentication_time, now)
    if person.assurance_level.rank < AssuranceLevel.SUBSTANTIAL.rank:
        raise NotAuthorizedError(
            "one's own data need assurance level substantial",
            zh="查阅、复制本人信息需要更高等级的实名认证，请重新认证。",
            reason="ASSURANCE_TOO_LOW",
            hint="Let the person authenticate at that level and repeat the call.",
            needed=AssuranceLevel.SUBSTANTIAL,
            given=person.assurance_level,
        )
    if now - person.authentication_time > FRESH_FOR:
        raise NotAuthorizedError(
            "the person authenticated more than an hour ago",
            zh="认证已超过一小时，请重新认证后再查阅、复制本人信息。",
            reason="AUTHENTICATION_TOO_OLD",
            hint="Let the person authenticate anew and repeat the call.",
        )


async def accesses(
    person: Person, ask: Ask, *, viewer: Viewer, office: Office
) -> tuple[Page, Mapping[int, str]]:
    """Who asked for the person's data, the newest first; and the caller as it may be shown.

    Raises:
        NotAuthorizedError: As `refuse_unproven`.
        InvalidRequestError: The page token is not of this question.
        NotRecordedError: The question could not be recorded, so it is not answered.
    """
    refuse_unproven(person, viewer.now)
    own = replace(ask, subject=_document(person))
    page = await inspection.entries(own, viewer=viewer, office=office)
    return page, {one.index: _who(one) for one in page.entries}


async def export(
    person: Person, after: int, *, viewer: Viewer, office: Office, deadline: float
) -> AsyncGenerator[Copies, None]:
    """A copy of everything that is recorded about the person, the oldest first, as time allows.

    Args:
        after: Index below which everything is had already; -1 for all.
        deadline: Instant of the event loop's clock by which the call ends.

    Raises:
        NotAuthorizedError: As `refuse_unproven`.
        NotRecordedError: The question could not be recorded, so it is not answered.
    """
    refuse_unproven(person, viewer.now)
    subject = _subject(person)
    look = Look(caller=viewer.caller, role=viewer.role, method="ExportOwnData", subject=subject)
    until = await office.record.looked(look, now=viewer.now)
    told = _EXPORTED | (_FOR_NO_CLERK if viewer.role == "portal" else frozenset())
    types = Either(tuple(Is("type", "=", one) for one in sorted(told)))
    about = All((office.record.about(subject), types, Is("idx", "<", until)))
    while True:
        indices = await office.record.following(about, after=after, limit=_AT_ONCE)
        found = [await office.record.recorded(index) for index in indices]
        complete = len(indices) < _AT_ONCE
        yield Copies(tuple(_copy(one, person) for one in found), complete)
        if complete or asyncio.get_running_loop().time() > deadline - _RESERVED_S:
            return
        after = indices[-1]


def _copy(entry: Recorded, person: Person) -> Copy:
    sealed: Any = "erased" if entry.sealed is ERASED else entry.sealed
    if entry.type in _BY_PERSONS and isinstance(sealed, Mapping):
        sealed = {"decision": sealed["decision"]}
    permanent = {**entry.permanent, "caller": _account(entry.permanent)}
    content = {"permanent": permanent, "sealed": sealed, "notice": entry.notice}
    numbers = {document.number for document in person.documents}
    text = json.dumps(mask_others(content, numbers), ensure_ascii=False, sort_keys=True)
    return Copy(entry.index, entry.type, entry.time, text)


def _who(found: Found) -> str:
    return _account(found.leaf.permanent)


def _account(permanent: Mapping[str, Any]) -> str:
    """A system by its name, somebody of the staff by the first letter."""
    caller = str(permanent.get("caller", ""))
    return caller if permanent.get("role", "") in _SYSTEMS else mask_account(caller)


def _document(person: Person) -> Document:
    return Party(role="applicant", documents=person.documents).named_by


def _subject(person: Person) -> str:
    return Party(role="applicant", documents=person.documents).subject
