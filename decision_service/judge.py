"""What the applicant gets: a release and facts become an outcome. Pure.

Deciding, replaying, simulating and scenarios all call `judge`. It asks two evaluators that share
nothing but the parsed tree, and where they do not agree nobody is decided by either (law 3).
"""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Final

from decision_service.awaited import worth_waiting_for
from decision_service.errors import EngineError
from decision_service.model import (
    DECLARED,
    Approved,
    Claim,
    Concept,
    ConceptType,
    Contradiction,
    EvidenceType,
    Fact,
    Facts,
    Granted,
    Held,
    Known,
    Meaning,
    NeedsCorrection,
    NumberType,
    OptionType,
    Outcome,
    Reason,
    Referred,
    Refused,
    Status,
    Text,
    Unknown,
    Used,
    Value,
    Waiting,
    Why,
)
from decision_service.release import Gap, Release
from decision_service.rulebook import interpret
from decision_service.rulebook.tree import (
    Derived,
    Output,
    Term,
    Verdict,
    VerdictKind,
    quantum,
)
from decision_service.rulebook.values import UNKNOWN, NotKnown

DERIVED = "derived"
"""Source of a value that the rules compute from others."""

_CODES = {
    Status.MET: "REQUIREMENT_MET",
    Status.NOT_MET: "REQUIREMENT_NOT_MET",
    Status.UNKNOWN: "REQUIREMENT_UNKNOWN",
}

_NOTHING = Text(zh="", en="")

