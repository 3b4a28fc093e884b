"""From bytes to meaning: strict JSON, the traps of Cerberus, and every status."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from decision_service.model import (
    CaseId,
    Concept,
    EvidenceStatus,
    EvidenceType,
    MatterId,
    Query,
)
from evidence_adapters import registry, strict_json
from evidence_adapters.conversions import COERCIONS
from evidence_adapters.normalise import OffContractError, Reader, _Shape
from evidence_adapters.register import FieldRules

REGISTERS = registry.load()
PERSON = "99000019551001005X"
OTHER = "990000195012010014"
MATCH: Mapping[str, Any] = {
    "code": 200,
    "requestNo": "N-1",
    "data": [
        {
            "gmsfhm": PERSON,
            "xm": "王小明",
            "csrq": "19551001",
            "hjdxzqh": "440305",
            "yyzt": "0",
            "gxsj": "2026-03-01 08:00:00",
        }
    ],
}


def query(register: str = "population_register") -> Query:
    return Query(
        query_id="q-1",
        evidence_type=EvidenceType(register),
        about="applicant",
        keys={"id_number": PERSON},
        matter=MatterId("old_age_allowance"),
        case_id=CaseId("c-1"),
        purpose="eligibility",
        legal_basis="consent 1",
        filing_date=date(2026, 3, 1),
    )


def read(answer: Mapping[str, Any], register: str = "population_register") -> Any:
    body = json.dumps(answer).encode()
    return Reader(REGISTERS[EvidenceType(register)]).read(query(register), body)


def with_record(**fields: object) -> dict[str, Any]:
    return {**MATCH, "data": [{**MATCH["data"][0], **fields}]}


# ── strict JSON ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b'{"a": 1, "a": 2}', "a key stands twice in one object", id="a key twice"),
        pytest.param(b'{"a": NaN}', "NaN is not a number", id="NaN"),
        pytest.param(b'{"a": -Infinity}', "-Infinity is not a number", id="infinity"),
        pytest.param(b'{"a": 1e999999999}', "a number is too long", id="gigabytes of zeros"),
        pytest.param(b'{"a": 1E-999999999}', "a number is too long", id="a vanishing number"),
        pytest.param(b"9" * 5000, "a number is too long", id="five thousand digits"),
        pytest.param(b"[" * 33 + b"]" * 33, "the text is nested too deep", id="33 deep"),
        pytest.param(b"[" * 100_000, "the text is nested too deep", id="100,000 deep"),
        pytest.param(b'"\\ud800"', "a text holds half a character", id="half a character"),
        pytest.param(b'{"\\udc00": 1}', "a text holds half a character", id="half a key"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', "the text is not JSON", id="a byte order mark"),
        pytest.param('{"a": "深圳"}'.encode("gbk"), "the text is not UTF-8", id="GBK"),
        pytest.param(b'{"a": 1', "the text is not JSON", id="cut short"),
        pytest.param(b"", "the text is not JSON", id="nothing"),
        pytest.param(b'{"a": 1} {"b": 2}', "the text is not JSON", id="two documents"),
        pytest.param(b'{"a": "\x00"}', "the text is not JSON", id="a raw control character"),
    ],
)
def test_a_text_without_one_reading_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(strict_json.NotStrictError) as caught:
        strict_json.parse(body)

    assert str(caught.value) == why


def test_numbers_are_exact_and_32_levels_are_deep_enough() -> None:
    assert strict_json.parse(b'{"a": 0.10, "b": 7}') == {"a": Decimal("0.10"), "b": 7}
    assert strict_json.parse(b"[" * 32 + b"]" * 32) is not None
    assert strict_json.parse(b'"\\ud83d\\ude00"') == "😀"


# ── the traps of Cerberus ────────────────────────────────────────────────────────────────────────

A_DAY, AN_INSTANT = date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rules", "value"),
    [
        pytest.param({"type": "integer", "min": 0}, True, id="True is no integer"),
        pytest.param({"type": "number"}, True, id="True is no number"),
        pytest.param({"type": "number", "max": 9}, float("nan"), id="NaN is in no range"),
        pytest.param({"type": "number"}, 1.5, id="a float is no number"),
        pytest.param({"type": "date"}, AN_INSTANT, id="an instant is no day"),
        pytest.param({"type": "datetime"}, A_DAY, id="a day is no instant"),
        pytest.param({"type": "string", "regex": "[0-9]+"}, "12\n", id="a line end after digits"),
        pytest.param({"type": "string", "regex": "^[0-9]+$"}, "12\n", id="the same, anchored"),
        pytest.param({"type": "string", "regex": "1|2"}, "12", id="a pattern of alternatives"),
        pytest.param({"type": "string", "required": True}, "", id="a blank where required"),
        pytest.param({"type": "string", "required": True}, " \u3000", id="wide blanks likewise"),
        pytest.param({"type": "string"}, "x" * 201, id="a text without end"),
        pytest.param({"type": "string"}, None, id="null, not declared"),
        pytest.param({"type": "string", "allowed": ["1"]}, "2", id="a code not in the list"),
        pytest.param({"type": "boolean", "coerce": "flag"}, 2, id="a flag of two"),
        pytest.param({"type": "boolean"}, 1, id="one is not yes"),
        pytest.param({"type": "string", "coerce": "code"}, Decimal("1.0"), id="1.0 is no code"),
    ],
)
def test_what_cerberus_lets_through_is_refused(rules: dict[str, Any], value: object) -> None:
    shape = _Shape({"f": FieldRules.model_validate(rules)})

    with pytest.raises(OffContractError, match="off contract in `f`"):
        shape.read({"f": value})


def test_decimals_are_numbers_and_nulls_stay_nulls() -> None:
    shape = _Shape(
        {
            "n": FieldRules(type="number", min=0, max=9),
            "d": FieldRules(type="date", coerce="cn_date", nullable=True),
        }
    )

    assert shape.read({"n": Decimal("1.50"), "d": ""}) == {"n": Decimal("1.50"), "d": None}
    assert shape.read({"n": 3, "d": None}) == {"n": 3, "d": None}


def test_a_renamed_field_cannot_be_overwritten_by_one_of_that_name() -> None:
    """Cerberus would take the second value in silence, under the first one's rules."""
    shape = _Shape({"sfzh": FieldRules(type="string", rename="id_number", required=True)})

    assert shape.read({"id_number": OTHER, "sfzh": PERSON}) == {"id_number": PERSON}
    with pytest.raises(OffContractError):
        shape.read({"id_number": PERSON})


