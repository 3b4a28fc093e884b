"""A matter of firms for the tests: five small registers, two of them asked in a second wave."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from decision_service.identifiers import organisation_check, resident_check
from decision_service.matter import Meanings, Registers
from decision_service.model import (
    Application,
    AssuranceLevel,
    Authority,
    BooleanType,
    Concept,
    Consent,
    Document,
    Evidence,
    EvidenceStatus,
    EvidenceType,
    MatterId,
    Meaning,
    Party,
    Query,
    RegisterMeaning,
    Text,
    TextType,
    Value,
)
from decision_service.release import Release, compose

COMPANY, ADDRESS = EvidenceType("company_register"), EvidenceType("address_register")
PROPERTY, CREDIT = EvidenceType("property_register"), EvidenceType("credit_register")
REPRESENTED = Concept("organisation.represented_by_applicant")
LEGAL = Concept("premises.legal")
UNIT = Concept("premises.property_unit")
OWNED = Concept("premises.owned_by_organisation")
TRUSTED = Concept("organisation.trusted")
AGREED = Concept("organisation.agreed")

REGISTER_KEYS = {
    COMPANY: (("id_number", "organisation_code"), (REPRESENTED,)),
    ADDRESS: (("house_code",), (LEGAL, UNIT)),
    PROPERTY: (("organisation_code", "property_unit"), (OWNED,)),
    CREDIT: (("organisation_code",), (TRUSTED,)),
}

RULES = """# 住所 | Address

- 事项 matter：firm_address
- 生效 effective：2020-01-01
- 主管 competent authority：登记机关 | registrar

## 依据 | Legal basis

| 编号 | 文件 | 条款 | 原文摘录 | Excerpt |
|------|------|------|----------|---------|
| L1 | 示例 | 第一条 | 示例。 | An example. |

## 词汇 | Vocabulary

| 标识 id | 名称 | English | 类型 | 单位或取值 | 范围 | 来源 source |
|---------|------|---------|------|------------|------|-------------|
| organisation.represented_by_applicant | 代表 | represented | 是否 | | | company_register |
| premises.legal | 合法 | legal | 是否 | | | address_register |
| premises.owned_by_organisation | 自有 | owned | 是否 | | | property_register |
| organisation.trusted | 守信 | trusted | 是否 | | | credit_register |
| organisation.agreed | 同意 | agreed | 是否 | | | 申报 declared |

## 条件 | Requirements
{requirements}
## 结果 | Outputs

| 标识 id | 名称 | English | 单位 | 小数与舍入 | 取自 |
|---------|------|---------|------|------------|------|
| months | 月数 | months | 月 | 0，不舍入 | 1 |

## 情形 | Scenarios

基准 baseline：代表 = 是；合法 = 是；自有 = 是；守信 = 是；同意 = 是

| 编号 | 情形 | Scenario | 与基准不同 | 结论 | 月数 | 理由 |
|------|------|----------|------------|------|------|------|
| S1 | 全部符合 | all met | | 批准 | 1 | |
"""

MATTER = """id = "firm_address"
zh = "住所"
en = "Address"
kind = "confirmation"
competent_authority = { zh = "登记机关", en = "registrar" }
legal_resources = ["示例"]
applicants = ["organisation"]
channels = ["portal", "counter"]
modes = ["prefill", "instant"]
assurance_level = "substantial"
automatic_refusal = true
once_per_subject = true
minimum_deadline = "PT0.3S"
retry_for = "PT24H"
promised_limit = { days = 3, unit = "working" }
retention = "P10Y"
purpose = "a test"
consent_notice_version = "1"
override_reasons = ["hardship"]

[[evidence]]
type = "company_register"
about = "organisation"
key = { organisation_code = "organisation.organisation_code", id_number = "applicant.id_number" }

[[evidence]]
type = "address_register"
about = "organisation"
key = { house_code = "form.house_code" }

[[evidence]]
type = "property_register"
about = "organisation"
after = ["address_register"]

[evidence.key]
organisation_code = "organisation.organisation_code"
property_unit = "premises.property_unit"

[[evidence]]
type = "credit_register"
about = "organisation"
key = { organisation_code = "organisation.organisation_code" }
after = ["company_register"]
only_if = "organisation.represented_by_applicant"

[[replaces]]
zh = "营业执照副本"
en = "copy of the licence"
by = ["company_register"]

[[replaces]]
zh = "房产证"
en = "deed"
by = ["address_register", "property_register"]
shows = "premises.owned_by_organisation"

[remedies.reconsideration]
organ = { zh = "区政府", en = "district government" }
days = 60
link = "https://example.invalid/fuyi"

[remedies.litigation]
court = { zh = "区法院", en = "district court" }
months = 6
"""

FORM = """{
  "type": "object",
  "properties": {
    "house_code": {"title": "房屋 | house", "type": "string", "pattern": "^[0-9]{4}(?!\\\\n)$"},
    "floor": {"title": "楼层 | floor", "type": "string", "x-scale": 0},
    "agreed": {"title": "同意 | agreed", "type": "boolean", "x-concept": "organisation.agreed"}
  },
  "required": ["house_code", "agreed"],
  "additionalProperties": false
}"""


def _requirement(number: int, name: str, refuses: str) -> str:
    return f"""
