"""Portals as other people write them: in TypeScript with `fetch`, and in Node with gRPC."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from decision_service.catalogue import Catalogue
from decision_service.model import EvidenceType
from evidence_adapters.sandbox import City, Misconduct
from tests import service
from tests.service import CASE, DECIDE, GET, LIST, PREFILL, RECEIPT, Town

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "portal"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not shutil.which("npm"), reason="there is no Node here"),
]

Words = list[list[Any]]


def ran(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its pinned packages, compiled."""
    folder = tmp_path_factory.mktemp("portal") / "portal"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    installed = ran("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install here: {installed.stderr[-200:]}")
    compiled = ran("npx", "tsc", folder=folder)
    assert compiled.returncode == 0, compiled.stdout
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    tmp_path_factory: pytest.TempPathFactory, published: Catalogue, people: City
) -> AsyncIterator[Town]:
    # The real clock: a client says when the person consented.
    folder = tmp_path_factory.mktemp("town")
    async with service.town(folder, published, people, lambda: datetime.now(UTC)) as town:
        yield town


async def apply(portal: Path, town: Town, program: str, id_number: str) -> tuple[int, Words]:
    """Run a client; its end, and what it printed."""
    environment = {
        "MIAOPI_URL": f"http://127.0.0.1:{town.json.port}",
        "MIAOPI_ADDRESS": f"127.0.0.1:{town.wire.port}",
        "MIAOPI_TOKEN": dict(town.wire.bearer())["authorization"].removeprefix("Bearer "),
        "MIAOPI_PROTO": str(ROOT),
    }
    done = await asyncio.to_thread(
        ran, "node", f"dist/{program}.js", id_number, folder=portal, **environment
    )
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def told(words: Words, kind: str) -> list[list[Any]]:
    return sorted(one[1:] for one in words if one[0] == kind)


@pytest.mark.parametrize("program", ["apply", "apply_grpc"])
async def test_a_client_fills_the_form_and_gets_a_decision(
    program: str, portal: Path, town: Town, people: City
) -> None:
    person = people.cast(town.clock().date())["aged_75" if program == "apply" else "aged_95"]

    code, words = await apply(portal, town, program, person.id_number)

    assert code == 0, words
    assert told(words, "evidence") == [
        ["death_register", "EVIDENCE_STATUS_NO_RECORD_AUTHORITATIVE"],
        ["payment_ledger", "EVIDENCE_STATUS_MATCH"],
        ["population_register", "EVIDENCE_STATUS_MATCH"],
    ]
    assert ["applicant.birth_date", person.birth_date.isoformat()] in told(words, "field")
    ((outcome, notice),) = told(words, "decision")
    assert outcome == "approved"
    assert "准予" in notice
    assert len(told(words, "receipt")) == 1


@pytest.mark.parametrize(
    ("program", "code"), [("apply", "invalid_argument"), ("apply_grpc", "INVALID_ARGUMENT")]
)
async def test_a_client_tells_a_refusal(program: str, code: str, portal: Path, town: Town) -> None:
    ended, words = await apply(portal, town, program, "990000195012010015")

    assert ended == 1
    assert [one[:2] for one in words] == [["error", code]]
    if program == "apply":
        ((_, reason, zh, fields),) = told(words, "error")
        assert reason == "REQUEST_INVALID"
        assert zh.startswith("请求有误：")
        assert [field["field"] for field in fields] == ["parties[0].documents[0].number"]


async def test_what_the_service_answers_is_of_the_types_that_clients_are_given(
    portal: Path, town: Town, people: City
) -> None:
    """Every outcome as a literal of its type: a name that the types lack does not compile."""
    answers = await answered(town, people)
    outcomes = {key for name, one in answers if name == "DecideResponse" for key in one["decision"]}
    assert {"approved", "refused", "referred", "needsCorrection", "waiting"} <= outcomes

    names = ", ".join(sorted({name for name, _ in answers}))
    literals = ",\n".join(f"{json.dumps(one)} satisfies {name}" for name, one in answers)
    head = f'import type {{ {names} }} from "./contract.ts";\nexport const answers = [\n'
    (portal / "answers.ts").write_text(f"{head}{literals}\n];\n", "utf-8")
    assert ran("npx", "tsc", "--noEmit", folder=portal).stdout == ""

    wrong = literals.replace('"caseNumber"', '"caseNumbre"', 1)
    (portal / "answers.ts").write_text(f"{head}{wrong}\n];\n", "utf-8")
    refused = ran("npx", "tsc", "--noEmit", folder=portal).stdout
    assert "caseNumbre" in refused
    assert "does not exist in type 'Decision'" in refused
    (portal / "answers.ts").unlink()


