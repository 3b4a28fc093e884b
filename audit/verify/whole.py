"""What is checked of a store as a whole: that nothing lies in it that belongs to no entry."""

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, func, not_, select, true

from audit.log import store
from audit.trail.destruction import is_used
from audit.trail.layout import RELEASE_DIGEST
from audit.trail.projections import (
    ARCHIVE,
    CASES,
    ENTRIES,
    MARK_SETS,
    SEALED,
    SERVICE_KEYS,
    SPAN,
    SPANS,
    SUBJECT_KEYS,
    archive_hash,
    content_of,
    mark_set_id,
)
from audit.trail.unsealing import FOLLOWING_TAG_KEY, TAG_KEY
from audit.verify.pointers import newest_of_case, tell_case
from audit.verify.report import Wrong


def check_log(connection: Connection, size: int, wrong: Wrong) -> None:
    """The log's own tables have nothing beyond so many entries, and the tiles of these."""
    _nothing_beyond(connection, [store.ENTRIES], size, wrong)
    full = sum(size >> shift for shift in range(8, 64, 8))
    if connection.execute(select(func.count()).select_from(store.TILES)).scalar_one() != full:
        wrong(
            None,
            f"there are not the {full} tiles of {size} entries",
            f"{size} 条记录应有的 {full} 个哈希块不齐",
        )


def check_rows(connection: Connection, size: int, wrong: Wrong) -> None:
    """Nothing lies beside the log, or points into it, beyond so many entries."""
    _nothing_beyond(connection, [ENTRIES, SEALED], size, wrong)
    key = store.LATEST.c
    for (index,) in connection.execute(select(key.idx).where(not_(key.idx.between(0, size - 1)))):
        wrong(
            index if isinstance(index, int) else None,
            f"a key points beyond the {size} entries",
            f"有键指向 {size} 条记录以外",
        )
    case = CASES.c
    query = select(case.case_id, case.first_index, case.latest_index)
    for case_id, first, latest in _stream(
        connection,
        query.where(
            not_(case.first_index.between(0, size - 1) & case.latest_index.between(0, size - 1))
        ),
    ):
        index = newest_of_case(connection, case_id)
        if not _is_within(first, size):
            tell_case(wrong, index, "first_index")
        if not _is_within(latest, size):
            tell_case(wrong, index, "latest_index")
    for digest, stated, content in _stream(connection, select(ARCHIVE)):
        if not _is_archived(digest, stated, content):
            name = str(digest).encode(errors="backslashreplace").decode()
            wrong(
                None,
                f"the archived content `{name}` is not what was put there",
                f"存档内容 `{name}` 已非存入时的原样",
            )


def check_subject_keys(connection: Connection, wrong: Wrong) -> None:
    """Every subject key has sealed something that is there, and no other key is kept."""
    if connection.execute(select(SUBJECT_KEYS.c.id).where(not_(is_used())).limit(1)).first():
        wrong(None, "there is a subject key that no entry uses", "有对象密钥不属于任何记录")
    known = SERVICE_KEYS.c.name.in_([TAG_KEY, FOLLOWING_TAG_KEY])
    if connection.execute(select(SERVICE_KEYS.c.name).where(not_(known)).limit(1)).first():
        wrong(
            None,
            "there is a key of the service that it does not know",
            "服务密钥中有本程序所不知的",
        )


def check_marks(connection: Connection, wrong: Wrong) -> None:
    """Every set has the marks that its id follows from; which set an entry names is its column."""
    first = select(func.min(ENTRIES.c.idx)).where(ENTRIES.c.marks == MARK_SETS.c.id)
    query = select(MARK_SETS, first.scalar_subquery()).order_by(*MARK_SETS.c)
    for (set_id, index), rows in groupby(_stream(connection, query), lambda row: (row[0], row[3])):
        marks = [(name, value) for _, name, value, _ in rows]
        if index is None:
            wrong(None, "there is a set of marks that no entry has", "有一组标记不属于任何记录")
        elif not _is_set(set_id, marks):
            wrong(
                index,
                "`mark_sets` has other marks for this entry than follow from it",
                "`mark_sets` 中本条的标记与记录不符",
            )
    known = select(MARK_SETS.c.id)
    unheard_of = select(func.min(ENTRIES.c.idx)).where(ENTRIES.c.marks.not_in(known))
    for index in connection.execute(unheard_of.group_by(ENTRIES.c.marks)).scalars():
        wrong(index, "the marks of this entry are missing", "本条的标记缺失")


