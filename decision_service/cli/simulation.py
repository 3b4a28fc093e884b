"""What a release would have changed, on the terminal."""

from rich.console import Group, RenderableType
from rich.text import Text

from decision_service.cli import show
from decision_service.client import SimulateReleaseResponse

_OUTCOMES = {
    "approved": "批准 approved",
    "refused": "驳回 refused",
    "referred": "转人工 referred",
    "needs_correction": "补正 needs correction",
    "waiting": "等待 waiting",
}
_WHY = {
    "PERSON": "规则以外的原因已转人工 something else than the rules referred it",
    "EVIDENCE": "须查当时未查的登记库 the release asks registers that were not asked",
    "ANSWERS": "表单与当时填报不符 its form has not the fields that were answered",
    "ERASED": "已依申请删除 erased on the person's demand",
    "RULES": "当时的版本未存档 the release it was made under is not archived",
    "TAMPERED": "密封部分与记录不符 the sealed part is not what was recorded",
}


def shown(told: SimulateReleaseResponse) -> RenderableType:
    """The counts: what stays, what changes and how, and what cannot be told."""
    parts: list[RenderableType] = []
    if told.changes:
        table = show.grid("当时 then", "试算 simulated", "件数 decisions", "例（序号）examples")
        for one in sorted(told.changes, key=lambda one: -one.decisions):
            then, now = (_OUTCOMES[kind] for kind in (one.outcome, one.simulated_outcome))
            if one.outcome == one.simulated_outcome:
                now += "，内容不同 granting something else"
            table.add_row(then, now, str(one.decisions), " ".join(map(str, one.examples)))
        parts.append(table)
    changed = sum(one.decisions for one in told.changes)
    parts.append(Text(f"不变 unchanged {told.unchanged}  改变 changed {changed}"))
    parts += [
        Text(f"不计 left out {n}: {_WHY.get(why, why)}") for why, n in sorted(told.left_out.items())
    ]
    return Group(*parts)
