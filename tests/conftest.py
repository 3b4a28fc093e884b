"""What tests share: the sample city's sandbox on real sockets, and a real store in a new folder."""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from audit.trail import Trail
from decision_service import catalogue
from decision_service.catalogue import Catalogue
from decision_service.model import (
    Application,
    AssuranceLevel,
    Authority,
    Consent,
    Document,
    EvidenceType,
    MatterId,
    Party,
    PrefillRequest,
    Value,
)
from decision_service.office import Office
from decision_service.release import Release
from evidence_adapters import registry
from evidence_adapters.sandbox import City, Filing, Person, Running, serve
from tests.postgres import Postgres
from tests.service import open_office

os.environ["PACT_DO_NOT_TRACK"] = "true"

# Words are looked for in what commands print, so nothing may have them coloured.
for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"):
    os.environ.pop(name, None)

# How long a generated case takes says more of the machine's other work than of ours, and how many
# were drawn too large before ten were not, more of the dice.
settings.register_profile(
    "unhurried",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("unhurried")

ROOT = Path(__file__).parent.parent


@dataclass
class Clock:
    """The test's clock: stands still until it is moved."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def published() -> Catalogue:
    """The sample city's catalogue."""
    registers = registry.load()
    return catalogue.load(ROOT, {key: one.meaning for key, one in registers.items()})


@pytest.fixture(scope="session")
def allowance(published: Catalogue) -> Release:
    """The old-age allowance as it is today."""
    return next(one for one in published.releases if one.name == "old_age_allowance@2019-10-01")


@pytest.fixture(scope="session")
def people() -> City:
    return City(seed=755)


@pytest.fixture
async def running(people: City, clock: Clock) -> AsyncIterator[Running]:
    """The sandbox city's registers on real sockets."""
    async with serve(people, clock=clock) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; it is started for the first test that asks for it."""
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Where a new trail keeps its entries: in its folder, or in a database of its own."""
    if request.param == "sqlite":
        return ""
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
async def trail(tmp_path: Path) -> AsyncIterator[Trail]:
    Trail.create(tmp_path / "store", origin="test.invalid/miaopi")
    async with Trail.open(tmp_path / "store") as trail:
        yield trail


@pytest.fixture
async def office(
    published: Catalogue, running: Running, trail: Trail, clock: Clock
) -> AsyncIterator[Office]:
    async with open_office(published, running, trail, clock) as office:
        yield office


@pytest.fixture
def apply_for(published: Catalogue, clock: Clock) -> Callable[..., Application]:
    """Make an application of a sandbox person, complete and consented, but for the changes."""

    def application(person: Person, matter: str, **changes: Any) -> Application:
        request = _request(person, matter, published, clock)
        answers: dict[str, Value] = {"applicant.mobile": "13800000000", "applicant.truthful": True}
        if matter == "library_card":
            answers["applicant.accepts_reading_rules"] = True
        parts = {**request, "answers": answers, "content_digest": uuid4().hex, **changes}
        return Application(**parts)

    return application


@pytest.fixture
def file_for(published: Catalogue, clock: Clock) -> Callable[..., Application]:
    """Make an application of a sandbox firm, complete and consented, but for the changes."""

    def application(filing: Filing, matter: str, **changes: Any) -> Application:
        request = _request(filing.filer, matter, published, clock)
        code = Document(kind="organisation_code", number=filing.firm.code)
        firm = Party(role="organisation", documents=(code,))
        form = published.release_on(MatterId(matter), clock().date()).form
        house = {"premises.house_code": filing.house_code}
        answers: dict[str, Value] = {
            "applicant.mobile": "13800000000",
            "applicant.truthful": True,
            **(house if "premises.house_code" in form.declared else {}),
            **FIRM_ANSWERS.get(matter, {}),
            **_dated_answers(matter, clock()),
        }
        parts = {
            **request,
            "parties": (*request["parties"], firm),
            "answers": answers,
            "content_digest": uuid4().hex,
            **changes,
        }
        return Application(**parts)

    return application


FIRM_ANSWERS: Mapping[str, Mapping[str, Value]] = {
    "business_address_change": {
        "organisation.change_reason": "expansion",
        "organisation.resolved": True,
    },
    "device_filing": {
        "organisation.device_products": "class_ii",
        "organisation.device_business_mode": "wholesale",
        "organisation.quality_manager": "沙盒质管",
        "organisation.quality_manager_qualification": "degree",
        "organisation.device_facilities_listed": True,
        "organisation.device_rules_listed": True,
    },
    "prepacked_food_filing": {
        "food.products": "prepacked",
        "food.selling": "retail",
        "food.storage": "premises",
        "food.promise": True,
    },
    "startup_subsidy": {
        "organisation.bank_account": "990000000000000001",
        "organisation.declares_no_double_subsidy": True,
    },
    "shop_sign_filing": {
        "sign.width": Decimal("3.25"),
        "sign.height": Decimal("1.10"),
        "sign.front_width": Decimal("3.60"),
        "sign.drawing_digest": "0123456789abcdef" * 4,
        "sign.promise": True,
    },
}
"""What a firm fills in, by matter; days apart, and the house and what every form asks for."""


def _dated_answers(matter: str, now: datetime) -> dict[str, Value]:
    """The days that a firm fills in: ten days before."""
    fields = {
        "business_address_change": "organisation.resolution_date",
        "shop_sign_filing": "sign.set_date",
    }
    return {fields[matter]: now.date() - timedelta(days=10)} if matter in fields else {}


@pytest.fixture
def ask_for(published: Catalogue, clock: Clock) -> Callable[..., PrefillRequest]:
    """Make a request to prefill for a sandbox person."""

    def request(person: Person, matter: str, **changes: Any) -> PrefillRequest:
        return PrefillRequest(**{**_request(person, matter, published, clock), **changes})

    return request


def _request(person: Person, matter: str, published: Catalogue, clock: Clock) -> dict[str, Any]:
    release = published.release_on(MatterId(matter), clock().date())
    applicant = Party(
        role="applicant", documents=(Document(kind="resident_id", number=person.id_number),)
    )
    return {
        "caller": "portal-test",
        "request_id": str(uuid4()),
        "matter": MatterId(matter),
        "channel": "portal",
        "parties": (applicant,),
        "authority": Authority(
            person=applicant,
            assurance_level=AssuranceLevel.HIGH,
            authentication_time=clock(),
            basis=Consent(
                notice_version=release.matter.consent_notice_version,
                time=clock(),
                evidence_types=tuple(EvidenceType(one.type) for one in release.matter.evidence),
            ),
        ),
    }