def test_a_required_field_must_be_there() -> None:
    with pytest.raises(OffContractError, match="off contract in `f`"):
        _Shape({"f": FieldRules(type="string", required=True)}).read({})


@pytest.mark.parametrize(
    ("name", "value", "means"),
    [
        pytest.param("cn_date", "19551001", date(1955, 10, 1), id="eight digits"),
        pytest.param("cn_date", "1955-10-01", date(1955, 10, 1), id="hyphens"),
        pytest.param("cn_date", "1955/10/01", date(1955, 10, 1), id="slashes"),
        pytest.param("cn_date", "1955年10月1日", date(1955, 10, 1), id="Chinese"),
        pytest.param(
            "cn_datetime", "20260301080000", datetime(2026, 3, 1, 0, tzinfo=UTC), id="14 digits"
        ),
        pytest.param(
            "cn_datetime", "2026-03-01 08:00:00", datetime(2026, 3, 1, 0, tzinfo=UTC), id="China"
        ),
        pytest.param(
            "cn_datetime", "2026-03-01T08:00:00Z", datetime(2026, 3, 1, 8, tzinfo=UTC), id="UTC"
        ),
        pytest.param("resident_id", "99000019551001005x", PERSON, id="a small x"),
        pytest.param(
            "organisation_code", "91999999ma00000154", "91999999MA00000154", id="small letters"
        ),
        pytest.param("code", 0, "0", id="a number for a code"),
        pytest.param("code", False, "false", id="a truth value for a code"),
        pytest.param("flag", "是", True, id="是"),
        pytest.param("flag", 0, False, id="0"),
        pytest.param("names", "xm,csrq", ("xm", "csrq"), id="names with commas"),
        pytest.param("names", ["xm"], ("xm",), id="names in a list"),
    ],
)
def test_a_conversion_takes_what_registers_write(name: Any, value: object, means: object) -> None:
    assert COERCIONS[name](value) == means


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("cn_date", "1955-10-01 00:00:00", id="a day with a time"),
        pytest.param("cn_date", "1955-1001", id="half of the hyphens"),
        pytest.param("cn_date", "19550229", id="no such day"),
        pytest.param("cn_date", "19551001\n", id="a line end"),
        pytest.param("cn_date", "１９５５１００１", id="full-width digits"),
        pytest.param("cn_date", 19551001, id="a number"),
        pytest.param("cn_datetime", "2026-03-01", id="an instant without a time"),
        pytest.param("cn_datetime", "2026-03-01 25:00:00", id="no such hour"),
        pytest.param("cn_datetime", "0001-01-01 00:00:00", id="before the first instant of UTC"),
        pytest.param("cn_datetime", "9999-12-31T23:59:59-01:00", id="behind its last"),
        pytest.param("resident_id", "990000192302290030", id="a person born on no day"),
        pytest.param("organisation_code", "91999999MA00000155", id="a wrong check character"),
        pytest.param("organisation_code", "440301103097413", id="a number of before 2015"),
        pytest.param("flag", "yes", id="a flag in English"),
        pytest.param("code", None, id="null for a code"),
        pytest.param("names", [1], id="a name that is a number"),
    ],
)
def test_a_conversion_refuses_all_else(name: Any, value: object) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        COERCIONS[name](value)


