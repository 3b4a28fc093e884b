"""TrailService: what auditors, operators and policy staff ask of the record."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from decision_service import inspection
from decision_service.office import Office
from decision_service.server.call import current, viewer
from decision_service.server.reading import (
    read_accesses,
    read_archive,
    read_entries,
    read_index,
    read_timeline,
)
from decision_service.server.trail_writing import (
    Releases,
    write_access,
    write_entry,
    write_opened,
    write_progress,
    write_replay,
    write_shadow,
    write_stats,
)
from decision_service.server.writing import write_case
from decision_service.v1 import trail_pb2, trail_pb2_grpc

_Context = grpc.aio.ServicerContext[Any, Any]


class TrailServicer(trail_pb2_grpc.TrailServiceServicer):
    """Translates, inspects, translates."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._releases: Releases = {one.digest: one.name for one in office.catalogue.releases}

    async def ListEntries(  # noqa: N802 - the contract's name
        self,
        request: trail_pb2.ListEntriesRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> trail_pb2.ListEntriesResponse:
        """Entries that match, the newest first."""
        page = await inspection.entries(read_entries(request), viewer=viewer(), office=self._office)
        return trail_pb2.ListEntriesResponse(
            entries=[write_entry(one, self._releases) for one in page.entries],
            next_page_token=page.next_token,
        )

    async def GetEntry(  # noqa: N802 - the contract's name
        self,
        request: trail_pb2.GetEntryRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> trail_pb2.GetEntryResponse:
        """One entry, opened as far as the role may see it."""
        opened = await inspection.entry(read_index(request), viewer=viewer(), office=self._office)
        return write_opened(opened, self._releases)

    async def GetCaseTimeline(  # noqa: N802 - the contract's name
        self,
        request: trail_pb2.GetCaseTimelineRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> trail_pb2.GetCaseTimelineResponse:
        """Everything that happened with a case."""
        case_id, size, token = read_timeline(request)
        case, page = await inspection.timeline(
            case_id, size=size, token=token, viewer=viewer(), office=self._office
        )
        return trail_pb2.GetCaseTimelineResponse(
            case=write_case(case),
            entries=[write_entry(one, self._releases) for one in page.entries],
            next_page_token=page.next_token,
        )

    async def ListAccesses(  # noqa: N802 - the contract's name
        self,
        request: trail_pb2.ListAccessesRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> trail_pb2.ListAccessesResponse:
        """Who asked for somebody's data."""
        page = await inspection.entries(
            read_accesses(request), viewer=viewer(), office=self._office
        )
        return trail_pb2.ListAccessesResponse(
            accesses=[write_access(one) for one in page.entries], next_page_token=page.next_token
        )

    async def GetStats(  # noqa: N802 - the contract's name
        self,
        request: trail_pb2.GetStatsRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> trail_pb2.GetStatsResponse:
        """Decisions, counted by release and by matter."""
        tallies = await inspection.stats(request.filter, viewer=viewer(), office=self._office)
        return write_stats(tallies, self._releases)

    async def ReplayDecision(  # noqa: N802 - the contract's name
        self,
        request: trail_pb2.ReplayDecisionRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> trail_pb2.ReplayDecisionResponse:
        """One decision, decided again."""
        index = read_index(request)
        result = await inspection.replay(index, viewer=viewer(), office=self._office)
        return trail_pb2.ReplayDecisionResponse(replay=write_replay(index, result))

    async def ReplayDecisions(  # noqa: N802 - the contract's name
        self,
        request: trail_pb2.ReplayDecisionsRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> AsyncIterator[trail_pb2.ReplayDecisionsResponse]:
        """Many decisions, decided again, with how far it is."""
        progress = inspection.replay_many(
            request.filter,
            viewer=viewer(),
            office=self._office,
            deadline=current.get().deadline,
        )
        async with aclosing(progress):
            async for one in progress:
                yield write_progress(one)

    async def SimulateRelease(  # noqa: N802 - the contract's name
        self,
        request: trail_pb2.SimulateReleaseRequest,
        context: _Context,  # noqa: ARG002 - gRPC hands it over
    ) -> AsyncIterator[trail_pb2.SimulateReleaseResponse]:
        """What a release would have changed, with how far it is."""
        shadows = inspection.simulate_many(
            read_archive(request),
            request.filter,
            viewer=viewer(),
            office=self._office,
            deadline=current.get().deadline,
        )
        async with aclosing(shadows):
            async for one in shadows:
                yield write_shadow(one)
