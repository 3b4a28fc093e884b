"""A batch of a register: from the file that its owner dropped to the one that questions read.

Nothing of a batch counts before all of it is sound: the manifest, the file's digest, its form,
every row, and that the register has not lost its people over night. It is then put in the place of
the batch before in one step. ``python -m evidence_adapters.intake`` does it in a process of its
own, since reading a million rows would hold up every question, and a file may break its reader.
"""

import fcntl
import hashlib
import io
import os
import re
import resource
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime, time, timedelta
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final, Self, TypeAlias
from urllib.parse import quote

from pydantic import Field, ValidationError

from decision_service.model import Frozen
from evidence_adapters import rows, sheets, strict_json
from evidence_adapters.conversions import CHINA, COERCIONS
from evidence_adapters.normalise import RowCheck
from evidence_adapters.register import Batch, FieldRules, Register
from evidence_adapters.sheets import UnsoundError

MOST_BYTES: Final = 4 << 30
"""Of a dropped file; a city of twenty million writes less about each of them on one line."""

MANIFEST_BYTES: Final = 16_384

_CLOCKS: Final = timedelta(minutes=5)
"""How far the owner's clock may run ahead of ours."""

_FIRST_YEAR: Final = 2000
"""No register is kept for a day before; ``0001-01-01``, for "never", is no instant of UTC."""

_NICE: Final = 10
"""Steps by which reading a batch gives way to answering questions."""

_MEMORY: Final = 4 << 30
"""Bytes that reading a batch may take: a small workbook can ask for more than the machine has."""

_TABLES: Final = """
CREATE TABLE record (key TEXT NOT NULL, line BLOB NOT NULL, place INTEGER, record INTEGER);
CREATE TABLE batch (held TEXT NOT NULL);
"""

_SEVERAL: Final = "count(*) > 1"
"""Rows of one key that are not one record."""

_NOT_ONE_LIST: Final = """
count(place) < count(*) OR count(DISTINCT record) > 1 OR count(DISTINCT place) < count(*)
OR max(place) > count(*) OR (min(place) = 0 AND count(*) > 1)
"""
"""Rows of one key that are not one record with all of its list."""


class Held(Frozen):
    """The batch that questions are answered from.

    Attributes:
        as_of: The instant for which its owner vouches; of a day, its first.
        rows: All of them.
        wrong_rows: How many of them are off contract or share a key.
        sha256: Of the file, hex.
        contract: SHA-256 (hex) of the register's file by which it was read.
    """

    batch: str
    as_of: datetime
    rows: int
    wrong_rows: int
    sha256: str
    contract: str


class Manifest(Frozen):
    """What the owner writes beside a file, once the file is whole.

    Attributes:
        file: Its name, in the same folder.
        batch: The owner's number of it; of two of one instant the greater is the later, where
            digits count as the numbers that they are.
        as_of: The day or the instant for which it vouches, as `conversions` read them.
        rows: How many it has, without the head.
        sha256: Of the file, hex.
        shrunk: Whether its owner knows that it has far fewer rows than the one before.
    """

    file: str = Field(pattern=r"^[\w-][\w.-]{0,127}$")
    batch: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    as_of: str
    rows: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$")
    shrunk: bool = False

    @property
    def instant(self) -> datetime:
        """The instant for which the file vouches: nothing says that it knew more of a day.

        Raises:
            UnsoundError: It is neither a day nor an instant, or one that no register vouches for.
        """
        for coercion in ("cn_datetime", "cn_date"):
            with suppress(ValueError):
                read: Any = COERCIONS[coercion](self.as_of)
                whole = read if isinstance(read, datetime) else datetime.combine(read, time())
                if whole.year < _FIRST_YEAR:
                    raise UnsoundError(f"`as_of` lies before the year {_FIRST_YEAR}")
                return whole if whole.tzinfo else whole.replace(tzinfo=CHINA)
        raise UnsoundError("`as_of` is neither a day nor an instant")


class Order(Frozen):
    """What to look for, and where to put it.

    Attributes:
        drop: The folder in which the owner puts files and manifests.
        target: The file that questions are answered from.
        fields, where, batch, contract, status, listed, numbered: Of the register's file.
        matches: What the column ``status`` says of a match.
        now: No batch vouches for a later instant.
        told: Refusals that are known, by `Refused.seen`; the same is not looked at again.
    """

    drop: Path
    target: Path
    fields: Mapping[str, FieldRules]
    where: Mapping[str, str]
    batch: Batch
    contract: str
    now: datetime
    status: str = ""
    matches: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    numbered: str = ""
    told: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        register: Register,
        *,
        drop: Path,
        target: Path,
        now: datetime,
        told: tuple[str, ...] = (),
    ) -> Self:
        """What a register that comes by file wants."""
        request = register.request
        assert request.batch is not None  # noqa: S101 - `register.faults` has seen to it
        return cls(
            drop=drop,
            target=target,
            fields=register.columns,
            where=request.where,
            batch=request.batch,
            contract=register.digest,
            status=request.status,
            matches=register.matches,
            listed=tuple(register.listed),
            numbered=request.numbered,
            now=now,
            told=told,
        )


