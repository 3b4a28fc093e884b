"""The emergency stop of a matter (S18): one person stops it, two lift it.

A stop is the newest entry under the matter's key. A decision reads that key with everything else
that it rests on and expects it unmoved, so that no process decides by rules what another has
stopped.
"""

from dataclasses import dataclass
from datetime import datetime

from decision_service.casebook import By
from decision_service.decide import refuse_reuse
from decision_service.errors import NotAuthorizedError, NotPublishedError, PreconditionError
from decision_service.followup import FollowUp, Happened, Lift, LiftProposal, Stop
from decision_service.model import MatterId
from decision_service.office import Office
from decision_service.record import Taken


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody of the staff wants a matter stopped, or a stop lifted.

    Attributes:
        caller, role: Of the token.
        person: Who that is, as the issuer of tokens tags people.
        method: The contract's name for what is wanted; with ``request_id`` it names the request.
        content_digest: SHA-256 (hex) of the canonical request; tells a repeat from a reuse.
        reason: Why; nothing about anybody.
    """

    caller: str
    role: str
    person: str
    method: str
    request_id: str
    content_digest: str
    matter: MatterId
    reason: str
    now: datetime


async def stop(ask: Ask, *, office: Office) -> Happened:
    """Stop a matter from the next decision on; what stops it already is replaced.

    Raises:
        NotPublishedError: There is no such matter.
        NotAuthorizedError: Nobody can say who the caller is.
        NotRecordedError: It could not be recorded, so nothing is stopped.
    """
    refuse_unknown(ask.matter, ask.person, office)
    while (index := await _earlier(ask, office)) is None:
        newest = await office.casebook.stop(ask.matter)
        index = await _add(ask, Stop(reason=ask.reason, person=ask.person), newest, office)
        if index is not None:
            break
    return await office.casebook.happened_at(index)


async def resume(ask: Ask, *, office: Office) -> Happened:
    """Propose to lift a stop, or lift it, if another person has proposed it.

    Raises:
        NotPublishedError: There is no such matter.
        NotAuthorizedError: Nobody can say who the caller is; or it is who has proposed it.
        PreconditionError: It is not stopped.
        NotRecordedError: It could not be recorded, so it is stopped still.
    """
    refuse_unknown(ask.matter, ask.person, office)
    while (index := await _earlier(ask, office)) is None:
        newest = await office.casebook.stop(ask.matter)
        index = await _add(ask, _next(ask, newest), newest, office)
        if index is not None:
            break
    return await office.casebook.happened_at(index)


async def in_force(office: Office) -> tuple[tuple[MatterId, Happened], ...]:
    """Every matter that is stopped, in the order of their ids, and the last word on it."""
    matters = sorted({release.matter.id for release in office.catalogue.releases})
    found = [(matter, await office.casebook.stop(matter)) for matter in matters]
    return tuple(
        (matter, one) for matter, one in found if one and isinstance(one.step, Stop | LiftProposal)
    )


def _next(ask: Ask, newest: Happened | None) -> FollowUp:
    """What a person's wish to lift the stop comes to."""
    match newest.step if newest else None:
        case Stop():
            return LiftProposal(reason=ask.reason, person=ask.person)
        case LiftProposal(person=first) if first == ask.person:
            raise NotAuthorizedError(
                "a second person must lift the stop",
                zh="恢复办理须由另一人确认，提出人不能自行确认。",
                reason="SECOND_PERSON_REQUIRED",
                hint="Let somebody else call `ResumeMatter`.",
            )
        case LiftProposal():
            return Lift(reason=ask.reason, person=ask.person)
        case _:
            raise PreconditionError(
                f"`{ask.matter}` is not stopped",
                zh="该事项没有被暂停。",
                reason="MATTER_NOT_STOPPED",
                hint="`ListStops` tells which are.",
                matter=ask.matter,
            )


async def _earlier(ask: Ask, office: Office) -> int | None:
    """The entry that the same request has made; None if it has made none."""
    index = await office.record.latest(office.record.request_key(ask.method, ask))
    if index is not None:
        refuse_reuse(ask.content_digest, await office.casebook.content_digest(index))
    return index


async def _add(ask: Ask, step: FollowUp, newest: Happened | None, office: Office) -> int | None:
    """Record it as the last word after the one that was seen; None if there is another by now."""
    key = office.record.request_key(ask.method, ask)
    written = await office.casebook.add(
        step,
        by=By.of(ask, key),
        case_id="",
        matter=ask.matter,
        subject="",
        release_digest="",
        expect={
            key: None,
            office.casebook.stop_key(ask.matter): newest.receipt.index if newest else None,
        },
    )
    return None if isinstance(written, Taken) else written.index


def refuse_unknown(matter: MatterId, person: str, office: Office) -> None:
    """Refuse a matter that there is not, and of whom nobody can say which person it is.

    Raises:
        NotPublishedError: There is no such matter.
        NotAuthorizedError: Nobody can say who the caller is.
    """
    if matter not in {release.matter.id for release in office.catalogue.releases}:
        raise NotPublishedError(
            "this matter is not published",
            zh="没有这一事项，请从事项清单中选择。",
            reason="MATTER_NOT_FOUND",
            hint="`ListMatters` tells which are.",
        )
    if not person:
        raise NotAuthorizedError(
            "the token does not say which person the caller is",
            zh="令牌未注明工作人员的身份标签，无法核对是否为两人，请联系管理员。",
            reason="CLERK_UNKNOWN",
            hint="Let the issuer put the claim `person` into the token; see the README.",
        )
