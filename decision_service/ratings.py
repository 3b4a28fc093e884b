"""好差评: a person rates how their case was handled, and a poor rating is looked into.

政务服务“好差评” (国办发〔2019〕51号; GB/T 39735): five grades, once a case, for good.
Only the person reads it again. A clerk who looks into one learns whose it is, and from then on
decides nothing about them (`refuse_who_saw_ratings`); who decided the case does not look into it.
"""

from dataclasses import dataclass
from pathlib import Path

from decision_service.admission import (
    no_such_case,
    not_the_applicant,
    only_of,
    refuse_future,
    refuse_low_assurance,
    refuse_matter,
    refuse_own_case,
)
from decision_service.aftercare import Task
from decision_service.casebook import POOR, RATING, By, read
from decision_service.datafile import DataFile
from decision_service.decide import refuse_reuse
from decision_service.errors import NotAuthorizedError, NotFoundError, PreconditionError
from decision_service.followup import (
    Grade,
    Happened,
    Rated,
    Rating,
    RatingAnswer,
    RatingTaken,
)
from decision_service.model import CaseState, Frozen, Limit
from decision_service.office import ANSWERED_WITHIN, Office
from decision_service.record import DETERMINATION, OVERRIDE, Look, Taken, Viewer
from decision_service.rights import Ask

FILE = "ratings.toml"

_INVALID = "RATINGS_INVALID"

MOST_LISTED = 500
"""Poor ratings that are listed at once."""


class _File(Frozen):
    """``matters/ratings.toml``, as the city has laid it down."""

    answered_within: Limit


def load(city: Path) -> Limit:
    """In which time a city answers a poor rating, as its folder has it.

    Raises:
        InvalidPublicationError: The file is wrong.
    """
    path = city / "matters" / FILE
    if not path.is_file():
        return ANSWERED_WITHIN
    where = f"matters/{FILE}"
    found = DataFile.open(path, where, _INVALID).read(_File, _INVALID)
    return found.answered_within


