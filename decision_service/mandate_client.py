"""The client's part for mandates: that somebody may act for a person."""

from collections.abc import Sequence
from datetime import date

from decision_service import model
from decision_service.client import Client, write_day, write_document, write_person
from decision_service.followup import Person
from decision_service.v1 import mandate_pb2_grpc
from decision_service.v1.mandate_pb2 import (
    GrantMandateRequest,
    ListMandatesRequest,
    Mandate,
    RevokeMandateRequest,
)

__all__ = ["Mandate", "MandateClient"]


class MandateClient:
    """The way to the service for who lets another act.

    Args:
        client: Open, with a portal's token, or with a clerk's for what is on paper.

    Every method raises `ClientError` if the service said no.
    """

    def __init__(self, client: Client) -> None:
        self._stub = mandate_pb2_grpc.MandateServiceStub(client.channel)
        self._client = client

    async def grant(  # what a mandate says
        self,
        person: Person,
        agent: model.Document,
        *,
        matters: Sequence[str],
        until: date,
        request_id: str,
        scan_digest: bytes = b"",
    ) -> Mandate:
        """Let an agent act for a person in these matters, until that day and on it.

        Args:
            scan_digest: SHA-256 of the scan, where a clerk has seen it on paper.
        """
        asked = GrantMandateRequest(
            request_id=request_id,
            person=write_person(person),
            mandate=Mandate(
                agent=[write_document(agent)],
                matters=matters,
                until_date=write_day(until),
            ),
            scan_digest=scan_digest,
        )
        answer = await self._client.ask(self._stub.GrantMandate, asked)
        return answer.mandate

    async def revoke(self, person: Person, agent: model.Document, *, request_id: str) -> int:
        """Take a mandate back; the index of the entry that says so."""
        asked = RevokeMandateRequest(
            request_id=request_id, person=write_person(person), agent=[write_document(agent)]
        )
        answer = await self._client.ask(self._stub.RevokeMandate, asked)
        return answer.receipt.index

    async def list(self, person: Person) -> tuple[Mandate, ...]:
        """The mandates that a person has granted and not taken back, the newest first."""
        answer = await self._client.ask(
            self._stub.ListMandates, ListMandatesRequest(person=write_person(person))
        )
        return tuple(answer.mandates)
