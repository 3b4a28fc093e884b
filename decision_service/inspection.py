"""What auditors and operators ask of the decision trail. Every question is an entry itself."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from audit.trail import ERASED
from audit.trail.queries import All, Condition, Either, Found, Is
from audit.trail.tallies import Tally
from decision_service.admission import no_such_case
from decision_service.errors import (
    DecisionServiceError,
    ErasedError,
    FieldViolation,
    InvalidPublicationError,
    InvalidRequestError,
)
from decision_service.filtering import Scope, read_filter
from decision_service.masking import mask, mask_subject
from decision_service.model import CaseSummary, Document
from decision_service.office import Office
from decision_service.pages import read_token, write_token
from decision_service.record import ACCESS, DECISION, Look, Viewer
from decision_service.release import Release, restore
from decision_service.replay import Diverged, Replay, Reproduced
from decision_service.replay import replay as _replay
from decision_service.rulebook.tree import RuleFileError
from decision_service.simulate import LeftOut, Simulated, Simulation, simulate

__all__ = [
    "Ask",
    "Found",
    "Opened",
    "Page",
    "Progress",
    "Shadow",
    "Tally",
    "Viewer",
    "entries",
    "entry",
    "replay",
    "replay_many",
    "simulate_many",
    "stats",
    "timeline",
]

_AT_ONCE = 200
"""Decisions whose indices are fetched together."""

_EXAMPLES = 10
"""Of decisions that a release would have changed in the same way."""

_FINDINGS = 10
"""What is told of a rule file that is wrong; `miaopi rules check` tells all."""

_TELL_EVERY_S = 0.25
_RESERVED_S = 1.0
"""Left of a call's time for its last message."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question whose answer comes in pages.

    Attributes:
        method: The contract's name for it.
        filter: Narrows it, in the language of `filtering`.
        subject: Whom it is about; None for everybody.
        size: Entries a page at most.
        token: Of the page before, or empty.
    """

    method: str
    filter: str
    subject: Document | None
    size: int
    token: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the entries, and where the next ones begin; empty if there are none."""

    entries: tuple[Found, ...]
    next_token: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An entry and what of its sealed part the viewer may see, masked.

    Attributes:
        sealed: JSON; None if it is erased, or not for the viewer.
        subject: Masked; empty likewise.
    """

    entry: Found
    sealed: str | None
    subject: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay of many is.

    Attributes:
        last: Index of the last one; -1 before the first.
        found: Those since the last time that did not come out the same.
    """

    total: int
    done: int = 0
    reproduced: int = 0
    last: int = -1
    found: tuple[tuple[int, Replay], ...] = field(default=())


@dataclass(slots=True)
class Shadow:
    """How far a simulation is, and what it found.

    Attributes:
        last: Index of the last one; -1 before the first.
        changes: How many would have come out otherwise, by how, and the first of them.
        left_out: How many cannot be told of, by why.
    """

    total: int
    done: int = 0
    unchanged: int = 0
    last: int = -1
    changes: dict[Simulated, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, index: int, result: Simulation) -> None:
        """Count what came of one more."""
        self.done, self.last = self.done + 1, index
        if isinstance(result, LeftOut):
            self.left_out[result.why] += 1
        elif result.is_same:
            self.unchanged += 1
        else:
            number, examples = self.changes.get(result, (0, ()))
            self.changes[result] = number + 1, (*examples, index)[:_EXAMPLES]


async def entries(ask: Ask, *, viewer: Viewer, office: Office) -> Page:
    """The entries that match, as the trail was when the first page was asked for.

    Raises:
        InvalidRequestError: The filter cannot be read, or the token is not of this question.
        NotRecordedError: The question could not be recorded, so it is not answered.
    """
    condition = condition_of(ask.filter, office)
    subject = _subject(ask.subject)
    if ask.subject is not None:
        condition = All((condition, office.record.about(subject)))
    if ask.method in {"ListAccesses", "ListOwnAccesses"}:
        # A decision accounts itself for what it asked: `decide` records no access before it.
        asked = Either((Is("type", "=", ACCESS), Is("type", "=", DECISION)))
        condition = All((asked, condition))
    bound = (ask.method, viewer.caller, ask.filter, subject)
    if ask.token:
        until, before = map(int, read_token(ask.token, bound=bound, tag=office.record.tag))
    else:
        look = _look(viewer, ask.method, filter=ask.filter, subject=subject)
        until = await office.record.looked(look, now=viewer.now)
        before = until + 1
    found = await office.record.find(condition, before=before, limit=ask.size + 1)
    page = found[: ask.size]
    if len(found) == len(page):
        return Page(page, "")
    place = (until, page[-1].index)
    return Page(page, write_token(place, bound=bound, tag=office.record.tag))


