"""How the registers of firms and houses speak: five more vendors, five more habits.

Written from the vendors' side, as `dialects` is, and sharing nothing with the register files.
"""

from datetime import date, timedelta
from typing import Final

from evidence_adapters.sandbox.turn import Answer, Condition, Turn

_RESTRICTIONS: Final = {"none": "正常", "sealed": "查封", "objection": "异议登记"}


def companies(turn: Turn) -> Answer:
    """A market regulator's check: it owns objections, and tells no one's name but the firm's."""
    statuses = {"in_business": "1", "suspended": "2", "revoked": "3", "cancelled": "4"}
    equities = {"free": "0", "frozen": "1", "pledged": "2", "frozen_and_pledged": "3"}
    records = [
        {
            "tyshxydm": firm.code,
            "ztmc": firm.name,
            "jbrzjhm": known.keys["id_number"],
            "djzt": statuses[firm.status],
            "sffddbr": "1" if firm.representative == known.keys["id_number"] else "0",
            "zsxzqh": firm.district,
            "gqzt": equities[firm.equity],
            "clrq": f"{_day(firm.founded, turn):%Y%m%d}",
            "sfhspxs": "1" if firm.food_sale else "0",
            "sfhelqx": "1" if firm.class_ii_devices else "0",
            "yybz": "0",
        }
        for known in turn.found
        if (firm := known.firm) is not None
    ]
    codes: dict[Condition, tuple[str, str]] = {
        "found": ("A0000", "核查成功"),
        "not_found": ("A0004", "查无此主体"),
        "ambiguous": ("A0005", "存在重码"),
        "disputed": ("A0009", "登记信息存在异议"),
        "pending": ("A0010", "转登记机关人工核查"),
        "denied": ("E0003", "未授权的事项"),
        "unavailable": ("E0099", "系统异常"),
    }
    word = turn.word(records)
    code, message = codes[word]
    return {
        "fhdm": code,
        "fhxx": message,
        "ywlsh": turn.serial,
        "tyshxydm": turn.about.keys["organisation_code"],
        "jbrzjhm": turn.about.keys["id_number"],
        "sjgxsj": turn.digits,
        "yjfksj": turn.promised if word == "pending" else None,
        "ztxx": records[0] if len(records) == 1 else records or None,
    }


def addresses(turn: Turn) -> Answer:
    """A data bureau's open interface: English names, numbers and truth values as such, ISO."""
    uses = {"business": "10", "residential": "20", "mixed": "30", "industrial": "40"}
    records = [
        {
            "houseCode": house.code,
            "usage": uses[house.use],
            "districtCode": house.district,
            "isIllegal": house.illegal,
            "entityCount": house.firms,
            "floorNo": house.floor,
            "isHeritageStreet": house.heritage,
            "realEstateUnitNo": house.unit or None,
            "objection": False,
            "geohash": "ws1",
        }
        for known in turn.found
        if (house := known.house) is not None
    ]
    codes: dict[Condition, tuple[int, str]] = {
        "found": (0, "ok"),
        "not_found": (40400, "house code not found"),
        "ambiguous": (40900, "code merged or split"),
        "disputed": (40901, "under verification"),
        "pending": (20200, "field survey ordered"),
        "denied": (40300, "no permission"),
        "unavailable": (50300, "busy"),
    }
    word = turn.word(records)
    code, message = codes[word]
    answer: dict[str, object] = {
        "errcode": code,
        "errmsg": message,
        "traceId": turn.serial,
        "houseCode": turn.about.keys["house_code"],
        "dataTime": turn.as_of.isoformat(timespec="seconds"),
        "result": records,
    }
    return {**answer, "replyBefore": turn.promised} if word == "pending" else answer


def properties(turn: Turn) -> Answer:
    """A register of deeds: pinyin words for codes, capitals, Chinese words for states."""
    records = [
        {
            "BDCDYH": house.unit,
            "QLRZJH": known.keys["organisation_code"],
            "SFQLR": "Y" if house.owner == known.keys["organisation_code"] else "N",
            "CFZT": _RESTRICTIONS[house.restriction],
            "JYBZ": "Y" if turn.is_disputed else "N",
        }
        for known in turn.found
        if (house := known.house) is not None
    ]
    words: dict[Condition, str] = {
        "found": "YDJ",
        "disputed": "YDJ",
        "not_found": "WDJ",
        "ambiguous": "BWY",
        "denied": "WQX",
        "pending": "RGCX",
        "unavailable": "TJWH",
    }
    word = turn.word(records)
    return {
        "cxjg": words[word],
        "cxdh": turn.serial,
        "dbsj": turn.stamp,
        "cnfkrq": turn.promised if word == "pending" else "",
        "bdcqk": records[0] if len(records) == 1 else records or None,
    }


def leases(turn: Turn) -> Answer:
    """An old filing system: numbers for success, slashes in days, small letters in codes."""
    records = [
        {
            "fwbm": house.code,
            "czrdm": house.tenant.lower(),
            "zlqxq": house.lease_end.replace(day=1).strftime("%Y/%m/%d"),
            "zlqxz": house.lease_end.strftime("%Y/%m/%d"),
            "yy": "是" if turn.is_disputed else "否",
        }
        for known in turn.found
        if (house := known.house) is not None
        and house.lease_end is not None
        and house.tenant == known.keys["organisation_code"]
    ]
    codes: dict[Condition, int] = {
        "found": 1,
        "disputed": 1,
        "not_found": 0,
        "ambiguous": 2,
        "pending": 3,
        "unavailable": -1,
        "denied": -2,
    }
    word = turn.word(records)
    return {
        "success": codes[word],
        "slh": turn.serial,
        "fwbm": turn.about.keys["house_code"],
        "czrdm": turn.about.keys["organisation_code"].lower(),
        "jzsj": turn.stamp,
        "hfqx": turn.promised if word == "pending" else "",
        "rows": len(records),
        "list": records,
    }


def credit(turn: Turn) -> Answer:
    """A credit centre: digits for codes, counts for entries, nothing for a clean firm."""
    records = [
        {
            "xydm": firm.code,
            "sxts": firm.credit_entries,
            "yybzts": firm.credit_entries_disputed,
            "sfyc": "N" if firm.listed == "no" else "Y",
            "zswfll": "Y" if firm.listed == "address" else "N",
            "yybz": "N",
        }
        for known in turn.found
        if (firm := known.firm) is not None and (firm.credit_entries or firm.listed != "no")
    ]
    codes: dict[Condition, str] = {
        "found": "1",
        "not_found": "0",
        "ambiguous": "5",
        "disputed": "6",
        "pending": "7",
        "denied": "8",
        "unavailable": "9",
    }
    word = turn.condition if turn.is_disputed else turn.word(records)
    return {
        "jgdm": codes[word],
        "cxlsh": turn.serial,
        "xydm": turn.about.keys["organisation_code"],
        "cxsj": turn.as_of.isoformat(timespec="seconds"),
        "fksj": turn.promised if word == "pending" else None,
        "xyxx": records[0] if len(records) == 1 else records or None,
    }


def _day(founded: date | timedelta, turn: Turn) -> date:
    return founded if isinstance(founded, date) else turn.today - founded
