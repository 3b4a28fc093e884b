"""What waits at the counter, and how it decides: queue, override reasons, second looks (S11, S24).

Every question is an entry itself, one a question and none a page.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any, Literal

from audit.trail.queries import All, Condition, Either, Found, Is
from decision_service.admission import only_of, refuse_matter
from decision_service.counter.determination import Instruction
from decision_service.counter.docket import SECOND_LOOK, Clerk, Docket, Standing, look_key
from decision_service.counter.dossier import ASKED_FOR, etag
from decision_service.errors import ErasedError
from decision_service.inspection import condition_of
from decision_service.model import CaseId, CaseSummary, Ground, MatterId, Text
from decision_service.office import Office
from decision_service.pages import read_token, write_token
from decision_service.record import DETERMINATION, KINDS, OVERRIDE, Look, Viewer

Whose = Literal["", "free", "mine", "proposed"]
"""Referrals that nobody works on, that the asker has claimed, or that wait for a second clerk."""

_CHUNK = 200
_SCANNED = 2_000
"""Cases that are looked at for one page at most; a page may then be short (AIP-158)."""

_COUNTED = 50_000
"""Determinations that one question counts at most."""


@dataclass(frozen=True, slots=True)
class Referral:
    """A case that a person decides.

    Attributes:
        referred_time: When it was referred.
        due_time: Until when a decision is promised; None if it was referred before there were
            promises.
        reasons: Codes for which no machine decided, or a person was asked for.
        clerk: Who works on it; empty if nobody.
        until: When that claim runs out; None without one.
        proposed: Whether a decision waits for a second clerk.
    """

    case: CaseSummary
    reasons: tuple[str, ...]
    referred_time: datetime
    due_time: datetime | None
    etag: str
    clerk: str
    until: datetime | None
    proposed: bool


@dataclass(frozen=True, slots=True)
class QueueAsk:
    """Which referrals are asked for.

    Attributes:
        matter: Empty for every.
        size: Referrals a page at most.
        token: Of the page before, or empty.
        promised_before, referred_before: Those alone; None for all.
    """

    matter: str
    whose: Whose
    size: int
    token: str
    promised_before: datetime | None = None
    referred_before: datetime | None = None

    @property
    def bounds(self) -> tuple[str, ...]:
        """What a page token is good for."""
        limits = (self.promised_before, self.referred_before)
        return (self.matter, self.whose, *(one.isoformat() if one else "" for one in limits))


async def queue(ask: QueueAsk, *, clerk: Clerk, office: Office) -> tuple[tuple[Referral, ...], str]:
    """The referrals, those due earliest first, and the token of the next page.

    Raises:
        InvalidRequestError: The token is not of this question.
        NotAuthorizedError: The matter is not the clerk's.
        NotRecordedError: The question could not be recorded, so it is not answered.
    """
    matters = _asked_of(ask.matter, clerk.matters)
    bound, tag = ("ListReferrals", clerk.caller, *ask.bounds), office.record.tag
    if ask.token:
        due, case_id = map(str, read_token(ask.token, bound=bound, tag=tag))
    else:
        due = case_id = ""
        look = Look(
            caller=clerk.caller,
            role="clerk",
            flow="counter",
            method="ListReferrals",
            matter=ask.matter,
        )
        await office.record.looked(look, now=clerk.now)
    found: list[Referral] = []
    scanned, place = 0, (due, case_id)
    while scanned < _SCANNED:
        chunk = await office.record.referred(matters, after=place, limit=_CHUNK)
        referrals = await _referrals(tuple(one.case.case_id for one in chunk), office)
        for one in chunk:
            referral = referrals.get(one.case.case_id)
            if referral is not None:
                shown = referral(one.case, one.due_time, clerk.now)
                if _is_wanted(shown, ask, clerk):
                    found.append(shown)
            place, scanned = one.place, scanned + 1
            if len(found) == ask.size:
                return tuple(found), write_token(place, bound=bound, tag=tag)
        if len(chunk) < _CHUNK:
            return tuple(found), ""
    return tuple(found), write_token(place, bound=bound, tag=tag)


def _asked_of(matter: str, matters: frozenset[MatterId]) -> frozenset[MatterId]:
    """Of which matters somebody asks who names one, or none for all that are theirs."""
    if not matter:
        return matters
    refuse_matter(matters, matter)
    return frozenset({MatterId(matter)})


def _is_wanted(referral: Referral, ask: QueueAsk, clerk: Clerk) -> bool:
    due, limit = referral.due_time, ask.promised_before
    if limit is not None and (due is None or due >= limit):
        return False
    if ask.referred_before is not None and referral.referred_time >= ask.referred_before:
        return False
    match ask.whose:
        case "free":
            return not referral.clerk and not referral.proposed
        case "mine":
            return referral.clerk == clerk.caller
        case "proposed":
            return referral.proposed
        case _:
            return True


_Shown = Callable[[CaseSummary, datetime | None, datetime], Referral]


async def _referrals(case_ids: tuple[CaseId, ...], office: Office) -> Mapping[CaseId, _Shown]:
    """What the newest decision and the newest step at the counter say of each of the cases."""
    record = office.record
    decided = await record.newest([record.case_key(one) for one in case_ids])
    standings = await Docket(record).standings(case_ids)

    def shown(newest: Found, standing: Standing) -> _Shown:
        asked_for = ASKED_FOR.get(newest.leaf.type)
        reasons: Any = newest.leaf.permanent.get("reasons", (asked_for,) if asked_for else ())
        return lambda case, due, now: Referral(
            case=case,
            reasons=tuple(reasons),
            referred_time=newest.leaf.time,
            due_time=due,
            etag=etag(newest.index, standing),
            clerk=standing.holder(now),
            until=standing.until if standing.holder(now) else None,
            proposed=standing.proposal is not None,
        )

    return {
        case_id: shown(newest, standings[case_id])
        for case_id in case_ids
        if (newest := decided.get(record.case_key(case_id))) is not None and not newest.erased
    }


# ── override reasons ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Override:
    """A person's decision that went against the rules, or against an earlier decision.

    Attributes:
        text: The clerk's own words; None if they were erased, and then the ground's details are.
        ground: With what it cites; None if erased.
    """

    entry: Found
    text: Text | None
    ground: Ground | None


@dataclass(frozen=True, slots=True)
class OverridesAsk:
    """Which overrides are asked for; see `QueueAsk` and `filtering`."""

    filter: str
    size: int
    token: str


async def overrides(
    ask: OverridesAsk, *, viewer: Viewer, office: Office
) -> tuple[tuple[Override, ...], str]:
    """Past overrides that match, the newest first, with the clerks' words.

    Raises:
        InvalidRequestError: The filter cannot be read, or the token is not of this question.
        NotRecordedError: The question could not be recorded, so it is not answered.
    """
    matching = condition_of(ask.filter, office)
    condition = All((Is("type", "=", OVERRIDE), matching, only_of(viewer.matters)))
    bound, tag = ("ListOverrides", viewer.caller, ask.filter), office.record.tag
    if ask.token:
        until, before = map(int, read_token(ask.token, bound=bound, tag=tag))
    else:
        until = await _looked(viewer, "ListOverrides", ask.filter, office)
        before = until + 1
    found = await office.record.find(condition, before=before, limit=ask.size + 1)
    page = found[: ask.size]
    shown = tuple([await _override(one, office) for one in page])
    if len(found) == len(page):
        return shown, ""
    return shown, write_token((until, page[-1].index), bound=bound, tag=tag)


async def _override(entry: Found, office: Office) -> Override:
    try:
        _, sealed = await office.record.opened(entry.index)
    except ErasedError:
        return Override(entry, None, None)
    said = Instruction.model_validate_json(json.dumps(sealed["instruction"]))
    return Override(entry, said.text, said.ground)


@dataclass(slots=True)
class Counts:
    """How persons decided.

    Attributes:
        determinations: All that they decided, overrides among them.
        overturned: Overrides after which what had been decided, by rules or by a person, no longer
            stood: all but those by which a refusal stayed one.
        two_persons: How many were confirmed by a second person.
        looked_again, agreed: Second looks, and how many of them came to the same result.
        handling_s: Seconds from claim to decision, of each.
    """

    determinations: int = 0
    overrides: int = 0
    overturned: int = 0
    two_persons: int = 0
    looked_again: int = 0
    agreed: int = 0
    handling_s: list[int] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """Half of the cases took no longer; 0 without any."""
        return median(self.handling_s) if self.handling_s else 0.0


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of one value of a dimension.

    Attributes:
        dimension: ``all``, ``matter``, ``requirement``, ``reason``, ``clerk`` or ``month``.
    """

    dimension: str
    value: str
    counts: Counts


