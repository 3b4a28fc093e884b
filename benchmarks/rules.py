"""What one case costs each evaluator, and what loading a rule file costs.

The cases are the scenarios of the published releases, and generated ones of a generated file of 100
requirements. Beside the evaluators stand functions written by hand in plain Python, which give the
very same verdicts, with every status and value; nobody could prove them, replay them, or give
reasons from them. All is CPU time of one core, the least of the rounds, in which all that is held
against each other takes turns; a yardstick of fixed work tells how fast this core was meanwhile.

    python benchmarks/rules.py [--rounds N]
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from decision_service import catalogue
from decision_service.model import Facts, Known, Status
from decision_service.rulebook import document, interpret
from decision_service.rulebook.engine import Engine, limits
from decision_service.rulebook.evaluate import Reference
from decision_service.rulebook.tree import Rulebook, Verdict, VerdictKind
from decision_service.rulebook.values import UNKNOWN
from evidence_adapters import registry

ROOT = Path(__file__).parent.parent
REQUIREMENTS, CASES = 100, 50
ByHand: TypeAlias = Callable[[Facts], Verdict]


@dataclass(frozen=True, slots=True)
class Subject:
    """A rule file, cases for it, and what a programmer would have written in its place."""

    name: str
    book: Rulebook
    cases: Sequence[Facts]
    by_hand: ByHand | None = None


# ── by hand ──────────────────────────────────────────────────────────────────────────────────────


def known(facts: Facts, concept: str) -> Any:  # noqa: ANN401  # of any kind
    fact = facts.get(concept)  # type: ignore[call-overload]  # a literal for a `Concept`
    return fact.value if isinstance(fact, Known) else None


def status(truth: bool | None) -> Status:  # noqa: FBT001
    if truth is None:
        return Status.UNKNOWN
    return Status.MET if truth else Status.NOT_MET


def allowance(facts: Facts) -> Verdict:
    """The old-age allowance of 2019, by hand."""
    filed, born = known(facts, "filing_date"), known(facts, "applicant.birth_date")
    city = known(facts, "applicant.hukou_city")
    living = known(facts, "applicant.living_status")
    paid = known(facts, "applicant.allowance_in_payment")
    own = known(facts, "applicant.card_account_own")
    age = None
    if filed is not None and born is not None and born <= filed:
        age = filed.year - born.year - ((filed.month, filed.day) < (born.month, born.day))
    amount, row = None, ""
    if age is not None:
        if 70 <= age < 80:
            amount, row = Decimal("200.00"), "1"
        elif 80 <= age < 90:
            amount, row = Decimal("300.00"), "2"
        elif 90 <= age < 100:
            amount, row = Decimal("500.00"), "3"
        elif age >= 100:
            amount, row = Decimal("1000.00"), "4"
    if paid is True or (living is not None and living != "living"):
        unpaid: bool | None = False
    else:
        unpaid = None if living is None or paid is None else True
    truths = {
        "R1": None if age is None else age >= 70,
        "R2": None if city is None else city == "shenzhen",
        "R3": unpaid,
        "R4": own,
    }
    approved = amount is not None and all(truth is True for truth in truths.values())
    return Verdict(
        VerdictKind.APPROVE if approved else VerdictKind.REFER,
        tuple((id_, status(truth)) for id_, truth in truths.items()),
        (("monthly_allowance", UNKNOWN if amount is None else amount),),
        (("津贴标准", row),),
    )


LIMITS = [(f"R{i + 1}", f"applicant.n{i}", 10 + i) for i in range(REQUIREMENTS)]


def long_list(facts: Facts) -> Verdict:
    """The generated file, by hand: every number is at least its limit."""
    statuses = []
    for id_, concept, limit in LIMITS:
        number = known(facts, concept)
        statuses.append((id_, status(None if number is None else number >= limit)))
    met = all(one is Status.MET for _, one in statuses)
    return Verdict(VerdictKind.APPROVE if met else VerdictKind.REFER, tuple(statuses), (), ())


# ── a generated file ─────────────────────────────────────────────────────────────────────────────


def generated(requirements: int = REQUIREMENTS, numbers: int = REQUIREMENTS) -> str:
    """A rule file of so many requirements over so many numbers, the first over the first."""
    table = "|------|------|---------|------|------------|------|-------------|"
    rows = [
        f"| applicant.n{i} | 数{i} | number {i} | 数 | 元，2 位小数 | [0..1000] | some_register |"
        for i in range(numbers)
    ]
    demands = [
        f"""### R{i + 1} 第{i}项 | Item {i}
- 依据 basis：L1
- 条件 requires：数{i % numbers} >= {10 + i}
- 不符合 if not met：转人工 | refer
- 无法确认 if unknown：转人工 | refer
- 符合时说明：为 {{数{i % numbers}}}。| It is {{数{i % numbers}}}.
- 不符合时说明：仅 {{数{i % numbers}}}。| Only {{数{i % numbers}}}.
- 无法确认时说明：未能取得。| It could not be had.
"""
        for i in range(requirements)
    ]
    return f"""# 长清单 | Long list

- 事项 matter：long_list
- 生效 effective：2024-01-01
- 主管 competent authority：住房局 | housing bureau

## 依据 | Legal basis

| 编号 | 文件 | 条款 | 原文摘录 | Excerpt |
|------|------|------|----------|---------|
| L1 | 示例 | 第一条 | 每一项不低于限额。 | Every item is at least its limit. |

## 词汇 | Vocabulary

| 标识 id | 名称 | English | 类型 | 单位或取值 | 范围 | 来源 source |
{table}
{chr(10).join(rows)}

## 条件 | Requirements

