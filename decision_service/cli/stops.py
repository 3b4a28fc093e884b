"""`miaopi stops …`: the emergency stop of a matter, its lifting, and what it decided wrongly."""

from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from decision_service.cli import show
from decision_service.cli.service import LOCAL, Address, Json, MatterId, RequestId, Token, call
from decision_service.client import Client, Text, as_json
from decision_service.stop_client import ReopenDecisionsResponse, Stop, StopClient

app = typer.Typer(
    help="紧急暂停：停、恢复、查看、重新审查 | Stop a matter; let it go on; decide again by hand.",
    no_args_is_help=True,
)

_WHY_NOT = {
    "SAME": "按该版本结论相同 the rule file decides the same",
    "OPEN": "已在人工办理，或者尚未办结 with a person already, or not decided",
    "SUPERSEDED": "其后另有决定或处理 decided, or its grant ended or changed, since",
    "OWN": "您是当事人，应由他人提出 you take part in it: somebody else must ask",
    "ERASED": "已依申请删除 erased on the person's demand",
    "TAMPERED": "密封部分与记录不符，须查明 the sealed part is not what was recorded: look into it",
}

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


@app.command()
def reopen(
    matter: MatterId,
    *,
    reason: Annotated[str, typer.Option(help="理由，告知申请人 | Why, in Chinese.")],
    reason_en: Annotated[str, typer.Option(help="英文理由 | Why, in English.")],
    filter_: Annotated[
        str, typer.Option("--filter", help="只含符合者 | Of these alone, as of `audit query`.")
    ] = "",
    by: Annotated[
        Path | None,
        typer.Option(
            help="只含按此规则文件结论不同者 | Only what this rule file would decide otherwise.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    request_id: RequestId = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """重新审查：系统的决定交人工重审 | Have persons decide again what rules have decided."""
    named = request_id or str(uuid4())
    release = b""
    if by is not None:
        from decision_service.cli.rule_files import release_of  # noqa: PLC0415  # heavy

        release = release_of(by).archive

    async def ask(client: Client) -> None:
        told = ReopenDecisionsResponse()
        why = Text(zh=reason, en=reason_en)
        far = StopClient(client).reopen(
            matter, why, filter_=filter_, release=release, request_id=named
        )
        with show.progress("重新审查 reopening") as bar:
            task = bar.add_task("")
            async for told in far:
                bar.update(task, completed=told.done, total=told.total)
        if json:
            show.out.print(as_json(told), soft_wrap=True)
            return
        show.out.print(
            f"已交人工重审 {told.reopened} 件，共 {told.total} 件"
            f" | reopened {told.reopened} of {told.total}"
        )
        for why_not, number in sorted(told.passed_over.items()):
            show.out.print(
                f"不重审 passed over {number}: {_WHY_NOT.get(why_not, why_not)}", soft_wrap=True
            )

    call(address, token, ask, named)


def _print(stop: Stop, *, json: bool) -> None:
    if json:
        show.out.print(as_json(stop), soft_wrap=True)
        return
    state = "待确认恢复 lift proposed" if stop.lift_proposed else "已暂停 stopped"
    told = f"{stop.matter}  {state}  {show.time(stop.time)}  {stop.caller}: {stop.reason}"
    show.out.print(told, soft_wrap=True)
