"""`miaopi registers list | check | try`: which registers there are, and what one of them says.

For operators, beside the service or before it runs. `try` puts one real question; what is personal
in it and in the answer is shown to a terminal alone, and none of it is kept.
"""

import asyncio
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias
from urllib.parse import quote
from uuid import uuid4
from zoneinfo import ZoneInfo

import typer
from pydantic_core import to_jsonable_python

from decision_service import catalogue
from decision_service.catalogue import Catalogue
from decision_service.cli.audit import Json, err, out, print_json
from decision_service.errors import DecisionServiceError, NotPublishedError
from decision_service.model import (
    CaseId,
    Concept,
    EvidenceType,
    Fact,
    Known,
    MatterId,
    Meaning,
    Query,
)
from decision_service.settings import Settings
from decision_service.settle import settle
from evidence_adapters import gateway, registry
from evidence_adapters.credentials import read as read_credentials
from evidence_adapters.guard import Shown
from evidence_adapters.register import Register

app = typer.Typer()

Registers: TypeAlias = Mapping[EvidenceType, Register]

MASK = "•••"
"""In place of what is personal, where no terminal shows it."""

_AWAY = "未配置地址 no address (MIAOPI_REGISTER_<KEY>)"

MOST_SHOWN = 4_000
"""Characters of an answer that are shown."""


@app.command("list")
def list_(ctx: typer.Context, *, as_json: Json = False) -> None:
    """列出登记册 | Whose each register is, how it is asked, how fresh it must be, and for what."""
    settings: Settings = ctx.obj()
    registers = registry.load(_folder(settings))
    published = _published(settings, registers)
    rows = [_about(register, published, settings) for register in registers.values()]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        out.print(f"{row['key']}  {row['zh']} | {row['en']}", style="bold", soft_wrap=True)
        for name, value in (
            ("主管 owner", f"{row['owner_zh']} | {row['owner_en']}"),
            ("方式 by", row["transport"] if row["has_address"] else f"{row['transport']}，{_AWAY}"),
            ("时效 fresh for", " – ".join(dict.fromkeys(row["fresh_for"])) or "—"),
            ("事项 asked by", ", ".join(row["matters"]) or "—"),
        ):
            out.print(f"  {name}: {value}", soft_wrap=True)


@app.command()
def check(ctx: typer.Context, *, as_json: Json = False) -> None:
    """检查登记册 | Every fault of every file at once; of those with an address, who answers."""
    settings: Settings = ctx.obj()
    registers, faults = registry.read(_folder(settings), _meanings(settings))
    reached = asyncio.run(_reach(settings, registers))
    ok = not faults and not any(reached.values())
    if as_json:
        print_json({"ok": ok, "registers": len(registers), "faults": faults, "reached": reached})
    else:
        for fault in faults:
            out.print(f"✘ {fault}", style="red")
        for key, why_not in reached.items():
            sign, style = ("✘", "red") if why_not else ("✔", "green")
            out.print(f"{sign} {key}: {why_not or '可达 can be asked'}", style=style)
        without = len(registers.keys() - settings.registers.keys())
        out.print(
            f"{len(registers)} 个登记册 registers, {without} 个未配置地址 without an address; "
            f"{len(faults)} 处错误 faults"
        )
    if not ok:
        raise typer.Exit(1)


