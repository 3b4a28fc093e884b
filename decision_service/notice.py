"""What the applicant is told: outcome, reasons with their law, and remedies (S9, S12). Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from decision_service.model import (
    Approved,
    Determination,
    Evidence,
    Granted,
    Matter,
    NeedsCorrection,
    Outcome,
    Reason,
    Referred,
    Refused,
    Replaced,
    Text,
    Used,
    Waiting,
)

_TITLES = {
    Approved: Text(zh="准予决定书", en="Approved"),
    Refused: Text(zh="不予批准决定书", en="Refused"),
    Referred: Text(zh="转人工办理通知", en="Referred to a person"),
    NeedsCorrection: Text(zh="一次性补正通知", en="Please correct"),
    Waiting: Text(zh="等待数据核实通知", en="Waiting for a source"),
}

_BY_RULES = Text(
    zh="（依法由系统自动审查）",
    en=" (by rules, automatically)",
)
_BY_ONE = Text(zh="（由工作人员审查决定）", en=" (by a person)")
_BY_TWO = Text(zh="（由两名工作人员审查决定）", en=" (by two persons)")


def write_notice(
    matter: Matter,
    outcome: Outcome,
    *,
    case_number: str,
    filing_date: date,
    zone: ZoneInfo,
    evidence: Sequence[Evidence],
    papers: Sequence[Replaced],
    acting: Text | None = None,
    determination: Determination | None = None,
) -> Text:
    """The notice of a decision, in both languages.

    Each reason stands with the facts that it rests on, who vouches for them and as of when, and
    the law behind it (S5, S9); also where everything is granted. Where no reason has a law, the
    matter's stands there; and whoever has to wait is told for whom, and until when.

    Args:
        zone: In which times are told.
        evidence: What registers answered.
        papers: Those that nobody had to bring.
        acting: Who has acted for the applicant; None for themselves.
        determination: That persons decided; None for the rules.
    """
    title, remedies, by = _TITLES[type(outcome)], matter.remedies, _by(determination)
    between = (*_term_line(outcome, matter, evidence, zone), *_law_line(outcome, matter))
    zh = [
        f"{matter.name.zh} {title.zh}",
        f"办件编号：{case_number}　申请日：{filing_date}",
        *([acting.zh] if acting else []),
        *_grant_lines(outcome, "zh"),
        *(line.zh for line in _papers_line(papers)),
        *(
            line
            for reason in outcome.reasons
            for line in _reason_lines(reason, evidence, zone, "zh")
        ),
        *(line.zh for line in between),
        f"决定机关：{matter.competent_authority.zh}{by.zh}",
        (
            f"对本决定不服的，可自知道之日起{remedies.reconsideration.days}日内向"
            f"{remedies.reconsideration.organ.zh}申请行政复议"
            f"（{remedies.reconsideration.link}），或者{remedies.litigation.months}个月内向"
            f"{remedies.litigation.court.zh}提起行政诉讼。"
            + ("" if determination else "您随时可以要求由工作人员办理。")
        ),
    ]
    en = [
        f"{matter.name.en}: {title.en}",
        f"Case {case_number}, handed in on {filing_date}",
        *([acting.en] if acting else []),
        *_grant_lines(outcome, "en"),
        *(line.en for line in _papers_line(papers)),
        *(
            line
            for reason in outcome.reasons
            for line in _reason_lines(reason, evidence, zone, "en")
        ),
        *(line.en for line in between),
        f"Decided by: {matter.competent_authority.en}{by.en}",
        (
            f"You can ask {remedies.reconsideration.organ.en} to reconsider within "
            f"{remedies.reconsideration.days} days ({remedies.reconsideration.link}), or sue "
            f"at {remedies.litigation.court.en} within {remedies.litigation.months} months."
            + ("" if determination else " You can ask for a person at any time.")
        ),
    ]
    return Text(zh="\n".join(zh), en="\n".join(en))


def write_offer(
    matter: Matter,
    *,
    until: date,
    grant: Iterable[Granted],
    reasons: Iterable[Reason],
    evidence: Sequence[Evidence],
    asked: Iterable[Text],
    zone: ZoneInfo,
) -> Text:
    """What somebody is told who certainly qualifies and has not applied (免申即享).

    Args:
        until: The last civil day on which it can be agreed to.
        asked: Names of the fields that the person fills in to agree.
        zone: In which times are told.
    """
    basis = "" if matter.offers is None else matter.offers.legal_basis
    fields = tuple(asked)
    zh = [
        f"{matter.name.zh} 主动告知",
        "登记信息显示您符合以下事项的全部条件。本告知不是行政决定，不产生任何权利义务。",
        *(f"同意后预计{item.name.zh}：{item.display.zh}" for item in grant),
        *(line for reason in reasons for line in _reason_lines(reason, evidence, zone, "zh")),
        f"查询依据：{basis}",
        (
            f"如同意：请于 {until} 前（含当日）通过原办理渠道或窗口确认"
            + (f"，并填写{'、'.join(one.zh for one in fields)}" if fields else "")
            + "。同意即为您提出申请，届时按最新数据和现行规则重新审查决定。"
        ),
        "如不同意：答复“不需要”即可，同一规则下不再就此事项打扰您；您以后仍可随时申请。",
        "不答复不视为申请，也不视为放弃，过期自动失效，对您没有任何影响。",
        f"告知机关：{matter.competent_authority.zh}。数据有误的，可提出异议。",
    ]
    en = [
        f"{matter.name.en}: an offer",
        (
            "By the registers you meet every requirement of this. "
            "The offer is no decision; it gives and takes no right."
        ),
        *(f"If you agree, as of today: {item.name.en}: {item.display.en}" for item in grant),
        *(line for reason in reasons for line in _reason_lines(reason, evidence, zone, "en")),
        f"Registers were asked by: {basis}",
        (
            f"To agree: say so by {until} (that day included) where you apply or at the counter"
            + (f", and fill in {', '.join(one.en for one in fields)}" if fields else "")
            + ". By that you apply, and are decided by the data and the rules of that day."
        ),
        (
            "To decline: say that you do not want it. You are not asked about this again under "
            "the same rules, and can apply at any time all the same."
        ),
        (
            "If you say nothing, that is no application and no refusal; the offer ends by itself "
            "and nothing follows from it."
        ),
        f"Offered by: {matter.competent_authority.en}. You can object to data that are wrong.",
    ]
    return Text(zh="\n".join(zh), en="\n".join(en))


def write_reopening(matter: Matter, *, case_number: str, reason: Text, until: date) -> Text:
    """What somebody is told when persons decide their case again, though they asked for nothing.

    Args:
        reason: Why, as the authority has put it.
        until: The day by which it promises the new decision.
    """
    zh = [
        f"{matter.name.zh} 重新审查通知",
        f"办件编号：{case_number}",
        f"本办件此前由系统自动决定，现由工作人员重新审查。理由：{reason.zh}",
        "您无须重新申请，也无须提交材料；在作出新的决定之前，原决定给予的一切不变。",
        f"承诺于 {until} 前作出决定并告知您；其间您可随时查询进度、陈述意见。",
        f"审查机关：{matter.competent_authority.zh}",
    ]
    en = [
        f"{matter.name.en}: your case is looked at again",
        f"Case {case_number}",
        f"Rules have decided this case; a person looks at it again. Why: {reason.en}",
        "You need not apply again or bring anything. Until then, whatever was granted stays.",
        f"A new decision is promised by {until}. You can follow the case and be heard meanwhile.",
        f"By: {matter.competent_authority.en}",
    ]
    return Text(zh="\n".join(zh), en="\n".join(en))


def _by(determination: Determination | None) -> Text:
    """Who has decided, as far as it concerns the applicant."""
    if determination is None:
        return _BY_RULES
    return _BY_TWO if determination.two_persons else _BY_ONE


_BULLET = {"zh": "· ", "en": "- "}
_FACTS = {"zh": "　所据事实：", "en": "  On these facts: "}
_COLON = {"zh": "：", "en": ": "}
_AND = {"zh": "；", "en": "; "}
_UNKNOWN = Text(zh="未能核实", en="not known")
_AS_OF = {"zh": "，截至 ", "en": ", as of "}
_SOURCES = {
    "declared": Text(zh="申请人申报", en="declared by the applicant"),
    "service": Text(zh="本系统", en="this service"),
    "derived": Text(zh="依规则计算", en="computed by the rules"),
    "counter": Text(zh="工作人员核实", en="established by a clerk"),
}
"""Who vouches for a fact, where it is no register."""


def _reason_lines(
    reason: Reason, evidence: Sequence[Evidence], zone: ZoneInfo, language: Literal["zh", "en"]
) -> Iterator[str]:
    """A reason with its law, and beneath it the facts that it rests on."""
    yield f"{_BULLET[language]}{getattr(reason.text, language)}{_law(reason)}"
    if reason.used:
        facts = (_fact(used, evidence, zone, language) for used in reason.used)
        yield _FACTS[language] + _AND[language].join(facts)


def _fact(
    used: Used, evidence: Sequence[Evidence], zone: ZoneInfo, language: Literal["zh", "en"]
) -> str:
    """One fact: its name, its value, who vouches for it and as of when."""
    item = next((one for one in evidence if one.evidence_type == used.source), None)
    source = item.provider if item else _SOURCES.get(used.source, Text(zh="", en=used.source))
    as_of = item.as_of if item and not used.why else None
    when = f"{_AS_OF[language]}{_clock_time(as_of, zone)}" if as_of else ""
    value = getattr(used.value, language) or getattr(_UNKNOWN, language)
    name = getattr(used.name, language)
    return f"{name}{_COLON[language]}{value} ({getattr(source, language) or source.en}{when})"


def _clock_time(instant: datetime, zone: ZoneInfo) -> str:
    """As clocks of the city show it; only of UTC, which is no city's, the name stands beside."""
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}" + (" UTC" if zone.key == "UTC" else "")


