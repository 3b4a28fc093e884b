"""How answers of the service look on a terminal: both languages, nothing left out."""

import json
import re
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, TypeVar

import typer
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.containers import Lines
from rich.panel import Panel
from rich.table import Table
from rich.text import Text as Words

from decision_service.client import (
    Case,
    CaseEvent,
    ClientError,
    Contradiction,
    Date,
    Decision,
    Determination,
    EvidenceStatus,
    Freshness,
    Matter,
    PrefilledField,
    PrefillResponse,
    Reason,
    ReplacedDocument,
    Text,
    as_json,
)

if TYPE_CHECKING:
    from rich.console import JustifyMethod, OverflowMethod
    from rich.progress import Progress

Shown = TypeVar("Shown", bound=Message)

out = Console(markup=False, highlight=False, emoji=False)
err = Console(markup=False, highlight=False, emoji=False, stderr=True)

_OUTCOMES = {
    "approved": ("准予", "approved", "green"),
    "refused": ("不予", "refused", "red"),
    "referred": ("转人工办理", "referred to a person", "yellow"),
    "needs_correction": ("请补正", "needs correction", "yellow"),
    "waiting": ("等待数据源", "waiting for a source", "blue"),
}


def _without_blanks_beyond(self: Words, size: int) -> None:
    """Take blanks away at the end of a line, where it is longer than so many cells."""
    blanks = len(self.plain) - len(self.plain.rstrip())
    if (beyond := min(blanks, self.cell_len - size)) > 0:
        self.right_crop(beyond)


# Rich counts characters there, so a line with Chinese kept its blank and lost a letter instead.
Words.rstrip_end = _without_blanks_beyond  # type: ignore[method-assign]


def _folded(  # rich's own arguments
    self: Words,
    console: Console,
    width: int,
    *,
    justify: "JustifyMethod | None" = None,
    overflow: "OverflowMethod | None" = None,
    tab_size: int = 8,
    no_wrap: bool | None = None,
) -> Lines:
    """Go on in the next line with a word that is wider than its column, instead of cutting it."""
    overflow = "fold" if overflow == "ellipsis" else overflow
    return _wrap(
        self, console, width, justify=justify, overflow=overflow, tab_size=tab_size, no_wrap=no_wrap
    )


# Rich parts words at blanks, and so took half a sentence of Chinese from the tables of a help.
_wrap = Words.wrap
Words.wrap = _folded  # type: ignore[method-assign]


_PIECE = re.compile(r"(?:[!-~]+|[^\n])[，。；：、）】》”]*")
"""What no line is broken within: an English word or one character, and what closes it."""


class Prose:
    """Words in Chinese or English, broken where their language is; rich breaks at blanks alone."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[Words]:
        """The lines, none wider than there is room."""
        for paragraph in self._text.split("\n"):
            line = ""
            for piece in _PIECE.findall(paragraph):
                if line and cell_len(line + piece) > options.max_width:
                    yield Words(line.rstrip())
                    line = "" if piece == " " else piece
                else:
                    line += piece
            yield Words(line)


def both(text: Text) -> str:
    """Words in both languages, once where they are the same."""
    return " ".join(dict.fromkeys(part for part in (text.zh, text.en) if part))


def matters(found: Iterable[Matter]) -> RenderableType:
    """A list of matters."""
    table = grid("事项 Matter", "名称 Name", "主管部门 Authority", "生效 From", "方式 Modes")
    for one in found:
        table.add_row(
            one.id,
            both(one.name),
            both(one.competent_authority),
            day(one.rules_effective_date),
            ", ".join(one.modes),
        )
    return table


def matter(one: Matter) -> RenderableType:
    """One matter with everything but its form."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in (
        ("名称 Name", both(one.name)),
        ("主管部门 Authority", both(one.competent_authority)),
        ("版本 Release", f"{one.id}@{day(one.rules_effective_date)}"),
        ("摘要 Digest", one.release_digest.hex()),
        ("依据 Law", "; ".join(one.legal_resources)),
        ("方式 Modes", ", ".join(one.modes)),
        ("告知书 Notice", one.consent_notice_version),
        ("查询 Registers", ", ".join(one.evidence_types)),
        ("申请人 Applicants", ", ".join(one.applicants)),
        (
            f"免交 {len(one.replaces)} 份 No longer brought",
            "; ".join(both(paper.name) for paper in one.replaces),
        ),
        ("承诺时限 Promised", f"{one.promised_limit.days} {one.promised_limit.unit} days"),
        ("复议 Reconsideration", both(one.remedies.reconsideration_organ)),
        ("诉讼 Litigation", both(one.remedies.litigation_court)),
    ):
        table.add_row(Words(name, style="dim"), Words(value))
    return table


