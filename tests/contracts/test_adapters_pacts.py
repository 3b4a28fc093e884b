"""The contract with every register: what we ask and what we can read, verified on the sandbox.

The consumer's half runs our own adapter against Pact's register and writes the contract down; the
provider's half holds the sandbox's register to it. A new register is one line in `SPEECHES`: its
questions, its codes and its fields are taken from its file.

Pacts are written anew each time and not committed: they follow from the register's file and the
line here, and a third copy could only drift. For the owner of a real register, who is held to
the same file: ``pytest tests/contracts/test_adapters_pacts.py --basetemp=pacts``.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from decision_service.model import (
    CaseId,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    Held,
    MatterId,
    Query,
)
from evidence_adapters import http, registry, sandbox
from evidence_adapters.register import FieldRules, Register, our_names
from evidence_adapters.sandbox import City, Drivers, Firms, Jobs, Lives, Misconduct, Traders

os.environ["PACT_DO_NOT_TRACK"] = "true"

from pact import Pact, Verifier, match

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
TODAY = date(2026, 3, 1)
CAST = {
    **City(1).cast(TODAY),
    **Lives(City(1)).cast(),
    **Drivers(City(1)).cast(),
    **Jobs(City(1)).cast(),
}
FILINGS = Firms(City(1)).cast(TODAY)
OPENINGS = Traders(City(1)).cast(TODAY)
NO_FIRM = "91999999MA00000154"
MATTER, CASE, PURPOSE, BASIS = "old_age_allowance", "c-1", "资格核验", "consent 1"


def person(role: str) -> Mapping[str, str]:
    return {"id_number": CAST[role].id_number}


def guarded(role: str) -> Mapping[str, str]:
    return {**person(role), "guardian_id_number": CAST["guardian"].id_number}


def trader(role: str) -> Mapping[str, str]:
    return {"id_number": OPENINGS[role].trader.id_number}


def shop(role: str) -> Mapping[str, str]:
    return {**trader(role), "house_code": OPENINGS[role].house_code}


def firm(role: str) -> Mapping[str, str]:
    return {"organisation_code": FILINGS[role].firm.code}


def house(role: str) -> Mapping[str, str]:
    return {"house_code": FILINGS[role].house_code}


def unit(role: str) -> str:
    found = Firms(City(1)).find_house(FILINGS[role].house_code)
    assert found is not None
    return found.unit


@dataclass(frozen=True)
class Speech:
    """How a register speaks, as far as its file leaves that open.

    Attributes:
        register: Its key.
        instant: An instant as it writes it.
        known: Keys of the query about somebody who is on the register.
        unknown: Keys of the query about somebody who is not.
        record: What it holds of the one who is known, in its own words; keys and instants apart.
        values: What that means.
        nothing: What stands in place of a record where there is none.
        objection: How it says that an objection is open; None if a code of its own says so.
        codes: Whether its codes are texts or numbers.
    """

    register: str
    instant: str
    known: Mapping[str, str]
    unknown: Mapping[str, str]
    record: Mapping[str, Any]
    values: Mapping[str, Held]
    nothing: Any
    objection: str | bool | None = None
    codes: type[str | int] = str


SPEECHES = [
    Speech(
        register="population_register",
        instant="2026-03-01 10:00:00",
        known=person("aged_75"),
        unknown={"id_number": "990000195001010991"},
        record={"csrq": "19501201", "hjdxzqh": "440303"},
        values={
            "applicant.identity_confirmed": True,
            "applicant.birth_date": date(1950, 12, 1),
            "applicant.hukou_city": "shenzhen",
        },
        nothing=[],
        objection="1",
        codes=int,
    ),
    Speech(
        register="death_register",
        instant="2026-03-01 10:00:00",
        known=person("deceased"),
        unknown=person("aged_75"),
        record={"swrq": "2024年12月31日"},
        values={"applicant.living_status": "deceased"},
        nothing=None,
    ),
    Speech(
        register="payment_ledger",
        instant="20260301100000",
        known=person("already_in_payment"),
        unknown=person("without_card"),
        record={"ffzt": "1", "zhgs": "1"},
        values={"applicant.allowance_in_payment": True, "applicant.card_account_own": True},
        nothing=[],
        objection="是",
    ),
    Speech(
        register="library_register",
        instant="2026-03-01T02:00:00+00:00",
        known=person("library_outstanding"),
        unknown=person("aged_75"),
        record={"wghcs": 3},
        values={
            "applicant.library_card_held": True,
            "applicant.library_items_outstanding": 3,
        },
        nothing=None,
        objection=True,
    ),
    Speech(
        register="company_register",
        instant="20260301100000",
        known={**firm("suspended"), "id_number": FILINGS["suspended"].filer.id_number},
        unknown={"organisation_code": NO_FIRM, "id_number": CAST["aged_75"].id_number},
        record={
            "djzt": "2",
            "sffddbr": "1",
            "zsxzqh": "440303",
            "gqzt": "0",
            "clrq": "20200101",
            "sfhspxs": "0",
            "sfhelqx": "0",
        },
        values={
            "organisation.registration_confirmed": True,
            "organisation.registration_status": "suspended",
            "organisation.represented_by_applicant": True,
            "organisation.registered_district": "luohu",
            "organisation.equity_frozen": False,
            "organisation.scope_covers_class_ii_devices": False,
            "organisation.scope_covers_food_sale": False,
            "organisation.registration_date": date(2020, 1, 1),
        },
        nothing=None,
    ),
    Speech(
        register="address_register",
        instant="2026-03-01T02:00:00+00:00",
        known=house("residential_address"),
        unknown=house("house_code_unknown"),
        record={
            "usage": "20",
            "districtCode": "440303",
            "isIllegal": False,
            "floorNo": 1,
            "isHeritageStreet": False,
            "entityCount": 1,
            "realEstateUnitNo": unit("residential_address"),
        },
        values={
            "premises.house_code_exists": True,
            "premises.use": "residential",
            "premises.district": "luohu",
            "premises.illegal_building": False,
            "premises.floor": 1,
            "premises.heritage_street": False,
            "premises.registered_firms": 1,
            "premises.property_unit": unit("residential_address"),
        },
        nothing=[],
        codes=int,
    ),
    Speech(
        register="property_register",
        instant="2026-03-01 10:00:00",
        known={**firm("sealed_property"), "property_unit": unit("sealed_property")},
        unknown={**firm("sealed_property"), "property_unit": "990000999999GB00001F20260301"},
        record={"SFQLR": "Y", "CFZT": "查封"},
        values={"premises.owned_by_organisation": True, "premises.sealed": True},
        nothing=None,
        objection="Y",
    ),
    Speech(
        register="lease_register",
        instant="2026-03-01 10:00:00",
        known={**firm("lease_ends_on_filing_day"), **house("lease_ends_on_filing_day")},
        unknown={**firm("lease_of_another"), **house("lease_of_another")},
        record={"zlqxz": "2026/03/01"},
        values={"premises.leased_by_organisation": True, "premises.lease_end_date": TODAY},
        nothing=[],
        objection="是",
        codes=int,
    ),
    Speech(
        register="credit_register",
        instant="2026-03-01T02:00:00+00:00",
        known=firm("abnormal_for_address"),
        unknown=firm("leased_office"),
        record={"sxts": 0, "yybzts": 0, "sfyc": "Y", "zswfll": "Y"},
        values={
            "organisation.credit_entries": 0,
            "organisation.credit_entries_disputed": 0,
            "organisation.listed_abnormal": True,
            "organisation.listed_abnormal_for_address": True,
        },
        nothing=None,
    ),
    Speech(
        register="residence_register",
        instant="20260301100000",
        known=person("endorsement_due"),
        unknown=person("not_registered"),
        record={
            "DJ_YX": "Y",
            "LX_YS": 30,
            "JD_DH": "N",
            "FW_BM_BZ": "Y",
            "JZZ_ZT": "1",
            "QZ_YXQZ": "20260321",
        },
        values={
            "applicant.residence_registered": True,
            "applicant.residence_months": 30,
            "applicant.residence_gap_open": False,
            "applicant.residence_address_coded": True,
            "applicant.permit_state": "valid",
            "applicant.permit_endorsed_until": date(2026, 3, 21),
        },
        nothing=[],
        objection="Y",
    ),
    Speech(
        register="insurance_register",
        instant="20260301100000",
        known=person("insured_twelve_months"),
        unknown=person("recognised_talent"),
        record={"lxys": 12, "ljys24": 12, "aac008": "1"},
        values={
            "applicant.insured_months_unbroken": 12,
            "applicant.insured_months_in_two_years": 12,
            "applicant.insurance_active": True,
        },
        nothing=None,
    ),
    Speech(
        register="talent_register",
        instant="2026-03-01T02:00:00+00:00",
        known=person("introduced_bachelor"),
        unknown=person("resident"),
        record={"route": "ON_THE_JOB", "introducedOn": "2021-03-01"},
        values={
            "applicant.talent_recognised": True,
            "applicant.introduction_kind": "on_the_job",
            "applicant.introduction_date": date(2021, 3, 1),
        },
        nothing=None,
        objection=True,
    ),
    Speech(
        register="education_register",
        instant="2026-03-01 10:00:00",
        known=person("introduced_bachelor"),
        unknown=person("insured_too_short_degree_abroad"),
        record={"xwcc": "4", "xxxs": "全日制", "zdbz": "否"},
        values={
            "applicant.degree": "bachelor",
            "applicant.degree_full_time": True,
            "applicant.studying_full_time_here": False,
        },
        nothing=[],
        codes=int,
    ),
    Speech(
        register="housing_register",
        instant="2026-03-01 10:00:00",
        known=person("purchase_concession_used"),
        unknown=person("introduced_bachelor"),
        record={"zgzf": "未租", "gfyh": "是"},
        values={
            "applicant.rents_public_housing": False,
            "applicant.purchase_concession_used": True,
        },
        nothing=[],
        objection="是",
        codes=int,
    ),
    Speech(
        register="subsidy_ledger",
        instant="2026-03-01T02:00:00+00:00",
        known=person("talent_subsidy_received"),
        unknown=person("introduced_bachelor"),
        record={"Rcbt": "Y", "Zfbt": "N", "Hlbt": "N"},
        values={
            "applicant.talent_subsidy_received": True,
            "applicant.rent_subsidy_received": False,
            "applicant.care_subsidy_in_payment": False,
        },
        nothing=[],
    ),
    Speech(
        register="traffic_register",
        instant="20260301100000",
        known=person("twelve_points"),
        unknown=person("no_licence"),
        record={"ZJCX": "C1", "ZT": "A", "CCLZRQ": "20160301", "ZQZGJF": 12, "YJJL": "0"},
        values={
            "applicant.small_car_licence": "any_gearbox",
            "applicant.driving_licence_state": "valid",
            "applicant.first_licence_date": date(2016, 3, 1),
            "applicant.highest_cycle_points": 12,
            "applicant.drink_driving": False,
        },
        nothing=[],
        objection="1",
        codes=int,
    ),
    Speech(
        register="offence_register",
        instant="2026-03-01 10:00:00",
        known=person("drug_user"),
        unknown=person("driver"),
        record={"交通肇事犯罪": "否", "危险驾驶犯罪": "否", "吸毒": "是", "暴力犯罪": "否"},
        values={
            "applicant.accident_crime": False,
            "applicant.dangerous_driving_crime": False,
            "applicant.drug_use": True,
            "applicant.violent_crime": False,
        },
        nothing=None,
    ),
    Speech(
        register="transport_register",
        instant="2026-03-01T02:00:00+00:00",
        known=person("revoked_before_that"),
        unknown=person("no_exam"),
        record={
            "examResult": "PASSED",
            "examCity": "440300",
            "examDate": "2025-03-01",
            "everRevoked": True,
            "revokedOn": "2023-02-28",
        },
        values={
            "applicant.taxi_exam_passed": True,
            "applicant.taxi_exam_city": "shenzhen",
            "applicant.taxi_exam_date": date(2025, 3, 1),
            "applicant.taxi_qualification_revoked": True,
            "applicant.taxi_revocation_date": date(2023, 2, 28),
        },
        nothing=None,
        objection=True,
    ),
    Speech(
        register="bar_register",
        instant="2026-03-01 10:00:00",
        known=trader("two_bars_run_out"),
        unknown=trader("leased_shop"),
        record={
            "限制事项": [
                {"事由": "20", "起算日": "2023年2月28日", "清偿": ""},
                {"事由": "12", "起算日": "2021年2月27日", "清偿": ""},
            ]
        },
        values={
            "applicant.bars": (
                {"ground": "bankruptcy", "since": date(2023, 2, 28)},
                {"ground": "deprivation", "since": date(2021, 2, 27)},
            )
        },
        nothing=None,
    ),
    Speech(
        register="personal_credit_register",
        instant="2026-03-01T02:00:00+00:00",
        known=trader("trader_credit_hit_disputed"),
        unknown=trader("leased_shop"),
        record={"total": 1, "disputed": 1},
        values={"applicant.credit_entries": 1, "applicant.credit_entries_disputed": 1},
        nothing=None,
        codes=int,
    ),
    Speech(
        register="personal_lease_register",
        instant="2026-03-01 10:00:00",
        known=shop("leased_shop"),
        unknown=shop("promised_shop"),
        record={"endDate": "2027-03-01"},
        values={
            "premises.leased_by_applicant": True,
            "premises.applicant_lease_end_date": date(2027, 3, 1),
        },
        nothing=[],
        objection=True,
    ),
    Speech(
        register="disability_register",
        instant="2026-03-01 10:00:00",
        known=person("certificate_frozen"),
        unknown=person("not_disabled"),
        record={"zt": "冻结", "lb": "1", "dj": 1, "yxq": "2028年11月25日"},
        values={
            "applicant.disability_certificate": "frozen",
            "applicant.disability_category": "vision",
            "applicant.disability_grade": 1,
            "applicant.disability_valid_until": date(2028, 11, 25),
        },
        nothing=None,
    ),
    Speech(
        register="veteran_register",
        instant="2026-03-01T02:00:00+00:00",
        known=person("veteran_certificate_void"),
        unknown=person("not_disabled"),
        record={"Kind": "JR", "Level": 1, "InForce": False},
        values={
            "applicant.service_certificate": "veteran",
            "applicant.service_certificate_valid": False,
            "applicant.service_disability_grade": 1,
        },
        nothing=[],
        objection=True,
        codes=int,
    ),
    Speech(
        register="household_register",
        instant="20260301100000",
        known=person("spouse_not_known_child_disabled"),
        unknown=person("severe_elsewhere"),
        record={
            "YHZGX": "02",
            "CY": [{"YHZGX": "10", "CJZ": ""}, {"YHZGX": "20", "CJZ": "1"}],
        },
        values={
            "applicant.household_relation": "head",
            "applicant.other_household_members": (
                {"relation": "spouse"},
                {"relation": "child", "certified": True},
            ),
        },
        nothing=None,
        codes=int,
    ),
    Speech(
        register="guardianship_register",
        instant="2026-03-01 10:00:00",
        known=guarded("ward"),
        unknown=guarded("aged_75"),
        record={"gx": "2", "csrq": "1950-02-03"},
        values={
            "guardian.relation": "appointed",
            "guardian.ward_birth_date": date(1950, 2, 3),
        },
        nothing=[],
    ),
    Speech(
        register="unemployment_insurance_register",
        instant="2026-03-01 10:00:00",
        known=person("eleven_months_and_unused"),
        unknown=person("never_insured"),
        record={"clct_mons": 11, "surp_mons": 2, "bnft_stas": "00", "pens_flag": "0"},
        values={
            "applicant.unemployment_contribution_months": 11,
            "applicant.unused_benefit_months": 2,
            "applicant.unemployment_benefit_in_payment": False,
            "applicant.pension_in_payment": False,
        },
        nothing=[],
        codes=int,
    ),
    Speech(
        register="employment_register",
        instant="2026-03-01 10:00:00",
        known=person("dismissed"),
        unknown=person("not_registered_as_unemployed"),
        record={
            "registerFlag": "是",
            "registerDate": "2026年2月24日",
            "claimDeadline": "2026年3月5日",
            "leaveReason": "02",
            "employFlag": "否",
        },
        values={
            "applicant.unemployment_registered": True,
            "applicant.unemployment_registered_on": date(2026, 2, 24),
            "applicant.benefit_claim_by": date(2026, 3, 5),
            "applicant.leaving_ground": "dissolved_by_employer",
            "applicant.reemployed": False,
        },
        nothing=None,
        objection="是",
    ),
    Speech(
        register="custody_register",
        instant="20260301100000",
        known=person("in_drug_treatment"),
        unknown=person("job_seeker"),
        record={"lb": "强制隔离戒毒"},
        values={"applicant.custody": "drug_treatment"},
        nothing=None,
    ),
    Speech(
        register="business_holder_register",
        instant="2026-03-01T02:00:00+00:00",
        known=person("stall_owner"),
        unknown=person("job_seeker"),
        record={},
        values={"applicant.holds_business": True},
        nothing=[],
        codes=int,
    ),
    Speech(
        register="startup_register",
        instant="2026-03-01T02:00:00+00:00",
        known=firm("startup"),
        unknown=firm("leased_office"),
        record={
            "paid": False,
            "partners": [
                {"basis": "GRAD", "basis_date": "2024-03-01", "local": True, "granted": False}
            ],
        },
        values={
            "organisation.startup_subsidy_paid": False,
            "organisation.partners": (
                {
                    "ground": "graduate",
                    "since": date(2024, 3, 1),
                    "local": True,
                    "granted": False,
                },
            ),
        },
        nothing=[],
    ),
    Speech(
        register="firm_insurance_register",
        instant="20260301100000",
        known={**firm("startup"), "id_number": FILINGS["startup"].filer.id_number},
        unknown={**firm("leased_office"), "id_number": FILINGS["leased_office"].filer.id_number},
        record={"dwlxys": 12, "aac008": "1"},
        values={
            "applicant.insured_months_at_firm": 12,
            "applicant.insured_at_firm": True,
        },
        nothing=None,
    ),
]

# ── what stands in the contract ──────────────────────────────────────────────────────────────────

_MISCONDUCT: Mapping[str, Misconduct] = {
    "MISMATCH": Misconduct.MISMATCH,
    "AMBIGUOUS": Misconduct.AMBIGUOUS,
    "DISPUTED": Misconduct.DISPUTED,
    "DENIED": Misconduct.DENIED,
    "PENDING": Misconduct.PENDING,
    "UNAVAILABLE": Misconduct.UNAVAILABLE,
}
"""What the sandbox is commanded to do so that a register says the word."""


@dataclass(frozen=True)
class Interaction:
    """One question, the answer that we can read, and what it means.

    Attributes:
        word: What the answer's code means, as the register's file says.
        objection: Whether an objection stands in the record.
    """

    word: str
    code: str
    about: Mapping[str, str]
    status: EvidenceStatus
    values: Mapping[str, Held] = field(default_factory=dict)
    objection: bool = False

    @property
    def state(self) -> str:
        """Name of the state in which the register gives the answer."""
        return "an objection is open" if self.objection else self.word

    @property
    def query_id(self) -> str:
        """Tells the questions apart; nothing else in them differs."""
        return f"q-{self.state}".lower().replace(" ", "-")

    @property
    def misconduct(self) -> Misconduct | None:
        """What the sandbox is commanded to do; None if it has only to know its people."""
        return Misconduct.DISPUTED if self.objection else _MISCONDUCT.get(self.word)


def interactions(register: Register, speech: Speech) -> Iterator[Interaction]:
    """Every code of the register's file, and an objection in the record."""
    absence = EvidenceStatus(
        "NO_RECORD_AUTHORITATIVE" if register.complete else "NO_RECORD_INCONCLUSIVE"
    )
    for code, word in register.statuses.items():
        if word == "MATCH":
            yield Interaction(word, code, speech.known, EvidenceStatus.MATCH, speech.values)
        elif word == "NO_RECORD":
            absent = register.meaning.absent
            yield Interaction(word, code, speech.unknown, absence, absent)
        else:
            yield Interaction(word, code, speech.known, EvidenceStatus(word))
        if word == "MATCH" and speech.objection is not None:
            yield Interaction(word, code, speech.known, EvidenceStatus.DISPUTED, objection=True)


