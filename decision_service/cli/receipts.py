"""`miaopi receipt`: a receipt is fetched from the service, and proven without it."""

import typer

from decision_service.cli import audit, service

app = typer.Typer()
app.command("get")(service.receipt_get)
app.command("verify")(audit.verify_receipt)
