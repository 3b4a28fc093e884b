"""How the registers of residence, insurance, talents and education speak: no two alike.

Written from the vendors' side, as `dialects` is, and sharing nothing with the register files.
"""

from datetime import timedelta

from evidence_adapters.sandbox.turn import Answer, Condition, Turn


def residence(turn: Turn) -> Answer:
    """A police back office: capitals, codes of a letter and digits, Y and N, days in one run."""
    permits = {"none": "0", "valid": "1", "suspended": "2", "cancelled": "9"}
    records = [
        {
            "ZJHM": person.id_number,
            "DZ": "沙盒市无名路1号",
            "DJ_YX": "Y" if home.in_force else "N",
            "LX_YS": home.months,
            "JD_DH": "Y" if home.gap_open else "N",
            "FW_BM_BZ": "Y" if home.coded else "N",
            "JZZ_ZT": permits[home.permit],
            "QZ_YXQZ": ""
            if home.endorsed_days is None
            else f"{turn.today + timedelta(days=home.endorsed_days):%Y%m%d}",
            "YY_BZ": "Y" if turn.is_disputed else "N",
        }
        for person, life in turn.lives
        if (home := life.residence) is not None
    ]
    codes: dict[Condition, str] = {
        "found": "S01",
        "disputed": "S01",
        "not_found": "S02",
        "ambiguous": "S03",
        "pending": "S04",
        "denied": "F01",
        "unavailable": "F09",
    }
    word = turn.word(records)
    return {
        "ZT_DM": codes[word],
        "LSH": turn.serial,
        "ZJHM": turn.about.keys["id_number"],
        "SJ_SJ": turn.digits,
        "FK_SJ": turn.promised if word == "pending" else "",
        "DJXX": records,
    }


def insurance(turn: Turn) -> Answer:
    """A fund's gateway: six digits for codes, the national insurance field names, wages besides."""
    records = [
        {
            "aac002": person.id_number,
            "aae180": 8_000,
            "aab004": "沙盒市用人单位",
            "lxys": paid.unbroken,
            "ljys24": paid.in_two_years,
            "aac008": "1" if paid.active else "2",
        }
        for person, life in turn.lives
        if (paid := life.insurance) is not None
    ]
    codes: dict[Condition, tuple[str, str]] = {
        "found": ("000000", "交易成功"),
        "not_found": ("000404", "未参保"),
        "ambiguous": ("000409", "个人编号重复"),
        "disputed": ("000423", "缴费记录核查中"),
        "pending": ("000202", "转人工核定"),
        "denied": ("999403", "无交易权限"),
        "unavailable": ("999999", "系统异常"),
    }
    word = turn.word(records)
    code, message = codes[word]
    return {
        "respCode": code,
        "respMsg": message,
        "respSeq": turn.serial,
        "aac002": turn.about.keys["id_number"],
        "settledAt": turn.digits,
        "answerBy": turn.promised if word == "pending" else None,
        "resultset": records[0] if len(records) == 1 else records or None,
    }


def talents(turn: Turn) -> Answer:
    """A bureau's new interface: English words for codes, truth values as such, ISO days."""
    records = [
        {
            "idNumber": person.id_number,
            "route": talent.route.upper(),
            "introducedOn": talent.introduced.isoformat() if talent.introduced else None,
            "contested": turn.is_disputed,
        }
        for person, life in turn.lives
        if (talent := life.talent) is not None
    ]
    words: dict[Condition, str] = {
        "found": "FOUND",
        "disputed": "FOUND",
        "not_found": "NOT_FOUND",
        "ambiguous": "DUPLICATE",
        "pending": "UNDER_REVIEW",
        "denied": "FORBIDDEN",
        "unavailable": "OUT_OF_SERVICE",
    }
    word = turn.word(records)
    answer: dict[str, object] = {
        "outcome": words[word],
        "answerId": turn.serial,
        "idNumber": turn.about.keys["id_number"],
        "asOf": turn.as_of.isoformat(timespec="seconds"),
        "talent": records[0] if len(records) == 1 else records or None,
    }
    return {**answer, "due": turn.promised} if word == "pending" else answer


def education(turn: Turn) -> Answer:
    """A ministry's check: one digit for its five results and three more, Chinese words."""
    degrees = {"none": "0", "bachelor": "4", "master": "3", "doctor": "2"}
    records = [
        {
            "sfzjh": person.id_number,
            "yxmc": "沙盒大学",
            "xwcc": degrees[school.degree],
            "xxxs": "无"
            if school.degree == "none"
            else "全日制"
            if school.full_time
            else "非全日制",
            "zdbz": "是" if school.studies_here else "否",
        }
        for person, life in turn.lives
        if (school := life.education) is not None
    ]
    codes: dict[Condition, int] = {
        "found": 1,
        "not_found": 2,
        "mismatch": 3,
        "ambiguous": 4,
        "disputed": 5,
        "pending": 6,
        "denied": 7,
        "unavailable": 8,
    }
    word = turn.word(records)
    answer: dict[str, object] = {
        "yzjg": codes[word],
        "sfzjh": turn.about.keys["id_number"].lower(),
        "bgbh": turn.serial,
        "bdsj": turn.stamp,
        "xjxw": records,
    }
    if word == "mismatch":
        answer["byx"] = "sfzjh"
    return {**answer, "hfsj": turn.promised} if word == "pending" else answer


def housing(turn: Turn) -> Answer:
    """A bureau's old system: three digits, one word for a state; some files are asked by letter."""
    tenancies = {"renting": "在租", "rented": "已退租", "never": "未租"}
    held = [(person, home) for person, life in turn.lives if (home := life.housing) is not None]
    records = [
        {
            "cxr": person.id_number,
            "zgzf": tenancies[home.tenancy],
            "gfyh": "是" if home.concession else "否",
            "yy": "是" if turn.is_disputed else "否",
        }
        for person, home in held
    ]
    codes: dict[Condition, int] = {
        "found": 100,
        "disputed": 100,
        "not_found": 101,
        "ambiguous": 102,
        "pending": 103,
        "denied": 104,
        "unavailable": 199,
    }
    by_letter = turn.condition == "found" and any(home.by_letter for _, home in held)
    word = "pending" if by_letter else turn.word(records)
    return {
        "fhz": codes[word],
        "fhxx": "已发函" if word == "pending" else "",
        "hwh": turn.serial,
        "cxr": turn.about.keys["id_number"],
        "jzsj": turn.stamp,
        "dfqx": turn.promised if word == "pending" else "",
        "bzqk": [] if by_letter else records,
    }


def subsidies(turn: Turn) -> Answer:
    """A ledger of few words: letters for states, capitals for names, one line a person."""
    records = [
        {
            "Jfzh": person.id_number,
            "Rcbt": "Y" if paid.talent else "N",
            "Zfbt": "Y" if paid.rent else "N",
            "Hlbt": "Y" if paid.care else "N",
            "Ljje": "0.00",
        }
        for person, life in turn.lives
        if (paid := life.subsidies) is not None
    ]
    codes: dict[Condition, str] = {
        "found": "Y",
        "not_found": "N",
        "ambiguous": "M",
        "disputed": "D",
        "pending": "P",
        "denied": "R",
        "unavailable": "X",
    }
    word = turn.word(records)
    return {
        "State": codes[word],
        "Seq": turn.serial,
        "Jfzh": turn.about.keys["id_number"].lower(),
        "At": turn.as_of.isoformat(timespec="seconds"),
        "Until": turn.promised if word == "pending" else None,
        "Items": records,
    }
