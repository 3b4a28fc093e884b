"""Where registers are: no address that cannot be trusted."""

from datetime import UTC, datetime

import pytest

from decision_service.errors import InvalidPublicationError
from decision_service.model import EvidenceType
from evidence_adapters import http, registry

DEATHS = EvidenceType("death_register")
NOW = datetime.now(UTC)


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
        ("death_register", "https://:secret@h.invalid", "is not of the form"),
        ("death_register", "https://@h.invalid", "is not of the form"),
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
