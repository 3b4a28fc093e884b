"""Which registers are asked, and how: the plan, the port, and one deadline for all of them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, TypeAlias

from decision_service.acting import guardian_is_proven
from decision_service.model import (
    FORM,
    GUARDIAN_RELATION,
    KEY_OF,
    Application,
    Capacity,
    CaseId,
    Concept,
    Consent,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    Facts,
    Inquiry,
    Query,
    Question,
    Request,
    StatutoryDuty,
    Text,
)
from decision_service.release import Gap, Release, sound
from decision_service.settle import settle

RESERVED_S = 0.1
"""What a flow keeps of a caller's deadline for judging and recording, in seconds."""


class EvidenceSource(Protocol):
    """One register, behind whatever protocol it speaks."""

    async def fetch(self, query: Query, *, deadline: float) -> Evidence:
        """Ask the question and come back before ``deadline`` with the answer about this person.

        It never raises for what a register can do to us: silence, refusal, nonsense and "no such
        person" all come back as an envelope with their own status. Cancelling it is safe.

        Args:
            query: The one question; its ``evidence_type`` is this register's.
            deadline: Instant of the running event loop's clock, in seconds.
        """


Sources: TypeAlias = Mapping[EvidenceType, EvidenceSource]
"""The port of every register that a published release names."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for a request, and how far answers settle what other questions hang on.

    Attributes:
        questions: Those of the first wave first.
        facts: What the answers so far let us know; the same belief that the decision has.
        may_go_on: Whether they let a question be put that waits for them: where a guardian acts,
            not before that is proven.
    """

    questions: tuple[Question, ...]
    facts: Callable[[Sequence[Evidence]], Facts]
    may_go_on: Callable[[Facts], bool] = lambda _: True


def plan(
    request: Request | Inquiry,
    release: Release,
    gaps: Sequence[Gap],
    *,
    objected: frozenset[Concept],
    case_id: CaseId,
    filing_date: date,
    now: datetime,
    new_id: Callable[[], str],
) -> Plan:
    """Which questions the matter asks for the request, as far as its authority reaches.

    An evidence type that the consent leaves out is not asked; so is one whose key nobody gave,
    or that would wait for a register that is not asked.

    Args:
        request: What is asked for; an inquiry has a purpose of its own.
        gaps: What the form found wanting in the answers; no register is asked by such a one.
        objected: Concepts under an open objection that the request itself does not make; no
            register is asked by such a one either, and nobody is a guardian by it.
        now: Freshness of what a question hangs on is judged against it.
        new_id: Makes the id of a query; the only randomness.
    """
    matter = release.matter
    purpose = request.purpose if isinstance(request, Inquiry) else matter.purpose
    match request.authority.basis:
        case Consent(evidence_types=allowed):
            pass
        case StatutoryDuty():
            allowed = tuple(item.type for item in matter.evidence)
    given = _given(request, gaps)
    asked: dict[EvidenceType, Question] = {}
    by_guardian = request.authority.capacity is Capacity.GUARDIAN
    proof = EvidenceType(release.meanings[GUARDIAN_RELATION].source) if by_guardian else None
    for item in sorted(matter.evidence, key=lambda one: (one.type != proof, bool(one.after))):
        after = item.after if proof is None or item.type == proof else (proof, *item.after)
        awaited = item.awaited
        sources = {key: source for key, source in item.key.items() if key not in awaited}
        if (
            item.type in allowed
            and given.keys() >= {*sources.values()}
            and asked.keys() >= {*after}
        ):
            asked[item.type] = Question(
                query_id=new_id(),
                evidence_type=item.type,
                about=item.about,
                keys={key: given[source] for key, source in sources.items()},
                awaited=awaited,
                only_if=item.only_if,
                after=after,
                matter=matter.id,
                case_id=case_id,
                purpose=purpose,
                legal_basis=request.authority.legal_basis,
                filing_date=filing_date,
                fresh_for=release.fresh_for[item.type],
            )
    contests = request.contests if isinstance(request, Application) else ()
    contested = objected.union(contest.concept for contest in contests)
    return Plan(
        questions=tuple(asked.values()),
        facts=lambda seen: settle(
            release, seen, {}, contested, filing_date=filing_date, decide_time=now
        ),
        may_go_on=lambda facts: not by_guardian or guardian_is_proven(facts, matter, filing_date),
    )


