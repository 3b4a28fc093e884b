"""A release: a matter's rules, form and meanings from a day on, frozen and digested as one.

A release is composed from the files that people own and from nothing else, so that what was in
force on a day can be composed again from its archive, byte for byte, for ever.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import PurePath
from typing import Any, TypeAlias, cast

import jsonschema
from jsonschema.exceptions import SchemaError, ValidationError
from pydantic import TypeAdapter
from pydantic import ValidationError as ShapeError

from decision_service.datafile import DataFile, Fault, Keys, UnfitFileError, WrongValueError
from decision_service.errors import FieldViolation, InvalidRequestError
from decision_service.matter import (
    Meanings,
    Registers,
    iso_day,
    offer_faults,
    plan_faults,
    read_matter,
)
from decision_service.model import (
    DECLARED,
    FORM,
    GUARDIANSHIP,
    SERVICE,
    Calendar,
    Capacity,
    Concept,
    ConceptType,
    EvidenceType,
    LegalBasis,
    ListType,
    Matter,
    Meaning,
    OptionType,
    RegisterMeaning,
    Text,
    Value,
)
from decision_service.rulebook.document import read
from decision_service.rulebook.engine import Engine, limits
from decision_service.rulebook.evaluate import Reference
from decision_service.rulebook.tree import (
    Finding,
    Output,
    Requirement,
    Rulebook,
    RuleFileError,
    Term,
    names,
    rests_on,
)

Answers: TypeAlias = Mapping[str, bool | str]
"""Answers as JSON Schema sees them: a number is a decimal string, a day is ISO 8601."""

_MEANINGS = TypeAdapter(dict[Concept, Meaning])
_REGISTERS = TypeAdapter(dict[EvidenceType, RegisterMeaning])

FORBIDDEN_WORDS = {"sex", "gender", "ethnicity", "nationality", "religion", "political_status"}
"""A concept of such a name cannot be used by any matter (S14)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that the applicant has to fill in or correct."""

    field: str
    code: str
    text: Text


def sound(answers: Mapping[str, Value], gaps: Sequence[Gap]) -> dict[str, Value]:
    """The answers but for those that the applicant has to correct."""
    wanting = {gap.field for gap in gaps}
    return {key: value for key, value in answers.items() if key not in wanting}


class Form:
    """The applicant's form: JSON Schema 2020-12, with the concepts that its fields carry.

    Args:
        text: The schema as its file has it.
        meanings: Every concept of the city, to tell declared fields from prefilled ones.

    Raises:
        InvalidPublicationError: The schema breaks one of the rules below.
    """

    def __init__(self, text: str, meanings: Meanings, *, where: str) -> None:
        self.text = text
        self._schema: dict[str, Any] = _schema(text, where)
        self._fields: dict[str, dict[str, Any]] = self._schema["properties"]
        self.concepts: Mapping[str, Concept] = {
            key: Concept(field["x-concept"])
            for key, field in self._fields.items()
            if "x-concept" in field
        }
        self.names: Mapping[str, Text] = {
            key: _bilingual(field.get("title", key)) for key, field in self._fields.items()
        }
        self.prefilled = tuple(
            key
            for key, concept in self.concepts.items()
            if concept in meanings and meanings[concept].source not in {DECLARED, SERVICE}
        )
        self.declared = tuple(key for key in self._fields if key not in self.prefilled)
        self.declared_texts = tuple(
            key
            for key in self.declared
            if self._fields[key].get("type") == "string"
            and not {"x-scale", "format"} & set(self._fields[key])
        )
        self._refuse_traps(meanings, where)
        self._validator = jsonschema.Draft202012Validator(
            self._schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )

    def read(self, answers: Mapping[str, Value]) -> tuple[Gap, ...]:
        """Check the answers and return what the applicant has to correct, in the form's order.

        Raises:
            InvalidRequestError: An answer that no applicant could have given: to a field that
                the form does not have or that a register fills, or of another kind of value.
        """
        wrong = [
            FieldViolation(
                field=f'answers["{key}"]',
                reason="EVIDENCE_BACKED",
                message=f"`{key}` comes from a register; if it is wrong, say so in `contests`",
                zh=f"“{self.names[key].zh}”由登记机关提供，不能填报；如有错误请提出异议",
            )
            if key in self.prefilled
            else FieldViolation(
                field=f'answers["{key[:80]}"]',
                reason="UNKNOWN_FIELD",
                message="is not a field of the form that `GetMatter` shows",
                zh="表单没有这一项，请按事项当前的表单填报",
            )
            for key in sorted(answers)
            if key not in self.declared
        ]
        gaps: dict[str, Gap] = {}
        for error in self._validator.iter_errors(
            {key: _to_json(value) for key, value in answers.items() if key in self.declared}
        ):
            if error.validator == "required":
                gaps |= {key: self._gap(key, error) for key in _missing(error)}
                continue
            key = str(error.path[0])
            if error.validator == "type":
                wrong.append(
                    FieldViolation(
                        field=f'answers["{key}"]',
                        reason="WRONG_KIND",
                        message=f"`{key}` must be {error.validator_value}",
                        zh=f"“{self.names[key].zh}”的取值类型不对，应为 {error.validator_value}",
                    )
                )
            else:
                gaps.setdefault(key, self._gap(key, error))
        if wrong:
            raise InvalidRequestError(wrong)
        return tuple(gaps[key] for key in self._fields if key in gaps)

    def _gap(self, key: str, error: ValidationError) -> Gap:
        """What the applicant is told about one field; a promise not made is a field left empty."""
        name = self.names[key]
        if error.validator in {"required", "const"}:
            return Gap(
                field=key,
                code="ANSWER_MISSING",
                text=Text(
                    zh=f"请填写或确认“{name.zh}”。", en=f"Please fill in or confirm “{name.en}”."
                ),
            )
        return Gap(
            field=key,
            code="ANSWER_INVALID",
            text=Text(
                zh=f"“{name.zh}”填写有误，请更正。",
                en=f"“{name.en}” is not right; please correct it.",
            ),
        )

    def _refuse_traps(self, meanings: Meanings, where: str) -> None:
        """A form that could lose an answer, or put words into an applicant's mouth (S7)."""
        wrong = [
            Fault(
                f"`{key}` 的 x-concept 是 {concept}，而本市没有这一信息项，请更正",
                f"`{key}` carries `{concept}`, which no concept of the city is: correct it",
            )
            for key, concept in self.concepts.items()
            if concept not in meanings
        ]
        wrong += [
            Fault(
                f"`{key}` 是承诺，须由申请人自己填写，不能预填，请更正",
                f"`{key}` is a declaration and cannot be prefilled: correct its `x-concept`",
            )
            for key in self.prefilled
            if self._fields[key].get("x-declaration")
        ]
        wrong += [
            Fault(
                f"`{key}` 由登记册提供，不得要求申请人填写，请从 required 中删去",
                f"`{key}` is required of the applicant, but a register fills it: delete it there",
            )
            for key in self._schema.get("required", ())
            if key in self.prefilled
        ]
        wrong += [
            Fault(
                f"`{key}` 的 x-concept 是列表 {concept}，而一个字段只有一个值，请更正",
                f"`{key}` carries `{concept}`, a list, and a field holds one value: correct it",
            )
            for key, concept in self.concepts.items()
            if concept in meanings and isinstance(meanings[concept].type, ListType)
        ]
        if self._schema.get("additionalProperties") is not False:
            wrong.append(
                Fault(
                    "`additionalProperties` 须为 false，请更正",
                    "`additionalProperties` must be false: write it so",
                )
            )
        if wrong:
            raise UnfitFileError("FORM_INVALID", where, wrong)