### R{number} {name} | {name}
- 依据 basis：L1
- 条件 requires：{name}
- 不符合 if not met：{refuses}
- 无法确认 if unknown：转人工 | refer
- 符合时说明：是。| Yes.
- 不符合时说明：否。| No.
- 无法确认时说明：未知。| Unknown.
"""


def meanings() -> Meanings:
    """Every concept of the small city, fresh for a day."""
    types: dict[Concept, tuple[Any, str, str, str]] = {
        REPRESENTED: (BooleanType(), COMPANY, "代表", "represented"),
        LEGAL: (BooleanType(), ADDRESS, "合法", "legal"),
        UNIT: (TextType(), ADDRESS, "单元", "unit"),
        OWNED: (BooleanType(), PROPERTY, "自有", "owned"),
        TRUSTED: (BooleanType(), CREDIT, "守信", "trusted"),
        AGREED: (BooleanType(), "declared", "同意", "agreed"),
    }
    return {
        concept: Meaning(
            concept=concept,
            name=Text(zh=zh, en=en),
            type=type_,
            source=source,
            fresh_for=None if source == "declared" else timedelta(days=1),
        )
        for concept, (type_, source, zh, en) in types.items()
    }


def registers() -> Registers:
    """What the small city's registers find by and vouch for."""
    return {
        key: RegisterMeaning(
            key=key,
            name=Text(zh=key, en=key),
            owner=Text(zh=key, en=key),
            keys=keys,
            concepts=concepts,
            complete=True,
            absent={},
            digest="0" * 64,
        )
        for key, (keys, concepts) in REGISTER_KEYS.items()
    }


def release(*changes: tuple[str, str], refusing: str = "转人工 | refer") -> Release:
    """The matter, with every change (old, new) made in its matter.toml, its form or its rules.

    Args:
        refusing: What becomes of an illegal house.
    """
    requirements = [
        ("代表", "转人工 | refer"),
        ("合法", refusing),
        ("自有", "转人工 | refer"),
        ("守信", "转人工 | refer"),
        ("同意", "请补正 | correct"),
    ]
    rules = RULES.replace(
        "{requirements}",
        "".join(_requirement(at, *parts) for at, parts in enumerate(requirements, start=1)),
    )
    texts = [rules, MATTER, FORM]
    for old, new in changes:
        assert any(old in text for text in texts), old
        texts = [text.replace(old, new, 1) for text in texts]
    rules, matter, form = texts
    return compose(
        rules=re.sub(r"\n{3,}", "\n\n", rules),
        matter=matter,
        form=form,
        meanings=meanings(),
        registers=registers(),
        where="rules/firm_address/2020-01-01.rules.md",
    )


NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
DAY = date(2026, 3, 1)


def person(number: int) -> Party:
    """Somebody who files, of an impossible place."""
    first_17 = f"99000019800101{number:03d}"
    document = Document(kind="resident_id", number=first_17 + resident_check(first_17))
    return Party(role="applicant", documents=(document,))


def firm(number: int) -> Party:
    """A firm of an impossible place."""
    first_17 = f"91990000MA5F{number:05d}"
    document = Document(kind="organisation_code", number=first_17 + organisation_check(first_17))
    return Party(role="organisation", documents=(document,))


PERSON, FIRM = person(1), firm(1)
VALUES: Mapping[EvidenceType, Mapping[Concept, Value]] = {
    COMPANY: {REPRESENTED: True},
    ADDRESS: {LEGAL: True, UNIT: "unit-7"},
    PROPERTY: {OWNED: True},
    CREDIT: {TRUSTED: True},
}


@dataclass
class Register:
    """A register that answers after a while, or never.

    Attributes:
        keys: What it was asked by, question by question.
    """

    values: Mapping[Concept, Value]
    delay_s: float = 0.0
    status: EvidenceStatus = EvidenceStatus.MATCH
    as_of: datetime = NOW
    keys: list[Mapping[str, str]] = field(default_factory=list)

    async def fetch(self, query: Query, *, deadline: float) -> Evidence:
        assert deadline > 0
        self.keys.append(query.keys)
        await asyncio.sleep(self.delay_s)
        return Evidence(
            query_id=query.query_id,
            evidence_type=query.evidence_type,
            about=query.about,
            provider=Text(zh="登记", en="register"),
            status=self.status,
            retrieved_at=NOW,
            as_of=self.as_of,
            values=self.values if self.status is EvidenceStatus.MATCH else {},
        )


NEVER_S = 60.0


def application(
    applicant: Party = PERSON, of: Party = FIRM, *, now: datetime = NOW, **changes: Any
) -> Application:
    """An application of the firm, complete and consented, but for the changes."""
    parts: dict[str, Any] = {
        "caller": "portal-test",
        "request_id": str(uuid4()),
        "matter": MatterId("firm_address"),
        "channel": "portal",
        "parties": (applicant, of),
        "authority": Authority(
            person=applicant,
            assurance_level=AssuranceLevel.HIGH,
            authentication_time=now,
            basis=Consent(notice_version="1", time=now, evidence_types=tuple(VALUES)),
        ),
        "answers": {"house_code": "0007", "agreed": True},
        "content_digest": "0",
    }
    return Application(**{**parts, **changes})
