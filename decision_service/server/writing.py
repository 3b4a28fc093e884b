"""To the wire: our vocabulary becomes the contract's messages. Nothing is decided here."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import assert_never

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from decision_service import model
from decision_service.eligibility import NO_DECISION, Eligibility
from decision_service.followup import (
    CaseFile,
    Delivery,
    Happened,
    Lift,
    LiftProposal,
    Mandate,
    MandateEnd,
    Objection,
    Rated,
    Rating,
    RatingAnswer,
    RatingTaken,
    Reopening,
    Resolution,
    ReviewRequest,
    StandingChange,
    StandingProposal,
    StandingReturn,
    Stop,
    Withdrawal,
)
from decision_service.offerbook import Offer
from decision_service.release import Release
from decision_service.v1 import case_pb2, decision_pb2, matter_pb2, offer_pb2, prefill_pb2
from decision_service.v1 import vocabulary_pb2 as pb

# ── words ────────────────────────────────────────────────────────────────────────────────────────


def write_document(document: model.Document) -> pb.Document:
    """Write an identity document."""
    return pb.Document(kind=document.kind, number=document.number)


def write_text(text: model.Text) -> pb.Text:
    """Words in both languages."""
    return pb.Text(zh=text.zh, en=text.en)


def write_day(day: date) -> Date:
    """A civil day."""
    return Date(year=day.year, month=day.month, day=day.day)


def write_time(instant: datetime | None) -> Timestamp | None:
    """An instant; None leaves the field unset."""
    if instant is None:
        return None
    written = Timestamp()
    written.FromDatetime(instant)
    return written


def write_value(value: model.Held, type_: model.ConceptType) -> pb.Value:
    """A value as its type says: the same string is an option's code or a text."""
    match value:
        case bool():
            return pb.Value(boolean=value)
        case Decimal():
            return pb.Value(number=format(value, "f"))
        case date():
            return pb.Value(date=write_day(value))
        case str() if isinstance(type_, model.OptionType):
            return pb.Value(option=value)
        case str():
            return pb.Value(text=value)
        case tuple():
            raise AssertionError("no form has a field for a list, and no output is one")
        case _ as never:
            assert_never(never)


# ── decisions ────────────────────────────────────────────────────────────────────────────────────


def write_decision(decision: model.Decision) -> pb.Decision:
    """Write a decision. A new kind of outcome does not type-check until it has its case here."""
    written = pb.Decision(
        case_id=decision.case_id,
        case_number=decision.case_number,
        matter=decision.matter,
        rules_effective_date=write_day(decision.rules_effective_date),
        release_digest=bytes.fromhex(decision.release_digest),
        filing_date=write_day(decision.filing_date),
        decide_time=write_time(decision.decide_time),
        evidence=[write_evidence(one) for one in decision.evidence],
        notice=write_text(decision.notice),
        remedies=_remedies(decision.remedies),
        receipt=write_receipt(decision.receipt),
        replaced=[write_replaced(one) for one in decision.replaced],
        contradictions=[_contradiction(one) for one in decision.contradictions],
        determination=_determination(decision.determination) if decision.determination else None,
    )
    match decision.outcome:
        case model.Approved(grant=grant, reasons=reasons):
            written.approved.CopyFrom(
                pb.Approved(
                    grant=[write_granted(one) for one in grant], reasons=write_reasons(reasons)
                )
            )
        case model.Refused(reasons=reasons):
            written.refused.CopyFrom(pb.Refused(reasons=write_reasons(reasons)))
        case model.Referred(reasons=reasons):
            written.referred.CopyFrom(pb.Referred(reasons=write_reasons(reasons)))
        case model.NeedsCorrection(reasons=reasons):
            written.needs_correction.CopyFrom(pb.NeedsCorrection(reasons=write_reasons(reasons)))
        case model.Waiting(until=until, waiting_for=sources, reasons=reasons):
            written.waiting.CopyFrom(
                pb.Waiting(
                    until_time=write_time(until),
                    evidence_types=sources,
                    reasons=write_reasons(reasons),
                )
            )
        case _ as never:
            assert_never(never)
    return written


def write_eligibility(found: Eligibility) -> decision_pb2.CheckEligibilityResponse:
    """Write what a check found, marked as no decision."""
    return decision_pb2.CheckEligibilityResponse(
        disclaimer=write_text(NO_DECISION),
        prospect=decision_pb2.CheckEligibilityResponse.Prospect.Value(
            f"PROSPECT_{found.prospect.name}"
        ),
        requirements=write_reasons(found.requirements),
        gaps=write_reasons(found.gaps),
        evidence=[write_evidence(one) for one in found.evidence],
        matter=found.matter,
        rules_effective_date=write_day(found.rules_effective_date),
    )


