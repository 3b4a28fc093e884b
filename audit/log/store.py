"""The log's tables, what is written to them and what is asked of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError
from audit.log.checkpoint import Checkpoint
from audit.log.merkle import Frontier, Hash
from audit.log.tiles import WIDTH, Tile, TileReader, Tree, split_hashes

SCHEMA = 4
"""Version of all tables of the store; another one is refused, an older one can be migrated."""

NUMBER = Integer().with_variant(BigInteger, "postgresql")
TEXT = String().with_variant(String(collation="C"), "postgresql")
"""Sorted by code points in every store, whatever the server's language."""

TABLES = MetaData()

ENTRIES = Table(
    "log_entries",
    TABLES,
    Column("idx", NUMBER, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
)

TILES = Table(
    "log_tiles",
    TABLES,
    Column("level", NUMBER, primary_key=True, autoincrement=False),
    Column("position", NUMBER, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
)

HEAD = Table(
    "log_head",
    TABLES,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("schema", NUMBER, nullable=False),
    Column("origin", TEXT, nullable=False),
    Column("size", NUMBER, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
)

LATEST = Table(
    "log_latest",
    TABLES,
    Column("key", TEXT, primary_key=True),
    Column("idx", NUMBER, nullable=False),
    sqlite_with_rowid=False,
)

_HASHES = (
    select(ENTRIES.c.hash)
    .where(ENTRIES.c.idx >= bindparam("start"), ENTRIES.c.idx < bindparam("end"))
    .order_by(ENTRIES.c.idx)
)
_LEAF = select(ENTRIES.c.leaf).where(ENTRIES.c.idx == bindparam("index"))
_TILE = select(TILES.c.hashes).where(
    TILES.c.level == bindparam("level"), TILES.c.position == bindparam("position")
)
_ROOTS = (
    select(TILES.c.root)
    .where(
        TILES.c.level == bindparam("level"),
        TILES.c.position >= bindparam("start"),
        TILES.c.position < bindparam("end"),
    )
    .order_by(TILES.c.position)
)
_OF_HEAD = f"SELECT schema, origin, size, root FROM {HEAD.name}"  # noqa: S608  # our own name
_READ_HEAD = {
    ("sqlite", False): _OF_HEAD,
    ("sqlite", True): _OF_HEAD,
    ("postgresql", False): _OF_HEAD,
    ("postgresql", True): f"{_OF_HEAD} FOR UPDATE",
}
_MOVE_HEAD = {
    "sqlite": f"UPDATE {HEAD.name} SET size = ?, root = ?, frontier = ?",  # noqa: S608  # the same
    "postgresql": f"UPDATE {HEAD.name} SET size = %b, root = %b, frontier = %b",  # noqa: S608  # the same
}
"""Written out, as every batch reads and moves it, and to work them out takes longer than to ask."""


def make_tables(connection: Connection, origin: str, tables: Sequence[MetaData]) -> None:
    """Make the log's own tables and those of the layers above, for an empty log of that name."""
    empty = Checkpoint.empty(origin)
    for metadata in (TABLES, *tables):
        metadata.create_all(connection)
    connection.execute(
        insert(HEAD).values(
            id=0, schema=SCHEMA, origin=origin, size=0, root=empty.root, frontier=b""
        )
    )


def read_head(connection: Connection, *, lock: bool = False) -> Checkpoint:
    """What the store says that its log is.

    Args:
        lock: Whether nobody else may move it until the transaction ends (PostgreSQL; in SQLite
            nobody can).

    Raises:
        StoreRefusedError: It is no store, or one of another version.
    """
    query = _READ_HEAD[connection.dialect.name, lock]
    try:
        row = connection.exec_driver_sql(query).one()
    except SQLAlchemyError:
        if lock:
            raise
        raise unreadable() from None
    if row.schema != SCHEMA:
        raise _other_schema(row.schema)
    match row.origin, row.size, row.root:
        case str(origin), int(size), bytes(root):
            return Checkpoint(origin, size, root)
        case _:  # SQLite keeps any type in any column
            raise damaged()


def load_tree(connection: Connection, head: Checkpoint) -> Tree:
    """The edge of the tree, computed from entries and tiles and compared with the head.

    Raises:
        StoreRefusedError: Head, tiles and last entries do not agree.
    """
    frontier = connection.execute(select(HEAD.c.frontier)).scalar_one()
    beyond = connection.execute(select(func.max(ENTRIES.c.idx))).scalar_one()
    try:
        tree = Tree.load(head.size, tile_reader(connection))
    except (LookupError, OverflowError):
        tree = Tree(Frontier(), [])
    if (
        tree.size != head.size
        or tree.frontier.root() != head.root
        or b"".join(tree.frontier.hashes) != frontier
        or (-1 if beyond is None else beyond) != head.size - 1
    ):
        raise damaged()
    return tree


def read_schema(connection: Connection) -> int:
    """The version of the store's tables, whatever it is."""
    return int(connection.execute(select(HEAD.c.schema)).scalar_one())


def write_schema(connection: Connection) -> None:
    """Say that the store's tables are those that this program knows."""
    connection.execute(update(HEAD).values(schema=SCHEMA))


def _other_schema(found: object) -> StoreRefusedError:
    message = f"the store has schema {found}, this program knows {SCHEMA}"
    if isinstance(found, int) and found < SCHEMA:
        return StoreRefusedError(
            message,
            zh=f"记录库的结构版本是 {found}，本程序用 {SCHEMA}；请停服，留存一份副本，"
            "再运行 `miaopi audit migrate`",
            reason="SCHEMA_OLD",
            hint="Stop the service, keep a copy of the store, then run `miaopi audit migrate`.",
        )
    return StoreRefusedError(
        message,
        zh=f"记录库的结构版本是 {found}，本程序只认 {SCHEMA}；请用写它的程序版本，或更新的版本",
        reason="SCHEMA_UNKNOWN",
        hint="Run the version of the program that wrote the store, or a newer one.",
    )


def unreadable() -> StoreRefusedError:
    """The refusal of a file that SQLite cannot read as a store."""
    return StoreRefusedError(
        "the store cannot be read",
        zh="记录库读不出来；请检查文件和磁盘，恢复备份须同时用 `miaopi audit recover --reason`",
        reason="STORE_UNREADABLE",
        hint="Check the file and the disk; restore a backup only together with"
        " `miaopi audit recover --reason`.",
    )


def damaged() -> StoreRefusedError:
    """The refusal of a store whose parts contradict one another."""
    return StoreRefusedError(
        "head, tiles and last entries of the store do not agree",
        zh="记录库的头、哈希块与末尾记录彼此不符；请用 `miaopi audit verify` 查明何处，"
        "恢复备份须同时用 `miaopi audit recover --reason`",
        reason="STORE_DAMAGED",
        hint="Run `miaopi audit verify` to see where; restore a backup only together with"
        " `miaopi audit recover --reason`.",
    )


def tile_reader(connection: Connection) -> TileReader:
    """The tiles as they are stored; unfinished ones from what lies below them."""

    def tile(level: int, position: int) -> list[Hash]:
        at = {"level": level, "position": position}
        full = connection.execute(_TILE, at).scalar_one_or_none()
        if full is not None:
            return split_hashes(full)
        start, end = position * WIDTH, (position + 1) * WIDTH
        if level == 0:
            return leaf_hashes(connection, start, end)
        below = {"level": level - 1, "start": start, "end": end}
        return list(connection.execute(_ROOTS, below).scalars())

    return tile


def read_leaf(connection: Connection, index: int) -> bytes | None:
    """The exact bytes of the entry that were hashed; None if there is no such entry."""
    if not 0 <= index < 1 << 62:
        return None
    return connection.execute(_LEAF, {"index": index}).scalar_one_or_none()


def leaf_hashes(connection: Connection, start: int, end: int) -> list[Hash]:
    """The stored hashes of the entries from ``start`` to before ``end``."""
    found = connection.execute(_HASHES, {"start": start, "end": end}).scalars()
    return [bytes(item) for item in found]


def latest(connection: Connection, keys: Iterable[str]) -> dict[str, int]:
    """Index of the newest entry under each key; a key without one is left out."""
    rows = rows_among(connection, LATEST.c.key, tuple(keys))
    return {key: index for key, index in rows}  # noqa: C416  # rows are no pairs for mypy


def rows_among(
    connection: Connection, column: Column[Any], values: Sequence[object]
) -> Sequence[Sequence[Any]]:
    """The rows of a table that have one of these values in a column."""
    if not values:
        return ()
    name = connection.dialect.name
    return connection.exec_driver_sql(
        _question(name, column, len(values)),
        tuple(values) if name == "sqlite" else ([*values],),
    ).fetchall()


@lru_cache(maxsize=4_096)
def _question(dialect: str, column: Column[Any], values: int) -> str:
    table = column.table
    among = f"IN ({', '.join('?' * values)})" if dialect == "sqlite" else "= ANY(%b)"
    return f"SELECT {', '.join(table.c.keys())} FROM {table.name} WHERE {column.name} {among}"  # noqa: S608  # our own names


def extend(
    connection: Connection,
    tree: Tree,
    appended: Sequence[tuple[Hash, bytes]],
    tiles: Sequence[Tile],
    keys: Mapping[str, int],
    *,
    new: Collection[str] = (),
) -> None:
    """Write entries, the tiles that they fill, moved keys and the head.

    Args:
        tree: Has grown by them already.
        appended: Hash and bytes of each.
        new: Those of the keys that are known to be under none yet; they are written for less.
    """
    first = tree.size - len(appended)
    insert_rows(connection, ENTRIES, [(first + i, *both) for i, both in enumerate(appended)])
    insert_rows(connection, TILES, tiles)
    insert_rows(connection, LATEST, [(key, keys[key]) for key in new])
    moved = [(key, index) for key, index in keys.items() if key not in new]
    insert_rows(connection, LATEST, moved, "ON CONFLICT (key) DO UPDATE SET idx = excluded.idx")
    head = (tree.size, tree.frontier.root(), b"".join(tree.frontier.hashes))
    connection.exec_driver_sql(_MOVE_HEAD[connection.dialect.name], head)


def insert_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[Sequence[object]],
    on_conflict: str = "",
) -> None:
    """Insert rows, each in the order of the table's columns; whatever fails ends the transaction.

    Not ``executemany``: SQLite's driver lets go of the interpreter lock at every row, and a busy
    event loop takes its time to give it back. This is twice as fast with 64 callers.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        parameters = tuple(chain.from_iterable(rows))
    else:
        parameters = tuple(map(list, zip(*rows, strict=True)))
    statement = _insertion(connection.dialect.name, table, len(rows), on_conflict)
    connection.exec_driver_sql(statement, parameters)


def upsert_rows(
    connection: Connection, table: Table, rows: Sequence[Sequence[object]], on_conflict: str
) -> None:
    """Insert rows, or update those whose key, which is their first column, is there."""
    key = next(iter(table.c))
    if connection.dialect.name == "sqlite":  # it copies every page that it may have to update
        there = {row[0] for row in rows_among(connection, key, [row[0] for row in rows])}
        insert_rows(connection, table, [row for row in rows if row[0] not in there])
        rows = [row for row in rows if row[0] in there]
    insert_rows(connection, table, rows, on_conflict)


@lru_cache(maxsize=4_096)
def _insertion(dialect: str, table: Table, rows: int, on_conflict: str) -> str:
    into = f"{table.name} ({', '.join(table.c.keys())})"
    if dialect == "sqlite":
        # Could it fail without ending the transaction, every page would be copied before.
        values = ", ".join([f"({', '.join('?' * len(table.c))})"] * rows)
        return f"INSERT OR ROLLBACK INTO {into} VALUES {values} {on_conflict}"  # noqa: S608  # ours
    # One statement for any number of rows, so that the server plans it once.
    arrays = ", ".join(f"%b::{_array(column)}" for column in table.c)
    return f"INSERT INTO {into} SELECT * FROM unnest({arrays}) {on_conflict}"  # noqa: S608  # ours


def _array(column: Column[Any]) -> str:
    """The type of many values of a column, as PostgreSQL calls it."""
    if isinstance(column.type, LargeBinary):
        return "bytea[]"
    return "bigint[]" if isinstance(column.type, Integer) else "text[]"
