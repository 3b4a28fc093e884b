"""Single expressions as JSON, a line each: for whoever tries the language, and for programs."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from decision_service.cli.rule_files import as_json
from decision_service.model import Calendar
from decision_service.rulebook import (
    DaysAndTime,
    ExpressionError,
    Span,
    Unknown,
    YearsAndMonths,
    evaluate_expression,
)
from decision_service.rulebook.values import Datum, NotKnown, duration


def answered(line: str, calendar: Calendar) -> tuple[str, bool]:
    """The value of ``{"expression": …, "context": {…}}`` as JSON, and whether there is one.

    A number is written out exactly, a day as ``{"date": …}``, a duration as ``{"duration": …}``,
    and null is what nobody knows, in both directions.
    """
    try:
        asked = json.loads(line, parse_float=Decimal, parse_int=Decimal)
        expression, context = _asked(asked)
        return _object(
            "value", written(evaluate_expression(expression, context, calendar=calendar))
        ), True
    except ExpressionError as error:
        findings = json.dumps([as_json(one) for one in error.findings], ensure_ascii=False)
        return _object("error", _text(str(error)), "findings", findings), False
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        return _object("error", _text(str(error)), "findings", "[]"), False


def written(value: Datum | NotKnown) -> str:  # noqa: PLR0911  # one case for each kind
    """A value as JSON, its numbers with every digit."""
    match value:
        case NotKnown():
            return "null"
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case str():
            return _text(value)
        case date():
            return _object("date", _text(value.isoformat()))
        case YearsAndMonths() | DaysAndTime():
            return _object("duration", _text(str(value)))
        case Span():
            return _object("range", _text(_range(value)))
        case tuple():
            return f"[{', '.join(map(written, value))}]"
        case _:
            cells = (f"{_text(key)}: {written(cell)}" for key, cell in value.items())
            return f"{{{', '.join(cells)}}}"


def _asked(asked: object) -> tuple[str, dict[str, Any]]:
    match asked:
        case {"expression": str(expression), **rest} if rest.keys() <= {"context"}:
            context = rest.get("context", {})
        case _:
            context = None
    if not isinstance(context, dict):
        raise TypeError('a line must be {"expression": "…", "context": {"name": value}}')
    return expression, {name: _taken(value) for name, value in context.items()}


def _taken(  # noqa: PLR0911  # one case for each kind
    value: object,
) -> Any:  # noqa: ANN401  # whatever an expression can be about
    match value:
        case None:
            return Unknown
        case {"date": str(day), **rest} if not rest:
            return date.fromisoformat(day)
        case {"duration": str(text), **rest} if not rest:
            found = duration(text)
            if found is None:
                raise ValueError(f"`{text}` is no duration such as P1Y6M or P30D")
            return found
        case {"number": str(number), **rest} if not rest:
            return Decimal(number)
        case Mapping():
            return {key: _taken(cell) for key, cell in value.items()}
        case list():
            return [_taken(item) for item in value]
        case _:
            return value


def _range(span: Span) -> str:
    low = "" if span.low is None else written(span.low)
    high = "" if span.high is None else written(span.high)
    return f"{'[' if span.low_included else '('}{low}..{high}{']' if span.high_included else ')'}"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _object(*parts: str) -> str:
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return "{" + ", ".join(f"{_text(key)}: {value}" for key, value in pairs) + "}"
