"""Keys and certificates that change while the service runs: no restart, no gap, no broken file."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from decision_service.client import Client, ClientError
from decision_service.office import Office
from decision_service.server import (
    NotListeningError,
    Server,
    Tls,
    Verifier,
    follow,
    issue,
    new_private_key,
    public_jwks,
)

OLD, NEW = new_private_key(), new_private_key()
HOUR = dt.timedelta(hours=1)


def token(private: str, clock: Any) -> str:
    return issue(
        private,
        subject="portal-test",
        role="portal",
        audience="miaopi",
        issuer="city",
        lifetime=HOUR,
        now=clock(),
    )


def certificate(name: str) -> Tls:
    """A certificate of that name for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - HOUR)
        .not_valid_after(today + HOUR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return Tls(
        private_key=key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        certificate_chain=made.public_bytes(pem),
    )


@asynccontextmanager
async def serving(office: Office, clock: Any, tls: Tls | None = None) -> AsyncIterator[Server]:
    async with Server(
        office=office,
        verifier=Verifier(public_jwks(OLD), audience="miaopi", issuer="city"),
        clock=clock,
        city="test",
        address="localhost:0",
        tls=tls,
        pause_s=0,
    ) as server:
        yield server


@asynccontextmanager
async def following(work: Awaitable[None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def put(file: Path, content: str | bytes) -> None:
    """Replace the file at once, as a careful operator does."""
    draft = file.with_suffix(".draft")
    draft.write_bytes(content.encode() if isinstance(content, str) else content)
    draft.replace(file)


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await what():  # noqa: ASYNC110 - a file has no event to wait for
            await asyncio.sleep(0.02)


async def test_the_key_file_is_read_again_when_it_changes_and_a_broken_one_changes_nothing(
    office: Office, clock: Any, tmp_path: Path
) -> None:
    file = tmp_path / "jwks.json"
    put(file, public_jwks(OLD))
    async with serving(office, clock) as server:
        address = f"localhost:{server.port}"

        async def answered(private: str) -> bool:
            async with Client(address, token(private, clock)) as client:
                try:
                    return bool(await client.matters())
                except ClientError as error:
                    assert (error.code, error.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")  # noqa: PT017
                    return False

        async def refused(private: str) -> bool:
            return not await answered(private)

        with capture_logs() as lines:
            async with following(
                follow(
                    [file],
                    lambda found: server.believe(found[0]),
                    in_use=[file.read_bytes()],
                    look_every_s=0.01,
                )
            ):
                assert await answered(OLD)
                assert await refused(NEW)
                put(file, public_jwks(OLD)[:-5])
                await asyncio.sleep(0.1)
                assert await answered(OLD), "a broken file keeps the old keys"
                file.unlink()
                await asyncio.sleep(0.1)
                assert await answered(OLD), "so does one that is gone"
                put(file, public_jwks(NEW))
                await until(lambda: answered(NEW))
                assert await refused(OLD), "and this token was believed a moment ago"

        told = [line for line in lines if line["event"].startswith("file.")]
        assert [(line["event"], line["log_level"], line.get("reason")) for line in told] == [
            ("file.refused", "error", "JWKS_INVALID"),
            ("file.refused", "error", "FileNotFoundError"),
            ("file.replaced", "info", None),
        ]
        assert {tuple(line["files"]) for line in told} == {("jwks.json",)}


async def shown(port: int, trusted: Tls) -> str:
    """Common name of the certificate that a new connection is shown, if it is trusted."""
    context = ssl.create_default_context(cadata=trusted.certificate_chain.decode())
    context.set_alpn_protocols(["h2"])
    try:
        _, writer = await asyncio.open_connection("localhost", port, ssl=context)
    except ssl.SSLCertVerificationError:
        return ""
    found: Any = writer.get_extra_info("peercert")
    writer.close()
    return str(dict(part[0] for part in found["subject"])["commonName"])


async def test_a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on(
    office: Office, clock: Any, tmp_path: Path
) -> None:
    first, second = certificate("first"), certificate("second")
    chain, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    put(chain, first.certificate_chain)
    put(key, first.private_key)
    with capture_logs() as lines:
        async with serving(office, clock, first) as server:
            address = f"localhost:{server.port}"
            trust = first.certificate_chain
            async with (
                Client(address, token(OLD, clock), authority_certificate=trust) as connected,
                following(
                    follow(
                        [chain, key],
                        lambda found: server.present(Tls(found[1], found[0])),
                        in_use=[first.certificate_chain, first.private_key],
                        look_every_s=0.01,
                    )
                ),
            ):
                assert await connected.matters()
                assert await shown(server.port, first) == "first"
                put(chain, second.certificate_chain)  # the key comes later
                await asyncio.sleep(0.1)
                assert await shown(server.port, first) == "first"
                put(key, second.private_key)

                async def is_second() -> bool:
                    return await shown(server.port, second) == "second"

                await until(is_second)
                assert await shown(server.port, first) == ""
                assert await connected.matters()

    told = [(line["event"], line.get("reason")) for line in lines if "file." in line["event"]]
    assert told == [("file.refused", "CERTIFICATE_INVALID"), ("file.replaced", None)]


@pytest.mark.parametrize(
    ("key", "chain"),
    [
        pytest.param(
            certificate("a").private_key, certificate("b").certificate_chain, id="no pair"
        ),
        pytest.param(b"", certificate("a").certificate_chain, id="no key"),
        pytest.param(certificate("a").private_key, b"", id="no certificate"),
        pytest.param(b"nonsense", b"nonsense", id="nonsense"),
    ],
)
def test_a_key_and_a_certificate_that_are_no_pair_cannot_be_presented(
    key: bytes, chain: bytes
) -> None:
    with pytest.raises(NotListeningError) as caught:
        Tls(private_key=key, certificate_chain=chain)

    assert caught.value.reason == "CERTIFICATE_INVALID"
    assert str(caught.value) == "the certificate and the private key are not a pair"
