"""`miaopi audit recover | backup | restore | export | …`: what operators do with a store.

Everything is said in both languages before anything is done, and nothing is done unasked.
"""

import asyncio
import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from audit import backup as copies
from audit import export as exports
from audit import migration, reapplication, recovery, renewal
from audit.figures import write_figures
from audit.trail import Trail
from audit.trail.unsealing import MASTER_KEY_FILE
from decision_service.cli import audit
from decision_service.cli.audit import (
    Anchor,
    Json,
    Store,
    disclosed_json,
    err,
    out,
    print_disclosed,
    print_json,
    refusals,
)
from decision_service.cli.service import LOCAL, Address, Token, call
from decision_service.client import Client

app = audit.app


@app.command()
def recover(
    store: Store,
    reason: Annotated[
        str, typer.Option(help="原因，永久公开 | Why; readable for ever, so name no applicant.")
    ],
    operator: Annotated[
        str, typer.Option(help="经办账号 | The account that does it.", show_default=False)
    ] = "",
    anchor: Anchor = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="不再询问 | Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """依规恢复：申明损失并继续 | Put a loss on record for ever, and go on from what is left."""
    with refusals(as_json=as_json):
        damage = recovery.survey(store, anchor=anchor)
        if not as_json:
            _print_damage(damage)
        if not yes:
            typer.confirm("记入日志并继续？| Put this on record and go on?", abort=True, err=True)
        done = recovery.recover(
            store,
            reason=reason,
            operator=operator or getpass.getuser(),
            now=datetime.now(UTC),
            anchor=anchor,
        )
    if as_json:
        print_json({"ok": True, "index": done.index, "found": list(done.found)})
        return
    out.print(f"✔ 已记入第 {done.index} 条 | on record as entry {done.index}", style="green")
    if done.old_verifier_key != done.verifier_key:
        out.print(f"! 请公布新公钥 | publish the new public key: {done.verifier_key}")


@app.command("renew-key")
def renew_key(
    store: Annotated[
        Path | None,
        typer.Option(
            help="停服时指定目录；不填则由运行中的服务更换 | While no service runs: the folder"
            " of the store. Without it the running service does it.",
            file_okay=False,
        ),
    ] = None,
    anchor: Anchor = None,
    *,
    address: Address = LOCAL,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """更换主密钥，旧备份不再能打开 | Renew the master key, so that old backups open no more."""
    if store is None:
        done: list[int] = []

        async def ask(client: Client) -> None:
            done.append(await client.renew_master_key())

        call(address, token, ask)
        index = done[0]
    else:
        with refusals(as_json=as_json):
            index = asyncio.run(renewal.renew(store, now=datetime.now(UTC), anchor=anchor))
    if as_json:
        print_json({"ok": True, "index": index})
        return
    out.print(
        f"✔ 主密钥已更换，记入第 {index} 条；请更新密钥备份，此前的备份须用其当日密钥才能打开 | the"
        f" master key is renewed, on record as entry {index}: back it up; a backup from before"
        " opens only with the key of its day",
    )


@app.command()
def create(
    store: Annotated[
        Path, typer.Option(help="密钥与锚所在的新目录 | A new folder for keys and anchor.")
    ],
    origin: Annotated[
        str, typer.Option(help="日志名称，终身唯一 | The log's name, unique for ever.")
    ],
    database: Annotated[
        str,
        typer.Option(
            envvar="MIAOPI_DATABASE",
            help="`postgresql://…`；不填则存于目录 | Where entries lie; empty: in the folder.",
        ),
    ] = "",
    anchor: Anchor = None,
    *,
    as_json: Json = False,
) -> None:
    """建新的空记录库，用数据库属主账号 | Make a new, empty trail, as the database's owner."""
    with refusals(as_json=as_json):
        Trail.create(store, origin=origin, anchor=anchor, database=database)
    if as_json:
        print_json({"ok": True, "origin": origin})
        return
    out.print(
        "✔ 已建立；数据库的权限见 audit/log/roles.sql，密钥请另行备份 | made; roles of a database"
        " are in audit/log/roles.sql, and the keys want a backup of their own",
        style="green",
    )


@app.command()
def migrate(
    store: Store,
    operator: Annotated[
        str, typer.Option(help="经办账号 | The account that does it.", show_default=False)
    ] = "",
    anchor: Anchor = None,
    *,
    as_json: Json = False,
) -> None:
    """升级旧版记录库；请先留存副本 | Bring an older store to this version; keep a copy first."""
    with refusals(as_json=as_json):
        done = migration.migrate(
            store, operator=operator or getpass.getuser(), now=datetime.now(UTC), anchor=anchor
        )
    if as_json:
        print_json({"ok": True, "from": done.schema, "index": done.index})
        return
    out.print(
        f"✔ 已从版本 {done.schema} 升级并逐条查验，记入第 {done.index} 条 | migrated from schema"
        f" {done.schema} and verified, on record as entry {done.index}",
        style="green",
    )


@app.command()
def backup(
    store: Store,
    to: Annotated[
        Path, typer.Option(help="备份目录，须尚不存在 | A folder that is not there yet.")
    ],
    with_keys: Annotated[
        str | None,
        typer.Option(
            metavar="AGE_PUBLIC_KEY",
            help="附带密钥，以此 age 公钥加密 | Take the keys along, encrypted to this age key.",
        ),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """备份，服务可照常运行 | Copy the store while its service runs, and verify the copy."""
    with refusals(as_json=as_json):
        done = copies.backup(store, to, now=datetime.now(UTC), recipient=with_keys)
    if as_json:
        print_json(
            {
                "ok": True,
                "size": done.head.size,
                "root": done.head.root.hex(),
                "sha256": done.digest,
                "keys": list(done.keys),
            }
        )
        return
    out.print(f"✔ 已备份并查验 {done.head.size} 条 | {done.head.size} entries copied and verified")
    out.print(f"  sha256 {done.digest}", soft_wrap=True)
    if not done.keys:
        out.print(
            "! 不含密钥：否则旧备份仍能打开此后删除的内容；请另行保管，或用 --with-keys | without"
            " keys, else an old backup would still open what was erased since: keep them apart, or"
            " use --with-keys"
        )
    out.print(
        "! 不含锚：锚与旧库一同放回，就看不出库是旧的 | without the anchor: put back with an old"
        " store it would hide that the store is old"
    )


@app.command()
def restore(
    store: Store,
    source: Annotated[
        Path, typer.Option("--from", help="备份目录 | Folder of the backup.", file_okay=False)
    ],
    *,
    as_json: Json = False,
) -> None:
    """放回备份；现有记录库移至一旁 | Put a backup in place, and the present store aside."""
    with refusals(as_json=as_json):
        aside = copies.restore(source, store, now=datetime.now(UTC))
    if as_json:
        print_json({"ok": True, "set_aside": None if aside is None else str(aside)})
        return
    if aside is not None:
        out.print(f"→ 原记录库移至 | the store that was there is now in {aside}", soft_wrap=True)
    out.print(
        "✔ 备份已放回。若锚见过更多记录，服务会拒绝启动，须用 `miaopi audit recover --reason`"
        " 申明损失 | the backup is in place: if the anchor has seen more, the service refuses to"
        " start until `miaopi audit recover --reason` has put the loss on record"
    )


@app.command()
def export(
    store: Store,
    to: Annotated[
        Path, typer.Option(help="导出目录，须尚不存在 | A folder that is not there yet.")
    ],
    *,
    disclosure: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="INDEX",
            help="连同密封部分，加密给该记录（miaopi audit disclose）所准予者 | With the sealed"
            " parts that this entry puts on record, encrypted to its recipient.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """导出永久部分，任何人可自行查验 | Export what is kept for ever, for anybody to verify."""
    with refusals(as_json=as_json):
        done = exports.export(store, to, now=datetime.now(UTC), disclosure=disclosure)
    if as_json:
        print_json(
            {
                "ok": True,
                "origin": done.head.origin,
                "size": done.head.size,
                "root": done.head.root.hex(),
                "releases": done.releases,
                "unsigned": done.unsigned,
                "disclosed": None if done.disclosed is None else disclosed_json(done.disclosed),
            }
        )
        return
    out.print(
        f"✔ 已导出 {done.head.size} 条、{done.releases} 个规则版本，不含个人信息 |"
        f" {done.head.size} entries and {done.releases} releases exported, nothing about who"
    )
    if done.disclosed is not None:
        print_disclosed(done.disclosed)
    if done.unsigned:
        out.print(
            f"! 末尾 {done.unsigned} 条尚未签发检查点，未导出；启动服务即会签发 | the last"
            f" {done.unsigned} entries are under no signed checkpoint yet, and were left out: start"
            " the service, which signs them",
            style="yellow",
        )


@app.command()
def figures(
    store: Store,
    to: Annotated[
        Path, typer.Option(help="输出目录，须尚不存在 | A folder that is not there yet.")
    ],
    zone: Annotated[str, typer.Option(help="城市时区 | The city's.")] = "Asia/Shanghai",
    *,
    as_json: Json = False,
) -> None:
    """写出统计数据（Parquet，按月），不含个人信息 | Write figures for DuckDB, a folder a month."""
    from decision_service.record import KINDS  # noqa: PLC0415  # heavy

    where = _zone(zone)
    with refusals(as_json=as_json):
        written = write_figures(store, to, kinds=KINDS, zone=where)
    if as_json:
        print_json({"ok": True, "months": dict(written)})
        return
    rows, months = sum(written.values()), len(written)
    out.print(
        f"✔ 已写出 {rows} 行，{months} 个月，查询见 docs/figures.sql |"
        f" {rows} rows of {months} months; queries: docs/figures.sql",
        style="green",
    )


@app.command()
def groups(
    matter: Annotated[str, typer.Argument(help="事项 | Id of the matter.")],
    grouping: Annotated[
        str, typer.Argument(help="分组，见 matters/groups.toml | By what, e.g. sex.")
    ],
    store: Store,
    city: Annotated[Path, typer.Option(help="城市文件夹 | The folder with matters/.")] = Path(),
    *,
    since: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m"], help="起始月份 | From this month on."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m"], help="截止月份（含） | To this month's end."),
    ] = None,
    zone: Annotated[str, typer.Option(help="城市时区 | The city's.")] = "Asia/Shanghai",
    as_json: Json = False,
) -> None:
    """分组统计决定结果，人数过少的组合并 | Count outcomes by group of applicants; never who."""
    from decision_service.cli import groups as grouped  # noqa: PLC0415  # heavy

    grouped.print_groups(
        store, city, (matter, grouping), (since, until), _zone(zone), as_json=as_json
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise typer.BadParameter(f"没有此时区 | there is no such zone: {name}") from None


@app.command("erase-again")
def erase_again(
    store: Store,
    source: Annotated[
        Path,
        typer.Option(
            "--from",
            help="移至一旁的原记录库，或其导出 | The store that was set aside, or an export of it.",
            file_okay=False,
        ),
    ],
    operator: Annotated[
        str, typer.Option(help="经办账号 | The account that does it.", show_default=False)
    ] = "",
    anchor: Anchor = None,
    *,
    as_json: Json = False,
) -> None:
    """放回备份之后，重新执行其后的删除 | After a restore, erase again what was erased since."""
    with refusals(as_json=as_json):
        done = reapplication.reapply(
            store,
            source,
            operator=operator or getpass.getuser(),
            now=datetime.now(UTC),
            anchor=anchor,
        )
    if as_json:
        print_json({"ok": True, "index": done.index, "erased": list(done.erased)})
        return
    if not done.erased:
        out.print("✔ 无须重新删除 | there is nothing to erase again", style="green")
        return
    out.print(
        f"✔ 已重新删除 {len(done.erased)} 条中的个人信息，记入第 {done.index} 条 | erased again"
        f" from {len(done.erased)} entries, on record as entry {done.index}",
        style="green",
    )


_LOSSES = {"STORE_BEHIND_ANCHOR", "STORE_BEHIND_CHECKPOINT", "STORE_FORKED"}


def _print_damage(damage: recovery.Damage) -> None:
    for refusal in damage.against:
        err.print(f"✘ {refusal} ({refusal.reason})", style="red")
        err.print(f"  {refusal.zh}")
    size = damage.head.size
    err.print(f"→ 将从 {size} 条记录继续 | the log will go on from {size} entries")
    if any(refusal.reason in _LOSSES for refusal in damage.against):
        err.print(
            "! 丢失的记录中若有删除，恢复后须用 `miaopi audit erase-again` 重新执行 | if an erasure"
            " is among what is lost, do it again afterwards: `miaopi audit erase-again`",
            style="yellow",
        )
    if MASTER_KEY_FILE in damage.lost_keys:
        err.print(
            "! 主密钥已失：此前的密封内容再也打不开，重复申领与重复请求也不能再自动识别 | the"
            " master key is lost: no sealed part so far will ever open again, and neither grants"
            " given before nor repeated requests will be recognised",
            style="yellow",
        )
    if damage.standing.signer is None:
        err.print(
            "! 将生成新的签名密钥，须公布新公钥；旧回执仍以旧公钥查验 | a new signing key will be"
            " made and its public key must be published; old receipts verify with the old one",
            style="yellow",
        )
