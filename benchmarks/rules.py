"""What one case costs each evaluator, and what reading a rule file costs.

The cases are the scenarios of the published releases, and generated ones of a generated file of 100
requirements. Beside the evaluators stand functions written by hand in plain Python, which say of
each case what the rule file says; nobody could prove them, replay them, or give reasons from them.
Medians of the rounds; every figure is of one core.

    python benchmarks/rules.py [--rounds N]
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from decision_service import catalogue
from decision_service.model import Facts, Known, Status
from decision_service.rulebook import document, interpret
from decision_service.rulebook.engine import Engine
from decision_service.rulebook.evaluate import Reference
from decision_service.rulebook.tree import Rulebook
from evidence_adapters import registry

ROOT = Path(__file__).parent.parent
REQUIREMENTS, CASES = 100, 50
Plain: TypeAlias = Mapping[str, Any]
ByHand: TypeAlias = Callable[[Plain], list[str]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A rule file, cases for it, and what a programmer would have written in its place.

    Attributes:
        by_hand: Which requirements are not met or not known, by the known facts.
    """

    name: str
    book: Rulebook
    cases: Sequence[Facts]
    by_hand: ByHand | None = None


def allowance(facts: Plain) -> list[str]:
    """The requirements of the old-age allowance of 2019, by hand; its amount is left out."""
    missing, get = [], facts.get
    born, filed = get("applicant.birth_date"), facts["filing_date"]
    if born is None or (
        filed.year - born.year - ((filed.month, filed.day) < (born.month, born.day)) < 70
    ):
        missing.append("R1")
    if get("applicant.hukou_city") != "shenzhen":
        missing.append("R2")
    if (
        get("applicant.living_status") != "living"
        or get("applicant.allowance_in_payment") is not False
    ):
        missing.append("R3")
    if get("applicant.card_account_own") is not True:
        missing.append("R4")
    return missing


LIMITS = [(f"R{i + 1}", f"applicant.n{i}", 10 + i) for i in range(REQUIREMENTS)]


def long_list(facts: Plain) -> list[str]:
    """The generated file, by hand: every number is at least its limit."""
    return [
        id_
        for id_, concept, limit in LIMITS
        if (number := facts.get(concept)) is None or number < limit
    ]


def generated() -> str:
    """A rule file of 100 requirements, each of a number of its own."""
    table = "|------|------|---------|------|------------|------|-------------|"
    rows = [
        f"| applicant.n{i} | 数{i} | number {i} | 数 | 元，2 位小数 | [0..1000] | some_register |"
        for i in range(REQUIREMENTS)
    ]
    requirements = [
        f"""### R{i + 1} 第{i}项 | Item {i}
- 依据 basis：L1
- 条件 requires：数{i} >= {10 + i}
- 不符合 if not met：转人工 | refer
- 无法确认 if unknown：转人工 | refer
- 符合时说明：为 {{数{i}}}。| It is {{数{i}}}.
- 不符合时说明：仅 {{数{i}}}。| Only {{数{i}}}.
- 无法确认时说明：未能取得。| It could not be had.
"""
        for i in range(REQUIREMENTS)
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

{chr(10).join(requirements)}
## 情形 | Scenarios

基准 baseline：{"；".join(f"数{i} = 500" for i in range(REQUIREMENTS))}

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
    book, dice = document.read(generated(), where="generated"), random.Random(755)  # noqa: S311
    cases: list[Facts] = [
        {
            term.id: Known(value=Decimal(dice.randrange(0, 1000)), source="some_register")
            for term in book.terms
            if dice.random() < 0.98
        }
        for _ in range(CASES)
    ]
    cases += [scenario.facts for scenario in book.scenarios]
    return [*found, Subject(f"generated, {REQUIREMENTS} requirements", book, cases, long_list)]


def median_us(work: Callable[[], object], *, each: int, rounds: int) -> float:
    """Microseconds for each of so many parts of the work; every round lasts 20 ms at least."""

    def timed(times: int) -> float:
        started = time.perf_counter()
        for _ in range(times):
            work()
        return time.perf_counter() - started

    times = max(1, round(0.02 / timed(1)))
    return statistics.median(1e6 * timed(times) / times / each for _ in range(rounds))


def main(rounds: int) -> None:
    """Print a line a rule file."""
    print(f"{'µs a case':38} {'engine':>8} {'reference':>10} {'interpreter':>12} {'by hand':>8}")
    for subject in subjects():
        book, cases, by_hand = subject.book, subject.cases, subject.by_hand
        engine, reference = Engine(book), Reference(book)
        costs = [
            median_us(
                lambda run=run, cases=cases: [run(case) for case in cases],
                each=len(cases),
                rounds=rounds,
            )
            for run in (
                engine.verdict,
                reference.verdict,
                lambda facts, book=book: interpret.verdict(book, facts),
            )
        ]
        line = f"{subject.name:38} {costs[0]:8.1f} {costs[1]:10.1f} {costs[2]:12.1f}"
        if by_hand is not None:
            plain = [_plain(case) for case in cases]
            for case, facts in zip(cases, plain, strict=True):
                statuses = reference.verdict(case).statuses
                assert by_hand(facts) == [id_ for id_, status in statuses if status != Status.MET]
            cost = median_us(
                lambda by_hand=by_hand, plain=plain: [by_hand(facts) for facts in plain],
                each=len(plain),
                rounds=rounds,
            )
            both = costs[0] + costs[1]
            line += f" {cost:8.1f}   both / by hand: {both / cost:.0f}"
        print(line)
        engine.close()
    text = generated()
    load = median_us(lambda: document.read(text, where="generated"), each=1, rounds=rounds)
    book = document.read(text, where="generated")
    reference_ = median_us(lambda: Reference(book), each=1, rounds=rounds)
    engine_ = median_us(lambda: Engine(book).close(), each=1, rounds=rounds)
    print(f"reading and proving the generated file {load / 1e3:8.1f} ms")
    print(f"compiling it: reference {reference_ / 1e3:.1f} ms, engine {engine_ / 1e3:.1f} ms")


def _plain(facts: Facts) -> Plain:
    """The known values, as a programmer would have them."""
    return {key: fact.value for key, fact in facts.items() if isinstance(fact, Known)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    main(parser.parse_args().rounds)
