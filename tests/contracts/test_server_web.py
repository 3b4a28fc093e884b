"""JSON over HTTP on a real port: HTTP's own manners, browsers, and connections that misbehave."""

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from decision_service.model import EvidenceType
from decision_service.office import Office
from decision_service.server import Limits, NotListeningError
from decision_service.server import web as face
from evidence_adapters.sandbox import City, Misconduct, Person, Running
from tests import service
from tests.service import DECIDE, GET, LIST, PREFILL, JsonWire, self_signed

ROOT = Path(__file__).parent.parent.parent
BUF = Path(sys.executable).parent / "buf"
PORTAL = "https://portal.example"
POPULATION = EvidenceType("population_register")

Headers = dict[str, str]


@asynccontextmanager
async def served(office: Office, clock: Any, **more: Any) -> AsyncIterator[JsonWire]:
    async with service.serve_both(office, clock, **more) as (_, wire):
        yield wire


@pytest.fixture
async def wire(office: Office, clock: Any) -> AsyncIterator[JsonWire]:
    async with served(office, clock, origins=[PORTAL]) as wire:
        yield wire


@pytest.fixture
def person(people: City, clock: Any) -> Person:
    return people.cast(clock().date())["aged_75"]


async def ask(
    wire: JsonWire, method: str, path: str, data: bytes = b"{}", **headers: str
) -> tuple[int, Headers, Any]:
    """Status, headers and JSON of any request."""
    written = {name.replace("_", "-"): value for name, value in headers.items()}
    address = f"http://127.0.0.1:{wire.port}{path}"
    async with wire.session.request(method, address, data=data, headers=written) as response:
        raw = await response.read()
        return response.status, dict(response.headers), json.loads(raw) if raw else None


def bearer(wire: JsonWire) -> str:
    return dict(wire.bearer())["authorization"]


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.005)


# ── HTTP's own manners ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "told"),
    [
        pytest.param("POST", "/", {}, 404, {}, id="no method"),
        pytest.param("POST", f"{GET}s", {}, 404, {}, id="a method of tomorrow"),
        pytest.param("POST", f"{GET}/", {}, 404, {}, id="a path that goes on"),
        pytest.param("POST", "/grpc.health.v1.Health/Check", {}, 404, {}, id="gRPC's health"),
        pytest.param("GET", GET, {}, 405, {"Allow": "POST, OPTIONS"}, id="a link"),
        pytest.param("DELETE", GET, {}, 405, {"Allow": "POST, OPTIONS"}, id="another verb"),
        pytest.param(
            "POST", GET, {"content_type": "text/plain"}, 415,
            {"Accept-Post": "application/json, application/proto"},
            id="what a page may send without asking",
        ),
        pytest.param(
            "POST", GET, {"content_type": "application/json; charset=gbk"}, 415,
            {"Accept-Post": "application/json, application/proto"}, id="another encoding",
        ),
        pytest.param(
            "POST", PREFILL, {"content_type": "application/json"}, 415,
            {"Accept-Post": "application/connect+json, application/connect+proto"},
            id="a stream without envelopes",
        ),
        pytest.param(
            "POST", GET, {"content_type": "application/json", "content_encoding": "gzip"}, 415, {},
            id="something compressed",
        ),
    ],
)  # fmt: skip
async def test_what_is_no_call_is_told_so_and_costs_nothing(
    wire: JsonWire, method: str, path: str, headers: Headers, status: int, told: Headers
) -> None:
    with capture_logs() as logs:
        got, found, document = await ask(
            wire, method, path, authorization=bearer(wire), **{"content_type": "x/y", **headers}
        )

    assert (got, document["code"]) == (status, "unimplemented")
    assert told.items() <= found.items()
    assert logs == []


async def test_nobody_keeps_an_answer_or_guesses_what_it_is(wire: JsonWire) -> None:
    status, headers, document = await ask(
        wire, "POST", LIST, authorization=bearer(wire), content_type="application/json"
    )

    assert status == 200
    assert document["matters"]
    assert headers["Content-Type"].startswith("application/json")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "miaopi"


