"""`miaopi audit show | verify | open`: checking the record offline, trusting nobody.

Nothing here writes, or asks a service; and only `open` shows personal data, to whom it was given.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from audit.disclosure import Disclosed, open_disclosed, verify_disclosure
from audit.errors import AuditError
from audit.trail.manifest import manifest_digest
from audit.trail.receipts import RECEIPT_CHARACTERS
from audit.trail.recoveries import Recovery
from audit.verify import SHUT, Depth, EntryReport, Report, is_export
from audit.verify import verify_entry as _verify_entry
from audit.verify import verify_export as _verify_export
from audit.verify import verify_store as _verify_store

app = typer.Typer()

out = Console(markup=False, highlight=False, emoji=False)
err = Console(markup=False, highlight=False, emoji=False, stderr=True)

Store = Annotated[
    Path,
    typer.Option(help="决定记录所在目录 | Folder of the store, or of a copy.", file_okay=False),
]
StoreOrExport = Annotated[
    Path,
    typer.Option(
        help="决定记录、其副本或导出所在目录 | Folder of the store, a copy, or an export.",
        file_okay=False,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(help="主管部门公布的公钥 | The log's public key as the authority publishes it."),
]
Anchor = Annotated[
    Path | None,
    typer.Option(envvar="MIAOPI_ANCHOR", help="锚文件 | The anchor's file.", dir_okay=False),
]
Json = Annotated[bool, typer.Option("--json", help="输出 JSON | Print JSON.")]


@app.command()
def show(
    index: Annotated[int, typer.Argument(metavar="INDEX", help="序号 | Index of the entry.")],
    store: StoreOrExport,
    key: Key = None,
    *,
    as_json: Json = False,
) -> None:
    """显示一条记录的永久部分并查验 | Show an entry's permanent part, and prove it is in the log."""
    with refusals(as_json=as_json):
        report = _verify_entry(store, index, key=key)
    if as_json:
        print_json(_entry_json(report))
        return
    rows = table()
    for name, value in _entry_json(report).items():
        rows.add_row(name, cell(value))
    out.print(rows)
    out.print("✔ 已证明在日志中 | proven to be in the log", style="green")


