"""受理: whether a request may be handled at all, and as part of which case."""

import asyncio
import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from audit.trail.queries import All, Condition, Either, Is
from decision_service.acting import NAMES, same_person, unfit_representation
from decision_service.casebook import Sight
from decision_service.errors import (
    DeadlineTooShortError,
    FieldViolation,
    InvalidRequestError,
    NotAuthorizedError,
    NotFoundError,
    PreconditionError,
)
from decision_service.followup import FollowUp, Mandate
from decision_service.identifiers import organisation_code_is_valid, resident_id_is_valid
from decision_service.model import (
    EVERY_MATTER,
    ORGANISATION,
    Application,
    AssuranceLevel,
    Authority,
    Capacity,
    CaseState,
    CaseSummary,
    Concept,
    Consent,
    Inquiry,
    Matter,
    MatterId,
    Party,
    Request,
    StatutoryDuty,
)
from decision_service.office import Office
from decision_service.record import new_case_id, parties_of, readable
from decision_service.release import Release

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that can be misread or misheard as a digit."""

_SKEW = timedelta(seconds=30)
"""How far a portal's clock may run ahead of ours."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may be handled: under which release, and as part of which case.

    Attributes:
        filing_date: The day of this request; the case may have been opened before.
        zone: IANA name of the time zone that the day is of, and that notices tell times in.
        follows: Index of the newest entry that moved the case; None if none has yet.
        objected: Concepts under an open objection that the application itself does not make.
        person_wanted: A person was asked for before in the case; see `Sight`.
        was_decided: The case was ended before, and a person has sent it back for correction.
        is_stopped: Nothing of the matter is decided by rules.
    """

    release: Release
    case: CaseSummary
    filing_date: date
    zone: str
    follows: int | None
    objected: frozenset[Concept] = frozenset()
    person_wanted: bool = False
    was_decided: bool = False
    is_stopped: bool = False


def admit(
    request: Request,
    sight: Sight,
    *,
    mode: Literal["prefill", "instant"],
    office: Office,
    now: datetime,
    deadline: float,
) -> Admission:
    """Admit the request, or say why not; no register was asked, and nothing recorded, by then.

    Args:
        sight: What is recorded that the request rests on.

    Raises:
        NotPublishedError: The matter is not in force today.
        PreconditionError: The matter is not offered in this mode, or the case is closed.
        DeadlineTooShortError: Too little time is left to ask the registers.
        InvalidRequestError: Parties, channel or consent do not fit the matter.
        NotAuthorizedError: The person may not act here, or did not prove who they are.
        NotFoundError: The caller has no such case.
        ErasedError: The case was erased on the person's demand.
    """
    filing_date = office.today(now)
    release = office.catalogue.release_on(request.matter, filing_date)
    refuse_mode(release.matter, mode)
    _refuse_short_deadline(release.matter, deadline - asyncio.get_running_loop().time())
    _refuse_unfit(request, release, now)
    _refuse_unauthorized(request, release.matter)
    if request.authority.capacity is Capacity.AGENT:
        refuse_without_mandate(sight.mandate, request.matter, filing_date)
    if not request.case_id:
        case = CaseSummary(
            case_id=new_case_id(),
            case_number=_case_number(filing_date),
            caller=request.caller,
            matter=request.matter,
            state=CaseState.OPEN,
            filing_date=None,
            create_time=now,
        )
    else:
        case = _case_of(request, sight)
    return Admission(
        release=release,
        case=case,
        filing_date=filing_date,
        zone=office.zone.key,
        follows=sight.follows,
        objected=unknown_here(request, release, sight),
        person_wanted=sight.person_wanted,
        was_decided=sight.was_decided,
        is_stopped=sight.is_stopped,
    )


def _case_of(request: Request, sight: Sight) -> CaseSummary:
    """The open case that the request goes on with, if it is this caller's and this subject's."""
    case, opened = sight.case, sight.opened
    if case is None or (case.caller, case.matter) != (request.caller, request.matter):
        raise no_such_case()
    if opened is None or readable(opened).subject != request.subject:
        raise no_such_case()
    if request.authority.capacity and not has_acted(request.authority.person, parties_of(opened)):
        raise no_such_case()
    if case.state not in {CaseState.OPEN, CaseState.NEEDS_CORRECTION}:
        raise PreconditionError(
            f"the case is {case.state}",
            zh="该办件已经办理，不能再次提交；如有异议可申请人工复核。",
            reason="CASE_DECIDED",
            hint="Read the case; hand in a new application without a `case_id` if one is due.",
            state=case.state,
        )
    return case


def unknown_here(request: Request | Inquiry, release: Release, sight: Sight) -> frozenset[Concept]:
    """Every concept that an open objection of before the request makes unknown in it."""
    if not any(sight.marks.values()) and not sight.lost:
        return frozenset()
    contests = request.contests if isinstance(request, Application) else ()
    return frozenset(
        concept
        for concept in release.meanings
        if (subject := subject_of(concept, release, request.parties))
        and (concept in sight.lost or concept in sight.marks[subject])
    ) - {contest.concept for contest in contests}


def subject_of(concept: Concept, release: Release, parties: tuple[Party, ...]) -> str:
    """Whom a register's value is about; empty for one that no register gives, or about nobody."""
    return next(_subjects(concept, release, parties), "")