class Refused(Frozen):
    """A batch that was not taken.

    Attributes:
        manifest: Name of the manifest; empty if reading itself failed.
        faults: Everything that is wrong, without a value of any row.
        seen: What was looked at; it is another once the owner has changed anything.
    """

    manifest: str
    faults: tuple[str, ...]
    seen: str = ""


class Report(Frozen):
    """What became of one look into a drop.

    Attributes:
        whole: Whether everything there was looked at; if not, it has to be looked at again.
    """

    taken: Held | None = None
    refused: tuple[Refused, ...] = ()
    whole: bool = True


def take(order: Order, begin: Callable[[Refused], None] = lambda _: None) -> Report:
    """Put the newest sound batch that is newer than the one held in its place.

    Args:
        begin: Is told of every batch before it is read, as it is refused should reading it end us.

    Raises:
        OSError: The drop cannot be listed, or the target not be written.
    """
    with _alone(order.target):
        return _take(order, begin)


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One reader of a register's drop at a time; what a killed one left behind is removed."""
    descriptor = os.open(target.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for left in (target.with_suffix(".file"), target.with_suffix(".part")):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)


def _take(order: Order, begin: Callable[[Refused], None]) -> Report:
    held = held_in(order.target)
    if held is not None and held.contract != order.contract:
        held = None
    known: list[Refused] = []
    offers: list[tuple[datetime, _Turn, Manifest, str, str, int]] = []
    for name, seen, content, came in _manifests(order.drop):
        try:
            manifest = _read(content)
            turn = _turn(manifest.batch)
            offers.append((manifest.instant, turn, manifest, name, seen, came))
        except UnsoundError as error:
            known.append(Refused(manifest=name, faults=(str(error),), seen=seen))
    taken = None
    for instant, turn, manifest, name, seen, came in sorted(offers, key=lambda one: one[:2])[::-1]:
        if held is not None and (instant, turn) <= (held.as_of, _turn(held.batch)):
            if _is_passed_over(order, manifest, held, came):
                fault = f"passed over: batch `{held.batch}` of the same instant is in use"
                known.append(Refused(manifest=name, faults=(fault,), seen=seen))
            continue
        if seen in order.told:
            continue
        begin(Refused(manifest=name, faults=("reading it has not ended",), seen=seen))
        faults, taken = _load(order, manifest, held)
        if taken is not None:
            break
        known.append(Refused(manifest=name, faults=faults, seen=seen))
    return Report(taken=taken, refused=tuple(one for one in known if one.seen not in order.told))


_Turn: TypeAlias = tuple[tuple[int, str], ...]


def _turn(batch: str) -> _Turn:
    """The owner's number of a batch in its order among others: 10 comes after 9."""
    runs = re.findall("[0-9]+|[^0-9]+", batch)
    return tuple((int(run), "") if run.isdigit() else (sys.maxsize, run) for run in runs)


def _is_passed_over(order: Order, manifest: Manifest, held: Held, came: int) -> bool:
    """Whether its owner may have meant it to be used, and it never will: it came after the other.

    What was there before that one is what it has replaced.
    """
    return (
        manifest.instant == held.as_of
        and manifest.sha256.lower() != held.sha256
        and came >= order.target.stat().st_ctime_ns
    )


def held_in(target: Path) -> Held | None:
    """The batch in the file; None if there is none that can be read."""
    if not target.is_file():
        return None
    try:
        with closing(open_batch(target)) as connection:
            return held_by(connection)
    except (sqlite3.Error, ValidationError, TypeError):
        return None


def open_batch(target: Path) -> sqlite3.Connection:
    """The batch for reading; whoever has it open keeps it, also when another takes its place.

    Raises:
        sqlite3.Error: There is none.
    """
    return sqlite3.connect(f"file:{quote(str(target))}?mode=ro&immutable=1", uri=True)


def held_by(connection: sqlite3.Connection) -> Held:
    """What the batch says of itself."""
    (told,) = connection.execute("SELECT held FROM batch").fetchone()
    return Held.model_validate_json(told)


def lines_of(connection: sqlite3.Connection, key: str) -> list[bytes]:
    """The rows of a key, as many as an answer may have, and one more."""
    found = connection.execute(
        "SELECT line FROM record WHERE key = ? LIMIT ?", (key, rows.MOST_ROWS + 1)
    )
    return [line for (line,) in found]


