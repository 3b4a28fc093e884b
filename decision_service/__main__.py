"""`miaopi`: what is typed becomes a call; whatever goes wrong is told in both languages."""

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.errors import AuditError
from decision_service.cli import app
from decision_service.errors import DecisionServiceError

if TYPE_CHECKING:
    from decision_service.settings import Settings


def main() -> None:
    """Run `miaopi`; an error of ours is printed in both languages, with what to do."""
    try:
        app(obj=_settings)
    except (DecisionServiceError, AuditError) as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        typer.echo(f"  错误：{error.zh}", err=True)
        typer.echo(f"  {error.hint}", err=True)
        sys.exit(1)


@app.command()
def serve() -> None:
    """提供服务 | Serve; every setting is an environment variable MIAOPI_… (see the README)."""
    _start()
    from decision_service import service

    service.serve(os.environ, city=_city())


@app.command()
def run(
    *,
    once: Annotated[bool, typer.Option("--once", help="演示后退出 | Exit after the show.")] = False,
) -> None:
    """沙盒城市 | Start a sandbox city and the service, decide sample applications, keep serving."""
    _start()
    from decision_service import service

    service.run(os.environ, city=_city(), once=once)


@app.command()
def doctor(
    store: Annotated[
        Path, typer.Option(help="决定记录所在目录 | Folder of the store.", file_okay=False)
    ],
    anchor: Annotated[
        Path | None, typer.Option(envvar="MIAOPI_ANCHOR", help="锚文件 | The anchor's file.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON | Print JSON.")] = False,
) -> None:
    """诊断记录库 | Say whether a store is sound, and what to do about each thing that is not."""
    from decision_service.cli import doctor

    doctor.doctor(store, anchor, as_json=as_json)


def _settings() -> "Settings":
    """What the environment says, for the commands that do an operator's work."""
    from decision_service.settings import read_settings

    return read_settings(os.environ, city=_city())


def _start() -> None:
    """Nothing of a start is garbage: the service turns the collector on when it is composed."""
    gc.disable()


def _city() -> Path:
    """The sample city: that of the checkout, else the packaged one."""
    checkout = Path(__file__).parent.parent
    return checkout if (checkout / "rules").is_dir() else Path(__file__).parent / "city"


if __name__ == "__main__":
    main()