@app.command("try")
def try_(
    ctx: typer.Context,
    key: str,
    *,
    id_number: Annotated[
        str, typer.Option("--id", help="身份证号 | Of whom; best a person made for tests.")
    ] = "",
    given: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="NAME=VALUE", help="其他查询键 | Other keys."),
    ] = None,
    matter: Annotated[str, typer.Option(help="事项 | The matter that asks.")] = "",
    basis: Annotated[
        str, typer.Option(help="依据 | What allows this question; the register's owner reads it.")
    ] = "connection test",
    within: Annotated[float, typer.Option(min=0.1, max=60, help="秒 | Seconds to wait.")] = 5.0,
    as_json: Json = False,
) -> None:
    """试问一次 | Put one question to one register, and show every step up to the fact."""
    settings: Settings = ctx.obj()
    registers = registry.load(_folder(settings))
    register = registers.get(EvidenceType(key))
    if register is None or key not in settings.registers:
        raise DecisionServiceError(
            f"`{key}` is no register" if register is None else f"`{key}` has no address",
            zh=f"没有登记册 {key}" if register is None else f"登记册 {key} 未配置地址",
            reason="REGISTER_NOT_FOUND",
            hint="`miaopi registers list` names them; `MIAOPI_REGISTER_<KEY>` sets an address.",
        )
    published = _published(settings, registers)
    asking = [one for one in _asking(register, published) if matter in {"", one}]
    now = datetime.now(UTC)
    query = Query(
        query_id=str(uuid4()),
        evidence_type=register.key,
        about="applicant",
        keys=_keys(register, {"id_number": id_number} | _pairs(given or ())),
        matter=MatterId(asking[0] if asking else matter or "-"),
        case_id=CaseId("registers-try"),
        purpose=register.purpose,
        legal_basis=basis,
        filing_date=now.astimezone(ZoneInfo(settings.zone)).date(),
    )
    shown = asyncio.run(_show(settings, register, query, within_s=within))
    facts = _facts(register, published, query, shown, now)
    steps = _steps(query, shown, facts, plain=sys.stdout.isatty() and not as_json)
    if as_json:
        print_json(steps)
    else:
        _print_steps(steps)
        err.print(
            "此次查询不入决定记录，登记册主管方会留痕 | this question is not in the trail; the "
            "register's owner has it in its own",
            style="dim",
        )
    if not shown.evidence.values:
        raise typer.Exit(1)


def _folder(settings: Settings) -> Any:  # noqa: ANN401 - a path, or none: that of the sample city
    own = settings.city / "registers"
    return own if own.is_dir() else None


def _meanings(settings: Settings) -> Mapping[Concept, Meaning] | None:
    """What concepts are in the city; None where it has none yet."""
    has_any = (settings.city / "matters" / "concepts.toml").is_file()
    return catalogue.meanings_of(settings.city) if has_any else None


def _published(settings: Settings, registers: Registers) -> Catalogue:
    meanings = {key: register.meaning for key, register in registers.items()}
    return catalogue.load(settings.city, meanings, settings.signers)


def _asking(register: Register, published: Catalogue) -> Sequence[str]:
    """The matters that ask the register, in any release."""
    return sorted(
        {
            str(release.matter.id)
            for release in published.releases
            if any(item.type == register.key for item in release.matter.evidence)
        }
    )


def _about(register: Register, published: Catalogue, settings: Settings) -> dict[str, Any]:
    spans = {
        meaning.fresh_for or timedelta(0)
        for release in published.releases
        for meaning in release.meanings.values()
        if meaning.source == register.key
    }
    return {
        "key": register.key,
        "zh": register.zh,
        "en": register.en,
        "owner_zh": register.owner.zh,
        "owner_en": register.owner.en,
        "transport": register.transport,
        "purpose": register.purpose,
        "complete": register.complete,
        "keys": sorted(register.keys),
        "concepts": sorted(register.concepts),
        "fresh_for": [_span(min(spans)), _span(max(spans))] if spans else [],
        "matters": _asking(register, published),
        "has_address": register.key in settings.registers,
    }


def _span(span: timedelta) -> str:
    """A freshness in words."""
    if not span:
        return "实时 live"
    if span % timedelta(days=1) == timedelta(0):
        return f"{span.days} 天 d"
    return f"{span // timedelta(minutes=1)} 分 min"


async def _reach(settings: Settings, registers: Registers) -> dict[str, str]:
    """Why each register with an address cannot be asked; empty if it can."""

    async def why_not(key: str) -> str:
        reach = settings.registers[key]
        register = registers.get(EvidenceType(key))
        if register is None:
            return "没有可用的登记册文件 there is no register file of this name that can be read"
        try:
            return await gateway.reach(
                register,
                reach.address,
                read_credentials(**reach.credentials),
                clock=lambda: datetime.now(UTC),
                batches=settings.store / "batches",
            )
        except DecisionServiceError as error:
            return str(error)

    keys = sorted(settings.registers)
    return dict(zip(keys, await asyncio.gather(*map(why_not, keys)), strict=True))


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = (one.partition("=") for one in given)
    return {name: value for name, _, value in pairs}


def _keys(register: Register, given: Mapping[str, str]) -> dict[str, str]:
    """What the register finds by; who sits at a terminal is asked for what is missing."""
    found = {}
    for name in sorted(register.keys):
        value = given.get(name, "")
        if not value and sys.stdin.isatty():
            value = typer.prompt(name)
        if not value:
            raise DecisionServiceError(
                f"`{register.key}` finds by `{name}`, which is not given",
                zh=f"缺少查询键 {name}",
                reason="KEY_MISSING",
                hint=f"Give `--id NUMBER` or `--key {name}=VALUE`.",
            )
        found[name] = value
    return found


