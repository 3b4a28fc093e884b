"""`miaopi audit query | entry | timeline | accesses | stats | replay`: an auditor asks the service.

What is typed is a call of the contract, and an entry of the trail.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from json import loads
from math import ceil
from typing import Annotated

import typer
from google.protobuf.duration_pb2 import Duration
from rich.console import RenderableType

from decision_service.cli import show, store
from decision_service.cli.service import LAST, LOCAL, Address, Json, Limit, Token, call
from decision_service.client import (
    Access,
    Client,
    Entry,
    GetEntryResponse,
    ReleaseStats,
    Replay,
    as_json,
)
from decision_service.model import Document

app = store.app

Filter = Annotated[
    str,
    typer.Argument(
        metavar="FILTER",
        help="筛选式 | e.g. 'outcome = referred AND reasons:REQUIREMENT_UNKNOWN'",
    ),
]
Number = Annotated[
    str, typer.Option("--id", help="当事人公民身份号码 | The person's resident identity number.")
]
Organisation = Annotated[
    str,
    typer.Option("--organisation", metavar="CODE", help="单位统一社会信用代码 | The firm's code."),
]
Index = Annotated[
    int, typer.Argument(min=0, max=LAST, metavar="INDEX", help="序号 | Index of the entry.")
]

_SEALINGS = {
    GetEntryResponse.SEALING_MASKED: "已打开并遮蔽 opened and masked",
    GetEntryResponse.SEALING_WITHHELD: "本角色不可见 not for this role",
    GetEntryResponse.SEALING_ERASED: "已依申请删除 erased on the person's demand",
}
_ENDED = ("approved", "refused")
_RESULTS = {
    Replay.RESULT_REPRODUCED: ("✔", "重现一致 reproduced", "green"),
    Replay.RESULT_DIVERGED: ("✘", "与记录不符 diverged", "red"),
    Replay.RESULT_NOT_REPLAYABLE: ("!", "无法重现 not replayable", "yellow"),
}


@app.command()
def query(
    filter_: Filter = "",
    *,
    number: Number = "",
    organisation: Organisation = "",
    limit: Limit = 50,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """查询决定记录 | List entries of the trail, the newest first."""
    subject = subject_of(number, organisation)

    async def ask(client: Client) -> None:
        found = await show.first(client.entries(filter_, subject, page_size=limit), limit)
        show.each(found, _entries, as_lines=json)

    call(address, token, ask)


@app.command()
def entry(index: Index, *, address: Address = LOCAL, token: Token = "", json: Json = False) -> None:
    """打开一条记录，个人信息遮蔽 | Show one entry, and its sealed part with who it is masked."""

    async def ask(client: Client) -> None:
        found = await client.entry(index)
        if json:
            show.out.print(as_json(found), soft_wrap=True)
            return
        show.out.print(_entries([found.entry]))
        show.out.print(f"密封部分 sealed part: {_SEALINGS[found.sealing]} {found.subject}")
        for part in (found.entry.permanent_json, found.sealed_json):
            if part:
                show.out.print_json(part)

    call(address, token, ask)


@app.command()
def timeline(
    case_id: Annotated[
        str, typer.Argument(metavar="CASE", help="办件标识或编号 | Its id, or number.")
    ],
    *,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """查看办件全程 | Show everything that happened with a case."""

    async def ask(client: Client) -> None:
        found = await client.timeline(case_id)
        if json:
            show.out.print(as_json(found), soft_wrap=True)
            return
        show.out.print(f"办件 Case  {found.case.case_id}  {found.case.case_number}")
        show.out.print(_entries(found.entries))

    call(address, token, ask)


@app.command()
def accesses(
    *,
    number: Number = "",
    organisation: Organisation = "",
    limit: Limit = 50,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """谁查过此人的数据 | List who asked for a person's data, this question first."""
    subject = subject_of(number, organisation)
    if subject is None:
        raise typer.BadParameter("请给出 --id 或 --organisation | give --id or --organisation")

    async def ask(client: Client) -> None:
        found = await show.first(client.accesses(subject, page_size=limit), limit)
        show.each(found, _accesses, as_lines=json)

    call(address, token, ask)