def check_spans(connection: Connection, wrong: Wrong) -> None:
    """Every block of entries is said to be of their times, and no other block is."""
    block = ENTRIES.c.idx // SPAN
    times = select(
        block.label("block"),
        func.min(ENTRIES.c.time).label("earliest"),
        func.max(ENTRIES.c.time).label("latest"),
    )
    ours = times.group_by(block).subquery()
    beside = ours.join(SPANS, SPANS.c.block == ours.c.block, isouter=True)
    is_so = (SPANS.c.earliest == ours.c.earliest) & (SPANS.c.latest == ours.c.latest)
    query = select(ours.c.block).select_from(beside).where(func.coalesce(not_(is_so), true()))
    for found in connection.execute(query.order_by(ours.c.block)).scalars():
        first, last = SPAN * found, SPAN * (found + 1) - 1
        wrong(
            None,  # an entry whose time was changed is told by itself
            f"`spans` has other times than the entries {first} to {last}",
            f"`spans` 所载第 {first} 至 {last} 条的时间范围与记录不符",
        )
    entry = select(ENTRIES.c.idx).where(
        ENTRIES.c.idx >= SPAN * SPANS.c.block, ENTRIES.c.idx < SPAN * (SPANS.c.block + 1)
    )
    if connection.execute(select(SPANS.c.block).where(not_(entry.exists())).limit(1)).first():
        wrong(None, "there is a span of times that no entry has", "有一段时间范围不属于任何记录")


def check_file(connection: Connection, wrong: Wrong) -> None:
    """SQLite's own structures, among them the indexes that questions are answered with."""
    if connection.dialect.name != "sqlite":
        return  # a server looks after its own, with `pg_amcheck`
    (found,) = connection.exec_driver_sql("PRAGMA integrity_check(1)").one()
    if found != "ok":
        wrong(
            None,
            "SQLite finds its file damaged (`PRAGMA integrity_check`)",
            "SQLite 查出文件损坏（`PRAGMA integrity_check`）",
        )


def check_releases(connection: Connection, wrong: Wrong) -> None:
    """Every release that an entry names is archived, under the digest of its bytes."""
    mark = MARK_SETS.c
    is_named = mark.name == "release_digest"
    for digest in connection.execute(select(mark.value).where(is_named).distinct()).scalars().all():
        if not (isinstance(digest, str) and re.fullmatch(RELEASE_DIGEST, digest)):
            continue  # the name of something else
        row = content_of(connection, digest)
        if row is not None and _is_archived(*row.values()):
            continue
        sets = select(mark.id).where(is_named, mark.value == digest)
        first = select(func.min(ENTRIES.c.idx)).where(ENTRIES.c.marks.in_(sets))
        wrong(
            connection.execute(first).scalar_one(),
            f"the release `{digest}` that this entry names is not archived as it was",
            f"本条所依据的规则版本 `{digest}` 未存档，或已非原样",
        )


def _nothing_beyond(connection: Connection, tables: Iterable[Any], size: int, wrong: Wrong) -> None:
    for table in tables:
        beyond = select(func.min(table.c.idx)).where((table.c.idx >= size) | (table.c.idx < 0))
        index = connection.execute(beyond).scalar_one()
        if index is not None:
            wrong(
                index,
                f"`{table.name}` has a row beyond the {size} entries",
                f"`{table.name}` 有超出 {size} 条记录的行",
            )


def _is_set(set_id: object, marks: Sequence[tuple[object, object]]) -> bool:
    """Whether these are the marks of that set; bytes would count as the text of their base64."""
    texts = [(str(name), str(value)) for name, value in marks]
    try:
        return texts == marks and mark_set_id(texts) == set_id
    except UnicodeEncodeError:
        return False


def _is_archived(digest: object, stated: object, content: object) -> bool:
    """Whether a row of ``archive`` is as it was put there: a release under its own digest."""
    if not (isinstance(digest, str) and isinstance(content, bytes)):
        return False
    if re.fullmatch(RELEASE_DIGEST, digest) and sha256(content).hexdigest() != digest:
        return False
    try:
        return archive_hash(digest, content) == stated
    except UnicodeEncodeError:
        return False


def _is_within(index: object, size: int) -> bool:
    return isinstance(index, int) and 0 <= index < size


def _stream(connection: Connection, query: Select[Any]) -> Iterable[Sequence[Any]]:
    """All rows, a few at a time."""
    return connection.execute(query, execution_options={"yield_per": 1_000})
