"""秒报: fill a form from what the city already knows."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from uuid import uuid4

from decision_service.admission import Admission, admit
from decision_service.evidence import RESERVED_S, asked_about, gather, plan
from decision_service.judge import contradictions, display
from decision_service.model import (
    Evidence,
    EvidenceArrived,
    EvidenceType,
    Known,
    PrefillCompleted,
    PrefilledField,
    PrefillEvent,
    PrefillRequest,
    PrefillStarted,
    Text,
)
from decision_service.office import Office
from decision_service.settle import replaced, settle


async def prefill(
    request: PrefillRequest, *, office: Office, now: datetime, deadline: float
) -> AsyncGenerator[PrefillEvent, None]:
    """Record the access, ask the registers, show each answer as it comes, then the whole form.

    Declarations, reasons and promises are never among what is shown (S7): a form field is filled
    only if its concept's source is a register. Answers so far let registers be asked that find
    by one of them, e.g. by the code of a house; call again when the applicant has typed it.

    Args:
        now: The one instant of this request.
        deadline: Instant of the event loop's clock by which the caller wants the last message.

    Raises:
        NotRecordedError: The access, or what was to be shown, could not be recorded.
        DecisionServiceError: The request cannot be admitted; see `admit` and `Form.read`.
    """
    sight = await office.casebook.look(request)
    admission = admit(request, sight, mode="prefill", office=office, now=now, deadline=deadline)
    release, case = admission.release, admission.case
    asked = plan(
        request,
        release,
        release.form.read(request.answers),
        objected=admission.objected,
        case_id=case.case_id,
        filing_date=admission.filing_date,
        now=now,
        new_id=lambda: str(uuid4()),
    )
    about = asked_about(request, asked)
    await office.record.access(
        request,
        about,
        case=case,
        opens_case=not request.case_id,
        release_digest=release.digest,
        now=now,
        flow="prefill",
    )
    yield PrefillStarted(
        case_id=case.case_id,
        case_number=case.case_number,
        rules_effective_date=release.effective,
        evidence_types=tuple(one.evidence_type for one in asked.questions),
    )
    seen: list[Evidence] = []
    answers = gather(asked, office.sources, deadline=deadline - RESERVED_S, now=now)
    async with aclosing(answers):
        async for evidence in answers:
            seen.append(evidence)
            yield EvidenceArrived(
                evidence=evidence,
                fields=tuple(
                    field
                    for field in filled(admission, seen, now)
                    if evidence.evidence_type
                    in {field.evidence_type, *release.seconds.get(field.concept, ())}
                ),
            )
    fields = filled(admission, seen, now)
    receipt = await office.record.prefilled(
        request, fields, seen, case=case, release_digest=release.digest, now=now
    )
    yield PrefillCompleted(
        fields=fields,
        declared_fields=release.form.declared,
        replaced=replaced(release, seen, now),
        receipt=receipt,
    )


def filled(
    admission: Admission, evidence: Sequence[Evidence], now: datetime
) -> tuple[PrefilledField, ...]:
    """Every field of the form that a register can fill, as far as this evidence fills it.

    A value under an open objection is not shown as if it were known.
    """
    release = admission.release
    facts = settle(
        release,
        evidence,
        {},
        admission.objected,
        filing_date=admission.filing_date,
        decide_time=now,
    )
    as_of = {item.evidence_type: item.as_of for item in evidence}
    contradicted = {one.concept: one for one in contradictions(release, facts)}

    def field(key: str) -> PrefilledField:
        meaning = release.meanings[release.form.concepts[key]]
        fact, source = facts[meaning.concept], EvidenceType(meaning.source)
        return PrefilledField(
            key=key,
            concept=meaning.concept,
            name=meaning.name,
            type=meaning.type,
            fact=fact,
            display=(
                display(fact.value, meaning.type) if isinstance(fact, Known) else Text(zh="", en="")
            ),
            evidence_type=source,
            as_of=as_of.get(source) if isinstance(fact, Known) else None,
            contradiction=contradicted.get(meaning.concept),
        )

    return tuple(field(key) for key in release.form.prefilled)
