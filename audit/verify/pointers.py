"""What points at the entries of a stretch: the keys under which they are newest, and the cases.

Pointers are read in the order of what they point at, beside the entries. So one that no entry
accounts for is left over, and nothing is remembered for longer than a tile.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Select, bindparam, func, select

from audit.log import store
from audit.trail.entries import Leaf, Links
from audit.trail.projections import CASES, ENTRIES, case_columns
from audit.verify.report import Wrong


class Pointers:
    """The keys and cases of the entries from ``start`` to before ``end``, taken tile by tile."""

    def __init__(self, connection: Connection, start: int, end: int, wrong: Wrong) -> None:
        self._connection = connection
        self._wrong = wrong
        bounds = {"start": start, "end": end}
        self._keys = _Sorted(connection, _KEYS, bounds)
        self._changed = _Sorted(connection, _CHANGED, bounds)
        self._opened = _Sorted(connection, _OPENED, bounds)

    def check(
        self, entries: Mapping[int, tuple[Leaf, Links]], end: int, erased: Collection[int]
    ) -> None:
        """Check what points at these entries.

        Args:
            entries: Those of the next tile that can be read.
            end: Where the tile ends.
            erased: Entries whose links are gone, lawfully.
        """
        self._check_keys(entries, end, erased)
        self._check_cases(entries, end)

    def close(self) -> None:
        """Leave what was not read; a server would keep it at hand."""
        for rows in (self._keys, self._changed, self._opened):
            rows.close()

    def _check_keys(
        self, entries: Mapping[int, tuple[Leaf, Links]], end: int, erased: Collection[int]
    ) -> None:
        newest = {(key, index) for index, key in self._keys.before(end)}
        superseded: dict[str, int] = {}
        for index, (_, links) in entries.items():
            for key in links.keys:
                if (key, index) in newest:
                    newest.remove((key, index))
                else:
                    superseded[key] = index
        for _, index in newest:
            if index not in erased:
                self._wrong(
                    int(index),
                    "a key points at this entry, which does not have it",
                    "有键指向本条，而本条并无此键",
                )
        latest = store.latest(self._connection, superseded)
        for key, index in superseded.items():
            if not _is_after(latest.get(key), index):
                self._wrong(
                    index,
                    "a key does not point at this entry or a newer one",
                    "有键未指向本条或更新的记录",
                )

    def _check_cases(self, entries: Mapping[int, tuple[Leaf, Links]], end: int) -> None:
        """Every case stands as the newest entry that changed it says, and began where it says."""
        changed = {(row[1], row[0]): tuple(row[1:]) for row in self._changed.before(end)}
        opened = {(case_id, index) for index, case_id in self._opened.before(end)}
        between: dict[str, tuple[int, int]] = {}
        for index, (leaf, _) in entries.items():
            if not leaf.said_case:
                continue
            at = (leaf.said_case["case_id"], index)
            opened.discard(at)
            stored = changed.pop(at, None)
            if stored is None:
                lowest, _ = between.get(at[0], (index, index))
                between[at[0]] = lowest, index
                continue
            first = min(stored[-2], index) if isinstance(stored[-2], int) else index
            ours = (*case_columns(leaf.said_case), first, index)
            if ours != stored:
                names = zip(CASES.c.keys(), ours, stored, strict=True)
                self._differs(index, next(name for name, a, b in names if a != b))
        for _, index in changed:
            self._differs(int(index), "latest_index")
        for _, index in opened:
            self._differs(int(index), "first_index")
        if between:
            self._check_between(between)

    def _check_between(self, between: Mapping[str, tuple[int, int]]) -> None:
        """Entries of a case before its newest: by case the lowest and the highest index."""
        query = select(CASES.c.case_id, CASES.c.first_index, CASES.c.latest_index)
        found = {
            case_id: (first, latest)
            for case_id, first, latest in self._connection.execute(
                query.where(CASES.c.case_id.in_(between))
            )
        }
        for case_id, (lowest, highest) in between.items():
            if case_id not in found:
                newest = newest_of_case(self._connection, case_id)
                self._wrong(
                    highest if newest is None else newest,
                    "the case of this entry is missing",
                    "本条所属的办件缺失",
                )
                continue
            first, latest = found[case_id]
            if not isinstance(first, int) or first > lowest:
                self._differs(lowest, "first_index")
            if not _is_after(latest, highest):
                self._differs(highest, "latest_index")

    def _differs(self, index: int, column: str) -> None:
        tell_case(self._wrong, index, column)


def newest_of_case(connection: Connection, case_id: str) -> int | None:
    """The newest entry that changed the case, as ``entries`` tell; None if they tell of none."""
    newest: int | None = connection.execute(_NEWEST, {"case_id": case_id}).scalar_one()
    return newest


def tell_case(wrong: Wrong, index: int | None, column: str) -> None:
    """Tell of a case that is not as its entries say."""
    wrong(
        index,
        f"column `{column}` of `cases` is not as the newest entry of the case says",
        f"`cases` 的 `{column}` 列与该办件的最新记录不符",
    )


class _Sorted:
    """Rows that point at entries with their first column, in the order of it; each is read once."""

    def __init__(
        self, connection: Connection, query: Select[Any], bounds: Mapping[str, int]
    ) -> None:
        options = {"yield_per": 1_000}
        self._rows = connection.execute(query, bounds, execution_options=options)
        self._next = self._rows.fetchone()

    def before(self, end: int) -> list[Sequence[Any]]:
        """Those that point before ``end`` and were not read yet."""
        found: list[Sequence[Any]] = []
        while self._next is not None and self._next[0] < end:
            found.append(self._next)
            self._next = self._rows.fetchone()
        return found

    def close(self) -> None:
        """Leave the rest."""
        self._rows.close()


def _is_after(found: object, index: int) -> bool:
    return isinstance(found, int) and found > index  # SQLite keeps any type in any column


def _pointing_within(query: Select[Any], column: Column[Any]) -> Select[Any]:
    within = (column >= bindparam("start")) & (column < bindparam("end"))
    return query.where(within).order_by(column)


_KEYS = _pointing_within(select(store.LATEST.c.idx, store.LATEST.c.key), store.LATEST.c.idx)
_CHANGED = _pointing_within(select(CASES.c.latest_index, *CASES.c), CASES.c.latest_index)
_OPENED = _pointing_within(select(CASES.c.first_index, CASES.c.case_id), CASES.c.first_index)
_NEWEST = select(func.max(ENTRIES.c.idx)).where(
    ENTRIES.c.case_id == bindparam("case_id"), ENTRIES.c.case_id != "", ENTRIES.c.case_state != ""
)
