"""`miaopi audit recover`: what an operator does to a store that a service is not using.

Everything is said in both languages before anything is done, and nothing is done unasked.
"""

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from audit import recovery
from audit.trail.unsealing import MASTER_KEY_FILE
from decision_service.cli import audit
from decision_service.cli.audit import Anchor, Json, Store, err, out, print_json, refusals

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


def _print_damage(damage: recovery.Damage) -> None:
    for refusal in damage.against:
        err.print(f"✘ {refusal} ({refusal.reason})", style="red")
        err.print(f"  {refusal.zh}")
    size = damage.head.size
    err.print(f"→ 将从 {size} 条记录继续 | the log will go on from {size} entries")
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