def _manifests(drop: Path) -> Iterator[tuple[str, str, bytes, int]]:
    """Name, sight and content of every manifest, and when it came (in ns).

    Its sight covers the file beside it, too.
    """
    entries = {entry.name: entry for entry in os.scandir(drop)}
    for name in sorted(entries):
        if not name.endswith(".json"):
            continue
        content, came = b"", 0
        with suppress(OSError), _opened(drop / name) as file:
            content, came = file.read(MANIFEST_BYTES + 1), os.fstat(file.fileno()).st_ctime_ns
        sight = hashlib.sha256(content)
        with suppress(UnsoundError, LookupError, OSError):
            about = entries[_read(content).file].stat(follow_symlinks=False)
            sight.update(f"{about.st_size} {about.st_mtime_ns} {about.st_ino}".encode())
        # A name in another encoding than ours could not be told.
        told = os.fsencode(name).decode("utf-8", "replace")
        yield told, sight.hexdigest(), content, came


def _read(content: bytes) -> Manifest:
    if len(content) > MANIFEST_BYTES:
        raise UnsoundError("the manifest is too long")
    try:
        return Manifest.model_validate(strict_json.parse(content))
    except strict_json.NotStrictError as error:
        raise UnsoundError(f"the manifest: {error}") from None
    except ValidationError as error:
        told = sorted({".".join(map(str, one["loc"])) or "all of it" for one in error.errors()})
        raise UnsoundError(f"the manifest is off contract in {', '.join(told)}") from None


class _Loading:
    """The rows of a file on their way into the table, and what is wrong with them."""

    def __init__(self, order: Order, manifest: Manifest) -> None:
        self._check = RowCheck(
            order.fields,
            order.where,
            status=order.status,
            matches=order.matches,
            listed=order.listed,
            numbered=order.numbered,
        )
        self._numbered = order.numbered
        self._own = [name for name in order.fields if name not in {*order.listed, order.numbered}]
        self._keys = set(order.where)
        self._expected = manifest.rows
        self._wrong_by: Counter[str] = Counter()
        self._first: dict[str, int] = {}
        self.rows = 0
        self.wrong_rows = 0
        self.keys_are_sound = True

    def lines(
        self, found: Iterator[dict[str, object]]
    ) -> Iterator[tuple[str, bytes, int | None, int]]:
        """Key and content of every row, its place in a list, and a hash of what it is a list of.

        Raises:
            UnsoundError: There are more than the manifest says, or one has no exact value.
        """
        for row in found:
            self.rows += 1
            if self.rows > self._expected:
                raise UnsoundError(f"there are more than the {self._expected} rows it should have")
            wrong = self._check.wrong(row)
            for column in wrong:
                self._wrong_by[column] += 1
                self._first.setdefault(column, self.rows)
            self.wrong_rows += bool(wrong)
            if not self._keys.isdisjoint(wrong):
                self.keys_are_sound = False
                continue
            try:
                yield self._check.key(row), rows.line(row), *self._of_a_list(row)
            except rows.InexactError as error:
                raise UnsoundError(f"row {self.rows}: {error}") from None

    def _of_a_list(self, row: Mapping[str, object]) -> tuple[int | None, int]:
        if not self._numbered:
            return 0, 0
        own = rows.line({name: row[name] for name in self._own})
        return rows.place(row[self._numbered]), hash(own)

    @property
    def faults(self) -> tuple[str, ...]:
        """The columns off contract, how often, and where first."""
        return tuple(
            f"`{column}` is off contract in {count} rows, the first of them row "
            f"{self._first[column]}"
            for column, count in sorted(self._wrong_by.items())
        )