@dataclass(frozen=True, slots=True)
class Poor:
    """A poor rating that waits for an answer.

    Attributes:
        clerk: Who looks into it; empty if nobody.
    """

    rating: Happened
    matter: str
    clerk: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A poor rating, with all that who looks into it needs."""

    poor: Poor
    case_number: str


async def rate(ask: Ask, grade: Grade, text: str, *, office: Office) -> Rated:
    """Rate how a case was handled, at whatever portal; a poor rating is looked into.

    Raises:
        NotFoundError: There is no such case.
        NotAuthorizedError: The person is not its applicant, or did not prove it surely enough.
        PreconditionError: It is rated already, or not handed in yet.
        RequestReusedError: The ``request_id`` came before, with another body.
        NotRecordedError: It could not be recorded, so it is not rated.
        ErasedError: The case was erased on the person's demand.
    """
    casebook, record = office.casebook, office.record
    case = await record.case(ask.case_id)
    if case is None:
        raise no_such_case()
    opening = await record.opening(case.case_id)
    if opening.parties[0].named_by not in ask.person.documents:
        # Another portal learns nothing of a case, not even that it is there.
        raise not_the_applicant() if case.caller == ask.caller else no_such_case()
    release = await office.release(opening.release_digest)
    refuse_low_assurance(ask.person.assurance_level, release.matter)
    refuse_future("person.authentication_time", ask.person.authentication_time, ask.now)
    key, rating = record.request_key("RateCase", ask), casebook.rating_key(case.case_id)
    if (earlier := await record.latest(key)) is not None:
        refuse_reuse(ask.content_digest, await casebook.content_digest(earlier))
    else:
        if case.state is CaseState.OPEN:
            raise _not_handed_in()
        due = office.promised_by(office.rating_limit, office.today(ask.now))
        step = (
            Rating(grade=grade, due_time=due, reasons=(POOR,), text=text)
            if grade.is_poor
            else Rating(grade=grade, text=text)
        )
        written = await casebook.add(
            step,
            by=By.of(ask, key),
            case_id=case.case_id,
            matter=case.matter,
            subject=opening.subject,
            release_digest=release.digest,
            expect={key: None, rating: None},
        )
        if isinstance(written, Taken) and written.key == rating:
            raise _rated()
    rated = await casebook.rated(case.case_id)
    assert rated is not None, "it was recorded just now"  # noqa: S101
    return rated


async def poor(viewer: Viewer, *, office: Office) -> tuple[Poor, ...]:
    """The poor ratings that wait for an answer, those due earliest first; not whose they are.

    Raises:
        NotRecordedError: The look could not be recorded.
    """
    look = Look(caller=viewer.caller, role=viewer.role, flow="counter", method="ListPoorRatings")
    await office.record.looked(look, now=viewer.now)
    found = await office.casebook.poor_ratings(only_of(viewer.matters), MOST_LISTED)
    return tuple(
        [
            Poor(rating, await _matter(rating, office), taken.caller if taken else "")
            for rating, taken in found
        ]
    )


async def take(task: Task, index: int, *, office: Office) -> Opened:
    """Look into a poor rating: it is opened, and nobody else looks into it.

    Raises:
        NotFoundError: There is no such rating that waits for an answer.
        PreconditionError: Another clerk looks into it, or it is answered.
        NotAuthorizedError: The matter is not the clerk's, or they take part in the case or have
            decided it.
        NotRecordedError: It could not be recorded, so it is not opened.
    """
    casebook, record = office.casebook, office.record
    happened = await _one(index, office)
    refuse_matter(task.matters, await _matter(happened, office))
    opening = await record.opening(happened.case_id)
    refuse_own_case(task.person, opening.parties, office)
    await _refuse_who_decided(task, happened.case_id, office)
    key = casebook.rating_answer_key(index)
    if await record.latest(key) is None:
        await casebook.add(
            RatingTaken(rating=index, person=record.tag(task.person)),
            by=By(
                caller=task.caller,
                role=task.role,
                now=task.now,
                request="",  # taking is no request of its own: whoever has it, has it
                content_digest="",
            ),
            case_id=happened.case_id,
            matter=await _matter(happened, office),
            subject=opening.subject,
            release_digest=opening.release_digest,
            expect={key: None},
        )
    await _refuse_not_taken(task, index, office)
    case = await record.case(happened.case_id)
    assert case is not None, "it was rated"  # noqa: S101
    look = Look(
        caller=task.caller,
        role=task.role,
        flow="counter",
        method="TakeRating",
        subject=opening.subject,
        matter=case.matter,
        case_id=case.case_id,
        index=index,
    )
    await record.looked(look, now=task.now)
    return Opened(Poor(happened, case.matter, task.caller), case.case_number)


async def answer(task: Task, index: int, *, justified: bool, text: str, office: Office) -> None:
    """Say what was found of a poor rating; only who looks into it does.

    Raises:
        NotFoundError: There is no such rating.
        PreconditionError: Nobody, or somebody else, looks into it; or it is answered.
        RequestReusedError: The ``request_id`` came before, with another body.
        NotRecordedError: It could not be recorded, so it is not answered.
    """
    casebook, record = office.casebook, office.record
    key = record.request_key(task.method, task)
    if (earlier := await record.latest(key)) is not None:
        refuse_reuse(task.content_digest, await casebook.content_digest(earlier))
        return
    happened = await _one(index, office)
    refuse_matter(task.matters, await _matter(happened, office))
    taken = await _refuse_not_taken(task, index, office)
    opening = await record.opening(happened.case_id)
    written = await casebook.add(
        RatingAnswer(rating=index, justified=justified, text=text),
        by=By.of(task, key),
        case_id=happened.case_id,
        matter=await _matter(happened, office),
        subject=opening.subject,
        release_digest=opening.release_digest,
        expect={key: None, casebook.rating_answer_key(index): taken},
    )
    if isinstance(written, Taken):
        raise _not_yours()


async def _one(index: int, office: Office) -> Happened:
    try:
        entry = await office.record.recorded(index)
    except NotFoundError:
        raise _no_such_rating() from None
    if entry.type != RATING or not entry.subject:
        raise _no_such_rating()
    happened = read(entry)
    if not (isinstance(happened.step, Rating) and happened.step.grade.is_poor):
        raise _no_such_rating()
    return happened


async def _matter(happened: Happened, office: Office) -> str:
    return str((await office.record.recorded(happened.receipt.index)).permanent["matter"])


async def _refuse_who_decided(task: Task, case_id: str, office: Office) -> None:
    tag = office.record.tag(task.person)
    for entry in await office.record.entries(case_id):
        said = entry.permanent
        by = {said.get("caller"), said.get("second"), said.get("person"), said.get("author")}
        if entry.type in {DETERMINATION, OVERRIDE} and by & {task.caller, tag}:
            raise NotAuthorizedError(
                "the clerk has decided this case",
                zh="该办件由您本人办理，评价须由其他工作人员核查。",
                reason="OWN_DECISION",
                hint="Let another clerk look into it.",
            )


async def _refuse_not_taken(task: Task, index: int, office: Office) -> int:
    """Index of the entry by which this clerk looks into it."""
    newest = await office.record.latest(office.casebook.rating_answer_key(index))
    if newest is not None:
        happened = read(await office.record.recorded(newest))
        if isinstance(happened.step, RatingTaken) and happened.caller == task.caller:
            return newest
    raise _not_yours()


def _rated() -> PreconditionError:
    return PreconditionError(
        "the case is rated already",
        zh="该办件已经评价，评价不能更改。",
        reason="ALREADY_RATED",
        hint="A case is rated once, and nobody changes it.",
    )


def _not_handed_in() -> PreconditionError:
    return PreconditionError(
        "the case was not handed in yet",
        zh="该办件尚未提交申请，提交后即可评价。",
        reason="CASE_NOT_HANDED_IN",
        hint="Rate it once it is handed in.",
    )


def _no_such_rating() -> NotFoundError:
    return NotFoundError(
        "there is no such rating that is to be answered",
        zh="没有找到该评价，请核对序号。",
        reason="RATING_NOT_FOUND",
        hint="`ListPoorRatings` tells which wait for an answer.",
    )


def _not_yours() -> PreconditionError:
    return PreconditionError(
        "the clerk does not look into this rating, or it is answered",
        zh="该评价由其他工作人员核查、尚未领取或已经答复。",
        reason="RATING_NOT_YOURS",
        hint="`ListPoorRatings` tells who looks into each; `TakeRating` takes one.",
    )