def _given(request: Request | Inquiry, gaps: Sequence[Gap]) -> dict[str, str]:
    """What a key of a register can come from before any has answered."""
    numbers = {
        f"{party.role}.{KEY_OF[document.kind]}": document.number
        for party in request.parties
        for document in party.documents
        if document.kind in KEY_OF
    }
    texts = {
        FORM + key: value
        for key, value in sound(request.answers, gaps).items()
        if isinstance(value, str)
    }
    return numbers | texts


def asked_about(request: Request, plan: Plan) -> dict[str, tuple[Question, ...]]:
    """Who can ask "who asked for my data", and which questions those are.

    Every question is about the request's subject; about anybody else are those that send their
    number to a register: of a firm's application, the person's who files it.
    """
    sent = {
        party.subject: tuple(
            question
            for question in plan.questions
            if party.named_by.number in question.keys.values()
        )
        for party in request.parties
        if party.subject != request.subject
    }
    others = {subject: questions for subject, questions in sent.items() if questions}
    return {request.subject: plan.questions, **others}


async def gather(
    plan: Plan, sources: Sources, *, deadline: float, now: datetime
) -> AsyncGenerator[Evidence, None]:
    """Ask every register at once and yield each answer as it comes; none is waited for longer.

    A question that hangs on others' answers is put the moment those are there. The time is shared
    by the longest chain of them: what others hang on leaves them theirs. A question whose key
    does not become known, or that a guardian who is not proven would put, is not put, and yields
    nothing.

    Closing it ends every question that is still open; iterate under `contextlib.aclosing`.

    Args:
        deadline: Instant of the event loop's clock at which the last answer is yielded.
        now: Stamped on the envelope of a source that broke its promise to come back in time.
    """
    start = asyncio.get_running_loop().time()
    awaited = {earlier for question in plan.questions for earlier in question.after}
    tasks: dict[EvidenceType, asyncio.Task[Evidence | None]] = {}
    waves: dict[EvidenceType, int] = {}
    for question in plan.questions:
        waves[question.evidence_type] = 1 + max((waves[one] for one in question.after), default=0)
    for question in plan.questions:
        wave = waves[question.evidence_type]
        share = wave / max(waves.values()) if question.evidence_type in awaited else 1.0
        asking = _ask_in_turn(
            question,
            [tasks[earlier] for earlier in question.after],
            plan,
            sources,
            deadline=start + share * (deadline - start),
            now=now,
        )
        tasks[question.evidence_type] = asyncio.ensure_future(asking)
    try:
        for task in asyncio.as_completed(tasks.values()):
            if (evidence := await task) is not None:
                yield evidence
    finally:
        for unfinished in tasks.values():
            unfinished.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def _ask_in_turn(
    question: Question,
    earlier: Sequence["asyncio.Task[Evidence | None]"],
    plan: Plan,
    sources: Sources,
    *,
    deadline: float,
    now: datetime,
) -> Evidence | None:
    """One question, when its own predecessors have answered; None if it cannot be put then."""
    answered = [evidence for task in earlier if (evidence := await task) is not None]
    facts: Facts = plan.facts(answered) if earlier else {}
    query = question.complete(facts) if not earlier or plan.may_go_on(facts) else None
    return None if query is None else await _ask(query, sources, deadline=deadline, now=now)


async def _ask(query: Query, sources: Sources, *, deadline: float, now: datetime) -> Evidence:
    """One question. A source that overstays, or is not connected, is unavailable."""

    def unavailable(detail: str) -> Evidence:
        return Evidence(
            query_id=query.query_id,
            evidence_type=query.evidence_type,
            about=query.about,
            provider=Text(zh=query.evidence_type, en=query.evidence_type),
            status=EvidenceStatus.UNAVAILABLE,
            retrieved_at=now,
            detail=detail,
        )

    source = sources.get(query.evidence_type)
    if source is None:
        return unavailable("no address is set for this register")
    try:
        async with asyncio.timeout_at(deadline):
            return await source.fetch(query, deadline=deadline)
    except TimeoutError:
        return unavailable("no answer within the deadline")
