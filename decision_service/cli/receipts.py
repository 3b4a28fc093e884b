"""`miaopi receipt`: a receipt is fetched from the service, and proven without it.

A receipt is the person's own, so here alone personal data is shown.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from audit.verify import ReceiptReport, verify_receipt, verify_receipt_in
from decision_service.cli import service
from decision_service.cli.audit import Json, Key, cell, out, print_json, refusals, table, text_of

app = typer.Typer()
app.command("get")(service.receipt_get)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="回执文件 | The receipt.", dir_okay=False)],
    key: Key = None,
    store: Annotated[
        Path | None,
        typer.Option(
            help="决定记录所在目录，查验其是否仍含该记录 | Whether this store still holds it.",
            file_okay=False,
        ),
    ] = None,
    as_json: Json = False,  # noqa: FBT002  # typer's way of a flag
) -> None:
    """查验回执 | Check that this person got this notice, and that the log holds it."""
    with refusals(as_json=as_json):
        text = text_of(file)
        report = (
            verify_receipt(text, key=key)
            if store is None
            else verify_receipt_in(store, text, key=key)
        )
    if as_json:
        print_json(_receipt_json(report))
        return
    rows = table()
    for name, value in _receipt_json(report).items():
        rows.add_row(name, cell(value))
    out.print(rows)
    out.print("✔ 回执有效 | the receipt holds", style="green")
    if not report.key_is_given:
        out.print(
            "! 公钥取自回执本身，请与主管部门公布的核对 | the public key is the receipt's own:"
            " compare it with the one that the authority publishes (--key)",
            style="yellow",
        )


def _receipt_json(report: ReceiptReport) -> dict[str, Any]:
    return {
        "ok": True,
        "origin": report.origin,
        "index": report.index,
        "tree_size": report.tree_size,
        "leaf_hash": report.leaf_hash.hex(),
        "type": report.type,
        "time": report.time.isoformat(),
        "subject": report.subject,
        "notice": report.notice,
        "permanent": report.permanent,
        "verifier_key": report.verifier_key,
        "key_is_given": report.key_is_given,
    }
