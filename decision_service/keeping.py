"""What is kept of people: erased on demand or by its age, held where it must stay, and disclosed.

None of it takes anything back: decisions, their proofs and the receipts given out stay valid. Who
asked, by which law and why, stands in the record for ever.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from audit.errors import StoreRefusedError
from audit.trail.disclosures import DISCLOSURE, Disclosure
from audit.trail.holds import Hold, Scope
from audit.trail.kept import KeptEntry
from decision_service.admission import no_such_case
from decision_service.errors import (
    FieldViolation,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
)
from decision_service.model import CaseId, CaseState, Document, MatterId
from decision_service.office import Office
from decision_service.record import Look

__all__ = [
    "Disclosure",
    "Erased",
    "Ground",
    "Hold",
    "Overdue",
    "Scope",
    "Why",
    "erase_person",
    "holds",
    "lift_hold",
    "place_hold",
    "record_disclosure",
    "renew_master_key",
    "retain",
]

_AT_ONCE = 1_000
"""Entries that one step erases: everybody whom they are about waits meanwhile."""

_DIGITS = re.compile(r"[0-9Xx]{11,}")
"""Numbers of persons, firms and telephones; what is kept for ever has none."""

_BUSY = frozenset({CaseState.WAITING, CaseState.REFERRED, CaseState.NEEDS_CORRECTION})


class Ground(StrEnum):
    """Why somebody is erased before the term is over, or after (个人信息保护法 47).

    Attributes:
        PURPOSE_ENDED: The purpose is reached, or cannot be; only once every term is over.
        CONSENT_WITHDRAWN: The person takes the consent back; only once every term is over.
        UNLAWFUL: The data should never have been processed.
        ORDER: A court or a supervisory authority has ordered it.
    """

    PURPOSE_ENDED = "purpose_ended"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    UNLAWFUL = "unlawful"
    ORDER = "order"


_WAITS = frozenset({Ground.PURPOSE_ENDED, Ground.CONSENT_WITHDRAWN})


@dataclass(frozen=True, slots=True)
class Why:
    """Who does something about what is kept, and why; for ever to be read.

    Attributes:
        caller, role: Subject and role of the token.
        legal_basis: The article.
        reason: In words, without telling who.
    """

    caller: str
    role: str
    legal_basis: str
    reason: str
    now: datetime

    def told(self, **more: str) -> Mapping[str, str]:
        """What the entry says beside the reason."""
        return {
            "caller": self.caller,
            "role": self.role,
            "legal_basis": self.legal_basis,
            **more,
        }


@dataclass(frozen=True, slots=True)
class Erased:
    """An erasure that is on record.

    Attributes:
        index: Of its entry.
        entries: How many entries no longer tell who.
    """

    index: int
    entries: int


@dataclass(frozen=True, slots=True)
class Overdue:
    """Entries of one kind and matter whose term is over.

    Attributes:
        matter: Empty if they are about none.
        kept_since: Those that were newer than that stay.
    """

    kind: str
    matter: MatterId
    kept_since: datetime
    entries: int


async def erase_person(person: Document, ground: Ground, *, why: Why, office: Office) -> Erased:
    """Erase everything that tells who somebody is or how they live.

    Raises:
        InvalidRequestError: A number stands in what will be readable for ever.
        NotFoundError: Nothing is kept about them.
        PreconditionError: A case of theirs is under way, a term is not over, or a hold forbids it.
        NotRecordedError: It could not be recorded, so nothing was erased; or traces are left for
            a moment, and repeating it ends them.
    """
    _refuse_numbers(why)
    subject = f"{person.kind}:{person.number}"
    kept = await office.record.kept_about(subject)
    if kept:  # what follows tells of it, if only that it cannot be erased yet
        await _look(why, "ErasePerson", office)
    if ground is not Ground.ORDER:
        _refuse_busy(kept)
    if ground in _WAITS:
        _refuse_early(kept, why.now, office)
    erased = await office.record.erase(
        subject, reason=why.reason, time=why.now, told=why.told(ground=ground.value)
    )
    if erased is None:
        raise NotFoundError(
            "nothing is kept about this person",
            zh="没有关于此人的可删除内容；可能从未记录，或已经删除。",
            reason="PERSON_NOT_FOUND",
            hint="Check the document's kind and number; what was erased before is not found again.",
        )
    return Erased(erased.index, len(erased.erased))


async def place_hold(scope: Scope, *, why: Why, office: Office) -> int:
    """Let nothing in that scope be erased until the hold is lifted; returns its index.

    Raises:
        InvalidRequestError: A number stands in what will be readable for ever.
        NotFoundError: There is no such case.
        NotRecordedError: It could not be recorded, so it does not hold.
    """
    _refuse_numbers(why)
    if scope.case_id and await office.record.case(CaseId(scope.case_id)) is None:
        raise no_such_case()
    return await office.record.place_hold(scope, reason=why.reason, time=why.now, told=why.told())


async def lift_hold(index: int, *, why: Why, office: Office) -> int:
    """Lift the hold that an entry has placed; returns the index of the new entry.

    Raises:
        InvalidRequestError: A number stands in what will be readable for ever.
        NotFoundError: No such hold is in force.
        NotRecordedError: It could not be recorded, so the hold stays.
    """
    _refuse_numbers(why)
    return await office.record.lift_hold(index, reason=why.reason, time=why.now, told=why.told())


async def holds(*, why: Why, office: Office) -> tuple[Hold, ...]:
    """The holds that are in force, the oldest first.

    Raises:
        NotRecordedError: The question could not be recorded.
    """
    await _look(why, "ListHolds", office)
    return await office.record.holds()


async def retain(
    *, why: Why, office: Office, most: int, only_count: bool
) -> tuple[tuple[Overdue, ...], bool]:
    """Erase what tells who in entries whose term is over and that no hold covers.

    Args:
        most: Entries that are erased at most.
        only_count: Erase nothing, and tell what would be.

    Returns:
        What was erased, and whether there is more to erase.

    Raises:
        InvalidRequestError: A number stands in what will be readable for ever.
        NotRecordedError: It could not be recorded; what was recorded before is erased.
    """
    _refuse_numbers(why)
    await _look(why, "ApplyRetention", office)
    found: list[Overdue] = []
    left = most
    for kind, matter in await office.record.kinds_kept():
        since = office.terms.kept_since(
            kind, MatterId(matter), office.catalogue.releases, why.now, office.zone
        )
        if since is None:
            continue
        over = await office.record.count_overdue(kind, matter, before=since)
        gone = over if only_count else 0
        while gone < min(over, left):
            indices = await office.record.overdue(
                kind, matter, before=since, limit=min(left - gone, _AT_ONCE)
            )
            if not indices:
                over = gone  # others have erased meanwhile what was counted, or hold it
                break
            erased = await office.record.erase_entries(
                indices, reason=why.reason, time=why.now, told=why.told(ground="term_over")
            )
            gone += 0 if erased is None else len(erased.erased)
        if gone:
            found.append(Overdue(kind, MatterId(matter), since, gone))
        if gone < over:
            return tuple(found), True
        left -= gone * (not only_count)
    return tuple(found), False


async def record_disclosure(disclosure: Disclosure, *, why: Why, office: Office) -> int:
    """Put on record that sealed parts are given to an auditor; returns the index of its entry.

    Raises:
        InvalidRequestError: A number stands in what will be readable for ever, or nobody could
            read what is encrypted to the recipient.
        NotRecordedError: It could not be recorded, so nothing may be given.
    """
    _refuse_numbers(why)
    try:
        disclosure.refuse_unreadable()
    except StoreRefusedError as error:
        wrong = FieldViolation(
            field="recipient", reason=error.reason, message=str(error), zh=error.zh
        )
        raise InvalidRequestError([wrong]) from None
    look = Look(
        caller=why.caller,
        role=why.role,
        method="RecordDisclosure",
        flow=DISCLOSURE,
        matter=disclosure.matter,
        told={
            "legal_basis": why.legal_basis,
            "reason": why.reason,
            **disclosure.permanent,
        },
    )
    return await office.record.looked(look, now=why.now)


async def renew_master_key(*, why: Why, office: Office, most: int) -> int | None:
    """Go on with a renewal of the trail's master key, or begin one.

    Args:
        most: Keys that are gone through at most.

    Returns:
        Index of the entry that tells of its end; None as long as there is more to do.

    Raises:
        NotRecordedError: It could not go on; nothing is lost, and it does when it is asked again.
    """
    told = {"caller": why.caller, "role": why.role}
    return await office.record.renew_master_key(time=why.now, told=told, most=most)


async def _look(why: Why, method: str, office: Office) -> None:
    await office.record.looked(Look(caller=why.caller, role=why.role, method=method), now=why.now)


def _refuse_numbers(why: Why) -> None:
    wrong = [
        FieldViolation(
            field=f"justification.{name}",
            reason="PERSONAL",
            message="stays readable for ever, so it must have no numbers of persons or telephones",
            zh=f"justification.{name} 将永久可读，不得含证件号码、电话等个人信息",
        )
        for name in ("legal_basis", "reason")
        if _DIGITS.search(getattr(why, name))
    ]
    if wrong:
        raise InvalidRequestError(wrong)


def _refuse_busy(kept: tuple[KeptEntry, ...]) -> None:
    busy = {one.case_id for one in kept if one.case_state in _BUSY}
    if busy:
        raise PreconditionError(
            "a case of this person is under way",
            zh="此人尚有办件未办结，现在删除将无法继续办理；请先办结或由本人撤回。",
            reason="CASE_UNDER_WAY",
            hint="Let it be decided or withdrawn first; an order of a court overrides this.",
            case_id=min(busy),
        )


def _refuse_early(kept: tuple[KeptEntry, ...], now: datetime, office: Office) -> None:
    for one in kept:
        since = office.terms.kept_since(
            one.kind, MatterId(one.matter), office.catalogue.releases, now, office.zone
        )
        if since is None or one.newest_time >= since:
            raise PreconditionError(
                "a term for which it must be kept is not over",
                zh="法定或规定的保存期限尚未届满，不能删除，只能停止除存储以外的处理"
                "（个人信息保护法第四十七条第二款）。",
                reason="TERM_NOT_OVER",
                hint="Wait until the term is over; what should never have been processed, or what"
                " a court orders to erase, is erased at once on those grounds.",
                index=str(one.index),
                kind=one.kind,
                matter=one.matter,
            )