@dataclass(frozen=True)
class Release:
    """What is in force for a matter from a day on.

    Attributes:
        meanings: Every concept that the rules or the form use.
        registers: Every register that is asked.
        archive: Canonical JSON of all of it; `restore` composes the same release from it.
    """

    matter: Matter
    book: Rulebook
    form: Form
    meanings: Meanings
    registers: Registers
    archive: bytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the archive in hexadecimal: the release's name in every record."""
        return hashlib.sha256(self.archive).hexdigest()

    @cached_property
    def reference(self) -> Reference:
        """The compiled reference evaluator of this release."""
        return Reference(self.book)

    @cached_property
    def engine(self) -> Engine:
        """The rule engine of this release."""
        return Engine(self.book)

    @cached_property
    def inputs(self) -> Mapping[str, frozenset[Concept]]:
        """The concepts that each requirement and each output rests on, by its id."""
        items: tuple[Requirement | Output, ...] = (*self.book.requirements, *self.book.outputs)
        return {item.id: rests_on(self.book, item.expression) for item in items}

    @cached_property
    def shown(self) -> Mapping[str, frozenset[Concept]]:
        """What is shown with each requirement, by its id: all that it names or rests on."""
        return {
            one.id: names(one.expression) | self.inputs[one.id] for one in self.book.requirements
        }

    @cached_property
    def laws(self) -> Mapping[str, tuple[LegalBasis, ...]]:
        """The law behind each requirement, by its id."""
        bases = {
            one.number: LegalBasis(
                number=one.number, instrument=one.instrument, article=one.article
            )
            for one in self.book.bases
        }
        return {one.id: tuple(bases[at] for at in one.basis) for one in self.book.requirements}

    @cached_property
    def fresh_for(self) -> Mapping[EvidenceType, timedelta]:
        """How old an answer may be for all that the matter wants of it; some want it live."""
        return {
            item.type: min(
                (
                    one.fresh_for or timedelta(0)
                    for one in self.meanings.values()
                    if item.type in (one.source, *self.seconds.get(one.concept, ()))
                ),
                default=timedelta(0),
            )
            for item in self.matter.evidence
        }

    @cached_property
    def hangs_on(self) -> Mapping[EvidenceType, frozenset[Concept]]:
        """What must be known before each evidence type is asked, as other registers vouch."""
        return {item.type: item.hangs_on for item in self.matter.evidence}

    @cached_property
    def seconds(self) -> Mapping[Concept, tuple[EvidenceType, ...]]:
        """The registers that can put a concept in doubt as a second source."""
        return {
            concept: tuple(key for key, one in self.registers.items() if concept in one.doubts)
            for concept in self.meanings
            if any(concept in one.doubts for one in self.registers.values())
        }

    @cached_property
    def found_by_declaration(self) -> frozenset[EvidenceType]:
        """The evidence types whose answers are about what the applicant declared, e.g. a house."""
        by_form = {
            item.type
            for item in self.matter.evidence
            if any(source.startswith(FORM) for source in item.key.values())
        }
        behind = {
            item.type
            for item in self.matter.evidence
            if any(self.meanings[concept].source in by_form for concept in item.awaited.values())
        }
        return frozenset(by_form | behind)

    @property
    def effective(self) -> date:
        """The first day; the release ends where the matter's next one begins."""
        return self.book.effective

    @property
    def name(self) -> str:
        """How people quote it: ``matter@day``."""
        return f"{self.matter.id}@{self.effective}"