def _determination(determination: model.Determination) -> pb.Determination:
    ground = determination.ground
    return pb.Determination(
        overrides=determination.overrides,
        reason=write_text(determination.text),
        ground=ground.reason if ground else "",
        citation=ground.citation if ground else "",
        two_persons=determination.two_persons,
    )


def write_granted(granted: model.Granted) -> pb.Granted:
    """Write what is granted."""
    return pb.Granted(
        id=granted.id,
        name=write_text(granted.name),
        value=write_value(granted.value, granted.type),
        unit=granted.type.unit if isinstance(granted.type, model.NumberType) else "",
        display=write_text(granted.display),
    )


def write_reasons(reasons: Iterable[model.Reason]) -> list[pb.Reason]:
    """Write why."""
    return [
        pb.Reason(
            code=reason.code,
            requirement=reason.requirement,
            title=write_text(reason.title) if reason.title else None,
            text=write_text(reason.text),
            field=reason.field,
            legal_basis=[
                pb.LegalBasis(number=law.number, instrument=law.instrument, article=law.article)
                for law in reason.legal_basis
            ],
            used=[write_used(used) for used in reason.used],
        )
        for reason in reasons
    ]


def write_used(used: model.Used) -> pb.Used:
    """Write a fact that something rests on."""
    return pb.Used(
        concept=used.concept,
        name=write_text(used.name),
        value=write_text(used.value),
        source=used.source,
        why=used.why or "",
    )


def write_evidence(evidence: model.Evidence) -> pb.EvidenceSummary:
    """What the applicant may know of an answer; its values are in the reasons and fields."""
    return pb.EvidenceSummary(
        evidence_type=evidence.evidence_type,
        provider=write_text(evidence.provider),
        status=pb.EvidenceStatus.Value(f"EVIDENCE_STATUS_{evidence.status.name}"),
        as_of_time=write_time(evidence.as_of),
        retrieve_time=write_time(evidence.retrieved_at),
        query_id=evidence.query_id,
        freshness=pb.Freshness.Value(f"FRESHNESS_{evidence.freshness.name}"),
    )


def _contradiction(found: model.Contradiction) -> pb.Contradiction:
    return pb.Contradiction(
        concept=found.concept,
        name=write_text(found.name),
        owner=write_text(found.owner),
        claims=[
            pb.Claim(
                evidence_type=one.evidence_type,
                name=write_text(one.name),
                display=write_text(one.display),
            )
            for one in found.claims
        ],
        check=None
        if found.check is None
        else pb.RecordCheck(
            ticket=found.check.ticket,
            answer_time=write_time(found.check.time),
            text=found.check.text,
        ),
    )


def write_replaced(paper: model.Replaced) -> pb.ReplacedDocument:
    """Write a paper that nobody brings."""
    return pb.ReplacedDocument(name=pb.Text(zh=paper.zh, en=paper.en), evidence_types=paper.by)


def _remedies(remedies: model.Remedies) -> pb.Remedies:
    return pb.Remedies(
        reconsideration_organ=write_text(remedies.reconsideration.organ),
        reconsideration_days=remedies.reconsideration.days,
        reconsideration_link=remedies.reconsideration.link,
        litigation_court=write_text(remedies.litigation.court),
        litigation_months=remedies.litigation.months,
    )


def write_receipt(receipt: model.Receipt) -> pb.Receipt:
    """Write where an entry stands."""
    return pb.Receipt(index=receipt.index, leaf_hash=bytes.fromhex(receipt.leaf_hash))


# ── cases ────────────────────────────────────────────────────────────────────────────────────────


def write_case(case: model.CaseSummary) -> case_pb2.Case:
    """Write a case, with its decisions and all that has followed where they are told."""
    written = case_pb2.Case(
        case_id=case.case_id,
        case_number=case.case_number,
        matter=case.matter,
        state=case_pb2.Case.State.Value(f"STATE_{case.state.name}"),
        filing_date=write_day(case.filing_date) if case.filing_date else None,
        create_time=write_time(case.create_time),
        decisions=[
            write_decision(decision)
            for decision in (case.decisions if isinstance(case, model.Case) else ())
        ],
    )
    if isinstance(case, CaseFile):
        written.events.extend(_event(one) for one in case.events)
        written.standing = case_pb2.Case.Standing.Value(f"STANDING_{case.standing.name}")
        written.grant.extend(write_granted(one) for one in case.grant)
        written.served.extend(
            case_pb2.Served(
                decision_index=one.decision,
                served_date=write_day(one.served_date),
                reconsideration_until=write_day(one.reconsideration_until),
                litigation_until=write_day(one.litigation_until),
            )
            for one in case.served
        )
        if case.rated is not None:
            written.rating.CopyFrom(write_rating(case.rated))
    return written