async def override_stats(filter_: str, *, viewer: Viewer, office: Office) -> tuple[Counted, ...]:
    """What persons decided, counted by matter, requirement, reason, clerk and month.

    A requirement counts where the rules found it not met or not known; a reason where it was the
    ground of an override.

    Raises:
        InvalidRequestError: The filter cannot be read.
        NotRecordedError: The question could not be recorded.
    """
    matching = All((condition_of(filter_, office), only_of(viewer.matters)))
    until = await _looked(viewer, "GetOverrideStats", filter_, office)
    looks: dict[object, bool] = {
        one.leaf.permanent["target"]: one.leaf.permanent["agrees"] is True
        async for one in _all(Is("type", "=", SECOND_LOOK), until, office)
    }
    counted: dict[tuple[str, str], Counts] = {("all", ""): Counts()}
    async for one in _all(All((_DETERMINED, matching)), until, office):
        for key in _dimensions(one, office):
            _count(counted.setdefault(key, Counts()), one, agreed=looks.get(one.index))
    order = ("all", "matter", "requirement", "reason", "clerk", "month")
    return tuple(
        Counted(*key, counted[key])
        for key in sorted(counted, key=lambda one: (order.index(one[0]), one[1]))
    )


def _dimensions(one: Found, office: Office) -> Iterable[tuple[str, str]]:
    permanent: Mapping[str, Any] = one.leaf.permanent
    yield "all", ""
    yield "matter", permanent["matter"]
    yield from (
        ("requirement", f"{permanent['matter']} {requirement}")
        for requirement, status in permanent["statuses"]
        if status != "met"
    )
    if permanent["ground"]:
        yield "reason", permanent["ground"]
    yield "clerk", permanent["caller"]
    yield "month", one.leaf.time.astimezone(office.zone).strftime("%Y-%m")


