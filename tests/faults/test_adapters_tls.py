"""Who is who between the service and a register: TLS both ways, and signed questions.

Real sockets. Whatever does not fit is told by its cause, within the deadline; no question has then
left the house, and no answer counts.
"""

import asyncio
import base64
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import http_message_signatures as rfc9421
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from structlog.testing import capture_logs

from decision_service.errors import InvalidPublicationError
from decision_service.model import CaseId, Evidence, EvidenceStatus, EvidenceType, MatterId, Query
from decision_service.server.metrics import Metrics
from decision_service.service import credentials_of, follow_credentials
from decision_service.settings import read_settings
from evidence_adapters import credentials, gateway, http, registry
from evidence_adapters.credentials import Credentials
from evidence_adapters.tally import NOT_RENEWED, RENEWED, Tally

DEATHS, CUSTODY = EvidenceType("death_register"), EvidenceType("custody_register")
PERSON = "990000195012010014"
DAY = timedelta(days=1)
DEADLINE_S = 2.0
STALL_S = 1.5
"""What a busy machine may take from us after a deadline; closing in good order takes longer."""


def clock() -> datetime:
    return datetime.now(UTC)


def pem_of(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


class Authority:
    """Somebody who vouches for others."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(*(name in {5, 6} for name in range(9)))
        made = (
            self._of(self._name, self._key, -30 * DAY, 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(made.public_bytes(Encoding.PEM))

    def vouch(
        self,
        name: str,
        *,
        host: str = "127.0.0.1",
        since: timedelta = -DAY,
        until: timedelta = DAY,
    ) -> Path:
        """A certificate with its key, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        address = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = (
            self._of(subject, key, since, until)
            .add_extension(address, critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file = self._folder / f"{name}.pem"
        file.write_bytes(made.public_bytes(Encoding.PEM) + pem_of(key))
        return file

    def _of(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        since: timedelta,
        until: timedelta,
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(clock() + since)
            .not_valid_after(clock() + until)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )


@dataclass
class RegisterOverTls:
    """A register that says of everybody that they are alive, and keeps what it was asked."""

    address: str = ""
    questions: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
            line, *fields = head.rstrip().split("\r\n")
            headers = {name: value for name, _, value in (one.partition(": ") for one in fields)}
            body = await reader.readexactly(int(headers.get("Content-Length", 0)))
            self.questions.append((line, headers, body))
            as_of = (clock() + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")
            told = json.dumps({"ztdm": "01", "sfzh": PERSON, "gxsj": as_of})
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                f"X-Road-Id: {headers['X-Road-Id']}\r\nContent-Length: {len(told)}\r\n"
                f"Connection: close\r\n\r\n{told}".encode()
            )
            await writer.drain()
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


@asynccontextmanager
async def register_over_tls(
    certificate: Path, *, asks_for: Path | None = None
) -> AsyncIterator[RegisterOverTls]:
    """A register on a socket; ``asks_for`` vouches for whom it answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if asks_for is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(asks_for)
    register = RegisterOverTls()
    server = await asyncio.start_server(register.answer, "127.0.0.1", 0, ssl=context)
    register.address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield register
    finally:
        server.close()
        await server.wait_closed()


@contextmanager
def doorkeeper(
    certificate: Path, asks_for: Path, newest: ssl.TLSVersion | None
) -> Iterator[tuple[str, list[bytes]]]:
    """A register that says to a stranger why it closes the door, as asyncio's servers do not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(asks_for)
    if newest is not None:
        context.maximum_version = newest
    let_in: list[bytes] = []

    def watch() -> None:
        with suppress(OSError):
            while True:
                connection, _ = door.accept()
                with connection, suppress(ssl.SSLError):
                    connection.settimeout(DEADLINE_S)
                    inside = context.wrap_socket(connection, server_side=True)
                    let_in.append(inside.recv(1))

    with socket.create_server(("127.0.0.1", 0)) as door:
        watching = threading.Thread(target=watch)
        watching.start()
        yield f"https://127.0.0.1:{door.getsockname()[1]}", let_in
        door.shutdown(socket.SHUT_RDWR)
    watching.join(DEADLINE_S)


async def ask(
    address: str, shown: Credentials, *, register: EvidenceType = DEATHS, case: str = "c-1"
) -> Evidence:
    query = Query(
        query_id="q-1",
        evidence_type=register,
        about="applicant",
        keys={"id_number": PERSON},
        matter=MatterId("old_age_allowance"),
        case_id=CaseId(case),
        purpose="发放高龄津贴",
        legal_basis="consent 1",
        filing_date=date(2026, 3, 1),
    )
    async with gateway.connect(
        registry.load(), {register: address}, clock=clock, credentials={register: shown}
    ) as sources:
        loop = asyncio.get_running_loop()
        started = loop.time()
        evidence = await sources[register].fetch(query, deadline=started + DEADLINE_S)
        assert loop.time() - started < DEADLINE_S + STALL_S
    assert "127.0.0.1" not in evidence.detail
    return evidence


@pytest.fixture
def city(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "city")


async def test_a_register_that_the_city_vouches_for_is_asked(city: Authority) -> None:
    async with register_over_tls(city.vouch("register")) as register:
        evidence = await ask(register.address, credentials.read(ca_file=city.file))

    assert evidence.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
    assert len(register.questions) == 1


@pytest.mark.parametrize(
    ("certificate", "trusts_city", "detail"),
    [
        pytest.param({}, False, "is vouched for by nobody we know", id="of nobody we know"),
        pytest.param({"host": "192.0.2.1"}, True, "is another host's", id="of another host"),
        pytest.param({"until": -DAY / 2}, True, "has expired", id="expired"),
        pytest.param({"since": DAY / 2}, True, "is not valid yet", id="of tomorrow"),
    ],
)
async def test_a_register_whose_certificate_does_not_fit_is_asked_nothing(
    city: Authority,
    tmp_path: Path,
    certificate: Mapping[str, object],
    *,
    trusts_city: bool,
    detail: str,
) -> None:
    trusted = city if trusts_city else Authority(tmp_path, "stranger")
    async with register_over_tls(city.vouch("register", **certificate)) as register:  # type: ignore[arg-type]
        evidence = await ask(register.address, credentials.read(ca_file=trusted.file))
        machine = await ask(register.address, Credentials())

    assert evidence.status is EvidenceStatus.UNAVAILABLE
    assert evidence.detail == f"TLS: the register's certificate {detail}"
    assert machine.detail.startswith("TLS: the register's certificate")
    assert not evidence.values
    assert register.questions == []


@pytest.mark.parametrize("newest", [None, ssl.TLSVersion.TLSv1_2])
@pytest.mark.parametrize("ours", ["none", "a stranger's", "expired"])
async def test_a_register_that_does_not_believe_us_gets_no_question(
    city: Authority, tmp_path: Path, ours: str, newest: ssl.TLSVersion | None
) -> None:
    match ours:
        case "none":
            shown = credentials.read(ca_file=city.file)
        case "expired":
            file = city.vouch("ours", until=-DAY / 2)
            shown = credentials.read(ca_file=city.file, certificate_file=file)
        case _:
            file = Authority(tmp_path, "stranger").vouch("ours")
            shown = credentials.read(ca_file=city.file, certificate_file=file)
    with doorkeeper(city.vouch("register"), city.file, newest) as (address, let_in):
        evidence = await ask(address, shown)

    assert evidence.status is EvidenceStatus.UNAVAILABLE
    assert evidence.detail.startswith("TLS: the register does not believe us (")
    assert not evidence.values
    assert let_in == []


async def test_a_register_that_asks_who_we_are_is_told(city: Authority, tmp_path: Path) -> None:
    both = city.vouch("ours").read_bytes()
    start = both.index(b"-----BEGIN PRIVATE KEY")
    certificate, key = tmp_path / "ours.crt", tmp_path / "ours.key"
    certificate.write_bytes(both[:start])
    key.write_bytes(both[start:])
    shown = credentials.read(ca_file=city.file, certificate_file=certificate, private_key_file=key)
    async with register_over_tls(city.vouch("register"), asks_for=city.file) as register:
        evidence = await ask(register.address, shown)

    assert evidence.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE


async def test_a_new_certificate_is_shown_from_the_next_connection_on(
    city: Authority, tmp_path: Path
) -> None:
    stale = city.vouch("ours", until=-DAY / 2)
    shown = credentials.read(ca_file=city.file, certificate_file=stale)
    async with register_over_tls(city.vouch("register"), asks_for=city.file) as register:
        before = await ask(register.address, shown)
        shown.renew(credentials.read(ca_file=city.file, certificate_file=city.vouch("ours")))
        after = await ask(register.address, shown)

    assert before.status is EvidenceStatus.UNAVAILABLE
    assert after.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-p256-sha256"])
@pytest.mark.parametrize("register_asked", [DEATHS, CUSTODY])
async def test_a_signed_question_is_verified_by_another_implementation(
    city: Authority, tmp_path: Path, kind: str, register_asked: EvidenceType
) -> None:
    key = (
        ed25519.Ed25519PrivateKey.generate()
        if kind == "ed25519"
        else ec.generate_private_key(ec.SECP256R1())
    )
    file = tmp_path / "signing.pem"
    file.write_bytes(pem_of(key))
    shown = credentials.read(ca_file=city.file, signing_key_file=file, signing_key_id="city/2026")
    async with register_over_tls(city.vouch("register")) as register:
        await ask(register.address, shown, register=register_asked)
        await ask(register.address, shown, register=register_asked)
    first, second = register.questions

    def verified(address: str, question: tuple[str, dict[str, str], bytes]) -> list[str]:
        line, headers, body = question
        method, path, _ = line.split(" ")
        resolver = rfc9421.MappingKeyResolver(
            public_keys={"city/2026": key.public_key()}, private_keys={}
        )
        algorithm = {
            "ed25519": rfc9421.algorithms.ED25519,
            "ecdsa-p256-sha256": rfc9421.algorithms.ECDSA_P256_SHA256,
        }[kind]
        (found,) = rfc9421.HTTPMessageVerifier(
            signature_algorithm=algorithm, key_resolver=resolver
        ).verify(
            SimpleNamespace(method=method, url=address + path, headers=headers),
            max_age=timedelta(minutes=5),
            body=body,
        )
        return [name.strip('"') for name in found.covered_components]

    covered = verified(register.address, first)
    assert {"@method", "@authority", "@path", "content-digest"} < set(covered)
    assert {"x-road-id", "miaopi-purpose", "miaopi-time"} < set(covered)
    assert first[1]["Signature-Input"] != second[1]["Signature-Input"]  # a nonce
    line, headers, body = first
    for other in (
        (line.replace("/", "/x", 1), headers, body),
        (line.replace("POST", "PUT").replace("GET", "PUT"), headers, body),
        (line, {**headers, "Miaopi-Purpose": "marketing"}, body),
        (line, {**headers, "X-Road-Issue": "c-2"}, body),
        (line, headers, body + b" "),
        (line, {**headers, "Signature": second[1]["Signature"]}, body),
    ):
        with pytest.raises(rfc9421.InvalidSignature):
            verified(register.address, other)
    with pytest.raises(rfc9421.InvalidSignature):
        verified("https://127.0.0.1:1", first)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://[2001:db8::1]:8443/v1", "[2001:db8::1]:8443"),
        ("https://[2001:db8::1]:443/v1", "[2001:db8::1]"),
        ("https://Register.Invalid/v1", "register.invalid"),
    ],
)
def test_a_signed_question_names_the_host_as_its_own_header_does(url: str, authority: str) -> None:
    """RFC 9421, 2.2.3: the authority of the request, without the port that goes without saying."""
    key = ed25519.Ed25519PrivateKey.generate()
    added = credentials.Signer(pem_of(key), "city/2026").headers(
        "GET", url, {}, b"", now=datetime.now(UTC)
    )
    how = added["Signature-Input"].removeprefix(f"{credentials.LABEL}=")
    signature = added["Signature"].removeprefix(f"{credentials.LABEL}=:").removesuffix(":")
    said = {"@method": "GET", "@authority": authority, "@path": "/v1"}
    lines = {**said, "content-digest": added["Content-Digest"], "@signature-params": how}
    base = "\n".join(f'"{name}": {value}' for name, value in lines.items())

    key.public_key().verify(base64.b64decode(signature), base.encode())


@pytest.mark.parametrize(
    ("setting", "content", "words"),
    [
        ("ca_file", b"", "holds no certificate"),
        ("ca_file", b"nonsense", "holds no certificate"),
        ("ca_file", None, "cannot be read: No such file or directory"),
        ("certificate_file", b"nonsense", "is no certificate with its unencrypted private key"),
        ("certificate_file", b"locked", "is no certificate with its unencrypted private key"),
        ("certificate_file", b"another", "is no certificate with its unencrypted private key"),
        ("signing_key_file", b"nonsense", "is no unencrypted private key for Ed25519 or P-256"),
        ("signing_key_file", b"locked", "is no unencrypted private key for Ed25519 or P-256"),
        ("secret_file", b" \n", "is empty"),
        ("secret_file", "密".encode("gbk"), "is not UTF-8"),
        ("secret_file", b"hush\nhush", "holds more than one line of text"),
        ("secret_file", None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_named(
    city: Authority, tmp_path: Path, setting: str, content: bytes | None, words: str
) -> None:
    file = tmp_path / "file"
    ours = city.vouch("ours").read_bytes()
    start = ours.index(b"-----BEGIN PRIVATE KEY")
    match content:
        case b"locked":
            key = load_pem_private_key(ours[start:], password=None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            content = ours[:start] * (setting == "certificate_file")
            content += pem_of(key, BestAvailableEncryption(b"password"))
        case b"another":
            other = city.vouch("other").read_bytes()
            content = ours[:start] + other[other.index(b"-----BEGIN PRIVATE KEY") :]
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidPublicationError) as caught:
        credentials.read(**{setting: file})  # type: ignore[arg-type]

    assert str(caught.value) == f"`{file}` {words}"
    assert caught.value.reason == "REGISTER_CREDENTIALS_INVALID"


def test_what_is_secret_is_not_shown() -> None:
    assert "hush" not in repr(Credentials(secret="hush"))


async def test_an_operators_settings_reach_the_register(city: Authority, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    async with register_over_tls(city.vouch("register"), asks_for=city.file) as register:
        settings = read_settings(
            {
                "MIAOPI_REGISTER_DEATH_REGISTER": register.address,
                "MIAOPI_REGISTER_DEATH_REGISTER_SECRET_FILE": str(tmp_path / "secret"),
                "MIAOPI_REGISTER_DEATH_REGISTER_CA_FILE": str(city.file),
                "MIAOPI_REGISTER_DEATH_REGISTER_CERTIFICATE_FILE": str(city.vouch("ours")),
            },
            city=tmp_path,
        )
        shown = credentials_of(settings)
        evidence = await ask(register.address, shown[DEATHS])

    assert evidence.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
    (_, headers, body), *_ = register.questions
    assert headers[http.SIGNATURE] == http.signature(
        "hush",
        method="POST",
        path="/v1/deaths/query",
        headers={name: headers[name] for name in http.SIGNED_HEADERS},
        body=body,
    )


@dataclass
class Renewing:
    """A service whose register's files are followed, and a way to ask the register."""

    register: RegisterOverTls
    shown: Credentials
    tally: Tally

    async def ask(self) -> Evidence:
        return await ask(self.register.address, self.shown)

    def counts(self) -> tuple[int, int]:
        """How often what is shown was renewed, and how often it could not be."""
        counts = self.tally.of(DEATHS)
        return counts[RENEWED], counts[NOT_RENEWED]

    async def until(self, renewed: int, refused: int) -> None:
        async with asyncio.timeout(20):
            while self.counts() != (renewed, refused):  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.05)

    @property
    def last(self) -> Mapping[str, str]:
        """The headers of the last question."""
        return self.register.questions[-1][1]


@asynccontextmanager
async def renewing(
    city: Authority, folder: Path, *, asks_for: Path | None = None, **files: Path | str
) -> AsyncIterator[Renewing]:
    """Of the settings only the register's; its address is known once it stands."""
    async with register_over_tls(city.vouch("register"), asks_for=asks_for) as register:
        name = "MIAOPI_REGISTER_DEATH_REGISTER"
        said = {f"{name}_{key.upper()}": str(value) for key, value in files.items()}
        settings = read_settings({name: register.address, **said}, city=folder)
        shown, tally = credentials_of(settings), Tally()
        works = [*follow_credentials(settings, shown, tally)]
        following = [asyncio.create_task(work) for work in works]
        assert len(following) == 1
        try:
            yield Renewing(register, shown[DEATHS], tally)
        finally:
            following[0].cancel()


def put(file: Path, content: bytes) -> None:
    """Replace the file at once, as a careful operator does."""
    draft = file.with_suffix(".draft")
    draft.write_bytes(content)
    draft.replace(file)


async def test_a_certificate_is_renewed_without_a_restart(city: Authority, tmp_path: Path) -> None:
    ours = city.vouch("ours", until=-DAY / 2)
    files = {"ca_file": city.file, "certificate_file": ours}
    async with renewing(city, tmp_path, asks_for=city.file, **files) as service:
        before = await service.ask()
        city.vouch("ours")
        await service.until(renewed=1, refused=0)
        after = await service.ask()

    assert before.status is EvidenceStatus.UNAVAILABLE
    assert after.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE


async def test_a_register_of_another_authority_is_believed_once_its_file_says_so(
    city: Authority, tmp_path: Path
) -> None:
    ours = tmp_path / "believed.pem"
    put(ours, Authority(tmp_path, "stranger").file.read_bytes())
    async with renewing(city, tmp_path, ca_file=ours) as service:
        before = await service.ask()
        put(ours, city.file.read_bytes())
        await service.until(renewed=1, refused=0)
        after = await service.ask()

    assert before.detail == "TLS: the register's certificate is vouched for by nobody we know"
    assert after.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE


async def test_a_secret_is_renewed_and_a_broken_one_leaves_the_old_and_is_told(
    city: Authority, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    put(secret, b"first hush")

    def is_signed_with(service: Renewing, word: str) -> bool:
        _, headers, body = service.register.questions[-1]
        return headers[http.SIGNATURE] == http.signature(
            word,
            method="POST",
            path="/v1/deaths/query",
            headers={name: headers[name] for name in http.SIGNED_HEADERS},
            body=body,
        )

    with capture_logs() as lines:
        async with renewing(city, tmp_path, ca_file=city.file, secret_file=secret) as service:
            await service.ask()
            assert is_signed_with(service, "first hush")
            put(secret, b"\xff broken hush")
            await service.until(renewed=0, refused=1)
            await service.ask()
            assert is_signed_with(service, "first hush")
            secret.unlink()
            await service.until(renewed=0, refused=2)
            await service.ask()
            assert is_signed_with(service, "first hush")
            put(secret, b"second hush\n")
            await service.until(renewed=1, refused=2)
            await service.ask()
            assert is_signed_with(service, "second hush")
        numbers = Metrics(counted=service.tally.totals, works=dict, gauges=dict).text().decode()

    told = [line for line in lines if line["event"].startswith("file.")]
    assert [(line["event"], line.get("reason")) for line in told] == [
        ("file.refused", "REGISTER_CREDENTIALS_INVALID"),
        ("file.refused", "FileNotFoundError"),
        ("file.replaced", None),
    ]
    assert {line["register"] for line in told} == {DEATHS}
    assert "hush" not in str(lines)
    for event, count in (("credentials_renewed", 1), ("credentials_refused", 2)):
        said = f'event="{event}",register="{DEATHS}"}} {count}.0'
        assert said in numbers


async def test_a_secret_that_is_still_being_written_is_not_used(
    city: Authority, tmp_path: Path
) -> None:
    """Every look finds another beginning of it, and none of them counts."""
    secret = tmp_path / "secret"
    put(secret, b"hush")
    async with renewing(city, tmp_path, ca_file=city.file, secret_file=secret) as service:
        until = asyncio.get_running_loop().time() + 2.5
        written = b""
        while asyncio.get_running_loop().time() < until:
            secret.write_bytes(written := written + b"x")
            await asyncio.sleep(0.05)
        assert service.counts() == (0, 0)
        assert service.shown.secret == "hush"
        await service.until(renewed=1, refused=0)
        assert service.shown.secret == written.decode()


async def test_a_signing_key_is_renewed_without_a_restart(city: Authority, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    put(key, pem_of(ed25519.Ed25519PrivateKey.generate()))
    other = pem_of(ec.generate_private_key(ec.SECP256R1()))
    files = {"ca_file": city.file, "signing_key_file": key, "signing_key_id": "city-1"}
    async with renewing(city, tmp_path, **files) as service:
        await service.ask()
        before = service.last["Signature-Input"]
        put(key, other)
        await service.until(renewed=1, refused=0)
        await service.ask()
        after = service.last["Signature-Input"]

    assert 'alg="ed25519"' in before
    assert 'alg="ecdsa-p256-sha256"' in after