{chr(10).join(demands)}
## 情形 | Scenarios

基准 baseline：{"；".join(f"数{i} = 500" for i in range(numbers))}

| 编号 | 情形 | Scenario | 与基准不同 | 结论 | 理由 |
|------|------|----------|------------|------|------|
| S1 | 全部符合 | all met | | 批准 | |
| S2 | 一项不符 | one is not | 数7 = 1 | 转人工 | R8 |
"""


def subjects() -> list[Subject]:
    """The published releases, and the generated file with cases that mostly fall short."""
    by_hand: dict[str, ByHand] = {"old_age_allowance@2019-10-01": allowance}
    registers = {key: one.meaning for key, one in registry.load().items()}
    found = [
        Subject(
            name=release.name,
            book=release.book,
            cases=[scenario.facts for scenario in release.book.scenarios],
            by_hand=by_hand.get(release.name),
        )
        for release in catalogue.load(ROOT, registers).releases
    ]
    book = document.read(generated(), where="generated")
    cases = [*some_cases(book), *(scenario.facts for scenario in book.scenarios)]
    return [*found, Subject(f"generated, {REQUIREMENTS} requirements", book, cases, long_list)]


def some_cases(book: Rulebook) -> list[Facts]:
    """Generated cases of a generated file, which mostly fall short."""
    dice = random.Random(755)  # noqa: S311
    return [
        {
            term.id: Known(value=Decimal(dice.randrange(0, 1000)), source="some_register")
            for term in book.terms
            if dice.random() < 0.98
        }
        for _ in range(CASES)
    ]


# ── measuring ────────────────────────────────────────────────────────────────────────────────────


def least_us(*works: Callable[[], object], each: int, rounds: int) -> list[float]:
    """Microseconds of CPU for each of so many parts of every work: the least of the rounds.

    A round does all of the works in turn, 20 ms each at least; what else the machine does can only
    add to what is measured.
    """

    def timed(work: Callable[[], object], times: int) -> float:
        started = time.process_time()
        for _ in range(times):
            work()
        return time.process_time() - started

    times = [max(1, round(0.02 / max(timed(work, 1), 1e-5))) for work in works]
    measured = [
        [timed(work, count) / count for work, count in zip(works, times, strict=True)]
        for _ in range(rounds)
    ]
    return [1e6 * min(one) / each for one in zip(*measured, strict=True)]


def yardstick() -> None:
    """A million additions: 30 to 40 ms on a core of 3 GHz that does nothing else."""
    number = 0
    for one in range(1_000_000):
        number += one


def over(run: Callable[[Any], object], cases: Sequence[Any]) -> Callable[[], object]:
    """All of the cases, one after the other."""

    def work() -> None:
        for case in cases:
            run(case)

    return work


def compare(subject: Subject, rounds: int) -> str:
    """A line on one rule file."""
    book, cases, by_hand = subject.book, subject.cases, subject.by_hand
    engine, reference = Engine(book), Reference(book)
    runs: list[Callable[[Facts], Verdict]] = [
        engine.verdict,
        reference.verdict,
        lambda facts: interpret.verdict(book, facts),
        *([by_hand] if by_hand else []),
    ]
    costs = least_us(*(over(run, cases) for run in runs), each=len(cases), rounds=rounds)
    line = f"{subject.name:38} {costs[0]:8.1f} {costs[1]:10.1f} {costs[2]:12.1f}"
    if by_hand is not None:
        assert [by_hand(case) for case in cases] == [reference.verdict(case) for case in cases]
        line += f" {costs[3]:8.1f}   reference / by hand: {costs[1] / costs[3]:.2f}"
    engine.close()
    return line


def one_more(rounds: int) -> tuple[float, float]:
    """Nanoseconds for a requirement more over numbers that are read anyway, and for what it is.

    That is one comparison of decimals in a loop.
    """
    books = [document.read(generated(n, numbers=10), where="generated") for n in (20, 120)]
    limit, numbers = Decimal(70), [Decimal("7.25")] * 1_000

    def comparisons() -> None:
        for number in numbers:
            number >= limit  # noqa: B015  # measured

    few, many, thousand = least_us(
        *(over(Reference(book).verdict, some_cases(book)) for book in books),
        comparisons,
        each=1,
        rounds=rounds,
    )
    return 1e3 * (many - few) / CASES / 100, thousand


def main(rounds: int) -> None:
    """Print a line a rule file, and what loading costs."""
    print(f"{'µs a case':38} {'engine':>8} {'reference':>10} {'interpreter':>12} {'by hand':>8}")
    for subject in subjects():
        print(compare(subject, rounds))
    more, comparison = one_more(rounds)
    print(f"a requirement more, reference              {more:8.0f} ns")
    print(f"beside it one comparison of decimals       {comparison:8.0f} ns")
    text = generated()
    book = document.read(text, where="generated")
    registers = {key: one.meaning for key, one in registry.load().items()}
    *loading, city, additions = (
        one / 1e3
        for one in least_us(
            lambda: document.read(text, where="generated"),
            lambda: limits(book),
            lambda: Reference(book),
            lambda: Engine(book).close(),
            lambda: catalogue.load(ROOT, registers),
            yardstick,
            each=1,
            rounds=rounds,
        )
    )
    print(f"{REQUIREMENTS} requirements loaded                    {sum(loading):8.1f} ms")
    parts = ("read and proven", "held against limits", "reference compiled", "engine compiled")
    for what, cost in zip(parts, loading, strict=True):
        print(f"  {what:40} {cost:8.1f} ms")
    print(f"every release of the city read             {city:8.1f} ms")
    print(f"yardstick: a million additions             {additions:8.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    main(parser.parse_args().rounds)
