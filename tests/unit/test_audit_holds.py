"""Single entries are erased and the rest of a person stays; a hold stops every erasure."""

import asyncio
import shutil
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from audit import recovery
from audit.errors import HeldError, NotFoundError
from audit.trail import ERASED, CaseRow, Entry, Receipt, Trail
from audit.trail import keeper as keeping
from audit.trail.erasures import read_erasures
from audit.trail.holds import Holds, Scope, read_holds
from audit.verify import verify_store

NOW = datetime(2030, 1, 2, tzinfo=UTC)
ONE, OTHER, NOBODY = "resident_id:990000199001010007", "resident_id:990000199001020001", ""
SUBJECTS = (ONE, OTHER, NOBODY)


def entry(subject: str, i: int = 0) -> Entry:
    return Entry(
        type="decision/1",
        id=str(uuid4()),
        time=NOW,
        permanent={"matter": f"m{i % 2}"},
        sealed={"text": "x" * 300},
        subject=subject,
        case=CaseRow(f"c{i}", "n", "portal", f"m{i % 2}", "open", "", NOW),
    )


async def fill(trail: Trail, count: int = 9) -> None:
    """Entries about each in turn, each of a case of its own."""
    for i in range(count):
        assert isinstance(await trail.append(entry(SUBJECTS[i % 3], i), expect={}), Receipt)


async def erase(trail: Trail, indices: Sequence[int]) -> Any:
    return await trail.erase_entries(indices, reason="r", time=NOW, told={"legal_basis": "第1条"})


async def hold(trail: Trail, **scope: str) -> int:
    told = {"legal_basis": "第2条", "caller": "dpo"}
    return await trail.place_hold(Scope(**scope), reason="lawsuit", time=NOW, told=told)


async def test_some_entries_of_a_person_are_erased_and_the_others_open(
    trail: Trail, tmp_path: Path
) -> None:
    await fill(trail)
    before = secrets(tmp_path / "store")

    erasure = await erase(trail, [0, 1, 2])

    assert (erasure.index, erasure.erased) == (9, (0, 1, 2))
    assert (await trail.read(9)).permanent["legal_basis"] == "第1条"
    for i in range(9):
        read = await trail.read(i)
        assert (read.sealed is ERASED) == (i < 3)
        assert read.subject == ("" if i < 3 else SUBJECTS[i % 3])
    on_disk = everything(tmp_path / "store")
    kept = [key for tag, key in before["keys"] if not tag]
    assert all(key in on_disk for key in kept), "of nobody"
    assert not any(key in on_disk for tag, key in before["keys"] if tag)
    assert not any(one in on_disk for i in range(3) for one in before[i])
    assert all(before[i][1] in on_disk for i in range(3, 9)), "not encrypted again"
    report = await asyncio.to_thread(verify_store, tmp_path / "store")
    assert report.problems == ()
    assert await erase(trail, [0, 2]) is None, "nothing is left of these"


