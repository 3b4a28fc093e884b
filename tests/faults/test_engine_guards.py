"""Whatever goes wrong in the rule engine, no wrong verdict leaves, and the next case is right."""

import gc
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from decision_service.errors import EngineError
from decision_service.model import Facts
from decision_service.rulebook import interpret
from decision_service.rulebook.engine import NATIVE, Engine
from decision_service.rulebook.tree import Rulebook
from tests import rulebooks as rb
from tests.seam import Fault, Seam, fails

ROOT = Path(__file__).parent.parent.parent


def _book() -> Rulebook:
    rows = [
        rb.row("1", rb.compare(rb.name("age"), "<", rb.const(2)), rb.const(1).value),
        rb.row("2", rb.compare(rb.name("age"), ">=", rb.const(2)), rb.const(2).value),
    ]
    return rb.book(
        rb.requirement("R1", rb.compare(rb.name("age"), ">=", rb.const(1))),
        rb.requirement("R2", rb.either(rb.name("alive"), rb.name("resident"))),
        tables=[rb.table("amounts", *rows)],
        outputs=[rb.output("amount", rb.name("amount", rb.MONEY))],
    )


GOOD = rb.facts(age=3, alive=True)
OTHER = rb.facts(age=0, alive=False, resident=False)


@pytest.fixture
def seam() -> Seam:
    return Seam()


@pytest.fixture
def engine(seam: Seam) -> Iterator[Engine]:
    engine = Engine(_book(), seam)
    yield engine
    engine.close()


def is_right(engine: Engine, *cases: Facts) -> bool:
    return all(engine.verdict(facts) == interpret.verdict(_book(), facts) for facts in cases)


def not_handled(real: Fault, *arguments: Any) -> Any:
    return 1, real(*arguments)[1]


def silent(_real: Fault, *_arguments: Any) -> Any:
    return None


def without_canary(real: Fault, *arguments: Any) -> Any:
    """Every message but the last."""
    message = real(*arguments)
    return None if message is None or message.startswith('{"canary"') else message


def of_somebody_else(real: Fault, *arguments: Any) -> Any:
    state, message = real(*arguments)
    return state, message.replace('"_n":', '"_n":9')


def of_no_rule(real: Fault, *arguments: Any) -> Any:
    state, message = real(*arguments)
    return state, message.replace('{"r', '{"x')


def for_ever(real: Fault, *arguments: Any) -> Any:
    return real(*arguments) or '{"canary":{"m":{}}}'


@pytest.mark.parametrize(
    ("call", "fault", "reason"),
    [
        pytest.param("assert_fact", fails, "ENGINE_FAILED", id="asserting raises"),
        pytest.param("start_action_for_state", fails, "ENGINE_FAILED", id="starting raises"),
        pytest.param("complete_and_start_action", fails, "ENGINE_FAILED", id="walking raises"),
        pytest.param("retract_fact", fails, "ENGINE_FAILED", id="retracting raises"),
        pytest.param("assert_fact", not_handled, "ENGINE_RETURN_CODE", id="no rule fired"),
        pytest.param("start_action_for_state", silent, "ENGINE_CANARY_SILENT", id="nothing to do"),
        pytest.param(
            "complete_and_start_action", silent, "ENGINE_CANARY_SILENT", id="rules are lost"
        ),
        pytest.param(
            "start_action_for_state", of_somebody_else, "ENGINE_FOREIGN_MESSAGE", id="another case"
        ),
        pytest.param(
            "start_action_for_state", of_no_rule, "ENGINE_FOREIGN_MESSAGE", id="an unknown rule"
        ),
    ],
)
def test_every_guard_trips_once_and_the_next_case_is_right(
    engine: Engine, seam: Seam, call: str, fault: Fault, reason: str
) -> None:
    assert is_right(engine, GOOD, OTHER)
    seam.faults[call] = fault

    with pytest.raises(EngineError) as caught:
        engine.verdict(GOOD)

    assert caught.value.reason == reason
    assert str(caught.value).startswith("rule engine: ")
    assert "转人工办理" in caught.value.zh
    assert "f0" not in str(caught.value)
    assert is_right(engine, OTHER, GOOD, OTHER)


def test_a_walk_that_never_ends_is_ended(engine: Engine, seam: Seam) -> None:
    real = NATIVE.complete_and_start_action

    def again(_real: Fault, *arguments: Any) -> Any:
        seam.faults["complete_and_start_action"] = again
        return for_ever(real, *arguments)

    seam.faults["complete_and_start_action"] = again
    with pytest.raises(EngineError) as caught:
        engine.verdict(GOOD)
    seam.faults.clear()

    assert caught.value.reason in {"ENGINE_RUNAWAY", "ENGINE_FAILED"}
    assert is_right(engine, GOOD, OTHER)


