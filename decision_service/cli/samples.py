"""Sample applications, decided before the reader's eyes: what `miaopi run` shows."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from uuid import uuid4

from rich.panel import Panel
from rich.text import Text as Words

from audit.verify import verify_receipt
from decision_service.cli import show
from decision_service.client import Client, Decision
from decision_service.followup import Person as Asking
from decision_service.model import (
    ORGANISATION,
    AssuranceLevel,
    Authority,
    Consent,
    Document,
    EvidenceType,
    Party,
    Value,
)
from decision_service.offer_client import Offer, OfferClient
from evidence_adapters.sandbox import City, Filing, Firms, Misconduct, Person

ALLOWANCE = "old_age_allowance"
LIBRARY = "library_card"
ADDRESS = "business_address_change"
_OFFERED_WITH = 19
"""Others about whom registers are asked with one who is offered something."""

_PATIENCE_S = 3.0
"""An answer within three seconds is what the city promises."""

_COMPLETE: dict[str, Value] = {"applicant.mobile": "13800000000", "applicant.truthful": True}
_MOVE: dict[str, Value] = {
    **_COMPLETE,
    "organisation.change_reason": "expansion",
    "organisation.resolved": True,
}
_READER: dict[str, Value] = {**_COMPLETE, "applicant.accepts_reading_rules": True}


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The sandbox city and a way into its service.

    Attributes:
        token: A portal's; the others are of who works here.
        misbehave: Lets a register fail; ``reset`` lets all behave again.
        is_granted: Whether a person (by identity number) has the matter already.
        receipts: Folder that receipts are kept in.
    """

    address: str
    web_address: str
    token: str
    auditor_token: str
    operator_token: str
    approver_token: str
    officer_token: str
    clerk_tokens: tuple[str, ...]
    people: City
    today: date
    misbehave: Callable[[EvidenceType, Misconduct], None]
    reset: Callable[[], None]
    is_granted: Callable[[str, str], Awaitable[bool]]
    receipts: Path


async def show_samples(sandbox: Sandbox) -> None:
    """Decide one application for each way it can end, and prove one of the decisions.

    Raises:
        typer.Exit: The service said no to one of them; what it said is printed.
    """
    show.out.rule("秒批 Miaopi · 沙盒城市 sandbox city")
    async with Client(sandbox.address, sandbox.token, timeout_s=_PATIENCE_S) as client:
        with show.refusals():
            await _decide_each_way(_Desk(client, sandbox), sandbox)


async def _decide_each_way(desk: "_Desk", sandbox: Sandbox) -> None:
    old = await desk.somebody(ALLOWANCE, _could_get_the_allowance)
    desk.title("1", "秒报：登记机关逐一应答，表单自动填好", "prefill, as registers answer")
    case_id = await desk.prefill(ALLOWANCE, old)
    desk.title("2", "秒批：全部条件符合", "every requirement met: approved")
    await desk.prove(await desk.decide(ALLOWANCE, old, _COMPLETE, case_id=case_id))
    desk.title("3", "条件不符：列明不符合项，转人工", "not met: a person sees what is not")
    await desk.decide(ALLOWANCE, sandbox.people.cast(sandbox.today)["outside_hukou"], _COMPLETE)
    desk.title("4", "登记机关无应答：转人工，绝不猜测", "a register is silent: referred")
    sandbox.misbehave(EvidenceType("library_register"), Misconduct.SILENT)
    reader = await desk.somebody(LIBRARY, _could_get_a_card)
    await desk.decide(LIBRARY, reader, _READER)
    sandbox.reset()
    desk.title("5", "请补正：一次说清，补正后当场批准", "corrections, all told at once")
    reader = await desk.somebody(LIBRARY, _could_get_a_card)
    first = await desk.decide(LIBRARY, reader, {})
    await desk.decide(LIBRARY, reader, _READER, case_id=first.case_id)
    desk.title("6", "数据源暂不可用：等待，恢复后自动决定", "a source is away: the case waits")
    sandbox.misbehave(EvidenceType("death_register"), Misconduct.DOWN)
    other = await desk.somebody(ALLOWANCE, _could_get_the_allowance)
    waiting = await desk.decide(ALLOWANCE, other, _COMPLETE)
    sandbox.reset()
    await desk.follow(waiting)
    desk.title("7", "企业住所变更：填入房屋编码，当场换照", "a firm moves: a new licence at once")
    filing = Firms(sandbox.people).cast(sandbox.today)["leased_office"]
    house: dict[str, Value] = {"premises.house_code": filing.house_code}
    case_id = await desk.prefill(ADDRESS, filing)
    await desk.prefill(ADDRESS, filing, house, case_id)
    move = {**_MOVE, **house, "organisation.resolution_date": sandbox.today}
    await desk.prove(await desk.decide(ADDRESS, filing, move, case_id))
    desk.title("8", "免申即享：主动告知，本人同意才是申请", "an offer; only who agrees has applied")
    entitled = await desk.somebody(ALLOWANCE, _could_get_the_allowance)
    offer = await desk.offer(ALLOWANCE, entitled)
    await desk.decide(ALLOWANCE, entitled, _COMPLETE, offer_id=offer.offer_id)


