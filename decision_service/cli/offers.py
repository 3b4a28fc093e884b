"""`miaopi offers …`: 免申即享, for the operator who makes offers and who serves the person."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

import typer

from decision_service.cli import show
from decision_service.cli.case import Number, person_of
from decision_service.cli.service import (
    LOCAL,
    Address,
    Assurance,
    Json,
    MatterId,
    RequestId,
    Token,
    call,
)
from decision_service.client import Client, as_json
from decision_service.model import AssuranceLevel, Document
from decision_service.offer_client import Offer, OfferClient

app = typer.Typer(
    help="免申即享：主动告知、查看、谢绝 | Offer a matter to who qualifies; list, decline.",
    no_args_is_help=True,
)

AT_ONCE = 40
"""People in one request, as long as more follow: a call's time is enough for them."""

FEWEST = 10
"""People in one request at least; the service says why."""


@app.command()
def run(
    matter: MatterId,
    subjects: Annotated[
        typer.FileText,
        typer.Option(
            help="名单，每行一个公民身份号码，- 为标准输入 | A file, an identity number a line."
        ),
    ],
    *,
    name: Annotated[
        str,
        typer.Option(
            "--run",
            help="批次名，续办时须与上次相同，默认当日 | Names the run: the same one goes on with"
            " it; today, if it is not told.",
        ),
    ] = "",
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """向确定符合条件的人主动告知；中断后原样重跑即续办 | Make offers; repeated, it goes on."""
    named = name or datetime.now(UTC).astimezone().date().isoformat()

    async def ask(client: Client) -> None:
        asked = offered = people = 0
        for batch in batches(_numbers(subjects)):
            done = await OfferClient(client).make(
                matter,
                [Document(kind="resident_id", number=number) for number in batch],
                request_id=request_id(named, matter, people, batch),
            )
            people += len(batch)
            asked, offered = asked + done.asked, offered + done.offered
            if json:
                show.out.print(as_json(done), soft_wrap=True)
        if not json:
            show.out.print(
                f"✔ 名单 {people} 人，查询 {asked} 人，告知 {offered} 人（批次 {named}） |"
                f" of {people} people registers were asked about {asked};"
                f" {offered} have an offer (run {named})"
            )

    call(address, token, ask)


@app.command("list")
def list_offers(
    number: Number,
    *,
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """本人可享的事项 | What a person is offered."""

    async def ask(client: Client) -> None:
        found = await OfferClient(client).list(person_of(number, assurance))
        for one in found:
            _print(one, json=json)
        if not found and not json:
            show.out.print("没有待答复的告知 | nothing is offered")

    call(address, token, ask)


@app.command()
def decline(
    offer_id: Annotated[str, typer.Argument(metavar="OFFER", help="告知编号 | Id of the offer.")],
    number: Number,
    *,
    ask_again: Annotated[
        bool, typer.Option("--ask-again", help="以后仍可告知 | It may be offered again.")
    ] = False,
    assurance: Assurance = AssuranceLevel.SUBSTANTIAL,
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """谢绝；以后仍可随时申请 | A person does not want it; they can apply all the same."""
    named = request_id or str(uuid4())

    async def ask(client: Client) -> None:
        found = await OfferClient(client).decline(
            offer_id, person_of(number, assurance), ask_again=ask_again, request_id=named
        )
        _print(found, json=json)

    call(address, token, ask, named)


def batches(numbers: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """So many at once, each once; too few to stand alone go with those before."""
    held: dict[str, None] = {}
    for number in numbers:
        held.setdefault(number)
        if len(held) == AT_ONCE + FEWEST:
            first = tuple(held)[:AT_ONCE]
            yield first
            for one in first:
                del held[one]
    if held:
        yield tuple(held)


def request_id(run: str, matter: str, place: int, numbers: Iterable[str]) -> str:
    """The id under which a batch of a run is done once, the same whenever it is sent."""
    said = "\n".join((run, matter, str(place), *numbers))
    return str(UUID(bytes=hashlib.sha256(said.encode()).digest()[:16], version=4))


def _numbers(lines: Iterable[str]) -> Iterator[str]:
    """The numbers of a list; what stands after # is for people."""
    for line in lines:
        number = line.partition("#")[0].strip().upper()
        if number:
            yield number


def _print(offer: Offer, *, json: bool) -> None:
    if json:
        show.out.print(as_json(offer), soft_wrap=True)
        return
    declined = offer.state == Offer.STATE_DECLINED
    state = "已谢绝 declined" if declined else "待答复 open"
    show.out.print(f"{offer.offer_id}  {state}", soft_wrap=True)
    show.out.print(show.notice(offer.notice))
