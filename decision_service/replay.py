"""Decide a recorded case again from its record, and hold the two against each other (law 4)."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from pydantic_core import to_jsonable_python

from decision_service.admission import Admission
from decision_service.decide import judged, referred, unjudged, with_checks
from decision_service.draft import Draft
from decision_service.errors import ErasedError, RecordDamagedError
from decision_service.judge import (
    ALREADY_GRANTED,
    DECISION_REOPENED,
    ENGINE_DISAGREES,
    GRANTS_UNKNOWN,
    INTERRUPTED,
    MATTER_STOPPED,
    PERSON_REQUESTED,
)
from decision_service.office import Office
from decision_service.record import DECISION
from decision_service.release import Release, restore


@dataclass(frozen=True, slots=True)
class Reproduced:
    """The same bytes."""


@dataclass(frozen=True, slots=True)
class Diverged:
    """Other bytes.

    Attributes:
        first: Where the first difference is, e.g. ``outcome.grant[0].value.number``.
        recorded, replayed: What stands there in canonical JSON, then and now. Personal data.
    """

    first: str
    recorded: str
    replayed: str


@dataclass(frozen=True, slots=True)
class NotReplayable:
    """It cannot be tried.

    Attributes:
        why: ``erased``, ``rules`` (the release is not archived), ``engine`` (it was referred
            because the engine broke, and it does not break today), ``type`` (no decision) or
            ``tampered`` (the sealed part, or the archived release, is not what was recorded).
    """

    why: str


Replay: TypeAlias = Reproduced | Diverged | NotReplayable


async def replay(index: int, *, office: Office) -> Replay:
    """Decide the entry's case again, from what it records and its archived release alone.

    Raises:
        NotFoundError: There is no such entry.
    """
    made = await made_at(index, office=office)
    if isinstance(made, NotReplayable):
        return made
    compared = _compare(made.draft, again(made.draft, made.release), made.outcome)
    if isinstance(compared, Diverged) and ENGINE_DISAGREES in made.draft.outcome.reasons:
        return NotReplayable("engine")
    return compared


@dataclass(frozen=True, slots=True)
class Made:
    """A decision as it was made, and by what.

    Attributes:
        outcome: What is kept of it for ever.
    """

    release: Release
    draft: Draft
    outcome: object


async def made_at(index: int, *, office: Office) -> Made | NotReplayable:
    """The decision of an entry, from what it records and its archived release alone.

    Raises:
        NotFoundError: There is no such entry.
    """
    try:
        recorded = await office.record.recorded(index)
        if recorded.type != DECISION:
            return NotReplayable("type")
        archived = await office.record.archived(str(recorded.permanent["release_digest"]))
    except RecordDamagedError:
        return NotReplayable("tampered")
    if archived is None:
        return NotReplayable("rules")
    release = _restored(archived)
    try:
        draft = await office.record.draft_at(index, release.matter)
    except ErasedError:
        return NotReplayable("erased")
    return Made(release, draft, recorded.permanent.get("outcome"))


_restored = lru_cache(maxsize=16)(restore)
"""To compose a release takes longer than to judge by it; those of one day are asked for in turn."""


def again(before: Draft, release: Release) -> Draft:
    """The same steps as `decide`, on recorded evidence, by that release.

    Raises:
        InvalidRequestError: Its form has not the fields that were answered.
    """
    admission = Admission(
        release=release,
        case=before.case,
        filing_date=before.filing_date,
        zone=before.zone,
        follows=before.follows,
        objected=frozenset(before.objected),
        person_wanted=before.because == PERSON_REQUESTED.code,
        was_decided=before.because == DECISION_REOPENED.code,
        is_stopped=before.because == MATTER_STOPPED.code,
    )
    if before.because == INTERRUPTED.code:
        return unjudged(before.application, admission, now=before.decide_time)
    judged_again = judged(
        before.application,
        admission,
        before.evidence,
        now=before.decide_time,
        wait_until=before.wait_until,
    )
    told = {one.concept: one.check for one in before.contradictions if one.check is not None}
    checked = with_checks(judged_again, told)
    grants = {reason.code: reason for reason in (ALREADY_GRANTED, GRANTS_UNKNOWN)}
    return referred(checked, grants[before.because]) if before.because in grants else checked


def _compare(before: Draft, again: Draft, told: object) -> Replay:
    """Field by field, in canonical JSON; ``told`` is the outcome that is kept for ever."""
    then, now = before.body(), again.body()
    for name in then:
        if _canonical(then[name]) != _canonical(now[name]):
            return _difference(name, then[name], now[name])
    if told != again.outcome.kind:
        return _difference("permanent.outcome", told, again.outcome.kind)
    if before == again:
        return Reproduced()
    rest = ("statuses", "rows", "because")
    verdicts = [to_jsonable_python({one: getattr(d, one) for one in rest}) for d in (before, again)]
    return _difference("verdict", *verdicts)


def _difference(place: str, then: object, now: object) -> Diverged:
    """Go down to where the two first differ."""
    if isinstance(then, dict) and isinstance(now, dict) and then.keys() == now.keys():
        for key in then:
            if _canonical(then[key]) != _canonical(now[key]):
                return _difference(f"{place}.{key}", then[key], now[key])
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, (one, other) in enumerate(zip(then, now, strict=True)):
            if _canonical(one) != _canonical(other):
                return _difference(f"{place}[{number}]", one, other)
    return Diverged(place, _canonical(then).decode(), _canonical(now).decode())


def _canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
