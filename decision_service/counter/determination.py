"""What a person decides becomes an outcome. Pure.

A clerk does not fill in an outcome: what the clerk has found out, e.g. from a paper, joins the
facts, and the rules are applied again by both evaluators. Whatever the clerk then decides is held
against what the rules say. Going against them takes a ground of the matter's list; approving
against a requirement that is not met, or taking back or changing a grant, takes two persons.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from pydantic import Field

from decision_service.errors import FieldViolation, InvalidRequestError
from decision_service.judge import ALREADY_GRANTED, Judgement, explain, granted, judge
from decision_service.model import (
    Application,
    Approved,
    CaseState,
    Concept,
    ConceptType,
    Determination,
    Evidence,
    Facts,
    Frozen,
    Granted,
    Ground,
    Known,
    LegalBasis,
    NeedsCorrection,
    NumberType,
    Outcome,
    OverrideReason,
    Reason,
    Refused,
    Status,
    Text,
    Value,
    fits,
)
from decision_service.release import Gap, Release, sound
from decision_service.rulebook.tree import quantum
from decision_service.rulebook.values import NotKnown
from decision_service.settle import believable, settle

COUNTER = "counter"
"""Source of a fact that a clerk vouches for."""

GROUNDS: Mapping[OverrideReason, Text] = {
    OverrideReason.DATA_WRONG_AT_SOURCE: Text(
        zh="登记数据有误", en="the data are wrong at their source"
    ),
    OverrideReason.NOT_THE_SAME_PERSON: Text(
        zh="登记的并非本人", en="the record is not of the same person"
    ),
    OverrideReason.NEWER_EVIDENCE: Text(zh="有更新的证据", en="there is newer evidence"),
    OverrideReason.PAPER_DOCUMENT: Text(
        zh="依据纸质或境外材料", en="a paper or foreign document is accepted"
    ),
    OverrideReason.LAW_EXCEPTION: Text(zh="依法属于例外", en="the law makes an exception"),
    OverrideReason.HARDSHIP: Text(zh="确有特殊困难", en="hardship"),
    OverrideReason.FRAUD_SUSPICION: Text(zh="涉嫌弄虚作假", en="fraud is suspected"),
    OverrideReason.SYSTEM_FAULT: Text(zh="系统差错", en="a fault of the system"),
    OverrideReason.COURT_ORDER: Text(
        zh="依据复议决定或法院裁判", en="a court or reconsideration body has ordered it"
    ),
}
"""Every ground, as the applicant reads it."""

_CITED = {OverrideReason.LAW_EXCEPTION, OverrideReason.COURT_ORDER}
_ON_PAPER = {OverrideReason.NEWER_EVIDENCE, OverrideReason.PAPER_DOCUMENT}

Result = Literal["approve", "refuse", "correct"]

COMES_TO: Mapping[Result, CaseState] = {
    "approve": CaseState.APPROVED,
    "refuse": CaseState.REFUSED,
    "correct": CaseState.NEEDS_CORRECTION,
}
_DECIDED = {CaseState.APPROVED, CaseState.REFUSED}


class Instruction(Frozen):
    """What a clerk wants decided.

    Attributes:
        text: The reason, in the clerk's own words; the applicant reads it.
        findings: What the clerk vouches for, by concept; joins or replaces what registers said.
        outputs: What is granted, where the rules do not tell.
        fields: Of the form, what the applicant is to correct.
        papers: Indices of the attached papers that it rests on.
        overriding: Whether the clerk means to decide otherwise than was decided.
    """

    result: Result
    text: Text
    findings: Mapping[Concept, Value] = Field(default_factory=dict)
    outputs: Mapping[str, Value] = Field(default_factory=dict)
    fields: tuple[str, ...] = ()
    ground: Ground | None = None
    papers: tuple[int, ...] = ()
    overriding: bool = False


@dataclass(frozen=True, slots=True)
class Basis:
    """What the case rests on: its newest decision by rules, as it was recorded.

    Attributes:
        because: Why it was referred for a reason outside the rules; empty if it was not.
        objected: Concepts under an open objection.
    """

    release: Release
    application: Application
    evidence: Sequence[Evidence]
    filing_date: date
    decide_time: datetime
    because: str
    objected: frozenset[Concept]

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What the applicant left open in the form."""
        return self.release.form.read(self.application.answers)

    def facts(self, findings: Mapping[Concept, Value] | None = None) -> Facts:
        """What is known, with what the clerk has found."""
        application = self.application
        settled = settle(
            self.release,
            self.evidence,
            sound(application.answers, self.gaps),
            self.objected.union(contest.concept for contest in application.contests),
            filing_date=self.filing_date,
            decide_time=self.decide_time,
        )
        found = {
            concept: Known(
                value=_scaled(value, self.release.meanings[concept].type), source=COUNTER
            )
            for concept, value in (findings or {}).items()
        }
        return {**settled, **found}

    def judged(self, findings: Mapping[Concept, Value] | None = None) -> Judgement:
        """What the rules say, with what the clerk has found."""
        found = findings or {}
        concepts = self.release.form.concepts
        gaps = tuple(gap for gap in self.gaps if concepts.get(gap.field) not in found)
        return judge(self.release, self.facts(found), gaps=gaps, wait_until=None)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What an instruction comes to.

    Attributes:
        before, after: Status of each requirement by the rules, without and with the findings.
        two_persons: Whether a second clerk must confirm it.
    """

    outcome: Outcome
    overrides: bool
    two_persons: bool
    before: tuple[tuple[str, str], ...]
    after: tuple[tuple[str, str], ...]


def draw(
    instruction: Instruction,
    basis: Basis,
    *,
    stands: CaseState,
    held: tuple[Granted, ...] | None,
) -> Drawn:
    """Make an outcome of what a clerk wants, or say everything that is wrong with it.

    Args:
        stands: What the newest decision of the case brought it to.
        held: What is granted, and would be taken by anything but an approval of just that; None
            if nothing was.

    Raises:
        InvalidRequestError: It cannot be decided like this.
    """
    _refuse_unfit(instruction, basis)
    before, after = basis.judged(), basis.judged(instruction.findings)
    overrides = (
        instruction.overriding
        or (stands in _DECIDED and stands is not COMES_TO[instruction.result])
        or not _follows(instruction, basis, before, after)
    )
    wrong = [*_ground_faults(instruction, basis, overrides=overrides)]
    grant = _grant(instruction, basis, after, wrong) if instruction.result == "approve" else ()
    if wrong:
        raise InvalidRequestError(wrong)
    return Drawn(
        outcome=_outcome(instruction, basis, after, grant),
        overrides=overrides,
        two_persons=_needs_two(
            instruction,
            basis,
            (before, after),
            overrides=overrides,
            takes=held is not None and _takes(instruction, grant, held),
        ),
        before=_statuses(before),
        after=_statuses(after),
    )


def determination(instruction: Instruction, drawn: Drawn, *, confirmed: bool) -> Determination:
    """How the outcome came about, as the applicant may know it."""
    return Determination(
        overrides=drawn.overrides,
        text=instruction.text,
        ground=instruction.ground,
        two_persons=confirmed,
    )


def _follows(instruction: Instruction, basis: Basis, before: Judgement, after: Judgement) -> bool:
    """Whether the rules say the same, and no register has been contradicted on the way."""
    if instruction.result == "correct":
        return True
    known = basis.facts()
    contradicts = any(
        isinstance(fact := known.get(concept), Known)
        and fact.value != _scaled(value, basis.release.meanings[concept].type)
        for concept, value in instruction.findings.items()
    )
    if contradicts:
        return False
    if instruction.result == "refuse":
        return _has_unmet(after) or basis.because == ALREADY_GRANTED.code
    return isinstance(after.outcome, Approved) and not _has_unmet(before)


def _needs_two(
    instruction: Instruction,
    basis: Basis,
    judged: tuple[Judgement, Judgement],
    *,
    overrides: bool,
    takes: bool,
) -> bool:
    asked = basis.release.matter.two_persons_for
    result = instruction.result
    against = result == "approve" and any(map(_has_unmet, judged))
    return takes or against or result in asked or (overrides and "override" in asked)


def _takes(instruction: Instruction, grant: Sequence[Granted], held: Sequence[Granted]) -> bool:
    """Whether somebody does not keep what is granted to them, or gets another thing for it."""
    given = {one.id: one.value for one in grant}
    return instruction.result != "approve" or any(given.get(one.id) != one.value for one in held)


def _has_unmet(judged: Judgement) -> bool:
    return any(status == Status.NOT_MET.value for _, status in _statuses(judged))


def _statuses(judged: Judgement) -> tuple[tuple[str, str], ...]:
    """None where the two ways of applying the rules did not agree."""
    found = judged.verdict.statuses if judged.verdict else ()
    return tuple((id_, status.value) for id_, status in found)


def _scaled(value: Value, type_: ConceptType) -> Value:
    """A number with exactly as many digits as its concept has."""
    if isinstance(value, Decimal) and isinstance(type_, NumberType):
        return value.quantize(quantum(type_.scale))
    return value


# ── what the applicant reads ─────────────────────────────────────────────────────────────────────


def _outcome(
    instruction: Instruction, basis: Basis, after: Judgement, grant: tuple[Granted, ...]
) -> Outcome:
    said = _said(instruction)
    explained = (
        explain(basis.release, basis.facts(instruction.findings), after.verdict)
        if after.verdict
        else ()
    )
    match instruction.result:
        case "approve":
            return Approved(grant=grant, reasons=(said, *explained))
        case "refuse":
            unmet = [one for one in explained if one.code != "REQUIREMENT_MET"]
            return Refused(reasons=(said, *unmet))
        case "correct":
            names = basis.release.form.names
            asked = [
                Reason(
                    code="ANSWER_INVALID",
                    field=key,
                    text=Text(
                        zh=f"请更正“{names[key].zh}”。", en=f"Please correct “{names[key].en}”."
                    ),
                )
                for key in instruction.fields
            ]
            return NeedsCorrection(reasons=(said, *asked))


def _said(instruction: Instruction) -> Reason:
    """The clerk's own words, first of all reasons."""
    ground, text = instruction.ground, instruction.text
    if ground is None:
        return Reason(
            code="DETERMINED_BY_PERSON",
            text=Text(zh=f"工作人员审查认定：{text.zh}", en=f"A clerk has found: {text.en}"),
        )
    label = GROUNDS[ground.reason]
    law = LegalBasis(number="", instrument=ground.citation, article="")
    return Reason(
        code=ground.reason.name,
        text=Text(
            zh=f"工作人员审查认定（{label.zh}）：{text.zh}",
            en=f"A clerk has found ({label.en}): {text.en}",
        ),
        legal_basis=(law,) if ground.citation else (),
    )


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────


