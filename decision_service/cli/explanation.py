"""How a rule file comes to its verdict, step by step, for the facts that somebody types."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer
from rich.console import RenderableType
from rich.text import Text as Words

from decision_service.judge import display
from decision_service.model import (
    ConceptType,
    Facts,
    Held,
    ListType,
    OptionType,
    Status,
    Text,
    TextType,
)
from decision_service.rulebook.document import read_facts
from decision_service.rulebook.evaluate import Reference
from decision_service.rulebook.scenarios import VERDICTS
from decision_service.rulebook.tree import (
    Derived,
    Rulebook,
    RuleFileError,
    Term,
    VerdictKind,
)
from decision_service.rulebook.values import NotKnown
from evidence_adapters import strict_json

_STATUSES = {
    Status.MET: Text(zh="符合", en="met"),
    Status.NOT_MET: Text(zh="不符合", en="not met"),
    Status.UNKNOWN: Text(zh="无法确认", en="unknown"),
}
_UNKNOWN = Text(zh="未知", en="unknown")


@dataclass(frozen=True, slots=True)
class Step:
    """One test of a requirement: as written, how it came out, and what it read."""

    text: str
    truth: Text
    inputs: Mapping[str, Text]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict and all that led to it.

    Attributes:
        requirements: Id, name, status and tests of each.
        rows: Row of each table that applies; empty where none does for certain.
        outputs: Name and value of each.
    """

    verdict: VerdictKind
    requirements: tuple[tuple[str, Text, Text, tuple[Step, ...]], ...]
    rows: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, Text, Text], ...]


def explain(book: Rulebook, facts: Facts) -> Explanation:
    """Decide the facts by the reference and say how."""
    reference = Reference(book)
    verdict, atoms = reference.verdict(facts), reference.atoms(facts)
    statuses, outputs = dict(verdict.statuses), dict(verdict.outputs)
    every: tuple[Term | Derived, ...] = (*book.terms, *book.derived)
    named = {one.id: (one.name.zh, one.type) for one in every}
    named |= {one.id: (one.id, one.type) for table in book.tables for one in table.columns}

    def steps(requirement: str) -> Iterator[Step]:
        for atom in atoms[requirement]:
            read = ((*named[id_], value) for id_, value in atom.inputs)
            inputs = {name: _shown(value, type_) for name, type_, value in read}
            truth = _UNKNOWN if isinstance(atom.truth, NotKnown) else _yes_or_no(truth=atom.truth)
            yield Step(atom.text, truth, inputs)

    return Explanation(
        verdict=verdict.kind,
        requirements=tuple(
            (one.id, one.name, _STATUSES[statuses[one.id]], tuple(steps(one.id)))
            for one in book.requirements
        ),
        rows=verdict.rows,
        outputs=tuple(
            (one.id, one.name, _shown(outputs[one.id], one.type)) for one in book.outputs
        ),
    )


def shown(explanation: Explanation) -> RenderableType:
    """An explanation for a terminal."""
    lines = [f"结论 verdict: {_both(VERDICTS[explanation.verdict])}"]
    for id_, name, status, steps in explanation.requirements:
        lines.append(f"{id_} {_both(name)}: {_both(status)}")
        for step in steps:
            lines.append(f"    {step.text}  →  {_both(step.truth)}")
            lines += [f"        {name} = {_both(value)}" for name, value in step.inputs.items()]
    for table, row in explanation.rows:
        hit = f"第 {row} 行 row {row}" if row else "无法确定 none for certain"
        lines.append(f"标准 table {table}: {hit}")
    lines += [f"{_both(name)} = {_both(value)}" for _, name, value in explanation.outputs]
    return Words("\n".join(lines))