def _subjects(concept: Concept, release: Release, parties: tuple[Party, ...]) -> Iterator[str]:
    source = release.meanings[concept].source if concept in release.meanings else ""
    for item in release.matter.evidence:
        for party in parties:
            if item.type == source and party.role == item.about:
                yield party.subject


def no_such_case() -> NotFoundError:
    """One answer for a case that is not there and a case of somebody else (AIP-211)."""
    return NotFoundError(
        "there is no such case",
        zh="没有找到该办件，请核对办件标识；只能查看本系统自己提交的办件。",
        reason="CASE_NOT_FOUND",
        hint="Check the `case_id`; a caller sees only the cases it opened.",
    )


def refuse_mode(matter: Matter, mode: Literal["prefill", "instant", "proactive"]) -> None:
    """A matter is handled in the ways alone that its file says.

    Raises:
        PreconditionError: Not in this one.
    """
    if mode not in matter.modes:
        raise PreconditionError(
            f"`{matter.id}` is not offered for {mode}",
            zh="该事项不提供此办理方式，请到窗口办理。",
            reason="MODE_NOT_OFFERED",
            hint=f"It is offered for: {', '.join(matter.modes)}.",
            matter=matter.id,
            mode=mode,
        )


def _refuse_short_deadline(matter: Matter, remaining_s: float) -> None:
    minimum_s = matter.minimum_deadline.total_seconds()
    if remaining_s < minimum_s:
        raise DeadlineTooShortError(
            f"`{matter.id}` needs a deadline of at least {minimum_s} s",
            zh=f"时限太短，至少需要 {minimum_s} 秒；尚未查询任何数据，请延长时限后重试。",
            reason="DEADLINE_TOO_SHORT",
            hint="Give the call more time; nothing was asked or recorded.",
            matter=matter.id,
            minimum_deadline_s=str(minimum_s),
        )


def _refuse_unfit(request: Request, release: Release, now: datetime) -> None:
    """Everything in the request that does not fit the matter, at once."""
    wrong = [
        *_unfit_channel(request, release.matter),
        *_unfit_parties(request, release.matter),
        *unfit_representation(request),
        *_unfit_authority(request.authority, release.matter, now),
        *(_unfit_contests(request, release) if isinstance(request, Application) else ()),
    ]
    if wrong:
        raise InvalidRequestError(wrong)


def _unfit_channel(request: Request, matter: Matter) -> Iterator[FieldViolation]:
    if request.channel not in matter.channels:
        yield FieldViolation(
            field="channel",
            reason="CHANNEL_NOT_OFFERED",
            message=f"must be one of {', '.join(matter.channels)}",
            zh=f"该事项不通过此渠道办理，可选：{'、'.join(matter.channels)}",
        )


def _unfit_parties(request: Request, matter: Matter) -> Iterator[FieldViolation]:
    if request.parties[0].role != "applicant":
        yield FieldViolation(
            field="parties[0].role",
            reason="NO_APPLICANT",
            message="must be `applicant`",
            zh="第一个当事人应为申请人（办理人本人）",
        )
    for index, party in enumerate(request.parties):
        if party.role == ORGANISATION:
            yield from _unfit_organisation(f"parties[{index}]", party, matter)
        for place, document in enumerate(party.documents):
            at = f"parties[{index}].documents[{place}].number"
            if document.kind == "resident_id" and not resident_id_is_valid(document.number):
                yield FieldViolation(
                    field=at,
                    reason="NOT_A_RESIDENT_ID",
                    message="is no resident identity number (GB 11643); it may be mistyped",
                    zh="公民身份号码有误，请核对",
                )
            if document.kind == "organisation_code" and not organisation_code_is_valid(
                document.number
            ):
                yield FieldViolation(
                    field=at,
                    reason="NOT_AN_ORGANISATION_CODE",
                    message="is not a unified social credit code (GB 32100)",
                    zh="统一社会信用代码有误，请核对",
                )
    if "person" not in matter.applicants and not any(
        party.role == ORGANISATION for party in request.parties
    ):
        yield FieldViolation(
            field="parties",
            reason="NO_ORGANISATION",
            message="must name the `organisation` that applies",
            zh="本事项由单位申请，请填写单位",
        )