def _refuse_unfit(instruction: Instruction, basis: Basis) -> None:
    wrong = [*_finding_faults(instruction, basis.release), *_field_faults(instruction, basis)]
    if wrong:
        raise InvalidRequestError(wrong)


def _finding_faults(instruction: Instruction, release: Release) -> Iterator[FieldViolation]:
    """Findings about what the matter does not use, or of another kind than the concept has."""
    for concept, value in instruction.findings.items():
        at, meaning = f'findings["{concept}"]', release.meanings.get(concept)
        if meaning is None:
            yield FieldViolation(
                field=at,
                reason="UNKNOWN_CONCEPT",
                message="is not used by this matter; `GetDossier` lists what is",
                zh=f"{at} 不是本事项使用的信息项，请用案卷中列出的信息项",
            )
        elif not isinstance(believable(Known(value=value, source=COUNTER), meaning), Known):
            yield FieldViolation(
                field=at,
                reason="WRONG_KIND",
                message="is not a value that the concept can have",
                zh=f"{at} 的取值不符合该信息项的类型或范围",
            )


def _field_faults(instruction: Instruction, basis: Basis) -> Iterator[FieldViolation]:
    """Corrections of what the applicant does not declare, or beside another result."""
    declared = basis.release.form.declared
    for place, key in enumerate(instruction.fields):
        if instruction.result != "correct" or key not in declared:
            yield FieldViolation(
                field=f"fields[{place}]",
                reason="UNKNOWN_FIELD",
                message="is not a field that the applicant declares",
                zh=f"fields[{place}] 不是由申请人填报的字段",
            )