def print_how_to_call(sandbox: Sandbox) -> None:
    """Everything that a newcomer needs to make the first call."""
    person = sandbox.people.cast(sandbox.today)["aged_95"]
    decide = (
        f"  .venv/bin/miaopi decide {ALLOWANCE} --id {person.id_number}"
        " --answer applicant.mobile=13800000000 --answer applicant.truthful=yes"
        f" --address {sandbox.address}"
    )
    bearer = '-H "authorization: Bearer $MIAOPI_TOKEN"'
    asked = f"{bearer} -d '{_call(person)}'"
    method = "decision_service.v1.DecisionService/Decide"
    curl = (
        "  .venv/bin/buf curl --protocol grpc --http2-prior-knowledge"
        f" {asked} http://{sandbox.address}/{method}"
    )
    plain_curl = (
        f"  curl -H 'content-type: application/json' {asked} http://{sandbox.web_address}/{method}"
    )
    lines = [
        f"地址 address  {sandbox.address}",
        f"令牌 token    export MIAOPI_TOKEN={sandbox.token}",
        "",
        "命令行 command line",
        f"  .venv/bin/miaopi matters --address {sandbox.address}",
        decide,
        "",
        "审计 auditor",
        f"  export AUDITOR={sandbox.auditor_token}",
        *(
            f"  .venv/bin/miaopi audit {ask} --address {sandbox.address} --token $AUDITOR"
            for ask in (
                "query 'outcome = referred'",
                f"accesses --id {person.id_number}",
                "stats",
                "replay",
            )
        ),
        "",
        "窗口 counter",
        *(
            f"  export CLERK_{number}={token}"
            for number, token in enumerate(sandbox.clerk_tokens, 1)
        ),
        *(
            f"  .venv/bin/miaopi counter {ask} --address {sandbox.address} --token $CLERK_1"
            for ask in ("queue", "show CASE", "overrides --stats")
        ),
        "",
        "主动告知 offers",
        f"  export OPERATOR={sandbox.operator_token}",
        (
            f"  .venv/bin/miaopi offers run {ALLOWANCE} --subjects FILE"
            f" --address {sandbox.address} --token $OPERATOR"
        ),
        f"  .venv/bin/miaopi offers list --id {person.id_number} --address {sandbox.address}",
        "",
        "政策人员 policy staff",
        f"  export APPROVER={sandbox.approver_token}",
        (
            f"  .venv/bin/miaopi rules simulate rules/{ALLOWANCE}/2019-10-01.rules.md"
            f" --address {sandbox.address} --token $APPROVER"
        ),
        "",
        "紧急暂停 stops",
        *(
            f"  .venv/bin/miaopi stops {ask} --address {sandbox.address} --token ${who}"
            for ask, who in (
                (f"stop {ALLOWANCE} --reason 数据核查", "OPERATOR"),
                (f"resume {ALLOWANCE} --reason 已经核实", "OPERATOR"),
                (f"resume {ALLOWANCE} --reason 已经核实", "APPROVER"),
                (f"reopen {ALLOWANCE} --reason 数据有误 --reason-en 'wrong data'", "APPROVER"),
            )
        ),
        "",
        "个人信息保护负责人 data protection officer",
        f"  export OFFICER={sandbox.officer_token}",
        f"  .venv/bin/miaopi audit holds --address {sandbox.address} --token $OFFICER",
        "",
        "buf curl",
        curl,
        "",
        "JSON",
        plain_curl,
        "",
        "Python (.venv/bin/python -m asyncio)",
        "  import os",
        "  from decision_service.client import Client",
        f'  async with Client("{sandbox.address}", os.environ["MIAOPI_TOKEN"]) as client:',
        "      print(await client.matters())",
        "",
        "Ctrl-C 结束 stops it",
    ]
    show.out.rule("怎样调用 how to call")
    show.out.print("\n".join(lines), soft_wrap=True)


