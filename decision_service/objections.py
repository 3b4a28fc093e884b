"""异议: a register's value that the person says is wrong, until the register has checked it (S6).

The register's own record is left alone. A ticket asks its owner to check (数据校核), and as long as
it is open the value counts as unknown in every application that rests on it.
"""

from datetime import datetime

from decision_service.admission import Admission, subject_of
from decision_service.casebook import By, Sight, new_ticket
from decision_service.followup import Objection
from decision_service.model import Application, Contest, EvidenceType
from decision_service.office import Office
from decision_service.release import Release


async def raise_objections(
    application: Application, admission: Admission, sight: Sight, *, office: Office, now: datetime
) -> Sight:
    """Open a ticket for every value of a register that the application contests; each once.

    Returns:
        What the application rests on, now that they are open.

    Raises:
        NotRecordedError: One could not be recorded.
    """
    release, casebook = admission.release, office.casebook
    by = By(
        caller=application.caller,
        role="portal",
        now=now,
        request=office.record.request_key("Decide", application),
        content_digest=application.content_digest,
    )
    for contest in application.contests:
        subject = subject_of(contest.concept, release, application.parties)
        # Another one may come between the look and the ticket; then it is looked again.
        while subject and contest.concept not in sight.marks[subject]:
            step = objection(contest, release)
            key = office.record.objections_key(subject)
            await casebook.add(
                step,
                by=by,
                case_id=admission.case.case_id,
                matter=admission.case.matter,
                subject=subject,
                release_digest=release.digest,
                expect={casebook.ticket_key(step.ticket): None, key: sight.objections[key]},
            )
            sight = await casebook.look(application)
    return sight


def objection(contest: Contest, release: Release) -> Objection:
    """What the applicant says of a register's value, with a new ticket's number."""
    return Objection(
        ticket=new_ticket(),
        concept=contest.concept,
        evidence_type=EvidenceType(release.meanings[contest.concept].source),
        claimed=contest.claimed,
        text=contest.text,
    )
