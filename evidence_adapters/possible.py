"""What a register can say of a concept at all, held against what the concept can be.

A value that the concept cannot have makes nothing known, and that of a second source is passed
over. Both happen in silence, to everybody alike, so they are found when the files are read.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from decision_service.datafile import DataFile, Fault, Keys
from decision_service.model import (
    DECLARED,
    SERVICE,
    BooleanType,
    Column,
    Concept,
    ConceptType,
    DateType,
    Held,
    ListType,
    Meaning,
    NumberType,
    OptionType,
    Range,
    Text,
    TextType,
    Value,
)
from evidence_adapters.register import CellRule, ConceptRule, FieldRules, Register

_TYPES: Final[Mapping[str, tuple[type[object], ...]]] = {
    "boolean": (BooleanType,),
    "integer": (NumberType,),
    "number": (NumberType,),
    "date": (DateType,),
    "string": (TextType, OptionType),
    "list": (ListType,),
}
"""Concepts that a field of each type can fill."""


@dataclass(frozen=True, slots=True)
class _Says:
    """The values that a rule can give.

    Attributes:
        these: All of them; None if they cannot be listed.
        low, high: Of numbers that cannot be listed. None: without end.
    """

    these: frozenset[Held] | None = None
    low: Decimal | None = None
    high: Decimal | None = None

    def shares(self, other: "_Says") -> bool:
        """Whether one value can be said by both."""
        if self.these is not None:
            return any(other.has(value) for value in self.these)
        if other.these is not None:
            return other.shares(self)
        return all(
            low is None or high is None or low <= high
            for low in (self.low, other.low)
            for high in (self.high, other.high)
        )

    def has(self, value: Held) -> bool:
        """Whether it can say the value."""
        if self.these is not None:
            return value in self.these
        if not isinstance(value, Decimal):
            return True
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)


def faults(
    register: Register,
    text: str,
    registers: Mapping[Concept, Register],
    meanings: Mapping[Concept, Meaning],
) -> Iterator[Fault]:
    """Everything that the register says and that its concept cannot be, or no first source say.

    Args:
        text: The register's file.
        registers: The one that vouches for each concept.
        meanings: What each concept is in this city; of others nothing is told.
    """
    fields = {rules.rename or name: rules for name, rules in register.normalise.items()}
    file = DataFile(text, f"{register.key}.toml")
    for concept, rule in register.says.items():
        if (meaning := meanings.get(concept)) is None:
            continue
        wrong = dict(_concept_faults(rule, fields, meaning))
        if concept in register.doubts and not wrong and concept in registers:
            wrong = dict(_doubt_faults(concept, rule, register, registers[concept], meaning))
        table = "doubts" if concept in register.doubts else "concepts"
        for key, words in wrong.items():
            yield file.fault((table, concept, *key), words.zh, words.en)


def _concept_faults(
    rule: ConceptRule, fields: Mapping[str, FieldRules], meaning: Meaning
) -> Iterator[tuple[Keys, Text]]:
    """By the key that says it, what the concept cannot be."""
    alone = ((("present",), rule.present), (("absent",), rule.absent))
    for key, value in (*_constants(rule), *alone):
        if value is not None and not meaning.can_be(value):
            yield key, _never(meaning, _shown(value))
    if rule.field and (told := _open_fault(rule, fields[rule.field], meaning)):
        yield ("field",), told
    columns = meaning.type.columns if isinstance(meaning.type, ListType) else {}
    cells = (
        {one.rename or name: one for name, one in fields[rule.field].columns.items()}
        if rule.columns
        else {}
    )
    for name, cell in rule.columns.items():
        if (column := columns.get(name)) is None:
            words = f"“{meaning.name.zh}”的记录没有 `{name}` 一栏"
            yield (
                ("columns", name),
                Text(zh=words, en=f"a record of `{meaning.concept}` has no `{name}`"),
            )
            continue
        inner = _as_meaning(meaning, name, column)
        for key, value in _constants(cell):
            if not inner.can_be(value):
                yield ("columns", name, *key), _never(inner, _shown(value))
        if told := _open_fault(cell, cells[cell.field], inner):
            yield ("columns", name, "field"), told


def _doubt_faults(
    concept: Concept, rule: ConceptRule, second: Register, first: Register, meaning: Meaning
) -> Iterator[tuple[Keys, Text]]:
    """A second source that could never say what the first does would contradict everybody."""
    if meaning.source in {DECLARED, SERVICE}:
        yield (
            (),
            Text(
                zh=f"“{meaning.name.zh}”的来源是 `{meaning.source}`，不是登记册，无从核对",
                en=f"the source of `{concept}` is `{meaning.source}`, no register: there is "
                "nothing to doubt",
            ),
        )
    elif not _says(rule, second, meaning).shares(_says(first.concepts[concept], first, meaning)):
        yield (
            (),
            Text(
                zh=f"`{second.key}` 与 `{first.key}` 的“{meaning.name.zh}”没有相同的取值，"
                "永远不一致",
                en=f"`{second.key}` and `{first.key}` have no value of `{concept}` in common: "
                "they could never agree",
            ),
        )


def _constants(rule: CellRule) -> Iterator[tuple[Keys, Value]]:
    """The values that the file itself writes, each with the key that has it."""
    yield from ((("values", code), value) for code, value in rule.values.items())
    if rule.otherwise is not None:
        yield ("otherwise",), rule.otherwise


def _open_fault(rule: CellRule, rules: FieldRules, meaning: Meaning) -> Text | None:
    """Why nothing that stands in the field can be the concept's value."""
    if rule.values or rule.otherwise is not None:
        return None
    kind = meaning.type
    if not isinstance(kind, _TYPES.get(rules.type, ())):
        return Text(
            zh=f"字段 `{rule.field}` 是 {rules.type}，“{meaning.name.zh}”是 {kind.kind}，"
            "永远对不上",
            en=f"the field `{rule.field}` is of type {rules.type}, `{meaning.concept}` of type "
            f"{kind.kind}: no value of it fits",
        )
    says = _of_field(rules)
    if isinstance(kind, OptionType) and not any(_can_hold(rules, one) for one in kind.options):
        return _never(meaning, f"`{rule.field}`")
    if says.these is not None and not any(meaning.can_be(one) for one in says.these):
        return _never(meaning, f"`{rule.field}`")
    match meaning.range:
        case Range(low=Decimal() as low, high=Decimal() as high) if not says.shares(
            _Says(low=low, high=high)
        ):
            return _never(meaning, f"`{rule.field}`")
    return None