def write_standing_change(change: StandingChange) -> case_pb2.StandingChanged:
    """Write what is done about a grant."""
    return case_pb2.StandingChanged(
        decision_index=change.decision,
        act=case_pb2.StandingChanged.Act.Value(f"ACT_{change.act.name}"),
        by_fault_of_applicant=change.by_fault_of_applicant,
        legal_basis=change.legal_basis,
        effective_date=write_day(change.effective_date),
        heard_date=write_day(change.heard_date) if change.heard_date else None,
        text=write_text(change.text),
    )


def write_rating(rated: Rated) -> case_pb2.Rating:
    """Write how somebody rated a case, for themselves."""
    step = rated.rating.step
    assert isinstance(step, Rating), "its type says so"  # noqa: S101
    written = case_pb2.Rating(
        grade=case_pb2.Rating.Grade.Value(f"GRADE_{step.grade.name}"),
        text=step.text,
        time=write_time(rated.rating.time),
        due_time=write_time(step.due_time),
        receipt=write_receipt(rated.rating.receipt),
    )
    if rated.answer is not None:
        answer = rated.answer.step
        assert isinstance(answer, RatingAnswer), "its type says so"  # noqa: S101
        written.answer.CopyFrom(
            case_pb2.RatingAnswer(
                justified=answer.justified, text=answer.text, time=write_time(rated.answer.time)
            )
        )
    return written


def _event(happened: Happened) -> case_pb2.CaseEvent:
    """Something that has followed. A new kind does not type-check until it has its case here."""
    written = case_pb2.CaseEvent(
        time=write_time(happened.time), receipt=write_receipt(happened.receipt)
    )
    match happened.step:
        case Withdrawal(text=text):
            written.withdrawn.CopyFrom(case_pb2.Withdrawn(text=text))
        case ReviewRequest(text=text):
            written.review_requested.CopyFrom(case_pb2.ReviewRequested(text=text))
        case Reopening() as step:
            written.reopened.CopyFrom(
                case_pb2.Reopened(
                    decision_index=step.decision,
                    reason=write_text(step.reason),
                    notice=write_text(happened.notice),
                )
            )
        case Objection() as step:
            contest = decision_pb2.Contest(
                concept=step.concept, claimed=step.claimed, text=step.text
            )
            written.contested.CopyFrom(
                case_pb2.Contested(
                    contest=contest, ticket=step.ticket, evidence_type=step.evidence_type
                )
            )
        case Resolution() as step:
            written.ticket_resolved.CopyFrom(
                case_pb2.TicketResolved(
                    ticket=step.ticket,
                    concept=step.concept,
                    corrected=step.corrected,
                    text=step.text,
                )
            )
        case Delivery() as step:
            written.delivered.CopyFrom(
                case_pb2.Delivered(
                    decision_index=step.decision,
                    channel=case_pb2.Delivered.Channel.Value(f"CHANNEL_{step.channel.name}"),
                    delivered_time=write_time(step.delivered_time),
                    reference=step.reference,
                )
            )
        case StandingChange() as step:
            changed = write_standing_change(step)
            changed.notice.CopyFrom(write_text(happened.notice))
            written.standing_changed.CopyFrom(changed)
        case Mandate() | MandateEnd() | Stop() | LiftProposal() | Lift():
            raise AssertionError("a mandate and a stop are of no case")
        case StandingProposal() | StandingReturn() | Rating() | RatingTaken() | RatingAnswer():
            raise AssertionError("no case tells how clerks work, or how somebody rated")
        case _ as never:
            assert_never(never)
    return written


# ── offers ───────────────────────────────────────────────────────────────────────────────────────


