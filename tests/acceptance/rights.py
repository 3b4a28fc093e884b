"""What the acceptance tests share: people who act about their cases, and staff who answer."""

import asyncio
from datetime import UTC, date
from typing import Any
from uuid import uuid4

from decision_service.aftercare import Task
from decision_service.decide import decide
from decision_service.followup import Act, Channel, Delivery, Person, StandingChange
from decision_service.model import (
    EVERY_MATTER,
    Application,
    AssuranceLevel,
    Decision,
    Document,
    Text,
)
from decision_service.office import Office
from decision_service.record import Viewer
from decision_service.rights import Ask
from evidence_adapters.sandbox import Person as Citizen
from tests.service import person_tag

ALLOWANCE = "old_age_allowance"


def soon() -> float:
    """The event loop's clock in three seconds."""
    return asyncio.get_running_loop().time() + 3.0


async def decided(application: Application, office: Office, clock: Any) -> Decision:
    """Hand an application in."""
    return await decide(application, office=office, now=clock(), deadline=soon())


def ask(citizen: Citizen, case_id: str, method: str, clock: Any, **changes: Any) -> Ask:
    """What a person wants done about a case, through the portal that opened it."""
    document = Document(kind="resident_id", number=citizen.id_number)
    parts = {
        "caller": "portal-test",
        "role": "portal",
        "method": method,
        "request_id": str(uuid4()),
        "content_digest": uuid4().hex,
        "case_id": case_id,
        "person": Person(
            documents=(document,),
            assurance_level=AssuranceLevel.HIGH,
            authentication_time=clock(),
        ),
        "now": clock(),
        "deadline": soon(),
    }
    return Ask(**{**parts, **changes})


def task(method: str, clock: Any, **changes: Any) -> Task:
    """What a clerk records."""
    parts = {
        "caller": "clerk-1",
        "role": "clerk",
        "method": method,
        "request_id": str(uuid4()),
        "content_digest": uuid4().hex,
        "now": clock(),
        "person": person_tag("a clerk"),
        "matters": frozenset({EVERY_MATTER}),
    }
    return Task(**{**parts, **changes})


def viewer(clock: Any, caller: str = "clerk-1") -> Viewer:
    """A clerk of all matters, who asks."""
    return Viewer(caller, "clerk", clock(), frozenset({EVERY_MATTER}))


def act(kind: Act, decision: int, day: date, **changes: Any) -> StandingChange:
    """What is done about a grant, complete but for the changes."""
    parts = {
        "decision": decision,
        "act": kind,
        "legal_basis": "行政许可法 第六十九条第一款第四项",
        "effective_date": day,
        "heard_date": day,
        "text": Text(zh="经核实，申请时不符合条件。", en="On checking, a requirement was not met."),
    }
    return StandingChange(**{**parts, **changes})


def delivery(decision: int, channel: Channel, clock: Any) -> Delivery:
    """A channel's receipt for a notice."""
    return Delivery(
        decision=decision,
        channel=channel,
        delivered_time=clock().astimezone(UTC),
        reference=f"{channel}-1",
    )