def test_an_instant_that_no_clock_of_ours_can_show_is_off_contract() -> None:
    reading = read(with_record(gxsj="0001-01-01 00:00:00"))

    assert reading.status is EvidenceStatus.MALFORMED
    assert reading.detail == "off contract in `gxsj`"


# ── statuses ─────────────────────────────────────────────────────────────────────────────────────


def test_a_match_gives_every_concept_and_nothing_else() -> None:
    reading = read(MATCH)

    assert reading.status is EvidenceStatus.MATCH
    assert reading.values == {
        "applicant.identity_confirmed": True,
        "applicant.birth_date": date(1955, 10, 1),
        "applicant.hukou_city": "shenzhen",
    }
    assert (reading.reference, reading.as_of) == ("N-1", datetime(2026, 3, 1, tzinfo=UTC))
    assert "王小明" not in repr(reading)


def test_a_field_that_the_register_leaves_empty_is_not_known() -> None:
    reading = read(with_record(hjdxzqh=""))

    assert reading.status is EvidenceStatus.MATCH
    assert set(reading.values) == {"applicant.identity_confirmed", "applicant.birth_date"}


@pytest.mark.parametrize(
    ("answer", "status", "detail"),
    [
        pytest.param({"code": 204, "data": []}, "NO_RECORD_INCONCLUSIVE", "", id="nobody"),
        pytest.param(
            {**MATCH, "data": MATCH["data"] * 2}, "AMBIGUOUS", "several records", id="two people"
        ),
        pytest.param(with_record(yyzt="1"), "DISPUTED", "an objection is open", id="an objection"),
        pytest.param({"code": 403}, "DENIED", "the register says so", id="no right to ask"),
        pytest.param({"code": 503}, "UNAVAILABLE", "the register says so", id="busy"),
        pytest.param({"code": 300}, "AMBIGUOUS", "the register says so", id="a number twice"),
        pytest.param(
            {"code": 404},
            "MALFORMED",
            "the code of the answer is not in the contract",
            id="a code that nobody agreed on",
        ),
        pytest.param(
            {**MATCH, "data": []}, "MALFORMED", "a match comes without a record", id="empty match"
        ),
        pytest.param(
            {**MATCH, "code": 204}, "MALFORMED", "an absence comes with a record", id="full absence"
        ),
        pytest.param(
            with_record(gmsfhm=OTHER),
            "MALFORMED",
            "the answer is about another `id_number`",
            id="somebody else",
        ),
        pytest.param(
            {**MATCH, "data": "none"},
            "MALFORMED",
            "the records are neither an object nor a list of objects",
            id="a text for records",
        ),
        pytest.param(
            {"code": 409},
            "MALFORMED",
            "a mismatch does not say which of the keys differ",
            id="a mismatch of nothing",
        ),
        pytest.param(
            {"code": 409, "bpzd": "xm"},
            "MALFORMED",
            "a mismatch does not say which of the keys differ",
            id="a mismatch of what was not asked",
        ),
        pytest.param([], "MALFORMED", "the answer is not an object", id="a list"),
    ],
)
def test_an_answer_has_one_status(answer: Any, status: str, detail: str) -> None:
    reading = read(answer)

    assert (reading.status, reading.detail, dict(reading.values)) == (status, detail, {})