async def entry(index: int, *, viewer: Viewer, office: Office) -> Opened:
    """One entry, opened as far as the viewer may see it.

    Raises:
        NotFoundError: There is no such entry.
        RecordDamagedError: Its sealed part is not what was recorded.
        NotRecordedError: The look could not be recorded.
    """
    recorded = await office.record.recorded(index)
    matter, case_id = (str(recorded.permanent.get(one, "")) for one in ("matter", "case_id"))
    look = _look(viewer, "GetEntry", matter=matter, case_id=case_id)
    shown = recorded.subject if viewer.may_open else ""
    await office.record.looked(replace(look, index=index, subject=shown), now=viewer.now)
    (found,) = await office.record.find(Is("idx", "=", index), before=index + 1, limit=1)
    if recorded.sealed is ERASED or not viewer.may_open:
        return Opened(found, None, "")
    release = await _release(str(recorded.permanent.get("release_digest", "")), office)
    masked = mask(recorded.sealed, recorded.subject, release)
    text = json.dumps(masked, ensure_ascii=False, sort_keys=True)
    return Opened(found, text, mask_subject(recorded.subject))


async def timeline(
    case_id: str, *, size: int, token: str, viewer: Viewer, office: Office
) -> tuple[CaseSummary, Page]:
    """A case and its entries, the oldest first, up to the look with which the first page came.

    Args:
        case_id: Its id, or its number as notices have it (办件编号).

    Raises:
        InvalidRequestError: The token is not of this question.
        NotFoundError: There is no such case.
        NotRecordedError: The look could not be recorded.
    """
    case_id = await office.record.case_named(case_id)
    case = await office.record.case(case_id)
    if case is None:
        raise no_such_case()
    bound = ("GetCaseTimeline", viewer.caller, case_id)
    if token:
        until, after = map(int, read_token(token, bound=bound, tag=office.record.tag))
    else:
        try:
            subject = await office.record.subject(case_id)
        except ErasedError:
            subject = ""
        look = _look(viewer, bound[0], matter=case.matter, case_id=case_id, subject=subject)
        until, after = await office.record.looked(look, now=viewer.now), -1
    found = await office.record.find_oldest(
        Is("case_id", "=", case_id), after=after, until=until, limit=size + 1
    )
    page = found[:size]
    if len(found) == len(page):
        return case, Page(page, "")
    place = (until, page[-1].index)
    return case, Page(page, write_token(place, bound=bound, tag=office.record.tag))


async def stats(filter_: str, *, viewer: Viewer, office: Office) -> tuple[Tally, ...]:
    """The decisions that match, counted by matter and release.

    Raises:
        InvalidRequestError: The filter cannot be read.
        NotRecordedError: The question could not be recorded.
    """
    condition = condition_of(filter_, office)
    until = await office.record.looked(_look(viewer, "GetStats", filter=filter_), now=viewer.now)
    return await office.record.tally(All((condition, Is("idx", "<=", until))))


async def replay(index: int, *, viewer: Viewer, office: Office) -> Replay:
    """Decide one recorded case again.

    Raises:
        NotFoundError: There is no such entry.
        NotRecordedError: The question could not be recorded.
    """
    result = await _replay(index, office=office)
    shows = isinstance(result, Diverged) and viewer.may_open
    subject = (await office.record.recorded(index)).subject if shows else ""
    look = _look(viewer, "ReplayDecision", subject=subject, index=index)
    await office.record.looked(look, now=viewer.now)
    return _as_seen(result, viewer)


async def replay_many(
    filter_: str, *, viewer: Viewer, office: Office, deadline: float
) -> AsyncGenerator[Progress, None]:
    """Decide all recorded cases that match again, the oldest first, as far as time allows.

    Args:
        deadline: Instant of the event loop's clock by which the call ends.

    Raises:
        InvalidRequestError: The filter cannot be read.
        NotRecordedError: The question could not be recorded.
    """
    matching = condition_of(filter_, office)
    look = _look(viewer, "ReplayDecisions", filter=filter_)
    until = await office.record.looked(look, now=viewer.now)
    condition = All((Is("type", "=", DECISION), Is("idx", "<=", until), matching))
    progress = Progress(await office.record.count(condition))

    async def look_at(index: int) -> None:
        nonlocal progress
        progress = _further(progress, index, _as_seen(await _replay(index, office=office), viewer))

    async with aclosing(visit(condition, look_at, office=office, deadline=deadline)) as moments:
        async for _ in moments:
            yield progress
            progress = replace(progress, found=())


