"""PrefillService: 秒报."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from decision_service.office import Office
from decision_service.prefill import prefill
from decision_service.server.call import current
from decision_service.server.reading import read_prefill
from decision_service.server.writing import write_event
from decision_service.v1 import prefill_pb2, prefill_pb2_grpc


class PrefillServicer(prefill_pb2_grpc.PrefillServiceServicer):
    """Translates, prefills, translates."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def Prefill(  # noqa: N802 - the contract's name
        self,
        request: prefill_pb2.PrefillRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC hands it over
    ) -> AsyncIterator[prefill_pb2.PrefillResponse]:
        """Stream what each register knows, then the whole form."""
        call = current.get()
        asked = read_prefill(request, caller=call.caller.subject)
        events = prefill(asked, office=self._office, now=call.now, deadline=call.deadline)
        async with aclosing(events):
            async for event in events:
                yield write_event(event)
