"""The shadow run: what a release would have made of the decisions on record."""

import asyncio
import io
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from rich.console import Console

from decision_service import catalogue
from decision_service.catalogue import Catalogue
from decision_service.cli import simulation
from decision_service.client import SimulateReleaseResponse, _added
from decision_service.model import EvidenceType
from evidence_adapters import registry
from evidence_adapters.sandbox import City, Misconduct
from tests import service
from tests.service import DECIDE, ENTRIES, SIMULATE, Answer, Town

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
NAME = "old_age_allowance@2019-10-01"
ROOT = Path(__file__).parents[2]

module = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Lived:
    """A town in which something was decided; by what became of it, the entry's index."""

    town: Town
    indices: dict[str, int]

    async def call(self, release: bytes, role: str = "policy_author", filter_: str = "") -> Answer:
        asked = service.message(SIMULATE, {"filter": filter_})
        asked.release = release  # type: ignore[attr-defined]  # it is that message
        return await self.town.wire.call(SIMULATE, asked, role=role)

    async def told(self, release: bytes, filter_: str = "") -> SimulateReleaseResponse:
        """What the last message says."""
        answer = await self.call(release, filter_=filter_)
        assert answer.code == "OK", answer
        return SimulateReleaseResponse.FromString(answer.responses[-1])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lived(
    tmp_path_factory: pytest.TempPathFactory, published: Catalogue, people: City
) -> AsyncIterator[Lived]:
    cast = people.cast(NOW.date())
    folder = tmp_path_factory.mktemp("lived")
    async with service.town(folder, published, people, lambda: NOW) as town:

        async def decide(person: Any, **changes: Any) -> int:
            document = service.application(person, NOW) | changes
            answer = await town.wire.call(DECIDE, service.message(DECIDE, document))
            assert answer.code == "OK", answer
            kind = service.GetMessageClass(service.METHODS[DECIDE].output_type)
            index: int = kind.FromString(answer.responses[0]).decision.receipt.index
            return index

        indices = {
            "approved": await decide(cast["aged_75"]),
            "referred": await decide(cast["outside_hukou"]),
            "person": await decide(people.person(7), person_requested=True),
        }
        town.running.misbehave(EvidenceType("death_register"), Misconduct.DOWN)
        indices["waiting"] = await decide(cast["aged_95"])
        town.running.reset()
        yield Lived(town, indices)


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """The archive of the allowance with some words of a file changed."""
    registers = {key: one.meaning for key, one in registry.load().items()}

    def compose(old: str, new: str, file: str = "rules") -> bytes:
        city = tmp_path_factory.mktemp("city")
        for folder in ("rules/old_age_allowance", "matters/old_age_allowance"):
            shutil.copytree(ROOT / folder, city / folder)
        for path in (ROOT / "matters").glob("*.*"):
            shutil.copy(path, city / "matters" / path.name)
        beside = city / "matters" / "old_age_allowance" / "2019-10-01"
        path = {
            "rules": city / "rules" / "old_age_allowance" / "2019-10-01.rules.md",
            "form": beside / "form.schema.json",
        }[file]
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        releases = catalogue.compose_all(city, registers)
        return next(one.archive for one in releases if one.name == NAME)

    return compose


def changes(told: SimulateReleaseResponse) -> dict[tuple[str, str, bool], list[int]]:
    return {
        (one.outcome, one.simulated_outcome, one.grant_differs): list(one.examples)
        for one in told.changes
    }


@module
async def test_the_release_in_force_would_change_nothing(
    lived: Lived, published: Catalogue
) -> None:
    release = next(one for one in published.releases if one.name == NAME)

    told = await lived.told(release.archive)

    assert (told.done, told.total, told.unchanged) == (4, 4, 3)
    assert dict(told.left_out) == {"PERSON": 1}
    assert not told.changes
    assert told.last_index == max(lived.indices.values())


@module
async def test_s17_other_amounts_and_other_outcomes_are_told_before_a_release(
    lived: Lived, composed: Callable[..., bytes]
) -> None:
    more = composed("| 1 | [70..80) | 200.00 |", "| 1 | [70..80) | 250.00 |")
    older = composed("- 条件 requires：年龄 >= 70", "- 条件 requires：年龄 >= 80")
    anywhere = composed('requires：户籍市 = "深圳市"', 'requires：户籍市 = "外市"')

    assert changes(await lived.told(more)) == {
        ("approved", "approved", True): [lived.indices["approved"]]
    }
    assert changes(await lived.told(older)) == {
        ("approved", "referred", True): [lived.indices["approved"]]
    }
    otherwise = changes(await lived.told(anywhere))
    assert otherwise["approved", "referred", True] == [lived.indices["approved"]]
    assert otherwise["referred", "approved", True] == [lived.indices["referred"]]


@module
async def test_a_filter_narrows_it(lived: Lived, composed: Callable[..., bytes]) -> None:
    more = composed("| 1 | [70..80) | 200.00 |", "| 1 | [70..80) | 250.00 |")

    told = await lived.told(more, filter_="outcome = referred")

    assert (told.done, told.total, told.unchanged) == (2, 2, 1)
    assert not told.changes