@app.command()
def stats(
    filter_: Filter = "",
    *,
    by_matter: Annotated[
        bool, typer.Option("--by-matter", help="按事项合计 | All releases of a matter together.")
    ] = False,
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """统计 | Count decisions: automatic share, referral reasons, overrides, overturns, time."""

    async def ask(client: Client) -> None:
        answer = await client.stats(filter_)
        found = answer.matters if by_matter else answer.releases
        if json:
            for one in found:
                show.out.print(as_json(one), soft_wrap=True)
        else:
            show.out.print(release_stats(found))

    call(address, token, ask)


@app.command()
def replay(
    index: Annotated[
        int | None, typer.Argument(min=0, max=LAST, metavar="INDEX", help="序号 | One decision.")
    ] = None,
    *,
    filter_: Annotated[
        str, typer.Option("--filter", help="重现所有符合者 | All that match; without, all.")
    ] = "",
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """重现决定 | Have decisions decided again from their record; exit 1 if one is not the same."""
    if index is not None and filter_:
        raise typer.BadParameter("请只给出序号或 --filter 之一 | give an index or --filter")
    found: list[Replay] = []

    async def ask_one(client: Client) -> None:
        found.append(await client.replay(index or 0))
        show.out.print(as_json(found[0]) if json else _replayed(found), soft_wrap=json)

    async def ask_many(client: Client) -> None:
        reproduced = total = 0
        with show.progress("重现 replaying") as bar:
            task = bar.add_task("")
            async for one in client.replays(filter_):
                bar.update(task, completed=one.done, total=one.total)
                reproduced, total = one.reproduced, one.total
                found.extend(one.found)
                if json:
                    show.out.print(as_json(one), soft_wrap=True)
        if not json:
            if found:
                show.out.print(_replayed(found))
            show.out.print(f"{reproduced} / {total} 重现一致 reproduced")

    call(address, token, ask_many if index is None else ask_one)
    if any(one.result == Replay.RESULT_DIVERGED or one.why == "TAMPERED" for one in found):
        raise typer.Exit(1)


def subject_of(number: str, organisation: str) -> Document | None:
    """Whom the two options name; None for nobody."""
    if number and organisation:
        raise typer.BadParameter(
            "请只给出 --id、--organisation 之一 | give one of --id and --organisation"
        )
    if organisation:
        return Document(kind="organisation_code", number=organisation)
    return Document(kind="resident_id", number=number) if number else None


def _entries(found: Iterable[Entry]) -> RenderableType:
    rows = show.grid(
        "序号 #",
        "时间 Time",
        "类型 Type",
        "版本 Release",
        "结果 Outcome",
        "原因 Reasons",
        "办件 Case",
        "调用方 Caller",
    )
    for one in found:
        reasons = [*one.reasons, *(f"{key} {status}" for key, status in _open(one))]
        rows.add_row(
            str(one.index),
            show.time(one.time, seconds=True),
            _kind(one),
            one.release or one.matter,
            one.outcome,
            "\n".join(reasons),
            one.case_id,
            one.caller,
        )
    return rows


def _kind(one: Entry) -> str:
    """What happened, in which flow or to which question, and whether its sealed part is gone."""
    permanent = loads(one.permanent_json)
    words = (one.type, permanent.get("flow", ""), permanent.get("method", ""))
    return " ".join([*filter(None, words), *(["已删除 erased"] if one.erased else [])])


def _open(one: Entry) -> list[tuple[str, str]]:
    """The requirements that are not met."""
    return sorted(pair for pair in one.requirements.items() if pair[1] != "met")


def _accesses(found: Iterable[Access]) -> RenderableType:
    rows = show.grid(
        "序号 #", "时间 Time", "谁 Who", "用途 For", "事项 Matter", "查询 Registers", "目的 Purpose"
    )
    for one in found:
        rows.add_row(
            str(one.index),
            show.time(one.time, seconds=True),
            " ".join(part for part in (one.caller, one.role) if part),
            " ".join(part for part in (one.flow, one.method) if part),
            one.matter,
            "\n".join(one.evidence_types),
            "\n".join(one.purposes),
        )
    return rows


def release_stats(found: Iterable[ReleaseStats]) -> RenderableType:
    """Figures of releases, or of matters."""
    rows = show.grid(
        "版本 Release",
        "决定 Decisions",
        "结果 Outcomes",
        "自动 Automatic",
        "转人工原因 Referred for",
        "用时 Took: 50% / 90% / max",
        "人工决定 By persons",
        "人工用时 Took: 50% / 90% / max",
        "改判 Overrides",
        "被改变 Overturned",
    )
    for one in found:
        ended = one.automatic + one.outcomes.get("referred", 0)
        decided = one.automatic + sum(one.determinations.get(kind, 0) for kind in _ENDED)
        rows.add_row(
            one.release or f"{one.matter} {one.release_digest.hex()[:12]}".rstrip(),
            str(one.decisions),
            _counts(Counter(one.outcomes)),
            f"{100 * one.automatic / ended:.1f} %" if ended else "—",
            _counts(Counter(one.referral_reasons)),
            _durations(
                ended, one.median_duration, one.percentile_90_duration, one.longest_duration
            ),
            _counts(Counter(one.determinations)),
            _durations(
                sum(one.determinations.values()),
                one.median_determination_duration,
                one.percentile_90_determination_duration,
                one.longest_determination_duration,
            ),
            _rate(one.overrides, sum(one.determinations.values())),
            f"{_rate(one.overturned, decided)}\n{_counts(Counter(one.overturns))}".rstrip(),
        )
    return rows


def _rate(part: int, whole: int) -> str:
    return f"{part}  {100 * part / whole:.1f} %" if whole else "—"


def _counts(counts: "Counter[str]") -> str:
    return "\n".join(f"{number:>6}  {name}" for name, number in counts.most_common())


def _replayed(found: Iterable[Replay]) -> RenderableType:
    rows = show.grid("序号 #", "结果 Result", "何处 Where", "记录 Recorded", "重现 Replayed")
    for one in found:
        sign, words, colour = _RESULTS[one.result]
        rows.add_row(
            str(one.index),
            f"{sign} {words} {one.why}".strip(),
            one.difference,
            one.recorded_json,
            one.replayed_json,
            style=colour,
        )
    return rows


def _durations(decided: int, *took: Duration) -> str:
    """Median, nine of ten and longest, where anything was decided: at once takes no time."""
    return " / ".join(map(_duration, took)) if decided else "—"


def _duration(took: Duration) -> str:
    """To the second above it: nothing that took time shows as none."""
    return str(timedelta(seconds=ceil(took.ToTimedelta().total_seconds())))
