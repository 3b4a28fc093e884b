"""Offers as entries of the trail, and how each stands (免申即享).

A key for each matter and person points at the newest offer, and then at how it was answered: at
the decision on the application that agreed to it, or at the refusal. An offer whose time is over is
not touched again; nothing is recorded of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import uuid4

from audit.trail import ERASED, Entry, Recorded
from audit.trail.queries import All, Is
from decision_service.errors import NotFoundError, PreconditionError
from decision_service.model import (
    Application,
    CaseState,
    Evidence,
    Frozen,
    Granted,
    Inquiry,
    MatterId,
    Reason,
    Receipt,
    Text,
)
from decision_service.record import (
    DECISION,
    DECLINED,
    OFFER,
    Record,
    Taken,
    evidence_summary,
)
from decision_service.release import Release

START, RUN = "offer_start/1", "offer_run/1"
"""Types of the entries that a request to make offers is begun, and that it is done."""

_ALL = 1 << 62
"""Above every index."""

_MANY = 1_000


class Found(Frozen):
    """What a person would be granted, as registers know it today.

    Attributes:
        until_date: The last civil day on which the offer can be agreed to.
        notice: All of it in words.
    """

    offer_id: str
    until_date: date
    grant: tuple[Granted, ...]
    reasons: tuple[Reason, ...]
    evidence: tuple[Evidence, ...]
    notice: Text


class Offer(Found):
    """An offer as it is recorded.

    Attributes:
        declined: Whether it was; otherwise it can be agreed to.
        ask_again: Whether the matter may be offered to them again though they declined.
    """

    matter: MatterId
    rules_effective_date: date
    time: datetime
    receipt: Receipt
    declared_fields: tuple[str, ...]
    declined: bool = False
    ask_again: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """A civil day on which a matter is offered.

    Attributes:
        index: Of the newest request's start; None before the first.
        people: In all its requests.
    """

    index: int | None
    people: int


class Offerbook:
    """Offers, written to the record and read from it."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def add(
        self,
        found: Found,
        inquiry: Inquiry,
        release: Release,
        *,
        request: str,
        role: str,
        now: datetime,
        follows: int | None,
        given: Mapping[str, int | None],
    ) -> Receipt | Taken:
        """Record an offer; only now is it one.

        Args:
            request: Opaque key of the request that made it.
            follows: What the person's key for the matter points at.
            given: What it rests on: no grant and no objection came since.

        Raises:
            NotRecordedError: It could not be recorded, so nothing is offered.
        """
        body = found.model_dump(mode="json", include={"grant", "reasons", "evidence"})
        entry = Entry(
            type=OFFER,
            id=str(uuid4()),
            time=now,
            permanent={
                "request": request,
                "matter": inquiry.matter,
                "release_digest": release.digest,
                "rules_effective_date": release.effective.isoformat(),
                "case_id": found.offer_id,
                "caller": inquiry.caller,
                "role": role,
                "channel": inquiry.channel,
                "purpose": inquiry.purpose,
                "legal_basis": inquiry.authority.legal_basis,
                "until_date": found.until_date.isoformat(),
                "evidence": evidence_summary(found.evidence),
            },
            sealed={**body, **inquiry.model_dump(mode="json", include={"parties"})},
            subject=inquiry.subject,
            notice=f"{found.notice.zh}\n\n{found.notice.en}",
        )
        key = self._record.offer_key(inquiry.matter, inquiry.subject)
        return await self._record.claim(entry, {key: follows}, given)

    async def decline(
        self,
        offer: Recorded,
        *,
        ask_again: bool,
        follows: int,
        request: str,
        content_digest: str,
        caller: str,
        role: str,
        now: datetime,
    ) -> Receipt | Taken:
        """Record that an offer was declined, or whether the matter may be offered again.

        Raises:
            NotRecordedError: It could not be recorded, so the offer stands.
        """
        said = offer.permanent
        entry = Entry(
            type=DECLINED,
            id=str(uuid4()),
            time=now,
            permanent={
                "request": request,
                "matter": said["matter"],
                "release_digest": said["release_digest"],
                "case_id": said["case_id"],
                "caller": caller,
                "role": role,
                "ask_again": ask_again,
            },
            sealed={"content_digest": content_digest},
            subject=offer.subject,
        )
        key = self._record.offer_key(MatterId(str(said["matter"])), offer.subject)
        return await self._record.claim(entry, {key: follows, request: None})

    async def day(self, matter: MatterId, day: date) -> Day:
        """How many people were named on a civil day for offers of the matter."""
        index = await self._record.latest(self._record.offer_day_key(matter, day))
        if index is None:
            return Day(index, 0)
        return Day(index, int(str((await self._record.recorded(index)).permanent["people"])))

    async def start(
        self,
        release: Release,
        day: date,
        people: int,
        *,
        follows: int | None,
        request: str,
        caller: str,
        role: str,
        now: datetime,
    ) -> Receipt | Taken:
        """Record that registers are about to be asked; all requests of a day keep to its limit.

        Args:
            people: In all requests of the day, with this one.
            follows: The start before it, as `day` tells.

        Raises:
            NotRecordedError: It could not be recorded, so nobody may be asked about.
        """
        said = {"request": request, "caller": caller, "role": role, "people": people}
        entry = _of_a_run(START, release, said, {}, now)
        key = self._record.offer_day_key(release.matter.id, day)
        return await self._record.claim(entry, {key: follows})

    async def ran(
        self,
        release: Release,
        counts: Mapping[str, int],
        *,
        request: str,
        content_digest: str,
        caller: str,
        role: str,
        now: datetime,
    ) -> None:
        """Record that a request to make offers is done, so that it is done once.

        Raises:
            NotRecordedError: It could not be recorded.
        """
        said = {"request": request, "caller": caller, "role": role, **counts}
        entry = _of_a_run(RUN, release, said, {"content_digest": content_digest}, now)
        await self._record.claim(entry, {request: None})  # a twin that was faster has said it

    async def newest(self, matter: MatterId, subject: str) -> Recorded | None:
        """The newest offer of a matter to somebody, or how it was answered; None without one."""
        index = await self._record.latest(self._record.offer_key(matter, subject))
        return None if index is None else await self._record.recorded(index)

    async def one(self, offer_id: str, subject: str) -> Recorded:
        """An offer to somebody.

        Raises:
            NotFoundError: They have no such offer.
        """
        named = All((Is("case_id", "=", offer_id), Is("type", "=", OFFER)))
        for found in await self._record.find(named, before=_ALL, limit=1):
            entry = await self._record.recorded(found.index)
            if entry.subject == subject and entry.sealed is not ERASED:
                return entry
        raise NotFoundError(
            "there is no such offer to this person",
            zh="没有向本人发出的这一告知，请核对编号；随时可以直接申请。",
            reason="OFFER_NOT_FOUND",
            hint="`ListOffers` tells which there are; an application needs none.",
        )

    async def matters(self, subject: str) -> Sequence[MatterId]:
        """What somebody was ever offered, the newest first."""
        about = All((self._record.about(subject), Is("type", "=", OFFER)))
        found = await self._record.find(about, before=_ALL, limit=_MANY)
        return tuple(dict.fromkeys(MatterId(str(one.leaf.permanent["matter"])) for one in found))

    async def states(self, matter: MatterId, subject: str) -> frozenset[CaseState]:
        """How somebody's cases of the matter stand."""
        about = All((self._record.about(subject), Is("matter", "=", matter)))
        found = await self._record.find(about, before=_ALL, limit=_MANY)
        ids = {one.leaf.case.case_id for one in found if one.leaf.case}
        cases = [await self._record.case(case_id) for case_id in sorted(ids)]
        return frozenset(case.state for case in cases if case)

    async def agreed(
        self, application: Application, release: Release, today: date
    ) -> dict[str, int | None]:
        """The claim of an application that agrees to an offer; none without one.

        A correction of the same case goes on with what was agreed to already.

        Raises:
            NotFoundError: The applicant has no such offer.
            PreconditionError: It was answered, or its time is over.
        """
        if not application.offer_id:
            return {}
        offer = await self.one(application.offer_id, application.subject)
        newest = await self.newest(application.matter, application.subject)
        if newest is not None and newest.type == DECISION and application.case_id:
            said = newest.permanent
            if (said["case_id"], said.get("offer")) == (application.case_id, application.offer_id):
                return {}
        if newest is None or newest.index != offer.index or not is_open(offer, release, today):
            raise offer_ended()
        key = self._record.offer_key(application.matter, application.subject)
        return {key: offer.index}