def _says(rule: ConceptRule, register: Register, meaning: Meaning) -> _Says:
    """The values of the concept that the rule can give."""
    fields = {rules.rename or name: rules for name, rules in register.normalise.items()}
    alone = {value for value in (rule.present, rule.absent) if value is not None}
    mapped = {value for _, value in _constants(rule)}
    if not rule.field or mapped:
        these: frozenset[Held] = frozenset(alone | mapped)
    else:
        read = _of_field(fields[rule.field])
        if read.these is None:
            return read
        these = frozenset(alone | read.these)
    return _Says(these=frozenset(value for value in these if meaning.can_be(value)))


def _of_field(rules: FieldRules) -> _Says:
    match rules.type:
        case "boolean":
            return _Says(these=frozenset({True, False}))
        case "string" if rules.allowed:
            return _Says(these=frozenset(rules.allowed))
        case _:
            ends = (None if end is None else Decimal(end) for end in (rules.min, rules.max))
            return _Says(None, *ends)


def _can_hold(rules: FieldRules, text: str) -> bool:
    """Whether the text can stand in the field."""
    return (
        (not rules.allowed or text in rules.allowed)
        and (not rules.regex or re.fullmatch(rules.regex, text) is not None)
        and len(text) <= rules.maxlength
    )


def _as_meaning(meaning: Meaning, name: str, column: Column) -> Meaning:
    """A column of a list, as if it were a concept of its own."""
    kind: ConceptType = column.type
    return Meaning(
        concept=Concept(f"{meaning.concept}.{name}"),
        name=column.name,
        type=kind,
        source=meaning.source,
    )


def _never(meaning: Meaning, what: str) -> Text:
    return Text(
        zh=f"“{meaning.name.zh}”不可能是 {what}，这样的值永远不会被采信",
        en=f"`{meaning.concept}` can never be {what}: such a value is never believed",
    )


def _shown(value: Held) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case _:
            return str(value)
