"""Figures for DuckDB and its like: a row a decision, offer or rating; never who.

Whoever publishes how a city decides computes shares, reasons and times from these rows; the queries
that everybody needs stand in ``docs/figures.sql``.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError
from audit.log import connections, store
from audit.log.files import refuse_exported, whole_folder
from audit.log.log import refuse_missing
from audit.trail.entries import Leaf
from audit.trail.projections import ENTRIES
from audit.trail.queries import All
from audit.trail.tallies import Kinds, Overturned, first_time, overturns, previous_outcome

_ROWS = 10_000
"""Rows that are held at once."""

_MACHINE: Final = "system"


def write_figures(folder: Path, to: Path, *, kinds: Kinds, zone: ZoneInfo) -> Mapping[str, int]:
    """Write a row for every decision, rating, and whatever became of an offer, by the city's month.

    Works beside the running service, on one read-only snapshot; the folder gets its name only when
    it is whole.

    Args:
        to: A folder that is not there yet.
        zone: The city's.

    Returns:
        How many decisions each month has, e.g. ``2026-11``; every month has all files.

    Raises:
        StoreRefusedError: There is no store, or something where the figures shall go; Parquet
            cannot be written here; or the store or the disk fails.
    """
    refuse_missing(folder)
    refuse_exported(to)
    try:
        with whole_folder(to) as draft:
            written = connections.at(folder).look(lambda c: _files(c, kinds, zone, draft))
            os.sync()
    except (OSError, SQLAlchemyError, ValueError) as error:
        raise _failed() from error
    return written


def _files(connection: Connection, kinds: Kinds, zone: ZoneInfo, draft: Path) -> Mapping[str, int]:
    """Everything; a month that has nothing of one kind has an empty file of it."""
    rows = {
        DECISIONS: (COLUMNS, _rows(connection, kinds, zone)),
        OFFERS: (OFFER_COLUMNS, _offers(connection, kinds, zone)),
        RATINGS: (RATING_COLUMNS, _ratings(connection, kinds, zone)),
    }
    counts = {name: _write(some, draft, name, columns) for name, (columns, some) in rows.items()}
    months = sorted({month for of_kind in counts.values() for month in of_kind})
    for name, (columns, _) in rows.items():
        missing = [{"month": month} for month in months if month not in counts[name]]
        _write(missing, draft, name, columns)
    return {month: counts[DECISIONS].get(month, 0) for month in months}


def _leaves(connection: Connection, types: Iterable[str]) -> Iterator[tuple[int, Leaf]]:
    """The entries of these types, the oldest first."""
    query = (
        select(ENTRIES.c.idx, store.ENTRIES.c.leaf)
        .join(store.ENTRIES, store.ENTRIES.c.idx == ENTRIES.c.idx)
        .where(ENTRIES.c.type.in_(types))
        .order_by(ENTRIES.c.idx)
    )
    for index, content in connection.execute(query, execution_options={"yield_per": 1_000}):
        yield index, Leaf.decode(content)


def _ratings(connection: Connection, kinds: Kinds, zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    """A row a rating and a row an answer to one, the oldest first, with its month."""
    for index, leaf in _leaves(connection, (kinds.rating, kinds.rating_answer)):
        said, due = leaf.permanent, leaf.permanent.get("due_time")
        yield {
            "month": leaf.time.astimezone(zone).strftime("%Y-%m"),
            "index": index,
            "time": leaf.time,
            "matter": str(said.get("matter", "")),
            "release_digest": str(said.get("release_digest", "")),
            "rating": said.get("rating", index),
            "grade": str(said.get("grade", "")),
            "due_time": datetime.fromisoformat(due) if isinstance(due, str) else None,
            "justified": said.get("justified"),
        }


def _offers(connection: Connection, kinds: Kinds, zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    """A row each time that something became of an offer, the oldest first, with its month.

    A decision is an answer if it names one.
    """
    became = {kinds.offer: "made", kinds.declined: "declined", kinds.decision: "agreed"}
    for index, leaf in _leaves(connection, became):
        said = leaf.permanent
        named = said.get("offer", "") if leaf.type == kinds.decision else said.get("case_id", "")
        if named:
            yield {
                "month": leaf.time.astimezone(zone).strftime("%Y-%m"),
                "index": index,
                "time": leaf.time,
                "matter": str(said.get("matter", "")),
                "release_digest": str(said.get("release_digest", "")),
                "offer_id": str(named),
                "became": became[leaf.type],
                "until_date": str(said.get("until_date", "")),
            }


def _rows(connection: Connection, kinds: Kinds, zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    """A row a decision, the oldest first, with its month.

    Of each, when its case got its first decision, how the one before it came out, and what has
    overturned it since; few are, so what is known of those is held.
    """
    overturned = overturns(connection, All(()), kinds=kinds)
    query = (
        select(
            ENTRIES.c.idx,
            store.ENTRIES.c.leaf,
            first_time(kinds.all),
            previous_outcome(kinds.all),
        )
        .join(store.ENTRIES, store.ENTRIES.c.idx == ENTRIES.c.idx)
        .where(ENTRIES.c.type.in_(kinds.all))
        .order_by(ENTRIES.c.idx)
    )
    found = connection.execute(query, execution_options={"yield_per": 1_000})
    for index, content, began, previous in found:
        row = _row(index, Leaf.decode(content), (began or "", previous or ""), kinds, zone)
        yield row | _overturned(overturned.get(index))


def _row(
    index: int, leaf: Leaf, earlier: tuple[str, str], kinds: Kinds, zone: ZoneInfo
) -> dict[str, Any]:
    said = leaf.permanent
    began, previous = earlier
    first = datetime.fromisoformat(began) if began else leaf.time
    return {
        "month": leaf.time.astimezone(zone).strftime("%Y-%m"),
        "index": index,
        "decide_time": leaf.time,
        "matter": str(said.get("matter", "")),
        "release_digest": str(said.get("release_digest", "")),
        "rules_effective_date": str(said.get("rules_effective_date", "")),
        "case_id": str(said.get("case_id", "")),
        "channel": str(said.get("channel", "")),
        "outcome": str(said.get("outcome", "")),
        "previous_outcome": previous,
        "decided_by": _MACHINE if leaf.type == kinds.decision else "person",
        "overrides": leaf.type == kinds.override,
        "reasons": [one for one in _list(said.get("reasons")) if isinstance(one, str)],
        "not_met": _requirements(said.get("statuses"), "not_met"),
        "unknown": _requirements(said.get("statuses"), "unknown"),
        "seconds_since_first": (leaf.time - first).total_seconds(),
        "engine": str(said.get("engine", "")),
        "service": str(said.get("service", "")),
    }


def _overturned(found: Overturned | None) -> dict[str, Any]:
    by = {} if found is None else found.by
    return {"overturned_by": sorted(by), "overturned_time": min(by.values(), default=None)}


def _write(
    rows: Iterable[dict[str, Any]], draft: Path, name: str, columns: Sequence[str]
) -> Mapping[str, int]:
    """Write rows of these columns into a file of that name a month; how many each has.

    A row of its month alone makes the file, and is none.
    """
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415  # 165 MB, and only here
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise _no_parquet() from None
    text, texts, instant = pa.string(), pa.list_(pa.string()), pa.timestamp("us", tz="UTC")
    types = {
        **dict.fromkeys(("index", "rating"), pa.int64()),
        **dict.fromkeys(("decide_time", "overturned_time", "time", "due_time"), instant),
        **dict.fromkeys(("overrides", "justified"), pa.bool_()),
        "seconds_since_first": pa.float64(),
        **dict.fromkeys(("reasons", "not_met", "unknown", "overturned_by"), texts),
    }
    schema = pa.schema([(column, types.get(column, text)) for column in columns])
    counts: dict[str, int] = {}
    with ExitStack() as open_:
        writers: dict[str, Any] = {}

        def flush(held: Mapping[str, Sequence[dict[str, Any]]]) -> None:
            for month, some in held.items():
                if month not in writers:
                    path = draft / f"month={month}" / name
                    path.parent.mkdir(exist_ok=True)
                    writers[month] = open_.enter_context(
                        parquet.ParquetWriter(path, schema, compression="zstd")
                    )
                writers[month].write_table(pa.Table.from_pylist(some, schema))
                counts[month] = counts.get(month, 0) + len(some)

        held: dict[str, list[dict[str, Any]]] = {}
        for number, row in enumerate(rows, 1):
            of_month = held.setdefault(row.pop("month"), [])
            if row:
                of_month.append(row)
            if number % _ROWS == 0:
                flush(held)
                held.clear()
        flush(held)
    return dict(sorted(counts.items()))


COLUMNS: Final = (
    "index",
    "decide_time",
    "matter",
    "release_digest",
    "rules_effective_date",
    "case_id",
    "channel",
    "outcome",
    "previous_outcome",
    "decided_by",
    "overrides",
    "overturned_by",
    "overturned_time",
    "reasons",
    "not_met",
    "unknown",
    "seconds_since_first",
    "engine",
    "service",
)
"""The columns of every file of decisions; the month is its folder's name."""