def _ground_faults(
    instruction: Instruction, basis: Basis, *, overrides: bool
) -> Iterator[FieldViolation]:
    """A ground that is missing, needless, not the matter's, or not borne out."""
    ground, usable = instruction.ground, basis.release.matter.override_reasons
    if ground is None:
        if overrides:
            yield FieldViolation(
                field="ground",
                reason="GROUND_REQUIRED",
                message="is missing: this goes against the rules, or against what was decided; "
                f"give one of {', '.join(usable)}",
                zh=f"该决定与规则或原决定不一致，应写明理由代码，可选：{'、'.join(usable)}",
            )
        return
    if not overrides:
        yield FieldViolation(
            field="ground",
            reason="GROUND_NEEDLESS",
            message="must be left out: the rules say the same",
            zh="规则结论与此一致，无需填写改判理由代码",
        )
    if ground.reason not in usable:
        yield FieldViolation(
            field="ground.reason",
            reason="GROUND_NOT_OFFERED",
            message=f"must be one of {', '.join(usable)}",
            zh=f"该事项可选的理由代码为：{'、'.join(usable)}",
        )
    if ground.reason in _CITED and not ground.citation.strip():
        yield FieldViolation(
            field="ground.citation",
            reason="REQUIRED",
            message="is missing: cite the article, or the number of the order",
            zh="应写明法条或裁判、复议决定文号",
        )
    if ground.reason is OverrideReason.DATA_WRONG_AT_SOURCE and not ground.ticket.strip():
        yield FieldViolation(
            field="ground.ticket",
            reason="REQUIRED",
            message="is missing: ask the register to correct its record, and give the number",
            zh="应先向登记机关提出数据校核，并写明工单号",
        )
    if ground.reason in _ON_PAPER and not instruction.papers:
        yield FieldViolation(
            field="papers",
            reason="REQUIRED",
            message="is missing: attach the paper (`AttachPaper`) and name it here",
            zh="应先上传该材料（AttachPaper），再在此列明",
        )


