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


def read_matter(file: DataFile) -> Matter:
    """Read ``matter.toml``.

    Raises:
        InvalidPublicationError: It is no matter, one that needs a device, or a penalty that a
            machine would decide (law 5).
    """
    name = {one: file.table[one] for one in ("zh", "en") if one in file.table}
    row = {"name": name, **{key: one for key, one in file.table.items() if key not in name}}
    try:
        matter = Matter.model_validate_json(json.dumps(row, default=iso_day))
    except ShapeError as error:
        raise UnfitFileError("MATTER_INVALID", file.where, file.faults(error)) from None
    _refuse_machine_that_takes(matter, file.where)
    _refuse_without_a_counter(matter, file.where)
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
    file: DataFile,
    matter: Matter,
    *,
    needed: frozenset[str],
    declared_texts: Sequence[str],
    meanings: Meanings,
    registers: Registers,
) -> Iterator[Fault]:
    """Everything in the evidence plan that could not be asked, or would never be.

    Args:
        needed: The evidence types that the rules or the form rest on.
        declared_texts: Keys of the form's fields that the applicant fills with a text.
    """
    types = [item.type for item in matter.evidence]
    yield from _representation_faults(file, matter, meanings)
    for source in sorted(needed - {*types}):
        yield file.fault(
            ("evidence",),
            f"规则或表单用到 {source}，而 evidence 没有列出，请补上",
            f"the plan does not ask `{source}`, which the rules or the form use: add it",
        )
    for number, item in enumerate(matter.evidence):
        at = ("evidence", number)
        if item.type in types[:number]:
            yield file.fault(
                (*at, "type"),
                f"{item.type} 列了两次，请合并",
                f"the plan asks `{item.type}` twice: put both together",
            )
        if item.type in registers:
            yield from _key_faults(file, matter, number, declared_texts, registers[item.type])
            yield from _order_faults(file, matter, number, meanings, registers)
        else:
            yield file.fault(
                (*at, "type"),
                f"本市没有登记册 {item.type}，请更正或补上其文件",
                f"the city has no register `{item.type}`: correct it, or add its file",
            )
    yield from _paper_faults(file, matter, registers)


def _paper_faults(file: DataFile, matter: Matter, registers: Registers) -> Iterator[Fault]:
    """Papers that nothing which is asked would replace."""
    asked = {item.type for item in matter.evidence}
    for number, paper in enumerate(matter.replaces):
        at = ("replaces", number)
        for key in paper.by:
            if key not in asked:
                yield file.fault(
                    (*at, "by"),
                    f"“{paper.zh}”由 {key} 替代，而 evidence 没有列出，请补上或删去",
                    f"`{paper.en}` is replaced by `{key}`, which the plan does not ask: "
                    "add it there, or delete it here",
                )
        vouched = {
            concept for key in paper.by if key in registers for concept in registers[key].concepts
        }
        if paper.shows is not None and paper.shows not in vouched:
            yield file.fault(
                (*at, "shows"),
                f"“{paper.zh}”的 shows 写的是 {paper.shows}，而 by 中的登记册都不提供，请更正",
                f"`{paper.en}` shows `{paper.shows}`, which none of its `by` vouches for: "
                "correct either",
            )


