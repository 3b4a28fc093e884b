"""How what was granted stands: which act may follow on which, as one table. Pure.

撤销, 撤回 and 注销 are kept apart as the law keeps them (行政许可法 8, 69, 70): a revocation says
that the grant was wrong at birth, a withdrawal that the facts or the law have changed since, and a
cancellation that its use has ended. No act has a claim for money in it: what was paid is nobody's
to take back here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from decision_service.errors import FieldViolation
from decision_service.followup import Act, CaseFile, Happened, Standing, StandingChange
from decision_service.judge import display
from decision_service.model import Approved, Decision, Granted, Matter, Refused, Text, fits


@dataclass(frozen=True, slots=True)
class Rule:
    """When an act is allowed, and what it does.

    Attributes:
        after: How the grant must stand.
        then: How it stands afterwards; None leaves it as it is.
        takes: Whether something is taken from the person, who must have been heard before.
        sets_values: Whether it gives outputs new values.
        overturns: Whether what was decided no longer stands as it was made.
        two_persons: Whether it takes back or alters what was granted, so that no clerk does it
            alone (S11): a correction could make little of much as well.
    """

    name: Text
    after: frozenset[Standing]
    then: Standing | None
    takes: bool = False
    sets_values: bool = False
    overturns: bool = False
    two_persons: bool = False


_LIVE = frozenset({Standing.IN_FORCE, Standing.SUSPENDED})

ENDED = frozenset(
    {
        Standing.REVOKED,
        Standing.WITHDRAWN_BY_AUTHORITY,
        Standing.CANCELLED,
        Standing.EXPIRED,
    }
)
"""What was granted is so no longer."""

RULES: Mapping[Act, Rule] = {
    Act.SUSPEND: Rule(
        Text(zh="中止（停发）", en="suspended"),
        frozenset({Standing.IN_FORCE}),
        Standing.SUSPENDED,
        takes=True,
    ),
    Act.RESUME: Rule(
        Text(zh="恢复（续发）", en="resumed"),
        frozenset({Standing.SUSPENDED}),
        Standing.IN_FORCE,
    ),
    Act.CHANGE: Rule(
        Text(zh="变更", en="changed"),
        _LIVE,
        None,
        takes=True,
        sets_values=True,
        overturns=True,
        two_persons=True,
    ),
    Act.CORRECT: Rule(
        Text(zh="更正", en="corrected"),
        _LIVE,
        None,
        sets_values=True,
        overturns=True,
        two_persons=True,
    ),
    Act.REVOKE: Rule(
        Text(zh="撤销", en="revoked"),
        _LIVE,
        Standing.REVOKED,
        takes=True,
        overturns=True,
        two_persons=True,
    ),
    Act.WITHDRAW: Rule(
        Text(zh="撤回", en="withdrawn by the authority"),
        _LIVE,
        Standing.WITHDRAWN_BY_AUTHORITY,
        takes=True,
        overturns=True,
        two_persons=True,
    ),
    Act.CANCEL: Rule(Text(zh="注销", en="cancelled"), _LIVE, Standing.CANCELLED),
    Act.EXPIRE: Rule(Text(zh="有效期届满", en="expired"), _LIVE, Standing.EXPIRED),
}
"""The whole table. What is not in it is not allowed; what has ended stays ended."""


_BY = {
    False: Text(zh="工作人员", en="a person"),
    True: Text(zh="两名工作人员", en="two persons"),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """What was granted, as it is now.

    Attributes:
        decision: Index of the entry that granted it; None if nothing was granted.
    """

    decision: int | None
    standing: Standing
    outputs: tuple[Granted, ...]


def grant_of(decisions: Sequence[Decision], events: Sequence[Happened]) -> Grant:
    """What a case's decisions granted and what became of it since, in the order of the trail.

    A decision that is open changes nothing: what was granted stays until somebody decides.
    """
    grant = Grant(None, Standing.NONE, ())
    steps: list[tuple[int, Decision | StandingChange]] = [
        *((one.receipt.index, one) for one in decisions),
        *((one.receipt.index, one.step) for one in events if isinstance(one.step, StandingChange)),
    ]
    for index, step in sorted(steps, key=lambda one: one[0]):
        match step:
            case Decision(outcome=Approved(grant=outputs)):
                grant = Grant(index, Standing.IN_FORCE, outputs)
            case Decision(outcome=Refused()):
                grant = Grant(None, Standing.NONE, ())
            case Decision():
                pass
            case StandingChange():
                then = RULES[step.act].then or grant.standing
                outputs = tuple(_as_changed(one, step) for one in grant.outputs)
                grant = Grant(grant.decision, then, outputs if then in _LIVE else ())
    return grant


def _as_changed(output: Granted, change: StandingChange) -> Granted:
    if output.id not in change.values:
        return output
    value = change.values[output.id]
    shown = {"value": value, "display": display(value, output.type)}
    return output.model_copy(update=shown)


def unfit(change: StandingChange, grant: Grant, today: date) -> list[FieldViolation]:
    """Everything that an act lacks, or has too much, at once."""
    return [*_unfit_hearing(change, today), *_unfit_values(change, grant)]


def _unfit_hearing(change: StandingChange, today: date) -> Iterator[FieldViolation]:
    if RULES[change.act].takes and change.heard_date is None:
        yield _wrong(
            "heard_date",
            "REQUIRED",
            "must say when the person was told and could speak",
            "应写明告知并听取陈述、申辩的日期",
        )
    if change.heard_date is not None and change.heard_date > today:
        yield _wrong("heard_date", "IN_THE_FUTURE", "is in the future", "晚于今天")
    if change.by_fault_of_applicant and change.act is not Act.REVOKE:
        yield _wrong(
            "by_fault_of_applicant",
            "NOT_EXPECTED",
            "is said of a revocation only",
            "只适用于撤销",
        )
    if change.act is Act.EXPIRE and change.effective_date > today:
        yield _wrong("effective_date", "IN_THE_FUTURE", "is in the future", "晚于今天")


def _unfit_values(change: StandingChange, grant: Grant) -> Iterator[FieldViolation]:
    rule, types = RULES[change.act], {output.id: output.type for output in grant.outputs}
    if rule.sets_values and not change.values:
        yield _wrong("values", "REQUIRED", "must have the new values", "应写明新的内容")
    if not rule.sets_values and change.values:
        yield _wrong(
            "values", "NOT_EXPECTED", "must be empty for this act", "应为空：此种处理不改变内容"
        )
        return
    for output, value in change.values.items():
        if output not in types or not fits(value, types[output]):
            yield _wrong(
                f'values["{output[:80]}"]',
                "NOT_OF_THE_GRANT",
                "is no output of the grant, or of another type",
                "不是所批准的内容，或类型不符",
            )


def _wrong(at: str, reason: str, message: str, zh: str) -> FieldViolation:
    return FieldViolation(field=at, reason=reason, message=message, zh=f"{at} {zh}")


def write_notice(change: StandingChange, case: CaseFile, matter: Matter) -> Text:
    """What was done, why, under which law, and what can be done about it, in both languages."""
    rule, remedies = RULES[change.act], matter.remedies
    names = {output.id: output for output in case.grant}
    zh = [
        f"{matter.name.zh} {rule.name.zh}决定书",
        f"办件编号：{case.case_number}　自 {change.effective_date} 起",
        *(f"{names[key].name.zh}改为：{_shown(key, case, change).zh}" for key in change.values),
        f"理由：{change.text.zh}（{change.legal_basis}）",
        *(
            [f"已于 {change.heard_date} 告知并听取您的陈述、申辩。"]
            if change.heard_date is not None
            else []
        ),
        f"决定机关：{matter.competent_authority.zh}（由{_BY[rule.two_persons].zh}作出）",
        (
            f"对本决定不服的，可自收到之日起{remedies.reconsideration.days}日内向"
            f"{remedies.reconsideration.organ.zh}申请行政复议"
            f"（{remedies.reconsideration.link}），或者{remedies.litigation.months}个月内向"
            f"{remedies.litigation.court.zh}提起行政诉讼。"
        ),
    ]
    en = [
        f"{matter.name.en}: {rule.name.en}",
        f"Case {case.case_number}, from {change.effective_date} on",
        *(f"{names[key].name.en} is now: {_shown(key, case, change).en}" for key in change.values),
        f"Because: {change.text.en} ({change.legal_basis})",
        *(
            [f"You were told and could speak on {change.heard_date}."]
            if change.heard_date is not None
            else []
        ),
        f"Decided by: {matter.competent_authority.en} (by {_BY[rule.two_persons].en})",
        (
            f"You can ask {remedies.reconsideration.organ.en} to reconsider within "
            f"{remedies.reconsideration.days} days of receiving this "
            f"({remedies.reconsideration.link}), or sue at {remedies.litigation.court.en} within "
            f"{remedies.litigation.months} months."
        ),
    ]
    return Text(zh="\n".join(zh), en="\n".join(en))


def _shown(output: str, case: CaseFile, change: StandingChange) -> Text:
    granted = next(one for one in case.grant if one.id == output)
    return display(change.values[output], granted.type)
