"""What the trail keeps beside the log's entries, written in their own transaction.

``sealed`` (with the links) and ``subject_keys`` are parts of entries and can be erased.
``entries``, ``mark_sets``, ``spans`` and ``cases`` are projections: everything in them follows from
leaves and links, and `audit.verify` derives it again.

What an entry can be found by, and many have alike, are its *marks*. Nearly all entries of one
release with one outcome have the same ones, so a set of marks is written once, and an entry names
its set.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import Any, Final, NamedTuple, Self

import msgspec
from sqlalchemy import (
    Column,
    Connection,
    Index,
    LargeBinary,
    MetaData,
    RowMapping,
    Table,
    bindparam,
    func,
    select,
)

from audit.log.store import ENTRIES as LOG_ENTRIES
from audit.log.store import NUMBER, TEXT, insert_rows, latest, read_leaf, rows_among, upsert_rows
from audit.trail.canonical import Json
from audit.trail.entries import (
    Leaf,
    Links,
    RecordedCase,
    case_from_json,
)
from audit.trail.seal import Sealed

TABLES = MetaData()

SEALED = Table(
    "sealed",
    TABLES,
    Column("idx", NUMBER, primary_key=True, autoincrement=False),
    Column("subject_key_id", TEXT, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("links_salt", LargeBinary, nullable=False),
    Column("links", LargeBinary, nullable=False),
    Index("sealed_by_key", "subject_key_id"),
)

SUBJECT_KEYS = Table(
    "subject_keys",
    TABLES,
    Column("id", TEXT, primary_key=True),
    Column("subject_tag", TEXT, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""The keys of a subject are found by its entries; those of nobody have an index of their own."""

_NOBODY = SUBJECT_KEYS.c.subject_tag == ""
Index("subject_keys_of_nobody", SUBJECT_KEYS.c.id, sqlite_where=_NOBODY, postgresql_where=_NOBODY)

