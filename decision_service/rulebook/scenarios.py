"""The scenarios of a rule file, run: what must come out, held against what does."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from decision_service.model import Facts, Status, Text, Value
from decision_service.rulebook.tree import (
    Rulebook,
    Scenario,
    Verdict,
    VerdictKind,
)
from decision_service.rulebook.values import NotKnown

Evaluator: TypeAlias = Callable[[Facts], Verdict]
"""One way to evaluate a rule file, e.g. ``Reference(book).verdict``."""

VERDICTS: Mapping[VerdictKind, Text] = {
    VerdictKind.APPROVE: Text(zh="批准", en="approve"),
    VerdictKind.REFUSE: Text(zh="驳回", en="refuse"),
    VerdictKind.CORRECT: Text(zh="请补正", en="correct"),
    VerdictKind.REFER: Text(zh="转人工", en="refer"),
}
"""The words for a verdict, as the file has them."""


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """How one scenario came out.

    Attributes:
        differences: Each thing that came out otherwise; none if the scenario passed.
    """

    scenario: Scenario
    found: Verdict
    differences: tuple[Text, ...]

    @property
    def passed(self) -> bool:
        """Whether all that the scenario expects came out."""
        return not self.differences


def run(book: Rulebook, verdict: Evaluator) -> tuple[ScenarioResult, ...]:
    """Decide every scenario of a rule file and compare verdict, outputs and reasons."""
    results = []
    for scenario in book.scenarios:
        found = verdict(scenario.facts)
        differences = tuple(_differences(book, scenario, found))
        results.append(ScenarioResult(scenario, found, differences))
    return tuple(results)


def written(value: Value | NotKnown) -> str:
    """A value as the file would write it; an option is its code."""
    match value:
        case NotKnown():
            return "未知"
        case bool():
            return "是" if value else "否"
        case Decimal():
            return format(value, "f")
        case date():
            return value.isoformat()
        case _:
            return value


def _differences(book: Rulebook, scenario: Scenario, found: Verdict) -> Iterator[Text]:
    if found.kind is not scenario.verdict:
        expected, came = VERDICTS[scenario.verdict], VERDICTS[found.kind]
        yield _difference(Text(zh="结论", en="verdict"), expected, came)
    names = {output.id: output.name for output in book.outputs}
    values = dict(found.outputs)
    for output, value in scenario.outputs.items():
        if values[output] != value:
            yield _difference(names[output], _quoted(value), _quoted(values[output]))
    reasons = [id_ for id_, status in found.statuses if status is not Status.MET]
    if frozenset(reasons) != scenario.reasons:
        wanted = [id_ for id_, _ in found.statuses if id_ in scenario.reasons]
        yield _difference(Text(zh="理由", en="reasons"), _list(wanted), _list(reasons))


def _difference(what: Text, expected: Text, found: Text) -> Text:
    return Text(
        zh=f"{what.zh}应为{expected.zh}，实为{found.zh}",
        en=f"{what.en}: {expected.en} expected, {found.en} found",
    )


def _quoted(value: Value | NotKnown) -> Text:
    return Text(zh=f"“{written(value)}”", en=f"`{written(value)}`")


def _list(ids: list[str]) -> Text:
    return Text(zh="、".join(ids) or "无", en=", ".join(ids) or "none")
