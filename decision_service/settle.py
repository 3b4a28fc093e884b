"""What is known: evidence, declared answers and contests become facts. Pure.

Nothing is guessed here. A fact is known only if its one authoritative source vouches for it, is
fresh, undisputed and uncontested, its value is one that the concept can have, and no second source
says another one. A second source makes nothing known.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from decision_service.model import (
    DECLARED,
    SERVICE,
    Concept,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    Fact,
    Facts,
    Known,
    Meaning,
    Replaced,
    Unknown,
    Value,
    Why,
)
from decision_service.release import Release

CLOCK_SKEW = timedelta(seconds=5)
"""How far a register's clock may run behind ours before its live answer counts as stale."""

_LIVE = timedelta(0)
"""How old evidence may be of a concept that says nothing of it."""

_VOUCHING = {EvidenceStatus.MATCH, EvidenceStatus.NO_RECORD_AUTHORITATIVE}


def settle(
    release: Release,
    evidence: Sequence[Evidence],
    answers: Mapping[str, Value],
    contested: frozenset[Concept],
    *,
    filing_date: date,
    decide_time: datetime,
) -> Facts:
    """Return a fact for every concept of the release: known, or unknown and why.

    Args:
        evidence: At most one envelope an evidence type.
        answers: By key of the form, already read by it; keys that it refused are left out.
        contested: Concepts that the applicant says are wrong.
        decide_time: The one instant of the request; freshness is judged against it.
    """
    by_type = {item.evidence_type: item for item in evidence}
    declared = {
        concept: answers[key] for key, concept in release.form.concepts.items() if key in answers
    }

    def fact(meaning: Meaning) -> Fact:
        if meaning.concept in contested:
            return Unknown(why=Why.CONTESTED)
        match meaning.source:
            case source if source == SERVICE:
                found: Fact = Known(value=filing_date, source=SERVICE)
            case source if source == DECLARED:
                found = (
                    Known(value=declared[meaning.concept], source=DECLARED)
                    if meaning.concept in declared
                    else Unknown(why=Why.NOT_ANSWERED)
                )
            case source:
                found = _from_register(meaning, by_type.get(EvidenceType(source)), decide_time)
        return _undoubted(believable(found, meaning), meaning)

    def _undoubted(found: Fact, meaning: Meaning) -> Fact:
        """The fact, unless a second source says another value of it."""
        if not isinstance(found, Known):
            return found
        others = [
            other
            for key in release.seconds.get(meaning.concept, ())
            if isinstance(
                other := believable(
                    _from_register(meaning, by_type.get(key), decide_time), meaning
                ),
                Known,
            )
            and other.value != found.value
        ]
        return Unknown(why=Why.CONTRADICTED, said=(found, *others)) if others else found

    facts = {concept: fact(meaning) for concept, meaning in release.meanings.items()}
    return {
        concept: _found_by_what_is_known(found, release, facts) for concept, found in facts.items()
    }


def _found_by_what_is_known(found: Fact, release: Release, facts: Facts) -> Fact:
    """The fact, unless its register was asked by a key that is in doubt by now."""
    if not isinstance(found, Known):
        return found
    keys = release.hangs_on.get(EvidenceType(found.source), frozenset())
    in_doubt = any(
        isinstance(key := facts.get(concept), Unknown) and key.why is Why.CONTRADICTED
        for concept in keys
    )
    return Unknown(why=Why.CONTRADICTED) if in_doubt else found


def _from_register(meaning: Meaning, item: Evidence | None, decide_time: datetime) -> Fact:
    """What the concept's one source says, if it vouches for it and is fresh."""
    if item is None:
        return Unknown(why=Why.NOT_ASKED)
    if item.status not in _VOUCHING:
        return Unknown(why=Why(item.status))
    if not _is_fresh(item, meaning.fresh_for or _LIVE, decide_time):
        return Unknown(why=Why.STALE)
    if meaning.concept not in item.values:
        absent = item.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
        return Unknown(why=Why.NO_RECORD_AUTHORITATIVE if absent else Why.NO_RECORD_INCONCLUSIVE)
    return Known(value=item.values[meaning.concept], source=item.evidence_type)


def _is_fresh(item: Evidence, fresh_for: timedelta, decide_time: datetime) -> bool:
    """Whether the instant that it vouches for is not too long ago."""
    return item.as_of is not None and decide_time - item.as_of <= fresh_for + CLOCK_SKEW


def believable(fact: Fact, meaning: Meaning) -> Fact:
    """The fact, unless its value is one that the concept cannot have."""
    match fact:
        case Known(value=value) if not meaning.can_be(value):
            return Unknown(why=Why.OUT_OF_RANGE)
        case _:
            return fact


def replaced(
    release: Release, evidence: Sequence[Evidence], decide_time: datetime
) -> tuple[Replaced, ...]:
    """The papers whose place evidence has taken: every register has vouched, for what they show.

    What is too old for the rules takes no paper's place either.
    """
    vouching = {
        item.evidence_type: item
        for item in evidence
        if item.status in _VOUCHING
        and _is_fresh(item, release.fresh_for.get(item.evidence_type, _LIVE), decide_time)
    }

    def is_replaced(paper: Replaced) -> bool:
        answers = [vouching[key].values for key in paper.by if key in vouching]
        return len(answers) == len(paper.by) and (
            paper.shows is None or any(values.get(paper.shows) is True for values in answers)
        )

    return tuple(paper for paper in release.matter.replaces if is_replaced(paper))