def _of_a_run(
    type_: str, release: Release, said: Mapping[str, Any], sealed: Mapping[str, Any], now: datetime
) -> Entry:
    """An entry about a request to make offers, which is about nobody."""
    permanent = {"matter": release.matter.id, "release_digest": release.digest, **said}
    return Entry(type=type_, id=str(uuid4()), time=now, permanent=permanent, sealed=sealed)


def is_open(entry: Recorded, release: Release, today: date) -> bool:
    """Whether an offer can be agreed to: its time is not over, and the rules are still those."""
    said = entry.permanent
    until = date.fromisoformat(str(said["until_date"]))
    return today <= until and said["release_digest"] == release.digest


def may_follow(newest: Recorded | None, release: Release, today: date) -> bool:
    """Whether the matter may be offered, as far as earlier offers say.

    Not while one is open, and not again under a release under which the person has answered,
    either way, unless they said so.
    """
    if newest is None:
        return True
    if newest.type == OFFER:
        return not is_open(newest, release, today)
    said = newest.permanent
    return said.get("ask_again") is True or said["release_digest"] != release.digest


def read(entry: Recorded, release: Release, answer: Recorded | None = None) -> Offer:
    """An entry as the offer that it is.

    Args:
        release: Under which it was made.
        answer: How it was declined; None while it is open.
    """
    said, sealed = entry.permanent, entry.sealed
    assert sealed is not ERASED, "whoever asks has looked"  # noqa: S101
    zh, _, en = entry.notice.partition("\n\n")
    parts: dict[str, Any] = {
        **{name: sealed[name] for name in ("grant", "reasons", "evidence")},
        **{name: said[name] for name in ("matter", "rules_effective_date", "until_date")},
        "offer_id": said["case_id"],
        "time": entry.time.isoformat(),
        "notice": {"zh": zh, "en": en},
        "receipt": {"index": entry.index, "leaf_hash": entry.leaf_hash.hex()},
        "declared_fields": release.form.declared,
        "declined": answer is not None,
        "ask_again": answer is not None and answer.permanent["ask_again"],
    }
    return Offer.model_validate_json(json.dumps(parts))


def offer_ended() -> PreconditionError:
    """An offer that cannot be agreed to any more; the way of everybody else stays open."""
    return PreconditionError(
        "the offer was answered, or its time is over",
        zh="该告知已答复或已过有效期；您的权利不受影响，可直接申请。",
        reason="OFFER_ENDED",
        hint="Apply without `offer_id`: nothing is lost.",
    )