def compose(
    *,
    rules: str,
    matter: str,
    form: str,
    meanings: Meanings,
    registers: Registers,
    where: str,
    calendar: Calendar | None = None,
) -> Release:
    """Make a release of its files' texts.

    Args:
        rules: The rule file.
        matter: ``matter.toml``.
        form: ``form.schema.json``.
        meanings: Every concept of the city; the release keeps what it uses.
        registers: Every register of the city; likewise.
        where: Name of the rule file, for messages.
        calendar: Which days are worked on; the release keeps what its rules count by.

    Raises:
        RuleFileError: The rule file is wrong, alone or against the meanings; all findings.
        InvalidPublicationError: One of the others is.
    """
    beside = _folder_beside(where)
    file = DataFile(matter, f"{beside}/matter.toml")
    frozen_matter = read_matter(file)
    convention = frozen_matter.age_convention
    book = read(rules, where=where, age_convention=convention, calendar=calendar)
    frozen_form = Form(form, meanings, where=f"{beside}/form.schema.json")
    if findings := (*_disagreements(book, meanings, registers), *limits(book)):
        raise RuleFileError(where, findings)
    _refuse_unfit(file, frozen_matter, book, frozen_form, meanings=meanings, registers=registers)
    used = {term.id for term in book.terms} | set(frozen_form.concepts.values())
    used = used.union(*(item.hangs_on for item in frozen_matter.evidence))
    if Capacity.GUARDIAN in frozen_matter.represented_by:
        used |= GUARDIANSHIP
    asked = {item.type for item in frozen_matter.evidence}
    kept_meanings = {concept: meanings[concept] for concept in sorted(used)}
    kept_registers = {key: registers[key] for key in sorted(asked)}
    archive = json.dumps(
        {
            "rules": rules,
            "matter": matter,
            "form": form,
            "meanings": _MEANINGS.dump_python(kept_meanings, mode="json"),
            "registers": _REGISTERS.dump_python(kept_registers, mode="json", exclude_defaults=True),
            "where": where,
        }
        | ({"calendar": _days(book.calendar)} if book.calendar.years else {}),
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
    ).encode()
    return Release(
        matter=frozen_matter,
        book=book,
        form=frozen_form,
        meanings=kept_meanings,
        registers=kept_registers,
        archive=archive,
    )


