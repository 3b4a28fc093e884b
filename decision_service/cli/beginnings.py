"""matter.toml and form.schema.json of a matter's first release, begun from its rule file.

Like the first draft of the rule file they are whole at once, so that whoever writes on can check
after every line; what only people know stands in brackets, or is the more careful choice.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from decision_service.matter import Meanings, Registers
from decision_service.model import (
    APPLICANT,
    DECLARED,
    FORM,
    KEY_OF,
    ORGANISATION,
    SERVICE,
    BooleanType,
    Concept,
    DateType,
    EvidenceType,
    ListType,
    Meaning,
    NumberType,
    OptionType,
    OverrideReason,
    Text,
)
from decision_service.rulebook.tree import Rulebook

_MATTER = """# {name.zh} | {name.en}
# 初稿：逐行改写，再运行 miaopi rules check；还可以写什么，见其他事项的 matter.toml。
# A first draft: rewrite it line by line, then run check; other matters show what else there is.
id = {id}
zh = {zh}
en = {en}
# 许可 licence、给付 grant、确认 confirmation、奖励 reward、备案 filing、公共服务 public_service
kind = "other"
competent_authority = {authority}
legal_resources = [{laws}]
applicants = [{applicant}]           # 个人 person、单位 organisation
channels = ["portal", "counter"]     # 须有 counter 或 phone：one that needs no device
modes = ["prefill", "instant"]       # 秒报、秒批；免申即享另加 proactive 和 [offers]
assurance_level = "substantial"      # 实名等级 low、substantial、high
automatic_refusal = false            # 系统可否驳回 · whether rules may refuse
applies_by = "filing_date"
age_convention = "birthday"          # 生日当天满岁；次日满岁写 day_after
once_per_subject = true              # 每人（单位）只能批准一次 · granted once only
minimum_deadline = "PT0.3S"
retry_for = "PT24H"                  # 登记机关没有应答时等多久 · how long for one that is away
promised_limit = {{ days = 5, unit = "working" }}   # 承诺时限，calendar 为自然日
retention = "P10Y"                   # 办结后保存多久 · kept for so long
purpose = "（用途）| (purpose)"      # 告诉登记机关为何查询 · why registers are asked
consent_notice_version = "{day}"
two_persons_for = ["approve_against_not_met"]
override_reasons = [{reasons}]

{evidence}[remedies.reconsideration]
organ = {{ zh = "（复议机关）", en = "(who reconsiders)" }}
days = 60
link = "https://example.invalid/"      # 网上申请复议的地址 · where one can apply for it

[remedies.litigation]
court = {{ zh = "（法院）", en = "(court)" }}
months = 6
"""

_EVIDENCE = """[[evidence]]
type = "{type}"
about = "{about}"
key = {{ {key} }}

"""

_NO_EVIDENCE = "evidence = []                        # 不查登记机关 · no register is asked\n\n"


def begun(book: Rulebook, meanings: Meanings, registers: Registers) -> Mapping[str, str]:
    """The two files by their names."""
    used = [meanings[term.id] for term in book.terms if term.id in meanings]
    return {
        "matter.toml": _matter(book, used, registers),
        "form.schema.json": json.dumps(_form(book.title, used), ensure_ascii=False, indent=2)
        + "\n",
    }


def _matter(book: Rulebook, used: Sequence[Meaning], registers: Registers) -> str:
    sources = dict.fromkeys(EvidenceType(one.source) for one in used)
    asked = {source: registers[source].keys for source in sources if source in registers}
    of_firms = any(_is_of_firms(keys) for keys in asked.values())
    texts = [one.concept for one in used if one.source == DECLARED]
    return _MATTER.format(
        name=book.title,
        id=_quoted(book.matter),
        zh=_quoted(book.title.zh),
        en=_quoted(book.title.en),
        authority=f"{{ zh = {_quoted(book.authority.zh)}, en = {_quoted(book.authority.en)} }}",
        laws=", ".join(_quoted(one) for one in dict.fromkeys(law.instrument for law in book.bases)),
        applicant=_quoted(ORGANISATION if of_firms else "person"),
        day=book.effective,
        reasons=", ".join(_quoted(reason) for reason in OverrideReason),
        evidence="".join(
            _EVIDENCE.format(
                type=source,
                about=ORGANISATION if _is_of_firms(keys) else APPLICANT,
                key=", ".join(f"{key} = {_quoted(_given(key, texts))}" for key in keys),
            )
            for source, keys in asked.items()
        )
        or _NO_EVIDENCE,
    )


def _is_of_firms(keys: Sequence[str]) -> bool:
    return KEY_OF["organisation_code"] in keys


def _given(key: str, declared: Sequence[Concept]) -> str:
    """What a register finds by: who takes part, or what the applicant declares."""
    if key in KEY_OF.values():
        return f"{ORGANISATION if _is_of_firms([key]) else APPLICANT}.{key}"
    named = next((one for one in declared if one.endswith(f".{key}")), key)
    return f"{FORM}{named}"


def _form(title: Text, used: Sequence[Meaning]) -> Mapping[str, object]:
    """Every concept but lists, which no form can have; what the applicant declares is required."""
    shown = [one for one in used if one.source != SERVICE and not isinstance(one.type, ListType)]
    truthful = {
        "title": "本人承诺所填属实 | I declare that this is true",
        "const": True,
        "x-declaration": True,
    }
    fields: dict[str, Mapping[str, object]] = {
        one.concept: {**dict(_field(one)), "x-concept": one.concept} for one in shown
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{title.zh}申请 | Application: {title.en}",
        "type": "object",
        "properties": {**fields, "applicant.truthful": truthful},
        "required": [
            *(one.concept for one in shown if one.source == DECLARED),
            "applicant.truthful",
        ],
        "additionalProperties": False,
    }


def _field(meaning: Meaning) -> Iterator[tuple[str, object]]:
    yield "title", f"{meaning.name.zh} | {meaning.name.en}"
    match meaning.type:
        case BooleanType():
            yield "type", "boolean"
        case NumberType(scale=scale):
            yield from (("type", "string"), ("x-scale", scale))
        case DateType():
            yield from (("type", "string"), ("format", "date"))
        case OptionType(options=options):
            yield from (("type", "string"), ("enum", [*options]))
        case _:
            yield "type", "string"


def _quoted(text: str) -> str:
    """A string as TOML has it: JSON's, but for the one character that TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
