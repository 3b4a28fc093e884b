"""Which sources a case may wait for: those whose coming back can settle it. Pure."""

from collections.abc import Sequence
from itertools import product
from math import prod

from decision_service.model import (
    MOST_RECORDS,
    BooleanType,
    Concept,
    ConceptType,
    EvidenceType,
    Facts,
    Held,
    Known,
    ListType,
    Meaning,
    OptionType,
    Range,
    Scalar,
    Status,
    Unknown,
    Why,
)
from decision_service.release import Release
from decision_service.rulebook.tree import Verdict, VerdictKind
from decision_service.rulebook.values import NotKnown

_MOST_TRIES = 1_024
"""Of answers that are imagined to see whether waiting for a source is of any use."""

_AWAY = {Why.UNAVAILABLE, Why.PENDING}
"""Why a fact is not known when asking again later may help."""


def worth_waiting_for(release: Release, facts: Facts, verdict: Verdict) -> tuple[EvidenceType, ...]:
    """The sources that are away, if their coming back can settle the case.

    It can if they are all that stands between the case and a decision, or if some answer of
    theirs makes up for what else is not known. Otherwise a person is needed anyway.
    """
    if any(status is Status.NOT_MET for _, status in verdict.statuses):
        return ()
    open_items = [item for item, status in verdict.statuses if status is Status.UNKNOWN] or [
        item for item, value in verdict.outputs if isinstance(value, NotKnown)
    ]
    wanting = frozenset[Concept]().union(*(release.inputs[item] for item in open_items))
    unknown = sorted(concept for concept in wanting if isinstance(facts[concept], Unknown))
    away = {concept: _away(release, facts, concept) for concept in unknown}
    if not all(away.values()) and not _some_answer_settles(
        release, facts, [concept for concept, sources in away.items() if sources]
    ):
        return ()
    return tuple(sorted(frozenset[EvidenceType]().union(*away.values())))


def _some_answer_settles(release: Release, facts: Facts, awaited: Sequence[Concept]) -> bool:
    """Whether there are values of these concepts with which every requirement is met.

    Tried are both truths, every option, and the ends of a range; too many are not tried.
    """
    tries = [_possible(release.meanings[concept]) for concept in awaited]
    if not tries or prod(map(len, tries)) > _MOST_TRIES:
        return False
    return any(
        _approves(
            release,
            {
                **facts,
                **{
                    concept: Known(value=value, source=release.meanings[concept].source)
                    for concept, value in zip(awaited, values, strict=True)
                },
            },
        )
        for values in product(*tries)
    )


def _approves(release: Release, facts: Facts) -> bool:
    try:
        return release.reference.verdict(facts).kind is VerdictKind.APPROVE
    except Exception:  # noqa: BLE001  # an answer on which it fails leads to a person, too
        return False


def _possible(meaning: Meaning) -> tuple[Held, ...]:
    """Values that a concept can have: all of them, or the lowest and the highest.

    Of lists the two ends: no record, and one of each kind, with unknown cells where a column has
    too many values to name.
    """
    match meaning.type, meaning.range:
        case ListType(columns=columns), _:
            cells = {key: values for key, one in columns.items() if (values := _named(one.type))}
            if not cells or prod(map(len, cells.values())) > MOST_RECORDS:
                return ((),)
            each = product(*cells.values())
            return (), tuple(dict(zip(cells, record, strict=True)) for record in each)
        case _, Range(low=low, high=high):
            return (low, high)
        case type_, _:
            return _named(type_)


def _named(type_: ConceptType) -> tuple[Scalar, ...]:
    """Every value of a type whose values can be named."""
    match type_:
        case BooleanType():
            return (True, False)
        case OptionType(options=options):
            return tuple(options)
        case _:
            return ()


def _away(release: Release, facts: Facts, concept: Concept) -> frozenset[EvidenceType]:
    """The sources that must be back before an unknown concept can be known.

    Behind a question that was not put is the answer that it hung on. Empty if no source that
    comes back would help.
    """
    source = EvidenceType(release.meanings[concept].source)
    match facts[concept]:
        case Unknown(why=why) if why in _AWAY:
            return frozenset({source})
        case Unknown(why=Why.NOT_ASKED):
            missing = [
                earlier
                for earlier in release.hangs_on.get(source, frozenset())
                if isinstance(facts[earlier], Unknown)
            ]
            away = [_away(release, facts, earlier) for earlier in missing]
            return frozenset[EvidenceType]().union(*away) if all(away) else frozenset()
        case _:
            return frozenset()
