"""`miaopi`: what people type. Rules and proofs need no service; the rest asks one."""

import re
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_group

from decision_service.cli import service

app = typer.Typer(
    name="miaopi",
    help="秒批：即时决定，可证可查 | Decides applications at once, and proves it afterwards.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for command in (service.matters, service.prefill, service.decide):
    app.command()(command)


_CASE = re.compile(r"[0-9a-f]{32}\Z|[0-9]{8}(-[0-9A-Z]{4}){2}\Z")
"""The id of a case, or its number on a notice."""


class _Later(TyperGroup):
    """A group whose module is imported when one of its commands is typed (ADR 8)."""

    module: ClassVar[str]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer keeps the type to itself
        """Fetch the commands before anything is read as one of them."""
        self.commands = get_group(import_module(self.module).app).commands
        return super().parse_args(ctx, args)


class _Case(_Later):
    module = "decision_service.cli.case"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as above
        """``miaopi case CASE`` shows the case."""
        if args and _CASE.match(args[0]):
            args = ["show", *args]
        return super().parse_args(ctx, args)


class _Aftercare(_Later):
    module = "decision_service.cli.aftercare"


class _Rules(_Later):
    module = "decision_service.cli.rules"


class _Receipts(_Later):
    module = "decision_service.cli.receipts"


class _Counter(_Later):
    module = "decision_service.cli.counter"


class _Offers(_Later):
    module = "decision_service.cli.offers"


class _Mandates(_Later):
    module = "decision_service.cli.mandates"


class _Stops(_Later):
    module = "decision_service.cli.stops"


class _Registers(_Later):
    module = "decision_service.cli.registers"


class _Audit(_Later):
    module = "decision_service.cli.keeping"


for name, group, meaning in (
    (
        "case",
        _Case,
        "办件：查看、撤回、要求人工、提出异议 | A case, and what its applicant can do.",
    ),
    ("aftercare", _Aftercare, "决定之后：送达、变更、校核、核查 | After the decision."),
    ("offers", _Offers, "免申即享：主动告知、查看、谢绝 | Offer a matter to who qualifies."),
    ("mandates", _Mandates, "委托代办：委托、撤销、查看 | Let somebody act for a person."),
    ("stops", _Stops, "紧急暂停、重新审查 | Stop a matter; two lift it; decide again by hand."),
    ("rules", _Rules, "规则文件 | Check, test and explain rule files; needs no service."),
    ("registers", _Registers, "登记册 | List, check and try the registers of the city."),
    ("receipt", _Receipts, "回执 | Fetch the receipt of a decision, and prove it."),
    (
        "counter",
        _Counter,
        "窗口：认领、查阅、决定与复核 | The counter: claim, open, decide, check.",
    ),
    ("audit", _Audit, "查询、重现、查验与保管决定记录 | Query, replay, check and keep the record."),
):
    app.add_typer(typer.Typer(cls=group, help=meaning, no_args_is_help=True), name=name)
