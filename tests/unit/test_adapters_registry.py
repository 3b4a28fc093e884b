"""Register files: the packaged ones, and every fault of a wrong one, all at once."""

import hashlib
import re
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from decision_service.errors import InvalidPublicationError
from decision_service.model import Concept, EvidenceType
from evidence_adapters import registry

DEATHS = EvidenceType("death_register")


def test_the_packaged_registers_say_what_their_absences_mean() -> None:
    meanings = {key: register.meaning for key, register in registry.load().items()}

    assert {key: dict(meaning.absent) for key, meaning in meanings.items()} == {
        "death_register": {"applicant.living_status": "living"},
        "library_register": {
            "applicant.library_card_held": False,
            "applicant.library_items_outstanding": Decimal(0),
        },
        "payment_ledger": {"applicant.allowance_in_payment": False},
        "population_register": {},
        "company_register": {"organisation.registration_confirmed": False},
        "address_register": {"premises.house_code_exists": False},
        "property_register": {},
        "lease_register": {"premises.leased_by_organisation": False},
        "credit_register": {
            "organisation.credit_entries": Decimal(0),
            "organisation.credit_entries_disputed": Decimal(0),
            "organisation.listed_abnormal": False,
            "organisation.listed_abnormal_for_address": False,
        },
        "residence_register": {
            "applicant.residence_registered": False,
            "applicant.residence_months": Decimal(0),
            "applicant.residence_gap_open": False,
            "applicant.residence_address_coded": False,
            "applicant.permit_state": "none",
        },
        "insurance_register": {
            "applicant.insured_months_unbroken": Decimal(0),
            "applicant.insured_months_in_two_years": Decimal(0),
            "applicant.insurance_active": False,
        },
        "talent_register": {
            "applicant.talent_recognised": False,
            "applicant.introduction_kind": "none",
        },
        "education_register": {},
        "housing_register": {
            "applicant.rents_public_housing": False,
            "applicant.purchase_concession_used": False,
        },
        "subsidy_ledger": {
            "applicant.talent_subsidy_received": False,
            "applicant.rent_subsidy_received": False,
            "applicant.care_subsidy_in_payment": False,
        },
        "traffic_register": {
            "applicant.small_car_licence": "none",
            "applicant.driving_licence_state": "none",
        },
        "offence_register": {
            "applicant.accident_crime": False,
            "applicant.dangerous_driving_crime": False,
            "applicant.drug_use": False,
            "applicant.violent_crime": False,
        },
        "unemployment_insurance_register": {
            "applicant.unemployment_contribution_months": Decimal(0),
            "applicant.unused_benefit_months": Decimal(0),
            "applicant.unemployment_benefit_in_payment": False,
        },
        "employment_register": {"applicant.unemployment_registered": False},
        "custody_register": {"applicant.custody": "none"},
        "business_holder_register": {"applicant.holds_business": False},
        "transport_register": {
            "applicant.taxi_exam_passed": False,
            "applicant.taxi_qualification_revoked": False,
        },
        "bar_register": {"applicant.bars": ()},
        "personal_credit_register": {
            "applicant.credit_entries": Decimal(0),
            "applicant.credit_entries_disputed": Decimal(0),
        },
        "startup_register": {
            "organisation.startup_subsidy_paid": False,
            "organisation.partners": (),
        },
        "firm_insurance_register": {
            "applicant.insured_months_at_firm": Decimal(0),
            "applicant.insured_at_firm": False,
        },
        "personal_lease_register": {"premises.leased_by_applicant": False},
        "disability_register": {"applicant.disability_certificate": "none"},
        "veteran_register": {
            "applicant.service_certificate": "none",
            "applicant.service_certificate_valid": False,
        },
        "household_register": {},
        "guardianship_register": {},
    }
    assert not meanings[EvidenceType("property_register")].complete
    assert meanings[EvidenceType("population_register")].concepts == (
        "applicant.identity_confirmed",
        "applicant.birth_date",
        "applicant.hukou_city",
    )
    assert not meanings[EvidenceType("population_register")].complete


