"""What an operator can choose. `__main__` reads it from the environment, once."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

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


Address = Annotated[
    str,
    StringConstraints(
        pattern=r"^(https://[^\s/@?#]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?)(/[^\s?#]*)?$"
    ),
]
"""Of somebody who is believed: over TLS, or on this machine."""


def _apart(words: object) -> object:
    """What commas part."""
    return tuple(words.replace(",", " ").split()) if isinstance(words, str) else words


class Reach(BaseModel):
    """How one register is reached: ``MIAOPI_REGISTER_<KEY>`` is its address, the rest follows it.

    Attributes:
        address: As the transport of the register's file takes it.
        secret, secret_file: ``…_SECRET`` or better ``…_SECRET_FILE``: key of the HMAC over each
            question, or password of the database.
        ca_file: Certificates (PEM) of the authorities that alone are believed to vouch for it.
        certificate_file, private_key_file: Our own for it (PEM), where it asks who we are.
        signing_key_file, signing_key_id: Private key (PEM, Ed25519 or P-256) with which questions
            are signed, and the name by which the register knows it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    address: str = Field(min_length=1)
    secret: SecretStr | None = Field(default=None, min_length=1)
    secret_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    private_key_file: Path | None = None
    signing_key_file: Path | None = None
    signing_key_id: str = Field(default="", pattern=r"^[A-Za-z0-9._:/-]{0,128}$")

    @model_validator(mode="after")
    def _whole(self) -> "Reach":
        if self.secret is not None and self.secret_file is not None:
            raise ValueError("give the secret or its file")
        if self.private_key_file is not None and self.certificate_file is None:
            raise ValueError("a private key needs its certificate")
        if (self.signing_key_file is None) != (not self.signing_key_id):
            raise ValueError("a signing key needs its id, and the id its key")
        return self

    @property
    def files(self) -> Sequence[Path]:
        """The files in which its credentials are."""
        named = (getattr(self, name) for name in type(self).model_fields)
        return [one for one in named if isinstance(one, Path)]

    @property
    def credentials(self) -> Mapping[str, Any]:
        """All but the address, as `credentials.read` of the adapters takes it."""
        said = self.model_dump(exclude={"address"})
        return {**said, "secret": self.secret and self.secret.get_secret_value()}


_PARTS = tuple(f"_{name}" for name in Reach.model_fields if name != "address")


class Settings(BaseModel):
    """Settings of one service process; each is the variable ``MIAOPI_`` and its name.

    Attributes:
        city: Folder with ``rules/``, ``matters/`` and, if it has its own, ``registers/``.
        signers: File with the public keys of who may write and approve rules; without it that of
            the city, ``rules/signers.toml``, which whoever writes rules must then not own.
        store: Folder of the decision trail and its keys. One process only may write
            there, unless the entries are in a database.
        anchor: File of the anchor, best on another disk; without it in the store's folder.
        database: Address of the PostgreSQL database that has the entries, without a password
            (libpq reads ``PGPASSFILE`` or ``PGPASSWORD``); empty keeps them in the folder.
        host, port: Where the service listens; port 0 takes a free one.
        http_port: Where the same is served as JSON over HTTP, on the same host; without it not at
            all.
        http_origins: Origins of web pages that may call it from a browser, apart by commas.
        metrics_port, metrics_host: Where ``/metrics`` for Prometheus, ``/livez`` and ``/readyz``
            are, in plain text; without a port nowhere.
        zone: The city's time zone; its midnight divides filing days.
        domain: Name of the city in error details: ``decision-service.<domain>`` (AIP-193).
        jwks: File with the public keys that callers' tokens are signed with (RFC 7517).
        oidc_issuer: Address of an OpenID Connect issuer: its keys are fetched, and its tokens name
            it. In place of ``jwks`` and ``issuer``.
        jwks_url: Address of a key set without an issuer's discovery document, for ``issuer``.
        issuer, audience: What a token must say of itself.
        staff_key: File with a key that the issuer of clerks' tokens shares: HMAC-SHA256 under it
            of ``resident_id:NUMBER`` is the claim ``person``. Without it no clerk can act.
        certificate, private_key: PEM files; without them only loopback is served.
        registers: How each register is reached, by its key.
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
    signers: Path | None = None
    store: Path = Path("var")
    anchor: Path | None = None
    database: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=50051, ge=0, le=65535)
    http_port: int | None = Field(default=None, ge=0, le=65535)
    http_origins: Annotated[tuple[Origin, ...], BeforeValidator(_apart)] = ()
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    metrics_host: str = "127.0.0.1"
    zone: str = "Asia/Shanghai"
    domain: str = Field(default="sandbox", pattern=r"^[a-z0-9-]+$")
    jwks: Path | None = None
    staff_key: Path | None = None
    oidc_issuer: Address | None = None
    jwks_url: Address | None = None
    issuer: str = "miaopi-sandbox"
    audience: str = "miaopi"
    certificate: Path | None = None
    private_key: Path | None = None
    registers: Mapping[str, Reach] = Field(default_factory=dict)
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
    registers: dict[str, dict[str, str]] = {}
    for name, value in environment.items():
        if name.startswith(_REGISTER):
            key = name.removeprefix(_REGISTER).lower()
            part = max((one for one in _PARTS if key.endswith(one)), key=len, default="")
            reach = registers.setdefault(key.removesuffix(part), {})
            reach[part.removeprefix("_") or "address"] = value
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
        wrong = [(_variable(*item["loc"]), _what(item)) for item in error.errors()]
        raise InvalidPublicationError(
            "settings are wrong: " + "; ".join(f"`{name}`: {en}" for name, (en, _) in wrong),
            zh="设置有误：" + "；".join(f"`{name}`：{zh}" for name, (_, zh) in wrong),
            reason="SETTINGS_INVALID",
            hint="Correct the environment variables; the README lists them.",
        ) from None


def _what(item: ErrorDetails) -> tuple[str, str]:
    """What is wrong with a variable, in English and Chinese; pydantic speaks English alone."""
    if item["type"] != "extra_forbidden":
        return item["msg"], item["msg"]
    meant = get_close_matches(str(item["loc"][-1]), Settings.model_fields, n=1)
    if not meant:
        return "there is no such setting", "没有这一设置"
    name = _variable(meant[0])
    return f"there is no such setting, but `{name}`", f"没有这一设置，是否应为 `{name}`"


def _variable(field: object, *inside: object) -> str:
    """The variable that sets a field, or a part of how a register is reached."""
    if field != "registers" or not inside:
        return f"{PREFIX}{str(field).upper()}"
    return _REGISTER + "_".join(str(one) for one in inside if one != "address").upper()