async def _show(settings: Settings, register: Register, query: Query, *, within_s: float) -> Shown:
    reach = settings.registers[register.key]
    async with gateway.connect(
        {register.key: register},
        {register.key: reach.address},
        clock=lambda: datetime.now(UTC),
        credentials={register.key: read_credentials(**reach.credentials)},
        batches=settings.store / "batches",
        look_every_s=None,
    ) as sources:
        deadline = asyncio.get_running_loop().time() + within_s
        return await sources[register.key].show(query, deadline=deadline)


def _facts(
    register: Register, published: Catalogue, query: Query, shown: Shown, now: datetime
) -> dict[str, Fact]:
    """What the matter's release would know of it; nothing where no matter asks."""
    try:
        release = published.release_on(query.matter, query.filing_date)
    except NotPublishedError:
        return {}
    facts = settle(
        release,
        [shown.evidence],
        {},
        frozenset(),
        filing_date=query.filing_date,
        decide_time=now,
    )
    return {
        concept: facts[concept]
        for concept, meaning in release.meanings.items()
        if meaning.source == register.key
    }


def _steps(
    query: Query, shown: Shown, facts: Mapping[str, Fact], *, plain: bool
) -> dict[str, object]:
    """Every step as JSON would have it; without a terminal, what is personal is masked."""
    keys = [*query.keys.values()]
    evidence = shown.evidence
    answer = shown.body.decode("utf-8", "replace")

    def personal(value: object) -> object:
        written: object = to_jsonable_python(value)
        return written if plain else _masked(written)

    sent = to_jsonable_python(shown.sent)
    return {
        "question": {
            "register": query.evidence_type,
            "query_id": query.query_id,
            "keys": personal(dict(query.keys)),
            "matter": query.matter,
            "purpose": query.purpose,
            "legal_basis": query.legal_basis,
            "filing_date": query.filing_date.isoformat(),
        },
        "sent": sent if plain else _without(sent, keys),
        "answer": {
            "bytes": len(shown.body),
            "sha256": evidence.digest,
            "text": answer[:MOST_SHOWN] if plain else MASK * bool(answer),
        },
        "normalised": {
            "around": personal(shown.around),
            "records": personal(list(shown.records)),
        },
        "evidence": {
            "status": evidence.status.value,
            "detail": evidence.detail,
            "as_of": evidence.as_of.isoformat() if evidence.as_of else None,
            "freshness": evidence.freshness.value,
            "reference": personal(evidence.reference),
            "concepts": personal(dict(evidence.values)),
        },
        "facts": {
            concept: {"known": personal(fact.value)}
            if isinstance(fact, Known)
            else {"unknown": fact.why.value}
            for concept, fact in facts.items()
        },
    }


def _masked(value: object) -> object:
    """The shape of a value, without what it says."""
    match value:
        case dict():
            return {name: _masked(item) for name, item in value.items()}
        case list():
            return [_masked(item) for item in value]
        case None | "":
            return value
        case _:
            return MASK


def _without(value: object, keys: Sequence[str]) -> object:
    """The value without the keys, wherever they stand in it."""
    match value:
        case dict():
            return {name: _without(item, keys) for name, item in value.items()}
        case str():
            for key in keys:
                value = value.replace(key, MASK).replace(quote(key, safe=""), MASK)
            return value
        case _:
            return value


_HEADS = {
    "question": "① 问题 question",
    "sent": "② 发出 as sent",
    "answer": "③ 应答 answer",
    "normalised": "④ 规范化 normalised",
    "evidence": "⑤ 证据 evidence",
    "facts": "⑥ 事实 facts",
}


def _print_steps(steps: Mapping[str, object]) -> None:
    for step, head in _HEADS.items():
        out.print(head, style="bold")
        for line in _lines(steps[step]):
            out.print(f"  {_tame(line)}", soft_wrap=True)


def _lines(value: object, name: str = "") -> Iterator[str]:
    """A value, a line a part."""
    match value:
        case dict() if value:
            for part, item in value.items():
                yield from _lines(item, f"{name}.{part}" if name else part)
        case list() if value:
            for place, item in enumerate(value, start=1):
                yield from _lines(item, f"{name}[{place}]")
        case None | "" | dict() | list():
            yield f"{name} —"
        case _:
            yield f"{name} = {value}"


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def _tame(text: str) -> str:
    """What a register said, with nothing in it that a terminal would obey."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
