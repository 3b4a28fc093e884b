"""From the bytes that a register sent to what they mean; the only owner of Cerberus.

Cerberus is asked for types, codes and ranges alone. What it lets through is closed here: a truth
value for an integer, an instant for a day, a line end after a pattern, a blank text where one is
required, a renamed field over another one. It refuses to run under ``python -OO``.
"""

import re
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, ClassVar, Final, assert_never

import cerberus  # type: ignore[import-untyped]  # it ships no types
from cerberus.schema import (  # type: ignore[import-untyped]  # the same
    SchemaError,
    UnvalidatedSchema,
)

from decision_service.model import Concept, EvidenceStatus, Held, Query, Value
from evidence_adapters import strict_json
from evidence_adapters.conversions import COERCIONS, blank_is_null
from evidence_adapters.register import (
    AROUND,
    RECORD,
    CellRule,
    Coercion,
    ConceptRule,
    FieldRules,
    Register,
    StatusWord,
    Wrong,
    our_names,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer means. Values stand only with MATCH and NO_RECORD_AUTHORITATIVE.

    Attributes:
        detail: For operators: which fields or codes are wrong; never what they held.
    """

    status: EvidenceStatus
    detail: str = ""
    reference: str = ""
    as_of: datetime | None = None
    pending_until: datetime | None = None
    mismatched: tuple[str, ...] = ()
    values: Mapping[Concept, Held] = field(default_factory=dict)


class OffContractError(Exception):
    """The answer breaks the register's contract; the message quotes nothing of it."""


class Reader:
    """Reads the answers of one register. Safe to share between threads and tasks."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._around = _Shape(register.envelope.fields)
        self._record = _Shape(register.normalise)
        self._says = register.says
        names = our_names(register.normalise)
        self._bounds = tuple(
            (names[field], rules.at_most)
            for field, rules in register.normalise.items()
            if rules.at_most
        )

    def read(self, query: Query, body: bytes) -> Reading:
        """What the answer means for the question; it never raises, whatever the bytes are."""
        try:
            return self._read(query, body)
        except (OffContractError, strict_json.NotStrictError) as fault:
            return Reading(status=EvidenceStatus.MALFORMED, detail=str(fault))

    def normalised(
        self, body: bytes
    ) -> tuple[Mapping[str, object], Sequence[Mapping[str, object]]]:
        """What stands around the records, and the records, under our names; for an operator.

        Nothing of what is off contract, be it all of it.
        """
        around: Mapping[str, object] = {}
        with suppress(OffContractError, strict_json.NotStrictError):
            document = strict_json.parse(body)
            if isinstance(document, dict):
                around = self._around.read(document)
                return around, [self._record.read(one) for one in self._records(document)]
        return around, ()

    def _read(self, query: Query, body: bytes) -> Reading:
        document = strict_json.parse(body)
        if not isinstance(document, dict):
            raise OffContractError("the answer is not an object")
        around = self._around.read(document)
        word = self._register.statuses.get(str(around["code"]))
        if word is None:
            raise OffContractError("the code of the answer is not in the contract")
        proves_absence = word == "NO_RECORD" and self._register.complete
        self._refuse_another_subject(around, query, must_say=proves_absence)
        return self._meaning(word, around, self._records(document), query)

    def _meaning(
        self,
        word: StatusWord,
        around: Mapping[str, object],
        records: list[dict[str, object]],
        query: Query,
    ) -> Reading:
        """The register's word, held against what stands beside it."""
        match word:
            case "MATCH" if not records:
                raise OffContractError("a match comes without a record")
            case "MATCH" if len(records) > 1:
                return _reading(EvidenceStatus.AMBIGUOUS, around, detail="several records")
            case "MATCH":
                return self._match(around, records[0], query)
            case "NO_RECORD" | "NO_RECORD_INCONCLUSIVE" if records:
                raise OffContractError("an absence comes with a record")
            case "NO_RECORD" if self._register.complete:
                return _reading(
                    EvidenceStatus.NO_RECORD_AUTHORITATIVE,
                    around,
                    values=self._register.meaning.absent,
                )
            case "NO_RECORD" | "NO_RECORD_INCONCLUSIVE":
                return _reading(EvidenceStatus.NO_RECORD_INCONCLUSIVE, around)
            case "MISMATCH":
                return _reading(
                    EvidenceStatus.MISMATCH, around, mismatched=self._mismatched(around)
                )
            case "AMBIGUOUS" | "STALE" | "DISPUTED" | "UNAVAILABLE" | "DENIED" | "PENDING":
                return _reading(EvidenceStatus(word), around, detail="the register says so")
            case _ as never:
                assert_never(never)

    def _match(self, around: Mapping[str, object], raw: dict[str, object], query: Query) -> Reading:
        """The one record, if it is about whom it was asked for and nobody objects to it."""
        record = self._record.read(raw)
        self._refuse_contradiction(record)
        self._refuse_another_subject(record, query, must_say=True)
        said = {**around, **{name: record[name] for name in record if record[name] is not None}}
        if record.get("objection") is True:
            return _reading(EvidenceStatus.DISPUTED, said, detail="an objection is open")
        values = {
            concept: value
            for concept, rule in self._says.items()
            if (value := _value(rule, record)) is not None
        }
        return _reading(EvidenceStatus.MATCH, said, values=values)

    def _records(self, document: Mapping[str, object]) -> list[dict[str, object]]:
        """The records as a list, however the register wraps them."""
        match document.get(self._register.envelope.records):
            case None:
                return []
            case dict() as record:
                return [record] if record else []
            case list() as records if all(isinstance(record, dict) for record in records):
                return records
            case _:
                raise OffContractError("the records are neither an object nor a list of objects")

    def _refuse_another_subject(
        self, said: Mapping[str, object], query: Query, *, must_say: bool
    ) -> None:
        """An answer about somebody else is no answer, however well formed."""
        for key in sorted(self._register.keys):
            told = said.get(key)
            if told is None and not must_say:
                continue
            if told is None or str(told).upper() != query.keys.get(key, "").upper():
                raise OffContractError(f"the answer is about another `{key}`")

    def _refuse_contradiction(self, record: Mapping[str, Any]) -> None:
        """A record that contradicts itself is believed in none of its fields."""
        for name, most in self._bounds:
            if record[name] > record[most]:
                raise OffContractError(f"`{name}` exceeds `{most}`")

    def _mismatched(self, around: Mapping[str, object]) -> tuple[str, ...]:
        """Which keys of the query the register holds otherwise, in our words."""
        ours = {**self._register.request.headers, **self._register.request.body}
        told = around.get("mismatched")
        if not isinstance(told, tuple) or not set(told) <= set(ours):
            raise OffContractError("a mismatch does not say which of the keys differ")
        return tuple(sorted({ours[name] for name in told}))


def _reading(
    status: EvidenceStatus,
    said: Mapping[str, object],
    *,
    detail: str = "",
    mismatched: tuple[str, ...] = (),
    values: Mapping[Concept, Held] | None = None,
) -> Reading:
    """A reading with what the answer says of itself."""
    as_of, until = said.get("as_of"), said.get("pending_until")
    return Reading(
        status=status,
        detail=detail,
        reference=str(said.get("reference") or ""),
        as_of=as_of if isinstance(as_of, datetime) else None,
        pending_until=until if isinstance(until, datetime) else None,
        mismatched=mismatched,
        values=values or {},
    )


def _value(rule: ConceptRule, record: Mapping[str, object]) -> Held | None:
    """The concept's value; None where the register has the field and leaves it empty."""
    if rule.present is not None:
        return rule.present
    told = record.get(rule.field)
    if not isinstance(told, tuple):
        return _cell(rule, record)
    return tuple(
        {
            column: value
            for column, cell in rule.columns.items()
            if (value := _cell(cell, row)) is not None
        }
        for row in told
    )


def _cell(rule: CellRule, record: Mapping[str, object]) -> Value | None:
    """One plain value of a record; None where it is left empty."""
    told = record.get(rule.field)
    if rule.values and told is not None:
        told = rule.values.get(str(told), rule.otherwise)
        if told is None:
            raise OffContractError(f"the code in `{rule.field}` is not in the contract")
    match told:
        case None | bool() | Decimal() | date() | str():
            return told
        case int():
            return Decimal(told)
        case _:
            raise OffContractError(f"`{rule.field}` holds what no concept can hold")


# ── shapes: the part that Cerberus checks ────────────────────────────────────────────────────────


class _Validator(cerberus.Validator):  # type: ignore[misc]  # Cerberus ships no types
    """Cerberus with the holes closed that can be closed from within."""

    types_mapping: ClassVar[dict[str, object]] = {
        "string": cerberus.TypeDefinition("string", (str,), ()),
        "integer": cerberus.TypeDefinition("integer", (int,), (bool,)),
        "number": cerberus.TypeDefinition("number", (int, Decimal), (bool,)),
        "boolean": cerberus.TypeDefinition("boolean", (bool,), ()),
        "date": cerberus.TypeDefinition("date", (date,), (datetime,)),
        "datetime": cerberus.TypeDefinition("datetime", (datetime,), ()),
        "names": cerberus.TypeDefinition("names", (tuple,), ()),
        "list": cerberus.TypeDefinition("list", (tuple,), ()),
    }

    def _validate_regex(self, pattern: str, field: str, value: object) -> None:
        """{'type': 'string'}"""  # noqa: D415 - Cerberus reads it as a schema
        if isinstance(value, str) and not re.fullmatch(pattern, value):
            self._error(field, cerberus.errors.REGEX_MISMATCH)


class _Shape:
    """The fields that are read from one object, checked and under our names."""

    def __init__(self, fields: Mapping[str, FieldRules]) -> None:
        self._names = our_names(fields)
        self._rules = fields
        self._rows = {
            name: _Shape(rules.columns) for name, rules in fields.items() if rules.columns
        }
        self._required = {name for name, rules in fields.items() if rules.required}
        self._left = {name for name, rules in fields.items() if not _is_proven(rules)}
        schema = {name: _cerberus_rules(rules) for name, rules in fields.items()}
        # The constructor checks the schema; reading with it then costs a quarter (ADAPTERS.md).
        self._schema = UnvalidatedSchema(_Validator(schema).schema.schema)
        self._own = threading.local()  # a validator keeps what it is validating

    def read(self, document: Mapping[str, object]) -> dict[str, object]:
        """The named fields, converted, renamed; all others are dropped unread.

        Raises:
            OffContractError: A field is missing, of another type, or outside its range.
        """
        known: dict[str, object] = {}
        wrong: set[str] = set()
        for name in self._names:
            if name not in document:
                continue
            try:
                told = _converted(document[name], self._rules[name])
                known[name] = self._records(name, told) if name in self._rows else told
            except (ValueError, TypeError, LookupError, OffContractError):
                wrong.add(name)
        wrong |= self._required - known.keys()
        left = {name: value for name, value in known.items() if value is None or name in self._left}
        if left:
            validator = self._validator()
            if not validator.validate(left, normalize=False, update=True):
                wrong |= validator.errors.keys()
        if wrong:
            fields = ", ".join(f"`{name}`" for name in sorted(wrong))
            raise OffContractError(f"off contract in {fields}")
        return {self._names[name]: value for name, value in known.items()}

    def _validator(self) -> _Validator:
        """This thread's own."""
        try:
            found: _Validator = self._own.validator
        except AttributeError:
            found = self._own.validator = _Validator(self._schema)
        return found

    def _records(self, name: str, told: object) -> object:
        """A list of flat records, every one of them read; one that is wrong spoils the list."""
        if told is None:
            return None
        if not isinstance(told, list) or not all(isinstance(row, dict) for row in told):
            raise TypeError("not a list of objects")
        return tuple(self._rows[name].read(row) for row in told)


def _converted(told: object, rules: FieldRules) -> object:
    """What the register wrote, as the value that it writes so.

    Cerberus could do it (``coerce``), at twice the price of everything that it is asked here.
    """
    if rules.nullable and blank_is_null(told) is None:
        return None
    value = told if rules.coerce is None else COERCIONS[rules.coerce](told)
    if isinstance(value, str) and (len(value) > rules.maxlength or not value.strip()):
        raise ValueError("a text that is blank or too long")
    return value


class RowCheck:
    """Whether rows of a file keep the contract. Values repeat in a file, so each is read once.

    Args:
        fields: Of a record, by the file's column.
        where: Column, and the query's key that it equals.
        status: Column that says how far a row is; empty if every row is a match.
        matches: What it says of a match. Of another row only the key must keep the contract.
        listed: Columns that hold one of the record's list.
        numbered: Column with its number there; where that is empty, so are they.
    """

    def __init__(
        self,
        fields: Mapping[str, FieldRules],
        where: Mapping[str, str],
        *,
        status: str = "",
        matches: Collection[str] = (),
        listed: Collection[str] = (),
        numbered: str = "",
    ) -> None:
        columns = {
            ours: column for column, ours in our_names(fields).items() if column not in listed
        }
        self._cells = {
            column: lru_cache(maxsize=_REMEMBERED, typed=True)(partial(_cell_of, column, shape))
            for column, shape in ((name, _Shape({name: rules})) for name, rules in fields.items())
        }
        self._bounds = tuple(
            (column, columns[rules.at_most]) for column, rules in fields.items() if rules.at_most
        )
        self._where = tuple(where)
        self._status, self._matches = status, frozenset(matches)
        self._listed, self._numbered = frozenset(listed), numbered

    def wrong(self, row: Mapping[str, object]) -> tuple[str, ...]:
        """The columns of the row that are off contract."""
        told = {column: cell(row[column]) for column, cell in self._cells.items()}
        wrong = {column for column, value in told.items() if value is _WRONG}
        if self._status and told[self._status] not in self._matches:
            return tuple(sorted(wrong & {*self._where, self._status}))
        if self._numbered and told[self._numbered] is None:
            filled = {one for one in self._listed if blank_is_null(row[one]) is not None}
            wrong = (wrong - self._listed) | filled
        for column, most in self._bounds:
            if not wrong & {column, most} and told[column] > told[most]:
                wrong.add(column)
        return tuple(sorted(wrong))

    def key(self, row: Mapping[str, object]) -> str:
        """What the row is found by; its key columns keep the contract."""
        return key_of(str(self._cells[column](row[column])) for column in self._where)


def key_of(parts: Iterable[str]) -> str:
    """Parts of a key as one text, as an answer's subject is compared: without regard to case."""
    return "\x1f".join(part.upper() for part in parts)


_REMEMBERED: Final = 65_536
"""Values of a column whose reading is remembered; every day of a lifetime is among them."""

_WRONG: Final = object()


def _cell_of(column: str, shape: _Shape, value: Any) -> Any:  # noqa: ANN401 - whatever stands in a file
    """The value of one cell under the contract, or `_WRONG`."""
    try:
        (told,) = shape.read({column: value}).values()
    except OffContractError:
        return _WRONG
    return told


_PROVEN: Final[Mapping[Coercion | None, str]] = {
    "cn_date": "date",
    "cn_datetime": "datetime",
    "flag": "boolean",
    "resident_id": "string",
    "organisation_code": "string",
}
"""The type that what a conversion gives always has; texts among them have eighteen characters."""


def _is_proven(rules: FieldRules) -> bool:
    """Whether a field's conversion leaves nothing for Cerberus to find out, but for null."""
    asks_more = rules.allowed or rules.regex or {rules.min, rules.max} != {None}
    return _PROVEN.get(rules.coerce) == rules.type and not asks_more and rules.maxlength >= 18


def schema_faults(register: Register) -> Iterator[Wrong]:
    """What Cerberus finds wrong with the register's schemas."""
    for place, fields in (
        (AROUND, register.envelope.fields),
        (RECORD, register.normalise),
    ):
        try:
            _Shape(fields)
            for rules in fields.values():
                for one in (rules, *rules.columns.values()):
                    re.compile(one.regex)
        except (SchemaError, re.error) as error:
            yield place, "字段的规则或式样（regex）写得不对，请更正", f"{error}: correct the rule"


def _cerberus_rules(rules: FieldRules) -> dict[str, object]:
    """Our rules in Cerberus's words; ``rename`` stays with us, its own overwrites in silence."""
    said = rules.model_dump(
        exclude_defaults=True, exclude={"rename", "coerce", "maxlength", "at_most", "columns"}
    )
    if rules.allowed:
        said["allowed"] = list(rules.allowed)
    return said