@app.command()
def verify(
    context: typer.Context,
    store: StoreOrExport,
    *,
    key: Key = None,
    anchor: Anchor = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="另处保存的已签检查点 | A signed checkpoint that was kept elsewhere.",
            dir_okay=False,
        ),
    ] = None,
    depth: Annotated[
        Depth,
        typer.Option(
            help="查到哪一层：tree 只查哈希树、锚与签名；rows 加查旁存的各行；sealed 再打开密封部分"
            "，即全部 | How deep: `tree` checks hashes, anchor and signature; `rows` also what lies"
            " beside; `sealed` also opens the sealed parts, which is everything."
        ),
    ] = Depth.SEALED,
    processes: Annotated[
        int,
        typer.Option(
            help="至多用几个进程；0 为每核一个 | So many processes at most; 0: one a core.", min=0
        ),
    ] = 0,
    identity: Annotated[
        Path | None,
        typer.Option(
            help="审计人员的 age 私钥文件：连同密封部分一并查验 | The auditor's age identity: opens"
            " and checks the sealed parts of an export, too.",
            dir_okay=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """逐条重算并查验记录 | Derive everything again from the entries, and compare."""
    bar = Progress(
        "查验 checking", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err
    )
    with refusals(as_json=as_json), bar:
        if manifest_digest(store) is not None and _is_of_environment(context, "anchor"):
            anchor = None  # the service's own, which has seen more than a backup
        task, note = bar.add_task(""), None if checkpoint is None else text_of(checkpoint)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        if is_export(store):
            report = _verify_export(store, key=key, checkpoint=note, depth=depth, progress=tell)
        else:
            report = _verify_store(
                store,
                key=key,
                anchor=anchor,
                checkpoint=note,
                depth=depth,
                processes=processes or os.cpu_count() or 1,
                progress=tell,
            )
        disclosed = None
        if identity is not None and not report.problems:
            disclosed = verify_disclosure(store, identity, progress=tell)
            unchecked = tuple(one for one in report.unchecked if one != SHUT)
            report = replace(report, problems=tuple(disclosed.problems), unchecked=unchecked)
    if as_json:
        said = {} if disclosed is None else {"disclosed": disclosed_json(disclosed)}
        print_json({**_report_json(report), **said})
    else:
        _print_report(report, depth)
        if disclosed is not None:
            print_disclosed(disclosed)
    if report.problems:
        raise typer.Exit(1)


@app.command("open")
def open_(
    index: int,
    store: Store,
    identity: Annotated[
        Path, typer.Option(help="审计人员的 age 私钥文件 | The auditor's identity.", dir_okay=False)
    ],
    key: Key = None,
) -> None:
    """审计人员打开导出中的密封部分（个人信息）| Open an entry's sealed part in an export."""
    with refusals(as_json=False):
        report = _verify_export(store, key=key)
        if report.problems:
            _print_report(report, Depth.TREE)
            raise typer.Exit(1)
        found = open_disclosed(store, identity, index)
    print_json({"subject": found.subject, "notice": found.notice, "sealed": found.sealed})


def _is_of_environment(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "ENVIRONMENT"


def print_disclosed(found: Disclosed) -> None:
    """Say what of the sealed parts was written, or found."""
    out.print(
        f"  依第 {found.index} 条披露的密封部分 {found.opened} 份，已删除 {found.erased}，密钥已失"
        f" {found.lost} | sealed parts: {found.opened}, on record as entry {found.index}; erased:"
        f" {found.erased}, key lost: {found.lost}",
        soft_wrap=True,
    )


def disclosed_json(found: Disclosed) -> dict[str, int]:
    """The same as JSON."""
    return {
        "index": found.index,
        "opened": found.opened,
        "erased": found.erased,
        "lost": found.lost,
    }


def text_of(file: Path) -> str:
    """The text of a file, or enough of it to be refused."""
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            return opened.read(RECEIPT_CHARACTERS + 1)
    except UnicodeDecodeError:
        return ""
    except OSError as error:
        err.print(f"✘ 读不到文件 | cannot read `{file}`: {error.strerror}", style="red")
        raise typer.Exit(2) from None


@contextmanager
def refusals(*, as_json: bool) -> Iterator[None]:
    """Say what is wrong and what to do about it, and exit with 1."""
    try:
        yield
    except AuditError as error:
        _refuse(error, as_json=as_json)


def _refuse(error: AuditError, *, as_json: bool) -> NoReturn:
    if as_json:
        print_json(
            {"ok": False, "reason": error.reason, "message": str(error), "message_zh": error.zh}
        )
    else:
        err.print(f"✘ 未通过 | failed: {error} ({error.reason})", style="red")
        err.print(f"  {error.zh}")
        err.print(f"  {error.hint}")
    raise typer.Exit(1) from None


def _print_report(report: Report, depth: Depth) -> None:
    rows = table()
    rows.add_row("日志 origin", report.derived.origin)
    rows.add_row("记录数 entries", str(report.derived.size))
    rows.add_row("根 root", report.derived.root.hex())
    rows.add_row("签名覆盖 signed", str(report.signed_size))
    rows.add_row("查到 depth", report.depth)
    out.print(rows)
    for one in report.recoveries:
        out.print(f"! 恢复 | recovery: {_recovery_line(one)}", style="yellow")
    for left in report.unchecked:
        out.print(f"! 未查验 | not checked: {left}", style="yellow")
    if not report.problems:
        said = (
            "全部一致 | everything follows from the entries"
            if depth is Depth.SEALED
            else "所查各项一致 | all that was checked follows from the entries"
        )
        out.print(f"✔ {said}", style="green")
        return
    found = Table("序号 index", "问题 problem")
    for problem in report.problems[:20]:
        found.add_row(
            "—" if problem.index is None else str(problem.index), f"{problem.zh}\n{problem.what}"
        )
    out.print(found)
    out.print(
        f"✘ {len(report.problems)} 处不一致 | problems; 首条 first bad index:"
        f" {'—' if report.first_bad_index is None else report.first_bad_index}",
        style="red",
    )


def _recovery_line(one: Recovery) -> str:
    """Where, when, by whom and why the log went on after a loss, and what was lost."""
    lost = f"丢失 lost {one.lost[0]}–{one.lost[-1]}; " if one.lost else ""
    keys = "".join(f"丢失 lost {name}; " for name in one.lost_keys)
    when = one.time.isoformat(timespec="seconds")
    return f"#{one.index}, {when}, {one.operator}: {lost}{keys}{one.reason}"


def _recovery_json(one: Recovery) -> dict[str, Any]:
    return {
        "index": one.index,
        "time": one.time.isoformat(),
        "operator": one.operator,
        "reason": one.reason,
        "found": list(one.found),
        "known_size": one.known_size,
        "lost_keys": list(one.lost_keys),
        "old_anchor": one.anchor,
        "old_checkpoint": one.checkpoint,
        "old_verifier_key": one.old_verifier_key,
        "verifier_key": one.verifier_key,
    }


def _report_json(report: Report) -> dict[str, Any]:
    return {
        "ok": not report.problems,
        "origin": report.derived.origin,
        "size": report.derived.size,
        "root": report.derived.root.hex(),
        "depth": report.depth,
        "signed_size": report.signed_size,
        "first_bad_index": report.first_bad_index,
        "problems": [{"index": p.index, "what": p.what, "what_zh": p.zh} for p in report.problems],
        "unchecked": list(report.unchecked),
        "recoveries": [_recovery_json(one) for one in report.recoveries],
    }


def _entry_json(report: EntryReport) -> dict[str, Any]:
    return {
        "index": report.index,
        "type": report.leaf.type,
        "id": report.leaf.id,
        "time": report.leaf.time.isoformat(),
        "permanent": report.leaf.permanent,
        "leaf_hash": report.leaf_hash.hex(),
        "origin": report.checkpoint.origin,
        "tree_size": report.checkpoint.size,
        "root": report.checkpoint.root.hex(),
    }


def table() -> Table:
    """Two columns, a name and what is said of it."""
    rows = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    return rows


def cell(value: object) -> str:
    """A value as it stands in the second column."""
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, indent=2)
    return str(value)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
