"""What people are told: of every outcome, with facts, law and remedies, in both languages."""

from collections.abc import Callable
from typing import Any

import pytest

from decision_service.model import Application, EvidenceType
from decision_service.office import Office
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