async def test_a_restart_and_a_whole_erasure_find_what_is_left(tmp_path: Path) -> None:
    Trail.create(tmp_path / "s", origin="test.invalid")
    async with Trail.open(tmp_path / "s") as trail:
        await fill(trail)
        await erase(trail, [3])
    async with Trail.open(tmp_path / "s") as trail:
        await trail.append(entry(ONE), expect={})
        erasure = await trail.erase(ONE, reason="r", time=NOW)
        assert erasure is not None
        assert erasure.erased == (0, 6, 10)
        assert (await trail.read(4)).subject == OTHER
    assert verify_store(tmp_path / "s").problems == ()


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_erased_meanwhile_every_entry_is_erased_or_opens(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Appends, erasures of persons and of single entries, in any order and at once."""
    acts = data.draw(
        st.lists(
            st.sampled_from(SUBJECTS[:2]) | st.lists(st.integers(0, 20), min_size=1) | st.none(),
            min_size=1,
            max_size=12,
        )
    )
    folder = tmp_path_factory.mktemp("any") / "s"

    async def live() -> None:
        Trail.create(folder, origin="test.invalid")
        async with Trail.open(folder) as trail:
            await fill(trail)

            async def act(what: Any) -> None:
                if what is None:
                    await fill(trail, 3)
                elif isinstance(what, str):
                    await trail.erase(what, reason="r", time=NOW)
                else:
                    await erase(trail, what)

            await asyncio.gather(*map(act, acts))
            erasures = await trail._log.read(read_erasures)
            gone = {index for one in erasures for index in one.erased}
            for index in range(trail.size()):
                assert ((await trail.read(index)).sealed is ERASED) == (index in gone)

    asyncio.run(live())
    assert verify_store(folder).problems == ()


async def test_very_many_entries_are_erased_by_several(
    trail: Trail, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keeping, "_AN_ENTRY", 2)
    await fill(trail, 15)

    erasure = await trail.erase(ONE, reason="r", time=NOW)

    assert erasure is not None
    assert (erasure.index, erasure.erased) == (17, (0, 3, 6, 9, 12))
    assert [one.erased for one in await trail._log.read(read_erasures)] == [(0, 3), (6, 9), (12,)]
    assert (await asyncio.to_thread(verify_store, tmp_path / "store")).problems == ()


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        ({"subject": ONE}, {0, 3, 6}),
        ({"case_id": "c4"}, {4}),
        ({"matter": "m1"}, {1, 3, 5, 7}),
    ],
)
async def test_what_is_held_is_not_erased_until_the_hold_is_lifted(
    trail: Trail, tmp_path: Path, scope: dict[str, str], held: set[int]
) -> None:
    await fill(trail)
    index = await hold(trail, **scope)

    for i in range(9):
        if i in held:
            with pytest.raises(HeldError, match=f"it is under hold `{index}`") as caught:
                await erase(trail, [8, i] if 8 not in held else [i])
            assert caught.value.reason == "UNDER_HOLD"
    assert trail.size() == 10, "nothing was erased"
    with pytest.raises(HeldError):
        await trail.erase(SUBJECTS[min(held) % 3], reason="r", time=NOW)
    (found,) = await trail.holds()
    assert (found.index, found.reason, found.legal_basis, found.caller) == (
        index, "lawsuit", "第2条", "dpo",
    )  # fmt: skip
    free = sorted(set(range(9)) - held)
    assert (await erase(trail, free)).erased == tuple(free)

    await trail.lift_hold(index, reason="over", time=NOW, told={})

    assert await trail.holds() == ()
    assert (await erase(trail, sorted(held))).erased == tuple(sorted(held))
    if "subject" in scope:
        gone = await trail.erase(ONE, reason="r", time=NOW)
        assert gone is not None
        assert gone.erased == (index,), "the hold told who, too"
        assert await trail.holds() == ()
    assert (await asyncio.to_thread(verify_store, tmp_path / "store")).problems == ()


async def test_a_hold_stops_erasures_that_are_under_way_or_comes_after_them(trail: Trail) -> None:
    await fill(trail, 30)

    *before, index, first, second = await asyncio.gather(
        *(erase(trail, [i]) for i in range(0, 24, 3)),
        hold(trail, subject=ONE),
        *(erase(trail, [i]) for i in (24, 27)),
        return_exceptions=True,
    )

    assert all(one.index < index for one in before)
    assert isinstance(first, HeldError)
    assert isinstance(second, HeldError)


async def test_of_what_a_hold_cuts_short_is_told_what_is_erased(
    trail: Trail, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keeping, "_AN_ENTRY", 2)
    await fill(trail, 15)

    erasure, index = await asyncio.gather(
        trail.erase(ONE, reason="r", time=NOW), hold(trail, subject=ONE)
    )

    assert erasure is not None
    assert (erasure.index, erasure.erased, index) == (15, (0, 3), 16)
    assert (await trail.read(6)).subject == ONE
    with pytest.raises(HeldError):
        await trail.erase(ONE, reason="r", time=NOW)
    assert (await asyncio.to_thread(verify_store, tmp_path / "store")).problems == ()


async def test_only_a_hold_that_is_in_force_is_lifted(trail: Trail) -> None:
    await fill(trail, 1)
    first, second = await hold(trail, subject=ONE), await hold(trail, matter="m0")
    await trail.lift_hold(first, reason="over", time=NOW, told={})

    for index in (0, first, 99):
        with pytest.raises(NotFoundError) as caught:
            await trail.lift_hold(index, reason="over", time=NOW, told={})
        assert caught.value.reason == "HOLD_NOT_FOUND"
    assert [one.index for one in await trail.holds()] == [second]


async def test_no_link_of_the_chain_is_read_twice(trail: Trail) -> None:
    await fill(trail, 9)
    known, asked = Holds(), list[str]()

    async def look() -> int:
        """How many statements it takes; what is found is what a look at the whole chain finds."""

        def ask(connection: Connection) -> int:
            event.listen(connection, "before_cursor_execute", lambda *all_: asked.append(all_[2]))
            asked.clear()
            found, took = known.read(connection), len(asked)
            assert found == read_holds(connection)
            return took

        return await trail.ask(ask)

    first, second = await hold(trail, subject=ONE), await hold(trail, case_id="c4")
    for i in (1, 2, 5, 7, 8):
        await erase(trail, [i])
    assert await look() > 7
    assert await look() < 5
    await trail.lift_hold(first, reason="over", time=NOW, told={})
    third = await hold(trail, matter="m1")
    assert await look() < 8
    await trail.lift_hold(third, reason="over", time=NOW, told={})
    assert await look() < 6
    assert [one.index for one in await trail.holds()] == [second]


async def test_holds_are_those_of_the_store_that_is_asked(trail: Trail, tmp_path: Path) -> None:
    """Also where it went back, and then another way."""
    await fill(trail, 3)
    early = await hold(trail, subject=ONE)
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "store", other)
    await hold(trail, matter="m1")
    known = Holds()
    assert len(await trail.ask(known.read)) == 2

    async with Trail.open(other) as went:
        assert [one.index for one in await went.ask(known.read)] == [early]
        await trail.ask(known.read)
        await went.lift_hold(early, reason="over", time=NOW, told={})
        await hold(went, case_id="c2")
        assert [one.case_id for one in await went.ask(known.read)] == ["c2"]


@pytest.mark.parametrize(
    ("statement", "index", "what"),
    [
        ("UPDATE log_latest SET idx = 3 WHERE key = 'erasure'", 4, "no later `hold/1` leads to"),
        ("DELETE FROM log_latest WHERE key = 'erasure'", 3, "no later `hold/1` leads to this one"),
        (
            "UPDATE entries SET subject_tag = 'x' WHERE idx = 3",
            3,
            "column `subject_tag` of `entries`",
        ),
    ],
)
async def test_a_hold_cannot_be_made_to_vanish(
    tmp_path: Path, statement: str, index: int, what: str
) -> None:
    Trail.create(tmp_path / "s", origin="test.invalid")
    async with Trail.open(tmp_path / "s") as trail:
        await fill(trail, 3)
        await hold(trail, subject=ONE)
        await hold(trail, matter="m1")
    store = sqlite3.connect(tmp_path / "s" / "store.sqlite", isolation_level=None)
    store.execute(statement)
    store.close()

    problems = verify_store(tmp_path / "s").problems

    assert any(one.index == index and one.what.startswith(what) for one in problems)


async def test_what_a_lost_key_had_sealed_can_be_erased_too(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    Trail.create(folder, origin="test.invalid")
    async with Trail.open(folder) as trail:
        await fill(trail)
    (folder / "master.key").unlink()
    recovery.recover(folder, reason="lost", operator="o", now=NOW)
    async with Trail.open(folder) as trail:
        await fill(trail)
        assert (await erase(trail, [0, 1, 10, 11])).erased == (0, 1, 10, 11)
        assert (await trail.read(13)).subject == ONE
    assert verify_store(folder).problems == ()


def secrets(folder: Path) -> dict[Any, Any]:
    """Of each entry what the store keeps of it, and the tags and keys of everybody."""
    store = sqlite3.connect(f"file:{folder / 'store.sqlite'}?mode=ro", uri=True)
    rows = store.execute("SELECT idx, wrapped_key, content, links_salt FROM sealed").fetchall()
    keys = store.execute("SELECT subject_tag, wrapped FROM subject_keys").fetchall()
    store.close()
    return {"keys": keys, **{row[0]: row[1:] for row in rows}}


def everything(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