def test_a_mismatch_names_our_keys() -> None:
    reading = read({"code": 409, "bpzd": ["gmsfhm"]})

    assert reading.status is EvidenceStatus.MISMATCH
    assert reading.mismatched == ("id_number",)


def test_a_pending_answer_says_until_when() -> None:
    reading = read({"code": 202, "yjfksj": "2026-03-05 18:00:00"})

    assert reading.status is EvidenceStatus.PENDING
    assert reading.pending_until == datetime(2026, 3, 5, 10, tzinfo=UTC)


def test_absence_from_a_complete_register_has_its_declared_values() -> None:
    answer = {"ztdm": "01", "sfzh": PERSON, "gxsj": "2026-03-01 08:00:00", "sj": None}

    reading = read(answer, "death_register")

    assert reading.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
    assert reading.values == {"applicant.living_status": "living"}


@pytest.mark.parametrize(
    "told", [pytest.param({"sfzh": OTHER}, id="of another"), pytest.param({}, id="of nobody")]
)
def test_an_absence_of_somebody_else_proves_nothing(told: dict[str, str]) -> None:
    reading = read({"ztdm": "01", **told, "sj": None}, "death_register")

    assert reading.status is EvidenceStatus.MALFORMED
    assert reading.detail == "the answer is about another `id_number`"


@pytest.mark.parametrize(
    ("place", "district"),
    [
        ("440303", "luohu"),
        ("440311", "guangming"),
        ("440106", "elsewhere"),
        ("110105", "elsewhere"),
        pytest.param("440300", None, id="the city is no district"),
        pytest.param("440312", None, id="a district that is not in the file"),
        pytest.param("44030", None, id="five digits"),
    ],
)
def test_a_place_of_the_city_that_is_no_known_district_is_not_elsewhere(
    place: str, district: str | None
) -> None:
    house = "9900000000000000000000001"
    record = {"houseCode": house, "usage": "10", "districtCode": place, "isIllegal": False}
    record |= {"floorNo": 1, "isHeritageStreet": False}
    answer = {"errcode": 0, "result": [{**record, "entityCount": 0, "realEstateUnitNo": None}]}
    question = query("address_register").model_copy(update={"keys": {"house_code": house}})

    reading = Reader(REGISTERS[EvidenceType("address_register")]).read(
        question, json.dumps(answer).encode()
    )

    assert reading.values.get(Concept("premises.district")) == district
    assert reading.detail == ("" if district else "off contract in `districtCode`")


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        ({"sxts": 2, "yybzts": 2, "sfyc": "Y", "zswfll": "Y"}, ""),
        ({"sxts": 2, "yybzts": 1, "sfyc": "Y", "zswfll": "N"}, ""),
        (
            {"sxts": 1, "yybzts": 2, "sfyc": "N", "zswfll": "N"},
            "`entries_disputed` exceeds `entries`",
        ),
        (
            {"sxts": 1, "yybzts": 0, "sfyc": "N", "zswfll": "Y"},
            "`listed_for_address` exceeds `listed_abnormal`",
        ),
    ],
)
def test_a_record_that_contradicts_itself_is_off_contract(
    record: Mapping[str, object], detail: str
) -> None:
    """One entry with two objections would pass for none, were it only subtracted."""
    firm = "91999999MA00000154"
    answer = {"jgdm": "1", "xydm": firm, "xyxx": {"xydm": firm, **record, "yybz": "N"}}
    question = query("credit_register").model_copy(update={"keys": {"organisation_code": firm}})

    reading = Reader(REGISTERS[EvidenceType("credit_register")]).read(
        question, json.dumps(answer).encode()
    )

    assert (reading.status, reading.detail) == ("MALFORMED" if detail else "MATCH", detail)


