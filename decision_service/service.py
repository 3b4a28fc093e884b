"""The whole service, composed from its files and settings, and its only clock."""

import asyncio
import gc
import secrets
import signal
import sys
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar
from zoneinfo import ZoneInfo

import structlog
import uvloop

from audit.errors import AuditError
from audit.trail import Trail
from decision_service import catalogue, ratings, retention, workdays
from decision_service.cli.samples import Sandbox, print_how_to_call, show_samples
from decision_service.errors import DecisionServiceError
from decision_service.model import (
    EVERY_MATTER,
    CaseId,
    Decision,
    Document,
    EvidenceType,
    MatterId,
)
from decision_service.office import Office
from decision_service.record import Record
from decision_service.server import (
    Issuer,
    Keys,
    Limits,
    Server,
    Tls,
    Verifier,
    fetch,
    follow,
    issue,
    new_private_key,
    public_jwks,
)
from decision_service.settings import PREFIX, Reach, Settings, read_settings
from decision_service.vitals import Vitals
from decision_service.waiting import watch
from evidence_adapters import gateway, registry, sandbox
from evidence_adapters.credentials import Credentials
from evidence_adapters.credentials import read as read_credentials
from evidence_adapters.intake import Report
from evidence_adapters.register import Register
from evidence_adapters.tally import NOT_RENEWED, RENEWED, Tally

if TYPE_CHECKING:
    from decision_service.server.metrics import Metrics

_T = TypeVar("_T")

log = structlog.get_logger()

COUNTS_EVERY_S = 60.0
"""Seconds between two lines of what registers were asked and answered."""

HTTP_PORT = 50052
"""Where the sandbox serves JSON over HTTP, unless it is told another port."""

STAFF_KEY_BYTES = 32
"""The least that a key of clerks' tags has."""

_GARBAGE = 20_000
"""New objects after which cycles among them are looked for. A decision makes thousands and hardly a
cycle, so that the interpreter's own 700 look several times a decision, and find nothing."""

_LONGEST_TERM = timedelta(days=184)
"""Six months: within these one can go to court (行政诉讼法 Art. 46)."""

_SANDBOX_CLERKS = {"clerk-li": "young_adult", "clerk-wang": "library_holder"}
"""Accounts at the sandbox's counter, and which of its people has each."""

SEED = 755
"""Of the sandbox city; another seed is another ten thousand people."""


def clock() -> datetime:
    """The one clock of the process."""
    return datetime.now(UTC)


def serve(environment: Mapping[str, str], *, city: Path) -> None:
    """Serve until told to stop; log to the standard error.

    Args:
        environment: Every setting is one of its variables.
        city: Folder of the city, where the environment names none.

    Raises:
        DecisionServiceError: A setting or a file of the city is wrong, or the address taken.
        AuditError: The store must not be opened as it is.
    """
    settings = read_settings(environment, city=city)
    _log_to(sys.stderr)
    uvloop.run(_serve(settings))


def run(environment: Mapping[str, str], *, city: Path, once: bool) -> None:
    """Serve a sandbox city and decide sample applications; log into its store.

    Args:
        once: Whether to end after the samples.

    Raises:
        DecisionServiceError: As `serve`.
        AuditError: Likewise.
    """
    settings = read_settings(
        environment,
        city=city,
        store=Path("var") / "sandbox",
        # Who chooses the one port has reason not to be given the other unasked.
        http_port=0 if f"{PREFIX}PORT" in environment else HTTP_PORT,
    )
    settings.store.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.store / "service.log").open("a", encoding="utf-8") as lines:
        _log_to(lines)
        uvloop.run(_run(settings, once=once))


async def _serve(settings: Settings) -> None:
    issuer = issuer_of(settings)
    registers = registers_of(settings)
    addresses = {EvidenceType(key): one.address for key, one in settings.registers.items()}
    stop = _told_to_stop()
    composed = service(
        settings,
        registers=registers,
        addresses=addresses,
        jwks=await fetch(issuer) if issuer else _content(settings.jwks or Path()),
        issuer=issuer,
        credentials=credentials_of(settings),
    )
    async with composed as (server, _):
        log.info("service.started", port=server.port, http_port=server.web_port)
        await stop.wait()