def _count(counts: Counts, one: Found, *, agreed: bool | None) -> None:
    permanent: Mapping[str, Any] = one.leaf.permanent
    counts.determinations += 1
    counts.overrides += one.leaf.type == OVERRIDE
    counts.overturned += one.leaf.type == OVERRIDE and _overturns(permanent)
    counts.two_persons += "second" in permanent
    counts.handling_s.append(permanent["handling_s"])
    counts.looked_again += agreed is not None
    counts.agreed += agreed is True


def _overturns(permanent: Mapping[str, Any]) -> bool:
    """As `audit.trail.tallies` has it."""
    before = permanent["from"]
    return before in KINDS.ended and not before == permanent["outcome"] == KINDS.refused


# ── second looks ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Drawing:
    """Something a person decided, drawn for a second, independent look: not how it was decided.

    Attributes:
        looked_again: Whether somebody has had that look.
    """

    index: int
    case_id: str
    matter: str
    time: datetime
    looked_again: bool


async def sample(
    period: date, share: int, matter: str, *, viewer: Viewer, office: Office
) -> tuple[Drawing, ...]:
    """The determinations of a month that are drawn for a second look.

    Drawn is what hashes low together with the period: anybody can draw the same again, nobody
    can know before deciding, and what comes later in the month moves nothing.

    Args:
        period: The first day of the month.
        share: Of a hundred.

    Raises:
        NotAuthorizedError: The matter is not the clerk's.
        NotRecordedError: The question could not be recorded.
    """
    of_matter = only_of(_asked_of(matter, viewer.matters))
    until = await _looked(viewer, "DrawSample", f"{period:%Y-%m} {share} {matter}", office)
    begins = datetime.combine(period, datetime.min.time(), office.zone)
    following = (period + timedelta(days=31)).replace(day=1)
    ends = datetime.combine(following, datetime.min.time(), office.zone)
    within = (Is("time", ">=", begins), Is("time", "<", ends))
    drawn = [
        one
        async for one in _all(All((_DETERMINED, *within, of_matter)), until, office)
        if _is_drawn(one, period, share)
    ]
    looked = await office.record.newest([look_key(one.index) for one in drawn])
    return tuple(
        Drawing(
            index=one.index,
            case_id=str(one.leaf.permanent["case_id"]),
            matter=str(one.leaf.permanent["matter"]),
            time=one.leaf.time,
            looked_again=look_key(one.index) in looked,
        )
        for one in reversed(drawn)
    )


def _is_drawn(one: Found, period: date, share: int) -> bool:
    hashed = hashlib.sha256(f"{period:%Y-%m}\n".encode() + one.leaf_hash).digest()
    return int.from_bytes(hashed[:8]) * 100 < share << 64


async def _all(condition: Condition, until: int, office: Office) -> AsyncIterator[Found]:
    """All entries that match, the newest first, up to what one question may count."""
    before, counted = until + 1, 0
    while counted < _COUNTED:
        found = await office.record.find(condition, before=before, limit=_CHUNK)
        for one in found:
            yield one
        if len(found) < _CHUNK:
            return
        before, counted = found[-1].index, counted + len(found)


_DETERMINED = Either((Is("type", "=", DETERMINATION), Is("type", "=", OVERRIDE)))


async def _looked(viewer: Viewer, method: str, filter_: str, office: Office) -> int:
    look = Look(
        caller=viewer.caller,
        role=viewer.role,
        flow="counter",
        method=method,
        filter=filter_,
    )
    return await office.record.looked(look, now=viewer.now)
