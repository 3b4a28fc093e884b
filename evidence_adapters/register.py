"""What a register's file says, as types: how it is asked, how it answers, what that means.

A register is data. Its path is constant and its keys travel in the body or in headers, so that no
number of a person can stand in a URL, whatever a file says.
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from decision_service.datafile import Keys, WrongValueError
from decision_service.errors import InvalidPublicationError
from decision_service.model import Concept, EvidenceType, Frozen, Held, RegisterMeaning, Text, Value

FILING_DATE = "filing_date"
"""The one thing besides the query's keys that a request can carry to a register."""

ROWS = "rows"
"""Where a transport that reads rows puts them, among what it says around them."""

MATCH, NO_ROW = "MATCH", "NO_ROW"
"""Codes of rows that say nothing of themselves, and of their absence."""

_KINDS: Final = {"as_of": "datetime", "objection": "boolean"}
"""Names in a record that mean something to us, whatever else it holds, and of which type."""

Coercion: TypeAlias = Literal[
    "cn_date", "cn_datetime", "resident_id", "organisation_code", "code", "flag", "names", "number"
]
"""The closed set of conversions; `conversions` says what each of them takes."""

StatusWord: TypeAlias = Literal[
    "MATCH",
    "NO_RECORD",
    "NO_RECORD_INCONCLUSIVE",
    "MISMATCH",
    "AMBIGUOUS",
    "STALE",
    "DISPUTED",
    "UNAVAILABLE",
    "DENIED",
    "PENDING",
]
"""What a register's code can mean. Of ``NO_RECORD`` the register's completeness says which."""


def _exact(value: object) -> object:
    """A value as a file can write it; a whole number becomes a Decimal."""
    match value:
        case bool() | str() | Decimal():
            return value
        case int():
            return Decimal(value)
        case date() if not isinstance(value, datetime):
            return value
        case _:
            raise WrongValueError(
                zh="应为 true 或 false、整数、日期或文字，请更正",
                en="is none of true or false, a whole number, a day or a text: write one of them",
            )


_FileValue: TypeAlias = Annotated[Value, BeforeValidator(_exact)]


def _exact_or_empty(value: object) -> object:
    """The same, or a list without records; a file cannot write one with records."""
    return () if value in ([], ()) else _exact(value)


_Absent: TypeAlias = Annotated[Held, BeforeValidator(_exact_or_empty)]


class FieldRules(Frozen):
    """One field of an answer: the part of Cerberus that a register file may use.

    No ``default``: what a register does not say is not known. No rule that holds code.

    Attributes:
        rename: Our name for it. Empty: its own name.
        nullable: Whether null, or a blank text, may stand for "nothing there".
        regex: Matches the whole text, its end included.
        at_most: Our name of a field of the same record that this one never exceeds; of truth
            values: which must be true where this one is.
        columns: Of a list of flat records: the fields of each of them.
    """

    type: Literal["string", "integer", "number", "boolean", "date", "datetime", "names", "list"]
    rename: str = Field(default="", pattern=r"^[a-z][a-z_]*$|^$")
    coerce: Coercion | None = None
    required: bool = False
    nullable: bool = False
    allowed: Annotated[tuple[str, ...], Field(strict=False)] = ()
    regex: str = ""
    min: int | None = None
    max: int | None = None
    at_most: str = ""
    maxlength: int = Field(default=200, ge=1, le=10_000)
    columns: Mapping[str, "FieldRules"] = Field(default_factory=dict)


class Envelope(Frozen):
    """What stands around the records of an answer.

    Attributes:
        records: The field that holds the record, or the list of records.
        fields: The fields that become ``code``, ``as_of``, ``reference``, ``pending_until``,
            ``mismatched``, and the keys of whom or what the answer is about.
    """

    records: str = Field(min_length=1)
    fields: Mapping[str, FieldRules]


class Batch(Frozen):
    """The files that a register comes as; each of them is the whole register.

    Attributes:
        encoding: Of a CSV file. A byte order mark may stand before UTF-8.
        separator: Between the cells of a CSV file.
        sheet: Of an Excel file. Empty: it has one.
        least_rows: A file that has fewer is not the whole register.
        may_shrink_by: Percent of its rows by which a file may be shorter than the one before.
        wrong_rows: With how many rows that are off contract, or of one key, a file is still taken.
            Such rows stay what they are: whoever they are about is not known.
    """

    format: Literal["csv", "excel", "parquet"]
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    separator: Literal[",", ";", "|", "\t"] = ","
    sheet: str = Field(default="", max_length=31)
    least_rows: int = Field(default=1, ge=1)
    may_shrink_by: int = Field(default=10, ge=0, le=100)
    wrong_rows: int = Field(default=0, ge=0)


