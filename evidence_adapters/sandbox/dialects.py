"""How each register of people speaks: four vendors, four habits, no two alike.

The dialects are written from the vendors' side and share nothing with the register files, so that
an answer which is read rightly shows that the file is right.
"""

from collections.abc import Callable, Mapping
from typing import Final

from evidence_adapters.sandbox import (
    care_dialects,
    driver_dialects,
    firm_dialects,
    job_dialects,
    life_dialects,
    startup_dialects,
    trader_dialects,
)
from evidence_adapters.sandbox.turn import Answer, Condition, Turn


def population(turn: Turn) -> Answer:
    """A national platform: numbers as codes, and more about a person than anybody asked for."""
    codes: dict[Condition, tuple[int, str]] = {
        "found": (200, "查询成功"),
        "disputed": (200, "查询成功"),
        "not_found": (204, "查无此人"),
        "ambiguous": (300, "存在重号"),
        "mismatch": (409, "与库中信息不一致"),
        "denied": (403, "未授权的事项或用途"),
        "pending": (202, "已转人工核查"),
        "unavailable": (503, "服务繁忙"),
    }
    data = [
        {
            "gmsfhm": person.id_number,
            "xm": person.name,
            "xb": "1" if int(person.id_number[16]) % 2 else "2",
            "csrq": person.birth_date.strftime("%Y%m%d"),
            "hjdxzqh": person.hukou_place,
            "yyzt": "1" if turn.is_disputed else "0",
            "gxsj": turn.stamp,
        }
        for known in turn.found
        if (person := known.person) is not None
    ]
    code, message = codes[turn.word(data)]
    answer: dict[str, object] = {"code": code, "message": message, "requestNo": turn.serial}
    if turn.condition == "pending":
        answer["yjfksj"] = turn.promised
    if turn.condition == "mismatch":
        answer["bpzd"] = "gmsfhm"
    return {**answer, "data": data}


def deaths(turn: Turn) -> Answer:
    """A health platform: pinyin initials, text codes, one record or null; it owns objections."""
    records = [
        {
            "sfzh": person.id_number,
            "swrq": person.death_date.strftime("%Y年%m月%d日"),
            "swdd": "医院",
            "yybz": "0",
        }
        for known in turn.found
        if (person := known.person) is not None
        and person.death_date is not None
        and person.death_date <= turn.filing_date
    ]
    codes: Mapping[Condition, tuple[str, str]] = {
        "found": ("00", "查询成功"),
        "not_found": ("01", "无死亡登记"),
        "ambiguous": ("02", "存在多人"),
        "disputed": ("03", "登记存在异议，核查中"),
        "denied": ("04", "无权查询"),
        "pending": ("05", "已受理，待人工反馈"),
        "unavailable": ("99", "系统繁忙"),
    }
    condition = turn.condition if turn.is_disputed else turn.word(records)
    code, message = codes[condition]
    record = records[0] if condition == "found" else None
    answer: dict[str, object] = {"ztdm": code, "ztms": message, "lsh": turn.serial}
    answer |= {"sfzh": turn.about.keys["id_number"], "gxsj": turn.stamp, "sj": record}
    return {**answer, "yjfksj": turn.promised if condition == "pending" else ""}


def payments(turn: Turn) -> Answer:
    """A district's old system: codes as text, negative for trouble, rows, blanks for nothing."""
    rows = [
        {
            "sfzhm": person.id_number.lower(),
            "ffzt": "3" if person.reported_dead else "1" if person.in_payment else "0",
            "zhgs": {"own": "1", "another": "2", "none": ""}[person.account],
            "swzz": "1" if person.reported_dead else "",
            "yybs": "是" if turn.is_disputed else "否",
        }
        for known in turn.found
        if (person := known.person) is not None and (person.in_payment or person.account != "none")
    ]
    codes = {
        "ambiguous": "2",
        "denied": "-3",
        "pending": "9",
        "unavailable": "-1",
    }
    code = codes.get(turn.condition, "0" if rows else "1")
    return {
        "resultCode": code,
        "resultMsg": "操作成功" if code in {"0", "1"} else "操作失败",
        "cxbh": turn.serial,
        "sfzhm": turn.about.keys["id_number"].lower(),
        "sjsj": turn.digits,
        "fksx": turn.promised if turn.condition == "pending" else None,
        "total": len(rows),
        "rows": rows,
    }


def library(turn: Turn) -> Answer:
    """A library network: pinyin words for codes, real numbers and truth values, ISO instants."""
    held = [
        person
        for known in turn.found
        if (person := known.person) is not None and person.library_card
    ]
    words = {"ambiguous": "CF", "denied": "WQX", "pending": "HCZ", "unavailable": "WH"}
    answer: dict[str, object] = {
        "zt": words.get(turn.condition, "CZ" if held else "BCZ"),
        "lsh": turn.serial,
        "zjhm": turn.about.keys["id_number"],
        "fwsj": turn.as_of.isoformat(timespec="seconds"),
        "reader": None,
    }
    if turn.condition == "pending":
        answer["fksj"] = turn.promised
    if held:
        readers = [
            {
                "zjhm": person.id_number,
                "dzzh": person.library_card,
                "wghcs": person.items_outstanding,
                "yyzt": turn.is_disputed,
            }
            for person in held
        ]
        answer["reader"] = readers[0] if len(readers) == 1 else readers
    return answer


DIALECTS: Final[Mapping[str, Callable[[Turn], Answer]]] = {
    "population_register": population,
    "death_register": deaths,
    "payment_ledger": payments,
    "library_register": library,
    "company_register": firm_dialects.companies,
    "address_register": firm_dialects.addresses,
    "property_register": firm_dialects.properties,
    "lease_register": firm_dialects.leases,
    "credit_register": firm_dialects.credit,
    "residence_register": life_dialects.residence,
    "insurance_register": life_dialects.insurance,
    "talent_register": life_dialects.talents,
    "education_register": life_dialects.education,
    "housing_register": life_dialects.housing,
    "subsidy_ledger": life_dialects.subsidies,
    "traffic_register": driver_dialects.traffic,
    "offence_register": driver_dialects.offences,
    "transport_register": driver_dialects.transport,
    "bar_register": trader_dialects.bars,
    "personal_credit_register": trader_dialects.credit_of_persons,
    "personal_lease_register": trader_dialects.leases_of_persons,
    "startup_register": startup_dialects.startups,
    "firm_insurance_register": startup_dialects.insurance_by_employer,
    "disability_register": care_dialects.disabilities,
    "veteran_register": care_dialects.service,
    "household_register": care_dialects.households,
    "guardianship_register": care_dialects.guardians,
    "unemployment_insurance_register": job_dialects.unemployment_insurance,
    "employment_register": job_dialects.employment,
    "custody_register": job_dialects.custody,
    "business_holder_register": job_dialects.business_holders,
}
"""The registers of the city, by evidence type."""
