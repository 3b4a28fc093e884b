"""What every register file passes, over real sockets; a new register is one line in `REGISTERS`.

The sandbox gives one right answer of each register; the laboratory then serves it well, badly and
not at all. Every case is classified, and none comes back after its deadline.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import aiohttp
import pytest

from decision_service.identifiers import resident_check
from decision_service.model import (
    CaseId,
    Concept,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    Held,
    MatterId,
    Query,
)
from evidence_adapters import http, registry, sandbox
from evidence_adapters.sandbox import City, Drivers, Firms, Jobs, Lives, Misconduct, Traders
from tests.laboratory import laboratory, same, silence, with_

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
TODAY = date(2026, 3, 1)
DEADLINE_S = 3.0
SHORT_S = 0.3
"""For registers that never answer; the others have time, however busy the machine is."""

STALL_S = 1.5
"""What a busy machine may take from us after a deadline; closing in good order takes longer."""

PACKAGED = registry.load()
CITY = City(11)
CAST = {
    **CITY.cast(TODAY),
    **Lives(CITY).cast(),
    **Drivers(CITY).cast(),
    **Jobs(CITY).cast(),
}
FILINGS = Firms(CITY).cast(TODAY)
OPENINGS = Traders(CITY).cast(TODAY)
NO_FIRM = "91999999MA00000154"
ANOTHER = {
    "id_number": CAST["young_adult"].id_number,
    "guardian_id_number": CAST["young_adult"].id_number,
    "organisation_code": NO_FIRM,
    "house_code": "990000" + "0" * 19,
    "property_unit": "990000000000GB00001F00000000",
}
NOBODY = "99000019500101099" + resident_check("99000019500101099")


Keys: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Expected:
    """The keys of whom is on the register and whom is not, and what it then vouches for."""

    register: EvidenceType
    known: Keys
    values: Mapping[str, Held]
    unknown: Keys
    absence: EvidenceStatus
    absent: Mapping[str, Held]
    doubts: tuple[str, ...] = ()


def person(role: str) -> Keys:
    return {"id_number": CAST[role].id_number}


def guarded(role: str) -> Keys:
    """Whether the cast's guardian is somebody's."""
    return {**person(role), "guardian_id_number": CAST["guardian"].id_number}


def filing(role: str, *keys: str, **others: str) -> Keys:
    """Keys of a filing of the cast, but for those that are given."""
    firm, filer = FILINGS[role].firm, FILINGS[role].filer
    house = Firms(CITY).find_house(FILINGS[role].house_code)
    all_keys = {
        "id_number": filer.id_number,
        "organisation_code": firm.code,
        "house_code": FILINGS[role].house_code,
        "property_unit": house.unit if house else "",
    }
    return {key: others.get(key, all_keys[key]) for key in keys}


def opening(role: str, *keys: str) -> Keys:
    """Keys of an opening of the cast."""
    all_keys = {
        "id_number": OPENINGS[role].trader.id_number,
        "house_code": OPENINGS[role].house_code,
    }
    return {key: all_keys[key] for key in keys}


REGISTERS = [
    Expected(
        register=EvidenceType("population_register"),
        known=person("aged_75"),
        values={
            "applicant.identity_confirmed": True,
            "applicant.birth_date": date(1950, 12, 1),
            "applicant.hukou_city": "shenzhen",
        },
        unknown={"id_number": NOBODY},
        absence=EvidenceStatus.NO_RECORD_INCONCLUSIVE,
        absent={},
    ),
    Expected(
        register=EvidenceType("death_register"),
        known=person("deceased"),
        values={"applicant.living_status": "deceased"},
        unknown=person("aged_75"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"applicant.living_status": "living"},
    ),
    Expected(
        register=EvidenceType("payment_ledger"),
        known=person("account_of_another"),
        values={"applicant.allowance_in_payment": False, "applicant.card_account_own": False},
        doubts=("applicant.living_status",),
        unknown=person("without_card"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"applicant.allowance_in_payment": False},
    ),
    Expected(
        register=EvidenceType("library_register"),
        known=person("library_outstanding"),
        values={
            "applicant.library_card_held": True,
            "applicant.library_items_outstanding": Decimal(3),
        },
        unknown=person("aged_75"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "applicant.library_card_held": False,
            "applicant.library_items_outstanding": Decimal(0),
        },
    ),
    Expected(
        register=EvidenceType("company_register"),
        known=filing("device_dealer", "organisation_code", "id_number"),
        values={
            "organisation.registration_confirmed": True,
            "organisation.registration_status": "in_business",
            "organisation.represented_by_applicant": True,
            "organisation.registered_district": "luohu",
            "organisation.equity_frozen": False,
            "organisation.scope_covers_class_ii_devices": True,
            "organisation.scope_covers_food_sale": False,
            "organisation.registration_date": date(2020, 1, 1),
        },
        unknown=filing(
            "leased_office", "organisation_code", "id_number", organisation_code=NO_FIRM
        ),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"organisation.registration_confirmed": False},
    ),
    Expected(
        register=EvidenceType("address_register"),
        known=filing("crowded_address", "house_code"),
        values={
            "premises.house_code_exists": True,
            "premises.use": "business",
            "premises.district": "luohu",
            "premises.illegal_building": False,
            "premises.floor": Decimal(1),
            "premises.heritage_street": False,
            "premises.registered_firms": Decimal(61),
            "premises.property_unit": filing("crowded_address", "property_unit")["property_unit"],
        },
        unknown=filing("house_code_unknown", "house_code"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"premises.house_code_exists": False},
    ),
    Expected(
        register=EvidenceType("property_register"),
        known=filing("sealed_property", "property_unit", "organisation_code"),
        values={"premises.owned_by_organisation": True, "premises.sealed": True},
        unknown=filing(
            "sealed_property",
            "property_unit",
            "organisation_code",
            property_unit="990000999999GB00001F20260301",
        ),
        absence=EvidenceStatus.NO_RECORD_INCONCLUSIVE,
        absent={},
    ),
    Expected(
        register=EvidenceType("lease_register"),
        known=filing("lease_ends_on_filing_day", "house_code", "organisation_code"),
        values={"premises.leased_by_organisation": True, "premises.lease_end_date": TODAY},
        unknown=filing("lease_of_another", "house_code", "organisation_code"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"premises.leased_by_organisation": False},
    ),
    Expected(
        register=EvidenceType("credit_register"),
        known=filing("credit_hit_disputed", "organisation_code"),
        values={
            "organisation.credit_entries": Decimal(1),
            "organisation.credit_entries_disputed": Decimal(1),
            "organisation.listed_abnormal": False,
            "organisation.listed_abnormal_for_address": False,
        },
        unknown=filing("leased_office", "organisation_code"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "organisation.credit_entries": Decimal(0),
            "organisation.credit_entries_disputed": Decimal(0),
            "organisation.listed_abnormal": False,
            "organisation.listed_abnormal_for_address": False,
        },
    ),
    Expected(
        register=EvidenceType("residence_register"),
        known=person("endorsement_due"),
        values={
            "applicant.residence_registered": True,
            "applicant.residence_months": Decimal(30),
            "applicant.residence_gap_open": False,
            "applicant.residence_address_coded": True,
            "applicant.permit_state": "valid",
            "applicant.permit_endorsed_until": date(2026, 3, 21),
        },
        unknown=person("not_registered"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "applicant.residence_registered": False,
            "applicant.residence_months": Decimal(0),
            "applicant.residence_gap_open": False,
            "applicant.residence_address_coded": False,
            "applicant.permit_state": "none",
        },
    ),
    Expected(
        register=EvidenceType("insurance_register"),
        known=person("insured_eighteen_of_two_years"),
        values={
            "applicant.insured_months_unbroken": Decimal(3),
            "applicant.insured_months_in_two_years": Decimal(18),
            "applicant.insurance_active": True,
        },
        unknown=person("recognised_talent"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "applicant.insured_months_unbroken": Decimal(0),
            "applicant.insured_months_in_two_years": Decimal(0),
            "applicant.insurance_active": False,
        },
    ),
    Expected(
        register=EvidenceType("talent_register"),
        known=person("introduced_bachelor"),
        values={
            "applicant.talent_recognised": True,
            "applicant.introduction_kind": "on_the_job",
            "applicant.introduction_date": date(2021, 3, 1),
        },
        unknown=person("resident"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"applicant.talent_recognised": False, "applicant.introduction_kind": "none"},
    ),
    Expected(
        register=EvidenceType("education_register"),
        known=person("full_time_student"),
        values={
            "applicant.degree": "below_bachelor",
            "applicant.degree_full_time": False,
            "applicant.studying_full_time_here": True,
        },
        unknown=person("insured_too_short_degree_abroad"),
        absence=EvidenceStatus.NO_RECORD_INCONCLUSIVE,
        absent={},
    ),
    Expected(
        register=EvidenceType("housing_register"),
        known=person("renting_public_housing"),
        values={
            "applicant.rents_public_housing": True,
            "applicant.purchase_concession_used": False,
        },
        unknown=person("introduced_bachelor"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "applicant.rents_public_housing": False,
            "applicant.purchase_concession_used": False,
        },
    ),
    Expected(
        register=EvidenceType("subsidy_ledger"),
        known=person("rent_subsidy_received"),
        values={
            "applicant.talent_subsidy_received": False,
            "applicant.rent_subsidy_received": True,
            "applicant.care_subsidy_in_payment": False,
        },
        unknown=person("introduced_bachelor"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "applicant.talent_subsidy_received": False,
            "applicant.rent_subsidy_received": False,
            "applicant.care_subsidy_in_payment": False,
        },
    ),
    Expected(
        register=EvidenceType("traffic_register"),
        known=person("eleven_points"),
        values={
            "applicant.small_car_licence": "any_gearbox",
            "applicant.driving_licence_state": "valid",
            "applicant.first_licence_date": date(2016, 3, 1),
            "applicant.highest_cycle_points": Decimal(11),
            "applicant.drink_driving": False,
        },
        unknown=person("no_licence"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "applicant.small_car_licence": "none",
            "applicant.driving_licence_state": "none",
        },
    ),
    Expected(
        register=EvidenceType("offence_register"),
        known=person("dangerous_driver"),
        values={
            "applicant.accident_crime": False,
            "applicant.dangerous_driving_crime": True,
            "applicant.drug_use": False,
            "applicant.violent_crime": False,
        },
        unknown=person("driver"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "applicant.accident_crime": False,
            "applicant.dangerous_driving_crime": False,
            "applicant.drug_use": False,
            "applicant.violent_crime": False,
        },
    ),
    Expected(
        register=EvidenceType("transport_register"),
        known=person("revoked_three_years_ago"),
        values={
            "applicant.taxi_exam_passed": True,
            "applicant.taxi_exam_city": "shenzhen",
            "applicant.taxi_exam_date": date(2025, 3, 1),
            "applicant.taxi_qualification_revoked": True,
            "applicant.taxi_revocation_date": date(2023, 3, 1),
        },
        unknown=person("no_exam"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "applicant.taxi_exam_passed": False,
            "applicant.taxi_qualification_revoked": False,
        },
    ),
    Expected(
        register=EvidenceType("bar_register"),
        known=opening("one_of_two_bars_running", "id_number"),
        values={
            "applicant.bars": (
                {"ground": "revocation", "since": date(2023, 2, 28)},
                {"ground": "sentence", "since": date(2021, 3, 2)},
            )
        },
        unknown=opening("leased_shop", "id_number"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"applicant.bars": ()},
    ),
    Expected(
        register=EvidenceType("personal_credit_register"),
        known=opening("trader_credit_hit_disputed", "id_number"),
        values={
            "applicant.credit_entries": Decimal(1),
            "applicant.credit_entries_disputed": Decimal(1),
        },
        unknown=opening("leased_shop", "id_number"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "applicant.credit_entries": Decimal(0),
            "applicant.credit_entries_disputed": Decimal(0),
        },
    ),
    Expected(
        register=EvidenceType("personal_lease_register"),
        known=opening("shop_lease_ends_on_filing_day", "id_number", "house_code"),
        values={
            "premises.leased_by_applicant": True,
            "premises.applicant_lease_end_date": TODAY,
        },
        unknown=opening("promised_shop", "id_number", "house_code"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"premises.leased_by_applicant": False},
    ),
    Expected(
        register=EvidenceType("disability_register"),
        known=person("intellectual_grade_3"),
        values={
            "applicant.disability_certificate": "valid",
            "applicant.disability_category": "intellectual",
            "applicant.disability_grade": Decimal(3),
            "applicant.disability_valid_until": TODAY + timedelta(days=1_000),
        },
        unknown=person("not_disabled"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"applicant.disability_certificate": "none"},
    ),
    Expected(
        register=EvidenceType("veteran_register"),
        known=person("police_grade_5"),
        values={
            "applicant.service_certificate": "police",
            "applicant.service_certificate_valid": True,
            "applicant.service_disability_grade": Decimal(5),
        },
        unknown=person("not_disabled"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "applicant.service_certificate": "none",
            "applicant.service_certificate_valid": False,
        },
    ),
    Expected(
        register=EvidenceType("household_register"),
        known=person("spouse_not_known_child_disabled"),
        values={
            "applicant.household_relation": "head",
            "applicant.other_household_members": (
                {"relation": "spouse"},
                {"relation": "child", "certified": True},
            ),
        },
        unknown=person("severe_elsewhere"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={},
    ),
    Expected(
        register=EvidenceType("guardianship_register"),
        known=guarded("child"),
        values={
            "guardian.relation": "parent",
            "guardian.ward_birth_date": CAST["child"].birth_date,
        },
        unknown=guarded("aged_75"),
        absence=EvidenceStatus.NO_RECORD_INCONCLUSIVE,
        absent={},
    ),
    Expected(
        register=EvidenceType("unemployment_insurance_register"),
        known=person("capped_by_unused"),
        values={
            "applicant.unemployment_contribution_months": Decimal(150),
            "applicant.unused_benefit_months": Decimal(9),
            "applicant.unemployment_benefit_in_payment": False,
            "applicant.pension_in_payment": False,
        },
        unknown=person("never_insured"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "applicant.unemployment_contribution_months": Decimal(0),
            "applicant.unused_benefit_months": Decimal(0),
            "applicant.unemployment_benefit_in_payment": False,
        },
    ),
    Expected(
        register=EvidenceType("employment_register"),
        known=person("resigned"),
        values={
            "applicant.unemployment_registered": True,
            "applicant.unemployment_registered_on": date(2026, 2, 24),
            "applicant.benefit_claim_by": date(2026, 3, 5),
            "applicant.leaving_ground": "own_will",
            "applicant.reemployed": False,
        },
        unknown=person("not_registered_as_unemployed"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"applicant.unemployment_registered": False},
    ),
    Expected(
        register=EvidenceType("custody_register"),
        known=person("prisoner"),
        values={"applicant.custody": "prison"},
        unknown=person("job_seeker"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"applicant.custody": "none"},
    ),
    Expected(
        register=EvidenceType("business_holder_register"),
        known=person("stall_owner"),
        values={"applicant.holds_business": True},
        unknown=person("job_seeker"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"applicant.holds_business": False},
    ),
    Expected(
        register=EvidenceType("startup_register"),
        known=filing("startup_with_one_being_checked", "organisation_code"),
        values={
            "organisation.startup_subsidy_paid": False,
            "organisation.partners": (
                {
                    "ground": "graduate",
                    "since": date(2024, 3, 1),
                    "local": True,
                    "granted": False,
                },
                {"local": True, "granted": False},
            ),
        },
        unknown=filing("leased_office", "organisation_code"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={"organisation.startup_subsidy_paid": False, "organisation.partners": ()},
    ),
    Expected(
        register=EvidenceType("firm_insurance_register"),
        known=filing("startup_insured_six_months", "organisation_code", "id_number"),
        values={
            "applicant.insured_months_at_firm": Decimal(6),
            "applicant.insured_at_firm": True,
        },
        unknown=filing("startup_never_insured", "organisation_code", "id_number"),
        absence=EvidenceStatus.NO_RECORD_AUTHORITATIVE,
        absent={
            "applicant.insured_months_at_firm": Decimal(0),
            "applicant.insured_at_firm": False,
        },
    ),
]

pytestmark = pytest.mark.parametrize(
    "expected", [pytest.param(line, id=line.register) for line in REGISTERS]
)


def clock() -> datetime:
    return NOW


def question(expected: Expected, keys: Keys) -> Query:
    return Query(
        query_id="q/1",
        evidence_type=expected.register,
        about="applicant",
        keys=keys,
        matter=MatterId("old_age_allowance"),
        case_id=CaseId("c-1"),
        purpose="资格核验",
        legal_basis="《社会保险法》第八条",
        filing_date=TODAY,
    )


async def ask(
    expected: Expected, address: str, keys: Keys | None = None, *, within_s: float = DEADLINE_S
) -> Evidence:
    """One question to an address; whatever happens, it is over by the deadline."""
    loop = asyncio.get_running_loop()
    registers = {expected.register: PACKAGED[expected.register]}
    async with http.connect(registers, {expected.register: address}, clock=clock) as sources:
        started = loop.time()
        evidence = await sources[expected.register].fetch(
            question(expected, keys or expected.known), deadline=started + within_s
        )
        assert loop.time() - started < within_s + STALL_S, evidence
    assert evidence.retrieved_at == NOW
    assert evidence.status in VOUCHING or not evidence.values
    assert not any(
        number in evidence.detail
        for keys in (expected.known, expected.unknown)
        for number in keys.values()
    )
    return evidence


ANSWERS: dict[tuple[str, ...], bytes] = {}
VOUCHING = {EvidenceStatus.MATCH, EvidenceStatus.NO_RECORD_AUTHORITATIVE}


async def right_answer(expected: Expected, keys: Keys | None = None) -> dict[str, Any]:
    """What the sandbox's register says, as JSON; asked once, since it says the same each time."""
    keys = keys or expected.known
    asked = (expected.register, *keys.values())
    if asked not in ANSWERS:
        ANSWERS[asked] = await _ask_the_sandbox(expected.register, keys)
    answer: dict[str, Any] = json.loads(ANSWERS[asked])
    return answer


