"""The whole service on a real port, asked by our own client as a portal would ask it."""

import asyncio
import datetime as dt
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs

from decision_service.client import Case, Client, ClientError
from decision_service.model import Application, EvidenceType, PrefillRequest
from decision_service.office import Office
from decision_service.server import (
    NotListeningError,
    Server,
    Verifier,
    issue,
    new_private_key,
    public_jwks,
)
from decision_service.server.edge import SERVICES
from evidence_adapters.sandbox import City, Firms, Misconduct
from tests.service import self_signed

ApplyFor = Callable[..., Application]
AskFor = Callable[..., PrefillRequest]

MATTER = "old_age_allowance"
PRIVATE = new_private_key()
BUF = Path(sys.executable).parent / "buf"


def token(clock: Any, subject: str = "portal-test", role: str = "portal") -> str:
    return issue(
        PRIVATE,
        subject=subject,
        role=role,
        audience="miaopi",
        issuer="city",
        lifetime=dt.timedelta(hours=1),
        now=clock(),
    )


def on(address: str, office: Office, clock: Any, **more: Any) -> Server:
    return Server(
        office=office,
        verifier=Verifier(public_jwks(PRIVATE), audience="miaopi", issuer="city"),
        clock=clock,
        city="test",
        address=address,
        **{"pause_s": 0.0, "drain_s": 5.0, **more},
    )


@pytest.fixture
async def server(office: Office, clock: Any) -> AsyncIterator[Server]:
    async with on("127.0.0.1:0", office, clock) as server:
        yield server


@pytest.fixture
async def client(server: Server, clock: Any) -> AsyncIterator[Client]:
    async with Client(f"127.0.0.1:{server.port}", token(clock)) as client:
        yield client


@pytest.fixture
def cast(people: Any, clock: Any, office: Office) -> Any:
    return people.cast(office.today(clock()))


def asked(request: PrefillRequest | Application) -> dict[str, Any]:
    """A request as the client takes it: without what the service adds."""
    kept = type(request).model_fields.keys() - {"caller", "content_digest"}
    return {name: getattr(request, name) for name in kept}


# ── the two lines, from wire to disk and back ────────────────────────────────────────────────────


