"""The contract with a portal, in JSON: what it sends, and what it reads of every outcome.

The JSON is proto3's canonical one, which every gateway and every gRPC library speaks. The
consumer's half is what a portal relies on and no more; the provider's half holds the answers of
the real service to it. Kept as the registers' pacts are: written anew each time.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass

from decision_service.catalogue import Catalogue
from decision_service.model import EvidenceType
from evidence_adapters.sandbox import City, Misconduct
from tests import service
from tests.service import DECIDE, METHODS, PREFILL, Town

os.environ["PACT_DO_NOT_TRACK"] = "true"

from pact import Pact, Verifier, match

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
CAST = City(755).cast(NOW.date())
INSTANT = match.regex(
    "2026-11-24T01:02:03Z", regex=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3,9})?Z$"
)
DIGEST = match.regex("OIOPaq7wQWbIKBqp+/PxY6kA74ekxFIa4H6sW3YLmEM=", regex=r"^[A-Za-z0-9+/]{43}=$")
UUID = match.uuid("58ea4878-2a2a-44a2-ae79-54bc12582bf1")
CASE_ID = match.regex("c70d7d64f3a36d2935c6641769a79169", regex="^[0-9a-f]{32}$")
CASE_NUMBER = match.regex("20261124-X47B-H3BC", regex=r"^\d{8}-[0-9A-Z]{4}-[0-9A-Z]{4}$")
DAY = {"year": match.like(2026), "month": match.like(11), "day": match.like(24)}
RECEIPT = {"leafHash": DIGEST}
"""Its ``index`` is a text in JSON, and left out where it is 0, as every default is."""


def text(zh: str, en: str) -> dict[str, Any]:
    """Words in both languages."""
    return {"zh": match.like(zh), "en": match.like(en)}


REASON = {"code": match.like("REQUIREMENT_MET"), "text": text("符合", "met")}
EVIDENCE = {
    "evidenceType": match.like("population_register"),
    "provider": text("公安", "police"),
    "status": match.regex("EVIDENCE_STATUS_MATCH", regex="^EVIDENCE_STATUS_[A-Z_]+$"),
    "retrieveTime": INSTANT,
    "queryId": UUID,
}
DECISION = {
    "caseId": CASE_ID,
    "caseNumber": CASE_NUMBER,
    "rulesEffectiveDate": DAY,
    "releaseDigest": DIGEST,
    "filingDate": DAY,
    "decideTime": INSTANT,
    "evidence": match.each_like(EVIDENCE),
    "notice": text("决定书", "decision"),
    "remedies": {
        "reconsiderationOrgan": text("区人民政府", "the district people's government"),
        "reconsiderationDays": match.like(60),
        "reconsiderationLink": match.like("https://example.invalid/fuyi"),
        "litigationCourt": text("区人民法院", "the district people's court"),
        "litigationMonths": match.like(6),
    },
    "receipt": RECEIPT,
}
"""What a portal reads of every decision, whatever its outcome."""

GRANT = {
    "id": match.like("monthly_allowance"),
    "name": text("月津贴额", "monthly allowance"),
    "value": {"number": match.regex("200.00", regex=r"^-?[0-9]+(\.[0-9]+)?$")},
    "unit": match.like("元"),
}
FIELD = {
    "key": match.like("applicant.birth_date"),
    "concept": match.like("applicant.birth_date"),
    "name": text("出生日期", "date of birth"),
    "value": match.like({}),
    "display": text("1950-12-01", "1950-12-01"),
    "evidenceType": match.like("population_register"),
    "asOfTime": INSTANT,
}


def reasons(**more: Any) -> dict[str, Any]:
    return {"reasons": match.each_like(REASON), **more}


@dataclass(frozen=True)
class Exchange:
    """What a portal sends in a state, and what it reads of the answer.

    Attributes:
        state: What is special about it.
        who: The sandbox's person who applies.
        away: A register that is away.
        reads: Of the one message of `Decide`, or of one message of the stream.
    """

    state: str
    method: str
    who: str
    reads: Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)
    away: str = ""

    @property
    def request(self) -> dict[str, Any]:
        """The portal's request."""
        asked = service.right(self.method, CAST[self.who], NOW, "") | dict(self.changes)
        consent = asked["authority"]["consent"]
        if asked["matter"] == "library_card":
            consent["evidence_types"] = ["population_register", "library_register"]
        return camel(asked)


def camel(document: dict[str, Any]) -> dict[str, Any]:
    """A request in the canonical JSON, with its names in camel case."""
    method = DECIDE if "answers" in document else PREFILL
    canonical: dict[str, Any] = json_format.MessageToDict(service.message(method, document))
    return canonical