def test_a_meaning_names_the_bytes_of_its_file() -> None:
    content = (registry.PACKAGED / "death_register.toml").read_bytes()

    assert registry.load()[DEATHS].meaning.digest == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        pytest.param(
            'path = "/v1/deaths/query"',
            'path = "/v1/deaths/{id_number}"',
            "`request.path` is not written like `^/[A-Za-z0-9/_.-]*$`: correct it",
            id="a number of a person in a URL",
        ),
        pytest.param(
            "nullable = true, rename",
            'nullable = true, default = "19000101", rename',
            "`normalise.swrq.default` means nothing here: correct its spelling, or delete it",
            id="a default fact",
        ),
        pytest.param(
            'coerce = "cn_date"',
            'coerce = "eval"',
            "`normalise.swrq.coerce` is one of `cn_date`, `cn_datetime`, `resident_id`, "
            "`organisation_code`, `code`, `flag`, `names`, `number`: write one of them",
            id="a conversion outside the closed set",
        ),
        pytest.param(
            'rename = "death_date"',
            'rename = "id_number"',
            "`normalise`: two fields are called `id_number`",
            id="a renamed field over another one",
        ),
        pytest.param(
            'rename = "id_number", required = true',
            'rename = "id_number"',
            "`normalise`: a record need not repeat the `id_number` that was asked for",
            id="records of anybody",
        ),
        pytest.param(
            '\nsfzh = { type = "string", coerce = "resident_id", rename = "id_number" }',
            "",
            "`envelope.fields`: an absence does not repeat the `id_number` that was asked for",
            id="absences of anybody",
        ),
        pytest.param(
            "complete = true ",
            "complete = false ",
            "`concepts.applicant.living_status.absent`: absence from an incomplete register",
            id="an absence that proves nothing",
        ),
        pytest.param(
            'present = "deceased"',
            'field = "swsj"',
            "`concepts.applicant.living_status`: no field is called `swsj`",
            id="a concept from nowhere",
        ),
        pytest.param(
            'present = "deceased" ',
            "present = 1.5 ",
            "`concepts.applicant.living_status.present`: is none of true or false, "
            "a whole number, a day or a text: write one of them",
            id="a float",
        ),
        pytest.param(
            '"01" = "NO_RECORD"',
            '"01" = "NONE"',
            "`statuses.01` is one of `MATCH`, ",
            id="a status that does not exist",
        ),
        pytest.param(
            'key = "death_register"',
            'key = "deaths"',
            "`key`: `deaths` is not the file's name",
            id="a key that is not the file's name",
        ),
        pytest.param(
            'present = "deceased" ',
            'present = "deceased"\nabsent = "living"\n'
            '[doubts."applicant.living_status"]\npresent = "deceased" ',
            "`doubts.applicant.living_status`: it is itself the source",
            id="a register that doubts itself",
        ),
        pytest.param(
            'yybz = { type = "boolean"',
            'yybz = { regex = "(", type = "boolean"',
            "`normalise`: ",
            id="a pattern that is none",
        ),
        pytest.param(
            'rename = "death_date"',
            'rename = "death_date", at_most = "objection"',
            "`normalise.swrq`: cannot be held against `objection`",
            id="a day that is at most a flag",
        ),
        pytest.param(
            'rename = "id_number", required = true',
            'rename = "id_number", required = true, nullable = true',
            "`normalise.sfzh`: the `id_number` that was asked for cannot be null",
            id="records of nobody",
        ),
        pytest.param(
            'gxsj = { type = "datetime", coerce = "cn_datetime"',
            'gxsj = { type = "date", coerce = "cn_date"',
            "`envelope.fields.gxsj`: `as_of` is of type datetime",
            id="a day for an instant",
        ),
        pytest.param(
            'yybz = { type = "boolean", coerce = "flag"',
            'yybz = { type = "string", coerce = "code"',
            "`normalise.yybz`: `objection` is of type boolean",
            id="an objection that would never be heard",
        ),
        pytest.param(
            'rename = "reference", maxlength',
            'rename = "reference", at_most = "code", maxlength',
            "`envelope.fields.lsh`: `at_most` is for fields of a record",
            id="a bound around a record",
        ),
        pytest.param(
            "complete = true ",
            "complete true ",
            "`=` is missing after the key: write `key = value`",
            id="no TOML",
        ),
    ],
)
def test_a_wrong_register_file_is_refused_with_its_fault(
    tmp_path: Path, before: str, after: str, fault: str
) -> None:
    text = (registry.PACKAGED / "death_register.toml").read_text(encoding="utf-8")
    assert before in text
    (tmp_path / "death_register.toml").write_text(text.replace(before, after), encoding="utf-8")

    with pytest.raises(InvalidPublicationError) as caught:
        registry.load(tmp_path)

    assert is_told(fault, "death_register.toml", str(caught.value))
    assert caught.value.reason == "REGISTER_INVALID"
    assert caught.value.hint == "Correct every fault in the register files named and start again."
    assert caught.value.zh.startswith("登记册配置有 ")