class Prefilled:
    """A form that fills while registers answer; feed it every message of the stream.

    Args:
        form_json_schema: Of the matter; it names what is left to the applicant.
    """

    def __init__(self, form_json_schema: str) -> None:
        fields = json.loads(form_json_schema)["properties"]
        self._titles = {key: field.get("title", "") for key, field in fields.items()}
        self._case = ""
        self._answers: dict[str, str] = {}
        self._fields: dict[str, PrefilledField] = {}
        self._declared: tuple[str, ...] = ()
        self._replaced = ""

    def feed(self, message: PrefillResponse) -> RenderableType:
        """Take in one message and show all that is known so far."""
        match message.WhichOneof("event"):
            case "started":
                self._case = f"{message.started.case_id}  {message.started.case_number}"
                self._answers = dict.fromkeys(message.started.evidence_types, "…")
            case "evidence":
                evidence = message.evidence.evidence
                self._answers[evidence.evidence_type] = _status(evidence.status)
                self._fields |= {field.key: field for field in message.evidence.fields}
            case "completed":
                self._fields = {field.key: field for field in message.completed.fields}
                self._declared = tuple(message.completed.declared_fields)
                self._replaced = replaced(message.completed.replaced)
            case None:
                pass
        return self._shown()

    def _shown(self) -> RenderableType:
        asked = grid("登记机关 Register", "答复 Answer")
        for name, answer in self._answers.items():
            asked.add_row(name, answer)
        fields = grid("字段 Field", "名称 Name", "值 Value", "来源 Source")
        for field in self._fields.values():
            shown = both(field.display) if not field.why else f"— {field.why}"
            if field.HasField("contradiction"):
                shown += f" ({claims(field.contradiction)})"
            fields.add_row(field.key, both(field.name), shown, field.evidence_type)
        for key in self._declared:
            name = self._titles.get(key, "").replace(" | ", " ")
            fields.add_row(key, name, Words("请填写 to be filled in", style="dim"), "")
        return Group(Words(f"办件 Case  {self._case}"), asked, fields, Words(self._replaced))


def outcome(one: Decision) -> str:
    """How a decision came out, on one line, with what it grants."""
    kind = one.WhichOneof("outcome") or ""
    zh, en, _ = _OUTCOMES[kind]
    granted = [f"{both(each.name)} {both(each.display)}" for each in one.approved.grant]
    return "  ".join(part.strip() for part in (f"{zh} {en}", one.case_number, *granted))


def replaced(papers: Sequence[ReplacedDocument]) -> str:
    """How many papers nobody has to bring, and which; empty if none."""
    if not papers:
        return ""
    named = "; ".join(both(paper.name) for paper in papers)
    return f"免交材料 {len(papers)} 份 papers not brought: {named}"


def claims(found: Contradiction) -> str:
    """What each of the registers says that do not agree."""
    return "; ".join(f"{both(one.name)}: {both(one.display)}" for one in found.claims)


def _checking(found: Contradiction) -> str:
    """Whose record is checked, under which number, and what they found."""
    told = f"{both(found.owner)}  {found.check.ticket}".strip()
    if not found.check.HasField("answer_time"):
        return told
    return f"{told}\n已核实，记载无误 checked, it stands: {found.check.text}"


def reasons(one: Decision) -> tuple[Reason, ...]:
    """Why a decision came out as it did."""
    return tuple(getattr(one, one.WhichOneof("outcome") or "").reasons)