def _folder_beside(where: str) -> str:
    """The folder of the matter and the form that are published with a rule file."""
    path = PurePath(where)
    return f"matters/{path.parent.name}/{path.name.removesuffix('.rules.md')}"


def restore(archive: bytes) -> Release:
    """Compose a release again from its archive; the digest is the same."""
    parts = json.loads(archive)
    return compose(
        rules=parts["rules"],
        matter=parts["matter"],
        form=parts["form"],
        meanings=_MEANINGS.validate_json(json.dumps(parts["meanings"])),
        registers=_REGISTERS.validate_json(json.dumps(parts["registers"])),
        where=parts["where"],
        calendar=Calendar.model_validate_json(json.dumps(parts.get("calendar", {}))),
    )


def _days(calendar: Calendar) -> dict[str, list[str]]:
    return {
        "holidays": sorted(day.isoformat() for day in calendar.holidays),
        "workdays": sorted(day.isoformat() for day in calendar.workdays),
    }


def read_meanings(text: str, *, where: str) -> Meanings:
    """Read ``concepts.toml``: what every concept means in this city.

    Raises:
        InvalidPublicationError: A table is not a meaning, or its name is a forbidden one.
    """
    meanings: dict[Concept, Meaning] = {}
    wrong: list[Fault] = []
    file = DataFile(text, where)
    for keys, row in _rows(file.table):
        concept = Concept(".".join(keys))
        if keys[-1] in FORBIDDEN_WORDS:
            wrong.append(
                file.fault(
                    keys,
                    f"任何事项都不得依据“{concept}”作决定，请删去",
                    f"no matter may decide by `{concept}`: delete it",
                )
            )
            continue
        try:
            meaning = Meaning.model_validate_json(
                json.dumps(_meaning(concept, row), default=iso_day)
            )
        except ShapeError as error:
            wrong += file.faults(error, keys)
        except WrongValueError as error:
            wrong.append(file.fault((*keys, "range"), error.zh, str(error)))
        else:
            meanings[concept] = meaning
            wrong += (file.fault(label, *_UNSAYABLE) for label in _unsayable(keys, meaning.type))
    if wrong:
        raise UnfitFileError("CONCEPTS_INVALID", where, wrong)
    return meanings


