"""The edge: one servicer a service, translation, and one chain of checks around every call."""

from decision_service.server.identity import Verifier, issue, new_private_key, public_jwks
from decision_service.server.issuer import Issuer, Keys, fetch
from decision_service.server.listen import NotListeningError, Server, Tls
from decision_service.server.load import Limits
from decision_service.server.rotation import follow

__all__ = [
    "Issuer",
    "Keys",
    "Limits",
    "NotListeningError",
    "Server",
    "Tls",
    "Verifier",
    "fetch",
    "follow",
    "issue",
    "new_private_key",
    "public_jwks",
]