def _representation_faults(file: DataFile, matter: Matter, meanings: Meanings) -> Iterator[Fault]:
    """Who acts for whom without a law, or a guardian whom no register that is asked vouches for."""
    at = ("represented_by",)
    for capacity, basis in sorted(matter.represented_by.items()):
        if not basis.strip():
            yield file.fault(
                (*at, capacity),
                f"{capacity} 没有写明依据，请写上法律条款",
                f"`represented_by.{capacity}` names no law: write it",
            )
    if matter.represented_by and "person" not in matter.applicants:
        yield file.fault(
            at,
            "只有自然人可以由他人代办，单位由其代表人办理，请删去",
            "`represented_by`: only people are represented; a firm acts through who stands for it: "
            "delete it",
        )
    if Capacity.GUARDIAN not in matter.represented_by:
        return
    sources = {meanings[one].source for one in GUARDIANSHIP if one in meanings}
    proofs = [
        (number, item)
        for number, item in enumerate(matter.evidence)
        if {item.type} == sources and f"{Capacity.GUARDIAN}.id_number" in item.key.values()
    ]
    if not meanings.keys() >= GUARDIANSHIP or not proofs:
        yield file.fault(
            (*at, Capacity.GUARDIAN),
            "监护人可以代办，而 evidence 没有能证明监护关系的登记册，请补上或删去",
            "a guardian may act, but the plan asks no register that vouches for it: "
            "add one, or delete this",
        )
    elif proofs[0][1].after:
        yield file.fault(
            ("evidence", proofs[0][0], "after"),
            f"{proofs[0][1].type} 证明监护关系，须最先查询，请删去 after",
            f"`{proofs[0][1].type}` proves the guardian, and so waits for nobody: delete `after`",
        )


def offer_faults(file: DataFile, matter: Matter, *, declared: Sequence[str]) -> Iterator[Fault]:
    """Everything for which nobody can be offered the matter before they apply (免申即享).

    Args:
        declared: The concepts that the rules rest on and the applicant alone can tell.
    """
    if (matter.offers is not None) != ("proactive" in matter.modes):
        yield file.fault(
            ("modes",),
            "modes 中的 proactive 与 [offers] 须同时写明，请补上或删去",
            "`proactive` among the modes and `[offers]`, with its basis, stand together or not: "
            "add or delete one",
        )
    if matter.offers is None:
        return
    if "instant" not in matter.modes:
        yield file.fault(
            ("modes",),
            "免申即享的事项，同意后即按申请决定，请在 modes 中加上 instant",
            "it is offered, but not `instant`: who agrees to an offer applies, and is decided; "
            "add `instant`",
        )
    if matter.applicants != ("person",):
        yield file.fault(
            ("applicants",),
            '免申即享只面向自然人，请写 applicants = ["person"]',
            'it is offered, but `applicants` are not people alone: write `["person"]`',
        )
    if not matter.once_per_subject:
        yield file.fault(
            ("once_per_subject",),
            "免申即享的事项须每人一次，否则无从知道谁已享受，请写 once_per_subject = true",
            "it is offered, but not `once_per_subject`: nobody could tell who has it already; "
            "write `once_per_subject = true`",
        )
    if matter.offers.purpose == matter.purpose:
        yield file.fault(
            ("offers", "purpose"),
            "主动推送的用途须与申请的用途不同，登记册才能区分，请另写",
            "the purpose of offers is that of applications: registers must tell them apart; "
            "write another",
        )
    for key in sorted(matter.form_keys):
        yield file.fault(
            ("offers",),
            f"有登记册按表单中的 {key} 查询，而主动推送时无人填写，请改用其他查询键",
            f"it is offered, but a register finds by `{key}`, which nobody has declared yet: "
            "find by another key",
        )
    for concept in declared:
        yield file.fault(
            ("offers",),
            f"规则用到 {concept}，只有申请人自己知道，不能主动推送，请删去 [offers]",
            f"it is offered, but the rules rest on `{concept}`, which only the applicant can tell: "
            "delete `[offers]`",
        )


