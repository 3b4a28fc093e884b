"""To the wire: what was asked of the trail."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeAlias, assert_never

from google.protobuf.duration_pb2 import Duration

from decision_service import replay
from decision_service.inspection import Found, Opened, Progress, Shadow, Tally
from decision_service.server.writing import write_time
from decision_service.v1 import trail_pb2 as pb

Releases: TypeAlias = Mapping[str, str]
"""Name of every published release by its digest."""

_AUTOMATIC = ("approved", "refused")
_RESULTS = {
    replay.Reproduced: pb.Replay.RESULT_REPRODUCED,
    replay.Diverged: pb.Replay.RESULT_DIVERGED,
    replay.NotReplayable: pb.Replay.RESULT_NOT_REPLAYABLE,
}


def write_entry(found: Found, releases: Releases) -> pb.Entry:
    """Write what is kept of an entry for ever."""
    permanent: Mapping[str, Any] = found.leaf.permanent
    digest = permanent.get("release_digest", "")
    case = found.leaf.case
    return pb.Entry(
        index=found.index,
        type=found.leaf.type,
        id=found.leaf.id,
        time=write_time(found.leaf.time),
        matter=permanent.get("matter", ""),
        release=releases.get(digest, ""),
        release_digest=bytes.fromhex(digest),
        outcome=permanent.get("outcome", ""),
        case_id=case.case_id if case else permanent.get("case_id", ""),
        channel=permanent.get("channel", ""),
        caller=permanent.get("caller", ""),
        requirements=dict(permanent.get("statuses", ())),
        reasons=permanent.get("reasons", ()),
        erased=found.erased,
        leaf_hash=found.leaf_hash,
        permanent_json=json.dumps(permanent, ensure_ascii=False, sort_keys=True),
    )


def write_opened(opened: Opened, releases: Releases) -> pb.GetEntryResponse:
    """Write an entry and what of its sealed part may be seen."""
    sealing = pb.GetEntryResponse.SEALING_MASKED
    if opened.entry.erased:
        sealing = pb.GetEntryResponse.SEALING_ERASED
    elif opened.sealed is None:
        sealing = pb.GetEntryResponse.SEALING_WITHHELD
    return pb.GetEntryResponse(
        entry=write_entry(opened.entry, releases),
        sealing=sealing,
        sealed_json=opened.sealed or "",
        subject=opened.subject,
    )


def write_access(found: Found) -> pb.Access:
    """Write who asked for somebody's data, and for what."""
    permanent: Mapping[str, Any] = found.leaf.permanent
    asked = permanent.get("queries", ()) or permanent.get("evidence", ())
    said = [one for one in (permanent, *asked) if asked and "purpose" in one]
    purposes = (f"{one['purpose']} ({one['legal_basis']})" for one in said)
    return pb.Access(
        index=found.index,
        time=write_time(found.leaf.time),
        caller=permanent["caller"],
        role=permanent.get("role", ""),
        flow=permanent.get("flow", "decide"),
        method=permanent.get("method", ""),
        matter=permanent.get("matter", ""),
        case_id=permanent.get("case_id", ""),
        channel=permanent.get("channel", ""),
        evidence_types=[one["evidence_type"] for one in asked],
        purposes=dict.fromkeys(purposes),
    )


def write_stats(tallies: Sequence[Tally], releases: Releases) -> pb.GetStatsResponse:
    """Write what was counted, by release, and by matter."""
    matters = groupby(tallies, key=attrgetter("matter"))
    return pb.GetStatsResponse(
        releases=[_stats(one, releases) for one in tallies],
        matters=[_stats(Tally.of_matter(some), releases) for _, some in matters],
    )


def _stats(tally: Tally, releases: Releases) -> pb.ReleaseStats:
    return pb.ReleaseStats(
        matter=tally.matter,
        release=releases.get(tally.release_digest, ""),
        release_digest=bytes.fromhex(tally.release_digest),
        decisions=tally.outcomes.total(),
        outcomes=tally.outcomes,
        automatic=sum(tally.outcomes[one] for one in _AUTOMATIC),
        referral_reasons=tally.referrals,
        median_duration=_within(tally, 50),
        percentile_90_duration=_within(tally, 90),
        longest_duration=_within(tally, 100),
        determinations=tally.by_persons,
        overrides=tally.overrides,
        median_determination_duration=_of_persons(tally, 50),
        percentile_90_determination_duration=_of_persons(tally, 90),
        longest_determination_duration=_of_persons(tally, 100),
        overturned=tally.overturned,
        overturns=tally.overturns,
    )


def write_replay(index: int, result: replay.Replay) -> pb.Replay:
    """Write what came of deciding a case again."""
    written = pb.Replay(index=index, result=_RESULTS[type(result)])
    match result:
        case replay.Reproduced():
            pass
        case replay.Diverged(first, recorded, replayed):
            written.difference = first
            written.recorded_json, written.replayed_json = recorded, replayed
        case replay.NotReplayable(why):
            written.why = why.upper()
        case _ as never:
            assert_never(never)
    return written


def write_progress(progress: Progress) -> pb.ReplayDecisionsResponse:
    """Write how far a replay is."""
    return pb.ReplayDecisionsResponse(
        done=progress.done,
        total=progress.total,
        reproduced=progress.reproduced,
        last_index=progress.last,
        found=[write_replay(index, result) for index, result in progress.found],
    )


def write_shadow(shadow: Shadow) -> pb.SimulateReleaseResponse:
    """Write how far a simulation is, and what it found."""
    return pb.SimulateReleaseResponse(
        done=shadow.done,
        total=shadow.total,
        unchanged=shadow.unchanged,
        changes=[
            pb.OutcomeChange(
                outcome=change.outcome,
                simulated_outcome=change.simulated,
                grant_differs=change.grant_differs,
                decisions=number,
                examples=examples,
            )
            for change, (number, examples) in shadow.changes.items()
        ],
        left_out={why.upper(): number for why, number in shadow.left_out.items()},
        last_index=shadow.last,
    )


def _within(tally: Tally, percent: int) -> Duration:
    """No more than so many in a hundred took longer (nearest rank)."""
    ended = tally.at_once + len(tally.later_s)
    rank = -(-ended * percent // 100) - tally.at_once
    return _duration(tally.later_s[rank - 1] if rank > 0 else 0)


def _of_persons(tally: Tally, percent: int) -> Duration:
    took_s = tally.by_persons_s
    return _duration(took_s[-(-len(took_s) * percent // 100) - 1] if took_s else 0)


def _duration(seconds: float) -> Duration:
    took = Duration()
    took.FromTimedelta(timedelta(seconds=seconds))
    return took