def write_offer(offer: Offer) -> offer_pb2.Offer:
    """Write what somebody is offered."""
    state = offer_pb2.Offer.STATE_DECLINED if offer.declined else offer_pb2.Offer.STATE_OPEN
    return offer_pb2.Offer(
        offer_id=offer.offer_id,
        state=state,
        matter=offer.matter,
        rules_effective_date=write_day(offer.rules_effective_date),
        time=write_time(offer.time),
        until_date=write_day(offer.until_date),
        grant=[write_granted(one) for one in offer.grant],
        reasons=write_reasons(offer.reasons),
        evidence=[write_evidence(one) for one in offer.evidence],
        declared_fields=offer.declared_fields,
        notice=write_text(offer.notice),
        ask_again=offer.ask_again,
        receipt=write_receipt(offer.receipt),
    )


# ── prefilling ───────────────────────────────────────────────────────────────────────────────────


def write_event(event: model.PrefillEvent) -> prefill_pb2.PrefillResponse:
    """Write one message of a prefill stream."""
    match event:
        case model.PrefillStarted():
            started = prefill_pb2.PrefillStarted(
                case_id=event.case_id,
                case_number=event.case_number,
                rules_effective_date=write_day(event.rules_effective_date),
                evidence_types=event.evidence_types,
            )
            return prefill_pb2.PrefillResponse(started=started)
        case model.EvidenceArrived():
            arrived = prefill_pb2.EvidenceArrived(
                evidence=write_evidence(event.evidence),
                fields=[_field(one) for one in event.fields],
            )
            return prefill_pb2.PrefillResponse(evidence=arrived)
        case model.PrefillCompleted():
            completed = prefill_pb2.PrefillCompleted(
                fields=[_field(one) for one in event.fields],
                declared_fields=event.declared_fields,
                receipt=write_receipt(event.receipt),
                replaced=[write_replaced(one) for one in event.replaced],
            )
            return prefill_pb2.PrefillResponse(completed=completed)
        case _ as never:
            assert_never(never)


def _field(field: model.PrefilledField) -> prefill_pb2.PrefilledField:
    written = prefill_pb2.PrefilledField(
        key=field.key,
        concept=field.concept,
        name=write_text(field.name),
        display=write_text(field.display),
        evidence_type=field.evidence_type,
        as_of_time=write_time(field.as_of),
        contradiction=_contradiction(field.contradiction) if field.contradiction else None,
    )
    match field.fact:
        case model.Known(value=value):
            written.value.CopyFrom(write_value(value, field.type))
        case model.Unknown(why=why):
            written.why = why
        case _ as never:
            assert_never(never)
    return written


# ── matters ──────────────────────────────────────────────────────────────────────────────────────

_LEVELS = {
    model.AssuranceLevel.LOW: pb.ASSURANCE_LEVEL_LOW,
    model.AssuranceLevel.SUBSTANTIAL: pb.ASSURANCE_LEVEL_SUBSTANTIAL,
    model.AssuranceLevel.HIGH: pb.ASSURANCE_LEVEL_HIGH,
}


def write_matter(release: Release, *, is_stopped: bool) -> matter_pb2.Matter:
    """Write a matter as its release has it, and whether it is stopped now."""
    matter = release.matter
    minimum_deadline = Duration()
    minimum_deadline.FromTimedelta(matter.minimum_deadline)
    return matter_pb2.Matter(
        id=matter.id,
        name=write_text(matter.name),
        kind=matter.kind,
        competent_authority=write_text(matter.competent_authority),
        rules_effective_date=write_day(release.effective),
        release_digest=bytes.fromhex(release.digest),
        legal_resources=matter.legal_resources,
        modes=matter.modes,
        assurance_level=_LEVELS[matter.assurance_level],
        consent_notice_version=matter.consent_notice_version,
        evidence_types=[item.type for item in matter.evidence],
        replaces=[write_replaced(paper) for paper in matter.replaces],
        promised_limit=pb.PromisedLimit(
            days=matter.promised_limit.days, unit=matter.promised_limit.unit
        ),
        form_json_schema=release.form.text,
        limits=pb.CallLimits(minimum_deadline=minimum_deadline),
        remedies=_remedies(matter.remedies),
        applicants=matter.applicants,
        prefill_answers=sorted(matter.form_keys),
        offers=(
            matter_pb2.OfferTerms(
                legal_basis=matter.offers.legal_basis,
                purpose=matter.offers.purpose,
                valid_days=matter.offers.valid_days,
            )
            if matter.offers
            else None
        ),
        represented_by=[
            matter_pb2.Representation(capacity=capacity, legal_basis=basis)
            for capacity, basis in sorted(matter.represented_by.items())
        ],
        in_person=matter.in_person,
        stopped=is_stopped,
    )
