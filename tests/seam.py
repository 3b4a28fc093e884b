"""Where tests break the rule engine: between our engine and its C module."""

from collections.abc import Callable
from typing import Any

from decision_service.rulebook.engine import NATIVE

Fault = Callable[..., Any]
"""Takes the real call and its arguments, and does something else."""


class Seam:
    """Stands before the C module and, when armed, spoils one call."""

    def __init__(self) -> None:
        self.faults: dict[str, Fault] = {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real = getattr(NATIVE, name)

        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            fault = self.faults.pop(name, None)
            return fault(real, *arguments) if fault else real(*arguments)

        return call


def fails(_real: Fault, *_arguments: Any) -> Any:
    raise RuntimeError("Could not assert fact, error code: 303")