def _grant_lines(outcome: Outcome, language: Literal["zh", "en"]) -> tuple[str, ...]:
    """What is granted, a line an output."""
    if not isinstance(outcome, Approved):
        return ()
    return tuple(
        f"{getattr(item.name, language)}{_COLON[language]}{getattr(item.display, language)}"
        for item in outcome.grant
    )


def _papers_line(papers: Sequence[Replaced]) -> tuple[Text, ...]:
    """How many papers nobody had to bring, and which."""
    if not papers:
        return ()
    zh, en = "、".join(paper.zh for paper in papers), "; ".join(paper.en for paper in papers)
    return (
        Text(
            zh=f"免交材料 {len(papers)} 份：{zh}",
            en=f"Papers you did not have to bring: {len(papers)} ({en})",
        ),
    )


def _term_line(
    outcome: Outcome, matter: Matter, evidence: Sequence[Evidence], zone: ZoneInfo
) -> tuple[Text, ...]:
    """Until when it is open, where it is; the promise is counted from the day of handing in."""
    match outcome:
        case Waiting(until=until, waiting_for=away):
            names = [one.provider for one in evidence if one.evidence_type in away]
            zh, en = "；".join(one.zh for one in names), "; ".join(one.en for one in names)
            latest = _clock_time(until, zone)
            return (
                Text(
                    zh=f"等待：{zh}，最迟至 {latest}；届时仍不能核实的转人工办理。"
                    "您无须重新申请，申请日不变。",
                    en=f"Waiting for: {en}, until {latest} at the latest; then a person decides. "
                    "You need not apply again, and the application keeps its day.",
                ),
            )
        case Referred():
            limit = matter.promised_limit
            of_work = limit.unit == "working"
            zh = f"{limit.days} 个工作日" if of_work else f"{limit.days} 日"
            en = f"{limit.days} {'working ' if of_work else ''}day{'s' * (limit.days > 1)}"
            return (
                Text(
                    zh=f"由工作人员决定，承诺办结时限：{zh}，自申请日起计算。",
                    en=f"A person decides, promised within {en} of the day it was handed in.",
                ),
            )
        case _:
            return ()


def _law_line(outcome: Outcome, matter: Matter) -> tuple[Text, ...]:
    """The matter's law, where no reason names its own."""
    if any(reason.legal_basis for reason in outcome.reasons):
        return ()
    laws = matter.legal_resources
    return (Text(zh=f"法律依据：{'；'.join(laws)}", en=f"Law: {'; '.join(laws)}"),)


def _law(reason: Reason) -> str:
    """The law behind a reason, in brackets."""
    if not reason.legal_basis:
        return ""
    return (
        "（"
        + "；".join(f"{law.instrument} {law.article}".strip() for law in reason.legal_basis)
        + "）"
    )
