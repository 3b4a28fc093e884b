"""Laws of reading and of the sandbox's people, over generated answers and numbers."""

import json
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from decision_service.identifiers import (
    organisation_check,
    organisation_code_is_valid,
    resident_check,
    resident_id_is_valid,
)
from decision_service.model import CaseId, EvidenceStatus, EvidenceType, MatterId, Query
from evidence_adapters import registry
from evidence_adapters.normalise import Reader
from evidence_adapters.sandbox import City, Firms
from evidence_adapters.sandbox.dialects import DIALECTS

REGISTERS = registry.load()
READERS = {key: Reader(register) for key, register in REGISTERS.items()}
PERSON, GUARDIAN = "990000195012010014", "99000019301201002X"
FIRM = "91999999MA00000154"
HOUSE, UNIT = "9900002026030100000900000", "990000900000GB00001F20260301"
KEYS = {
    "id_number": PERSON,
    "guardian_id_number": GUARDIAN,
    "organisation_code": FIRM,
    "house_code": HOUSE,
    "property_unit": UNIT,
}
VOUCHING = {EvidenceStatus.MATCH, EvidenceStatus.NO_RECORD_AUTHORITATIVE}

CODES = sorted({code for register in REGISTERS.values() for code in register.statuses})

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [*KEYS.values(), *CODES, 200, 204, 0, 40400, True, False, "2026-03-01 08:00:00"]
    )
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


def query(key: str) -> Query:
    return Query(
        query_id="q-1",
        evidence_type=EvidenceType(key),
        about="applicant",
        keys={name: KEYS[name] for name in REGISTERS[EvidenceType(key)].keys},
        matter=MatterId("old_age_allowance"),
        case_id=CaseId("c-1"),
        purpose="eligibility",
        legal_basis="consent 1",
        filing_date=date(2026, 3, 1),
    )


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Of a register, in its own field names, with any values; some of them are right."""
    key = draw(st.sampled_from(sorted(REGISTERS)))
    register = REGISTERS[EvidenceType(key)]
    record = draw(st.fixed_dictionaries({}, optional=dict.fromkeys(register.normalise, scalars)))
    around = draw(
        st.fixed_dictionaries({}, optional=dict.fromkeys(register.envelope.fields, scalars))
    )
    records = draw(st.sampled_from([record, [record], [], None, [record, record]]) | anything)
    return key, {**around, register.envelope.records: records}


@given(key=st.sampled_from(sorted(REGISTERS)), body=st.binary(max_size=200))
def test_no_bytes_make_reading_raise(key: str, body: bytes) -> None:
    """Whatever a register sends is a status; bytes that say nothing vouch for nothing."""
    reading = READERS[EvidenceType(key)].read(query(key), body)

    assert reading.status is EvidenceStatus.MALFORMED
    assert not reading.values


@given(key=st.sampled_from(sorted(REGISTERS)), document=anything)
def test_no_document_makes_reading_raise(key: str, document: Any) -> None:
    """Arbitrary JSON is read without an error and without a value."""
    reading = READERS[EvidenceType(key)].read(query(key), json.dumps(document).encode())

    assert reading.status in VOUCHING or not reading.values


@given(answer=answers())
def test_only_a_match_or_a_proven_absence_vouches(answer: tuple[str, dict[str, Any]]) -> None:
    """Values come with MATCH and NO_RECORD_AUTHORITATIVE alone, for declared concepts alone."""
    key, document = answer
    register = REGISTERS[EvidenceType(key)]

    reading = READERS[EvidenceType(key)].read(query(key), json.dumps(document).encode())

    if reading.status not in VOUCHING:
        assert not reading.values
    assert set(reading.values) <= set(register.concepts)
    if reading.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE:
        assert register.complete
        assert reading.values == register.meaning.absent


@given(seed=st.integers(0, 2**64), number=st.integers(0, 9_999))
def test_a_person_is_a_function_of_seed_and_number(seed: int, number: int) -> None:
    """The same seed and number give the same person, in any order, in any city object."""
    city = City(seed)
    city.person(9_999 - number)

    assert city.person(number) == City(seed).person(number)
    assert resident_id_is_valid(city.person(number).id_number)


@given(day=st.dates(date(1910, 1, 1), date(2030, 12, 31)), sequence=st.integers(0, 89))
def test_a_cast_member_is_a_function_of_the_identity_number(day: date, sequence: int) -> None:
    """Any birth day can be had with any role, and every register knows the same person."""
    first_17 = f"990000{day:%Y%m%d}{sequence:03d}"
    number = first_17 + resident_check(first_17)

    person = City(1).find(number)

    assert person is not None
    assert (person.id_number, person.birth_date) == (number, day)
    assert set(DIALECTS) == set(REGISTERS)


@given(index=st.integers(0, 17), digit=st.sampled_from("0123456789X"))
def test_a_changed_digit_is_found_out(index: int, digit: str) -> None:
    """The check digit catches every change of one digit (ISO 7064, MOD 11-2)."""
    changed = PERSON[:index] + digit + PERSON[index + 1 :]

    assert resident_id_is_valid(changed) == (changed == PERSON)


SYMBOLS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
codes = st.builds(
    lambda head, place, body: head + place + body,
    st.text(SYMBOLS, min_size=2, max_size=2),
    st.text("0123456789", min_size=6, max_size=6),
    st.text(SYMBOLS, min_size=9, max_size=9),
).map(lambda first_17: first_17 + organisation_check(first_17))


@given(code=codes, index=st.integers(0, 17), symbol=st.sampled_from(SYMBOLS))
def test_a_changed_symbol_of_an_organisation_code_is_found_out(
    code: str, index: int, symbol: str
) -> None:
    """The check character catches every change of one symbol (GB 32100, MOD 31)."""
    changed = code[:index] + symbol + code[index + 1 :]

    assert organisation_code_is_valid(changed) == (changed == code)


@given(code=codes, index=st.integers(0, 16))
def test_two_symbols_of_an_organisation_code_changed_over_are_found_out(
    code: str, index: int
) -> None:
    """No two neighbours have the same weight, and 31 is a prime."""
    changed = code[:index] + code[index + 1] + code[index] + code[index + 2 :]

    assert organisation_code_is_valid(changed) == (changed == code)


@given(seed=st.integers(0, 2**64), number=st.integers(0, 1_999))
def test_a_firm_and_its_house_are_functions_of_seed_and_number(seed: int, number: int) -> None:
    """The same seed and number give the same, and each is found by its own number."""
    firms = Firms(City(seed))
    firms.firm(1_999 - number)
    firm, house = firms.firm(number), firms.house(number)

    assert (firm, house) == (Firms(City(seed)).firm(number), Firms(City(seed)).house(number))
    assert organisation_code_is_valid(firm.code)
    assert (firms.find_firm(firm.code), firms.find_house(house.code)) == (firm, house)


@given(day=st.dates(date(1990, 1, 1), date(2099, 12, 31)))
def test_the_cast_has_its_roles_on_whatever_day(day: date) -> None:
    """Any day of filing can be had; firms and people stay, leases are counted from it."""
    firms = Firms(City(1))
    house = firms.find_house(firms.cast(day)["lease_ends_on_filing_day"].house_code)

    assert house is not None
    assert house.lease_end == day
    assert [one.firm for one in firms.cast(day).values()] == [
        one.firm for one in firms.cast(date(2026, 3, 1)).values()
    ]