def _grant(
    instruction: Instruction, basis: Basis, after: Judgement, wrong: list[FieldViolation]
) -> tuple[Granted, ...]:
    """What is granted: as the rules say, and by the clerk where they do not."""
    by_rules = dict(after.verdict.outputs) if after.verdict else {}
    outputs = {output.id: output for output in basis.release.book.outputs}
    wrong.extend(
        FieldViolation(
            field=f'outputs["{id_}"]',
            reason="UNKNOWN_FIELD",
            message=f"is no output of the matter; there are {', '.join(outputs)}",
            zh=f"本事项没有这一结果项，可填：{'、'.join(outputs)}",
        )
        for id_ in instruction.outputs
        if id_ not in outputs
    )
    found: list[Granted] = []
    for output in outputs.values():
        at, value = f'outputs["{output.id}"]', by_rules.get(output.id)
        given = instruction.outputs.get(output.id)
        if value is not None and not isinstance(value, NotKnown):
            if given is not None and _scaled(given, output.type) != value:
                wrong.append(
                    FieldViolation(
                        field=at,
                        reason="KNOWN_BY_RULES",
                        message="must be left out: the rules tell it from the facts; if a fact is "
                        "wrong, put the right one in `findings`",
                        zh=f"“{output.name.zh}”由规则确定，不能另填；如事实有误，请在 findings "
                        "中写明正确的事实",
                    )
                )
            found.append(granted(output, value))
        elif given is None:
            wrong.append(
                FieldViolation(
                    field=at,
                    reason="REQUIRED",
                    message="is missing: the rules cannot tell it, so say what is granted",
                    zh=f"规则不能确定“{output.name.zh}”，请写明准予的内容",
                )
            )
        elif not fits(given, output.type):
            wrong.append(
                FieldViolation(
                    field=at,
                    reason="WRONG_KIND",
                    message="is not a value that the output can have",
                    zh=f"“{output.name.zh}”的取值类型不对",
                )
            )
        else:
            found.append(granted(output, _scaled(given, output.type)))
    return tuple(found)
