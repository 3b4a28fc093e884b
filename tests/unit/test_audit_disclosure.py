"""Sealed parts reach the auditor whole, nobody else at all, and whatever is changed is found."""

import asyncio
import base64
import hashlib
import hmac
import json
import shutil
import sqlite3
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyrage import decrypt, encrypt, x25519
from typer.testing import CliRunner

from audit import recovery
from audit.disclosure import Disclosed, open_disclosed, verify_disclosure
from audit.errors import StoreRefusedError, TamperedError
from audit.export import export
from audit.trail import Entry, Receipt, Trail
from audit.trail.disclosures import Disclosure
from audit.verify import verify_export
from audit.verify.exported import entries_of_export
from decision_service.cli import app as miaopi

NOW = datetime(2030, 1, 2, tzinfo=UTC)
STAYS, GONE = "resident_id:990000199001010007", "resident_id:990000199001020001"
ME, OTHER = x25519.Identity.generate(), x25519.Identity.generate()
BEFORE, ERASED = 300, range(7, 300, 50)


def entry(i: int, *, matter: str = "m", subject: str = STAYS) -> Entry:
    permanent = {"matter": matter, "outcome": "approved"}
    return Entry(
        "decision/1", str(uuid4()), NOW, permanent, {"text": f"hardship {i}"}, subject, "告知"
    )


def disclosed(**scope: Any) -> Entry:
    parts = {"recipient": str(ME.to_public()), "matter": "", "first": 0, "end": None, **scope}
    said = {"flow": "disclosure", "caller": "auditor", **Disclosure(**parts).permanent}
    return Entry("access/1", str(uuid4()), NOW, said, {})


async def add(trail: Trail, one: Entry) -> int:
    written = await trail.append(one, expect={})
    assert isinstance(written, Receipt)
    return written.index