def test_a_rule_that_fires_both_ways_is_a_contradiction(seam: Seam) -> None:
    def both_ways(real: Fault, name: str, rules: str) -> Any:
        return real(name, rules.replace('"$lt"', '"$lte"'))

    seam.faults["create_ruleset"] = both_ways
    engine = Engine(_book(), seam)

    with pytest.raises(EngineError) as caught:
        engine.verdict(rb.facts(age=1, alive=True))

    assert caught.value.reason == "ENGINE_CONTRADICTION"
    assert is_right(engine, GOOD)
    engine.close()


def test_a_rule_set_that_cannot_be_renewed_is_given_up_for_a_new_one(
    engine: Engine, seam: Seam
) -> None:
    seam.faults |= {"assert_fact": fails, "delete_state": fails}
    with pytest.raises(EngineError):
        engine.verdict(GOOD)
    seam.calls.clear()

    assert is_right(engine, GOOD, OTHER)
    assert seam.calls.count("create_ruleset") == 1


def test_an_engine_that_keeps_failing_gives_up(engine: Engine, seam: Seam) -> None:
    def always(_real: Fault, *_arguments: Any) -> Any:
        seam.faults["assert_fact"] = always
        raise RuntimeError

    seam.faults["assert_fact"] = always
    reasons = []
    for _ in range(50):
        with pytest.raises(EngineError) as caught:
            engine.verdict(GOOD)
        reasons.append(caught.value.reason)

    assert reasons[-1] == "ENGINE_WORN_OUT"
    assert seam.calls.count("create_ruleset") < 30


def test_rules_that_the_engine_refuses_are_an_error_of_ours(seam: Seam) -> None:
    seam.faults["create_ruleset"] = fails

    with pytest.raises(EngineError) as caught:
        Engine(_book(), seam)

    assert caught.value.reason == "ENGINE_FAILED"


def test_a_closed_engine_says_so_and_can_be_closed_again(engine: Engine) -> None:
    engine.close()
    engine.close()

    with pytest.raises(EngineError) as caught:
        engine.verdict(GOOD)

    assert caught.value.reason == "ENGINE_CLOSED"


def test_an_engine_that_nobody_has_any_more_gives_its_memory_back(seam: Seam) -> None:
    """Also one that is found while another is asked, by the thread that asks."""
    rings = [[Engine(_book(), seam)] for _ in range(2)]
    for ring in rings:
        ring.append(ring)  # type: ignore[arg-type]  # so that only a collection finds it
    made = seam.calls.count("create_ruleset")
    assert made > 0
    del rings, ring

    def collect(real: Fault, *arguments: Any) -> Any:
        gc.collect()
        return real(*arguments)

    between = Seam()
    asked = Engine(_book(), between)
    between.faults["assert_fact"] = collect

    assert is_right(asked, GOOD, OTHER)
    assert seam.calls.count("delete_ruleset") == made
    asked.close()


def test_threads_never_see_each_others_cases(engine: Engine) -> None:
    ages = [n % 4 for n in range(400)]
    barrier = threading.Barrier(4)

    def ask(age: int) -> bool:
        if age == 0 and not barrier.broken:
            barrier.abort()
        return is_right(engine, rb.facts(age=age, alive=bool(age % 2), resident=False))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(ask, ages))


_HAMMER = """
import gc, random, sys
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from decision_service.rulebook.engine import Engine
from decision_service.rulebook.evaluate import Reference
from tests.rulebooks import rulebooks, some_facts

books, cases = int(sys.argv[1]), int(sys.argv[2])
sizes, done = [], 0

def memory():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * 4  # kB

@settings(max_examples=books, deadline=None, database=None, phases=[Phase.generate],
          suppress_health_check=list(HealthCheck))
@given(book=rulebooks(), seed=st.integers(0, 2**32))
def hammer(book, seed):
    global done
    dice = random.Random(seed)
    reference, engine = Reference(book), Engine(book)
    assert engine.verdict({}) == reference.verdict({})
    for _ in range(cases):
        facts = some_facts(dice)
        assert engine.verdict(facts) == reference.verdict(facts)
    engine.close()
    done += cases + 1
    sizes.append(memory())

hammer()
print(done, len(sizes), sizes[len(sizes) // 2], sizes[-1])
"""


def _hammered(books: int, cases: int) -> tuple[int, int, int]:
    """Verdicts and books in a process of their own, and how much that grew in its second half."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc to see the memory of a process")
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_HAMMER), str(books), str(cases)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr[-2_000:]
    done, made, half, end = map(int, ran.stdout.split())
    return done, made, end - half


@pytest.mark.slow
def test_a_hundred_thousand_verdicts_neither_crash_nor_grow() -> None:
    done, _, grown = _hammered(books=60, cases=1_800)

    assert done >= 100_000
    assert grown < 20_000


@pytest.mark.slow
def test_hundreds_of_rule_files_come_and_go() -> None:
    _, made, grown = _hammered(books=500, cases=3)

    assert made >= 400
    assert grown < 20_000
