"""matter.toml: read, and held against everything that its evidence plan speaks of."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from typing import TypeAlias

from pydantic import ValidationError as ShapeError

from decision_service.datafile import DataFile, Fault, UnfitFileError
from decision_service.errors import InvalidPublicationError
from decision_service.model import (
    ADVERSE,
    APPLICANT,
    FORM,
    GUARDIANSHIP,
    KEY_OF,
    ORGANISATION,
    BooleanType,
    Capacity,
    Concept,
    EvidencePlan,
    EvidenceType,
    Matter,
    Meaning,
    OptionType,
    RegisterMeaning,
    TextType,
)

Meanings: TypeAlias = Mapping[Concept, Meaning]
Registers: TypeAlias = Mapping[EvidenceType, RegisterMeaning]


_NEEDS_NO_DEVICE = frozenset({"counter", "phone"})


def read_matter(text: str, where: str) -> Matter:
    """Read ``matter.toml``.

    Raises:
        InvalidPublicationError: It is no matter, one that needs a device, or a penalty that a
            machine would decide (law 5).
    """
    file = DataFile(text, where)
    name = {one: file.table[one] for one in ("zh", "en") if one in file.table}
    row = {"name": name, **{key: one for key, one in file.table.items() if key not in name}}
    try:
        matter = Matter.model_validate_json(json.dumps(row, default=iso_day))
    except ShapeError as error:
        raise UnfitFileError("MATTER_INVALID", where, file.faults(error)) from None
    _refuse_machine_that_takes(matter, where)
    _refuse_without_a_counter(matter, where)
    return matter


def _refuse_without_a_counter(matter: Matter, where: str) -> None:
    """Who has no device, or cannot use one, applies at a window or by telephone (S21)."""
    if not _NEEDS_NO_DEVICE & set(matter.channels):
        raise InvalidPublicationError(
            f"`{where}` cannot be published: every one of its channels needs a device",
            zh=f"“{where}”不能发布：所有办理渠道都需要电子设备；请在 channels 中加上 "
            "counter（窗口）或 phone（电话），让不会使用智能设备的人也能办理",
            reason="CHANNELS_NEED_A_DEVICE",
            hint="Add `counter` or `phone` to `channels`.",
            where=where,
        )


def _refuse_machine_that_takes(matter: Matter, where: str) -> None:
    """No act against somebody is decided without a person (A271; 行政处罚法 Art 41, 45; S4)."""
    if matter.kind in ADVERSE and set(matter.modes) - {"prefill"}:
        raise InvalidPublicationError(
            f"`{where}` cannot be published: A271 a matter of kind `{matter.kind}` takes something "
            "from people, and no machine decides it",
            zh=f"“{where}”不能发布：A271 {matter.kind} 类事项对当事人不利，不得由系统自动决定；"
            "请将 modes 改为只有 prefill（查询、确认、提出异议），由工作人员决定",
            reason="ADVERSE_MATTER_INSTANT",
            hint='Write `modes = ["prefill"]`: people look up and object; an officer decides.',
            where=where,
        )


def plan_faults(
    matter: Matter,
    *,
    needed: frozenset[str],
    declared_texts: Sequence[str],
    meanings: Meanings,
    registers: Registers,
) -> Iterator[str]:
    """Everything in the evidence plan that could not be asked, or would never be.

    Args:
        needed: The evidence types that the rules or the form rest on.
        declared_texts: Keys of the form's fields that the applicant fills with a text.
    """
    types = [item.type for item in matter.evidence]
    asked = set(types)
    yield from _representation_faults(matter, meanings)
    yield from (f"the plan does not ask `{source}`" for source in sorted(needed - asked))
    yield from (f"the city has no register `{key}`" for key in sorted(asked - set(registers)))
    yield from (f"the plan asks `{key}` twice" for key in sorted(asked) if types.count(key) > 1)
    for paper in matter.replaces:
        yield from (
            f"`{paper.en}` is replaced by `{key}`, which the plan does not ask"
            for key in paper.by
            if key not in asked
        )
        vouched = {
            concept for key in paper.by if key in registers for concept in registers[key].concepts
        }
        if paper.shows is not None and paper.shows not in vouched:
            yield f"`{paper.en}` shows `{paper.shows}`, which none of its `by` vouches for"
    for item in matter.evidence:
        if item.type in registers:
            yield from _key_faults(item, matter, declared_texts, registers[item.type])
            yield from _order_faults(item, matter, meanings, registers)


def _representation_faults(matter: Matter, meanings: Meanings) -> Iterator[str]:
    """Who acts for whom without a law, or a guardian whom no register that is asked vouches for."""
    yield from (
        f"`represented_by.{capacity}` names no law"
        for capacity, basis in sorted(matter.represented_by.items())
        if not basis.strip()
    )
    if matter.represented_by and "person" not in matter.applicants:
        yield "`represented_by`: only people are represented; a firm acts through who stands for it"
    if Capacity.GUARDIAN not in matter.represented_by:
        return
    sources = {meanings[one].source for one in GUARDIANSHIP if one in meanings}
    proofs = [
        item
        for item in matter.evidence
        if {item.type} == sources and f"{Capacity.GUARDIAN}.id_number" in item.key.values()
    ]
    if not meanings.keys() >= GUARDIANSHIP or not proofs:
        yield "a guardian may act, but the plan asks no register that vouches for it"
    elif proofs[0].after:
        yield f"`{proofs[0].type}` proves the guardian, and so waits for nobody"


def offer_faults(matter: Matter, *, declared: Sequence[str]) -> Iterator[str]:
    """Everything for which nobody can be offered the matter before they apply (免申即享).

    Args:
        declared: The concepts that the rules rest on and the applicant alone can tell.
    """
    if (matter.offers is not None) != ("proactive" in matter.modes):
        yield "`proactive` among the modes and `[offers]`, with its basis, stand together or not"
    if matter.offers is None:
        return
    if "instant" not in matter.modes:
        yield "it is offered, but not `instant`: who agrees to an offer applies, and is decided"
    if matter.applicants != ("person",):
        yield "it is offered, but `applicants` are not people alone"
    if not matter.once_per_subject:
        yield "it is offered, but not `once_per_subject`: nobody could tell who has it already"
    if matter.offers.purpose == matter.purpose:
        yield "the purpose of offers is that of applications: registers must tell them apart"
    for key in sorted(matter.form_keys):
        yield f"it is offered, but a register finds by `{key}`, which nobody has declared yet"
    for concept in declared:
        yield f"it is offered, but the rules rest on `{concept}`, which only the applicant can tell"


def _key_faults(
    item: EvidencePlan, matter: Matter, declared_texts: Sequence[str], register: RegisterMeaning
) -> Iterator[str]:
    """Keys that the register does not find by, that are not given, or that nobody can give."""
    roles = {APPLICANT, *({ORGANISATION} & set(matter.applicants))}
    if item.about not in roles:
        yield f"`{item.type}` is asked about `{item.about}`, who takes no part"
    for key in sorted(set(register.keys) - set(item.key)):
        yield f"`{item.type}` finds by `{key}`, which the plan does not give"
    for key, source in sorted(item.key.items()):
        role, _, word = source.partition(".")
        if key not in register.keys:
            yield f"`{item.type}` does not find by `{key}`"
        if source.startswith(FORM):
            if word not in declared_texts:
                yield f"`{item.type}`: the applicant declares no text `{word}` in the form"
        elif word in KEY_OF.values() and role not in {*roles, *matter.represented_by}:
            yield f"`{item.type}`: `{source}` is of `{role}`, who takes no part"


def _order_faults(
    item: EvidencePlan, matter: Matter, meanings: Meanings, registers: Registers
) -> Iterator[str]:
    """Concepts that would not be known in time, and waits that are too long or for nothing."""
    planned = {other.type: other for other in matter.evidence}
    for earlier in item.after:
        if earlier not in planned:
            yield f"`{item.type}` waits for `{earlier}`, which the plan does not ask"
        elif planned[earlier].after:
            yield f"`{item.type}` waits for `{earlier}`, which waits itself: two waves at most"
    vouched = {
        concept: earlier
        for earlier in item.after
        if earlier in registers
        for concept in registers[earlier].concepts
        if concept in meanings
    }
    for concept in sorted(item.hangs_on - set(vouched)):
        yield f"`{item.type}` hangs on `{concept}`, for which no register of its `after` vouches"
    for earlier in sorted(set(item.after) - {vouched.get(concept) for concept in item.hangs_on}):
        yield f"`{item.type}` waits for `{earlier}` without use"
    for key, concept in sorted(item.awaited.items()):
        if concept in vouched and not isinstance(meanings[concept].type, TextType | OptionType):
            yield f"`{item.type}`: `{concept}` is no text, so no `{key}`"
    if item.only_if in vouched and not isinstance(meanings[item.only_if].type, BooleanType):
        yield f"`{item.type}`: `{item.only_if}` is no yes or no"


def iso_day(value: object) -> str:
    """Days of TOML, and its times, in JSON."""
    if isinstance(value, date | time):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def unfit(reason: str, where: str, wrong: Sequence[str]) -> UnfitFileError:
    """A file that cannot be published, with everything that is wrong in it."""
    return UnfitFileError(reason, where, [Fault(one, one) for one in wrong])
