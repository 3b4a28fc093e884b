"""How the registers of drivers, offences and road transport speak: no two alike.

Written from the vendors' side, as `dialects` is, and sharing nothing with the register files.
"""

from datetime import date

from evidence_adapters.sandbox.drivers import Ago
from evidence_adapters.sandbox.turn import Answer, Condition, Turn


def traffic(turn: Turn) -> Answer:
    """A police platform: capitals, letters for states, numbers for codes, negative for trouble."""
    records = [
        {
            "SFZMHM": known.keys["id_number"],
            "DABH": "990000000000",
            "ZJCX": licence.vehicle_class,
            "ZT": licence.state,
            "CCLZRQ": _day(licence.first_issued, turn.today).replace("-", ""),
            "ZQZGJF": licence.highest_points,
            "YJJL": "1" if licence.drink_driving else "0",
            "YYBJ": "1" if turn.is_disputed or licence.disputed else "0",
        }
        for known in turn.found
        if (driver := known.driver) is not None and (licence := driver.licence) is not None
    ]
    codes: dict[Condition, int] = {
        "found": 1,
        "disputed": 1,
        "not_found": 0,
        "ambiguous": 2,
        "pending": 3,
        "denied": -403,
        "unavailable": -500,
    }
    word = turn.word(records)
    answer: dict[str, object] = {
        "code": codes[word],
        "xh": turn.serial,
        "SFZMHM": turn.about.keys["id_number"],
        "gxsj": turn.digits,
        "body": records,
    }
    return {**answer, "fksj": turn.promised} if word == "pending" else answer


def offences(turn: Turn) -> Answer:
    """A police check behind a glass wall: Chinese names, codes in words, yes or no and no more."""
    found = [
        record
        for known in turn.found
        if (driver := known.driver) is not None and (record := driver.offences) is not None
    ]
    words: dict[Condition, str] = {
        "found": "有记录",
        "not_found": "无记录",
        "ambiguous": "疑似同名",
        "disputed": "异议复核",
        "pending": "人工核查",
        "denied": "未经授权",
        "unavailable": "系统繁忙",
    }
    word = turn.condition if turn.is_disputed else turn.word(found)
    if word == "found" and found[0].of_namesake:
        word = "ambiguous"
    items = {
        "证件号码": turn.about.keys["id_number"],
        **{
            name: "是" if held else "否"
            for one in found[:1]
            for name, held in (
                ("交通肇事犯罪", one.accident_crime),
                ("危险驾驶犯罪", one.dangerous_driving),
                ("吸毒", one.drug_use),
                ("暴力犯罪", one.violent_crime),
            )
        },
    }
    return {
        "核查结果": words[word],
        "核查编号": turn.serial,
        "证件号码": turn.about.keys["id_number"],
        "核查时间": turn.stamp,
        "答复期限": turn.promised if word == "pending" else "",
        "核查项": items if word == "found" else None,
    }


def transport(turn: Turn) -> Answer:
    """A bureau's new interface: English, truth values as such, ISO, null for nothing."""
    records = [
        {
            "certNo": known.keys["id_number"],
            "employer": "沙盒市出租汽车公司",
            "examResult": taxi.exam,
            "examCity": taxi.exam_city if taxi.exam == "PASSED" else None,
            "examDate": _day(taxi.exam_date, turn.today) if taxi.exam == "PASSED" else None,
            "everRevoked": taxi.revoked is not None,
            "revokedOn": _day(taxi.revoked, turn.today) or None,
            "underObjection": turn.is_disputed,
        }
        for known in turn.found
        if (driver := known.driver) is not None and (taxi := driver.taxi) is not None
    ]
    codes: dict[Condition, str] = {
        "found": "RTW-0",
        "disputed": "RTW-0",
        "not_found": "RTW-1",
        "ambiguous": "RTW-2",
        "pending": "RTW-5",
        "denied": "RTW-8",
        "unavailable": "RTW-9",
    }
    word = turn.word(records)
    return {
        "status": codes[word],
        "traceNo": turn.serial,
        "certNo": turn.about.keys["id_number"],
        "syncedAt": turn.as_of.isoformat(timespec="seconds"),
        "replyBy": turn.promised if word == "pending" else None,
        "practitioner": records[0] if len(records) == 1 else records or None,
    }


def _day(when: date | Ago | None, today: date) -> str:
    """A day in ISO 8601; empty for none."""
    match when:
        case None:
            return ""
        case Ago():
            return when.on(today).isoformat()
        case _:
            return when.isoformat()