async def _ask_the_sandbox(key: EvidenceType, keys: Keys) -> bytes:
    register = PACKAGED[key]
    said = {**keys, "filing_date": TODAY.isoformat()}
    async with sandbox.serve(CITY, clock=clock) as running, aiohttp.ClientSession() as session:
        response = await session.request(
            register.request.method,
            running.address(key) + register.request.path,
            headers={name: said[field] for name, field in register.request.headers.items()},
            json={name: said[field] for name, field in register.request.body.items()} or None,
        )
        return await response.read()


# ── right answers ────────────────────────────────────────────────────────────────────────────────


async def test_what_is_on_the_register_is_a_match(expected: Expected) -> None:
    async with sandbox.serve(CITY, clock=clock) as running:
        evidence = await ask(expected, running.address(expected.register))

    register = PACKAGED[expected.register]
    assert evidence.status is EvidenceStatus.MATCH
    assert evidence.values == expected.values
    assert set(evidence.values) == set(register.concepts)
    assert evidence.as_of == NOW
    assert evidence.reference == "SB0000000001"
    assert (evidence.provider, evidence.transport) == (register.owner, "http")
    assert len(evidence.digest) == 64


async def test_what_is_not_on_the_register_has_the_declared_absence(expected: Expected) -> None:
    async with sandbox.serve(CITY, clock=clock) as running:
        evidence = await ask(expected, running.address(expected.register), expected.unknown)

    assert evidence.status is expected.absence
    assert evidence.values == expected.absent