def decision(one: Decision) -> RenderableType:
    """A decision with its grant, its reasons and the notice."""
    kind = one.WhichOneof("outcome") or ""
    zh, en, colour = _OUTCOMES[kind]
    parts: list[RenderableType] = [
        Words(f"{zh} {en}", style=f"bold {colour}"),
        Words(f"办件 Case  {one.case_id}  {one.case_number}"),
        Words(
            f"规则 Rules  {one.matter}@{day(one.rules_effective_date)}"
            f"  回执 Receipt  #{one.receipt.index}"
        ),
    ]
    if one.HasField("determination"):
        parts.append(Words(_by_person(one.determination)))
    if one.approved.grant:
        granted = grid("准予 Granted", "值 Value")
        for grant in one.approved.grant:
            granted.add_row(both(grant.name), both(grant.display))
        parts.append(granted)
    if one.replaced:
        parts.append(Words(replaced(one.replaced)))
    parts.append(reason_table(getattr(one, kind).reasons))
    if one.contradictions:
        disputed = grid("记载不一致 Contradiction", "各方记载 Claims", "请核实 Asked to check")
        for each in one.contradictions:
            disputed.add_row(both(each.name), claims(each), _checking(each))
        parts.append(disputed)
    asked = grid("登记机关 Register", "答复 Answer", "取得方式 Obtained")
    for evidence in one.evidence:
        obtained = Freshness.Name(evidence.freshness).removeprefix("FRESHNESS_").lower()
        asked.add_row(evidence.evidence_type, _status(evidence.status), obtained)
    return Group(*parts, asked, notice(one.notice))


def notice(text: Text) -> RenderableType:
    """What somebody is told, in both languages."""
    return Panel(Prose(f"{text.zh}\n\n{text.en}"))


def _by_person(one: Determination) -> str:
    """That persons decided, how many, and on which ground."""
    how = "双人 two persons" if one.two_persons else "一人 one person"
    against = f"  改判 override: {one.ground} {one.citation}".rstrip() if one.overrides else ""
    return f"人工决定 Decided by a person ({how}){against}"


def print_case(one: Case, *, json: bool) -> None:
    """Print a case, or its message in JSON."""
    out.print(as_json(one) if json else case(one), soft_wrap=json)


def case_head(one: Case) -> RenderableType:
    """A case on one line: how far it is, and how its grant stands."""
    state = Case.State.Name(one.state).removeprefix("STATE_")
    standing = Case.Standing.Name(one.standing).removeprefix("STANDING_")
    stands = standing if one.standing > Case.STANDING_NONE else ""
    parts = (f"办件 Case  {one.case_id}", one.case_number, one.matter, state, stands)
    return Words("  ".join(part for part in parts if part))


def case(one: Case) -> RenderableType:
    """A case with every decision and all that has followed, the newest last."""
    terms = [
        f"#{served.decision_index} 送达 served {day(served.served_date)}  "
        f"行政复议至 reconsideration until {day(served.reconsideration_until)}  "
        f"行政诉讼至 litigation until {day(served.litigation_until)}"
        for served in one.served
    ]
    return Group(
        case_head(one),
        *(decision(each) for each in one.decisions),
        *([events(one.events)] if one.events else []),
        *map(Words, terms),
    )


_EVENTS = {
    "withdrawn": "撤回申请 withdrawn",
    "review_requested": "要求人工 a person asked for",
    "contested": "提出异议 contested",
    "ticket_resolved": "核实结果 checked",
    "delivered": "送达 delivered",
    "standing_changed": "准予变动 grant changed",
    "reopened": "重新审查 looked at again",
}


def events(found: Iterable[CaseEvent]) -> Table:
    """What has followed on a case, with what the applicant was told by it."""
    table = grid("时间 Time", "事件 Event", "内容 What")
    for one in found:
        kind = one.WhichOneof("event") or ""
        told = getattr(one, kind)
        words = [
            f"{name}={value}"
            for name in ("ticket", "channel", "act", "legal_basis", "text")
            if (value := _told(told, name))
        ]
        what = [_told(told, "notice") or _told(told, "reason"), "  ".join(words)]
        table.add_row(time(one.time), _EVENTS.get(kind, kind), "\n".join(filter(None, what)))
    return table