async def answered(town: Town, people: City) -> list[tuple[str, dict[str, Any]]]:
    """Answers of the service in JSON, with the names of their types."""
    now = town.clock()
    cast = people.cast(now.date())
    reader = {
        "matter": "library_card",
        "answers": {
            "applicant.mobile": {"text": "13800000000"},
            "applicant.accepts_reading_rules": {"boolean": True},
            "applicant.truthful": {"boolean": True},
        },
    }
    refused = service.application(cast["library_holder"], now, **reader)
    refused["authority"]["consent"]["evidence_types"] = ["population_register", "library_register"]
    incomplete = {"answers": {"applicant.truthful": {"boolean": True}}}
    asked = [
        (DECIDE, service.application(cast["centenarian"], now), ""),
        (DECIDE, refused, ""),
        (DECIDE, service.application(cast["outside_hukou"], now), ""),
        (DECIDE, service.application(cast["leap_day_born"], now, **incomplete), ""),
        (DECIDE, service.application(cast["leap_day_born"], now), "death_register"),
        (PREFILL, service.request_to_prefill(cast["centenarian"], now), ""),
        (LIST, {}, ""),
        (GET, {"matter": "business_address_change"}, ""),
    ]
    found: list[tuple[str, dict[str, Any]]] = []
    for method, request, away in asked:
        if away:
            town.running.misbehave(EvidenceType(away), Misconduct.DOWN)
        found += await in_json(town, method, request)
        town.running.reset()
    case_id = found[0][1]["decision"]["caseId"]
    for method in (CASE, RECEIPT):
        found += await in_json(town, method, {"case_id": case_id})
    return found


async def in_json(town: Town, method: str, request: Any) -> list[tuple[str, dict[str, Any]]]:
    """The messages of an answer, as they come."""
    kind = service.METHODS[method]
    body = json.dumps(request).encode()
    if kind.server_streaming:
        body = b"\0" + len(body).to_bytes(4) + body
    headers = {
        **dict(town.json.bearer()),
        "content-type": "application/connect+json" if kind.server_streaming else "application/json",
    }
    address = f"http://127.0.0.1:{town.json.port}{method}"
    async with town.json.session.post(address, data=body, headers=headers) as response:
        raw = await response.read()
        assert response.status == 200, raw
    messages = service.opened(raw)[:-1] if kind.server_streaming else [raw]
    return [(kind.output_type.name, json.loads(one)) for one in messages]


async def test_a_stream_is_read_however_its_bytes_are_cut(portal: Path) -> None:
    script = """
        import { Envelopes } from "./dist/miaopi.js";
        const envelope = (flags, text) => {
          const bytes = new TextEncoder().encode(text);
          const head = new Uint8Array(5);
          new DataView(head.buffer).setUint32(1, bytes.length);
          head[0] = flags;
          return [...head, ...bytes];
        };
        const whole = [envelope(0, '{"a":"很"}'), envelope(0, "{}"), envelope(2, "{}")].flat();
        for (const size of [1, 2, 3, 7, 1000]) {
          const stream = new Envelopes();
          const found = [];
          for (let at = 0; at < whole.length; at += size)
            found.push(...stream.push(Uint8Array.from(whole.slice(at, at + size))));
          stream.finish();
          console.log(JSON.stringify(found));
        }
        const cut = new Envelopes();
        console.log(JSON.stringify([...cut.push(Uint8Array.from(whole.slice(0, -1)))]));
        try { cut.finish(); } catch (error) { console.log(error.code, error.isWorthRepeating); }
    """
    done = ran("node", "--input-type=module", "-e", script, folder=portal)

    assert done.stdout.splitlines() == ['[{"a":"很"},{}]'] * 6 + ["unavailable true"], done.stderr