def shaped(example: str) -> Any:
    """Any text of the example's shape: a digit where it has a digit."""
    shape = re.sub(r"[0-9]", r"[0-9]", re.escape(example))
    return match.regex(example, regex=f"^{shape}$")


def repeated(about: Mapping[str, str]) -> dict[str, Any]:
    """The keys as an answer repeats them; some registers write the check digit X small."""
    return {
        key: match.regex(value, regex=f"(?i)^{re.escape(value)}$") for key, value in about.items()
    }


def told(rules: FieldRules, example: Any) -> Any:
    """What the contract says of a field: codes word for word, days and numbers by their kind."""
    match rules.type:
        case "list":
            return [
                {name: told(rules.columns[name], cell) for name, cell in row.items()}
                for row in example
            ]
        case "date" | "datetime" if example:
            return shaped(example)
        case "integer" | "number":
            return match.like(example)
        case _:
            return example


def answer(register: Register, speech: Speech, one: Interaction) -> dict[str, Any]:
    """The part of the register's answer that we rely on; whatever else it says is its own."""
    names = our_names(register.envelope.fields)
    ours = {
        "code": speech.codes(one.code),
        "reference": match.like("SB0000000001"),
        "as_of": shaped(speech.instant),
        **repeated(one.about),
    }
    if one.word == "PENDING":
        ours["pending_until"] = shaped("2026-03-04 10:00:00")
    if one.word == "MISMATCH":
        sent = {**register.request.body, **register.request.headers}
        ours["mismatched"] = match.like(",".join(sent))
    around = {field: ours[name] for field, name in names.items() if name in ours}
    match one.word:
        case "MATCH":
            held = record(register, speech, one)
            found = [held] if isinstance(speech.nothing, list) else held
            return {**around, register.envelope.records: found}
        case "NO_RECORD":
            return {**around, register.envelope.records: speech.nothing}
        case _:
            return around


