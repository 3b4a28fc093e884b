"""Sole traders, from the portal's call to the licence, over real sockets.

Each case is somebody of the sandbox's cast: what stands against them, which house, how it ends.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from decision_service.catalogue import Catalogue
from decision_service.model import EvidenceType
from evidence_adapters.sandbox import City, Misconduct, Opening, Traders
from tests import service
from tests.benefits import TRADER, Ended, decide, decision_of, referred, today
from tests.conftest import Clock
from tests.service import Town

PROMISE = {"premises.right_promised": {"boolean": True}}


@pytest.fixture
def clock() -> Clock:
    """A day that no term of three or five years meets 29 February on."""
    return Clock(datetime(2026, 3, 1, 4, 0, tzinfo=UTC))


@pytest.fixture
def cast(people: City, clock: Any) -> Mapping[str, Opening]:
    return Traders(people).cast(today(clock()))


async def open_shop(town: Town, published: Catalogue, one: Opening, **changes: Any) -> Ended:
    """Apply for the licence of the opening."""
    house = {"premises.house_code": {"text": one.house_code}}
    return await decide(town, published, TRADER, one.trader, **{**house, **changes})


def licence(one: Opening, **changes: str) -> Ended:
    """What the licence says."""
    return "approved", {
        "licence_name": "罗湖区沙盒百货店",
        "licence_composition": "personal",
        "licence_house_code": one.house_code,
        "licence_district": "luohu",
        "licence_main_business": "groceries",
        "licence_second_business": "none",
        "licence_after": "False",
        "licence_date": "2026-03-01",
        **changes,
    }


def corrected(**statuses: str) -> Ended:
    """It goes back to the applicant because of these requirements."""
    return "needs_correction", statuses


async def test_every_trader_of_the_cast_is_registered_or_told_why_not(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    cast: Mapping[str, Opening],
) -> None:
    running, open_ = referred(R8="NOT_MET"), referred(R8="UNKNOWN")
    no_house = {"R4": "UNKNOWN", "R5": "UNKNOWN"}
    special: Mapping[str, Ended] = {
        "promised_shop": corrected(R6="NOT_MET"),
        "shop_lease_ended_yesterday": corrected(R6="NOT_MET"),
        "shop_code_unknown": corrected(R3="NOT_MET", **no_house, R6="NOT_MET"),
        "shop_in_a_home": referred(R4="NOT_MET"),
        "shop_in_an_illegal_building": referred(R5="NOT_MET"),
        "sentence_running": running,
        "sentence_being_served": open_,
        "deprivation_running": running,
        "bankruptcy_running": running,
        "revocation_running": running,
        "debt_unpaid": running,
        "one_of_two_bars_running": running,
        "without_capacity": running,
        "trader_credit_hit": referred(R9="NOT_MET"),
        "trader_credit_hit_without_lease": corrected(R6="NOT_MET", R9="NOT_MET"),
        "trader_died": referred(R1="NOT_MET"),
        "trader_minor": referred(R2="NOT_MET"),
        "trader_disputed": referred(**dict.fromkeys(("R1", "R2", "R6", "R8", "R9"), "UNKNOWN")),
    }
    expected = {role: special.get(role, licence(one)) for role, one in cast.items()}
    async with service.town(tmp_path, published, people, clock) as town:
        ended = {role: await open_shop(town, published, one) for role, one in cast.items()}
    assert ended == expected
    assert sum(kind == "approved" for kind, _ in ended.values()) == 9


async def test_a_promise_stands_for_a_lease_but_not_for_the_dishonest(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    cast: Mapping[str, Opening],
) -> None:
    promised, dishonest = cast["promised_shop"], cast["trader_credit_hit_without_lease"]
    async with service.town(tmp_path, published, people, clock) as town:
        assert await open_shop(town, published, promised, **PROMISE) == licence(promised)
        assert await open_shop(town, published, dishonest, **PROMISE) == corrected(
            R6="NOT_MET", R9="NOT_MET"
        )


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        pytest.param(
            {"trader.main_business": {"option": "chemicals"}},
            referred(R7="NOT_MET"),
            id="a licence is needed before",
        ),
        pytest.param(
            {"trader.name": {"text": "沙盒百货公司"}}, corrected(R10="NOT_MET"), id="a firm's name"
        ),
        pytest.param(
            {"trader.composition": {"option": "family"}}, referred(R11="NOT_MET"), id="a family"
        ),
    ],
)
async def test_what_is_declared_decides_too(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    cast: Mapping[str, Opening],
    changes: Mapping[str, Any],
    ended: Ended,
) -> None:
    async with service.town(tmp_path, published, people, clock) as town:
        assert await open_shop(town, published, cast["leased_shop"], **changes) == ended


async def test_a_ban_from_the_food_trade_bars_from_food_and_from_nothing_else(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    cast: Mapping[str, Opening],
) -> None:
    running, over = cast["food_ban_running"], cast["food_ban_run_out"]
    food = {"trader.main_business": {"option": "food"}}
    sold = {"licence_main_business": "food", "licence_after": "True"}
    async with service.town(tmp_path, published, people, clock) as town:
        assert await open_shop(town, published, running) == licence(running)
        assert await open_shop(town, published, running, **food) == referred(R8="NOT_MET")
        assert await open_shop(town, published, over, **food) == licence(over, **sold)


async def test_a_caterer_is_told_of_the_licence_that_is_still_to_be_had(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    cast: Mapping[str, Opening],
) -> None:
    one = cast["leased_shop"]
    house = {"premises.house_code": {"text": one.house_code}}
    chosen = {
        "trader.second_business": {"option": "catering"},
        "trader.capital": {"number": "500.00"},
    }
    async with service.town(tmp_path, published, people, clock) as town:
        decision = await decision_of(town, published, TRADER, one.trader, **house, **chosen)
    granted = {grant.id: grant.value for grant in decision.approved.grant}
    assert granted["licence_after"].boolean
    assert granted["licence_second_business"].option == "catering"
    assert "另须办理许可：是" in decision.notice.zh
    assert len(decision.replaced) == 4


@pytest.mark.parametrize(
    ("register", "role", "requirements"),
    [
        ("population_register", "leased_shop", "R1 R2"),
        ("death_register", "leased_shop", "R1"),
        ("bar_register", "leased_shop", "R8"),
        ("personal_credit_register", "leased_shop", "R9"),
        ("address_register", "leased_shop", "R3 R4 R5"),
        ("personal_lease_register", "leased_shop", "R6"),
    ],
)
async def test_a_silent_source_makes_the_case_wait(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    cast: Mapping[str, Opening],
    register: str,
    role: str,
    requirements: str,
) -> None:
    async with service.town(tmp_path, published, people, clock) as town:
        town.running.misbehave(EvidenceType(register), Misconduct.DOWN)
        ended = await open_shop(town, published, cast[role])
    assert ended == ("waiting", dict.fromkeys(requirements.split(), "UNKNOWN"))


async def test_silent_leases_hold_up_nobody_who_promises(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    cast: Mapping[str, Opening],
) -> None:
    one = cast["leased_shop"]
    async with service.town(tmp_path, published, people, clock) as town:
        town.running.misbehave(EvidenceType("personal_lease_register"), Misconduct.DOWN)
        assert await open_shop(town, published, one, **PROMISE) == licence(one)


async def test_bars_of_last_year_decide_nothing(
    tmp_path: Path,
    published: Catalogue,
    people: City,
    clock: Any,
    cast: Mapping[str, Opening],
) -> None:
    async with service.town(tmp_path, published, people, clock) as town:
        town.running.misbehave(EvidenceType("bar_register"), Misconduct.STALE)
        ended = await open_shop(town, published, cast["sentence_run_out"])
    assert ended == referred(R8="UNKNOWN")
