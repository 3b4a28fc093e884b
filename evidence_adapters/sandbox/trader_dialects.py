"""How the registers about those who set up shop speak: bars, credit of persons, their leases.

Written from the vendors' side, as `dialects` is, and sharing nothing with the register files.
"""

from datetime import date, timedelta
from typing import Final

from evidence_adapters.sandbox.turn import Answer, Condition, Turn

_GROUNDS: Final = {
    "sentence": "11",
    "deprivation": "12",
    "bankruptcy": "20",
    "revocation": "30",
    "debt": "40",
    "capacity": "50",
    "food": "60",
    "other": "99",
}


def bars(turn: Turn) -> Answer:
    """A regulator's bulletin: every name and code in Chinese, a list of grounds, days in words."""
    records = [
        {
            "证件号码": known.keys["id_number"],
            "姓名": "某某",
            "限制事项": [
                {
                    "事由": _GROUNDS[bar.ground],
                    "作出机关": "沙盒市人民法院",
                    "起算日": ""
                    if bar.days is None
                    else _in_words(turn.today - timedelta(days=bar.days)),
                    "清偿": {True: "是", False: "否", None: ""}[bar.settled],
                }
                for bar in known.standing.bars
            ],
        }
        for known in turn.found
        if known.standing is not None and known.standing.bars
    ]
    words: dict[Condition, str] = {
        "found": "有限制",
        "not_found": "无限制",
        "ambiguous": "重号",
        "disputed": "异议核查",
        "pending": "转人工复核",
        "denied": "无权限",
        "unavailable": "系统忙",
    }
    word = turn.condition if turn.is_disputed else turn.word(records)
    return {
        "返回": words[word],
        "证件号码": turn.about.keys["id_number"],
        "流水号": turn.serial,
        "数据时间": turn.stamp,
        "预计反馈": turn.promised if word == "pending" else "",
        "结果": records[0] if len(records) == 1 and word == "found" else records or None,
    }


def credit_of_persons(turn: Turn) -> Answer:
    """The credit centre's second interface: camel case, thousands for codes, counts."""
    records = [
        {
            "certNo": known.keys["id_number"],
            "total": known.standing.credit_entries,
            "disputed": known.standing.credit_entries_disputed,
            "lists": ["失信被执行人"],
        }
        for known in turn.found
        if known.standing is not None and known.standing.credit_entries
    ]
    codes: dict[Condition, int] = {
        "found": 1000,
        "not_found": 1001,
        "ambiguous": 1002,
        "disputed": 1003,
        "pending": 1004,
        "denied": 4003,
        "unavailable": 5000,
    }
    word = turn.condition if turn.is_disputed else turn.word(records)
    answer: dict[str, object] = {
        "retCode": codes[word],
        "retSeq": turn.serial,
        "certNo": turn.about.keys["id_number"],
        "retTime": turn.as_of.isoformat(timespec="seconds"),
        "summary": records[0] if len(records) == 1 else records or None,
    }
    return {**answer, "expect": turn.promised} if word == "pending" else answer


def leases_of_persons(turn: Turn) -> Answer:
    """The housing bureau's new interface: a letter and digits for codes, ISO days."""
    records = [
        {
            "houseCode": house.code,
            "lesseeId": house.tenant,
            "startDate": house.lease_end.replace(day=1).isoformat(),
            "endDate": house.lease_end.isoformat(),
            "objected": turn.is_disputed,
        }
        for known in turn.found
        if (house := known.house) is not None
        and house.lease_end is not None
        and house.tenant == known.keys["id_number"]
    ]
    codes: dict[Condition, str] = {
        "found": "L10",
        "disputed": "L10",
        "not_found": "L11",
        "ambiguous": "L12",
        "pending": "L13",
        "denied": "L40",
        "unavailable": "L50",
    }
    word = turn.word(records)
    return {
        "rc": codes[word],
        "rid": turn.serial,
        "houseCode": turn.about.keys["house_code"],
        "lesseeId": turn.about.keys["id_number"],
        "ts": turn.stamp,
        "eta": turn.promised if word == "pending" else None,
        "lease": records,
    }


def _in_words(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"
