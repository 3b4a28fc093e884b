"""The reference beside other engines that decide in memory: datalogic-py and zen-engine.

Both are native code, called as they are meant to be: compiled once, a dict in, a list out. Neither
knows ages, decimals or unknowns; the age is given to them, numbers are their floats, and null
stands for unknown, which every rule has to ask about. Their *bare* figure is that call alone. The
*whole* is what the reference does: from the facts of a case to its verdict, with every status and
value. CPU time of one core, the least of the rounds, in which all take turns.

    make bench, or python benchmarks/rule_engines.py [--rounds N]
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import datalogic_py
import zen

from decision_service.model import Facts, Status
from decision_service.rulebook.evaluate import Reference
from decision_service.rulebook.tree import Verdict, VerdictKind
from decision_service.rulebook.values import UNKNOWN
from rules import (
    LIMITS,
    Subject,
    allowance,
    known,
    least_us,
    long_list,
    over,
    status,
    subjects,
    yardstick,
)

Values = Mapping[str, Any]
Ask = Callable[[Values], Any]


@dataclass(frozen=True)
class Task:
    """A matter as other engines are asked about it.

    Attributes:
        values: What they get of the facts.
        logic: JSONLogic for a list: the truth of every requirement, then every output.
        zen: The same in ZEN.
        verdict: What the list says.
    """

    subject: Subject
    values: Callable[[Facts], Values]
    logic: list[Any]
    zen: str
    verdict: Callable[[Sequence[Any]], Verdict]


# ── the old-age allowance ────────────────────────────────────────────────────────────────────────


def persons_values(facts: Facts) -> Values:
    born, filed = known(facts, "applicant.birth_date"), known(facts, "filing_date")
    age = None
    if born is not None and filed is not None and born <= filed:
        age = filed.year - born.year - ((filed.month, filed.day) < (born.month, born.day))
    return {
        "age": age,
        "city": known(facts, "applicant.hukou_city"),
        "living": known(facts, "applicant.living_status"),
        "paid": known(facts, "applicant.allowance_in_payment"),
        "own": known(facts, "applicant.card_account_own"),
    }


def var(name: str) -> dict[str, str]:
    return {"var": name}


def if_known(name: str, then: object) -> dict[str, Any]:
    return {"if": [{"===": [var(name), None]}, None, then]}


ROWS = [(100, 1000, "4"), (90, 500, "3"), (80, 300, "2"), (70, 200, "1")]
ALLOWANCE_LOGIC = [
    if_known("age", {">=": [var("age"), 70]}),
    if_known("city", {"===": [var("city"), "shenzhen"]}),
    {
        "if": [
            {
                "or": [
                    {"===": [var("paid"), True]},
                    {"and": [{"!==": [var("living"), None]}, {"!==": [var("living"), "living"]}]},
                ]
            },
            False,
            {"or": [{"===": [var("living"), None]}, {"===": [var("paid"), None]}]},
            None,
            True,
        ]
    },
    var("own"),
    if_known(
        "age",
        {"if": [*(x for age, yuan, _ in ROWS for x in ({">=": [var("age"), age]}, yuan)), None]},
    ),
]
ALLOWANCE_ZEN = """[
  age == null ? null : age >= 70,
  city == null ? null : city == "shenzhen",
  paid == true or (living != null and living != "living") ? false
    : living == null or paid == null ? null : true,
  own,
  age == null ? null : age >= 100 ? 1000 : age >= 90 ? 500 : age >= 80 ? 300
    : age >= 70 ? 200 : null
]"""


def allowance_verdict(answer: Sequence[Any]) -> Verdict:
    *truths, amount = answer
    approved = amount is not None and all(truth is True for truth in truths)
    row = next((row for _, yuan, row in ROWS if yuan == amount), "")
    return Verdict(
        VerdictKind.APPROVE if approved else VerdictKind.REFER,
        tuple((f"R{n}", status(truth)) for n, truth in enumerate(truths, start=1)),
        (("monthly_allowance", UNKNOWN if amount is None else Decimal(f"{amount:.2f}")),),
        (("津贴标准", row),),
    )


# ── a hundred requirements ───────────────────────────────────────────────────────────────────────


def numbers(facts: Facts) -> Values:
    found = {f"n{i}": known(facts, concept) for i, (_, concept, _) in enumerate(LIMITS)}
    return {name: None if value is None else float(value) for name, value in found.items()}


def list_verdict(answer: Sequence[Any]) -> Verdict:
    statuses = tuple(
        (id_, status(truth)) for (id_, _, _), truth in zip(LIMITS, answer, strict=True)
    )
    met = all(one is Status.MET for _, one in statuses)
    return Verdict(VerdictKind.APPROVE if met else VerdictKind.REFER, statuses, (), ())


def tasks() -> list[Task]:
    found = {subject.by_hand: subject for subject in subjects()}
    return [
        Task(found[allowance], persons_values, ALLOWANCE_LOGIC, ALLOWANCE_ZEN, allowance_verdict),
        Task(
            found[long_list],
            numbers,
            [
                if_known(f"n{i}", {">=": [var(f"n{i}"), limit]})
                for i, (_, _, limit) in enumerate(LIMITS)
            ],
            ", ".join(
                f"n{i} == null ? null : n{i} >= {limit}" for i, (_, _, limit) in enumerate(LIMITS)
            ).join("[]"),
            list_verdict,
        ),
    ]


# ── measuring ────────────────────────────────────────────────────────────────────────────────────


def datalogic(task: Task) -> Ask:
    """The session is its quickest way for values that are Python's."""
    engine = datalogic_py.Engine()
    rule, session = engine.compile(json.dumps(task.logic)), engine.session()
    return lambda values: session.evaluate(rule, values)


def zen_expression(task: Task) -> Ask:
    """A compiled expression: its decision graphs cost much more."""
    return zen.compile_expression(task.zen).evaluate


def compare(task: Task, rounds: int) -> None:
    """A line an engine; all of them say the same of every case."""
    cases = task.subject.cases
    reference = Reference(task.subject.book)
    given = [task.values(facts) for facts in cases]
    asks = {"datalogic-py": datalogic(task), "zen-engine": zen_expression(task)}

    def whole(ask: Ask) -> Callable[[Facts], Verdict]:
        return lambda facts: task.verdict(ask(task.values(facts)))

    expected = [reference.verdict(facts) for facts in cases]
    for ask in asks.values():
        assert [whole(ask)(facts) for facts in cases] == expected
    ours, *theirs = least_us(
        over(reference.verdict, cases),
        *(over(ask, given) for ask in asks.values()),
        *(over(whole(ask), cases) for ask in asks.values()),
        each=len(cases),
        rounds=rounds,
    )
    print(f"{task.subject.name}\n  {'reference':24} {'':>8} {ours:8.1f}")
    for name, bare, all_of_it in zip(asks, theirs[:2], theirs[2:], strict=True):
        times = f"{all_of_it / ours:.1f} times the reference"
        print(f"  {name:24} {bare:8.1f} {all_of_it:8.1f}   {times}")


def main(rounds: int) -> None:
    """Print what a case costs."""
    print(f"{'µs a case':26} {'bare':>8} {'whole':>8}")
    for task in tasks():
        compare(task, rounds)
    (additions,) = least_us(yardstick, each=1, rounds=rounds)
    print(f"yardstick: a million additions {additions / 1e3:.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    main(parser.parse_args().rounds)