def _call(person: Person) -> str:
    """A request to decide, as JSON."""
    party = {
        "role": "applicant",
        "documents": [{"kind": "resident_id", "number": person.id_number}],
    }
    request = {
        "matter": ALLOWANCE,
        "request_id": str(uuid4()),
        "channel": "portal",
        "parties": [party],
        "authority": {
            "person": party,
            "assurance_level": "ASSURANCE_LEVEL_SUBSTANTIAL",
            "authentication_time": datetime.now(UTC).isoformat(),
            "statutory_duty": {"article": "深民规〔2019〕2号"},
        },
        "answers": {
            "applicant.mobile": {"text": "13800000000"},
            "applicant.truthful": {"boolean": True},
        },
    }
    return json.dumps(request, ensure_ascii=False)


class _Desk:
    """Where the samples are handed in, and shown."""

    def __init__(self, client: Client, sandbox: Sandbox) -> None:
        self._client = client
        self._sandbox = sandbox

    def title(self, number: str, zh: str, en: str) -> None:
        show.out.print()
        show.out.print(Words(f"{number}  {zh} · {en}", style="bold"))

    async def somebody(self, matter: str, could: Callable[[Person, date], bool]) -> Person:
        """The first of the city's people who could get the matter and has not yet."""
        for person in self._sandbox.people:
            if could(person, self._sandbox.today) and not await self._sandbox.is_granted(
                matter, person.id_number
            ):
                return person
        raise LookupError(matter)

    async def prefill(
        self,
        matter: str,
        applicant: Person | Filing,
        answers: Mapping[str, Value] | None = None,
        case_id: str = "",
    ) -> str:
        """Show every message of the stream as it comes; return the case."""
        parties, authority = await self._asking(matter, applicant)
        started = time.monotonic()
        async for event in self._client.prefill(
            matter=matter,
            request_id=str(uuid4()),
            channel="portal",
            parties=parties,
            authority=authority,
            answers=answers,
            case_id=case_id,
        ):
            took = f"{1000 * (time.monotonic() - started):5.0f} ms"
            match event.WhichOneof("event"):
                case "started":
                    case_id = event.started.case_id
                    asked = ", ".join(event.started.evidence_types)
                    self._line(took, f"办件 case {event.started.case_number}: {asked}")
                case "evidence":
                    shown = "；".join(
                        f"{show.both(field.name)} = {show.both(field.display) or field.why}"
                        for field in event.evidence.fields
                    )
                    self._line(took, f"{event.evidence.evidence.evidence_type}: {shown or '—'}")
                case _:
                    empty = ", ".join(event.completed.declared_fields)
                    self._line(took, f"待申请人填写 left to the applicant: {empty}")
                    if event.completed.replaced:
                        self._line("", show.replaced(event.completed.replaced))
        return case_id

    async def decide(
        self,
        matter: str,
        applicant: Person | Filing,
        answers: Mapping[str, Value],
        case_id: str = "",
        offer_id: str = "",
    ) -> Decision:
        """Hand in, and show the outcome, the reasons and their law."""
        parties, authority = await self._asking(matter, applicant)
        started = time.monotonic()
        decision = await self._client.decide(
            matter=matter,
            request_id=str(uuid4()),
            channel="portal",
            parties=parties,
            authority=authority,
            answers=answers,
            case_id=case_id,
            offer_id=offer_id,
        )
        self._line(f"{1000 * (time.monotonic() - started):5.0f} ms", show.outcome(decision))
        for reason in show.reasons(decision):
            self._line("", f"· {show.both(reason.text)}")
        if decision.replaced:
            self._line("", show.replaced(decision.replaced))
        return decision

    async def offer(self, matter: str, person: Person) -> Offer:
        """Ask about some of the city, as its operator does; show what one of them is offered."""
        others = islice((one for one in self._sandbox.people if one != person), _OFFERED_WITH)
        subjects = [Document(kind="resident_id", number=one.id_number) for one in (person, *others)]
        started = time.monotonic()
        async with Client(self._sandbox.address, self._sandbox.operator_token) as operator:
            made = await OfferClient(operator).make(matter, subjects, request_id=str(uuid4()))
        told = f"查询 {made.asked} 人，告知 {made.offered} 人 asked about, offered to"
        self._line(f"{1000 * (time.monotonic() - started):5.0f} ms", told)
        asking = Asking(
            documents=(subjects[0],),
            assurance_level=AssuranceLevel.SUBSTANTIAL,
            authentication_time=datetime.now(UTC),
        )
        (offer,) = await OfferClient(self._client).list(asking)
        show.out.print(Panel(show.Prose(offer.notice.zh), title="主动告知 offer"))
        return offer

    async def prove(self, decision: Decision) -> None:
        """Fetch the receipt and check it as anybody can, without the service."""
        receipt = await self._client.receipt(decision.case_id)
        place = self._sandbox.receipts / f"{decision.case_number}.json"
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.write_text(receipt, encoding="utf-8")
        report = verify_receipt(receipt)
        self._line("", f"回执已核验 receipt verified: #{report.index}, {report.origin}")
        self._line("", f"  miaopi receipt verify {place}")
        show.out.print(Panel(show.Prose(decision.notice.zh), title="通知书 notice"))

    async def follow(self, decision: Decision) -> None:
        """Wait until the service has decided the waiting case by itself."""
        started = time.monotonic()
        for _ in range(100):
            case = await self._client.case(decision.case_id)
            if len(case.decisions) > 1:
                self._line(f"{time.monotonic() - started:5.1f} s", show.outcome(case.decisions[-1]))
                return
            await asyncio.sleep(0.2)

    async def _asking(
        self, matter: str, who: Person | Filing
    ) -> tuple[tuple[Party, ...], Authority]:
        person = who.filer if isinstance(who, Filing) else who
        found = await self._client.matter(matter)
        now = datetime.now(UTC)
        applicant = Party(
            role="applicant", documents=(Document(kind="resident_id", number=person.id_number),)
        )
        parties: tuple[Party, ...] = (applicant,)
        if isinstance(who, Filing):
            code = Document(kind="organisation_code", number=who.firm.code)
            parties += (Party(role=ORGANISATION, documents=(code,)),)
        return parties, Authority(
            person=applicant,
            assurance_level=AssuranceLevel.SUBSTANTIAL,
            authentication_time=now,
            basis=Consent(
                notice_version=found.consent_notice_version,
                time=now,
                evidence_types=tuple(EvidenceType(one) for one in found.evidence_types),
            ),
        )

    @staticmethod
    def _line(took: str, text: str) -> None:
        show.out.print(f"{took:>9}  {text}", soft_wrap=True)


def _could_get_the_allowance(person: Person, today: date) -> bool:
    """Whether nothing in the registers speaks against the old-age allowance."""
    return (
        today.year - person.birth_date.year > 70
        and person.hukou_place.startswith("4403")
        and person.death_date is None
        and not person.in_payment
        and person.account == "own"
        and not person.disputed
    )


def _could_get_a_card(person: Person, today: date) -> bool:
    """Whether nothing in the registers speaks against a library card."""
    return (
        today.year - person.birth_date.year > 18
        and person.death_date is None
        and not person.library_card
        and not person.disputed
    )
