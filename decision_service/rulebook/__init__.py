"""The rule language: rule files are read, proven, and evaluated in three ways; pure, no I/O.

`evaluate_expression` is the language without a file: one expression, with values for its names.
"""

from decision_service.rulebook.free import Unknown, evaluate_expression
from decision_service.rulebook.tree import RuleFileError
from decision_service.rulebook.values import DaysAndTime, Span, YearsAndMonths

__all__ = [
    "DaysAndTime", "RuleFileError", "Span", "Unknown", "YearsAndMonths", "evaluate_expression",
]  # fmt: skip
