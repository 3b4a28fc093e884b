"""`miaopi mandates …`: who may act for a person, granted and taken back by that person."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from decision_service.cli import show
from decision_service.cli.case import Number, person_of
from decision_service.cli.service import LOCAL, Address, Assurance, Json, RequestId, Token, call
from decision_service.client import Client, as_json
from decision_service.mandate_client import Mandate, MandateClient
from decision_service.model import AssuranceLevel, Document

app = typer.Typer(
    help="委托代办：委托、撤销、查看 | Let somebody act for a person; take it back; list.",
    no_args_is_help=True,
)

Agent = Annotated[
    str, typer.Option("--agent", help="受托人公民身份号码 | The agent's resident identity number.")
]


@app.command()
def grant(
    number: Number,
    agent: Agent,
    *,
    matter: Annotated[
        list[str], typer.Option(metavar="MATTER", help="事项，可重复 | In which; repeatable.")
    ],
    until: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], help="最后一日 | The last day of it."),
    ],
    scan: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="纸质委托书的扫描件，只报送摘要"
            " | The scan of what a clerk has seen on paper; only its digest is sent.",
        ),
    ] = None,
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """委托他人代办 | Let an agent act in these matters; in place of what was granted before."""
    named = request_id or str(uuid4())
    digest = b"" if scan is None else hashlib.sha256(scan.read_bytes()).digest()

    async def ask(client: Client) -> None:
        granted = await MandateClient(client).grant(
            person_of(number, assurance),
            Document(kind="resident_id", number=agent),
            matters=matter,
            until=until.date(),
            request_id=named,
            scan_digest=digest,
        )
        _print((granted,), json=json)

    call(address, token, ask, named)


@app.command()
def revoke(
    number: Number,
    agent: Agent,
    *,
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
) -> None:
    """撤销委托，即时生效 | Take it back: from now on the agent can do nothing by it."""
    named = request_id or str(uuid4())

    async def ask(client: Client) -> None:
        person, document = person_of(number, assurance), Document(kind="resident_id", number=agent)
        index = await MandateClient(client).revoke(person, document, request_id=named)
        show.out.print(f"委托已撤销，记录为第 {index} 条 | taken back, on record as #{index}")

    call(address, token, ask, named)


@app.command("list")
def list_(
    number: Number,
    *,
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """查看本人所作的委托 | What a person has granted and not taken back."""

    async def ask(client: Client) -> None:
        _print(await MandateClient(client).list(person_of(number, assurance)), json=json)

    call(address, token, ask)


def _print(found: tuple[Mandate, ...], *, json: bool) -> None:
    if json:
        for one in found:
            show.out.print(as_json(one), soft_wrap=True)
        return
    table = show.grid("受托人 Agent", "事项 Matters", "至 Until", "委托时间 Granted", "方式 How")
    for one in found:
        table.add_row(
            ", ".join(document.number for document in one.agent),
            ", ".join(one.matters),
            show.day(one.until_date),
            show.time(one.grant_time),
            "窗口纸质 on paper" if one.on_paper else "本人在线 online",
        )
    show.out.print(table)
