"""`miaopi counter …`: a clerk at the counter, and how clerks are checked.

Deciding takes the etag that `show` or `claim` printed: who has not looked cannot decide.
"""

import json as jsonlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text as Words

from decision_service.cli import show
from decision_service.cli.service import LAST, LOCAL, Address, CaseId, Json, Limit, Token, call
from decision_service.client import Client, Decision, as_json
from decision_service.counter_client import (
    RESULTS,
    WHOSE,
    CounterClient,
    Dossier,
    Drawn,
    Instruction,
    Override,
    OverrideStats,
    Referral,
    Result,
)
from decision_service.model import Ground, OverrideReason, Value

app = typer.Typer(
    help="窗口：认领、查阅、决定与复核 | The counter: claim, open, decide, and check.",
    no_args_is_help=True,
)

Etag = Annotated[
    str,
    typer.Option("--etag", help="所见办件的版本标记 | Of the case as `show` or `claim` told it."),
]
Reason = Annotated[str, typer.Option("--reason", help="理由 | Why, in your own words.")]
English = Annotated[str, typer.Option("--reason-en", help="理由英文 | The same in English.")]
Findings = Annotated[
    list[str] | None,
    typer.Option(
        "--finding", metavar="CONCEPT=VALUE", help="查明的事实，可重复 | What you vouch for."
    ),
]
Outputs = Annotated[
    list[str] | None,
    typer.Option("--output", metavar="OUTPUT=VALUE", help="准予内容，可重复 | What is granted."),
]
GroundCode = Annotated[
    OverrideReason | None,
    typer.Option("--ground", help="改判理由代码 | Why otherwise than the rules."),
]
Citation = Annotated[
    str, typer.Option("--citation", help="法条或文号 | The article, or the order's number.")
]
Ticket = Annotated[
    str, typer.Option("--ticket", help="数据校核工单号 | Number of the request to correct data.")
]
Papers = Annotated[
    list[int] | None, typer.Option("--paper", help="依据的材料序号，可重复 | It rests on these.")
]
Filter = Annotated[
    str,
    typer.Argument(metavar="FILTER", help="筛选式 | e.g. 'reasons:HARDSHIP AND caller = li'"),
]

_MEDIA = {
    ".pdf": "application/pdf",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
}
_RESULTS = {
    Result.RESULT_APPROVE: "准予 approve",
    Result.RESULT_REFUSE: "不予 refuse",
    Result.RESULT_CORRECT: "请补正 corrections",
}
_DIMENSIONS = {
    "all": "全部 all",
    "matter": "事项 matter",
    "requirement": "条件 requirement",
    "reason": "理由 reason",
    "clerk": "人员 clerk",
    "month": "月份 month",
}


# ── opening and claiming ─────────────────────────────────────────────────────────────────────────