_UNITS = {
    "元": "yuan",
    "岁": "years",
    "年": "years",
    "月": "months",
    "个月": "months",
    "天": "days",
    "册": "items",
    "家": "firms",
    "条": "entries",
    "份": "papers",
    "分": "points",
}
"""English for the law's units; a unit that is missing here is shown as it is."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """An outcome, and the verdict that it rests on.

    Attributes:
        verdict: What both evaluators said; None where they did not agree, or were not asked.
    """

    outcome: Outcome
    verdict: Verdict | None


def judge(
    release: Release, facts: Facts, *, gaps: tuple[Gap, ...] = (), wait_until: datetime | None
) -> Judgement:
    """Judge the facts by the release.

    Args:
        facts: One for every concept of the release.
        gaps: What the form already found wanting; they join the corrections.
        wait_until: Until when the case may wait for a source that is away; None if it may not,
            or no longer.
    """
    verdict = _agreed(release, facts)
    if verdict is None:
        return Judgement(Referred(reasons=(ENGINE_DISAGREES,)), None)
    reasons = (*_corrections(gaps), *_reasons(release, facts, verdict))
    outcome = _outcome(
        release, facts, verdict, reasons=reasons, incomplete=bool(gaps), wait_until=wait_until
    )
    return Judgement(_doubted(outcome, contradictions(release, facts)), verdict)


def refer(outcome: Outcome, because: Reason) -> Referred:
    """Hand an outcome to a person, for a reason that is not in the rules."""
    return Referred(reasons=(because, *outcome.reasons))


def _outcome(
    release: Release,
    facts: Facts,
    verdict: Verdict,
    *,
    reasons: tuple[Reason, ...],
    incomplete: bool,
    wait_until: datetime | None,
) -> Outcome:
    """What the matter's policy makes of a verdict, in the fixed order of verdicts.

    Args:
        incomplete: The form itself has gaps.
    """
    if verdict.kind is VerdictKind.REFUSE:
        return _refusal(release, facts, reasons)
    if verdict.kind is VerdictKind.CORRECT or incomplete:
        return NeedsCorrection(reasons=reasons)
    if verdict.kind is VerdictKind.APPROVE:
        return Approved(grant=_grant(release, verdict), reasons=reasons)
    away = worth_waiting_for(release, facts, verdict)
    if away and wait_until is not None:
        return Waiting(until=wait_until, waiting_for=away, reasons=reasons)
    return Referred(reasons=reasons)


def _doubted(outcome: Outcome, found: Sequence[Contradiction]) -> Outcome:
    """Where sources contradict each other a person decides, whatever hangs on it (S8).

    What the applicant has to correct comes first: it is decided again after that.
    """
    because = tuple(_contradiction_reason(one) for one in found)
    match outcome:
        case _ if not because:
            return outcome
        case NeedsCorrection():
            return NeedsCorrection(reasons=(*outcome.reasons, *because))
        case _:
            return Referred(reasons=(*because, *outcome.reasons))


def _refusal(release: Release, facts: Facts, reasons: tuple[Reason, ...]) -> Outcome:
    """Law 5: a machine refuses only where the matter lets it, and on evidence alone."""
    on_evidence = _agreed(release, _without_declarations(release, facts))
    if on_evidence is None:
        return Referred(reasons=(ENGINE_DISAGREES,))
    if on_evidence.kind is not VerdictKind.REFUSE:
        return NeedsCorrection(reasons=reasons)
    if release.matter.automatic_refusal:
        return Refused(reasons=reasons)
    return Referred(reasons=reasons)


def _agreed(release: Release, facts: Facts) -> Verdict | None:
    """The verdict of both evaluators; None if they differ, or one of them has none."""
    try:
        expected = release.reference.verdict(facts)
        inferred = release.engine.verdict(facts)
    except Exception:  # noqa: BLE001  # whatever it was, it says nothing about the applicant
        return None
    return expected if inferred == expected else None


def _without_declarations(release: Release, facts: Facts) -> Facts:
    """The facts when nothing that the applicant declared, or that hangs on it, is known (law 5)."""
    declared = {DECLARED, *release.found_by_declaration}
    return {
        concept: Unknown(why=Why.NOT_ANSWERED)
        if isinstance(fact, Known) and fact.source in declared
        else fact
        for concept, fact in facts.items()
    }


# ── reasons: condition → value → source → law → result ───────────────────────────────────────────


def _reason(code: str, zh: str, en: str) -> Reason:
    return Reason(code=code, text=Text(zh=zh, en=en))


ENGINE_DISAGREES = _reason(
    "ENGINE_DISAGREES",
    "系统的两套规则计算结果不一致，已转人工办理，不影响您的权益。",
    "Our two ways of applying the rules did not agree, so a person decides; you lose nothing.",
)

INTERRUPTED = _reason(
    "INTERRUPTED",
    "上次提交时系统中断，已转人工办理，不影响您的权益。",
    "The service broke off while deciding this application; a person decides; you lose nothing.",
)

ALREADY_GRANTED = _reason(
    "ALREADY_GRANTED",
    "本事项每个申请人只能批准一次，记录显示已批准过，已转人工核对。",
    "This can be granted once only, and our records show a grant; a person checks.",
)

GRANTS_UNKNOWN = _reason(
    "GRANTS_UNKNOWN",
    "本事项每个申请人只能批准一次，系统无法确认以前是否批准过，已转人工核对，不影响您的权益。",
    "This can be granted once only, and we cannot tell whether it was; a person checks, and you"
    " lose nothing.",
)

FACT_CONTESTED = _reason(
    "FACT_CONTESTED",
    "对所用数据提出的异议尚在核查，已转人工办理，不影响您的权益。",
    "An objection to data used here is being checked, so a person decides; you lose nothing.",
)

MATTER_STOPPED = _reason(
    "MATTER_STOPPED",
    "本事项因核查规则或者数据暂停自动办理，您的申请已经收到并转人工办理，申请日不变，不影响您的权益。",
    "While its rules or data are being checked, nothing of this matter is decided automatically."
    " Your application is received and keeps its day; a person decides, and you lose nothing.",
)

AUTHORITY_NOT_PROVEN = _reason(
    "AUTHORITY_NOT_PROVEN",
    "系统未能从登记信息确认监护关系，尚未查询被监护人的任何信息；已转人工核对监护证明，不影响其权益。",
    "The register does not show us that the guardian acts for the applicant, so nothing else was"
    " asked about them; a person looks at the papers, and nobody loses anything.",
)

DECISION_REOPENED = _reason(
    "DECISION_REOPENED",
    "本办件此前已有决定，现由工作人员重新审查；您补正的内容已经收到，由工作人员作出决定，不影响您的权益。",
    "This case was decided before, and a person looks at it again. What you have corrected is"
    " received; a person decides, and you lose nothing.",
)

PERSON_REQUESTED = _reason(
    "PERSON_REQUESTED",
    "您要求由工作人员办理，已转人工，不影响您的权益。",
    "You asked for a person to decide; you lose nothing by it.",
)


def explain(
    release: Release, facts: Facts, verdict: Verdict, wanted: Container[Status] = frozenset(Status)
) -> tuple[Reason, ...]:
    """What became of every requirement, what it rests on, and the law behind it.

    Args:
        wanted: Only requirements of which one of these became.
    """
    used = tuple(used_facts(release, facts))
    said_zh = {item.name.zh: item.value.zh or "（未知）" for item in used}
    said_en = {item.name.zh: item.value.en or "(unknown)" for item in used}
    statuses = dict(verdict.statuses)
    return tuple(
        Reason(
            code=_CODES[status],
            requirement=one.id,
            title=one.name,
            text=Text(
                zh=_fill(one.notices[status].zh, said_zh),
                en=_fill(one.notices[status].en, said_en),
            ),
            legal_basis=release.laws[one.id],
            used=tuple(item for item in used if item.concept in release.shown[one.id]),
        )
        for one in release.book.requirements
        if (status := statuses[one.id]) in wanted
    )


def _corrections(gaps: Iterable[Gap]) -> tuple[Reason, ...]:
    """One reason for each field of the form that the applicant has to fill in or correct."""
    return tuple(Reason(code=gap.code, field=gap.field, text=gap.text) for gap in gaps)


def _reasons(release: Release, facts: Facts, verdict: Verdict) -> tuple[Reason, ...]:
    """For an approval why every requirement is met; else all that is not met or not known."""
    wanted = {Status.MET} if verdict.kind is VerdictKind.APPROVE else {*Status} - {Status.MET}
    found = explain(release, facts, verdict, wanted)
    if found and verdict.kind is not VerdictKind.APPROVE:
        return found
    outputs = dict(verdict.outputs)
    return (
        *found,
        *(
            Reason(
                code="OUTPUT_UNKNOWN",
                text=Text(
                    zh=f"“{output.name.zh}”未能确定，由工作人员核定。",
                    en=f"“{output.name.en}” could not be determined; a person decides.",
                ),
            )
            for output in release.book.outputs
            if isinstance(outputs[output.id], NotKnown)
        ),
    )


def used_facts(release: Release, facts: Facts) -> Iterable[Used]:
    """Every value as the applicant may see it, and who vouches for it, in the file's order."""
    values = _values(release, facts)
    listed: tuple[Term | Derived, ...] = (*release.book.terms, *release.book.derived)
    for named in listed:
        value, fact = values[named.id], facts.get(named.id)
        yield Used(
            concept=named.id,
            name=named.name,
            value=_NOTHING if isinstance(value, NotKnown) else display(value, named.type),
            source=_source(fact, release, named.id),
            why=fact.why if isinstance(fact, Unknown) else None,
        )