async def test_a_portal_lists_prefills_decides_and_fetches_the_receipt(
    client: Client, ask_for: AskFor, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    listed = await client.matters()
    events = [event async for event in client.prefill(**asked(ask_for(person, MATTER)))]
    case_id = events[0].started.case_id
    decision = await client.decide(**asked(apply_for(person, MATTER, case_id=case_id)))
    case = await client.case(case_id)
    receipt = await client.receipt(case_id)

    assert MATTER in {one.id for one in listed}
    assert [event.WhichOneof("event") for event in events] == [
        "started",
        *["evidence"] * len(events[0].started.evidence_types),
        "completed",
    ]
    assert events[-1].completed.fields
    assert decision.WhichOneof("outcome") == "approved"
    assert decision.case_id == case_id
    assert case.decisions[-1] == decision
    assert json.loads(receipt)


async def test_a_case_that_is_followed_is_told_again_only_when_it_has_moved(
    server: Server, client: Client, clock: Any, ask_for: AskFor, apply_for: ApplyFor, cast: Any
) -> None:
    """A call ends before the case does; the next one begins with what was told already."""
    person = cast["aged_75"]
    prefilled = [event async for event in client.prefill(**asked(ask_for(person, MATTER)))]
    case_id = prefilled[0].started.case_id
    told: asyncio.Queue[Case] = asyncio.Queue()

    async def follow() -> None:
        address = f"127.0.0.1:{server.port}"
        async with Client(address, token(clock), timeout_s=1.5) as follower:
            async for case in follower.watch(case_id):
                told.put_nowait(case)

    following = asyncio.create_task(follow())
    await asyncio.sleep(4)
    assert [told.get_nowait().state for _ in range(told.qsize())] == [Case.STATE_OPEN]

    await client.decide(**asked(apply_for(person, MATTER, case_id=case_id)))
    await asyncio.wait_for(following, timeout=10)
    assert [told.get_nowait().state for _ in range(told.qsize())] == [Case.STATE_APPROVED]


async def test_a_firm_moves_from_wire_to_disk_and_back(
    client: Client, file_for: ApplyFor, people: City, office: Office, clock: Any
) -> None:
    """Prefilled twice, the second time with the house that the applicant typed; then decided."""
    filing = Firms(people).cast(office.today(clock()))["leased_office"]
    matter = await client.matter("business_address_change")
    application = asked(file_for(filing, matter.id))
    form = {name: application[name] for name in PrefillRequest.model_fields if name in application}
    first = [event async for event in client.prefill(**form | {"answers": {}})]
    case_id = first[0].started.case_id
    house = {key: application["answers"][key] for key in matter.prefill_answers}
    typed = form | {"answers": house, "case_id": case_id, "request_id": str(uuid4())}
    second = [event async for event in client.prefill(**typed)]
    decision = await client.decide(**application | {"case_id": case_id})

    assert [*matter.applicants] == ["organisation"]
    assert len(matter.replaces) == 5
    assert [*matter.prefill_answers] == ["premises.house_code"]
    assert set(first[0].started.evidence_types) < set(second[0].started.evidence_types)
    assert len(first[-1].completed.replaced) == 2
    assert len(second[-1].completed.replaced) == 4
    assert decision.WhichOneof("outcome") == "approved"
    assert [one.display.en for one in decision.approved.grant][1] == "Luohu"
    assert [one.name.en for one in decision.replaced][-1] == "lease"
    assert filing.firm.code in await client.receipt(case_id)


async def test_a_firm_that_cannot_be_is_refused_with_every_field(
    client: Client, file_for: ApplyFor, people: City, office: Office, clock: Any
) -> None:
    filing = Firms(people).cast(office.today(clock()))["leased_office"]
    application = asked(file_for(filing, "business_address_change"))
    applicant, firm = application["parties"]
    wrong = firm.documents[0].model_copy(update={"number": "91990000MA9000003X"})
    parties = (applicant, firm.model_copy(update={"documents": (wrong,)}))

    with pytest.raises(ClientError) as caught:
        await client.decide(**application | {"parties": parties, "channel": "fax"})
    with pytest.raises(ClientError) as missing:
        await client.decide(**application | {"parties": (applicant,)})

    assert caught.value.code == "INVALID_ARGUMENT"
    assert {(one.field, one.reason) for one in caught.value.fields} == {
        ("channel", "CHANNEL_NOT_OFFERED"),
        ("parties[1].documents[0].number", "NOT_AN_ORGANISATION_CODE"),
    }
    assert [one.zh for one in missing.value.fields] == ["本事项由单位申请，请填写单位"]


async def test_a_repeated_request_gets_the_first_decision_and_a_reused_one_is_refused(
    client: Client, apply_for: ApplyFor, cast: Any
) -> None:
    first = asked(apply_for(cast["aged_75"], MATTER))

    decision = await client.decide(**first)
    again = await client.decide(**first)
    with pytest.raises(ClientError) as caught:
        await client.decide(**first | {"channel": "app"})

    assert again == decision
    assert (caught.value.code, caught.value.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_another_callers_case_is_not_there(
    client: Client, server: Server, clock: Any, apply_for: ApplyFor, cast: Any
) -> None:
    decision = await client.decide(**asked(apply_for(cast["aged_75"], MATTER)))

    async with Client(f"127.0.0.1:{server.port}", token(clock, "portal-other")) as other:
        for call in (other.case(decision.case_id), other.receipt(decision.case_id)):
            with pytest.raises(ClientError) as caught:
                await call
            assert (caught.value.code, caught.value.reason) == ("NOT_FOUND", "CASE_NOT_FOUND")


async def test_a_portals_mistakes_come_back_all_at_once_in_both_languages(
    client: Client, apply_for: ApplyFor, cast: Any
) -> None:
    wrong = asked(apply_for(cast["aged_75"], MATTER)) | {"request_id": "1", "channel": ""}

    with pytest.raises(ClientError) as caught:
        await client.decide(**wrong)

    error = caught.value
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert str(error) == "the request is wrong in `request_id`, `channel`"
    assert error.hint == (
        "Correct every field listed in `field_violations` and send the request again."
    )
    assert error.zh == ("请求有误：request_id 应为 UUID4，每个新请求使用新的编号；channel 为必填项")
    assert [(one.field, one.reason) for one in error.fields] == [
        ("request_id", "MALFORMED"),
        ("channel", "REQUIRED"),
    ]


async def test_a_deadline_that_is_too_short_is_told_before_anybody_is_asked(
    server: Server, clock: Any, apply_for: ApplyFor, cast: Any, running: Any
) -> None:
    running.accesses.clear()
    address = f"127.0.0.1:{server.port}"
    async with Client(address, token(clock), timeout_s=0.2) as hasty:
        with pytest.raises(ClientError) as caught:
            await hasty.decide(**asked(apply_for(cast["aged_75"], MATTER)))

    assert (caught.value.code, caught.value.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT")
    assert not running.accesses


async def test_nothing_about_a_person_reaches_the_log(
    client: Client, ask_for: AskFor, apply_for: ApplyFor, cast: Any
) -> None:
    person = cast["aged_75"]
    with capture_logs() as logs:
        events = [event async for event in client.prefill(**asked(ask_for(person, MATTER)))]
        await client.decide(**asked(apply_for(person, MATTER)))
        with pytest.raises(ClientError):
            await client.decide(**asked(apply_for(person, MATTER)) | {"request_id": "1"})
        await asyncio.sleep(0.05)

    personal = {person.id_number, "13800000000"} | {
        field.value.text for field in events[-1].completed.fields if field.value.text
    }
    assert sum(line["event"] == "request.handled" for line in logs) == 3
    assert not [word for word in personal if word in str(logs)]


# ── pages ────────────────────────────────────────────────────────────────────────────────────────


async def test_pages_together_are_the_list_and_a_token_goes_with_its_day_only(
    client: Client, clock: Any, office: Office
) -> None:
    from decision_service.v1.matter_pb2 import ListMattersRequest  # noqa: PLC0415

    whole = [one.id for one in await client.matters()]
    pages: list[str] = []
    ask = ListMattersRequest(page_size=1)
    metadata = (("authorization", f"Bearer {token(clock)}"),)
    while True:
        page = await client._matters.ListMatters(ask, metadata=metadata)
        pages += [one.id for one in page.matters]
        if not page.next_page_token:
            break
        ask.page_token = page.next_page_token

    assert len(whole) > 1
    assert pages == whole
    today = office.today(clock())
    for wrong in (
        {"page_token": "x"},
        {"page_token": "%%%"},
        {
            "page_token": ask.page_token,
            "date": {"year": today.year, "month": today.month, "day": today.day},
        },
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client._matters.ListMatters(ListMattersRequest(**wrong), metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details() == "the request is wrong in `page_token`"


async def test_a_matter_is_shown_as_it_was_in_force_on_the_day(client: Client) -> None:
    today = await client.matter(MATTER)
    before = await client.matter(MATTER, dt.date(2015, 1, 1))

    assert before.rules_effective_date.year == 2014
    assert before.release_digest != today.release_digest
    assert json.loads(today.form_json_schema)["properties"]
    with pytest.raises(ClientError) as caught:
        await client.matter(MATTER, dt.date(1999, 1, 1))
    assert caught.value.reason == "NO_RELEASE_IN_FORCE"


# ── the address ──────────────────────────────────────────────────────────────────────────────────


async def test_a_second_service_on_the_address_is_refused(
    server: Server, office: Office, clock: Any
) -> None:
    address = f"127.0.0.1:{server.port}"
    with pytest.raises(NotListeningError) as caught:
        async with on(address, office, clock):
            pytest.fail("two services listen on one address")

    assert str(caught.value) == f"`{address}` cannot be listened on"
    assert caught.value.reason == "ADDRESS_UNAVAILABLE"
    assert "`MIAOPI_PORT`" in caught.value.hint
    assert "MIAOPI_PORT" in caught.value.zh


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "city.invalid", ""])  # noqa: S104
async def test_plain_text_is_for_the_loopback_alone(host: str, office: Office, clock: Any) -> None:
    with pytest.raises(NotListeningError) as caught:
        async with on(f"{host}:0", office, clock):
            pytest.fail("anybody can listen")

    assert caught.value.reason == "TLS_REQUIRED"
    assert caught.value.hint == (
        "Give the service a certificate and its key, or listen on 127.0.0.1."
    )


async def test_with_a_certificate_the_service_speaks_tls(office: Office, clock: Any) -> None:
    tls = self_signed()
    async with (
        on("0.0.0.0:0", office, clock, tls=tls) as server,
        Client(
            f"localhost:{server.port}", token(clock), authority_certificate=tls.certificate_chain
        ) as client,
    ):
        assert await client.matters()


async def test_a_message_above_a_mebibyte_is_refused_unread(
    client: Client, apply_for: ApplyFor, cast: Any
) -> None:
    large = asked(apply_for(cast["aged_75"], MATTER)) | {"answers": {"a": "x" * (1 << 20)}}

    with pytest.raises(ClientError) as caught:
        await client.decide(**large)

    assert caught.value.code == "RESOURCE_EXHAUSTED"


# ── health, reflection, draining ─────────────────────────────────────────────────────────────────


async def test_anybody_may_ask_for_the_health_of_each_service(server: Server) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", *(service.full_name for service in SERVICES)):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING, name


async def test_reflection_lists_the_services_on_the_loopback(server: Server) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        )
        (answer,) = [answer async for answer in call]

    assert {one.name for one in answer.list_services_response.service} == {
        *(service.full_name for service in SERVICES),
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


async def test_a_call_in_flight_ends_before_the_service_does(
    office: Office, clock: Any, apply_for: ApplyFor, cast: Any, running: Any
) -> None:
    running.misbehave(EvidenceType("death_register"), Misconduct.SLOW)
    running.accesses.clear()
    async with on("127.0.0.1:0", office, clock, drain_s=30.0) as server:
        client = Client(f"127.0.0.1:{server.port}", token(clock), timeout_s=20.0)
        application = asked(apply_for(cast["aged_75"], MATTER))
        deciding = asyncio.create_task(client.decide(**application))
        async with asyncio.timeout(10):
            while not running.accesses:  # noqa: ASYNC110 - a register has been asked: in flight
                await asyncio.sleep(0.005)
        assert not deciding.done()

    assert (await deciding).WhichOneof("outcome") == "approved"
    await client.__aexit__(None, None, None)


async def test_a_stopping_service_says_so_and_ends_the_watches_that_heard_it(
    office: Office, clock: Any
) -> None:
    async with on("127.0.0.1:0", office, clock, pause_s=0.1, drain_s=30.0) as server:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        first = await watch.read()
        began = asyncio.get_running_loop().time()
    took_s = asyncio.get_running_loop().time() - began
    last, end = await watch.read(), await watch.read()
    await channel.close()

    assert first.status == health_pb2.HealthCheckResponse.SERVING
    assert last.status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert end is grpc.aio.EOF
    assert took_s < 10, "an open watch held up the drain"


async def test_a_client_by_other_people_needs_nothing_but_a_token(
    server: Server, clock: Any
) -> None:
    """`buf curl` learns the contract from the service itself, and speaks JSON to people."""
    method = "decision_service.v1.MatterService/GetMatter"
    ran = await asyncio.create_subprocess_exec(
        *(BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge"),
        *("-H", f"authorization: Bearer {token(clock)}", "-d", json.dumps({"matter": MATTER})),
        f"http://127.0.0.1:{server.port}/{method}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        out, err = await ran.communicate()

    assert ran.returncode == 0, err.decode()
    assert json.loads(out)["matter"]["name"]["zh"] == "高龄老人津贴"


# ── the client ───────────────────────────────────────────────────────────────────────────────────


async def test_where_nobody_listens_the_client_says_so() -> None:
    async with Client("127.0.0.1:1", "", timeout_s=3) as nobody:
        with pytest.raises(ClientError) as caught:
            await nobody.matters()

    assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "")
    assert caught.value.hint == "See whether the service runs there."
    assert caught.value.zh == "服务没有应答，请检查地址和网络。"


async def test_the_client_sends_the_token_it_was_given(server: Server, clock: Any) -> None:
    async with Client(f"127.0.0.1:{server.port}", token(clock, role="operator")) as operator:
        assert await operator.matters()
        with pytest.raises(ClientError) as caught:
            await operator.case(uuid4().hex)

    assert caught.value.reason == "ROLE_NOT_ALLOWED"
