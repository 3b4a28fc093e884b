"""What the engine is given stays inside what it can hold."""

import itertools
from collections.abc import Mapping

import pytest

from decision_service.rulebook.circuit import (
    ALIASES,
    MAX_RULES,
    MAX_TESTS,
    RESERVED,
    Alpha,
    Circuit,
    Proposition,
    alpha,
    fnv1a,
    negation,
)
from decision_service.rulebook.engine import limits
from decision_service.rulebook.tree import Expression
from tests import rulebooks as rb

_OPERATORS = {
    "=": int.__eq__,
    "!=": int.__ne__,
    "<": int.__lt__,
    "<=": int.__le__,
    ">": int.__gt__,
    ">=": int.__ge__,
}


def run(circuit: Circuit, known: Mapping[int, int]) -> Mapping[int, int]:
    """What the rules conclude, by hand; like the engine's, one stratum after the other."""

    def passes(test: Alpha) -> bool:
        return test.property in found and _OPERATORS[test.op](found[test.property], test.value)

    found = dict(known)
    for stratum in circuit.strata():
        rules = [rule for shard in stratum for rule in shard.rules]
        found |= {r.property: r.value for r in rules if all(passes(test) for test in r.term)}
    return found


def test_the_engine_keeps_no_two_names_with_one_hash() -> None:
    names = [*ALIASES, *RESERVED]

    assert len({fnv1a(name) for name in names}) == len(names) < 250


def test_hashes_are_those_that_the_engine_uses() -> None:
    assert (fnv1a("sid"), fnv1a("id"), fnv1a("$and")) == (3593476751, 926444256, 3746487396)
    assert fnv1a("guardian_status_avg_2025") == fnv1a("house_date_at_filing_a")


@pytest.mark.parametrize("width", [1, 2, 5, 60])
def test_wide_conditions_are_cut_into_strata_that_mean_the_same(width: int) -> None:
    circuit = Circuit()
    inputs = [circuit.property() for _ in range(2 * width)]
    pairs = (
        list(itertools.batched(inputs, 2))
        if hasattr(itertools, "batched")
        else [(inputs[i], inputs[i + 1]) for i in range(0, len(inputs), 2)]
    )
    either: list[Proposition] = [circuit.some(alpha(one, "=", 1) for one in pair) for pair in pairs]
    concluded = circuit.conclude(circuit.all(either))
    all_true = {one: index % 2 for index, one in enumerate(inputs)}
    one_false = {**all_true, inputs[1]: 0}
    one_unknown = {one: value for one, value in all_true.items() if one != inputs[1]}

    assert run(circuit, all_true)[concluded] == 1
    assert run(circuit, one_false)[concluded] == 0
    assert concluded not in run(circuit, one_unknown)


@pytest.mark.parametrize("width", [24, 25, 500])
def test_every_rule_and_every_shard_keeps_the_limits(width: int) -> None:
    circuit = Circuit()
    for _ in range(3):
        circuit.conclude(circuit.all(alpha(circuit.property(), ">", 0) for _ in range(width)))
        circuit.conclude(circuit.some(alpha(circuit.property(), ">", 0) for _ in range(width)))
    shards = [shard for stratum in circuit.strata() for shard in stratum]

    assert all(len(shard.rules) <= MAX_RULES for shard in shards)
    assert all(len(rule.term) <= MAX_TESTS for shard in shards for rule in shard.rules)
    assert all(set(shard.aliases.values()) <= set(ALIASES) for shard in shards)
    for shard in shards:
        tested = {test.property for rule in shard.rules for test in rule.term}
        assert tested == set(shard.aliases)


def test_negation_twice_is_nothing() -> None:
    circuit = Circuit()
    item = circuit.all([alpha(circuit.property(), ">=", 3), alpha(circuit.property(), "=", 1)])

    assert negation(negation(item)) == item


def _disjunctions(count: int) -> Expression:
    age = rb.name("age")
    return rb.both(
        *(
            rb.either(*(rb.compare(age, "=", rb.const(10 * i + j)) for j in range(10)))
            for i in range(count)
        )
    )


def test_a_condition_too_large_for_the_engine_is_found_before_it_is_loaded() -> None:
    fine = rb.book(rb.requirement("R1", _disjunctions(3)))
    large = rb.book(rb.requirement("R1", _disjunctions(3)), rb.requirement("R2", _disjunctions(50)))

    assert limits(fine) == ()
    (finding,) = limits(large)
    assert (finding.code, finding.at) == ("E080", rb.AT)
    assert finding.message.en.startswith("condition is too complex: it takes ")
    assert finding.hint.zh == "请把其中一部分写成推算值，或者拆成几个条件。"
