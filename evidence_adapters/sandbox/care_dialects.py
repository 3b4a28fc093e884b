"""How the registers of disability, service and households speak: three more vendors.

Written from the vendors' side, as `dialects` is, and sharing nothing with the register files.
"""

from datetime import timedelta
from typing import Final

from evidence_adapters.sandbox.life import Category, Relation
from evidence_adapters.sandbox.turn import Answer, Condition, Turn

_CATEGORIES: Final[dict[Category, str]] = {
    "vision": "1",
    "hearing": "2",
    "speech": "3",
    "physical": "4",
    "intellectual": "5",
    "mental": "6",
    "multiple": "7",
}
_RELATIONS: Final[dict[Relation, str]] = {
    "head": "02",
    "spouse": "10",
    "child": "20",
    "grandchild": "40",
    "parent": "50",
    "grandparent": "60",
    "ward": "97",
    "sibling": "70",
}


def disabilities(turn: Turn) -> Answer:
    """A federation's card system: Chinese words for codes, days in Chinese, grades as numbers."""
    states = {"valid": "正常", "frozen": "冻结", "cancelled": "注销"}
    records = [
        {
            "sfz": person.id_number,
            "xm": person.name,
            "zt": states[card.state],
            "lb": _CATEGORIES[card.category],
            "dj": card.grade,
            "yxq": f"{turn.today + timedelta(days=card.days):%Y年%m月%d日}",
        }
        for person, life in turn.lives
        if (card := life.disability) is not None
    ]
    words: dict[Condition, str] = {
        "found": "有证",
        "not_found": "无证",
        "ambiguous": "重证",
        "disputed": "异议",
        "pending": "待核",
        "denied": "无权",
        "unavailable": "停用",
    }
    word = turn.word(records)
    return {
        "jg": words[word],
        "sfz": turn.about.keys["id_number"],
        "xlh": turn.serial,
        "jzrq": turn.stamp,
        "hfrq": turn.promised if word == "pending" else "",
        "zj": records[0] if len(records) == 1 else records or None,
    }


def service(turn: Turn) -> Answer:
    """A ministry's monthly batch: English words in capitals, numbers below nought for trouble."""
    records = [
        {
            "IdCard": person.id_number,
            "Kind": "JR" if certificate.kind == "veteran" else "JC",
            "Level": certificate.grade,
            "InForce": certificate.in_force,
            "Objection": turn.is_disputed,
        }
        for person, life in turn.lives
        if (certificate := life.service) is not None
    ]
    codes: dict[Condition, int] = {
        "found": 1,
        "disputed": 1,
        "not_found": 0,
        "ambiguous": -2,
        "pending": -3,
        "denied": -4,
        "unavailable": -9,
    }
    word = turn.word(records)
    answer: dict[str, object] = {
        "ResultCode": codes[word],
        "IdCard": turn.about.keys["id_number"].lower(),
        "TransId": turn.serial,
        "BatchTime": turn.as_of.isoformat(timespec="seconds"),
        "Certificate": records,
    }
    return {**answer, "ReplyTime": turn.promised} if word == "pending" else answer


def guardians(turn: Turn) -> Answer:
    """A platform of two bureaus: codes of letters and digits, both numbers in every record."""
    relations = {"parent": "1", "appointed": "2"}
    records = [
        {
            "bjhrZjhm": person.id_number,
            "jhrZjhm": known.keys["guardian_id_number"],
            "jhrXm": "不应提供",
            "gx": relations[relation],
            "csrq": person.birth_date.isoformat(),
        }
        for known in turn.found
        if (person := known.person) is not None and (relation := known.guardianship) is not None
    ]
    codes: dict[Condition, str] = {
        "found": "JH00",
        "not_found": "JH01",
        "ambiguous": "JH02",
        "disputed": "JH03",
        "pending": "JH04",
        "denied": "JH40",
        "unavailable": "JH50",
    }
    word = turn.word(records)
    return {
        "fhdm": codes[word],
        "bjhrZjhm": turn.about.keys["id_number"],
        "jhrZjhm": turn.about.keys["guardian_id_number"],
        "lsh": turn.serial,
        "sjsj": turn.stamp,
        "yjfk": turn.promised if word == "pending" else None,
        "jhgx": records,
    }


def households(turn: Turn) -> Answer:
    """A police register: one book a person, its other members as a list within; blanks for gaps."""
    flags = {True: "1", False: "0", None: ""}
    records = [
        {
            "GMSFHM": person.id_number,
            "HH": "990000001",
            "YHZGX": _RELATIONS[book.relation],
            "CY": [
                {
                    "YHZGX": "" if other.relation is None else _RELATIONS[other.relation],
                    "CJZ": flags[other.certified],
                }
                for other in book.others
            ],
        }
        for person, life in turn.lives
        if (book := life.household) is not None
    ]
    codes: dict[Condition, int] = {
        "found": 200,
        "not_found": 404,
        "ambiguous": 300,
        "disputed": 301,
        "pending": 202,
        "denied": 403,
        "unavailable": 500,
    }
    word = turn.word(records)
    return {
        "bz": codes[word],
        "cxh": turn.serial,
        "GMSFHM": turn.about.keys["id_number"],
        "gxrq": turn.digits,
        "fkrq": turn.promised if word == "pending" else None,
        "hkb": records[0] if len(records) == 1 else records or None,
    }