def issuer_of(settings: Settings) -> Issuer | None:
    """Whose keys are to be fetched; None where they are in a file.

    Raises:
        DecisionServiceError: There are no keys, or several to choose from.
    """
    named = {
        "JWKS": settings.jwks,
        "JWKS_URL": settings.jwks_url,
        "OIDC_ISSUER": settings.oidc_issuer,
    }
    names = [f"`{PREFIX}{name}`" for name, value in named.items() if value is not None]
    if not names:
        raise DecisionServiceError(
            "there are no keys to tell callers by",
            zh="未配置调用方公钥，无法识别调用方",
            reason="JWKS_MISSING",
            hint="Name the file of your token issuer's public keys in `MIAOPI_JWKS`, or its address"
            " in `MIAOPI_OIDC_ISSUER`.",
        )
    if len(names) > 1:
        raise DecisionServiceError(
            f"keys are to come from {' and from '.join(names)}",
            zh=f"调用方公钥只能有一个来源，现同时配置了 {'、'.join(names)}",
            reason="JWKS_TWICE",
            hint="Set one of them alone.",
        )
    if settings.oidc_issuer is not None:
        return Issuer(name=settings.oidc_issuer)
    return Issuer(name=settings.issuer, jwks_url=settings.jwks_url) if settings.jwks_url else None


async def _run(settings: Settings, *, once: bool) -> None:
    private_key = _kept(settings.store / "token.key", new_private_key)
    if settings.staff_key is None:
        _kept(settings.store / "staff.key", lambda: secrets.token_hex(STAFF_KEY_BYTES))
        settings = settings.model_copy(update={"staff_key": settings.store / "staff.key"})
    registers = registers_of(settings)
    people = sandbox.City(SEED)
    async with (
        sandbox.serve(people, clock=clock, registers=registers) as city,
        service(
            settings,
            registers=registers,
            addresses=city.addresses,
            jwks=public_jwks(private_key),
        ) as (server, office),
    ):

        def token(subject: str, role: str, person: str = "", *matters: str) -> str:
            return issue(
                private_key,
                subject=subject,
                role=role,
                person=person,
                matters=matters,
                audience=settings.audience,
                issuer=settings.issuer,
                lifetime=timedelta(days=30),
                now=clock(),
            )

        async def is_granted(matter: str, id_number: str) -> bool:
            key = office.record.grant_key(MatterId(matter), f"resident_id:{id_number}")
            return await office.record.latest(key) is not None

        clerks = people.cast(office.today(clock()))
        shown = Sandbox(
            address=f"{settings.host}:{server.port}",
            web_address=f"{settings.host}:{server.web_port}",
            token=token("portal-sandbox", "portal"),
            auditor_token=token("auditor-sandbox", "auditor"),
            clerk_tokens=tuple(
                token(name, "clerk", office.person_tag(_documented(clerks[role])), EVERY_MATTER)
                for name, role in _SANDBOX_CLERKS.items()
            ),
            operator_token=token(
                "operator-sandbox", "operator", office.person_tag(_documented(clerks["agent"]))
            ),
            approver_token=token(
                *("approver-sandbox", "policy_approver"),
                office.person_tag(_documented(clerks["guardian"])),
            ),
            officer_token=token("officer-sandbox", "data_protection_officer"),
            people=people,
            today=office.today(clock()),
            misbehave=city.misbehave,
            reset=city.reset,
            is_granted=is_granted,
            receipts=settings.store / "receipts",
        )
        await show_samples(shown)
        if not once:
            print_how_to_call(shown)
            await _told_to_stop().wait()