def _told(event: Message, name: str) -> str:
    """What an event says under a name; empty if nothing."""
    field = event.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        return ""
    value = getattr(event, name)
    if field.enum_type is not None:
        word: str = field.enum_type.values_by_number[value].name
        return word.lower().partition("_")[2]
    return both(value) if isinstance(value, Text) else str(value)


@contextmanager
def refusals(request_id: str = "") -> Iterator[None]:
    """Say the service's no in both languages, and end with 1."""
    try:
        yield
    except ClientError as found:
        err.print(error(found, request_id))
        raise typer.Exit(1) from None


def error(found: ClientError, request_id: str) -> RenderableType:
    """What went wrong, in both languages, and what to do; and how to ask for the same again."""
    names = " ".join(dict.fromkeys(one for one in (found.code, found.reason) if one))
    lines = [
        f"错误 {found.zh}",
        f"error: {found.message} ({names})",
        f"hint: {found.hint}",
        *(f"  {one.field}: {one.message} | {one.zh}" for one in found.fields),
    ]
    if named := request_id or found.request_id:
        lines.append(f"request_id: {named}")
    return Words("\n".join(lines))


def reason_table(reasons: Iterable[Reason]) -> Table:
    """Reasons with what they rest on and their law."""
    table = grid("原因 Reason", "说明 Because", "所用事实 On", "依据 Law")
    for reason in reasons:
        used = [f"{both(one.name)}: {both(one.value) or '— ' + one.why}" for one in reason.used]
        law = [f"{one.instrument} {one.article}" for one in reason.legal_basis]
        table.add_row(
            " ".join(part for part in (reason.requirement, reason.code) if part),
            both(reason.text),
            "\n".join(used),
            "\n".join(law),
        )
    return table


async def first(stream: AsyncIterable[Shown], limit: int) -> list[Shown]:
    """The first so many of a stream, of which no more is asked for."""
    found: list[Shown] = []
    async for one in stream:
        found.append(one)
        if len(found) == limit:
            break
    return found


def each(
    found: Sequence[Shown], shown: Callable[[Sequence[Shown]], RenderableType], *, as_lines: bool
) -> None:
    """Print what was found as a table, or a line of JSON each."""
    if not as_lines:
        out.print(shown(found))
    for one in found if as_lines else ():
        out.print(as_json(one), soft_wrap=True)


def progress(doing: str) -> "Progress":
    """A bar on stderr: how many of how many, and how long it takes yet."""
    from rich import progress as bars  # noqa: PLC0415  # few commands take that long

    columns = bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeRemainingColumn()
    return bars.Progress(doing, *columns, console=err)


class Grid(Table):
    """A table whose cells fold; where that would leave slivers, each row is a list of its own."""

    _READABLE = 16
    """Cells that a column needs at least, if it has as many."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table, or its rows one by one."""
        if self._least <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        names = [str(column.header) for column in self.columns]
        for row in zip(*(column.cells for column in self.columns), strict=True):
            yield Words()
            for name, cell in zip(names, row, strict=True):
                if value := str(cell):
                    yield Prose(f"{name}  {value}")

    @property
    def _least(self) -> int:
        """Below so many cells of width it cannot be read as a table."""
        widths = [
            max(cell_len(line) for text in (column.header, *column.cells) for line in _lines(text))
            for column in self.columns
        ]
        return sum(min(width, self._READABLE) + 2 for width in widths)


def _lines(cell: RenderableType) -> list[str]:
    return str(cell).split("\n")


def grid(*columns: str) -> Grid:
    """A table with these columns."""
    table = Grid(*columns, box=box.SIMPLE, header_style="dim", pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    return table


def time(instant: Timestamp, *, seconds: bool = False) -> str:
    """An instant in the terminal's zone; a dash if there is none."""
    if not instant.seconds:
        return "—"
    shown = instant.ToDatetime(tzinfo=UTC).astimezone()
    return shown.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def day(one: Date) -> str:
    """A day as ISO 8601 writes it."""
    return f"{one.year:04}-{one.month:02}-{one.day:02}"


def _status(status: EvidenceStatus.ValueType) -> str:
    return EvidenceStatus.Name(status).removeprefix("EVIDENCE_STATUS_")