class Request(Frozen):
    """How the question is put: of ``http`` method and path, of ``sql`` a view, of ``file`` a batch.

    Attributes:
        body: Field of the JSON body, and the query's key (or `FILING_DATE`) that fills it.
        headers: The same for headers.
        view: The view that is read, with its schema if it has one.
        where: Column of the view or of the file, and the query's key that it equals.
        synced: The view and column whose latest instant is that for which the view vouches, e.g.
            ``v_sync.finished_at``. Empty: the view is live, and vouches for the present.
        batch: The files that are read, and when one of them is believed.
        status: Column of a row that says how far the answer is; ``[statuses]`` has its words.
            Columns of a row that is no match may be empty. Empty: every row is a match.
        promised: Column with the instant by which a pending row will be answered.
        list: The list of the record, if it has one: every row holds the record and one of the
            list, so that an answer is as many rows as the list is long.
        numbered: Column that numbers those rows from 1, so that none can be missing between two;
            empty in the only row of a record whose list is empty.
    """

    method: Literal["GET", "POST", ""] = ""
    path: str = Field(default="", pattern=r"^/[A-Za-z0-9/_.-]*$")
    body: Mapping[str, str] = Field(default_factory=dict)
    headers: Mapping[str, str] = Field(default_factory=dict)
    view: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*$")
    where: Mapping[str, str] = Field(default_factory=dict)
    synced: str = Field(default="", pattern=r"^[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*$")
    batch: Batch | None = None
    status: str = ""
    promised: str = ""
    list: str = ""
    numbered: str = ""


class CellRule(Frozen):
    """Which value a cell of a list has.

    Attributes:
        field: Our name of the field; its value is the cell's.
        values: The cell's value for each code of the field.
        otherwise: For every other code. None: another code is off contract.
    """

    field: str = ""
    values: Mapping[str, _FileValue] = Field(default_factory=dict)
    otherwise: _FileValue | None = None


class ConceptRule(CellRule):
    """Which value a concept has; either a field says it, or that there is a record.

    Attributes:
        columns: Of a list: what each cell of its records is, by the column's id.
        present: The value that any record means. None: a field says it.
        absent: The value that an authoritative absence means. None: it means none.
    """

    columns: Mapping[str, CellRule] = Field(default_factory=dict)
    present: _FileValue | None = None
    absent: _Absent | None = None


