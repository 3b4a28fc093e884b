"""`miaopi doctor`: whether a store is sound, and what to do about each thing that is not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import typer

from audit.doctor import Diagnosis, Finding, Level, diagnose
from decision_service.cli.audit import out, print_json, refusals, table

_SIGNS = {Level.STOP: ("✘", "red"), Level.WARN: ("!", "yellow"), Level.NOTE: ("·", "")}


def doctor(store: Path, anchor: Path | None, *, as_json: bool) -> None:
    """Print what was found; exits with 1 if the service refuses, or would."""
    with refusals(as_json=as_json):
        found = diagnose(store, now=datetime.now(UTC), anchor=anchor)
    if as_json:
        print_json(_json(found))
    else:
        _print(found)
    if not found.sound:
        raise typer.Exit(1)


def _print(found: Diagnosis) -> None:
    facts = table()
    head = found.head
    facts.add_row("日志 origin", "—" if head is None else head.origin)
    facts.add_row("记录数 entries", "—" if head is None else str(head.size))
    facts.add_row("入锚 anchored", _or_none(found.anchored_size))
    facts.add_row("已签 signed", _or_none(found.signed_size))
    facts.add_row("检查点 checkpoint", _age(found.checkpoint_age))
    facts.add_row("服务 service", _service(found.holder))
    facts.add_row("空闲 free", f"{found.free_bytes >> 20} MiB")
    facts.add_row("WAL", f"{found.wal_bytes >> 10} KiB")
    facts.add_row("在办 in flight", str(found.inflight))
    out.print(facts)
    for finding in found.findings:
        sign, style = _SIGNS[finding.level]
        out.print(f"{sign} {finding.message} ({finding.reason})", style=style or None)
        out.print(f"  {finding.zh}")
        out.print(f"  {finding.hint}")
    if found.sound:
        out.print(
            "✔ 可以启动；逐条查验请用 `miaopi audit verify` | fit to serve; `miaopi audit verify`"
            " checks every entry",
            style="green",
        )


def _json(found: Diagnosis) -> dict[str, object]:
    head, age = found.head, found.checkpoint_age
    return {
        "ok": found.sound,
        "origin": None if head is None else head.origin,
        "size": None if head is None else head.size,
        "root": None if head is None else head.root.hex(),
        "schema": found.schema,
        "anchored_size": found.anchored_size,
        "signed_size": found.signed_size,
        "checkpoint_age_s": None if age is None else round(age.total_seconds()),
        "service_running": found.holder is not None,
        "service_process": found.holder or None,
        "free_bytes": found.free_bytes,
        "wal_bytes": found.wal_bytes,
        "inflight": found.inflight,
        "recoveries": [one.index for one in found.recoveries],
        "findings": [_finding(one) for one in found.findings],
    }


def _finding(one: Finding) -> dict[str, str]:
    return {
        "level": one.level.value,
        "reason": one.reason,
        "message": one.message,
        "message_zh": one.zh,
        "hint": one.hint,
    }


def _or_none(number: int | None) -> str:
    return "无 none" if number is None else str(number)


def _age(age: timedelta | None) -> str:
    return "无 none" if age is None else f"{age.total_seconds():.0f} 秒前 s ago"


def _service(holder: str | None) -> str:
    if holder is None:
        return "未运行 not running"
    return f"运行中 running, 进程 process {holder or '?'}"
