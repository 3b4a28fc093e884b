"""The counter's own part of the record: who works on a case, and every step, as entries.

Every step moves one key of the case, so that of two steps that were taken from the same standing
only one is recorded.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from audit.trail import Entry
from audit.trail.queries import All, Either, Is
from decision_service.counter.determination import Drawn, Instruction
from decision_service.draft import STATES, Draft, in_json
from decision_service.model import (
    CaseId,
    CaseState,
    CaseSummary,
    Decision,
    MatterId,
    Receipt,
)
from decision_service.record import (
    ACCESS,
    DECISION,
    DETERMINATION,
    OVERRIDE,
    Record,
    Taken,
    case_row,
)

CLAIM, PAPER, PROPOSAL, RETURN = "claim/1", "paper/1", "proposal/1", "return/1"
SECOND_LOOK = "second_look/1"
"""Types of entries, beside those of what is determined."""

DOSSIER, BLIND = "GetDossier", "GetDossier blind"
"""What a clerk's access to a whole case is called, and one without what persons decided."""


@dataclass(frozen=True, slots=True)
class Clerk:
    """Who stands at the counter, and when.

    Attributes:
        caller: Subject of the token, a staff account.
        person: Who that is, as the issuer of tokens tags people (`Office.person_tag`).
        matters: Whose cases they may work on, or `EVERY_MATTER`.
    """

    caller: str
    person: str
    now: datetime
    matters: frozenset[MatterId]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a case stands at the counter.

    Attributes:
        index: Of the newest step; None before the first.
        clerk: Who claimed it; empty if nobody.
        since, until: When the claim began, and when it runs out.
        proposal: Index of what waits for a second clerk; None if nothing does.
    """

    index: int | None = None
    clerk: str = ""
    since: datetime | None = None
    until: datetime | None = None
    proposal: int | None = None

    def holder(self, now: datetime) -> str:
        """Who works on it; a claim that has run out counts no more."""
        return self.clerk if self.until is not None and now < self.until else ""

    @property
    def unclaimed(self) -> "Standing":
        """The same with nobody working on it."""
        return Standing(index=self.index, proposal=self.proposal)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a clerk wants decided, and a second one must confirm.

    Attributes:
        clerk, person: Who, as in `Clerk`; the person is a tag of this trail.
        handling_s: Seconds from claim to proposal.
    """

    index: int
    clerk: str
    person: str
    instruction: Instruction
    handling_s: int


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper that was seen at the counter, and attached to the case.

    Attributes:
        digest: SHA-256 (hex) of its bytes.
        size: In bytes.
    """

    index: int
    name: str
    media_type: str
    digest: str
    size: int
    clerk: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """What every step says.

    Attributes:
        subject: Whose case it is. Personal data.
        stands: What the newest decision of the case brought it to.
        before, after: Where the case stood, and stands then; its index counts only before.
    """

    case: CaseSummary
    subject: str
    release_digest: str
    clerk: Clerk
    stands: CaseState
    before: Standing
    after: Standing


class Docket:
    """The counter's steps in the record."""

    def __init__(self, record: Record) -> None:
        self._record = record

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    async def standing(self, case_id: str) -> Standing:
        """Where the case stands."""
        index = await self._record.latest(_key(case_id))
        if index is None:
            return Standing()
        return read_standing(index, (await self._record.recorded(index)).permanent)

    async def standings(self, case_ids: tuple[CaseId, ...]) -> Mapping[CaseId, Standing]:
        """Where each of the cases stands."""
        found = await self._record.newest([_key(case_id) for case_id in case_ids])
        by_key = {key: read_standing(one.index, one.leaf.permanent) for key, one in found.items()}
        return {case_id: by_key.get(_key(case_id), Standing()) for case_id in case_ids}

    async def decided(self, case_id: str) -> tuple[int, CaseState, bool] | None:
        """The newest decision by rules, and how the case stands; None if there is none.

        Returns:
            Its index; what the newest decision of all brought the case to; and whether the newest
            one that ended it granted something.
        """
        types = Either(tuple(Is("type", "=", one) for one in (DECISION, DETERMINATION, OVERRIDE)))
        of_case = All((Is("case_id", "=", case_id), types))
        found = await self._record.find(of_case, before=_NEVER, limit=_DECISIONS)
        base = next((one.index for one in found if one.leaf.type == DECISION), None)
        if base is None:
            return None
        outcomes = [CaseState(str(one.leaf.permanent["outcome"])) for one in found]
        ended = (one for one in outcomes if one in {CaseState.APPROVED, CaseState.REFUSED})
        return base, outcomes[0], next(ended, None) is CaseState.APPROVED

    async def opened(self, case_id: str, clerk: Clerk, *, since: int) -> frozenset[str]:
        """In which ways the clerk has looked into the whole case after that entry (S11)."""
        looked = All(
            (
                Is("case_id", "=", case_id),
                Is("type", "=", ACCESS),
                Is("caller", "=", clerk.caller),
                Is("idx", ">", since),
            )
        )
        found = await self._record.find(looked, before=_NEVER, limit=_LOOKS)
        methods = {str(one.leaf.permanent.get("method", "")) for one in found}
        return frozenset(methods & {DOSSIER, BLIND})

    async def proposal(self, index: int) -> Proposal:
        """What waits for a second clerk.

        Raises:
            ErasedError: It was erased.
        """
        recorded, sealed = await self._record.opened(index)
        permanent: Mapping[str, Any] = recorded.permanent
        return Proposal(
            index=index,
            clerk=permanent["caller"],
            person=permanent["person"],
            instruction=Instruction.model_validate_json(json.dumps(sealed["instruction"])),
            handling_s=permanent["handling_s"],
        )

    async def papers(self, case_id: str) -> tuple[Paper, ...]:
        """The papers of a case, the oldest first.

        Raises:
            ErasedError: They were erased.
        """
        of_case = All((Is("case_id", "=", case_id), Is("type", "=", PAPER)))
        indices = await self._record.following(of_case, after=-1, limit=MOST_PAPERS)
        return tuple([(await self.paper(index))[0] for index in indices])

    async def paper(self, index: int) -> tuple[Paper, bytes]:
        """A paper and its bytes.

        Raises:
            ErasedError: It was erased.
        """
        recorded, sealed = await self._record.opened(index)
        paper = Paper(
            index=index,
            name=sealed["name"],
            media_type=sealed["media_type"],
            digest=sealed["digest"],
            size=sealed["size"],
            clerk=str(recorded.permanent["caller"]),
            time=recorded.time,
        )
        return paper, base64.b64decode(sealed["content"])

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    async def stepped(
        self, step: Step, *, type_: str, did: str, more: Mapping[str, Any] | None = None
    ) -> Receipt | Taken:
        """Record that a case was claimed, let go of, or handed back.

        Raises:
            NotRecordedError: It could not be recorded, so it did not happen.
        """
        return await self._record.claim(
            self._entry(step, type_, {"did": did}, more or {}), _expected(step)
        )

    async def attached(
        self, step: Step, *, name: str, media_type: str, content: bytes
    ) -> Receipt | Taken:
        """Record a paper; its bytes are sealed, and go when the person is erased.

        Raises:
            NotRecordedError: It could not be recorded.
        """
        digest = hashlib.sha256(content).hexdigest()
        sealed = {
            "name": name,
            "media_type": media_type,
            "digest": digest,
            "size": len(content),
            "content": base64.b64encode(content).decode(),
        }
        # Kept for ever, so keyed: the digest itself would prove a guessed paper after erasure.
        permanent = {"paper": self._record.tag(f"paper\n{digest}"), "size": len(content)}
        return await self._record.claim(
            self._entry(step, PAPER, permanent, sealed), _expected(step)
        )

    async def proposed(
        self, step: Step, instruction: Instruction, drawn: Drawn, *, handling_s: int
    ) -> Receipt | Taken:
        """Record what a second clerk must confirm; nothing is determined by it.

        Raises:
            NotRecordedError: It could not be recorded.
        """
        permanent = {
            "proposed": drawn.outcome.kind,
            "overrides": drawn.overrides,
            "handling_s": handling_s,
        }
        sealed = {"instruction": instruction.model_dump(mode="json")}
        return await self._record.claim(
            self._entry(step, PROPOSAL, permanent, sealed), _expected(step)
        )

    async def determined(
        self,
        step: Step,
        draft: Draft,
        instruction: Instruction,
        drawn: Drawn,
        *,
        decided_by: Clerk | Proposal,
        handling_s: int,
        confirmation: str,
        expect: Mapping[str, int | None],
    ) -> Decision | Taken:
        """Record a person's decision; only now is it one.

        Args:
            decided_by: Whose decision it is; where that is a proposal, the step's clerk is the
                second person.
            confirmation: The second person's own words.
            expect: What the keys of the case and of the grant must point at.

        Raises:
            NotRecordedError: It could not be recorded, so there is no decision.
        """
        parts = draft.parts()
        body = in_json(parts)
        author = decided_by.clerk if isinstance(decided_by, Proposal) else decided_by.caller
        permanent = {
            "outcome": drawn.outcome.kind,
            "rules_effective_date": draft.rules_effective_date.isoformat(),
            "decided_by": "person",
            "caller": author,
            "overrides": drawn.overrides,
            "ground": instruction.ground.reason.value if instruction.ground else "",
            "statuses": [list(pair) for pair in drawn.before],
            "found": [list(pair) for pair in drawn.after],
            "reasons": [*sorted({reason.code for reason in drawn.outcome.reasons})],
            "from": step.stands.value,
            "handling_s": handling_s,
            "channel": "counter",
            "papers": list(instruction.papers),
            **(
                {"second": step.clerk.caller, "author": decided_by.person}
                if isinstance(decided_by, Proposal)
                else {}
            ),
            **({} if draft.follows is None else {"follows": draft.follows}),
        }
        sealed = {
            "decision": body,
            "instruction": instruction.model_dump(mode="json"),
            "confirmation": confirmation,
        }
        entry = replace(
            self._entry(step, OVERRIDE if drawn.overrides else DETERMINATION, permanent, sealed),
            notice=body["notice"]["zh"] + "\n\n" + body["notice"]["en"],
            case=case_row(step.case.model_copy(update={"state": STATES[type(drawn.outcome)]})),
        )
        written = await self._record.claim(entry, {**_expected(step), **expect})
        if isinstance(written, Taken):
            return written
        return Decision(**parts, receipt=written)

    async def looked_again(
        self, step: Step, *, target: int, result: str, agrees: bool, text: str
    ) -> Receipt | Taken:
        """Record what a second clerk thinks of a determination, knowing nothing of it.

        Raises:
            NotRecordedError: It could not be recorded.
        """
        permanent = {"target": target, "result": result, "agrees": agrees}
        entry = self._entry(step, SECOND_LOOK, permanent, {"text": text})
        return await self._record.claim(entry, {look_key(target): None})

    def person(self, clerk: Clerk) -> str:
        """Who a clerk is, as this trail tags it: two accounts of one person have one tag."""
        return self._record.tag(f"clerk\n{clerk.person}")

    def _entry(
        self, step: Step, type_: str, permanent: Mapping[str, Any], sealed: Mapping[str, Any]
    ) -> Entry:
        after = step.after
        return Entry(
            type=type_,
            id=str(uuid4()),
            time=step.clerk.now,
            permanent={
                "matter": step.case.matter,
                "release_digest": step.release_digest,
                "case_id": step.case.case_id,
                "caller": step.clerk.caller,
                "role": "clerk",
                "person": self.person(step.clerk),
                "standing": {
                    "clerk": after.clerk,
                    "since": after.since.isoformat() if after.since else "",
                    "until": after.until.isoformat() if after.until else "",
                    "proposal": -1 if after.proposal is None else after.proposal,
                    "is_proposal": type_ == PROPOSAL,
                },
                **permanent,
            },
            sealed=dict(sealed),
            subject=step.subject,
        )