async def test_a_refusal_has_the_status_and_the_header_that_http_has_for_it(
    office: Office, clock: Any
) -> None:
    async with served(office, clock, limits=Limits(calls_per_s=0.1, burst=1)) as wire:
        plain = {"content_type": "application/json"}
        status, headers, document = await ask(wire, "POST", LIST, **plain)
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert document["code"] == "unauthenticated"

        answers = [
            await ask(wire, "POST", LIST, authorization=bearer(wire), **plain) for _ in range(2)
        ]

    assert [status for status, *_ in answers] == [200, 429]
    assert 9 <= int(answers[1][1]["Retry-After"]) <= 10


async def test_a_call_leaves_one_line_under_its_own_id(wire: JsonWire, person: Person) -> None:
    asked = service.application(person, wire._clock())
    with capture_logs(processors=[merge_contextvars]) as logs:
        assert (await wire.call(DECIDE, json.dumps(asked).encode())).code == "OK"
        await until(lambda: [line for line in logs if line["event"] == "request.handled"])

    (line,) = [line for line in logs if line["event"] == "request.handled"]
    assert line["request_id"] == asked["request_id"]
    assert (line["method"], line["code"]) == (DECIDE, "OK")
    assert (line["caller"], line["role"]) == ("portal-test", "portal")


async def test_a_crash_tells_the_caller_nothing(
    wire: JsonWire, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError("secret of the house")

    monkeypatch.setattr(type(office.catalogue), "matters_on", crash)
    answered = await wire.call(LIST, b"{}")

    assert (answered.code, answered.message) == ("INTERNAL", "internal error")
    assert "secret" not in answered.words


# ── browsers ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_page_of_a_known_origin_may_call(wire: JsonWire) -> None:
    status, headers, _ = await ask(
        wire, "OPTIONS", DECIDE, b"", origin=PORTAL, access_control_request_method="POST",
        access_control_request_headers="authorization,content-type",
    )  # fmt: skip
    assert status == 204
    assert headers["Access-Control-Allow-Origin"] == PORTAL
    assert headers["Access-Control-Allow-Methods"] == "POST"
    assert headers["Access-Control-Allow-Headers"] == (
        "Authorization, Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms"
    )
    assert headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in headers

    for token in (bearer(wire), ""):
        _, headers, _ = await ask(
            wire, "POST", LIST, origin=PORTAL, authorization=token, content_type="application/json"
        )
        assert headers["Access-Control-Allow-Origin"] == PORTAL


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{PORTAL}.evil.example", "http://portal.example"]
)
async def test_no_other_page_may(wire: JsonWire, origin: str) -> None:
    asked, headers, _ = await ask(wire, "OPTIONS", DECIDE, b"", origin=origin)
    assert asked == 403
    assert not [name for name in headers if name.startswith("Access-Control")]

    _, headers, _ = await ask(
        wire, "POST", LIST, origin=origin, authorization=bearer(wire),
        content_type="application/json",
    )  # fmt: skip
    assert not [name for name in headers if name.startswith("Access-Control")]


async def test_without_a_setting_no_page_may(office: Office, clock: Any) -> None:
    async with served(office, clock) as wire:
        status, headers, _ = await ask(wire, "OPTIONS", DECIDE, b"", origin=PORTAL)

    assert status == 403
    assert not [name for name in headers if name.startswith("Access-Control")]


# ── time ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_deadline_of_the_caller_ends_its_call(
    office: Office, clock: Any, running: Running, person: Person
) -> None:
    running.misbehave(POPULATION, Misconduct.SILENT)
    async with served(office, clock) as wire:
        asked = service.message(PREFILL, service.request_to_prefill(person, clock()))
        began = asyncio.get_running_loop().time()
        answered = await wire.call(PREFILL, asked, timeout_s=1.5)

    assert asyncio.get_running_loop().time() - began < 5
    assert answered.responses  # what came in time
    assert answered.code in {"OK", "DEADLINE_EXCEEDED"}