def _key_faults(
    file: DataFile,
    matter: Matter,
    number: int,
    declared_texts: Sequence[str],
    register: RegisterMeaning,
) -> Iterator[Fault]:
    """Keys that the register does not find by, that are not given, or that nobody can give."""
    at, item = ("evidence", number), matter.evidence[number]
    roles = {APPLICANT, *({ORGANISATION} & set(matter.applicants))}
    if item.about not in roles:
        yield file.fault(
            (*at, "about"),
            f"{item.type} 查询的是 {item.about}，而本事项没有这一当事人，请更正",
            f"`{item.type}` is asked about `{item.about}`, who takes no part: correct it",
        )
    for key in sorted(set(register.keys) - set(item.key)):
        yield file.fault(
            (*at, "key"),
            f"{item.type} 按 {key} 查询，请在 key 中写明其来源",
            f"`{item.type}` finds by `{key}`, which the plan does not give: add it to `key`",
        )
    for key, source in sorted(item.key.items()):
        role, _, word = source.partition(".")
        if key not in register.keys:
            yield file.fault(
                (*at, "key", key),
                f"{item.type} 不按 {key} 查询，请删去",
                f"`{item.type}` does not find by `{key}`: delete it",
            )
        if source.startswith(FORM):
            if word not in declared_texts:
                yield file.fault(
                    (*at, "key", key),
                    f"{item.type}：表单中没有由申请人填写的文字 {word}，请更正",
                    f"`{item.type}`: the applicant declares no text `{word}` in the form: "
                    "correct it",
                )
        elif word in KEY_OF.values() and role not in {*roles, *matter.represented_by}:
            yield file.fault(
                (*at, "key", key),
                f"{item.type}：{source} 属于 {role}，而本事项没有这一当事人，请更正",
                f"`{item.type}`: `{source}` is of `{role}`, who takes no part: correct it",
            )


def _order_faults(
    file: DataFile, matter: Matter, number: int, meanings: Meanings, registers: Registers
) -> Iterator[Fault]:
    """Concepts that would not be known in time, and waits that are too long or for nothing."""
    at, item = ("evidence", number), matter.evidence[number]
    planned = {other.type: other for other in matter.evidence}
    for earlier in item.after:
        if earlier not in planned:
            yield file.fault(
                (*at, "after"),
                f"{item.type} 要等 {earlier}，而 evidence 没有列出，请补上或删去",
                f"`{item.type}` waits for `{earlier}`, which the plan does not ask: "
                "add it, or do not wait",
            )
        elif planned[earlier].after:
            yield file.fault(
                (*at, "after"),
                f"{item.type} 要等 {earlier}，后者自己也要等，而最多查询两轮，请更正",
                f"`{item.type}` waits for `{earlier}`, which waits itself: two waves at most; "
                "correct either",
            )
    vouched = {
        concept: earlier
        for earlier in item.after
        if earlier in registers
        for concept in registers[earlier].concepts
        if concept in meanings
    }
    for concept in sorted(item.hangs_on - set(vouched)):
        yield file.fault(
            at,
            f"{item.type} 取决于 {concept}，而 after 中的登记册都不提供，请更正",
            f"`{item.type}` hangs on `{concept}`, for which no register of its `after` vouches: "
            "correct either",
        )
    for earlier in sorted(set(item.after) - {vouched.get(concept) for concept in item.hangs_on}):
        yield file.fault(
            (*at, "after"),
            f"{item.type} 不必等 {earlier}，请从 after 中删去",
            f"`{item.type}` waits for `{earlier}` without use: delete it from `after`",
        )
    for key, concept in sorted(item.awaited.items()):
        if concept in vouched and not isinstance(meanings[concept].type, TextType | OptionType):
            yield file.fault(
                (*at, "key", key),
                f"{item.type}：{concept} 不是文字，不能作 {key}，请更正",
                f"`{item.type}`: `{concept}` is no text, so no `{key}`: correct it",
            )
    if item.only_if in vouched and not isinstance(meanings[item.only_if].type, BooleanType):
        yield file.fault(
            (*at, "only_if"),
            f"{item.type}：{item.only_if} 不是“是否”，不能作 only_if，请更正",
            f"`{item.type}`: `{item.only_if}` is no yes or no: correct it",
        )


def iso_day(value: object) -> str:
    """Days of TOML, and its times, in JSON."""
    if isinstance(value, date | time):
        return value.isoformat()
    raise TypeError(type(value).__name__)