def record(register: Register, speech: Speech, one: Interaction) -> dict[str, Any]:
    """The record as the contract has it."""
    names = our_names(register.normalise)
    ours: dict[str, Any] = {**repeated(one.about), "as_of": speech.instant}
    if one.objection:
        ours["objection"] = speech.objection
    held = {field: ours[name] for field, name in names.items() if name in ours} | speech.record
    return {field: told(register.normalise[field], value) for field, value in held.items()}


def write(pact: Pact, register: Register, speech: Speech, one: Interaction) -> None:
    """Write one interaction into the contract."""
    asked = {**one.about, "filing_date": TODAY.isoformat()}
    request = register.request
    said = {
        "X-Road-Id": one.query_id,
        "X-Road-Issue": CASE,
        "Miaopi-Matter": MATTER,
        "Miaopi-Purpose": quote(PURPOSE, safe=""),
        "Miaopi-Legal-Basis": quote(BASIS, safe=""),
        "Miaopi-Time": match.like(quote(NOW.isoformat(), safe="")),
        **{name: asked[key] for name, key in request.headers.items()},
    }
    written = pact.upon_receiving(f"a question whose answer is: {one.state}").given(one.state)
    written = written.with_request(request.method, request.path)
    for name, value in said.items():
        written = written.with_header(name, value)
    if request.body:
        body = {name: asked[key] for name, key in request.body.items()}
        written = written.with_body(body, content_type="application/json")
    written.will_respond_with(200).with_header("X-Road-Id", one.query_id).with_body(
        answer(register, speech, one), content_type="application/json"
    )


