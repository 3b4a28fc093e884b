"""Bringing the tables of an older store to what this program knows, while no service holds it.

What follows from the entries is derived again and needs no step of its own; a step changes only
what does not. Everything is one transaction, and ends with an entry that tells of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import StoreRefusedError
from audit.log import connections, store
from audit.log.anchor import Anchor
from audit.log.checkpoint import Checkpoint
from audit.log.files import replace
from audit.log.log import refuse_missing
from audit.log.standing import ANCHOR_FILE, CHECKPOINT_FILE, sound
from audit.trail import Entry
from audit.trail.canonical import Json
from audit.trail.offline import append
from audit.trail.projections import derive_again
from audit.trail.unsealing import read_keyring
from audit.verify.derivation import derive
from audit.verify.report import Progress

MIGRATION_TYPE = "migration/1"
MIGRATION_KEY = "migration"
"""The opaque key whose newest entry is the newest migration."""


def _nothing_else(_connection: Connection) -> None:
    """Only projections differ."""


def _to_3(connection: Connection) -> None:
    """`mark_sets` takes the place of `entry_marks`; `subject_keys` is searched by id alone."""
    sqlite = (
        "ALTER TABLE subject_keys RENAME TO former_keys",
        """CREATE TABLE subject_keys (id VARCHAR NOT NULL, subject_tag VARCHAR NOT NULL,
            wrapped BLOB NOT NULL, PRIMARY KEY (id)) WITHOUT ROWID""",
        "INSERT INTO subject_keys SELECT id, subject_tag, wrapped FROM former_keys ORDER BY id",
        "DROP TABLE former_keys",
    )
    postgresql = ("DROP INDEX ix_subject_keys_subject_tag",)
    for statement in (
        "DROP TABLE IF EXISTS entry_marks",
        *(sqlite if connection.dialect.name == "sqlite" else postgresql),
        "CREATE INDEX subject_keys_of_nobody ON subject_keys (id) WHERE subject_tag = ''",
    ):
        connection.exec_driver_sql(statement)


def _to_4(connection: Connection) -> None:
    """`spans` came, who called is told by sets of marks, and `sealed` is searched by key."""
    connection.exec_driver_sql("CREATE INDEX sealed_by_key ON sealed (subject_key_id)")


STEPS: Mapping[int, Callable[[Connection], None]] = {
    1: _nothing_else,  # to 2: `entries` tells the caller, and `entry_marks` came
    2: _to_3,
    3: _to_4,
}
"""What leads from each version of the tables to the next, but for what is derived again.

A step is written in SQL of its own, for it must go on doing the same when the tables change again.
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """What was done.

    Attributes:
        schema: The version that the store had.
        index: Of the entry that tells of it.
    """

    schema: int
    index: int


def migrate(
    folder: Path,
    *,
    operator: str,
    now: datetime,
    anchor: Path | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Migration:
    """Bring the store to the version of this program, verified.

    Args:
        operator: The account that does it; readable for ever.
        anchor: Where the anchor lies; by default in the folder.
        progress: Told how far the verification of the new tables has come.

    Raises:
        StoreRefusedError: It has that version already (``NOTHING_TO_MIGRATE``) or one that this
            program does not know (``SCHEMA_UNKNOWN``); a process holds it, it must not be opened
            as it is, it is damaged, or the disk failed. Then nothing was changed. Or it is
            migrated, and its anchor could not be written (``MIGRATION_UNSIGNED``).
    """
    refuse_missing(folder)
    place = anchor or folder / ANCHOR_FILE
    try:
        with connections.at(folder).alone() as connection:
            with connection.begin():
                schema = _step(connection)
                signer, anchored = sound(connection, folder, place)
                head = _tell(connection, folder, (schema, operator, now), progress)
            try:
                Anchor(place).advance(anchored, head)
                replace(folder / CHECKPOINT_FILE, signer.sign(head), durable=True)
            except OSError as error:
                raise _unsigned() from error
    except (OSError, SQLAlchemyError, ValueError) as error:
        raise _unfinished() from error
    return Migration(schema, head.size - 1)


def _step(connection: Connection) -> int:
    """Go from the version that is there, step by step, to ours; returns which it was."""
    schema = store.read_schema(connection)
    if schema == store.SCHEMA:
        raise StoreRefusedError(
            f"the store has schema {schema} already",
            zh=f"记录库的结构版本已是 {schema}，无须迁移；直接启动服务即可",
            reason="NOTHING_TO_MIGRATE",
            hint="Start the service.",
        )
    if schema not in STEPS:
        store.read_head(connection)  # refuses what is newer than this program
    for version in range(schema, store.SCHEMA):
        STEPS[version](connection)
    derive_again(connection)
    store.write_schema(connection)
    return schema


def _tell(
    connection: Connection, folder: Path, told: tuple[int, str, datetime], progress: Progress
) -> Checkpoint:
    """Append the entry that tells of it, unless something does not follow from the entries."""
    schema, operator, now = told
    head, keyring = store.read_head(connection), read_keyring(folder, connection)
    problems = derive(connection, keyring, progress=progress).problems
    if problems:
        raise StoreRefusedError(
            f"the store itself is damaged: {problems[0].line}",
            zh=f"记录库本身已损坏（{problems[0].zh_line}），未作任何改动；请先放回完好的备份",
            reason="STORE_DAMAGED",
            hint="Nothing was changed: put a sound backup in its place first.",
        )
    said: dict[str, Json] = {"from": schema, "to": store.SCHEMA, "operator": operator}
    entry = Entry(MIGRATION_TYPE, str(uuid4()), now, said, {})
    return append(connection, head, keyring, entry, key=MIGRATION_KEY)


def _unsigned() -> StoreRefusedError:
    return StoreRefusedError(
        "the store is migrated, but its anchor or its signed checkpoint could not be written",
        zh="记录库已迁移完毕，但锚或已签检查点写不了；请检查其磁盘与权限后启动服务，服务会补签",
        reason="MIGRATION_UNSIGNED",
        hint="Look at their disk and permissions, then start the service, which signs it forward.",
    )


def _unfinished() -> StoreRefusedError:
    return StoreRefusedError(
        "the disk or the database failed before the store was migrated",
        zh="磁盘或数据库出错，未能迁移，记录库仍是原样；请检查后再次运行",
        reason="MIGRATION_UNFINISHED",
        hint="Look at the disk or the database, then run it again; the store is as it was.",
    )
