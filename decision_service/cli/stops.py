"""`miaopi stops …`: the emergency stop of a matter, by one person, and its lifting, by two."""

from datetime import UTC
from typing import Annotated
from uuid import uuid4

import typer

from decision_service.cli import show
from decision_service.cli.service import LOCAL, Address, Json, MatterId, RequestId, Token, call
from decision_service.client import Client, as_json
from decision_service.stop_client import Stop, StopClient

app = typer.Typer(
    help="紧急暂停：停、恢复、查看 | Stop a matter at once; let it go on; list what is stopped.",
    no_args_is_help=True,
)

Reason = Annotated[
    str, typer.Option(help="理由，不得含个人信息 | Why; nothing about anybody.", show_default=False)
]


@app.command()
def stop(
    matter: MatterId,
    *,
    reason: Reason,
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """暂停：此后一律转人工，仍可申请 | From now on a person decides whatever is applied for."""
    named = request_id or str(uuid4())

    async def ask(client: Client) -> None:
        _print(await StopClient(client).stop(matter, reason, request_id=named), json=json)

    call(address, token, ask, named)


@app.command()
def resume(
    matter: MatterId,
    *,
    reason: Reason,
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """恢复：一人提出，另一人确认 | The first person proposes it, a second one lifts the stop."""
    named = request_id or str(uuid4())

    async def ask(client: Client) -> None:
        done = await StopClient(client).resume(matter, reason, request_id=named)
        told = (
            "已恢复 | the stop is lifted"
            if done.lifted
            else "已提出恢复，待另一人确认 | proposed; a second person must lift it"
        )
        show.out.print(as_json(done) if json else told, soft_wrap=True)

    call(address, token, ask, named)


@app.command("list")
def list_stops(*, address: Address = LOCAL, token: Token = "", json: Json = False) -> None:
    """被暂停的事项 | What is stopped."""

    async def ask(client: Client) -> None:
        found = await StopClient(client).stops()
        for one in found:
            _print(one, json=json)
        if not found and not json:
            show.out.print("没有暂停的事项 | nothing is stopped")

    call(address, token, ask)


def _print(stop: Stop, *, json: bool) -> None:
    if json:
        show.out.print(as_json(stop), soft_wrap=True)
        return
    when = stop.time.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    state = "待确认恢复 lift proposed" if stop.lift_proposed else "已暂停 stopped"
    show.out.print(f"{stop.matter}  {state}  {when}  {stop.caller}: {stop.reason}", soft_wrap=True)
