"""Everything in a store derived again from its entries, and compared with what is stored."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from audit.errors import StoreRefusedError
from audit.log import connections, sqlite, store
from audit.log.checkpoint import Checkpoint
from audit.log.merkle import EMPTY_ROOT, Frontier, Hash
from audit.log.tiles import WIDTH, Tree
from audit.trail.recoveries import Recovery, read_recoveries
from audit.trail.seal import Keyring
from audit.trail.unsealing import read_keyring
from audit.verify.crew import Task, Told, share_out
from audit.verify.report import Depth, Problem, Progress, Wrong, in_order
from audit.verify.stretch import CHAIN_BROKEN, Derived, Stretch, check_tile, derive_stretch
from audit.verify.tables import check_tables
from audit.verify.whole import (
    check_file,
    check_log,
    check_marks,
    check_releases,
    check_rows,
    check_spans,
    check_subject_keys,
)

Found = TypeVar("Found")
Check: TypeAlias = Callable[[Connection, Wrong], None]

STRETCH = {Depth.TREE: 262_144, Depth.ROWS: 16_384, Depth.SEALED: 16_384}
"""Entries that are worth a process's while: reading them takes longer than to start it."""

_A_PROCESS = 8
"""Stretches a process, so that all have done at about the same time."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """What follows from the entries of a store.

    Attributes:
        derived: The checkpoint.
        problems: What in the store does not follow; those of an entry first, the lowest first.
        roots: The root that the log had at each size that was of interest and that it came to.
        recoveries: Those of the log, the oldest first.
    """

    derived: Checkpoint
    problems: tuple[Problem, ...]
    roots: Mapping[int, Hash]
    recoveries: tuple[Recovery, ...]


def derive(
    connection: Connection,
    keyring: Keyring | None,
    *,
    sizes: Iterable[int] = (),
    depth: Depth = Depth.SEALED,
    progress: Progress = lambda _done, _all: None,
) -> Derivation:
    """Check a store on one connection, whose transaction may have changed it.

    Args:
        keyring: Opens the sealed parts; None leaves them shut.
        sizes: Sizes at which the root is of interest.
    """
    course = _Course(connection, sizes, depth)
    told = _counted(progress, course.size)
    stretches = [derive_stretch(connection, one, keyring, told) for one in course.stretches(1)]
    checked = [_checked(connection, check) for check in course.checks]
    return course.end(connection, stretches, checked)


def derive_at(
    folder: Path,
    *,
    keys: Path | Keyring | None,
    sizes: Sequence[int] = (),
    depth: Depth = Depth.SEALED,
    progress: Progress = lambda _done, _all: None,
    processes: int = 1,
) -> Derivation:
    """Check the store of the log in that folder, beside whoever writes it.

    Args:
        keys: Opens the sealed parts, or is the folder of the master key that does; None leaves
            them shut.
        processes: So many at most share it out; a small store is checked in this one.

    Raises:
        StoreRefusedError: The store, or its master key, cannot be read.
    """
    if processes > 1:
        course = _look(folder, lambda connection: _Course(connection, sizes, depth))
        stretches = course.stretches(processes)
        if len(stretches) > 1:
            tasks: list[Task[Derived | tuple[Problem, ...]]] = [
                *(partial(_check, folder, check) for check in course.checks),
                *(partial(_derive_stretch, folder, keys, one) for one in stretches),
            ]
            done = share_out(tasks, processes, _counted(progress, course.size))
            derived = [one for one in done if isinstance(one, Derived)]
            checked = [one for one in done if isinstance(one, tuple)]
            return _look(folder, lambda connection: course.end(connection, derived, checked))
    return _look(
        folder,
        lambda connection: derive(
            connection,
            _keyring(keys, connection),
            sizes=sizes,
            depth=depth,
            progress=progress,
        ),
    )


class _Course:
    """What there is to be checked, as it was when the check began, and what it comes to."""

    def __init__(self, connection: Connection, sizes: Iterable[int], depth: Depth) -> None:
        self._problems: list[Problem] = []
        self._head = store.read_head(connection)
        self._frontier = connection.execute(select(store.HEAD.c.frontier)).scalar_one()
        self._depth = depth
        try:
            self._recoveries = read_recoveries(connection)
        except ValueError:
            self._recoveries = ()
            self._problems.append(CHAIN_BROKEN)
        self.size = _size(connection, self._head)
        self._sizes = frozenset({*sizes, *(one.index for one in self._recoveries), self.size})
        if self._head.size > self.size:
            self._problems.append(
                Problem(
                    self.size,
                    f"the head says {self._head.size} entries, but they end here",
                    f"库头称有 {self._head.size} 条，记录却到此为止",
                )
            )

    def stretches(self, processes: int) -> list[Stretch]:
        """All entries, shared out for so many processes."""
        share = self.size
        if processes > 1:
            share = max(STRETCH[self._depth], self.size // (processes * _A_PROCESS))
        width = (share // WIDTH + 1) * WIDTH
        return [
            Stretch(start, min(start + width, self.size), self._depth, self._sizes)
            for start in range(0, self.size, width)
        ]

    @property
    def checks(self) -> tuple[Check, ...]:
        """What takes long and needs no stretch."""
        if self._depth is Depth.TREE:
            return ()
        return (
            check_file,
            check_tables,
            check_subject_keys,
            check_marks,
            check_spans,
            check_releases,
        )

    def end(
        self,
        connection: Connection,
        stretches: Sequence[Derived],
        checked: Iterable[Sequence[Problem]],
    ) -> Derivation:
        """What the checks come to: the tree grows from one stretch to the next."""
        problems = [*self._problems, *(p for one in checked for p in one)]

        def wrong(index: int | None, what: str, zh: str) -> None:
            problems.append(Problem(index, what, zh))

        tree, frontier, roots = Tree(Frontier(), []), Frontier(), {0: EMPTY_ROOT}
        by_tile: dict[int, list[int]] = {}
        for size in sorted(self._sizes):
            by_tile.setdefault(size // WIDTH, []).append(size)
        for one in stretches:
            problems += one.problems
            for root in (*one.roots, None):
                for size in by_tile.get(tree.size, ()):
                    if size % WIDTH == 0 or size in one.edges:
                        hashes = [*tree.frontier.hashes, *one.edges.get(size, ())]
                        frontier = Frontier(size, hashes)
                        roots[size] = frontier.root()
                if root is not None:
                    for tile in tree.grow([root]):
                        check_tile(connection, tile._replace(level=tile.level + 1), wrong)
            if one.given_up:
                frontier = Frontier(WIDTH * tree.size, tree.frontier.hashes)
                break
        else:
            self._check_end(connection, frontier, roots, wrong)
        derived = Checkpoint(self._head.origin, frontier.size, frontier.root())
        return Derivation(derived, in_order(problems), roots, self._recoveries)

    def _check_end(
        self, connection: Connection, frontier: Frontier, roots: Mapping[int, Hash], wrong: Wrong
    ) -> None:
        """What follows from all entries, or must not be there beside them."""
        if (self._head.root, self._frontier) != (frontier.root(), b"".join(frontier.hashes)):
            wrong(
                None,
                f"the head of size {self._head.size} does not follow from the entries",
                f"大小为 {self._head.size} 的库头与记录不符",
            )
        for recovery in self._recoveries:
            if recovery.index < self.size and recovery.root != roots.get(recovery.index):
                wrong(
                    recovery.index,
                    "the recovery was made on another log than this",
                    "该恢复记录所述的日志不是本日志",
                )
        size = _size(connection, store.read_head(connection))  # by now there may be more
        check_log(connection, size, wrong)
        if self._depth is not Depth.TREE:
            check_rows(connection, size, wrong)


def _size(connection: Connection, head: Checkpoint) -> int:
    """How many entries there are, by themselves and by the head: the lower number."""
    newest = connection.execute(select(func.max(store.ENTRIES.c.idx))).scalar_one()
    return max(0, min(0 if newest is None else newest + 1, head.size))


def _derive_stretch(
    folder: Path, keys: Path | Keyring | None, stretch: Stretch, told: Told
) -> Derived:
    return _look(
        folder,
        lambda connection: derive_stretch(connection, stretch, _keyring(keys, connection), told),
    )


def _check(folder: Path, check: Check, _told: Told) -> tuple[Problem, ...]:
    return _look(folder, lambda connection: _checked(connection, check))


def _checked(connection: Connection, check: Check) -> tuple[Problem, ...]:
    problems: list[Problem] = []
    check(connection, lambda *wrong: problems.append(Problem(*wrong)))
    return tuple(problems)


def _keyring(keys: Path | Keyring | None, connection: Connection) -> Keyring | None:
    return read_keyring(keys, connection) if isinstance(keys, Path) else keys


def _counted(progress: Progress, size: int) -> Told:
    """Adds up what is told by the piece."""
    done = 0

    def told(more: int) -> None:
        nonlocal done
        done = min(done + more, size)  # a stretch that had to be read again is told twice
        progress(done, size)

    return told


def _look(folder: Path, question: Callable[[Connection], Found]) -> Found:
    def ask_once_more(connection: Connection) -> Found:
        if connection.dialect.name == "sqlite":
            sqlite.read_any_text(connection)  # takes longer, so only where something is wrong
        return question(connection)

    try:
        with suppress(OperationalError):
            return connections.at(folder).look(question)
        return connections.at(folder).look(ask_once_more)
    except (SQLAlchemyError, TypeError, AttributeError):
        raise _unreadable(folder) from None


def _unreadable(folder: Path) -> StoreRefusedError:
    """The refusal of a store that no check gets through; if that is why, how its tables differ."""
    found: tuple[Problem, ...] = ()
    with suppress(SQLAlchemyError, StoreRefusedError):
        found = connections.at(folder).look(lambda connection: _checked(connection, check_tables))
    return StoreRefusedError(
        "the store cannot be read to its end" + "".join(f": {one.what}" for one in found[:1]),
        zh="".join(f"{one.zh}；" for one in found[:1])
        + "记录库读不到末尾；请检查磁盘，并在副本上运行 `PRAGMA integrity_check`",
        reason="STORE_UNREADABLE",
        hint="Check the disk, and run `PRAGMA integrity_check` on a copy of the file.",
    )
