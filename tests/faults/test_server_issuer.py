"""A token issuer on real sockets that rotates its keys, dies, hangs, and lies."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from decision_service.errors import DecisionServiceError
from decision_service.office import Office
from decision_service.server import Issuer, Keys, Verifier, fetch, issue, new_private_key
from decision_service.server import issuer as module
from decision_service.server.identity import NotAuthenticatedError, public_jwks
from decision_service.service import service as compose
from decision_service.settings import Settings
from evidence_adapters import registry
from tests import service
from tests.service import LIST, GrpcWire

OLD, NEW, OTHER = new_private_key(), new_private_key(), new_private_key()
ROOT = Path(__file__).parent.parent.parent
HOUR = dt.timedelta(hours=1)
NOW = dt.datetime(2026, 11, 24, 1, 2, 3, tzinfo=dt.UTC)


def key_set(*private: str) -> dict[str, Any]:
    return {"keys": [key for one in private for key in json.loads(public_jwks(one))["keys"]]}


class City:
    """An issuer that says what a test lets it say."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.keys: Any = key_set(OLD)
        self.document: dict[str, Any] = {}
        self.answers: Callable[[web.Request], Any] | None = None
        self.port = service.free_port()
        self._runner: web.AppRunner | None = None

    @property
    def name(self) -> str:
        return f"http://127.0.0.1:{self.port}/realms/city"

    def token(self, private: str, **changes: Any) -> str:
        parts = {
            "subject": "portal-test", "role": "portal", "audience": "miaopi", "issuer": self.name,
            "lifetime": HOUR, "now": NOW,
        }  # fmt: skip
        return issue(private, **{**parts, **changes})

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.answers is not None:
            answer = self.answers(request)
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer is not None:
                assert isinstance(answer, web.StreamResponse)
                return answer
        if request.path.endswith("/.well-known/openid-configuration"):
            told = {"issuer": self.name, "jwks_uri": f"{self.name}/certs", **self.document}
            return web.json_response(told)
        return web.json_response(self.keys)


@pytest.fixture
async def city() -> AsyncIterator[City]:
    city = City()
    await city.start()
    yield city
    await city.stop()


@asynccontextmanager
async def followed(city: City) -> AsyncIterator[tuple[Verifier, Keys]]:
    """The issuer's keys, kept."""
    issuer = Issuer(name=city.name)
    verifier = Verifier(await fetch(issuer), audience="miaopi", issuer=city.name)
    keys = Keys(issuer, verifier.believe)
    following = asyncio.create_task(keys.follow())
    try:
        yield verifier, keys
    finally:
        following.cancel()
        await asyncio.wait([following])


def is_believed(verifier: Verifier, token: str) -> bool:
    try:
        return verifier.verify(token, now=NOW).subject == "portal-test"
    except NotAuthenticatedError:
        return False


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.005)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EVERY_S", 0.05)
    monkeypatch.setattr(module, "_AFTER_FAILURE_S", 0.05)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FETCH_S", 0.3)
    monkeypatch.setattr(module, "_AT_MOST_EVERY_S", 0.0)


# ── rotation ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_with_a_key_of_a_moment_ago_is_let_in_at_once(
    city: City, office: Office, impatient: None
) -> None:
    """By gRPC and as JSON; the issuer is asked once, and not at all for keys that are known."""
    async with (
        followed(city) as (verifier, keys),
        service.serve_both(office, lambda: NOW, verifier=verifier, renew=keys.renew) as (
            wire,
            over_http,
        ),
    ):
        for way in (wire, over_http):
            asked = len(city.asked)
            old = ("authorization", f"Bearer {city.token(OLD)}")
            assert (
                await way.call(LIST, b"" if way is wire else b"{}", metadata=[old])
            ).code == "OK"
            assert len(city.asked) == asked

        city.keys = key_set(OLD, NEW)
        new = ("authorization", f"Bearer {city.token(NEW)}")
        answers = await asyncio.gather(*(wire.call(LIST, b"", metadata=[new]) for _ in range(8)))
        assert {one.code for one in answers} == {"OK"}
        assert len(city.asked) == 4  # discovery and keys, twice

        city.keys = key_set(OTHER)
        other = ("authorization", f"Bearer {city.token(OTHER)}")
        assert (await over_http.call(LIST, b"{}", metadata=[other])).code == "OK"
        assert (await wire.call(LIST, b"", metadata=[new])).reason == "TOKEN_INVALID"