@asynccontextmanager
async def service(
    settings: Settings,
    *,
    registers: Mapping[EvidenceType, Register],
    addresses: Mapping[EvidenceType, str],
    jwks: str | bytes,
    credentials: Mapping[EvidenceType, Credentials] | None = None,
    issuer: Issuer | None = None,
) -> AsyncIterator[tuple[Server, Office]]:
    """The whole service, from its files to its socket, until the block ends.

    Args:
        registers: As `registers_of` reads them.
        addresses: Base URL of each register.
        jwks: Public keys of the issuer of tokens. Where the settings name their file, and those
            of the certificate, these files are followed: no restart makes them count.
        credentials: What registers are shown, and must show.
        issuer: Where the keys came from, if from no file; they are fetched again and again.

    Raises:
        KeysRefusedError: The key set cannot tell who calls.
        InvalidPublicationError: A file of the city cannot be published.
        StoreRefusedError: The store must not be opened as it is.
    """
    published = catalogue.load(
        settings.city,
        {key: register.meaning for key, register in registers.items()},
        settings.signers,
    )
    if not Trail.is_in(settings.store):
        origin = f"{settings.domain}/miaopi"
        Trail.create(
            settings.store, origin=origin, anchor=settings.anchor, database=settings.database
        )
    elif settings.database:
        Trail.point(settings.store, settings.database)
    tally = Tally()
    vitals = Vitals(list(addresses), lambda: tally.away)

    def gauges() -> Mapping[str, float]:
        """What stands at some number now; see `Metrics`."""
        return {
            "calls_in_flight": server.load.calls,
            "event_loop_lag_seconds": server.load.lag_s,
            "log_entries": trail.size(),
        }

    metrics = _metrics(settings, tally, vitals, gauges)
    told = (vitals, metrics) if metrics else (vitals,)
    async with (
        Trail.open(settings.store, anchor=settings.anchor) as trail,
        gateway.connect(
            registers,
            addresses,
            clock=clock,
            credentials=credentials,
            batches=settings.store / "batches",
            tell=tell_of_batches,
            tally=tally,
        ) as sources,
    ):
        office = Office(
            catalogue=published,
            sources=sources,
            record=Record(trail, appended=_each(one.appended for one in told)),
            zone=ZoneInfo(settings.zone),
            alarm=raise_alarm,
            decided=_each(one.decided for one in told),
            workdays=_calendar(settings),
            terms=retention.load(settings.city),
            staff_key=_staff_key(settings),
            rating_limit=ratings.load(settings.city),
        )
        published.refuse_gone(await office.record.publications())
        for release in published.releases:
            await office.record.archive(release.digest, release.archive)
        for publication in published.publications:
            await office.record.published(publication, now=clock())
        tls = _tls(settings)
        verifier = Verifier(
            jwks,
            audience=settings.audience,
            issuer=issuer.name if issuer else settings.issuer,
            clock_skew=timedelta(seconds=settings.clock_skew_s),
        )
        keys = Keys(issuer, verifier.believe) if issuer else None
        server = Server(
            office=office,
            verifier=verifier,
            clock=clock,
            city=settings.domain,
            address=f"{settings.host}:{settings.port}",
            web_address=(
                "" if settings.http_port is None else f"{settings.host}:{settings.http_port}"
            ),
            origins=settings.http_origins,
            renew=keys.renew if keys else None,
            observe=metrics.handled if metrics else lambda *_: None,
            works=vitals.dependencies,
            tls=tls,
            limits=limits(settings),
            drain_s=settings.drain_s,
            pause_s=settings.pause_s,
        )
        async with (
            _operations(settings, metrics, vitals, server, office),  # until the server has ended
            server,
            _meanwhile(
                _watch(office),
                tell_counts(tally),
                keys.follow() if keys else _follow_keys(settings, server, jwks),
                _follow_certificate(settings, server, tls),
                *follow_credentials(settings, credentials or {}, tally),
            ),
        ):
            gc.collect()
            gc.freeze()  # what was composed stays: walking it again would hold up everybody
            gc.set_threshold(_GARBAGE)
            gc.enable()
            yield server, office


def _each(told: Iterable[Callable[[_T], None]]) -> Callable[[_T], None]:
    """All of them at once."""
    everybody = tuple(told)

    def tell(what: _T) -> None:
        for one in everybody:
            one(what)

    return tell