class Register(Frozen):
    """One register, as its file says it is.

    Attributes:
        purpose: What its owner lets the answers be used for.
        narrowest_question: The least that must be asked, in both languages.
        complete: Whether "no record" proves that there is none.
        max_bytes: Longest answer that is read.
        keep_for_s: Seconds for which its owner lets an answer be kept and given again to the same
            question; 0: every question is put.
        may_repeat: Whether its owner lets a question be put again while it is under way, where
            its answer takes longer than nineteen of twenty do.
        envelope: What stands around the records.
        normalise: The fields of a record; whatever is not named here is dropped unread.
        concepts: What it vouches for (一数一源).
        doubts: What it knows besides, of which another register is the source: where it says
            something else, the concept is in doubt. It never makes one surer.
        digest: SHA-256 (hex) of the file.
    """

    key: EvidenceType = Field(pattern=r"^[a-z][a-z0-9_]*$")
    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)
    owner: Text
    transport: Literal["http", "sql", "file"]
    purpose: str = Field(min_length=1)
    narrowest_question: Text
    complete: bool
    max_bytes: int = Field(default=262_144, ge=1_024, le=1_048_576)
    keep_for_s: int = Field(default=0, ge=0, le=86_400)
    may_repeat: bool = False
    request: Request
    envelope: Envelope
    statuses: Mapping[str, StatusWord] = Field(min_length=1)
    normalise: Mapping[str, FieldRules] = Field(min_length=1)
    concepts: Mapping[Concept, ConceptRule] = Field(default_factory=dict)
    doubts: Mapping[Concept, ConceptRule] = Field(default_factory=dict)
    digest: str

    @model_validator(mode="before")
    @classmethod
    def _rows_have_our_envelope(cls, said: dict[str, Any]) -> dict[str, Any]:
        """Nothing stands around rows; what the transport puts there is the same for all."""
        if said.get("transport") not in {"sql", "file"}:
            return said
        request = said.get("request") if isinstance(said.get("request"), dict) else {}
        assert isinstance(request, dict)  # noqa: S101 - mypy does not follow the line above
        if "envelope" in said or ("statuses" in said and not request.get("status")):
            raise WrongValueError(
                zh="按行读取的登记册没有 envelope；只有写明 status 一栏时才有 statuses；请删去",
                en="rows have no `envelope`, and `statuses` only with a `status` column: delete it",
            )
        where = request.get("where")
        asked = list(where.values()) if isinstance(where, dict) else []
        instant = {"type": "datetime", "coerce": "cn_datetime", "nullable": True}
        fields = {
            "code": {"type": "string", "coerce": "code", "required": True},
            "as_of": instant,
            "pending_until": instant,
            "reference": {"type": "string"},
            **{key: {"type": "string"} for key in asked if isinstance(key, str)},
        }
        words = said.get("statuses", {MATCH: "MATCH"})
        return {
            **said,
            "envelope": {"records": ROWS, "fields": fields},
            "statuses": {**words, NO_ROW: "NO_RECORD"} if isinstance(words, dict) else words,
        }

    @property
    def name(self) -> Text:
        """The register's name in both languages."""
        return Text(zh=self.zh, en=self.en)

    @property
    def says(self) -> Mapping[Concept, ConceptRule]:
        """Everything that an answer of it can say something of."""
        return {**self.concepts, **self.doubts}

    @cached_property
    def matches(self) -> tuple[str, ...]:
        """The codes that mean a match."""
        return tuple(code for code, word in self.statuses.items() if word == "MATCH")

    @cached_property
    def listed(self) -> Mapping[str, FieldRules]:
        """The columns of a row that hold one of the record's list."""
        rules = self.normalise.get(self.request.list)
        return rules.columns if rules else {}

    @cached_property
    def columns(self) -> Mapping[str, FieldRules]:
        """The columns of a row that are read, whether the record's, the list's or its number."""
        if not self.request.list:
            return self.normalise
        own = {name: rules for name, rules in self.normalise.items() if name != self.request.list}
        return {**own, **self.listed, self.request.numbered: _NUMBER}

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of a query that it finds the record by."""
        request = self.request
        sent = {*request.body.values(), *request.headers.values(), *request.where.values()}
        return frozenset(sent - {FILING_DATE})

    @cached_property
    def meaning(self) -> RegisterMeaning:
        """What its answers mean: the part that a release freezes."""
        absent = {name: rule.absent for name, rule in self.says.items()}
        return RegisterMeaning(
            key=self.key,
            name=self.name,
            owner=self.owner,
            keys=tuple(sorted(self.keys)),
            concepts=tuple(self.concepts),
            doubts=tuple(self.doubts),
            complete=self.complete,
            absent={name: value for name, value in absent.items() if value is not None},
            digest=self.digest,
        )


_NUMBER: Final = FieldRules(type="integer", coerce="number", nullable=True, min=1)

_QUESTIONS: Final[Mapping[str, tuple[set[str], set[str]]]] = {
    "http": ({"method", "path"}, {"body", "headers"}),
    "sql": ({"view", "where"}, {"synced", "status", "promised", "list", "numbered"}),
    "file": ({"where", "batch"}, {"status", "promised", "list", "numbered"}),
}
"""What a question of each transport must say, and what it may."""


def our_names(fields: Mapping[str, FieldRules]) -> dict[str, str]:
    """Our name of every field, by the register's own."""
    return {field: rules.rename or field for field, rules in fields.items()}


