"""Clerks of a test's counter, who do by the wire what clerks do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from decision_service.counter.docket import Clerk
from decision_service.model import EVERY_MATTER
from decision_service.v1 import counter_pb2
from decision_service.v1.decision_pb2 import DecideResponse
from evidence_adapters.sandbox import Person
from tests import service
from tests.service import (
    CLAIM,
    CONFIRM,
    DECIDE,
    DETERMINE,
    DOSSIER,
    METHODS,
    OVERRIDE,
    RETURN,
    Answer,
    Town,
    person_tag,
)


@dataclass(frozen=True)
class AtCounter:
    """A clerk.

    Attributes:
        name: Of the account.
        number: The identity number of whose account it is; by default nobody else's.
        matters: On whose cases they may work.
    """

    town: Town
    name: str
    number: str = ""
    matters: tuple[str, ...] = (EVERY_MATTER,)

    async def call(self, method: str, /, role: str = "clerk", **request: Any) -> Answer:
        bearer = self.town.wire.bearer(
            role,
            subject=self.name,
            person=person_tag(self.number or self.name),
            matters=self.matters if role == "clerk" else (),
        )
        asked = service.message(method, request)
        return await self.town.wire.call(method, asked, metadata=bearer)

    async def ask(self, method: str, /, **request: Any) -> Any:
        """The answer to what goes well."""
        answer = await self.call(method, **request)
        assert answer.code == "OK", answer.words
        return read(method, answer)

    async def open(self, case_id: str, *, blind: bool = False) -> counter_pb2.Dossier:
        answer = await self.ask(DOSSIER, case_id=case_id, blind=blind)
        dossier: counter_pb2.Dossier = answer.dossier
        return dossier

    async def claim(self, case_id: str) -> str:
        """Open and claim a case; the etag then."""
        dossier = await self.open(case_id)
        etag: str = (await self.ask(CLAIM, case_id=case_id, etag=dossier.etag)).etag
        return etag

    async def determine(self, case_id: str, result: str, **more: Any) -> Any:
        """Open, claim and decide, all well."""
        etag = await self.claim(case_id)
        return await self.ask(DETERMINE, **instruction(case_id, etag, result, **more))

    async def override(self, case_id: str, result: str, **more: Any) -> Any:
        etag = await self.claim(case_id)
        return await self.ask(OVERRIDE, **instruction(case_id, etag, result, **more))

    async def confirm(self, case_id: str, reason: str = "经复核，同意") -> Any:
        etag = await self.claim(case_id)
        return await self.ask(CONFIRM, case_id=case_id, etag=etag, reason=reason)

    async def hand_back(self, case_id: str, reason: str = "依据不足") -> Any:
        etag = await self.claim(case_id)
        return await self.ask(RETURN, case_id=case_id, etag=etag, reason=reason)


def clerk_of_all(caller: str, person: str, now: datetime) -> Clerk:
    """A clerk of every matter, below the wire."""
    return Clerk(caller, person, now, frozenset({EVERY_MATTER}))


def instruction(case_id: str, etag: str, result: str, **more: Any) -> dict[str, Any]:
    """What a clerk wants decided, as JSON."""
    reason = {"zh": "核对了全部材料", "en": "all papers were checked"}
    return {
        "case_id": case_id,
        "etag": etag,
        "result": f"RESULT_{result.upper()}",
        "reason": reason,
        **more,
    }


def read(method: str, answer: Answer) -> Any:
    """The last message of an answer."""
    kind: type[Message] = GetMessageClass(METHODS[method].output_type)
    return kind.FromString(answer.responses[-1])


async def apply(town: Town, person: Person, **changes: Any) -> Any:
    """Hand in an application, and read the decision."""
    asked = service.application(person, town.clock(), **changes)
    answer = await town.wire.call(DECIDE, service.message(DECIDE, asked))
    assert answer.code == "OK", answer.words
    return DecideResponse.FromString(answer.responses[0]).decision