async def test_no_key_stands_in_a_url_and_every_question_says_why(expected: Expected) -> None:
    async with sandbox.serve(CITY, clock=clock) as running:
        await ask(expected, running.address(expected.register))
        (access,) = running.accesses

    assert access.url == (
        running.address(expected.register) + PACKAGED[expected.register].request.path
    )
    assert not any(value in access.url for value in expected.known.values())
    assert access.query_id == "q/1"
    assert (access.case_id, access.matter) == ("c-1", "old_age_allowance")
    assert (access.purpose, access.legal_basis) == ("资格核验", "《社会保险法》第八条")


async def test_a_question_without_all_of_its_keys_is_not_put(expected: Expected) -> None:
    async with sandbox.serve(CITY, clock=clock) as running:
        address = running.address(expected.register)
        without = [
            await ask(expected, address, {**expected.known, key: ""}) for key in expected.known
        ]

        assert not running.accesses
    assert [(one.status, one.detail) for one in without] == [
        (EvidenceStatus.DENIED, f"not asked: no `{key}` is given") for key in expected.known
    ]


# ── the sandbox on command ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("how", "status"),
    [
        (Misconduct.SLOW, EvidenceStatus.UNAVAILABLE),
        (Misconduct.SILENT, EvidenceStatus.UNAVAILABLE),
        (Misconduct.DOWN, EvidenceStatus.UNAVAILABLE),
        (Misconduct.RESET, EvidenceStatus.UNAVAILABLE),
        (Misconduct.UNAVAILABLE, EvidenceStatus.UNAVAILABLE),
        (Misconduct.GARBAGE, EvidenceStatus.MALFORMED),
        (Misconduct.WRONG, EvidenceStatus.MALFORMED),
        (Misconduct.ANOTHER_SUBJECT, EvidenceStatus.MALFORMED),
        (Misconduct.FUTURE, EvidenceStatus.MALFORMED),
        (Misconduct.STALE, EvidenceStatus.MATCH),
        (Misconduct.DISPUTED, EvidenceStatus.DISPUTED),
        (Misconduct.AMBIGUOUS, EvidenceStatus.AMBIGUOUS),
        (Misconduct.PENDING, EvidenceStatus.PENDING),
        (Misconduct.DENIED, EvidenceStatus.DENIED),
    ],
)
async def test_misconduct_has_its_status(
    expected: Expected, how: Misconduct, status: EvidenceStatus
) -> None:
    async with sandbox.serve(CITY, clock=clock) as running:
        running.misbehave(expected.register, how)
        silent = how in {Misconduct.SLOW, Misconduct.SILENT}
        evidence = await ask(
            expected,
            running.address(expected.register),
            within_s=SHORT_S if silent else DEADLINE_S,
        )

    assert evidence.status is status
    if how is Misconduct.PENDING:
        assert evidence.pending_until == NOW + timedelta(days=3)
    if how is Misconduct.STALE:
        assert evidence.as_of == NOW - timedelta(days=400)


