"""The log's tables, what is written to them and what is asked of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from sqlalchemy import (
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
from audit.log.connections import connect_new
from audit.log.merkle import Frontier, Hash
from audit.log.tiles import WIDTH, Tile, TileReader, Tree, split_hashes

SCHEMA = 2
"""Version of all tables of the store; another one is refused."""

TABLES = MetaData()

ENTRIES = Table(
    "log_entries",
    TABLES,
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
)

TILES = Table(
    "log_tiles",
    TABLES,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
)

HEAD = Table(
    "log_head",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("schema", Integer, nullable=False),
    Column("origin", String, nullable=False),
    Column("size", Integer, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
)

LATEST = Table(
    "log_latest",
    TABLES,
    Column("key", String, primary_key=True),
    Column("idx", Integer, nullable=False),
    sqlite_with_rowid=False,
)

_HASHES = (
    select(ENTRIES.c.hash)
    .where(ENTRIES.c.idx >= bindparam("start"), ENTRIES.c.idx < bindparam("end"))
    .order_by(ENTRIES.c.idx)
)
_MOVE_HEAD = update(HEAD).where(HEAD.c.id == 0)


def create_store(
    path: Path,
    origin: str,
    tables: Sequence[MetaData],
    fill: Callable[[Connection], object],
) -> None:
    """Make a new store with the log's own tables and those of the layers above, filled."""
    empty = Checkpoint.empty(origin)
    connection = connect_new(path)
    with connection, connection.begin():
        for metadata in (TABLES, *tables):
            metadata.create_all(connection)
        fill(connection)
        connection.execute(
            insert(HEAD).values(
                id=0, schema=SCHEMA, origin=origin, size=0, root=empty.root, frontier=b""
            )
        )
    connection.engine.dispose()


def read_head(connection: Connection) -> Checkpoint:
    """What the store says that its log is.

    Raises:
        StoreRefusedError: It is no store, or one of another version.
    """
    try:
        row = connection.execute(select(HEAD)).one()
    except SQLAlchemyError:
        raise unreadable() from None
    if row.schema != SCHEMA:
        raise StoreRefusedError(
            f"the store has schema {row.schema}, this program knows {SCHEMA}",
            zh=f"记录库的结构版本是 {row.schema}，本程序只认 {SCHEMA}；请用写它的那个版本的程序",
            reason="SCHEMA_UNKNOWN",
            hint="Run the version of the program that wrote the store.",
        )
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
    except LookupError:
        tree = Tree(Frontier(), [])
    if (
        tree.size != head.size
        or tree.frontier.root() != head.root
        or b"".join(tree.frontier.hashes) != frontier
        or (-1 if beyond is None else beyond) != head.size - 1
    ):
        raise damaged()
    return tree


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
        at = (TILES.c.level == level) & (TILES.c.position == position)
        full = connection.execute(select(TILES.c.hashes).where(at)).scalar_one_or_none()
        if full is not None:
            return split_hashes(full)
        start, end = position * WIDTH, (position + 1) * WIDTH
        if level == 0:
            return [
                bytes(item)
                for item in connection.execute(_HASHES, {"start": start, "end": end}).scalars()
            ]
        roots = select(TILES.c.root).where(
            TILES.c.level == level - 1, TILES.c.position >= start, TILES.c.position < end
        )
        return list(connection.execute(roots.order_by(TILES.c.position)).scalars())

    return tile


def read_leaf(connection: Connection, index: int) -> bytes | None:
    """The exact bytes of the entry that were hashed; None if there is no such entry."""
    if not 0 <= index < 1 << 62:
        return None
    query = select(ENTRIES.c.leaf).where(ENTRIES.c.idx == index)
    return connection.execute(query).scalar_one_or_none()


def latest(connection: Connection, keys: Iterable[str]) -> dict[str, int]:
    """Index of the newest entry under each key; a key without one is left out."""
    wanted = tuple(keys)
    rows = connection.exec_driver_sql(
        f"SELECT key, idx FROM {LATEST.name}"  # noqa: S608  # our own name
        f" WHERE key IN ({', '.join('?' * len(wanted))})",
        wanted,
    )
    return {key: index for key, index in rows}  # noqa: C416  # rows are no pairs for mypy


def extend(
    connection: Connection,
    tree: Tree,
    appended: Sequence[tuple[Hash, bytes]],
    tiles: Sequence[Tile],
    keys: Mapping[str, int],
) -> None:
    """Write entries, the tiles that they fill, moved keys and the head.

    Args:
        tree: Has grown by them already.
        appended: Hash and bytes of each.
    """
    first = tree.size - len(appended)
    insert_rows(connection, ENTRIES, [(first + i, *both) for i, both in enumerate(appended)])
    insert_rows(connection, TILES, tiles)
    insert_rows(
        connection, LATEST, list(keys.items()), "ON CONFLICT (key) DO UPDATE SET idx = excluded.idx"
    )
    frontier = b"".join(tree.frontier.hashes)
    head = {"size": tree.size, "root": tree.frontier.root(), "frontier": frontier}
    connection.execute(_MOVE_HEAD, head)


def insert_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[Sequence[object]],
    on_conflict: str = "",
) -> None:
    """Insert rows, each in the order of the table's columns, with one statement.

    Not ``executemany``: its driver lets go of the interpreter lock at every row, and a busy event
    loop takes its time to give it back. This is twice as fast with 64 callers.
    """
    if not rows:
        return
    row = f"({', '.join('?' * len(table.c))})"
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({', '.join(table.c.keys())})"  # noqa: S608  # our own names
        f" VALUES {', '.join([row] * len(rows))} {on_conflict}",
        tuple(chain.from_iterable(rows)),
    )
