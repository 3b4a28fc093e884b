"""How the registers of start-ups and of insurance by employer speak.

Written from the vendors' side, as `dialects` is, and sharing nothing with the register files.
"""

from datetime import timedelta
from typing import Final

from evidence_adapters.sandbox.startups import Partner
from evidence_adapters.sandbox.turn import Answer, Condition, Turn

_GROUNDS: Final = {
    "graduate": "GRAD",
    "returnee": "RETURN",
    "student": "STUDENT",
    "unemployed": "UNEMPLOYED",
    "veteran": "VETERAN",
    "dependant": "ARMY",
    "disabled": "DISABLED",
    "none": "NONE",
}


def startups(turn: Turn) -> Answer:
    """A bureau's young platform: small English words, snake case, lists, truth values, nulls."""
    records = [
        {
            "org_code": known.keys["organisation_code"],
            "paid": known.startup.paid,
            "partners": [_partner(partner, turn) for partner in known.startup.partners],
        }
        for known in turn.found
        if known.startup is not None and (known.startup.partners or known.startup.paid)
    ]
    words: dict[Condition, str] = {
        "found": "hit",
        "not_found": "miss",
        "ambiguous": "several",
        "disputed": "objected",
        "pending": "later",
        "denied": "forbidden",
        "unavailable": "closed",
    }
    word = turn.condition if turn.is_disputed else turn.word(records)
    answer: dict[str, object] = {
        "answer": words[word],
        "answer_no": turn.serial,
        "org_code": turn.about.keys["organisation_code"],
        "as_of": turn.as_of.isoformat(timespec="seconds"),
        "startup": records,
    }
    return {**answer, "answer_by": turn.promised} if word == "pending" else answer


def _partner(partner: Partner, turn: Turn) -> Answer:
    since = None if partner.days is None else turn.today - timedelta(days=partner.days)
    return {
        "name": "某某",
        "share": "10%",
        "basis": None if partner.ground is None else _GROUNDS[partner.ground],
        "basis_date": None if since is None else since.isoformat(),
        "local": partner.local,
        "granted": partner.granted,
    }


def insurance_by_employer(turn: Turn) -> Answer:
    """Another transaction of the fund's gateway: six digits, the national field names."""
    records = [
        {
            "aab998": known.keys["organisation_code"],
            "aac002": known.keys["id_number"],
            "aae180": 8_000,
            "dwlxys": known.startup.months,
            "aac008": "1" if known.startup.active else "3",
        }
        for known in turn.found
        if known.firm is not None
        and known.startup is not None
        and known.startup.months is not None
        and known.firm.representative == known.keys["id_number"]
    ]
    codes: dict[Condition, tuple[str, str]] = {
        "found": ("000000", "交易成功"),
        "not_found": ("000405", "未在该单位参保"),
        "ambiguous": ("000409", "个人编号重复"),
        "disputed": ("000423", "缴费记录核查中"),
        "pending": ("000202", "转人工核定"),
        "denied": ("999403", "无交易权限"),
        "unavailable": ("999999", "系统异常"),
    }
    word = turn.condition if turn.is_disputed else turn.word(records)
    code, message = codes[word]
    return {
        "respCode": code,
        "respMsg": message,
        "respSeq": turn.serial,
        "aab998": turn.about.keys["organisation_code"],
        "aac002": turn.about.keys["id_number"],
        "settledAt": turn.digits,
        "answerBy": turn.promised if word == "pending" else None,
        "resultset": records[0] if len(records) == 1 else records or None,
    }