# ── the two halves ───────────────────────────────────────────────────────────────────────────────


def clock() -> datetime:
    return NOW


async def ask(register: Register, address: str, one: Interaction) -> Evidence:
    """Put the question with our own adapter."""
    query = Query(
        query_id=one.query_id,
        evidence_type=register.key,
        about="applicant",
        keys=dict(one.about),
        matter=MatterId(MATTER),
        case_id=CaseId(CASE),
        purpose=PURPOSE,
        legal_basis=BASIS,
        filing_date=TODAY,
    )
    loop = asyncio.get_running_loop()
    async with http.connect(
        {register.key: register}, {register.key: address}, clock=clock
    ) as sources:
        return await sources[register.key].fetch(query, deadline=loop.time() + 5)


@asynccontextmanager
async def states(
    running: sandbox.Running, key: EvidenceType, known: Mapping[str, Interaction]
) -> AsyncIterator[str]:
    """Where Pact says which state it needs; two states are who the sandbox's people are.

    Our own endpoint: the one that Pact opens for a Python function it never closes.
    """

    async def enter(request: web.Request) -> web.Response:
        asked = await request.json()
        running.reset()
        how = known[asked["state"]].misconduct
        if asked["action"] == "setup" and how is not None:
            running.misbehave(key, how)
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


