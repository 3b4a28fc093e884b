"""The same registers as their owners keep them for others: views (前置库), or a file a night.

What a register answers over HTTP stands in its rows. How far an answer is, which a code says there,
says a column here; and whoever it says nothing of has no row.
"""

import csv
import hashlib
import io
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from evidence_adapters.conversions import COERCIONS
from evidence_adapters.register import FieldRules, Register
from evidence_adapters.sandbox.city import City
from evidence_adapters.sandbox.dialects import DIALECTS
from evidence_adapters.sandbox.firms import Firms
from evidence_adapters.sandbox.turn import CHINA, Condition, Turn, look_up

STATUS, PROMISED, SYNCED = "cx_zt", "cn_sj", "tb_sj"
"""查询状态, 承诺答复时间, 同步时间: what every view has besides a register's own columns."""

NUMBER = "mx_xh"
"""明细序号: where a record has a list, and is as many rows, which of them this is."""

Keys: TypeAlias = Mapping[str, str]
Row: TypeAlias = Mapping[str, str | None]
"""Texts by column, as front-end databases hold them; None where nothing stands."""

_WORDS: Final = {
    "1": "MATCH",
    "2": "DISPUTED",
    "3": "AMBIGUOUS",
    "4": "PENDING",
    "5": "DENIED",
    "6": "UNAVAILABLE",
}


def as_rows(register: Register, transport: Literal["sql", "file"]) -> Register:
    """The register as its file would be if it came that way."""
    where = {
        column: name
        for column, rules in register.normalise.items()
        if (name := rules.rename or column) in register.keys
    }
    request: dict[str, Any] = {"where": where, "status": STATUS, "promised": PROMISED}
    if listed := _list_of(register):
        request |= {"list": listed, "numbered": NUMBER}
    if transport == "sql":
        request |= {"view": f"v_{register.key}", "synced": f"v_{register.key}_tb.{SYNCED}"}
    else:
        request |= {"batch": {"format": "csv", "encoding": "gb18030"}}
    said = register.model_dump(exclude={"envelope", "statuses", "request", "transport"})
    return Register.model_validate(
        {
            **said,
            "transport": transport,
            "request": request,
            "statuses": _WORDS,
            "normalise": {
                **{column: _as_text(rules, column) for column, rules in register.normalise.items()},
                STATUS: {"type": "string", "allowed": tuple(_WORDS), "required": True},
                PROMISED: {"type": "datetime", "coerce": "cn_datetime", "nullable": True},
            },
        }
    )


def everybody(city: City, register: Register) -> Iterator[Keys]:
    """By which keys whom or what the register can be asked for."""
    if register.keys == {"id_number"}:
        yield from ({"id_number": person.id_number} for person in city)
        return
    firms = Firms(city)
    for place, firm in enumerate(firms):
        house = firms.house(place)
        names = {
            "organisation_code": firm.code,
            "id_number": firm.representative,
            "house_code": house.code,
            "property_unit": house.unit,
        }
        if all(names[key] for key in register.keys):
            yield {key: names[key] for key in register.keys}


def rows(
    city: City,
    register: Register,
    questions: Iterable[Keys],
    *,
    at: datetime,
    bent: Callable[[Keys], Condition | None] = lambda _keys: None,
) -> list[Row]:
    """What the view or the file holds of these subjects.

    Args:
        register: As it comes over HTTP.
        at: The instant for which its owner vouches.
        bent: What else the register has to say of a subject, e.g. that a person must look first.
    """
    return [row for keys in questions for row in _rows_about(city, register, keys, at, bent(keys))]


def _rows_about(
    city: City, register: Register, keys: Keys, at: datetime, bent: Condition | None
) -> Iterator[Row]:
    about = look_up(city, keys)
    turn = Turn(
        about=about,
        others=(),
        condition=bent or ("disputed" if about.is_disputed else "found"),
        filing_date=at.astimezone(CHINA).date(),
        serial="",
        as_of=at,
    )
    answer = DIALECTS[register.key](turn)
    code, rules = next(
        (answer[field], rules)
        for field, rules in register.envelope.fields.items()
        if (rules.rename or field) == "code"
    )
    word = register.statuses[str(COERCIONS["code"](code) if rules.coerce else code)]
    columns: dict[str, str | None] = dict.fromkeys(_columns(register))
    found_by = {
        column: keys[name].upper()
        for column, rules in register.normalise.items()
        if (name := rules.rename or column) in register.keys
    }
    match word:
        case "NO_RECORD" | "NO_RECORD_INCONCLUSIVE":
            return
        case "MATCH":
            for record in _listed(answer[register.envelope.records]):
                for row in _as_it_is_long(record, register):
                    yield {**columns, **row, **found_by, STATUS: "1"}
        case _:
            status = next(text for text, meant in _WORDS.items() if meant == word)
            promised = turn.promised if word == "PENDING" else None
            yield {**columns, **found_by, STATUS: status, PROMISED: promised}


