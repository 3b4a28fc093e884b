"""`miaopi aftercare …`: what staff record after a decision. Each takes a clerk's token."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import typer

from decision_service.aftercare_client import ACTS, CHANNELS, AftercareClient
from decision_service.cli import show
from decision_service.cli.counter import read_values
from decision_service.cli.service import LAST, LOCAL, Address, CaseId, Json, RequestId, Token, call
from decision_service.client import Client, as_json
from decision_service.model import Text

app = typer.Typer(
    help="决定之后：送达、变更、数据校核、核查 | After the decision: serve, change, check.",
    no_args_is_help=True,
)

Index = Annotated[
    int,
    typer.Option("--decision", min=0, max=LAST, help="决定的序号 | Receipt index of the decision."),
]
Rating = Annotated[int, typer.Argument(min=0, max=LAST, metavar="RATING", help="评价 | Its index.")]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"])]


@app.command()
def delivered(
    case_id: CaseId,
    index: Index,
    channel: Annotated[str, typer.Option(help=f"渠道 | One of {', '.join(CHANNELS)}.")],
    reference: Annotated[str, typer.Option(help="送达回执编号 | The channel's own number.")],
    *,
    time: Annotated[
        datetime | None,
        typer.Option(help="送达时间，默认现在 | When; now, if it is not told. UTC."),
    ] = None,
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """登记送达 | A notice has reached the person."""
    _one_of(channel, CHANNELS)
    named, at = request_id or str(uuid4()), (time or datetime.now(UTC)).replace(tzinfo=UTC)

    async def ask(client: Client) -> None:
        found = await AftercareClient(client).delivered(
            case_id, index, channel=channel, time=at, reference=reference, request_id=named
        )
        show.print_case(found, json=json)

    call(address, token, ask, named)


@app.command()
def change(
    case_id: CaseId,
    act: Annotated[str, typer.Argument(metavar="ACT", help=f"处理 | One of {', '.join(ACTS)}.")],
    index: Index,
    law: Annotated[str, typer.Option(help="法律依据条款 | The article that allows it.")],
    effective: Day,
    *,
    reason: Annotated[str, typer.Option(help="理由 | Why, for the person to read.")],
    reason_en: Annotated[str, typer.Option(help="理由英文 | The same in English.")] = "",
    heard: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="听取陈述、申辩之日 | When the person could speak."
        ),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(metavar="OUTPUT=VALUE", help="新内容，可重复 | What is granted instead."),
    ] = None,
    deceit: Annotated[
        bool, typer.Option("--deceit", help="以欺骗等手段取得 | It was got by deceit.")
    ] = False,
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """中止、恢复、变更、更正、撤销、撤回、注销 | Do something about a grant, by the law."""
    _one_of(act, ACTS)
    named = request_id or str(uuid4())
    values = read_values(value, "--value")

    async def ask(client: Client) -> None:
        found = await AftercareClient(client).change(
            case_id,
            index,
            act=act,
            legal_basis=law,
            effective=effective.date(),
            heard=heard.date() if heard else None,
            text=Text(zh=reason, en=reason_en or reason),
            values=values,
            by_fault_of_applicant=deceit,
            request_id=named,
        )
        if json:
            show.out.print(as_json(found), soft_wrap=True)
            return
        show.out.print(show.case(found.case))
        if found.HasField("proposal_index"):
            told = f"提议 #{found.proposal_index}，待另一名工作人员复核"
            show.out.print(f"{told} | proposed, a second person confirms it")

    call(address, token, ask, named)


@app.command()
def proposals(*, address: Address = LOCAL, token: Token = "", json: Json = False) -> None:
    """待复核的提议 | What waits for a second person."""

    async def ask(client: Client) -> None:
        found = await AftercareClient(client).proposals()
        if json:
            for one in found:
                show.out.print(as_json(one), soft_wrap=True)
            return
        table = show.grid("提议 Proposal", "办件 Case", "依据 Law", "理由 Why", "提议人 By")
        for one in found:
            why = show.both(one.change.text)
            table.add_row(
                f"#{one.proposal_index}", one.case_id, one.change.legal_basis, why, one.clerk
            )
        show.out.print(table)

    call(address, token, ask)


@app.command()
def answer(
    proposal: Annotated[
        int, typer.Argument(min=0, max=LAST, metavar="PROPOSAL", help="提议 | Its index.")
    ],
    reason: Annotated[str, typer.Option(help="理由 | Why, in your own words.")],
    *,
    confirmed: Annotated[
        bool, typer.Option("--confirm/--return", help="复核同意或退回 | Confirm it, or return it.")
    ],
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """复核他人的提议 | Confirm what another clerk has proposed, or return it."""
    named = request_id or str(uuid4())

    async def ask(client: Client) -> None:
        found = await AftercareClient(client).answer(
            proposal, reason, confirmed=confirmed, request_id=named
        )
        show.print_case(found, json=json)

    call(address, token, ask, named)


@app.command()
def tickets(
    register: Annotated[
        str, typer.Argument(metavar="REGISTER", help="登记机关 | Of this register alone.")
    ] = "",
    *,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """待办的数据校核单 | Objections and contradictions that no register's owner has answered."""

    async def ask(client: Client) -> None:
        found = await AftercareClient(client).tickets(register)
        if json:
            for one in found:
                show.out.print(as_json(one), soft_wrap=True)
            return
        table = show.grid(
            "校核单 Ticket", "登记机关 Register", "信息项 Concept", "起因 Because", "办件 Case"
        )
        for one in found:
            second = f"与 {', '.join(one.doubted_by)} 不一致 contradicted"
            because = second if one.doubted_by else "异议 objection"
            table.add_row(one.ticket, one.evidence_type, one.concept, because, one.case_id)
        show.out.print(table)

    call(address, token, ask)