# ── the laboratory: what no honest register sends; the fault lab has what hangs on no file ───────


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param(b"{}", "off contract in", id="empty object"),
        pytest.param(b"null", "the answer is not an object", id="null"),
    ],
)
async def test_an_answer_that_says_nothing_is_malformed(
    expected: Expected, body: bytes, detail: str
) -> None:
    async with laboratory(with_(lambda _: body), {}) as address:
        evidence = await ask(expected, address)

    assert evidence.status is EvidenceStatus.MALFORMED
    assert detail in evidence.detail


async def test_the_laboratory_serves_a_right_answer_rightly(expected: Expected) -> None:
    """Without this, a laboratory that is broken itself would pass every test above."""
    async with laboratory(with_(same), await right_answer(expected)) as address:
        evidence = await ask(expected, address)

    assert evidence.values == expected.values


async def test_nobody_listening_is_unavailable(expected: Expected) -> None:
    async with laboratory(silence, {}) as address:
        pass

    evidence = await ask(expected, address)

    assert evidence.status is EvidenceStatus.UNAVAILABLE
    assert evidence.detail == "ClientConnectorError"


async def test_a_field_of_another_type_is_malformed(expected: Expected) -> None:
    register = PACKAGED[expected.register]
    answer = await right_answer(expected)
    found = answer[register.envelope.records]
    record = found[0] if isinstance(found, list) else found
    wrong = [
        {**answer, register.envelope.records: {**record, field: {"0": []}}}
        for field in register.normalise
    ] + [{**answer, field: {"0": []}} for field in register.envelope.fields]

    for document in wrong:
        async with laboratory(with_(same), document) as address:
            evidence = await ask(expected, address)
        assert evidence.status is EvidenceStatus.MALFORMED, document
        assert evidence.detail.startswith("off contract in `"), document