def _as_it_is_long(record: Mapping[str, Any], register: Register) -> Iterator[Row]:
    """The record as a row, or as one for each of its list."""
    listed = _list_of(register)
    plain = {name: _text(record.get(name)) for name in register.normalise if name != listed}
    entries = record[listed] if listed else []
    for number, entry in enumerate(entries, 1):
        cells = {
            _in_the_list(listed, name): _text(entry.get(name))
            for name in register.normalise[listed].columns
        }
        yield {**plain, **cells, NUMBER: str(number)}
    if not entries:
        yield plain


def _list_of(register: Register) -> str:
    """The record's field that holds a list; empty if there is none."""
    return next((name for name, rules in register.normalise.items() if rules.columns), "")


def _in_the_list(listed: str, column: str) -> str:
    """A column of the list, which the record may have a column of the same name beside."""
    return f"{listed}_{column}"


def _columns(register: Register) -> tuple[str, ...]:
    """Of the view or the file, in their order."""
    listed = _list_of(register)
    own = [name for name in register.normalise if name != listed]
    cells = (
        [_in_the_list(listed, name) for name in register.normalise[listed].columns]
        if listed
        else []
    )
    return (*own, *cells, *([NUMBER] if listed else []), STATUS, PROMISED)


def _listed(records: Any) -> Sequence[Mapping[str, object]]:  # noqa: ANN401 - as the vendor wraps them
    return records if isinstance(records, list) else [records]


def _text(value: object) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            return "1" if value else "0"
        case _:
            return str(value)


def _as_text(rules: FieldRules, column: str) -> FieldRules:
    """The same field where every column holds texts, and nothing where it is optional."""
    if rules.columns:
        cells = {
            _in_the_list(column, name): _as_text(cell, name).model_copy(
                update={"rename": cell.rename or name}
            )
            for name, cell in rules.columns.items()
        }
        return rules.model_copy(update={"columns": cells})
    changes: dict[str, object] = {} if rules.required else {"nullable": True}
    if rules.coerce is None and rules.type in {"integer", "number"}:
        changes |= {"coerce": "number"}
    if rules.coerce is None and rules.type == "boolean":
        changes |= {"coerce": "flag"}
    return rules.model_copy(update=changes)


def script(register: Register, found: Iterable[Row], *, at: datetime) -> str:
    """SQL that makes and fills the register's view, for PostgreSQL and SQLite alike."""
    view, columns = f"v_{register.key}", _columns(register)
    names = ", ".join(f'"{column}"' for column in columns)
    typed = ", ".join(f'"{column}" text' for column in columns)
    values = (", ".join(_quoted(row[name]) for name in columns) for row in found)
    filled = [
        f"INSERT INTO t_{register.key} VALUES ({cells});"  # noqa: S608 - a script is what is asked for
        for cells in values
    ]
    return "\n".join(
        (
            f"CREATE TABLE t_{register.key} ({typed});",
            *filled,
            f"CREATE VIEW {view} AS SELECT {names} FROM t_{register.key};",  # noqa: S608 - likewise
            f"CREATE VIEW {view}_tb AS SELECT {_quoted(_stamp(at))} AS {SYNCED};",
        )
    )


def fill(path: Path, scripts: Iterable[str]) -> None:
    """Make an SQLite file of the scripts of several registers."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("\n".join(("BEGIN;", *scripts, "COMMIT;")))


def drop(folder: Path, register: Register, found: Sequence[Row], *, at: datetime) -> None:
    """Put the register's file of the night there, and then its manifest."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    columns = _columns(register)
    writer.writerow(columns)
    writer.writerows(["" if row[name] is None else row[name] for name in columns] for row in found)
    content, batch = text.getvalue().encode("gb18030"), f"{at.astimezone(CHINA):%Y%m%d%H%M%S}"
    manifest = {
        "file": f"{register.key}-{batch}.csv",
        "batch": batch,
        "as_of": _stamp(at),
        "rows": len(found),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (folder / str(manifest["file"])).write_bytes(content)
    (folder / f"{batch}.json").write_text(json.dumps(manifest), encoding="utf-8")


def _stamp(at: datetime) -> str:
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def _quoted(cell: str | None) -> str:
    return "NULL" if cell is None else "'" + cell.replace("'", "''") + "'"