def _load(
    order: Order, manifest: Manifest, held: Held | None
) -> tuple[tuple[str, ...], Held | None]:
    """Read the file into a new table and put it in place; or say everything that is wrong.

    A file that breaks its reader is refused like any other, so that an older one can be taken.

    Raises:
        OSError, sqlite3.OperationalError: It could not be written.
    """
    if faults := [*_manifest_faults(order, manifest, held)]:
        return tuple(faults), None
    copy, part = order.target.with_suffix(".file"), order.target.with_suffix(".part")
    try:
        _copy(order.drop / manifest.file, copy, manifest.sha256.lower())
        loading = _Loading(order, manifest)
        part.touch(mode=0o600, exist_ok=False)
        with closing(sqlite3.connect(part, isolation_level=None)) as connection:
            connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            connection.executescript(_TABLES + "BEGIN;")
            connection.executemany(
                "INSERT INTO record VALUES (?, ?, ?, ?)",
                loading.lines(sheets.rows(copy, order.batch, [*order.fields])),
            )
            connection.execute("CREATE INDEX by_key ON record (key)")
            faults, wrong_rows = _row_faults(order, manifest, loading, connection)
            if faults:
                return tuple(faults), None
            taken = Held(
                batch=manifest.batch,
                as_of=manifest.instant,
                rows=loading.rows,
                wrong_rows=wrong_rows,
                sha256=manifest.sha256.lower(),
                contract=order.contract,
            )
            connection.execute("INSERT INTO batch VALUES (?)", (taken.model_dump_json(),))
            connection.execute("COMMIT")
        _put(part, order.target)
    except UnsoundError as error:
        return (str(error),), None
    except (OSError, sqlite3.OperationalError, KeyboardInterrupt, SystemExit):
        raise  # no fault of the batch: a disk that is full, or whoever ends us
    except BaseException as error:  # noqa: BLE001 - a library that panics raises no `Exception`
        return (f"reading it failed with {type(error).__name__}",), None
    else:
        return (), taken
    finally:
        copy.unlink(missing_ok=True)
        part.unlink(missing_ok=True)


def _manifest_faults(order: Order, manifest: Manifest, held: Held | None) -> Iterator[str]:
    """What can be told before the file is opened."""
    if manifest.instant > order.now + _CLOCKS:
        yield "`as_of` lies in the future"
    if manifest.rows < order.batch.least_rows:
        yield f"{manifest.rows} rows are fewer than the {order.batch.least_rows} it never is under"
    if held is not None and not manifest.shrunk:
        least = -(-held.rows * (100 - order.batch.may_shrink_by) // 100)
        if manifest.rows < least:
            yield (
                f"{manifest.rows} rows are fewer than {least}: the batch before had {held.rows}, "
                f"and may shrink by {order.batch.may_shrink_by} %"
            )


def _row_faults(
    order: Order, manifest: Manifest, loading: _Loading, connection: sqlite3.Connection
) -> tuple[list[str], int]:
    """What is wrong with the rows all together, and how many of them are wrong."""
    several = _NOT_ONE_LIST if order.numbered else _SEVERAL
    keys, sharing = connection.execute(
        "SELECT count(*), coalesce(sum(n), 0) FROM "  # noqa: S608 - of two constants
        f"(SELECT count(*) AS n FROM record GROUP BY key HAVING {several})"
    ).fetchone()
    faults, wrong_rows = [], loading.wrong_rows + sharing
    if loading.rows != manifest.rows:
        faults.append(f"there are {loading.rows} rows in place of {manifest.rows}")
    if wrong_rows > order.batch.wrong_rows or not loading.keys_are_sound:
        faults += loading.faults
        if keys and order.numbered:
            faults.append(f"{sharing} rows of {keys} keys are not each a record with all its list")
        elif keys:
            faults.append(f"{sharing} rows share {keys} keys")
        if not loading.keys_are_sound:
            faults.append("whom a row is about must be known of every row")
    return faults, wrong_rows


def _opened(path: Path) -> io.BufferedReader:
    """A regular file, never a link, a pipe or a device.

    Raises:
        OSError: It is none, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not a regular file")
    return os.fdopen(descriptor, "rb")


def _copy(source: Path, copy: Path, sha256: str) -> None:
    """A copy that nobody else can change while it is read, if it is the file that is meant."""
    digest, size = hashlib.sha256(), 0
    try:
        opened = _opened(source)
    except OSError:
        raise UnsoundError("the file that the manifest names cannot be read") from None
    copy.touch(mode=0o600, exist_ok=False)
    with opened, copy.open("wb") as ours:
        while chunk := opened.read(1 << 20):
            size += len(chunk)
            if size > MOST_BYTES:
                raise UnsoundError(f"the file is longer than {MOST_BYTES >> 30} GiB")
            digest.update(chunk)
            ours.write(chunk)
    if digest.hexdigest() != sha256:
        raise UnsoundError("the file is not the one that the manifest means: its SHA-256 differs")


def _put(part: Path, target: Path) -> None:
    """In one step, and so that a loss of power leaves one batch or the other."""
    for path, action in ((part, lambda: part.replace(target)), (target.parent, lambda: None)):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        action()


def main() -> None:
    """Carry out the order on the standard input.

    On the standard output is a line for each batch that is begun, and the report as the last.
    """
    os.nice(_NICE)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    most = _MEMORY if most == resource.RLIM_INFINITY else min(_MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    _say(take(Order.model_validate_json(sys.stdin.buffer.read()), _say))


def _say(told: Frozen) -> None:
    sys.stdout.write(f"{told.model_dump_json()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
