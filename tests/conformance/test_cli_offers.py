"""An operator and a person by hand, against a real service: `miaopi offers`."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision_service.cli.offers import AT_ONCE, FEWEST, batches
from decision_service.office import Office
from evidence_adapters.sandbox import City, Running
from tests import service
from tests.conformance.test_cli_aftercare import miaopi

ALLOWANCE = "old_age_allowance"
ROLES = (
    *("aged_75", "aged_95", "check_digit_x", "outside_hukou", "deceased", "already_in_payment"),
    *("account_of_another", "without_card", "disputed", "child"),
)


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """The real one: commands are processes of their own, and have no other."""
    return lambda: datetime.now(UTC)


@given(numbers=st.lists(st.integers(0, 10_000).map(str), unique=True, max_size=4 * AT_ONCE))
def test_a_list_is_asked_about_whole_in_batches_that_tell_of_nobody(numbers: list[str]) -> None:
    """Only a list that is too short as a whole makes a batch that is."""
    made = [*batches(numbers)]

    assert [number for batch in made for number in batch] == numbers
    assert all(len(batch) < AT_ONCE + FEWEST for batch in made)
    assert all(len(batch) >= min(FEWEST, len(numbers)) for batch in made)


@pytest.mark.slow
async def test_offers_are_made_by_a_list_and_agreed_to_or_declined_by_hand(
    office: Office, clock: Any, people: City, running: Running, tmp_path: Path
) -> None:
    cast = people.cast(office.today(clock()))
    lines = [f"{cast[role].id_number}  # {role}" for role in ROLES]
    subjects = tmp_path / "subjects.txt"
    subjects.write_text("# 名单 a list\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    run = ("offers", "run", ALLOWANCE, "--subjects", str(subjects), "--run", "2026-11")
    one, other = (cast[role].id_number for role in ("aged_75", "aged_95"))
    async with service.serve(office, clock) as wire:
        made = await miaopi(wire, "operator", *run, "--json")
        asked = len(running.accesses)
        again = await miaopi(wire, "operator", *run)
        assert len(running.accesses) == asked, "a run that is repeated is gone on with"
        listed, offered, refused = await asyncio.gather(
            miaopi(wire, "portal", "offers", "list", "--id", one),
            miaopi(wire, "portal", "offers", "list", "--id", other, "--json"),
            miaopi(wire, "portal", *run, code=1),
        )
        agreed, declined = await asyncio.gather(
            miaopi(
                *(wire, "portal", "decide", ALLOWANCE, "--id", one, "--offer", listed.split()[0]),
                *("--answer", "applicant.mobile=13800000000"),
                *("--answer", "applicant.truthful=yes", "--json"),
            ),
            miaopi(
                *(wire, "portal", "offers", "decline", json.loads(offered)["offer_id"]),
                *("--id", other),
            ),
        )
        nothing = await miaopi(wire, "portal", "offers", "list", "--id", one)

    assert json.loads(made) == {"asked": 10, "offered": 3}
    assert "名单 10 人，查询 10 人，告知 3 人（批次 2026-11）" in again
    for words in ("待答复 open", "不答复不视为申请", "no application and no refusal"):
        assert words in listed
    assert "ROLE_NOT_ALLOWED" in refused
    assert "approved" in json.loads(agreed)
    assert "已谢绝 declined" in declined
    assert "nothing is offered" in nothing