def _values(release: Release, facts: Facts) -> Mapping[Concept, Held | NotKnown]:
    """What every name stands for; the facts alone, for a person, where the reference fails."""
    try:
        return release.reference.values(facts)
    except Exception:  # noqa: BLE001  # `_agreed` has referred the case for the same reason
        derived = {one.id: UNKNOWN for one in release.book.derived}
        return {**derived, **interpret.given(release.book, facts)}


def _source(fact: Fact | None, release: Release, concept: Concept) -> str:
    """Who vouches for a value, or would."""
    match fact:
        case None:
            return DERIVED
        case Known(source=source):
            return source
        case Unknown():
            return release.meanings[concept].source


def contradictions(release: Release, facts: Facts) -> tuple[Contradiction, ...]:
    """What sources do not agree on, as the applicant may see it."""

    def claim(meaning: Meaning, known: Known) -> Claim:
        return Claim(
            concept=meaning.concept,
            evidence_type=(key := EvidenceType(known.source)),
            name=release.registers[key].name,
            value=known.value,
            display=display(known.value, meaning.type),
        )

    return tuple(
        Contradiction(
            concept=concept,
            name=meaning.name,
            owner=release.registers[EvidenceType(meaning.source)].owner,
            claims=tuple(claim(meaning, known) for known in fact.said),
        )
        for concept, meaning in release.meanings.items()
        if isinstance(fact := facts.get(concept), Unknown) and fact.said
    )