def _metrics(
    settings: Settings, tally: Tally, vitals: Vitals, gauges: Callable[[], Mapping[str, float]]
) -> "Metrics | None":
    """Numbers for Prometheus, if anybody is to read them."""
    if settings.metrics_port is None:
        return None
    from decision_service.server.metrics import Metrics  # noqa: PLC0415 - see above

    return Metrics(counted=tally.totals, works=vitals.dependencies, gauges=gauges)


@asynccontextmanager
async def _operations(
    settings: Settings,
    metrics: "Metrics | None",
    vitals: Vitals,
    server: Server,
    office: Office,
) -> AsyncIterator[None]:
    """The port for whoever runs the service, if there is one."""
    if metrics is None or settings.metrics_port is None:
        yield
        return
    from decision_service.server.operations import Operations  # noqa: PLC0415 - see above

    async def text() -> bytes:
        with suppress(AuditError, DecisionServiceError):  # what can be told is told
            metrics.waiting(len(await office.record.waiting()))
        return metrics.text()

    operations = Operations(
        settings.metrics_host,
        settings.metrics_port,
        metrics=text,
        works=vitals.dependencies,
        is_ready=lambda: server.is_serving and vitals.is_ready,
    )
    async with operations:
        log.info("metrics.served", port=operations.port)
        yield


def registers_of(settings: Settings) -> Mapping[EvidenceType, Register]:
    """The registers of the city: its own files, or those of the sample city.

    Raises:
        InvalidPublicationError: Any of the files has a fault, or says what its concepts cannot be;
            all are named.
    """
    own = settings.city / "registers"
    return registry.load(own if own.is_dir() else None, catalogue.meanings_of(settings.city))


def limits(settings: Settings) -> Limits:
    """What an operator allows one call, one caller, and all of them together."""
    return Limits(
        longest_call_s=settings.longest_call_s,
        calls_in_flight=settings.calls_in_flight,
        calls_per_s=settings.calls_per_s,
        burst=settings.calls_burst,
    )


async def tell_counts(tally: Tally, *, every_s: float = COUNTS_EVERY_S) -> None:
    """One line a register that was asked, every so often and when the service ends."""

    def tell() -> None:
        for register, counts in tally.take().items():
            log.info("register.counted", register=register, **counts)

    try:
        while True:
            await asyncio.sleep(every_s)
            tell()
    finally:
        tell()


def tell_of_batches(register: EvidenceType, report: Report) -> None:
    """What became of the files that a register sent."""
    for refused in report.refused:
        log.error(
            "register.batch_refused",
            register=register,
            manifest=refused.manifest,
            faults=refused.faults,
        )
    if (taken := report.taken) is not None:
        log.info(
            "register.batch_taken",
            register=register,
            batch=taken.batch,
            as_of=taken.as_of.isoformat(),
            rows=taken.rows,
            wrong_rows=taken.wrong_rows,
        )