async def test_a_required_field_that_is_missing_or_blank_is_malformed(expected: Expected) -> None:
    register = PACKAGED[expected.register]
    answer = await right_answer(expected)
    found = answer[register.envelope.records]
    record = found[0] if isinstance(found, list) else found
    required = [name for name, rules in register.normalise.items() if rules.required]
    without = [{key: record[key] for key in record if key != name} for name in required]
    blank = [{**record, name: ""} for name in required]

    for bad in without + blank:
        async with laboratory(with_(same), {**answer, register.envelope.records: bad}) as address:
            evidence = await ask(expected, address)
        assert evidence.status is EvidenceStatus.MALFORMED, bad


async def test_the_record_of_another_subject_is_malformed(expected: Expected) -> None:
    """Whichever of the keys is another's, with and without the envelope that repeats it."""
    register = PACKAGED[expected.register]
    answer = await right_answer(expected)
    for key, told in expected.known.items():
        text = json.dumps(answer)
        swapped = json.loads(text.replace(told, ANOTHER[key]).replace(told.lower(), ANOTHER[key]))
        assert swapped != answer
        only_the_record = {
            **answer,
            register.envelope.records: swapped[register.envelope.records],
        }

        for document in (swapped, only_the_record):
            async with laboratory(with_(same), document) as address:
                evidence = await ask(expected, address)
            assert evidence.detail == f"the answer is about another `{key}`"


async def test_an_absence_of_somebody_else_proves_nothing(expected: Expected) -> None:
    answer = await right_answer(expected, expected.unknown)

    async with laboratory(with_(same), answer) as address:
        evidence = await ask(expected, address)

    assert evidence.status is not EvidenceStatus.NO_RECORD_AUTHORITATIVE
    assert not evidence.values


def test_the_register_names_concepts_that_the_line_above_expects(expected: Expected) -> None:
    meaning = PACKAGED[expected.register].meaning

    assert {Concept(name) for name in expected.values} == set(meaning.concepts)
    assert expected.doubts == meaning.doubts
    assert meaning.absent == expected.absent
