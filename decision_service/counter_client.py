"""The counter's part of the client: what clerks and those who check them ask."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from decision_service import model
from decision_service.client import Client, write_day, write_value
from decision_service.v1 import counter_pb2_grpc
from decision_service.v1.counter_pb2 import (
    AttachPaperRequest,
    AttachPaperResponse,
    ClaimCaseRequest,
    ClaimCaseResponse,
    ConfirmProposalRequest,
    ConfirmProposalResponse,
    DetermineCaseRequest,
    DetermineCaseResponse,
    Dossier,
    Drawn,
    DrawSampleRequest,
    GetDossierRequest,
    GetOverrideStatsRequest,
    GetPaperRequest,
    GetPaperResponse,
    Ground,
    ListOverridesRequest,
    ListReferralsRequest,
    Override,
    OverrideDecisionRequest,
    OverrideDecisionResponse,
    OverrideStats,
    RecordSecondLookRequest,
    Referral,
    ReleaseCaseRequest,
    ReleaseCaseResponse,
    Result,
    ReturnProposalRequest,
    ReturnProposalResponse,
)
from decision_service.v1.vocabulary_pb2 import Text

__all__ = [
    "CounterClient",
    "Dossier",
    "Drawn",
    "Instruction",
    "Override",
    "OverrideStats",
    "Referral",
    "Result",
]

WHOSE = ("all", "free", "mine", "proposed")
RESULTS = ("approve", "refuse", "correct")


@dataclass(frozen=True, slots=True)
class Instruction:
    """What a clerk wants decided; see `DetermineCaseRequest`.

    Attributes:
        result: One of `RESULTS`.
        en: Empty repeats the Chinese.
        ground: None where it goes against nothing.
    """

    result: str
    zh: str
    en: str = ""
    findings: Mapping[str, model.Value] = field(default_factory=dict)
    outputs: Mapping[str, model.Value] = field(default_factory=dict)
    fields: Sequence[str] = ()
    ground: model.Ground | None = None
    papers: Sequence[int] = ()


class CounterClient:
    """A clerk's way to the service.

    Args:
        client: Open, with a clerk's token (an auditor's for what checks clerks).

    Every method raises `ClientError` if the service said no.
    """

    def __init__(self, client: Client) -> None:
        self._stub = counter_pb2_grpc.CounterServiceStub(client.channel)
        self._client = client

    async def referrals(
        self,
        matter: str = "",
        whose: str = "all",
        *,
        promised_before: datetime | None = None,
        referred_before: datetime | None = None,
        page_size: int = 0,
    ) -> AsyncIterator[Referral]:
        """The queue, those due earliest first; pages are fetched as they are read."""
        value = "WHOSE_UNSPECIFIED" if whose == "all" else f"WHOSE_{whose.upper()}"
        asked = ListReferralsRequest(
            matter=matter, whose=ListReferralsRequest.Whose.Value(value), page_size=page_size
        )
        if promised_before is not None:
            asked.promised_before_time.FromDatetime(promised_before)
        if referred_before is not None:
            asked.referred_before_time.FromDatetime(referred_before)
        async for page in self._client.pages(self._stub.ListReferrals, asked):
            for one in page.referrals:
                yield one

    async def dossier(self, case_id: str, *, blind: bool = False) -> Dossier:
        """All of a case, with its etag."""
        answer = await self._client.ask(
            self._stub.GetDossier, GetDossierRequest(case_id=case_id, blind=blind)
        )
        return answer.dossier

    async def claim(self, case_id: str, etag: str) -> ClaimCaseResponse:
        """Take a case."""
        return await self._client.ask(
            self._stub.ClaimCase, ClaimCaseRequest(case_id=case_id, etag=etag)
        )

    async def release(self, case_id: str, etag: str) -> ReleaseCaseResponse:
        """Give a claimed case back."""
        return await self._client.ask(
            self._stub.ReleaseCase, ReleaseCaseRequest(case_id=case_id, etag=etag)
        )

    async def attach(
        self, case_id: str, etag: str, *, name: str, media_type: str, content: bytes
    ) -> AttachPaperResponse:
        """Attach a paper to a claimed case."""
        asked = AttachPaperRequest(
            case_id=case_id, etag=etag, name=name, media_type=media_type, content=content
        )
        return await self._client.ask(self._stub.AttachPaper, asked)

    async def paper(self, case_id: str, index: int) -> GetPaperResponse:
        """A paper with its bytes."""
        return await self._client.ask(
            self._stub.GetPaper, GetPaperRequest(case_id=case_id, index=index)
        )

    async def determine(
        self, case_id: str, etag: str, wanted: Instruction
    ) -> DetermineCaseResponse:
        """Decide a claimed case."""
        asked = DetermineCaseRequest(
            case_id=case_id,
            etag=etag,
            result=_result(wanted.result),
            reason=Text(zh=wanted.zh, en=wanted.en),
            findings={key: write_value(value) for key, value in wanted.findings.items()},
            outputs={key: write_value(value) for key, value in wanted.outputs.items()},
            fields=wanted.fields,
            ground=_ground(wanted.ground),
            papers=wanted.papers,
        )
        return await self._client.ask(self._stub.DetermineCase, asked)

    async def override(
        self, case_id: str, etag: str, wanted: Instruction
    ) -> OverrideDecisionResponse:
        """Decide a claimed case otherwise than it was decided."""
        asked = OverrideDecisionRequest(
            case_id=case_id,
            etag=etag,
            result=_result(wanted.result),
            reason=Text(zh=wanted.zh, en=wanted.en),
            findings={key: write_value(value) for key, value in wanted.findings.items()},
            outputs={key: write_value(value) for key, value in wanted.outputs.items()},
            ground=_ground(wanted.ground),
            papers=wanted.papers,
        )
        return await self._client.ask(self._stub.OverrideDecision, asked)

    async def confirm(self, case_id: str, etag: str, reason: str) -> ConfirmProposalResponse:
        """Confirm what another clerk wants decided."""
        return await self._client.ask(
            self._stub.ConfirmProposal,
            ConfirmProposalRequest(case_id=case_id, etag=etag, reason=reason),
        )

    async def hand_back(self, case_id: str, etag: str, reason: str) -> ReturnProposalResponse:
        """Do not confirm it."""
        return await self._client.ask(
            self._stub.ReturnProposal,
            ReturnProposalRequest(case_id=case_id, etag=etag, reason=reason),
        )

    async def overrides(self, filter_: str = "", *, page_size: int = 0) -> AsyncIterator[Override]:
        """Past overrides that match, the newest first."""
        asked = ListOverridesRequest(filter=filter_, page_size=page_size)
        async for page in self._client.pages(self._stub.ListOverrides, asked):
            for one in page.overrides:
                yield one

    async def override_stats(self, filter_: str = "") -> tuple[OverrideStats, ...]:
        """Persons' decisions that match, counted."""
        answer = await self._client.ask(
            self._stub.GetOverrideStats, GetOverrideStatsRequest(filter=filter_)
        )
        return tuple(answer.stats)

    async def sample(
        self, month: date, share_percent: int = 0, matter: str = ""
    ) -> tuple[Drawn, ...]:
        """Decisions of a month that are drawn for a second look."""
        asked = DrawSampleRequest(
            month=write_day(month),
            share_percent=share_percent,
            matter=matter,
        )
        answer = await self._client.ask(self._stub.DrawSample, asked)
        return tuple(answer.drawn)

    async def second_look(self, case_id: str, index: int, result: str, reason: str) -> bool:
        """Say what we would have decided; whether the first clerk had decided the same."""
        asked = RecordSecondLookRequest(
            case_id=case_id, index=index, result=_result(result), reason=reason
        )
        answer = await self._client.ask(self._stub.RecordSecondLook, asked)
        return answer.agrees


def _result(result: str) -> Result.ValueType:
    return Result.Value(f"RESULT_{result.upper()}")


def _ground(ground: model.Ground | None) -> Ground | None:
    if ground is None:
        return None
    return Ground(reason=ground.reason, citation=ground.citation, ticket=ground.ticket)