def is_loopback(host: str) -> bool:
    """Whether what is sent to a host stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_addresses(
    registers: Mapping[EvidenceType, Register],
    addresses: Mapping[EvidenceType, str],
    fault_of: Callable[[str], str],
    *,
    hint: str,
) -> None:
    """Addresses are operators' work; every fault at once, without the secrets a URL can hold.

    Args:
        fault_of: What is wrong with an address, as the end of a sentence; empty if nothing is.

    Raises:
        InvalidPublicationError: An address names no register, or has a fault.
    """
    faults = []
    for key, address in addresses.items():
        if key not in registers:
            faults.append(f"`{key}` is no register")
        elif fault := fault_of(address):
            faults.append(f"the address of `{key}` {fault}")
    if faults:
        raise InvalidPublicationError(
            f"the registers cannot be reached: {'; '.join(faults)}",
            zh=f"登记册地址有误：{'；'.join(faults)}",
            reason="REGISTER_ADDRESS_INVALID",
            hint=hint,
            faults="; ".join(faults),
        )


Wrong: TypeAlias = tuple[Keys, str, str]
"""What is wrong with a part of the file and what to do about it, in Chinese and in English."""

AROUND: Final = ("envelope", "fields")
RECORD: Final = ("normalise",)
REQUEST: Final = ("request",)

_COLUMNS: Final = (
    "列表须有 columns，其他类型没有，请补上或删去",
    "a list has `columns`, and nothing else has: add or delete them",
)


def faults(register: Register) -> Iterator[Wrong]:
    """Everything that the parts of the file say of each other and that is not so."""
    around, record = our_names(register.envelope.fields), our_names(register.normalise)
    for place, names in ((AROUND, around), (RECORD, record)):
        twice = {name for name in names.values() if [*names.values()].count(name) > 1}
        for name in sorted(twice):
            yield (
                place,
                f"两个字段都叫 {name}，请改名",
                f"two fields are called `{name}`: rename one",
            )
    allowed = {"code", "as_of", "reference", "pending_until", "mismatched", *register.keys}
    for name in sorted({*around.values()} - allowed):
        yield (
            AROUND,
            f"记录之外没有 {name} 这一项，请删去",
            f"`{name}` means nothing around a record: delete it",
        )
    if not any(
        rules.required and around[field] == "code"
        for field, rules in register.envelope.fields.items()
    ):
        yield AROUND, "没有必填的 code 字段，请补上", "no required field is the `code`: add it"
    yield from _kind_faults(AROUND, register.envelope.fields)
    yield from _kind_faults(RECORD, register.normalise)
    if "as_of" not in {*around.values(), *record.values()}:
        yield (
            (),
            "没有字段是 as_of 时刻，什么都不算新，请补上",
            "no field is the `as_of` instant, so that nothing would be fresh: add one",
        )
    yield from _subject_faults(register)
    yield from _bound_faults(register)
    yield from _list_faults(register)
    yield from _concept_faults(register)
    yield from _doubt_faults(register)
    yield from _request_faults(register)


def _kind_faults(place: Keys, fields: Mapping[str, FieldRules]) -> Iterator[Wrong]:
    """What means something to us is what we take it for; else it would never be heard."""
    for field, name in our_names(fields).items():
        if name in _KINDS and fields[field].type != _KINDS[name]:
            kind = _KINDS[name]
            yield (
                (*place, field),
                f"{name} 的类型应为 {kind}，请更正",
                f"`{name}` is of type {kind}: write it",
            )


def _request_faults(register: Register) -> Iterator[Wrong]:
    """A question is put in the way of its transport, and in no other."""
    request = register.request
    needed, allowed = _QUESTIONS[register.transport]
    for name in sorted(needed):
        if not getattr(request, name):
            yield (
                REQUEST,
                f"方式为 {register.transport} 的登记册须写明 {name}，请补上",
                f"a register of transport {register.transport} needs `{name}`: add it",
            )
    for name in sorted(request.model_fields_set - needed - allowed):
        yield (
            (*REQUEST, name),
            f"{name} 对方式为 {register.transport} 的登记册没有意义，请删去",
            f"`{name}` means nothing to a register of transport {register.transport}: delete it",
        )
    if request.method == "GET" and request.body:
        yield (
            (*REQUEST, "body"),
            "GET 没有 body，请改用 POST 或删去",
            "a GET has no body: delete it, or write POST",
        )
    if register.transport == "file" and register.may_repeat:
        yield (
            ("may_repeat",),
            "文件由本系统读取，并不询问谁，请删去",
            "a file is read here, and nobody is asked: delete it",
        )
    if register.transport != "http":
        yield from _row_faults(register)
        yield from _rows_faults(register)
    if request.batch is not None:
        yield from _batch_faults(request.batch)


def _row_faults(register: Register) -> Iterator[Wrong]:
    """What is said of a row is one of its columns."""
    request = register.request
    named = {"where": {*request.where}, "status": {request.status}, "promised": {request.promised}}
    for name, columns in named.items():
        for column in sorted(columns - register.normalise.keys() - {""}):
            yield (
                (*REQUEST, name),
                f"normalise 中没有 {column} 这一列，请补上或更正",
                f"no field of `normalise` is the column `{column}`: correct either",
            )
        if request.list and request.list in columns:
            yield (
                (*REQUEST, name),
                f"{request.list} 是列表，不是列，请更正",
                f"`{request.list}` is a list, not a column: name another",
            )
    if "MISMATCH" in register.statuses.values():
        yield (
            ("statuses",),
            "按查询键找到的行不会是别人的，请删去 MISMATCH",
            "a row that is found by its keys does not have others: delete `MISMATCH`",
        )


def _rows_faults(register: Register) -> Iterator[Wrong]:
    """A row holds plain values; a list is as many rows, which can be told from one another."""
    request = register.request
    for name, rules in register.normalise.items():
        if rules.columns and name != request.list:
            yield (
                (*RECORD, name),
                "一行放不下列表，请在 request.list 中写明，使其成为多行",
                "a row has no place for a list; `request.list` makes it rows",
            )
    if bool(request.list) != bool(request.numbered):
        yield (
            REQUEST,
            "list 与 numbered 须同时写明，请补上或删去",
            "`list` and `numbered` are nothing without each other: add or delete one",
        )
    if request.list and not register.listed:
        yield (
            (*REQUEST, "list"),
            f"normalise 中没有名为 {request.list} 的列表，请更正",
            f"no list of `normalise` is called `{request.list}`: correct either",
        )
    for column in sorted(register.listed.keys() & (register.normalise.keys() - {request.list})):
        yield (
            (*RECORD, request.list),
            f"记录中也有 {column} 这一列，请改名",
            f"the record has a column `{column}`, too: rename one",
        )
    if request.numbered and request.numbered in {*register.normalise, *register.listed}:
        yield (
            (*REQUEST, "numbered"),
            f"{request.numbered} 一列另有内容，请换一列",
            f"the column `{request.numbered}` holds something else: name another",
        )


def _batch_faults(batch: Batch) -> Iterator[Wrong]:
    """What is said of a file fits its format."""
    only = {"encoding": "csv", "separator": "csv", "sheet": "excel"}
    for name, of_format in only.items():
        if name in batch.model_fields_set and batch.format != of_format:
            yield (
                (*REQUEST, "batch", name),
                f"{name} 对格式为 {batch.format} 的文件没有意义，请删去",
                f"`{name}` means nothing to a file of format {batch.format}: delete it",
            )


def _subject_faults(register: Register) -> Iterator[Wrong]:
    """An answer that does not say whom or what it is about could be about anybody."""
    required = {
        rules.rename or field for field, rules in register.normalise.items() if rules.required
    }
    for field, rules in register.normalise.items():
        if rules.nullable and (name := rules.rename or field) in register.keys:
            yield (
                (*RECORD, field),
                f"按 {name} 查询，答复中的 {name} 不能为空，请删去 nullable",
                f"the `{name}` that was asked for cannot be null: delete `nullable`",
            )
    if not register.keys:
        yield REQUEST, "没有发出任何查询键，请补上", "no key of the query is sent: add one"
    for key in sorted(register.keys - required):
        yield (
            RECORD,
            f"按 {key} 查询，记录须写明是谁的，请把 {key} 设为必填",
            f"a record need not repeat the `{key}` that was asked for: make it required",
        )
    around = set(our_names(register.envelope.fields).values())
    for key in sorted(register.keys - around if register.complete else ()):
        yield (
            AROUND,
            f"查无记录时也须写明是谁的，请补上 {key}",
            f"an absence does not repeat the `{key}` that was asked for: add it",
        )


def _bound_faults(register: Register) -> Iterator[Wrong]:
    """Two fields can be compared where both are always there, never null, and of one kind."""
    named = {rules.rename or field: rules for field, rules in register.normalise.items()}
    for field, rules in register.envelope.fields.items():
        if rules.at_most:
            yield (
                (*AROUND, field),
                "at_most 只用于记录的字段，请删去",
                "`at_most` is for fields of a record: delete it",
            )
    for field, rules in register.normalise.items():
        other = named.get(rules.at_most)
        if rules.at_most and not (
            other is not None
            and rules.type == other.type
            and rules.type in {"integer", "number", "boolean"}
            and rules.required
            and other.required
            and not rules.nullable
            and not other.nullable
        ):
            yield (
                (*RECORD, field),
                f"不能与 {rules.at_most} 比较：两者须同为数（或是否）、必填、不为空",
                f"cannot be held against `{rules.at_most}`: both are required numbers, never null",
            )


def _list_faults(register: Register) -> Iterator[Wrong]:
    """A list has columns, and they are flat; nothing else has any, and nothing around a record."""
    for field, rules in register.envelope.fields.items():
        if rules.type == "list":
            yield (
                (*AROUND, field),
                "列表只用于记录，请更正",
                "a list is for a record: correct its type",
            )
    for field, rules in register.normalise.items():
        where = (*RECORD, field)
        if bool(rules.columns) != (rules.type == "list"):
            yield where, *_COLUMNS
        names = [*our_names(rules.columns).values()]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield where, f"两栏都叫 {name}，请改名", f"two columns are called `{name}`: rename one"
        for column, cell in rules.columns.items():
            if cell.type in {"datetime", "names", "list"} or cell.at_most:
                yield (
                    (*where, "columns", column),
                    f"{column} 一栏不止一个简单值，请更正",
                    f"the column `{column}` holds more than one plain value: correct it",
                )


def _concept_faults(register: Register) -> Iterator[Wrong]:
    """A concept needs a field that exists and can hold its value, or a presence."""
    types = {rules.rename or field: rules.type for field, rules in register.normalise.items()}
    columns = {rules.rename or field: rules.columns for field, rules in register.normalise.items()}
    for concept, rule in register.says.items():
        where: Keys = ("doubts" if concept in register.doubts else "concepts", concept)
        if bool(rule.field) == (rule.present is not None):
            yield (
                where,
                "field 与 present 须写且只写一个，请更正",
                "name either `field` or `present`: one of them",
            )
        if rule.field:
            yield from _cell_faults(where, rule, types)
        if bool(rule.columns) != (types.get(rule.field) == "list"):
            yield where, *_COLUMNS
        cells = {
            cell.rename or name: cell.type for name, cell in columns.get(rule.field, {}).items()
        }
        for column, cell in rule.columns.items():
            yield from _cell_faults((*where, "columns", column), cell, cells)
        if rule.absent is not None and not register.complete:
            yield (
                (*where, "absent"),
                "登记册不完整，查无记录不说明什么，请删去",
                "absence from an incomplete register means nothing: delete it",
            )
        if isinstance(rule.absent, tuple) and not rule.columns:
            yield (
                (*where, "absent"),
                "只有列表可以写成 []，请更正",
                "only a list can be absent as `[]`: correct it",
            )


def _doubt_faults(register: Register) -> Iterator[Wrong]:
    """A register knows something, and does not doubt itself."""
    if not register.says:
        yield ("concepts",), "没有提供任何信息项，请补上", "it knows nothing: add a concept"
    for concept in register.concepts.keys() & register.doubts.keys():
        yield ("doubts", concept), "它自己就是来源，请删去", "it is itself the source: delete it"
    for concept, rule in register.doubts.items():
        if rule.columns:
            yield (
                ("doubts", concept),
                "列表的次序可以不同，不作核对，请删去",
                "lists in different orders are not held against each other: delete it",
            )


def _cell_faults(where: Keys, rule: CellRule, types: Mapping[str, str]) -> Iterator[Wrong]:
    """A value comes from a field that exists; `values` from one of codes."""
    if rule.field not in types:
        yield (
            where,
            f"没有名为 {rule.field} 的字段，请更正",
            f"no field is called `{rule.field}`: correct it",
        )
    elif types[rule.field] in {"datetime", "names"}:
        yield (
            where,
            f"信息项不能是 {types[rule.field]}，请更正",
            f"a concept cannot hold a {types[rule.field]}: name another field",
        )
    if rule.values and types.get(rule.field) != "string":
        yield (
            where,
            "values 只用于代码字段（string），请更正",
            "`values` needs a field of codes: correct it",
        )
    if rule.otherwise is not None and not rule.values:
        yield (
            where,
            "有 otherwise 而没有 values，请补上或删去",
            "`otherwise` needs `values`: add or delete one",
        )