@pytest.mark.parametrize(
    "field",
    [
        pytest.param('rename = "entries_disputed"', id="the one"),
        pytest.param('rename = "entries",', id="the other"),
    ],
)
def test_a_number_that_may_be_null_is_held_against_no_other(tmp_path: Path, field: str) -> None:
    text = (registry.PACKAGED / "credit_register.toml").read_text(encoding="utf-8")
    assert field in text
    (tmp_path / "credit_register.toml").write_text(
        text.replace(field, f"nullable = true, {field}"), encoding="utf-8"
    )

    with pytest.raises(InvalidPublicationError, match="cannot be held against `entries`"):
        registry.load(tmp_path)


def is_told(fault: str, file: str, message: str) -> bool:
    """Whether a fault is told with its place, in both languages."""
    place = rf"`{re.escape(file)}:[0-9]+:[0-9]+`: "
    return re.search(rf"{place}[^|]*[一-龥][^|]* \| {re.escape(fault)}", message) is not None


BARS = "bar_register.toml"
LIST = 'type = "list"\nrename = "bars"'


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        pytest.param(
            LIST,
            'type = "string"\nrename = "bars"',
            "`normalise.限制事项`: a list has `columns`, and nothing else has",
            id="columns of a text",
        ),
        pytest.param(
            'nullable = true, rename = "since"',
            'nullable = true, rename = "ground"',
            "`normalise.限制事项`: two columns are called `ground`",
            id="a column over another one",
        ),
        pytest.param(
            'type = "date", coerce = "cn_date"',
            'type = "datetime", coerce = "cn_datetime"',
            "`normalise.限制事项.columns.起算日`: the column `起算日` holds more",
            id="an instant in a list",
        ),
        pytest.param(
            '[concepts."applicant.bars".columns.since]\nfield = "since"',
            '[concepts."applicant.bars".columns.since]\nfield = "until"',
            "`concepts.applicant.bars.columns.since`: no field is called `until`",
            id="a column from nowhere",
        ),
        pytest.param(
            '[concepts."applicant.bars".columns.settled]\nfield = "settled"',
            '[concepts."applicant.bars".columns.settled]\nvalues = { 1 = true }\nfield = "settled"',
            "`concepts.applicant.bars.columns.settled`: `values` needs a field of codes",
            id="codes of a flag",
        ),
        pytest.param(
            "complete = true",
            "complete = false",
            "`concepts.applicant.bars.absent`: absence from an incomplete register",
            id="an empty list that proves nothing",
        ),
        pytest.param(
            '"数据时间" = { type = "datetime", coerce = "cn_datetime"',
            '"数据时间" = { type = "list"',
            "`envelope.fields.数据时间`: a list is for a record",
            id="a list around a record",
        ),
    ],
)
def test_a_list_that_could_not_be_read_is_refused(
    tmp_path: Path, before: str, after: str, fault: str
) -> None:
    text = (registry.PACKAGED / BARS).read_text(encoding="utf-8")
    assert before in text
    (tmp_path / BARS).write_text(text.replace(before, after), encoding="utf-8")

    with pytest.raises(InvalidPublicationError) as caught:
        registry.load(tmp_path)

    assert is_told(fault, BARS, str(caught.value))


def test_a_value_that_is_no_list_is_not_absent_as_an_empty_one(tmp_path: Path) -> None:
    text = (registry.PACKAGED / "death_register.toml").read_text(encoding="utf-8")
    wrong = text.replace('absent = "living"', "absent = []")
    (tmp_path / "death_register.toml").write_text(wrong, encoding="utf-8")

    with pytest.raises(InvalidPublicationError, match="only a list can be absent as"):
        registry.load(tmp_path)


