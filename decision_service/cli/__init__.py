"""`miaopi`: what people type. Rules and proofs need no service; the rest asks one."""

import typer

from decision_service.cli import audit, rules, service

app = typer.Typer(
    name="miaopi",
    help="秒批：即时决定，可证可查 | Decides applications at once, and proves it afterwards.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.add_typer(rules.app, name="rules")
app.add_typer(audit.app, name="audit")
audit.receipt_app.command("get")(service.receipt_get)
app.add_typer(audit.receipt_app, name="receipt")
for command in (service.matters, service.prefill, service.decide, service.case):
    app.command()(command)