@asynccontextmanager
async def _meanwhile(*works: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Do these while the block runs, and see each of them end before it is left."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow_keys(settings: Settings, server: Server, jwks: str | bytes) -> None:
    if settings.jwks is not None:
        in_use = [jwks.encode() if isinstance(jwks, str) else jwks]
        await follow([settings.jwks], lambda found: server.believe(found[0]), in_use=in_use)


async def _follow_certificate(settings: Settings, server: Server, tls: Tls | None) -> None:
    if settings.certificate and settings.private_key and tls:
        await follow(
            [settings.certificate, settings.private_key],
            lambda found: server.present(Tls(certificate_chain=found[0], private_key=found[1])),
            in_use=[tls.certificate_chain, tls.private_key],
        )


def credentials_of(settings: Settings) -> Mapping[EvidenceType, Credentials]:
    """What each register is shown, and must show.

    Raises:
        InvalidPublicationError: A file that a setting names is not what it should be.
    """
    return {
        EvidenceType(key): read_credentials(**reach.credentials)
        for key, reach in settings.registers.items()
    }


def follow_credentials(
    settings: Settings, credentials: Mapping[EvidenceType, Credentials], tally: Tally
) -> Iterator[Coroutine[None, None, None]]:
    """What registers are shown, renewed when its files change; one task for each register.

    Raises:
        InvalidPublicationError: A file is not any more what it should be.
    """
    for key, shown in credentials.items():
        reach = settings.registers[key]
        if not reach.files:
            continue
        in_use = [*map(_content, reach.files)]
        renew = partial(_renew, shown, reach)
        renew(in_use)  # it may have changed since it was first read
        told = partial(_count_renewal, tally.of(key))
        yield follow(reach.files, renew, in_use=in_use, told=told, register=key)


def _renew(shown: Credentials, reach: Reach, _found: Sequence[bytes]) -> None:
    """Show the register what all of its files hold now, or go on as before."""
    shown.renew(read_credentials(**reach.credentials))


def _count_renewal(counts: Counter[str], renewed: bool) -> None:  # noqa: FBT001 - as it is told
    counts[RENEWED if renewed else NOT_RENEWED] += 1


def _calendar(settings: Settings) -> workdays.Workdays:
    """The office's days; warns of a year to which terms can run and whose notice is missing."""
    calendar, today = workdays.load(settings.city), clock().astimezone(ZoneInfo(settings.zone))
    for year in calendar.missing(today.date(), (today + _LONGEST_TERM).date()):
        log.warning("workdays.year_missing", year=year, file=f"matters/{workdays.FILE}")
    return calendar


def raise_alarm(decision: Decision) -> None:
    """Tell the operator that the two ways of applying the rules did not agree on a case."""
    log.error(
        "engine.disagreed",
        matter=decision.matter,
        release=decision.release_digest,
        index=decision.receipt.index,
    )


async def _watch(office: Office) -> None:
    """Keep waiting cases moving, whatever befalls one of them."""
    while True:
        try:
            await watch(office, clock=clock, failed=_tell_of_failed_case)
        except Exception as error:  # noqa: BLE001 - a store that cannot be read now can be later
            log.error("waiting.crashed", error=type(error).__name__)  # noqa: TRY400 - no applicant's words
            await asyncio.sleep(5)


def _tell_of_failed_case(case_id: CaseId, error: BaseException) -> None:
    """A case that no try can decide; a person must look at it. No applicant's words."""
    log.error("waiting.failed", case_id=case_id, error=type(error).__name__)


def _told_to_stop() -> asyncio.Event:
    """Set by SIGTERM or SIGINT, also by one that comes while the service still starts."""
    stop = asyncio.Event()
    for told in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(told, stop.set)
    return stop


def _tls(settings: Settings) -> Tls | None:
    if settings.certificate is None or settings.private_key is None:
        return None
    return Tls(
        private_key=_content(settings.private_key), certificate_chain=_content(settings.certificate)
    )


def _kept(file: Path, make: Callable[[], str]) -> str:
    """A secret of the sandbox, made once."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(make(), encoding="ascii")
    return file.read_text(encoding="ascii")


def _documented(person: sandbox.Person) -> Document:
    return Document(kind="resident_id", number=person.id_number)


def _staff_key(settings: Settings) -> bytes:
    """The key of clerks' tags; empty without one.

    Raises:
        DecisionServiceError: It is so short that a tag could be guessed.
    """
    if settings.staff_key is None:
        return b""
    key = _content(settings.staff_key).strip()
    if len(key) < STAFF_KEY_BYTES:
        raise DecisionServiceError(
            f"the staff key has fewer than {STAFF_KEY_BYTES} bytes",
            zh=f"工作人员标签密钥不足 {STAFF_KEY_BYTES} 字节，可能被猜出",
            reason="STAFF_KEY_SHORT",
            hint="Make a random one, e.g. `openssl rand -hex 32`, and share it with the issuer.",
        )
    return key


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DecisionServiceError(
            f"`{file}` cannot be read: {error.strerror}",
            zh=f"无法读取文件 {file}",
            reason="FILE_UNREADABLE",
            hint="Name a file that is there and that the service's account may read.",
            file=str(file),
        ) from None


def _log_to(lines: TextIO) -> None:
    """One JSON object a line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(lines),
        cache_logger_on_first_use=True,
    )
