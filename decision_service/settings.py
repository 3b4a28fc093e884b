"""What an operator can choose. `__main__` reads it from the environment, once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from decision_service.errors import InvalidPublicationError

PREFIX = "MIAOPI_"

_REGISTER = PREFIX + "REGISTER_"

Origin = Annotated[
    str,
    StringConstraints(
        pattern=r"^(https://[a-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?$"
    ),
]
"""Of a web page, as browsers write it: a scheme, a host and, unless it is the scheme's, a port."""


def _apart(words: object) -> object:
    """What commas part."""
    return tuple(words.replace(",", " ").split()) if isinstance(words, str) else words


class Settings(BaseModel):
    """Settings of one service process; each is the variable ``MIAOPI_`` and its name.

    Attributes:
        city: Folder with ``rules/``, ``matters/`` and, if it has its own, ``registers/``.
        store: Folder of the decision trail and its keys. One process only may write there.
        host, port: Where the service listens; port 0 takes a free one.
        http_port: Where the same is served as JSON over HTTP, on the same host; without it not at
            all.
        http_origins: Origins of web pages that may call it from a browser, apart by commas.
        zone: The city's time zone; its midnight divides filing days.
        domain: Name of the city in error details: ``decision-service.<domain>`` (AIP-193).
        jwks: File with the public keys that callers' tokens are signed with (RFC 7517).
        issuer, audience: What a token must say of itself.
        certificate, private_key: PEM files; without them only loopback is served.
        registers: Address of each register by its key; ``MIAOPI_REGISTER_<KEY>`` sets one.
        clock_skew_s: Seconds that a token's times may be off.
        calls_in_flight: Places for calls; one caller alone gets half of them at most.
        calls_per_s, calls_burst: Calls a second of one caller, and how many may come at once.
        longest_call_s: Seconds that any call may take, whatever deadline it came with.
        pause_s: Seconds between saying NOT_SERVING and refusing calls, when told to stop: as long
            as the load balancer takes to look twice.
        drain_s: Seconds that calls in flight may still take after that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    city: Path
    store: Path = Path("var")
    host: str = "127.0.0.1"
    port: int = Field(default=50051, ge=0, le=65535)
    http_port: int | None = Field(default=None, ge=0, le=65535)
    http_origins: Annotated[tuple[Origin, ...], BeforeValidator(_apart)] = ()
    zone: str = "Asia/Shanghai"
    domain: str = Field(default="sandbox", pattern=r"^[a-z0-9-]+$")
    jwks: Path | None = None
    issuer: str = "miaopi-sandbox"
    audience: str = "miaopi"
    certificate: Path | None = None
    private_key: Path | None = None
    registers: Mapping[str, str] = Field(default_factory=dict)
    clock_skew_s: int = Field(default=30, ge=0, le=300)
    calls_in_flight: int = Field(default=512, ge=2)
    calls_per_s: float = Field(default=500.0, gt=0, allow_inf_nan=False)
    calls_burst: int = Field(default=1_000, ge=1)
    longest_call_s: float = Field(default=30.0, gt=0, le=300)
    pause_s: float = Field(default=1.0, ge=0, le=60)
    drain_s: float = Field(default=10.0, ge=0, le=300)


def read_settings(environment: Mapping[str, str], **defaults: Any) -> Settings:  # noqa: ANN401 - any field
    """Read the settings of an environment; an unknown ``MIAOPI_…`` variable is an error.

    Args:
        environment: All variables, of which those that begin with ``MIAOPI_`` count.
        defaults: What the environment does not set.

    Raises:
        InvalidPublicationError: A variable is unknown or its value impossible; all at once.
    """
    registers = {
        name.removeprefix(_REGISTER).lower(): value
        for name, value in environment.items()
        if name.startswith(_REGISTER)
    }
    fields = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and not name.startswith(_REGISTER)
    }
    for of_the_client in ("address", "token"):
        fields.pop(of_the_client, None)
    try:
        return Settings(**{**defaults, **fields, "registers": registers})
    except ValidationError as error:
        wrong = "; ".join(
            f"`{PREFIX}{str(item['loc'][0]).upper()}`: {item['msg']}" for item in error.errors()
        )
        raise InvalidPublicationError(
            f"settings are wrong: {wrong}",
            zh=f"设置有误：{wrong}",
            reason="SETTINGS_INVALID",
            hint="Correct the environment variables; the README lists them.",
        ) from None
