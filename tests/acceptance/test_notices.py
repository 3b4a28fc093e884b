"""What people are told: of every outcome, with facts, law and remedies, in both languages."""

from collections.abc import Callable
from typing import Any

import pytest

from decision_service.model import (
    Application,
    Determination,
    EvidenceType,
    Reason,
    Referred,
    Refused,
    Text,
    Waiting,
)
from decision_service.notice import write_notice
from decision_service.office import Office
from decision_service.release import Release
from decision_service.replay import Reproduced, replay
from evidence_adapters.sandbox import City, Misconduct, Running
from tests.acceptance.rights import ALLOWANCE, decided

ApplyFor = Callable[..., Application]
REMEDIES = {
    "zh": ("行政复议", "60日", "区人民政府", "https://", "行政诉讼", "6个月", "区人民法院"),
    "en": ("reconsider", "60 days", "people's government", "https://", "6 months", "court"),
}


@pytest.mark.parametrize(
    ("who", "matter", "outcome", "zh", "en"),
    [
        pytest.param(
            *("aged_75", ALLOWANCE, "approved"),
            ("准予", "出生日期：1950-12-01 (", "截至 ", "本人账户", "依规则计算", "深民规"),
            ("Approved", "date of birth: 1950-12-01 (", "as of ", "computed by the rules"),
            id="an approval, too",
        ),
        pytest.param(
            *("library_holder", "library_card", "refused"),
            ("不予批准", "所据事实", "截至 "),
            ("Refused", "On these facts", "as of "),
            id="a refusal",
        ),
        pytest.param(
            *("outside_hukou", ALLOWANCE, "referred"),
            ("转人工", "户籍市：外市 ("),
            ("Referred", "elsewhere ("),
            id="a referral",
        ),
        pytest.param(
            *("aged_75", "silent", "waiting"),
            ("等待", "未能核实"),
            ("Waiting", "not known"),
            id="a wait",
        ),
    ],
)
async def test_s9_every_notice_has_reasons_with_facts_and_sources_law_and_remedies(
    office: Office,
    clock: Any,
    apply_for: ApplyFor,
    people: City,
    running: Running,
    who: str,
    matter: str,
    outcome: str,
    zh: tuple[str, ...],
    en: tuple[str, ...],
) -> None:
    if matter == "silent":
        running.misbehave(EvidenceType("death_register"), Misconduct.SILENT)
    person = people.cast(office.today(clock()))[who]
    filed = ALLOWANCE if matter == "silent" else matter
    decision = await decided(apply_for(person, filed), office, clock)
    notice = decision.notice

    assert decision.outcome.kind == outcome
    assert [word for word in zh if word not in notice.zh] == [], notice.zh
    assert [word for word in en if word not in notice.en] == [], notice.en
    assert f"{clock().astimezone(office.zone):%Y-%m-%d %H}:" in notice.zh, "as the city's clocks"
    assert [word for word in REMEDIES["zh"] if word not in notice.zh] == []
    assert [word for word in REMEDIES["en"] if word not in notice.en] == []
    assert await replay(decision.receipt.index, office=office) == Reproduced()


async def test_s10_whoever_has_to_wait_is_told_for_whom_and_until_when(
    office: Office, clock: Any, apply_for: ApplyFor, people: City, running: Running
) -> None:
    person = people.cast(office.today(clock()))["aged_75"]
    running.misbehave(EvidenceType("death_register"), Misconduct.SILENT)

    waiting = await decided(apply_for(person, ALLOWANCE), office, clock)
    referred = await decided(apply_for(person, ALLOWANCE, person_requested=True), office, clock)

    assert isinstance(waiting.outcome, Waiting)
    until = f"{waiting.outcome.until.astimezone(office.zone):%Y-%m-%d %H:%M}"
    assert f"等待：卫健、民政、公安，最迟至 {until}" in waiting.notice.zh
    assert f"Waiting for: health, civil affairs, police, until {until}" in waiting.notice.en
    assert isinstance(referred.outcome, Referred)
    assert "承诺办结时限：5 个工作日，自申请日起" in referred.notice.zh
    assert "promised within 5 working days of the day it was handed in" in referred.notice.en
    for decision in (waiting, referred):
        assert await replay(decision.receipt.index, office=office) == Reproduced()


def test_a_notice_whose_reasons_name_no_law_names_that_of_the_matter(
    office: Office, clock: Any, allowance: Release
) -> None:
    """What a clerk has found without an article, or what came of a stop."""
    found = Reason(code="FRAUD_SUSPICION", text=Text(zh="材料不实。", en="A paper is false."))

    notice = write_notice(
        allowance.matter,
        Refused(reasons=(found,)),
        case_number="20261127-AAAA-AAAA",
        filing_date=office.today(clock()),
        zone=office.zone,
        evidence=(),
        papers=(),
        determination=Determination(overrides=True, text=found.text),
    )

    assert "法律依据：深民规〔2019〕2号" in notice.zh
    assert "Law: 深民规〔2019〕2号" in notice.en
