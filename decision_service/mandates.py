"""委托: a person lets an agent act for them, sees whom they have let, and takes it back."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from decision_service.admission import (
    refuse_future,
    refuse_low_assurance,
    refuse_own_case,
)
from decision_service.casebook import By
from decision_service.decide import refuse_reuse
from decision_service.errors import FieldViolation, InvalidRequestError, NotFoundError
from decision_service.followup import FollowUp, Happened, Mandate, MandateEnd, Person
from decision_service.model import APPLICANT, Capacity, Document, Matter, Party, Receipt, Text
from decision_service.office import Office
from decision_service.owndata import refuse_unproven
from decision_service.record import Look, Taken

LONGEST = timedelta(days=3 * 366)
"""For which a mandate can be granted at most; below what its record is kept."""

MOST = 500
"""Mandates that are listed at most."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody wants something done about their mandates.

    Attributes:
        caller, role: Of the token: the portal that acts for the person, or a clerk.
        clerk: Which person the clerk is, as the issuer of tokens tags people; empty for a portal.
        method: The contract's name for what is wanted; with ``request_id`` it names the request.
        content_digest: SHA-256 (hex) of the canonical request; tells a repeat from a reuse.
        person: Who grants it or takes it back; for paper, whom the paper names.
    """

    caller: str
    role: str
    clerk: str
    method: str
    request_id: str
    content_digest: str
    person: Person
    now: datetime

    @property
    def principal(self) -> Party:
        """Whom the agent acts for."""
        return Party(role=APPLICANT, documents=self.person.documents)


async def grant(ask: Ask, mandate: Mandate, *, office: Office) -> Happened:
    """Record a mandate; it takes the place of an earlier one between the two.

    Raises:
        InvalidRequestError: It is for a matter in which no agent may act, has ended already, or
            would make somebody their own agent.
        NotPublishedError: One of its matters is not in force.
        NotAuthorizedError: The person has not proven who they are as surely as the matters ask;
            or the clerk is one of the two.
        NotRecordedError: It could not be recorded, so nothing is granted.
    """
    if (index := await _earlier(ask, office)) is not None:
        return await _mandate(index, office)
    today = office.today(ask.now)
    matters = [office.catalogue.release_on(one, today).matter for one in mandate.matters]
    if wrong := [*_unfit(ask, mandate, matters, today)]:
        raise InvalidRequestError(wrong)
    if not mandate.on_paper:
        refuse_future("person.authentication_time", ask.person.authentication_time, ask.now)
        for matter in matters:
            refuse_low_assurance(ask.person.assurance_level, matter)
    agent = Party(role=Capacity.AGENT, documents=mandate.agent)
    _refuse_clerk_of_the_two(ask, agent, office)
    index = await _add(ask, mandate, agent, _granted(ask, mandate, agent, matters), office)
    return await _mandate(index, office)


async def revoke(ask: Ask, agent: tuple[Document, ...], *, office: Office) -> Receipt:
    """Take a mandate back, with effect from now.

    Raises:
        NotFoundError: None is in force between the two.
        NotAuthorizedError: The clerk is one of the two.
        NotRecordedError: It could not be recorded, so it holds still.
    """
    if (index := await _earlier(ask, office)) is not None:
        return await _receipt(index, office)
    refuse_future("person.authentication_time", ask.person.authentication_time, ask.now)
    party = Party(role=Capacity.AGENT, documents=agent)
    _refuse_clerk_of_the_two(ask, party, office)
    held = await office.casebook.mandate(ask.principal.subject, party.subject)
    if held is None:
        raise NotFoundError(
            "no mandate is in force between the two",
            zh="您没有给予该代理人的有效委托，请核对代理人证件。",
            reason="MANDATE_NOT_FOUND",
            hint="`ListMandates` tells which there are, and by which documents they name agents.",
        )
    end = MandateEnd(mandate=held.receipt.index, agent=agent)
    who = party.named_by.number[-4:]
    notice = Text(
        zh=f"您已撤销对代理人（证件尾号 {who}）的委托，自即时起失效。"
        "此前已提交的申请，您可以撤回。",
        en=f"You have taken back the mandate of the agent (document ending in {who}) from now on. "
        "You can withdraw what was handed in before.",
    )
    return await _receipt(await _add(ask, end, party, notice, office), office)


async def granted_by(
    person: Person, *, caller: str, role: str, now: datetime, office: Office
) -> tuple[Happened, ...]:
    """What somebody has granted agents and not taken back, the newest first.

    Raises:
        NotAuthorizedError: They have not proven just now, and surely enough, who they are.
        NotRecordedError: The question could not be recorded, so it is not answered.
    """
    refuse_unproven(person, now)
    subject = Party(role=APPLICANT, documents=person.documents).subject
    look = Look(caller=caller, role=role, method="ListMandates", subject=subject)
    await office.record.looked(look, now=now)
    return await office.casebook.mandates(subject, MOST)


async def _earlier(ask: Ask, office: Office) -> int | None:
    """The entry that the same request has made; None if it has made none."""
    index = await office.record.latest(office.record.request_key(ask.method, ask))
    if index is not None:
        refuse_reuse(ask.content_digest, await office.casebook.content_digest(index))
    return index


async def _mandate(index: int, office: Office) -> Happened:
    granted = await office.casebook.mandate_at(index)
    assert granted is not None, "the same request has granted it"  # noqa: S101
    return granted


async def _receipt(index: int, office: Office) -> Receipt:
    entry = await office.record.recorded(index)
    return Receipt(index=index, leaf_hash=entry.leaf_hash.hex())


async def _add(ask: Ask, step: FollowUp, agent: Party, notice: Text, office: Office) -> int:
    """Record what the person says about an agent; the same request is done once."""
    record, casebook = office.record, office.casebook
    key = record.request_key(ask.method, ask)
    between = casebook.mandate_key(ask.principal.subject, agent.subject)
    while (earlier := await _earlier(ask, office)) is None:
        written = await casebook.add(
            step,
            by=By.of(ask, key),
            case_id="",
            matter="",
            subject=ask.principal.subject,
            release_digest="",
            notice=notice,
            expect={key: None, between: await record.latest(between)},
        )
        if not isinstance(written, Taken):
            return written.index
    return earlier


def _refuse_clerk_of_the_two(ask: Ask, agent: Party, office: Office) -> None:
    """No clerk records what lets themselves act, or lets somebody act for them (回避)."""
    if ask.role == "clerk":
        refuse_own_case(ask.clerk, (ask.principal, agent), office)


def _unfit(
    ask: Ask, mandate: Mandate, matters: list[Matter], today: date
) -> Iterator[FieldViolation]:
    for place, matter in enumerate(matters):
        if Capacity.AGENT not in matter.represented_by:
            yield FieldViolation(
                field=f"mandate.matters[{place}]",
                reason="NOT_REPRESENTED",
                message=f"`{matter.id}` lets no agent act",
                zh="该事项不能委托他人办理",
            )
    if mandate.until < today:
        yield FieldViolation(
            field="mandate.until_date",
            reason="IN_THE_PAST",
            message="is over already",
            zh="委托期限已过",
        )
    if mandate.until > today + LONGEST:
        yield FieldViolation(
            field="mandate.until_date",
            reason="TOO_FAR",
            message=f"must be within {LONGEST.days} days",
            zh=f"委托期限不得超过{LONGEST.days}天",
        )
    if mandate.on_paper and ask.role != "clerk":
        yield FieldViolation(
            field="scan_digest",
            reason="NOT_EXPECTED",
            message="is for clerks, who have seen the paper",
            zh="仅供窗口工作人员核对纸质委托书后填写",
        )
    if {*mandate.agent} & {*ask.person.documents}:
        yield FieldViolation(
            field="mandate.agent",
            reason="SAME_PERSON",
            message="must be somebody else",
            zh="不能委托自己",
        )


def _granted(ask: Ask, mandate: Mandate, agent: Party, matters: list[Matter]) -> Text:
    """What the person is told: whom they have let do what until when, and how it ends."""
    who, for_whom = agent.named_by.number[-4:], ask.principal.named_by.number[-4:]
    zh = "、".join(matter.name.zh for matter in matters)
    en = "; ".join(matter.name.en for matter in matters)
    paper = mandate.on_paper
    return Text(
        zh=f"委托人（证件尾号 {for_whom}）委托代理人（证件尾号 {who}）办理：{zh}，"
        f"至 {mandate.until}。"
        + ("依据窗口核对的纸质委托书登记。" if paper else "")
        + "您可随时撤销，撤销即时生效；如非您本意，请立即撤销。",
        en=f"The person (document ending in {for_whom}) lets the agent (document ending in {who}) "
        f"act in: {en}, until {mandate.until}. "
        + ("A clerk has seen it on paper. " if paper else "")
        + "You can take it back at any time, from then on; do so at once if it was not your will.",
    )
