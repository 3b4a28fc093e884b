"""What is typed on the command line becomes answers, by the form's own schema."""

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from decision_service.model import Value

_TRUE = {"true", "yes", "是"}
_FALSE = {"false", "no", "否"}


class AnswerError(ValueError):
    """What was typed is no answer to the form; the message is for whoever typed it."""


def read_answers(typed: Sequence[str], form_json_schema: str) -> dict[str, Value]:
    """Read ``key=value`` pairs as the form has them.

    Raises:
        AnswerError: A pair has no ``=``, a key is not in the form or comes twice, or a value is
            not of the field's kind.
    """
    fields: dict[str, dict[str, Any]] = json.loads(form_json_schema)["properties"]
    read: dict[str, Value] = {}
    for pair in typed:
        key, equals, text = pair.partition("=")
        if not equals:
            raise AnswerError(f"“{pair}”应写成 key=value | `{pair}` must be key=value")
        if key not in fields:
            known = ", ".join(fields)
            raise AnswerError(
                f"表单没有“{key}”，可填：{known} | the form has no `{key}`; it has {known}"
            )
        if key in read:
            raise AnswerError(f"“{key}”填了两次 | `{key}` comes twice")
        read[key] = _value(key, text, fields[key])
    return read


def _value(key: str, text: str, field: dict[str, Any]) -> Value:
    """One value of the kind that the field's schema says."""
    try:
        if field.get("type") == "boolean" or isinstance(field.get("const"), bool):
            return _boolean(text)
        if "x-scale" in field:
            return Decimal(text)
        if field.get("format") == "date":
            return date.fromisoformat(text)
    except (ValueError, InvalidOperation):
        name = field.get("title", key)
        raise AnswerError(
            f"“{key}”（{name}）不能是“{text}” | `{key}` ({name}) cannot be `{text}`"
        ) from None
    return text


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError(text)