@app.command()
def resolve(
    ticket: Annotated[str, typer.Argument(metavar="TICKET", help="校核单编号 | Its number.")],
    text: Annotated[str, typer.Option(help="核查结果 | What was found.")],
    *,
    corrected: Annotated[
        bool, typer.Option("--corrected/--stands", help="已更正或无误 | Corrected, or it stands.")
    ],
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
) -> None:
    """办结数据校核 | The owner of a register has checked."""
    named = request_id or str(uuid4())

    async def ask(client: Client) -> None:
        await AftercareClient(client).resolve(ticket, text, corrected=corrected, request_id=named)
        show.out.print("✔ 校核已办结 | resolved")

    call(address, token, ask, named)


@app.command()
def ratings(*, address: Address = LOCAL, token: Token = "", json: Json = False) -> None:
    """待核查的差评 | The poor ratings that wait for an answer."""

    async def ask(client: Client) -> None:
        found = await AftercareClient(client).poor_ratings()
        if json:
            for one in found:
                show.out.print(as_json(one), soft_wrap=True)
            return
        table = show.grid("评价 Rating", "事项 Matter", "答复期限 Due", "核查人 By")
        for one in found:
            due = show.time(one.due_time)
            table.add_row(f"#{one.rating_index}", one.matter, due, one.clerk)
        show.out.print(table)

    call(address, token, ask)


@app.command()
def take(
    rating: Rating, *, address: Address = LOCAL, token: Token = "", json: Json = False
) -> None:
    """领取并核查差评；此后不再办理此人办件 | Look into one; decide nothing of theirs any more."""

    async def ask(client: Client) -> None:
        found = await AftercareClient(client).take_rating(rating)
        if json:
            show.out.print(as_json(found), soft_wrap=True)
            return
        show.out.print(f"办件 Case  {found.case_id}  {found.case_number}")
        show.out.print(found.text or "（未填写说明 | nothing was said）")

    call(address, token, ask)


@app.command("answer-rating")
def answer_rating(
    rating: Rating,
    text: Annotated[str, typer.Option(help="核查结果与整改 | What was found, what is done.")],
    *,
    justified: Annotated[
        bool, typer.Option("--justified/--unjustified", help="是否属实 | Whether it holds.")
    ],
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
) -> None:
    """答复差评 | Say what was found, for the person to read."""
    named = request_id or str(uuid4())

    async def ask(client: Client) -> None:
        await AftercareClient(client).answer_rating(
            rating, text, justified=justified, request_id=named
        )
        show.out.print("✔ 已答复 | answered")

    call(address, token, ask, named)


@app.command()
def draw(
    matter: Annotated[str, typer.Argument(metavar="MATTER", help="事项 | Id of the matter.")],
    since: Day,
    until: Day,
    seed: Annotated[str, typer.Option(help="随机种子，如公开摇号编号 | Chosen beforehand.")],
    *,
    size: Annotated[int, typer.Option(min=1, max=500, help="抽取数 | How many.")] = 20,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """抽取事后核查的办件 | Draw approvals by lot, for a person to check."""

    async def ask(client: Client) -> None:
        drawn = await AftercareClient(client).draw(
            matter, since.date(), until.date(), seed, size=size
        )
        if json:
            show.out.print(as_json(drawn), soft_wrap=True)
            return
        table = show.grid("办件 Case", "决定 Decision", f"共 {drawn.drawn_from} 件中 of so many")
        for one in drawn.cases:
            when = show.time(one.time)
            table.add_row(one.case_id, f"#{one.decision_index}", when)
        show.out.print(table)

    call(address, token, ask)


def _one_of(typed: str, known: tuple[str, ...]) -> None:
    if typed not in known:
        raise typer.BadParameter(f"“{typed}”不在其中 | must be one of {', '.join(known)}")
