"""The contract with the death register: what we ask and what we can read, verified on the sandbox.

The consumer's half runs our own adapter against Pact's register and writes the contract down; the
provider's half holds the sandbox's register to it. A real register is held to the same file.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from decision_service.model import (
    CaseId,
    Concept,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    MatterId,
    Query,
)
from evidence_adapters import http, registry, sandbox
from evidence_adapters.sandbox import City, Misconduct

os.environ["PACT_DO_NOT_TRACK"] = "true"

from pact import Pact, Verifier, match

DEATHS = EvidenceType("death_register")
LIVING = "990000195012010014"
NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
DEAD = City(1).cast(NOW.date())["deceased"].id_number
INSTANT = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$"
PENDING = "the register must ask a person first"


def clock() -> datetime:
    return NOW


async def ask(address: str, person: str) -> Evidence:
    query = Query(
        query_id="q-1",
        evidence_type=DEATHS,
        about="applicant",
        keys={"id_number": person},
        matter=MatterId("old_age_allowance"),
        case_id=CaseId("c-1"),
        purpose="资格核验",
        legal_basis="consent 1",
        filing_date=date(2026, 3, 1),
    )
    async with http.connect(registry.load(), {DEATHS: address}, clock=clock) as sources:
        loop = asyncio.get_running_loop()
        return await sources[DEATHS].fetch(query, deadline=loop.time() + 5)


def interaction(pact: Pact, what: str, state: str, person: str, answer: Mapping[str, Any]) -> None:
    """One question of ours and the answer that we can read."""
    (
        pact.upon_receiving(what)
        .given(state)
        .with_request("POST", "/v1/deaths/query")
        .with_header("X-Road-Id", "q-1")
        .with_header("X-Road-Issue", "c-1")
        .with_header("Miaopi-Matter", "old_age_allowance")
        .with_header("Miaopi-Purpose", "%E8%B5%84%E6%A0%BC%E6%A0%B8%E9%AA%8C")
        .with_header("Miaopi-Legal-Basis", "consent%201")
        .with_body({"sfzh": person, "cxrq": "2026-03-01"}, content_type="application/json")
        .will_respond_with(200)
        .with_header("X-Road-Id", "q-1")
        .with_body(
            {
                "lsh": match.like("SB0000000001"),
                "sfzh": person,
                "gxsj": match.regex("2026-03-01 10:00:00", regex=INSTANT),
                **answer,
            },
            content_type="application/json",
        )
    )


@asynccontextmanager
async def states(running: sandbox.Running) -> AsyncIterator[str]:
    """Where Pact says which state it needs; most states are who the sandbox's people are.

    Our own endpoint: the one that Pact opens for a Python function it never closes.
    """

    async def enter(request: web.Request) -> web.Response:
        asked = await request.json()
        running.reset()
        if (asked["state"], asked["action"]) == (PENDING, "setup"):
            running.misbehave(DEATHS, Misconduct.PENDING)
        return web.Response()

    app = web.Application()
    app.router.add_post("/state", enter)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/state"
    finally:
        await runner.cleanup()


@pytest.mark.timeout(60)
async def test_the_death_register_keeps_our_contract(tmp_path: Path) -> None:
    pact = Pact("miaopi", "death-register").with_specification("V4")
    record = {"sfzh": DEAD, "swrq": match.regex("2024年12月31日", regex=r"^\d{4}年\d{2}月\d{2}日$")}
    interaction(pact, "one who lives", "nobody died", LIVING, {"ztdm": "01", "sj": None})
    interaction(pact, "one who died", "the person died", DEAD, {"ztdm": "00", "sj": record})
    later = {"ztdm": "05", "yjfksj": match.regex("2026-03-04 10:00:00", regex=INSTANT)}
    with pact.serve(addr="127.0.0.1") as register:
        living = await ask(str(register.url), LIVING)
        dead = await ask(str(register.url), DEAD)
    pact_of_waiting = Pact("miaopi", "death-register").with_specification("V4")
    interaction(pact_of_waiting, "one to be looked into", PENDING, LIVING, later)
    with pact_of_waiting.serve(addr="127.0.0.1") as register:
        waiting = await ask(str(register.url), LIVING)
    pact.write_file(tmp_path)
    pact_of_waiting.write_file(tmp_path)

    assert living.values == {Concept("applicant.living_status"): "living"}
    assert dead.values == {Concept("applicant.living_status"): "deceased"}
    assert waiting.status is EvidenceStatus.PENDING
    assert waiting.pending_until == datetime(2026, 3, 4, 2, 0, tzinfo=UTC)

    async with sandbox.serve(City(1), clock=clock) as running, states(running) as state_url:
        verifier = (
            Verifier("death-register", host="127.0.0.1")
            .add_transport(url=running.address(DEATHS))
            .add_source(tmp_path)
            .state_handler(state_url, teardown=True, body=True)
        )
        await asyncio.to_thread(verifier.verify)

        assert len(running.accesses) == 3
