"""The first draft of a rule file: every section with what belongs there, sound and decided already.

A new release of a matter begins as a copy of the one before, with its days changed. The first one
is written from the concepts that it will use, with remarks that say what to put where.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from decision_service.model import (
    DECLARED,
    SERVICE,
    BooleanType,
    DateType,
    ListType,
    Meaning,
    NumberType,
    OptionType,
    Range,
    Text,
    TextType,
)
from decision_service.rulebook import document, fields, page
from decision_service.rulebook.source import Report, TooManyFindingsError, lines
from decision_service.rulebook.tree import RuleFileError

_HEAD = """# {title.zh} | {title.en}

> 初稿：逐节改写，再运行 miaopi rules fmt、check、test。说明以 > 开头，机器不读。
> A first draft: rewrite it section by section, then run fmt, check and test. Remarks are not read.

- 事项 matter：{matter}
- 生效 effective：{day}
- 主管 competent authority：{authority.zh} | {authority.en}

## 依据 | Legal basis

> 每个条件、每张表都要引用一行。Every requirement and table cites a row.

| 编号 | 文件 | 条款 | 原文摘录 | Excerpt |
|------|------|------|----------|---------|
| L1 | （文件名称） | （条款） | （原文） | (the words of the law) |

## 词汇 | Vocabulary

> 只列用到的信息项；只写标识，miaopi rules fmt 会从 matters/concepts.toml 补全。
> What is used and nothing else; write the id alone, and miaopi rules fmt fills in the row.

| 标识 id | 名称 | English | 类型 | 单位或取值 | 范围 | 来源 source |
|---------|------|---------|------|------------|------|-------------|
{rows}

## 条件 | Requirements

> 一个条件一个 R。信息未知时：由申请人填报的可写“请补正”，其余写“转人工”，从不驳回。
> What is not known never refuses.

"""

_REQUIREMENT = """### R{number} {name.zh} | {name.en}
- 依据 basis：L1
- 条件 requires：{condition}
- 不符合 if not met：转人工 | refer
- 无法确认 if unknown：{unknown}
- 符合时说明：{name.zh}：{{{name.zh}}}，符合。 | {name.en}: {{{name.zh}}}, as demanded.
- 不符合时说明：{name.zh}：{{{name.zh}}}，不符合。 | {name.en}: {{{name.zh}}}, not as demanded.
- 无法确认时说明：未能确认{name.zh}。 | {name.en} could not be confirmed.

"""

_SCENARIOS = """## 情形 | Scenarios

> 每个边界、边界外一个单位、每个来源无应答各写一个；miaopi rules test --coverage 列出还缺的。
> Every boundary, one unit beyond it, the silence of every source; --coverage lists what is missing.

基准 baseline：{baseline}

| 编号 | 情形 | Scenario | 与基准不同 | 结论 | 理由 |
|------|------|----------|------------|------|------|
| S1 | 全部符合 | all met | | 批准 | |
{silent}"""


_ASKED = {True: "请补正", False: "转人工"}


def first(matter: str, day: date, title: Text, authority: Text, meanings: Sequence[Meaning]) -> str:
    """The first draft of a matter's first rule file, which demands one thing of each concept.

    Where there is no other it demands something of the day of filing.
    """
    asked = [meaning for meaning in meanings if meaning.source != SERVICE]
    demanded = asked or meanings
    parts = [
        _HEAD.format(
            matter=matter,
            day=day.isoformat(),
            title=title,
            authority=authority,
            rows="\n".join(f"| {meaning.concept} | | | | | | |" for meaning in meanings),
        )
    ]
    parts += [
        _REQUIREMENT.format(
            number=number,
            name=meaning.name,
            condition=_condition(meaning),
            unknown="请补正 | correct" if meaning.source == DECLARED else "转人工 | refer",
        )
        for number, meaning in enumerate(demanded, start=1)
    ]
    silent = "".join(
        f"| S{number + 1} | {meaning.name.zh}未知 | {meaning.name.en} unknown "
        f"| {meaning.name.zh} = 未知 | {_ASKED[meaning.source == DECLARED]} | R{number} |\n"
        for number, meaning in enumerate(asked, start=1)
    )
    baseline = "；".join(f"{meaning.name.zh} = {_sample(meaning, day)}" for meaning in meanings)
    parts.append(_SCENARIOS.format(baseline=baseline, silent=silent))
    return "".join(parts)


def following(before: str, day: date, superseded: date, *, where: str) -> str:
    """A copy of the release before, from another day on.

    Raises:
        RuleFileError: The head of the release before cannot be read; with all that is wrong there.
    """
    report = Report()
    try:
        markdown, written = lines(before, report)
        root = page.read(markdown, written, report)
        top = root.sections[0] if root.sections else root
        head = fields.keyed(top, document.HEAD, report, needed=("生效",))
    except TooManyFindingsError:
        head = {}
    if "生效" not in head:
        raise RuleFileError(where, tuple(report.findings))
    begins = f"- 生效 effective：{day.isoformat()}\n- 取代 supersedes：{superseded.isoformat()}"
    anew = {head["生效"].line: begins}
    dropped = {head["取代"].line} if "取代" in head else set()
    return "\n".join(anew.get(one.line, one.text) for one in written if one.line not in dropped)


def _condition(meaning: Meaning) -> str:
    """Something to demand of a concept, for the author to change."""
    name = meaning.name.zh
    match meaning.type:
        case BooleanType():
            return name
        case NumberType():
            return f"{name} >= {_sample(meaning, date.min)}"
        case DateType():
            return f"{name} >= {_sample(meaning, date(2000, 1, 1))}"
        case OptionType(options=options):
            return f'{name} = "{next(iter(options.values())).zh}"'
        case TextType():
            return f'{name} != ""'
        case ListType():
            return f"count({name}) = 0"


def _sample(meaning: Meaning, day: date) -> str:  # noqa: PLR0911  # one case for each type
    """A value with which its condition is met."""
    match meaning.type, meaning.range:
        case BooleanType(), _:
            return "是"
        case NumberType(scale=scale), Range(low=Decimal() as low):
            return f"{low:.{scale}f}"
        case NumberType(), _:
            return "0"
        case DateType(), Range(low=date() as low):
            return low.isoformat()
        case DateType(), _:
            return (day if meaning.source == SERVICE else date(2000, 1, 1)).isoformat()
        case OptionType(options=options), _:
            return f'"{next(iter(options.values())).zh}"'
        case ListType(), _:
            return "[]"
        case _:
            return '"（填写）"'
