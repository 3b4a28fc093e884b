"""What a caller reads when something is wrong, as ``golden/errors.toml`` has it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.service import Answer

_GOLDEN = tomllib.loads((Path(__file__).parent / "golden" / "errors.toml").read_text("utf-8"))


def _by_when(kind: str) -> Mapping[str, dict[str, Any]]:
    return {
        when: {key: one[key] for key in one if key != "when"}
        for one in _GOLDEN[kind]
        for when in one["when"]
    }


ERRORS = _by_when("error")
"""Of a call that is wrong, by what is wrong with it."""

JSON = _by_when("json")
"""Of a call that is no JSON of the contract."""

MOMENTS = _by_when("moment")
"""Of a call that is right and comes at a bad moment."""


OFFER = _by_when("offer")
"""Of what cannot be done about an offer."""

RATING = _by_when("rating")
"""Of what cannot be done about a rating."""

COUNTER = _by_when("counter")
"""Of a clerk's step that cannot be taken."""


def in_words(answer: Answer) -> dict[str, Any]:
    """What a caller reads, as the golden file has it."""
    info = answer.details["ErrorInfo"]
    metadata = dict(info.metadata)
    read = {
        "code": answer.code,
        "reason": info.reason,
        "message": answer.message,
        "hint": metadata.pop("hint"),
        "zh": answer.details["LocalizedMessage"].message,
        **({"metadata": metadata} if metadata else {}),
    }
    if "BadRequest" not in answer.details:
        return read
    fields = [
        [one.field, one.reason, one.description, one.localized_message.message]
        for one in answer.details["BadRequest"].field_violations
    ]
    assert read == wrong_in(fields)
    return {"fields": fields}


def wrong_in(fields: list[list[str]]) -> dict[str, Any]:
    """What is said of all wrong fields together."""
    names = dict.fromkeys(f"`{name}`" for name, *_ in fields)
    return {
        "code": "INVALID_ARGUMENT",
        "reason": "REQUEST_INVALID",
        "message": cut(f"the request is wrong in {', '.join(names)}"),
        "hint": "Correct every field listed in `field_violations` and send the request again.",
        "zh": cut("请求有误：" + "；".join(zh for *_, zh in fields)),
    }


def cut(text: str) -> str:
    """Of many wrong fields the first; all of them stand in ``fields``."""
    return text if len(text) <= 400 else f"{text[:399]}…"
