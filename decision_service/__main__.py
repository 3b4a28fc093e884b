"""`miaopi`: what is typed becomes a call; whatever goes wrong is told in both languages."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from audit.errors import AuditError
from decision_service.cli import app
from decision_service.errors import DecisionServiceError


def main() -> None:
    """Run `miaopi`; an error of ours is printed in both languages, with what to do."""
    try:
        app()
    except (DecisionServiceError, AuditError) as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        typer.echo(f"  错误：{error.zh}", err=True)
        typer.echo(f"  {error.hint}", err=True)
        sys.exit(1)


@app.command()
def serve() -> None:
    """提供服务。Serve; every setting is an environment variable MIAOPI_… (see the README)."""
    from decision_service import service

    service.serve(os.environ, city=_city())


@app.command()
def run(
    *,
    once: Annotated[bool, typer.Option("--once", help="演示后退出。Exit after the show.")] = False,
) -> None:
    """沙盒城市。Start a sandbox city and the service, decide sample applications, keep serving."""
    from decision_service import service

    service.run(os.environ, city=_city(), once=once)


def _city() -> Path:
    """The sample city: that of the checkout, else the packaged one."""
    checkout = Path(__file__).parent.parent
    return checkout if (checkout / "rules").is_dir() else Path(__file__).parent / "city"


if __name__ == "__main__":
    main()
