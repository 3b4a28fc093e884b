"""To the wire: what clerks see of a case, and what is counted of their decisions."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, assert_never

from google.protobuf.duration_pb2 import Duration

from decision_service import model
from decision_service.counter.determination import GROUNDS, Result
from decision_service.counter.docket import Paper, Proposal
from decision_service.counter.dossier import Dossier
from decision_service.counter.oversight import Counted, Drawing, Override, Referral
from decision_service.judge import explain, granted, used_facts
from decision_service.rulebook.values import NotKnown
from decision_service.server.writing import (
    write_case,
    write_day,
    write_document,
    write_evidence,
    write_granted,
    write_reasons,
    write_replaced,
    write_text,
    write_time,
    write_used,
)
from decision_service.v1 import case_pb2, vocabulary_pb2
from decision_service.v1 import counter_pb2 as pb

_RESULTS: Final[Mapping[Result, pb.Result.ValueType]] = {
    "approve": pb.RESULT_APPROVE,
    "refuse": pb.RESULT_REFUSE,
    "correct": pb.RESULT_CORRECT,
}


def write_referral(one: Referral) -> pb.Referral:
    """Write a case of the queue."""
    case = one.case
    return pb.Referral(
        case_id=case.case_id,
        case_number=case.case_number,
        matter=case.matter,
        filing_date=write_day(case.filing_date) if case.filing_date else None,
        refer_time=write_time(one.referred_time),
        promised_time=write_time(one.due_time),
        reasons=one.reasons,
        clerk=one.clerk,
        claim_expire_time=write_time(one.until),
        proposed=one.proposed,
        etag=one.etag,
    )


def write_dossier(found: Dossier, *, now: datetime) -> pb.Dossier:
    """Write all that a clerk needs of a case."""
    basis, before = found.basis, found.before
    release, application = basis.release, before.application
    facts, judged = basis.facts(), basis.judged()
    as_of = {item.evidence_type: item.as_of for item in before.evidence}
    holder = found.standing.holder(now)
    outputs = dict(judged.verdict.outputs) if judged.verdict else {}
    return pb.Dossier(
        case=_case(found),
        etag=found.etag,
        parties=[_party(one) for one in application.parties],
        facts=[
            pb.DossierFact(
                used=write_used(one),
                as_of_time=write_time(as_of.get(model.EvidenceType(one.source))),
            )
            for one in used_facts(release, facts)
        ],
        requirements=write_reasons(
            explain(release, facts, judged.verdict) if judged.verdict else ()
        ),
        outputs=[
            write_granted(granted(output, value))
            for output in release.book.outputs
            if not isinstance(value := outputs.get(output.id, NotKnown()), NotKnown)
        ],
        output_fields=[
            pb.OutputField(id=output.id, name=write_text(output.name))
            for output in release.book.outputs
        ],
        reasons=write_reasons((*found.asked_for, *before.outcome.reasons)),
        answers={key: _plain(value) for key, value in application.answers.items()},
        contests=[
            pb.DossierContest(concept=one.concept, claimed=one.claimed, text=one.text)
            for one in application.contests
        ],
        evidence=[write_evidence(one) for one in before.evidence],
        replaced=[write_replaced(one) for one in before.replaced],
        papers=[write_paper(one) for one in found.papers],
        proposal=write_proposal(found.proposal) if found.proposal else None,
        clerk=holder,
        claim_expire_time=write_time(found.standing.until) if holder else None,
        grounds=[
            pb.GroundOffered(reason=one, name=write_text(GROUNDS[one]))
            for one in release.matter.override_reasons
        ],
    )


def _case(found: Dossier) -> case_pb2.Case:
    if found.whole is not None:
        return write_case(found.whole)
    written = write_case(found.case)
    written.ClearField("state")
    return written


def write_paper(paper: Paper) -> pb.Paper:
    """Write what a paper is."""
    return pb.Paper(
        index=paper.index,
        name=paper.name,
        media_type=paper.media_type,
        digest=bytes.fromhex(paper.digest),
        size=paper.size,
        clerk=paper.clerk,
        create_time=write_time(paper.time),
    )


def write_proposal(proposal: Proposal) -> pb.Proposal:
    """Write what waits for a second clerk."""
    wanted = proposal.instruction
    return pb.Proposal(
        clerk=proposal.clerk,
        result=_RESULTS[wanted.result],
        reason=write_text(wanted.text),
        ground=_ground(wanted.ground) if wanted.ground else None,
        findings={key: _plain(value) for key, value in wanted.findings.items()},
        outputs={key: _plain(value) for key, value in wanted.outputs.items()},
        papers=wanted.papers,
    )


def write_override(one: Override) -> pb.Override:
    """Write a past override."""
    permanent: Mapping[str, Any] = one.entry.leaf.permanent
    written = pb.Override(
        index=one.entry.index,
        time=write_time(one.entry.leaf.time),
        case_id=permanent["case_id"],
        matter=permanent["matter"],
        to=permanent["outcome"],
        clerk=permanent["caller"],
        second_clerk=permanent.get("second", ""),
        ground=_ground(one.ground) if one.ground else pb.Ground(reason=permanent["ground"]),
        reason=write_text(one.text) if one.text else None,
        requirements=dict(permanent["statuses"]),
        found=dict(permanent["found"]),
        handling_duration=_seconds(permanent["handling_s"]),
    )
    setattr(written, "from", permanent["from"])  # a word of Python's own
    return written


def write_counted(one: Counted) -> pb.OverrideStats:
    """Write what was counted of persons' decisions."""
    counts = one.counts
    return pb.OverrideStats(
        dimension=one.dimension,
        value=one.value,
        determinations=counts.determinations,
        overrides=counts.overrides,
        overturned=counts.overturned,
        two_persons=counts.two_persons,
        second_looks=counts.looked_again,
        second_looks_agreed=counts.agreed,
        median_handling_duration=_seconds(counts.median_s),
    )


def write_drawn(one: Drawing) -> pb.Drawn:
    """Write what was drawn for a second look."""
    return pb.Drawn(
        index=one.index,
        case_id=one.case_id,
        matter=one.matter,
        time=write_time(one.time),
        looked_again=one.looked_again,
    )


def _ground(ground: model.Ground) -> pb.Ground:
    return pb.Ground(reason=ground.reason, citation=ground.citation, ticket=ground.ticket)


def _party(party: model.Party) -> vocabulary_pb2.Party:
    return vocabulary_pb2.Party(
        role=party.role,
        documents=[write_document(one) for one in party.documents],
    )


def _plain(value: model.Value) -> vocabulary_pb2.Value:
    """A value as it was given; an option's code is a text here."""
    match value:
        case bool():
            return vocabulary_pb2.Value(boolean=value)
        case Decimal():
            return vocabulary_pb2.Value(number=format(value, "f"))
        case date():
            return vocabulary_pb2.Value(date=write_day(value))
        case str():
            return vocabulary_pb2.Value(text=value)
        case _ as never:
            assert_never(never)


def _seconds(seconds: float) -> Duration:
    took = Duration()
    took.FromTimedelta(timedelta(seconds=seconds))
    return took
