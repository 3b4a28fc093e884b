"""`miaopi case …`: the applicant's side of a case, as the portal that opened it asks for it."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import typer
from rich.text import Text as Words

from decision_service.aftercare_client import AftercareClient, OwnAccess
from decision_service.cli import show
from decision_service.cli.service import (
    LOCAL,
    Address,
    Assurance,
    CaseId,
    Json,
    RequestId,
    Token,
    call,
    read_contest,
)
from decision_service.client import Client, as_json
from decision_service.followup import Grade, Person
from decision_service.model import AssuranceLevel, Document

app = typer.Typer(
    help="办件：查看、跟踪、撤回、要求人工、提出异议 | A case, and what its applicant can do.",
    no_args_is_help=True,
)

Number = Annotated[
    str, typer.Option("--id", help="本人公民身份号码 | The person's resident identity number.")
]
Said = Annotated[str, typer.Option("--text", help="说明 | What the person says to it.")]


@app.command("show")
def show_case(
    case_id: CaseId, *, address: Address = LOCAL, token: Token = "", json: Json = False
) -> None:
    """查看办件 | Show a case, its decisions, and what has followed."""

    async def ask(client: Client) -> None:
        show.print_case(await client.case(case_id), json=json)

    call(address, token, ask)


@app.command()
def watch(
    case_id: CaseId, *, address: Address = LOCAL, token: Token = "", json: Json = False
) -> None:
    """跟踪办件直至办结 | Follow a case until it is closed."""

    async def ask(client: Client) -> None:
        async for case in client.watch(case_id):
            if json:
                show.out.print(as_json(case), soft_wrap=True)
            else:
                show.out.print(show.case_head(case))

    call(address, token, ask)


@app.command()
def withdraw(
    case_id: CaseId,
    number: Number,
    *,
    text: Said = "",
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """决定作出前撤回申请 | Take an application back, before it is determined."""
    named = request_id or str(uuid4())

    async def ask(client: Client) -> None:
        person = person_of(number, assurance)
        show.print_case(
            await client.withdraw(case_id, person, request_id=named, text=text), json=json
        )

    call(address, token, ask, named)


@app.command()
def review(
    case_id: CaseId,
    number: Number,
    *,
    text: Said = "",
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """要求由工作人员办理或复核 | Have a person decide, or look at what was decided."""
    named = request_id or str(uuid4())

    async def ask(client: Client) -> None:
        person = person_of(number, assurance)
        found = await client.request_review(case_id, person, request_id=named, text=text)
        show.print_case(found, json=json)

    call(address, token, ask, named)


@app.command()
def contest(
    case_id: CaseId,
    claim: Annotated[
        str, typer.Argument(metavar="CONCEPT=CLAIM", help="哪项数据，应为什么 | What is wrong.")
    ],
    number: Number,
    *,
    text: Said = "",
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """对登记机关的数据提出异议 | Object to a register's value; its owner is asked to check."""
    named = request_id or str(uuid4())
    contested = read_contest(claim).model_copy(update={"text": text})

    async def ask(client: Client) -> None:
        person = person_of(number, assurance)
        found = await client.contest(case_id, person, contested, request_id=named)
        show.print_case(found, json=json)

    call(address, token, ask, named)


@app.command()
def rate(
    case_id: CaseId,
    grade: Annotated[
        Grade,
        typer.Argument(
            metavar="GRADE",
            help="非常满意、满意、基本满意、不满意、非常不满意 | One of the five grades.",
        ),
    ],
    number: Number,
    *,
    text: Said = "",
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """好差评：评价一次，不可更改 | Rate how a case was handled; once, and for good."""
    named = request_id or str(uuid4())

    async def ask(client: Client) -> None:
        person = person_of(number, assurance)
        found = await client.rate(case_id, person, grade.value, request_id=named, text=text)
        if json:
            show.out.print(as_json(found), soft_wrap=True)
            return
        show.out.print("✔ 已评价 | rated")
        if found.HasField("due_time"):
            due = show.time(found.due_time)
            show.out.print(f"将于 {due} 前核查答复 | it is looked into and answered by then")

    call(address, token, ask, named)


@app.command()
def accesses(
    number: Number,
    *,
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """谁查过本人的数据 | Who asked for the person's data, and why."""

    async def ask(client: Client) -> None:
        found = AftercareClient(client).accesses(person_of(number, assurance))
        async for one in found:
            show.out.print(as_json(one) if json else _access(one), soft_wrap=json)

    call(address, token, ask)


@app.command()
def export(
    number: Number,
    *,
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    address: Address = LOCAL,
    token: Token = "",
) -> None:
    """复制本人信息，每行一条 JSON | A copy of all that is recorded about the person, JSON lines."""

    async def ask(client: Client) -> None:
        async for one in AftercareClient(client).export(person_of(number, assurance)):
            show.out.print(as_json(one), soft_wrap=True)

    call(address, token, ask)


def person_of(number: str, assurance: AssuranceLevel) -> Person:
    """The person, who has just authenticated."""
    return Person(
        documents=(Document(kind="resident_id", number=number),),
        assurance_level=assurance,
        authentication_time=datetime.now(UTC),
    )


def _access(one: OwnAccess) -> Words:
    what = " ".join(part for part in (one.flow, one.method, one.matter) if part)
    asked = ", ".join(one.evidence_types)
    when = show.time(one.time)
    return Words("  ".join(part for part in (when, one.caller, one.role, what, asked) if part))