async def test_who_hangs_up_frees_what_the_registers_were_still_asked(
    office: Office, clock: Any, running: Running, person: Person
) -> None:
    running.misbehave(POPULATION, Misconduct.SILENT)
    async with served(office, clock) as wire:
        source: Any = office.sources[POPULATION]
        free = source._places._value
        with capture_logs() as logs:
            asked = service.message(PREFILL, service.request_to_prefill(person, clock()))
            asking = asyncio.create_task(wire.call(PREFILL, asked))
            await until(lambda: source._places._value < free)
            asking.cancel()
            await until(lambda: source._places._value == free)
            await until(lambda: [line for line in logs if line["event"] == "request.handled"])

    assert [line["code"] for line in logs if line["event"] == "request.handled"] == ["CANCELLED"]
    assert not [line for line in logs if line["log_level"] == "error"]


async def test_a_connection_that_says_nothing_is_closed(
    office: Office, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face, "_HEAD_S", 0.2)
    async with served(office, clock) as wire:
        for said in (b"", b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: "):
            reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
            writer.write(said)
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()


async def test_a_body_that_never_ends_is_given_up_and_the_place_is_free_again(
    office: Office, clock: Any
) -> None:
    limits = Limits(longest_call_s=0.3, calls_in_flight=2, longest_lag_s=60)
    async with served(office, clock, limits=limits) as wire:
        head = (
            f"POST {LIST} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: {bearer(wire)}\r\nContent-Length: 100\r\n\r\n{{"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
        writer.write(head.encode())
        async with asyncio.timeout(5):
            assert b"504" in await reader.readline()
        writer.close()

        assert (await wire.call(LIST, b"{}")).code == "OK"


async def test_a_body_of_unknown_length_is_cut_at_the_same_size(wire: JsonWire) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * (64 << 10)

    async with wire.session.post(
        f"http://127.0.0.1:{wire.port}{LIST}",
        data=body(),
        headers={"authorization": bearer(wire), "content-type": "application/json"},
    ) as response:
        answered = service.told(LIST, [], await response.json())

    assert answered.fields == (("request", "TOO_LARGE"),)


async def test_who_has_no_token_is_refused_before_its_body_is_read(wire: JsonWire) -> None:
    head = f"POST {LIST} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9"
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(f"{head}\r\nExpect: 100-continue\r\n\r\n".encode())
    async with asyncio.timeout(5):
        assert b"401" in await reader.readline()
    writer.close()


async def test_who_waits_to_be_told_to_go_on_is_told(wire: JsonWire) -> None:
    head = (
        f"POST {LIST} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2"
        f"\r\nAuthorization: {bearer(wire)}\r\nExpect: 100-continue\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(head.encode())
    async with asyncio.timeout(5):
        assert b"100" in await reader.readline()
        writer.write(b"{}")
        await reader.readline()
        assert b"200" in await reader.readline()
    writer.close()


async def test_who_does_not_read_its_answer_holds_up_nobody(
    office: Office, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is larger than any buffer, to a caller that never looks."""
    endless = replace(face._CODECS["json"], write=lambda _: b" " * (64 << 20))
    monkeypatch.setitem(face._CODECS, "json", endless)
    limits = Limits(longest_call_s=0.3, calls_in_flight=2, longest_lag_s=60)
    async with served(office, clock, limits=limits) as wire:
        head = (
            f"POST {LIST} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: {bearer(wire)}\r\nContent-Length: 2\r\n\r\n{{}}"
        )
        with capture_logs() as logs:
            _, writer = await asyncio.open_connection("127.0.0.1", wire.port, limit=1)
            writer.write(head.encode())
            await until(lambda: [line for line in logs if line["event"] == "request.handled"])
        writer.transport.abort()

    assert [line["code"] for line in logs if "code" in line] == ["DEADLINE_EXCEEDED"]


async def test_the_end_of_the_service_ends_its_streams_and_refuses_new_calls(
    office: Office, clock: Any, running: Running, person: Person
) -> None:
    running.misbehave(POPULATION, Misconduct.SILENT)
    asked = service.message(PREFILL, service.request_to_prefill(person, clock()))
    async with (
        aiohttp.ClientSession() as session,
        service.server(office, clock, web_address="127.0.0.1:0", drain_s=1.0) as server,
    ):
        wire = JsonWire(session, clock, server.web_port)
        cut = asyncio.create_task(wire.call(PREFILL, asked))
        await until(lambda: running.accesses)
        ending = asyncio.create_task(server.__aexit__(None, None, None))
        await asyncio.sleep(0.1)
        assert (await wire.call(LIST, b"{}")).reason == "STOPPING"
        await ending
        assert (await cut).reason == "STOPPING"
        with pytest.raises(aiohttp.ClientConnectionError):
            await wire.call(LIST, b"{}")


# ── where it listens ─────────────────────────────────────────────────────────────────────────────


async def test_it_is_not_there_unless_it_is_asked_for(office: Office, clock: Any) -> None:
    async with service.server(office, clock) as server:
        assert server.web_port == 0


async def test_outside_the_loopback_it_needs_a_certificate(office: Office, clock: Any) -> None:
    with pytest.raises(NotListeningError) as caught:
        await service.server(office, clock, web_address="0.0.0.0:0").__aenter__()

    assert caught.value.reason == "TLS_REQUIRED"


async def test_a_port_that_is_taken_is_told(office: Office, clock: Any) -> None:
    async with service.server(office, clock, web_address="127.0.0.1:0") as first:
        taken = service.server(office, clock, web_address=f"127.0.0.1:{first.web_port}")
        with pytest.raises(NotListeningError) as caught:
            await taken.__aenter__()

    assert caught.value.reason == "ADDRESS_UNAVAILABLE"


async def test_it_speaks_tls_and_shows_a_new_certificate_to_new_connections(
    office: Office, clock: Any
) -> None:
    first, second = self_signed(), self_signed()
    async with service.server(office, clock, web_address="127.0.0.1:0", tls=first) as server:
        for tls in (first, second):
            server.present(tls)
            trust = ssl.create_default_context(cadata=tls.certificate_chain.decode())
            connector = aiohttp.TCPConnector(ssl=trust)
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.get(f"https://localhost:{server.web_port}/") as response,
            ):
                assert response.status == 404


# ── a client by other people ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", [DECIDE, PREFILL])
async def test_a_client_of_the_protocol_by_other_people_understands_it(
    wire: JsonWire, method: str, person: Person, tmp_path: Path
) -> None:
    asked = service.right(method, person, wire._clock(), "")
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    command = [
        *(BUF, "curl", "--protocol", "connect", "--schema", ROOT, "-d", f"@{tmp_path}/asked.json"),
        *("-H", f"authorization: {bearer(wire)}", f"http://127.0.0.1:{wire.port}{method}"),
    ]
    ran = await asyncio.to_thread(
        subprocess.run, list(map(str, command)), capture_output=True, timeout=60, check=False
    )

    assert ran.returncode == 0, ran.stderr
    assert person.id_number not in ran.stderr.decode()
    documents = [json.loads(one) for one in ran.stdout.decode().replace("}\n{", "}\0{").split("\0")]
    if method == DECIDE:
        assert "approved" in documents[0]["decision"]
    else:
        assert ["started" in documents[0], "completed" in documents[-1]] == [True, True]


async def test_a_client_by_other_people_understands_a_refusal(
    wire: JsonWire, person: Person
) -> None:
    command = [
        *(BUF, "curl", "--protocol", "connect", "--schema", ROOT, "-d", "{}"),
        *("-H", f"authorization: {bearer(wire)}", f"http://127.0.0.1:{wire.port}{GET}"),
    ]
    ran = await asyncio.to_thread(
        subprocess.run, list(map(str, command)), capture_output=True, timeout=60, check=False
    )

    told = json.loads(ran.stderr)
    assert told["code"] == "invalid_argument"
    assert {one["type"] for one in told["details"]} == {
        "google.rpc.ErrorInfo", "google.rpc.LocalizedMessage", "google.rpc.RequestInfo",
        "google.rpc.BadRequest",
    }  # fmt: skip
