"""Processes that share out work between them, so that every core has some."""

import signal
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeAlias, TypeVar

from audit.errors import AuditError, StoreRefusedError

Result = TypeVar("Result")
Told: TypeAlias = Callable[[int], None]
"""Told how much more has been done."""

Task: TypeAlias = Callable[[Told], Result]


def share_out(tasks: Sequence[Task[Result]], processes: int, told: Told) -> list[Result]:
    """Do all tasks, each in one of so many processes, in the order in which they are free.

    Args:
        tasks: They and what they return go from process to process, pickled.

    Returns:
        The results, in the order of the tasks.

    Raises:
        AuditError: What a task raised.
        StoreRefusedError: A process ended before its task did (``CHECK_CUT_SHORT``).
    """
    context = get_context("spawn")  # a fork would share open files of SQLite, which must not be
    results: dict[int, Result] = {}
    waiting = list(enumerate(tasks))[::-1]
    crew = {}
    try:
        for _ in range(min(processes, len(tasks))):
            ours, theirs = context.Pipe()
            crew[ours] = context.Process(target=_work, args=(theirs,), daemon=True)
            crew[ours].start()
            theirs.close()
            ours.send(waiting.pop())
        while len(results) < len(tasks):
            for ready in wait([*crew]):
                assert isinstance(ready, Connection)  # noqa: S101  # what was waited for
                said: int | AuditError | tuple[int, Result] = ready.recv()
                if isinstance(said, AuditError):
                    raise said
                if isinstance(said, int):
                    told(said)
                    continue
                results[said[0]] = said[1]
                if waiting:
                    ready.send(waiting.pop())
    except (EOFError, OSError):
        raise _cut_short() from None
    finally:
        for pipe, process in crew.items():
            process.terminate()
            process.join()
            pipe.close()
    return [results[number] for number in range(len(tasks))]


def _work(pipe: "Connection[Any, Any]") -> None:
    """Do what comes, until nothing comes any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever shared it out ends it
    while True:
        number, task = pipe.recv()
        try:
            pipe.send((number, task(pipe.send)))
        except AuditError as error:
            pipe.send(error)


def _cut_short() -> StoreRefusedError:
    return StoreRefusedError(
        "a process that took part in the check ended before it was done",
        zh="参与查验的一个进程中途结束；请看内存是否够用，或加 `--processes 1` 再试",
        reason="CHECK_CUT_SHORT",
        hint="See whether there is memory enough, or try again with `--processes 1`.",
    )
