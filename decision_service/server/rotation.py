"""Files that an operator replaces while the service runs: callers' keys, the certificate."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from decision_service.errors import DecisionServiceError

log = structlog.get_logger()


async def follow(
    files: Sequence[Path],
    use: Callable[[Sequence[bytes]], None],
    *,
    in_use: Sequence[bytes],
    look_every_s: float = 1.0,
) -> None:
    """Use the files' content whenever it has changed, until cancelled.

    Content that is refused, or a file that cannot be read, leaves in use what was; an operator is
    told once. Files that belong together may be replaced one after the other: the pair in between
    is refused, the pair at the end is used.

    Args:
        use: Takes the content of every file at once; raises `DecisionServiceError` to refuse it.
        in_use: The content that is in use already.
        look_every_s: Seconds between two looks.
    """
    names = [path.name for path in files]
    seen: Sequence[bytes] | str = in_use
    while True:
        await asyncio.sleep(look_every_s)
        found = await asyncio.to_thread(_read, files)
        if found == seen:
            continue
        seen = found
        if isinstance(found, str):
            log.error("file.refused", files=names, reason=found)
            continue
        try:
            use(found)
        except DecisionServiceError as error:
            log.error("file.refused", files=names, reason=error.reason)  # noqa: TRY400 - keys are secrets
        else:
            log.info("file.replaced", files=names)


def _read(files: Sequence[Path]) -> Sequence[bytes] | str:
    """The content of every file; why not, where one cannot be read."""
    try:
        return [path.read_bytes() for path in files]
    except OSError as error:
        return type(error).__name__
