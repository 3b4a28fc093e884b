"""How the registers of work and of what ends a benefit speak: no two alike.

Written from the vendors' side, as `dialects` is, and sharing nothing with the register files.
"""

from datetime import timedelta

from evidence_adapters.sandbox.turn import Answer, Condition, Turn


def unemployment_insurance(turn: Turn) -> Answer:
    """A fund's core system: numbers for codes, half-English names, wages besides."""
    accounts = [
        (known.keys["id_number"], account)
        for known in turn.found
        if (work := known.work) is not None and (account := work.account) is not None
    ]
    records = [
        {
            "psn_idno": number,
            "clct_wag": "8000.00",
            "clct_mons": account.contributed,
            "surp_mons": account.unused,
            "bnft_stas": "10" if account.in_payment else "00",
            "pens_flag": "1" if account.pension else "0",
        }
        for number, account in accounts
    ]
    codes: dict[Condition, int] = {
        "found": 0,
        "not_found": 1,
        "ambiguous": 2,
        "disputed": 3,
        "pending": 4,
        "unavailable": -1,
        "denied": -2,
    }
    word = turn.condition if turn.is_disputed else turn.word(records)
    if word == "found" and accounts[0][1].gathering:
        word = "pending"
    return {
        "infcode": codes[word],
        "inf_refmsgid": turn.serial,
        "psn_idno": turn.about.keys["id_number"],
        "stlm_time": turn.stamp,
        "expt_time": turn.promised if word == "pending" else "",
        "output": records if word == "found" else [],
    }


def employment(turn: Turn) -> Answer:
    """An employment office: camel case, letters before codes, days in Chinese."""
    records = [
        {
            "idCard": known.keys["id_number"],
            "lastEmployer": "沙盒市用人单位",
            "registerFlag": "是" if entry.registered else "否",
            "registerDate": _day(turn, -entry.days_ago) if entry.registered else "",
            "claimDeadline": _day(turn, entry.claim_days) if entry.registered else "",
            "leaveReason": entry.ground,
            "employFlag": "是" if entry.reemployed else "否",
            "disputeFlag": "是" if turn.is_disputed or entry.disputed else "否",
        }
        for known in turn.found
        if (work := known.work) is not None and (entry := work.registration) is not None
    ]
    codes: dict[Condition, str] = {
        "found": "S0001",
        "disputed": "S0001",
        "not_found": "S0002",
        "ambiguous": "S0003",
        "pending": "S0005",
        "denied": "E0401",
        "unavailable": "E0500",
    }
    word = turn.word(records)
    return {
        "resultFlag": codes[word],
        "serialNo": turn.serial,
        "idCard": turn.about.keys["id_number"].lower(),
        "dataTime": turn.stamp,
        "feedbackTime": turn.promised if word == "pending" else None,
        "detail": records[0] if len(records) == 1 else records or None,
    }


def custody(turn: Turn) -> Answer:
    """A closed network's gate: one letter for a code, pinyin initials, words for kinds."""
    records = [
        {"sfzhm": known.keys["id_number"].lower(), "lb": work.custody, "cs": "沙盒监所"}
        for known in turn.found
        if (work := known.work) is not None and work.custody
    ]
    codes: dict[Condition, str] = {
        "found": "Y",
        "not_found": "N",
        "ambiguous": "C",
        "disputed": "B",
        "pending": "D",
        "denied": "J",
        "unavailable": "X",
    }
    word = turn.condition if turn.is_disputed else turn.word(records)
    return {
        "jg": codes[word],
        "bh": turn.serial,
        "sfzhm": turn.about.keys["id_number"].lower(),
        "sj": turn.digits,
        "qx": turn.promised if word == "pending" else "",
        "ry": records[0] if word == "found" else None,
    }


def business_holders(turn: Turn) -> Answer:
    """The market regulator's other door: snake case, long numbers, a holder or none."""
    records = [
        {"person_id": known.keys["id_number"], "entities": 1}
        for known in turn.found
        if known.holds_business
    ]
    codes: dict[Condition, int] = {
        "found": 200_100,
        "not_found": 200_400,
        "ambiguous": 200_300,
        "disputed": 200_900,
        "pending": 200_200,
        "denied": 400_300,
        "unavailable": 500_300,
    }
    word = turn.condition if turn.is_disputed else turn.word(records)
    answer: dict[str, object] = {
        "status_code": codes[word],
        "answer_no": turn.serial,
        "person_id": turn.about.keys["id_number"],
        "valid_at": turn.as_of.isoformat(timespec="seconds"),
        "holder": records[:1] if word == "found" else [],
    }
    return {**answer, "answer_due": turn.promised} if word == "pending" else answer


def _day(turn: Turn, days: int) -> str:
    """A day counted from the day of the question, in Chinese."""
    day = turn.today + timedelta(days=days)
    return f"{day.year}年{day.month}月{day.day}日"