def _rows(table: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The tables of ``concepts.toml`` that are of a concept, with the words of its id."""
    for role, concepts in table.items():
        if isinstance(concepts, dict) and "type" not in concepts:
            yield from (((role, word), row) for word, row in concepts.items())
        else:
            yield (role,), concepts


def _meaning(concept: str, row: object) -> object:
    """A table of ``concepts.toml`` in the shape of `Meaning`, as far as it has it."""
    if not isinstance(row, dict):
        return row
    of_type = ("unit", "scale", "options", "columns")
    type_ = {"kind" if key == "type" else key: row[key] for key in ("type", *of_type) if key in row}
    if isinstance(columns := type_.get("columns"), dict):
        type_["columns"] = {id_: _column(cells) for id_, cells in columns.items()}
    rest = {key: one for key, one in row.items() if key not in {"type", *of_type, "zh", "en"}}
    match row.get("range"):
        case None:
            pass
        case [low, high]:
            rest["range"] = {
                "low": low if isinstance(low, date) else str(low),
                "high": high if isinstance(high, date) else str(high),
            }
        case _:
            raise WrongValueError(
                zh="range 应写成 [最小值, 最大值]",
                en="`range` is not of the form `[least, most]`: write it so",
            )
    return {"concept": concept, "name": _name(row), "type": type_, **rest}


def _column(row: object) -> object:
    """A column of a list in the shape of `Column`, as far as it has it."""
    if not isinstance(row, dict):
        return row
    rest = {key: one for key, one in row.items() if key not in {"type", "zh", "en"}}
    kind = {"kind": row["type"]} if "type" in row else {}
    return {"name": _name(row), "type": kind | rest}


def _name(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("zh", "en") if key in row}


def _unsayable(keys: Keys, type_: ConceptType) -> Iterator[Keys]:
    """Options that no rule file could name by their label."""
    match type_:
        case OptionType(options=options):
            for code, label in options.items():
                if not _NOT_IN_LABELS.isdisjoint(label.zh + label.en):
                    yield (*keys, "options", code)
        case ListType(columns=columns):
            for id_, column in columns.items():
                yield from _unsayable((*keys, "columns", id_), column.type)
        case _:
            pass


_NOT_IN_LABELS = frozenset('"“”＂\\＼|\r\n')
_UNSAYABLE = (
    "选项的名称中不能有引号、反斜杠、竖线和换行，请换一种写法",
    "the label of an option has no quotation mark, backslash, bar or line end: write it otherwise",
)


def _disagreements(book: Rulebook, meanings: Meanings, registers: Registers) -> tuple[Finding, ...]:
    """Where the file's own vocabulary is not what the city's concepts and registers say."""
    found: list[Finding] = []

    def disagree(term: Term, zh: str, en: str) -> None:
        found.append(
            Finding(
                code="E012",
                at=term.at,
                message=Text(zh=zh, en=en),
                hint=Text(
                    zh="请与 matters/concepts.toml 核对后改为一致。",
                    en="Make the row agree with matters/concepts.toml.",
                ),
            )
        )

    for term in book.terms:
        meaning = meanings.get(term.id)
        if meaning is None:
            disagree(term, f"本市没有信息项 `{term.id}`", f"the city has no concept `{term.id}`")
            continue
        for what_zh, what_en, here, there in (
            ("名称", "name", term.name, meaning.name),
            ("类型", "type", term.type, meaning.type),
            ("来源", "source", term.source, meaning.source),
            ("范围", "range", term.range, meaning.range),
        ):
            if here != there:
                disagree(
                    term,
                    f"`{term.id}` 的{what_zh}与本市信息项不一致",
                    f"the {what_en} of `{term.id}` is not that of the city's concept",
                )
        register = registers.get(EvidenceType(term.source))
        if term.source not in {DECLARED, SERVICE} and (
            register is None or term.id not in register.concepts
        ):
            disagree(
                term,
                f"登记 `{term.source}` 不提供 `{term.id}`",
                f"register `{term.source}` does not vouch for `{term.id}`",
            )
        if isinstance(term.type, ListType) and (register is None or not register.complete):
            disagree(
                term,
                f"“{term.name.zh}”是列表，其来源须声明完整（complete）",
                f"`{term.id}` is a list, and its source does not say that it is complete",
            )
    return tuple(found)


def refuse_other_names(release: Release) -> None:
    """Hold the names in matter.toml against those of the rule file, from which it may be copied.

    It is asked of what a city has, not of archives: what was decided is decided again as it was.

    Raises:
        InvalidPublicationError: Notices would name another matter, or another authority.
    """
    matter, book = release.matter, release.book
    pairs = (matter.name, book.title), (matter.competent_authority, book.authority)
    if wrong := [
        Fault(
            f"这里写“{here.zh} | {here.en}”，规则文件中是“{there.zh} | {there.en}”，请改为一致",
            f"`{here.zh} | {here.en}` in matter.toml is `{there.zh} | {there.en}` in the rule file:"
            " write the same in both",
        )
        for here, there in pairs
        if here != there
    ]:
        where = f"{_folder_beside(book.where)}/matter.toml"
        raise UnfitFileError("MATTER_INVALID", where, wrong)


def _refuse_unfit(
    file: DataFile,
    matter: Matter,
    book: Rulebook,
    form: Form,
    *,
    meanings: Meanings,
    registers: Registers,
) -> None:
    """A matter that is not the rule file's, or whose plan does not give what rules and form use."""
    used = {term.source for term in book.terms} | {
        meanings[concept].source for concept in form.concepts.values()
    }
    wrong = [
        *plan_faults(
            file,
            matter,
            needed=frozenset(used - {DECLARED, SERVICE}),
            declared_texts=form.declared_texts,
            meanings=meanings,
            registers=registers,
        )
    ]
    declared = sorted(term.id for term in book.terms if term.source == DECLARED)
    wrong += offer_faults(file, matter, declared=declared)
    if matter.id != book.matter:
        wrong.append(
            file.fault(
                ("id",),
                f"这里的标识是 {matter.id}，规则文件中是 {book.matter}，请改为一致",
                f"`{matter.id}` in matter.toml is `{book.matter}` in the rule file: "
                "write the same in both",
            )
        )
    if wrong:
        raise UnfitFileError("MATTER_INVALID", file.where, wrong)


_OF_FORMS = frozenset(
    {"$schema", "$id", "$comment", "title", "description"}
    | {"type", "properties", "required", "additionalProperties"}
)
_OF_FIELDS = frozenset(
    {"$comment", "title", "description", "type", "const", "enum"}
    | {"pattern", "format", "minLength", "maxLength"}
)
"""What a form, and a field, can say. A form is flat and stands alone: what another file says could
change after the release was signed, and nobody could tell an applicant which field to correct."""


def _schema(text: str, where: str) -> dict[str, Any]:
    """Read a form's JSON Schema; it is an object of fields, and each says what a field can."""
    try:
        schema = json.loads(text)
        jsonschema.Draft202012Validator.check_schema(schema)
    except (ValueError, RecursionError) as error:
        fault = Fault(
            "不是 JSON 的写法，请检查逗号、引号和括号",
            "is not JSON: look at the commas, quotes and brackets",
            (error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else None,
        )
        raise UnfitFileError("FORM_INVALID", where, [fault]) from None
    except SchemaError as error:
        fault = Fault(
            f"`{error.json_path}` 不是 JSON Schema 2020-12 的写法，请更正",
            f"`{error.json_path}` is not written as JSON Schema 2020-12 has it: correct it",
        )
        raise UnfitFileError("FORM_INVALID", where, [fault]) from None
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        lacks = Fault("缺少 `properties`，请补上", "`properties` is missing: add it")
        raise UnfitFileError("FORM_INVALID", where, [lacks])
    if wrong := [*_not_flat(schema)]:
        raise UnfitFileError("FORM_INVALID", where, wrong)
    return schema


def _not_flat(schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Whatever in a schema is no form's."""
    fields, can_say = schema["properties"], sorted(_OF_FIELDS)
    if schema.get("type", "object") != "object":
        yield Fault("`type` 只能是 `object`，请更正", "`type` must be `object`: correct it")
    for word in sorted(schema.keys() - _OF_FORMS):
        yield Fault(
            f"表单整体不能有 `{word}`，只能逐项限制，请删去",
            f"the form as a whole has `{word}`, and only fields are restricted: delete it",
        )
    for key in sorted({*schema.get("required", ())} - fields.keys()):
        yield Fault(
            f"`{key}` 是必填项，表单中却没有，请补上或从 `required` 删去",
            f"`{key}` is required, and is no field: add it, or take it out of `required`",
        )
    for key, field in fields.items():
        if not isinstance(field, dict):
            yield Fault(
                f"`{key}` 应为说明该项的对象，请更正",
                f"`{key}` is no object that describes a field: correct it",
            )
            continue
        for word in sorted(field.keys() - _OF_FIELDS):
            if not word.startswith("x-"):
                yield Fault(
                    f"`{key}` 不能有 `{word}`，只能有 {'、'.join(can_say)}",
                    f"`{key}` has `{word}`; a field can have {', '.join(can_say)}",
                )
        if not isinstance(field.get("x-concept", ""), str):
            yield Fault(
                f"`{key}` 的 `x-concept` 应为概念标识（文字），请更正",
                f"`x-concept` of `{key}` is no concept's id: correct it",
            )


def _missing(error: ValidationError) -> list[str]:
    """Every field that is required and not there."""
    required, given = cast("list[str]", error.validator_value), cast("Answers", error.instance)
    return [key for key in required if key not in given]


def _to_json(value: Value) -> bool | str:
    """A value as a form has it: a number is a decimal string, a day is ISO 8601."""
    match value:
        case Decimal():
            return format(value, "f")
        case date():
            return value.isoformat()
        case _:
            return value


def _bilingual(title: str) -> Text:
    """``中文 | English``; a title in one language serves for both."""
    zh, _, en = title.partition("|")
    return Text(zh=zh.strip(), en=en.strip() or zh.strip())
