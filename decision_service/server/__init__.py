"""The gRPC edge: one servicer a service, translation, and one interceptor around every call."""

from decision_service.server.edge import Limits
from decision_service.server.identity import Verifier, issue, new_private_key, public_jwks
from decision_service.server.listen import NotListeningError, Server, Tls

__all__ = [
    "Limits",
    "NotListeningError",
    "Server",
    "Tls",
    "Verifier",
    "issue",
    "new_private_key",
    "public_jwks",
]