async def simulate_many(
    archive: bytes, filter_: str, *, viewer: Viewer, office: Office, deadline: float
) -> AsyncGenerator[Shadow, None]:
    """Decide recorded cases of a release's matter by that release, as far as time allows.

    Args:
        archive: The release, as `Release.archive` has it.
        deadline: Instant of the event loop's clock by which the call ends.

    Raises:
        InvalidRequestError: It is no release that could be published, or the filter cannot be
            read.
        NotRecordedError: The question could not be recorded.
    """
    release = await asyncio.to_thread(draft_of, archive)
    matter, matching = release.matter.id, condition_of(filter_, office)
    told_of = {"simulated_digest": release.digest}
    look = _look(viewer, "SimulateRelease", filter=filter_, matter=matter, told=told_of)
    until = await office.record.looked(look, now=viewer.now)
    of_matter = Is("type", "=", DECISION), Is("matter", "=", matter), Is("idx", "<=", until)
    condition = All((*of_matter, matching))
    shadow = Shadow(await office.record.count(condition))

    async def look_at(index: int) -> None:
        shadow.add(index, await simulate(index, release, office=office))

    async with aclosing(visit(condition, look_at, office=office, deadline=deadline)) as moments:
        async for _ in moments:
            yield shadow


def draft_of(archive: bytes) -> Release:
    """The release of an archive that somebody sent.

    Raises:
        InvalidRequestError: It is none that could be published, and what is wrong with it.
    """
    try:
        return restore(archive)
    except RuleFileError as error:
        wrong = [
            (f"{place} {one.message.en}", f"{place} {one.message.zh}")
            for one in error.findings[:_FINDINGS]
            for place in [f"{error.where}:{one.at.line}:{one.at.column}: {one.code}"]
        ]
    except InvalidPublicationError as error:
        wrong = [(str(error), error.zh)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        en = "is no release as it is archived; `miaopi rules simulate` sends one"
        wrong = [(en, "不是存档形式的规则版本；请用 `miaopi rules simulate` 发送")]
    raise InvalidRequestError(
        [FieldViolation("release", "NOT_A_RELEASE", en, f"release {zh}") for en, zh in wrong]
    )


async def visit(
    condition: Condition,
    look_at: Callable[[int], Awaitable[None]],
    *,
    office: Office,
    deadline: float,
) -> AsyncGenerator[None, None]:
    """Look at each entry that matches, the oldest first, as long as there is time.

    Yields:
        When it is time to tell how far it is: before the first, a few times a second, at the end.
    """
    now, last = asyncio.get_running_loop().time, -1
    yield
    told = now()
    while indices := await office.record.following(condition, after=last, limit=_AT_ONCE):
        for last in indices:
            if now() >= deadline - _RESERVED_S:
                yield
                return
            await look_at(last)
            if now() - told >= _TELL_EVERY_S:
                yield
                told = now()
            await asyncio.sleep(0)  # who wants a decision does not wait for those of the past
    yield


def _further(progress: Progress, index: int, result: Replay) -> Progress:
    same = isinstance(result, Reproduced)
    return replace(
        progress,
        done=progress.done + 1,
        reproduced=progress.reproduced + same,
        last=index,
        found=progress.found if same else (*progress.found, (index, result)),
    )


def _as_seen(result: Replay, viewer: Viewer) -> Replay:
    """An operator learns where the difference is, and not what stands there."""
    if isinstance(result, Diverged) and not viewer.may_open:
        return Diverged(result.first, "", "")
    return result


def condition_of(text: str, office: Office) -> Condition:
    """What a filter says of this office's trail.

    Raises:
        InvalidRequestError: It cannot be read.
    """
    releases = {release.name: release.digest for release in office.catalogue.releases}
    return read_filter(text, Scope(releases, office.zone))


def _subject(document: Document | None) -> str:
    return f"{document.kind}:{document.number}" if document else ""


def _look(viewer: Viewer, method: str, **about: Any) -> Look:  # noqa: ANN401 - as `Look` has it
    return Look(caller=viewer.caller, role=viewer.role, method=method, **about)


async def _release(digest: str, office: Office) -> Release | None:
    """The release of that digest; None if there is none, or it is lost."""
    try:
        return await office.release(digest) if digest else None
    except DecisionServiceError:
        return None