READER = {
    "matter": "library_card",
    "answers": {
        "applicant.mobile": {"text": "13800000000"},
        "applicant.accepts_reading_rules": {"boolean": True},
        "applicant.truthful": {"boolean": True},
    },
}
EXCHANGES = [
    Exchange(
        "all is proven",
        DECIDE,
        "aged_75",
        {"decision": {"approved": reasons(grant=match.each_like(GRANT)), **DECISION}},
    ),
    Exchange(
        "a requirement is proven not met, and a machine may say so",
        DECIDE,
        "library_holder",
        {"decision": {"refused": reasons(), **DECISION}},
        READER,
    ),
    Exchange(
        "a requirement is proven not met, and a person has to say so",
        DECIDE,
        "outside_hukou",
        {"decision": {"referred": reasons(), **DECISION}},
    ),
    Exchange(
        "an answer is missing",
        DECIDE,
        "aged_95",
        {
            "decision": {
                "needsCorrection": {
                    "reasons": match.array_containing(
                        [{**REASON, "field": match.like("applicant.mobile")}]
                    )
                },
                **DECISION,
            }
        },
        {"answers": {"applicant.truthful": {"boolean": True}}},
    ),
    Exchange(
        "a register is away",
        DECIDE,
        "leap_day_born",
        {
            "decision": {
                "waiting": reasons(
                    untilTime=INSTANT, evidenceTypes=match.each_like(match.like("death_register"))
                ),
                **DECISION,
            }
        },
        away="death_register",
    ),
    Exchange(
        "the registers are being asked",
        PREFILL,
        "aged_75",
        {
            "started": {
                "caseId": CASE_ID,
                "caseNumber": CASE_NUMBER,
                "rulesEffectiveDate": DAY,
                "evidenceTypes": match.each_like(match.like("population_register")),
            }
        },
    ),
    Exchange(
        "a register has answered",
        PREFILL,
        "aged_75",
        {"evidence": {"evidence": EVIDENCE, "fields": match.each_like(FIELD)}},
    ),
    Exchange(
        "all have answered",
        PREFILL,
        "aged_75",
        {
            "completed": {
                "fields": match.each_like(FIELD),
                "declaredFields": match.each_like(match.like("applicant.mobile")),
                "receipt": RECEIPT,
            }
        },
    ),
]
BY_STATE = {one.state: one for one in EXCHANGES}


async def answer(town: Town, one: Exchange, request: dict[str, Any]) -> dict[str, Any]:
    """The service's answer: the message that has what the portal reads."""
    answered = await town.wire.call(one.method, service.message(one.method, request))
    assert answered.code == "OK", answered.words
    kind = GetMessageClass(METHODS[one.method].output_type)
    messages = [json_format.MessageToDict(kind.FromString(raw)) for raw in answered.responses]
    (key,) = one.reads
    return next(message for message in messages if _has(message, key))


def _has(message: dict[str, Any], key: str) -> bool:
    """Of registers' answers, the first that fills a field."""
    return key in message and (key != "evidence" or "fields" in message["evidence"])


@asynccontextmanager
async def provider(town: Town) -> AsyncIterator[int]:
    """Where Pact says which state it needs and asks for the answer; yields its port."""

    async def enter(request: web.Request) -> web.Response:
        asked = await request.json()
        town.running.reset()
        away = BY_STATE[asked["state"]].away
        if asked["action"] == "setup" and away:
            town.running.misbehave(EvidenceType(away), Misconduct.DOWN)
        return web.Response()

    async def tell(request: web.Request) -> web.Response:
        asked = await request.json()
        one = BY_STATE[asked["providerStates"][0]["name"]]
        sent = asked["request"]["contents"]["content"]
        return web.json_response(await answer(town, one, sent))

    app = web.Application()
    app.router.add_post("/state", enter)
    app.router.add_post("/message", tell)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def agreed(folder: Path) -> Path:
    """Write the pact."""
    pact = Pact("portal", "miaopi").with_specification("V4")
    for one in EXCHANGES:
        (
            pact.upon_receiving(f"{one.method.rpartition('/')[2]}: {one.state}", "Sync")
            .given(one.state)
            .with_body(one.request, content_type="application/json", part="Request")
            .will_respond_with()
            .with_body(dict(one.reads), content_type="application/json", part="Response")
        )
    pact.write_file(folder)
    return folder / "portal-miaopi.json"


def test_what_a_portal_sends_and_reads_are_messages_of_the_contract(tmp_path: Path) -> None:
    """No name that the contract does not have, no form that its JSON does not have."""
    pact = json.loads(agreed(tmp_path).read_text("utf-8"))

    assert len(pact["interactions"]) == len(EXCHANGES)
    for one in pact["interactions"]:
        method = METHODS[BY_STATE[one["providerStates"][0]["name"]].method]
        sent, (read,) = one["request"]["contents"], one["response"]
        json_format.ParseDict(sent["content"], GetMessageClass(method.input_type)())
        json_format.ParseDict(read["contents"]["content"], GetMessageClass(method.output_type)())


@pytest.mark.timeout(60)
async def test_the_service_keeps_the_contract_with_a_portal(
    tmp_path: Path, published: Catalogue, people: City
) -> None:
    pact = agreed(tmp_path)

    async with (
        service.town(tmp_path, published, people, lambda: NOW) as town,
        provider(town) as port,
    ):
        verifier = (
            Verifier("miaopi", host="127.0.0.1")
            .add_transport(protocol="message", port=port, path="/message", scheme="http")
            .add_source(pact)
            .state_handler(f"http://127.0.0.1:{port}/state", teardown=True, body=True)
        )
        await asyncio.to_thread(verifier.verify)

        assert town.traces > (len(EXCHANGES), len(EXCHANGES))