async def fill(folder: Path, database: str = "") -> dict[str, int]:
    """A tile and more, of which some were erased; disclosures of all, of a matter, of a few."""
    Trail.create(folder, origin="test.invalid/miaopi", database=database)
    async with Trail.open(folder) as trail:
        await asyncio.gather(
            *(
                add(
                    trail, entry(i, matter="mn"[i % 3 == 0], subject=GONE if i in ERASED else STAYS)
                )
                for i in range(BEFORE)
            )
        )
        assert await trail.erase(GONE, reason="r", time=NOW)
        found = {
            "all": await add(trail, disclosed()),
            "matter": await add(trail, disclosed(matter="n")),
            "few": await add(trail, disclosed(first=250, end=260)),
            "other": await add(trail, disclosed(recipient=str(OTHER.to_public()))),
        }
        await add(trail, entry(BEFORE))
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed trail, in ``s``, its exports by disclosure, and two identities."""
    folder = tmp_path_factory.mktemp("disclosure")
    for name, index in asyncio.run(fill(folder / "s")).items():
        export(folder / "s", folder / name, now=NOW, disclosure=index)
    for name, identity in (("me", ME), ("him", OTHER)):
        (folder / name).write_text(
            f"# created: 2030\n# public key: {identity.to_public()}\n{identity}\n"
        )
    return folder


@pytest.fixture
def spoilt(made: Path, tmp_path: Path) -> Path:
    """A copy of the export of all, to spoil."""
    return Path(shutil.copytree(made / "all", tmp_path / "e"))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in decrypt(file.read_bytes(), [ME]).splitlines()]


def test_every_sealed_part_is_there_but_for_those_that_were_erased(made: Path) -> None:
    found = verify_disclosure(made / "all", made / "me")

    assert (found.opened, found.erased, found.lost) == (BEFORE + 1 - len(ERASED), len(ERASED), 0)
    assert (found.index, found.problems) == (BEFORE + 1, [])
    assert verify_export(made / "all").problems == (), "to whom nothing is disclosed, it is as ever"
    opened = open_disclosed(made / "all", made / "me", 299)
    assert (opened.subject, opened.notice, opened.sealed) == (
        STAYS,
        "告知",
        {"text": "hardship 299"},
    )
    for index in (7, BEFORE + 5, 10**9):
        with pytest.raises(StoreRefusedError) as caught:
            open_disclosed(made / "all", made / "me", index)
        assert caught.value.reason == "NOT_DISCLOSED"


def test_no_more_is_given_than_is_on_record(made: Path) -> None:
    of_matter = verify_disclosure(made / "matter", made / "me")
    few = verify_disclosure(made / "few", made / "me")

    assert of_matter.problems == few.problems == []
    erased_too = sum(i % 3 == 0 for i in ERASED)
    assert (of_matter.opened, of_matter.erased) == (100 - erased_too, erased_too)
    assert (few.opened, few.erased) == (9, 1)
    assert {one.name for one in (made / "few" / "sealed").glob("*.age")} == {"000.age", "001.age"}
    given = [
        one["index"] for name in ("000", "001") for one in lines(made / f"few/sealed/{name}.age")
    ]
    assert given == [*range(250, 260)]


def test_whoever_is_not_the_auditor_reads_nothing(made: Path) -> None:
    for path in (made / "all").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for secret in (STAYS[-18:].encode(), b"hardship", "告知".encode()):
                assert secret not in content
    with pytest.raises(StoreRefusedError) as caught:
        verify_disclosure(made / "all", made / "him")
    assert caught.value.reason == "IDENTITY_WRONG"
    assert verify_disclosure(made / "other", made / "him").problems == []
    (made / "none").write_text("# nothing\n")
    for wrong in (made / "none", made / "gone"):
        with pytest.raises(StoreRefusedError) as caught:
            verify_disclosure(made / "all", wrong)
        assert caught.value.reason == "IDENTITY_INVALID"


def test_it_is_opened_by_its_specification_alone(made: Path) -> None:
    """As docs/export.md has it, with nothing of ours."""
    leaves = {index: json.loads(leaf) for index, leaf in entries_of_export(made / "all")}

    def mac(key: bytes, text: bytes) -> str:
        return hmac.digest(key, text, "sha256").hex()

    def derived(key: bytes, purpose: bytes) -> bytes:
        return hmac.digest(key, purpose + b"\x01", "sha256")

    opened = 0
    for file in ("000", "001"):
        for said in lines(made / f"all/sealed/{file}.age"):
            leaf = leaves[said["index"]]
            if said.get("erased"):
                continue
            key, content, salt, links = (
                base64.b64decode(said[name]) for name in ("key", "content", "links_salt", "links")
            )
            assert hashlib.sha256(content).hexdigest() == leaf["sealed_digest"]
            assert content[:32] == derived(key, b"key commitment")
            plain = json.loads(AESGCM(key).decrypt(bytes(12), content[32:], leaf["id"].encode()))
            for name in ("subject", "notice"):
                committed = mac(derived(key, name.encode()), plain[name].encode())
                assert committed == leaf[f"{name}_commitment"]
            assert mac(salt, links) == leaf["links_commitment"]
            opened += 1
    assert opened == BEFORE + 1 - len(ERASED)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_changed_ciphertext_is_found(spoilt: Path, made: Path, data: st.DataObject) -> None:
    path = spoilt / f"sealed/{data.draw(st.sampled_from(('000', '001')))}.age"
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    path.write_bytes(
        data.draw(
            st.sampled_from(
                (
                    content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
                    content[:at],
                    content[:at] + b"x" + content[at:],
                )
            )
        )
    )
    try:
        found = verify_disclosure(spoilt, made / "me")
    finally:
        path.write_bytes(content)

    first = found.problems[0].index
    assert first is not None
    assert int(path.stem) == first // 256


Line = dict[str, Any]


def _swapped(all_: list[Line]) -> list[Line]:
    one, two = all_[3], all_[4]
    return [*all_[:3], {**two, "index": 3}, {**one, "index": 4}, *all_[5:]]


FORGERIES: dict[str, tuple[Callable[[list[Line]], list[Line]], int | None]] = {
    "left out": (lambda all_: all_[:3] + all_[4:], 3),
    "said to be erased": (lambda all_: [*all_[:3], {"index": 3, "erased": True}, *all_[4:]], 3),
    "said to be lost": (lambda all_: [*all_[:3], {"index": 3, "lost": True}, *all_[4:]], 3),
    "another's": (_swapped, 3),
    "given twice": (lambda all_: [*all_[:4], all_[3], *all_[4:]], 4),
    "cut off": (lambda all_: all_[:-1], 255),
    "more than all": (lambda all_: [*all_, {**all_[0], "index": 256}], None),
    "other links": (
        lambda all_: [*all_[:3], {**all_[3], "links_salt": all_[4]["links_salt"]}, *all_[4:]],
        3,
    ),
    "links under a salt that is none": (
        lambda all_: [*all_[:3], {**all_[3], "links_salt": "AAAA"}, *all_[4:]],
        3,
    ),
    "other key": (lambda all_: [*all_[:3], {**all_[3], "key": all_[4]["key"]}, *all_[4:]], 3),
    "no key": (lambda all_: [*all_[:3], {"index": 3}, *all_[4:]], 3),
    "no JSON": (lambda all_: [*all_[:3], "", *all_[4:]], 3),  # type: ignore[list-item]
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_is_encrypted_to_the_auditor_anew_is_still_held_against_the_entries(
    spoilt: Path, made: Path, forgery: str
) -> None:
    """Anybody can encrypt to a public key."""
    forge, index = FORGERIES[forgery]
    path = spoilt / "sealed" / "000.age"
    text = "".join(json.dumps(one) + "\n" for one in forge(lines(path)))
    path.write_bytes(encrypt(text.encode(), [ME.to_public()]))

    found = verify_disclosure(spoilt, made / "me")

    assert found.problems[0].index == index
    if index is not None and forgery != "left out":
        with pytest.raises((TamperedError, StoreRefusedError)):
            open_disclosed(spoilt, made / "me", index)


def test_a_missing_file_and_another_disclosure_are_found(spoilt: Path, made: Path) -> None:
    (spoilt / "sealed" / "001.age").unlink()
    assert next(one.index for one in verify_disclosure(spoilt, made / "me").problems) == 256

    for said in ({"schema": "miaopi.sealed/1", "disclosure": 0}, {"schema": "x"}, []):
        (spoilt / "sealed" / "sealed.json").write_text(json.dumps(said))
        with pytest.raises(StoreRefusedError) as caught:
            verify_disclosure(spoilt, made / "me")
        assert caught.value.reason == "NOT_DISCLOSED"


def test_nothing_is_given_that_is_not_on_record(made: Path, tmp_path: Path) -> None:
    for index in (0, 10**9):
        with pytest.raises(StoreRefusedError) as caught:
            export(made / "s", tmp_path / "e", now=NOW, disclosure=index)
        assert (caught.value.reason, [*tmp_path.iterdir()]) == ("NOT_DISCLOSED", [])


def test_a_full_disk_leaves_nothing_half_written(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def full(self: Path, *more: Any, **named: Any) -> Any:
        return real(Path("/dev/full") if self.suffix == ".age" else self, *more, **named)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StoreRefusedError) as caught:
        export(made / "s", tmp_path / "e", now=NOW, disclosure=BEFORE + 1)

    assert (caught.value.reason, [*tmp_path.iterdir()]) == ("COPY_FAILED", [])


def test_a_broken_sealed_part_is_told_and_nothing_is_given(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "s", tmp_path / "s")
    store = sqlite3.connect(tmp_path / "s" / "store.sqlite", isolation_level=None)
    store.execute("UPDATE sealed SET content = zeroblob(99) WHERE idx = 9")
    store.close()

    with pytest.raises(TamperedError) as caught:
        export(tmp_path / "s", tmp_path / "e", now=NOW, disclosure=BEFORE + 1)

    assert (caught.value.reason, "`9`" in str(caught.value)) == ("SEAL_BROKEN", True)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


async def test_an_erasure_that_the_checkpoint_does_not_reach_yet_is_waited_for(
    made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made / "s", tmp_path / "s")
    note = (tmp_path / "s" / "checkpoint").read_text()
    async with Trail.open(tmp_path / "s") as trail:
        await trail.erase(STAYS, reason="r", time=NOW)
    signed = (tmp_path / "s" / "checkpoint").read_text()
    (tmp_path / "s" / "checkpoint").write_text(note)

    with pytest.raises(StoreRefusedError) as caught:
        export(tmp_path / "s", tmp_path / "e", now=NOW, disclosure=BEFORE + 1)
    assert caught.value.reason == "EXPORT_OVERTAKEN"

    (tmp_path / "s" / "checkpoint").write_text(signed)
    done = export(tmp_path / "s", tmp_path / "e", now=NOW, disclosure=BEFORE + 1)
    assert done.disclosed == Disclosed(BEFORE + 1, opened=1, erased=BEFORE), "all but the erasure's"
    assert verify_disclosure(tmp_path / "e", made / "me").problems == []


async def test_what_a_lost_master_key_sealed_is_told(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "s", tmp_path / "s")
    (tmp_path / "s" / "master.key").unlink()
    lost = recovery.recover(tmp_path / "s", reason="r", operator="o", now=NOW).index
    async with Trail.open(tmp_path / "s") as trail:
        await add(trail, entry(1))
        index = await add(trail, disclosed())

    export(tmp_path / "s", tmp_path / "e", now=NOW, disclosure=index)

    found = verify_disclosure(tmp_path / "e", made / "me")
    assert (found.opened, found.erased, found.lost) == (index - lost, 0, lost)
    assert found.problems == []


async def test_either_store_gives_the_same(tmp_path: Path, made: Path, database: str) -> None:
    found = await fill(tmp_path / "s", database)

    done = export(tmp_path / "s", tmp_path / "e", now=NOW, disclosure=found["matter"])

    seen = verify_disclosure(tmp_path / "e", made / "me")
    assert seen == done.disclosed
    assert seen.opened > 90


async def test_it_needs_no_more_memory_for_more(tmp_path: Path, made: Path) -> None:
    """Thirty times a quarter of a MiB goes through a few MiB, out and in."""
    Trail.create(tmp_path / "s", origin="test.invalid/miaopi")
    async with Trail.open(tmp_path / "s") as trail:
        for _ in range(30):
            one = Entry("paper/1", str(uuid4()), NOW, {}, {"text": "字" * 87_000}, STAYS)
            await add(trail, one)
        index = await add(trail, disclosed())

    def peak(work: Callable[[], object]) -> int:
        tracemalloc.start()
        work()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    out = peak(lambda: export(tmp_path / "s", tmp_path / "e", now=NOW, disclosure=index))
    read = peak(lambda: verify_disclosure(tmp_path / "e", made / "me"))

    assert (tmp_path / "e" / "sealed" / "000.age").stat().st_size > 10_000_000
    assert out < 8_000_000
    assert read < 8_000_000


def test_as_people_type_it(made: Path, tmp_path: Path) -> None:
    def type_(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(miaopi, ["audit", *words])
        return done.exit_code, " ".join(done.output.split())

    store, to = str(made / "s"), str(tmp_path / "e")
    code, said = type_("export", "--store", store, "--to", to, "--disclosure", str(BEFORE + 1))
    assert (code, "sealed parts: 295" in said, "erased: 6" in said) == (0, True, True)
    code, said = type_("verify", "--store", to, "--identity", str(made / "me"))
    assert (code, "sealed parts: 295" in said, "密封部分：" in said) == (0, True, False)
    code, said = type_("verify", "--store", to)
    assert (code, "checked with `--identity`" in said) == (0, True)
    code, said = type_("verify", "--store", to, "--identity", str(made / "me"), "--json")
    assert json.loads(said[said.index("{") :])["disclosed"] == {
        "index": 301,
        "opened": 295,
        "erased": 6,
        "lost": 0,
    }
    code, said = type_("open", "3", "--store", to, "--identity", str(made / "me"))
    assert (code, json.loads(said)["sealed"]) == (0, {"text": "hardship 3"})
    code, said = type_("verify", "--store", to, "--identity", str(made / "him"))
    assert (code, "IDENTITY_WRONG" in said) == (1, True)
    (tmp_path / "e" / "sealed" / "000.age").unlink()
    code, said = type_("verify", "--store", to, "--identity", str(made / "me"))
    assert (code, "first bad index: 0" in said) == (1, True)
