"""Once a master key was lost nobody knows what was granted; a person checks, and nothing twice."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audit import recovery
from audit.trail import Trail
from decision_service.catalogue import Catalogue
from decision_service.decide import decide
from decision_service.model import Application, Approved, Decision, Referred
from decision_service.office import Office
from decision_service.replay import Reproduced, replay
from evidence_adapters.sandbox import City, Running
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