@module
async def test_it_is_on_record_and_tells_of_nobody(
    lived: Lived, published: Catalogue, people: City
) -> None:
    release = next(one for one in published.releases if one.name == NAME)
    size = lived.town.trail.size()

    answer = await lived.call(release.archive, role="policy_approver")

    assert lived.town.trail.size() == size + 1
    listed = await lived.town.wire.call(
        ENTRIES, service.message(ENTRIES, {"filter": f"index = {size}"}), role="auditor"
    )
    kind = service.GetMessageClass(service.METHODS[ENTRIES].output_type)
    (entry,) = kind.FromString(listed.responses[0]).entries
    said = json.loads(entry.permanent_json)
    assert (said["method"], said["role"]) == ("SimulateRelease", "policy_approver")
    assert said["simulated_digest"] == release.digest
    number = people.cast(NOW.date())["aged_75"].id_number
    assert not any(number.encode() in one for one in answer.responses)


@module
@pytest.mark.parametrize("role", ["portal", "clerk", "operator"])
async def test_only_policy_staff_and_auditors_may(lived: Lived, role: str) -> None:
    answer = await lived.call(b"{}", role=role)

    assert (answer.code, answer.reason) == ("PERMISSION_DENIED", "ROLE_NOT_ALLOWED")


@module
async def test_what_is_no_release_is_refused_and_says_where(
    lived: Lived, published: Catalogue
) -> None:
    release = next(one for one in published.releases if one.name == NAME)
    parts = json.loads(release.archive)
    wrong = json.dumps(parts | {"rules": parts["rules"].replace("年龄 >= 70", "年龄 >>= 70")})
    form = json.loads(parts["form"])
    form["properties"]["applicant.mobile"]["$ref"] = "https://forms.invalid/mobile.json"
    elsewhere = json.dumps(parts | {"form": json.dumps(form)})
    size = lived.town.trail.size()

    refused = [
        await lived.call(archive)
        for archive in (
            b"x",
            b"[]",
            b"[" * 100_000,
            b'{"rules": 1}',
            release.archive[:-9],
            json.dumps(parts | {"form": "{"}).encode(),
            json.dumps(parts | {"rules": 1}).encode(),
            json.dumps(parts | {"meanings": []}).encode(),
            wrong.encode(),
            elsewhere.encode(),
        )
    ]

    assert {answer.fields for answer in refused} == {(("release", "NOT_A_RELEASE"),)}
    assert lived.town.trail.size() == size


def test_a_reason_that_a_newer_service_has_is_told_as_it_is() -> None:
    told = SimulateReleaseResponse(left_out={"FORGOTTEN": 3, "ERASED": 1})
    written = io.StringIO()

    Console(file=written).print(simulation.shown(told))

    assert "left out 3: FORGOTTEN" in written.getvalue()


def test_what_several_calls_found_is_added_up() -> None:
    first, second = SimulateReleaseResponse(), SimulateReleaseResponse()
    first.done, first.total, first.unchanged, first.last_index = 5, 9, 2, 40
    first.left_out["PERSON"] = 1
    first.changes.add(
        outcome="approved", simulated_outcome="referred", decisions=2, examples=[1, 2]
    )
    second.done, second.total, second.unchanged, second.last_index = 4, 4, 0, 70
    second.left_out["PERSON"], second.left_out["ERASED"] = 2, 1
    second.changes.add(
        outcome="approved", simulated_outcome="referred", decisions=20, examples=range(50, 60)
    )
    second.changes.add(outcome="waiting", simulated_outcome="referred", decisions=1, examples=[61])

    both = _added(first, second)

    assert (both.done, both.total, both.unchanged, both.last_index) == (9, 9, 2, 70)
    assert dict(both.left_out) == {"PERSON": 3, "ERASED": 1}
    assert [(one.outcome, one.decisions) for one in both.changes] == [
        ("approved", 22),
        ("waiting", 1),
    ]
    assert list(both.changes[0].examples) == [1, 2, *range(50, 58)]


@module
async def test_the_command_shows_what_would_change(
    lived: Lived, tmp_path: Path, published: Catalogue
) -> None:
    for folder in ("rules", "matters"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = tmp_path / "rules" / "old_age_allowance" / "2019-10-01.rules.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("| [70..80) | 200.00 |", "| [70..80) | 250.00 |"), "utf-8")
    wire = lived.town.wire
    token = wire.bearer("policy_author")[0][1].removeprefix("Bearer ")

    ran = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "decision_service", "rules", "simulate", path),
        cwd=ROOT,
        env={
            **os.environ,
            "COLUMNS": "200",
            "NO_COLOR": "1",
            "MIAOPI_ADDRESS": f"127.0.0.1:{wire.port}",
            "MIAOPI_TOKEN": token,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        out, err = await ran.communicate()

    assert ran.returncode == 0, err.decode()
    assert "不变 unchanged 2  改变 changed 1" in out.decode()
    assert "granting something else" in out.decode()
    assert f"{lived.indices['approved']}" in out.decode()
    assert "不计 left out 1" in out.decode()
