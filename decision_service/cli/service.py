"""Commands that ask the running service: every one is a call of the contract."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.live import Live

from decision_service.cli import show
from decision_service.cli.answers import AnswerError, read_answers
from decision_service.client import Client, Matter, as_json
from decision_service.model import (
    ORGANISATION,
    AssuranceLevel,
    Authority,
    Concept,
    Consent,
    Contest,
    Document,
    EvidenceType,
    Party,
    StatutoryDuty,
)

Address = Annotated[
    str,
    typer.Option(envvar="MIAOPI_ADDRESS", help="服务地址 | Where the service is, host:port."),
]
Token = Annotated[
    str,
    typer.Option(envvar="MIAOPI_TOKEN", help="访问令牌 | Who calls.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="输出 JSON | Print JSON, one line a message.")]
LAST = (1 << 63) - 1
"""The largest index that the contract can write."""

Limit = Annotated[int, typer.Option(min=1, max=(1 << 31) - 1, help="至多几条 | At most so many.")]
MatterId = Annotated[str, typer.Argument(metavar="MATTER", help="事项 | Id of the matter.")]
CaseId = Annotated[str, typer.Argument(metavar="CASE", help="办件 | Id of the case.")]
Number = Annotated[
    str, typer.Option("--id", help="申请人公民身份号码 | The applicant's resident identity number.")
]
Organisation = Annotated[
    str,
    typer.Option(
        "--organisation",
        metavar="CODE",
        help="单位统一社会信用代码 | The firm that applies, where firms do.",
    ),
]
Answers = Annotated[
    list[str] | None,
    typer.Option(
        "--answer", metavar="KEY=VALUE", help="填报项，可重复 | A declared field; repeatable."
    ),
]
RequestId = Annotated[
    str | None,
    typer.Option(help="请求编号，重试时不变 | UUID4; repeat a call with the same one."),
]
Continued = Annotated[
    str, typer.Option("--case", metavar="CASE", help="接续办件 | The case to go on with.")
]
Channel = Annotated[str, typer.Option(help="渠道 | Where the applicant is.")]
Assurance = Annotated[
    AssuranceLevel, typer.Option(help="实名等级 | How surely the person was identified.")
]
Agent = Annotated[
    str, typer.Option(metavar="NUMBER", help="受托人代办 | An agent acts, by a mandate.")
]
Guardian = Annotated[
    str, typer.Option(metavar="NUMBER", help="监护人代办 | A guardian acts, as the register says.")
]
Duty = Annotated[
    str,
    typer.Option(
        metavar="ARTICLE",
        help="法定职责依据；不填则以本人同意为依据 | The law that allows the questions; "
        "without it, that the person has agreed to the current notice.",
    ),
]

LOCAL = "127.0.0.1:50051"


def matters(
    matter: Annotated[str, typer.Argument(metavar="MATTER", help="事项 | One matter.")] = "",
    *,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """列出事项，或查看一个事项 | List the matters, or show one with its form."""

    async def ask(client: Client) -> None:
        if matter:
            found = await client.matter(matter)
            show.out.print(as_json(found) if json else show.matter(found), soft_wrap=json)
            return
        every = await client.matters()
        if json:
            for one in every:
                show.out.print(as_json(one), soft_wrap=True)
        else:
            show.out.print(show.matters(every))

    call(address, token, ask)


def prefill(
    matter: MatterId,
    number: Number,
    *,
    organisation: Organisation = "",
    agent: Agent = "",
    guardian: Guardian = "",
    answer: Answers = None,
    case: Continued = "",
    channel: Channel = "portal",
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    duty: Duty = "",
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """秒报：预填表单 | Fill a form from what the city already knows."""
    named, acting = request_id or str(uuid4()), _acting(agent, guardian)

    async def ask(client: Client) -> None:
        found = await client.matter(matter)
        asked = _applicant(found, number, organisation, acting, assurance, duty)
        events = client.prefill(
            matter=matter,
            request_id=named,
            case_id=case,
            channel=channel,
            parties=asked.parties,
            authority=asked.authority,
            answers=read_answers(answer or (), found.form_json_schema),
        )
        form = show.Prefilled(found.form_json_schema)
        if json:
            async for event in events:
                show.out.print(as_json(event), soft_wrap=True)
            return
        with Live(console=show.out) as live:
            async for event in events:
                live.update(form.feed(event), refresh=True)
        if not show.out.is_terminal:
            show.out.print()  # a file, or a pipe, got no end of the last line

    call(address, token, ask, named)


def decide(
    matter: MatterId,
    number: Number,
    *,
    organisation: Organisation = "",
    agent: Agent = "",
    guardian: Guardian = "",
    answer: Answers = None,
    contest: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONCEPT=CLAIM", help="对预填值的异议，可重复 | A shown value is wrong."
        ),
    ] = None,
    person: Annotated[
        bool, typer.Option("--person", help="要求人工办理 | Ask for a person to decide.")
    ] = False,
    offer: Annotated[
        str, typer.Option(metavar="OFFER", help="同意的主动告知 | The offer that is agreed to.")
    ] = "",
    case: Continued = "",
    channel: Channel = "portal",
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    duty: Duty = "",
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """秒批：申请并即时决定 | Hand in an application and have it decided at once."""
    named, acting = request_id or str(uuid4()), _acting(agent, guardian)
    contests = [read_contest(typed) for typed in contest or ()]

    async def ask(client: Client) -> None:
        found = await client.matter(matter)
        asked = _applicant(found, number, organisation, acting, assurance, duty)
        decision = await client.decide(
            matter=matter,
            request_id=named,
            case_id=case,
            channel=channel,
            parties=asked.parties,
            authority=asked.authority,
            answers=read_answers(answer or (), found.form_json_schema),
            contests=contests,
            person_requested=person,
            offer_id=offer,
        )
        show.out.print(as_json(decision) if json else show.decision(decision), soft_wrap=json)

    call(address, token, ask, named)


def receipt_get(
    case_id: CaseId,
    *,
    index: Annotated[
        int | None, typer.Option(min=0, max=LAST, help="决定的序号，默认最新 | Which decision.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", dir_okay=False, help="存为文件 | Where to keep it.")
    ] = None,
    address: Address = LOCAL,
    token: Token = "",
) -> None:
    """取回执 | Fetch the receipt of a decision; whoever has it can prove the decision."""

    async def ask(client: Client) -> None:
        receipt = await client.receipt(case_id, index)
        if to is None:
            sys.stdout.write(receipt)
        else:
            to.write_text(receipt, encoding="utf-8")

    call(address, token, ask)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asks, and what allows the questions."""

    parties: tuple[Party, ...]
    authority: Authority