@app.command()
def queue(
    matter: Annotated[str, typer.Option(help="只看此事项 | Of this matter alone.")] = "",
    *,
    whose: Annotated[
        str, typer.Option(help="all、free 无人认领、mine 我认领的、proposed 待复核")
    ] = "all",
    due_within: Annotated[
        int | None, typer.Option(metavar="HOURS", help="几小时内到期（含超期） | Due by then.")
    ] = None,
    older_than: Annotated[
        int | None, typer.Option(min=0, metavar="HOURS", help="转来已超过几小时 | Waiting so long.")
    ] = None,
    limit: Limit = 50,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """待办队列，时限最早的在前 | List the referrals, those due earliest first."""
    _one_of(whose, WHOSE, "--whose")

    async def ask(client: Client) -> None:
        queued = CounterClient(client).referrals(
            matter,
            whose,
            promised_before=_hours_from_now(due_within),
            referred_before=_hours_from_now(None if older_than is None else -older_than),
            page_size=limit,
        )
        show.each(await show.first(queued, limit), _queue, as_lines=json)

    call(address, token, ask)


@app.command("show")
def show_(
    case_id: Annotated[
        str, typer.Argument(metavar="CASE", help="办件标识或编号 | Its id, or number.")
    ],
    *,
    blind: Annotated[
        bool, typer.Option("--blind", help="不看原决定，供复看 | For a second look.")
    ] = False,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """查阅案卷，记入日志 | Open a case; the look is recorded."""

    async def ask(client: Client) -> None:
        named = case_id.upper() if "-" in case_id else case_id  # notices have capitals
        found = await CounterClient(client).dossier(named, blind=blind)
        show.out.print(as_json(found) if json else _dossier(found), soft_wrap=json)

    call(address, token, ask)


@app.command()
def claim(
    case_id: CaseId, etag: Etag, *, address: Address = LOCAL, token: Token = "", json: Json = False
) -> None:
    """认领办件 | Take a case; others are kept away until the claim runs out."""

    async def ask(client: Client) -> None:
        found = await CounterClient(client).claim(case_id, etag)
        until = show.time(found.claim_expire_time)
        words = f"已认领，至 {until} | claimed until {until}\netag  {found.etag}"
        show.out.print(as_json(found) if json else words, soft_wrap=True)

    call(address, token, ask)


@app.command()
def release(
    case_id: CaseId, etag: Etag, *, address: Address = LOCAL, token: Token = "", json: Json = False
) -> None:
    """退回队列 | Give a claimed case back to the queue."""

    async def ask(client: Client) -> None:
        found = await CounterClient(client).release(case_id, etag)
        words = f"已退回队列 | back in the queue\netag  {found.etag}"
        show.out.print(as_json(found) if json else words, soft_wrap=True)

    call(address, token, ask)


@app.command()
def attach(
    case_id: CaseId,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="PDF、JPEG、PNG，至多 512 KiB")
    ],
    etag: Etag,
    name: Annotated[str, typer.Option(help="材料名称 | What it is.")],
    *,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """上传窗口所见材料 | Attach a paper that you have seen."""
    media_type = _MEDIA.get(file.suffix.lower(), "application/octet-stream")

    async def ask(client: Client) -> None:
        found = await CounterClient(client).attach(
            case_id, etag, name=name, media_type=media_type, content=file.read_bytes()
        )
        words = f"材料 paper #{found.paper.index}  {found.paper.size} B\netag  {found.etag}"
        show.out.print(as_json(found) if json else words, soft_wrap=True)

    call(address, token, ask)


@app.command()
def paper(
    case_id: CaseId,
    index: Annotated[int, typer.Argument(min=0, max=LAST, help="材料序号 | Index of the paper.")],
    to: Annotated[Path, typer.Option("--out", dir_okay=False, help="存为 | Where to keep it.")],
    *,
    address: Address = LOCAL,
    token: Token = "",
) -> None:
    """取出材料 | Fetch a paper of a case; the look is recorded."""

    async def ask(client: Client) -> None:
        found = await CounterClient(client).paper(case_id, index)
        to.write_bytes(found.content)
        show.out.print(f"{found.paper.name}  {found.paper.size} B → {to}", soft_wrap=True)

    call(address, token, ask)


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────


@app.command()
def determine(
    case_id: CaseId,
    result: Annotated[str, typer.Argument(help="approve | refuse | correct")],
    etag: Etag,
    reason: Reason,
    *,
    reason_en: English = "",
    finding: Findings = None,
    output: Outputs = None,
    field: Annotated[
        list[str] | None, typer.Option(help="须补正的字段，可重复 | To be corrected.")
    ] = None,
    ground: GroundCode = None,
    citation: Citation = "",
    ticket: Ticket = "",
    paper: Papers = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """决定转来的办件 | Decide a claimed case; two persons where two are needed."""
    _one_of(result, RESULTS, "RESULT")
    wanted = Instruction(
        result=result,
        zh=reason,
        en=reason_en,
        findings=read_values(finding, "--finding"),
        outputs=read_values(output, "--output"),
        fields=field or (),
        ground=_ground(ground, citation, ticket),
        papers=paper or (),
    )

    async def ask(client: Client) -> None:
        done = await CounterClient(client).determine(case_id, etag, wanted)
        _decided(done, done.decision if done.HasField("decision") else None, done.etag, json=json)

    call(address, token, ask)


@app.command()
def override(
    case_id: CaseId,
    result: Annotated[str, typer.Argument(help="approve | refuse")],
    etag: Etag,
    reason: Reason,
    ground: Annotated[OverrideReason, typer.Option(help="改判理由代码 | Why otherwise.")],
    *,
    reason_en: English = "",
    finding: Findings = None,
    output: Outputs = None,
    citation: Citation = "",
    ticket: Ticket = "",
    paper: Papers = None,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """改变已有决定 | Decide a claimed case otherwise than it was decided."""
    _one_of(result, RESULTS[:2], "RESULT")
    wanted = Instruction(
        result=result,
        zh=reason,
        en=reason_en,
        findings=read_values(finding, "--finding"),
        outputs=read_values(output, "--output"),
        ground=_ground(ground, citation, ticket),
        papers=paper or (),
    )

    async def ask(client: Client) -> None:
        done = await CounterClient(client).override(case_id, etag, wanted)
        _decided(done, done.decision if done.HasField("decision") else None, done.etag, json=json)

    call(address, token, ask)


@app.command()
def confirm(
    case_id: CaseId,
    etag: Etag,
    reason: Reason,
    *,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """复核同意 | Confirm as the second person; only now it is decided."""

    async def ask(client: Client) -> None:
        done = await CounterClient(client).confirm(case_id, etag, reason)
        _decided(done, done.decision, done.etag, json=json)

    call(address, token, ask)


@app.command("return")
def return_(
    case_id: CaseId,
    etag: Etag,
    reason: Reason,
    *,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """复核退回 | Do not confirm it; the case goes back to the queue."""

    async def ask(client: Client) -> None:
        found = await CounterClient(client).hand_back(case_id, etag, reason)
        words = f"已退回队列 | back in the queue\netag  {found.etag}"
        show.out.print(as_json(found) if json else words, soft_wrap=True)

    call(address, token, ask)


# ── checking ─────────────────────────────────────────────────────────────────────────────────────


@app.command()
def overrides(
    filter_: Filter = "",
    *,
    stats: Annotated[
        bool, typer.Option("--stats", help="只看统计 | Counts in place of the list.")
    ] = False,
    limit: Limit = 50,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """检查改判理由 | Search past overrides, or count them by matter, reason, clerk and month."""

    async def ask(client: Client) -> None:
        counter = CounterClient(client)
        if stats:
            show.each(await counter.override_stats(filter_), _stats, as_lines=json)
            return
        found = await show.first(counter.overrides(filter_, page_size=limit), limit)
        show.each(found, _overrides, as_lines=json)

    call(address, token, ask)


@app.command()
def sample(
    month: Annotated[str, typer.Argument(help="月份 | YYYY-MM")],
    *,
    share: Annotated[int, typer.Option(min=1, max=100, help="百分比 | Of a hundred.")] = 10,
    matter: Annotated[str, typer.Option(help="只看此事项 | Of this matter alone.")] = "",
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """抽取复看样本 | Draw persons' decisions of a month for an independent second look."""
    first = _month(month)

    async def ask(client: Client) -> None:
        drawn = await CounterClient(client).sample(first, share, matter)
        show.each(drawn, _drawn, as_lines=json)

    call(address, token, ask)


@app.command()
def look(
    case_id: CaseId,
    index: Annotated[
        int, typer.Argument(min=0, max=LAST, help="样本序号 | Index that `sample` told.")
    ],
    result: Annotated[str, typer.Argument(help="approve | refuse | correct")],
    reason: Reason,
    *,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """复看 | Say what you would have decided; first `show --blind`."""
    _one_of(result, RESULTS, "RESULT")

    async def ask(client: Client) -> None:
        agrees = await CounterClient(client).second_look(case_id, index, result, reason)
        words = "与原决定一致 the same as was decided" if agrees else "与原决定不同 not the same"
        show.out.print(jsonlib.dumps({"agrees": agrees}) if json else words)

    call(address, token, ask)


# ── what is typed ────────────────────────────────────────────────────────────────────────────────


def _one_of(typed: str, usable: Sequence[str], where: str) -> None:
    if typed not in usable:
        allowed = ", ".join(usable)
        raise typer.BadParameter(f"{where} 应为 {allowed} 之一 | must be one of {allowed}")


def _month(typed: str) -> date:
    try:
        return date.fromisoformat(f"{typed}-01")
    except ValueError:
        raise typer.BadParameter("月份应写成 2026-11 | a month is e.g. 2026-11") from None


def _hours_from_now(hours: int | None) -> datetime | None:
    return None if hours is None else datetime.now(UTC) + timedelta(hours=hours)


def _ground(reason: OverrideReason | None, citation: str, ticket: str) -> Ground | None:
    return Ground(reason=reason, citation=citation, ticket=ticket) if reason else None


def read_values(typed: Iterable[str] | None, where: str) -> dict[str, Value]:
    """Pairs of a name and a value, as they are typed."""
    found: dict[str, Value] = {}
    for one in typed or ():
        key, equals, value = one.partition("=")
        if not equals:
            raise typer.BadParameter(f"{where} 应写成 名称=取值 | must be NAME=VALUE: {one}")
        found[key] = _value(value)
    return found


def _value(typed: str) -> Value:
    """Yes or no, a day, a number, or a text; in quotes it is a text whatever it looks like."""
    if typed in {"yes", "是", "true"}:
        return True
    if typed in {"no", "否", "false"}:
        return False
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", typed):
        return date.fromisoformat(typed)
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", typed):
        return Decimal(typed)
    return typed[1:-1] if len(typed) > 1 and typed[0] == typed[-1] == '"' else typed


# ── what is shown ────────────────────────────────────────────────────────────────────────────────


def _decided(answer: Message, decision: Decision | None, etag: str, *, json: bool) -> None:
    if json:
        show.out.print(as_json(answer), soft_wrap=True)
    elif decision is None:
        words = "须由另一名工作人员复核后生效 | waits for a second person to confirm it"
        show.out.print(f"{words}\netag  {etag}", soft_wrap=True)
    else:
        show.out.print(show.decision(decision))


def _queue(found: Sequence[Referral]) -> RenderableType:
    rows = show.grid(
        "办件 Case",
        "事项 Matter",
        "申请日 Filed",
        "承诺时限 Promised by",
        "原因 Reasons",
        "办理人 Clerk",
        "etag",
    )
    now = datetime.now(UTC)
    for one in found:
        promised = one.promised_time.ToDatetime(tzinfo=UTC)
        late = one.HasField("promised_time") and promised < now
        rows.add_row(
            f"{one.case_id}\n{one.case_number}",
            one.matter,
            show.day(one.filing_date),
            show.time(one.promised_time) + (" 超期 late" if late else ""),
            "\n".join(one.reasons),
            " ".join(filter(None, (one.clerk, "待复核 to confirm" if one.proposed else ""))),
            one.etag,
            style="red" if late else "",
        )
    return rows


def _dossier(found: Dossier) -> RenderableType:
    case = found.case
    holder = f"{found.clerk} → {show.time(found.claim_expire_time)}" if found.clerk else "—"
    parts: list[RenderableType] = [
        Words(f"办件 Case  {case.case_id}  {case.case_number}  {case.matter}"),
        Words(f"办理人 Clerk  {holder}    etag  {found.etag}"),
    ]
    facts = show.grid("信息项 Fact", "名称 Name", "值 Value", "来源 Source", "截至 As of")
    for one in found.facts:
        used = one.used
        facts.add_row(
            used.concept,
            show.both(used.name),
            show.both(used.value) or f"— {used.why}",
            used.source,
            show.time(one.as_of_time) if one.HasField("as_of_time") else "",
        )
    papers = show.grid("材料 Paper", "名称 Name", "类型 Type", "人员 Clerk", "时间 Time")
    for paper in found.papers:
        papers.add_row(
            str(paper.index),
            paper.name,
            paper.media_type,
            paper.clerk,
            show.time(paper.create_time),
        )
    parts += [
        facts,
        Words("条件 Requirements", style="dim"),
        show.reason_table(found.requirements),
        Words("办理缘由 Why it is here, and why rules decided so", style="dim"),
        show.reason_table(found.reasons),
    ]
    parts += [
        Words(f"异议 contests  {one.concept}: {one.claimed}  {one.text}") for one in found.contests
    ]
    if case.events:
        parts.append(show.events(case.events))
    if found.papers:
        parts.append(papers)
    if found.HasField("proposal"):
        wanted = found.proposal
        ground = f"  [{wanted.ground.reason}]" if wanted.HasField("ground") else ""
        said = f"{wanted.clerk}: {_RESULTS[wanted.result]}{ground}\n{show.both(wanted.reason)}"
        parts.append(Panel(show.Prose(said), title="待复核 to be confirmed"))
    parts += [Words(f"以往决定 decided before  {show.outcome(one)}") for one in case.decisions]
    grounds = "; ".join(f"{one.reason} {show.both(one.name)}" for one in found.grounds)
    parts.append(Words(f"改判理由 grounds  {grounds}", style="dim"))
    return Group(*parts)


def _overrides(found: Sequence[Override]) -> RenderableType:
    rows = show.grid(
        "序号 #",
        "时间 Time",
        "事项 Matter",
        "改变 Change",
        "条件 Requirements",
        "理由 Ground",
        "说明 In words",
        "人员 Clerks",
    )
    for one in found:
        unmet = sorted(pair for pair in one.requirements.items() if pair[1] != "met")
        rows.add_row(
            str(one.index),
            show.time(one.time),
            one.matter,
            f"{getattr(one, 'from')} → {one.to}",
            "\n".join(f"{key} {status}" for key, status in unmet),
            " ".join(filter(None, (one.ground.reason, one.ground.citation, one.ground.ticket))),
            show.both(one.reason) or "已删除 erased",
            " + ".join(filter(None, (one.clerk, one.second_clerk))),
        )
    return rows


def _stats(found: Sequence[OverrideStats]) -> RenderableType:
    rows = show.grid(
        "维度 By",
        "取值 Of",
        "决定 Decided",
        "改判 Overrides",
        "与规则一致 Agree",
        "改变原决定 Overturned",
        "双人 Two persons",
        "复看一致 Second looks",
        "用时中位 Median",
    )
    for one in found:
        agreed = one.determinations - one.overrides
        rows.add_row(
            _DIMENSIONS.get(one.dimension, one.dimension),
            one.value,
            str(one.determinations),
            str(one.overrides),
            _share(agreed, one.determinations),
            str(one.overturned),
            str(one.two_persons),
            f"{one.second_looks_agreed} / {one.second_looks}",
            f"{one.median_handling_duration.ToSeconds()} s",
        )
    return rows


def _drawn(found: Sequence[Drawn]) -> RenderableType:
    rows = show.grid("序号 #", "办件 Case", "事项 Matter", "决定时间 Decided", "已复看 Looked at")
    for one in found:
        done = "是 yes" if one.looked_again else ""
        rows.add_row(str(one.index), one.case_id, one.matter, show.time(one.time), done)
    by_matter = Counter(one.matter for one in found)
    return Group(rows, Words("  ".join(f"{name} {n}" for name, n in sorted(by_matter.items()))))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "—"