MOST_PAPERS = 20
"""Papers of one case."""

_DECISIONS = 1_000
"""Decisions of one case that are gone through."""

_LOOKS = 200
"""Looks of one clerk at one case that are gone through."""

_NEVER = 2**53
"""Above every index."""


def _key(case_id: str) -> str:
    """Points at the newest step of a case at the counter."""
    return f"counter:{case_id}"


def look_key(index: int) -> str:
    """Points at the second look at a determination; there is one."""
    return f"second_look:{index}"


def _expected(step: Step) -> dict[str, int | None]:
    return {_key(step.case.case_id): step.before.index}


def read_standing(index: int, permanent: Mapping[str, Any]) -> Standing:
    """Where the case stands after that step."""
    said = permanent["standing"]
    proposal = index if said["is_proposal"] else said["proposal"]
    return Standing(
        index=index,
        clerk=said["clerk"],
        since=datetime.fromisoformat(said["since"]) if said["since"] else None,
        until=datetime.fromisoformat(said["until"]) if said["until"] else None,
        proposal=None if proposal < 0 else proposal,
    )


def is_open(state: CaseState) -> bool:
    """Whether a clerk may work on a case in that state."""
    return state in {CaseState.REFERRED, CaseState.APPROVED, CaseState.REFUSED}