def checked(outcome: Outcome, found: Sequence[Contradiction]) -> Outcome:
    """The outcome, with what has become of asking each owner to check."""
    told = {one.concept: _contradiction_reason(one) for one in found}
    return outcome.model_copy(
        update={
            "reasons": tuple(
                told.get(reason.used[0].concept, reason) if reason.code == _CONTRADICT else reason
                for reason in outcome.reasons
            )
        }
    )


_CONTRADICT: Final = "SOURCES_CONTRADICT"


def _contradiction_reason(found: Contradiction) -> Reason:
    """Both values, and who is asked to check them or has done so."""
    zh = "；".join(f"{one.name.zh}：{one.display.zh}" for one in found.claims)
    en = "; ".join(f"{one.name.en}: {one.display.en}" for one in found.claims)
    check, owner = found.check, found.owner
    if check is not None and check.time is not None:
        asked = Text(
            zh=f"{owner.zh}此前已核实，其记载无误（校核单 {check.ticket}）",
            en=f"checked before, and its record stands: {owner.en} (ticket {check.ticket})",
        )
    else:
        asked = Text(zh=f"已请{owner.zh}核实", en=f"asked to check: {owner.en}")
    return Reason(
        code=_CONTRADICT,
        text=Text(
            zh=f"“{found.name.zh}”在各登记机关的记载不一致（{zh}），"
            f"{asked.zh}，并转人工办理，不影响您的权益。",
            en=f"Registers do not agree on “{found.name.en}” ({en}); {asked.en}. "
            "A person decides; you lose nothing.",
        ),
        used=tuple(
            Used(
                concept=one.concept,
                name=found.name,
                value=one.display,
                source=one.evidence_type,
                why=Why.CONTRADICTED,
            )
            for one in found.claims
        ),
    )


def _fill(notice: str, shown: Mapping[str, str]) -> str:
    """The notice with its ``{name}`` placeholders filled in; what they are filled with stays."""
    return _PLACEHOLDER.sub(lambda found: shown.get(found[1], found[0]), notice)


_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


_EVERY_DIGIT = Context(prec=7_000)
"""As many as the greatest number that rules can find has, which Python's own has not."""


def display(value: Held, type_: ConceptType) -> Text:
    """A value in words, with its unit or its option's name."""
    match value, type_:
        case bool(), _:
            return Text(zh="是" if value else "否", en="yes" if value else "no")
        case Decimal(), NumberType(unit=unit, scale=scale):
            rounded = value.quantize(quantum(scale), context=_EVERY_DIGIT)
            digits = format(rounded or rounded.copy_abs(), "f")
            return Text(
                zh=f"{digits} {unit}".rstrip(), en=f"{digits} {_UNITS.get(unit, unit)}".rstrip()
            )
        case str(), OptionType(options=options):
            return options[value]
        case date(), _:
            return Text(zh=value.isoformat(), en=value.isoformat())
        case tuple(), _:
            entries = "entry" if len(value) == 1 else "entries"
            return Text(zh=f"{len(value)} 项", en=f"{len(value)} {entries}")
        case _:
            return Text(zh=str(value), en=str(value))


def _grant(release: Release, verdict: Verdict) -> tuple[Granted, ...]:
    """What an approval grants; every output is known here."""
    outputs = dict(verdict.outputs)

    def known(output: Output) -> Granted:
        value = outputs[output.id]
        if isinstance(value, NotKnown):
            raise EngineError(
                f"an approval without output `{output.id}`",
                zh="系统错误：批准缺少结果",
                reason="OUTPUT_UNKNOWN",
                hint="Report this: the verdict is wrong.",
            )
        return granted(output, value)

    return tuple(known(output) for output in release.book.outputs)


def granted(output: Output, value: Value) -> Granted:
    """One output of an approval, with its value."""
    return Granted(
        id=output.id,
        name=output.name,
        value=value,
        type=output.type,
        display=display(value, output.type),
    )
