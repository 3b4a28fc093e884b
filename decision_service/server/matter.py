"""MatterService: what one can apply for."""

import base64
import binascii
from collections.abc import Iterable
from datetime import date
from typing import Any

import grpc

from decision_service.errors import FieldViolation, InvalidRequestError
from decision_service.office import Office
from decision_service.server.call import current
from decision_service.server.reading import read_listing, read_matter
from decision_service.server.writing import write_matter
from decision_service.v1 import matter_pb2, matter_pb2_grpc


class MatterServicer(matter_pb2_grpc.MatterServiceServicer):
    """Reads the catalogue and what is stopped; asks no register and leaves no entry."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def ListMatters(  # noqa: N802 - the contract's name
        self,
        request: matter_pb2.ListMattersRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> matter_pb2.ListMattersResponse:
        """The matters in force on a day, in pages that all show the day of the first."""
        size, day = read_listing(request)
        shown, after = (
            _read_token(request.page_token, day)
            if request.page_token
            else (day or self._office.today(current.get().now), "")
        )
        rest = [
            release
            for release in self._office.catalogue.matters_on(shown)
            if release.matter.id > after
        ]
        page = rest[:size]
        stopped = await self._office.casebook.stopped([one.matter.id for one in page])
        return matter_pb2.ListMattersResponse(
            matters=[
                write_matter(release, is_stopped=release.matter.id in stopped) for release in page
            ],
            next_page_token=(
                _token(shown, day, page[-1].matter.id) if len(rest) > len(page) else ""
            ),
        )

    async def GetMatter(  # noqa: N802 - the contract's name
        self,
        request: matter_pb2.GetMatterRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> matter_pb2.GetMatterResponse:
        """One matter on a day."""
        matter, day = read_matter(request)
        release = self._office.catalogue.release_on(
            matter, day or self._office.today(current.get().now)
        )
        stopped = await self._office.casebook.stopped([matter])
        return matter_pb2.GetMatterResponse(matter=write_matter(release, is_stopped=bool(stopped)))


def _token(shown: date, asked: date | None, after: str) -> str:
    """Where the next page begins, bound to what the first page was asked (AIP-158)."""
    words = (shown.isoformat(), "asked" if asked else "today", after)
    return base64.urlsafe_b64encode(" ".join(words).encode()).decode()


def _read_token(token: str, asked: date | None) -> tuple[date, str]:
    """The day that the pages show and the matter after which this one begins.

    Raises:
        InvalidRequestError: The token is not ours, or came with another day.
    """
    try:
        words: Iterable[str] = base64.urlsafe_b64decode(token.encode()).decode().split(" ")
        day, binding, after = words
        shown = date.fromisoformat(day)
    except (ValueError, binascii.Error):
        raise _not_ours() from None
    if binding != ("asked" if asked else "today") or (asked and asked != shown):
        raise _not_ours()
    return shown, after


def _not_ours() -> InvalidRequestError:
    return InvalidRequestError(
        [
            FieldViolation(
                field="page_token",
                reason="MALFORMED",
                message="is not `next_page_token` of a page with the same other fields",
                zh="page_token 不是上一页返回的翻页标记",
            )
        ]
    )
