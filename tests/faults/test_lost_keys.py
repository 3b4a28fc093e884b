"""Once a master key was lost nobody knows who was granted what, or objected: persons decide."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audit import recovery
from audit.trail import Trail
from decision_service import aftercare
from decision_service.catalogue import Catalogue
from decision_service.decide import decide
from decision_service.model import Application, Approved, Concept, Contest, Decision, Referred, Why
from decision_service.office import Office
from decision_service.replay import Reproduced, replay
from evidence_adapters.sandbox import City, Running
from tests.acceptance.rights import decided, task, viewer
from tests.service import open_office


async def test_what_can_be_granted_once_is_left_to_a_person_after_the_loss(
    tmp_path: Path,
    published: Catalogue,
    running: Running,
    people: City,
    clock: Any,
    apply_for: Callable[..., Application],
) -> None:
    folder = tmp_path / "store"
    Trail.create(folder, origin="test.invalid/miaopi")

    async def apply(office: Office, role: str) -> Decision:
        application = apply_for(people.cast(clock().date())[role], "old_age_allowance")
        deadline = asyncio.get_running_loop().time() + 10
        return await decide(application, office=office, now=clock(), deadline=deadline)

    async with (
        Trail.open(folder) as trail,
        open_office(published, running, trail, clock) as office,
    ):
        assert isinstance((await apply(office, "aged_75")).outcome, Approved)
    (folder / "master.key").unlink()
    await asyncio.to_thread(
        recovery.recover, folder, reason="the key was lost", operator="o", now=clock()
    )

    async with (
        Trail.open(folder) as trail,
        open_office(published, running, trail, clock) as office,
    ):
        again, refused = await apply(office, "aged_75"), await apply(office, "outside_hukou")
        replayed = await replay(again.receipt.index, office=office)

    assert isinstance(again.outcome, Referred)
    assert again.outcome.reasons[0].code == "GRANTS_UNKNOWN"
    assert "GRANTS_UNKNOWN" not in {reason.code for reason in refused.outcome.reasons}
    assert replayed == Reproduced()


async def test_a_value_somebody_objected_to_before_the_loss_is_doubtful_of_everybody(
    tmp_path: Path,
    published: Catalogue,
    running: Running,
    people: City,
    clock: Any,
    apply_for: Callable[..., Application],
) -> None:
    """Until the ticket is answered: who objected is somebody, and nobody can tell who."""
    folder = tmp_path / "store"
    Trail.create(folder, origin="test.invalid/miaopi")
    wrong = Contest(concept=Concept("applicant.birth_date"), claimed="1950-12-02", text="登记有误")
    cast = people.cast(clock().date())

    async with (
        Trail.open(folder) as trail,
        open_office(published, running, trail, clock) as office,
    ):
        application = apply_for(cast["aged_75"], "old_age_allowance", contests=(wrong,))
        await decided(application, office, clock)
    (folder / "master.key").unlink()
    await asyncio.to_thread(
        recovery.recover, folder, reason="the key was lost", operator="o", now=clock()
    )

    async with (
        Trail.open(folder) as trail,
        open_office(published, running, trail, clock) as office,
    ):
        doubted = await decided(apply_for(cast["aged_75"], "old_age_allowance"), office, clock)
        replayed = await replay(doubted.receipt.index, office=office)
        (ticket,) = await aftercare.open_tickets("", viewer(clock), office=office)
        await aftercare.resolve(
            task("ResolveTicket", clock),
            str(ticket.permanent["ticket"]),
            corrected=True,
            text="已更正",
            office=office,
        )
        answered = await decided(apply_for(cast["aged_75"], "old_age_allowance"), office, clock)

    assert Why.CONTESTED in why(doubted)
    assert replayed == Reproduced()
    assert Why.CONTESTED not in why(answered)


def why(decision: Decision) -> set[Why | None]:
    return {used.why for reason in decision.outcome.reasons for used in reason.used}