def _unfit_organisation(at: str, party: Party, matter: Matter) -> Iterator[FieldViolation]:
    """An organisation where only people apply, or one that no register could know."""
    if ORGANISATION not in matter.applicants:
        yield FieldViolation(
            field=f"{at}.role",
            reason="ORGANISATION_NOT_EXPECTED",
            message="must not be `organisation`: people apply for this themselves",
            zh="本事项由个人申请，不能填写单位",
        )
    if party.named_by.kind != "organisation_code":
        yield FieldViolation(
            field=f"{at}.documents",
            reason="NO_ORGANISATION_CODE",
            message="must have the `organisation_code` of the organisation (GB 32100)",
            zh="请填写单位的统一社会信用代码",
        )


def _unfit_authority(
    authority: Authority, matter: Matter, now: datetime
) -> Iterator[FieldViolation]:
    basis = authority.basis
    if isinstance(basis, StatutoryDuty) and not basis.article.startswith(matter.legal_resources):
        yield FieldViolation(
            field="authority.statutory_duty.article",
            reason="NOT_THE_LAW_OF_THE_MATTER",
            message=f"must begin with a law of the matter: {', '.join(matter.legal_resources)}",
            zh=f"应以该事项的法律依据开头：{'、'.join(matter.legal_resources)}",
        )
    if isinstance(basis, Consent):
        if basis.notice_version != matter.consent_notice_version:
            yield FieldViolation(
                field="authority.consent.notice_version",
                reason="NOTICE_OUTDATED",
                message=f"must be `{matter.consent_notice_version}`: show the current notice",
                zh="告知书版本已更新，请重新阅读并同意",
            )
        if basis.time > now + _SKEW:
            yield _in_the_future("authority.consent.time", "同意时间晚于当前时间，请校准时钟")
    if authority.authentication_time > now + _SKEW:
        yield _in_the_future("authority.authentication_time", "认证时间晚于当前时间，请校准时钟")


def _in_the_future(field: str, zh: str) -> FieldViolation:
    return FieldViolation(
        field=field, reason="IN_THE_FUTURE", message="is in the future; set the clock", zh=zh
    )


def _unfit_contests(application: Application, release: Release) -> Iterator[FieldViolation]:
    for index, contest in enumerate(application.contests):
        if contest.concept not in release.meanings:
            yield FieldViolation(
                field=f"contests[{index}].concept",
                reason="UNKNOWN_CONCEPT",
                message="is not used by this matter; contest what `Prefill` showed",
                zh="该事项没有使用这一信息项，只能对预填内容提出异议",
            )


def _refuse_unauthorized(request: Request, matter: Matter) -> None:
    authority: Authority = request.authority
    refuse_low_assurance(authority.assurance_level, matter)
    if authority.capacity is None:
        if request.parties[0].named_by not in authority.person.documents:
            raise not_the_applicant()
    elif authority.capacity not in matter.represented_by:
        raise _not_represented(authority.capacity, matter)


def _not_represented(capacity: Capacity, matter: Matter) -> NotAuthorizedError:
    """Nobody acts in this capacity, because the law wants the person or nothing is said."""
    name = NAMES[capacity]
    return NotAuthorizedError(
        f"for `{matter.id}` no {name.en} can act",
        zh=f"该事项不能由{name.zh}在线代办"
        + (f"，依法须由本人办理（{matter.in_person}）。" if matter.in_person else "。")
        + "本人到场不便的，请到窗口说明情况，由工作人员依法办理。",
        reason="NOT_REPRESENTED",
        hint=(f"The law wants the person ({matter.in_person}). " if matter.in_person else "")
        + "Whoever cannot come or sign in is helped at the counter.",
        matter=matter.id,
        capacity=capacity,
    )


def has_acted(person: Party, parties: Iterable[Party]) -> bool:
    """Whether somebody has opened a case for its applicant, in the same capacity."""
    return any(party.role == person.role and same_person(party, person) for party in parties)


def refuse_without_mandate(granted: FollowUp | None, matter: MatterId, day: date) -> None:
    """Only whom the person has given a mandate for the matter acts as their agent on that day.

    Args:
        granted: The mandate that was granted and not taken back; None if there is none.

    Raises:
        NotAuthorizedError: There is none, it is for other matters, or its time is over; which of
            them is not told.
    """
    if not isinstance(granted, Mandate) or not granted.covers(matter, day):
        raise NotAuthorizedError(
            f"no mandate for `{matter}` is in force",
            zh="没有办理该事项的有效委托；请委托人先授权，或者持授权委托书到窗口办理。",
            reason="NO_MANDATE",
            hint="Let the applicant grant one with `GrantMandate`, or a clerk see it on paper.",
            matter=matter,
        )