def test_a_code_without_a_meaning_is_off_contract() -> None:
    register = REGISTERS[EvidenceType("population_register")]
    closed = register.concepts["applicant.hukou_city"].model_copy(update={"otherwise": None})  # type: ignore[index]  # a Concept is a str
    ours = register.model_copy(
        update={"concepts": {**register.concepts, "applicant.hukou_city": closed}}
    )

    reading = Reader(ours).read(query(), json.dumps(with_record(hjdxzqh="110105")).encode())

    assert reading.status is EvidenceStatus.MALFORMED
    assert reading.detail == "the code in `hukou_place` is not in the contract"
    assert read(with_record(hjdxzqh="110105")).values["applicant.hukou_city"] == "elsewhere"


@pytest.mark.parametrize("place", ["440301", "440302", "440312", "44030"])
def test_a_household_in_the_city_is_never_taken_for_one_elsewhere(place: str) -> None:
    assert read(with_record(hjdxzqh=place)).detail == "off contract in `hjdxzqh`"


def test_no_detail_quotes_the_answer() -> None:
    for field in MATCH["data"][0]:
        assert "王小明" not in read(with_record(**{field: ["王小明"]})).detail


# ── lists of flat records ────────────────────────────────────────────────────────────────────────


def barred(*rows: object, **record: object) -> Any:
    """What the register of bars says, with these rows."""
    held = {"证件号码": PERSON, "限制事项": [*rows], **record}
    answer = {"返回": "有限制", "证件号码": PERSON, "数据时间": "2026-03-01 08:00:00", "结果": held}
    return read(answer, "bar_register")


def row(**cells: object) -> dict[str, object]:
    return {"事由": "11", "起算日": "2021年3月1日", "清偿": "", **cells}


def test_a_list_is_read_row_by_row_and_an_empty_cell_is_not_known() -> None:
    reading = barred(row(), row(事由="40", 起算日="", 清偿="否", 法院="不必知道"))

    assert reading.values == {
        "applicant.bars": (
            {"ground": "sentence", "since": date(2021, 3, 1)},
            {"ground": "debt", "settled": False},
        )
    }


def test_a_list_without_rows_is_known_and_empty() -> None:
    assert barred().values == {"applicant.bars": ()}


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([row(事由="77")], id="a code outside the contract"),
        pytest.param([row(起算日="2021-02-30")], id="a day that never was"),
        pytest.param([row(清偿=1.5)], id="a number for a flag"),
        pytest.param([row(), {"起算日": "2021年3月1日"}], id="a row without its ground"),
        pytest.param([row(事由=[row()])], id="a list within a list"),
        pytest.param([row(), "11"], id="a text for a row"),
        pytest.param([None], id="nothing for a row"),
    ],
)
def test_one_wrong_row_spoils_the_list(rows: list[object]) -> None:
    reading = barred(*rows)

    assert reading.status is EvidenceStatus.MALFORMED
    assert reading.detail == "off contract in `限制事项`"
    assert not reading.values


@pytest.mark.parametrize("told", [None, {}, "[]", {"0": row()}])
def test_what_is_no_list_is_not_taken_for_one(told: object) -> None:
    assert barred(限制事项=told).detail == "off contract in `限制事项`"


def test_threads_that_share_a_reader_get_each_their_own_answer() -> None:
    reader = Reader(REGISTERS[EvidenceType("population_register")])
    answers = {
        f"19{year}-01-01": json.dumps(with_record(csrq=f"19{year}0101")).encode()
        for year in range(50, 66)
    }

    def reads(day: str) -> bool:
        wrong = json.dumps(with_record(csrq=day, yyzt="maybe")).encode()
        return all(
            str(reader.read(query(), answers[day]).values["applicant.birth_date"]) == day  # type: ignore[index]  # a Concept is a str
            and reader.read(query(), wrong).detail == "off contract in `yyzt`"
            for _ in range(25)
        )

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(reads, answers))