SERVICE_KEYS = Table(
    "service_keys",
    TABLES,
    Column("name", TEXT, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

COLUMNS = ("matter", "release_digest", "outcome", "case_id", "channel", "caller")
"""Members of the permanent part that can be queried; those that are no text count as empty."""

CHARACTERS = 512
"""Longest text to be queried: more than a code or a name ever has."""

SHARED = ("type", "matter", "release_digest", "outcome", "channel", "caller")
"""Columns of ``entries`` whose values are marks as well, one each."""

FILED = ("case_id", "subject_tag")
"""Columns of ``entries`` with an index of their own, of the rows that say something there."""

REASON, REQUIREMENT = "reason", "requirement"
"""Names of marks of which an entry has several. A requirement's value is its id; with its status it
is ``R1=met``."""

ENTRIES = Table(
    "entries",
    TABLES,
    Column("idx", NUMBER, primary_key=True, autoincrement=False),
    Column("type", TEXT, nullable=False),
    Column("time", TEXT, nullable=False),
    *(Column(name, TEXT, nullable=False) for name in COLUMNS),
    Column("case_state", TEXT, nullable=False),
    Column("subject_tag", TEXT, nullable=False),
    Column("marks", LargeBinary, nullable=False),
)
for _name in FILED:
    _of, _said = ENTRIES.c[_name], ENTRIES.c[_name] != ""
    Index(f"entries_by_{_name.split('_')[0]}", _of, sqlite_where=_said, postgresql_where=_said)
# To SQLite every index ends with ``idx``.
Index("entries_by_marks", ENTRIES.c.marks).ddl_if(dialect="sqlite")
Index("entries_by_marks_idx", ENTRIES.c.marks, ENTRIES.c.idx).ddl_if(dialect="postgresql")

MARK_SETS = Table(
    "mark_sets",
    TABLES,
    Column("id", LargeBinary, primary_key=True),
    Column("name", TEXT, primary_key=True),
    Column("value", TEXT, primary_key=True),
    Index("mark_sets_by_value", "name", "value", "id"),
)
"""The marks of every set that an entry has; a set's id follows from them."""

SPAN: Final = 256
"""So many entries have a row of ``spans``."""

SPANS = Table(
    "spans",
    TABLES,
    Column("block", NUMBER, primary_key=True, autoincrement=False),
    Column("earliest", TEXT, nullable=False),
    Column("latest", TEXT, nullable=False),
)
"""Between which times the entries of a block are, the indices of which it is `SPAN` times.

The order of entries is nearly that of their times, but clocks err, so no entry's own time tells
where others are.
"""

CASES = Table(
    "cases",
    TABLES,
    Column("case_id", TEXT, primary_key=True),
    Column("case_number", TEXT, nullable=False),
    Column("caller", TEXT, nullable=False),
    Column("matter", TEXT, nullable=False),
    Column("state", TEXT, nullable=False),
    Column("filing_date", TEXT, nullable=False),
    Column("create_time", TEXT, nullable=False),
    Column("due_time", TEXT, nullable=False),
    Column("first_index", NUMBER, nullable=False),
    Column("latest_index", NUMBER, nullable=False),
    Index("cases_by_state", "state", "due_time", "case_id"),
    sqlite_with_rowid=False,
)

ARCHIVE = Table(
    "archive",
    TABLES,
    Column("digest", TEXT, primary_key=True),
    Column("sha256", TEXT, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

_MOVE_CASE = "ON CONFLICT (case_id) DO UPDATE SET " + ", ".join(
    f"{column.name} = excluded.{column.name}"
    for column in CASES.c
    if column.name not in {"case_id", "first_index"}
)
_WIDEN_SPAN = "ON CONFLICT (block) DO UPDATE SET " + ", ".join(
    f"{end} = CASE WHEN excluded.{end} {relation} {SPANS.name}.{end}"
    f" THEN excluded.{end} ELSE {SPANS.name}.{end} END"
    for end, relation in (("earliest", "<"), ("latest", ">"))
)
_KEEP_FIRST = "ON CONFLICT DO NOTHING"

_CASE = select(CASES).where(CASES.c.case_id == bindparam("case_id"))

_ROWS = 5_000
"""Marks a statement: three values each, and SQLite takes 32,766."""

_SETS = 10_000
"""Sets that a connection remembers to have seen in its store."""

_KNOWN_SETS = "mark sets"

_SOME = 1_000
"""Entries a statement: eleven values each."""


class MarkSet(NamedTuple):
    """Marks that entries have together.

    Attributes:
        id: Follows from the marks alone (`mark_set_id`).
        marks: Name and value of each, sorted.
        can_be_asked: Whether all are texts that every store's index takes.
    """

    id: bytes
    marks: tuple[tuple[str, str], ...]
    can_be_asked: bool


class Projected(msgspec.Struct, frozen=True):
    """What of an entry goes into projections, but for its index.

    Attributes:
        texts: Its row of ``entries``, but for its set of marks.
        case: How it leaves its case, as ``cases`` has it, its id first; empty if it changes none.
    """

    texts: tuple[str, ...]
    marks: MarkSet
    case: tuple[str, ...]

    @classmethod
    def of(cls, leaf: Leaf, links: Links) -> Self:
        """What follows from an entry's leaf and links."""
        said = leaf.permanent
        texts = {name: _text(said.get(name)) for name in COLUMNS}
        marks = mark_set(leaf.type, texts, said)
        case = leaf.said_case
        if case:
            texts["case_id"] = case["case_id"]
        row = (leaf.type, leaf.said_time, *texts.values(), case.get("state", ""), links.subject_tag)
        return cls(row, marks, case_columns(case) if case else ())

    @property
    def time(self) -> str:
        """When it happened, as `time_text` writes it."""
        return self.texts[1]

    @property
    def can_be_asked(self) -> bool:
        """Whether every store takes it (`can_be_asked`)."""
        return self.marks.can_be_asked and can_be_asked((*self.texts, *self.case))

    @property
    def columns(self) -> tuple[str | bytes, ...]:
        """Its row of ``entries``."""
        return *self.texts, self.marks.id


class Row(msgspec.Struct, frozen=True):
    """All that is kept of one entry beside its leaf.

    Attributes:
        destroys: What the entry erases from what was there before it (`destruction.plan`).
    """

    projected: Projected
    links_salt: bytes
    links_content: bytes
    sealed: Sealed
    destroys: Callable[[Connection], object] = lambda _connection: None


def write(connection: Connection, rows: Sequence[tuple[int, Row]]) -> None:
    """Write what is kept of new entries, by index, in their own transaction (`log.Project`)."""
    keys = {row.sealed.subject_key.id: row.sealed.subject_key for _, row in rows}
    insert_rows(
        connection, SUBJECT_KEYS, [(k.id, k.tag, k.wrapped) for k in keys.values()], _KEEP_FIRST
    )
    insert_rows(connection, SEALED, [(index, *sealed_columns(row)) for index, row in rows])
    _project(connection, [(index, row.projected) for index, row in rows])
    for _, row in rows:
        row.destroys(connection)


def derive_again(connection: Connection) -> None:
    """Make the projections anew, whatever they were, from leaves and links."""
    tables = [ENTRIES, MARK_SETS, SPANS, CASES]
    connection.info.pop(_KNOWN_SETS, None)
    TABLES.drop_all(connection, tables)
    TABLES.create_all(connection, tables)
    size = connection.execute(select(func.count()).select_from(LOG_ENTRIES)).scalar_one()
    beside = LOG_ENTRIES.join(SEALED, SEALED.c.idx == LOG_ENTRIES.c.idx, isouter=True)
    query = select(LOG_ENTRIES.c.idx, LOG_ENTRIES.c.leaf, SEALED.c.links).select_from(beside)
    for start in range(0, size, _SOME):
        within = (LOG_ENTRIES.c.idx >= start) & (LOG_ENTRIES.c.idx < start + _SOME)
        found = connection.execute(query.where(within).order_by(LOG_ENTRIES.c.idx)).all()
        some = []
        for index, content, linked in found:
            links = Links("", ()) if linked is None else Links.decode(linked)
            some.append((index, Projected.of(Leaf.decode(content), links)))
        _project(connection, some)


def _project(connection: Connection, rows: Sequence[tuple[int, Projected]]) -> None:
    insert_rows(connection, ENTRIES, [(index, *row.columns) for index, row in rows])
    _add_marks(connection, {row.marks.id: row.marks for _, row in rows})
    cases: dict[str, tuple[object, ...]] = {}
    opened: dict[str, int] = {}
    times: dict[int, list[str]] = {}
    for index, row in rows:
        times.setdefault(index // SPAN, []).append(row.time)
        if row.case:
            case_id = row.case[0]
            cases[case_id] = (*row.case, opened.setdefault(case_id, index), index)
    spans = [(block, min(among), max(among)) for block, among in times.items()]
    upsert_rows(connection, SPANS, spans, _WIDEN_SPAN)
    upsert_rows(connection, CASES, [*cases.values()], _MOVE_CASE)


def _add_marks(connection: Connection, sets: Mapping[bytes, MarkSet]) -> None:
    """Write those sets that are not there yet."""
    known: set[bytes] = connection.info.setdefault(_KNOWN_SETS, set())
    asked = sets.keys() - known
    if not asked:
        return
    there = {row[0] for row in rows_among(connection, MARK_SETS.c.id, [*asked])}
    marks = [(one, *mark) for one in asked - there for mark in sets[one].marks]
    for start in range(0, len(marks), _ROWS):
        insert_rows(connection, MARK_SETS, marks[start : start + _ROWS])
    if len(known) > _SETS:
        known.clear()
    known |= there  # not what is new: that may still be rolled back


def sealed_columns(row: Row) -> tuple[str | bytes, ...]:
    """The row of ``sealed``, without its index."""
    sealed = row.sealed
    return (
        sealed.subject_key.id,
        sealed.wrapped_key,
        sealed.content,
        row.links_salt,
        row.links_content,
    )


def mark_set(type_: str, texts: Mapping[str, str], said: Mapping[str, Json]) -> MarkSet:
    """The marks that follow from an entry's type and what it says for ever.

    Args:
        texts: What it says under the names of `COLUMNS`.

    Raises:
        ValueError: It says what `canonical` refuses.
    """
    shared = (type_, *[texts[name] for name in SHARED[1:]])
    try:  # many entries say the same, and to encode it costs less than to go through it
        return _mark_set(_ENCODER.encode((shared, said.get("reasons"), said.get("statuses"))))
    except (OverflowError, RecursionError, msgspec.MsgspecError):
        raise ValueError("not marks that an entry of ours has") from None


@lru_cache(maxsize=4_096)
def _mark_set(said: bytes) -> MarkSet:
    shared, reasons, statuses = msgspec.json.decode(said)
    found = set(zip(SHARED, shared, strict=True))
    for code in _list(reasons):
        if isinstance(code, str):
            found.add((REASON, code))
    for pair in _list(statuses):
        match pair:
            case [str(requirement), str(status)]:
                found.add((REQUIREMENT, requirement))
                found.add((REQUIREMENT, f"{requirement}={status}"))
            case _:
                pass
    marks = tuple(sorted(found))
    return MarkSet(mark_set_id(marks), marks, can_be_asked(value for _, value in marks))


def can_be_asked(texts: Iterable[str]) -> bool:
    """Whether they can stand in columns and indexes: no index of any store takes everything."""
    written = [*texts]
    return max(map(len, written), default=0) <= CHARACTERS and "\0" not in "".join(written)


def mark_set_id(marks: Sequence[tuple[str, str]]) -> bytes:
    """The id of the set of these marks, which are sorted: half a SHA-256 over them as JSON."""
    return sha256(_ENCODER.encode(marks)).digest()[:16]


_ENCODER = msgspec.json.Encoder()
case_columns: Callable[[Mapping[str, str]], tuple[str, ...]] = itemgetter(*CASES.c.keys()[:-2])
"""What a leaf says of a case, as ``cases`` has it."""


def case(connection: Connection, case_id: str) -> RecordedCase | None:
    """The case as it stands; None if there is none."""
    row = connection.execute(_CASE, {"case_id": case_id}).mappings().one_or_none()
    return None if row is None else recorded_case(row)


def cases_in(connection: Connection, state: str, limit: int) -> tuple[RecordedCase, ...]:
    """The cases in that state, those due earliest first."""
    query = select(CASES).where(CASES.c.state == state).order_by(CASES.c.due_time, CASES.c.case_id)
    return tuple(map(recorded_case, connection.execute(query.limit(limit)).mappings()))


def case_entries(connection: Connection, case_id: str) -> tuple[int, ...]:
    """Indices of all entries about the case, the oldest first."""
    query = select(ENTRIES.c.idx).where(ENTRIES.c.case_id == case_id, ENTRIES.c.case_id != "")
    return tuple(connection.execute(query.order_by(ENTRIES.c.idx)).scalars())


def entries_of(connection: Connection, tag: str) -> tuple[int, ...]:
    """Indices of all entries about the subject of that tag, the oldest first."""
    query = select(ENTRIES.c.idx).where(ENTRIES.c.subject_tag == tag, ENTRIES.c.subject_tag != "")
    return tuple(connection.execute(query.order_by(ENTRIES.c.idx)).scalars())


def chain(connection: Connection, key: str, *, after: int = -1) -> tuple[tuple[int, Leaf], ...]:
    """The newest entry under that key and, as each names the one before it, all; oldest first.

    Args:
        after: A link of it; only those that follow.

    Raises:
        ValueError: One is missing, or names none before it: the store was tampered with.
    """
    found: list[tuple[int, Leaf]] = []
    index = latest(connection, [key]).get(key, -1)
    while index > after:
        content = read_leaf(connection, index)
        if content is None:
            raise ValueError("a link of the chain is missing")
        found.append((index, Leaf.decode(content)))
        previous = found[-1][1].permanent.get("previous")
        if not isinstance(previous, int) or previous >= index:
            raise ValueError("a link of the chain names none before it")
        index = previous
    if index != after:
        raise ValueError("the chain does not lead to the link")
    return tuple(reversed(found))


def recorded_case(row: RowMapping) -> RecordedCase:
    """A row of ``cases``."""
    values: dict[str, Any] = dict(row)
    first, latest = values.pop("first_index"), values.pop("latest_index")
    plain = case_from_json(values)
    fields = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
    return RecordedCase(**fields, first_index=first, latest_index=latest)


def add_content(connection: Connection, digest: str, content: bytes) -> None:
    """Archive content under its caller's digest; the first content under a digest stays."""
    row = (digest, archive_hash(digest, content), content)
    insert_rows(connection, ARCHIVE, [row], _KEEP_FIRST)


def archive_hash(digest: str, content: bytes) -> str:
    """SHA-256 over both in hexadecimal: neither can be changed without the other."""
    return sha256(digest.encode() + b"\n" + content).hexdigest()


def content_of(connection: Connection, digest: str) -> RowMapping | None:
    """The archived row under that digest; None if there is none."""
    found = connection.execute(select(ARCHIVE).where(ARCHIVE.c.digest == digest))
    return found.mappings().one_or_none()


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
