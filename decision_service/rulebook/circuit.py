"""Three-valued propositions over integers, laid out as rules that durable-rules can hold safely.

Every proposition is written twice, as what makes it true (*met*) and what makes it false (*unmet*),
negations pushed down to single tests. A property that is absent passes no test, so a proposition
for which neither fires is unknown: strong Kleene logic out of a two-valued engine.

Rules are conjunctions and nothing else; a disjunction is several rules with one conclusion. Where
that would multiply, or a rule grow long, a part is concluded first, in an earlier stratum.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import chain, islice, product
from typing import NamedTuple, TypeAlias

from decision_service.rulebook.tree import Comparison


class Alpha(NamedTuple):
    """One test, by its name in Rete: ``property op value``; an absent property fails it."""

    property: int
    op: Comparison
    value: int


Term: TypeAlias = tuple[Alpha, ...]
"""True if every test passes; sorted, so that rules share what they begin with."""


@dataclass(frozen=True, slots=True)
class Proposition:
    """True if a term of ``met`` is true, false if one of ``unmet`` is; else unknown."""

    met: tuple[Term, ...]
    unmet: tuple[Term, ...]


TRUE = Proposition(((),), ())

_DUAL: dict[Comparison, Comparison] = {
    "=": "!=",
    "!=": "=",
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
}


def alpha(property_: int, op: Comparison, value: int) -> Proposition:
    """The proposition that a property passes one test."""
    passes, fails = Alpha(property_, op, value), Alpha(property_, _DUAL[op], value)
    return Proposition(met=((passes,),), unmet=((fails,),))


def negation(proposition: Proposition) -> Proposition:
    """True where the proposition is false, and unknown where it is unknown."""
    return Proposition(met=proposition.unmet, unmet=proposition.met)


# ── what the engine can hold ─────────────────────────────────────────────────────────────────────

MAX_TERMS = 12
"""Rules that one conjunction of disjunctions may multiply to before it is cut in strata."""

MAX_TESTS = 24
"""Tests in a rule: one gate, and far below the 32 sequence expressions that the engine allows."""

MAX_RULES = 39
"""In a shard, with the canary 40: each can hold one place on the engine's stack of 64."""

RESERVED = ("sid", "id", "_n", "_k", "m", "$s")


def fnv1a(name: str) -> int:
    """FNV-1a (32 bits) of an ASCII name: all that the engine keeps of it."""
    return reduce(
        lambda hash_, byte: (hash_ ^ byte) * 0x01000193 % 2**32, name.encode(), 0x811C9DC5
    )


def _aliases() -> Iterator[str]:
    """Names of properties, no two with one hash."""
    taken = {fnv1a(name) for name in RESERVED}
    number = 0
    while True:
        alias = f"f{number}"
        if fnv1a(alias) not in taken:
            taken.add(fnv1a(alias))
            yield alias
        number += 1


ALIASES = tuple(islice(_aliases(), 200))
"""All that a shard may name; with `RESERVED` below the 250 properties of one fact."""


@dataclass(frozen=True, slots=True)
class Rule:
    """If the term is true, then ``property`` is 1 (met) or 0 (unmet)."""

    term: Term
    property: int
    value: int


@dataclass(frozen=True, slots=True)
class Shard:
    """Rules that the engine holds together.

    Attributes:
        aliases: Name in the engine of every property that the rules test.
    """

    rules: tuple[Rule, ...]
    aliases: dict[int, str]


class Circuit:
    """Propositions that depend on each other, in strata."""

    def __init__(self) -> None:
        self._available: list[int] = []
        self._strata: list[list[Rule]] = []

    @property
    def size(self) -> int:
        """How many rules there are."""
        return sum(len(rules) for rules in self._strata)

    def property(self) -> int:
        """A new property, known before the first stratum."""
        return self._new(available=0)

    def conclude(self, proposition: Proposition) -> int:
        """The property that rules set to 1 or 0 if the proposition is true or false."""
        terms = (*proposition.met, *proposition.unmet)
        tested = [self._available[alpha_.property] for alpha_ in chain.from_iterable(terms)]
        stratum = max(tested, default=0)
        concluded = self._new(available=stratum + 1)
        while len(self._strata) <= stratum:
            self._strata.append([])
        self._strata[stratum] += [Rule(term, concluded, 1) for term in proposition.met]
        self._strata[stratum] += [Rule(term, concluded, 0) for term in proposition.unmet]
        return concluded

    def all(self, items: Iterable[Proposition]) -> Proposition:
        """Strong Kleene conjunction."""
        return reduce(self._both, items, TRUE)

    def some(self, items: Iterable[Proposition]) -> Proposition:
        """Strong Kleene disjunction."""
        return negation(self.all(negation(item) for item in items))

    def condensed(self, proposition: Proposition) -> Proposition:
        """The same in one term, to be used several times."""
        single = len(proposition.met) <= 1 and len(proposition.unmet) <= 1
        return proposition if single else self._concluded(proposition)

    def strata(self) -> list[list[Shard]]:
        """The rules, stratum by stratum, in shards that the engine can hold."""
        return [list(_shards(rules)) for rules in self._strata]

    def _new(self, *, available: int) -> int:
        self._available.append(available)
        return len(self._available) - 1

    def _both(self, left: Proposition, right: Proposition) -> Proposition:
        if not _fits(left, right):
            left = self._concluded(left)
        if not _fits(left, right):
            right = self._concluded(right)
        met = tuple(_term(a, b) for a, b in product(left.met, right.met))
        return Proposition(met=met, unmet=left.unmet + right.unmet)

    def _concluded(self, proposition: Proposition) -> Proposition:
        return alpha(self.conclude(proposition), "=", 1)


def _fits(left: Proposition, right: Proposition) -> bool:
    terms = len(left.met) * len(right.met)
    tests = max(map(len, left.met), default=0) + max(map(len, right.met), default=0)
    return (terms <= MAX_TERMS or min(len(left.met), len(right.met)) == 1) and tests <= MAX_TESTS


def _term(left: Term, right: Term) -> Term:
    return tuple(sorted({*left, *right}))


def _shards(rules: list[Rule]) -> Iterator[Shard]:
    held: list[Rule] = []
    tested: dict[int, None] = {}
    for rule in rules:
        more = tested | dict.fromkeys(alpha_.property for alpha_ in rule.term)
        if len(held) == MAX_RULES or len(more) > len(ALIASES):
            yield _shard(held, tested)
            held, more = [], dict.fromkeys(alpha_.property for alpha_ in rule.term)
        held.append(rule)
        tested = more
    if held:
        yield _shard(held, tested)


def _shard(rules: list[Rule], tested: Iterable[int]) -> Shard:
    return Shard(tuple(rules), dict(zip(tested, ALIASES, strict=False)))
