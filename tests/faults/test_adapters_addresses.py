"""Where registers are: no insecure address, and no certificate that proves nothing."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from decision_service.errors import InvalidPublicationError
from decision_service.model import CaseId, Evidence, EvidenceStatus, EvidenceType, MatterId, Query
from evidence_adapters import http, registry

DEATHS = EvidenceType("death_register")
PERSON = "990000195012010014"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def clock() -> datetime:
    return NOW


@pytest.mark.parametrize(
    ("key", "address", "fault"),
    [
        ("death_register", "http://192.0.2.1:80", "the address of `death_register` is not secure"),
        ("death_register", "ftp://127.0.0.1/", "the address of `death_register` is not secure"),
        ("tax_register", "https://tax.invalid", "`tax_register` is no register"),
        ("death_register", "https://", "is not of the form scheme://host:port/path"),
        ("death_register", "https://[::1", "is not of the form scheme://host:port/path"),
        ("death_register", "https://h:99999", "is not of the form scheme://host:port/path"),
        ("death_register", "https://u:secret@h.invalid", "is not of the form"),
        ("death_register", "https://h.invalid/?token=secret", "is not of the form"),
    ],
)
async def test_an_address_that_cannot_be_trusted_is_refused(
    key: str, address: str, fault: str
) -> None:
    with pytest.raises(InvalidPublicationError) as caught:
        async with http.connect(registry.load(), {EvidenceType(key): address}, clock=clock):
            raise AssertionError("it was opened")

    assert fault in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.reason == "REGISTER_ADDRESS_INVALID"
    assert caught.value.hint == (
        "Give each register an `https://` address; plain `http://` is for loopback only."
    )


def certificate(folder: Path, *, host: str = "127.0.0.1", until: timedelta = DAY) -> Path:
    """A certificate that vouches for itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "register.invalid")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 30 * DAY)
        .not_valid_after(NOW + until)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@asynccontextmanager
async def register_over_tls(path: Path, *, trusts: Path | None = None) -> AsyncIterator[str]:
    """A register that says of everybody that they are alive."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    if trusts is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(trusts)
    as_of = (NOW + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")
    body = f'{{"ztdm":"01","sfzh":"{PERSON}","gxsj":"{as_of}"}}'

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Road-Id: q-1\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
            )
            await writer.drain()
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def ask(address: str, trust: ssl.SSLContext | None) -> Evidence:
    query = Query(
        query_id="q-1",
        evidence_type=DEATHS,
        about="applicant",
        keys={"id_number": PERSON},
        matter=MatterId("old_age_allowance"),
        case_id=CaseId("c-1"),
        purpose="eligibility",
        legal_basis="consent 1",
        filing_date=date(2026, 3, 1),
    )
    async with http.connect(
        registry.load(), {DEATHS: address}, clock=clock, trust=trust
    ) as sources:
        loop = asyncio.get_running_loop()
        return await sources[DEATHS].fetch(query, deadline=loop.time() + 1)


async def test_a_register_whose_certificate_we_trust_is_asked(tmp_path: Path) -> None:
    path = certificate(tmp_path)
    async with register_over_tls(path) as address:
        evidence = await ask(address, ssl.create_default_context(cafile=path))

    assert evidence.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE


async def test_a_certificate_of_nobody_we_know_is_no_register(tmp_path: Path) -> None:
    async with register_over_tls(certificate(tmp_path)) as address:
        evidence = await ask(address, None)

    assert evidence.status is EvidenceStatus.UNAVAILABLE
    assert evidence.detail == "ClientConnectorCertificateError"


@pytest.mark.parametrize(
    ("host", "until"),
    [
        pytest.param("192.0.2.1", DAY, id="of another host"),
        pytest.param("127.0.0.1", -DAY, id="expired"),
    ],
)
async def test_a_trusted_certificate_that_does_not_fit_is_no_register(
    tmp_path: Path, host: str, until: timedelta
) -> None:
    path = certificate(tmp_path, host=host, until=until)
    async with register_over_tls(path) as address:
        evidence = await ask(address, ssl.create_default_context(cafile=path))

    assert evidence.status is EvidenceStatus.UNAVAILABLE
    assert not evidence.values


async def test_a_register_that_wants_our_certificate_gets_no_question_without(
    tmp_path: Path,
) -> None:
    path = certificate(tmp_path)
    without = ssl.create_default_context(cafile=path)
    ours = ssl.create_default_context(cafile=path)
    ours.load_cert_chain(path)
    async with register_over_tls(path, trusts=path) as address:
        refused = await ask(address, without)
        answered = await ask(address, ours)

    assert refused.status is EvidenceStatus.UNAVAILABLE
    assert answered.status is EvidenceStatus.NO_RECORD_AUTHORITATIVE