def as_json(explanation: Explanation) -> dict[str, Any]:
    """An explanation for machines."""
    return {
        "verdict": explanation.verdict.value,
        "requirements": [
            {
                "id": id_,
                "name": name.model_dump(),
                "status": status.en.replace(" ", "_"),
                "tests": [
                    {
                        "text": step.text,
                        "truth": step.truth.en,
                        "inputs": {key: value.zh for key, value in step.inputs.items()},
                    }
                    for step in steps
                ],
            }
            for id_, name, status, steps in explanation.requirements
        ],
        "rows": dict(explanation.rows),
        "outputs": {id_: value.zh for id_, _, value in explanation.outputs},
    }


# ── facts as they are typed ──────────────────────────────────────────────────────────────────────


def typed_facts(book: Rulebook, typed: Sequence[str], file: Path | None) -> Facts:
    """Facts of a JSON file and of ``name=value`` pairs; what nobody gives stays unknown.

    A name is an id or a Chinese name; an option is its label or its code, without quotes.

    Raises:
        typer.BadParameter: They cannot be read.
    """
    given: dict[str, object] = {}
    if file is not None:
        given |= _from_json(file)
    for pair in typed:
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"“{pair}”应写成 name=value | `{pair}` must be name=value")
        given[name.strip()] = value.strip()
    types = {name: term.type for term in book.terms for name in (term.id, term.name.zh)}
    line = "；".join(
        f"{name} = {_written(value, types.get(name))}" for name, value in given.items()
    )
    try:
        return read_facts(line, book)
    except RuleFileError as error:
        wrong = "\n".join(
            f"{finding.message.zh}：{finding.hint.zh} | {finding.message.en}: {finding.hint.en}"
            for finding in error.findings
        )
        raise typer.BadParameter(wrong) from None


def _from_json(file: Path) -> dict[str, object]:
    try:
        found = strict_json.parse(file.read_bytes())
    except (OSError, strict_json.NotStrictError) as error:
        raise typer.BadParameter(f"“{file}”读不出 | `{file}` cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"“{file}”不是对象 | `{file}` is not an object")
    return found


def _written(value: object, type_: ConceptType | None) -> str:  # noqa: PLR0911  # one case a kind
    """A value as a rule file writes it."""
    match value, type_:
        case None, _:
            return "未知"
        case bool(), _:
            return "是" if value else "否"
        case str() as text, OptionType() | TextType() if text == "未知" or text.startswith('"'):
            return text
        case str() as text, OptionType(options=options):
            return _quoted(options[text].zh if text in options else text)
        case str() as text, TextType():
            return _quoted(text)
        case Decimal() as number, _:
            return format(number, "f")
        case list() as records, _:
            return f"[{', '.join(_record(record, _columns(type_)) for record in records)}]"
        case dict() as record, _:
            return _record(record, {})
        case _:
            return str(value)


def _quoted(text: str) -> str:
    """A text in quotes; what would end them, or begin an escape, as its number."""
    return '"' + re.sub(r'["“”＂\\＼]', lambda one: f"\\u{ord(one[0]):04X}", text) + '"'


def _columns(type_: ConceptType | None) -> Mapping[str, ConceptType]:
    """The type of each column of a list by its Chinese name and by its id; else none."""
    columns = type_.columns if isinstance(type_, ListType) else {}
    named = {column.name.zh: column.type for column in columns.values()}
    return named | {id_: column.type for id_, column in columns.items()}


def _record(record: object, types: Mapping[str, ConceptType]) -> str:
    """A record of a list; what is no object is left for the rule file's reader to refuse."""
    if not isinstance(record, dict):
        return _written(record, None)
    cells = (f"{name} = {_written(cell, types.get(name))}" for name, cell in record.items())
    return f"({', '.join(cells)})"


def _shown(value: Held | NotKnown, type_: ConceptType) -> Text:
    return _UNKNOWN if isinstance(value, NotKnown) else display(value, type_)


def _yes_or_no(*, truth: bool) -> Text:
    return Text(zh="是", en="yes") if truth else Text(zh="否", en="no")


def _both(text: Text) -> str:
    return text.zh if text.zh == text.en else f"{text.zh} | {text.en}"
