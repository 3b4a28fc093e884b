"""Page tokens (AIP-158): where the next page begins, good for the same question and asker alone."""

import base64
import hmac
import json
from collections.abc import Callable, Sequence
from typing import TypeAlias

from decision_service.errors import FieldViolation, InvalidRequestError

Place: TypeAlias = Sequence[int | str]
"""Where a page begins, in the terms of its question."""

Tag: TypeAlias = Callable[[str], str]
"""What only this trail can make of a text: `Record.tag`."""


def write_token(place: Place, *, bound: Sequence[object], tag: Tag) -> str:
    """The token of a page.

    Args:
        bound: Who asked what; the token is good for nothing else.
    """
    token = json.dumps([*place, _proof(place, bound, tag)])
    return base64.urlsafe_b64encode(token.encode()).decode()


def read_token(token: str, *, bound: Sequence[object], tag: Tag) -> Place:
    """The place that a token tells.

    Raises:
        InvalidRequestError: It is not ours, or came with another question.
    """
    try:
        place: list[int | str]
        *place, proof = json.loads(base64.urlsafe_b64decode(token.encode()))
        if hmac.compare_digest(proof, _proof(place, bound, tag)):
            return place
    except (ValueError, TypeError, RecursionError):
        pass
    raise InvalidRequestError(
        [
            FieldViolation(
                field="page_token",
                reason="MALFORMED",
                message="is not `next_page_token` of a page with the same other fields",
                zh="page_token 不是上一页返回的翻页标记",
            )
        ]
    )


def _proof(place: Place, bound: Sequence[object], tag: Tag) -> str:
    return tag("page\n" + json.dumps([*bound, *place]))
