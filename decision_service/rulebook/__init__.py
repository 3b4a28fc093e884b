"""The rule language: rule files are read, proven, and evaluated in three ways; pure, no I/O.

`evaluate_expression` is the language without a file: one expression, with values for its names.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decision_service.rulebook.free import ExpressionError, Unknown, evaluate_expression
    from decision_service.rulebook.values import DaysAndTime, Span, YearsAndMonths

__all__ = [
    "DaysAndTime", "ExpressionError", "Span", "Unknown", "YearsAndMonths", "evaluate_expression",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Load the language once somebody asks for it here; who reads the tree alone waits for none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("decision_service.rulebook.free"), name)
