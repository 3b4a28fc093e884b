"""The public guide of a matter (办事指南), from the very file that decides it, in both languages.

What stands there cannot differ from what is decided: nobody writes it a second time.
"""

import html
from collections.abc import Iterator

from markdown_it import MarkdownIt

from decision_service.model import DECLARED, SERVICE, ConceptType, NumberType, OptionType, Text
from decision_service.rulebook.explanation import written
from decision_service.rulebook.scenarios import written as value_written
from decision_service.rulebook.tree import Consequence, HitPolicy, Rulebook, Table, Term

_THEN = {
    Consequence.REFUSE: Text(zh="不予批准", en="it is refused"),
    Consequence.CORRECT: Text(zh="请您补正", en="you are asked to correct it"),
    Consequence.REFER: Text(zh="转人工办理", en="a person decides"),
}
_POLICIES = {
    HitPolicy.UNIQUE: Text(zh="适用其中一行", en="one row applies"),
    HitPolicy.FIRST: Text(zh="适用第一个符合的行", en="the first row that fits applies"),
    HitPolicy.SUM: Text(zh="符合的行相加", en="the rows that fit are added"),
    HitPolicy.MIN: Text(zh="取符合的行中最小的", en="the least of the rows that fit"),
    HitPolicy.MAX: Text(zh="取符合的行中最大的", en="the greatest of the rows that fit"),
    HitPolicy.COUNT: Text(zh="计符合的行数", en="the rows that fit are counted"),
}

_PAGE = """<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 48rem; margin: 2rem auto; padding: 0 1rem; line-height: 1.6; }}
table {{ border-collapse: collapse; }}
th, td {{ border: 1px solid; padding: 0.25rem 0.75rem; text-align: left; }}
</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""


def as_markdown(book: Rulebook) -> str:
    """The guide as Markdown."""
    return "\n\n".join(_blocks(book)) + "\n"


def as_html(book: Rulebook) -> str:
    """The guide as a page of HTML, whole in itself; no word of the file becomes markup."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(as_markdown(book))
    title = f"{book.title.zh} | {book.title.en}"
    return _PAGE.format(title=html.escape(title), body=body)


def _blocks(book: Rulebook) -> Iterator[str]:
    day = book.effective.isoformat()
    yield f"# {book.title.zh}办事指南 | {book.title.en}: guide"
    yield (
        f"主管：{_said(book.authority.zh)}；自 {day} 起施行。\n"
        f"Competent authority: {_said(book.authority.en)}; in force from {day}."
    )
    yield "## 条件 | What is required"
    yield "\n".join(
        f"{number}. **{_both(one.name)}**（{'、'.join(one.basis)}）  \n"
        f"   不符合时{_THEN[one.if_not_met].zh}，无法确认时{_THEN[one.if_unknown].zh}。  \n"
        f"   If it is not met, {_THEN[one.if_not_met].en}; "
        f"if it cannot be confirmed, {_THEN[one.if_unknown].en}."
        for number, one in enumerate(book.requirements, start=1)
    )
    declared = [term for term in book.terms if term.source == DECLARED]
    asked = [term for term in book.terms if term.source not in {DECLARED, SERVICE}]
    if declared:
        yield "## 由您填报 | What you fill in"
        yield _grid(["信息", "Information", "填写 how"], [_row(term) for term in declared])
    if asked:
        yield "## 不用您提交 | What the registers tell us"
        rows = [[term.name.zh, term.name.en, term.source] for term in asked]
        yield _grid(["信息", "Information", "来源 source"], rows)
    if book.outputs:
        yield "## 批准给予 | What an approval grants"
        rows = [[one.name.zh, one.name.en, _how(one.type)] for one in book.outputs]
        yield _grid(["项目", "Output", "单位 unit"], rows)
    words: dict[str, str] = {term.id: term.name.zh for term in book.terms}
    for table in book.tables:
        yield f"## 标准 {_said(table.name)} | Table"
        policy = _POLICIES[table.policy]
        yield f"{policy.zh}（{policy.en}）；{'、'.join(table.basis)}"
        yield _table(table, words)
    yield "## 法律依据 | Legal basis"
    law = [
        [one.number, one.instrument, one.article, one.excerpt.zh, one.excerpt.en]
        for one in book.bases
    ]
    yield _grid(["编号", "文件 instrument", "条款 article", "原文摘录", "Excerpt"], law)


def _row(term: Term) -> list[str]:
    return [term.name.zh, term.name.en, _how(term.type)]


def _how(type_: ConceptType) -> str:
    """What a value of a type looks like, for somebody who fills it in."""
    match type_:
        case NumberType(unit=unit):
            return unit or "数 number"
        case OptionType(options=options):
            return "、".join(f"{label.zh} {label.en}" for label in options.values())
        case _:
            kinds = {"boolean": "是或否 yes or no", "date": "日期 date", "text": "文字 text"}
            return kinds.get(type_.kind, "列表 list")


def _table(table: Table, words: dict[str, str]) -> str:
    header = ["行", "条件 condition", *(f"→ {column.id}" for column in table.columns)]
    rows = [
        [row.number, written(row.condition, words), *map(value_written, row.values)]
        for row in table.rows
    ]
    return _grid(header, rows)


def _grid(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_said, line))} |" for line in lines)


def _both(text: Text) -> str:
    return f"{_said(text.zh)} | {_said(text.en)}"


def _said(text: str) -> str:
    """Words of the file as Markdown says them: none of them is a sign."""
    return "".join(f"\\{one}" if one in "\\`*_[]<>|#" else one for one in text)
