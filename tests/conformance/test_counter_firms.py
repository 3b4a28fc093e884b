"""Firms at the counter: who files for a firm does not decide about it, and the firm is granted."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from decision_service.counter import desk, ruling
from decision_service.counter.determination import Instruction
from decision_service.decide import decide
from decision_service.errors import NotAuthorizedError
from decision_service.model import Application, Decision, Text
from decision_service.office import Office
from evidence_adapters.sandbox import City, Firms
from tests.counter import clerk_of_all
from tests.service import person_tag

REASON = Text(zh="现场核对无误", en="checked on the spot")


async def test_who_files_for_a_firm_does_not_decide_about_it(
    office: Office, clock: Any, people: City, file_for: Callable[..., Application]
) -> None:
    filing = Firms(people).cast(office.today(clock()))["leased_office"]
    referred = await decide(
        file_for(filing, "business_address_change", person_requested=True),
        office=office,
        now=clock(),
        deadline=asyncio.get_running_loop().time() + 10,
    )
    case_id = referred.case_id
    filer = clerk_of_all("clerk-filer", person_tag(filing.filer.id_number), clock())
    clerk = clerk_of_all("clerk-li", person_tag("li"), clock())

    with pytest.raises(NotAuthorizedError) as caught:
        await desk.dossier(case_id, blind=False, clerk=filer, office=office)
    found = await desk.dossier(case_id, blind=False, clerk=clerk, office=office)
    await desk.claim(case_id, found.etag, clerk=clerk, office=office)
    claimed = await desk.dossier(case_id, blind=False, clerk=clerk, office=office)
    wanted = Instruction(result="approve", text=REASON)
    decision = await ruling.determine(case_id, claimed.etag, wanted, clerk=clerk, office=office)

    assert caught.value.reason == "OWN_CASE"
    assert isinstance(decision, Decision)
    assert decision.outcome.kind == "approved"
    assert found.subject == f"organisation_code:{filing.firm.code}"