async def test_a_key_that_the_issuer_takes_away_is_soon_not_believed(
    city: City, hurried: None
) -> None:
    async with followed(city) as (verifier, _):
        assert is_believed(verifier, city.token(OLD))
        city.keys = key_set(NEW)
        await until(lambda: not is_believed(verifier, city.token(OLD)))
        assert is_believed(verifier, city.token(NEW))


async def test_a_flood_of_unknown_keys_asks_the_issuer_once(city: City) -> None:
    async with followed(city) as (_, keys):
        assert not await keys.renew(), "it was asked a moment ago"
        assert len(city.asked) == 2
        keys._tried_at -= module._AT_MOST_EVERY_S

        told = await asyncio.gather(*(keys.renew() for _ in range(1_000)))

        assert len(city.asked) == 4
        assert told.count(True) == module._MOST_WAITING
        assert not await keys.renew()


# ── outages ──────────────────────────────────────────────────────────────────────────────────────


async def test_keys_are_kept_while_the_issuer_is_away_and_renewed_when_it_is_back(
    city: City, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_MOST_EVERY_S", 0.0)
    async with followed(city) as (verifier, keys):
        with capture_logs() as logs:
            await city.stop()
            await until(lambda: logs)
            assert not await keys.renew()
            assert is_believed(verifier, city.token(OLD))
            assert not is_believed(verifier, city.token(NEW))

            city.keys = key_set(OLD, NEW)
            await city.start()
            await until(lambda: is_believed(verifier, city.token(NEW)))

    assert [(line["event"], line.get("reason")) for line in logs] == [
        ("issuer.failed", "ISSUER_UNREACHABLE"),
        ("issuer.recovered", None),
    ]


async def test_keys_that_nobody_confirms_are_not_believed_for_ever(
    city: City, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with followed(city) as (verifier, _):
        assert is_believed(verifier, city.token(OLD))
        await city.stop()
        monkeypatch.setattr(module, "_KEPT_S", 0.1)
        await until(lambda: not is_believed(verifier, city.token(OLD)))
        await city.start()
        await until(lambda: is_believed(verifier, city.token(OLD)))


async def test_an_issuer_that_hangs_holds_up_only_tokens_of_unknown_keys(
    city: City, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FETCH_S", 2.0)
    monkeypatch.setattr(module, "_AT_MOST_EVERY_S", 0.0)
    async with (
        followed(city) as (verifier, keys),
        service.serve_both(office, lambda: NOW, verifier=verifier, renew=keys.renew) as (wire, _),
    ):
        city.answers = lambda _: asyncio.sleep(60)
        new = ("authorization", f"Bearer {city.token(NEW)}")
        waiting = asyncio.create_task(wire.call(LIST, b"", metadata=[new]))
        old = ("authorization", f"Bearer {city.token(OLD)}")
        assert (await wire.call(LIST, b"", metadata=[old])).code == "OK"
        assert not waiting.done()
        assert (await waiting).reason == "TOKEN_INVALID"


# ── lies ─────────────────────────────────────────────────────────────────────────────────────────


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.01)


def moved(_: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "https://elsewhere.invalid/"})


def page(_: web.Request) -> web.Response:
    return web.Response(text="<html>Log in</html>", content_type="text/html")


LIES: dict[str, tuple[str, Callable[[City], Any]]] = {
    "another issuer's document": (
        "ISSUER_MISMATCH", lambda city: {"document": {"issuer": f"{city.name}/"}},
    ),
    "keys over plain HTTP": (
        "ISSUER_INSECURE", lambda _: {"document": {"jwks_uri": "http://keys.invalid/certs"}},
    ),
    "keys in a file": ("ISSUER_INSECURE", lambda _: {"document": {"jwks_uri": "file:///etc/keys"}}),
    "keys at no address": ("ISSUER_INSECURE", lambda _: {"document": {"jwks_uri": "https://["}}),
    "keys in no text": ("ISSUER_UNREADABLE", lambda _: {"document": {"jwks_uri": 5}}),
    "a redirect": ("ISSUER_REFUSED", lambda _: {"answers": moved}),
    "an error": ("ISSUER_REFUSED", lambda _: {"answers": lambda _: web.Response(status=500)}),
    "a login page": ("ISSUER_UNREADABLE", lambda _: {"answers": page}),
    "a list": ("ISSUER_UNREADABLE", lambda _: {"answers": lambda _: web.json_response([1])}),
    "a deep document": (
        "ISSUER_UNREADABLE", lambda _: {"answers": lambda _: web.Response(text="[" * 100_000)},
    ),
    "26 MB": (
        "ISSUER_UNREADABLE", lambda _: {"answers": lambda _: web.Response(body=b" " * 500_000)},
    ),
    "a drip": ("ISSUER_UNREACHABLE", lambda _: {"answers": drip}),
    "a secret key": ("JWKS_INVALID", lambda _: {"keys": {"keys": [json.loads(NEW)]}}),
    "a short key": (
        "JWKS_INVALID",
        lambda _: {"keys": {"keys": [{"kty": "RSA", "kid": "1", "e": "AQAB", "n": "x" * 171}]}},
    ),
    "keys that are none": ("JWKS_INVALID", lambda _: {"keys": ["x"]}),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_changes_nothing_and_is_told_to_the_operator(
    lie: str, city: City, hurried: None, impatient: None
) -> None:
    reason, says = LIES[lie]
    async with followed(city) as (verifier, _):
        city.asked.clear()
        with capture_logs() as logs:
            vars(city).update(says(city))
            await until(lambda: logs)

        assert [(line["event"], line["reason"]) for line in logs] == [("issuer.failed", reason)]
        assert is_believed(verifier, city.token(OLD))
        assert not is_believed(verifier, city.token(NEW))


async def test_a_token_must_name_the_issuer_whose_keys_they_are(city: City) -> None:
    async with followed(city) as (verifier, _):
        assert is_believed(verifier, city.token(OLD))
        assert not is_believed(verifier, city.token(OLD, issuer="http://127.0.0.1/realms/other"))


# ── the whole service ────────────────────────────────────────────────────────────────────────────


async def test_the_service_does_not_start_without_the_issuers_keys(city: City) -> None:
    await city.stop()

    with pytest.raises(DecisionServiceError) as caught:
        await fetch(Issuer(name=city.name))

    assert caught.value.reason == "ISSUER_UNREACHABLE"
    assert str(caught.value) == (
        "the token issuer cannot be asked: ClientConnectorError: "
        f"`127.0.0.1:{city.port}/realms/city/.well-known/openid-configuration`"
    )


async def test_a_composed_service_believes_the_issuer_and_follows_it(
    city: City, tmp_path: Path, impatient: None
) -> None:
    settings = Settings(
        city=ROOT, store=tmp_path / "store", port=0, oidc_issuer=city.name, pause_s=0
    )
    issuer = Issuer(name=city.name)
    settings.store.mkdir()
    composed = compose(
        settings, registers=registry.load(), addresses={}, jwks=await fetch(issuer), issuer=issuer
    )
    async with (
        composed as (server, _),
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        wire = GrpcWire(channel, lambda: NOW, server.port)
        city.keys = key_set(NEW)
        now = dt.datetime.now(dt.UTC)
        new = ("authorization", f"Bearer {city.token(NEW, now=now)}")
        assert (await wire.call(LIST, b"", metadata=[new])).code == "OK"
