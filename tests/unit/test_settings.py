"""What an operator can choose, and what is told about a slip."""

from pathlib import Path
from typing import Any

import pytest

from decision_service.errors import DecisionServiceError, InvalidPublicationError
from decision_service.server import Issuer, Limits
from decision_service.service import issuer_of, limits
from decision_service.settings import Reach, Settings, read_settings

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def test_what_nobody_sets_is_what_the_server_takes_without_settings() -> None:
    assert limits(Settings(city=Path())) == Limits()


def test_every_setting_stands_in_the_readme() -> None:
    names = {f"`MIAOPI_{name.upper()}`" for name in Settings.model_fields if name != "registers"}
    names |= {f"`…_{name.upper()}`" for name in Reach.model_fields if name != "address"}

    assert {name for name in names if name not in README} == set()


def test_limits_come_from_the_environment() -> None:
    settings = read_settings(
        {
            "MIAOPI_CALLS_IN_FLIGHT": "64",
            "MIAOPI_CALLS_PER_S": "12.5",
            "MIAOPI_CALLS_BURST": "30",
            "MIAOPI_LONGEST_CALL_S": "5",
        },
        city=Path(),
    )

    assert limits(settings) == Limits(
        longest_call_s=5.0, calls_in_flight=64, calls_per_s=12.5, burst=30
    )


def test_how_a_register_is_reached_comes_from_the_environment() -> None:
    settings = read_settings(
        {
            "MIAOPI_REGISTER_DEATH_REGISTER": "https://deaths.invalid",
            "MIAOPI_REGISTER_DEATH_REGISTER_SECRET": "hush",
            "MIAOPI_REGISTER_DEATH_REGISTER_CA_FILE": "/run/ca.pem",
            "MIAOPI_REGISTER_TAX_REGISTER": "postgresql://reader@db/tax",
            "MIAOPI_REGISTER_TAX_REGISTER_SECRET_FILE": "/run/secrets/tax",
        },
        city=Path(),
    )

    deaths, taxes = settings.registers["death_register"], settings.registers["tax_register"]
    assert deaths.credentials["secret"] == "hush"
    assert deaths.credentials["ca_file"] == Path("/run/ca.pem")
    assert (taxes.address, taxes.credentials["secret_file"]) == (
        "postgresql://reader@db/tax",
        Path("/run/secrets/tax"),
    )
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        (
            {"_SECRET": "hush"},
            "`MIAOPI_REGISTER_DEATH_REGISTER`: Field required",
        ),
        (
            {"": "https://d.invalid", "_SECRET": "hush", "_SECRET_FILE": "/f"},
            "`MIAOPI_REGISTER_DEATH_REGISTER`: Value error, give the secret or its file",
        ),
        (
            {"": "https://d.invalid", "_SECRET": ""},
            "`MIAOPI_REGISTER_DEATH_REGISTER_SECRET`: Value should have at least 1 item",
        ),
        (
            {"": "https://d.invalid", "_PRIVATE_KEY_FILE": "/f"},
            "`MIAOPI_REGISTER_DEATH_REGISTER`: Value error, a private key needs its certificate",
        ),
        (
            {"": "https://d.invalid", "_SIGNING_KEY_FILE": "/f"},
            "a signing key needs its id, and the id its key",
        ),
        (
            {"": "https://d.invalid", "_SIGNING_KEY_FILE": "/f", "_SIGNING_KEY_ID": 'a"b'},
            "`MIAOPI_REGISTER_DEATH_REGISTER_SIGNING_KEY_ID`: String should match pattern",
        ),
    ],
)
def test_a_slip_in_how_a_register_is_reached_is_told_without_its_secret(
    variables: dict[str, str], told: str
) -> None:
    prefix = "MIAOPI_REGISTER_DEATH_REGISTER"
    with pytest.raises(InvalidPublicationError) as caught:
        read_settings({prefix + name: value for name, value in variables.items()}, city=Path())

    assert told in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CALLS_IN_FLIGHT", "1", "Input should be greater than or equal to 2"),
        ("CALLS_PER_S", "0", "Input should be greater than 0"),
        ("CALLS_PER_S", "inf", "Input should be a finite number"),
        ("CALLS_BURST", "many", "Input should be a valid integer"),
        ("DRAIN_S", "-1", "Input should be greater than or equal to 0"),
        ("PAUSE_SECONDS", "1", "there is no such setting, but `MIAOPI_PAUSE_S`"),
        ("COLOUR", "red", "there is no such setting"),
        ("HTTP_PORT", "65536", "Input should be less than or equal to 65535"),
        ("HTTP_ORIGINS", "*", "String should match pattern"),
        ("HTTP_ORIGINS", "https://a.example/", "String should match pattern"),
        ("HTTP_ORIGINS", "http://a.example", "String should match pattern"),
        ("OIDC_ISSUER", "http://id.example/realms/city", "String should match pattern"),
        ("OIDC_ISSUER", "https://user:secret@id.example", "String should match pattern"),
        ("JWKS_URL", "file:///etc/keys", "String should match pattern"),
    ],
)
def test_a_slip_in_a_setting_is_told_by_its_name(name: str, value: str, message: str) -> None:
    with pytest.raises(InvalidPublicationError) as caught:
        read_settings({f"MIAOPI_{name}": value}, city=Path())

    assert f"`MIAOPI_{name}`: {message}" in str(caught.value)
    assert caught.value.reason == "SETTINGS_INVALID"


def test_a_setting_that_there_is_not_is_told_in_chinese_with_the_one_that_is_meant() -> None:
    with pytest.raises(InvalidPublicationError) as caught:
        read_settings({"MIAOPI_STORES": "var", "MIAOPI_COLOUR": "red"}, city=Path())

    assert caught.value.zh == (
        "设置有误：`MIAOPI_STORES`：没有这一设置，是否应为 `MIAOPI_STORE`；"
        "`MIAOPI_COLOUR`：没有这一设置"
    )


def test_origins_are_apart_by_commas() -> None:
    settings = read_settings(
        {"MIAOPI_HTTP_ORIGINS": "https://a.example, http://localhost:5173"}, city=Path()
    )

    assert settings.http_origins == ("https://a.example", "http://localhost:5173")


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({}, "JWKS_MISSING"),
        ({"jwks": Path("keys"), "oidc_issuer": "https://id.example"}, "JWKS_TWICE"),
        (
            {"jwks_url": "https://id.example/keys", "oidc_issuer": "https://id.example"},
            "JWKS_TWICE",
        ),
    ],
)
def test_callers_are_told_by_keys_of_one_source(named: dict[str, Any], reason: str) -> None:
    with pytest.raises(DecisionServiceError) as caught:
        issuer_of(Settings(city=Path(), **named))

    assert caught.value.reason == reason


def test_a_key_set_without_discovery_is_of_the_issuer_that_is_named() -> None:
    url = "https://id.example/keys"
    settings = Settings(city=Path(), jwks_url=url, issuer="city")

    assert issuer_of(settings) == Issuer(name="city", jwks_url=url)
    assert issuer_of(Settings(city=Path(), oidc_issuer="https://id.example")) == Issuer(
        name="https://id.example"
    )
    assert issuer_of(Settings(city=Path(), jwks=Path("keys"))) is None