def refuse_low_assurance(level: AssuranceLevel, matter: Matter) -> None:
    """Whoever acts must have proven who they are as surely as the matter asks.

    Raises:
        NotAuthorizedError: They have not.
    """
    if level.rank < matter.assurance_level.rank:
        raise NotAuthorizedError(
            f"`{matter.id}` needs assurance level {matter.assurance_level}",
            zh="该事项需要更高等级的实名认证，请重新认证后再办理。",
            reason="ASSURANCE_TOO_LOW",
            hint="Let the person authenticate at that level and repeat the call.",
            matter=matter.id,
            needed=matter.assurance_level,
            given=level,
        )


def not_the_applicant() -> NotAuthorizedError:
    """Nobody acts for somebody else without papers."""
    return NotAuthorizedError(
        "the person who authenticated is not the applicant",
        zh="认证人与申请人不一致；代办请持授权材料到窗口办理。",
        reason="NO_AUTHORITY_FOR_PARTY",
        hint="Say who acts for whom: `authority.agent_for`, and an `agent` or `guardian` party; "
        "whoever has papers alone is served at the counter.",
    )


def refuse_own_case(person: str, parties: Iterable[Party], office: Office) -> None:
    """No clerk decides about themselves, or about what they filed for another (回避).

    Args:
        person: Who the clerk is, as the issuer of tokens tags people (`Office.person_tag`).

    Raises:
        NotAuthorizedError: They do, or nobody can say that they do not.
    """
    if not person or not office.staff_key:
        raise NotAuthorizedError(
            "the token does not say which person the clerk is",
            zh="令牌未注明工作人员的身份标签，无法核对回避，请联系管理员。",
            reason="CLERK_UNKNOWN",
            hint="Let the issuer put the claim `person` into clerks' tokens; see the README.",
        )
    if takes_part(person, parties, office):
        raise NotAuthorizedError(
            "the clerk takes part in this case",
            zh="您是该办件的当事人，应当回避，请由其他工作人员办理。",
            reason="OWN_CASE",
            hint="Let another clerk take it.",
        )


def takes_part(person: str, parties: Iterable[Party], office: Office) -> bool:
    """Whether somebody of the staff, as tokens tag people, is among those."""
    return person in {office.person_tag(one) for party in parties for one in party.documents}


def refuse_matter(matters: Collection[MatterId], matter: str) -> None:
    """No clerk works on cases of a matter that is not theirs (least privilege).

    Args:
        matters: Theirs, as their token says; `EVERY_MATTER` for all.

    Raises:
        NotAuthorizedError: It is not among them.
    """
    if matter not in matters and EVERY_MATTER not in matters:
        raise NotAuthorizedError(
            "the clerk's token does not name the matter of this",
            zh="该事项不在您的办理权限内，请转由负责该事项的工作人员办理。",
            reason="MATTER_NOT_YOURS",
            hint="Let a clerk of that matter take it, or let the issuer put the matter into the "
            "claim `matters`; see the README.",
        )


def only_of(matters: Collection[MatterId]) -> Condition:
    """That an entry is about one of somebody's matters; see `refuse_matter`."""
    if EVERY_MATTER in matters:
        return All(())
    return Either(tuple(Is("matter", "=", one) for one in sorted(matters)))


async def refuse_who_saw_ratings(caller: str, person: str, subject: str, office: Office) -> None:
    """Nobody decides about who has rated, and was looked into by them (S24): it could be told.

    Args:
        caller, person: Who the clerk is.
        subject: Whose case it is.

    Raises:
        NotAuthorizedError: They have.
    """
    if await office.casebook.has_seen_ratings(subject, caller=caller, person=person):
        raise NotAuthorizedError(
            "the clerk has looked into a rating by this person",
            zh="您曾核查过该当事人的评价，应当回避，请由其他工作人员办理。",
            reason="SAW_A_RATING",
            hint="Let another clerk take it.",
        )


def refuse_future(field: str, time: datetime, now: datetime) -> None:
    """Nobody has authenticated tomorrow.

    Raises:
        InvalidRequestError: They have, by the portal's clock.
    """
    if time > now + _SKEW:
        raise InvalidRequestError([_in_the_future(field, "认证时间晚于当前时间，请校准时钟")])


def _case_number(day: date) -> str:
    """A new 办件编号: the day and 40 random bits, in groups that can be read aloud."""
    drawn = secrets.randbits(40)
    letters = "".join(_LETTERS[drawn >> 5 * place & 31] for place in range(8))
    return f"{day:%Y%m%d}-{letters[:4]}-{letters[4:]}"
