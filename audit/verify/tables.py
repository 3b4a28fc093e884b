"""Whether tables are as this program makes them, and nothing is in their way.

What is not in the rows can change what they come to all the same: a trigger keeps what is erased,
a view or a policy hides from questions what it shows to a check, a collation takes two cases for
one.
"""

from collections.abc import Iterable
from functools import cache
from typing import TypeAlias

from sqlalchemy import Connection, create_engine

from audit.log import store
from audit.trail import projections
from audit.verify.report import Wrong

_Made: TypeAlias = frozenset[tuple[str, str, str]]
"""The kind of each thing that was made, its name, and how it was made."""

_TABLES = (store.TABLES, projections.TABLES)
_ZH = {
    "column": "列",
    "index": "索引",
    "policy": "行级策略",
    "rule": "规则",
    "table": "表",
    "trigger": "触发器",
    "view": "视图",
}

_IN_FILE = """
    SELECT type, name, sql FROM sqlite_schema
    WHERE sql IS NOT NULL AND NOT (type = 'table' AND name GLOB 'sqlite_stat[1-4]')
"""
"""Indexes of keys belong to their tables, and what ANALYZE has counted changes no answer."""

_ON_SERVER = """
    WITH ours AS (
        SELECT * FROM pg_class WHERE oid IN (SELECT to_regclass(name) FROM unnest(%b::text[]) name)
    )
    SELECT 'table', relname, concat(relkind, CASE WHEN relrowsecurity THEN ' row security' END)
    FROM ours
    UNION ALL SELECT 'column', relname || '.' || attname, concat(
        upper(replace(format_type(atttypid, atttypmod), 'character varying', 'varchar')),
        ' COLLATE "' || collname || '"',
        CASE WHEN attnotnull THEN ' NOT NULL' END, CASE WHEN atthasdef THEN ' DEFAULT' END)
    FROM ours JOIN pg_attribute ON attrelid = ours.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_collation ON pg_collation.oid = attcollation
    UNION ALL SELECT 'table', inhrelid::regclass::text, 'child' FROM ours
    JOIN pg_inherits ON inhparent = ours.oid
    UNION ALL SELECT 'trigger', tgname, '' FROM ours
    JOIN pg_trigger ON tgrelid = ours.oid AND NOT tgisinternal
    UNION ALL SELECT 'rule', rulename, '' FROM ours JOIN pg_rewrite ON ev_class = ours.oid
    UNION ALL SELECT 'policy', polname, '' FROM ours JOIN pg_policy ON polrelid = ours.oid
"""
"""What else a database has is its owner's; its indexes are looked after by `pg_amcheck`."""


def check_tables(connection: Connection, wrong: Wrong) -> None:
    """Every table is as it was made, and what is not of this program's making is not there."""
    stored, ours = (
        (_in_file(connection), _ours_in_file())
        if connection.dialect.name == "sqlite"
        else (_on_server(connection), _ours_on_server(connection))
    )
    for kind, name in sorted({(kind, name) for kind, name, _ in stored ^ ours}):
        wrong(
            None,
            f"the {kind} `{name}` is not as this program makes it",
            f"{_ZH[kind]} `{name}` 并非本程序所建的样子",
        )


def _in_file(connection: Connection) -> _Made:
    return _made(
        (kind, name, "".join(sql.split()).replace('"', ""))
        for kind, name, sql in connection.exec_driver_sql(_IN_FILE)
    )


@cache
def _ours_in_file() -> _Made:
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            for metadata in _TABLES:
                metadata.create_all(connection)
            return _in_file(connection)
    finally:
        engine.dispose()


def _on_server(connection: Connection) -> _Made:
    names = [name for metadata in _TABLES for name in metadata.tables]
    return _made(connection.exec_driver_sql(_ON_SERVER, (names,)))


def _ours_on_server(connection: Connection) -> _Made:
    tables = [table for metadata in _TABLES for table in metadata.tables.values()]
    return _made(
        [
            *(("table", table.name, "r") for table in tables),
            *(
                ("column", f"{table.name}.{column.name}", f"{type_} NOT NULL")
                for table in tables
                for column in table.c
                for type_ in [column.type.compile(dialect=connection.dialect)]
            ),
        ]
    )


def _made(rows: Iterable[Iterable[str]]) -> _Made:
    return frozenset((kind, name, how) for kind, name, how in rows)