def _acting(agent: str, guardian: str) -> Party | None:
    """Who acts for the applicant; None if they do so themselves."""
    if agent and guardian:
        raise typer.BadParameter(
            "受托人与监护人只能填一个 | either `--agent` or `--guardian`, not both"
        )
    if not agent and not guardian:
        return None
    return _party("agent" if agent else "guardian", agent or guardian)


def _party(role: str, number: str) -> Party:
    return Party(role=role, documents=(Document(kind="resident_id", number=number),))


def _applicant(  # noqa: PLR0917  # what was typed of who asks
    matter: Matter,
    number: str,
    organisation: str,
    acting: Party | None,
    assurance: AssuranceLevel,
    duty: str,
) -> _Asked:
    """The applicant, for whom whoever has just authenticated stands: they, a firm's, another."""
    now = datetime.now(UTC)
    person = _party("applicant", number)
    basis = (
        StatutoryDuty(article=duty)
        if duty
        else Consent(
            notice_version=matter.consent_notice_version,
            time=now,
            evidence_types=tuple(EvidenceType(one) for one in matter.evidence_types),
        )
    )
    authority = Authority(
        person=acting or person,
        assurance_level=assurance,
        authentication_time=now,
        basis=basis,
        agent_for="applicant" if acting else "",
    )
    parties: tuple[Party, ...] = (person,) if acting is None else (person, acting)
    if organisation:
        code = Document(kind="organisation_code", number=organisation)
        parties += (Party(role=ORGANISATION, documents=(code,)),)
    return _Asked(parties=parties, authority=authority)


def read_contest(typed: str) -> Contest:
    """``concept=claimed``."""
    concept, equals, claimed = typed.partition("=")
    if not equals:
        raise typer.BadParameter(f"“{typed}”应写成 concept=claim | `{typed}` must be concept=claim")
    return Contest(concept=Concept(concept), claimed=claimed, text="")


def call(
    address: str,
    token: str,
    ask: Callable[[Client], Coroutine[Any, Any, None]],
    request_id: str = "",
) -> None:
    """Ask the service; its no is said in both languages and ends with 1, a slip with 2."""

    async def asking() -> None:
        async with Client(address, token) as client:
            await ask(client)

    try:
        with show.refusals(request_id):
            asyncio.run(asking())
    except AnswerError as error:
        raise typer.BadParameter(str(error)) from None
