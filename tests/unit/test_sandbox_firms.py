"""The firms and houses of the sandbox: nobody real, each once, and the cast that tests need."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from decision_service.identifiers import organisation_code_is_valid
from decision_service.model import (
    CaseId,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    MatterId,
    Query,
)
from evidence_adapters import http, registry, sandbox
from evidence_adapters.sandbox import City, Filing, Firms, Running

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
TODAY = date(2026, 3, 1)
REGISTERS = registry.load()
CITY = City(3)
FIRMS = Firms(CITY)
CAST = FIRMS.cast(TODAY)
EVERY = list(FIRMS)
HOUSES = [FIRMS.house(number) for number in range(len(FIRMS))]


def test_two_thousand_firms_have_valid_codes_of_their_own_at_no_real_place() -> None:
    codes = [firm.code for firm in EVERY]

    assert len(codes) == len(set(codes)) == len(FIRMS) == 2_000
    assert all(organisation_code_is_valid(code) for code in codes)
    assert all(code.startswith("91990000MA") for code in codes)
    assert all(firm.name.startswith("沙盒市") for firm in EVERY)


def test_every_firm_is_represented_by_a_grown_and_living_person_of_the_city() -> None:
    for firm in EVERY:
        person = CITY.find(firm.representative)
        assert person is not None
        assert person.death_date is None
        assert person.birth_date.year <= 2004


def test_firms_and_houses_are_of_every_kind() -> None:
    for kind in (
        *(sum(firm.status == word for firm in EVERY) for word in ("suspended", "revoked")),
        sum(firm.status == "cancelled" for firm in EVERY),
        sum(firm.equity != "free" for firm in EVERY),
        sum(firm.class_ii_devices for firm in EVERY),
        sum(firm.credit_entries > firm.credit_entries_disputed for firm in EVERY),
        sum(firm.credit_entries_disputed > 0 for firm in EVERY),
        *(sum(firm.listed == word for firm in EVERY) for word in ("address", "report")),
        *(sum(house.use == word for house in HOUSES) for word in ("residential", "mixed")),
        sum(house.illegal for house in HOUSES),
        sum(house.restriction != "none" for house in HOUSES),
        sum(bool(house.owner) for house in HOUSES),
        sum(bool(house.tenant) for house in HOUSES),
        sum(not house.unit for house in HOUSES),
        sum(house.lease_end is not None and house.lease_end < TODAY for house in HOUSES),
    ):
        assert 10 < kind < 1_500


def test_the_registers_cannot_contradict_each_other_about_a_firm_or_a_house() -> None:
    for firm, house in zip(EVERY, HOUSES, strict=True):
        assert firm.credit_entries_disputed <= firm.credit_entries
        assert {house.owner, house.tenant} <= {"", firm.code}
        assert not (house.owner and house.tenant)
        assert bool(house.tenant) == (house.lease_end is not None)


def test_everything_is_found_by_its_number_and_nothing_else_is() -> None:
    for number in (0, 1_999):
        firm, house = FIRMS.firm(number), HOUSES[number]
        assert FIRMS.find_firm(firm.code) == firm
        assert FIRMS.find_house(house.code) == house
    deeds = [house for house in HOUSES if house.unit]
    assert all(FIRMS.find_unit(house.unit) == house for house in deeds)
    for code in ("", "11440300007542195T", "91999999MA00000154", FIRMS.firm(0).code[:-1] + "0"):
        assert FIRMS.find_firm(code) is None
    for code in ("", "4403030010010000001000001", "9900002026023000000900000"):
        assert FIRMS.find_house(code) is None
    for unit in ("", "440303001001GB00001F00010001", "990000002000GB00001F00000000"):
        assert FIRMS.find_unit(unit) is None


def test_the_cast_is_found_by_its_numbers() -> None:
    assert all(FIRMS.find_firm(one.firm.code) == one.firm for one in CAST.values())
    assert all(CITY.find(one.filer.id_number) == one.filer for one in CAST.values())
    assert len({one.firm.code for one in CAST.values()}) == len(CAST)
    assert len({one.filer.id_number for one in CAST.values()}) == len(CAST)
    assert {role for role in CAST if FIRMS.find_house(CAST[role].house_code) is None} == {
        "house_code_unknown"
    }


@pytest.mark.parametrize("number", [-1, 2_000])
def test_there_is_no_firm_and_no_house_of_a_number_outside(number: int) -> None:
    with pytest.raises(IndexError):
        FIRMS.firm(number)
    with pytest.raises(IndexError):
        FIRMS.house(number)


def test_another_seed_is_another_city() -> None:
    others = Firms(City(4))

    assert [FIRMS.firm(n) for n in range(20)] != [others.firm(n) for n in range(20)]
    assert HOUSES[:20] != [others.house(n) for n in range(20)]


def test_a_firm_stays_the_same_from_version_to_version() -> None:
    """Demonstrations and recorded cases name these numbers: they must mean the same for ever."""
    firms = Firms(City(755))

    assert firms.firm(0).code == "91990000MA0000007X"
    assert firms.firm(0).representative == "990000196507037424"
    assert firms.cast(TODAY)["leased_office"].firm.code == "91990000MA90000039"
    assert firms.cast(TODAY)["leased_office"].house_code == "9900002027030100000900000"
    assert firms.cast(TODAY)["disputed"].firm.code == "91990000MA90002651"


# ── what the registers say of the cast ───────────────────────────────────────────────────────────


def clock() -> datetime:
    return NOW


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with sandbox.serve(CITY, clock=clock) as running:
        yield running


async def ask(running: Running, register: str, one: Filing) -> Evidence:
    house = FIRMS.find_house(one.house_code)
    keys: Mapping[str, str] = {
        "organisation_code": one.firm.code,
        "id_number": one.filer.id_number,
        "house_code": one.house_code,
        "property_unit": house.unit if house else "",
    }
    key = EvidenceType(register)
    query = Query(
        query_id="q-1",
        evidence_type=key,
        about="organisation",
        keys={name: keys[name] for name in REGISTERS[key].keys},
        matter=MatterId("registered_address_change"),
        case_id=CaseId("c-1"),
        purpose="eligibility",
        legal_basis="consent 1",
        filing_date=TODAY,
    )
    async with http.connect(REGISTERS, running.addresses, clock=clock) as sources:
        return await sources[key].fetch(query, deadline=asyncio.get_running_loop().time() + 3)


COMPANY, ADDRESS, PROPERTY = "company_register", "address_register", "property_register"
LEASE, CREDIT = "lease_register", "credit_register"


@pytest.mark.parametrize(
    ("role", "register", "said"),
    [
        ("leased_office", COMPANY, {"organisation.registration_status": "in_business"}),
        ("leased_office", COMPANY, {"organisation.represented_by_applicant": True}),
        ("leased_office", COMPANY, {"organisation.registered_district": "luohu"}),
        ("leased_office", COMPANY, {"organisation.equity_frozen": False}),
        ("leased_office", ADDRESS, {"premises.use": "business", "premises.district": "luohu"}),
        ("leased_office", ADDRESS, {"premises.illegal_building": False}),
        ("leased_office", PROPERTY, {"premises.owned_by_organisation": False}),
        ("leased_office", LEASE, {"premises.lease_end_date": date(2027, 3, 1)}),
        ("leased_office", CREDIT, {"organisation.credit_entries": Decimal(0)}),
        ("leased_office", CREDIT, {"organisation.listed_abnormal": False}),
        ("owned_office", PROPERTY, {"premises.owned_by_organisation": True}),
        ("owned_office", PROPERTY, {"premises.sealed": False}),
        ("owned_office", LEASE, {"premises.leased_by_organisation": False}),
        ("residential_address", ADDRESS, {"premises.use": "residential"}),
        ("mixed_use_address", ADDRESS, {"premises.use": "mixed"}),
        ("illegal_building", ADDRESS, {"premises.illegal_building": True}),
        ("crowded_address", ADDRESS, {"premises.registered_firms": Decimal(61)}),
        ("other_district", ADDRESS, {"premises.district": "nanshan"}),
        ("other_city", ADDRESS, {"premises.district": "elsewhere"}),
        ("sealed_property", PROPERTY, {"premises.sealed": True}),
        ("lease_ended_yesterday", LEASE, {"premises.lease_end_date": date(2026, 2, 28)}),
        ("lease_ended_yesterday", LEASE, {"premises.leased_by_organisation": True}),
        ("lease_ends_on_filing_day", LEASE, {"premises.lease_end_date": TODAY}),
        ("lease_of_another", LEASE, {"premises.leased_by_organisation": False}),
        ("equity_frozen", COMPANY, {"organisation.equity_frozen": True}),
        ("suspended", COMPANY, {"organisation.registration_status": "suspended"}),
        ("revoked", COMPANY, {"organisation.registration_status": "revoked"}),
        ("cancelled", COMPANY, {"organisation.registration_status": "cancelled"}),
        ("abnormal_for_address", CREDIT, {"organisation.listed_abnormal": True}),
        ("abnormal_for_address", CREDIT, {"organisation.listed_abnormal_for_address": True}),
        ("abnormal_for_another_cause", CREDIT, {"organisation.listed_abnormal": True}),
        ("abnormal_for_another_cause", CREDIT, {"organisation.listed_abnormal_for_address": False}),
        ("credit_hit", CREDIT, {"organisation.credit_entries": Decimal(1)}),
        ("credit_hit", CREDIT, {"organisation.credit_entries_disputed": Decimal(0)}),
        ("credit_hit_disputed", CREDIT, {"organisation.credit_entries_disputed": Decimal(1)}),
        ("house_code_unknown", ADDRESS, {"premises.house_code_exists": False}),
        ("device_dealer", COMPANY, {"organisation.scope_covers_class_ii_devices": True}),
        ("no_device_scope", COMPANY, {"organisation.scope_covers_class_ii_devices": False}),
        ("representative_died", COMPANY, {"organisation.represented_by_applicant": True}),
        ("representative_died", "death_register", {"applicant.living_status": "deceased"}),
        ("filer_is_another", COMPANY, {"organisation.represented_by_applicant": False}),
        ("filer_is_another", "death_register", {"applicant.living_status": "living"}),
    ],
)
async def test_the_cast_is_what_its_names_say(
    running: Running, role: str, register: str, said: Mapping[str, Any]
) -> None:
    evidence = await ask(running, register, CAST[role])

    assert {**evidence.values, **said} == evidence.values


async def test_a_house_without_a_deed_leaves_the_property_unit_unknown(running: Running) -> None:
    evidence = await ask(running, ADDRESS, CAST["house_without_deed"])

    assert evidence.status is EvidenceStatus.MATCH
    assert "premises.property_unit" not in evidence.values
    assert evidence.values["premises.house_code_exists"] is True


@pytest.mark.parametrize("register", [COMPANY, PROPERTY, LEASE, CREDIT])
async def test_an_objection_to_all_of_a_firm_s_records_is_seen_everywhere(
    running: Running, register: str
) -> None:
    evidence = await ask(running, register, CAST["disputed"])

    assert evidence.status is EvidenceStatus.DISPUTED
    assert not evidence.values