def test_every_register_that_is_asked_over_http_has_a_contract() -> None:
    asked = {key for key, register in registry.load().items() if register.transport == "http"}

    assert sorted(speech.register for speech in SPEECHES) == sorted(asked)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.register)
async def test_a_register_keeps_our_contract(speech: Speech, tmp_path: Path) -> None:
    register = registry.load()[EvidenceType(speech.register)]
    written = list(interactions(register, speech))
    pact = Pact("miaopi", register.key.replace("_", "-")).with_specification("V4")
    for one in written:
        write(pact, register, speech, one)

    with pact.serve(addr="127.0.0.1") as provider:
        read = [await ask(register, str(provider.url), one) for one in written]
    pact.write_file(tmp_path)

    assert [(one.status, one.values) for one in read] == [
        (one.status, one.values) for one in written
    ]
    for evidence in read:
        assert (evidence.pending_until is None) is (evidence.status is not EvidenceStatus.PENDING)

    async with sandbox.serve(City(1), clock=clock) as running:
        by_state = {one.state: one for one in written}
        async with states(running, register.key, by_state) as state_url:
            verifier = (
                Verifier(register.key.replace("_", "-"), host="127.0.0.1")
                .add_transport(url=running.address(register.key))
                .add_source(tmp_path)
                .state_handler(state_url, teardown=True, body=True)
            )
            await asyncio.to_thread(verifier.verify)

            assert len(running.accesses) == len(written)
