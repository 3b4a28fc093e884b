"""The sandbox's registers: commands, signatures, and what they keep of a question."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import aiohttp
import pytest

from decision_service.model import (
    CaseId,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    MatterId,
    Query,
)
from evidence_adapters import http, registry, sandbox
from evidence_adapters.credentials import Credentials
from evidence_adapters.sandbox import City, Firms, Misconduct, Running

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
DEATHS, POPULATION = EvidenceType("death_register"), EvidenceType("population_register")
CITY = City(5)
CAST = CITY.cast(date(2026, 3, 1))
FILINGS = Firms(CITY).cast(date(2026, 3, 1))
OLD, DEAD = CAST["aged_75"].id_number, CAST["deceased"].id_number


def clock() -> datetime:
    return NOW


@pytest.fixture
async def city_registers() -> AsyncIterator[Running]:
    async with sandbox.serve(CITY, clock=clock, token="t") as running:
        yield running


async def ask(
    running: Running,
    subject: str | Mapping[str, str],
    *,
    register: EvidenceType = DEATHS,
    on: date = date(2026, 3, 1),
    secret: str = "",
) -> Evidence:
    query = Query(
        query_id="q-1",
        evidence_type=register,
        about="applicant",
        keys={"id_number": subject} if isinstance(subject, str) else subject,
        matter=MatterId("old_age_allowance"),
        case_id=CaseId("c-1"),
        purpose="eligibility",
        legal_basis="consent 1",
        filing_date=on,
    )
    shown = {register: Credentials(secret=secret)}
    async with http.connect(
        registry.load(), running.addresses, clock=clock, credentials=shown
    ) as sources:
        deadline = asyncio.get_running_loop().time() + 3
        return await sources[register].fetch(query, deadline=deadline)


async def test_misconduct_towards_one_person_spares_the_others(city_registers: Running) -> None:
    city_registers.misbehave(DEATHS, Misconduct.DENIED, about=OLD)

    assert (await ask(city_registers, OLD)).status is EvidenceStatus.DENIED
    assert (await ask(city_registers, DEAD)).status is EvidenceStatus.MATCH
    assert (await ask(city_registers, OLD, register=POPULATION)).status is EvidenceStatus.MATCH


async def test_misconduct_about_one_firm_or_one_house_spares_the_others(
    city_registers: Running,
) -> None:
    leases = EvidenceType("lease_register")
    ours, theirs = FILINGS["leased_office"], FILINGS["device_dealer"]
    keys, others = (
        {"house_code": one.house_code, "organisation_code": one.firm.code} for one in (ours, theirs)
    )
    city_registers.misbehave(leases, Misconduct.DENIED, about=ours.firm.code, times=1)
    city_registers.misbehave(leases, Misconduct.PENDING, about=theirs.house_code, times=1)

    asked = [
        await ask(city_registers, one, register=leases) for one in (keys, others, keys, others)
    ]

    assert [one.status for one in asked] == ["DENIED", "PENDING", "MATCH", "MATCH"]


async def test_misconduct_ends_after_its_times(city_registers: Running) -> None:
    city_registers.misbehave(DEATHS, Misconduct.DENIED, times=2)

    statuses = [(await ask(city_registers, DEAD)).status for _ in range(3)]

    assert statuses == [EvidenceStatus.DENIED, EvidenceStatus.DENIED, EvidenceStatus.MATCH]


@pytest.mark.parametrize("how", [Misconduct.DOWN, Misconduct.RESET])
async def test_a_register_that_was_away_once_is_asked_again_at_once(
    city_registers: Running, how: Misconduct
) -> None:
    city_registers.misbehave(DEATHS, how, times=1)

    assert (await ask(city_registers, DEAD)).status is EvidenceStatus.MATCH
    assert len(city_registers.accesses) == 2


async def test_the_newest_command_is_followed_and_a_reset_ends_all(
    city_registers: Running,
) -> None:
    city_registers.misbehave(DEATHS, Misconduct.DENIED)
    city_registers.misbehave(DEATHS, Misconduct.WRONG)

    assert (await ask(city_registers, DEAD)).status is EvidenceStatus.MALFORMED
    city_registers.reset()
    assert (await ask(city_registers, DEAD)).status is EvidenceStatus.MATCH


def test_a_register_that_does_not_exist_cannot_be_commanded() -> None:
    running = Running(CITY, clock=clock, token="t", secrets={}, registers={})

    with pytest.raises(KeyError):
        running.misbehave(EvidenceType("tax_register"), Misconduct.DOWN)


async def test_commands_come_over_the_wire_with_the_token(city_registers: Running) -> None:
    order = {"register": "death_register", "how": "denied", "about": DEAD, "times": 1}
    with_token = {"Authorization": "Bearer t"}
    control = city_registers.control_address
    async with aiohttp.ClientSession(headers=with_token) as session:
        async with session.post(f"{control}/misbehave", json=order) as response:
            assert response.status == 204
        first, second = await ask(city_registers, DEAD), await ask(city_registers, DEAD)
        async with session.post(f"{control}/misbehave", json={**order, "times": None}) as response:
            assert response.status == 204
        async with session.post(f"{control}/reset") as response:
            assert response.status == 204
        third = await ask(city_registers, DEAD)

    assert [first.status, second.status, third.status] == ["DENIED", "MATCH", "MATCH"]


@pytest.mark.parametrize(
    ("token", "order", "status"),
    [
        pytest.param("wrong", {"register": "death_register", "how": "down"}, 401, id="token"),
        pytest.param("", {"register": "death_register", "how": "down"}, 401, id="no token"),
        pytest.param("t", {"register": "tax_register", "how": "down"}, 400, id="no such register"),
        pytest.param("t", {"register": "death_register", "how": "burn"}, 400, id="no such way"),
        pytest.param(
            "t", {"register": "death_register", "how": "mismatch"}, 400, id="no word for it"
        ),
        pytest.param("t", {"how": "down"}, 400, id="no register"),
        pytest.param("t", ["down"], 400, id="no object"),
    ],
)
async def test_a_wrong_command_changes_nothing(
    city_registers: Running, token: str, order: object, status: int
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{city_registers.control_address}/misbehave", json=order) as response,
    ):
        assert response.status == status

    assert (await ask(city_registers, DEAD)).status is EvidenceStatus.MATCH


async def test_a_register_with_a_key_answers_signed_questions_only() -> None:
    async with sandbox.serve(CITY, clock=clock, secrets={DEATHS: "right"}) as running:
        assert (await ask(running, DEAD, secret="right")).status is EvidenceStatus.MATCH
        assert (await ask(running, DEAD, secret="wrong")).status is EvidenceStatus.DENIED
        assert (await ask(running, DEAD)).status is EvidenceStatus.DENIED


def test_a_signature_covers_every_part_of_a_question() -> None:
    def sign(key: str = "k", **changed: Any) -> str:
        parts = {"method": "POST", "path": "/p", "headers": {"A": "1", "B": "2"}, "body": b"x"}
        return http.signature(key, **{**parts, **changed})

    assert sign() == sign(headers={"B": "2", "A": "1"})
    assert sign() != sign("l")
    assert sign() != sign(method="GET")
    assert sign() != sign(path="/q")
    assert sign() != sign(headers={"A": "1", "B": "3"})
    assert sign() != sign(headers={"A": "1"})
    assert sign() != sign(body=b"y")


async def test_a_death_is_registered_from_its_day_on(city_registers: Running) -> None:
    died = CAST["deceased"].death_date
    assert died is not None

    before = await ask(city_registers, DEAD, on=date(died.year, died.month, died.day - 1))
    on_the_day = await ask(city_registers, DEAD, on=died)

    assert before.values == {"applicant.living_status": "living"}
    assert on_the_day.values == {"applicant.living_status": "deceased"}


async def test_a_question_that_makes_no_sense_is_a_bad_request(city_registers: Running) -> None:
    url = city_registers.address(DEATHS) + "/v1/deaths/query"
    async with aiohttp.ClientSession() as session:
        for body in (b"", b"[]", b"{}", b"nonsense", b'{"sfzh": "1", "cxrq": "today"}'):
            async with session.post(url, data=body) as response:
                assert response.status == 400, body
