"""`miaopi audit erase | hold | lift | holds | retain | disclose`: what is kept of people.

What is typed is a call of the contract, and an entry of the trail that stays for ever.
"""

from datetime import UTC
from enum import StrEnum
from typing import Annotated

import typer

from decision_service.cli import show, trail
from decision_service.cli.service import LAST, LOCAL, Address, Json, Token, call
from decision_service.cli.trail import Number, Organisation
from decision_service.client import (
    ApplyRetentionResponse,
    Client,
    ErasePersonRequest,
    Justification,
    as_json,
)
from decision_service.model import Document

app = trail.app

Law = Annotated[
    str, typer.Option("--law", metavar="ARTICLE", help="法律依据 | The article; readable for ever.")
]
Reason = Annotated[
    str, typer.Option(help="理由，永久可读，不得写明是谁 | Why; readable for ever, so name nobody.")
]
Yes = Annotated[bool, typer.Option("--yes", help="不再询问 | Do not ask.")]


class Ground(StrEnum):
    """On which ground somebody is erased; the contract says what each means."""

    PURPOSE_ENDED = "purpose_ended"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    UNLAWFUL = "unlawful"
    ORDER = "order"


@app.command()
def erase(
    law: Law,
    reason: Reason,
    ground: Annotated[
        Ground,
        typer.Option(
            help="依据：目的已实现、撤回同意（均须期满）、违法处理、法院或监管机关命令"
            " | The ground; the first two once every term is over.",
        ),
    ],
    *,
    number: Number = "",
    organisation: Organisation = "",
    yes: Yes = False,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """删除某人的个人信息，不可恢复 | Erase everything that tells who somebody is, for ever."""
    subject = _subject(number, organisation)
    if not yes:
        typer.confirm("删除后无法恢复。继续？| It cannot be undone. Go on?", abort=True, err=True)
    chosen = ErasePersonRequest.Ground.Value(f"GROUND_{ground.name}")

    async def ask(client: Client) -> None:
        done = await client.erase_person(subject, chosen, _why(law, reason))
        if json:
            show.out.print(as_json(done), soft_wrap=True)
            return
        show.out.print(
            f"✔ 已删除 {done.erased_entries} 条中的个人信息，记入第 {done.index} 条 | erased from"
            f" {done.erased_entries} entries, on record as entry {done.index}"
        )
        show.out.print(
            "! 请更换主密钥（`miaopi audit renew-key`），此前的备份即不能再打开已删内容 | renew the"
            " master key, so that backups from before open no more"
        )

    call(address, token, ask)


@app.command()
def hold(
    law: Law,
    reason: Reason,
    *,
    number: Number = "",
    organisation: Organisation = "",
    case: Annotated[str, typer.Option(metavar="CASE", help="办件 | A case.")] = "",
    matter: Annotated[str, typer.Option(metavar="MATTER", help="事项 | A matter.")] = "",
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """保全，解除前不得删除 | Let nothing of a person, case or matter be erased meanwhile."""
    if [bool(one) for one in (number or organisation, case, matter)].count(True) != 1:
        raise typer.BadParameter(
            "请只给出 --id、--organisation、--case、--matter 之一 | give one of --id,"
            " --organisation, --case, --matter"
        )
    subject = None if case or matter else _subject(number, organisation)

    async def ask(client: Client) -> None:
        index = await client.place_hold(
            _why(law, reason), subject=subject, case_id=case, matter=matter
        )
        if json:
            show.out.print(f'{{"index": "{index}"}}')
            return
        show.out.print(f"✔ 已保全，编号 {index} | on hold; its number is {index}")

    call(address, token, ask)


@app.command()
def lift(
    index: Annotated[
        int, typer.Argument(min=0, max=LAST, metavar="HOLD", help="保全编号 | Of the hold.")
    ],
    law: Law,
    reason: Reason,
    *,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """解除保全 | Lift a hold."""

    async def ask(client: Client) -> None:
        lifted = await client.lift_hold(index, _why(law, reason))
        if json:
            show.out.print(f'{{"index": "{lifted}"}}')
            return
        show.out.print(f"✔ 已解除，记入第 {lifted} 条 | lifted, on record as entry {lifted}")

    call(address, token, ask)


@app.command()
def holds(*, address: Address = LOCAL, token: Token = "", json: Json = False) -> None:
    """列出现有保全 | List the holds that are in force."""

    async def ask(client: Client) -> None:
        found = await client.holds()
        if json:
            for one in found:
                show.out.print(as_json(one), soft_wrap=True)
            return
        rows = show.grid("编号 #", "时间 Time", "范围 Scope", "依据 Law", "理由 Reason", "谁 Who")
        for one in found:
            rows.add_row(
                str(one.index),
                show.time(one.time),
                "某人 a person" if one.person else one.case_id or one.matter,
                one.justification.legal_basis,
                one.justification.reason,
                one.caller,
            )
        show.out.print(rows)

    call(address, token, ask)


@app.command()
def retain(
    law: Law,
    reason: Reason,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只统计，不删除 | Erase nothing, only count.")
    ] = False,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """删除保存期满的个人信息，宜每日运行 | Erase what is over its term; run it daily."""

    async def ask(client: Client) -> None:
        rows = show.grid("类别 Kind", "事项 Matter", "早于 Changed before", "条数 Entries")
        async for answer in client.retain(_why(law, reason), validate_only=dry_run):
            if json:
                show.out.print(as_json(answer), soft_wrap=True)
            for one in answer.overdue:
                rows.add_row(one.kind, one.matter, _day(one), str(one.entries))
        if not json:
            show.out.print(rows if rows.row_count else "无期满内容 | nothing is over its term")

    call(address, token, ask)


@app.command()
def disclose(
    law: Law,
    reason: Reason,
    recipient: Annotated[
        str,
        typer.Option(metavar="age1…", help="审计人员的 age 公钥 | The auditor's age public key."),
    ],
    *,
    matter: Annotated[str, typer.Option(metavar="MATTER", help="只限事项 | Of a matter.")] = "",
    first: Annotated[int, typer.Option(min=0, max=LAST, help="起始序号 | The first entry.")] = 0,
    end: Annotated[
        int,
        typer.Option(
            min=0, max=LAST, help="截止序号，不含；0 为至今 | Up to but not; 0: until now."
        ),
    ] = 0,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """准予向审计人员提供密封部分，先记后给 | Record that sealed parts are given to an auditor."""

    async def ask(client: Client) -> None:
        index = await client.record_disclosure(
            _why(law, reason), recipient=recipient, matter=matter, first=first, end=end
        )
        if json:
            show.out.print(f'{{"index": "{index}"}}')
            return
        show.out.print(f"✔ 已记入第 {index} 条 | on record as entry {index}")
        show.out.print(
            f"  导出 to write them: miaopi audit export --store DIR --to DIR --disclosure {index}"
        )

    call(address, token, ask)


def _why(law: str, reason: str) -> Justification:
    return Justification(legal_basis=law, reason=reason)


def _subject(number: str, organisation: str) -> Document:
    subject = trail.subject_of(number, organisation)
    if subject is None:
        raise typer.BadParameter("请给出 --id 或 --organisation | give --id or --organisation")
    return subject


def _day(one: ApplyRetentionResponse.Overdue) -> str:
    return one.kept_since_time.ToDatetime(tzinfo=UTC).astimezone().strftime("%Y-%m-%d")