def test_every_fault_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    for name in ("death_register", "payment_ledger"):
        text = (registry.PACKAGED / f"{name}.toml").read_text(encoding="utf-8")
        wrong = text.replace('transport = "http"', 'transport = "fax"').replace("path =", "road =")
        (tmp_path / f"{name}.toml").write_text(wrong, encoding="utf-8")

    with pytest.raises(InvalidPublicationError) as caught:
        registry.load(tmp_path)

    told = str(caught.value)
    assert told.count("`transport` is one of `http`, `sql`, `file`: write one of them") == 2
    assert told.count("`request.road` means nothing here: correct its spelling, or delete it") == 2


def test_nobody_doubts_what_no_register_says(tmp_path: Path) -> None:
    shutil.copy(registry.PACKAGED / "payment_ledger.toml", tmp_path)

    with pytest.raises(InvalidPublicationError) as caught:
        registry.load(tmp_path)

    assert "`payment_ledger` doubts it, but no register vouches for it" in str(caught.value)


def test_two_registers_cannot_vouch_for_one_concept(tmp_path: Path) -> None:
    text = (registry.PACKAGED / "death_register.toml").read_text(encoding="utf-8")
    shutil.copy(registry.PACKAGED / "death_register.toml", tmp_path)
    copy = text.replace('key = "death_register"', 'key = "other_register"')
    (tmp_path / "other_register.toml").write_text(copy, encoding="utf-8")

    with pytest.raises(InvalidPublicationError) as caught:
        registry.load(tmp_path)

    assert "both `death_register` and `other_register` vouch for it" in str(caught.value)


def test_a_folder_without_registers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidPublicationError, match="there is no register file"):
        registry.load(tmp_path)


def test_a_city_can_have_registers_of_its_own(tmp_path: Path) -> None:
    text = (registry.PACKAGED / "death_register.toml").read_text(encoding="utf-8")
    ours = text.replace('absent = "living"', "absent = 2026-03-01")
    (tmp_path / "death_register.toml").write_text(ours, encoding="utf-8")

    meaning = registry.load(tmp_path)[DEATHS].meaning

    assert meaning.absent == {Concept("applicant.living_status"): date(2026, 3, 1)}


ROWS = """key = "holder_register"
zh = "持证人"
en = "holders"
owner = { zh = "文旅", en = "culture" }
transport = "sql"
purpose = "eligibility"
narrowest_question = { zh = "是否持证？", en = "is there a card?" }
complete = true

[request]
view = "v_holder"
where = { zjhm = "id_number" }
status = "zt"
promised = "cnsj"

[statuses]
1 = "MATCH"
2 = "PENDING"

[normalise]
zjhm = { type = "string", coerce = "resident_id", rename = "id_number", required = true }
zt = { type = "string", coerce = "code", required = true }
cnsj = { type = "datetime", coerce = "cn_datetime", nullable = true }

[concepts."applicant.library_card_held"]
present = true
absent = false
"""


def test_a_column_can_say_how_far_a_row_is(tmp_path: Path) -> None:
    (tmp_path / "holder_register.toml").write_text(ROWS, encoding="utf-8")

    (register,) = registry.load(tmp_path).values()

    assert register.matches == ("1",)
    assert register.statuses == {"1": "MATCH", "2": "PENDING", "NO_ROW": "NO_RECORD"}


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ('status = "zt"\n', "", "rows have no `envelope`, and `statuses` only with a `status`"),
        ('status = "zt"', 'status = "sj"', "`request.status`: no field of `normalise` is the col"),
        ('= "cnsj"', '= "sj"', "`request.promised`: no field of `normalise` is the column `sj`"),
        ('"PENDING"', '"MISMATCH"', "`statuses`: a row that is found by its keys does not have"),
    ],
)
def test_a_status_of_rows_that_could_not_be_read_is_refused(
    tmp_path: Path, before: str, after: str, fault: str
) -> None:
    assert before in ROWS
    text = ROWS.replace(before, after)
    (tmp_path / "holder_register.toml").write_text(text, encoding="utf-8")

    with pytest.raises(InvalidPublicationError) as caught:
        registry.load(tmp_path)

    assert fault in str(caught.value)
