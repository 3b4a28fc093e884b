"""How each register of the sandbox city speaks: four vendors, four habits, no two alike.

The dialects are written from the vendors' side and share nothing with the register files, so that
an answer which is read rightly shows that the file is right.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Final, Literal, TypeAlias

from evidence_adapters.sandbox.city import Person

Condition: TypeAlias = Literal[
    "found", "not_found", "ambiguous", "mismatch", "disputed", "denied", "pending", "unavailable"
]
"""What the register has to say; which code says it is the dialect's business."""

Answer: TypeAlias = Mapping[str, object]

_CHINA: Final = timezone(timedelta(hours=8))
_PROMISED: Final = timedelta(days=3)
"""After which a question that a person must answer is answered."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question, and what there is to say to it.

    Attributes:
        told: The identity number as the answer repeats it.
        person: Whom the answer is about; None if nobody is found.
        others: Further people of the same number, for an ambiguous answer.
        serial: The register's own number of the answer.
        as_of: For which instant the register vouches.
    """

    told: str
    person: Person | None
    others: tuple[Person, ...]
    condition: Condition
    filing_date: date
    serial: str
    as_of: datetime

    @property
    def found(self) -> tuple[Person, ...]:
        """Everybody whose record stands in the answer."""
        if self.person is None or self.condition not in {"found", "disputed", "ambiguous"}:
            return ()
        return (self.person, *self.others)

    @property
    def is_disputed(self) -> bool:
        """Whether an objection to the record is open."""
        return self.condition == "disputed"

    @property
    def stamp(self) -> str:
        """The instant in China's clock, to the second."""
        return self.as_of.astimezone(_CHINA).strftime("%Y-%m-%d %H:%M:%S")

    @property
    def promised(self) -> str:
        """When a person will have answered."""
        return (self.as_of + _PROMISED).astimezone(_CHINA).strftime("%Y-%m-%d %H:%M:%S")


def population(turn: Turn) -> Answer:
    """A national platform: numbers as codes, and more about a person than anybody asked for."""
    codes = {
        "found": (200, "查询成功"),
        "disputed": (200, "查询成功"),
        "not_found": (204, "查无此人"),
        "ambiguous": (300, "存在重号"),
        "mismatch": (409, "与库中信息不一致"),
        "denied": (403, "未授权的事项或用途"),
        "pending": (202, "已转人工核查"),
        "unavailable": (503, "服务繁忙"),
    }
    code, message = codes[turn.condition]
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
        for person in turn.found
    ]
    answer: dict[str, object] = {"code": code, "message": message, "requestNo": turn.serial}
    if turn.condition == "pending":
        answer["yjfksj"] = turn.promised
    if turn.condition == "mismatch":
        answer["bpzd"] = "gmsfhm"
    return {**answer, "data": data}


def deaths(turn: Turn) -> Answer:
    """A health platform: pinyin initials, text codes, one record or null; it owns objections."""
    found = turn.person is not None and _had_died(turn.person, turn.filing_date)
    codes: Mapping[Condition, tuple[str, str]] = {
        "found": ("00", "查询成功"),
        "not_found": ("01", "无死亡登记"),
        "ambiguous": ("02", "存在多人"),
        "disputed": ("03", "登记存在异议，核查中"),
        "denied": ("04", "无权查询"),
        "pending": ("05", "已受理，待人工反馈"),
        "unavailable": ("99", "系统繁忙"),
    }
    condition = "not_found" if turn.condition == "found" and not found else turn.condition
    code, message = codes[condition]
    record = None
    if condition == "found" and turn.person is not None and turn.person.death_date is not None:
        record = {
            "sfzh": turn.person.id_number,
            "swrq": turn.person.death_date.strftime("%Y年%m月%d日"),
            "swdd": "医院",
            "yybz": "0",
        }
    answer: dict[str, object] = {"ztdm": code, "ztms": message, "lsh": turn.serial}
    answer |= {"sfzh": turn.told, "gxsj": turn.stamp, "sj": record}
    return {**answer, "yjfksj": turn.promised if condition == "pending" else ""}


def payments(turn: Turn) -> Answer:
    """A district's old system: codes as text, negative for trouble, rows, blanks for nothing."""
    rows = [
        {
            "sfzhm": person.id_number.lower(),
            "ffzt": "1" if person.in_payment else "0",
            "zhgs": {"own": "1", "another": "2", "none": ""}[person.account],
            "yybs": "是" if turn.is_disputed else "否",
        }
        for person in turn.found
        if person.in_payment or person.account != "none"
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
        "sfzhm": turn.told.lower(),
        "sjsj": turn.as_of.astimezone(_CHINA).strftime("%Y%m%d%H%M%S"),
        "fksx": turn.promised if turn.condition == "pending" else None,
        "total": len(rows),
        "rows": rows,
    }


def library(turn: Turn) -> Answer:
    """A library network: pinyin words for codes, real numbers and truth values, ISO instants."""
    held = [person for person in turn.found if person.library_card]
    words = {"ambiguous": "CF", "denied": "WQX", "pending": "HCZ", "unavailable": "WH"}
    answer: dict[str, object] = {
        "zt": words.get(turn.condition, "CZ" if held else "BCZ"),
        "lsh": turn.serial,
        "zjhm": turn.told,
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


def _had_died(person: Person, day: date) -> bool:
    return person.death_date is not None and person.death_date <= day


DIALECTS: Final[Mapping[str, Callable[[Turn], Answer]]] = {
    "population_register": population,
    "death_register": deaths,
    "payment_ledger": payments,
    "library_register": library,
}
"""The registers of the city, by evidence type."""
