"""异议: a register's value that the person says is wrong, until the register has checked it (S6).

The register's own record is left alone. A ticket asks its owner to check (数据校核), and as long as
it is open the value counts as unknown in every application that rests on it.
"""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from decision_service.admission import Admission
from decision_service.casebook import By
from decision_service.followup import Objection
from decision_service.model import Application, Concept, Contest, EvidenceType, Party, Request
from decision_service.office import Office
from decision_service.release import Release

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that can be misread or misheard as a digit."""


async def under_objection(request: Request, admission: Admission, office: Office) -> Admission:
    """The admission with every concept that an open objection makes unknown here."""
    release = admission.release
    about = {
        concept: subject
        for concept in release.meanings
        if (subject := subject_of(concept, release, request.parties))
    }
    marks = await office.casebook.objected(about.values())
    return replace(
        admission,
        objected=frozenset(
            concept for concept, subject in about.items() if concept in marks[subject]
        ),
    )


async def raise_objections(
    application: Application, admission: Admission, *, office: Office, now: datetime
) -> None:
    """Open a ticket for every value of a register that the application contests; each once.

    Raises:
        NotRecordedError: One could not be recorded.
    """
    if not application.contests:
        return
    by = By(
        caller=application.caller,
        role="portal",
        now=now,
        request=office.record.request_key("Decide", application),
        content_digest=application.content_digest,
    )
    release = admission.release
    marks = await office.casebook.objected(one.subject for one in application.parties)
    for contest in application.contests:
        subject = subject_of(contest.concept, release, application.parties)
        if not subject or contest.concept in marks[subject]:
            continue
        step = objection(contest, release)
        await office.casebook.add(
            step,
            by=by,
            case_id=admission.case.case_id,
            matter=admission.case.matter,
            subject=subject,
            release_digest=release.digest,
            expect={office.casebook.ticket_key(step.ticket): None},
        )


def objection(contest: Contest, release: Release) -> Objection:
    """What the applicant says of a register's value, with a new ticket's number."""
    letters = "".join(secrets.choice(_DIGITS) for _ in range(10))
    return Objection(
        ticket=f"{letters[:5]}-{letters[5:]}",
        concept=contest.concept,
        evidence_type=EvidenceType(release.meanings[contest.concept].source),
        claimed=contest.claimed,
        text=contest.text,
    )


def subject_of(concept: Concept, release: Release, parties: tuple[Party, ...]) -> str:
    """Whom a register's value is about; empty for one that no register gives, or about nobody."""
    return next(_subjects(concept, release, parties), "")


def _subjects(concept: Concept, release: Release, parties: tuple[Party, ...]) -> Iterator[str]:
    source = release.meanings[concept].source if concept in release.meanings else ""
    for item in release.matter.evidence:
        for party in parties:
            if item.type == source and party.role == item.about:
                yield party.subject