OFFER_COLUMNS: Final = (
    "index",
    "time",
    "matter",
    "release_digest",
    "offer_id",
    "became",
    "until_date",
)
"""The same of offers: each is ``made``, and then ``agreed`` to, ``declined``, or neither."""

RATING_COLUMNS: Final = (
    "index",
    "time",
    "matter",
    "release_digest",
    "rating",
    "grade",
    "due_time",
    "justified",
)
"""The same of ratings: each has a ``grade``; an answer has the index of its ``rating`` instead."""

DECISIONS: Final = "decisions.parquet"
OFFERS: Final = "offers.parquet"
RATINGS: Final = "ratings.parquet"
"""Names of a month's files."""


def _requirements(statuses: object, status: str) -> list[str]:
    found = []
    for pair in _list(statuses):
        match pair:
            case [str(requirement), str(said)] if said == status:
                found.append(requirement)
            case _:
                pass
    return found


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else ()


def _failed() -> StoreRefusedError:
    return StoreRefusedError(
        "the disk, or the store, failed while figures were written",
        zh="写出统计数据时磁盘或记录库出错，未留下半份；请检查磁盘空间与权限后重试，"
        "仍不行请运行 `miaopi audit verify`",
        reason="COPY_FAILED",
        hint="Look at the disk's space and permissions, then try again; if it stays, run"
        " `miaopi audit verify`. No half of it is left.",
    )


def _no_parquet() -> StoreRefusedError:
    return StoreRefusedError(
        "Parquet cannot be written here",
        zh="此处不能写 Parquet；请安装 `miaopi[parquet]`",
        reason="PARQUET_MISSING",
        hint="Install `miaopi[parquet]`.",
    )
